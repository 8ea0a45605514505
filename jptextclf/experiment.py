"""One training from labelled examples to a finished bundle: the whole recipe, in order.

It does not know files: examples come in, a classifier with its record goes out. The steps are those of
:func:`prepare` (what can be checked before any work), :func:`preview` and :func:`run`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import platform
import time
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jptextclf import baselines, frozen, parameters
from jptextclf.adapters import TokenizerAdapter, choose_adapter, open_adapter
from jptextclf.bundle import Bundle
from jptextclf.data.splits import split_train
from jptextclf.data.votes import shares_of
from jptextclf.decisions.answers import Answers
from jptextclf.decisions.thresholds import best_thresholds
from jptextclf.devices import peak_memory
from jptextclf.distillation import Teacher
from jptextclf.encoders import EncoderFiles, resolve_encoder
from jptextclf.errors import ConfigError
from jptextclf.evaluation import Evaluation, choosing_metrics, default_metric, metric_value, score
from jptextclf.frozen import FrozenHistory
from jptextclf.guard import require_fit
from jptextclf.labels import LabelSchema, look_ordered
from jptextclf.licensing.software import TRAINING_PACKAGES, software_components
from jptextclf.long_texts import EncodedTexts, encode_texts, limit_of
from jptextclf.losses import check_losses
from jptextclf.messages import listing, text
from jptextclf.model import Classifier, build_classifier, check_fit
from jptextclf.ordinal import merge_order, order_head
from jptextclf.prediction import Prediction, Predictor
from jptextclf.progress import phase
from jptextclf.run_lock import make_lock
from jptextclf.settling import OutOfFold, predict_splits
from jptextclf.stepping import LabelledTexts, Plan, Stepper
from jptextclf.text_profile import (
    MOST_TEXTS,
    MOST_TEXTS_OF_WORDS,
    Profile,
    TrainingWords,
    every_nth,
    profile_of,
)
from jptextclf.training import History, Watchers, fine_tune, make_plan, own_random_numbers
from jptextclf.vote_scores import vote_scores
from jptextclf.world import ALONE, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jptextclf.checkpoints import Checkpoint, Checkpoints
    from jptextclf.config import TrainConfig
    from jptextclf.data.examples import Examples, Split
    from jptextclf.features import FeatureModel
    from jptextclf.licensing import Component
    from jptextclf.progress import Progress


FREE_SETTINGS = {
    "device", "precision", "attention", "max_tokens", "gradient_checkpointing", "checkpoint_steps", "trackers", "use",
    "policy",
}  # fmt: skip
"""Settings that may change when a training goes on."""
_TEXTS_AT_ONCE = 4096
"""Texts tokenised between two signs of life."""


@dataclass(frozen=True)
class Prepared:
    """Everything decided and checked; nothing trained."""

    config: TrainConfig
    schema: LabelSchema
    splits: Mapping[Split, Examples]
    """``train``, ``validation`` and, where given, ``test``."""
    held_out: bool
    """Whether validation was taken out of the training texts."""
    encoder: EncoderFiles
    adapter: TokenizerAdapter
    encoded: Mapping[Split, LabelledTexts]
    classifier: Classifier
    plan: Plan
    seconds: dict[str, float]
    teacher: Teacher | None = None
    out_of_fold: OutOfFold | None = None
    """Where the training texts are their own validation split: what models that have not seen them say."""
    few_labels: Mapping[str, Any] | None = None
    """For the record of a run: what was tried where there are few labels."""

    def identity(self) -> dict[str, Any]:
        """What must be the same for an interrupted training to go on: settings that change the result, and everything
        that was read, tokenized, as hashes. Free to change: where and how fast it is computed.
        """
        settings = {name: value for name, value in self.config.to_json().items() if name not in FREE_SETTINGS}
        return {
            "settings": {**settings, "model": self.encoder.name},
            "labels": self.schema.to_json(),
            "encoder": self.encoder.sha256,
            "adapter": {"name": self.adapter.name, "options": self.adapter.info().options},
            "texts": {
                name: {"n": len(split), "sha256": _fingerprint(split)} for name, split in self.encoded.items()
            },
            "epochs": self.plan.epochs,
            "learning_rate": self.plan.learning_rate,
        }

    def predictor(
        self, thresholds: Sequence[float] | None = None, features: FeatureModel | None = None
    ) -> Predictor:
        """The classifier as it is now, ready for texts."""
        return Predictor(
            self.classifier,
            self.adapter,
            self.schema,
            thresholds=None if thresholds is None else np.array(thresholds, dtype=np.float32),
            max_length=self.config.max_length,
            long_texts=self.config.long_texts,
            window_overlap=self.config.window_overlap,
            device=self.plan.device,
            features=features,
        )

    def components(self, data: Sequence[Component]) -> tuple[Component, ...]:
        """What the model is made from, with these data: known before anything is trained."""
        encoder = self.encoder.component
        if self.config.mode == "features":
            encoder = replace(encoder, relation="features-from")
        teacher = () if self.teacher is None else self.teacher.components()
        return (
            encoder,
            self.encoder.tokenizer_component,
            *self.adapter.components(),
            *data,
            # The same data under another declaration stay beside it: what one says, the other may not.
            *(one for one in teacher if one not in data),
            *self._software,
        )

    @cached_property
    def _software(self) -> list[Component]:
        """Reading what the packages say takes seconds, and it is asked for twice."""
        return software_components(self.packages())

    def head_files(self) -> tuple[str, ...]:
        """Files of a run with a frozen encoder, beside those of every run."""
        return frozen.head_files(self.config, self.schema) if self.config.mode == "features" else ()

    def packages(self) -> tuple[str, ...]:
        """What it is trained with."""
        return (*TRAINING_PACKAGES, *self.adapter.software, *frozen.packages(self.config))


@dataclass(frozen=True)
class Preview:
    """What a training would cost, from a few real steps."""

    steps: int
    step_seconds: float
    total_seconds: float
    """Training and the evaluation after each epoch."""
    peak_bytes: int | None
    """Of the GPU's tensors, or of the process on a CPU; None where it cannot be known."""

    def to_json(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "step_seconds": round(self.step_seconds, 4),
            "total_seconds": round(self.total_seconds, 1),
            "peak_bytes": self.peak_bytes,
        }


