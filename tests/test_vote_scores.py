"""Probabilities against what several annotators said: by hand, in the command, and in the report."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

from jptextclf import evaluate
from jptextclf.cli import cli
from jptextclf.data.votes import Votes, read_votes
from jptextclf.errors import DataError
from jptextclf.evaluation import Evaluation
from jptextclf.labels import LabelSchema
from jptextclf.vote_scores import vote_scores

GOOD_OR_BAD = LabelSchema(("bad", "good"), "multiclass")
ASPECTS = LabelSchema(("food", "room"), "multilabel")


def scores(schema, cells, probabilities, given):
    return vote_scores(schema, [read_votes(cell) for cell in cells], np.array(probabilities), np.array(given))


def test_a_model_that_says_what_the_annotators_say_is_0_away_from_them():
    found = scores(GOOD_OR_BAD, ['{"good": 3}', '{"good": 1, "bad": 3}'], [[0, 1], [0.75, 0.25]], [1, 0])
    assert found.n_texts == 2
    assert found.divergence.value == pytest.approx(0, abs=1e-6)
    assert found.brier.value == pytest.approx(0)
    assert found.cross_entropy.value == pytest.approx(
        -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / 2, abs=1e-6
    )
    assert found.agreement.value == pytest.approx((1 + 0.75) / 2)
    assert found.best_agreement == found.agreement.value


def test_figures_by_hand():
    found = scores(GOOD_OR_BAD, ['{"good": 2, "bad": 1}'], [[0.5, 0.5]], [0])
    assert found.cross_entropy.value == pytest.approx(math.log(2))
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert found.divergence.value == pytest.approx(math.log(2) - entropy, abs=1e-6)
    assert found.brier.value == pytest.approx(2 * (1 / 6) ** 2, abs=1e-6)
    assert found.agreement.value == pytest.approx(1 / 3)
    assert found.best_agreement == pytest.approx(2 / 3)
    # Of three annotators, the pairs that agree: good with good, 1 of 3.
    assert found.annotators_agree == pytest.approx(1 / 3)


def test_the_interval_holds_the_mean_and_narrows_with_more_texts():
    few = scores(GOOD_OR_BAD, ['["good"]', '["bad"]'] * 5, [[0.2, 0.8]] * 10, [1] * 10).agreement
    many = scores(GOOD_OR_BAD, ['["good"]', '["bad"]'] * 500, [[0.2, 0.8]] * 1000, [1] * 1000).agreement
    assert few.low < 0.5 < few.high
    assert many.low < 0.5 < many.high
    # A mean of 1,000 values of spread 1/2, at 1.96; of 10 by Student's distribution, at 2.26.
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(1000), rel=0.01)
    assert few.high - few.low == pytest.approx(2 * 2.262 * 0.527 / math.sqrt(10), rel=0.01)


def test_intervals_hold_only_what_can_be():
    found = scores(GOOD_OR_BAD, ['["good"]', '["good"]', '["bad"]'], [[0.0, 1.0]] * 3, [1] * 3)
    assert found.agreement.high == 1
    assert found.divergence.low == found.brier.low == 0
    one = scores(GOOD_OR_BAD, ['["good"]'], [[0.1, 0.9]], [1])
    assert (one.agreement.low, one.agreement.high, one.agreement.interval) == (None, None, "–")


@pytest.mark.parametrize(
    "cell", ['{"good": 1%s}' % ("0" * 400), '{"good": 1e308, "bad": 1e308}', '{"good": 2e9}']
)
def test_numbers_beyond_all_annotators_are_no_votes(cell):
    assert read_votes(cell).problem == "not_numbers"
    assert scores(GOOD_OR_BAD, [cell], [[0.5, 0.5]], [1]) is None


def test_annotators_are_held_against_the_model_on_the_same_texts():
    found = scores(GOOD_OR_BAD, ['{"good": 3}', '["bad"]'], [[0.0, 1.0]] * 2, [1, 1])
    assert found.agreement.value == 0.5
    assert (found.annotators_agree, found.agreement_there) == (1, 1)
    assert (
        scores(GOOD_OR_BAD, ['{"good": 67, "bad": 33}'] * 3, [[0.0, 1.0]] * 3, [1] * 3).annotators_agree
        is None
    )


def test_several_labels_are_a_yes_or_no_each():
    # Two of three annotators say food, none says room.
    found = scores(ASPECTS, ['[["food"], ["food"], []]'], [[2 / 3, 0.0]], [[1, 0]])
    assert found.divergence.value == pytest.approx(0, abs=1e-6)
    assert found.brier.value == pytest.approx(0, abs=1e-6)
    assert found.agreement.value == pytest.approx((2 / 3 + 1) / 2)
    assert found.annotators_agree == pytest.approx((1 / 3 + 1) / 2)


def test_texts_whose_votes_cannot_be_used_are_left_out_and_counted():
    cells = ['{"good": 2}', "", "odd", '{"new": 1}', '[["good", "bad"]]']
    found = scores(GOOD_OR_BAD, cells, [[0.0, 1.0]] * 5, [1] * 5)
    assert (found.n_texts, found.n_left_out) == (1, 4)
    assert found.agreement.value == 1
    assert vote_scores(GOOD_OR_BAD, [Votes(problem="empty")], np.array([[0.5, 0.5]]), np.array([1])) is None
    # Counts of a multi-label task say nothing without the number of annotators.
    assert scores(ASPECTS, ['{"food": 2, "room": 3}'], [[0.5, 0.5]], [[1, 1]]) is None


def test_how_far_annotators_agree_is_not_known_of_shares_and_of_single_votes():
    assert scores(GOOD_OR_BAD, ['{"good": 0.6, "bad": 0.4}'], [[0.4, 0.6]], [1]).annotators_agree is None
    assert scores(GOOD_OR_BAD, ['["good"]'], [[0.4, 0.6]], [1]).annotators_agree is None


@pytest.fixture(scope="module")
def voted(tmp_path_factory, reviews):
    path = tmp_path_factory.mktemp("voted") / "voted.csv"
    lines = ["text,label,memo,votes"]
    for number, (text, label) in enumerate(reviews):
        other = "悪い" if label == "良い" else "良い"
        votes = {label: 3} if number % 3 else {label: 2, other: 1}
        quoted = json.dumps(votes, ensure_ascii=False).replace('"', '""')
        lines.append(f'{text},{label},memo,"{quoted}"')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_evaluate_with_votes(trained, voted, reviews):
    found = evaluate(trained, voted, votes_column="votes", device="cpu")
    assert found.votes.n_texts == len(reviews)
    # A third of the texts has one vote of three against the label: 2 of 3 and, among people, 1 of 3 pairs.
    assert found.votes.best_agreement == pytest.approx(2 / 3 + 2 / 9)
    assert found.votes.annotators_agree == pytest.approx(2 / 3 + 1 / 9)
    assert found.votes.agreement.value <= found.votes.best_agreement
    assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))).votes.n_texts == len(reviews)
    assert evaluate(trained, voted, device="cpu").votes is None
    with pytest.raises(DataError, match="JPT-D085"):
        evaluate(trained, voted, votes_column="memo", device="cpu")


@pytest.mark.parametrize(("language", "words"), [("en", "annotators"), ("ja", "注釈者")])
def test_the_command_shows_them(trained, voted, language, words):
    shown = CliRunner().invoke(
        cli, ["--lang", language, "evaluate", str(trained.path), str(voted), "--votes-column", "votes", "-q"]
    )
    assert shown.exit_code == 0, shown.output
    assert words in shown.stdout
    data = CliRunner().invoke(
        cli, ["evaluate", str(trained.path), str(voted), "--votes-column", "votes", "-q", "--json"]
    )
    votes = json.loads(data.stdout)["votes"]
    assert votes["n_texts"] == 24
    assert votes["agreement"]["low"] <= votes["agreement"]["value"] <= votes["agreement"]["high"]


def test_the_report_of_a_training_and_of_other_data_has_them(trained, voted, tmp_path):
    written = trained.report(voted, votes_column="votes", out=tmp_path / "report")
    page = written.html.read_text(encoding="utf-8")
    assert "By the votes of the annotators" in page
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["evaluation"]["votes"]["n_texts"] == 24


def test_votes_that_do_not_fit_the_task_are_told(trained, tmp_path, caplog):
    path = tmp_path / "odd.csv"
    path.write_text('text,label,votes\n良い,良い,"[[""良い"", ""悪い""]]"\n悪い,悪い,\n', encoding="utf-8")
    found = evaluate(trained, path, votes_column="votes", device="cpu")
    assert found.votes is None
    assert "cannot be used to score" in caplog.text
