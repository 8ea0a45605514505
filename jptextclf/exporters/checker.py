"""Checker: proves from an export's files alone that every duty which a file can meet is met.

It reads what was written, not what was meant, and changes nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.bundle import UPSTREAM
from jptextclf.exporters.card import NON_COMMERCIAL, license_matter
from jptextclf.exporters.judging import judge, use_of
from jptextclf.exporters.layout import (
    ASSESSMENT,
    CARD,
    COMPONENTS,
    CYCLONEDX,
    LICENSE,
    MANIFEST,
    NOTICE,
    REPORTS,
    SPDX,
    license_file,
)
from jptextclf.exporters.notice import CHANGES, no_license
from jptextclf.exporters.texts import RULE, has_blanks, inside_ids, stated_licenses, upstream_license
from jptextclf.licensing.file_names import is_notice_file
from jptextclf.licensing.license_files import identify
from jptextclf.licensing.license_texts import license_text, texts_for
from jptextclf.licensing.rules import use_named
from jptextclf.subjects import find_subject

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jptextclf.exporters.judging import Judged, Policy
    from jptextclf.licensing.assessment import Assessment
    from jptextclf.progress import Progress

_FILES = (CARD, LICENSE, NOTICE, ASSESSMENT, COMPONENTS, MANIFEST, SPDX, CYCLONEDX, *REPORTS.values())
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """A duty that the files do not meet."""

    token: str
    """Of the duty; ``export`` for what every export has to hold."""
    component: str
    said: str

    def __str__(self) -> str:
        return (
            f"{self.component} ({self.token}): {self.said}"
            if self.component
            else f"{self.token}: {self.said}"
        )

    def to_json(self) -> dict[str, str]:
        return {"token": self.token, "component": self.component, "problem": self.said}


def check(directory: Path, assessment: Assessment | None = None) -> list[Problem]:
    """What is wrong with an export; nothing where every duty that a file can meet is met.

    :param assessment: whose duties are looked for; None: the one that the export carries
    """
    problems = [Problem("export", "", _missing(name)) for name in _FILES if not _text(directory, name)]
    if problems:
        return problems
    record = json.loads(_text(directory, ASSESSMENT)) if assessment is None else assessment.to_json()
    export = _Files(directory, record)
    problems += export.whole()
    for duty in record["obligations"]:
        if duty["required"] and duty["files"]:
            problems += [Problem(duty["token"], duty["component"], one) for one in export.unmet(duty)]
    return list(dict.fromkeys(problems))


def check_subject(
    reference: str | os.PathLike[str],
    use: str | None,
    *,
    output_license: str | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> tuple[Judged, list[Problem]]:
    """The verdict for a run, an export, a model or a case; of an export also whether its files meet the duties.

    :param use: None: the default of the policy, else the one of the case or the export
    :raises ConfigError, SetupError: as :func:`jptextclf.subjects.find_subject`
    """
    found = find_subject(reference, progress=progress)
    made = found.bundle.record.get("export") if found.bundle is not None else None
    chosen = use_of(use or (None if policy is not None else found.use), policy)
    # An export has its licence already; another one would be another export.
    own = made["output_license"] if made and output_license is None else output_license
    judged = judge(found.components, chosen, output_license=own, policy=policy)
    if made is None or found.bundle is None:
        return judged, []
    return judged, check(found.bundle.path, judged.assessment)


class _Files:
    """An export's documents, read once."""

    def __init__(self, directory: Path, record: Mapping[str, Any]) -> None:
        self.directory = directory
        self.use: str = record["use"]
        self.output: str | None = record["output_license"]
        self.verdict: str = record["verdict"]
        self.components: list[dict[str, Any]] = record["components"]
        self.notice = _text(directory, NOTICE)
        self.upstream = _upstream(directory)
        self.card = _text(directory, CARD)
        self.matter = _matter(self.card)

    def whole(self) -> Iterator[Problem]:
        """What holds for every export, whatever the duties."""
        if self.verdict in {"needs-review", "blocked"}:
            yield Problem(
                "export", "", messages.text("export_check.verdict", verdict=self.verdict, use=self.use)
            )
        for one in self.wrong_license():
            yield Problem("export", "", one)
        for name in inside_ids(self.components) if use_named(self.use).leaves else ():
            for one in self.wrong_text(name):
                yield Problem("export", "", one)
        for name in filter(is_notice_file, self.upstream):
            if _decoded(self.upstream[name]).strip() not in self.notice:
                yield Problem(
                    "export", "", messages.text("export_check.lost_notice", file=f"upstream/{name}")
                )

    def unmet(self, duty: Mapping[str, Any]) -> Iterator[str]:
        """Why a duty is not met by the files that it names."""
        for pattern in duty["files"]:
            if not any(_filled(path) for path in self.directory.glob(pattern)):
                yield _missing(pattern)
        kind, _, name = duty["token"].partition(":")
        if NOTICE in duty["files"] and duty["component"] not in self.notice:
            yield messages.text("export_check.not_named", component=duty["component"])
        if kind in {"include-license-text", "include-both-license-texts", "flow-down-use-restrictions"}:
            yield from self.wrong_texts_of(duty["component"], name if kind == "include-license-text" else "")
        if kind == "state-changes" and not self.notice.partition(CHANGES)[2].strip():
            yield messages.text("export_check.no_changes")
        if kind == "mark-artifact":
            yield from self.unmarked()
        if kind == "relicense-output" and self.output is None:
            yield messages.text("export_check.no_output_license", license=name)
        if kind == "attribution" and CARD in duty["files"] and duty["component"] not in self.card:
            yield messages.text("export_check.not_in_card", component=duty["component"])

    def wrong_texts_of(self, component: str, name: str) -> Iterator[str]:
        """What is wrong with the licence texts of one component, or with that of the licence that is named."""
        stated = [
            one for part in self.components if part.get("name") == component for one in stated_licenses(part)
        ]
        wanted = [name] if name else stated
        for license_id in dict.fromkeys(found for one in wanted for found in texts_for(one)):
            yield from self.wrong_text(license_id)

    def wrong_text(self, license_id: str) -> Iterator[str]:
        """Whether the text of a licence is there, and is that licence's."""
        text = _text(self.directory, license_file(license_id))
        known = license_text(license_id)
        if not text.strip():
            yield _missing(license_file(license_id))
        elif known is not None and text != known and identify(text).license != license_id:
            yield messages.text("export_check.other_text", file=license_file(license_id), license=license_id)
        elif has_blanks(text) and upstream_license(license_id, self.upstream) is not None:
            yield messages.text("export_check.blanks", file=license_file(license_id))

    def wrong_own_text(self, license_id: str, text: str) -> Iterator[str]:
        """Whether a text in LICENSE is that licence's, with its holder."""
        known = license_text(license_id)
        carried = _text(self.directory, license_file(license_id))
        # What is not among the shipped texts can only be compared with what lies beside it.
        if (
            text.strip() not in {carried.strip(), (known or carried).strip()}
            and identify(text).license != license_id
        ):
            yield messages.text("export_check.other_text", file=LICENSE, license=license_id)
        elif has_blanks(text):
            yield messages.text("export_check.blanks", file=LICENSE)

    def wrong_license(self) -> Iterator[str]:
        """Whether LICENSE and the card say the output licence."""
        text = _text(self.directory, LICENSE)
        if self.output is None:
            if text != no_license(self.use):
                yield messages.text(
                    "export_check.other_text", file=LICENSE, license=messages.text("export_check.no_license")
                )
        else:
            names = texts_for(self.output)
            parts = [text] if len(names) == 1 else text.split(RULE)[1:]
            for name, part in zip_longest(names, parts[: len(names)], fillvalue=""):
                yield from self.wrong_text(name)
                yield from self.wrong_own_text(name, part)
        expected = license_matter(self.output)
        if {key: self.matter.get(key) for key in expected} != expected:
            yield messages.text(
                "export_check.card_license", found=self.matter.get("license"), expected=expected["license"]
            )

    def unmarked(self) -> Iterator[str]:
        """Whether the card says in its tags and in both languages that the model is not for commercial use."""
        said = [messages.text_in(language, "export.card_non_commercial") for language in messages.LANGUAGES]
        if NON_COMMERCIAL not in (self.matter.get("tags") or ()) or any(one not in self.card for one in said):
            yield messages.text("export_check.not_marked")


def _text(directory: Path, name: str) -> str:
    path = directory / name
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _upstream(directory: Path) -> dict[str, bytes]:
    """The texts that came with the encoder: file name -> its bytes."""
    found = directory / UPSTREAM
    return (
        {one.name: one.read_bytes() for one in sorted(found.iterdir()) if one.is_file()}
        if found.is_dir()
        else {}
    )


def _decoded(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace")


def _filled(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0


def _missing(name: str) -> str:
    return messages.text("export_check.missing", file=name)


def _matter(card: str) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    found = _FRONT_MATTER.match(card)
    try:
        values = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return {}
    return values if isinstance(values, dict) else {}
