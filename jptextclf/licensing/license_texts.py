"""Full texts, names and pages of licences, as they go into an export; shipped with the package, read offline.

It does not know what a licence asks for, and it has no stand-in for a text that it lacks.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jptextclf.licensing.components import NOASSERTION, spdx_expression, spdx_parser

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_BLANK = re.compile(r"<(?:year|copyright holder|owner)")
_HEAD = 400
"""Characters before the terms; blanks after them are advice on how to apply a licence."""


@dataclass(frozen=True)
class LicenseText:
    """What is known of one shipped text."""

    id: str
    """SPDX id or ``LicenseRef-…``; the text is the file of that name."""
    name: str
    url: str
    """The page of whoever wrote the licence, or of the SPDX list."""
    source: str
    """Package URL of the file that the text was copied from."""
    sha256: str
    """Of the shipped file."""
    is_exception: bool = False
    osi_approved: bool = False
    """As the SPDX licence list says."""
    fsf_libre: bool = False
    """As the SPDX licence list says."""
    same_text: tuple[str, ...] = ()
    """Other ids whose text this is, such as ``GPL-3.0-or-later`` beside ``GPL-3.0-only``."""


def license_text(license_id: str) -> str | None:
    """The full text of a licence or exception; None where the package has none.

    Ids are compared without case. ``-only`` and ``-or-later`` share one text.
    """
    entry = find(license_id)
    if entry is None:
        return None
    return (_directory() / f"{entry.id}.txt").read_text(encoding="utf-8")


def has_text(license_id: str) -> bool:
    """Whether :func:`license_text` has a text for this id."""
    return find(license_id) is not None


def license_name(license_id: str) -> str:
    """The full name, ``"MIT" -> "MIT License"``; an id whose text is not here is its own name."""
    entry = find(license_id)
    if entry is None:
        return _official_spelling(license_id)
    return entry.name + _suffix(license_id)


def license_url(license_id: str) -> str:
    """A page with the text: that of whoever wrote it, else of the SPDX list; empty for an unknown ``LicenseRef-…``."""
    entry = find(license_id)
    if entry is not None:
        return entry.url
    spelled = _official_spelling(license_id)
    return f"https://spdx.org/licenses/{spelled}.html" if spelled in _spdx_ids().values() else ""


def known_ids() -> tuple[str, ...]:
    """Every id that has a text, sorted."""
    return tuple(sorted(name for one in license_texts() for name in (one.id, *one.same_text)))


@cache
def license_texts() -> tuple[LicenseText, ...]:
    """What is known of each shipped text, in the order of ``texts/index.toml``."""
    table = tomllib.loads((_directory() / "index.toml").read_text(encoding="utf-8"))
    licenses = [_entry(one) for one in table["license"]]
    return (*licenses, *(_entry(one, is_exception=True) for one in table["exception"]))


def texts_for(expression: str) -> tuple[str, ...]:
    """Ids of the texts that have to go with something under this expression, in its order, once each.

    ``"MIT AND Apache-2.0 WITH LLVM-exception" -> ("MIT", "Apache-2.0", "LLVM-exception")``. Ids that share a text
    give the id of the file; every branch of an ``OR`` is named; ``NOASSERTION`` gives nothing. An id without a
    shipped text is named too: :func:`has_text` says so.

    :raises ConfigError: it is no SPDX expression (``JPT-U050``)
    """
    spelled = spdx_expression(expression)
    if spelled == NOASSERTION:
        return ()
    literals = spdx_parser().parse(spelled).get_literals()
    keys = [symbol.key for literal in literals for symbol in literal.decompose()]
    found = ((key, find(key)) for key in keys)
    return tuple(dict.fromkeys(key if entry is None else entry.id for key, entry in found))


def find(license_id: str) -> LicenseText | None:
    """The entry of a licence or exception by id, without regard to case; None where there is none."""
    return _by_id().get(license_id.strip().casefold())


def has_blanks(license_id: str) -> bool:
    """Whether the text starts with blanks such as ``<year>``: whoever ships it needs the filled-in original."""
    return _BLANK.search((license_text(license_id) or "")[:_HEAD]) is not None


def _suffix(license_id: str) -> str:
    """What an id adds to the name that ``-only`` and ``-or-later`` share."""
    spelled = license_id.strip().casefold()
    endings = {"-or-later": " or later", "-only": " only"}
    return next((words for ending, words in endings.items() if spelled.endswith(ending)), "")


@cache
def _by_id() -> dict[str, LicenseText]:
    return {name.casefold(): one for one in license_texts() for name in (one.id, *one.same_text)}


@cache
def _spdx_ids() -> dict[str, str]:
    """Every id of the SPDX list, by its lower-case form."""
    symbols: Any = spdx_parser().known_symbols
    return {key.casefold(): key for key in symbols if not key.startswith("LicenseRef-")}


def _official_spelling(license_id: str) -> str:
    return _spdx_ids().get(license_id.strip().casefold(), license_id.strip())


def _entry(row: dict[str, Any], *, is_exception: bool = False) -> LicenseText:
    return LicenseText(
        **{**row, "same_text": tuple(row.get("same_text", ()))},
        is_exception=is_exception,
    )


def _directory() -> Traversable:
    return resources.files(__package__) / "texts"
