"""What runs say of labelled texts: scores, the report, and which of several is better."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.api.runs import Data, Run, load, name_of
from jptextclf.atomic import RUN_RECORD, check_outside, check_target, sha256_of
from jptextclf.data.checks import check_data
from jptextclf.data.loading import load_data
from jptextclf.decisions.answers import Answers
from jptextclf.decisions.tuning import Tuned, outcome
from jptextclf.errors import ConfigError, DataError
from jptextclf.evaluation import DEFAULT_METRIC, Evaluation, known_references, score
from jptextclf.experiment import Judged, now
from jptextclf.explanation import Explained, explain_texts
from jptextclf.messages import listing, text
from jptextclf.prediction import Predictor
from jptextclf.probing import TRANSFORMATIONS, Probe, run_probe
from jptextclf.probing.measuring import MOST_TEXTS
from jptextclf.progress import Logged, Progress, Silent, phase
from jptextclf.run_comparison import RunComparison, Subject, compare_runs, shared_schema
from jptextclf.run_report import (
    Report,
    ReportFiles,
    make_report,
    read_report,
    report_directory,
    write_again,
    write_report,
)
from jptextclf.run_report.files import JSON as REPORT_JSON
from jptextclf.vote_scores import vote_scores

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.bundle import Bundle, RunPrecision
    from jptextclf.data.examples import Examples, LoadedData


def evaluate(
    run: Run | str | os.PathLike[str],
    data: Data,
    *,
    split: str | None = None,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    votes_column: str | None = None,
    probe: bool = False,
    label_separator: str | None = None,
    encoding: str = "auto",
    device: str = "auto",
    precision: RunPrecision | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a run on labelled texts.

    :param run: a run, or its directory
    :param split: which split of ``data``; None takes the only one, else ``test``
    :param votes_column: annotators' votes, which the run is then also scored against (:mod:`jptextclf.vote_scores`)
    :param probe: also ask for up to 1,000 of the texts as they are written otherwise (:mod:`jptextclf.probing`)
    :raises DataError: the data cannot be read, have no such split (``JPT-D043``), or carry a label that the
        run does not know
    """
    opened = run if isinstance(run, Run) else load(run, device=device, precision=precision)
    _, judged = judge_on(
        opened, data, split=split, columns=columns, text_column=text_column, label_column=label_column,
        split_column=split_column, votes_column=votes_column, probe=probe, label_separator=label_separator,
        encoding=encoding, progress=progress or Logged(),
    )  # fmt: skip
    return judged.evaluation


def judge_on(
    run: Run,
    data: Data,
    *,
    split: str | None,
    progress: Progress,
    by: Sequence[str] = (),
    probe: bool = False,
    **options: Any,
) -> tuple[LoadedData, Judged]:
    """What a run says of labelled texts, and how right it is.

    :param by: columns that are read beside those that the run needs
    :param probe: also ask for texts as they are written otherwise
    :param options: how the data are read
    :raises DataError: no cell of the column of votes holds any (``JPT-D085``)
    """
    loaded = _load_like_training(run, data, extra_columns=by, **options)
    for line in loaded.summary.lines():
        progress.say(line)
    chosen = _split_to_score(loaded, split)
    examples = loaded.splits[chosen]
    if examples.votes is not None and all(one.problem for one in examples.votes):
        raise DataError("D085", column=options["votes_column"], n=len(examples))
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
    if some.votes is not None:
        against = vote_scores(run.schema, some.votes, prediction.probabilities, prediction.label_ids)
        if against is None:
            progress.warn(text("vote_scores.none"))
        evaluation = replace(evaluation, votes=against)
    if prediction.rule.asks:
        answers = Answers(run.schema, prediction.probabilities, known.references)
        tuned = Tuned(tuple(prediction.thresholds.tolist()), prediction.rule)
        evaluation = replace(evaluation, review=outcome(answers, tuned))
    if probe:
        found = _probe(run.predictor, some, known.references, beside, progress)
        if not found.n_texts:
            progress.warn(text("probe.none"))
        evaluation = replace(evaluation, probe=found)
    return loaded, Judged(chosen, some, known.references, prediction, evaluation)


