"""Deciding: components and a use -> verdict with reasons, duties, open questions and remedies.

It applies the rows of ``rules/`` to what upstream states. The worst component decides. It knows no file of a
model and no wording.
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jptextclf.errors import ConfigError
from jptextclf.licensing.assessment import Assessment, Decision, Obligation, Question, Reason, Verdict
from jptextclf.licensing.case import Part, read_case
from jptextclf.licensing.company import CompanyPolicy, load_policy
from jptextclf.licensing.components import NOASSERTION, join_and
from jptextclf.licensing.conditions import (
    Output,
    facts_of,
    is_head_alone,
    license_words,
    limits_in,
    part_words,
    path_of,
    terms_about,
    terms_of,
    use_words,
)
from jptextclf.licensing.copyrights import holders_in
from jptextclf.licensing.expressions import Node, parse
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.remedies import remedies_for
from jptextclf.licensing.rules import Rule, use_named, written_policy

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from jptextclf.licensing.components import Component
    from jptextclf.licensing.rules import Use

_RULE_SOURCE = "jptextclf/licensing/rules/rules.toml"
_JUDGED_ALONE = ("output", "declared_use")
_ABOUT_PROSE = ("extra-terms", "cite", "customer")
_MOST_WAYS = 4096
_OWN_TERMS = "LicenseRef-Terms-Not-Read"


@dataclass(frozen=True)
class _Finding:
    """One row of the policy that applies to one reading of one component."""

    part: Part
    rule: Rule
    license: str
    words: frozenset[str]
    statement: str = ""
    waiver: str = ""
    """Id of the signed entry that settles it."""


@dataclass(frozen=True)
class _Case:
    """What is the same for all components of a case."""

    use: Use
    output: Output
    linear_head: bool
    purpose_declared: bool
    company: CompanyPolicy | None
    today: dt.date


def assess(
    components: Iterable[Mapping[str, Any] | Component],
    use: str,
    *,
    output_license: str | None = None,
    policy: CompanyPolicy | str | os.PathLike[str] | None = None,
    today: dt.date | None = None,
    with_remedies: bool = True,
) -> Assessment:
    """The verdict of the written policy for a use of what these components make.

    >>> base = {"role": "base_model", "name": "org/model", "license": "CC-BY-NC-4.0", "relation": "fine-tuned-from"}
    >>> assess([base], "internal-commercial").verdict.value
    'blocked'

    :param components: records in the published form (``rules/case.schema.json``), or ``Component``
    :param use: one of the closed list of uses
    :param output_license: of the model itself; the same as a component of role ``output``
    :param policy: a company policy or its file, which tightens, and settles reviews by signed entries
    :param today: for the dates of a company policy; None is today
    :raises ConfigError: the form of a component (``JPT-U111``), the use (``JPT-U110``), the output licence
        (``JPT-U113``) or the policy (``JPT-U114``) is wrong
    """
    company = policy if isinstance(policy, CompanyPolicy) or policy is None else load_policy(policy)
    parts = read_case(components)
    case = _case_of(parts, use, output_license, company, today)
    assessment = _assessed(parts, case)
    if not with_remedies or assessment.verdict <= Verdict.OK_WITH_OBLIGATIONS:
        return assessment

    def judge(records: list[Mapping[str, Any]], use: str) -> Verdict:
        """The verdict of a changed case."""
        return assess(records, use, policy=company, today=case.today, with_remedies=False).verdict

    others = [part.record for part in parts if part.role != "output"]
    output = [part.record for part in parts if part.role == "output"]
    if output_license is not None:
        output.append({"role": "output", "license": output_license})
    return replace(assessment, remedies=remedies_for(assessment, others, output, judge))


def _assessed(parts: tuple[Part, ...], case: _Case) -> Assessment:
    """The assessment of a case, without remedies."""
    decisions: list[Decision] = []
    judged = [_with_evidence(part, case, decisions) for part in parts if part.role not in _JUDGED_ALONE]
    found = [one for part in judged for one in _findings(part, case)]
    found += [*_joined(judged, case), *_denied(judged, case)]
    findings = [_waived(one, case, decisions) for one in found]
    obligations = _obligations(findings, case, decisions)
    return Assessment(
        verdict=Verdict.worst(
            Verdict.OK_WITH_OBLIGATIONS if one.waiver else one.rule.verdict for one in findings
        ),
        use=case.use.id,
        output_license=case.output.expression or None,
        components=tuple(part.record for part in parts),
        obligations=obligations,
        reasons=_reasons(findings),
        unsettled=_questions(judged, findings, case),
        decisions=tuple(dict.fromkeys(decisions)),
        policy=_policy_record(case.company),
    )


def _questions(judged: list[Part], findings: list[_Finding], case: _Case) -> tuple[Question, ...]:
    """What the rows leave open, and the signed entries that name a component and do not count."""
    asked = [Question(topic, one.part.label) for one in findings for topic in one.rule.questions]
    if case.company:
        idle = case.company.idle(judged, case.use.id, case.today)
        asked += [Question("decision-not-in-force", one) for one in idle]
    return tuple(dict.fromkeys(asked))


def _case_of(
    parts: tuple[Part, ...],
    use: str,
    output_license: str | None,
    company: CompanyPolicy | None,
    today: dt.date | None,
) -> _Case:
    outputs = [part for part in parts if part.role == "output"]
    stated = [one for part in outputs for one in _stated_output(part)]
    if output_license is not None:
        stated.append(checked_output(output_license))
    forms = [part.form for part in outputs if part.form]
    return _Case(
        use=use_named(use),
        output=Output(join_and(stated)),
        linear_head=all(is_head_alone(one) for one in forms),
        purpose_declared=any(part.role == "declared_use" and part.purpose for part in parts),
        company=company,
        today=today or dt.datetime.now(tz=dt.UTC).date(),
    )


def _stated_output(part: Part) -> list[str]:
    """What an output component says of its licence: what cannot be read, and terms on top, are terms of one's own."""
    if part.license in (NOASSERTION, "", []) and not (part.prose or part.extra_terms):
        return []
    known = part.declared
    stated = [_OWN_TERMS if known == NOASSERTION else known]
    return [*stated, *([_OWN_TERMS] if part.prose or part.extra_terms else [])]


