"""Several processes make the steps of one, stop together, and none waits for one that is gone."""

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
