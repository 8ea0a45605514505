"""F1 of each label: its precision and recall in one number; 0 for a label that does not occur.

The order is that of the label ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.metrics._counts import Floats, count, f1
from jptextclf.metrics._metric import TableMetric

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def f1_per_label(references: ArrayLike, predictions: ArrayLike, n_labels: int) -> Floats:
    """Harmonic mean of precision and recall, for each label. *Shape:* ``(n_labels,)``

    :raises DataError, ConfigError: as :class:`~jptextclf.metrics.Tally`
    """
    return f1(count(references, predictions, n_labels))


METRIC = TableMetric(f1_per_label)
