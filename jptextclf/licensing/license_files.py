"""Licence files: which licence a LICENSE or COPYING file is, by equal words or by likeness to the shipped texts.

It reads texts, not what a package says of itself, and it never guesses: altered terms are NOASSERTION.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from jptextclf.licensing.components import NOASSERTION, join_and
from jptextclf.licensing.license_texts import license_text, license_texts
from jptextclf.licensing.license_words import Words, decode, plain, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

THRESHOLD = 0.9
"""Least likeness, 0 to 1, at which a text counts as a licence."""
_SHORT = 450
"""Words below which each one counts for more."""
_SHORT_THRESHOLD = 0.95
"""Least likeness of a short text whose terms count as unaltered."""
_LARGEST = 1 << 20
"""Bytes that are read; a longer file is NOASSERTION, since nobody knows what its end says."""
_PART = THRESHOLD / (2 - THRESHOLD)
"""Least part of a text that has to be in a file for that likeness, 0 to 1."""
_RUN = 3
"""Words of a run; likeness is counted in runs."""
_GAP = 40
"""Runs without a match that end one licence."""
_STEADY = 5
"""Runs whose middle place counts, so that a stray one does not."""
_SHORTEST = 25
"""Words of the shortest text that is compared."""
_NEAR = 100
"""Runs around a licence where its title or its advice may stand."""
_LONGEST_TITLE = 60
"""Words of titles, at most."""
_OVERLAP = 0.1
"""Part of a licence that may lie inside of another one."""
_MOST = 60
"""Texts that are compared in full."""
_ENDINGS = (
    "end of terms and conditions",
    "creative commons notice",
    "creative commons is not a party to",
    "how to apply these terms to your new",
)
"""Where the terms end; advice and the publisher's notes after it are left out of many copies."""
_BEGINNINGS = (
    "by exercising",
    "terms and conditions for use reproduction and distribution",
    "license the work as defined",
)
"""Where the terms begin; a title or an introduction before it is left out of many copies."""
_LGPL_SECOND_PART = "gnu general public license version 3 29 june 2007"

_NOTICES = (
    ("Apache-2.0", "licensed under the apache license version 2 0", "limitations under the license"),
    ("MPL-2.0", "this source code form is subject to the terms", "you can obtain one at"),
    ("GPL-2.0-or-later", "this program is free software", "59 temple place"),
    ("GPL-2.0-or-later", "this program is free software", "51 franklin street"),
    ("GPL-3.0-or-later", "this program is free software", "if not see"),
    ("AGPL-3.0-or-later", "this program is free software", "if not see"),
    ("LGPL-2.1-or-later", "this library is free software", "51 franklin street"),
)
"""Short statements that stand for a text: id, and the words with which they begin and end in the text itself."""
_EXCEPTIONS = {
    "LLVM-exception": "Apache-2.0",
    "GCC-exception-3.1": "GPL-3.0",
    "Classpath-exception-2.0": "GPL-2.0",
}
"""Each exception with a text, and the licence that it is an exception to."""
_TELLING_WORDS = """
    not no only except unless without any all free charge fee royalty use used using copy modify merge publish distribute
    distribution redistribute redistribution sublicense sell sold commercial commercially noncommercial research
    educational academic personal evaluation internal prohibited forbidden restricted restriction may must shall cannot
    derivative derivatives adapted permission granted revocable irrevocable perpetual worldwide military benchmark train
    training patent source attribution terminate neither nor modification modified unmodified unchanged verbatim deleted
    lesser affero library mozilla netscape apache gnu eclipse python 0 1 2 3 4 5 6 7 8 9
    商 用 営 利 非 禁 止 研 究 目 的 許 諾 不 可 除 く
    """
_TELLING = frozenset(_TELLING_WORDS.split())
"""Words that change what a licence allows, wherever they are added or missing."""
_LIMIT = re.compile(
    r"\b(?:noncommercial|commercial (?:use|purposes?)|commons clause|(?:research|academic|educational|evaluation|personal)"
    r" (?:purposes?|only|use)|(?:may|must) not|prohibit(?:s|ed)|forbid(?:s|den)|the right to sell)\b"
    r"|商 用|営 利|非 商|禁 止|研 究 目 的|許 可 な|許 諾 な|に 限 る|に 限 り"
)
"""Limits in a copyright notice or in the place of a name, as words with one space between them."""
_CONDITION = re.compile(
    r"\b(?:not|may|must|shall|agrees?|requires?|required|accompanied|conditions?|governed|arbitration|restrict(?:ed|ions?)"
    r"|terminates?|except(?! (?:where|when))|only|modification part|additional (?:clause|terms)|license terms|acknowledge|exception"
    r"|provided that|permission)\b"
)
"""What sets conditions in the words around a licence, besides limits."""


