"""Subset accuracy: the share of texts that got all the labels they have and no other.

It is the accuracy of a multi-label task under the name that says what it is.
"""

from __future__ import annotations

from jptextclf.metrics._metric import Metric
from jptextclf.metrics.accuracy import accuracy

METRIC = Metric(accuracy, for_single=False)
