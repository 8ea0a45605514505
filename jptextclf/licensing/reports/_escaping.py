"""Escaping: names and quotes of others, made safe to print. Nothing that a reader cannot see gets through."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>&#|~$!^])")


def shown(value: object) -> str:
    """One line in which every character can be seen: ``"a\\u202eb" -> "a[U+202E]b"``.

    Characters that turn the direction of writing could make a name read as another; newlines could end a row.
    """
    line = re.sub(r"[ \t\r\n\v\f]+", " ", str(value)).strip()
    return "".join(_visible(character) for character in line)


def markdown(value: object) -> str:
    """One line of Markdown that shows the value itself, in a table too."""
    line = _MARKUP.sub(r"\\\1", shown(value))
    # Where a line starts, a hyphen, plus or number would make a list.
    return re.sub(r"^([-+=]|\d+(?=[.)]))", r"\\\1" if not line[:1].isdigit() else r"\1\\", line)


def json_text(text: str) -> str:
    """A JSON document in which invisible characters are written as escapes; its meaning stays the same."""
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in _INVISIBLE
        else _escape(character)
        for character in text
    )


def _visible(character: str) -> str:
    if unicodedata.category(character) in _INVISIBLE:
        return f"[U+{ord(character):04X}]"
    return character


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
