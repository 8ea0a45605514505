"""Whatever the user named -> examples by split, with every row accounted for.

It does not know how a form is read, nor what a model does with the examples. A row with an empty text, or without
a label where there must be one, is rejected and counted; anything that would need a guess is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from jptextclf.data.columns import SPLIT_NAMES, Columns, cells_beside, find_columns, joined
from jptextclf.data.examples import SPLITS, DataSummary, Examples, FileSummary, LoadedData, RowNumbers, Split
from jptextclf.data.origin import DataOrigin
from jptextclf.data.rows import Cell, Row, Source, folded_name, is_empty, text_of
from jptextclf.data.splits import folded
from jptextclf.data.tables import FORMATS, Table, hash_of, neighbours, open_saved_tables, open_table
from jptextclf.data.votes import Votes, check_votes, read_votes
from jptextclf.errors import ConfigError, DataError
from jptextclf.messages import did_you_mean, listing, text

if TYPE_CHECKING:
    from jptextclf.licensing.components import Component
    from jptextclf.progress import Progress

Labels: TypeAlias = tuple[str, ...]
InMemory: TypeAlias = (
    tuple[Iterable[Any], Iterable[Any] | None]
    | tuple[Iterable[Any], Iterable[Any] | None, Mapping[str, Any] | None]
)
DataLike: TypeAlias = str | os.PathLike[str] | InMemory

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?::[^@]+)?(?:@[\w./-]+)?")
_SHOWN = 10


@dataclass(frozen=True)
class ReadOptions:
    """How tables are to be read; None leaves a choice to the file."""

    columns: Sequence[str] | None = None
    text_column: str | Sequence[str] | None = None
    label_column: str | None = None
    split_column: str | None = None
    label_separator: str | None = None
    encoding: str = "auto"
    need_labels: bool = True
    votes_column: str | None = None
    extra_columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.label_separator == "":
            raise ConfigError("U041")

    def columns_of(self, names: Sequence[str]) -> Columns:
        return find_columns(
            names,
            text_column=self.text_column,
            label_column=self.label_column,
            split_column=self.split_column,
            votes_column=self.votes_column,
            extra_columns=self.extra_columns,
            need_label=self.need_labels,
        )


@dataclass(frozen=True)
class _Input:
    """One table to be read, and the split that its rows belong to."""

    name: str
    format: str
    source: Source
    rows: Callable[[], Iterator[Row]]
    sha256: Callable[[], str]
    path: Path | None = None
    split: Split | None = None
    """None: its split column tells, or the default."""

    @classmethod
    def of(cls, table: Table, split: Split | None = None) -> _Input:
        return cls(
            table.path.name, table.format, table.source, table.rows, lambda: table.sha256, table.path, split
        )


@dataclass
class _Found:
    """What the user's word for the data stands for."""

    inputs: list[_Input]
    options: ReadOptions
    component: Component | None = None
    """From a corpus card or a hub; None for the user's own files."""
    notes: list[str] = field(default_factory=list)


