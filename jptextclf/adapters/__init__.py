"""Tokenizer adapters: raw texts -> the piece ids of one pretrained encoder.

Each public module of this package is one adapter; its name is the module's. Nothing above this package
knows how a text becomes ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.adapters._choice import AdapterChoice, choose_adapter
from jptextclf.adapters._contract import (
    DictionaryFit,
    Explanation,
    Mode,
    TokenizerAdapter,
    TokenizerInfo,
    Word,
)
from jptextclf.encoders import resolve_tokenizer
from jptextclf.errors import ConfigError
from jptextclf.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jptextclf.progress import Progress

__all__ = [
    "ADAPTERS",
    "AdapterChoice",
    "DictionaryFit",
    "Explanation",
    "Mode",
    "TokenizerAdapter",
    "TokenizerInfo",
    "Word",
    "choose_adapter",
    "load_adapter",
    "open_adapter",
]

ADAPTERS: Registry[type[TokenizerAdapter]] = Registry("adapter", __name__, "ADAPTER")


def load_adapter(
    model: str | Path,
    *,
    mode: Mode = "safe",
    dictionary: str | None = None,
    progress: Progress | None = None,
) -> TokenizerAdapter:
    """The tokenizer of an encoder, ready for texts; weights are neither needed nor fetched.

    ``load_adapter("tohoku-nlp/bert-base-japanese-v3").encode(["静かな宿"], max_length=512)``

    :param model: ``builtin``, the name of a card, a directory, an imported model, a hub id ``org/name[@revision]``,
        or a run directory
    :param mode: ``safe``: no text is lost or taken for a special token; ``reference``: the ids of the stock
        tokenizer, quirks included
    :param dictionary: for models with words of MeCab or Sudachi, where the files do not say it or say it wrongly
    :raises ConfigError: nothing has this name, or the mode or the dictionary cannot be
    :raises SetupError: files, packages or dictionaries are missing, damaged or contradict each other
    """
    found = resolve_tokenizer(str(model), progress=progress)
    choice = choose_adapter(found.directory, found.card, dictionary=dictionary)
    return open_adapter(found.directory, name=choice.name, mode=mode, options=choice.options)


def open_adapter(
    directory: Path,
    *,
    name: str = "huggingface",
    mode: Mode = "safe",
    options: Mapping[str, object] | None = None,
) -> TokenizerAdapter:
    """The adapter ``name`` over the tokenizer files in ``directory``.

    :param options: see the adapter
    :raises ConfigError: no adapter has that name (``JPT-U001``), there is no such mode (``JPT-U079``), or an option
        is unknown (``JPT-U085``)
    :raises SetupError: the files are missing or damaged, or want another adapter (``JPT-E040`` … ``JPT-E042``)
    """
    if mode not in ("safe", "reference"):
        raise ConfigError("U079", found=mode)
    return ADAPTERS.get(name)(directory, mode=mode, options=options)
