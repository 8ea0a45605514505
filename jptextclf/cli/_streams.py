"""Standard output and error that can take any character, whatever the console knows.

It does not know what is printed.
"""

from __future__ import annotations

import codecs
import sys
import unicodedata

_TWINS = {
    "–": "-", "—": "-", "―": "-", "−": "-", "‐": "-", "‑": "-", "〜": "～", "～": "〜", "‹": "<", "›": ">", "“": '"', "”": '"',
    "‘": "'", "’": "'", "•": "*", "·": ".", "…": "...", "×": "x", "✓": "o", "→": "->", "←": "<-", "±": "+-", "＋": "+",
}  # fmt: skip
"""What stands for a character that a console does not have."""
_HANDLER = "jptextclf-substitute"


def prepare_streams() -> None:
    """Show something alike, else "?", for a character that the console does not have, instead of ending the program.

    Where the environment says nothing but ASCII (``LC_ALL=C``) the output is UTF-8: click writes that there anyway, and
    half of an output in another encoding would help nobody.
    """
    codecs.register_error(_HANDLER, _substituted)
    for stream in (sys.stdout, sys.stderr):
        encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else None
        stream.reconfigure(encoding=encoding, errors=_HANDLER)  # type: ignore[union-attr]


def _substituted(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_alike(one, error.encoding) for one in missing), error.end


def _alike(character: str, encoding: str) -> str:
    """``"–", "cp932" -> "-"``; ``"髙", "euc_jp" -> "?"``"""
    for candidate in (_TWINS.get(character, ""), unicodedata.normalize("NFKC", character)):
        try:
            candidate.encode(encoding)
        except UnicodeEncodeError:
            continue
        if candidate:
            return candidate
    return "?"
