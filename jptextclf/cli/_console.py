"""What the command line shows: talk and progress on stderr, data on stdout."""

from __future__ import annotations

import json
import sys
import time
from typing import IO, TYPE_CHECKING, Any

import click

from jptextclf.messages import text
from jptextclf.pages.visible import visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


def console(stream: IO[str] | None = None) -> Console:
    """A console that knows East Asian widths and honours ``NO_COLOR``; plain where the stream is no terminal."""
    from rich.console import Console

    return Console(file=stream or sys.stdout, highlight=False, soft_wrap=False, emoji=False, markup=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int = 1) -> None:
    """A table on stdout; columns from ``numbers_from`` on are right-aligned."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(
            visible(name), justify="right" if number >= numbers_from else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*map(visible, row))
    console().print(table)


def print_json(data: dict[str, Any]) -> None:
    """One JSON object on stdout, UTF-8 whatever the locale."""
    sys.stdout.buffer.write(
        (json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode("utf-8", "replace")
    )
    sys.stdout.buffer.flush()


def echo(sentence: str) -> None:
    """Lines on stdout that may hold words of the data: they do nothing to a terminal."""
    click.echo(visible_lines(sentence))


def say(sentence: str) -> None:
    """A remark on stderr."""
    click.echo(visible_lines(sentence), err=True)


class Talk:
    """Progress on stderr: a bar with the time left on a terminal, else a line every ten seconds.

    :param quiet: show warnings only
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._phase = ""
        self._done = 0
        self._total: int | None = None
        self._started = self._shown = 0.0

    def begin(self, phase: str, total: int | None) -> None:
        self._phase, self._done, self._total = phase, 0, total
        self._started = self._shown = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"), console=console(sys.stderr), transient=True,
            )  # fmt: skip
            self._bar.start()
            self._task = self._bar.add_task(phase, total=total, note="")

    def advance(self, n: int, note: str = "") -> None:
        self._done += n
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=n, note=note)
        elif not self.quiet and (now := time.monotonic()) - self._shown >= 10:
            self._shown = now
            if self._total is None:
                say(text("cli.counted", phase=self._phase, done=self._done, note=note))
                return
            left = (now - self._started) / max(self._done, 1) * (self._total - self._done)
            say(
                text(
                    "cli.progress", phase=self._phase, done=self._done, total=self._total, left=f"{left:.0f}", note=note
                )
            )  # fmt: skip

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def say(self, sentence: str) -> None:
        if not self.quiet:
            self._print(sentence)

    def warn(self, sentence: str) -> None:
        self._print(text("cli.warning", sentence=sentence))

    def _print(self, sentence: str) -> None:
        if self._bar is not None:
            self._bar.console.print(visible_lines(sentence), soft_wrap=True)
        else:
            say(sentence)
