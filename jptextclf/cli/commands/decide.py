"""``jptextclf decide``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, echo, print_json, print_table
from jptextclf.cli._options import device_option, json_option, quiet_option, reading_options
from jptextclf.messages import text

_SHARE = click.FloatRange(0, 1)
_GOAL = "decide.group_goal"


@click.command("decide", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@option("--min-precision", type=_SHARE, heading=_GOAL)
@option("--min-accuracy", type=_SHARE, heading=_GOAL)
@option("--max-review", type=_SHARE, heading=_GOAL)
@option("--costs", type=click.Path(path_type=Path), heading=_GOAL)
@option("--review-cost", type=click.FloatRange(min=0), heading=_GOAL)
@option("--default", "default_rule", is_flag=True, heading=_GOAL)
@option("--data", "tuning_data")
@option("--split", type=click.Choice(["train", "validation", "test"]))
@reading_options
@option("--dry-run", "decide_dry_run", is_flag=True)
@device_option
@json_option
@quiet_option
def decide(
    *,
    run: Path,
    costs: Path | None,
    default_rule: bool,
    tuning_data: str | None,
    decide_dry_run: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from jptextclf import api

    talk = Talk(quiet=quiet)
    found = api.decide(
        run,
        costs=costs,
        default=default_rule,
        data=tuning_data,
        dry_run=decide_dry_run,
        progress=talk,
        **options,
    )
    for remark in found.remarks():
        talk.warn(remark)
    if found.written:
        talk.say(text("decide.written", path=found.path))
    if as_json:
        print_json(found.to_json())
        return
    for table in found.tables():
        print_table(table.columns, table.rows, numbers_from=2)
    if found.goal is None:
        echo(text("decide.choose", n=found.table[0].n_texts))
        table = found.workloads()
        print_table(table.columns, table.rows, numbers_from=0)


COMMAND = decide
