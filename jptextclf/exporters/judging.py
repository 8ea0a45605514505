"""Judging: the verdict for something with a licence record, and the refusal where it may not go on.

It writes nothing. The output licence is what the user names, else the one that a component asks for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jptextclf.errors import ConfigError, LicenseError
from jptextclf.licensing.assessment import Assessment, Verdict
from jptextclf.licensing.company import CompanyPolicy, load_policy
from jptextclf.licensing.deciding import assess
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.rules import written_policy
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from jptextclf.licensing import Component
    from jptextclf.licensing.assessment import Reason

Policy = CompanyPolicy | str | os.PathLike[str]
_SHOWN = 5
"""Reasons, duties and remedies that a refusal names, so that it fits on a screen."""


@dataclass(frozen=True)
class Judged:
    """A verdict with the output licence that it holds for."""

    assessment: Assessment
    output_license: str | None
    """SPDX expression or ``LicenseRef-…``; None: no licence is granted to anybody."""
    notes: tuple[str, ...] = ()
    """Sentences that a person should see."""


def use_of(use: str | None, policy: Policy | None) -> str:
    """The use that was asked for, else the default of the company's policy.

    :raises ConfigError: there is neither (``JPT-U150``), or the policy cannot be read
    """
    chosen = use or default_use(policy)
    if not chosen:
        raise ConfigError("U150", known=listing(uses(), 20))
    return chosen


def default_use(policy: Policy | None) -> str | None:
    """The use that the company's policy names where nobody else does.

    :raises ConfigError: the policy cannot be read
    """
    return None if policy is None else opened(policy).default_use or None


def opened(policy: Policy) -> CompanyPolicy:
    """The policy, read from its file where it is one."""
    return policy if isinstance(policy, CompanyPolicy) else load_policy(policy)


def uses() -> list[str]:
    """The closed list of uses, from the one that asks least to the one that asks most."""
    return list(written_policy().uses)


def judge(
    components: Iterable[Mapping[str, Any] | Component],
    use: str,
    *,
    output_license: str | None = None,
    policy: Policy | None = None,
) -> Judged:
    """The verdict for a use.

    Where no output licence is named and the components ask for exactly one, that one is taken and a note says so.

    :raises ConfigError: as :func:`jptextclf.licensing.deciding.assess`
    """
    records = list(components)
    company = None if policy is None else opened(policy)
    first = assess(records, use, output_license=output_license, policy=company)
    if first.output_license is not None:
        return Judged(first, first.output_license)
    asked = {
        to_spdx(one.token.partition(":")[2]) for one in first.obligations if one.kind == "relicense-output"
    }
    if len(asked) != 1 or "NOASSERTION" in asked:
        return Judged(first, None)
    wanted = asked.pop()
    under_it = assess(records, use, output_license=wanted, policy=company)
    if under_it.verdict > first.verdict:
        return Judged(first, None)
    return Judged(under_it, wanted, (text("export.asked_license", license=wanted),))


def exit_status(assessment: Assessment, n_problems: int = 0) -> int:
    """Of a command that shows a verdict: that of the verdict, else 5 where something is open that a person has to meet.

    :param n_problems: duties that the files of an export do not meet
    """
    is_open = bool(assessment.open_obligations) or n_problems > 0
    return assessment.verdict.exit_status or (Verdict.NEEDS_REVIEW.exit_status if is_open else 0)


def require_cleared(judged: Judged, name: str) -> None:
    """That nothing stands against the use.

    :param name: what was judged
    :raises LicenseError: it needs review (``JPT-L001``), is blocked (``JPT-L002``), or a duty that no file can meet
        is taken on by nobody (``JPT-L003``)
    """
    assessment = judged.assessment
    verdict = assessment.verdict
    if verdict is Verdict.BLOCKED:
        raise LicenseError("L002", verdict=str(verdict), **refusal(assessment, name))
    if verdict is Verdict.NEEDS_REVIEW:
        raise LicenseError("L001", verdict=str(verdict), **refusal(assessment, name))
    if assessment.open_obligations:
        duties = _duties(assessment)
        raise LicenseError("L003", verdict=str(verdict), duties=duties, name=name, use=assessment.use)


def refusal(assessment: Assessment, name: str) -> dict[str, str]:
    """What a refusal says: use, reasons with their components, and the changes that would help."""
    return {
        "name": name, "use": assessment.use, "reasons": _lines(dict.fromkeys(reason_lines(assessment))),
        "remedies": _remedies(assessment),
    }  # fmt: skip


def reason_lines(assessment: Assessment) -> list[str]:
    """Every reason that stands for the verdict, as a sentence with its component, licence and clause."""
    worst = [one for one in assessment.reasons if one.verdict == assessment.verdict and not one.waiver]
    return [reason_line(one) for one in worst]


def reason_line(reason: Reason) -> str:
    """A reason as a sentence that names its component, with the clause or the step of the policy behind it."""
    said = reason.text.strip()
    named = said if reason.component in said else f"{reason.component}: {said}"
    return f"{named} [{reason.ground}]" if reason.ground else named


def _remedies(assessment: Assessment) -> str:
    lines = [one.text for one in assessment.remedies]
    return (
        "\n".join([text("export.remedies"), _lines(dict.fromkeys(lines))])
        if lines
        else text("export.no_remedy")
    )


def _duties(assessment: Assessment) -> str:
    return _lines(
        text(
            "export.duty", component=one.component or text("license_report.whole"), duty=one.text, token=one.token,
            actor=text(f"license_report_actor.{one.actor}"),
        )
        for one in assessment.open_obligations
    )  # fmt: skip


def _lines(sentences: Iterable[str]) -> str:
    def shown() -> Iterator[str]:
        found = list(sentences)
        yield from (f"  - {one}" for one in found[:_SHOWN])
        if len(found) > _SHOWN:
            yield "  " + text("export.more", n=len(found) - _SHOWN)

    return "\n".join(shown())
