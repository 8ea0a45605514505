"""What a comparison of runs says: figures, tests, the texts whose labels differ, and sentences on them.

It knows no model and no page. Figures have no language; sentences are in that of now.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jptextclf.evaluation import LEVEL, Interval, LabelScores, ScoreRow, Table, metric_title, scores_json
from jptextclf.messages import listing, text
from jptextclf.significance import ALPHA, McNemar, detectable, texts_needed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from jptextclf.labels import LabelSchema

SCHEMA_VERSION = 1
"""Of ``compare.json``; changes when a key changes its meaning."""
Outcome = Literal["same", "chance", "better", "worse"]
Kind = Literal["gained", "lost", "both_wrong"]
_CLEAR = 1.25
"""Ratio of computing times from which one run is called quicker; less is the noise of a machine."""
_LABELS_SHOWN = 20
"""Labels of a table in a terminal."""


@dataclass(frozen=True)
class Cost:
    """What a run costs; predictions were measured on the texts of the comparison."""

    mode: str
    """``finetune`` or ``features``."""
    encoder: str
    training_seconds: float | None
    training_device: str | None
    parameters: int | None
    """Of the network; None for a graph."""
    n_bytes: int
    """Of the files that a prediction needs: network, head, tokenizer."""
    device: str
    load_seconds: float
    wall_seconds: float
    """Of all predictions."""
    cpu_seconds: float
    """Of all threads together."""
    n_texts: int
    n_pieces: int
    """Of all texts as the run reads them, special tokens included."""
    peak_bytes: int | None
    """Of the GPU's tensors; None on a CPU, where runs cannot be told apart."""

    @property
    def texts_per_second(self) -> float:
        return self.n_texts / max(self.wall_seconds, 1e-9)

    @property
    def milliseconds_per_text(self) -> float:
        """Computing time: of the CPU where it computes, since other programs make the clock run on; else by the clock."""
        seconds = self.cpu_seconds if self.device == "cpu" else self.wall_seconds
        return 1000 * seconds / max(1, self.n_texts)

    @property
    def pieces_per_second(self) -> float:
        return self.n_pieces / max(self.wall_seconds, 1e-9)

    def to_json(self) -> dict[str, Any]:
        per_second = {
            "texts_per_second": round(self.texts_per_second, 3),
            "pieces_per_second": round(self.pieces_per_second, 3),
            "milliseconds_per_text": round(self.milliseconds_per_text, 4),
        }
        seconds = {name: round(getattr(self, name), 4) for name in ("load_seconds", "wall_seconds", "cpu_seconds")}  # fmt: skip
        return {**asdict(self), **seconds, **per_second}


@dataclass(frozen=True)
class ComparedRun:
    """One run on the texts of the comparison."""

    name: str
    sha256: str
    """Of its record."""
    labels: tuple[str, ...]
    """Those that it can give."""
    scores: tuple[ScoreRow, ...]
    per_label: tuple[LabelScores, ...]
    """In the order of the comparison's labels."""
    n_truncated: int
    """Texts that it read a part of only."""
    text_columns: tuple[str, ...]
    cost: Cost

    def score(self, metric: str) -> ScoreRow:
        return next(one for one in self.scores if one.metric == metric)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "sha256": self.sha256,
            "labels": list(self.labels),
            **scores_json(self.scores),
            "per_label": [one.to_json() for one in self.per_label],
            "n_truncated": self.n_truncated,
            "text_columns": list(self.text_columns),
            "cost": self.cost.to_json(),
        }


@dataclass(frozen=True)
class MetricDifference:
    """How much better the second run of a pair is than the first."""

    metric: str
    difference: float
    low: float
    high: float
    """Ends of the 95 % interval."""
    standard_error: float
    p_value: float
    """Of the bootstrap, two-sided."""

    def __str__(self) -> str:
        return ends(self.difference, self.low, self.high)

    def to_json(self) -> dict[str, Any]:
        return {name: one if name == "metric" else round(one, 6) for name, one in asdict(self).items()}


