"""Duties: of each kind that files can meet, what has to stand in them. It reads an export and changes nothing.

:data:`PREDICATES` has one entry for each kind of ``licensing/rules/duties.toml`` that names files.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from jptextclf import messages
from jptextclf.exporters.card import NON_COMMERCIAL, citations
from jptextclf.exporters.layout import COMPONENTS, MANIFEST, NOTICE
from jptextclf.exporters.texts import license_files_of, stated_licenses
from jptextclf.licensing.file_names import is_notice_file
from jptextclf.licensing.license_files import identify
from jptextclf.licensing.license_texts import license_url, texts_for
from jptextclf.licensing.license_words import decode
from jptextclf.licensing.reports.notice import heading_of_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from jptextclf.exporters.documents import Documents

    Duty: TypeAlias = Mapping[str, Any]
    Predicate: TypeAlias = Callable[[Documents, Duty], Iterator[str]]

_COPYRIGHT = re.compile(r"copyright|\(c\)\s*\d|©|著作権者|著作権は", re.IGNORECASE)
_DATA = {
    ".arrow", ".csv", ".db", ".feather", ".gz", ".jsonl", ".ndjson", ".npy", ".npz", ".parquet", ".sqlite", ".tar", ".tsv",
    ".xls", ".xlsx", ".xml", ".zip",
}  # fmt: skip
"""Suffixes of files that texts of a corpus come in; an export has no file of such a name."""


def unmet(export: Documents, duty: Duty) -> Iterator[str]:
    """Why a duty is not met by the files of an export, each as a sentence; nothing where it is met."""
    for pattern in duty["files"]:
        if not export.has(pattern):
            yield messages.text("export_check.missing", file=pattern)
    if NOTICE in duty["files"] and not export.notice_says(duty["component"]):
        yield messages.text("export_check.not_named", component=duty["component"])
    kind = duty["token"].partition(":")[0]
    if kind in PREDICATES:
        yield from PREDICATES[kind](export, duty)
    elif duty["files"]:
        yield messages.text("export_check.no_predicate", kind=kind)


def copyright_lines(components: Sequence[Mapping[str, Any]], upstream: Mapping[str, bytes]) -> list[str]:
    """Lines that name a holder: of the evidence, and of licence files that came with the encoder."""
    said = [str(one.get("statement") or "") for part in components for one in part.get("evidence") or ()]
    lines = [one for one in said if _COPYRIGHT.search(one)]
    if any(part.get("role") == "base_model" for part in components):
        lines += [one for text in license_files_of(upstream).values() for one in identify(text).copyrights]
    return list(dict.fromkeys(lines))


def _name(duty: Duty) -> str:
    return str(duty["token"].partition(":")[2])


def _held(export: Documents, duty: Duty) -> Iterator[str]:
    """That components.json and assessment.json hold the same record of the component, evidence and all."""
    for part in export.parts_of(duty["component"]):
        if not any(_is_same(part, one) for one in export.recorded):
            yield messages.text("export_check.not_held", component=part.get("name", ""), file=COMPONENTS)


def _is_same(part: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    # A record without a revision is judged with the hash of its files as one.
    return {**part, "revision": None} == {**recorded, "revision": None}


def _held_conflict(export: Documents, duty: Duty) -> Iterator[str]:
    """That the record has both statements, or says that there are two."""
    yield from _held(export, duty)
    for part in export.parts_of(duty["component"]):
        if len(stated_licenses(part)) < 2 and not part.get("metadata_body_conflict"):
            yield messages.text("export_check.no_conflict", component=duty["component"])


def _archived(export: Documents, duty: Duty) -> Iterator[str]:
    """That the record has the hash of the text, and that a text which is here is the one with that hash."""
    yield from _held(export, duty)
    evidence = [one for part in export.parts_of(duty["component"]) for one in part.get("evidence") or ()]
    if not any(one.get("sha256") for one in evidence):
        yield messages.text("export_check.no_hash", component=duty["component"])
    for one in evidence:
        text = export.upstream.get(one.get("file", ""))
        if text is not None and one.get("sha256") and hashlib.sha256(text).hexdigest() != one["sha256"]:
            yield messages.text("export_check.other_file", file=f"upstream/{one['file']}")


def _pinned(export: Documents, duty: Duty) -> Iterator[str]:
    yield from _held(export, duty)
    if not all(part.get("revision") for part in export.parts_of(duty["component"])):
        yield messages.text("export_check.no_revision", component=duty["component"])


def _kept_for_later(export: Documents, duty: Duty) -> Iterator[str]:
    """That a later export is judged by the very record: it is held, and the manifest has its hash."""
    yield from _held(export, duty)
    if export.manifest.get(COMPONENTS) != hashlib.sha256(export.bytes_of(COMPONENTS)).hexdigest():
        yield messages.text("export_check.not_in_manifest", file=COMPONENTS)


def _no_data(export: Documents, duty: Duty) -> Iterator[str]:
    """That no file is data by its name or by its hash, and that the manifest has every file."""
    hashes = {part["sha256"] for part in export.parts_of(duty["component"]) if part.get("sha256")}
    for name in export.files:
        if PurePath(name).suffix.lower() in _DATA or export.manifest.get(name) in hashes:
            yield messages.text("export_check.data", file=name)
        if name not in export.manifest and name != MANIFEST:
            yield messages.text("export_check.not_in_manifest", file=name)


def _notices(export: Documents, duty: Duty) -> Iterator[str]:
    """That every copyright line which is known of the component stands in NOTICE or beside it."""
    for line in copyright_lines(export.parts_of(duty["component"]), export.upstream):
        if not export.notice_says(line) and not export.licenses_say(line):
            yield messages.text("export_check.not_said", file=NOTICE, words=line)


def _notice_files(export: Documents, duty: Duty) -> Iterator[str]:
    """That the notice files which came with the encoder stand in NOTICE, word for word."""
    del duty
    for name in filter(is_notice_file, export.upstream):
        if decode(export.upstream[name]).strip() not in export.notice:
            yield messages.text("export_check.lost_notice", file=f"upstream/{name}")


def _said_in_notice(export: Documents, duty: Duty) -> Iterator[str]:
    """That the NOTICE says what the duty asks for, in its sentence."""
    name = messages.text_in("en", f"license_duties.{duty['token'].partition(':')[0]}",
        name=_name(duty), component=duty["component"])  # fmt: skip
    if not export.notice_says(name):
        yield messages.text("export_check.not_said", file=NOTICE, words=name)


def _no_additions(export: Documents, duty: Duty) -> Iterator[str]:
    """That the sentence stands in NOTICE, and that LICENSE is the plain licence."""
    yield from _said_in_notice(export, duty)
    yield from export.wrong_license()


def _attributed(export: Documents, duty: Duty) -> Iterator[str]:
    if not export.card_says(duty["component"]):
        yield messages.text("export_check.not_in_card", component=duty["component"])


def _in_notice(export: Documents, duty: Duty) -> Iterator[str]:
    """That the NOTICE has the name after the colon; that it has the component is asked of all duties."""
    if not export.notice_says(_name(duty)):
        yield messages.text("export_check.not_said", file=NOTICE, words=_name(duty))


def _cited(export: Documents, duty: Duty) -> Iterator[str]:
    """That both documents have the words with which a citation is asked for."""
    yield from _attributed(export, duty)
    for words in citations(export.reasons, duty["component"]):
        for file, says in ((NOTICE, export.notice_says), ("README.md", export.card_says)):
            if not says(words):
                yield messages.text("export_check.not_said", file=file, words=words)


def _linked(export: Documents, duty: Duty) -> Iterator[str]:
    """That the NOTICE has the name of the licence, and its address where there is one."""
    for license_id in texts_for(_name(duty)) or (_name(duty),):
        for words in (license_id, license_url(license_id)):
            if not export.notice_says(words):
                yield messages.text("export_check.not_said", file=NOTICE, words=words)


def _changes(export: Documents, duty: Duty) -> Iterator[str]:
    """That the statement stands under its heading, in both languages."""
    del duty
    # What is between the names is the same in every export of its kind.
    said = (
        all(
            export.notice_says(words)
            for language in messages.LANGUAGES
            for words in re.split(r"\{\w+\}", messages.keys(language)[key])
        )
        for key in ("export.changes", "features.changes")
    )
    if not (export.notice_says(heading_of_changes()) and any(said)):
        yield messages.text("export_check.no_changes")


def _texts(export: Documents, duty: Duty) -> Iterator[str]:
    """That the text of the licence after the colon is there."""
    yield from (one for name in texts_for(_name(duty)) for one in export.wrong_text(name))


def _texts_of_component(export: Documents, duty: Duty) -> Iterator[str]:
    """That the texts of every licence stated of the component are there."""
    stated = (one for part in export.parts_of(duty["component"]) for one in stated_licenses(part))
    for license_id in dict.fromkeys(name for one in stated for name in texts_for(one)):
        yield from export.wrong_text(license_id)


def _to_be_fetched(export: Documents, duty: Duty) -> Iterator[str]:
    """That the NOTICE says where what is not here is to be had."""
    if not export.notice_says(messages.text_in("en", "license_report.notice_unshipped")):
        yield from _said_in_notice(export, duty)


def _marked(export: Documents, duty: Duty) -> Iterator[str]:
    """That the card says in its tags and in both languages that the model is not for commercial use."""
    del duty
    said = [messages.text_in(language, "export.card_non_commercial") for language in messages.LANGUAGES]
    if NON_COMMERCIAL not in (export.matter.get("tags") or ()) or any(one not in export.card for one in said):
        yield messages.text("export_check.not_marked")


def _relicensed(export: Documents, duty: Duty) -> Iterator[str]:
    if export.output is None:
        yield messages.text("export_check.no_output_license", license=_name(duty))


PREDICATES: dict[str, Predicate] = {
    "archive-card-revision-as-evidence": _archived,
    "archive-card-text-and-sha256": _archived,
    "attribution": _attributed,
    "attribution-if-corpus-shared": _in_notice,
    "attribution-recommended": _in_notice,
    "block-later-commercial-export": _kept_for_later,
    "block-later-export": _kept_for_later,
    "cite": _cited,
    "do-not-redistribute-data": _no_data,
    "do-not-redistribute-modified-corpus": _no_data,
    "flow-down-use-restrictions": _texts_of_component,
    "include-both-license-texts": _texts_of_component,
    "include-copyright-notice": _notices,
    "include-license-text": _texts,
    "include-notice": _said_in_notice,
    "include-NOTICE-if-upstream-has-one": _notice_files,
    "instruct-user-to-fetch-base-under-its-license": _to_be_fetched,
    "keep-license-record": _held,
    "link-to-license": _linked,
    "mark-artifact": _marked,
    "no-additional-restrictions": _no_additions,
    "pin-and-record-revision": _pinned,
    "record": _held,
    "record-conflict": _held_conflict,
    "relicense-output": _relicensed,
    "retain-notices": _notices,
    "state-changes": _changes,
    "treat-as": _held,
}
"""Kind of duty -> why the files of an export do not meet it."""
