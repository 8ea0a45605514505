"""Names of licences in prose -> ids: the table beside it, and the grammar of Creative Commons.

It does not know what the licence is said of.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.identifiers import to_spdx_id

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = Path(__file__).with_name("names.toml")
_EDGE = r"(?<![A-Za-z0-9_]){}s?(?![A-Za-z])"
_ELEMENTS = (
    ("NC", re.compile(r"nc|non[\s-]?commercial|非営利", re.IGNORECASE)),
    ("ND", re.compile(r"nd|no[\s-]?deriv|改変禁止", re.IGNORECASE)),
    ("SA", re.compile(r"sa|share[\s-]?alike|継承", re.IGNORECASE)),
)
_CONTEXT = re.compile(
    r"(?:licen[cs]\w{0,4}|lizenz|licencia|licenza|licença|ライセンス|許諾|许可\w?|协议|라이선스)[^.。]{0,16}\Z"
    r"|\bunder\s(?:the\s|an?\s)?(?:terms\sof\s(?:the\s)?)?[\[*_\"`]{0,3}\Z",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(r"\s?(?:or|and|/|,|または|又は|と)\s?[A-Z]")


@dataclass(frozen=True)
class Name:
    """A licence's name where it stands."""

    license: str
    """Id, or ``LicenseRef-…-family`` / ``LicenseRef-…-unversioned`` where the name leaves the version open."""
    start: int
    end: int
    is_weak: bool = False
    """Whether it counts only beside nothing stronger."""


@dataclass(frozen=True)
class _Pattern:
    license: str
    pattern: re.Pattern[str]
    is_weak: bool
    needs_context: bool
    is_gnu: bool


@lru_cache(maxsize=1)
def _patterns() -> tuple[_Pattern, ...]:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["name"]
    return tuple(
        _Pattern(
            row["id"],
            re.compile(_EDGE.format(f"(?:{row['pattern']})"), re.IGNORECASE),
            row.get("weak", False),
            row.get("needs_context", False),
            row.get("gnu", False),
        )
        for row in rows
    )


@lru_cache(maxsize=1)
def _creative_commons_patterns() -> tuple[re.Pattern[str], ...]:
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))["creative_commons"]
    return tuple(re.compile(pattern, re.IGNORECASE | re.VERBOSE) for pattern in table.values())


def find_names(text: str) -> list[Name]:
    """Every licence named in a text, in order; of names that overlap the longest stays."""
    found = sorted(_candidates(text), key=lambda name: (name.start, -name.end))
    names: list[Name] = []
    for name in found:
        if names and name.start < names[-1].end:
            if name.end - name.start > names[-1].end - names[-1].start:
                names[-1] = name
            continue
        names.append(name)
    return names


def _candidates(text: str) -> Iterator[Name]:
    for row in _patterns():
        for match in row.pattern.finditer(text):
            if row.needs_context and not _has_context(text, match):
                continue
            yield Name(_table_id(row, match), match.start(), match.end(), row.is_weak)
    for pattern in _creative_commons_patterns():
        for match in pattern.finditer(text):
            if license_id := _creative_commons(match):
                yield Name(license_id, match.start(), match.end())


def _has_context(text: str, match: re.Match[str]) -> bool:
    """Whether a word such as "MIT" stands as a licence: after "licence", "under", or alone on its line or cell."""
    before = text[max(0, match.start() - 40) : match.start()].rpartition("\n")[2]
    after = text[match.end() : match.end() + 20].partition("\n")[0]
    is_first = not before.strip(' \t*_-|`"[#:\r')
    is_alone = is_first and (not after.strip(' \t*_-|`".])\r') or bool(_ALTERNATIVE.match(after)))
    return is_alone or bool(_CONTEXT.search(before))


def _table_id(row: _Pattern, match: re.Match[str]) -> str:
    if row.is_gnu:
        return _gnu(row.license, match["version"], is_later=bool(match["later"]))
    groups = match.groupdict()
    return row.license.format(version=groups["version"]) if "{" in row.license else row.license


def _gnu(family: str, version: str | None, *, is_later: bool) -> str:
    if not version:
        return f"LicenseRef-{family}-family"
    number = version if "." in version else f"{version}.0"
    number = "2.1" if (family, number) == ("LGPL", "2.0") and version == "2" else number
    return f"{family}-{number}-{'or-later' if is_later else 'only'}"


def _creative_commons(match: re.Match[str]) -> str:
    """``CC BY-NC-SA 4.0 -> CC-BY-NC-SA-4.0``; empty where the words are not a licence's name."""
    groups = match.groupdict()
    if "tail" in groups and not (groups["prefix"] or _is_named_by_tail(groups["tail"])):
        return ""
    elements = "-".join(["BY", *(key for key, pattern in _ELEMENTS if pattern.search(match["parts"][2:]))])
    elements = elements.replace("ND-SA", "ND")
    if not groups["version"] and match[0] in ("cc by", "Cc by"):
        # "cc by mail"
        return ""
    if not groups["version"]:
        return f"LicenseRef-CC-{elements}-unversioned"
    version = groups["version"]
    base = f"CC-{elements}-{version if '.' in version else f'{version}.0'}"
    port = "JP" if groups.get("japan") == "日本" else _port(match[0], groups.get("port") or "", version)
    return _known(f"{base}-{port}") if port else _known(base)


def _port(name: str, port: str, version: str) -> str:
    """The country of a licence port; "CC BY 3.0 de" in a French sentence is none, and version 4.0 has no ports."""
    is_joined = port.isupper() or name.lower().endswith((f"-{port}", f"/{port}"))
    return port.upper() if port and is_joined and not version.startswith("4") else ""


def _is_named_by_tail(tail: str | None) -> bool:
    return bool(tail) and bool(re.search(r"international|unported|generic|japan", tail or "", re.IGNORECASE))


def _known(license_id: str) -> str:
    """The SPDX spelling, or a reference where the list has no such port."""
    known = to_spdx_id(license_id)
    return known if known and known != NOASSERTION else f"LicenseRef-{license_id}"
