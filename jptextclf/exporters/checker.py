"""Checker: looks in an export's files for what every duty asks of them, kind by kind.

It reads what was written, not what was meant, and changes nothing. What is asked of which kind stands in
:mod:`jptextclf.exporters.duties`; that a sentence is there is all that it can see, not that it is enough.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.exporters.documents import Documents
from jptextclf.exporters.duties import unmet
from jptextclf.exporters.judging import exit_status, judge, use_of
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
)
from jptextclf.exporters.texts import inside_ids
from jptextclf.licensing.assessment import Assessment
from jptextclf.licensing.file_names import is_notice_file
from jptextclf.licensing.license_words import decode
from jptextclf.licensing.rules import use_named
from jptextclf.subjects import Subject, find_subject

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from jptextclf.exporters.judging import Judged, Policy
    from jptextclf.progress import Progress

_FILES = (CARD, LICENSE, NOTICE, ASSESSMENT, COMPONENTS, MANIFEST, SPDX, CYCLONEDX, *REPORTS.values())


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
    is_there = {name: (directory / name).is_file() and (directory / name).stat().st_size for name in _FILES}
    if missing := [name for name, size in is_there.items() if not size]:
        return [Problem("export", "", messages.text("export_check.missing", file=name)) for name in missing]
    if assessment is None:
        record = json.loads((directory / ASSESSMENT).read_text(encoding="utf-8"))
    else:
        record = assessment.to_json()
    export = Documents(directory, record)
    problems = list(_of_the_whole(export))
    for duty in record["obligations"]:
        is_asked = duty["required"] and duty["state"] != "waived"
        if is_asked and (duty["files"] or duty["token"].startswith("relicense-output")):
            problems += [Problem(duty["token"], duty["component"], one) for one in unmet(export, duty)]
    return list(dict.fromkeys(problems))


@dataclass(frozen=True)
class Checked(Assessment):
    """A verdict, with what an export's files lack of what it asks for."""

    problems: tuple[Problem, ...] = ()
    """Duties that the files do not meet; empty for what is no export."""

    @property
    def exit_status(self) -> int:
        """Of a command that shows it: 0 nothing stands against the use, 5 or 6."""
        return exit_status(self, len(self.problems))

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "problems": [one.to_json() for one in self.problems]}

    @classmethod
    def of(cls, assessment: Assessment, problems: Iterable[Problem]) -> Checked:
        """An assessment with problems beside it."""
        known = {one.name: getattr(assessment, one.name) for one in fields(assessment)}
        return cls(**known, problems=tuple(problems))


def check_subject(
    subject: Subject | str | os.PathLike[str],
    use: str | None,
    *,
    output_license: str | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> tuple[Judged, list[Problem]]:
    """The verdict for a run, an export, a model or a case; of an export also whether its files meet the duties.

    :param subject: what was found already, or its path or name
    :param use: None: the default of the policy, else the one of the case or the export
    :raises ConfigError, SetupError: as :func:`jptextclf.subjects.find_subject`
    """
    found = subject if isinstance(subject, Subject) else find_subject(subject, progress=progress)
    made = found.bundle.record.get("export") if found.bundle is not None else None
    chosen = use_of(use or (None if policy is not None else found.use), policy)
    # An export has its licence already; another one would be another export.
    own = made["output_license"] if made and output_license is None else output_license
    judged = judge(found.components, chosen, output_license=own, policy=policy)
    if made is None or found.bundle is None:
        return judged, []
    return judged, check(found.bundle.path, judged.assessment)


def _of_the_whole(export: Documents) -> Iterator[Problem]:
    """What holds for every export, whatever the duties."""
    if export.verdict in {"needs-review", "blocked"}:
        said = messages.text("export_check.verdict", verdict=export.verdict, use=export.use)
        yield Problem("export", "", said)
    yield from (Problem("export", "", one) for one in export.wrong_license())
    for name in sorted(inside_ids(export.components)) if use_named(export.use).leaves else ():
        yield from (Problem("export", "", one) for one in export.wrong_text(name))
    for name in filter(is_notice_file, export.upstream):
        if decode(export.upstream[name]).strip() not in export.notice:
            said = messages.text("export_check.lost_notice", file=f"upstream/{name}")
            yield Problem("export", "", said)
