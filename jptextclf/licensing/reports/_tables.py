"""Tables: components, evidence, reasons, duties, questions, remedies and decisions as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf import messages
from jptextclf.licensing.assessment import Verdict
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.reports._blocks import Cell, Line, Row, Table, line
from jptextclf.licensing.reports._parts import evidence_key, valid_sha256, web_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from jptextclf.licensing.assessment import Assessment, Decision, Obligation, Reason
    from jptextclf.licensing.reports._parts import Part
    from jptextclf.licensing.reports._subject import ReportSubject

Evidence = dict[str, tuple[int, "Mapping[str, Any]", str]]
"""Key of the evidence -> its number in the report, its record and the component that it speaks of."""
_SHORT = 12
"""Characters of a hash that are shown where the whole one stands elsewhere."""
_STATES = {"open": 0, "acknowledged": 1, "waived": 2, "met-by-file": 3}


def say(key: str, /, **fields: object) -> str:
    """A sentence of the reports' own catalogue."""
    return messages.text(f"license_report.{key}", **fields)


def word(kind: str, value: str) -> str:
    """A fixed id in words, such as ``role`` ``base_model``; an id that is not in the catalogue as it is."""
    key = f"license_report_{kind}.{value}"
    return messages.text(key) if messages.has(key) else value


def verdict_label(verdict: Verdict | str) -> str:
    """The verdict in words, with its id."""
    return say("with_id", words=word("verdict", str(verdict)), id=str(verdict))


def use_label(use: str) -> str:
    """The use in words, with its id."""
    return say("with_id", words=word("use", use), id=use)


def verdict_cell(verdict: Verdict) -> Cell:
    """The verdict in words and as its id, in its colour."""
    return (Line(word("verdict", str(verdict)), tone=str(verdict)), Line(str(verdict), tone="faint"))


# ---- evidence -----------------------------------------------------------------------------------------------------


def numbered_evidence(assessment: Assessment, parts: Iterable[Part]) -> Evidence:
    """Every piece of evidence once, numbered from 1 in the order of the components."""
    found: Evidence = {}
    quoted = [(part.label, one) for part in parts for one in part.evidence]
    quoted += [(reason.component, one) for reason in assessment.reasons for one in reason.evidence]
    for component, record in quoted:
        found.setdefault(evidence_key(record), (len(found) + 1, record, component))
    return found


def evidence_table(evidence: Evidence) -> Table | None:
    """Source, place, hash and date of every piece of evidence."""
    rows = tuple(
        Row(
            (_number(number), line(component), _statement(record), _source(record), _check(record)),
            f"e{number}",
        )
        for number, record, component in evidence.values()
    )
    columns = ("number", "component", "statement", "source", "check")
    return _table("evidence", columns, rows)


def _number(number: int) -> Cell:
    return line(f"E{number}")


def _statement(record: Mapping[str, Any]) -> Cell:
    return line(record.get("statement") or "", tone="quote")


def _source(record: Mapping[str, Any]) -> Cell:
    address, file = str(record.get("url") or ""), str(record.get("file") or "")
    where = (*line(address, url=web_address(address)), *line(file, tone="code"))
    number = record.get("line")
    return (*where, *(line(say("at_line", n=number), tone="faint") if number is not None else ()))


def _check(record: Mapping[str, Any]) -> Cell:
    revision, date = str(record.get("revision") or ""), str(record.get("date") or "")
    digest = str(record.get("sha256") or "")
    return (
        *(line(say("revision", revision=revision)) if revision else ()),
        *(line(say("read_on", date=date)) if date else ()),
        *(line(f"SHA-256: {digest}", tone="code") if digest else ()),
    )


