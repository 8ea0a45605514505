"""Marks, axes and texts of a chart, as SVG. It knows no kind of chart.

A chart is drawn on a surface some 520 units wide and scales with its place; colours are those of the page.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from jptextclf.messages import text
from jptextclf.pages.html import Html, details, escaped, foreign, table
from jptextclf.pages.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 520.0
N_COLOURS = 6
_NOTHING = Html("")
_SIZE = 13.0
"""Of the letters."""
_NARROW = 0.57
"""Width of a Latin letter in that of a Japanese one."""


@dataclass(frozen=True)
class FigureTable:
    """The figures behind a chart."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A chart with its data."""

    name: str
    """Of its CSV file, and of its place on the page."""
    title: str
    svg: Html
    table: FigureTable
    below: Html = _NOTHING
    """Legend and controls."""


def figure(found: Figure, caption: str = "") -> Html:
    """A chart as it stands on a page, with its figures as a table to open."""
    rows = [[foreign(_shown(cell)) for cell in row] for row in found.table.rows]
    data = details(text("pages.data"), table(found.table.columns, rows))
    said = f" {escaped(caption)}" if caption else ""
    return Html(
        f'<figure id="figure-{escape(found.name)}"><figcaption><strong>{foreign(found.title)}</strong>{said}</figcaption>\n'
        f'<div class="chart">{found.svg}</div>\n{found.below}\n{data.replace("<details", "<details class=data", 1)}</figure>'
    )


def _shown(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@dataclass
class Drawing:
    """SVG elements, collected from back to front."""

    name: str
    title: str
    height: float
    width: float = WIDTH
    least: float = 0.0
    """Pixels below which the chart is not made narrower but scrolls."""
    parts: list[str] = field(default_factory=list)

    def svg(self, description: str = "") -> Html:
        """The whole element; its name and description are read aloud."""
        ids = f"{escape(self.name)}-title {escape(self.name)}-desc"
        wide = (
            f' style="max-width:{self.width * 1.12:.0f}px'
            + (f";min-width:{self.least:.0f}px" if self.least else "")
            + '"'
        )
        # An image has no parts for a reader, so links in it would be lost.
        role = "group" if any(one.startswith("<a ") for one in self.parts) else "img"
        return Html(
            f'<svg viewBox="0 0 {number(self.width)} {number(self.height)}" role="{role}" aria-labelledby="{ids}"{wide}>'
            f'<title id="{escape(self.name)}-title">{escape(visible(self.title))}</title>'
            f'<desc id="{escape(self.name)}-desc">{escape(visible(description))}</desc>\n'
            + "\n".join(self.parts)
            + "\n</svg>"
        )

    def add(self, element: str) -> None:
        self.parts.append(element)

    def line(self, x1: float, y1: float, x2: float, y2: float, classes: str) -> None:
        ends = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
        self.add(f'<line class="{classes}" {ends}/>')

    def rect(self, x: float, y: float, width: float, height: float, classes: str, extra: str = "") -> None:
        size = f'width="{number(max(0.0, width))}" height="{number(max(0.0, height))}"'
        self.add(f'<rect class="{classes}" x="{number(x)}" y="{number(y)}" {size}{extra}/>')

    def circle(self, x: float, y: float, radius: float, classes: str) -> None:
        self.add(f'<circle class="{classes}" cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"/>')

    def text(
        self,
        x: float,
        y: float,
        said: str,
        *,
        anchor: str = "start",
        classes: str = "",
        turned: bool = False,
        room: float = 0,
    ) -> None:
        """:param room: units that are there; what is longer is cut, and whole in its tooltip"""
        seen = visible(said)
        cut = shortened(seen, room) if room else seen
        whole = f"<title>{escape(seen)}</title>" if cut != seen else ""
        kind = f' class="{classes}"' if classes else ""
        turn = f' transform="rotate(-90 {number(x)} {number(y)})"' if turned else ""
        place = f'x="{number(x)}" y="{number(y)}" text-anchor="{anchor}"'
        self.add(f"<text {place}{kind}{turn}>{whole}{escape(cut)}</text>")


@dataclass(frozen=True)
class Axis:
    """Values to places along one side."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def number(value: float) -> str:
    """A coordinate; what is no number is at 0."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if math.isfinite(value) else "0"


def units(said: str) -> float:
    """How wide a text is about, in units of the surface."""
    wide = sum(unicodedata.east_asian_width(one) in "FWA" for one in said)
    marks = sum(unicodedata.combining(one) != 0 for one in said)
    return _SIZE * (wide + (len(said) - wide - marks) * _NARROW)


def shortened(said: str, room: float) -> str:
    """A text that fits, with … where it was cut."""
    if units(said) <= room:
        return said
    kept = ""
    for one in said:
        if units(kept + one) > room - _SIZE:
            break
        kept += one
    return kept + "…"


def margin_for(names: Iterable[str], *, least: float = 30.0, most: float = 170.0) -> float:
    """Room for names beside a chart."""
    return min(most, max([least, *(units(visible(one)) + 18 for one in names)]))


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Round numbers between two ends, about ``n`` of them.

    ``(0, 1) -> [0, .2, .4, .6, .8, 1]``
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low if math.isfinite(low) else 0.0]
    rough = (high - low) / n
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda one: abs(one * power - rough))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(one * step, 10) for one in range(first, last + 1)]


def tick_name(value: float) -> str:
    """``1234.0 -> "1,234"``, ``0.25 -> "0.25"``; a dash for what is no number."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1 else f"{value:g}"


def decimals(value: float) -> str:
    """``0.8213 -> "0.821"``; a dash for what is no number."""
    return f"{value:.3f}" if math.isfinite(value) else "–"


def finite(values: Iterable[float]) -> list[float]:
    return [float(one) for one in values if math.isfinite(one)]


def frame(
    drawing: Drawing,
    x: Axis,
    y: Axis,
    *,
    x_title: str,
    y_title: str,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
) -> None:
    """Grid, axes with their numbers, and their names."""
    for value in y_ticks:
        drawing.line(x.start, y(value), x.end, y(value), "grid")
        drawing.text(x.start - 7, y(value) + 4.5, tick_name(value), anchor="end", classes="soft")
    for value in x_ticks:
        drawing.line(x(value), y.start, x(value), y.start + 4, "axis")
        drawing.text(x(value), y.start + 19, tick_name(value), anchor="middle", classes="soft")
    drawing.line(x.start, y.start, x.end, y.start, "axis")
    drawing.text((x.start + x.end) / 2, y.start + 40, x_title, anchor="middle", classes="soft")
    middle = (y.start + y.end) / 2
    drawing.text(15, middle, y_title, anchor="middle", classes="soft", turned=True)


def legend(names: Sequence[str]) -> Html:
    """Which colour is what; several lines need not have several names."""
    items = "".join(
        f'<li><svg viewBox="0 0 26 10" aria-hidden="true"><line class="line s{place % N_COLOURS}" x1="0" y1="5" x2="26" y2="5"'
        f"{dashes(place)}/></svg>{foreign(name)}</li>"
        for place, name in enumerate(names)
    )
    return Html(f'<ul class="legend">{items}</ul>')


def dashes(place: int) -> str:
    """Lines differ by more than their colour."""
    patterns = ("", "7 4", "2 3", "10 3 2 3", "4 2", "1 4")
    pattern = patterns[place % len(patterns)]
    return f' stroke-dasharray="{pattern}"' if pattern else ""
