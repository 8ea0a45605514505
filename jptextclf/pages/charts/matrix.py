"""Confusion matrix: which label is taken for which, with links to examples."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from jptextclf.messages import text
from jptextclf.pages.charts._drawing import Drawing, Figure, FigureTable, margin_for, number
from jptextclf.pages.html import Html
from jptextclf.pages.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

MOST_LABELS = 20
"""Labels that are drawn; those with most errors, the others are one."""

_HEAD = 30.0


def confusion_matrix(
    name: str,
    title: str,
    names: Sequence[str],
    counts: ArrayLike,
    *,
    link: Callable[[int, int], str | None] | None = None,
) -> Figure:
    """Rows are references, columns are predictions; a cell shows the texts and their share of the row.

    :param counts: *Shape:* ``(n_labels, n_labels)``
    :param link: id of the place with the examples of a cell, by its row and column; None: there is none
    """
    whole = np.asarray(counts, dtype=np.int64)
    chosen = _chosen(whole)
    shown, matrix = [names[one] for one in chosen], whole[np.ix_(chosen, chosen)]
    if len(chosen) < len(names):
        shown, matrix = [*shown, text("pages.others")], _with_rest(whole, chosen)
    drawing = _drawing(name, title, shown, matrix, _links(chosen, link))
    pairs = zip(*np.nonzero(whole), strict=True)
    totals = whole.sum(axis=1)
    rows = [
        (
            names[row],
            names[column],
            int(whole[row, column]),
            round(float(whole[row, column] / totals[row]), 4),
        )
        for row, column in pairs
    ]
    columns = tuple(text(f"pages.{one}") for one in ("reference", "prediction", "texts", "row_share"))
    n_right = int(np.trace(whole))
    said = text("pages.matrix", right=n_right, total=int(whole.sum()))
    below = Html("")
    if len(chosen) < len(names):
        below = Html(
            f"<p class=soft>{escape(text('pages.most_errors', n=len(chosen), total=len(names)))}</p>"
        )
    return Figure(name, title, drawing.svg(said), FigureTable(columns, tuple(rows)), below)


def _chosen(counts: NDArray[np.int64]) -> list[int]:
    """The labels to draw, in their order."""
    if len(counts) <= MOST_LABELS:
        return list(range(len(counts)))
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    return sorted(np.argsort(-errors, kind="stable")[:MOST_LABELS].tolist())


def _with_rest(counts: NDArray[np.int64], chosen: list[int]) -> NDArray[np.int64]:
    """The chosen rows and columns, and one of each for all others together."""
    group = np.full(len(counts), len(chosen))
    group[chosen] = np.arange(len(chosen))
    matrix = np.zeros((len(chosen) + 1, len(chosen) + 1), dtype=np.int64)
    np.add.at(matrix, (group[:, None], group[None, :]), counts)
    return matrix


def _links(
    chosen: list[int], link: Callable[[int, int], str | None] | None
) -> Callable[[int, int], str | None]:
    def find(row: int, column: int) -> str | None:
        if link is None or row >= len(chosen) or column >= len(chosen):
            return None
        return link(chosen[row], chosen[column])

    return find


def _drawing(
    name: str,
    title: str,
    names: Sequence[str],
    matrix: NDArray[np.int64],
    link: Callable[[int, int], str | None],
) -> Drawing:
    n = len(names)
    left = margin_for(names, most=130.0) + 22
    side = max(44.0, min(84.0, (520.0 - left - 6) / n))
    # Names of columns are turned where they would touch.
    turned = max(margin_for([one], least=0.0, most=500.0) for one in names) > side + 8
    head = _HEAD + (margin_for(names, most=110.0) if turned else 18.0)
    width, height = left + n * side + 6, head + n * min(side, 60.0) + 8
    drawing = Drawing(name, title, height, width, least=0.0 if n <= 4 else min(width, 90 + n * 52.0))
    tall = min(side, 60.0)
    drawing.text(left + n * side / 2, 14, text("pages.prediction"), anchor="middle", classes="soft")
    drawing.text(
        12, head + n * tall / 2, text("pages.reference"), anchor="middle", classes="soft", turned=True
    )
    totals = matrix.sum(axis=1)
    for place, one in enumerate(names):
        x = left + (place + 0.5) * side
        if turned:
            drawing.text(x + 4, head - 8, one, turned=True, room=100.0)
        else:
            drawing.text(x, head - 8, one, anchor="middle")
        drawing.text(left - 8, head + (place + 0.5) * tall + 4.5, one, anchor="end", room=left - 34)
    for row in range(n):
        for column in range(n):
            count = int(matrix[row, column])
            share = count / int(totals[row]) if totals[row] else 0.0
            box = (left + column * side, head + row * tall, side, tall)
            _cell(drawing, box, count, share, link(row, column), f"{names[row]} → {names[column]}")
    return drawing


def _cell(
    drawing: Drawing,
    box: tuple[float, float, float, float],
    count: int,
    share: float,
    target: str | None,
    said: str,
) -> None:
    x, y, width, height = box
    if target is not None:
        label = text("pages.cell", pair=visible(said), n=count, share=share)
        drawing.add(f'<a href="#{escape(target)}" aria-label="{escape(label)}">')
    drawing.rect(x, y, width, height, "cell heat", f' fill-opacity="{number(share * 100)}%"')
    shade = "on" if share >= 0.75 else ""
    soft = shade or "soft"
    if count:
        drawing.text(x + width / 2, y + height / 2 - 1, f"{count:,}", anchor="middle", classes=shade)
        drawing.text(x + width / 2, y + height / 2 + 15, f"{share:.0%}", anchor="middle", classes=soft)
    else:
        drawing.text(x + width / 2, y + height / 2 + 5, "·", anchor="middle", classes="soft")
    if target is not None:
        drawing.add("</a>")
