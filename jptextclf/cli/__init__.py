"""The command line: parse, one call of the API, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from jptextclf import __version__, launched
from jptextclf.cli._command import Group, Option, Terminated
from jptextclf.cli._streams import prepare_streams

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["cli", "main"]


@click.group(
    "cli",
    cls=Group,
    package="jptextclf.cli.commands",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", prog_name="jptextclf", cls=Option)
def cli() -> None:
    pass


def main() -> NoReturn:
    """Entry point of ``jptextclf`` and of ``python -m jptextclf``."""
    _open_missing_streams()
    prepare_streams()
    signal.signal(signal.SIGTERM, _terminated)
    # libgomp's threads spin while they wait; on a machine that does anything else beside, a training step
    # then takes four times as long. Short spinning costs nothing measurable on an idle machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        cli.main(prog_name="jptextclf")
    finally:
        # Nothing is left to save: a signal while the interpreter ends must not break into its last callbacks.
        signal.signal(signal.SIGTERM, _after_the_first())


def _open_missing_streams() -> None:
    """A stream that was closed before the start (``>&-``) becomes one that leads nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - lives as long as we


def _terminated(number: int, frame: FrameType | None) -> None:
    # Nothing is printed here: a signal may arrive in the middle of a print.
    del frame
    signal.signal(number, _after_the_first())
    raise Terminated


def _after_the_first() -> signal.Handlers:
    """A second SIGTERM acts at once; but a launcher sends one to all of its processes as soon as one has ended."""
    return signal.SIG_IGN if launched.size() > 1 else signal.SIG_DFL
