"""The fine-tuning loop: a classifier, encoded texts and targets in; the best epoch's weights out.

It does not know where texts came from, nor that runs are written to disk. Nothing outside this module knows
how an optimizer step is made.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from jptextclf.batching import micro_batches, random_batches
from jptextclf.config import TrainConfig, default_epochs, default_learning_rate
from jptextclf.devices import autocast, choose_device, choose_precision, memory_errors
from jptextclf.errors import WorkError
from jptextclf.messages import text
from jptextclf.model import Classifier, compute_logits, to_device
from jptextclf.progress import phase

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from jptextclf.encodings import Encodings
    from jptextclf.progress import Progress

_OVERHEAD = {"cpu": 128, "cuda": 2048}
"""What a micro-batch costs beside its pieces, in pieces: casting weights, and the embedding table's dense gradient.

On a CPU measured with the embedded encoder: 128 to 240 were the quickest, 24 took 15 % longer."""


@dataclass(frozen=True)
class LabelledTexts:
    """One split, encoded."""

    encodings: Encodings
    targets: NDArray[Any]
    """Label ids ``(texts,)`` int64, or ``(texts, n_labels)`` float32 for a multi-label task."""

    def __len__(self) -> int:
        return len(self.encodings)


@dataclass(frozen=True)
class Plan:
    """Settings with every "chosen from the data or the encoder" decided."""

    device: torch.device
    precision: torch.dtype
    epochs: int
    steps_per_epoch: int
    learning_rate: float
    metric: str

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def to_json(self) -> dict[str, Any]:
        return {
            **{key: value for key, value in asdict(self).items() if key not in {"device", "precision"}},
            "device": str(self.device),
            "precision": str(self.precision).removeprefix("torch."),
            "total_steps": self.total_steps,
        }


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave."""

    epoch: int
    """From 1."""
    train_loss: float
    validation_loss: float
    value: float
    """The chosen metric on validation."""
    seconds: float


@dataclass(frozen=True)
class History:
    """What training gave, epoch by epoch. The classifier holds the weights of ``best_epoch``."""

    epochs: tuple[Epoch, ...]
    best_epoch: int
    stopped_early: bool
    steps: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(config: TrainConfig, *, n_texts: int, width: int) -> Plan:
    """Decide what the configuration left open.

    :param n_texts: texts to train on
    :param width: the encoder's hidden size
    """
    device = choose_device(config.device)
    return Plan(
        device=device,
        precision=choose_precision(config.precision, device),
        epochs=config.epochs or default_epochs(n_texts, config.batch_size),
        steps_per_epoch=math.ceil(n_texts / config.batch_size),
        learning_rate=config.learning_rate or default_learning_rate(width),
        metric=config.metric or "macro_f1",
    )


def fine_tune(
    classifier: Classifier,
    train: LabelledTexts,
    validation: LabelledTexts,
    *,
    plan: Plan,
    config: TrainConfig,
    measure: Callable[[NDArray[np.float32]], float],
    progress: Progress,
) -> History:
    """Train; afterwards the classifier holds the weights of its best epoch.

    :param measure: logits of the validation texts -> the value of the chosen metric, higher is better
    :raises WorkError: the loss is no longer a finite number (``JPT-W010``)
    """
    best: tuple[float, float] | None = None
    best_state: dict[str, Tensor] = {}
    epochs: list[Epoch] = []
    best_epoch = 0
    with own_random_numbers(plan.device), phase(progress, text("train.phase_train"), plan.total_steps):
        stepper = Stepper(classifier, train, plan=plan, config=config)
        for number in range(1, plan.epochs + 1):
            started = time.monotonic()
            losses = []
            for batch in random_batches(
                len(train), batch_size=config.batch_size, seed=config.seed, epoch=number
            ):
                losses.append(stepper.step(batch))
                progress.advance(
                    1, text("train.note", epoch=number, epochs=plan.epochs, loss=f"{losses[-1]:.3f}")
                )
            logits = compute_logits(
                classifier, validation.encodings, precision=plan.precision, max_tokens=config.max_tokens
            )
            loss = float(
                loss_sum(torch.from_numpy(logits), torch.from_numpy(validation.targets), None)
            ) / len(validation)
            value = measure(logits)
            epochs.append(Epoch(number, float(np.mean(losses)), loss, value, time.monotonic() - started))
            progress.say(
                text(
                    "train.epoch", epoch=number, epochs=plan.epochs, train_loss=f"{epochs[-1].train_loss:.3f}",
                    loss=f"{loss:.3f}", metric=plan.metric, value=f"{value:.4f}", seconds=f"{epochs[-1].seconds:.0f}",
                )
            )  # fmt: skip
            # Of epochs with the same score, the one with the lower loss.
            if best is None or (value, -loss) > best:
                best, best_epoch, best_state = (value, -loss), number, copy.deepcopy(classifier.state_dict())
            elif config.patience and number - best_epoch >= config.patience:
                break
    if len(epochs) < plan.epochs:
        progress.say(
            text(
                "train.stopped_early",
                epoch=len(epochs),
                best=best_epoch,
                metric=plan.metric,
                patience=config.patience,
            )
        )
    classifier.load_state_dict(best_state)
    classifier.eval()
    return History(tuple(epochs), best_epoch, len(epochs) < plan.epochs, stepper.steps)


