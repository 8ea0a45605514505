"""The prose of a card: what is code, comment or citation is blanked out, the rest cut into statements.

It knows Markdown's shape, not licences' names. Positions are always those of the whole card.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from jptextclf.licensing.reading.letters import MARKED, UNSEEN, folded

LARGEST = 200_000
"""Characters of a body that are read; the largest real ones are a tenth of it."""
_REACH = 600
"""Characters around a position in which its statement is looked for."""
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<style\b.*?(?:</style>|\Z)|<script\b.*?(?:</script>|\Z)", re.DOTALL | re.IGNORECASE
)
_FENCE = re.compile(r"[ \t]{0,12}(?:[-*>][ \t]{1,3})?(`{3,}|~{3,})(.*)")
_CITATION = re.compile(
    r"[ \t]{0,8}@(?:article|book|dataset|in\w+|manual|mastersthesis|misc|online|phdthesis|proceedings|software"
    r"|tech\w+|unpublished)[ \t]*\{",
    re.IGNORECASE,
)
_HEADING = re.compile(r"[ \t]{0,3}(#{1,6})[ \t]*([^\r\n]*)")
_PSEUDO = re.compile(r"[ \t]{0,3}(?:[-*+][ \t]+)?(?:\*\*|__)([^*_\r\n]{2,60})(?:\*\*|__)[ \t]*[:：]?[ \t]*$")
_LABEL = re.compile(r"[ \t]{0,3}([A-Za-zぁ-んァ-ヶ一-龠][^\r\n:：.。]{1,50})[:：][ \t]*$")
_HTML_HEADING = re.compile(r"[ \t]{0,3}<h([1-6])[^>\r\n]{0,100}>([^<\r\n]*)", re.IGNORECASE)
_UNDERLINE = re.compile(r"[ \t]{0,3}(=+|-+)[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[-*+•・※]|\d{1,3}[.)])[ \t]+")
_LABELLED = re.compile(r"[ \t]*[\W_]{0,6}\w[\w \-]{0,30}(?:\*\*|__)?[ \t]*[:：]")
_BREAK = re.compile(r"(?<=[.!?])[\"'”)]?\s+(?=[\"'“\[(*A-Z`])|(?<=[。！？!?])|;\s")
_CJK = "ぁ-ヿ㐀-䶿一-鿿々"
_DRESSING = re.compile(
    rf"[{UNSEEN}]+|(?P<wrap>(?<=[{_CJK}、])[ \t]*(?:\r\n|\n|\r)[ \t\u3000]*(?=[{_CJK}]))|\s+|\*+|`+|~~"
    rf"|</?(?!a\b|img\b)[a-zA-Z][^<>\n]{{0,200}}>|(?P<kana>{MARKED})"
)
_FAR = 1 << 60
_WRAPPED = 20
"""Characters of a Japanese line that may go on in the next one; shorter ones are lines of their own."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")


@dataclass(frozen=True)
class Heading:
    """A heading, or a line that stands for one."""

    level: int
    title: str


@dataclass(frozen=True)
class Block:
    """A paragraph, list item, or table row: what a sentence cannot reach beyond."""

    start: int
    end: int
    headings: tuple[Heading, ...]
    """From the outermost in."""
    is_row: bool = False


@dataclass(frozen=True)
class Statement:
    """The clause around a position."""

    start: int
    end: int
    block: Block


class Document:
    """The body of a card, cut into blocks.

    :param text: the whole card
    :param body_start: character at which its body begins
    """

    def __init__(self, text: str, body_start: int = 0) -> None:
        self.text = text
        self.is_complete = len(text) - body_start <= LARGEST
        self.end = min(len(text), body_start + LARGEST)
        """Character behind the last one that is read."""
        body = text[body_start : self.end]
        self.body_start = body_start
        self.prose = " " * body_start + _without_code(folded(body))
        """The card up to the end of what is read, of equal length, in plain letters, blank where nobody speaks."""

    @cached_property
    def blocks(self) -> list[Block]:
        """In the order of the card, without overlaps."""
        return _Cutter(self.prose, self.body_start).blocks

    @cached_property
    def _starts(self) -> list[int]:
        return [block.start for block in self.blocks]

    def statement(self, start: int, end: int) -> Statement:
        """The clause that a span stands in, at most a few hundred characters to either side."""
        index = bisect_right(self._starts, start) - 1
        block = self.blocks[max(index, 0)]
        begin, stop = max(block.start, start - _REACH), min(block.end, end + _REACH)
        # One character more, since a break shows in what follows it.
        for found in _BREAK.finditer(self.prose, begin, start + 1):
            begin = min(found.end(), start)
        found_after = _BREAK.search(self.prose, end, stop)
        return Statement(begin, found_after.start() if found_after else stop, block)


