"""The Tohoku BERT models: words of MeCab through fugashi, cut into WordPieces or characters.

It does not choose a dictionary by itself: the options, a card or the files name it, or the vocabulary gives it away.
"""

from __future__ import annotations

import re
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from jptextclf.adapters._bert_japanese import END, Analysis, BertJapaneseAdapter, windows
from jptextclf.adapters._contract import DictionaryFit
from jptextclf.adapters._dictionaries import PACKAGES, Dictionary, dictionary_of, find_dictionary
from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import did_you_mean, listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from jptextclf.adapters._contract import Mode
    from jptextclf.licensing.components import Component

_LONGEST: dict[Mode, int] = {"safe": 32_768, "reference": 500_000}
"""Characters that MeCab gets at a time. What is longer is analysed in windows.

It sums costs in 32 bits and crashes when they overflow: 200,000 times "A" do it, or 700,000 characters of 朝食. A word
costs at most 2 * 32767 with its connection, so that 32,768 words never do. Stock gives it everything; the reference as
much as MeCab survives with everyday text.
"""
_SPACE = "".join(char for char in map(chr, range(0x3001)) if char.isspace())
# Where a dictionary's features say the reading, after the four levels of part of speech.
_READING = {"ipadic": 7, "unidic_lite": 17, "unidic": 20}


class MecabAdapter(BertJapaneseAdapter):
    """MeCab with a dictionary from PyPI.

    :param options: ``dictionary`` (``ipadic``, ``unidic_lite``, ``unidic``), and those of the base class
    """

    name: ClassVar[str] = "mecab"
    known_options: ClassVar[tuple[str, ...]] = ("dictionary", "lower_case", "subword")
    software: ClassVar[tuple[str, ...]] = ("fugashi",)
    analyser_key: ClassVar[str] = "mecab_kwargs"
    _stops_at_zero = True

    def __init__(
        self, directory: Path, *, mode: Mode = "safe", options: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(directory, mode=mode, options=options)
        kind = self._files.config.get("word_tokenizer_type", "mecab")
        if kind != "mecab":
            raise SetupError(
                "E070", path=directory, key="word_tokenizer_type", found=kind, known="mecab, sudachi"
            )
        # Options of MeCab can name files to read and to write.
        for key, allowed in (("mecab_option", (None, "")), ("normalize_text", (None, True))):
            if self._told.get(key) not in allowed:
                raise SetupError("E073", path=directory, key=key, found=self._told[key])
        asked = str((options or {}).get("dictionary") or "")
        self._dictionary_name = asked or self._dictionary_of_the_files(directory)
        if self._dictionary_name not in PACKAGES:
            hint = did_you_mean(self._dictionary_name, PACKAGES)
            raise ConfigError("U087", name=self._dictionary_name, known=listing(PACKAGES), hint=hint)
        if not self._is_by_character:
            with _tagger_of(self.dictionary):
                pass

    @cached_property
    def dictionary(self) -> Dictionary:
        """:raises SetupError: it is not installed (``JPT-E071``) or damaged (``JPT-E072``)"""
        return find_dictionary(self._dictionary_name)

    def _dictionary_of_the_files(self, directory: Path) -> str:
        """What the configuration says, if the vocabulary does not contradict it; where it is silent, what that says.

        :raises SetupError: neither says it (``JPT-E074``), or they contradict each other (``JPT-E075``)
        """
        stated = self._told.get("mecab_dic")
        if stated is not None and not isinstance(stated, str):
            raise SetupError(
                "E041", path=directory, problem=f"tokenizer_config.json: mecab_dic: {stated!r:.60}"
            )
        if self._is_by_character:
            # Every dictionary gives the same characters; this is the one that transformers would open.
            return str(stated or "unidic_lite")
        seen = dictionary_of(self._files.vocabulary)
        if stated is None and seen is None:
            raise SetupError("E074", path=directory, known=listing(PACKAGES))
        if stated is not None and seen is not None and seen != stated and {seen, stated} <= _TELLABLE:
            raise SetupError("E075", path=directory, stated=stated, seen=seen)
        return str(stated or seen)

    def components(self) -> list[Component]:
        if self._is_by_character:
            return []
        from jptextclf.cards import load_dictionary_card

        card = load_dictionary_card(self.dictionary.package)
        return [card.component(revision=self.dictionary.version, sha256=self.dictionary.sha256)]

    def dictionary_fit(self) -> DictionaryFit | None:
        if self._is_by_character:
            return None
        seen = dictionary_of(self._files.vocabulary) if self._subword == "wordpiece" else None
        used = self.dictionary
        # unidic and unidic_lite cut these words alike.
        is_alike = used.name == "unidic" and seen == "unidic_lite"
        return DictionaryFit(used.name, used.version, None if is_alike else seen)

    def requirements(self) -> list[str]:
        if self._is_by_character:
            return ["fugashi", PACKAGES[self._dictionary_name]]
        # Another version of a dictionary may cut words differently.
        return ["fugashi", f"{self.dictionary.package}=={self.dictionary.version}"]

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key != "dictionary"}

    def _words_of(self, texts: Sequence[str]) -> list[str]:
        longest = _LONGEST[self.mode]
        with _tagger_of(self.dictionary) as tagger:
            if self._subword == "character":
                # fugashi strips what parse() returns, and a carriage return at the end is a piece here.
                return [
                    word
                    for text in texts
                    for word in (
                        *(node.surface for one in _windows(text, longest) for node in tagger(one)),
                        END,
                    )
                ]
            parse: Callable[[str], str] = tagger.parse
            parsed = [
                parse(text)
                if len(text) <= longest
                else " ".join(parse(window) for window in _windows(text, longest))
                for text in texts
            ]
        # One string is split faster than many; WordPiece ends a word at any white space.
        return f" {END} ".join([*parsed, ""]).split()

    def _dropped(self) -> str:
        return " \t\n\v" if self._subword == "character" else _SPACE

    def _analyse(self, text: str) -> list[Analysis]:
        place, longest = _READING[self.dictionary.name], _LONGEST[self.mode]
        with _tagger_of(self.dictionary) as tagger:
            nodes = [
                (node.surface, node.feature_raw)
                for window in _windows(text, longest)
                for node in tagger(window)
            ]
        found = []
        for whole, raw in nodes:
            features = _fields(raw)
            parts = [one for one in features[:4] if one not in ("*", "")]
            reading = features[place] if len(features) > place else ""
            for surface in whole.split():
                is_whole = surface == whole
                found.append(
                    Analysis(surface, "-".join(parts), reading if is_whole and reading != "*" else "")
                )
        return found

    def _analyser_config(self) -> dict[str, object]:
        return {"word_tokenizer_type": "mecab", "mecab_kwargs": {"mecab_dic": self._dictionary_name}}

    def _analyser_options(self) -> dict[str, object]:
        return {"dictionary": self._dictionary_name}


