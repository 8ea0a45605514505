"""What the package does, one function each: train, load, evaluate, predict, judge, export. Start reading here.

The command line calls these with options of the same names.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np

from jptextclf.atomic import RUN_RECORD, check_target, sha256_of
from jptextclf.baselines import Verdict
from jptextclf.bundle import UPSTREAM, Bundle, RunPrecision, open_bundle, run_files, write_bundle
from jptextclf.checkpoints import Checkpoint, Checkpoints
from jptextclf.config import TrainConfig
from jptextclf.cross_validation import CrossValidation
from jptextclf.cross_validation import cross_validate as run_cross_validation
from jptextclf.data.checks import DataCheck, check_data
from jptextclf.data.columns import Columns, find_columns, joined
from jptextclf.data.loading import load_data
from jptextclf.data.origin import declare
from jptextclf.data.rows import folded_name, text_of
from jptextclf.data.tables import Table, open_table
from jptextclf.data.writers import open_writer
from jptextclf.errors import ConfigError, DataError, JptextclfError
from jptextclf.evaluation import DEFAULT_METRIC, Evaluation, known_references, score
from jptextclf.experiment import Judged, Prepared, Preview, Result, finish, fit, now, prepare, preview
from jptextclf.exporters import Checked, Export, Push, announce, check_subject
from jptextclf.exporters import export as export_directory
from jptextclf.exporters import push as push_directory
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.reports import render
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.messages import language as language_of_now
from jptextclf.pages.document import fragment
from jptextclf.pages.html import Html, foreign, notice, paragraph, together
from jptextclf.pages.html import table as page_table
from jptextclf.prediction import OnTooLong, Prediction, Predictor
from jptextclf.progress import Logged, Progress, Silent, phase
from jptextclf.run_comparison import RunComparison, Subject, compare_runs, shared_schema
from jptextclf.run_lock import check_lock, check_places, differences, make_lock, read_lock
from jptextclf.run_report import Report, ReportFiles, make_report, read_report, report_directory, write_report
from jptextclf.run_report.files import JSON as REPORT_JSON
from jptextclf.searching import SearchResult
from jptextclf.searching import search as run_search
from jptextclf.settings import OPTION, SET, RunOptions, Settings, resolve
from jptextclf.space import read_space
from jptextclf.subjects import find_subject
from jptextclf.trackers import Trackers, open_trackers, require_packages
from jptextclf.training import Watchers
from jptextclf.unfinished import Unfinished, unfinished_directory
from jptextclf.world import World, join

if TYPE_CHECKING:
    from jptextclf.baselines import Comparison
    from jptextclf.cross_validation import PredictionsFormat
    from jptextclf.data.examples import DataSummary, Examples, LoadedData
    from jptextclf.data.rows import Row
    from jptextclf.exporters.judging import Policy
    from jptextclf.labels import LabelSchema
    from jptextclf.licensing import Component

Data = (
    str
    | os.PathLike[str]
    | tuple[Sequence[str], Sequence[Any]]
    | tuple[Sequence[str], Sequence[Any], Mapping[str, Any]]
)
"""A file, a directory, a corpus name, a hub data set id with ``@revision``, ``(texts, labels)``, or
``(texts, labels, columns)`` with columns as a mapping from names to lists."""
_ROWS_AT_ONCE = 2048
_ADDED = ("predicted_label", "predicted_probability", "truncated", "empty")


@dataclass(frozen=True)
class Run:
    """A trained model in its directory."""

    bundle: Bundle
    device: str = "auto"
    comparison: Comparison | None = None
    """The model beside the baselines, right after training; later it stands in the record."""

    @property
    def path(self) -> Path:
        return self.bundle.path

    @property
    def schema(self) -> LabelSchema:
        return self.bundle.schema

    @property
    def scores(self) -> dict[str, Any]:
        """Scores of each evaluated split, as the run recorded them."""
        scores: dict[str, Any] = self.bundle.record["scores"]
        return scores

    @cached_property
    def predictor(self) -> Predictor:
        """The model, loaded when first asked for."""
        return Predictor.of(self.bundle, self.device)

    def predict(
        self,
        texts: Sequence[str],
        *,
        columns: Mapping[str, Any] | None = None,
        on_too_long: OnTooLong = "truncate",
    ) -> Prediction:
        """Classify texts.

        :param columns: name -> a value for each text, where the run was trained with ``extra_columns``
        :raises ConfigError: columns are missing (``JPT-U125``), or the run knows none (``JPT-U126``)
        :raises TypeError: ``texts`` is one string, or an item of it is no string
        :raises DataError: a text is too long and ``on_too_long`` is ``error`` (``JPT-D042``)
        """
        if isinstance(texts, (str, Mapping)) or hasattr(texts, "columns"):
            raise TypeError(
                f"texts is one {type(texts).__name__}, expected a sequence of str: predict([text])"
            )
        return self.predictor.predict(list(texts), columns=columns, on_too_long=on_too_long)

    def evaluate(self, data: Data, **options: Any) -> Evaluation:
        """:func:`evaluate` of this run."""
        return evaluate(self, data, **options)

    def license_check(self, use: str | None = None, **options: Any) -> Checked:
        """:func:`license_check` of this run, as it lies on the disk."""
        return license_check(self.path, use, **options)

    def _repr_html_(self) -> str:
        """For a notebook: what it is, how good it is, and that it may not be handed on as it is."""
        record = self.bundle.record
        parts: list[object] = [
            paragraph(Html(text(
                "run.line", name=foreign(self.path.name), encoder=foreign(record["encoder"]["name"]),
                labels=foreign(listing(self.schema.names, 20)),
            )))
        ]  # fmt: skip
        for split, scores in self.scores.items():
            rows = Evaluation.from_json(scores).table()
            caption = text("run.scores", split=text(f"words.{split}"), n=scores["n_texts"])
            cells = [[one.title, f"{one.score:.3f}", f"{one.low:.3f} – {one.high:.3f}"] for one in rows]
            names = [text(f"evaluation.{name}") for name in ("metric", "score", "interval")]
            parts.append(page_table(names, cells, caption=caption))
        verdict = Verdict.from_json(record["baselines"]["verdict"])
        parts.append(notice(str(verdict), kind="warning" if verdict.is_warning else "ok"))
        parts.append(paragraph(text("run.not_reviewed"), soft=True))
        return fragment(together(*parts))

    def report(self, data: Data | None = None, **options: Any) -> ReportFiles:
        """:func:`report` of this run."""
        return report(self, data, **options)

    def export(self, out: str | os.PathLike[str], **options: Any) -> Export:
        """:func:`export` of this run."""
        return export(self, out, **options)

    def push(self, repo: str, **options: Any) -> Push:
        """:func:`push` of this run."""
        return push(self, repo, **options)


@dataclass(frozen=True, repr=False)
class DryRun:
    """What a training would do."""

    out: Path
    prepared: Prepared
    preview: Preview
    summary: DataSummary
    files: tuple[str, ...]
    """What would be written into ``out``."""

    def __repr__(self) -> str:
        return f"<DryRun of {self.out}: {self.preview.steps} steps, about {self.preview.total_seconds:.0f} s>"

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "out": str(self.out),
            "config": self.prepared.config.to_json(),
            "plan": self.prepared.plan.to_json(),
            "labels": self.prepared.schema.to_json(),
            "splits": {name: len(examples) for name, examples in self.prepared.splits.items()},
            "preview": self.preview.to_json(),
            "data": self.summary.to_json(),
            "files": list(self.files),
        }


@overload
def train(data: Data | None = None, *, dry_run: Literal[True], **options: Any) -> DryRun: ...
@overload
def train(data: Data | None = None, *, dry_run: Literal[False] = False, **options: Any) -> Run: ...
@overload
def train(data: Data | None = None, *, dry_run: bool, **options: Any) -> Run | DryRun: ...
def train(
    data: Data | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    set: Sequence[str] = (),  # noqa: A002 - the option's name
    lock: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    report: bool = True,
    validation: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    votes_column: str | None = None,
    label_separator: str | None = None,
    encoding: str | None = None,
    data_origin: str | None = None,
    data_license: str | None = None,
    personal_information: str | None = None,
    data_card: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Run | DryRun:
    """Fine-tune a classifier and write it into a run directory.

    :param data: file, directory, corpus name, hub id with ``@revision``, or ``(texts, labels)``
    :param config: settings file (:mod:`jptextclf.settings`), which may also name the data; keywords go before it
    :param set: ``key=value`` each, before the file and after keywords
    :param lock: of a run, as a file or the run directory: train again with its settings, and only if data, encoder,
        teacher, tokenizer and dictionary are the same; other versions of packages are warned of
    :param dry_run: decide and measure everything, train and write nothing
    :param out: run directory; None takes the first free ``runs/<name>-<n>``
    :param overwrite: replace a run that is at ``out``, once the new one is complete, and discard a training for it
        that was not finished
    :param resume: go on with a training for ``out`` that was not finished; it starts anew where there is none
    :param report: write the report of the run beside it, into ``OUT.report`` (:func:`report`)
    :param validation: file with validation texts; without one a part of the training texts is held out
    :param test: file with test texts, scored once at the end
    :param columns: names of all columns, for files without a header
    :param text_column: one or several columns, joined with a space
    :param votes_column: annotators' votes, whose shares are learned in place of the labels (:mod:`jptextclf.data.votes`)
    :param label_separator: between the labels of one text; makes the task multi-label
    :param data_origin: ``own``, ``customer`` or ``public``, for the licence record
    :param data_license: SPDX expression
    :param personal_information: ``none-confirmed``, ``contains`` or ``unknown``
    :param settings: fields of :class:`jptextclf.config.TrainConfig`, such as ``model`` or ``epochs``
    :raises ConfigError: a setting, the file, the lock or ``out`` cannot be used, nobody names the data
        (``JPT-U119``), or it is another training than the locked one (``JPT-U118``)
    :raises DataError: the data cannot be read as they are
    :raises SetupError: the encoder or the device is missing
    :raises WorkError: training or writing failed
    :raises LicenseError: the model would be blocked for the use that is named (``JPT-L010``)
    """
    given = {
        "data": data, "out": out, "validation": validation, "test": test, "columns": columns,
        "text_column": text_column, "label_column": label_column, "split_column": split_column,
        "votes_column": votes_column, "label_separator": label_separator, "encoding": encoding,
        "data_origin": data_origin,
        "data_license": data_license, "personal_information": personal_information, "data_card": data_card,
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value is not None}
    locked = None if lock is None else read_lock(lock)
    resolved = resolve(
        {**options, **settings},
        config=config,
        set=set,
        locked=locked and locked["settings"],
    )
    if resolved.run.data is None:
        raise ConfigError("U119")
    if locked is not None:
        check_places(locked, resolved.origins)
    return _train(
        cast("Data", resolved.run.data), resolved.config, resolved.run, dry_run=dry_run, overwrite=overwrite,
        resume=resume, progress=progress, lock=locked, with_report=report,
    )  # fmt: skip


def _train(
    data: Data,
    config: TrainConfig,
    options: RunOptions,
    *,
    dry_run: bool,
    overwrite: bool,
    resume: bool,
    progress: Progress | None,
    lock: Mapping[str, Any] | None,
    with_report: bool,
) -> Run | DryRun:
    out = options.out
    with ExitStack() as stack:
        world = join(config.device)
        show: Progress = (progress or Logged()) if world.is_main else Silent()
        unfinished, target, is_finished = None, Path(), False
        with world.agreeing():
            if dry_run:
                target = _run_directory(out, data, resume=resume)
                check_target(target, overwrite=overwrite)
            elif not (is_finished := _is_finished(out, resume=resume, overwrite=overwrite)) and world.is_main:
                target, unfinished = _claim(out, data, resume=resume, overwrite=overwrite, progress=show)
                stack.enter_context(unfinished)
                if with_report:
                    check_target(report_directory(target), overwrite=True, holds=REPORT_JSON)
            require_packages(config.trackers)
        target = Path(out or "") if is_finished else Path(world.tell(str(target)))
        with world.agreeing():
            loaded, prepared, check = _prepare(
                data, config, options, name=target.name, world=world, progress=show
            )
            now = make_lock(prepared, loaded.summary.to_json())
            if is_finished:
                _require_same(target, now)
            for line in check_lock(lock or now, now):
                show.warn(line)
        if dry_run:
            return DryRun(
                target, prepared, preview(prepared, world=world), loaded.summary, _files_of(prepared)
            )
        if is_finished:
            show.say(text("train.is_finished", path=target))
            if with_report and not (report_directory(target) / REPORT_JSON).is_file():
                show.say(text("report.none_yet", run=target))
            return load(target, device=config.device)
        checkpoints, newest = _checkpoints(target, unfinished, now, world, show)
        watchers = Watchers(show, _trackers(target, config, world, show))
        if watchers.trackers is not None:
            stack.enter_context(watchers.trackers)
        with _hint_to_resume(checkpoints, target, show):
            history = fit(prepared, watchers=watchers, checkpoints=checkpoints, resume=newest, world=world)
        comparison = None
        with world.agreeing():
            if unfinished is not None:
                result = finish(
                    prepared, history, path=target, data_components=loaded.summary.components,
                    data_record={**loaded.summary.to_json(), "source": _name_of(data)}, progress=show,
                )  # fmt: skip
                comparison = result.comparison
                if watchers.trackers is not None:
                    watchers.trackers.log(_last_scores(result.bundle), prepared.plan.total_steps)
                if out is None and target.exists():
                    # Something was put there while this one was training.
                    target = _run_directory(out, data, resume=False)
                bundle = replace(result.bundle, path=target)
                predictor = result.predictor
                write_bundle(
                    bundle, predictor.classifier, predictor.adapter, features=predictor.features,
                    overwrite=overwrite,
                )  # fmt: skip
                unfinished.remove()
                if with_report:
                    _report_training(bundle, result, source=_name_of(data), check=check, progress=show)
        path = Path(world.tell(str(target)))
        return replace(load(path, device=config.device), comparison=comparison)


def _prepare(
    data: Data, config: TrainConfig, options: RunOptions, *, name: str, world: World, progress: Progress
) -> tuple[LoadedData, Prepared, DataCheck | None]:
    """Read the data, say what is in them and what is odd, and prepare a training.

    :param name: of the run
    """
    loaded, config = _load(data, config, options, extra_columns=config.extra_columns, progress=progress)
    prepared = prepare(loaded.splits, config, progress=progress, world=world)
    check = None
    if world.is_main:
        check = check_data(
            loaded.splits, adapter=prepared.adapter, max_length=config.max_length, summary=loaded.summary,
            progress=progress,
        )  # fmt: skip
        for line in check.lines():
            progress.say(line)
        _announce(prepared, loaded, name=name, progress=progress)
    return loaded, prepared, check


def _report_training(
    bundle: Bundle, result: Result, *, source: str, check: DataCheck | None, progress: Progress
) -> None:
    """The report of a run that was just written. If it fails the run is still there, and a warning says so."""
    try:
        found = _measured(
            bundle, result.judged, source=source, check=check, comparison=result.comparison, is_training=True,
            uncalibrated=result.judged.uncalibrated,
            history={**bundle.record["history"], "metric": bundle.record["plan"]["metric"]},
        )  # fmt: skip
        written = write_report(found, bundle, report_directory(bundle.path))
    except JptextclfError as error:
        progress.warn(text("report.failed", problem=error, run=bundle.path))
        return
    progress.say(text("report.written", path=written.html))


def _announce(prepared: Prepared, loaded: LoadedData, *, name: str, progress: Progress) -> None:
    """Say what the licences of model and data allow; stop where the use that is named would be blocked."""
    materials, config = prepared.components(loaded.summary.components), prepared.config
    announce(materials, name=name, use=config.use, policy=config.policy, progress=progress)


def _load(
    data: Data, config: TrainConfig, options: RunOptions, *, extra_columns: Sequence[str], progress: Progress
) -> tuple[LoadedData, TrainConfig]:
    """Read training data and say what is in them; the task is settled where the way of reading settles it."""
    origin = declare(
        data_origin=options.data_origin, data_license=options.data_license,
        personal_information=options.personal_information, data_card=options.data_card,
    )  # fmt: skip
    loaded = load_data(
        data, validation=options.validation, test=options.test, columns=options.columns,
        text_column=options.text_column, label_column=options.label_column, split_column=options.split_column,
        votes_column=options.votes_column, label_separator=options.label_separator, extra_columns=extra_columns,
        encoding=options.encoding, origin=origin, progress=progress,
    )  # fmt: skip
    for line in loaded.summary.lines():
        progress.say(line)
    if missing := _undeclared(loaded.summary.components):
        progress.say(text("train.undeclared", options=listing(missing)))
    if loaded.summary.label_separator is not None and config.task == "auto":
        config = replace(config, task="multilabel")
    return loaded, config


def _files_of(prepared: Prepared) -> tuple[str, ...]:
    """What would be written into the run directory."""
    return (
        *run_files(prepared.adapter),
        *prepared.head_files(),
        *(f"{UPSTREAM}/{name}" for name in prepared.encoder.upstream_texts()),
    )


def _is_finished(out: str | os.PathLike[str] | None, *, resume: bool, overwrite: bool) -> bool:
    """Whether there is nothing to go on with because the run was written."""
    if out is None or not resume or overwrite:
        return False
    run = Path(out).expanduser()
    return (run / RUN_RECORD).is_file() and not unfinished_directory(run).exists()


def _require_same(run: Path, now: Mapping[str, Any]) -> None:
    """That a finished run is the training that was asked for.

    :raises ConfigError: it is another one (``JPT-U183``)
    """
    changes = [f"  - {one}" for one in differences(read_lock(run), now) if one.changes_result]
    if changes:
        raise ConfigError("U183", path=run, differences="\n".join(changes))


def _trackers(run: Path, config: TrainConfig, world: World, progress: Progress) -> Trackers | None:
    """Those that were asked for; they write beside the run, which holds only what was sealed."""
    if not config.trackers or not world.is_main:
        return None
    return open_trackers(
        config.trackers, directory=run.parent, run_name=run.name, settings=config.to_json(), progress=progress
    )


def _last_scores(bundle: Bundle) -> dict[str, float]:
    """The scores of each split by name, such as ``test/macro_f1``."""
    return {
        f"{split}/{name}": float(value)
        for split, scores in bundle.record["scores"].items()
        for name, value in scores["scores"].items()
        if isinstance(value, (int, float))
    }


@contextmanager
def _hint_to_resume(checkpoints: Checkpoints, run: Path, progress: Progress) -> Iterator[None]:
    """However the training ends before its end: say how it goes on, if there is something to go on from."""
    try:
        yield
    except BaseException:
        if any(checkpoints.directory.iterdir()):
            progress.warn(text("train.resume_with", out=run))
        raise


def _claim(
    out: str | os.PathLike[str] | None, data: Data, *, resume: bool, overwrite: bool, progress: Progress
) -> tuple[Path, Unfinished]:
    """The run directory, and beside it the one to work in, which is held from now on.

    :raises ConfigError, WorkError: as :func:`jptextclf.atomic.check_target` and :meth:`Unfinished.claim`
    """
    while True:
        target = _run_directory(out, data, resume=resume)
        check_target(target, overwrite=overwrite)
        try:
            return target, Unfinished.claim(target, resume=resume, overwrite=overwrite, progress=progress)
        except ConfigError:
            # Another training took the directory that was free a moment ago: the next one is free.
            if out is not None or _run_directory(out, data, resume=resume) == target:
                raise


def _checkpoints(
    run: Path, unfinished: Unfinished | None, lock: Mapping[str, Any], world: World, progress: Progress
) -> tuple[Checkpoints, Checkpoint | None]:
    """Where the training saves its state, and the newest one that all processes go on from.

    :param unfinished: None in all processes but the main one
    """
    directory = unfinished_directory(run) / "checkpoints"
    newest = None
    with world.agreeing():
        if unfinished is not None:
            unfinished.identify(lock, compare=differences)
            checkpoints = Checkpoints(directory)
            newest, skipped = checkpoints.newest() if unfinished.resumed else (None, ())
            for one in skipped:
                progress.warn(str(one))
            if newest is not None:
                progress.say(text("train.resumed", step=newest.step, path=unfinished.path))
            elif unfinished.resumed and lock["settings"]["mode"] == "finetune":
                progress.warn(text("train.nothing_to_resume", path=unfinished.path))
    name = world.tell("" if newest is None else newest.path.name)
    with world.agreeing():
        if unfinished is None:
            checkpoints = Checkpoints(directory)
            newest = checkpoints.open(name) if name else None
    return checkpoints, newest


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
    extra = (*settings.config.extra_columns, *([group_column] if group_column else ()))
    loaded, settled = _load(
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
    said = frozenset(name for name, origin in settings.origins.items() if origin in {OPTION, SET})
    found = None if space is None else read_space(space, fixed=said)
    default = TrainConfig().to_json()
    decided = {name for name, value in settings.config.to_json().items() if value != default[name]}
    settled, without_test = settings.config, replace(settings.run, test=None)
    loaded, settled = _load(source, settled, without_test, extra_columns=settled.extra_columns, progress=show)
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
    return lambda prepared: _announce(prepared, loaded, name=name, progress=progress)


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


def load(path: str | os.PathLike[str], *, device: str = "auto", precision: RunPrecision | None = None) -> Run:
    """Open a run directory or an export; every file is checked against its manifest, the model is read when first used.

    :param precision: of a run ``float32`` or ``bfloat16``, of an ONNX export ``float32`` or ``int8``; None is ``float32``
    :raises SetupError: it is no run directory, or damaged
    """
    return Run(replace(open_bundle(Path(path)), precision=precision), device)


def evaluate(
    run: Run | str | os.PathLike[str],
    data: Data,
    *,
    split: str | None = None,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    label_separator: str | None = None,
    encoding: str = "auto",
    device: str = "auto",
    precision: RunPrecision | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a run on labelled texts.

    :param run: a run, or its directory
    :param split: which split of ``data``; None takes the only one, else ``test``
    :raises DataError: the data cannot be read, have no such split (``JPT-D043``), or carry a label that the
        run does not know
    """
    opened = run if isinstance(run, Run) else load(run, device=device, precision=precision)
    _, judged = _judge_on(
        opened, data, split=split, columns=columns, text_column=text_column, label_column=label_column,
        split_column=split_column, label_separator=label_separator, encoding=encoding,
        progress=progress or Logged(),
    )  # fmt: skip
    return judged.evaluation


