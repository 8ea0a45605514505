"""Limits on use that prose states beside a licence, in English and Japanese. The patterns are data.

It does not judge: whether a limit matters is a question of the use.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jptextclf.licensing.reading.document import Document, Plain
from jptextclf.licensing.reading.letters import UNSEEN
from jptextclf.licensing.reading.mentions import LineIndex, quoted
from jptextclf.licensing.reading.subjects import About, what_about

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = Path(__file__).with_name("restrictions.toml")
MOST = 500
"""Restrictions that are kept of one card."""
INTENDED = "intended-for-research"
"""A stated purpose ("intended for research"), which asks for nothing; every other kind is a term."""
UNREAD = "not-read-in-full"
"""Stands for what may follow behind the part that was read."""
_TRIGGER = re.compile(
    r"commercial|research|academic|education|evaluation|private|personal|redistribut|re-distribut|derivative|profit"
    r"|compan|corporat|business|enterprise|商|営利|研究|学術|教育|個人|配布|頒布|転載|改変|企業|法人|会社|事業|業務|ビジネス"
    # What nobody sees may stand inside of any of them.
    rf"|大学|学生|有償|有料|アカデミ|収益|利益|販売|individual|scientif|product|[{UNSEEN}\u3099\u309aｦ-ﾝ]",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"(?:(?:not|n't)\s(?:only|just|solely|limited|restricted)|without|no\sneed)[\s\w]{0,12}\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Restriction:
    """A limit on use, as upstream words it."""

    kind: str
    """``non-commercial``, ``commercial-by-permission``, ``research-only``, ``educational-only``, ``evaluation-only``,
    ``personal-only``, ``no-redistribution``, ``no-derivatives``, ``not-read-in-full``, or ``intended-for-research``,
    which is a wish and no term."""
    span: tuple[int, int]
    """First character of the words in the text, and the one behind them."""
    line: int
    """From 1."""
    statement: str
    """The clause around it."""
    about: About
    words: str = ""
    """The words that limit, alone."""

    @property
    def is_term(self) -> bool:
        """Whether it forbids something; a stated purpose does not."""
        return self.kind != INTENDED


@dataclass(frozen=True)
class _Pattern:
    kind: str
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    unless_inside: re.Pattern[str] | None
    unless_after: re.Pattern[str] | None

    def is_denied(self, before: str, words: str, after: str) -> bool:
        """Whether what stands around or inside a match turns it round."""
        return bool(
            _NEGATED.search(before)
            or (self.unless and self.unless.search(before))
            or (self.unless_inside and self.unless_inside.search(words))
            or (self.unless_after and self.unless_after.match(after))
        )


def find_restrictions(text: str) -> tuple[Restriction, ...]:
    """The limits on use that any prose states: a README, ``extra_gated_prompt``, a clause of a contract.

    ``"商用利用は禁止です" -> non-commercial``; ``"商用利用可"`` and "commercial use is allowed" state none. Of a text
    longer than what is read (200,000 characters) the last one is of the kind ``not-read-in-full``.
    """
    document = Document(text)
    lines = LineIndex(text[: document.end])
    found = restrictions_of(document, lines)
    if not document.is_complete or len(found) >= MOST:
        end = document.end
        found.append(Restriction(UNREAD, (end, end), lines(end), "", "other-or-unclear"))
    return tuple(found)


def restrictions_of(document: Document, lines: LineIndex) -> list[Restriction]:
    """The same for a document that has been cut already."""
    found: list[Restriction] = []
    for block in document.blocks:
        if not _TRIGGER.search(document.prose, block.start, block.end):
            continue
        plain = Plain(document.prose, block.start, block.end)
        for kind, left, right in _spans(plain.text):
            start, end = plain.span(left, right)
            about, statement = what_about(document, start, end, is_term=True)
            words = quoted(document.text, statement.start, statement.end)
            own = quoted(document.text, start, end)
            found.append(Restriction(kind, (start, end), lines(start), words, about, own))
            if len(found) >= MOST:
                return found
    return found


@lru_cache(maxsize=1)
def _patterns() -> tuple[_Pattern, ...]:
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return tuple(_row(row, table["words"]) for row in table["restriction"])


def _row(row: dict[str, str], words: dict[str, str]) -> _Pattern:
    def compiled(text: str) -> re.Pattern[str]:
        for name, choice in words.items():
            text = text.replace(f"{{{name}}}", f"(?:{choice})")
        return re.compile(text, re.IGNORECASE)

    guards = ("unless", "unless_inside", "unless_after")
    return _Pattern(
        row["kind"],
        # An English word must not begin inside another one; before Japanese the edge asks for nothing.
        compiled(f"(?<![A-Za-z])(?:{row['pattern']})"),
        *(compiled(row[key]) if key in row else None for key in guards),
    )


def _spans(text: str) -> list[tuple[str, int, int]]:
    """Kind and span of each limit in a block, in order; of spans that overlap the earlier row of the table stays."""
    spans: list[tuple[int, int, str]] = []
    for kind, left, right in _candidates(text):
        place = bisect_left(spans, (left, right, ""))
        is_free = not (place < len(spans) and spans[place][0] < right) and not (
            place and spans[place - 1][1] > left
        )
        if is_free:
            spans.insert(place, (left, right, kind))
        if len(spans) >= MOST:
            break
    return [(kind, left, right) for left, right, kind in spans]


def _candidates(text: str) -> Iterator[tuple[str, int, int]]:
    for row in _patterns():
        for match in row.pattern.finditer(text):
            before = text[max(0, match.start() - 40) : match.start()]
            after = text[match.end() : match.end() + 40]
            if not row.is_denied(before, match[0], after):
                yield row.kind, match.start(), match.end()
