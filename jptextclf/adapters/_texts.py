"""What every adapter asks of the texts that it is given. It knows no tokenizer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SURROGATES = re.compile("[\ud800-\udfff]")


def check_texts(texts: Iterable[str]) -> list[str]:
    """The texts as a list; subclasses of ``str``, as numpy has one, become plain.

    :raises TypeError: an item is not a ``str`` (the error names its index), or ``texts`` is one ``str``
    """
    if isinstance(texts, str):
        raise TypeError("texts is one str, expected several: [text]")
    found = list(texts)
    for number, text in enumerate(found):
        if type(text) is not str:
            if not isinstance(text, str):
                raise TypeError(f"texts[{number}] is {type(text).__name__}, expected str")
            found[number] = str.__str__(text)
    return found


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for every lone surrogate."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
