"""Forecast: what the gate would say, before anything is trained, so that nobody trains what cannot leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.errors import LicenseError
from jptextclf.exporters.judging import default_use, judge, reason_lines, refusal, uses
from jptextclf.licensing.assessment import Verdict
from jptextclf.messages import listing, text
from jptextclf.subjects import records_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jptextclf.exporters.judging import Policy
    from jptextclf.licensing import Component
    from jptextclf.progress import Progress


def announce(
    components: Sequence[Component], *, name: str, use: str | None, policy: Policy | None, progress: Progress
) -> None:
    """Say what the verdict will be for the use, or in one line for every use where none is named.

    :param components: what the model will be made from
    :param name: of the run
    :param use: None: the default of the policy
    :raises LicenseError: it would be blocked (``JPT-L010``)
    :raises ConfigError: there is no such use, or the policy cannot be read
    """
    records = records_of(components)
    use = use or default_use(policy)
    if use is None:
        progress.say(_every_use(records, policy))
        return
    assessment = judge(records, use, policy=policy).assessment
    if assessment.verdict is Verdict.BLOCKED:
        raise LicenseError("L010", verdict=str(assessment.verdict), **refusal(assessment, name))
    if assessment.verdict is Verdict.NEEDS_REVIEW:
        reasons = "\n".join(f"  - {one}" for one in dict.fromkeys(reason_lines(assessment)[:3]))
        progress.warn(text("forecast.review", use=use, reasons=reasons))
        return
    progress.say(text("forecast.verdict", use=use, verdict=assessment.verdict))


def _every_use(records: Sequence[Mapping[str, Any]], policy: Policy | None) -> str:
    """``ok: a, b; needs-review: c; blocked: d``, the best first."""
    found: dict[Verdict, list[str]] = {}
    for use in uses():
        found.setdefault(judge(records, use, policy=policy).assessment.verdict, []).append(use)
    said = [
        text("forecast.one", verdict=one, uses=listing(found[one], 20)) for one in Verdict if one in found
    ]
    return text("forecast.all_uses", verdicts="; ".join(said))
