"""The classifier equals plain transformers, and the guard stops what does not belong together."""

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import make_tiny_encoder

from jptextclf.adapters import open_adapter
from jptextclf.encoders import resolve_encoder
from jptextclf.errors import ConfigError, SetupError
from jptextclf.labels import LabelSchema
from jptextclf.model import build_classifier, check_fit, compute_logits, pad

SCHEMA = LabelSchema(("良い", "悪い", "普通"), "multiclass")


@pytest.fixture
def copy_of_encoder(tiny_encoder, tmp_path):
    return shutil.copytree(tiny_encoder, tmp_path / "copy")


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
def test_logits_equal_the_padded_stock_model(architecture, tmp_path, reviews):
    directory = make_tiny_encoder(tmp_path, architecture=architecture)
    adapter = open_adapter(directory)
    classifier = build_classifier(resolve_encoder(str(directory)), SCHEMA, seed=0).eval()
    texts = [text for text, _ in reviews]
    encodings = adapter.encode(texts, max_length=64)
    ours = compute_logits(classifier, encodings, max_tokens=200)
    width = int(encodings.lengths.max())
    ids = torch.full((len(texts), width), classifier.pad_id)
    mask = torch.zeros_like(ids)
    for number in range(len(texts)):
        row = torch.from_numpy(encodings.row(number)).long()
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    with torch.no_grad():
        theirs = classifier.network(input_ids=ids, attention_mask=mask).logits.numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_padding_keeps_every_piece_in_its_row():
    ids, mask = pad(torch.tensor([5, 6, 7, 8]), torch.tensor([0, 1, 4]), 9)
    assert ids.tolist() == [[5, 9, 9], [6, 7, 8]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1]]


def test_changing_one_text_changes_no_other_texts_logits(classifier_of):
    classifier, adapter = classifier_of(SCHEMA)
    first = compute_logits(
        classifier, adapter.encode(["良い", "悪い部屋です"], max_length=16), max_tokens=999
    )
    second = compute_logits(classifier, adapter.encode(["良い", "静かな宿"], max_length=16), max_tokens=999)
    np.testing.assert_allclose(first[0], second[0], atol=1e-6)
    assert abs(first[1] - second[1]).max() > 1e-5


def test_the_head_depends_on_the_seed_only(classifier_of):
    states = [classifier_of(SCHEMA, seed=seed)[0].state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_a_new_square_layer_starts_as_the_identity(tmp_path):
    directory = make_tiny_encoder(tmp_path, architecture="distilbert")
    network = build_classifier(resolve_encoder(str(directory)), SCHEMA, seed=0).network
    assert torch.equal(network.pre_classifier.weight, torch.eye(32))
    # The encoder's own square layers are left alone.
    assert not torch.equal(network.distilbert.transformer.layer[0].attention.q_lin.weight, torch.eye(32))


def test_a_pooler_that_the_encoder_has_is_kept(tiny_encoder):
    from safetensors.torch import load_file

    network = build_classifier(resolve_encoder(str(tiny_encoder)), SCHEMA, seed=0).network
    weights = load_file(tiny_encoder / "model.safetensors")
    assert torch.equal(network.bert.pooler.dense.weight, weights["pooler.dense.weight"])


def test_a_tokenizer_with_more_pieces_than_rows_is_stopped(copy_of_encoder):
    adapter = open_adapter(copy_of_encoder)
    config = json.loads((copy_of_encoder / "config.json").read_text())
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(**{**config, "vocab_size": 50})).save_pretrained(copy_of_encoder)
    classifier = build_classifier(resolve_encoder(str(copy_of_encoder)), SCHEMA, seed=0)
    with pytest.raises(SetupError, match="JPT-E047"):
        check_fit(classifier, adapter.info(), path=copy_of_encoder, max_length=16)


def test_another_padding_id_is_stopped(copy_of_encoder):
    path = copy_of_encoder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pad_token_id": 7}))
    classifier = build_classifier(resolve_encoder(str(copy_of_encoder)), SCHEMA, seed=0)
    with pytest.raises(SetupError, match="JPT-E048"):
        check_fit(classifier, open_adapter(copy_of_encoder).info(), path=copy_of_encoder, max_length=16)


@pytest.mark.parametrize(("architecture", "positions"), [("bert", 128), ("roberta", 127)])
def test_a_length_beyond_the_positions_is_stopped(architecture, positions, tmp_path):
    directory = make_tiny_encoder(tmp_path, architecture=architecture)
    classifier = build_classifier(resolve_encoder(str(directory)), SCHEMA, seed=0)
    info = open_adapter(directory).info()
    check_fit(classifier, info, path=directory, max_length=positions)
    with pytest.raises(ConfigError, match=f"JPT-U023.*{positions}"):
        check_fit(classifier, info, path=directory, max_length=positions + 1)
    # What is let through can be computed.
    encodings = open_adapter(directory).encode(["良い" * 200], max_length=positions)
    assert np.isfinite(compute_logits(classifier, encodings, max_tokens=999)).all()


def test_missing_encoder_weights_are_named(copy_of_encoder):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy_of_encoder / "model.safetensors")
    del weights["encoder.layer.0.attention.self.query.weight"]
    save_file(weights, copy_of_encoder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SetupError, match=r"JPT-E046.*query\.weight"):
        build_classifier(resolve_encoder(str(copy_of_encoder)), SCHEMA, seed=0)


def test_cut_weights_are_a_setup_error(copy_of_encoder):
    path = copy_of_encoder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SetupError, match="JPT-E0"):
        build_classifier(resolve_encoder(str(copy_of_encoder)), SCHEMA, seed=0)


def test_a_decoder_without_a_classifier_is_a_setup_error(copy_of_encoder):
    path = copy_of_encoder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "whisper"}))
    with pytest.raises(SetupError, match="JPT-E04"):
        build_classifier(resolve_encoder(str(copy_of_encoder)), SCHEMA, seed=0)
