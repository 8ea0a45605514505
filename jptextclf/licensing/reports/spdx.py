"""SPDX 2.3 JSON: the model and each component as a package, with what is declared, concluded and in conflict.

Source: https://spdx.github.io/spdx-spec/v2.3/. What nobody has said is ``NOASSERTION``, never ``NONE``.
Signed entries of the company policy are annotations; duties that are open stand in the comments.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.expressions import parse
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.license_texts import license_name, license_text, license_url
from jptextclf.licensing.reports._escaping import json_text, shown
from jptextclf.licensing.reports._parts import DATA, Part, parts_of, valid_sha256, web_address
from jptextclf.licensing.reports._signed import signed_entry, signed_grounds
from jptextclf.licensing.reports._tables import say, use_label, verdict_label, word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jptextclf.licensing.assessment import Assessment, Decision, Obligation
    from jptextclf.licensing.reports._subject import ReportSubject

_DOCUMENT, _MODEL = "SPDXRef-DOCUMENT", "SPDXRef-Model"
_NO_DATE = "1970-01-01T00:00:00Z"
"""The format demands a date; this one is said to be none in the comment beside it."""


def write_spdx(assessment: Assessment, subject: ReportSubject) -> str:
    """The SPDX document; its comments are in the language of now."""
    parts = parts_of(assessment)
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": _title(subject),
        "documentNamespace": "",
        "creationInfo": _creation(subject),
        "comment": messages.text("license.notice"),
        "documentDescribes": [_MODEL],
        "packages": [
            _model(assessment, subject, parts),
            *(_component(part, assessment) for part in parts),
            *_files(subject),
        ],
        "relationships": _relationships(parts, subject),
    }
    if annotations := _annotations(_of_no_package(assessment.decisions, parts)):
        document["annotations"] = annotations
    if extracted := _extracted(document["packages"]):
        document["hasExtractedLicensingInfos"] = extracted
    document["documentNamespace"] = _namespace(document)
    return json_text(json.dumps(document, ensure_ascii=False, indent=2)) + "\n"


REPORT = write_spdx


def _title(subject: ReportSubject) -> str:
    return shown(f"{subject.name} {subject.version}")


def _namespace(document: dict[str, Any]) -> str:
    """The same for the same content, and for no other."""
    content = json.dumps(document, sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()
    return f"https://spdx.org/spdxdocs/jptextclf-{uuid.uuid5(uuid.NAMESPACE_URL, digest)}"


def _creation(subject: ReportSubject) -> dict[str, Any]:
    record: dict[str, Any] = {
        "created": subject.created or _NO_DATE,
        "creators": [f"Tool: jptextclf-{subject.tool_version}"],
    }
    return record if subject.created else record | {"comment": say("created_unknown")}


def _package(identifier: str, name: str, **fields: Any) -> dict[str, Any]:
    """A package with what the format and its readers expect of every one; empty fields are left out."""
    record = {
        "SPDXID": identifier,
        "name": shown(name),
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": False,
        "licenseDeclared": NOASSERTION,
        "licenseConcluded": NOASSERTION,
        "copyrightText": NOASSERTION,
        "supplier": NOASSERTION,
    }
    return record | {key: value for key, value in fields.items() if value}


def _model(assessment: Assessment, subject: ReportSubject, parts: Iterable[Part]) -> dict[str, Any]:
    license_id = to_spdx(assessment.output_license)
    verdict = verdict_label(assessment.verdict)
    comment = say("verdict_for_use", verdict=verdict, use=use_label(assessment.use))
    labels = {part.label for part in parts}
    whole = [one for one in assessment.open_obligations if one.component not in labels]
    return _package(
        _MODEL,
        subject.name,
        versionInfo=shown(subject.version),
        licenseDeclared=license_id,
        licenseConcluded=license_id,
        primaryPackagePurpose="OTHER",
        comment="\n".join([comment, *map(_open_duty, whole)]),
    )


def _component(part: Part, assessment: Assessment) -> dict[str, Any]:
    duties = [one for one in assessment.open_obligations if one.component == part.label]
    return _package(
        _identifier(part),
        part.name,
        versionInfo=shown(part.revision),
        downloadLocation=part.url,
        licenseDeclared=part.declared,
        licenseConcluded=part.concluded,
        licenseComments="\n".join(_license_comments(part)),
        copyrightText="\n".join(map(shown, part.copyright_lines)),
        primaryPackagePurpose="LIBRARY" if part.role == "software" else "OTHER",
        checksums=[_checksum(part.sha256)] if part.sha256 else [],
        externalRefs=[_purl(part.purl)] if part.purl else [],
        sourceInfo="\n".join(_evidence(part)),
        comment="\n".join([*_verdict(part), *map(_open_duty, duties)]),
        annotations=_annotations(one for one in assessment.decisions if one.component == part.label),
    )


def _open_duty(duty: Obligation) -> str:
    return say("open_duty", actor=word("actor", duty.actor), text=shown(duty.text))


def _of_no_package(decisions: Iterable[Decision], parts: Iterable[Part]) -> list[Decision]:
    """Signed entries about the model as a whole; they stand with the document."""
    labels = {part.label for part in parts}
    return [one for one in decisions if one.component not in labels]


def _annotations(decisions: Iterable[Decision]) -> list[dict[str, str]]:
    """Signed entries as reviews by those who signed them."""
    language = messages.language()
    return [
        {
            "annotationDate": f"{one.date}T00:00:00Z",
            "annotationType": "REVIEW",
            "annotator": f"Person: {_without_brackets(one.signed_by)}",
            "comment": " ".join(
                [signed_entry(one, language=language), signed_grounds(one, language=language)]
            ),
        }
        for one in decisions
    ]


def _without_brackets(name: str) -> str:
    """The format reads what stands in round brackets as an address of mail."""
    return shown(name).translate({ord("("): "[", ord(")"): "]"})


def _verdict(part: Part) -> list[str]:
    reasons = dict.fromkeys(shown(one.text) for one in part.reasons)
    return [say("verdict_alone", verdict=verdict_label(part.verdict)), *reasons]


def _license_comments(part: Part) -> list[str]:
    """Everything about the licence that an expression cannot say."""
    lines = []
    if part.is_conflict:
        lines.append(
            say("conflict_between", declared=part.declared, stated=shown(part.stated or NOASSERTION))
        )
    elif part.stated:
        lines.append(say("stated_in_text", stated=shown(part.stated)))
    if part.raw:
        lines.append(say("as_a_list" if part.is_list else "as_written", raw=shown(part.raw)))
    if code := part.record.get("code_license"):
        lines.append(say("code_license", license=shown(code)))
    return lines + [say("quote", text=shown(one)) for one in part.terms]


def _evidence(part: Part) -> list[str]:
    """The record of each piece of evidence, on a line of its own."""
    lines = []
    for one in part.evidence:
        place = [shown(one[key]) for key in ("url", "file") if one.get(key)]
        place += [say("at_line", n=one["line"])] if one.get("line") is not None else []
        place += [say("revision", revision=shown(one["revision"]))] if one.get("revision") else []
        place += [f"SHA-256: {digest}"] if (digest := valid_sha256(one.get("sha256"))) else []
        place += [say("read_on", date=shown(one["date"]))] if one.get("date") else []
        lines.append(f"{say('quote', text=shown(one.get('statement') or ''))} {say('separator').join(place)}")
    return lines


def _files(subject: ReportSubject) -> list[dict[str, Any]]:
    """Each file as a package: a file of SPDX 2.3 needs a SHA-1, which nobody should trust any more."""
    return [
        _package(
            f"SPDXRef-File-{number}",
            path,
            packageFileName=shown(path),
            primaryPackagePurpose="FILE",
            checksums=[_checksum(digest)] if (digest := valid_sha256(one.sha256)) else [],
        )
        for number, (path, one) in enumerate(sorted(subject.files.items()), 1)
    ]


def _relationships(parts: Iterable[Part], subject: ReportSubject) -> list[dict[str, str]]:
    found = [_relationship(_DOCUMENT, "DESCRIBES", _MODEL)]
    found += [_related(part) for part in parts]
    return found + [
        _relationship(_MODEL, "CONTAINS", f"SPDXRef-File-{number}")
        for number in range(1, len(subject.files) + 1)
    ]


def _related(part: Part) -> dict[str, str]:
    """How the model came from a component, or what it needs it for."""
    own = _identifier(part)
    if part.is_ancestor:
        return _relationship(_MODEL, "GENERATED_FROM" if part.is_teacher else "DESCENDANT_OF", own)
    if part.role == "evaluation_data":
        return _relationship(own, "TEST_OF", _MODEL)
    if part.role in DATA:
        return _relationship(_MODEL, "GENERATED_FROM", own)
    return _relationship(_MODEL, "CONTAINS" if part.is_bundled else "DEPENDS_ON", own)


def _relationship(start: str, kind: str, end: str) -> dict[str, str]:
    return {"spdxElementId": start, "relationshipType": kind, "relatedSpdxElement": end}


def _extracted(packages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name and text of every licence that is not on the SPDX list."""
    stated = [one[key] for one in packages for key in ("licenseDeclared", "licenseConcluded")]
    ids = {leaf for expression in stated for leaf in parse(expression).leaves()}
    return [_license(one) for one in sorted(ids) if one.startswith("LicenseRef-")]


def _license(license_id: str) -> dict[str, Any]:
    text = license_text(license_id)
    record: dict[str, Any] = {
        "licenseId": license_id,
        "name": license_name(license_id),
        "extractedText": text or say("text_not_held", license=license_id),
    }
    url = web_address(license_url(license_id))
    return record | ({"seeAlsos": [url]} if url else {})


def _checksum(digest: str) -> dict[str, str]:
    return {"algorithm": "SHA256", "checksumValue": digest}


def _purl(purl: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def _identifier(part: Part) -> str:
    return f"SPDXRef-Component-{part.number}"
