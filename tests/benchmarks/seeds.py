"""Does training without padding learn as well as training with it? The loss on held-back texts, dropout on.

    python tests/benchmarks/seeds.py [--seeds 5] [--shape tiny] [--epochs 3] [--check]

Both train the same network from the same random weights on the same batches; only what dropout draws is different.
Texts are the hotel reviews pn of the shared data with their own split, else the reviews of the checkout. ``--check``
ends with status 1 unless the mean losses differ by less than one standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

import _stock
from conftest import SHARED
from inference import CORPUS

if TYPE_CHECKING:
    from jptextclf.config import TrainConfig
    from jptextclf.stepping import LabelledTexts

WAYS = ("auto", "padded")


def splits() -> tuple[str, dict[str, list[tuple[str, str]]]]:
    """Where the texts are from, and texts with labels to train on and to hold back."""
    found: dict[str, list[tuple[str, str]]] = {"train": [], "dev": []}
    path = SHARED / "data" / "jrte" / "pn.tsv"
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            _, label, text, _, split = line.split("\t")
            if split in found:
                found[split].append((text, label))
        return "JRTE pn", found
    for name, files in (("train", "train.jsonl"), ("dev", "validation.jsonl")):
        for line in (CORPUS / files).read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            found[name].append((str(one["text"]), str(one["sentiment"])))
    return "reviews-ja", found


def encode(rows: list[tuple[str, str]], names: list[str], *, most: int | None) -> LabelledTexts:
    import numpy as np

    from jptextclf.stepping import LabelledTexts

    some = rows[:most]
    data = _stock.encode([text for text, _ in some])
    return LabelledTexts(data.texts, np.array([names.index(label) for _, label in some]), data.numbers)


def loss_of(config: TrainConfig, shape: str, train: LabelledTexts, dev: LabelledTexts) -> float:
    """Mean loss on the held-back texts after the last epoch."""
    from jptextclf.model import Classifier, hidden_width
    from jptextclf.progress import Logged
    from jptextclf.training import Watchers, fine_tune, make_plan

    network = _stock.make_network(shape, seed=config.seed, n_labels=int(train.targets.max()) + 1)
    plan = make_plan(config, n_texts=len(train), width=hidden_width(network.config))
    history = fine_tune(
        Classifier(network), train, dev, plan=plan, config=config,
        measure=lambda logits: float((logits.argmax(axis=1) == dev.targets).mean()),
        watchers=Watchers(Logged()),
    )  # fmt: skip
    return history.epochs[-1].validation_loss


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The losses of both ways, seed by seed, and how far apart they are."""
    from jptextclf.config import TrainConfig

    source, parts = splits()
    names = sorted({label for _, label in parts["train"]})
    train, dev = (encode(parts[name], names, most=arguments.texts) for name in ("train", "dev"))
    losses: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(arguments.seeds):
        for way in WAYS:
            config = TrainConfig(
                epochs=arguments.epochs, seed=seed, attention=way, device="cpu", precision="float32",
                learning_rate=arguments.learning_rate, patience=None, max_length=_stock.MAX_LENGTH,
            )  # fmt: skip
            losses[way].append(loss_of(config, arguments.shape, train, dev))
            print(f"seed {seed}, {way}: {losses[way][-1]:.4f}", file=sys.stderr, flush=True)
    means = {way: statistics.mean(values) for way, values in losses.items()}
    deviation = statistics.stdev(losses["padded"])
    difference = means["auto"] - means["padded"]
    return {
        "texts": source, "train": len(train), "dev": len(dev), "losses": losses, "means": means,
        "deviation": deviation, "difference": difference, "reached": abs(difference) < deviation,
    }  # fmt: skip


def main(options: list[str] | None = None) -> int:
    """Measure, print, and say whether both ways learn the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shape", choices=_stock.SHAPES, default="tiny")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--texts", type=int, help="of each split at most")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="end with status 1 where the ways differ")
    arguments = parser.parse_args(options)
    if arguments.seeds < 2:
        parser.error("a standard deviation needs two --seeds")
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch

    torch.set_num_threads(arguments.threads)
    found = measure(arguments)
    print(json.dumps(found, indent=1))
    print(
        f"mean loss {found['means']['auto']:.4f} without padding, {found['means']['padded']:.4f} with it; "
        f"standard deviation over seeds {found['deviation']:.4f}: {'reached' if found['reached'] else 'MISSED'}",
        file=sys.stderr,
    )
    return int(arguments.check and not found["reached"])


if __name__ == "__main__":
    sys.exit(main())
