"""What the benchmarks of training share: texts, networks with random weights, and the recipes ours is compared with.

The recipes are those of transformers' own examples: a batch padded to a fixed length or to its longest text, a
classifier of transformers under ``sdpa``, fused AdamW, clipping, a linear schedule. Padding is done with one call of
PyTorch, which is quicker than a tokenizer's ``pad``.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from inference import reviews

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from jptextclf.encodings import Encodings
    from jptextclf.stepping import LabelledTexts, Stepper

SHAPES = {"base": (12, 768), "mid": (6, 384), "small": (4, 256), "tiny": (2, 128)}
"""Layers and width; a head has a width of 64, the feed-forward part four times the width."""
LABELS = ("negative", "neutral", "positive")
MAX_LENGTH = 128
LEARNING_RATE = 5e-5
MAX_NORM = 1.0


def short_texts() -> tuple[str, list[str]]:
    """Where the texts are from, and the texts, shuffled."""
    return reviews()


def long_tailed(texts: Sequence[str], *, most: int = 12, seed: int = 0) -> list[str]:
    """As many texts of one to ``most`` sentences each, with a probability of ``1 / sentences``."""
    draw = random.Random(seed)
    counts = draw.choices(range(1, most + 1), [1 / count for count in range(1, most + 1)], k=len(texts))
    return ["".join(draw.choices(texts, k=count)) for count in counts]


def write_tokenizer(directory: Path) -> None:
    """The files of the embedded encoder's tokenizer."""
    from jptextclf import builtin

    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(builtin.directory() / name, directory / name)


