"""``jptextclf license inspect|assess|check|report|list|policy``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jptextclf.cli._command import Command, Group, option
from jptextclf.cli._console import Talk, print_json, say
from jptextclf.cli._options import json_option, license_options
from jptextclf.messages import language, listing, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jptextclf.exporters import Problem
    from jptextclf.licensing import Assessment
    from jptextclf.licensing.assessment import Decision, Obligation, Reason
    from jptextclf.licensing.inspecting import Inspection
    from jptextclf.licensing.reading.mentions import Mention
    from jptextclf.licensing.reading.restrictions import Restriction


@click.group("license", cls=Group)
def license_group() -> None:
    pass


@license_group.command("check", cls=Command)
@click.argument("subject")
@license_options
@json_option
def license_check(
    *, subject: str, use: str | None, output_license: str | None, policy: Path | None, as_json: bool
) -> int:
    from jptextclf.exporters import check_subject, exit_status

    judged, problems = check_subject(
        subject, use, output_license=output_license, policy=policy, progress=Talk(quiet=True)
    )
    for note in judged.notes:
        say(note)
    assessment = judged.assessment
    if as_json:
        listed = [one.to_json() for one in problems]
        print_json({**assessment.to_json(), "subject": subject, "problems": listed})
    else:
        _show(assessment, subject, problems)
    return exit_status(assessment, len(problems))


@license_group.command("assess", cls=Command)
@click.argument("case")
@license_options
@json_option
def license_assess(
    *, case: str, use: str | None, output_license: str | None, policy: Path | None, as_json: bool
) -> int:
    from jptextclf.exporters import exit_status, use_of
    from jptextclf.licensing.deciding import assess
    from jptextclf.subjects import read_case

    subject = read_case(case)
    chosen = use_of(use or subject.use, policy)
    assessment = assess(subject.components, chosen, output_license=output_license, policy=policy)
    print_json(assessment.to_json()) if as_json else _show(assessment, subject.name, ())
    return exit_status(assessment)


@license_group.command("report", cls=Command)
@click.argument("subject")
@license_options
@option(
    "--format", "report_format", default="md", show_default=True,
    type=click.Choice(["md", "html", "json", "spdx", "cyclonedx", "notice"]),
)  # fmt: skip
@option("--output", "-o", "report_path", type=click.Path(path_type=Path))
def license_report(
    *,
    subject: str,
    use: str | None,
    output_license: str | None,
    policy: Path | None,
    report_format: str,
    report_path: Path | None,
) -> None:
    from jptextclf import api
    from jptextclf.atomic import write_file

    report = api.license_report(
        subject, use, format=report_format, language=language(), output_license=output_license, policy=policy,
        progress=Talk(quiet=True),
    )  # fmt: skip
    if report_path is None:
        sys.stdout.buffer.write(report.encode("utf-8"))
        sys.stdout.buffer.flush()
        return
    write_file(report_path, report.encode("utf-8"))
    click.echo(report_path)


@license_group.command("inspect", cls=Command)
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def license_inspect(*, path: Path, as_json: bool) -> None:
    from jptextclf.licensing.inspecting import inspect

    found = inspect(path)
    if as_json:
        print_json({**found.to_json(), "notice": text("license.notice")})
    else:
        _show_inspection(found)


@license_group.command("list", cls=Command)
@json_option
def license_list(*, as_json: bool) -> None:
    from jptextclf.licensing.license_texts import has_text, license_name
    from jptextclf.licensing.rules import written_policy

    policy = written_policy()
    if as_json:
        licenses = [
            {"id": one.id, "name": license_name(one.id), "asks": list(one.asks), "source": one.source,
             "text": has_text(one.id)}
            for one in policy.licenses.values()
        ]  # fmt: skip
        uses = [
            {"id": one.id, "commercial": one.commercial, "leaves": one.leaves, "public": one.public,
             "network": one.network}
            for one in policy.uses.values()
        ]  # fmt: skip
        print_json(
            {"schema_version": 1, "notice": text("license.notice"), "licenses": licenses, "uses": uses}
        )
        return
    click.echo(text("license.notice") + "\n")
    click.echo(text("license_cli.uses"))
    for use in policy.uses.values():
        words = [name for name in ("commercial", "leaves", "network") if getattr(use, name)]
        click.echo(f"  {use.id}: {text(f'license_report_use.{use.id}')} ({_words(words)})")
    click.echo("\n" + text("license_cli.licenses"))
    for one in policy.licenses.values():
        click.echo(f"  {one.id}: {_words(one.asks)}")


@license_group.command("policy", cls=Command)
def license_policy() -> None:
    from jptextclf.licensing.company import example_policy
    from jptextclf.messages import language

    click.echo(example_policy(language()), nl=False)


def _words(words: Sequence[str]) -> str:
    """What a licence asks or a use means, in words; an id that has none stays as it is."""
    return text("words.comma").join(
        text(f"license_cli.word_{one.replace('-', '_')}") for one in words
    ) or text("license_cli.word_nothing")


def _show(assessment: Assessment, name: str, problems: Iterable[Problem]) -> None:
    """Verdict on top, then reasons, duties, open questions, signed entries and what would help."""
    from jptextclf.exporters.judging import reason_line
    from jptextclf.licensing import Verdict
    from jptextclf.licensing.company import waiver_forms

    click.echo(text("license_cli.verdict", name=name, use=assessment.use, verdict=assessment.verdict))
    if assessment.output_license:
        click.echo(text("license_cli.output_license", license=assessment.output_license))
    click.echo(text("license.notice"))
    reasons = [
        f"[{_standing(one)}] {reason_line(one)}" for one in assessment.reasons if one.verdict > Verdict.OK
    ]
    unasked = dict.fromkeys(one.component for one in assessment.reasons if one.verdict == Verdict.OK)
    if unasked:
        reasons.append(f"[{Verdict.OK}] " + text("license_cli.nothing_asked", names=listing(unasked, 20)))
    duties = [f"[{_state(one)}] {_duty(one)}" for one in assessment.obligations]
    signed = [_signed(one) for one in assessment.decisions]
    _section("why", reasons)
    _section("duties", duties)
    _section("questions", [one.text for one in assessment.unsettled])
    _section("signed", signed)
    _section("remedies", [one.text for one in assessment.remedies])
    _section("problems", map(str, problems))
    if form := waiver_forms(assessment):
        click.echo("\n" + text("license_cli.section_form") + "\n")
        click.echo(form)


def _standing(one: Reason) -> str:
    """The verdict of a reason, with the waiver that settles it."""
    waiver = text("license_report.waived_by", id=one.waiver) if one.waiver else ""
    return f"{one.verdict}; {waiver}" if waiver else str(one.verdict)


def _state(one: Obligation) -> str:
    """How far a duty is met, in the words of the report."""
    if one.state == "met-by-file":
        return text("license_report.met_by_file").rstrip(":")
    keys = {"open": "open", "acknowledged": "acknowledged", "waived": "settled_by_waiver"}
    return text(f"license_report.{keys[one.state]}", id=one.acknowledgement)


def _signed(one: Decision) -> str:
    """A signed entry, in the words of the report."""
    covers = text("license_report.separator").join(filter(None, (one.component, one.subject)))
    return text(
        "license_report.signed_entry", kind=text(f"license_report_decision.{one.kind}"), covers=covers, id=one.id,
        signed_by=one.signed_by, date=one.date, expires=one.expires,
    )  # fmt: skip


def _duty(one: Obligation) -> str:
    """What to do for which component, and by which file, or under which token somebody can take it on."""
    return f"{one.component}: ".lstrip(": ") + f"{one.text} ({', '.join(one.files) or one.token})"


def _section(name: str, lines: Iterable[str]) -> None:
    found = list(dict.fromkeys(lines))
    if found:
        click.echo("\n" + text(f"license_cli.section_{name}"))
    for line in found:
        click.echo(f"  - {line}")


def _show_inspection(found: Inspection) -> None:
    rows: dict[str, Any] = {}
    click.echo(text("license.notice"))
    if found.card is not None:
        card = found.card
        status = text(f"license_status.{card.metadata_status}")
        click.echo(text("license_cli.declared", license=card.declared, status=status))
        if card.conflict_kind:
            kind = text(f"license_conflict.{card.conflict_kind}")
            click.echo(text("license_cli.conflict", kind=kind))
        rows["mentions"] = [_statement(one.license, one) for one in card.mentions]
        rows["limits"] = [_statement(text(f"license_limit.{one.kind}"), one) for one in card.restrictions]
    rows["files"] = [f"{name}: {one.license} ({one.score:.3f})" for name, one in found.files.items()]
    for name, lines in rows.items():
        _section(name, lines)


def _statement(what: str, one: Mention | Restriction) -> str:
    """Words of the text, with what they are about and where they stand."""
    about = text(f"license_about.{one.about}")
    return text("license_cli.statement", what=what, about=about, line=one.line, words=one.statement)


COMMAND = license_group
