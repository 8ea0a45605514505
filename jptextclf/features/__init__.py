"""Frozen encoder: vectors computed once, joined with columns and n-grams, and a cheap head on top.

``columns`` turns cells into numbers, ``cache`` keeps vectors, ``rows`` lays features side by side, ``linear`` and
``trees`` learn, ``fitting`` chooses, and ``model`` is what a run keeps.
"""

from jptextclf.features.cache import VectorCache, key_of
from jptextclf.features.fitting import Fitted, Known, fit
from jptextclf.features.model import FeatureModel, Pooled, files_of, is_head_file, require_columns
from jptextclf.features.trees import require_lightgbm

__all__ = [
    "FeatureModel", "Fitted", "Known", "Pooled", "VectorCache", "files_of", "fit", "is_head_file", "key_of", "require_columns", "require_lightgbm",
]  # fmt: skip
