"""Strict reading of cards: every problem of a TOML file in one error, and licence statements with their evidence.

It does not know what a card is about; each kind of card brings its own rules.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

from jptextclf import messages
from jptextclf.errors import ConfigError
from jptextclf.licensing.components import NOASSERTION, Evidence, join_and, spdx_expression

Part = Literal["weights", "code", "vocabulary", "dictionary"]

Rule = tuple[Callable[[Any], bool], str]
"""Whether a value will do, and the key of the sentence that says what was expected."""


@dataclass(frozen=True)
class LicenseStatement:
    """What one source says about the licence of one part."""

    what: Part
    id: str
    """SPDX expression."""
    evidence: Evidence
    since: str = ""
    """Day from which it holds, ``YYYY-MM-DD``; empty: from the beginning."""
    until: str = ""
    """Day on which another statement replaced it; empty: it still holds."""
    revisions: tuple[str, ...] = ()
    """Upstream versions that are known to be under it."""

    def holds_for(self, revision: str) -> bool | None:
        """Whether it is about a revision; None where nobody has recorded that."""
        if revision and any(one.startswith(revision) or revision.startswith(one) for one in self.revisions):
            return True
        return None if self.since or self.until else True


def joined_license(statements: Iterable[LicenseStatement]) -> str:
    """The licences of several statements, all of them named: ``MIT`` and ``BSD-3-Clause OR GPL-2.0-only`` ->
    ``MIT AND (BSD-3-Clause OR GPL-2.0-only)``. Nothing stated: ``NOASSERTION``.
    """
    return join_and(spdx_expression(one.id) for one in statements) or NOASSERTION


def declared_and_body(statements: Iterable[LicenseStatement]) -> tuple[str, str | None]:
    """What the metadata declare, and what a text states instead; None where nothing contradicts them."""
    said = list(statements)
    metadata = [one for one in said if one.evidence.statement.casefold().startswith("license:")]
    declared = joined_license(metadata)
    others = [one for one in said if one not in metadata and one.id != declared]
    if not metadata or not others:
        return joined_license(said), None
    return declared, joined_license(others)


@dataclass(frozen=True)
class LicenseHistory:
    """What is stated about the licence of one part at one revision."""

    declared: str
    body: str | None
    """Another statement that counts beside it: of the text, or of a time that may be the revision's."""
    previous: str = ""
    """What it was before this revision."""
    later: str = ""
    """What it became after this revision."""
    statements: tuple[LicenseStatement, ...] = ()


def license_at(statements: Iterable[LicenseStatement], revision: str) -> LicenseHistory:
    """The licence of a revision, from statements that may hold for a time only.

    Where nobody has recorded to which time the revision belongs, the statements of all times count.
    """
    said = list(statements)
    sure = [one for one in said if one.revisions and one.holds_for(revision)]
    always = [one for one in said if not (one.since or one.until)]
    timed = [one for one in said if one.since or one.until]
    if not timed or not sure:
        now = [one for one in timed if not one.until]
        declared, body = declared_and_body(always + now)
        past = joined_license(one for one in timed if one.until)
        return LicenseHistory(
            declared, body or (past if timed and past != NOASSERTION else None), statements=tuple(said)
        )
    declared, body = declared_and_body(always + sure)
    others = [one for one in timed if one not in sure]
    before = [
        one for one in others if one.until and all(one.until <= (two.since or two.until) for two in sure)
    ]
    after = [one for one in others if one not in before]
    return LicenseHistory(
        declared,
        body,
        previous="" if not before else joined_license(before),
        later="" if not after else joined_license(after),
        statements=tuple(said),
    )


def card_directory(kind: str) -> Path:
    """Where the cards of one kind are."""
    return Path(str(resources.files("jptextclf.cards") / kind))


def card_names(kind: str) -> list[str]:
    """Names of all cards of one kind, sorted."""
    return sorted(path.stem for path in card_directory(kind).glob("*.toml"))


