"""Checkpoints hold what was saved to the last bit, are whole or not there, and damage is never read."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest
import torch
from faulty_os import Crash, FaultyDisk, all_faults, leftovers, mounted, remount
from safetensors.torch import load_file

from jptextclf import messages
from jptextclf.checkpoints import Checkpoints
from jptextclf.errors import WorkError

FILES = ("tensors.safetensors", "state.json", "MANIFEST.json")


def tensors_of(step):
    generator = torch.Generator().manual_seed(step)
    weight = torch.randn(5, 7, generator=generator)
    return {
        "model.weight": weight,
        "model.tied": weight,
        "model.turned": weight.T,
        "model.half": weight.bfloat16(),
        "optimizer.step": torch.tensor(float(step)),
        "flags": weight > 0,
        "nothing": torch.empty(0, 3),
        "counts": torch.arange(step % 100),
        "random": generator.get_state(),
    }


def state_of(step):
    return {"epoch": step // 10, "loss": 0.1 + step, "seed": 2**127 + step, "note": "良い", "best": None}


def save(checkpoints, step):
    return checkpoints.save(step, tensors_of(step), state_of(step))


def assert_holds(checkpoint, step):
    assert checkpoint is not None
    assert checkpoint.step == step
    assert checkpoint.state == state_of(step)
    found, expected = checkpoint.tensors(), tensors_of(step)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert torch.equal(found[name], tensor)


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints")


def test_a_checkpoint_gives_back_every_bit(checkpoints):
    path = save(checkpoints, 120)
    assert path.name == "step-00000120"
    found, skipped = checkpoints.newest()
    assert skipped == ()
    assert_holds(found, 120)


def test_nothing_there_gives_nothing(checkpoints):
    assert checkpoints.newest() == (None, ())


def test_shared_tensors_are_stored_once_and_shared_again(checkpoints):
    big = torch.randn(1000, 100)
    path = checkpoints.save(1, {"a": big, "b": big, "c": big.clone()}, {})
    assert (path / "tensors.safetensors").stat().st_size < 2.1 * 4 * big.numel()
    found = checkpoints.newest()[0].tensors()
    assert found["a"].data_ptr() == found["b"].data_ptr() != found["c"].data_ptr()


def test_the_library_of_the_format_reads_the_tensors(checkpoints):
    path = save(checkpoints, 3)
    found = load_file(path / "tensors.safetensors")
    expected = tensors_of(3)
    assert set(expected) - set(found) in ({"model.tied"}, {"model.weight"})
    assert all(torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.parametrize("value", [float("nan"), -0.0, 1e-42, float("inf")])
def test_special_numbers_stay(checkpoints, value):
    tensor = torch.tensor([value, value], dtype=torch.float32)
    checkpoints.save(1, {"a": tensor}, {})
    found = checkpoints.newest()[0].tensors()["a"]
    assert torch.equal(found.view(torch.int32), tensor.view(torch.int32))


def test_what_cannot_be_saved_is_refused_before_anything_is_written(checkpoints):
    with pytest.raises(TypeError, match="complex64"):
        checkpoints.save(1, {"a": torch.zeros(1, dtype=torch.complex64)}, {})
    with pytest.raises(ValueError, match="JSON"):
        checkpoints.save(1, {}, {"loss": float("nan")})
    assert list(checkpoints.directory.iterdir()) == []


def test_loaded_tensors_do_not_hold_the_file(checkpoints):
    path = save(checkpoints, 1)
    found = checkpoints.newest()[0].tensors()
    with (path / "tensors.safetensors").open("r+b") as file:
        file.truncate(0)
    assert torch.equal(found["model.weight"], tensors_of(1)["model.weight"])


def test_saving_takes_no_second_copy_of_the_tensors(tmp_path):
    code = f"""
import resource, torch
from pathlib import Path
from jptextclf.checkpoints import Checkpoints
tensors = {{str(number): torch.ones(1 << 22) for number in range(12)}}
checkpoints = Checkpoints(Path({str(tmp_path)!r}))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
checkpoints.save(1, tensors, {{}})
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) < 40  # MiB; the tensors have 192


# Which ones are there


def names(checkpoints):
    return sorted(path.name for path in checkpoints.directory.iterdir())


def test_older_ones_are_removed(checkpoints):
    for step in (10, 20, 30, 40):
        save(checkpoints, step)
    assert names(checkpoints) == ["step-00000030", "step-00000040"]


def test_the_same_step_again_stands_beside_the_first(checkpoints):
    save(checkpoints, 10)
    assert save(checkpoints, 10).name == "step-00000010-2"
    assert save(checkpoints, 10).name == "step-00000010-3"
    assert names(checkpoints) == ["step-00000010-2", "step-00000010-3"]
    assert checkpoints.newest()[0].path.name == "step-00000010-3"


