"""The mode features: vectors of a frozen encoder, columns, n-grams, heads, their files, and runs with them."""

import json
import shutil
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from jptextclf.config import TrainConfig
from jptextclf.data.columns import cells_beside
from jptextclf.errors import ConfigError, DataError, JptextclfError, SetupError, WorkError
from jptextclf.features import FeatureModel, Known, Pooled, VectorCache, fit, key_of
from jptextclf.features.columns import CategoryColumn, ColumnEncoder, NumberColumn, parse_number
from jptextclf.features.linear import LinearProblem
from jptextclf.features.rows import FeatureRows, folds_of
from jptextclf.features.trees import fit_trees
from jptextclf.labels import LabelSchema
from jptextclf.ngrams import CharacterNgrams, new_vectorizer
from jptextclf.prediction import Predictor

SECTIONS = ["宿", "食事", "宿", "立地"]


class Heard:
    """Keeps what is said."""

    def __init__(self):
        self.said, self.warned, self.done = [], [], 0

    def begin(self, phase, total):
        self.total = total

    def advance(self, n, note=""):
        self.done += n

    def end(self):
        pass

    def say(self, sentence):
        self.said.append(sentence)

    def warn(self, sentence):
        self.warned.append(sentence)


# Columns


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12", 12.0), ("１２", 12.0), ("1,234", 1234.0), ("１，２３４，５６７", 1234567.0), ("-3.5", -3.5), ("▲3.5", -3.5),
        ("△１２", -12.0), ("−2", -2.0), ("¥1,200", 1200.0), ("￥ 980", 980.0), ("1,200円", 1200.0), ("85.5％", 85.5),
        ("1e3", 1000.0), (".5", 0.5), (" 7 ", 7.0), ("+4", 4.0), ("1.0", 1.0), ("", None), ("不明", None), ("NaN", None),
        ("inf", None), ("1,23", None), ("1e999", None), ("12個", None), ("1.2.3", None), ("true", None), ("ー5", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_of_japan_write_them(cell, number):
    assert parse_number(cell) == number


def test_columns_are_taken_for_numbers_or_categories():
    encoder, notes = ColumnEncoder.fit(
        {
            "価格": ["１，２００", "980円", "", "1,100"],
            "区分": SECTIONS,
            "郵便番号": ["0010001", "0010001", "1000001", "1000001"],
            "評価": ["1", "5", "3", "3"],
        }
    )
    assert [one.kind for one in encoder.columns] == ["number", "category", "category", "number"]
    assert encoder.columns[1].categories == ("宿",), "what stands beside one text alone is no category"
    assert encoder.columns[0].median == 1100
    assert not [note for note in notes if "価格" in note]
    assert "(mean 1,093.33" in encoder.columns[0].describe()
    assert "宿" in encoder.columns[1].describe()


def test_a_few_cells_of_a_number_column_may_hold_something_else_which_is_said():
    encoder, notes = ColumnEncoder.fit({"価格": [str(number) for number in range(40)] + ["時価"]})
    assert isinstance(encoder.columns[0], NumberColumn)
    assert encoder.columns[0].has_missing
    (note,) = notes
    assert "価格" in note
    assert "1 of 41" in note


def test_features_of_columns():
    encoder, _ = ColumnEncoder.fit({"n": ["1", "3", "", "2"], "c": ["あ", "ア", "あ", ""]})
    features, odd = encoder.transform({"n": ["３", ""], "c": ["い", " あ "]}, 2)
    deviation = np.std([1, 3, 2])
    np.testing.assert_allclose(features, [[1 / deviation, 0, 0], [0, 1, 1]], rtol=1e-6)
    assert odd == {"c": 1}
    (note,) = encoder.notes(odd, 2)
    assert "1 of 2" in note
    assert "not known from training" in note


def test_a_category_does_not_hang_on_width_nor_space():
    column = CategoryColumn.fit("c", ["Ａ級", "A級 ", "B級", "Ｂ級"])
    assert column.categories == ("A級", "B級")


def test_a_missing_cell_is_a_category_where_it_was_one():
    column = CategoryColumn.fit("c", ["", "", "a", "a"])
    features, n_odd = column.transform(["", "b"])
    assert features.tolist() == [[1, 0], [0, 0]]
    assert n_odd == 1


@pytest.mark.parametrize(
    ("cells", "code"),
    [(["", " ", "　"], "JPT-D063"), (["一", "二", "三"], "JPT-D065"), (["", "", "三"], "JPT-D065")],
)
def test_columns_of_which_nothing_can_be_learned_are_refused(cells, code):
    with pytest.raises(DataError) as caught:
        ColumnEncoder.fit({"列": cells})
    assert caught.value.code == code
    assert "列" in caught.value.message


def test_equal_numbers_are_no_division_by_zero():
    encoder, _ = ColumnEncoder.fit({"n": ["5", "5", "5"]})
    features, _ = encoder.transform({"n": ["5", "6"]}, 2)
    assert features.tolist() == [[0], [1]]


def test_columns_survive_json():
    encoder, _ = ColumnEncoder.fit({"n": ["1", "", "3"], "c": ["あ", "あ", "い"]})
    assert ColumnEncoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder
    with pytest.raises(ValueError, match="date"):
        ColumnEncoder.from_json([{"kind": "date", "name": "x"}])


def test_columns_in_memory_may_be_lists_arrays_or_a_table():
    assert cells_beside({"n": np.array([1.5, np.nan]), "c": ("あ", None)}, 2) == {
        "n": ["1.5", ""],
        "c": ["あ", ""],
    }
    pandas = pytest.importorskip("pandas")
    assert cells_beside(pandas.DataFrame({"n": [1, 2]}), 2) == {"n": ["1", "2"]}
    with pytest.raises(DataError, match="D064"):
        cells_beside({"n": [1]}, 2)
    with pytest.raises(DataError, match="D066"):
        cells_beside(["n"], 2)
    with pytest.raises(DataError, match="D066"):
        cells_beside({"n": "12"}, 2)


# N-grams


def test_ngrams_are_those_of_scikit_learn(reviews):
    texts = [text for text, _ in reviews]
    ngrams = CharacterNgrams.fit(texts, max_features=500, least_texts=2, seed=0)
    vectorizer = new_vectorizer(max_features=500, least_texts=2).fit(texts)
    new = [*texts[:5], "ﾍﾔが広い", "", "まったく知らない文字: Ⅻ"]
    rows = ngrams.transform(new)
    np.testing.assert_allclose(rows.to_scipy().toarray(), vectorizer.transform(new).toarray(), atol=1e-6)
    weights = np.random.default_rng(0).normal(size=(len(ngrams.terms), 3)).astype(np.float32)
    np.testing.assert_allclose(rows.dot(weights), rows.to_scipy() @ weights, atol=1e-5)


# Heads


def problem_of(kind, n_labels=3, *, is_multilabel=False, n=120, ngrams=False, balanced=False):
    rng = np.random.default_rng(1)
    centers = rng.normal(size=(n_labels, 6)) * 2
    ids = np.arange(n) % n_labels
    dense = (centers[ids] + rng.normal(size=(n, 6))).astype(np.float32) * 10 + 3
    texts = [f"{'良悪普'[one % 3]}い{number % 7}" for number, one in enumerate(ids)]
    sparse = (
        CharacterNgrams.fit(texts, max_features=50, least_texts=2, seed=0).transform(texts)
        if ngrams
        else None
    )
    rows = FeatureRows(dense, sparse)
    targets = np.eye(n_labels, dtype=np.float32)[ids] if is_multilabel else ids.astype(np.int64)
    problem = LinearProblem.of(
        rows,
        targets,
        kind=kind,
        scales=np.full(6, 0.4, np.float32),
        n_labels=n_labels,
        balanced=balanced,
        seed=0,
    )
    return problem, rows, targets


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("ngrams", [False, True])
def test_a_logistic_head_says_what_scikit_learn_says(n_labels, ngrams):
    from sklearn.linear_model import LogisticRegression

    problem, rows, targets = problem_of("logistic", n_labels, ngrams=ngrams)
    head, converged = problem.fit(1.0)
    reference = LogisticRegression(C=1.0, tol=1e-3, max_iter=300, random_state=0).fit(problem.matrix, targets)
    assert converged
    np.testing.assert_allclose(head.probabilities(rows), reference.predict_proba(problem.matrix), atol=2e-5)
    assert problem.calibrated(head, 1.0) is head


@pytest.mark.parametrize("n_labels", [2, 3])
def test_the_scores_of_a_machine_are_those_of_scikit_learn_and_its_probabilities_are_calibrated(n_labels):
    from sklearn.svm import LinearSVC

    problem, rows, targets = problem_of("svm", n_labels)
    head, _ = problem.fit(1.0)
    reference = LinearSVC(C=1.0, tol=1e-2, max_iter=1000, random_state=0).fit(problem.matrix, targets)
    expected = reference.decision_function(problem.matrix).reshape(len(targets), -1)
    np.testing.assert_allclose(head.scores(rows), expected, atol=1e-4)
    calibrated = problem.calibrated(head, 1.0)
    probabilities = calibrated.probabilities(rows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (calibrated.slope > 0).all()
    # What is said with some probability is so about as often.
    assert abs(probabilities.max(axis=1).mean() - (probabilities.argmax(axis=1) == targets).mean()) < 0.1


@pytest.mark.parametrize("kind", ["logistic", "svm"])
def test_several_labels_have_a_probability_each(kind):
    problem, rows, targets = problem_of(kind, is_multilabel=True)
    head = problem.calibrated(problem.fit(1.0)[0], 1.0)
    probabilities = head.probabilities(rows)
    assert ((probabilities > 0.5) == targets).mean() > 0.9
    assert head.n_labels == 3


def test_a_label_that_all_or_no_texts_have_is_no_error():
    problem, rows, targets = problem_of("logistic", is_multilabel=True)
    targets[:, 0], targets[:, 1] = 1, 0
    head, _ = problem.fit(1.0)
    probabilities = head.probabilities(rows)
    assert (probabilities[:, 0] > 0.98).all()
    assert (probabilities[:, 1] < 0.02).all()


@pytest.mark.parametrize("kind", ["logistic", "svm"])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_texts_that_lack_a_label_leave_room_for_it(kind, n_labels):
    problem, _, targets = problem_of(kind, n_labels)
    for present in range(1, n_labels):
        texts = np.flatnonzero(targets < present)
        weights, bias, _ = problem._machines(texts, 1.0)
        scores = problem.matrix[texts] @ weights + bias
        guesses = (scores[:, 0] > 0).astype(int) if n_labels == 2 else scores.argmax(axis=1)
        assert (guesses == targets[texts]).mean() > 0.9


def test_unseen_scores_are_of_machines_that_have_not_seen_the_text():
    problem, _, _ = problem_of("logistic")
    before = problem.unseen(1.0)
    folds = folds_of(problem.targets, 5, 0)
    changed = problem.targets.copy()
    changed[0] = (changed[0] + 1) % 3
    other = LinearProblem(
        problem.kind,
        problem.matrix,
        problem.center,
        problem.factor,
        problem.targets,
        3,
        balanced=False,
        seed=0,
    )
    # Another label of text 0 must not move its own score, where the folds stay.
    object.__setattr__(other, "targets", changed)
    inside = np.flatnonzero(folds != folds[0])
    np.testing.assert_array_equal(problem._machines(inside, 1.0)[0], other._machines(inside, 1.0)[0])
    assert before.shape == (120, 3)


def test_folds_spread_every_label_evenly():
    targets = np.array([0] * 50 + [1] * 10)
    folds = folds_of(targets, 5, seed=3)
    assert np.bincount(folds[targets == 1], minlength=5).tolist() == [2] * 5
    assert np.bincount(folds, minlength=5).tolist() == [12] * 5


def test_a_solver_that_is_stopped_is_noticed_and_does_not_warn(monkeypatch):
    from jptextclf.features import linear

    monkeypatch.setitem(linear._PASSES, "logistic", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, converged = problem_of("logistic")[0].fit(30.0)
    assert not converged


@pytest.mark.parametrize("kind", ["logistic", "svm", "lightgbm"])
def test_balanced_labels_find_more_of_a_rare_one(kind):
    rng = np.random.default_rng(0)
    targets = (np.arange(300) % 10 == 0).astype(np.int64)
    rows, others = (
        FeatureRows((rng.normal(size=(300, 4)) + targets[:, None]).astype(np.float32)) for _ in range(2)
    )
    found = []
    for balanced in (False, True):
        if kind == "lightgbm":
            pytest.importorskip("lightgbm")
            head, _ = fit_trees(rows, targets, others, targets, n_labels=2, balanced=balanced, seed=0)
        else:
            scales = np.full(4, 0.5, np.float32)
            problem = LinearProblem.of(
                rows, targets, kind=kind, scales=scales, n_labels=2, balanced=balanced, seed=0
            )
            head, _ = problem.fit(1.0)
        found.append(int((head.probabilities(others)[targets == 1, 1] > 0.5).sum()))
    assert found[1] > found[0]


# A whole model


def known_of(reviews, labels, *, n_vector=8, seed=0):
    rng = np.random.default_rng(seed)
    ids = np.array([labels.index(label) for _, label in reviews])
    vectors = rng.normal(size=(len(reviews), n_vector)).astype(np.float32)
    vectors[:, 0] += ids
    cells = {
        "値段": [str(1000 + 10 * number) for number in range(len(reviews))],
        "場所": ["東", "西"] * (len(reviews) // 2),
    }
    return Known(vectors, [text for text, _ in reviews], cells, ids)


def accuracy(probabilities, targets):
    if targets.ndim == 2:
        return float(((probabilities > 0.5) == targets).mean())
    return float((probabilities.argmax(axis=1) == targets).mean())


@pytest.mark.parametrize("head", ["logistic", "svm", "lightgbm"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("ngrams", [False, True])
def test_what_is_learned_is_kept_in_plain_files(tmp_path, reviews, head, task, ngrams):
    if head == "lightgbm":
        pytest.importorskip("lightgbm")
    known = known_of(reviews * 3, ["良い", "悪い"])
    if task == "multiclass":
        known = Known(known.vectors, known.texts, known.cells, np.arange(72) % 3)
    elif task == "multilabel":
        known = Known(
            known.vectors,
            known.texts,
            known.cells,
            np.stack([known.targets, np.arange(72) % 2], axis=1).astype(np.float32),
        )
    n_labels = 3 if task == "multiclass" else 2
    heard = Heard()
    fitted = fit(
        known, known, pooled=Pooled("mean", 1), config=TrainConfig(mode="features", head=head, ngrams=ngrams),
        n_labels=n_labels, measure=accuracy, progress=heard,
    )  # fmt: skip
    expected, _ = fitted.model.probabilities(known.vectors, known.texts, known.cells)
    assert expected.shape == (72, n_labels)
    assert expected.dtype == np.float32
    if task != "multilabel":
        np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)
    fitted.model.write(tmp_path)
    read = FeatureModel.read(tmp_path, n_labels=n_labels)
    np.testing.assert_array_equal(read.probabilities(known.vectors, known.texts, known.cells)[0], expected)
    # One text alone is what it is among others.
    one, _ = read.probabilities(
        known.vectors[:1], known.texts[:1], {name: cells[:1] for name, cells in known.cells.items()}
    )
    np.testing.assert_allclose(one, expected[:1], atol=1e-6)
    assert read.column_names == ("値段", "場所")
    names = {path.name for path in tmp_path.iterdir()}
    assert names <= {
        "features.json",
        "features.safetensors",
        "ngrams.json",
        "lightgbm.txt",
        "lightgbm-0.txt",
        "lightgbm-1.txt",
    }
    assert not any(path.read_bytes().startswith(b"\x80") for path in tmp_path.iterdir()), "a pickle begins so"
    assert any("値段: taken for numbers" in one for one in heard.said)
    assert any("場所: taken for 2 categories" in one for one in heard.said)
    assert fitted.record["columns"] == {"値段": "number", "場所": "category"}
    empty, _ = read.probabilities(known.vectors[:0], [], {"値段": [], "場所": []})
    assert empty.shape == (0, n_labels)


@pytest.fixture
def written(tmp_path, reviews):
    known = known_of(reviews, ["良い", "悪い"])
    fitted = fit(
        known, known, pooled=Pooled("mean", 1), config=TrainConfig(mode="features", ngrams=True), n_labels=2,
        measure=accuracy, progress=Heard(),
    )  # fmt: skip
    fitted.model.write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["features.json", "features.safetensors", "ngrams.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_damaged_files_of_a_head_are_refused(written, name, damage):
    path = written / name
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_text('{"format": 1}' if name == "features.json" else '["あ"]', encoding="utf-8")
    with pytest.raises(SetupError) as caught:
        FeatureModel.read(written, n_labels=2)
    assert caught.value.code == "JPT-E091"


def test_a_head_for_other_labels_or_vectors_is_refused(written):
    with pytest.raises(SetupError, match="2 labels, expected 3"):
        FeatureModel.read(written, n_labels=3)
    facts = json.loads((written / "features.json").read_text(encoding="utf-8"))
    (written / "features.json").write_text(json.dumps({**facts, "width": 9}), encoding="utf-8")
    with pytest.raises(SetupError, match="E091"):
        FeatureModel.read(written, n_labels=2)


def test_the_strength_with_the_best_value_is_taken_and_of_equal_ones_the_strongest(reviews):
    known = known_of(reviews * 12, ["良い", "悪い"])
    values = iter([0.5, 0.7, 0.7, 0.6, 0.9])
    fitted = fit(
        known, known, pooled=Pooled("mean", 1), config=TrainConfig(mode="features"), n_labels=2,
        measure=lambda *_: next(values), progress=Heard(),
    )  # fmt: skip
    assert fitted.record["strength"] == 1.0
    assert fitted.record["chosen_on"] == "validation"
    assert len(fitted.record["tried"]) == 4, "it ends where the value falls"


def test_with_few_validation_texts_the_strength_is_chosen_by_cross_validation(reviews):
    known = known_of(reviews, ["良い", "悪い"])
    asked = []
    heard = Heard()

    def measure(probabilities, targets):
        asked.append(len(targets))
        return accuracy(probabilities, targets)

    first = fit(
        known, Known(known.vectors[:2], known.texts[:2], {name: cells[:2] for name, cells in known.cells.items()}, known.targets[:2]),
        pooled=Pooled("mean", 1), config=TrainConfig(mode="features"), n_labels=2, measure=measure, progress=heard,
    )  # fmt: skip
    assert set(asked) == {24}
    assert first.record["chosen_on"] == "folds"
    assert any("cross-validation" in one for one in heard.said)


# The cache


def test_vectors_are_kept_and_found_again(tmp_path):
    cache, heard = VectorCache(tmp_path / "vectors"), Heard()
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    key = key_of({"encoder": "a"}, np.arange(4))
    assert cache.read(key, (5, 3), heard) is None
    assert cache.write(key, vectors)
    np.testing.assert_array_equal(cache.read(key, (5, 3), heard), vectors)
    assert not heard.warned
    assert [path.name for path in (tmp_path / "vectors").iterdir()] == [f"{key}.safetensors"]


def test_a_key_hangs_on_every_fact_and_every_number():
    ids = np.arange(6, dtype=np.int32)
    keys = {
        key_of({"encoder": "a"}, ids), key_of({"encoder": "b"}, ids), key_of({"encoder": "a", "layers": 2}, ids),
        key_of({"encoder": "a"}, ids.astype(np.int64)), key_of({"encoder": "a"}, ids[::-1]), key_of({"encoder": "a"}, ids[:3], ids[3:]),
    }  # fmt: skip
    assert len(keys) == 6
    assert key_of({"a": 1, "b": 2}, ids) == key_of({"b": 2, "a": 1}, ids)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another shape"])
def test_damaged_vectors_are_computed_anew_and_that_is_said(tmp_path, damage):
    cache, heard = VectorCache(tmp_path), Heard()
    vectors = np.ones((4, 2), dtype=np.float32)
    cache.write("k", vectors)
    path = cache.path("k")
    data = path.read_bytes()
    changed = {
        "cut": data[:-3],
        "flipped": data[:-3] + b"\xff" + data[-2:],
        "empty": b"",
        "another shape": data,
    }
    path.write_bytes(changed[damage])
    shape = (4, 3) if damage == "another shape" else (4, 2)
    assert cache.read("k", shape, heard) is None
    assert len(heard.warned) == 1
    assert "computed anew" in heard.warned[0]


def test_what_was_not_used_for_longest_makes_room(tmp_path):
    import os

    cache, heard = VectorCache(tmp_path, max_bytes=3000), Heard()
    vectors = np.zeros((100, 2), dtype=np.float32)
    for number, name in enumerate(["old", "used", "mid"]):
        cache.write(name, vectors)
        os.utime(cache.path(name), (1000 + number, 1000 + number))
    assert cache.read("old", (100, 2), heard) is not None
    cache.write("new", vectors)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["mid", "new", "old"]
    assert not cache.write("huge", np.zeros((1000, 2), dtype=np.float32))
    assert not cache.path("huge").exists()


# Runs


@pytest.fixture(scope="module")
def table(tmp_path_factory, reviews):
    """Reviews with a price and a section that say something; one price is missing."""
    path = tmp_path_factory.mktemp("data") / "宿.csv"
    lines = [
        f"{text},{label},{'' if number == 5 else f'{1 + (label == chr(0x826F) + chr(0x3044))}，{number:03}'},{SECTIONS[number % 3]}"
        for number, (text, label) in enumerate(reviews * 3)
    ]
    path.write_text("本文,ラベル,値段,区分\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def features_run(tmp_path_factory, tiny_encoder, table):
    """A run of the mode features with columns and n-grams; do not change it."""
    from jptextclf import train

    return train(
        table, validation=table, model=str(tiny_encoder), mode="features", extra_columns=["値段", "区分"], ngrams=True,
        out=tmp_path_factory.mktemp("runs") / "宿", max_length=64, device="cpu", data_origin="own",
        personal_information="none-confirmed",
    )  # fmt: skip


def columns_of(n):
    return {"値段": ["2，001"] * n, "区分": ["宿"] * n}


def test_a_run_says_what_it_was_made_from(features_run, tmp_path):
    record = features_run.bundle.record
    assert record["config"]["mode"] == "features"
    assert record["history"]["columns"] == {"値段": "number", "区分": "category"}
    assert record["history"]["layers"] == 2, "the encoder has no more"
    assert record["history"]["n_vector_features"] == 64
    assert record["history"]["n_ngrams"] > 50
    assert record["data"]["columns"]["extra"] == ["値段", "区分"]
    assert record["plan"]["epochs"] == 0
    assert set(record["seconds"]) >= {"tokenize", "vectors", "train"}
    assert features_run.scores["validation"]["scores"]["accuracy"] > 0.9
    base = next(one for one in features_run.bundle.components if one.role == "base_model")
    assert base.relation == "features-from"
    assert "scikit-learn" in {one.name for one in features_run.bundle.components}
    assert "scikit-learn" in record["versions"]
    assert not [
        path for path in features_run.path.rglob("*") if path.suffix in {".pkl", ".joblib", ".bin", ".pt"}
    ]


def test_the_encoder_of_a_run_is_the_one_that_went_in_and_plain_transformers_loads_it(
    features_run, tiny_encoder
):
    import torch
    from transformers import AutoModel, AutoTokenizer

    ours = AutoModel.from_pretrained(features_run.path)
    theirs = AutoModel.from_pretrained(tiny_encoder)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    config = json.loads((features_run.path / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertModel"]
    assert "id2label" not in config, "a random head must not speak with our labels"
    assert len(AutoTokenizer.from_pretrained(features_run.path)("良い")["input_ids"]) == 4


def test_vectors_are_those_of_plain_transformers(features_run, tiny_encoder, reviews):
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = [text for text, _ in reviews]
    predictor = features_run.predictor
    encodings = predictor.adapter.encode(texts, max_length=64)
    model = AutoModel.from_pretrained(tiny_encoder).eval()
    batch = AutoTokenizer.from_pretrained(tiny_encoder)(texts, padding=True, return_tensors="pt")
    batch.pop("token_type_ids", None)
    with torch.no_grad():
        states = model(**batch, output_hidden_states=True).hidden_states
    both = torch.cat([states[-1], states[-2]], dim=-1)
    mask = batch["attention_mask"][..., None]
    mean = ((both * mask).sum(1) / mask.sum(1)).numpy()
    options = {"max_tokens": 64}
    np.testing.assert_allclose(
        Pooled("mean", 2).vectors(predictor.classifier, encodings, **options), mean, atol=1e-5
    )
    np.testing.assert_allclose(
        Pooled("first", 1).vectors(predictor.classifier, encodings, **options), states[-1][:, 0], atol=1e-5
    )
    windows = np.array([0, 2, *range(3, len(texts) + 1)])
    joined = Pooled("mean", 2).vectors(predictor.classifier, encodings, windows, **options)
    np.testing.assert_allclose(joined[0], mean[:2].mean(axis=0), atol=1e-5)
    with pytest.raises(ConfigError, match="U179"):
        Pooled("mean", 3).vectors(predictor.classifier, encodings, **options)


def test_vectors_that_are_no_numbers_stop_the_work(features_run, reviews):
    import copy

    import torch

    classifier = copy.deepcopy(features_run.predictor.classifier)
    with torch.no_grad():
        classifier.network.base_model.encoder.layer[0].output.dense.bias[0] = float("nan")
    encodings = features_run.predictor.adapter.encode([text for text, _ in reviews], max_length=64)
    with pytest.raises(WorkError, match="W041"):
        Pooled("mean", 1).vectors(classifier, encodings, max_tokens=64)


def test_a_run_predicts_with_its_columns_and_is_the_same_after_loading(features_run, reviews):
    from jptextclf import load

    texts = [text for text, _ in reviews]
    prediction = features_run.predict(texts, columns=columns_of(24))
    again = load(features_run.path).predict(texts, columns={**columns_of(24), "他": ["x"] * 24})
    np.testing.assert_array_equal(prediction.probabilities, again.probabilities)
    other = features_run.predict(texts, columns={**columns_of(24), "値段": ["1，001"] * 24})
    assert (other.probabilities != prediction.probabilities).any()
    assert prediction.schema.names == ("悪い", "良い")


@pytest.mark.parametrize("given", [None, {}, {"値段": ["1"]}])
def test_a_run_that_needs_columns_says_which_are_missing(features_run, given):
    with pytest.raises(ConfigError) as caught:
        features_run.predict(["良い"], columns=given)
    assert caught.value.code == "JPT-U125"
    missing = caught.value.message.split("missing: ")[1]
    assert "区分" in missing
    assert ("値段" in missing) == (not given)


def test_a_model_that_knows_no_columns_refuses_them(classifier_of):
    schema = LabelSchema(("悪い", "良い"), "binary")
    classifier, adapter = classifier_of(schema)
    with pytest.raises(ConfigError) as caught:
        Predictor(classifier, adapter, schema, max_length=64).predict(["良い"], columns={"値段": ["1"]})
    assert caught.value.code == "JPT-U126"


def test_a_run_is_evaluated_with_the_columns_of_the_file(features_run, table):
    evaluation = features_run.evaluate(table)
    recorded = features_run.scores["validation"]["scores"]["accuracy"]
    assert evaluation.to_json()["scores"]["accuracy"] == pytest.approx(recorded)


def test_a_file_is_predicted_with_its_columns(features_run, tmp_path):
    from jptextclf import api

    path = tmp_path / "新.csv"
    path.write_text("区分,番号,本文,値段\n宿,1,朝食が良い,2，001\n砂漠,2,最悪でした,\n", encoding="utf-8")
    heard = Heard()
    done = api.predict_file(features_run, path, tmp_path / "out.csv", progress=heard)
    assert done.read == 2
    rows = (tmp_path / "out.csv").read_text(encoding="utf-8-sig").splitlines()
    assert rows[1].startswith("宿,1,朝食が良い,2，001,")
    expected = features_run.predict(
        ["朝食が良い", "最悪でした"], columns={"値段": ["2，001", ""], "区分": ["宿", "砂漠"]}
    )
    assert [row.split(",")[4] for row in rows[1:]] == [labels[0] for labels in expected.labels]
    assert [one for one in heard.warned if "区分" in one] == [
        "Column 区分: 1 of 2 cells hold a category that is not known from training; they count as none."
    ]


def test_a_file_without_a_column_is_refused_by_name(features_run, tmp_path):
    from jptextclf import api

    path = tmp_path / "新.csv"
    path.write_text("本文,値段x\n朝食が良い,1\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        api.predict_file(features_run, path, tmp_path / "out.csv")
    assert caught.value.code == "JPT-D062"
    assert "値段, 区分" in caught.value.message
    assert not (tmp_path / "out.csv").exists()


def test_the_second_run_takes_the_vectors_from_the_cache(tmp_path, monkeypatch, tiny_encoder, table):
    from jptextclf import train

    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "store"))
    options = {
        "model": str(tiny_encoder),
        "mode": "features",
        "device": "cpu",
        "max_length": 64,
        "head": "svm",
    }
    first = train(table, out=tmp_path / "a", **options)
    assert first.bundle.record["history"]["cached"] == {"train": False, "validation": False}
    assert len(list((tmp_path / "store" / "vectors").iterdir())) == 2
    heard = Heard()
    second = train(table, out=tmp_path / "b", progress=heard, **options)
    assert second.bundle.record["history"]["cached"] == {"train": True, "validation": True}
    assert sum("cache" in one for one in heard.said) == 2
    for name in ("features.safetensors", "features.json", "model.safetensors"):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes(), name
    for path in (tmp_path / "store" / "vectors").iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    third = train(table, out=tmp_path / "d", progress=(damaged := Heard()), **options)
    assert third.bundle.record["history"]["cached"] == {"train": False, "validation": False}
    assert sum("damaged" in one for one in damaged.warned) == 2
    assert (third.path / "features.safetensors").read_bytes() == (
        first.path / "features.safetensors"
    ).read_bytes()


def test_a_store_that_cannot_be_written_to_is_said_and_no_error(tmp_path, monkeypatch, tiny_encoder, table):
    from jptextclf import train

    (tmp_path / "store").write_text("a file", encoding="utf-8")
    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "store"))
    heard = Heard()
    run = train(
        table,
        out=tmp_path / "a",
        model=str(tiny_encoder),
        mode="features",
        device="cpu",
        max_length=64,
        progress=heard,
    )
    assert run.path.is_dir()
    assert any("could not be kept" in one for one in heard.warned)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"extra_columns": ["値段"], "ngrams": True}, "JPT-U129", "extra_columns, ngrams"),
        ({"head": "svm"}, "JPT-U129", "head"),
        ({"mode": "features", "epochs": 3, "lora_rank": 4}, "JPT-U130", "epochs, lora_rank"),
        ({"mode": "features", "extra_columns": ["価格"]}, "JPT-D019", "価格"),
        ({"mode": "features", "extra_columns": ["ラベル"], "label_column": "ラベル"}, "JPT-U034", "ラベル"),
        ({"mode": "features", "extra_columns": ["本文"], "text_column": "本文"}, "JPT-U034", "本文"),
    ],
)  # fmt: skip
def test_settings_that_would_do_nothing_are_refused(tmp_path, tiny_encoder, table, options, code, said):
    from jptextclf import train

    with pytest.raises(JptextclfError) as caught:
        train(table, model=str(tiny_encoder), out=tmp_path / "a", **options)
    assert caught.value.code == code
    assert said in caught.value.message
    assert not (tmp_path / "a").exists()


def test_without_lightgbm_nothing_is_computed(tmp_path, monkeypatch, tiny_encoder, table):
    from jptextclf import train
    from jptextclf.features import trees

    monkeypatch.setattr(trees.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SetupError) as caught:
        train(table, model=str(tiny_encoder), mode="features", head="lightgbm", out=tmp_path / "a")
    assert caught.value.code == "JPT-E090"
    assert "jptextclf[features]" in caught.value.hint


def test_a_dry_run_measures_vectors_and_names_the_files(tmp_path, tiny_encoder, table):
    from jptextclf import train

    plan = train(
        table,
        model=str(tiny_encoder),
        mode="features",
        ngrams=True,
        max_length=64,
        out=tmp_path / "a",
        dry_run=True,
    )
    assert {"features.json", "features.safetensors", "ngrams.json"} <= set(plan.files)
    assert plan.preview.steps == 0
    assert plan.preview.total_seconds > 0
    assert not (tmp_path / "a").exists()


def test_several_labels_and_windows(tmp_path, tiny_encoder, reviews):
    from jptextclf import load, train

    path = tmp_path / "多.csv"
    rows = [f"{text},{label}{'|部屋' if '部屋' in text else ''}" for text, label in reviews * 2]
    path.write_text("本文,ラベル\n" + "\n".join(rows) + "\n", encoding="utf-8")
    run = train(
        path, validation=path, model=str(tiny_encoder), mode="features", label_separator="|", pooling="first",
        pooled_layers=1, out=tmp_path / "a", device="cpu", max_length=64,
    )  # fmt: skip
    assert run.schema.is_multilabel
    assert len(set(run.bundle.thresholds)) > 1
    texts = [text for text, _ in reviews]
    np.testing.assert_array_equal(
        run.predict(texts).probabilities, load(run.path).predict(texts).probabilities
    )


@pytest.fixture
def licensed(features_run, tmp_path):
    """The run, as if its encoder had a licence."""
    from dataclasses import replace

    from jptextclf import load
    from jptextclf.bundle import write_bundle

    bundle, predictor = features_run.bundle, features_run.predictor
    components = tuple(
        replace(
            one,
            license="Apache-2.0",
            origin="public",
            url="https://example.invalid/encoder",
            revision="1" * 40,
        )
        if one.role in {"base_model", "tokenizer"}
        else one
        for one in bundle.components
    )
    write_bundle(
        replace(bundle, path=tmp_path / "licensed", components=components), predictor.classifier, predictor.adapter,
        features=predictor.features,
    )  # fmt: skip
    return load(tmp_path / "licensed")


def test_an_export_carries_the_head_and_says_what_is_needed(features_run, licensed, tmp_path):
    from jptextclf import load

    done = licensed.export(tmp_path / "out", use="internal-commercial")
    names = {path.name for path in done.path.iterdir()}
    assert {"features.json", "features.safetensors", "ngrams.json", "model.safetensors"} <= names
    card = (done.path / "README.md").read_text(encoding="utf-8")
    assert "library_name: jptextclf" in card
    assert 'columns={"値段": ["…"], "区分": ["…"]}' in card
    assert "pip install 'jptextclf'" in card
    assert "fine-tuned" not in card.split("## Scores")[0]
    notice = (done.path / "NOTICE").read_text(encoding="utf-8")
    assert "scikit-learn" in notice or "scikit-learn" in (done.path / "components.json").read_text(
        encoding="utf-8"
    )
    expected = features_run.predict(["良い"], columns=columns_of(1)).probabilities
    np.testing.assert_array_equal(
        load(done.path).predict(["良い"], columns=columns_of(1)).probabilities, expected
    )


@pytest.mark.parametrize("license_id", ["Apache-2.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "NOASSERTION"])
def test_an_encoder_that_is_passed_on_as_it_is_is_judged_as_a_changed_one(license_id):
    from jptextclf.licensing.deciding import assess

    base = {"role": "base_model", "name": "org/model", "license": license_id}
    for use in ("internal-commercial", "redistribute-weights-commercial", "publish-on-hub"):
        verdicts = {
            assess([{**base, "relation": relation}], use, output_license="MIT", with_remedies=False).verdict
            for relation in ("features-from", "fine-tuned-from")
        }
        assert len(verdicts) == 1


def test_there_is_no_graph_of_a_frozen_encoder_with_its_head(features_run, tmp_path):
    with pytest.raises(ConfigError) as caught:
        features_run.export(tmp_path / "out", use="internal-commercial", format="onnx")
    assert caught.value.code == "JPT-U128"
    assert not (tmp_path / "out").exists()


def test_a_damaged_head_is_found_by_the_manifest(features_run, tmp_path):
    from jptextclf import load

    copy = shutil.copytree(features_run.path, tmp_path / "run")
    (copy / "features.safetensors").write_bytes(b"x")
    with pytest.raises(SetupError) as caught:
        load(copy)
    assert caught.value.code == "JPT-E060"


def test_the_estimator_learns_with_columns(tmp_path, tiny_encoder, reviews):
    from jptextclf import TextClassifier

    texts, labels = zip(*(reviews * 2), strict=True)
    prices = {"値段": [2000 if label == "良い" else 1000 + number for number, label in enumerate(labels)]}
    classifier = TextClassifier(model=str(tiny_encoder), mode="features", device="cpu", max_length=64)
    classifier.fit(texts, labels, columns=prices)
    assert classifier.score(texts, labels, columns=prices) > 0.9
    classifier.save(tmp_path / "run")
    loaded = TextClassifier.load(tmp_path / "run")
    np.testing.assert_array_equal(
        loaded.predict(texts, columns=prices), classifier.predict(texts, columns=prices)
    )
    with pytest.raises(ConfigError, match="U125"):
        loaded.predict(texts)
    with pytest.raises(ConfigError, match="U129"):
        TextClassifier(model=str(tiny_encoder)).fit(texts, labels, columns=prices)


def test_columns_beside_texts_in_memory(tmp_path, tiny_encoder, reviews):
    from jptextclf import train

    texts, labels = zip(*(reviews * 2), strict=True)
    data = (texts, labels, {"値段": list(range(48)), "他": ["x", "y"] * 24})
    run = train(
        data, model=str(tiny_encoder), mode="features", extra_columns=["値段"], out=tmp_path / "a", device="cpu",
        max_length=64,
    )  # fmt: skip
    assert run.bundle.extra_columns == ("値段",)
    assert len(run.evaluate((texts, labels, {"値段": list(range(48))})).to_json()["scores"]) > 1
    with pytest.raises(DataError, match="D062"):
        train(data, model=str(tiny_encoder), mode="features", extra_columns=["無"], out=tmp_path / "b")


def test_the_command_line_from_training_to_prediction(tmp_path, capfdbinary, tiny_encoder, table):
    from jptextclf.cli import cli

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main([str(one) for one in arguments])
        out, errors = (part.decode("utf-8") for part in capfdbinary.readouterr())
        return end.value.code, out, errors

    status, out, errors = call(
        "train", table, "--mode", "features", "--extra-columns", "値段,区分", "--model", tiny_encoder, "--max-length", 64,
        "--device", "cpu", "--out", tmp_path / "run",
    )  # fmt: skip
    assert status == 0, errors
    assert "値段: taken for numbers" in errors
    assert "vectors" in errors
    status, out, errors = call("predict", tmp_path / "run", "良い宿でした")
    assert status == 2
    assert "JPT-U125" in errors
    status, out, errors = call("predict", tmp_path / "run", "-i", table, "-o", tmp_path / "out.csv", "--json")
    assert status == 0, errors
    assert json.loads(out)["read"] == 72


@pytest.mark.full
def test_hotel_reviews_reach_what_is_promised(shared, tmp_path):
    """Vectors of the embedded encoder alone, with n-grams, and again with vectors from the cache."""
    import os

    def accuracy_of(name, *options):
        command = [
            sys.executable, "-m", "jptextclf", "train", str(shared / "data" / "jrte" / "pn.tsv"), "--columns", "id,label,text,votes,split",
            "--mode", "features", "--json", "--out", str(tmp_path / name), *options,
        ]  # fmt: skip
        before, started = os.times(), time.monotonic()
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "JPTEXTCLF_HOME": str(tmp_path / "store"), "OMP_NUM_THREADS": "2"},
        )  # fmt: skip
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        scores = json.loads(done.stdout)["scores"]["validation"]["scores"]
        print(
            f"{name}: accuracy {scores['accuracy']:.4f}, {cpu:.0f} s CPU, {time.monotonic() - started:.0f} s"
        )
        return scores["accuracy"], cpu

    accuracy, cpu = accuracy_of("vectors")
    assert accuracy >= 0.815
    assert cpu < 360, "3 minutes on 2 cores"
    accuracy, cpu = accuracy_of("ngrams", "--ngrams")
    assert accuracy >= 0.83
    assert cpu < 40, "20 seconds on 2 cores, from the cache"
    assert accuracy_of("svm", "--head", "svm", "--ngrams")[0] >= 0.83
    pytest.importorskip("lightgbm")
    assert accuracy_of("lightgbm", "--head", "lightgbm")[0] >= 0.81
