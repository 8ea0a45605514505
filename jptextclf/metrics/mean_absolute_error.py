"""Mean absolute error of ordered labels: by how many steps predictions miss, on average; 0 is best.

From one label to the next is one step, whatever numbers the labels are.
"""

from __future__ import annotations

from jptextclf.metrics._counts import Counts, Floats, ratio
from jptextclf.metrics._metric import Metric


def mean_absolute_error(counts: Counts) -> Floats:
    """Steps between reference and prediction / texts, in [0, labels - 1]. *Shape:* ``(...)``"""
    return ratio(counts.steps, counts.n_texts)


METRIC = Metric(mean_absolute_error, for_multilabel=False, needs_order=True, better="lower")
