"""Rules keep their promises on texts that they were not tuned on, and what they lead to adds up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf.decisions.answers import FILE, Answers, read_answers, write_answers
from jptextclf.decisions.costs import read_costs
from jptextclf.decisions.rule import Rule, confidence
from jptextclf.decisions.tuning import (
    Tuned,
    for_accuracy,
    for_costs,
    for_f1,
    for_precision,
    for_workload,
    lowest_cut,
    outcome,
    workloads,
)
from jptextclf.errors import ConfigError, SetupError
from jptextclf.labels import LabelSchema

TWO = LabelSchema(("bad", "good"), "binary")
THREE = LabelSchema(("a", "b", "c"), "multiclass")
TAGS = LabelSchema(("x", "y"), "multilabel")
HALF = np.full(3, 0.5, dtype=np.float32)


def drawn(schema, n, seed, sharpness=2.0):
    """Texts of a model that is calibrated: labels are drawn from its own probabilities."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, sharpness, (n, schema.n_labels))
    if schema.is_multilabel:
        probabilities = 1 / (1 + np.exp(-(logits - 1)))
        references = (generator.random(probabilities.shape) < probabilities).astype(np.int64)
    else:
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        references = np.array([generator.choice(schema.n_labels, p=row) for row in probabilities])
    return Answers(schema, probabilities.astype(np.float32), references)


def test_a_cut_by_hand():
    values = np.array([0.9, 0.8, 0.7, 0.6], dtype=np.float32)
    # Two of two: the lower end of the one-sided 95 % interval is sqrt(0.05) = 0.2236.
    assert lowest_cut(values[:2], np.array([1, 1]), 0.22) == 0.0
    assert lowest_cut(values, np.array([1, 1, 0, 0]), 0.22) == pytest.approx(0.75)
    assert lowest_cut(values, np.array([1, 1, 0, 0]), 0.23) is None
    assert lowest_cut(values[:0], np.array([], dtype=np.int64), 0.1) is None
    # 0.05 ** (1 / 29) = 0.9019, so 29 right ones of 29 are the fewest for 0.9.
    many = np.linspace(0.9, 0.5, 29).astype(np.float32)
    assert lowest_cut(many, np.ones(29, dtype=np.int64), 0.9) == 0.0
    assert lowest_cut(many[:28], np.ones(28, dtype=np.int64), 0.9) is None


def test_equal_values_are_never_cut_apart():
    values = np.array([0.9] * 30 + [0.5] * 30, dtype=np.float32)
    right = np.array([1] * 30 + [1, 0] * 15)
    assert lowest_cut(values, right, 0.9) == pytest.approx(0.7)
    assert lowest_cut(np.full(60, 0.9, np.float32), right, 0.9) is None


@pytest.mark.parametrize("schema", [TWO, THREE, TAGS], ids=lambda one: one.task)
@pytest.mark.parametrize("least", [0.8, 0.9])
def test_precision_is_kept_on_other_texts(schema, least):
    broken = reached = 0
    for seed in range(40):
        tuned = for_precision(drawn(schema, 600, seed), least)
        fresh = drawn(schema, 20_000, 1000 + seed)
        thresholds = np.array(tuned.thresholds, dtype=np.float32)
        given = tuned.rule.label_ids(schema, fresh.probabilities, thresholds)
        asked = tuned.rule.for_review(schema, fresh.probabilities, thresholds)
        for label in range(schema.n_labels):
            some = (given[:, label] == 1) if schema.is_multilabel else (given == label) & ~asked
            if some.sum() < 50:
                continue
            truth = fresh.references[:, label] if schema.is_multilabel else fresh.references == label
            broken += truth[some].mean() < least
            reached += 1
    # Each cut is good with 95 % confidence; choosing among many takes some of it.
    assert reached >= 20
    assert broken <= 0.1 * 40 * schema.n_labels


def test_accuracy_is_kept_on_other_texts():
    for schema in (TWO, TAGS):
        lefts = []
        for seed in range(40):
            tuned = for_accuracy(drawn(schema, 600, seed, sharpness=4.0), 0.9)
            lefts.append(outcome(drawn(schema, 20_000, 1000 + seed, sharpness=4.0), tuned).accuracy_left)
        assert None not in lefts
        assert np.mean([one >= 0.9 for one in lefts]) >= 0.85, schema.task


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1), schema=st.sampled_from([TWO, THREE, TAGS]))
def test_a_workload_is_never_exceeded(seed, share, schema):
    answers = drawn(schema, 97, seed)
    found = outcome(answers, for_workload(answers, share))
    assert found.n_review <= share * 97 + 1e-6
    assert found.n_review >= int(share * 97 + 1e-9) - 1
    assert found.n_errors_left <= found.n_errors


def test_the_least_sure_are_for_a_person():
    answers = drawn(THREE, 500, 0)
    tuned = for_workload(answers, 0.2)
    asked = tuned.rule.for_review(THREE, answers.probabilities, HALF)
    sure = confidence(THREE, Rule(), answers.probabilities, HALF)
    assert sure[asked].max() < sure[~asked].min()
    table = workloads(answers)
    assert [one.accuracy_left for one in table] == sorted(one.accuracy_left for one in table)
    assert table[0].n_review == 0
    for schema in (TWO, TAGS):
        answers = drawn(schema, 333, 5)
        shares = (0.0, 0.1, 0.33, 0.9, 1.0)
        assert workloads(answers, shares) == [outcome(answers, for_workload(answers, one)) for one in shares]


