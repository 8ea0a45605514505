"""Linear heads: logistic regression and a linear support vector machine, learned by scikit-learn, kept as arrays.

It does not know what the features are. Probabilities are plain numpy.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jptextclf.features.ordered import fit_ordered
from jptextclf.features.rows import FeatureRows, folds_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Kind = Literal["logistic", "svm"]
Link = Literal["softmax", "sigmoid"]
STRENGTHS: dict[Kind, tuple[float, ...]] = {
    "logistic": (0.3, 1.0, 3.0, 10.0, 30.0),
    "svm": (0.03, 0.1, 0.3, 1.0, 3.0),
}
"""Inverse strengths of the regularisation (``C`` of scikit-learn) that are tried, for rows of a length of about 1."""
FOLDS = 5
"""Parts of the training texts, each scored by machines that were trained on the others."""
_PASSES = {"logistic": 300, "svm": 1000}
_TOLERANCE = {"logistic": 1e-3, "svm": 1e-2}


@dataclass(frozen=True)
class LinearHead:
    """Scores that are sums over features, and how they become probabilities."""

    center: NDArray[np.float32]
    """Subtracted from dense features.  *Shape:* ``(n_dense,)``"""
    factor: NDArray[np.float32]
    """Then multiplied with them.  *Shape:* ``(n_dense,)``"""
    weights: NDArray[np.float32]
    """*Shape:* ``(n_dense + n_ngrams, n_scores)``; one score for two labels, else one for each label"""
    bias: NDArray[np.float32]
    """*Shape:* ``(n_scores,)``"""
    slope: NDArray[np.float32]
    """Scores are multiplied with it, and ``offset`` is added, before the link (Platt 1999); 1 for a logistic
    regression.  *Shape:* ``(n_scores,)``"""
    offset: NDArray[np.float32]
    """*Shape:* ``(n_scores,)``"""
    link: Link
    is_multilabel: bool

    def __post_init__(self) -> None:
        n_scores = self.weights.shape[1]
        if self.center.shape != self.factor.shape or len(self.weights) < len(self.center):
            raise ValueError(f"{self.weights.shape} weights for {self.center.shape} dense features")
        if any(one.shape != (n_scores,) for one in (self.bias, self.slope, self.offset)):
            raise ValueError(f"{self.bias.shape} biases for {n_scores} scores")

    @property
    def n_labels(self) -> int:
        n_scores = self.weights.shape[1]
        return 2 if n_scores == 1 and not self.is_multilabel else n_scores

    @property
    def width(self) -> int:
        """Features, dense and sparse."""
        return len(self.weights)

    @property
    def n_dense(self) -> int:
        return len(self.center)

    def scores(self, rows: FeatureRows) -> NDArray[np.float32]:
        """*Shape:* ``(texts, n_scores)``"""
        scaled = (rows.dense - self.center) * self.factor
        scores = np.asarray(scaled @ self.weights[: self.n_dense] + self.bias, dtype=np.float32)
        return scores if rows.sparse is None else scores + rows.sparse.dot(self.weights[self.n_dense :])

    def probabilities(self, rows: FeatureRows) -> NDArray[np.float32]:
        """*Shape:* ``(texts, n_labels)``"""
        scores = self.scores(rows).astype(np.float64) * self.slope + self.offset
        return _linked(scores, self.link, is_multilabel=self.is_multilabel)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """By name, for a file."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}

    def facts(self) -> dict[str, Any]:
        """The rest, for JSON."""
        return {"link": self.link, "is_multilabel": self.is_multilabel}

    @classmethod
    def of(cls, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float32]]) -> LinearHead:
        """:raises KeyError, TypeError, ValueError: they do not fit together"""
        named = {
            one.name: arrays[one.name] for one in fields(cls) if one.name not in {"link", "is_multilabel"}
        }
        if facts["link"] not in {"softmax", "sigmoid"}:
            raise ValueError(f"link is {facts['link']!r}")
        return cls(**named, link=facts["link"], is_multilabel=bool(facts["is_multilabel"]))


def _linked(scores: NDArray[np.float64], link: Link, *, is_multilabel: bool) -> NDArray[np.float32]:
    """Probabilities of every label.

    :param scores: *Shape:* ``(texts, n_scores)``
    :returns: *Shape:* ``(texts, n_labels)``
    """
    if link == "softmax":
        return _shares(np.exp(scores - scores.max(axis=1, keepdims=True)))
    found = 1 / (1 + np.exp(-np.clip(scores, -500, 500)))
    if is_multilabel:
        return found.astype(np.float32)
    return _shares(np.concatenate([1 - found, found], axis=1) if found.shape[1] == 1 else found)


