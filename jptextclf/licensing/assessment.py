"""Assessment: the verdict for one use, with the reasons, duties, open questions and remedies behind it.

It holds what was decided and says it as JSON; how it is decided stands in :mod:`jptextclf.licensing.deciding`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import total_ordering
from typing import TYPE_CHECKING, Any, Literal

from jptextclf import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA_VERSION = 1


@total_ordering
class Verdict(StrEnum):
    """What the policy says of a use; strings with an order, the worst decides."""

    OK = "ok"
    OK_WITH_OBLIGATIONS = "ok-with-obligations"
    NEEDS_REVIEW = "needs-review"
    BLOCKED = "blocked"

    @property
    def rank(self) -> int:
        """0 for ``ok`` to 3 for ``blocked``."""
        return list(Verdict).index(self)

    @property
    def exit_status(self) -> int:
        """Of a command that was stopped by this verdict: 5 or 6, else 0."""
        return {Verdict.NEEDS_REVIEW: 5, Verdict.BLOCKED: 6}.get(self, 0)

    @classmethod
    def worst(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """The worst of them; ``ok`` if there are none."""
        return max(verdicts, default=cls.OK)

    def __lt__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.rank < Verdict(other).rank
        return NotImplemented

    def __gt__(self, other: object) -> bool:
        # str has its own order, by letters, which total_ordering would leave in place.
        if isinstance(other, str):
            return self.rank > Verdict(other).rank
        return NotImplemented

    def __le__(self, other: object) -> bool:
        return not self > other

    def __ge__(self, other: object) -> bool:
        return not self < other

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Reason:
    """Why a component leads to a verdict."""

    component: str
    role: str
    rule: str
    """Row of the policy table, such as ``weights-non-commercial``."""
    verdict: Verdict
    license: str = ""
    """The licence, or the reading of it, that the rule was applied to."""
    clause: str = ""
    """Where the licence says so, such as ``CC-BY-NC-4.0, s.2(a)(1)``; empty for rules about evidence."""
    step: int = 0
    """Of the decision order, 1 to 8; 0 where nothing was asked."""
    source: str = ""
    """Address of the text that the clause or the rule is from."""
    evidence: tuple[Mapping[str, Any], ...] = ()
    """Records of :class:`jptextclf.licensing.Evidence` for what upstream states."""
    statement: str = ""
    """What upstream says in its own words, where the rule is about that."""
    waiver: str = ""
    """Id of the waiver that settles it."""

    @property
    def text(self) -> str:
        """One sentence in the language of now."""
        if self.statement and not self.license and self.rule not in _ABOUT_TERMS_THEMSELVES:
            return messages.text("license.by_terms", component=self.component, statement=self.statement)
        key = f"license_rules.{self.rule}"
        said = messages.text(key, component=self.component, license=self.license, statement=self.statement)
        # Sentences that end with what upstream says, where it says nothing.
        return said if self.statement else said.rstrip(" :：")

    @property
    def ground(self) -> str:
        """The clause, or else the step of the policy with its rule, in the language of now."""
        if not self.step:
            return ""
        step = messages.text("license.step", n=self.step, rule=self.rule)
        return f"{self.clause}; {step}" if self.clause else step

    def to_json(self) -> dict[str, Any]:
        return {
            "component": self.component, "role": self.role, "rule": self.rule, "verdict": str(self.verdict),
            "license": self.license, "clause": self.clause, "step": self.step, "source": self.source,
            "statement": self.statement, "text": self.text, "waiver": self.waiver, "evidence": [dict(one) for one in self.evidence],
        }  # fmt: skip


_ABOUT_TERMS_THEMSELVES = frozenset(
    {"cite", "customer-without-permission", "customer-permission-stated", "customer-with-permission"}
)
"""Rules whose own sentence quotes the statement."""


def _in_words(name: str) -> str:
    """The name of a duty: names of components and licences as they are, others as words in the language of now."""
    prefix, found, value = name.partition("license-output-")
    if found and not prefix:
        return messages.text("license_names.license-output", value=value)
    return messages.text(f"license_names.{name}") if messages.has(f"license_names.{name}") else name


State = Literal["met-by-file", "open", "acknowledged", "waived"]
"""``acknowledged``: somebody has signed for it; ``waived``: the row that asks for it is settled by a waiver."""


@dataclass(frozen=True)
class Obligation:
    """One thing that somebody has to do for the verdict to hold."""

    token: str
    """Kind, with a name after a colon where there is one: ``include-license-text:Apache-2.0``."""
    component: str
    actor: str
    """``engineer``, ``release-owner``, ``license-reviewer``, ``legal``, ``privacy-officer`` or ``business-owner``."""
    files: tuple[str, ...] = ()
    """Files of an export that meet it, such as ``LICENSES/Apache-2.0.txt``; empty: a person has to act."""
    state: State = "open"
    acknowledgement: str = ""
    """Id of the signed entry of the company policy behind that state."""
    required: bool = True
    """Whether an export waits for it; what is only recommended does not hold anything up."""

    @property
    def kind(self) -> str:
        """The token without the name after the colon."""
        return self.token.partition(":")[0]

    @property
    def text(self) -> str:
        """What to do, in the language of now."""
        name = _in_words(self.token.partition(":")[2])
        return messages.text(f"license_duties.{self.kind}", name=name, component=self.component)

    def to_json(self) -> dict[str, Any]:
        return {
            "token": self.token, "component": self.component, "actor": self.actor, "text": self.text,
            "files": list(self.files), "state": self.state, "acknowledgement": self.acknowledgement,
            "required": self.required,
        }  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A point that the law or the facts leave open."""

    topic: str
    component: str

    @property
    def text(self) -> str:
        """The question, in the language of now."""
        return messages.text(f"license_questions.{self.topic}", component=self.component)

    def to_json(self) -> dict[str, Any]:
        return {"topic": self.topic, "component": self.component, "text": self.text}


