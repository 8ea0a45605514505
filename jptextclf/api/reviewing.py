"""Labels that look wrong: a sheet for a person, and the data with the corrections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.atomic import sha256_of
from jptextclf.config import TrainConfig
from jptextclf.data.changes import changes_path, check_outputs
from jptextclf.data.examples import Examples
from jptextclf.data.loading import JOINED_BY
from jptextclf.data.tables import open_table
from jptextclf.data.votes import check_votes, shares_of
from jptextclf.errors import ConfigError, DataError
from jptextclf.experiment import prepare
from jptextclf.features.fitting import unseen_probabilities
from jptextclf.frozen import known_splits
from jptextclf.label_review.applying import Reviewed, apply_corrections
from jptextclf.label_review.ranking import rank
from jptextclf.label_review.sheet import (
    About,
    Candidate,
    column_names,
    read_sheet,
    require_excel,
    write_sheet,
)
from jptextclf.labels import LabelSchema
from jptextclf.messages import listing, text
from jptextclf.preparing import file_of, load_unsplit
from jptextclf.progress import Logged

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jptextclf.data.examples import LoadedData
    from jptextclf.data.votes import Votes
    from jptextclf.progress import Progress

_OTHER_SEPARATORS = (";", "/", "／")
"""Between several labels in a cell of the sheet, where a label name holds the usual one."""
_LEAST = 10
"""Texts below which nothing can be said of labels."""


@dataclass(frozen=True)
class LabelReview:
    """A sheet that was written."""

    path: Path
    n_texts: int
    """Labelled texts of the data."""
    n_doubtful: int
    """Of them those whose label looks wrong."""
    candidates: tuple[Candidate, ...]
    """Those in the sheet, the worst first."""

    def lines(self) -> list[str]:
        """For a person, in the language of now."""
        return [
            text(
                "review.written",
                n=len(self.candidates),
                total=self.n_texts,
                doubtful=self.n_doubtful,
                path=self.path,
            ),
            text("review.how", column=text("review.column_correction")),
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1, "path": str(self.path), "n_texts": self.n_texts, "n_doubtful": self.n_doubtful,
            "rows": [one.row for one in self.candidates],
        }  # fmt: skip


def review_export(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    share: float | None = None,
    model: str = "builtin",
    max_length: int | None = None,
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    votes_column: str | None = None,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    label_separator: str | None = None,
    encoding: str = "auto",
    progress: Progress | None = None,
) -> LabelReview:
    """Write an Excel sheet with the rows of a file whose labels look wrong, the worst first, for a person to correct.

    Every text is judged by a model that has not seen its label: vectors of the frozen encoder and character n-grams with a
    logistic regression, in folds over all splits. Annotators' votes, where they are named, weigh as much as the model
    in the order, and a label that all of them gave is not doubted.

    :param data: one file of labelled texts
    :param out: ``.xlsx``
    :param share: of all texts in the sheet; None: as many as look wrong (:mod:`jptextclf.label_review.ranking`)
    :param model: whose vectors are used
    :param votes_column: what annotators said
    :raises ConfigError: ``data`` is no file (``JPT-U184``), ``out`` is it (``JPT-U186``), there already (``JPT-U185``), or no
        ``.xlsx`` (``JPT-U210``); ``share`` is none (``JPT-U207``)
    :raises DataError: the data cannot be read, or are too few (``JPT-D086``)
    :raises SetupError: the model is not at hand, or openpyxl is not installed (``JPT-E001``)
    """
    show = progress or Logged()
    path, target = file_of(data), Path(out).expanduser()
    if share is not None and not 0 < share <= 1:
        raise ConfigError("U207", name="share", found=share, expected=text("decide.a_share"))
    if target.suffix.lower() != ".xlsx":
        raise ConfigError("U210", path=target)
    check_outputs(path, target, overwrite=overwrite)
    require_excel()
    loaded = load_unsplit(
        path, show, columns=columns, text_column=text_column, label_column=label_column, split_column=split_column,
        votes_column=votes_column, label_separator=label_separator, encoding=encoding,
    )  # fmt: skip
    examples = _joined(loaded)
    labels = examples.labels or []
    if len(labels) < _LEAST:
        raise DataError("D086", n=len(labels), least=_LEAST)
    schema = LabelSchema.infer(labels, "multilabel" if loaded.summary.label_separator else "auto")
    config = TrainConfig(
        mode="features", ngrams=True, task=schema.task, model=model, device=device, seed=seed
    )
    if max_length is not None:
        config = replace(config, max_length=max_length)
    probabilities, references = _unseen(examples, config, show)
    shares = None
    if examples.votes is not None:
        check_votes(examples.votes, examples.rows, labels=schema.names, column=votes_column or "")
        shares = shares_of(examples.votes, schema, rows=examples.rows)
    ranking = rank(probabilities, references, shares)
    n_doubtful = int(ranking.doubtful.sum())
    chosen = ranking.order[ranking.doubtful[ranking.order]]
    if share is not None:
        chosen = ranking.order[: max(1, round(share * len(examples)))]
    separator = _separator(loaded, schema)
    candidates = tuple(
        _candidate(examples, schema, probabilities, ranking.suggested, int(one), separator) for one in chosen
    )
    label = loaded.summary.files[0].columns.label or ""
    about = About(
        path.name,
        sha256_of(path),
        label,
        schema.names,
        loaded.summary.label_separator,
        separator,
        column_names(),
    )
    write_sheet(candidates, about, target)
    return LabelReview(target, len(examples), n_doubtful, candidates)


def _joined(loaded: LoadedData) -> Examples:
    """The labelled texts of all splits together: a label may be wrong in each."""
    parts = [one for one in loaded.splits.values() if one.labels is not None]
    votes = [one.votes for one in parts]
    return Examples(
        [found for one in parts for found in one.texts],
        [names for one in parts for names in one.labels or ()],
        [row for one in parts for row in one.rows],
        votes=[vote for some in votes for vote in some or ()]
        if votes and all(one is not None for one in votes)
        else None,
    )


def _unseen(
    examples: Examples, config: TrainConfig, progress: Progress
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Of each text the probabilities by a head that has not seen it, and its labels as ids or a 0/1 matrix."""
    examples = replace(examples, votes=None)
    # A training wants validation texts; here nothing is chosen on them.
    few = examples.select(range(2))
    prepared = prepare({"train": examples, "validation": few}, config, progress=progress)
    known, _, _ = known_splits(prepared, progress)
    progress.say(text("review.judging", n=len(examples)))
    train = known["train"]
    return unseen_probabilities(train, config=config, n_labels=prepared.schema.n_labels), train.targets


