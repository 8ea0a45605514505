"""Search for better settings: many trainings, of which only validation scores decide; no model is kept.

It does not know files of data. Each trial trains with other settings on the same training texts; a tree-structured
Parzen estimator proposes them (Bergstra et al. 2011), and a trial that is worse after an epoch, from the second on, than
the median of the others was then is ended early. The first trial has the settings as they are.

====================  ==========================================================================================
``search.json``       what is searched: everything that must be the same when it goes on
``study.db``          every trial, as optuna keeps it (SQLite)
``result.json``       the trials, the best one, and which settings mattered
``best.toml``         the best settings: ``jptextclf train --config best.toml``
====================  ==========================================================================================
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jptextclf.atomic import write_file
from jptextclf.config import TrainConfig
from jptextclf.continued import continued, identify, identity_of
from jptextclf.errors import ConfigError, JptextclfError, SetupError, WorkError
from jptextclf.evaluation import metric_value
from jptextclf.experiment import Prepared, fit, prepare
from jptextclf.frozen import FrozenHistory, pooled_as
from jptextclf.messages import text
from jptextclf.model import count_layers
from jptextclf.progress import Silent
from jptextclf.settings import RunOptions, to_toml
from jptextclf.settling import predict_splits
from jptextclf.space import Space, default_space
from jptextclf.strict_json import encode
from jptextclf.trackers import open_trackers, require_packages
from jptextclf.training import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import optuna

    from jptextclf.data.examples import Examples, LoadedData, Split
    from jptextclf.progress import Progress
    from jptextclf.training import Epoch

RECORD, STUDY, RESULT, BEST = "search.json", "study.db", "result.json", "best.toml"
_NAME = "jptextclf"
_SETTINGS, _ERROR, _INTERRUPTED, _ATTEMPT, _SECONDS = "settings", "error", "interrupted", "attempt", "seconds"
"""What is kept beside a trial."""
_PLACES = {"data", "validation", "test", "data_card", "model", "teacher", "policy"}
_ATTEMPTS = 3
"""How often a trial is begun that the process does not survive, such as one that needs too much memory."""
_RANDOM_TRIALS = 8
"""Before the estimator begins to propose."""
_PRUNE_AFTER = 4
"""Trials with which others are compared at least."""


@dataclass(frozen=True)
class Trial:
    """One training of a search."""

    number: int
    state: str
    """``complete``, ``pruned`` (ended early), ``failed`` or ``interrupted`` (repeated under another number)."""
    value: float | None
    """The metric on validation: of the best epoch, or the last one of a pruned trial."""
    settings: Mapping[str, Any]
    """Those that are searched."""
    seconds: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        value = None if self.value is None else round(self.value, 6)
        return {**vars(self), "value": value, "settings": dict(self.settings)}


@dataclass(frozen=True, repr=False)
class SearchResult:
    """All trials of a search, and the best settings."""

    path: Path
    metric: str
    trials: tuple[Trial, ...]
    best: Trial
    importance: Mapping[str, float] = field(default_factory=dict)
    """Setting -> its share of what made the difference, together 1; empty with few trials."""

    @property
    def best_path(self) -> Path:
        """The settings file."""
        return self.path / BEST

    def __repr__(self) -> str:
        return f"<SearchResult of {len(self.trials)} trials, best {self.metric} {self.best.value:.4f}: {self.path}>"

    def to_json(self) -> dict[str, Any]:
        """For a machine to read; ``schema_version`` changes when a key changes its meaning."""
        return {
            "schema_version": 1,
            "metric": self.metric,
            "best": self.best.to_json(),
            "importance": {name: round(value, 4) for name, value in self.importance.items()},
            "trials": [one.to_json() for one in self.trials],
        }


class _TimeIsOver(Exception):  # noqa: N818 - no error
    """The budget ended while a trial was running."""


def search(
    loaded: LoadedData,
    config: TrainConfig,
    *,
    out: Path,
    trials: int = 20,
    timeout: float | None = None,
    space: Space | None = None,
    fixed: frozenset[str] = frozenset(),
    run: RunOptions,
    on_prepared: Callable[[Prepared], None] | None = None,
    progress: Progress,
) -> SearchResult:
    """Search. What was tried already is not tried again; a test split is not looked at.

    :param loaded: training texts, and validation texts where there are some
    :param out: directory of the results
    :param trials: how many in all
    :param timeout: minutes after which no trial is begun or goes on after its epoch, once one is complete
    :param space: what is searched; None: :func:`jptextclf.space.default_space` without ``fixed``
    :param fixed: settings that somebody decided
    :param run: how the data are read, for ``best.toml``
    :param on_prepared: called once with the training that has the settings as they are; may raise
    :raises ConfigError: ``trials`` or ``timeout`` cannot be (``JPT-U174``), nothing is left to search
        (``JPT-U172``), or ``out`` cannot be used (see :mod:`jptextclf.continued`)
    :raises SetupError: optuna is missing (``JPT-E001``)
    :raises WorkError: no trial was completed (``JPT-W046``), or the study cannot be written (``JPT-W045``)
    """
    _check(trials, timeout)
    _require_optuna()
    require_packages(config.trackers)
    splits: dict[Split, Examples] = {name: one for name, one in loaded.splits.items() if name != "test"}
    with continued(out, record=RECORD):
        prepared = prepare(splits, config, progress=progress)
        if on_prepared is not None:
            on_prepared(prepared)
        searched = default_space(prepared, fixed=fixed) if space is None else space
        if not searched:
            raise ConfigError("U172", n=1, problems=f"  - {text('search.nothing')}")
        described = {name: one.to_json() for name, one in searched.items()}
        identify(out / RECORD, identity_of(config, splits, progress=progress, space=described))
        with _study(out / STUDY) as (study, storage):
            work = _Search(
                study, storage, splits, config, searched, out, trials, timeout, prepared.plan.metric, progress
            )
            work.repeat_what_was_killed()
            work.begin_with(_as_they_are(prepared, searched))
            work.run()
            result = _result(out, prepared.plan.metric, study)
        best = work.config_of(result.best.settings)
        write_file(out / BEST, _settings_file(result, best, run, searched).encode("utf-8"))
        write_file(out / RESULT, encode(result.to_json()))
    return result


@dataclass
class _Search:
    """One process's part of a study."""

    study: optuna.Study
    storage: optuna.storages.BaseStorage
    splits: Mapping[Split, Examples]
    config: TrainConfig
    space: Space
    out: Path
    trials: int
    timeout: float | None
    metric: str
    progress: Progress
    started: float = field(default_factory=time.monotonic)

    def repeat_what_was_killed(self) -> None:
        """Trials that were running when their process ended have failed; each is put in line again."""
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # With the mark, only the last step of what follows is missing.
            if _INTERRUPTED not in trial.user_attrs:
                self._put_again(trial, counts=True)
            self.study.tell(trial.number, state=TrialState.FAIL)

    def begin_with(self, settings: Mapping[str, Any]) -> None:
        if not self.study.trials:
            self.study.enqueue_trial(dict(settings))

    def run(self) -> None:
        """Trial after trial, until there are enough or the time is over."""
        n_before = n_done = self._n_done()
        if n_before:
            self.progress.say(text("search.going_on", n=n_before, total=self.trials))
        while n_done < self.trials:
            if self._is_over():
                self.progress.warn(
                    text("search.time_over", minutes=f"{self.timeout:g}", n=n_done, total=self.trials)
                )
                return
            # With the number in the seed, a search that was interrupted proposes what one that was not does.
            self.study.sampler = _sampler(self.config.seed, n_done)
            self._try(self.study.ask())
            n_done = self._n_done()

    def config_of(self, settings: Mapping[str, Any]) -> TrainConfig:
        """:raises ConfigError: they do not go together"""
        return replace(self.config, **settings)

    def _try(self, trial: optuna.Trial) -> None:
        """One trial, whatever becomes of it."""
        from optuna.exceptions import TrialPruned
        from optuna.trial import TrialState

        started = time.monotonic()
        settings = {name: one.suggest(trial, name) for name, one in self.space.items()}
        trial.set_user_attr(_SETTINGS, settings)
        shown = ", ".join(f"{name} {value}" for name, value in settings.items())
        self.progress.say(text("search.trial", n=self._n_done() + 1, total=self.trials, settings=shown))
        state, value = TrialState.FAIL, None
        try:
            value = self._value(trial, self.config_of(settings))
            state = TrialState.COMPLETE
        except TrialPruned:
            state = TrialState.PRUNED
        except _TimeIsOver:
            self._put_again(trial, counts=False)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this trial, others may be right
            trial.set_user_attr(_ERROR, _problem(error))
            self.progress.warn(text("search.failed", n=trial.number, problem=_problem(error)))
        except BaseException:
            self._put_again(trial, counts=False)
            self.study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr(_SECONDS, round(time.monotonic() - started, 3))
        self.study.tell(trial, value if state == TrialState.COMPLETE else None, state)
        if state in {TrialState.COMPLETE, TrialState.PRUNED}:
            self._tell(value)

    def _value(self, trial: optuna.Trial, config: TrainConfig) -> float:
        """Train with these settings; the metric on validation."""
        from optuna.exceptions import TrialPruned

        def on_epoch(epoch: Epoch) -> None:
            trial.report(epoch.value, epoch.epoch)
            if epoch.epoch < prepared.plan.epochs and trial.should_prune():
                raise TrialPruned
            if self._is_over():
                raise _TimeIsOver

        quiet = _Quiet(self.progress)
        prepared = prepare(self.splits, config, progress=quiet)
        trackers = open_trackers(
            config.trackers, directory=self.out, run_name=f"trial-{trial.number}", settings=config.to_json(),
            progress=quiet,
        )  # fmt: skip
        with trackers:
            history = fit(prepared, watchers=Watchers(quiet, trackers, on_epoch))
        if not isinstance(history, FrozenHistory):
            return _finite(history.epochs[history.best_epoch - 1].value)
        predictions = predict_splits(prepared, history, quiet).predictions
        references = prepared.encoded["validation"].targets
        return _finite(
            metric_value(self.metric, prepared.schema, references, predictions["validation"].label_ids)
        )

    def _put_again(self, trial: optuna.Trial | optuna.trial.FrozenTrial, *, counts: bool) -> None:
        """Put a trial that did not end by itself in line again, unless it was begun too often.

        :param counts: whether it may have been the trial that ended the process
        """
        attempt = int(trial.user_attrs.get(_ATTEMPT, 1))
        if counts and attempt >= _ATTEMPTS:
            self._mark(trial.number, _ERROR, text("search.killed", n=attempt))
            return
        self.study.enqueue_trial(trial.params, user_attrs={_ATTEMPT: attempt + counts})
        self._mark(trial.number, _INTERRUPTED, True)

    def _mark(self, number: int, name: str, value: Any) -> None:
        """Keep something beside a trial that may be one of a dead process."""
        study_id = self.storage.get_study_id_from_name(_NAME)
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
        self.storage.set_trial_user_attr(trial_id, name, value)

    def _n_done(self) -> int:
        return sum(one.state in {"complete", "pruned", "failed"} for one in _trials(self.study))

    def _is_over(self) -> bool:
        if self.timeout is None or time.monotonic() - self.started < 60 * self.timeout:
            return False
        return any(one.state == "complete" for one in _trials(self.study))

    def _tell(self, value: float | None) -> None:
        if value is None:
            self.progress.say(text("search.pruned"))
            return
        best = max(one.value or 0.0 for one in _trials(self.study) if one.state == "complete")
        self.progress.say(text("search.value", metric=self.metric, value=f"{value:.4f}", best=f"{best:.4f}"))


