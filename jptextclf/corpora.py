"""Corpora by name: their cards, the texts at hand, and how texts are fetched, verified and pinned.

It does not know how texts are read or split. Texts lie beside the card where their licence lets us ship them, else
in the user's store after :func:`fetch`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from jptextclf import messages
from jptextclf.atomic import new_directory, sha256_of
from jptextclf.corpus_card import CARD, CorpusCard, CorpusFile, CorpusTask, read_card
from jptextclf.download import copy_file, download, is_url, local_path, shown
from jptextclf.errors import ConfigError, SetupError
from jptextclf.licensing.components import NOASSERTION, Component, Evidence
from jptextclf.licensing.conditions import is_citation
from jptextclf.licensing.reading import find_restrictions
from jptextclf.licensing.reading.names import find_names
from jptextclf.progress import Logged
from jptextclf.store import manifest_sha256, store_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jptextclf.progress import Progress

__all__ = [
    "CorpusCard",
    "LocalCorpus",
    "describe",
    "facts",
    "fetch",
    "list_corpora",
    "load_card",
    "local_corpus",
]

PIN = "MANIFEST.json"
"""The record of the first fetch, beside the texts."""
PIN_SCHEMA = 1
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class LocalCorpus:
    """A corpus whose texts are at hand and are those that the card or the first fetch pinned."""

    card: CorpusCard
    files: dict[str, Path]
    """By split: ``train``, ``validation``, ``test``; or one file as ``all``, see :class:`CorpusFile`."""
    revision: str | None
    """Upstream commit, release or date that the files belong to."""
    sha256: str
    """Of the one file, or of the manifest of the files (:func:`jptextclf.store.manifest_sha256`)."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Column names for files that have no header; None where the files name their columns."""
        return None if self.card.header else self.card.columns

    @property
    def text_column(self) -> str | None:
        return self.card.text_column or None

    @property
    def label_column(self) -> str | None:
        """The column of the default task."""
        return (self.card.tasks[0].column or None) if self.card.tasks else None

    @property
    def split_column(self) -> str | None:
        return self.card.split_column or None

    @property
    def label_separator(self) -> str | None:
        """Between the labels of the default task's column."""
        return (self.card.tasks[0].separator or None) if self.card.tasks else None

    def task_of(self, label_column: str) -> CorpusTask | None:
        """The card's task that is learned from this column, if it names one."""
        return next((task for task in self.card.tasks if task.column == label_column), None)

    def component(self) -> Component:
        """The corpus as training data, for the licence record."""
        stated = self.card.license
        return Component(
            role="training_data",
            name=self.card.name,
            relation="trained-on",
            license=stated.expression or NOASSERTION,
            revision=self.revision,
            personal_information=self.card.personal_information or None,
            sha256=self.sha256,
            url=self.card.homepage,
            note=str(stated.note),
            **_own_words(stated.expression, stated.evidence),
            evidence=stated.evidence,
        )


def _own_words(expression: str, evidence: Sequence[Evidence]) -> dict[str, Any]:
    """What upstream says in words of its own: instead of a licence, or as terms beside one."""
    if expression in {"", NOASSERTION}:
        said = [one.statement for one in evidence if not one.statement.startswith("license:")]
        return {"prose": "; ".join(said)}
    terms = [
        one.statement
        for one in evidence
        if not find_names(one.statement)
        and (any(found.is_term for found in find_restrictions(one.statement)) or is_citation(one.statement))
    ]
    return {"extra_terms": "\n".join(terms)}


def list_corpora() -> list[CorpusCard]:
    """Every card that comes with this package, by name.

    :raises DataError: a card is invalid (``JPT-D050``)
    """
    return [read_card(directory / CARD) for directory in _card_dirs().values()]


def load_card(name: str) -> CorpusCard:
    """The card of that name.

    :raises ConfigError: there is none (``JPT-U060``, with the closest name)
    :raises DataError: it is invalid (``JPT-D050``)
    """
    return read_card(_card_dir(name) / CARD)


