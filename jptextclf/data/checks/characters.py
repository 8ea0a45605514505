"""Characters that nobody sees, and texts that were read in the wrong encoding.

It knows single texts only.
"""

from __future__ import annotations

import re
import unicodedata

INVISIBLE = re.compile("[\u00ad\u200b\u200c\u200e\u200f\u2060\ufeff]")
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
CONTROL = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\ud800-\udfff]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_HALF_KANA = re.compile("[\uff66-\uff9d]")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_OTHER = re.compile("[\u0400-\u04ff\u0600-\u06ff\u0e00-\u0e7f\uac00-\ud7af]")

# UTF-8 bytes of kana and common kanji, as other encodings show them.
_SIGNS = re.compile(
    "縺|繧|繝|・ｽ|ã[\u0080-\u00ff‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ€]|[äåæçè][\u0080-\u00ff‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ€]{2}"
)
_ROUNDS = (
    ("cp932", "utf-8"), ("cp1252", "utf-8"), ("latin-1", "utf-8"), ("euc_jp", "utf-8"), ("mac_roman", "utf-8"),
    ("cp1252", "cp932"), ("latin-1", "cp932"), ("mac_roman", "cp932"),
    ("latin-1", "euc_jp"), ("cp932", "euc_jp"), ("euc_jp", "cp932"),
)  # fmt: skip
"""What a text was read as, and what it was written in."""
_LONGEST = 2000
"""Characters of a text that are looked at for a wrong encoding."""


def repaired(found: str) -> str | None:
    """What a text was before it was read in the wrong encoding; None where it was not, or that cannot be told.

    ``"譛晞｣溘′" -> "朝食が"``. Only a round trip without loss counts, whose result is Japanese and the text itself is not.
    """
    if found.isascii():
        return None
    for read_as, written_in in _ROUNDS:
        try:
            before = found.encode(read_as).decode(written_in)
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        if before != found and before.isprintable() and _is_better(before, found):
            return before
    return None


def _is_better(before: str, found: str) -> bool:
    """Whether the round trip made Japanese of what was none."""
    kana, kana_now = len(_KANA.findall(before)), len(_KANA.findall(found))
    if kana >= 2 and kana > kana_now:
        return True
    if kana_now or _HAN.search(found) or _HALF_KANA.search(found):
        return False
    # A word without kana: only where nothing Japanese stood there, and too many accents for another language.
    japanese = kana + len(_HAN.findall(before))
    foreign = sum(not one.isascii() for one in found)
    return japanese >= 3 and foreign >= 5 and japanese >= len(before) / 2


def is_mojibake(found: str) -> bool:
    """Whether a text looks as if it was read in the wrong encoding, or lost characters when it was."""
    if found.isascii():
        return False
    if "\ufffd" in found:
        return True
    start = found[:_LONGEST]
    signs = len(_SIGNS.findall(start))
    if signs >= 3 and signs * 8 >= len(start) ** 0.9:
        return True
    return repaired(start) is not None


def is_odd_reading(found: str) -> bool:
    """Whether characters of private use stand in it, or half-width kana in place of all others."""
    if found.isascii():
        return False
    half = len(_HALF_KANA.findall(found))
    if _PRIVATE.search(found):
        return True
    return half >= 8 and half > 0.6 * len(found) and not _KANA.search(found) and not _HAN.search(found)


def script_of(found: str) -> str | None:
    """``japanese``, ``chinese`` (long without any kana), ``latin`` or ``other``; None where a text is too short to tell."""
    if _KANA.search(found) or _HALF_KANA.search(found):
        return "japanese"
    if len(_OTHER.findall(found)) >= 5:
        return "other"
    n_latin, n_han = len(_LATIN.findall(found)), len(_HAN.findall(found))
    if n_han >= 20:
        return "chinese"
    if n_han:
        return None
    return "latin" if n_latin >= 15 else None


def without_invisible(found: str) -> str:
    """A text without characters that nobody sees: zero-width ones, marks of direction, controls, lone surrogates.

    Line feeds and tabs stay, and so do joiners within emoji and variation selectors.
    """
    for pattern in (INVISIBLE, BIDI, CONTROL):
        found = pattern.sub("", found)
    return re.sub("(?<![\\U0001f000-\\U0001ffff\\u2600-\\u27bf\\ufe0f])\\u200d", "", found)


def has_joiner_outside_emoji(found: str) -> bool:
    """Whether a zero-width joiner stands elsewhere than between two pictures."""
    places = [place for place, one in enumerate(found) if one == "\u200d"]
    return any(
        place == 0 or unicodedata.category(found[place - 1]) not in {"So", "Sk", "Mn"} for place in places
    )
