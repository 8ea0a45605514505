"""Parquet files and saved ``datasets`` directories: Arrow batches -> rows, in constant memory.

It does not know which columns matter. Label ids whose names are stored beside them are given as names.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from jptextclf.data.rows import Row, Source, cell_of, check_distinct
from jptextclf.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

_ROWS_AT_ONCE = 1024


def open_parquet(path: Path) -> Source:
    """:raises DataError: the file is damaged, encrypted or no Parquet (``JPT-D015``)"""
    from pyarrow import ArrowException, parquet

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with parquet.ParquetFile(path) as file:
                yield from file.iter_batches(_ROWS_AT_ONCE)
        except (ArrowException, OSError) as error:
            raise DataError("D015", path=path, problem=_first_line(error)) from error

    try:
        schema = parquet.read_schema(path)
    except (ArrowException, OSError) as error:
        raise DataError("D015", path=path, problem=_first_line(error)) from error
    check_distinct(path, schema.names)
    label_names = _stored_label_names(schema.metadata or {})
    from pyarrow.types import is_integer

    # Names belong to numbers; beside anything else the note is wrong.
    label_names = {
        name: stored
        for name, stored in label_names.items()
        if name in schema.names and is_integer(schema.field(name).type)
    }
    return Source(tuple(schema.names), lambda: _rows(batches(), schema.names, label_names))


def open_saved(directory: Path) -> dict[str, Source]:
    """The parts of a directory that ``datasets`` saved; a set without parts has one called ``""``.

    :raises DataError: it is damaged (``JPT-D015``)
    """
    import datasets
    from pyarrow import ArrowException

    try:
        found = datasets.load_from_disk(str(directory))
    except (ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("D015", path=directory, problem=_first_line(error)) from error
    parts = found if isinstance(found, datasets.DatasetDict) else {"": found}
    return {name: _saved_part(part) for name, part in parts.items()}


def is_saved(directory: Path) -> bool:
    """Whether ``datasets`` saved this directory."""
    return (directory / "dataset_dict.json").is_file() or (directory / "state.json").is_file()


def _saved_part(part: Any) -> Source:
    import datasets

    label_names = {
        name: feature.names
        for name, feature in part.features.items()
        if isinstance(feature, datasets.ClassLabel) and feature.names
    }
    batches = part.with_format("arrow")
    return Source(
        tuple(part.column_names), lambda: _rows(batches.iter(_ROWS_AT_ONCE), part.column_names, label_names)
    )


def _rows(
    batches: Iterable[pa.RecordBatch | pa.Table], names: Sequence[str], label_names: dict[str, list[str]]
) -> Iterator[Row]:
    number = 0
    for batch in batches:
        columns = [_named(_values(batch.column(name)), label_names.get(name)) for name in names]
        for values in zip(*columns, strict=True):
            number += 1
            yield Row(number, None, tuple(cell_of(value) for value in values), values)


def _values(column: Any) -> list[Any]:
    try:
        return cast("list[Any]", column.to_pylist())
    except (ValueError, OverflowError):
        # Python's times end with the year 9999 and have no nanoseconds.
        return cast("list[Any]", column.cast("string").to_pylist())


def _named(values: list[Any], names: list[str] | None) -> list[Any]:
    if names is None:
        return values
    # -1 is how published sets write "no label".
    return [names[value] if value is not None and 0 <= value < len(names) else None for value in values]


def _stored_label_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Names of label ids, as ``datasets`` stores them in the schema of a Parquet file."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"].items()
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        # No such note, or not in its form: then the ids are what there is.
        return {}
    return {
        name: feature["names"]
        for name, feature in features
        if isinstance(feature, dict)
        and feature.get("_type") == "ClassLabel"
        and _are_names(feature.get("names"))
    }


def _are_names(names: Any) -> bool:
    return isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
