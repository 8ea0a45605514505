"""CorpusCard: what is known about one corpus, read strictly from ``corpora/<name>/corpus.toml``.

It does not know where the texts are. What has no source is empty and shown as "not verified".
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args

from jptextclf import messages
from jptextclf.errors import ConfigError, DataError
from jptextclf.labels import TASKS, LabelSchema, Task
from jptextclf.licensing.components import Evidence, spdx_expression

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

State = Literal["available", "withdrawn"]
Commercial = Literal["yes", "no", ""]
PersonalInformation = Literal["none-confirmed", "contains", "unknown", ""]
Split = Literal["train", "validation", "test", "all"]

CARD = "corpus.toml"
SCHEMA = 1
"""Version of the card's form."""

T = TypeVar("T")


@dataclass(frozen=True)
class Bilingual:
    """One sentence or title in both languages; ``str()`` gives the one of now."""

    ja: str = ""
    en: str = ""

    def __str__(self) -> str:
        return self.ja if messages.language() == "ja" else self.en

    def __bool__(self) -> bool:
        return bool(self.ja and self.en)


@dataclass(frozen=True)
class CorpusTask:
    """One thing that a corpus can be used to learn: a column and what stands in it."""

    name: str
    task: Task
    column: str = ""
    """Empty: not verified."""
    labels: tuple[str, ...] = ()
    """Every label name. Empty: not verified."""
    separator: str = ""
    """Between the labels of one text, in a multi-label column that is not a list."""


@dataclass(frozen=True)
class CorpusFile:
    """One file of texts."""

    split: Split
    """``all``: the file holds several splits, told by the split column, or was never split."""
    path: str
    """File name beside the card or in the store."""
    url: str = ""
    """Where it is fetched from. Empty: it has to be obtained by hand."""
    sha256: str = ""
    """Empty: pinned at the first fetch."""


@dataclass(frozen=True)
class CorpusLicense:
    """The licence as seen, and where."""

    expression: str = ""
    """SPDX expression. Empty: not verified."""
    commercial: Commercial = ""
    """Whether the licence text allows commercial use. Empty: not verified."""
    note: Bilingual = field(default_factory=Bilingual)
    """Terms beside the licence, conflicts between sources."""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class CorpusCard:
    """What is known about one corpus. What has no source is empty; an invalid card cannot be built.

    :raises ValueError: it contradicts itself; the message lists every problem
    """

    name: str
    title: Bilingual
    description: Bilingual
    language: str
    """ISO 639-1 code of the texts."""
    state: State
    license: CorpusLicense
    homepage: str = ""
    revision: str = ""
    """Upstream commit, release or date that ``files`` belong to. Empty: not pinned by the card."""
    citation: str = ""
    personal_information: PersonalInformation = ""
    """Whether the texts hold any. Empty: not verified."""
    obtain: Bilingual = field(default_factory=Bilingual)
    """How a person gets the texts, or why they no longer can."""
    header: bool = True
    """Whether the files name their columns themselves. False: ``columns`` names them."""
    columns: tuple[str, ...] = ()
    text_column: str = ""
    split_column: str = ""
    tasks: tuple[CorpusTask, ...] = ()
    """The first is the default."""
    files: tuple[CorpusFile, ...] = ()

    def __post_init__(self) -> None:
        if problems := dict(_problems(self)):
            raise _InvalidCardError(problems)


class _InvalidCardError(ValueError):
    """Problems of a card by key."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("\n".join(problems.values()))
        self.problems = problems


def read_card(path: Path) -> CorpusCard:
    """A card from its file, strictly: no unknown keys, no missing ones, no wrong types.

    :raises DataError: one error that lists every problem (``JPT-D050``)
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError("D050", path=path, n=1, problems=f"  - {error}") from error
    table = _Table(values)
    try:
        card = _card_of(table)
        problems: Mapping[str, str] = table.problems
    except _InvalidCardError as error:
        # Where a value has the wrong type, what else is wrong with its key is noise.
        problems = {**error.problems, **table.problems}
    if not problems and card.name != path.parent.name:
        problems = {"name": messages.text("corpora.wrong_name", found=card.name, expected=path.parent.name)}
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems.values())
        raise DataError("D050", path=path, n=len(problems), problems=lines)
    return card


