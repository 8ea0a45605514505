"""Several processes make the steps of one, stop together, and none waits for one that is gone."""

import functools
import json
import shutil
import sys

import numpy as np
import processes
import pytest
import torch

from jptextclf.config import TrainConfig
from jptextclf.labels import LabelSchema
from jptextclf.stepping import Stepper
from jptextclf.training import make_plan
from jptextclf.world import ALONE, join

BINARY = LabelSchema(("悪い", "良い"), "binary")
FSDP = {
    "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
}  # fmt: skip
BATCHES = [np.arange(8), np.arange(8, 15), np.array([3]), np.arange(24)]
"""The third has one text, so that a second process has nothing to compute."""


def config_of(**settings):
    return TrainConfig.from_options(
        {"device": "cpu", "precision": "float32", "batch_size": 8, "epochs": 3, **settings}
    )


def without_dropout(classifier):
    for module in classifier.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return classifier


def steps_of(classifier, data, world, batches=BATCHES, **settings):
    """Loss and gradient norm of each step, and numbers that show the weights after the last one."""
    config = config_of(**settings)
    plan = make_plan(config, n_texts=len(data), width=32, world=world)
    stepper = Stepper(without_dropout(classifier), data, plan=plan, config=config, world=world)
    steps = [stepper.step(batch) for batch in batches]
    with stepper.gathered() as whole:
        sums = {name: [float(one.sum()), float(one.norm())] for name, one in whole.state_dict().items()}
    return {
        "losses": [one.loss for one in steps],
        "norms": [one.gradient_norm for one in steps],
        "sums": sums,
    }


def assert_same_steps(found, expected):
    assert found["losses"] == pytest.approx(expected["losses"], abs=1e-6)
    assert found["norms"] == pytest.approx(expected["norms"], rel=1e-4)
    assert found["sums"].keys() == expected["sums"].keys()
    for name, sums in expected["sums"].items():
        assert found["sums"][name] == pytest.approx(sums, rel=1e-4, abs=2e-4), name


SETTINGS = {
    "flat": {},
    "many micro-batches": {"max_tokens": 20},
    "padded": {"attention": "padded", "max_tokens": 60},
    "windows": {"max_length": 8, "long_texts": "windows", "window_overlap": 2, "max_tokens": 30},
    "layer-wise rates": {"layer_decay": 0.8, "frozen_layers": 1},
    "clipped": {"max_grad_norm": 0.05},
}


@pytest.mark.parametrize("environment", [{}, FSDP], ids=["whole", "shares"])
def test_two_processes_make_the_steps_of_one(classifier_of, labelled, reviews, tmp_path, environment):
    def all_steps(world):
        found = {}
        for name, settings in SETTINGS.items():
            classifier, adapter = classifier_of(BINARY)
            reading = {key: settings[key] for key in ("long_texts", "window_overlap") if key in settings}
            data = labelled(adapter, reviews, BINARY, settings.get("max_length", 64), **reading)
            found[name] = steps_of(classifier, data, world, **settings)
        return found

    expected = all_steps(ALONE)
    for found in processes.run(tmp_path, lambda rank: all_steps(join("cpu")), **environment):
        for name in SETTINGS:
            assert_same_steps(found[name], expected[name])


@pytest.fixture(scope="module")
def still_encoder(tiny_encoder, tmp_path_factory):
    """The tiny encoder without dropout, so that processes draw no numbers of their own."""
    directory = shutil.copytree(tiny_encoder, tmp_path_factory.mktemp("still") / "encoder")
    path = directory / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.update(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    path.write_text(json.dumps(config), encoding="utf-8")
    return directory


SETTINGS_OF_RUN = {
    "epochs": 6, "batch_size": 71, "max_length": 64, "learning_rate": 5e-3, "device": "cpu", "precision": "float32",
    "patience": 0, "checkpoint_steps": 3,
}  # fmt: skip
"""72 texts in batches of 71: the second batch of each epoch has one text, and a second process nothing to do."""


def training(texts, encoder, out, *more, **settings):
    """A command line."""
    options = {**SETTINGS_OF_RUN, "validation": texts, "model": encoder, "out": out, **settings}
    pairs = [(f"--{name.replace('_', '-')}", value) for name, value in options.items()]
    return ["train", texts, *(one for pair in pairs for one in pair), *more]


@pytest.fixture(scope="module")
def alone(still_encoder, reviews_csv, tmp_path_factory):
    """The run of one process. What it imports and looks up, the processes forked later need not."""
    from jptextclf import experiment, train

    with pytest.MonkeyPatch.context() as patch:
        # What is installed does not change between two trainings.
        patch.setattr(experiment, "software_components", functools.cache(experiment.software_components))
        out = tmp_path_factory.mktemp("alone") / "run"
        train(reviews_csv, validation=reviews_csv, model=str(still_encoder), out=out, **SETTINGS_OF_RUN)
        yield result_of(out)


def command(arguments, before=None):
    """The work of a process: the command line, after something that happens in that process only."""

    def work(rank):
        from jptextclf.cli import main

        if before is not None:
            before(rank)
        sys.argv = ["jptextclf", *map(str, arguments)]
        main()

    return work


def together(folder, arguments, before=None, n=2, **environment):
    return processes.Processes(folder, command(arguments, before), n, JPTEXTCLF_LANG="en", **environment)


def finished(started):
    done = started.wait()
    assert [one.status for one in done] == [0] * len(done), "\n".join(one.stderr for one in done)
    return done


def result_of(run):
    record = json.loads((run / "jptextclf.json").read_text(encoding="utf-8"))
    epochs = [{name: one[name] for name in one if name != "seconds"} for one in record["history"]["epochs"]]
    return epochs, record["history"]["best_epoch"], (run / "model.safetensors").read_bytes()


def assert_same_run(found, expected):
    assert len(found[0]) == len(expected[0])
    for one, other in zip(found[0], expected[0], strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert found[1] == expected[1]


@pytest.mark.parametrize("environment", [{}, FSDP], ids=["whole", "shares"])
def test_the_command_line_with_two_processes(alone, still_encoder, reviews_csv, tmp_path, environment):
    out = tmp_path / "runs" / "a"
    done = finished(together(tmp_path / "two", training(reviews_csv, still_encoder, out), **environment))
    assert done[0].stdout.strip().endswith(str(out))
    assert (done[1].stdout, done[1].stderr) == ("", "")
    assert [path.name for path in out.parent.iterdir()] == ["a"]
    assert_same_run(result_of(out), alone)
