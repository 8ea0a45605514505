"""The processes that train one model together. It does not know what they compute.

Started by ``torchrun`` or ``accelerate launch`` there are several, each with its rank; else one alone. A step of
several is the step of one: they share the texts of each batch, and add up what they found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class World:
    """One process alone; what the others share with it is nothing."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def share(self, costs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which of some texts this process computes; every text has exactly one process.

        :param costs: of each text.  *Shape:* ``(texts,)``
        :returns: positions in ``costs``, ascending
        """
        return np.arange(len(costs), dtype=np.int64)

    def add(self, *tensors: Tensor) -> None:
        """Replace each tensor by its sum over all processes."""

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over all processes; one that nobody has stays None."""

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, by rank; all of one shape."""
        return [tensor]

    def wait(self) -> None:
        """Go on when all processes are here."""


ALONE = World()
