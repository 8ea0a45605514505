"""JSON Lines, and JSON files that hold one list of objects.

It does not know which columns matter. Lines are read in constant memory; a list is read whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jptextclf.data.rows import Row, Source, cell_of
from jptextclf.errors import DataError
from jptextclf.messages import text
from jptextclf.strict_json import DECODER

if TYPE_CHECKING:
    from jptextclf.data.encoding import FileEncoding

_NumberedObjects = Iterable[tuple[int | None, Mapping[str, Any]]]


def open_json_lines(path: Path, encoding: FileEncoding) -> Source:
    """A file with one JSON object a line; the columns are all keys, in the order in which they first appear.

    :raises DataError: a line is no JSON object (``JPT-D014``); there is none (``JPT-D005``)
    """
    source = Source((), lambda: iter(()), encoding)
    source.columns = _all_keys(path, _objects(path, encoding, source))
    source.read = lambda: _rows(source, _objects(path, encoding, source))
    return source


def open_json(path: Path, encoding: FileEncoding) -> Source:
    """A file that holds a list of JSON objects, or JSON Lines under another name.

    :raises DataError: it is neither (``JPT-D014``); the list is empty (``JPT-D005``)
    """
    with encoding.open(path) as file:
        start = file.read(1 << 12).lstrip()[:1]
        if start != "[":
            return open_json_lines(path, encoding)
        file.seek(0)
        content = file.read()
    try:
        items = DECODER.decode(content)
    except (ValueError, RecursionError) as error:
        raise _broken(path, getattr(error, "lineno", 1), str(error)) from error
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise DataError("D015", path=path, problem=text("data.not_an_object", item=number))
    source = open_objects(str(path), items)
    source.encoding = encoding
    return source


def open_objects(
    name: str, objects: Iterable[Mapping[str, Any]], *, columns: Sequence[str] | None = None
) -> Source:
    """Objects that are in memory, or an iterable that can be gone through again and again.

    :param columns: the keys that count; None: all there are
    :raises DataError: there is none (``JPT-D005``)
    """

    def numbered() -> Iterator[tuple[None, Mapping[str, Any]]]:
        return ((None, item) for item in objects)

    names = tuple(columns) if columns is not None else _all_keys(Path(name), numbered())
    source = Source(names, lambda: iter(()))
    source.read = lambda: _rows(source, numbered())
    return source


def _objects(path: Path, encoding: FileEncoding, source: Source) -> Iterator[tuple[int, dict[str, Any]]]:
    source.blank_lines = 0
    with encoding.open(path) as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                source.blank_lines += 1
                continue
            try:
                item = DECODER.decode(line)
            except (ValueError, RecursionError) as error:
                raise _broken(path, number, str(error)) from error
            if not isinstance(item, dict):
                raise _broken(path, number, text("data.no_object"))
            yield number, item


def _broken(path: Path, line: int, problem: str) -> DataError:
    return DataError("D014", path=path, line=line, problem=problem)


def _all_keys(path: Path, objects: _NumberedObjects) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for _, item in objects:
        if not item.keys() <= keys.keys():
            keys.update(dict.fromkeys(item))
    if not keys:
        raise DataError("D005", path=path)
    return tuple(keys)


def _rows(source: Source, objects: _NumberedObjects) -> Iterator[Row]:
    for number, (line, item) in enumerate(objects, start=1):
        values = tuple(item.get(name) for name in source.columns)
        yield Row(number, line, tuple(cell_of(value) for value in values), values)
