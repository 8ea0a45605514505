"""Several runs on the same texts: figures by hand, laws, and real runs through the API, the command and the page."""

import csv
import json
import weakref
from dataclasses import replace

import html5lib
import numpy as np
import pytest
from chromium import violations
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf import api, messages
from jptextclf.cli import cli
from jptextclf.data.loading import load_data
from jptextclf.errors import ConfigError, DataError
from jptextclf.labels import LabelSchema
from jptextclf.page_files import write_page
from jptextclf.prediction import Predictor
from jptextclf.progress import Silent
from jptextclf.run_comparison import Subject, compare_runs, shared_schema
from jptextclf.run_comparison.content import Answer, Change, rounded
from jptextclf.run_comparison.files import tables
from jptextclf.run_comparison.judging import adjust, judge_pair
from jptextclf.run_comparison.page import MOST_TEXTS

BINARY = LabelSchema(("良い", "悪い"), "binary")
MULTI = LabelSchema(("味", "接客", "部屋"), "multilabel")
HOSTILE = "<script>alert(1)</script>電話03-1234-5678まで"


def judged(references, first, other, schema=BINARY, metric="macro_f1", names=("now", "new"), **options):
    arrays = [np.asarray(one) for one in (references, first, other)]
    return judge_pair(names, schema, *arrays, metric=metric, **{"resamples": 200, **options})


def test_a_pair_by_hand():
    # Ten texts: the first is wrong on 9 of them that the other gets right, and right on one that the other misses.
    found = judged([0] * 10 + [1] * 10, [1] * 9 + [0] + [1] * 10, [0] * 9 + [1] + [1] * 10, metric="accuracy")
    assert (found.mcnemar.only_a, found.mcnemar.only_b) == (1, 9)
    assert found.mcnemar.p_value == pytest.approx(22 / 1024)
    assert found.verdict.difference == pytest.approx(0.4)
    assert found.verdict.low <= 0.4 <= found.verdict.high
    assert found.n_changed == 10
    assert found.outcome == "better"
    assert [one.support for one in found.labels] == [10, 10]
    # F1 of label 0: 2*1/(10+1) before, 2*9/(10+9) now.
    assert found.labels[0].first == pytest.approx(2 / 11)
    assert found.labels[0].other == pytest.approx(18 / 19)
    assert found.most_changed is found.labels[0]


def test_the_sentence_names_the_better_one_whichever_comes_first():
    references, bad, good = [0, 1] * 20, [1] * 40, [0, 1] * 20
    better, worse = judged(references, bad, good), judged(references, good, bad)
    assert (better.outcome, worse.outcome) == ("better", "worse")
    assert better.sentence.startswith("“new” is better than “now”: macro-F1 +0.")
    assert worse.sentence.startswith("“now” is better than “new”: macro-F1 +0.")


def test_chance_says_how_many_texts_it_would_take():
    references = [0, 1] * 50
    first, other = list(references), list(references)
    for place in range(10):
        first[place] = 1 - first[place]
    for place in range(10, 18):
        other[place] = 1 - other[place]
    found = judged(references, first, other, metric="accuracy", resamples=1000)
    assert found.outcome == "chance"
    # Of each text the difference is +-1 with probability 0.18: sigma^2 = 0.18 - 0.02^2; 7.849 * sigma^2 / 0.02^2.
    assert found.texts_needed == pytest.approx(7.849 * (0.18 - 0.0004) / 0.0004, rel=0.15)
    assert f"{rounded(found.texts_needed):,} texts" in found.sentence
    assert found.detectable == pytest.approx(2.8016 * (0.1796 / 100) ** 0.5, rel=0.1)


@pytest.mark.parametrize(("n", "expected"), [(7, 7), (99, 99), (100, 100), (1234, 1300), (987654, 990000)])
def test_needed_texts_are_rounded_upwards(n, expected):
    assert rounded(n) == expected


answers = st.lists(st.tuples(*[st.integers(0, 1)] * 3), min_size=1, max_size=40)


