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
    lengths = kept + (len(prefix) + len(suffix))
    row_splits = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=row_splits[1:])
    before = np.cumsum(kept) - kept
    place = np.arange(int(kept.sum()), dtype=np.int64)
    source = place + np.repeat(splits[:-1] - before, kept)
    target = place + np.repeat(row_splits[:-1] + len(prefix) - before, kept)
    framed = np.empty(int(row_splits[-1]), dtype=np.int32)
    taken = ids[source]
    framed[target] = taken
    for number, special in enumerate(prefix):
        framed[row_splits[:-1] + number] = special
    for number, special in enumerate(suffix):
        framed[row_splits[1:] - len(suffix) + number] = special
    offsets = None
    if spans is not None:
        offsets = np.zeros((len(framed), 2), dtype=np.int32)
        offsets[target] = spans[source]
    unknowns = np.concatenate([[0], np.cumsum(taken == unknown)])
    ends = np.cumsum(kept)
    return Encodings(
        input_ids=framed,
        row_splits=row_splits,
        truncated=full > room,
        unknown=(unknowns[ends] - unknowns[ends - kept]).astype(np.int32),
        offsets=offsets,
    )
