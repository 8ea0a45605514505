"""``jptextclf serve``."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk
from jptextclf.cli._options import device_option, quiet_option, run_precision_option
from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import listing, text

_LIMITS = "serve.group_limits"
TOKEN_VARIABLE = "JPTEXTCLF_TOKEN"  # noqa: S105 - the name of a variable


@click.command("serve", cls=Command)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@option("--host", "serve_host", default="127.0.0.1", show_default=True)
@option("--port", "serve_port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@option("--token-file", type=click.Path(path_type=Path, dir_okay=False))
@option("--use", "serve_use")
@option("--watch", "serve_watch", type=click.FloatRange(min=0), default=0.0, show_default=True)
@option("--max-batch", type=click.IntRange(1, 4096), default=128, show_default=True, heading=_LIMITS)
@option("--max-wait-ms", type=click.FloatRange(0, 1000), default=2.0, show_default=True, heading=_LIMITS)
@option("--max-queue", type=click.IntRange(1, 1_000_000), default=2048, show_default=True, heading=_LIMITS)
@option("--max-texts", type=click.IntRange(1, 100_000), default=256, show_default=True, heading=_LIMITS)
@option(
    "--timeout",
    "serve_timeout",
    type=click.FloatRange(0.1, 3600),
    default=30.0,
    show_default=True,
    heading=_LIMITS,
)
@option("--access-log", is_flag=True)
@device_option
@run_precision_option
@quiet_option
def serve(
    *,
    runs: tuple[Path, ...],
    serve_host: str,
    serve_port: int,
    token_file: Path | None,
    serve_use: str | None,
    serve_watch: float,
    max_batch: int,
    max_wait_ms: float,
    max_queue: int,
    max_texts: int,
    serve_timeout: float,
    access_log: bool,
    device: str,
    run_precision: Any,
    quiet: bool,
) -> None:
    for package in ("starlette", "uvicorn", "httptools", "prometheus_client"):
        if importlib.util.find_spec(package) is None:
            raise SetupError("E001", package=package, extra="serve", what="jptextclf serve")
    from jptextclf.server.limits import Limits
    from jptextclf.server.models import Models
    from jptextclf.server.running import bind, checked_token, describe, log_to, read_token, require_safe
    from jptextclf.server.running import serve as run_server

    talk = Talk(quiet=quiet)
    token = None
    if token_file is not None:
        token = read_token(token_file)
    elif TOKEN_VARIABLE in os.environ:
        token = checked_token(os.environ[TOKEN_VARIABLE], TOKEN_VARIABLE)
    require_safe(serve_host, has_token=token is not None)
    limits = replace(
        Limits(), batch_texts=max_batch, wait_ms=max_wait_ms, queued_texts=max_queue, texts=max_texts, answer_seconds=serve_timeout,
    )  # fmt: skip
    if max_texts > max_queue:
        raise ConfigError("U243", texts=max_texts, queue=max_queue)
    # Before the models are read, which takes seconds.
    with bind(serve_host, serve_port) as listening:
        models = Models(runs, use=serve_use, device=device, precision=run_precision)
        models.load()
        log_to(talk.say)
        said = text("serve.ready", models=listing(models.served), url=describe(listening))
        run_server(
            models, limits, listening, token=token, watch=serve_watch, access_log=access_log, on_ready=lambda: click.echo(said, err=True),
        )  # fmt: skip


COMMAND = serve
