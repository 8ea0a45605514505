"""The directory of an unfinished training: one owner, one identity, and nothing in it is lost or begun over unasked."""

import json
import os
import platform
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
from faulty_os import Crash, all_faults, leftovers, mounted, remount

from jptextclf import messages
from jptextclf.errors import ConfigError, SetupError, WorkError
from jptextclf.unfinished import Unfinished, unfinished_directory


class Heard:
    def __init__(self):
        self.said, self.warned = [], []

    def say(self, sentence):
        self.said.append(sentence)

    def warn(self, sentence):
        self.warned.append(sentence)


@pytest.fixture
def run(tmp_path):
    return tmp_path / "runs" / "レビュー"


IDENTITY = {"config": {"seed": 0, "betas": (0.9, 0.999)}, "data": "abc"}


def begin(run, step="step-00000010"):
    """A training that was closed after its first checkpoint."""
    with Unfinished.claim(run) as unfinished:
        unfinished.identify(IDENTITY)
        (unfinished.checkpoints / step).mkdir(parents=True)
    return unfinished.path


def tree(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_it_lies_beside_the_run(run):
    assert unfinished_directory(run) == run.parent / "レビュー.unfinished"


def test_a_finished_training_leaves_nothing(run):
    with Unfinished.claim(run) as unfinished:
        assert not unfinished.resumed
        unfinished.identify(IDENTITY)
        (unfinished.checkpoints / "step-00000010").mkdir(parents=True)
        unfinished.remove()
    assert list(run.parent.iterdir()) == []


def test_one_without_a_checkpoint_leaves_nothing(run):
    with pytest.raises(KeyError), Unfinished.claim(run) as unfinished:
        unfinished.identify(IDENTITY)
        raise KeyError
    assert not run.parent.exists()


def test_one_with_a_checkpoint_stays_and_has_no_owner(run):
    path = begin(run)
    assert tree(path) == ["checkpoints", "checkpoints/step-00000010", "lock.json", "owner.lock"]


def test_what_is_there_is_neither_used_nor_discarded_unasked(run):
    path = begin(run)
    before = tree(path)
    with pytest.raises(ConfigError) as caught:
        Unfinished.claim(run)
    assert caught.value.code == "JPT-U135"
    assert "step-00000010" in caught.value.message
    assert "--resume" in caught.value.hint
    assert tree(path) == before


def test_resuming_goes_on_with_the_same(run):
    begin(run)
    with Unfinished.claim(run, resume=True) as unfinished:
        assert unfinished.resumed
        unfinished.identify(IDENTITY)
        assert [one.name for one in unfinished.checkpoints.iterdir()] == ["step-00000010"]


def test_resuming_with_nothing_there_begins(run):
    with Unfinished.claim(run, resume=True) as unfinished:
        assert not unfinished.resumed
        unfinished.identify(IDENTITY)


def test_resuming_with_something_else_is_refused_with_every_difference(run):
    path = begin(run)
    before = tree(path)
    with Unfinished.claim(run, resume=True) as unfinished, pytest.raises(ConfigError) as caught:
        unfinished.identify({"config": {"seed": 1, "betas": (0.9, 0.999), "new": "良い"}, "data": "abd"})
    assert caught.value.code == "JPT-U139"
    for words in ("config.seed: it was 0, now it is 1", 'config.new: it was null, now it is "良い"', '"abd"'):
        assert words in caught.value.message
    assert "betas" not in caught.value.message
    assert tree(path) == before


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": NaN}', b"\xff", None])
def test_an_unreadable_identity_is_said(run, content):
    path = begin(run)
    (path / "lock.json").unlink()
    if content is not None:
        (path / "lock.json").write_bytes(content)
    with Unfinished.claim(run, resume=True) as unfinished, pytest.raises(SetupError) as caught:
        unfinished.identify(IDENTITY)
    assert caught.value.code == "JPT-E092"


def test_overwriting_discards_only_once_the_new_training_is_known(run):
    path = begin(run)
    heard = Heard()
    with pytest.raises(KeyError), Unfinished.claim(run, overwrite=True):
        raise KeyError  # the data could not be read
    assert "checkpoints/step-00000010" in tree(path)
    with Unfinished.claim(run, overwrite=True, progress=heard) as unfinished:
        assert not unfinished.resumed
        unfinished.identify({"data": "new"})
        assert list(unfinished.checkpoints.iterdir()) == []
        assert json.loads((path / "lock.json").read_text(encoding="utf-8")) == {"data": "new"}
    assert len(heard.said) == 1


def test_resuming_a_training_that_overwrites_goes_on(run):
    begin(run)
    with Unfinished.claim(run, overwrite=True, resume=True) as unfinished:
        unfinished.identify(IDENTITY)
        assert unfinished.resumed
        assert unfinished.checkpoints.exists()


@pytest.mark.parametrize("kind", ["file", "link", "foreign"])
def test_something_else_of_that_name_is_left_alone(run, tmp_path, kind):
    path = unfinished_directory(run)
    path.parent.mkdir()
    if kind == "file":
        path.write_text("x")
    elif kind == "link":
        path.symlink_to(tmp_path)
    else:
        path.mkdir()
        (path / "thesis.txt").write_text("x")
    before = tree(run.parent)
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(ConfigError) as caught:
            Unfinished.claim(run, **options)
        assert caught.value.code == "JPT-U138"
    assert tree(run.parent) == before


def test_what_others_put_beside_it_stays(run):
    with Unfinished.claim(run) as unfinished:
        (unfinished.path / "notes.txt").write_text("x")
        unfinished.remove()
    assert tree(unfinished.path) == ["notes.txt"]


def test_it_may_be_claimed_again_and_again(run):
    for _ in range(3):
        with Unfinished.claim(run) as unfinished:
            unfinished.identify(IDENTITY)
            unfinished.remove()
            unfinished.close()


# Two processes

HOLD = """
import sys, time
from pathlib import Path
from jptextclf.unfinished import Unfinished
from jptextclf.errors import JptextclfError
run, start, seconds = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
while time.time() < start:
    pass
try:
    unfinished = Unfinished.claim(run)
except JptextclfError as error:
    print(error.code, error.message, flush=True)
    sys.exit(error.exit_status)
(unfinished.checkpoints / "step-00000001").mkdir(parents=True)
print("mine", flush=True)
time.sleep(seconds)
"""


def process(run, *, start=0.0, seconds=30.0):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run), str(start), str(seconds)], stdout=subprocess.PIPE, text=True
    )


