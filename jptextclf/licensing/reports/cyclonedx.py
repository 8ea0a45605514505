"""CycloneDX 1.6 JSON: the model with its model card, what it descends from, its data and its software.

Source: https://cyclonedx.org/docs/1.6/json/. The schema takes any text for an expression: it is parsed first.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.expressions import parse
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.license_texts import license_text, license_url
from jptextclf.licensing.reports._escaping import json_text, shown
from jptextclf.licensing.reports._parts import DATA, MODELS, Part, parts_of, valid_sha256, web_address
from jptextclf.licensing.reports._tables import say, use_label, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jptextclf.licensing.assessment import Assessment
    from jptextclf.licensing.reports._subject import ReportSubject

_MODEL = "model"
_PREFIX = "jptextclf:"
_SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"


def write_cyclonedx(assessment: Assessment, subject: ReportSubject) -> str:
    """The CycloneDX document; its sentences are in the language of now."""
    parts = parts_of(assessment)
    document: dict[str, Any] = {
        "$schema": _SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "",
        "version": 1,
        "metadata": _metadata(assessment, subject, parts),
        "components": [_component(part) for part in parts if not part.is_ancestor],
        "dependencies": _dependencies(parts),
    }
    content = json.dumps(document, sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}"
    return json_text(json.dumps(document, ensure_ascii=False, indent=2)) + "\n"


REPORT = write_cyclonedx


def _metadata(assessment: Assessment, subject: ReportSubject, parts: Iterable[Part]) -> dict[str, Any]:
    tool = {"type": "application", "name": "jptextclf", "version": subject.tool_version}
    return _filled(
        timestamp=subject.created,
        tools={"components": [tool]},
        component=_model(assessment, subject, tuple(parts)),
        properties=_properties(
            verdict=assessment.verdict,
            use=assessment.use,
            **{"output-license": assessment.output_license or NOASSERTION},
            notice=messages.text("license.notice"),
            **{f"policy:{key}": value for key, value in sorted(assessment.policy.items())},
            **{
                f"decision:{one.id}": json.dumps(one.to_json(), ensure_ascii=False)
                for one in assessment.decisions
            },
        ),
    )


def _model(assessment: Assessment, subject: ReportSubject, parts: tuple[Part, ...]) -> dict[str, Any]:
    ancestors = [_component(part) for part in parts if part.is_ancestor]
    return _filled(
        type="machine-learning-model",
        **{"bom-ref": _MODEL},
        name=shown(subject.name),
        version=shown(subject.version),
        licenses=_licenses(to_spdx(assessment.output_license), "declared"),
        components=_files(subject),
        pedigree={"ancestors": ancestors, "notes": _ancestry(parts)} if ancestors else {},
        modelCard=_card(assessment, subject, parts),
    )


def _ancestry(parts: Iterable[Part]) -> str:
    named = [(part, word("relation", part.relation)) for part in parts if part.is_ancestor]
    return say("separator").join(f"{shown(part.name)} ({relation})" for part, relation in named)


def _files(subject: ReportSubject) -> list[dict[str, Any]]:
    return [
        _filled(
            type="file",
            **{"bom-ref": f"file-{number}"},
            name=shown(path),
            hashes=_hashes(one.sha256),
            properties=_properties(size="" if one.size is None else one.size),
        )
        for number, (path, one) in enumerate(sorted(subject.files.items()), 1)
    ]


# ---- the model card -----------------------------------------------------------------------------------------------


def _card(assessment: Assessment, subject: ReportSubject, parts: Iterable[Part]) -> dict[str, Any]:
    parameters = _filled(
        approach={"type": "supervised"},
        task=say("task", task=subject.task) if subject.task else "",
        architectureFamily=subject.base_architecture,
        datasets=[{"ref": _reference(part)} for part in parts if part.role in DATA],
        inputs=[{"format": _input(subject)}],
        outputs=[{"format": say("output", labels=", ".join(map(shown, subject.labels)))}]
        if subject.labels
        else [],
    )
    metrics = [
        {"type": shown(name), "value": repr(value)}
        for name, value in sorted(subject.metrics.items())
        if math.isfinite(value)
    ]
    return _filled(
        modelParameters=parameters,
        quantitativeAnalysis={"performanceMetrics": metrics} if metrics else {},
        considerations=_considerations(assessment),
    )


def _input(subject: ReportSubject) -> str:
    return say("input_in", languages=", ".join(subject.languages)) if subject.languages else say("input")


def _considerations(assessment: Assessment) -> dict[str, Any]:
    """The use that was judged; duties and open questions as what limits the model."""
    duties = [shown(f"{word('actor', one.actor)}: {one.text}") for one in assessment.obligations]
    questions = [{"name": shown(one.text)} for one in assessment.unsettled]
    return _filled(
        useCases=[use_label(assessment.use)],
        technicalLimitations=list(dict.fromkeys(duties)),
        ethicalConsiderations=questions,
    )


# ---- components ---------------------------------------------------------------------------------------------------


def _component(part: Part) -> dict[str, Any]:
    kind = _kind(part)
    return _filled(
        type=kind,
        **{"bom-ref": _reference(part)},
        name=shown(part.name),
        version=shown(part.revision),
        hashes=_hashes(part.sha256),
        licenses=_component_licenses(part),
        copyright="\n".join(map(shown, part.copyright_lines)),
        purl=part.purl,
        externalReferences=_external(part),
        evidence=_filled(licenses=_licenses(part.stated_id)),
        data=[_dataset(part)] if kind == "data" else [],
        properties=_part_properties(part),
    )


def _kind(part: Part) -> str:
    if part.role in MODELS:
        return "machine-learning-model"
    return "data" if part.role in DATA or part.role == "dictionary" else "library"


def _dataset(part: Part) -> dict[str, Any]:
    personal = str(part.record.get("personal_information") or "")
    return _filled(
        type="dataset" if part.role in DATA else "definition",
        name=shown(part.name),
        contents={"url": part.url} if part.url else {},
        sensitiveData=[word("personal", personal)] if personal in {"contains", "unknown"} else [],
        description=word("role", part.role),
    )


def _component_licenses(part: Part) -> list[dict[str, Any]]:
    """Declared, and concluded where the tool has one reading; an expression stands alone in its list."""
    declared = _licenses(part.declared, "declared")
    concluded = _licenses(part.concluded, "concluded")
    if any("expression" in one for one in declared + concluded):
        return declared or concluded
    return declared + concluded


def _licenses(expression: str, acknowledgement: str = "") -> list[dict[str, Any]]:
    """A list as the schema wants it: empty for what nobody has said."""
    if expression == NOASSERTION:
        return []
    said = {"acknowledgement": acknowledgement} if acknowledgement else {}
    leaves = parse(expression).leaves()
    if leaves != (expression,):
        return [{"expression": expression, **said}]
    return [{"license": _license(expression) | said}]


def _license(license_id: str) -> dict[str, Any]:
    """By id where the SPDX list has it; any other by name, with its text or a sentence that it is not held."""
    url = web_address(license_url(license_id))
    if not license_id.startswith("LicenseRef-"):
        return _filled(id=license_id, url=url)
    text = license_text(license_id) or say("text_not_held", license=license_id)
    return _filled(name=license_id, text={"contentType": "text/plain", "content": text}, url=url)


def _external(part: Part) -> list[dict[str, Any]]:
    """Its home, the pages of its licences, and each address of the evidence with the hash of what was read there."""
    found = [{"type": "website", "url": part.url}] if part.url else []
    leaves = dict.fromkeys(leaf for one in part.expressions for leaf in parse(one).leaves())
    addresses = dict.fromkeys(web_address(license_url(leaf)) for leaf in leaves)
    found += [{"type": "license", "url": one} for one in addresses if one]
    return found + [
        _filled(
            type="evidence",
            url=address,
            comment=shown(one.get("statement") or ""),
            hashes=_hashes(one.get("sha256")),
        )
        for one in part.evidence
        if (address := web_address(one.get("url")))
    ]


def _part_properties(part: Part) -> list[dict[str, str]]:
    record = part.record
    return _properties(
        verdict=part.verdict,
        role=part.role,
        relation=part.relation,
        **{
            "license:declared": part.declared,
            "license:as-written": part.raw,
            "license:stated": part.stated,
            "license:concluded": part.concluded,
            "license:code": record.get("code_license") or "",
            "license:conflict": "true" if part.is_conflict else "false",
            "personal-information": record.get("personal_information") or "",
        },
        origin=record.get("origin") or "",
        bundled="" if record.get("bundled") is None else str(bool(record["bundled"])).lower(),
        shipped="" if record.get("shipped") is None else str(bool(record["shipped"])).lower(),
        **{f"terms:{n}": text for n, text in enumerate(part.terms, 1)},
        **{f"reason:{n}": f"{one.rule}: {one.text}" for n, one in enumerate(part.reasons, 1)},
        **{f"evidence:{n}": _evidence(one) for n, one in enumerate(part.evidence, 1)},
    )


def _evidence(record: Mapping[str, Any]) -> str:
    return json.dumps(dict(record), ensure_ascii=False, sort_keys=True, default=str)


def _dependencies(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    # What the model descends from is in its pedigree; what it needs to run is a dependency.
    needed = [_reference(part) for part in parts if not part.is_ancestor and part.role not in DATA]
    return [_filled(ref=_MODEL, dependsOn=needed)]


def _properties(**values: object) -> list[dict[str, str]]:
    return [
        {"name": _PREFIX + name, "value": shown(value)} for name, value in values.items() if str(value) != ""
    ]


def _hashes(digest: object) -> list[dict[str, str]]:
    known = valid_sha256(digest)
    return [{"alg": "SHA-256", "content": known}] if known else []


def _reference(part: Part) -> str:
    return f"component-{part.number}"


def _filled(**fields: Any) -> dict[str, Any]:
    """The fields that say something."""
    return {key: value for key, value in fields.items() if value not in ("", None, [], {})}
