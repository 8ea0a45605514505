"""Which labels look wrong. It knows no texts and no models: probabilities by models that have not seen the labels come in.

Ranked by the probability of the label that is there ("self-confidence"), the least probable first. How many are worth a look
is counted as in confident learning (Northcutt, Jiang and Chuang, 2021, Confident Learning): texts that another label has at least
as sure as that label is on average of the texts that have it. Annotators' votes weigh as much as the model in the order, and a label
that all of them gave is not doubted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Ranking:
    """All texts, those whose label looks most wrong first."""

    order: NDArray[np.int64]
    """Places of the texts.  *Shape:* ``(texts,)``"""
    own: NDArray[np.float32]
    """How probable the labels of each text are; of several the least probable one. With votes the mean of probability and share.
    *Shape:* ``(texts,)``"""
    doubtful: NDArray[np.bool_]
    """Whether a text is worth a look.  *Shape:* ``(texts,)``"""
    suggested: NDArray[np.int64]
    """Ids of the most probable label ``(texts,)``; for a multi-label task a 0/1 matrix ``(texts, n_labels)`` with the answer for a
    label turned where the opposite is worth a look."""


def rank(
    probabilities: NDArray[np.float32], references: NDArray[Any], shares: NDArray[np.float32] | None = None
) -> Ranking:
    """Rank texts.

    ``[[.9, .1], [.8, .2]], [0, 1] -> order [1, 0]``

    :param probabilities: by models that have not seen the text.  *Shape:* ``(texts, n_labels)``
    :param references: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)`` for a multi-label task
    :param shares: of the annotators who gave each label; None: there are no votes.  *Shape:* ``(texts, n_labels)``
    """
    if references.ndim == 2:
        return _rank_labels(probabilities, references, shares)
    texts = np.arange(len(references))
    own = probabilities[texts, references]
    average = _averages(probabilities, references)
    # A label is believed of a text where it is at least as sure as of its own texts on average.
    believed = probabilities >= average
    believed[texts, references] = False
    suggested = probabilities.argmax(axis=1)
    doubtful = believed.any(axis=1) & (suggested != references)
    if shares is not None:
        voted = shares[texts, references]
        own, doubtful = (own + voted) / 2, doubtful & (voted < 1)
    return Ranking(_rising(own), own, doubtful, suggested.astype(np.int64))


def _averages(probabilities: NDArray[np.float32], references: NDArray[Any]) -> NDArray[np.float64]:
    """Mean probability of each label on the texts that have it; above 1 where there are none."""
    found = np.full(probabilities.shape[1], 2.0)
    for label in np.unique(references):
        found[label] = probabilities[references == label, label].mean()
    return found


def _rank_labels(
    probabilities: NDArray[np.float32], references: NDArray[Any], shares: NDArray[np.float32] | None
) -> Ranking:
    """Each label of each text is a question of its own, and a text is as doubtful as its most doubtful label."""
    truth = references.astype(np.int64)
    each = np.where(truth == 1, probabilities, 1 - probabilities)
    opposite = 1 - each
    turned = np.zeros(truth.shape, dtype=np.bool_)
    for label in range(truth.shape[1]):
        for side in (0, 1):
            has = truth[:, label] == side
            others = truth[:, label] != side
            if has.any():
                sure = each[has, label].mean()
                turned[others, label] = opposite[others, label] >= sure
    turned &= opposite > 0.5
    if shares is not None:
        voted = np.where(truth == 1, shares, 1 - shares)
        each, turned = (each + voted) / 2, turned & (voted < 1)
    own = each.min(axis=1)
    return Ranking(
        _rising(own),
        own.astype(np.float32),
        np.asarray(turned.any(axis=1)),
        np.where(turned, 1 - truth, truth),
    )


def _rising(values: NDArray[Any]) -> NDArray[np.int64]:
    order: NDArray[np.int64] = np.argsort(values, kind="stable").astype(np.int64)
    return order
