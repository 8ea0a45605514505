"""A whole page that needs nothing else, and a fragment for notebooks."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from jptextclf.messages import language, text
from jptextclf.pages.html import Html, escaped

if TYPE_CHECKING:
    from collections.abc import Sequence


GENERATOR = '<meta name="generator" content="jptextclf">'
"""By it a page is known as one of this package."""


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading of its own."""

    id: str
    heading: str
    body: Html


def document(title: str, sections: Sequence[Section], *, lead: Html | str = "", script: bool = False) -> str:
    """One page, in the language of now. Nothing is fetched, and no script runs but the one of this package.

    :param lead: what stands before the list of sections
    :param script: whether links open what they lead to, and thresholds can be moved; all can be read without it
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    code = _file("page.js") if script else ""
    if script:
        digest = base64.b64encode(hashlib.sha256(code.encode("utf-8")).digest()).decode("ascii")
        policy += f"; script-src 'sha256-{digest}'"
    contents = "".join(f'<li><a href="#{one.id}">{escaped(one.heading)}</a></li>' for one in sections)
    body = "\n".join(
        f'<section aria-labelledby="{one.id}"><h2 id="{one.id}" tabindex="-1">{escaped(one.heading)}</h2>\n{one.body}\n</section>'
        for one in sections
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n{GENERATOR}\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="robots" content="noindex">\n<title>{escaped(title)}</title>\n'
        f"<style>\n{_file('style.css')}{_file('page.css')}</style>\n</head>\n"
        f'<body class="jp">\n<a class="skip" href="#main">{escape(text("pages.skip"))}</a>\n'
        f"<header><h1>{escaped(title)}</h1>\n{escaped(lead)}\n"
        f'<nav aria-label="{escape(text("pages.contents"))}"><ol>{contents}</ol></nav></header>\n'
        f'<main id="main">\n{body}\n</main>\n{f"<script>{code}</script>" if script else ""}\n</body>\n</html>\n'
    )


def fragment(body: Html) -> str:
    """What a notebook shows; its style reaches nothing else there."""
    return f'<div class="jp" lang="{language()}" style="padding:.5em"><style>\n{_file("style.css")}</style>\n{body}\n</div>\n'


@cache
def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
