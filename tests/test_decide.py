"""A run decides by the rule that it was told: in Python, on the command line, in files, scores and exports."""

import csv
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

import jptextclf
from jptextclf import api, messages
from jptextclf.bundle import open_bundle, require_sealed, seal
from jptextclf.cli import cli
from jptextclf.decisions.answers import FILE, Answers, read_answers, write_answers
from jptextclf.errors import ConfigError, DataError, SetupError
from jptextclf.progress import Silent


@pytest.fixture(scope="module")
def data(reviews, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "split"])
        for number, (text, label) in enumerate(reviews * 4):
            split = ("train", "train", "validation", "test")[number % 4]
            writer.writerow([f"{text}{number}", label, split])
    return path


@pytest.fixture(scope="module")
def trained_run(data, tiny_encoder, tmp_path_factory):
    return api.train(
        data, out=tmp_path_factory.mktemp("runs") / "a", model=str(tiny_encoder), epochs=1, learning_rate=1e-3,
        device="cpu", max_length=64, report=False, progress=Silent(),
    )  # fmt: skip


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(trained_run.path, tmp_path / "a")


def test_a_run_holds_the_answers_that_it_was_judged_by(trained_run, data):
    found = read_answers(trained_run.path, trained_run.schema)
    assert set(found) == {"validation", "test"}
    scored = api.evaluate(trained_run, data, split="test")
    given = found["test"].probabilities.argmax(axis=1)
    assert (given == found["test"].references).mean() == pytest.approx(scored.scores["accuracy"])


def test_without_a_goal_nothing_changes(run):
    before = (run / "jptextclf.json").read_bytes()
    found = jptextclf.decide(run)
    assert not found.written
    shares = [one.review_share for one in found.table]
    assert len(shares) == 6
    assert all(share <= most for share, most in zip(shares, (0, 0.05, 0.1, 0.2, 0.3, 0.5), strict=True))
    assert shares == sorted(shares)
    assert shares[-1] > 0.25
    assert found.tables() == []
    assert (run / "jptextclf.json").read_bytes() == before
    assert not jptextclf.decide(run, max_review=0.3, dry_run=True).written
    assert (run / "jptextclf.json").read_bytes() == before


def test_the_rule_is_kept_and_used_everywhere(run, data, tmp_path):
    found = jptextclf.decide(run, max_review=0.25)
    assert found.written
    assert 0 < found.after["validation"].review_share <= 0.25
    assert found.before["validation"].n_review == 0
    require_sealed(open_bundle(run))
    opened = api.load(run, device="cpu")
    assert opened.bundle.rule.promise["goal"] == "max_review"
    scored = api.evaluate(opened, data, split="validation")
    assert scored.review == found.after["validation"]
    assert scored.to_json()["review"]["n_review"] == scored.review.n_review
    assert any(str(scored.review.n_review) in one for one in scored.remarks())
    assert opened.bundle.record["scores"]["test"]["scores"]["accuracy"] == pytest.approx(
        found.after["test"].accuracy, abs=1e-6
    )
    output = tmp_path / "out.csv"
    api.predict_file(opened, data, output)
    with output.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    asked = [row["needs_review"] for row in rows if row["split"] == "validation"]
    assert asked.count("true") == scored.review.n_review
    assert set(asked) == {"true", "false"}
    lines = ["朝食が美味しい", "最悪"]
    done = CliRunner().invoke(cli, ["predict", str(run)], input="\n".join(lines))
    assert [line.split("\t")[2] for line in done.stdout.splitlines()] == [
        str(bool(one)).lower() for one in opened.predict(lines).needs_review
    ]
    (said,) = opened.predict(["朝食が美味しい"]).to_json(["朝食が美味しい"])
    assert isinstance(said["needs_review"], bool)


def test_the_default_is_what_it_was(run):
    before = json.loads((run / "jptextclf.json").read_text(encoding="utf-8"))
    jptextclf.decide(run, max_review=0.25)
    jptextclf.decide(run, default=True)
    after = json.loads((run / "jptextclf.json").read_text(encoding="utf-8"))
    for name in ("thresholds", "rule", "labels"):
        assert after[name] == before[name]
    for split, scores in before["scores"].items():
        assert after["scores"][split]["scores"] == pytest.approx(scores["scores"], abs=1e-5)
    assert "needs_review" not in api.load(run, device="cpu").predict(["良い"]).to_json(["良い"])[0]


def test_costs_from_a_file_change_the_labels(run, tmp_path):
    names = open_bundle(run).schema.names
    file = tmp_path / "costs.csv"
    file.write_text(f"label,{names[1]}\n{names[0]},1000000\n", encoding="utf-8")
    done = CliRunner().invoke(cli, ["decide", str(run), "--costs", str(file), "--json", "--lang", "en"])
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["after"]["validation"]["cost"] <= found["before"]["validation"]["cost"]
    assert set(api.load(run, device="cpu").predict(["朝食が美味しい", "最悪"]).label_ids.tolist()) == {0}


