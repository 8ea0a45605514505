"""Tests of a difference: figures checked by hand and against scipy, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from jptextclf import significance
from jptextclf.significance import (
    McNemar,
    bootstrap_p_value,
    detectable,
    holm,
    mcnemar,
    right_altogether,
    texts_needed,
)


def split(only_a, only_b, both=5, neither=2):
    a = [True] * only_a + [False] * only_b + [True] * both + [False] * neither
    b = [False] * only_a + [True] * only_b + [True] * both + [False] * neither
    return mcnemar(a, b)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p_value"),
    # 2 * (1 + 10) / 2^10; 2 * 1 / 2^5; nothing differs.
    [(1, 9, 22 / 1024), (5, 0, 2 / 32), (0, 0, 1.0), (3, 3, 1.0)],
)
def test_by_hand(only_a, only_b, p_value):
    found = split(only_a, only_b)
    assert found.p_value == pytest.approx(p_value)
    assert (found.only_a, found.only_b, found.both, found.neither) == (only_a, only_b, 5, 2)
    assert found.n_texts == only_a + only_b + 7


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_exact_value_is_that_of_scipy_and_symmetric(only_a, only_b):
    found = split(only_a, only_b)
    if only_a + only_b:
        assert found.p_value == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, rel=1e-6)
    assert found.p_value == split(only_b, only_a).p_value
    assert McNemar.from_json(found.to_json()) == found


def test_the_approximation_takes_over_without_a_jump(monkeypatch):
    exact = split(1100, 1230).p_value
    monkeypatch.setattr(significance, "_EXACT", 10)
    assert split(1100, 1230).p_value == pytest.approx(exact, rel=0.01)


def test_two_forms_of_being_right():
    assert right_altogether([0, 1, 1], [0, 0, 1]).tolist() == [True, False, True]
    assert right_altogether([[0, 1], [1, 1]], [[0, 1], [1, 0]]).tolist() == [True, False]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="one shape"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_makes_a_finding_surer(p_values):
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    assert np.argsort(adjusted, kind="stable").tolist() == np.argsort(
        p_values, kind="stable"
    ).tolist() or len(set(adjusted)) < len(adjusted)


def test_the_p_value_of_resamples_by_hand():
    assert bootstrap_p_value([0.1] * 999) == pytest.approx(2 / 1000)
    assert bootstrap_p_value([-0.1] * 4 + [0.1] * 95) == pytest.approx(2 * 5 / 100)
    assert bootstrap_p_value([0.0] * 99) == 1.0


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_the_p_value_of_resamples_has_no_side(differences):
    assert bootstrap_p_value(differences) == bootstrap_p_value([-one for one in differences])


def test_how_many_texts_a_difference_needs():
    # (1.959964 + 0.841621)^2 = 7.84888; twice the standard error needs 7.84888 / 4 of the texts.
    assert texts_needed(0.02, 0.01, 1000) == 1963
    assert texts_needed(-0.02, 0.01, 1000) == 1963
    assert texts_needed(0.0, 0.01, 1000) is None
    assert detectable(0.01) == pytest.approx(0.0280159, rel=1e-5)
    assert texts_needed(detectable(0.01), 0.01, 1000) in {1000, 1001}
    assert texts_needed(0.02, 0.01, 1000, tests=3) > 1963
