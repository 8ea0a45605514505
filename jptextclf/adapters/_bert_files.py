"""The tokenizer files of the Japanese BERT models: vocabulary, added tokens, options; and WordPiece over them.

It does not know how a text becomes words. Files are read as ``BertJapaneseTokenizer`` of transformers reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jptextclf.adapters._configuration import read_json
from jptextclf.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

ROLES = {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"}
"""Special tokens and how they are written unless the configuration says otherwise."""
_MOST_ADDED = 1 << 20
"""Ids beyond the vocabulary that added tokens may have."""
_LONGEST_WORD = 100
"""Characters; a longer word is one unknown piece."""


class Piece(NamedTuple):
    """One piece of a word and the characters of the word that it stands for."""

    id: int
    start: int
    end: int


@dataclass(frozen=True)
class AddedToken:
    """A token that is found in the raw text before anything else is done with it."""

    id: int
    content: str
    special: bool
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False


@dataclass(frozen=True)
class BertFiles:
    """What the files in a directory say."""

    vocabulary: Mapping[str, int]
    """Piece -> id."""
    special: Mapping[str, str]
    """``cls``, ``sep``, ``pad``, ``unk``, ``mask`` -> how it is written."""
    added: tuple[AddedToken, ...]
    """The special tokens and those that a user added."""
    config: Mapping[str, Any]
    """``tokenizer_config.json``."""

    @property
    def special_ids(self) -> dict[str, int]:
        """Role -> id."""
        return {role: self.id_of(content) for role, content in self.special.items()}

    @property
    def size(self) -> int:
        """One past the largest id."""
        return max(*self.vocabulary.values(), *(one.id for one in self.added)) + 1

    def id_of(self, piece: str) -> int:
        """The id of a piece; unknown ones have the id of the unknown token."""
        for one in self.added:
            if one.content == piece:
                return one.id
        return self.vocabulary.get(piece, self.vocabulary.get(self.special["unk"], 0))

    def spellings(self) -> list[str]:
        """Piece by id, for people; ids that no piece has are empty."""
        found = [""] * self.size
        for piece, number in self.vocabulary.items():
            found[number] = piece
        for one in self.added:
            found[one.id] = one.content
        return found


def read_bert_files(directory: Path) -> BertFiles:
    """:raises SetupError: a file is missing or damaged (``JPT-E041``)"""
    path = directory / "vocab.txt"
    try:
        with path.open(encoding="utf-8") as lines:
            vocabulary = {line.rstrip("\n"): number for number, line in enumerate(lines)}
        config = read_json(directory, "tokenizer_config.json")
        special = {
            role: _content(config.get(f"{role}_token", usual)) or usual for role, usual in ROLES.items()
        }
        added = _added_tokens(directory, config, vocabulary, special)
        _check_tokens(added, len(vocabulary))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
        files = "vocab.txt, tokenizer_config.json, added_tokens.json"
        raise SetupError("E041", path=directory, problem=f"{problem} ({files})") from error
    if not vocabulary or special["unk"] not in vocabulary:
        raise SetupError("E041", path=directory, problem=f"{path.name}: {special['unk']}?")
    return BertFiles(vocabulary, special, added, config)


def _added_tokens(
    directory: Path, config: Mapping[str, Any], vocabulary: Mapping[str, int], special: Mapping[str, str]
) -> tuple[AddedToken, ...]:
    """Those that the configuration numbers, those of version 4's extra file, then the special tokens."""
    found: dict[str, AddedToken] = {}
    for number, entry in (config.get("added_tokens_decoder") or {}).items():
        flags = {name: bool(entry.get(name)) for name in ("special", "lstrip", "rstrip", "single_word")}
        content = str(entry["content"])
        if config.get("do_lower_case") and not flags["special"] and entry.get("normalized"):
            content = content.lower()
        found[content] = AddedToken(int(number), content, **flags)
    for content, number in read_json(directory, "added_tokens.json").items():
        found.setdefault(content, AddedToken(int(number), content, special=content in special.values()))
    extra = config.get("additional_special_tokens") or config.get("extra_special_tokens") or ()
    extra = extra.values() if isinstance(extra, dict) else extra
    n_ids = max([*vocabulary.values(), *(one.id for one in found.values())], default=-1) + 1
    for content in (*special.values(), *map(_content, extra)):
        if content and content not in found:
            number = vocabulary.get(content, n_ids)
            n_ids += number == n_ids
            found[content] = AddedToken(number, content, special=True)
    return tuple(found.values())


