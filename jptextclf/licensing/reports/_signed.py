"""Signed: an entry of the company policy in one sentence, for documents that have no table for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf import messages
from jptextclf.licensing.reports._escaping import shown

if TYPE_CHECKING:
    from jptextclf.licensing.assessment import Decision


def signed_entry(entry: Decision, *, language: str, hides_component: bool = False) -> str:
    """What was signed, by whom, when and until when.

    :param hides_component: it is said that there is a component, and not which: its name is private
    """
    fields = {
        "kind": messages.text_in(language, f"license_report_decision.{entry.kind}"),
        "covers": _covers(entry, language, hides_component=hides_component),
        **{key: shown(getattr(entry, key)) for key in ("id", "signed_by", "date", "expires")},
    }
    return messages.text_in(language, "license_report.signed_entry", **fields)


def signed_grounds(entry: Decision, *, language: str) -> str:
    """Why it was signed, and the document behind it."""
    fields = {"reason": shown(entry.reason), "document": shown(entry.evidence)}
    return messages.text_in(language, "license_report.signed_grounds", **fields)


def _covers(entry: Decision, language: str, *, hides_component: bool) -> str:
    """The component, and the rule, duty or licence that it is about."""
    component, subject = shown(entry.component), shown(entry.subject)
    if hides_component:
        component = messages.text_in(language, "license_report.signed_private")
        # The token of a duty may hold the name after its colon.
        subject = subject.partition(":")[0]
    whole = messages.text_in(language, "license_report.whole")
    separator = messages.text_in(language, "license_report.separator")
    return separator.join(one for one in (component or whole, subject) if one)