def _card_of(table: _Table) -> CorpusCard:
    if table.number("schema") not in (SCHEMA, None):
        table.problem("schema", "expected", found=table.values["schema"], expected=SCHEMA)
    data = table.table("data")
    fields: dict[str, Any] = {
        "name": table.text("name"),
        "title": _bilingual(table.table("title", required=True)),
        "description": _bilingual(table.table("description", required=True)),
        "language": table.text("language"),
        "state": table.text("state"),
        "license": _license_of(table.table("license", required=True)),
        "homepage": table.text("homepage", default=""),
        "revision": table.text("revision", default=""),
        "citation": table.text("citation", default=""),
        "personal_information": table.text("personal_information", default=""),
        "obtain": _bilingual(table.table("obtain", required=True)),
        "header": data.flag("header", default=True),
        "columns": data.texts("columns"),
        "text_column": data.text("text_column", default=""),
        "split_column": data.text("split_column", default=""),
        "tasks": tuple(_task_of(name, one) for name, one in table.named_tables("tasks")),
        "files": tuple(_file_of(one) for one in table.tables("files")),
    }
    for one in (data, table):
        one.report_unknown()
    return CorpusCard(**fields)


def _bilingual(table: _Table) -> Bilingual:
    both = Bilingual(ja=table.text("ja"), en=table.text("en"))
    table.report_unknown()
    return both


def _license_of(table: _Table) -> CorpusLicense:
    note = table.table("note")
    evidence = [_evidence_of(one) for one in table.tables("evidence")]
    found = CorpusLicense(
        expression=table.text("expression", default=""),
        commercial=cast("Commercial", table.text("commercial", default="")),
        note=_bilingual(note) if note.values else Bilingual(),
        evidence=tuple(one for one in evidence if one is not None),
    )
    table.report_unknown()
    return found


def _evidence_of(table: _Table) -> Evidence | None:
    fields: dict[str, Any] = {"statement": table.text("statement")}
    for key in ("url", "file", "revision", "sha256", "date"):
        fields[key] = table.text(key, default="")
    fields["line"] = table.number("line") if "line" in table.values else None
    table.report_unknown()
    if not fields["url"] and not fields["file"]:
        table.problem("url", "evidence_without_place")
        return None
    return Evidence(**fields)


def _task_of(name: str, table: _Table) -> CorpusTask:
    found = CorpusTask(
        name=name,
        column=table.text("column", default=""),
        task=cast("Task", table.text("task")),
        labels=table.texts("labels"),
        separator=table.text("separator", default=""),
    )
    table.report_unknown()
    return found


def _file_of(table: _Table) -> CorpusFile:
    found = CorpusFile(
        split=cast("Split", table.text("split")),
        path=table.text("path"),
        url=table.text("url", default=""),
        sha256=table.text("sha256", default=""),
    )
    table.report_unknown()
    return found


class _Table:
    """A TOML table that remembers what was asked for and what was wrong with it; a bad value reads as empty."""

    def __init__(
        self, values: dict[str, Any], where: str = "", problems: dict[str, str] | None = None
    ) -> None:
        self.values = values
        self.where = where
        self.problems: dict[str, str] = {} if problems is None else problems
        self._asked: list[str] = []

    def text(self, key: str, *, default: str | None = None) -> str:
        value = self._get(key, str, "a_text", required=default is None)
        return (default or "") if value is None else value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._get(key, bool, "a_flag")
        return default if value is None else value

    def number(self, key: str) -> int | None:
        return self._get(key, int, "a_number", required=True)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key, list, "texts") or []
        if not all(isinstance(item, str) for item in value):
            self.problem(key, "expected", found=value, expected=messages.text("corpora.texts"))
            return ()
        return tuple(value)

    def table(self, key: str, *, required: bool = False) -> _Table:
        return self._child(key, self._get(key, dict, "a_table", required=required) or {})

    def tables(self, key: str) -> list[_Table]:
        value = self._get(key, list, "tables") or []
        if not all(isinstance(item, dict) for item in value):
            self.problem(key, "expected", found=value, expected=messages.text("corpora.tables"))
            return []
        return [self._child(f"{key}[{number}]", item) for number, item in enumerate(value)]

    def named_tables(self, key: str) -> list[tuple[str, _Table]]:
        value = self._get(key, dict, "a_table") or {}
        wrong = [name for name, item in value.items() if not isinstance(item, dict)]
        for name in wrong:
            self.problem(
                f"{key}.{name}", "expected", found=value[name], expected=messages.text("corpora.a_table")
            )
        return [
            (name, self._child(f"{key}.{name}", item)) for name, item in value.items() if name not in wrong
        ]

    def report_unknown(self) -> None:
        for key in self.values:
            if key not in self._asked:
                self.problem(key, "unknown_key", hint=messages.did_you_mean(key, self._asked))

    def problem(self, key: str, kind: str, **fields: object) -> None:
        full = self.where + key
        self.problems[full] = messages.text(f"corpora.{kind}", key=full, **fields)

    def _child(self, key: str, values: dict[str, Any]) -> _Table:
        return _Table(values, f"{self.where}{key}.", self.problems)

    def _get(self, key: str, kind: type[T], expected: str, *, required: bool = False) -> T | None:
        self._asked.append(key)
        if key not in self.values:
            if required:
                self.problem(key, "missing_key")
            return None
        value = self.values[key]
        # bool is an int in Python, not in a card.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.problem(key, "expected", found=repr(value), expected=messages.text(f"corpora.{expected}"))
            return None
        return value


