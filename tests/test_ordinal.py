"""Labels that are a scale: metrics, both heads, and a run that plain transformers reads."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from sklearn import metrics as sklearn_metrics
from test_parameters import EVERY, make_classifier, texts

from jptextclf import evaluate, train
from jptextclf.cli import cli
from jptextclf.config import TrainConfig
from jptextclf.errors import ConfigError
from jptextclf.evaluation import choosing_metrics, default_metric, metric_names, metric_value, score
from jptextclf.features.ordered import fit_ordered
from jptextclf.labels import LabelSchema, look_ordered
from jptextclf.ordinal import OrderedLinear, merge_order, order_head, places
from jptextclf.run_comparison import shared_schema

STARS = LabelSchema(("1", "2", "3", "4", "5"), "ordinal")
WORDS = {"1": "最悪でした", "2": "少し残念", "3": "普通の宿", "4": "良い宿です", "5": "最高でした"}


@pytest.fixture(scope="module")
def stars_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("stars") / "stars.csv"
    rows = [f"{WORDS[star]}。{number}号室,{star}" for number in range(12) for star in WORDS]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_encoder, stars_csv):
    return train(
        stars_csv, validation=stars_csv, task="ordinal", model=str(tiny_encoder), epochs=20, learning_rate=3e-3,
        batch_size=8, patience=None, device="cpu", precision="float32", max_length=64, out=tmp_path_factory.mktemp("runs") / "stars",
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_metrics_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    references, predictions = rng.integers(0, 5, 40), rng.integers(0, 5, 40)
    off = np.abs(references - predictions)

    def value(name):
        return metric_value(name, STARS, references, predictions)

    expected = sklearn_metrics.cohen_kappa_score(references, predictions, weights="quadratic")
    assert value("quadratic_weighted_kappa") == pytest.approx(expected)
    assert value("mean_absolute_error") == pytest.approx(off.mean())
    assert value("off_by_one") == pytest.approx((off == 1).mean())
    assert value("accuracy") + value("off_by_one") + (off > 1).mean() == pytest.approx(1)


def test_kappa_is_1_for_the_right_labels_below_0_for_the_opposite_ones_and_0_where_all_is_one_label():
    references = np.arange(5)
    assert metric_value("quadratic_weighted_kappa", STARS, references, references) == 1
    assert metric_value("quadratic_weighted_kappa", STARS, references, references[::-1]) == pytest.approx(-1)
    assert metric_value("quadratic_weighted_kappa", STARS, np.full(3, 2), np.full(3, 2)) == 0
    assert metric_value("quadratic_weighted_kappa", STARS, np.full(3, 2), np.full(3, 1)) == 0


def test_only_an_ordinal_task_has_them_and_only_a_higher_one_may_choose():
    plain = LabelSchema(STARS.names, "multiclass")
    ordered = {"mean_absolute_error", "off_by_one", "quadratic_weighted_kappa"}
    assert set(metric_names(STARS)) - set(metric_names(plain)) == ordered
    assert "quadratic_weighted_kappa" in choosing_metrics(STARS)
    assert not {"mean_absolute_error", "off_by_one"} & set(choosing_metrics(STARS))
    assert (default_metric(STARS), default_metric(plain)) == ("quadratic_weighted_kappa", "macro_f1")
    found = score(STARS, [0, 1, 2, 4], [0, 2, 2, 2])
    assert found.scores["mean_absolute_error"] == 0.75
    low, high = found.intervals["mean_absolute_error"]
    assert 0 <= low <= 0.75 <= high <= 2


def test_numbers_are_in_their_order_and_other_labels_need_one():
    rows = [("10",), ("2",), ("1",)]
    assert LabelSchema.infer(rows, "ordinal").names == ("1", "2", "10")
    words = [("良い",), ("悪い",), ("普通",)]
    with pytest.raises(ConfigError, match="--label-order") as error:
        LabelSchema.infer(words, "ordinal")
    assert error.value.code == "JPT-U216"
    order = ("悪い", "普通", "良い")
    assert LabelSchema.infer(words, "ordinal", order).names == order
    # A label that no text has keeps its place on the scale.
    assert LabelSchema.infer(words[:2], "ordinal", order).names == order
    with pytest.raises(ConfigError, match="普通") as error:
        LabelSchema.infer(words, "ordinal", ("悪い", "良い"))
    assert error.value.code == "JPT-U217"
    with pytest.raises(ConfigError) as error:
        LabelSchema.infer([("1",), ("2",)], "ordinal")
    assert error.value.code == "JPT-U012"
    assert look_ordered(("1", "2", "3"))
    assert not look_ordered(("0", "1"))
    assert not look_ordered(("a", "b", "c"))
    with pytest.raises(ConfigError, match="label_order"):
        TrainConfig(label_order=("a", "a"))


@EVERY
def test_an_ordered_head_becomes_the_plain_layer_that_says_the_same(name):
    classifier = make_classifier(name).eval()
    before = type(classifier.network)
    order_head(classifier)
    ordered = [one for one in classifier.modules() if isinstance(one, OrderedLinear)]
    assert len(ordered) == 1
    assert all(one.requires_grad for one in ordered[0].parameters())
    with torch.no_grad():
        ordered[0].scaled_bias.normal_()
        expected = classifier(*texts())
        merge_order(classifier)
        found = classifier(*texts())
    assert type(classifier.network) is before
    assert not [one for one in classifier.modules() if isinstance(one, OrderedLinear)]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    # The odds of neighbours are one function of the text, up to what each label has of its own.
    steps = expected.diff(dim=1)
    torch.testing.assert_close(
        steps - steps[:1], (steps - steps[:1])[:, :1].expand(-1, 2), atol=1e-4, rtol=1e-4
    )


def test_places_lie_around_0():
    assert places(3).tolist() == [-1, 0, 1]
    assert places(4).tolist() == [-1.5, -0.5, 0.5, 1.5]


@pytest.mark.parametrize("is_sparse", [False, True])
def test_the_ordered_regression_is_the_minimum_and_finds_the_scale_in_noise(is_sparse):
    from scipy import sparse
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(300, 6))
    truth = np.array([2.0, -1.0, 0.5, 0, 0, 0])
    logits = (matrix @ truth)[:, None] * places(5) - places(5) ** 2 / 2
    targets = np.array([rng.choice(5, p=np.exp(row) / np.exp(row).sum()) for row in logits])
    given = sparse.csr_matrix(matrix) if is_sparse else matrix
    weights, bias, converged = fit_ordered(
        given, targets, places(5), strength=1.0, text_weights=np.ones(300), passes=300
    )
    assert converged
    assert weights.shape == (6, 5)
    assert np.linalg.matrix_rank(weights.astype(np.float64), tol=1e-4) == 1
    direction = weights[:, 4] / 2
    assert np.corrcoef(direction, truth)[0, 1] > 0.98

    def loss(values):
        scores = (matrix @ values[:6])[:, None] * places(5) + values[6:]
        return 5 * (values[:6] @ values[:6]) - sum(
            row[target] - np.log(np.exp(row).sum()) for row, target in zip(scores, targets, strict=True)
        )

    best = minimize(loss, np.zeros(11), method="BFGS")
    assert loss(np.concatenate([direction, bias])) == pytest.approx(best.fun, rel=1e-4)


def test_a_run_learns_the_scale_and_is_a_plain_one(run, stars_csv):
    from transformers import AutoModelForSequenceClassification

    assert run.schema == STARS
    found = evaluate(run, stars_csv)
    assert found.scores["quadratic_weighted_kappa"] > 0.8
    assert found.scores["mean_absolute_error"] < 0.5
    assert run.bundle.record["plan"]["metric"] == "quadratic_weighted_kappa"
    network = AutoModelForSequenceClassification.from_pretrained(run.path)
    weight = network.classifier.weight.detach().double().numpy()
    assert np.linalg.matrix_rank(weight, tol=1e-4 * np.abs(weight).max()) == 1
    assert found.to_json()["task"] == "ordinal"
    said = [row for one in found.tables() for row in one.rows]
    assert any("mean error in steps" in row[0] for row in said)
    page = (run.path.parent / "stars.report" / "report.html").read_text(encoding="utf-8")
    assert "quadratic weighted kappa" in page


def test_features_mode_keeps_to_the_scale(tmp_path, tiny_encoder, stars_csv):
    from safetensors.numpy import load_file

    found = train(
        stars_csv, validation=stars_csv, mode="features", task="ordinal", model=str(tiny_encoder), ngrams=True,
        device="cpu", max_length=64, out=tmp_path / "features",
    )  # fmt: skip
    evaluation = evaluate(found, stars_csv)
    assert evaluation.scores["quadratic_weighted_kappa"] > 0.8
    weights = [
        one
        for path in found.path.glob("*.safetensors")
        for name, one in load_file(path).items()
        if name.endswith("weights") and one.ndim == 2 and one.shape[1] == 5
    ]
    assert len(weights) == 1
    assert np.linalg.matrix_rank(weights[0].astype(np.float64), tol=1e-3) == 1


def test_the_command_line_takes_an_order_of_words(tmp_path, tiny_encoder):
    data = tmp_path / "words.csv"
    rows = [f"{said}。{number},{label}" for number in range(8) for said, label in
            (("最悪でした", "悪い"), ("普通の宿", "普通"), ("最高でした", "良い"))]  # fmt: skip
    data.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    options = ["train", str(data), "--validation", str(data), "--task", "ordinal"]
    options += ["--model", str(tiny_encoder)]
    options += ["--epochs", "1", "--device", "cpu", "--max-length", "64"]
    refused = CliRunner().invoke(cli, [*options, "--out", str(tmp_path / "run")])
    assert refused.exit_code != 0
    assert "JPT-U216" in refused.output
    done = CliRunner().invoke(
        cli, [*options, "--label-order", "悪い,普通,良い", "--out", str(tmp_path / "run")]
    )
    assert done.exit_code == 0, done.output
    found = CliRunner().invoke(cli, ["evaluate", str(tmp_path / "run"), str(data), "--json", "--quiet"])
    assert json.loads(found.stdout)["labels"] == ["悪い", "普通", "良い"]


def test_numbers_are_not_taken_for_a_scale_but_pointed_at(tmp_path, tiny_encoder, stars_csv):
    done = CliRunner().invoke(
        cli, ["train", str(stars_csv), "--model", str(tiny_encoder), "--epochs", "1", "--device", "cpu", "--max-length", "64", "--out", str(tmp_path / "run")]
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "--task ordinal" in done.output


def test_two_scales_are_compared_as_one_only_where_they_are_the_same():
    assert shared_schema(["a", "b"], [STARS, STARS]) == STARS
    other = LabelSchema(("5", "4", "3", "2", "1"), "ordinal")
    assert shared_schema(["a", "b"], [STARS, other]).task == "multiclass"
