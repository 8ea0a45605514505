"""Blocks: the pieces that a report for people is made of. They hold text as it is; writers escape it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Line:
    """One line of a cell, a paragraph or a list."""

    text: str
    url: str = ""
    """Where it links to, if that is a plain web address."""
    anchor: str = ""
    """Id of the place in the report that it points to."""
    tone: str = ""
    """A verdict, ``warning``, ``quote``, ``code`` or ``faint``; it never carries meaning alone."""


Cell: TypeAlias = tuple[Line, ...]


@dataclass(frozen=True)
class Row:
    """One row of a table; its first cell is its head."""

    cells: tuple[Cell, ...]
    id: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under columns. There is always at least one row."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    label: str
    """What it holds, for those who do not see it."""
    kind: str = ""
    """Chooses the widths of the columns."""


@dataclass(frozen=True)
class Paragraph:
    """Lines that stand together."""

    lines: Cell


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[Cell, ...]


@dataclass(frozen=True)
class Pairs:
    """Terms, each with what is said of it."""

    pairs: tuple[tuple[str, Cell], ...]


Block: TypeAlias = Table | Paragraph | Items | Pairs


@dataclass(frozen=True)
class Section:
    """A numbered part of the report."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """The whole document."""

    language: str
    title: str
    verdict: str
    """One of the four strings."""
    verdict_label: str
    verdict_meaning: str
    facts: Pairs
    """What the verdict is about."""
    notice: str
    """That this is no legal advice."""
    sections: tuple[Section, ...]


def line(text: object, **kind: str) -> Cell:
    """A cell of one line; an empty text gives an empty cell."""
    return (Line(str(text), **kind),) if str(text) else ()
