"""The charts of a report, each with the figures behind it. It computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.evaluation import metric_title
from jptextclf.messages import text
from jptextclf.pages.charts import (
    Bar,
    Figure,
    Mark,
    Range,
    Series,
    ThresholdPoint,
    bars,
    confusion_matrix,
    histogram,
    intervals,
    lines,
    reliability,
    threshold_explorer,
)
from jptextclf.pages.charts import ReliabilityBin as DrawnBin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jptextclf.run_report.content import Group, Grouping, LabelCurve, Report


def figures(report: Report) -> dict[str, Figure]:
    """Every chart of a report by its name, which is also that of its CSV file."""
    found = [
        systems(report), labels(report), confusion(report), *learning(report), precision_recall(report),
        *(threshold(number, one) for number, one in enumerate(report.curves)), workload(report), calibration(report),
        *lengths(report), *(grouping(number, one) for number, one in enumerate(report.groupings)), texts(report), probe(report),
    ]  # fmt: skip
    return {one.name: one for one in found if one is not None}


def systems(report: Report) -> Figure | None:
    """Model and baselines with their intervals; None where there are no baselines."""
    if not report.systems:
        return None
    rows = [
        Range(one.title, one.macro_f1.score, one.macro_f1.low, one.macro_f1.high) for one in report.systems
    ]
    title = text("report.figure_systems", metric=metric_title("macro_f1"))
    return intervals("systems", title, rows, x_title=metric_title("macro_f1"), x_range=(0.0, 1.0))


def labels(report: Report) -> Figure | None:
    """F1 of each label with its interval; None where there are too many labels."""
    if not report.label_intervals:
        return None
    rows = [
        Range(one.name, one.f1, low, high, one.support)
        for one, (low, high) in zip(report.evaluation.per_label, report.label_intervals, strict=True)
    ]
    return intervals("labels", text("report.figure_labels"), rows, x_title="F1", x_range=(0.0, 1.0))


def cell_id(report: Report, reference: str, prediction: str) -> str | None:
    """Where the examples of a cell stand on the page; None where there are none."""
    for number, one in enumerate(report.cells):
        if (one.reference, one.prediction) == (reference, prediction):
            return f"cell-{number}"
    return None


def confusion(report: Report) -> Figure | None:
    """References against predictions; None for a multi-label task, whose labels do not exclude each other."""
    schema = report.evaluation.schema
    if schema.is_multilabel:
        return None
    names = schema.names
    return confusion_matrix(
        "confusion",
        text("report.figure_confusion"),
        names,
        report.evaluation.confusion_matrix(),
        link=lambda row, column: cell_id(report, names[row], names[column]),
    )


def learning(report: Report) -> Iterator[Figure]:
    """Loss and score by epoch; none for a frozen encoder, whose head has no epochs."""
    epochs = report.history.get("epochs")
    if not epochs:
        return
    numbers = [float(one["epoch"]) for one in epochs]
    best = [Mark(float(report.history["best_epoch"]), text("report.best_epoch"))]
    loss = [
        Series(text(f"report.{name}"), numbers, [float(one[name]) for one in epochs])
        for name in ("train_loss", "validation_loss")
    ]
    yield lines(
        "loss",
        text("report.figure_loss"),
        loss,
        x_title=text("report.epoch"),
        y_title=text("report.loss"),
        marks=best,
    )
    name = metric_title(report.history.get("metric") or "macro_f1")
    values = [Series(name, numbers, [float(one["value"]) for one in epochs])]
    yield lines(
        "score", text("report.figure_score", metric=name), values, x_title=text("report.epoch"), y_title=name,
        y_range=(0.0, 1.0), marks=best,
    )  # fmt: skip


def precision_recall(report: Report) -> Figure | None:
    """The precision-recall curves of the labels with most texts."""
    if not report.curves:
        return None
    ranked = sorted(report.curves, key=lambda one: -one.support)[:6]
    chosen = [one for one in report.curves if one in ranked]
    series = [
        Series(f"{one.name} (AP {one.average_precision:.3f})", list(one.recall), list(one.precision))
        for one in chosen
    ]
    return lines(
        "precision_recall", text("report.figure_precision_recall"), series, x_title=text("evaluation.recall"),
        y_title=text("evaluation.precision"), x_range=(0.0, 1.0), y_range=(0.0, 1.0),
    )  # fmt: skip


def threshold(number: int, curve: LabelCurve) -> Figure:
    """One label at every threshold."""
    points = [
        ThresholdPoint(one.threshold, one.precision, one.recall, one.f1, one.given) for one in curve.points
    ]
    return threshold_explorer(
        f"threshold_{number + 1}",
        text("report.figure_threshold", label=curve.name),
        curve.name,
        points,
        0.5 if curve.chosen is None else curve.chosen,
    )


def workload(report: Report) -> Figure | None:
    """How right the machine is on the texts that people do not look at."""
    there = [one for one in report.workloads if one.accuracy_left is not None]
    if not there:
        return None
    shares = [one.review_share for one in there]
    series = [Series(text("decide.h_left"), shares, [float(one.accuracy_left or 0.0) for one in there])]
    return lines(
        "workload", text("report.figure_workload"), series, x_title=text("report.review_share"),
        y_title=text("decide.h_left"), x_range=(0.0, max(0.5, *shares)), y_range=(min(0.5, series[0].ys[0]), 1.0),
    )  # fmt: skip


def calibration(report: Report) -> Figure:
    """What the probabilities say against what came true."""
    found = report.reliability
    drawn = [DrawnBin(one.low, one.high, one.confidence, one.accuracy, one.n) for one in found.bins]
    return reliability("reliability", text("report.figure_reliability"), drawn, found.ece)


def lengths(report: Report) -> Iterator[Figure]:
    """How long the texts are, in characters and pieces, with the place where they are cut."""
    if report.check is None:
        return
    statistics = report.check.statistics
    for name, found, limit in (
        ("characters", statistics.characters, None), ("pieces", statistics.pieces, statistics.max_length),
    ):  # fmt: skip
        if found is None:
            continue
        marks = [] if limit is None else [Mark(float(limit), text("report.limit", limit=limit))]
        yield histogram(
            f"length_{name}", text(f"report.figure_{name}"), found.edges, found.counts,
            x_title=text(f"report.axis_{name}"), y_title=text("report.texts"), marks=marks, open_end=True,
        )  # fmt: skip


def grouping_title(found: Grouping) -> str:
    """What the texts are grouped by, in the language of now."""
    return text(f"report.by_{found.by}", column=found.column)


def group_name(group: Group) -> str:
    """What a group is called, in the language of now."""
    return group.name if group.kind in {"value", "range"} else text(f"report.group_{group.kind}")


def grouping(number: int, found: Grouping) -> Figure:
    """Accuracy of groups of texts, with intervals."""
    rows = [Range(group_name(one), one.accuracy, one.low, one.high, one.n) for one in found.groups]
    name = f"accuracy_by_{found.by}" if found.by != "column" else f"accuracy_by_column_{number + 1}"
    return intervals(
        name, text("report.figure_grouping", by=grouping_title(found)), rows, x_title=text("report.accuracy"),
        x_range=(0.0, 1.0),
    )  # fmt: skip


def texts(report: Report) -> Figure:
    """How many texts have each label."""
    rows = [Bar(one.name, float(one.support)) for one in report.evaluation.per_label]
    return bars("texts", text("report.figure_texts"), rows)


def probe(report: Report) -> Figure | None:
    """How often the label is another one where the meaning stays; None where that was not asked."""
    found = report.evaluation.probe
    kept = [] if found is None else [one for one in found.ways if one.keeps]
    if not kept:
        return None
    rows = [Range(one.title, one.share, one.low, one.high, one.n) for one in kept]
    title = text("probe.figure")
    return intervals(
        "probe",
        title,
        rows,
        x_title=text("probe.share"),
        x_range=(0.0, max(0.1, *(one.high for one in kept))),
    )