def _problems(card: CorpusCard) -> Iterator[tuple[str, str]]:
    """Everything in which a card contradicts itself: key, sentence."""
    for key, value, valid, expected in _rules(card):
        if not valid:
            sentence = messages.text(f"corpora.{expected}")
            yield key, messages.text("corpora.expected", key=key, found=repr(value), expected=sentence)
    if card.license.expression:
        try:
            spdx_expression(card.license.expression)
        except ConfigError as error:
            yield "license.expression", f"license.expression: {error.message}"
    for task in card.tasks:
        if task.task in TASKS and task.labels:
            try:
                LabelSchema(task.labels, task.task)
            except ConfigError as error:
                yield f"tasks.{task.name}.labels", f"tasks.{task.name}.labels: {error.message}"


def _rules(card: CorpusCard) -> Iterator[tuple[str, object, bool, str]]:
    """Key, value, whether it is valid, what was expected."""
    yield "name", card.name, bool(_NAME.fullmatch(card.name)), "a_name"
    yield "language", card.language, bool(_LANGUAGE.fullmatch(card.language)), "a_language"
    yield "state", card.state, card.state in get_args(State), "a_state"
    yield (
        "personal_information",
        card.personal_information,
        card.personal_information in get_args(PersonalInformation),
        "a_personal_information",
    )
    yield "homepage", card.homepage, _is_url_or_empty(card.homepage), "a_url"
    for key in ("title", "description", "obtain"):
        value = getattr(card, key)
        yield key, value, bool(value), "both_languages"
    note = card.license.note
    yield "license.note", note, bool(note.ja) == bool(note.en), "both_languages"
    yield (
        "license.commercial",
        card.license.commercial,
        card.license.commercial in get_args(Commercial),
        "a_commercial",
    )
    yield (
        "license.evidence",
        list(card.license.evidence),
        bool(card.license.evidence) or not card.license.expression,
        "evidence_for_license",
    )
    for number, evidence in enumerate(card.license.evidence):
        key = f"license.evidence[{number}]"
        yield f"{key}.url", evidence.url, _is_url_or_empty(evidence.url), "a_url"
        yield (
            f"{key}.date",
            evidence.date,
            not evidence.date or bool(_DATE.fullmatch(evidence.date)),
            "a_date",
        )
        yield f"{key}.sha256", evidence.sha256, _is_sha256_or_empty(evidence.sha256), "a_sha256"
    yield "data.columns", card.columns, len(set(card.columns)) == len(card.columns), "distinct"
    yield "data.columns", card.columns, card.header or bool(card.columns), "columns_for_headerless"
    yield from _column_rules(card)
    yield from _file_rules(card)


def _column_rules(card: CorpusCard) -> Iterator[tuple[str, object, bool, str]]:
    named = {"data.text_column": card.text_column, "data.split_column": card.split_column}
    for task in card.tasks:
        key = f"tasks.{task.name}"
        yield f"{key}.task", task.task, task.task in TASKS, "a_task"
        named[f"{key}.column"] = task.column
    for key, column in named.items():
        yield key, column, not column or not card.columns or column in card.columns, "one_of_columns"


def _file_rules(card: CorpusCard) -> Iterator[tuple[str, object, bool, str]]:
    splits = [file.split for file in card.files]
    yield "files", splits, len(set(splits)) == len(splits), "distinct_splits"
    yield "files", splits, "all" not in splits or len(splits) == 1, "all_alone"
    for number, file in enumerate(card.files):
        key = f"files[{number}]"
        yield f"{key}.split", file.split, file.split in get_args(Split), "a_split"
        yield f"{key}.path", file.path, _is_file_name(file.path), "a_file_name"
        yield f"{key}.url", file.url, _is_url_or_empty(file.url), "a_url"
        yield f"{key}.sha256", file.sha256, _is_sha256_or_empty(file.sha256), "a_sha256"


_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _is_url_or_empty(value: str) -> bool:
    return not value or bool(re.fullmatch(r"https?://[^\s/]+(/\S*)?", value))


def _is_sha256_or_empty(value: str) -> bool:
    return not value or bool(_SHA256.fullmatch(value))


def _is_file_name(value: str) -> bool:
    return (
        bool(value)
        and PurePosixPath(value).name == value
        and "\\" not in value
        and value not in {CARD, "MANIFEST.json"}
    )