@dataclass(frozen=True)
class Remedy:
    """A change that would improve the verdict."""

    change: str
    """Kind of change, such as ``output-license`` or ``replace-component``."""
    verdict: Verdict
    """The verdict after it."""
    component: str = ""
    value: str = ""
    """What to change it to, such as ``CC-BY-SA-4.0``."""

    @property
    def text(self) -> str:
        """What to do, in the language of now."""
        key = f"license_remedies.{self.change}"
        return messages.text(key, component=self.component, value=self.value, verdict=str(self.verdict))

    def to_json(self) -> dict[str, Any]:
        return {
            "change": self.change, "component": self.component, "value": self.value,
            "verdict": str(self.verdict), "text": self.text,
        }  # fmt: skip


@dataclass(frozen=True)
class Decision:
    """A signed entry of a company policy that was used: waiver, acknowledgement, evidence or permission."""

    id: str
    kind: Literal["waiver", "acknowledgement", "evidence", "permission"]
    component: str
    subject: str
    """The rule that a waiver settles, or the duty that an acknowledgement takes on."""
    signed_by: str
    date: str
    expires: str
    reason: str
    evidence: str
    """Address or file of the document behind it."""

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "kind": self.kind, "component": self.component, "subject": self.subject,
            "signed_by": self.signed_by, "date": self.date, "expires": self.expires, "reason": self.reason,
            "evidence": self.evidence,
        }  # fmt: skip


@dataclass(frozen=True, repr=False)
class Assessment:
    """The verdict for a use of what the components make, and everything that led to it.

    It applies a written policy to upstream statements; it is no legal advice.
    """

    verdict: Verdict
    use: str
    output_license: str | None
    components: tuple[Mapping[str, Any], ...]
    """Records as they were given, in the form of the published case schema."""
    obligations: tuple[Obligation, ...] = ()
    reasons: tuple[Reason, ...] = ()
    """Worst first; each component has at least one."""
    unsettled: tuple[Question, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    """Cheapest first."""
    decisions: tuple[Decision, ...] = ()
    """Waivers, acknowledgements, evidence and permissions of the company policy that count here."""
    policy: Mapping[str, str] = field(default_factory=dict)
    """``name``, ``version`` and ``sha256`` of the rules, and of the company policy where there is one."""

    def __repr__(self) -> str:
        parts = f"{len(self.components)} components, {len(self.open_obligations)} open duties"
        return f"<Assessment for {self.use}: {self.verdict}, {parts}>"

    def verdict_of(self, component: str) -> Verdict:
        """The worst verdict of one component by name; ``ok`` if nothing was said of it."""
        return Verdict.worst(
            one.verdict for one in self.reasons if one.component == component and not one.waiver
        )

    @property
    def open_obligations(self) -> tuple[Obligation, ...]:
        """Those that a person has to take on before anything leaves."""
        return tuple(one for one in self.obligations if one.required and one.state == "open")

    def to_json(self) -> dict[str, Any]:
        """The whole assessment; the same input gives the same record in one language."""
        return {
            "schema_version": SCHEMA_VERSION,
            "notice": messages.text("license.notice"),
            "verdict": str(self.verdict),
            "use": self.use,
            "output_license": self.output_license,
            "policy": dict(self.policy),
            "reasons": [one.to_json() for one in self.reasons],
            "obligations": [one.to_json() for one in self.obligations],
            "unsettled": [one.to_json() for one in self.unsettled],
            "remedies": [one.to_json() for one in self.remedies],
            "decisions": [one.to_json() for one in self.decisions],
            "components": [dict(one) for one in self.components],
        }
