"""The mode ``features``: an encoder as it is, and a head learned on its vectors. The counterpart of ``training.py``.

It does not know files of data; how a head is learned is not decided here (:mod:`jptextclf.features`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch

from jptextclf.config import TrainConfig
from jptextclf.errors import ConfigError, DataError, WorkError
from jptextclf.features import (
    FeatureModel,
    Known,
    Pooled,
    VectorCache,
    files_of,
    fit,
    key_of,
    require_lightgbm,
)  # fmt: skip
from jptextclf.features.columns import ColumnEncoder
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.model import count_layers
from jptextclf.ordinal import places
from jptextclf.progress import phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from jptextclf.data.examples import Split
    from jptextclf.experiment import Prepared
    from jptextclf.labels import LabelSchema
    from jptextclf.long_texts import EncodedTexts
    from jptextclf.progress import Progress
    from jptextclf.stepping import Plan

DEFAULT_LAYERS = 4
"""Last layers that are put side by side where nothing else is asked for: of the ways to use BERT without training it,
the best one in Devlin et al. 2019 (table 7), and on Japanese hotel reviews 1 point better than the last layer."""
_OF_FEATURES = ("pooling", "pooled_layers", "head", "extra_columns", "ngrams")
_OF_FINE_TUNING = (
    "epochs", "batch_size", "learning_rate", "warmup", "weight_decay", "max_grad_norm", "loss", "focal_gamma",
    "label_smoothing", "teacher", "distillation_weight", "distillation_temperature", "layer_decay", "frozen_layers",
    "gradient_checkpointing", "lora_rank", "lora_alpha", "patience", "calibrate", "checkpoint_steps", "trackers",
)  # fmt: skip
_DEFAULTS = {one.name: one.default for one in fields(TrainConfig)}


@dataclass(frozen=True)
class FrozenHistory:
    """What was learned on the vectors, and how."""

    model: FeatureModel
    vectors: Mapping[Split, NDArray[np.float32]]
    record: dict[str, Any]

    @property
    def saw_validation(self) -> bool:
        """Whether the head was chosen on the validation texts."""
        return bool(self.record.get("chosen_on") != "folds")

    def to_json(self) -> dict[str, Any]:
        return self.record


def check_mode(config: TrainConfig, columns: Mapping[str, Any], *, n_processes: int = 1) -> None:
    """That no setting is of the other mode, where it would silently do nothing.

    :param columns: that stand beside the texts
    :raises ConfigError: one is (``JPT-U129``, ``JPT-U130``), or there are several processes (``JPT-U131``)
    :raises DataError: a column that the settings name is not there (``JPT-D062``)
    :raises SetupError: LightGBM is asked for and not installed (``JPT-E090``)
    """
    of_other = _OF_FINE_TUNING if config.mode == "features" else _OF_FEATURES
    given = [name for name in of_other if getattr(config, name) != _DEFAULTS[name]]
    if config.mode == "finetune":
        given += ["columns"] if columns and not given else []
        if given:
            raise ConfigError("U129", names=listing(given))
        return
    if given:
        raise ConfigError("U130", names=listing(given))
    if n_processes > 1:
        raise ConfigError("U131", n=n_processes)
    if missing := [name for name in config.extra_columns if name not in columns]:
        hint = did_you_mean(missing[0], columns)
        raise DataError(
            "D062", path="memory", missing=listing(missing), columns=listing(columns, 20), hint=hint
        )
    if config.head == "lightgbm":
        require_lightgbm()


def as_features(config: TrainConfig) -> TrainConfig:
    """The same settings for the mode ``features``; what that mode does not know is at its default."""
    defaults: dict[str, Any] = {name: _DEFAULTS[name] for name in _OF_FINE_TUNING}
    return replace(config, mode="features", **defaults)


def as_fine_tuning(config: TrainConfig) -> TrainConfig:
    """The same settings for the mode ``finetune``; what that mode does not know is at its default."""
    defaults: dict[str, Any] = {name: _DEFAULTS[name] for name in _OF_FEATURES}
    return replace(config, mode="finetune", **defaults)


def head_files(config: TrainConfig, schema: LabelSchema) -> tuple[str, ...]:
    """Files that are written beside those of every run."""
    n_models = schema.n_labels if schema.is_multilabel else 1
    return files_of(ngrams=config.ngrams, n_models=n_models if config.head == "lightgbm" else 0)


def packages(config: TrainConfig) -> tuple[str, ...]:
    """Packages that a run of this mode is trained with, beside those of every training."""
    if config.mode != "features":
        return ()
    return ("scikit-learn", *(["lightgbm"] if config.head == "lightgbm" else []))


def pooled_as(config: TrainConfig, n_layers: int) -> Pooled:
    """How vectors are made; in float32 unless asked for otherwise, so that a prediction sees the same ones."""
    layers = min(DEFAULT_LAYERS, n_layers) if config.pooled_layers is None else config.pooled_layers
    return Pooled(config.pooling, layers, "float32" if config.precision == "auto" else config.precision)


def without_steps(plan: Plan, config: TrainConfig) -> Plan:
    """The same plan, as far as it has a meaning where no optimizer makes steps."""
    precision = torch.bfloat16 if config.precision == "bfloat16" else torch.float32
    return replace(plan, precision=precision, epochs=0, steps_per_epoch=0, learning_rate=0.0)


def fit_frozen(
    prepared: Prepared,
    *,
    measure: Callable[[NDArray[np.float32], NDArray[Any]], float],
    progress: Progress,
    cache: VectorCache | None = None,
) -> FrozenHistory:
    """Compute vectors, or take them from the cache, and learn a head on them.

    :param measure: probabilities and targets -> a score; the higher the better
    :param cache: None: the user's
    """
    # What is wrong with the columns is said before minutes are spent on vectors.
    ColumnEncoder.fit(_extra(prepared.splits["train"].columns, prepared.config))
    started = time.monotonic()
    known, pooled, cached = known_splits(prepared, progress, cache=cache)
    prepared.seconds["vectors"] = time.monotonic() - started
    started = time.monotonic()
    fitted = fit(
        known["train"],
        known["validation"],
        pooled=pooled,
        config=prepared.config,
        n_labels=prepared.schema.n_labels,
        measure=measure,
        progress=progress,
        places=places(prepared.schema.n_labels) if prepared.schema.is_ordinal else None,
        by_folds=prepared.splits["validation"] is prepared.splits["train"],
    )
    prepared.seconds["train"] = time.monotonic() - started
    vectors = {name: one.vectors for name, one in known.items()}
    return FrozenHistory(fitted.model, vectors, {**fitted.record, "cached": cached})


def known_splits(
    prepared: Prepared, progress: Progress, *, cache: VectorCache | None = None
) -> tuple[dict[Split, Known], Pooled, dict[str, bool]]:
    """What a head learns from and is judged by: vectors and what stands beside them.

    :param cache: None: the user's
    :returns: of each split, how the vectors are made, and of each split whether they were in the cache
    """
    pooled = pooled_as(prepared.config, count_layers(prepared.classifier.network.config))
    vectors, cached = _all_vectors(prepared, pooled, cache or VectorCache.of_user(), progress)
    known = {
        name: Known(vectors[name], examples.texts, _extra(examples.columns, prepared.config), prepared.encoded[name].targets)
        for name, examples in prepared.splits.items()
    }  # fmt: skip
    return known, pooled, cached


def seconds_for(prepared: Prepared, *, texts: int = 64) -> tuple[float, float]:
    """Seconds for the vectors of one text, measured on a few, and of all texts of all splits."""
    pooled = pooled_as(prepared.config, count_layers(prepared.classifier.network.config))
    train = prepared.encoded["train"].texts
    some = train.select(range(0, len(train), max(1, len(train) // texts)))
    predictor = prepared.predictor()
    for _ in range(2):
        # The first time warms up.
        started = time.monotonic()
        _vectors(prepared, pooled, some, predictor.max_tokens, None)
        each = (time.monotonic() - started) / len(some)
    return each, each * sum(map(len, prepared.encoded.values()))


def _extra(cells: Mapping[str, list[str]], config: TrainConfig) -> Mapping[str, list[str]]:
    """The columns that the settings name, in their order; of data in memory all, where they name none."""
    return {name: cells[name] for name in config.extra_columns} if config.extra_columns else cells


def _all_vectors(
    prepared: Prepared, pooled: Pooled, cache: VectorCache, progress: Progress
) -> tuple[dict[Split, NDArray[np.float32]], dict[str, bool]]:
    """Vectors of each split, and whether they were taken from the cache."""
    facts = _facts(prepared, pooled)
    width = pooled.layers * prepared.classifier.width
    found: dict[Split, NDArray[np.float32]] = {}
    cached: dict[str, bool] = {}
    # On the device from here on.
    max_tokens = min(prepared.predictor().max_tokens, prepared.config.max_tokens)
    with phase(progress, text("features.phase"), sum(map(len, prepared.encoded.values()))):
        for name, split in prepared.encoded.items():
            rows = split.texts.rows
            key = key_of(facts, rows.input_ids, rows.row_splits, split.texts.text_splits)
            kept = cache.read(key, (len(split), width), progress)
            cached[name] = kept is not None
            if kept is None:
                kept = _vectors(prepared, pooled, split.texts, max_tokens, progress)
                _keep(cache, key, kept, name, progress)
            else:
                progress.say(text("features.cache_hit", split=text(f"words.{name}"), path=cache.path(key)))
                progress.advance(len(split))
            found[name] = kept
    return found, cached


def _vectors(
    prepared: Prepared, pooled: Pooled, texts: EncodedTexts, max_tokens: int, progress: Progress | None
) -> NDArray[np.float32]:
    return pooled.vectors(
        prepared.classifier, texts.rows, texts.text_splits, max_tokens=max_tokens,
        on_batch=None if progress is None else texts.counting(progress.advance),
    )  # fmt: skip


def _keep(cache: VectorCache, key: str, vectors: NDArray[np.float32], split: str, progress: Progress) -> None:
    """A store that cannot be written to costs time in the next run, and nothing now."""
    try:
        kept = cache.write(key, vectors)
    except WorkError as error:
        progress.warn(text("features.cache_not_written", problem=error.message))
        return
    if not kept:
        size, limit = (f"{one / 2**30:.1f} GiB" for one in (vectors.nbytes, cache.max_bytes))
        progress.say(text("features.cache_too_large", split=text(f"words.{split}"), size=size, limit=limit))


def _facts(prepared: Prepared, pooled: Pooled) -> dict[str, Any]:
    """Everything beside the pieces that vectors depend on."""
    parts = [prepared.encoder.tokenizer_component, *prepared.adapter.components()]
    info = prepared.adapter.info()
    names = ("max_length", "long_texts", "window_overlap")
    return {
        "encoder": prepared.encoder.sha256,
        "adapter": [prepared.adapter.name, info.options, info.first_position],
        "tokenizer": [[one.role, one.name, one.revision, one.sha256] for one in parts],
        "pooled": vars(pooled),
        **{name: getattr(prepared.config, name) for name in names},
    }
