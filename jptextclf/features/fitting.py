"""Vectors, columns and n-grams of labelled texts -> a FeatureModel: every choice that the data make.

It does not know encoders, files, nor how a model is scored; a function is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.features.columns import ColumnEncoder
from jptextclf.features.linear import STRENGTHS, LinearHead, LinearProblem
from jptextclf.features.model import FeatureModel, Pooled, feature_rows
from jptextclf.features.trees import TreeHead, fit_trees
from jptextclf.messages import text
from jptextclf.ngrams import CharacterNgrams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.config import TrainConfig
    from jptextclf.features.rows import FeatureRows
    from jptextclf.progress import Progress

    Measure = Callable[[NDArray[np.float32], NDArray[Any]], float]
    """Probabilities and targets -> a score; higher is better."""

MAX_NGRAMS = {"logistic": 200_000, "svm": 200_000, "lightgbm": 3_000}
"""The most frequent n-grams that are joined. Trees look at each feature alone, and many rare ones only cost time."""
LEAST_TEXTS = 2
"""Texts that an n-gram must stand in: half the file, and as good on reviews as all n-grams."""
BESIDE_NGRAMS = 0.5
"""Length of a text's standardised vector beside its n-grams, whose length is 1; 0.3 to 1 are as good on reviews."""
FEW = 200
"""Validation texts below which the strength is chosen on the training texts instead, where these are no more than
:data:`MANY`."""
MANY = 5_000


@dataclass(frozen=True)
class Known:
    """What is known of the texts of one split."""

    vectors: NDArray[np.float32]
    """*Shape:* ``(texts, layers * width)``"""
    texts: Sequence[str]
    cells: Mapping[str, Sequence[str]]
    """Column -> its cells."""
    targets: NDArray[Any]
    """Ids ``(texts,)``, or for a multi-label task a 0/1 matrix ``(texts, n_labels)``."""


@dataclass(frozen=True)
class Fitted:
    """A model and how it came to be."""

    model: FeatureModel
    record: dict[str, Any]
    """For the run's record."""


def fit(
    train: Known,
    validation: Known,
    *,
    pooled: Pooled,
    config: TrainConfig,
    n_labels: int,
    measure: Measure,
    progress: Progress,
    places: NDArray[np.float64] | None = None,
    by_folds: bool = False,
) -> Fitted:
    """Learn a head on features.

    :param measure: which head is better
    :param places: of labels that are a scale, on it, which a logistic regression keeps to.  *Shape:* ``(n_labels,)``
    :param by_folds: the validation texts are those of the training, so that nothing is chosen by them but in folds
    :raises DataError: a column has no use (``JPT-D063``, ``JPT-D065``)
    :raises SetupError: LightGBM is not installed (``JPT-E090``)
    """
    columns, notes = ColumnEncoder.fit(train.cells)
    for column in columns.columns:
        progress.say(column.describe())
    for note in notes:
        progress.warn(note)
    ngrams = None
    if config.ngrams:
        ngrams = CharacterNgrams.fit(
            train.texts, max_features=MAX_NGRAMS[config.head], least_texts=LEAST_TEXTS, seed=config.seed
        )
        progress.say(text("features.ngrams", n=len(ngrams.terms)))
    rows, _ = feature_rows(columns, ngrams, train.vectors, train.texts, train.cells)
    there, odd = feature_rows(columns, ngrams, validation.vectors, validation.texts, validation.cells)
    for note in columns.notes(odd, len(there)):
        progress.warn(note)
    if places is not None and config.head != "logistic":
        progress.say(text("features.order_unused", head=config.head))
    head: LinearHead | TreeHead
    if config.head == "lightgbm":
        head, rounds = fit_trees(
            rows, train.targets, there, validation.targets,
            n_labels=n_labels, balanced=config.class_weights == "balanced", seed=config.seed,
        )  # fmt: skip
        progress.say(text("features.rounds", n=", ".join(map(str, rounds))))
        record: dict[str, Any] = {"rounds": list(rounds)}
    else:
        scales = _scales(train.vectors.shape[1], columns, with_ngrams=ngrams is not None)
        problem = LinearProblem.of(
            rows, train.targets, kind=config.head, scales=scales, n_labels=n_labels,
            balanced=config.class_weights == "balanced", seed=config.seed, places=places,
        )  # fmt: skip
        head, record = _choose(problem, there, validation.targets, measure, progress, by_folds=by_folds)
    model = FeatureModel(pooled, train.vectors.shape[1], columns, ngrams, head)
    return Fitted(model, {"mode": "features", "head": config.head, **_sizes(model), **record})


