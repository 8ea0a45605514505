"""Cards of encoders: what they are, which adapter they want, what is stated about their licences and where.

It does not judge licences and does not know where the weights are. A card is a TOML file in ``encoders/``;
what has no source is empty there and means "not verified".
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast, get_args

from jptextclf import messages
from jptextclf.errors import ConfigError
from jptextclf.licensing.components import NOASSERTION, Component, Evidence, Relation, spdx_expression

Part = Literal["weights", "code", "vocabulary"]


@dataclass(frozen=True)
class LicenseStatement:
    """What one source says about the licence of one part."""

    what: Part
    id: str
    """SPDX expression."""
    evidence: Evidence


@dataclass(frozen=True)
class EncoderCard:
    """What is known about one encoder."""

    name: str
    """What ``--model`` may be given, and the file's name."""
    source: str
    """Hub id."""
    architecture: str
    """``model_type`` of its configuration."""
    adapter: str
    """Registry name of the tokenizer adapter."""
    revision: str = ""
    """Exact upstream version that the card was written for."""
    aliases: tuple[str, ...] = ()
    """Other hub ids that it has or had."""
    options: Mapping[str, bool | int | str] = field(default_factory=dict)
    """Of the adapter."""
    max_length: int = 0
    """Pieces per text, special tokens included. 0: not verified."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes."""
    licenses: tuple[LicenseStatement, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """File name -> SHA-256."""
    notes: str = ""

    def statements(self, part: Part) -> tuple[LicenseStatement, ...]:
        """What is stated about the licence of one part."""
        return tuple(one for one in self.licenses if one.what == part)

    def component(
        self,
        role: Literal["base_model", "tokenizer"] = "base_model",
        *,
        relation: Relation | None = None,
        sha256: str = "",
        bundled: bool = False,
    ) -> Component:
        """The encoder, or its tokenizer, as a component of a model that is made from it.

        Licences that differ between statements are all named, joined with ``AND``.

        :param relation: ``fine-tuned-from`` and ``tokenized-with`` unless something else is said
        :param sha256: of the file, or of the manifest of the files, that was used
        :param bundled: whether its files are inside the run directory
        """
        statements = self.statements("weights" if role == "base_model" else "vocabulary")
        usual: Relation = "fine-tuned-from" if role == "base_model" else "tokenized-with"
        return Component(
            role=role,
            name=self.source,
            relation=relation or usual,
            license=" AND ".join(dict.fromkeys(one.id for one in statements)) or NOASSERTION,
            revision=self.revision or None,
            sha256=sha256,
            url=f"https://huggingface.co/{self.source}",
            note=self.notes,
            bundled=bundled,
            evidence=tuple(one.evidence for one in statements),
        )


def encoder_cards() -> list[EncoderCard]:
    """All cards, by name.

    :raises ConfigError: a card is damaged (``JPT-U051``)
    """
    return [load_encoder_card(name) for name in _names()]


def find_encoder_card(reference: str) -> EncoderCard | None:
    """The card whose name, hub id or alias this is; upper and lower case are the same."""
    wanted = reference.casefold()
    for card in encoder_cards():
        if wanted in (one.casefold() for one in (card.name, card.source, *card.aliases)):
            return card
    return None


@cache
def load_encoder_card(name: str) -> EncoderCard:
    """The card of that name.

    :raises ConfigError: there is none (``JPT-U052``, with the closest name) or it is damaged (``JPT-U051``)
    """
    known = _names()
    if name not in known:
        raise ConfigError(
            "U052", name=name, known=messages.listing(known), hint=messages.did_you_mean(name, known)
        )
    return read_encoder_card(_directory() / f"{name}.toml")


def read_encoder_card(path: Path) -> EncoderCard:
    """A card from its file, strictly: no unknown keys, no missing ones, no statement without a source.

    :raises ConfigError: one error that lists every problem (``JPT-U051``)
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError("U051", path=path, n=1, problems=f"  - {error}") from error
    problems = _problems(table)
    if not problems and table["name"] != path.stem:
        problems = [_expected("name", table["name"], "file_name", name=path.stem)]
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise ConfigError("U051", path=path, n=len(problems), problems=lines)
    return _card_of(table)


def _directory() -> Path:
    return Path(str(resources.files(__name__) / "encoders"))


def _names() -> list[str]:
    return sorted(path.stem for path in _directory().glob("*.toml"))


def _card_of(table: dict[str, Any]) -> EncoderCard:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    statements = tuple(_statement_of(one) for one in values.pop("license", ()))
    return EncoderCard(**values, licenses=statements)


def _statement_of(table: dict[str, Any]) -> LicenseStatement:
    places = {key: value for key, value in table.items() if key not in ("what", "id")}
    return LicenseStatement(what=cast("Part", table["what"]), id=table["id"], evidence=Evidence(**places))


def _problems(table: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a card's table, one sentence each."""
    found = _check(table, _CARD_RULES, _CARD_REQUIRED, "")
    for key, rule in (("options", _OPTION), ("files", _HASH)):
        entries = table.get(key)
        if isinstance(entries, dict):
            found += _check(entries, dict.fromkeys(entries, rule), (), f"{key}.")
    statements = table.get("license")
    for number, one in enumerate(statements if isinstance(statements, list) else ()):
        where = f"license[{number}]"
        if not isinstance(one, dict):
            found.append(_expected(where, one, "a_table"))
            continue
        found += _check(one, _LICENSE_RULES, _LICENSE_REQUIRED, f"{where}.")
        if not (one.get("url") or one.get("file")):
            found.append(messages.text("cards.no_source", key=where))
    return found


_Rule = tuple[Callable[[Any], bool], str]


def _check(
    table: dict[str, Any], rules: Mapping[str, _Rule], required: tuple[str, ...], where: str
) -> list[str]:
    """Missing keys, unknown keys and wrong values of one table."""
    found = [messages.text("cards.missing_key", key=where + key) for key in required if key not in table]
    for key, value in table.items():
        if key not in rules:
            hint = messages.did_you_mean(key, rules)
            found.append(messages.text("cards.unknown_key", key=where + key, hint=hint))
            continue
        valid, expected = rules[key]
        if not valid(value):
            found.append(_expected(where + key, value, expected))
    return found


def _expected(key: str, value: object, expected: str, **details: object) -> str:
    sentence = messages.text(f"cards.{expected}", **details)
    return messages.text("cards.expected", key=key, found=repr(value), expected=sentence)


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


def _each_matches(pattern: str) -> Callable[[Any], bool]:
    matches = _matches(pattern)
    return lambda value: isinstance(value, list) and all(matches(one) for one in value)


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_spdx(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        spdx_expression(value)
    except ConfigError:
        return False
    return True


_TEXT: _Rule = (lambda value: isinstance(value, str), "a_text")
_FILLED: _Rule = (lambda value: isinstance(value, str) and bool(value.strip()), "a_filled_text")
_TABLE: _Rule = (lambda value: isinstance(value, dict), "a_table")
_OPTION: _Rule = (lambda value: isinstance(value, (bool, int, str)), "an_option")
_HASH: _Rule = (_matches(r"[0-9a-f]{64}"), "a_sha256")
_HUB_ID = r"[\w.-]+(/[\w.-]+)?"

_CARD_RULES: dict[str, _Rule] = {
    "name": (_matches(r"[a-z0-9]+([.-][a-z0-9]+)*"), "a_name"),
    "source": (_matches(_HUB_ID), "a_hub_id"),
    # A branch is not a version: what it names changes.
    "revision": (_matches(r"(?!(main|master)$).*"), "a_revision"),
    "aliases": (_each_matches(_HUB_ID), "hub_ids"),
    "architecture": _FILLED,
    "adapter": _FILLED,
    "options": _TABLE,
    "max_length": (_whole(0), "a_max_length"),
    "languages": (_each_matches(r"[a-z]{2,3}"), "languages"),
    "license": (lambda value: isinstance(value, list), "tables"),
    "files": _TABLE,
    "notes": _TEXT,
}
_CARD_REQUIRED = ("name", "source", "architecture", "adapter")

_LICENSE_RULES: dict[str, _Rule] = {
    "what": (lambda value: value in get_args(Part), "a_part"),
    "id": (_is_spdx, "a_license"),
    "statement": _FILLED,
    "url": (_matches(r"((https?://|pkg:)\S+)?"), "a_url"),
    "file": _TEXT,
    "revision": _TEXT,
    "sha256": (_matches(r"([0-9a-f]{64})?"), "a_sha256"),
    "line": (_whole(1), "a_line"),
    "date": (_matches(r"(\d{4}-\d{2}-\d{2})?"), "a_date"),
}
_LICENSE_REQUIRED = ("what", "id", "statement")
