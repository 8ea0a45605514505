"""Which parameters are trained, for every architecture: layers are found, frozen, slowed, recomputed, added to."""

import copy
import sys

import pytest
import torch
import transformers

from jptextclf.errors import ConfigError, SetupError
from jptextclf.model import Classifier
from jptextclf.parameters import (
    add_lora,
    enable_gradient_checkpointing,
    encoder_layers,
    freeze_lower_layers,
    merge_lora,
    parameter_groups,
)

SMALL = {
    "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 90, "pad_token_id": 0, "num_labels": 3,
}  # fmt: skip
_DEBERTA = {
    **SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16, "type_vocab_size": 0,
    "norm_rel_ebd": "layer_norm", "conv_kernel_size": 3,
}  # fmt: skip
_SPECIAL = {"bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
CONFIGS = {
    "bert": lambda: transformers.BertConfig(**SMALL),
    "roberta": lambda: transformers.RobertaConfig(**{**SMALL, "pad_token_id": 1}),
    "xlm-roberta": lambda: transformers.XLMRobertaConfig(**{**SMALL, "pad_token_id": 1}),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=64, dim=32, n_layers=3, n_heads=4, hidden_dim=48, max_position_embeddings=90, num_labels=3
    ),
    "electra": lambda: transformers.ElectraConfig(**SMALL, embedding_size=16),
    "modernbert": lambda: transformers.ModernBertConfig(**SMALL, **_SPECIAL),
    "deberta-v2": lambda: transformers.DebertaV2Config(**_DEBERTA),
}
EVERY = pytest.mark.parametrize("name", CONFIGS)
QUERIES_AND_VALUES = {"distilbert": ("q_lin", "v_lin"), "deberta-v2": ("query_proj", "value_proj")}


def make_classifier(name="bert", *, dropout=False):
    torch.manual_seed(0)
    network = transformers.AutoModelForSequenceClassification.from_config(CONFIGS[name]())
    if not dropout:
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    return Classifier(network).train()


def texts(seed=0):
    lengths = torch.tensor([4, 9, 2, 4])
    splits = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    torch.manual_seed(seed)
    return torch.randint(5, 64, (int(splits[-1]),)), splits


def gradients_of(classifier):
    classifier.zero_grad(set_to_none=True)
    torch.manual_seed(1)
    torch.nn.functional.cross_entropy(classifier(*texts()), torch.tensor([0, 1, 2, 1])).backward()
    return {name: one.grad.clone() for name, one in classifier.named_parameters() if one.grad is not None}


def rates_of(classifier, decay):
    """Parameter name -> its learning rate."""
    groups = parameter_groups(classifier, learning_rate=1.0, weight_decay=0.1, layer_decay=decay)
    names = {id(one): name for name, one in classifier.named_parameters()}
    return {names[id(one)]: group["lr"] for group in groups for one in group["params"]}


# Layers and rates


@EVERY
def test_the_layers_are_found_whatever_they_are_called(name):
    network = make_classifier(name).network
    layers = encoder_layers(network)
    assert len(layers) == 3
    assert len({type(layer) for layer in layers}) == 1
    assert any("attention" in type(one).__name__.lower() for one in layers[0].modules())


@EVERY
def test_a_layers_rate_is_a_share_of_that_above(name):
    classifier = make_classifier(name)
    rates = rates_of(classifier, 0.5)
    assert rates.keys() == {name for name, _ in classifier.named_parameters()}
    prefix = f"network.{classifier.network.base_model_prefix}."
    for key, rate in rates.items():
        numbers = [int(part) for part in key.split(".") if part.isdecimal()]
        is_layer = any(one in key for one in (".layer.", ".layers."))
        if is_layer and numbers:
            assert rate == 0.5 ** (3 - numbers[0]), key
        elif not key.startswith(prefix) or "pooler" in key or "final_norm" in key:
            assert rate == 1.0, key
        elif ".conv." in key:
            # DeBERTa's comes after the first layer.
            assert rate == 0.5**3, key
        else:
            assert "embeddings" in key or "LayerNorm" in key, key
            assert rate == 0.5**4, key


