"""Which settings a search tries, and in which bounds. It does not know how a search goes.

A space file is TOML with one line for each setting; what it does not name stays as it is::

    learning_rate = {low = 1e-5, high = 5e-4, log = true}
    epochs = {low = 2, high = 6}
    warmup = {low = 0.0, high = 0.2, step = 0.05}
    batch_size = [16, 32, 64]
    loss = ["cross_entropy", "focal"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jptextclf.config import TrainConfig, kinds, problem_of
from jptextclf.errors import ConfigError
from jptextclf.frozen import DEFAULT_LAYERS
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.model import count_layers

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import optuna

    from jptextclf.experiment import Prepared

_KINDS = kinds(TrainConfig)
_NOT_SEARCHED = {
    "mode", "few_shot", "dictionary", "task", "label_order", "metric", "validation_fraction", "seed", "teacher", "device", "precision", "max_tokens",
    "gradient_checkpointing", "attention", "checkpoint_steps", "trackers", "extra_columns", "use", "policy",
}  # fmt: skip
"""Settings that say what is asked for, or where and how fast it is computed."""
_KEYS = ("low", "high", "log", "step")
_DIGITS = 4
"""Of a number that is proposed: more say nothing."""


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, which belong to it."""

    low: float
    high: float
    log: bool = False
    """Whether equal ratios are equally likely, instead of equal differences."""
    step: float | None = None
    is_whole: bool = False

    def suggest(self, trial: optuna.Trial, name: str) -> float:
        """What the search proposes."""
        if self.is_whole:
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return int(trial.suggest_int(name, low, high, log=self.log, step=step))
        value = float(trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step))
        return min(self.high, max(self.low, float(f"{value:.{_DIGITS}g}")))

    def has(self, value: Any) -> bool:
        """Whether it could be proposed."""
        if not _is_number(value) or not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return bool(abs(steps - round(steps)) < 1e-6)

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "log": self.log, "step": self.step}


@dataclass(frozen=True)
class Choices:
    """Some values without an order."""

    values: tuple[str | int | float | bool, ...]

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """What the search proposes."""
        return trial.suggest_categorical(name, self.values)

    def has(self, value: Any) -> bool:
        """Whether it could be proposed."""
        return any(value == one for one in self.values)

    def to_json(self) -> list[Any]:
        return list(self.values)


Space = dict[str, Range | Choices]


def default_space(prepared: Prepared, *, fixed: frozenset[str]) -> Space:
    """What is worth trying with these data and this encoder.

    :param fixed: settings that somebody decided
    """
    if prepared.config.mode == "features":
        n_layers = min(DEFAULT_LAYERS, count_layers(prepared.classifier.network.config))
        space: Space = {
            "pooling": Choices(("mean", "first")),
            "pooled_layers": Range(1, n_layers, is_whole=True),
            "head": Choices(("logistic", "svm")),
            "ngrams": Choices((False, True)),
        }
    else:
        rate, epochs = prepared.plan.learning_rate, prepared.plan.epochs
        space = {
            "learning_rate": Range(rate / 5, min(1.0, rate * 5), log=True),
            "epochs": Range(max(1, epochs // 2), epochs + 1, is_whole=True),
            "batch_size": Choices((16, 32, 64)),
            "warmup": Range(0.0, 0.2),
            "weight_decay": Range(0.001, 0.1, log=True),
            "label_smoothing": Range(0.0, 0.1),
            "layer_decay": Range(0.8, 1.0),
        }
    # An encoder of one layer leaves nothing to choose.
    empty = {name for name, one in space.items() if isinstance(one, Range) and one.low == one.high}
    return {name: one for name, one in space.items() if name not in fixed | empty}


def read_space(path: str | os.PathLike[str], *, fixed: frozenset[str] = frozenset()) -> Space:
    """The space in a file.

    :param fixed: settings that somebody decided on the command line
    :raises ConfigError: it cannot be read, or has problems (``JPT-U172``, all at once)
    """
    file = Path(path)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError("U172", n=1, problems=f"  - {file}: {problem}") from error
    problems = [
        f"{file.name}: {one}" for name, value in table.items() for one in _problems(name, value, fixed)
    ]
    if not table:
        problems.append(f"{file.name}: {text('search.nothing')}")
    if problems:
        raise ConfigError("U172", n=len(problems), problems="\n".join(f"  - {one}" for one in problems))
    return {name: _dimension(name, value) for name, value in table.items()}


def _dimension(name: str, value: Any) -> Range | Choices:
    if isinstance(value, list):
        return Choices(tuple(value))
    return Range(**value, is_whole=_KINDS[name].type is int)


def _problems(name: str, value: Any, fixed: frozenset[str]) -> Iterator[str]:
    """What is wrong with one line of a space file, as sentences."""
    if name not in _KINDS:
        yield text("U022.message", name=name, hint=did_you_mean(name, _KINDS))
    elif name in _NOT_SEARCHED:
        yield text("search.not_searched", name=name)
    elif name in fixed:
        yield text("search.fixed_too", name=name)
    elif isinstance(value, list):
        yield from _problems_of_choices(name, value)
    elif isinstance(value, Mapping):
        yield from _problems_of_range(name, value)
    else:
        yield text("search.no_dimension", name=name, found=repr(value))


def _problems_of_choices(name: str, values: list[Any]) -> Iterator[str]:
    if len({repr(value) for value in values}) != len(values) or len(values) < 2:
        yield text("search.choices", name=name, found=repr(values))
        return
    for value in values:
        if not isinstance(value, str | int | float | bool):
            yield text("search.no_choice", name=name, found=repr(value))
        elif (problem := problem_of(name, value)) is not None:
            yield problem


def _problems_of_range(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    kind = _KINDS[name].type
    if kind not in {int, float}:
        yield text("search.no_number", name=name)
        return
    unknown = [key for key in table if key not in _KEYS]
    missing = [key for key in ("low", "high") if key not in table]
    if unknown or missing:
        given = {"unknown": listing(unknown) or "-", "missing": listing(missing) or "-"}
        yield text("search.keys", name=name, known=listing(_KEYS), **given)
        return
    low, high, step, log = table["low"], table["high"], table.get("step"), table.get("log", False)
    problems = [problem for value in (low, high) if (problem := problem_of(name, value)) is not None]
    if problems:
        yield from dict.fromkeys(problems)
    elif not low < high:
        yield text("search.ends", name=name, low=low, high=high)
    elif not isinstance(log, bool):
        yield text("search.log", name=name, found=repr(log))
    elif step is not None and (
        not _is_number(step) or not 0 < step <= high - low or (kind is int and step % 1)
    ):
        yield text("search.step", name=name, found=repr(step))
    elif log and (low <= 0 or step is not None):
        yield text("search.log_of_0", name=name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
