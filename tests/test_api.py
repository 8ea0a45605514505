"""Training, predicting and evaluating from files, as the command line does it."""

import csv
import json

import numpy as np
import pytest

import jptextclf
from jptextclf import DryRun, load, predict_file, train
from jptextclf.calibration import rescaled
from jptextclf.errors import ConfigError, DataError, SetupError
from jptextclf.run_report import read_report, report_directory


def settings(tiny_encoder, **more):
    return {
        "model": str(tiny_encoder),
        "epochs": 1,
        "max_length": 64,
        "device": "cpu",
        "precision": "float32",
        **more,
    }


def test_a_run_learns_and_predicts(trained, reviews):
    prediction = trained.predict([text for text, _ in reviews])
    right = np.mean([names == (label,) for names, (_, label) in zip(prediction.labels, reviews, strict=True)])
    assert right >= 0.9
    assert prediction.probabilities.sum(axis=1) == pytest.approx(np.ones(len(reviews)), abs=1e-5)


def test_a_run_records_settings_scores_baselines_data_and_versions(trained):
    record = json.loads((trained.path / "jptextclf.json").read_text(encoding="utf-8"))
    assert record["plan"]["epochs"] == 40
    assert {"majority", "ngrams", "encoder"} == {row["name"] for row in record["baselines"]["systems"]}
    assert record["data"]["files"][0]["encoding"]["name"] == "cp932"
    assert record["data"]["columns"]["text"] == ["本文"]
    assert {"python", "torch", "transformers"} <= set(record["versions"])
    assert {"tokenize", "train", "evaluate", "baselines"} <= set(record["seconds"])
    assert record["held_out"] is False
    assert 0 <= trained.scores["validation"]["scores"]["accuracy"] <= 1


def test_the_same_seed_and_rows_give_the_same_model_whatever_the_encoding(
    tmp_path, tiny_encoder, reviews_csv
):
    text = reviews_csv.read_bytes().decode("cp932")
    digests = set()
    for name in ("utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16"):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(text.encode(name))
        run = train(path, out=tmp_path / f"run-{name}", seed=7, **settings(tiny_encoder))
        manifest = json.loads((run.path / "MANIFEST.json").read_text(encoding="utf-8"))
        digests.add(manifest["files"]["model.safetensors"]["sha256"])
    assert len(digests) == 1


def test_another_seed_gives_another_model(tmp_path, tiny_encoder, reviews_csv):
    models = [
        (
            train(reviews_csv, out=tmp_path / str(seed), seed=seed, **settings(tiny_encoder)).path
            / "model.safetensors"
        )
        for seed in (1, 2)
    ]
    assert models[0].read_bytes() != models[1].read_bytes()


def test_a_dry_run_measures_and_writes_nothing(tmp_path, tiny_encoder, reviews_csv, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = train(reviews_csv, dry_run=True, **settings(tiny_encoder, epochs=5))
    assert isinstance(plan, DryRun)
    assert plan.preview.steps == plan.prepared.plan.total_steps == 5 * 3
    assert plan.preview.total_seconds > 0
    assert json.loads(json.dumps(plan.to_json()))["labels"]["names"] == ["悪い", "良い"]
    assert list(tmp_path.iterdir()) == []


def test_an_unnamed_run_takes_the_first_free_directory(tmp_path, tiny_encoder, reviews_csv, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [train(reviews_csv, **settings(tiny_encoder)).path for _ in range(2)]
    assert [str(path) for path in runs] == ["runs/reviews-1", "runs/reviews-2"]


def test_nothing_is_written_when_the_data_are_bad(tmp_path, tiny_encoder):
    (tmp_path / "one.csv").write_text("text,label\na,x\nb,x\n", encoding="utf-8")
    with pytest.raises(DataError):
        train(tmp_path / "one.csv", out=tmp_path / "run", **settings(tiny_encoder))
    assert [path.name for path in tmp_path.iterdir()] == ["one.csv"]


def test_an_existing_place_is_refused_before_any_work(tmp_path, reviews_csv, tiny_encoder):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="JPT-U024"):
        train(reviews_csv, out=tmp_path, **settings(tiny_encoder))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_length_beyond_the_encoder_is_refused(tmp_path, reviews_csv, tiny_encoder):
    with pytest.raises(ConfigError, match="JPT-U023"):
        train(reviews_csv, out=tmp_path / "run", **settings(tiny_encoder, max_length=129))


def test_a_missing_gpu_is_a_setup_error(tmp_path, reviews_csv, tiny_encoder):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SetupError, match="JPT-E043"):
        train(reviews_csv, out=tmp_path / "run", **settings(tiny_encoder, device="cuda"))