@dataclass(frozen=True)
class Found:
    """One licence in a file."""

    id: str
    score: float
    """Likeness to the text of that licence, 0 to 1."""
    exact: bool
    """Whether every word that counts is there, and no other, in order."""
    line: int
    """Where it begins, from 1."""
    altered: bool = False
    """Whether words that tell were added or are missing."""


@dataclass(frozen=True)
class LicenseFile:
    """What a licence file is."""

    license: str = NOASSERTION
    """SPDX id; several licences joined with ``AND``; ``NOASSERTION`` if unknown, altered or with terms added."""
    score: float = 0.0
    """Likeness, 0 to 1: of the least like one of several licences, else of the best candidate."""
    exact: bool = False
    """Whether the file is these licences word for word, but for titles and copyright notices."""
    licenses: tuple[Found, ...] = ()
    """Every licence in it, in the order of the file."""
    candidates: tuple[tuple[str, float], ...] = ()
    """The best three texts of all and their likeness."""
    copyrights: tuple[str, ...] = ()
    additional: str = ""
    """The words around the licences; titles and copyright notices do not count."""
    sha256: str = ""
    """Of the bytes; for a ``str``, of its UTF-8."""


def identify(text: str | bytes) -> LicenseFile:
    """Which licence a LICENSE or COPYING file is. Never raises, whatever the bytes.

    Names, years, wrapping, case, punctuation, titles and bullets do not count; what is added or left out of the
    terms does. A text of the GPL family alone does not say "or later": its id is the ``-only`` one, unless the
    notice with "any later version" stands beside it.
    """
    data = text.encode("utf-8", errors="surrogatepass") if isinstance(text, str) else text
    sha256 = hashlib.sha256(data).hexdigest()
    shown = text if isinstance(text, str) else decode(data[:_LARGEST])
    words = words_of(shown[:_LARGEST])
    index = _index()
    rows = index.rows_of(words.words)
    ranked = index.ranked(rows)
    spans = _apart(sorted(_spans(index, ranked, words.words, rows), key=lambda span: -span.weight))
    found = _joined([_found(index, span, words, rows) for span in spans])
    additional = _around(index, words, rows, spans)
    best = {one.id: one.score for one in reversed(found)}
    candidates = _candidates(ranked, rows, best)
    license_id = _license(found, words, additional) if len(data) <= _LARGEST else NOASSERTION
    return LicenseFile(
        license=license_id,
        score=min((one.score for one in found), default=candidates[0][1] if candidates else 0.0),
        exact=license_id != NOASSERTION and all(one.exact for one in found) and not additional,
        licenses=tuple(found),
        candidates=candidates,
        copyrights=words.copyrights,
        additional=additional,
        sha256=sha256,
    )


@dataclass(frozen=True, eq=False)
class _Template:
    """A licence, or the part of it that copies keep, as words and as rows of the index."""

    id: str
    words: tuple[str, ...]
    rows: Integers
    """Row of each run in the index. *Shape:* ``(words - 2,)``"""
    distinct: Integers
    """The rows, once each, sorted."""
    once: Integers
    """The rows that it has only once."""
    places: Integers
    """Where those are. *Shape:* as ``once``"""


@dataclass(frozen=True, eq=False)
class _Span:
    """Where a template is found in a file: runs ``begin`` to ``end``, the last one left out."""

    template: _Template
    begin: int
    end: int
    matched: int
    score: float

    @property
    def weight(self) -> float:
        """What decides between spans that overlap: long ones win, unless a shorter one fits much better."""
        return self.matched * self.score**8


