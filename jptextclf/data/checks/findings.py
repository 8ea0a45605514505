"""What a data check found: findings, and figures on the texts. Without words: a sentence is made when it is read.

It knows no way to find anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
PLACES_KEPT = 1000
"""Rows that a finding keeps; the count is always whole."""
_PLACES_SHOWN = 10
_SHORT = 3
"""Findings in the short form."""
_SAID_WHILE_LOADING = {"empty_text", "no_label", "across_splits", "alike_labels", "cut", "unknown_pieces"}
"""What a training says anyway, in its own words."""


@dataclass(frozen=True)
class Place:
    """Where a text stands."""

    split: str
    """Empty where a row was rejected before it had one."""
    row: int
    """Of its file, from 1."""


@dataclass(frozen=True)
class Finding:
    """One thing that is odd in the data."""

    kind: str
    """Which check it is from; a key of the catalogue."""
    severity: Severity
    n: int
    """Texts that it concerns."""
    places: tuple[Place, ...] = ()
    samples: tuple[str, ...] = ()
    """A few of them, cut, with personal data masked."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What the sentence names."""

    @property
    def message(self) -> str:
        """What was found, in the language of now."""
        return text(f"checks.{self.kind}", n=self.n, **self._words())

    @property
    def remedy(self) -> str:
        """What to do, in the language of now."""
        return text(f"checks.{self.kind}_remedy", n=self.n, **self._words())

    @property
    def rows(self) -> str:
        """Where, for a person: row numbers by split."""
        by_split: dict[str, list[int]] = {}
        for place in self.places[:_PLACES_SHOWN]:
            by_split.setdefault(place.split, []).append(place.row)
        said = [
            text(
                "checks.rows",
                split=text(f"words.{split}") if split else text("checks.whole"),
                rows=listing(rows, _PLACES_SHOWN),
            )
            for split, rows in by_split.items()
        ]
        more = self.n - min(len(self.places), _PLACES_SHOWN)
        return listing(said) + (text("words.and_more", n=more) if more > 0 and said else "")

    def _words(self) -> dict[str, Any]:
        """The fields, lists in one line and names of kinds in the language of now."""
        words: dict[str, Any] = {}
        for name, value in self.fields.items():
            if name == "kinds":
                words[name] = listing(
                    text("checks.n_of", what=text(f"personal.{kind}"), n=n) for kind, n in value
                )
            elif isinstance(value, (list, tuple)):
                words[name] = listing(value, 5)
            else:
                words[name] = value
        return words

    def to_json(self) -> dict[str, Any]:
        """For a machine, with the sentences of now."""
        return {
            "kind": self.kind, "severity": self.severity, "n": self.n,
            "places": [asdict(one) for one in self.places], "samples": list(self.samples),
            "fields": dict(self.fields), "message": self.message, "remedy": self.remedy,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        places = tuple(Place(**one) for one in data["places"])
        return cls(data["kind"], data["severity"], data["n"], places, tuple(data["samples"]), data["fields"])


@dataclass(frozen=True)
class Lengths:
    """How long the texts are."""

    quantiles: Mapping[str, float]
    """``50``, ``90``, ``99``, ``100``: per cent of the texts -> length up to which they are."""
    edges: tuple[float, ...]
    """Ends of the bars of a histogram; the last bar holds everything beyond."""
    counts: tuple[int, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Lengths:
        return cls(data["quantiles"], tuple(data["edges"]), tuple(data["counts"]))


@dataclass(frozen=True)
class Statistics:
    """Figures on the texts of all splits."""

    sizes: Mapping[str, int]
    """Split -> texts."""
    labels: Mapping[str, Mapping[str, int]]
    """Split -> label -> texts that have it."""
    characters: Lengths | None = None
    pieces: Lengths | None = None
    """In pieces of the tokenizer, special tokens included; None where no tokenizer was asked."""
    n_measured: int = 0
    """Texts that were cut into pieces: a sample where there are very many."""
    max_length: int | None = None
    cut_share: float = 0.0
    """Share of the texts that are longer than ``max_length``."""
    cut_by_label: Mapping[str, float] = field(default_factory=dict)
    suggested_length: int | None = None
    """The smallest usual maximum that cuts at most one text in a hundred."""
    unknown_share: Mapping[str, float] = field(default_factory=dict)
    """Split -> share of the pieces that the vocabulary does not know."""

    def sentences(self) -> Iterator[str]:
        """What a person should know of lengths, in the language of now."""
        for name in ("characters", "pieces"):
            found: Lengths | None = getattr(self, name)
            if found is not None:
                at = {f"q{place}": value for place, value in found.quantiles.items()}
                yield text(f"checks.lengths_{name}", **at)
        if self.pieces is None or self.max_length is None:
            return
        kind = "share_cut" if self.cut_share else "none_cut"
        yield text(f"checks.{kind}", share=self.cut_share, limit=self.max_length)
        worst = sorted(self.cut_by_label.items(), key=lambda one: -one[1])[:3]
        if worst and worst[0][1] > max(0.01, 1.5 * self.cut_share):
            yield text("checks.cut_by_label", labels=listing(f"{name} {share:.1%}" for name, share in worst))
        if self.suggested_length is not None:
            yield text("checks.suggested", length=self.suggested_length)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Statistics:
        read = {
            name: None if data[name] is None else Lengths.from_json(data[name])
            for name in ("characters", "pieces")
        }
        return cls(**{**data, **read})


@dataclass(frozen=True)
class DataCheck:
    """Everything that was found, what matters most first."""

    findings: tuple[Finding, ...]
    statistics: Statistics
    data: Mapping[str, Any] = field(default_factory=dict)
    """How the data were read: files with their encodings, columns, counts; empty where that is not known."""

    @classmethod
    def of(
        cls, findings: list[Finding], statistics: Statistics, data: Mapping[str, Any] | None = None
    ) -> DataCheck:
        """What was found, what matters most first."""
        ranked = sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), -one.n, one.kind))
        return cls(tuple(ranked), statistics, data or {})

    def files(self) -> list[str]:
        """How each file was read, in the language of now; empty where that is not known."""
        return [_how_read(one) for one in self.data.get("files", ())]

    def count(self, severity: Severity) -> int:
        """How many findings there are of a severity."""
        return sum(one.severity == severity for one in self.findings)

    @property
    def headline(self) -> str:
        """How much was found, in one sentence in the language of now."""
        if not self.findings:
            return text("checks.clean")
        return text("checks.headline", **{name: self.count(name) for name in SEVERITIES})

    def lines(self) -> list[str]:
        """The short form, before a training: how much was found, and what matters most of what nobody said yet."""
        worth = [
            one for one in self.findings if one.severity != "note" and one.kind not in _SAID_WHILE_LOADING
        ]
        said = [text("checks.line", message=one.message, rows=one.rows) for one in worth[:_SHORT]]
        more = text("checks.see_all") if self.findings else ""
        return [" ".join(filter(None, [self.headline, more])), *said]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "findings": [one.to_json() for one in self.findings],
            "statistics": self.statistics.to_json(),
            "data": dict(self.data),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DataCheck:
        found = tuple(Finding.from_json(one) for one in data["findings"])
        return cls(found, Statistics.from_json(data["statistics"]), data["data"])


def _how_read(file: Mapping[str, Any]) -> str:
    encoding, columns = file["encoding"], file["columns"]
    how = file["format"]
    if encoding is not None:
        how = text("data.encoding", name=encoding["name"], how=text(f"data.encoding_{encoding['how']}"))
    named = [text("data.column_text", names=listing(columns["text"]))]
    named += [
        text(f"data.column_{role}", name=columns[role]) for role in ("label", "split") if columns.get(role)
    ]
    counts = text("data.counts", read=file["read"], kept=file["kept"], rejected=file["read"] - file["kept"])
    return " ".join(
        [text("data.file", name=file["name"], encoding=how), listing(named) + text("checks.stop"), counts]
    )
