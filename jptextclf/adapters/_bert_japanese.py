"""What the Japanese BERT tokenizers share: raw texts -> segments -> normalised -> words -> pieces, in batches.

It does not know which analyser finds the words. The reference is ``BertJapaneseTokenizer`` of transformers; mode
``reference`` gives its ids wherever it gives any. Mode ``safe`` differs from it in these cases only:

==============================  ===================================  =======================================
in the text                     reference                            safe
==============================  ===================================  =======================================
``[SEP]``, ``[CLS]``, …         the special token                    text like any other
U+0000                          MeCab: the rest is lost              a space
256 characters of white         65,535 bytes of it make MeCab lose   its first character (WordPiece only)
space or more                   what stands behind
lone surrogate                  ``UnicodeEncodeError`` (here:        U+FFFD
                                U+FFFD)
far longer than ``max_length``  analysed as a whole; the process     cut before the analysis, with a margin
                                dies from about 2.4 MB on            (:data:`MARGIN`); marked ``truncated``
==============================  ===================================  =======================================

The margin: an analyser looks at a whole sentence, so the last words of a cut text can differ from those of the whole.
They lie behind ``max_length`` unless one ambiguity reaches over more than :data:`MARGIN` pieces. Where so many pieces
are wanted that the text exceeds what an analyser takes (2,000,000 bytes for MeCab, 49,149 for Sudachi), both modes analyse
it in windows that end behind a sentence, a comma or a space.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from jptextclf.adapters._alignment import Aligned, align_nfkc, code_points, identity, nfkc
from jptextclf.adapters._bert_files import (
    Piece,
    Splitter,
    cut_characters,
    cut_wordpieces,
    read_bert_files,
)
from jptextclf.adapters._contract import Explanation, Mode, TokenizerAdapter, TokenizerInfo, Word
from jptextclf.adapters._framing import frame
from jptextclf.adapters._texts import check_texts, without_surrogates
from jptextclf.adapters._wordtable import LARGEST, WordTable
from jptextclf.encodings import Encodings
from jptextclf.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MARGIN = 128
"""Pieces beyond ``max_length`` that the beginning of a long text must give before the rest is left out."""
_SHORTEST_CUT = 4096
"""Characters that are never cut before the analysis."""
_BATCH_CHARACTERS = 1 << 18
"""Of the texts that are laid end to end at a time."""
END = "\ud800"
"""Ends the words of a text. No word holds a surrogate, since no text does once it is repaired."""
_LONG_SPACE_LENGTH = 256
_LONG_SPACE = re.compile(rf"\s{{{_LONG_SPACE_LENGTH},}}")
"""MeCab takes quadratic time over carriage returns and other odd white space, and loses text behind much of any kind."""
_WINDOW = re.compile(r"[ \t\n\v]{60000,}")
"""Near the 65,535 bytes of white space beyond which MeCab loses text."""
_BREAKS = " \n。！？!?、"
_SUBWORDS = ("wordpiece", "character")


class Analysis(NamedTuple):
    """One word of the analyser, for a person."""

    surface: str
    part_of_speech: str
    reading: str


@dataclass(frozen=True)
class _Parts:
    """The segments of several texts, normalised, end to end; added tokens are segments of their own."""

    texts: Sequence[str]
    """As the analyser gets them; a token as written."""
    counts: NDArray[np.int64]
    """Parts of each text. *Shape:* ``(texts,)``"""
    starts: Sequence[int] | None = None
    """Where each part begins in its text, in characters; None where each text is one part."""
    tokens: frozenset[int] = frozenset()
    """The parts that are added tokens, by number."""
    back: Mapping[int, Aligned] = field(default_factory=dict)
    """The way back to the original for those parts that were not normal already, by number."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Characters of each part, normalised. *Shape:* ``(parts,)``"""
        return np.fromiter(map(len, self.texts), dtype=np.int64, count=len(self.texts))

    def in_the_original(self, owners: NDArray[np.int64], spans: NDArray[np.int64]) -> NDArray[np.int32]:
        """Spans in normalised parts -> spans in the original texts.

        :param owners: the part of each span.                           *Shape:* ``(spans,)``
        :param spans: first character and one past the last, in a part. *Shape:* ``(spans, 2)``
        """
        if self.back:
            lengths = self.lengths
            bases = (np.cumsum(lengths) - lengths)[owners]
            plain = np.arange(int(lengths.max()) + 1, dtype=np.int32)
            ways = [self.back.get(number) for number in range(len(lengths))]
            starts = [plain[:n] if way is None else way.starts for n, way in zip(lengths, ways, strict=True)]
            ends = [
                plain[1 : n + 1] if way is None else way.ends for n, way in zip(lengths, ways, strict=True)
            ]
            spans = np.stack(
                [np.concatenate(starts)[bases + spans[:, 0]], np.concatenate(ends)[bases + spans[:, 1] - 1]],
                axis=1,
            )
        if self.starts is not None:
            spans = spans + np.array(self.starts, dtype=np.int64)[owners][:, None]
        return spans.astype(np.int32)


