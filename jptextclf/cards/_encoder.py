"""Encoder cards: the schema, strict reading, and look-up by name, hub id, alias or tokenizer file.

It does not know where the weights are, nor how an adapter works.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from jptextclf import messages
from jptextclf.cards._reading import (
    CARD_NAME,
    FILLED,
    HASH,
    TABLE,
    TABLES,
    TEXT,
    LicenseStatement,
    Part,
    Rule,
    card_directory,
    card_names,
    check,
    check_statements,
    each_matches,
    license_at,
    matches,
    read_table,
    statements_of,
    whole,
)
from jptextclf.errors import ConfigError
from jptextclf.licensing.components import Component, Relation

if TYPE_CHECKING:
    from pathlib import Path

_KIND = "encoders"

TECHNICAL_FIELDS = (
    "revision", "aliases", "architecture", "adapter", "options", "first_position", "max_length",
    "vocabulary_size", "languages", "files", "golden",
)  # fmt: skip
"""Fields that are facts about the encoder: where one is filled, ``sources`` says where it was read."""


@dataclass(frozen=True)
class Golden:
    """A text and the ids it must become, to find a wrong dictionary or a missing step."""

    text: str
    ids: tuple[int, ...]
    """As an encoder reads one text alone: the special tokens before and after it are included."""


@dataclass(frozen=True)
class EncoderCard:
    """What is known about one encoder. Empty means "not verified"; what is filled has an entry in ``sources``."""

    name: str
    """What ``--model`` may be given, and the file's name."""
    source: str
    """Hub id."""
    architecture: str
    """``model_type`` of its configuration."""
    adapter: str
    """Registry name of the tokenizer adapter; empty: none of ours fits, and the notes say why."""
    revision: str = ""
    """Exact upstream version that the card was written for."""
    aliases: tuple[str, ...] = ()
    """Other hub ids that it has or had."""
    options: Mapping[str, bool | int | str] = field(default_factory=dict)
    """Of the adapter: what the tokenizer files do not say, or say wrongly."""
    first_position: int | None = None
    """Position id of the first piece, where it differs from what the architecture does."""
    max_length: int = 0
    """Pieces per text, special tokens included. 0: not verified."""
    vocabulary_size: int = 0
    """Pieces, special tokens included. 0: not verified."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes."""
    licenses: tuple[LicenseStatement, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """File name -> SHA-256."""
    golden: Golden | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    """Field, or ``options.<key>`` -> where it was read."""
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

        What the hub's metadata declare (``license: …``) is the licence; a text that states another one is its
        ``body_license``, and the two are in conflict. Other licences that differ between statements are all
        named, joined with ``AND``. A statement that held for a time counts for the card's ``revision``.

        :param relation: ``fine-tuned-from`` and ``tokenized-with`` unless something else is said
        :param sha256: of the file, or of the manifest of the files, that was used
        :param bundled: whether its files are inside the run directory
        """
        statements = self.statements("weights" if role == "base_model" else "vocabulary")
        usual: Relation = "fine-tuned-from" if role == "base_model" else "tokenized-with"
        history = license_at(statements, self.revision)
        return Component(
            role=role,
            name=self.source,
            relation=relation or usual,
            license=history.declared,
            body_license=history.body,
            metadata_body_conflict=True if history.body else None,
            previous_license=history.previous,
            later_license=history.later,
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
    return [load_encoder_card(name) for name in card_names(_KIND)]


def find_encoder_card(reference: str) -> EncoderCard | None:
    """The card whose name, hub id or alias this is; upper and lower case are the same.

    A hub id leads to the card of the hub's own files, not to that of a build made from them.

    :raises ConfigError: a card is damaged (``JPT-U051``)
    """
    return _by_reference().get(reference.casefold())


def require_encoder_card(reference: str) -> EncoderCard:
    """The card whose name, hub id or alias this is.

    :raises ConfigError: there is none (``JPT-U052``, with the closest name) or one is damaged (``JPT-U051``)
    """
    return find_encoder_card(reference) or load_encoder_card(reference)


def find_card_by_file(sha256: str) -> tuple[EncoderCard, ...]:
    """The cards that list a tokenizer file with this hash, by name; none where no card knows it.

    Only files that hold a vocabulary count: a small configuration may be the same in many encoders.

    :raises ConfigError: a card is damaged (``JPT-U051``)
    """
    wanted = sha256.casefold()
    return tuple(
        card
        for card in encoder_cards()
        if any(found == wanted and _VOCABULARY_FILE.fullmatch(name) for name, found in card.files.items())
    )


def cards_beside(references: Iterable[str]) -> list[EncoderCard]:
    """The cards that none of these names, hub ids or aliases leads to, by name.

    :raises ConfigError: a card is damaged (``JPT-U051``)
    """
    taken = {card.name for one in references if (card := find_encoder_card(one)) is not None}
    return [card for card in encoder_cards() if card.name not in taken]


@cache
def load_encoder_card(name: str) -> EncoderCard:
    """The card of that name.

    :raises ConfigError: there is none (``JPT-U052``, with the closest name) or it is damaged (``JPT-U051``)
    """
    known = card_names(_KIND)
    if name not in known:
        # Of a hub id, the part after the organisation says which encoder is meant.
        hint = messages.did_you_mean(name, known) or messages.did_you_mean(name.rpartition("/")[2], known)
        raise ConfigError("U052", name=name, known=messages.listing(known, 30), hint=hint)
    return read_encoder_card(card_directory(_KIND) / f"{name}.toml")


def read_encoder_card(path: Path) -> EncoderCard:
    """A card from its file, strictly: no unknown keys, no missing ones, nothing stated without a source.

    :raises ConfigError: one error that lists every problem (``JPT-U051``)
    """
    return _card_of(read_table(path, "U051", _problems))


@cache
def _by_reference() -> dict[str, EncoderCard]:
    cards = encoder_cards()
    found = {card.name.casefold(): card for card in cards}
    own_first = sorted(cards, key=lambda card: card.name != card.source.rpartition("/")[2].casefold())
    for card in own_first:
        for reference in (card.source, *card.aliases):
            found.setdefault(reference.casefold(), card)
    return found


def _card_of(table: dict[str, Any]) -> EncoderCard:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    statements = statements_of(values.pop("license", ()))
    golden = values.pop("golden", None)
    return EncoderCard(
        **values,
        licenses=statements,
        golden=Golden(golden["text"], tuple(golden["ids"])) if golden else None,
    )


def _problems(table: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a card's table, one sentence each."""
    found = check(table, _CARD_RULES, _CARD_REQUIRED)
    for key, rule in (("options", _OPTION), ("files", HASH), ("sources", FILLED)):
        entries = table.get(key)
        if isinstance(entries, dict):
            found += check(entries, dict.fromkeys(entries, rule), (), f"{key}.")
    if isinstance(golden := table.get("golden"), dict):
        found += check(golden, _GOLDEN_RULES, tuple(_GOLDEN_RULES), "golden.")
    found += check_statements(table, ("weights", "code", "vocabulary"), "a_part")
    if table.get("adapter") == "" and not table.get("notes"):
        found.append(messages.text("cards.no_adapter"))
    return found + _source_problems(table)


def _source_problems(table: dict[str, Any]) -> list[str]:
    """Facts without a source, and sources of facts that are not there."""
    sources = table.get("sources", {})
    if not isinstance(sources, dict):
        return []
    facts = filled_fields(table)
    missing = [messages.text("cards.no_source_of_field", key=key) for key in facts if key not in sources]
    idle = [messages.text("cards.source_of_nothing", key=key) for key in sources if key not in facts]
    return missing + idle


def filled_fields(values: Mapping[str, Any]) -> list[str]:
    """The facts that a card states, as ``sources`` names them: its filled fields, and each of its options."""
    found = []
    for key in TECHNICAL_FIELDS:
        value = values.get(key)
        if key == "options":
            found += [f"options.{one}" for one in value] if isinstance(value, Mapping) else []
        elif key == "first_position":
            found += [key] if value is not None else []
        elif value:
            found.append(key)
    return found


_VOCABULARY_FILE = re.compile(r"vocab\.(txt|json)|tokenizer\.json|.+\.model")
_HUB_ID = r"[\w.-]+(/[\w.-]+)?"
_OPTION: Rule = (lambda value: isinstance(value, (bool, int, str)), "an_option")

_CARD_RULES: dict[str, Rule] = {
    "name": CARD_NAME,
    "source": (matches(_HUB_ID), "a_hub_id"),
    # A branch is not a version: what it names changes.
    "revision": (matches(r"(?!(main|master)$).*"), "a_revision"),
    "aliases": (each_matches(_HUB_ID), "hub_ids"),
    "architecture": FILLED,
    "adapter": TEXT,
    "options": TABLE,
    "first_position": (whole(0), "a_position"),
    "max_length": (whole(0), "a_max_length"),
    "vocabulary_size": (whole(0), "a_max_length"),
    "languages": (each_matches(r"[a-z]{2,3}"), "languages"),
    "license": TABLES,
    "files": TABLE,
    "golden": TABLE,
    "sources": TABLE,
    "notes": TEXT,
}
_CARD_REQUIRED = ("name", "source", "architecture", "adapter")


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(whole(0)(one) for one in value)


_GOLDEN_RULES: dict[str, Rule] = {"text": FILLED, "ids": (_are_ids, "piece_ids")}
