"""Scores of predictions with 95 % intervals, and whether one system is really better than another.

It does not know models or files: label ids come in. Intervals are percentile bootstraps over the texts (Efron
and Tibshirani, An Introduction to the Bootstrap, 1993, sections 13.3 and 8.5), seeded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.decisions.tuning import Outcome
from jptextclf.errors import ConfigError, DataError
from jptextclf.labels import LabelSchema
from jptextclf.messages import has, listing, text
from jptextclf.metrics import METRICS, Metric, Tally, distinct_rows, f1, precision, recall
from jptextclf.pages.document import fragment
from jptextclf.pages.html import bullets, foreign, paragraph, table, together
from jptextclf.probing import Probe, probe_table
from jptextclf.vote_scores import VoteScores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

DEFAULT_METRIC = "macro_f1"
LEVEL = 0.95
"""Share of the resamples that lie inside an interval."""
_WIDEST_MATRIX = 12
"""Labels of the widest confusion matrix that fits a terminal."""
_NUMBERS_AT_ONCE = 4_000_000
"""Numbers of the resamples in memory together, of 8 bytes."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class ScoreRow:
    """One metric of an evaluation."""

    metric: str
    score: float
    low: float
    high: float

    @property
    def title(self) -> str:
        """What the metric is called, in the language of now."""
        return metric_title(self.metric)

    def __str__(self) -> str:
        return f"{self.score:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Table:
    """Something for a person to read: the first column is text, the others are numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class LabelScores:
    """One label: how well it was found."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    """Texts that have the label."""
    predicted: int
    """Texts that got it."""
    correct: int
    """Texts that have it and got it."""

    def to_json(self) -> dict[str, Any]:
        ratios = {name: round(getattr(self, name), 6) for name in ("precision", "recall", "f1")}
        counts = {name: getattr(self, name) for name in ("support", "predicted", "correct")}
        return {"name": self.name, **ratios, **counts}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LabelScores:
        return cls(**data)


@dataclass(frozen=True)
class Evaluation:
    """How right the predictions of some texts are."""

    schema: LabelSchema
    n_texts: int
    """Texts that the scores are about; those of ``n_unknown`` are not among them."""
    scores: Mapping[str, float]
    """Metric -> value, in [0, 1] unless the metric says otherwise."""
    intervals: Mapping[str, Interval]
    """Metric -> low and high end of the 95 % interval."""
    per_label: tuple[LabelScores, ...]
    confusion: tuple[tuple[int, int, int], ...]
    """``(reference id, predicted id, texts)`` for each pair that occurs; empty for a multi-label task."""
    resamples: int
    seed: int
    n_truncated: int = 0
    """Texts that were longer than the model reads."""
    n_empty: int = 0
    """Texts with nothing but white space."""
    n_unknown: int = 0
    """Texts left out because the model does not know a label of theirs."""
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    """Label name -> how many texts have it."""
    review: Outcome | None = None
    """What is left to people; None where the run asks nobody. All other scores are of all texts, without people."""
    votes: VoteScores | None = None
    """Against what several annotators said; None where that is not known."""
    probe: Probe | None = None
    """What becomes of the labels where the texts are written otherwise; None where that was not asked."""

    def table(self) -> list[ScoreRow]:
        """Scores with their intervals, one row for each metric."""
        return [ScoreRow(name, score, *self.intervals[name]) for name, score in self.scores.items()]

    def tables(self) -> list[Table]:
        """For a person, in the language of now: scores, labels and, for a few labels, the confusion matrix."""
        scores = Table(
            (text("evaluation.metric"), text("evaluation.score"), text("evaluation.interval")),
            tuple((row.title, f"{row.score:.3f}", f"{row.low:.3f} – {row.high:.3f}") for row in self.table()),
        )
        columns = ("label", "precision", "recall", "f1", "support", "predicted")
        labels = Table(
            tuple(text(f"evaluation.{name}") for name in columns),
            tuple(
                (
                    one.name,
                    f"{one.precision:.3f}",
                    f"{one.recall:.3f}",
                    f"{one.f1:.3f}",
                    str(one.support),
                    str(one.predicted),
                )
                for one in self.per_label
            ),
        )
        probed = [] if self.probe is None else [Table(*probe_table(self.probe))]
        first = [scores, labels] if self.votes is None else [scores, votes_table(self.votes), labels]
        if self.schema.is_multilabel or self.schema.n_labels > _WIDEST_MATRIX:
            return [*first, *probed]
        names = self.schema.names
        confusion = Table(
            (text("evaluation.reference_by_prediction"), *names),
            tuple(
                (name, *(str(n) for n in row))
                for name, row in zip(names, self.confusion_matrix(), strict=True)
            ),
        )
        return [*first, confusion, *probed]

    def confusion_matrix(self) -> NDArray[np.int64]:
        """Rows are references, columns are predictions; zeros for a multi-label task.

        :returns: *Shape:* ``(n_labels, n_labels)``
        """
        matrix = np.zeros((self.schema.n_labels, self.schema.n_labels), dtype=np.int64)
        for reference, prediction, n_texts in self.confusion:
            matrix[reference, prediction] = n_texts
        return matrix

    def remarks(self) -> list[str]:
        """What a reader of the scores should know about the texts; often nothing."""
        remarks = []
        if self.n_unknown:
            names = listing(f"{name} ({n})" for name, n in self.unknown_labels.items())
            remarks.append(text("evaluation.unknown_labels", n=self.n_unknown, labels=names))
        if self.review is not None:
            remarks.append(
                text(
                    "evaluation.review", n=self.review.n_review, total=self.review.n_texts, share=self.review.review_share,
                    left=share_left(self.review),
                )
            )  # fmt: skip
        if self.votes is not None and self.votes.n_left_out:
            remarks.append(text("vote_scores.left_out", n=self.votes.n_left_out))
        if self.probe is not None and any(not one.keeps for one in self.probe.ways):
            remarks.append(text("probe.note"))
        if self.n_truncated:
            remarks.append(text("evaluation.truncated", n=self.n_truncated, total=self.n_texts))
        if self.n_empty:
            remarks.append(text("evaluation.empty", n=self.n_empty, total=self.n_texts))
        return remarks

    def _repr_html_(self) -> str:
        """For a notebook: scores, labels and confusion matrix."""
        tables = [
            table(
                [foreign(name) for name in one.columns], [[foreign(cell) for cell in row] for row in one.rows]
            )
            for one in self.tables()
        ]
        return fragment(
            together(paragraph(text("evaluation.of_texts", n=self.n_texts)), *tables, bullets(self.remarks()))
        )

    def to_json(self) -> dict[str, Any]:
        """For a machine to read; ``schema_version`` changes when a key changes its meaning."""
        return {
            "schema_version": 1,
            "task": self.schema.task,
            "labels": list(self.schema.names),
            "n_texts": self.n_texts,
            "n_truncated": self.n_truncated,
            "n_empty": self.n_empty,
            "n_unknown": self.n_unknown,
            "unknown_labels": dict(self.unknown_labels),
            **scores_json(self.table()),
            "bootstrap": {"level": LEVEL, "resamples": self.resamples, "seed": self.seed},
            "per_label": [label.to_json() for label in self.per_label],
            "confusion": [list(cell) for cell in self.confusion],
            "review": None if self.review is None else self.review.to_json(),
            "votes": None if self.votes is None else self.votes.to_json(),
            "probe": None if self.probe is None else self.probe.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """What :meth:`to_json` gave.

        :raises KeyError, TypeError, ValueError: it did not
        """
        counts = ("n_texts", "n_truncated", "n_empty", "n_unknown", "unknown_labels", "scores")
        return cls(
            schema=LabelSchema(tuple(data["labels"]), data["task"]),
            **{name: data[name] for name in counts},
            intervals={name: (low, high) for name, (low, high) in data["intervals"].items()},
            per_label=tuple(LabelScores.from_json(one) for one in data["per_label"]),
            confusion=tuple((reference, label, n) for reference, label, n in data["confusion"]),
            resamples=data["bootstrap"]["resamples"],
            seed=data["bootstrap"]["seed"],
            review=None if data.get("review") is None else Outcome.from_json(data["review"]),
            votes=None if data.get("votes") is None else VoteScores.from_json(data["votes"]),
            probe=None if data.get("probe") is None else Probe.from_json(data["probe"]),
        )


def votes_table(found: VoteScores) -> Table:
    """For a person, in the language of now: the model against the annotators, and what the best could reach."""
    rows = [
        (
            text(f"vote_scores.{name}"), f"{one.value:.3f}", one.interval,
            f"{found.best_agreement:.3f}" if name == "agreement" else "0.000" if name == "divergence" else "–",
        )
        for name, one in (
            ("agreement", found.agreement), ("divergence", found.divergence), ("cross_entropy", found.cross_entropy),
            ("brier", found.brier),
        )
    ]  # fmt: skip
    if found.annotators_agree is not None:
        rows.append((text("vote_scores.annotators_agree"), f"{found.annotators_agree:.3f}", "–", "–"))
    names = (
        text("vote_scores.title"), text("evaluation.score"), text("evaluation.interval"), text("vote_scores.best"),
    )  # fmt: skip
    return Table(names, tuple(rows))


def workload_table(outcomes: Iterable[Outcome]) -> Table:
    """For a person, in the language of now: how right the machine is where more and more texts are for people."""
    columns = ("share", "review", "left", "errors")
    return Table(
        tuple(text(f"decide.h_{name}") for name in columns),
        tuple(
            (f"{one.review_share:.0%}", f"{one.n_review:,}", share_left(one), f"{one.n_errors_left:,}")
            for one in outcomes
        ),
    )


def share_left(found: Outcome) -> str:
    """Accuracy of the texts that no person looks at, or a dash."""
    return "–" if found.accuracy_left is None else f"{found.accuracy_left:.3f}"


@dataclass(frozen=True)
class PairedDifference:
    """How much better ``a`` is than ``b`` on the same texts."""

    metric: str
    difference: float
    """Value of ``a`` minus value of ``b``."""
    low: float
    high: float
    """Ends of the 95 % interval of the difference."""
    n_texts: int

    def to_json(self) -> dict[str, Any]:
        ends = {name: round(getattr(self, name), 6) for name in ("difference", "low", "high")}
        return {"metric": self.metric, **ends, "n_texts": self.n_texts}


@dataclass(frozen=True)
class KnownReferences:
    """The labels of some texts as a model knows them."""

    references: NDArray[np.int64] | NDArray[np.float32]
    """Ids or a 0/1 matrix, of the kept texts only."""
    kept: NDArray[np.bool_]
    """Whether the model knows all labels of a text.  *Shape:* ``(texts,)``"""
    unknown_labels: dict[str, int]
    """Label name -> how many texts have it, most frequent first."""

    @property
    def n_unknown(self) -> int:
        """Texts left out."""
        return int((~self.kept).sum())


def known_references(schema: LabelSchema, labels: Iterable[Sequence[str]]) -> KnownReferences:
    """Encode labels of new data, setting aside texts with a label that the model cannot give.

    :param labels: the label names of each text
    :raises DataError: the model knows the labels of no text at all (``JPT-D061``), or a text has not exactly one
        label where the task wants one (``JPT-D041``)
    """
    rows = [tuple(row) for row in labels]
    names = set(schema.names)
    kept = np.array([names.issuperset(row) for row in rows], dtype=np.bool_)
    unknown = Counter(name for row in rows for name in dict.fromkeys(row) if name not in names)
    if rows and not kept.any():
        raise DataError("D061", found=listing(unknown), known=listing(schema.names))
    references = schema.encode(row for row, keep in zip(rows, kept, strict=True) if keep)
    return KnownReferences(references, kept, dict(unknown.most_common()))


def scores_json(rows: Iterable[ScoreRow]) -> dict[str, Any]:
    """Scores and intervals by metric, for a machine to read."""
    rows = list(rows)
    return {
        "scores": {row.metric: round(row.score, 6) for row in rows},
        "intervals": {row.metric: [round(row.low, 6), round(row.high, 6)] for row in rows},
    }


def metric_names(schema: LabelSchema) -> list[str]:
    """The metrics that a task is scored with, each one number."""
    return [
        name
        for name, metric in _scalars().items()
        if (metric.for_multilabel if schema.is_multilabel else metric.for_single)
        and (schema.is_ordinal or not metric.needs_order)
    ]


def choosing_metrics(schema: LabelSchema) -> list[str]:
    """Those of :func:`metric_names` of which higher is better, so that an epoch or a run can be chosen by them."""
    return [name for name in metric_names(schema) if _scalars()[name].better == "higher"]


def default_metric(schema: LabelSchema) -> str:
    """What a training is judged by where nothing is asked for: of an ordinal task how far off it is counts."""
    return "quadratic_weighted_kappa" if schema.is_ordinal else DEFAULT_METRIC


def _scalars() -> dict[str, Metric]:
    metrics = {name: METRICS.get(name) for name in METRICS.names()}
    return {name: metric for name, metric in metrics.items() if isinstance(metric, Metric)}


def _scalar(name: str) -> Metric:
    metric = METRICS.get(name)
    if not isinstance(metric, Metric):
        raise ConfigError("U084", name=name, known=listing(_scalars()))
    return metric


def metric_title(name: str) -> str:
    """What a metric is called, in the language of now; its name where the catalogue has no word for it."""
    key = f"metric.{name}"
    return text(key) if has(key) else name


def metric_value(
    name: str,
    schema: LabelSchema,
    references: ArrayLike,
    predictions: ArrayLike,
    *,
    averaged: NDArray[np.bool_] | None = None,
) -> float:
    """The value of one metric, for instance for early stopping.

    :param references: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)`` for a multi-label task
    :param averaged: labels that a mean over labels is over; None: those that occur.  *Shape:* ``(n_labels,)``
    :raises ConfigError: no metric of that name (``JPT-U001``), it is a table (``JPT-U084``), or arrays that do
        not fit (``JPT-U080`` to ``JPT-U082``)
    :raises DataError: there are no texts (``JPT-D060``)
    """
    metric = _scalar(name)
    if averaged is None:
        return metric(references, predictions, schema.n_labels)
    tally = Tally(references, predictions, schema.n_labels, averaged=averaged)
    return float(metric.of_counts(tally.counts(np.ones(len(tally), dtype=np.int64))))


def score(
    schema: LabelSchema,
    references: ArrayLike,
    predictions: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    n_truncated: int = 0,
    n_empty: int = 0,
    unknown: KnownReferences | None = None,
    averaged: NDArray[np.bool_] | None = None,
) -> Evaluation:
    """Score predictions.

    :param references: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)`` for a multi-label task
    :param predictions: the same form
    :param resamples: of the bootstrap
    :param averaged: as for :func:`metric_value`
    :param unknown: where the references come from, if texts were set aside
    :raises DataError: there are no texts (``JPT-D060``)
    :raises ConfigError: arrays that do not fit (``JPT-U080`` to ``JPT-U082``), no resamples (``JPT-U083``)
    """
    tally = Tally(references, predictions, schema.n_labels)
    rows = scores_of(
        schema,
        references,
        predictions,
        metric_names(schema),
        resamples=resamples,
        seed=seed,
        averaged=averaged,
    )
    return Evaluation(
        schema=schema,
        n_texts=len(tally),
        scores={row.metric: row.score for row in rows},
        intervals={row.metric: (row.low, row.high) for row in rows},
        per_label=_per_label(schema, tally),
        confusion=() if schema.is_multilabel else _confusion(tally),
        resamples=resamples,
        seed=seed,
        n_truncated=n_truncated,
        n_empty=n_empty,
        n_unknown=unknown.n_unknown if unknown else 0,
        unknown_labels=unknown.unknown_labels if unknown else {},
    )


def scores_of(
    schema: LabelSchema,
    references: ArrayLike,
    predictions: ArrayLike,
    metrics: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    averaged: NDArray[np.bool_] | None = None,
) -> list[ScoreRow]:
    """Some metrics with their intervals.

    :raises DataError, ConfigError: as :func:`score`; no metric of that name (``JPT-U001``), a table (``JPT-U084``)
    """
    chosen = [_scalar(name) for name in metrics]
    resampled = _resampled(
        schema.n_labels, references, [predictions], chosen, resamples=resamples, seed=seed, averaged=averaged
    )
    rows = []
    for number, name in enumerate(metrics):
        low, high = _interval(resampled[:, 0, number])
        rows.append(
            ScoreRow(name, metric_value(name, schema, references, predictions, averaged=averaged), low, high)
        )
    return rows


def label_intervals(
    schema: LabelSchema,
    references: ArrayLike,
    predictions: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Interval, ...]:
    """Ends of the 95 % interval of each label's F1.

    :param references: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)`` for a multi-label task
    :param predictions: the same form
    :returns: *Length:* n_labels
    :raises DataError, ConfigError: as :func:`score`
    """
    tally = Tally(references, predictions, schema.n_labels)
    first, n_each = _kinds([tally])
    kinds = Tally(tally.references[first], tally.predictions[first], schema.n_labels)
    at_once = max(1, _NUMBERS_AT_ONCE // kinds.size)
    weights = _weights(n_each, resamples=resamples, at_once=at_once, seed=seed)
    values = np.concatenate([f1(kinds.counts(one)) for one in weights])
    return tuple(_interval(column) for column in values.T)


def paired_difference(
    schema: LabelSchema,
    references: ArrayLike,
    predictions_a: ArrayLike,
    predictions_b: ArrayLike,
    metric: str = "accuracy",
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> PairedDifference:
    """How much better ``a`` is than ``b``, both seeing the same texts in every resample.

    :raises DataError, ConfigError: as :func:`score`; no metric of that name (``JPT-U001``), a table (``JPT-U084``)
    """
    chosen = _scalar(metric)
    values_a, values_b = (
        metric_value(metric, schema, references, one) for one in (predictions_a, predictions_b)
    )
    resampled = _resampled(
        schema.n_labels, references, [predictions_a, predictions_b], [chosen], resamples=resamples, seed=seed
    )
    low, high = _interval(resampled[:, 0, 0] - resampled[:, 1, 0])
    return PairedDifference(metric, values_a - values_b, low, high, len(np.asarray(references)))


def resampled_differences(
    schema: LabelSchema,
    references: ArrayLike,
    predictions_a: ArrayLike,
    predictions_b: ArrayLike,
    metrics: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    averaged: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """How much better ``a`` is than ``b`` in several metrics, on each of the resamples of :func:`paired_difference`.

    :param averaged: as for :func:`metric_value`
    :returns: *Shape:* ``(resamples, metrics)``
    :raises DataError, ConfigError: as :func:`paired_difference`
    """
    chosen = [_scalar(name) for name in metrics]
    systems = [predictions_a, predictions_b]
    values = _resampled(
        schema.n_labels, references, systems, chosen, resamples=resamples, seed=seed, averaged=averaged
    )
    differences: NDArray[np.float64] = values[:, 0] - values[:, 1]
    return differences


def label_differences(
    schema: LabelSchema,
    references: ArrayLike,
    predictions_a: ArrayLike,
    predictions_b: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Interval, ...]:
    """Ends of the 95 % interval of the difference of each label's F1, ``a`` minus ``b``.

    :returns: *Length:* n_labels
    :raises DataError, ConfigError: as :func:`score`
    """
    tallies = [Tally(references, one, schema.n_labels) for one in (predictions_a, predictions_b)]
    first, n_each = _kinds(tallies)
    a, b = (Tally(one.references[first], one.predictions[first], schema.n_labels) for one in tallies)
    at_once = max(1, _NUMBERS_AT_ONCE // max(a.size, b.size))
    weights = _weights(n_each, resamples=resamples, at_once=at_once, seed=seed)
    values = np.concatenate([f1(a.counts(one)) - f1(b.counts(one)) for one in weights])
    return tuple(_interval(column) for column in values.T)


def _resampled(
    n_labels: int,
    references: ArrayLike,
    systems: Sequence[ArrayLike],
    metrics: Sequence[Metric],
    *,
    resamples: int,
    seed: int,
    averaged: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Values of the metrics for each system, on resamples that the systems share.

    :returns: *Shape:* ``(resamples, systems, metrics)``
    """
    if resamples < 1:
        raise ConfigError("U083", resamples=resamples)
    tallies = [Tally(references, predictions, n_labels) for predictions in systems]
    first, n_each = _kinds(tallies)
    tallies = [
        Tally(tally.references[first], tally.predictions[first], n_labels, averaged=averaged)
        for tally in tallies
    ]
    at_once = max(1, _NUMBERS_AT_ONCE // max(tally.size for tally in tallies))
    parts = [
        np.stack(
            [
                [metric.of_counts(counts) for metric in metrics]
                for counts in (t.counts(weights) for t in tallies)
            ]
        )
        for weights in _weights(n_each, resamples=resamples, at_once=at_once, seed=seed)
    ]
    return np.moveaxis(np.concatenate(parts, axis=-1), -1, 0)


def _kinds(tallies: Sequence[Tally]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Texts that no metric can tell apart: where each kind first stands, and how many texts are of it."""
    kind = distinct_rows(tallies[0].references)[1]
    for tally in tallies:
        predicted = distinct_rows(tally.predictions)[1]
        kind = distinct_rows(kind * (predicted.max() + 1) + predicted)[1]
    first, _, counts = distinct_rows(kind)
    return first, counts


def _weights(
    n_each: NDArray[np.int64], *, resamples: int, at_once: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """How many texts of each kind a resample has.

    Texts drawn with replacement fall on the kinds as a multinomial draw does, so that the cost depends on the
    number of kinds (reference and prediction: a hundred for ten labels), not on the number of texts.

    :returns: some resamples at a time.  *Shape:* ``(some, kinds)``
    """
    generator = np.random.default_rng(seed)
    n_texts = int(n_each.sum())
    for start in range(0, resamples, at_once):
        yield generator.multinomial(n_texts, n_each / n_texts, size=min(at_once, resamples - start))


def _interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _per_label(schema: LabelSchema, tally: Tally) -> tuple[LabelScores, ...]:
    counts = tally.counts(np.ones(len(tally), dtype=np.int64))
    columns = (
        precision(counts),
        recall(counts),
        f1(counts),
        counts.references,
        counts.predictions,
        counts.correct,
    )
    return tuple(
        LabelScores(name, *row)
        for name, *row in zip(schema.names, *(one.tolist() for one in columns), strict=True)
    )


def _confusion(tally: Tally) -> tuple[tuple[int, int, int], ...]:
    """Cells that occur, in the order of rows and columns; never a dense matrix, which 5,000 labels would not bear."""
    first, _, counts = distinct_rows(tally.references * tally.n_labels + tally.predictions)
    cells = zip(tally.references[first], tally.predictions[first], counts, strict=True)
    return tuple((int(reference), int(prediction), int(n)) for reference, prediction, n in cells)