@dataclass
class _Bucket:
    texts: list[str] = field(default_factory=list)
    labels: list[Labels] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    votes: list[Votes] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def load_data(
    data: DataLike,
    *,
    validation: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    votes_column: str | None = None,
    extra_columns: Sequence[str] = (),
    label_separator: str | None = None,
    encoding: str = "auto",
    need_labels: bool = True,
    training: bool = True,
    origin: DataOrigin | None = None,
    progress: Progress | None = None,
) -> LoadedData:
    """Read examples.

    Texts are kept exactly as written; labels lose white space around them. A label cell is one label; or a JSON
    list; or several labels around ``label_separator``, where an empty cell means "none of them".

    :param data: a file; a directory with a file for each split; a directory that ``datasets`` saved; the name of a
        corpus; a hub id ``org/name@revision``; or texts and labels ``(texts, labels)``. What exists as a path wins
    :param validation: a file of its own for that split; ``test`` likewise
    :param columns: names of all columns, for files without a header
    :param text_column: one name, or several whose texts are joined with a space
    :param split_column: which column tells the split; the empty string: none does
    :param votes_column: which column holds annotators' votes; of a training's validation and test files only where they
        have it
    :param extra_columns: columns that are read beside the texts; of data in memory all are
    :param training: False for data that a model is only evaluated on: rows without a split are ``test``, and one
        label is enough
    :param origin: the user's declaration about the data, for the licence record
    :param progress: told what is fetched, where the data are on a hub
    :raises DataError: the data cannot be used as they are
    :raises ConfigError: options contradict each other or the data
    :raises SetupError: a corpus or a package is missing
    """
    options = ReadOptions(
        columns,
        text_column,
        label_column,
        split_column,
        label_separator,
        encoding,
        need_labels,
        votes_column,
        extra_columns,
    )
    origin = origin or DataOrigin()
    if isinstance(data, tuple):
        if votes_column is not None:
            # There is no such column: the error says which there are.
            options.columns_of(("text", "label"))
        return _from_memory(data, need_labels=need_labels, training=training, origin=origin)
    source = os.fspath(data)
    found = _resolve(source, options, progress)
    extra: dict[Split, str | os.PathLike[str] | None] = {"validation": validation, "test": test}
    added = {
        split: _Input.of(_open(path, found.options), split)
        for split, path in extra.items()
        if path is not None
    }
    summary = DataSummary(source, label_separator=found.options.label_separator)
    buckets: dict[Split, _Bucket] = {split: _Bucket() for split in SPLITS}
    for one in found.inputs:
        # A training learns from the votes of its own texts; beside others they are only shown.
        need_votes = not training or one.split in {None, "train"}
        default: Split = "train" if training else "test"
        _collect(one, found.options, buckets, summary, default=default, need_votes=need_votes)
    for split, one in added.items():
        if buckets[split].texts:
            raise ConfigError("U039", split=split, option=f"--{split}", source=source)
        _collect(one, found.options, buckets, summary, default=split, need_votes=False)
    summary.components = _components(source, found, added.get("validation"), origin)
    summary.notes = [*found.notes, *summary.notes]
    return _finish(buckets, summary, with_labels=need_labels, training=training)


JOINED_BY = "|"
"""Between several labels in one cell that is written, where the data name no separator."""


def labels_of(cell: Cell, separator: str | None) -> Labels | None:
    """The distinct labels of one cell, in the order written; None where there is none and one is needed.

    ``"良い" -> ("良い",)``; ``"a|b", "|" -> ("a", "b")``; ``"", "|" -> ()``; ``'["a","b"]' -> ("a", "b")``; ``"" -> None``
    """
    if isinstance(cell, str):
        stripped = cell.strip()
        if separator is not None:
            parts: Iterable[str] = stripped.split(separator)
        elif stripped.startswith("[") and (items := _json_list(stripped)) is not None:
            parts = items
        else:
            return (_storable(stripped),) if stripped else None
    else:
        parts = cell
    return tuple(dict.fromkeys(_storable(name) for part in parts if (name := part.strip())))


def cell_of_labels(cell: Cell, names: Sequence[str], separator: str | None) -> Any:
    """Labels in the form of the cell that they take the place of; the opposite of :func:`labels_of`."""
    if isinstance(cell, tuple):
        return list(names)
    if separator is not None:
        return separator.join(names)
    is_list = cell.strip().startswith("[") and _json_list(cell.strip()) is not None
    return json.dumps(list(names), ensure_ascii=False) if is_list else names[0]


def _storable(name: str) -> str:
    """A label name without lone surrogates, which JSON can write and no file of a run can hold."""
    return name if name.isprintable() else name.encode("utf-8", "replace").decode("utf-8")


def _json_list(cell: str) -> list[str] | None:
    try:
        items = json.loads(cell)
    except (ValueError, RecursionError):
        # A label may start with a bracket.
        return None
    return [text_of(item) for item in items] if isinstance(items, list) else None


# What the user named


def _resolve(source: str, options: ReadOptions, progress: Progress | None) -> _Found:
    # The functions of pathlib raise for users that are not there, and where looking is not permitted.
    path = Path(os.path.expanduser(source))  # noqa: PTH111
    if source and os.path.isdir(path):  # noqa: PTH112
        return _directory(path, options)
    if source and not os.path.exists(path) and path.suffix.lower() not in FORMATS:  # noqa: PTH110
        if _HUB_ID.fullmatch(source) and not os.path.isdir(path.parent):  # noqa: PTH112
            return _hub(source, options, progress)
        if "/" not in source and "\\" not in source:
            return _corpus(source, options)
    return _Found([_Input.of(_open(source, options))], options)


def _open(path: str | os.PathLike[str], options: ReadOptions) -> Table:
    return open_table(path, encoding=options.encoding, columns=options.columns)


