"""NOTICE: plain text that travels with a model, names what it is made from and says that it was changed.

It holds what the components ask to be shown; which licence texts lie beside it is said, not copied. Whoever gets the
model sees on which signed entries its export rests: what, by whom and until when. Their reasons and documents stay in
the reports, and names of private components in the company.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf import messages
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.license_texts import has_text, license_name, license_url, texts_for
from jptextclf.licensing.reports._escaping import shown
from jptextclf.licensing.reports._parts import DATA, MODELS, parts_of
from jptextclf.licensing.reports._signed import signed_entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jptextclf.licensing.assessment import Assessment, Obligation
    from jptextclf.licensing.reports._parts import Part
    from jptextclf.licensing.reports._subject import ReportSubject

_RULE = "-" * 72
_FILE = "NOTICE"
_PRIVATE = {"own", "customer"}
_ABOUT_NOTICES = {"retain-notices", "include-copyright-notice", "include-notice"}
"""Duties to pass on what the source says of its holders."""


def write_notice(assessment: Assessment, subject: ReportSubject) -> str:
    """The NOTICE of an export: in English, the statement of changes in Japanese too, whatever the language of now."""
    named = _named(assessment)
    model = f"{shown(subject.name)} {shown(subject.version)}".strip()
    blocks = [
        [model, *_output(assessment)],
        *_changes({_kind(part, subject) for part in named}, model, subject),
        *([[_english("notice_texts")]] if any(part.expressions for part in named) else []),
        *(_component(part, _duties(part, assessment.obligations), subject) for part in named),
        *_about_the_whole(named, assessment.obligations),
        *_signed(assessment, named),
        [_RULE, messages.text_in("en", "license.notice")],
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


REPORT = write_notice


def heading_of_changes() -> str:
    """The line above the statement of changes, in both languages."""
    return _both("notice_heading_changes")


def _named(assessment: Assessment) -> tuple[Part, ...]:
    """What others made and is in the model, or what the model was made or measured with.

    Data of the company and of its customers are nobody else's business, unless a duty wants them named.
    """
    return tuple(
        part
        for part in parts_of(assessment)
        if _duties(part, assessment.obligations)
        or (_has_part_in_it(part) and part.record.get("origin") not in _PRIVATE)
    )


def _has_part_in_it(part: Part) -> bool:
    return part.role in {*MODELS, *DATA} or part.is_bundled


def _output(assessment: Assessment) -> list[str]:
    license_id = assessment.output_license
    if not license_id:
        return []
    return [_english("notice_output", license=license_id)]


def _component(part: Part, duties: tuple[Obligation, ...], subject: ReportSubject) -> list[str]:
    return [
        _RULE,
        shown(part.name),
        _use(part, subject),
        *_entry("notice_source", part.url or part.purl),
        *_entry("notice_revision", part.revision),
        *(line for expression in _licenses(part) for line in _license(expression, subject)),
        *([_english("notice_conflict")] if part.is_conflict else []),
        *_holders(part, duties),
        *(line for text in part.terms for line in _entry("notice_terms", text)),
        *(line for duty in duties for line in _asked(part, duty)),
    ]


def _changes(kinds: set[str], model: str, subject: ReportSubject) -> list[list[str]]:
    """The statement of changes: what the subject says of them, else what its kind tells; nobody endorsed them."""
    key = "notice_changes" if "ancestor" in kinds else "notice_unchanged"
    key = "notice_as_is" if subject.kind == "model" else key
    said = {"model": model, "version": subject.tool_version}
    stated = [[_in_lines(one)] for one in subject.changes] or [
        [_english(key, **said)],
        [_japanese(key, **said)],
    ]
    if key == "notice_changes":
        stated += [[_english("notice_not_endorsed")], [_japanese("notice_not_endorsed")]]
    return [[heading_of_changes()], *stated]


def _in_lines(paragraph: str) -> str:
    return "\n".join(shown(one) for one in paragraph.strip().splitlines())


def _use(part: Part, subject: ReportSubject) -> str:
    """How it is part of the model, and that it is as its source has it where that is known."""
    kind = _kind(part, subject)
    is_unchanged = kind in {"bundled", "features"} and bool({part.name, part.label} & subject.unchanged)
    return _english(f"notice_{kind}") + (" " + _english("notice_unmodified") if is_unchanged else "")


def _kind(part: Part, subject: ReportSubject) -> str:
    """How it is part of the model."""
    if part.role in DATA:
        return "trained" if part.role == "training_data" else "evaluated"
    if part.is_teacher:
        return "teacher"
    is_there = part.is_shipped if part.role in MODELS else part.is_bundled
    if not is_there:
        return "unshipped"
    if part.is_ancestor:
        # A model that nobody has trained further is its own base.
        return "model" if subject.kind == "model" else "ancestor"
    return "features" if part.role in MODELS else "bundled"


def _licenses(part: Part) -> tuple[str, ...]:
    return part.expressions or (NOASSERTION,)


def _license(expression: str, subject: ReportSubject) -> list[str]:
    if expression == NOASSERTION:
        return [_english("notice_unlicensed")]
    return [
        _english("notice_license", license=expression),
        *(_text_of(one, subject) for one in texts_for(expression)),
    ]


def _text_of(license_id: str, subject: ReportSubject) -> str:
    """Name, page and place of a licence text: a file of this package or of the subject."""
    file = f"LICENSES/{license_id}.txt"
    is_there = has_text(license_id) or file in subject.files
    words = [
        license_name(license_id),
        license_url(license_id),
        file if is_there else _english("notice_text_not_held"),
    ]
    return "    " + "; ".join(word for word in words if word)


def _holders(part: Part, duties: Iterable[Obligation]) -> list[str]:
    if part.copyright_lines:
        return [line for text in part.copyright_lines for line in _entry("notice_copyright", text)]
    return [_english("notice_no_copyright")] if any(one.kind in _ABOUT_NOTICES for one in duties) else []


def _entry(key: str, value: str) -> list[str]:
    return [_english(key, value=shown(value))] if value else []


def _asked(part: Part, duty: Obligation) -> list[str]:
    """What a duty asks to be shown, where its name is not said yet."""
    name = duty.token.partition(":")[2]
    is_said = not name or name in {part.label, part.name}
    return [] if is_said else [_english("notice_asked", text=_duty_text(duty))]


def _duties(part: Part, obligations: Iterable[Obligation]) -> tuple[Obligation, ...]:
    return tuple(one for one in obligations if one.component == part.label and _FILE in one.files)


def _about_the_whole(named: Iterable[Part], obligations: Iterable[Obligation]) -> list[list[str]]:
    """Duties that this file meets and that belong to none of the components above."""
    labels = {part.label for part in named}
    rest = [_duty_text(one) for one in obligations if _FILE in one.files and one.component not in labels]
    return [[_RULE, _english("notice_whole"), *(f"- {one}" for one in dict.fromkeys(rest))]] if rest else []


def _signed(assessment: Assessment, named: Iterable[Part]) -> list[list[str]]:
    """The signed entries of the company policy that count here."""
    private = {part.label for part in parts_of(assessment) if part.record.get("origin") in _PRIVATE}
    private -= {part.label for part in named}
    lines = [
        signed_entry(one, language="en", hides_component=one.component in private)
        for one in assessment.decisions
    ]
    return [[_RULE, _both("notice_signed"), *(f"- {one}" for one in lines)]] if lines else []


def _duty_text(duty: Obligation) -> str:
    name = duty.token.partition(":")[2]
    key = f"license_duties.{duty.kind}"
    return shown(messages.text_in("en", key, name=name, component=duty.component))


def _english(key: str, **fields: object) -> str:
    return messages.text_in("en", f"license_report.{key}", **fields)


def _both(key: str) -> str:
    return f"{_english(key)} / {_japanese(key)}"


def _japanese(key: str, **fields: object) -> str:
    return messages.text_in("ja", f"license_report.{key}", **fields)
