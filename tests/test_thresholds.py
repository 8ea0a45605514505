"""The threshold of each label is the one with the best F1, found exactly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from jptextclf.decisions.thresholds import best_thresholds

scores = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=20)


@given(scores)
def test_no_cut_between_two_scores_is_better(rows):
    values = np.array([[score] for score, _ in rows], dtype=np.float32)
    references = np.array([[right] for _, right in rows], dtype=np.float32)
    chosen = best_thresholds(values, references)
    found = f1_score(references[:, 0], values[:, 0] >= chosen[0], zero_division=0)
    distinct = np.unique(values)
    cuts = [*distinct, distinct[-1] + 1]
    best = max(f1_score(references[:, 0], values[:, 0] >= cut, zero_division=0) for cut in cuts)
    # Scores closer than float32 can halve may fall together.
    if len(distinct) == 1 or np.diff(distinct).min() > 1e-5:
        assert found == best


def test_the_threshold_lies_between_two_texts():
    values = np.array([[0.9], [0.4], [0.1]], dtype=np.float32)
    assert best_thresholds(values, np.array([[1], [1], [0]])).round(3).tolist() == [0.25]


def test_a_label_that_no_text_has_is_never_given():
    values = np.array([[0.9], [0.4]], dtype=np.float32)
    assert (values < best_thresholds(values, np.zeros((2, 1)))).all()
