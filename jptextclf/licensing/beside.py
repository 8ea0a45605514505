"""What lies beside a model and speaks of its licence: the card and the licence files of its directory, read together.

It reports what they state, each statement with its place; it does not judge.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jptextclf.licensing.components import NOASSERTION, Evidence, join_and
from jptextclf.licensing.declared import read_declared
from jptextclf.licensing.file_names import is_license_file
from jptextclf.licensing.license_files import LicenseFile, identify
from jptextclf.licensing.license_texts import license_text
from jptextclf.licensing.license_words import decode, words_of
from jptextclf.licensing.reading import find_restrictions, read_card
from jptextclf.licensing.reading.conflict import adds_restriction, is_already_in, is_within
from jptextclf.licensing.reading.restrictions import UNREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from jptextclf.licensing.components import Component
    from jptextclf.licensing.reading import CardReading, Restriction

_CARD = "README.md"
_LARGEST = 4 << 20
"""Bytes of a card or a licence file that are read."""
_MOST = 8
"""Statements of each kind that are kept as evidence."""
_BEGINNING = 400
"""Characters of terms that nobody has read which are shown; more than a mere request to cite has."""
_BINARY = (b"%PDF", b"PK\x03\x04", b"{\\rtf", b"\xd0\xcf\x11\xe0")
_ASKS = re.compile(
    r"\b(?:exclu|limit|without|unless|refus|compet|compan|corporat|business|enterprise|pay|paid|fee|royalt|register"
    r"|contact|cite|citation|ethic|harm|agree|accept|consent|only|military)|[ぁ-ヿ一-鿿]",
    re.IGNORECASE,
)
"""What may ask for something in the words around a licence; of words in Japanese the reader of licences knows few."""


@dataclass(frozen=True)
class Stated:
    """What a directory states of a model's licence."""

    license: str | tuple[str, ...]
    """As the card's metadata declare it, or ``NOASSERTION``; several where they give a list."""
    metadata: str
    """The declaration in its own words where it is no clear id, or why it cannot be read."""
    body_license: str | None
    """What the card's text or a licence file states instead; None where nothing differs."""
    conflict: bool | None
    """Whether they contradict each other; None: there was nothing to compare."""
    prose: str
    """Limits of use in the words of the card and of the licence files."""
    extra_terms: str
    """How each licence file begins of which nobody knows what it asks, behind its name."""
    gated_prompt: str
    """What a hub asks before it lets somebody fetch the files."""
    note: str
    """Why nothing is declared, for a person."""
    evidence: tuple[Evidence, ...]

    def complete(self, component: Component) -> Component:
        """The component with what is stated of it."""
        return replace(
            component, license=self.license, metadata=self.metadata, body_license=self.body_license, metadata_body_conflict=self.conflict,
            prose=self.prose, extra_terms=self.extra_terms, gated=bool(self.gated_prompt) or None, extra_gated_prompt=self.gated_prompt,
            note=self.note, evidence=self.evidence,
        )  # fmt: skip


@dataclass(frozen=True)
class _File:
    """A licence file, and what it asks beside a licence that is known by its name."""

    name: str
    found: LicenseFile
    limits: tuple[Restriction, ...]
    unread: str
    """How the rest of it begins, where somebody has to read it; else empty."""

    def evidence(self, place: Mapping[str, Any]) -> list[Evidence]:
        """What it is, and its limits word for word."""
        what = f"{self.name}: {self.found.license} ({self.found.score:.2f})"
        said = [(_quote(one), one.line) for one in self.limits[:_MOST]]
        return [
            Evidence(words, line=line, sha256=self.found.sha256, **place)
            for words, line in [(what, None), *said]
        ]


def read_beside(directory: Path, *, revision: str = "", url: str = "", is_data: bool = False) -> Stated:
    """The card and the licence files of a model's directory. Files that cannot be read state nothing.

    A licence file that is no known licence, or one with more words than the licence has, goes on record by its
    limits, and by its beginning where there may be more to read in it.

    :param revision: of the repository that the files belong to
    :param url: address of the repository's files, to which a file name is added; empty for a local directory
    :param is_data: whether the card is of a data set, so that a limit on "the data" is one on the thing itself
    """

    def place(name: str) -> dict[str, Any]:
        return {"file": name, "revision": revision, "url": f"{url}/{name}" if url else ""}

    card = read_card(_bytes(directory / _CARD))
    declared = read_declared(directory / _CARD)
    files = [_file(path) for path in license_files_of(directory)]
    others = _others(card, [one.found for one in files])
    limits = [one for one in card.restrictions if one.is_term and (is_data or one.about == "model")]
    identified = [one for one in files if one.found.license != NOASSERTION]
    adds = any(adds_restriction(card.declared, one.limits) for one in files)
    contradicts = card.conflict or bool(others) or adds
    is_compared = card.declared != NOASSERTION and bool(card.stated or identified or adds)
    said = [(one.statement, one.line) for one in declared.evidence[:1]]
    said += [(one.statement, one.line) for one in card.mentions if one.about == "model"][:_MOST]
    said += [(_quote(one), one.line) for one in limits[:_MOST]]
    evidence = [Evidence(words, line=line, sha256=card.sha256, **place(_CARD)) for words, line in said]
    evidence += [entry for one in files for entry in one.evidence(place(one.name))]
    return Stated(
        license=card.licenses or card.declared,
        metadata=card.metadata,
        body_license=join_and(others) or None,
        conflict=contradicts if is_compared or card.conflict else None,
        prose=_prose([*limits, *(limit for one in files for limit in one.limits)]),
        extra_terms="; ".join(one.unread for one in files if one.unread),
        gated_prompt=card.extra_gated_prompt,
        note=declared.note if card.declared == NOASSERTION else "",
        evidence=(*evidence, *copyright_evidence(directory, revision=revision, url=url)),
    )


