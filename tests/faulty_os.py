"""Faults of a disk, put under everything that a test runs: the Nth operation crashes or fails.

A crash is a BaseException from the Nth operation on: nothing that a dying process would have done later, tidying
included, reaches the disk.
"""

import errno
import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

OPERATIONS = ("open", "write", "fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "chmod", "fchmod")


class Crash(BaseException):
    """The process is dead."""


class FaultyDisk:
    """Counts operations; from the outside they are ``os.write`` and the like.

    :param at: the operation that fails, from 1; 0: none
    :param errno: that it fails with; None: the process dies there, half of a write still done
    :param lasting: all later ones fail too, of those that fail with this ``errno`` at all
    :param below: only operations on a path with this in it count
    :param kill: the process really ends, as by SIGKILL
    :param pause: a file; the operation makes it, and goes on when somebody has removed it
    """

    def __init__(self, at=0, errno=None, *, lasting=False, below="", kill=False, pause=""):
        self.at, self.errno, self.lasting, self.below, self.kill = at, errno, lasting, below, kill
        self.pause = pause
        self.log = []
        self.paths = {}
        self.hit = False

    @contextmanager
    def __call__(self, monkeypatch):
        with monkeypatch.context() as patch:
            self.install(patch.setattr)
            yield self

    def install(self, set_attribute=setattr):
        """For the rest of this process."""
        close = os.close

        def forget(descriptor):
            self.paths.pop(descriptor, None)
            close(descriptor)

        for name in OPERATIONS:
            set_attribute(os, name, self._faulty(name, getattr(os, name)))
        set_attribute(os, "close", forget)

    def _faulty(self, name, real):
        def operation(*args, **kwargs):
            where = self._where(name, args, kwargs)
            if self.below not in where:
                return real(*args, **kwargs)
            self.log.append((name, where))
            number = len(self.log)
            if self.pause and number == self.at:
                self._pause()
            elif self._fails(name, number, args):
                self.hit = True
                if self.errno is not None:
                    raise OSError(self.errno, os.strerror(self.errno))
                if name == "write" and number == self.at:
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                if self.kill:
                    os._exit(137)
                raise Crash
            result = real(*args, **kwargs)
            if name == "open":
                self.paths[result] = self.log[-1][1]
            return result

        return operation

    def _pause(self):
        Path(self.pause).write_text("")
        while Path(self.pause).exists():
            time.sleep(0.005)

    def _fails(self, name, number, args):
        if not self.at or number < self.at or self.pause:
            return False
        if self.errno is None:
            return True
        reads = name == "open" and not args[1] & os.O_CREAT
        spared = {errno.ENOSPC: reads or name in {"unlink", "rmdir"}, errno.EROFS: reads}
        return (number == self.at or self.lasting) and not spared.get(self.errno, False)

    def _where(self, name, args, kwargs):
        if name in {"write", "fsync", "fchmod"}:
            return self.paths.get(args[0], "")
        directory = kwargs.get("dir_fd")
        where = str(args[0]) if directory is None else f"{self.paths.get(directory, '')}/{args[0]}"
        return f"{where} -> {args[1]}" if name in {"rename", "replace"} else where


def all_faults(monkeypatch, work, **fault):
    """Run ``work(disk)`` with a fault at the first operation, the second, and so on, until it meets none.

    ``work`` makes its own start, and calls ``disk(monkeypatch)`` around what is to fail.

    :returns: how many faults there were
    """
    at = 1
    while True:
        disk = FaultyDisk(at, **fault)
        work(disk)
        if len(disk.log) < at:
            return at - 1
        at += 1


def leftovers(directory):
    """Hidden files and directories that something half-done left behind."""
    return sorted(str(path) for path in Path(directory).rglob(".jptextclf-*"))


@contextmanager
def mounted(directory, options):
    """A small disk of its own, in memory; the test is skipped where nothing may be mounted."""
    directory.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def remount(directory, options):
    """Give a mounted disk other options."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(directory)], check=True)
