"""Inspecting: what a card, a licence file or a directory states, statement by statement. It does not judge."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from jptextclf.errors import ConfigError
from jptextclf.licensing.file_names import is_license_file, is_notice_file
from jptextclf.licensing.license_files import identify
from jptextclf.licensing.reading import read_card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jptextclf.licensing.license_files import LicenseFile
    from jptextclf.licensing.reading import CardReading

_LARGEST = 4 << 20
"""Bytes of a file that are read."""


@dataclass(frozen=True)
class Inspection:
    """What was found, as it was stated."""

    card: CardReading | None = None
    files: Mapping[str, LicenseFile] = field(default_factory=dict)
    """Licence file -> what it is, with the score."""

    def to_json(self) -> dict[str, Any]:
        card = None if self.card is None else {**asdict(self.card), "conflict": self.card.conflict}
        return {
            "schema_version": 1,
            "card": card,
            "files": {name: asdict(one) for name, one in self.files.items()},
        }


def inspect(path: Path) -> Inspection:
    """What a card, a licence file, or a directory with both states.

    A file with the name of a licence or a notice (``LICENSE``, ``copying.txt``, ``利用規約.md``) is read as one, any
    other as a card.

    :raises ConfigError: there is nothing to read (``JPT-U158``)
    """
    if path.is_dir():
        card = path / "README.md"
        files = [one for one in sorted(path.iterdir()) if one.is_file() and _states_terms(one)]
    elif path.is_file():
        card, files = path, [path] if _states_terms(path) else []
    else:
        raise ConfigError("U158", path=path)
    read = read_card(_bytes(card), source=card.name) if card.is_file() and card not in files else None
    if read is None and not files:
        raise ConfigError("U158", path=path)
    return Inspection(read, {one.name: identify(_bytes(one)) for one in files})


def _states_terms(path: Path) -> bool:
    return is_license_file(path.name) or is_notice_file(path.name)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST)
