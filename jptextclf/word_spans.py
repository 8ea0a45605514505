"""Where the words of a text stand: for a person, whatever the tokenizer of the model is.

Japanese is cut by MeCab with unidic-lite, as people would cut it; other scripts at spaces and punctuation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jptextclf.adapters import Word
from jptextclf.adapters.mecab import segment

if TYPE_CHECKING:
    from jptextclf.adapters import TokenizerAdapter

_JAPANESE = re.compile("[\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f]")
_PLAIN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def words_of(text: str, adapter: TokenizerAdapter) -> tuple[Word, ...]:
    """The words of a text with their places in it: the tokenizer's own, where it knows words.

    :raises SetupError: unidic-lite is missing or damaged
    """
    own = adapter.explain(text).words
    if own and any(one.part_of_speech for one in own):
        return own
    return cut_words(text)


def cut_words(text: str) -> tuple[Word, ...]:
    """The words of a text, whatever a tokenizer makes of it.

    :raises SetupError: unidic-lite is missing or damaged
    """
    if _JAPANESE.search(text):
        return tuple(Word(text[start:end], start, end) for start, end in segment(text))
    return tuple(Word(found[0], *found.span()) for found in _PLAIN.finditer(text))
