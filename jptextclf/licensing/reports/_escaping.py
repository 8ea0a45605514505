"""Escaping: names and quotes of others, made safe to print. Nothing that a reader cannot see gets through."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_NOT_PLAIN = re.compile(r"[^ -~\n]")
_MARKUP = re.compile(r"([\\`*_\[\]<>&|~$])")
_LIST = re.compile(r"^(?:([-+=#])|(\d+)(?=[.)](?: |$)))")


def shown(value: object) -> str:
    """One line in which every character can be seen: ``"a\\u202eb" -> "a[U+202E]b"``.

    Characters that turn the direction of writing could make a name read as another; newlines could end a row.
    """
    line = re.sub(r"[ \t\r\n\v\f]+", " ", str(value)).strip()
    return _NOT_PLAIN.sub(lambda found: _visible(found[0]), line)


def markdown(value: object) -> str:
    """One line of Markdown that shows the value itself, in a table too."""
    line = _MARKUP.sub(r"\\\1", shown(value))
    # Where a line starts, a hyphen, plus or number would make a list, a hash a heading.
    return _LIST.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\", line)


def json_text(text: str) -> str:
    """A JSON document in which invisible characters are written as escapes; its meaning stays the same."""
    return _NOT_PLAIN.sub(lambda found: _escaped(found[0]), text)


def _visible(character: str) -> str:
    if unicodedata.category(character) in _INVISIBLE:
        return f"[U+{ord(character):04X}]"
    return character


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    code = ord(character)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
