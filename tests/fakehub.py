"""A small real HTTP server on loopback: the endpoints of the hub that the libraries use, plain files, and faults.

It keeps no state on disk. Every request is logged, so that a test can say what was asked for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Fault:
    """What goes wrong with requests whose ``METHOD /path`` matches the pattern."""

    pattern: re.Pattern[str]
    status: int = 0
    """Answer with this status; 0: answer as usual."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """Send this many bytes of the body, announce all of it, and close."""
    delay: float = 0.0
    times: int = 10**9
    """So many requests meet the fault; the next ones do not."""


@dataclass
class Repo:
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)


class FakeHub:
    """``with FakeHub.serve() as hub:``; point ``HF_ENDPOINT`` to ``hub.url``."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.plain: dict[str, tuple[bytes, str]] = {}
        self.redirects: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.large: dict[str, bytes] = {}
        self.visibility: dict[str, str] = {}
        self.pushed: list[str] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @classmethod
    @contextmanager
    def serve(cls) -> Iterator[FakeHub]:
        hub = cls()
        thread = threading.Thread(
            target=hub.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield hub
        finally:
            hub.server.shutdown()
            hub.server.server_close()
            thread.join()

    def commit(
        self, repo_id: str, files: dict[str, bytes], *, kind: str = "models", ref: str = "main"
    ) -> str:
        """A new commit with these files, to which ``ref`` moves."""
        repo = self.repos.setdefault((kind, repo_id), Repo())
        text = json.dumps([repo_id, {name: _sha256(data) for name, data in files.items()}], sort_keys=True)
        commit = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        repo.commits[commit] = dict(files)
        repo.refs[ref] = commit
        return commit

    def file(self, path: str, data: bytes, content_type: str = "application/octet-stream") -> str:
        """A plain file; returns its address."""
        self.plain[path] = (data, content_type)
        return self.url + path

    def fail(self, pattern: str, status: int = 0, **details: Any) -> Fault:
        self.faults.append(Fault(re.compile(pattern), status, **details))
        return self.faults[-1]

    def use(self, monkeypatch: Any, cache: Path) -> None:
        """Point ``huggingface_hub`` in this process here, with an empty cache and no token."""
        from huggingface_hub import close_session, constants

        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        template = self.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        close_session()

    def asked(self, pattern: str) -> int:
        """How many requests matched."""
        return sum(1 for method, path in self.requests if re.search(pattern, f"{method} {path}"))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_lfs(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".parquet"))


