"""Annotators' votes for the labels of a text: from a cell of a column to shares that sum to what a loss expects.

It does not know files nor losses. A cell is a JSON object of votes by label, ``{"良い": 2, "悪い": 1}``, or a JSON list
with what each annotator said, ``["良い", "悪い", "良い"]``; for a multi-label task each annotator may have a list.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jptextclf.data.examples import RowNumbers
from jptextclf.data.rows import Cell, text_of
from jptextclf.errors import DataError
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.strict_json import DECODER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jptextclf.labels import LabelSchema


MOST_VOTES = 10**9
"""For one label of one text; beyond, a number is taken for a slip."""


@dataclass(frozen=True)
class Votes:
    """What the annotators said of one text."""

    counts: dict[str, float] = field(default_factory=dict)
    """Label -> votes for it; zeros are left out."""
    annotators: int | None = None
    """How many there were; None: only the votes are known."""
    one_each: bool = True
    """Each annotator gave exactly one label, as far as is known."""
    problem: str = ""
    """Why the cell cannot be read: ``empty``, ``not_votes`` or ``not_numbers``."""


def read_votes(cell: Cell) -> Votes:
    """The votes of one cell.

    ``'{"a": 2, "b": 1}' -> {"a": 2, "b": 1}``; ``'["a", "b", "a"]'`` the same, of 3 annotators
    """
    if isinstance(cell, tuple):
        return _of_annotators(cell)
    if not cell.strip():
        return Votes(problem="empty")
    try:
        found = DECODER.decode(cell.strip())
    except (ValueError, RecursionError):
        return Votes(problem="not_votes")
    if isinstance(found, list):
        return _of_annotators(found)
    return _of_counts(found) if isinstance(found, dict) else Votes(problem="not_votes")


def check_votes(votes: Sequence[Votes], rows: Sequence[int], *, labels: Collection[str], column: str) -> None:
    """Whether all votes can be read and are for known labels.

    :param rows: row of each text in its file
    :param labels: those of the training texts
    :raises DataError: some cannot or are not (``JPT-D067``, all at once)
    """
    problems: dict[str, RowNumbers] = defaultdict(RowNumbers)
    unknown: dict[str, RowNumbers] = defaultdict(RowNumbers)
    for one, row in zip(votes, rows, strict=True):
        if one.problem:
            problems[one.problem].add(row)
        for name in one.counts:
            if name not in labels:
                unknown[name].add(row)
    lines = [text(f"votes.{problem}", n=found.n, rows=found) for problem, found in problems.items()]
    lines += [
        text("votes.unknown", label=name, n=found.n, rows=found, hint=did_you_mean(name, labels))
        for name, found in sorted(unknown.items())
    ]
    if lines:
        shown = "\n".join(f"  - {line}" for line in lines)
        known = listing(sorted(labels), 20)
        raise DataError("D067", column=column, problems=shown, known=known)


def shares_of(votes: Sequence[Votes], schema: LabelSchema, *, rows: Sequence[int]) -> NDArray[np.float32]:
    """The share of the votes that each label has; for a multi-label task the share of annotators who gave it.

    :param votes: checked by :func:`check_votes`
    :param rows: row of each text in its file
    :returns: *Shape:* ``(texts, n_labels)``; for a single-label task each row sums to 1
    :raises DataError: the votes do not fit the task: several labels of one annotator for a single-label task
        (``JPT-D068``), or votes for a multi-label task without the number of annotators (``JPT-D069``)
    """
    import numpy as np

    unfit = RowNumbers()
    shares = np.zeros((len(votes), schema.n_labels), dtype=np.float32)
    ids = {name: number for number, name in enumerate(schema.names)}
    for place, one in enumerate(votes):
        total = _total(one, is_multilabel=schema.is_multilabel)
        if total is None:
            unfit.add(rows[place])
            continue
        for name, count in one.counts.items():
            shares[place, ids[name]] = count / total
    if unfit.n:
        raise DataError("D069" if schema.is_multilabel else "D068", n=unfit.n, rows=unfit, task=schema.task)
    return shares


def usable(votes: Votes, schema: LabelSchema) -> bool:
    """Whether :func:`shares_of` can do something with the votes of one text: readable, for known labels, fit for the task."""
    known = not votes.problem and set(votes.counts) <= set(schema.names)
    return known and bool(_total(votes, is_multilabel=schema.is_multilabel))


def _total(votes: Votes, *, is_multilabel: bool) -> float | None:
    """What the votes of a text are divided by; None: they do not fit the task."""
    if not is_multilabel:
        return sum(votes.counts.values()) if votes.one_each else None
    if votes.annotators is not None:
        return votes.annotators
    # Values up to 1 are shares already.
    return 1 if max(votes.counts.values(), default=0) <= 1 else None


def _of_annotators(items: Sequence[Any]) -> Votes:
    given = [_labels(item) for item in items]
    counts = Counter(name for names in given for name in names)
    return Votes(
        {name: float(count) for name, count in counts.items()},
        annotators=len(given),
        one_each=all(len(names) == 1 for names in given),
        problem="" if given else "empty",
    )


def _labels(item: Any) -> set[str]:
    """The labels that one annotator gave: one, a list, or none."""
    if isinstance(item, str) and item.strip().startswith("["):
        try:
            item = DECODER.decode(item.strip())
        except (ValueError, RecursionError):
            # A label may start with a bracket.
            return {item.strip()}
    names = item if isinstance(item, list) else [item]
    return {name for one in names if (name := text_of(one).strip())}


def _of_counts(found: dict[str, Any]) -> Votes:
    if not all(_is_count(value) for value in found.values()):
        return Votes(problem="not_numbers")
    counts: dict[str, float] = defaultdict(float)
    for name, value in found.items():
        if value:
            counts[name.strip()] += value
    return Votes(dict(counts), problem="" if counts else "empty")


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_VOTES
