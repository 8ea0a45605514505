"""A GPU computes what the CPU computes, keeps it, and splits what does not fit.

Each check runs on both: on the CPU to show that the check itself works, on the GPU where there is one.
"""

import gc
import resource

import numpy as np
import processes
import pytest
import torch
from conftest import make_tiny_encoder

from jptextclf import train
from jptextclf.checkpoints import Checkpoints
from jptextclf.config import TrainConfig
from jptextclf.devices import choose_device, choose_precision
from jptextclf.errors import SetupError
from jptextclf.labels import LabelSchema
from jptextclf.model import compute_logits, compute_vectors
from jptextclf.progress import Logged
from jptextclf.stepping import Stepper
from jptextclf.training import make_plan
from jptextclf.unpadded import KERNELS, try_kernel

BINARY = LabelSchema(("悪い", "良い"), "binary")
CPU = torch.device("cpu")
NO_GPU = f"needs a GPU: PyTorch {torch.__version__} sees none"


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip(NO_GPU)
    return torch.device("cuda:0" if request.param == "cuda" else "cpu")


def without_dropout(classifier):
    for module in classifier.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return classifier


def stepper_of(classifier, data, device, progress=None, **settings):
    options = {"device": str(device), "precision": "float32", "batch_size": 8, "epochs": 3, **settings}
    config = TrainConfig.from_options(options)
    plan = make_plan(config, n_texts=len(data), width=classifier.width)
    return Stepper(classifier, data, plan=plan, config=config, progress=progress)


def gradients(stepper, data):
    loss = stepper.accumulate(np.arange(len(data)))
    named = stepper.classifier.named_parameters()
    return loss, {name: one.grad.to(CPU, copy=True) for name, one in named if one.grad is not None}


def assert_same_gradients(found, expected, tolerance):
    assert found.keys() == expected.keys()
    largest = max(float(one.norm()) for one in expected.values())
    for name, gradient in expected.items():
        error = (found[name] - gradient).norm() / gradient.norm().clamp(min=1e-3 * largest)
        assert error < tolerance, name


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("attention", ["auto", "padded"])
def test_logits_and_vectors_are_those_of_the_cpu(
    classifier_of, labelled, reviews, tmp_path, device, architecture, attention
):
    encoder = make_tiny_encoder(tmp_path, architecture=architecture)
    classifier, adapter = classifier_of(BINARY, encoder)
    rows = labelled(adapter, reviews, BINARY).texts.rows
    found = []
    for where in (CPU, device):
        classifier.to(where).eval()
        classifier.choose_attention(attention, precision=torch.float32, training=False)
        logits = compute_logits(classifier, rows, max_tokens=100)
        found.append((logits, compute_vectors(classifier, rows, pooling="mean", layers=2, max_tokens=100)))
    assert found[0][0].std() > 1e-3
    for expected, other in zip(*found, strict=True):
        assert np.abs(other - expected).max() < 1e-4


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_kernel_gives_what_grouped_gives(device, name, precision, dropout):
    problem = _reason_against(device, name, precision, dropout)
    if problem:
        pytest.skip(f"{name} on {device.type}: {problem}")
    for head_width in (32, 64):
        options = {"head_width": head_width, "dropout": dropout, "training": True}
        assert try_kernel(KERNELS[name], device, precision, **options) == ""


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_gradients_of_a_kernel_are_those_of_the_padded_batch(
    classifier_of, labelled, reviews, tmp_path, device, name, precision
):
    problem = _reason_against(device, name, precision, 0.0)
    if problem:
        pytest.skip(f"{name} on {device.type}: {problem}")
    # Flex attention wants heads of 16 at least, flash attention a multiple of 8.
    encoder = make_tiny_encoder(tmp_path, width=64)
    results = []
    for attention in ("padded", name):
        classifier, adapter = classifier_of(BINARY, encoder)
        classifier.network.config.attention_probs_dropout_prob = 0.0
        data = labelled(adapter, reviews, BINARY)
        settings = {"attention": attention, "precision": str(precision).removeprefix("torch.")}
        results.append(gradients(stepper_of(without_dropout(classifier), data, device, **settings), data))
    (loss, expected), (found_loss, found) = results
    is_exact = precision == torch.float32
    assert found_loss == pytest.approx(loss, rel=1e-5 if is_exact else 1e-2)
    assert_same_gradients(found, expected, 1e-4 if is_exact else 0.1)


def _reason_against(device, name, precision, dropout):
    """Why this kernel is not to be had here; what it computes wrongly is no such reason."""
    from jptextclf.unpadded import choose_kernel

    if name == "grouped":
        return ""
    chosen = choose_kernel(
        device, precision, head_width=64, dropout=dropout, training=True, names=(name,)
    )  # fmt: skip
    problem = chosen.passed_over.get(name, "")
    return "" if "differs" in problem or "dropout" in problem.split()[:1] else problem