def test_of_processes_that_start_together_exactly_one_wins(run):
    start = time.time() + 1.5
    processes = [process(run, start=start, seconds=2) for _ in range(4)]
    lines = [one.communicate(timeout=30)[0] for one in processes]
    assert sorted(one.returncode for one in processes) == [0, 2, 2, 2]
    (winner,) = [one for one in processes if one.returncode == 0]
    assert lines[processes.index(winner)] == "mine\n"
    for line in lines:
        assert line == "mine\n" or (line.startswith("JPT-U136") and f"process {winner.pid} on" in line)


def test_a_dead_owner_is_followed_with_a_notice(run):
    owner = process(run)
    assert owner.stdout.readline() == "mine\n"
    with pytest.raises(ConfigError) as caught:
        Unfinished.claim(run, resume=True)
    assert caught.value.code == "JPT-U136"
    assert str(owner.pid) in caught.value.message
    owner.kill()
    owner.wait()
    owner.stdout.close()
    heard = Heard()
    with Unfinished.claim(run, resume=True, progress=heard) as unfinished:
        assert unfinished.resumed
    assert len(heard.warned) == 1
    assert str(owner.pid) in heard.warned[0]


def test_two_in_one_process_are_two(run):
    with Unfinished.claim(run), pytest.raises(ConfigError) as caught:
        Unfinished.claim(run)
    assert caught.value.code == "JPT-U136"
    assert str(os.getpid()) in caught.value.message


def test_an_owner_on_another_machine_is_asked_about(run):
    path = begin(run)
    owner = {"pid": "17", "host": "other", "started": "2026-01-01T00:00:00Z"}
    (path / "owner.json").write_text(json.dumps(owner))
    with pytest.raises(ConfigError) as caught:
        Unfinished.claim(run, resume=True)
    assert caught.value.code == "JPT-U137"
    assert "process 17 on other" in caught.value.message
    assert "last sign of life was 0 s ago" in caught.value.message
    assert str(path / "owner.json") in caught.value.hint
    (path / "owner.json").unlink()
    with Unfinished.claim(run, resume=True) as unfinished:
        assert unfinished.resumed