def test_without_layer_decay_there_are_two_groups_and_only_matrices_have_weight_decay():
    classifier = make_classifier()
    groups = parameter_groups(classifier, learning_rate=3e-4, weight_decay=0.1, layer_decay=1.0)
    assert [group["lr"] for group in groups] == [3e-4, 3e-4]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(one.ndim >= 2 for one in groups[0]["params"])
    assert all(one.ndim < 2 for one in groups[1]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(classifier.parameters()))


def test_rates_are_looked_up_without_a_trace():
    classifier = make_classifier(dropout=True)
    state = torch.get_rng_state()
    rates_of(classifier, 0.9)
    assert torch.equal(torch.get_rng_state(), state)
    assert classifier.training
    assert all(one.grad is None for one in classifier.parameters())
    assert not any(module._forward_hooks for module in classifier.modules())


# Frozen layers


@EVERY
@pytest.mark.parametrize("n", [1, 2, 3])
def test_frozen_layers_have_no_gradient_no_state_and_build_no_graph(name, n):
    classifier = make_classifier(name)
    freeze_lower_layers(classifier, n)
    layers = encoder_layers(classifier.network)
    graphs = []
    for layer in layers:
        layer.register_forward_hook(
            lambda _, __, out: graphs.append((out[0] if isinstance(out, tuple) else out).requires_grad)
        )
    before = {name: one.clone() for name, one in classifier.named_parameters()}
    found = gradients_of(classifier)
    assert graphs == [False] * n + [True] * (3 - n)
    trained = {key for key, one in classifier.named_parameters() if one.requires_grad}
    assert found.keys() == trained
    groups = parameter_groups(classifier, learning_rate=0.01, weight_decay=0.1, layer_decay=0.9)
    optimizer = torch.optim.AdamW(groups)
    optimizer.step()
    assert len(optimizer.state) == len(trained)
    changed = {key for key, one in classifier.named_parameters() if not torch.equal(one, before[key])}
    assert changed <= trained
    inside = {id(one) for layer in layers[n:] for one in layer.parameters()}
    head = {key for key, rate in rates_of(make_classifier(name), 0.5).items() if rate == 1.0}
    expected = head | {key for key, one in classifier.named_parameters() if id(one) in inside}
    assert trained == expected


def test_freezing_none_freezes_nothing():
    classifier = make_classifier()
    freeze_lower_layers(classifier, 0)
    assert all(one.requires_grad for one in classifier.parameters())


def test_more_frozen_layers_than_there_are_is_an_error_that_counts_them():
    with pytest.raises(ConfigError, match=r"JPT-U141.*4.*3 layer"):
        freeze_lower_layers(make_classifier(), 4)


# Gradient checkpointing


@EVERY
@pytest.mark.parametrize("frozen", [0, 1])
def test_checkpointed_gradients_are_the_same(name, frozen):
    classifier = make_classifier(name, dropout=name != "deberta-v2")
    freeze_lower_layers(classifier, frozen)
    expected = gradients_of(classifier)
    enable_gradient_checkpointing(classifier)
    ran = []
    attention = next(
        one
        for key, one in encoder_layers(classifier.network)[-1].named_modules()
        if key and "attention" in type(one).__name__.lower()
    )
    attention.register_forward_hook(lambda *_: ran.append(1))
    found = gradients_of(classifier)
    # Once forward, once again on the way back.
    assert len(ran) == 2
    assert found.keys() == expected.keys()
    for key, one in found.items():
        torch.testing.assert_close(one, expected[key], rtol=1e-5, atol=1e-7)


def test_an_architecture_that_cannot_be_checkpointed_is_named(monkeypatch):
    classifier = make_classifier()
    monkeypatch.setattr(type(classifier.network), "supports_gradient_checkpointing", False)
    with pytest.raises(ConfigError, match=r"JPT-U144.*BertForSequenceClassification"):
        enable_gradient_checkpointing(classifier)


# LoRA


