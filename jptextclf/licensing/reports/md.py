"""Markdown: the report for people as plain text with tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jptextclf.licensing.reports._blocks import Items, Pairs, Paragraph, Table
from jptextclf.licensing.reports._content import report_of
from jptextclf.licensing.reports._escaping import markdown, shown
from jptextclf.licensing.reports._parts import web_address

if TYPE_CHECKING:
    from jptextclf.licensing.assessment import Assessment
    from jptextclf.licensing.reports._blocks import Block, Cell, Line
    from jptextclf.licensing.reports._subject import ReportSubject

_PLAIN_CODE = re.compile(r"[A-Za-z0-9 ._:/@+()-]+\Z")
"""What can stand between back quotes as it is."""


def write_markdown(assessment: Assessment, subject: ReportSubject) -> str:
    """The report in Markdown, in the language of now."""
    report = report_of(assessment, subject)
    head = [
        f"# {markdown(report.title)}",
        f"**{markdown(report.verdict_label)}** (`{report.verdict}`): {markdown(report.verdict_meaning)}",
        _block(report.facts),
        f"> {markdown(report.notice)}",
    ]
    body = [
        block
        for number, section in enumerate(report.sections, 1)
        for block in (f"## {number}. {markdown(section.title)}", *map(_block, section.blocks))
    ]
    return "\n\n".join(head + body) + "\n"


REPORT = write_markdown


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Paragraph(lines):
            return _joined(lines, "\n")
        case Items(items):
            return "\n".join(f"- {_joined(item, ' ')}" for item in items)
        case Pairs(pairs):
            return "\n".join(f"- **{markdown(term)}**: {_joined(cell, ' ')}" for term, cell in pairs)


def _table(table: Table) -> str:
    rows = [tuple(markdown(one) for one in table.columns), tuple("---" for _ in table.columns)]
    rows += [tuple(_joined(cell, "<br>") for cell in row.cells) for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _joined(cell: Cell, between: str) -> str:
    return between.join(_line(one) for one in cell)


def _line(one: Line) -> str:
    text = shown(one.text)
    if one.url and web_address(one.url) and "|" not in one.url:
        return f"<{one.url}>" if text == one.url else f"[{markdown(text)}](<{one.url}>)"
    if one.tone == "code" and _PLAIN_CODE.match(text):
        return f"`{text}`"
    return markdown(text)
