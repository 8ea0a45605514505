"""The directory in which a run is trained, beside the one that it will be in: who works there, and on what.

It does not know how training works, nor what a checkpoint is.

==========================  =============================================================================
``runs/a.unfinished/``      while ``runs/a`` is trained, and after a crash until it is resumed or discarded
``  lock.json``             what is trained: everything that must be the same when it goes on
``  checkpoints/``          see :mod:`jptextclf.checkpoints`
``  owner.lock``            locked by the process that trains
``  owner.json``            that process: its id, machine and start; it stays only after a crash
==========================  =============================================================================

Not every shared disk shows its locks to other machines. Therefore the owner also touches ``owner.json`` while it
lives, and an owner on another machine is only followed after a while of silence.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import platform
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from filelock import FileLock, Timeout

from jptextclf.atomic import (
    make_directory,
    make_staging,
    remove_empty,
    remove_leftovers,
    write_errors,
    write_file,
)
from jptextclf.errors import ConfigError, SetupError, WorkError
from jptextclf.messages import text
from jptextclf.progress import Logged
from jptextclf.strict_json import DECODER, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from filelock import BaseFileLock

    from jptextclf.progress import Progress

_IDENTITY, _CHECKPOINTS, _LOCK, _OWNER = "lock.json", "checkpoints", "owner.lock", "owner.json"
_PATIENCE = 1.0
"""Seconds in which a process that has just taken the lock says who it is."""
_BEAT = 20.0
"""Seconds between two signs of life."""
_SILENCE = 180.0
"""Seconds without one after which an owner on another machine is dead. Network disks may show times that are a minute
old."""


def unfinished_directory(run: Path) -> Path:
    """``runs/a -> runs/a.unfinished``."""
    return run.with_name(f"{run.name}.unfinished")


class Difference(Protocol):
    """One place in which two documents differ; ``str()`` is a sentence."""

    @property
    def changes_result(self) -> bool: ...


Compare = Callable[[Mapping[str, Any], Mapping[str, Any]], Sequence[Difference]]


@dataclass(frozen=True)
class _Difference:
    name: str
    before: str
    now: str
    changes_result: bool = True

    def __str__(self) -> str:
        return text("checkpoints.difference", name=self.name, before=self.before, now=self.now)


@dataclass
class Unfinished:
    """The directory of one training, held by this process until :meth:`close` or :meth:`remove`.

    ::

        with Unfinished.claim(Path("runs/a"), resume=True) as unfinished:
            unfinished.identify({"config": ..., "data": ...})
            checkpoints = Checkpoints(unfinished.checkpoints)
            ...                                   # train, and write runs/a
            unfinished.remove()
    """

    path: Path
    resumed: bool
    """Whether it goes on from checkpoints that are there."""
    progress: Progress
    lock: BaseFileLock
    over: threading.Event
    """Ends the signs of life."""
    made: list[Path]
    """Directories that were not there before it."""

    @classmethod
    def claim(
        cls, run: Path, *, resume: bool = False, overwrite: bool = False, progress: Progress | None = None
    ) -> Unfinished:
        """Take the directory for this process; whatever is in it stays as it is until :meth:`identify`.

        With ``resume`` and nothing there, training begins at the start.

        :param run: the run directory that will be written
        :param resume: go on with what is there
        :param overwrite: discard what is there, unless ``resume`` asks to go on with it
        :raises ConfigError: there are checkpoints, and it is said neither to go on nor to discard them
            (``JPT-U135``); another process works there (``JPT-U136``), perhaps on another machine
            (``JPT-U137``); or the directory is something else (``JPT-U138``)
        :raises WorkError: it cannot be written to (``JPT-W011``)
        """
        path = unfinished_directory(run)
        show = progress or Logged()
        with write_errors(path):
            lock, made = _take(path)
            try:
                remove_leftovers(path)
                before = _read_owner(path)
                if before and before["host"] != platform.node() and (silence := _silence(path)) < _SILENCE:
                    seconds = {"silence": f"{silence:.0f}", "wait": f"{_SILENCE - silence:.0f}"}
                    raise ConfigError("U137", path=path, file=path / _OWNER, **before, **seconds)
                there = _checkpoints(path)
                if there and not resume and not overwrite:
                    raise ConfigError("U135", path=path, checkpoint=there[-1])
                if before and there:
                    show.warn(text("checkpoints.taken_over", path=path, **before))
                write_file(path / _OWNER, encode(_this_process()))
            except BaseException:
                lock.release()
                raise
        over = threading.Event()
        threading.Thread(target=_live, args=(path / _OWNER, over), daemon=True).start()
        return cls(path, bool(there) and resume, show, lock, over, made)

    @property
    def checkpoints(self) -> Path:
        """Directory for :class:`jptextclf.checkpoints.Checkpoints`."""
        return self.path / _CHECKPOINTS

    def identify(self, identity: Mapping[str, Any], *, compare: Compare | None = None) -> None:
        """Say what is trained: compared with what was begun, or written where nothing is gone on with.

        :param identity: JSON; everything that must be the same for the result to be the same
        :param compare: finds the differences of two; what does not change the result is warned of. None: every value
            must be the same
        :raises ConfigError: it was begun with something else (``JPT-U139``, with every difference)
        :raises SetupError: what it was begun with cannot be read (``JPT-E092``)
        :raises WorkError: it cannot be written (``JPT-W011``)
        """
        now = json.loads(encode(identity))
        if self.resumed:
            found = (compare or every_difference)(self._identity(), now)
            serious = [f"  - {one}" for one in found if one.changes_result]
            if serious:
                raise ConfigError("U139", path=self.path, differences="\n".join(serious))
            for one in found:
                self.progress.warn(text("checkpoints.other_environment", difference=one))
            return
        with write_errors(self.path):
            if _checkpoints(self.path):
                self.progress.say(text("checkpoints.discarded", path=self.path))
            self._remove_checkpoints()
            make_directory(self.checkpoints)
            write_file(self.path / _IDENTITY, encode(now))

    def close(self) -> None:
        """Let others take the directory; one without a checkpoint is removed.

        :raises WorkError: it cannot be written to (``JPT-W011``)
        """
        if not self.lock.is_locked:
            return
        if not _checkpoints(self.path):
            self.remove()
            remove_empty(self.made)
            return
        self.over.set()
        try:
            with write_errors(self.path):
                (self.path / _OWNER).unlink(missing_ok=True)
        finally:
            self.lock.release()

    def remove(self) -> None:
        """The run is written: nothing of this is needed any more.

        :raises WorkError: it cannot be removed (``JPT-W011``)
        """
        self.over.set()
        try:
            with write_errors(self.path):
                self._remove_checkpoints()
                for name in (_IDENTITY, _OWNER, _LOCK):
                    (self.path / name).unlink(missing_ok=True)
                # Somebody else may have taken it at once, or put a file there.
                with contextlib.suppress(OSError):
                    self.path.rmdir()
        finally:
            self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What ended the training is the news, not that the directory could not be tidied after it.
        with contextlib.suppress(*([WorkError] if error is not None else [])):
            self.close()

    def _identity(self) -> dict[str, Any]:
        path = self.path / _IDENTITY
        try:
            found = DECODER.decode(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            raise SetupError("E092", path=path, problem=problem) from error
        return found if isinstance(found, dict) else {"": found}

    def _remove_checkpoints(self) -> None:
        """All of them at once: a rest of them is never taken for a training."""
        if self.checkpoints.exists():
            aside = make_staging(self.path)
            self.checkpoints.rename(aside / _CHECKPOINTS)
            shutil.rmtree(aside)


def _take(path: Path) -> tuple[BaseFileLock, list[Path]]:
    """Make the directory where there is none, and lock it.

    :raises ConfigError: it is held (``JPT-U136``), or something else (``JPT-U138``)
    """
    while True:
        if path.is_symlink() or (path.exists() and not path.is_dir()) or not _is_ours(path):
            raise ConfigError("U138", path=path)
        made = make_directory(path)
        lock = FileLock(path / _LOCK, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise ConfigError("U136", path=path, **_owner(path)) from error
        except FileNotFoundError:
            # It was removed between the two lines.
            continue
        return lock, made


def _is_ours(path: Path) -> bool:
    """Whether it is not there, empty, or was made here."""
    try:
        names = {one.name for one in path.iterdir()}
    except FileNotFoundError:
        return True
    return not names or bool(names & {_LOCK, _OWNER, _IDENTITY})


def _checkpoints(path: Path) -> list[str]:
    """Names of what is in the directory of checkpoints, the newest last."""
    try:
        found = [one.name for one in (path / _CHECKPOINTS).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in found if not name.startswith("."))


def _this_process() -> dict[str, str]:
    started = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"pid": str(os.getpid()), "host": platform.node(), "started": started}


def _read_owner(path: Path) -> dict[str, str]:
    """Who says to work there; empty where nobody does."""
    try:
        found = DECODER.decode((path / _OWNER).read_text(encoding="utf-8"))
        return {name: str(found[name]) for name in ("pid", "host", "started")}
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return {}


def _live(owner: Path, over: threading.Event) -> None:
    """Touch a file again and again; one that is gone, or a disk that fails, is for those who write to see."""
    while not over.wait(_BEAT):
        with contextlib.suppress(OSError):
            os.utime(owner)


def _silence(path: Path) -> float:
    """Seconds since the owner's last sign of life, by the clock of the disk."""
    os.utime(path / _LOCK)
    return (path / _LOCK).stat().st_mtime - (path / _OWNER).stat().st_mtime


def _owner(path: Path) -> dict[str, str]:
    """Who holds the lock, with a little patience for one that has just taken it."""
    end = time.monotonic() + _PATIENCE
    while not (found := _read_owner(path)) and time.monotonic() < end:
        time.sleep(0.02)
    return found or dict.fromkeys(("pid", "host", "started"), "?")


def every_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Every value of two JSON documents that is not the same in both."""
    return [_Difference(*one) for one in _differences(before, now)]


def _differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, str, str]]:
    """Every place in two documents where they differ: its dotted name and both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield name, json.dumps(before, ensure_ascii=False), json.dumps(now, ensure_ascii=False)
