"""The command line: parse, one call of the API, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from jptextclf import __version__
from jptextclf.cli._command import Group, Option, Terminated

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
    # A terminal or pipe that cannot show a character shows "?" instead of ending the program.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, _terminated)
    # libgomp's threads spin while they wait; on a machine that does anything else beside, a training step
    # then takes four times as long. Short spinning costs nothing measurable on an idle machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    cli.main(prog_name="jptextclf")


def _terminated(number: int, frame: FrameType | None) -> None:
    # Nothing is printed here: a signal may arrive in the middle of a print.
    del number, frame
    raise Terminated
