"""Runs of every route, read by plain transformers: equal ids and scores, without this package, in version 5 and 4.57."""

import json
import subprocess
import sys

import numpy as np
import pytest

from jptextclf import load, train
from jptextclf.adapters import load_adapter

ROUTES = {
    "tiny_mecab_encoder": "mecab",
    "tiny_character_encoder": "mecab",
    "tiny_rinna_encoder": "sentencepiece",
    "tiny_xlmr_encoder": "sentencepiece",
}
TEXTS = [
    "朝食がとても美味しかったです。",
    "ﾊﾟﾝ屋の㍿ ＡＢＣ 123",
    "部屋が汚くて残念でした。",
    "か\u3099",
    "静かな　宿",
    "Hello World",
    "",
]
PROGRAM = """
import json, sys
{before}
sys.modules["jptextclf"] = None
from transformers import AutoTokenizer, pipeline
import transformers
runs, texts = json.loads(sys.argv[1]), json.loads(sys.argv[2])
found = []
for run in runs:
    classify = pipeline("text-classification", run, top_k=None, device="cpu")
    scores = [{{one["label"]: one["score"] for one in row}} for row in classify(texts)]
    found.append([AutoTokenizer.from_pretrained(run)(texts)["input_ids"], scores])
print(json.dumps([transformers.__version__, found]))
"""


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory, reviews_csv):
    """A run of each route, trained for a moment."""
    pytest.importorskip("unidic_lite")
    return [
        train(
            reviews_csv, validation=reviews_csv, model=str(request.getfixturevalue(name)),
            out=tmp_path_factory.mktemp("runs") / name, epochs=1, learning_rate=1e-3, max_length=64,
            device="cpu", precision="float32", data_origin="own", personal_information="none-confirmed",
        )
        for name in ROUTES
    ]  # fmt: skip


@pytest.fixture(params=range(len(ROUTES)), ids=ROUTES)
def run(request, runs):
    return runs[request.param]


def check(runs, before=""):
    """Compare all runs with what one process of plain transformers says; its version."""
    paths = [str(run.path) for run in runs]
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM.format(before=before), json.dumps(paths), json.dumps(TEXTS)],
        capture_output=True, text=True, encoding="utf-8", timeout=300, env={"HF_HUB_OFFLINE": "1", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    version, found = json.loads(done.stdout.strip().splitlines()[-1])
    for run, (ids, scores) in zip(runs, found, strict=True):
        reopened = load(run.path, device="cpu")
        encodings = reopened.predictor.adapter.encode(TEXTS, max_length=64)
        assert [encodings.row(number).tolist() for number in range(len(TEXTS))] == ids, run.path
        ours = reopened.predict(TEXTS).probabilities
        theirs = [[row[name] for name in reopened.schema.names] for row in scores]
        np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=str(run.path))
    return version


def test_plain_transformers_gives_equal_ids_and_scores(runs):
    assert check(runs).startswith("5.")


@pytest.mark.full
def test_transformers_4_57_gives_equal_ids_and_scores(runs, older_transformers):
    before = f"sys.path.insert(0, {str(older_transformers)!r})"
    assert check(runs, before).startswith("4.57")


@pytest.fixture(scope="session")
def older_transformers(tmp_path_factory):
    """Transformers 4.57 with what it pins, in a directory of its own; the rest is that of this environment."""
    target = tmp_path_factory.mktemp("older")
    packages = ["transformers==4.57.6", "tokenizers>=0.22,<0.23", "huggingface-hub>=0.34,<1.0"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), *packages],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("no package registry: " + done.stderr.strip().splitlines()[-1])
    return target


def test_the_run_says_how_its_texts_become_ids(run):
    record = json.loads((run.path / "jptextclf.json").read_text(encoding="utf-8"))
    assert record["adapter"]["name"] == run.bundle.adapter
    assert record["adapter"]["options"] == run.predictor.adapter.info().options
    requirements = (run.path / "requirements.txt").read_text(encoding="utf-8").split()
    assert "transformers>=4.57" in requirements
    if run.bundle.adapter == "mecab":
        assert "fugashi" in requirements
        assert any(one.startswith("unidic-lite") for one in requirements)


def test_the_dictionary_is_in_the_licence_record(run):
    dictionaries = [one for one in run.bundle.components if one.role == "dictionary"]
    by_word = run.bundle.adapter_options.get("subword") == "wordpiece"
    assert [one.name for one in dictionaries] == (["unidic-lite"] if by_word else [])
    for one in dictionaries:
        assert one.license != "NOASSERTION"
        assert one.evidence
        assert len(one.sha256) == 64


def test_the_tokenizer_of_a_run_opens_by_its_path(run):
    adapter = load_adapter(run.path)
    assert adapter.encode(TEXTS, max_length=64).input_ids.tolist() == (
        run.predictor.adapter.encode(TEXTS, max_length=64).input_ids.tolist()
    )


def test_positions_are_baked_into_the_weights(tiny_rinna_encoder):
    """What plain files compute is what the network computes with positions from 0, to the last bit."""
    import torch
    from transformers import RobertaModel

    from jptextclf.encoders import resolve_encoder
    from jptextclf.labels import LabelSchema
    from jptextclf.model import build_classifier, max_positions

    schema = LabelSchema.infer([("良い",), ("悪い",)], "auto")
    classifier = build_classifier(
        resolve_encoder(str(tiny_rinna_encoder)), schema, seed=0, first_position=0
    ).eval()
    original = RobertaModel.from_pretrained(tiny_rinna_encoder).eval()
    ids = torch.tensor([[4, 9, 12, 15, 20, 2]])
    with torch.no_grad():
        baked = classifier.network.base_model(input_ids=ids).last_hidden_state
        wanted = original(input_ids=ids, position_ids=torch.arange(6)[None]).last_hidden_state
        stock = original(input_ids=ids).last_hidden_state
    assert torch.equal(baked, wanted)
    assert not torch.allclose(baked, stock)
    assert max_positions(classifier.network.config) == 130
    long = torch.full((1, 130), 9)
    assert classifier.network(input_ids=long).logits.shape == (1, 2)
