"""Directories and files that appear whole or not at all. It does not know what is in them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jptextclf.errors import ConfigError, WorkError

if TYPE_CHECKING:
    from collections.abc import Iterator


PREFIX = ".jptextclf-"
"""Of the hidden siblings that exist while something is written."""
_OLD = "old-"
"""Such a sibling holds the directory whose place is being taken."""
_YOUNG = 60.0
"""Seconds in which an empty sibling may be one that its process has not locked yet."""

_OF_DESKTOP = ".DS_Store"
"""What a desktop leaves in every directory that a person has looked into."""

RUN_RECORD = "jptextclf.json"
"""What only a run directory holds."""


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_target(target: Path, *, overwrite: bool, holds: str = RUN_RECORD) -> None:
    """Refuse now what could not be written later. Nothing is left behind.

    :param holds: a file that the manifest of what may be overwritten lists; empty: any file
    :raises ConfigError: something is there already and ``overwrite`` is false (``JPT-U024``), or it is there
        and not a directory of ours (``JPT-U025``)
    :raises WorkError: the place cannot be written to (``JPT-W011``)
    """
    with write_errors(target):
        _mend(target.parent)
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise ConfigError("U025", path=target)
        if target.is_dir() and any(target.iterdir()):
            if not overwrite:
                raise ConfigError("U024", path=target)
            # Only what this package wrote is ever deleted.
            if not _is_ours(target, holds):
                raise ConfigError("U025", path=target)
        made = _make_parents(target.parent)
        probe = Path(tempfile.mkdtemp(prefix=_own_prefix(), dir=target.parent))
        probe.rmdir()
        remove_empty(made)


def check_outside(target: Path, *sealed: Path) -> None:
    """Refuse a place inside directories that are sealed by their manifest.

    :raises ConfigError: it lies in one (``JPT-U159``)
    """
    for directory in sealed:
        if directory.resolve() in target.resolve().parents and (directory / RUN_RECORD).is_file():
            raise ConfigError("U159", run=directory, out=target)


@contextmanager
def new_directory(target: Path, *, overwrite: bool = False, holds: str = RUN_RECORD) -> Iterator[Path]:
    """A sibling directory to fill; at the end it is fsynced and takes the place of ``target``.

    If the block raises, ``target`` is as it was and the sibling is gone. If the process dies, the next call for a
    target beside this one, or :func:`check_target`, does the same.

    :raises ConfigError, WorkError: as :func:`check_target`; ``JPT-W011`` also for a full disk
    """
    check_target(target, overwrite=overwrite, holds=holds)
    with write_errors(target):
        made = _make_parents(target.parent)
        for directory in made:
            sync(directory.parent)
        staging = make_staging(target.parent, _own_prefix())
        with _lock(staging, wait=True):
            try:
                yield staging
                _sync_all(staging)
                _replace(staging, target)
            except BaseException:
                shutil.rmtree(staging, ignore_errors=True)
                remove_empty(made)
                raise


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; one that is there is replaced.

    :raises WorkError: the place cannot be written to (``JPT-W011``)
    """
    with write_errors(path):
        descriptor, draft = tempfile.mkstemp(prefix=PREFIX, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(0o666 & ~_umask())
            Path(draft).replace(path)
            sync(path.parent)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


def make_directory(directory: Path) -> list[Path]:
    """Make a directory with its parents, so that it survives a crash of the machine.

    :returns: those that were not there, for :func:`remove_empty`
    :raises OSError: it cannot be made
    """
    missing = _make_parents(directory)
    for made in missing:
        sync(made.parent)
    return missing


def make_staging(parent: Path, prefix: str = PREFIX) -> Path:
    """A new hidden directory in ``parent``, to fill and rename."""
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    # mkdtemp makes private directories; a run is shared like any other directory.
    try:
        staging.chmod(0o777 & ~_umask())
    except BaseException:
        staging.rmdir()
        raise
    return staging


def remove_leftovers(directory: Path) -> None:
    """Remove what dead processes left half-written in a directory that no other process writes to.

    :raises OSError: it cannot be removed
    """
    for path in directory.iterdir():
        if path.name.startswith(PREFIX):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def sync(path: Path) -> None:
    """Flush a file, or the list of files of a directory, to the disk."""
    # Windows cannot open a directory to flush it.
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_all(directory: Path) -> None:
    """Flush a directory with all that is in it, as readable as any other."""
    umask = _umask()
    for path in sorted(directory.rglob("*")):
        # Some writers make private files.
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        sync(path)
    sync(directory)


def _own_prefix(kind: str = "") -> str:
    """Of what this machine writes; what another one writes to a shared disk cannot be seen to be dead."""
    return f"{PREFIX}{hashlib.sha256(platform.node().encode()).hexdigest()[:8]}-{kind}"


@contextmanager
def _lock(directory: Path, *, wait: bool) -> Iterator[bool]:
    """Lock a directory for this process while the block runs; a lock ends with its process.

    :returns: whether that was possible
    """
    if sys.platform == "win32":
        yield False
        return
    import fcntl

    locked = True
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            # Somebody else has it, or the disk knows no locks.
            locked = False
        yield locked
    finally:
        os.close(descriptor)


def _mend(parent: Path) -> None:
    """Undo what processes of this machine that died here had begun; what cannot be undone stays as it is."""
    for path in parent.glob(f"{_own_prefix()}*"):
        with contextlib.suppress(OSError), _lock(path, wait=False) as dead:
            names = [one.name for one in path.iterdir()]
            if not dead or (not names and time.time() - path.stat().st_mtime < _YOUNG):
                continue
            if path.name.startswith(_own_prefix(_OLD)):
                for name in names:
                    if not (parent / name).exists():
                        (path / name).rename(parent / name)
            shutil.rmtree(path)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _is_ours(directory: Path, holds: str) -> bool:
    """Whether a directory's manifest lists this file, and there is nothing in it that the manifest does not list."""
    try:
        listed = set(json.loads((directory / "MANIFEST.json").read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    found = (path for path in directory.rglob("*") if not path.is_dir() and path.name != _OF_DESKTOP)
    files = {path.relative_to(directory).as_posix() for path in found}
    return (not holds or holds in listed) and files <= {*listed, "MANIFEST.json"}


def remove_empty(directories: list[Path]) -> None:
    """Remove directories that were made for a target, unless somebody else has begun to use them."""
    for directory in reversed(directories):
        with contextlib.suppress(OSError):
            directory.rmdir()


def _replace(staging: Path, target: Path) -> None:
    """Put ``staging`` at ``target``; if any step fails, every step before it is undone."""
    aside = Path(tempfile.mkdtemp(prefix=_own_prefix(_OLD), dir=target.parent))
    with _lock(aside, wait=True), contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, aside, ignore_errors=True)
        if target.exists():
            target.rename(aside / target.name)
            undo.callback(_back, aside / target.name, target)
        staging.rename(target)
        undo.callback(_back, target, staging)
        sync(target.parent)
        undo.pop_all()
    shutil.rmtree(aside, ignore_errors=True)


def _back(moved: Path, place: Path) -> None:
    moved.rename(place)


def _make_parents(directory: Path) -> list[Path]:
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


@contextmanager
def write_errors(target: Path) -> Iterator[None]:
    """The context in which an ``OSError`` becomes one error that says what could not be written (``JPT-W011``)."""
    try:
        yield
    except OSError as error:
        raise WorkError("W011", path=target, problem=error.strerror or str(error)) from error
