"""Texts on one flat sequence give what the stock padded model gives, and no text sees another."""

import copy
import itertools

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf.batching import flat_batches, length_groups
from jptextclf.encodings import Encodings
from jptextclf.errors import ConfigError, SetupError
from jptextclf.model import (
    Classifier,
    compute_logits,
    compute_vectors,
    divide_logits,
    pad,
    to_device,
)
from jptextclf.unpadded import GROUPED, KERNELS, Group, Layout, choose_kernel, try_kernel

SMALL = {
    "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 90, "pad_token_id": 0, "num_labels": 3,
}  # fmt: skip
CONFIGS = {
    "bert": lambda: transformers.BertConfig(**SMALL),
    "bert-relu": lambda: transformers.BertConfig(**SMALL, hidden_act="relu", classifier_dropout=0.3),
    "roberta": lambda: transformers.RobertaConfig(**{**SMALL, "pad_token_id": 1}),
    "roberta-pad-3": lambda: transformers.RobertaConfig(**{**SMALL, "pad_token_id": 3}),
    "xlm-roberta": lambda: transformers.XLMRobertaConfig(**{**SMALL, "pad_token_id": 1}),
    "camembert": lambda: transformers.CamembertConfig(**{**SMALL, "pad_token_id": 1}),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=64, dim=32, n_layers=3, n_heads=4, hidden_dim=48, max_position_embeddings=90, num_labels=3
    ),
    "electra": lambda: transformers.ElectraConfig(**SMALL, embedding_size=16),
    "modernbert": lambda: _modernbert("cls"),
    "modernbert-mean": lambda: _modernbert("mean"),
    "deberta-v2": lambda: transformers.DebertaV2Config(
        **SMALL, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=16, type_vocab_size=0
    ),
}
FLAT = [name for name in CONFIGS if name != "deberta-v2"]
LENGTHS = [5, 2, 40, 5, 9, 17, 5, 70, 2, 33]


def _modernbert(pooling):
    special = {"bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    # A window of 4 to either side: smaller than most texts.
    config = {**SMALL, "local_attention": 8, "global_attn_every_n_layers": 3}
    return transformers.ModernBertConfig(**config, classifier_pooling=pooling, **special)


def make_network(name, *, dropout=False):
    torch.manual_seed(0)
    network = transformers.AutoModelForSequenceClassification.from_config(CONFIGS[name]()).train()
    # Wide enough that a mistake shows in the logits.
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=0.15)
    if not dropout:
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for module in network.modules():
            if hasattr(module, "attention_dropout"):
                module.attention_dropout = 0.0
    return network


