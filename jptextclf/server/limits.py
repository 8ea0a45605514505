"""What one request may ask for, and how long things may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """All of them; what is beyond is refused before it costs anything."""

    body_bytes: int = 2 * 2**20
    texts: int = 256
    """Of one request."""
    characters: int = 50_000
    """Of one text; what is beyond the model's length would be cut anyway."""
    explained_texts: int = 4
    explained_characters: int = 500
    """Of a text whose words are weighed: each word costs two predictions."""
    depth: int = 20
    """Of nested JSON."""
    header_bytes: int = 32 * 2**10
    queued_texts: int = 2_048
    """Texts that wait or are computed, of all requests together."""
    queued_explanations: int = 8
    """Texts whose words are weighed, or that wait for it."""
    batch_texts: int = 128
    batch_tokens: int = 8_192
    """Pieces of one batch."""
    wait_ms: float = 2.0
    """How long the first text of a batch waits for others."""
    header_seconds: float = 10.0
    """From the first byte of a request to the end of its headers."""
    body_seconds: float = 20.0
    """From there to the end of its body."""
    answer_seconds: float = 30.0
    """From there to the answer."""
    idle_seconds: float = 60.0
    """Between two requests of one connection, and before the first."""
    drain_seconds: float = 1.0
    """After SIGTERM, in which ``/readyz`` says no and requests are still answered."""
    grace_seconds: float = 30.0
    """In which the requests that are there then are answered."""
