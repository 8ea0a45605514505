"""Whether the texts of now are like those that a run was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jptextclf.api.runs import Data, Run, load, name_of
from jptextclf.data.examples import SPLITS
from jptextclf.data.loading import load_data
from jptextclf.drift import Drift, compare_profiles
from jptextclf.errors import ConfigError, DataError
from jptextclf.messages import listing, text
from jptextclf.progress import Logged, phase
from jptextclf.text_profile import MOST_TEXTS, Profiled, TrainingWords, every_nth, profile_of, read_profile

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from jptextclf.data.examples import Examples
    from jptextclf.progress import Progress


def check_drift(
    run: Run | str | os.PathLike[str],
    data: Data | list[str],
    *,
    reference: Data | list[str] | None = None,
    split: str | None = None,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    split_column: str | None = None,
    encoding: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> Drift:
    """Hold texts against those that a run was validated on: lengths, words, labels and confidence, each with its test.

    Labels are not needed and not looked at. Of more than 20,000 texts every n-th is read.

    :param run: a run, or its directory
    :param data: texts of now: a file, a directory, or a list of texts
    :param reference: texts to hold them against instead, such as last month's; needed for a run that keeps no profile of its
        validation texts: an export, or one of an older version
    :param split: which split of ``data`` and ``reference``; None takes all texts
    :raises ConfigError: the run keeps no profile and there is no reference (``JPT-U218``)
    :raises DataError: the data cannot be read, have no such split (``JPT-D043``), or hold no texts (``JPT-D072``)
    """
    show = progress or Logged()
    opened = run if isinstance(run, Run) else load(run, device=device)
    kept = read_profile(opened.path, opened.schema)
    if kept is None and reference is None:
        raise ConfigError("U218", path=opened.path)
    known = None if kept is None else kept[1]
    options: dict[str, Any] = {
        "columns": columns, "text_column": text_column, "split_column": split_column, "encoding": encoding,
    }  # fmt: skip
    options["cuts"] = opened.bundle.thresholds if kept is None else kept[0].cuts
    now = _profiled(opened, data, known, split=split, progress=show, **options)
    before = kept[0] if kept is not None else now.profile
    if reference is not None:
        before = _profiled(opened, reference, known, split=split, progress=show, **options).profile
    return compare_profiles(
        opened.schema, before, now, source=_name(data), reference="" if reference is None else _name(reference),
        with_novel=known is not None,
    )  # fmt: skip


def _profiled(
    run: Run,
    data: Data | list[str],
    known: TrainingWords | None,
    *,
    split: str | None,
    progress: Progress,
    cuts: Any,
    **options: Any,
) -> Profiled:
    texts, cells = _texts(run, data, split=split, progress=progress, **options)
    if not texts:
        raise DataError("D072", source=_name(data))
    some = list(every_nth(texts, MOST_TEXTS))
    beside = {name: list(every_nth(one, MOST_TEXTS)) for name, one in cells.items()}
    predictor = run.predictor
    with phase(progress, text("drift.phase"), len(some)):
        # Once for both: the pieces are counted, and read by the model.
        encoded = predictor.encode(some)
        prediction = predictor.predict_encoded(
            some, encoded, columns=beside or None, on_batch=progress.advance
        )
    for note in predictor.notes(prediction.odd_cells, len(some)):
        progress.warn(note)
    return profile_of(run.schema, some, encoded, prediction.probabilities, known, cuts=cuts)


def _texts(
    run: Run, data: Data | list[str], *, split: str | None, progress: Progress, **options: Any
) -> tuple[list[str], dict[str, list[str]]]:
    """The texts as the run reads them, and the columns that it needs beside them."""
    if isinstance(data, list):
        if split is not None:
            raise DataError("D043", split=split, found=text("words.none"))
        for number, one in enumerate(data):
            if not isinstance(one, str):
                raise TypeError(f"data[{number}] is {type(one).__name__}, expected str")
        return data, {}
    beside: tuple[str, ...] = () if isinstance(data, tuple) else run.bundle.extra_columns
    asked = {**options, "extra_columns": beside, "need_labels": False, "training": False}
    wanted = None if isinstance(data, tuple) else run.bundle.record["data"]["columns"]["text"]
    try:
        # The columns that the run was trained on first, then the usual names.
        loaded = load_data(data, **{**asked, "text_column": options["text_column"] or wanted})
    except DataError as error:
        if error.code != "JPT-D019" or options["text_column"] is not None:
            raise
        loaded = load_data(data, **asked)
    for line in loaded.summary.lines():
        progress.say(line)
    there = list(loaded.splits)
    if split is not None and split not in there:
        raise DataError("D043", split=split, found=listing(there))
    chosen: list[Examples] = [loaded.splits[one] for one in SPLITS if one in there and split in {None, one}]
    texts = [one for examples in chosen for one in examples.texts]
    return texts, {name: [cell for one in chosen for cell in one.columns[name]] for name in beside}


def _name(data: Data | list[str]) -> str:
    return "memory" if isinstance(data, list) else name_of(data)
