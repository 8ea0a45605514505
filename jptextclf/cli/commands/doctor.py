"""``jptextclf doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import print_json
from jptextclf.cli._options import json_option
from jptextclf.messages import text

if TYPE_CHECKING:
    from jptextclf.doctor import Finding

_ERROR_STATUS = 4


@click.command("doctor", cls=Command)
@click.argument("model", required=False)
@option("--dictionary")
@json_option
def doctor(*, model: str | None, dictionary: str | None, as_json: bool) -> None:
    from jptextclf.doctor import diagnose

    findings = diagnose(model, dictionary=dictionary)
    n_errors, n_warnings = (sum(one.status == kind for one in findings) for kind in ("error", "warning"))
    if as_json:
        rows = [
            {"name": one.name, "status": one.status, "found": one.found, "remedy": one.remedy}
            for one in findings
        ]
        print_json({"schema_version": 1, "ok": not n_errors, "findings": rows})
    else:
        _show(findings)
        click.echo("\n" + text("doctor.summary", n=len(findings), errors=n_errors, warnings=n_warnings))
    if n_errors:
        raise click.exceptions.Exit(_ERROR_STATUS)


def _show(findings: list[Finding]) -> None:
    """A line a check, and below it what to do; nothing is wrapped, so that commands can be copied."""
    width = max(len(one.name) for one in findings)
    for one in findings:
        click.echo(f"{one.status:<7}  {one.name:<{width}}  {_one_line(one.found)}")
        if one.remedy:
            click.echo(f"{'':<7}  {'':<{width}}  -> {_one_line(one.remedy)}")


def _one_line(sentence: str) -> str:
    """In one line that does nothing to a terminal, whatever variables and paths hold."""
    shown = " ".join(sentence.split())
    return "".join(one if one.isprintable() else f"<U+{ord(one):04X}>" for one in shown)


COMMAND = doctor
