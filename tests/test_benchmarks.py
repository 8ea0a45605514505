"""The benchmarks run, count what they say they count, and compare like with like; their figures need a quiet machine."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

PROGRAMS = Path(__file__).parent / "benchmarks"
sys.path.insert(0, str(PROGRAMS))

import _stock
import gpu
import inference
import seeds
import training

SMALL = ["--shape", "tiny", "--small-shape", "tiny", "--rounds", "1", "--batch-size", "4"]


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """The programs set up the process that they have for themselves."""
    import transformers

    verbosity, threads = transformers.logging.get_verbosity(), torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with torch.random.fork_rng():
        yield
    transformers.logging.set_verbosity(verbosity)
    torch.set_num_threads(threads)


def test_every_row_of_the_table_has_its_figures(capsys):
    rows = "training,long-tailed,prediction,features,tiny"
    assert training.main([*SMALL, "--rows", rows, "--texts", "8", "--steps", "10"]) == 0
    found = json.loads(capsys.readouterr().out)
    has_bfloat16 = "bfloat16" in json.dumps(found)
    wanted = [one["wanted"] for one in found["figures"]]
    assert wanted == (
        [7.0, 2.5, 13.0, 4.5, 2.2, 2.2, 2.2, 2.0, 4.3, 5.0, 2.0, 0.8]
        if has_bfloat16
        else [7.0, 2.5, 2.2, 2.0, 5.0, 2.0, 0.8]
    )
    assert all(one["ours_seconds"] > 0 and one["stock_seconds"] > 0 for one in found["figures"])


@pytest.mark.parametrize("way", ["ours, float32", "padded to 128, float32"])
def test_the_peak_of_memory_is_that_of_one_way(capsys, way):
    assert training.main([*SMALL, "--one-way", way]) == 0
    # PyTorch alone takes 200 MB.
    assert 200e6 < int(capsys.readouterr().out) < 20e9


def test_a_missed_figure_is_a_status_where_it_is_asked_for(monkeypatch, capsys):
    missed = training.Figure("training", "ours", "stock", 1.0, 1.0, 1.0, 1.0, 1.0, wanted=2.0)
    monkeypatch.setattr(training, "measure", lambda setting, row, *, n_texts: [missed])
    assert training.main([*SMALL, "--rows", "training"]) == 0
    assert training.main([*SMALL, "--rows", "training", "--check"]) == 1
    assert "MISSED" in capsys.readouterr().err
    with pytest.raises(SystemExit) as error:
        training.main(["--rows", "speed"])
    assert error.value.code == 2


def test_a_figure_is_the_median_over_pairs():
    taken = {"ours": [1.0, 2.0, 1.0], "stock": [4.0, 10.0, 30.0]}
    figure = training.Figure.of("x", taken, "ours", "stock", 5.0)
    assert (figure.ratio, figure.lowest, figure.highest) == (5.0, 4.0, 30.0)
    assert figure.is_reached
    share = training.Figure.of("x", taken, "ours", "stock", 0.1, is_share=True)
    assert share.ratio == pytest.approx(0.2)
    assert not share.is_reached


def test_ways_take_turns_in_the_opposite_order():
    calls = []
    ways = {name: (lambda work, name=name: calls.append((name, work))) for name in "ab"}
    taken = _stock.take_turns(ways, [1, 2], warm_up=0)
    assert calls == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("b", 2), ("a", 2)]
    assert [len(times) for times in taken.values()] == [2, 2]


def test_the_stock_loop_and_ours_make_the_same_step():
    """Without dropout both have the same weights after it, whatever the padding."""
    _, texts = _stock.short_texts()
    data = _stock.encode(texts[:16])
    networks = [without_dropout(_stock.make_network("tiny")) for _ in range(3)]
    stepper = _stock.make_stepper(networks[0], data, precision=torch.float32, batch_size=16)
    loops = [_stock.PlainLoop(network, data) for network in networks[1:]]
    for group, peak in zip(stepper.optimizer.param_groups, stepper.peaks, strict=True):
        group["weight_decay"] = loops[0].optimizer.param_groups[0]["weight_decay"]
        assert peak == _stock.LEARNING_RATE
    batch = np.arange(16)
    # The gradients, not the weights: the first step of AdamW makes a full one of rounding.
    stepper.accumulate(batch)
    expected = {name: one.grad for name, one in networks[0].named_parameters()}
    for loop, pad_to in zip(loops, (None, _stock.MAX_LENGTH), strict=True):
        loop.optimizer.zero_grad = lambda **options: None
        loop.step(batch, precision=torch.float32, pad_to=pad_to)
        total = torch.linalg.vector_norm(torch.stack([one.norm() for one in expected.values()]))
        share = min(1.0, _stock.MAX_NORM / float(total))
        for name, one in loop.network.named_parameters():
            assert torch.allclose(one.grad, expected[name] * share, atol=1e-5), name


def without_dropout(network):
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return network


def test_long_tailed_texts_are_mostly_short():
    counts = [text.count("。") for text in _stock.long_tailed(["よい。"] * 2000)]
    assert min(counts) == 1
    assert max(counts) == 12
    assert 0.28 < counts.count(1) / len(counts) < 0.37


def test_texts_without_the_shared_data(monkeypatch, tmp_path):
    for module in (inference, seeds):
        monkeypatch.setattr(module, "SHARED", tmp_path)
    name, texts = _stock.short_texts()
    assert name == "reviews-ja"
    assert len(texts) > 500
    source, parts = seeds.splits()
    assert source == "reviews-ja"
    assert len({label for _, label in parts["train"]}) == 3
    assert len(parts["dev"]) > 50


def test_both_ways_of_the_study_of_seeds_learn(capsys):
    assert seeds.main(["--seeds", "2", "--texts", "48", "--epochs", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [len(found["losses"][way]) for way in ("auto", "padded")] == [2, 2]
    assert found["difference"] == pytest.approx(found["means"]["auto"] - found["means"]["padded"])
    assert found["losses"]["auto"][0] != found["losses"]["auto"][1]


def test_the_benchmark_of_a_gpu_says_why_it_does_nothing(capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert gpu.main(["--check"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"skipped": "no GPU"}
    assert "JPT-E043" in shown.err


def test_the_benchmark_of_a_gpu_runs_on_a_cpu(capsys):
    options = ["--device", "cpu", "--shape", "tiny", "--tokens", "64", "--texts", "24", "--no-compile"]
    options += ["--steps", "3", "--skipped", "0", "--ceiling-widths", "64"]
    assert gpu.main(options) == 0
    found = json.loads(capsys.readouterr().out)
    ways = [(one["work"], one["texts"], one["way"]) for one in found["results"]]
    assert set(ways) == {
        (work, texts, way)
        for work in ("training", "prediction")
        for texts in ("reviews", "long")
        for way in (gpu.OURS, gpu.TRAINER)
    }
    assert all(one["tokens_per_second"] > 0 and one["utilisation"] > 0 for one in found["results"])


def test_what_is_wanted_of_a_gpu():
    def result(way, speed, utilisation=0.0, tokens=16384):
        return gpu.Result("training", "reviews", tokens, 1000, way, speed, utilisation)

    good = [result(gpu.OURS, 30.0, 0.5), result(gpu.TRAINER, 10.0), result(gpu.COMPILED, 14.0)]
    (figure,) = gpu.figures_of(good)
    assert figure["ratio"] == pytest.approx(30 / 14)
    assert figure["missed"] == []
    bad = [result(gpu.OURS, 20.0, 0.4), result(gpu.TRAINER, 10.0), result(gpu.COMPILED, 14.0)]
    assert len(gpu.figures_of(bad)[0]["missed"]) == 2
    small = [result(gpu.OURS, 30.0, 0.1, 2048), result(gpu.TRAINER, 10.0, tokens=2048)]
    assert gpu.figures_of(small)[0]["missed"] == []
    # Where Trainer ran out of memory there is nothing to compare with.
    (alone,) = gpu.figures_of(
        [result(gpu.OURS, 30.0, 0.5), gpu.Result("training", "reviews", 16384, 1, "Trainer")]
    )
    assert alone["ratio"] is None


def test_operations_are_those_that_pytorch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    network = _stock.make_network("tiny").eval()
    network.set_attn_implementation("eager")
    ids = torch.full((1, 40), 5)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.base_model(input_ids=ids)
    # The pooler is not counted: once a text, not once a piece.
    pooler = 2 * 128**2
    assert gpu.flops_of(network, np.array([40]), training=False) == counter.get_total_flops() - pooler


@pytest.mark.full
def test_speed_is_what_was_asked_for():
    """About fifteen minutes of one core."""
    program = [sys.executable, str(PROGRAMS / "training.py"), "--check"]
    done = subprocess.run(program, capture_output=True, text=True)
    print(done.stderr)
    assert done.returncode == 0, done.stderr
    peaks = json.loads(done.stdout)["peak_bytes"]
    assert peaks["ours, float32"] <= peaks["dynamic padding, float32"]


@pytest.mark.full
def test_training_without_padding_learns_as_well():
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "seeds.py"), "--check"], capture_output=True, text=True
    )
    print(done.stderr)
    assert done.returncode == 0, done.stderr


@pytest.mark.full
def test_a_gpu_is_as_fast_as_asked_for():
    if not torch.cuda.is_available():
        pytest.skip(f"needs a GPU: PyTorch {torch.__version__} sees none")
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "gpu.py"), "--check"], capture_output=True, text=True
    )
    print(done.stderr)
    assert done.returncode == 0, done.stderr