class Plain:
    """A stretch of prose without emphasis, tags and runs of blanks; it knows where its characters stood.

    ``"is <b>not</b>   allowed" -> "is not allowed"``. A line break stays one, without indentation; between Japanese
    characters it goes, since it parts no words there. Characters that nobody sees go too.
    """

    def __init__(self, prose: str, start: int, end: int) -> None:
        pieces: list[str] = []
        self._places: list[tuple[int, int]] = []
        """Where each piece begins: here, and in the prose."""
        length, position = 0, start
        for match in _DRESSING.finditer(prose, start, end):
            for piece, place in (
                (prose[position : match.start()], position),
                (_undressed(match), match.start()),
            ):
                self._places.append((length, place))
                pieces.append(piece)
                length += len(piece)
            position = match.end()
        self._places.append((length, position))
        self.text = "".join([*pieces, prose[position:end]])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the prose of what stands at ``start`` to ``end`` here; it is not empty."""
        return self._place(start), self._place(end - 1) + 1

    def _place(self, position: int) -> int:
        here, there = self._places[bisect_right(self._places, (position, _FAR)) - 1]
        return there + position - here


def _undressed(match: re.Match[str]) -> str:
    """What stays of a piece that is not plain."""
    if match["kana"]:
        return unicodedata.normalize("NFKC", match[0])
    line = match.string[max(0, match.start() - _WRAPPED) : match.start()]
    if not match[0].isspace() or (match["wrap"] and len(line.splitlines()) == 1):
        return ""
    return "\n" if "\n" in match[0] or "\r" in match[0] else " "


def _without_code(body: str) -> str:
    """Fenced code, comments and BibTeX entries become blanks; lines stay where they are."""
    body = _HIDDEN.sub(lambda match: _blank(match[0]), body)
    pieces, fence, depth = [], "", 0
    for match in _LINE.finditer(body):
        line = match[0]
        opened = _FENCE.match(line) if depth == 0 else None
        if fence:
            is_end = opened and opened[1].startswith(fence) and not opened[2].strip()
            fence = "" if is_end else fence
            line = _blank(line)
        elif opened and "`" not in opened[2]:
            fence, line = opened[1], _blank(line)
        elif depth > 0 or _CITATION.match(line):
            # An entry that is never closed ends with the paragraph.
            depth = max(0, depth + line.count("{") - line.count("}")) if line.strip() else 0
            line = _blank(line)
        pieces.append(line)
    return "".join(pieces)


def _blank(text: str) -> str:
    return re.sub(r"[^\r\n]", " ", text)


class _Cutter:
    """Lines -> blocks, with the headings above them."""

    def __init__(self, prose: str, body_start: int) -> None:
        self.blocks: list[Block] = []
        self._prose = prose
        self._headings: list[Heading] = []
        self._open: int | None = None
        for match in _LINE.finditer(prose, body_start):
            self._line(match[0], match.start(), match.end())
        self._close(len(prose))
        if not self.blocks:
            self.blocks.append(Block(body_start, len(prose), ()))

    def _line(self, line: str, start: int, end: int) -> None:
        bare = line.strip()
        if not bare:
            self._close(start)
        elif heading := self._heading(line, end):
            self._close(start)
            self._headings = [one for one in self._headings if one.level < heading.level] + [heading]
            # A title can state a licence too: "## License: MIT".
            self._add(start, end)
        elif bare.startswith("|") or bare.count("|") > 1:
            self._close(start)
            self._add(start, end, is_row=True)
        elif self._open is None or _ITEM.match(line) or _LABELLED.match(line):
            self._close(start)
            self._open = start

    def _heading(self, line: str, end: int) -> Heading | None:
        if match := _HEADING.match(line):
            return Heading(len(match[1]), match[2].strip(" #*_\t\r\n"))
        if match := _HTML_HEADING.match(line):
            return Heading(int(match[1]), match[2].strip())
        bare = line.rstrip("\r\n")
        if match := _PSEUDO.match(bare) or (self._open is None and _LABEL.match(bare)) or None:
            return Heading(7, match[1].strip(" :：*_"))
        following = _LINE.match(self._prose, end)
        if (
            self._open is None
            and len(bare) < 100
            and following
            and _UNDERLINE.match(following[0].rstrip("\r\n"))
        ):
            return Heading(1 if "=" in following[0] else 2, bare.strip())
        return None

    def _close(self, end: int) -> None:
        if self._open is not None:
            self._add(self._open, end)
            self._open = None

    def _add(self, start: int, end: int, *, is_row: bool = False) -> None:
        self.blocks.append(Block(start, end, tuple(self._headings), is_row))