@dataclass(frozen=True)
class Judged:
    """The texts that a finished training is judged by, and what its model says of them."""

    split: Split
    examples: Examples
    references: NDArray[Any]
    """Ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)`` for a multi-label task."""
    prediction: Prediction
    evaluation: Evaluation
    uncalibrated: NDArray[np.float32] | None = None
    """Probabilities before they were calibrated, where that was done."""


@dataclass(frozen=True)
class Result:
    """A trained classifier and its record, ready to be written."""

    bundle: Bundle
    predictor: Predictor
    comparison: baselines.Comparison
    judged: Judged
    answers: Mapping[str, Answers]
    """Split -> what the classifier says of the texts that it is judged by."""


def prepare(
    splits: Mapping[Split, Examples], config: TrainConfig, *, progress: Progress, world: World = ALONE
) -> Prepared:
    """Decide and check everything that can be before training.

    :param splits: ``train``, and ``validation`` and ``test`` where they are given; all with labels
    :raises ConfigError, DataError, SetupError: what the steps raise
    """
    seconds: dict[str, float] = {}
    schema = LabelSchema.infer(splits["train"].labels or [], config.task, config.label_order)
    if config.task == "auto" and not schema.is_multilabel and look_ordered(schema.names):
        progress.say(text("train.look_ordered", names=listing(schema.names)))
    _check_metric(config.metric, schema)
    frozen.check_mode(config, splits["train"].columns, n_processes=world.size)
    check_losses(config, has_votes=splits["train"].votes is not None)
    teacher = None if config.teacher is None else Teacher.open(config.teacher, schema)
    with_validation, held_out = _with_validation(splits, config, progress)
    encoder = resolve_encoder(config.model, progress=progress)
    for note in encoder.notes:
        progress.say(note)
    choice = choose_adapter(encoder.directory, encoder.card, dictionary=config.dictionary)
    for note in choice.notes:
        progress.warn(note)
    adapter = open_adapter(encoder.directory, name=choice.name, options=choice.options)
    for finding in require_fit(encoder, adapter):
        progress.warn(finding.found)
    classifier = build_classifier(
        encoder, schema, seed=config.seed, first_position=adapter.info().first_position
    )
    check_fit(classifier, adapter.info(), path=encoder.directory, max_length=config.max_length)
    adapt(classifier, config, schema)
    plan = make_plan(
        config,
        metric=default_metric(schema),
        n_texts=len(with_validation["train"]),
        width=classifier.width,
        world=world,
    )
    if config.mode == "features":
        plan = frozen.without_steps(plan, config)
    started = time.monotonic()
    with phase(progress, text("train.phase_tokenize"), sum(map(len, with_validation.values()))):
        encoded = {
            name: encode_examples(
                # Votes for texts of another file are shown in the report, and nothing is learned from them.
                examples if name == "train" or held_out else replace(examples, votes=None),
                adapter=adapter,
                schema=schema,
                config=config,
                progress=progress,
            )
            for name, examples in with_validation.items()
        }
    seconds["tokenize"] = time.monotonic() - started
    _warn_of_lost_text(encoded, config, progress)
    return Prepared(
        config,
        schema,
        with_validation,
        held_out,
        encoder,
        adapter,
        encoded,
        classifier,
        plan,
        seconds,
        teacher,
    )


