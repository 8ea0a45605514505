"""Licence text -> words that can be compared: what the SPDX matching guidelines call immaterial is gone.

White space, case, punctuation, quotes, dashes, bullets, comment marks, addresses on the web, copyright notices,
spelling variants and the names that a licence leaves blank do not count. It does not know any licence.
Source: https://spdx.github.io/spdx-spec/v2.3/license-matching-guidelines-and-templates/
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass

_MARKS = re.compile(r"^[\s#*/;>|%\"'.·•-]*(?:dnl\s|rem\s)?\s*")
_BULLET = re.compile(r"(?<![\w.])\(?(?:[0-9]{1,2}|[a-z]|[ivx]{1,4})[.)](?=\s|$)")
"""A number or letter of a list. It is dropped wherever it stands, since wrapping moves it away from a line's start."""
_WORD = re.compile(r"[a-z0-9]+|[぀-ヿ㐀-䶿一-鿿々〆]")
_NOTICE = re.compile(
    r"(?:(?:portions |parts )?copyright\s*(?:\(c\)|©|:|,|by|\s)*\s*(?:[0-9]{4}|<|\[|\{|yyyy)"
    r"|(?:portions |parts )?copyright\s*(?:\(c\)|©)|(?:\(c\)|©)\s*(?:copyright\s*)?[0-9<\[]"
    r"|著作権(?:者|表示|所有)?\s*[:：(（©]|(?:\(c\)|©|[0-9]{4}).*著作権|.*著作権.*(?:\(c\)|©|[0-9]{4}))"
)
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>()\[\]\"']*[^\s<>()\[\]\"'.,;:]")
_SENTENCE_END = re.compile(r"(?<!\binc)(?<!\bltd)(?<!\bcorp)(?<!\bco)(?<!\b[a-z])\.\s+")
_RUNNING = 40
"""Characters from which a line without a full stop goes on in the next one."""
_RESERVED = ("all", "rights", "reserved")
_SHORT = 300
"""Characters in which a notice has to show itself."""
_SPELLINGS = {
    "licence": "license", "licences": "licenses", "licenced": "licensed", "https": "http", "favour": "favor",
    "fulfil": "fulfill", "organisation": "organization", "authorised": "authorized", "recognise": "recognize",
    "modelling": "modeling", "honour": "honor", "programme": "program", "acknowledgement": "acknowledgment",
}  # fmt: skip
_PAIRS = {
    ("sub", "license"): "sublicense", ("non", "commercial"): "noncommercial", ("non", "infringement"): "noninfringement",
    ("copyright", "owner"): "holder", ("copyright", "owners"): "holders", ("copyright", "holder"): "holder",
    ("copyright", "holders"): "holders", ("per", "cent"): "percent",
}  # fmt: skip
_BLANKS: tuple[tuple[tuple[str, ...], tuple[str, ...], int], ...] = (
    (("neither", "the", "name"), ("may", "be", "used"), 40),
    (("neither", "the", "names"), ("may", "be", "used"), 40),
    (("software", "is", "provided", "by"), ("as", "is"), 25),
    (("no", "event", "shall"), ("be", "liable"), 30),
    (("no", "event", "will"), ("be", "liable"), 30),
    (("as", "is", "and"), ("disclaims", "all"), 20),
    (("prior", "permission"), ("disclaims", "all"), 20),
    (("prior", "permission"), ("makes", "no"), 20),
    (("the", "name", "of"), ("not", "be", "used", "in"), 20),
)  # fmt: skip
"""Where licences name their holder: words before, words after, and the most words between."""
_FIRST = frozenset(before[:2] for before, _, _ in _BLANKS)
_BLANK = "…"


@dataclass(frozen=True)
class Words:
    """The words of a text that count, and the notices that do not."""

    words: tuple[str, ...]
    lines: tuple[int, ...]
    """Line of each word, from 1."""
    copyrights: tuple[str, ...]
    """Copyright lines as they stand, without marks and surplus white space; once each."""
    blanks: tuple[str, ...]
    """What stands where a licence names its holder; the words hold one mark for it."""


def decode(data: bytes) -> str:
    """The text of a licence file: UTF-8, UTF-16 with its mark, cp932 or Latin-1. Never raises."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def words_of(text: str) -> Words:
    """The words that count in a text, with their lines.

    ``"1. Redistributions’ LICENCE" -> ("redistributions", "license")``.
    """
    words: list[str] = []
    lines: list[int] = []
    copyrights: list[str] = []
    runs_on = False
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not raw or raw.isspace():
            runs_on = False
            continue
        line = _MARKS.sub("", unicodedata.normalize("NFKC", raw).lower(), count=1)
        # In the middle of a sentence "copyright (c)" is what the licence asks for, not a notice.
        if not runs_on and _NOTICE.match(line[:_SHORT]):
            notice, line = _notice(line)
            copyrights.append(_as_it_stands(raw)[: len(notice)])
            if not line:
                continue
        runs_on = len(line) > _RUNNING and line.rstrip()[-1:] not in ".:;"
        found = _WORD.findall(_BULLET.sub(" ", _ADDRESS.sub(" ", line)))
        words += found
        lines += [number] * len(found)
    words, lines = _same_spelling(words, lines)
    words, lines, blanks = _without_names(words, lines)
    return Words(tuple(words), tuple(lines), tuple(dict.fromkeys(copyrights)), tuple(blanks))


def plain(text: str) -> str:
    """Every word of a text, notices too, with one space between them."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).lower())).replace(
        "non commercial", "noncommercial"
    )


def _notice(line: str) -> tuple[str, str]:
    """The notice at the start of a line, its first sentence, and the rest of the line."""
    end = _SENTENCE_END.search(line)
    return (line[: end.end()].rstrip(), line[end.end() :]) if end else (line, "")


def _as_it_stands(line: str) -> str:
    return " ".join(_MARKS.sub("", line, count=1).split())


def _same_spelling(words: list[str], lines: list[int]) -> tuple[list[str], list[int]]:
    kept: list[str] = []
    at: list[int] = []
    for word, line in zip(words, lines, strict=True):
        spelled = _SPELLINGS.get(word, word)
        joined = _PAIRS.get((kept[-1], spelled)) if kept else None
        if joined:
            kept[-1] = joined
        elif spelled == "reserved" and tuple(kept[-2:]) == _RESERVED[:2]:
            del kept[-2:], at[-2:]
        else:
            kept.append(spelled)
            at.append(line)
    return kept, at


def _without_names(words: list[str], lines: list[int]) -> tuple[list[str], list[int], list[str]]:
    """Names of holders replaced by one mark each, so that a filled-in licence equals the blank one."""
    kept: list[str] = []
    at: list[int] = []
    blanks: list[str] = []
    position = 0
    while position < len(words):
        span = _blank_at(words, position) if tuple(words[position : position + 2]) in _FIRST else None
        if span is None:
            kept.append(words[position])
            at.append(lines[position])
            position += 1
            continue
        begin, end = span
        kept += [*words[position:begin], _BLANK]
        at += lines[position : begin + 1]
        blanks.append(" ".join(words[begin:end]))
        position = end
    return kept, at, blanks


def _blank_at(words: list[str], position: int) -> tuple[int, int] | None:
    """Where the name after these words begins and ends; None if this is no such place."""
    for before, after, most in _BLANKS:
        begin = position + len(before)
        if tuple(words[position:begin]) != before:
            continue
        for end in range(begin + 1, min(begin + most, len(words) - len(after)) + 1):
            if tuple(words[end : end + len(after)]) == after:
                return begin, end
    return None
