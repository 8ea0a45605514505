"""A model or data set card -> what it states about licences, with the line and the hash to check it by.

It reports what upstream wrote; which statement counts is decided elsewhere. It never raises on any bytes.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

from jptextclf.licensing.components import NOASSERTION, Evidence
from jptextclf.licensing.identifiers import is_family, is_list, to_spdx, to_spdx_list
from jptextclf.licensing.reading.conflict import ConflictKind, adds_restriction, disagrees
from jptextclf.licensing.reading.document import Document
from jptextclf.licensing.reading.front_matter import FrontMatter, read_front_matter
from jptextclf.licensing.reading.mentions import MOST, LineIndex, Mention, find_mentions
from jptextclf.licensing.reading.names import find_names
from jptextclf.licensing.reading.restrictions import Restriction, restrictions_of

MetadataStatus = Literal[
    "declared", "missing", "null", "other", "unknown", "family-id", "unrecognised-id", "list-one", "list-many",
    "misspelt-key", "key-twice", "no-front-matter", "front-matter-malformed", "yaml-error",
]  # fmt: skip

_MISSPELT = re.compile(
    r"(?:-{1,2}\s?)?(?:licen[cs]es?|lisen[cs]es?|lic[ei]en[cs]es?|liscen[cs]es?|license[_-]?(?:id|type))",
    re.IGNORECASE,
)
_FORMS: dict[str, MetadataStatus] = {
    "absent": "no-front-matter", "malformed": "front-matter-malformed", "yaml-error": "yaml-error",
}  # fmt: skip
_UNREADABLE = {"front-matter-malformed", "yaml-error", "key-twice", "misspelt-key"}
_GATED = re.compile(r"(?:extra_)?gated(?:_\w+)?\Z")
_SLUG = re.compile(r"[^A-Za-z0-9.]+")


@dataclass(frozen=True)
class CardReading:
    """What a card states."""

    declared: str
    """SPDX expression, ``LicenseRef-…``, or ``NOASSERTION`` where the metadata give no usable licence."""
    metadata_status: MetadataStatus
    declared_evidence: Evidence | None
    """The line of the key; None where there is none that counts."""
    mentions: tuple[Mention, ...]
    """Licences named in the body, in order."""
    restrictions: tuple[Restriction, ...]
    """Limits on use stated in the body or in the gate's prompt, in order."""
    conflict_kind: ConflictKind | None
    sha256: str
    """Of the bytes, or of the text in UTF-8."""
    source: str | None
    """Where the card is from, as the caller said."""
    licenses: tuple[str, ...] = ()
    """What ``declared`` joins, where the metadata give a list of several: a hub says neither AND nor OR."""
    raw_license: str = ""
    """The value of the key as text; empty where there is none."""
    license_name: str = ""
    license_link: str = ""
    base_models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    extra_gated_prompt: str = ""
    gated: tuple[tuple[str, str], ...] = ()
    """Other keys of a gate (``extra_gated_fields`` ...) and their values as text."""
    ignored_keys: tuple[tuple[str, str], ...] = ()
    """Misspelt licence keys, which the Hub does not read, and their values as text."""
    suggestion: str = ""
    """What the metadata seem to mean where they cannot be trusted; for a person to confirm."""
    is_complete: bool = True
    """False where the card is longer than what is read; it then counts as in conflict."""

    @property
    def conflict(self) -> bool:
        """Whether the card contradicts itself."""
        return self.conflict_kind is not None

    @property
    def metadata(self) -> str:
        """Why ``declared`` is not the plain reading of the key: its raw value, or the name of what is wrong with it.

        ``other``, ``gpl``, ``yaml-error``; empty for a clear id, for a list of them, and where nothing is declared.
        """
        if self.metadata_status in _UNREADABLE:
            return self.metadata_status
        is_plain = self.declared != NOASSERTION and self.metadata_status != "other"
        return "" if is_plain else self.raw_license

    @property
    def stated(self) -> tuple[str, ...]:
        """The licences that the body names for the model, each once, in order."""
        return tuple(dict.fromkeys(one.license for one in self.mentions if one.about == "model"))


