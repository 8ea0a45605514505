"""Content: an assessment as ordered sections, said once, so that every format for people says the same.

It chooses what is said and in which order; it knows no markup.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from jptextclf import messages
from jptextclf.licensing.assessment import Verdict
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.reports._blocks import Items, Pairs, Paragraph, Report, Section, line
from jptextclf.licensing.reports._parts import parts_of
from jptextclf.licensing.reports._tables import (
    component_table,
    decision_table,
    duty_table,
    evidence_table,
    file_table,
    numbered_evidence,
    question_table,
    reason_table,
    remedy_table,
    say,
    use_label,
    verdict_label,
    word,
)

if TYPE_CHECKING:
    from jptextclf.licensing.assessment import Assessment, Obligation
    from jptextclf.licensing.reports._blocks import Block, Cell
    from jptextclf.licensing.reports._parts import Part
    from jptextclf.licensing.reports._subject import ReportSubject

_STEPS = 8
"""Of the decision order of the written policy."""
_SHOWN_DUTIES = 3
"""Open duties of one actor that the summary spells out."""


def report_of(assessment: Assessment, subject: ReportSubject) -> Report:
    """The report for people, in the language of now."""
    parts = parts_of(assessment)
    evidence = numbered_evidence(assessment, parts)
    sections = (
        _section("summary", *_summary(assessment, subject, parts)),
        _section("components", component_table(parts, evidence)),
        _section("evidence", evidence_table(evidence)),
        _section("reasons", reason_table(assessment, evidence)),
        _section("duties", duty_table(assessment.obligations)),
        _section("questions", question_table(assessment)),
        _section("remedies", remedy_table(assessment)),
        _section("decisions", decision_table(assessment.decisions)),
        _section("policy", _policy(assessment, subject), Paragraph(line(say("steps"))), _steps()),
        *((_section("files", file_table(subject)),) if subject.files else ()),
        _section("words", _words()),
    )
    return Report(
        language=messages.language(),
        title=say("title", name=subject.name),
        verdict=str(assessment.verdict),
        verdict_label=word("verdict", str(assessment.verdict)),
        verdict_meaning=word("verdict_meaning", str(assessment.verdict)),
        facts=_facts(assessment, subject),
        notice=messages.text("license.notice"),
        sections=sections,
    )


def _section(kind: str, *blocks: Block | None) -> Section:
    """A section; a table without a row is replaced by a sentence that says so."""
    said = tuple(one for one in blocks if one is not None)
    return Section(kind, word("section", kind), said or (Paragraph(line(word("empty", kind))),))


def _facts(assessment: Assessment, subject: ReportSubject) -> Pairs:
    output = assessment.output_license
    declared = [
        str(one.get("purpose") or "") for one in assessment.components if one.get("role") == "declared_use"
    ]
    entries: list[tuple[str, Cell]] = [
        ("use", line(use_label(assessment.use))),
        ("purpose", line(say("separator").join(one for one in declared if one))),
        ("output_license", line(output, tone="code") if output else line(say("output_not_chosen"))),
        ("subject", line(subject.name)),
        ("kind", line(word("kind", subject.kind))),
        ("version", line(subject.version, tone="code")),
        ("created", line(subject.created or say("created_unknown"))),
    ]
    return Pairs(tuple((word("fact", key), cell) for key, cell in entries if cell))


# ---- summary ------------------------------------------------------------------------------------------------------


def _summary(assessment: Assessment, subject: ReportSubject, parts: tuple[Part, ...]) -> tuple[Block, ...]:
    use = word("use", assessment.use)
    verdict = messages.text(f"license_report_answer.{assessment.verdict}", use=use)
    findings = tuple(_findings(assessment, parts))
    return (
        Paragraph(line(_what(subject, parts))),
        Paragraph(line(verdict)),
        *((Items(findings),) if findings else ()),
        Paragraph(line(say("next"))),
        Items(tuple(_next(assessment))),
    )


def _what(subject: ReportSubject, parts: tuple[Part, ...]) -> str:
    counts = Counter(part.role for part in parts)
    made_of = [say("count", role=word("role", role), n=n) for role, n in counts.items()]
    kind = word("kind", subject.kind)
    return say("what", name=subject.name, kind=kind, parts=say("separator").join(made_of), n=len(parts))


def _findings(assessment: Assessment, parts: tuple[Part, ...]) -> list[Cell]:
    """What a reader has to know before the tables: the components that decide, and what is not known."""
    stopped = [part for part in parts if part.verdict > Verdict.OK_WITH_OBLIGATIONS]
    conflicts = [part for part in parts if part.is_conflict]
    silent = [part for part in parts if part.concluded == NOASSERTION and not part.is_conflict]
    without = [part for part in parts if not part.evidence and not part.is_own]
    found = [
        ("stopped", stopped),
        ("conflicts", conflicts),
        ("silent", silent),
        ("without_evidence", without),
    ]
    cells = [
        line(say(f"found_{key}", n=len(those), names=messages.listing(dict.fromkeys(map(_called, those)), 3)))
        for key, those in found
        if those
    ]
    if assessment.decisions:
        cells.append(line(say("found_decisions", n=len(assessment.decisions))))
    return cells


def _called(part: Part) -> str:
    return part.label if part.record.get("name") else word("role", part.role)


def _next(assessment: Assessment) -> list[Cell]:
    """Who has to do what, in few words; the tables hold the rest."""
    by_actor: dict[str, list[Obligation]] = {}
    for one in assessment.open_obligations:
        by_actor.setdefault(one.actor, []).append(one)
    steps = [_of_actor(actor, duties) for actor, duties in by_actor.items()]
    if assessment.verdict is Verdict.NEEDS_REVIEW:
        steps.insert(0, line(say("next_review")))
    if assessment.remedies:
        steps.append(line(say("next_remedy", change=assessment.remedies[0].text)))
    by_file = sum(one.state == "met-by-file" for one in assessment.obligations)
    if by_file:
        steps.append(line(say("next_files", n=by_file)))
    return steps or [line(say("next_nothing"))]


def _of_actor(actor: str, duties: list[Obligation]) -> Cell:
    texts = [one.text for one in duties]
    what = say("duties_separator").join(texts[:_SHOWN_DUTIES])
    more = len(texts) - _SHOWN_DUTIES
    what += say("more_duties", n=more) if more > 0 else ""
    return line(say("next_actor", actor=word("actor", actor), n=len(duties), what=what))


# ---- ground and words ---------------------------------------------------------------------------------------------


def _policy(assessment: Assessment, subject: ReportSubject) -> Pairs:
    entries = [(word("policy", key), line(value, tone="code")) for key, value in assessment.policy.items()]
    tool = line(say("tool", version=subject.tool_version))
    return Pairs((*entries, (word("fact", "tool"), tool)))


def _steps() -> Items:
    return Items(tuple(line(say("step", n=n, text=word("step", str(n)))) for n in range(1, _STEPS + 1)))


def _words() -> Pairs:
    verdicts = [(verdict_label(one), line(word("verdict_meaning", str(one)))) for one in Verdict]
    terms = (
        "evidence",
        "declared",
        "obligation",
        "waiver",
        "clause",
        "output_license",
        "copyright_exception",
    )
    ids = ("SPDX", "NOASSERTION", "LicenseRef")
    described = [(word("term", one), line(word("term_meaning", one))) for one in terms]
    described += [(one, line(word("term_meaning", one))) for one in ids]
    return Pairs((*verdicts, *described))