def test_a_metric_of_another_task_is_refused(tmp_path, reviews_csv, tiny_encoder):
    with pytest.raises(ConfigError, match="JPT-U027"):
        train(reviews_csv, out=tmp_path / "run", **settings(tiny_encoder, metric="subset_accuracy"))


def test_many_labels_of_one_text(tmp_path, tiny_encoder, reviews):
    path = tmp_path / "tags.csv"
    rows = [f"{text},{label}|部屋" if "部屋" in text else f"{text}," for text, label in reviews]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    run = train(
        path, validation=path, out=tmp_path / "run", label_separator="|",
        **settings(tiny_encoder, epochs=80, learning_rate=2e-3, batch_size=8, patience=None),
    )  # fmt: skip
    assert run.schema.task == "multilabel"
    assert run.schema.names == ("悪い", "良い", "部屋")
    found = dict(
        zip([text for text, _ in reviews], run.predict([text for text, _ in reviews]).labels, strict=True)
    )
    assert "部屋" in found["部屋が汚くて残念でした。"]
    assert found["また泊まりたいと思います。"] == ()
    # The separator is remembered.
    evaluation = run.evaluate(path)
    assert evaluation.scores["subset_accuracy"] > 0.8
    predict_file(run, path, tmp_path / "out.jsonl")
    line = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8").split("\n")[12])
    assert line["predicted_label"] == list(found["部屋が汚くて残念でした。"])