def test_an_owner_on_another_machine_that_was_silent_long_is_followed_with_a_notice(run):
    path = begin(run)
    owner = {"pid": "17", "host": "other", "started": "2026-01-01T00:00:00Z"}
    (path / "owner.json").write_text(json.dumps(owner))
    long_ago = time.time() - 200
    os.utime(path / "owner.json", (long_ago, long_ago))
    heard = Heard()
    with Unfinished.claim(run, resume=True, progress=heard) as unfinished:
        assert unfinished.resumed
    assert "17" in heard.warned[0]


def test_an_owner_gives_signs_of_life_until_it_ends(run, monkeypatch):
    monkeypatch.setattr("jptextclf.unfinished._BEAT", 0.01)
    threads = threading.active_count()
    with Unfinished.claim(run) as unfinished:
        owner = unfinished.path / "owner.json"
        os.utime(owner, (0, 0))
        end = time.monotonic() + 10
        while owner.stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert owner.stat().st_mtime > 0
        owner.unlink()
        time.sleep(0.05)
        assert threading.active_count() == threads + 1
    end = time.monotonic() + 10
    while threading.active_count() > threads and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == threads


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff"])
def test_a_damaged_note_of_a_dead_owner_stops_nobody(run, content):
    (begin(run) / "owner.json").write_bytes(content)
    with Unfinished.claim(run, resume=True) as unfinished:
        owner = json.loads((unfinished.path / "owner.json").read_text(encoding="utf-8"))
    assert owner["host"] == platform.node()


def test_every_refusal_is_said_in_japanese_too(run):
    messages.use_language("ja")
    begin(run)
    with pytest.raises(ConfigError, match="未完了の学習があります"):
        Unfinished.claim(run)


# Crashes and failing disks


def life(run):
    """A training from its beginning to its end."""
    with Unfinished.claim(run, resume=True) as unfinished:
        unfinished.identify(IDENTITY)
        with suppress(OSError):
            (unfinished.checkpoints / "step-00000010").mkdir(parents=True, exist_ok=True)
        unfinished.remove()


def test_a_crash_at_any_operation_stops_no_later_start(run, monkeypatch):
    def work(disk):
        with disk(monkeypatch), suppress(Crash):
            life(run)
        life(run)
        assert list(run.parent.iterdir()) == []

    assert all_faults(monkeypatch, work) > 20


@pytest.mark.parametrize("options", [{"resume": True}, {"overwrite": True}], ids=str)
def test_a_crash_at_any_operation_of_a_later_start_keeps_the_checkpoint_or_discards_it(
    run, monkeypatch, options
):
    import shutil

    def work(disk):
        shutil.rmtree(run.parent, ignore_errors=True)
        path = begin(run)
        with disk(monkeypatch), suppress(Crash), Unfinished.claim(run, **options) as unfinished:
            unfinished.identify(IDENTITY)
        if "resume" in options:
            assert "checkpoints/step-00000010" in tree(path)
        life(run)
        assert list(run.parent.iterdir()) == []

    assert all_faults(monkeypatch, work) > 5


def test_a_disk_that_fails_gives_one_sentence_and_stops_no_later_start(run, monkeypatch):
    import errno

    codes = set()

    def work(disk):
        with disk(monkeypatch):
            try:
                life(run)
            except WorkError as error:
                codes.add(error.code)
        life(run)
        assert not leftovers(run.parent)

    assert all_faults(monkeypatch, work, errno=errno.EIO) > 20
    assert codes == {"JPT-W011"}


def test_a_read_only_disk_is_one_sentence(tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        begin(disk / "a")
        remount(disk, "ro")
        for run, options in ((disk / "a", {"resume": True}), (disk / "b", {})):
            with pytest.raises(WorkError, match="Read-only") as caught:
                Unfinished.claim(run, **options)
            assert caught.value.code == "JPT-W011"
