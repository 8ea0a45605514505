"""CSV and its relatives: lines of cells between commas, semicolons or tabs, in constant memory.

It does not know which columns matter. Quoting is that of RFC 4180, strictly; a tab-separated file may also use
no quoting at all, which is decided on the whole file.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from jptextclf.data.rows import Row, Source, header_note, names_and_header
from jptextclf.errors import DataError
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jptextclf.data.encoding import FileEncoding

Form = Literal["csv", "tsv", "txt"]

_FIELD_LIMIT = 1 << 26
"""Characters in one cell; beyond it a quote is unclosed, not a text long."""
_SAMPLE = 1 << 16
_RAGGED_SHOWN = 10


@dataclass(frozen=True)
class _Dialect:
    path: Path
    encoding: FileEncoding
    delimiter: str
    quoted: bool

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """The line on which each record starts, and its cells; a blank line has none.

        :raises DataError: quotes do not fit together (``JPT-D011``, ``JPT-D012``), a cell is endless (``JPT-D032``)
        """
        # Process-wide, and 131,072 by default: some texts are longer.
        csv.field_size_limit(max(csv.field_size_limit(), _FIELD_LIMIT))
        with self.encoding.open(self.path) as file:
            reader = csv.reader(
                file,
                delimiter=self.delimiter,
                quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
                strict=True,
            )
            start = 1
            try:
                for record in reader:
                    yield start, record
                    start = reader.line_num + 1
            except csv.Error as error:
                raise self._explain(error, start) from error

    def _explain(self, error: csv.Error, start: int) -> DataError:
        if "limit" in str(error):
            return DataError("D032", path=self.path, line=start, limit=f"{_FIELD_LIMIT:,}")
        opened, stopped = self._quotes(start)
        if opened == stopped:
            return DataError("D012", path=self.path, line=opened)
        return DataError("D011", path=self.path, line=opened)

    def _quotes(self, start: int) -> tuple[int, int | None]:
        """Where the quote that does not fit was opened, and where text follows its end (None: it has no end)."""
        opened, inside = start, False
        with self.encoding.open(self.path) as file:
            for number, line in enumerate(islice(file, start - 1, None), start):
                place, fresh = 0, not inside
                while place < len(line):
                    if inside:
                        place = line.find('"', place)
                        if place < 0:
                            break
                        after = line[place + 1 : place + 2]
                        if after != '"':
                            if after not in ("", "\r", "\n", self.delimiter):
                                return opened, number
                            inside = False
                        place += 1 + (after == '"')
                    elif fresh and line[place] == '"':
                        inside, opened, place = True, number, place + 1
                    else:
                        place = line.find(self.delimiter, place) + 1
                        fresh = True
                        if not place:
                            break
        return opened, None


def open_delimited(
    path: Path, encoding: FileEncoding, *, form: Form, columns: Sequence[str] | None
) -> Source:
    """A CSV, TSV or delimited text file.

    :param columns: the names, where the file has no header
    :raises DataError: no cells at all (``JPT-D005``), and what :class:`_Dialect` and ``names_and_header`` raise
    """
    delimiter = _delimiter(path, encoding, form, columns)
    dialect = _Dialect(path, encoding, delimiter, quoted=True)
    if delimiter == "\t":
        dialect = _tab_dialect(path, encoding)
    first = next((record for _, record in dialect.records() if record), None)
    if first is None:
        raise DataError("D005", path=path)
    names, has_header = names_and_header(path, first, columns)
    source = Source(names, lambda: iter(()), encoding)
    source.read = lambda: _rows(dialect, source, has_header=has_header)
    if columns is not None and has_header:
        source.notes.append(header_note())
    return source


def _rows(dialect: _Dialect, source: Source, *, has_header: bool) -> Iterator[Row]:
    width = len(source.columns)
    records = dialect.records()
    number = source.blank_lines = 0
    waiting = has_header
    for line, record in records:
        if not record:
            # In a table of one column a blank line is a row with an empty cell.
            if width > 1 or waiting:
                source.blank_lines += 1
                continue
            record.append("")
        if waiting:
            waiting = False
            continue
        number += 1
        if len(record) != width:
            raise _ragged(dialect.path, width, number, line, record, records)
        cells = tuple(record)
        yield Row(number, line, cells, cells)


def _ragged(
    path: Path, width: int, number: int, line: int, record: list[str], rest: Iterator[tuple[int, list[str]]]
) -> DataError:
    """All rows with a wrong number of cells, the first ten of them by number."""
    bad = [text("data.ragged_row", row=number, line=line, n=len(record))]
    count = 1
    for next_line, other in rest:
        if not other:
            continue
        number += 1
        if len(other) != width:
            count += 1
            if count <= _RAGGED_SHOWN:
                bad.append(text("data.ragged_row", row=number, line=next_line, n=len(other)))
    shown = listing(bad, _RAGGED_SHOWN) + (
        text("words.and_more", n=count - len(bad)) if count > len(bad) else ""
    )
    return DataError("D010", path=path, expected=width, n=count, rows=shown)


def _delimiter(path: Path, encoding: FileEncoding, form: Form, columns: Sequence[str] | None) -> str:
    """What separates the cells: by the suffix, unless the first lines say otherwise."""
    if form == "tsv":
        return "\t"
    with encoding.open(path) as file:
        sample = file.read(_SAMPLE)
        complete = not file.read(1)
    # str.splitlines would also split at U+2028 and others.
    lines = list(io.StringIO(sample, newline=""))
    if not complete and len(lines) > 1:
        lines.pop()
    if form == "csv":
        for delimiter in (",", ";", "\t"):
            if _widths(lines, delimiter)[:1] > [1]:
                return delimiter
        return ","
    shares = {delimiter: _share(_widths(lines, delimiter), columns) for delimiter in ("\t", ";", ",")}
    best = max(shares, key=lambda delimiter: shares[delimiter])
    return best if shares[best] >= 0.8 else "\t"


def _widths(lines: list[str], delimiter: str) -> list[int]:
    """Cells of each record of a sample."""
    return [len(record) for record in csv.reader(lines, delimiter=delimiter) if record]


def _share(widths: list[int], columns: Sequence[str] | None) -> float:
    """Share of records that have as many cells as the first, or as there are names."""
    expected = len(columns) if columns is not None else (widths[0] if widths else 0)
    return widths.count(expected) / len(widths) if widths and expected > 1 else 0.0


_QUOTE_AT_START = re.compile(r'(?:^|[\t\r\n])"')


def _tab_dialect(path: Path, encoding: FileEncoding) -> _Dialect:
    """Tab-separated files come with quoting (spreadsheets) and without (corpora); the whole file decides."""
    quoted = _Dialect(path, encoding, "\t", quoted=True)
    plain = _Dialect(path, encoding, "\t", quoted=False)
    if not _has_quoted_cell(path, encoding):
        return plain
    without = _shape(plain)
    with_quotes = _shape(quoted)
    if without is not None and (with_quotes is None or without != with_quotes):
        return plain
    return quoted


def _has_quoted_cell(path: Path, encoding: FileEncoding) -> bool:
    last = "\n"
    with encoding.open(path) as file:
        while part := file.read(_SAMPLE):
            if _QUOTE_AT_START.search(last + part):
                return True
            last = part[-1]
    return False


def _shape(dialect: _Dialect) -> tuple[int, int] | None:
    """Rows and columns; None where the rows differ in width or the quotes do not fit."""
    rows = width = 0
    try:
        for _, record in dialect.records():
            if record:
                rows += 1
                width = width or len(record)
                if len(record) != width:
                    return None
    except DataError:
        return None
    return rows, width
