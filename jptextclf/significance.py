"""Whether a difference between two systems on the same texts may be chance.

It does not know systems: what each got right goes in.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

ALPHA = 0.05
"""How often a difference is claimed where there is none."""
POWER = 0.8
"""How often a real difference is seen."""
_Z = 1.959964
"""Two-sided 95 % point of the normal distribution."""
_EXACT = 10_000
"""Discordant texts up to which the binomial distribution is added up; beyond, the normal one is as good."""


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two systems on the same texts (McNemar, 1947)."""

    both: int
    """Texts that both get right."""
    only_a: int
    only_b: int
    neither: int
    p_value: float
    """Probability of a split at least as uneven if both systems were equally good; two-sided."""

    @property
    def n_texts(self) -> int:
        return self.both + self.only_a + self.only_b + self.neither

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> McNemar:
        return cls(**data)


def mcnemar(right_a: ArrayLike, right_b: ArrayLike) -> McNemar:
    """Whether the texts that only one of two systems gets right are split by chance.

    Exact, by the binomial distribution of these texts; for more than 10,000 of them by the chi-square approximation
    with continuity correction (Edwards, 1948).

    :param right_a: whether ``a`` is right.  *Shape:* ``(texts,)``
    :param right_b: whether ``b`` is right.  *Shape:* ``(texts,)``
    :raises ValueError: they have not the same shape
    """
    a, b = np.asarray(right_a, dtype=np.bool_), np.asarray(right_b, dtype=np.bool_)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"expected two arrays of one shape (texts,), got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    both = int((a & b).sum())
    return McNemar(both, only_a, only_b, len(a) - both - only_a - only_b, _p_value(only_a, only_b))


def _p_value(one: int, other: int) -> float:
    n, fewer = one + other, min(one, other)
    if n > _EXACT:
        distance = max(0, abs(one - other) - 1)
        return math.erfc(distance / math.sqrt(2 * n))
    # Logarithms: 2^-n is no number from n = 1075 on.
    tail = [_log_choose(n, k) - n * math.log(2) for k in range(fewer + 1)]
    return min(1.0, 2 * math.fsum(math.exp(one) for one in tail))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def right_altogether(references: ArrayLike, predictions: ArrayLike) -> NDArray[np.bool_]:
    """Whether each text got exactly its labels.

    :param references: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)``
    :param predictions: the same form
    :returns: *Shape:* ``(texts,)``
    """
    same = np.asarray(references) == np.asarray(predictions)
    right: NDArray[np.bool_] = np.logical_and.reduce(same, axis=tuple(range(1, same.ndim)))
    return right


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several comparisons, adjusted so that one false finding among all is as rare as for one (Holm, 1979).

    ``[0.01, 0.04, 0.03] -> [0.03, 0.06, 0.06]``
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def bootstrap_p_value(differences: ArrayLike) -> float:
    """Two-sided p-value of no difference, from the differences of many resamples: where their interval reaches 0.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 15.4; never 0, since the sample itself counts
    as one resample more (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 4.2).

    :param differences: *Shape:* ``(resamples,)``
    """
    values = np.asarray(differences, dtype=np.float64)
    fewer = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return min(1.0, 2 * (fewer + 1) / (len(values) + 1))


def p_cell(p_value: float) -> str:
    """For a table: ``0.0312 -> "0.031"``, and what is smaller than a reader can use as a bound."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """Ends of the 95 % score interval of a share (Wilson, 1927, Probable inference); 0 and 1 for no texts.

    ``8 of 10 -> (0.490, 0.943)``
    """
    if not n:
        return 0.0, 1.0
    share = n_right / n
    middle = share + _Z**2 / (2 * n)
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    whole = 1 + _Z**2 / n
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def texts_needed(difference: float, standard_error: float, n_texts: int, *, tests: int = 1) -> int | None:
    """Texts on which a difference of this size would be seen four times out of five.

    The normal approximation ``n = ((z_alpha + z_beta) * sigma / delta)^2`` (Lachin, Controlled Clinical Trials 2, 1981,
    93-113), with the spread of one text taken from the standard error on these texts.

    :param standard_error: of the difference on ``n_texts`` texts
    :param tests: made at once, over which the chance of a false claim is shared
    :returns: None where there is no difference
    """
    if difference == 0 or standard_error == 0:
        return None
    return math.ceil(n_texts * (_distance(tests) * standard_error / difference) ** 2)


def detectable(standard_error: float, *, tests: int = 1) -> float:
    """The smallest difference that these texts show four times out of five; as :func:`texts_needed`."""
    return _distance(tests) * standard_error


def _distance(tests: int) -> float:
    """Standard errors between no difference and one that is seen: 2.80 for one test."""
    normal = NormalDist()
    return normal.inv_cdf(1 - ALPHA / (2 * tests)) + normal.inv_cdf(POWER)
