"""Spreadsheets: one sheet of an Excel or OpenDocument file.

It does not know which columns matter. Formulas are never computed; the values that were stored with them count.
The reader needs the whole sheet in memory.
"""

from __future__ import annotations

import re
import zipfile
import zlib
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
_CELLS_LIMIT = 50_000_000
"""Of the rectangle around all cells, which the reader holds in memory however few of them are filled."""
_BLOCK = 1 << 20
_ROW_OR_CELL = re.compile(
    rb"<(?:\w+:)?(row|c)(?=[\s/>])(?:[^>]*?\sr\s*=\s*[\"']([A-Za-z]*)(\d+)[\"'])?[^>]*?(/?)>"
)


def open_excel(path: Path, *, columns: Sequence[str] | None, sheet: str | None) -> Source:
    """The named sheet, or the first visible one that is not empty.

    :raises SetupError: the package that reads such files is missing (``JPT-E001``)
    :raises DataError: it is damaged (``JPT-D015``), has a password (``JPT-D022``), unpacks to a size that no
        sheet of texts has (``JPT-D024``), has a cell too far away (``JPT-D023``), or holds nothing (``JPT-D005``)
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
    except BaseException as error:
        # What a panic of the reader becomes is no Exception, and its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise DataError("D015", path=path, problem=str(error)) from error
    return _source(path, rows, columns, notes + ([text("data.note_merged", n=merged)] if merged else []))


def _refuse_bombs(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
            too_dense = unpacked > _SUSPICIOUS and unpacked > _RATIO_LIMIT * path.stat().st_size
            if unpacked > _UNPACKED_LIMIT or too_dense:
                raise DataError("D024", path=path, megabytes=unpacked >> 20)
            for item in archive.infolist():
                rows, columns = _extent(archive, item)
                if rows * columns > _CELLS_LIMIT:
                    raise DataError("D023", path=path, rows=f"{rows:,}", columns=f"{columns:,}")
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        # RuntimeError: a member has a password or is packed in an unknown way.
        if isinstance(error, DataError):
            raise
        raise DataError("D015", path=path, problem=str(error)) from error


def _extent(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> tuple[int, int]:
    """The last row and the last column of a sheet's XML, from 1, by its rows and cells; what it declares may lie."""
    rows = columns = row = column = 0
    kept = b""
    with archive.open(item) as file:
        while block := file.read(_BLOCK):
            data = kept + block
            for tag, letters, digits, closed in _ROW_OR_CELL.findall(data):
                if tag == b"row":
                    row, column = int(digits) if digits else row + 1, 0
                else:
                    column = _column(letters) if letters else column + 1
                    row = int(digits) if letters else row
                # A cell that is closed at once is only formatted.
                if tag == b"row" or not closed:
                    rows, columns = max(rows, row), max(columns, column)
            last = data.rfind(b"<")
            kept = data[last:] if last >= 0 and b">" not in data[last:] else b""
            if len(kept) > _BLOCK:
                raise zipfile.BadZipFile(item.filename)
    return rows, columns


def _column(letters: bytes) -> int:
    """``b"A" -> 1``, ``b"XFD" -> 16384``"""
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - ord("A") + 1
    return number


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
    # A blank row between others is a row: what is written beside the sheet has to keep its place.
    start, end = filled[0][0] + has_header, filled[-1][0]

    def read() -> Iterator[Row]:
        for number, line in enumerate(range(start, end + 1), start=1):
            values = rows[line - 1][left:right]
            yield Row(number, line, tuple(map(text_of, values)), values)

    return Source(names, read, notes=notes, blank_lines=filled[0][0] - 1 + len(rows) - end)
