"""Off by one: the share of texts whose label is one step from the right one, such as 4 stars for 5.

With the accuracy it makes the share of texts that are right or nearly right; what is missing to 1 is further off.
"""

from __future__ import annotations

from jptextclf.metrics._counts import Counts, Floats, ratio
from jptextclf.metrics._metric import Metric


def off_by_one(counts: Counts) -> Floats:
    """Texts one step off / texts. *Shape:* ``(...)``"""
    return ratio(counts.one_off, counts.n_texts)


METRIC = Metric(off_by_one, for_multilabel=False, needs_order=True, better="share")