def adapt(classifier: Classifier, config: TrainConfig, schema: LabelSchema) -> None:
    """Decide which parameters are trained, and how their gradients are computed."""
    if schema.is_ordinal and config.mode == "finetune":
        order_head(classifier)
    if config.frozen_layers:
        parameters.freeze_lower_layers(classifier, config.frozen_layers)
    if config.lora_rank:
        alpha = 2.0 * config.lora_rank if config.lora_alpha is None else config.lora_alpha
        parameters.add_lora(classifier, rank=config.lora_rank, alpha=alpha, seed=config.seed)
    if config.gradient_checkpointing:
        parameters.enable_gradient_checkpointing(classifier)


def encode_examples(
    examples: Examples,
    *,
    adapter: TokenizerAdapter,
    schema: LabelSchema,
    config: TrainConfig,
    progress: Progress,
) -> LabelledTexts:
    """One split as the encoder sees it."""
    # First, since votes that do not fit the task are found here.
    soft = None if examples.votes is None else shares_of(examples.votes, schema, rows=examples.rows)
    parts = []
    for start in range(0, len(examples), _TEXTS_AT_ONCE):
        some = examples.texts[start : start + _TEXTS_AT_ONCE]
        parts.append(
            encode_texts(
                adapter,
                some,
                max_length=config.max_length,
                long_texts=config.long_texts,
                window_overlap=config.window_overlap,
            )
        )
        progress.advance(len(some))
    return LabelledTexts(
        EncodedTexts.concatenate(parts),
        schema.encode(examples.labels or [], numbers=examples.rows),
        np.array(examples.rows, dtype=np.int64),
        soft,
    )


def preview(prepared: Prepared, *, steps: int = 3, world: World = ALONE) -> Preview:
    """Measure a few real steps, after one that warms up; the prepared classifier is used up by it."""
    if prepared.config.mode == "features":
        each, total = frozen.seconds_for(prepared)
        return Preview(0, each, total, peak_memory(prepared.plan.device))
    train = prepared.encoded["train"]
    rng = np.random.default_rng(prepared.config.seed)
    size = min(prepared.config.batch_size, len(train))
    batches = [rng.choice(len(train), size, replace=False).astype(np.int64) for _ in range(steps + 1)]
    with own_random_numbers(prepared.plan.device):
        stepper = Stepper(prepared.classifier, train, plan=prepared.plan, config=prepared.config, world=world)
        stepper.step(batches[0])
        started = time.monotonic()
        for batch in batches[1:]:
            stepper.step(batch)
        step_seconds = (time.monotonic() - started) / steps
    # A forward pass is a third of a step's work: one forward, two backward.
    per_text = step_seconds / size / 3
    evaluation = per_text * len(prepared.encoded["validation"]) * prepared.plan.epochs
    return Preview(
        steps=prepared.plan.total_steps,
        step_seconds=step_seconds,
        total_seconds=step_seconds * prepared.plan.total_steps + evaluation,
        peak_bytes=peak_memory(prepared.plan.device),
    )


