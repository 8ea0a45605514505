"""A comparison as files: ``compare.html``, ``compare.json``, and ``csv/`` with every figure.

It computes nothing. The directory appears whole or not at all; one that this package wrote is replaced, another one never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jptextclf.page_files import write_page_files
from jptextclf.run_comparison.figures import figures
from jptextclf.run_comparison.page import page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from jptextclf.page_files import Tables
    from jptextclf.run_comparison.content import RunComparison

NAME = "compare"
JSON = f"{NAME}.json"


def write_comparison(found: RunComparison, directory: Path) -> Path:
    """Write a comparison in the language of now.

    :param directory: a comparison that is there is replaced
    :returns: the page
    :raises ConfigError: something else is there (``JPT-U025``)
    :raises WorkError: it cannot be written (``JPT-W011``)
    """
    return write_page_files(directory, NAME, page=page(found), data=found.to_json(), tables=tables(found))


def tables(found: RunComparison) -> Tables:
    """Every table of figures by its name: those behind the charts, scores, costs, tests, labels and changed texts."""
    shown: dict[str, tuple[Sequence[str], Iterable[Sequence[Any]]]] = {
        name: (one.table.columns, one.table.rows) for name, one in figures(found).items()
    }
    shown["scores"] = (
        ("run", "metric", "score", "low", "high"),
        [(run.name, one.metric, one.score, one.low, one.high) for run in found.runs for one in run.scores],
    )
    costs = [{"run": run.name, **run.cost.to_json()} for run in found.runs]
    shown["cost"] = (tuple(costs[0]), [tuple(_cell(one) for one in cost.values()) for cost in costs])
    shown["tests"] = (
        (
            "first", "other", "outcome", "metric", "difference", "low", "high", "adjusted_p_value", "both_right",
            "gained", "lost", "neither_right", "changed", "mcnemar_p_value", "mcnemar_adjusted_p_value", "texts_needed",
        ),
        list(_tests(found)),
    )  # fmt: skip
    shown["label_scores"] = (
        ("first", "other", "label", "texts", "f1_first", "f1_other", "difference", "mcnemar_adjusted_p_value"),
        [
            (pair.first, pair.other, one.name, one.support, one.first, one.other, one.difference, _cell(one.adjusted))
            for pair in found.pairs
            for one in pair.labels
        ],
    )  # fmt: skip
    shown["changes"] = _changes(found)
    return shown


def _tests(found: RunComparison) -> Iterator[tuple[Any, ...]]:
    for pair in found.pairs:
        one, tested = pair.verdict, pair.mcnemar
        yield (
            pair.first, pair.other, pair.outcome, pair.metric, one.difference, one.low, one.high, pair.adjusted,
            tested.both, tested.only_b, tested.only_a, tested.neither, pair.n_changed, tested.p_value,
            pair.adjusted_mcnemar, _cell(pair.texts_needed),
        )  # fmt: skip


def _changes(found: RunComparison) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    """Every text that not all runs label alike, with three columns for each run."""
    names = [f"{what}: {run.name}" for run in found.runs for what in ("label", "probability", "right")]
    rows = [
        (
            one.row, one.text, "|".join(one.reference),
            *(
                cell
                for said in one.answers
                for cell in ("|".join(said.labels), round(said.probability, 4), said.is_right)
            ),
        )
        for one in found.changes
    ]  # fmt: skip
    return ("row", "text", "reference", *names), rows


def _cell(value: Any) -> Any:
    return "" if value is None else value
