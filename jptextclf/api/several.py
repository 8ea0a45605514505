"""Several trainings: cross-validation and search. No model is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jptextclf.api.training import announce_verdict, read_data
from jptextclf.config import TrainConfig
from jptextclf.cross_validation import CrossValidation
from jptextclf.cross_validation import cross_validate as run_cross_validation
from jptextclf.errors import ConfigError
from jptextclf.few_labels import refuse
from jptextclf.progress import Logged, Progress
from jptextclf.searching import SearchResult
from jptextclf.searching import search as run_search
from jptextclf.settings import OPTION, SET, Settings, resolve
from jptextclf.space import read_space

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from jptextclf.api.runs import Data
    from jptextclf.cross_validation import PredictionsFormat
    from jptextclf.data.examples import LoadedData
    from jptextclf.experiment import Prepared


def cross_validate(
    data: Data | None = None,
    *,
    out: str | os.PathLike[str],
    folds: int = 5,
    group_column: str | None = None,
    predictions_format: PredictionsFormat = "jsonl",
    config: str | os.PathLike[str] | None = None,
    set: Sequence[str] = (),  # noqa: A002 - the option's name
    progress: Progress | None = None,
    **options: Any,
) -> CrossValidation:
    """Predict every training text with a model that has not seen it; a test split is not touched.

    Run again with the same data and settings it goes on where it stopped.

    :param data: as for :func:`train`
    :param out: directory of the predictions, the scores and the folds that are done
    :param folds: parts that the training texts are cut into; each is predicted by a model that learned from the others
    :param group_column: texts with the same value in this column stay in one fold
    :param predictions_format: ``jsonl``, ``csv``, ``tsv`` or ``excel``
    :param config: settings file
    :param set: ``key=value`` each
    :param options: how data are read, and settings, as for :func:`train`
    :raises ConfigError, DataError, SetupError, WorkError: as :func:`train`, and
        :func:`jptextclf.cross_validation.cross_validate`
    """
    show = progress or Logged()
    settings, source = _settled(data, config, set, options)
    refuse(settings.config)
    extra = (*settings.config.extra_columns, *([group_column] if group_column else ()))
    loaded, settled = read_data(
        source,
        settings.config,
        replace(settings.run, test=None),
        extra_columns=tuple(dict.fromkeys(extra)),
        progress=show,
    )
    return run_cross_validation(
        loaded, settled, out=Path(out).expanduser(), folds=folds, group_column=group_column,
        predictions_format=predictions_format, progress=show,
        on_prepared=_judge_use(loaded, settled, name=Path(out).name, progress=show),
    )  # fmt: skip


def search(
    data: Data | None = None,
    *,
    out: str | os.PathLike[str],
    trials: int = 20,
    timeout: float | None = None,
    space: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    set: Sequence[str] = (),  # noqa: A002 - the option's name
    progress: Progress | None = None,
    **options: Any,
) -> SearchResult:
    """Search for better settings: many trainings, compared on validation texts; no model is kept.

    Run again with the same data and settings it goes on where it stopped.

    :param data: as for :func:`train`; a test split is not looked at
    :param out: directory of the trials and of ``best.toml``
    :param trials: how many in all
    :param timeout: minutes after which the search ends, with at least one trial complete
    :param space: TOML file that says what is searched (:mod:`jptextclf.space`)
    :param config: settings file; what it sets to something else than the default is not searched, unless ``space`` says so
    :param set: ``key=value`` each
    :param options: how data are read, and settings, as for :func:`train`; these settings are not searched
    :raises ConfigError, DataError, SetupError, WorkError: as :func:`train`, and :func:`jptextclf.searching.search`
    """
    show = progress or Logged()
    settings, source = _settled(data, config, set, options)
    refuse(settings.config)
    said = frozenset(name for name, origin in settings.origins.items() if origin in {OPTION, SET})
    found = None if space is None else read_space(space, fixed=said)
    default = TrainConfig().to_json()
    decided = {name for name, value in settings.config.to_json().items() if value != default[name]}
    settled, without_test = settings.config, replace(settings.run, test=None)
    loaded, settled = read_data(
        source, settled, without_test, extra_columns=settled.extra_columns, progress=show
    )
    return run_search(
        loaded, settled, out=Path(out).expanduser(), trials=trials, timeout=timeout, space=found,
        fixed=said | decided, run=settings.run, progress=show,
        on_prepared=_judge_use(loaded, settled, name=Path(out).name, progress=show),
    )  # fmt: skip


def _judge_use(
    loaded: LoadedData, config: TrainConfig, *, name: str, progress: Progress
) -> Callable[[Prepared], None] | None:
    """No model comes out of several trainings: only a use that is named is judged, before hours go into it."""
    if config.use is None and config.policy is None:
        return None
    return lambda prepared: announce_verdict(prepared, loaded, name=name, progress=progress)


def _settled(
    data: Data | None,
    config: str | os.PathLike[str] | None,
    set: Sequence[str],  # noqa: A002 - the option's name
    options: Mapping[str, Any],
) -> tuple[Settings, Data]:
    """Settings and data of work that trains several models."""
    given = {"data": data, **{name: value for name, value in options.items() if value is not None}}
    resolved = resolve(
        {name: value for name, value in given.items() if value is not None}, config=config, set=set
    )
    if resolved.run.data is None:
        raise ConfigError("U119")
    return resolved, cast("Data", resolved.run.data)
