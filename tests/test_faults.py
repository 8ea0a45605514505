"""What dies or fails at any moment leaves the old or the new, never half of either, and says one sentence."""

import errno
import shutil
from contextlib import suppress

import pytest
from faulty_os import Crash, FaultyDisk, all_faults, leftovers

from jptextclf import atomic
from jptextclf.atomic import check_target, new_directory, write_file
from jptextclf.errors import WorkError


@pytest.fixture(autouse=True)
def _nothing_is_young(monkeypatch):
    monkeypatch.setattr(atomic, "_YOUNG", -1.0)


def write_run(target, content, **options):
    with new_directory(target, **options) as staging:
        (staging / "sub").mkdir()
        (staging / "sub" / "weights").write_text(content)
        (staging / "jptextclf.json").write_text(content)
        (staging / "MANIFEST.json").write_text('{"files": {"jptextclf.json": {}, "sub/weights": {}}}')


def content_of(target):
    if not target.exists():
        return None
    found = {(target / name).read_text() for name in ("jptextclf.json", "sub/weights")}
    assert len(found) == 1
    assert (target / "MANIFEST.json").stat().st_size
    return found.pop()


def test_a_crash_while_a_run_is_replaced_leaves_the_old_or_the_new(tmp_path, monkeypatch):
    seen = []

    def work(disk):
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        target = tmp_path / "runs" / "a"
        write_run(target, "old")
        with disk(monkeypatch), suppress(Crash):
            write_run(target, "new", overwrite=True)
        check_target(target.with_name("another"), overwrite=False)
        seen.append(content_of(target))
        assert not leftovers(tmp_path)
        write_run(target, "newest", overwrite=True)
        assert content_of(target) == "newest"

    assert all_faults(monkeypatch, work) > 20
    assert set(seen) == {"old", "new"}
    assert seen == sorted(seen, reverse=True)


def test_a_crash_while_a_run_is_written_leaves_none_or_all_of_it(tmp_path, monkeypatch):
    seen = []

    def work(disk):
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        target = tmp_path / "runs" / "a"
        with disk(monkeypatch), suppress(Crash):
            write_run(target, "new")
        check_target(target.with_name("another"), overwrite=False)
        seen.append(content_of(target))
        assert not leftovers(tmp_path)

    assert all_faults(monkeypatch, work) > 15
    assert set(seen) == {None, "new"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
def test_a_failing_disk_leaves_the_old_run_and_one_sentence(tmp_path, monkeypatch, number):
    failed = []

    def work(disk):
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        target = tmp_path / "runs" / "a"
        write_run(target, "old")
        with disk(monkeypatch):
            try:
                write_run(target, "new", overwrite=True)
            except WorkError as error:
                failed.append(error.code)
                assert content_of(target) == "old"
            except OSError:
                # The block itself made a directory.
                assert disk.log[disk.at - 1][1].endswith("/sub")
        check_target(target.with_name("another"), overwrite=False)
        assert content_of(target) in {"old", "new"}
        assert not leftovers(tmp_path)

    assert all_faults(monkeypatch, work, errno=number) > 20
    assert set(failed) == {"JPT-W011"}


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    with new_directory(tmp_path / "a") as staging:
        (staging / "x").write_text("x")
        check_target(tmp_path / "b", overwrite=False)
        write_run(tmp_path / "c", "c")
        assert (staging / "x").exists()
    assert (tmp_path / "a" / "x").exists()


def test_what_another_machine_writes_is_left_alone(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "other")
        with FaultyDisk(12)(patch), suppress(Crash):
            write_run(tmp_path / "a", "a")
    there = leftovers(tmp_path)
    assert there
    check_target(tmp_path / "b", overwrite=False)
    assert leftovers(tmp_path) == there


def test_an_empty_one_may_be_younger_than_its_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_YOUNG", 60.0)
    young = atomic.make_staging(tmp_path, atomic._own_prefix())
    check_target(tmp_path / "b", overwrite=False)
    assert young.exists()


def test_a_crash_while_a_file_is_replaced_leaves_the_old_or_the_new(tmp_path, monkeypatch):
    path = tmp_path / "file"
    seen = []

    def work(disk):
        path.write_bytes(b"old")
        with disk(monkeypatch), suppress(Crash):
            write_file(path, b"new")
        seen.append(path.read_bytes())
        atomic.remove_leftovers(tmp_path)

    assert all_faults(monkeypatch, work) >= 4
    assert set(seen) == {b"old", b"new"}