def _check_tokens(added: tuple[AddedToken, ...], n_pieces: int) -> None:
    """:raises ValueError: an id that no encoder can have, or a spelling that no file can hold"""
    for one in added:
        if not 0 <= one.id < n_pieces + _MOST_ADDED:
            raise ValueError(f"id {one.id} of {one.content!r}")
        one.content.encode()


def _content(token: object) -> str:
    """How a token is written, from its name alone or its whole description."""
    return str(token["content"]) if isinstance(token, dict) else str(token or "")


class Segment(NamedTuple):
    """A part of a text between added tokens, or one of those."""

    start: int
    """Where it begins in the text, in characters."""
    text: str
    id: int
    """Of the added token; -1 where this is text."""
    places: NDArray[np.int32] | None = None
    """Where each character stands, counted from ``start``; None where they follow each other."""


class Splitter:
    """Splits raw texts at added tokens: from the left, the longest one first."""

    def __init__(self, tokens: tuple[AddedToken, ...]) -> None:
        self._tokens = {one.content: one for one in tokens if one.content}
        longest_first = sorted(self._tokens, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def finds(self, text: str) -> bool:
        """Whether there is anything to split at."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def split(self, text: str) -> list[Segment]:
        """The parts of a text in order; empty ones are left out."""
        if self._pattern is None:
            return [Segment(0, text, -1)] if text else []
        parts: list[Segment] = []
        position = 0
        for found in self._pattern.finditer(text):
            parts.append(Segment(position, text[position : found.start()], -1))
            parts.append(Segment(found.start(), found[0], self._tokens[found[0]].id))
            position = found.end()
        parts.append(Segment(position, text[position:], -1))
        parts = [one for one in parts if one.text]
        for number, part in enumerate(parts):
            if part.id >= 0:
                self._apply_flags(parts, number)
        return [one for one in parts if one.text]

    def _apply_flags(self, parts: list[Segment], number: int) -> None:
        """White space beside a token goes with it, and a token inside a word is none, where its flags say so."""
        part = parts[number]
        token = self._tokens[part.text]
        left = parts[number - 1] if number else None
        right = parts[number + 1] if number + 1 < len(parts) else None
        before, after = left.text if left else "", right.text if right else ""
        if token.rstrip and right is not None and right.text:
            stripped = right.text.lstrip()
            parts[number + 1] = right = Segment(
                right.start + len(right.text) - len(stripped), stripped, right.id
            )
        if token.lstrip and left is not None and left.text:
            kept = left.text.rstrip()
            places = None if left.places is None else left.places[: len(kept)]
            parts[number - 1] = left = Segment(left.start, kept, left.id, places)
        if token.single_word:
            # The neighbours as they were before white space was taken from them, as transformers does it.
            if before and before[-1] != " " and left is not None:
                parts[number - 1] = _joined(left, part)
                parts[number] = Segment(part.start, "", -1)
            elif after and after[0] != " " and right is not None:
                parts[number + 1] = _joined(part, right)
                parts[number] = Segment(part.start, "", -1)


def _joined(left: Segment, right: Segment) -> Segment:
    """Two segments as one text; white space that was taken away between them is in neither."""
    places = np.concatenate([_places(left), _places(right) + (right.start - left.start)])
    return Segment(left.start, left.text + right.text, -1, places.astype(np.int32))


def _places(segment: Segment) -> NDArray[np.int32]:
    return np.arange(len(segment.text), dtype=np.int32) if segment.places is None else segment.places


def cut_wordpieces(word: str, vocabulary: Mapping[str, int], unknown: int) -> list[Piece]:
    """The longest pieces from the left; one unknown piece where that fails or the word is too long.

    ``"株式会社" -> 株式, ##会社``. The algorithm is that of BERT's original release.
    """
    if len(word) > _LONGEST_WORD:
        return [Piece(unknown, 0, len(word))]
    pieces: list[Piece] = []
    start = 0
    while start < len(word):
        end = len(word)
        prefix = "##" if start else ""
        while end > start and prefix + word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return [Piece(unknown, 0, len(word))]
        pieces.append(Piece(vocabulary[prefix + word[start:end]], start, end))
        start = end
    return pieces


def cut_characters(word: str, vocabulary: Mapping[str, int], unknown: int) -> list[Piece]:
    """One piece a character."""
    return [Piece(vocabulary.get(char, unknown), at, at + 1) for at, char in enumerate(word)]
