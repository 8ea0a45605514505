"""What the user's own data are, for the licence record: declared by options, by a card, or not at all.

It does not judge. What nobody declared is recorded as unknown, never guessed.
"""

from __future__ import annotations

import datetime as dt
import stat
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from jptextclf.errors import ConfigError
from jptextclf.licensing.components import NOASSERTION, OWN, Component, Evidence, spdx_expression
from jptextclf.messages import did_you_mean, listing, text

if TYPE_CHECKING:
    from collections.abc import Callable

Origin = Literal["own", "customer", "public", "unknown"]
PersonalInformation = Literal["none-confirmed", "contains", "unknown"]


@dataclass(frozen=True)
class DataOrigin:
    """A declaration; ``unknown`` and ``NOASSERTION`` where there is none."""

    origin: Origin = "unknown"
    license: str = NOASSERTION
    """SPDX expression."""
    personal_information: PersonalInformation = "unknown"
    name: str = ""
    """What the data are called; empty takes the name of the file."""
    note: str = ""
    evidence: tuple[Evidence, ...] = ()

    def component(self, name: str, sha256: str) -> Component:
        """The data as a component of the licence record.

        :param name: used where the declaration has none
        :param sha256: of the file, or of the list of the files' hashes
        """
        unknown = Component(
            role="training_data",
            name=self.name or name,
            relation="trained-on",
            revision=f"sha256:{sha256}",
            origin="unknown",
            personal_information="unknown",
            sha256=sha256,
            note=self.note,
        )
        return self.complete(unknown)

    def complete(self, component: Component) -> Component:
        """A component that is known from elsewhere (a corpus card, a hub) with what only the user can say.

        Data that are declared as the user's own, without a licence, get :data:`jptextclf.licensing.components.OWN`. A note is added to the one
        that is there; a name is only taken where there is none.

        :raises ConfigError: the declaration contradicts what is known (``JPT-U040``)
        """
        own = self.origin == "own" and self.license == NOASSERTION
        declared: dict[str, Any] = {
            "license": (OWN if own else self.license, NOASSERTION),
            "origin": (self.origin, "unknown"),
            "personal_information": (self.personal_information, "unknown"),
        }
        changes: dict[str, Any] = {}
        for key, (value, nothing) in declared.items():
            known = getattr(component, key)
            if value in (nothing, known):
                continue
            if known not in (nothing, None):
                raise ConfigError("U040", name=component.name, key=_OPTIONS[key], value=value, known=known)
            changes[key] = value
        added = tuple(one for one in self.evidence if one not in component.evidence)
        notes = [component.note] if self.note in component.note else [component.note, self.note]
        return replace(
            component,
            **changes,
            name=component.name or self.name,
            note=" ".join(filter(None, notes)),
            evidence=component.evidence + added,
        )


def declare(
    *,
    data_origin: str | None = None,
    data_license: str | None = None,
    personal_information: str | None = None,
    data_card: Path | str | None = None,
) -> DataOrigin:
    """The declaration from options, a card, or both.

    :param data_card: TOML file with ``origin``, ``license``, ``personal_information``, ``name``, ``note`` and tables
        ``[[evidence]]`` (``statement``; ``url`` or ``file``; ``revision``, ``sha256``, ``line``, ``date``), all optional
    :raises ConfigError: an option has no such value (``JPT-U036``), the card has problems (``JPT-U037``, all at
        once), or card and options contradict each other (``JPT-U038``)
    """
    options = {"origin": data_origin, "license": data_license, "personal_information": personal_information}
    given = {key: value for key, value in options.items() if value is not None}
    problems = list(filter(None, (_problem(_OPTIONS[key], key, value) for key, value in given.items())))
    if problems:
        raise ConfigError("U036", problems=_lines(problems))
    if "license" in given:
        given["license"] = spdx_expression(given["license"])
    card = _read_card(Path(data_card)) if data_card is not None else {}
    against = [
        text("data.against_card", option=_OPTIONS[key], value=value, card=card[key])
        for key, value in given.items()
        if card.get(key, value) != value
    ]
    if against:
        raise ConfigError("U038", path=data_card, problems=_lines(against))
    return DataOrigin(**{**card, **given})


_OPTIONS = {
    "origin": "--data-origin",
    "license": "--data-license",
    "personal_information": "--personal-information",
}


def _read_card(path: Path) -> dict[str, Any]:
    try:
        # Reading a pipe would wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError(text("data.no_regular_file"))
        card = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError("U037", path=path, n=1, problems=_lines([problem])) from error
    problems = _unknown(card, _CARD_KEYS)
    problems += [problem for key in _CARD_KEYS if key in card and (problem := _problem(key, key, card[key]))]
    evidence = card.get("evidence", [])
    if not problems:
        problems = [
            line for number, item in enumerate(evidence, 1) for line in _evidence_problems(number, item)
        ]
    if problems:
        raise ConfigError("U037", path=path, n=len(problems), problems=_lines(problems))
    if "license" in card:
        card["license"] = spdx_expression(card["license"])
    card["evidence"] = tuple(Evidence(**_plain(item)) for item in evidence)
    return card


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    # TOML has dates of its own; a record has text.
    return {key: str(value) if isinstance(value, dt.date) else value for key, value in item.items()}


def _unknown(table: dict[str, Any], known: tuple[str, ...], where: str = "") -> list[str]:
    return [
        text("data.card_key", key=where + key, known=listing(known), hint=did_you_mean(key, known))
        for key in table
        if key not in known
    ]


def _evidence_problems(number: int, item: dict[str, Any]) -> list[str]:
    where = f"evidence[{number}]."
    keys = tuple(field.name for field in fields(Evidence))
    problems = _unknown(item, keys, where)
    for key, value in item.items():
        kinds = int if key == "line" else (str, dt.date) if key == "date" else str
        if key in keys and (not isinstance(value, kinds) or isinstance(value, bool)):
            expected = text("data.expect_line" if key == "line" else "data.expect_text")
            problems.append(text("data.card_value", key=where + key, found=repr(value), expected=expected))
    if not item.get("statement"):
        problems.append(
            text("data.card_value", key=where + "statement", found="''", expected=text("data.expect_text"))
        )
    if not (item.get("url") or item.get("file")):
        problems.append(text("data.card_place", key=where[:-1]))
    return problems


def _problem(shown: str, key: str, value: Any) -> str | None:
    """What is wrong with one value of a card or an option, as a sentence."""
    valid, expected = _RULES[key]
    if not valid(value):
        return text("data.card_value", key=shown, found=repr(value), expected=expected())
    if key == "license":
        try:
            spdx_expression(value)
        except ConfigError as error:
            return f"{shown}: {error.message}"
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


_RULES: dict[str, tuple[Callable[[Any], bool], Callable[[], str]]] = {
    "origin": (lambda value: value in get_args(Origin), lambda: listing(get_args(Origin))),
    "license": (_is_text, lambda: text("data.expect_license")),
    "personal_information": (
        lambda value: value in get_args(PersonalInformation),
        lambda: listing(get_args(PersonalInformation)),
    ),
    "name": (_is_text, lambda: text("data.expect_text")),
    "note": (_is_text, lambda: text("data.expect_text")),
    "evidence": (
        lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
        lambda: text("data.expect_tables"),
    ),
}
_CARD_KEYS = tuple(_RULES)


def _lines(problems: list[str]) -> str:
    return "\n".join(f"  - {problem}" for problem in problems)
