"""A real training, killed, stopped and starved of disk: resumed, it ends with the weights of one that never was."""

import errno
import json
import os
import random
import re
import shutil
import signal
import time
from contextlib import contextmanager

import pytest
from faulty_os import mounted, remount
from warm_process import WarmProcess

from jptextclf.errors import ConfigError

SAVING = "checkpoints"
"""In the path of whatever belongs to a checkpoint."""


class Training:
    """One command line, and what the run is that it gives when nothing happens."""

    def __init__(self, folder, encoder, texts):
        self.folder = folder
        self.arguments = [
            texts, "--validation", texts, "--model", encoder, "--epochs", "6", "--batch-size", "8", "--max-length", "64",
            "--learning-rate", "2e-3", "--device", "cpu", "--precision", "float32", "--checkpoint-steps", "7",
            "--patience", "0",
        ]  # fmt: skip
        self.warm = WarmProcess(folder, [*self.arguments, "--out", folder / "prepared"])
        started = time.monotonic()
        done = self.warm.run(self.command(folder / "whole"), below=SAVING)
        self.seconds = time.monotonic() - started
        assert done.status == 0, done.stderr
        self.operations = done.operations
        self.result = result_of(folder / "whole")

    def command(self, out, *more):
        return ["train", *self.arguments, "--out", out, *more]

    def assert_finishes_as_if_nothing_had_happened(self, out):
        done = self.warm.run(self.command(out, "--resume"))
        assert done.status == 0, done.stderr
        assert result_of(out) == self.result
        for path in out.parent.iterdir():
            # An empty one may be so young that nobody has locked it yet; a later start removes it.
            assert path.name in {out.name, f"{out.name}.report"} or (
                path.name.startswith(".jptextclf-") and not any(path.iterdir())
            )
        return done


def result_of(run):
    """Every byte of the weights, and what was measured on the way but for the time it took."""
    record = json.loads((run / "jptextclf.json").read_text(encoding="utf-8"))
    del record["history"]["resumed_at"]
    for epoch in record["history"]["epochs"]:
        del epoch["seconds"]
    return (run / "model.safetensors").read_bytes(), record["history"], record["scores"]


@pytest.fixture(scope="module")
def training(tmp_path_factory, tiny_encoder, reviews_csv):
    training = Training(tmp_path_factory.mktemp("trainings"), tiny_encoder, reviews_csv)
    yield training
    training.warm.close()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "runs" / "a"


def checkpoints_of(out):
    directory = out.with_name("a.unfinished") / "checkpoints"
    return sorted(directory.glob("step-*")) if directory.exists() else []


@contextmanager
def paused(training, out):
    """The process id of a training that stands still in the middle of a save; it goes on after the block."""
    pause = out.parent / "pause"
    out.parent.mkdir(exist_ok=True)
    process = training.warm.start(
        training.command(out), at=training.operations // 2, below=SAVING, pause=str(pause)
    )
    end = time.monotonic() + 60
    while not pause.exists():
        assert time.monotonic() < end
        time.sleep(0.005)
    yield process
    pause.unlink()


def killed(training, out):
    """A training that died in the middle of a save, after others."""
    done = training.warm.run(training.command(out), at=training.operations // 2, below=SAVING)
    assert done.status == 137
    assert len(checkpoints_of(out)) >= 2
    assert not out.exists()


def kill_at_random(training, out, *, kills, seed):
    """Kill and resume, again and again; the training never starts over unasked."""
    generator = random.Random(seed)
    for _ in range(kills):
        process = training.warm.start(training.command(out, "--resume"))
        time.sleep(generator.uniform(0.1, 0.9) * training.seconds)
        os.kill(process, signal.SIGKILL)
        done = training.warm.wait()
        if out.exists():
            assert result_of(out) == training.result
            shutil.rmtree(out.parent)
        else:
            assert done.status == -signal.SIGKILL, done.stderr


def test_the_training_learns_something(training):
    weights, history, _scores = training.result
    assert weights
    assert len(history["epochs"]) == 6
    assert len({epoch["train_loss"] for epoch in history["epochs"]}) == 6
    assert training.operations > 100


def test_sigkill_at_random_times(training, out):
    kill_at_random(training, out, kills=10, seed=0)
    training.assert_finishes_as_if_nothing_had_happened(out)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 11))
