"""One file from an address to a path: streamed, bounded, complete or not at all.

It does not know what the file is for.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from jptextclf import __version__, messages
from jptextclf.errors import ConfigError, SetupError
from jptextclf.progress import Logged, phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jptextclf.progress import Progress

MAX_BYTES = 2 << 30
"""A larger file is not taken."""
ATTEMPTS = 3
FIRST_WAIT = 0.5
"""Seconds before the second attempt; doubled before each further one."""
TIMEOUT = 20.0
"""Seconds without an answer or a byte."""
LONGEST_WAIT = 30.0
"""Seconds that a server's Retry-After is followed for; one that asks for more is an error at once."""
_CHUNK = 1 << 18
_NOT_HTTP = re.compile(r"(?!https?://)[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(source: str) -> bool:
    """Whether it is an address and not a path of this machine.

    :raises ConfigError: an address of a kind that is not fetched from (``JPT-U064``)
    """
    if source.startswith("file://"):
        return False
    if _NOT_HTTP.match(source):
        raise ConfigError("U064", source=shown(source))
    return source.startswith(("http://", "https://"))


def local_path(source: str) -> Path:
    """The path that a local source names; ``file://`` addresses too."""
    if source.startswith("file://"):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(source).path))
    # pathlib's expanduser() raises for a user that is not there.
    return Path(os.path.expanduser(source))  # noqa: PTH111


def shown(url: str) -> str:
    """An address as it may be printed and stored: without user, password, query and fragment."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def copy_file(path: Path, target: Path) -> None:
    """A local file to ``target``.

    :raises SetupError: it is not there, is no file, cannot be read (``JPT-E055``), or is too large (``JPT-E054``)
    """
    try:
        size = path.stat().st_size
        file = path.open("rb")
    except OSError as error:
        raise SetupError("E055", path=path, problem=error.strerror or str(error)) from error
    with file:
        if size > MAX_BYTES:
            raise SetupError("E054", source=path, limit=_megabytes(MAX_BYTES))
        with target.open("wb") as out:
            shutil.copyfileobj(file, out, _CHUNK)


def download(url: str, target: Path, *, progress: Progress | None = None) -> None:
    """What an http or https address gives, to ``target``.

    Failures that may pass (no connection, 429, 5xx, a cut connection) are tried again, :data:`ATTEMPTS` times in
    all. Proxies and certificates are those of the environment.

    :raises SetupError: unreachable (``JPT-E051``), refused by the server (``JPT-E052``), cut (``JPT-E053``),
        too large (``JPT-E054``), or a web page instead of data (``JPT-E056``)
    :raises OSError: ``target`` cannot be written
    """
    show = progress or Logged()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _download_once(url, target, show)
            return
        except _PassingError as failure:
            if attempt == ATTEMPTS or failure.wait > LONGEST_WAIT:
                raise failure.error from failure
            time.sleep(max(failure.wait, FIRST_WAIT * 2 ** (attempt - 1)))


class _PassingError(Exception):
    """A failure that another attempt may not meet, with the seconds that the server asks to wait."""

    def __init__(self, error: SetupError, wait: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to something else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https://") and not newurl.startswith("https://"):
            raise urllib.error.URLError(messages.text("corpora.insecure_redirect", url=shown(newurl)))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    # build_opener() would add file, ftp and data addresses, to which a server could then redirect.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", f"jptextclf/{__version__}")]
    return opener


def _download_once(url: str, target: Path, progress: Progress) -> None:
    with _open(url) as response:
        content_type = response.headers.get_content_type()
        if content_type in {"text/html", "application/xhtml+xml"}:
            raise SetupError("E056", source=shown(url), found=content_type)
        announced = response.headers.get("Content-Length", "")
        expected = int(announced) if announced.isdigit() else None
        if expected is not None and expected > MAX_BYTES:
            raise SetupError("E054", source=shown(url), limit=_megabytes(MAX_BYTES))
        with phase(progress, messages.text("corpora.phase_fetch"), expected), target.open("wb") as file:
            for chunk in _chunks(response, url, expected):
                file.write(chunk)
                progress.advance(len(chunk))


def _open(url: str) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = _opener().open(url, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            failure = SetupError("E052", source=shown(url), status=error.code, reason=_reason(error.code))
            if error.code == 429 or error.code >= 500:
                raise _PassingError(failure, _retry_after(error.headers.get("Retry-After"))) from error
            raise failure from error
    except (OSError, http.client.HTTPException) as error:
        problem = str(getattr(error, "reason", "") or error or type(error).__name__)
        raise _PassingError(SetupError("E051", source=shown(url), problem=problem)) from error
    return response


def _chunks(response: http.client.HTTPResponse, url: str, expected: int | None) -> Iterator[bytes]:
    """What arrives, apart from what becomes of it: a full disk is no fault of the connection."""

    def cut() -> _PassingError:
        return _PassingError(
            SetupError(
                "E053", source=shown(url), received=received, expected="?" if expected is None else expected
            )
        )

    received = 0
    while True:
        try:
            chunk = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise cut() from error
        if not chunk:
            break
        received += len(chunk)
        if received > MAX_BYTES:
            raise SetupError("E054", source=shown(url), limit=_megabytes(MAX_BYTES))
        yield chunk
    if expected is not None and received != expected:
        raise cut()


def _reason(status: int) -> str:
    key = f"corpora.status_{status}" if status < 500 else "corpora.status_5xx"
    return messages.text(key) if messages.has(key) else http.client.responses.get(status, "")


def _retry_after(value: str | None) -> float:
    """Seconds that a Retry-After header asks for; a date is counted from now."""
    if not value:
        return 0.0
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
