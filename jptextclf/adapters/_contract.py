"""The adapter contract: how a text becomes the piece ids of one encoder.

It does not know how many positions the encoder has. Implementations are the public modules beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jptextclf.encodings import Encodings
    from jptextclf.licensing.components import Component

Mode = Literal["safe", "reference"]
"""``safe``: no text is lost, misread or taken for a special token. ``reference``: the ids of the stock tokenizer
on every input on which it returns, quirks included."""


@dataclass(frozen=True)
class Word:
    """What the tokenizer splits a text into before it looks for pieces."""

    surface: str
    """As the tokenizer sees it, after normalisation."""
    start: int
    """First character in the original text."""
    end: int
    """One past the last."""
    part_of_speech: str = ""
    """As the dictionary names it; empty where there is no dictionary."""
    reading: str = ""
    """Katakana; empty where the dictionary has none."""


@dataclass(frozen=True)
class Explanation:
    """What one text becomes, for a person to read.

    ``offsets`` are character positions in ``text``; special tokens have ``(0, 0)``.
    """

    text: str
    words: tuple[Word, ...]
    pieces: tuple[str, ...]
    ids: tuple[int, ...]
    mask: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class TokenizerInfo:
    """What the guard and the bundle have to know about a tokenizer."""

    vocabulary_size: int
    special_ids: dict[str, int]
    """``cls``, ``sep``, ``pad``, ``unk``, ``mask``: those that the tokenizer has."""
    n_before: int
    """Special tokens in front of the pieces of every text."""
    n_after: int
    """Special tokens behind them."""
    model_max_length: int | None
    """Pieces that the tokenizer's own configuration allows; None where it names no limit."""
    options: dict[str, object] = field(default_factory=dict)
    """What identifies the tokenization beside the files: what ``options`` must be to open it again."""
    first_position: int | None = None
    """Position id of the first piece that the encoder was pretrained with; None: what its architecture does."""


@dataclass(frozen=True)
class DictionaryFit:
    """A dictionary, and whether a vocabulary was made with it."""

    used: str
    """Name of the dictionary that finds the words."""
    version: str
    """Of its package."""
    seen: str | None
    """The one that the vocabulary was made with; None where it does not tell."""


class TokenizerAdapter(ABC):
    """Turn raw texts into the piece ids that one pretrained encoder was trained on.

    Promises, each of them a test in ``tests/test_adapter_contract.py``:

    - the ids equal the reference tokenizer's, or differ where that is wrong, case by case, documented;
    - the empty text gives the special tokens only, as many before and after the pieces of a text as :meth:`info` says;
    - a text alone and in a batch gives the same row;
    - any ``str`` is accepted (NUL, lone surrogates, a million characters) and never crashes the process;
      anything else is a ``TypeError`` that names its index;
    - no text can inject a special token;
    - offsets lie inside the original text, in order, and cover every character that is not white space
      and that the tokenizer's normalisation keeps;
    - safe in threads and after a fork, and picklable.
    """

    name: ClassVar[str]
    """The registry name, which is the module's name."""
    software: ClassVar[tuple[str, ...]] = ()
    """Packages, as pip names them, that find the pieces, beside those that every training uses."""

    @abstractmethod
    def __init__(
        self, directory: Path, *, mode: Mode = "safe", options: Mapping[str, object] | None = None
    ) -> None:
        """Open the tokenizer files of a directory.

        :param options: what the files do not say or say wrongly, such as the dictionary
        :raises SetupError: they are missing, damaged, or meant for another adapter
        :raises ConfigError: an option is unknown to this adapter
        """

    @abstractmethod
    def encode(self, texts: Sequence[str], *, max_length: int, offsets: bool = False) -> Encodings:
        """Texts -> ragged ids, special tokens included.

        :param max_length: pieces per text, special tokens included; longer texts are cut at the end
        :raises TypeError: an item is not a ``str``
        :raises ConfigError: ``max_length`` has no room for the special tokens and one piece (``JPT-U020``)
        """

    @abstractmethod
    def explain(self, text: str) -> Explanation:
        """What the text becomes, step by step. It is never cut."""

    @abstractmethod
    def info(self) -> TokenizerInfo:
        """Vocabulary size, special ids and options."""

    def components(self) -> list[Component]:
        """Third-party things beside the tokenizer files that decide the ids, for the licence record."""
        return []

    def dictionary_fit(self) -> DictionaryFit | None:
        """For the guard: which dictionary is used, and which one should be; None where there is none."""
        return None

    def requirements(self) -> list[str]:
        """Packages, as pip takes them, that plain transformers needs beside itself for the saved files."""
        return []

    def save_pretrained(self, directory: Path, *, max_length: int) -> None:
        """Write the files that plain transformers loads, quirks baked in, and ``requirements.txt`` for it.

        :param max_length: becomes the limit that plain transformers cuts to when asked to truncate
        """
        self._save_files(directory, max_length=max_length)
        lines = ["transformers>=4.57", "torch", "safetensors", *self.requirements()]
        (directory / "requirements.txt").write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")

    @abstractmethod
    def _save_files(self, directory: Path, *, max_length: int) -> None:
        """Write the tokenizer files."""

    @abstractmethod
    def saved_files(self) -> tuple[str, ...]:
        """The names of the tokenizer files that :meth:`save_pretrained` writes, without ``requirements.txt``."""
