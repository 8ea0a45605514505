"""k-fold cross-validation: every training text gets a prediction from a model that has not seen it.

It does not know files of data. The training texts are cut into folds; each fold is predicted by a model that learned
from the others, a part of which is held out to choose its best epoch. A test split is not touched.

===========================  ==============================================================================
``cross_validation.json``    what is trained: everything that must be the same when it goes on
``fold-1.json``, …           a fold that is done: what its model said about the fold's texts
``fold-2.unfinished/``       the fold that is trained: its checkpoints (:mod:`jptextclf.unfinished`)
``out_of_fold.jsonl``        one line a text: row, text, label, predicted label, probabilities, fold
``scores.json``              scores of each fold, their mean and spread, and of all predictions together
===========================  ==============================================================================
"""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jptextclf.atomic import write_file
from jptextclf.checkpoints import Checkpoints
from jptextclf.continued import continued, identify, identity_of
from jptextclf.data.loading import JOINED_BY
from jptextclf.data.splits import assign_folds, split_train
from jptextclf.data.writers import open_writer
from jptextclf.errors import ConfigError, DataError
from jptextclf.evaluation import LEVEL, Evaluation, metric_names, metric_value, score
from jptextclf.experiment import Prepared, fit, prepare
from jptextclf.labels import LabelSchema
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.run_lock import differences, make_lock
from jptextclf.settling import predict_splits
from jptextclf.strict_json import DECODER, encode
from jptextclf.trackers import open_trackers, require_packages
from jptextclf.training import Watchers
from jptextclf.unfinished import Unfinished, unfinished_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jptextclf.config import TrainConfig
    from jptextclf.data.examples import Examples, LoadedData, Split
    from jptextclf.progress import Progress

RECORD, SCORES, PREDICTIONS = "cross_validation.json", "scores.json", "out_of_fold"
PredictionsFormat = Literal["jsonl", "csv", "tsv", "excel"]
_SUFFIXES = {"jsonl": ".jsonl", "csv": ".csv", "tsv": ".tsv", "excel": ".xlsx"}


@dataclass(frozen=True)
class Fold:
    """What one model said about the texts that it had not seen."""

    number: int
    """From 1."""
    indices: NDArray[np.int64]
    """Which of the training texts these are.  *Shape:* ``(fold texts,)``"""
    probabilities: NDArray[np.float32]
    """*Shape:* ``(fold texts, n_labels)``"""
    label_ids: NDArray[np.int64]
    """Ids, or a 0/1 matrix for a multi-label task.  *Shape:* ``(fold texts,)`` or ``(fold texts, n_labels)``"""
    scores: Mapping[str, float]
    """Metric -> value."""
    n_train: int
    """Texts that its model learned from."""
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {
            "fold": self.number,
            "n_texts": len(self.indices),
            "n_train": self.n_train,
            "scores": {name: round(value, 6) for name, value in self.scores.items()},
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Spread:
    """One metric over the folds."""

    metric: str
    values: tuple[float, ...]
    """Of each fold."""
    mean: float
    deviation: float
    """Standard deviation of the folds, with n - 1."""
    low: float
    high: float
    """Ends of the 95 % interval of the mean, see :func:`spread_of`."""

    def to_json(self) -> dict[str, Any]:
        numbers = {"mean": self.mean, "standard_deviation": self.deviation}
        rounded = {name: round(value, 6) for name, value in numbers.items()}
        return {**rounded, "interval": [round(self.low, 6), round(self.high, 6)]}


@dataclass(frozen=True, repr=False)
class CrossValidation:
    """Out-of-fold predictions of all training texts, and their scores."""

    path: Path
    schema: LabelSchema
    examples: Examples
    """The training texts, in the order of the file."""
    predictions_path: Path
    """File with one row a text."""
    folds: tuple[Fold, ...]
    evaluation: Evaluation
    """All out-of-fold predictions together; its intervals say how much other texts would have changed."""

    @property
    def fold_numbers(self) -> NDArray[np.int64]:
        """The fold of each text, from 1.  *Shape:* ``(texts,)``"""
        return self._gathered([np.full(len(one.indices), one.number, np.int64) for one in self.folds])

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Of each text by the model that had not seen it.  *Shape:* ``(texts, n_labels)``"""
        return self._gathered([one.probabilities for one in self.folds])

    @property
    def label_ids(self) -> NDArray[np.int64]:
        """What was predicted: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)``."""
        return self._gathered([one.label_ids for one in self.folds])

    @property
    def labels(self) -> list[tuple[str, ...]]:
        """Names of the predicted labels of each text."""
        names = self.schema.names
        if self.schema.is_multilabel:
            return [tuple(names[number] for number in np.flatnonzero(row)) for row in self.label_ids]
        return [(names[number],) for number in self.label_ids]

    @property
    def scores(self) -> dict[str, Spread]:
        """Metric -> its values, mean and interval over the folds."""
        return {
            name: spread_of(name, [fold.scores[name] for fold in self.folds]) for name in self.folds[0].scores
        }

    def __repr__(self) -> str:
        return f"<CrossValidation of {len(self.examples)} texts in {len(self.folds)} folds: {self.path}>"

    def to_json(self) -> dict[str, Any]:
        """For a machine to read; ``schema_version`` changes when a key changes its meaning."""
        return {
            "schema_version": 1,
            "n_texts": len(self.examples),
            "folds": [fold.to_json() for fold in self.folds],
            "level": LEVEL,
            "scores": {name: one.to_json() for name, one in self.scores.items()},
            "out_of_fold": self.evaluation.to_json(),
        }

    def _gathered(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Values of the folds' texts in the order of all texts."""
        order = np.argsort(np.concatenate([fold.indices for fold in self.folds]), kind="stable")
        return np.concatenate(parts)[order]