@dataclass(frozen=True)
class LabelDifference:
    """One label under both runs of a pair."""

    name: str
    support: int
    """Texts that have it."""
    first: float
    other: float
    """F1 of each run."""
    interval: Interval | None
    """95 % interval of the difference; None where there are too many labels."""
    test: McNemar | None = None
    """Of a multi-label task: whether each text rightly got the label or not."""
    adjusted: float | None = None
    """p-value of ``test`` among those of all labels (Holm)."""

    @property
    def difference(self) -> float:
        return self.other - self.first

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "support": self.support,
            "f1": [round(self.first, 6), round(self.other, 6)],
            "difference": round(self.difference, 6),
            "interval": None if self.interval is None else [round(one, 6) for one in self.interval],
            "mcnemar": None if self.test is None else self.test.to_json(),
            "adjusted_p_value": self.adjusted,
        }


@dataclass(frozen=True)
class Pair:
    """Another run against the first one."""

    first: str
    other: str
    metric: str
    """What the verdict is about."""
    differences: tuple[MetricDifference, ...]
    mcnemar: McNemar
    """Texts that only the first (``a``) or only the other (``b``) labels right altogether."""
    n_changed: int
    """Texts that the two label differently."""
    labels: tuple[LabelDifference, ...]
    tests: int = 1
    """Pairs that were compared at once."""
    adjusted: float = 1.0
    """p-value of the difference in ``metric`` among all pairs (Holm)."""
    adjusted_mcnemar: float = 1.0

    @property
    def verdict(self) -> MetricDifference:
        """The difference that the outcome is decided by."""
        return self.difference(self.metric)

    def difference(self, metric: str) -> MetricDifference:
        return next(one for one in self.differences if one.metric == metric)

    @property
    def outcome(self) -> Outcome:
        """``better`` and ``worse`` only where the interval leaves out 0, and the adjusted p-value is small too."""
        found = self.verdict
        if not self.n_changed:
            return "same"
        if self.tests > 1 and self.adjusted > ALPHA:
            return "chance"
        return "better" if found.low > 0 else "worse" if found.high < 0 else "chance"

    @property
    def texts_needed(self) -> int | None:
        """Texts that would show a difference of this size; None where there is none."""
        found, n = self.verdict, self.mcnemar.n_texts
        return texts_needed(found.difference, found.standard_error, n, tests=self.tests)

    @property
    def detectable(self) -> float:
        """The smallest difference that these texts show four times out of five."""
        return detectable(self.verdict.standard_error, tests=self.tests)

    @property
    def most_changed(self) -> LabelDifference | None:
        """The label with the largest difference whose interval leaves out 0; None where there is none."""
        clear = [one for one in self.labels if one.interval and (one.interval[0] > 0 or one.interval[1] < 0)]
        return max(clear, key=lambda one: abs(one.difference), default=None)

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        found, n = self.verdict, self.mcnemar.n_texts
        fields: dict[str, Any] = {"metric": metric_title(self.metric), "n": n}
        if self.outcome == "same":
            return text("compare.same", first=self.first, other=self.other, n=n)
        if self.outcome == "worse":
            ends = {"difference": -found.difference, "low": -found.high, "high": -found.low}
            return text("compare.better", better=self.first, worse=self.other, **ends, **fields)
        ends = {"difference": found.difference, "low": found.low, "high": found.high}
        if self.outcome == "better":
            return text("compare.better", better=self.other, worse=self.first, **ends, **fields)
        sides = {"first": self.first, "other": self.other}
        said = text("compare.chance", **sides, **ends, **fields)
        if found.low > 0 or found.high < 0:
            # Only the number of comparisons makes it chance.
            said = text("compare.chance_among_many", said=said, tests=self.tests, p=p_text(self.adjusted))
        needed = self.texts_needed
        if needed is None:
            return said
        return text(
            "compare.needed", said=said, needed=rounded(needed), detectable=self.detectable, n=n
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "other": self.other,
            "outcome": self.outcome,
            "sentence": self.sentence,
            "metric": self.metric,
            "differences": [one.to_json() for one in self.differences],
            "adjusted_p_value": round(self.adjusted, 6),
            "mcnemar": {**self.mcnemar.to_json(), "adjusted_p_value": self.adjusted_mcnemar},
            "gained": self.mcnemar.only_b,
            "lost": self.mcnemar.only_a,
            "changed": self.n_changed,
            "tests": self.tests,
            "texts_needed": self.texts_needed,
            "detectable": round(self.detectable, 6),
            "labels": [one.to_json() for one in self.labels],
        }


