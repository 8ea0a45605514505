"""What a request goes through: the token, the body, the queue, and the answer, which is JSON whatever happens."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
import uuid
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from jptextclf.errors import ConfigError, DataError
from jptextclf.explanation import explain_texts
from jptextclf.messages import text
from jptextclf.server.batching import Batcher, Stoppable
from jptextclf.server.bodies import Asked, parse, read_body
from jptextclf.server.metrics import CONTENT_TYPE, Metrics
from jptextclf.server.openapi import document
from jptextclf.server.problems import Problem

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from jptextclf.server.limits import Limits
    from jptextclf.server.models import Models, Served

log = logging.getLogger("jptextclf.server")
_SMALL_BODY = 50_000
"""Bytes that are parsed at once."""
_OPEN = {"/healthz", "/readyz", "/", "/page.js", "/page.css", "/openapi.json"}
"""Routes that need no token: they say nothing of texts or models."""
_PAGE = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
_SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
}
_SAFE_NAMES = {name.encode() for name in (*_SAFE, "x-request-id")}
_SAFE_PAIRS = [(name.encode(), value.encode()) for name, value in _SAFE.items()]


class Service:
    """The models, the queue and the state of one server process."""

    def __init__(self, models: Models, limits: Limits, *, token: str | None = None) -> None:
        self.models, self.limits, self.token = models, limits, token
        self.metrics = Metrics()
        self.batcher = Batcher(limits, self.metrics)
        self.is_draining = False
        self.publish()

    def publish(self) -> None:
        """Say in the metrics which models answer."""
        self.metrics.models.clear()
        for one in self.models.served.values():
            self.metrics.models.labels(one.name, one.version).set(1)

    @property
    def is_ready(self) -> bool:
        return bool(self.models.served) and not self.is_draining

    # Routes

    async def predict(self, request: Request) -> Response:
        asked = await self._asked(request, self.limits.texts, self.limits.characters)
        served = self._served(asked)
        answers = await self.batcher.ask(served, asked.texts, asked.cells)
        return answer({"model": served.identity(), "results": [one.to_json() for one in answers]})

    async def explain(self, request: Request) -> Response:
        limits = self.limits
        asked = await self._asked(request, limits.explained_texts, limits.explained_characters, label=True)
        served = self._served(asked)
        if asked.label is not None and asked.label not in served.bundle.schema.names:
            raise Problem(404, "U235", label=asked.label[:100])
        found = []
        for number, one in enumerate(asked.texts):
            columns = {name: [asked.cells[number][name]] for name in served.columns}
            work = partial(_explained, served, one, asked.label, columns)
            found.append(await self.batcher.explain(work))
        return answer({"model": served.identity(), "results": found})

    async def tokens(self, request: Request) -> Response:
        asked = await self._asked(request, self.limits.explained_texts, self.limits.explained_characters)
        served = self.models.find(asked.model)
        found = [served.predictor.adapter.explain(one) for one in asked.texts]
        results = [
            {
                "text": one.text,
                "words": [
                    {"surface": word.surface, "start": word.start, "end": word.end, "part_of_speech": word.part_of_speech}
                    for word in one.words
                ],
                "tokens": [
                    {"piece": piece, "id": number, "start": start, "end": end}
                    for piece, number, (start, end) in zip(one.pieces, one.ids, one.offsets, strict=True)
                ],
            }
            for one in found
        ]  # fmt: skip
        return answer({"model": served.identity(), "results": results})

    async def model(self, request: Request) -> Response:
        if unknown := [name for name in request.query_params if name != "name"]:
            raise Problem(422, "U228", field=unknown[0][:100], known="name")
        if "name" in request.query_params:
            return answer(self.models.find(request.query_params["name"]).to_json())
        return answer({"models": [one.to_json() for one in self.models.served.values()]})

    async def health(self, _request: Request) -> Response:
        return answer({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        if not self.is_ready:
            raise Problem(503, "W053", retry_after=5)
        return answer({"status": "ready"})

    async def written_metrics(self, _request: Request) -> Response:
        self.metrics.ready.set(self.is_ready)
        return Response(self.metrics.written(), media_type=CONTENT_TYPE)

    async def description(self, _request: Request) -> Response:
        return answer(document(self.limits, with_token=self.token is not None))

    async def page(self, request: Request) -> Response:
        name, kind = _PAGE[request.url.path]
        written = (resources.files("jptextclf.server") / "page" / name).read_bytes()
        return Response(written, media_type=kind)

    async def _asked(self, request: Request, texts: int, characters: int, *, label: bool = False) -> Asked:
        body = await read_body(request, self.limits)
        parsing = partial(parse, body, self.limits, texts=texts, characters=characters, label=label)
        if len(body) <= _SMALL_BODY:
            return parsing()
        # A large one takes its time, in which others are answered.
        return await asyncio.get_running_loop().run_in_executor(None, parsing)

    def _served(self, asked: Asked) -> Served:
        """The model that is asked for; it must have the columns that it needs."""
        served = self.models.find(asked.model)
        needed = served.columns
        if missing := [name for name in needed if not all(name in cells for cells in asked.cells)]:
            raise Problem(422, "U236", names=", ".join(missing))
        return served


def _explained(
    served: Served, one: str, label: str | None, columns: Mapping[str, list[str]], stop: threading.Event
) -> dict[str, Any]:
    """:param stop: set where nobody waits any more"""
    predictor = Stoppable(served.predictor, stop)
    found = explain_texts(predictor, [one], label=label, columns=columns or None)  # type: ignore[arg-type]
    said: dict[str, Any] = found.texts[0].to_json()
    return said


def answer(found: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON as UTF-8."""
    written = json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(written.encode("utf-8", "replace"), status, dict(headers or {}), "application/json")


