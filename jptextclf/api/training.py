"""One training: read the data, say what is odd in them, train, write the run and its report."""

from __future__ import annotations

import itertools
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from jptextclf.api.judging import measured
from jptextclf.api.runs import Data, Run, load, name_of
from jptextclf.atomic import RUN_RECORD, check_target
from jptextclf.bundle import UPSTREAM, Bundle, open_bundle, run_files, write_bundle
from jptextclf.checkpoints import Checkpoint, Checkpoints
from jptextclf.data.checks import DataCheck, check_data
from jptextclf.data.loading import load_data
from jptextclf.data.origin import declare
from jptextclf.errors import ConfigError, DataError, JptextclfError
from jptextclf.experiment import (
    Prepared,
    Preview,
    Result,
    finish,
    fit,
    prepare,
    preview,
    training_profile,
)
from jptextclf.exporters import announce
from jptextclf.few_labels import prepare_few, require_free
from jptextclf.licensing.components import NOASSERTION
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.progress import Logged, Progress, Silent
from jptextclf.run_lock import check_lock, check_places, differences, make_lock, read_lock
from jptextclf.run_report import report_directory, write_report
from jptextclf.run_report.files import JSON as REPORT_JSON
from jptextclf.settings import LOCKED, RunOptions, resolve
from jptextclf.trackers import Trackers, open_trackers, require_packages
from jptextclf.training import Watchers
from jptextclf.unfinished import Unfinished, unfinished_directory
from jptextclf.world import World, join

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from jptextclf.config import TrainConfig
    from jptextclf.data.examples import DataSummary, LoadedData, Split
    from jptextclf.experiment import Judged
    from jptextclf.few_labels import Way
    from jptextclf.licensing import Component

Aside = dict["Split", dict[str, dict[int, str]]]
"""Split -> column -> row of the file -> cell."""


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
    by: Sequence[str] | None = None,
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
    :param by: columns by whose values the report shows the accuracy; nothing is learned from them
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
        "by": by, "votes_column": votes_column, "label_separator": label_separator, "encoding": encoding,
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
    if resolved.config.few_shot:
        require_free([name for name, origin in resolved.origins.items() if origin != LOCKED])
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
            loaded, prepared, check, aside = _prepare(
                data,
                config,
                options,
                name=target.name,
                world=world,
                progress=show,
                way=_known_way(target) if is_finished else "vectors" if dry_run else None,
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
                    data_record={**loaded.summary.to_json(), "source": name_of(data)}, progress=show,
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
                    answers=result.answers, profile=training_profile(prepared, result.answers, result.bundle.thresholds, show), overwrite=overwrite,
                )  # fmt: skip
                unfinished.remove()
                if with_report:
                    judged = _with_aside(result.judged, aside, held_out=prepared.held_out)
                    _report_training(bundle, result, judged, source=name_of(data), check=check, progress=show)
        path = Path(world.tell(str(target)))
        return replace(load(path, device=config.device), comparison=comparison)


def _prepare(
    data: Data,
    config: TrainConfig,
    options: RunOptions,
    *,
    name: str,
    world: World,
    progress: Progress,
    way: Way | None = None,
) -> tuple[LoadedData, Prepared, DataCheck | None, Aside]:
    """Read the data, say what is in them and what is odd, and prepare a training.

    :param name: of the run
    :param way: of a training with few labels, where it need not be found
    :returns: what was read, what is trained, what is odd, and the columns that only the report shows
    """
    by = tuple(options.by or ())
    wanted = tuple(dict.fromkeys((*config.extra_columns, *by)))
    loaded, config = read_data(data, config, options, extra_columns=wanted, progress=progress)
    loaded, aside = _set_aside(loaded, [name for name in by if name not in config.extra_columns])
    if config.few_shot:
        prepared = prepare_few(loaded.splits, config, progress=progress, world=world, way=way)
        if way is not None:
            progress.say(text("few.not_tried"))
    else:
        prepared = prepare(loaded.splits, config, progress=progress, world=world)
    check = None
    if world.is_main:
        check = check_data(
            loaded.splits, adapter=prepared.adapter, max_length=config.max_length, summary=loaded.summary,
            progress=progress,
        )  # fmt: skip
        for line in check.lines():
            progress.say(line)
        announce_verdict(prepared, loaded, name=name, progress=progress)
    return loaded, prepared, check, aside


