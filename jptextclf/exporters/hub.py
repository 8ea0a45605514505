"""Push: an export for ``publish-on-hub``, made by the gate in a temporary directory and sent in one commit.

It knows no token: ``huggingface_hub`` finds the login itself, and nothing that it says is passed on.
"""

from __future__ import annotations

import logging
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jptextclf.errors import ConfigError, JptextclfError, SetupError
from jptextclf.exporters.gate import Export, export
from jptextclf.hub import HubId
from jptextclf.messages import text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from jptextclf.exporters.judging import Policy
    from jptextclf.progress import Progress

USE = "publish-on-hub"


@dataclass(frozen=True)
class Push:
    """What was published."""

    repo: str
    url: str
    commit: str
    export: Export
    """As it was staged; its directory is gone."""

    def to_json(self) -> dict[str, Any]:
        staged = {key: value for key, value in self.export.to_json().items() if key != "path"}
        return {**staged, "repo": self.repo, "url": self.url, "commit": self.commit}


def push(
    run: str | os.PathLike[str],
    repo: str,
    *,
    use: str | None = None,
    private: bool = False,
    output_license: str | None = None,
    policy: Policy | None = None,
    license_files: Mapping[str, str | os.PathLike[str]] | None = None,
    copyright: str | None = None,  # noqa: A002 - the option's name
    progress: Progress | None = None,
) -> Push:
    """Publish a run: export it for ``publish-on-hub``, and send the export in one commit.

    Afterwards the repository holds the files of the export and no others; earlier ones stay in its history.

    :param repo: ``org/name``; it is made where it does not exist
    :param use: ``publish-on-hub``; anything else is refused
    :param private: make a new repository private. It is judged as published all the same
    :raises ConfigError: another use (``JPT-U156``), no hub id (``JPT-U071``), or as :func:`export`
    :raises LicenseError: as :func:`export`
    :raises SetupError: the hub refuses, fails or cannot be reached, and no commit was made (``JPT-E085`` to
        ``JPT-E089``), or nobody knows whether it was (``JPT-E097``)
    """
    if use != USE:
        raise ConfigError("U156", use=use) if use else ConfigError("U150", known=USE)
    target = HubId(repo)
    with tempfile.TemporaryDirectory(prefix="jptextclf-") as directory:
        staged = export(
            run, Path(directory) / target.repo.rpartition("/")[2], use=use, output_license=output_license, policy=policy,
            license_files=license_files, copyright=copyright, name=target.repo.rpartition("/")[2],
        )  # fmt: skip
        if progress is not None:
            progress.say(text("push.phase", repo=repo))
        url, commit = _sent(staged.path, repo, private=private)
    return Push(repo, url, commit, staged)


def _send(directory: Path, repo: str, *, private: bool, steps: list[str]) -> tuple[str, str]:
    """Send a directory in one commit; address of the repository and the commit.

    ``upload_folder`` may make several, and then the weights can be there without their licence.

    :param steps: gets ``create``, ``prepare`` and ``commit``, each when it begins
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants

    if constants.is_offline_mode():
        raise SetupError("E089", repo=repo)
    api = HfApi()
    steps.append("create")
    url = api.create_repo(repo, private=private or None, exist_ok=True)
    steps.append("prepare")
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    added = {path.relative_to(directory).as_posix(): path for path in files}
    stale = {*api.list_repo_files(repo)} - {*added, ".gitattributes"}
    operations: list[Any] = [CommitOperationAdd(name, path) for name, path in added.items()]
    operations += [CommitOperationDelete(name) for name in sorted(stale)]
    message = text("push.commit", name=directory.name)
    steps.append("commit")
    info = api.create_commit(repo, operations, commit_message=message)
    return str(url), str(info.oid)


def _sent(directory: Path, repo: str, *, private: bool) -> tuple[str, str]:
    """As :func:`_send`; errors of the library become ours, which carry nothing of it: it may quote a header."""
    steps: list[str] = []
    try:
        with _quiet():
            return _send(directory, repo, private=private, steps=steps)
    except JptextclfError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library raises may hold the token
        failure = _failure(error, repo, steps[-1] if steps else "")
    # Outside the handler, so that the library's error is not behind this one in a traceback.
    raise failure


@contextmanager
def _quiet() -> Iterator[None]:
    """No log lines and no bars of ``huggingface_hub``; ours say what happens."""
    from huggingface_hub.utils import logging as hub_logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    level, had_bars = hub_logging.get_verbosity(), not are_progress_bars_disabled()
    hub_logging.set_verbosity(logging.CRITICAL)
    disable_progress_bars()
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)
        if had_bars:
            enable_progress_bars()


@dataclass(frozen=True)
class _Fault:
    """What is known of one failed request, without anything that it carried."""

    name: str
    """Of the library's error."""
    status: int
    """Of the answer; 0: there was none."""
    path: str
    """Of the address that was asked; empty where no request is known."""

    @property
    def never_left(self) -> bool:
        """Whether no connection came about, so that nothing was asked."""
        return not self.status and ("Connect" in self.name or "Proxy" in self.name)

    @property
    def is_of_network(self) -> bool:
        return self.never_left or bool(re.search("Timeout|Protocol|Read|Write|Network|Connection", self.name))


def _fault(error: BaseException) -> _Fault:
    """The failed request behind an error, or the error at the root of it."""
    found: BaseException | None = error
    root = error
    while found is not None:
        root = found
        response = getattr(found, "response", None)
        # Its request is a property that raises where there is none.
        request = getattr(response, "request", None) or vars(found).get("_request")
        path = urlsplit(str(getattr(request, "url", ""))).path
        fault = _Fault(type(found).__name__, int(getattr(response, "status_code", 0)), path)
        if fault.status or fault.path or isinstance(found, (ConnectionError, TimeoutError)):
            return fault
        found = found.__cause__ or found.__context__
    return _Fault(type(root).__name__, 0, "")


def _failure(error: BaseException, repo: str, step: str) -> SetupError:
    """Our error for one of the library: what failed, and what is known of the repository after it.

    :param step: that was going on: ``create``, ``prepare`` or ``commit``
    """
    from huggingface_hub import constants

    fault, endpoint = _fault(error), str(constants.ENDPOINT)
    problem = str(fault.status or fault.name)
    asked_to_commit = step == "commit" and ("/commit/" in fault.path or not fault.path)
    if asked_to_commit and not fault.never_left and not 400 <= fault.status < 500:
        return SetupError("E097", repo=repo, endpoint=endpoint, problem=problem)
    state = text(f"push.{_state(fault, step)}", repo=repo)
    if fault.status in {401, 403, 404}:
        return SetupError("E085", repo=repo, endpoint=endpoint, status=fault.status, state=state)
    if fault.status:
        return SetupError("E087", repo=repo, endpoint=endpoint, status=fault.status, state=state)
    if fault.is_of_network:
        return SetupError("E086", repo=repo, endpoint=endpoint, problem=problem, state=state)
    return SetupError("E088", repo=repo, problem=problem, state=state)


def _state(fault: _Fault, step: str) -> str:
    """Key of the sentence about the repository where no commit was made."""
    if step in {"prepare", "commit"}:
        return "no_commit"
    is_refused = 400 <= fault.status < 500
    # Without a request nothing was asked: the token was no header, or no address could be made.
    return "nothing_sent" if is_refused or fault.never_left or not fault.path else "perhaps_made"
