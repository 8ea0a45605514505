"""Requests a second and latency of ``jptextclf serve`` against a plain FastAPI server around ``transformers.pipeline``.

Both answer the same texts over keep-alive connections, in turns, in the same run; each server is a process of its own on the
same cores as the client. The plain one is what tutorials show: a route that calls the pipeline. Needs ``pip install fastapi``.

    python tests/benchmarks/serving.py RUN EXPORT [--connections 64] [--seconds 10] [--rounds 3]

RUN is a fine-tuned run, EXPORT its ONNX export; ours serves the export in int8.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

sys.path.insert(0, str(Path(__file__).parent))

from inference import reviews

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PLAIN = """
import sys
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline
import uvicorn

classify = pipeline("text-classification", model=sys.argv[1], top_k=None)
app = FastAPI()

class Asked(BaseModel):
    text: str

@app.post("/v1/predict")
def predict(asked: Asked):
    return {"results": classify(asked.text)}

uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)
"""


@contextmanager
def ours(export: Path) -> Iterator[int]:
    """Our server."""
    command = [
        sys.executable,
        "-m",
        "jptextclf",
        "--lang",
        "en",
        "serve",
        str(export),
        "--precision",
        "int8",
        "--port",
        "0",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        line = ""
        while "answering" not in line:
            line = process.stderr.readline() if process.stderr else ""
            if not line and process.poll() is not None:
                raise SystemExit("jptextclf serve did not start")
        yield int(re.search(r":(\d+)", line)[1])  # type: ignore[index]
    finally:
        process.kill()
        process.wait()


@contextmanager
def plain(run: Path, port: int) -> Iterator[int]:
    """The server of the tutorials."""
    process = subprocess.Popen([sys.executable, "-c", PLAIN, str(run), str(port)], stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


class Connection:
    """One keep-alive connection, with as little work of its own as can be."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.writer.close()

    async def ask(self, text: str) -> bytes:
        body = json.dumps({"text": text}).encode()
        head = f"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        found = await self.reader.readuntil(b"\r\n\r\n")
        if not found.startswith(b"HTTP/1.1 200"):
            raise SystemExit(found.decode())
        length = int(re.search(rb"content-length: (\d+)", found.lower())[1])  # type: ignore[index]
        return await self.reader.readexactly(length)


async def load(port: int, texts: Sequence[str], *, connections: int, seconds: float) -> list[float]:
    """Seconds of each answer; every connection asks again as soon as it was answered."""
    end, taken = time.perf_counter() + seconds, []

    async def asking(number: int) -> None:
        async with Connection(port) as one:
            place = number
            while (started := time.perf_counter()) < end:
                await one.ask(texts[place % len(texts)])
                taken.append(time.perf_counter() - started)
                place += connections

    await asyncio.gather(*(asking(number) for number in range(connections)))
    return taken


async def until_ready(port: int) -> None:
    for _ in range(600):
        try:
            async with Connection(port) as one:
                await one.ask("準備")
                return
        except OSError:
            await asyncio.sleep(0.2)
    raise SystemExit("a server did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("export", type=Path)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--check",
        action="store_true",
        help="fail below four times the plain server, or a p99 of ten single requests",
    )
    options = parser.parse_args()
    source, texts = reviews()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    figures: dict[str, Any] = {"texts": source, "connections": options.connections, "rounds": []}
    with ours(options.export) as first, plain(options.run, first + 1) as second:
        ports = {"ours": first, "plain": second}
        for port in ports.values():
            asyncio.run(until_ready(port))
        single = {
            name: statistics.median(asyncio.run(load(port, texts, connections=1, seconds=3.0)))
            for name, port in ports.items()
        }
        for number in range(options.rounds):
            found: dict[str, Any] = {}
            for name in list(ports)[:: -1 if number % 2 else 1]:
                taken = sorted(
                    asyncio.run(
                        load(ports[name], texts, connections=options.connections, seconds=options.seconds)
                    )
                )
                found[name] = {
                    "a_second": len(taken) / options.seconds,
                    "p50_ms": 1000 * taken[len(taken) // 2],
                    "p99_ms": 1000 * taken[int(len(taken) * 0.99)],
                }
            found["ratio"] = found["ours"]["a_second"] / found["plain"]["a_second"]
            figures["rounds"].append(found)
            print(f"round {number + 1}: {found}", file=sys.stderr)
    figures["single_ms"] = {name: 1000 * one for name, one in single.items()}
    figures["ratio"] = statistics.median(one["ratio"] for one in figures["rounds"])
    figures["p99_by_single"] = (
        statistics.median(one["ours"]["p99_ms"] for one in figures["rounds"]) / figures["single_ms"]["ours"]
    )
    print(json.dumps(figures, indent=1))
    if options.check and (figures["ratio"] < 4 or figures["p99_by_single"] > 10):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
