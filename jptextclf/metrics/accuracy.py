"""Accuracy: the share of texts whose label is right.

Of 0/1 matrices it is the subset accuracy, as in scikit-learn.
"""

from __future__ import annotations

from jptextclf.metrics._counts import Counts, Floats, ratio
from jptextclf.metrics._metric import Metric


def accuracy(counts: Counts) -> Floats:
    """Exactly right texts / texts. *Shape:* ``(...)``"""
    return ratio(counts.exact, counts.n_texts)


METRIC = Metric(accuracy, for_multilabel=False)