def make_network(shape: str, *, seed: int = 0, n_labels: int = len(LABELS)) -> Any:
    """A BERT classifier of this shape with random weights, which changes no time; dropout is that of BERT."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from jptextclf import builtin

    own = json.loads((builtin.directory() / "config.json").read_text(encoding="utf-8"))
    layers, width = SHAPES[shape]
    torch.manual_seed(seed)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=own["vocab_size"], pad_token_id=own["pad_token_id"], num_hidden_layers=layers,
            hidden_size=width, num_attention_heads=max(1, width // 64), intermediate_size=4 * width,
            id2label={number: LABELS[number] for number in range(n_labels)},
            problem_type="single_label_classification",
        )
    )  # fmt: skip


def encode(texts: Sequence[str], *, max_length: int = MAX_LENGTH) -> LabelledTexts:
    """The texts as a split of a training, with labels that mean nothing."""
    import numpy as np

    from jptextclf import builtin
    from jptextclf.adapters import open_adapter
    from jptextclf.long_texts import encode_texts
    from jptextclf.stepping import LabelledTexts

    encoded = encode_texts(open_adapter(builtin.directory()), list(texts), max_length=max_length)
    targets = np.random.default_rng(0).integers(0, len(LABELS), len(texts))
    return LabelledTexts(encoded, targets, np.arange(1, len(texts) + 1))


def make_stepper(
    network: Any,
    data: LabelledTexts,
    *,
    precision: torch.dtype,
    batch_size: int,
    device: str = "cpu",
    max_tokens: int | None = None,
) -> Stepper:
    """Ours: what makes the optimizer steps of ``jptextclf train``."""
    from jptextclf.config import TrainConfig
    from jptextclf.model import Classifier, hidden_width
    from jptextclf.training import Stepper, make_plan

    options: dict[str, Any] = {} if max_tokens is None else {"max_tokens": max_tokens}
    config = TrainConfig(
        device=device, precision=str(precision).removeprefix("torch."), batch_size=batch_size, epochs=1000,
        learning_rate=LEARNING_RATE, max_grad_norm=MAX_NORM, max_length=MAX_LENGTH, **options,
    )  # fmt: skip
    plan = make_plan(config, n_texts=len(data), width=hidden_width(network.config))
    return Stepper(Classifier(network), data, plan=plan, config=config)


def padded(encodings: Encodings, pad_id: int, *, pad_to: int | None = None) -> dict[str, torch.Tensor]:
    """A stock batch: ``input_ids`` and ``attention_mask``, as long as the longest text or ``pad_to``."""
    import torch
    from torch.nn.functional import pad
    from torch.nn.utils.rnn import pad_sequence

    rows = [torch.from_numpy(encodings.row(number)).long() for number in range(len(encodings))]
    ids = pad_sequence(rows, batch_first=True, padding_value=pad_id)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    if pad_to is not None:
        ids = pad(ids, (0, pad_to - ids.shape[1]), value=pad_id)
        mask = pad(mask, (0, pad_to - mask.shape[1]))
    return {"input_ids": ids, "attention_mask": mask}


class PlainLoop:
    """The loop of a stock recipe."""

    def __init__(self, network: Any, data: LabelledTexts, *, total_steps: int = 100_000) -> None:
        import torch
        from transformers import get_linear_schedule_with_warmup

        self.network, self.data = network.train(), data
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, fused=True)
        self.schedule = get_linear_schedule_with_warmup(self.optimizer, total_steps // 10, total_steps)

    def step(self, batch: Any, *, precision: torch.dtype, pad_to: int | None = None) -> None:
        """One optimizer step on the texts at these positions."""
        import torch

        from jptextclf.devices import autocast

        inputs = padded(self.data.texts.select(batch).rows, self.network.config.pad_token_id, pad_to=pad_to)
        labels = torch.from_numpy(self.data.targets[batch])
        with autocast(torch.device("cpu"), precision):
            loss = self.network(**inputs, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_NORM)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)


def train_with_trainer(
    network: Any,
    data: LabelledTexts,
    directory: Path,
    *,
    batch_size: int,
    steps: int,
    now: Callable[[], float],
    **options: Any,
) -> list[float]:
    """What ``now`` says after each step of transformers' Trainer with dynamic padding and fused AdamW.

    :param directory: with a tokenizer
    :param options: more of ``TrainingArguments``
    """
    from transformers import (
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            times.append(now())

    times: list[float] = []
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            output_dir=out, per_device_train_batch_size=batch_size, max_steps=steps, learning_rate=LEARNING_RATE,
            max_grad_norm=MAX_NORM, optim="adamw_torch_fused", save_strategy="no", report_to="none",
            disable_tqdm=True, logging_strategy="no", **options,
        )  # fmt: skip
        collate = DataCollatorWithPadding(stock_tokenizer(directory))
        trainer = Trainer(
            model=network, args=arguments, train_dataset=rows_of(data), data_collator=collate, callbacks=[Watch()]
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return times


def rows_of(data: LabelledTexts) -> list[dict[str, Any]]:
    """A data set as Trainer takes it."""
    return [
        {"input_ids": data.texts.rows.row(number).tolist(), "labels": int(data.targets[number])}
        for number in range(len(data))
    ]


def predicting_trainer(
    network: Any, data: LabelledTexts, directory: Path, *, batch_size: int, **options: Any
) -> tuple[Any, list[dict[str, Any]]]:
    """A Trainer with dynamic padding, and what its ``predict`` takes.

    :param directory: with a tokenizer
    :param options: more of ``TrainingArguments``
    """
    from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(directory), per_device_eval_batch_size=batch_size, report_to="none", disable_tqdm=True, **options
    )  # fmt: skip
    collate = DataCollatorWithPadding(stock_tokenizer(directory))
    trainer = Trainer(model=network, args=arguments, data_collator=collate)
    trainer.remove_callback(PrinterCallback)
    return trainer, rows_of(data)


def step_times(stepper: Stepper, batch_size: int, *, steps: int, seed: int) -> list[float]:
    """CPU time of this process after each of ours."""
    from jptextclf.batching import random_batches

    times: list[float] = []
    for epoch in range(steps):
        for batch in random_batches(len(stepper.train), batch_size=batch_size, seed=seed, epoch=epoch):
            stepper.step(batch)
            times.append(time.process_time())
            if len(times) == steps:
                return times
    return times


def stock_tokenizer(directory: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory)


def mean_vectors(encoder: Any, tokenizer: Any, texts: Sequence[str], *, padding: str | bool) -> Any:
    """Vectors of texts in batches of 32, the mean over their pieces.  *Shape:* ``(texts, width)``"""
    import torch

    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), 32):
            batch = tokenizer(
                list(texts[start : start + 32]), padding=padding, truncation=True, max_length=MAX_LENGTH,
                return_tensors="pt",
            )  # fmt: skip
            states, mask = encoder(**batch).last_hidden_state, batch["attention_mask"][..., None]
            found.append((states * mask).sum(dim=1) / mask.sum(dim=1))
    return torch.cat(found)


def take_turns(
    ways: dict[str, Callable[[Any], Any]], works: Sequence[Any], *, warm_up: Any
) -> dict[str, list[float]]:
    """CPU seconds of each way for each piece of work: all ways on one, then on the next in the opposite order.

    :param warm_up: work that each way does first, untimed
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(warm_up)
    for number, work in enumerate(works):
        for name in list(ways) if number % 2 == 0 else list(reversed(ways)):
            before = time.process_time()
            ways[name](work)
            taken[name].append(time.process_time() - before)
            print(f"  {name}: {taken[name][-1]:.2f} s", file=sys.stderr, flush=True)
    return taken
