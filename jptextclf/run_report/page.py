"""The report as one HTML page, in the language of now. It computes nothing but sentences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jptextclf.evaluation import DEFAULT_METRIC, metric_title, votes_table, workload_table
from jptextclf.explanation import shaded
from jptextclf.few_labels import FewLabels
from jptextclf.messages import listing, text
from jptextclf.pages.charts import figure
from jptextclf.pages.document import Section, document
from jptextclf.pages.html import (
    Html,
    anchor_link,
    bullets,
    details,
    foreign,
    notice,
    paragraph,
    row_of_figures,
    table,
)
from jptextclf.probing import probe_table
from jptextclf.run_report.figures import cell_id, figures, group_name, grouping_title
from jptextclf.run_report.licenses import Licenses
from jptextclf.significance import p_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jptextclf.baselines import ComparisonRow
    from jptextclf.bundle import Bundle
    from jptextclf.pages.charts import Figure
    from jptextclf.probing import Flip, Probed
    from jptextclf.run_report.content import Cell, Example, Report

_MANY_WRITTEN = 20
"""Texts of a kind of writing from which its share is worth a sentence."""
_MANY_LABELS = 30
"""Labels whose table is not shown at once."""
_LONGEST_NAME = 40
_MIS_CALIBRATED = 0.05
"""Distance of mean probability and accuracy from which the summary calls a model too sure or too careful."""


def page(report: Report, bundle: Bundle) -> str:
    """The whole page.

    :param bundle: the run that the report is about: its licences, lock and settings
    """
    return document(
        text("report.title", name=report.run_name), sections(report, bundle), lead=_lead(report), script=True
    )


def sections(report: Report, bundle: Bundle) -> list[Section]:
    """The parts of the page; one that has nothing to say is left out."""
    drawn = figures(report)
    licenses = Licenses.of(bundle)
    bodies = {
        "summary": summary(report, licenses),
        "systems": _systems(report, drawn, bundle),
        "labels": _labels(report, drawn),
        "confusion": _confusion(report, drawn),
        "learning": _learning(report, drawn),
        "thresholds": _thresholds(report, drawn),
        "workload": _workload(report, drawn),
        "calibration": _calibration(report, drawn),
        "lengths": _lengths(report, drawn),
        "groups": _groups(report, drawn),
        "probe": _probe(report, drawn),
        "errors": _errors(report),
        "check": _check(report),
        "licenses": licenses.html(),
        "lock": _lock(bundle),
    }
    return [Section(name, text(f"report.h_{name}"), body) for name, body in bodies.items() if body]


def _lead(report: Report) -> Html:
    said = text(
        "report.lead", source=report.source, split=text(f"words.{report.split}"), n=report.evaluation.n_texts,
        date=report.created[:10],
    )  # fmt: skip
    return Html(paragraph(said) + paragraph(text("report.private"), soft=True))


def summary(report: Report, licenses: Licenses) -> Html:
    """What a person who reads nothing else should know, in plain words."""
    parts = [notice(text("report.right", **_share(report)), kind="note")]
    if report.verdict is not None:
        parts.append(notice(str(report.verdict), kind="warning" if report.verdict.is_warning else "ok"))
    sentences = [
        *_weakest(report),
        _trust(report),
        *_people(report),
        *_steady(report),
        *report.evaluation.remarks(),
    ]
    if report.is_training and report.split == "validation":
        sentences.append(text("report.on_validation"))
    if report.check is not None:
        sentences.append(report.check.headline)
    sentences.append(licenses.sentence)
    return _together(*parts, bullets(sentences))


def _share(report: Report) -> dict[str, Any]:
    """The share of the texts that are right altogether, with its interval."""
    found = report.evaluation
    name = "subset_accuracy" if found.schema.is_multilabel else "accuracy"
    low, high = found.intervals[name]
    return {
        "n": found.n_texts, "split": text(f"words.{report.split}"), "share": found.scores[name], "low": low, "high": high
    }  # fmt: skip


def _weakest(report: Report) -> list[str]:
    """The label that is found worst, and what it is taken for."""
    there = [one for one in report.evaluation.per_label if one.support]
    if len(there) < 2:
        return []
    worst = min(there, key=lambda one: one.f1)
    cells = [one for one in report.cells if one.is_error and one.reference == worst.name and one.prediction]
    taken = max(cells, key=lambda one: one.n, default=None)
    if taken is None:
        return [text("report.weakest", label=_short(worst.name), f1=worst.f1, n=worst.support)]
    return [
        text(
            "report.weakest_taken", label=_short(worst.name), f1=worst.f1, n=worst.support, other=_short(taken.prediction),
            n_taken=taken.n,
        )
    ]  # fmt: skip


def _trust(report: Report) -> str:
    found = report.reliability
    distance = found.confidence - found.accuracy
    kind = (
        "too_sure"
        if distance > _MIS_CALIBRATED
        else "too_careful"
        if distance < -_MIS_CALIBRATED
        else "calibrated"
    )
    return text(f"report.{kind}", confidence=found.confidence, accuracy=found.accuracy, ece=found.ece)


def _steady(report: Report) -> list[str]:
    """How often a label changes where only the writing does, and where that is worst."""
    found = report.evaluation.probe
    if found is None or not (kinds := found.kinds()):
        return []
    n, flipped = (sum(values) for values in zip(*kinds.values(), strict=True))
    many = [kind for kind in kinds if kinds[kind][0] >= _MANY_WRITTEN] or list(kinds)
    worst = max(many, key=lambda kind: kinds[kind][1] / kinds[kind][0])
    n_worst, flipped_worst = kinds[worst]
    return [
        text("probe.summary", share=flipped / n, kind=text(f"probe.k_{worst}"), worst=flipped_worst / n_worst)
    ]


def _people(report: Report) -> list[str]:
    """How a model and a person compare, where people voted."""
    found = report.evaluation.votes
    if found is None or found.annotators_agree is None or found.agreement_there is None:
        return []
    return [text("vote_scores.people", model=found.agreement_there, people=found.annotators_agree)]


def _systems(report: Report, drawn: dict[str, Figure], bundle: Bundle) -> Html:
    if not report.systems:
        return Html("")
    first = report.systems[0]
    metric = report.verdict.difference.metric if report.verdict else DEFAULT_METRIC
    columns = [
        text("comparison.system"), first.accuracy.title, first.macro_f1.title, text("comparison.seconds"),
        text("report.difference", metric=metric_title(metric)), text("report.mcnemar"), text("report.only_model"),
        text("report.only_this"),
    ]  # fmt: skip
    rows = [
        [one.title, str(one.accuracy), str(one.macro_f1), f"{one.seconds:,.1f}", *_tests(one)]
        for one in report.systems
    ]
    notes = [note for one in report.systems for note in one.notes]
    return _together(
        table(columns, rows), paragraph(text("report.how_compared"), soft=True),
        bullets(notes) if notes else "", _drawn(drawn, "systems"), _ways(bundle),
    )  # fmt: skip


def _ways(bundle: Bundle) -> Html:
    """What was tried where there are few labels."""
    if not (recorded := bundle.record.get("few_labels")):
        return Html("")
    found = FewLabels.from_json(recorded)
    shown = found.table()
    return _together(
        table(shown.columns, shown.rows, caption=text("few.caption", n=found.n_texts, folds=found.folds)),
        bullets(found.choice_lines()),
    )


def _tests(one: ComparisonRow) -> list[str]:
    """The model against a baseline: difference, p-value, and what only one of the two gets right."""
    if one.against is None or one.mcnemar is None:
        return ["–"] * 4
    difference = f"{one.against.difference:+.3f} [{one.against.low:+.3f}, {one.against.high:+.3f}]"
    tested = one.mcnemar
    return [difference, p_cell(tested.p_value), f"{tested.only_b:,}", f"{tested.only_a:,}"]


def _labels(report: Report, drawn: dict[str, Figure]) -> Html:
    intervals = report.label_intervals or [None] * len(report.evaluation.per_label)
    rows = [
        [
            foreign(one.name), f"{one.precision:.3f}", f"{one.recall:.3f}",
            f"{one.f1:.3f}" + ("" if ends is None else f" [{ends[0]:.3f}, {ends[1]:.3f}]"),
            f"{one.support:,}", f"{one.predicted:,}",
        ]
        for one, ends in zip(report.evaluation.per_label, intervals, strict=True)
    ]  # fmt: skip
    names = ("label", "precision", "recall", "f1", "support", "predicted")
    scores = [
        [one.title, f"{one.score:.3f}", f"{one.low:.3f} – {one.high:.3f}"]
        for one in report.evaluation.table()
    ]
    kinds = ("metric", "score", "interval")
    by_label = table([text(f"evaluation.{one}") for one in names], rows, caption=text("report.h_labels"))
    return _together(
        table([text(f"evaluation.{one}") for one in kinds], scores, caption=text("report.scores")),
        _votes(report),
        details(text("report.all_labels", n=len(rows)), by_label) if len(rows) > _MANY_LABELS else by_label,
        _drawn(drawn, "labels", "texts"),
    )


def _votes(report: Report) -> Html:
    """The model against the annotators."""
    if report.evaluation.votes is None:
        return Html("")
    found = votes_table(report.evaluation.votes)
    return _together(
        table(found.columns, found.rows, caption=text("vote_scores.caption")),
        paragraph(text("vote_scores.how", n=report.evaluation.votes.n_texts), soft=True),
    )


def _confusion(report: Report, drawn: dict[str, Figure]) -> Html:
    cells = [
        details(_cell_title(one), _examples(one.examples), id=f"cell-{number}")
        for number, one in enumerate(report.cells)
    ]
    if report.evaluation.schema.is_multilabel:
        chart = _wrong_labels(report)
    else:
        chart = _drawn(drawn, "confusion", caption=text("report.confusion_caption"))
    return _together(chart, Html(f"<h3>{text('report.h_cells')}</h3>") if cells else "", *cells)


def _wrong_labels(report: Report) -> Html:
    """Of a multi-label task: how often each label is missed or too many, with links to the texts."""
    counts = {(one.reference, one.prediction): one.n for one in report.cells}

    def shown(reference: str, prediction: str) -> str:
        target = cell_id(report, reference, prediction)
        n = f"{counts.get((reference, prediction), 0):,}"
        return n if target is None else anchor_link(target, n)

    rows = [
        [foreign(one.name), f"{one.correct:,}", shown(one.name, ""), shown("", one.name)]
        for one in report.evaluation.per_label
    ]
    columns = [text(f"report.{name}") for name in ("label", "found", "missed", "extra")]
    return table(columns, rows, caption=text("report.h_confusion"))


def _short(name: str) -> str:
    """A label name in a sentence or a title, cut where it is long."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _cell_title(cell: Cell) -> str:
    kind = (
        "missed"
        if not cell.prediction
        else "extra"
        if not cell.reference
        else "cell"
        if cell.is_error
        else "hit"
    )
    names = {"reference": _short(cell.reference), "prediction": _short(cell.prediction)}
    return text(f"report.title_{kind}", **names, n=cell.n)


