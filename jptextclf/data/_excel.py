"""Spreadsheets: one sheet of an Excel or OpenDocument file.

It does not know which columns matter. Formulas are never computed; the values that were stored with them count.
The reader needs the whole sheet in memory.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

from jptextclf.data.rows import Row, Source, header_note, names_and_header, text_of
from jptextclf.errors import ConfigError, DataError, SetupError
from jptextclf.messages import did_you_mean, listing, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from python_calamine import CalamineSheet, CalamineWorkbook

_UNPACKED_LIMIT = 4 << 30
_SUSPICIOUS = 256 << 20
_RATIO_LIMIT = 200
"""Real sheets unpack to 10 to 30 times their size; zeros to a thousand times."""


def open_excel(path: Path, *, columns: Sequence[str] | None, sheet: str | None) -> Source:
    """The named sheet, or the first visible one that is not empty.

    :raises SetupError: the package that reads such files is missing (``JPT-E001``)
    :raises DataError: it is damaged (``JPT-D015``), has a password (``JPT-D022``), unpacks to a size that no
        sheet of texts has (``JPT-D024``), or holds nothing (``JPT-D005``)
    :raises ConfigError: no such sheet (``JPT-U032``)
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook, PasswordError
    except ImportError as error:
        raise SetupError("E001", package="python-calamine", extra="excel", what=path.name) from error

    _refuse_bombs(path)
    try:
        with CalamineWorkbook.from_path(path) as book:
            found, notes = _choose(path, book, sheet)
            rows = [tuple(map(_value, row)) for row in found.iter_rows()]
            merged = _merged(found)
    except PasswordError as error:
        raise DataError("D022", path=path) from error
    except (CalamineError, OSError) as error:
        raise DataError("D015", path=path, problem=str(error)) from error
    return _source(path, rows, columns, notes + ([text("data.note_merged", n=merged)] if merged else []))


def _refuse_bombs(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(item.file_size for item in archive.infolist())
    too_dense = unpacked > _SUSPICIOUS and unpacked > _RATIO_LIMIT * path.stat().st_size
    if unpacked > _UNPACKED_LIMIT or too_dense:
        raise DataError("D024", path=path, megabytes=unpacked >> 20)


def _choose(path: Path, book: CalamineWorkbook, sheet: str | None) -> tuple[CalamineSheet, list[str]]:
    if sheet is not None:
        if sheet not in book.sheet_names:
            raise ConfigError(
                "U032",
                path=path,
                sheet=sheet,
                sheets=listing(book.sheet_names),
                hint=did_you_mean(sheet, book.sheet_names),
            )
        return book.get_sheet_by_name(sheet), []
    visible = [
        item.name
        for item in book.sheets_metadata
        if str(item.typ).endswith("WorkSheet") and str(item.visible).endswith(".Visible")
    ]
    for name in visible:
        found = book.get_sheet_by_name(name)
        if found.height:
            others = [other for other in visible if other != name]
            notes = [text("data.note_sheets", sheet=name, others=listing(others))] if others else []
            return found, notes
    raise DataError("D005", path=path)


def _merged(sheet: CalamineSheet) -> int:
    """Merged areas of the sheet; formats that do not tell have none."""
    return len(sheet.merged_cell_ranges or ())


def _value(value: Any) -> Any:
    # A sheet has only one kind of number: 1 comes as 1.0.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None if value == "" else value


def _source(
    path: Path, rows: list[tuple[Any, ...]], columns: Sequence[str] | None, notes: list[str]
) -> Source:
    filled = [
        (line, row) for line, row in enumerate(rows, start=1) if any(value is not None for value in row)
    ]
    if not filled:
        raise DataError("D005", path=path)
    used = [place for place in range(len(filled[0][1])) if any(row[place] is not None for _, row in filled)]
    left, right = used[0], used[-1] + 1
    first = [text_of(value) for value in filled[0][1][left:right]]
    names, has_header = names_and_header(path, first, columns)
    if columns is not None and has_header:
        notes = [*notes, header_note()]
    data = filled[1:] if has_header else filled

    def read() -> Iterator[Row]:
        for number, (line, row) in enumerate(data, start=1):
            values = row[left:right]
            yield Row(number, line, tuple(map(text_of, values)), values)

    return Source(names, read, notes=notes, blank_lines=len(rows) - len(filled))