@settings(max_examples=25, deadline=None)
@given(answers)
def test_the_other_way_round_is_the_opposite(rows):
    references, first, other = (list(column) for column in zip(*rows, strict=True))
    there, back = (
        judged(references, first, other, resamples=20),
        judged(references, other, first, resamples=20),
    )
    for one, two in zip(there.differences, back.differences, strict=True):
        assert one.difference == pytest.approx(-two.difference)
    assert (there.mcnemar.only_a, there.mcnemar.only_b) == (back.mcnemar.only_b, back.mcnemar.only_a)
    assert there.mcnemar.p_value == back.mcnemar.p_value
    assert there.n_changed == back.n_changed


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 1)] * 6), min_size=1, max_size=30))
def test_a_run_against_itself_differs_in_nothing(rows):
    matrix = np.array(rows)
    found = judged(matrix[:, :3], matrix[:, 3:], matrix[:, 3:], schema=MULTI, resamples=20)
    assert found.outcome == "same"
    assert (found.mcnemar.p_value, found.n_changed, found.texts_needed) == (1.0, 0, None)
    assert all((one.difference, one.low, one.high) == (0, 0, 0) for one in found.differences)
    assert all(one.difference == 0 and one.test.p_value == one.adjusted == 1 for one in found.labels)


def test_labels_of_a_multilabel_task_are_tested_one_by_one():
    references = np.tile([1, 0, 1], (12, 1))
    first, other = references.copy(), references.copy()
    first[:10, 0] = 0
    other[:1, 2] = 0
    found = judged(references, first, other, schema=MULTI)
    assert [(one.test.only_a, one.test.only_b) for one in found.labels] == [(0, 10), (0, 0), (1, 0)]
    # 2 / 2^10 is the smallest of three.
    assert found.labels[0].adjusted == pytest.approx(3 * 2 / 1024)
    # The exact set: text 1 is wrong under both, 9 texts are right now.
    assert (found.mcnemar.only_a, found.mcnemar.only_b, found.mcnemar.neither) == (0, 9, 1)


def test_several_pairs_are_judged_more_strictly():
    references = [0, 1] * 50
    base, good = list(references), list(references)
    for place in range(6):
        base[place] = 1 - base[place]
    alone = judged(references, base, good, metric="accuracy", resamples=1000)
    nothing = judged(references, base, base, metric="accuracy", resamples=1000)
    adjusted = adjust([alone, nothing, nothing])
    assert adjusted[0].tests == 3
    assert adjusted[0].adjusted == pytest.approx(3 * alone.verdict.p_value)
    assert adjusted[0].adjusted_mcnemar == pytest.approx(3 * 2 / 64)
    assert adjust([alone])[0].adjusted == alone.verdict.p_value
    assert alone.outcome == "better"


def test_what_only_many_comparisons_make_chance_is_explained():
    references = [0, 1] * 50
    base, good = list(references), list(references)
    for place in range(7):
        base[place] = 1 - base[place]
    good[50] = 1 - good[50]
    alone = judged(references, base, good, metric="accuracy", resamples=1000)
    found = adjust([alone] * 40)[0]
    assert (alone.outcome, found.outcome) == ("better", "chance")
    assert "40 comparisons were made at once" in found.sentence


def test_what_became_of_a_text():
    def said(label, *, is_right):
        return Answer((label,), 0.9, is_right)

    right, wrong, other = said("a", is_right=True), said("b", is_right=False), said("c", is_right=False)
    kinds = [
        Change(1, "", ("a",), pair).kind(1)
        for pair in ((right, wrong), (wrong, right), (wrong, other), (wrong, wrong))
    ]
    assert kinds == ["lost", "gained", "both_wrong", None]
    # Names of a multi-label task have no order.
    same = (Answer(("x", "y"), 0.5, is_right=False), Answer(("y", "x"), 0.4, is_right=False))
    assert Change(1, "", ("x",), same).kind(1) is None


@pytest.fixture(scope="module")
def data(reviews, tmp_path_factory):
    """Reviews with a title beside the text."""
    path = tmp_path_factory.mktemp("data") / "口コミ.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["題名", "本文", "ラベル"])
        writer.writerows([f"題{number}", words, label] for number, (words, label) in enumerate(reviews * 2))
        writer.writerow(["題", HOSTILE, "良い"])
    return path


