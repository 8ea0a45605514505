"""Checkpoints: named tensors and a small state at a step, on the disk whole or not at all.

It does not know what is trained, nor how. There is no pickle; every file is listed with its size and hash, since a
flipped bit in a tensor would otherwise load silently.

==========================  =============================================================================
``step-00000120/``          one checkpoint; ``step-00000120-2`` where the same step was saved once more
``  tensors.safetensors``   the tensors
``  state.json``            the state
``  MANIFEST.json``         sha256 and size of the two
``.jptextclf-*/``           one that is being written or removed
==========================  =============================================================================
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from torch import Tensor

from jptextclf.atomic import PREFIX, make_directory, make_staging, remove_leftovers, sha256_of, sync
from jptextclf.errors import WorkError
from jptextclf.messages import text
from jptextclf.strict_json import DECODER, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SCHEMA_VERSION = 1
_TENSORS, _STATE, _MANIFEST = "tensors.safetensors", "state.json", "MANIFEST.json"
_SAME = "same"
"""Key of the file's metadata: name -> the name under which its data stand."""
_CHUNK = 1 << 24
_ALIGNMENT = 64
_NAME = re.compile(r"step-(\d{8,})(?:-(\d+))?")
# https://huggingface.co/docs/safetensors/metadata_parsing and the format's README list these names.
_DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


@dataclass(frozen=True)
class Skipped:
    """A checkpoint that cannot be used."""

    path: Path
    reason: str
    """What is wrong with it: half a sentence for a person, in the language of then."""

    def __str__(self) -> str:
        return text("checkpoints.skipped", name=self.path.name, reason=self.reason)


@dataclass(frozen=True)
class Checkpoint:
    """One that was found complete and intact."""

    path: Path
    step: int

    @cached_property
    def state(self) -> dict[str, Any]:
        """As it was saved; tuples have become lists."""
        state: dict[str, Any] = DECODER.decode((self.path / _STATE).read_text(encoding="utf-8"))
        return state

    def tensors(self) -> dict[str, Tensor]:
        """As they were saved, on the CPU, in memory of their own; names that shared a tensor share one again."""
        with safe_open(self.path / _TENSORS, framework="pt") as file:
            # The file is mapped; a copy does not hold on to it.
            found = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - it is no dict
            same = json.loads((file.metadata() or {}).get(_SAME, "{}"))
        return found | {name: found[first] for name, first in same.items()}


