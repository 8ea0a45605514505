"""The ``license:`` line in the front matter of a README.md, as a hub writes it.

It does not read anything else of the card, and it does not judge: what is not one clear id is NOASSERTION.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jptextclf import messages
from jptextclf.errors import ConfigError
from jptextclf.licensing.components import NOASSERTION, Evidence, spdx_expression

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 4 << 20
"""Bytes of a README that are read; front matter stands at its start."""
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_KEY = re.compile(r"^license[ \t]*:", re.MULTILINE)


@dataclass(frozen=True)
class DeclaredLicense:
    """What a card declares."""

    expression: str = NOASSERTION
    """SPDX expression or ``NOASSERTION``."""
    note: str = ""
    """Why it is ``NOASSERTION``, for a person."""
    evidence: tuple[Evidence, ...] = ()


def read_declared(readme: Path, *, revision: str = "", url: str = "") -> DeclaredLicense:
    """The licence that a README.md declares; a missing or unreadable one declares nothing.

    :param revision: of the repository that the file belongs to
    :param url: where a person finds the file
    """
    try:
        with readme.open("rb") as file:
            data = file.read(_LARGEST)
    except OSError:
        return DeclaredLicense(note=messages.text("models.license_no_readme"))
    text = data.decode("utf-8-sig", errors="replace")
    matter = _FRONT_MATTER.match(text)
    if matter is None:
        return DeclaredLicense(note=messages.text("models.license_no_front_matter"))
    value, is_readable = _license_value(matter[1])
    if not is_readable:
        return DeclaredLicense(note=messages.text("models.license_bad_front_matter"))
    if value is None:
        return DeclaredLicense(note=messages.text("models.license_missing"))
    key = _KEY.search(matter[1])
    evidence = Evidence(
        statement=f"license: {value if isinstance(value, str) else ', '.join(map(str, _items(value)))}",
        url=url,
        file=readme.name,
        revision=revision,
        sha256=hashlib.sha256(data).hexdigest(),
        line=text[: matter.start(1) + key.start()].count("\n") + 1 if key else None,
    )
    return _declared(value, evidence)


def _license_value(front_matter: str) -> tuple[object, bool]:
    """The value of the key, and whether the front matter could be read."""
    import yaml  # type: ignore[import-untyped]

    try:
        values = yaml.safe_load(front_matter)
    # Besides its own errors PyYAML raises ValueError for impossible dates and runs out of stack on deep nesting.
    except (yaml.YAMLError, ValueError, RecursionError):
        return None, False
    if values is None:
        return None, True
    return (values.get("license"), True) if isinstance(values, dict) else (None, False)


def _declared(value: object, evidence: Evidence) -> DeclaredLicense:
    if not isinstance(value, str):
        return DeclaredLicense(note=messages.text("models.license_list"), evidence=(evidence,))
    try:
        expression = spdx_expression(value)
    except ConfigError:
        note = messages.text("models.license_unknown", value=value)
        return DeclaredLicense(note=note, evidence=(evidence,))
    # The expression parser reads the family name "gpl" as one of its versions.
    if expression.casefold() != value.strip().casefold() and not re.search(r"\d", value):
        note = messages.text("models.license_unknown", value=value)
        return DeclaredLicense(note=note, evidence=(evidence,))
    return DeclaredLicense(expression, "", (evidence,))


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
