"""What a report measures: figures checked by hand, bounded examples, nothing private."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from jptextclf import messages
from jptextclf.data.examples import Examples
from jptextclf.data.votes import Votes
from jptextclf.labels import LabelSchema
from jptextclf.prediction import Prediction
from jptextclf.run_report import measuring
from jptextclf.run_report.measuring import Measured, agreement, label_curve, shown
from jptextclf.significance import wilson

TWO = LabelSchema(("悪い", "良い"), "binary")
TAGS = LabelSchema(("味", "部屋", "接客"), "multilabel")


def predicted(schema, probabilities, truncated=None):
    values = np.array(probabilities, dtype=np.float32)
    n_texts = len(values)
    return Prediction(
        schema=schema, probabilities=values, thresholds=np.full(schema.n_labels, 0.5, np.float32),
        truncated=np.zeros(n_texts, dtype=np.bool_) if truncated is None else np.array(truncated),
        empty=np.zeros(n_texts, dtype=np.bool_),
    )  # fmt: skip


def measured(schema, probabilities, references, texts=None, **options):
    texts = texts or [f"文{number}" for number in range(len(probabilities))]
    truncated = options.pop("truncated", None)
    examples = Examples(texts, None, list(range(11, 11 + len(texts))), **options)
    return Measured(schema, examples, np.array(references), predicted(schema, probabilities, truncated))


def test_the_most_confident_errors_come_first():
    found = measured(TWO, [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.99, 0.01]], [0, 0, 0, 1]).errors()
    assert [(one.row, one.reference, one.predicted) for one in found] == [
        (14, ("良い",), ("悪い",)),
        (13, ("悪い",), ("良い",)),
        (12, ("悪い",), ("良い",)),
    ]
    assert [round(one.probability, 2) for one in found] == [0.99, 0.8, 0.6]
    assert round(found[0].reference_probability, 2) == 0.01


def test_an_error_of_a_multilabel_text_is_the_label_that_is_furthest_off():
    found = measured(TAGS, [[0.9, 0.3, 0.1], [0.9, 0.2, 0.7]], [[1, 1, 0], [1, 0, 0]]).errors()
    assert [(one.row, round(one.probability, 2)) for one in found] == [(11, 0.3), (12, 0.7)]
    assert found[0].reference == ("味", "部屋")
    assert found[0].predicted == ("味",)


def test_cells_hold_their_most_confident_texts():
    probabilities = [[0.1, 0.9], [0.2, 0.8], [0.45, 0.55], [0.9, 0.1]]
    cells = measured(TWO, probabilities, [0, 0, 0, 0]).cells()
    assert [(one.reference, one.prediction, one.n) for one in cells] == [
        ("悪い", "良い", 3),
        ("悪い", "悪い", 1),
    ]
    assert [one.row for one in cells[0].examples] == [11, 12, 13]
    assert cells[0].is_error
    assert not cells[1].is_error


def test_cells_of_a_multilabel_task_are_labels_missed_and_given_wrongly():
    cells = measured(TAGS, [[0.9, 0.3, 0.1], [0.9, 0.2, 0.7]], [[1, 1, 0], [1, 0, 0]]).cells()
    assert {(one.reference, one.prediction, one.n) for one in cells} == {("部屋", "", 1), ("", "接客", 1)}


def test_examples_are_bounded(monkeypatch):
    n = 400
    probabilities = np.tile([0.3, 0.7], (n, 1))
    found = measured(TWO, probabilities, [0] * n)
    assert len(found.errors()) == measuring.N_ERRORS
    assert [len(one.examples) for one in found.cells()] == [measuring.N_OF_CELL]
    assert found.cells()[0].n == n


def test_five_thousand_labels_stay_small():
    schema = LabelSchema(tuple(f"c{number}" for number in range(5000)), "multiclass")
    generator = np.random.default_rng(0)
    probabilities = generator.random((300, 5000))
    found = measured(schema, probabilities, generator.integers(0, 5000, 300))
    assert len(found.cells()) <= measuring.N_CELLS
    assert len(found.curves()) == measuring.N_CURVES


def test_personal_data_are_masked_and_long_texts_cut():
    telephone = "電話は03-1234-5678です。"
    (found,) = measured(TWO, [[0.1, 0.9]], [0], [telephone]).errors()
    assert "1234" not in found.text
    assert found.text.startswith("電話は")
    assert len(shown("あ" * 10_000)) == measuring.N_CHARACTERS
    # The number stands where the text is cut.
    assert "1234" not in shown("あ" * (measuring.N_CHARACTERS - 5) + "03-1234-5678")


@pytest.mark.parametrize(
    ("n_right", "n", "low", "high"),
    # By the formula of Wilson (1927); the first also in Newcombe (1998), table I.
    [(81, 263, 0.2553, 0.3662), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],
)
def test_wilson(n_right, n, low, high):
    assert wilson(n_right, n) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(st.integers(0, 50), st.integers(1, 50))
def test_the_interval_of_a_share_holds_it(n_right, n):
    n_right = min(n_right, n)
    low, high = wilson(n_right, n)
    assert 0 <= low <= n_right / n + 1e-12
    assert n_right / n - 1e-12 <= high <= 1


def test_average_precision_and_points_by_hand():
    curve = label_curve(
        "良い", np.array([0.9, 0.8, 0.3, 0.2], np.float32), np.array([1, 0, 1, 0]), chosen=None
    )
    # Precision 1 at the first text that has the label, 2/3 at the second.
    assert curve.average_precision == pytest.approx((1 + 2 / 3) / 2)
    (half,) = [one for one in curve.points if one.threshold == 0.5]
    assert (half.given, half.precision, half.recall, half.f1) == (2, 0.5, 0.5, 0.5)
    assert curve.support == 2


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=40))
def test_average_precision_is_that_of_scikit_learn(texts):
    values = np.array([value for value, _ in texts], np.float32)
    truth = np.array([right for _, right in texts], np.int64)
    if not truth.any():
        return
    curve = label_curve("x", values, truth, chosen=0.5)
    assert curve.average_precision == pytest.approx(average_precision_score(truth, values))
    assert all(0 <= one.precision <= 1 and 0 <= one.recall <= 1 for one in curve.points)
    assert list(curve.recall) == sorted(curve.recall)


def test_groups_by_length_cut_votes_and_columns():
    n = 20
    texts = ["あ" * (number + 1) for number in range(n)]
    votes = [Votes({"悪い": 3.0}) if number % 2 else Votes({"悪い": 2.0, "良い": 1.0}) for number in range(n)]
    columns = {"店": ["東"] * 10 + ["西"] * 8 + [""] * 2, "月": [str(number) for number in range(n)]}
    probabilities = [[0.9, 0.1]] * 15 + [[0.1, 0.9]] * 5
    found = measured(
        TWO, probabilities, [0] * n, texts, votes=votes, columns=columns, truncated=[False] * 15 + [True] * 5
    ).groupings()
    by = {one.column or one.by: one for one in found}
    assert set(by) == {"characters", "truncated", "votes", "店", "月"}
    assert [one.name for one in by["characters"].groups] == ["1–4", "5–8", "9–12", "13–16", "17–20"]
    assert [(one.kind, one.n, one.accuracy) for one in by["truncated"].groups] == [
        ("yes", 5, 0.0),
        ("no", 15, 1.0),
    ]
    assert [(one.kind, one.n) for one in by["votes"].groups] == [("all_agree", 10), ("range", 10)]
    assert [(one.name, one.kind, one.n) for one in by["店"].groups] == [
        ("東", "value", 10), ("西", "value", 8), ("", "empty", 2)
    ]  # fmt: skip
    assert all(one.kind == "range" for one in by["月"].groups)
    assert all(sum(one.n for one in grouping.groups) == n for grouping in found)


def test_many_values_of_a_column_are_the_frequent_ones_and_the_rest():
    n = 60
    cells = [f"店{number % 30}" for number in range(n)]
    (found,) = [
        one
        for one in measured(TWO, [[0.9, 0.1]] * n, [0] * n, columns={"店": cells}).groupings()
        if one.column
    ]
    assert len(found.groups) == measuring.N_GROUPS + 1
    assert found.groups[-1].kind == "rest"
    assert sum(one.n for one in found.groups) == n


def test_agreement():
    assert agreement(Votes({"a": 2.0, "b": 1.0})) == pytest.approx(2 / 3)
    assert agreement(Votes({"a": 2.0, "b": 2.0}, annotators=3)) == pytest.approx(2 / 3)
    assert agreement(Votes()) == 0.0


def test_everything_survives_json():
    from dataclasses import asdict

    from jptextclf.run_report.content import Cell, Example, Grouping, LabelCurve

    found = measured(TWO, [[0.1, 0.9], [0.7, 0.3]], [0, 1], columns={"店": ["東", "西"]})
    for kind, items in (
        (Example, found.errors()), (Cell, found.cells()), (LabelCurve, found.curves()), (Grouping, found.groupings()),
    ):  # fmt: skip
        assert items
        for one in items:
            assert kind.from_json(json.loads(json.dumps(asdict(one)))) == one


def by_column(cells, name="c"):
    found = measured(TWO, [[0.9, 0.1]] * len(cells), [0] * len(cells), columns={name: cells})
    return found.groupings()[-1]


def test_numbers_that_name_something_are_never_shown_as_ranges():
    messages.use_language("en")
    phones = [f"090-1234-{5000 + n}" for n in range(40)]
    assert [one.name for one in by_column(phones).groups] == ["[telephone]"]
    for cells in (
        [f"0901234{5000 + n}" for n in range(40)],
        [f"0{n:03}" for n in range(40)],
        [f"{1000001 + n}" for n in range(40)],
        ["4111111111111111", *map(str, range(40))],
    ):
        assert {one.kind for one in by_column(cells).groups} <= {"value", "rest"}, cells[0]
    for cells in (
        [str(n * 1000) for n in range(40)],
        [f"{n / 7:.3f}" for n in range(40)],
        [f"{10**n}" for n in range(20)],
    ):
        assert {one.kind for one in by_column(cells).groups} == {"range"}, cells[0]


def test_the_name_of_a_column_is_masked():
    messages.use_language("en")
    assert by_column(["x", "y"], name="090-1234-5678").column == "[telephone]"


def test_a_threshold_takes_what_the_run_takes():
    values = np.array([0.7, 0.7, 0.3, 0.29], dtype=np.float32)
    curve = label_curve("a", values, np.array([1, 1, 0, 0], dtype=np.int8), chosen=None)
    given = {one.threshold: one.given for one in curve.points}
    for threshold in (0.29, 0.3, 0.7, 0.71):
        assert given[threshold] == int((values >= np.float32(threshold)).sum())
