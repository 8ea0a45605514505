"""Tokenizer adapters: raw texts -> the piece ids of one pretrained encoder.

Each public module of this package is one adapter; its name is the module's. Nothing above this package
knows how a text becomes ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.adapters._contract import Explanation, TokenizerAdapter, TokenizerInfo
from jptextclf.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ADAPTERS", "Explanation", "TokenizerAdapter", "TokenizerInfo", "open_adapter"]

ADAPTERS: Registry[type[TokenizerAdapter]] = Registry("adapter", __name__, "ADAPTER")


def open_adapter(directory: Path, *, name: str = "huggingface") -> TokenizerAdapter:
    """The adapter ``name`` over the tokenizer files in ``directory``.

    :raises ConfigError: no adapter has that name (``JPT-U001``)
    :raises SetupError: the files are missing or damaged, or want another adapter (``JPT-E040`` … ``JPT-E042``)
    """
    return ADAPTERS.get(name)(directory)
