"""Confusion matrix: texts by what they are and what was predicted.

It is a table, so nothing can be chosen by it; the scalar metrics are for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jptextclf.metrics._counts import Integers, checked, count
from jptextclf.metrics._metric import TableMetric

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def confusion_matrix(references: ArrayLike, predictions: ArrayLike, n_labels: int) -> Integers:
    """Texts by what they are and what was predicted.

    :returns: for ids, rows are references and columns are predictions.  *Shape:* ``(n_labels, n_labels)``.
        For 0/1 matrices, one such table of "has it not, has it" for each label.  *Shape:* ``(n_labels, 2, 2)``
    :raises DataError, ConfigError: as :class:`~jptextclf.metrics.Tally`
    """
    rows, columns = checked(references, predictions, n_labels)
    if rows.ndim == 1:
        return np.bincount(rows * n_labels + columns, minlength=n_labels**2).reshape(n_labels, n_labels)
    counts = count(rows, columns, n_labels)
    wrongly_given = counts.predictions - counts.correct
    missed = counts.references - counts.correct
    neither = counts.n_texts - counts.correct - wrongly_given - missed
    return np.stack([neither, wrongly_given, missed, counts.correct], axis=-1).reshape(n_labels, 2, 2)


METRIC = TableMetric(confusion_matrix)