def _examples(examples: Sequence[Example]) -> Html:
    columns = [text(f"report.{one}") for one in ("row", "text", "reference", "given", "probability")]
    rows = [
        [
            f"{one.row:,}", _text(one), _names(one.reference), _names(one.predicted),
            _probability(one),
        ]
        for one in examples
    ]  # fmt: skip
    return table(columns, rows, numbers_from=4, row_headers=True)


def _text(one: Example) -> Html:
    return shaded(one.text, one.words) if one.words else foreign(one.text, limit=500)


def _probability(one: Example) -> str:
    if one.probability == one.reference_probability:
        return f"{one.probability:.3f}"
    return text("report.two_probabilities", given=one.probability, reference=one.reference_probability)


def _names(names: Sequence[str]) -> Html:
    return (
        Html(text("words.comma").join(foreign(one) for one in names)) if names else Html(text("words.none"))
    )


def _learning(report: Report, drawn: dict[str, Figure]) -> Html:
    history = report.history
    if not history.get("epochs"):
        return Html("")
    said = "report.stopped_early" if history.get("stopped_early") else "report.ran_out"
    last = history["epochs"][-1]["epoch"]
    return _together(
        paragraph(text(said, best=history["best_epoch"], last=last)), _drawn(drawn, "loss", "score")
    )


