"""The fine-tuning loop: a classifier, encoded texts and targets in; the best epoch's weights out.

It does not know where texts came from. How an optimizer step is made stands in :mod:`jptextclf.stepping`, how a
checkpoint lies on the disk in :mod:`jptextclf.checkpoints`; what is in one is decided here.
"""

from __future__ import annotations

import copy
import math
import time
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from jptextclf.batching import random_batches
from jptextclf.config import TrainConfig, default_epochs, default_learning_rate
from jptextclf.devices import choose_device, choose_precision
from jptextclf.errors import WorkError
from jptextclf.evaluation import DEFAULT_METRIC
from jptextclf.interruption import StopRequest, stop_requests
from jptextclf.losses import loss_sum
from jptextclf.messages import text
from jptextclf.model import Classifier, compute_logits
from jptextclf.progress import phase
from jptextclf.stepping import MODEL, LabelledTexts, Plan, Stepper, tensors_below
from jptextclf.world import ALONE, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from jptextclf.checkpoints import Checkpoint, Checkpoints
    from jptextclf.progress import Progress
    from jptextclf.trackers import Trackers

_BEST = "best."
_TRACK_EVERY = 10
"""Steps between two values that are sent to trackers."""
_REPEATS = 5.0
"""Seconds: a launcher passes on the signals that its processes get from the terminal or the scheduler as well."""


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
    attention: str
    """The kernel of the unpadded forward, or ``padded``."""
    passed_over: dict[str, str]
    """Faster kernels, and what stood against each."""
    max_tokens: int
    """Pieces in one micro-batch at most, at the end: less than asked where memory was short."""
    resumed_at: tuple[int, ...] = ()
    """Steps from which an interrupted training went on."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Watchers:
    """Who is told while training runs."""

    progress: Progress
    trackers: Trackers | None = None
    on_epoch: Callable[[Epoch], None] | None = None
    """May raise to end the training."""


@dataclass
class _Course:
    """Where a training is: all that a checkpoint holds beside tensors."""

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    losses: list[float] = field(default_factory=list)
    """Of the steps of the epoch that is not over."""
    seconds: float = 0.0
    """That the epoch that is not over took so far."""
    is_over: bool = False
    resumed_at: list[int] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> _Course:
        return cls(**{**data, "epochs": [Epoch(**one) for one in data["epochs"]]})


def make_plan(
    config: TrainConfig, *, n_texts: int, width: int, metric: str = DEFAULT_METRIC, world: World = ALONE
) -> Plan:
    """Decide what the configuration left open.

    :param n_texts: texts to train on
    :param width: the encoder's hidden size
    :param metric: that picks the best epoch where the configuration names none
    """
    device = world.device(choose_device(config.device))
    return Plan(
        device=device,
        precision=choose_precision(config.precision, device),
        epochs=config.epochs or default_epochs(n_texts, config.batch_size),
        steps_per_epoch=math.ceil(n_texts / config.batch_size),
        learning_rate=config.learning_rate or default_learning_rate(width),
        metric=config.metric or metric,
    )


def fine_tune(
    classifier: Classifier,
    train: LabelledTexts,
    validation: LabelledTexts,
    *,
    plan: Plan,
    config: TrainConfig,
    measure: Callable[[NDArray[np.float32]], float],
    watchers: Watchers,
    checkpoints: Checkpoints | None = None,
    resume: Checkpoint | None = None,
    world: World = ALONE,
) -> History:
    """Train; afterwards the classifier holds the weights of its best epoch.

    With ``checkpoints``, SIGINT and SIGTERM end the training after the step that runs, with a checkpoint, and then
    take their usual course.

    :param measure: logits of the validation texts -> the value of the chosen metric, higher is better
    :param checkpoints: where the state is saved after every epoch or ``checkpoint_steps``; None: nowhere
    :param resume: state to go on from
    :param world: the processes that train together
    :raises WorkError: loss or gradient is no longer finite (``JPT-W010``, ``JPT-W049``), memory does not suffice (``JPT-W013``), or
        a checkpoint cannot be written (see :class:`jptextclf.checkpoints.Checkpoints`)
    """
    progress = watchers.progress
    signals: AbstractContextManager[StopRequest] = (
        nullcontext(StopRequest())
        if checkpoints is None
        else stop_requests(repeats_within=_REPEATS if world.size > 1 else 0.0)
    )
    with own_random_numbers(plan.device), signals as request:
        stepper = Stepper(classifier, train, plan=plan, config=config, world=world, progress=progress)
        training = _Training(stepper, validation, measure, watchers, checkpoints, request)
        if resume is not None:
            training.restore(resume)
        with phase(progress, text("train.phase_train"), plan.total_steps):
            progress.advance(stepper.steps)
            training.run()
        if request:
            progress.warn(text("train.interrupted", step=stepper.steps, total=plan.total_steps))
    if request:
        # The handler of the signal came back, which none does by itself.
        raise KeyboardInterrupt
    return training.finish()


@contextmanager
def own_random_numbers(device: torch.device) -> Iterator[None]:
    """The context for a :class:`Stepper`: dropout draws from the global generators, and the caller's stay as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


