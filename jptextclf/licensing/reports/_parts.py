"""Parts: what every format says of one component of a case, with the reasons about it.

A person may have written the record by hand: whatever stands in it is text, not a fact. What it means is for the case
to say; here is how it is shown.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jptextclf.errors import ConfigError
from jptextclf.licensing.case import read_case
from jptextclf.licensing.components import NOASSERTION, spdx_expression
from jptextclf.licensing.conditions import is_bundled
from jptextclf.licensing.copyrights import holders_named
from jptextclf.licensing.deciding import readings_of
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.rules import use_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jptextclf.licensing.assessment import Assessment, Reason, Verdict
    from jptextclf.licensing.case import Part as CasePart

ABOUT_THE_MODEL = ("output", "declared_use")
"""Roles of records that say something about the model itself; they are no components of it."""
DATA = ("training_data", "evaluation_data")
MODELS = ("base_model", "adapter", "teacher")
_DERIVED = ("fine-tuned-from", "merged-with", "adapter-of", "distilled-from")
_HUB_NAME = re.compile(r"([A-Za-z0-9][\w.-]*)/([\w.-]+)\Z", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{7,40}\Z")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_WEB = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:[/?#][!#-;=?-Z_a-z~%]*)?\Z")
_HUB = "https://huggingface.co/"


@dataclass(frozen=True)
class Part:
    """One component as the reports show it."""

    number: int
    """From 1, in the order of the assessment."""
    case: CasePart
    """As it was judged."""
    reasons: tuple[Reason, ...]
    verdict: Verdict
    is_bundled: bool
    """Whether its files are inside what is given away or served, as the verdict takes it where nobody says."""

    @property
    def record(self) -> Mapping[str, Any]:
        """As it was given."""
        return self.case.record

    @property
    def role(self) -> str:
        """One of the published roles."""
        return self.case.role

    @property
    def label(self) -> str:
        """What reasons and duties call it."""
        return self.case.label

    @property
    def name(self) -> str:
        """Without a revision at its end."""
        revision = self.revision or self.moving
        return self.label.removesuffix(f"@{revision}") if revision else self.label

    @property
    def revision(self) -> str:
        """Exact upstream version; empty where none is known."""
        return self.case.pinned

    @property
    def is_unpinned(self) -> bool:
        """Whether the record says that no revision is known, which is more than saying nothing."""
        return self.case.is_unpinned

    @property
    def moving(self) -> str:
        """The name that it gives for a revision, such as ``main``, where that pins nothing."""
        return (self.case.revision or "").strip() if self.is_unpinned else ""

    @property
    def relation(self) -> str:
        """One of the published relations, or empty."""
        return self.case.relation

    @property
    def is_ancestor(self) -> bool:
        """Whether the weights of the model come from it: from its weights, or from its answers."""
        return self.role in MODELS and self.relation in {*_DERIVED, ""} and self.is_shipped

    @property
    def is_own(self) -> bool:
        """Whether the company itself made it, so that nobody upstream could state anything."""
        return self.case.origin == "own"

    @property
    def is_teacher(self) -> bool:
        """Whether the model learned from its answers; whether that makes it an adaptation is for people to say."""
        return self.role == "teacher" or self.relation == "distilled-from"

    @property
    def is_shipped(self) -> bool:
        """Whether nothing says that the model goes without it."""
        return self.case.shipped

    @property
    def raw(self) -> str:
        """The declaration as upstream wrote it; empty where it is the expression itself, or nothing."""
        value = self.case.license
        text = ", ".join(value) if isinstance(value, list) else str(value)
        return "" if text in {self.declared, NOASSERTION} else text

    @cached_property
    def declared(self) -> str:
        """SPDX expression of what is declared, a list of a hub read as AND; ``NOASSERTION`` if there is none."""
        return _valid(self.case.declared)

    @property
    def is_list(self) -> bool:
        """Whether the declaration says neither AND nor OR."""
        return self.case.is_list

    @property
    def stated(self) -> str:
        """What the text beside the declaration says, as SPDX where it is an id; empty where nobody has read it."""
        return self.case.body_license if self.stated_id == NOASSERTION else self.stated_id

    @cached_property
    def stated_id(self) -> str:
        """SPDX expression of :attr:`stated`; ``NOASSERTION`` if it is none."""
        return _valid(to_spdx(self.case.body_license or None))

    @cached_property
    def is_conflict(self) -> bool:
        """Whether declaration and text contradict each other, as the verdict takes them."""
        return self.case.metadata_body_conflict or len(readings_of(self.case)) > 1

    @cached_property
    def concluded(self) -> str:
        """The one reading that nothing speaks against; ``NOASSERTION`` where there are several or none."""
        if self.is_conflict or self.is_list:
            return NOASSERTION
        return self.stated_id if self.declared == NOASSERTION else self.declared

    @cached_property
    def expressions(self) -> tuple[str, ...]:
        """Every reading that is known, declared first."""
        code = _valid(to_spdx(self.case.code_license or None))
        known = dict.fromkeys((self.declared, self.stated_id, code))
        return tuple(one for one in known if one != NOASSERTION)

    @property
    def terms(self) -> tuple[str, ...]:
        """Restrictions in the words of the source."""
        said = (self.case.prose, self.case.extra_terms, self.case.extra_gated_prompt)
        return tuple(one for one in said if one)

    @property
    def evidence(self) -> tuple[Mapping[str, Any], ...]:
        """Where the statements can be checked."""
        return self.case.evidence

    @property
    def copyright_lines(self) -> tuple[str, ...]:
        """Statements of the evidence that name a holder."""
        said = [*(str(one.get("statement") or "") for one in self.evidence), self.case.note]
        return tuple(dict.fromkeys(one for one in said if holders_named(one)))

    @property
    def sha256(self) -> str:
        """Of what was used; empty where none is on record."""
        return valid_sha256(self.case.sha256)

    @property
    def url(self) -> str:
        """Its home; empty where none is known for sure: a commit of the Hub is, a name alone may be anything."""
        recorded = web_address(self.case.url)
        is_known = self._is_on_hub and _COMMIT.match(self.revision.lower())
        return recorded or (_HUB + self.name if is_known else "")

    @cached_property
    def purl(self) -> str:
        """Package URL; empty for what is no package.

        Models of the Hub are ``pkg:huggingface/org/name@commit``; the scheme has no form for data sets.
        """
        addresses = (str(one.get("url") or "") for one in self.evidence)
        if found := next((one for one in addresses if self._is_purl_of_it(one)), ""):
            return found
        if self._is_on_hub:
            version = f"@{self.revision.lower()}" if _COMMIT.match(self.revision.lower()) else ""
            return f"pkg:huggingface/{self.name}{version}"
        if self.role == "software" and re.fullmatch(r"[A-Za-z0-9._-]+", self.name):
            version = f"@{quote(self.revision, safe='')}" if self.revision else ""
            return f"pkg:pypi/{_plain(self.name)}{version}"
        return ""

    def _is_purl_of_it(self, address: str) -> bool:
        """Whether an address of the evidence is the package itself, and not another one that speaks of it."""
        package = re.match(r"pkg:[a-z]+/(?:[!-~]+/)?([\w.%-]+)(?:[@?#][!-~]*)?\Z", address, re.ASCII)
        return package is not None and _plain(package[1]) == _plain(self.name)

    @property
    def _is_on_hub(self) -> bool:
        elsewhere = self.case.url and not self.case.url.startswith(_HUB)
        is_public = self.case.origin in {"", "public"}
        return bool(
            self.role in {*MODELS, "tokenizer"} and is_public and not elsewhere and _HUB_NAME.match(self.name)
        )


def parts_of(assessment: Assessment) -> tuple[Part, ...]:
    """The components of an assessment, in its order."""
    records = [one for one in assessment.components if one.get("role") not in ABOUT_THE_MODEL]
    # A case has a component at least; what a report is about may have none.
    cases = read_case(records) if records else ()
    return tuple(_part(number, one, assessment) for number, one in enumerate(cases, 1))


def _part(number: int, case: CasePart, assessment: Assessment) -> Part:
    own = (one for one in assessment.reasons if one.component == case.label and one.role == case.role)
    bundled = is_bundled(case, use_named(assessment.use))
    # Two records of one name share their reasons; each is said once.
    reasons = {(one.rule, one.license): one for one in own}
    return Part(number, case, tuple(reasons.values()), assessment.verdict_of(case.label), bundled)


def evidence_key(record: Mapping[str, Any]) -> str:
    """The same for the same evidence, wherever it is quoted."""
    return json.dumps(dict(record), sort_keys=True, ensure_ascii=True, default=str)


def web_address(value: object) -> str:
    """The value if it is a plain http or https address, safe to link to; else empty."""
    return str(value) if value and _WEB.match(str(value)) else ""


def valid_sha256(value: object) -> str:
    """The value in lower case if it is a SHA-256; else empty."""
    return str(value).lower() if value and _SHA256.match(str(value)) else ""


def _plain(package: str) -> str:
    """``"scikit_learn" -> "scikit-learn"``, as package indexes spell names."""
    return re.sub(r"[-_.]+", "-", package).lower()


@cache
def _valid(expression: str) -> str:
    """The expression, or ``NOASSERTION`` where a parser of SPDX would refuse it."""
    try:
        return spdx_expression(expression or NOASSERTION)
    except ConfigError:
        return NOASSERTION
