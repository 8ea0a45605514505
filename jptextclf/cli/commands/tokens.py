"""``jptextclf tokens``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, print_json, print_table, say
from jptextclf.cli._options import json_option
from jptextclf.errors import ConfigError
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jptextclf.long_texts import Reading
    from jptextclf.tokens import Difference, ModelTour, Piece, TextTour, TokenTour

_N_TEXTS = 10
_N_CHARACTERS = 120
_N_WORDS = 40
_N_PIECES = 60
_N_DIFFERENCES = 30
_BATCH_FRONT, _BATCH_BACK = 5, 3


@click.command("tokens", cls=Command)
@click.argument("texts", nargs=-1)
@option("--model", show_default="builtin")
@option("--compare", nargs=2, metavar="M1 M2")
@option("--max-length", type=int)
@option(
    "--mode", "tokenizer_mode", type=click.Choice(["safe", "reference"]), default="safe", show_default=True
)
@option("--dictionary")
@option("--html", "html_path", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def tokens(
    *,
    texts: tuple[str, ...],
    model: str | None,
    compare: tuple[str, str] | None,
    max_length: int | None,
    tokenizer_mode: Any,
    dictionary: str | None,
    html_path: Path | None,
    as_json: bool,
) -> None:
    if model is not None and compare is not None:
        raise ConfigError("U102")
    if dictionary is not None and compare is not None:
        raise ConfigError("U103")
    given = [_as_typed(one) for one in texts] or _lines()
    from jptextclf.adapters import load_adapter
    from jptextclf.page_files import check_page, write_page
    from jptextclf.tokens import tour

    if html_path is not None:
        check_page(html_path)

    names = compare or (model or "builtin",)
    adapters = [
        (name, load_adapter(name, mode=tokenizer_mode, dictionary=dictionary, progress=Talk()))
        for name in names
    ]
    found = tour(adapters, given, max_length=max_length)
    reading = None
    if compare is None and max_length is None:
        from jptextclf.long_texts import Reading

        reading = Reading.of_run(Path(names[0]).expanduser(), adapters[0][1], given)
    if html_path is not None:
        write_page(html_path, found.to_html())
    if as_json:
        print_json(found.to_json() if reading is None else {**found.to_json(), "reading": reading.to_json()})
    elif html_path is not None:
        click.echo(html_path)
    else:
        _show(found, reading)


def _as_typed(argument: str) -> str:
    """An argument as UTF-8, also where the locale (``LC_ALL=C``) made Python read its bytes otherwise."""
    undecoded = any("\udc80" <= character <= "\udcff" for character in argument)
    return os.fsencode(argument).decode("utf-8", "replace") if undecoded else argument


def _lines() -> list[str]:
    """The lines of standard input, unless a person sits before it."""
    if sys.stdin.isatty():
        raise ConfigError("U100")
    read = sys.stdin.buffer.read().decode("utf-8-sig", errors="replace")
    if "\N{REPLACEMENT CHARACTER}" in read:
        say(text("cli.warning", sentence=text("tokens.undecodable")))
    lines = [line.removesuffix("\r") for line in read.split("\n")]
    return lines if lines[-1] else lines[:-1]


def _show(tour: TokenTour, reading: Reading | None) -> None:
    from jptextclf.tokens import visible

    for model in tour.models:
        line = text("tokens.model_line", name=visible(model.name), vocabulary=model.vocabulary_size)
        click.echo(line)
    for number, found in enumerate(tour.texts[:_N_TEXTS]):
        _heading(text("tokens.h_text", n=number + 1, of=len(tour.texts)), underline="=")
        _heading(text("tokens.h_characters", n=len(found)))
        click.echo(" ".join(visible(one, alone=True) for one in found[:_N_CHARACTERS]))
        _more("tokens.more_characters", len(found) - _N_CHARACTERS)
        if len(tour.models) == 1:
            _show_text(tour.models[0], tour.models[0].texts[number])
            if reading is not None:
                click.echo(reading.line(number))
            if number == 0:
                _show_one_hot(tour.models[0], tour.models[0].texts[0])
        else:
            _show_sides(tour, number)
    _more("tokens.more_texts", len(tour.texts) - _N_TEXTS)
    _heading(text("tokens.h_batch"), underline="=")
    for model in tour.models:
        _show_batch(tour, model)


def _show_text(model: ModelTour, found: TextTour) -> None:

    words = found.explanation.words
    _heading(text("tokens.h_words", n=len(words)))
    if words:
        rows = [
            [_cell(one) for one in (word.surface, word.part_of_speech, word.reading)]
            + [f"{word.start}-{word.end}"]
            for word in words[:_N_WORDS]
        ]
        names = ["word", "part_of_speech", "reading", "offset"]
        # Columns that the dictionary does not fill are left out.
        filled = [column for column in range(4) if any(row[column] for row in rows)]
        print_table(
            [text(f"tokens.column_{names[column]}") for column in filled],
            [[row[column] for column in filled] for row in rows],
            numbers_from=4,
        )
    _more("tokens.more_words", len(words) - _N_WORDS)
    summary = text("tokens.summary", n=found.n_pieces, unknown=found.n_unknown)
    _heading(f"{text('tokens.h_pieces')} ({summary})")
    print_table(
        [text(f"tokens.column_{name}") for name in ("place", "piece", "id", "offset", "covers", "remark")],
        [_piece_row(found.text, place, piece) for place, piece in enumerate(found.pieces(limit=_N_PIECES))],
        numbers_from=6,
    )
    _more("tokens.more_pieces", found.n_pieces - _N_PIECES)
    _show_limits(model, found)


def _piece_row(found: str, place: int, piece: Piece) -> list[str]:
    from jptextclf.tokens import remark

    is_special = piece.kind == "special"
    return [
        str(place),
        _cell(piece.piece),
        str(piece.id),
        "-" if is_special else f"{piece.start}-{piece.end}",
        "" if is_special else _cell(found[piece.start : piece.end]),
        remark(piece),
    ]


def _show_limits(model: ModelTour, found: TextTour) -> None:
    if found.truncated:
        click.echo(text("tokens.cut", n=found.n_pieces - found.n_kept, end=found.end_kept))
    elif model.model_max_length is not None and found.n_kept > model.model_max_length:
        click.echo(text("tokens.too_long", n=found.n_kept, limit=model.model_max_length))


def _show_one_hot(model: ModelTour, found: TextTour) -> None:
    from jptextclf.tokens import one_hot_places, visible

    chosen = found.example()
    if chosen is None:
        return
    _heading(text("tokens.h_one_hot"))
    click.echo(
        text(
            "tokens.one_hot",
            piece=visible(chosen.piece, alone=True),
            id=chosen.id,
            vocabulary=model.vocabulary_size,
            zeros=model.vocabulary_size - 1,
            n=found.n_pieces,
        )
    )
    places = one_hot_places(chosen.id, model.vocabulary_size)
    print_table(
        ["…" if one is None else str(one) for one in places],
        [["…" if one is None else str(int(one == chosen.id)) for one in places]],
        numbers_from=0,
    )


def _show_sides(tour: TokenTour, number: int) -> None:
    from jptextclf.tokens import visible

    sides = [model.texts[number] for model in tour.models]
    pieces = [found.pieces(limit=_N_PIECES) for found in sides]
    unknown = [
        [_cell(found.text[one.start : one.end]) for one in row if one.kind == "unknown"]
        for found, row in zip(sides, pieces, strict=True)
    ]
    rows = [
        [text("tokens.column_word"), *(_joined([w.surface for w in one.explanation.words]) for one in sides)],
        [text("tokens.column_piece"), *(_joined(found.explanation.pieces) for found in sides)],
        [text("tokens.n_words"), *(f"{len(found.explanation.words):,}" for found in sides)],
        [text("tokens.n_pieces"), *(f"{found.n_pieces:,}" for found in sides)],
        [
            text("tokens.n_unknown"),
            *(
                f"{found.n_unknown:,}" + (f": {listing(names)}" if names else "")
                for found, names in zip(sides, unknown, strict=True)
            ),
        ],
        [text("tokens.n_cut"), *(f"{found.n_pieces - found.n_kept:,}" for found in sides)],
    ]
    print_table(["", *(visible(model.name) for model in tour.models)], rows, numbers_from=3)
    for kind in ("words", "pieces"):
        _show_differences(tour, number, kind)


def _show_differences(tour: TokenTour, number: int, kind: Literal["words", "pieces"]) -> None:
    from jptextclf.tokens import visible

    found = tour.differences(number, kind)
    _heading(text(f"tokens.differing_{kind}", n=len(found)))
    if found:
        columns = [text("tokens.column_offset"), text("tokens.column_text")]
        print_table(
            [*columns, *(visible(model.name) for model in tour.models)],
            [_difference_row(tour.texts[number], one) for one in found[:_N_DIFFERENCES]],
            numbers_from=4,
        )
    _more("tokens.more_differences", len(found) - _N_DIFFERENCES)


def _difference_row(found: str, one: Difference) -> list[str]:
    shown = found[one.start : min(one.end, one.start + _N_CHARACTERS)]
    return [f"{one.start}-{one.end}", _shown(shown), _joined(one.left), _joined(one.right)]


def _joined(units: Sequence[str]) -> str:
    more = len(units) - _N_WORDS
    shown = " | ".join(_shown(one) for one in units[:_N_WORDS])
    return shown + text("words.and_more", n=more) if more > 0 else shown


def _shown(found: str) -> str:
    return _cell(found, alone=not found.strip())


def _cell(found: str, *, alone: bool = True) -> str:
    """A part of a text for a table: the whole text may be one word."""
    from jptextclf.tokens import visible

    return visible(found[:_N_CHARACTERS], alone=alone) + "…" * (len(found) > _N_CHARACTERS)


def _show_batch(tour: TokenTour, model: ModelTour) -> None:
    from jptextclf.tokens import visible

    length = model.batch_length
    said = text("tokens.batch", texts=len(tour.texts), length=length)
    click.echo(f"{visible(model.name)}: {said}" if len(tour.models) > 1 else said)
    front = min(length, _BATCH_FRONT + _BATCH_BACK + 1)
    places: list[int | None] = list(range(front))
    if length > front:
        places = [*range(_BATCH_FRONT), None, *range(length - _BATCH_BACK, length)]
    rows = []
    for number in range(min(len(tour.texts), _N_TEXTS)):
        ids, mask = model.padded_row(number)
        rows.append([str(number + 1), text("tokens.ids"), *_picked(ids, places)])
        rows.append(["", text("tokens.mask"), *_picked(mask, places)])
    print_table(
        [text("tokens.column_text"), "", *("…" if one is None else str(one) for one in places)],
        rows,
        numbers_from=2,
    )
    _more("tokens.more_texts", len(tour.texts) - _N_TEXTS)


def _picked(row: Sequence[int | None], places: Sequence[int | None]) -> list[str]:
    return ["…" if place is None else "-" if row[place] is None else str(row[place]) for place in places]


def _heading(sentence: str, *, underline: str = "") -> None:
    click.echo(f"\n{sentence}" + (f"\n{underline * 40}" if underline else ""))


def _more(key: str, n: int) -> None:
    if n > 0:
        click.echo(text(key, n=n))


COMMAND = tokens
