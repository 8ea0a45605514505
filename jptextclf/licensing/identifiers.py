"""How licence ids are spelled: what stands behind ``license:`` -> SPDX expression. The table is data.

It knows ids, not prose: "the Apache licence, version 2" is for :mod:`jptextclf.licensing.reading`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jptextclf.errors import ConfigError
from jptextclf.licensing.components import NOASSERTION, join_and, spdx_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE = Path(__file__).with_suffix(".toml")
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+\Z")
_WORD = re.compile(r"[()]|[^()\s]+")
_LONGEST = 1000
"""Characters of an expression that are read; no real one is near it."""
_OPERATORS = ("AND", "OR", "WITH")
_MOST = 50
"""Licences of a list that are read; a longer one says nothing, since no part of it may be left out."""


@dataclass(frozen=True)
class _Names:
    """Spellings in lower case -> the usual one."""

    hub: dict[str, str]
    spdx: dict[str, str]
    nothing: frozenset[str]
    families: frozenset[str]


def to_spdx(value: object) -> str:
    """What a card, a tag or a package says -> SPDX expression, ``LicenseRef-…`` or ``NOASSERTION``. Never raises.

    ``"cc-by-sa-4.0" -> "CC-BY-SA-4.0"``, ``"llama2" -> "LicenseRef-Llama-2-Community"``, ``["mit"] -> "MIT"``.
    A list of several, 50 at most, is joined by AND in its order: the Hub gives it no meaning, and AND is the stricter
    reading; ask :func:`is_list` whether that happened. Families without a version (``gpl``), ``other``, full-width letters
    and everything that is not an id give ``NOASSERTION``.
    """
    if isinstance(value, list | tuple):
        return _joined(list(value))
    if not isinstance(value, str):
        return NOASSERTION
    text = value.strip()
    return to_spdx_id(text) or _expression(text)


def to_spdx_id(text: str) -> str:
    """The usual spelling of one id; empty if it is none, ``NOASSERTION`` if it is known to say nothing."""
    names, key = _names(), text.strip().lower()
    if not key.isascii():
        return ""
    if key in names.nothing or key in names.families:
        return NOASSERTION
    return (
        names.hub.get(key) or names.spdx.get(key) or (text.strip() if _REFERENCE.match(text.strip()) else "")
    )


def to_spdx_list(value: object) -> str | tuple[str, ...]:
    """The same, but a list of several licences stays one: ``["mit", "isc"] -> ("MIT", "ISC")``.

    ``["mit"]`` and ``["mit", "MIT"]`` are one licence, ``"MIT"``. A list of which an item says nothing is
    ``NOASSERTION``.
    """
    ids = _each(value) if isinstance(value, list | tuple) else []
    return tuple(ids) if len(ids) > 1 else to_spdx(value)


def is_list(value: object) -> bool:
    """Whether it names several licences without saying how they combine."""
    return isinstance(value, list | tuple) and len(value) > 1


def is_family(value: object) -> bool:
    """Whether it is a licence family that leaves the version open, such as ``gpl`` or ``openrail``."""
    return isinstance(value, str) and value.strip().lower() in _names().families


def hub_ids() -> tuple[str, ...]:
    """The ids of the Hub's list that name one licence."""
    return tuple(_names().hub)


def same_license(one: str, other: str) -> bool:
    """Whether two ids are the same but for case and punctuation."""
    return _bare(one) == _bare(other)


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _joined(values: list[object]) -> str:
    return join_and(_each(values)) or NOASSERTION


def _each(values: Sequence[object]) -> list[str]:
    """The items of a list as expressions, once each; empty where one of them says nothing or is a list itself."""
    if len(values) > _MOST or any(isinstance(value, list | tuple) for value in values):
        return []
    ids = list(dict.fromkeys(to_spdx(value) for value in values))
    return [] if NOASSERTION in ids else ids


def _expression(text: str) -> str:
    """``"mit or apache-2.0" -> "MIT OR Apache-2.0"``; each id must be known by its exact name."""
    if len(text) > _LONGEST or not text.isascii() or " " not in text.strip("() "):
        return NOASSERTION
    words = [_word(word) for word in _WORD.findall(text)]
    if not all(words):
        return NOASSERTION
    try:
        return spdx_expression(" ".join(words))
    # The parser of the library runs out of its own stack on some unbalanced brackets, "()MIT MIT" for one.
    except (ConfigError, RecursionError, IndexError, TypeError, AttributeError):
        return NOASSERTION


def _word(word: str) -> str:
    if word in {"(", ")"}:
        return word
    if word.upper() in _OPERATORS:
        return word.upper()
    known = to_spdx_id(word)
    return "" if known == NOASSERTION else known


@lru_cache(maxsize=1)
def _names() -> _Names:
    from license_expression import get_spdx_licensing

    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    known = get_spdx_licensing().known_symbols
    spdx = {key.lower(): key for key in known if not key.startswith("LicenseRef-")} | table["deprecated"]
    references = [*table["references"], *table["hub"].values()]
    return _Names(
        hub=table["hub"],
        spdx=spdx | {one.lower(): one for one in references},
        nothing=frozenset(table["without_version"]["nothing"]),
        families=frozenset(table["without_version"]["families"]),
    )
