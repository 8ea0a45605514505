"""Texts of many requests as one batch: a bounded queue, a budget of pieces, and one thread that computes.

A text is tied to a model when it is queued, so that another model that takes its place meanwhile answers no part of a request.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jptextclf.long_texts import EncodedTexts
from jptextclf.progress import Silent
from jptextclf.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jptextclf.prediction import Prediction, Predictor
    from jptextclf.server.limits import Limits
    from jptextclf.server.metrics import Metrics
    from jptextclf.server.models import Served

_LONG = 5_000
"""Characters that are cut into pieces outside the event loop, since they take longer than a millisecond."""


@dataclass(frozen=True)
class Answered:
    """What a model says of one text."""

    labels: tuple[str, ...]
    probabilities: dict[str, float]
    needs_review: bool
    truncated: bool
    empty: bool
    tokens: int

    def to_json(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels), "probabilities": self.probabilities, "needs_review": self.needs_review,
            "truncated": self.truncated, "empty": self.empty, "tokens": self.tokens,
        }  # fmt: skip


@dataclass
class _Item:
    served: Served
    text: str
    cells: Mapping[str, str]
    encoded: EncodedTexts
    tokens: int
    answer: asyncio.Future[Answered] = field(repr=False)


class Batcher:
    """The queue and the thread behind it."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._items: deque[_Item] = deque()
        self._n_pending = 0
        self._arrived = asyncio.Event()
        self._n_explaining = 0
        self._explaining = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._others = ThreadPoolExecutor(2, thread_name_prefix="tokenize")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the thread; what waits gets no answer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._explaining.shutdown(wait=False, cancel_futures=True)
        self._computing.shutdown(wait=True)
        self._others.shutdown(wait=True)

    async def ask(
        self, served: Served, texts: Sequence[str], cells: Sequence[Mapping[str, str]]
    ) -> list[Answered]:
        """What a model says of some texts.

        :param cells: of each text, column -> cell; those that the model needs must be there
        :raises Problem: 503, the queue is full or the answer takes too long; 500, a text cannot be computed
        """
        self._require_room(len(texts))
        self._count(len(texts))
        items: list[_Item] = []
        try:
            encoded = await self._encoded(served, texts)
            loop = asyncio.get_running_loop()
            for number, one in enumerate(texts):
                row = encoded.select([number])
                n_tokens = len(row.rows.input_ids)
                items.append(_Item(served, one, cells[number], row, n_tokens, loop.create_future()))
            self._items.extend(items)
            self._arrived.set()
            answers = asyncio.gather(*(one.answer for one in items))
            return await asyncio.wait_for(answers, self._limits.answer_seconds)
        except TimeoutError as error:
            raise Problem(503, "W051", retry_after=5, seconds=self._limits.answer_seconds) from error
        finally:
            for item in items:
                # Of a client that has gone, or of a request that another text of it has ended.
                item.answer.cancel()
            self._count(-len(texts))

    async def explain(self, work: Callable[[threading.Event], Any]) -> Any:
        """Do something long beside the batches, one thing at a time; it is told when nobody waits any more.

        :raises Problem: 503, too much of it waits, or it takes too long
        """
        if self._n_explaining >= self._limits.queued_explanations:
            raise Problem(503, "W050", retry_after=5, most=self._limits.queued_explanations)
        self._n_explaining += 1
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._explaining, work, stop)
        # Counted until it really ends.
        running.add_done_callback(self._explained)
        try:
            return await asyncio.wait_for(asyncio.shield(running), self._limits.answer_seconds)
        except TimeoutError as error:
            raise Problem(503, "W051", retry_after=5, seconds=self._limits.answer_seconds) from error
        finally:
            stop.set()

    def _explained(self, done: asyncio.Future[Any]) -> None:
        self._n_explaining -= 1
        if not done.cancelled():
            # Whoever waited has got it; where nobody did, it is the stop.
            done.exception()

    def _require_room(self, n: int) -> None:
        if self._n_pending + n > self._limits.queued_texts:
            raise Problem(503, "W050", retry_after=1, most=self._limits.queued_texts)

    def _count(self, n: int) -> None:
        self._n_pending += n
        self._metrics.queue.set(self._n_pending)

    async def _encoded(self, served: Served, texts: Sequence[str]) -> EncodedTexts:
        if sum(map(len, texts)) <= _LONG:
            return served.predictor.encode(texts)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._others, served.predictor.encode, texts)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = await self._gather()
            if not batch:
                continue
            started = time.perf_counter()
            answers = await loop.run_in_executor(self._computing, _answers, batch)
            self._metrics.observe_batch(batch, answers, time.perf_counter() - started)
            for item, answer in zip(batch, answers, strict=True):
                if item.answer.done():
                    continue
                if isinstance(answer, Answered):
                    item.answer.set_result(answer)
                else:
                    item.answer.set_exception(answer)

    async def _gather(self) -> list[_Item]:
        """The next texts of one model, as many as a batch may hold; others are waited for only a moment."""
        if self._limits.wait_ms and len(self._items) < self._limits.batch_texts:
            await asyncio.sleep(self._limits.wait_ms / 1000)
        batch: list[_Item] = []
        tokens = 0
        while self._items and len(batch) < self._limits.batch_texts:
            item = self._items[0]
            if item.answer.done():
                self._items.popleft()
                continue
            if batch and (
                item.served is not batch[0].served or tokens + item.tokens > self._limits.batch_tokens
            ):
                break
            batch.append(self._items.popleft())
            tokens += item.tokens
        if not self._items:
            self._arrived.clear()
        return batch


