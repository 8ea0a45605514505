"""Licences that the body of a card names: where, in which words, and whether of the model."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jptextclf.licensing.reading.document import Plain
from jptextclf.licensing.reading.names import Name, find_names
from jptextclf.licensing.reading.subjects import About, is_license_title, what_about

if TYPE_CHECKING:
    from jptextclf.licensing.reading.document import Block, Document

MOST = 500
"""Mentions that are kept of one card."""
_VERSIONLESS = re.compile(r"LicenseRef-(.+)-(?:family|unversioned)\Z")


@dataclass(frozen=True)
class Mention:
    """A licence named in the body."""

    license: str
    """SPDX id, ``LicenseRef-…``, or ``LicenseRef-…-family`` / ``-unversioned`` where no version is said."""
    span: tuple[int, int]
    """First character of the name in the card, and the one behind it."""
    line: int
    """From 1."""
    statement: str
    """The clause around it, in the card's own words."""
    about: About


def find_mentions(document: Document, lines: LineIndex) -> list[Mention]:
    """The licences that a document names, in order."""
    mentions: list[Mention] = []
    for block in document.blocks:
        plain = Plain(document.prose, block.start, block.end)
        for name in _strong(find_names(plain.text)):
            start, end = plain.span(name.start, name.end)
            mentions.append(_mention(document, lines, replace(name, start=start, end=end), block))
            if len(mentions) >= MOST:
                return mentions
    return _told_apart(mentions)


class LineIndex:
    """Characters -> lines of a text, from 1."""

    def __init__(self, text: str) -> None:
        self._ends = [match.end() for match in re.finditer(r"\r\n|\n|\r", text)]

    def __call__(self, position: int) -> int:
        return bisect_right(self._ends, position) + 1


def quoted(text: str, start: int, end: int, *, longest: int = 300) -> str:
    """A stretch of the card on one line, cut where it is long."""
    words = " ".join(text[start:end].split())
    return words if len(words) <= longest else words[: longest - 1] + "…"


def family_of(license_id: str) -> str | None:
    """``LicenseRef-GPL-family -> GPL``; None for an id that names its text."""
    match = _VERSIONLESS.match(license_id)
    return match[1] if match else None


def covers(general: str, license_id: str) -> bool:
    """Whether an id without a version leaves room for another one: GPL for ``GPL-3.0-only``."""
    family = family_of(general)
    if family is None:
        return False
    bare = license_id.removeprefix("LicenseRef-").replace("PlusPlus-", "")
    if family == "OpenRAIL":
        return "openrail" in bare.lower()
    if family == "BigScience-RAIL":
        return bare.startswith(("BigScience", "LicenseRef-BigScience"))
    is_longer = bare.startswith(f"{family}-") or (family == "LGPL" and bare == "LGPLLR")
    return is_longer and (not family.startswith("CC-") or bool(re.match(r"\d", bare[len(family) + 1 :])))


def _strong(names: list[Name]) -> list[Name]:
    strong = [name for name in names if not name.is_weak]
    return strong or names


def _mention(document: Document, lines: LineIndex, name: Name, block: Block) -> Mention:
    about, statement = what_about(document, name.start, name.end)
    if about == "model" and _is_badge(document, name, block):
        about = "other-or-unclear"
    words = quoted(document.text, statement.start, statement.end)
    return Mention(name.license, (name.start, name.end), lines(name.start), words, about)


def _is_badge(document: Document, name: Name, block: Block) -> bool:
    """Whether the name is the text of an image outside a licence section; such badges are copied from code."""
    before = document.prose[max(block.start, name.start - 300) : name.start].rpartition("\n")[2]
    is_image = "![" in before or "<img" in before or "shields.io" in before
    return is_image and not any(is_license_title(heading.title) for heading in block.headings)


def _told_apart(mentions: list[Mention]) -> list[Mention]:
    """A name without a version is not about the model where the card says the version as well."""
    exact = {one.license for one in mentions if one.about == "model" and family_of(one.license) is None}
    return [
        replace(one, about="other-or-unclear")
        if one.about == "model" and any(covers(one.license, other) for other in exact)
        else one
        for one in mentions
    ]
