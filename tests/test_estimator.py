"""TextClassifier has scikit-learn's manners."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from jptextclf import TextClassifier
from jptextclf.errors import ConfigError, DataError, SetupError


@pytest.fixture
def quick(tiny_encoder):
    return TextClassifier(
        model=str(tiny_encoder),
        epochs=2,
        max_length=32,
        device="cpu",
        precision="float32",
        validation_fraction=0.25,
    )


@pytest.fixture
def texts(reviews):
    return [text for text, _ in reviews]


@pytest.fixture
def labels(reviews):
    return [label for _, label in reviews]


def test_parameters_are_those_of_training_and_survive_a_clone(quick):
    import inspect

    from jptextclf.config import TrainConfig

    assert set(quick.get_params()) >= set(TrainConfig().to_json())
    defaults = {name: one.default for name, one in inspect.signature(TextClassifier).parameters.items()}
    assert {name: value for name, value in TrainConfig().to_json().items() if defaults[name] != value} == {}
    assert clone(quick).get_params() == quick.get_params()
    assert clone(quick.set_params(epochs=7)).epochs == 7
    assert is_classifier(quick)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks_for_text_estimators_pass(quick):
    check_estimator(quick)


def test_fit_predict_and_score(quick, texts, labels):
    fitted = quick.fit(texts, labels)
    assert fitted is quick
    check_is_fitted(quick)
    assert quick.classes_.tolist() == ["悪い", "良い"]
    probabilities = quick.predict_proba(texts)
    assert probabilities.shape == (24, 2)
    predicted = quick.predict(texts)
    assert predicted.tolist() == [quick.classes_[row.argmax()] for row in probabilities]
    assert quick.score(texts, labels) == np.mean(predicted == np.array(labels))


@pytest.mark.parametrize("kind", [int, float, bool, np.int64])
def test_labels_come_back_in_their_type(quick, texts, labels, kind, tmp_path):
    numbers = [kind(label == "良い") for label in labels]
    predicted = quick.fit(texts, numbers).predict(texts)
    assert set(predicted.tolist()) <= {0, 1}
    assert predicted.dtype != object
    quick.save(tmp_path / "run")
    loaded = TextClassifier.load(tmp_path / "run", device="cpu")
    assert loaded.predict(texts).tolist() == predicted.tolist()
    assert loaded.classes_.dtype.kind == quick.classes_.dtype.kind


def test_arrays_and_series_are_texts_and_labels(quick, texts, labels):
    import pandas as pd

    quick.fit(pd.Series(texts), pd.Series(labels))
    assert quick.predict(np.array(texts)).shape == (24,)


def test_lists_of_labels_are_a_multilabel_task(quick, texts, labels):
    given = [
        [label, "部屋"] if "部屋" in text else [label] for text, label in zip(texts, labels, strict=True)
    ]
    quick.fit(texts, given)
    assert quick.bundle_.schema.task == "multilabel"
    predicted = quick.predict(texts)
    assert all(isinstance(row, tuple) for row in predicted)
    assert 0 <= quick.score(texts, given) <= 1


def test_a_matrix_comes_back_as_a_matrix(quick, texts, labels, tmp_path):
    matrix = np.array([[label == "良い", label == "悪い", 0] for label in labels], dtype=int)
    predicted = quick.fit(texts, matrix).predict(texts)
    assert predicted.shape == matrix.shape
    assert set(np.unique(predicted)) <= {0, 1}
    quick.save(tmp_path / "run")
    np.testing.assert_array_equal(
        TextClassifier.load(tmp_path / "run", device="cpu").predict(texts), predicted
    )
    # One label each, but asked for as a matrix: still a multi-label task.
    assert quick.bundle_.schema.task == "multilabel"


def test_cross_validation_grid_search_and_pipeline(quick, texts, labels):
    assert cross_val_score(quick, texts, labels, cv=2).shape == (2,)
    search = GridSearchCV(quick, {"epochs": [1, 2]}, cv=2).fit(texts, labels)
    assert search.best_params_["epochs"] in {1, 2}
    strip = FunctionTransformer(lambda some: [one.strip() for one in some])
    pipeline = Pipeline([("strip", strip), ("classify", clone(quick))]).fit(texts, labels)
    assert len(pipeline.predict(texts)) == 24


def test_saving_and_loading_gives_the_same_probabilities(quick, texts, labels, tmp_path):
    quick.fit(texts, labels).save(tmp_path / "run")
    loaded = TextClassifier.load(tmp_path / "run", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(texts), quick.predict_proba(texts))
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "未審査・配布不可" in card
    with pytest.raises(ConfigError, match="JPT-U024"):
        quick.save(tmp_path / "run")
    quick.save(tmp_path / "run", overwrite=True)


def test_a_run_of_the_command_line_loads(trained, texts):
    assert TextClassifier.load(trained.path, device="cpu").predict(texts).shape == (24,)


def test_a_fitted_classifier_pickles(quick, texts, labels):
    quick.fit(texts, labels)
    again = pickle.loads(pickle.dumps(quick))  # noqa: S301
    np.testing.assert_array_equal(again.predict_proba(texts), quick.predict_proba(texts))


def test_misuse_is_named(quick, texts, labels, tmp_path):
    with pytest.raises(NotFittedError):
        quick.predict(texts)
    with pytest.raises(NotFittedError):
        quick.save(tmp_path / "run")
    with pytest.raises(TypeError, match=r"X\[1\]"):
        quick.fit(["a", None], ["x", "y"])
    with pytest.raises(ValueError, match="2 texts"):
        quick.fit(["a", "b"], ["x"])
    with pytest.raises(TypeError, match="sequence"):
        quick.fit("text", ["x"])
    with pytest.raises(ConfigError, match="JPT-U021"):
        clone(quick).set_params(epochs=0).fit(texts, labels)
    with pytest.raises(ConfigError, match="JPT-U026"):
        quick.fit(["a", "b"], [1, "1"])
    for missing in (None, float("nan")):
        with pytest.raises(DataError, match=r"JPT-D038.*1"):
            quick.fit(["a", "b", "c"], ["x", missing, "y"])
    with pytest.raises(SetupError):
        TextClassifier.load(tmp_path)
