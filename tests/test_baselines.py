"""The baselines are strong for their price, survive odd data, and say whether a model beats them."""

import csv
import random
import warnings

import numpy as np
import pytest

from jptextclf import baselines, messages
from jptextclf.baselines import (
    BaselineResult,
    ComparisonRow,
    Verdict,
    compare,
    comparison_table,
    run_baselines,
    verdict_against_baselines,
)
from jptextclf.data.examples import Examples
from jptextclf.errors import DataError
from jptextclf.evaluation import metric_value
from jptextclf.labels import LabelSchema

BINARY = LabelSchema(("悪い", "良い"), "binary")
TAGS = LabelSchema(("味", "接客", "部屋"), "multilabel")
TAGGED = [
    ("料理が{}美味しかった", ("味",)),
    ("スタッフが{}親切", ("接客",)),
    ("部屋が{}広い", ("部屋",)),
    ("料理が{}美味しく部屋が広い", ("味", "部屋")),
    ("駅から{}近い", ()),
]
ADVERBS = ["とても", "本当に", "かなり", "いつも", "やはり", "非常に", "すごく", "実に", "まあ", "割と"]


def tagged():
    rows = [(text.format(adverb), tags) for adverb in ADVERBS for text, tags in TAGGED]
    return [text for text, _ in rows], [tags for _, tags in rows]


def ngrams(texts, labels, asked, schema, **options):
    (_, result) = run_baselines(texts, labels, {"test": asked}, schema, **options)
    assert result.name == "ngrams"
    return result


def test_the_majority_is_the_most_frequent_label_or_set_of_labels():
    majority, _ = run_baselines(["a", "b", "c"], np.array([1, 0, 1]), {"test": ["x", "y"]}, BINARY)
    assert majority.predictions["test"].tolist() == [1, 1]
    rows = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    majority, _ = run_baselines(["a", "b", "c"], rows, {"test": ["x"]}, TAGS)
    assert majority.predictions["test"].tolist() == [[1, 0, 1]]


def test_of_equally_frequent_labels_the_first_is_taken():
    majority, _ = run_baselines(["a", "b"], np.array([1, 0]), {"test": ["x"]}, BINARY)
    assert majority.predictions["test"].tolist() == [0]


def test_ngrams_learn_a_few_reviews(reviews):
    texts, names = zip(*reviews, strict=True)
    labels = BINARY.encode([(name,) for name in names])
    result = ngrams(texts, labels, texts, BINARY)
    assert result.predictions["test"].tolist() == labels.tolist()
    assert result.predictions["test"].dtype == np.int64
    assert result.notes == ()
    assert result.seconds > 0


def test_width_and_case_do_not_matter():
    result = ngrams(["ｶﾞｲﾄﾞ", "朝食"], np.array([1, 0]), ["ガイド", "朝食", "ＧＡＩＤＯ ガイド"], BINARY)
    assert result.predictions["test"].tolist() == [1, 0, 1]


def test_ngrams_learn_several_labels_a_text():
    texts, tags = tagged()
    result = ngrams(
        texts, TAGS.encode(tags), ["料理が実に美味しかった", "駅からすごく近い", "部屋が広い"], TAGS
    )
    assert result.predictions["test"].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert result.predictions["test"].shape == (3, 3)