def _separator(loaded: LoadedData, schema: LabelSchema) -> str | None:
    """Between several labels in a cell of the sheet; None: each text has one."""
    if not schema.is_multilabel:
        return None
    usual = (loaded.summary.label_separator or JOINED_BY, *_OTHER_SEPARATORS)
    return next((one for one in usual if not any(one in name for name in schema.names)), "\n")


def _candidate(
    examples: Examples,
    schema: LabelSchema,
    probabilities: NDArray[np.float32],
    suggested: NDArray[np.int64],
    place: int,
    separator: str | None,
) -> Candidate:
    row, given = examples.rows[place], (examples.labels or [])[place]
    values = probabilities[place]
    if separator is None:
        best = int(suggested[place])
        better: tuple[str, ...] = (schema.names[best],)
        own, sure = float(values[schema.id_of(given[0])]), float(values[best])
    else:
        truth = np.array([name in given for name in schema.names])
        better = tuple(schema.names[one] for one in np.flatnonzero(suggested[place]))
        own = float(np.where(truth, values, 1 - values).min())
        sure = 1 - own
    joined = "" if separator is None else separator
    said = "" if examples.votes is None else _said(examples.votes[place])
    return Candidate(row, examples.texts[place], joined.join(given), joined.join(better), sure, own, said)


def _said(votes: Votes) -> str:
    """``{"良い": 2, "悪い": 1} -> "良い 2, 悪い 1"``"""
    return listing(f"{name} {count:g}" for name, count in votes.counts.items())


def review_apply(
    file: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    new_labels: bool = False,
    overwrite: bool = False,
    columns: Sequence[str] | None = None,
    encoding: str = "auto",
) -> Reviewed:
    """Write the data with the corrections of a sheet, and beside them the list of changes, ``<out>.changes.csv``.

    :param file: a sheet of :func:`review_export`, with corrections; a row without one stays as it is
    :param data: the file that it was made from
    :param out: the corrected copy
    :param new_labels: also take labels that the data do not have
    :raises ConfigError: it is no such sheet (``JPT-U211``, ``JPT-U212``), not of these data, or they were changed since
        (``JPT-U213``), a correction is no label (``JPT-U214``), a row has two (``JPT-U215``), or ``out`` cannot be used
        (``JPT-U185``, ``JPT-U186``)
    :raises DataError: the data cannot be read, or there is no such sheet (``JPT-D001``)
    """
    path = file_of(data)
    target = Path(out).expanduser()
    check_outputs(path, target, changes_path(target), overwrite=overwrite)
    about, corrections = read_sheet(Path(file).expanduser())
    if sha256_of(path) != about.sha256:
        raise ConfigError("U213", problem=text("review.another_file", path=path), name=about.name)
    table = open_table(path, columns=columns, encoding=encoding)
    return apply_corrections(table, about, corrections, target, new_labels=new_labels)
