"""Whether a card contradicts itself: its licence key against its body, and against keys that the Hub ignores."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.identifiers import same_license
from jptextclf.licensing.reading.mentions import covers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jptextclf.licensing.reading.mentions import Mention
    from jptextclf.licensing.reading.restrictions import Restriction

ConflictKind = Literal[
    "license-id-disagrees",
    "license-key-twice",
    "metadata-key-ignored",
    "body-adds-restriction",
    "not-read-in-full",
]
_ID = re.compile(r"[^\s()]+")
_ALREADY = {
    "non-commercial": re.compile(r"-NC\b|-NC-|Research|Noncommercial|Amazon-Reviews", re.IGNORECASE),
    "no-derivatives": re.compile(r"-ND\b"),
    "no-redistribution": re.compile(r"Research", re.IGNORECASE),
}


def disagrees(declared: str, mentions: Iterable[Mention]) -> bool:
    """Whether the body names licences for the model and none of them is in the declared expression.

    Without a declared licence there is nothing to compare. ``GPL-3.0-only`` agrees with a body that says GPL, or
    GPL 3 or later: the Hub's ids do not tell them apart.
    """
    stated = {one.license for one in mentions if one.about == "model"}
    if declared == NOASSERTION or not stated:
        return False
    return not any(_agree(one, other) for one in _ids(declared) for other in stated)


def is_within(license_id: str, declared: str) -> bool:
    """Whether an expression names only licences that the declared one names too, so that it says nothing else."""
    return all(any(_agree(one, other) for other in _ids(declared)) for one in _ids(license_id))


def adds_restriction(declared: str, restrictions: Sequence[Restriction]) -> bool:
    """Whether the body forbids for the model what the declared licence alone would allow.

    A wish to be asked before commercial use is a term to read, but no contradiction.
    """
    if declared == NOASSERTION:
        return False
    terms = [one.kind for one in restrictions if one.about == "model" and one.is_term]
    return any(kind != "commercial-by-permission" and not is_already_in(kind, declared) for kind in terms)


def is_already_in(kind: str, declared: str) -> bool:
    """Whether a licence limits in this way itself, by its id."""
    pattern = _ALREADY.get(kind, _ALREADY["non-commercial"])
    return bool(pattern.search(declared))


def _ids(expression: str) -> list[str]:
    return [word for word in _ID.findall(expression) if word not in {"AND", "OR", "WITH"}]


def _agree(one: str, other: str) -> bool:
    one, other = one.replace("-or-later", "-only"), other.replace("-or-later", "-only")
    return same_license(one, other) or covers(one, other) or covers(other, one)
