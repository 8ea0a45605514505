"""The written policy: uses, licences, rules and duties, each a TOML file beside this one.

It reads and checks them; what they lead to is decided in :mod:`jptextclf.licensing.deciding`.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jptextclf.errors import ConfigError
from jptextclf.licensing.assessment import Verdict
from jptextclf.messages import did_you_mean, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILES = ("uses", "licenses", "rules", "duties")


@dataclass(frozen=True)
class Use:
    """What a model is used for."""

    id: str
    commercial: bool
    """Commercial in effect."""
    leaves: bool
    """Whether something that holds the weights leaves the company."""
    public: str
    """Whether that is sharing with the public: ``yes``, ``no`` or ``unsettled``."""
    network: bool
    """Whether others use the model without receiving it."""


@dataclass(frozen=True)
class LicenseFacts:
    """What one licence asks for; the words are explained in ``licenses.toml``."""

    id: str
    asks: tuple[str, ...]
    source: str
    """Address of its text."""
    outputs: tuple[str, ...] = ()
    """Licences that an adaptation may carry; empty where that is free."""
    clashes: tuple[str, ...] = ()
    clauses: Mapping[str, str] = field(default_factory=dict)
    restrictions: str = ""
    """Where its limits of use stand."""
    note: str = ""

    @property
    def own_output(self) -> str:
        """The output licence that it asks for first: itself where that is possible."""
        return self.id if self.id in self.outputs else next(iter(self.outputs), "")


@dataclass(frozen=True)
class Rule:
    """One row of the policy: all conditions hold, so the verdict and the duties follow."""

    id: str
    path: str
    when: tuple[str, ...]
    verdict: Verdict
    duties: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    clause: str = ""
    """What the licence asks, whose clause is the ground."""
    step: int = 0
    """Of the decision order, 1 to 8; 0 where no row asked for anything."""
    basis: str = ""
    """Why the row is there; for people who read the policy."""
    source: str = ""
    """Address of a text or an event behind the basis; empty: the row itself is the policy."""

    def matches(self, path: str, conditions: frozenset[str]) -> bool:
        """Whether the row applies on a path under these conditions."""
        return self.path in {"any", path} and all(
            (one[1:] not in conditions) if one.startswith("!") else (one in conditions) for one in self.when
        )


@dataclass(frozen=True)
class Duty:
    """What a token stands for."""

    kind: str
    actor: str
    files: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True)
class Rules:
    """The whole written policy."""

    uses: Mapping[str, Use]
    licenses: Mapping[str, LicenseFacts]
    rules: tuple[Rule, ...]
    duties: Mapping[str, Duty]
    sha256: str
    """Over the files that it was read from."""


@cache
def written_policy() -> Rules:
    """The policy that comes with the package."""
    texts = {name: (resources.files(__name__) / f"{name}.toml").read_bytes() for name in _FILES}
    tables = {name: tomllib.loads(text.decode("utf-8")) for name, text in texts.items()}
    uses = [Use(**one) for one in tables["uses"]["use"]]
    licenses = [LicenseFacts(**_tuples(one)) for one in tables["licenses"]["license"]]
    rules = [Rule(**{**_tuples(one), "verdict": Verdict(one["verdict"])}) for one in tables["rules"]["rule"]]
    duties = [Duty(**_tuples(one)) for one in tables["duties"]["duty"]]
    return Rules(
        {one.id: one for one in uses},
        {one.id: one for one in licenses},
        tuple(rules),
        {one.kind: one for one in duties},
        hashlib.sha256(b"".join(texts[name] for name in _FILES)).hexdigest(),
    )


def use_named(name: str) -> Use:
    """The use of this name.

    :raises ConfigError: there is none (``JPT-U110``)
    """
    uses = written_policy().uses
    if not isinstance(name, str) or name not in uses:
        raise ConfigError("U110", use=name, known=listing(uses), guess=did_you_mean(str(name), uses))
    return uses[name]


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
