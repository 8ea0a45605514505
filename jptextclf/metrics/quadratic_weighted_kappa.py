"""Quadratic weighted kappa of ordered labels: agreement beyond chance, where being far off counts most (Cohen 1968).

1 is perfect, 0 what labels drawn with the same frequencies reach, below 0 is worse than that. Where references and
predictions are all one label, chance agrees as well, and it is 0; scikit-learn has NaN there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jptextclf.metrics._metric import Metric

if TYPE_CHECKING:
    from jptextclf.metrics._counts import Counts, Floats


def quadratic_weighted_kappa(counts: Counts) -> Floats:
    """1 - squared steps / squared steps by chance, in [-1, 1]. *Shape:* ``(...)``"""
    ranks = np.arange(counts.references.shape[-1], dtype=np.float64)
    of_references, of_predictions = counts.references @ ranks, counts.predictions @ ranks
    # Sum over all pairs of a reference i and a prediction j of (i - j)**2, multiplied out.
    squares = (counts.references + counts.predictions) @ ranks**2
    by_chance = squares - 2 * of_references * of_predictions / np.maximum(counts.n_texts, 1)
    possible = by_chance > 1e-9
    found = 1 - np.divide(counts.squares, by_chance, out=np.ones(np.shape(by_chance)), where=possible)
    return np.asarray(found, dtype=np.float64)


METRIC = Metric(quadratic_weighted_kappa, for_multilabel=False, needs_order=True)