def run(
    prepared: Prepared,
    *,
    path: Path,
    data_components: list[Component],
    data_record: dict[str, Any],
    watchers: Watchers,
) -> Result:
    """:func:`fit` and :func:`finish` in one process, without checkpoints."""
    history = fit(prepared, watchers=watchers)
    return finish(
        prepared, history, path=path, data_components=data_components, data_record=data_record,
        progress=watchers.progress,
    )  # fmt: skip


def fit(
    prepared: Prepared,
    *,
    watchers: Watchers,
    checkpoints: Checkpoints | None = None,
    resume: Checkpoint | None = None,
    world: World = ALONE,
) -> History | FrozenHistory:
    """Train: afterwards the prepared classifier is the trained one, or what was learned on its vectors is returned.

    :param checkpoints: where the state of the training is saved while it runs; None: nowhere
    :param resume: state to go on from
    :param world: the processes that train together
    """
    if prepared.config.mode == "features":
        return frozen.fit_frozen(
            prepared,
            measure=lambda scores, targets: _measure(prepared.schema, targets, prepared.plan.metric)(scores),
            progress=watchers.progress,
        )
    train = _taught(prepared, watchers.progress)
    started = time.monotonic()
    history = fine_tune(
        prepared.classifier,
        train,
        prepared.encoded["validation"],
        plan=prepared.plan,
        config=prepared.config,
        measure=_measure(prepared.schema, prepared.encoded["validation"].targets, prepared.plan.metric),
        watchers=watchers,
        checkpoints=checkpoints,
        resume=resume,
        world=world,
    )
    if prepared.config.lora_rank:
        parameters.merge_lora(prepared.classifier)
    merge_order(prepared.classifier)
    if history.attention == "padded" and prepared.config.attention != "padded":
        architecture = type(prepared.classifier.network).__name__
        watchers.progress.say(text("train.padded", architecture=architecture))
    prepared.seconds["train"] = time.monotonic() - started
    return history


def _taught(prepared: Prepared, progress: Progress) -> LabelledTexts:
    """The training texts, with what the teacher says of them if there is one."""
    train = prepared.encoded["train"]
    if prepared.teacher is None:
        return train
    started = time.monotonic()
    logits = prepared.teacher.logits(
        prepared.splits["train"].texts, prepared.schema, device=str(prepared.plan.device), progress=progress
    )
    prepared.seconds["teacher"] = time.monotonic() - started
    return replace(train, teacher_logits=logits)


