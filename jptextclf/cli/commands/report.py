"""``jptextclf report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, print_json
from jptextclf.cli._options import (
    by_option,
    device_option,
    json_option,
    quiet_option,
    reading_options,
)


@click.command("report", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@option("--data", "judged_data")
@option("--out", "-o", "report_out", type=click.Path(path_type=Path))
@option("--split", type=click.Choice(["train", "validation", "test"]))
@by_option
@option("--votes-column", "votes_shown", heading="settings.group_data")
@reading_options
@option("--probe", is_flag=True)
@option("--png", is_flag=True)
@device_option
@json_option
@quiet_option
def report(
    *,
    run: Path,
    judged_data: str | None,
    report_out: Path | None,
    votes_shown: str | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from jptextclf import api

    written = api.report(
        run, judged_data, out=report_out, votes_column=votes_shown, progress=Talk(quiet=quiet), **options
    )
    if as_json:
        print_json(written.to_json())
    else:
        click.echo(written.html)


COMMAND = report
