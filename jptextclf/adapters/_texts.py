"""What every adapter asks of the texts that it is given. It knows no tokenizer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SURROGATES = re.compile("[\ud800-\udfff]")


def check_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list.

    :raises TypeError: an item is not a ``str``; the error names its index
    """
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{number}] is {type(text).__name__}, expected str")
    return list(texts)


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for every lone surrogate."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
