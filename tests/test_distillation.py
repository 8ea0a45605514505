"""A teacher: its logits in the student's order, what the student owes to it, and that learning from it helps."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from jptextclf import load, train
from jptextclf.bundle import open_bundle, require_sealed
from jptextclf.cli import cli
from jptextclf.distillation import Teacher
from jptextclf.errors import ConfigError, SetupError
from jptextclf.labels import LabelSchema
from jptextclf.licensing import assess
from jptextclf.progress import Silent
from jptextclf.subjects import records_of

_SHAPING = {"base_model", "training_data"}
OTHER_ORDER = LabelSchema(("良い", "悪い"), "binary")
TINY = {"max_length": 64, "device": "cpu", "precision": "float32", "batch_size": 8, "patience": None}


@pytest.fixture
def texts(reviews):
    return [text for text, _ in reviews]


@pytest.fixture(scope="module")
def student(trained, tmp_path_factory, reviews, reviews_csv, tiny_encoder):
    """Learned from the teacher's answers alone: its own labels say nothing."""
    place = tmp_path_factory.mktemp("student")
    path = place / "wrong labels.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["本文", "ラベル"])
        for number, (text, _) in enumerate(reviews):
            writer.writerow([text, "良い" if number % 2 else "悪い"])
    return train(
        path, validation=reviews_csv, out=place / "run", model=str(tiny_encoder), teacher=str(trained.path),
        distillation_weight=1.0, epochs=40, learning_rate=2e-3, **TINY,
    )  # fmt: skip


def test_the_teacher_speaks_in_the_order_of_the_students_labels(trained, texts):
    assert trained.schema.names != OTHER_ORDER.names
    teacher = Teacher.open(trained.path, OTHER_ORDER)
    logits = teacher.logits(texts, OTHER_ORDER, device="cpu", progress=Silent())
    assert logits.dtype == np.float32
    expected = trained.predict(texts).probabilities[:, ::-1]
    np.testing.assert_allclose(torch.from_numpy(logits).softmax(dim=1), expected, atol=1e-6)


def test_at_a_temperature_they_are_what_its_own_logits_are(trained, texts):
    from jptextclf.model import compute_logits

    encodings = trained.predictor.adapter.encode(texts, max_length=64)
    own = compute_logits(trained.predictor.classifier, encodings, max_tokens=512)
    teacher = Teacher.open(trained.path, trained.schema)
    logits = teacher.logits(texts, trained.schema, device="cpu", progress=Silent())
    for temperature in (1.0, 2.0, 8.0):
        found, expected = (torch.from_numpy(one / temperature).softmax(dim=1) for one in (logits, own))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_a_teacher_for_several_labels_says_each_for_itself(trained, texts):
    schema = LabelSchema(trained.schema.names, "multilabel")
    teacher = Teacher(replace(trained.bundle, schema=schema), "")
    logits = teacher.logits(texts, schema, device="cpu", progress=Silent())
    predictor = trained.predictor
    own = predictor.classifier(
        torch.from_numpy((one := predictor.adapter.encode(texts, max_length=64)).input_ids),
        torch.from_numpy(one.row_splits),
    )
    torch.testing.assert_close(torch.from_numpy(logits), own.detach(), atol=1e-3, rtol=1e-3)


def test_its_answers_are_finite_however_sure_it_is(trained, texts, monkeypatch):
    from jptextclf.prediction import Prediction

    sure = np.tile(np.array([[0.0, 1.0]], np.float32), (len(texts), 1))
    flags = np.zeros(len(texts), bool)
    answer = Prediction(trained.schema, sure, np.full(2, 0.5, np.float32), flags, flags)
    monkeypatch.setattr("jptextclf.prediction.Predictor.predict", lambda *_, **__: answer)
    for task in ("binary", "multilabel"):
        schema = LabelSchema(trained.schema.names, task)
        teacher = Teacher(replace(trained.bundle, schema=schema), "")
        assert np.isfinite(teacher.logits(texts, schema, device="cpu", progress=Silent())).all()


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (LabelSchema(("ふつう", "良い"), "binary"), ["training texts: ふつう", "teacher: 悪い"]),
        (LabelSchema(("ふつう", "悪い", "良い"), "multiclass"), ["training texts: ふつう"]),
        (LabelSchema(("良い",), "multilabel"), ["teacher: 悪い", "the teacher's task is binary"]),
    ],
)
def test_other_labels_are_an_error_that_shows_the_difference(trained, schema, words):
    with pytest.raises(ConfigError) as caught:
        Teacher.open(trained.path, schema)
    assert caught.value.code == "JPT-U143"
    assert all(word in str(caught.value) for word in words)


def test_what_is_no_run_cannot_teach(tmp_path, tiny_encoder):
    with pytest.raises(SetupError, match="JPT-E049"):
        Teacher.open(tiny_encoder, OTHER_ORDER)


def test_a_student_learns_from_the_answers_alone(student, trained, texts):
    taught, own = trained.predict(texts).probabilities, student.predict(texts).probabilities
    assert np.abs(taught - own).mean() < 0.05
    assert (taught.argmax(axis=1) == own.argmax(axis=1)).mean() > 0.95


