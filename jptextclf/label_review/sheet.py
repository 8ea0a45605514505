"""An Excel sheet in which a person says which labels are wrong.

A row of the sheet is a row of the data; rows may be sorted, filtered and left out, columns moved and added. What is in the
column of corrections counts, nothing else. The sheet holds texts, so it is as private as the data.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jptextclf.atomic import write_file
from jptextclf.data.rows import text_of
from jptextclf.data.tables import require_file
from jptextclf.data.writers import without_forbidden
from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import text
from jptextclf.strict_json import DECODER, encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from openpyxl.worksheet.worksheet import Worksheet

_ABOUT, _LABELS = "jptextclf", "labels"
"""Hidden sheets: what the review is about, and the list behind the drop-down."""
_COLUMNS = ("row", "text", "label", "suggestion", "suggested", "own", "votes", "correction", "note")
_WIDTHS = (8, 80, 18, 18, 16, 24, 18, 18, 30)
_LONGEST = 2_000
"""Characters of a text in the sheet."""
_CELL = 30_000
"""Characters of a part of the JSON in a cell; Excel holds 32,767."""


@dataclass(frozen=True)
class Candidate:
    """A row of the data whose label looks wrong."""

    row: int
    """Of the file, from 1."""
    text: str
    label: str
    """As it stands in the data; several are joined by the separator."""
    suggestion: str
    suggested: float
    """Probability of the suggestion, by a model that has not seen this text."""
    own: float
    """Probability of the label that is there."""
    votes: str = ""
    """What annotators said."""


@dataclass(frozen=True)
class About:
    """What a review is about."""

    name: str
    """Of the file."""
    sha256: str
    label_column: str
    labels: tuple[str, ...]
    """All label names of the data."""
    data_separator: str | None
    """Between several labels in a cell of the data; None: each text has one, or they are lists."""
    separator: str | None
    """The same in the sheet; None: each text has one."""
    columns: tuple[str, ...]
    """Names of the columns of the sheet, in the order of :data:`_COLUMNS`."""

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1, "name": self.name, "sha256": self.sha256, "label_column": self.label_column,
            "labels": list(self.labels), "data_separator": self.data_separator, "separator": self.separator,
            "columns": list(self.columns),
        }  # fmt: skip


@dataclass(frozen=True)
class Correction:
    """What a person wrote for one row."""

    row: int
    before: str
    """The label as the sheet has it."""
    after: str


def column_names() -> tuple[str, ...]:
    """Names of the columns of a sheet, in the language of now."""
    return tuple(text(f"review.column_{name}") for name in _COLUMNS)


def require_excel() -> None:
    """:raises SetupError: openpyxl is not installed (``JPT-E001``)"""
    try:
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise SetupError("E001", package="openpyxl", extra="excel", what=".xlsx") from error


def write_sheet(candidates: Sequence[Candidate], about: About, path: Path) -> None:
    """Write the sheet, whole or not at all.

    :raises SetupError: openpyxl is not installed (``JPT-E001``)
    :raises WorkError: it cannot be written (``JPT-W011``)
    """
    require_excel()
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation
    from openpyxl.worksheet.properties import PageSetupProperties

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = text("review.sheet")
    for place, width in enumerate(_WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    sheet.freeze_panes = "A2"
    last = len(candidates) + 1
    letter = get_column_letter(_COLUMNS.index("correction") + 1)
    if about.separator is None:
        rule = DataValidation(
            type="list", formula1=f"={_LABELS}!$A$1:$A${len(about.labels)}", allow_blank=True,
            showErrorMessage=True, errorTitle=text("review.column_correction"), error=text("review.not_a_label"),
        )  # fmt: skip
        rule.add(f"{letter}2:{letter}{max(2, last)}")
        sheet.add_data_validation(rule)
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(_COLUMNS))}{last}"
    for place, name in enumerate(about.columns, start=1):
        _put(sheet, 1, place, name)
        sheet.cell(1, place).font = Font(bold=True)
    for number, one in enumerate(candidates, start=2):
        short = one.text if len(one.text) <= _LONGEST else one.text[: _LONGEST - 1] + "…"
        own, suggested = round(one.own, 3), round(one.suggested, 3)
        cells = (one.row, short, one.label, one.suggestion, suggested, own, one.votes)
        for place, value in enumerate(cells, start=1):
            _put(sheet, number, place, value)
    for row in sheet.iter_rows(max_row=last, max_col=len(_COLUMNS)):
        for cell in row:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    labels, hidden = book.create_sheet(_LABELS), book.create_sheet(_ABOUT)
    for number, name in enumerate(about.labels, start=1):
        _put(labels, number, 1, name)
    said = encode(about.to_json()).decode("utf-8")
    for number, start in enumerate(range(0, len(said), _CELL), start=1):
        _put(hidden, number, 1, said[start : start + _CELL])
    labels.sheet_state = hidden.sheet_state = "hidden"
    written = io.BytesIO()
    book.save(written)
    write_file(path, written.getvalue())


def _put(sheet: Worksheet, row: int, column: int, value: Any) -> None:
    cell = sheet.cell(row, column, without_forbidden(value) if isinstance(value, str) else value)
    if isinstance(value, str):
        # What begins with "=" is a formula to openpyxl, and an empty text is no cell.
        cell.data_type = "s" if value else "n"


def read_sheet(path: Path) -> tuple[About, list[Correction]]:
    """What a person wrote into a sheet.

    :raises SetupError: openpyxl is not installed (``JPT-E001``)
    :raises DataError: there is no such file (``JPT-D001`` to ``JPT-D003``)
    :raises ConfigError: it is no sheet of a review (``JPT-U211``), or its columns are no more what they were (``JPT-U212``)
    """
    require_excel()
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    require_file(path)
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            said = "".join(text_of(row[0]) for row in book[_ABOUT].iter_rows(values_only=True) if row)
            about = _about(said)
            rows = [tuple(row) for row in book.worksheets[0].iter_rows(values_only=True)]
        finally:
            book.close()
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile, InvalidFileException) as error:
        raise ConfigError("U211", path=path, problem=f"{type(error).__name__}: {error}") from error
    header = [text_of(cell).strip() for cell in rows[0]] if rows else []
    places = {}
    for name in ("row", "label", "correction"):
        written = about.columns[_COLUMNS.index(name)]
        if header.count(written) != 1:
            raise ConfigError("U212", path=path, column=written)
        places[name] = header.index(written)
    found = []
    for row in rows[1:]:
        after = _cell(row, places["correction"])
        if after:
            found.append(Correction(_number(row, places["row"], path), _cell(row, places["label"]), after))
    return about, found


def _about(said: str) -> About:
    data = DECODER.decode(said)
    return About(
        data["name"], data["sha256"], data["label_column"], tuple(data["labels"]), data["data_separator"],
        data["separator"], tuple(data["columns"]),
    )  # fmt: skip


def _cell(row: Sequence[Any], place: int) -> str:
    value = row[place] if place < len(row) else None
    # A sheet has only one kind of number: 1 comes as 1.0.
    return text_of(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _number(row: Sequence[Any], place: int, path: Path) -> int:
    found = _cell(row, place)
    if not found.isdecimal():
        raise ConfigError("U211", path=path, problem=text("review.no_row", found=found))
    return int(found)