def read_card(text: str | bytes, *, source: str | None = None) -> CardReading:
    """What a model or data set card (README.md) states about licences.

    :param text: the card; bytes are UTF-8, with or without a byte order mark, wrong ones replaced
    :param source: address or file that the evidence names

    Positions and lines are those of ``text``. Never raises. What is not one clear id under the key ``license`` is
    ``NOASSERTION``, the rest of the reading says why and what the body says instead.
    """
    card, sha256 = _decoded(text)
    matter = read_front_matter(card)
    document = Document(card, matter.body_start)
    lines = LineIndex(card[: document.end])
    status, declared = _license(matter)
    mentions = find_mentions(document, lines)
    restrictions = restrictions_of(document, lines) + _gate_restrictions(matter)
    ignored = _ignored_keys(matter)
    is_complete = document.is_complete and max(len(mentions), len(restrictions)) < MOST
    return CardReading(
        declared=declared,
        metadata_status="misspelt-key" if status == "missing" and ignored else status,
        declared_evidence=_evidence(matter, sha256, source),
        mentions=tuple(mentions),
        restrictions=tuple(restrictions),
        conflict_kind=_conflict(status, declared, mentions, restrictions, ignored, is_complete=is_complete),
        sha256=sha256,
        source=source,
        suggestion=_suggestion(card, matter, declared, ignored),
        ignored_keys=tuple((key, _as_text(value)) for key, value in ignored),
        is_complete=is_complete,
        **_facts(matter),
    )


def _decoded(text: str | bytes) -> tuple[str, str]:
    if isinstance(text, str):
        return text, hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()
    is_wide = text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    card = text.decode("utf-16" if is_wide else "utf-8", errors="replace")
    return card, hashlib.sha256(text).hexdigest()


def _license(matter: FrontMatter) -> tuple[MetadataStatus, str]:
    """Status of the key, and what it declares."""
    if matter.form != "read":
        return _FORMS[matter.form], NOASSERTION
    if "license" not in matter.values:
        return "missing", NOASSERTION
    if "license" in matter.contradicted:
        return "key-twice", NOASSERTION
    value = matter.values["license"]
    status = _status(value)
    if status == "other":
        return status, _named(matter)
    return status, to_spdx(value)


def _status(value: object) -> MetadataStatus:
    if value is None or value in ("", []):
        return "null"
    if isinstance(value, list):
        return "list-many" if is_list(value) else "list-one"
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in ("other", "unknown"):
        return "other" if word == "other" else "unknown"
    if is_family(value):
        return "family-id"
    return "unrecognised-id" if to_spdx(value) == NOASSERTION else "declared"


def _named(matter: FrontMatter) -> str:
    """``license: other`` with a ``license_name`` -> a reference of that name; no text is known behind it.

    A name that is an SPDX id contradicts ``other`` and is only suggested.
    """
    name = matter.values.get("license_name")
    if not isinstance(name, str) or not name.isascii():
        return NOASSERTION
    known, slug = to_spdx(name), _SLUG.sub("-", name)[:80].strip("-.")
    if known != NOASSERTION:
        return known if known.startswith("LicenseRef-") else NOASSERTION
    return f"LicenseRef-{slug}" if slug.lower() not in ("", "other", "unknown", "none") else NOASSERTION


def _ignored_keys(matter: FrontMatter) -> list[tuple[str, object]]:
    return [
        (key, value)
        for key, value in matter.values.items()
        if key != "license" and _MISSPELT.fullmatch(key.strip()) and value not in (None, "", [])
    ]