def local_corpus(name: str) -> LocalCorpus:
    """The corpus of that name with its texts, from beside its card or from the store.

    :raises ConfigError: there is no such corpus (``JPT-U060``)
    :raises SetupError: its texts are not at hand (``JPT-E050``), or are not the pinned ones (``JPT-E057``,
        ``JPT-E059``)
    """
    card = load_card(name)
    shipped = _card_dir(name)
    if card.files and all((shipped / file.path).is_file() for file in card.files):
        expected = {file.path: file.sha256 for file in card.files}
        return _verified(card, shipped, card.files, expected, card.revision or None)
    pin = _read_pin(name)
    texts = _texts_dir(name)
    if pin is None:
        raise SetupError("E050", name=name, hint=_how_to_get(card))
    files = card.files or tuple(CorpusFile(split="all", path=path) for path in pin.files)
    return _verified(card, texts, files, pin.files, pin.revision)


def fetch(
    name: str, *, source: str | Path | None = None, accept_license: bool, progress: Progress | None = None
) -> LocalCorpus:
    """Get the texts of a corpus into the store. A later fetch has to give the same bytes as the first.

    Its licence is said to ``progress`` before anything is fetched, whether it was accepted before or not.

    :param source: an http(s) address or a local path, of the file, or of the directory that holds the files
        (an address of a directory ends with ``/``); default: the addresses of the card
    :param accept_license: the person has read the licence of the card and accepts it
    :raises ConfigError: no such corpus (``JPT-U060``), licence not accepted (``JPT-U061``), withdrawn
        (``JPT-U062``), no address known or one that does not fit the card (``JPT-U063``), not http or https
        (``JPT-U064``)
    :raises SetupError: it cannot be fetched (``JPT-E051`` to ``JPT-E056``), is not what the card or the first
        fetch pinned (``JPT-E058``), or the record of that fetch is damaged (``JPT-E059``)
    :raises WorkError: the store cannot be written (``JPT-W011``)
    """
    card = load_card(name)
    if card.files and all((_card_dir(name) / file.path).is_file() for file in card.files):
        return local_corpus(name)
    if card.state == "withdrawn":
        raise ConfigError("U062", name=name, hint=str(card.obtain))
    pin = _read_pin(name)
    files, sources = _sources(card, None if source is None else str(source), pin)
    if not accept_license:
        raise ConfigError("U061", name=name, title=str(card.title), license=license_lines(card))
    show = progress or Logged()
    show.say(license_lines(card))
    with new_directory(_texts_dir(name), overwrite=True, holds="") as directory:
        fetched: dict[str, str] = {}
        for file in files:
            _get(sources[file.path], directory / file.path, show)
            fetched[file.path] = sha256_of(directory / file.path)
            _check_pinned(name, file, fetched[file.path], pin)
        # The pin travels with the texts, so that neither is there without the other.
        _write_pin(directory, pin or _new_pin(card, files, fetched, sources))
    return local_corpus(name)


def license_lines(card: CorpusCard) -> str:
    """What a person reads before accepting: the licence, commercial use, terms beside it, the evidence."""
    return "\n".join(f"  {heading}: {value}" for heading, value in _rows(_license_facts(card)))


def describe(card: CorpusCard) -> list[tuple[str, str]]:
    """The card for a person: heading and value of each row, in the language of now; unknown is "not verified"."""
    facts = [
        ("title", str(card.title)),
        ("description", str(card.description)),
        ("language", card.language),
        ("state", messages.text(f"corpora.state_{card.state}")),
        ("homepage", card.homepage),
        ("revision", card.revision),
        *_license_facts(card),
        ("columns", messages.listing(card.columns, 50)),
        ("splits", messages.listing(file.split for file in card.files)),
        *(("task", _task_line(task)) for task in card.tasks),
        ("citation", card.citation),
        ("obtain", str(card.obtain)),
    ]
    if not card.tasks:
        facts.insert(-2, ("task", ""))
    return _rows(facts)


