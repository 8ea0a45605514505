"""One row a name: bars, and values with their intervals. And histograms."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from jptextclf.messages import text
from jptextclf.pages.charts._drawing import (
    WIDTH,
    Axis,
    Drawing,
    Figure,
    FigureTable,
    decimals,
    finite,
    frame,
    margin_for,
    tick_name,
    ticks,
    units,
)
from jptextclf.pages.html import Html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jptextclf.pages.charts.lines import Mark

MOST_ROWS = 40
"""Rows that are drawn; the table holds all."""
_ROW = 30.0
_TOP = 8.0


@dataclass(frozen=True)
class Bar:
    """A value."""

    name: str
    value: float
    note: str = ""


@dataclass(frozen=True)
class Range:
    """A value with the ends of its interval."""

    name: str
    value: float
    low: float
    high: float
    n: int | None = None
    """Texts behind it."""


def intervals(
    name: str,
    title: str,
    rows: Sequence[Range],
    *,
    x_title: str,
    x_range: tuple[float, float] | None = None,
    reference: float | None = None,
) -> Figure:
    """A dot and its interval for each row.

    :param reference: a value to compare with, such as 0 for differences
    """
    drawn = rows[:MOST_ROWS]
    values = finite(end for one in drawn for end in (one.low, one.high, one.value))
    values += [] if reference is None else [reference]
    low, high = x_range or _padded(values)
    left = margin_for([one.name for one in drawn], most=190.0)
    notes = ["" if one.n is None else f"n {one.n:,}" for one in drawn]
    right = WIDTH - 14 - max([0.0, *(units(one) + 10 for one in notes if one)])
    drawing, x = _plot(name, title, len(drawn), left, right, (low, high), x_title)
    if reference is not None:
        drawing.line(x(reference), _TOP, x(reference), _TOP + len(drawn) * _ROW, "rule")
    for place, one in enumerate(drawn):
        y = _TOP + (place + 0.5) * _ROW
        drawing.text(left - 10, y + 4.5, one.name, anchor="end", room=left - 14)
        if notes[place]:
            drawing.text(WIDTH - 10, y + 4.5, notes[place], anchor="end", classes="soft")
        if not finite([one.value + one.low + one.high]):
            continue
        ends = [max(low, min(high, end)) for end in (one.low, one.high)]
        drawing.line(x(ends[0]), y, x(ends[1]), y, "line s0")
        for end in ends:
            drawing.line(x(end), y - 5, x(end), y + 5, "line s0")
        drawing.circle(x(max(low, min(high, one.value))), y, 5, "f0")
    columns: tuple[str, ...] = (text("pages.name"), x_title, text("pages.low"), text("pages.high"))
    cells: tuple[tuple[Any, ...], ...] = tuple((one.name, one.value, one.low, one.high) for one in rows)
    if any(one.n is not None for one in rows):
        columns = (*columns, text("pages.n"))
        cells = tuple((*cell, "" if one.n is None else one.n) for cell, one in zip(cells, rows, strict=True))
    said = "; ".join(
        f"{one.name}: {decimals(one.value)} [{decimals(one.low)}, {decimals(one.high)}]" for one in drawn[:10]
    )
    return Figure(name, title, drawing.svg(said), FigureTable(columns, cells))


def bars(name: str, title: str, rows: Sequence[Bar], *, x_title: str = "") -> Figure:
    """A bar for each row, with its value at the end."""
    drawn = rows[:MOST_ROWS]
    values = finite(one.value for one in drawn)
    left = margin_for([one.name for one in drawn], most=190.0)
    shown = [f"{tick_name(one.value)}{f' {one.note}' if one.note else ''}" for one in drawn]
    right = WIDTH - 14 - max([0.0, *(units(one) + 8 for one in shown)])
    drawing, x = _plot(name, title, len(drawn), left, right, (0.0, max([*values, 0.0]) or 1.0), x_title)
    for place, one in enumerate(drawn):
        y = _TOP + place * _ROW
        drawing.text(left - 10, y + _ROW / 2 + 4.5, one.name, anchor="end", room=left - 14)
        drawing.rect(left, y + 6, x(one.value) - left, _ROW - 12, "bar")
        drawing.text(x(one.value) + 6, y + _ROW / 2 + 4.5, shown[place], classes="soft")
    cells = tuple((one.name, one.value) for one in rows)
    said = "; ".join(f"{one.name}: {tick_name(one.value)}" for one in drawn[:10])
    columns = (text("pages.name"), x_title or text("pages.texts"))
    return Figure(name, title, drawing.svg(said), FigureTable(columns, cells))


def histogram(
    name: str,
    title: str,
    edges: Sequence[float],
    counts: Sequence[int],
    *,
    x_title: str,
    y_title: str,
    marks: Sequence[Mark] = (),
    open_end: bool = False,
) -> Figure:
    """Bars over intervals.

    :param edges: ends of the intervals, one more than ``counts``
    :param open_end: the last bar holds everything beyond, too
    """
    places = finite([*edges, *(one.x for one in marks)]) or [0.0, 1.0]
    x = Axis(min(places), max(places), 66.0, WIDTH - 14)
    y = Axis(0.0, float(max([*counts, 1])), 264.0, 22.0)
    drawing = Drawing(name, title, 320.0)
    frame(
        drawing, x, y, x_title=x_title, y_title=y_title, x_ticks=ticks(x.low, x.high),
        y_ticks=[one for one in ticks(0.0, y.high) if one == int(one)],
    )  # fmt: skip
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        gap = 1.0 if x(high) - x(low) > 4 else 0.0
        drawing.rect(x(low), y(count), x(high) - x(low) - gap, y.start - y(count), "bar")
    for mark in marks:
        place = x(mark.x)
        drawing.line(place, 12, place, y.start, "rule")
        is_right = place > (x.start + x.end) / 2
        drawing.text(place + (-6 if is_right else 6), 16, mark.text, anchor="end" if is_right else "start")
    cells = tuple(zip(edges, edges[1:], counts, strict=False))
    columns = (text("pages.low"), text("pages.high"), y_title)
    said = text("pages.histogram", n=sum(counts), low=min(places), high=max(edges, default=0.0))
    below = Html(f"<p class=soft>{escape(text('pages.open_end'))}</p>") if open_end else Html("")
    return Figure(name, title, drawing.svg(said), FigureTable(columns, cells), below)


def _plot(
    name: str, title: str, n_rows: int, left: float, right: float, ends: tuple[float, float], x_title: str
) -> tuple[Drawing, Axis]:
    """The surface of a chart with one row a name, with its axis below."""
    bottom = _TOP + n_rows * _ROW
    drawing = Drawing(name, title, bottom + (48.0 if x_title else 30.0))
    x = Axis(*ends, left, right)
    for value in ticks(*ends):
        drawing.line(x(value), _TOP, x(value), bottom, "grid")
        drawing.text(x(value), bottom + 17, tick_name(value), anchor="middle", classes="soft")
    drawing.line(left, bottom, right, bottom, "axis")
    if x_title:
        drawing.text((left + right) / 2, bottom + 38, x_title, anchor="middle", classes="soft")
    return drawing, x


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = (high - low) * 0.06 or 0.05
    return low - room, high + room
