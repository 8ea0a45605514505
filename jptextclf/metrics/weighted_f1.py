"""Weighted F1: the mean of the labels' F1, each weighted by how many texts have the label.

A label that no text has does not count, even where it was predicted.
"""

from __future__ import annotations

from jptextclf.metrics._counts import Counts, Floats, f1, ratio
from jptextclf.metrics._metric import Metric


def weighted_f1(counts: Counts) -> Floats:
    """Sum of F1 times texts with the label / sum of texts with the label. *Shape:* ``(...)``"""
    return ratio((f1(counts) * counts.references).sum(axis=-1), counts.references.sum(axis=-1))


METRIC = Metric(weighted_f1)