class _Pieces(NamedTuple):
    """Pieces of several texts, end to end."""

    ids: NDArray[np.int32]
    splits: NDArray[np.int64]
    spans: NDArray[np.int32] | None


class BertJapaneseAdapter(TokenizerAdapter):
    """Words of an analyser, cut into WordPieces or characters.

    :param options: ``subword`` (``wordpiece`` or ``character``), ``lower_case``, and what the analyser knows;
        they win over ``tokenizer_config.json``
    """

    known_options: ClassVar[tuple[str, ...]] = ("lower_case", "subword")
    analyser_key: ClassVar[str]
    """Of ``tokenizer_config.json``: what the analyser is told."""
    _stops_at_zero = False
    """Whether the analyser takes U+0000 for the end of the text."""
    _trims_words = False
    """Whether white space around a word is no part of it."""

    def __init__(
        self, directory: Path, *, mode: Mode = "safe", options: Mapping[str, object] | None = None
    ) -> None:
        given = dict(options or {})
        for name in sorted(given.keys() - {*self.known_options}):
            raise ConfigError("U085", adapter=self.name, option=name, known=", ".join(self.known_options))
        self.mode: Mode = mode
        self._files = read_bert_files(directory)
        config = self._files.config
        if given.get("subword", "wordpiece") not in _SUBWORDS:
            raise ConfigError("U088", option="subword", found=given["subword"], known=", ".join(_SUBWORDS))
        if not isinstance(given.get("lower_case", False), bool):
            raise ConfigError("U088", option="lower_case", found=given["lower_case"], known="true, false")
        self._subword = str(given.get("subword") or config.get("subword_tokenizer_type") or "wordpiece")
        if self._subword not in _SUBWORDS:
            raise SetupError("E070", path=directory, key="subword_tokenizer_type", found=self._subword,
                             known=", ".join(_SUBWORDS))  # fmt: skip
        self._lower = bool(given.get("lower_case", config.get("do_lower_case", False)))
        special = [one.content for one in self._files.added if one.special]
        kept = config.get("never_split") or []
        if not isinstance(kept, list) or not all(isinstance(one, str) for one in kept):
            raise SetupError(
                "E041", path=directory, problem=f"tokenizer_config.json: never_split: {kept!r:.60}"
            )
        self._never_lower = frozenset([*kept, *special])
        told = config.get(self.analyser_key)
        self._told: dict[str, Any] = dict(told) if isinstance(told, dict) else {}
        self._set_up()

    def _set_up(self) -> None:
        added = self._files.added
        self._splitter = Splitter(tuple(one for one in added if self.mode == "reference" or not one.special))
        self._special_ids = self._files.special_ids
        self._unknown = self._special_ids["unk"]
        vocabulary = dict(self._files.vocabulary)
        if self.mode == "safe":
            # No word may be taken for a special token, whatever the analyser makes of "[SEP]".
            for one in added:
                if one.special:
                    vocabulary.pop(one.content, None)
                else:
                    vocabulary[one.content] = one.id
        else:
            vocabulary.update({one.content: one.id for one in added})
        self._vocabulary = vocabulary
        self._token_ids = {one.content: one.id for one in added}
        self._table = WordTable(self._cut)
        self._space = self._space_table()
        self._characters = self._character_table() if self._is_by_character else None

    # What an analyser adds.

    @abstractmethod
    def _words_of(self, texts: Sequence[str]) -> list[str]:
        """The words of normalised texts, all in one list, with :data:`END` after each text.

        Laid end to end, the words of a text are the text without the characters of :meth:`_dropped`.
        """

    @abstractmethod
    def _dropped(self) -> str:
        """The characters that are in no word."""

    @abstractmethod
    def _analyse(self, text: str) -> list[Analysis]:
        """The words of one normalised text, with what the dictionary says of them."""

    @abstractmethod
    def _analyser_config(self) -> dict[str, object]:
        """Keys of ``tokenizer_config.json`` that make plain transformers use the same words."""

    @abstractmethod
    def _analyser_options(self) -> dict[str, object]:
        """What ``options`` must say of the analyser to open it again."""

    # The contract.

    def encode(self, texts: Sequence[str], *, max_length: int, offsets: bool = False) -> Encodings:
        room = max_length - 2
        if room < 1:
            raise ConfigError("U020", max_length=max_length, least=3)
        limit = max(_SHORTEST_CUT, 8 * room) if self.mode == "safe" else None
        parts = [
            self._framed(self._pieces_of(batch, offsets=offsets), room)
            if limit is None or len(batch) > 1 or len(batch[0]) <= limit
            else self._encode_long(batch[0], limit, room, offsets=offsets)
            for batch in _batches(check_texts(texts), limit)
        ]
        if len(parts) == 1:
            return parts[0]
        nothing = np.zeros((0, 2), np.int32) if offsets else None
        empty = Encodings.empty()
        return Encodings.concatenate(parts) if parts else Encodings(
            empty.input_ids, empty.row_splits, empty.truncated, empty.unknown, nothing
        )  # fmt: skip

    def explain(self, text: str) -> Explanation:
        row = self.encode([text], max_length=10**9, offsets=True)
        spellings = self._files.spellings()
        spans = [] if row.offsets is None else row.offsets.tolist()
        return Explanation(
            text=text,
            words=tuple(self._explained_words(text)),
            pieces=tuple(spellings[number] for number in row.input_ids.tolist()),
            ids=tuple(row.input_ids.tolist()),
            mask=(1,) * len(row.input_ids),
            offsets=tuple((start, end) for start, end in spans),
        )

    def info(self) -> TokenizerInfo:
        limit = self._files.config.get("model_max_length")
        return TokenizerInfo(
            vocabulary_size=self._files.size,
            special_ids=dict(self._special_ids),
            n_before=1,
            n_after=1,
            model_max_length=int(limit) if isinstance(limit, (int, float)) and 1 <= limit < 10**9 else None,
            options={"lower_case": self._lower, "subword": self._subword, **self._analyser_options()},
        )

    def saved_files(self) -> tuple[str, ...]:
        return ("tokenizer_config.json", "vocab.txt")

    def _save_files(self, directory: Path, *, max_length: int) -> None:
        by_id = sorted(self._files.vocabulary.items(), key=lambda entry: entry[1])
        # Two lines of a vocabulary may spell the same piece; only the last one is ever used.
        lines = ["[unused]"] * (by_id[-1][1] + 1)
        for piece, number in by_id:
            lines[number] = piece
        (directory / "vocab.txt").write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
        usual = set(self._files.special.values())
        config: dict[str, object] = {
            "do_lower_case": self._lower,
            "do_subword_tokenize": True,
            "do_word_tokenize": True,
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": max_length,
            "never_split": self._files.config.get("never_split"),
            "subword_tokenizer_type": self._subword,
            "tokenizer_class": "BertJapaneseTokenizer",
            **{f"{role}_token": content for role, content in self._files.special.items()},
            **self._analyser_config(),
        }
        own = [one for one in self._files.added if one.content not in usual]
        if own:
            config["added_tokens_decoder"] = {
                str(one.id): {
                    "content": one.content, "lstrip": one.lstrip, "normalized": not one.special,
                    "rstrip": one.rstrip, "single_word": one.single_word, "special": one.special,
                }
                for one in self._files.added
            }  # fmt: skip
        text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True)
        (directory / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")

    def __getstate__(self) -> dict[str, Any]:
        made = {"_table", "_splitter", "_space", "_characters", "_vocabulary", "_token_ids", "_special_ids"}
        return {key: value for key, value in self.__dict__.items() if key not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_up()

    # From texts to pieces.

    def _encode_long(self, text: str, limit: int, room: int, *, offsets: bool) -> Encodings:
        """A text of which only the beginning is analysed, as much as is sure to give ``room`` pieces."""
        taken = limit
        pieces = self._pieces_of([text[:taken]], offsets=offsets)
        while taken < len(text) and len(pieces.ids) < room + MARGIN:
            taken *= 4
            pieces = self._pieces_of([text[:taken]], offsets=offsets)
        return self._framed(pieces, room)

    def _framed(self, pieces: _Pieces, room: int) -> Encodings:
        return frame(
            pieces.ids,
            pieces.splits,
            pieces.spans,
            room=room,
            prefix=np.array([self._special_ids["cls"]], dtype=np.int32),
            suffix=np.array([self._special_ids["sep"]], dtype=np.int32),
            unknown=self._unknown,
        )

    def _pieces_of(self, texts: Sequence[str], *, offsets: bool) -> _Pieces:
        parts = self._parts_of(texts)
        table = self._characters
        if table is not None and not parts.tokens and not any(map(self._loses_text, parts.texts)):
            pieces = self._pieces_by_character(parts, table, offsets=offsets)
        else:
            pieces = self._pieces_by_word(parts, offsets=offsets)
        text_splits = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum(parts.counts, out=text_splits[1:])
        return pieces._replace(splits=pieces.splits[text_splits])

    def _parts_of(self, texts: Sequence[str]) -> _Parts:
        """The segments of all texts in order."""
        joined = "".join(texts)
        texts, joined = _repaired(texts, joined, for_zero=" " if self.mode == "safe" else "\0")
        counts = np.ones(len(texts), dtype=np.int64)
        starts: list[int] | None = None
        tokens: frozenset[int] = frozenset()
        places: dict[int, NDArray[np.int32]] = {}
        if self._splitter.finds(joined):
            split = [self._splitter.split(text) for text in texts]
            counts = np.array([len(segments) for segments in split], dtype=np.int64)
            segments = [segment for one in split for segment in one]
            places = {number: one.places for number, one in enumerate(segments) if one.places is not None}
            texts = [segment.text for segment in segments]
            starts = [segment.start for segment in segments]
            tokens = frozenset(number for number, segment in enumerate(segments) if segment.id >= 0)
        if self.mode == "reference" and self._stops_at_zero and "\0" in joined:
            texts = [text.split("\0", 1)[0] for text in texts]
        odd = [
            number
            for number, (text, normal) in enumerate(zip(texts, map(nfkc, texts), strict=True))
            if text is not normal and text != normal and number not in tokens
        ]
        back = dict(zip(odd, align_nfkc([texts[number] for number in odd]), strict=True))
        # As a piece of its own, white space must stay; the characters that MeCab drops cost nothing there.
        if self.mode == "safe" and self._subword == "wordpiece":
            for number, text in enumerate(texts):
                if len(text) >= _LONG_SPACE_LENGTH and number not in tokens:
                    way = back.get(number) or identity(text)
                    if _LONG_SPACE.search(way.text):
                        back[number] = _without_long_space(way)
        for number, of_part in places.items():
            way = back.get(number) or identity(texts[number])
            back[number] = Aligned(way.text, of_part[way.starts], of_part[way.ends - 1] + 1)
        if back:
            texts = [back[number].text if number in back else text for number, text in enumerate(texts)]
        return _Parts(texts, counts, starts, tokens, back)

    def _pieces_by_word(self, parts: _Parts, *, offsets: bool) -> _Pieces:
        """The pieces, and where each part starts among them."""
        words = self._words_and_tokens(parts)
        table = self._table
        if len(table) > LARGEST:
            table = self._table = WordTable(self._cut)
        numbers = table.numbers(words)
        word_splits = np.zeros(len(parts.texts) + 1, dtype=np.int64)
        word_splits[1:] = np.flatnonzero(numbers == table[END]) + 1
        n_pieces, n_characters = table.lengths(numbers)
        piece_splits = np.zeros(len(words) + 1, dtype=np.int64)
        np.cumsum(n_pieces, out=piece_splits[1:])
        splits = piece_splits[word_splits]
        if not offsets:
            return _Pieces(table.ids(numbers), splits, None)
        pieces = table.pieces(numbers)
        starts = self._word_starts(parts, words, word_splits, n_characters)
        spans = pieces[:, 1:] + np.repeat(starts, n_pieces)[:, None]
        owners = np.repeat(np.arange(len(parts.texts)), np.diff(splits))
        return _Pieces(pieces[:, 0], splits, parts.in_the_original(owners, spans))

    def _words_and_tokens(self, parts: _Parts) -> list[str]:
        """The words of all parts, :data:`END` after each; an added token is one word behind an :data:`END` of its own."""
        if not parts.tokens:
            return self._words_of(parts.texts)
        found = iter(
            self._words_of([text for number, text in enumerate(parts.texts) if number not in parts.tokens])
        )
        words: list[str] = []
        for number, text in enumerate(parts.texts):
            words += [END + text] if number in parts.tokens else iter(found.__next__, END)
            words.append(END)
        return words

    def _cut(self, word: str) -> tuple[list[Piece], int]:
        """The pieces of a word, and how many characters it has."""
        if word == END:
            return [], 0
        if word.startswith(END):
            token = word[1:]
            return [Piece(self._token_ids[token], 0, len(token))], len(token)
        if self._trims_words and word != word.strip():
            pieces, _ = self._cut(word.strip())
            skipped = len(word) - len(word.lstrip())
            return [Piece(one.id, one.start + skipped, one.end + skipped) for one in pieces], len(word)
        lowered, back = word, None
        if self._lower and word not in self._never_lower:
            lowered = word.lower()
            back = _folded(word, lowered)
        if self._subword == "character":
            pieces = cut_characters(lowered, self._vocabulary, self._unknown)
        else:
            # Odd white space can stand inside a word: the word ends there, and a new one begins.
            pieces = [
                Piece(piece.id, piece.start + found.start(), piece.end + found.start())
                for found in re.finditer(r"\S+", lowered)
                for piece in cut_wordpieces(found[0], self._vocabulary, self._unknown)
            ]
        if back is not None:
            pieces = [Piece(one.id, back[one.start], back[one.end - 1] + 1) for one in pieces]
        return pieces, len(word)

    def _word_starts(
        self,
        parts: _Parts,
        words: Sequence[str],
        word_splits: NDArray[np.int64],
        n_characters: NDArray[np.int32],
    ) -> NDArray[np.int64]:
        """Where each word starts in its part. *Shape:* ``(words,)``"""
        lengths = parts.lengths
        bases = np.cumsum(lengths) - lengths
        shown = ~self._space[code_points("".join(parts.texts))]
        for number in parts.tokens:
            # An added token is a word with any white space that it holds.
            shown[bases[number] : bases[number] + lengths[number]] = True
        places = np.append(np.flatnonzero(shown), len(shown))
        n_shown = np.zeros(len(shown) + 1, dtype=np.int64)
        np.cumsum(shown, out=n_shown[1:])
        first = n_shown[bases]
        ends = np.zeros(len(words) + 1, dtype=np.int64)
        np.cumsum(n_characters, out=ends[1:])
        n_words = np.diff(word_splits)
        in_part = ends[:-1] - np.repeat(ends[word_splits[:-1]], n_words)
        fits = n_shown[bases + lengths] - first == np.diff(ends[word_splits])
        if fits.all():
            return places[np.repeat(first, n_words) + in_part] - np.repeat(bases, n_words)
        starts = np.zeros(len(words), dtype=np.int64)
        for number, text in enumerate(parts.texts):
            low, high = int(word_splits[number]), int(word_splits[number + 1])
            if fits[number]:
                starts[low:high] = places[first[number] + in_part[low:high]] - bases[number]
                continue
            # The analyser lost text (only in reference mode): each word is where it is found next.
            position = 0
            for place in range(low, high):
                position = max(text.find(words[place], position), position)
                starts[place] = position
                position += int(n_characters[place])
        return starts

    # Characters need no analyser.

    @property
    def _is_by_character(self) -> bool:
        """Whether every character is a piece, wherever words begin and end."""
        return self._subword == "character" and not self._lower

    def _pieces_by_character(self, parts: _Parts, table: NDArray[np.int32], *, offsets: bool) -> _Pieces:
        bounds = np.concatenate([[0], np.cumsum(parts.lengths)])
        points = code_points("".join(parts.texts))
        shown = np.flatnonzero(~self._space[points])
        splits = np.searchsorted(shown, bounds).astype(np.int64)
        ids = table[points[shown]]
        if not offsets:
            return _Pieces(ids, splits, None)
        owners = np.repeat(np.arange(len(parts.texts)), np.diff(splits))
        starts = shown - bounds[owners]
        return _Pieces(ids, splits, parts.in_the_original(owners, np.stack([starts, starts + 1], axis=1)))

    def _loses_text(self, text: str) -> bool:
        """Whether the analyser would lose some of it, so that it has to be asked."""
        return self.mode == "reference" and _WINDOW.search(text) is not None

    def _character_table(self) -> NDArray[np.int32]:
        """For every code point the id of its piece. *Shape:* ``(0x110000,)``"""
        table = np.full(0x110000, self._unknown, dtype=np.int32)
        for piece, number in self._vocabulary.items():
            if len(piece) == 1:
                table[ord(piece)] = number
        return table

    def _space_table(self) -> NDArray[np.bool_]:
        """For every code point whether it is in no word. *Shape:* ``(0x110000,)``"""
        table = np.zeros(0x110000, dtype=np.bool_)
        table[[ord(char) for char in self._dropped()]] = True
        return table

    # For people.

    def _explained_words(self, text: str) -> Iterator[Word]:
        parts = self._parts_of([text])
        for number, segment in enumerate(parts.texts):
            start = parts.starts[number] if parts.starts else 0
            if number in parts.tokens:
                yield Word(segment, start, start + len(segment))
                continue
            position = 0
            for one in self._analyse(segment):
                position = max(segment.find(one.surface, position), position)
                span = np.array([[position, position + len(one.surface)]])
                first, last = parts.in_the_original(np.array([number]), span)[0].tolist()
                position += len(one.surface)
                yield Word(one.surface, first, last, one.part_of_speech, one.reading)


def windows(text: str, longest: int, *, characters: int | None = None) -> list[str]:
    """A text in parts of bounded size, cut behind a sentence, a comma or a space where there is one nearby.

    :param longest: bytes of UTF-8
    :param characters: no more of them either
    """
    found = []
    start = 0
    while start < len(text):
        end = min(start + (characters or longest), len(text))
        size = len(text[start:end].encode())
        while size > longest:
            # Never too far: what is left is at least as short as the average says.
            end = start + max(1, (end - start) * longest // size - 1)
            size = len(text[start:end].encode())
        if end < len(text):
            near = max(text.rfind(mark, start + (end - start) // 2, end) for mark in _BREAKS)
            end = near + 1 if near >= 0 else end
        found.append(text[start:end])
        start = end
    return found


def _batches(texts: Sequence[str], limit: int | None) -> Iterator[Sequence[str]]:
    """Texts in groups of bounded size, in order; one beyond ``limit`` is a group of its own."""
    batch: list[str] = []
    size = 0
    for text in texts:
        is_long = limit is not None and len(text) > limit
        if batch and (is_long or size + len(text) > _BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        if is_long:
            yield [text]
            continue
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _repaired(texts: Sequence[str], joined: str, *, for_zero: str) -> tuple[Sequence[str], str]:
    """Texts without lone surrogates, and with something in place of U+0000."""
    try:
        joined.encode()
        is_sound = True
    except UnicodeEncodeError:
        is_sound = False
    if is_sound and ("\0" not in joined or for_zero == "\0"):
        return texts, joined
    texts = [without_surrogates(text).replace("\0", for_zero) for text in texts]
    return texts, "".join(texts)


def _without_long_space(way: Aligned) -> Aligned:
    """The text with one space where there were very many."""
    kept = np.ones(len(way.text), dtype=np.bool_)
    for found in _LONG_SPACE.finditer(way.text):
        kept[found.start() + 1 : found.end()] = False
    return Aligned(_LONG_SPACE.sub(lambda found: found[0][0], way.text), way.starts[kept], way.ends[kept])


def _folded(word: str, lowered: str) -> list[int] | None:
    """For each character of the word in lower case, which one it comes from; None where they pair up."""
    if len(word) == len(lowered):
        return None
    return [at for at, char in enumerate(word) for _ in char.lower()]
