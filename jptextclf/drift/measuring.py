"""Two profiles of texts -> how far they differ, and whether that may be chance.

A difference counts where it is certain (p < :data:`~jptextclf.drift.content.ALPHA` after Holm over all measures) and large enough: of a million texts
every difference is certain, of ten none is. From which effect on stands in :data:`BOUNDS`; for the population stability index
the bounds are those of Siddiqi, Credit Risk Scorecards, 2006, and lengths, which alone make no other kind of text, have wide ones.
The index is taken less its expectation where nothing moved (Yurdakul, Statistical Properties of Population Stability Index,
2018), which for few texts is far from 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.data.rows import shortened
from jptextclf.drift.content import ALPHA, MEASURES, Drift, Histogram, LabelShift, Level, Measure
from jptextclf.significance import detectable, holm

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jptextclf.labels import LabelSchema
    from jptextclf.text_profile import Profile, Profiled

BOUNDS = {
    "labels": (0.1, 0.25), "confidence": (0.1, 0.2), "characters": (0.15, 0.4), "pieces": (0.15, 0.4),
    "unknown": (0.05, 0.2), "novel": (0.03, 0.1),
}  # fmt: skip
"""Effects from which a measure counts as moderate and as large. The reviews of JRTE have 4.6 % novel words against others of
the same collection, emotional posts of another language nearly 100 %."""
_LEAST_EXPECTED = 5
"""Texts of a label below which the distribution of chi-square is not to be trusted (Cochran, 1954)."""
_RANDOM_TABLES = 9_999
_NUMBERS_AT_ONCE = 2_000_000
_SAME_CONFIDENCE = 0.005
"""Probabilities that differ by no more are the same."""
_MOST_WORDS = 50
_LONGEST_WORD = 20
_N_BARS = 20


@dataclass(frozen=True)
class _Found:
    """One test."""

    name: str
    before: float
    now: float
    test: str
    statistic: float
    p_value: float
    effect: float


def compare_profiles(
    schema: LabelSchema,
    before: Profile,
    now: Profiled,
    *,
    source: str,
    reference: str = "",
    with_novel: bool = True,
) -> Drift:
    """Hold texts of now against earlier ones.

    :param source: what the texts of now are called
    :param reference: what the earlier ones are called; empty: the validation texts of the training
    :param with_novel: whether it is known which words the training texts have
    :raises ValueError: one of them has no texts
    """
    there = now.profile
    if not len(before) or not len(there):
        raise ValueError(f"{len(before)} and {len(there)} texts, expected at least one each")
    found = {one.name: one for one in _tests(schema, before, there)}
    if not with_novel:
        del found["novel"]
    if before.is_out_of_fold:
        # Models of the folds are less sure than the one that learned from all texts, and give other labels.
        del found["confidence"], found["labels"]
    ordered = [found[name] for name in MEASURES if name in found]
    adjusted = holm([one.p_value for one in ordered])
    measures = tuple(_measure(one, p_value) for one, p_value in zip(ordered, adjusted, strict=True))
    sizes = len(before), len(there)
    return Drift(
        source=source,
        reference=reference,
        n_before=sizes[0],
        n_now=sizes[1],
        measures=measures,
        labels=tuple(
            LabelShift(name, float(first), float(second))
            for name, first, second in zip(
                schema.names, before.label_counts / sizes[0], there.label_counts / sizes[1], strict=True
            )
        ),
        novel_words=tuple(
            sorted(now.novel_words.items(), key=lambda one: (-one[1], one[0]))[:_MOST_WORDS]
            if with_novel
            else ()
        ),
        histograms={
            name: _histogram(getattr(before, name), getattr(there, name), bounded=name == "confidence")
            for name in ("characters", "confidence")
        },
        # A share's standard error at its widest, 1/2, is what D is made of.
        detectable=min(1.0, detectable(0.5 * math.sqrt(1 / sizes[0] + 1 / sizes[1]), tests=len(ordered))),
        is_multilabel=schema.is_multilabel,
    )


def _shown_words(found: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent ones, each of two texts at least, and cut."""
    frequent = sorted(((word, n) for word, n in found.items() if n > 1), key=lambda one: (-one[1], one[0]))
    return [(shortened(word, _LONGEST_WORD), n) for word, n in frequent[:_MOST_WORDS]]


