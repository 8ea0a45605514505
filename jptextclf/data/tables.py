"""One way to open a table, whatever its form: CSV, TSV, JSON Lines, Parquet, Excel, a saved ``datasets`` directory.

It does not know which column holds the text. Rows stream in constant memory from every form but JSON lists and
spreadsheets. Every fault is one error that names rows or lines.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from jptextclf.atomic import sha256_of
from jptextclf.data import _arrow, _delimited, _excel, _json
from jptextclf.data.encoding import FileEncoding, decide_encoding
from jptextclf.errors import ConfigError, DataError
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.store import manifest_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jptextclf.data.rows import Row, Source

Form = Literal["csv", "tsv", "txt", "jsonl", "json", "parquet", "excel", "datasets"]
FORMATS: dict[str, Form] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
}
"""Suffix -> form."""
_SELF_NAMED = ("jsonl", "json", "parquet", "datasets")
_MAGIC = (
    (b"PK\x03\x04", "Excel / ZIP"),
    (b"\xd0\xcf\x11\xe0", "Excel 97 (.xls)"),
    (b"PAR1", "Parquet"),
    (b"\x1f\x8b", "gzip"),
)


@dataclass(frozen=True)
class Table:
    """An opened table: its columns are known, its rows are read on demand and as often as asked."""

    path: Path
    format: Form
    source: Source
    stamp: tuple[int, int]
    """Size and time of change when it was opened."""

    @property
    def columns(self) -> tuple[str, ...]:
        return self.source.columns

    @property
    def encoding(self) -> FileEncoding | None:
        """None where the form has no encoding to decide."""
        return self.source.encoding

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the user should see."""
        return tuple(self.source.notes)

    @property
    def blank_lines(self) -> int:
        """Lines without any cell; they are no rows. Known after a pass over the rows."""
        return self.source.blank_lines

    def rows(self) -> Iterator[Row]:
        """All rows from the first on.

        :raises DataError: ragged rows (``JPT-D010``), quotes (``JPT-D011``, ``JPT-D012``), broken lines
            (``JPT-D014``), damage (``JPT-D015``), no row at all (``JPT-D006``), or the file changed under the
            reader (``JPT-D033``)
        """
        row = None
        try:
            for row in self.source.read():
                yield row
        except (OSError, UnicodeError) as error:
            # It was there and valid when it was opened.
            raise DataError("D033", path=self.path) from error
        if self.stamp != _stamp(self.path):
            raise DataError("D033", path=self.path)
        if row is None:
            raise DataError("D006", path=self.path, columns=listing(self.columns))

    @cached_property
    def sha256(self) -> str:
        """Of the file; of a directory, of the list of its files' hashes.

        :raises DataError: the file is gone (``JPT-D033``)
        """
        try:
            return hash_of([self.path])
        except OSError as error:
            raise DataError("D033", path=self.path) from error


def open_table(
    path: str | os.PathLike[str],
    *,
    encoding: str = "auto",
    columns: Sequence[str] | None = None,
    sheet: str | None = None,
) -> Table:
    """A file as a table; its form follows from the suffix (:data:`FORMATS`).

    :param encoding: ``auto`` or a name, see :func:`jptextclf.data.encoding.decide_encoding`
    :param columns: names of all columns, for a file without a header; in a list, or between commas
    :param sheet: of a spreadsheet; None takes the first visible one that is not empty
    :raises DataError: it cannot be read as it is
    :raises ConfigError: an option does not fit it
    """
    if not os.fspath(path):
        raise DataError("D001", path="''", hint="")
    # pathlib raises for a user that is not there.
    path = Path(os.path.expanduser(path))  # noqa: PTH111
    require_file(path)
    if isinstance(columns, str):
        columns = columns.split(",")
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise DataError(
            "D036", path=path, suffix=path.suffix or text("words.none"), known=listing(FORMATS, 20)
        )
    try:
        stamp = _stamp(path)
        source = _open(path, form, encoding=encoding, columns=columns, sheet=sheet)
    except (OSError, UnicodeError) as error:
        raise DataError("D033", path=path) from error
    if columns is not None and form in _SELF_NAMED and set(columns) != set(source.columns):
        raise ConfigError("U033", path=path, columns=listing(source.columns))
    return Table(path, form, source, stamp)


def open_saved_tables(directory: Path) -> dict[str, Table]:
    """The parts of a directory that ``datasets`` saved; a set without parts has one called ``""``.

    :raises DataError: it is damaged (``JPT-D015``)
    """
    return {
        name: Table(directory / name, "datasets", source, _stamp(directory / name))
        for name, source in _arrow.open_saved(directory).items()
    }


def require_file(path: Path) -> None:
    """That there is a regular file which may be read.

    :raises DataError: there is none (``JPT-D001``), it is a directory (``JPT-D002``) or a device (``JPT-D003``), or
        reading is not permitted (``JPT-D004``)
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise DataError("D002", path=path, files=listing(neighbours(path)) or text("words.none"))
        if not stat.S_ISREG(mode):
            raise DataError("D003", path=path)
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = did_you_mean(path.name, neighbours(path.parent))
        raise DataError("D001", path=path, hint=hint) from error
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError("D004", path=path, problem=getattr(error, "strerror", None) or error) from error


def hash_of(paths: Sequence[Path]) -> str:
    """SHA-256 of one file; of several, or of a directory, that of their manifest (:mod:`jptextclf.store`)."""
    if len(paths) == 1 and paths[0].is_file():
        return sha256_of(paths[0])
    hashes: dict[str, str] = {}
    for path in paths:
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        hashes |= {file.relative_to(path.parent).as_posix(): sha256_of(file) for file in files}
    return manifest_sha256(hashes)


def _open(
    path: Path, form: Form, *, encoding: str, columns: Sequence[str] | None, sheet: str | None
) -> Source:
    if form == "parquet":
        return _arrow.open_parquet(path)
    if form == "excel":
        return _excel.open_excel(path, columns=columns, sheet=sheet)
    _refuse_other_forms(path)
    decided = decide_encoding(path, encoding=encoding)
    if form == "jsonl":
        return _json.open_json_lines(path, decided)
    if form == "json":
        return _json.open_json(path, decided)
    return _delimited.open_delimited(path, decided, form=cast("_delimited.Form", form), columns=columns)


def _refuse_other_forms(path: Path) -> None:
    """A spreadsheet that was renamed to .csv is no text."""
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise DataError("D005", path=path)
    for magic, name in _MAGIC:
        if head.startswith(magic):
            raise DataError("D016", path=path, suffix=path.suffix, found=name)


def neighbours(directory: Path) -> list[str]:
    """Names of the tables in a directory; none where it cannot be listed."""
    try:
        return sorted(item.name for item in directory.iterdir() if item.suffix.lower() in FORMATS)
    except OSError:
        return []


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise DataError("D033", path=path) from error
    return found.st_size, found.st_mtime_ns
