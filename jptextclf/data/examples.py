"""Examples: texts with their labels, and the summary of how they came to be.

It does not know files. Counts add up: rows read are rows kept and rows rejected, each with its reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jptextclf.data.columns import Columns
    from jptextclf.data.encoding import FileEncoding
    from jptextclf.data.votes import Votes
    from jptextclf.licensing.components import Component

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Reason = Literal["empty_text", "no_label"]

ROWS_SHOWN = 1000
"""Row numbers that a record keeps for one reason; the count is always whole."""


@dataclass(frozen=True)
class Examples:
    """Texts of one split, in the order of the file."""

    texts: list[str]
    labels: list[tuple[str, ...]] | None
    """Label names of each text, in the order written; None where labels were not asked for."""
    rows: list[int]
    """Data row of each text in its file, from 1."""
    votes: list[Votes] | None = None
    """What the annotators of each text said, where that was asked for."""
    columns: dict[str, list[str]] = field(default_factory=dict)
    """Extra columns, by name: the cell beside each text."""

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.texts) or (
            self.labels is not None and len(self.labels) != len(self.texts)
        ):
            raise ValueError("texts, labels and rows must have the same length")

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, indices: Sequence[int]) -> Examples:
        """Some of the examples, in the order asked for."""
        return Examples(
            [self.texts[index] for index in indices],
            None if self.labels is None else [self.labels[index] for index in indices],
            [self.rows[index] for index in indices],
            None if self.votes is None else [self.votes[index] for index in indices],
            {name: [cells[index] for index in indices] for name, cells in self.columns.items()},
        )

    def label_counts(self) -> dict[str, int]:
        """How many texts carry each label, by falling count; texts without any are not counted."""
        counts = Counter(name for names in self.labels or () for name in names)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass
class RowNumbers:
    """Rows that have something in common: all are counted, the first :data:`ROWS_SHOWN` are known by number."""

    n: int = 0
    rows: list[int] = field(default_factory=list)

    def add(self, row: int) -> None:
        self.n += 1
        if len(self.rows) < ROWS_SHOWN:
            self.rows.append(row)

    def __str__(self) -> str:
        """The first ten, with what was left out counted."""
        more = self.n - min(10, len(self.rows))
        return listing(self.rows[:10]) + (text("words.and_more", n=more) if more > 0 else "")


@dataclass
class FileSummary:
    """What was read from one file, or from memory."""

    name: str
    """File name without its directory."""
    format: str
    columns: Columns
    sha256: str
    encoding: FileEncoding | None = None
    read: int = 0
    kept: int = 0
    blank_lines: int = 0
    """Lines without any cell; they are no rows."""
    rejected: dict[Reason, RowNumbers] = field(default_factory=dict)

    def reject(self, reason: Reason, row: int) -> None:
        self.rejected.setdefault(reason, RowNumbers()).add(row)

    @property
    def n_rejected(self) -> int:
        return sum(rejection.n for rejection in self.rejected.values())

    def rejections(self) -> Iterator[str]:
        """One sentence for each reason, with row numbers."""
        for reason, rejection in self.rejected.items():
            yield text(f"data.reject_{reason}", n=rejection.n, rows=rejection)

    def lines(self) -> Iterator[str]:
        """Sentences for people: the file, its columns, its counts."""
        encoding = self.encoding.describe() if self.encoding else self.format
        yield text("data.file", name=self.name, encoding=encoding)
        yield text("data.columns", columns=self.columns.describe())
        yield text("data.counts", read=self.read, kept=self.kept, rejected=self.n_rejected)
        yield from self.rejections()
        if self.blank_lines:
            yield text("data.blank_lines", n=self.blank_lines)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "format": self.format,
            "sha256": self.sha256,
            "encoding": self.encoding.to_json() if self.encoding else None,
            "columns": self.columns.to_json(),
            "read": self.read,
            "kept": self.kept,
            "blank_lines": self.blank_lines,
            "rejected": {reason: {"n": one.n, "rows": one.rows} for reason, one in self.rejected.items()},
        }


@dataclass
class DataSummary:
    """Where the examples come from and what became of every row."""

    source: str
    """What the user named: a path, a corpus, a hub id, or ``memory``."""
    components: list[Component] = field(default_factory=list)
    """The training data as the licence record has them; the named data first."""
    files: list[FileSummary] = field(default_factory=list)
    sizes: dict[Split, int] = field(default_factory=dict)
    """Texts of each split."""
    labels: dict[Split, dict[str, int]] = field(default_factory=dict)
    """Texts with each label, by split and falling count."""
    label_separator: str | None = None
    """Between the labels of one cell, where the user or a card named one."""
    notes: list[str] = field(default_factory=list)
    """What is odd in the data, as sentences."""

    @property
    def read(self) -> int:
        return sum(file.read for file in self.files)

    @property
    def kept(self) -> int:
        return sum(file.kept for file in self.files)

    @property
    def n_rejected(self) -> int:
        return sum(file.n_rejected for file in self.files)

    def lines(self) -> list[str]:
        """The summary as sentences for people, what is odd last."""
        found = [line for file in self.files for line in file.lines()]
        for split, size in self.sizes.items():
            counts = [f"{name} {n:,}" for name, n in self.labels.get(split, {}).items()]
            found.append(
                text("data.split", split=split, n=size, labels=listing(counts, 20) or text("words.none"))
            )
        return found + self.notes

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "columns": {**self.files[0].columns.to_json(), "label_separator": self.label_separator},
            "read": self.read,
            "kept": self.kept,
            "rejected": self.n_rejected,
            "files": [file.to_json() for file in self.files],
            "splits": {
                split: {"texts": size, "labels": self.labels.get(split, {})}
                for split, size in self.sizes.items()
            },
            "notes": self.notes,
        }


@dataclass(frozen=True)
class LoadedData:
    """The splits that the data hold, and the summary."""

    splits: dict[Split, Examples]
    summary: DataSummary
