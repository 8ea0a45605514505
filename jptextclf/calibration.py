"""Calibration: whether a probability means what it says, and temperatures that make it so.

It does not know models: probabilities and whether they came true go in. A model is calibrated where of all answers
that it gives with 80 % about 80 % are right. Temperature scaling divides the logits by one number (Guo et al., 2017), of a
multi-label task by one for each label; which label is the most probable stays the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

N_BINS = 15
"""As many as in Guo et al., On Calibration of Modern Neural Networks, 2017."""

COLDEST, HOTTEST = 0.2, 5.0
"""Temperatures that are tried."""
_SPREAD = 0.5
"""Standard deviation of the logarithm of a temperature before any text was seen: a handful of texts, all right, must not
make a model sure of everything."""
_SMALLEST = 1e-7
_STEPS = 50


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


def reliability_of(probabilities: ArrayLike, references: ArrayLike, *, is_multilabel: bool) -> Reliability:
    """Calibration of either task: :func:`reliability_of_sets` or :func:`reliability_of_labels`."""
    found = reliability_of_sets if is_multilabel else reliability_of_labels
    return found(probabilities, references)


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


def fit_temperatures(
    probabilities: ArrayLike, references: ArrayLike, *, is_multilabel: bool
) -> NDArray[np.float64]:
    """The temperatures under which the labels of some texts are most likely.

    Each has a log-normal prior around 1, which a hundred texts outweigh.

    :param probabilities: after softmax or sigmoid.  *Shape:* ``(texts, n_labels)``
    :param references: ids ``(texts,)``, or 0/1 ``(texts, n_labels)`` for a multi-label task
    :param is_multilabel: fit one temperature for each label
    :returns: *Shape:* ``(1,)``, or ``(n_labels,)`` for a multi-label task
    """
    logits = _logits(probabilities, is_multilabel=is_multilabel)
    truth = np.asarray(references)
    if is_multilabel:
        columns = ((logits[:, label], truth[:, label]) for label in range(logits.shape[1]))
        return np.array([_coldest_loss(_sigmoid_loss(*column)) for column in columns])
    return np.array([_coldest_loss(_softmax_loss(logits, truth.astype(np.int64)))])


def rescaled(
    probabilities: ArrayLike, temperatures: ArrayLike, *, is_multilabel: bool
) -> NDArray[np.float32]:
    """Probabilities under a temperature; 1 changes nothing, its inverse takes it back.

    :param probabilities: *Shape:* ``(texts, n_labels)``
    :param temperatures: as :func:`fit_temperatures` gives them
    """
    logits = _logits(probabilities, is_multilabel=is_multilabel) / np.asarray(temperatures, dtype=np.float64)
    if is_multilabel:
        return (1 / (1 + np.exp(-logits))).astype(np.float32)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    found: NDArray[np.float32] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def _logits(probabilities: ArrayLike, *, is_multilabel: bool) -> NDArray[np.float64]:
    """Logits that give these probabilities; a softmax does not tell more."""
    values = np.clip(np.asarray(probabilities, dtype=np.float64), _SMALLEST, 1 - _SMALLEST * is_multilabel)
    found: NDArray[np.float64] = np.log(values) - (np.log1p(-values) if is_multilabel else 0.0)
    return found


def _softmax_loss(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> Callable[[float], float]:
    """Temperature -> negative logarithm of the likelihood, of all texts."""
    rows = np.arange(len(truth))

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        highest = scaled.max(axis=1, initial=-np.inf)
        total = np.log(np.exp(scaled - highest[:, None]).sum(axis=1)) + highest
        return float((total - scaled[rows, truth]).sum())

    return loss


def _sigmoid_loss(logits: NDArray[np.float64], truth: NDArray[Any]) -> Callable[[float], float]:
    signs = np.where(truth > 0, -1.0, 1.0)
    return lambda temperature: float(np.logaddexp(0.0, signs * logits / temperature).sum())


def _coldest_loss(loss: Callable[[float], float]) -> float:
    """The temperature with the least loss and prior, by golden-section search over its logarithm."""

    def total(place: float) -> float:
        return loss(math.exp(place)) + place**2 / (2 * _SPREAD**2)

    golden = (math.sqrt(5) - 1) / 2
    low, high = math.log(COLDEST), math.log(HOTTEST)
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = total(left), total(right)
    for _ in range(_STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = total(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = total(right)
    return math.exp((low + high) / 2)
