"""The rule that keeps a promise, found on texts that the model has not learned from, and what it leads to.

A promise of precision or accuracy is to be kept on other texts too, not only on the very ones that it was tuned on: at a
cut the lower end of the one-sided 95 % interval (Clopper and Pearson, 1934) must reach it. Since the best of many cuts is
taken, that holds in about nine of ten cases. Few texts promise little: 29 right ones of 29 are needed for 90 %, 59 of 59
for 95 %.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.decisions.rule import Rule, confidence, log_odds
from jptextclf.decisions.thresholds import best_thresholds, between, falling_cuts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.decisions.answers import Answers
    from jptextclf.labels import LabelSchema

CONFIDENCE = 0.95
_NEVER = 1.01
"""A threshold that no probability reaches."""
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Of the texts, for which a table says what is gained by giving them to people."""


@dataclass(frozen=True)
class Tuned:
    """Thresholds and the rule beside them."""

    thresholds: tuple[float, ...]
    rule: Rule = field(default_factory=Rule)
    unreached: tuple[str, ...] = ()
    """Labels for which no cut keeps the promise; their texts are all for a person."""

    def given(self, answers: Answers) -> NDArray[np.int64]:
        """Ids ``(texts,)``, or for a multi-label task a 0/1 matrix ``(texts, n_labels)``."""
        return self.rule.label_ids(answers.schema, answers.probabilities, self._cuts)

    def asked(self, answers: Answers) -> NDArray[np.bool_]:
        """Whether a person looks at a text.  *Shape:* ``(texts,)``"""
        return self.rule.for_review(answers.schema, answers.probabilities, self._cuts)

    def sure(self, answers: Answers) -> NDArray[np.float64]:
        """:func:`~jptextclf.decisions.rule.confidence` of each answer.  *Shape:* ``(texts,)``"""
        return confidence(answers.schema, self.rule, answers.probabilities, self._cuts)

    def right(self, answers: Answers) -> NDArray[np.bool_]:
        """Whether a text gets exactly its labels.  *Shape:* ``(texts,)``"""
        same: NDArray[np.bool_] = self.given(answers) == answers.references
        return np.asarray(same.all(axis=1)) if answers.schema.is_multilabel else same

    @property
    def _cuts(self) -> NDArray[np.float32]:
        # As a prediction has them: a threshold that lies on a probability must not fall on its other side.
        return np.array(self.thresholds, dtype=np.float32)