def _directory(directory: Path, options: ReadOptions) -> _Found:
    from jptextclf.data._arrow import is_saved

    try:
        saved = is_saved(directory)
        files = sorted(
            item for item in directory.iterdir() if item.suffix.lower() in FORMATS and item.is_file()
        )
    except OSError as error:
        raise DataError("D004", path=directory, problem=error.strerror or error) from error
    if saved:
        return _saved(directory, options)
    by_split = _by_split(str(directory), {file.name: split_of(file.stem) for file in files})
    inputs = [
        _Input.of(_open(directory / by_split[split], options), split) for split in SPLITS if split in by_split
    ]
    return _Found(inputs, options)


def _by_split(name: str, parts: Mapping[str, Split | None]) -> dict[Split, str]:
    """The one file or part for each split.

    :param parts: the files or parts, and the split of each
    :raises DataError: none is for a split (``JPT-D029``), or several are for the same one (``JPT-D030``)
    """
    by_split: dict[Split, list[str]] = defaultdict(list)
    for part, split in parts.items():
        if split is not None:
            by_split[split].append(part)
    if not by_split:
        raise DataError("D029", path=name, files=listing(parts) or text("words.none"))
    for split, members in by_split.items():
        if len(members) > 1:
            raise DataError("D030", path=name, split=split, files=listing(members))
    return {split: members[0] for split, members in by_split.items()}


def split_of(name: str) -> Split | None:
    """The split that a word stands for: ``"Dev" -> "validation"``; None if it is no such word."""
    return cast("Split | None", SPLIT_NAMES.get(folded_name(name)))


def _saved(directory: Path, options: ReadOptions) -> _Found:
    parts = {name: _Input.of(table, split_of(name)) for name, table in open_saved_tables(directory).items()}
    if list(parts) == [""]:
        return _Found([parts[""]], options)
    return _of_parts(str(directory), parts, options)


def _of_parts(name: str, parts: dict[str, _Input], options: ReadOptions) -> _Found:
    """The parts that are splits; what the others are called is told."""
    _by_split(name, {part: one.split for part, one in parts.items()})
    unused = [part for part, one in parts.items() if one.split is None]
    notes = [text("data.note_parts", names=listing(unused))] if unused else []
    return _Found([one for one in parts.values() if one.split is not None], options, notes=notes)


def _corpus(name: str, options: ReadOptions) -> _Found:
    from jptextclf.corpora import list_corpora, local_corpus

    known = [card.name for card in list_corpora()]
    if name not in known:
        nearby = known + neighbours(Path())
        raise DataError("D031", name=name, corpora=listing(known, 20), hint=did_you_mean(name, nearby))
    corpus = local_corpus(name)
    label = options.label_column or corpus.label_column
    task = corpus.task_of(label) if label else None
    options = replace(
        options,
        columns=options.columns or corpus.columns,
        text_column=options.text_column or corpus.text_column,
        label_column=label,
        split_column=corpus.split_column if options.split_column is None else options.split_column,
        label_separator=options.label_separator or (task.separator if task else None) or None,
    )
    inputs = [
        _Input.of(_open(path, options), None if split == "all" else cast("Split", split))
        for split, path in corpus.files.items()
    ]
    return _Found(inputs, options, corpus.component())


def _hub(name: str, options: ReadOptions, progress: Progress | None) -> _Found:
    from jptextclf.data._json import open_objects
    from jptextclf.data.hub import load_hub_dataset

    dataset = load_hub_dataset(name, progress=progress)
    parts = {}
    for part, rows in dataset.splits.items():
        source = open_objects(part, rows, columns=rows.columns)
        parts[part] = _Input(
            part, "hub", source, source.read, lambda: dataset.component.sha256, split=split_of(part)
        )
    found = _of_parts(name, parts, options)
    found.component = dataset.component
    found.notes += dataset.notes
    return found


# Rows -> examples


def _pickers(names: Sequence[str], columns: Columns) -> tuple[Callable[[Row], str], Callable[[Row], Cell]]:
    """Functions that take the text and the label out of a row."""
    places = [names.index(name) for name in columns.text]
    label = names.index(columns.label) if columns.label is not None else -1
    if len(places) == 1:
        only = places[0]
        return lambda row: joined(row.cells[only : only + 1]), lambda row: row.cells[label]
    return lambda row: joined([row.cells[place] for place in places]), lambda row: row.cells[label]


