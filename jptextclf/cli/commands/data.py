"""``jptextclf data check|drift|split``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jptextclf.cli._command import Command, Group, option
from jptextclf.cli._console import Talk, echo, print_json, print_table
from jptextclf.cli._options import (
    columns_option,
    device_option,
    json_option,
    quiet_option,
    reading_options,
    text_column_option,
)
from jptextclf.data.rows import shortened
from jptextclf.errors import DataError
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from jptextclf.data.checks import DataCheck, Finding
    from jptextclf.data.checks.fixing import Fixed
    from jptextclf.drift import Drift

_HEADING = "settings.group_data"
_WIDTH = 40
"""Characters of a label name in a table."""


@click.group("data", cls=Group)
def data() -> None:
    pass


@data.command("check", cls=Command)
@click.argument("data")
@option("--model", "check_model", default="builtin", show_default=True)
@option("--max-length", "check_max_length", type=click.IntRange(min=1))
@option("--fix", "fix_out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT")
@option("--mask", is_flag=True)
@option("--overwrite", "overwrite_file", is_flag=True)
@option("--strict", is_flag=True)
@option("--validation", type=click.Path(path_type=Path), heading=_HEADING)
@option("--test", type=click.Path(path_type=Path), heading=_HEADING)
@reading_options
@json_option
@quiet_option
def data_check(
    *,
    data: str,
    check_model: str,
    check_max_length: int | None,
    fix_out: Path | None,
    mask: bool,
    overwrite_file: bool,
    strict: bool,
    as_json: bool,
    quiet: bool,
    validation: Path | None,
    test: Path | None,
    **options: Any,
) -> None:
    from jptextclf.preparing import check_data, fix_data

    talk = Talk(quiet=quiet)
    fixed = None
    if fix_out is not None:
        # First, since it may be refused, and the check of a large file takes its time.
        fixed = fix_data(data, fix_out, mask=mask, overwrite=overwrite_file, **options)
    model = None if check_model == "none" else check_model
    found = check_data(
        data,
        model=model,
        max_length=check_max_length,
        validation=validation,
        test=test,
        progress=talk,
        **options,
    )
    if as_json:
        print_json({**found.to_json(), **({} if fixed is None else {"fixed": fixed.to_json()})})
    else:
        _show(found, fixed)
    errors = [one.message for one in found.findings if one.severity == "error"]
    if strict and errors:
        raise DataError("D070", n=len(errors), findings=listing(errors, 3))


def _show(found: DataCheck, fixed: Fixed | None) -> None:
    statistics = found.statistics
    for line in found.files():
        echo(line)
    names = list(dict.fromkeys(name for counts in statistics.labels.values() for name in counts))
    splits = list(statistics.sizes)
    rows = [
        [shortened(name, _WIDTH), *(f"{statistics.labels.get(split, {}).get(name, 0):,}" for split in splits)]
        for name in names[:30]
    ]
    rows.append([text("checks.h_total"), *(f"{statistics.sizes[split]:,}" for split in splits)])
    print_table([text("checks.h_label"), *(text(f"words.{split}") for split in splits)], rows)
    if len(names) > len(rows) - 1:
        click.echo(text("checks.more_labels", n=len(names) - len(rows) + 1))
    for sentence in statistics.sentences():
        echo(sentence)
    echo(f"\n{found.headline}")
    for one in found.findings:
        _show_finding(one)
    for line in () if fixed is None else ("", *fixed.lines()):
        echo(line)


def _show_finding(one: Finding) -> None:
    echo(f"\n[{text(f'checks.severity_{one.severity}')}] {one.message}")
    if one.rows:
        echo(f"  {text('checks.where')}: {one.rows}")
    if one.samples:
        echo(f"  {text('checks.for_example')}: " + " | ".join(one.samples))
    echo(f"  {text('checks.to_do')}: {one.remedy}")


@data.command("drift", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("data")
@option("--reference", "drift_reference")
@option("--split", "drift_split", type=click.Choice(["train", "validation", "test"]))
@option("--html", "drift_html", type=click.Path(path_type=Path, dir_okay=False))
@option("--strict", "drift_strict", is_flag=True)
@columns_option
@text_column_option
@option("--split-column", heading=_HEADING)
@option("--encoding", default="auto", show_default=True, heading=_HEADING)
@device_option
@json_option
@quiet_option
def data_drift(
    *,
    run: Path,
    data: str,
    drift_reference: str | None,
    drift_split: str | None,
    drift_html: Path | None,
    drift_strict: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from jptextclf import api
    from jptextclf.atomic import check_outside
    from jptextclf.page_files import check_page, write_page

    talk = Talk(quiet=quiet)
    if drift_html is not None:
        check_outside(drift_html, run)
        check_page(drift_html)
    found = api.check_drift(run, data, reference=drift_reference, split=drift_split, progress=talk, **options)
    if drift_html is not None:
        write_page(drift_html, found.to_html())
    if as_json:
        print_json(found.to_json())
    elif drift_html is not None:
        talk.say(found.sentence)
        click.echo(drift_html)
    else:
        _show_drift(found)
    if drift_strict and found.verdict == "drifted":
        raise DataError("D071", source=found.source, sentence=found.sentence)


def _show_drift(found: Drift) -> None:
    echo(found.sentence)
    measures, labels = found.tables()
    print_table(measures.columns, measures.rows)
    print_table(labels.columns, [[shortened(name, _WIDTH), *cells] for name, *cells in labels.rows[:30]])
    for remark in found.remarks():
        echo(remark)


@data.command("split", cls=Command)
@click.argument("data")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@option("--validation", "split_validation", type=float, default=0.1, show_default=True)
@option("--test", "split_test", type=float, default=0.1, show_default=True)
@option("--seed", "split_seed", type=int, default=0, show_default=True)
@option(
    "--format",
    "split_format",
    type=click.Choice(["same", "csv", "tsv", "jsonl", "excel"]),
    default="same",
    show_default=True,
)
@option("--overwrite", "overwrite_file", is_flag=True)
@reading_options
@json_option
@quiet_option
def data_split(
    *,
    data: str,
    out: Path,
    split_validation: float,
    split_test: float,
    split_seed: int,
    split_format: Any,
    overwrite_file: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from jptextclf.preparing import split_data

    done = split_data(
        data, out, validation=split_validation, test=split_test, seed=split_seed, format=split_format,
        overwrite=overwrite_file, **options,
    )  # fmt: skip
    talk = Talk(quiet=quiet)
    for remark in done.remarks():
        talk.warn(remark)
    if as_json:
        print_json(done.to_json())
        return
    talk.say(text("cutting.title", read=done.read, rejected=sum(one.n for one in done.rejected.values())))
    counts = {split: one.label_counts() for split, one in done.splits.items()}
    rows = [
        [shortened(name, _WIDTH), *(f"{counts[split].get(name, 0):,}" for split in counts)]
        for name in done.label_names[:30]
    ]
    rows.append([text("checks.h_total"), *(f"{len(one):,}" for one in done.splits.values())])
    print_table([text("checks.h_label"), *(text(f"words.{split}") for split in counts)], rows)
    for path in done.files.values():
        click.echo(path)


COMMAND = data
