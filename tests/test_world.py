"""Several processes make the steps of one, stop together, and none waits for one that is gone."""

import functools
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import processes
import pytest
import torch
from conftest import make_tiny_encoder

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


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ["many micro-batches", "padded", "windows", "clipped"]),
        (FSDP, ["many micro-batches"]),
        pytest.param({}, list(SETTINGS), marks=pytest.mark.full),
        pytest.param(FSDP, list(SETTINGS), marks=pytest.mark.full),
    ],
    ids=["whole", "shares", "whole, all", "shares, all"],
)
def test_two_processes_make_the_steps_of_one(classifier_of, labelled, reviews, tmp_path, environment, names):
    def all_steps(world):
        found = {}
        for name in names:
            settings = SETTINGS[name]
            classifier, adapter = classifier_of(BINARY)
            reading = {key: settings[key] for key in ("long_texts", "window_overlap") if key in settings}
            data = labelled(adapter, reviews, BINARY, settings.get("max_length", 64), **reading)
            found[name] = steps_of(classifier, data, world, **settings)
        return found

    expected = all_steps(ALONE)
    for found in processes.run(tmp_path, lambda rank: all_steps(join("cpu")), **environment):
        for name in names:
            assert_same_steps(found[name], expected[name])


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What forked processes need not import each for themselves."""
    for name in (
        "accelerate",
        "torch.distributed.fsdp",
        "torch.distributed.device_mesh",
        "sklearn.linear_model",
    ):
        importlib.import_module(name)


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
    assert {path.name for path in out.parent.iterdir()} == {"a", "a.report"}
    assert_same_run(result_of(out), alone)


def at_step(step, what, rank=1):
    """Something that one process does when it is about to make a step."""

    def before(own):
        if own != rank:
            return
        make = Stepper.step

        def step_then(stepper, batch):
            if stepper.steps == step:
                what(stepper)
            return make(stepper, batch)

        Stepper.step = step_then

    return before


def send(number):
    return lambda stepper: os.kill(os.getpid(), number)


def out_of_memory(stepper):
    raise torch.OutOfMemoryError("memory is full")


@pytest.fixture(scope="module")
def dropping(tiny_encoder, reviews_csv, tmp_path_factory, alone):
    """What two processes make of the tiny encoder, each with dropout of its own."""
    folder = tmp_path_factory.mktemp("dropping")
    finished(together(folder, training(reviews_csv, tiny_encoder, folder / "run")))
    return result_of(folder / "run")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.full)]
)
@pytest.mark.parametrize("rank", [0, pytest.param(1, marks=pytest.mark.full)])
def test_a_signal_to_one_stops_all_and_the_training_goes_on(
    dropping, tiny_encoder, reviews_csv, tmp_path, number, status, rank
):
    out = tmp_path / "runs" / "a"
    arguments = training(reviews_csv, tiny_encoder, out, checkpoint_steps=100)
    done = together(tmp_path / "stopped", arguments, at_step(5, send(number), rank)).wait()
    assert [one.status for one in done] == [status, status], done[0].stderr + done[1].stderr
    assert "after step 6 of 12" in done[0].stderr
    assert "Traceback" not in done[0].stderr + done[1].stderr
    assert not out.exists()
    done = finished(together(tmp_path / "resumed", [*arguments, "--resume"]))
    assert "step 6" in done[0].stderr
    assert result_of(out) == dropping


def test_a_process_that_is_killed_ends_the_others_with_a_sentence(
    still_encoder, reviews_csv, tmp_path, alone
):
    out = tmp_path / "runs" / "a"
    started = time.monotonic()
    done = together(
        tmp_path, training(reviews_csv, still_encoder, out), at_step(5, send(signal.SIGKILL))
    ).wait()
    assert time.monotonic() - started < 30
    assert [one.status for one in done] == [1, -signal.SIGKILL]
    assert done[0].stderr.count("JPT-W044") == 1
    assert "--resume" in done[0].stderr
    assert "Traceback" not in done[0].stderr
    assert list((out.with_name("a.unfinished") / "checkpoints").iterdir())


@pytest.mark.full
def test_a_process_that_hangs_ends_the_others_after_a_while(still_encoder, reviews_csv, tmp_path, alone):
    started = together(
        tmp_path / "p", training(reviews_csv, still_encoder, tmp_path / "a"), at_step(5, send(signal.SIGSTOP)),
        JPTEXTCLF_RANK_TIMEOUT="3",
    )  # fmt: skip
    done = started.wait(25)
    assert [one.status for one in done] == [1, -signal.SIGKILL]
    assert "JPT-W044" in done[0].stderr


def test_what_one_process_cannot_do_is_said_once_and_ends_all(still_encoder, reviews_csv, tmp_path, alone):
    def fill_memory(stepper):
        layer = stepper.classifier.network.bert.encoder.layer[0]
        layer.register_forward_hook(lambda *_: out_of_memory(stepper))

    out = tmp_path / "runs" / "a"
    done = together(tmp_path, training(reviews_csv, still_encoder, out), at_step(4, fill_memory)).wait()
    assert [one.status for one in done] == [1, 1]
    assert "JPT-W048 Process 1" in done[0].stderr
    assert "JPT-W013" in done[0].stderr
    assert done[1].stderr == ""
    assert not out.exists()
    assert len(list((out.with_name("a.unfinished") / "checkpoints").iterdir())) == 2


@pytest.mark.full
def test_memory_that_one_process_lacks_for_a_moment_is_its_own_affair(
    still_encoder, reviews_csv, tmp_path, alone
):
    def fill_memory(stepper):
        layer = stepper.classifier.network.bert.encoder.layer[0]

        def check(module, inputs, output):
            if (output[0] if isinstance(output, tuple) else output).shape[-2] > 200:
                (tmp_path / "full").touch()
                out_of_memory(stepper)

        layer.register_forward_hook(check)

    out = tmp_path / "runs" / "a"
    done = finished(together(tmp_path, training(reviews_csv, still_encoder, out), at_step(4, fill_memory)))
    assert_same_run(result_of(out), alone)
    assert (tmp_path / "full").exists()
    assert "did not fit" not in done[0].stderr


@pytest.mark.parametrize("rank", [0, 1])
def test_data_that_one_process_cannot_read_end_all(still_encoder, reviews_csv, tmp_path, alone, rank):
    def move_away(own):
        if own == rank:
            os.chdir(tmp_path / "empty")

    (tmp_path / "empty").mkdir()
    (tmp_path / "reviews.csv").symlink_to(reviews_csv)
    arguments = training("reviews.csv", still_encoder, tmp_path / "a", validation=reviews_csv)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        done = together(tmp_path / "p", arguments, move_away).wait()
    assert done[rank].status == 3
    assert done[1 - rank].status == 1
    assert done[0].stderr.count("JPT-D001") == 1
    assert ("JPT-W048" in done[0].stderr) == (rank == 1)
    assert done[1].stderr == ""
    assert not (tmp_path / "a.unfinished").exists()


@pytest.mark.full
def test_a_loss_that_is_not_finite_is_said_once(still_encoder, reviews_csv, tmp_path, alone):
    def poison(stepper):
        with torch.no_grad():
            stepper.classifier.network.classifier.weight.fill_(float("nan"))

    done = together(tmp_path, training(reviews_csv, still_encoder, tmp_path / "a"), at_step(4, poison)).wait()
    assert [one.status for one in done] == [1, 1]
    assert done[0].stderr.count("JPT-W010") == 1
    assert done[1].stderr == ""


@pytest.mark.parametrize(
    ("environment", "more", "status", "words"),
    [
        ({}, {"device": "cuda:1"}, 2, "JPT-U180"),
        ({"ACCELERATE_MIXED_PRECISION": "fp16"}, {"precision": "auto"}, 4, "ACCELERATE_MIXED_PRECISION=fp16"),
        ({**FSDP, "FSDP_OFFLOAD_PARAMS": "true"}, {}, 4, "FSDP_OFFLOAD_PARAMS=true"),
        ({**FSDP, "FSDP_VERSION": "1", "FSDP_SHARDING_STRATEGY": "HYBRID_SHARD"}, {}, 4, "FULL_SHARD"),
        pytest.param(
            {**FSDP, "FSDP_TRANSFORMER_CLS_TO_WRAP": "GPT2Block"}, {}, 4, "GPT2Block", marks=pytest.mark.full
        ),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, {}, 4, "ACCELERATE_USE_DEEPSPEED=true"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_launcher_asks_for_and_cannot_be_done_is_refused(
    still_encoder, reviews_csv, tmp_path, alone, environment, more, status, words
):
    out = tmp_path / "runs" / "a"
    done = together(tmp_path, training(reviews_csv, still_encoder, out, **more), **environment).wait()
    assert [one.status for one in done] == [status, status], done[0].stderr + done[1].stderr
    assert words in done[0].stderr
    assert "Traceback" not in done[0].stderr
    assert done[1].stderr == ""
    assert not out.parent.exists() or not list(out.parent.iterdir())


def test_a_dry_run_is_shown_once(still_encoder, reviews_csv, tmp_path, alone):
    out = tmp_path / "a"
    done = finished(
        together(tmp_path / "p", training(reviews_csv, still_encoder, out, "--dry-run", "--json"))
    )
    assert json.loads(done[0].stdout)["preview"]["steps"] == 12
    assert (done[1].stdout, done[1].stderr) == ("", "")
    assert not out.exists()


def test_other_commands_are_done_by_the_first_process(tmp_path):
    done = finished(together(tmp_path, ["corpora", "list", "--json"]))
    assert json.loads(done[0].stdout)["corpora"]
    assert done[1].stdout == ""
    assert "Process 1 of 2 does nothing" in done[1].stderr


@pytest.mark.full
@pytest.mark.parametrize(
    "settings",
    [
        {"FSDP_VERSION": "1", "FSDP_SHARDING_STRATEGY": "FULL_SHARD", "FSDP_SYNC_MODULE_STATES": "true"},
        {"FSDP_VERSION": "1", "FSDP_SHARDING_STRATEGY": "SHARD_GRAD_OP"},
        {"FSDP_VERSION": "1", "FSDP_SHARDING_STRATEGY": "NO_SHARD"},
        {"FSDP_RESHARD_AFTER_FORWARD": "false"},
        {"FSDP_AUTO_WRAP_POLICY": "NO_WRAP"},
        {"FSDP_AUTO_WRAP_POLICY": "SIZE_BASED_WRAP", "FSDP_MIN_NUM_PARAMS": "2000"},
        {"FSDP_AUTO_WRAP_POLICY": "SIZE_BASED_WRAP", "FSDP_MIN_NUM_PARAMS": "1"},
        {"FSDP_TRANSFORMER_CLS_TO_WRAP": "BertAttention,BertLayer"},
        {"FSDP_ACTIVATION_CHECKPOINTING": "true"},
    ],
    ids=lambda settings: " ".join(settings.values()),
)
def test_every_way_to_cut_a_model_gives_the_same_run(still_encoder, reviews_csv, tmp_path, alone, settings):
    out = tmp_path / "a"
    finished(together(tmp_path / "p", training(reviews_csv, still_encoder, out), **{**FSDP, **settings}))
    assert_same_run(result_of(out), alone)


@pytest.mark.full
@pytest.mark.parametrize("environment", [{}, FSDP], ids=["whole", "shares"])
def test_three_processes_make_the_run_of_one(still_encoder, reviews_csv, tmp_path, alone, environment):
    out = tmp_path / "a"
    finished(together(tmp_path / "p", training(reviews_csv, still_encoder, out), n=3, **environment))
    assert_same_run(result_of(out), alone)


@pytest.mark.full
@pytest.mark.parametrize(
    "more",
    [
        {"patience": 1, "epochs": 8},
        {"lora_rank": 2},
        {"attention": "padded"},
        {"layer_decay": 0.8, "frozen_layers": 1},
        {"label_smoothing": 0.1, "loss": "focal"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
@pytest.mark.parametrize("environment", [{}, FSDP], ids=["whole", "shares"])
def test_every_setting_gives_two_processes_the_run_of_one(
    still_encoder, reviews_csv, tmp_path, environment, more, alone
):
    two, one = tmp_path / "two", tmp_path / "one"
    finished(together(tmp_path / "p", training(reviews_csv, still_encoder, two, **more), **environment))
    finished(together(tmp_path / "q", training(reviews_csv, still_encoder, one, **more), n=1))
    found, expected = result_of(two), result_of(one)
    tolerance = 1e-2 if more.get("precision") == "bfloat16" else 1e-6
    assert len(found[0]) == len(expected[0])
    for epoch, other in zip(found[0], expected[0], strict=True):
        assert epoch == pytest.approx(other, abs=tolerance)


@pytest.mark.full
@pytest.mark.parametrize("architecture", ["roberta", "distilbert"])
def test_other_architectures_are_cut_too(reviews_csv, tmp_path, architecture, alone):
    (tmp_path / "encoder").mkdir()
    encoder = make_tiny_encoder(tmp_path / "encoder", architecture=architecture)
    path = encoder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.update(dict.fromkeys([name for name in config if name.endswith(("dropout", "dropout_prob"))], 0.0))
    path.write_text(json.dumps(config), encoding="utf-8")
    finished(together(tmp_path / "p", training(reviews_csv, encoder, tmp_path / "two"), **FSDP))
    finished(together(tmp_path / "q", training(reviews_csv, encoder, tmp_path / "one"), n=1))
    assert_same_run(result_of(tmp_path / "two"), result_of(tmp_path / "one"))


@pytest.mark.full
def test_shares_are_saved_whole_and_go_on_bit_for_bit(tiny_encoder, reviews_csv, tmp_path, alone):
    whole, out = tmp_path / "whole", tmp_path / "runs" / "a"
    finished(together(tmp_path / "p", training(reviews_csv, tiny_encoder, whole), **FSDP))
    arguments = training(reviews_csv, tiny_encoder, out)
    done = together(tmp_path / "q", arguments, at_step(5, send(signal.SIGTERM)), **FSDP).wait()
    assert [one.status for one in done] == [143, 143], done[0].stderr + done[1].stderr
    finished(together(tmp_path / "r", [*arguments, "--resume"], **FSDP))
    assert result_of(out) == result_of(whole)


@pytest.mark.full
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("environment", [{}, FSDP], ids=["whole", "shares"])
def test_a_training_goes_on_with_more_or_fewer_processes(
    still_encoder, reviews_csv, tmp_path, n, environment, alone
):
    out = tmp_path / "runs" / "a"
    arguments = training(reviews_csv, still_encoder, out)
    done = together(tmp_path / "q", arguments, at_step(5, send(signal.SIGTERM)), **environment).wait()
    assert [one.status for one in done] == [143, 143], done[0].stderr + done[1].stderr
    finished(together(tmp_path / "r", [*arguments, "--resume"], n=n))
    assert_same_run(result_of(out), alone)


def test_vectors_of_a_frozen_encoder_are_for_one_process(still_encoder, reviews_csv, tmp_path, alone):
    arguments = [
        "train",
        reviews_csv,
        "--model",
        still_encoder,
        "--mode",
        "features",
        "--out",
        tmp_path / "a",
    ]
    done = together(tmp_path / "p", arguments).wait()
    assert [one.status for one in done] == [2, 2]
    assert "JPT-U131" in done[0].stderr
    assert done[1].stderr == ""


@pytest.mark.full
@pytest.mark.parametrize(
    "launcher",
    [
        ["torch.distributed.run", "--nproc_per_node", "2"],
        ["accelerate.commands.launch", "--num_processes", "2", "--use_fsdp", "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP"],
        ["accelerate.commands.launch", "--num_processes", "2", "--use_fsdp", "--fsdp_version", "2", "--fsdp_reshard_after_forward", "true"],
    ],
    ids=["torchrun", "FSDP", "FSDP 2"],
)  # fmt: skip
def test_the_launchers_themselves(still_encoder, reviews_csv, tmp_path, alone, launcher):
    arguments = training(reviews_csv, still_encoder, tmp_path / "a")
    done = subprocess.run(
        [sys.executable, "-m", *launcher, "-m", "jptextclf", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().split("\n")[-1] == str(tmp_path / "a")
    assert done.stdout.count(str(tmp_path / "a")) == 1
    assert_same_run(result_of(tmp_path / "a"), alone)


def test_what_a_launcher_passes_on_is_no_second_signal(still_encoder, reviews_csv, tmp_path, alone):
    def twice(stepper):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    out = tmp_path / "runs" / "a"
    done = together(tmp_path, training(reviews_csv, still_encoder, out), at_step(4, twice)).wait()
    assert [one.status for one in done] == [143, 143], done[0].stderr + done[1].stderr
    assert "after step 5 of 12" in done[0].stderr
    assert [one.stderr.count("Terminated") for one in done] == [1, 0]