def _collect(
    one: _Input,
    options: ReadOptions,
    buckets: dict[Split, _Bucket],
    summary: DataSummary,
    *,
    default: Split,
    need_votes: bool,
) -> None:
    """Read one table into the buckets; every row is kept or rejected.

    :param need_votes: whether a column of votes that was named must be there
    """
    if one.split is not None:
        options = replace(options, split_column="")
    if not need_votes and options.votes_column not in one.source.columns:
        options = replace(options, votes_column=None)
    columns = options.columns_of(one.source.columns)
    names = one.source.columns
    text_of_row, label_of_row = _pickers(names, columns)
    split_place = names.index(columns.split) if columns.split is not None else None
    votes_place = names.index(columns.votes) if columns.votes is not None else None
    extra_places = {name: names.index(name) for name in columns.extra}
    file = FileSummary(one.name, one.format, columns, "", one.source.encoding)
    summary.files.append(file)
    unknown: dict[str, RowNumbers] = {}
    stripped = 0
    with_labels = options.need_labels and columns.label is not None
    for row in one.rows():
        file.read += 1
        split: Split | None = one.split or default
        if split_place is not None:
            word = text_of(row.cells[split_place])
            split = split_of(word)
            if split is None:
                unknown.setdefault(word, RowNumbers()).add(row.number)
                continue
        words = text_of_row(row)
        if is_empty(words):
            file.reject("empty_text", row.number)
            continue
        bucket = buckets[cast("Split", split)]
        if with_labels:
            cell = label_of_row(row)
            labels = labels_of(cell, options.label_separator)
            if labels is None:
                file.reject("no_label", row.number)
                continue
            stripped += isinstance(cell, str) and cell != cell.strip()
            bucket.labels.append(labels)
        if votes_place is not None:
            bucket.votes.append(read_votes(row.cells[votes_place]))
        for name, place in extra_places.items():
            bucket.columns[name].append(text_of(row.cells[place]))
        bucket.texts.append(words)
        bucket.rows.append(row.number)
        file.kept += 1
    if unknown:
        raise _unknown_splits(one.name, cast("str", columns.split), unknown)
    file.blank_lines = one.source.blank_lines
    file.sha256 = one.sha256()
    summary.notes += one.source.notes
    if stripped:
        summary.notes.append(text("data.note_stripped", n=stripped))


def _unknown_splits(name: str, column: str, unknown: dict[str, RowNumbers]) -> DataError:
    values = "\n".join(
        text("data.split_value", value=value, n=rejection.n, rows=rejection)
        for value, rejection in list(unknown.items())[:_SHOWN]
    )
    return DataError("D025", path=name, column=column, values=values, n=len(unknown))


# Checks


def _finish(
    buckets: dict[Split, _Bucket], summary: DataSummary, *, with_labels: bool, training: bool
) -> LoadedData:
    """The examples, after what can be said only about all of them."""
    splits: dict[Split, Examples] = {
        split: Examples(
            bucket.texts,
            bucket.labels if with_labels else None,
            bucket.rows,
            # Two files may make one split, of which only one has votes.
            bucket.votes if bucket.votes and len(bucket.votes) == len(bucket.texts) else None,
            dict(bucket.columns),
        )
        for split, bucket in buckets.items()
        if bucket.texts
    }
    if not splits:
        raise DataError("D026", source=summary.source, reasons=_reasons(summary))
    if training:
        _check_training(splits, summary)
    for split, examples in splits.items():
        summary.sizes[split] = len(examples)
        summary.labels[split] = examples.label_counts()
    if with_labels:
        summary.notes += _alike_notes(splits)
    summary.notes += _leak_notes(splits)
    return LoadedData(splits, summary)


def _reasons(summary: DataSummary) -> str:
    lines = [line for file in summary.files for line in file.rejections()]
    return "\n".join(lines) or text("words.none")


def _check_training(splits: dict[Split, Examples], summary: DataSummary) -> None:
    train = splits.get("train")
    if train is None:
        raise DataError("D037", source=summary.source, splits=listing(splits), reasons=_reasons(summary))
    if train.labels is None:
        return
    known = {name for names in train.labels for name in names}
    multilabel = any(len(names) != 1 for names in train.labels)
    if len(known) < (1 if multilabel else 2):
        raise DataError(
            "D027", source=summary.source, labels=listing(known) or text("words.none"), n=len(train)
        )
    if train.votes is not None:
        column = next(file.columns.votes for file in summary.files if file.columns.votes is not None)
        check_votes(train.votes, train.rows, labels=known, column=column)
    for split, examples in splits.items():
        new: dict[str, RowNumbers] = {}
        for row, names in zip(examples.rows, examples.labels or (), strict=True):
            for name in set(names) - known:
                new.setdefault(name, RowNumbers()).add(row)
        if new:
            found = listing(text("data.label_rows", label=name, rows=new[name]) for name in sorted(new))
            closest = did_you_mean(sorted(new)[0], known)
            raise DataError("D028", split=split, labels=found, known=listing(sorted(known), 20), hint=closest)


