"""The ``license:`` line in the front matter of a README.md, as a hub writes it.

It does not read anything else of the card, and it does not judge: what is no clear id is NOASSERTION.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jptextclf import messages
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.reading import read_card

if TYPE_CHECKING:
    from pathlib import Path

    from jptextclf.licensing.components import Evidence
    from jptextclf.licensing.reading import CardReading

_LARGEST = 4 << 20
"""Bytes of a README that are read; front matter stands at its start."""
_NOTES = {
    "no-front-matter": "no_front_matter", "front-matter-malformed": "bad_front_matter", "yaml-error": "bad_front_matter",
    "missing": "missing", "misspelt-key": "missing", "null": "missing",
    "list-one": "list", "list-many": "list", "key-twice": "list",
}  # fmt: skip


@dataclass(frozen=True)
class DeclaredLicense:
    """What a card declares."""

    license: str | tuple[str, ...] = NOASSERTION
    """SPDX expression, ``LicenseRef-…`` or ``NOASSERTION``; several where a list names them."""
    metadata: str = ""
    """The declaration in its own words where it is no clear id, or why it cannot be read."""
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
    card = read_card(data)
    line = card.declared_evidence
    evidence = (replace(line, url=url, file=readme.name, revision=revision),) if line else ()
    if card.declared != NOASSERTION:
        return DeclaredLicense(card.licenses or card.declared, card.metadata, "", evidence)
    is_null = card.metadata_status == "null"
    return DeclaredLicense(metadata=card.metadata, note=_note(card), evidence=() if is_null else evidence)


def _note(card: CardReading) -> str:
    key = f"models.license_{_NOTES.get(card.metadata_status, 'unknown')}"
    statement = card.declared_evidence.statement if card.declared_evidence else ""
    return messages.text(key, value=statement.removeprefix("license:").strip())