def _shares(values: NDArray[np.float64]) -> NDArray[np.float32]:
    shares: NDArray[np.float32] = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


@dataclass(frozen=True)
class LinearProblem:
    """Training texts, scaled and laid out once for every strength that is tried.

    :param matrix: scaled features, dense or sparse.  *Shape:* ``(texts, width)``
    """

    kind: Kind
    matrix: Any
    center: NDArray[np.float32]
    factor: NDArray[np.float32]
    targets: NDArray[Any]
    """Ids ``(texts,)``, or for a multi-label task a 0/1 matrix ``(texts, n_labels)``."""
    n_labels: int
    balanced: bool
    """Whether each label weighs as much as any other."""
    seed: int
    places: NDArray[np.float64] | None = None
    """Of labels that are a scale, on it; None: they are none.  *Shape:* ``(n_labels,)``"""

    @classmethod
    def of(
        cls,
        rows: FeatureRows,
        targets: NDArray[Any],
        *,
        kind: Kind,
        scales: NDArray[np.float32],
        n_labels: int,
        balanced: bool,
        seed: int,
        places: NDArray[np.float64] | None = None,
    ) -> LinearProblem:
        """Scale the features.

        :param scales: standard deviation that each dense feature is given.  *Shape:* ``(n_dense,)``
        :param places: of labels that are a scale; a logistic regression then keeps to it.  *Shape:* ``(n_labels,)``
        """
        center = rows.dense.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = rows.dense.std(axis=0, dtype=np.float64)
        factor = (scales / np.where(deviation > 1e-12, deviation, 1.0)).astype(np.float32)
        scaled = replace(rows, dense=(rows.dense - center) * factor)
        return cls(kind, scaled.matrix(), center, factor, targets, n_labels, balanced, seed, places)

    @property
    def is_multilabel(self) -> bool:
        return self.targets.ndim == 2

    def fit(self, strength: float) -> tuple[LinearHead, bool]:
        """The head for one strength, and whether the solver came to its end."""
        weights, bias, converged = self._machines(np.arange(len(self.targets)), strength)
        n_scores = len(bias)
        as_they_are = np.ones(n_scores, dtype=np.float32), np.zeros(n_scores, dtype=np.float32)
        is_softmax = self.kind == "logistic" and n_scores > 1 and not self.is_multilabel
        head = LinearHead(
            self.center, self.factor, weights, bias, *as_they_are, "softmax" if is_softmax else "sigmoid",
            is_multilabel=self.is_multilabel,
        )  # fmt: skip
        return head, converged

    def calibrated(self, head: LinearHead, strength: float) -> LinearHead:
        """The head with probabilities to believe: a machine's scores are none, those of a logistic regression are."""
        if self.kind == "logistic":
            return head
        slope, offset = self._platt(strength, len(head.bias))
        return replace(head, slope=slope, offset=offset)

    def unseen(self, strength: float) -> NDArray[np.float32]:
        """Scores of every training text by machines that have not seen it.  *Shape:* ``(texts, n_scores)``"""
        folds = folds_of(self.targets, min(FOLDS, len(self.targets)), self.seed)
        parts = []
        for fold in range(int(folds.max()) + 1):
            weights, bias, _ = self._machines(np.flatnonzero(folds != fold), strength)
            parts.append((np.flatnonzero(folds == fold), weights, bias))
        scores = np.zeros((len(self.targets), len(parts[0][2])), dtype=np.float32)
        for outside, weights, bias in parts:
            scores[outside] = self.matrix[outside] @ weights + bias
        return scores

    def unseen_probabilities(self, strength: float) -> NDArray[np.float32]:
        """The same as probabilities, uncalibrated: to compare strengths.  *Shape:* ``(texts, n_labels)``"""
        scores = self.unseen(strength).astype(np.float64)
        link: Link = "sigmoid" if scores.shape[1] == 1 or self.is_multilabel else "softmax"
        return _linked(scores, link, is_multilabel=self.is_multilabel)

    def _platt(self, strength: float, n_scores: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Slope and offset of each score, so that its sigmoid is the share of texts that have the label.

        Platt (1999), on scores of unseen texts, as the margin of a machine is too good on its own.
        """
        from sklearn.linear_model import LogisticRegression

        scores = self.unseen(strength)
        slope, offset = np.ones(n_scores, dtype=np.float32), np.zeros(n_scores, dtype=np.float32)
        for column in range(n_scores):
            has_label = self._has_label(column, n_scores)
            if has_label.min() == has_label.max():
                continue
            fitted = LogisticRegression(C=1e3).fit(scores[:, [column]].astype(np.float64), has_label)
            # A falling sigmoid is noise of very few texts: a higher score never means less.
            if fitted.coef_[0, 0] > 0:
                slope[column], offset[column] = fitted.coef_[0, 0], fitted.intercept_[0]
        return slope, offset

    def _has_label(self, column: int, n_scores: int) -> NDArray[np.bool_]:
        """Which texts have the label of a score."""
        if self.is_multilabel:
            return np.asarray(self.targets[:, column] > 0)
        return np.asarray(self.targets == (1 if n_scores == 1 else column))

    def _machines(
        self, texts: NDArray[np.int64], strength: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
        """Weights ``(width, n_scores)`` and bias ``(n_scores,)``, learned from some of the texts."""
        matrix = self.matrix[texts]
        n_scores = 1 if self.n_labels == 2 and not self.is_multilabel else self.n_labels
        if self.kind == "logistic" and n_scores > 1 and not self.is_multilabel:
            return self._multinomial(matrix, self.targets[texts], strength)
        weights = np.zeros((matrix.shape[1], n_scores), dtype=np.float32)
        bias = np.zeros(n_scores, dtype=np.float32)
        converged = True
        for column in range(n_scores):
            has_label = self._has_label(column, n_scores)[texts]
            if has_label.min() == has_label.max():
                # Laplace: what all of n texts have, the next one has with (n + 1) / (n + 2).
                bias[column] = np.log(len(texts) + 1) * (1 if has_label[0] else -1)
                continue
            machine, done = self._learn(matrix, has_label, strength)
            weights[:, column], bias[column] = machine.coef_[0], machine.intercept_[0]
            converged &= done
        return weights, bias, converged

    def _multinomial(
        self, matrix: Any, targets: NDArray[np.int64], strength: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
        """One softmax over all labels, of which these texts may lack some."""
        present = np.unique(targets)
        if self.places is not None:
            return self._ordered(matrix, targets, strength, self.places)
        weights = np.zeros((matrix.shape[1], self.n_labels), dtype=np.float32)
        # A label that these texts do not have is one that no text has.
        bias = np.full(self.n_labels, -20.0, dtype=np.float32)
        if len(present) == 1:
            bias[present] = 0.0
            return weights, bias, True
        machine, converged = self._learn(matrix, targets, strength)
        if len(present) == 2:
            # Two labels have one score, that of the second against the first.
            weights[:, present[1]], bias[present] = machine.coef_[0], [0.0, machine.intercept_[0]]
        else:
            weights[:, present], bias[present] = machine.coef_.T, machine.intercept_
        return weights, bias, converged

    def _ordered(
        self, matrix: Any, targets: NDArray[np.int64], strength: float, places: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
        """One direction for all labels, of which these texts may lack some."""
        counts = np.bincount(targets, minlength=self.n_labels)
        present = np.flatnonzero(counts)
        weighed = np.ones(len(targets))
        if self.balanced:
            weighed = (len(targets) / (len(present) * np.maximum(counts, 1)))[targets]
        fitted, found, converged = fit_ordered(
            matrix, np.searchsorted(present, targets), places[present], strength=strength, text_weights=weighed,
            passes=_PASSES["logistic"],
        )  # fmt: skip
        weights = np.zeros((matrix.shape[1], self.n_labels), dtype=np.float32)
        bias = np.full(self.n_labels, -20.0, dtype=np.float32)
        weights[:, present], bias[present] = fitted, found
        return weights, bias, converged

    def _learn(self, matrix: Any, targets: NDArray[Any], strength: float) -> tuple[Any, bool]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import LinearSVC

        kind = LogisticRegression if self.kind == "logistic" else LinearSVC
        machine = kind(
            C=strength,
            class_weight="balanced" if self.balanced else None,
            tol=_TOLERANCE[self.kind],
            max_iter=_PASSES[self.kind],
            random_state=self.seed,
        )
        with warnings.catch_warnings():
            # Not lost: n_iter_ says the same, and becomes a note.
            warnings.simplefilter("ignore", ConvergenceWarning)
            machine.fit(matrix, targets)
        return machine, bool(np.max(machine.n_iter_) < _PASSES[self.kind])