def test_the_run_remembers_its_teacher_but_not_where_it_was(student, trained):
    record = json.loads((student.path / "jptextclf.json").read_text(encoding="utf-8"))
    assert record["teacher"]["name"] == record["config"]["teacher"] == trained.path.name
    assert len(record["teacher"]["manifest_sha256"]) == 64
    assert record["seconds"]["teacher"] > 0
    assert str(trained.path.parent) not in json.dumps(record, ensure_ascii=False)


def test_the_students_record_names_the_models_and_data_behind_its_teacher(student, trained):
    parts = open_bundle(student.path).components
    (taught,) = [one for one in parts if one.role == "teacher"]
    base = next(one for one in trained.bundle.components if one.role == "base_model")
    assert (taught.name, taught.relation, taught.sha256) == (base.name, "distilled-from", base.sha256)
    data = [one.name for one in parts if one.role == "training_data"]
    assert data == ["wrong labels.csv", "reviews.csv"]
    require_sealed(open_bundle(student.path))


def test_data_that_both_learned_from_stand_there_once(trained, reviews_csv, tiny_encoder, tmp_path):
    plan = train(
        reviews_csv, validation=reviews_csv, out=tmp_path / "run", model=str(tiny_encoder), teacher=str(trained.path), dry_run=True,
        epochs=1, data_origin="own", personal_information="none-confirmed", **TINY,
    )  # fmt: skip
    parts = plan.prepared.components(plan.summary.components)
    assert [one.name for one in parts if one.role == "training_data"] == ["reviews.csv"]
    assert [one.role for one in parts].count("teacher") == 1


def _licensed(part, license_id):
    return replace(part, license=license_id, origin="public", name=f"org/{license_id}", revision="a" * 40)


@pytest.mark.parametrize(("role", "expected"), [("base_model", "blocked"), ("training_data", "needs-review")])
def test_a_student_is_not_free_of_what_its_teacher_may_not(trained, role, expected):
    """Non-commercial weights or data behind the teacher bind the student, also through a teacher's teacher."""
    free = [_licensed(one, "MIT") for one in trained.bundle.components if one.role in _SHAPING]
    limited = [_licensed(one, "CC-BY-NC-4.0") if one.role == role else one for one in free]

    def verdict(teacher):
        return str(assess(records_of([*free, *teacher.components()]), "internal-commercial").verdict)

    def taught_by(components):
        return Teacher(replace(trained.bundle, components=tuple(components)), "")

    assert verdict(taught_by(free)).startswith("ok")
    assert verdict(taught_by(limited)) == expected
    student = [*free, *taught_by(limited).components()]
    assert verdict(taught_by(student)) == expected
    assert not any(one.bundled for one in taught_by(limited).components() if one.role == "teacher")


def test_the_command_line_takes_a_teacher_and_votes(trained, reviews, tiny_encoder, tmp_path, capsys):
    path, out = tmp_path / "voted.jsonl", tmp_path / "run"
    rows = [
        {"本文": text, "ラベル": label, "票": {label: 2, "良い" if label == "悪い" else "悪い": 1}}
        for text, label in reviews
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    command = [
        "train", str(path), "--out", str(out), "--model", str(tiny_encoder), "--votes-column", "票",
        "--teacher", str(trained.path), "--distillation-weight", "0.3", "--distillation-temperature", "4",
        "--epochs", "1", "--max-length", "64", "--device", "cpu",
    ]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert ended.value.code == 0
    assert "votes: 票" in capsys.readouterr().err
    record = load(out).bundle.record
    assert record["data"]["columns"]["votes"] == "票"
    assert record["config"]["distillation_weight"] == 0.3


def test_votes_are_what_is_learned(reviews, tiny_encoder, tmp_path):
    path = tmp_path / "voted.jsonl"
    rows = [{"本文": text, "ラベル": label, "票": {"良い": 3, "悪い": 1}} for text, label in reviews]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    # The best epoch is the one that suits such labels.
    validation = tmp_path / "validation.csv"
    voted = [f"{text},{'悪い' if number % 4 == 0 else '良い'}\n" for number, (text, _) in enumerate(reviews)]
    validation.write_text("本文,ラベル\n" + "".join(voted), encoding="utf-8")
    run = train(
        path, validation=validation, out=tmp_path / "run", model=str(tiny_encoder), votes_column="票", epochs=12,
        learning_rate=2e-3, **TINY,
    )  # fmt: skip
    # All texts were voted 3 to 1, whatever their label.
    probabilities = run.predict([text for text, _ in reviews]).probabilities
    good = probabilities[:, run.schema.names.index("良い")]
    assert np.abs(good - 0.75).max() < 0.15


def test_votes_and_a_frozen_encoder_do_not_go_together(tiny_encoder, tmp_path):
    path = tmp_path / "voted.csv"
    path.write_text('本文,ラベル,票\nよい,良い,"[""良い""]"\nだめ,悪い,"[""悪い""]"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"JPT-U140.*\n.*votes and mode features"):
        train(
            path,
            validation=path,
            out=tmp_path / "run",
            model=str(tiny_encoder),
            votes_column="票",
            mode="features",
        )
