"""TextClassifier: the same training with scikit-learn's manners.

It does not know files of data: texts and labels come as sequences.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from jptextclf.bundle import Bundle, open_bundle, write_bundle
from jptextclf.config import TrainConfig
from jptextclf.data.loading import load_data
from jptextclf.data.origin import declare
from jptextclf.decisions.answers import read_answers
from jptextclf.errors import ConfigError, DataError
from jptextclf.experiment import prepare, run, training_profile
from jptextclf.exporters import announce
from jptextclf.few_labels import prepare_few, require_free
from jptextclf.messages import text
from jptextclf.prediction import Prediction, Predictor
from jptextclf.progress import Logged, Progress
from jptextclf.text_profile import read_profile
from jptextclf.training import Watchers

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.text_profile import Profile, TrainingWords

_TYPES = {"i": "int", "u": "int", "f": "float", "b": "bool"}
"""Kind of a numpy array of labels -> what its items are."""
_NOT_SETTINGS = {"device", "data_origin", "data_license", "personal_information", "progress"}


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fine-tuned encoder as a scikit-learn classifier.

    Labels may be strings or numbers and come back as they were given; a list of labels for each text, or a 0/1
    matrix, makes the task multi-label. Parameters are those of :class:`jptextclf.config.TrainConfig` and of
    :func:`jptextclf.train`.

    :param progress: told what happens during ``fit``; None logs to ``jptextclf``
    """

    def __init__(
        self,
        *,
        mode: str = "finetune",
        few_shot: bool = False,
        model: str = "builtin",
        dictionary: str | None = None,
        task: str = "auto",
        label_order: Sequence[str] = (),
        max_length: int = 256,
        long_texts: str = "truncate",
        window_overlap: int = 32,
        epochs: int | None = None,
        batch_size: int = 32,
        learning_rate: float | None = None,
        warmup: float = 0.1,
        weight_decay: float = 0.01,
        max_grad_norm: float = 1.0,
        class_weights: str = "none",
        metric: str | None = None,
        patience: int | None = 3,
        validation_fraction: float = 0.1,
        calibrate: bool = True,
        seed: int = 0,
        loss: str = "cross_entropy",
        focal_gamma: float = 2.0,
        label_smoothing: float = 0.0,
        teacher: str | None = None,
        distillation_weight: float = 0.5,
        distillation_temperature: float = 2.0,
        layer_decay: float = 1.0,
        frozen_layers: int = 0,
        lora_rank: int = 0,
        lora_alpha: float | None = None,
        device: str = "auto",
        precision: str = "auto",
        max_tokens: int = 8192,
        gradient_checkpointing: bool = False,
        attention: str = "auto",
        checkpoint_steps: int | None = None,
        trackers: Sequence[str] = (),
        pooling: str = "mean",
        pooled_layers: int | None = None,
        head: str = "logistic",
        extra_columns: Sequence[str] = (),
        ngrams: bool = False,
        use: str | None = None,
        policy: str | None = None,
        data_origin: str | None = None,
        data_license: str | None = None,
        personal_information: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.mode = mode
        self.few_shot = few_shot
        self.model = model
        self.dictionary = dictionary
        self.task = task
        self.label_order = label_order
        self.max_length = max_length
        self.long_texts = long_texts
        self.window_overlap = window_overlap
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.class_weights = class_weights
        self.metric = metric
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.calibrate = calibrate
        self.seed = seed
        self.loss = loss
        self.focal_gamma = focal_gamma
        self.label_smoothing = label_smoothing
        self.teacher = teacher
        self.distillation_weight = distillation_weight
        self.distillation_temperature = distillation_temperature
        self.layer_decay = layer_decay
        self.frozen_layers = frozen_layers
        self.lora_rank = lora_rank
        self.lora_alpha = lora_alpha
        self.device = device
        self.precision = precision
        self.max_tokens = max_tokens
        self.gradient_checkpointing = gradient_checkpointing
        self.attention = attention
        self.checkpoint_steps = checkpoint_steps
        self.trackers = trackers
        self.pooling = pooling
        self.pooled_layers = pooled_layers
        self.head = head
        self.extra_columns = extra_columns
        self.ngrams = ngrams
        self.use = use
        self.policy = policy
        self.data_origin = data_origin
        self.data_license = data_license
        self.personal_information = personal_information
        self.progress = progress

    def fit(
        self,
        X: Sequence[str],  # noqa: N803 - scikit-learn's name
        y: Any,
        columns: Mapping[str, Any] | None = None,
    ) -> TextClassifier:
        """Fine-tune on texts and labels, or with ``mode="features"`` learn a head on the vectors of the texts.

        :param X: texts; a list, array or Series
        :param y: one label a text, a list of labels a text, or a 0/1 matrix ``(texts, n_labels)``
        :param columns: name -> a value for each text, joined to the vectors with ``mode="features"``
        :raises TypeError: an item of ``X`` is not a ``str``
        :raises ValueError: ``X`` and ``y`` differ in length
        :raises ConfigError, DataError, SetupError, WorkError: as :func:`jptextclf.train`
        """
        texts = _texts(X)
        labels, self._originals, shape = _label_names(y)
        self._is_matrix = shape == "matrix"
        if len(texts) != len(labels):
            raise ValueError(f"X has {len(texts)} texts, y has {len(labels)} labels; expected as many")
        settings = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name not in _NOT_SETTINGS - {"device"}
        }
        if shape != "flat" and self.task == "auto":
            settings["task"] = "multilabel"
        config = TrainConfig.from_options(settings)
        origin = declare(
            data_origin=self.data_origin,
            data_license=self.data_license,
            personal_information=self.personal_information,
        )
        show = self.progress or Logged()
        loaded = load_data((texts, labels, columns), origin=origin)
        for line in loaded.summary.lines():
            show.say(line)
        if config.few_shot:
            default = type(self)()
            require_free([name for name, value in settings.items() if value != getattr(default, name)])
        prepared = (prepare_few if config.few_shot else prepare)(loaded.splits, config, progress=show)
        materials = prepared.components(loaded.summary.components)
        announce(materials, name=type(self).__name__, use=config.use, policy=config.policy, progress=show)
        result = run(
            prepared,
            path=Path("memory"),
            data_components=loaded.summary.components,
            data_record=loaded.summary.to_json(),
            watchers=Watchers(show),
        )
        self._take(result.bundle, result.predictor)
        self._answers = result.answers
        self._profile: tuple[Profile, TrainingWords] | None = training_profile(
            prepared, result.answers, result.bundle.thresholds, show
        )
        return self

    def predict(
        self,
        X: Sequence[str],  # noqa: N803 - scikit-learn's name
        columns: Mapping[str, Any] | None = None,
    ) -> NDArray[Any]:
        """The label of each text, in the type that ``fit`` was given.

        :param columns: as for ``fit``, where it had some
        :returns: *Shape:* ``(texts,)``; for a 0/1 matrix ``(texts, n_labels)``; for lists an array of tuples
        """
        prediction = self._predict(X, columns)
        if not prediction.schema.is_multilabel:
            return self.classes_[prediction.label_ids]
        if self._is_matrix:
            # A column without a single 1 in training is no label of the model, but stays a column.
            matrix = np.zeros((len(prediction), len(self._originals)), dtype=np.int64)
            matrix[:, [self._originals[name] for name in prediction.schema.names]] = prediction.label_ids
            return matrix
        rows = np.empty(len(prediction), dtype=object)
        rows[:] = [tuple(self._originals[name] for name in names) for names in prediction.labels]
        return rows

    def predict_proba(
        self,
        X: Sequence[str],  # noqa: N803 - scikit-learn's name
        columns: Mapping[str, Any] | None = None,
    ) -> NDArray[np.float32]:
        """Probabilities in the order of ``classes_``.  *Shape:* ``(texts, n_labels)``"""
        return self._predict(X, columns).probabilities

    def score(
        self,
        X: Sequence[str],  # noqa: N803 - scikit-learn's name
        y: Any,
        sample_weight: Any = None,
        columns: Mapping[str, Any] | None = None,
    ) -> float:
        """Accuracy; for a multi-label task the share of texts with exactly the right labels."""
        prediction = self._predict(X, columns)
        names, _, _ = _label_names(y)
        right = [set(row) == set(wanted) for row, wanted in zip(prediction.labels, names, strict=True)]
        return float(np.average(right, weights=sample_weight))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a run directory: a working copy, marked as not reviewed.

        :raises NotFittedError: ``fit`` was not called
        :raises ConfigError, WorkError: the place cannot be used
        """
        bundle, predictor = self._fitted()
        record = {
            **bundle.record,
            "label_type": _TYPES.get(self.classes_.dtype.kind, "str"),
            "matrix_columns": len(self._originals) if self._is_matrix else None,
        }
        write_bundle(
            replace(bundle, path=Path(path), record=record),
            predictor.classifier,
            predictor.adapter,
            features=predictor.features,
            answers=self._answers,
            profile=self._profile,
            overwrite=overwrite,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "auto") -> TextClassifier:
        """A classifier from a run directory, whether ``save`` or ``jptextclf train`` wrote it.

        :raises SetupError: it is no run directory, or damaged
        """
        bundle = open_bundle(Path(path))
        settings = {
            name: value for name, value in bundle.record["config"].items() if name in cls._get_param_names()
        }
        loaded = cls(**{**settings, "device": device})
        kind = bundle.record.get("label_type", "str")
        n_columns = bundle.record.get("matrix_columns")
        loaded._is_matrix = n_columns is not None
        names = bundle.schema.names if n_columns is None else [str(column) for column in range(n_columns)]
        loaded._originals = {name: _restored(name, kind) for name in names}
        loaded._take(bundle, Predictor.of(bundle, device))
        loaded._answers = read_answers(bundle.path, bundle.schema)
        loaded._profile = read_profile(bundle.path, bundle.schema)
        return loaded

    def _take(self, bundle: Bundle, predictor: Predictor) -> None:
        self.bundle_ = bundle
        self.predictor_ = predictor
        self.classes_ = np.array([self._originals[name] for name in bundle.schema.names])

    def _fitted(self) -> tuple[Bundle, Predictor]:
        if not hasattr(self, "predictor_"):
            raise NotFittedError(text("estimator.not_fitted"))
        return self.bundle_, self.predictor_

    def _predict(self, X: Sequence[str], columns: Mapping[str, Any] | None) -> Prediction:  # noqa: N803
        _, predictor = self._fitted()
        return predictor.predict(_texts(X), columns=columns)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "predictor_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        return tags


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        raise TypeError("X is one str, expected a sequence of them: [text]")
    texts = list(given.tolist() if hasattr(given, "tolist") else given)
    for number, one in enumerate(texts):
        if not isinstance(one, str):
            raise TypeError(f"X[{number}] is {type(one).__name__}, expected str")
    return texts


def _label_names(
    given: Any,
) -> tuple[list[tuple[str, ...]], dict[str, Any], Literal["flat", "lists", "matrix"]]:
    """Labels as names, the original of each name, and the shape in which they were given."""
    if isinstance(given, str):
        raise TypeError("y is one str, expected a sequence of labels")
    rows = given.tolist() if hasattr(given, "tolist") else list(given)
    is_matrix = getattr(given, "ndim", 1) == 2
    if is_matrix:
        rows = [[column for column, value in enumerate(row) if value] for row in rows]
        originals: dict[str, Any] = {str(column): column for column in range(given.shape[1])}
    else:
        originals = {}
    named: list[tuple[str, ...]] = []
    shape: Literal["flat", "lists", "matrix"] = "matrix" if is_matrix else "flat"
    for row in rows:
        if isinstance(row, (list, tuple, set, frozenset)):
            shape = "matrix" if is_matrix else "lists"
            items = tuple(row)
        else:
            items = (row,)
        for item in items:
            # NaN is the one value that differs from itself: how tables spell a missing label.
            if item is None or item != item:
                raise DataError("D038", item=len(named), found=repr(item))
            if originals.setdefault(str(item), item) != item:
                raise ConfigError("U026", first=repr(originals[str(item)]), second=repr(item))
        named.append(tuple(str(item) for item in items))
    return named, originals, shape


def _restored(name: str, kind: str) -> Any:
    """A label in its type: what ``str()`` made of it, read back."""
    if kind == "bool":
        return name == "True"
    return {"int": int, "float": float}.get(kind, str)(name)