@dataclass(frozen=True, eq=False)
class _Index:
    """Every run of words of every template, sorted, so that a file is looked up at once."""

    vocabulary: dict[str, int]
    runs: Integers
    templates: tuple[_Template, ...]
    whole: dict[tuple[str, ...], _Template]
    """Each template by its words."""

    def rows_of(self, words: Sequence[str]) -> Integers:
        """Row of each run of a text; ``len(runs)`` for a run of no template. *Shape:* ``(words - 2,)``"""
        runs = _runs([self.vocabulary.get(word, 0) for word in words], len(self.vocabulary) + 1)
        rows = np.searchsorted(self.runs, runs)
        known = self.runs[np.minimum(rows, len(self.runs) - 1)] == runs
        return np.where(known, rows, len(self.runs))

    def ranked(self, rows: Integers) -> list[tuple[float, _Template]]:
        """Templates of which a good part is in the text, with that part, the largest first."""
        present = np.zeros(len(self.runs) + 1, dtype=bool)
        present[rows] = True
        parts = [(float(present[one.distinct].mean()), one) for one in self.templates]
        return sorted((pair for pair in parts if pair[0] > 0.3), key=lambda pair: -pair[0])[:_MOST]

    def belongs(self, template: _Template, rows: Integers) -> NDArray[np.bool_]:
        """For each run of a text, whether the template has it."""
        has = np.zeros(len(self.runs) + 1, dtype=bool)
        has[template.distinct] = True
        return has[rows]


@cache
def _index() -> _Index:
    texts = list(_template_words())
    vocabulary: dict[str, int] = {}
    for _, words in texts:
        for word in words:
            vocabulary.setdefault(word, len(vocabulary) + 1)
    numbered = [
        (name, words, _runs([vocabulary[word] for word in words], len(vocabulary) + 1))
        for name, words in texts
    ]
    runs = np.unique(np.concatenate([one for _, _, one in numbered]))
    templates = []
    for name, words, one in numbered:
        rows = np.searchsorted(runs, one)
        distinct, first, counts = np.unique(rows, return_index=True, return_counts=True)
        templates.append(_Template(name, words, rows, distinct, distinct[counts == 1], first[counts == 1]))
    return _Index(vocabulary, runs, tuple(templates), {one.words: one for one in reversed(templates)})


def _runs(numbers: Sequence[int], base: int) -> Integers:
    """One number for each run of words. *Shape:* ``(words - 2,)``"""
    array = np.asarray(numbers, dtype=np.int64)
    if len(array) < _RUN:
        return np.zeros(0, dtype=np.int64)
    return (array[:-2] * base + array[1:-1]) * base + array[2:]


def _template_words() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Id and words of every text, of its parts that stand alone in copies, and of the notices that stand for it."""
    for entry in license_texts():
        words = words_of(license_text(entry.id) or "")
        yield from ((entry.id, part) for part in _parts(words.words, _title(words)))
    for name, beginning, ending in _NOTICES:
        full = words_of(license_text(name) or "").words
        begin = _find(full, beginning)
        end = _find(full, ending, begin)
        if begin >= 0 <= end:
            yield name, full[begin : end + len(ending.split())]


def _title(words: Words) -> int:
    """How many words the first line has, where it can be a title; else 0."""
    first = words.lines.count(words.lines[0])
    return first if first <= 12 else 0


def _parts(words: tuple[str, ...], title: int) -> list[tuple[str, ...]]:
    begins = [
        0,
        title,
        *(at for at in (_find(words, one) for one in _BEGINNINGS) if 0 < at < len(words) // 2),
    ]
    ends = [len(words), *(at for at in (_find(words, one, len(words) // 4) for one in _ENDINGS) if at > 0)]
    second = _find(words, _LGPL_SECOND_PART, 50)
    if words[1] == "lesser" and second > 0:
        ends.append(second)
    parts = [words[begin:end] for begin in begins for end in ends if end - begin >= _SHORTEST]
    return list(dict.fromkeys(parts))


def _find(words: Sequence[str], phrase: str, start: int = 0) -> int:
    """Where a phrase begins; -1 if it is not there."""
    wanted = tuple(phrase.split())
    for at in range(max(start, 0), len(words) - len(wanted) + 1):
        if words[at] == wanted[0] and tuple(words[at : at + len(wanted)]) == wanted:
            return at
    return -1


def _spans(
    index: _Index, ranked: list[tuple[float, _Template]], words: tuple[str, ...], rows: Integers
) -> list[_Span]:
    """Every place in a text that is like a template."""
    found = []
    if (same := index.whole.get(words)) is not None:
        return [_Span(same, 0, len(rows), len(same.distinct), 1.0)]
    for part, template in ranked:
        if part < _PART:
            break
        hit = index.belongs(template, rows)
        for begin, end in _stretches(template, rows, hit):
            span = _trimmed(template, rows, hit, begin, end)
            if span.score >= THRESHOLD:
                found.append(span)
    return found


def _stretches(template: _Template, rows: Integers, hit: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of a text in which runs of a template are dense; two copies are two stretches."""
    at = np.flatnonzero(hit)
    if not len(at):
        return []
    # Where the template starts again: runs that it has once jump back by more than half of it.
    place = np.full(int(max(rows.max(), template.distinct[-1])) + 1, -1)
    place[template.once] = template.places
    once = at[place[rows[at]] >= 0]
    again = once[_jumps_back(place[rows[once]], len(template.rows) / 2)]
    begins = np.unique(np.concatenate([at[:1], at[1:][np.diff(at) > _GAP], again]))
    ends = at[np.searchsorted(at, np.append(begins[1:], len(rows))) - 1] + 1
    long_enough = ends - begins >= len(template.distinct) * 0.5
    return [(int(begin), int(end)) for begin, end in zip(begins[long_enough], ends[long_enough], strict=True)]


