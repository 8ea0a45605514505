"""A SentencePiece model file, read without protobuf: pieces with scores and types, and the normalisation.

It does not cut texts. The format is that of ``sentencepiece_model.proto`` (google/sentencepiece).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of pieces."""
UNIGRAM = 1
"""Model type; the others are BPE, words and characters."""


@dataclass(frozen=True)
class SpiecePiece:
    """One entry of the vocabulary; its id is its place."""

    text: str
    score: float
    type: int


@dataclass(frozen=True)
class SpieceModel:
    """What a model file says."""

    pieces: tuple[SpiecePiece, ...]
    model_type: int
    normalization: str
    """Name of its rules, such as ``nmt_nfkc``."""
    charsmap: bytes
    """Its rules, compiled."""
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool


def read_spiece_model(data: bytes) -> SpieceModel:
    """:raises ValueError: it is no such file, or cut off"""
    pieces = []
    model_type = UNIGRAM
    name, charsmap, prefix, collapse = "", b"", True, True
    for field, value, _ in _fields(data):
        if field == 1 and isinstance(value, bytes):
            pieces.append(_piece(value))
        elif field == 2 and isinstance(value, bytes):
            for inner, one, _ in _fields(value):
                model_type = int(one) if inner == 3 and isinstance(one, int) else model_type
        elif field == 3 and isinstance(value, bytes):
            for inner, one, _ in _fields(value):
                if inner == 1 and isinstance(one, bytes):
                    name = one.decode()
                elif inner == 2 and isinstance(one, bytes):
                    charsmap = one
                elif inner == 3:
                    prefix = bool(one)
                elif inner == 4:
                    collapse = bool(one)
    if not pieces:
        raise ValueError("no pieces")
    return SpieceModel(tuple(pieces), model_type, name, charsmap, prefix, collapse)


def without_spellings(data: bytes, ids: frozenset[int]) -> bytes:
    """The same model with these pieces marked as unused, so that no text gives them.

    :raises ValueError: as :func:`read_spiece_model`
    """
    changed = bytearray(data)
    number = 0
    for field, value, place in _fields(data):
        if field != 1 or not isinstance(value, bytes):
            continue
        if number in ids:
            for inner, _, at in _fields(value):
                if inner == 3:
                    # The type is one byte, so that the file stays as long as it is.
                    changed[place + at] = UNUSED
        number += 1
    return bytes(changed)


def _piece(data: bytes) -> SpiecePiece:
    text, score, kind = "", 0.0, NORMAL
    for field, value, _ in _fields(data):
        if field == 1 and isinstance(value, bytes):
            text = value.decode("utf-8")
        elif field == 2 and isinstance(value, bytes):
            (score,) = struct.unpack("<f", value)
        elif field == 3 and isinstance(value, int):
            kind = value
    return SpiecePiece(text, score, kind)


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int, int]]:
    """The fields of a protobuf message: number, value, and where the value starts."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, after = _varint(data, at)
            yield field, value, at
            at = after
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + length > len(data):
            raise ValueError("cut off")
        yield field, data[at : at + length], at
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("cut off")
        byte = data[at]
        at += 1
        result |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return result, at
