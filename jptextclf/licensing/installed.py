"""Installed packages as they lie on disk: metadata, licence files and lists of materials, each with its hash.

It reads; what the words mean for a licence is for :mod:`jptextclf.licensing.software`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_LICENSE_NAME = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT)", re.IGNORECASE)
_LEGAL_NAME = re.compile(
    r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|AUTHORS|THIRD.?PARTY.?NOTICES)", re.IGNORECASE
)
_OTHER_KINDS = {".py", ".pyc", ".pyi", ".so", ".json", ".toml"}
_LARGEST = 4 << 20
"""Bytes of a file beside a package that are read."""


@dataclass(frozen=True)
class InstalledFile:
    """One file of an installed package."""

    name: str
    """Path as the package records it, with slashes: ``rich-15.0.0.dist-info/licenses/LICENSE``."""
    path: Path

    @cached_property
    def data(self) -> bytes:
        with self.path.open("rb") as file:
            return file.read(_LARGEST)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def lines(self) -> list[str]:
        """Its lines; what is no UTF-8 is replaced."""
        return self.data.decode("utf-8", errors="replace").splitlines()

    def line_of(self, words: str) -> int | None:
        """The first line that holds these words, from 1."""
        return next((number for number, line in enumerate(self.lines, start=1) if words in line), None)


class InstalledPackage:
    """A package that is installed here.

    :raises PackageNotFoundError: it is not
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._distribution: Distribution = distribution(name)
        self.version: str = self._distribution.version
        self.requirements: tuple[str, ...] = tuple(self._distribution.requires or ())

    @property
    def url(self) -> str:
        """Package URL, as in ``pkg:pypi/rich@15.0.0``."""
        return f"pkg:pypi/{canonical(self.name)}@{self.version}"

    def values(self, key: str) -> list[str]:
        """Every value of one field of the metadata."""
        return [str(value) for value in self._distribution.metadata.get_all(key) or []]

    @cached_property
    def files(self) -> tuple[InstalledFile, ...]:
        """Every recorded file, sorted by name; nothing outside of the folder of installed packages."""
        recorded = self._distribution.files or []
        found = [InstalledFile(PurePosixPath(file).as_posix(), Path(str(file.locate()))) for file in recorded]
        return tuple(sorted((one for one in found if ".." not in one.name), key=lambda one: one.name))

    @property
    def metadata_file(self) -> InstalledFile | None:
        return next(
            (one for one in self.files if one.name.endswith((".dist-info/METADATA", "/PKG-INFO"))), None
        )

    @property
    def license_files(self) -> tuple[InstalledFile, ...]:
        """Licence files of the package as a whole, not those of what it has taken in."""
        beside = [one for one in self._legal(_LICENSE_NAME) if _is_in_metadata(one)]
        inside = [one for one in self._legal(_LICENSE_NAME) if one.name.count("/") == 1]
        return tuple(beside or inside)

    @property
    def legal_files(self) -> tuple[InstalledFile, ...]:
        """Every licence, notice and authors file in it, those of what it has taken in too."""
        return tuple(self._legal(_LEGAL_NAME))

    @property
    def materials(self) -> Iterator[tuple[InstalledFile, dict[str, Any]]]:
        """Its lists of materials (SBOM, PEP 770) in CycloneDX form that can be read."""
        for one in self.files:
            if ".dist-info/sboms/" in one.name and one.path.suffix == ".json" and one.path.is_file():
                try:
                    content = json.loads(one.data)
                except (ValueError, RecursionError):
                    continue
                if isinstance(content, dict):
                    yield one, content

    def _legal(self, names: re.Pattern[str]) -> list[InstalledFile]:
        return [
            one for one in self.files
            if (names.match(one.path.name) or "/LICENSES/" in one.name)
            and one.path.suffix not in _OTHER_KINDS and one.path.is_file()
        ]  # fmt: skip


def find_package(name: str) -> InstalledPackage | None:
    """The installed package of that name; None if there is none."""
    try:
        return InstalledPackage(name)
    except (PackageNotFoundError, ValueError):
        return None


def canonical(name: str) -> str:
    """A package name as the index writes it: ``SudachiDict_core -> sudachidict-core`` (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_in_metadata(file: InstalledFile) -> bool:
    """Whether it lies in ``….dist-info``, its ``licenses`` or its ``LICENSES``, not in a folder of something else."""
    folders = PurePosixPath(file.name).parts[:-1]
    return (
        bool(folders) and folders[0].endswith(".dist-info") and set(folders[1:]) <= {"licenses", "LICENSES"}
    )
