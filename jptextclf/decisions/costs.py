"""What mistakes cost, as a person writes it down, as a matrix by label ids."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jptextclf.data.rows import text_of
from jptextclf.data.tables import open_table
from jptextclf.errors import ConfigError
from jptextclf.messages import did_you_mean, listing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jptextclf.labels import LabelSchema

MISSED, WRONG = "missed", "wrong"
Costs = Mapping[str, Mapping[str, float]] | str | os.PathLike[str]
"""Label -> label given instead -> cost, or, for a multi-label task, label -> ``missed`` and ``wrong`` -> cost; or a file
with the same as a table, whose first column has the labels."""


def read_costs(found: Costs, schema: LabelSchema) -> tuple[tuple[float, ...], ...]:
    """The matrix of :attr:`jptextclf.decisions.rule.Rule.costs`.

    What is not named costs nothing where it is right, and 1 where it is wrong.

    ``{"bad": {"good": 5}}`` with the labels bad and good -> ``((0, 5), (1, 0))``

    :raises ConfigError: a label that the run does not have (``JPT-U204``), or a cost that is no number from 0 on
        (``JPT-U205``)
    :raises DataError: the file cannot be read
    """
    named = found if isinstance(found, Mapping) else _of_table(found)
    columns = (MISSED, WRONG) if schema.is_multilabel else schema.names
    rows = []
    _require_known(named, schema.names)
    for place, label in enumerate(schema.names):
        given = named.get(label, {})
        _require_known(given, columns)
        is_right = [not schema.is_multilabel and place == other for other in range(len(columns))]
        rows.append(
            tuple(
                _number(given[name], label, name) if name in given and given[name] != "" else float(not right)
                for name, right in zip(columns, is_right, strict=True)
            )
        )
    return tuple(rows)


def _of_table(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    table = open_table(path)
    first, *others = table.columns
    del first
    found: dict[str, dict[str, Any]] = {}
    for row in table.rows():
        label, *cells = (text_of(cell).strip() for cell in row.cells)
        found[label] = dict(zip((name.strip() for name in others), cells, strict=True))
    return found


def _require_known(names: Iterable[str], known: tuple[str, ...]) -> None:
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise ConfigError("U204", name=unknown, known=listing(known, 20), hint=did_you_mean(unknown, known))


def _number(found: Any, label: str, column: str) -> float:
    try:
        value = float(found)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError("U205", found=found, label=label, column=column)
    return value
