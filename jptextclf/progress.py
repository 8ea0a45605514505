"""What long work says while it runs. It does not know where that is shown."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGER = logging.getLogger("jptextclf")


class Progress(Protocol):
    """Told about phases, advances and remarks; the command line draws them, the default logs them."""

    def begin(self, phase: str, total: int | None) -> None:
        """A phase of ``total`` units starts; None where their number is not known."""

    def advance(self, n: int, note: str = "") -> None:
        """``n`` more units are done; ``note`` replaces what stands beside the bar."""

    def end(self) -> None:
        """The phase is over, done or not."""

    def say(self, sentence: str) -> None:
        """A remark."""

    def warn(self, sentence: str) -> None:
        """A remark that a person should not miss."""


class Logged:
    """Remarks go to the logger ``jptextclf``, warnings as warnings; bars are not drawn."""

    def begin(self, phase: str, total: int | None) -> None:
        pass

    def advance(self, n: int, note: str = "") -> None:
        pass

    def end(self) -> None:
        pass

    def say(self, sentence: str) -> None:
        _LOGGER.info("%s", sentence)

    def warn(self, sentence: str) -> None:
        _LOGGER.warning("%s", sentence)


class Silent(Logged):
    """Says nothing: for a process beside the one that speaks."""

    def say(self, sentence: str) -> None:
        pass

    def warn(self, sentence: str) -> None:
        pass


@contextmanager
def phase(progress: Progress, name: str, total: int | None) -> Iterator[None]:
    """A phase that ends however the block ends."""
    progress.begin(name, total)
    try:
        yield
    finally:
        progress.end()
