"""A file with labels for each of its rows."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jptextclf.api.engines import Engine, EngineName, How, Piece, open_engine
from jptextclf.api.runs import Run, load
from jptextclf.atomic import RUN_RECORD, sha256_of
from jptextclf.data.columns import Columns, find_columns, joined
from jptextclf.data.rows import folded_name, text_of
from jptextclf.data.tables import Table, open_table
from jptextclf.data.writers import open_writer
from jptextclf.errors import DataError
from jptextclf.kept_answers import KeptAnswers, fingerprint, is_unfinished, kept_answers
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.progress import Logged, Progress, phase

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from jptextclf.bundle import RunPrecision
    from jptextclf.data.rows import Row
    from jptextclf.prediction import OnTooLong

_ROWS_AT_ONCE = 2048
"""Rows that are computed, and kept, as one piece."""
_ADDED = ("predicted_label", "predicted_probability", "truncated", "empty")


@dataclass(frozen=True)
class FilePrediction:
    """What became of a file."""

    output: Path
    read: int
    truncated: int
    empty: int
    unmappable: int
    """Characters that the output encoding does not have; each was written as a filler."""
    notes: tuple[str, ...]
    """What the user should know about the output, as sentences."""

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1, "output": str(self.output), "read": self.read, "truncated": self.truncated,
            "empty": self.empty, "unmappable": self.unmappable, "notes": list(self.notes),
        }  # fmt: skip


def predict_file(
    run: Run | str | os.PathLike[str],
    input: str | os.PathLike[str],  # noqa: A002 - the option's name
    output: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    input_encoding: str = "auto",
    encoding: str | None = None,
    label_separator: str = "|",
    probabilities: bool = False,
    on_too_long: OnTooLong = "truncate",
    resume: bool = False,
    engine: EngineName = "local",
    address: str | None = None,
    workers: int | None = None,
    device: str = "auto",
    precision: RunPrecision | None = None,
    progress: Progress | None = None,
) -> FilePrediction:
    """Classify every row of a file; columns and their order stay, columns are added.

    Added are ``predicted_label``, ``predicted_probability`` (of that label; for a multi-label task those of all
    given labels), ``truncated`` and ``empty``, and ``needs_review`` where the run was told when a person should look
    (:func:`jptextclf.decide`). Memory does not grow with the number of rows, except for Excel.

    :param encoding: of the output; None is UTF-8 with BOM for CSV, which spreadsheets recognise
    :param label_separator: between the labels of one text
    :param resume: go on with a prediction that was killed: what was computed is not computed again, and the output is the same to
        the byte. Without it, what is left of one is removed
    :param engine: ``local``, or ``ray``: workers of a Ray cluster, each with the model in it. The order of the rows stays
    :param address: of the cluster, such as ``auto``; None starts one on this machine
    :param workers: of the cluster; None: one for each of its processors
    :param probabilities: add a column ``probability:<label>`` for each label
    :raises DataError: the input cannot be read; ``output`` is then as it was
    :raises ConfigError: what is to go on was begun with another input, model or option (``JPT-U147``), or another process
        writes the same output (``JPT-U173``), or the engine has no such option (``JPT-U245``)
    :raises SetupError: Ray is missing (``JPT-E001``), or its cluster cannot be reached (``JPT-E100``)
    :raises WorkError: a worker cannot compute its piece (``JPT-W054``)
    """
    show = progress or Logged()
    opened = run if isinstance(run, Run) else load(run, device=device, precision=precision)
    table = open_table(input, encoding=input_encoding, columns=columns)
    # The columns that the run was trained on are looked for first, then the usual names.
    found = _columns_to_read(table, text_column, opened)
    show.say(text("predict.columns", text=listing(found.text)))
    extra = _extra_places(table, opened)
    asked = ["needs_review"] if opened.bundle.rule.asks else []
    added = [*_ADDED, *asked, *(f"probability:{name}" for name in opened.schema.names if probabilities)]
    names = unused_names(table.columns, added)
    read = truncated = empty = reused = 0
    odd: Counter[str] = Counter()
    form = Path(output).suffix.lower()
    as_lists = opened.schema.is_multilabel and form in {".jsonl", ".ndjson", ".parquet"}
    separator = None if as_lists else label_separator
    identity = {
        "input": fingerprint(table.path), "model": sha256_of(opened.path / RUN_RECORD), "columns": list(table.columns),
        "text": list(found.text), "separator": separator, "probabilities": probabilities, "on_too_long": on_too_long,
        "precision": opened.bundle.precision, "rows_at_once": _ROWS_AT_ONCE,
    }  # fmt: skip
    how = How(
        str(opened.path.resolve()),
        opened.device,
        opened.bundle.precision,
        separator,
        probabilities,
        on_too_long,
    )
    place = Path(output).expanduser().resolve()
    if not resume and is_unfinished(place):
        show.warn(text("predict.discarded", path=place))
    with (
        phase(show, text("predict.phase"), None),
        # First, so that what was computed is let go of after the output is there.
        kept_answers(place, identity, resume=resume) as kept,
        open_writer(
            output,
            columns=(*table.columns, *names),
            encoding=encoding,
            source=table.path,
            source_columns=table.columns,
        ) as writer,
        open_engine(engine, opened, how, address=address, workers=workers, progress=show) as working,
    ):
        for rows, made, is_kept in _answered(_pieces(table, found, extra), kept, working):
            reused += len(rows) if is_kept else 0
            odd.update(made["odd_cells"])
            for row, cells in zip(rows, made["cells"], strict=True):
                writer.write((*row.values, *cells))
            read += len(rows)
            truncated += made["truncated"]
            empty += made["empty"]
            show.advance(len(rows))
    if reused:
        show.say(text("predict.reused", n=reused))
    for note in opened.predictor.notes(odd, read) if odd else ():
        show.warn(note)
    return FilePrediction(Path(output), read, truncated, empty, writer.unmappable, tuple(writer.notes))


def _pieces(
    table: Table, columns: Columns, extra: Mapping[str, int]
) -> Iterator[tuple[int, list[Row], Piece]]:
    """The rows, some at a time, and what a model sees of them."""
    for number, rows in enumerate(_batches(table.rows())):
        texts = tuple(joined([row.cells[table.columns.index(name)] for name in columns.text]) for row in rows)
        beside = {name: [text_of(row.cells[place]) for row in rows] for name, place in extra.items()}
        yield number, rows, Piece(texts, beside, rows[0].number)


def _answered(
    pieces: Iterator[tuple[int, list[Row], Piece]], kept: KeptAnswers, engine: Engine
) -> Iterator[tuple[list[Row], dict[str, Any], bool]]:
    """The rows in their order with their answers, and whether these were computed before."""
    waiting: deque[tuple[int, str, list[Row], dict[str, Any] | None, Any]] = deque()

    def first() -> tuple[list[Row], dict[str, Any], bool]:
        number, digest, rows, made, handle = waiting.popleft()
        if made is not None:
            return rows, made, True
        made = {**engine.result(handle), "digest": digest}
        kept.write(number, made)
        return rows, made, False

    for number, rows, piece in pieces:
        digest = piece.digest
        made = kept.read(number, digest=digest, n_rows=len(rows))
        waiting.append((number, digest, rows, made, None if made is not None else engine.submit(piece)))
        if len(waiting) > engine.ahead:
            yield first()
    while waiting:
        yield first()


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _columns_to_read(table: Table, text_column: str | Sequence[str] | None, run: Run) -> Columns:
    trained_on = run.bundle.record["data"]["columns"]["text"]
    if text_column is None and set(trained_on) <= set(table.columns):
        text_column = trained_on
    return find_columns(table.columns, text_column=text_column, need_label=False)


def _extra_places(table: Table, run: Run) -> dict[str, int]:
    """Where the columns stand that the run needs beside the text.

    :raises DataError: one is not there (``JPT-D062``)
    """
    places = {}
    missing = []
    for name in run.bundle.extra_columns:
        alike = [place for place, one in enumerate(table.columns) if folded_name(one) == folded_name(name)]
        if name in table.columns:
            places[name] = table.columns.index(name)
        elif len(alike) == 1:
            places[name] = alike[0]
        else:
            missing.append(name)
    if missing:
        raise DataError(
            "D062",
            path=table.path,
            missing=listing(missing),
            columns=listing(table.columns, 20),
            hint=did_you_mean(missing[0], table.columns),
        )
    return places


def unused_names(taken: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Names for new columns; one that the file has already gets a number."""
    names = []
    for name in wanted:
        number = 1
        candidate = name
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        names.append(candidate)
    return names
