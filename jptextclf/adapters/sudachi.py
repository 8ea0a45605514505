"""Japanese BERT models over words of Sudachi: the same files and pieces as the MeCab route, another analyser.

SudachiPy and its dictionaries are an extra: ``pip install 'jptextclf[sudachi]'``.
"""

from __future__ import annotations

import threading
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jptextclf.adapters._bert_japanese import END, Analysis, BertJapaneseAdapter, windows
from jptextclf.adapters._contract import DictionaryFit
from jptextclf.atomic import sha256_of
from jptextclf.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jptextclf.adapters._contract import Mode
    from jptextclf.licensing.components import Component

_LONGEST = 49_149
"""Bytes of UTF-8 that Sudachi takes at a time; what is longer is analysed in windows."""
_KINDS = ("small", "core", "full")
_SPLIT_MODES = ("A", "B", "C")
_READING = {"dictionary": "sudachi_dict_type", "split_mode": "sudachi_split_mode"}
"""Option -> its key in ``sudachi_kwargs``."""
# Keys that change the words in ways that are not reproduced here, and the values that do not.
_HARMLESS: dict[str, tuple[object, ...]] = {
    "normalize_text": (None, True),
    "sudachi_config_path": (None,),
    "sudachi_projection": (None, "surface"),
    "sudachi_resource_dir": (None,),
}


class SudachiAdapter(BertJapaneseAdapter):
    """Sudachi with a dictionary from PyPI.

    :param options: ``dictionary`` (``small``, ``core``, ``full``), ``split_mode`` (``A``, ``B``, ``C``), and those of
        the base class
    """

    name: ClassVar[str] = "sudachi"
    known_options: ClassVar[tuple[str, ...]] = ("dictionary", "lower_case", "split_mode", "subword")
    software: ClassVar[tuple[str, ...]] = ("sudachipy",)
    analyser_key: ClassVar[str] = "sudachi_kwargs"

    def __init__(
        self, directory: Path, *, mode: Mode = "safe", options: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(directory, mode=mode, options=options)
        kind = self._files.config.get("word_tokenizer_type", "sudachi")
        if kind != "sudachi":
            raise SetupError("E070", path=directory, key="word_tokenizer_type", found=kind, known="sudachi")
        for key, allowed in _HARMLESS.items():
            if self._told.get(key) not in allowed:
                raise SetupError("E076", path=directory, key=key, found=self._told[key])
        given = options or {}
        # transformers' own defaults: they never changed.
        self._kind = str(given.get("dictionary") or self._told.get("sudachi_dict_type") or "core")
        self._split_mode = str(given.get("split_mode") or self._told.get("sudachi_split_mode") or "A")
        self._trims_words = bool(self._told.get("trim_whitespace"))
        for option, value, known in (
            ("dictionary", self._kind, _KINDS),
            ("split_mode", self._split_mode, _SPLIT_MODES),
        ):
            if value not in known:
                raise ConfigError("U088", option=option, found=value, known=", ".join(known))
        self._tokenizer()

    @property
    def _is_by_character(self) -> bool:
        # White space is a piece of its own here, or not, as the analyser cuts it.
        return False

    def components(self) -> list[Component]:
        from jptextclf.cards import load_dictionary_card

        package = f"sudachidict-{self._kind}"
        path = _directory(package) / "resources" / "system.dic"
        return [load_dictionary_card(package).component(revision=version(package), sha256=sha256_of(path))]

    def dictionary_fit(self) -> DictionaryFit | None:
        package = f"sudachidict-{self._kind}"
        return DictionaryFit(package, version(package), None)

    def requirements(self) -> list[str]:
        package = f"sudachidict-{self._kind}"
        return ["sudachipy", f"{package}=={version(package)}"]

    def _set_up(self) -> None:
        self._local = threading.local()
        super()._set_up()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key != "_local"}

    def _tokenizer(self) -> Any:
        """The tokenizer of this thread."""
        if not hasattr(self._local, "tokenizer"):
            try:
                from sudachipy import Dictionary, SplitMode
                from sudachipy.errors import SudachiError
            except ImportError as error:
                raise SetupError("E077", package="sudachipy", kind=self._kind) from error
            package = f"sudachidict-{self._kind}"
            _directory(package)
            split_mode = {"A": SplitMode.A, "B": SplitMode.B, "C": SplitMode.C}[self._split_mode]
            try:
                self._local.tokenizer = Dictionary(dict=self._kind).tokenizer(split_mode)
            except SudachiError as error:
                where = _directory(package)
                raise SetupError("E072", name=self._kind, package=package, path=where) from error
        return self._local.tokenizer

    def _words_of(self, texts: Sequence[str]) -> list[str]:
        tokenize = self._tokenizer().tokenize
        words: list[str] = []
        for text in texts:
            for window in windows(text, _LONGEST):
                words += [word.surface() for word in tokenize(window)]
            words.append(END)
        return words

    def _dropped(self) -> str:
        return ""

    def _analyse(self, text: str) -> list[Analysis]:
        return [
            Analysis(
                word.surface(),
                "-".join(part for part in word.part_of_speech()[:4] if part != "*"),
                word.reading_form(),
            )
            for window in windows(text, _LONGEST)
            for word in self._tokenizer().tokenize(window)
            if not word.surface().isspace()
        ]

    def _analyser_config(self) -> dict[str, object]:
        told = {_READING[option]: value for option, value in self._analyser_options().items()}
        if self._trims_words:
            told["trim_whitespace"] = True
        return {"word_tokenizer_type": "sudachi", "sudachi_kwargs": told}

    def _analyser_options(self) -> dict[str, object]:
        return {"dictionary": self._kind, "split_mode": self._split_mode}


def _directory(package: str) -> Path:
    """Where a dictionary package is installed.

    :raises SetupError: nowhere (``JPT-E077``)
    """
    found = find_spec(package.replace("-", "_"))
    try:
        version(package)
    except PackageNotFoundError:
        found = None
    if found is None or found.origin is None:
        raise SetupError("E077", package=package, kind=package.rpartition("-")[2])
    return Path(found.origin).parent


ADAPTER = SudachiAdapter