def _known_way(run: Path) -> Way | None:
    """The way that a finished run with few labels was trained in; None for other runs."""
    recorded = open_bundle(run).record.get("few_labels")
    return None if recorded is None else recorded["chosen"]


def _set_aside(loaded: LoadedData, names: Sequence[str]) -> tuple[LoadedData, Aside]:
    """The data without some columns, which are not learned from and no part of what the training depends on.

    :raises DataError: data in memory have no such column (``JPT-D062``)
    """
    aside: Aside = {}
    splits = {}
    for split, examples in loaded.splits.items():
        if missing := [name for name in names if name not in examples.columns]:
            there = listing(examples.columns, 20) or text("words.none")
            hint = did_you_mean(missing[0], examples.columns)
            raise DataError("D062", path="memory", missing=listing(missing), columns=there, hint=hint)
        kept = {name: cells for name, cells in examples.columns.items() if name not in names}
        splits[split] = replace(examples, columns=kept)
        aside[split] = {name: dict(zip(examples.rows, examples.columns[name], strict=True)) for name in names}
    for file in loaded.summary.files:
        extra = tuple(name for name in file.columns.extra if name not in names)
        file.columns = replace(file.columns, extra=extra)
    return replace(loaded, splits=splits), aside


def _with_aside(judged: Judged, aside: Aside, *, held_out: bool) -> Judged:
    """The judged texts with the columns that were set aside, found again by their rows.

    :param held_out: the validation texts were a part of the training texts
    """
    split: Split = "train" if held_out and judged.split == "validation" else judged.split
    cells = {name: [by_row[row] for row in judged.examples.rows] for name, by_row in aside[split].items()}
    return replace(judged, examples=replace(judged.examples, columns={**judged.examples.columns, **cells}))


def _report_training(
    bundle: Bundle,
    result: Result,
    judged: Judged,
    *,
    source: str,
    check: DataCheck | None,
    progress: Progress,
) -> None:
    """The report of a run that was just written. If it fails the run is still there, and a warning says so."""
    try:
        found = measured(
            bundle, judged, source=source, check=check, comparison=result.comparison, is_training=True,
            uncalibrated=judged.uncalibrated, predictor=result.predictor,
            progress=progress, history={**bundle.record["history"], "metric": bundle.record["plan"]["metric"]},
        )  # fmt: skip
        written = write_report(found, bundle, report_directory(bundle.path))
    except JptextclfError as error:
        progress.warn(text("report.failed", problem=error, run=bundle.path))
        return
    progress.say(text("report.written", path=written.html))


def announce_verdict(prepared: Prepared, loaded: LoadedData, *, name: str, progress: Progress) -> None:
    """Say what the licences of model and data allow; stop where the use that is named would be blocked."""
    materials, config = prepared.components(loaded.summary.components), prepared.config
    announce(materials, name=name, use=config.use, policy=config.policy, progress=progress)


def read_data(
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


def _undeclared(components: Sequence[Component]) -> list[str]:
    """Options that would complete the record of the data."""
    missing = {
        "--data-origin": any(one.origin == "unknown" for one in components),
        "--data-license": any(one.license == NOASSERTION for one in components),
        "--personal-information": any(one.personal_information in {None, "unknown"} for one in components),
    }
    return [name for name, is_missing in missing.items() if is_missing]


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


def _run_directory(out: str | os.PathLike[str] | None, data: Data, *, resume: bool) -> Path:
    """``out``, or else the first free ``runs/<name>-<n>``; with ``resume`` the newest one that is not finished."""
    if out is not None:
        return Path(out).expanduser()
    name = re.sub(r"[^\w.-]+", "-", Path(name_of(data)).stem) or "run"
    runs = (Path("runs") / f"{name}-{number}" for number in itertools.count(1))
    taken = list(itertools.takewhile(_is_taken, runs))
    if resume and taken and unfinished_directory(taken[-1]).exists():
        return taken[-1]
    return Path("runs") / f"{name}-{len(taken) + 1}"


def _is_taken(run: Path) -> bool:
    return run.exists() or unfinished_directory(run).exists() or report_directory(run).exists()
