"""Tables written row by row: CSV, TSV, JSON Lines, Parquet, Excel; the file appears whole or not at all.

It does not know what the rows mean. A cell that a spreadsheet would compute gets an apostrophe before it, in every
form that a spreadsheet opens; a plain number such as ``-1`` does not.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import re
import sys
import tempfile
import unicodedata
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast, get_args

from jptextclf.data.encoding import canonical_name
from jptextclf.data.examples import RowNumbers
from jptextclf.data.rows import text_of
from jptextclf.errors import ConfigError, SetupError, WorkError
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

Format = Literal["csv", "tsv", "jsonl", "parquet", "excel"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "excel",
}
"""Suffix -> form."""

LEFTOVER = ".jptextclf.tmp"
"""How the name of a file ends that is not finished."""
_ROW_GROUP = 8_192
"""Rows of a Parquet file that are written together."""
EXCEL_ROWS = 1_048_576
"""Rows of a sheet, the header included."""
EXCEL_CHARACTERS = 32_767
"""Characters of a cell, counted as Excel does: those beyond U+FFFF twice."""

# ASVS 1.2.10 and OWASP's list: what starts a formula, full-width too in Japanese spreadsheets.
_COMPUTED = re.compile("[=+\\-@\t\r\n\0＝＋－＠]")
_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?%?")
_FORBIDDEN_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TWINS = str.maketrans("〜−‖¢£¬—～－∥￠￡￢―", "～－∥￠￡￢―〜−‖¢£¬—")
"""Marks of JIS X 0208 that Unicode's and Microsoft's tables map differently; a codec may know only one of them."""


class Writer(ABC):
    """Writes rows in the order given.

    :param target: the file, for errors
    """

    _without_nan = True
    """Whether the form has no NaN and no infinity."""

    def __init__(self, columns: Sequence[str], target: Path) -> None:
        self.columns = tuple(columns)
        self.rows = 0
        """Data rows written."""
        self.guarded = 0
        """Cells that got an apostrophe, so that no spreadsheet computes them."""
        self.unmappable = 0
        """Characters that the form or its encoding cannot hold; each was written as a filler."""
        self.unmappable_rows = RowNumbers()
        """Where they stand; 0 is the header."""
        self._last_unmappable = -1
        self._target = target

    @property
    def notes(self) -> list[str]:
        """Sentences that the user should see, after the last row."""
        notes = []
        if self.guarded:
            notes.append(text("data.note_guarded", n=self.guarded))
        if self.unmappable:
            notes.append(text("data.note_unmappable", n=self.unmappable, rows=self.unmappable_rows))
        return notes

    def write(self, cells: Sequence[Any]) -> None:
        """One row of plain Python values.

        Numbers stay numbers where the form has them, lists become JSON. None, NaN and infinity become an empty
        cell or null, since neither JSON nor a spreadsheet has such numbers.

        :raises ValueError: not as many cells as columns
        :raises WorkError: the file cannot be written (``JPT-W030``), the form cannot hold the row (``JPT-W031``,
            ``JPT-W032``)
        """
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows += 1
        try:
            self._write([_finite(value) for value in cells] if self._without_nan else cells)
        except OSError as error:
            raise _write_error(self._target, error) from error

    def _guarded(self, value: Any) -> str:
        cell = text_of(value)
        safe = guarded(cell)
        self.guarded += safe != cell
        return safe

    def _count(self, replaced: int) -> None:
        if not replaced:
            return
        self.unmappable += replaced
        if self._last_unmappable != self.rows:
            self._last_unmappable = self.rows
            self.unmappable_rows.add(self.rows)

    @abstractmethod
    def _write(self, cells: Sequence[Any]) -> None: ...

    @abstractmethod
    def finish(self) -> None:
        """After the last row: hand everything to the file."""

    @abstractmethod
    def abandon(self) -> None:
        """After a failure: let go of everything."""


class _TextWriter(Writer):
    """A writer of lines onto a binary file that outlives it."""

    def __init__(self, file: IO[bytes], columns: Sequence[str], target: Path, encoding: str) -> None:
        super().__init__(columns, target)
        self._encoding = encoding
        # Every row goes on at once, so that a full disk is noticed in its row.
        self._stream = io.TextIOWrapper(file, encoding=encoding, newline="", write_through=True)

    def finish(self) -> None:
        self._stream.detach()

    def abandon(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.detach()


class _DelimitedWriter(_TextWriter):
    def __init__(
        self, file: IO[bytes], columns: Sequence[str], target: Path, encoding: str, *, delimiter: str
    ) -> None:
        super().__init__(file, columns, target, encoding)
        self._csv = csv.writer(self._stream, delimiter=delimiter, lineterminator="\r\n")
        self._csv.writerow([self._cell(name) for name in columns])

    def _write(self, cells: Sequence[Any]) -> None:
        self._csv.writerow([self._cell(value) for value in cells])

    def _cell(self, value: Any) -> str:
        cell, replaced = encodable(self._guarded(value), self._encoding)
        self._count(replaced)
        return cell


class _JsonWriter(_TextWriter):
    def _write(self, cells: Sequence[Any]) -> None:
        item = dict(zip(self.columns, cells, strict=True))
        line = json.dumps(item, ensure_ascii=False, allow_nan=False, default=str)
        try:
            line.encode(self._encoding)
        except UnicodeEncodeError:
            # JSON can spell every character in ASCII, so nothing is lost.
            line = json.dumps(item, allow_nan=False, default=str)
        self._stream.write(line + "\n")


class _ParquetWriter(Writer):
    """Columns of a Parquet source keep their types; those of others are text, whose cells may be of any type.

    Added columns, which no source has, have the type of their values.

    :param fields: column -> field of Arrow, of a Parquet source
    :param is_text: columns of another source
    """

    _without_nan = False

    def __init__(
        self,
        file: IO[bytes],
        columns: Sequence[str],
        target: Path,
        fields: dict[str, Any],
        is_text: Collection[str],
    ) -> None:
        super().__init__(columns, target)
        self._file, self._fields, self._is_text = file, fields, is_text
        self._waiting: list[Sequence[Any]] = []
        self._opened: Any = None

    def _write(self, cells: Sequence[Any]) -> None:
        self._waiting.append(cells)
        if len(self._waiting) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        values = list(zip(*self._waiting, strict=True)) if self._waiting else [()] * len(self.columns)
        if self._opened is None:
            fields = [self._field(name, some) for name, some in zip(self.columns, values, strict=True)]
            self._opened = parquet.ParquetWriter(self._file, pa.schema(fields))
        schema = self._opened.schema
        arrays = [_arrow_array(some, field.type) for some, field in zip(values, schema, strict=True)]
        self._opened.write_table(pa.Table.from_arrays(arrays, schema=schema))
        self._waiting = []

    def _field(self, name: str, values: Sequence[Any]) -> Any:
        import pyarrow as pa

        if name in self._fields:
            return self._fields[name]
        return pa.field(name, pa.string() if name in self._is_text else _arrow_type(values))

    def finish(self) -> None:
        if self._waiting or self._opened is None:
            self._flush()
        self._opened.close()

    def abandon(self) -> None:
        if self._opened is not None:
            with contextlib.suppress(OSError):
                self._opened.close()


def _arrow_type(values: Sequence[Any]) -> Any:
    """The type of the first values; text where there are none, or no one type holds them."""
    import pyarrow as pa

    try:
        found = pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()
    return pa.string() if pa.types.is_null(found) else found


def _arrow_array(values: Sequence[Any], kind: Any) -> Any:
    """Values of a column; as text where they are not of its type."""
    import pyarrow as pa

    if kind == pa.string():
        texts = [None if one is None else text_of(one).encode("utf-8", "replace").decode() for one in values]
        return pa.array(texts, type=kind)
    return pa.array(list(values), type=kind)


class _ExcelWriter(Writer):
    def __init__(self, file: IO[bytes], columns: Sequence[str], target: Path) -> None:
        super().__init__(columns, target)
        try:
            from openpyxl import Workbook
        except ImportError as error:
            raise SetupError("E001", package="openpyxl", extra="excel", what=".xlsx") from error

        self._file = file
        self._book = Workbook(write_only=True)
        self._sheet = cast("WriteOnlyWorksheet", self._book.create_sheet())
        self._sheet.append([self._cell(name) for name in columns])

    def _write(self, cells: Sequence[Any]) -> None:
        if self.rows + 1 > EXCEL_ROWS:
            raise WorkError("W031", limit=f"{EXCEL_ROWS - 1:,}")
        self._sheet.append([self._cell(value) for value in cells])

    def _cell(self, value: Any) -> Any:
        if value is None or isinstance(value, int | float):
            return value
        cell, replaced = _FORBIDDEN_IN_XML.subn("\ufffd", self._guarded(value))
        self._count(replaced)
        if len(cell) > EXCEL_CHARACTERS // 2 and len(cell.encode("utf-16-le")) // 2 > EXCEL_CHARACTERS:
            # openpyxl would cut it without a word.
            raise WorkError("W032", row=self.rows, n=f"{len(cell):,}", limit=f"{EXCEL_CHARACTERS:,}")
        return cell

    def finish(self) -> None:
        self._book.save(self._file)

    def abandon(self) -> None:
        # What was written so far lies in a temporary file of openpyxl's.
        with contextlib.suppress(OSError):
            self._book.save(io.BytesIO())


@contextmanager
def open_writer(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str],
    encoding: str | None = None,
    format: str | None = None,  # noqa: A002 the word of the command line
    source: str | os.PathLike[str] | None = None,
    source_columns: Collection[str] = (),
) -> Iterator[Writer]:
    """A writer whose file appears, synced to the disk, when the block ends well; else what was there stays.

    :param columns: the header
    :param encoding: None: UTF-8, for CSV with a byte order mark, which Excel wants. Not for Excel files
    :param format: ``csv``, ``tsv``, ``jsonl``, ``parquet`` or ``excel``; None: by the suffix
    :param source: the file that is being read; it is not written over
    :param source_columns: those of ``columns`` that come from it
    :raises ConfigError: no such form (``JPT-U043``) or encoding (``JPT-U030``), the file is ``source``
        (``JPT-U044``), something that is no file (``JPT-U045``)
    :raises WorkError: the file cannot be written (``JPT-W030``)
    """
    target = Path(path).expanduser().resolve()
    form = _form(target, format)
    codec = _codec(form, encoding)
    if source is not None and target.exists() and Path(source).exists() and target.samefile(source):
        raise ConfigError("U044", path=target)
    if target.exists() and not target.is_file():
        raise ConfigError("U045", path=target)
    types = _types_of(source, source_columns) if form == "parquet" else ({}, ())
    with _atomic(target) as file, _writing(file, form, columns, codec, target, types) as writer:
        yield writer


def _types_of(
    source: str | os.PathLike[str] | None, columns: Collection[str]
) -> tuple[dict[str, Any], Collection[str]]:
    """Fields of a Parquet source by name; or the columns of another one, which are text."""
    if source is None or Path(source).suffix.lower() != ".parquet":
        return {}, columns
    from pyarrow import parquet

    return {field.name: field.remove_metadata() for field in parquet.read_schema(source)}, ()


def without_forbidden(cell: str) -> str:
    """A cell without characters that an Excel file cannot hold; each becomes U+FFFD."""
    return _FORBIDDEN_IN_XML.sub("\ufffd", cell)


def guarded(cell: str) -> str:
    """A cell that no spreadsheet computes: ``"=1+1" -> "'=1+1"``, ``"-1" -> "-1"``, ``"－１" -> "'－１"``."""
    if not _COMPUTED.match(cell) or _PLAIN_NUMBER.fullmatch(cell):
        return cell
    return "'" + cell


def _finite(value: Any) -> Any:
    """The value with None for every number in it that is none: NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def encodable(cell: str, encoding: str) -> tuple[str, int]:
    """The cell as the encoding can hold it, and how many characters had to be replaced.

    Tried in turn: as it is, composed (NFC), with its twin in the other table of JIS marks, ``〓``, ``?``.
    """
    if _fits(cell, encoding):
        return cell, 0
    composed = unicodedata.normalize("NFC", cell)
    filler = next(mark for mark in ("\ufffd", "〓", "?") if _fits(mark, encoding))
    characters, replaced = [], 0
    for character in composed:
        for candidate in (character, character.translate(_TWINS)):
            if _fits(candidate, encoding):
                characters.append(candidate)
                break
        else:
            characters.append(filler)
            replaced += 1
    return "".join(characters), replaced


