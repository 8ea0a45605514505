"""The comparison as one HTML page, in the language of now. It computes nothing but sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.evaluation import metric_title
from jptextclf.messages import listing, text
from jptextclf.pages.charts import figure
from jptextclf.pages.document import Section, document, fragment
from jptextclf.pages.html import Html, bullets, details, foreign, notice, paragraph, table, together
from jptextclf.run_comparison.content import COSTS, cost_cells, count_kinds, device_title, ends, p_text
from jptextclf.run_comparison.figures import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jptextclf.pages.charts import Figure
    from jptextclf.run_comparison.content import Answer, Change, Pair, RunComparison

MOST_TEXTS = 200
"""Texts on the page; the files hold all."""
_KINDS = ("lost", "gained", "both_wrong")


def page(found: RunComparison) -> str:
    """The whole page."""
    return document(_title(found), sections(found), lead=_lead(found))


def notebook(found: RunComparison) -> str:
    """What a notebook shows: the summary and the scores."""
    return fragment(together(Html(f"<h2>{_heading(found)}</h2>"), _summary(found), _scores(found)))


def sections(found: RunComparison) -> list[Section]:
    """The parts of the page."""
    drawn = figures(found)
    bodies = {
        "summary": _summary(found),
        "quality": _quality(found, drawn),
        "cost": _cost(found, drawn),
        "labels": _labels(found, drawn),
        "changes": _changes(found),
        "how": _how(found),
    }
    return [Section(name, text(f"compare.h_{name}"), body) for name, body in bodies.items()]


def _title(found: RunComparison) -> str:
    return text("compare.title", names=listing(run.name for run in found.runs))


def _heading(found: RunComparison) -> Html:
    return foreign(_title(found))


def _lead(found: RunComparison) -> Html:
    said = text(
        "compare.lead", source=found.source, split=text(f"words.{found.split}"), n=found.n_texts,
        date=found.created[:10],
    )  # fmt: skip
    return together(paragraph(said), paragraph(text("compare.private"), soft=True))


def _summary(found: RunComparison) -> Html:
    """What a person who reads nothing else should know."""
    remarks = [notice(one, kind="warning") for one in found.notes]
    others = [one for one in found.remarks() if one not in found.notes]
    parts = [together(notice(pair.sentence, kind="note"), bullets(said)) for pair, said in found.verdicts()]
    return together(*remarks, *parts, bullets(others))


def _scores(found: RunComparison) -> Html:
    metrics = found.metrics(all_of_them=True)
    rows = [
        [foreign(run.name), *(Html(_unbroken(str(run.score(one)))) for one in metrics)] for run in found.runs
    ]
    columns = [text("compare.run"), *map(metric_title, metrics)]
    return table(columns, rows, caption=text("compare.scores"))


def _quality(found: RunComparison, drawn: dict[str, Figure]) -> Html:
    names = found.metrics(all_of_them=True)
    columns = [text("compare.pair"), *map(metric_title, names), text("compare.mcnemar")]
    rows = [
        [
            foreign(text("compare.minus", first=pair.first, other=pair.other)),
            *(Html(_unbroken(str(pair.difference(one)))) for one in names),
            p_text(pair.adjusted_mcnemar),
        ]
        for pair in found.pairs
    ]
    return together(
        _scores(found),
        table(columns, rows, caption=text("compare.differences")),
        figure(drawn["quality"]),
        figure(drawn["differences"]),
    )


def _unbroken(figures: str) -> str:
    """Figures that stay in one line."""
    return f'<span style="white-space:nowrap">{figures}</span>'


def _cost(found: RunComparison, drawn: dict[str, Figure]) -> Html:
    columns = [text("compare.run"), *(text(f"compare.cost_{one}") for one in COSTS)]
    rows = [[foreign(run.name), *(foreign(one) for one in cost_cells(run.cost))] for run in found.runs]
    said = text("compare.cost_how", device=device_title(found.runs[0].cost.device), n=found.n_texts)
    return together(
        table(columns, rows),
        paragraph(said, soft=True),
        figure(drawn["speed"]),
    )


def _labels(found: RunComparison, drawn: dict[str, Figure]) -> Html:
    parts: list[Html] = []
    for number, pair in enumerate(found.pairs, 1):
        tested = any(one.test is not None for one in pair.labels)
        columns = [
            text("evaluation.label"), text("evaluation.support"), f"F1: {pair.first}", f"F1: {pair.other}",
            text("compare.difference"), *([text("compare.mcnemar")] if tested else []),
        ]  # fmt: skip
        rows = [
            [
                foreign(one.name), f"{one.support:,}", f"{one.first:.3f}", f"{one.other:.3f}",
                Html(_unbroken(f"{one.difference:+.3f}" if one.interval is None else ends(one.difference, *one.interval))),
                *([p_text(one.adjusted)] if one.adjusted is not None else []),
            ]
            for one in pair.labels
        ]  # fmt: skip
        caption = text("compare.minus", first=pair.first, other=pair.other)
        parts.append(table(columns, rows, caption=caption))
        if (chart := drawn.get(f"labels_{number}")) is not None:
            parts.append(figure(chart))
    return together(*parts)


def _changes(found: RunComparison) -> Html:
    parts: list[Html] = []
    at_most = MOST_TEXTS // len(found.pairs)
    for number, pair in enumerate(found.pairs, 1):
        parts.append(_counts(found, pair, number))
        every = {kind: [one for one in found.changes if one.kind(number) == kind] for kind in _KINDS}
        lists = [(kind, changes) for kind, changes in every.items() if changes]
        room = at_most
        for place, (kind, changes) in enumerate(lists):
            # Each kind its share of the page, and what earlier ones left over.
            shown = changes[: room // (len(lists) - place)]
            room -= len(shown)
            title = text(f"compare.count_{kind}", first=pair.first, other=pair.other)
            amount = "all" if len(shown) == len(changes) else "surest"
            title = text(f"compare.title_{amount}", title=title, n=len(changes), shown=len(shown))
            parts.append(details(title, _texts(shown, pair, number)))
    return together(*parts) if found.changes else paragraph(text("compare.no_changes"))


def _counts(found: RunComparison, pair: Pair, number: int) -> Html:
    """How many texts each of the two gets right."""
    kinds = count_kinds(found.changes, number)
    tested = pair.mcnemar
    named = {"first": pair.first, "other": pair.other}
    rows = [
        ("both_right", tested.both), ("gained", tested.only_b), ("lost", tested.only_a),
        ("both_wrong", kinds["both_wrong"]), ("same_wrong", tested.neither - kinds["both_wrong"]),
    ]  # fmt: skip
    total = max(1, tested.n_texts)
    cells = [[text(f"compare.count_{kind}", **named), f"{n:,}", f"{n / total:.1%}"] for kind, n in rows]
    columns = [text("compare.of_texts"), text("compare.texts"), text("compare.share")]
    return table(columns, cells, caption=text("compare.minus", **named))


def _texts(changes: Sequence[Change], pair: Pair, number: int) -> Html:
    columns = [text("compare.row"), text("compare.text"), text("compare.reference"), pair.first, pair.other]
    rows = [
        [
            f"{one.row:,}", _readable(one.text), _names(one.reference),
            _answer(one.answers[0]), _answer(one.answers[number]),
        ]
        for one in changes
    ]  # fmt: skip
    return table(columns, rows, numbers_from=5, row_headers=False)


def _readable(found: str) -> Html:
    """A text in a column that is never too narrow to read."""
    return Html(f'<div style="min-width:12em">{foreign(found, limit=500)}</div>')


def _answer(one: Answer) -> Html:
    sign = text("compare.right") if one.is_right else text("compare.wrong")
    return Html(f"{_names(one.labels)} {_unbroken(f'{one.probability:.3f} {sign}')}")


def _names(names: Sequence[str]) -> Html:
    return Html(text("words.comma").join(foreign(one) for one in names) if names else text("words.none"))


def _how(found: RunComparison) -> Html:
    """How to read the figures, and where they come from."""
    sentences = [text("compare.how_intervals", resamples=found.resamples), text("compare.how_mcnemar")]
    if len(found.pairs) > 1:
        sentences.append(text("compare.how_many", n=len(found.pairs), first=found.pairs[0].first))
    if found.pairs[0].labels and found.pairs[0].labels[0].test is not None:
        sentences.append(text("compare.how_labels"))
    sentences.append(text("compare.how_needed"))
    runs = [
        [foreign(run.name), foreign(run.cost.encoder), Html(f"<code>{run.sha256[:16]}</code>")]
        for run in found.runs
    ]
    columns = [text("compare.run"), text("compare.cost_encoder"), "SHA-256"]
    return together(bullets(sentences), table(columns, runs, numbers_from=3))
