"""Cross-validation: folds, predictions of unseen texts, and going on where it stopped."""

import json
import signal
import time
from collections import Counter

import numpy as np
import pytest

from jptextclf import cross_validate
from jptextclf.cli import cli
from jptextclf.cross_validation import spread_of
from jptextclf.data.examples import Examples
from jptextclf.data.loading import load_data
from jptextclf.data.splits import assign_folds
from jptextclf.errors import ConfigError, DataError
from jptextclf.progress import Logged

SETTINGS = {
    "epochs": 1, "max_length": 32, "device": "cpu", "precision": "float32", "validation_fraction": 0.25, "seed": 3,
    "batch_size": 16,
}  # fmt: skip
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]


def examples_of(texts, labels):
    return Examples(list(texts), [tuple(names) for names in labels], list(range(1, len(texts) + 1)))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def done(tmp_path_factory, tiny_encoder, reviews_csv):
    """Three folds of the reviews; do not change it."""
    out = tmp_path_factory.mktemp("cv") / "結果"
    return cross_validate(reviews_csv, model=str(tiny_encoder), out=out, folds=3, **SETTINGS)


# --- folds ---


def test_folds_are_of_one_size_and_have_the_same_share_of_each_label():
    labels = [("a",)] * 50 + [("b",)] * 30 + [("c",)] * 20
    folds = assign_folds(examples_of([f"文{n}" for n in range(100)], labels), n_folds=5, seed=0)
    for fold in range(5):
        counts = Counter(labels[index] for index in range(100) if folds[index] == fold)
        assert counts == {("a",): 10, ("b",): 6, ("c",): 4}


def test_folds_depend_on_texts_and_seed_and_not_on_their_order():
    texts, labels = [f"文{n}" for n in range(40)], [("ab"[n % 2],) for n in range(40)]
    folds = assign_folds(examples_of(texts, labels), n_folds=4, seed=1)
    turned = assign_folds(examples_of(texts[::-1], labels[::-1]), n_folds=4, seed=1)
    assert turned[::-1] == folds
    assert assign_folds(examples_of(texts, labels), n_folds=4, seed=2) != folds


def test_duplicates_and_groups_stay_in_one_fold():
    texts = [f"文{n}" for n in range(30)] + [f"文{n}!！" for n in range(30)]
    together = [f"客{n // 3}" if n < 12 else "" for n in range(60)]
    folds = assign_folds(examples_of(texts, [("a",)] * 60), n_folds=5, seed=0, together=together)
    assert folds[:30] == folds[30:]
    assert all(
        len({folds[index] for index in range(60) if together[index] == f"客{n}"}) == 1 for n in range(4)
    )
    assert max(Counter(folds).values()) - min(Counter(folds).values()) <= 6


def test_groups_that_share_a_duplicate_are_one():
    texts, together = ["同じ", "別 1", "同じ！", "別 2", "他 1", "他 2"], ["x", "x", "y", "y", "", "z"]
    folds = assign_folds(examples_of(texts, [("a",)] * 6), n_folds=3, seed=0, together=together)
    assert len(set(folds[:4])) == 1
    assert len(set(folds)) == 3


def test_validation_texts_are_held_out_by_groups_and_no_label_is_lost():
    from jptextclf.config import TrainConfig
    from jptextclf.cross_validation import _validation_of_groups

    labels = [("rare",) if n in {0, 39} else ("a",) if n % 2 else ("b",) for n in range(40)]
    together = [f"客{n // 4}" for n in range(40)]
    rest = examples_of([f"文{n}" for n in range(40)], labels)
    for seed in range(5):
        learned, held = _validation_of_groups(
            rest, together, TrainConfig(validation_fraction=0.25, seed=seed)
        )
        sides = [{together[row - 1] for row in side.rows} for side in (learned, held)]
        assert not sides[0] & sides[1]
        assert 6 <= len(held) <= 14
        assert {name for names in learned.labels for name in names} == {"rare", "a", "b"}


def test_rare_labels_of_multilabel_texts_are_spread():
    generator = np.random.default_rng(0)
    labels = [
        tuple(
            name
            for name, share in {"a": 0.5, "b": 0.3, "c": 0.06, "d": 0.02}.items()
            if generator.random() < share
        )
        for _ in range(500)
    ]
    folds = np.array(assign_folds(examples_of([f"文{n}" for n in range(500)], labels), n_folds=5, seed=0))
    for name in "abcd":
        counts = [sum(name in labels[index] for index in np.flatnonzero(folds == fold)) for fold in range(5)]
        assert max(counts) - min(counts) <= 2, (name, counts)
    assert max(np.bincount(folds)) - min(np.bincount(folds)) <= 4


