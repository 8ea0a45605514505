"""The software that a model was trained with or is served by, as components: what each package says of its licence.

Nothing is guessed: a family such as "BSD License" counts only where a file in the package says which member it is.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.licensing.components import NOASSERTION, Component, Evidence, join_and
from jptextclf.licensing.expressions import parse
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.installed import InstalledFile, InstalledPackage, canonical, find_package
from jptextclf.licensing.license_files import LicenseFile, identify
from jptextclf.licensing.license_texts import find, texts_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OWN_PACKAGE = "jptextclf"
_OWN_CODE = "Apache-2.0"
"""Of our code. The wheel also holds an encoder and a corpus; a run that uses them names them by themselves."""
TRAINING_PACKAGES = (OWN_PACKAGE, "torch", "transformers", "tokenizers", "safetensors", "numpy")
_TABLE = Path(__file__).with_suffix(".toml")
_SURPLUS = re.compile(r"\b(?:the|licen[cs]ed?|under|version|software|v(?=[0-9]))\b|(?<=\s)v(?=[0-9])")
_BUNDLES = re.compile(
    r"^.*\bbinary distribution of \S+ (?:can )?also bundles?\b", re.IGNORECASE | re.MULTILINE
)
_FREE_TEXT = 200
"""Characters from which a License field is a whole licence text."""


def software_components(packages: tuple[str, ...] = TRAINING_PACKAGES) -> list[Component]:
    """One component for each installed package of that name, in the order given.

    What a package wraps, such as the dictionary in ``unidic-lite``, is not part of it: that is a component of its
    own, from its card.
    """
    found = ((name, find_package(name)) for name in packages)
    return [_component(package, own_code_only=True) for _, package in found if package is not None]


def runtime_closure(names: Iterable[str] = (OWN_PACKAGE,)) -> list[Component]:
    """Every package that these need to run here, themselves included, sorted by name.

    Requirements are followed as far as their markers hold on this machine. What is required but not installed is
    listed too, as NOASSERTION without a revision. Evidence names the licence files of each package.
    """
    required_by: dict[str, str] = {}
    waiting = [(canonical(name), "", "") for name in names]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra, by = waiting.pop()
        required_by.setdefault(name, by)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        if package := find_package(name):
            waiting += [(needed, wanted, name) for needed, wanted in _requirements(package, extra)]
    return [_installed_or_missing(name, required_by[name]) for name in sorted(required_by)]


def legal_files(package: str) -> tuple[InstalledFile, ...]:
    """Licence, notice and authors files of an installed package, with those of what it has taken in; sorted."""
    found = find_package(package)
    return found.legal_files if found else ()


@dataclass(frozen=True)
class _Statement:
    """What one place says of a package's licence."""

    license: str
    """SPDX expression; ``NOASSERTION`` where the words name no licence, or only a family."""
    evidence: Evidence
    family: tuple[str, ...] = ()
    """The ids that a family leaves open."""
    is_whole: bool = False
    """Whether it speaks of the whole package, so that nothing else has to be read with it."""


def _installed_or_missing(name: str, by: str) -> Component:
    package = find_package(name)
    if package is not None:
        return _component(package)
    note = messages.text("license_files.not_installed", by=by or name)
    return Component("software", name, "depends-on", note=note, url=f"pkg:pypi/{name}")