def test_sigkill_at_random_times_many_times(training, out, seed):
    kill_at_random(training, out, kills=10, seed=seed)
    training.assert_finishes_as_if_nothing_had_happened(out)


def die_at(training, out, operation):
    done = training.warm.run(training.command(out, "--resume"), at=operation, below=SAVING)
    assert done.status in {0, 137}, done.stderr
    if out.exists():
        assert result_of(out) == training.result
        shutil.rmtree(out.parent)


def test_death_at_some_operations_of_saving(training, out):
    for operation in random.Random(0).sample(range(1, training.operations), 6):
        die_at(training, out, operation)
    training.assert_finishes_as_if_nothing_had_happened(out)


@pytest.mark.full
@pytest.mark.parametrize("start", range(10))
def test_death_at_every_operation_of_the_first_saves(training, out, start):
    for operation in range(start + 1, min(training.operations, 150), 10):
        die_at(training, out, operation)
        training.assert_finishes_as_if_nothing_had_happened(out)
        shutil.rmtree(out)


SETTINGS = {
    "bfloat16": ["--precision", "bfloat16"],
    "padded": ["--attention", "padded"],
    "focal": ["--loss", "focal", "--layer-decay", "0.9", "--label-smoothing", "0.1", "--class-weights", "balanced"],
    "frozen": ["--frozen-layers", "1", "--gradient-checkpointing"],
    "lora": ["--lora-rank", "2"],
    "windows": ["--long-texts", "windows", "--max-length", "16", "--window-overlap", "4"],
    "patience": ["--patience", "1"],
}  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_whatever_is_set_a_killed_training_ends_as_one_that_never_was(training, out, settings):
    whole = out.with_name("whole")
    done = training.warm.run(training.command(whole, *settings), below=SAVING)
    assert done.status == 0, done.stderr
    for operation in (done.operations // 3, done.operations // 2):
        died = training.warm.run(training.command(out, "--resume", *settings), at=operation, below=SAVING)
        assert died.status == 137
    done = training.warm.run(training.command(out, "--resume", *settings))
    assert done.status == 0, done.stderr
    assert "Going on from step" in done.stderr
    assert result_of(out) == result_of(whole)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.full)],
    ids=lambda one: one.name,
)
def test_a_signal_saves_says_how_to_go_on_and_ends(training, out, number):
    with paused(training, out) as process:
        os.kill(process, number)
    done = training.warm.wait()
    assert done.status == 128 + number
    assert "--resume" in done.stderr
    assert "Traceback" not in done.stderr
    steps = [int(re.search(r"\d+", path.name)[0]) for path in checkpoints_of(out)]
    assert steps
    done = training.assert_finishes_as_if_nothing_had_happened(out)
    assert str(max(steps)) in done.stderr


def test_two_signals_stop_at_once_and_lose_nothing(training, out):
    with paused(training, out) as process:
        os.kill(process, signal.SIGTERM)
        time.sleep(0.1)
        os.kill(process, signal.SIGINT)
        # It does not even finish the save.
        done = training.warm.wait()
    assert done.status == 130
    assert "Traceback" not in done.stderr
    training.assert_finishes_as_if_nothing_had_happened(out)


@pytest.mark.parametrize(
    "number", [errno.EIO, pytest.param(errno.EROFS, marks=pytest.mark.full)], ids=errno.errorcode.get
)
def test_a_failing_disk_is_one_sentence_and_nothing_is_lost(training, out, number):
    done = training.warm.run(
        training.command(out), at=training.operations // 2, errno=number, lasting=True, below=SAVING
    )
    assert done.status == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("JPT-W033") + done.stderr.count("JPT-W034") == 1
    assert os.strerror(number) in done.stderr
    assert checkpoints_of(out)
    training.assert_finishes_as_if_nothing_had_happened(out)


def test_a_full_disk_is_one_sentence_and_with_more_room_it_goes_on(training, tmp_path):
    # A checkpoint has the weights, two moments of each, and the best weights; two fit, and three do not.
    room = int(10.5 * len(training.result[0]))
    with mounted(tmp_path / "disk", f"size={room}") as disk:
        out = disk / "a"
        done = training.warm.run(training.command(out))
        assert done.status == 1
        assert "Traceback" not in done.stderr
        assert done.stderr.count("JPT-W033") == 1
        assert os.strerror(errno.ENOSPC) in done.stderr
        assert re.search(r"It needs 0\.\d MB", done.stderr)
        assert len(checkpoints_of(out)) == 2
        remount(disk, "size=100m")
        training.assert_finishes_as_if_nothing_had_happened(out)