def _references(records: Iterable[Mapping[str, Any]], evidence: Evidence) -> Cell:
    """Number in the table of evidence, place, and short hash of each piece."""
    lines: list[Line] = []
    for record in records:
        number = evidence[evidence_key(record)][0]
        address = str(record.get("url") or "")
        place = str(record.get("file") or _end(address))
        digest = valid_sha256(record.get("sha256"))[:_SHORT]
        details = [
            str(record.get("revision") or "")[:_SHORT],
            say("at_line", n=record["line"]) if record.get("line") is not None else "",
            str(record.get("date") or ""),
            f"SHA-256 {digest}…" if digest else "",
        ]
        lines.append(Line(f"E{number}", anchor=f"e{number}"))
        lines.append(Line(place, url=web_address(address)))
        lines += line(say("separator").join(one for one in details if one), tone="faint")
    return tuple(lines)


def _end(address: str) -> str:
    """What tells an address from others: its last step, or the last two where that is only a number."""
    steps = address.rstrip("/").split("/")
    return "/".join(steps[-2:] if steps[-1].isdigit() else steps[-1:])


# ---- components ---------------------------------------------------------------------------------------------------


def component_table(parts: Iterable[Part], evidence: Evidence) -> Table | None:
    """One row for each component: what it is, what is declared, what its text says, whether they agree."""
    rows = tuple(
        Row(
            (
                _identity(part),
                _place(part),
                _declared(part),
                _stated(part),
                _conflict(part),
                _references(part.evidence, evidence)
                or line(say("no_evidence"), tone="faint" if part.is_own else "warning"),
            )
        )
        for part in parts
    )
    columns = ("component", "role_and_relation", "declared", "stated", "conflict", "evidence")
    return _table("components", columns, rows)


def _identity(part: Part) -> Cell:
    name = Line(part.name if part.record.get("name") else say("unnamed"), url=part.url)
    if part.is_unpinned:
        words = say("unpinned")
        return (
            name,
            Line(say("with_id", words=words, id=part.moving) if part.moving else words, tone="warning"),
        )
    return (name, *line(f"@{part.revision}" if part.revision else "", tone="code"))


def _place(part: Part) -> Cell:
    record = part.record
    return (
        *line(word("role", part.role)),
        *line(word("relation", part.relation), tone="faint"),
        *(line(say("bundled"), tone="faint") if part.is_bundled else ()),
        *(line(say("not_shipped"), tone="faint") if record.get("shipped") is False else ()),
        *(line(word("origin", str(record["origin"])), tone="faint") if record.get("origin") else ()),
        *(_personal(str(record["personal_information"])) if record.get("personal_information") else ()),
    )


def _personal(state: str) -> Cell:
    return line(word("personal", state), tone="faint" if state == "none-confirmed" else "warning")


def _declared(part: Part) -> Cell:
    known = part.declared != NOASSERTION
    lines = line(part.declared, tone="code" if known else "warning")
    if part.raw:
        lines += line(say("as_a_list" if part.is_list else "as_written", raw=part.raw), tone="faint")
    code = str(part.record.get("code_license") or "")
    return lines + (line(say("code_license", license=code), tone="faint") if code else ())


def _stated(part: Part) -> Cell:
    stated = line(part.stated, tone="code") or line(say("not_stated"), tone="faint")
    return stated + tuple(Line(say("quote", text=one), tone="quote") for one in part.terms)


def _conflict(part: Part) -> Cell:
    if part.is_conflict:
        return line(say("conflict_yes"), tone="warning")
    if part.record.get("metadata_body_conflict") is False or part.stated_id == part.declared != NOASSERTION:
        return line(say("conflict_no"))
    return line(say("conflict_not_compared"), tone="faint")


# ---- reasons, duties, questions, remedies, decisions ---------------------------------------------------------------


def reason_table(assessment: Assessment, evidence: Evidence) -> Table | None:
    """Reasons by component, the worst component first."""
    first = {one: n for n, one in reversed(list(enumerate(r.component for r in assessment.reasons)))}
    worst = {one: Verdict.worst(r.verdict for r in assessment.reasons if r.component == one) for one in first}
    ordered = sorted(
        assessment.reasons,
        key=lambda one: (-worst[one.component].rank, first[one.component], -one.verdict.rank),
    )
    rows = tuple(
        Row((_who(one), verdict_cell(one.verdict) + _waived(one), _why(one), _ground(one, evidence)))
        for one in ordered
    )
    return _table("reasons", ("component", "verdict", "reason", "ground"), rows)


