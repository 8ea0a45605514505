"""One optimizer step is the mean gradient of its batch, however it is computed; the best epoch is kept."""

import itertools

import numpy as np
import pytest
import torch

from jptextclf.config import TrainConfig, default_epochs, default_learning_rate
from jptextclf.errors import ConfigError, WorkError
from jptextclf.labels import LabelSchema
from jptextclf.progress import Logged
from jptextclf.training import (
    LabelledTexts,
    Stepper,
    fine_tune,
    label_weights,
    loss_sum,
    make_plan,
    parameter_groups,
    start_from_frequencies,
    warmup_and_decay,
)

BINARY = LabelSchema(("悪い", "良い"), "binary")
MULTI = LabelSchema(("悪い", "良い", "部屋"), "multilabel")


def labelled(adapter, reviews, schema=BINARY):
    texts = [text for text, _ in reviews]
    labels = [
        (label, "部屋") if schema.is_multilabel and "部屋" in text else (label,) for text, label in reviews
    ]
    return LabelledTexts(adapter.encode(texts, max_length=64), schema.encode(labels))


def config_of(**settings):
    return TrainConfig.from_options(
        {"device": "cpu", "precision": "float32", "batch_size": 8, "epochs": 3, **settings}
    )


def without_dropout(classifier):
    for module in classifier.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return classifier


def gradients_of_one_step(classifier, data, config):
    without_dropout(classifier)
    plan = make_plan(config, n_texts=len(data), width=32)
    stepper = Stepper(classifier, data, plan=plan, config=config)
    loss = stepper.accumulate(np.arange(len(data)))
    return loss, {
        name: one.grad.clone() for name, one in classifier.named_parameters() if one.grad is not None
    }


@pytest.mark.parametrize("schema", [BINARY, MULTI], ids=["binary", "multilabel"])
@pytest.mark.parametrize("max_tokens", [16, 60, 200])
def test_micro_batches_change_neither_loss_nor_gradient(classifier_of, reviews, schema, max_tokens):
    whole_classifier, adapter = classifier_of(schema)
    data = labelled(adapter, reviews, schema)
    loss, whole = gradients_of_one_step(whole_classifier, data, config_of(max_grad_norm=1e9))
    cut_loss, cut = gradients_of_one_step(
        classifier_of(schema)[0], data, config_of(max_tokens=max_tokens, max_grad_norm=1e9)
    )
    assert cut_loss == pytest.approx(loss, rel=1e-5)
    for name, gradient in whole.items():
        difference = (cut[name] - gradient).norm() / gradient.norm().clamp(min=1e-6)
        assert difference < 1e-4, name


def test_the_gradient_equals_that_of_the_stock_padded_batch(classifier_of, reviews):
    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, reviews)
    _, ours = gradients_of_one_step(classifier, data, config_of(max_tokens=64, max_grad_norm=1e9))
    stock = without_dropout(classifier_of(BINARY)[0]).train().network
    width = int(data.encodings.lengths.max())
    ids = torch.full((len(data), width), stock.config.pad_token_id)
    mask = torch.zeros_like(ids)
    for number in range(len(data)):
        row = torch.from_numpy(data.encodings.row(number)).long()
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    stock(input_ids=ids, attention_mask=mask, labels=torch.from_numpy(data.targets)).loss.backward()
    for name, parameter in stock.named_parameters():
        gradient = ours[f"network.{name}"]
        assert (gradient - parameter.grad).norm() / parameter.grad.norm().clamp(min=1e-6) < 1e-4, name


def train(classifier, adapter, reviews, schema=BINARY, progress=None, **settings):
    data = labelled(adapter, reviews, schema)
    config = config_of(**settings)
    plan = make_plan(config, n_texts=len(data), width=32)

    def measure(logits):
        guesses = logits >= 0 if schema.is_multilabel else logits.argmax(axis=1)
        return float(np.mean(guesses == data.targets))

    return fine_tune(
        classifier, data, data, plan=plan, config=config, measure=measure, progress=progress or Logged()
    )