def _jumps_back(places: Integers, least: float) -> Integers:
    """Where places that mostly rise fall by ``least`` or more, for good: single strays do not count."""
    if len(places) < 2 * _STEADY:
        return np.zeros(0, dtype=np.int64)
    steady = np.median(np.lib.stride_tricks.sliding_window_view(places, _STEADY), axis=1)
    falls = steady[:-_STEADY] - steady[_STEADY:] >= least
    first = np.flatnonzero(falls & ~np.append(False, falls[:-1]))
    # The fall itself is the steepest step in the window that saw it first.
    windows = [np.argmin(np.diff(places[at : at + 2 * _STEADY])) + at + 1 for at in first]
    return np.asarray(windows, dtype=np.int64)


def _trimmed(template: _Template, rows: Integers, hit: NDArray[np.bool_], begin: int, end: int) -> _Span:
    """The part of a stretch that gains most, one point for a run that matches and one less for each that does not."""
    part = rows[begin:end]
    size = int(max(part.max(), template.distinct[-1])) + 1
    single = np.zeros(size, dtype=bool)
    single[template.once] = True
    places = np.arange(len(part))
    first = np.zeros(size, dtype=np.int64)
    first[part[::-1]] = places[::-1]
    # A run that the template has once counts once: what comes after the licence may end in the same words.
    gains = hit[begin:end] & ((first[part] == places) | ~single[part])
    sums = np.concatenate([[0], np.cumsum(np.where(gains, 1, -1))])
    stop = int(np.argmax(sums - np.minimum.accumulate(sums)))
    start = int(np.argmin(sums[: stop + 1]))
    seen = np.zeros(size, dtype=bool)
    seen[part[start:stop][gains[start:stop]]] = True
    matched = int(np.count_nonzero(seen))
    others = int((~gains[start:stop]).sum())
    score = 2 * matched / (len(template.distinct) + matched + others)
    return _Span(template, begin + start, begin + stop, matched, score)


def _apart(spans: list[_Span]) -> list[_Span]:
    """Of spans that overlap the one that comes first; the result is in the order of the text."""
    kept: list[_Span] = []
    taken = np.zeros(max((span.end for span in spans), default=0), dtype=bool)
    for span in spans:
        place = taken[span.begin : span.end]
        if place.mean() <= _OVERLAP:
            kept.append(span)
            place[:] = True
    return sorted(kept, key=lambda span: span.begin)