def test_rare_labels_are_given_about_as_often_as_they_occur():
    rng = random.Random(0)
    schema = LabelSchema(("稀", "普通"), "multilabel")
    texts, tags = [], []
    for _ in range(400):
        rare, usual = rng.random() < 0.08, rng.random() < 0.5
        words = [rng.choice("春夏秋冬") + rng.choice("朝昼夜") for _ in range(6)]
        words += ["高価" if rng.random() < 0.8 else "値段"] * rare + [
            "美味" if rng.random() < 0.8 else "料理"
        ] * usual
        rng.shuffle(words)
        texts.append("".join(words))
        tags.append(("稀",) * rare + ("普通",) * usual)
    result = ngrams(texts[:200], schema.encode(tags[:200]), texts[200:], schema)
    given = result.predictions["test"].mean(axis=0)
    assert 0.03 < given[0] < 0.16
    assert metric_value("macro_f1", schema, schema.encode(tags[200:]), result.predictions["test"]) > 0.75


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_predictions(seed):
    texts, tags = tagged()
    labels = TAGS.encode(tags)
    first, second = (ngrams(texts, labels, texts, TAGS, seed=seed).predictions["test"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


ODD = {
    "two examples": (["良い", "悪い"], [1, 0]),
    "one character each": (list("良悪好嫌"), [1, 0, 1, 0]),
    "the same text with both labels": (["良い", "良い"], [1, 0]),
    "all empty": (["", "", ""], [1, 0, 1]),
    "only white space": ([" ", "　\n", "\t"], [1, 0, 0]),
    "control characters and lone surrogates": (["\x00\x02", "\ud800", "\x03"], [1, 0, 1]),
    "one label only": (["良い", "とても良い"], [1, 1]),
    "one text": (["良い"], [1]),
    "a label with one example": (["悪い", *["良い"] * 50], [0, *[1] * 50]),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("multilabel", [False, True])
def test_odd_data_give_predictions_and_no_warning(name, multilabel):
    texts, ids = ODD[name]
    schema, labels = BINARY, np.array(ids)
    if multilabel:
        schema, labels = LabelSchema(BINARY.names, "multilabel"), np.eye(2)[ids]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = ngrams(texts, labels, ["良い", "", "\ud800", "x" * 5000], schema)
    predictions = result.predictions["test"]
    assert predictions.shape == ((4, 2) if multilabel else (4,))
    assert set(np.unique(predictions)) <= {0, 1}
    assert all(result.notes)


def test_no_text_to_predict_gives_no_predictions():
    for schema, labels in ((BINARY, np.array([0, 1])), (TAGS, np.eye(3)[:2])):
        for result in run_baselines(["良い", "悪い"], labels, {"test": []}, schema):
            assert result.predictions["test"].shape == (0, *labels.shape[1:])


def test_no_training_texts_are_refused():
    with pytest.raises(DataError) as caught:
        run_baselines([], np.zeros(0), {"test": ["x"]}, BINARY)
    assert caught.value.code == "JPT-D060"


def test_a_label_without_training_texts_is_never_given():
    schema = LabelSchema(("a", "b", "c"), "multiclass")
    result = ngrams(["良い", "悪い"] * 5, np.array([0, 2] * 5), ["良い", "悪い"], schema)
    assert result.predictions["test"].tolist() == [0, 2]


def test_long_texts_are_read_up_to_a_limit_and_that_is_said(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_CHARACTERS", 10)
    result = ngrams(["良い" * 50, "悪い"], np.array([1, 0]), ["良い", "悪い"], BINARY)
    assert result.predictions["test"].tolist() == [1, 0]
    assert any("10" in note for note in result.notes)


def test_very_many_characters_are_sampled_and_that_is_said(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_TRAINING_CHARACTERS", 40)
    result = ngrams(["良い", "悪い"] * 50, np.array([1, 0] * 50), ["良い", "悪い"], BINARY)
    assert result.predictions["test"].tolist() == [1, 0]
    assert any("20 of 100" in note for note in result.notes)


def test_a_solver_that_is_stopped_early_is_said_and_does_not_warn(monkeypatch):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("あいうえお"), 8)) for _ in range(200)]
    monkeypatch.setattr(baselines, "MAX_PASSES", 5)
    result = ngrams(texts, rng.integers(0, 2, 200), texts, BINARY)
    assert any("5 passes" in note for note in result.notes)


@pytest.mark.parametrize("limit", ["MAX_UPDATES", "MAX_WEIGHTS"])
@pytest.mark.parametrize("multilabel", [False, True])
def test_what_is_too_much_for_the_linear_model_goes_to_the_nearest_mean(monkeypatch, limit, multilabel):
    monkeypatch.setattr(baselines, limit, 10)
    texts, tags = tagged()
    if multilabel:
        schema, labels = TAGS, TAGS.encode(tags)
    else:
        schema = LabelSchema.infer([("+".join(row) or "なし",) for row in tags])
        labels = schema.encode([("+".join(row) or "なし",) for row in tags])
    result = ngrams(texts, labels, texts, schema)
    assert any("nearest mean" in note for note in result.notes)
    np.testing.assert_array_equal(result.predictions["test"], labels)


def test_five_thousand_labels_stay_in_bounds():
    import tracemalloc

    schema = LabelSchema(tuple(f"{number:04}" for number in range(5000)), "multiclass")
    texts = [f"商品番号{number:04}の感想" for number in range(5000) for _ in range(2)]
    labels = np.repeat(np.arange(5000), 2)
    tracemalloc.start()
    result = ngrams(texts, labels, texts[::5], schema)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500e6
    assert (result.predictions["test"] == labels[::5]).mean() > 0.9


def examples(texts, names):
    return Examples(list(texts), [(name,) for name in names], list(range(1, len(texts) + 1)))


def test_a_comparison_sets_the_model_beside_its_baselines(reviews):
    texts, names = zip(*reviews, strict=True)
    half = examples(texts, names)
    predictions = BINARY.encode([(name,) for name in names])
    comparison = compare(BINARY, half, half, predictions, split="validation", encoder_seconds=12.5)
    assert [row.name for row in comparison.rows] == ["majority", "ngrams", "encoder"]
    assert comparison.rows[-1].accuracy.score == 1.0
    assert comparison.rows[-1].seconds == 12.5
    assert comparison.n_texts == 24
    written = comparison.to_json()
    assert written["systems"][0]["scores"]["accuracy"] == 0.5
    assert written["systems"][0]["intervals"]["accuracy"][0] < 0.5
    majority, _, model = comparison.rows
    assert (majority.mcnemar.only_b, majority.mcnemar.only_a) == (12, 0)
    assert majority.mcnemar.p_value < 0.001
    assert majority.against.low > 0
    assert model.mcnemar is None
    assert model.against is None
    assert [ComparisonRow.from_json(one).to_json() for one in written["systems"]] == written["systems"]
    assert Verdict.from_json(written["verdict"]).to_json() == comparison.verdict.to_json()
    assert written["split"] == "validation"
    assert written["verdict"]["outcome"] == "not_better"
    assert written["verdict"]["sentence"] == str(comparison.verdict)
    table = comparison.table()
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_a_comparison_of_a_multilabel_task_counts_texts_with_all_labels_right():
    texts, tags = tagged()
    data = Examples(texts, tags, list(range(1, len(texts) + 1)))
    comparison = compare(TAGS, data, data, TAGS.encode(tags), split="test", encoder_seconds=1.0)
    assert comparison.to_json()["systems"][-1]["scores"] == {"subset_accuracy": 1.0, "macro_f1": 1.0}
    assert messages.text("metric.subset_accuracy") in comparison.table().columns


@pytest.mark.parametrize(
    ("right", "outcome"),
    [(0.95, "better"), (0.72, "not_better"), (0.5, "worse")],
    ids=str,
)
@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_the_verdict_tells_better_from_not_clearly_better_from_worse(right, outcome, language):
    messages.use_language(language)
    rng = np.random.default_rng(3)
    references = rng.integers(0, 2, 300)
    weak, strong = (np.where(rng.random(300) < share, references, 1 - references) for share in (0.4, 0.7))
    model = np.where(rng.random(300) < right, references, 1 - references)
    found = [BaselineResult("majority", 0.0, {"test": weak}), BaselineResult("ngrams", 0.1, {"test": strong})]
    verdict = verdict_against_baselines(BINARY, references, model, found, split="test")
    assert verdict.baseline == "ngrams"
    assert verdict.outcome == outcome
    assert verdict.is_warning == (outcome != "better")
    assert messages.text("baseline.ngrams") in str(verdict)
    rows = comparison_table(BINARY, references, found, split="test")
    assert rows[1].macro_f1.score > rows[0].macro_f1.score


@pytest.mark.parametrize(("name", "least"), [("pn", 0.825), ("rhr", 0.885)])
def test_ngrams_are_strong_on_real_reviews(shared, name, least):
    with (shared / "data" / "jrte" / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    train, dev = ([row for row in rows if row[4] == split] for split in ("train", "dev"))
    schema = LabelSchema.infer([(row[1],) for row in train])
    labels, references = (schema.encode([(row[1],) for row in some]) for some in (train, dev))
    result = ngrams([row[2] for row in train], labels, [row[2] for row in dev], schema)
    assert metric_value("accuracy", schema, references, result.predictions["test"]) >= least
    assert result.seconds < 10
    assert result.notes == ()
