"""The gate: the one way out of a working copy. It judges before the first byte, and whole exports leave or nothing.

It knows no format; writers get a :class:`jptextclf.exporters._cleared.Cleared`, which only this module makes.
There is no option that skips a step.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from jptextclf import messages
from jptextclf.atomic import check_outside, new_directory
from jptextclf.bundle import open_bundle, seal, write_components, write_upstream
from jptextclf.errors import ConfigError, LicenseError
from jptextclf.exporters._cleared import KEY, Cleared
from jptextclf.exporters.card import in_language, model_card
from jptextclf.exporters.checker import check
from jptextclf.exporters.huggingface import write_huggingface
from jptextclf.exporters.judging import Judged, judge, require_cleared, use_of
from jptextclf.exporters.layout import (
    ASSESSMENT,
    CARD,
    CYCLONEDX,
    LICENSE,
    LICENSES,
    NOTICE,
    REPORTS,
    SPDX,
    license_file,
)
from jptextclf.exporters.notice import license_of_export, notice_of_export
from jptextclf.exporters.texts import texts_of
from jptextclf.licensing.reports import render
from jptextclf.licensing.rules import use_named
from jptextclf.subjects import Subject

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from jptextclf.exporters.judging import Policy
    from jptextclf.licensing.assessment import Assessment

Format = Literal["huggingface", "onnx"]


@dataclass(frozen=True)
class Export:
    """What was written, and under which verdict."""

    path: Path
    format: str
    assessment: Assessment
    output_license: str | None
    """None: no licence is granted to anybody."""
    notes: tuple[str, ...] = ()
    """Sentences that a person should see."""

    @property
    def use(self) -> str:
        """What the export is for, and for nothing else."""
        return self.assessment.use

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1, "path": str(self.path), "format": self.format, "use": self.use,
            "verdict": str(self.assessment.verdict), "output_license": self.output_license,
            "obligations": [one.to_json() for one in self.assessment.obligations], "notes": list(self.notes),
            "notice": messages.text("license.notice"),
        }  # fmt: skip


def export(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    use: str | None = None,
    format: str = "huggingface",  # noqa: A002 - the option's name
    output_license: str | None = None,
    policy: Policy | None = None,
    license_files: Mapping[str, str | os.PathLike[str]] | None = None,
    copyright: str | None = None,  # noqa: A002 - the option's name
    overwrite: bool = False,
    name: str | None = None,
) -> Export:
    """Judge a run for a use, and write an export for it: whole, or not at all.

    :param run: directory of a run, or of an export that is made again for another use
    :param out: directory to write
    :param use: one of the closed list; None: the default of the policy
    :param format: ``huggingface`` or ``onnx``
    :param output_license: that the model itself is given under. None: the one that a component asks for; an export
        that stays inside, or goes to one partner, may do without
    :param policy: of the company, or its file
    :param license_files: licence id -> file with its text, for licences whose texts this package does not have
    :param copyright: year and holder of the model itself, such as ``2026 Example KK``; licences such as MIT have
        blanks for them
    :param overwrite: replace an export that is at ``out``; nothing else is ever replaced
    :param name: of the model in its card; None: that of ``out``
    :raises ConfigError: use, licence, holder, format, policy or ``out`` cannot be used; a run with a frozen encoder
        has no graph (``JPT-U128``)
    :raises SetupError: the run was damaged or changed (``JPT-E060`` to ``JPT-E067``)
    :raises LicenseError: needs review, blocked, or a duty is open (``JPT-L001`` to ``JPT-L005``)
    """
    if format not in get_args(Format):
        raise ConfigError("U155", found=format, known=messages.listing(get_args(Format)))
    source, target = Path(run).expanduser(), Path(out).expanduser()
    check_outside(target, source)
    bundle = open_bundle(source)
    if format == "onnx" and bundle.is_features:
        raise ConfigError("U128", path=source)
    subject = Subject.of_bundle(bundle)
    judged = judge(subject.components, use_of(use, policy), output_license=output_license, policy=policy)
    require_cleared(judged, subject.name)
    _require_output_license(judged)
    texts = texts_of(judged, subject.texts, license_files or {}, copyright)
    cleared = Cleared(KEY, subject=subject, judged=judged, format=format, texts=texts)
    with new_directory(target, overwrite=overwrite, holds=ASSESSMENT) as staging:
        _write_model(cleared, staging)
        _write_documents(cleared, staging, name or target.resolve().name)
        _require_met(staging, judged.assessment)
    return Export(target, format, judged.assessment, judged.output_license, tuple(_notes(cleared)))


def _require_met(staging: Path, assessment: Assessment) -> None:
    """That the files which are about to be an export meet every duty that a file can meet.

    :raises LicenseError: they do not (``JPT-L005``)
    """
    problems = check(staging, assessment)
    if problems:
        lines = "\n".join(f"  - {one}" for one in problems)
        raise LicenseError("L005", verdict=str(assessment.verdict), n=len(problems), problems=lines)


def _require_output_license(judged: Judged) -> None:
    """What goes to the public needs terms, and nobody but its owner can choose them."""
    use = use_named(judged.assessment.use)
    if judged.output_license is None and use.leaves and use.public == "yes":
        raise ConfigError("U152", use=use.id)


def _notes(cleared: Cleared) -> Iterator[str]:
    """What a person should know: where the output licence is from, and what a conversion lost."""
    yield from cleared.judged.notes
    yield from (one.loss for one in cleared.conversions if one.loss)


def _write_model(cleared: Cleared, staging: Path) -> None:
    """The model files, in the format that was asked for."""
    if cleared.format == "onnx":
        from jptextclf.exporters.onnx_directory import write_onnx_directory

        cleared.conversions = write_onnx_directory(cleared, staging)
    else:
        write_huggingface(cleared, staging)


def _write_documents(cleared: Cleared, staging: Path, name: str) -> None:
    """Everything that says what the model is, from what, and under which terms; the hashes last."""
    bundle, judged = cleared.bundle, cleared.judged
    write_components(bundle, staging)
    write_upstream(bundle, staging)
    (staging / LICENSES).mkdir()
    for license_id, text in cleared.texts.carried.items():
        (staging / license_file(license_id)).write_text(text, encoding="utf-8", newline="")
    _write(staging / LICENSE, license_of_export(cleared))
    _write(staging / NOTICE, notice_of_export(cleared, name, staging))
    _write(staging / CARD, model_card(cleared, name))
    _write(staging / ASSESSMENT, in_language("en", _as_json, judged.assessment))
    _write_reports(cleared, staging, name)
    seal(staging, {**bundle.to_json(), "export": _record(cleared)})


def _write_reports(cleared: Cleared, staging: Path, name: str) -> None:
    subject = replace(cleared.subject, name=name).report(staging)
    assessment = cleared.judged.assessment
    for language, file in REPORTS.items():
        _write(staging / file, render(assessment, subject, format="html", language=language))
    _write(staging / SPDX, render(assessment, subject, format="spdx", language="en"))
    _write(staging / CYCLONEDX, render(assessment, subject, format="cyclonedx", language="en"))


def _record(cleared: Cleared) -> dict[str, Any]:
    assessment = cleared.judged.assessment
    return {
        "use": assessment.use,
        "format": cleared.format,
        "verdict": str(assessment.verdict),
        "output_license": cleared.judged.output_license,
        "conversions": [one.to_json() for one in cleared.conversions],
    }


def _as_json(assessment: Assessment) -> str:
    return json.dumps(assessment.to_json(), ensure_ascii=False, indent=2) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
