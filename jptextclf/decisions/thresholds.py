"""Thresholds: from which probability on a multi-label label is given.

It does not know where scores come from; any score that rises with the probability will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def best_thresholds(scores: NDArray[np.float32], references: NDArray[Any]) -> NDArray[np.float32]:
    """For each label the threshold with the best F1 on these texts; exact, by trying every score.

    A threshold lies half-way between two neighbouring scores, so that it does not hang on one text. A label that
    no text has gets a threshold above every score.

    ``scores [[.9], [.4], [.1]], references [[1], [1], [0]] -> [.25]``

    :param scores: probabilities or logits.  *Shape:* ``(texts, n_labels)``
    :param references: 0/1.                   *Shape:* ``(texts, n_labels)``
    :returns: *Shape:* ``(n_labels,)``
    """
    n_texts, n_labels = scores.shape
    chosen = np.empty(n_labels, dtype=np.float32)
    for label in range(n_labels):
        falling, hits, is_cut = falling_cuts(scores[:, label], references[:, label])
        if hits[-1] == 0:
            chosen[label] = falling[0] + abs(falling[0]) + 1e-3
            continue
        f1 = 2 * hits / (np.arange(1, n_texts + 1) + hits[-1])
        best = int(np.argmax(np.where(is_cut, f1, -1.0)))
        chosen[label] = between(falling, best + 1, end=float(falling[-1]))
    return chosen


def falling_cuts(
    scores: NDArray[Any], right: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Scores from the highest to the lowest, how many are right up to each, and whether a cut may follow it.

    :param scores: *Shape:* ``(texts,)``
    :param right: 0/1.  *Shape:* ``(texts,)``
    :returns: *Shape:* ``(texts,)`` each
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order].astype(np.float64)
    # Equal scores cannot be told apart: only the last of them may be a cut.
    is_cut = np.append(np.diff(falling) < 0, True)
    return falling, np.cumsum(right[order], dtype=np.int64), is_cut


def between(falling: NDArray[np.float64], n: int, *, end: float) -> float:
    """The threshold that the first ``n`` scores reach and the next does not, half-way; ``end`` where there is no next."""
    return float(falling[n - 1] + falling[n]) / 2 if n < len(falling) else end
