"""The data with the corrections of a person, and a list of them. The file itself is never touched."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jptextclf.data.changes import Change, changes_path, write_changes
from jptextclf.data.loading import cell_of_labels, labels_of
from jptextclf.data.rows import text_of
from jptextclf.data.writers import open_writer
from jptextclf.errors import ConfigError
from jptextclf.messages import did_you_mean, listing, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jptextclf.data.tables import Table
    from jptextclf.label_review.sheet import About, Correction


@dataclass
class Reviewed:
    """Data with corrected labels."""

    output: Path
    changes_path: Path
    read: int = 0
    """Rows of the data."""
    changes: list[Change] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For a person, in the language of now."""
        pairs = Counter((one.before, one.after) for one in self.changes)
        done = text(
            "review.applied", n=len(self.changes), read=self.read, path=self.output, changes=self.changes_path
        )
        return [
            done,
            *(f"  {before} -> {after}: {n:,}" for (before, after), n in pairs.most_common(20)),
            *self.notes,
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1, "output": str(self.output), "changes": str(self.changes_path), "read": self.read,
            "n_changes": len(self.changes), "notes": list(self.notes),
        }  # fmt: skip


def apply_corrections(
    table: Table, about: About, corrections: Sequence[Correction], output: Path, *, new_labels: bool = False
) -> Reviewed:
    """Write the data with other labels, and the list of changes beside it.

    :param table: the data that the review is of
    :param new_labels: also take labels that the data do not have
    :raises ConfigError: the sheet is not of these data: no such column or row, or another label there (``JPT-U213``); a
        correction is no label of the data (``JPT-U214``), or a row has two (``JPT-U215``)
    :raises WorkError: it cannot be written; what was there is as it was
    """
    if about.label_column not in table.columns:
        raise _of_other_data(about, text("review.no_column", column=about.label_column))
    left = _wanted(corrections, about, new_labels=new_labels)
    place = table.columns.index(about.label_column)
    found = Reviewed(output, changes_path(output))
    # What is refused on the way leaves nothing behind.
    with open_writer(output, columns=table.columns, source=table.path) as writer:
        for row in table.rows():
            found.read += 1
            values, one = list(row.values), left.pop(row.number, None)
            if one is not None:
                there = labels_of(row.cells[place], about.data_separator) or ()
                _require_same(there, one, about)
                names = labels_of(one.after, about.separator) or ()
                if set(names) != set(there):
                    before, after = (
                        values[place],
                        cell_of_labels(row.cells[place], names, about.data_separator),
                    )
                    values[place] = after
                    found.changes.append(
                        Change(
                            row.number,
                            about.label_column,
                            text("review.change"),
                            text_of(before),
                            text_of(after),
                        )
                    )
            writer.write(values)
        if left:
            raise _of_other_data(about, text("review.no_such_row", row=min(left)))
    found.notes = tuple(writer.notes)
    write_changes(found.changes, found.changes_path)
    return found


def _of_other_data(about: About, problem: str) -> ConfigError:
    return ConfigError("U213", problem=problem, name=about.name)


def _require_same(there: Sequence[str], one: Correction, about: About) -> None:
    if set(there) != set(labels_of(one.before, about.separator) or ()):
        raise _of_other_data(
            about, text("review.other_label", row=one.row, found=listing(there), sheet=one.before)
        )


def _wanted(corrections: Sequence[Correction], about: About, *, new_labels: bool) -> dict[int, Correction]:
    wanted: dict[int, Correction] = {}
    unknown: dict[str, list[int]] = {}
    for one in corrections:
        if one.row in wanted and wanted[one.row].after != one.after:
            raise ConfigError("U215", row=one.row, first=wanted[one.row].after, other=one.after)
        wanted[one.row] = one
        for name in labels_of(one.after, about.separator) or ():
            if name not in about.labels:
                unknown.setdefault(name, []).append(one.row)
    if unknown and not new_labels:
        name, rows = next(iter(unknown.items()))
        raise ConfigError(
            "U214", label=name, rows=listing(map(str, rows), 10), known=listing(about.labels, 20),
            hint=did_you_mean(name, about.labels),
        )  # fmt: skip
    return wanted