def test_predicting_a_file_keeps_rows_columns_and_order(trained, reviews_csv, tmp_path):
    done = predict_file(trained, reviews_csv, tmp_path / "out.csv")
    data = (tmp_path / "out.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(data.decode("utf-8-sig").splitlines()))
    source = list(csv.reader(reviews_csv.read_bytes().decode("cp932").splitlines()))
    assert rows[0] == [
        "番号",
        "本文",
        "ラベル",
        "predicted_label",
        "predicted_probability",
        "truncated",
        "empty",
    ]
    assert [row[:3] for row in rows[1:]] == source[1:]
    assert done.read == len(source) - 1 == len(rows) - 1
    texts = [row[1] for row in source[1:]]
    expected = [names[0] for names in trained.predict(texts).labels]
    assert [row[3] for row in rows[1:]] == expected


def test_every_probability_can_be_asked_for(trained, reviews_csv, tmp_path):
    predict_file(trained, reviews_csv, tmp_path / "out.csv", probabilities=True)
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8-sig").splitlines()))
    for row in rows:
        values = {name: float(row[f"probability:{name}"]) for name in ("良い", "悪い")}
        assert sum(values.values()) == pytest.approx(1, abs=1e-3)
        assert row["predicted_label"] == max(values, key=values.get)


def test_threads_that_share_a_run_get_the_same_probabilities(trained, reviews):
    from concurrent.futures import ThreadPoolExecutor

    run = load(trained.path, device="cpu")
    texts = [text for text, _ in reviews] * 4
    expected = run.predict(texts).probabilities
    with ThreadPoolExecutor(6) as pool:
        for found in pool.map(lambda _: run.predict(texts).probabilities, range(24)):
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_record_of_the_embedded_encoder_names_the_terms_of_its_vocabulary():
    from jptextclf.encoders import resolve_encoder

    files = resolve_encoder("builtin")
    assert files.component.license == files.tokenizer_component.license == "MIT"
    assert files.component.evidence != files.tokenizer_component.evidence


def test_predictions_of_predictions_get_names_of_their_own(trained, reviews_csv, tmp_path):
    predict_file(trained, reviews_csv, tmp_path / "once.csv")
    predict_file(trained, tmp_path / "once.csv", tmp_path / "twice.csv")
    header = (tmp_path / "twice.csv").read_text(encoding="utf-8-sig").split("\n")[0]
    assert "predicted_label_2" in header


def test_empty_and_long_texts_are_flagged(trained, tmp_path):
    (tmp_path / "in.csv").write_text("本文\n良い\n　\n" + "良い" * 200 + "\n", encoding="utf-8")
    done = predict_file(trained, tmp_path / "in.csv", tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [row["truncated"] for row in rows] == ["false", "false", "true"]
    assert [row["empty"] for row in rows] == ["false", "true", "false"]
    assert (done.truncated, done.empty) == (1, 1)


def test_a_long_text_can_be_an_error_that_leaves_the_old_output(trained, tmp_path):
    (tmp_path / "in.csv").write_text("本文\n良い\n" + "良い" * 200 + "\n", encoding="utf-8")
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(DataError, match=r"JPT-D042.*2"):
        predict_file(trained, tmp_path / "in.csv", tmp_path / "out.csv", on_too_long="error")
    assert (tmp_path / "out.csv").read_text() == "old"


def test_a_long_text_is_named_by_its_row_however_far_down(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("jptextclf.api.files._ROWS_AT_ONCE", 2)
    (tmp_path / "in.csv").write_text("本文\n" + "良い\n" * 6 + "良い" * 200 + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="Text 7 "):
        predict_file(trained, tmp_path / "in.csv", tmp_path / "out.csv", on_too_long="error")


def test_an_impossible_label_is_named_by_its_row(tmp_path, tiny_encoder):
    (tmp_path / "in.csv").write_text("text,label\na,x\n,y\nb,x|y\nc,y\n", encoding="utf-8")
    with pytest.raises(DataError, match="text 3 has"):
        train(
            tmp_path / "in.csv",
            validation=tmp_path / "in.csv",
            label_separator="|",
            task="multiclass",
            out=tmp_path / "r",
            **settings(tiny_encoder),
        )


def test_a_separator_makes_the_task_multilabel(tmp_path, tiny_encoder):
    (tmp_path / "in.csv").write_text("text,label\n" + "良い,a\n悪い,b\n" * 12, encoding="utf-8")
    run = train(tmp_path / "in.csv", label_separator="|", validation=tmp_path / "in.csv", out=tmp_path / "run",
                **settings(tiny_encoder))  # fmt: skip
    assert run.schema.task == "multilabel"


def test_evaluating_reads_the_columns_that_the_run_was_trained_on(tmp_path, tiny_encoder, reviews):
    rows = "".join(f"{text},{label},{number}\n" for number, (text, label) in enumerate(reviews))
    (tmp_path / "in.csv").write_text("口コミ本体,満足,評価\n" + rows, encoding="utf-8")
    run = train(tmp_path / "in.csv", text_column="口コミ本体", label_column="満足", out=tmp_path / "run",
                **settings(tiny_encoder, validation_fraction=0.3))  # fmt: skip
    assert run.evaluate(tmp_path / "in.csv").n_texts == len(reviews)


def test_two_trainings_of_one_file_do_not_take_one_directory(
    tmp_path, tiny_encoder, reviews_csv, monkeypatch
):
    from jptextclf.api import training

    monkeypatch.chdir(tmp_path)
    real = training.prepare

    def slow(*args, **kwargs):
        (tmp_path / "runs" / "reviews-1").mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / "reviews-1" / "theirs").write_text("x")
        return real(*args, **kwargs)

    monkeypatch.setattr(training, "prepare", slow)
    assert str(train(reviews_csv, **settings(tiny_encoder)).path) == "runs/reviews-2"


def test_training_leaves_the_callers_random_numbers_alone(tmp_path, tiny_encoder, reviews_csv):
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3).tolist()
    torch.manual_seed(5)
    train(reviews_csv, out=tmp_path / "run", **settings(tiny_encoder))
    assert torch.rand(3).tolist() == expected


def test_warnings_are_logged_where_nobody_listens(tmp_path, tiny_encoder, reviews_csv, caplog):
    train(reviews_csv, out=tmp_path / "run", **settings(tiny_encoder))
    assert any("baseline" in record.message for record in caplog.records if record.levelname == "WARNING")


def test_evaluating_counts_labels_that_the_model_does_not_know(trained, tmp_path):
    (tmp_path / "in.csv").write_text(
        "本文,ラベル\n朝食がとても美味しかったです。,良い\n部屋,普通\n", encoding="utf-8"
    )
    evaluation = trained.evaluate(tmp_path / "in.csv")
    assert evaluation.n_texts == 1
    assert evaluation.n_unknown == 1
    assert evaluation.unknown_labels == {"普通": 1}


def test_a_text_alone_and_among_others_has_the_same_probabilities(trained, reviews):
    texts = [text for text, _ in reviews]
    together = trained.predict(texts).probabilities
    for number, text in enumerate(texts):
        np.testing.assert_allclose(trained.predict([text]).probabilities[0], together[number], atol=1e-5)


def test_one_string_is_refused(trained):
    with pytest.raises(TypeError, match="sequence"):
        trained.predict("良い")


def test_no_texts_give_no_rows(trained):
    prediction = trained.predict([])
    assert prediction.probabilities.shape == (0, 2)
    assert prediction.labels == []


def test_a_run_opens_by_its_path(trained):
    assert load(trained.path).schema == trained.schema


def test_the_public_names_are_those_of_the_readme():
    from pathlib import Path

    for file in ("README.md",):
        text = (Path(jptextclf.__file__).parents[1] / file).read_text(encoding="utf-8")
        named = text.split("is the public interface:")[1].split("\n\n")[0].replace("`", "").replace(".", "")
        assert sorted(word.strip() for word in named.split(",")) == sorted(
            set(jptextclf.__all__) - {"__version__"}
        )
    for name in jptextclf.__all__:
        assert getattr(jptextclf, name) is not None
    with pytest.raises(AttributeError):
        jptextclf.nothing  # noqa: B018


def test_predictions_in_bfloat16_are_close_to_those_in_float32(trained, reviews):
    texts = [text for text, _ in reviews]
    exact = trained.predict(texts).probabilities
    fast = load(trained.path, device="cpu", precision="bfloat16").predict(texts).probabilities
    assert 0 < np.abs(fast - exact).max() < 0.05


def test_int8_without_an_onnx_export_is_refused(trained):
    with pytest.raises(ConfigError, match="JPT-U182"):
        load(trained.path, device="cpu", precision="int8").predict(["良い"])


def test_a_finished_run_is_not_trained_again_by_resume(tmp_path, tiny_encoder, reviews_csv):
    run = train(reviews_csv, out=tmp_path / "run", **settings(tiny_encoder))
    before = (run.path / "model.safetensors").stat().st_mtime_ns
    again = train(reviews_csv, out=tmp_path / "run", resume=True, **settings(tiny_encoder))
    assert again.path == run.path
    assert (run.path / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match=r"JPT-U183(.|\n)*seed"):
        train(reviews_csv, out=tmp_path / "run", resume=True, **settings(tiny_encoder, seed=9))
    assert {one.name for one in tmp_path.iterdir()} == {"run", "run.report"}


def test_tensorboard_is_told_beside_the_run(tmp_path, tiny_encoder, reviews_csv):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(reviews_csv, out=tmp_path / "run", trackers=("tensorboard",), **settings(tiny_encoder))
    events = EventAccumulator(str(tmp_path / "tensorboard" / "run"))
    events.Reload()
    told = set(events.Tags()["scalars"])
    assert {"train/loss", "validation/loss", "validation/macro_f1"} <= told
    last = events.Scalars("validation/macro_f1")[-1].value
    assert last == pytest.approx(run.scores["validation"]["scores"]["macro_f1"], abs=1e-4)


def test_a_training_that_fails_at_once_leaves_no_directory(tmp_path, tiny_encoder):
    with pytest.raises(DataError, match="JPT-D001"):
        train(tmp_path / "no.csv", out=tmp_path / "a" / "b" / "run", **settings(tiny_encoder))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("multilabel", [False, True])
def test_probabilities_are_calibrated_in_the_weights(tiny_encoder, reviews, tmp_path, multilabel):
    from transformers import pipeline

    texts = [text for text, _ in reviews] * 2
    labels = [[label, "部屋"] if multilabel and "部屋" in text else [label] for text, label in reviews] * 2
    options = settings(tiny_encoder, validation_fraction=0.4, epochs=2, learning_rate=1e-3)
    plain = train((texts, labels), out=tmp_path / "plain", calibrate=False, report=False, **options)
    run = train((texts, labels), out=tmp_path / "run", **options)
    record = run.bundle.record["calibration"]
    assert plain.bundle.record["calibration"] is None
    assert len(record["temperatures"]) == (3 if multilabel else 1)
    assert all(0.2 <= one <= 5 for one in record["temperatures"])
    before, after = plain.predict(texts).probabilities, run.predict(texts).probabilities
    assert rescaled(before, record["temperatures"], is_multilabel=multilabel) == pytest.approx(
        after, abs=1e-5
    )
    # Plain transformers knows nothing of temperatures.
    stock = pipeline(
        "text-classification",
        str(run.path),
        top_k=None,
        function_to_apply="sigmoid" if multilabel else "softmax",
    )
    for text, row in zip(texts[:4], after, strict=False):
        scores = {one["label"]: one["score"] for one in stock([text])[0]}
        assert [scores[name] for name in run.schema.names] == pytest.approx(row.tolist(), abs=1e-4)
    found = read_report(report_directory(run.path))
    assert found.uncalibrated is not None
    assert read_report(report_directory(plain.path)) is None