@pytest.mark.parametrize("schema", [BINARY, MULTI], ids=["binary", "multilabel"])
def test_a_tiny_encoder_learns_its_training_texts(classifier_of, reviews, schema):
    history = train(*classifier_of(schema), reviews, schema, epochs=40, learning_rate=3e-3, patience=None)
    assert history.epochs[history.best_epoch - 1].value >= 0.95
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss / 2


def test_the_same_seed_gives_the_same_weights(classifier_of, reviews):
    states = []
    for seed in (3, 3, 4):
        classifier, adapter = classifier_of(BINARY, seed=seed)
        train(classifier, adapter, reviews, seed=seed)
        states.append(classifier.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_the_best_epoch_is_kept_and_patience_ends_training(classifier_of, reviews):
    classifier, adapter = classifier_of(BINARY)
    values = iter([0.1, 0.9, 0.5, 0.5, 0.5, 0.5])
    seen = []
    data = labelled(adapter, reviews)
    config = config_of(epochs=6, patience=2)

    def measure(logits):
        seen.append({name: one.clone() for name, one in classifier.state_dict().items()})
        return next(values)

    plan = make_plan(config, n_texts=len(data), width=32)
    history = fine_tune(classifier, data, data, plan=plan, config=config, measure=measure, progress=Logged())
    assert history.best_epoch == 2
    assert history.stopped_early
    assert len(history.epochs) == 4
    assert all(torch.equal(one, seen[1][name]) for name, one in classifier.state_dict().items())


def test_a_loss_that_is_not_finite_stops_with_the_step(classifier_of, reviews):
    classifier, adapter = classifier_of(BINARY)
    with torch.no_grad():
        classifier.network.classifier.weight.fill_(float("inf"))
    with pytest.raises(WorkError, match=r"JPT-W010.*step 1"):
        train(classifier, adapter, reviews)


def test_progress_is_told_every_step(classifier_of, reviews):
    class Counter(Logged):
        steps = 0

        def begin(self, phase, total):
            self.total = total

        def advance(self, n, note=""):
            self.steps += n

    counter = Counter()
    train(*classifier_of(BINARY), reviews, progress=counter)
    assert counter.steps == counter.total == 9


def test_balanced_weights_have_mean_one_over_the_texts():
    targets = torch.tensor([0, 0, 0, 1])
    weights = label_weights(targets, 2, "balanced")
    assert weights.tolist() == pytest.approx([4 / 6, 2.0])
    assert weights[targets].mean() == pytest.approx(1.0)
    assert label_weights(targets, 2, "none") is None


def test_multilabel_weights_balance_positives():
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    assert label_weights(targets, 2, "balanced").tolist() == pytest.approx([1.0, 3.0])


def test_loss_of_one_text_is_the_textbook_value():
    logits = torch.tensor([[0.0, 0.0]])
    assert float(loss_sum(logits, torch.tensor([1]), None)) == pytest.approx(np.log(2))
    assert float(loss_sum(logits, torch.tensor([[1.0, 0.0]]), None)) == pytest.approx(np.log(2))


def test_the_schedule_rises_then_falls_to_zero():
    values = [warmup_and_decay(step, warmup=10, total=100) for step in range(101)]
    assert max(values) == values[10] == 1.0
    assert values[100] == 0.0
    assert values[0] > 0
    assert all(a < b for a, b in itertools.pairwise(values[:11]))
    assert all(a > b for a, b in itertools.pairwise(values[10:]))


def test_a_multilabel_head_starts_from_the_frequencies(classifier_of):
    classifier, _ = classifier_of(MULTI)
    targets = torch.tensor([[1.0, 0.0, 0.0]] * 9 + [[0.0, 1.0, 0.0]])
    start_from_frequencies(classifier, targets)
    probabilities = torch.sigmoid(classifier.network.classifier.bias)
    assert probabilities.tolist() == pytest.approx([9.5 / 11, 1.5 / 11, 0.5 / 11], abs=1e-5)


def test_vectors_do_not_decay(classifier_of):
    decaying, staying = parameter_groups(classifier_of(BINARY)[0], 0.1)
    assert all(one.ndim >= 2 for one in decaying["params"])
    assert all(one.ndim == 1 for one in staying["params"])
    assert staying["weight_decay"] == 0.0


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