@EVERY
def test_lora_trains_additions_and_head_and_is_merged_away(name, tmp_path):
    pytest.importorskip("peft")
    classifier = make_classifier(name)
    plain = copy.deepcopy(classifier)
    with torch.no_grad():
        before = classifier(*texts())
    add_lora(classifier, rank=4, alpha=8.0, seed=0)
    with torch.no_grad():
        assert torch.equal(classifier(*texts()), before)
    trained = {key for key, one in classifier.named_parameters() if one.requires_grad}
    head = {key for key, rate in rates_of(plain, 0.5).items() if rate == 1.0}
    assert head < trained
    matrices = QUERIES_AND_VALUES.get(name, ("Wqkv",) if name == "modernbert" else ("query", "value"))
    added = {key for key in trained - head if ".lora_" in key}
    assert added == trained - head
    assert len(added) == 2 * 3 * len(matrices)
    assert all(any(f".{matrix}.lora_" in key for matrix in matrices) for key in added)
    groups = parameter_groups(classifier, learning_rate=0.02, weight_decay=0.0, layer_decay=0.9)
    optimizer = torch.optim.AdamW(groups)
    for _ in range(3):
        assert gradients_of(classifier).keys() == trained
        optimizer.step()
    classifier.eval()
    with torch.no_grad():
        learned = classifier(*texts())
        assert (learned - before).abs().max() > 0.01
        merge_lora(classifier)
        merged = classifier(*texts())
    assert (merged - learned).abs().max() < 1e-5
    assert type(classifier.network) is type(plain.network)
    assert classifier.state_dict().keys() == plain.state_dict().keys()
    assert not any("lora" in type(one).__module__ for one in classifier.modules())
    changed = {
        key
        for key, one in classifier.state_dict().items()
        if not torch.equal(one, plain.state_dict()[key]) and key not in head
    }
    assert changed
    assert all(key.split(".")[-2] in matrices for key in changed)
    classifier.network.save_pretrained(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        assert (Classifier(again).eval()(*texts()) - merged).abs().max() < 1e-6


def test_the_additions_depend_on_the_seed_only_and_draw_none_of_the_callers_numbers():
    pytest.importorskip("peft")

    def additions(seed, callers_seed):
        classifier = make_classifier()
        torch.manual_seed(callers_seed)
        state = torch.get_rng_state()
        add_lora(classifier, rank=2, alpha=4.0, seed=seed)
        assert torch.equal(torch.get_rng_state(), state)
        return torch.cat([one.flatten() for key, one in classifier.named_parameters() if "lora_A" in key])

    assert torch.equal(additions(3, 1), additions(3, 2))
    assert not torch.equal(additions(3, 1), additions(4, 1))


def test_alpha_over_rank_scales_the_addition():
    pytest.importorskip("peft")
    classifier = make_classifier()
    weight = encoder_layers(classifier.network)[0].attention.self.query.weight.detach().clone()
    add_lora(classifier, rank=2, alpha=6.0, seed=0)
    layer = encoder_layers(classifier.network)[0].attention.self.query
    with torch.no_grad():
        layer.lora_B["default"].weight.fill_(0.5)
    expected = weight + 6.0 / 2 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    merge_lora(classifier)
    torch.testing.assert_close(encoder_layers(classifier.network)[0].attention.self.query.weight, expected)


def test_frozen_layers_get_no_addition():
    pytest.importorskip("peft")
    classifier = make_classifier()
    freeze_lower_layers(classifier, 2)
    add_lora(classifier, rank=2, alpha=4.0, seed=0)
    added = {key for key, one in classifier.named_parameters() if one.requires_grad and "lora" in key}
    assert len(added) == 4
    assert all(".layer.2." in key for key in added)


def test_lora_with_recomputed_activations_has_the_same_gradients():
    pytest.importorskip("peft")
    classifier = make_classifier()
    add_lora(classifier, rank=2, alpha=4.0, seed=0)
    expected = gradients_of(classifier)
    enable_gradient_checkpointing(classifier)
    for key, one in gradients_of(classifier).items():
        torch.testing.assert_close(one, expected[key], rtol=1e-5, atol=1e-7)


def test_nothing_left_to_add_to_is_an_error():
    pytest.importorskip("peft")
    classifier = make_classifier()
    freeze_lower_layers(classifier, 3)
    with pytest.raises(ConfigError, match="JPT-U142"):
        add_lora(classifier, rank=2, alpha=4.0, seed=0)


def test_without_peft_the_pip_line_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(SetupError) as caught:
        add_lora(make_classifier(), rank=2, alpha=4.0, seed=0)
    assert "pip install 'jptextclf[peft]'" in caught.value.hint