@dataclass(frozen=True)
class Answer:
    """What one run says of a text."""

    labels: tuple[str, ...]
    probability: float
    """Of the label; of a multi-label task that of the decision that is most wrong, else of the least sure one."""
    is_right: bool

    def to_json(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "probability": round(self.probability, 4), "is_right": self.is_right}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A text that not all runs label alike; personal data in it are masked already."""

    row: int
    """Of the file, from 1."""
    text: str
    reference: tuple[str, ...]
    answers: tuple[Answer, ...]
    """One for each run, in their order."""

    @property
    def confidence(self) -> float:
        """How sure a run is that is wrong."""
        return max((one.probability for one in self.answers if not one.is_right), default=0.0)

    def kind(self, other: int) -> Kind | None:
        """What became of it between the first run and another one; None where both label it alike.

        :param other: number of the run
        """
        first, second = self.answers[0], self.answers[other]
        if set(first.labels) == set(second.labels):
            return None
        return "gained" if second.is_right else "lost" if first.is_right else "both_wrong"

    def to_json(self) -> dict[str, Any]:
        return {
            "row": self.row,
            "text": self.text,
            "reference": list(self.reference),
            "answers": [one.to_json() for one in self.answers],
        }


@dataclass(frozen=True, repr=False)
class RunComparison:
    """Several runs on the same labelled texts."""

    schema: LabelSchema
    """The labels that any of the runs can give."""
    metric: str
    runs: tuple[ComparedRun, ...]
    pairs: tuple[Pair, ...]
    """Every other run against the first one."""
    changes: tuple[Change, ...]
    """The ones that a run is most sure of, and wrong, first."""
    n_texts: int
    source: str
    """What the data are called."""
    split: str
    created: str
    """ISO date and time."""
    resamples: int
    seed: int
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    """Label that not all runs know -> texts that have it."""
    n_unknown: int = 0
    """Texts left out because of such a label."""
    notes: tuple[str, ...] = ()
    """What a reader should know about the data, as sentences."""

    def __repr__(self) -> str:
        names = ", ".join(one.name for one in self.runs)
        return f"<RunComparison of {names} on {self.n_texts} texts>"

    @property
    def sentences(self) -> list[str]:
        """The verdicts, and what the costs amount to."""
        return [line for pair, said in self.verdicts() for line in (pair.sentence, *said)]

    def verdicts(self) -> Iterator[tuple[Pair, list[str]]]:
        """Each pair with the sentences on its texts and its cost."""
        costs = {one.name: one.cost for one in self.runs}
        for pair in self.pairs:
            said = []
            if pair.n_changed:
                counts = {"gained": pair.mcnemar.only_b, "lost": pair.mcnemar.only_a, "n": pair.n_changed}
                said.append(text("compare.changed", first=pair.first, other=pair.other, **counts))
            if pair.outcome in {"better", "worse"} and pair.adjusted_mcnemar > ALPHA:
                fields = {"metric": metric_title(self.metric), "p": p_text(pair.adjusted_mcnemar)}
                said.append(text("compare.not_by_texts", **fields))
            if (label := pair.most_changed) is not None:
                sides = {"first": pair.first, "other": pair.other, "label": label.name, "n": label.support}
                said.append(text("compare.most_changed", **sides, before=label.first, now=label.other))
            said.append(_cost_sentence(pair, costs[pair.first], costs[pair.other]))
            yield pair, said

    def remarks(self) -> list[str]:
        """What a reader should know about the texts; often nothing."""
        found = list(self.notes)
        if self.n_unknown:
            names = listing(f"{name} ({n})" for name, n in self.unknown_labels.items())
            found.append(text("compare.unknown_labels", n=self.n_unknown, labels=names))
        found += [
            text("compare.truncated", run=run.name, n=run.n_truncated, total=self.n_texts)
            for run in self.runs
            if run.n_truncated
        ]
        columns = {run.text_columns for run in self.runs}
        if len(columns) > 1:
            read = listing(f"{run.name}: {listing(run.text_columns)}" for run in self.runs)
            found.append(text("compare.other_columns", columns=read))
        return found

    def tables(self) -> list[Table]:
        """For a person, in the language of now: scores, cost, differences, and labels where they are few."""
        found = [self._scores(), self._costs(), self._differences()]
        if self.schema.n_labels <= _LABELS_SHOWN:
            found.append(self._labels())
        return found

    def metrics(self, *, all_of_them: bool = False) -> list[str]:
        """Those that tables show: without micro-F1 where it is the accuracy, and if there is little room two or three."""
        names = [one.metric for one in self.runs[0].scores]
        if not self.schema.is_multilabel:
            names = [one for one in names if one != "micro_f1" or self.metric == one]
        few = {"accuracy", "subset_accuracy", "macro_f1", self.metric}
        return names if all_of_them else [one for one in names if one in few]

    def _scores(self) -> Table:
        metrics = self.metrics()
        return Table(
            (text("compare.run"), *map(metric_title, metrics)),
            tuple((run.name, *(str(run.score(one)) for one in metrics)) for run in self.runs),
        )

    def _costs(self) -> Table:
        return Table(
            (text("compare.run"), *(text(f"compare.cost_{one}") for one in _COSTS_IN_SHORT)),
            tuple((run.name, *cost_cells(run.cost, _COSTS_IN_SHORT)) for run in self.runs),
        )

    def _differences(self) -> Table:
        names = self.metrics()
        columns = (
            text("compare.pair"),
            *map(metric_title, names),
            text("compare.mcnemar"),
            text("compare.gained_lost"),
        )
        rows = [
            (
                text("compare.minus", first=pair.first, other=pair.other),
                *(str(pair.difference(one)) for one in names),
                p_text(pair.adjusted_mcnemar),
                f"{pair.mcnemar.only_b:,} / {pair.mcnemar.only_a:,}",
            )
            for pair in self.pairs
        ]
        return Table(columns, tuple(rows))

    def _labels(self) -> Table:
        names = [run.name for run in self.runs]
        rows = zip(*(run.per_label for run in self.runs), strict=True)
        return Table(
            (text("evaluation.label"), text("evaluation.support"), *(f"F1 {name}" for name in names)),
            tuple((same[0].name, f"{same[0].support:,}", *(f"{one.f1:.3f}" for one in same)) for same in rows),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """For a machine to read; figures have no language, sentences are in that of now."""
        return {
            "schema_version": SCHEMA_VERSION,
            "task": self.schema.task,
            "labels": list(self.schema.names),
            "metric": self.metric,
            "source": self.source,
            "split": self.split,
            "created": self.created,
            "n_texts": self.n_texts,
            "n_unknown": self.n_unknown,
            "unknown_labels": dict(self.unknown_labels),
            "bootstrap": {"level": LEVEL, "resamples": self.resamples, "seed": self.seed},
            "runs": [one.to_json() for one in self.runs],
            "pairs": [one.to_json() for one in self.pairs],
            "sentences": self.sentences,
            "remarks": self.remarks(),
            "changed": [one.to_json() for one in self.changes],
        }

    def to_html(self) -> str:
        """One page that needs nothing else, in the language of now."""
        from jptextclf.run_comparison.page import page

        return page(self)

    def _repr_html_(self) -> str:
        from jptextclf.run_comparison.page import notebook

        return notebook(self)

    def write(self, directory: str | os.PathLike[str]) -> Path:
        """Write ``compare.html``, ``compare.json`` and ``csv/``, in the language of now; a comparison there is replaced.

        :returns: the page
        :raises ConfigError: something else is there (``JPT-U025``)
        :raises WorkError: it cannot be written (``JPT-W011``)
        """
        from jptextclf.run_comparison.files import write_comparison

        return write_comparison(self, Path(directory))


COSTS = ("speed", "pieces", "time", "size", "parameters", "training", "encoder")
_COSTS_IN_SHORT = ("speed", "time", "size", "training", "encoder")


def cost_cells(cost: Cost, names: Sequence[str] = COSTS) -> list[str]:
    """A cost for a person.

    :param names: of :data:`COSTS`
    """
    none = text("words.none")
    trained = cost.training_seconds is not None
    training = text("comparison.seconds_value", seconds=cost.training_seconds) if trained else none
    if trained and cost.training_device is not None:
        training += f" ({device_title(cost.training_device)})"
    cells = {
        "speed": f"{cost.texts_per_second:,.0f}",
        "pieces": f"{cost.pieces_per_second:,.0f}",
        "time": f"{cost.milliseconds_per_text:,.2f} ms",
        "size": f"{cost.n_bytes / 1e6:,.1f} MB",
        "parameters": none if cost.parameters is None else f"{cost.parameters / 1e6:,.1f} M",
        "training": training,
        "encoder": cost.encoder,
    }
    return [cells[name] for name in names]


def device_title(device: str) -> str:
    """``"cpu" -> "CPU"``"""
    return device.upper() if device.islower() else device


def p_text(p_value: float) -> str:
    """``"p = 0.42"``, ``"p < 0.001"``"""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def ends(difference: float, low: float, high: float) -> str:
    """``"+0.031 [+0.010, +0.052]"``"""
    return f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]"


def rounded(n: int) -> int:
    """Two digits, upwards: ``12345 -> 13000``."""
    step = int(10 ** max(0, len(str(n)) - 2))
    return -(-n // step) * step


def _cost_sentence(pair: Pair, first: Cost, other: Cost) -> str:
    """How the other run's cost is to the first one's, and whether cost may decide."""
    mine, theirs = other.milliseconds_per_text, first.milliseconds_per_text
    speed, size = theirs / max(mine, 1e-9), other.n_bytes / max(1, first.n_bytes)
    kind = "quicker" if speed > _CLEAR else "slower" if speed < 1 / _CLEAR else "alike"
    said = text(
        f"compare.cost_{kind}", first=pair.first, other=pair.other, ratio=_times(max(speed, 1 / max(speed, 1e-9))),
        mine=f"{mine:,.2f}", theirs=f"{theirs:,.2f}", device=device_title(other.device),
    )  # fmt: skip
    if abs(size - 1) < 0.01:
        said += text("compare.size_alike")
    else:
        said += text("compare.size", other=pair.other, first=pair.first, ratio=_times(size))
    if pair.outcome in {"chance", "same"} and kind != "alike":
        cheaper = pair.other if kind == "quicker" else pair.first
        said += text("compare.cost_decides", cheaper=cheaper)
    return said


def _times(ratio: float) -> str:
    """``"0.043"``, ``"2.94"``, ``"120"``"""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def count_kinds(changes: tuple[Change, ...], other: int) -> Counter[Kind]:
    """How many texts were gained, lost, or are wrong in another way.

    :param other: number of the run that is compared with the first one
    """
    return Counter(kind for one in changes if (kind := one.kind(other)) is not None)
