"""A logistic regression for labels that are a scale: one direction in the features, and a bias for each label.

The adjacent-category logit of :mod:`jptextclf.ordinal` on features that are given; it is convex, and scipy's L-BFGS
finds its only minimum. It does not know what the features are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOLERANCE = 1e-3
"""Of the largest gradient, per text."""


def fit_ordered(
    matrix: Any,
    targets: NDArray[np.int64],
    places: NDArray[np.float64],
    *,
    strength: float,
    text_weights: NDArray[np.float64],
    passes: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
    """Weights of every label, their biases, and whether the solver came to its end.

    What is minimised is half the squared length of all weights plus ``strength`` times the summed log loss, as
    scikit-learn's ``LogisticRegression`` does without the order.

    :param matrix: dense or sparse.  *Shape:* ``(texts, width)``
    :param places: of the labels on their scale.  *Shape:* ``(n_labels,)``
    :param text_weights: *Shape:* ``(texts,)``
    :returns: *Shape:* ``(width, n_labels)`` and ``(n_labels,)``
    """
    from scipy.optimize import minimize

    n_texts, width = matrix.shape
    length, rows = float(places @ places), np.arange(n_texts)
    # The mean over the texts, so that the tolerance means the same for few and many.
    share = 1 / (strength * n_texts)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        direction, bias = values[:width], values[width:]
        logits = np.asarray(matrix @ direction, dtype=np.float64)[:, None] * places + bias
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        sums = chances.sum(axis=1, keepdims=True)
        of_texts = np.log(sums[:, 0]) - logits[rows, targets]
        off = chances / sums
        off[rows, targets] -= 1
        off *= text_weights[:, None] / n_texts
        gradient = np.concatenate([np.asarray(matrix.T @ (off @ places)).ravel(), off.sum(axis=0)])
        gradient[:width] += share * length * direction
        value = (text_weights @ of_texts) / n_texts + 0.5 * share * length * (direction @ direction)
        return float(value), gradient

    found = minimize(
        loss, np.zeros(width + len(places)), jac=True, method="L-BFGS-B",
        options={"maxiter": passes, "gtol": _TOLERANCE / 10, "ftol": 1e-10},
    )  # fmt: skip
    direction, bias = found.x[:width], found.x[width:]
    weights = direction[:, None] * places
    return weights.astype(np.float32), (bias - bias.mean()).astype(np.float32), bool(found.nit < passes)
