"""The two kinds of metrics: a :class:`Metric` is one number, a :class:`TableMetric` a list or matrix of them.

They do not know their names, which are those of their files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jptextclf.metrics._counts import Counts, Floats, Integers, count

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike


Better = Literal["higher", "lower", "share"]


@dataclass(frozen=True)
class Metric:
    """A metric that is one number, so that an epoch or a system can be chosen by it; call it as a plain function."""

    of_counts: Callable[[Counts], Floats]
    """Counts -> values, one for each resample.  *Shape:* ``(...)``"""
    for_single: bool = True
    """Whether it is among the scores of a task with one label per text."""
    for_multilabel: bool = True
    """Whether it is among the scores of a multi-label task."""
    needs_order: bool = False
    """Whether it is among the scores of an ordinal task only, whose labels stand in their order."""
    better: Better = "higher"
    """Which of two values is better; a ``share`` is neither."""

    @property
    def description(self) -> str:
        """What it is, in a sentence."""
        return _description(self.of_counts)

    def __call__(self, references: ArrayLike, predictions: ArrayLike, n_labels: int) -> float:
        """The value: in [0, 1] unless the metric says otherwise.

        :param references: label ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)``
        :param predictions: the same form
        :raises DataError: there are no texts (``JPT-D060``)
        :raises ConfigError: shapes or values that do not fit (``JPT-U080`` to ``JPT-U082``)
        """
        return float(self.of_counts(count(references, predictions, n_labels)))


@dataclass(frozen=True)
class TableMetric:
    """A metric with many numbers, to be read and not to choose by; call it as a plain function."""

    of_texts: Callable[[ArrayLike, ArrayLike, int], Floats | Integers]
    """References, predictions and the number of labels -> values.  *Shape:* ``(n_labels, ...)``"""

    @property
    def description(self) -> str:
        """What it is, in a sentence."""
        return _description(self.of_texts)

    def __call__(self, references: ArrayLike, predictions: ArrayLike, n_labels: int) -> Floats | Integers:
        """The values; shapes and errors as :meth:`Metric.__call__`. *Shape:* ``(n_labels, ...)``"""
        return self.of_texts(references, predictions, n_labels)


def _description(function: Callable[..., object]) -> str:
    first = (function.__doc__ or "").partition("\n")[0]
    return first.partition(" *Shape:*")[0]
