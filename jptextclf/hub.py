"""A hub repository at one commit, as a local directory: found, fetched, and every failure said plainly.

It does not know what a model or a data set is made of; the caller says which files it wants. Fetched files lie in
the cache of ``huggingface_hub`` (``HF_HOME``), shared with other programs.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from jptextclf import messages
from jptextclf.atomic import sha256_of
from jptextclf.errors import ConfigError, JptextclfError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from jptextclf.progress import Progress

Kind = Literal["model", "dataset"]
T = TypeVar("T")

PROBE_TIMEOUT = 5.0
"""Seconds for the first answer of the hub; a machine without network learns it this soon."""
ATTEMPTS = 3
"""Of the first question, where the hub is too busy or at fault."""
FIRST_WAIT = 0.5
"""Seconds before the second attempt; doubled before each further one."""
LONGEST_WAIT = 30.0
"""Seconds that the hub's Retry-After is followed for; when it asks for more, that is an error at once."""

_MAY_PASS = {"JPT-E017", "JPT-E018", "JPT-E023", "JPT-E024"}
"""The hub does not answer, or cannot now; what is cached may do instead."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubId:
    """``org/name@revision``.

    :raises ConfigError: a part has a character that no hub id has (``JPT-U071``)
    """

    repo: str
    revision: str | None = None
    """Commit, tag or branch. None: whatever ``main`` points to."""

    def __post_init__(self) -> None:
        valid = _ID.fullmatch(self.repo) and (self.revision is None or _REVISION.fullmatch(self.revision))
        if not valid or ".." in str(self) or "--" in self.repo:
            raise ConfigError("U071", id=self, problem=_odd_character(str(self)))

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a whole commit id, which can never mean something else."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    @classmethod
    def parse(cls, text: str) -> HubId:
        """:raises ConfigError: it is no hub id (``JPT-U071``)"""
        repo, at, revision = text.strip().partition("@")
        return cls(repo, revision if at else None)


@dataclass(frozen=True)
class Snapshot:
    """Files of one repository at one commit."""

    id: HubId
    kind: Kind
    commit: str
    directory: Path
    notes: tuple[str, ...] = ()
    """What a person should know about how the commit was found."""

    @property
    def url(self) -> str:
        """Of the repository, for a person."""
        return _page(self.id, self.kind)


@dataclass(frozen=True)
class _Listing:
    """What the hub says about a repository at a revision."""

    commit: str
    files: dict[str, int]
    """Name -> bytes; 0 where the hub does not say."""
    sha256: dict[str, str]
    """Of the large files."""


def fetch_snapshot(
    hub_id: HubId,
    *,
    kind: Kind,
    patterns: Sequence[str],
    ignore: Sequence[str] = (),
    check: Callable[[Mapping[str, int]], None],
    progress: Progress | None = None,
) -> Snapshot:
    """The wanted files of a repository: from the cache where they are there, else from the hub.

    Without ``@revision``, and for a branch or tag, the hub is asked which commit is meant; where it cannot be
    reached, the commit of the last time is used and a note says so.

    :param patterns: files that are wanted, as in ``fnmatch``
    :param ignore: files that are not, although a pattern matches
    :param check: given all files of the repository with their sizes in bytes (0: unknown) before anything is
        fetched; raises a :class:`JptextclfError` if they will not do
    :raises SetupError: not cached, and offline (``JPT-E017``) or unreachable (``JPT-E018``); not found, private,
        or gated (``JPT-E019`` to ``JPT-E021``); no such revision (``JPT-E022``); too many requests (``JPT-E023``);
        the hub at fault (``JPT-E024``, ``JPT-E026``); a file cut (``JPT-E025``) or not what the hub announced
        (``JPT-E027``); the cache cannot be written (``JPT-E029``)
    """
    wanted = {"allow_patterns": list(patterns), "ignore_patterns": list(ignore)}
    before = _cached(hub_id, kind, wanted, check)
    if before is not None and hub_id.is_pinned:
        return Snapshot(hub_id, kind, before.name, before)
    try:
        listing = _ask(hub_id, kind)
    except SetupError as failure:
        if before is None or failure.code not in _MAY_PASS:
            raise
        note = messages.text("models.note_unreachable", id=hub_id, commit=before.name)
        return Snapshot(hub_id, kind, before.name, before, (note,))
    check(listing.files)
    directory = _download(hub_id, kind, wanted, listing, progress)
    return Snapshot(hub_id, kind, listing.commit, directory, tuple(_notes(hub_id, before, listing.commit)))


def _notes(hub_id: HubId, before: Path | None, commit: str) -> Iterator[str]:
    if before is not None and before.name != commit:
        revision = hub_id.revision or "main"
        yield messages.text(
            "models.note_moved", repo=hub_id.repo, revision=revision, before=before.name, commit=commit
        )
    if hub_id.revision is None:
        yield messages.text("models.note_unpinned", repo=hub_id.repo, commit=commit)


def _cached(
    hub_id: HubId, kind: Kind, wanted: Mapping[str, Any], check: Callable[[Mapping[str, int]], None]
) -> Path | None:
    """The directory of the wanted files in the cache, without asking the hub; None where they are not all there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        directory = Path(
            snapshot_download(
                hub_id.repo, repo_type=kind, revision=hub_id.revision, local_files_only=True, **wanted
            )
        )
        # Another program may have fetched a part of the repository.
        check({path.relative_to(directory).as_posix(): 0 for path in directory.rglob("*")})
    except (LocalEntryNotFoundError, JptextclfError):
        return None
    # A model's own files say what is missing; a part of a data set looks like a whole one.
    return directory if kind == "model" or _is_listed(hub_id, kind, directory.name) else None