def _requirements(package: InstalledPackage, extra: str) -> Iterator[tuple[str, str]]:
    """Name and extra of each package that this one needs on this machine."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in package.requirements:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            # Old packages hold lines that today's rules refuse; pip passes over them too.
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            for wanted in ("", *sorted(requirement.extras)):
                yield canonical(requirement.name), wanted


def _component(package: InstalledPackage, *, own_code_only: bool = False) -> Component:
    files = [(file, identify(file.data)) for file in package.license_files]
    stated = [*_card_statements(package), *_metadata_statements(package)]
    license_id, settled_by = _concluded(package, stated, files)
    contrary = _contrary(license_id, stated, files)
    held = [one.id for _, found in files for one in found.licenses if not one.altered]
    others = [] if contrary else _others(license_id, held)
    if own_code_only and canonical(package.name) == OWN_PACKAGE:
        license_id = _OWN_CODE
    evidence = [one.evidence for one in stated] + [_file_evidence(package, *pair) for pair in files]
    return Component(
        role="software",
        name=package.name,
        relation="depends-on",
        license=license_id,
        body_license=join_and(contrary) or None,
        metadata_body_conflict=True if contrary else None,
        revision=package.version,
        url=package.url,
        note=messages.text("license_files.also_holds", ids=", ".join(others)) if others else "",
        evidence=tuple(dict.fromkeys([*evidence, *settled_by])),
    )


def _concluded(
    package: InstalledPackage, stated: list[_Statement], files: list[tuple[InstalledFile, LicenseFile]]
) -> tuple[str, list[Evidence]]:
    """The licence that the statements come to, and evidence beside them that settled it."""
    for one in stated:
        if one.is_whole and one.license != NOASSERTION:
            return one.license, []
    ids = list(dict.fromkeys(one.license for one in stated if one.license != NOASSERTION))
    families = [one.family for one in stated if one.family and not set(ids) & set(one.family)]
    materials = _material_statements(package) if families or not stated else []
    for family in families:
        member = _member(family, files) or _member_stated(family, materials)
        if not member:
            return NOASSERTION, []
        ids.append(member)
    if any(one.license == NOASSERTION and not one.family for one in stated):
        return NOASSERTION, []
    if not ids and not stated:
        ids = (
            [found.license for _, found in files if found.license != NOASSERTION] if _all_known(files) else []
        )
    return join_and(ids) or NOASSERTION, [one.evidence for one in materials]


def _member(family: tuple[str, ...], files: list[tuple[InstalledFile, LicenseFile]]) -> str:
    """The one member of a family that the licence files are; empty if there is none, or more than one.

    A file with altered terms, or with conditions around them, is no member.
    """
    found = set(_leaves(file.license for _, file in files)) & set(family)
    return found.pop() if len(found) == 1 else ""


def _member_stated(family: tuple[str, ...], statements: list[_Statement]) -> str:
    found = {one.license for one in statements if one.license in family}
    return found.pop() if len(found) == 1 else ""


def _all_known(files: list[tuple[InstalledFile, LicenseFile]]) -> bool:
    return bool(files) and all(found.license != NOASSERTION for _, found in files)


def _others(license_id: str, ids: Iterable[str]) -> list[str]:
    """Which of these ids are not declared; members of one family, and ids with one text, count as the same."""
    if license_id == NOASSERTION:
        return []
    declared = set(texts_for(license_id)) | set(parse(license_id).leaves())
    alike = declared.union(*(family for family in _table()["families"].values() if declared & set(family)))
    known = {_text_id(one) for one in alike}
    return sorted(one for one in set(ids) if _text_id(one) not in known)


def _text_id(license_id: str) -> str:
    entry = find(license_id)
    return entry.id if entry else license_id


def _contrary(
    license_id: str, stated: list[_Statement], files: list[tuple[InstalledFile, LicenseFile]]
) -> list[str]:
    """The ids that contradict what is declared: of classifiers, or of licence files that hold nothing declared."""
    if others := _others(license_id, _leaves(one.license for one in stated)):
        return others
    if not _all_known(files):
        return []
    held = _leaves(found.license for _, found in files)
    others = _others(license_id, held)
    return others if len(others) == len(held) else []


def _leaves(expressions: Iterable[str]) -> list[str]:
    known = (one for one in expressions if one != NOASSERTION)
    return list(dict.fromkeys(leaf for one in known for leaf in parse(one).leaves()))


def _metadata_statements(package: InstalledPackage) -> list[_Statement]:
    """What METADATA say: License-Expression, else License and the classifiers."""
    expressions = [
        _Statement(to_spdx(value), _metadata_evidence(package, "License-Expression", value), is_whole=True)
        for value in package.values("License-Expression")
    ]
    if expressions:
        return expressions
    texts = [value for value in package.values("License") if value.strip() not in {"", "UNKNOWN"}]
    found = [one for one in (_free_text(package, value) for value in texts) if one is not None]
    classifiers = (value.removeprefix("License :: ") for value in package.values("Classifier")
                   if value.startswith("License :: "))  # fmt: skip
    return found + [
        _classifier(package, value) for value in classifiers if value not in {"OSI Approved", "DFSG approved"}
    ]


def _classifier(package: InstalledPackage, value: str) -> _Statement:
    evidence = _metadata_evidence(package, "Classifier", f"License :: {value}")
    table = _table()
    return _Statement(
        table["classifiers"].get(value, NOASSERTION), evidence, tuple(table["families"].get(value, ()))
    )


def _free_text(package: InstalledPackage, value: str) -> _Statement | None:
    """The License field: an expression, a spelling, a family, or a whole text; None where its words say nothing."""
    evidence = _metadata_evidence(package, "License", value.splitlines()[0])
    if len(value) > _FREE_TEXT:
        license_id = identify(_own_part(value)).license
        return _Statement(license_id, evidence, is_whole=True) if license_id != NOASSERTION else None
    table, words = _table(), _plain(value)
    license_id = to_spdx(value)
    if license_id == NOASSERTION:
        license_id = table["spellings"].get(words, NOASSERTION)
    family = table["families"].get(table["family_spellings"].get(words, ""), ())
    if license_id == NOASSERTION and not family:
        # Free text that names no licence, as in "see LICENSE", does not speak against a classifier.
        return None
    return _Statement(license_id, evidence, tuple(family), is_whole=license_id != NOASSERTION)


def _own_part(text: str) -> str:
    """A licence text up to where it begins to speak of what else is bundled, as binary distributions do."""
    return _BUNDLES.split(text, maxsplit=1)[0]


def _plain(value: str) -> str:
    """``"The Apache License, Version 2.0" -> "apache 2.0"``."""
    words = re.sub(r"[^a-z0-9.+]+", " ", value.lower()).strip(" .")
    return " ".join(_SURPLUS.sub(" ", words).split())


def _material_statements(package: InstalledPackage) -> list[_Statement]:
    """What a list of materials in the package says of the package itself, or of its part of the same name."""
    found = []
    for file, content in package.materials:
        parts = [content.get("metadata", {}).get("component", {}), *content.get("components", [])]
        for part in parts:
            license_id = _material_license(part, package) if isinstance(part, dict) else ""
            if license_id:
                statement = f"{part.get('purl') or part.get('name')}: {license_id}".partition("?")[0]
                statement = statement if license_id in statement else f"{statement}: {license_id}"
                found.append(
                    _Statement(
                        license_id, _evidence(package, statement, file, file.line_of(f'"{license_id}"'))
                    )
                )
    return found


def _material_license(part: dict[str, Any], package: InstalledPackage) -> str:
    licenses = part.get("licenses")
    if canonical(str(part.get("name"))) != canonical(package.name) or not isinstance(licenses, list):
        return ""
    if len(licenses) != 1 or not isinstance(licenses[0], dict):
        return ""
    inner = licenses[0].get("license")
    value = licenses[0].get("expression") or (inner.get("id") if isinstance(inner, dict) else "")
    license_id = to_spdx(value)
    return "" if license_id == NOASSERTION else license_id


def _card_statements(package: InstalledPackage) -> list[_Statement]:
    """What the card of a dictionary states of the code that wraps it, where the card was made from this version."""
    for row in _wrapper_rows().get(canonical(package.name), ()):
        if row.get("revision") == package.version:
            fields = ("url", "file", "revision", "sha256", "line", "date")
            evidence = Evidence(row["statement"], **{key: row[key] for key in fields if key in row})
            return [_Statement(row["id"], evidence, is_whole=True)]
    return []


@cache
def _wrapper_rows() -> dict[str, list[dict[str, Any]]]:
    """Licence rows of the code in dictionary packages, by package. Cards stand above this module: read as data."""
    rows: dict[str, list[dict[str, Any]]] = {}
    folder = resources.files("jptextclf") / "cards" / "dictionaries"
    for path in sorted(folder.iterdir(), key=lambda one: one.name):
        if path.name.endswith(".toml"):
            card = tomllib.loads(path.read_text(encoding="utf-8"))
            rows[canonical(card["package"])] = [
                one for one in card.get("license", ()) if one["what"] == "code"
            ]
    return rows


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


def _file_evidence(package: InstalledPackage, file: InstalledFile, found: LicenseFile) -> Evidence:
    """The line of a licence file with which its licence begins, in its own words."""
    lines = file.lines
    line = found.licenses[0].line if found.licenses else 1
    words = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    return _evidence(package, words[:_FREE_TEXT] or file.path.name, file, line)


def _metadata_evidence(package: InstalledPackage, key: str, value: str) -> Evidence:
    file = package.metadata_file
    statement = f"{key}: {value}"
    if file is None:
        return Evidence(statement, url=package.url, revision=package.version)
    return _evidence(package, statement, file, file.line_of(statement))


def _evidence(package: InstalledPackage, statement: str, file: InstalledFile, line: int | None) -> Evidence:
    return Evidence(
        statement, url=package.url, file=file.name, revision=package.version, sha256=file.sha256, line=line
    )
