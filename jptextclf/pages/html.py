"""Parts of a page. Everything is escaped unless it is :class:`Html` already."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Literal

from jptextclf.messages import text
from jptextclf.pages.visible import parts, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal["ok", "note", "warning", "error"]
_SIGNS: dict[str, str] = {"ok": "✓", "note": "i", "warning": "!", "error": "×"}
_JAPANESE = re.compile("[\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(part: object) -> Html:
    """HTML as it is; everything else escaped, with what cannot be seen by name, line feeds apart."""
    if isinstance(part, Html):
        return part
    return Html("\n".join(escape(visible(line)) for line in str(part).split("\n")))


def together(*found: object) -> Html:
    """Parts one below the other; empty ones are left out."""
    return Html("\n".join(escaped(one) for one in found if one))


def foreign(found: str, *, limit: int = 300, alone: bool = False) -> Html:
    """A text from data: escaped, cut, isolated, what cannot be seen shown by name, Japanese marked as such.

    :param limit: characters
    :param alone: also white space is shown by name
    """
    if len(found) > limit:
        found = found[:limit] + "…"
    shown = "".join(
        f'<span class="cp">{escape(run)}</span>' if named else escape(run)
        for run, named in parts(found, alone=alone)
    )
    return Html(f'<bdi lang="ja">{shown}</bdi>' if _JAPANESE.search(found) else f"<bdi>{shown}</bdi>")


def paragraph(sentence: object, *, soft: bool = False) -> Html:
    """:param soft: less important than the rest"""
    return Html(f"<p{' class=soft' if soft else ''}>{escaped(sentence)}</p>")


def bullets(items: Iterable[object]) -> Html:
    """An unordered list; nothing for no items."""
    found = "".join(f"<li>{escaped(one)}</li>" for one in items)
    return Html(f"<ul>{found}</ul>" if found else "")


def row_of_figures(found: Iterable[Html]) -> Html:
    """Charts beside one another where there is room."""
    charts = list(found)
    if len(charts) < 2:
        return Html("".join(charts))
    inside = "\n".join(charts)
    return Html(f'<div class="figures">{inside}</div>')


def notice(sentence: object, *, kind: Kind = "ok") -> Html:
    """A sentence that should not be missed; sign and word say what the colour says."""
    word = text(f"pages.{kind}")
    return Html(
        f'<p class="notice {kind}"><span class="sign" aria-hidden="true">{_SIGNS[kind]}</span>'
        f'<span><strong class="word">{escape(word)}</strong> {escaped(sentence)}</span></p>'
    )


def details(summary: object, body: object, *, id: str | None = None, open: bool = False) -> Html:  # noqa: A002
    """Something that is opened when it is wanted.

    :param id: that links may lead to
    """
    named = f' id="{escape(id)}"' if id else ""
    return Html(
        f"<details{named}{' open' if open else ''}><summary>{escaped(summary)}</summary>\n{escaped(body)}</details>"
    )


def anchor_link(target_id: str, shown: object) -> Html:
    """A link to a place on the same page."""
    return Html(f'<a href="#{escape(target_id)}">{escaped(shown)}</a>')


def table(
    columns: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    numbers_from: int = 1,
    caption: str | None = None,
    row_headers: bool = True,
) -> Html:
    """A table that scrolls inside itself where the page is narrow.

    :param numbers_from: columns from this one on are right-aligned
    :param caption: what it shows; on the page it is a small heading
    :param row_headers: the first column names the rows
    """
    head = "".join(
        f'<th scope="col"{" class=num" if place >= numbers_from else ""}>{escaped(name)}</th>'
        for place, name in enumerate(columns)
    )
    body = "\n".join(f"<tr>{_row(row, numbers_from, row_headers=row_headers)}</tr>" for row in rows)
    said = f"<caption>{escaped(caption)}</caption>" if caption else ""
    return Html(
        f'<div class="scroll" tabindex="0"><table>{said}\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _row(row: Sequence[object], numbers_from: int, *, row_headers: bool) -> str:
    cells = []
    for place, cell in enumerate(row):
        kind = " class=num" if place >= numbers_from else ""
        if place == 0 and row_headers:
            cells.append(f'<th scope="row"{kind}>{escaped(cell)}</th>')
        else:
            cells.append(f"<td{kind}>{escaped(cell)}</td>")
    return "".join(cells)