def _fits(cell: str, encoding: str) -> bool:
    try:
        cell.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _form(path: Path, format: str | None) -> Format:  # noqa: A002
    form = format if format is not None else FORMATS.get(path.suffix.lower())
    if form not in get_args(Format):
        raise ConfigError(
            "U043",
            found=format or path.suffix or text("words.none"),
            known=listing(get_args(Format)),
            suffixes=listing(FORMATS),
        )
    return cast("Format", form)


def _codec(form: Format, encoding: str | None) -> str:
    if encoding is None:
        return "utf-8-sig" if form == "csv" else "utf-8"
    if form in {"excel", "parquet"}:
        raise ConfigError("U046", encoding=encoding)
    # The name says whether a mark is wanted; reading takes both.
    if encoding.strip().casefold().replace("_", "-") == "utf-8-sig":
        return "utf-8-sig"
    return canonical_name(encoding)


@contextmanager
def _writing(
    file: IO[bytes],
    form: Format,
    columns: Sequence[str],
    codec: str,
    target: Path,
    types: tuple[dict[str, Any], Collection[str]],
) -> Iterator[Writer]:
    writer: Writer
    if form == "excel":
        writer = _ExcelWriter(file, columns, target)
    elif form == "parquet":
        writer = _ParquetWriter(file, columns, target, *types)
    elif form == "jsonl":
        writer = _JsonWriter(file, columns, target, codec)
    else:
        writer = _DelimitedWriter(file, columns, target, codec, delimiter="," if form == "csv" else "\t")
    try:
        yield writer
    except BaseException:
        writer.abandon()
        raise
    try:
        writer.finish()
    except OSError as error:
        raise _write_error(target, error) from error


