"""Encoder cards for people and for programs: every field with its source, or that it is not verified.

It does not know who prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jptextclf.cards._encoder import TECHNICAL_FIELDS, EncoderCard, Golden, filled_fields
from jptextclf.messages import text

if TYPE_CHECKING:
    from jptextclf.cards._reading import LicenseStatement


@dataclass(frozen=True)
class CardFact:
    """One field of a card."""

    field: str
    """As ``sources`` names it, such as ``max_length`` or ``options.dictionary``."""
    value: Any
    """JSON value; None: not verified."""
    source: str
    """Where it was read; empty where there is no value."""


def card_facts(card: EncoderCard) -> list[CardFact]:
    """Every technical field, verified or not; of the options those that are set."""
    values = {key: getattr(card, key) for key in TECHNICAL_FIELDS}
    filled = filled_fields(values)
    facts = []
    for key in TECHNICAL_FIELDS:
        if key == "options":
            facts += [
                CardFact(f"options.{name}", value, card.sources[f"options.{name}"])
                for name, value in card.options.items()
            ]
        elif key in filled:
            facts.append(CardFact(key, _plain(values[key]), card.sources[key]))
        else:
            facts.append(CardFact(key, None, ""))
    return facts


def card_to_json(card: EncoderCard) -> dict[str, Any]:
    """The card for machine output: ``null`` is "not verified"."""
    return {
        "name": card.name,
        "source": card.source,
        "fields": {fact.field: {"value": fact.value, "source": fact.source or None} for fact in card_facts(card)},
        "license": card.component().license,
        "license_statements": [
            {
                "what": one.what,
                "id": one.id,
                **{key: value for key, value in asdict(one.evidence).items() if value},
            }
            for one in card.licenses
        ],
        "notes": card.notes,
    }  # fmt: skip


def describe_encoder_card(card: EncoderCard) -> list[tuple[str, str, str]]:
    """Heading, value and source of every field, in the language of now."""
    rows = [(text("cards.field_name"), card.name, ""), (text("cards.field_source"), card.source, "")]
    for fact in card_facts(card):
        field, _, option = fact.field.partition(".")
        heading = text(f"cards.field_{field}") + (f" ({option})" if option else "")
        rows.append((heading, _shown(card, fact), fact.source))
    if not card.licenses:
        rows.append((text("cards.field_license"), text("cards.not_verified"), ""))
    for one in card.licenses:
        heading = f"{text('cards.field_license')} ({text(f'cards.part_{one.what}')})"
        rows.append((heading, f"{one.id}: {one.evidence.statement}", _place(one)))
    if card.notes:
        rows.append((text("cards.field_notes"), card.notes, ""))
    return rows


def _shown(card: EncoderCard, fact: CardFact) -> str:
    if fact.field == "adapter" and not card.adapter:
        return text("cards.not_supported")
    if fact.value is None:
        return text("cards.not_verified")
    if isinstance(fact.value, bool):
        return "true" if fact.value else "false"
    if fact.field == "golden":
        return f"{fact.value['text']} → {' '.join(str(one) for one in fact.value['ids'])}"
    if isinstance(fact.value, dict):
        return ", ".join(f"{name} {sha256}" for name, sha256 in fact.value.items())
    if isinstance(fact.value, list):
        return ", ".join(fact.value)
    return str(fact.value)


def _place(statement: LicenseStatement) -> str:
    """Where a person finds the statement: address, version, file and line."""
    evidence = statement.evidence
    line = text("cards.line", n=evidence.line) if evidence.line else ""
    return " ".join(one for one in (evidence.url, evidence.revision, evidence.file, line) if one)


def _plain(value: object) -> Any:
    """As JSON has it."""
    if isinstance(value, Golden):
        return {"text": value.text, "ids": list(value.ids)}
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
