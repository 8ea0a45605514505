"""Precision of each label: right of those that got it; 0 for a label that does not occur.

The order is that of the label ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.metrics._counts import Floats, count, precision
from jptextclf.metrics._metric import TableMetric

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def precision_per_label(references: ArrayLike, predictions: ArrayLike, n_labels: int) -> Floats:
    """Share of the texts that got a label which have it, for each label. *Shape:* ``(n_labels,)``

    :raises DataError, ConfigError: as :class:`~jptextclf.metrics.Tally`
    """
    return precision(count(references, predictions, n_labels))


METRIC = TableMetric(precision_per_label)