def _judge_on(
    run: Run, data: Data, *, split: str | None, progress: Progress, by: Sequence[str] = (), **options: Any
) -> tuple[LoadedData, Judged]:
    """What a run says of labelled texts, and how right it is.

    :param by: columns that are read beside those that the run needs
    :param options: how the data are read
    """
    loaded = _load_like_training(run, data, extra_columns=by, **options)
    for line in loaded.summary.lines():
        progress.say(line)
    chosen = _split_to_score(loaded, split)
    examples = loaded.splits[chosen]
    known = known_references(run.schema, examples.labels or [])
    some = examples.select(np.flatnonzero(known.kept).tolist())
    beside = {name: some.columns[name] for name in run.bundle.extra_columns if name in some.columns}
    with phase(progress, text("evaluate.phase"), len(some)):
        prediction = run.predictor.predict(some.texts, columns=beside or None, progress=progress)
    evaluation = score(
        run.schema,
        known.references,
        prediction.label_ids,
        n_truncated=int(prediction.truncated.sum()),
        n_empty=int(prediction.empty.sum()),
        unknown=known,
    )
    return loaded, Judged(chosen, some, known.references, prediction, evaluation)


def compare(
    *runs: Run | str | os.PathLike[str],
    data: Data,
    split: str | None = None,
    metric: str = DEFAULT_METRIC,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    label_separator: str | None = None,
    encoding: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> RunComparison:
    """Compare two or more runs on the same labelled texts: quality, chance, and cost.

    Each run reads the text columns that it was trained on where they exist; labels come from one column for all.
    One model is in memory at a time, unless a :class:`Run` has read its own already.

    :param runs: runs, exports, or their directories; the others are compared with the first
    :param data: labelled texts that none of them was trained on
    :param split: which split of ``data``; None takes the only one, else ``test``
    :param metric: what the verdict is about
    :raises ConfigError: fewer than two runs (``JPT-U196``), tasks that differ (``JPT-U197``), no label in common
        (``JPT-U198``), or a metric that is not of the task (``JPT-U027``)
    :raises DataError: as :func:`evaluate`; the runs read different rows (``JPT-D083``), or no text has only labels
        that all know (``JPT-D084``)
    """
    show = progress or Logged()
    opened = [run if isinstance(run, Run) else load(run, device=device) for run in runs]
    names = _distinct_names(opened)
    shared_schema(names, [run.schema for run in opened])
    options: dict[str, Any] = {
        "columns": columns, "text_column": text_column, "label_column": label_column, "split_column": split_column,
        "label_separator": label_separator, "encoding": encoding,
    }  # fmt: skip
    beside = tuple(dict.fromkeys(name for run in opened for name in run.bundle.extra_columns))
    loaded = _load_like_training(opened[0], data, extra_columns=beside, **options)
    for line in loaded.summary.lines():
        show.say(line)
    chosen = _split_to_score(loaded, split)
    subjects: list[Subject] = []
    notes: list[str] = []
    for run, name in zip(opened, names, strict=True):
        read, columns_read, note = _read_alike(run, name, data, loaded, chosen, options)
        _require_same_rows(subjects[:1], loaded.splits[chosen], name, read, columns_read)
        subjects.append(_subject(run, name, read, columns_read))
        notes += [*note, *_learned(run, name, loaded, chosen)]
    return compare_runs(
        subjects, loaded.splits[chosen], source=_name_of(data), split=chosen, created=now(), metric=metric,
        notes=notes, progress=show,
    )  # fmt: skip


def _distinct_names(runs: Sequence[Run]) -> list[str]:
    """What the runs are called: their directories, with as many parents as it takes to tell them apart."""
    places = [run.path.resolve() for run in runs]
    names: list[str] = []
    for n_parts in range(1, max((len(one.parts) for one in places), default=0) + 1):
        names = ["/".join(one.parts[-n_parts:]) for one in places]
        if len(set(names)) == len(set(places)):
            break
    for number, run in enumerate(runs):
        if run.bundle.precision not in {None, "float32"}:
            names[number] += f" ({run.bundle.precision})"
        if names[number] in names[:number]:
            # The same run again.
            names[number] += f" #{number + 1}"
    return names


def _subject(run: Run, name: str, read: Examples, text_columns: tuple[str, ...]) -> Subject:
    # A model that the caller has read already is used; another one is let go of after its predictions.
    is_read = "predictor" in vars(run)
    return Subject(
        name,
        run.bundle,
        (lambda: run.predictor) if is_read else (lambda: Predictor.of(run.bundle, run.device)),
        read.texts,
        {one: read.columns[one] for one in run.bundle.extra_columns if one in read.columns},
        text_columns,
    )


def _read_alike(
    run: Run, name: str, data: Data, loaded: LoadedData, split: Any, options: Mapping[str, Any]
) -> tuple[Examples, tuple[str, ...], list[str]]:
    """The texts as one run reads them: from the columns that it was trained on, where they exist.

    :param loaded: what the first run reads
    :returns: the texts, their columns, and a sentence where the columns of the training do not exist
    """
    there = loaded.summary.files[0].columns
    wanted = tuple(run.bundle.record["data"]["columns"]["text"])
    if isinstance(data, tuple) or options["text_column"] is not None or wanted == there.text:
        return loaded.splits[split], there.text, []
    asked = {
        **options, "text_column": wanted, "label_column": there.label, "extra_columns": run.bundle.extra_columns,
        "label_separator": loaded.summary.label_separator,
    }  # fmt: skip
    try:
        return load_data(data, **asked, training=False).splits[split], wanted, []
    except DataError as error:
        if error.code != "JPT-D019":
            raise
    note = text("compare.reads_first", run=name, wanted=listing(wanted), found=listing(there.text))
    return loaded.splits[split], there.text, [note]


def _require_same_rows(
    first: Sequence[Subject], examples: Examples, name: str, read: Examples, columns: tuple[str, ...]
) -> None:
    """:raises DataError: a run reads other rows than the first one (``JPT-D083``)"""
    if first and (read.rows, read.labels) != (examples.rows, examples.labels):
        raise DataError(
            "D083", run=first[0].name, other_run=name, n_first=len(examples), n_other=len(read),
            first_columns=listing(first[0].text_columns), other_columns=listing(columns),
        )  # fmt: skip


def _learned(run: Run, name: str, loaded: LoadedData, split: Any) -> list[str]:
    """A sentence if a run has learned from, or was chosen by, these very texts."""
    record = run.bundle.record["data"]
    trained = {one["sha256"] for one in record.get("files", ())}
    files = [one.name for one in loaded.summary.files if one.sha256 in trained]
    n_tested = record.get("splits", {}).get("test", {}).get("texts", 0)
    was_test = split == "test" and n_tested == len(loaded.splits[split])
    return [] if was_test or not files else [text("compare.learned", run=name, file=listing(files))]


def report(
    run: Run | str | os.PathLike[str],
    data: Data | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    split: str | None = None,
    by: Sequence[str] = (),
    votes_column: str | None = None,
    png: bool = False,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    label_separator: str | None = None,
    encoding: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> ReportFiles:
    """Write the report of a run in the language of now: ``report.html``, ``report.json`` and ``csv/``.

    Without data it is that of the training, written again from its ``report.json``.

    :param run: a run, or its directory
    :param data: labelled texts to judge it by
    :param out: directory; None: ``RUN.report``, or ``RUN.report-<data>`` for other data. A report there is replaced
    :param split: which split of ``data``; None takes the only one, else ``test``
    :param by: columns by whose values the accuracy is shown
    :param votes_column: annotators' votes, by whose agreement the accuracy is shown
    :param png: also every chart as a picture
    :raises ConfigError: there is no report of this run and no data (``JPT-U201``), or something else at ``out``
        (``JPT-U025``)
    :raises DataError: as :func:`evaluate`
    """
    show = progress or Logged()
    opened = run if isinstance(run, Run) else load(run, device=device)
    if data is None:
        there = report_directory(opened.path)
        return write_report(_report_of_training(opened, there), opened.bundle, Path(out or there), png=png)
    loaded, judged = _judge_on(
        opened, data, split=split, by=by, votes_column=votes_column, columns=columns, text_column=text_column,
        label_column=label_column, split_column=split_column, label_separator=label_separator,
        encoding=encoding, progress=show,
    )  # fmt: skip
    name = _name_of(data)
    check = check_data(
        loaded.splits, adapter=opened.predictor.adapter, max_length=opened.bundle.max_length,
        summary=loaded.summary, progress=show,
    )  # fmt: skip
    found = _measured(opened.bundle, judged, source=name, check=check)
    target = Path(out) if out is not None else report_directory(opened.path, Path(name).stem)
    return write_report(found, opened.bundle, target, png=png)


def _measured(bundle: Bundle, judged: Judged, **options: Any) -> Report:
    return make_report(
        bundle, judged.examples, judged.references, judged.prediction, judged.evaluation, split=judged.split,
        created=now(), **options,
    )  # fmt: skip


def _report_of_training(run: Run, directory: Path) -> Report:
    """The report that the training wrote.

    :raises ConfigError: there is none (``JPT-U201``), or it is of another model (``JPT-U202``)
    """
    found = read_report(directory)
    if found is None:
        raise ConfigError("U201", path=run.path, directory=directory)
    if found.run_sha256 != sha256_of(run.path / RUN_RECORD):
        raise ConfigError("U202", path=run.path, directory=directory)
    return found


def license_check(
    subject: str | os.PathLike[str],
    use: str | None = None,
    *,
    output_license: str | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> Checked:
    """The verdict of the written policy for a use of a run, an export, a model or a case.

    Of an export it also says which duties its files do not meet: ``.problems``.

    :param subject: directory, model name, card name, hub id, or JSON file of a case
    :param use: one of the closed list; None: the default of the policy, else the one of the case or the export
    :param output_license: that the model is given under
    :param policy: of the company, or its file
    :raises ConfigError: nothing has this name, or use, licence or policy cannot be used
    :raises SetupError: a run was damaged or changed, or a model is not at hand
    """
    judged, problems = check_subject(
        subject, use, output_license=output_license, policy=policy, progress=progress
    )
    return Checked.of(judged.assessment, problems)


def license_report(
    subject: str | os.PathLike[str],
    use: str | None = None,
    *,
    format: str = "md",  # noqa: A002 - the option's name
    language: str | None = None,
    output_license: str | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> str:
    """The report on a verdict, as a document that ends with a line feed.

    :param format: ``md``, ``html``, ``json``, ``spdx``, ``cyclonedx`` or ``notice``
    :param language: ``ja`` or ``en``; None: the language of now
    :raises ConfigError, SetupError: as :func:`license_check`; also for an unknown format (``JPT-U001``)
    """
    found = find_subject(subject, progress=progress)
    judged, _ = check_subject(found, use, output_license=output_license, policy=policy)
    return render(judged.assessment, found.report(), format=format, language=language or language_of_now())


def export(
    run: Run | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    use: str | None = None,
    format: str = "huggingface",  # noqa: A002 - the option's name
    output_license: str | None = None,
    policy: Policy | None = None,
    license_files: Mapping[str, str | os.PathLike[str]] | None = None,
    copyright: str | None = None,  # noqa: A002 - the option's name
    overwrite: bool = False,
) -> Export:
    """:func:`jptextclf.exporters.gate.export`: judge a run for a use, and write an export, whole or not at all."""
    return export_directory(
        _path_of(run), out, use=use, format=format, output_license=output_license, policy=policy,
        license_files=license_files, copyright=copyright, overwrite=overwrite,
    )  # fmt: skip


def push(
    run: Run | str | os.PathLike[str],
    repo: str,
    *,
    use: str | None = None,
    private: bool = False,
    output_license: str | None = None,
    policy: Policy | None = None,
    license_files: Mapping[str, str | os.PathLike[str]] | None = None,
    copyright: str | None = None,  # noqa: A002 - the option's name
    progress: Progress | None = None,
) -> Push:
    """:func:`jptextclf.exporters.hub.push`: export a run for ``publish-on-hub`` and send it in one commit."""
    return push_directory(
        _path_of(run), repo, use=use, private=private, output_license=output_license, policy=policy,
        license_files=license_files, copyright=copyright, progress=progress,
    )  # fmt: skip


def _path_of(run: Run | str | os.PathLike[str]) -> Path:
    return run.path if isinstance(run, Run) else Path(run)


@dataclass(frozen=True)
class FilePrediction:
    """What became of a file."""

    output: Path
    read: int
    truncated: int
    empty: int
    unmappable: int
    """Characters that the output encoding does not have; each was written as a filler."""
    notes: tuple[str, ...]
    """What the user should know about the output, as sentences."""

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1, "output": str(self.output), "read": self.read, "truncated": self.truncated,
            "empty": self.empty, "unmappable": self.unmappable, "notes": list(self.notes),
        }  # fmt: skip


def predict_file(
    run: Run | str | os.PathLike[str],
    input: str | os.PathLike[str],  # noqa: A002 - the option's name
    output: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    input_encoding: str = "auto",
    encoding: str | None = None,
    label_separator: str = "|",
    probabilities: bool = False,
    on_too_long: OnTooLong = "truncate",
    device: str = "auto",
    precision: RunPrecision | None = None,
    progress: Progress | None = None,
) -> FilePrediction:
    """Classify every row of a file; columns and their order stay, four columns are added.

    Added are ``predicted_label``, ``predicted_probability`` (of that label; for a multi-label task those of all
    given labels), ``truncated`` and ``empty``. Memory does not grow with the number of rows, except for Excel.

    :param encoding: of the output; None is UTF-8 with BOM for CSV, which spreadsheets recognise
    :param label_separator: between the labels of one text
    :param probabilities: add a column ``probability:<label>`` for each label
    :raises DataError: the input cannot be read; ``output`` is then as it was
    """
    show = progress or Logged()
    opened = run if isinstance(run, Run) else load(run, device=device, precision=precision)
    table = open_table(input, encoding=input_encoding, columns=columns)
    # The columns that the run was trained on are looked for first, then the usual names.
    found = _columns_to_read(table, text_column, opened)
    show.say(text("predict.columns", text=listing(found.text)))
    extra = _extra_places(table, opened)
    added = [*_ADDED, *(f"probability:{name}" for name in opened.schema.names if probabilities)]
    names = _unused_names(table.columns, added)
    read = truncated = empty = 0
    odd: Counter[str] = Counter()
    as_lists = Path(output).suffix.lower() in {".jsonl", ".ndjson"} and opened.schema.is_multilabel
    with (
        phase(show, text("predict.phase"), None),
        open_writer(output, columns=(*table.columns, *names), encoding=encoding, source=table.path) as writer,
    ):
        for rows in _batches(table.rows()):
            texts = [joined([row.cells[table.columns.index(name)] for name in found.text]) for row in rows]
            beside = {name: [text_of(row.cells[place]) for row in rows] for name, place in extra.items()}
            prediction = opened.predictor.predict(
                texts,
                columns=beside or None,
                on_too_long=on_too_long,
                first=rows[0].number,
                progress=Silent(),
            )
            separator = None if as_lists else label_separator
            odd.update(prediction.odd_cells)
            added_cells = _added_cells(prediction, separator, every=probabilities)
            for row, cells in zip(rows, added_cells, strict=True):
                writer.write((*row.values, *cells))
            read += len(rows)
            truncated += int(prediction.truncated.sum())
            empty += int(prediction.empty.sum())
            show.advance(len(rows))
    for note in opened.predictor.notes(odd, read):
        show.warn(note)
    return FilePrediction(Path(output), read, truncated, empty, writer.unmappable, tuple(writer.notes))


def _added_cells(prediction: Prediction, separator: str | None, *, every: bool) -> Iterator[tuple[Any, ...]]:
    """Labels, their probabilities, truncated, empty, and every probability if asked for.

    :param separator: between several labels; None gives lists
    """
    ids = {name: number for number, name in enumerate(prediction.schema.names)}
    for labels, row, truncated, empty in zip(
        prediction.labels, prediction.probabilities, prediction.truncated, prediction.empty, strict=True
    ):
        values = [round(float(row[ids[name]]), 4) for name in labels]
        rest = [round(float(one), 4) for one in row] if every else []
        if separator is None:
            yield list(labels), values, bool(truncated), bool(empty), *rest
        else:
            value = values[0] if len(values) == 1 else separator.join(map(str, values))
            yield separator.join(labels), value, bool(truncated), bool(empty), *rest


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _columns_to_read(table: Table, text_column: str | Sequence[str] | None, run: Run) -> Columns:
    trained_on = run.bundle.record["data"]["columns"]["text"]
    if text_column is None and set(trained_on) <= set(table.columns):
        text_column = trained_on
    return find_columns(table.columns, text_column=text_column, need_label=False)


def _extra_places(table: Table, run: Run) -> dict[str, int]:
    """Where the columns stand that the run needs beside the text.

    :raises DataError: one is not there (``JPT-D062``)
    """
    places = {}
    missing = []
    for name in run.bundle.extra_columns:
        alike = [place for place, one in enumerate(table.columns) if folded_name(one) == folded_name(name)]
        if name in table.columns:
            places[name] = table.columns.index(name)
        elif len(alike) == 1:
            places[name] = alike[0]
        else:
            missing.append(name)
    if missing:
        raise DataError(
            "D062",
            path=table.path,
            missing=listing(missing),
            columns=listing(table.columns, 20),
            hint=did_you_mean(missing[0], table.columns),
        )
    return places


def _unused_names(taken: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Names for new columns; one that the file has already gets a number."""
    names = []
    for name in wanted:
        number = 1
        candidate = name
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        names.append(candidate)
    return names


def _split_to_score(loaded: LoadedData, split: str | None) -> Any:
    there = list(loaded.splits)
    if split is None:
        split = there[0] if len(there) == 1 else "test"
    if split not in there:
        raise DataError("D043", split=split, found=listing(there))
    return split


def _undeclared(components: Sequence[Component]) -> list[str]:
    """Options that would complete the record of the data."""
    missing = {
        "--data-origin": any(one.origin == "unknown" for one in components),
        "--data-license": any(one.license == NOASSERTION for one in components),
        "--personal-information": any(one.personal_information in {None, "unknown"} for one in components),
    }
    return [name for name, is_missing in missing.items() if is_missing]


def _name_of(data: Data) -> str:
    """What the data are called: a file or directory without its place, which belongs to this machine only."""
    if isinstance(data, tuple):
        return "memory"
    return Path(data).resolve().name if Path(data).exists() else os.fspath(data)


def _load_like_training(
    run: Run, data: Data, *, extra_columns: Sequence[str] = (), **options: Any
) -> LoadedData:
    """Labelled texts, from the columns that the run was trained on where nothing else is asked for and they exist.

    :param extra_columns: to be read beside those that the run needs
    """
    remembered = run.bundle.record["data"]["columns"]
    needed = dict.fromkeys((*run.bundle.extra_columns, *extra_columns))
    options["extra_columns"] = () if isinstance(data, tuple) else tuple(needed)
    if options["label_separator"] is None and run.schema.is_multilabel:
        options["label_separator"] = remembered["label_separator"]
    if options["text_column"] is None and options["label_column"] is None and not isinstance(data, tuple):
        names = {"text_column": remembered["text"], "label_column": remembered["label"]}
        try:
            return load_data(data, **{**options, **names}, training=False)
        except DataError as error:
            if error.code != "JPT-D019":
                raise
    return load_data(data, **options, training=False)


def _run_directory(out: str | os.PathLike[str] | None, data: Data, *, resume: bool) -> Path:
    """``out``, or else the first free ``runs/<name>-<n>``; with ``resume`` the newest one that is not finished."""
    if out is not None:
        return Path(out).expanduser()
    name = re.sub(r"[^\w.-]+", "-", Path(_name_of(data)).stem) or "run"
    runs = (Path("runs") / f"{name}-{number}" for number in itertools.count(1))
    taken = list(itertools.takewhile(_is_taken, runs))
    if resume and taken and unfinished_directory(taken[-1]).exists():
        return taken[-1]
    return Path("runs") / f"{name}-{len(taken) + 1}"


def _is_taken(run: Path) -> bool:
    return run.exists() or unfinished_directory(run).exists() or report_directory(run).exists()