def _tests(schema: LabelSchema, before: Profile, now: Profile) -> Iterator[_Found]:
    for name in ("characters", "pieces"):
        first, second = getattr(before, name), getattr(now, name)
        yield _ks(name, first, second, float(np.median(first)), float(np.median(second)))
    yield _confidence(before.confidence, now.confidence)
    yield _novel(before, now)
    yield _unknown(before, now)
    yield (_several_labels if schema.is_multilabel else _one_label)(before, now)


def _measure(found: _Found, adjusted: float) -> Measure:
    moderate, large = BOUNDS[found.name]
    level: Level = "none"
    if adjusted < ALPHA and found.effect >= moderate:
        level = "large" if found.effect >= large else "moderate"
    return Measure(
        found.name, found.before, found.now, found.test, found.statistic, found.p_value, adjusted, found.effect, moderate,
        large, level,
    )  # fmt: skip


def _ks(
    name: str,
    before: NDArray[Any],
    now: NDArray[Any],
    first: float,
    second: float,
    *,
    alternative: str = "two-sided",
) -> _Found:
    """Kolmogorov and Smirnov; with ties, as lengths have them, a little too careful."""
    from scipy.stats import ks_2samp

    found = ks_2samp(before, now, alternative=alternative, method="asymp")
    statistic = float(found.statistic)
    return _Found(name, first, second, "ks", statistic, float(found.pvalue), statistic)


def _confidence(before: NDArray[np.float32], now: NDArray[np.float32]) -> _Found:
    """Whether the model is more, or less, sure by more than :data:`_SAME_CONFIDENCE`: of a model that is nearly sure of all its
    answers the last digits, which another batch changes, would count otherwise.
    """
    means = float(before.mean()), float(now.mean())
    first, second = before.astype(np.float64), now.astype(np.float64)
    more = _ks("confidence", first + _SAME_CONFIDENCE, second, *means, alternative="greater")
    less = _ks("confidence", first - _SAME_CONFIDENCE, second, *means, alternative="less")
    found = max(more, less, key=lambda one: one.effect)
    return replace(found, p_value=min(1.0, 2 * found.p_value))


def _novel(before: Profile, now: Profile) -> _Found:
    """Whether a text has a greater share of words that no training text has."""
    shares = [one.novel / np.maximum(one.words, 1) for one in (before, now)]
    first, second = (float(one.novel.sum() / max(1, one.words.sum())) for one in (before, now))
    # "greater": the distribution function of before lies above, so that the values of now are larger.
    found = _ks("novel", shares[0], shares[1], first, second, alternative="greater")
    return _Found("novel", first, second, "ks", found.statistic, found.p_value, second - first)


def _unknown(before: Profile, now: Profile) -> _Found:
    """Whether more texts have pieces that the vocabulary does not know."""
    from scipy.stats import fisher_exact

    n = [int((one.unknown > 0).sum()) for one in (before, now)]
    sizes = [len(before), len(now)]
    table = [[n[0], sizes[0] - n[0]], [n[1], sizes[1] - n[1]]]
    p_value = float(fisher_exact(table, alternative="less").pvalue)
    first, second = n[0] / sizes[0], n[1] / sizes[1]
    return _Found("unknown", first, second, "fisher", _odds_ratio(table), p_value, second - first)


def _odds_ratio(table: list[list[int]]) -> float:
    """Of now against before; half a text is added to each cell, so that it is a number (Haldane, 1956)."""
    (a, b), (c, d) = ((one + 0.5, other + 0.5) for one, other in table)
    return float(c * b / (d * a))


def _one_label(before: Profile, now: Profile) -> _Found:
    """Whether the labels that the model gives have other shares."""
    counts = np.stack([before.label_counts, now.label_counts])
    statistic, p_value = _chi_square(counts)
    return _Found("labels", 0.0, 0.0, "chi2", statistic, p_value, _stability_index(counts))


