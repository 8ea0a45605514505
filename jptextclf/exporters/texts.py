"""Licence texts that an export carries: of what is in it, of what it was trained on, and of itself.

A text comes from the user, from this package, or from the files that came with the encoder; none is made up.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jptextclf.data.origin import OWN
from jptextclf.errors import ConfigError, LicenseError
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.license_files import identify
from jptextclf.licensing.license_texts import license_text, texts_for
from jptextclf.licensing.rules import use_named
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from typing import Any

    from jptextclf.exporters.judging import Judged

_INSIDE_AN_EXPORT = {"base_model", "tokenizer", "adapter", "teacher"}
_LICENSE_FILES = ("LICENSE", "LICENCE", "COPYING")
_LARGEST = 4 << 20
"""Bytes of a licence text."""


def texts_of(
    judged: Judged, upstream: Mapping[str, bytes], given: Mapping[str, str | os.PathLike[str]]
) -> dict[str, str]:
    """Every licence text that the export carries: id -> text.

    :param upstream: licence and notice files that came with the encoder
    :param given: licence id -> file with its text, from the user
    :raises ConfigError: a given file cannot be read (``JPT-U154``)
    :raises LicenseError: a text that has to be there is nowhere (``JPT-L004``)
    """
    own = {to_spdx(name): _given_text(name, Path(path)) for name, path in given.items()}
    required = required_ids(judged)
    found: dict[str, str] = {}
    for name in sorted(required | _mentioned_ids(judged.assessment.components)):
        known = own.get(name) or license_text(name) or _upstream_text(name, upstream, judged)
        if known is not None:
            found[name] = known
    if missing := sorted(required - set(found)):
        raise LicenseError("L004", missing=listing(missing), first=missing[0])
    return found


def named_files(given: Iterable[str]) -> dict[str, str]:
    """``ID=PATH`` of the command line: id -> path.

    :raises ConfigError: one is not of that form (``JPT-U157``)
    """
    files = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not (name and equals and path):
            raise ConfigError("U157", found=one)
        files[name] = path
    return files


def required_ids(judged: Judged) -> set[str]:
    """Licences whose texts have to be in the export."""
    assessment = judged.assessment
    ids = {
        one.token.partition(":")[2]
        for one in assessment.obligations
        if one.required and one.kind == "include-license-text"
    }
    wanted = [judged.output_license] if judged.output_license else []
    wanted += [name for name in ids if name]
    inside = inside_ids(assessment.components) if use_named(assessment.use).leaves else set()
    return _text_ids(wanted) | inside


def inside_ids(components: Iterable[Mapping[str, Any]]) -> set[str]:
    """Licences of what is inside an export: the encoder, the tokenizer, and what is bundled."""
    return _text_ids(
        expression
        for one in components
        if one.get("role") in _INSIDE_AN_EXPORT or one.get("bundled")
        for expression in stated_licenses(one)
    )


def stated_licenses(component: Mapping[str, Any]) -> list[str]:
    """What is stated of a component's licence, each as an expression; nothing where nobody says anything."""
    stated = [to_spdx(component.get(key)) for key in ("license", "body_license") if component.get(key)]
    return [one for one in dict.fromkeys(stated) if one != NOASSERTION]


def _mentioned_ids(components: Iterable[Mapping[str, Any]]) -> set[str]:
    roles = {"output", "declared_use", "software"}
    return _text_ids(
        expression
        for one in components
        if one.get("role") not in roles or one.get("bundled")
        for expression in stated_licenses(one)
    )


def _text_ids(expressions: Iterable[str]) -> set[str]:
    return {name for one in expressions for name in texts_for(one) if name not in {OWN, NOASSERTION}}


def _given_text(name: str, path: Path) -> str:
    try:
        if to_spdx(name) == NOASSERTION:
            raise ValueError(text("export.no_license_id", found=name))
        content = path.read_bytes()[:_LARGEST].decode("utf-8-sig")
        if not content.strip():
            raise ValueError(text("export.empty_text"))
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError("U154", id=name, path=path, problem=problem) from error
    return content


def _upstream_text(name: str, upstream: Mapping[str, bytes], judged: Judged) -> str | None:
    """The file that came with the encoder, where it is this licence's, or the only one of an encoder under it."""
    files = {
        file: data.decode("utf-8", "replace")
        for file, data in upstream.items()
        if file.startswith(_LICENSE_FILES)
    }
    for content in files.values():
        if identify(content).license == name:
            return content
    bases = [one for one in judged.assessment.components if one.get("role") == "base_model"]
    is_the_bases = name.startswith("LicenseRef-") and any(stated_licenses(one) == [name] for one in bases)
    return next(iter(files.values())) if is_the_bases and len(files) == 1 else None
