"""Calibration: figures checked by hand, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jptextclf.calibration import (
    N_BINS,
    Reliability,
    fit_temperatures,
    reliability_of_labels,
    reliability_of_sets,
    rescaled,
)


def test_by_hand():
    # Two answers at 0.9, one right; two at 0.6, both right: (2 * 0.4 + 2 * 0.4) / 4.
    probabilities = [[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6]]
    found = reliability_of_labels(probabilities, [0, 0, 0, 1])
    assert found.ece == pytest.approx(0.4)
    # Brier: 2 * 0.01, 2 * 0.81, 2 * 0.16, 2 * 0.16, over four.
    assert found.brier == pytest.approx((0.02 + 1.62 + 0.32 + 0.32) / 4)
    assert [(one.n, one.accuracy) for one in found.bins] == [(2, 1.0), (2, 0.5)]
    assert (found.confidence, found.accuracy) == (pytest.approx(0.75), 0.75)


def test_every_label_of_a_multilabel_task_is_an_answer():
    found = reliability_of_sets([[1.0, 0.0], [1.0, 0.0]], [[1, 0], [1, 0]])
    assert (found.ece, found.brier, found.n) == (0.0, 0.0, 4)


def test_no_answers():
    assert reliability_of_labels(np.zeros((0, 3)), []).n == 0
    assert reliability_of_sets(np.zeros((0, 3)), np.zeros((0, 3))).ece == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_laws(answers):
    values = np.array([[value] for value, _ in answers])
    truth = np.array([[right] for _, right in answers])
    found = reliability_of_sets(values, truth)
    assert 0 <= found.ece <= 1
    assert sum(one.n for one in found.bins) == len(answers)
    assert all(one.low - 1e-9 <= one.confidence <= one.high + 1e-9 for one in found.bins)
    assert len(found.bins) <= N_BINS
    assert Reliability.from_json(found.to_json()).to_json() == found.to_json()


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_a_model_that_is_too_sure_is_cooled_down_by_as_much(factor):
    generator = np.random.default_rng(0)
    honest = generator.normal(size=(4000, 3)) * 2
    labels = np.array([generator.choice(3, p=row) for row in softmax(honest)])
    (found,) = fit_temperatures(softmax(honest * factor), labels, is_multilabel=False)
    assert found == pytest.approx(factor, rel=0.06)
    cooled = rescaled(softmax(honest * factor), [found], is_multilabel=False)
    before = reliability_of_labels(softmax(honest * factor), labels).ece
    assert reliability_of_labels(cooled, labels).ece <= before + 0.005
    assert (cooled.argmax(axis=1) == honest.argmax(axis=1)).all()


def test_every_label_of_a_multilabel_task_has_a_temperature_of_its_own():
    generator = np.random.default_rng(1)
    honest = generator.normal(size=(6000, 2)) * 1.5
    labels = (generator.random((6000, 2)) < 1 / (1 + np.exp(-honest))).astype(int)
    shown = 1 / (1 + np.exp(-honest * [3.0, 0.6]))
    found = fit_temperatures(shown, labels, is_multilabel=True)
    assert found == pytest.approx([3.0, 0.6], rel=0.08)
    assert rescaled(shown, found, is_multilabel=True) == pytest.approx(1 / (1 + np.exp(-honest)), abs=0.05)


def test_a_handful_of_right_answers_makes_nobody_sure_of_everything():
    shown = [[0.7, 0.3]] * 4
    (found,) = fit_temperatures(shown, [0] * 4, is_multilabel=False)
    assert 0.6 < found < 1
    assert fit_temperatures(np.zeros((0, 2)), [], is_multilabel=False) == pytest.approx([1.0], abs=1e-3)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20), st.floats(0.5, 5))
def test_a_temperature_can_be_taken_back(values, temperature):
    shown = np.clip(np.array([[value, 1 - value] for value in values]), 1e-3, 1 - 1e-3)
    for is_multilabel in (True, False):
        there = rescaled(shown, [temperature], is_multilabel=is_multilabel)
        assert rescaled(there, [1 / temperature], is_multilabel=is_multilabel) == pytest.approx(
            shown, abs=2e-3
        )