def checked_output(license_id: str) -> str:
    """The licence that somebody wants to give the model, in its usual spelling.

    :raises ConfigError: it names no licence (``JPT-U113``)
    """
    known = to_spdx(license_id)
    if known == NOASSERTION:
        raise ConfigError("U113", found=license_id)
    return known


# ---- one component ------------------------------------------------------------------------------------------------


def _findings(part: Part, case: _Case) -> list[_Finding]:
    """Every row that applies to a component, over all readings of its licence; at least one."""
    base = part_words(part, case.use, linear_head=case.linear_head, purpose_declared=case.purpose_declared)
    if case.company:
        base |= case.company.component_words(part.label)
    readings = readings_of(part)
    base |= _words_of_readings(part, readings, case)
    found = [one for reading in readings for one in _of_tree(part, reading, base, case)]
    if part.upstream_license and path_of(part) in {"data", "evaluation"}:
        found += _of_tree(part, parse(to_spdx(part.upstream_license)), base, case)
    if part.code_license and path_of(part) == "bundled":
        found += _of_tree(part, parse(to_spdx(part.code_license)), base, case)
    found = _after_relicensing(part, found, base, case)
    found += [one for term in terms_of(part) for one in _of_term(part, term, base)]
    return _once(found) or _matching(part, part.declared, base | {"nothing-else"})


def readings_of(part: Part) -> list[Node]:
    """What the component may be under: as declared, and as its text states.

    A text counts alone where nobody has declared anything; where something unreadable is declared, it stands for
    the part that cannot be read.
    """
    declared = part.tree
    if not part.body_license:
        return [declared]
    stated = parse(to_spdx(part.body_license))
    if part.declares_nothing:
        return [stated]
    if NOASSERTION in declared.leaves():
        known = tuple(parse(one) for one in declared.leaves() if one != NOASSERTION)
        return [Node("and", branches=(*known, stated)) if known else stated]
    return list(dict.fromkeys((declared, stated)))


def _words_of_readings(part: Part, readings: list[Node], case: _Case) -> frozenset[str]:
    """How the readings of a licence stand to each other, and to the output licence."""
    words: set[str] = set()
    if part.body_license and part.declares_nothing:
        words.add("stated-in-text-only")
    elif part.body_license and NOASSERTION in part.tree.leaves():
        words.add("declaration-unread")
    if part.metadata_body_conflict or len(readings) > 1:
        leaves = [leaf for one in readings for leaf in one.leaves()]
        met = bool(case.output.ids) and all(case.output.fits_as_it_stands(leaf) for leaf in leaves)
        words |= {"conflict", *(["output-fits-every-reading"] if met else [])}
        if len(readings) == 1 and "declaration-unread" not in words:
            words.add("conflict-unread")
    return frozenset(words)