def test_steps_are_ordered_as_numbers(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (9, 10, 123_456_789, 99_999_999):
        save(checkpoints, step)
    assert checkpoints.newest()[0].step == 99999999


def test_going_on_from_an_older_one_removes_what_was_skipped(checkpoints):
    save(checkpoints, 10)
    (save(checkpoints, 20) / "state.json").unlink()
    save(checkpoints, 15)
    assert names(checkpoints) == ["step-00000010", "step-00000015"]


def test_a_damaged_one_is_not_counted_among_those_that_are_kept(checkpoints):
    save(checkpoints, 10)
    (save(checkpoints, 20) / "state.json").unlink()
    save(checkpoints, 30)
    assert names(checkpoints) == ["step-00000010", "step-00000030"]


def test_keep_must_be_one_or_more(tmp_path):
    with pytest.raises(ValueError, match="keep"):
        Checkpoints(tmp_path, keep=0)


def test_half_written_ones_of_dead_processes_are_removed_at_the_next_start(checkpoints, monkeypatch):
    save(checkpoints, 10)
    with FaultyDisk(9)(monkeypatch), suppress(Crash):
        save(checkpoints, 20)
    assert leftovers(checkpoints.directory)
    again = Checkpoints(checkpoints.directory)
    assert not leftovers(checkpoints.directory)
    assert_holds(again.newest()[0], 10)


# Damage


def truncate(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path):
    path.write_bytes(b"")


def flip(path):
    data = bytearray(path.read_bytes())
    data[-len(data) // 3] ^= 0x10
    path.write_bytes(data)


def extend(path):
    path.write_bytes(path.read_bytes() + b"}")


def delete(path):
    path.unlink()


def make_directory(path):
    path.unlink()
    path.mkdir()


def replace_by_the_older_one(path):
    shutil.copy(path.parents[1] / "step-00000010" / path.name, path)


def dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES = [truncate, empty, flip, extend, delete, make_directory, replace_by_the_older_one, dangling_link]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_damaged_checkpoint_is_skipped_and_named(checkpoints, damage, file):
    save(checkpoints, 10)
    newest = save(checkpoints, 20)
    damage(newest / file)
    found, skipped = checkpoints.newest()
    assert_holds(found, 10)
    assert [one.path for one in skipped] == [newest]
    assert "step-00000020" in str(skipped[0])
    assert skipped[0].reason


def test_an_empty_directory_and_a_file_of_that_name_are_skipped(checkpoints):
    save(checkpoints, 10)
    (checkpoints.directory / "step-00000020").mkdir()
    (checkpoints.directory / "step-00000030").write_bytes(b"x")
    found, skipped = checkpoints.newest()
    assert_holds(found, 10)
    assert [one.path.name for one in skipped] == ["step-00000030", "step-00000020"]
    save(checkpoints, 40)
    assert names(checkpoints) == ["step-00000010", "step-00000040"]


def test_every_flipped_bit_of_a_manifest_is_seen(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    manifest = checkpoints.save(1, {}, {}) / "MANIFEST.json"
    good = manifest.read_bytes()
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        manifest.write_bytes(bad)
        assert checkpoints.newest()[0] is None or json.loads(bad) == json.loads(good), bit


def test_all_damaged_gives_none_and_names_them_all(checkpoints):
    for step in (10, 20):
        flip(save(checkpoints, step) / "tensors.safetensors")
    found, skipped = checkpoints.newest()
    assert found is None
    assert len(skipped) == 2


def test_what_was_skipped_is_said_in_both_languages(checkpoints):
    (save(checkpoints, 20) / "tensors.safetensors").unlink()
    for language, words in (
        ("en", "tensors.safetensors is missing"),
        ("ja", "tensors.safetensors がありません"),
    ):
        messages.use_language(language)
        assert words in str(checkpoints.newest()[1][0])


# Crashes and failing disks


def saved_twice(tmp_path):
    shutil.rmtree(tmp_path / "work", ignore_errors=True)
    checkpoints = Checkpoints(tmp_path / "work")
    save(checkpoints, 10)
    save(checkpoints, 20)
    return checkpoints


def test_a_crash_at_any_operation_leaves_the_old_or_the_new_one(tmp_path, monkeypatch):
    seen = []

    def work(disk):
        checkpoints = saved_twice(tmp_path)
        with disk(monkeypatch), suppress(Crash):
            save(checkpoints, 30)
        again = Checkpoints(checkpoints.directory)
        assert not leftovers(checkpoints.directory)
        found, skipped = again.newest()
        assert skipped == ()
        seen.append(found.step)
        assert_holds(found, found.step)
        save(again, 40)
        assert_holds(again.newest()[0], 40)
        assert len(names(again)) == 2

    n_faults = all_faults(monkeypatch, work)
    assert n_faults > 25
    assert set(seen) == {20, 30}
    assert seen == sorted(seen)


def test_a_loss_of_power_at_any_operation_leaves_the_old_or_the_new_one(tmp_path, monkeypatch):
    """What was not flushed is lost: data of files, and the rename of the directory."""

    def work(disk):
        checkpoints = saved_twice(tmp_path)
        with disk(monkeypatch), suppress(Crash):
            save(checkpoints, 30)
        lose_what_was_not_flushed(disk.log[: disk.at - 1] if disk.hit else disk.log)
        found, skipped = Checkpoints(checkpoints.directory).newest()
        assert skipped == ()
        assert found.step in {20, 30}
        assert_holds(found, found.step)

    assert all_faults(monkeypatch, work) > 25


def lose_what_was_not_flushed(log):
    from pathlib import Path

    flushed = {}
    for number, (name, where) in enumerate(log):
        if name == "fsync":
            flushed[where] = number
    for number, (name, where) in reversed(list(enumerate(log))):
        if name == "rename":
            source, target = map(Path, where.split(" -> "))
            if flushed.get(str(target.parent), -1) < number and target.exists():
                target.rename(source)
        if name == "write" and flushed.get(where, -1) < number and Path(where).exists():
            Path(where).write_bytes(b"\0" * 8)


def test_everything_is_flushed_in_the_right_order(checkpoints, monkeypatch):
    for step in (10, 20):
        save(checkpoints, step)
    with FaultyDisk()(monkeypatch) as disk:
        path = save(checkpoints, 30)
    log = [(name, where.replace(str(checkpoints.directory), "")) for name, where in disk.log]
    renamed = next(i for i, (name, where) in enumerate(log) if name == "rename" and where.endswith(path.name))
    staging = log[renamed][1].split(" -> ")[0]
    for file in FILES:
        writes = [i for i, one in enumerate(log) if one == ("write", f"{staging}/{file}")]
        assert max(writes) < log.index(("fsync", f"{staging}/{file}")) < renamed
    assert log.index(("fsync", staging)) < renamed
    durable = next(i for i, one in enumerate(log) if i > renamed and one == ("fsync", ""))
    # Nothing is removed before.
    assert durable < min(
        i for i, (name, where) in enumerate(log) if name in {"unlink", "rmdir"} or "0010" in where
    )


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
def test_a_failing_disk_gives_one_sentence_and_loses_nothing(tmp_path, monkeypatch, number, lasting):
    codes, steps = set(), set()

    def work(disk):
        checkpoints = saved_twice(tmp_path)
        with disk(monkeypatch):
            try:
                save(checkpoints, 30)
            except WorkError as error:
                codes.add(error.code)
                assert os.strerror(number) in error.message
                if error.code == "JPT-W033":
                    assert "0.1 MB; " in error.message
                    steps.add((found := checkpoints.newest()[0]).step)
                    assert found.step == 20 or lasting
                    # What can no longer be removed goes at the next start.
                    assert not leftovers(checkpoints.directory) or (lasting and number != errno.ENOSPC)
                else:
                    assert checkpoints.newest()[0].step == 30
        assert_holds(checkpoints.newest()[0], checkpoints.newest()[0].step)
        save(Checkpoints(checkpoints.directory), 40)
        assert not leftovers(checkpoints.directory)
        assert_holds(checkpoints.newest()[0], 40)

    assert all_faults(monkeypatch, work, errno=number, lasting=lasting) > 20
    assert codes == {"JPT-W033", "JPT-W034"}
    assert 20 in steps


@contextmanager
def file_size_limit(size):
    """A file that grows beyond this fails with EFBIG: what a full disk does, without a disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_file_that_may_not_grow_is_one_sentence_with_the_bytes_needed(checkpoints):
    save(checkpoints, 10)
    with file_size_limit(1_000_000), pytest.raises(WorkError) as caught:
        checkpoints.save(20, {"a": torch.zeros(500_000)}, {})
    assert caught.value.code == "JPT-W033"
    assert "needs 2.1 MB" in caught.value.message
    assert not leftovers(checkpoints.directory)
    assert_holds(checkpoints.newest()[0], 10)


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path):
    with mounted(tmp_path / "disk", "size=3m") as disk:
        checkpoints = Checkpoints(disk / "checkpoints")
        save(checkpoints, 10)
        with pytest.raises(WorkError) as caught:
            checkpoints.save(20, {"a": torch.zeros(1_000_000)}, {})
        assert "needs 4.1 MB; 3.2 MB are free" in caught.value.message
        assert os.strerror(errno.ENOSPC) in caught.value.message
        assert not leftovers(disk)
        assert_holds(checkpoints.newest()[0], 10)
        save(checkpoints, 20)
        assert_holds(checkpoints.newest()[0], 20)


def test_a_read_only_disk_is_one_sentence_and_loses_nothing(tmp_path):
    with mounted(tmp_path / "disk", "size=3m") as disk:
        checkpoints = Checkpoints(disk / "checkpoints")
        save(checkpoints, 10)
        remount(disk, "ro")
        with pytest.raises(WorkError, match="Read-only") as caught:
            save(checkpoints, 20)
        assert caught.value.code == "JPT-W033"
        assert_holds(checkpoints.newest()[0], 10)
        assert_holds(Checkpoints(disk / "checkpoints").newest()[0], 10)
        with pytest.raises(WorkError, match="Read-only"):
            Checkpoints(disk / "others")


def test_a_directory_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkError) as caught:
        Checkpoints(tmp_path / "file")
    assert caught.value.code == "JPT-W035"
