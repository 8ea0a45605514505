"""``jptextclf train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, print_json, print_table
from jptextclf.cli._options import (
    by_option,
    file_options,
    json_option,
    only_given,
    origin_options,
    quiet_option,
    reading_options,
    settings_options,
    votes_column_option,
)
from jptextclf.launched import is_main
from jptextclf.messages import text

if TYPE_CHECKING:
    from jptextclf.api import DryRun, Run


@click.command("train", cls=Command, together=True)
@click.argument("data", required=False)
@file_options
@option("--lock", type=click.Path(path_type=Path))
@option("--out", "-o", type=click.Path(path_type=Path))
@option("--overwrite", is_flag=True)
@option("--resume", is_flag=True)
@option("--dry-run", is_flag=True)
@option("--report/--no-report", default=True, show_default="--report")
@option("--validation", type=click.Path(path_type=Path), heading="settings.group_data")
@option("--test", type=click.Path(path_type=Path), heading="settings.group_data")
@reading_options
@votes_column_option
@by_option
@origin_options
@settings_options
@json_option
@quiet_option
def train(*, as_json: bool, quiet: bool, settings: dict[str, Any], **options: Any) -> None:
    from jptextclf import api

    talk = Talk(quiet=quiet)
    done = api.train(progress=talk, **only_given(options), **settings)
    if not is_main():
        return
    if isinstance(done, api.DryRun):
        print_json(done.to_json()) if as_json else _show_plan(done)
    else:
        print_json({**done.bundle.to_json(), "path": str(done.path)}) if as_json else _show_run(done, talk)


def _show_run(run: Run, talk: Talk) -> None:
    """The table against the baselines, the timings, and where the run is."""
    record = run.bundle.record
    if run.comparison is not None:
        table = run.comparison.table()
        talk.say("")
        talk.say(
            text("train.table_title", split=text(f"words.{run.comparison.split}"), n=run.comparison.n_texts)
        )
        print_table(table.columns, table.rows)
    seconds = {name: f"{value:.1f}" for name, value in record["seconds"].items()}
    timings = "features.timings" if run.bundle.is_features else "train.timings"
    talk.say(text(timings, **seconds, memory=_gigabytes(record["peak_bytes"])))
    talk.say(text("train.done"))
    click.echo(run.path)


def _show_plan(plan: DryRun) -> None:
    from jptextclf.messages import listing

    prepared, preview = plan.prepared, plan.preview
    options = ", ".join(f"{name} {value}" for name, value in prepared.adapter.info().options.items())
    settings = {**prepared.config.to_json(), **prepared.plan.to_json(), "task": prepared.schema.task}
    settings.update(
        dictionary="-", adapter=f"{prepared.adapter.name} ({options})" if options else prepared.adapter.name
    )
    print_table(
        [text("plan.setting"), text("plan.value")],
        [[name, str(value)] for name, value in settings.items()],
        numbers_from=2,
    )
    lines = {
        "labels": listing(prepared.schema.names, 20),
        "splits": listing(f"{name} {len(examples):,}" for name, examples in prepared.splits.items()),
        "steps": f"{preview.steps:,}",
        "time": text("plan.seconds", n=f"{preview.total_seconds:,.0f}"),
        "memory": _gigabytes(preview.peak_bytes),
        "files": f"{plan.out}: {listing(plan.files, 20)}",
    }
    for name, value in lines.items():
        click.echo(f"{text(f'plan.{name}')}: {value}")


def _gigabytes(size: int | None) -> str:
    return text("plan.unknown") if size is None else f"{size / 2**30:.1f} GiB"


COMMAND = train