def _probe(
    predictor: Predictor,
    examples: Examples,
    references: NDArray[Any],
    beside: Mapping[str, Sequence[str]],
    progress: Progress,
) -> Probe:
    """:param beside: column that the run needs -> its cells"""

    def ask(texts: Sequence[str], places: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        cells = {name: [column[place] for place in places] for name, column in beside.items()}
        said = predictor.predict(texts, columns=cells or None, progress=Silent())
        return said.label_ids, said.probabilities

    total = min(len(examples), MOST_TEXTS) * len(TRANSFORMATIONS)
    with phase(progress, text("probe.phase"), total):
        return run_probe(
            predictor.schema, examples.texts, examples.rows, references, ask, progress=progress.advance
        )


def _split_to_score(loaded: LoadedData, split: str | None) -> Any:
    there = list(loaded.splits)
    if split is None:
        split = there[0] if len(there) == 1 else "test"
    if split not in there:
        raise DataError("D043", split=split, found=listing(there))
    return split


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


def explain(
    run: Run | str | os.PathLike[str],
    texts: Sequence[str],
    *,
    label: str | None = None,
    columns: Mapping[str, Sequence[Any]] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Explained:
    """Which words of some texts speak for their labels, and which against.

    :param run: a run, or its directory
    :param label: to explain; None: of each text the most probable one
    :param columns: name -> a value for each text, where the run was trained with ``extra_columns``
    :raises ConfigError: the run has no such label (``JPT-U203``)
    :raises TypeError: ``texts`` is one string, or an item of it is no string
    """
    if isinstance(texts, str):
        raise TypeError("texts is one str, expected a sequence of str: explain(run, [text])")
    show = progress or Logged()
    opened = run if isinstance(run, Run) else load(run, device=device)
    with phase(show, text("weights.phase"), len(texts)):
        return explain_texts(opened.predictor, list(texts), label=label, columns=columns, progress=show)


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
        subjects, loaded.splits[chosen], source=name_of(data), split=chosen, created=now(), metric=metric,
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
    by: Sequence[str] | None = None,
    votes_column: str | None = None,
    probe: bool = False,
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
    :param votes_column: annotators' votes: the run against them, and its accuracy by their agreement
    :param probe: also what becomes of labels where texts are written otherwise, as for :func:`evaluate`
    :param png: also every chart as a picture
    :raises ConfigError: there is no report of this run and no data (``JPT-U201``), or something else at ``out``
        (``JPT-U025``)
    :raises DataError: as :func:`evaluate`
    """
    show = progress or Logged()
    opened = run if isinstance(run, Run) else load(run, device=device)
    if data is None and probe:
        raise ConfigError("U246")
    if data is None:
        there = report_directory(opened.path)
        return write_again(
            _report_of_training(opened, there), opened.bundle, Path(out or there), source=there, png=png
        )
    if out is not None:
        # First, since the work may take its time.
        check_outside(Path(out), opened.path)
        check_target(Path(out), overwrite=True, holds=REPORT_JSON)
    loaded, judged = judge_on(
        opened, data, split=split, by=by or (), votes_column=votes_column, probe=probe, columns=columns, text_column=text_column,
        label_column=label_column, split_column=split_column, label_separator=label_separator,
        encoding=encoding, progress=show,
    )  # fmt: skip
    name = name_of(data)
    check = check_data(
        loaded.splits, adapter=opened.predictor.adapter, max_length=opened.bundle.max_length,
        summary=loaded.summary, progress=show,
    )  # fmt: skip
    found = measured(
        opened.bundle, judged, source=name, check=check, predictor=opened.predictor, progress=show
    )
    target = Path(out) if out is not None else report_directory(opened.path, Path(name).stem)
    return write_report(found, opened.bundle, target, png=png)


def measured(bundle: Bundle, judged: Judged, **options: Any) -> Report:
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
