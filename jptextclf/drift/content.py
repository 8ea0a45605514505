"""What a comparison of texts amounts to, without words: measures, tests, and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from jptextclf.evaluation import Table
from jptextclf.messages import listing, text
from jptextclf.pages.document import fragment
from jptextclf.significance import p_cell

if TYPE_CHECKING:
    from collections.abc import Mapping

Level = Literal["none", "moderate", "large"]
Verdict = Literal["stable", "moved", "drifted", "undecided"]
_VERDICTS: dict[Level, Verdict] = {"none": "stable", "moderate": "moved", "large": "drifted"}
MEASURES = ("labels", "confidence", "novel", "unknown", "characters", "pieces")
"""Those nearest to what the model answers first."""
ALPHA = 0.01
"""p-value, after Holm, below which a difference is certain."""
_BLIND = 0.4
"""Smallest D that could be seen, from which on nothing is said where nothing was seen."""
_FEW = 100
"""Texts below which little can be seen."""


@dataclass(frozen=True)
class Histogram:
    """Shares of the texts in intervals of one number, of before and of now."""

    edges: tuple[float, ...]
    before: tuple[float, ...]
    now: tuple[float, ...]


@dataclass(frozen=True)
class Measure:
    """One thing that is measured of the texts, before and now."""

    name: str
    """``labels``, ``confidence``, ``novel``, ``unknown``, ``characters`` or ``pieces``."""
    before: float
    """Of lengths the median; of ``confidence`` the mean; of ``novel`` the share of the words; of ``unknown`` that of the texts
    with such pieces; of ``labels`` nothing, so 0."""
    now: float
    test: str
    """``ks``, ``fisher`` or ``chi2``."""
    statistic: float
    """D of Kolmogorov and Smirnov, the odds ratio, or chi-square."""
    p_value: float
    adjusted: float
    """p-value after Holm, over all measures."""
    effect: float
    """How large the difference is, whatever the number of texts: D, the difference of two shares, or the population stability
    index less what chance makes of it."""
    moderate: float
    """Effect from which it counts; ``large`` from which it counts as another kind of texts."""
    large: float
    level: Level

    @property
    def title(self) -> str:
        """What it is called, in the language of now."""
        return text(f"drift.m_{self.name}")


@dataclass(frozen=True)
class LabelShift:
    """One label: the share of the texts that get it."""

    name: str
    before: float
    now: float


@dataclass(frozen=True)
class Drift:
    """Texts of now against those that a run was validated on."""

    source: str
    """What the texts of now are called."""
    reference: str
    """What they are held against; empty: the validation texts of the training."""
    n_before: int
    n_now: int
    measures: tuple[Measure, ...]
    labels: tuple[LabelShift, ...]
    """By the model's own answers."""
    novel_words: tuple[tuple[str, int], ...]
    """Words that no training text has, with how many texts have them, the most frequent first."""
    histograms: Mapping[str, Histogram]
    detectable: float
    """The smallest D that so many texts show four times out of five."""
    is_multilabel: bool = False

    @property
    def verdict(self) -> Verdict:
        """``stable``, ``moved`` (look at it), ``drifted`` (another kind of texts), or ``undecided``: too few texts to say."""
        order: tuple[Level, ...] = ("none", "moderate", "large")
        worst = max((order.index(one.level) for one in self.measures), default=0)
        if not worst and self.detectable >= _BLIND:
            return "undecided"
        return _VERDICTS[order[worst]]

    @property
    def sentence(self) -> str:
        """The verdict, in the language of now."""
        names = listing(one.title for one in self.measures if one.level != "none")
        return text(f"drift.{self.verdict}", measures=names, n=self.n_now, before=self.n_before)

    def __getitem__(self, name: str) -> Measure:
        """:raises KeyError: nothing of that name was measured"""
        for one in self.measures:
            if one.name == name:
                return one
        raise KeyError(name)

    def tables(self) -> list[Table]:
        """For a person, in the language of now: the measures, and the labels."""
        columns = ("measure", "before", "now", "effect", "p", "level")
        measures = Table(
            tuple(text(f"drift.h_{name}") for name in columns),
            tuple(
                (one.title, *_values(one), f"{_EFFECTS[one.name]} {one.effect:.3f}", p_cell(one.adjusted), text(f"drift.l_{one.level}"))
                for one in self.measures
            ),
        )  # fmt: skip
        names = ("label", "before", "now", "difference")
        labels = Table(
            tuple(text(f"drift.h_{name}") for name in names),
            tuple(
                (one.name, f"{one.before:.1%}", f"{one.now:.1%}", f"{100 * (one.now - one.before):+.1f}")
                for one in self.labels
            ),
        )
        return [measures, labels]

    def remarks(self) -> list[str]:
        """What a reader should know; often nothing."""
        found = []
        confidence = next((one for one in self.measures if one.name == "confidence"), None)
        if confidence is None:
            found.append(text("drift.no_answers"))
        elif not self.is_multilabel:
            found.append(text("drift.expected", before=confidence.before, now=confidence.now))
        if self.novel_words:
            shown = listing((f"{word} ({n:,})" for word, n in self.novel_words), 15)
            found.append(text("drift.novel_words", words=shown))
        small = [one.title for one in self.measures if one.level == "none" and one.adjusted < ALPHA]
        if small:
            found.append(text("drift.small", measures=listing(small)))
        if self.n_now < _FEW:
            found.append(text("drift.few", n=self.n_now, detectable=self.detectable))
        return found

    def to_json(self) -> dict[str, Any]:
        """For a machine to read, and for :meth:`from_json`."""
        return {
            "schema_version": 1,
            "verdict": self.verdict,
            **{name: getattr(self, name) for name in ("source", "reference", "n_before", "n_now")},
            "is_multilabel": self.is_multilabel,
            "detectable": self.detectable,
            "measures": [asdict(one) for one in self.measures],
            "labels": [asdict(one) for one in self.labels],
            "novel_words": [list(one) for one in self.novel_words],
            "histograms": {name: asdict(one) for name, one in self.histograms.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Drift:
        """:raises KeyError, TypeError, ValueError: it is not what :meth:`to_json` gave"""
        plain = ("source", "reference", "n_before", "n_now", "is_multilabel", "detectable")
        return cls(
            **{name: data[name] for name in plain},
            measures=tuple(Measure(**one) for one in data["measures"]),
            labels=tuple(LabelShift(**one) for one in data["labels"]),
            novel_words=tuple((word, n) for word, n in data["novel_words"]),
            histograms={
                name: Histogram(**{key: tuple(values) for key, values in one.items()})
                for name, one in data["histograms"].items()
            },
        )

    def to_html(self) -> str:
        """One page, in the language of now."""
        from jptextclf.drift.page import page

        return page(self)

    def _repr_html_(self) -> str:
        """For a notebook."""
        from jptextclf.drift.page import summary

        return fragment(summary(self))


_EFFECTS = {
    "labels": "PSI", "confidence": "D", "novel": "Δ", "unknown": "Δ", "characters": "D", "pieces": "D",
}  # fmt: skip
"""The usual signs of the effects."""


def _values(one: Measure) -> tuple[str, str]:
    if one.name == "labels":
        return "–", "–"
    form = (
        "{:,.0f}"
        if one.name in {"characters", "pieces"}
        else "{:.3f}"
        if one.name == "confidence"
        else "{:.1%}"
    )
    return form.format(one.before), form.format(one.now)