def read_table(path: Path, code: str, problems_of: Callable[[dict[str, Any]], list[str]]) -> dict[str, Any]:
    """The table of a card that has no problems and is named like its file.

    :param code: of the error
    :param problems_of: one sentence for each thing that is wrong with a table
    :raises ConfigError: one error that lists every problem
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(code, path=path, n=1, problems=f"  - {error}") from error
    problems = problems_of(table)
    if not problems and table["name"] != path.stem:
        problems = [expected("name", table["name"], "file_name", name=path.stem)]
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise ConfigError(code, path=path, n=len(problems), problems=lines)
    return table


def check(
    table: dict[str, Any], rules: Mapping[str, Rule], required: tuple[str, ...], where: str = ""
) -> list[str]:
    """Missing keys, unknown keys and wrong values of one table."""
    found = [messages.text("cards.missing_key", key=where + key) for key in required if key not in table]
    for key, value in table.items():
        if key not in rules:
            hint = messages.did_you_mean(key, rules)
            found.append(messages.text("cards.unknown_key", key=where + key, hint=hint))
            continue
        valid, sentence = rules[key]
        if not valid(value):
            found.append(expected(where + key, value, sentence))
    return found


def check_statements(table: dict[str, Any], parts: tuple[str, ...], sentence: str) -> list[str]:
    """What is wrong with the ``[[license]]`` tables of a card.

    :param parts: of what a licence may be stated in this kind of card
    :param sentence: key of the sentence that names these parts
    """
    found = []
    rules = {"what": (lambda value: value in parts, sentence), **_LICENSE_RULES}
    statements = table.get("license")
    for number, one in enumerate(statements if isinstance(statements, list) else ()):
        where = f"license[{number}]"
        if not isinstance(one, dict):
            found.append(expected(where, one, "a_table"))
            continue
        found += check(one, rules, _LICENSE_REQUIRED, f"{where}.")
        if not (one.get("url") or one.get("file")):
            found.append(messages.text("cards.no_source", key=where))
    return found


def statements_of(tables: Iterable[dict[str, Any]]) -> tuple[LicenseStatement, ...]:
    """Licence statements from tables that were checked."""
    return tuple(_statement_of(one) for one in tables)


def expected(key: str, value: object, sentence: str, **details: object) -> str:
    """The sentence that says what was found and what was expected."""
    wanted = messages.text(f"cards.{sentence}", **details)
    return messages.text("cards.expected", key=key, found=repr(value), expected=wanted)


def matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


def each_matches(pattern: str) -> Callable[[Any], bool]:
    one_matches = matches(pattern)
    return lambda value: isinstance(value, list) and all(one_matches(one) for one in value)


def whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


TEXT: Rule = (lambda value: isinstance(value, str), "a_text")
FILLED: Rule = (lambda value: isinstance(value, str) and bool(value.strip()), "a_filled_text")
TABLE: Rule = (lambda value: isinstance(value, dict), "a_table")
TABLES: Rule = (lambda value: isinstance(value, list), "tables")
HASH: Rule = (matches(r"[0-9a-f]{64}"), "a_sha256")
CARD_NAME: Rule = (matches(r"[a-z0-9]+([.-][a-z0-9]+)*"), "a_name")


def _statement_of(table: dict[str, Any]) -> LicenseStatement:
    own = {"what", "id", "since", "until", "revisions"}
    return LicenseStatement(
        what=cast("Part", table["what"]),
        id=table["id"],
        evidence=Evidence(**{key: value for key, value in table.items() if key not in own}),
        since=table.get("since", ""),
        until=table.get("until", ""),
        revisions=tuple(table.get("revisions", ())),
    )


def _is_spdx(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        spdx_expression(value)
    except ConfigError:
        return False
    return True


_LICENSE_RULES: dict[str, Rule] = {
    "id": (_is_spdx, "a_license"),
    "statement": FILLED,
    "url": (matches(r"((https?://|pkg:)\S+)?"), "a_url"),
    "file": TEXT,
    "revision": TEXT,
    "sha256": (matches(r"([0-9a-f]{64})?"), "a_sha256"),
    "line": (whole(1), "a_line"),
    "date": (matches(r"(\d{4}-\d{2}-\d{2})?"), "a_date"),
    "since": (matches(r"\d{4}-\d{2}-\d{2}"), "a_date"),
    "until": (matches(r"\d{4}-\d{2}-\d{2}"), "a_date"),
    "revisions": (each_matches(r"[0-9a-f]{7,40}"), "commits"),
}
_LICENSE_REQUIRED = ("what", "id", "statement")
