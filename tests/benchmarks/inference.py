"""CPU time of prediction with a BERT-base shape: transformers' pipeline against ours, with PyTorch and with ONNX.

    python tests/benchmarks/inference.py [--texts N] [--singles N] [--rounds N] [--threads N]

The weights are random, which changes no time. Texts are hotel reviews of the shared data, else the reviews of the
checkout; all ways get the same texts and the same fast tokenizer. Many texts go to the pipeline in batches of 32, as
it is used, and to ours as one list; single texts go one by one. The ways take turns, in another order every round;
medians are compared. Needs the extra: pip install 'jptextclf[onnx]'.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import SHARED

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).parents[2] / "corpora" / "reviews-ja"
WANTED = {"bulk": 6.0, "one text": 4.5}
"""How many times less CPU time the int8 graph has to need."""
MAX_LENGTH = 128
PIPELINE = "pipeline"


def reviews() -> tuple[str, list[str]]:
    """Where the texts are from, and the texts, shuffled: the files are in an order that means something."""
    jrte = SHARED / "data" / "jrte" / "pn.tsv"
    if jrte.is_file():
        texts = [line.split("\t")[2] for line in jrte.read_text(encoding="utf-8").splitlines()]
        name = "JRTE pn"
    else:
        lines = [
            line for file in sorted(CORPUS.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()
        ]
        texts = [str(json.loads(line)["text"]) for line in lines if line.strip()]
        name = "reviews-ja"
    random.Random(0).shuffle(texts)
    return name, texts


def write_model(directory: Path) -> None:
    """A classifier of the shape of BERT-base with random weights, as plain transformers files."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from jptextclf import builtin

    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(builtin.directory() / name, directory / name)
    own = json.loads((builtin.directory() / "config.json").read_text(encoding="utf-8"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=own["vocab_size"], pad_token_id=own["pad_token_id"],
        id2label=dict(enumerate(("negative", "neutral", "positive"))),
        problem_type="single_label_classification",
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(directory)


def ways(directory: Path) -> dict[str, Callable[[list[str]], Any]]:
    """Name -> function of a list of texts."""
    from transformers import pipeline

    from jptextclf.adapters import open_adapter
    from jptextclf.exporters.onnx import write_graphs
    from jptextclf.labels import LabelSchema
    from jptextclf.model import load_classifier
    from jptextclf.prediction import Predictor

    classifier, adapter = load_classifier(directory), open_adapter(directory)
    schema = LabelSchema(("negative", "neutral", "positive"), "multiclass")
    stock = pipeline("text-classification", model=str(directory), device=-1, batch_size=32)
    found: dict[str, Callable[[list[str]], Any]] = {
        PIPELINE: lambda texts: stock(texts, truncation=True, max_length=MAX_LENGTH),
        "PyTorch float32": Predictor(classifier, adapter, schema, max_length=MAX_LENGTH).predict,
    }
    for report in write_graphs(classifier, adapter, directory, max_length=MAX_LENGTH, sample_texts=()):
        print(f"{report.file}: {report.size / 1e6:.0f} MB, largest difference {report.max_difference:.1e}")
        predictor = Predictor.of_onnx(directory, precision=report.precision, max_length=MAX_LENGTH)
        found[f"ONNX {report.precision}"] = predictor.predict
    return found


def measure(
    found: dict[str, Callable[[list[str]], Any]], calls: list[list[str]], rounds: int
) -> dict[str, list[float]]:
    """CPU seconds of every call, the ways in turn for each call, in another order every time.

    :param calls: the texts of each call
    """
    taken: dict[str, list[float]] = {name: [] for name in found}
    names = list(found)
    for run in found.values():
        run(calls[0])
    for _ in range(rounds):
        for texts in calls:
            names = [*names[1:], names[0]]
            for name in names:
                before = time.process_time()
                found[name](texts)
                taken[name].append(time.process_time() - before)
    return taken


def show(title: str, taken: dict[str, list[float]], n_texts: int, wanted: float) -> None:
    """A table: medians, and how many times the pipeline's they are."""
    medians = {name: statistics.median(each) for name, each in taken.items()}
    print(f"\n{title}\n{'':<18}{'CPU ms a text':>14}{'fastest':>10}{'slowest':>10}{'pipeline x':>12}")
    for name, median in medians.items():
        low, high = (1000 * one / n_texts for one in (min(taken[name]), max(taken[name])))
        ratio = medians[PIPELINE] / median
        print(f"{name:<18}{1000 * median / n_texts:>14.2f}{low:>10.2f}{high:>10.2f}{ratio:>12.2f}")
    ratio = medians[PIPELINE] / medians["ONNX int8"]
    print(f"int8: {ratio:.2f}x, wanted {wanted}x: {'reached' if ratio >= wanted else 'MISSED'}")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=256, help="texts of the bulk run")
    parser.add_argument("--singles", type=int, default=60, help="texts that go one by one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="more than one make CPU time less exact")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch
    import transformers

    torch.set_num_threads(arguments.threads)
    transformers.utils.logging.set_verbosity_error()
    name, texts = reviews()
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        write_model(directory)
        found = ways(directory)
        lengths = [len(text) for text in texts[: arguments.texts]]
        print(
            f"{name}: {len(lengths)} texts, mean {statistics.mean(lengths):.0f} characters; "
            f"{arguments.threads} thread(s)"
        )
        bulk = measure(found, [texts[: arguments.texts]], arguments.rounds)
        show("bulk, pipeline in batches of 32", bulk, len(lengths), WANTED["bulk"])
        singles = measure(found, [[text] for text in texts[: arguments.singles]], 2)
        show("one text (p50)", singles, 1, WANTED["one text"])


if __name__ == "__main__":
    main()
