"""CPU time of training, prediction and vectors: ours against the stock recipes, as ratios.

    python tests/benchmarks/training.py [--rows training,long-tailed,prediction,features,tiny,memory] [--check]

All ways of a row compute the same texts with networks of the same shape and random weights, in one process: on every
batch all ways in turn, on the next one in the opposite order. What counts is the CPU time of the process; a ratio is
the median over batches. Texts are sentences of hotel reviews of the shared data, else the reviews of the checkout,
and stay in the order that the shuffle gave them. A table goes to stderr, JSON to stdout; ``--check`` ends with
status 1 where a figure is missed. The peak of memory is that of one step in a process of its own.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

import _stock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jptextclf.stepping import LabelledTexts

PAD, DYNAMIC, OURS = "padded to 128", "dynamic padding", "ours"
F32, BF16 = "float32", "bfloat16"
TRAINER = "Trainer"
PIPELINE = "pipeline(batch_size=32)"


@dataclass(frozen=True)
class Figure:
    """One line of the table: how many times the CPU time of ours a stock recipe needs."""

    what: str
    ours: str
    stock: str
    ratio: float
    """Median over the rounds."""
    lowest: float
    highest: float
    ours_seconds: float
    stock_seconds: float
    wanted: float
    """At least; for a ratio of ours to stock, at most."""
    is_share: bool = False
    """The ratio is that of ours to stock."""

    @property
    def is_reached(self) -> bool:
        return self.ratio <= self.wanted if self.is_share else self.ratio >= self.wanted

    @classmethod
    def of(
        cls,
        what: str,
        taken: dict[str, list[float]],
        ours: str,
        stock: str,
        wanted: float,
        *,
        is_share: bool = False,
    ) -> Figure:
        """From the seconds of both ways, piece of work by piece of work."""
        pairs = list(zip(taken[ours], taken[stock], strict=True))
        ratios = [own / other if is_share else other / own for own, other in pairs]
        medians = (statistics.median(taken[name]) for name in (ours, stock))
        return cls(
            what, ours, stock, statistics.median(ratios), min(ratios), max(ratios), *medians, wanted, is_share
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "reached": self.is_reached}


@dataclass(frozen=True)
class Setting:
    """What is measured, how often, and on what."""

    texts: list[str]
    shape: str
    small_shape: str
    batch_size: int
    rounds: int
    steps: int
    """Of the tiny model in one round."""
    has_bfloat16: bool

    @property
    def precisions(self) -> list[str]:
        return [F32, BF16] if self.has_bfloat16 else [F32]

    def works(self, batches: int) -> list[list[Any]]:
        """For each round the positions of the texts of its batches."""
        import numpy as np

        size = self.batch_size
        cuts = np.arange(self.rounds * batches * size).reshape(self.rounds, batches, size)
        return [list(one) for one in cuts]

    def some_texts(self, n_batches: int) -> list[str]:
        """As many as these batches have.

        :raises SystemExit: there are not so many
        """
        needed = n_batches * self.batch_size
        if len(self.texts) < needed:
            raise SystemExit(f"{needed} texts are needed, and there are {len(self.texts)}")
        return self.texts[:needed]

    def parts(self, n_each: int) -> list[list[str]]:
        """For each round some texts of its own."""
        return [self.texts[start : start + n_each] for start in range(0, self.rounds * n_each, n_each)]


def named(way: str, precision: str) -> str:
    return f"{way}, {precision}"


def training_ways(
    shape: str, data: LabelledTexts, *, batch_size: int, wanted: Sequence[str]
) -> dict[str, Callable[[Any], Any]]:
    """The named ways to make one optimizer step on each of some batches."""
    import torch

    loop = None
    if any(not name.startswith(OURS) for name in wanted):
        loop = _stock.PlainLoop(_stock.make_network(shape), data)
    network = _stock.make_network(shape)
    ways: dict[str, Callable[[Any], Any]] = {}
    for name in wanted:
        way, precision = name.rsplit(", ", 1)
        dtype = getattr(torch, precision)
        if way == OURS:
            ways[name] = _each(
                _stock.make_stepper(network, data, precision=dtype, batch_size=batch_size).step
            )
        else:
            pad_to = _stock.MAX_LENGTH if way == PAD else None
            ways[name] = _each(functools.partial(loop.step, precision=dtype, pad_to=pad_to))
    return ways


def _each(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda batches: [step(batch) for batch in batches]


def rows_of_training(setting: Setting) -> list[Figure]:
    """Optimizer steps on batches of sentences; three a round."""
    data = _stock.encode(setting.some_texts(3 * setting.rounds))
    names = [named(PAD, F32), *(named(way, one) for one in setting.precisions for way in (DYNAMIC, OURS))]
    ways = training_ways(setting.shape, data, batch_size=setting.batch_size, wanted=names)
    works = setting.works(3)
    taken = _stock.take_turns(ways, works, warm_up=[works[0][0][:4]])
    wanted = [(F32, PAD, F32, 7.0), (F32, DYNAMIC, F32, 2.5)]
    wanted += [(BF16, PAD, F32, 13.0), (BF16, DYNAMIC, F32, 4.5), (BF16, DYNAMIC, BF16, 2.2)]
    return [
        Figure.of("training", taken, named(OURS, own), named(way, other), least)
        for own, way, other, least in wanted
        if own in setting.precisions
    ]


def rows_of_long_tailed(setting: Setting) -> list[Figure]:
    """A small model on texts of one to twelve sentences; four batches a round."""
    data = _stock.encode(_stock.long_tailed(setting.some_texts(4 * setting.rounds)))
    names = [named(way, one) for one in setting.precisions for way in (DYNAMIC, OURS)]
    ways = training_ways(setting.small_shape, data, batch_size=setting.batch_size, wanted=names)
    works = setting.works(4)
    taken = _stock.take_turns(ways, works, warm_up=[works[0][0][:4]])
    return [
        Figure.of("long-tailed texts", taken, named(OURS, one), named(DYNAMIC, one), 2.2)
        for one in setting.precisions
    ]


def rows_of_prediction(setting: Setting, *, n_texts: int) -> list[Figure]:
    """Labels of many texts; both sides tokenise."""
    import torch
    from transformers import pipeline

    from jptextclf.adapters import open_adapter
    from jptextclf.labels import LabelSchema
    from jptextclf.model import load_classifier
    from jptextclf.prediction import Predictor

    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        _stock.write_tokenizer(directory)
        _stock.make_network(setting.shape).save_pretrained(directory)
        stock = pipeline("text-classification", model=str(directory), device=-1, batch_size=32)
        classifier, adapter = load_classifier(directory), open_adapter(directory)
    schema = LabelSchema(_stock.LABELS, "multiclass")
    ways: dict[str, Callable[[Any], Any]] = {
        PIPELINE: lambda texts: stock(texts, truncation=True, max_length=_stock.MAX_LENGTH)
    }
    for one in setting.precisions:
        dtype = getattr(torch, one)
        predictor = Predictor(classifier, adapter, schema, max_length=_stock.MAX_LENGTH, precision=dtype)
        ways[named(OURS, one)] = predictor.predict
    taken = _stock.take_turns(ways, setting.parts(n_texts), warm_up=setting.texts[:4])
    wanted = {F32: 2.0, BF16: 4.3}
    return [
        Figure.of("prediction", taken, named(OURS, one), PIPELINE, wanted[one]) for one in setting.precisions
    ]


def rows_of_features(setting: Setting, *, n_texts: int) -> list[Figure]:
    """Vectors of texts, the mean over their pieces; both sides tokenise."""
    from jptextclf.adapters import open_adapter
    from jptextclf.model import Classifier, compute_vectors

    encoder = _stock.make_network(setting.shape).base_model.eval()
    classifier = Classifier(_stock.make_network(setting.shape)).eval()
    with tempfile.TemporaryDirectory() as place:
        _stock.write_tokenizer(Path(place))
        tokenizer, adapter = _stock.stock_tokenizer(Path(place)), open_adapter(Path(place))

    def ours(texts: list[str]) -> Any:
        encodings = adapter.encode(texts, max_length=_stock.MAX_LENGTH)
        return compute_vectors(classifier, encodings, pooling="mean", max_tokens=2048)

    ways: dict[str, Callable[[Any], Any]] = {
        PAD: functools.partial(_stock.mean_vectors, encoder, tokenizer, padding="max_length"),
        DYNAMIC: functools.partial(_stock.mean_vectors, encoder, tokenizer, padding=True),
        OURS: ours,
    }
    taken = _stock.take_turns(ways, setting.parts(n_texts), warm_up=setting.texts[:4])
    return [
        Figure.of(f"vectors, {F32}", taken, OURS, way, wanted) for way, wanted in ((PAD, 5.0), (DYNAMIC, 2.0))
    ]


def rows_of_tiny(setting: Setting) -> list[Figure]:
    """A step of a model so small that what is around it counts: Trainer's against ours."""
    import torch

    steps, skipped = setting.steps, 5
    data = _stock.encode(setting.texts[: steps * setting.batch_size])
    network = _stock.make_network("tiny")
    stepper = _stock.make_stepper(
        _stock.make_network("tiny"), data, precision=torch.float32, batch_size=setting.batch_size
    )
    taken: dict[str, list[float]] = {OURS: [], TRAINER: []}
    with tempfile.TemporaryDirectory() as place:
        _stock.write_tokenizer(Path(place))

        def trainer(number: int) -> list[float]:
            return _stock.train_with_trainer(
                network, data, Path(place), batch_size=setting.batch_size, steps=steps, now=time.process_time,
                use_cpu=True, dataloader_pin_memory=False, seed=number,
            )  # fmt: skip

        def ours(number: int) -> list[float]:
            return _stock.step_times(stepper, setting.batch_size, steps=steps, seed=number)

        for number in range(setting.rounds):
            for name, way in list({OURS: ours, TRAINER: trainer}.items())[:: 1 if number % 2 == 0 else -1]:
                times = way(number)
                taken[name].append((times[-1] - times[skipped]) / (len(times) - 1 - skipped))
    return [Figure.of("a step of a tiny model", taken, OURS, TRAINER, 0.8, is_share=True)]