def facts(card: CorpusCard) -> dict[str, Any]:
    """The card for a machine: the same keys for every card and in every language, None where it is not verified."""
    stated = card.license
    return {
        "title": asdict(card.title),
        "description": asdict(card.description),
        "language": card.language,
        "state": card.state,
        "homepage": card.homepage or None,
        "revision": card.revision or None,
        "citation": card.citation or None,
        "personal_information": card.personal_information or None,
        "license": {
            "expression": stated.expression or None,
            "commercial": stated.commercial or None,
            "note": asdict(stated.note) if stated.note else None,
            "evidence": [_said(one) for one in stated.evidence] or None,
        },
        "columns": list(card.columns) or None,
        "text_column": card.text_column or None,
        "split_column": card.split_column or None,
        "tasks": [
            {
                "name": task.name,
                "task": task.task,
                "column": task.column or None,
                "labels": list(task.labels) or None,
                "separator": task.separator or None,
            }
            for task in card.tasks
        ]
        or None,
        "files": [_said(file) for file in card.files] or None,
        "obtain": asdict(card.obtain),
    }


def _said(record: CorpusFile | Evidence) -> dict[str, Any]:
    return {key: value or None for key, value in asdict(record).items()}


def _rows(facts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    unverified = messages.text("corpora.not_verified")
    return [(messages.text(f"corpora.row_{key}"), value or unverified) for key, value in facts]


def _license_facts(card: CorpusCard) -> list[tuple[str, str]]:
    stated = card.license
    commercial = stated.commercial and messages.text(f"corpora.commercial_{stated.commercial}")
    facts = [("license", stated.expression), ("commercial", commercial)]
    if stated.note:
        facts.append(("note", str(stated.note)))
    facts += [("evidence", _evidence_line(one)) for one in stated.evidence]
    return facts if stated.evidence else [*facts, ("evidence", "")]


def _evidence_line(evidence: Evidence) -> str:
    place = " ".join(part for part in (evidence.url, evidence.file, evidence.revision, evidence.date) if part)
    return messages.text("corpora.evidence", statement=evidence.statement, place=place)


def _task_line(task: CorpusTask) -> str:
    unverified = messages.text("corpora.not_verified")
    labels = messages.listing(task.labels, 50) or unverified
    return messages.text(
        "corpora.task", name=task.name, column=task.column or unverified, task=task.task, labels=labels
    )


def _card_dirs() -> dict[str, Path]:
    package = Path(__file__).parent
    # A wheel carries the cards inside the package; a checkout has them at its top.
    root = package / "corpora_data"
    if not root.is_dir():
        root = package.parent / "corpora"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CARD}"))}


def _card_dir(name: str) -> Path:
    known = _card_dirs()
    if name not in known:
        raise ConfigError(
            "U060", name=name, known=messages.listing(known, 20), hint=messages.did_you_mean(name, known)
        )
    return known[name]


def _texts_dir(name: str) -> Path:
    return store_dir() / "corpora" / name


def _how_to_get(card: CorpusCard) -> str:
    if card.state == "withdrawn":
        return str(card.obtain)
    has_addresses = card.files and all(file.url for file in card.files)
    key = "how_to_fetch" if has_addresses else "how_to_fetch_by_hand"
    return messages.text(f"corpora.{key}", name=card.name, obtain=str(card.obtain))


def _verified(
    card: CorpusCard,
    directory: Path,
    files: Sequence[CorpusFile],
    expected: Mapping[str, str],
    revision: str | None,
) -> LocalCorpus:
    """The corpus in this directory, if every file has the SHA-256 that is expected of it (empty: any)."""
    hashes: dict[str, str] = {}
    for file in files:
        path = directory / file.path
        try:
            hashes[file.path] = sha256_of(path)
        except OSError as error:
            raise SetupError("E050", name=card.name, hint=_how_to_get(card)) from error
        if expected.get(file.path) and hashes[file.path] != expected[file.path]:
            raise SetupError(
                "E057", path=path, found=hashes[file.path], expected=expected[file.path], name=card.name
            )
    total = next(iter(hashes.values())) if len(hashes) == 1 else manifest_sha256(hashes)
    paths = {file.split: directory / file.path for file in files}
    return LocalCorpus(card=card, files=cast("dict[str, Path]", paths), revision=revision, sha256=total)