def _of_tree(part: Part, node: Node, base: frozenset[str], case: _Case) -> list[_Finding]:
    """AND: all branches; OR: the one that the company names, else the best."""
    if node.kind == "and":
        return [one for branch in node.branches for one in _of_tree(part, branch, base, case)]
    if node.kind == "or":
        chosen = case.company.choice(part.label) if case.company else ""
        branches = [one for one in node.branches if chosen in one.leaves()] or node.branches
        judged = [_of_tree(part, branch, base, case) for branch in branches]
        return min(judged, key=_weight)
    words = base | license_words(part, node.name, case.output)
    if part.origin == "customer":
        # The contract is the licence: what it permits is what somebody has signed, not an id.
        words -= {"no-facts", "no-grant"}
    if case.company:
        words |= case.company.license_words(node.name)
    return _matching(part, node.name, words)


def _of_term(part: Part, term: str, base: frozenset[str]) -> list[_Finding]:
    """What follows from a limit in the words beside a licence, whatever the licence."""
    limits = limits_in(term)
    if not limits:
        return []
    found = _matching(part, "", base | limits | {"limited-grant"})
    return [replace(one, statement=term) for one in found if {*one.rule.when} & {*limits, "limited-grant"}]


def _matching(part: Part, license_id: str, words: frozenset[str]) -> list[_Finding]:
    rules = (rule for rule in written_policy().rules if rule.matches(path_of(part), words))
    found = [_Finding(part, rule, license_id, words, _statement(part, rule)) for rule in rules]
    # "nothing asked" stands alone, and is only tried where no other row matched.
    return [one for one in found if one.rule.id != "nothing-asked" or len(found) == 1]


def _after_relicensing(
    part: Part, found: list[_Finding], base: frozenset[str], case: _Case
) -> list[_Finding]:
    """Where only a later licence of the same thing permits the use: its findings, and the question of its reach."""
    if not part.later_license or path_of(part) != "weights":
        return found
    grant = parse(to_spdx(part.later_license))
    if not all(facts_of(one) for one in grant.leaves()):
        return found
    later = _of_tree(part, grant, base | {"needs-the-later-license"}, case)
    if _worst(found) is Verdict.BLOCKED and _worst(later) < Verdict.BLOCKED:
        return later
    return found


def _once(found: list[_Finding]) -> list[_Finding]:
    """Rows about the component itself count once, whatever the number of its licences."""
    seen: dict[tuple[str, str], _Finding] = {}
    for one in found:
        about_license = one.rule.clause or "{license}" in "".join(one.rule.duties)
        seen.setdefault((one.rule.id, one.license if about_license else ""), one)
    return list(seen.values())


def _worst(found: Iterable[_Finding]) -> Verdict:
    return Verdict.worst(one.rule.verdict for one in found)


def _weight(found: list[_Finding]) -> tuple[int, int]:
    return _worst(found).rank, sum(len(one.rule.duties) for one in found)


def _statement(part: Part, rule: Rule) -> str:
    """The upstream words that a row is about, where they are prose."""
    if rule.id.startswith("gate-"):
        return part.extra_gated_prompt
    if any(one in rule.id for one in _ABOUT_PROSE):
        return terms_about(part, rule.id)
    return ""


# ---- the model as one ---------------------------------------------------------------------------------------------


def _joined(parts: list[Part], case: _Case) -> list[_Finding]:
    """That some licence satisfies everything that is copied into the model, if it leaves."""
    inside = [part for part in parts if path_of(part) == "weights" and part.shipped and not _is_teacher(part)]
    ways = [[way for one in readings_of(part) for way in one.choices()] for part in inside]
    if not inside or _can_be_joined(ways):
        return []
    limits = ("outputs", "clashes")
    limited = sorted(
        {
            part.label
            for part, own in zip(inside, ways, strict=True)
            if any(
                getattr(facts, key)
                for way in own
                for one in way
                if (facts := facts_of(one))
                for key in limits
            )
        }
    )
    words = use_words(case.use) | {"no-common-output"}
    whole = replace(inside[0], name=" + ".join(limited), evidence=())
    rules = (rule for rule in written_policy().rules if rule.matches("whole", words) and rule.path == "whole")
    return [_Finding(whole, rule, "", words) for rule in rules]


def _denied(parts: list[Part], case: _Case) -> list[_Finding]:
    """What the company policy says of the use and of the output licence, once for the whole."""
    if case.company is None:
        return []
    words = use_words(case.use) | case.company.whole_words(case.use.id, case.output.ids)
    whole = replace(parts[0], name=case.company.name, role="policy", evidence=())
    rules = (rule for rule in written_policy().rules if rule.path == "whole" and rule.matches("whole", words))
    return [_Finding(whole, rule, "", words) for rule in rules]


def _can_be_joined(ways: list[list[tuple[str, ...]]]) -> bool:
    """Whether, for some choice among the ORs and readings of each component, one output licence fits all."""
    tried = itertools.islice(itertools.product(*ways), _MOST_WAYS)
    return any(common_outputs(one for way in choice for one in way) != [] for choice in tried)