def test_costs_turn_labels_by_hand():
    # bad given for good costs 1, good given for bad costs 5: good only from 5/6 on.
    answers = Answers(TWO, np.array([[0.2, 0.8], [0.1, 0.9]], dtype=np.float32), np.array([1, 1]))
    tuned = for_costs(answers, ((0, 5), (1, 0)))
    assert tuned.rule.label_ids(TWO, answers.probabilities, HALF).tolist() == [0, 1]
    assert outcome(answers, tuned).cost == pytest.approx(0.5)
    # The answers are expected to cost 0.8 and 0.5: a look at 0.6 is cheaper than the first one only.
    tuned = for_costs(answers, ((0, 5), (1, 0)), review_cost=0.6)
    assert tuned.rule.for_review(TWO, answers.probabilities, HALF).tolist() == [True, False]
    assert outcome(answers, tuned).cost == pytest.approx(0.3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), missed=st.floats(0.1, 9), wrong=st.floats(0.1, 9))
def test_no_threshold_is_cheaper_than_the_one_for_costs(seed, missed, wrong):
    answers = drawn(TAGS, 60, seed)
    tuned = for_costs(answers, ((missed, wrong),) * 2)
    best = outcome(answers, tuned).cost
    for label in range(2):
        for cut in (*answers.probabilities[:, label].tolist(), 1.01):
            thresholds = list(tuned.thresholds)
            thresholds[label] = cut
            other = Tuned(tuple(thresholds), tuned.rule)
            assert best <= outcome(answers, other).cost + 1e-9


def test_where_costs_are_for_a_person():
    answers = drawn(TAGS, 2000, 3)
    tuned = for_costs(answers, ((4, 1),) * 2, review_cost=0.5)
    assert tuned.rule.review[0] == pytest.approx((0.125, 0.5))
    values = answers.probabilities
    expected = ((values >= 0.125) & (values < 0.5)).any(axis=1)
    assert (tuned.rule.for_review(TAGS, values, np.array(tuned.thresholds)) == expected).all()
    # Looking nowhere pays where a look costs as much as any mistake.
    assert not for_costs(answers, ((1, 1),) * 2, review_cost=1).rule.for_review(TAGS, values, HALF[:2]).any()


def test_what_cannot_be_promised_is_for_a_person():
    few = Answers(TWO, np.array([[0.4, 0.6], [0.9, 0.1]], dtype=np.float32), np.array([1, 0]))
    tuned = for_precision(few, 0.95)
    assert tuned.unreached == ("bad", "good")
    assert outcome(few, tuned).n_review == 2
    assert outcome(few, tuned).accuracy_left is None
    assert for_accuracy(few, 0.95).unreached == ("bad", "good")


def test_the_default_asks_nobody():
    answers = drawn(THREE, 50, 1)
    tuned = for_f1(answers)
    assert not tuned.rule.asks
    assert outcome(answers, tuned).n_review == 0
    assert (
        tuned.rule.label_ids(THREE, answers.probabilities, HALF) == answers.probabilities.argmax(axis=1)
    ).all()
    assert len(Rule().for_review(THREE, answers.probabilities[:0], HALF)) == 0


@pytest.mark.parametrize("schema", [TWO, THREE, TAGS], ids=lambda one: one.task)
def test_a_rule_is_what_its_json_says(schema):
    answers = drawn(schema, 200, 2)
    n_columns = 2 if schema.is_multilabel else schema.n_labels
    for tuned in (
        for_f1(answers),
        for_precision(answers, 0.7),
        for_costs(answers, np.ones((schema.n_labels, n_columns)), 0.2),
    ):
        assert Rule.from_json(tuned.rule.to_json(), schema=schema) == tuned.rule
    assert Rule.from_json(None, schema=schema) == Rule()
    for broken in ({"costs": [[1]]}, {"review": [[0, float("nan")]] * schema.n_labels}, {"review_cost": "x"}):
        with pytest.raises((ValueError, TypeError, KeyError)):
            Rule.from_json({**Rule().to_json(), **broken}, schema=schema)


def test_costs_as_a_person_writes_them(tmp_path):
    assert read_costs({"bad": {"good": 5}}, TWO) == ((0, 5), (1, 0))
    assert read_costs({"x": {"missed": 3}}, TAGS) == ((3, 1), (1, 1))
    file = tmp_path / "costs.csv"
    file.write_text("reference,bad,good\nbad,0,5\ngood,,0\n", encoding="utf-8")
    assert read_costs(file, TWO) == ((0, 5), (1, 0))
    with pytest.raises(ConfigError, match="JPT-U204"):
        read_costs({"bed": {}}, TWO)
    with pytest.raises(ConfigError, match="JPT-U204"):
        read_costs({"bad": {"god": 1}}, TWO)
    for value in ("much", -1, float("inf"), None):
        with pytest.raises(ConfigError, match="JPT-U205"):
            read_costs({"bad": {"good": value}}, TWO)


def test_answers_are_kept_without_their_texts(tmp_path):
    found = {"validation": drawn(TAGS, 30, 0), "test": drawn(TAGS, 20, 1)}
    write_answers(found, tmp_path)
    again = read_answers(tmp_path, TAGS)
    assert set(again) == set(found)
    for name, one in found.items():
        assert (again[name].probabilities == one.probabilities).all()
        assert (again[name].references == one.references).all()
    with pytest.raises(SetupError, match="JPT-E062"):
        read_answers(tmp_path, THREE)
    (tmp_path / FILE).write_bytes(b"damaged")
    with pytest.raises(SetupError, match="JPT-E062"):
        read_answers(tmp_path, TAGS)
    assert read_answers(tmp_path / "none", TAGS) == {}
