"""What few labels reach: frozen vectors, fine-tuning and n-grams with 8, 16 and 64 texts a label, and what is chosen.

Texts are drawn from the training split, every way is trained on all of them, and scored on the other split; the choice is that
of ``jptextclf train --few-shot``, which sees the drawn texts only. Give a file with labels, columns and splits as
``jptextclf train`` reads it; without one it is the reviews of JRTE beside the checkout, or the sample corpus.

    python tests/benchmarks/few_labels.py [--draws 3] [--each 8,16,64] [--data FILE --columns NAMES]
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jptextclf.data.examples import Examples

PN = Path(__file__).parents[3] / "shared" / "data" / "jrte" / "pn.tsv"


def load(data: str | None, columns: str | None) -> tuple[str, Examples, Examples]:
    """Where the texts are from, the texts that are drawn from, and those that are judged by."""
    from jptextclf.data.loading import load_data

    if data is None and PN.is_file():
        data, columns = str(PN), "id,label,text,votes,split"
    loaded = load_data(data or "reviews-ja", columns=columns.split(",") if columns else None)
    judged = loaded.splits.get("test") or loaded.splits["validation"]
    return Path(data or "reviews-ja").name, loaded.splits["train"], judged


def draw(train: Examples, each: int, seed: int) -> Examples:
    """``each`` texts of every label."""
    chance = random.Random(seed)
    by_label: dict[str, list[int]] = {}
    for number, names in enumerate(train.labels or []):
        by_label.setdefault(names[0], []).append(number)
    return train.select(sorted(one for some in by_label.values() for one in chance.sample(some, each)))


def reached(train: Examples, judged: Examples, way: str) -> float:
    """Macro-F1 on the judged texts of a way that learned from all drawn texts."""
    from jptextclf.baselines import run_baselines
    from jptextclf.config import TrainConfig
    from jptextclf.evaluation import metric_value
    from jptextclf.experiment import fit, prepare
    from jptextclf.few_labels import configured
    from jptextclf.labels import LabelSchema
    from jptextclf.progress import Silent
    from jptextclf.settling import predict_splits
    from jptextclf.training import Watchers

    schema = LabelSchema.infer(train.labels or [], "auto", ())
    references = schema.encode(judged.labels or [])
    if way == "ngrams":
        results = run_baselines(
            train.texts, schema.encode(train.labels or []), {"test": judged.texts}, schema
        )
        given: Any = next(one for one in results if one.name == "ngrams").predictions["test"]
    else:
        config = replace(configured(TrainConfig(), way, len(train)), calibrate=way != "finetune")
        prepared = prepare({"train": train, "validation": train, "test": judged}, config, progress=Silent())
        history = fit(prepared, watchers=Watchers(Silent()))
        given = predict_splits(prepared, history, Silent()).predictions["test"].label_ids
    return metric_value("macro_f1", schema, references, given)


def main() -> None:
    from jptextclf.config import TrainConfig
    from jptextclf.few_labels import WAYS, settle
    from jptextclf.progress import Silent

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("--columns")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--each", default="8,16,64")
    options = parser.parse_args()
    source, train, judged = load(options.data, options.columns)
    ways = (*WAYS, "ngrams")
    print(f"{source}: macro-F1 on {len(judged):,} texts, mean of {options.draws} draws (standard deviation)")
    print(
        f"{'a label':>8} "
        + " ".join(f"{way:>16}" for way in ways)
        + f" {'chosen':>16} {'by folds alone':>16}  chosen ways"
    )
    for each in map(int, options.each.split(",")):
        rows, chosen = [], []
        for seed in range(options.draws):
            some = draw(train, each, seed)
            found = settle({"train": some}, TrainConfig(), progress=Silent()).found
            rows.append({way: reached(some, judged, way) for way in ways})
            best = min((one for one in found.tried if one.way != "ngrams"), key=lambda one: one.behind).way
            rows[-1].update(chosen=rows[-1][found.chosen], best=rows[-1][best])
            chosen.append(found.chosen)
            print(
                f"  {each} {seed}: " + ", ".join(f"{one.way} {one.score:.3f}" for one in found.tried),
                file=sys.stderr,
            )
        cells = []
        for name in (*ways, "chosen", "best"):
            values = [row[name] for row in rows]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{np.mean(values):>8.3f} ({spread:.3f})")
        print(
            f"{each:>8} " + " ".join(f"{cell:>16}" for cell in cells) + "  " + ", ".join(chosen), flush=True
        )


if __name__ == "__main__":
    main()
