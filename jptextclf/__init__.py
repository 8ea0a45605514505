"""jptextclf: Japanese-first text classification, from a spreadsheet of reviews to a classifier.

Names are imported when first asked for, so that ``import jptextclf`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jptextclf.api import (
        DryRun,
        FilePrediction,
        LabelReview,
        Run,
        compare,
        cross_validate,
        decide,
        evaluate,
        explain,
        export,
        license_check,
        license_report,
        load,
        predict_file,
        push,
        report,
        review_apply,
        review_export,
        search,
        train,
    )
    from jptextclf.cross_validation import CrossValidation
    from jptextclf.drift import Drift
    from jptextclf.errors import ConfigError, DataError, JptextclfError, LicenseError, SetupError, WorkError
    from jptextclf.estimator import TextClassifier
    from jptextclf.preparing import check_data, fix_data, split_data
    from jptextclf.run_comparison import RunComparison
    from jptextclf.searching import SearchResult

__version__ = "0.1.0"

_HOMES = {
    "CrossValidation": "cross_validation",
    "Drift": "drift",
    "DryRun": "api",
    "FilePrediction": "api",
    "LabelReview": "api",
    "Run": "api",
    "RunComparison": "run_comparison",
    "SearchResult": "searching",
    "TextClassifier": "estimator",
    "check_data": "preparing",
    "check_drift": "api",
    "compare": "api",
    "cross_validate": "api",
    "decide": "api",
    "evaluate": "api",
    "explain": "api",
    "export": "api",
    "fix_data": "preparing",
    "license_check": "api",
    "license_report": "api",
    "load": "api",
    "predict_file": "api",
    "push": "api",
    "report": "api",
    "review_apply": "api",
    "review_export": "api",
    "search": "api",
    "split_data": "preparing",
    "train": "api",
    "ConfigError": "errors",
    "DataError": "errors",
    "JptextclfError": "errors",
    "LicenseError": "errors",
    "SetupError": "errors",
    "WorkError": "errors",
}

__all__ = [
    "ConfigError",
    "CrossValidation",
    "DataError",
    "Drift",
    "DryRun",
    "FilePrediction",
    "JptextclfError",
    "LabelReview",
    "LicenseError",
    "Run",
    "RunComparison",
    "SearchResult",
    "SetupError",
    "TextClassifier",
    "WorkError",
    "__version__",
    "check_data",
    "check_drift",
    "compare",
    "cross_validate",
    "decide",
    "evaluate",
    "explain",
    "export",
    "fix_data",
    "license_check",
    "license_report",
    "load",
    "predict_file",
    "push",
    "report",
    "review_apply",
    "review_export",
    "search",
    "split_data",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
