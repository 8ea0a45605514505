"""Pieces a second, utilisation and memory of a GPU: training and prediction, ours against transformers' Trainer.

    python tests/benchmarks/gpu.py [--tokens 2048,4096,8192,16384,32768] [--no-compile] [--check]

Both compute the same texts with a BERT-base shape and random weights in bfloat16. Trainer pads to the longest text of
a batch, with fused AdamW, with and without ``torch.compile``. Utilisation is the arithmetic that the pieces of the
texts need, padding not counted, as a share of the fastest matrix product measured on the same device. Texts are
sentences of reviews, and long texts of many sentences. Without a GPU it says so and ends; ``--device cpu --shape tiny``
runs everything on a CPU, to try the program. A table goes to stderr, JSON to stdout; ``--check`` ends with status 1
where a figure is missed.
"""

from __future__ import annotations

import argparse
import functools
import gc
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

import _stock

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from jptextclf.stepping import LabelledTexts

OURS, TRAINER, COMPILED = "ours", "Trainer", "Trainer, compiled"
WANTED_RATIO, WANTED_UTILISATION, FROM_TOKENS = 2.0, 0.45, 16384
"""Against the faster Trainer on reviews, and of the ceiling: from so many pieces a step on."""
_LONGEST = 512


@dataclass(frozen=True)
class Result:
    """What one way did with one kind of texts."""

    work: str
    """``training`` or ``prediction``."""
    texts: str
    tokens: int
    """Pieces of one step, about."""
    batch_size: int
    """Texts of one step."""
    way: str
    tokens_per_second: float = 0.0
    """Pieces of texts; padding is not counted."""
    utilisation: float = 0.0
    peak_bytes: int = 0
    note: str = ""
    """Why there is no figure, or how it was computed."""


