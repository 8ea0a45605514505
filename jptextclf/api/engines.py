"""Where the pieces of a file are computed: in this process, or by workers of a Ray cluster. The answers are the same."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

from jptextclf.api.runs import Run, load
from jptextclf.errors import ConfigError, JptextclfError, SetupError, WorkError
from jptextclf.messages import text
from jptextclf.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jptextclf.bundle import RunPrecision
    from jptextclf.prediction import OnTooLong, Prediction
    from jptextclf.progress import Progress

EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class How:
    """Which model answers, and in which form."""

    run: str
    """Directory; workers on other machines look for it under this name."""
    device: str
    precision: RunPrecision | None
    separator: str | None
    """Between the labels of one text; None gives lists."""
    every: bool
    """Whether the probability of every label is asked for."""
    on_too_long: OnTooLong


@dataclass(frozen=True)
class Piece:
    """Some rows of a file, as far as a model looks at them."""

    texts: tuple[str, ...]
    beside: Mapping[str, Sequence[str]]
    """Column that the model needs -> its cells."""
    first: int
    """Number of the first row, for errors."""

    @property
    def digest(self) -> str:
        """sha256 of everything that a model looks at."""
        written = json.dumps([self.texts, sorted(self.beside.items())])
        return hashlib.sha256(written.encode()).hexdigest()


class Engine(Protocol):
    """Something that computes pieces, several at a time."""

    ahead: int
    """Pieces that are worth being handed in before the first one is asked for."""

    def submit(self, piece: Piece) -> Any:
        """Hand in a piece; what is returned is for :meth:`result`."""

    def result(self, handle: Any) -> dict[str, Any]:
        """The answers to a piece: see :func:`answers_of`."""


def answers_of(run: Run, piece: Piece, how: How) -> dict[str, Any]:
    """What is added to some rows, and what is counted of them, as JSON.

    :raises DataError: a text is too long, where that is an error (``JPT-D042``)
    """
    prediction = run.predictor.predict(
        list(piece.texts), columns=dict(piece.beside) or None, on_too_long=how.on_too_long, first=piece.first, progress=Silent(),
    )  # fmt: skip
    return {
        "cells": [list(cells) for cells in _cells(prediction, how.separator, every=how.every)],
        "truncated": int(prediction.truncated.sum()),
        "empty": int(prediction.empty.sum()),
        "odd_cells": dict(prediction.odd_cells),
    }


def _cells(prediction: Prediction, separator: str | None, *, every: bool) -> Iterator[tuple[Any, ...]]:
    """Labels, their probabilities, truncated, empty, and every probability if asked for.

    :param separator: between several labels; None gives lists
    """
    ids = {name: number for number, name in enumerate(prediction.schema.names)}
    for labels, row, truncated, empty, asked in zip(
        prediction.labels, prediction.probabilities, prediction.truncated, prediction.empty, prediction.needs_review,
        strict=True,
    ):  # fmt: skip
        values = [round(float(row[ids[name]]), 4) for name in labels]
        rest: list[Any] = [bool(asked)] if prediction.rule.asks else []
        rest += [round(float(one), 4) for one in row] if every else []
        if separator is None:
            yield list(labels), values, bool(truncated), bool(empty), *rest
        else:
            value = values[0] if len(values) == 1 else separator.join(map(str, values))
            yield separator.join(labels), value, bool(truncated), bool(empty), *rest


@dataclass
class _Here:
    """In the process itself, which uses all cores."""

    run: Run
    how: How
    ahead: int = 0

    def submit(self, piece: Piece) -> Piece:
        return piece

    def result(self, handle: Piece) -> dict[str, Any]:
        return answers_of(self.run, handle, self.how)


class _Worker:
    """One process of a cluster with the model in it."""

    def __init__(self, how: How) -> None:
        self._how = how
        self._run = load(how.run, device=how.device, precision=how.precision)

    def answers(self, piece: Piece) -> dict[str, Any]:
        return answers_of(self._run, piece, self._how)


class _OnRay:
    """Workers of a Ray cluster; one that dies is started again, and its pieces are computed again."""

    def __init__(self, ray: Any, how: How, n_workers: int) -> None:
        self._ray = ray
        with_gpu = how.device.startswith("cuda")
        remote = ray.remote(_Worker).options(
            num_cpus=1, num_gpus=1 if with_gpu else 0, max_restarts=-1, max_task_retries=-1
        )
        self._workers = [remote.remote(how) for _ in range(n_workers)]
        self._busy: Counter[int] = Counter(dict.fromkeys(range(n_workers), 0))
        self.ahead = 2 * n_workers

    def submit(self, piece: Piece) -> tuple[int, Any]:
        free = min(self._busy, key=lambda one: self._busy[one])
        self._busy[free] += 1
        return free, self._workers[free].answers.remote(piece)

    def result(self, handle: tuple[int, Any]) -> dict[str, Any]:
        worker, reference = handle
        try:
            found: dict[str, Any] = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, JptextclfError):
                raise error.cause from None
            raise WorkError("W054", problem=f"{type(error.cause).__name__}: {error.cause}") from error
        except self._ray.exceptions.RayError as error:
            raise WorkError("W054", problem=str(error).strip().split("\n")[0]) from error
        self._busy[worker] -= 1
        return found


@contextmanager
def open_engine(
    name: EngineName, run: Run, how: How, *, address: str | None, workers: int | None, progress: Progress
) -> Iterator[Engine]:
    """The engine of that name.

    :param address: of a Ray cluster, such as ``auto`` or ``ray://host:10001``; None starts one on this machine
    :param workers: processes with the model in them; None: one for each processor of the cluster
    :raises ConfigError: there is no such engine, or it has no such option (``JPT-U245``)
    :raises SetupError: Ray is not installed (``JPT-E001``), or the cluster cannot be reached (``JPT-E100``)
    """
    if name == "local":
        if address is not None or workers is not None:
            raise ConfigError("U245")
        yield _Here(run, how)
        return
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise SetupError("E001", package="ray", extra="ray", what="--engine ray") from error
    is_ours = not ray.is_initialized()
    if is_ours:
        # Its usage report would go to a network.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        local: dict[str, Any] = (
            {} if address else {"num_cpus": workers or os.cpu_count(), "include_dashboard": False}
        )
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise SetupError("E100", address=address, problem=str(error).strip().split("\n")[0]) from error
    try:
        n_workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        progress.say(text("predict.on_ray", n=n_workers))
        yield _OnRay(ray, how, n_workers)
    finally:
        if is_ours:
            ray.shutdown()
