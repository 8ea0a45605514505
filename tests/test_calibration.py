"""Calibration: figures checked by hand, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jptextclf.calibration import N_BINS, Reliability, reliability_of_labels, reliability_of_sets


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
