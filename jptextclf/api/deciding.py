"""Which labels a run gives, and when it asks a person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

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
    outcome,
    precisions,
    workloads,
)
from jptextclf.errors import ConfigError
from jptextclf.evaluation import Table, score, share_left, workload_table
from jptextclf.messages import listing, text
from jptextclf.progress import Logged

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
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
        """For a person, in the language of now; none where nothing was asked for."""
        if self.goal is None:
            return []
        columns = ["split", "rule", "texts", "review", "share", "accuracy", "left"]
        columns += ["cost"] if self.goal == "costs" else []
        rows = [
            (text(f"words.{split}"), text(f"decide.{when}"), *_cells(found[split]))[: len(columns)]
            for split in self.after
            for when, found in (("before", self.before), ("after", self.after))
        ]
        return [Table(tuple(text(f"decide.h_{name}") for name in columns), tuple(rows))]

    def workloads(self) -> Table:
        """How right the machine is where the least sure texts are for people."""
        return workload_table(self.table)

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


def _cells(one: Outcome) -> list[str]:
    return [
        f"{one.n_texts:,}", f"{one.n_review:,}", f"{one.review_share:.1%}", f"{one.accuracy:.3f}", share_left(one),
        "–" if one.cost is None else f"{one.cost:.3f}",
    ]  # fmt: skip


def decide(
    run: Run | str | os.PathLike[str],
    *,
    min_precision: float | None = None,
    min_accuracy: float | None = None,
    max_review: float | None = None,
    costs: Costs | None = None,
    review_cost: float | None = None,
    default: bool = False,
    dry_run: bool = False,
    data: Data | None = None,
    split: str | None = None,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    label_separator: str | None = None,
    encoding: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
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
    :param dry_run: only say what it would lead to
    :param data: labelled texts to tune on
    :param split: which split of ``data``; None takes the only one, else ``test``
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
    if data is None:
        splits, tuned_on = _kept_answers(bundle), "validation"
    else:
        opened = run if isinstance(run, Run) else load(run, device=device)
        _, judged = judge_on(
            opened, data, split=split, columns=columns, text_column=text_column, label_column=label_column,
            split_column=split_column, label_separator=label_separator, encoding=encoding, progress=progress or Logged(),
        )  # fmt: skip
        tuned_on = judged.split
        splits = {tuned_on: Answers(bundle.schema, judged.prediction.probabilities, judged.references)}
    matrix = None if costs is None else read_costs(costs, bundle.schema)
    goal = given[0] if given else None
    now = Tuned(bundle.thresholds, bundle.rule)
    tuned = now if goal is None else _tuned(splits[tuned_on], goal, values[goal], matrix, review_cost)
    before = {name: outcome(one, now, costs=matrix, review_cost=review_cost) for name, one in splits.items()}
    after = {name: outcome(one, tuned) for name, one in splits.items()}
    broken = [
        said
        for name, one in splits.items()
        if name != tuned_on
        for said in _broken(one, tuned, name, goal, values)
    ]
    if goal not in {None, "default"}:
        promise = {
            "goal": goal, "value": None if goal == "costs" else values[goal], "tuned_on": tuned_on,
            "unreached": list(tuned.unreached), "outcome": {name: one.to_json() for name, one in after.items()},
        }  # fmt: skip
        tuned = replace(tuned, rule=replace(tuned.rule, promise=promise))
    if written := goal is not None and not dry_run:
        record = {**bundle.record, "scores": _scores(bundle, splits, tuned)}
        rewrite_record(replace(bundle, thresholds=tuned.thresholds, rule=tuned.rule, record=record))
    table = tuple(workloads(splits[tuned_on]))
    return Decided(bundle.path, tuned, tuned_on, before, after, table, goal, tuple(broken), written)


def _kept_answers(bundle: Bundle) -> dict[str, Answers]:
    """Those that the run holds, validation first.

    :raises ConfigError: it holds none (``JPT-U208``)
    """
    found = read_answers(bundle.path, bundle.schema)
    if "validation" not in found:
        raise ConfigError("U208", path=bundle.path)
    return dict(sorted(found.items(), reverse=True))


def _tuned(answers: Answers, goal: str, value: Any, matrix: Any, review_cost: float | None) -> Tuned:
    if goal == "costs":
        return for_costs(answers, matrix, review_cost)
    if goal == "default":
        return for_f1(answers)
    tune = {"min_precision": for_precision, "min_accuracy": for_accuracy, "max_review": for_workload}[goal]
    return tune(answers, value)


def _broken(
    answers: Answers, tuned: Tuned, split: str, goal: str | None, values: Mapping[str, Any]
) -> Iterator[str]:
    """A sentence if a promise is not kept on some texts."""
    if goal == "min_accuracy":
        left = outcome(answers, tuned).accuracy_left
        if left is not None and left < values[goal]:
            yield text("decide.broken_accuracy", found=left, value=values[goal], split=text(f"words.{split}"))
    if goal == "min_precision":
        low = {name: one for name, one in precisions(answers, tuned).items() if one < values[goal]}
        if low:
            labels = listing((f"{name} ({one:.3f})" for name, one in low.items()), 20)
            yield text(
                "decide.broken_precision", labels=labels, value=values[goal], split=text(f"words.{split}")
            )


def _scores(bundle: Bundle, splits: Mapping[str, Answers], tuned: Tuned) -> dict[str, Any]:
    """The scores of the record, as they are by the new rule."""
    there, seed = bundle.record.get("scores", {}), bundle.record.get("config", {}).get("seed", 0)
    found = {}
    for name, one in splits.items():
        counts = {key: there.get(name, {}).get(key, 0) for key in ("n_truncated", "n_empty")}
        given, now = tuned.given(one), Tuned(bundle.thresholds, bundle.rule).given(one)
        found[name] = score(one.schema, one.references, given, seed=seed, **counts).to_json()
        if (given == now).all():
            # The votes are not kept: how far the annotators agree with other labels cannot be said.
            found[name]["votes"] = there.get(name, {}).get("votes")
    return found


def _require_share(name: str, value: Any) -> None:
    """:raises ConfigError: it is no share (``JPT-U207``)"""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 <= value <= 1):
        raise ConfigError("U207", name=name, found=value, expected=text("decide.a_share"))


def _require_cost(value: Any) -> None:
    if value is not None and not (isinstance(value, int | float) and 0 <= value < float("inf")):
        raise ConfigError("U207", name="review_cost", found=value, expected=text("decide.a_cost"))
