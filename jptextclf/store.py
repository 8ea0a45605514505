"""The user's own store: where fetched corpora and imported models live.

It does not know what is kept in it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def manifest_sha256(hashes: Mapping[str, str]) -> str:
    """One SHA-256 for several files: of the lines ``<sha256>  <name>``, sorted by name, each ended by a line feed.

    ``sha256sum`` over the sorted files prints the same lines.

    :param hashes: file name -> SHA-256
    """
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()