@dataclass(frozen=True)
class Outcome:
    """What a rule leads to on some texts."""

    n_texts: int
    n_review: int
    """Texts for a person."""
    n_errors: int
    """Texts that do not get exactly their labels, among all of them."""
    n_errors_left: int
    """The same among those that no person looks at."""
    cost: float | None = None
    """Mean cost of a text, those for a person at the cost of a look; None where costs are not known."""

    @property
    def review_share(self) -> float:
        return self.n_review / self.n_texts

    @property
    def accuracy(self) -> float:
        """Of all texts, without a person."""
        return 1 - self.n_errors / self.n_texts

    @property
    def accuracy_left(self) -> float | None:
        """Of the texts that no person looks at; None where there are none."""
        n_left = self.n_texts - self.n_review
        return 1 - self.n_errors_left / n_left if n_left else None

    def to_json(self) -> dict[str, Any]:
        left = self.accuracy_left
        return {
            **asdict(self),
            "cost": None if self.cost is None else round(self.cost, 6),
            "review_share": round(self.review_share, 6),
            "accuracy": round(self.accuracy, 6),
            "accuracy_left": None if left is None else round(left, 6),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        names = ("n_texts", "n_review", "n_errors", "n_errors_left", "cost")
        return cls(**{name: data[name] for name in names})


def outcome(
    answers: Answers,
    tuned: Tuned,
    *,
    costs: Sequence[Sequence[float]] | None = None,
    review_cost: float | None = None,
) -> Outcome:
    """What a rule leads to.

    :param costs: what it is priced by, with ``review_cost``; None: by its own costs, if it has any
    :raises ValueError: there are no texts
    """
    if not len(answers):
        raise ValueError("there are no texts, expected at least one")
    if costs is None:
        costs, review_cost = tuned.rule.costs, tuned.rule.review_cost
    wrong, asked = ~tuned.right(answers), tuned.asked(answers)
    return Outcome(
        len(answers), int(asked.sum()), int(wrong.sum()), int((wrong & ~asked).sum()),
        _mean_cost(answers, tuned, np.array(costs), review_cost or 0.0) if len(costs) else None,
    )  # fmt: skip


def _mean_cost(answers: Answers, tuned: Tuned, costs: NDArray[np.float64], review_cost: float) -> float:
    """What the answers cost a text; those for a person cost a look."""
    given, truth = tuned.given(answers), answers.references.astype(np.int64)
    if answers.schema.is_multilabel:
        each = (truth > given) @ costs[:, 0] + (truth < given) @ costs[:, 1]
    else:
        each = costs[truth, given]
    return float(np.where(tuned.asked(answers), review_cost, each).mean())


def precisions(answers: Answers, tuned: Tuned) -> dict[str, float]:
    """Label -> the share that has it of the texts that get it without a person; labels that no text gets are left out."""
    given, left = tuned.given(answers), ~tuned.asked(answers)
    found = {}
    for label, name in enumerate(answers.schema.names):
        if answers.schema.is_multilabel:
            # A label is promised whoever looks at the others.
            some, truth = given[:, label] == 1, answers.references[:, label] == 1
        else:
            some, truth = (given == label) & left, answers.references == label
        if some.any():
            found[name] = float(truth[some].mean())
    return found


def for_f1(answers: Answers) -> Tuned:
    """The rule of a fresh training: the most probable label; for a multi-label task the thresholds with the best F1."""
    if not answers.schema.is_multilabel:
        return Tuned((0.5,) * answers.schema.n_labels)
    found = best_thresholds(answers.probabilities, answers.references)
    # Half a point of rounding on either side of a threshold must not turn a label.
    return Tuned(tuple(round(float(one), 4) for one in np.clip(found, 0.01, 0.99)))


def for_precision(answers: Answers, least: float) -> Tuned:
    """Of the texts that get a label without a person at least this share has it, for every label.

    Single-label: a text whose label is less sure than the cut of that label is for a person. Multi-label: a label is given
    from its cut on; a text that would have it by the best F1 and is below is for a person.
    """
    schema, start = answers.schema, for_f1(answers)
    cuts, unreached = [], []
    ids = start.given(answers)
    for label, name in enumerate(schema.names):
        values = answers.probabilities[:, label]
        some = np.ones(len(ids), dtype=np.bool_) if schema.is_multilabel else ids == label
        truth = answers.references[:, label] if schema.is_multilabel else answers.references == label
        cut = lowest_cut(values[some], truth[some].astype(np.int64), least)
        if cut is None:
            unreached.append(name)
        cuts.append(_NEVER if cut is None else cut)
    if not schema.is_multilabel:
        return Tuned(start.thresholds, Rule(review=tuple((0.0, cut) for cut in cuts)), tuple(unreached))
    # What the F1 would give and the promise does not.
    between = tuple((min(low, high), high) for low, high in zip(start.thresholds, cuts, strict=True))
    return Tuned(tuple(cuts), Rule(review=between), tuple(unreached))


def for_accuracy(answers: Answers, least: float) -> Tuned:
    """At least this share of the texts that no person looks at gets exactly its labels, with as few for a person as can be."""
    start = for_f1(answers)
    cut = lowest_cut(start.sure(answers), start.right(answers).astype(np.int64), least)
    unreached = answers.schema.names if cut is None else ()
    return replace(_below(answers.schema, start, cut), unreached=unreached)


def for_workload(answers: Answers, most: float) -> Tuned:
    """The least sure texts are for a person, at most this share of them."""
    start = for_f1(answers)
    sure = np.sort(start.sure(answers))
    n_below = _n_below(sure, most)
    if n_below == len(sure):
        return _below(answers.schema, start, None)
    cut = 0.0 if not n_below else float(sure[n_below - 1] + sure[n_below]) / 2
    return _below(answers.schema, start, cut)


def _n_below(rising: NDArray[np.float64], most: float) -> int:
    """How many of the least sure answers are at most this share; equal ones go together, all of them or none."""
    n_most = int(most * len(rising) + 1e-9)
    return n_most if n_most >= len(rising) else int(np.searchsorted(rising, rising[n_most], side="left"))


def _below(schema: LabelSchema, start: Tuned, cut: float | None) -> Tuned:
    """Texts that are less sure than a cut are for a person; all of them where there is none."""
    if cut is None or not schema.is_multilabel:
        return replace(start, rule=Rule(review=((0.0, _NEVER if cut is None else cut),) * schema.n_labels))
    middle = log_odds(np.array(start.thresholds))
    low, high = 1 / (1 + np.exp(-(middle - cut))), 1 / (1 + np.exp(-(middle + cut)))
    return replace(start, rule=Rule(review=tuple(zip(low.tolist(), high.tolist(), strict=True))))


def for_costs(answers: Answers, costs: Sequence[Sequence[float]], review_cost: float | None = None) -> Tuned:
    """What is expected to cost least is given; where even that costs more than a person's look, a person looks.

    For a multi-label task the threshold of a label is the one with the least cost on these texts, and a text is for a
    person where its probability makes either answer dearer than a look.
    """
    matrix = tuple(tuple(float(one) for one in row) for row in costs)
    if not answers.schema.is_multilabel:
        return Tuned((0.5,) * answers.schema.n_labels, Rule(costs=matrix, review_cost=review_cost))
    thresholds = tuple(
        _cheapest(answers.probabilities[:, label], answers.references[:, label], missed, wrong)
        for label, (missed, wrong) in enumerate(matrix)
    )
    review: tuple[tuple[float, float], ...] = ()
    if review_cost is not None:
        ends = [(_ratio(review_cost, missed), 1 - _ratio(review_cost, wrong)) for missed, wrong in matrix]
        review = tuple((min(low, max(high, 0.0)), max(high, 0.0)) for low, high in ends)
    return Tuned(thresholds, Rule(costs=matrix, review_cost=review_cost, review=review))


def _ratio(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole else 1.0


def _cheapest(values: NDArray[np.float32], truth: NDArray[Any], missed: float, wrong: float) -> float:
    """The cut where missing and giving wrongly cost least together; half-way between two neighbours."""
    falling, hits, is_cut = falling_cuts(values, truth)
    # Before the first text is a cut too: the label is never given.
    hits, is_cut = np.concatenate([[0], hits]), np.concatenate([[True], is_cut])
    total = missed * (hits[-1] - hits) + wrong * (np.arange(len(hits)) - hits)
    n_given = int(np.argmin(np.where(is_cut, total, np.inf)))
    if n_given == 0:
        return float((falling[0] + 1) / 2) if falling[0] < 1 else _NEVER
    return between(falling, n_given, end=float(falling[-1]) / 2)


def lowest_cut(values: NDArray[Any], right: NDArray[np.int64], least: float) -> float | None:
    """From which value on enough are right, by the lower end of the 95 % interval; None where that is nowhere so.

    :param values: how sure each answer is.  *Shape:* ``(answers,)``
    :param right: 0/1.  *Shape:* ``(answers,)``
    :param least: share that must be right
    """
    from scipy.stats import beta

    if not len(values):
        return None
    falling, hits, is_cut = falling_cuts(values, right)
    n_given = np.arange(1, len(hits) + 1)
    low = np.where(hits > 0, beta.ppf(1 - CONFIDENCE, np.maximum(hits, 1), n_given - hits + 1), 0.0)
    kept = np.flatnonzero(is_cut & (low >= least))
    return between(falling, int(kept[-1]) + 1, end=0.0) if len(kept) else None


def workloads(
    answers: Answers, shares: Sequence[float] = SHARES, *, tuned: Tuned | None = None
) -> list[Outcome]:
    """How right the machine is on the rest where the least sure texts are for people, at most these shares of them.

    :param tuned: which labels are given; whom it asks does not count. None: :func:`for_f1`
    """
    tuned = for_f1(answers) if tuned is None else tuned
    sure = tuned.sure(answers)
    order = np.argsort(sure, kind="stable")
    wrong_below = np.concatenate([[0], np.cumsum(~tuned.right(answers)[order])])
    n_wrong = int(wrong_below[-1])
    n_below = [_n_below(sure[order], share) for share in shares]
    return [Outcome(len(answers), n, n_wrong, n_wrong - int(wrong_below[n])) for n in n_below]
