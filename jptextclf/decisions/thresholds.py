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
        order = np.argsort(-scores[:, label], kind="stable")
        falling = scores[order, label].astype(np.float64)
        hits = np.cumsum(references[order, label])
        f1 = 2 * hits / (np.arange(1, n_texts + 1) + hits[-1])
        # Equal scores cannot be told apart: only the last of them may be a cut.
        cuts = np.append(np.diff(falling) < 0, True)
        if hits[-1] == 0:
            chosen[label] = falling[0] + abs(falling[0]) + 1e-3
            continue
        best = int(np.argmax(np.where(cuts, f1, -1.0)))
        below = falling[best + 1] if best + 1 < n_texts else falling[best]
        chosen[label] = (falling[best] + below) / 2
    return chosen