def unseen_probabilities(train: Known, *, config: TrainConfig, n_labels: int) -> NDArray[np.float32]:
    """Of each text the probabilities by a linear head that has not seen it, of the strength that makes them most likely.

    :returns: *Shape:* ``(texts, n_labels)``
    :raises DataError: a column has no use (``JPT-D063``, ``JPT-D065``)
    """
    columns, _ = ColumnEncoder.fit(train.cells)
    ngrams = None
    if config.ngrams:
        ngrams = CharacterNgrams.fit(
            train.texts, max_features=MAX_NGRAMS["logistic"], least_texts=LEAST_TEXTS, seed=config.seed
        )
    rows, _ = feature_rows(columns, ngrams, train.vectors, train.texts, train.cells)
    problem = LinearProblem.of(
        rows, train.targets, kind="logistic", scales=_scales(train.vectors.shape[1], columns, with_ngrams=ngrams is not None),
        n_labels=n_labels, balanced=False, seed=config.seed,
    )  # fmt: skip
    best, best_loss = None, np.inf
    for strength in STRENGTHS["logistic"]:
        found = problem.unseen_probabilities(strength)
        loss = _log_loss(found, train.targets)
        if loss >= best_loss:
            # It falls and rises once, and the weakest regularisation takes the longest.
            break
        best, best_loss = found, loss
    if best is None:
        raise ValueError(f"probabilities of {len(train.texts)} texts have no finite log loss")
    return best


def _log_loss(probabilities: NDArray[np.float32], targets: NDArray[Any]) -> float:
    values = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    if targets.ndim == 2:
        return float(-np.where(targets > 0, np.log(values), np.log1p(-values)).mean())
    return float(-np.log(values[np.arange(len(targets)), targets]).mean())


def _sizes(model: FeatureModel) -> dict[str, Any]:
    return {
        **vars(model.pooled),
        "n_vector_features": model.width,
        "n_column_features": model.columns.width,
        "n_ngrams": 0 if model.ngrams is None else len(model.ngrams.terms),
        "columns": {one.name: one.kind for one in model.columns.columns},
    }


def _scales(n_vector: int, columns: ColumnEncoder, *, with_ngrams: bool) -> NDArray[np.float32]:
    """Standard deviations that make a text's vector, and its columns together, about as long as its n-grams are."""
    length = BESIDE_NGRAMS if with_ngrams else 1.0
    vector = np.full(n_vector, length / np.sqrt(n_vector))
    others = np.full(columns.width, 1 / np.sqrt(max(1, len(columns.columns))))
    return np.concatenate([vector, others]).astype(np.float32)


def _choose(
    problem: LinearProblem,
    there: FeatureRows,
    targets: NDArray[Any],
    measure: Measure,
    progress: Progress,
    *,
    by_folds: bool,
) -> tuple[LinearHead, dict[str, Any]]:
    """The head of the best strength, and of labels that are a scale of the better shape."""
    shapes = [problem] if problem.places is None else [problem, replace(problem, places=None)]
    found = [_of_shape(one, there, targets, measure, by_folds=by_folds) for one in shapes]
    # Not by the metric: kappa rewards guesses at both ends where the middle is another kind of text. Of equal ones the
    # scale, which has fewer weights.
    best = min(found, key=lambda one: one.log_loss)
    if not best.converged:
        progress.warn(text("features.not_converged"))
    progress.say(
        text(f"features.chosen_on_{best.chosen_on}", strength=best.strength, value=f"{best.value:.4f}")
    )
    record = best.record
    if problem.places is not None:
        keeps = best is found[0]
        record = {**record, "keeps_scale": keeps}
        said = {"kept": found[0].log_loss, "free": found[1].log_loss}
        progress.say(text("features.keeps_scale" if keeps else "features.leaves_scale", **said))
    return problem.calibrated(best.head, best.strength), record


@dataclass(frozen=True)
class _Tried:
    """The head of the best strength."""

    head: LinearHead
    converged: bool
    strength: float
    value: float
    log_loss: float
    """Of the texts that the strength was chosen on."""
    chosen_on: str
    record: dict[str, Any]


def _of_shape(
    problem: LinearProblem, there: FeatureRows, targets: NDArray[Any], measure: Measure, *, by_folds: bool
) -> _Tried:
    """The best strength, of labels that keep to their scale or do not; of equal ones the strongest regularisation."""
    by_folds = by_folds or (len(targets) < FEW and len(problem.targets) <= MANY)
    tried: dict[float, float] = {}
    losses: dict[float, float] = {}
    heads: dict[float, tuple[LinearHead, bool]] = {}
    for strength in STRENGTHS[problem.kind]:
        if by_folds:
            unseen = problem.unseen_probabilities(strength)
            tried[strength] = measure(unseen, problem.targets)
            losses[strength] = _log_loss(unseen, problem.targets)
            continue
        heads[strength] = problem.fit(strength)
        guesses = heads[strength][0].probabilities(there)
        tried[strength] = measure(guesses, targets)
        losses[strength] = _log_loss(guesses, targets)
        # On many texts the value rises and falls once, and the weakest regularisation takes the longest.
        if tried[strength] < max(tried.values()):
            break
    best = max(tried, key=lambda one: (tried[one], -one))
    head, converged = heads[best] if best in heads else problem.fit(best)
    chosen_on = "folds" if by_folds else "validation"
    record = {
        "strength": best,
        "chosen_on": chosen_on,
        "tried": [{"strength": one, "value": round(value, 6)} for one, value in tried.items()],
    }
    return _Tried(head, converged, best, tried[best], losses[best], chosen_on, record)