def spread_of(metric: str, values: Sequence[float]) -> Spread:
    """Mean and spread of a score over folds.

    The models of two folds learned from mostly the same texts; their scores vary less than those of models trained
    apart. The interval is Student's with the variance enlarged to ``1/k + 1/(k-1)`` of that of the folds (Nadeau and
    Bengio 2003, equation 8: test texts by training texts).
    """
    from scipy.stats import t as student

    n, mean = len(values), statistics.fmean(values)
    deviation = statistics.stdev(values)
    half = float(student.ppf((1 + LEVEL) / 2, n - 1)) * deviation * math.sqrt(1 / n + 1 / (n - 1))
    return Spread(metric, tuple(values), mean, deviation, max(0.0, mean - half), min(1.0, mean + half))


def cross_validate(
    loaded: LoadedData,
    config: TrainConfig,
    *,
    out: Path,
    folds: int = 5,
    group_column: str | None = None,
    predictions_format: PredictionsFormat = "jsonl",
    on_prepared: Callable[[Prepared], None] | None = None,
    progress: Progress,
) -> CrossValidation:
    """Train one model for each fold, and predict the fold with it. What is done already is not done again.

    :param loaded: its training texts are cut into folds; a validation split chooses the best epoch of every model
    :param out: directory of the results
    :param folds: how many
    :param group_column: texts with the same value in this column stay in one fold
    :param predictions_format: of the file with the predictions
    :param on_prepared: called once with what is about to be trained; may raise
    :raises ConfigError: a number of folds that cannot be (``JPT-U148``), labels with too few texts (``JPT-U146``), or
        ``out`` cannot be used (see :mod:`jptextclf.continued`)
    :raises DataError, SetupError, WorkError: what training raises
    """
    require_packages(config.trackers)
    splits, together = _splits(loaded, config, group_column)
    train = splits["train"]
    schema = LabelSchema.infer(train.labels or [], config.task, config.label_order)
    config = replace(config, task=schema.task)
    assigned = assigned_folds(train, folds, together, config.seed, progress)
    if config.teacher is not None:
        progress.warn(text("cross_validation.teacher"))
    with continued(out, record=RECORD):
        more = {"folds": folds, "group_column": group_column}
        identify(out / RECORD, identity_of(config, splits, progress=progress, **more))
        work = _Work(out, schema, splits, together, assigned, config, loaded, on_prepared, progress)
        done = [work.fold(number) for number in range(1, folds + 1)]
        evaluation = _evaluate_all(schema, train, done, config)
        file = out / f"{PREDICTIONS}{_SUFFIXES[predictions_format]}"
        result = CrossValidation(out, schema, train, file, tuple(done), evaluation)
        separator = loaded.summary.label_separator or JOINED_BY
        _write_predictions(result, predictions_format, separator, progress)
        write_file(out / SCORES, encode(result.to_json()))
    return result