@pytest.fixture(scope="module")
def train(tiny_encoder, tmp_path_factory):
    """Makes a run that learned hardly anything."""
    directory = tmp_path_factory.mktemp("runs")

    def make(name, source, **options):
        given = {"model": str(tiny_encoder), "max_length": 32, "device": "cpu", **options}
        if options.get("mode") != "features":
            given.setdefault("epochs", 1)
        return api.train(source, out=directory / name, report=False, progress=Silent(), **given)

    return make


@pytest.fixture(scope="module")
def now(train, data):
    return train("now", data, text_column="本文", label_column="ラベル", learning_rate=3e-3, epochs=4)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, data):
    """The same texts as another file, which no run was trained with; one was tested with it."""
    path = tmp_path_factory.mktemp("fresh") / "新しい口コミ.csv"
    path.write_text(data.read_text(encoding="utf-8") + "題,また来ます,良い\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def new(train, data, fresh):
    return train(
        "new", data, text_column="本文", label_column="ラベル", mode="features", head="logistic", test=fresh
    )


@pytest.fixture(scope="module")
def found(now, new, fresh):
    return api.compare(now.path, new.path, data=fresh, progress=Silent())


def test_scores_are_those_of_evaluate(found, now, new, fresh):
    for run, compared in zip((now, new), found.runs, strict=True):
        alone = api.evaluate(run.path, fresh, progress=Silent())
        assert {one.metric: one.score for one in compared.scores} == pytest.approx(alone.scores)
        assert {one.metric: (one.low, one.high) for one in compared.scores} == alone.intervals
    assert [one.name for one in found.runs] == ["now", "new"]
    assert found.n_texts == 50


def test_changes_add_up_and_hide_personal_data(found):
    (pair,) = found.pairs
    assert found.pairs[0].n_changed == len(found.changes) > 0
    kinds = [one.kind(1) for one in found.changes]
    assert kinds.count("gained") == pair.mcnemar.only_b
    assert kinds.count("lost") == pair.mcnemar.only_a
    confidences = [one.confidence for one in found.changes]
    assert confidences == sorted(confidences, reverse=True)
    assert not any("1234" in one.text for one in found.changes)


def test_cost_is_measured(found, now):
    costs = [one.cost for one in found.runs]
    assert [one.mode for one in costs] == ["finetune", "features"]
    for cost in costs:
        assert cost.n_texts == 50
        assert cost.cpu_seconds > 0
        assert cost.wall_seconds > 0
        # Two special tokens each at least.
        assert cost.n_pieces > 100
        assert cost.device == "cpu"
        assert cost.training_seconds > 0
    weights = (now.path / "model.safetensors").stat().st_size
    assert weights < costs[0].n_bytes < weights + 100_000
    assert costs[0].parameters == sum(one.numel() for one in now.predictor.classifier.parameters())


def test_a_file_that_a_run_learned_from_is_warned_of(now, new, data, fresh, found):
    said = api.compare(now, new, data=data, progress=Silent()).remarks()
    assert [one for one in said if "may have learned" in one and "口コミ.csv" in one] == said[:2]
    assert not any("may have learned" in one for one in found.remarks())


def test_one_model_is_in_memory_at_a_time(now, new, fresh):
    alive = []

    def opened(run):
        assert not [one for one in alive if one() is not None]
        predictor = Predictor.of(run.bundle, "cpu")
        alive.append(weakref.ref(predictor))
        return predictor

    examples = load_data(fresh, text_column="本文", label_column="ラベル", training=False).splits["test"]
    subjects = [
        Subject(run.path.name, run.bundle, lambda run=run: opened(run), examples.texts, {})
        for run in (api.load(now.path, device="cpu"), api.load(new.path, device="cpu"), api.load(now.path))
    ]
    compare_runs(subjects, examples, source="", split="test", created="", resamples=10, progress=Silent())
    assert len(alive) == 3


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_page_runs_nothing_and_needs_nothing(found, language):
    messages.use_language(language)
    page = found.to_html()
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    assert not list(tree.iter("script"))
    ids = [one.get("id") for one in tree.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert {"summary", "quality", "cost", "labels", "changes", "how"} <= set(ids)
    assert tree.get("lang") == language
    for one in tree.iter():
        assert not [name for name in one.attrib if name.startswith("on")]
        assert one.get("href", "#").startswith("#")
        assert "src" not in one.attrib
    fragment = html5lib.HTMLParser(strict=True).parseFragment(found._repr_html_())
    assert "now" in "".join(fragment.itertext())


def test_texts_and_names_of_others_are_shown_and_never_run(found):
    said = (Answer(("<b>x</b>",), 0.9, is_right=False), Answer(("悪い",), 0.8, is_right=True))
    changes = tuple(Change(row, HOSTILE, ("悪い",), said) for row in range(300))
    runs = (replace(found.runs[0], name="<script>now"), found.runs[1])
    pairs = (replace(found.pairs[0], first="<script>now"),)
    page = replace(found, changes=changes, runs=runs, pairs=pairs, source="<script>").to_html()
    assert "<script" not in page
    assert "<b>x" not in page
    assert page.count("&lt;script&gt;alert(1)") == MOST_TEXTS
    assert f"{MOST_TEXTS} of 300 texts" in page


def test_files_hold_everything_and_are_replaced(found, tmp_path):
    out = tmp_path / "out"
    page = found.write(out)
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    told = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert told["schema_version"] == 1
    assert len(told["changed"]) == len(found.changes)
    assert told["pairs"][0]["sentence"] == found.pairs[0].sentence
    with (out / "csv" / "changes.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == [
        "row", "text", "reference", "label: now", "probability: now", "right: now", "label: new",
        "probability: new", "right: new",
    ]  # fmt: skip
    assert len(rows) == len(found.changes) + 1
    assert {path.stem for path in (out / "csv").iterdir()} == set(tables(found))
    found.write(str(out))
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="JPT-U025"):
        found.write(out)


def test_a_run_against_itself_in_full(now, fresh):
    found = api.compare(now, now.path, data=fresh, progress=Silent())
    assert [one.name for one in found.runs] == ["now", "now #2"]
    assert found.pairs[0].outcome == "same"
    assert found.changes == ()
    assert "No text gets another label" in found.to_html()


def test_the_command_speaks_json_on_stdout_alone(now, new, fresh, tmp_path):
    arguments = ["compare", str(now.path), str(new.path), "--data", str(fresh), "--device", "cpu"]
    done = CliRunner().invoke(cli, [*arguments, "--json", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [one["name"] for one in told["runs"]] == ["now", "new"]
    assert (tmp_path / "out" / "compare.html").is_file()
    done = CliRunner().invoke(cli, [*arguments, "--html", str(tmp_path / "a.html"), "--lang", "ja"])
    assert done.exit_code == 0, done.output
    assert "「now」" in done.stdout
    assert "モデルの比較" in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def other_labels(reviews, tmp_path_factory):
    """Half of the reviews under a third label, and a column of remarks."""
    path = tmp_path_factory.mktemp("three") / "三つ.csv"
    rows = [
        ("題", words, ("普通", label)[number % 2], f"{number}番だけ")
        for number, (words, label) in enumerate(reviews)
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("題名", "本文", "ラベル", "備考"), *rows])
    return path


@pytest.fixture(scope="module")
def third(train, other_labels):
    return train("third", other_labels, text_column="備考", label_column="ラベル")


def test_three_runs_with_other_labels_and_another_column(now, new, third, other_labels):
    found = api.compare(now.path, new.path, third.path, data=other_labels, progress=Silent())
    # 12 texts have a label that the first two do not know; the third may give it, and is wrong then.
    assert (found.n_texts, found.n_unknown, dict(found.unknown_labels)) == (12, 12, {"普通": 12})
    assert sorted(found.schema.names) == ["悪い", "普通", "良い"]
    assert [(one.first, one.other, one.tests) for one in found.pairs] == [
        ("now", "new", 2),
        ("now", "third", 2),
    ]
    assert found.runs[2].text_columns == ("備考",)
    remarks = "\n".join(found.remarks())
    assert "12 text(s) have labels" in remarks
    assert "third: 備考" in remarks
    assert all(len(one.answers) == 3 for one in found.changes)
    assert "third: macro-F1" in found.to_html()
    assert len(found.tables()[2].rows) == 2


def test_multilabel_runs(train, tmp_path):
    path = tmp_path / "タグ.csv"
    texts = [
        (f"{words}{number}番", label)
        for number in range(8)
        for words, label in (
            ("味が良い", "味"),
            ("接客が良い", "接客"),
            ("味も接客も", "味|接客"),
            ("普通", "部屋"),
        )
    ]
    path.write_text("本文,ラベル\n" + "".join(f"{a},{b}\n" for a, b in texts), encoding="utf-8")
    options = {"text_column": "本文", "label_column": "ラベル", "label_separator": "|"}
    runs = [train(f"tags-{seed}", path, seed=seed, learning_rate=5e-3, **options) for seed in (0, 1)]
    found = api.compare(*runs, data=path, metric="micro_f1", progress=Silent())
    assert found.schema.is_multilabel
    assert all(one.test is not None and one.adjusted is not None for one in found.pairs[0].labels)
    assert "subset_accuracy" in {one.metric for one in found.pairs[0].differences}
    assert "test by label counts" in found.to_html()
    with pytest.raises(ConfigError, match="JPT-U027"):
        api.compare(*runs, data=path, metric="accuracy", progress=Silent())


def test_too_few_runs_are_refused(now, fresh):
    with pytest.raises(ConfigError, match="JPT-U196"):
        api.compare(now.path, data=fresh)
    done = CliRunner().invoke(cli, ["compare", str(now.path), "--data", str(fresh)])
    assert done.exit_code == 2
    assert "JPT-U196" in done.output


def test_runs_that_cannot_be_compared_are_refused():
    east = LabelSchema(("東", "西"), "binary")
    with pytest.raises(
        ConfigError, match=r"JPT-U198 “a” and “b” have no label in common: 良い, 悪い against 東, 西"
    ):
        shared_schema(["a", "b"], [BINARY, east])
    with pytest.raises(ConfigError, match=r"JPT-U197 “a” and “b” do different tasks: binary and multilabel"):
        shared_schema(["a", "b"], [BINARY, MULTI])
    assert shared_schema(["a", "b"], [BINARY, LabelSchema(("悪い", "普通"), "binary")]) == LabelSchema(
        ("良い", "悪い", "普通"), "multiclass"
    )


def test_texts_without_a_label_that_all_know_are_refused(now, new):
    with pytest.raises(DataError, match=r"JPT-D084.*Found besides: x, y"):
        api.compare(now.path, new.path, data=(["a", "b"], ["x", "y"]), progress=Silent())


def test_runs_that_read_other_rows_are_refused(now, third, tmp_path):
    path = tmp_path / "欠け.csv"
    path.write_text("備考,本文,ラベル\n題,良かった,良い\n,残念,悪い\n", encoding="utf-8")
    with pytest.raises(DataError, match="JPT-D083"):
        api.compare(now.path, third.path, data=path, progress=Silent())
    found = api.compare(
        now.path, third.path, data=path, text_column="本文", label_column="ラベル", progress=Silent()
    )
    assert found.n_texts == 2
    assert {one.text_columns for one in found.runs} == {("本文",)}


def test_a_label_that_only_one_run_gives_does_not_make_the_better_run_worse():
    """1,000 texts of two labels; one run is 94 % right, the other 99 % and says a third label ten times."""
    schema = LabelSchema(("neg", "pos", "neutral"), "multiclass")
    references = np.array([0, 1] * 500)
    first, other = references.copy(), references.copy()
    first[:60] = 1 - first[:60]
    other[:10] = 2
    (pair,) = adjust([judge_pair(("a", "b"), schema, references, first, other, metric="macro_f1")])
    found = {one.metric: one for one in pair.differences}
    assert pair.outcome == "better"
    assert found["accuracy"].difference == pytest.approx(0.05)
    # F1 of both labels: 0.94, and 2 * 495 / (500 + 495).
    assert found["macro_f1"].difference == pytest.approx(990 / 995 - 0.94, abs=1e-6)
    assert found["macro_f1"].low > 0


def test_axe_finds_nothing_on_the_page(found, tmp_path):
    messages.use_language("ja")
    page = write_page(tmp_path / "page.html", found.to_html())
    assert violations(page, folder=tmp_path) == []


def test_a_page_never_replaces_the_data(now, new, fresh):
    held = fresh.read_bytes()
    done = CliRunner().invoke(
        cli, ["compare", str(now.path), str(new.path), "--data", str(fresh), "--html", str(fresh)]
    )
    assert (done.exit_code, done.stdout) == (2, "")
    assert "JPT-U187" in done.stderr
    assert fresh.read_bytes() == held
