"""``jptextclf evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, print_json, print_table
from jptextclf.cli._options import (
    device_option,
    json_option,
    quiet_option,
    reading_options,
    run_precision_option,
)


@click.command("evaluate", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("data")
@option("--split", type=click.Choice(["train", "validation", "test"]))
@option("--votes-column", "votes_judged", heading="settings.group_data")
@option("--probe", is_flag=True)
@reading_options
@device_option
@run_precision_option
@json_option
@quiet_option
def evaluate(
    *,
    run: Path,
    data: str,
    votes_judged: str | None,
    as_json: bool,
    quiet: bool,
    run_precision: Any,
    **options: Any,
) -> None:
    from jptextclf import api

    talk = Talk(quiet=quiet)
    evaluation = api.evaluate(
        run, data, votes_column=votes_judged, precision=run_precision, progress=talk, **options
    )
    for remark in evaluation.remarks():
        talk.warn(remark)
    if as_json:
        print_json(evaluation.to_json())
        return
    for table in evaluation.tables():
        print_table(table.columns, table.rows)


COMMAND = evaluate
