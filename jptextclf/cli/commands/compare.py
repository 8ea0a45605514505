"""``jptextclf compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, echo, print_json, print_table
from jptextclf.cli._options import device_option, json_option, quiet_option, reading_options
from jptextclf.messages import text


@click.command("compare", cls=Command)
@click.argument("runs", metavar="RUN_A RUN_B [RUN]...", nargs=-1, type=click.Path(path_type=Path))
@option("--data", "compared_data", required=True)
@option("--split", type=click.Choice(["train", "validation", "test"]))
@option("--metric", "compared_metric", default="macro_f1", show_default=True)
@option("--out", "-o", "compare_out", type=click.Path(path_type=Path))
@option("--html", "compare_html", type=click.Path(path_type=Path))
@reading_options
@device_option
@json_option
@quiet_option
def compare(
    *,
    runs: tuple[Path, ...],
    compared_data: str,
    compared_metric: str,
    compare_out: Path | None,
    compare_html: Path | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from jptextclf import api
    from jptextclf.atomic import check_outside, check_target
    from jptextclf.page_files import check_page, write_page
    from jptextclf.run_comparison.files import JSON

    if compare_out is not None:
        check_outside(compare_out, *runs)
        check_target(compare_out, overwrite=True, holds=JSON)
    if compare_html is not None:
        check_outside(compare_html, *runs)
        check_page(compare_html)
    talk = Talk(quiet=quiet)
    found = api.compare(*runs, data=compared_data, metric=compared_metric, progress=talk, **options)
    for remark in found.remarks():
        talk.warn(remark)
    if compare_out is not None:
        talk.say(text("compare.written", path=found.write(compare_out)))
    if compare_html is not None:
        talk.say(text("compare.written", path=write_page(compare_html, found.to_html())))
    if as_json:
        print_json(found.to_json())
        return
    for table in found.tables():
        print_table(table.columns, table.rows)
    for sentence in found.sentences:
        echo(sentence)


COMMAND = compare
