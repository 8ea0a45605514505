"""Remedies: single changes to a case that would improve its verdict, cheapest first.

Each is tried by judging the changed case; nothing is promised that was not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jptextclf.licensing.assessment import Assessment, Remedy, Verdict
from jptextclf.licensing.case import read_part
from jptextclf.licensing.company import MISSING_EVIDENCE
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.conditions import facts_of
from jptextclf.licensing.expressions import parse
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.rules import written_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Record = Mapping[str, Any]
    Judge = Callable[[list[Record], str], Verdict]

_REPLACEMENT = {
    "base_model": "replace-base", "adapter": "replace-base", "teacher": "replace-base",
    "training_data": "retrain-without", "evaluation_data": "evaluate-elsewhere",
}  # fmt: skip


def remedies_for(
    assessment: Assessment, records: list[Record], output: list[Record], judge: Judge
) -> tuple[Remedy, ...]:
    """Changes that improve the verdict: of a record, of the output licence, of the use, or a person's decision.

    :param records: the case without its output
    :param output: the output as a component, or nothing
    """
    candidates = [
        *_of_facts(records, output),
        *_of_output(records),
        *_of_components(assessment, records, output),
    ]
    if any(one.rule == "company-use-denied" for one in assessment.reasons):
        # No change of the model makes a denied use a permitted one.
        candidates = []
    found = []
    for remedy, changed in candidates:
        verdict = judge(changed, assessment.use) if changed else Verdict.OK
        if verdict < assessment.verdict:
            found.append((remedy, verdict))
    if not found and candidates:
        found = _all_replaced(assessment, records, output, judge)
    if assessment.verdict is Verdict.NEEDS_REVIEW and _can_be_signed(assessment):
        found.append((("sign-decision", "", ""), Verdict.OK_WITH_OBLIGATIONS))
    found += _other_use(assessment, [*records, *output], judge)
    return tuple(
        Remedy(change, verdict, component, value)
        for (change, component, value), verdict in dict(found).items()
    )


def _can_be_signed(assessment: Assessment) -> bool:
    """Whether everything that needs a review may be settled by a signature; missing evidence may not."""
    open_rules = {
        one.rule for one in assessment.reasons if one.verdict is Verdict.NEEDS_REVIEW and not one.waiver
    }
    return not open_rules & MISSING_EVIDENCE


_Change = tuple[str, str, str]


def _of_facts(records: list[Record], output: list[Record]) -> Iterator[tuple[_Change, list[Record]]]:
    """What only has to be found out and written down, for all components that it is missing from at once."""
    unconfirmed = {
        place
        for place, record in enumerate(records)
        if record.get("origin") in {"own", "customer"}
        and record.get("personal_information") != "none-confirmed"
    }
    unpinned = {place for place, record in enumerate(records) if read_part(record).is_unpinned}
    confirmed = _with(records, unconfirmed, personal_information="none-confirmed")
    if unconfirmed:
        names = _names(records, unconfirmed)
        yield ("confirm-no-personal-information", names, ""), [*confirmed, *output]
    if unpinned:
        names = _names(records, unpinned)
        yield ("pin-revision", names, ""), [*_with(records, unpinned, revision="0" * 40), *output]
    if unconfirmed and unpinned:
        names = _names(records, unconfirmed | unpinned)
        yield ("complete-record", names, ""), [*_with(confirmed, unpinned, revision="0" * 40), *output]


def _of_output(records: list[Record]) -> Iterator[tuple[_Change, list[Record]]]:
    ids = {
        leaf
        for record in records
        for key in ("license", "body_license", "upstream_license")
        if record.get(key)
        for leaf in parse(to_spdx(record[key])).leaves()
    }
    wanted = [facts.outputs for name in sorted(ids) if (facts := facts_of(name)) and facts.outputs]
    for license_id in dict.fromkeys(one for outputs in wanted for one in outputs):
        yield ("output-license", "", license_id), [*records, {"role": "output", "license": license_id}]


def _of_components(
    assessment: Assessment, records: list[Record], output: list[Record]
) -> Iterator[tuple[_Change, list[Record]]]:
    """A component at fault left out or exchanged for one that nothing speaks against."""
    worst = {
        one.component for one in assessment.reasons if one.verdict == assessment.verdict and not one.waiver
    }
    # With several at fault no single one helps; what cannot be joined is said of all that are in it.
    if len(worst) > 1:
        return
    for place, record in enumerate(records):
        name = record.get("name") or record["role"]
        if not any(name in one for one in worst):
            continue
        if record.get("license", NOASSERTION) == NOASSERTION:
            yield ("find-evidence", name, ""), _without(records, place, output)
        if record.get("origin") == "customer":
            yield ("record-permission", name, ""), _without(records, place, output)
        change = _REPLACEMENT.get(record["role"], "leave-out")
        yield (change, name, ""), _without(records, place, output)


def _all_replaced(
    assessment: Assessment, records: list[Record], output: list[Record], judge: Judge
) -> list[tuple[_Change, Verdict]]:
    """Where no single change helps: every component at fault at once."""
    faulty = [
        place
        for place, record in enumerate(records)
        if assessment.verdict_of(record.get("name") or record["role"]) >= assessment.verdict
    ]
    rest = [record for place, record in enumerate(records) if place not in faulty]
    judged = any(record["role"] != "declared_use" for record in rest)
    verdict = judge([*rest, *output], assessment.use) if judged else Verdict.OK
    if not faulty or verdict >= assessment.verdict:
        return []
    return [(("replace-all", _names(records, faulty), ""), verdict)]


def _other_use(assessment: Assessment, records: list[Record], judge: Judge) -> list[tuple[_Change, Verdict]]:
    """The use nearest to the intended one, from above, for which the verdict is better."""
    uses = list(written_policy().uses)
    for use in reversed(uses[: uses.index(assessment.use)]):
        verdict = judge(records, use)
        if verdict < assessment.verdict and verdict <= Verdict.OK_WITH_OBLIGATIONS:
            return [(("other-use", "", use), verdict)]
    return []


def _names(records: list[Record], places: Iterable[int]) -> str:
    """What these components are called, once each."""
    return ", ".join(
        dict.fromkeys(records[one].get("name") or records[one]["role"] for one in sorted(places))
    )


def _with(records: list[Record], places: set[int], **changes: object) -> list[Record]:
    return [{**one, **changes} if number in places else one for number, one in enumerate(records)]


def _without(records: list[Record], place: int, output: list[Record]) -> list[Record]:
    """The case without one component; empty where nothing is left that could be judged."""
    rest = [one for number, one in enumerate(records) if number != place]
    return [*rest, *output] if any(one["role"] != "declared_use" for one in rest) else []
