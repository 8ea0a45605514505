"""Lines: learning curves, precision against recall, reliability, and one label at every threshold."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from jptextclf.messages import text
from jptextclf.pages.charts._drawing import (
    N_COLOURS,
    WIDTH,
    Axis,
    Drawing,
    Figure,
    FigureTable,
    dashes,
    decimals,
    finite,
    frame,
    legend,
    number,
    ticks,
)
from jptextclf.pages.html import Html, foreign

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEIGHT, _TOP, _BOTTOM, _LEFT, _RIGHT = 326.0, 20.0, 270.0, 66.0, WIDTH - 14.0
_SHARE = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Series:
    """One line."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]


@dataclass(frozen=True)
class Mark:
    """A place on the horizontal axis that matters."""

    x: float
    text: str


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers whose probability lies in one interval."""

    low: float
    high: float
    confidence: float
    accuracy: float
    n: int


@dataclass(frozen=True)
class ThresholdPoint:
    """What a label would be if it were given from one probability on."""

    threshold: float
    precision: float
    recall: float
    f1: float
    given: int


def lines(
    name: str,
    title: str,
    series: Sequence[Series],
    *,
    x_title: str,
    y_title: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    marks: Sequence[Mark] = (),
    diagonal: bool = False,
) -> Figure:
    """Lines over a common axis.

    :param x_range: ends of the horizontal axis; None takes those of the values.  ``y_range`` likewise
    :param diagonal: draw what would be if both axes agreed
    """
    every_x = finite(x for one in series for x in one.xs) or [0.0]
    every_y = finite(y for one in series for y in one.ys) or [0.0]
    low, high = y_range or _around(min(0.0, *every_y), max(every_y))
    x = Axis(*(x_range or (min(every_x), max(every_x))), _LEFT, _RIGHT)
    y = Axis(low, high, _BOTTOM, _TOP)
    drawing = Drawing(name, title, _HEIGHT)
    whole = all(one == int(one) for one in every_x)
    across = [one for one in ticks(x.low, x.high) if not whole or one == int(one)]
    frame(drawing, x, y, x_title=x_title, y_title=y_title, x_ticks=across, y_ticks=ticks(low, high))
    if diagonal:
        drawing.line(x(low), y(low), x(high), y(high), "rule")
    for mark in marks:
        _mark(drawing, mark, x)
    for place, one in enumerate(series):
        points = [
            (a, b) for a, b in zip(one.xs, one.ys, strict=True) if math.isfinite(a) and math.isfinite(b)
        ]
        _line(drawing, points, x, y, place)
    rows = [(one.name, a, b) for one in series for a, b in zip(one.xs, one.ys, strict=True)]
    table = FigureTable((text("pages.series"), x_title, y_title), tuple(rows))
    said = "; ".join(f"{one.name}: {decimals(one.ys[-1])}" for one in series if len(one.ys))
    below = legend([one.name for one in series]) if len(series) > 1 else Html("")
    return Figure(name, title, drawing.svg(said), table, below)


def _around(low: float, high: float) -> tuple[float, float]:
    return low, high + (high - low) * 0.06 if high > low else low + 1.0


def _line(
    drawing: Drawing,
    points: Sequence[tuple[float, float]],
    x: Axis,
    y: Axis,
    place: int,
    *,
    dots: bool | None = None,
) -> None:
    colour = place % N_COLOURS
    path = " ".join(f"{number(x(a))},{number(y(b))}" for a, b in points)
    if len(points) > 1:
        drawing.add(f'<polyline class="line s{colour}" points="{path}"{dashes(place)}/>')
    if dots if dots is not None else len(points) <= 30:
        for a, b in points:
            drawing.circle(x(a), y(b), 3.2, f"hole s{colour}")


def _mark(drawing: Drawing, mark: Mark, x: Axis) -> None:
    place = x(mark.x)
    drawing.line(place, _TOP, place, _BOTTOM, "rule")
    is_right = place > (x.start + x.end) / 2
    drawing.text(place + (-6 if is_right else 6), _TOP + 10, mark.text, anchor="end" if is_right else "start")


def reliability(name: str, title: str, bins: Sequence[ReliabilityBin], ece: float) -> Figure:
    """Probability against the share that is right, each bin as a circle of the size of its number of answers."""
    x, y = Axis(0, 1, _LEFT, _RIGHT), Axis(0, 1, _BOTTOM, _TOP)
    drawing = Drawing(name, title, _HEIGHT)
    frame(
        drawing,
        x,
        y,
        x_title=text("pages.confidence"),
        y_title=text("pages.accuracy"),
        x_ticks=_SHARE,
        y_ticks=_SHARE,
    )
    drawing.line(x(0), y(0), x(1), y(1), "rule")
    total = sum(one.n for one in bins) or 1
    for one in bins:
        drawing.line(x(one.confidence), y(one.confidence), x(one.confidence), y(one.accuracy), "line s1")
    for one in bins:
        drawing.circle(x(one.confidence), y(one.accuracy), 3 + 11 * math.sqrt(one.n / total), "hole s0")
    drawing.text(_LEFT + 10, _TOP + 12, f"ECE {ece:.3f}")
    names = ("low", "high", "confidence", "accuracy", "n")
    table = FigureTable(
        tuple(text(f"pages.{one}") for one in names),
        tuple(tuple(getattr(one, each) for each in names) for one in bins),
    )
    return Figure(
        name,
        title,
        drawing.svg(f"ECE {ece:.3f}"),
        table,
        Html(f"<p class=soft>{escape(text('pages.reliability'))}</p>"),
    )


def threshold_explorer(
    name: str, title: str, label: str, curve: Sequence[ThresholdPoint], chosen: float
) -> Figure:
    """Precision, recall and F1 of a label at every threshold, with a control to read them off."""
    x, y = Axis(0, 1, _LEFT, _RIGHT), Axis(0, 1, _BOTTOM, _TOP)
    drawing = Drawing(name, title, _HEIGHT)
    frame(drawing, x, y, x_title=text("pages.threshold"), y_title="", x_ticks=_SHARE, y_ticks=_SHARE)
    kinds = ("precision", "recall", "f1")
    for place, kind in enumerate(kinds):
        # Where no text would get the label there is no precision.
        points = [(one.threshold, getattr(one, kind)) for one in curve if one.given or kind == "recall"]
        _line(drawing, points, x, y, place, dots=False)
    _mark(drawing, Mark(chosen, f"{chosen:.2f}"), x)
    drawing.line(x(chosen), _TOP, x(chosen), _BOTTOM, "cursor")
    tenths = [one for one in curve if abs(one.threshold * 10 - round(one.threshold * 10)) < 1e-6]
    names = ("threshold", *kinds, "given")
    table = FigureTable(
        tuple(text(f"pages.{one}") for one in names),
        tuple(tuple(getattr(one, each) for each in names) for one in tenths),
    )
    below = Html(legend([text(f"pages.{one}") for one in kinds]) + _explorer(name, label, curve, chosen))
    return Figure(name, title, drawing.svg(_at(curve, chosen)), table, below)


def _at(curve: Sequence[ThresholdPoint], chosen: float) -> str:
    if not curve:
        return ""
    one = min(curve, key=lambda point: abs(point.threshold - chosen))
    return text(
        "pages.at_threshold",
        threshold=chosen,
        precision=one.precision,
        recall=one.recall,
        f1=one.f1,
        given=one.given,
    )


def _explorer(name: str, label: str, curve: Sequence[ThresholdPoint], chosen: float) -> str:
    """The control; hidden until the script is there to move it."""
    if not curve:
        return ""
    data = json.dumps(
        [
            [one.threshold, round(one.precision, 4), round(one.recall, 4), round(one.f1, 4), one.given]
            for one in curve
        ]
    )
    start = min(range(len(curve)), key=lambda place: abs(curve[place].threshold - chosen))
    values = "".join(
        f"<span>{escape(text(f'pages.{one}'))} <b></b></span>"
        for one in ("threshold", "precision", "recall", "f1", "given")
    )
    return (
        f'<div class="explorer" hidden data-points="{escape(data)}" data-left="{number(_LEFT)}" data-right="{number(_RIGHT)}">'
        f'<label for="{escape(name)}-input">{escape(text("pages.move"))} {foreign(label)}</label>'
        f'<input id="{escape(name)}-input" type="range" min="0" max="{len(curve) - 1}" value="{start}">'
        f"<output>{values}</output></div>"
    )