def _is_listed(hub_id: HubId, kind: Kind, commit: str) -> bool:
    """Whether the cache knows all files of the commit; then ``snapshot_download`` has found none missing."""
    try:
        from huggingface_hub import get_cached_repo_tree
        from huggingface_hub.errors import CachedRepoTreeNotFoundError
    except ImportError:
        return False  # an older version, which keeps no listings
    try:
        get_cached_repo_tree(hub_id.repo, repo_type=kind, revision=commit)
    except CachedRepoTreeNotFoundError:
        return False
    return True


def _ask(hub_id: HubId, kind: Kind) -> _Listing:
    """What the hub says of the repository, with a short timeout and few attempts."""
    from huggingface_hub import HfApi, constants

    if constants.is_offline_mode():
        raise SetupError("E017", id=hub_id, ways_in=_ways_in(hub_id, kind))
    api = HfApi()
    ask = api.model_info if kind == "model" else api.dataset_info
    info = _patiently(
        lambda: ask(hub_id.repo, revision=hub_id.revision, timeout=PROBE_TIMEOUT, files_metadata=True),
        hub_id,
        kind,
    )
    siblings = info.siblings or []
    return _Listing(
        commit=str(info.sha),
        files={one.rfilename: one.size or 0 for one in siblings},
        sha256={one.rfilename: one.lfs.sha256 for one in siblings if one.lfs is not None},
    )


def _patiently(call: Callable[[], T], hub_id: HubId, kind: Kind) -> T:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _translated(hub_id, kind):
                return call()
        except SetupError as error:
            wait = _wait_asked_for(error.__cause__)
            if wait is None or wait > LONGEST_WAIT or attempt == ATTEMPTS:
                raise
            time.sleep(max(wait, FIRST_WAIT * 2 ** (attempt - 1)))
    raise AssertionError("the last attempt returns or raises")


def _download(
    hub_id: HubId, kind: Kind, wanted: Mapping[str, Any], listing: _Listing, progress: Progress | None
) -> Path:
    from huggingface_hub import snapshot_download

    names = [name for name in listing.files if _matches(name, **wanted)]
    if progress is not None:
        total = sum(listing.files[name] for name in names)
        progress.begin(messages.text("models.phase_fetch", id=hub_id), total or None)
    try:
        with _translated(hub_id, kind):
            directory = Path(
                snapshot_download(
                    hub_id.repo,
                    repo_type=kind,
                    revision=listing.commit,
                    tqdm_class=_bar_class(progress),
                    **wanted,
                )
            )
            _check_hashes(
                hub_id, directory, {name: listing.sha256[name] for name in names if name in listing.sha256}
            )
            _remember(hub_id, directory)
    finally:
        if progress is not None:
            progress.end()
    return directory


def _matches(name: str, *, allow_patterns: Sequence[str], ignore_patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, one) for one in allow_patterns) and not any(
        fnmatchcase(name, one) for one in ignore_patterns
    )


def _check_hashes(hub_id: HubId, directory: Path, expected: Mapping[str, str]) -> None:
    for name, sha256 in expected.items():
        path = directory / name
        found = sha256_of(path)
        if found != sha256:
            # The cache would hand the damaged file out again.
            path.resolve().unlink()
            path.unlink(missing_ok=True)
            raise SetupError("E027", id=hub_id, file=name, found=found, expected=sha256)


def _remember(hub_id: HubId, directory: Path) -> None:
    """Note which commit a branch or tag meant, where the library looks it up when there is no network.

    It does so itself only where it resolves the name, which would ask the hub twice, and the second time without
    a time limit. ``<repository>/snapshots/<commit>`` and ``<repository>/refs/<name>`` are its documented layout.
    """
    if hub_id.is_pinned:
        return
    path = directory.parents[1] / "refs" / (hub_id.revision or "main")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    draft.write_text(directory.name, encoding="ascii")
    draft.replace(path)


def _wait_asked_for(error: BaseException | None) -> float | None:
    """Seconds to wait before another attempt, or None where none will help."""
    status, headers = _answer(error)
    if status != 429 and not (status and status >= 500):
        return None
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.strip().isdigit() else 0.0


