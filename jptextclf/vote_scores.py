"""How far probabilities are from what several annotators said of the same texts.

One label a text hides that people disagree. Here a model is measured against the share of the votes that each label has, and
beside it stands how far two annotators of one text agree: a model that agrees with an annotator as often as another
annotator does has learned what there is to learn. (Uma et al., Learning from Disagreement, 2021, sections 4 and 5, compare
such measures.) It does not know models nor files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.data.votes import shares_of, usable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.data.votes import Votes
    from jptextclf.labels import LabelSchema

_SMALLEST = 1e-7
_Z = 1.959964
"""Two-sided 95 % point of the normal distribution."""


@dataclass(frozen=True)
class MeanScore:
    """A mean over texts, with the ends of its 95 % interval (normal approximation of a mean)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 6) for name, value in vars(self).items()}


@dataclass(frozen=True)
class VoteScores:
    """A model against the votes of annotators.

    Of a multi-label task every label of a text is a question of its own, yes or no, and the figures are means over the labels.
    """

    n_texts: int
    """Texts whose votes can be used."""
    n_left_out: int
    """Texts without votes, with votes that cannot be read or do not fit the task, or for labels that the model does not know."""
    cross_entropy: MeanScore
    """Of the probabilities against the shares of the votes, in nats; what a soft-label training makes small."""
    divergence: MeanScore
    """Kullback-Leibler divergence, which is the cross entropy less what the disagreement of the annotators alone costs, in nats;
    0 where the probabilities are the shares."""
    brier: MeanScore
    """Squared distance of probabilities and shares, summed over the labels of a single-label task."""
    agreement: MeanScore
    """How often a randomly chosen annotator of the text gave the label that the model gives."""
    best_agreement: float
    """The most that any labelling of these texts could reach: where annotators disagree nobody agrees with all."""
    annotators_agree: float | None
    """How often two annotators of the same text agree; None where the votes are shares, or one each."""

    def to_json(self) -> dict[str, Any]:
        agree = self.annotators_agree
        means = {name: getattr(self, name).to_json() for name in _MEANS}
        return {
            "n_texts": self.n_texts,
            "n_left_out": self.n_left_out,
            **means,
            "best_agreement": round(self.best_agreement, 6),
            "annotators_agree": None if agree is None else round(agree, 6),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> VoteScores:
        return cls(**{**data, **{name: MeanScore(**data[name]) for name in _MEANS}})


_MEANS = ("cross_entropy", "divergence", "brier", "agreement")


def vote_scores(
    schema: LabelSchema, votes: Sequence[Votes], probabilities: NDArray[Any], given: NDArray[Any]
) -> VoteScores | None:
    """Measure a model against votes; None where no text has any that can be used.

    :param votes: of each text
    :param probabilities: after softmax, or sigmoid for a multi-label task.  *Shape:* ``(texts, n_labels)``
    :param given: ids ``(texts,)``, or for a multi-label task a 0/1 matrix ``(texts, n_labels)``
    """
    kept = [number for number, one in enumerate(votes) if usable(one, schema)]
    if not kept:
        return None
    some = [votes[number] for number in kept]
    shares = shares_of(some, schema, rows=kept).astype(np.float64)
    values, labels = np.asarray(probabilities, dtype=np.float64)[kept], np.asarray(given)[kept]
    if schema.is_multilabel:
        # Yes and no of each label.
        shares, values = np.stack([shares, 1 - shares], axis=-1), np.stack([values, 1 - values], axis=-1)
        chosen = np.where(labels > 0, shares[..., 0], shares[..., 1]).mean(axis=1)
        brier = ((values - shares)[..., 0] ** 2).mean(axis=1)
    else:
        chosen = shares[np.arange(len(kept)), labels.astype(np.int64)]
        brier = ((values - shares) ** 2).sum(axis=1)
    crossed, entropy = _cross_entropy(shares, values), _cross_entropy(shares, shares)
    best = shares.max(axis=-1)
    return VoteScores(
        n_texts=len(kept),
        n_left_out=len(votes) - len(kept),
        cross_entropy=_mean(crossed),
        divergence=_mean(crossed - entropy),
        brier=_mean(brier),
        agreement=_mean(chosen),
        best_agreement=float(best.mean()),
        annotators_agree=_pairs_agree(some, schema, shares),
    )


def _cross_entropy(shares: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """*Shape:* ``(texts,)``"""
    each: NDArray[np.float64] = -(shares * np.log(np.maximum(values, _SMALLEST))).sum(axis=-1)
    return each.mean(axis=1) if each.ndim == 2 else each


def _mean(each: NDArray[np.float64]) -> MeanScore:
    value = float(each.mean())
    spread = _Z * float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else 0.0
    return MeanScore(value, value - spread, value + spread)


def _pairs_agree(votes: Sequence[Votes], schema: LabelSchema, shares: NDArray[np.float64]) -> float | None:
    """The mean, over texts with two annotators or more, of the share of their pairs that agree.

    :param shares: *Shape:* ``(texts, n_labels)``, or ``(texts, n_labels, 2)`` for a multi-label task
    """
    n_each = np.array(
        [one.annotators or (0 if schema.is_multilabel else sum(one.counts.values())) for one in votes],
        dtype=np.float64,
    )
    # Counts that are no whole numbers are shares already, and say nothing of how many there were.
    whole = np.array([all(float(count).is_integer() for count in one.counts.values()) for one in votes])
    known = (n_each >= 2) & whole
    if not known.any():
        return None
    n = n_each[known].reshape(-1, *(1 for _ in shares.shape[1:]))
    counts = np.round(shares[known] * n)
    agreeing = (counts * (counts - 1)).sum(axis=-1) / (n * (n - 1)).reshape(n.shape[:-1])
    return float(agreeing.mean())
