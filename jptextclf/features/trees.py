"""Boosted trees of LightGBM, learned with early stopping, kept in LightGBM's own text format.

It does not know what the features are. LightGBM is the extra ``features``.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jptextclf.features.rows import FeatureRows

ROUNDS = 1000
"""Trees for each label at most."""
PATIENCE = 50
"""Rounds without a better loss on validation before it ends."""
_SETTINGS = {
    # Measured on the vectors of short reviews: 7 leaves are as good as 31 in a third of the time, and a fifth of the
    # features for each tree is better than all.
    "learning_rate": 0.1, "num_leaves": 7, "feature_fraction": 0.2, "bagging_fraction": 0.7, "bagging_freq": 1,
    "lambda_l2": 1.0, "deterministic": True, "force_row_wise": True, "verbosity": -1,
}  # fmt: skip
_LEAST_IN_LEAF = 20


def require_lightgbm() -> None:
    """:raises SetupError: LightGBM is not installed (``JPT-E090``)"""
    if importlib.util.find_spec("lightgbm") is None:
        raise SetupError("E090")


@dataclass(frozen=True)
class TreeHead:
    """One model for all labels, or for a multi-label task one for each."""

    models: tuple[str, ...]
    """In LightGBM's text format."""
    boosters: tuple[Any, ...]
    is_multilabel: bool

    @classmethod
    def of(cls, models: Sequence[str], *, is_multilabel: bool) -> TreeHead:
        """
        :raises SetupError: LightGBM is not installed (``JPT-E090``)
        :raises ValueError: a text is no model
        """
        require_lightgbm()
        import lightgbm

        try:
            boosters = tuple(lightgbm.Booster(model_str=one) for one in models)
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from error
        return cls(tuple(models), boosters, is_multilabel)

    @property
    def n_labels(self) -> int:
        if self.is_multilabel:
            return len(self.boosters)
        return max(2, int(self.boosters[0].num_model_per_iteration()))

    @property
    def width(self) -> int:
        """Features, dense and sparse."""
        return int(self.boosters[0].num_feature())

    def probabilities(self, rows: FeatureRows) -> NDArray[np.float32]:
        """*Shape:* ``(texts, n_labels)``"""
        if not len(rows):
            return np.zeros((0, self.n_labels), dtype=np.float32)
        matrix = rows.matrix()
        found = [np.asarray(one.predict(matrix)) for one in self.boosters]
        if self.is_multilabel:
            return np.stack(found, axis=1).astype(np.float32)
        only = found[0]
        both = np.stack([1 - only, only], axis=1) if only.ndim == 1 else only
        return np.asarray(both, dtype=np.float32)


def fit_trees(
    rows: FeatureRows,
    targets: NDArray[Any],
    validation: FeatureRows,
    validation_targets: NDArray[Any],
    *,
    n_labels: int,
    balanced: bool,
    seed: int,
) -> tuple[TreeHead, tuple[int, ...]]:
    """Trees that stop where the loss on validation is lowest, and how many rounds that were.

    :param targets: ids ``(texts,)``, or for a multi-label task a 0/1 matrix ``(texts, n_labels)``
    :raises SetupError: LightGBM is not installed (``JPT-E090``)
    """
    require_lightgbm()
    matrix, other = rows.matrix(), validation.matrix()
    is_multilabel = targets.ndim == 2
    tasks = (
        list(zip(np.ascontiguousarray(targets.T), np.ascontiguousarray(validation_targets.T), strict=True))
        if is_multilabel
        else [(targets, validation_targets)]
    )
    found = [
        _boost(matrix, wanted, other, wanted_there, n_labels=2 if is_multilabel else n_labels, balanced=balanced, seed=seed)
        for wanted, wanted_there in tasks
    ]  # fmt: skip
    head = TreeHead.of([model for model, _ in found], is_multilabel=is_multilabel)
    return head, tuple(rounds for _, rounds in found)


def _boost(
    matrix: Any,
    targets: NDArray[Any],
    validation: Any,
    validation_targets: NDArray[Any],
    *,
    n_labels: int,
    balanced: bool,
    seed: int,
) -> tuple[str, int]:
    import lightgbm

    kind = {"objective": "multiclass", "num_class": n_labels} if n_labels > 2 else {"objective": "binary"}
    # With very few texts no leaf could be split.
    least = max(1, min(_LEAST_IN_LEAF, len(targets) // 20))
    settings = {**_SETTINGS, **kind, "min_data_in_leaf": least, "seed": seed % 2**31}
    train = lightgbm.Dataset(
        matrix, targets, weight=_weights(targets) if balanced else None, params={"verbosity": -1}
    )
    there = lightgbm.Dataset(validation, validation_targets, reference=train, params={"verbosity": -1})
    booster = lightgbm.train(
        settings,
        train,
        num_boost_round=ROUNDS,
        valid_sets=[there],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    best = max(1, int(booster.best_iteration))
    return booster.model_to_string(num_iteration=best), best


def _weights(targets: NDArray[Any]) -> NDArray[np.float64]:
    """``texts / (labels * texts with it)`` for each text."""
    _, which, counts = np.unique(targets, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = len(targets) / (len(counts) * counts[which])
    return weights
