"""Files of any size: killed anywhere the output is the same to the byte; Parquet; and a run as a function of batches."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections import UserDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from jptextclf import ConfigError, DataError, SetupError, load, predict_file, train
from jptextclf.api import engines, files
from jptextclf.batch import Predictor
from jptextclf.kept_answers import directory_of, fingerprint, is_unfinished, kept_answers

NUMBERS = ("predicted_label", "predicted_probability", "truncated", "empty")


@pytest.fixture
def many(tmp_path, reviews):
    path = tmp_path / "many.csv"
    rows = [f"{number},{text},=メモ{number}" for number, (text, _) in enumerate(reviews)]
    path.write_text("番号,本文,メモ\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(files, "_ROWS_AT_ONCE", 5)


class Stops:
    """A run whose computer is switched off after some batches."""

    def __init__(self, run, after):
        self.run, self.left, self.asked = run, after, 0

    def __call__(self, predict):
        def predicting(texts, **options):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.asked += len(texts)
            return predict(texts, **options)

        return predicting


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_what_is_gone_on_with_is_the_same_to_the_byte(trained, many, tmp_path, monkeypatch, suffix, after):
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    run = load(trained.path, device="cpu")
    predict_file(run, many, whole, probabilities=True)
    stops, predict = Stops(run, after), run.predictor.predict
    monkeypatch.setattr(run.predictor, "predict", stops(predict))
    with pytest.raises(KeyboardInterrupt):
        predict_file(run, many, out, probabilities=True)
    assert not out.exists()
    assert directory_of(out).exists() == (after > 0)
    again = Stops(run, 100)
    monkeypatch.setattr(run.predictor, "predict", again(predict))
    done = predict_file(run, many, out, probabilities=True, resume=True)
    assert again.asked == 24 - 5 * after
    assert out.read_bytes() == whole.read_bytes()
    assert (done.read, directory_of(out).exists()) == (24, False)


@pytest.mark.usefixtures("small_pieces")
def test_pieces_of_something_else_are_not_taken(trained, many, tmp_path, monkeypatch):
    out = tmp_path / "out.csv"
    run = load(trained.path, device="cpu")
    predict = run.predictor.predict
    monkeypatch.setattr(run.predictor, "predict", Stops(run, 2)(predict))
    with pytest.raises(KeyboardInterrupt):
        predict_file(run, many, out)
    monkeypatch.setattr(run.predictor, "predict", predict)
    with pytest.raises(ConfigError, match="JPT-U147"):
        predict_file(run, many, out, probabilities=True, resume=True)
    before = many.read_bytes()
    many.write_bytes(before.replace("番号".encode(), "行番".encode()))
    with pytest.raises(ConfigError, match="JPT-U147"):
        predict_file(run, many, out, resume=True)
    many.write_bytes(before)
    # Without --resume it starts anew, and says so.
    assert is_unfinished(out)
    assert predict_file(run, many, out, probabilities=True).read == 24
    assert not directory_of(out).exists()


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"cells": 5}', b'{"cells": []}', b"\xff"])
def test_a_damaged_piece_is_computed_again(trained, many, tmp_path, monkeypatch, damage):
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    run = load(trained.path, device="cpu")
    predict_file(run, many, whole)
    predict = run.predictor.predict
    monkeypatch.setattr(run.predictor, "predict", Stops(run, 2)(predict))
    with pytest.raises(KeyboardInterrupt):
        predict_file(run, many, out)
    (directory_of(out) / "00000001.json").write_bytes(damage)
    monkeypatch.setattr(run.predictor, "predict", predict)
    predict_file(run, many, out, resume=True)
    assert out.read_bytes() == whole.read_bytes()


def test_two_processes_do_not_write_one_output(tmp_path):
    with kept_answers(tmp_path / "out.csv", {"a": 1}, resume=False):
        with (
            pytest.raises(ConfigError, match="JPT-U173"),
            kept_answers(tmp_path / "out.csv", {"a": 1}, resume=False),
        ):
            pass
        other = directory_of(tmp_path / "other.csv")
        other.mkdir()
        (other / "thesis.txt").write_text("mine")
        with (
            pytest.raises(ConfigError, match="JPT-U145"),
            kept_answers(tmp_path / "other.csv", {"a": 1}, resume=False),
        ):
            pass
    assert (other / "thesis.txt").read_text() == "mine"


def test_a_fingerprint_sees_both_ends_and_the_size(tmp_path):
    file = tmp_path / "large"
    content = bytearray(3 * 2**20)
    file.write_bytes(content)
    first = fingerprint(file)
    for place in (0, len(content) - 1):
        changed = content.copy()
        changed[place] = 1
        file.write_bytes(changed)
        assert fingerprint(file) != first
    file.write_bytes(content + b"\0")
    assert fingerprint(file) != first


def _command(trained, reviews, path, n_times):
    """Write the reviews so many times; the command that answers them, up to the path of its output."""
    lines = [f"{number},{text}" for number in range(n_times) for text, _ in reviews]
    path.write_text("番号,本文\n" + "\n".join(lines) + "\n", encoding="utf-8")
    given = ["predict", str(trained.path), "-i", str(path), "--device", "cpu", "-q", "-o"]
    return [sys.executable, "-m", "jptextclf", *given]


def test_killed_for_real(trained, reviews, tmp_path):
    """SIGKILL in the middle, twice; then to the end."""
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    command = _command(trained, reviews, tmp_path / "many.csv", 500)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(whole)], check=True, env=environment, timeout=300)
    kept = directory_of(out)
    for n_pieces, more in ((1, []), (3, ["--resume"])):
        process = subprocess.Popen([*command, str(out), *more], env=environment)
        deadline = time.monotonic() + 120
        while (
            len(list(kept.glob("0*.json"))) < n_pieces
            and process.poll() is None
            and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(kept.glob("0*.json"))) >= 3
    assert not out.exists()
    done = subprocess.run([*command, str(out), "--resume"], env=environment, timeout=300, check=False)
    assert done.returncode == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not kept.exists()
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".tmp"] == []


def test_parquet_keeps_the_types_of_a_parquet_file(trained, reviews, tmp_path):
    path, out = tmp_path / "a.parquet", tmp_path / "out.parquet"
    texts = [text for text, _ in reviews]
    table = pa.table({
        "本文": texts, "n": pa.array(range(len(texts)), pa.int32()), "when": pa.array([None, 1, *range(len(texts) - 2)], pa.timestamp("s")),
        "tags": [["a"], *([[]] * (len(texts) - 1))], "none": pa.array([None] * len(texts), pa.float64()),
    })  # fmt: skip
    parquet.write_table(table, path)
    done = predict_file(trained, path, out, probabilities=True)
    found = parquet.read_table(out)
    assert done.read == len(texts)
    assert found.select(table.column_names).equals(parquet.read_table(path))
    assert found.schema.field("predicted_probability").type == pa.float64()
    assert found.schema.field("truncated").type == pa.bool_()
    assert found["predicted_label"].to_pylist() == [one[0] for one in trained.predict(texts).labels]
    # From a table without types all that was read is text.
    csv = tmp_path / "a.csv"
    csv.write_text("本文,n\n良い,001\n悪い,\n", encoding="utf-8")
    predict_file(trained, csv, out)
    assert parquet.read_table(out)["n"].to_pylist() == ["001", ""]


@pytest.mark.usefixtures("small_pieces")
def test_changed_texts_are_computed_again_wherever_they_stand(trained, many, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    run = load(trained.path, device="cpu")
    predict = run.predictor.predict
    monkeypatch.setattr(run.predictor, "predict", Stops(run, 3)(predict))
    with pytest.raises(KeyboardInterrupt):
        predict_file(run, many, out)
    # Of a large file only both ends are looked at; here the middle of the second piece is another text.
    monkeypatch.setattr(files, "fingerprint", lambda _file: "the same")
    record = directory_of(out) / "prediction.json"
    record.write_text(
        re.sub(r'"input": "[^"]*"', '"input": "the same"', record.read_text(encoding="utf-8")),
        encoding="utf-8",
    )
    many.write_text(
        many.read_text(encoding="utf-8").replace("二度と利用しません", "また利用します"), encoding="utf-8"
    )
    monkeypatch.setattr(run.predictor, "predict", predict)
    predict_file(run, many, out, resume=True)
    predict_file(run, many, whole)
    assert out.read_bytes() == whole.read_bytes()


def test_only_its_own_files_are_removed(trained, many, tmp_path):
    out = tmp_path / "out.csv"
    mine, folder = tmp_path / ".out.csv.mine.tmp", tmp_path / ".out.csv.a.jptextclf.tmp"
    mine.write_text("keep")
    folder.mkdir()
    kept = directory_of(out)
    kept.mkdir()
    (kept / "prediction.json").write_text("{}")
    (kept / "notes.txt").write_text("keep")
    (tmp_path / ".out.csv.x.jptextclf.tmp").write_text("left")
    predict_file(trained, many, out)
    assert mine.read_text() == "keep"
    assert folder.is_dir()
    assert (kept / "notes.txt").read_text() == "keep"
    assert not (tmp_path / ".out.csv.x.jptextclf.tmp").exists()
    assert [one.name for one in kept.iterdir()] == ["notes.txt"]


def test_parquet_holds_cells_of_any_type_and_numbers_that_are_none(trained, tmp_path):
    path, out = tmp_path / "mixed.jsonl", tmp_path / "out.parquet"
    rows = [{"本文": "良い", "n": number, "o": {"a": 1}} for number in range(8195)]
    rows += [{"本文": "悪い", "n": "n/a", "o": {"a": 1, "b": 2}}, {"本文": "悪い", "n": 2**70, "o": None}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    predict_file(trained, path, out)
    found = parquet.read_table(out)
    assert found["n"].to_pylist()[-2:] == ["n/a", str(2**70)]
    assert json.loads(found["o"].to_pylist()[-2]) == {"a": 1, "b": 2}
    table = pa.table({
        "本文": ["良い"] * 3, "x": [float("nan"), float("inf"), 1.0], "m": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "a.parquet")
    predict_file(trained, tmp_path / "a.parquet", out)
    found = parquet.read_table(out)
    assert np.isnan(found["x"].to_pylist()[0])
    assert found["x"].to_pylist()[1:] == [float("inf"), 1.0]
    assert found["m"].to_pylist() == table["m"].to_pylist()


# --- batches ---


@pytest.fixture(scope="module")
def predictor(trained):
    return Predictor(trained.path, device="cpu", probabilities=True)


def test_every_kind_of_batch_gives_what_the_run_says(trained, predictor, reviews):
    texts = [text for text, _ in reviews]
    said = trained.predict(texts)
    labels = [one[0] for one in said.labels]
    numbers = list(range(len(texts)))
    batches = {
        "dict of lists": {"本文": texts, "n": numbers},
        "dict of arrays": {"本文": np.array(texts), "n": np.array(numbers)},
        "DataFrame": pd.DataFrame({"n": numbers, "本文": texts}, index=numbers[::-1]),
        "table": pa.table({"本文": texts, "n": numbers}),
        "record batch": pa.record_batch({"本文": texts, "n": numbers}),
    }
    for name, batch in batches.items():
        found = predictor(batch)
        assert type(found) is type(batch), name
        assert column_of(found, "predicted_label") == labels
        assert column_of(found, "probability:良い") == pytest.approx(
            said.probabilities[:, 1].tolist(), abs=1e-5
        )
        assert column_of(found, "n") == numbers
    assert list(predictor(batches["DataFrame"]).index) == numbers[::-1]
    assert "predicted_label" not in batches["DataFrame"].columns
    assert "predicted_label" not in batches["dict of lists"]


def column_of(batch, name):
    return list(batch[name]) if isinstance(batch, dict | pd.DataFrame) else batch.column(name).to_pylist()


def test_it_travels_without_its_model_and_threads_share_one(trained, predictor, reviews):
    batch = {"本文": [reviews[0][0]]}
    first = predictor(batch)
    packed = pickle.dumps(predictor)
    assert len(packed) < 1000
    unpacked = pickle.loads(packed)  # noqa: S301 - our own
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(unpacked, [batch] * 16))
    assert all(one["predicted_label"].tolist() == first["predicted_label"].tolist() for one in found)
    assert repr(predictor) == f"Predictor({str(trained.path.resolve())!r})"


def test_what_is_no_batch_is_told(predictor, trained):
    with pytest.raises(TypeError, match="batch is list"):
        predictor(["良い"])
    with pytest.raises(DataError, match="JPT-D018"):
        predictor({"x": [1]})
    with pytest.raises(DataError, match="JPT-D019"):
        Predictor(trained.path, text_column="本", device="cpu")({"本文": ["良い"]})
    assert predictor({"本文": []})["predicted_label"].tolist() == []
    odd = predictor({"本文": ["", None, float("nan"), "\ud800", "\0"]})
    assert len(odd["predicted_label"]) == 5
    assert odd["empty"].tolist()[:3] == [True, True, True]


class Lazy(UserDict):
    """A mapping that is no dict, as `datasets` has one."""


def test_what_says_that_a_text_is_missing(predictor):
    for column in (
        pd.Series(["a", None], dtype="string"), pd.Series(["a", pd.NA], dtype=object), pd.Series(["a", pd.NaT], dtype=object),
        pa.chunked_array([["a", None]]), np.array(["a", None], dtype=object), ["a", float("nan")],
    ):  # fmt: skip
        assert list(predictor({"本文": column})["empty"]) == [False, True]
    assert list(predictor(pd.DataFrame({"本文": pd.array(["a", None], dtype="string")}))["empty"]) == [
        False,
        True,
    ]
    assert predictor(Lazy({"本文": ["良い"]}))["empty"].tolist() == [False]


def test_empty_batches_have_the_types_of_full_ones(predictor):
    for full, empty in (
        (predictor(pa.table({"本文": ["良い"]})), predictor(pa.table({"本文": pa.array([], pa.string())}))),
        (
            predictor(pa.record_batch({"本文": ["良い"]})),
            predictor(pa.record_batch({"本文": pa.array([], pa.string())})),
        ),
    ):
        assert full.schema == empty.schema
    frames = [predictor(pd.DataFrame({"本文": some}, dtype=object)) for some in (["良い"], [])]
    assert frames[0].dtypes.to_dict() == frames[1].dtypes.to_dict()


def test_columns_that_are_there_stay(predictor):
    for batch in (
        {"本文": ["良い"], "predicted_label": ["mine"]},
        pd.DataFrame({"本文": ["良い"], "predicted_label": ["mine"]}),
        pa.table({"本文": ["良い"], "predicted_label": ["mine"]}),
    ):
        found = predictor(batch)
        assert column_of(found, "predicted_label") == ["mine"]
        assert column_of(found, "predicted_label_2") == ["良い"]
    frame = pd.DataFrame([["良い", 1, 2]], columns=["本文", "x", "x"])
    with pytest.raises(DataError, match="JPT-D013"):
        predictor(frame)
    with pytest.raises(DataError, match="JPT-D013"):
        predictor(
            pa.Table.from_arrays([pa.array(["良い"]), pa.array([1]), pa.array([2])], names=["本文", "x", "x"])
        )
    with pytest.raises(TypeError, match="one str"):
        predictor({"本文": "良い本"})


def test_several_labels_and_columns(tiny_encoder, reviews, tmp_path):
    rows = [
        f"{text},{label}|{'長い' if len(text) > 13 else '短い'},{number % 3}"
        for number, (text, label) in enumerate(reviews)
    ]
    path = tmp_path / "a.csv"
    path.write_text("text,label,stars\n" + "\n".join(rows) + "\n", encoding="utf-8")
    run = train(
        path, label_separator="|", mode="features", extra_columns=["stars"], model=str(tiny_encoder), out=tmp_path / "run", max_length=48,
        device="cpu", report=False,
    )  # fmt: skip
    predictor = Predictor(run.path, device="cpu")
    found = predictor({"text": [reviews[0][0]] * 2, "stars": [1, None]})
    assert all(isinstance(one, list) for one in found["predicted_label"])
    table = predictor(pa.table({"text": [reviews[0][0]], "stars": [1]}))
    assert pa.types.is_list(table.schema.field("predicted_label").type)
    with pytest.raises(DataError, match="JPT-D062"):
        predictor({"text": ["a"]})
    out = tmp_path / "out.parquet"
    predict_file(run, path, out)
    labels = parquet.read_table(out)["predicted_label"].to_pylist()
    assert labels == [
        list(one)
        for one in run.predict(
            [text for text, _ in reviews], columns={"stars": [n % 3 for n in range(24)]}
        ).labels
    ]


# --- engines ---


@pytest.mark.usefixtures("small_pieces")
def test_answers_come_in_order_however_many_are_handed_in(trained, many, tmp_path, monkeypatch):
    """An engine that computes the last piece first."""

    class Backwards:
        ahead = 3

        def __init__(self, run, how):
            self.run, self.how, self.pieces, self.most = run, how, [], 0

        def submit(self, piece):
            self.pieces.append(piece)
            self.most = max(self.most, len(self.pieces))
            return piece

        def result(self, handle):
            self.pieces.remove(handle)
            return engines.answers_of(self.run, handle, self.how)

    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    predict_file(trained, many, whole)
    made = []

    @contextmanager
    def opened(_name, run, how, **_options):
        made.append(Backwards(run, how))
        yield made[0]

    monkeypatch.setattr(files, "open_engine", opened)
    assert predict_file(trained, many, out, engine="ray").read == 24
    assert out.read_bytes() == whole.read_bytes()
    assert made[0].most == 4
    assert not made[0].pieces


def test_options_of_another_engine_are_refused(trained, many, tmp_path):
    for options in ({"workers": 2}, {"address": "auto"}):
        with pytest.raises(ConfigError, match="JPT-U245"):
            predict_file(trained, many, tmp_path / "out.csv", **options)
    assert not (tmp_path / "out.csv").exists()
    done = subprocess.run(
        [sys.executable, "-m", "jptextclf", "predict", str(trained.path), "a", "--engine", "ray"], capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"JPT-U244" in done.stderr


def test_ray_that_is_missing_is_told(trained, many, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SetupError, match=r"JPT-E001.*ray"):
        predict_file(trained, many, tmp_path / "out.csv", engine="ray")


@pytest.mark.full
def test_ray_gives_the_same_and_survives_a_killed_worker(trained, reviews, tmp_path):
    """Two workers on this machine; one of them is killed in the middle."""
    pytest.importorskip("ray")
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    command = _command(trained, reviews, tmp_path / "many.csv", 2000)
    subprocess.run([*command, str(whole)], check=True, timeout=600)
    process = subprocess.Popen([*command, str(out), "--engine", "ray", "--workers", "2"])
    kept, killed, deadline = directory_of(out), 0, time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if not killed and len(list(kept.glob("0*.json"))) >= 2:
            for one in Path("/proc").glob("[0-9]*/cmdline"):
                if b"ray::_Worker" in _read(one):
                    os.kill(int(one.parent.name), signal.SIGKILL)
                    killed += 1
                    break
        time.sleep(0.02)
    assert process.wait(60) == 0
    assert killed == 1
    assert out.read_bytes() == whole.read_bytes()


def _read(file):
    try:
        return file.read_bytes()
    except OSError:
        return b""
