"""Few labels: every way in folds, the choice, a run of all texts with honest scores, and what is refused."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from jptextclf import ConfigError, TextClassifier, cross_validate, decide, few_labels, load, search, train
from jptextclf.baselines import out_of_fold, run_baselines
from jptextclf.cli import cli
from jptextclf.config import TrainConfig
from jptextclf.data.votes import Votes
from jptextclf.decisions.answers import Answers, read_answers
from jptextclf.decisions.tuning import for_f1
from jptextclf.evaluation import metric_value
from jptextclf.few_labels import FewLabels, _compared, configured, prepare_few, settle
from jptextclf.frozen import check_mode
from jptextclf.labels import LabelSchema
from jptextclf.progress import Logged, Silent
from jptextclf.settling import OutOfFold
from jptextclf.text_profile import read_profile
from jptextclf.world import ALONE

SETTINGS = {"max_length": 48, "device": "cpu", "precision": "float32", "learning_rate": 2e-3}


@pytest.fixture(scope="module")
def few_csv(tmp_path_factory, reviews):
    path = tmp_path_factory.mktemp("few") / "few.csv"
    path.write_text(
        "text,label\n" + "\n".join(f"{text},{label}" for text, label in reviews) + "\n", encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def run(few_csv, tiny_encoder, tmp_path_factory):
    return train(
        few_csv,
        few_shot=True,
        model=str(tiny_encoder),
        out=tmp_path_factory.mktemp("few") / "run",
        **SETTINGS,
    )


def rows_of(schema, references, given, metric=None):
    found = _compared(schema, references, given, dict.fromkeys(given, 1.0), TrainConfig(metric=metric))
    return {one.way: one for one in found}


def test_a_better_score_that_may_be_chance_is_not_chosen():
    schema = LabelSchema(("bad", "good"), "binary")
    references = np.array([0, 1] * 12)
    wrong = lambda n: np.where(np.arange(24) < n, 1 - references, references)  # noqa: E731
    close = rows_of(
        schema,
        references,
        {"vectors": wrong(4), "finetune": wrong(3)[::-1] ^ 1, "ngrams": wrong(0)},
        "accuracy",
    )
    assert close["vectors"].behind == pytest.approx(1 / 24)
    assert close["vectors"].behind <= close["vectors"].error
    # The yardstick is no way that could be trained: nobody is behind it, and it may be ahead.
    assert close["finetune"].behind == 0
    assert close["ngrams"].behind == pytest.approx(-3 / 24)
    clear = rows_of(
        schema, references, {"vectors": wrong(12), "finetune": wrong(1), "ngrams": wrong(5)}, "accuracy"
    )
    assert clear["vectors"].behind > clear["vectors"].error


def test_the_settings_of_a_way_are_those_of_its_mode():
    given = TrainConfig(learning_rate=1e-3, pooling="first", lora_rank=4, few_shot=True)
    vectors, tuned = configured(given, "vectors", 24), configured(given, "finetune", 24)
    check_mode(vectors, {})
    check_mode(tuned, {})
    assert (vectors.mode, vectors.ngrams, vectors.pooling, vectors.lora_rank) == (
        "features",
        False,
        "first",
        0,
    )
    assert configured(given, "vectors_ngrams", 24).ngrams
    assert (tuned.mode, tuned.lora_rank, tuned.epochs, tuned.batch_size, tuned.patience) == (
        "finetune",
        4,
        20,
        8,
        None,
    )
    assert configured(given, "finetune", 1000).epochs == 3


def test_baselines_in_folds_have_not_seen_what_they_predict(reviews):
    texts, names = zip(*reviews, strict=True)
    schema = LabelSchema(("悪い", "良い"), "binary")
    labels = schema.encode([(one,) for one in names])
    folds = np.arange(24) % 4
    found = {one.name: one for one in out_of_fold(texts, labels, folds, schema, split="x")}
    for fold in range(4):
        others = np.flatnonzero(folds != fold)
        held = [texts[one] for one in np.flatnonzero(folds == fold)]
        alone = run_baselines([texts[one] for one in others], labels[others], {"x": held}, schema)
        for one in alone:
            np.testing.assert_array_equal(
                found[one.name].predictions["x"][folds == fold], one.predictions["x"]
            )


def test_all_texts_are_learned_from_and_the_scores_are_of_models_that_had_not_seen_them(run, reviews):
    record = run.bundle.record
    found = FewLabels.from_json(record["few_labels"])
    assert (found.n_texts, found.folds) == (24, 5)
    assert [one.way for one in found.tried] == ["vectors", "vectors_ngrams", "finetune", "ngrams"]
    assert found.chosen in {"vectors", "vectors_ngrams", "finetune"}
    assert record["scores"]["validation"]["n_texts"] == 24
    answers = read_answers(run.path, run.schema)["validation"]
    assert len(answers) == 24
    # What the run itself says of its training texts is another thing.
    own = run.predict([text for text, _ in reviews]).probabilities
    assert np.abs(own - answers.probabilities).max() > 0.02
    chosen = next(one for one in found.tried if one.way == found.chosen)
    assert record["scores"]["validation"]["scores"][chosen.metric] == pytest.approx(chosen.score, abs=1e-6)
    assert decide(run.path, max_review=0.25, dry_run=True).tuned_on == "validation"
    profile, words = read_profile(run.path, run.schema)
    assert len(profile) == 24
    assert 0 < profile.novel.sum() < profile.words.sum()
    assert len(words.fingerprints)


def test_labels_that_mean_nothing_score_as_chance_does(tiny_encoder, reviews):
    chance = random.Random(1)
    texts = [f"{text}{number}" for number in range(4) for text, _ in reviews]
    labels = [chance.choice(["a", "b"]) for _ in texts]
    fitted = TextClassifier(model=str(tiny_encoder), few_shot=True, **SETTINGS).fit(texts, labels)
    scores = fitted.bundle_.record["scores"]["validation"]["scores"]
    assert fitted.score(texts, labels) > scores["accuracy"]
    assert scores["accuracy"] < 0.7
    for one in fitted.bundle_.record["few_labels"]["tried"]:
        assert one["score"] < 0.7


def test_given_splits_are_used_as_they_are(few_csv, tiny_encoder, tmp_path, reviews):
    other = tmp_path / "other.csv"
    other.write_text(
        "text,label\n" + "\n".join(f"{text}!,{label}" for text, label in reviews[::3]) + "\n",
        encoding="utf-8",
    )
    run = train(
        few_csv,
        validation=other,
        test=other,
        few_shot=True,
        model=str(tiny_encoder),
        out=tmp_path / "run",
        **SETTINGS,
    )
    assert run.scores["validation"]["n_texts"] == run.scores["test"]["n_texts"] == 8
    assert run.bundle.record["few_labels"]["n_texts"] == 24


def test_several_labels(tiny_encoder, tmp_path, reviews):
    path = tmp_path / "several.csv"
    lines = [f"{text},{label}{'|長い' if len(text) > 13 else ''}" for text, label in reviews]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    run = train(
        path, few_shot=True, label_separator="|", model=str(tiny_encoder), out=tmp_path / "run", **SETTINGS
    )
    assert run.schema.task == "multilabel"
    assert run.scores["validation"]["n_texts"] == 24
    assert all(0 < one < 1 for one in run.bundle.thresholds)


def test_the_lock_of_a_run_gives_the_same_run(run, few_csv, tiny_encoder, tmp_path):
    again = train(few_csv, lock=run.path, model=str(tiny_encoder), out=tmp_path / "again")
    assert again.bundle.record["few_labels"]["chosen"] == run.bundle.record["few_labels"]["chosen"]
    np.testing.assert_array_equal(
        read_answers(again.path, again.schema)["validation"].probabilities,
        read_answers(run.path, run.schema)["validation"].probabilities,
    )


@pytest.mark.parametrize(("language", "words"), [("en", "Chosen: "), ("ja", "採用: ")])
def test_the_command_says_what_it_chose(few_csv, tiny_encoder, tmp_path, language, words):
    done = CliRunner().invoke(
        cli,
        [
            "--lang", language, "train", str(few_csv), "--few-shot", "--model", str(tiny_encoder), "--out", str(tmp_path / "run"),
            "--max-length", "48", "--device", "cpu", "--learning-rate", "2e-3",
        ],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert words in done.stderr
    page = (tmp_path / "run.report" / "report.html").read_text(encoding="utf-8")
    assert words in page
    data = json.loads((tmp_path / "run.report" / "report.json").read_text(encoding="utf-8"))
    assert data["evaluation"]["n_texts"] == 24
    assert load(tmp_path / "run").schema.n_labels == 2


def test_what_does_not_go_together_is_refused(few_csv, tiny_encoder, tmp_path, examples):
    options = {"model": str(tiny_encoder), "few_shot": True, **SETTINGS}
    with pytest.raises(ConfigError, match="JPT-U199"):
        train(few_csv, out=tmp_path / "run", epochs=3, **options)
    with pytest.raises(ConfigError, match="JPT-U199"):
        TextClassifier(mode="features", **options).fit(["a", "b"] * 4, ["x", "y"] * 4)
    with pytest.raises(ConfigError, match="JPT-U222"):
        cross_validate(few_csv, out=tmp_path / "cv", **options)
    with pytest.raises(ConfigError, match="JPT-U222"):
        search(few_csv, out=tmp_path / "search", **options)
    config = TrainConfig(**options)
    some = {"train": examples}
    with pytest.raises(ConfigError, match="JPT-U221"):
        prepare_few(some, config, progress=Silent(), world=replace(ALONE, size=2))
    with pytest.raises(ConfigError, match="JPT-U220"):
        settle(
            {"train": replace(examples, votes=[Votes({"良い": 1.0})] * len(examples))},
            config,
            progress=Silent(),
        )
    many = examples.select(list(range(len(examples))) * (2001 // len(examples) + 1))
    with pytest.raises(ConfigError, match="JPT-U219"):
        settle({"train": many}, config, progress=Silent())
    lonely = examples.select(
        [*np.flatnonzero([one[0] == "良い" for one in examples.labels]), len(examples) - 1]
    )
    with pytest.raises(ConfigError, match="JPT-U146"):
        settle({"train": lonely}, config, progress=Logged())


@pytest.fixture
def no_trying(monkeypatch):
    def fail(*_given, **_more):
        raise AssertionError("the ways were tried")

    monkeypatch.setattr(few_labels, "settle", fail)


@pytest.mark.usefixtures("no_trying")
def test_a_dry_run_and_a_finished_run_try_nothing(run, few_csv, tiny_encoder, tmp_path):
    plan = train(
        few_csv, few_shot=True, model=str(tiny_encoder), out=tmp_path / "run", dry_run=True, **SETTINGS
    )
    assert plan.prepared.config.mode == "features"
    again = train(few_csv, few_shot=True, model=str(tiny_encoder), out=run.path, resume=True, **SETTINGS)
    assert again.path == run.path


def test_settings_that_the_way_does_not_know_are_told(monkeypatch, caplog, tiny_encoder, examples):
    monkeypatch.setattr(few_labels, "WAYS", ("vectors",))
    config = TrainConfig(model=str(tiny_encoder), few_shot=True, loss="focal", pooling="first", **SETTINGS)
    settle({"train": examples}, config, progress=Logged())
    assert "do nothing: loss, learning_rate" in caplog.text.replace(
        "learning_rate, loss", "loss, learning_rate"
    )
    assert "pooling" not in caplog.text


def test_thresholds_of_a_fold_are_chosen_by_the_others():
    schema = LabelSchema(("a", "b"), "multilabel")
    rng = np.random.default_rng(0)
    probabilities = rng.random((60, 2)).astype(np.float32)
    references = rng.integers(0, 2, (60, 2))
    folds = np.arange(60) % 3
    found = OutOfFold(probabilities, folds).label_ids(schema, references)
    for fold in range(3):
        held = folds == fold
        others = for_f1(Answers(schema, probabilities[~held], references[~held]))
        np.testing.assert_array_equal(
            found[held], others.given(Answers(schema, probabilities[held], references[held]))
        )
    # By thresholds of their own the same texts would look better than they are.
    own = for_f1(Answers(schema, probabilities, references)).given(Answers(schema, probabilities, references))
    assert metric_value("macro_f1", schema, references, found) <= metric_value(
        "macro_f1", schema, references, own
    )
