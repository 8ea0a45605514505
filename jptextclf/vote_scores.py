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
_PERCENT = 100
"""What all votes are out of where they are percentages, which say nothing of the number of annotators."""


@dataclass(frozen=True)
class MeanScore:
    """A mean over texts, with the ends of its 95 % interval (Student's, cut where the value cannot be)."""

    value: float
    low: float | None
    high: float | None
    """None: of one text nothing is known of others."""

    @property
    def interval(self) -> str:
        """``0.342 – 0.412``, or a dash."""
        return "–" if self.low is None or self.high is None else f"{self.low:.3f} – {self.high:.3f}"

    def to_json(self) -> dict[str, float | None]:
        return {name: None if value is None else round(value, 6) for name, value in vars(self).items()}


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
    agreement_there: float | None = None
    """``agreement`` on the texts with two annotators or more, to hold against ``annotators_agree``."""

    def to_json(self) -> dict[str, Any]:
        agree = self.annotators_agree
        means = {name: getattr(self, name).to_json() for name in _MEANS}
        return {
            "n_texts": self.n_texts,
            "n_left_out": self.n_left_out,
            **means,
            "best_agreement": round(self.best_agreement, 6),
            "annotators_agree": None if agree is None else round(agree, 6),
            "agreement_there": None if self.agreement_there is None else round(self.agreement_there, 6),
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
    pairs, several = _pairs_agree(some, schema, shares)
    crossed, entropy = _cross_entropy(shares, values), _cross_entropy(shares, shares)
    best = shares.max(axis=-1)
    return VoteScores(
        n_texts=len(kept),
        n_left_out=len(votes) - len(kept),
        cross_entropy=_mean(crossed),
        divergence=_mean(crossed - entropy),
        brier=_mean(brier),
        agreement=_mean(chosen, most=1.0),
        best_agreement=float(best.mean()),
        annotators_agree=pairs,
        agreement_there=None if pairs is None else float(chosen[several].mean()),
    )


def _cross_entropy(shares: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """*Shape:* ``(texts,)``"""
    each: NDArray[np.float64] = -(shares * np.log(np.maximum(values, _SMALLEST))).sum(axis=-1)
    return each.mean(axis=1) if each.ndim == 2 else each


def _mean(each: NDArray[np.float64], *, most: float = math.inf) -> MeanScore:
    """:param most: that a value can be; none is below 0"""
    from scipy.stats import t as student

    value, n = float(each.mean()), len(each)
    if n < 2:
        return MeanScore(value, None, None)
    spread = float(student.ppf(0.975, n - 1)) * float(each.std(ddof=1)) / math.sqrt(n)
    return MeanScore(value, max(0.0, value - spread), min(most, value + spread))


def _pairs_agree(
    votes: Sequence[Votes], schema: LabelSchema, shares: NDArray[np.float64]
) -> tuple[float | None, NDArray[np.bool_]]:
    """The mean, over texts with two annotators or more, of the share of their pairs that agree, and which texts those are.

    :param shares: *Shape:* ``(texts, n_labels)``, or ``(texts, n_labels, 2)`` for a multi-label task
    """
    n_each = np.array(
        [one.annotators or (0 if schema.is_multilabel else sum(one.counts.values())) for one in votes],
        dtype=np.float64,
    )
    # Counts that are no whole numbers are shares already, and say nothing of how many there were.
    whole = np.array([all(float(count).is_integer() for count in one.counts.values()) for one in votes])
    known = (n_each >= 2) & whole
    if not known.any() or (n_each == _PERCENT).all():
        return None, known
    n = n_each[known].reshape(-1, *(1 for _ in shares.shape[1:]))
    counts = np.round(shares[known] * n)
    agreeing = (counts * (counts - 1)).sum(axis=-1) / (n * (n - 1)).reshape(n.shape[:-1])
    return float(agreeing.mean()), known
