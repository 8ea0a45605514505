"""What is done with probabilities. It knows no model and no text.

A text for review still has its labels, the best guess of the model; that a person looks at it is said beside them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.labels import LabelSchema

_EDGE = 1e-6
"""Probabilities are kept this far from 0 and 1 where their log-odds are taken."""


@dataclass(frozen=True)
class Rule:
    """How labels are chosen, beside the thresholds, and when a person is asked. The default asks nobody.

    :raises ValueError: a number that cannot be
    """

    costs: tuple[tuple[float, ...], ...] = ()
    """What answers cost; empty: the most probable label is given. *Shape:* ``(n_labels, n_labels)``, by reference and
    label given; for a multi-label task ``(n_labels, 2)``: what missing a label and giving it wrongly cost."""
    review_cost: float | None = None
    """What a person's look costs; a text goes to a person where every answer is expected to cost more."""
    review: tuple[tuple[float, ...], ...] = ()
    """For each label from which probability on, and below which one, a text is for a person: of the label that a text
    gets, or, for a multi-label task, of any label. *Shape:* ``(n_labels, 2)``, or empty"""
    promise: Mapping[str, Any] = field(default_factory=dict)
    """What it was tuned for, with the figures on the texts that it was tuned on."""

    def __post_init__(self) -> None:
        numbers = [*(one for row in self.costs for one in row), *(one for row in self.review for one in row)]
        numbers += [] if self.review_cost is None else [self.review_cost]
        if not all(math.isfinite(float(one)) and float(one) >= 0 for one in numbers):
            raise ValueError(
                f"a rule has costs {self.costs} and review {self.review}, expected numbers from 0 on"
            )

    @property
    def asks(self) -> bool:
        """Whether there is anything that a person is asked."""
        return self.review_cost is not None or bool(self.review)

    def expected_costs(self, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of a single-label task: what each label would cost on average.

        :param probabilities: *Shape:* ``(texts, n_labels)``
        :returns: *Shape:* ``(texts, n_labels)``
        """
        expected: NDArray[np.float64] = probabilities.astype(np.float64) @ np.array(
            self.costs, dtype=np.float64
        )
        return expected

    def label_ids(
        self, schema: LabelSchema, probabilities: NDArray[np.float32], thresholds: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        """Ids ``(texts,)``, or for a multi-label task a 0/1 matrix ``(texts, n_labels)``."""
        if schema.is_multilabel:
            return (probabilities >= thresholds).astype(np.int64)
        best = (
            self.expected_costs(probabilities).argmin(axis=1) if self.costs else probabilities.argmax(axis=1)
        )
        found: NDArray[np.int64] = best.astype(np.int64)
        return found

    def for_review(
        self, schema: LabelSchema, probabilities: NDArray[np.float32], thresholds: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Whether a person should look at a text.  *Shape:* ``(texts,)``"""
        asked = np.zeros(len(probabilities), dtype=np.bool_)
        if not len(probabilities):
            return asked
        if self.review:
            low, high = np.array(self.review, dtype=np.float32).T
            if schema.is_multilabel:
                asked |= ((probabilities >= low) & (probabilities < high)).any(axis=1)
            else:
                ids = self.label_ids(schema, probabilities, thresholds)
                values = probabilities[np.arange(len(ids)), ids]
                asked |= (values >= low[ids]) & (values < high[ids])
        if self.review_cost is not None and not schema.is_multilabel:
            asked |= self.expected_costs(probabilities).min(axis=1) > self.review_cost
        return asked

    def to_json(self) -> dict[str, Any]:
        return {
            "costs": [list(row) for row in self.costs],
            "review_cost": self.review_cost,
            "review": [list(row) for row in self.review],
            "promise": dict(self.promise),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None, *, schema: LabelSchema) -> Rule:
        """What :meth:`to_json` gave; None is the default.

        :raises KeyError, TypeError, ValueError: it did not, or for other labels
        """
        if data is None:
            return cls()
        width = 2 if schema.is_multilabel else schema.n_labels
        costs, review = (
            _matrix(data["costs"], schema.n_labels, width),
            _matrix(data["review"], schema.n_labels, 2),
        )
        cost = data["review_cost"]
        return cls(costs, None if cost is None else float(cost), review, dict(data["promise"]))


def _matrix(rows: Sequence[Sequence[float]], n_rows: int, n_columns: int) -> tuple[tuple[float, ...], ...]:
    found = tuple(tuple(float(one) for one in row) for row in rows)
    if found and (len(found) != n_rows or any(len(row) != n_columns for row in found)):
        raise ValueError(f"a rule has {rows}, expected {n_rows} rows of {n_columns} numbers")
    return found


def confidence(
    schema: LabelSchema, rule: Rule, probabilities: NDArray[np.float32], thresholds: NDArray[np.float32]
) -> NDArray[np.float64]:
    """How sure the answer for a text is: the probability of the label that it gets; for a multi-label task the smallest
    distance of a label's log-odds from those of its threshold.  *Shape:* ``(texts,)``
    """
    if schema.is_multilabel:
        distances = np.abs(log_odds(probabilities) - log_odds(thresholds))
        nearest: NDArray[np.float64] = distances.min(axis=1)
        return nearest
    ids = rule.label_ids(schema, probabilities, thresholds)
    return probabilities[np.arange(len(ids)), ids].astype(np.float64)


def log_odds(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """``log(p / (1 - p))``, finite also at 0 and 1."""
    values = np.clip(probabilities.astype(np.float64), _EDGE, 1 - _EDGE)
    found: NDArray[np.float64] = np.log(values) - np.log1p(-values)
    return found