def test_a_run_that_cannot_be_written_is_written_by_the_next_start_without_training_again(training, out):
    writing = f"{out.parent}/.jptextclf-"
    done = training.warm.run(training.command(out), at=20, errno=errno.ENOSPC, lasting=True, below=writing)
    assert done.status == 1
    assert done.stderr.count("JPT-W011") == 1
    assert "Traceback" not in done.stderr
    assert not out.exists()
    assert [path.name for path in out.parent.iterdir()] == ["a.unfinished"]
    done = training.assert_finishes_as_if_nothing_had_happened(out)
    assert "Epoch" not in done.stderr


@pytest.mark.full
@pytest.mark.parametrize("start", range(5))
def test_death_at_every_operation_of_writing_the_run(training, out, start):
    writing = f"{out.parent}/.jptextclf-"
    for operation in range(start + 1, 200, 5):
        done = training.warm.run(training.command(out, "--resume"), at=operation, below=writing)
        if out.exists():
            assert result_of(out) == training.result
            shutil.rmtree(out.parent)
            if done.status == 0:
                return
        else:
            assert done.status == 137, done.stderr
            training.assert_finishes_as_if_nothing_had_happened(out)
            shutil.rmtree(out)
    raise AssertionError("it never ended")


def test_a_read_only_disk_is_said_before_anything_is_read(training, tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        remount(disk, "ro")
        done = training.warm.run(training.command(disk / "a"))
    assert done.status == 1
    assert "Read-only" in done.stderr
    assert done.stderr.startswith("JPT-W011")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(training, out):
    killed(training, out)
    older, newest = checkpoints_of(out)[-2:]
    path = newest / "tensors.safetensors"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    done = training.assert_finishes_as_if_nothing_had_happened(out)
    assert f"{newest.name} is skipped: tensors.safetensors is not what was written" in done.stderr
    assert str(int(older.name.partition("-")[2])) in done.stderr


@pytest.mark.full
def test_without_an_intact_checkpoint_it_starts_over_and_says_so(training, out):
    killed(training, out)
    for path in checkpoints_of(out):
        (path / "state.json").unlink()
    done = training.assert_finishes_as_if_nothing_had_happened(out)
    assert done.stderr.count("state.json is missing") == 2


def test_it_is_neither_started_over_unasked_nor_resumed_with_something_else(
    training, out, tmp_path, reviews_csv
):
    killed(training, out)
    before = checkpoints_of(out)
    other = tmp_path / reviews_csv.name
    other.write_bytes(reviews_csv.read_bytes().replace("最高".encode("cp932"), "最低".encode("cp932")))
    resume = training.command(out, "--resume")
    for arguments, code, words in (
        (training.command(out), "JPT-U135", "--resume"),
        ([*resume, "--seed", "1"], "JPT-U139", "settings.seed"),
        ([other if one == reviews_csv else one for one in resume], "JPT-U139", "data."),
    ):
        done = training.warm.run(arguments)
        assert done.status == 2
        assert code in done.stderr
        assert words in done.stderr
        assert checkpoints_of(out) == before
    training.assert_finishes_as_if_nothing_had_happened(out)


@pytest.mark.full
def test_it_is_started_over_where_that_is_asked_for(training, out):
    killed(training, out)
    done = training.warm.run(training.command(out, "--overwrite"))
    assert done.status == 0
    assert result_of(out) == training.result
    assert sorted(path.name for path in out.parent.iterdir()) == [out.name]


def test_a_second_training_in_the_same_place_is_refused(training, out, tiny_encoder, reviews_csv):
    from jptextclf import train

    with paused(training, out) as process, pytest.raises(ConfigError) as caught:
        train(reviews_csv, model=str(tiny_encoder), out=out, resume=True)
    assert caught.value.code == "JPT-U136"
    assert str(process) in caught.value.message
    assert training.warm.wait().status == 0
    assert result_of(out) == training.result