def finish(
    prepared: Prepared,
    history: History | FrozenHistory,
    *,
    path: Path,
    data_components: list[Component],
    data_record: dict[str, Any],
    progress: Progress,
) -> Result:
    """Evaluate a trained classifier, compare it with the baselines, and put the record together.

    :param path: where the bundle will be written; nothing is written here
    :param data_components: the licence record of the data
    :param data_record: what the run remembers of the data: columns, counts, hashes
    """
    seconds = dict(prepared.seconds)
    schema, config = prepared.schema, prepared.config
    started = time.monotonic()
    settled = predict_splits(prepared, history, progress)
    predictions, thresholds = settled.predictions, settled.thresholds
    predictor = prepared.predictor(thresholds, history.model if isinstance(history, FrozenHistory) else None)
    evaluations = {
        name: _scored(prepared, prepared.splits[name], prepared.encoded[name], prediction)
        for name, prediction in predictions.items()
    }
    seconds["evaluate"] = time.monotonic() - started
    compared_on: Split = "test" if "test" in predictions else "validation"
    started = time.monotonic()
    progress.say(text("train.baselines"))
    comparison = baselines.compare(
        schema,
        prepared.splits["train"],
        prepared.splits[compared_on],
        predictions[compared_on].label_ids,
        split=compared_on,
        metric=prepared.plan.metric,
        encoder_seconds=seconds["train"] + seconds.get("vectors", 0.0),
        seed=config.seed,
        folds=prepared.out_of_fold.folds if prepared.out_of_fold and compared_on == "validation" else None,
    )
    seconds["baselines"] = time.monotonic() - started
    if prepared.out_of_fold is not None and compared_on == "validation":
        progress.say(text("few.out_of_fold"))
    elif compared_on == "validation":
        if not isinstance(history, FrozenHistory):
            progress.say(text("train.compared_on_validation"))
        elif history.saw_validation or schema.is_multilabel:
            progress.say(text("features.compared_on_validation"))
    for note in comparison.notes:
        progress.say(note)
    (progress.warn if comparison.verdict.is_warning else progress.say)(str(comparison.verdict))
    components = prepared.components(data_components)
    bundle = Bundle(
        path=path,
        schema=schema,
        thresholds=thresholds,
        max_length=config.max_length,
        long_texts=config.long_texts,
        window_overlap=config.window_overlap,
        adapter=prepared.adapter.name,
        adapter_options=prepared.adapter.info().options,
        components=components,
        record={
            **_record(prepared, history, evaluations, comparison, data_record, seconds),
            "calibration": settled.calibration(),
            "training_data": [
                {"name": one.name, "sha256": one.sha256} for one in components if one.role == "training_data"
            ],
        },
        upstream=prepared.encoder.upstream_texts(),
        lock=make_lock(prepared, data_record),
    )
    judged = Judged(
        compared_on, prepared.splits[compared_on], prepared.encoded[compared_on].targets, predictions[compared_on],
        evaluations[compared_on], settled.uncalibrated.get(compared_on),
    )  # fmt: skip
    answers: dict[str, Answers] = {
        name: Answers(schema, one.probabilities, prepared.encoded[name].targets)
        for name, one in predictions.items()
    }
    return Result(bundle, predictor, comparison, judged, answers)


def _scored(
    prepared: Prepared, examples: Examples, encoded: LabelledTexts, prediction: Prediction
) -> Evaluation:
    found = score(
        prepared.schema,
        encoded.targets,
        prediction.label_ids,
        seed=prepared.config.seed,
        n_truncated=int(prediction.truncated.sum()),
        n_empty=int(prediction.empty.sum()),
    )
    if examples.votes is None:
        return found
    against = vote_scores(prepared.schema, examples.votes, prediction.probabilities, prediction.label_ids)
    return replace(found, votes=against)


def training_profile(
    prepared: Prepared, answers: Mapping[str, Answers], thresholds: Sequence[float], progress: Progress
) -> tuple[Profile, TrainingWords]:
    """What later texts are held against: the validation texts, and the words of the training texts.

    :param thresholds: of the run.  *Length:* n_labels
    """
    learned, validation = prepared.splits["train"].texts, prepared.splits["validation"]
    with phase(progress, text("train.phase_words"), min(len(learned), MOST_TEXTS_OF_WORDS)):
        words = TrainingWords.of(learned, progress=progress.advance)
    chosen = np.array(every_nth(range(len(validation)), MOST_TEXTS), dtype=np.int64)
    held = [chosen]
    if prepared.out_of_fold is not None:
        # The texts are those of the training: new to a fold is what the others do not have.
        numbers = prepared.out_of_fold.folds
        held = [np.flatnonzero(numbers == one) for one in np.unique(numbers)]
    parts = []
    for some in held:
        known = words
        if prepared.out_of_fold is not None:
            known = TrainingWords.of([learned[one] for one in np.setdiff1d(chosen, some)])
        texts = [validation.texts[one] for one in some]
        encoded = prepared.encoded["validation"].texts.select(some)
        parts.append(
            profile_of(
                prepared.schema,
                texts,
                encoded,
                answers["validation"].probabilities[some],
                known,
                cuts=thresholds,
                is_out_of_fold=prepared.out_of_fold is not None,
            ).profile
        )
    return Profile.joined(parts), words


def _check_metric(metric: str | None, schema: LabelSchema) -> None:
    known = choosing_metrics(schema)
    if metric is not None and metric not in known:
        raise ConfigError("U027", metric=metric, task=schema.task, known=listing(known))


