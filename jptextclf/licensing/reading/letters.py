"""Letters: characters that look like others, and those that nobody sees, as plain ones.

It knows nothing of Markdown or licences. What it folds keeps its length, so that positions stay those of the text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_STRUCTURE = "＃｜＊｀～＠＜＞＿"
"""Full-width marks that are no Markdown; as plain ones they would be."""
_ALIKE = (
    *range(0xFF01, 0xFF5F),  # full-width letters
    *range(0x2E80, 0x2FE0),  # radicals, which copies from PDF files have in the place of characters
    *range(0xF900, 0xFB00),  # compatibility characters
    *range(0x1D400, 0x1D800),  # letters in the type faces of formulas
)
_HYPHEN = re.compile(
    r"(?<=[^\W_])[\u2010-\u2013\u2043\u2212\ufe63\uff0d](?=[\u00ad\u200b-\u200f\u2060\ufeff]*\w)"
    r"|(?<=[A-Za-zＡ-Ｚａ-ｚ])ー(?=[A-Za-zＡ-Ｚａ-ｚ])"
)
UNSEEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"
"""Characters without a width, as the inside of a class of a pattern."""
MARKED = "[ぁ-ヶ][\u3099\u309a]|[ｦ-ﾝ][ﾞﾟ]?"
"""Kana with a sound mark of its own, and those of half width, as a pattern."""


@lru_cache(maxsize=1)
def _table() -> dict[int, str]:
    pairs = ((code, unicodedata.normalize("NFKC", chr(code))) for code in _ALIKE)
    same = {code: plain for code, plain in pairs if len(plain) == 1 and chr(code) not in _STRUCTURE}
    return same | {ord("’"): "'", ord("ʼ"): "'"}


def folded(text: str) -> str:
    """The text with plain letters, of equal length: ``"ＣＣ ＢＹ－ＮＣ" -> "CC BY-NC"``.

    Dashes between letters become hyphens; elsewhere they stay, where they separate.
    """
    return _HYPHEN.sub("-", text).translate(_table())