class _Quiet(Silent):
    """Bars and warnings of a trial; its remarks are the same for all."""

    def __init__(self, progress: Progress) -> None:
        self.begin, self.advance, self.end = progress.begin, progress.advance, progress.end  # type: ignore[method-assign]
        self.warn = progress.warn  # type: ignore[method-assign]


def _check(trials: Any, timeout: Any) -> None:
    problems = []
    if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
        problems.append(("trials", trials, "config.whole_from_1"))
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and 0 < timeout < math.inf):
        problems.append(("timeout", timeout, "config.above_0"))
    if problems:
        name, found, expected = problems[0]
        raise ConfigError("U174", name=name, found=found, expected=text(expected))


def _require_optuna() -> None:
    try:
        import optuna  # noqa: F401 - whether it is there
    except ImportError as error:
        raise SetupError("E001", package="optuna", extra="hpo", what="jptextclf search") from error


@contextmanager
def _study(file: Path) -> Iterator[tuple[optuna.Study, optuna.storages.BaseStorage]]:
    """The study in a file, made where there is none.

    :raises WorkError: the file cannot be read or written (``JPT-W045``)
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = None
    try:
        # A path in an address would have to be without "?".
        storage = optuna.storages.RDBStorage(
            "sqlite://", engine_kwargs={"creator": lambda: sqlite3.connect(file, check_same_thread=False)}
        )
        study = optuna.create_study(
            storage=storage, study_name=_NAME, load_if_exists=True, direction="maximize", sampler=_sampler(0, 0),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_PRUNE_AFTER, n_warmup_steps=2),
        )  # fmt: skip
        yield study, storage
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError, sqlite3.Error) as error:
        problem = str(error.__cause__ or error).split("\n")[0]
        raise WorkError("W045", path=file, problem=problem) from error
    finally:
        optuna.logging.set_verbosity(verbosity)
        if storage is not None:
            storage.engine.dispose()


def _sampler(seed: int, n_done: int) -> optuna.samplers.BaseSampler:
    import numpy as np
    import optuna

    (state,) = np.random.SeedSequence([seed, n_done]).generate_state(1)
    return optuna.samplers.TPESampler(seed=int(state), n_startup_trials=_RANDOM_TRIALS)


def _as_they_are(prepared: Prepared, space: Space) -> dict[str, Any]:
    """The settings of now, as far as the space has them."""
    plan = prepared.plan.to_json()
    pooled = pooled_as(prepared.config, count_layers(prepared.classifier.network.config))
    decided = {
        "epochs": plan["epochs"],
        "learning_rate": plan["learning_rate"],
        "pooled_layers": pooled.layers,
    }
    given = {**prepared.config.to_json(), **decided}
    return {name: given[name] for name, one in space.items() if one.has(given[name])}


def _trials(study: optuna.Study) -> list[Trial]:
    from optuna.trial import TrialState

    found = []
    for one in study.get_trials(deepcopy=False):
        if one.state in {TrialState.WAITING, TrialState.RUNNING}:
            continue
        state = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}.get(one.state, "failed")
        if one.user_attrs.get(_INTERRUPTED):
            state = "interrupted"
        settings = one.user_attrs.get(_SETTINGS, one.params)
        seconds, error = one.user_attrs.get(_SECONDS), one.user_attrs.get(_ERROR)
        found.append(Trial(one.number, state, one.value, settings, seconds, error))
    return found


def _result(out: Path, metric: str, study: optuna.Study) -> SearchResult:
    """:raises WorkError: no trial is complete (``JPT-W046``)"""
    trials = _trials(study)
    complete = [one for one in trials if one.state == "complete"]
    if not complete:
        errors = [one.error for one in trials if one.error]
        raise WorkError("W046", n=len(trials), problem=errors[-1] if errors else "-", path=out)
    # Of equal ones the first, which is nearer to the settings as they are.
    best = max(complete, key=lambda one: (one.value or 0.0, -one.number))
    return SearchResult(out, metric, tuple(trials), best, _importance(study, len(complete)))


def _importance(study: optuna.Study, n_complete: int) -> dict[str, float]:
    """Which settings made the difference; empty where that cannot be said."""
    import optuna

    if n_complete < 2 * _PRUNE_AFTER:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dict(optuna.importance.get_param_importances(study))
        except (ValueError, RuntimeError):
            # All values are the same.
            return {}


def _settings_file(result: SearchResult, config: TrainConfig, run: RunOptions, space: Space) -> str:
    """The text of ``best.toml``: how the data are read, and settings that were searched or are not the default."""
    best, default, n = result.best, {**vars(RunOptions()), **TrainConfig().to_json()}, len(result.trials)
    value = f"{best.value:.4f}"
    lines = [f"# {text('search.best_header', n=n, metric=result.metric, value=value, number=best.number)}"]
    for name, found in {**vars(run), **config.to_json()}.items():
        if name == "out" or (found == default[name] and name not in space):
            continue
        if found is None:
            # Of settings whose default is no None, only patience may be one; it is the same as 0.
            found = 0  # noqa: PLW2901
        if name in _PLACES:
            found = _from(result.path, found)  # noqa: PLW2901
        if isinstance(found, str | int | float | list | tuple):
            lines.append(f"{name} = {to_toml(list(found) if isinstance(found, tuple) else found)}")
    return "\n".join(lines) + "\n"


def _from(directory: Path, value: Any) -> Any:
    """A path as it is written in a settings file of this directory; what is none stays as it is."""
    if not isinstance(value, str | os.PathLike) or value == "builtin" or not Path(value).exists():
        return value
    try:
        return Path(os.path.relpath(Path(value).resolve(), directory.resolve())).as_posix()
    except ValueError:
        # On another drive.
        return str(Path(value).resolve())


def _finite(value: float) -> float:
    """:raises ValueError: it is none that could be compared"""
    if not math.isfinite(value):
        raise ValueError(text("search.not_finite", value=value))
    return value


def _problem(error: Exception) -> str:
    """What is wrong, in one line."""
    if isinstance(error, JptextclfError):
        return f"{error.code} {error.message}".split("\n")[0]
    lines = str(error).strip().split("\n")
    return f"{type(error).__name__}: {lines[0]}"
