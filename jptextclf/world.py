"""The processes that train one model together. It does not know what they compute.

Started by ``torchrun`` or ``accelerate launch`` there are several, each with its rank; else one alone. A step of
several is the step of one: they share the texts of each batch, and add up what they found. Gradients are added after
the whole batch, in a few large pieces, so that processes may need different numbers of micro-batches, or none.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, distributed

from jptextclf.errors import ConfigError, WorkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

_BUCKET = 1 << 24
"""Numbers that are added in one go: 64 MiB of float32."""
_TIMEOUT = "JPTEXTCLF_RANK_TIMEOUT"
"""Seconds that a process waits for the others."""


def is_main_process() -> bool:
    """Whether this process writes and speaks; known before any other is met."""
    return os.environ.get("RANK", "0") == "0"


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

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace each gradient by its sum over all processes; one that nobody has stays None."""

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, by rank; all of one shape."""
        return [tensor]

    def tell(self, sentence: str) -> str:
        """What the main process says, in all of them."""
        return sentence

    def wait(self) -> None:
        """Go on when all processes are here."""


ALONE = World()


class Several(World):
    """One of several processes, on gloo or NCCL."""

    def device(self, chosen: torch.device) -> torch.device:
        """Each process of a machine has a GPU of its own."""
        if chosen.type != "cuda":
            return chosen
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))

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
            for one, part in zip(bucket, flat.split([one.numel() for one in bucket]), strict=True):
                one.grad = part.view_as(one)

    def gather(self, tensor: Tensor) -> list[Tensor]:
        found = [torch.empty_like(tensor) for _ in range(self.size)]
        with _lost_process():
            distributed.all_gather(found, tensor.contiguous())
        return found

    def tell(self, sentence: str) -> str:
        data = sentence.encode("utf-8") if self.is_main else b""
        device = torch.device("cuda") if distributed.get_backend() == "nccl" else torch.device("cpu")
        length = torch.tensor([len(data)], device=device)
        self.add(length)
        letters = torch.zeros(int(length), dtype=torch.int64, device=device)
        if self.is_main:
            letters += torch.tensor(list(data), dtype=torch.int64, device=device)
        self.add(letters)
        return bytes(letters.tolist()).decode("utf-8")

    def wait(self) -> None:
        with _lost_process():
            distributed.barrier()


def join(device: str) -> World:
    """The processes that were started with this one.

    :param device: the setting: ``cpu`` meets on the CPU even where there are GPUs
    :raises ConfigError: a GPU by number, which processes that share a machine cannot all have (``JPT-U180``)
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size <= 1:
        return ALONE
    if device.startswith("cuda:"):
        raise ConfigError("U180", device=device, n=size)
    from accelerate import PartialState

    seconds = float(os.environ.get(_TIMEOUT, "1800"))
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    state = PartialState(cpu=on_cpu, timeout=dt.timedelta(seconds=seconds))
    return Several(rank=state.process_index, size=state.num_processes)


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
        raise WorkError("W044", problem=str(error).strip().split("\n")[0]) from error
