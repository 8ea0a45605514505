"""A step is the mean gradient of its batch, however it is computed; what cannot be learned from ends with a sentence."""

import numpy as np
import pytest
import torch

from jptextclf.config import TrainConfig
from jptextclf.errors import WorkError
from jptextclf.labels import LabelSchema
from jptextclf.progress import Logged
from jptextclf.stepping import Stepper
from jptextclf.training import make_plan

BINARY = LabelSchema(("悪い", "良い"), "binary")
MULTI = LabelSchema(("悪い", "良い", "部屋"), "multilabel")


def config_of(**settings):
    return TrainConfig.from_options(
        {"device": "cpu", "precision": "float32", "batch_size": 8, "epochs": 3, **settings}
    )


def without_dropout(classifier):
    for module in classifier.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return classifier


def stepper_of(classifier, data, progress=None, **settings):
    config = config_of(**settings)
    plan = make_plan(config, n_texts=len(data), width=32)
    return Stepper(classifier, data, plan=plan, config=config, progress=progress)


def gradients(stepper, data):
    loss = stepper.accumulate(np.arange(len(data)))
    named = stepper.classifier.named_parameters()
    return loss, {name: one.grad.clone() for name, one in named if one.grad is not None}


def assert_same_gradients(found, expected):
    assert found.keys() == expected.keys()
    largest = max(float(one.norm()) for one in expected.values())
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() / gradient.norm().clamp(min=1e-3 * largest) < 1e-4, name


@pytest.mark.parametrize("schema", [BINARY, MULTI], ids=["binary", "multilabel"])
@pytest.mark.parametrize("attention", ["auto", "padded"])
@pytest.mark.parametrize("max_tokens", [16, 60, 200])
def test_micro_batches_change_neither_loss_nor_gradient(
    classifier_of, labelled, reviews, schema, attention, max_tokens
):
    classifier, adapter = classifier_of(schema)
    data = labelled(adapter, reviews, schema)
    loss, whole = gradients(stepper_of(without_dropout(classifier), data), data)
    cut = stepper_of(
        without_dropout(classifier_of(schema)[0]), data, max_tokens=max_tokens, attention=attention
    )
    cut_loss, found = gradients(cut, data)
    assert len(cut._micro_batches(np.arange(len(data)))) > 1
    assert cut_loss == pytest.approx(loss, rel=1e-5)
    assert_same_gradients(found, whole)


def test_the_gradient_equals_that_of_the_stock_padded_batch(classifier_of, labelled, reviews):
    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, reviews, BINARY)
    loss, ours = gradients(stepper_of(without_dropout(classifier), data), data)
    stock = without_dropout(classifier_of(BINARY)[0]).train().network
    stock.set_attn_implementation("sdpa")
    rows = data.texts.rows
    width = int(rows.lengths.max())
    ids = torch.full((len(data), width), stock.config.pad_token_id)
    mask = torch.zeros_like(ids)
    for number in range(len(data)):
        row = torch.from_numpy(rows.row(number)).long()
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    expected = stock(input_ids=ids, attention_mask=mask, labels=torch.from_numpy(data.targets)).loss
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    named = stock.named_parameters()
    assert_same_gradients(ours, {f"network.{name}": one.grad for name, one in named if one.grad is not None})


class Remarks(Logged):
    def __init__(self):
        self.warnings = []

    def warn(self, sentence):
        self.warnings.append(sentence)


def short_of_memory(classifier, most, error=torch.OutOfMemoryError):
    """Let every backward pass over more than ``most`` pieces fail half-way, as on a full GPU."""
    layer = classifier.network.bert.encoder.layer[0]

    def fail(module, inputs, output):
        if output[0].numel() // 32 > most:
            output[0].register_hook(lambda gradient: (_ for _ in ()).throw(error("memory is full")))

    layer.register_forward_hook(lambda module, inputs, output: fail(module, inputs, (output,)))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_a_batch_that_does_not_fit_is_split_and_gives_the_same_step(classifier_of, labelled, reviews, error):
    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, reviews, BINARY)
    expected_loss, expected = gradients(stepper_of(without_dropout(classifier), data), data)
    tight = without_dropout(classifier_of(BINARY)[0])
    short_of_memory(tight, 70, error)
    remarks = Remarks()
    stepper = stepper_of(tight, data, remarks)
    loss, found = gradients(stepper, data)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert_same_gradients(found, expected)
    assert stepper.max_tokens <= 70
    assert len(remarks.warnings) >= 1
    assert "memory" in remarks.warnings[0]


def test_a_text_that_does_not_fit_alone_ends_with_a_sentence(classifier_of, labelled, reviews):
    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, reviews, BINARY)
    short_of_memory(classifier, 3)
    with pytest.raises(WorkError, match="JPT-W013"):
        stepper_of(classifier, data).step(np.arange(8))


def test_other_errors_are_not_taken_for_a_lack_of_memory(classifier_of, labelled, reviews):
    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, reviews, BINARY)
    short_of_memory(classifier, 3, RuntimeError)
    with pytest.raises(RuntimeError, match="memory is full"):
        stepper_of(classifier, data).step(np.arange(8))


def test_a_loss_that_is_not_finite_stops_before_any_weight_changes(classifier_of, labelled, reviews):
    classifier, adapter = classifier_of(BINARY)
    with torch.no_grad():
        classifier.network.classifier.weight.fill_(float("inf"))
    data = labelled(adapter, reviews, BINARY)
    stepper = stepper_of(classifier, data)
    before = {name: one.clone() for name, one in classifier.state_dict().items()}
    with pytest.raises(WorkError, match=r"JPT-W010.*step 1"):
        stepper.step(np.arange(8))
    assert all(torch.equal(before[name], one) for name, one in classifier.state_dict().items())
    assert stepper.steps == 0


def test_the_text_that_poisons_a_batch_is_named_by_its_row(classifier_of, labelled, reviews):
    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, reviews, BINARY)
    # A piece that only the fifth review has.
    others = np.concatenate([data.texts.rows.row(number) for number in range(24) if number != 4])
    own = next(one for one in data.texts.rows.row(4) if one not in others)
    with torch.no_grad():
        classifier.network.get_input_embeddings().weight[own] = float("nan")
    with pytest.raises(WorkError, match=r"JPT-W010") as caught:
        stepper_of(classifier, data).step(np.arange(8))
    assert caught.value.fields["rows"] == "5"


def test_a_restored_stepper_makes_the_steps_of_the_other_bit_for_bit(classifier_of, labelled, reviews):
    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, reviews, BINARY)
    first = stepper_of(classifier, data)
    for start in (0, 8):
        first.step(np.arange(start, start + 8))
    tensors = {name: one.clone() for name, one in first.tensors().items()}
    state = first.state()
    expected = first.step(np.arange(16, 24))
    second = stepper_of(classifier_of(BINARY)[0], data, seed=3)
    second.restore(tensors, state)
    assert second.step(np.arange(16, 24)) == expected
    ours, other = second.tensors(), first.tensors()
    assert all(torch.equal(one, other[name]) for name, one in ours.items())
    assert second.learning_rate == first.learning_rate
