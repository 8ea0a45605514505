"""Calibration: whether a probability means what it says.

It does not know models: probabilities and whether they came true go in. A model is calibrated where of all answers
that it gives with 80 % about 80 % are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

N_BINS = 15
"""As many as in Guo et al., On Calibration of Modern Neural Networks, 2017."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers whose probability lies in one interval, the low end excluded (but for 0)."""

    low: float
    high: float
    confidence: float
    """Mean probability of these answers."""
    accuracy: float
    """Share of them that are right."""
    n: int


@dataclass(frozen=True)
class Reliability:
    """How far the probabilities of some answers are from the shares that came true."""

    bins: tuple[ReliabilityBin, ...]
    """Those with at least one answer, rising."""
    ece: float
    """Expected calibration error: mean distance of confidence and accuracy over the bins, each weighing as many
    answers as it has (Naeini et al., 2015; Guo et al., 2017)."""
    brier: float
    """Mean squared distance of the probabilities from what came true; summed over the labels of a single-label task
    (Brier, 1950), so between 0 and 2 there."""
    n: int
    """Answers."""
    confidence: float
    """Mean probability of all answers."""
    accuracy: float
    """Share of all answers that came true."""

    def to_json(self) -> dict[str, Any]:
        return {
            "ece": round(self.ece, 6), "brier": round(self.brier, 6), "n": self.n,
            "confidence": round(self.confidence, 6), "accuracy": round(self.accuracy, 6),
            "bins": [
                {
                    "low": round(one.low, 6), "high": round(one.high, 6), "n": one.n,
                    "confidence": round(one.confidence, 6), "accuracy": round(one.accuracy, 6),
                }
                for one in self.bins
            ],
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Reliability:
        return cls(**{**data, "bins": tuple(ReliabilityBin(**one) for one in data["bins"])})


def reliability_of_labels(probabilities: ArrayLike, references: ArrayLike) -> Reliability:
    """Calibration of a single-label task: of the label that each text got.

    :param probabilities: after softmax.  *Shape:* ``(texts, n_labels)``
    :param references: label ids.         *Shape:* ``(texts,)``
    """
    values = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(references, dtype=np.int64)
    came_true = np.zeros_like(values)
    came_true[np.arange(len(truth)), truth] = 1.0
    brier = float(((values - came_true) ** 2).sum(axis=1).mean()) if len(truth) else 0.0
    return _reliability(values.max(axis=1, initial=0.0), values.argmax(axis=1) == truth, brier)


def reliability_of_sets(probabilities: ArrayLike, references: ArrayLike) -> Reliability:
    """Calibration of a multi-label task: of every label for every text.

    :param probabilities: after sigmoid.  *Shape:* ``(texts, n_labels)``
    :param references: 0/1.               *Shape:* ``(texts, n_labels)``
    """
    values = np.asarray(probabilities, dtype=np.float64).ravel()
    came_true = np.asarray(references, dtype=np.float64).ravel()
    brier = float(((values - came_true) ** 2).mean()) if len(values) else 0.0
    return _reliability(values, came_true > 0, brier)


def _reliability(confidences: NDArray[np.float64], right: NDArray[np.bool_], brier: float) -> Reliability:
    number = np.clip(np.ceil(confidences * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
    n_each = np.bincount(number, minlength=N_BINS)
    confidence = np.bincount(number, weights=confidences, minlength=N_BINS)
    accuracy = np.bincount(number, weights=right.astype(np.float64), minlength=N_BINS)
    n = len(confidences)
    return Reliability(
        bins=tuple(
            ReliabilityBin(
                one / N_BINS, (one + 1) / N_BINS, float(confidence[one] / n_each[one]),
                float(accuracy[one] / n_each[one]), int(n_each[one]),
            )
            for one in np.flatnonzero(n_each)
        ),
        ece=float(np.abs(confidence - accuracy).sum() / n) if n else 0.0,
        brier=brier,
        n=n,
        confidence=float(confidences.mean()) if n else 0.0,
        accuracy=float(right.mean()) if n else 0.0,
    )  # fmt: skip
