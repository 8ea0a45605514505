"""One file into files for training, validation and test, with all its columns: seeded, stratified, duplicates on one side.

It decides nothing itself: which text goes where is :func:`jptextclf.data.splits.split_train`'s question.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from jptextclf.atomic import make_directory, remove_empty, write_errors
from jptextclf.data.columns import joined
from jptextclf.data.examples import SPLITS, Examples, Reason, RowNumbers, Split
from jptextclf.data.loading import labels_of, split_of
from jptextclf.data.rows import is_empty, text_of
from jptextclf.data.splits import split_train
from jptextclf.data.tables import FORMATS
from jptextclf.data.writers import Writer, open_writer
from jptextclf.errors import ConfigError, DataError
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from pathlib import Path

    from jptextclf.data.columns import Columns
    from jptextclf.data.tables import Table

CutFormat = Literal["same", "csv", "tsv", "jsonl", "excel"]
_SUFFIXES = {"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "excel": ".xlsx"}
_SAME = {"csv": "csv", "tsv": "tsv", "txt": "tsv", "excel": "excel"}
"""Form of the source -> form of the files; every other one becomes JSON Lines, which keeps lists."""


@dataclass(frozen=True)
class Cut:
    """Where every row of a file went."""

    files: dict[Split, Path]
    splits: dict[Split, Examples]
    read: int
    rejected: dict[Reason, RowNumbers] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def label_names(self) -> list[str]:
        """All labels, the most frequent first."""
        counts: dict[str, int] = {}
        for one in self.splits.values():
            for name, n in one.label_counts().items():
                counts[name] = counts.get(name, 0) + n
        return sorted(counts, key=lambda name: (-counts[name], name))

    def remarks(self) -> list[str]:
        """What a person should know: rows left out, labels that a split lacks."""
        said = [text(f"data.reject_{reason}", n=one.n, rows=one) for reason, one in self.rejected.items()]
        for split, examples in self.splits.items():
            missing = [name for name in self.label_names if name not in examples.label_counts()]
            if missing and examples.labels is not None:
                said.append(text("cutting.missing", split=text(f"words.{split}"), labels=listing(missing)))
        return [*said, *self.notes]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "read": self.read,
            "rejected": {reason: {"n": one.n, "rows": one.rows} for reason, one in self.rejected.items()},
            "splits": {
                split: {"path": str(self.files[split]), "texts": len(one), "labels": one.label_counts()}
                for split, one in self.splits.items()
            },
        }


def cut(
    table: Table,
    columns: Columns,
    out: Path,
    *,
    validation: float,
    test: float,
    seed: int,
    label_separator: str | None = None,
    format: CutFormat = "same",  # noqa: A002 - the option's name
    overwrite: bool = False,
) -> Cut:
    """Cut a file into files in a directory, which is made where it is not there.

    Rows without text, and without a label where there is a label column, are left out and counted.

    :param columns: which hold text and label
    :param validation: share of the texts; 0 for none.  ``test`` likewise; together below 1
    :raises ConfigError: such shares (``JPT-U190``), there is a split column (``JPT-U191``), or a file is there already
        (``JPT-U185``), or one of another cut that a training would read along (``JPT-U194``)
    :raises DataError: a part would be empty (``JPT-D080``)
    """
    if not (validation >= 0 and test >= 0 and 0 < validation + test < 1):
        raise ConfigError("U190", validation=validation, test=test)
    if columns.split is not None:
        raise ConfigError("U191", column=columns.split)
    if format not in get_args(CutFormat):
        raise ConfigError("U192", found=format, known=listing(get_args(CutFormat)))
    shares: dict[Split, float] = {"train": 1 - validation - test, "validation": validation, "test": test}
    form = _SAME.get(table.format, "jsonl") if format == "same" else format
    files = {split: out / f"{split}{_SUFFIXES[form]}" for split in SPLITS if shares[split]}
    for path in files.values():
        if path.exists() and not overwrite:
            raise ConfigError("U185", path=path)
    _refuse_others(out, set(files.values()))
    read, examples, rejected = _examples(table, columns, label_separator)
    splits = _splits(examples, validation, test, seed)
    for split in files:
        if not len(splits[split]):
            raise DataError("D080", split=split, n=len(examples), share=shares[split])
    with write_errors(out):
        made = make_directory(out)
    try:
        notes = _write(table, files, {row: split for split, one in splits.items() for row in one.rows})
    except BaseException:
        remove_empty(made)
        raise
    return Cut(files, {split: splits[split] for split in files}, read, rejected, notes)


def _refuse_others(out: Path, files: set[Path]) -> None:
    """That no file of an earlier cut stays beside the new ones, where its rows would be in two splits."""
    if not out.is_dir():
        return
    there = {one for one in out.iterdir() if split_of(one.stem) and one.suffix.lower() in FORMATS}
    if others := sorted(one.name for one in there - files):
        raise ConfigError("U194", path=out, files=listing(others))


def _examples(
    table: Table, columns: Columns, separator: str | None
) -> tuple[int, Examples, dict[Reason, RowNumbers]]:
    texts, labels, rows = [], [], []
    rejected: dict[Reason, RowNumbers] = {}
    places = [table.columns.index(name) for name in columns.text]
    label_place = None if columns.label is None else table.columns.index(columns.label)
    read = 0
    for row in table.rows():
        read += 1
        found = joined([text_of(row.cells[place]) for place in places])
        names = () if label_place is None else labels_of(row.cells[label_place], separator)
        if is_empty(found) or names is None:
            reason: Reason = "empty_text" if is_empty(found) else "no_label"
            rejected.setdefault(reason, RowNumbers()).add(row.number)
            continue
        texts.append(found)
        labels.append(names)
        rows.append(row.number)
    return read, Examples(texts, None if label_place is None else labels, rows), rejected


def _splits(examples: Examples, validation: float, test: float, seed: int) -> dict[Split, Examples]:
    none = examples.select([])
    rest, held = split_train(examples, fraction=test, seed=seed) if test else (examples, none)
    if not validation:
        return {"train": rest, "validation": none, "test": held}
    train, middle = split_train(rest, fraction=validation / (1 - test), seed=seed + 1)
    return {"train": train, "validation": middle, "test": held}


def _write(table: Table, files: dict[Split, Path], split_of_row: dict[int, Split]) -> tuple[str, ...]:
    with ExitStack() as stack:
        writers: dict[Split, Writer] = {
            split: stack.enter_context(open_writer(path, columns=table.columns, source=table.path))
            for split, path in files.items()
        }
        for row in table.rows():
            if row.number in split_of_row:
                writers[split_of_row[row.number]].write(row.values)
    return tuple(dict.fromkeys(note for one in writers.values() for note in one.notes))
