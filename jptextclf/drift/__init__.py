"""Are the texts of now like those that a model was trained on? Tests with their statistics, and a verdict.

Start reading here: the comparison stands in :mod:`~jptextclf.drift.measuring`, what it amounts to without words in
:mod:`~jptextclf.drift.content`, and how it is shown in :mod:`~jptextclf.drift.page`. What a run keeps of its texts is
:mod:`jptextclf.text_profile`.
"""

from jptextclf.drift.content import Drift, Level, Measure
from jptextclf.drift.measuring import compare_profiles

__all__ = ["Drift", "Level", "Measure", "compare_profiles"]
