"""Parquet files and saved ``datasets`` directories: Arrow batches -> rows, in constant memory.

It does not know which columns matter. Label ids whose names are stored beside them are given as names.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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
        columns = [_named(batch.column(name).to_pylist(), label_names.get(name)) for name in names]
        for values in zip(*columns, strict=True):
            number += 1
            yield Row(number, None, tuple(cell_of(value) for value in values), values)


def _named(values: list[Any], names: list[str] | None) -> list[Any]:
    if names is None:
        return values
    # -1 is how published sets write "no label".
    return [names[value] if value is not None and 0 <= value < len(names) else None for value in values]


def _stored_label_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Names of label ids, as ``datasets`` stores them in the schema of a Parquet file."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        # No such note, or not in its form: then the ids are what there is.
        return {}
    return {
        name: feature["names"]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
