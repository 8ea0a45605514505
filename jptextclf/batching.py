"""Which texts go through the encoder together. Plain numpy; no model here.

Two cuts: an epoch into random batches (one optimizer step each), and a batch into micro-batches of texts of
similar length, so that little is spent on padding. The second never changes the mathematics of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

Index = NDArray[np.int64]


def random_batches(n_texts: int, *, batch_size: int, seed: int, epoch: int) -> list[Index]:
    """All texts of one epoch in a random order, cut into batches; the last one may be smaller.

    The order depends on ``seed`` and ``epoch`` only.
    """
    order = np.random.default_rng([seed, epoch]).permutation(n_texts).astype(np.int64)
    return [order[start : start + batch_size] for start in range(0, n_texts, batch_size)]


def micro_batches(lengths: Index, *, max_tokens: int, overhead: int) -> list[Index]:
    """Cut one batch into length-sorted groups at the least cost.

    The cost of a group is what it computes, ``texts x longest``, plus ``overhead`` for being a group at all;
    the cheapest cut of the sorted texts is found exactly, by dynamic programming over its last group.

    ``lengths=[5, 80, 6, 7], overhead=20 -> [[0, 2, 3], [1]]``

    :param lengths: pieces of each text of the batch.  *Shape:* ``(texts,)``
    :param max_tokens: padded pieces in one group at most; a text longer than that stands alone
    :param overhead: fixed cost of one group, in pieces
    :returns: positions in ``lengths``, shorter texts first
    """
    order = np.argsort(lengths, kind="stable").astype(np.int64)
    ordered = lengths[order]
    n_texts = len(ordered)
    best = np.full(n_texts + 1, np.inf)
    best[0] = 0.0
    cut = np.zeros(n_texts + 1, dtype=np.int64)
    for end in range(1, n_texts + 1):
        longest = int(ordered[end - 1])
        first = max(0, end - max(1, max_tokens // max(longest, 1)))
        starts = np.arange(first, end)
        costs = best[first:end] + (end - starts) * longest + overhead
        choice = int(np.argmin(costs))
        best[end], cut[end] = costs[choice], starts[choice]
    groups: list[Index] = []
    end = n_texts
    while end > 0:
        groups.append(order[cut[end] : end])
        end = int(cut[end])
    return groups[::-1]


def length_batches(lengths: Index, *, max_tokens: int) -> Iterator[Index]:
    """All texts, longest first, in groups of at most ``max_tokens`` padded pieces: for prediction.

    Longest first, so that a batch that does not fit in memory fails at once and not at the end.
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int64)
    start = 0
    while start < len(order):
        size = max(1, max_tokens // max(int(lengths[order[start]]), 1))
        yield order[start : start + size]
        start += size


def flat_batches(lengths: Index, *, max_tokens: int) -> Iterator[Index]:
    """All texts, longest first, in groups of at most ``max_tokens`` pieces: for a network that needs no padding.

    ``lengths=[5, 80, 6, 7], max_tokens=20 -> [1], [3, 2, 0]``. A text longer than that stands alone.
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int64)
    # A group ends where the pieces so far would not fit.
    start, pieces = 0, 0
    for place, number in enumerate(order):
        length = int(lengths[number])
        if pieces and pieces + length > max_tokens:
            yield order[start:place]
            start, pieces = place, 0
        pieces += length
    if len(order):
        yield order[start:]


def length_groups(lengths: Index, *, overhead: int) -> list[int]:
    """Cut texts into runs of neighbours that are padded to their longest, at the least cost.

    The cost of a run is that of its attention, ``texts x longest x longest``, plus ``overhead``. For texts in the
    order of their length the cut is the cheapest, found by dynamic programming over runs of equal length; in any
    other order it is still a cut.

    ``lengths=[2, 2, 3, 90], overhead=100 -> [0, 3, 4]``

    :returns: where each run starts, and the end
    """
    changes = np.flatnonzero(np.diff(lengths)) + 1
    starts = np.concatenate([[0], changes, [len(lengths)]])
    longest = lengths[starts[:-1]].astype(np.float64)
    n_runs = len(longest)
    best = np.full(n_runs + 1, np.inf)
    best[0] = 0.0
    cut = np.zeros(n_runs + 1, dtype=np.int64)
    for end in range(1, n_runs + 1):
        # The longest of the runs first..end, for every first.
        widest = np.maximum.accumulate(longest[:end][::-1])[::-1]
        costs = best[:end] + (starts[end] - starts[:end]) * widest**2 + overhead
        choice = int(np.argmin(costs))
        best[end], cut[end] = costs[choice], choice
    cuts = [n_runs]
    while cuts[-1] > 0:
        cuts.append(int(cut[cuts[-1]]))
    return [int(starts[one]) for one in reversed(cuts)]
