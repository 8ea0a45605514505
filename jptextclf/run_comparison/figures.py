"""The charts of a comparison, each with the figures behind it. It computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.evaluation import metric_title
from jptextclf.messages import text
from jptextclf.pages.charts import Bar, Figure, Range, bars, intervals

if TYPE_CHECKING:
    from jptextclf.run_comparison.content import Pair, RunComparison


def figures(found: RunComparison) -> dict[str, Figure]:
    """Every chart by its name, which is also that of its CSV file."""
    drawn = [quality(found), speed(found), differences(found)]
    drawn += [one for number, pair in enumerate(found.pairs, 1) if (one := labels(pair, number)) is not None]
    return {one.name: one for one in drawn}


def quality(found: RunComparison) -> Figure:
    """The metric of the verdict for each run."""
    title = metric_title(found.metric)
    scores = [(run.name, run.score(found.metric)) for run in found.runs]
    rows = [Range(name, one.score, one.low, one.high) for name, one in scores]
    return intervals("quality", text("compare.figure_quality", metric=title), rows, x_title=title)


def speed(found: RunComparison) -> Figure:
    """Computing time of each run."""
    rows = [Bar(run.name, round(run.cost.milliseconds_per_text, 2)) for run in found.runs]
    return bars("speed", text("compare.figure_speed"), rows, x_title=text("compare.axis_speed"))


def differences(found: RunComparison) -> Figure:
    """Every metric of every pair, against no difference."""
    rows = [
        Range(
            metric_title(one.metric) if len(found.pairs) == 1 else f"{pair.other}: {metric_title(one.metric)}",
            one.difference, one.low, one.high,
        )
        for pair in found.pairs
        for one in map(pair.difference, found.metrics(all_of_them=True))
    ]  # fmt: skip
    first = found.pairs[0]
    title = (
        text("compare.figure_differences", first=first.first, other=first.other)
        if len(found.pairs) == 1
        else text("compare.figure_differences_many", first=first.first)
    )
    return intervals("differences", title, rows, x_title=text("compare.difference"), reference=0.0)


def labels(pair: Pair, number: int) -> Figure | None:
    """The F1 of each label against no difference; None where there are too many labels."""
    rows = [
        Range(one.name, one.difference, *one.interval, one.support)
        for one in pair.labels
        if one.interval is not None
    ]
    if not rows:
        return None
    title = text("compare.figure_labels", first=pair.first, other=pair.other)
    return intervals(f"labels_{number}", title, rows, x_title=text("compare.difference_f1"), reference=0.0)
