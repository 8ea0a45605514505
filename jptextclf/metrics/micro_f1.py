"""Micro-F1: the F1 of all labels' counts added up; with one label per text it equals accuracy.

A text with many labels weighs more than one with few.
"""

from __future__ import annotations

from jptextclf.metrics._counts import Counts, Floats, ratio
from jptextclf.metrics._metric import Metric


def micro_f1(counts: Counts) -> Floats:
    """``2 correct / (references + predictions)``, each summed over the labels. *Shape:* ``(...)``"""
    all_given = counts.references.sum(axis=-1) + counts.predictions.sum(axis=-1)
    return ratio(2 * counts.correct.sum(axis=-1), all_given)


METRIC = Metric(micro_f1)
