"""NFKC with the way back: which characters of the original every normalised character comes from.

It does not know any tokenizer. Positions are code points, as Python counts them.
"""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Aligned:
    """A normalised text; character ``i`` of it comes from the characters ``starts[i]`` to ``ends[i]`` of the original.

    ``"ﾊﾟﾝ" -> "パン"`` with starts ``[0, 2]`` and ends ``[2, 3]``; ``"㍿" -> "株式会社"`` with starts ``[0, 0, 0, 0]``
    and ends ``[1, 1, 1, 1]``.
    """

    text: str
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of a text. *Shape:* ``(characters,)``"""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def nfkc(text: str) -> str:
    """``"ｶﾞｷﾞ　１２３" -> "ガギ 123"``. Idempotent."""
    return unicodedata.normalize("NFKC", text)


def identity(text: str) -> Aligned:
    """The way back of a text that stays as it is."""
    places = np.arange(len(text) + 1, dtype=np.int32)
    return Aligned(text, places[:-1], places[1:])


def align_nfkc(texts: Sequence[str]) -> list[Aligned]:
    """Normalise several texts and find the way back.

    A text is cut before every character that can neither combine with nor move across what stands before it;
    such chunks normalise independently (Unicode Standard Annex #15, section 9.1, stable code points). What comes
    out of a chunk comes from the whole chunk.
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    joined = "".join(texts)
    if not joined:
        return [Aligned("", np.zeros(0, np.int32), np.zeros(0, np.int32)) for _ in texts]
    joins, sizes = _tables()
    points = code_points(joined)
    text_starts = np.cumsum(lengths) - lengths
    opens = ~joins[points]
    opens[text_starts[lengths > 0]] = True
    chunk_starts = np.flatnonzero(opens)
    chunk_ends = np.append(chunk_starts[1:], len(points))
    n_out = sizes[points[chunk_starts]].astype(np.int64)
    for number in np.flatnonzero((chunk_ends - chunk_starts > 1) | (n_out == _LONG)):
        n_out[number] = _normal_length(joined[chunk_starts[number] : chunk_ends[number]])
    owner = np.repeat(np.arange(len(texts)), lengths)[chunk_starts]
    first = np.repeat(chunk_starts - text_starts[owner], n_out).astype(np.int32)
    last = np.repeat(chunk_ends - text_starts[owner], n_out).astype(np.int32)
    splits = np.concatenate([[0], np.cumsum(np.bincount(owner, weights=n_out, minlength=len(texts)))]).astype(
        int
    )
    return [
        Aligned(
            nfkc(text), first[splits[number] : splits[number + 1]], last[splits[number] : splits[number + 1]]
        )
        for number, text in enumerate(texts)
    ]


_LONG = 255
"""In the table of sizes: longer than a byte holds (no character is, in Unicode 16), or not yet looked up."""
_CHUNKS: dict[str, int] = {}
_MOST_CHUNKS = 100_000


def _normal_length(chunk: str) -> int:
    found = _CHUNKS.get(chunk)
    if found is None:
        found = len(nfkc(chunk))
        if len(_CHUNKS) < _MOST_CHUNKS and len(chunk) < 16:
            _CHUNKS[chunk] = found
    return found


@cache
def _tables() -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """For every code point: whether it may join what stands before it, and how many characters it normalises to."""
    joins = np.zeros(sys.maxunicode + 1, dtype=np.bool_)
    sizes = np.ones(sys.maxunicode + 1, dtype=np.uint8)
    seconds = _second_in_a_composition()
    # Nothing beyond the ideographic planes normalises, except the supplementary special-purpose plane.
    for point in (*range(0x33480), *range(0xE0000, 0xE0200)):
        if 0xAC00 <= point < 0xD7A4 or 0x4E00 <= point < 0xA000 or 0xD800 <= point < 0xE000:
            continue
        char = chr(point)
        decomposed = unicodedata.normalize("NFKD", char)
        first = decomposed[0]
        joins[point] = unicodedata.combining(first) != 0 or first in seconds
        if decomposed != char:
            sizes[point] = min(len(nfkc(char)), _LONG)
    return joins, sizes


def _second_in_a_composition() -> frozenset[str]:
    """Characters that may compose with the one before them, although they are no combining marks."""
    found = {chr(point) for point in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for point in range(0x33480):
        mapping = unicodedata.decomposition(chr(point))
        if mapping and not mapping.startswith("<"):
            parts = mapping.split()
            if len(parts) == 2:
                found.add(chr(int(parts[1], 16)))
    return frozenset(found)
