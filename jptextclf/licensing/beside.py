"""What lies beside a model and speaks of its licence: the card and the licence files of its directory, read together.

It reports what they state, each statement with its place; it does not judge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jptextclf.licensing.components import NOASSERTION, Evidence
from jptextclf.licensing.declared import read_declared
from jptextclf.licensing.license_files import identify
from jptextclf.licensing.reading import read_card

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from jptextclf.licensing.components import Component
    from jptextclf.licensing.license_files import LicenseFile
    from jptextclf.licensing.reading import CardReading

_CARD = "README.md"
_LICENSE_FILES = ("LICENSE", "LICENCE", "COPYING")
_LARGEST = 4 << 20
"""Bytes of a card or a licence file that are read."""
_MOST = 8
"""Statements of each kind that are kept as evidence."""


@dataclass(frozen=True)
class Stated:
    """What a directory states of a model's licence."""

    license: str | tuple[str, ...]
    """As the card's metadata declare it, or ``NOASSERTION``; several where they give a list."""
    metadata: str
    """The declaration in its own words where it is no clear id, or why it cannot be read."""
    body_license: str | None
    """What the card's text or a licence file states instead; None where nothing differs."""
    conflict: bool | None
    """Whether they contradict each other; None: there was nothing to compare."""
    prose: str
    """Limits of use in the words of the card."""
    gated_prompt: str
    """What a hub asks before it lets somebody fetch the files."""
    note: str
    """Why nothing is declared, for a person."""
    evidence: tuple[Evidence, ...]

    def complete(self, component: Component) -> Component:
        """The component with what is stated of it."""
        return replace(
            component, license=self.license, metadata=self.metadata, body_license=self.body_license, metadata_body_conflict=self.conflict,
            prose=self.prose, gated=bool(self.gated_prompt) or None, extra_gated_prompt=self.gated_prompt,
            note=self.note, evidence=self.evidence,
        )  # fmt: skip


def read_beside(directory: Path, *, revision: str = "", url: str = "") -> Stated:
    """The card and the licence files of a model's directory. Files that cannot be read state nothing.

    :param revision: of the repository that the files belong to
    :param url: address of the repository's files, to which a file name is added; empty for a local directory
    """

    def place(name: str) -> dict[str, Any]:
        return {"file": name, "revision": revision, "url": f"{url}/{name}" if url else ""}

    card = read_card(_bytes(directory / _CARD))
    declared = read_declared(directory / _CARD)
    files = {path.name: identify(_bytes(path)) for path in _license_files(directory)}
    others = _others(card, files.values())
    limits = [one for one in card.restrictions if one.about == "model" and one.is_term]
    contradicts = card.conflict or any(one != card.declared for one in others)
    is_compared = card.declared != NOASSERTION and bool(card.stated or others)
    evidence = [Evidence(declared.evidence[0].statement, line=declared.evidence[0].line, sha256=card.sha256,
                         **place(_CARD))] if declared.evidence else []  # fmt: skip
    said = [(one.statement, one.line) for one in card.mentions if one.about == "model"][:_MOST]
    said += [(one.statement, one.line) for one in limits[:_MOST]]
    evidence += [Evidence(words, line=line, sha256=card.sha256, **place(_CARD)) for words, line in said]
    evidence += [
        Evidence(f"{name}: {one.license} ({one.score:.2f})", sha256=one.sha256, **place(name))
        for name, one in files.items()
    ]
    return Stated(
        license=card.licenses or card.declared,
        metadata=card.metadata,
        body_license=_joined(others) or None,
        conflict=contradicts if is_compared or card.conflict else None,
        prose="; ".join(dict.fromkeys(one.statement for one in limits[:_MOST])),
        gated_prompt=card.extra_gated_prompt,
        note=declared.note if card.declared == NOASSERTION else "",
        evidence=(*evidence, *copyright_evidence(directory, revision=revision, url=url)),
    )


def copyright_evidence(directory: Path, *, revision: str = "", url: str = "") -> tuple[Evidence, ...]:
    """The copyright notices in the licence files of a model's directory, word for word.

    :param url: address of the repository's files; empty for a local directory
    """
    return tuple(
        Evidence(
            line,
            file=path.name,
            revision=revision,
            url=f"{url}/{path.name}" if url else "",
            sha256=found.sha256,
        )
        for path in _license_files(directory)
        for found in [identify(_bytes(path))]
        for line in dict.fromkeys(found.copyrights[:_MOST])
    )


def _others(card: CardReading, files: Iterable[LicenseFile]) -> list[str]:
    """Licences that the text or a licence file names and the metadata do not."""
    stated = card.stated if card.conflict or card.declared == NOASSERTION else ()
    found = [*stated, *(one.license for one in files)]
    return [one for one in dict.fromkeys(found) if one not in {NOASSERTION, card.declared}]


def _joined(licenses: list[str]) -> str:
    return " AND ".join(f"({one})" if " OR " in one else one for one in licenses)


def _license_files(directory: Path) -> Iterator[Path]:
    return (
        path
        for path in sorted(directory.glob("*"))
        if path.name.startswith(_LICENSE_FILES) and path.is_file()
    )


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""
