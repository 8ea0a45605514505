"""Parts: what every format says of one component, read from its record and the reasons about it.

It reads records that a person may have written by hand: whatever stands in them is text, not a fact.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jptextclf.errors import ConfigError
from jptextclf.licensing.components import NOASSERTION, spdx_expression
from jptextclf.licensing.copyrights import holders_named
from jptextclf.licensing.identifiers import is_list, to_spdx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jptextclf.licensing.assessment import Assessment, Reason, Verdict

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
    record: Mapping[str, Any]
    reasons: tuple[Reason, ...]
    verdict: Verdict

    @property
    def role(self) -> str:
        """One of the published roles."""
        return str(self.record.get("role") or "")

    @property
    def label(self) -> str:
        """What reasons and duties call it."""
        return str(self.record.get("name") or self.role)

    @property
    def name(self) -> str:
        """Without a revision at its end."""
        revision = self.revision
        return self.label.removesuffix(f"@{revision}") if revision else self.label

    @cached_property
    def revision(self) -> str:
        """Exact upstream version; empty where none is known."""
        pinned = re.search(r"@([^@\s]+)$", self.label)
        return str(self.record.get("revision") or (pinned[1] if pinned else ""))

    @property
    def is_unpinned(self) -> bool:
        """Whether the record says that no revision is known, which is more than saying nothing."""
        return "revision" in self.record and not self.revision

    @property
    def relation(self) -> str:
        """One of the published relations, or empty."""
        return str(self.record.get("relation") or "")

    @property
    def is_ancestor(self) -> bool:
        """Whether the weights of the model come from it: from its weights, or from its answers."""
        return self.role in MODELS and self.relation in {*_DERIVED, ""} and self.is_shipped

    @property
    def is_own(self) -> bool:
        """Whether the company itself made it, so that nobody upstream could state anything."""
        return self.record.get("origin") == "own"

    @property
    def is_teacher(self) -> bool:
        """Whether the model learned from its answers; whether that makes it an adaptation is for people to say."""
        return self.role == "teacher" or self.relation == "distilled-from"

    @property
    def is_shipped(self) -> bool:
        """Whether nothing says that the model goes without it."""
        return self.record.get("shipped") is not False

    @property
    def raw(self) -> str:
        """The declaration as upstream wrote it; empty where it is the expression itself, or nothing."""
        value = self.record.get("license")
        text = ", ".join(str(one) for one in value) if isinstance(value, (list, tuple)) else str(value or "")
        return "" if text in {self.declared, NOASSERTION} else text

    @cached_property
    def declared(self) -> str:
        """SPDX expression of what is declared, a list of a hub read as AND; ``NOASSERTION`` if there is none."""
        return _valid(to_spdx(self.record.get("license")))

    @property
    def is_list(self) -> bool:
        """Whether the declaration says neither AND nor OR."""
        return is_list(self.record.get("license"))

    @property
    def stated(self) -> str:
        """What the text beside the declaration says, as SPDX where it is an id; empty where nobody has read it."""
        raw = str(self.record.get("body_license") or "")
        known = _valid(to_spdx(raw))
        return raw if known == NOASSERTION else known

    @cached_property
    def stated_id(self) -> str:
        """SPDX expression of :attr:`stated`; ``NOASSERTION`` if it is none."""
        return _valid(to_spdx(self.record.get("body_license")))

    @cached_property
    def is_conflict(self) -> bool:
        """Whether declaration and text contradict each other."""
        marked = self.record.get("metadata_body_conflict")
        differ = NOASSERTION not in {self.declared, self.stated_id} and self.declared != self.stated_id
        return bool(marked) or (marked is None and differ)

    @cached_property
    def concluded(self) -> str:
        """The one reading that nothing speaks against; ``NOASSERTION`` where there are several or none."""
        if self.is_conflict or self.is_list:
            return NOASSERTION
        return self.stated_id if self.declared == NOASSERTION else self.declared

    @cached_property
    def expressions(self) -> tuple[str, ...]:
        """Every reading that is known, declared first."""
        code = _valid(to_spdx(self.record.get("code_license")))
        known = dict.fromkeys((self.declared, self.stated_id, code))
        return tuple(one for one in known if one != NOASSERTION)

    @property
    def terms(self) -> tuple[str, ...]:
        """Restrictions in the words of the source."""
        keys = ("prose", "extra_terms", "extra_gated_prompt")
        return tuple(str(self.record[key]) for key in keys if self.record.get(key))

    @property
    def evidence(self) -> tuple[Mapping[str, Any], ...]:
        """Where the statements can be checked."""
        return tuple(self.record.get("evidence") or ())

    @property
    def copyright_lines(self) -> tuple[str, ...]:
        """Statements of the evidence that name a holder."""
        said = [str(one.get("statement") or "") for one in self.evidence] + [
            str(self.record.get("note") or "")
        ]
        return tuple(dict.fromkeys(one for one in said if holders_named(one)))

    @property
    def sha256(self) -> str:
        """Of what was used; empty where none is on record."""
        return valid_sha256(self.record.get("sha256"))

    @property
    def url(self) -> str:
        """Its home; empty where none is known for sure: a commit of the Hub is, a name alone may be anything."""
        recorded = web_address(self.record.get("url"))
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
        recorded = str(self.record.get("url") or "")
        elsewhere = recorded and not recorded.startswith(_HUB)
        is_public = self.record.get("origin") in {None, "public"}
        return bool(
            self.role in {*MODELS, "tokenizer"} and is_public and not elsewhere and _HUB_NAME.match(self.name)
        )


def parts_of(assessment: Assessment) -> tuple[Part, ...]:
    """The components of an assessment, in its order."""
    records = [one for one in assessment.components if one.get("role") not in ABOUT_THE_MODEL]
    return tuple(_part(number, one, assessment) for number, one in enumerate(records, 1))


def _part(number: int, record: Mapping[str, Any], assessment: Assessment) -> Part:
    label = str(record.get("name") or record.get("role") or "")
    own = (one for one in assessment.reasons if one.component == label and one.role == record.get("role"))
    # Two records of one name share their reasons; each is said once.
    reasons = {(one.rule, one.license): one for one in own}
    return Part(number, record, tuple(reasons.values()), assessment.verdict_of(label))


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
