"""The service: answers, faults, batches, limits, tokens, signals, reload, and what stands in its documents."""

import asyncio
import gzip
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path

import chromium
import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("httptools")
pytest.importorskip("prometheus_client")

from jptextclf import ConfigError, LicenseError, SetupError, load, train
from jptextclf.atomic import sha256_of
from jptextclf.bundle import open_bundle, rewrite_record
from jptextclf.decisions.rule import Rule
from jptextclf.server import models as models_module
from jptextclf.server.app import Service, make_app
from jptextclf.server.bodies import parse
from jptextclf.server.limits import Limits
from jptextclf.server.models import Models
from jptextclf.server.problems import Problem
from jptextclf.server.running import bind, checked_token, read_token, require_safe

TEXT = "朝食がとても美味しかったです。"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - where no token is, it is refused
JSON = {"content-type": "application/json"}


class Client:
    """A service in a process of its own."""

    def __init__(self, *arguments, environment=None):
        command = [
            sys.executable,
            "-m",
            "jptextclf",
            "--lang",
            "en",
            "serve",
            *map(str, arguments),
            "--port",
            "0",
            "--device",
            "cpu",
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        )  # fmt: skip
        self.said = []
        self._ready = threading.Event()
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()
        if not self._ready.wait(120) or self.process.poll() is not None:
            raise AssertionError("".join(self.said))
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", "".join(self.said))[1])

    def _read(self):
        for line in self.process.stderr:
            self.said.append(line)
            if "answering at" in line:
                self._ready.set()
        self._ready.set()

    def ask(self, method, path, body=None, headers=None, timeout=60):
        """Status, headers, and the body as JSON where it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            found = response.read()
            kind = response.headers.get("content-type", "")
            return response.status, response.headers, json.loads(found) if found and "json" in kind else found
        finally:
            connection.close()

    def post(self, path, asked, **headers):
        return self.ask("POST", path, json.dumps(asked).encode(), {**JSON, **headers})

    def predict(self, *texts, **more):
        status, _, found = self.post("/v1/predict", {"texts": list(texts), **more})
        assert status == 200, found
        return found

    def end(self, timeout=60):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)


@contextmanager
def serving(*arguments, **options):
    client = Client(*arguments, **options)
    try:
        yield client
    finally:
        client.process.kill()
        client.process.wait()
        client.reading.join(10)
        client.process.stderr.close()


@pytest.fixture(scope="module")
def client(trained):
    with serving(trained.path) as found:
        yield found


# --- answers ---


def test_an_answer_is_what_the_run_says(client, trained, reviews):
    texts = [text for text, _ in reviews]
    found = client.predict(*texts)
    said = trained.predict(texts)
    assert found["model"]["name"] == trained.path.name
    assert [tuple(one["labels"]) for one in found["results"]] == said.labels
    for one, row in zip(found["results"], said.probabilities, strict=True):
        assert list(one["probabilities"].values()) == pytest.approx(row.tolist(), abs=1e-5)
        assert one["tokens"] > 2
        assert (one["needs_review"], one["truncated"], one["empty"]) == (False, False, False)


def test_one_text_a_long_one_and_an_empty_one(client):
    status, headers, found = client.post("/v1/predict", {"text": TEXT})
    assert (status, len(found["results"])) == (200, 1)
    assert headers["content-type"] == "application/json"
    assert len(headers["x-request-id"]) == 32
    long, empty = client.predict(TEXT * 50, "　")["results"]
    assert long["truncated"]
    assert empty["empty"]


def test_explanations_tokens_and_the_model(client, trained):
    _, _, why = client.post("/v1/explain", {"text": TEXT, "label": "悪い"})
    assert why["results"][0]["label"] == "悪い"
    assert "".join(one["surface"] for one in why["results"][0]["words"]) == TEXT
    _, _, cut = client.post("/v1/tokens", {"texts": [TEXT]})
    assert [one["id"] for one in cut["results"][0]["tokens"]] == trained.predictor.adapter.encode(
        [TEXT], max_length=99
    ).input_ids.tolist()
    _, _, model = client.ask("GET", "/v1/model")
    assert model["models"][0]["labels"] == ["悪い", "良い"]
    assert model["models"][0]["scores"]["validation"]["n_texts"] == 72
    one = client.ask("GET", "/v1/model?name=" + "%E3%83%AC%E3%83%93%E3%83%A5%E3%83%BC%201")[2]
    assert one["name"] == trained.path.name
    assert client.ask("GET", "/v1/model?name=other")[0] == 404


def test_texts_alone_and_together_get_the_same(client, reviews):
    texts = [text * (1 + number % 4) for number, (text, _) in enumerate(reviews)]
    together = client.predict(*texts)["results"]
    with ThreadPoolExecutor(16) as pool:
        alone = [one["results"][0] for one in pool.map(client.predict, texts)]
    for one, other in zip(together, alone, strict=True):
        assert one["labels"] == other["labels"]
        assert list(one["probabilities"].values()) == pytest.approx(
            list(other["probabilities"].values()), abs=1e-5
        )


def test_health_readiness_and_metrics(client):
    assert client.ask("GET", "/healthz")[0] == client.ask("GET", "/readyz")[0] == 200
    client.predict(TEXT)
    for path in ("/a", "/b", "/%0d%0aset-cookie:x"):
        client.ask("GET", path)
    status, headers, found = client.ask("GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    lines = found.decode().splitlines()
    routes = {
        re.search(r'route="([^"]*)"', line)[1]
        for line in lines
        if line.startswith("jptextclf_requests_total")
    }
    assert "(other)" in routes
    assert not any(one in routes for one in ("/a", "/b"))
    assert any(line.startswith("jptextclf_tokens_total") for line in lines)
    assert 'jptextclf_labels_total{label="良い"' in found.decode()


# --- faults ---

BIG = b'{"text": "' + b"a" * (2 * 2**20) + b'"}'
FAULTS = [
    ("no body", b"", JSON, 400), ("no JSON", b"text", JSON, 400), ("half", b'{"text": "a', JSON, 400), ("NaN", b'{"text": NaN}', JSON, 400),
    ("infinity", b'{"text": 1e999}', JSON, 400), ("a number", b"1", JSON, 422), ("a list", b"[]", JSON, 422), ("null", b"null", JSON, 422),
    ("a string", b'"text"', JSON, 422), ("no field", b"{}", JSON, 422), ("two forms", b'{"text": "a", "texts": ["b"]}', JSON, 422),
    ("an unknown field", b'{"text": "a", "n": 1}', JSON, 422), ("a field twice", b'{"text": "a", "text": "b"}', JSON, 400),
    ("text null", b'{"text": null}', JSON, 422), ("text a number", b'{"text": 1}', JSON, 422), ("text a list", b'{"text": ["a"]}', JSON, 422),
    ("text a flag", b'{"text": true}', JSON, 422), ("texts a string", b'{"texts": "a"}', JSON, 422), ("no texts", b'{"texts": []}', JSON, 422),
    ("texts null", b'{"texts": [null]}', JSON, 422), ("texts mixed", b'{"texts": ["a", 1]}', JSON, 422), ("nested", b'{"texts": [["a"]]}', JSON, 422),
    ("too many texts", json.dumps({"texts": ["a"] * 257}).encode(), JSON, 422), ("too long a text", json.dumps({"text": "a" * 50_001}).encode(), JSON, 422),
    ("model a number", b'{"text": "a", "model": 1}', JSON, 422), ("no such model", b'{"text": "a", "model": "../x"}', JSON, 404),
    ("columns a list", b'{"text": "a", "columns": []}', JSON, 422), ("columns a string", b'{"text": "a", "columns": "b"}', JSON, 422),
    ("columns beside texts", b'{"texts": ["a"], "columns": {"x": 1}}', JSON, 422), ("a cell that is a list", b'{"text": "a", "columns": {"x": [[]]}}', JSON, 422),
    ("a text with columns", b'{"texts": [{"text": "a", "columns": {"x": 1, "y": null}}]}', JSON, 200), ("an item without text", b'{"texts": [{}]}', JSON, 422),
    ("an item with more", b'{"texts": [{"text": "a", "n": 1}]}', JSON, 422), ("a label where there is none", b'{"text": "a", "label": "b"}', JSON, 422), ("bytes", b"\xff\xfe\x00", JSON, 400),
    ("cp932", '{"text": "良い"}'.encode("cp932"), JSON, 400), ("half a character", '{"text": "良い"}'.encode()[:-4], JSON, 400),
    ("a mark of order", b"\xef\xbb\xbf" + b'{"text": "a"}', JSON, 400), ("UTF-16", '{"text": "a"}'.encode("utf-16"), JSON, 400),
    ("a lone surrogate", b'{"text": "\\ud800"}', JSON, 400), ("a surrogate as a name", b'{"\\ud800": "a"}', JSON, 400),
    ("a pair of surrogates", b'{"text": "\\ud83d\\ude00"}', JSON, 200), ("NUL", b'{"text": "a\\u0000b"}', JSON, 200),
    ("a bare NUL", b'{"text": "a\x00b"}', JSON, 400), ("a line feed", b'{"text": "a\nb"}', JSON, 400), ("deep", b'{"text":' + b"[" * 100_000, JSON, 400),
    ("deep and whole", b"[" * 1000 + b"]" * 1000, JSON, 400), ("brackets in a text", json.dumps({"text": "[" * 100}).encode(), JSON, 200),
    ("too large", BIG, JSON, 413), ("no type", b'{"text": "a"}', {}, 415), ("a form", b"text=a", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ("another charset", b'{"text": "a"}', {"content-type": "application/json; charset=shift_jis"}, 415),
    ("a charset", b'{"text": "a"}', {"content-type": "application/json; charset=UTF-8"}, 200),
    ("gzip", gzip.compress(b'{"text": "a"}'), {**JSON, "content-encoding": "gzip"}, 415),
    ("a bomb", gzip.compress(b"0" * 10_000_000), {**JSON, "content-encoding": "gzip"}, 415),
    ("control characters", '{"text": "\x1b[31m\u202e良い"}'.encode().replace(b"\x1b", b"\\u001b"), JSON, 200),
    ("formula", b'{"text": "=cmd|calc"}', JSON, 200), ("markup", b'{"text": "<script>alert(1)</script>"}', JSON, 200),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "headers", "status"), [one[1:] for one in FAULTS], ids=[one[0] for one in FAULTS]
)
def test_every_fault_has_its_status_and_a_sentence(client, body, headers, status):
    found, more, said = client.ask("POST", "/v1/predict", body, headers)
    assert found == status, said
    assert more["x-content-type-options"] == "nosniff"
    if status != 200:
        assert set(said["error"]) == {"code", "message", "hint"}
        assert said["error"]["code"].startswith("JPT-")
        assert "Traceback" not in json.dumps(said)
    assert client.predict(TEXT)["results"]


def test_there_are_enough_faults():
    assert len(FAULTS) >= 40


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/predict", 405), ("DELETE", "/v1/model", 405), ("POST", "/healthz", 405), ("GET", "/nothing", 404), ("GET", "/../etc/passwd", 404),
        ("GET", "/..%2f..%2fetc/passwd", 404), ("GET", "/page/page.js", 404), ("GET", "/v1/model/", 404), ("GET", "/docs", 404), ("GET", "/v1/model?x=1", 422),
        ("HEAD", "/healthz", 200), ("OPTIONS", "/v1/predict", 405),
    ],
)  # fmt: skip
def test_routes_that_are_not_there(client, method, path, status):
    found, _, said = client.ask(method, path)
    assert found == status
    assert method == "HEAD" or isinstance(said, dict)


def test_a_body_without_an_end_is_cut(client):
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as raw:
        raw.sendall(
            b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        answer = b""
        try:
            for _ in range(200):
                raw.sendall(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
        except OSError:
            pass
        raw.settimeout(10)
        with pytest.MonkeyPatch.context():
            while part := _received(raw):
                answer += part
    assert b" 413 " in answer or answer == b""
    assert client.predict(TEXT)["results"]


def _received(raw):
    try:
        return raw.recv(4096)
    except OSError:
        return b""


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00", b"GET /\xe3\x81\x82 HTTP/1.1\r\nhost: x\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100, b"GET nothing\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 100_000 + b"\r\n\r\n", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["TLS", "a path that is no ASCII", "a version", "line feeds", "no path", "a negative length", "two lengths", "a large header", "a long path"],
)  # fmt: skip
def test_what_is_no_http_is_refused(client, sent):
    with socket.create_connection(("127.0.0.1", client.port), timeout=15) as raw:
        try:
            raw.sendall(sent)
            raw.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = _received(raw)
    assert answer == b"" or re.match(rb"HTTP/1\.1 4\d\d ", answer), answer[:200]
    assert client.ask("GET", "/healthz")[0] == 200


def test_clients_that_go_away_leave_nothing_behind(client):
    before = _open_files(client.process.pid)
    for _ in range(100):
        raw = socket.create_connection(("127.0.0.1", client.port), timeout=10)
        body = json.dumps({"texts": [TEXT] * 20}).encode()
        raw.sendall(
            b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % len(body)
            + body
        )
        raw.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = client.ask("GET", "/metrics")[2].decode()
        if "jptextclf_queued_texts 0.0" in found and _open_files(client.process.pid) <= before + 5:
            break
        time.sleep(0.2)
    assert "jptextclf_queued_texts 0.0" in found
    assert _open_files(client.process.pid) <= before + 5
    assert client.predict(TEXT)["results"]


def _open_files(pid):
    place = Path(f"/proc/{pid}/fd")
    return len(list(place.iterdir())) if place.is_dir() else 0


def _hold(client, held, n):
    """Open connections: one that says nothing, the next the start of a request, and so on."""
    start = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"
    for number in range(n):
        raw = socket.create_connection(("127.0.0.1", client.port), timeout=10)
        held.append(raw)
        if number % 2:
            raw.sendall(start)


def test_idle_and_dribbling_sockets_do_not_stop_the_others(client):
    held = []
    try:
        _hold(client, held, 300)
        started = time.monotonic()
        assert client.ask("GET", "/healthz")[0] == 200
        assert client.predict(TEXT)["results"]
        assert time.monotonic() - started < 10
    finally:
        for raw in held:
            raw.close()


def test_texts_are_in_no_log(client):
    marker = "秘密の文章です"
    client.predict(marker)
    client.post("/v1/predict", {"text": marker, "model": marker})
    client.post("/v1/predict", {"text": 1, marker: "\n\x1b[31m"})
    assert marker not in "".join(client.said)


@pytest.mark.parametrize(
    "body", [b'{"text":"' + b'\\"' * 200_000, b'"' * 400_000, b"\\" * 400_000, b'{"text": "' + b"[" * 400_000 + b'"}', b"[]" * 200_000],
    ids=["an open string", "quotes", "backslashes", "brackets in a string", "pairs"],
)  # fmt: skip
def test_no_body_takes_long(client, body):
    started = time.monotonic()
    assert client.ask("POST", "/v1/predict", body, JSON)[0] in {400, 422}
    assert time.monotonic() - started < 5


def test_a_wish_for_http_2_is_passed_over(client):
    body = json.dumps({"text": TEXT}).encode()
    head = (
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as raw:
        raw.sendall(head + body)
        assert raw.recv(100).startswith(b"HTTP/1.1 200 ")


def test_many_requests_at_once_on_one_connection(client):
    one = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 1000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as raw:
        raw.sendall(one * 60)
        answer = b""
        while answer.count(b"HTTP/1.1 200 ") < 60:
            part = _received(raw)
            assert part, answer[-500:]
            answer += part


def test_explanations_do_not_hold_up_answers(client):
    long = "部屋が狭くて、朝食は美味しくて、駅から遠い。" * 20
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(client.post, "/v1/explain", {"texts": [long[:500]] * 4}) for _ in range(2)]
        time.sleep(0.2)
        started = time.monotonic()
        for _ in range(5):
            assert client.predict(TEXT)["results"]
        taken = time.monotonic() - started
        statuses = {one.result()[0] for one in waiting}
    assert statuses <= {200, 503}
    assert taken < 5


# --- batches, in this process ---


class Broken:
    """A predictor that cannot compute one text."""

    def __init__(self, predictor):
        self._predictor = predictor
        self.schema, self.adapter, self.rule = predictor.schema, predictor.adapter, predictor.rule
        self.batches = []

    def encode(self, texts):
        return self._predictor.encode(texts)

    def predict_encoded(self, texts, encoded, *, columns=None):
        self.batches.append(len(texts))
        if "毒" in "".join(texts):
            raise MemoryError("no room")
        return self._predictor.predict_encoded(texts, encoded, columns=columns)


@pytest.fixture
def service(trained):
    models = Models([trained.path], device="cpu")
    models.load()
    name = trained.path.name
    models.served[name] = replace(models.served[name], predictor=Broken(models.served[name].predictor))
    return Service(models, replace(Limits(), queued_texts=64, answer_seconds=20.0))


async def _started(service, work):
    service.batcher.start()
    try:
        return await work
    finally:
        await service.batcher.stop()


def test_a_text_that_cannot_be_computed_fails_alone(service):
    served = service.models.find(None)

    async def work():
        asked = [[TEXT], ["毒"], [TEXT, "良い"], ["悪い"]]
        return await asyncio.gather(
            *(service.batcher.ask(served, one, [{}] * len(one)) for one in asked), return_exceptions=True
        )

    found = asyncio.run(_started(service, work()))
    assert isinstance(found[1], Problem)
    assert found[1].status == 500
    assert [len(one) for number, one in enumerate(found) if number != 1] == [1, 2, 1]
    # They were one batch first.
    assert served.predictor.batches[0] == 5


def test_a_full_queue_is_refused_at_once_and_opens_again(service):
    served = service.models.find(None)

    async def work():
        first = asyncio.ensure_future(service.batcher.ask(served, [TEXT] * 60, [{}] * 60))
        await asyncio.sleep(0)
        with pytest.raises(Problem) as caught:
            await service.batcher.ask(served, [TEXT] * 5, [{}] * 5)
        assert (caught.value.status, caught.value.retry_after) == (503, 1)
        assert len(await first) == 60
        return await service.batcher.ask(served, [TEXT] * 5, [{}] * 5)

    assert len(asyncio.run(_started(service, work()))) == 5


def test_a_batch_keeps_to_its_budget_of_pieces(service, trained):
    limits = replace(Limits(), batch_tokens=64)
    small = Service(service.models, limits)
    served = small.models.find(None)
    asyncio.run(_started(small, small.batcher.ask(served, [TEXT * 3] * 8, [{}] * 8)))
    longest = max(served.predictor.batches)
    tokens = len(trained.predictor.encode([TEXT * 3]).rows.input_ids)
    assert longest * tokens <= max(64, tokens)
    assert sum(served.predictor.batches) == 8


def test_no_answer_in_time_is_told(service):
    slow = Service(service.models, replace(Limits(), answer_seconds=0.05, wait_ms=500.0))
    with pytest.raises(Problem) as caught:
        asyncio.run(_started(slow, slow.batcher.ask(slow.models.find(None), [TEXT], [{}])))
    assert caught.value.status == 503
    assert caught.value.retry_after == 5


@pytest.mark.parametrize("body", [b'{"text": "a"}', b'{"texts": ["a", "b"], "model": null}'])
def test_bodies_that_are_right(body):
    assert parse(body, Limits(), texts=2, characters=10).texts


# --- tokens, addresses, bundles ---


def test_a_token_is_needed_where_others_could_listen(tmp_path):
    require_safe("127.0.0.1", has_token=False)
    require_safe("::1", has_token=False)
    require_safe("localhost", has_token=False)
    require_safe(EVERYWHERE, has_token=True)
    for host in (EVERYWHERE, "::", "192.168.0.1", "example.com", ""):
        with pytest.raises(ConfigError, match="JPT-U240"):
            require_safe(host, has_token=False)
    file = tmp_path / "token"
    with pytest.raises(ConfigError, match="JPT-U241"):
        read_token(file)
    for bad in ("", "short", "with a space in it", "日本語の長いトークンです。これは使えません"):
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(ConfigError, match="JPT-U242"):
            read_token(file)
    file.write_text("a-token-that-is-long\n", encoding="utf-8")
    assert read_token(file) == "a-token-that-is-long"


@pytest.mark.parametrize("token", ["a", " ", "", "\udcff\udcfeabcdefghijklmnop", "with a space in it here"])
def test_a_token_in_the_environment_is_looked_at_too(token):
    with pytest.raises(ConfigError, match="JPT-U242"):
        checked_token(token, "JPTEXTCLF_TOKEN")
    assert checked_token("  0123456789abcdef\n", "JPTEXTCLF_TOKEN") == "0123456789abcdef"


def test_a_bundle_is_read_from_a_copy(trained, tmp_path, monkeypatch):
    """Another bundle takes its place while it is read: what answers is the one whose record was read first."""
    run = shutil.copytree(trained.path, tmp_path / "run")
    read = models_module.load

    def replaced_meanwhile(path, **options):
        shutil.rmtree(run)
        run.mkdir()
        (run / "jptextclf.json").write_text("{}")
        return read(path, **options)

    monkeypatch.setattr(models_module, "load", replaced_meanwhile)
    models = Models([run], device="cpu")
    models.load()
    assert models.find(None).version == sha256_of(trained.path / "jptextclf.json")[:12]
    assert models.find(None).name == "run"


def test_a_bundle_that_was_half_copied_is_looked_at_again(trained, tmp_path):
    run = shutil.copytree(trained.path, tmp_path / "run")
    models = Models([run], device="cpu")
    models.load()
    first = models.find(None).version
    bundle = open_bundle(run)
    weights = (run / "model.safetensors").read_bytes()
    rewrite_record(replace(bundle, rule=Rule(review=((0.0, 1.1),) * bundle.schema.n_labels)))
    (run / "model.safetensors").write_bytes(weights[:100])
    assert not models.replace(models.changed()[0])
    # It is told of once ...
    assert models.changed() == []
    models.try_again()
    assert models.changed() == [run]
    assert not models.replace(run)
    (run / "model.safetensors").write_bytes(weights)
    # ... and looked at again as soon as a file is another one.
    assert models.replace(models.changed()[0])
    assert models.find(None).version != first


def test_a_port_in_use_is_told():
    with bind("127.0.0.1", 0) as first, pytest.raises(SetupError, match=r"JPT-E099.*in use"):
        bind("127.0.0.1", first.getsockname()[1])


def test_a_token_is_asked_for(trained, tmp_path):
    file = tmp_path / "token"
    file.write_text("0123456789abcdef0123456789abcdef", encoding="utf-8")
    with serving(trained.path, "--token-file", file) as client:
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "Basic 0123456789abcdef0123456789abcdef"},
            {"authorization": "Bearer "},
        ):
            for method, path in (
                ("POST", "/v1/predict"),
                ("GET", "/v1/model"),
                ("GET", "/metrics"),
                ("GET", "/nothing"),
            ):
                status, more, said = client.ask(method, path, b'{"text": "a"}', {**JSON, **headers})
                assert status == 401
                assert more["www-authenticate"] == "Bearer"
                assert said["error"]["code"] == "JPT-U237"
        right = {"authorization": "Bearer 0123456789abcdef0123456789abcdef"}
        assert client.ask("POST", "/v1/predict", b'{"text": "a"}', {**JSON, **right})[0] == 200
        for path in ("/healthz", "/readyz", "/", "/openapi.json"):
            assert client.ask("GET", path)[0] == 200
        described = client.ask("GET", "/openapi.json")[2]
        assert described["components"]["securitySchemes"]


def test_what_cannot_be_served_is_told_at_once(trained, tmp_path):
    def started(*arguments):
        command = [sys.executable, "-m", "jptextclf", "--lang", "en", "serve", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    assert started(tmp_path / "nothing")[0] == 4
    code, said = started(trained.path, "--host", EVERYWHERE)
    assert (code, "JPT-U240" in said) == (2, True)
    code, said = started(trained.path, trained.path, "--port", "0")
    assert (code, "JPT-U233" in said) == (2, True)
    code, said = started(trained.path, "--max-texts", "5000")
    assert (code, "JPT-U243" in said) == (2, True)


def test_a_run_that_nothing_clears_for_the_use_is_not_served(trained, reviews_csv, tmp_path):
    with pytest.raises(ConfigError):
        Models([trained.path], use="no-such-use", device="cpu").load()
    # Nobody knows the licence of its encoder.
    with pytest.raises(LicenseError, match=r"JPT-L013.*needs-review"):
        Models([trained.path], use="internal-research-noncommercial", device="cpu").load()
    cleared = train(
        reviews_csv, mode="features", max_length=32, data_origin="own", personal_information="none-confirmed", out=tmp_path / "run",
        device="cpu", report=False,
    )  # fmt: skip
    models = Models([cleared.path], use="internal-research-noncommercial", device="cpu")
    models.load()
    assert models.find(None).to_json()["license"] == {
        "use": "internal-research-noncommercial",
        "verdict": "ok",
    }


# --- signals and reload ---


def test_sigterm_answers_what_is_there_and_ends_with_0(trained):
    with serving(trained.path, "--max-wait-ms", "900") as client, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(client.predict, TEXT) for _ in range(3)]
        time.sleep(0.3)
        client.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert client.ask("GET", "/readyz")[0] == 503
        assert client.ask("GET", "/healthz")[0] == 200
        for one in waiting:
            assert one.result(30)["results"]
        assert client.process.wait(30) == 0


def test_a_new_bundle_takes_over_without_a_dropped_or_mixed_answer(trained, tmp_path):
    run = shutil.copytree(trained.path, tmp_path / "run")
    with serving(run, "--watch", "0.2") as client:
        versions, problems, stop = set(), [], threading.Event()

        def asking():
            while not stop.is_set():
                try:
                    found = client.predict(TEXT, "悪い", TEXT)
                except (AssertionError, OSError, http.client.HTTPException) as error:
                    problems.append(error)
                    continue
                asked = {one["needs_review"] for one in found["results"]}
                versions.add((found["model"]["version"], frozenset(asked)))

        threads = [threading.Thread(target=asking) for _ in range(4)]
        for one in threads:
            one.start()
        try:
            first = client.predict(TEXT)["model"]["version"]
            # The same model with another rule: every text is for a person.
            bundle = open_bundle(run)
            rewrite_record(replace(bundle, rule=Rule(review=((0.0, 1.1),) * bundle.schema.n_labels)))
            deadline = time.monotonic() + 60
            while client.predict(TEXT)["model"]["version"] == first and time.monotonic() < deadline:
                time.sleep(0.1)
            second = client.predict(TEXT)["model"]["version"]
            assert second != first
            # One that is damaged changes nothing.
            (run / "model.safetensors").write_bytes(b"nothing")
            record = run / "jptextclf.json"
            record.write_bytes(record.read_bytes() + b" ")
            deadline = time.monotonic() + 60
            while "goes on" not in "".join(client.said) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert "goes on" in "".join(client.said)
            assert client.predict(TEXT)["model"]["version"] == second
        finally:
            stop.set()
            for one in threads:
                one.join()
        assert problems == []
        # Every answer is whole: all texts of a request by one rule.
        assert versions == {(first, frozenset({False})), (second, frozenset({True}))}
        assert 'result="replaced"' in client.ask("GET", "/metrics")[2].decode()


def test_sighup_looks_for_a_new_bundle(trained, tmp_path):
    run = shutil.copytree(trained.path, tmp_path / "run")
    with serving(run) as client:
        bundle = open_bundle(run)
        rewrite_record(replace(bundle, rule=Rule(review=((0.0, 1.1),) * bundle.schema.n_labels)))
        assert client.predict(TEXT)["results"][0]["needs_review"] is False
        client.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while not client.predict(TEXT)["results"][0]["needs_review"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert client.predict(TEXT)["results"][0]["needs_review"] is True


def test_two_models_and_columns(trained, tmp_path, tiny_encoder, reviews):
    path = tmp_path / "with.csv"
    path.write_text(
        "text,label,stars\n"
        + "\n".join(f"{text},{label},{number % 5}" for number, (text, label) in enumerate(reviews))
        + "\n",
        encoding="utf-8",
    )
    other = train(
        path,
        out=tmp_path / "other",
        mode="features",
        extra_columns=["stars"],
        model=str(tiny_encoder),
        max_length=48,
        device="cpu",
        report=False,
    )
    # Nobody has said what these data are, so a person must decide.
    with pytest.raises(LicenseError, match="JPT-L013"):
        Models([other.path], use="saas-api-commercial", device="cpu").load()
    with serving(trained.path, other.path) as client:
        assert client.predict(TEXT)["model"]["name"] == trained.path.name
        found = client.predict({"text": TEXT, "columns": {"stars": 3}}, model="other")
        said = load(other.path, device="cpu").predict([TEXT], columns={"stars": [3]})
        assert list(found["results"][0]["probabilities"].values()) == pytest.approx(
            said.probabilities[0].tolist(), abs=1e-5
        )
        status, _, refused = client.post("/v1/predict", {"text": TEXT, "model": "other"})
        assert (status, refused["error"]["code"]) == (422, "JPT-U236")
        assert client.post("/v1/explain", {"text": TEXT, "model": "other", "columns": {"stars": 1}})[0] == 200


# --- the page and the description ---


def test_the_page_needs_nothing_from_elsewhere(client):
    for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
        status, headers, found = client.ask("GET", path)
        assert status == 200
        assert headers["content-type"].startswith(kind)
        assert b"http" not in found.replace(b"http-equiv", b"")
        assert "script-src 'self'" in headers["content-security-policy"]


def test_every_route_and_status_is_described(client):
    status, _, found = client.ask("GET", "/openapi.json")
    assert status == 200
    assert found["openapi"].startswith("3.1")
    routes = {route.path for route in make_app(Service(Models([]), Limits())).routes}
    assert routes - set(found["paths"]) == {"/page.js", "/page.css"}
    for path in ("/v1/predict", "/v1/explain", "/v1/tokens"):
        assert {"200", "400", "404", "405", "413", "415", "422", "500", "503"} <= set(
            found["paths"][path]["post"]["responses"]
        )
    numbers = np.array([len(one) for one in found["components"]["schemas"].values()])
    assert (numbers > 0).all()


@pytest.mark.full
def test_schemathesis_finds_nothing(client, tmp_path):
    """Hundreds of requests made from the description: no status that is not in it, and none from 500 on."""
    program = Path(sys.executable).with_name("schemathesis")
    if not program.is_file():
        pytest.skip("needs schemathesis")
    # A body that is too large is refused with 413, whatever is in it; schemathesis does not expect that by default.
    (tmp_path / "schemathesis.toml").write_text(
        "[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 404, 405, 413, 415, 422]\n"
    )
    done = subprocess.run(
        [program, "run", f"http://127.0.0.1:{client.port}/openapi.json", "--max-examples", "50", "--workers", "1"], cwd=tmp_path,
        capture_output=True, text=True, encoding="utf-8", timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_page_in_a_browser(client, tmp_path):
    """Type a review, see label, probabilities, words and tokens; nothing that axe minds."""
    address = f"http://127.0.0.1:{client.port}/"
    shown = chromium.dom_of(address + "#text=" + urllib.parse.quote(TEXT))
    assert "良い" in shown
    assert shown.count("<progress") == 2
    assert 'class="words"' in shown
    assert "[CLS]" in shown
    assert "JPT-" not in shown
    japanese = chromium.dom_of(address, language="ja")
    english = chromium.dom_of(address, language="en")
    assert "判定する" in japanese
    assert "Classify" in english
    # axe reads a copy, with what the page drew.
    for number, page in enumerate((shown, japanese)):
        file = tmp_path / f"{number}.html"
        styles = (Path(client_page()) / "page.css").read_text(encoding="utf-8")
        whole = re.sub(r"<script.*?</script>", "", page, flags=re.S).replace(
            "</head>", f"<style>{styles}</style></head>"
        )
        file.write_text(whole, encoding="utf-8")
        assert chromium.violations(file, folder=tmp_path) == []


def client_page():
    return resources.files("jptextclf.server") / "page"


def test_the_page_with_a_table_and_two_models(trained, tmp_path):
    other = shutil.copytree(trained.path, tmp_path / "other")
    driver = """
      <script>addEventListener('load', () => setTimeout(async () => {
        document.getElementById('lines').value = '良いです\\tx\\n=1+1\\n\\n悪いです';
        document.getElementById('many').requestSubmit();
        setTimeout(() => { document.title = 'rows:' + document.querySelectorAll('#many-result tbody tr').length + ':' +
          document.querySelectorAll('#many-result thead th').length; }, 2000);
      }, 1500))</script>"""
    with serving(trained.path, other) as client:
        page = client.ask("GET", "/")[2].decode("utf-8")
        script = client.ask("GET", "/page.js")[2].decode("utf-8")
        # The same page from another place, which may run a script that types.
        with typing_page(page, script, driver, client.port) as address:
            shown = chromium.dom_of(address, budget=8000)
    assert "<title>rows:3:5</title>" in shown


@contextmanager
def typing_page(page, script, driver, port):
    """The page with a script that types into it, from a server that passes everything else on."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._pass_on("GET")

        def do_POST(self):
            self._pass_on("POST")

        def _pass_on(self, method):
            if self.path == "/":
                self._answer(
                    200, "text/html; charset=utf-8", page.replace("</body>", f"{driver}</body>").encode()
                )
                return
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length) if length else None
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request(
                method, self.path, body, {"content-type": self.headers.get("content-type", "")}
            )
            response = connection.getresponse()
            self._answer(response.status, response.headers["content-type"], response.read())
            connection.close()

        def _answer(self, status, kind, body):
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_given):
            pass

    assert script
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.full
def test_a_thousand_sockets_that_say_nothing(client):
    """Idle and dribbling ones; health and answers stay."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip("needs 3,000 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    held = []
    try:
        _hold(client, held, 1000)
        for _ in range(20):
            started = time.monotonic()
            assert client.ask("GET", "/healthz")[0] == 200
            assert time.monotonic() - started < 2
        assert client.predict(TEXT)["results"]
        # Those that dribble are cut off after 20 seconds.
        time.sleep(22)
        dribbling = held[1]
        dribbling.settimeout(5)
        assert _received(dribbling).startswith(b"HTTP/1.1 408 ")
    finally:
        for raw in held:
            raw.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.full
def test_hours_of_requests_take_no_more_memory_and_handles(trained, reviews):
    """Ten minutes, or JPTEXTCLF_SOAK_SECONDS, of good and bad requests."""
    seconds = float(os.environ.get("JPTEXTCLF_SOAK_SECONDS", "600"))
    with serving(trained.path) as client:
        texts, stop, found = [text for text, _ in reviews], time.monotonic() + seconds, []

        def asking(number):
            n = number
            while time.monotonic() < stop:
                n += 1
                client.predict(texts[n % len(texts)] * (1 + n % 30), *texts[: n % 7])
                client.post("/v1/predict", {"text": n})
                client.post("/v1/explain", {"text": texts[n % len(texts)]}) if n % 10 == 0 else None
                client.ask("GET", f"/nothing/{n}")
            return n

        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(asking, number) for number in range(4)]
            while time.monotonic() < stop:
                time.sleep(seconds / 20)
                found.append((_memory(client.process.pid), _open_files(client.process.pid)))
            assert all(one.result() > 10 for one in waiting)
        settled, last = found[len(found) // 2], found[-2]
        minutes = seconds / 60 / 2
        assert last[0] - settled[0] < 3 + minutes, found
        assert last[1] <= settled[1] + 10, found


def _memory(pid):
    """Resident memory in MiB."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return 0
    return int(re.search(r"VmRSS:\s+(\d+) kB", status.read_text(encoding="utf-8"))[1]) / 1024
