"""Characters that the eye cannot see, or that act instead of being seen, as their code points."""

from __future__ import annotations

import unicodedata


def code_point(character: str) -> str:
    """``"\\u202e"`` -> ``"U+202E"``"""
    return f"U+{ord(character):04X}"


def parts(text: str, *, alone: bool = False) -> list[tuple[str, bool]]:
    """The text as runs of ``(what to show, whether it is a code point)``.

    :param alone: the text stands by itself: then spaces are named too, and a mark that has no character to sit
        on gets a dotted circle
    """
    runs: list[tuple[str, bool]] = []
    for place, character in enumerate(text):
        if (_is_hidden(character) and not _joins_emoji(text, place)) or (alone and character.isspace()):
            runs.append((code_point(character), True))
            continue
        if runs and not runs[-1][1]:
            runs[-1] = (runs[-1][0] + character, False)
        else:
            is_mark = alone and unicodedata.category(character).startswith("M")
            runs.append(("\N{DOTTED CIRCLE}" * is_mark + character, False))
    return runs


def visible(text: str, *, alone: bool = False) -> str:
    """The text in one line that does nothing to a terminal: ``"a\\x1b[2J"`` -> ``"a<U+001B>[2J"``."""
    return "".join(f"<{shown}>" if named else shown for shown, named in parts(text, alone=alone))


def visible_lines(text: str) -> str:
    """The same for several lines: ``"a\\nb\\x07"`` -> ``"a\\nb<U+0007>"``."""
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))


def _is_hidden(character: str) -> bool:
    """Controls, formats (bidi, zero width), surrogates, private and unassigned code points, odd spaces."""
    return not character.isprintable() and character != "\u3000"


def _joins_emoji(text: str, place: int) -> bool:
    """Whether a zero-width joiner makes one picture of two, as in a family."""
    if text[place] != "\u200d" or not 0 < place < len(text) - 1:
        return False
    # Before it may stand a variation selector or a colour of skin.
    return text[place - 1] > "\u2000" and unicodedata.category(text[place + 1]) == "So"
