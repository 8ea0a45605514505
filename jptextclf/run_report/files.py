"""A report as files: ``report.html``, ``report.json``, and ``csv/`` with the figures behind every chart.

It computes nothing. The directory lies beside the run, ``runs/reviews-1.report``, since it holds texts of the data and
a run does not. It appears whole or not at all; one that this package wrote is replaced, another one never.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jptextclf.atomic import check_outside
from jptextclf.errors import ConfigError, JptextclfError
from jptextclf.evaluation import LEVEL
from jptextclf.page_files import write_page_files
from jptextclf.pages.pictures import to_png
from jptextclf.run_report.content import Example, Report
from jptextclf.run_report.figures import figures
from jptextclf.run_report.page import page
from jptextclf.strict_json import FINITE_DECODER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from jptextclf.bundle import Bundle
    from jptextclf.page_files import Tables

NAME = "report"
HTML, JSON = f"{NAME}.html", f"{NAME}.json"
_OF_EDITED = (ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RecursionError)
"""What a report.json that somebody edited may lead to."""


@dataclass(frozen=True)
class ReportFiles:
    """A report that was written."""

    directory: Path
    report: Report

    @property
    def html(self) -> Path:
        return self.directory / HTML

    def to_json(self) -> dict[str, Any]:
        return {**self.report.to_json(), "path": str(self.html)}


def report_directory(run: Path, name: str = "") -> Path:
    """Where the report of a run lies: ``runs/reviews-1.report``, of other data ``runs/reviews-1.report-<name>``."""
    if run.name in {"", ".."}:
        # ``.`` has no name of its own.
        run = run.resolve()
    return run.with_name(f"{run.name}.report" + (f"-{name}" if name else ""))


def write_report(report: Report, bundle: Bundle, directory: Path, *, png: bool = False) -> ReportFiles:
    """Write a report in the language of now.

    :param directory: a report that is there is replaced
    :param png: also every chart as a picture, in ``png/``
    :raises ConfigError: something else is there (``JPT-U025``), or it lies inside the run (``JPT-U159``)
    :raises SetupError: ``png``, and what draws them is not installed (``JPT-E001``)
    :raises WorkError: it cannot be written (``JPT-W011``)
    """
    check_outside(directory, bundle.path)
    drawn = {name: to_png(one) for name, one in figures(report).items()} if png else None
    write_page_files(
        directory,
        NAME,
        page=page(report, bundle),
        data=report.to_json(),
        tables=tables(report),
        pictures=drawn,
    )
    return ReportFiles(directory, report)


def read_report(directory: Path) -> Report | None:
    """The report that lies in a directory; None where there is none.

    :raises ConfigError: it cannot be read (``JPT-U200``)
    """
    file = directory / JSON
    if not file.is_file():
        return None
    try:
        return Report.from_json(FINITE_DECODER.decode(file.read_text(encoding="utf-8")))
    except (*_OF_EDITED, OSError) as error:
        raise _unreadable(file, error) from error


def write_again(
    report: Report, bundle: Bundle, directory: Path, *, source: Path, png: bool = False
) -> ReportFiles:
    """:func:`write_report` of what :func:`read_report` has read from ``source``.

    :raises ConfigError: also where what was read makes no page, since somebody has edited it (``JPT-U200``)
    """
    try:
        return write_report(report, bundle, directory, png=png)
    except JptextclfError:
        # What is wrong is the place, not the report.
        raise
    except _OF_EDITED as error:
        raise _unreadable(source / JSON, error) from error


def _unreadable(file: Path, error: Exception) -> ConfigError:
    said = error.message if isinstance(error, JptextclfError) else f"{type(error).__name__}: {error}"
    return ConfigError("U200", path=file, problem=said)


def tables(report: Report) -> Tables:
    """Every table of figures by its name: those behind the charts, the scores, the systems and the errors."""
    found: dict[str, tuple[Sequence[str], Iterable[Sequence[Any]]]] = {
        name: (one.table.columns, one.table.rows) for name, one in figures(report).items()
    }
    level = f"{LEVEL:.0%}"
    found["scores"] = (
        ("metric", "score", f"low_{level}", f"high_{level}"),
        [(one.metric, one.score, one.low, one.high) for one in report.evaluation.table()],
    )
    found["label_scores"] = (
        ("label", "precision", "recall", "f1", "support", "predicted", "correct"),
        [tuple(one.to_json().values()) for one in report.evaluation.per_label],
    )
    found["errors"] = (
        ("row", "text", "reference", "predicted", "probability", "reference_probability", "truncated"),
        [_cells(one) for one in report.errors],
    )
    return found


def _cells(example: Example) -> tuple[Any, ...]:
    names = ("|".join(example.reference), "|".join(example.predicted))
    probabilities = (round(example.probability, 4), round(example.reference_probability, 4))
    return example.row, example.text, *names, *probabilities, example.truncated
