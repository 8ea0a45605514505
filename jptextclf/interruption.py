"""SIGINT and SIGTERM as a request to stop soon. It does not know what is to be finished first."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopRequest:
    """Whether somebody asked to stop, and how."""

    number: int | None = None
    """Of the signal."""
    asked_at: float = 0.0
    """By the monotonic clock, in seconds."""

    def ask(self, number: int) -> None:
        """Note the first request; later ones change nothing."""
        if self.number is None:
            self.number, self.asked_at = number, time.monotonic()

    def __bool__(self) -> bool:
        return self.number is not None


@contextmanager
def stop_requests(*, repeats_within: float = 0.0) -> Iterator[StopRequest]:
    """Within the block the first signal is only noted; a second one does at once what it would have done outside.

    After the block a signal that was noted takes its usual course: an exception, or the end of the process. Outside
    the main thread, where Python handles no signals, nothing is noted.

    :param repeats_within: seconds after the first signal in which another one is taken for the same
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if not request or time.monotonic() - request.asked_at < repeats_within:
            request.ask(number)
            return
        _restore(before)
        signal.raise_signal(number)

    for number in _SIGNALS:
        # What a parent told to be ignored stays so; None is a handler that Python did not set.
        if signal.getsignal(number) not in {signal.SIG_IGN, None}:
            before[number] = signal.signal(number, note)
    try:
        yield request
    finally:
        _restore(before)
    if request.number is not None:
        signal.raise_signal(request.number)


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
