"""What the package does, one function each. Start reading here.

The command line calls these with options of the same names.

==================  ===============================================================
:mod:`.runs`        a run: what it says of texts, loaded from its directory
:mod:`.training`    train
:mod:`.several`     cross-validate, search
:mod:`.judging`     evaluate, explain, report, compare
:mod:`.deciding`    decide: which labels a run gives, and when it asks a person
:mod:`.drifting`    whether texts of now are like those of the training
:mod:`.reviewing`   a sheet of labels that look wrong, and the data with its corrections
:mod:`.files`       predict every row of a file
:mod:`.leaving`     licence verdicts and reports, export, push
==================  ===============================================================
"""

from jptextclf.api.deciding import decide
from jptextclf.api.drifting import check_drift
from jptextclf.api.files import FilePrediction, predict_file
from jptextclf.api.judging import compare, evaluate, explain, report
from jptextclf.api.leaving import export, license_check, license_report, push
from jptextclf.api.reviewing import LabelReview, review_apply, review_export
from jptextclf.api.runs import Data, Run, load
from jptextclf.api.several import cross_validate, search
from jptextclf.api.training import DryRun, train

__all__ = [
    "Data",
    "DryRun",
    "FilePrediction",
    "LabelReview",
    "Run",
    "check_drift",
    "compare",
    "cross_validate",
    "decide",
    "evaluate",
    "explain",
    "export",
    "license_check",
    "license_report",
    "load",
    "predict_file",
    "push",
    "report",
    "review_apply",
    "review_export",
    "search",
    "train",
]
