"""Which labels a run gives, and when it asks a person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.api.judging import judge_on
from jptextclf.api.runs import Data, Run, load, path_of
from jptextclf.bundle import open_bundle, rewrite_record
from jptextclf.decisions.answers import Answers, read_answers
from jptextclf.decisions.costs import Costs, read_costs
from jptextclf.decisions.tuning import (
    Outcome,
    Tuned,
    for_accuracy,
    for_costs,
    for_f1,
    for_precision,
    for_workload,
    mean_cost,
    outcome,
    precisions,
    workloads,
)
from jptextclf.errors import ConfigError
from jptextclf.evaluation import Table, score
from jptextclf.messages import listing, text
from jptextclf.progress import Logged

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jptextclf.bundle import Bundle
    from jptextclf.progress import Progress

_GOALS = ("min_precision", "min_accuracy", "max_review", "costs", "default")


@dataclass(frozen=True)
class Decided:
    """What a rule leads to, on every split that the run was judged by."""

    path: Path
    tuned: Tuned
    tuned_on: str
    """Split whose texts it was tuned on."""
    before: Mapping[str, Outcome]
    after: Mapping[str, Outcome]
    table: tuple[Outcome, ...]
    """What is gained where more and more texts are for people, on the texts that it was tuned on."""
    goal: str | None
    """What was asked for, by its keyword; None: nothing."""
    broken: tuple[str, ...]
    """Sentences on promises that are not kept on splits that nothing was tuned on."""
    written: bool
    """Whether the run has the rule now."""

    def tables(self) -> list[Table]:
        """For a person, in the language of now."""
        columns = ["split", "rule", "texts", "review", "share", "accuracy", "left"]
        has_costs = self.goal == "costs"
        columns += ["cost"] if has_costs else []
        rows = []
        for split, one in self.after.items():
            name = text(f"words.{split}")
            rows.append((name, text("decide.before"), *_cells(self.before[split], has_costs=has_costs)))
            rows.append((name, text("decide.after"), *_cells(one, has_costs=has_costs)))
        found = Table(tuple(text(f"decide.h_{name}") for name in columns), tuple(rows))
        return [found] if self.goal is not None else []

    def workloads(self) -> Table:
        """How right the machine is where the least sure texts are for people."""
        columns = ("share", "review", "left", "errors")
        return Table(
            tuple(text(f"decide.h_{name}") for name in columns),
            tuple(
                (
                    f"{one.review_share:.0%}",
                    f"{one.n_review:,}",
                    _share(one.accuracy_left),
                    f"{one.n_errors_left:,}",
                )
                for one in self.table
            ),
        )

    def remarks(self) -> list[str]:
        """What a reader should know; often nothing."""
        found = []
        if self.tuned.unreached:
            found.append(text("decide.unreached", labels=listing(self.tuned.unreached, 20)))
        if self.goal is not None and set(self.after) == {self.tuned_on}:
            found.append(text("decide.only_tuned"))
        found += self.broken
        return found

    def to_json(self) -> dict[str, Any]:
        """For a machine to read."""
        return {
            "schema_version": 1,
            "path": str(self.path),
            "written": self.written,
            "goal": self.goal,
            "tuned_on": self.tuned_on,
            "thresholds": list(self.tuned.thresholds),
            "rule": self.tuned.rule.to_json(),
            "unreached": list(self.tuned.unreached),
            "before": {name: one.to_json() for name, one in self.before.items()},
            "after": {name: one.to_json() for name, one in self.after.items()},
            "workloads": [one.to_json() for one in self.table],
        }


def _cells(one: Outcome, *, has_costs: bool) -> list[str]:
    cells = [
        f"{one.n_texts:,}",
        f"{one.n_review:,}",
        f"{one.review_share:.1%}",
        f"{one.accuracy:.3f}",
        _share(one.accuracy_left),
    ]
    return [*cells, "–" if one.cost is None else f"{one.cost:.3f}"] if has_costs else cells


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def decide(
    run: Run | str | os.PathLike[str],
    *,
    min_precision: float | None = None,
    min_accuracy: float | None = None,
    max_review: float | None = None,
    costs: Costs | None = None,
    review_cost: float | None = None,
    default: bool = False,
    data: Data | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Decided:
    """Choose which labels a run gives and when it asks a person, and write that into the run.

    It is tuned on the validation texts of the training, whose probabilities the run holds, or on ``data``. Without a goal
    nothing is changed, and the table says what can be had. A run that is loaded already keeps its rule.

    :param run: a run, or its directory
    :param min_precision: of the texts that get a label without a person, the least share that has it
    :param min_accuracy: of the texts that no person looks at, the least share that gets exactly its labels
    :param max_review: the greatest share of the texts that people look at
    :param costs: what mistakes cost: by label and label given, for a multi-label task by label ``missed`` and ``wrong``; or a
        file with the same as a table
    :param review_cost: what a person's look costs, in the unit of ``costs``
    :param default: the rule of a fresh training: the most probable label, or the best F1
    :param data: labelled texts to tune on
    :param dry_run: only say what it would lead to
    :param options: how ``data`` are read, and which split of them, as for :func:`jptextclf.evaluate`
    :raises ConfigError: several goals (``JPT-U206``), a number that cannot be (``JPT-U207``), the run holds no probabilities
        and there are no data (``JPT-U208``), it is an export (``JPT-U209``), or ``costs`` cannot be used (``JPT-U204``,
        ``JPT-U205``)
    :raises DataError: as :func:`jptextclf.evaluate`
    """
    values = dict(zip(_GOALS, (min_precision, min_accuracy, max_review, costs, default or None), strict=True))
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1 or (review_cost is not None and given != ["costs"]):
        raise ConfigError(
            "U206", found=listing([*given, *(["review_cost"] if review_cost is not None else [])])
        )
    for name in ("min_precision", "min_accuracy", "max_review"):
        _require_share(name, values[name])
    _require_cost(review_cost)
    bundle = open_bundle(path_of(run))
    if "export" in bundle.record:
        raise ConfigError("U209", path=bundle.path)
    splits, tuned_on = _answers(run, bundle, data, progress or Logged(), options)
    answers = splits[tuned_on]
    now = Tuned(bundle.thresholds, bundle.rule)
    matrix = None if costs is None else read_costs(costs, bundle.schema)
    tuned = _tuned(answers, values, matrix, review_cost) if given else now
    before = {name: _priced(one, now, matrix, review_cost) for name, one in splits.items()}
    after = {name: outcome(one, tuned) for name, one in splits.items()}
    goal = given[0] if given else None
    broken: list[str] = []
    if goal is not None:
        value = values[goal] if goal in {"min_precision", "min_accuracy", "max_review"} else None
        promise = {
            "goal": goal, "value": value, "tuned_on": tuned_on, "unreached": list(tuned.unreached),
            "outcome": {name: one.to_json() for name, one in after.items()},
        }  # fmt: skip
        others = {name: one for name, one in splits.items() if name != tuned_on}
        broken = [said for name, one in others.items() for said in _broken(one, tuned, name, goal, value)]
        tuned = replace(tuned, rule=replace(tuned.rule, promise={} if default else promise))
    written = bool(given) and not dry_run
    if written:
        rewrite_record(
            replace(
                bundle,
                thresholds=tuned.thresholds,
                rule=tuned.rule,
                record={**bundle.record, "scores": _scores(bundle, splits, tuned)},
            )
        )
    return Decided(
        bundle.path,
        tuned,
        tuned_on,
        before,
        after,
        tuple(workloads(answers, thresholds=bundle.thresholds)),
        goal,
        tuple(broken),
        written,
    )


def _tuned(answers: Answers, goals: Mapping[str, Any], matrix: Any, review_cost: float | None) -> Tuned:
    if goals["min_precision"] is not None:
        return for_precision(answers, goals["min_precision"])
    if goals["min_accuracy"] is not None:
        return for_accuracy(answers, goals["min_accuracy"])
    if goals["max_review"] is not None:
        return for_workload(answers, goals["max_review"])
    return for_f1(answers) if matrix is None else for_costs(answers, matrix, review_cost)


def _broken(answers: Answers, tuned: Tuned, split: str, goal: str, value: Any) -> Iterator[str]:
    """A sentence if a promise is not kept on some texts."""
    named = {"split": text(f"words.{split}")}
    if goal == "min_accuracy":
        left = outcome(answers, tuned).accuracy_left
        if left is not None and left < value:
            yield text("decide.broken_accuracy", found=left, value=value, **named)
    if goal == "min_precision":
        low = {name: one for name, one in precisions(answers, tuned).items() if one < value}
        if low:
            labels = listing((f"{name} ({one:.3f})" for name, one in low.items()), 20)
            yield text("decide.broken_precision", labels=labels, value=value, **named)


def _priced(answers: Answers, tuned: Tuned, matrix: Any, review_cost: float | None) -> Outcome:
    """What a rule leads to, and what that costs by a matrix that it does not know."""
    found = outcome(answers, tuned)
    if matrix is None:
        return found
    thresholds = np.array(tuned.thresholds, dtype=np.float32)
    asked = tuned.rule.for_review(answers.schema, answers.probabilities, thresholds)
    given = tuned.rule.label_ids(answers.schema, answers.probabilities, thresholds)
    return replace(found, cost=mean_cost(answers, given, asked, matrix, review_cost))


def _answers(
    run: Run | str | os.PathLike[str],
    bundle: Bundle,
    data: Data | None,
    progress: Progress,
    options: Mapping[str, Any],
) -> tuple[Mapping[str, Answers], str]:
    """The splits to judge a rule by, and the one to tune it on."""
    if data is None:
        found = read_answers(bundle.path, bundle.schema)
        if "validation" not in found:
            raise ConfigError("U208", path=bundle.path)
        return dict(sorted(found.items(), reverse=True)), "validation"
    opened = run if isinstance(run, Run) else load(run, device=options.get("device", "auto"))
    reading = {
        "columns": None, "text_column": None, "label_column": None, "split_column": None, "label_separator": None,
        "encoding": "auto", "split": None, **{name: one for name, one in options.items() if name != "device"},
    }  # fmt: skip
    _, judged = judge_on(opened, data, progress=progress, **reading)
    return {
        judged.split: Answers(bundle.schema, judged.prediction.probabilities, judged.references)
    }, judged.split


def _scores(bundle: Bundle, splits: Mapping[str, Answers], tuned: Tuned) -> dict[str, Any]:
    """The scores of the record, as they are by the new rule."""
    thresholds = np.array(tuned.thresholds, dtype=np.float32)
    there = bundle.record.get("scores", {})
    found = {}
    for name, one in splits.items():
        counts = {key: there.get(name, {}).get(key, 0) for key in ("n_truncated", "n_empty")}
        given = tuned.rule.label_ids(one.schema, one.probabilities, thresholds)
        found[name] = score(one.schema, one.references, given, **counts).to_json()
    return found


def _require_share(name: str, value: Any) -> None:
    """:raises ConfigError: it is no share (``JPT-U207``)"""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 <= value <= 1):
        raise ConfigError("U207", name=name, found=value, expected=text("decide.a_share"))


def _require_cost(value: Any) -> None:
    if value is not None and not (isinstance(value, int | float) and 0 <= value < float("inf")):
        raise ConfigError("U207", name="review_cost", found=value, expected=text("decide.a_cost"))
