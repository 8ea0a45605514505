"""The user's own store: where fetched corpora and imported models live, and how a directory gets there whole.

It does not know what is kept in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHUNK = 1 << 20


def store_dir() -> Path:
    """``JPTEXTCLF_HOME``, else ``jptextclf`` in the data directory of this platform's user. It may not exist yet.

    Linux: ``$XDG_DATA_HOME`` or ``~/.local/share``; macOS: ``~/Library/Application Support``; Windows:
    ``%LOCALAPPDATA%``.
    """
    if asked := os.environ.get("JPTEXTCLF_HOME"):
        return Path(asked).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "jptextclf"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def manifest_sha256(hashes: Mapping[str, str]) -> str:
    """One SHA-256 for several files: of the lines ``<sha256>  <name>``, sorted by name, each ended by a line feed.

    ``sha256sum`` over the sorted files prints the same lines.

    :param hashes: file name -> SHA-256
    """
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """A sibling directory to write into; it becomes ``target`` when the block ends well, else it is removed.

    What ``target`` held before is replaced, and stays as it was when anything fails.

    :raises OSError: the place cannot be written
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex[:8]
    sibling = target.with_name(f".{target.name}.{token}.new")
    aside = target.with_name(f".{target.name}.{token}.old")
    sibling.mkdir()
    try:
        yield sibling
        for path in sorted(sibling.rglob("*"), reverse=True):
            _sync(path)
        _sync(sibling)
        if target.exists():
            target.rename(aside)
        try:
            sibling.rename(target)
        except OSError:
            if aside.exists():
                aside.rename(target)
            raise
        _sync(target.parent)
    finally:
        shutil.rmtree(sibling, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    # Windows can neither open a directory nor sync a file that is open for reading only.
    if os.name == "nt":
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