def common_outputs(license_ids: Iterable[str]) -> list[str] | None:
    """Licences that an adaptation of works under all of these may carry; None if it is free."""
    common: list[str] | None = None
    ids = list(license_ids)
    for name in ids:
        facts = facts_of(name)
        if facts is None or not facts.outputs:
            continue
        if set(facts.clashes) & set(ids):
            return []
        common = [one for one in (common or facts.outputs) if one in facts.outputs]
        if not common:
            return []
    return common


def _is_teacher(part: Part) -> bool:
    return part.role == "teacher" or part.relation == "distilled-from"


# ---- what people read and do --------------------------------------------------------------------------------------


def _waived(finding: _Finding, case: _Case, decisions: list[Decision]) -> _Finding:
    """A finding with the waiver that settles it, if there is one."""
    if case.company is None:
        return finding
    waiver = case.company.waiver_for(finding.part, finding.rule, case.use.id, case.today)
    if waiver is None:
        return finding
    decisions.append(waiver)
    return replace(finding, waiver=waiver.id)


def _reasons(findings: list[_Finding]) -> tuple[Reason, ...]:
    """Worst first, then in the order of the components."""
    reasons = []
    for one in findings:
        facts = facts_of(one.license)
        clause = facts.clauses.get(one.rule.clause, "") if facts and one.rule.clause else ""
        reasons.append(
            Reason(
                component=one.part.label,
                role=one.part.role,
                rule=one.rule.id,
                verdict=one.rule.verdict,
                license=one.license,
                clause=f"{one.license}, {clause}" if clause else "",
                step=one.rule.step,
                source=facts.source if facts and clause else one.rule.source or _RULE_SOURCE,
                evidence=one.part.evidence,
                statement=one.statement,
                waiver=one.waiver,
            )
        )
    return tuple(sorted(reasons, key=lambda reason: -reason.verdict.rank))


def _obligations(findings: list[_Finding], case: _Case, decisions: list[Decision]) -> tuple[Obligation, ...]:
    """Every duty once for each component, with the record that is always kept.

    A duty that two findings name is settled by a waiver only if both are.
    """
    found: dict[tuple[str, str], Obligation] = {}
    found["keep-license-record", ""] = _obligation("keep-license-record", "", case, decisions, "")
    for one in sorted(findings, key=lambda finding: bool(finding.waiver)):
        for template in one.rule.duties:
            token = _filled(template, one)
            key = (token, one.part.label)
            if token and key not in found:
                found[key] = _obligation(token, one.part.label, case, decisions, one.waiver)
    return tuple(found.values())


def _obligation(
    token: str, component: str, case: _Case, decisions: list[Decision], waiver: str
) -> Obligation:
    kind, _, name = token.partition(":")
    duty = written_policy().duties[kind]
    files = tuple(one.format(name=name) for one in duty.files)
    made = Obligation(token, component, duty.actor, files, required=duty.required)
    if files:
        return replace(made, state="met-by-file")
    if waiver:
        return replace(made, state="waived", acknowledgement=waiver)
    signed = case.company.acknowledgement_of(made, case.use.id, case.today) if case.company else None
    if signed:
        decisions.append(signed)
        return replace(made, state="acknowledged", acknowledgement=signed.id)
    return made


def _filled(template: str, finding: _Finding) -> str:
    """A duty's token with its names; empty for one that would name nothing."""
    part, facts = finding.part, facts_of(finding.license)
    if template.startswith("safe-path:") and {"non-commercial", "commercial"} <= finding.words:
        # An output licence that forbids the use is no way to it.
        return ""
    common = common_outputs(leaf for one in readings_of(part) for leaf in one.leaves())
    token = template.format(
        component=part.label,
        license=finding.license,
        declared=part.declared,
        holder=" / ".join(holders_in(part.evidence)) or part.label,
        upstream=f"{part.upstream_name or part.label} {to_spdx(part.upstream_license or None)}",
        outputs=facts.own_output if facts else "",
        restrictions=facts.restrictions if facts and facts.restrictions else finding.license,
        common_outputs=common[0] if common else "",
    )
    return "" if token.endswith(":") else token


def _with_evidence(part: Part, case: _Case, decisions: list[Decision]) -> Part:
    """A component with what signed entries of the company policy add: a found licence, a permission."""
    if case.company is None:
        return part
    return case.company.completed(part, case.use.id, case.today, decisions)


def _policy_record(company: CompanyPolicy | None) -> dict[str, str]:
    record = {"rules_sha256": written_policy().sha256}
    if company:
        record |= {"name": company.name, "version": company.version, "sha256": company.sha256}
    return record
