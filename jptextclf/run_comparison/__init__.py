"""Two or more runs on the same labelled texts: which is better, whether that may be chance, and what each costs.

Start reading here: what runs say and cost is measured in :mod:`~jptextclf.run_comparison.measuring` and judged in
:mod:`~jptextclf.run_comparison.judging`; what it amounts to stands in :mod:`~jptextclf.run_comparison.content`, its page
in :mod:`~jptextclf.run_comparison.page`, and its files in :mod:`~jptextclf.run_comparison.files`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.atomic import RUN_RECORD, sha256_of
from jptextclf.data.personal import mask
from jptextclf.errors import ConfigError, DataError
from jptextclf.evaluation import DEFAULT_METRIC, choosing_metrics, score
from jptextclf.labels import LabelSchema
from jptextclf.messages import listing
from jptextclf.progress import Logged
from jptextclf.run_comparison.content import (
    Answer,
    Change,
    ComparedRun,
    RunComparison,
)
from jptextclf.run_comparison.judging import adjust, averaged_labels, judge_pair
from jptextclf.run_comparison.measuring import Answered, Subject, answer
from jptextclf.significance import right_altogether

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jptextclf.data.examples import Examples
    from jptextclf.evaluation import Evaluation
    from jptextclf.progress import Progress

__all__ = ["RunComparison", "Subject", "compare_runs", "shared_schema"]


def compare_runs(
    subjects: Sequence[Subject],
    examples: Examples,
    *,
    source: str,
    split: str,
    created: str,
    metric: str = DEFAULT_METRIC,
    notes: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> RunComparison:
    """Let each run predict the same texts, and compare every other run with the first.

    Texts with a label that not all runs know are left out for all of them. One model is in memory at a time.

    :param subjects: the runs; the first is the one that the others are compared with
    :param examples: labelled texts; each subject brings the same texts as it reads them
    :param source: what the data are called
    :param split: which part of them it is
    :param created: ISO date and time
    :param metric: what the verdict is about
    :param notes: sentences on the data, which the result repeats
    :raises ConfigError: fewer than two runs (``JPT-U196``), tasks that differ (``JPT-U197``), no label in common
        (``JPT-U198``), or a metric that is not of the task (``JPT-U027``)
    :raises DataError: no text has only labels that all runs know (``JPT-D084``)
    """
    schema = shared_schema([one.name for one in subjects], [one.bundle.schema for one in subjects])
    _check_metric(metric, schema)
    kept, unknown = _known_to_all(subjects, examples.labels or [])
    texts = examples.select(kept)
    references = schema.encode(texts.labels or [], numbers=texts.rows).astype(np.int64)
    show = progress or Logged()
    answered = [answer(one, kept, schema, references, progress=show) for one in subjects]
    options: dict[str, Any] = {"resamples": resamples, "seed": seed}
    averaged = averaged_labels(schema, references)
    evaluations = [score(schema, references, one.ids, averaged=averaged, **options) for one in answered]
    pairs = [
        judge_pair(
            (subjects[0].name, other.name), schema, references, answered[0].ids, said.ids, metric=metric, **options
        )
        for other, said in zip(subjects[1:], answered[1:], strict=True)
    ]  # fmt: skip
    return RunComparison(
        schema=schema,
        metric=metric,
        runs=tuple(_compared(*one) for one in zip(subjects, evaluations, answered, strict=True)),
        pairs=adjust(pairs),
        changes=_changes(schema, texts, references, answered),
        n_texts=len(texts),
        source=source,
        split=split,
        created=created,
        unknown_labels=unknown,
        n_unknown=len(examples) - len(texts),
        notes=tuple(notes),
        **options,
    )


def shared_schema(names: Sequence[str], schemas: Sequence[LabelSchema]) -> LabelSchema:
    """Every label that a run can give, those of the first run first.

    :param names: of the runs
    :raises ConfigError: as :func:`compare_runs`
    """
    if len(schemas) < 2:
        raise ConfigError("U196", n=len(schemas))
    first = schemas[0]
    for name, schema in zip(names[1:], schemas[1:], strict=True):
        fields = {"run": names[0], "other_run": name}
        if schema.is_multilabel != first.is_multilabel:
            raise ConfigError("U197", **fields, first_task=first.task, other_task=schema.task)
        if not set(first.names) & set(schema.names):
            labels = {"first_labels": listing(first.names), "other_labels": listing(schema.names)}
            raise ConfigError("U198", **fields, **labels)
    union = tuple(dict.fromkeys(name for schema in schemas for name in schema.names))
    if first.is_multilabel:
        return LabelSchema(union, "multilabel")
    if all(one.is_ordinal and one.names == first.names for one in schemas):
        return first
    return LabelSchema(union, "binary" if len(union) == 2 else "multiclass")


def _check_metric(metric: str, schema: LabelSchema) -> None:
    known = choosing_metrics(schema)
    if metric not in known:
        raise ConfigError("U027", metric=metric, task=schema.task, known=listing(known))


def _known_to_all(
    subjects: Sequence[Subject], labels: Sequence[tuple[str, ...]]
) -> tuple[list[int], dict[str, int]]:
    """Which texts have only labels that every run knows, and how often the others occur."""
    common = set.intersection(*(set(one.bundle.schema.names) for one in subjects))
    kept = [place for place, names in enumerate(labels) if common.issuperset(names)]
    unknown = Counter(name for names in labels for name in dict.fromkeys(names) if name not in common)
    if not kept:
        raise DataError("D084", known=listing(sorted(common)), found=listing(unknown))
    return kept, dict(unknown.most_common())


def _compared(subject: Subject, evaluation: Evaluation, answered: Answered) -> ComparedRun:
    return ComparedRun(
        name=subject.name,
        sha256=sha256_of(subject.bundle.path / RUN_RECORD),
        labels=subject.bundle.schema.names,
        scores=tuple(evaluation.table()),
        per_label=evaluation.per_label,
        n_truncated=answered.n_truncated,
        text_columns=subject.text_columns,
        cost=answered.cost,
    )


def _changes(
    schema: LabelSchema, texts: Examples, references: NDArray[np.int64], answered: Sequence[Answered]
) -> tuple[Change, ...]:
    """The texts that not all runs label alike; a run that is wrong and sure of it first."""
    first = answered[0].ids
    differs = np.zeros(len(texts), dtype=np.bool_)
    for one in answered[1:]:
        differs |= ~right_altogether(first, one.ids)
    right = [right_altogether(references, one.ids) for one in answered]
    found = [
        Change(
            row=texts.rows[place],
            text=mask(texts.texts[place]),
            reference=(texts.labels or [])[place],
            answers=tuple(
                Answer(_names(schema, one.ids[place]), float(one.probabilities[place]), bool(is_right[place]))
                for one, is_right in zip(answered, right, strict=True)
            ),
        )
        for place in np.flatnonzero(differs).tolist()
    ]
    return tuple(sorted(found, key=lambda one: (-one.confidence, one.row)))


def _names(schema: LabelSchema, ids: Any) -> tuple[str, ...]:
    if schema.is_multilabel:
        return tuple(schema.names[number] for number in np.flatnonzero(ids))
    return (schema.names[int(ids)],)