class Checkpoints:
    """The checkpoints of one training, in a directory that nobody else writes to.

    What a process that died has left half-written is removed.

    :param keep: how many to keep; older ones are removed once a new one is safe
    :raises WorkError: the directory cannot be made or read (``JPT-W035``)
    """

    def __init__(self, directory: Path, *, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep}, expected 1 or more")
        self.directory = directory
        self.keep = keep
        try:
            make_directory(directory)
            remove_leftovers(directory)
        except OSError as error:
            raise WorkError("W035", path=directory, problem=error.strerror or str(error)) from error

    def save(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
        """Write a checkpoint; when this returns it survives a crash of the machine.

        :param tensors: by name, on any device.  *Shape:* any
        :param state: JSON: numbers are finite, keys are strings
        :returns: its directory
        :raises WorkError: it cannot be written, and what was there is as it was (``JPT-W033``); or it was written,
            and an older one cannot be removed (``JPT-W034``)
        :raises TypeError, ValueError: a tensor's type has no name in the format, or the state is no JSON
        """
        document = encode(state)
        header, stored = _lay_out(tensors)
        needed = len(header) + sum(map(_size, stored.values())) + len(document)
        with self._write_errors(step, needed):
            place = staging = make_staging(self.directory)
            try:
                files = {
                    _TENSORS: _write(staging / _TENSORS, chain([header], map(_bytes, stored.values()))),
                    _STATE: _write(staging / _STATE, [document]),
                }
                manifest = {"schema_version": SCHEMA_VERSION, "step": step, "files": files}
                _write(staging / _MANIFEST, [encode(manifest)])
                sync(staging)
                place = staging.rename(self._free_name(step))
                sync(self.directory)
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
        self._remove_beyond(place)
        return place

    def newest(self) -> tuple[Checkpoint | None, tuple[Skipped, ...]]:
        """The newest complete and intact one, every byte compared with its hash, and the newer ones that are not.

        :raises WorkError: the directory cannot be read (``JPT-W035``)
        """
        skipped: list[Skipped] = []
        for path in self._all():
            reason = _damage(path)
            if not reason:
                return Checkpoint(path, _place(path)[0]), tuple(skipped)
            skipped.append(Skipped(path, reason))
        return None, tuple(skipped)

    def open(self, name: str) -> Checkpoint:
        """One of them by its name, as another process of the same training has found it."""
        path = self.directory / name
        return Checkpoint(path, _place(path)[0])

    def _all(self) -> list[Path]:
        """Everything that has the name of a checkpoint, newest first."""
        try:
            found = [path for path in self.directory.iterdir() if _NAME.fullmatch(path.name)]
        except OSError as error:
            raise WorkError("W035", path=self.directory, problem=error.strerror or str(error)) from error
        return sorted(found, key=_place, reverse=True)

    def _free_name(self, step: int) -> Path:
        # Never over one that is there: between two renames there would be neither.
        again = [_place(path)[1] for path in self._all() if _place(path)[0] == step]
        suffix = f"-{max(again) + 1}" if again else ""
        return self.directory / f"step-{step:08d}{suffix}"

    def _remove_beyond(self, newest: Path) -> None:
        """Remove all but ``newest`` and the ``keep - 1`` before it that look complete.

        What claims to be newer was skipped when the training went on from an older one.
        """
        others = [path for path in self._all() if path != newest]
        older = [path for path in others if _place(path) < _place(newest) and not _incomplete(path)]
        kept = older[: self.keep - 1]
        try:
            for path in others:
                if path not in kept:
                    _remove(path)
        except OSError as error:
            raise WorkError(
                "W034", path=self.directory, name=newest.name, problem=error.strerror or str(error)
            ) from error

    @contextmanager
    def _write_errors(self, step: int, needed: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WorkError(
                "W033", path=self.directory, step=step, problem=error.strerror or str(error),
                needed=_megabytes(needed), free=_megabytes(_free(self.directory)),
            ) from error  # fmt: skip


def _place(path: Path) -> tuple[int, int]:
    """Step, and how often it was saved before."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        raise ValueError(f"{path} is no checkpoint's name")
    return int(found[1]), int(found[2] or 1)


def _damage(path: Path) -> str:
    """What is wrong with a checkpoint; empty if nothing is."""
    try:
        return _incomplete(path) or next(
            (
                text("checkpoints.changed", file=name)
                for name, (_, digest) in _listed(path).items()
                if sha256_of(path / name) != digest
            ),
            "",
        )
    except OSError as error:
        return text("checkpoints.unreadable", problem=error.strerror or str(error))


def _incomplete(path: Path) -> str:
    """What can be seen to be wrong without reading the tensors; empty if nothing can."""
    if not (path / _MANIFEST).is_file():
        return text("checkpoints.missing", file=_MANIFEST)
    try:
        listed = _listed(path)
    except (OSError, ValueError, KeyError, TypeError):
        return text("checkpoints.unreadable", problem=_MANIFEST)
    for name, (size, _) in listed.items():
        if not (path / name).is_file():
            return text("checkpoints.missing", file=name)
        if (found := (path / name).stat().st_size) != size:
            return text("checkpoints.size", file=name, found=f"{found:,}", expected=f"{size:,}")
    return ""


def _listed(path: Path) -> dict[str, tuple[int, str]]:
    """File -> size and sha256, by the manifest.

    :raises OSError, ValueError, KeyError, TypeError: it is no manifest of this checkpoint
    """
    manifest = DECODER.decode((path / _MANIFEST).read_text(encoding="utf-8"))
    files = {name: (int(one["size"]), str(one["sha256"])) for name, one in manifest["files"].items()}
    known = manifest["schema_version"] == SCHEMA_VERSION and manifest["step"] == _place(path)[0]
    if not known or set(files) != {_TENSORS, _STATE}:
        raise ValueError(f"{path / _MANIFEST} is of another form")
    return files


def _remove(path: Path) -> None:
    """Remove a file or directory; one that is half removed no longer has the name of a checkpoint."""
    aside = Path(tempfile.mkdtemp(prefix=PREFIX, dir=path.parent))
    path.rename(aside / path.name)
    shutil.rmtree(aside)


def _megabytes(size: int) -> str:
    return f"{math.ceil(size / 1e5) / 10:,.1f} MB"


def _free(directory: Path) -> int:
    """Bytes that may still be written there; 0 where nobody knows."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return 0


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _lay_out(tensors: Mapping[str, Tensor]) -> tuple[bytes, dict[str, Tensor]]:
    """The start of a safetensors file, and the tensors whose data follow it in this order.

    Its form: eight bytes with the length of a JSON object, the object, the data
    (https://github.com/huggingface/safetensors, "Format"). The library's own writer first copies all tensors to
    bytes, and refuses tensors that share memory.

    :raises TypeError: a type has no name in the format
    """
    stored: dict[str, Tensor] = {}
    same: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    # The widest types first, so that each tensor starts at a multiple of its width.
    for name in sorted(tensors, key=lambda one: (-tensors[one].element_size(), one)):
        tensor = tensors[name]
        if tensor.dtype not in _DTYPES:
            raise TypeError(f"the tensor {name} is of {tensor.dtype}, which cannot be saved")
        identity = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and identity in seen:
            same[name] = seen[identity]
        else:
            seen[identity] = name
            stored[name] = tensor
    header: dict[str, Any] = {"__metadata__": {_SAME: json.dumps(same)}}
    start = 0
    for name, tensor in stored.items():
        end = start + _size(tensor)
        header[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    document = json.dumps(header, ensure_ascii=False).encode()
    length = math.ceil((len(document) + 8) / _ALIGNMENT) * _ALIGNMENT - 8
    return length.to_bytes(8, "little") + document.ljust(length), stored


def _bytes(tensor: Tensor) -> memoryview:
    """The data of a tensor; a copy only where it is not on the CPU in one piece."""
    flat = tensor.detach().cpu().contiguous().flatten()
    return memoryview(flat.view(torch.uint8).numpy().data)


def _write(path: Path, parts: Iterable[bytes | memoryview]) -> dict[str, Any]:
    """Write a new file and flush it to the disk.

    :returns: its size and sha256, as a manifest lists them
    """
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        for part in parts:
            for start in range(0, len(part), _CHUNK):
                chunk = memoryview(part)[start : start + _CHUNK]
                digest.update(chunk)
                size += len(chunk)
                while chunk:
                    chunk = chunk[os.write(descriptor, chunk) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return {"size": size, "sha256": digest.hexdigest()}
