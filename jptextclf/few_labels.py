"""Few labels: which way of training is best, by cross-validation, and scores although no text can be spared for validation.

With some dozens of texts a held-out part is too small to say anything, and what is held out is missing in the training. Here
every way predicts each text with a model that has not seen it; the best way is trained on all texts, and the predictions of
its folds take the place of a validation split: for scores, calibration, thresholds and the rule of :func:`jptextclf.decide`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jptextclf.baselines import out_of_fold
from jptextclf.config import TrainConfig
from jptextclf.cross_validation import assigned_folds
from jptextclf.errors import ConfigError
from jptextclf.evaluation import Table, default_metric, metric_title, resampled_differences, scores_of
from jptextclf.experiment import Prepared, fit, prepare
from jptextclf.frozen import as_features, as_fine_tuning
from jptextclf.labels import LabelSchema
from jptextclf.messages import listing, text
from jptextclf.progress import Silent, phase
from jptextclf.settling import OutOfFold, predict_splits
from jptextclf.training import Watchers
from jptextclf.world import ALONE, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.data.examples import Examples, Split
    from jptextclf.progress import Progress

Way = Literal["vectors", "vectors_ngrams", "finetune", "ngrams"]
WAYS: tuple[Way, ...] = ("vectors", "vectors_ngrams", "finetune")
"""The simplest first; ``ngrams`` alone is a yardstick, and no run."""
CHOSEN_SETTINGS = ("mode", "head", "ngrams", "epochs", "batch_size", "patience")
"""What is chosen here, and so cannot be set."""
MOST_TEXTS = 2_000
"""Beyond, a validation split says more and costs nothing."""
FOLDS = 5
STEPS, BATCH = 60, 8
"""Of a fine-tuning. On 8, 16 and 64 hotel reviews a label 60 steps were as good as 150."""


@dataclass(frozen=True)
class Tried:
    """One way, by the predictions of its folds."""

    way: Way
    metric: str
    score: float
    low: float
    """Ends of the 95 % interval."""
    high: float
    behind: float
    """How much worse than the best way that can be trained; below 0 for a yardstick that is better."""
    error: float
    """Standard error of that difference, on the same texts."""
    seconds: float

    @property
    def title(self) -> str:
        """What it is called, in the language of now."""
        return text(f"few.w_{self.way}")


@dataclass(frozen=True)
class FewLabels:
    """What was tried, and what is trained."""

    n_texts: int
    folds: int
    tried: tuple[Tried, ...]
    chosen: Way

    def table(self) -> Table:
        """For a person, in the language of now."""
        columns = (
            text("few.h_way"),
            metric_title(self.tried[0].metric),
            text("few.h_behind"),
            text("comparison.seconds"),
        )
        rows = tuple(
            (
                one.title, f"{one.score:.3f} [{one.low:.3f}, {one.high:.3f}]",
                f"{one.behind:.3f} ± {one.error:.3f}" if one.behind or one.error else "–", f"{one.seconds:.1f}",
            )
            for one in self.tried
        )  # fmt: skip
        return Table(columns, rows)

    def lines(self) -> list[str]:
        """What is tried and chosen, as sentences in the language of now."""
        said = [
            text(
                "few.tried",
                way=one.title,
                score=one.score,
                low=one.low,
                high=one.high,
                metric=metric_title(one.metric),
            )
            for one in self.tried
        ]
        return [*said, *self.choice_lines()]

    def choice_lines(self) -> list[str]:
        """What is chosen and why, as sentences in the language of now."""
        chosen = next(one for one in self.tried if one.way == self.chosen)
        said = [text("few.chosen" if chosen.behind == 0 else "few.chosen_simpler", way=chosen.title)]
        yardstick = next(one for one in self.tried if one.way == "ngrams")
        if yardstick.score > chosen.score:
            said.append(text("few.ngrams_better"))
        return said

    def to_json(self) -> dict[str, Any]:
        """For the record of a run."""
        rounded = [
            {
                name: round(value, 6) if isinstance(value, float) else value
                for name, value in asdict(one).items()
            }
            for one in self.tried
        ]
        return {"n_texts": self.n_texts, "folds": self.folds, "chosen": self.chosen, "tried": rounded}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FewLabels:
        return cls(
            data["n_texts"], data["folds"], tuple(Tried(**one) for one in data["tried"]), data["chosen"]
        )


@dataclass(frozen=True)
class Settled:
    """How a training with few labels goes on."""

    config: TrainConfig
    splits: Mapping[Split, Examples]
    """Where no validation split is given, the training texts themselves stand in its place."""
    found: FewLabels
    out_of_fold: OutOfFold | None
    """What takes the place of predictions for the validation split; None where one is given."""


def prepare_few(
    splits: Mapping[Split, Examples],
    config: TrainConfig,
    *,
    progress: Progress,
    world: World = ALONE,
    way: Way | None = None,
) -> Prepared:
    """:func:`jptextclf.experiment.prepare`, in the way that is best for so few texts.

    :param way: where it is known, or nothing is trained: nothing is tried then
    :raises ConfigError: several processes (``JPT-U221``), or as :func:`settle`
    """
    if world.size > 1:
        raise ConfigError("U221", n=world.size)
    if way is not None:
        train = splits["train"]
        task = LabelSchema.infer(train.labels or [], config.task, config.label_order).task
        final = configured(replace(config, task=task), way, len(train))
        prepared = prepare({"validation": train, **splits}, final, progress=progress, world=world)
        return replace(prepared, held_out=prepared.held_out or "validation" not in splits)
    settled = settle(splits, config, progress=progress)
    prepared = prepare(settled.splits, settled.config, progress=progress, world=world)
    return replace(
        prepared,
        held_out=prepared.held_out or settled.out_of_fold is not None,
        out_of_fold=settled.out_of_fold,
        few_labels=settled.found.to_json(),
    )


def refuse(config: TrainConfig) -> None:
    """That several trainings do not try several ways each.

    :raises ConfigError: they would (``JPT-U222``)
    """
    if config.few_shot:
        raise ConfigError("U222")


def settle(splits: Mapping[Split, Examples], config: TrainConfig, *, progress: Progress) -> Settled:
    """Try every way in folds of the training texts, and choose one.

    The simplest way is chosen whose distance from the best one is below its standard error (Breiman et al., Classification
    and Regression Trees, 1984, section 3.4.3): among dozens of texts the best score is often chance.

    :raises ConfigError: too many texts (``JPT-U219``), votes (``JPT-U220``), or labels with too few texts (``JPT-U146``)
    """
    train = splits["train"]
    if len(train) > MOST_TEXTS:
        raise ConfigError("U219", n=len(train), most=MOST_TEXTS)
    if train.votes is not None:
        raise ConfigError("U220")
    schema = LabelSchema.infer(train.labels or [], config.task, config.label_order)
    config = replace(config, task=schema.task)
    references = schema.encode(train.labels or [], numbers=train.rows)
    counts = (
        references.sum(axis=0) if schema.is_multilabel else np.bincount(references, minlength=schema.n_labels)
    )
    n_folds = max(2, min(FOLDS, int(counts.min())))
    folds = assigned_folds(train, n_folds, None, config.seed, progress)
    ways = [one for one in WAYS if one != "finetune" or not (config.extra_columns or train.columns)]
    probabilities: dict[Way, NDArray[np.float32]] = {}
    given: dict[Way, NDArray[Any]] = {}
    seconds: dict[Way, float] = {}
    with phase(progress, text("few.phase"), (len(ways) + 1) * n_folds):
        for way in ways:
            started = time.monotonic()
            probabilities[way] = _out_of_fold(
                train, folds, schema, configured(config, way, len(train)), progress
            )
            held = OutOfFold(probabilities[way], folds)
            given[way], seconds[way] = held.label_ids(schema, references), time.monotonic() - started
        started = time.monotonic()
        results = out_of_fold(train.texts, references, folds, schema, split="held", seed=config.seed)
        given["ngrams"] = next(one for one in results if one.name == "ngrams").predictions["held"]
        progress.advance(n_folds)
        seconds["ngrams"] = time.monotonic() - started
    tried = _compared(schema, references, given, seconds, config)
    able = [one for one in tried if one.way != "ngrams"]
    chosen = next(one.way for one in able if one.behind <= one.error)
    found = FewLabels(len(train), n_folds, tuple(tried), chosen)
    for line in found.lines():
        progress.say(line)
    final = configured(config, chosen, len(train))
    if unheard := [name for name, value in _asked(config).items() if getattr(final, name) != value]:
        progress.warn(text("few.unheard", way=text(f"few.w_{chosen}"), names=listing(unheard)))
    if "finetune" not in ways:
        progress.say(text("few.columns"))
    if "validation" in splits:
        return Settled(final, splits, found, None)
    progress.say(text("few.all_texts", n=len(train)))
    if chosen == "finetune":
        progress.say(text("few.on_training"))
    return Settled(final, {**splits, "validation": train}, found, OutOfFold(probabilities[chosen], folds))


def _asked(config: TrainConfig) -> dict[str, Any]:
    """Settings that somebody has set, without those that are chosen here."""
    default = TrainConfig().to_json()
    return {
        name: value
        for name in config.to_json()
        if name not in {*CHOSEN_SETTINGS, "task"} and (value := getattr(config, name)) != default[name]
    }


def configured(config: TrainConfig, way: Way, n_texts: int) -> TrainConfig:
    """The settings of one way; what it does not know is at its default."""
    if way == "finetune":
        epochs = max(3, -(-STEPS * BATCH // n_texts))
        return replace(as_fine_tuning(config), epochs=epochs, batch_size=BATCH, patience=None)
    return replace(as_features(config), head="logistic", ngrams=way == "vectors_ngrams")


def _out_of_fold(
    train: Examples, folds: NDArray[np.int64], schema: LabelSchema, config: TrainConfig, progress: Progress
) -> NDArray[np.float32]:
    """Probabilities of each text by a model that has not seen it.  *Shape:* ``(texts, n_labels)``"""
    found = np.zeros((len(train), schema.n_labels), dtype=np.float32)
    # What the training texts themselves would calibrate is sure of everything.
    config = replace(config, calibrate=False) if config.mode == "finetune" else config
    for number in np.unique(folds):
        held = np.flatnonzero(folds == number)
        rest = train.select(np.flatnonzero(folds != number).tolist())
        splits: dict[Split, Examples] = {
            "train": rest,
            "validation": rest,
            "test": train.select(held.tolist()),
        }
        prepared = prepare(splits, config, progress=Silent())
        history = fit(prepared, watchers=Watchers(Silent()))
        found[held] = predict_splits(prepared, history, Silent()).predictions["test"].probabilities
        progress.advance(1)
    return found


def _compared(
    schema: LabelSchema,
    references: NDArray[Any],
    given: Mapping[Way, NDArray[Any]],
    seconds: Mapping[Way, float],
    config: TrainConfig,
) -> list[Tried]:
    metric = config.metric or default_metric(schema)
    rows = {
        way: scores_of(schema, references, one, [metric], seed=config.seed)[0] for way, one in given.items()
    }
    best = max((way for way in given if way != "ngrams"), key=lambda way: rows[way].score)
    found = []
    for way, row in rows.items():
        error = 0.0
        if way != best:
            differences = resampled_differences(
                schema, references, given[best], given[way], [metric], seed=config.seed
            )
            error = float(differences.std(ddof=1))
        behind = rows[best].score - row.score
        found.append(Tried(way, metric, row.score, row.low, row.high, behind, error, seconds[way]))
    return found


def require_free(names: Sequence[str]) -> None:
    """That nobody sets what is chosen here.

    :param names: of the settings that were given
    :raises ConfigError: somebody does (``JPT-U199``)
    """
    if given := [name for name in names if name in CHOSEN_SETTINGS]:
        raise ConfigError("U199", names=listing(given))