def _who(reason: Reason) -> Cell:
    return (*line(reason.component), *line(word("role", reason.role), tone="faint"))


def _waived(reason: Reason) -> Cell:
    return line(say("waived_by", id=reason.waiver)) if reason.waiver else ()


def _why(reason: Reason) -> Cell:
    text = reason.text
    license_id = "" if reason.license in text else reason.license
    quote = "" if not reason.statement or reason.statement in text else say("quote", text=reason.statement)
    return (*line(text), *line(license_id, tone="code"), *line(quote, tone="quote"))


def _ground(reason: Reason, evidence: Evidence) -> Cell:
    numbers = [evidence[evidence_key(one)][0] for one in reason.evidence]
    references = tuple(Line(f"E{number}", anchor=f"e{number}") for number in numbers)
    ground = reason.ground or say("by_rule", rule=reason.rule)
    return (*line(ground, url=web_address(reason.source)), *references)


def duty_table(obligations: Iterable[Obligation]) -> Table | None:
    """Who has to do what, what is open first and what is only recommended last."""
    ordered = sorted(obligations, key=lambda one: (not one.required, _STATES[one.state]))
    rows = tuple(
        Row((line(word("actor", one.actor)), _duty(one), line(one.component or say("whole")), _state(one)))
        for one in ordered
    )
    return _table("duties", ("actor", "duty", "component", "state"), rows)


def _duty(duty: Obligation) -> Cell:
    recommended = () if duty.required else line(say("recommended"), tone="faint")
    return (*line(duty.text), *line(duty.token, tone="faint"), *recommended)


def _state(duty: Obligation) -> Cell:
    if duty.state == "met-by-file":
        return (*line(say("met_by_file")), *(Line(one, tone="code") for one in duty.files))
    if duty.state == "waived":
        return line(say("settled_by_waiver", id=duty.acknowledgement))
    if duty.state == "acknowledged":
        return line(say("acknowledged", id=duty.acknowledgement))
    return line(say("open"), tone="warning" if duty.required else "")


def question_table(assessment: Assessment) -> Table | None:
    """Points that the law or the facts leave open."""
    rows = tuple(Row((line(one.component), line(one.text))) for one in assessment.unsettled)
    return _table("questions", ("component", "question"), rows)


def remedy_table(assessment: Assessment) -> Table | None:
    """What would improve the verdict, cheapest first."""
    rows = tuple(
        Row((line(number), line(one.text), verdict_cell(one.verdict)))
        for number, one in enumerate(assessment.remedies, 1)
    )
    return _table("remedies", ("number", "change", "verdict_after"), rows)


def decision_table(decisions: Iterable[Decision]) -> Table | None:
    """Signed entries of the company policy that count here."""
    rows = tuple(
        Row((_entry(one), _covers(one), _signed(one), line(one.expires), _grounds(one))) for one in decisions
    )
    return _table("decisions", ("entry", "covers", "signed", "expires", "grounds"), rows)


def _entry(decision: Decision) -> Cell:
    return (*line(word("decision", decision.kind)), *line(decision.id, tone="code"))


def _covers(decision: Decision) -> Cell:
    return (*line(decision.component or say("whole")), *line(decision.subject, tone="code"))


def _signed(decision: Decision) -> Cell:
    return (*line(decision.signed_by), *line(decision.date))


def _grounds(decision: Decision) -> Cell:
    return (*line(decision.reason), *line(decision.evidence, url=web_address(decision.evidence)))


def file_table(subject: ReportSubject) -> Table | None:
    """Every file of the subject with its hash."""
    rows = tuple(
        Row(
            (
                line(path, tone="code"),
                line("" if one.size is None else f"{one.size:,}"),
                line(one.sha256, tone="code"),
            )
        )
        for path, one in sorted(subject.files.items())
    )
    return _table("files", ("file", "size", "hash"), rows)


def _table(kind: str, columns: tuple[str, ...], rows: tuple[Row, ...]) -> Table | None:
    if not rows:
        return None
    return Table(tuple(word("column", one) for one in columns), rows, word("section", kind), kind)