@dataclass
class _Work:
    """Everything that the folds have in common."""

    out: Path
    schema: LabelSchema
    splits: Mapping[Split, Examples]
    together: Sequence[str] | None
    assigned: NDArray[np.int64]
    """The fold of each training text, from 1."""
    config: TrainConfig
    loaded: LoadedData
    on_prepared: Callable[[Prepared], None] | None
    """Called once."""
    progress: Progress

    def fold(self, number: int) -> Fold:
        """A fold that was done before, or is done now."""
        file = self.out / f"fold-{number}.json"
        total = int(self.assigned.max())
        if file.exists():
            self._tidy(number)
            self.progress.say(text("cross_validation.done_before", fold=number, folds=total))
            return self._read(file)
        splits = self._splits_of(number)
        sizes = {"n_train": len(splits["train"]), "n_texts": len(splits["test"])}
        self.progress.say(text("cross_validation.fold", fold=number, folds=total, **sizes))
        started = time.monotonic()
        with Unfinished.claim(self.out / f"fold-{number}", resume=True, progress=self.progress) as unfinished:
            prepared = prepare(splits, self.config, progress=self.progress)
            if self.on_prepared is not None:
                self.on_prepared(prepared)
                self.on_prepared = None
            write_file(file, encode(self._train(number, prepared, unfinished, started)))
            unfinished.remove()
        return self._read(file)

    def _train(
        self, number: int, prepared: Prepared, unfinished: Unfinished, started: float
    ) -> dict[str, Any]:
        """Train and predict one fold: what its file holds."""
        unfinished.identify(make_lock(prepared, self.loaded.summary.to_json()), compare=differences)
        checkpoints = Checkpoints(unfinished.checkpoints)
        newest, skipped = checkpoints.newest() if unfinished.resumed else (None, ())
        for one in skipped:
            self.progress.warn(str(one))
        if newest is not None:
            self.progress.say(text("train.resumed", step=newest.step, path=unfinished.path))
        trackers = open_trackers(
            self.config.trackers, directory=self.out, run_name=f"fold-{number}",
            settings=self.config.to_json(), progress=self.progress,
        )  # fmt: skip
        with trackers:
            watchers = Watchers(self.progress, trackers)
            history = fit(prepared, watchers=watchers, checkpoints=checkpoints, resume=newest)
        settled = predict_splits(prepared, history, self.progress)
        predictions, thresholds = settled.predictions, settled.thresholds
        held = predictions["test"]
        return {
            "indices": np.flatnonzero(self.assigned == number).tolist(),
            "probabilities": [[round(float(one), 6) for one in row] for row in held.probabilities],
            "label_ids": held.label_ids.tolist(),
            "thresholds": list(thresholds),
            "n_train": len(prepared.splits["train"]),
            "seconds": round(time.monotonic() - started, 3),
            "history": history.to_json(),
        }

    def _read(self, file: Path) -> Fold:
        try:
            found = DECODER.decode(file.read_text(encoding="utf-8"))
            indices = np.array(found["indices"], np.int64)
            label_ids = np.array(found["label_ids"], np.int64)
            probabilities = np.array(found["probabilities"], np.float32)
            n_train, seconds = int(found["n_train"]), float(found["seconds"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError("U145", path=self.out, record=file.name) from error
        references = _references(self.schema, self.splits["train"], indices)
        scores = {
            name: metric_value(name, self.schema, references, label_ids) for name in metric_names(self.schema)
        }
        number = int(file.stem.removeprefix("fold-"))
        return Fold(number, indices, probabilities, label_ids, scores, n_train, seconds)

    def _tidy(self, number: int) -> None:
        """Remove checkpoints of a fold that died between its last write and this."""
        fold = self.out / f"fold-{number}"
        if unfinished_directory(fold).exists():
            with Unfinished.claim(fold, overwrite=True, progress=self.progress) as left:
                left.remove()

    def _splits_of(self, number: int) -> dict[Split, Examples]:
        """What a fold's model learns from, what chooses its best epoch, and the fold itself in the place of a test."""
        train = self.splits["train"]
        others, held = (np.flatnonzero(one) for one in (self.assigned != number, self.assigned == number))
        rest, found = train.select(others.tolist()), {"test": train.select(held.tolist())}
        if "validation" in self.splits:
            return {"train": rest, "validation": self.splits["validation"], **found}  # type: ignore[dict-item]
        if self.together is None:
            return {"train": rest, **found}  # type: ignore[dict-item]
        groups = [self.together[index] for index in others.tolist()]
        learned, validation = _validation_of_groups(rest, groups, self.config)
        return {"train": learned, "validation": validation, **found}  # type: ignore[dict-item]


def _splits(
    loaded: LoadedData, config: TrainConfig, group_column: str | None
) -> tuple[dict[Split, Examples], list[str] | None]:
    """Train and validation without the group column, and that column of the training texts."""
    columns = loaded.splits["train"].columns
    together = None
    if group_column is not None:
        if group_column not in columns:
            found, hint = listing(columns, 20), did_you_mean(group_column, columns)
            source = loaded.summary.source
            raise DataError("D062", path=source, missing=group_column, columns=found, hint=hint)
        together = columns[group_column]
    dropped = set() if group_column in config.extra_columns else {group_column}
    return {
        name: replace(some, columns={key: cells for key, cells in some.columns.items() if key not in dropped})
        for name, some in loaded.splits.items()
        if name != "test"
    }, together


def assigned_folds(
    train: Examples, folds: int, together: Sequence[str] | None, seed: int, progress: Progress
) -> NDArray[np.int64]:
    """The fold of each text, from 1.

    :raises ConfigError: fewer than two folds, or folds without a text (``JPT-U148``); a label is in one fold only
        (``JPT-U146``)
    """
    is_number = isinstance(folds, int) and not isinstance(folds, bool)
    if not is_number or not 2 <= folds <= len(train):
        raise ConfigError("U148", folds=folds, n=len(train))
    assigned = np.array(assign_folds(train, n_folds=folds, seed=seed, together=together), np.int64) + 1
    if len(np.unique(assigned)) < folds:
        raise ConfigError("U148", folds=folds, n=len(np.unique(assigned)))
    of_label: dict[str, set[int]] = defaultdict(set)
    for names, fold in zip(train.labels or [], assigned.tolist(), strict=True):
        for name in names:
            of_label[name].add(fold)
    lonely = [name for name, some in of_label.items() if len(some) < 2]
    if lonely:
        raise ConfigError("U146", n=len(lonely), labels=listing(sorted(lonely), 20))
    rare = sorted(name for name, some in of_label.items() if len(some) < folds)
    if rare:
        progress.warn(text("cross_validation.rare", labels=listing(rare)))
    return assigned


def _validation_of_groups(
    rest: Examples, together: Sequence[str], config: TrainConfig
) -> tuple[Examples, Examples]:
    """Hold out validation texts so that no group is on both sides.

    Where a label would be lost for training with every choice, texts are held out without regard to groups.
    """
    parts = max(2, round(1 / config.validation_fraction))
    assigned = np.array(assign_folds(rest, n_folds=parts, seed=config.seed, together=together))
    needed = {name for names in rest.labels or [] for name in names}
    for part in range(parts):
        held, kept = np.flatnonzero(assigned == part).tolist(), np.flatnonzero(assigned != part).tolist()
        learned = rest.select(kept)
        if held and {name for names in learned.labels or [] for name in names} == needed:
            return learned, rest.select(held)
    return split_train(rest, fraction=config.validation_fraction, seed=config.seed)


def _references(schema: LabelSchema, train: Examples, indices: NDArray[np.int64]) -> NDArray[Any]:
    some = train.select(indices.tolist())
    return schema.encode(some.labels or [], numbers=some.rows)


def _evaluate_all(
    schema: LabelSchema, train: Examples, folds: Sequence[Fold], config: TrainConfig
) -> Evaluation:
    indices = np.concatenate([fold.indices for fold in folds])
    predictions = np.concatenate([fold.label_ids for fold in folds])
    return score(schema, _references(schema, train, indices), predictions, seed=config.seed)


def _write_predictions(
    result: CrossValidation, form: PredictionsFormat, separator: str, progress: Progress
) -> None:
    """One row a text, in the order of the file."""
    columns = ["row", "text", "label", "predicted_label", "fold"]
    columns += [f"probability:{name}" for name in result.schema.names]
    with open_writer(result.predictions_path, columns=columns, format=form) as writer:
        for cells in _prediction_rows(result, as_lists=form == "jsonl", separator=separator):
            writer.write(cells)
    for note in writer.notes:
        progress.say(note)


def _prediction_rows(result: CrossValidation, *, as_lists: bool, separator: str) -> Iterator[list[Any]]:
    def cell(names: Sequence[str]) -> Any:
        if not result.schema.is_multilabel:
            return names[0]
        return list(names) if as_lists else separator.join(names)

    examples = result.examples
    for row, words, names, predicted, fold, values in zip(
        examples.rows, examples.texts, examples.labels or [], result.labels, result.fold_numbers.tolist(),
        result.probabilities, strict=True,
    ):  # fmt: skip
        yield [row, words, cell(names), cell(predicted), fold, *(round(float(one), 6) for one in values)]