def _found(index: _Index, span: _Span, words: Words, rows: Integers) -> Found:
    template = span.template
    begin, end = span.begin, span.end + _RUN - 1
    exact = words.words[begin:end] == template.words
    changed: set[str] = set()
    if not exact:
        hit = index.belongs(template, rows[span.begin : span.end])
        added = ~_covered(hit)
        # A title may stand a line above the terms, with an address between them.
        has = np.isin(template.rows, rows[max(0, span.begin - _NEAR) : span.end + _NEAR])
        missing = ~_covered(has)
        changed = {words.words[begin + at] for at in np.flatnonzero(added)}
        changed |= {template.words[at] for at in np.flatnonzero(missing)}
    return Found(
        id=template.id,
        score=1.0 if exact else min(round(span.score, 4), 0.9999),
        exact=exact,
        line=words.lines[begin],
        altered=bool(changed & _TELLING) or (len(template.words) < _SHORT and span.score < _SHORT_THRESHOLD),
    )


def _covered(runs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which words are in a run that matches. *Shape:* ``(runs,) -> (runs + 2,)``"""
    covered = np.zeros(len(runs) + _RUN - 1, dtype=bool)
    for shift in range(_RUN):
        covered[shift : shift + len(runs)] |= runs
    return covered


def _joined(found: list[Found]) -> list[Found]:
    """A notice with "or any later version" and the text it speaks of are one licence."""
    later = {one.id for one in found if one.id.endswith("-or-later")}
    texts = [one for one in found if one.id.endswith("-only") and _or_later(one.id) in later]
    covered = {_or_later(one.id) for one in texts}
    return [
        Found(_or_later(one.id), one.score, one.exact, one.line, one.altered) if one in texts else one
        for one in found
        if one.id not in covered
    ]


def _or_later(license_id: str) -> str:
    return license_id.removesuffix("-only") + "-or-later"


def _around(index: _Index, words: Words, rows: Integers, spans: list[_Span]) -> str:
    """The words outside of the licences, as they are compared; empty if they only say a title.

    A title, an introduction or advice that belongs to the text of a licence found is not outside of it.
    """
    outside = np.ones(len(words.words), dtype=bool)
    ids = {_work(span.template.id) for span in spans}
    for template in index.templates:
        if _work(template.id) in ids:
            outside &= ~_covered(index.belongs(template, rows))
    for span in spans:
        outside[span.begin : span.end + _RUN - 1] = False
    rest = [words.words[at] for at in np.flatnonzero(outside)]
    if len(rest) <= _LONGEST_TITLE and set(rest) <= _title_words():
        return ""
    return " ".join(rest).removeprefix(_ENDINGS[0]).strip()


def _work(license_id: str) -> str:
    """What an id's advice is shared with: all licences of the GNU project end alike, the others each by themselves."""
    return "GNU" if license_id.startswith(("GPL-", "LGPL-", "AGPL-")) else license_id


@cache
def _title_words() -> frozenset[str]:
    """Words of the names of licences, and of what stands around a title."""
    more = (
        "the a this is under of and license version v copyright c r s file see contents text start end tldr"
    )
    names = " ".join(f"{one.id} {one.name}" for one in license_texts())
    return frozenset(words_of(names + " " + more).words)


def _license(found: list[Found], words: Words, additional: str) -> str:
    """The licence of the whole file."""
    if not found or any(one.altered for one in found):
        return NOASSERTION
    if any(_LIMIT.search(one) for one in (additional, *words.blanks, *map(plain, words.copyrights))):
        return NOASSERTION
    if _CONDITION.search(additional):
        return NOASSERTION
    return _expression(list(dict.fromkeys(one.id for one in found)))


def _expression(ids: list[str]) -> str:
    """The ids joined, with exceptions where they belong; an exception without its licence says nothing."""
    for exception, license_id in _EXCEPTIONS.items():
        if exception not in ids:
            continue
        bases = [one for one in ids if one.startswith(license_id)]
        if not bases:
            return NOASSERTION
        ids = [f"{one} WITH {exception}" if one in bases else one for one in ids if one != exception]
    return join_and(ids)


def _candidates(
    ranked: list[tuple[float, _Template]], rows: Integers, found: dict[str, float]
) -> tuple[tuple[str, float], ...]:
    """The best three texts and their likeness to the whole file, or to the part where they were found."""
    scores = dict(found)
    known = len(np.unique(rows))
    for part, template in ranked:
        size = len(template.distinct)
        score = round(2 * part * size / (size + known), 4) if known else 0.0
        if template.id not in found:
            scores[template.id] = max(scores.get(template.id, 0.0), score)
    return tuple(sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:3])
