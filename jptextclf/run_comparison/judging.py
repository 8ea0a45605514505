"""Two systems on the same texts: differences with their intervals, and tests. It knows no model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.evaluation import (
    LEVEL,
    label_differences,
    metric_names,
    metric_value,
    resampled_differences,
    score,
)
from jptextclf.run_comparison.content import LabelDifference, MetricDifference, Pair
from jptextclf.significance import bootstrap_p_value, holm, mcnemar, right_altogether

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jptextclf.evaluation import Evaluation
    from jptextclf.labels import LabelSchema

_MOST_LABELS = 200
"""Labels with an interval each."""


def judge_pair(
    names: tuple[str, str],
    schema: LabelSchema,
    references: NDArray[np.int64],
    first: NDArray[np.int64],
    other: NDArray[np.int64],
    *,
    metric: str,
    resamples: int = 1000,
    seed: int = 0,
) -> Pair:
    """A run against the first one.

    :param names: of the first run and of the other
    :param references: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)`` for a multi-label task
    :param first: what the first run says, in the same form
    :param other: what the other says
    :param metric: what the verdict is about
    :raises DataError, ConfigError: as :func:`jptextclf.evaluation.score`
    """
    options: dict[str, Any] = {"resamples": resamples, "seed": seed}
    scored = [score(schema, references, ids, resamples=1, seed=seed) for ids in (first, other)]
    return Pair(
        first=names[0],
        other=names[1],
        metric=metric,
        differences=_differences(schema, references, first, other, options),
        mcnemar=mcnemar(right_altogether(references, first), right_altogether(references, other)),
        n_changed=int((~right_altogether(first, other)).sum()),
        labels=_labels(scored[0], scored[1], references, first, other, options),
    )


def averaged_labels(schema: LabelSchema, references: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The labels that means over labels are over, for every run alike: those that the texts have.

    A run that also gives a label which no text has would else be divided by one label more than its rival.

    :returns: *Shape:* ``(n_labels,)``
    """
    if schema.is_multilabel:
        found = references.sum(axis=0) > 0
        # Texts without any label at all: there is nothing else to average.
        return found if found.any() else np.ones(schema.n_labels, dtype=np.bool_)
    found = np.zeros(schema.n_labels, dtype=np.bool_)
    found[references] = True
    return found


def _value(name: str, schema: LabelSchema, references: NDArray[np.int64], ids: NDArray[np.int64]) -> float:
    return metric_value(name, schema, references, ids, averaged=averaged_labels(schema, references))


def adjust(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs with p-values that allow for their number (Holm)."""
    by_metric = holm([one.verdict.p_value for one in pairs])
    by_texts = holm([one.mcnemar.p_value for one in pairs])
    return tuple(
        replace(pair, tests=len(pairs), adjusted=adjusted, adjusted_mcnemar=of_texts)
        for pair, adjusted, of_texts in zip(pairs, by_metric, by_texts, strict=True)
    )


def _differences(
    schema: LabelSchema,
    references: NDArray[np.int64],
    first: NDArray[np.int64],
    other: NDArray[np.int64],
    options: dict[str, Any],
) -> tuple[MetricDifference, ...]:
    names = metric_names(schema)
    options = {**options, "averaged": averaged_labels(schema, references)}
    resampled = resampled_differences(schema, references, other, first, names, **options)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return tuple(
        MetricDifference(
            metric=name,
            difference=_value(name, schema, references, other) - _value(name, schema, references, first),
            low=float(low[place]),
            high=float(high[place]),
            standard_error=float(resampled[:, place].std(ddof=1)) if len(resampled) > 1 else 0.0,
            p_value=bootstrap_p_value(resampled[:, place]),
        )
        for place, name in enumerate(names)
    )


def _labels(
    first: Evaluation,
    other: Evaluation,
    references: NDArray[np.int64],
    ids_of_first: NDArray[np.int64],
    ids_of_other: NDArray[np.int64],
    options: dict[str, Any],
) -> tuple[LabelDifference, ...]:
    """F1 of each label under both runs; of a multi-label task also a test for each label."""
    schema = first.schema
    intervals: Sequence[tuple[float, float] | None] = [None] * schema.n_labels
    if schema.n_labels <= _MOST_LABELS:
        intervals = label_differences(schema, references, ids_of_other, ids_of_first, **options)
    found = [
        LabelDifference(one.name, one.support, one.f1, two.f1, ends)
        for one, two, ends in zip(first.per_label, other.per_label, intervals, strict=True)
    ]
    if not schema.is_multilabel:
        return tuple(found)
    tests = [
        mcnemar(
            ids_of_first[:, place] == references[:, place], ids_of_other[:, place] == references[:, place]
        )
        for place in range(schema.n_labels)
    ]
    adjusted = holm([one.p_value for one in tests])
    return tuple(
        replace(one, test=test, adjusted=p) for one, test, p in zip(found, tests, adjusted, strict=True)
    )
