"""One optimizer step after another: a batch of texts in, its loss and new weights out.

It does not know epochs, nor that anything is written to disk. The gradient of a step is that of the mean loss over
its batch, whatever the micro-batches, the number of processes, and the memory.
"""

from __future__ import annotations

import gc
import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from jptextclf.batching import flat_batches, micro_batches
from jptextclf.devices import autocast, is_memory_error, memory_errors
from jptextclf.errors import WorkError
from jptextclf.launched import sharding
from jptextclf.losses import make_loss, start_from_frequencies
from jptextclf.messages import listing, text
from jptextclf.model import Classifier, to_device
from jptextclf.parameters import parameter_groups
from jptextclf.sharding import Shards, gathered
from jptextclf.world import ALONE, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from jptextclf.config import TrainConfig
    from jptextclf.long_texts import EncodedTexts
    from jptextclf.progress import Progress
    from jptextclf.unpadded import Chosen

MODEL = "model."
"""Begins the names of weights among the tensors of a checkpoint."""
_OVERHEAD = {"cpu": 128, "cuda": 2048}
"""What a padded micro-batch costs beside its pieces, in pieces: casting weights, and the embedding table's dense
gradient. On a CPU measured with the embedded encoder: 128 to 240 were the quickest, 24 took 15 % longer."""


@dataclass(frozen=True)
class LabelledTexts:
    """One split, encoded."""

    texts: EncodedTexts
    targets: NDArray[Any]
    """Label ids ``(texts,)`` int64, or ``(texts, n_labels)`` float32 for a multi-label task."""
    numbers: NDArray[np.int64]
    """Row of each text in its file, for a person.  *Shape:* ``(texts,)``"""
    soft: NDArray[np.float32] | None = None
    """Shares of annotators' votes.  *Shape:* ``(texts, n_labels)``"""
    teacher_logits: NDArray[np.float32] | None = None
    """What a larger model says.  *Shape:* ``(texts, n_labels)``"""

    def __len__(self) -> int:
        return len(self.targets)


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
class Step:
    """What one optimizer step gave."""

    loss: float
    """Mean over the batch."""
    gradient_norm: float
    """Before clipping."""


