"""Sockets, signals, slow senders and the watch over bundles: a service as a process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import text
from jptextclf.server.app import Service, make_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from jptextclf.server.limits import Limits
    from jptextclf.server.models import Models

log = logging.getLogger("jptextclf.server")
_SHORTEST_TOKEN = 16
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


def read_token(file: Path) -> str:
    """The token that a file holds: its first line.

    :raises ConfigError: it cannot be read (``JPT-U241``), or is shorter than 16 characters (``JPT-U242``)
    """
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("U241", path=file, problem=str(error)) from error
    return checked_token(token, str(file))


def checked_token(token: str, source: str) -> str:
    """A token that a header can hold and nobody guesses.

    :raises ConfigError: it is not (``JPT-U242``)
    """
    found = token.strip()
    if len(found) < _SHORTEST_TOKEN or not found.isprintable() or not found.isascii() or " " in found:
        raise ConfigError("U242", path=source, least=_SHORTEST_TOKEN)
    return found


def require_safe(host: str, *, has_token: bool) -> None:
    """That nobody on the network is answered without a token.

    :raises ConfigError: they would be (``JPT-U240``)
    """
    if has_token or host == "localhost":
        return
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    raise ConfigError("U240", host=host)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens.

    :param port: 0 for any free one
    :raises SetupError: it is in use, or cannot be bound (``JPT-E099``)
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SetupError("E099", host=host, port=port, problem=str(error)) from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(2048)
    except (OSError, OverflowError) as error:
        found.close()
        problem = text("serve.in_use") if getattr(error, "errno", 0) == errno.EADDRINUSE else str(error)
        raise SetupError("E099", host=host, port=port, problem=problem) from error
    found.setblocking(False)
    return found


def serve(
    models: Models,
    limits: Limits,
    listening: socket.socket,
    *,
    token: str | None = None,
    watch: float = 0.0,
    access_log: bool = False,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until SIGTERM or Ctrl-C.

    :param models: which are read already
    :param watch: seconds between two looks at the bundles on the disk; 0: only SIGHUP makes it look
    :param on_ready: called when requests are answered
    """
    service = Service(models, limits, token=token)

    async def started() -> None:
        server.watch_bundles(service, watch)
        on_ready()

    config = uvicorn.Config(
        make_app(service, on_start=started), http=_protocol(limits), ws="none", lifespan="on", log_config=None,
        access_log=access_log, server_header=False, date_header=False, proxy_headers=False,
        timeout_keep_alive=round(limits.idle_seconds), timeout_graceful_shutdown=round(limits.grace_seconds), backlog=2048,
    )  # fmt: skip
    server = _Server(config, service)
    server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that says that it is about to end before it does."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._tasks: set[asyncio.Task[None]] = set()
        self._again = asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends taking requests after a moment, the second one at once."""
        if self._service.is_draining:
            self.force_exit = True
            super().handle_exit(sig, frame)
            return
        self._service.is_draining = True
        log.info(text("serve.draining"))
        # A signal handler of Python runs in the main thread, between two steps of the loop.
        asyncio.get_event_loop().call_later(self._service.limits.drain_seconds, self._end)

    def _end(self) -> None:
        self.should_exit = True

    def watch_bundles(self, service: Service, seconds: float) -> None:
        """Look for new bundles every some seconds, and at SIGHUP."""
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._again.set)
        task = asyncio.create_task(self._watch(service, seconds))
        self._tasks.add(task)

    async def _watch(self, service: Service, seconds: float) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), seconds or None)
                service.models.try_again()
            self._again.clear()
            await reload(service)


async def reload(service: Service) -> None:
    """Let new bundles answer; they are read beside the loop, which answers meanwhile."""
    loop = asyncio.get_running_loop()
    for path in await loop.run_in_executor(None, service.models.changed):
        replaced = await loop.run_in_executor(None, service.models.replace, path)
        service.metrics.reloads.labels("replaced" if replaced else "kept").inc()
        service.publish()


def _protocol(limits: Limits) -> type[HttpToolsProtocol]:
    """Uvicorn's HTTP with an end for those who send slowly, or too many headers."""

    class Timed(HttpToolsProtocol):
        """One connection."""

        _timer: asyncio.TimerHandle | None = None
        _header_bytes = 0
        _in_headers = False
        _is_refused = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._start(limits.idle_seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not self._in_headers and (self.cycle is None or self.cycle.response_complete):
                # The first bytes of a request: from here on it is timed.
                self._in_headers = True
                self._start(limits.header_seconds)
                data = _without_upgrade(data)
            try:
                super().data_received(data)
            except (UnicodeDecodeError, ValueError):
                # A path that is no ASCII, or no path.
                self.send_400_response("Invalid HTTP request received.")
                return

        def on_message_begin(self) -> None:
            self._header_bytes = 0
            super().on_message_begin()

        def on_url(self, url: bytes) -> None:
            super().on_url(url)
            self._count(len(url))

        def on_header(self, name: bytes, value: bytes) -> None:
            super().on_header(name, value)
            self._count(len(name) + len(value))

        def _count(self, n_bytes: int) -> None:
            self._header_bytes += n_bytes
            if self._header_bytes > limits.header_bytes:
                self._is_refused = True
                self._refuse(b"431 Request Header Fields Too Large")

        def on_body(self, body: bytes) -> None:
            if not self._is_refused:
                super().on_body(body)

        def on_headers_complete(self) -> None:
            if self._is_refused:
                return
            self._in_headers = False
            self._start(limits.body_seconds)
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._stop()
            if not self._is_refused:
                super().on_message_complete()

        def on_response_complete(self) -> None:
            self._in_headers = False
            super().on_response_complete()

        def _start(self, seconds: float) -> None:
            self._stop()
            self._timer = self.loop.call_later(seconds, self._too_slow)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _too_slow(self) -> None:
            self._refuse(b"408 Request Timeout" if self._in_headers or self.cycle is not None else b"")

        def _refuse(self, status: bytes) -> None:
            if self.transport.is_closing():
                return
            answered = (
                self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
            )
            if status and not answered:
                self.transport.write(
                    b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                )
            self.transport.close()

    return Timed


def _without_upgrade(data: bytes) -> bytes:
    """The beginning of a request without its wish for another protocol, after which no body would be read.

    Clients of HTTP/2 send it with their first request, and are content with HTTP/1.1.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head) + end + rest if end else data


def describe(listening: socket.socket) -> str:
    """``http://127.0.0.1:8000``"""
    host, port, *_ = listening.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def log_to(write: Callable[[str], Any]) -> None:
    """Send the log of the server to a function; texts are never in it."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            write(record.getMessage())

    for name in ("jptextclf.server", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [Handler()], False
        logger.setLevel(logging.WARNING if name == "uvicorn.error" else logging.INFO)
