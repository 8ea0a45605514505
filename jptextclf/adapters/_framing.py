"""Pieces of many texts, end to end -> cut to a length and framed with special tokens. It knows no tokenizer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jptextclf.encodings import Encodings

Ids = NDArray[np.int32]


def frame(
    ids: Ids,
    splits: NDArray[np.int64],
    spans: Ids | None,
    *,
    room: int,
    prefix: Ids,
    suffix: Ids,
    unknown: int,
) -> Encodings:
    """
    :param ids: pieces of all texts.                            *Shape:* ``(pieces,)``
    :param splits: where each text starts, and the end.         *Shape:* ``(texts + 1,)``
    :param spans: characters of each piece, or None.            *Shape:* ``(pieces, 2)``
    :param room: pieces of a text that are kept, special tokens not counted
    :param prefix: special tokens before the pieces of a text.  *Shape:* ``(before,)``
    :param suffix: special tokens after them.                   *Shape:* ``(after,)``
    :param unknown: id of the unknown piece
    """
    full = np.diff(splits)
    kept = np.minimum(full, room)
    if not np.array_equal(full, kept):
        is_kept = np.arange(len(ids)) - np.repeat(splits[:-1], full) < room
        ids, spans = ids[is_kept], None if spans is None else spans[is_kept]
    row_splits = np.zeros(len(full) + 1, dtype=np.int64)
    np.cumsum(kept + (len(prefix) + len(suffix)), out=row_splits[1:])
    framed = np.empty(int(row_splits[-1]), dtype=np.int32)
    is_piece = np.ones(len(framed), dtype=np.bool_)
    for number, special in enumerate(prefix):
        framed[row_splits[:-1] + number] = special
        is_piece[row_splits[:-1] + number] = False
    for number, special in enumerate(suffix):
        framed[row_splits[1:] - len(suffix) + number] = special
        is_piece[row_splits[1:] - len(suffix) + number] = False
    framed[is_piece] = ids
    offsets = None
    if spans is not None:
        offsets = np.zeros((len(framed), 2), dtype=np.int32)
        offsets[is_piece] = spans
    unknowns = np.searchsorted(np.cumsum(kept), np.flatnonzero(ids == unknown), side="right")
    return Encodings(
        input_ids=framed,
        row_splits=row_splits,
        truncated=full > room,
        unknown=np.bincount(unknowns, minlength=len(full)).astype(np.int32),
        offsets=offsets,
    )
