"""One optimizer step is the mean gradient of its batch, however it is computed; the best epoch is kept."""

import itertools
import os
import signal

import numpy as np
import pytest
import torch

from jptextclf.checkpoints import Checkpoints
from jptextclf.config import TrainConfig, default_epochs, default_learning_rate
from jptextclf.errors import ConfigError, WorkError
from jptextclf.labels import LabelSchema
from jptextclf.progress import Logged
from jptextclf.stepping import warmup_and_decay
from jptextclf.training import Watchers, fine_tune, make_plan

BINARY = LabelSchema(("悪い", "良い"), "binary")
MULTI = LabelSchema(("悪い", "良い", "部屋"), "multilabel")


def config_of(**settings):
    return TrainConfig.from_options(
        {"device": "cpu", "precision": "float32", "batch_size": 8, "epochs": 3, **settings}
    )


@pytest.fixture
def train(labelled, reviews):
    """Fine-tune on the reviews, validated on them too."""

    def run(
        classifier,
        adapter,
        schema=BINARY,
        progress=None,
        measure=None,
        on_epoch=None,
        places=None,
        **settings,
    ):
        data = labelled(adapter, reviews, schema)
        config = config_of(**settings)
        plan = make_plan(config, n_texts=len(data), width=32)

        def accuracy(logits):
            guesses = logits >= 0 if schema.is_multilabel else logits.argmax(axis=1)
            return float(np.mean(guesses == data.targets))

        return fine_tune(
            classifier, data, data, plan=plan, config=config, measure=measure or accuracy,
            watchers=Watchers(progress or Logged(), on_epoch=on_epoch), **(places or {}),
        )  # fmt: skip

    return run


@pytest.mark.parametrize("schema", [BINARY, MULTI], ids=["binary", "multilabel"])
def test_a_tiny_encoder_learns_its_training_texts(classifier_of, train, schema):
    history = train(*classifier_of(schema), schema, epochs=40, learning_rate=3e-3, patience=None)
    assert history.epochs[history.best_epoch - 1].value >= 0.95
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss / 2