def _with_validation(
    splits: Mapping[Split, Examples], config: TrainConfig, progress: Progress
) -> tuple[dict[Split, Examples], bool]:
    """The splits with a validation split: the given one, else a part of the training texts."""
    found = dict(splits)
    if "validation" in found:
        return found, False
    train, validation = split_train(found["train"], fraction=config.validation_fraction, seed=config.seed)
    if not len(validation):
        raise ConfigError("U028", n=len(train))
    area = "features" if config.mode == "features" else "train"
    progress.say(text(f"{area}.held_out", n=len(validation), fraction=f"{config.validation_fraction:.0%}"))
    return {**found, "train": train, "validation": validation}, True


def _fingerprint(split: LabelledTexts) -> str:
    """sha256 of the pieces, the labels and what else is learned from."""
    digest = hashlib.sha256()
    arrays = (split.texts.rows.input_ids, split.texts.rows.row_splits, split.texts.text_splits, split.targets)
    for array in (*arrays, split.soft, split.teacher_logits):
        if array is not None:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _warn_of_lost_text(
    encoded: Mapping[Split, LabelledTexts], config: TrainConfig, progress: Progress
) -> None:
    """Say how many texts are cut and how many pieces the vocabulary does not know."""
    encodings = {name: one.texts for name, one in encoded.items()}
    n_texts = sum(len(one) for one in encodings.values())
    n_cut = sum(int(one.truncated.sum()) for one in encodings.values())
    windows = sum(len(one.rows) - len(one) for one in encodings.values())
    if windows:
        n_long = sum(int((np.diff(one.text_splits) > 1).sum()) for one in encodings.values())
        progress.say(
            text("long_texts.split", n=n_long, share=f"{n_long / n_texts:.1%}", windows=windows + n_long)
        )
    if n_cut:
        limit = limit_of(config.max_length, config.long_texts)
        lost = text(f"long_texts.lost_{config.long_texts}")
        progress.warn(text("train.cut", n=n_cut, share=f"{n_cut / n_texts:.1%}", limit=limit, lost=lost))
    pieces = sum(len(one.rows.input_ids) for one in encodings.values())
    unknown = sum(int(one.unknown.sum()) for one in encodings.values())
    if unknown > 0.05 * pieces:
        progress.warn(text("train.unknown", share=f"{unknown / pieces:.0%}"))


def _measure(
    schema: LabelSchema, references: NDArray[Any], metric: str
) -> Callable[[NDArray[np.float32]], float]:
    def measure(logits: NDArray[np.float32]) -> float:
        guesses = logits.argmax(axis=1)
        if schema.is_multilabel:
            guesses = (logits >= best_thresholds(logits, references)).astype(np.int64)
        return metric_value(metric, schema, references, guesses)

    return measure


def now() -> str:
    """ISO date and time, UTC; ``SOURCE_DATE_EPOCH`` wins."""
    asked = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = dt.datetime.fromtimestamp(int(asked), dt.UTC) if asked.isdecimal() else dt.datetime.now(dt.UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _record(
    prepared: Prepared,
    history: History | FrozenHistory,
    evaluations: Mapping[Split, Evaluation],
    comparison: baselines.Comparison,
    data_record: dict[str, Any],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Everything that a run remembers of how it came to be."""
    teacher = None if prepared.teacher is None else prepared.teacher.to_json()
    return {
        "encoder": {
            "name": prepared.encoder.name,
            "kind": prepared.encoder.kind,
            "revision": prepared.encoder.revision,
            "sha256": prepared.encoder.sha256,
        },
        "created": now(),
        # The encoder by name: the path of a directory belongs to this machine only, and so do the others.
        "config": {
            **prepared.config.to_json(),
            "model": prepared.encoder.name,
            "teacher": None if teacher is None else teacher["name"],
            "policy": None,
        },
        "teacher": teacher,
        "plan": prepared.plan.to_json(),
        "history": history.to_json(),
        "scores": {name: evaluation.to_json() for name, evaluation in evaluations.items()},
        "held_out": prepared.held_out,
        "few_labels": prepared.few_labels,
        "baselines": comparison.to_json(),
        "data": data_record,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak_bytes": peak_memory(prepared.plan.device),
        "versions": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{package: version(package) for package in prepared.packages()},
            "threads": str(torch.get_num_threads()),
        },
    }
