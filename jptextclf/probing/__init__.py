"""Does the label stay where the meaning stays, and turn where it is turned? Texts written in another way, and asked again.

Start reading here: the ways of writing stand in :mod:`~jptextclf.probing.rewriting` and
:mod:`~jptextclf.probing.rephrasing`, the grammar that the second needs in :mod:`~jptextclf.probing.predicates`, and what
becomes of the labels in :mod:`~jptextclf.probing.measuring`. The idea is that of Ribeiro et al., Beyond Accuracy, 2020:
invariance and directional tests.
"""

from jptextclf.probing.measuring import Flip, Probe, Probed, probe_table, run_probe
from jptextclf.probing.transformations import TRANSFORMATIONS, Transformation

__all__ = ["TRANSFORMATIONS", "Flip", "Probe", "Probed", "Transformation", "probe_table", "run_probe"]
