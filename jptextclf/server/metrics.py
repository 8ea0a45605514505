"""Counters and histograms for Prometheus, with a bounded number of series whatever clients send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_MOST_LABELS = 50
"""Labels with a series of their own; the others are counted together."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """All of them, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._labels: set[tuple[str, str]] = set()
        made: dict[str, Any] = {"registry": self._registry}
        self._requests = Counter(
            "jptextclf_requests", "Requests by route and status", ["route", "status"], **made
        )
        self._seconds = Histogram(
            "jptextclf_request_seconds",
            "Time from a request to its answer",
            ["route"],
            buckets=_SECONDS,
            **made,
        )
        self._batch_texts = Histogram("jptextclf_batch_texts", "Texts of a batch", buckets=_SIZES, **made)
        self._batch_seconds = Histogram(
            "jptextclf_batch_seconds", "Computing time of a batch", buckets=_SECONDS, **made
        )
        self.queue = Gauge("jptextclf_queued_texts", "Texts that wait or are computed", **made)
        self._tokens = Counter("jptextclf_tokens", "Pieces that were computed", **made)
        self._truncated = Counter(
            "jptextclf_truncated_texts", "Texts that were longer than the model reads", **made
        )
        self._review = Counter("jptextclf_review_texts", "Texts that a person should look at", **made)
        self._given = Counter("jptextclf_labels", "Labels that were given", ["model", "label"], **made)
        self.reloads = Counter(
            "jptextclf_reloads", "Bundles that were to take another one's place", ["result"], **made
        )
        self.ready = Gauge("jptextclf_ready", "Whether requests are answered", **made)
        self.models = Gauge("jptextclf_model", "The models that answer", ["model", "version"], **made)

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def observe_batch(self, batch: Sequence[Any], answers: Sequence[Any], seconds: float) -> None:
        """:param answers: of the texts; those that are no answers are not counted"""
        self._batch_texts.observe(len(batch))
        self._batch_seconds.observe(seconds)
        self._tokens.inc(sum(one.tokens for one in batch))
        for item, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                continue
            self._truncated.inc(answer.truncated)
            self._review.inc(answer.needs_review)
            for label in answer.labels:
                self._given.labels(item.served.name, self._series(item.served.name, label)).inc()

    def _series(self, model: str, label: str) -> str:
        if (model, label) not in self._labels and len(self._labels) >= _MOST_LABELS:
            return "(other)"
        self._labels.add((model, label))
        return label

    def written(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)
