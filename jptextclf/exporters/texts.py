"""Licence texts that an export carries: of what is in it, of what it was trained on, and of itself.

A text comes from the files that came with the encoder, from the user, or from this package; none is made up. Blanks
for year and holder are filled for the exported model alone, by whoever gives it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jptextclf.errors import ConfigError, LicenseError
from jptextclf.licensing.components import NOASSERTION, OWN
from jptextclf.licensing.file_names import is_license_file
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.license_files import identify
from jptextclf.licensing.license_texts import license_text, texts_for
from jptextclf.licensing.license_words import decode
from jptextclf.licensing.rules import use_named
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from typing import Any

    from jptextclf.exporters.judging import Judged

_INSIDE_AN_EXPORT = {"base_model", "tokenizer", "adapter", "teacher"}
_LARGEST = 4 << 20
"""Bytes of a licence text."""
_HEAD = 600
"""Characters before the terms, where a licence has its blanks; those after them are advice."""
_HOLDER = re.compile(
    r"<year>,?\s+<(?:copyright holders?|owner(?: organization name)?|name of author)>", re.IGNORECASE
)
_BLANK = re.compile(
    r"<(?:year|copyright|owner|name of|related entities|url for|description)\b[^<>\n]{0,60}>|<year>",
    re.IGNORECASE,
)
_COPYRIGHT = re.compile(r"(?:copyright\b\s*)?(?:\(c\)|©)?\s*", re.IGNORECASE)
_HOLDER_LENGTH = 300
RULE = "\n\n" + "=" * 100 + "\n\n"
"""Between two texts in one file."""


@dataclass(frozen=True)
class Texts:
    """Licence texts of an export."""

    carried: Mapping[str, str]
    """Id -> the text in ``LICENSES``: as it came with the encoder where it did."""
    own: Mapping[str, str]
    """Id -> the text in ``LICENSE``, for each licence of the model itself: without blanks, with its own holder."""
    copyright: str = ""
    """Year and holder of the model itself; empty where nobody named them."""


def texts_of(
    judged: Judged,
    upstream: Mapping[str, bytes],
    given: Mapping[str, str | os.PathLike[str]],
    copyright: str | None = None,  # noqa: A002 - the option's name
) -> Texts:
    """Every licence text that the export carries.

    :param upstream: licence and notice files that came with the encoder
    :param given: licence id -> file with its text, from the user
    :param copyright: year and holder of the model itself, such as ``2026 Example KK``
    :raises ConfigError: a given file cannot be read (``JPT-U154``), or the licence of the model itself has blanks that
        nobody fills (``JPT-U170``, ``JPT-U171``)
    :raises LicenseError: a text that has to be there is nowhere (``JPT-L004``)
    """
    holder = _holder(copyright)
    from_user = {to_spdx(name): _given_text(name, Path(path)) for name, path in given.items()}
    own_ids, required, mentioned = own_ids_of(judged), required_ids(judged), _mentioned_ids(judged)
    came = {name: _upstream_text(name, upstream, judged) for name in required | mentioned}
    plain = {name: from_user.get(name) or license_text(name) or came[name] for name in came}
    if missing := sorted(name for name in required if plain[name] is None):
        raise LicenseError("L004", missing=listing(missing), first=missing[0])
    own = {name: _own_text(name, plain[name] or "", holder) for name in own_ids}
    found = {
        name: came[name] or (plain[name] if name in mentioned else own.get(name) or plain[name])
        for name in sorted(came)
    }
    return Texts({name: one for name, one in found.items() if one is not None}, own, holder)


def own_ids_of(judged: Judged) -> tuple[str, ...]:
    """Licences of the exported model itself, in the order of its expression."""
    return texts_for(judged.output_license) if judged.output_license else ()


def has_blanks(content: str) -> bool:
    """Whether a licence text waits for a year, a holder or the like in its head."""
    return _BLANK.search(content[:_HEAD]) is not None


def upstream_license(license_id: str, upstream: Mapping[str, bytes]) -> str | None:
    """The licence files that came with the encoder and are this licence's, as one text."""
    files = license_files_of(upstream).values()
    found = dict.fromkeys(content for content in files if identify(content).license == license_id)
    return RULE.join(found) if found else None


def _own_text(license_id: str, content: str, holder: str) -> str:
    """The text for LICENSE; of a template, with the holder in its blanks.

    :raises ConfigError: blanks are left (``JPT-U170``)
    """
    if not has_blanks(content):
        return content
    filled = _HOLDER.sub(lambda _: holder, content, count=1) if holder else content
    if has_blanks(filled):
        raise ConfigError("U170", license=license_id)
    return filled


def _holder(given: str | None) -> str:
    """``"Copyright (c) 2026 Example KK" -> "2026 Example KK"``.

    :raises ConfigError: it is no such line (``JPT-U171``)
    """
    if given is None:
        return ""
    holder = _COPYRIGHT.sub("", given.strip(), count=1)
    if not holder or not holder.isprintable() or len(holder) > _HOLDER_LENGTH or "<" in holder:
        raise ConfigError("U171", found=given[:_HOLDER_LENGTH])
    return holder


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
    return _text_ids(wanted) | inside | set(own_ids_of(judged))


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


def _mentioned_ids(judged: Judged) -> set[str]:
    """Licences of what the model is made from."""
    roles = {"output", "declared_use", "software"}
    return _text_ids(
        expression
        for one in judged.assessment.components
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
    if (found := upstream_license(name, upstream)) is not None:
        return found
    files = license_files_of(upstream)
    bases = [one for one in judged.assessment.components if one.get("role") == "base_model"]
    is_the_bases = name.startswith("LicenseRef-") and any(stated_licenses(one) == [name] for one in bases)
    return next(iter(files.values())) if is_the_bases and len(files) == 1 else None


def license_files_of(upstream: Mapping[str, bytes]) -> dict[str, str]:
    """The licence files among the texts that came with the encoder: file name -> its text."""
    return {name: decode(data) for name, data in sorted(upstream.items()) if is_license_file(name)}
