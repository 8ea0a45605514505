"""Rows and cells: what every table reader gives, whatever the file's form.

It does not know files. A cell is text exactly as written: ``001`` stays ``001``, and ``NA`` is a word.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from jptextclf.errors import ConfigError, DataError
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from jptextclf.data.encoding import FileEncoding

_VISIBLE = re.compile("[^\\s\\0\\u00ad\\u200b-\\u200f\\u2060\\ufeff]")

Cell: TypeAlias = str | tuple[str, ...]
"""A text, or the items of a list (a multi-label cell of a JSON or Parquet file)."""


class Row(NamedTuple):
    """One data row."""

    number: int
    """From 1; the header and blank lines are not counted."""
    line: int | None
    """Physical line (of a sheet: row) on which it starts, from 1; None where the form has no lines."""
    cells: tuple[Cell, ...]
    """In the order of the columns."""
    values: tuple[Any, ...]
    """The same with the types of the file, for writing them back."""


@dataclass
class Source:
    """What a reader found when it opened a file."""

    columns: tuple[str, ...]
    read: Callable[[], Iterator[Row]]
    """A fresh pass over the rows."""
    encoding: FileEncoding | None = None
    notes: list[str] = field(default_factory=list)
    """Sentences that the user should see."""
    blank_lines: int = 0
    """Lines without any cell, which are no rows; known after a pass."""


def cell_of(value: Any) -> Cell:
    """A value of a typed file as text, or as a tuple where it is a list.

    ``7 -> "7"``, ``1.0 -> "1.0"``, ``True -> "true"``, ``None`` and NaN ``-> ""``, ``{"a": 1} -> '{"a": 1}'``
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return tuple(text_of(item) for item in value)
    return text_of(value)


def text_of(value: Any) -> str:
    """One value as text; a list or object inside it as JSON."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def is_empty(words: str) -> bool:
    """Whether nothing can be seen of a text: white space, zero-width characters, or nothing."""
    return _VISIBLE.search(words) is None


def folded_name(name: str) -> str:
    """A column name for comparison: width, case, surrounding space and the kind of separator do not count.

    ``" Ｒeview-Text " -> "review_text"``
    """
    return "_".join(unicodedata.normalize("NFKC", name).casefold().strip().replace("-", " ").split()).strip(
        "_"
    )


def names_and_header(
    path: Path, first: Sequence[str], columns: Sequence[str] | None
) -> tuple[tuple[str, ...], bool]:
    """The column names, and whether the first row is the header.

    :param first: cells of the first row
    :param columns: names that the user gave because the file has no header
    :raises ConfigError: the given names are not distinct or empty (``JPT-U031``)
    :raises DataError: there are not as many names as cells (``JPT-D017``); a name is there twice (``JPT-D013``)
    """
    if columns is None:
        check_distinct(path, first)
        return tuple(first), True
    names = tuple(columns)
    if not all(names) or len(set(names)) != len(names):
        raise ConfigError("U031", columns=listing(names))
    if len(names) != len(first):
        raise DataError(
            "D017",
            path=path,
            given=len(names),
            found=len(first),
            first=listing(shortened(cell) for cell in first),
        )
    return names, [folded_name(name) for name in names] == [folded_name(cell) for cell in first]


def check_distinct(path: Path, names: Sequence[str]) -> None:
    """:raises DataError: a column name is there twice (``JPT-D013``); blank names do not count"""
    twice = sorted({name for name in names if name.strip() and names.count(name) > 1})
    if twice:
        raise DataError("D013", path=path, names=listing(twice), columns=listing(names))


def header_note() -> str:
    """The sentence for a file whose first row holds just the names that were given."""
    return text("data.note_header")


def shortened(cell: str, width: int = 30) -> str:
    """A cell for a message: one line, not too long."""
    line = " ".join(cell.split())
    return line if len(line) <= width else line[: width - 1] + "…"
