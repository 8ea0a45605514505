"""Dictionary cards: what a segmenter's dictionary is, which package brings it, and what is stated of its licence.

It does not know how words are found, nor whether the package is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.cards._reading import (
    CARD_NAME,
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
    joined_license,
    matches,
    read_table,
    statements_of,
)
from jptextclf.errors import ConfigError
from jptextclf.licensing.components import Component

if TYPE_CHECKING:
    from pathlib import Path

_KIND = "dictionaries"


@dataclass(frozen=True)
class DictionaryCard:
    """What is known about one dictionary."""

    name: str
    """The file's name."""
    package: str
    """As pip names it."""
    module: str
    """As Python imports it."""
    versions: tuple[str, ...] = ()
    """Versions of the package whose files were read for this card; empty: none."""
    licenses: tuple[LicenseStatement, ...] = ()
    """Of the dictionary, and of the code that wraps it in a package."""
    notes: str = ""

    def statements(self, part: Part) -> tuple[LicenseStatement, ...]:
        """What is stated about the licence of one part, ``dictionary`` or ``code``."""
        return tuple(one for one in self.licenses if one.what == part)

    def component(self, *, revision: str = "", sha256: str = "") -> Component:
        """The dictionary as a component of a model whose texts were segmented with it.

        Licences that differ between statements are all named, joined with ``AND``. What is stated of the
        wrapper's code is not part of it.

        :param revision: version of the installed package; empty where it is not known
        :param sha256: of the dictionary's file, or of the manifest of its files, that was used
        """
        statements = self.statements("dictionary")
        return Component(
            role="dictionary",
            name=self.package,
            relation="tokenized-with",
            license=joined_license(statements),
            revision=revision or None,
            sha256=sha256,
            url=f"pkg:pypi/{self.package}" + (f"@{revision}" if revision else ""),
            note=self.notes,
            evidence=tuple(one.evidence for one in statements),
        )


def dictionary_cards() -> list[DictionaryCard]:
    """All cards, by name.

    :raises ConfigError: a card is damaged (``JPT-U053``)
    """
    return [load_dictionary_card(name) for name in card_names(_KIND)]


@cache
def load_dictionary_card(name: str) -> DictionaryCard:
    """The card of that name; an underscore is a hyphen, so that ``unidic_lite`` finds ``unidic-lite``.

    :raises ConfigError: there is none (``JPT-U054``, with the closest name) or it is damaged (``JPT-U053``)
    """
    known = card_names(_KIND)
    wanted = name.replace("_", "-").casefold()
    if wanted not in known:
        hint = messages.did_you_mean(wanted, known)
        raise ConfigError("U054", name=name, known=messages.listing(known), hint=hint)
    return read_dictionary_card(card_directory(_KIND) / f"{wanted}.toml")


def read_dictionary_card(path: Path) -> DictionaryCard:
    """A card from its file, strictly: no unknown keys, no missing ones, no licence without a source.

    :raises ConfigError: one error that lists every problem (``JPT-U053``)
    """
    table = read_table(path, "U053", _problems)
    values: dict[str, Any] = {**table, "versions": tuple(table.get("versions", ()))}
    statements = statements_of(values.pop("license", ()))
    return DictionaryCard(**values, licenses=statements)


def _problems(table: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a card's table, one sentence each."""
    return check(table, _CARD_RULES, ("name", "package", "module")) + check_statements(
        table, ("dictionary", "code"), "a_dictionary_part"
    )


_CARD_RULES: dict[str, Rule] = {
    "name": CARD_NAME,
    "package": (matches(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*"), "a_package"),
    "module": (matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"), "a_module"),
    "versions": (each_matches(r"\S+"), "versions"),
    "license": TABLES,
    "notes": TEXT,
}