def _answers(batch: Sequence[_Item]) -> list[Answered | Problem]:
    """What the model says; where a batch cannot be computed its halves are, down to the text that cannot."""
    try:
        return list(_computed(batch))
    except Exception as error:  # noqa: BLE001 - one request must not take the others, or the server, with it
        if len(batch) == 1:
            failed = Problem(500, "W052", kind=type(error).__name__)
            failed.__cause__ = error
            return [failed]
    middle = len(batch) // 2
    return [*_answers(batch[:middle]), *_answers(batch[middle:])]


def _computed(batch: Sequence[_Item]) -> list[Answered]:
    predictor = batch[0].served.predictor
    columns = {name: [one.cells[name] for one in batch] for name in batch[0].served.columns}
    encoded = EncodedTexts.concatenate(one.encoded for one in batch)
    said = predictor.predict_encoded([one.text for one in batch], encoded, columns=columns or None)
    names = predictor.schema.names
    return [
        Answered(
            labels, {name: round(float(value), 6) for name, value in zip(names, row, strict=True)}, bool(asked),
            bool(truncated), bool(empty), item.tokens,
        )
        for item, labels, row, asked, truncated, empty in zip(
            batch, said.labels, said.probabilities, said.needs_review, said.truncated, said.empty, strict=True
        )
    ]  # fmt: skip


class Stopped(Exception):  # noqa: N818 - it is no error
    """Nobody waits for the answer any more."""


class Stoppable:
    """A predictor whose work ends, between two of its own batches, where nobody waits any more."""

    def __init__(self, predictor: Predictor, stop: threading.Event) -> None:
        self._predictor, self._stop = predictor, stop
        self.schema, self.adapter = predictor.schema, predictor.adapter

    def predict(
        self, texts: Sequence[str], *, columns: Mapping[str, Any] | None = None, **_more: Any
    ) -> Prediction:
        """As :meth:`jptextclf.prediction.Predictor.predict`.

        :raises Stopped: nobody waits
        """
        return self._predictor.predict(texts, columns=columns, progress=_Watching(self._stop))


class _Watching(Silent):
    def __init__(self, stop: threading.Event) -> None:
        self._event = stop

    def advance(self, n: int, note: str = "") -> None:
        del n, note
        if self._event.is_set():
            raise Stopped