def _thresholds(report: Report, drawn: dict[str, Figure]) -> Html:
    if not report.curves:
        return Html("")
    is_multilabel = report.evaluation.schema.is_multilabel
    explorers = [name for name in drawn if name.startswith("threshold_")]
    return _together(
        paragraph(text("report.thresholds_multilabel" if is_multilabel else "report.thresholds_single")),
        _drawn(drawn, "precision_recall", *explorers),
    )  # fmt: skip


def _workload(report: Report, drawn: dict[str, Figure]) -> Html:
    if not report.workloads:
        return Html("")
    found = workload_table(report.workloads)
    return _together(
        paragraph(text("report.how_workload")), _drawn(drawn, "workload"),
        table(found.columns, found.rows, numbers_from=0, caption=text("report.h_workload")),
    )  # fmt: skip


def _calibration(report: Report, drawn: dict[str, Figure]) -> Html:
    found = report.reliability
    said = text("report.calibration", ece=found.ece, brier=found.brier, n=found.n, bins=len(found.bins))
    before = report.uncalibrated
    changed = (
        ""
        if before is None
        else text(
            "report.was_calibrated", ece=before.ece, now=found.ece, brier=before.brier, now_brier=found.brier
        )
    )
    return _together(
        paragraph(_trust(report)), paragraph(changed) if changed else "", paragraph(said, soft=True),
        _drawn(drawn, "reliability"),
    )  # fmt: skip


def _lengths(report: Report, drawn: dict[str, Figure]) -> Html:
    chosen = [name for name in ("length_characters", "length_pieces") if name in drawn]
    by = [number for number, one in enumerate(report.groupings) if one.by in {"characters", "truncated"}]
    said = [] if report.check is None else list(report.check.statistics.sentences())
    return _together(
        bullets(said) if said else "", _drawn(drawn, *chosen), *(_grouping(report, drawn, one) for one in by)
    )


