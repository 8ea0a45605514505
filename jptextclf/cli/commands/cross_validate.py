"""``jptextclf cross-validate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, print_json, print_table
from jptextclf.cli._options import (
    file_options,
    json_option,
    only_given,
    origin_options,
    quiet_option,
    reading_options,
    settings_options,
    votes_column_option,
)
from jptextclf.messages import text

if TYPE_CHECKING:
    from jptextclf.cross_validation import CrossValidation

_WIDEST = 10
"""Folds whose scores stand side by side in a terminal."""


@click.command("cross-validate", cls=Command)
@click.argument("data", required=False)
@file_options
@option("--folds", type=int, default=5, show_default=True)
@option("--out", "-o", "results", type=click.Path(path_type=Path), required=True)
@option("--group-column", heading="settings.group_data")
@option("--predictions-format", type=click.Choice(["jsonl", "csv", "tsv", "excel"]), show_default="jsonl")
@option("--validation", type=click.Path(path_type=Path), heading="settings.group_data")
@reading_options
@votes_column_option
@origin_options
@settings_options
@json_option
@quiet_option
def cross_validate(
    *, as_json: bool, quiet: bool, results: Path, settings: dict[str, Any], **options: Any
) -> None:
    from jptextclf import api

    talk = Talk(quiet=quiet)
    done = api.cross_validate(out=results, progress=talk, **only_given(options), **settings)
    if as_json:
        print_json({**done.to_json(), "path": str(done.path)})
    else:
        _show(done, talk)


def _show(done: CrossValidation, talk: Talk) -> None:
    """Scores of each fold, their mean and interval, and of all predictions together."""
    from jptextclf.evaluation import metric_title

    shown = done.folds if len(done.folds) <= _WIDEST else ()
    columns = [
        text("evaluation.metric"),
        *(text("cross_validation.column_fold", fold=fold.number) for fold in shown),
        text("cross_validation.column_mean"),
        text("cross_validation.column_interval"),
        text("cross_validation.column_all"),
    ]
    rows = []
    for name, one in done.scores.items():
        values = [f"{fold.scores[name]:.3f}" for fold in shown]
        spread = [f"{one.mean:.3f} ± {one.deviation:.3f}", f"{one.low:.3f} – {one.high:.3f}"]
        rows.append([metric_title(name), *values, *spread, f"{done.evaluation.scores[name]:.3f}"])
    talk.say("")
    talk.say(text("cross_validation.title", n=len(done.examples)))
    print_table(columns, rows)
    talk.say(text("cross_validation.done", path=done.predictions_path))
    click.echo(done.path)


COMMAND = cross_validate