def make_app(service: Service, *, on_start: Callable[[], Awaitable[None]] | None = None) -> Starlette:
    """The application of one process."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        if on_start is not None:
            await on_start()
        try:
            yield
        finally:
            await service.batcher.stop()

    posts = {"/v1/predict": service.predict, "/v1/explain": service.explain, "/v1/tokens": service.tokens}
    gets = {
        "/v1/model": service.model, "/healthz": service.health, "/readyz": service.ready, "/metrics": service.written_metrics,
        "/openapi.json": service.description, **dict.fromkeys(_PAGE, service.page),
    }  # fmt: skip
    routes = [Route(path, one, methods=["POST"]) for path, one in posts.items()]
    routes += [Route(path, one, methods=["GET"]) for path, one in gets.items()]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _refused})
    app.router.redirect_slashes = False
    app.add_middleware(_Guard, service=service, known=frozenset({*posts, *gets}))
    return app


class _Guard:
    """Around every request: the token, an answer for every error, headers, and the metrics."""

    def __init__(self, app: ASGIApp, *, service: Service, known: frozenset[str]) -> None:
        self._app, self._service, self._known = app, service, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        seen: dict[str, int] = {}
        identity = uuid.uuid4().hex

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                there = [one for one in message["headers"] if one[0] not in _SAFE_NAMES]
                message["headers"] = [*there, *_SAFE_PAIRS, (b"x-request-id", identity.encode())]
            await send(message)

        try:
            problem = await self._problem_of(scope, receive, sending, identity)
            if problem is not None and not seen:
                await answer(problem.to_json(), problem.status, problem.headers)(scope, receive, sending)
        finally:
            route = scope["path"] if scope["path"] in self._known else "(other)"
            # A client that has gone away has got no status.
            self._service.metrics.observe_request(
                route, seen.get("status", 499), time.perf_counter() - started
            )

    async def _problem_of(self, scope: Scope, receive: Receive, send: Send, identity: str) -> Problem | None:
        """Answer a request; what stands against it."""
        try:
            self._require_token(scope)
            await self._app(scope, receive, send)
        except Problem as problem:
            if problem.status == 500:
                log.error(text("serve.failed", id=identity, problem=repr(problem.__cause__)))
            return problem
        except ClientDisconnect:
            return None
        except (ConfigError, DataError) as error:
            return _Known(422, error)
        except Exception as error:  # noqa: BLE001 - whatever it is: the client gets JSON, and the server goes on
            # The kind only: a message may hold a text, and texts are not logged.
            log.error(text("serve.failed", id=identity, problem=type(error).__name__))
            return Problem(500, "W052", kind=type(error).__name__)
        return None

    def _require_token(self, scope: Scope) -> None:
        """:raises Problem: 401"""
        token = self._service.token
        if token is None or scope["path"] in _OPEN:
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        kind, _, said = given.partition(b" ")
        if kind.lower() != b"bearer" or not hmac.compare_digest(said.strip(), token.encode("utf-8")):
            raise Problem(401, "U237")


class _Known(Problem):
    """An error of this package as a problem."""

    def __init__(self, status: int, error: ConfigError | DataError) -> None:
        Exception.__init__(self, str(error))
        self.status, self.code, self.message, self.hint = status, error.code, error.message, error.hint
        self.retry_after = None


async def _refused(request: Request, error: Exception) -> Response:
    """What the router refuses."""
    path, headers = request.url.path[:100], dict(getattr(error, "headers", None) or {})
    if getattr(error, "status_code", 404) == 405:
        problem = Problem(405, "U239", method=request.method[:20], path=path)
    else:
        problem = Problem(404, "U238", path=path)
    return answer(problem.to_json(), problem.status, {**headers, **problem.headers})
