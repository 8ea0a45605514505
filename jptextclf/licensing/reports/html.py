"""HTML: the report for people as one file without network or script, for the screen and for A4 paper."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from jptextclf.licensing.reports._blocks import Items, Pairs, Paragraph, Table
from jptextclf.licensing.reports._content import report_of
from jptextclf.licensing.reports._escaping import shown
from jptextclf.licensing.reports._parts import web_address
from jptextclf.licensing.reports._tables import say, word

if TYPE_CHECKING:
    from jptextclf.licensing.assessment import Assessment
    from jptextclf.licensing.reports._blocks import Block, Cell, Line, Report, Row, Section
    from jptextclf.licensing.reports._subject import ReportSubject

_SIGNS = {"ok": "○", "ok-with-obligations": "◇", "needs-review": "△", "blocked": "×"}
"""Shapes, so that the verdict is seen without colour; the signs that Japanese tables use."""
_TONES = {*_SIGNS, "warning", "quote", "code", "faint"}


def write_html(assessment: Assessment, subject: ReportSubject) -> str:
    """The report as an HTML document, in the language of now."""
    report = report_of(assessment, subject)
    sections = "\n".join(_section(number, one) for number, one in enumerate(report.sections, 1))
    style = (resources.files(__package__) / "report.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="{report.language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_text(report.title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{_text(report.title)}</h1>
{_banner(report)}
{_block(report.facts)}
<p class="notice">{_text(report.notice)}</p>
</header>
{_contents(report)}
<main>
{sections}
</main>
</body>
</html>
"""


REPORT = write_html


def _banner(report: Report) -> str:
    return (
        f'<div class="banner {report.verdict}">\n'
        f'<p class="verdict"><span class="sign" aria-hidden="true">{_SIGNS[report.verdict]}</span> '
        f"{_text(report.verdict_label)} <small>{_text(report.verdict)}</small></p>\n"
        f"<p>{_text(report.verdict_meaning)}</p>\n</div>"
    )


def _contents(report: Report) -> str:
    entries = "\n".join(f'<li><a href="#{one.id}">{_text(one.title)}</a></li>' for one in report.sections)
    return f'<nav aria-label="{_text(say("contents"))}">\n<ol>\n{entries}\n</ol>\n</nav>'


def _section(number: int, section: Section) -> str:
    blocks = "\n".join(_block(one) for one in section.blocks)
    title = f'<h2 id="{section.id}">{number}. {_text(section.title)}</h2>'
    return f'<section aria-labelledby="{section.id}">\n{title}\n{blocks}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Paragraph(lines):
            return f"<p>{_cell(lines)}</p>"
        case Items(items):
            entries = "\n".join(f"<li>{_cell(one)}</li>" for one in items)
            return f"<ul>\n{entries}\n</ul>"
        case Pairs(pairs):
            entries = "\n".join(
                f"<div><dt>{_text(term)}</dt><dd>{_cell(cell)}</dd></div>" for term, cell in pairs
            )
            return f"<dl>\n{entries}\n</dl>"


def _table(table: Table) -> str:
    # On a narrow screen the style sheet makes a card of each row; the roles keep it a table for those who listen.
    heads = "".join(f'<th scope="col" role="columnheader">{_text(one)}</th>' for one in table.columns)
    rows = "\n".join(_row(table, one) for one in table.rows)
    return (
        f'<table class="{table.kind}" role="table" aria-label="{_text(table.label)}">\n'
        f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>\n<tbody role="rowgroup">\n{rows}\n'
        "</tbody>\n</table>"
    )


def _row(table: Table, row: Row) -> str:
    place = f' id="{row.id}"' if row.id else ""
    cells = []
    for number, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
        name, kind = ("td", 'role="cell"') if number else ("th", 'scope="row" role="rowheader"')
        content = _cell(cell) or f'<span class="faint">{_text(word("empty", "cell"))}</span>'
        cells.append(f'<{name} {kind} data-column="{_text(column)}">{content}</{name}>')
    return f'<tr role="row"{place}>{"".join(cells)}</tr>'


def _cell(cell: Cell) -> str:
    return "<br>".join(_line(one) for one in cell)


def _line(one: Line) -> str:
    text = _text(one.text)
    if one.url and web_address(one.url):
        text = f'<a href="{_text(one.url)}" rel="noreferrer">{text}</a>'
    elif one.anchor:
        text = f'<a href="#{_text(one.anchor)}">{text}</a>'
    if one.tone in _SIGNS:
        text = f'<span aria-hidden="true">{_SIGNS[one.tone]}</span> {text}'
    return f'<span class="{one.tone}">{text}</span>' if one.tone in _TONES else f"<bdi>{text}</bdi>"


def _text(value: object) -> str:
    """Safe between tags and in a quoted attribute."""
    return escape(shown(value), quote=True)
