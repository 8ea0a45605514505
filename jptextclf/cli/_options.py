"""Options that several commands share."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Any

import click

from jptextclf.cli._command import F, option

json_option = option("--json", "as_json", is_flag=True)
quiet_option = option("--quiet", "-q", is_flag=True)
device_option = option("--device", default="auto", show_default=True)
columns_option = option("--columns", callback=lambda _ctx, _param, value: split_names(value))
text_column_option = option("--text-column", callback=lambda _ctx, _param, value: split_names(value))
on_too_long_option = option(
    "--on-too-long", type=click.Choice(["truncate", "error"]), default="truncate", show_default=True
)


def split_names(value: str | None) -> tuple[str, ...] | None:
    """``"タイトル,本文"`` -> ``("タイトル", "本文")``; spaces beside a comma do not count."""
    return None if value is None else tuple(name.strip() for name in value.split(","))


def reading_options(function: F) -> F:
    """How a file of labelled texts is read."""
    for add in reversed(
        [
            columns_option,
            text_column_option,
            option("--label-column"),
            option("--split-column"),
            option("--label-separator"),
            option("--encoding", default="auto", show_default=True),
        ]
    ):
        function = add(function)
    return function


def origin_options(function: F) -> F:
    """What the user's data are, for the licence record."""
    for add in reversed(
        [
            option("--data-origin", type=click.Choice(["own", "customer", "public"])),
            option("--data-license"),
            option("--personal-information", type=click.Choice(["none-confirmed", "contains", "unknown"])),
            option("--data-card", type=click.Path(path_type=Path)),
        ]
    ):
        function = add(function)
    return function


def license_options(function: F) -> F:
    """What a licence is judged for."""
    for add in reversed(
        [option("--use"), option("--output-license"), option("--policy", type=click.Path(path_type=Path))]
    ):
        function = add(function)
    return function


def settings_options(function: F) -> F:
    """Fields of :class:`jptextclf.config.TrainConfig`; only those given on the command line are passed on."""
    numbers: list[tuple[str, Any, str]] = [
        ("--max-length", int, "256"),
        ("--epochs", int, "auto"),
        ("--batch-size", int, "32"),
        ("--learning-rate", float, "auto"),
        ("--warmup", float, "0.1"),
        ("--weight-decay", float, "0.01"),
        ("--max-grad-norm", float, "1.0"),
        ("--patience", int, "3"),
        ("--validation-fraction", float, "0.1"),
        ("--seed", int, "0"),
        ("--max-tokens", int, "8192"),
    ]
    choices = [
        ("--task", ["auto", "binary", "multiclass", "multilabel"], "auto"),
        ("--class-weights", ["none", "balanced"], "none"),
        ("--metric", ["accuracy", "macro_f1", "micro_f1", "weighted_f1", "subset_accuracy"], "macro_f1"),
        ("--precision", ["auto", "float32", "bfloat16"], "auto"),
    ]
    added = [
        option("--model", show_default="builtin"),
        option("--dictionary"),
        option("--device", show_default="auto"),
        option("--use"),
        option("--policy", type=click.Path()),
    ]
    added += [option(name, type=kind, show_default=default) for name, kind, default in numbers]
    added += [
        option(name, type=click.Choice(known), show_default=default) for name, known, default in choices
    ]
    given = [
        "--model",
        "--dictionary",
        "--device",
        "--use",
        "--policy",
        *(name for name, *_ in numbers),
        *(name for name, *_ in choices),
    ]
    names = [name.removeprefix("--").replace("-", "_") for name in given]

    @wraps(function)
    def gathered(**options: Any) -> Any:
        settings = {name: value for name in names if (value := options.pop(name)) is not None}
        return function(settings=settings, **options)

    for add in reversed(added):
        gathered = add(gathered)
    return gathered  # type: ignore[return-value]