class Stepper:
    """Makes one optimizer step after another.

    :param world: the processes that share each batch
    :param progress: told of a batch that did not fit in memory
    """

    def __init__(
        self,
        classifier: Classifier,
        train: LabelledTexts,
        *,
        plan: Plan,
        config: TrainConfig,
        world: World = ALONE,
        progress: Progress | None = None,
    ) -> None:
        # Dropout draws from here, in each process its own; the head was drawn before.
        torch.manual_seed(config.seed + world.rank)
        self.train = train
        self.plan = plan
        self.config = config
        self.world = world
        self.progress = progress
        self.steps = 0
        self.max_tokens = config.max_tokens
        """Pieces in one micro-batch at most; halved when a batch did not fit in memory."""
        targets = torch.from_numpy(train.targets)
        if targets.ndim == 2:
            start_from_frequencies(classifier, targets.to(classifier.device))
        self.loss = make_loss(
            config,
            targets,
            n_labels=classifier.network.config.num_labels,
            soft=None if train.soft is None else torch.from_numpy(train.soft),
            teacher_logits=None if train.teacher_logits is None else torch.from_numpy(train.teacher_logits),
        ).to(plan.device)
        self.whole = classifier
        """Where the model is cut into shares, it has the weights of the last :meth:`gathered`."""
        self.shards: Shards | None = None
        cut = sharding() if world.size > 1 else None
        if cut is None:
            classifier.to(plan.device)
        groups = parameter_groups(
            classifier,
            learning_rate=plan.learning_rate,
            weight_decay=config.weight_decay,
            layer_decay=config.layer_decay,
        )
        if cut is not None:
            self.shards = Shards(classifier, cut, device=plan.device, world=world)
            self.shards.replace(groups)
        self.classifier = (classifier if self.shards is None else self.shards.classifier).train()
        self.attention: Chosen | None = self.classifier.choose_attention(
            config.attention, precision=plan.precision, training=True
        )
        classifier.kernel = self.classifier.kernel
        self.peaks = [float(group["lr"]) for group in groups]
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        self.parameters = [one for group in self.optimizer.param_groups for one in group["params"]]

    @property
    def learning_rate(self) -> float:
        """Of the next step, in the group with the highest."""
        return max(self.peaks) * self._rate_share()

    def step(self, batch: NDArray[np.int64]) -> Step:
        """Train on the texts of one batch.

        :param batch: positions in the training split.  *Shape:* ``(texts,)``
        :raises WorkError: loss or gradient is not finite (``JPT-W010``), or one text alone does not fit in memory
            (``JPT-W013``)
        """
        self.classifier.train()
        loss = self.accumulate(batch)
        norm = self._clip()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.optimizer.zero_grad(set_to_none=True)
            error = self._not_finite(batch, loss)
            error.is_told = not self.world.is_main
            raise error
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * self._rate_share()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        return Step(loss, norm)

    def _clip(self) -> float:
        """Make gradients those of all processes, and no longer than ``max_grad_norm``; their norm before."""
        if self.shards is not None:
            return self.shards.clip(self.parameters, self.config.max_grad_norm)
        self.world.add_gradients(self.parameters)
        return float(nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm))

    def accumulate(self, batch: NDArray[np.int64]) -> float:
        """Add the gradient of the mean loss over the batch, one micro-batch after another.

        A batch that does not fit in memory is computed again in smaller micro-batches, unless the model is cut into
        shares: the processes would no longer compute as many.

        :returns: the mean loss over the batch
        :raises WorkError: one text alone does not fit in memory (``JPT-W013``), or another process failed
            (``JPT-W048``)
        """
        if self.world.size == 1:
            return float(self._accumulate_in_memory(batch))
        if self.shards is not None:
            with memory_errors():
                total = self._accumulate(batch)
            self.world.add(total)
            return float(total)
        failure: Exception | None = None
        total = torch.zeros((), device=self.plan.device)
        try:
            total = self._accumulate_in_memory(batch)
        except Exception as error:  # noqa: BLE001 - raised again, when the others know of it
            failure = error
        sums = torch.stack([total, torch.full_like(total, float(failure is not None))])
        self.world.add(sums)
        if sums[1]:
            self.world.fail_together(failure)
        return float(sums[0])

    def _accumulate_in_memory(self, batch: NDArray[np.int64]) -> Tensor:
        """As :meth:`_accumulate`, in as many attempts as memory needs."""
        while True:
            try:
                total = self._accumulate(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_memory_error(error):
                    raise
                self._split(batch, error)
            else:
                return total
            # Only here, where nothing holds the activations any more, can they be given back.
            gc.collect()
            if self.plan.device.type == "cuda":
                torch.cuda.empty_cache()

    def _accumulate(self, batch: NDArray[np.int64]) -> Tensor:
        # A backward pass that ran out of memory has left some of its gradients behind.
        self.optimizer.zero_grad(set_to_none=True)
        device = self.plan.device
        total = torch.zeros((), device=device)
        groups = self._micro_batches(batch)
        idle = 0 if self.shards is None else self.world.most(len(groups)) - len(groups)
        # What a process computes for company does not count.
        for texts, weight in [(group, 1.0) for group in groups] + [(batch[:1], 0.0)] * idle:
            some = self.train.texts.select(texts)
            splits = torch.from_numpy(some.text_splits) if some.has_windows else None
            with autocast(device, self.plan.precision):
                logits = self.classifier(*to_device(some.rows, device), splits)
            loss = weight * self.loss(logits, torch.from_numpy(texts).to(device)) / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _micro_batches(self, batch: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The texts of a batch that are this process's, in groups that are computed together."""
        lengths = self.train.texts.lengths
        own = batch[self.world.share(lengths[batch])]
        if self.classifier.kernel is not None:
            groups = list(flat_batches(lengths[own], max_tokens=self.max_tokens))
        else:
            overhead = _OVERHEAD.get(self.plan.device.type, _OVERHEAD["cuda"])
            groups = micro_batches(lengths[own], max_tokens=self.max_tokens, overhead=overhead)
        return [own[group] for group in groups]

    def _split(self, batch: NDArray[np.int64], error: BaseException) -> None:
        """Halve the micro-batches; the batch, the schedule and the mathematics stay.

        :raises WorkError: they hold one text each already
        """
        if all(len(texts) == 1 for texts in self._micro_batches(batch)):
            raise WorkError("W013") from error
        largest = max(int(self.train.texts.lengths[texts].sum()) for texts in self._micro_batches(batch))
        self.max_tokens = max(1, min(self.max_tokens, largest) // 2)
        if self.progress is not None:
            self.progress.warn(text("train.split", step=self.steps + 1, max_tokens=self.max_tokens))

    def _not_finite(self, batch: NDArray[np.int64], loss: float) -> WorkError:
        """The error of a batch that cannot be learned from: its texts alone, if one of them is the cause."""
        culprits = []
        self.classifier.eval()
        with torch.no_grad(), autocast(self.plan.device, self.plan.precision):
            for one in batch:
                some = self.train.texts.select(np.array([one]))
                logits = self.classifier(*to_device(some.rows, self.plan.device))
                if not bool(logits.isfinite().all()):
                    culprits.append(int(self.train.numbers[one]))
        which = (
            culprits if 0 < len(culprits) < len(batch) else [int(self.train.numbers[one]) for one in batch]
        )
        return WorkError(
            "W010",
            step=self.steps + 1,
            loss=loss,
            learning_rate=f"{self.learning_rate:.1e}",
            rows=listing((str(number) for number in sorted(which)), 12),
        )

    def _rate_share(self) -> float:
        warmup = round(self.config.warmup * self.plan.total_steps)
        return warmup_and_decay(self.steps, warmup=warmup, total=self.plan.total_steps)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a later process needs to go on, but :meth:`state`."""
        names = {id(one): name for name, one in self.classifier.named_parameters()}
        found = {f"{MODEL}{name}": self._saved(value) for name, value in self.classifier.state_dict().items()}
        for parameter, moments in self.optimizer.state.items():
            for kind, value in moments.items():
                found[f"optimizer.{kind}.{names[id(parameter)]}"] = self._saved(value)
        for rank, value in enumerate(self.world.gather(torch.get_rng_state().to(self.plan.device))):
            found[f"random.cpu.{rank}"] = value
        if self.plan.device.type == "cuda":
            drawn = torch.cuda.get_rng_state(self.plan.device).to(self.plan.device)
            for rank, value in enumerate(self.world.gather(drawn)):
                found[f"random.cuda.{rank}"] = value
        return found

    def _saved(self, tensor: Tensor) -> Tensor:
        """The whole tensor in the process that writes; together they would not fit beside the shares on a GPU."""
        if self.shards is None:
            return tensor
        whole = gathered(tensor)
        return whole.cpu() if self.world.is_main else whole[:0] if whole.ndim else whole

    @contextmanager
    def gathered(self) -> Iterator[Classifier]:
        """The context in which :attr:`whole` is on the device and has the weights of now, in every process."""
        if self.shards is None:
            yield self.whole
            return
        try:
            yield self.shards.gather()
        finally:
            self.shards.put_back()

    def state(self) -> dict[str, Any]:
        """The numbers that belong to :meth:`tensors`."""
        return {"steps": self.steps, "max_tokens": self.max_tokens}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on where :meth:`tensors` and :meth:`state` were taken, perhaps on another device or by more processes.

        A process that has no random state there goes on with the one that it has.
        """
        if self.shards is None:
            self.classifier.load_state_dict(tensors_below(MODEL, tensors))
        else:
            self.shards.load(tensors_below(MODEL, tensors))
        names = dict(self.classifier.named_parameters())
        for kind in ("step", "exp_avg", "exp_avg_sq"):
            for name, value in tensors_below(f"optimizer.{kind}.", tensors).items():
                # As torch keeps it itself: a fused optimizer counts on the device.
                whole = value.to(self.plan.device)
                if self.shards is not None and kind != "step":
                    whole = self.shards.cut(whole, names[name])
                self.optimizer.state[names[name]][kind] = whole
        if (drawn := tensors.get(f"random.cpu.{self.world.rank}")) is not None:
            torch.set_rng_state(drawn.cpu())
        drawn = tensors.get(f"random.cuda.{self.world.rank}")
        if drawn is not None and self.plan.device.type == "cuda":
            torch.cuda.set_rng_state(drawn.cpu(), self.plan.device)
        self.steps, self.max_tokens = int(state["steps"]), int(state["max_tokens"])


def tensors_below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}


def warmup_and_decay(step: int, *, warmup: int, total: int) -> float:
    """Share of the peak learning rate: linearly up over ``warmup`` steps, then linearly down to 0 at ``total``."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (total - step) / max(1, total - warmup))
