"""The comparison as a page, in the language of now. It computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.messages import text
from jptextclf.pages.charts import Bar, Series, bars, figure, lines
from jptextclf.pages.document import Section, document
from jptextclf.pages.html import (
    Html,
    bullets,
    details,
    foreign,
    notice,
    paragraph,
    row_of_figures,
    table,
    together,
)

if TYPE_CHECKING:
    from jptextclf.drift.content import Drift
    from jptextclf.pages.html import Kind

_KINDS: dict[str, Kind] = {"undecided": "note", "stable": "ok", "moved": "note", "drifted": "warning"}


def page(found: Drift) -> str:
    """The whole page."""
    against = found.reference or text("drift.training")
    lead = paragraph(
        text("drift.lead", source=found.source, n=found.n_now, against=against, before=found.n_before)
    )
    sections = [
        Section("summary", text("drift.h_summary"), summary(found)),
        Section("distributions", text("drift.h_distributions"), _distributions(found)),
        Section("labels", text("drift.h_labels"), _labels(found)),
    ]
    if found.novel_words:
        sections.append(Section("words", text("drift.h_words"), _words(found)))
    return document(text("drift.title", source=found.source), sections, lead=lead)


def summary(found: Drift) -> Html:
    """The verdict and the measures."""
    measures, _ = found.tables()
    return together(
        notice(found.sentence, kind=_KINDS[found.verdict]), bullets(found.remarks()),
        table(measures.columns, measures.rows, caption=text("drift.h_summary")),
        paragraph(text("drift.how"), soft=True),
    )  # fmt: skip


def _distributions(found: Drift) -> Html:
    drawn = []
    for name, one in found.histograms.items():
        middles = [(low + high) / 2 for low, high in zip(one.edges, one.edges[1:], strict=False)]
        series = [
            Series(text(f"drift.h_{when}"), middles, list(shares))
            for when, shares in (("before", one.before), ("now", one.now))
        ]
        drawn.append(
            lines(
                f"distribution_{name}", text(f"drift.m_{name}"), series, x_title=text(f"drift.x_{name}"),
                y_title=text("drift.share"), y_range=(0.0, max(0.05, *one.before, *one.now)),
            )
        )  # fmt: skip
    return row_of_figures(figure(one) for one in drawn)


def _labels(found: Drift) -> Html:
    _, labels = found.tables()
    there = [
        Bar(one.name, round(100 * one.now, 1), text("drift.was", before=100 * one.before))
        for one in found.labels[:30]
    ]
    shown = table(
        [foreign(name) for name in labels.columns], [[foreign(cell) for cell in row] for row in labels.rows]
    )
    drawn = bars("label_shift", text("drift.figure_labels"), there, x_title=text("drift.percent"))
    return together(
        row_of_figures([figure(drawn)]), details(text("drift.h_labels"), shown, open=len(labels.rows) <= 20)
    )


def _words(found: Drift) -> Html:
    rows = [[foreign(word), f"{n:,}"] for word, n in found.novel_words]
    return together(
        paragraph(text("drift.words_how"), soft=True),
        table([text("drift.h_word"), text("drift.h_texts")], rows),
    )
