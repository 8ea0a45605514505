"""Recall of each label: found of those that have it; 0 for a label that does not occur.

The order is that of the label ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.metrics._counts import Floats, count, recall
from jptextclf.metrics._metric import TableMetric

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def recall_per_label(references: ArrayLike, predictions: ArrayLike, n_labels: int) -> Floats:
    """Share of the texts that have a label which got it, for each label. *Shape:* ``(n_labels,)``

    :raises DataError, ConfigError: as :class:`~jptextclf.metrics.Tally`
    """
    return recall(count(references, predictions, n_labels))


METRIC = TableMetric(recall_per_label)