@dataclass(frozen=True)
class Bench:
    """A device, and how long to measure on it."""

    device: torch.device
    shape: str
    steps: int
    skipped: int
    """First steps that are not counted: kernels are chosen and compiled in them."""
    ceiling: float
    """Floating-point operations a second of the fastest matrix product."""

    def now(self) -> float:
        """Seconds, when the device has done everything."""
        self.wait()
        return time.perf_counter()

    def wait(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def forget(self) -> None:
        """Give memory back, and begin a new peak."""
        import torch

        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def result(self, result: Result, seconds: float, flops: float, tokens: float) -> Result:
        """The result with its figures.

        :param seconds: of one step, of ``flops`` operations on ``tokens`` pieces
        """
        from jptextclf.devices import peak_memory

        found = {
            "tokens_per_second": tokens / seconds,
            "utilisation": flops / seconds / self.ceiling,
            "peak_bytes": peak_memory(self.device) or 0,
        }
        return Result(**{**asdict(result), **found})


def measure_ceiling(device: torch.device, *, widths: tuple[int, ...] = (4096, 8192)) -> float:
    """Operations a second of the fastest bfloat16 product of two square matrices."""
    import torch

    best = 0.0
    bench = Bench(device, "", 0, 0, 1.0)
    for width in widths:
        one, other = (torch.randn(width, width, device=device, dtype=torch.bfloat16) for _ in range(2))
        for _ in range(3):
            one @ other
        for _ in range(5):
            before = bench.now()
            for _ in range(10):
                one @ other
            best = max(best, 10 * 2 * width**3 / (bench.now() - before))
    return best


def flops_of(network: Any, lengths: Any, *, training: bool) -> float:
    """What the encoder's products need for texts of these lengths; a backward pass counts twice.

    Twelve ``width x width`` matrices a layer, two operations for each weight and piece (Hoffmann et al. 2022,
    appendix F), and the two products of attention.
    """
    layers, width = network.config.num_hidden_layers, network.config.hidden_size
    forward = 24 * layers * width**2 * float(lengths.sum())
    forward += 4 * layers * width * float((lengths.astype(float) ** 2).sum())
    return forward * (3 if training else 1)


def kinds_of_texts(most: int) -> dict[str, LabelledTexts]:
    """Reviews of one sentence, and texts of up to 40."""
    texts = _stock.short_texts()[1][:most]
    return {
        "reviews": _stock.encode(texts, max_length=_LONGEST),
        "long": _stock.encode(_stock.long_tailed(texts, most=40), max_length=_LONGEST),
    }


def steps_of(data: LabelledTexts, batch_size: int, steps: int) -> list[Any]:
    """Positions of the texts of each step; texts come back when all have been seen."""
    import numpy as np

    draw = np.random.default_rng(0)
    orders = [draw.permutation(len(data)) for _ in range(1 + steps * batch_size // len(data))]
    order = np.concatenate(orders)[: steps * batch_size]
    return list(order.reshape(steps, batch_size))


def train_ours(bench: Bench, data: LabelledTexts, result: Result, *, max_tokens: int) -> Result:
    """Steps of ``jptextclf train``."""
    import torch

    network = _stock.make_network(bench.shape)
    stepper = _stock.make_stepper(
        network, data, precision=torch.bfloat16, batch_size=result.batch_size, device=str(bench.device),
        max_tokens=max_tokens,
    )  # fmt: skip
    works = steps_of(data, result.batch_size, bench.steps)
    times = []
    for work in works:
        stepper.step(work)
        times.append(bench.now())
    name = "padded" if stepper.attention is None else stepper.attention.kernel.name
    return _from_times(bench, result, network, data, works, times, note=f"{name}, {max_tokens} a micro-batch")


def train_stock(bench: Bench, data: LabelledTexts, result: Result, *, compiled: bool) -> Result:
    """Steps of Trainer on texts in the same order."""
    import torch

    network = _stock.make_network(bench.shape)
    works = steps_of(data, result.batch_size, bench.steps)
    on_cpu = bench.device.type == "cpu"
    with tempfile.TemporaryDirectory() as place:
        _stock.write_tokenizer(Path(place))
        times = _stock.train_with_trainer(
            network, _in_order(data, works), Path(place), batch_size=result.batch_size, steps=bench.steps,
            now=bench.now, bf16=True, torch_compile=compiled, use_cpu=on_cpu, dataloader_pin_memory=not on_cpu,
            train_sampling_strategy="sequential",
        )  # fmt: skip
    if compiled:
        torch.compiler.reset()
    return _from_times(bench, result, network, data, works, times)


def _in_order(data: LabelledTexts, works: list[Any]) -> LabelledTexts:
    import numpy as np

    from jptextclf.stepping import LabelledTexts

    order = np.concatenate(works)
    return LabelledTexts(data.texts.select(order), data.targets[order], data.numbers[order])


def _from_times(
    bench: Bench,
    result: Result,
    network: Any,
    data: LabelledTexts,
    works: list[Any],
    times: list[float],
    *,
    note: str = "",
) -> Result:
    """The figures of the steps that count: what all of them computed in the time that all of them took."""
    counted = works[bench.skipped + 1 :]
    lengths = [data.texts.lengths[work] for work in counted]
    flops = statistics.mean(flops_of(network, one, training=True) for one in lengths)
    tokens = statistics.mean(float(one.sum()) for one in lengths)
    seconds = statistics.median(
        after - before for before, after in itertools.pairwise(times[bench.skipped :])
    )
    return bench.result(Result(**{**asdict(result), "note": note}), seconds, flops, tokens)


def predict_ours(bench: Bench, data: LabelledTexts, result: Result, *, max_tokens: int) -> Result:
    """Logits of all texts, as ``jptextclf predict`` computes them."""
    import torch

    from jptextclf.model import Classifier, compute_logits

    network = _stock.make_network(bench.shape).to(bench.device)
    classifier = Classifier(network).eval()
    classifier.choose_attention("auto", precision=torch.bfloat16, training=False)
    compute = functools.partial(compute_logits, precision=torch.bfloat16, max_tokens=max_tokens)
    return _of_pass(bench, data, result, network, lambda: compute(classifier, data.texts.rows))


def predict_stock(bench: Bench, data: LabelledTexts, result: Result, *, compiled: bool) -> Result:
    """``Trainer.predict`` with weights in bfloat16 and dynamic padding."""
    import torch

    network = _stock.make_network(bench.shape)
    on_cpu = bench.device.type == "cpu"
    with tempfile.TemporaryDirectory() as place:
        _stock.write_tokenizer(Path(place))
        trainer, rows = _stock.predicting_trainer(
            network, data, Path(place), batch_size=result.batch_size, bf16_full_eval=True, use_cpu=on_cpu,
            torch_compile=compiled, dataloader_pin_memory=not on_cpu,
        )  # fmt: skip
        found = _of_pass(bench, data, result, network, lambda: trainer.predict(rows))
    if compiled:
        torch.compiler.reset()
    return found


def _of_pass(
    bench: Bench, data: LabelledTexts, result: Result, network: Any, predict: Callable[[], Any]
) -> Result:
    """The figures of the fastest of three passes over all texts, after one that is not counted."""
    predict()
    times = []
    for _ in range(3):
        before = bench.now()
        predict()
        times.append(bench.now() - before)
    lengths = data.texts.lengths
    flops = flops_of(network, lengths, training=False)
    return bench.result(result, min(times), flops, float(lengths.sum()))


def attempt(bench: Bench, result: Result, make: Callable[[Result], Result]) -> Result:
    """One way; where memory does not suffice, that is its result."""
    import torch

    bench.forget()
    try:
        found = make(result)
    except torch.OutOfMemoryError:
        found = Result(**{**asdict(result), "note": "out of memory"})
    bench.forget()
    print(line_of(found), file=sys.stderr, flush=True)
    return found


def measure_training(
    bench: Bench, name: str, data: LabelledTexts, tokens: int, *, compiled: bool
) -> list[Result]:
    """All ways at one size of steps."""
    from jptextclf.config import TrainConfig

    batch_size = max(1, round(tokens / float(data.texts.lengths.mean())))
    result = functools.partial(Result, "training", name, tokens, batch_size)
    default = TrainConfig().max_tokens
    found = [attempt(bench, result(OURS), lambda one: train_ours(bench, data, one, max_tokens=default))]
    if tokens > default:
        whole = 2 * tokens
        found.append(attempt(bench, result(OURS), lambda one: train_ours(bench, data, one, max_tokens=whole)))
    for way, is_compiled in ((TRAINER, False), (COMPILED, True))[: 2 if compiled else 1]:
        stock = functools.partial(train_stock, bench, data, compiled=is_compiled)
        found.append(attempt(bench, result(way), stock))
    return found


def measure_prediction(bench: Bench, name: str, data: LabelledTexts, *, compiled: bool) -> list[Result]:
    """All texts: ours in its own batches, Trainer in batches of several sizes."""
    result = functools.partial(Result, "prediction", name)
    tokens = 32768
    found = [
        attempt(bench, result(tokens, 0, OURS), lambda one: predict_ours(bench, data, one, max_tokens=tokens))
    ]
    for batch_size in (32, 256):
        pieces = round(batch_size * float(data.texts.lengths.mean()))
        for way, is_compiled in ((TRAINER, False), (COMPILED, True))[: 2 if compiled else 1]:
            stock = functools.partial(predict_stock, bench, data, compiled=is_compiled)
            found.append(attempt(bench, result(pieces, batch_size, way), stock))
    return found


def line_of(one: Result) -> str:
    if not one.tokens_per_second:
        figures = ""
    else:
        figures = (
            f"{one.tokens_per_second:>12,.0f}{one.utilisation:>8.1%}{one.peak_bytes / 2**20:>10,.0f} MiB"
        )
    return (
        f"{one.work:<12}{one.texts:<9}{one.tokens:>8}{one.batch_size:>7}  {one.way:<18}{figures}  {one.note}"
    )


def figures_of(results: list[Result]) -> list[dict[str, Any]]:
    """What was wanted, and whether it was reached: for each size of steps, the faster ways of both."""
    figures = []
    keys = {(one.work, one.texts, one.tokens if one.work == "training" else 0) for one in results}
    for work, texts, tokens in sorted(keys):
        same = [one for one in results if (one.work, one.texts) == (work, texts)]
        same = [one for one in same if work == "prediction" or one.tokens == tokens]
        ours = max((one for one in same if one.way == OURS), key=lambda one: one.tokens_per_second)
        stock = max((one for one in same if one.way != OURS), key=lambda one: one.tokens_per_second)
        ratio = ours.tokens_per_second / stock.tokens_per_second if stock.tokens_per_second else None
        figures.append(
            {
                "work": work, "texts": texts, "tokens": tokens, "ratio": ratio, "against": stock.way,
                "utilisation": ours.utilisation, "missed": _missed(work, texts, tokens, ratio, ours.utilisation),
            }
        )  # fmt: skip
    return figures


def _missed(work: str, texts: str, tokens: int, ratio: float | None, utilisation: float) -> list[str]:
    missed = []
    if texts == "reviews" and ratio is not None and ratio < WANTED_RATIO:
        missed.append(f"ratio {ratio:.2f}, wanted {WANTED_RATIO}")
    if work == "training" and tokens >= FROM_TOKENS and utilisation < WANTED_UTILISATION:
        missed.append(f"utilisation {utilisation:.1%}, wanted {WANTED_UTILISATION:.0%}")
    return missed


def measure(bench: Bench, arguments: argparse.Namespace) -> list[Result]:
    results = []
    for name, data in kinds_of_texts(arguments.texts).items():
        for tokens in map(int, arguments.tokens.split(",")):
            results += measure_training(bench, name, data, tokens, compiled=arguments.compile)
        results += measure_prediction(bench, name, data, compiled=arguments.compile)
    return results


def device_of(name: str) -> torch.device | None:
    """The device asked for; None, after the reason, where that is a GPU and there is none."""
    from jptextclf.devices import choose_device
    from jptextclf.errors import SetupError

    try:
        return choose_device("cuda" if name == "auto" else name)
    except SetupError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return None


def main(options: list[str] | None = None) -> int:
    """Measure, print, and say whether everything was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto (a GPU), cuda, cuda:N or cpu")
    parser.add_argument("--shape", choices=_stock.SHAPES, default="base")
    parser.add_argument("--tokens", default="2048,4096,8192,16384,32768", help="pieces of one step")
    parser.add_argument("--texts", type=int, default=5000, help="of each kind")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--skipped", type=int, default=15, help="first steps that are not counted")
    parser.add_argument("--ceiling-widths", default="4096,8192", help="of the matrices of the ceiling")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--check", action="store_true", help="end with status 1 where a figure is missed")
    arguments = parser.parse_args(options)
    if not 0 <= arguments.skipped < arguments.steps - 1:
        parser.error("--skipped must leave at least two of the --steps")
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    device = device_of(arguments.device)
    if device is None:
        print(json.dumps({"skipped": "no GPU"}))
        return 0
    ceiling = measure_ceiling(device, widths=tuple(map(int, arguments.ceiling_widths.split(","))))
    print(f"{device}: {ceiling / 1e12:.2f} TFLOP/s at most", file=sys.stderr)
    bench = Bench(device, arguments.shape, arguments.steps, arguments.skipped, ceiling)
    results = measure(bench, arguments)
    figures = figures_of(results)
    result = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "ceiling_flops": ceiling, "shape": arguments.shape,
        "torch": torch.__version__, "transformers": transformers.__version__,
        "results": [asdict(one) for one in results], "figures": figures,
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    missed = [f"{one['work']} {one['texts']} {one['tokens']}: {problem}" for one in figures for problem in one["missed"]]  # fmt: skip
    print("\n".join(f"MISSED {line}" for line in missed) or "everything reached", file=sys.stderr)
    return int(arguments.check and bool(missed))


if __name__ == "__main__":
    # Trainer takes all GPUs that it sees.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    sys.exit(main())