def _sources(
    card: CorpusCard, source: str | None, pin: _Pin | None
) -> tuple[tuple[CorpusFile, ...], dict[str, str]]:
    """The files to get, and where each comes from: an address or a local path, by file name."""
    if source is None:
        if not card.files or not all(file.url for file in card.files):
            raise ConfigError("U063", name=card.name, problem=_how_to_get(card))
        return card.files, {file.path: file.url for file in card.files}
    is_directory = source.endswith("/") if is_url(source) else local_path(source).is_dir()
    if not card.files:
        name = PurePosixPath(urlsplit(source).path).name if is_url(source) else local_path(source).name
        if is_directory or not name:
            raise ConfigError("U063", name=card.name, problem=messages.text("corpora.one_file_wanted"))
        name = next(iter(pin.files)) if pin is not None else name
        return (CorpusFile(split="all", path=name),), {name: source}
    if is_directory:
        base = source.rstrip("/")
        return card.files, {file.path: f"{base}/{file.path}" for file in card.files}
    if len(card.files) > 1:
        wanted = messages.listing(file.path for file in card.files)
        raise ConfigError(
            "U063", name=card.name, problem=messages.text("corpora.directory_wanted", files=wanted)
        )
    return card.files, {card.files[0].path: source}


def _get(source: str, target: Path, progress: Progress) -> None:
    if is_url(source):
        download(source, target, progress=progress)
    else:
        copy_file(local_path(source), target)


@dataclass(frozen=True)
class _Pin:
    """What the first fetch of a corpus gave."""

    files: dict[str, str]
    """File name -> SHA-256."""
    sources: dict[str, str]
    """File name -> where it came from."""
    revision: str
    fetched: str
    """``YYYY-MM-DD``, UTC."""
    license: str
    """The expression that was accepted then."""


def _new_pin(
    card: CorpusCard, files: Sequence[CorpusFile], hashes: dict[str, str], sources: Mapping[str, str]
) -> _Pin:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    # The card's revision is that of its own files: those at its addresses, or with its hashes.
    is_cards_own = all(file.sha256 or sources[file.path] == file.url for file in files)
    commits = {found for source in sources.values() for found in _COMMIT.findall(source)}
    revision = (card.revision if is_cards_own else "") or (commits.pop() if len(commits) == 1 else today)
    return _Pin(
        files=hashes,
        sources={
            name: shown(source) if is_url(source) else str(local_path(source))
            for name, source in sources.items()
        },
        revision=revision,
        fetched=today,
        license=card.license.expression or NOASSERTION,
    )


def _check_pinned(name: str, file: CorpusFile, found: str, pin: _Pin | None) -> None:
    pinned = "" if pin is None else pin.files.get(file.path, "")
    if file.sha256 and found != file.sha256:
        by = messages.text("corpora.pinned_by_card")
        hint = messages.text("corpora.hint_other_than_card", name=name)
        raise SetupError("E058", file=file.path, found=found, expected=file.sha256, by=by, hint=hint)
    if pin is not None and pinned and found != pinned:
        by = messages.text("corpora.pinned_by_fetch", date=pin.fetched)
        hint = messages.text("corpora.hint_other_than_fetch", path=_texts_dir(name))
        raise SetupError("E058", file=file.path, found=found, expected=pinned, by=by, hint=hint)


def _read_pin(name: str) -> _Pin | None:
    path = _texts_dir(name) / PIN
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record.pop("schema") != PIN_SCHEMA:
            raise ValueError("schema")
        return _Pin(**record)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError("E059", path=path, name=name, problem=error) from error


def _write_pin(directory: Path, pin: _Pin) -> None:
    record = {"schema": PIN_SCHEMA, **asdict(pin)}
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    (directory / PIN).write_text(text, encoding="utf-8")
