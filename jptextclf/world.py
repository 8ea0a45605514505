"""The processes that train one model together. It does not know what they compute.

Started by ``torchrun`` or ``accelerate launch`` there are several, each with its rank; else one alone. A step of
several is the step of one: they share the texts of each batch, and add up what they found. Gradients are added after
the whole batch, in a few large pieces, so that processes may need different numbers of micro-batches, or none.
"""

from __future__ import annotations

import atexit
import datetime as dt
import os
import re
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, distributed

from jptextclf import launched
from jptextclf.errors import ConfigError, JptextclfError, WorkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

_BUCKET = 1 << 24
"""Numbers that are added in one go: 64 MiB of float32."""
_TIMEOUT = "JPTEXTCLF_RANK_TIMEOUT"
"""Seconds that a process waits for the others in a step."""
_PATIENCE = dt.timedelta(days=30)
"""For work that one process does while the others wait. One that has ended is noticed at once all the same."""


@dataclass(frozen=True)
class World:
    """One process alone; what the others share with it is nothing."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def device(self, chosen: torch.device) -> torch.device:
        """Where this process computes, when ``chosen`` is what the settings say."""
        return chosen

    def share(self, costs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which of some texts this process computes; every text has exactly one process.

        :param costs: of each text.  *Shape:* ``(texts,)``
        :returns: positions in ``costs``, ascending
        """
        return np.arange(len(costs), dtype=np.int64)

    def add(self, *tensors: Tensor) -> None:
        """Replace each tensor by its sum over all processes."""

    def most(self, n: int) -> int:
        """The largest of the numbers that the processes name."""
        return n

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace each gradient by its sum over all processes; one that nobody has stays None."""

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, by rank; all of one shape."""
        return [tensor]

    def tell(self, sentence: str) -> str:
        """What the main process says, in all of them; it may come late."""
        return sentence

    def agreeing(self) -> AbstractContextManager[None]:
        """The context for work without exchange between processes: it succeeds in all of them or in none.

        Who waits here may wait long. An error goes its way in the process that has it, and the others get one too; a
        person is told of it by the main process alone.

        :raises WorkError: it failed in another process only (``JPT-W048``), or that one has ended (``JPT-W044``)
        """
        return nullcontext()

    def fail_together(self, error: Exception | None) -> None:
        """As :meth:`agreeing`, for an error that was caught: raise it, or one for that of another process."""
        if error is not None:
            raise error


ALONE = World()