class _Training:
    """One run of the loop."""

    def __init__(
        self,
        stepper: Stepper,
        validation: LabelledTexts,
        measure: Callable[[NDArray[np.float32]], float],
        watchers: Watchers,
        checkpoints: Checkpoints | None,
        request: StopRequest,
    ) -> None:
        self.stepper, self.plan, self.config = stepper, stepper.plan, stepper.config
        self.validation = validation
        self.measure = measure
        self.watchers, self.progress = watchers, watchers.progress
        self.checkpoints = checkpoints
        self.request = request
        self.course = _Course()
        self.best_state: dict[str, Tensor] = {}
        self._saved_at = -1

    def run(self) -> None:
        """Epoch after epoch, until the plan is done, patience is over, or somebody asks to stop."""
        while not self.course.is_over and not self._must_stop():
            self._epoch(len(self.course.epochs) + 1)

    def finish(self) -> History:
        """Put the best weights into the classifier; the history."""
        course, stepper = self.course, self.stepper
        early = len(course.epochs) < self.plan.epochs
        if early:
            self.progress.say(
                text(
                    "train.stopped_early", epoch=len(course.epochs), best=course.best_epoch, metric=self.plan.metric,
                    patience=self.config.patience,
                )
            )  # fmt: skip
        stepper.whole.load_state_dict(self.best_state)
        stepper.whole.to(self.plan.device).eval()
        return History(
            epochs=tuple(course.epochs),
            best_epoch=course.best_epoch,
            stopped_early=early,
            steps=stepper.steps,
            attention="padded" if stepper.attention is None else stepper.attention.kernel.name,
            passed_over={} if stepper.attention is None else stepper.attention.passed_over,
            max_tokens=stepper.max_tokens,
            resumed_at=tuple(course.resumed_at),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        tensors = checkpoint.tensors()
        self.stepper.restore(tensors, checkpoint.state["stepper"])
        self.course = _Course.from_json(checkpoint.state["course"])
        self.best_state = {
            name.removeprefix(_BEST): one.to(self.stepper.whole.device)
            for name, one in tensors.items()
            if name.startswith(_BEST)
        }
        self.course.resumed_at.append(self.stepper.steps)
        self._saved_at = self.stepper.steps

    def _epoch(self, number: int) -> None:
        course, started = self.course, time.monotonic() - self.course.seconds
        batches = random_batches(
            len(self.stepper.train), batch_size=self.config.batch_size, seed=self.config.seed, epoch=number
        )
        for batch in batches[len(course.losses) :]:
            self._step(number, batch)
            course.seconds = time.monotonic() - started
            must_stop, is_last = self._must_stop(), len(course.losses) == len(batches)
            # After the last step of an epoch the state is saved with what validation says.
            if must_stop or (self._is_due() and not is_last):
                self._save()
            if must_stop:
                return
        self._evaluate(number, started)
        self._save()

    def _step(self, number: int, batch: NDArray[np.int64]) -> None:
        rate = self.stepper.learning_rate
        done = self.stepper.step(batch)
        self.course.losses.append(done.loss)
        self.progress.advance(
            1, text("train.note", epoch=number, epochs=self.plan.epochs, loss=f"{done.loss:.3f}")
        )
        if self.watchers.trackers is not None and self.stepper.steps % _TRACK_EVERY == 1:
            values = {
                "train/loss": done.loss,
                "train/learning_rate": rate,
                "train/gradient_norm": done.gradient_norm,
                "train/epoch": number - 1 + len(self.course.losses) / self.plan.steps_per_epoch,
            }
            self.watchers.trackers.log(values, self.stepper.steps)

    def _evaluate(self, number: int, started: float) -> None:
        """Close an epoch: validation, the best weights so far, patience."""
        course, validation = self.course, self.validation
        logits = self._validation_logits()
        loss = float(loss_sum(torch.from_numpy(logits), torch.from_numpy(validation.targets), None)) / len(
            validation
        )
        if not math.isfinite(loss):
            raise WorkError("W049", epoch=number, loss=loss, step=self.stepper.steps)
        seconds = time.monotonic() - started
        epoch = Epoch(number, float(np.mean(course.losses)), loss, self.measure(logits), seconds)
        best = course.epochs[course.best_epoch - 1] if course.best_epoch else None
        course.epochs.append(epoch)
        course.losses, course.seconds = [], 0.0
        # Of epochs with the same score, the one with the lower loss.
        if best is None or (epoch.value, -loss) > (best.value, -best.validation_loss):
            course.best_epoch = number
            self.best_state = copy.deepcopy(self.stepper.whole.state_dict())
        patience = self.config.patience
        patience_is_over = bool(patience) and number - course.best_epoch >= (patience or 0)
        course.is_over = number == self.plan.epochs or patience_is_over
        self._tell(epoch)

    def _validation_logits(self) -> NDArray[np.float32]:
        """Each process computes its share; all have the whole afterwards."""
        stepper, texts, world = self.stepper, self.validation.texts, self.stepper.world
        own = world.share(texts.lengths)
        some = texts if len(own) == len(texts) else texts.select(own)
        logits = torch.zeros(len(texts), stepper.whole.network.config.num_labels, device=self.plan.device)
        with stepper.gathered() as classifier, world.agreeing():
            logits[torch.from_numpy(own)] = torch.from_numpy(
                compute_logits(
                    classifier,
                    some.rows,
                    text_splits=some.text_splits if some.has_windows else None,
                    precision=self.plan.precision,
                    max_tokens=stepper.max_tokens,
                )
            ).to(self.plan.device)
        world.add(logits)
        found: NDArray[np.float32] = logits.cpu().numpy()
        return found

    def _tell(self, epoch: Epoch) -> None:
        self.progress.say(
            text(
                "train.epoch", epoch=epoch.epoch, epochs=self.plan.epochs, train_loss=f"{epoch.train_loss:.3f}",
                loss=f"{epoch.validation_loss:.3f}", metric=self.plan.metric, value=f"{epoch.value:.4f}",
                seconds=f"{epoch.seconds:.0f}",
            )
        )  # fmt: skip
        if self.watchers.trackers is not None:
            values = {"validation/loss": epoch.validation_loss, f"validation/{self.plan.metric}": epoch.value}
            self.watchers.trackers.log(values, self.stepper.steps)
        if self.watchers.on_epoch is not None:
            self.watchers.on_epoch(epoch)

    def _must_stop(self) -> bool:
        """Whether a process was asked to stop; all of them agree."""
        if self.checkpoints is None or self.stepper.world.size == 1:
            return bool(self.request)
        # Those that got no signal end as if they had got that of the others.
        number = self.stepper.world.most(self.request.number or 0)
        if number:
            self.request.ask(number)
        return bool(self.request)

    def _is_due(self) -> bool:
        every = self.config.checkpoint_steps
        return every is not None and self.stepper.steps % every == 0

    def _save(self) -> None:
        if self.checkpoints is None or self._saved_at == self.stepper.steps:
            return
        tensors = self.stepper.tensors()
        # Right after the best epoch they are the weights themselves, which are written once.
        is_best = not self.course.losses and self.course.best_epoch == len(self.course.epochs)
        best = tensors_below(MODEL, tensors) if is_best else self.best_state
        tensors.update({_BEST + name: value for name, value in best.items()})
        state = {"stepper": self.stepper.state(), "course": self.course.to_json()}
        with self.stepper.world.agreeing():
            if self.stepper.world.is_main:
                self.checkpoints.save(self.stepper.steps, tensors, state)
        self._saved_at = self.stepper.steps