_TELLABLE = {"ipadic", "unidic_lite"}
"""The vocabulary tells these two apart."""


_UNREADABLE = re.compile("[\x00\ud800-\udfff]")
_IDLE: dict[Path, list[Any]] = {}


@contextmanager
def _tagger_of(dictionary: Dictionary) -> Iterator[Any]:
    """A tagger that nobody else uses meanwhile: threads must not share one.

    fugashi never gives the memory maps of a tagger back, so that each one is kept for the next who asks.
    """
    idle = _IDLE.setdefault(dictionary.directory, [])
    try:
        tagger = idle.pop()
    except IndexError:
        tagger = _open_tagger(dictionary)
    try:
        yield tagger
    finally:
        idle.append(tagger)


def _open_tagger(dictionary: Dictionary) -> Any:
    try:
        from fugashi import GenericTagger
    except ImportError as error:
        raise SetupError("E040", package="fugashi") from error
    # With a resource file named, MeCab looks at neither its environment variables nor the system's file.
    where = f"-d {shlex.quote(str(dictionary.directory))} -r {shlex.quote(str(dictionary.resource))}"
    try:
        return GenericTagger(f"{where} -Owakati")
    except RuntimeError as error:
        raise SetupError(
            "E072", name=dictionary.name, package=dictionary.package, path=dictionary.directory
        ) from error


def segment(text: str, dictionary: str = "unidic_lite") -> list[tuple[int, int]]:
    """Where the words of a text start and end, as MeCab cuts it. White space is in none.

    ``"朝食が良い" -> [(0, 2), (2, 3), (3, 5)]``

    :raises SetupError: the dictionary is missing or damaged
    """
    # MeCab ends at NUL, and a lone surrogate has no bytes.
    readable = _UNREADABLE.sub(" ", text)
    found, place = [], 0
    with _tagger_of(find_dictionary(dictionary)) as tagger:
        for window in _windows(readable, _LONGEST["safe"]):
            for node in tagger(window):
                for surface in node.surface.split():
                    start = readable.index(surface, place)
                    place = start + len(surface)
                    found.append((start, place))
    return found


@dataclass(frozen=True)
class Morpheme:
    """A word as unidic-lite describes it."""

    surface: str
    start: int
    """First character in the text."""
    end: int
    parts: tuple[str, ...]
    """Levels of its part of speech, such as ``("形容詞", "一般")``."""
    conjugation: str
    """Such as ``形容詞`` or ``五段-カ行``; empty where the word has none."""
    form: str
    """Such as ``連用形-促音便``."""
    lemma_reading: str
    lemma: str
    """As the dictionary writes it: ``美味しい`` for おいしかっ."""
    base: str
    """Its dictionary form, written as in the text: ``おいしい`` for おいしかっ."""
    reading: str
    """Katakana."""


def analyse(text: str) -> list[Morpheme]:
    """The words of a text with what unidic-lite knows of them.

    :raises SetupError: the dictionary is missing or damaged
    """
    readable = _UNREADABLE.sub(" ", text)
    found, place = [], 0
    with _tagger_of(find_dictionary("unidic_lite")) as tagger:
        for window in _windows(readable, _LONGEST["safe"]):
            for node in tagger(window):
                if not (surface := node.surface.strip()):
                    continue
                start = readable.index(surface, place)
                place = start + len(surface)
                cells = ["" if one == "*" else one for one in _fields(node.feature_raw)]
                # Unknown words have parts of speech only.
                cells += [""] * (18 - len(cells))
                parts = tuple(one for one in cells[:4] if one)
                known = (cells[4], cells[5], cells[6], cells[7], cells[10] or surface, cells[17])
                found.append(Morpheme(surface, start, place, parts, *known))
    return found


def _windows(text: str, longest: int) -> list[str]:
    return windows(text, 4 * longest, characters=longest)


def _fields(features: str) -> list[str]:
    """The comma-separated features of a word, some of them quoted."""
    import csv

    return next(csv.reader([features]), [])


ADAPTER = MecabAdapter