def _conflict(
    status: MetadataStatus,
    declared: str,
    mentions: list[Mention],
    restrictions: list[Restriction],
    ignored: list[tuple[str, object]],
    *,
    is_complete: bool,
) -> ConflictKind | None:
    if disagrees(declared, mentions):
        return "license-id-disagrees"
    if status == "key-twice":
        return "license-key-twice"
    if any(_hides(value, declared, mentions) for _, value in ignored):
        return "metadata-key-ignored"
    if adds_restriction(declared, restrictions):
        return "body-adds-restriction"
    return None if is_complete else "not-read-in-full"


def _hides(value: object, declared: str, mentions: list[Mention]) -> bool:
    """Whether a misspelt key says what neither the declaration nor the body says of the model."""
    named = {one.license for one in find_names(f"license: {_as_text(value)}")}
    stated = {declared, *(one.license for one in mentions if one.about == "model")}
    return not (named | {to_spdx(value)}) & (stated - {NOASSERTION})


def _suggestion(card: str, matter: FrontMatter, declared: str, ignored: list[tuple[str, object]]) -> str:
    """The id that a broken block, a misspelt key or full-width letters seem to mean; empty if none does."""
    import unicodedata

    if declared != NOASSERTION:
        return ""
    candidates = [value for _, value in ignored]
    candidates += [matter.values.get("license"), matter.values.get("license_name")]
    if matter.form in ("malformed", "yaml-error"):
        found = re.search(r"^license[ \t]*[:：][ \t]*([^\r\n]{1,60})", card, re.MULTILINE)
        candidates.append(found[1].strip(" \"'") if found else None)
    for value in candidates:
        plain = unicodedata.normalize("NFKC", value).replace("－", "-") if isinstance(value, str) else value
        if (known := to_spdx(plain)) != NOASSERTION:
            return known
    return ""


def _evidence(matter: FrontMatter, sha256: str, source: str | None) -> Evidence | None:
    if "license" not in matter.values:
        return None
    address = source or ""
    is_url = address.startswith(("https://", "http://"))
    value = _as_text(matter.values["license"])
    statement = f"license: {value}" if value else "license:"
    name = _as_text(matter.values.get("license_name"))
    return Evidence(
        statement=f"{statement} ({name})" if name else statement,
        url=address if is_url else "",
        file="" if is_url else address or "README.md",
        sha256=sha256,
        line=matter.lines["license"],
    )


def _gate_restrictions(matter: FrontMatter) -> list[Restriction]:
    """Limits in the prompt of a gate; they are asked of whoever takes the model, so they are about the model."""
    from dataclasses import replace

    from jptextclf.licensing.reading.restrictions import find_restrictions

    prompt = _as_text(matter.values.get("extra_gated_prompt"))
    line = matter.lines.get("extra_gated_prompt", 1)
    # The prompt is a value: its characters have no place of their own in the card.
    return [replace(one, span=(0, 0), line=line, about="model") for one in find_restrictions(prompt)]


def _facts(matter: FrontMatter) -> dict[str, Any]:
    values = matter.values
    gate = (
        (key, _as_text(values[key])) for key in values if _GATED.match(key) and key != "extra_gated_prompt"
    )
    licenses = to_spdx_list(values.get("license"))
    is_clear = isinstance(licenses, tuple) and "license" not in matter.contradicted
    return {
        "licenses": licenses if is_clear else (),
        "raw_license": _as_text(values.get("license")),
        "license_name": _as_text(values.get("license_name")),
        "license_link": _as_text(values.get("license_link")),
        "base_models": _names(values.get("base_model")),
        "datasets": _names(values.get("datasets")),
        "languages": _names(values.get("language")),
        "extra_gated_prompt": _as_text(values.get("extra_gated_prompt")),
        "gated": tuple(gate),
    }


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_as_text(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_as_text(one)}" for key, one in value.items())
    return "" if value is None else str(value).strip()


def _names(value: object) -> tuple[str, ...]:
    """A name or a list of names; what is no text is left out."""
    items = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(one.strip() for one in items if isinstance(one, str) and one.strip()))
