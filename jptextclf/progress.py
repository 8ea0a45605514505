"""What long work says while it runs. It does not know where that is shown."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told about phases, advances and remarks; the command line draws them, the default keeps silent."""

    def begin(self, phase: str, total: int) -> None:
        """A phase of ``total`` units starts."""

    def advance(self, n: int, note: str = "") -> None:
        """``n`` more units are done; ``note`` replaces what stands beside the bar."""

    def end(self) -> None:
        """The phase is over."""

    def say(self, sentence: str) -> None:
        """A remark."""

    def warn(self, sentence: str) -> None:
        """A remark that a person should not miss."""


class Silent:
    """Shows nothing, keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def begin(self, phase: str, total: int) -> None:
        pass

    def advance(self, n: int, note: str = "") -> None:
        pass

    def end(self) -> None:
        pass

    def say(self, sentence: str) -> None:
        pass

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)