def test_many_texts_and_labels_are_dealt_out_quickly():
    n = 20_000
    labels = [(f"l{number % 500}",) for number in range(n)]
    started = time.process_time()
    folds = assign_folds(examples_of([f"文{number}" for number in range(n)], labels), n_folds=5, seed=0)
    assert time.process_time() - started < 5
    assert set(np.bincount(folds)) == {n // 5}


# --- predictions ---


def test_every_text_is_predicted_by_a_model_that_has_not_seen_it(done, reviews_csv):
    texts = load_data(reviews_csv).splits["train"]
    rows = lines(done.path / "out_of_fold.jsonl")
    assert [row["row"] for row in rows] == texts.rows
    assert [row["text"] for row in rows] == texts.texts
    assert [(row["label"],) for row in rows] == texts.labels
    assert [(row["predicted_label"],) for row in rows] == done.labels
    assert [row["fold"] for row in rows] == done.fold_numbers.tolist()
    assert Counter(row["fold"] for row in rows) == {1: 24, 2: 24, 3: 24}
    for row in rows:
        probabilities = {name: row[f"probability:{name}"] for name in done.schema.names}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert max(probabilities, key=probabilities.get) == row["predicted_label"]
    # The same review with more marks of exclamation is the same text.
    by_text = {}
    for row in rows:
        by_text.setdefault(row["text"].rstrip("！"), set()).add(row["fold"])
    assert {len(folds) for folds in by_text.values()} == {1}


def test_a_fold_is_predicted_by_the_training_of_the_others(done, tiny_encoder, reviews_csv, tmp_path):
    """The second fold once more by hand, with the plain training of a run."""
    from jptextclf import train

    texts = load_data(reviews_csv).splits["train"]
    others, held = (np.flatnonzero(one) for one in (done.fold_numbers != 2, done.fold_numbers == 2))
    rest, unseen = texts.select(others.tolist()), texts.select(held.tolist())
    run = train(
        (rest.texts, [names[0] for names in rest.labels]),
        model=str(tiny_encoder),
        out=tmp_path / "run",
        **SETTINGS,
    )
    expected = run.predict(unseen.texts)
    np.testing.assert_allclose(done.probabilities[held], expected.probabilities, atol=2e-6)
    assert [done.labels[index] for index in held] == expected.labels


def test_scores_are_those_of_the_folds_and_of_all_predictions(done, reviews_csv):
    from jptextclf.evaluation import metric_value

    texts = load_data(reviews_csv).splits["train"]
    references = done.schema.encode(texts.labels)
    for name, spread in done.scores.items():
        for number, value in enumerate(spread.values, 1):
            fold = done.fold_numbers == number
            assert value == metric_value(name, done.schema, references[fold], done.label_ids[fold])
        assert spread.mean == pytest.approx(np.mean(spread.values))
        assert spread.deviation == pytest.approx(np.std(spread.values, ddof=1))
        assert 0 <= spread.low <= spread.mean <= spread.high <= 1
        assert done.evaluation.scores[name] == metric_value(name, done.schema, references, done.label_ids)
    assert json.loads((done.path / "scores.json").read_text(encoding="utf-8")) == done.to_json()


def test_the_interval_is_students_with_the_correction_for_shared_training_texts():
    # By hand: t(0.975, 4) = 2.776445, sd = 0.0158114, sqrt(1/5 + 1/4) = 0.6708204.
    spread = spread_of("accuracy", [0.78, 0.79, 0.80, 0.81, 0.82])
    assert spread.mean == pytest.approx(0.8)
    assert spread.high - spread.mean == pytest.approx(2.776445 * 0.01581139 * 0.6708204, rel=1e-5)


def test_a_test_split_is_not_touched_and_a_validation_split_serves_all_folds(tmp_path, tiny_encoder, reviews):
    rows = [
        f"{text},{label},{'test' if n % 6 == 0 else 'validation' if n % 6 == 1 else 'train'}"
        for n, (text, label) in enumerate(reviews)
    ]
    data = tmp_path / "data.csv"
    data.write_text("text,label,split\n" + "\n".join(rows) + "\n", encoding="utf-8")
    out = tmp_path / "out"
    found = cross_validate(data, model=str(tiny_encoder), out=out, folds=2, **SETTINGS)
    assert len(found.examples) == 16
    assert {row["text"] for row in lines(out / "out_of_fold.jsonl")} == {
        text for n, (text, _) in enumerate(reviews) if n % 6 > 1
    }
    assert [fold.n_train for fold in found.folds] == [8, 8]
    assert sorted(json.loads((out / "cross_validation.json").read_text("utf-8"))["texts"]) == [
        "train",
        "validation",
    ]


def test_groups_of_a_column_and_a_csv_of_predictions(tmp_path, tiny_encoder, reviews):
    data = tmp_path / "data.csv"
    rows = [f"客{n % 12},{text},{label}" for n, (text, label) in enumerate(reviews)]
    data.write_text("顧客,本文,ラベル\n" + "\n".join(rows) + "\n", encoding="utf-8")
    found = cross_validate(
        data, model=str(tiny_encoder), out=tmp_path / "out", folds=2, group_column="顧客", predictions_format="csv",
        **SETTINGS,
    )  # fmt: skip
    folds = found.fold_numbers
    assert all(folds[n] == folds[n + 12] for n in range(12))
    header, *rest = (tmp_path / "out/out_of_fold.csv").read_text(encoding="utf-8-sig").splitlines()
    assert header == "row,text,label,predicted_label,fold,probability:悪い,probability:良い"
    assert len(rest) == 24
    with pytest.raises(DataError) as caught:
        cross_validate(data, model=str(tiny_encoder), out=tmp_path / "b", group_column="顧客番号", **SETTINGS)
    assert "顧客" in str(caught.value)


def test_several_labels(tmp_path, tiny_encoder, reviews):
    texts = [text for text, _ in reviews]
    labels = [
        [label, "部屋"] if "部屋" in text or n % 5 == 0 else [label]
        for n, (text, label) in enumerate(reviews)
    ]
    found = cross_validate(
        (texts, labels), model=str(tiny_encoder), out=tmp_path / "out", folds=2, **SETTINGS
    )
    rows = lines(tmp_path / "out/out_of_fold.jsonl")
    assert found.schema.is_multilabel
    assert [row["label"] for row in rows] == labels
    assert [tuple(row["predicted_label"]) for row in rows] == found.labels


def test_a_frozen_encoder(tmp_path, tiny_encoder, reviews_csv):
    found = cross_validate(
        reviews_csv, model=str(tiny_encoder), out=tmp_path / "out", folds=2, mode="features", max_length=32, seed=3, validation_fraction=0.25,
        device="cpu",
    )  # fmt: skip
    assert len(lines(tmp_path / "out/out_of_fold.jsonl")) == len(found.examples) == 72


# --- going on ---


def test_what_is_done_is_not_done_again(done, tiny_encoder, reviews_csv, tmp_path):
    import shutil

    out = shutil.copytree(done.path, tmp_path / "copy")
    (out / "fold-2.json").unlink()
    kept = {name: (out / name).stat().st_mtime_ns for name in ("fold-1.json", "fold-3.json")}
    again = cross_validate(reviews_csv, model=str(tiny_encoder), out=out, folds=3, **SETTINGS)
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    np.testing.assert_array_equal(again.probabilities, done.probabilities)
    assert (out / "out_of_fold.jsonl").read_bytes() == (done.path / "out_of_fold.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("change", "named"),
    [({"epochs": 2}, "settings.epochs"), ({"folds": 2}, "folds"), ({"seed": 4}, "settings.seed"),
     ({"max_length": 16}, "settings.max_length")],
)  # fmt: skip
def test_other_settings_are_refused(done, tiny_encoder, reviews_csv, change, named):
    with pytest.raises(ConfigError) as caught:
        cross_validate(
            reviews_csv, model=str(tiny_encoder), out=done.path, **{"folds": 3, **SETTINGS, **change}
        )
    assert caught.value.code == "JPT-U147"
    assert f"{named}:" in str(caught.value)
    assert (done.path / "fold-1.json").exists()


def test_other_data_are_refused(done, tiny_encoder, reviews_csv, tmp_path):
    other = tmp_path / "reviews.csv"
    other.write_bytes(reviews_csv.read_bytes().replace("清潔".encode("cp932"), "不潔".encode("cp932")))
    with pytest.raises(ConfigError) as caught:
        cross_validate(other, model=str(tiny_encoder), out=done.path, folds=3, **SETTINGS)
    assert caught.value.code == "JPT-U147"
    assert "texts.train.sha256" in str(caught.value)


def test_how_fast_it_is_computed_may_change(done, tiny_encoder, reviews_csv):
    again = cross_validate(
        reviews_csv, model=str(tiny_encoder), out=done.path, folds=3, **{**SETTINGS, "max_tokens": 512}
    )
    np.testing.assert_array_equal(again.label_ids, done.label_ids)


def test_a_directory_of_something_else_is_left_alone(tmp_path, tiny_encoder, reviews_csv):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        cross_validate(reviews_csv, model=str(tiny_encoder), out=tmp_path, **SETTINGS)
    assert caught.value.code == "JPT-U145"
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_a_process_left_that_died_at_its_first_write_is_no_obstacle(tmp_path):
    from jptextclf.continued import continued

    (tmp_path / "owner.lock").touch()
    (tmp_path / ".jptextclf-abc").write_text('{"fol', encoding="utf-8")
    with continued(tmp_path, record="cross_validation.json"):
        assert [one.name for one in tmp_path.iterdir()] == ["owner.lock"]


@pytest.mark.parametrize("name", ["cross_validation.json", "fold-1.json"])
def test_damaged_records_are_refused(done, tiny_encoder, reviews_csv, tmp_path, name):
    import shutil

    out = shutil.copytree(done.path, tmp_path / "copy")
    (out / name).write_text('{"a": 1', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        cross_validate(reviews_csv, model=str(tiny_encoder), out=out, folds=3, **SETTINGS)
    assert caught.value.code == "JPT-U145"
    assert name in str(caught.value)


@pytest.mark.parametrize("folds", [1, 0, -3, True, 2.5, 1000])
def test_a_number_of_folds_that_cannot_be(folds, tmp_path, tiny_encoder, reviews_csv):
    with pytest.raises(ConfigError) as caught:
        cross_validate(reviews_csv, model=str(tiny_encoder), out=tmp_path / "out", folds=folds, **SETTINGS)
    assert caught.value.code == "JPT-U148"
    assert not (tmp_path / "out").exists()


def test_a_label_whose_texts_are_all_the_same_is_refused(tmp_path, tiny_encoder, reviews):
    texts, labels = [text for text, _ in reviews], [label for _, label in reviews]
    data = ([*texts, "普通です", "普通です。"], [*labels, "普通", "普通"])
    with pytest.raises(ConfigError) as caught:
        cross_validate(data, model=str(tiny_encoder), out=tmp_path / "out", folds=2, **SETTINGS)
    assert caught.value.code == "JPT-U146"
    assert "普通" in str(caught.value)


def test_several_processes_are_refused(tmp_path, tiny_encoder, reviews_csv, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError) as caught:
        cross_validate(reviews_csv, model=str(tiny_encoder), out=tmp_path / "out", **SETTINGS)
    assert caught.value.code == "JPT-U149"


def test_a_second_process_is_refused(done, tiny_encoder, reviews_csv):
    from jptextclf.continued import continued

    with continued(done.path, record="cross_validation.json"), pytest.raises(ConfigError) as caught:
        cross_validate(reviews_csv, model=str(tiny_encoder), out=done.path, folds=3, **SETTINGS)
    assert caught.value.code == "JPT-U173"


class Interrupts(Logged):
    """Presses Ctrl-C in the second training, after some steps."""

    def __init__(self, steps):
        self.phases = self.left = 0
        self.steps = steps
        self.said = []

    def begin(self, phase, total):
        self.phases += phase == "Training"
        self.left = self.steps if phase == "Training" and self.phases == 2 else 0

    def advance(self, n, note=""):
        if self.left and n:
            self.left -= 1
            if not self.left:
                signal.raise_signal(signal.SIGINT)

    def say(self, sentence):
        self.said.append(sentence)


def test_a_fold_that_is_interrupted_goes_on_from_its_checkpoint(tmp_path, tiny_encoder, reviews_csv, done):
    out, options = tmp_path / "out", {"model": str(tiny_encoder), "folds": 3, **SETTINGS}
    with pytest.raises(KeyboardInterrupt):
        cross_validate(reviews_csv, out=out, progress=Interrupts(2), **options)
    assert (out / "fold-1.json").exists()
    assert any((out / "fold-2.unfinished/checkpoints").iterdir())
    progress = Interrupts(0)
    again = cross_validate(reviews_csv, out=out, progress=progress, **options)
    assert "Fold 1 of 3 was done before." in progress.said
    assert any("step 2" in one for one in progress.said)
    np.testing.assert_array_equal(again.probabilities, done.probabilities)
    assert sorted(one.name for one in out.iterdir()) == [
        "cross_validation.json", "fold-1.json", "fold-2.json", "fold-3.json", "out_of_fold.jsonl", "owner.lock",
        "scores.json",
    ]  # fmt: skip


# --- the command ---


def test_the_command_shows_folds_mean_and_interval(done, tiny_encoder, reviews_csv, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    command = [
        "cross-validate",
        str(reviews_csv),
        f"--model={tiny_encoder}",
        "--folds=3",
        f"--out={done.path}",
        *FLAGS,
    ]
    with pytest.raises(SystemExit) as end:
        cli.main(command)
    out, said = capsys.readouterr()
    assert end.value.code == 0, said
    spread = done.scores["accuracy"]
    assert "Fold 3" in out
    assert f"{spread.mean:.3f} ± {spread.deviation:.3f}" in out
    assert f"{spread.low:.3f} – {spread.high:.3f}" in out
    assert out.strip().endswith(str(done.path))
    with pytest.raises(SystemExit):
        cli.main([*command, "--json", "--quiet"])
    out, said = capsys.readouterr()
    assert json.loads(out) == {**done.to_json(), "path": str(done.path)}