def peaks(setting: Setting) -> dict[str, int]:
    """Way -> the peak of memory in bytes while it makes a step, in a process of its own."""
    names = [named(PAD, F32), *(named(way, one) for one in setting.precisions for way in (DYNAMIC, OURS))]
    found = {}
    for name in names:
        command = [sys.executable, __file__, "--one-way", name, "--shape", setting.shape]
        command += ["--batch-size", str(setting.batch_size)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[name] = int(done.stdout)
    return found


def peak_of_a_step(setting: Setting, way: str) -> int:
    """Bytes at the highest. A short step comes first: only after it does the optimizer have its moments."""
    data = _stock.encode(setting.some_texts(1))
    make = training_ways(setting.shape, data, batch_size=setting.batch_size, wanted=[way])[way]
    (batch,) = setting.works(1)[0]
    make([batch[:1]])
    make([batch])
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage says began with the peak of the process that started this one.
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        (peak,) = (int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
        return peak * 1024
    import torch

    from jptextclf.devices import peak_memory

    return peak_memory(torch.device("cpu")) or 0


ROWS = ("training", "long-tailed", "prediction", "features", "tiny", "memory")


def measure(setting: Setting, row: str, *, n_texts: int) -> list[Figure]:
    """The figures of one row of the table."""
    if row == "training":
        return rows_of_training(setting)
    if row == "long-tailed":
        return rows_of_long_tailed(setting)
    if row == "prediction":
        return rows_of_prediction(setting, n_texts=n_texts)
    if row == "features":
        return rows_of_features(setting, n_texts=n_texts // 2)
    return rows_of_tiny(setting)


def show(figures: list[Figure], memory: dict[str, int]) -> None:
    """The table."""
    for one in figures:
        sign, verdict = "<=" if one.is_share else ">=", "reached" if one.is_reached else "MISSED"
        print(
            f"{one.what:<24}{one.ours:<18}{one.stock:<26}{one.ratio:>6.2f} ({one.lowest:.2f}-{one.highest:.2f})"
            f" {sign} {one.wanted:<5}{verdict:<9}{one.ours_seconds:>8.3f} s {one.stock_seconds:>8.3f} s",
            file=sys.stderr,
        )
    for name, peak in memory.items():
        print(f"{'peak of memory':<24}{name:<44}{peak / 2**20:>8,.0f} MiB", file=sys.stderr)


def setting_of(arguments: argparse.Namespace) -> tuple[str, Setting]:
    """Where the texts are from, and what to measure."""
    from jptextclf.devices import cpu_has_bfloat16

    source, texts = _stock.short_texts()
    rounds = 1 if arguments.one_way else arguments.rounds
    has_bfloat16 = cpu_has_bfloat16()
    if not has_bfloat16:
        print("No figures of bfloat16: this CPU does not compute with it.", file=sys.stderr)
    sizes = (arguments.shape, arguments.small_shape, arguments.batch_size)
    return source, Setting(texts, *sizes, rounds, arguments.steps, has_bfloat16)


def main(options: list[str] | None = None) -> int:
    """Measure, print, and say whether everything was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default=",".join(ROWS), help="which, with commas between them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--texts", type=int, default=128, help="of a prediction; half as many for vectors")
    parser.add_argument("--steps", type=int, default=60, help="of the tiny model in one round")
    parser.add_argument("--shape", choices=_stock.SHAPES, default="base")
    parser.add_argument("--small-shape", choices=_stock.SHAPES, default="small", help="for long-tailed texts")
    parser.add_argument("--threads", type=int, default=1, help="more than one make CPU time less exact")
    parser.add_argument("--check", action="store_true", help="end with status 1 where a figure is missed")
    parser.add_argument("--one-way", help=argparse.SUPPRESS)
    arguments = parser.parse_args(options)
    rows = arguments.rows.split(",")
    if unknown := set(rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch
    import transformers

    torch.set_num_threads(arguments.threads)
    transformers.utils.logging.set_verbosity_error()
    source, setting = setting_of(arguments)
    if arguments.one_way:
        print(peak_of_a_step(setting, arguments.one_way))
        return 0
    figures: list[Figure] = []
    for row in rows:
        if row != "memory":
            figures += measure(setting, row, n_texts=arguments.texts)
    memory = peaks(setting) if "memory" in rows else {}
    show(figures, memory)
    result = {
        "texts": source, "shape": setting.shape, "batch_size": setting.batch_size, "rounds": setting.rounds,
        "threads": arguments.threads, "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__, "transformers": transformers.__version__,
        "figures": [one.to_json() for one in figures], "peak_bytes": memory,
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    return int(arguments.check and not all(one.is_reached for one in figures))


if __name__ == "__main__":
    sys.exit(main())
