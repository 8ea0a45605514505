"""Component: one third-party thing a model is made from, with what is stated about its licence.

It does not judge. Keys and words are those of the published case files, so that a record is a case.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from jptextclf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from license_expression import Licensing

Role = Literal[
    "base_model",
    "training_data",
    "evaluation_data",
    "tokenizer",
    "dictionary",
    "teacher",
    "adapter",
    "software",
]
Relation = Literal[
    "fine-tuned-from", "features-from", "merged-with", "distilled-from", "adapter-of",
    "trained-on", "evaluated-on", "tokenized-with", "depends-on",
]  # fmt: skip

NOASSERTION = "NOASSERTION"
"""SPDX's word for "nobody has said"; never an empty string."""
OWN = "LicenseRef-Own"
"""The licence of what is one's own, where none is named."""


def join_and(licenses: Iterable[str]) -> str:
    """Licences that hold together, each named once: ``MIT``, ``A OR B`` -> ``MIT AND (A OR B)``; empty for none.

    AND binds tighter than OR, so that an OR beside others is put into brackets.
    """
    each = list(dict.fromkeys(licenses))
    return each[0] if len(each) == 1 else " AND ".join(f"({one})" if " OR " in one else one for one in each)


def spdx_expression(expression: str) -> str:
    """A licence expression in its usual spelling: ``"mit or apache-2.0" -> "MIT OR Apache-2.0"``.

    ``LicenseRef-…`` ids and ``NOASSERTION`` are taken as they are.

    :raises ConfigError: it does not parse or names an unknown id (``JPT-U050``)
    """
    from license_expression import ExpressionError

    text = expression.strip()
    if text.upper() == NOASSERTION:
        return NOASSERTION
    licensing = spdx_parser()
    try:
        tree = licensing.parse(text)
    except ExpressionError as error:
        raise ConfigError("U050", expression=expression, problem=str(error).split("\n")[0]) from error
    if tree is None:
        raise ConfigError("U050", expression=expression, problem="''")
    unknown = [key for key in licensing.unknown_license_keys(tree) if not key.startswith("LicenseRef-")]
    if unknown:
        raise ConfigError("U050", expression=expression, problem=", ".join(unknown))
    return str(tree)


@lru_cache(maxsize=1)
def spdx_parser() -> Licensing:
    """The parser of licence expressions with the SPDX list; loading it takes a moment, so it is kept."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@dataclass(frozen=True)
class Evidence:
    """Where a person can check a statement. At least ``url`` or ``file`` is there."""

    statement: str
    """What the source says, in its own words or as its id, such as ``license: apache-2.0``."""
    url: str = ""
    file: str = ""
    """Path of a file that travels with the thing itself, relative to its directory."""
    revision: str = ""
    sha256: str = ""
    """Of the text that was read."""
    line: int | None = None
    date: str = ""
    """When it was read, ``YYYY-MM-DD``."""

    def __post_init__(self) -> None:
        if not (self.url or self.file):
            raise ValueError(f"evidence for {self.statement!r} names neither a url nor a file")


@dataclass(frozen=True)
class Component:
    """One third-party thing a model is made from.

    :raises ConfigError: ``license`` is no SPDX expression, or no list of them (``JPT-U050``)
    """

    role: Role
    name: str
    relation: Relation
    license: str | tuple[str, ...] = NOASSERTION
    """SPDX expression as declared upstream, ``LicenseRef-…`` or ``NOASSERTION``; several where a hub's list names
    them without saying AND or OR."""
    metadata: str = ""
    """The declaration as upstream wrote it, where it is no clear id (``other``, ``gpl``), or why it cannot be read;
    empty where it is what ``license`` says, or where there is none."""
    body_license: str | None = None
    """What the text beside the declaration states, where somebody has read it."""
    metadata_body_conflict: bool | None = None
    """Whether ``license`` and ``body_license`` contradict each other; None: nobody has compared them."""
    prose: str = ""
    """A restriction in the words of the text, such as ``for research purposes only``."""
    extra_terms: str = ""
    """Terms beside the licence, in their own words."""
    gated: bool | None = None
    """Whether a hub asks something before the files can be fetched; None: nobody has looked."""
    extra_gated_prompt: str = ""
    """What it asks."""
    revision: str | None = None
    """Exact upstream version. None means known to be unpinned."""
    previous_license: str = ""
    """Under which it was before this revision."""
    later_license: str = ""
    """Under which it was put after this revision."""
    origin: Literal["own", "customer", "public", "unknown"] = "public"
    personal_information: Literal["none-confirmed", "contains", "unknown"] | None = None
    """For data only."""
    sha256: str = ""
    """Of the file, or of the manifest of the files, that was used."""
    url: str = ""
    note: str = ""
    bundled: bool = False
    """Whether its files are inside the run directory."""
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "license", _spelled(self.license))

    @property
    def expression(self) -> str:
        """What is declared as one expression; a list is read as AND, its stricter reading."""
        return join_and((self.license,) if isinstance(self.license, str) else self.license)

    def to_json(self) -> dict[str, Any]:
        """Every field that says something, in the order of the class."""
        record: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "evidence":
                value = [
                    {field.name: entry for field in fields(one) if (entry := getattr(one, field.name))}
                    for one in self.evidence
                ]
            elif item.name == "license" and not isinstance(value, str):
                value = list(value)
            # revision None is a statement of its own: known to be unpinned.
            if item.name == "revision" or value not in ("", None, []):
                record[item.name] = value
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Component:
        evidence = tuple(Evidence(**one) for one in record.get("evidence", ()))
        return cls(**{**record, "evidence": evidence})


def _spelled(license_id: str | Sequence[str] | None) -> str | tuple[str, ...]:
    """The usual spelling of what is declared; a list of one is that one."""
    if not license_id:
        return NOASSERTION
    if isinstance(license_id, str):
        return spdx_expression(license_id)
    each = tuple(dict.fromkeys(spdx_expression(one or NOASSERTION) for one in license_id))
    if NOASSERTION in each:
        # Beside something that nobody understands the others are no grant.
        return NOASSERTION
    return each if len(each) > 1 else each[0]
