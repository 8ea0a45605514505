"""Slow checks on real data, run by hand: python -m pytest -m full. Their figures belong to a release note."""

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from jptextclf import train
from jptextclf.baselines import run_baselines
from jptextclf.data.loading import load_data
from jptextclf.evaluation import paired_difference

pytestmark = pytest.mark.full
COLUMNS = ("id", "label", "text", "votes", "split")


@pytest.fixture
def jrte(shared, tmp_path):
    """Train and dev part of a JRTE file, as two files."""

    def parts(name):
        rows = [
            line.split("\t")
            for line in (shared / "data/jrte" / f"{name}.tsv").read_text("utf-8").splitlines()
        ]
        for part in ("train", "dev"):
            lines = ["\t".join(row) for row in rows if row[4] == part]
            (tmp_path / f"{name}_{part}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path / f"{name}_train.tsv", tmp_path / f"{name}_dev.tsv"

    return parts


def test_the_five_encodings_of_real_reviews_give_the_same_model(jrte, tmp_path, tiny_encoder):
    source, _ = jrte("pn")
    kept = []
    for line in source.read_text("utf-8").splitlines():
        try:
            if all(line.encode(name).decode(name) == line for name in ("cp932", "euc_jp")):
                kept.append(line)
        except UnicodeEncodeError:
            continue
    assert len(kept) > 3000
    models = set()
    for name in ("utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16"):
        path = tmp_path / name / "reviews.tsv"
        path.parent.mkdir()
        path.write_bytes(("\n".join(kept) + "\n").encode(name))
        run = train(
            path,
            columns=COLUMNS,
            model=str(tiny_encoder),
            epochs=1,
            max_length=64,
            seed=3,
            out=tmp_path / f"run-{name}",
        )
        models.add((run.path / "model.safetensors").read_bytes())
    assert len(models) == 1


@pytest.mark.parametrize(("name", "accuracy", "macro_f1"), [("pn", 0.84, 0.785), ("rhr", 0.90, 0.89)])
def test_hotel_reviews(jrte, tmp_path, name, accuracy, macro_f1):
    source, dev = jrte(name)
    held_back = load_data(dev, columns=COLUMNS, training=False).splits["validation"]
    examples = load_data(source, columns=COLUMNS).splits["train"]
    scores = []
    for seed in range(3):
        run = train(source, columns=COLUMNS, seed=seed, out=tmp_path / f"run-{seed}")
        evaluation = run.evaluate(dev, columns=COLUMNS, split="validation")
        scores.append(evaluation.scores)
        references = run.schema.encode(held_back.labels)
        labels = run.schema.encode(examples.labels)
        ngrams = run_baselines(examples.texts, labels, {"dev": held_back.texts}, run.schema)[1]
        found = run.predict(held_back.texts).label_ids
        difference = paired_difference(run.schema, references, found, ngrams.predictions["dev"], "macro_f1")
        print(json.dumps({"data": name, "seed": seed, **evaluation.scores, **difference.to_json()}))
        if name == "pn":
            assert difference.low > 0
    assert statistics.mean(one["accuracy"] for one in scores) >= accuracy
    assert statistics.mean(one["macro_f1"] for one in scores) >= macro_f1


def test_english_emotions_with_distilbert(shared, tmp_path):
    run = train(
        shared / "data/emotion/train.txt", validation=shared / "data/emotion/val.txt",
        model=str(shared / "encoders/standin-distilbert-en"), out=tmp_path / "run",
    )  # fmt: skip
    print(json.dumps(run.scores["validation"]["scores"]))
    assert run.scores["validation"]["scores"]["accuracy"] >= 0.90


def test_memory_of_predict_does_not_grow_with_rows():
    program = Path(__file__).parent / "benchmarks" / "predict_memory.py"
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert float(done.stdout.rsplit("ratio ", 1)[1].split()[0]) <= 1.10


@pytest.mark.parametrize(
    ("name", "least"), [("standin-tohoku-mecab", 0.83), ("standin-rinna-sentencepiece", 0.82)]
)
def test_the_japanese_routes_train_to_what_is_asked(jrte, shared, tmp_path, name, least):
    """Four epochs on pn, one run each."""
    encoder = Path(shutil.copytree(shared / "encoders" / name, tmp_path / name))
    layers = encoder / "layers.safetensors"
    # A link that copies of the shared folder may have lost.
    layers.unlink()
    layers.symlink_to(shared / "encoders" / "e5-small-ja" / "layers.safetensors")
    source, dev = jrte("pn")
    run = train(source, columns=COLUMNS, model=str(encoder), epochs=4, out=tmp_path / "run")
    assert run.evaluate(dev, columns=COLUMNS).scores["accuracy"] >= least
