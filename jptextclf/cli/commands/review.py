"""``jptextclf review export|apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jptextclf.cli._command import Command, Group, option
from jptextclf.cli._console import Talk, echo, print_json
from jptextclf.cli._options import columns_option, device_option, json_option, quiet_option, reading_options

_DATA = "settings.group_data"


@click.group("review", cls=Group)
def review() -> None:
    pass


@review.command("export", cls=Command)
@click.argument("data")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@option("--share", "review_share", type=click.FloatRange(0, 1, min_open=True))
@option("--model", "review_model", default="builtin", show_default=True)
@option("--max-length", "review_max_length", type=click.IntRange(min=1))
@option("--votes-column", "review_votes", heading=_DATA)
@option("--seed", "review_seed", type=int, default=0, show_default=True)
@option("--overwrite", "overwrite_file", is_flag=True)
@reading_options
@device_option
@json_option
@quiet_option
def review_export(
    *,
    data: str,
    out: Path,
    review_share: float | None,
    review_model: str,
    review_max_length: int | None,
    review_votes: str | None,
    review_seed: int,
    overwrite_file: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from jptextclf import api

    found = api.review_export(
        data, out, share=review_share, model=review_model, max_length=review_max_length, votes_column=review_votes,
        seed=review_seed, overwrite=overwrite_file, progress=Talk(quiet=quiet), **options,
    )  # fmt: skip
    if as_json:
        print_json(found.to_json())
        return
    for line in found.lines():
        echo(line)


@review.command("apply", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("data")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@option("--new-labels", is_flag=True)
@option("--overwrite", "overwrite_file", is_flag=True)
@columns_option
@option("--encoding", default="auto", show_default=True, heading=_DATA)
@json_option
def review_apply(
    *, file: Path, data: str, out: Path, overwrite_file: bool, as_json: bool, **options: Any
) -> None:
    from jptextclf import api

    found = api.review_apply(file, data, out, overwrite=overwrite_file, **options)
    if as_json:
        print_json(found.to_json())
        return
    for line in found.lines():
        echo(line)


COMMAND = review
