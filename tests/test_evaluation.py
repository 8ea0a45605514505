"""Scores come with honest intervals, and a difference between two systems with one of its own."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf import messages
from jptextclf.errors import ConfigError, DataError
from jptextclf.evaluation import (
    Evaluation,
    known_references,
    label_intervals,
    metric_value,
    paired_difference,
    score,
    scores_of,
)
from jptextclf.labels import LabelSchema
from jptextclf.metrics import METRICS

THREE = LabelSchema(("悪い", "普通", "良い"), "multiclass")
TAGS = LabelSchema(("価格", "味", "接客"), "multilabel")


def guesses(schema, n_texts, *, right, seed=0):
    """Random references, and predictions of which about that share is right."""
    rng = np.random.default_rng(seed)
    if schema.is_multilabel:
        references = (rng.random((n_texts, schema.n_labels)) < 0.3).astype(np.float32)
        wrong = rng.random(references.shape) > right
        return references, np.where(wrong, 1 - references, references).astype(np.int64)
    references = rng.integers(0, schema.n_labels, n_texts)
    other = (references + rng.integers(1, schema.n_labels, n_texts)) % schema.n_labels
    return references, np.where(rng.random(n_texts) < right, references, other)


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        (THREE, ["accuracy", "macro_f1", "micro_f1", "weighted_f1"]),
        (TAGS, ["macro_f1", "micro_f1", "subset_accuracy", "weighted_f1"]),
    ],
)
def test_a_task_has_the_scores_that_fit_it(schema, names):
    references, predictions = guesses(schema, 200, right=0.8)
    evaluation = score(schema, references, predictions)
    assert list(evaluation.scores) == list(evaluation.intervals) == names
    for name in names:
        low, high = evaluation.intervals[name]
        assert evaluation.scores[name] == metric_value(name, schema, references, predictions)
        assert 0 <= low < evaluation.scores[name] < high <= 1


@given(
    st.integers(2, 5),
    st.integers(1, 40),
    st.integers(0, 2**31),
    st.sampled_from(["multiclass", "multilabel"]),
)
@settings(deadline=None, max_examples=50)
def test_intervals_stay_in_0_to_1_and_the_same_seed_gives_the_same(n_labels, n_texts, seed, task):
    schema = LabelSchema(tuple(map(str, range(n_labels))), task)
    references, predictions = guesses(schema, n_texts, right=0.6, seed=seed)
    evaluation = score(schema, references, predictions, resamples=50, seed=seed)
    assert evaluation == score(schema, references, predictions, resamples=50, seed=seed)
    assert all(0 <= low <= high <= 1 for low, high in evaluation.intervals.values())
    assert json.loads(json.dumps(evaluation.to_json())) == evaluation.to_json()


@pytest.mark.parametrize("schema", [THREE, TAGS])
def test_the_interval_is_that_of_resampling_the_texts_one_by_one(schema):
    references, predictions = guesses(schema, 150, right=0.75)
    rng = np.random.default_rng(1)
    metric = METRICS.get("macro_f1")
    values = []
    for _ in range(1500):
        drawn = rng.integers(0, 150, 150)
        values.append(metric(references[drawn], predictions[drawn], schema.n_labels))
    (row,) = scores_of(schema, references, predictions, ["macro_f1"], resamples=4000)
    np.testing.assert_allclose([row.low, row.high], np.quantile(values, [0.025, 0.975]), atol=0.012)


def test_the_interval_of_an_accuracy_is_close_to_the_normal_approximation():
    references, predictions = guesses(THREE, 1000, right=0.8)
    evaluation = score(THREE, references, predictions, resamples=4000)
    share = evaluation.scores["accuracy"]
    half = 1.96 * (share * (1 - share) / 1000) ** 0.5
    np.testing.assert_allclose(evaluation.intervals["accuracy"], [share - half, share + half], atol=0.004)


def test_a_thousand_resamples_are_quick():
    ten = LabelSchema(tuple("0123456789"), "multiclass")
    tags = LabelSchema(tuple("0123456789"), "multilabel")
    for schema, limit in ((ten, 5.0), (tags, 10.0)):
        references, predictions = guesses(schema, 2000, right=0.8)
        started = time.monotonic()
        score(schema, references, predictions, resamples=1000)
        assert time.monotonic() - started < limit


def test_many_labels_take_no_dense_matrix():
    import tracemalloc

    schema = LabelSchema(tuple(map(str, range(5000))), "multiclass")
    references, predictions = guesses(schema, 20_000, right=0.8)
    tracemalloc.start()
    evaluation = score(schema, references, predictions, resamples=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # a dense confusion matrix alone is 200 MB
    assert sum(n for _, _, n in evaluation.confusion) == 20_000
    assert len(evaluation.tables()) == 2


def test_the_parts_of_an_evaluation_add_up():
    references, predictions = guesses(THREE, 300, right=0.7)
    evaluation = score(THREE, references, predictions, n_truncated=2, n_empty=1)
    matrix = evaluation.confusion_matrix()
    assert matrix.sum() == evaluation.n_texts == 300
    assert [one.name for one in evaluation.per_label] == list(THREE.names)
    assert [one.support for one in evaluation.per_label] == matrix.sum(axis=1).tolist()
    assert [one.predicted for one in evaluation.per_label] == matrix.sum(axis=0).tolist()
    assert [one.correct for one in evaluation.per_label] == matrix.diagonal().tolist()
    assert evaluation.scores["accuracy"] == matrix.trace() / 300
    written = evaluation.to_json()
    assert written["schema_version"] == 1
    assert (written["n_truncated"], written["n_empty"], written["n_unknown"]) == (2, 1, 0)
    assert written["scores"]["accuracy"] == pytest.approx(matrix.trace() / 300, abs=1e-6)
    assert len(evaluation.remarks()) == 2


def test_a_perfect_guess_has_a_sharp_interval():
    references, _ = guesses(THREE, 30, right=1)
    assert set(score(THREE, references, references).intervals.values()) == {(1.0, 1.0)}


@pytest.mark.parametrize("language", messages.LANGUAGES)
@pytest.mark.parametrize("schema", [THREE, TAGS])
def test_tables_are_rectangles_of_strings_in_both_languages(schema, language):
    messages.use_language(language)
    references, predictions = guesses(schema, 50, right=0.7)
    evaluation = score(schema, references, predictions)
    assert len(evaluation.tables()) == (2 if schema.is_multilabel else 3)
    for table in evaluation.tables():
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert all(isinstance(cell, str) for row in (table.columns, *table.rows) for cell in row)
    assert [row.metric for row in evaluation.table()] == list(evaluation.scores)
    assert all(row.title != row.metric or row.metric == "accuracy" for row in evaluation.table())


def test_texts_with_labels_that_the_model_does_not_know_are_set_aside_and_counted():
    rows = [("良い",), ("最高",), ("悪い",), ("最高",), ("最低",)]
    known = known_references(THREE, rows)
    assert known.references.tolist() == [2, 0]
    assert known.kept.tolist() == [True, False, True, False, False]
    assert known.unknown_labels == {"最高": 2, "最低": 1}
    evaluation = score(THREE, known.references, [2, 1], unknown=known)
    assert (evaluation.n_texts, evaluation.n_unknown) == (2, 3)
    assert evaluation.to_json()["unknown_labels"] == {"最高": 2, "最低": 1}
    (remark,) = evaluation.remarks()
    assert "最高 (2)" in remark


def test_a_text_with_one_unknown_tag_is_set_aside_whole():
    known = known_references(TAGS, [("味", "駅"), (), ("価格", "接客")])
    assert known.references.tolist() == [[0, 0, 0], [1, 0, 1]]
    assert known.n_unknown == 1


def test_data_with_no_known_label_at_all_are_refused():
    with pytest.raises(DataError, match="最高") as caught:
        known_references(THREE, [("最高",), ("最低",)])
    assert caught.value.code == "JPT-D061"


@pytest.mark.parametrize("schema", [THREE, TAGS])
def test_scoring_no_texts_is_refused(schema):
    nothing = schema.encode([])
    with pytest.raises(DataError) as caught:
        score(schema, nothing, nothing)
    assert caught.value.code == "JPT-D060"


def test_no_resamples_are_refused():
    with pytest.raises(ConfigError) as caught:
        score(THREE, [0, 1], [0, 1], resamples=0)
    assert caught.value.code == "JPT-U083"


def test_a_table_cannot_be_a_score():
    references, predictions = guesses(THREE, 20, right=0.8)
    for ask in (
        lambda: metric_value("confusion_matrix", THREE, references, predictions),
        lambda: scores_of(THREE, references, predictions, ["f1_per_label"]),
        lambda: paired_difference(THREE, references, predictions, predictions, "recall_per_label"),
    ):
        with pytest.raises(ConfigError, match="macro_f1") as caught:
            ask()
        assert caught.value.code == "JPT-U084"


@pytest.mark.parametrize("schema", [THREE, TAGS])
@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_a_difference_changes_its_sign_with_the_sides(schema, metric):
    references, good = guesses(schema, 400, right=0.85)
    _, bad = guesses(schema, 400, right=0.6)
    forward = paired_difference(schema, references, good, bad, metric)
    backward = paired_difference(schema, references, bad, good, metric)
    assert forward.difference == pytest.approx(-backward.difference)
    assert forward.low > 0 > backward.high
    expected = metric_value(metric, schema, references, good) - metric_value(metric, schema, references, bad)
    assert forward.difference == pytest.approx(expected)
    assert forward.low < forward.difference < forward.high
    assert forward.to_json()["n_texts"] == 400


def test_a_system_does_not_differ_from_itself():
    references, predictions = guesses(THREE, 100, right=0.7)
    same = paired_difference(THREE, references, predictions, predictions)
    assert (same.difference, same.low, same.high) == (0, 0, 0)


def test_pairing_sees_what_two_separate_intervals_do_not():
    references, b = guesses(THREE, 600, right=0.7)
    a = b.copy()
    wrong = np.flatnonzero(a != references)[:20]
    a[wrong] = references[wrong]
    rows = [scores_of(THREE, references, one, ["accuracy"])[0] for one in (a, b)]
    assert rows[0].low < rows[1].high
    assert paired_difference(THREE, references, a, b).low > 0


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_an_evaluation_survives_json(task):
    schema = LabelSchema(("甲", "乙", "丙"), task)
    shape = (40, 3) if task == "multilabel" else 40
    generator = np.random.default_rng(0)
    references, predictions = (generator.integers(0, 2, shape) for _ in range(2))
    found = score(schema, references, predictions, resamples=50)
    again = Evaluation.from_json(json.loads(json.dumps(found.to_json())))
    assert again.to_json() == found.to_json()
    assert again.tables() == found.tables()


def test_the_interval_of_a_label_holds_its_f1_and_narrows_with_more_texts():
    schema = LabelSchema(("甲", "乙"), "binary")
    widths = []
    for n in (100, 10_000):
        references = np.arange(n) % 2
        predictions = np.where(np.arange(n) % 10 == 0, 1 - references, references)
        found = score(schema, references, predictions, resamples=50)
        intervals = label_intervals(schema, references, predictions, resamples=300)
        assert all(low <= one.f1 <= high for one, (low, high) in zip(found.per_label, intervals, strict=True))
        widths.append(intervals[0][1] - intervals[0][0])
    assert widths[1] < widths[0] / 5
