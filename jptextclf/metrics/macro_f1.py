"""Macro-F1: the mean of the labels' F1, so that a rare label weighs as much as a frequent one.

Labels that occur neither in the references nor in the predictions do not take part.
"""

from __future__ import annotations

import numpy as np

from jptextclf.metrics._counts import Counts, Floats, f1, ratio
from jptextclf.metrics._metric import Metric


def macro_f1(counts: Counts) -> Floats:
    """Sum of the F1 / labels that occur. *Shape:* ``(...)``"""
    if counts.averaged is not None:
        chosen = f1(counts)[..., counts.averaged]
        return ratio(chosen.sum(axis=-1), np.full(chosen.shape[:-1], chosen.shape[-1]))
    occurring = (counts.references + counts.predictions > 0).sum(axis=-1)
    return ratio(f1(counts).sum(axis=-1), occurring)


METRIC = Metric(macro_f1)