def _groups(report: Report, drawn: dict[str, Figure]) -> Html:
    by = [number for number, one in enumerate(report.groupings) if one.by not in {"characters", "truncated"}]
    return _together(*(_grouping(report, drawn, one) for one in by))


def _grouping(report: Report, drawn: dict[str, Figure], number: int) -> Html:
    found = report.groupings[number]
    name = f"accuracy_by_{found.by}" if found.by != "column" else f"accuracy_by_column_{number + 1}"
    worst = min(found.groups, key=lambda one: one.accuracy)
    said = ""
    if len(found.groups) > 1 and worst.high < max(one.low for one in found.groups):
        said = paragraph(
            text(
                "report.worse_group", by=grouping_title(found), group=group_name(worst), accuracy=worst.accuracy, n=worst.n
            )
        )  # fmt: skip
    return _together(said, _drawn(drawn, name))


def _probe(report: Report, drawn: dict[str, Figure]) -> Html:
    """What becomes of labels where texts are written otherwise."""
    found = report.evaluation.probe
    if found is None or not found.ways:
        return Html("")
    columns, rows = probe_table(found)
    shown = [details(_flips_title(one), _flips(one.flips)) for one in found.ways if one.flips]
    return _together(
        paragraph(text("probe.how", n=found.n_texts)), _drawn(drawn, "probe"),
        table(columns, rows, numbers_from=2), *shown,
    )  # fmt: skip


def _flips_title(one: Probed) -> str:
    said = "probe.title_flipped" if one.keeps else "probe.title_stayed"
    return text(said, way=one.title, n=one.n_flipped if one.keeps else one.n - one.n_flipped)


def _flips(flips: Sequence[Flip]) -> Html:
    columns = [
        text(f"probe.h_{name}")
        for name in ("row", "text_before", "text_after", "label_before", "label_after")
    ]
    rows = [
        [
            f"{one.row:,}", foreign(one.before), foreign(one.after), _names(one.label_before), _names(one.label_after),
        ]
        for one in flips
    ]  # fmt: skip
    return table(columns, rows, numbers_from=5, row_headers=True)


def _errors(report: Report) -> Html:
    if not report.errors:
        return paragraph(text("report.no_errors"))
    said = text("report.errors", n=report.n_errors, total=report.evaluation.n_texts, shown=len(report.errors))
    how = paragraph(text("weights.how"), soft=True) if any(one.words for one in report.errors) else ""
    return _together(paragraph(said), how, _examples(report.errors))


def _check(report: Report) -> Html:
    if report.check is None:
        return Html("")
    parts: list[Html] = [bullets([foreign(line) for line in report.check.files()])]
    if not report.check.findings:
        parts.append(notice(text("report.nothing_found"), kind="ok"))
    for one in report.check.findings:
        where = paragraph(f"{text('checks.where')}: {one.rows}", soft=True) if one.rows else ""
        body = _together(paragraph(one.remedy), where, bullets([foreign(sample) for sample in one.samples]))
        parts.append(
            _together(notice(one.message, kind=one.severity), details(text("report.what_to_do"), body))
        )
    return _together(*parts)


def _lock(bundle: Bundle) -> Html:
    record = bundle.record
    settings = [[name, _value(value)] for name, value in record["config"].items()]
    versions = [[name, str(value)] for name, value in record["versions"].items()]
    seconds = [[name, f"{value:,.1f}"] for name, value in record["seconds"].items()]
    lock = json.dumps(bundle.lock, ensure_ascii=False, indent=1)
    columns = [text("plan.setting"), text("plan.value")]
    return _together(
        paragraph(text("report.lock")),
        details(text("report.settings"), table(columns, settings, numbers_from=2)),
        details(
            text("report.versions"),
            table([text("report.package"), text("report.version")], versions, numbers_from=2),
        ),
        details(text("report.seconds"), table([text("report.phase"), text("comparison.seconds")], seconds)),
        details("lock.json", Html(f"<pre>{foreign(lock, limit=200_000)}</pre>")) if bundle.lock else "",
    )


def _value(value: Any) -> Html:
    if isinstance(value, (list, tuple)):
        return foreign(listing(value, 20))
    return foreign("–" if value is None else str(value))


def _drawn(drawn: dict[str, Figure], *names: str, caption: str = "") -> Html:
    """Charts that there are, beside one another."""
    return row_of_figures(figure(drawn[name], caption) for name in names if name in drawn)


def _together(*parts: str) -> Html:
    return Html("\n".join(part for part in parts if part))