@contextmanager
def _atomic(target: Path) -> Iterator[IO[bytes]]:
    """A sibling file that takes the place of ``target`` when the block ends well, else it is removed."""
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else _default_mode()
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=LEFTOVER)
    except OSError as error:
        raise _write_error(target, error) from error
    sibling = Path(name)
    file = os.fdopen(descriptor, "wb")
    try:
        yield file
        _finish(file, sibling, target, mode)
    except BaseException:
        # Closing writes what is left, which a full disk refuses; the file goes away in any case.
        with contextlib.suppress(OSError):
            file.close()
        sibling.unlink(missing_ok=True)
        raise


def _finish(file: IO[bytes], sibling: Path, target: Path, mode: int) -> None:
    try:
        file.flush()
        os.fsync(file.fileno())
        file.close()
        sibling.chmod(mode)
        sibling.replace(target)
        # Windows cannot open a directory to sync it.
        if sys.platform != "win32":
            directory = os.open(target.parent, os.O_RDONLY)
            os.fsync(directory)
            os.close(directory)
    except OSError as error:
        raise _write_error(target, error) from error


def _default_mode() -> int:
    # The mask can only be read by setting it.
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _write_error(target: Path, error: OSError) -> WorkError:
    return WorkError("W030", path=target, problem=error.strerror or str(error))
