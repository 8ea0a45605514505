"""A data set on a hub: fetched at one commit, opened through ``datasets``, its licence tag read.

It does not know which column holds the text. Data files only (Parquet, CSV, JSON Lines ...): no code of a
repository is ever fetched or run.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.atomic import sha256_of
from jptextclf.errors import ConfigError, DataError
from jptextclf.hub import HubId, Snapshot, fetch_snapshot
from jptextclf.licensing.beside import read_beside
from jptextclf.licensing.components import Component
from jptextclf.store import manifest_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jptextclf.progress import Progress

MAX_BYTES = 20 << 30
"""Of all data files together; a larger data set is not fetched."""
_SUFFIXES = ("parquet", "csv", "tsv", "jsonl", "ndjson", "json", "txt")
_PATTERNS = (
    *(f"*.{suffix}" for suffix in _SUFFIXES),
    *(f"*.{suffix}.gz" for suffix in _SUFFIXES),
    "README.md",
)
_IGNORED = (".*", "*/.*", "requirements*.txt", "LICENSE*", "dataset_infos.json", "dataset_dict.json")
_FORM = re.compile(r"(?P<repo>[^:@]+)(?::(?P<config>[^@]*))?(?P<revision>@.*)?", re.DOTALL)


@dataclass(frozen=True)
class HubDataset:
    """Rows of each split, and what is known about where they come from."""

    splits: dict[str, Rows]
    """By the name that upstream gave the split."""
    component: Component
    """For the licence record."""
    revision: str
    """Commit."""
    notes: tuple[str, ...] = ()
    """Sentences that the user should see."""


class Rows:
    """The rows of one split, as often as asked, read from disk. Class ids are given as their names."""

    def __init__(self, rows: Any) -> None:
        from datasets import ClassLabel

        self._rows = rows
        self._names: dict[str, list[str]] = {}
        for column, feature in rows.features.items():
            # A list of classes holds its class feature inside.
            found = next(
                (one for one in (feature, getattr(feature, "feature", None)) if isinstance(one, ClassLabel)),
                None,
            )
            if found is not None:
                self._names[column] = list(found.names)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._rows.column_names)

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            named = {column: _named(row[column], names) for column, names in self._names.items()}
            yield {**row, **named}


def load_hub_dataset(name: str, *, progress: Progress | None = None) -> HubDataset:
    """A data set by ``org/name[:configuration][@revision]``.

    :raises ConfigError: no possible id (``JPT-U071``), or no or an unknown configuration (``JPT-U065``)
    :raises DataError: no data files (``JPT-D051``), they cannot be read (``JPT-D052``), or they are too large
        (``JPT-D053``)
    :raises SetupError: what :func:`jptextclf.hub.fetch_snapshot` raises
    """
    parts = _FORM.fullmatch(name.strip())
    config = parts["config"] if parts else None
    hub_id = HubId.parse(name if parts is None else parts["repo"] + (parts["revision"] or ""))

    def check(files: Mapping[str, int]) -> None:
        _check_files(files, hub_id)

    snapshot = fetch_snapshot(
        hub_id, kind="dataset", patterns=_PATTERNS, ignore=_IGNORED, check=check, progress=progress
    )
    with _silent(), _translated(hub_id):
        splits = _open(snapshot.directory, hub_id, config)
    return HubDataset(splits, _component(snapshot, config), snapshot.commit, snapshot.notes)


def _check_files(files: Mapping[str, int], hub_id: HubId) -> None:
    data = {name: size for name, size in files.items() if name.endswith(_SUFFIXES) or name.endswith(".gz")}
    if not data:
        raise DataError(
            "D051", id=hub_id, files=messages.listing(sorted(files)) or messages.text("words.none")
        )
    total = sum(data.values())
    if total > MAX_BYTES:
        raise DataError("D053", id=hub_id, size=_gigabytes(total), limit=_gigabytes(MAX_BYTES))


def _open(directory: Path, hub_id: HubId, config: str | None) -> dict[str, Rows]:
    from datasets import get_dataset_config_names, get_dataset_default_config_name, load_dataset

    known = get_dataset_config_names(str(directory))
    if config is None and get_dataset_default_config_name(str(directory)) is None:
        raise ConfigError(
            "U065", id=hub_id, problem=messages.text("corpora.config_wanted"), **_configs(hub_id, known)
        )
    if config is not None and config not in known:
        problem = messages.text(
            "corpora.config_unknown", config=config, hint=messages.did_you_mean(config, known)
        )
        raise ConfigError("U065", id=hub_id, problem=problem, **_configs(hub_id, known))
    loaded = load_dataset(str(directory), config)
    return {str(split): Rows(rows) for split, rows in loaded.items()}


def _configs(hub_id: HubId, known: list[str]) -> dict[str, str]:
    revision = f"@{hub_id.revision}" if hub_id.revision else ""
    return {"known": messages.listing(known, 20), "example": f"{hub_id.repo}:{known[0]}{revision}"}


def _component(snapshot: Snapshot, config: str | None) -> Component:
    hashes = {
        path.relative_to(snapshot.directory).as_posix(): sha256_of(path)
        for path in sorted(snapshot.directory.rglob("*"))
        if path.is_file() and path.name.removesuffix(".gz").endswith(_SUFFIXES)
    }
    files_url = f"{snapshot.url}/blob/{snapshot.commit}"
    stated = read_beside(snapshot.directory, revision=snapshot.commit, url=files_url, is_data=True)
    unstated = Component(
        role="training_data",
        name=snapshot.id.repo + (f":{config}" if config else ""),
        relation="trained-on",
        revision=snapshot.commit,
        personal_information="unknown",
        sha256=manifest_sha256(hashes),
        url=snapshot.url,
    )
    return stated.complete(unstated)


def _named(value: Any, names: list[str]) -> Any:
    """Class ids as names; -1 is how a test split without labels is written."""
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"


@contextmanager
def _translated(hub_id: HubId) -> Iterator[None]:
    """What ``datasets`` raises for files it cannot read, whatever its class, as one error of ours."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        problem = f"{type(root).__name__}: {str(root).strip().splitlines()[0] if str(root).strip() else ''}"
        raise DataError("D052", id=hub_id, problem=problem) from error


@contextmanager
def _silent() -> Iterator[None]:
    """No bars and English remarks of ``datasets`` between our own lines."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from datasets.utils import logging

    were_disabled, level = are_progress_bars_disabled(), logging.get_verbosity()
    disable_progress_bars()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if not were_disabled:
            enable_progress_bars()
