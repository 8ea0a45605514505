"""MeCab dictionaries: which one, where it is, which version; and which one a vocabulary was made with.

It does not analyse text. A dictionary never comes from a default: transformers changed its own from ipadic to
unidic_lite (huggingface/transformers#33372), and models of the first kind have been misread since.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from jptextclf.atomic import sha256_of
from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import did_you_mean, listing

if TYPE_CHECKING:
    from collections.abc import Container

PACKAGES = {"ipadic": "ipadic", "unidic_lite": "unidic-lite", "unidic": "unidic"}
"""Dictionary, as ``mecab_kwargs`` of transformers names it -> the package that brings it."""


@dataclass(frozen=True)
class Dictionary:
    """An installed MeCab dictionary."""

    name: str
    directory: Path
    version: str
    """Of the package."""

    @property
    def package(self) -> str:
        """As pip names it."""
        return PACKAGES[self.name]

    @property
    def resource(self) -> Path:
        """A resource file without settings: without it MeCab would read that of the system or of the environment."""
        return self.directory / "mecabrc"

    @cached_property
    def sha256(self) -> str:
        """Of ``sys.dic``, read in full: half a second for unidic_lite."""
        return sha256_of(self.directory / "sys.dic")


def find_dictionary(name: str) -> Dictionary:
    """The installed dictionary of that name.

    :raises ConfigError: there is no such dictionary (``JPT-U087``)
    :raises SetupError: its package is not installed (``JPT-E071``), or its files are missing (``JPT-E072``)
    """
    if name not in PACKAGES:
        raise ConfigError("U087", name=name, known=listing(PACKAGES), hint=did_you_mean(name, PACKAGES))
    package = PACKAGES[name]
    try:
        module = import_module(name)
        found = Dictionary(name, Path(module.DICDIR), version(package))
    except (ImportError, PackageNotFoundError) as error:
        raise SetupError("E071", name=name, package=package) from error
    for file in ("sys.dic", "mecabrc"):
        if not (found.directory / file).is_file():
            raise SetupError("E072", name=name, package=package, path=found.directory / file)
    return found


# Words frequent in any Japanese text that one dictionary keeps whole and the other one cuts inside ("に|つい|て",
# "でしょ|う"), so that a vocabulary made with the other one does not have them. Found by running both over reviews.
_OF_IPADIC = (
    "ので", "という", "として", "について", "によって", "において", "に関して", "にとって", "といった", "そのまま",
    "これから", "その他", "一つ", "二つ", "日本語", "自転車", "新幹線", "小学生", "土曜日",
)  # fmt: skip
_OF_UNIDIC = ("でしょう", "一人", "二人", "しよう", "だろう", "ましょう", "十分", "行こう", "なろう")


def dictionary_of(vocabulary: Container[str]) -> str | None:
    """Which dictionary a WordPiece vocabulary was made with: ``ipadic``, ``unidic_lite``, or None where unclear.

    The vocabulary of tohoku-nlp/bert-base-japanese-v3 has none of the 19 words of the first kind and all 9 of the
    second.
    """
    ipadic = sum(word in vocabulary for word in _OF_IPADIC) / len(_OF_IPADIC)
    unidic = sum(word in vocabulary for word in _OF_UNIDIC) / len(_OF_UNIDIC)
    if max(ipadic, unidic) < 0.3 or abs(ipadic - unidic) < 0.3:
        return None
    return "ipadic" if ipadic > unidic else "unidic_lite"