def _answer(error: BaseException | None) -> tuple[int, Mapping[str, str]]:
    """Status and headers of the hub's answer behind an error; 0 where there was none."""
    from huggingface_hub.errors import HfHubHTTPError

    for cause in _causes(error):
        if isinstance(cause, HfHubHTTPError) and cause.response is not None:
            return cause.response.status_code, cause.response.headers
    return 0, {}


@contextmanager
def _translated(hub_id: HubId, kind: Kind) -> Iterator[None]:
    """Errors of ``huggingface_hub`` as ours; its own texts may hold addresses and are not shown."""
    from huggingface_hub.utils import logging as hub_logging

    level = hub_logging.get_verbosity()
    # The library's log lines are English and repeat what our errors say.
    hub_logging.set_verbosity(logging.ERROR)
    try:
        yield
    except SetupError:
        raise
    except (OSError, ValueError, _no_answer_error()) as error:
        raise _failure(error, hub_id, kind) from error
    finally:
        hub_logging.set_verbosity(level)


def _no_answer_error() -> type[Exception]:
    """Base of the errors of the HTTP library beneath, whichever the installed version uses."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    return HTTPError


def _failure(error: Exception, hub_id: HubId, kind: Kind) -> SetupError:
    from huggingface_hub.errors import FileMetadataError, LocalEntryNotFoundError

    status, headers = _answer(error)
    if status:
        return _failure_of_status(status, headers, hub_id, kind)
    if _is_cut(error):
        return SetupError("E025", id=hub_id)
    if isinstance(_root(error), FileMetadataError) or isinstance(error, ValueError):
        return SetupError("E026", id=hub_id, endpoint=_endpoint(), status=messages.text("models.no_hub"))
    if isinstance(error, (_no_answer_error(), LocalEntryNotFoundError, ConnectionError, TimeoutError)):
        problem = _kind_of_failure(_root(error))
        return SetupError(
            "E018", id=hub_id, endpoint=_endpoint(), problem=problem, ways_in=_ways_in(hub_id, kind)
        )
    return SetupError("E029", problem=getattr(error, "strerror", None) or type(error).__name__)


def _failure_of_status(status: int, headers: Mapping[str, str], hub_id: HubId, kind: Kind) -> SetupError:
    code = headers.get("X-Error-Code", "")
    where = {"id": hub_id, "endpoint": _endpoint()}
    if code == "GatedRepo":
        return SetupError("E021", **where, url=_page(hub_id, kind))
    if code == "RevisionNotFound":
        return SetupError("E022", repo=hub_id.repo, revision=hub_id.revision or "main", endpoint=_endpoint())
    if code == "RepoNotFound" or (status == 404 and code != "EntryNotFound"):
        return SetupError("E019", **where)
    if status in {401, 403}:
        return SetupError("E020", **where, status=status)
    if status == 429 or status >= 500:
        asked = headers.get("Retry-After", "")
        wait = messages.text("models.wait", seconds=asked) if asked.strip().isdigit() else ""
        return SetupError("E023" if status == 429 else "E024", **where, status=status, wait=wait)
    return SetupError("E026", **where, status=status)


def _is_cut(error: BaseException) -> bool:
    """Whether a file arrived only in part."""
    return any(
        type(cause).__name__ in {"RemoteProtocolError", "ReadError"} or "Consistency check" in str(cause)
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what is behind it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _root(error: BaseException) -> BaseException:
    return list(_causes(error))[-1]


def _kind_of_failure(error: BaseException) -> str:
    """Without addresses: ``ConnectionRefusedError: Connection refused``, ``ReadTimeout``."""
    said = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _ways_in(hub_id: HubId, kind: Kind) -> str:
    return messages.text(f"models.ways_in_{kind}", id=hub_id)


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _page(hub_id: HubId, kind: Kind) -> str:
    return f"{_endpoint()}/{'datasets/' if kind == 'dataset' else ''}{hub_id.repo}"


def _odd_character(text: str) -> str:
    """The first character that no hub id has, with its code point, since the eye may not see it."""
    odd = next((char for char in text if not re.fullmatch(r"[A-Za-z0-9._/@-]", char)), None)
    if odd is None:
        return messages.text("models.id_form")
    return messages.text("models.id_character", char=odd, code=f"U+{ord(odd):04X}")


def _bar_class(progress: Progress | None) -> type[Any]:
    """A silent stand-in for the library's bars that passes the bytes on."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    lock = threading.Lock()
    counts: dict[int, float] = {}
    told = 0

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            self._counts_bytes = options.get("unit") == "B"
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            # The library counts what it receives and what it writes in two bars: the larger count is the progress.
            nonlocal told
            if progress is None or not self._counts_bytes:
                return
            with lock:
                counts[id(self)] = counts.get(id(self), 0) + (n or 0)
                done = int(max(counts.values()))
                if done > told:
                    progress.advance(done - told)
                    told = done

    return Bar
