"""A cleaned copy of one file, and a list of everything that was changed. The file itself is never touched.

Changed is only what cannot be meant: rows without text, repeated texts with the same label, characters that nobody
sees, texts that were read in the wrong encoding and can be turned back without loss, and label names that differ from
the most frequent spelling in width, kana, case or space only. Which of two labels is right is not decided.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jptextclf.data.changes import Change, changes_path, write_changes
from jptextclf.data.checks.characters import is_mojibake, repaired, without_invisible
from jptextclf.data.checks.labels import spelling_form
from jptextclf.data.columns import Columns, joined
from jptextclf.data.loading import cell_of_labels, labels_of, split_of
from jptextclf.data.personal import mask
from jptextclf.data.rows import is_empty, text_of
from jptextclf.data.splits import closely_folded
from jptextclf.data.writers import FORMATS, guarded, open_writer
from jptextclf.messages import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from jptextclf.data.rows import Row
    from jptextclf.data.tables import Table


@dataclass
class Fixed:
    """What became of a file."""

    output: Path
    changes_path: Path
    read: int = 0
    kept: int = 0
    changes: list[Change] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def n_changes(self) -> int:
        return len(self.changes)

    def lines(self) -> list[str]:
        """For a person, in the language of now."""
        done = text("checks.fixed", kept=self.kept, read=self.read, path=self.output)
        if not self.changes:
            return [done, text("checks.fix_nothing"), *self.notes]
        return [done, text("checks.changes", n=self.n_changes, path=self.changes_path), *self.notes]

    def to_json(self) -> dict[str, Any]:
        return {
            "output": str(self.output), "changes": str(self.changes_path), "read": self.read, "kept": self.kept,
            "n_changes": self.n_changes, "notes": list(self.notes),
        }  # fmt: skip


def fix(
    table: Table,
    columns: Columns,
    output: Path,
    *,
    label_separator: str | None = None,
    encoding: str | None = None,
    mask_personal: bool = False,
) -> Fixed:
    """Write a cleaned copy with all columns in their order, and the list of changes beside it.

    The list holds cells as they were, so it is as private as the file.

    :param columns: which hold text, label and split
    :param label_separator: between the labels of one cell
    :param encoding: of the copy; None: UTF-8, with BOM for CSV
    :param mask_personal: also put marks in place of what looks like personal data, in every column but label and split
    :raises WorkError: it cannot be written; what was there is as it was
    """
    fixer = _Fixer(table, columns, label_separator, mask_personal=mask_personal)
    result = Fixed(output, changes_path(output))
    is_guarded = FORMATS.get(output.suffix.lower()) != "jsonl"
    with open_writer(output, columns=table.columns, encoding=encoding, source=table.path) as writer:
        for row in table.rows():
            result.read += 1
            values = fixer.fix(row, result.changes)
            if values is not None:
                writer.write(values)
                result.kept += 1
                result.changes += _apostrophes(row.number, table.columns, values) if is_guarded else ()
    result.notes = tuple(writer.notes)
    write_changes(result.changes, result.changes_path)
    return result


def _apostrophes(number: int, columns: Sequence[str], values: Sequence[Any]) -> Iterator[Change]:
    """Cells that get an apostrophe where they are written, so that no spreadsheet computes them."""
    for column, value in zip(columns, values, strict=True):
        if isinstance(value, str) and (after := guarded(value)) != value:
            yield Change(number, column, text("checks.change_guarded"), value, after)


class _Fixer:
    """Cleans one row after the other; it remembers texts that it has seen."""

    def __init__(self, table: Table, columns: Columns, separator: str | None, *, mask_personal: bool) -> None:
        self._names = table.columns
        self._texts = [table.columns.index(name) for name in columns.text]
        self._label = None if columns.label is None else table.columns.index(columns.label)
        self._split = None if columns.split is None else table.columns.index(columns.split)
        self._separator = separator
        self._mask = mask_personal
        self._spelling = self._spellings(table)
        # Text and label -> the row that is kept: the first one, of training texts where there are splits.
        self._kept: dict[tuple[str, str], int] = self._training_rows(table)
        self._labelled: dict[str, tuple[int, str]] = {}

    def _spellings(self, table: Table) -> dict[str, str]:
        """Label name -> its most frequent spelling, where that is another one."""
        if self._label is None:
            return {}
        counts: Counter[str] = Counter()
        for row in table.rows():
            counts.update(labels_of(row.cells[self._label], self._separator) or ())
        best: dict[str, str] = {}
        for name, _ in counts.most_common():
            best.setdefault(spelling_form(name), name)
        return {name: best[spelling_form(name)] for name in counts if best[spelling_form(name)] != name}

    def _training_rows(self, table: Table) -> dict[tuple[str, str], int]:
        """The first training row of each text and label, where a column tells the splits apart."""
        found: dict[tuple[str, str], int] = {}
        if self._split is None:
            return found
        for row in table.rows():
            if split_of(text_of(row.cells[self._split])) == "train":
                unsaid: list[Change] = []
                cleaned = self._cleaned(row, unsaid)
                label = self._fix_label(row, list(row.values), unsaid)
                found.setdefault((closely_folded(joined(cleaned)), label), row.number)
        return found

    def _cleaned(self, row: Row, changes: list[Change]) -> list[str]:
        """The text cells without what cannot be meant."""
        return [
            self._clean(row.number, self._names[place], text_of(row.cells[place]), changes)
            for place in self._texts
        ]

    def fix(self, row: Row, changes: list[Change]) -> Sequence[Any] | None:
        """The row's values, cleaned; None where it is left out."""
        values = list(row.values)
        texts = [text_of(row.cells[place]) for place in self._texts]
        if is_empty(joined(texts)):
            changes.append(Change(row.number, "", text("checks.change_empty"), joined(texts), ""))
            return None
        cleaned = self._cleaned(row, changes)
        for place, before, after in zip(self._texts, texts, cleaned, strict=True):
            # A number or a list that nothing was done to stays what it is.
            if after != before:
                values[place] = after
        label = self._fix_label(row, values, changes)
        # Before masking: two texts with different telephone numbers are not one.
        if self._repeats(row, joined(cleaned), label, changes):
            return None
        return self._masked(row.number, values, changes) if self._mask else values

    def _masked(self, number: int, values: list[Any], changes: list[Change]) -> list[Any]:
        """Marks for personal data, in every column but label and split."""
        for place, value in enumerate(values):
            if place in {self._label, self._split} or not isinstance(value, str):
                continue
            if (after := mask(value)) != value:
                changes.append(
                    Change(number, self._names[place], text("checks.change_personal"), value, after)
                )
                values[place] = after
        return values

    def _clean(self, number: int, column: str, found: str, changes: list[Change]) -> str:
        steps: list[tuple[str, Callable[[str], str]]] = [
            ("mojibake", lambda one: (repaired(one) or one) if is_mojibake(one) else one),
            ("invisible", without_invisible),
        ]
        for what, change in steps:
            after = change(found)
            if after != found:
                changes.append(Change(number, column, text(f"checks.change_{what}"), found, after))
                found = after
        return found

    def _fix_label(self, row: Row, values: list[Any], changes: list[Change]) -> str:
        """The label of a row as one string, spelled as most."""
        if self._label is None:
            return ""
        cell = row.cells[self._label]
        names = labels_of(cell, self._separator) or ()
        better = tuple(self._spelling.get(name, name) for name in names)
        if better != tuple(names):
            after = cell_of_labels(cell, better, self._separator)
            values[self._label] = after
            changes.append(
                Change(
                    row.number, self._names[self._label], text("checks.change_label"), str(cell), str(after)
                )
            )
        return "\0".join(sorted(better))

    def _repeats(self, row: Row, shown: str, label: str, changes: list[Change]) -> bool:
        """Whether the text stands elsewhere with the same label; another label is only noted."""
        key = closely_folded(shown)
        kept = self._kept.setdefault((key, label), row.number)
        if kept != row.number:
            changes.append(Change(row.number, "", text("checks.change_duplicate", row=kept), shown, ""))
            return True
        first, first_label = self._labelled.setdefault(key, (row.number, label))
        if first_label != label:
            column, cell = ("", "")
            if self._label is not None:
                column, cell = self._names[self._label], text_of(row.values[self._label])
            changes.append(Change(row.number, column, text("checks.conflict_left", row=first), cell, cell))
        return False
