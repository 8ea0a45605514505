"""What a report says, without a word of it: figures, examples, and where they come from.

It knows no language and no page. Everything goes through JSON and back, so that a report can be written again, in the
other language too, without the data.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from jptextclf.baselines import ComparisonRow, Verdict
from jptextclf.calibration import Reliability
from jptextclf.data.checks import DataCheck
from jptextclf.decisions.tuning import Outcome
from jptextclf.evaluation import Evaluation
from jptextclf.explanation import WordWeight

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION = 1
"""Of ``report.json``; changes when a key changes its meaning."""

By = Literal["characters", "truncated", "votes", "column"]


@dataclass(frozen=True)
class Example:
    """One text that the model was asked about; personal data in it are masked already."""

    row: int
    """Of the file, from 1."""
    text: str
    reference: tuple[str, ...]
    predicted: tuple[str, ...]
    probability: float
    """Of the label that speaks for the kind of example: the one that was given; or of a multi-label task the one
    that is missing or too many."""
    reference_probability: float
    """Of the right label; of a multi-label task the same as ``probability``."""
    truncated: bool = False
    words: tuple[WordWeight, ...] = ()
    """What its words do for the label that was given, where that was asked for."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Example:
        named = {name: tuple(data[name]) for name in ("reference", "predicted")}
        return cls(**{**data, **named, "words": tuple(WordWeight(**one) for one in data["words"])})


@dataclass(frozen=True)
class Cell:
    """Texts of one reference label that got one label; of a multi-label task those where a label is wrong.

    ``reference`` and ``prediction`` are label names; for a multi-label task the label is ``reference`` where it was
    missed, ``prediction`` where it was given wrongly, and the other one is empty.
    """

    reference: str
    prediction: str
    n: int
    examples: tuple[Example, ...]
    """The most confident ones."""

    @property
    def is_error(self) -> bool:
        return self.reference != self.prediction

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cell:
        return cls(**{**data, "examples": tuple(Example.from_json(one) for one in data["examples"])})


@dataclass(frozen=True)
class Point:
    """What a label would be if it were given from one probability on."""

    threshold: float
    precision: float
    recall: float
    f1: float
    given: int
    """Texts that would get it."""


@dataclass(frozen=True)
class LabelCurve:
    """One label at every threshold."""

    name: str
    support: int
    """Texts that have it."""
    average_precision: float
    """Precision at every text that has the label, the most probable first, averaged over them."""
    chosen: float | None
    """The threshold that the run uses; None for a single-label task, where the most probable label is given."""
    precision: tuple[float, ...]
    """Of the precision-recall curve, with ``recall`` rising."""
    recall: tuple[float, ...]
    points: tuple[Point, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LabelCurve:
        lists = {name: tuple(data[name]) for name in ("precision", "recall")}
        return cls(**{**data, **lists, "points": tuple(Point(**one) for one in data["points"])})


@dataclass(frozen=True)
class Group:
    """Texts that have something in common, and how many of them are right altogether."""

    name: str
    """A value of the data, or a range of numbers such as ``12-34``."""
    n: int
    accuracy: float
    low: float
    high: float
    """Ends of the 95 % interval (Wilson, 1927)."""
    kind: Literal["value", "range", "rest", "empty", "yes", "no", "all_agree"] = "value"


@dataclass(frozen=True)
class Grouping:
    """The texts cut into groups by one thing."""

    by: By
    groups: tuple[Group, ...]
    column: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grouping:
        return cls(**{**data, "groups": tuple(Group(**one) for one in data["groups"])})


@dataclass(frozen=True)
class Report:
    """Everything that is measured of a run on one split."""

    run_name: str
    run_sha256: str
    """Of the run's record, which holds the hash of every file: another model gives another one."""
    created: str
    source: str
    """What the data are called."""
    split: str
    evaluation: Evaluation
    label_intervals: tuple[tuple[float, float], ...]
    """Ends of the 95 % interval of each label's F1; empty where there are too many labels."""
    systems: tuple[ComparisonRow, ...]
    """Baselines first, the model last; empty where the training data were not at hand."""
    verdict: Verdict | None
    reliability: Reliability
    uncalibrated: Reliability | None
    """Before the probabilities were calibrated, where that was done."""
    curves: tuple[LabelCurve, ...]
    groupings: tuple[Grouping, ...]
    cells: tuple[Cell, ...]
    errors: tuple[Example, ...]
    """The most confident ones."""
    n_errors: int
    is_training: bool = True
    """Whether it was written by the training, of its own evaluation texts."""
    check: DataCheck | None = None
    workloads: tuple[Outcome, ...] = ()
    """How right the machine is where more and more of the least sure texts are for people."""
    history: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For a machine to read, and for :meth:`from_json`."""
        plain = ("run_name", "run_sha256", "created", "source", "split", "n_errors", "is_training")
        found: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            **{name: getattr(self, name) for name in plain},
            "evaluation": self.evaluation.to_json(),
            "label_intervals": self.label_intervals,
            "systems": [one.to_json() for one in self.systems],
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "reliability": self.reliability.to_json(),
            "uncalibrated": None if self.uncalibrated is None else self.uncalibrated.to_json(),
            **{
                name: [asdict(one) for one in getattr(self, name)]
                for name in ("curves", "groupings", "cells", "errors")
            },
            "check": None if self.check is None else self.check.to_json(),
            "workloads": [one.to_json() for one in self.workloads],
            "history": dict(self.history),
        }
        rounded: dict[str, Any] = json.loads(json.dumps(found), parse_float=lambda one: round(float(one), 6))
        return rounded

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """:raises KeyError, TypeError, ValueError: it is no such report"""
        if data["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version {data['schema_version']}, expected {SCHEMA_VERSION}")
        plain = ("run_name", "run_sha256", "created", "source", "split", "n_errors", "is_training")
        verdict, check, before = data["verdict"], data["check"], data["uncalibrated"]
        return cls(
            **{name: data[name] for name in plain},
            evaluation=Evaluation.from_json(data["evaluation"]),
            label_intervals=tuple((low, high) for low, high in data["label_intervals"]),
            systems=tuple(ComparisonRow.from_json(one) for one in data["systems"]),
            verdict=None if verdict is None else Verdict.from_json(verdict),
            reliability=Reliability.from_json(data["reliability"]),
            uncalibrated=None if before is None else Reliability.from_json(before),
            curves=tuple(LabelCurve.from_json(one) for one in data["curves"]),
            groupings=tuple(Grouping.from_json(one) for one in data["groupings"]),
            cells=tuple(Cell.from_json(one) for one in data["cells"]),
            errors=tuple(Example.from_json(one) for one in data["errors"]),
            check=None if check is None else DataCheck.from_json(check),
            workloads=tuple(Outcome.from_json(one) for one in data.get("workloads", ())),
            history=data["history"],
        )
