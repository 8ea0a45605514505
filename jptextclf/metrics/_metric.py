"""Metric: a function of counts that can be called with references and predictions.

It does not know its name, which is that of its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jptextclf.metrics._counts import Counts, Floats, count

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Metric:
    """One metric; call it as a plain function."""

    of_counts: Callable[[Counts], Floats]
    """Counts -> values, one for each resample.  *Shape:* ``(...)``"""
    for_single: bool = True
    """Whether it is among the scores of a task with one label per text."""
    for_multilabel: bool = True
    """Whether it is among the scores of a multi-label task."""

    def __call__(self, references: ArrayLike, predictions: ArrayLike, n_labels: int) -> float:
        """The value, in [0, 1].

        :param references: label ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)``
        :param predictions: the same form
        :raises DataError: there are no texts (``JPT-D060``)
        :raises ConfigError: shapes or values that do not fit (``JPT-U080`` to ``JPT-U082``)
        """
        return float(self.of_counts(count(references, predictions, n_labels)))