def make_encodings(lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    splits = np.cumsum([0, *lengths]).astype(np.int64)
    ids = rng.integers(5, 64, splits[-1]).astype(np.int32)
    none = np.zeros(len(lengths))
    return Encodings(ids, splits, none.astype(bool), none.astype(np.int32))


def gradients(network):
    return {name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None}


def stock(network, encodings, targets):
    """Logits and gradients of the plain padded model under the implementation that transformers takes itself."""
    network.set_attn_implementation("eager" if network.config.model_type == "deberta-v2" else "sdpa")
    tensors = torch.from_numpy(encodings.input_ids), torch.from_numpy(encodings.row_splits)
    padded, mask = pad(*tensors, network.config.pad_token_id)
    network.zero_grad()
    logits = network(input_ids=padded, attention_mask=mask).logits
    torch.nn.functional.cross_entropy(logits, targets).backward()
    return logits.detach(), gradients(network)


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_and_gradients_equal_those_of_the_stock_padded_model(name):
    network = make_network(name)
    encodings = make_encodings()
    targets = torch.arange(len(encodings)) % 3
    expected, expected_gradients = stock(copy.deepcopy(network), encodings, targets)
    classifier = Classifier(network)
    assert (classifier.kernel is not None) == (name in FLAT)
    logits = classifier(*to_device(encodings, torch.device("cpu")))
    assert logits.std() > 0.05
    assert (logits - expected).abs().max() < 1e-5
    torch.nn.functional.cross_entropy(logits, targets).backward()
    found = gradients(network)
    assert found.keys() == expected_gradients.keys()
    largest = max(float(one.norm()) for one in expected_gradients.values())
    for key, gradient in expected_gradients.items():
        # A key's bias has no gradient but rounding: softmax does not see it.
        error = (found[key] - gradient).norm() / gradient.norm().clamp(min=1e-3 * largest)
        assert error < 1e-4, key


@pytest.mark.parametrize("name", CONFIGS)
def test_changing_one_text_changes_no_other(name):
    classifier = Classifier(make_network(name)).eval()
    encodings = make_encodings()
    changed = make_encodings()
    start, end = changed.row_splits[2:4]
    changed.input_ids[start:end] = 7
    cpu = torch.device("cpu")
    with torch.no_grad():
        before, after = classifier(*to_device(encodings, cpu)), classifier(*to_device(changed, cpu))
    others = [number for number in range(len(encodings)) if number != 2]
    assert (before[2] - after[2]).abs().max() > 1e-3
    assert torch.equal(before[others], after[others])


def test_restarting_positions_alone_would_mix_texts():
    """The trap that the layout is for: under sdpa nothing but the mask keeps texts apart."""
    network = make_network("bert").eval()
    network.set_attn_implementation("sdpa")
    encodings = make_encodings([6, 9])
    ids = torch.from_numpy(encodings.input_ids).long()[None]
    positions = torch.cat([torch.arange(6), torch.arange(9)])[None]
    with torch.no_grad():
        mixed = network.bert(input_ids=ids, position_ids=positions).last_hidden_state[0, :6]
        alone = network.bert(input_ids=ids[:, :6]).last_hidden_state[0]
        classifier = Classifier(network)
        layout = Layout(encodings.row_splits, torch.device("cpu"), GROUPED)
        ours = classifier.encode(torch.from_numpy(encodings.input_ids), layout).last_hidden_state[0, :6]
    assert (mixed - alone).abs().max() > 1e-2
    assert (ours - alone).abs().max() < 1e-5


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("max_tokens", [16, 100, 10_000])
def test_logits_of_many_texts_do_not_depend_on_their_batches(name, max_tokens):
    classifier = Classifier(make_network(name)).eval()
    encodings = make_encodings()
    found = compute_logits(classifier, encodings, max_tokens=max_tokens)
    expected, _ = stock(make_network(name).eval(), encodings, torch.zeros(10, dtype=torch.long))
    assert np.abs(found - expected.numpy()).max() < 1e-5


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_vectors_equal_those_of_the_stock_padded_encoder(name, layers, pooling):
    network = make_network(name).eval()
    encodings = make_encodings()
    plain = copy.deepcopy(network).base_model
    plain.set_attn_implementation("eager")
    expected = []
    for number in range(len(encodings)):
        ids = torch.from_numpy(encodings.row(number)).long()[None]
        with torch.no_grad():
            states = plain(input_ids=ids, output_hidden_states=True).hidden_states
        one = torch.cat([states[-1 - layer] for layer in range(layers)], dim=-1)[0]
        expected.append(one[0] if pooling == "first" else one.mean(dim=0))
    found = compute_vectors(Classifier(network), encodings, pooling=pooling, layers=layers, max_tokens=64)
    assert found.shape == (10, layers * 32)
    assert np.abs(found - torch.stack(expected).numpy()).max() < 1e-5


def test_more_layers_than_there_are_is_refused():
    with pytest.raises(ConfigError, match=r"JPT-U179.*3 layer"):
        compute_vectors(
            Classifier(make_network("bert")), make_encodings(), pooling="mean", layers=4, max_tokens=64
        )


@pytest.mark.parametrize("name", ["bert", "modernbert", "distilbert"])
def test_dropout_of_attention_weights_reaches_the_flat_sequence(name):
    """Same mean, other draws: hidden dropout off, that of attention weights on."""
    network = make_network(name)
    for module in network.modules():
        if hasattr(module, "dropout") and "Attention" in type(module).__name__:
            module.dropout.p = 0.3
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.3
    classifier = Classifier(network)
    batch = to_device(make_encodings([5, 9]), torch.device("cpu"))
    torch.manual_seed(0)
    with torch.no_grad():
        first, second = classifier(*batch), classifier(*batch)
        evaluated = classifier.eval()(*batch)
    assert not torch.equal(first, second)
    assert not torch.equal(first, evaluated)


def test_windows_of_a_text_share_their_mean():
    classifier = Classifier(make_network("bert")).eval()
    tensors = to_device(make_encodings([5, 9, 7]), torch.device("cpu"))
    with torch.no_grad():
        rows = classifier(*tensors)
        texts = classifier(*tensors, torch.tensor([0, 2, 3]))
    assert torch.allclose(texts, torch.stack([rows[:2].mean(dim=0), rows[2]]))


def test_a_wrapped_network_still_computes_and_saves_like_the_plain_one(tmp_path):
    network = make_network("modernbert").eval()
    encodings = make_encodings()
    expected, _ = stock(copy.deepcopy(network), encodings, torch.zeros(10, dtype=torch.long))
    Classifier(network)
    tensors = torch.from_numpy(encodings.input_ids), torch.from_numpy(encodings.row_splits)
    padded, mask = pad(*tensors, 0)
    with torch.no_grad():
        assert (network(input_ids=padded, attention_mask=mask).logits - expected).abs().max() < 1e-5
    network.save_pretrained(tmp_path)
    assert "jptextclf" not in (tmp_path / "config.json").read_text(encoding="utf-8")
    assert "jptextclf" not in repr(network.config.to_dict())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(0, 2000))