@dataclass(frozen=True)
class Several(World):
    """One of several processes, on gloo or NCCL.

    :param talk: the group in which sentences are passed, on gloo and with patience
    """

    talk: Any = None

    def device(self, chosen: torch.device) -> torch.device:
        """Each process of a machine has a GPU of its own."""
        return torch.device("cuda", launched.local_rank()) if chosen.type == "cuda" else chosen

    def share(self, costs: NDArray[np.int64]) -> NDArray[np.int64]:
        """The dearest text goes to the process that has the least so far."""
        loads = np.zeros(self.size, dtype=np.int64)
        own = []
        for text in np.argsort(-costs, kind="stable"):
            rank = int(np.argmin(loads))
            loads[rank] += costs[text]
            if rank == self.rank:
                own.append(int(text))
        return np.array(sorted(own), dtype=np.int64)

    def add(self, *tensors: Tensor) -> None:
        with _lost_process():
            for one in tensors:
                distributed.all_reduce(one)

    def most(self, n: int) -> int:
        found = torch.tensor([n])
        with _lost_process():
            distributed.all_reduce(found, distributed.ReduceOp.MAX, group=self.talk)
        return int(found)

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        if not parameters:
            return
        there = torch.tensor([float(one.grad is not None) for one in parameters], device=parameters[0].device)
        self.add(there)
        somewhere = [one for one, count in zip(parameters, there.tolist(), strict=True) if count]
        for bucket in _buckets(somewhere):
            gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in bucket]
            flat = torch.cat([one.flatten() for one in gradients])
            self.add(flat)
            parts = torch.split(flat, [one.numel() for one in bucket])
            for one, part in zip(bucket, parts, strict=True):
                one.grad = part.view_as(one)

    def gather(self, tensor: Tensor) -> list[Tensor]:
        found = [torch.empty_like(tensor) for _ in range(self.size)]
        with _lost_process():
            distributed.all_gather(found, tensor.contiguous())
        return found

    def tell(self, sentence: str) -> str:
        return self._exchange(sentence if self.is_main else "")[0]

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not _is_lost(error):
                self.fail_together(error)
            raise
        self.fail_together(None)

    def fail_together(self, error: Exception | None) -> None:
        problem = "" if error is None else str(error).strip() or type(error).__name__
        problems = self._exchange(problem)
        failed = [rank for rank, one in enumerate(problems) if one]
        if not failed:
            return
        first = failed[0]
        raised = error or WorkError("W048", rank=first, problem=problems[first])
        if isinstance(raised, JptextclfError):
            raised.is_told = not self.is_main
        raise raised

    def _exchange(self, sentence: str) -> list[str]:
        """What each process says, by rank."""
        data = torch.tensor(list(sentence.encode("utf-8")), dtype=torch.uint8)
        with _lost_process():
            lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
            distributed.all_gather(lengths, torch.tensor([len(data)]), group=self.talk)
            padded = torch.zeros(max(1, *map(int, lengths)), dtype=torch.uint8)
            padded[: len(data)] = data
            found = [torch.empty_like(padded) for _ in range(self.size)]
            distributed.all_gather(found, padded, group=self.talk)
        return [
            bytes(one[: int(length)].tolist()).decode("utf-8")
            for one, length in zip(found, lengths, strict=True)
        ]


def join(device: str) -> World:
    """The processes that were started with this one.

    :param device: the setting: ``cpu`` meets on the CPU even where there are GPUs
    :raises ConfigError: a GPU by number, which processes that share a machine cannot all have (``JPT-U180``)
    :raises SetupError: the launcher asks for what cannot be done (``JPT-E096``)
    :raises WorkError: the others do not come (``JPT-W044``)
    """
    launched.sharding()
    size = launched.size()
    if size <= 1:
        return ALONE
    if device.startswith("cuda:"):
        raise ConfigError("U180", device=device, n=size)
    from accelerate import PartialState

    seconds = float(os.environ.get(_TIMEOUT, "1800"))
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    # With it, transformers fills the models of all processes but the first with whatever lies in memory.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    if not distributed.is_initialized():
        # Whoever used accelerate in this process before did so alone, and it remembers that.
        PartialState._reset_state()  # noqa: SLF001 - the way that accelerate's own launchers take
    with _lost_process():
        state = PartialState(cpu=on_cpu, timeout=dt.timedelta(seconds=seconds))
        talk = distributed.new_group(backend="gloo", timeout=_PATIENCE)
    atexit.register(_leave)
    return Several(rank=state.process_index, size=state.num_processes, talk=talk)


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _buckets(parameters: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Parameters of one type, in the same groups in every process."""
    bucket: list[Tensor] = []
    for one in parameters:
        full = sum(other.numel() for other in bucket) + one.numel() > _BUCKET
        if bucket and (full or one.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(one)
    if bucket:
        yield bucket


@contextmanager
def _lost_process() -> Iterator[None]:
    """A process that is gone, or does not come in time, becomes one error.

    :raises WorkError: ``JPT-W044``
    """
    try:
        yield
    except (distributed.DistError, RuntimeError) as error:
        raise WorkError("W044", problem=_short(str(error))) from error


def _short(problem: str) -> str:
    """What gloo says, without the line of its source in front and general advice behind."""
    first = problem.strip().split("\n")[0]
    return re.sub(r"^\[[^]]*\] *", "", first).split(". This is typically")[0].rstrip(".")


def _is_lost(error: Exception) -> bool:
    return isinstance(error, WorkError) and error.code == "JPT-W044"
