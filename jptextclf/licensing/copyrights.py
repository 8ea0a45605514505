"""Copyrights: whose work something is, by the copyright notices in what its evidence quotes.

It reads notices as they are usually written, in English and Japanese; what names nobody gives no holder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LONGEST = 80
"""Characters of a holder that are kept; no name is that long, a sentence without an end is."""
# "copyright notice", "copyright holder" and the like speak of notices; "(c)" before a small letter numbers a clause.
_MARK = re.compile(
    r"""
    (?: \bcopyright(?!ed|s|able)(?!\W+(?:notice|holder|owner|law|act\b|licen|statement|infring|and\b|or\b))
      | © | \(c\)(?=\s*\d) | (?-i:\(C\)(?=\s*[A-Z])) )
    (?: \s | : | \(c\) | © | copyright | \bby\b | \bpresent\b | [\d,–-] )*
    | 著作権者\s*(?:は|[::])[、\s]* | 著作権は[、\s]*
    """,
    re.IGNORECASE | re.VERBOSE,
)
_END = re.compile(
    r"""
    [.,;]?\s* \b(?:all|some)\ rights\ reserved
    | (?<=[\w)\]])\.\s+(?-i:(?=[A-Z])) | [;。、] | \s\|\s
    | \s+and\s+(?:is\s+)?(?:distributed|licen[cs]ed|released) | ,?\s+(?:licen[cs]ed|released|distributed)\s+under
    | \s*(?:に|が)(?:帰属|属|あり|ある|保有|有) | \s*(?:です|である)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ABBREVIATED = ("Inc.", "Ltd.", "Co.", "Corp.", "al.")
_BLANK = ("[", "<", "{")
"""Starts of what a text of a licence has where a name is to be filled in."""


def holders_named(statement: str) -> tuple[str, ...]:
    """Every holder that a text names, once, in its order.

    >>> holders_named("Copyright (c) 2018-2020 Google LLC. All rights reserved. Copyright 2021 Facebook, Inc.")
    ('Google LLC', 'Facebook, Inc.')
    """
    found = [_name(piece) for line in statement.splitlines() for piece in _MARK.split(line)[1:]]
    return tuple(dict.fromkeys(one for one in found if one and not one.startswith(_BLANK)))


def holders_in(evidence: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Every holder that the statements of the evidence name, once, in its order."""
    named = (one for record in evidence for one in holders_named(str(record.get("statement") or "")))
    return tuple(dict.fromkeys(named))


def _name(words: str) -> str:
    name = _END.split(words[: 2 * _LONGEST], maxsplit=1)[0][:_LONGEST].strip(" \t,;:\"'*#/")
    return name if name.endswith(_ABBREVIATED) else name.rstrip(".,; ")
