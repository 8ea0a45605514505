"""Documents: what stands in an export's files, read once. It judges no duty and changes nothing."""

from __future__ import annotations

import json
import re
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.bundle import UPSTREAM
from jptextclf.exporters.card import license_matter
from jptextclf.exporters.layout import CARD, COMPONENTS, LICENSE, LICENSES, MANIFEST, NOTICE, license_file
from jptextclf.exporters.notice import no_license
from jptextclf.exporters.texts import RULE, has_blanks, upstream_license
from jptextclf.licensing.license_files import identify
from jptextclf.licensing.license_texts import license_text, texts_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_NO_PARTS = {"output", "declared_use"}
"""Roles of records that say something about the model itself."""


class Documents:
    """The files of an export beside the model.

    :param record: the assessment, as JSON
    """

    def __init__(self, directory: Path, record: Mapping[str, Any]) -> None:
        self.directory = directory
        self.use: str = record["use"]
        self.output: str | None = record["output_license"]
        self.verdict: str = record["verdict"]
        self.components: list[dict[str, Any]] = record["components"]
        self.reasons: list[dict[str, Any]] = record["reasons"]
        self.notice = self.text(NOTICE)
        self.card = self.text(CARD)

    def text(self, name: str) -> str:
        """What stands in a file; empty where there is none."""
        path = self.directory / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def bytes_of(self, name: str) -> bytes:
        """The bytes of a file; empty where there is none."""
        path = self.directory / name
        return path.read_bytes() if path.is_file() else b""

    def has(self, pattern: str) -> bool:
        """Whether a file of this name has something in it, or a directory."""
        return any(_is_filled(path) for path in self.directory.glob(pattern))

    @cached_property
    def files(self) -> list[str]:
        """Names of all files, relative to the export."""
        found = (path for path in self.directory.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.directory).as_posix() for path in found)

    @cached_property
    def manifest(self) -> dict[str, str]:
        """File name -> the SHA-256 in the manifest."""
        files = json.loads(self.text(MANIFEST))["files"]
        return {name: entry["sha256"] for name, entry in files.items()}

    @cached_property
    def recorded(self) -> list[dict[str, Any]]:
        """Records of ``components.json``."""
        records: list[dict[str, Any]] = json.loads(self.text(COMPONENTS))["components"]
        return records

    @cached_property
    def upstream(self) -> dict[str, bytes]:
        """The texts that came with the encoder: file name -> its bytes."""
        names = [name for name in self.files if name.startswith(f"{UPSTREAM}/")]
        return {name.removeprefix(f"{UPSTREAM}/"): self.bytes_of(name) for name in names}

    @cached_property
    def matter(self) -> dict[str, Any]:
        """The front matter of the card; empty where it cannot be read."""
        import yaml  # type: ignore[import-untyped]

        found = _FRONT_MATTER.match(self.card)
        try:
            values = yaml.safe_load(found[1]) if found else None
        except yaml.YAMLError:
            return {}
        return values if isinstance(values, dict) else {}

    def parts_of(self, component: str) -> list[dict[str, Any]]:
        """The records of one component by name, as they were judged; of all where the name is empty."""
        parts = [one for one in self.components if one.get("role") not in _NO_PARTS]
        return [one for one in parts if component in {"", one.get("name")}]

    def notice_says(self, words: str) -> bool:
        """Whether NOTICE has these words, however they are wrapped."""
        return _plain(words) in self._plain_notice

    def card_says(self, words: str) -> bool:
        """Whether README.md has these words, however they are wrapped."""
        return _plain(words) in self._plain_card

    def licenses_say(self, words: str) -> bool:
        """Whether one of the licence texts has these words."""
        return any(_plain(words) in text for text in self._plain_licenses)

    @cached_property
    def _plain_notice(self) -> str:
        return _plain(self.notice)

    @cached_property
    def _plain_card(self) -> str:
        return _plain(self.card)

    @cached_property
    def _plain_licenses(self) -> list[str]:
        return [_plain(self.text(name)) for name in self.files if name.startswith(f"{LICENSES}/")]

    def wrong_text(self, license_id: str) -> Iterator[str]:
        """Whether the text of a licence is there, is that licence's, and is filled in where upstream's is."""
        file = license_file(license_id)
        text, known = self.text(file), license_text(license_id)
        if not text.strip():
            yield messages.text("export_check.missing", file=file)
        elif known is not None and text != known and identify(text).license != license_id:
            yield messages.text("export_check.other_text", file=file, license=license_id)
        elif has_blanks(text) and upstream_license(license_id, self.upstream) is not None:
            yield messages.text("export_check.blanks", file=file)

    def wrong_license(self) -> Iterator[str]:
        """Whether LICENSE and the card say the output licence."""
        text = self.text(LICENSE)
        if self.output is None:
            if text != no_license(self.use):
                none = messages.text("export_check.no_license")
                yield messages.text("export_check.other_text", file=LICENSE, license=none)
        else:
            names = texts_for(self.output)
            parts = [text] if len(names) == 1 else text.split(RULE)[1:]
            for name, part in zip_longest(names, parts[: len(names)], fillvalue=""):
                yield from self.wrong_text(name)
                yield from self._wrong_own_text(name, part)
        expected = license_matter(self.output)
        if {key: self.matter.get(key) for key in expected} != expected:
            found = self.matter.get("license")
            yield messages.text("export_check.card_license", found=found, expected=expected["license"])

    def _wrong_own_text(self, license_id: str, text: str) -> Iterator[str]:
        """Whether a text in LICENSE is that licence's and nothing more, with its holder."""
        carried, known = self.text(license_file(license_id)), license_text(license_id)
        # What is not among the shipped texts can only be compared with what lies beside it.
        expected = {carried.strip(), (known or carried).strip()}
        if text.strip() not in expected and identify(text).license != license_id:
            yield messages.text("export_check.other_text", file=LICENSE, license=license_id)
        elif has_blanks(text):
            yield messages.text("export_check.blanks", file=LICENSE)


def _plain(words: str) -> str:
    """Letters and numbers alone: markup, wrapping and the signs for what cannot be seen do not count."""
    return "".join(one for one in words.casefold() if one.isalnum())


def _is_filled(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0