def test_a_resumed_training_has_the_weights_of_the_uninterrupted_one(
    classifier_of, labelled, reviews, tmp_path, device
):
    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, reviews, BINARY)
    batches = [np.arange(8), np.arange(8, 16), np.arange(16, 24)]
    first = stepper_of(classifier, data, device)
    first.step(batches[0])
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, first.tensors(), first.state())
    losses = [first.step(batch).loss for batch in batches[1:]]

    second = stepper_of(classifier_of(BINARY, seed=5)[0], data, device, seed=3)
    checkpoint, skipped = checkpoints.newest()
    assert not skipped
    second.restore(checkpoint.tensors(), checkpoint.state)
    assert second.steps == 1
    # A GPU adds in another order each time; dropout must draw the same all the same. AdamW makes a full step of a
    # gradient that is nothing but rounding, as that of a key's bias is.
    is_exact = device.type == "cpu"
    found = [second.step(batch).loss for batch in batches[1:]]
    assert found == pytest.approx(losses, abs=0.0 if is_exact else 1e-4)
    expected, tolerance = first.tensors(), 0.0 if is_exact else 1e-3
    for name, value in second.tensors().items():
        assert torch.allclose(value.float(), expected[name].float(), rtol=0, atol=tolerance), name


def test_a_checkpoint_of_one_device_goes_on_on_another(classifier_of, labelled, reviews, tmp_path, device):
    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, reviews, BINARY)
    first = stepper_of(without_dropout(classifier), data, device)
    first.step(np.arange(8))
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, first.tensors(), first.state())
    checkpoint, _ = checkpoints.newest()
    second = stepper_of(without_dropout(classifier_of(BINARY, seed=5)[0]), data, CPU)
    second.restore(checkpoint.tensors(), checkpoint.state)
    one, other = (stepper.step(np.arange(8, 16)) for stepper in (first, second))
    assert one.loss == pytest.approx(other.loss, abs=1e-4)
    assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-3)


class Remarks(Logged):
    def __init__(self):
        self.warnings = []

    def warn(self, sentence):
        self.warnings.append(sentence)


def loss_and_peak(stepper, batch):
    """Loss of a batch, and the bytes that it needed beside what was held before."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    loss = stepper.accumulate(batch)
    stepper.optimizer.zero_grad(set_to_none=True)
    return loss, torch.cuda.max_memory_allocated() - before


def limited_to(bytes_more):
    """Let this process have so many bytes more of the GPU than it holds."""
    gc.collect()
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + bytes_more) / total)


def wide_data(classifier_of, labelled, reviews, tmp_path):
    encoder = make_tiny_encoder(tmp_path, width=64)
    classifier, adapter = classifier_of(BINARY, encoder)
    long = [(text * 4, label) for text, label in reviews * 16]
    return without_dropout(classifier), labelled(adapter, long, BINARY)


def test_a_batch_that_does_not_fit_in_a_gpu_is_split(classifier_of, labelled, reviews, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip(NO_GPU)
    classifier, data = wide_data(classifier_of, labelled, reviews, tmp_path)
    remarks, batch = Remarks(), np.arange(len(data))
    stepper = stepper_of(
        classifier, data, torch.device("cuda:0"), remarks, max_tokens=10**6, attention="grouped"
    )
    expected, peak = loss_and_peak(stepper, batch)
    assert not remarks.warnings
    try:
        limited_to(int(0.6 * peak))
        loss = stepper.accumulate(batch)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert remarks.warnings
    assert stepper.max_tokens < 10**6
    assert loss == pytest.approx(expected, rel=1e-5)
    stepper.step(batch)
    assert stepper.steps == 1


# How much room beside the limit is enough depends on what oneDNN has compiled before, hence on the machine.
@pytest.mark.full
def test_a_batch_that_does_not_fit_in_the_memory_of_a_cpu_is_split(
    classifier_of, labelled, reviews, tmp_path
):
    """A real limit, in a process of its own."""
    classifier, data = wide_data(classifier_of, labelled, reviews, tmp_path)
    batch = np.arange(len(data))

    def limited(rank):
        remarks = Remarks()
        stepper = stepper_of(classifier, data, CPU, remarks, max_tokens=10**6)
        some = batch[:8]
        stepper.accumulate(some)
        with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
            (used,) = (int(line.split()[1]) for line in file if line.startswith("VmSize"))
        resource.setrlimit(resource.RLIMIT_AS, ((used << 10) + (48 << 20),) * 2)
        return [stepper.accumulate(batch), stepper.max_tokens, remarks.warnings]

    # First of all: what this process has freed, a forked one may use beside its limit.
    loss, max_tokens, warnings = processes.run(tmp_path / "limited", limited, n=1)[0]
    expected = stepper_of(classifier, data, CPU, max_tokens=10**6).accumulate(batch)
    assert warnings
    assert max_tokens < 10**6
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_device_is_chosen(device):
    has_gpu = torch.cuda.is_available()
    assert choose_device("auto").type == ("cuda" if has_gpu else "cpu")
    assert choose_device(str(device)) == device
    assert choose_precision("auto", device) in {torch.float32, torch.bfloat16}
    with pytest.raises(SetupError, match="JPT-E043"):
        choose_device("cuda:99")


def test_a_run_of_the_device_predicts_the_same_on_the_cpu(reviews_csv, tiny_encoder, tmp_path, device):
    from jptextclf import load

    run = train(
        reviews_csv, model=str(tiny_encoder), out=tmp_path / "run", epochs=2, batch_size=8, max_length=64,
        device=str(device), precision="float32",
    )  # fmt: skip
    assert run.bundle.record["plan"]["device"] == str(device)
    texts = ["朝食がとても美味しかったです。", "部屋が汚くて残念でした。"]
    found = [load(run.path, device=name).predict(texts).probabilities for name in ("cpu", str(device))]
    assert np.abs(found[0] - found[1]).max() < 1e-4