def test_the_command_says_what_can_be_had_and_what_was_done(run):
    for language, words in (
        ("en", ("For a person", "decides by this rule")),
        ("ja", ("人に回す件数", "判定するように")),
    ):
        done = CliRunner().invoke(cli, ["decide", str(run), "--lang", language])
        assert done.exit_code == 0, done.stderr
        assert words[0] in done.stdout
        done = CliRunner().invoke(cli, ["decide", str(run), "--max-review", "0.2", "--lang", language])
        assert done.exit_code == 0, done.stderr
        assert words[1] in done.stderr


def test_a_promise_that_other_texts_break_is_told(run):
    messages.use_language("en")
    bundle = open_bundle(run)
    answers = read_answers(run, bundle.schema)
    # Validation: always right and sure. Test: always wrong and as sure.
    n = 100
    sure = np.tile(np.array([[0.9, 0.1]], dtype=np.float32), (n, 1))
    wrong = np.ones(n, dtype=np.int64)
    write_answers(
        {"validation": Answers(bundle.schema, sure, 1 - wrong), "test": Answers(bundle.schema, sure, wrong)},
        run,
    )
    seal(run, bundle.to_json())
    found = jptextclf.decide(run, min_accuracy=0.9, dry_run=True)
    assert ["accuracy of the rest 0.000 instead of 0.9" in one for one in found.remarks()] == [True]
    found = jptextclf.decide(run, min_precision=0.9, dry_run=True)
    assert any(f"{bundle.schema.names[0]} (0.000)" in one for one in found.remarks())
    assert len(found.tables()) == 1
    assert set(answers) == {"validation", "test"}


def test_both_rules_are_priced_alike(run):
    jptextclf.decide(run, max_review=1.0)
    names = open_bundle(run).schema.names
    found = jptextclf.decide(run, costs={names[0]: {names[1]: 3}}, review_cost=0.25, dry_run=True)
    # Before, everything went to a person.
    assert found.before["validation"].cost == pytest.approx(0.25)


def test_a_desktop_that_looked_into_a_run_does_not_lock_it(run):
    (run / ".DS_Store").write_bytes(b"x")
    assert jptextclf.decide(run, max_review=0.3).written
    (run / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SetupError):
        jptextclf.decide(run, max_review=0.2)
    assert (run / "notes.txt").is_file()


def test_what_can_be_had_does_not_hang_on_the_rule_before(run):
    fresh = jptextclf.decide(run).table
    jptextclf.decide(run, max_review=1.0)
    assert jptextclf.decide(run).table == fresh


def test_other_data_can_be_tuned_on(run, data):
    found = jptextclf.decide(run, max_review=0.5, data=data, split="test")
    assert (found.tuned_on, set(found.after)) == ("test", {"test"})
    (run / FILE).unlink()
    # What is gone is noticed.
    with pytest.raises(SetupError):
        jptextclf.decide(run)


def test_what_cannot_be_asked_is_refused(run, data):
    messages.use_language("en")
    before = (run / "jptextclf.json").read_bytes()
    for code, options in (
        ("U206", {"min_precision": 0.9, "max_review": 0.1}),
        ("U206", {"review_cost": 1}),
        ("U207", {"min_precision": 1.5}),
        ("U207", {"max_review": float("nan")}),
        ("U207", {"costs": {}, "review_cost": -1}),
        ("U204", {"costs": {"nothing": {}}}),
    ):
        with pytest.raises(ConfigError, match=f"JPT-{code}"):
            jptextclf.decide(run, **options)
    with pytest.raises(DataError):
        jptextclf.decide(run, max_review=0.1, data=data, split="nothing")
    # A slip in a name is no request for nothing.
    with pytest.raises(TypeError):
        jptextclf.decide(run, min_acuracy=0.9)
    with pytest.raises(SetupError):
        jptextclf.decide(run.parent / "none")
    assert (run / "jptextclf.json").read_bytes() == before


def test_a_multilabel_run_gives_a_label_only_where_it_is_sure(tiny_encoder, tmp_path):
    generator = np.random.default_rng(0)
    rows = [
        {"text": f"{'朝食' if a else '昼食'}が{'広い部屋' if b else '駅'}です{number}", "label": [name for name, on in (("味", a), ("部屋", b)) if on]}
        for number, (a, b) in enumerate(generator.integers(0, 2, (240, 2)))
    ]  # fmt: skip
    path = tmp_path / "tags.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    run = api.train(
        path, out=tmp_path / "a", model=str(tiny_encoder), epochs=8, learning_rate=3e-3, device="cpu", report=False, max_length=64,
        validation_fraction=0.4, progress=Silent(),
    )  # fmt: skip
    found = jptextclf.decide(run, min_precision=0.5)
    assert found.after["validation"].n_texts == len(read_answers(run.path, run.schema)["validation"])
    opened = api.load(run.path, device="cpu")
    assert opened.bundle.thresholds == found.tuned.thresholds
    # What can be had is that of fresh thresholds, also where the run's give no label at all.
    before = jptextclf.decide(run, default=True).table
    jptextclf.decide(run, min_precision=1.0)
    assert jptextclf.decide(run).table == before
    costly = jptextclf.decide(run, costs={"味": {"missed": 1000}, "部屋": {"missed": 0, "wrong": 1}})
    thresholds = dict(zip(run.schema.names, costly.tuned.thresholds, strict=True))
    assert thresholds["味"] < thresholds["部屋"]