_API = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<id>[^/]+/[^/]+)(?:/(?P<what>revision|tree)/(?P<rev>[^/?]+))?"
)
_RESOLVE = re.compile(r"/(?:(?P<kind>datasets)/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<path>.+)")


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    body: bytes
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        # Read before anything is answered: what is left in the connection would be taken for the next request.
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append((self.command, path))
        self.hub.tokens.append(self.headers.get("Authorization", ""))
        fault = self.fault_of(path)
        if fault and fault.delay:
            time.sleep(fault.delay)
        if fault and fault.status:
            self.send(fault.status, fault.body, {"X-Error-Message": "asked for by the test", **fault.headers})
        elif path in self.hub.redirects:
            self.send(302, b"", {"Location": self.hub.redirects[path]})
        elif path in self.hub.plain:
            data, content_type = self.hub.plain[path]
            self.send(200, data, {"Content-Type": content_type}, fault)
        elif self.command in {"POST", "PUT"}:
            self.answer_upload(path)
        elif found := _API.fullmatch(path):
            self.answer_api(found)
        elif found := _RESOLVE.fullmatch(path):
            self.answer_file(found, fault)
        else:
            self.send(404, b"", {})

    def fault_of(self, path: str) -> Fault | None:
        for fault in self.hub.faults:
            if fault.times > 0 and fault.pattern.search(f"{self.command} {path}"):
                fault.times -= 1
                return fault
        return None

    def find(self, found: re.Match[str]) -> tuple[Repo, str] | None:
        """The repository and the commit that a path names; else it has been answered."""
        repo = self.hub.repos.get((found["kind"] or "models", found["id"]))
        if repo is None:
            # What the real hub says to somebody who is not logged in.
            self.send(401, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return None
        revision = found["rev"] or "main"
        commit = repo.refs.get(revision, revision)
        if commit not in repo.commits:
            self.send(404, b"", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
            return None
        return repo, commit

    def answer_api(self, found: re.Match[str]) -> None:
        if (place := self.find(found)) is None:
            return
        files = place[0].commits[place[1]]
        if found["what"] == "tree":
            entries = [
                {"type": "file", "path": name, **_entry(name, data)} for name, data in sorted(files.items())
            ]
            self.send_json(entries)
            return
        siblings = [
            {"rfilename": name, "blobId": entry.pop("oid"), **entry}
            for name, data in sorted(files.items())
            for entry in [_entry(name, data)]
        ]
        info = {
            "_id": "0",
            "id": found["id"],
            "sha": place[1],
            "siblings": siblings,
            "tags": [],
            "private": False,
        }
        self.send_json({**info, "gated": False, "disabled": False, "downloads": 0, "likes": 0})

    def answer_upload(self, path: str) -> None:
        """What creating a repository and committing to it ask for, with large files sent to an address of our own."""
        if path == "/api/repos/create":
            asked = json.loads(self.body)
            repo_id = f"{asked['organization']}/{asked['name']}"
            self.hub.visibility[repo_id] = asked.get("visibility", "public")
            if ("models", repo_id) not in self.hub.repos:
                self.hub.commit(repo_id, {".gitattributes": b"*.safetensors filter=lfs"})
            self.send_json({"url": f"{self.hub.url}/{repo_id}"})
        elif path == "/api/validate-yaml":
            self.send_json({"errors": [], "warnings": []})
        elif path.startswith("/lfs-store/"):
            self.hub.large[path.rpartition("/")[2]] = self.body
            self.send(200, b"", {})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.hub.url}/lfs-store/{one['oid']}"}}}
                for one in json.loads(self.body)["objects"]
            ]
            self.send_json({"transfer": "basic", "objects": objects})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            files = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if _is_lfs(one["path"]) else "regular",
                    "shouldIgnore": False,
                }
                for one in json.loads(self.body)["files"]
            ]
            self.send_json({"files": files})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            self.answer_commit(found[1])
        else:
            self.send(404, b"", {})

    def answer_commit(self, repo_id: str) -> None:
        repo = self.hub.repos[("models", repo_id)]
        files = dict(repo.commits[repo.refs["main"]])
        for line in self.body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
        commit = self.hub.commit(repo_id, files)
        self.hub.pushed.append(repo_id)
        url = f"{self.hub.url}/{repo_id}/commit/{commit}"
        self.send_json({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def answer_file(self, found: re.Match[str], fault: Fault | None) -> None:
        if (place := self.find(found)) is None:
            return
        commit = {"X-Repo-Commit": place[1]}
        data = place[0].commits[place[1]].get(found["path"])
        if data is None:
            self.send(
                404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found", **commit}
            )
            return
        etag = _sha256(data) if _is_lfs(found["path"]) else _git_oid(data)
        self.send(200, data, {"ETag": f'"{etag}"', "Accept-Ranges": "bytes", **commit}, fault)

    def send_json(self, value: object) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, data: bytes, headers: dict[str, str], fault: Fault | None = None) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and status == 200:
            start = int(asked[1])
            headers = {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            status, data = 206, data[start:]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault and fault.cut is not None:
            self.close_connection = True
            data = data[: fault.cut]
        self.wfile.write(data)


def _entry(name: str, data: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"oid": _git_oid(data), "size": len(data)}
    if _is_lfs(name):
        entry["lfs"] = {"oid": _sha256(data), "sha256": _sha256(data), "size": len(data), "pointerSize": 130}
    return entry


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