def test_groups_give_back_what_they_take(lengths, overhead):
    lengths = np.array(lengths)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    cuts = length_groups(lengths, overhead=overhead)
    assert cuts[0] == 0
    assert cuts[-1] == len(lengths)
    assert all(a < b for a, b in itertools.pairwise(cuts))
    flat = torch.arange(int(splits[-1]) * 6, dtype=torch.float32).view(-1, 2, 3)
    groups = [Group.of(splits[a : b + 1], flat.device) for a, b in itertools.pairwise(cuts)]
    assert torch.equal(torch.cat([group.give(group.take(flat)) for group in groups]), flat)


def test_groups_of_sorted_texts_are_the_cheapest_cut():
    assert length_groups(np.array([2, 2, 3, 90]), overhead=100) == [0, 3, 4]
    assert length_groups(np.array([2, 2, 3, 90]), overhead=0) == [0, 2, 3, 4]
    assert length_groups(np.array([90, 3, 2, 2]), overhead=10**6) == [0, 4]


@given(st.lists(st.integers(1, 100), max_size=60), st.integers(1, 500))
def test_flat_batches_hold_every_text_once_within_the_budget(lengths, max_tokens):
    lengths = np.array(lengths, dtype=np.int64)
    batches = list(flat_batches(lengths, max_tokens=max_tokens))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or lengths[batch].sum() <= max_tokens for batch in batches)
    flat = [lengths[number] for batch in batches for number in batch]
    assert flat == sorted(flat, reverse=True)


def test_on_a_cpu_the_grouped_kernel_is_chosen_and_the_reasons_are_kept():
    chosen = choose_kernel(torch.device("cpu"), torch.float32, head_width=64)
    assert chosen.kernel is GROUPED
    assert set(chosen.passed_over) == set(KERNELS) - {"grouped"}
    assert all(chosen.passed_over.values())


@pytest.mark.parametrize("training", [True, False])
def test_the_trial_of_a_kernel_accepts_the_right_and_finds_the_wrong(training):
    cpu, options = torch.device("cpu"), {"head_width": 16, "training": training}
    assert try_kernel(GROUPED, cpu, torch.float32, dropout=0.5 if training else 0.0, **options) == ""

    def mixes(query, key, value, layout, scale, dropout, window):
        one = Layout(layout.row_splits[[0, -1]], layout.device, GROUPED)
        return GROUPED.compute(query, key, value, one, scale, dropout, window)

    wrong = type(GROUPED)("wrong", mixes)
    assert "differs" in try_kernel(wrong, cpu, torch.float32, dropout=0.0, **options)

    def forgets(query, key, value, layout, scale, dropout, window):
        return GROUPED.compute(query, key, value, layout, scale, 0.0, window)

    forgetful = type(GROUPED)("forgetful", forgets)
    assert try_kernel(forgetful, cpu, torch.float32, dropout=0.5, **options) == "dropout changes nothing"


def test_flat_attention_asked_of_an_architecture_that_cannot_is_refused():
    classifier = Classifier(make_network("deberta-v2"))
    assert classifier.choose_attention("auto", precision=torch.float32, training=True) is None
    with pytest.raises(ConfigError, match=r"JPT-U178.*DebertaV2"):
        classifier.choose_attention("grouped", precision=torch.float32, training=True)


def test_a_kernel_that_is_not_there_is_refused_with_the_reason():
    classifier = Classifier(make_network("bert"))
    with pytest.raises(SetupError, match=r"JPT-E095.*needs a GPU"):
        classifier.choose_attention("varlen", precision=torch.float32, training=True)
    classifier.choose_attention("padded", precision=torch.float32, training=True)
    assert classifier.kernel is None


@pytest.mark.parametrize("temperatures", [[2.5], [0.5, 1.0, 4.0]])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_last_layer_divides_the_logits(name, temperatures):
    classifier = Classifier(make_network(name).eval())
    encodings = make_encodings()
    before = compute_logits(classifier, encodings, max_tokens=10_000)
    divide_logits(classifier, np.array(temperatures))
    after = compute_logits(classifier, encodings, max_tokens=10_000)
    assert after == pytest.approx(before / np.array(temperatures), abs=1e-5)