def copyright_evidence(directory: Path, *, revision: str = "", url: str = "") -> tuple[Evidence, ...]:
    """The copyright notices in the licence files of a model's directory, word for word.

    :param url: address of the repository's files; empty for a local directory
    """
    return tuple(
        Evidence(
            line,
            file=path.name,
            revision=revision,
            url=f"{url}/{path.name}" if url else "",
            sha256=found.sha256,
        )
        for path in license_files_of(directory)
        for found in [identify(_bytes(path))]
        for line in dict.fromkeys(found.copyrights[:_MOST])
    )


def license_files_of(directory: Path) -> Iterator[Path]:
    """The files of a directory that state terms, by name."""
    return (path for path in sorted(directory.glob("*")) if is_license_file(path.name) and path.is_file())


def _file(path: Path) -> _File:
    data = _bytes(path)
    found = identify(data)
    text = "" if _is_binary(data) else decode(data)
    limits = tuple(
        replace(one, about="model")
        for one in find_restrictions(text)
        if one.is_term and not _is_own(one, found)
    )
    is_known = found.license != NOASSERTION and not limits and not _ASKS.search(found.additional)
    return _File(path.name, found, limits, "" if is_known else _unread(path.name, found, limits, text))


def _unread(name: str, found: LicenseFile, limits: Sequence[Restriction], text: str) -> str:
    """How terms begin, but for their limits, behind the name of their file; empty where the limits are all.

    The limits are said elsewhere; beside them it must not look as if the rest had been read.
    """
    rest = f" {found.additional} " if found.licenses else " ".join(text.split())
    for one in limits:
        for words in (one.statement.removesuffix("…"), one.words.removesuffix("…")):
            plain = f" {' '.join(words_of(words).words)} " if found.licenses else words
            rest = rest.replace(plain, " ") if plain.strip() else rest
    rest = _unspaced(rest).strip() if found.licenses else rest.strip()
    is_more = any(one.altered for one in found.licenses) or any(one.kind == UNREAD for one in limits)
    is_read = bool(limits) and not is_more and not re.search(r"[^\W\d_]", rest)
    return "" if is_read else f"{name}: {rest[:_BEGINNING]}".rstrip(" :")


def _is_binary(data: bytes) -> bool:
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.startswith(_BINARY) or (b"\0" in data[:_BEGINNING] and not is_wide)


def _unspaced(words: str) -> str:
    """Words of a comparison as a text again: Japanese ones have a blank between all characters."""
    return re.sub(r"(?<=[ぁ-ヿ一-鿿]) (?=[ぁ-ヿ一-鿿])", "", words)


def _is_own(limit: Restriction, found: LicenseFile) -> bool:
    """Whether a limit is a clause of the licence itself, and no more than its id says.

    In an altered text a clause counts that limits the whole, such as NonCommercial, but not one like the GPL's of
    noncommercial copies.
    """
    words = f" {' '.join(words_of(limit.words).words)} "
    is_known = found.license != NOASSERTION
    return any(
        words in _words_of(one.id)
        for one in found.licenses
        if is_known or not is_already_in(limit.kind, one.id)
    )


@lru_cache(maxsize=8)
def _words_of(license_id: str) -> str:
    return f" {' '.join(words_of(license_text(license_id) or '').words)} "


def _quote(limit: Restriction) -> str:
    """A limit in words of its own that say the same when they are read again."""
    if limit.kind in _kinds(limit.statement):
        return limit.statement
    return limit.words


def _prose(limits: Sequence[Restriction]) -> str:
    """The limits as one text, a few of them, but one of each kind."""
    first = {one.kind: one for one in reversed(limits)}
    quotes = dict.fromkeys(_quote(one) for one in (*limits[:_MOST], *first.values()))
    kept = "; ".join(words for words in quotes if words)
    # Quotes can hide each other: half a comment of HTML stays open.
    hidden = set(first) - _kinds(kept)
    alone = [one.words for one in limits if one.kind in hidden and one.words]
    return "; ".join([*dict.fromkeys(alone), *([kept] if kept else [])])


def _kinds(words: str) -> set[str]:
    return {one.kind for one in find_restrictions(words) if one.is_term}


def _others(card: CardReading, files: Iterable[LicenseFile]) -> list[str]:
    """Licences that the text or a licence file names and the metadata do not."""
    stated = card.stated if card.conflict or card.declared == NOASSERTION else ()
    others = [one for one in stated if one != card.declared]
    others += [one.license for one in files if not is_within(one.license, card.declared)]
    return [one for one in dict.fromkeys(others) if one != NOASSERTION]


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""
