"""``jptextclf predict``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, print_json, print_table
from jptextclf.cli._options import (
    columns_option,
    device_option,
    json_option,
    on_too_long_option,
    quiet_option,
    run_precision_option,
    text_column_option,
)
from jptextclf.errors import ConfigError
from jptextclf.messages import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jptextclf.api import Run
    from jptextclf.prediction import Prediction


@click.command("predict", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1)
@option("--input", "-i", "input_path", type=click.Path(path_type=Path))
@option("--output", "-o", "output_path", type=click.Path(path_type=Path))
@columns_option
@text_column_option
@option("--input-encoding", default="auto", show_default=True)
@option("--encoding", "output_encoding")
@option("--label-separator", "output_separator", default="|", show_default=True)
@option("--probabilities", is_flag=True)
@option("--resume", "predict_resume", is_flag=True)
@option("--engine", "predict_engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@option("--address", "ray_address")
@option("--workers", "ray_workers", type=click.IntRange(min=1))
@on_too_long_option
@device_option
@run_precision_option
@json_option
@quiet_option
def predict(
    *,
    run: Path,
    texts: tuple[str, ...],
    input_path: Path | None,
    output_path: Path | None,
    as_json: bool,
    quiet: bool,
    device: str,
    run_precision: Any,
    on_too_long: Any,
    input_encoding: str,
    output_encoding: str | None,
    output_separator: str,
    predict_resume: bool,
    predict_engine: Any,
    ray_address: str | None,
    ray_workers: int | None,
    **options: Any,
) -> None:
    _check_use(texts, input_path, output_path)
    if (predict_resume or predict_engine != "local") and output_path is None:
        raise ConfigError("U244")
    texts = tuple(_as_typed(one) for one in texts)
    from jptextclf import api
    from jptextclf.data.encoding import canonical_name

    opened = api.load(run, device=device, precision=run_precision)
    talk = Talk(quiet=quiet)
    if input_path is not None and output_path is not None:
        done = api.predict_file(
            opened, input_path, output_path, input_encoding=input_encoding, encoding=output_encoding,
            label_separator=output_separator, on_too_long=on_too_long, resume=predict_resume, engine=predict_engine,
            address=ray_address, workers=ray_workers, progress=talk, **options,
        )  # fmt: skip
        for note in done.notes:
            talk.warn(note)
        talk.say(
            text("predict.done", n=done.read, path=done.output, truncated=done.truncated, empty=done.empty)
        )
        if as_json:
            print_json(done.to_json())
    elif texts:
        prediction = opened.predict(texts, on_too_long=on_too_long)
        if as_json:
            print_json({"schema_version": 1, "predictions": prediction.to_json(texts)})
        else:
            _show(texts, prediction)
    else:
        encoding = "utf-8-sig" if input_encoding == "auto" else canonical_name(input_encoding)
        _stream(opened, talk, encoding=encoding, as_json=as_json, on_too_long=on_too_long)


def _as_typed(argument: str) -> str:
    """An argument as UTF-8, also where the locale (``LC_ALL=C``) made Python read its bytes otherwise."""
    undecoded = any("\udc80" <= character <= "\udcff" for character in argument)
    return os.fsencode(argument).decode("utf-8", "replace") if undecoded else argument


def _check_use(texts: Sequence[str], input_path: Path | None, output_path: Path | None) -> None:
    if texts and (input_path or output_path):
        raise ConfigError("U095")
    if (input_path is None) != (output_path is None):
        raise ConfigError("U096", missing="--output" if output_path is None else "--input")
    if not texts and input_path is None and sys.stdin.isatty():
        raise ConfigError("U097")


def _show(texts: Sequence[str], prediction: Prediction) -> None:
    rows = []
    for one, labels, row, cut, empty, asked in zip(
        texts,
        prediction.labels,
        prediction.probabilities,
        prediction.truncated,
        prediction.empty,
        prediction.needs_review,
        strict=True,
    ):
        flags = (
            [text("predict.flag_review")] * bool(asked)
            + [text("predict.flag_truncated")] * bool(cut)
            + [text("predict.flag_empty")] * bool(empty)
        )
        names = list(prediction.schema.names)
        values = " ".join(f"{row[names.index(name)]:.3f}" for name in labels)
        short = one if len(one) <= 60 else one[:59] + "…"
        rows.append(
            [" ".join(short.split()), " | ".join(labels) or text("words.none"), values, " ".join(flags)]
        )
    print_table(
        [text(f"predict.column_{name}") for name in ("text", "label", "probability", "flags")],
        rows,
        numbers_from=2,
    )


def _stream(run: Run, talk: Talk, *, encoding: str, as_json: bool, on_too_long: Any) -> None:
    """A line in, a line out: label, a tab, its probability; or one JSON object.

    Where the run was told when a person should look, a second tab and ``true`` or ``false`` say whether one should.

    What is waiting is classified together, so that a pipe is quick and a person at a keyboard gets an answer.
    """
    import json

    names = list(run.schema.names)
    n_lines = n_undecodable = 0
    for lines in _waiting_lines():
        texts = [line.decode(encoding, errors="replace") for line in lines]
        n_undecodable += sum("\N{REPLACEMENT CHARACTER}" in one for one in texts)
        prediction = run.predictor.predict(texts, on_too_long=on_too_long, first=n_lines + 1)
        n_lines += len(lines)
        if as_json:
            shown = [json.dumps(one, ensure_ascii=False) for one in prediction.to_json(texts)]
        else:
            shown = [
                "|".join(labels)
                + "\t"
                + "|".join(f"{row[names.index(name)]:.4f}" for name in labels)
                + (f"\t{str(bool(asked)).lower()}" if prediction.rule.asks else "")
                for labels, row, asked in zip(
                    prediction.labels, prediction.probabilities, prediction.needs_review, strict=True
                )
            ]
        sys.stdout.buffer.write("".join(f"{one}\n" for one in shown).encode("utf-8", errors="replace"))
        sys.stdout.buffer.flush()
    if n_undecodable:
        talk.warn(text("predict.undecodable", n=n_undecodable, encoding=encoding))


def _waiting_lines() -> Iterator[list[bytes]]:
    """Lines of standard input without their ends, as many at a time as have arrived."""
    rest = b""
    while chunk := sys.stdin.buffer.read1(1 << 16):  # type: ignore[union-attr]
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield [line.removesuffix(b"\r") for line in lines]
    if rest:
        yield [rest.removesuffix(b"\r")]


COMMAND = predict