def own_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """The context for a :class:`Stepper`: dropout draws from the global generators, and the caller's stay as they were."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


class Stepper:
    """Makes one optimizer step after another.

    The gradient of a step is that of the mean loss over its batch, whatever the micro-batches.
    """

    def __init__(
        self, classifier: Classifier, train: LabelledTexts, *, plan: Plan, config: TrainConfig
    ) -> None:
        # Dropout draws from here; the head was drawn before.
        torch.manual_seed(config.seed)
        self.classifier = classifier.to(plan.device).train()
        self.train = train
        self.plan = plan
        self.config = config
        self.steps = 0
        self.targets = torch.from_numpy(train.targets).to(plan.device)
        if self.targets.ndim == 2:
            start_from_frequencies(classifier, self.targets)
        self.weights = label_weights(self.targets, classifier.network.config.num_labels, config.class_weights)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(classifier, config.weight_decay), lr=plan.learning_rate, fused=True
        )
        warmup = round(config.warmup * plan.total_steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: warmup_and_decay(step, warmup=warmup, total=plan.total_steps)
        )

    def step(self, batch: NDArray[np.int64]) -> float:
        """Train on the texts of one batch.

        :param batch: positions in the training split.  *Shape:* ``(texts,)``
        :returns: the mean loss over the batch
        :raises WorkError: the loss is not finite (``JPT-W010``)
        """
        self.classifier.train()
        with memory_errors():
            loss = self.accumulate(batch)
        if not math.isfinite(loss):
            rate = f"{self.schedule.get_last_lr()[0]:.1e}"
            raise WorkError("W010", step=self.steps + 1, loss=loss, learning_rate=rate)
        nn.utils.clip_grad_norm_(self.classifier.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        return loss

    def accumulate(self, batch: NDArray[np.int64]) -> float:
        """Add the gradient of the mean loss over the batch, one micro-batch after another.

        :returns: the mean loss over the batch
        """
        device = self.plan.device
        groups = micro_batches(
            self.train.encodings.lengths[batch],
            max_tokens=self.config.max_tokens,
            overhead=_OVERHEAD.get(device.type, _OVERHEAD["cuda"]),
        )
        total = torch.zeros((), device=device)
        for group in groups:
            texts = batch[group]
            with autocast(device, self.plan.precision):
                logits = self.classifier(*to_device(self.train.encodings.select(texts), device))
            loss = loss_sum(logits, self.targets[torch.from_numpy(texts)], self.weights) / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return float(total)


def loss_sum(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Cross entropy summed over texts; for a multi-label task binary cross entropy, mean over labels.

    :param logits: *Shape:* ``(texts, n_labels)``, float32
    :param targets: ids ``(texts,)`` int64, or 0/1 ``(texts, n_labels)`` float32
    :param weights: of each label, see :func:`label_weights`.  *Shape:* ``(n_labels,)``
    """
    if targets.ndim == 1:
        losses = nn.functional.cross_entropy(logits, targets, reduction="none")
        return (losses if weights is None else losses * weights[targets]).sum()
    losses = nn.functional.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=weights, reduction="none"
    )
    return losses.mean(dim=1).sum()


def label_weights(targets: Tensor, n_labels: int, kind: str) -> Tensor | None:
    """Weights of ``class_weights``; None where all weigh the same.

    Single-label: ``texts / (labels * texts with the label)``, the "balanced" heuristic of King and Zeng (2001),
    with mean 1 over the texts. Multi-label: the weight of a positive, ``texts without / texts with``.

    :returns: *Shape:* ``(n_labels,)``
    """
    if kind == "none":
        return None
    if targets.ndim == 2:
        positive = targets.sum(dim=0).clamp(min=1)
        return ((len(targets) - positive) / positive).clamp(min=1 / len(targets))
    counts = torch.bincount(targets, minlength=n_labels).float()
    present = counts > 0
    return torch.where(
        present, len(targets) / (present.sum() * counts.clamp(min=1)), torch.zeros_like(counts)
    )


def start_from_frequencies(classifier: Classifier, targets: Tensor) -> None:
    """Let each label of a multi-label task start with the probability that it has in the training texts.

    A bias of 0 says 0.5 to every label, most of which are rare, and the first steps go into unlearning that. (Lin et
    al. 2017, "Focal Loss for Dense Object Detection", section 3.3, start the same way.)

    :param targets: 0/1.  *Shape:* ``(texts, n_labels)``
    """
    n_texts, n_labels = targets.shape
    share = (targets.sum(dim=0) + 0.5) / (n_texts + 1)
    layers = [
        layer
        for layer in classifier.modules()
        if isinstance(layer, nn.Linear) and layer.out_features == n_labels
    ]
    if layers and layers[-1].bias is not None:
        with torch.no_grad():
            layers[-1].bias.copy_(torch.logit(share))


def parameter_groups(classifier: Classifier, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases and norms, which are vectors, do not."""
    parameters = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
    return [
        {"params": [one for one in parameters if one.ndim >= 2], "weight_decay": weight_decay},
        {"params": [one for one in parameters if one.ndim < 2], "weight_decay": 0.0},
    ]


def warmup_and_decay(step: int, *, warmup: int, total: int) -> float:
    """Share of the peak learning rate: linearly up over ``warmup`` steps, then linearly down to 0 at ``total``."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (total - step) / max(1, total - warmup))
