"""Metrics: how right predictions are, one file each; a file is the registration.

It does not know texts, label names or models: label ids come in, numbers go out: one from a ``Metric``, in [0, 1]
and the higher the better unless it says otherwise; a list or a matrix from a ``TableMetric``.

References and predictions are label ids ``(texts,)``, or 0/1 matrices ``(texts, n_labels)`` where a text may
have any number of labels. A label takes part in an average when it occurs in the references or in the
predictions; a ratio whose denominator is 0 is 0. These are scikit-learn's numbers with ``zero_division=0`` and
``labels`` set to the labels that occur, which for ids is its default.
"""

from __future__ import annotations

from jptextclf.metrics._counts import (
    Counts,
    Tally,
    count,
    distinct_rows,
    f1,
    precision,
    recall,
)
from jptextclf.metrics._evaluate import as_evaluate
from jptextclf.metrics._metric import Metric, TableMetric
from jptextclf.registry import Registry

METRICS: Registry[Metric | TableMetric] = Registry("metric", __name__, "METRIC")

__all__ = [
    "METRICS",
    "Counts",
    "Metric",
    "TableMetric",
    "Tally",
    "as_evaluate",
    "count",
    "distinct_rows",
    "f1",
    "precision",
    "recall",
]
