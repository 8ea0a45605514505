"""Subject: what a report is about, as the caller knows it. Nothing here is looked up or measured."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from jptextclf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["run", "export", "model", "case"]


@dataclass(frozen=True)
class SubjectFile:
    """One file of the subject."""

    sha256: str
    size: int | None = None
    """Bytes."""


@dataclass(frozen=True)
class ReportSubject:
    """What a report is about.

    :raises ConfigError: ``created`` is no ISO date with a time (``JPT-U120``)
    """

    name: str
    kind: Kind
    tool_version: str
    """Of this package."""
    version: str = ""
    """Version or revision of the subject itself."""
    created: str = ""
    """ISO date and time, from the record of the subject or ``SOURCE_DATE_EPOCH``; empty where nobody knows."""
    task: str = ""
    """``binary``, ``multiclass`` or ``multilabel``."""
    labels: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    """Codes, such as ``ja``."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Name, such as ``test.macro_f1`` -> score."""
    base_architecture: str = ""
    """Family of the encoder, such as ``bert``."""
    files: Mapping[str, SubjectFile] = field(default_factory=dict)
    """Path relative to the subject -> hash; without the reports themselves, which cannot hold their own."""
    changes: tuple[str, ...] = ()
    """What was changed in the works of others, as paragraphs for the NOTICE in the languages that it is read in;
    empty: where a model of others was trained further, a sentence that says so."""
    unchanged: frozenset[str] = frozenset()
    """Names of components whose files are known to be those of the source, byte for byte."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "created", _utc(self.created))

    def to_json(self) -> dict[str, Any]:
        """Every field, files in the order of their paths; a score that is no number is null."""
        metrics = {
            name: score if math.isfinite(score) else None for name, score in sorted(self.metrics.items())
        }
        lists = {
            "labels": [*self.labels],
            "languages": [*self.languages],
            "changes": [*self.changes],
            "unchanged": sorted(self.unchanged),
        }
        files = {path: asdict(one) for path, one in sorted(self.files.items())}
        return asdict(self) | lists | {"metrics": metrics, "files": files}


def _utc(moment: str) -> str:
    """``"2026-11-24T21:00:00+09:00" -> "2026-11-24T12:00:00Z"``; without a zone it is read as UTC."""
    if not moment:
        return ""
    try:
        parsed = dt.datetime.fromisoformat(moment)
    except ValueError as error:
        raise ConfigError("U120", found=moment) from error
    zoned = parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)
    return zoned.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
