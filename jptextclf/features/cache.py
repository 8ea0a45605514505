"""Vectors of texts on the disk, under a hash of everything that they depend on. It does not know how they are made.

They lie in ``vectors/`` of the user's store (:func:`jptextclf.store.store_dir`; ``JPTEXTCLF_HOME`` moves it), one
safetensors file for each split, :data:`MAX_BYTES` in all: what was not used for longest is removed first. The
directory may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.atomic import make_directory, write_errors, write_file
from jptextclf.messages import text
from jptextclf.store import store_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from jptextclf.progress import Progress

MAX_BYTES = 4 * 2**30
"""Of all files together. A million texts with 4 layers of width 768 need 12 GB, and are computed anew each time."""
FORMAT = 1


def key_of(facts: Mapping[str, Any], *arrays: NDArray[Any]) -> str:
    """One SHA-256 over facts and arrays.

    :param facts: what JSON can hold
    """
    facts = {"format": FORMAT, **facts}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False, default=str).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class VectorCache:
    """Vectors by key."""

    directory: Path
    max_bytes: int = MAX_BYTES

    @classmethod
    def of_user(cls) -> VectorCache:
        return cls(store_dir() / "vectors")

    def path(self, key: str) -> Path:
        return self.directory / f"{key}.safetensors"

    def read(self, key: str, shape: tuple[int, int], progress: Progress) -> NDArray[np.float32] | None:
        """The vectors of a key; None where there are none, or none that are whole, which is said."""
        from safetensors import SafetensorError, safe_open

        path = self.path(key)
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                vectors: NDArray[np.float32] = file.get_tensor("vectors")
                expected = (file.metadata() or {}).get("sha256")
        except (SafetensorError, OSError, ValueError) as error:
            progress.warn(text("features.cache_damaged", path=path, problem=error))
            return None
        if vectors.shape != shape or vectors.dtype != np.float32 or _sha256(vectors) != expected:
            progress.warn(text("features.cache_damaged", path=path, problem=text("features.cache_changed")))
            return None
        # When it was used last; a store that may only be read stays useful.
        with contextlib.suppress(OSError):
            os.utime(path)
        return vectors

    def write(self, key: str, vectors: NDArray[np.float32]) -> bool:
        """Keep vectors, and remove the oldest ones that are too many; False where these alone are too many.

        :raises WorkError: the store cannot be written to (``JPT-W011``)
        """
        from safetensors.numpy import save

        if vectors.nbytes > self.max_bytes:
            return False
        with write_errors(self.directory):
            make_directory(self.directory)
        write_file(self.path(key), save({"vectors": vectors}, metadata={"sha256": _sha256(vectors)}))
        with write_errors(self.directory):
            self._prune(self.path(key))
        return True

    def _prune(self, newest: Path) -> None:
        found = []
        for path in self.directory.glob("*.safetensors"):
            # Another process may be removing the same files.
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.append((path != newest, -status.st_mtime, status.st_size, path))
        total = 0
        for _, _, size, path in sorted(found):
            total += size
            if total > self.max_bytes:
                path.unlink(missing_ok=True)


def _sha256(vectors: NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(vectors).data).hexdigest()