def _several_labels(before: Profile, now: Profile) -> _Found:
    """The label whose share changed most, its p-value multiplied by the number of labels (Bonferroni)."""
    from scipy.stats import fisher_exact

    sizes = np.array([len(before), len(now)], dtype=np.int64)
    found = []
    for given in np.stack([before.label_counts, now.label_counts]).T:
        counts = np.stack([given, sizes - given], axis=1)
        statistic = _statistic(counts)[0]
        exact = _expected(counts).min() < _LEAST_EXPECTED
        p_value = float(fisher_exact(counts).pvalue) if exact else _asymptotic(statistic, 2)
        found.append((p_value, -statistic, _stability_index(counts)))
    p_value, negative, effect = min(found)
    return _Found("labels", 0.0, 0.0, "chi2", -negative, min(1.0, p_value * len(found)), effect)


def _chi_square(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Pearson's test that both rows have the same shares; kinds that nobody has say nothing.

    Where some kinds are rare, by random tables with the same sums (Hope, 1968), since the distribution is another one then.
    """
    there = counts[:, counts.sum(axis=0) > 0]
    n_kinds = there.shape[1]
    if n_kinds < 2:
        return 0.0, 1.0
    statistic = _statistic(there)[0]
    if _expected(there).min() >= _LEAST_EXPECTED:
        return statistic, _asymptotic(statistic, n_kinds)
    generator = np.random.default_rng(0)
    sums, size = there.sum(axis=0), int(there.sum(axis=1)[1])
    n_more = 0
    at_once = max(1, _NUMBERS_AT_ONCE // n_kinds)
    for start in range(0, _RANDOM_TABLES, at_once):
        n = min(at_once, _RANDOM_TABLES - start)
        drawn = generator.multivariate_hypergeometric(sums, size, size=n, method="marginals")
        n_more += int((_statistic(np.stack([sums - drawn, drawn], axis=1)) >= statistic - 1e-9).sum())
    return statistic, (n_more + 1) / (_RANDOM_TABLES + 1)


def _expected(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts if both rows had the same shares.  *Shape:* that of ``counts``, ``(..., 2, kinds)``"""
    rows, columns = counts.sum(axis=-1, keepdims=True), counts.sum(axis=-2, keepdims=True)
    found: NDArray[np.float64] = rows * columns / rows.sum(axis=-2, keepdims=True)
    return found


def _statistic(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Chi-square of one table ``(2, kinds)`` or several ``(tables, 2, kinds)``.  *Shape:* ``(tables,)``"""
    tables = counts.reshape(-1, *counts.shape[-2:])
    expected = np.maximum(_expected(tables), 1e-12)
    found: NDArray[np.float64] = ((tables - expected) ** 2 / expected).sum(axis=(1, 2))
    return found


def _asymptotic(statistic: float, n_kinds: int) -> float:
    from scipy.stats import chi2

    return float(chi2.sf(statistic, n_kinds - 1))


def _stability_index(counts: NDArray[np.int64]) -> float:
    """Population stability index of two rows, less what chance makes of it; half a text is added to each kind."""
    sizes = counts.sum(axis=1)
    shares = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    index = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    return max(0.0, float(index - (counts.shape[1] - 1) * (1 / sizes).sum()))


def _histogram(before: NDArray[Any], now: NDArray[Any], *, bounded: bool) -> Histogram:
    """Shares of the texts; of lengths up to where all but one text in a hundred end."""
    both = np.concatenate([before, now]).astype(np.float64)
    if bounded:
        edges: NDArray[Any] = np.linspace(0, 1, _N_BARS + 1)
    else:
        end = max(float(_N_BARS), float(np.quantile(both, 0.99)))
        edges = np.arange(_N_BARS + 1) * math.ceil(end / _N_BARS)
    shares = [np.histogram(np.minimum(one, edges[-1]), edges)[0] / len(one) for one in (before, now)]
    return Histogram(*(tuple(round(float(value), 6) for value in one) for one in (edges, *shares)))
