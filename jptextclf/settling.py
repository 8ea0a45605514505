"""What a trained classifier says of the texts that it is judged by, after validation has settled temperatures and thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.calibration import Reliability, fit_temperatures, reliability_of, rescaled
from jptextclf.decisions.answers import Answers
from jptextclf.decisions.tuning import for_f1
from jptextclf.frozen import FrozenHistory
from jptextclf.messages import listing, text
from jptextclf.model import divide_logits
from jptextclf.progress import phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from jptextclf.data.examples import Split
    from jptextclf.experiment import Prepared
    from jptextclf.labels import LabelSchema
    from jptextclf.prediction import Prediction
    from jptextclf.progress import Progress
    from jptextclf.training import History


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of the training texts that take the place of a validation split where no text can be spared for one."""

    probabilities: NDArray[np.float32]
    """Of each text by a model that has not seen it.  *Shape:* ``(texts, n_labels)``"""
    folds: NDArray[np.int64]
    """Texts with the same number were predicted by the same model.  *Shape:* ``(texts,)``"""

    def label_ids(self, schema: LabelSchema, references: NDArray[Any]) -> NDArray[Any]:
        """The labels of each text, by thresholds that the texts of the other folds chose.

        :param references: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)``
        """
        found = np.zeros_like(references)
        for number in np.unique(self.folds):
            held = self.folds == number
            others, some = (
                Answers(schema, self.probabilities[one], references[one]) for one in (~held, held)
            )
            found[held] = for_f1(others).given(some)
        return found


@dataclass(frozen=True)
class Settled:
    """What a trained classifier says, after validation has settled temperatures and thresholds."""

    predictions: dict[Split, Prediction]
    thresholds: tuple[float, ...]
    temperatures: tuple[float, ...]
    """What its logits were divided by; empty where they were not."""
    uncalibrated: Mapping[Split, NDArray[np.float32]] = field(default_factory=dict)
    """Split -> probabilities before that."""
    before: Reliability | None = None
    """Of the validation texts, before that."""
    after: Reliability | None = None

    def calibration(self) -> dict[str, Any] | None:
        """For the record of a run."""
        if self.before is None or self.after is None:
            return None
        figures = {"before": self.before.to_json(), "after": self.after.to_json()}
        return {"temperatures": list(self.temperatures), "fitted_on": "validation", **figures}


def predict_splits(prepared: Prepared, history: History | FrozenHistory, progress: Progress) -> Settled:
    """What a trained classifier says about validation and test, calibrated and with thresholds that validation chose.

    Of a fine-tuned classifier the last layer is divided by the temperatures.
    """
    settled = Settled(_predict(prepared, history, progress), (), ())
    if prepared.config.calibrate and not isinstance(history, FrozenHistory):
        settled = _calibrated(prepared, settled.predictions, progress)
    thresholds = _thresholds(prepared, settled.predictions["validation"], progress)
    chosen = np.array(thresholds, dtype=np.float32)
    final = {name: replace(one, thresholds=chosen) for name, one in settled.predictions.items()}
    if prepared.out_of_fold is not None:
        given = prepared.out_of_fold.label_ids(prepared.schema, prepared.encoded["validation"].targets)
        final["validation"] = replace(final["validation"], fixed_ids=given)
    return replace(settled, predictions=final, thresholds=thresholds)


def _calibrated(prepared: Prepared, predictions: dict[Split, Prediction], progress: Progress) -> Settled:
    is_multilabel = prepared.schema.is_multilabel
    validation, targets = predictions["validation"], prepared.encoded["validation"].targets
    temperatures = fit_temperatures(validation.probabilities, targets, is_multilabel=is_multilabel)
    divide_logits(prepared.classifier, temperatures)
    scaled = {
        name: replace(
            one, probabilities=rescaled(one.probabilities, temperatures, is_multilabel=is_multilabel)
        )
        for name, one in predictions.items()
    }
    before, after = (
        reliability_of(one["validation"].probabilities, targets, is_multilabel=is_multilabel)
        for one in (predictions, scaled)
    )
    names = prepared.schema.names if is_multilabel else (text("train.temperature"),)
    said = listing(f"{name} {value:.2f}" for name, value in zip(names, temperatures, strict=True))
    progress.say(
        text("train.calibrated", n=len(validation), temperatures=said, before=before.ece, after=after.ece)
    )
    unscaled = {name: one.probabilities for name, one in predictions.items()}
    return Settled(scaled, (), tuple(float(one) for one in temperatures), unscaled, before, after)


def _thresholds(prepared: Prepared, validation: Prediction, progress: Progress) -> tuple[float, ...]:
    """For a multi-label task the probability of each label that gives the best F1 on validation."""
    if not prepared.schema.is_multilabel:
        return (0.5,) * prepared.schema.n_labels
    answers = Answers(prepared.schema, validation.probabilities, prepared.encoded["validation"].targets)
    chosen = for_f1(answers).thresholds
    names = (f"{name} {value:.2f}" for name, value in zip(prepared.schema.names, chosen, strict=True))
    progress.say(text("train.thresholds", thresholds=listing(names, 20)))
    return chosen


def _predict(
    prepared: Prepared, history: History | FrozenHistory, progress: Progress
) -> dict[Split, Prediction]:
    """What the trained classifier says about validation and test, in float32."""
    predictor = prepared.predictor()
    found: dict[Split, Prediction] = {}
    names = [name for name in prepared.splits if name != "train"]
    if prepared.out_of_fold is not None:
        names.remove("validation")
        found["validation"] = predictor.of_probabilities(
            prepared.splits["validation"].texts, prepared.encoded["validation"].texts.truncated, prepared.out_of_fold.probabilities,
        )  # fmt: skip
    if isinstance(history, FrozenHistory):
        for name in names:
            examples = prepared.splits[name]
            found[name] = predictor.from_vectors(
                history.model, examples.texts, history.vectors[name], examples.columns,
                prepared.encoded[name].texts.truncated,
            )  # fmt: skip
        return found
    texts = {name: prepared.splits[name].texts for name in names}
    with phase(progress, text("train.phase_evaluate"), sum(len(one) for one in texts.values())):
        return {
            **found,
            **{name: predictor.predict(some, progress=progress) for name, some in texts.items()},
        }