def test_the_same_seed_gives_the_same_weights(classifier_of, train):
    states = []
    for seed in (3, 3, 4):
        classifier, adapter = classifier_of(BINARY, seed=seed)
        train(classifier, adapter, seed=seed)
        states.append(classifier.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_the_best_epoch_is_kept_and_patience_ends_training(classifier_of, train):
    classifier, adapter = classifier_of(BINARY)
    values = iter([0.1, 0.9, 0.5, 0.5, 0.5, 0.5])
    seen = []

    def measure(logits):
        seen.append({name: one.clone() for name, one in classifier.state_dict().items()})
        return next(values)

    history = train(classifier, adapter, measure=measure, epochs=6, patience=2)
    assert history.best_epoch == 2
    assert history.stopped_early
    assert len(history.epochs) == 4
    assert all(torch.equal(one, seen[1][name]) for name, one in classifier.state_dict().items())


def test_progress_is_told_every_step(classifier_of, train):
    class Counter(Logged):
        steps = 0

        def begin(self, phase, total):
            self.total = total

        def advance(self, n, note=""):
            self.steps += n

    counter = Counter()
    train(*classifier_of(BINARY), progress=counter)
    assert counter.steps == counter.total == 9


def test_the_schedule_rises_then_falls_to_zero():
    values = [warmup_and_decay(step, warmup=10, total=100) for step in range(101)]
    assert max(values) == values[10] == 1.0
    assert values[100] == 0.0
    assert values[0] > 0
    assert all(a < b for a, b in itertools.pairwise(values[:11]))
    assert all(a > b for a, b in itertools.pairwise(values[10:]))


class Stopped(BaseException):
    """Stands for whatever ends a process."""


def state_of(classifier):
    return {name: one.clone() for name, one in classifier.state_dict().items()}


def resume(train, classifier_of, directory, **settings):
    checkpoints = Checkpoints(directory)
    newest, skipped = checkpoints.newest()
    assert newest is not None
    assert skipped == ()
    classifier, adapter = classifier_of(BINARY)
    # Whatever the process drew before must not matter.
    torch.rand(7)
    history = train(classifier, adapter, places={"checkpoints": checkpoints, "resume": newest}, **settings)
    return classifier, history


@pytest.mark.parametrize("step", [1, 3, 4, 8, 9])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_stopped_by_a_signal_ends_as_if_it_had_not_been(
    classifier_of, train, tmp_path, step, number
):
    settings = {"epochs": 4, "learning_rate": 1e-3}
    classifier, adapter = classifier_of(BINARY)
    expected = train(classifier, adapter, **settings)
    whole = state_of(classifier)

    class Signals(Logged):
        steps = 0

        def advance(self, n, note=""):
            self.steps += n
            if self.steps == step:
                os.kill(os.getpid(), number)

    def end(number, frame):
        raise Stopped

    before = signal.signal(number, end)
    try:
        with pytest.raises(Stopped):
            train(
                *classifier_of(BINARY),
                progress=Signals(),
                places={"checkpoints": Checkpoints(tmp_path)},
                **settings,
            )
    finally:
        signal.signal(number, before)
    assert Checkpoints(tmp_path).newest()[0].step == step
    resumed, history = resume(train, classifier_of, tmp_path, **settings)
    assert all(torch.equal(whole[name], one) for name, one in resumed.state_dict().items())
    assert history.resumed_at == (step,)
    for one, other in zip(history.epochs, expected.epochs, strict=True):
        assert (one.train_loss, one.validation_loss, one.value) == (
            other.train_loss, other.validation_loss, other.value,
        )  # fmt: skip


def test_a_training_that_died_goes_on_from_its_last_checkpoint(classifier_of, train, tmp_path):
    settings = {"epochs": 5, "checkpoint_steps": 2, "patience": 2, "learning_rate": 1e-3}
    classifier, adapter = classifier_of(BINARY)
    expected = train(classifier, adapter, **settings)
    whole = state_of(classifier)

    class Dies(Logged):
        steps = 0

        def advance(self, n, note=""):
            self.steps += n
            if self.steps == 8:
                raise Stopped

    with pytest.raises(Stopped):
        train(
            *classifier_of(BINARY), progress=Dies(), places={"checkpoints": Checkpoints(tmp_path)}, **settings
        )
    # Step 8 itself was not saved yet.
    assert Checkpoints(tmp_path).newest()[0].step == 6
    resumed, history = resume(train, classifier_of, tmp_path, **settings)
    assert all(torch.equal(whole[name], one) for name, one in resumed.state_dict().items())
    assert (history.best_epoch, history.steps) == (expected.best_epoch, expected.steps)


def test_a_finished_training_resumes_to_its_end_at_once(classifier_of, train, tmp_path):
    settings = {"epochs": 2, "learning_rate": 1e-3}
    classifier, adapter = classifier_of(BINARY)
    train(classifier, adapter, places={"checkpoints": Checkpoints(tmp_path)}, **settings)
    counted = []

    class Counts(Logged):
        def advance(self, n, note=""):
            counted.append(n)

    resumed, history = resume(train, classifier_of, tmp_path, progress=Counts(), **settings)
    assert counted == [6]
    assert len(history.epochs) == 2
    whole = classifier.state_dict()
    assert all(torch.equal(whole[name], one) for name, one in resumed.state_dict().items())


def test_the_callers_random_numbers_stay_as_they_were(classifier_of, train):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(*classifier_of(BINARY))
    assert torch.equal(torch.rand(3), expected)


def test_whoever_watches_epochs_may_end_the_training(classifier_of, train):
    seen = []

    def on_epoch(epoch):
        seen.append(epoch)
        if epoch.epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train(*classifier_of(BINARY), on_epoch=on_epoch)
    assert [one.epoch for one in seen] == [1, 2]
    assert all(0 <= one.value <= 1 for one in seen)


def test_all_problems_of_a_configuration_come_at_once():
    with pytest.raises(ConfigError) as caught:
        TrainConfig(epochs=0, learning_rate=2.0, device="tpu", warmup=1.5)
    assert str(caught.value).count("\n  - ") == 4


@pytest.mark.parametrize("bad", [{"epochs": True}, {"batch_size": 1.5}, {"seed": -1}, {"max_length": 2}, {"model": " "},
                                 {"validation_fraction": 0}, {"patience": -1}, {"learning_rate": "1e-4"}])  # fmt: skip
def test_a_bad_setting_is_refused(bad):
    with pytest.raises(ConfigError, match="JPT-U021"):
        TrainConfig(**bad)


def test_an_unknown_setting_names_the_closest():
    with pytest.raises(ConfigError, match="Did you mean 'learning_rate'"):
        TrainConfig.from_options({"lerning_rate": 1})


def test_defaults_follow_the_encoder_and_the_data():
    assert default_learning_rate(384) > default_learning_rate(768) > default_learning_rate(1024)
    assert [default_epochs(n_texts, 32) for n_texts in (500, 3500, 16000)] == [12, 5, 3]


def test_a_validation_loss_that_is_no_number_stops_with_a_sentence(classifier_of, train, tmp_path):
    classifier, adapter = classifier_of(BINARY)

    class Spoils(Logged):
        steps = 0

        def advance(self, n, note=""):
            self.steps += n
            if self.steps == 6:
                with torch.no_grad():
                    classifier.network.classifier.weight.fill_(float("nan"))

    with pytest.raises(WorkError, match=r"JPT-W049.*epoch 2 \(step 6\)"):
        train(classifier, adapter, progress=Spoils(), places={"checkpoints": Checkpoints(tmp_path)})
    assert Checkpoints(tmp_path).newest()[0].step == 3


def test_weights_that_are_the_best_are_written_once(classifier_of, train, tmp_path):
    train(*classifier_of(BINARY), epochs=1, places={"checkpoints": Checkpoints(tmp_path)})
    newest, _ = Checkpoints(tmp_path).newest()
    tensors = newest.tensors()
    names = [name for name in tensors if name.startswith("best.")]
    assert names
    assert all(torch.equal(tensors[name], tensors["model." + name.removeprefix("best.")]) for name in names)
    weights = sum(tensors[name].nbytes for name in names)
    # Weights, two moments, and little else.
    assert (newest.path / "tensors.safetensors").stat().st_size < 3.5 * weights
