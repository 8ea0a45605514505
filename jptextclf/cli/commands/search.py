"""``jptextclf search``."""

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
    from jptextclf.searching import SearchResult


@click.command("search", cls=Command)
@click.argument("data", required=False)
@file_options
@option("--trials", type=int, default=20, show_default=True)
@option("--timeout", type=float)
@option("--space", type=click.Path(path_type=Path))
@option("--out", "-o", "results", type=click.Path(path_type=Path), required=True)
@option("--validation", type=click.Path(path_type=Path), heading="settings.group_data")
@option("--test", type=click.Path(path_type=Path), heading="settings.group_data")
@reading_options
@votes_column_option
@origin_options
@settings_options
@json_option
@quiet_option
def search(*, as_json: bool, quiet: bool, results: Path, settings: dict[str, Any], **options: Any) -> None:
    from jptextclf import api

    talk = Talk(quiet=quiet)
    done = api.search(out=results, progress=talk, **only_given(options), **settings)
    if as_json:
        print_json({**done.to_json(), "path": str(done.path)})
    else:
        _show(done, talk)


def _show(done: SearchResult, talk: Talk) -> None:
    """The trials, best first, and which settings made the difference."""
    from jptextclf.evaluation import metric_title

    names = list(done.best.settings)
    columns = [text("search.column_trial"), text("search.column_state"), metric_title(done.metric), *names]
    rows = []
    for one in sorted(done.trials, key=lambda trial: (trial.state != "complete", -(trial.value or 0.0))):
        value = "-" if one.value is None else f"{one.value:.4f}"
        cells = [_short(one.settings.get(name)) for name in names]
        seconds = "-" if one.seconds is None else f"{one.seconds:.0f}"
        rows.append([str(one.number), text(f"search.state_{one.state}"), value, *cells, seconds])
    talk.say("")
    print_table([*columns, text("search.column_seconds")], rows, numbers_from=2)
    if done.importance:
        shares = [[name, f"{value:.0%}"] for name, value in done.importance.items()]
        print_table([text("search.column_setting"), text("search.column_importance")], shares)
    value = f"{metric_title(done.metric)} {done.best.value:.4f}"
    talk.say(text("search.done", n=len(done.trials), value=value, path=done.best_path))
    click.echo(done.best_path)


def _short(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


COMMAND = search