def _alike_notes(splits: dict[Split, Examples]) -> list[str]:
    """Labels that differ only in width, case or space, or as numbers are written; they are never merged."""
    names = sorted({name for examples in splits.values() for row in examples.labels or () for name in row})
    by_key: dict[object, list[str]] = defaultdict(list)
    for name in names:
        plain = "".join(unicodedata.normalize("NFKC", name).casefold().split())
        by_key[float(plain) if _NUMBER.fullmatch(plain) else plain].append(name)
    return [text("data.note_alike", names=listing(alike)) for alike in by_key.values() if len(alike) > 1]


_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d+)?")


def _leak_notes(splits: dict[Split, Examples]) -> list[str]:
    """Texts of validation and test that also stand in train."""
    if "train" not in splits or len(splits) == 1:
        return []
    known = {folded(words) for words in splits["train"].texts}
    notes = []
    for split, examples in splits.items():
        rows = (
            []
            if split == "train"
            else [
                row
                for row, words in zip(examples.rows, examples.texts, strict=True)
                if folded(words) in known
            ]
        )
        if rows:
            notes.append(text("data.note_leak", split=split, n=len(rows), rows=listing(rows)))
    return notes


# The licence record


def _components(source: str, found: _Found, validation: _Input | None, origin: DataOrigin) -> list[Component]:
    """The data that shape the model; what it is only tested on is not among them."""
    if found.component is not None:
        known = [origin.complete(found.component)]
        # What is declared speaks of the named data, not of a file beside them.
        return known + ([DataOrigin().component(validation.name, validation.sha256())] if validation else [])
    inputs = [one for one in found.inputs if one.split != "test"] or found.inputs
    inputs += [validation] if validation else []
    paths = list(dict.fromkeys(one.path for one in inputs if one.path is not None))
    sha256 = inputs[0].sha256() if len(paths) == 1 else hash_of(paths)
    return [origin.component(Path(source).name, sha256)]


# Texts and labels that are in memory already


def _from_memory(data: InMemory, *, need_labels: bool, training: bool, origin: DataOrigin) -> LoadedData:
    given, given_labels, *beside = data
    if isinstance(given, str):
        raise DataError("D034", item=0, found="str", expected=text("data.expect_list"))
    texts = list(given)
    labels = [None] * len(texts) if given_labels is None else list(given_labels)
    if len(labels) != len(texts):
        raise DataError("D035", texts=len(texts), labels=len(labels))
    extra = cells_beside(beside[0], len(texts)) if beside and beside[0] is not None else {}
    split: Split = "train" if training else "test"
    buckets: dict[Split, _Bucket] = {split: _Bucket()}
    file = FileSummary(
        "memory",
        "memory",
        Columns(("texts",), "labels" if given_labels is not None else None, extra=tuple(extra)),
        "",
    )
    digest = hashlib.sha256()
    for number, (words, label) in enumerate(zip(texts, labels, strict=True), start=1):
        if not isinstance(words, str):
            raise DataError(
                "D034", item=number - 1, found=type(words).__name__, expected=text("data.expect_str")
            )
        names = _labels_in_memory(label, number - 1) if need_labels else None
        row = [words, names, *([[cells[number - 1] for cells in extra.values()]] if extra else [])]
        digest.update(json.dumps(row).encode() + b"\n")
        file.read += 1
        if is_empty(words):
            file.reject("empty_text", number)
        elif need_labels and names is None:
            file.reject("no_label", number)
        else:
            buckets[split].texts.append(words)
            buckets[split].labels.append(names or ())
            buckets[split].rows.append(number)
            for name, cells in extra.items():
                buckets[split].columns[name].append(cells[number - 1])
            file.kept += 1
    file.sha256 = digest.hexdigest()
    summary = DataSummary("memory", files=[file], components=[origin.component("memory", file.sha256)])
    return _finish(buckets, summary, with_labels=need_labels, training=training)


def _labels_in_memory(label: Any, item: int) -> Labels | None:
    if hasattr(label, "tolist"):
        # NumPy's own kinds of str and int, and arrays of them.
        label = label.tolist()
    if isinstance(label, list | tuple | set | frozenset):
        members = sorted(label, key=str) if isinstance(label, set | frozenset) else label
        return tuple(
            dict.fromkeys(name for member in members for name in _labels_in_memory(member, item) or ())
        )
    if label is None or isinstance(label, str | bool | int | float):
        name = text_of(label).strip()
        return (name,) if name else None
    raise DataError("D038", item=item, found=type(label).__name__)
