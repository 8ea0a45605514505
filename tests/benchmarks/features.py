"""CPU time of vectors from a frozen encoder of BERT-base shape: stock recipes of transformers against ours, in float32.

    python tests/benchmarks/features.py [--texts N] [--rounds N] [--threads N]

The weights are random, which changes no time. Texts are hotel reviews of the shared data, else the reviews of the
checkout. The stock recipes take them in their order in batches of 32, padded to 128 pieces or to the longest of the
batch, and average the last layer over the pieces. All ways tokenize with the same files, take turns, in another order
every round, and have to give the same vectors; medians are compared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from inference import MAX_LENGTH, measure, reviews, write_model

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

WANTED = {"padded to 128": 5.0, "padded to the longest": 2.0}
"""How many times our CPU time each recipe has to need."""
OURS = "unpadded"
BATCH = 32


def stock(directory: Path, padding: Any) -> Callable[[list[str]], np.ndarray]:
    """A recipe as it is found in many places."""
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory).eval()

    def vectors(texts: list[str]) -> np.ndarray:
        parts = []
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(
                texts[start : start + BATCH], padding=padding, truncation=True, max_length=MAX_LENGTH,
                return_tensors="pt",
            )  # fmt: skip
            with torch.inference_mode():
                states = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None]
            parts.append(((states * mask).sum(1) / mask.sum(1)).numpy())
        return np.concatenate(parts)

    return vectors


def ours(directory: Path) -> Callable[[list[str]], np.ndarray]:
    """What a run with a frozen encoder does."""
    from jptextclf.adapters import open_adapter
    from jptextclf.features import Pooled
    from jptextclf.labels import LabelSchema
    from jptextclf.model import load_classifier
    from jptextclf.prediction import Predictor

    schema = LabelSchema(("negative", "neutral", "positive"), "multiclass")
    predictor = Predictor(load_classifier(directory), open_adapter(directory), schema, max_length=MAX_LENGTH)

    def vectors(texts: list[str]) -> np.ndarray:
        encodings = predictor.adapter.encode(texts, max_length=MAX_LENGTH)
        return Pooled("mean", 1).vectors(predictor.classifier, encodings, max_tokens=predictor.max_tokens)

    return vectors


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="more than one make CPU time less exact")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import numpy as np
    import torch

    torch.set_num_threads(arguments.threads)
    source, texts = reviews()
    texts = texts[: arguments.texts]
    with tempfile.TemporaryDirectory() as place:
        write_model(Path(place))
        found: dict[str, Callable[[list[str]], Any]] = {
            "padded to 128": stock(Path(place), "max_length"),
            "padded to the longest": stock(Path(place), True),
            OURS: ours(Path(place)),
        }
        reference = found["padded to 128"](texts[:BATCH])
        for name, way in found.items():
            difference = float(np.abs(way(texts[:BATCH]) - reference).max())
            if difference > 1e-4:
                sys.exit(f"{name}: vectors differ by {difference:.1e}")
        taken = measure(found, [texts], arguments.rounds)
    medians = {name: statistics.median(each) for name, each in taken.items()}
    print(f"{len(texts)} texts of {source}, BERT-base shape, float32, {arguments.threads} thread(s)")
    print(f"{'':<24}{'CPU ms a text':>14}{'fastest':>10}{'slowest':>10}{'ours x':>10}")
    for name, median in medians.items():
        low, high = (1000 * one / len(texts) for one in (min(taken[name]), max(taken[name])))
        print(
            f"{name:<24}{1000 * median / len(texts):>14.2f}{low:>10.2f}{high:>10.2f}{median / medians[OURS]:>10.2f}"
        )
    for name, wanted in WANTED.items():
        ratio = medians[name] / medians[OURS]
        print(f"{name}: {ratio:.2f}x, wanted {wanted}x: {'reached' if ratio >= wanted else 'MISSED'}")


if __name__ == "__main__":
    main()
