"""Metrics are scikit-learn's numbers, stay in their range, and have an offline face for the evaluate library."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from jptextclf.errors import ConfigError, DataError
from jptextclf.metrics import (
    METRICS,
    Metric,
    Tally,
    as_evaluate,
    count,
    distinct_rows,
    f1,
    precision,
    recall,
)
from jptextclf.metrics.confusion_matrix import confusion_matrix

NAMES = METRICS.names()
SCALARS = [name for name in NAMES if isinstance(METRICS.get(name), Metric)]
TABLES = ["confusion_matrix", "f1_per_label", "precision_per_label", "recall_per_label"]


@st.composite
def single(draw):
    """References, predictions and the number of labels, of which some may not occur."""
    n_labels = draw(st.integers(2, 6))
    n_texts = draw(st.integers(1, 30))
    ids = st.lists(st.integers(0, n_labels - 1), min_size=n_texts, max_size=n_texts)
    return np.array(draw(ids)), np.array(draw(ids)), n_labels


@st.composite
def multi(draw):
    n_labels = draw(st.integers(2, 10))
    n_texts = draw(st.integers(1, 20))
    size = n_labels * n_texts
    bits = st.lists(st.integers(0, 1), min_size=size, max_size=size)
    references, predictions = (np.array(draw(bits)).reshape(n_texts, n_labels) for _ in range(2))
    return references, predictions, n_labels


either = st.one_of(single(), multi())


def occurring(references, predictions, n_labels):
    if references.ndim == 1:
        return np.union1d(references, predictions)
    return np.flatnonzero((references | predictions).any(axis=0))


@given(either)
def test_accuracies_are_sklearns(data):
    references, predictions, n_labels = data
    expected = sklearn_metrics.accuracy_score(references, predictions)
    assert METRICS.get("accuracy")(references, predictions, n_labels) == pytest.approx(expected)
    assert METRICS.get("subset_accuracy")(references, predictions, n_labels) == pytest.approx(expected)


@given(either, st.sampled_from(["macro", "micro", "weighted"]))
def test_f1_averages_are_sklearns_over_the_labels_that_occur(data, average):
    references, predictions, n_labels = data
    labels = occurring(*data)
    ours = METRICS.get(f"{average}_f1")(references, predictions, n_labels)
    if not len(labels):
        assert ours == 0.0
        return
    expected = sklearn_metrics.f1_score(
        references, predictions, labels=labels, average=average, zero_division=0
    )
    assert ours == pytest.approx(expected)


@given(single(), st.sampled_from(["macro", "micro", "weighted"]))
def test_for_ids_that_is_sklearns_default(data, average):
    references, predictions, n_labels = data
    expected = sklearn_metrics.f1_score(references, predictions, average=average, zero_division=0)
    assert METRICS.get(f"{average}_f1")(references, predictions, n_labels) == pytest.approx(expected)


@given(either)
def test_the_table_of_labels_is_sklearns(data):
    references, predictions, n_labels = data
    counts = count(references, predictions, n_labels)
    expected = sklearn_metrics.precision_recall_fscore_support(
        references, predictions, labels=range(n_labels), average=None, zero_division=0
    )
    ours = (precision(counts), recall(counts), f1(counts), counts.references)
    np.testing.assert_allclose(np.array(ours), np.array(expected))


@given(single())
def test_the_confusion_matrix_is_sklearns(data):
    references, predictions, n_labels = data
    expected = sklearn_metrics.confusion_matrix(references, predictions, labels=range(n_labels))
    np.testing.assert_array_equal(confusion_matrix(references, predictions, n_labels), expected)


@given(multi())
def test_the_confusion_matrices_of_many_labels_are_sklearns(data):
    references, predictions, n_labels = data
    ours = confusion_matrix(references, predictions, n_labels)
    assert ours.shape == (n_labels, 2, 2)
    np.testing.assert_array_equal(ours, sklearn_metrics.multilabel_confusion_matrix(references, predictions))


@given(either, st.sampled_from(["precision", "recall", "f1"]))
def test_the_metrics_of_each_label_are_sklearns(data, name):
    references, predictions, n_labels = data
    expected = getattr(sklearn_metrics, f"{name}_score")(
        references, predictions, labels=range(n_labels), average=None, zero_division=0
    )
    ours = METRICS.get(f"{name}_per_label")(references, predictions, n_labels)
    np.testing.assert_allclose(ours, expected)


def test_a_metric_is_one_number_or_a_table():
    assert sorted([*SCALARS, *TABLES]) == NAMES


def test_a_matrix_of_one_label_is_about_that_label():
    # scikit-learn would take the column for ids.
    references, predictions = np.array([[1], [1], [0], [0]]), np.array([[1], [0], [0], [1]])
    assert METRICS.get("macro_f1")(references, predictions, 1) == 0.5
    np.testing.assert_array_equal(confusion_matrix(references, predictions, 1), [[[1, 1], [1, 1]]])


@given(either, st.sampled_from(SCALARS))
def test_every_scalar_metric_stays_in_its_range_and_is_1_for_a_perfect_guess(data, name):
    references, predictions, n_labels = data
    metric = METRICS.get(name)
    if metric.needs_order:
        # Labels of a scale have metrics of their own kind: see test_ordinal.py.
        assert -1.0 <= metric(references, predictions, n_labels) <= n_labels - 1
        return
    assert 0.0 <= metric(references, predictions, n_labels) <= 1.0
    if references.ndim == 1 or references.any():
        assert metric(references, references, n_labels) == 1.0


@given(either, st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_the_order_of_the_texts_does_not_matter(data, name, random):
    references, predictions, n_labels = data
    order = list(range(len(references)))
    random.shuffle(order)
    metric = METRICS.get(name)
    np.testing.assert_array_equal(
        metric(references[order], predictions[order], n_labels), metric(references, predictions, n_labels)
    )


@given(either, st.data())
def test_a_weight_counts_as_so_many_copies_of_the_text(data, draw):
    references, predictions, n_labels = data
    rows = st.lists(st.integers(0, 3), min_size=len(references), max_size=len(references))
    weights = np.array(draw.draw(st.lists(rows, min_size=1, max_size=3)))
    together = Tally(references, predictions, n_labels).counts(weights)
    for number, weight in enumerate(weights):
        if not weight.any():
            continue
        alone = count(references.repeat(weight, axis=0), predictions.repeat(weight, axis=0), n_labels)
        for field in ("correct", "references", "predictions", "exact", "n_texts"):
            np.testing.assert_array_equal(getattr(together, field)[number], getattr(alone, field))


@given(either)
def test_distinct_rows_give_back_the_rows(data):
    values = data[0]
    first, which, counts = distinct_rows(values)
    np.testing.assert_array_equal(values[first][which], values)
    np.testing.assert_array_equal(np.bincount(which), counts)
    assert len(first) == len(np.unique(values, axis=0))


def test_booleans_and_whole_floats_are_taken():
    assert METRICS.get("macro_f1")(np.array([[True, False]]), np.array([[1.0, 0.0]], np.float32), 2) == 1.0
    assert METRICS.get("accuracy")([0.0, 1.0], [0, 1], 2) == 1.0


@pytest.mark.parametrize(
    ("references", "predictions", "code"),
    [
        ([0, 1], [0], "JPT-U080"),
        ([[0, 1]], [0], "JPT-U080"),
        ([[0, 1, 1]], [[0, 1, 1]], "JPT-U080"),
        (0, 0, "JPT-U080"),
        ([0, 2], [0, 1], "JPT-U081"),
        ([0, 1], [0, -1], "JPT-U081"),
        ([0, 0.5], [0, 1], "JPT-U081"),
        ([0, float("nan")], [0, 1], "JPT-U081"),
        (["良い"], ["良い"], "JPT-U081"),
        ([[0, 2]], [[0, 1]], "JPT-U082"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(references, predictions, code):
    with pytest.raises(ConfigError) as caught:
        METRICS.get("accuracy")(references, predictions, 2)
    assert caught.value.code == code
    assert str(caught.value)


@pytest.mark.parametrize("empty", [np.zeros(0, int), np.zeros((0, 2), int)])
def test_no_texts_are_refused(empty):
    with pytest.raises(DataError) as caught:
        METRICS.get("accuracy")(empty, empty, 2)
    assert caught.value.code == "JPT-D060"


def test_an_unknown_metric_is_refused_with_the_closest_name():
    with pytest.raises(ConfigError, match="macro_f1"):
        METRICS.get("makro_f1")


@pytest.mark.parametrize("name", NAMES)
def test_the_evaluate_face_computes_what_the_function_does(name):
    rng = np.random.default_rng(0)
    references, predictions = rng.integers(0, 2, (2, 40, 4))
    face = as_evaluate(name)
    expected = np.asarray(METRICS.get(name)(references, predictions, 4)).tolist()
    assert face.name == name
    assert face.description
    assert face.compute(references=references, predictions=predictions) == {name: expected}
    face.add_batch(references=references[:30], predictions=predictions[:30])
    for reference, prediction in zip(references[30:], predictions[30:], strict=True):
        face.add(reference=reference, prediction=prediction)
    assert face.compute() == {name: expected}
    ids = references.argmax(axis=1), predictions.argmax(axis=1)
    expected = np.asarray(METRICS.get(name)(*ids, 4)).tolist()
    assert face.compute(references=ids[0], predictions=list(ids[1])) == {name: expected}


def test_the_evaluate_face_of_a_table_is_sklearns_and_can_be_told_the_number_of_labels():
    references, predictions = [0, 1, 2, 1], [0, 1, 1, 1]
    face = as_evaluate("confusion_matrix")
    expected = sklearn_metrics.confusion_matrix(references, predictions).tolist()
    assert face.compute(references=references, predictions=predictions) == {"confusion_matrix": expected}
    recalls = as_evaluate("recall_per_label").compute(
        references=references, predictions=predictions, n_labels=4
    )
    assert recalls == {"recall_per_label": [1.0, 1.0, 0.0, 0.0]}


def test_the_evaluate_faces_combine():
    import evaluate

    combined = evaluate.combine([as_evaluate("accuracy"), as_evaluate("macro_f1")])
    for reference, prediction in [(0, 0), (1, 1), (2, 1)]:
        combined.add(reference, prediction)
    assert combined.compute() == pytest.approx({"accuracy": 2 / 3, "macro_f1": 5 / 9})


def test_the_face_needs_no_network_and_no_home_and_importing_the_metrics_is_light(tmp_path):
    code = """
import sys
import jptextclf.metrics
heavy = {"evaluate", "datasets", "torch", "sklearn", "pyarrow"} & set(sys.modules)
assert not heavy, heavy
print(jptextclf.metrics.as_evaluate("accuracy").compute(references=[0, 1], predictions=[0, 0]))
"""
    blocked = tmp_path / "a file"
    blocked.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    environment |= {"HOME": str(blocked / "home"), "HF_HUB_OFFLINE": "1", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'accuracy': 0.5}"
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]
