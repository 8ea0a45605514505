"""A changed copy of a file: where it may go, and the list of everything that was changed in it.

The file itself is never touched. The list holds cells as they were, so it is as private as the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jptextclf.data.writers import open_writer
from jptextclf.errors import ConfigError
from jptextclf.messages import text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Change:
    """One cell that was changed, or one row that was left out."""

    row: int
    column: str
    what: str
    """In the language of now."""
    before: str
    after: str


def changes_path(output: Path) -> Path:
    """The list of changes of a copy: ``reviews.csv`` -> ``reviews.changes.csv``."""
    return output.with_name(f"{output.stem}.changes.csv")


def check_outputs(source: Path, *outputs: Path, overwrite: bool) -> None:
    """Refuse before anything is read what must not be written.

    :raises ConfigError: one is the source (``JPT-U186``), or there already (``JPT-U185``)
    """
    for path in outputs:
        if path.exists() and path.resolve() == source.resolve():
            raise ConfigError("U186", path=path)
        if path.exists() and not overwrite:
            raise ConfigError("U185", path=path)


def write_changes(changes: Iterable[Change], path: Path) -> None:
    """Write the list as CSV.

    :raises WorkError: it cannot be written
    """
    names = [text(f"checks.column_{name}") for name in ("row", "column", "change", "before", "after")]
    with open_writer(path, columns=names) as writer:
        for one in changes:
            writer.write((one.row, one.column, one.what, one.before, one.after))
