"""Case: the components that are judged together, read from records in the published form.

It checks the form and nothing else: a key that it does not know stops it, because a misspelt key that is passed
over would loosen the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_args

from jptextclf.errors import ConfigError
from jptextclf.licensing.components import NOASSERTION, Component, Relation
from jptextclf.licensing.expressions import Node, parse
from jptextclf.licensing.identifiers import is_list, to_spdx, to_spdx_id
from jptextclf.messages import did_you_mean, text
from jptextclf.strict_json import DECODER

if TYPE_CHECKING:
    from pathlib import Path

ROLES = (
    "base_model", "training_data", "evaluation_data", "tokenizer", "dictionary", "teacher", "adapter", "software",
    "output", "declared_use",
)  # fmt: skip
CHOICES = {
    "role": ROLES,
    "relation": get_args(Relation),
    "origin": ("own", "customer", "public", "unknown"),
    "personal_information": ("none-confirmed", "contains", "unknown"),
}
"""Keys that take one of a closed list of values."""
_FLAGS = {"metadata_body_conflict", "gated", "bundled", "shipped"}
_LISTS = {"evidence"}
_LONGEST_LIST = 50
_LONGEST_TEXT = 1000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]+")
_MOVING = {"", "main", "master", "head", "latest", "unknown", "none", "dev", "trunk"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_ABSENT = "\0absent"
"""Revision of a component whose record has no such key, which asks nothing; null means known to be unpinned."""


@dataclass(frozen=True)
class Part:
    """One component of a case; every key of the published form, and its place in the record."""

    role: str
    name: str = ""
    license: Any = NOASSERTION
    relation: str = ""
    origin: str = ""
    personal_information: str = ""
    body_license: str = ""
    metadata_body_conflict: bool = False
    metadata: str = ""
    prose: str = ""
    extra_terms: str = ""
    gated: bool = False
    extra_gated_prompt: str = ""
    revision: str | None = _ABSENT
    previous_license: str = ""
    later_license: str = ""
    upstream_name: str = ""
    upstream_license: str = ""
    upstream_status: str = ""
    upstream_data: Any = ""
    code_license: str = ""
    bundled: bool | None = None
    """None: not said; :func:`jptextclf.licensing.conditions.is_bundled` then goes by role and use."""
    shipped: bool = True
    form: str = ""
    purpose: str = ""
    sha256: str = ""
    url: str = ""
    note: str = ""
    evidence: tuple[Mapping[str, Any], ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    """As it was given."""
    has_permission: bool = False
    """Whether a signed entry of the company policy permits the use; no key of a record says so."""

    @property
    def declared(self) -> str:
        """SPDX expression of what is declared; a list is read as AND."""
        return to_spdx(self.license)

    @property
    def tree(self) -> Node:
        """The declared licence. What cannot be read is a leaf ``NOASSERTION`` beside the ids that can, so that one
        unreadable word hides no limit.
        """
        said = self.license if isinstance(self.license, list) else [self.license]
        if not said or len(said) > _LONGEST_LIST:
            return parse(NOASSERTION)
        branches = tuple(dict.fromkeys(leaf for one in said for leaf in _readable(str(one))))
        return branches[0] if len(branches) == 1 else Node("and", branches=branches)

    @property
    def declares_nothing(self) -> bool:
        """Whether nobody has declared a licence, rather than something that cannot be read."""
        return not self.metadata and self.license in (NOASSERTION, "", [])

    @property
    def is_list(self) -> bool:
        """Whether the licence is a list of a hub, which says neither AND nor OR."""
        return is_list(self.license) and len(self.license) > 1

    @property
    def is_unpinned(self) -> bool:
        """Whether the record says that no revision is known, or names one that moves."""
        if self.revision == _ABSENT:
            return False
        return self.revision is None or self.revision.strip().casefold() in _MOVING

    @property
    def pinned(self) -> str:
        """The revision that is known; empty where none is."""
        return "" if self.is_unpinned or self.revision in (None, _ABSENT) else str(self.revision)

    @property
    def label(self) -> str:
        """What to call it: its name, else its role."""
        return self.name or self.role


KEYS = tuple(one.name for one in fields(Part) if one.name not in {"record", "has_permission"})


def read_case(components: Iterable[Mapping[str, Any] | Component]) -> tuple[Part, ...]:
    """The components of a case, checked.

    :raises ConfigError: something is wrong with their form (``JPT-U111``, all problems at once)
    """
    if isinstance(components, (str, bytes, Mapping)) or not isinstance(components, Iterable):
        problem = text("license.not_a_list", found=type(components).__name__)
        raise ConfigError("U111", n=1, problems=f"  {problem}")
    records = [one.to_json() if isinstance(one, Component) else one for one in components]
    problems = [
        f"  components[{number}]{problem}"
        for number, record in enumerate(records)
        for problem in _problems(record)
    ]
    if not any(
        isinstance(one, Mapping) and one.get("role") not in {"output", "declared_use"} for one in records
    ):
        problems.append("  " + text("license.nothing_to_judge"))
    if problems:
        more = [] if len(problems) <= 20 else [f"  … {len(problems) - 20}"]
        raise ConfigError("U111", n=len(problems), problems="\n".join(problems[:20] + more))
    return tuple(read_part(record) for record in records)


def read_case_file(path: Path | str, content: str) -> tuple[list[Any], str | None]:
    """Components and intended use of a JSON case: an object with ``components``, or a bare list.

    :param path: named in errors
    :raises ConfigError: it is no such file (``JPT-U112``)
    """
    try:
        data = DECODER.decode(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError("U112", path=path, problem=str(error) or type(error).__name__) from error
    if isinstance(data, list):
        return data, None
    if not isinstance(data, dict) or not isinstance(data.get("components"), list):
        raise ConfigError("U112", path=path, problem=text("license.no_components"))
    use = data.get("intended_use", data.get("use"))
    if use is not None and not isinstance(use, str):
        raise ConfigError("U112", path=path, problem=f"intended_use: {use!r}")
    return data["components"], use


def _readable(said: str) -> list[Node]:
    """The licence that one statement names, or each id in it and ``NOASSERTION`` for the rest."""
    known = to_spdx(said)
    if known != NOASSERTION:
        return [parse(known)]
    ids = [found for word in _ID.findall(said[:_LONGEST_TEXT]) if (found := to_spdx_id(word))]
    return [*(parse(one) for one in ids if one != NOASSERTION), parse(NOASSERTION)]


def _problems(record: object) -> list[str]:
    if not isinstance(record, Mapping):
        return [": " + text("license.not_an_object", found=type(record).__name__)]
    problems = [
        f".{key}: " + text("license.unknown_key") + did_you_mean(str(key), KEYS)
        for key in record
        if key not in KEYS
    ]
    if "role" not in record:
        problems.append(": " + text("license.no_role", roles=", ".join(ROLES)))
    return problems + [
        f".{key}: {problem}"
        for key, value in record.items()
        if key in KEYS and (problem := _value_problem(key, value))
    ]


def _value_problem(key: str, value: object) -> str:
    if key in CHOICES:
        known = CHOICES[key]
        if value is None and key != "role":
            return ""
        is_known = isinstance(value, str) and value in known
        guess = did_you_mean(str(value), known)
        return (
            "" if is_known else text("license.not_one_of", found=repr(value), known=", ".join(known)) + guess
        )
    if key in _FLAGS:
        # A hub writes "auto" or "manual" of how it grants access.
        is_flag = isinstance(value, bool) or value is None or (key == "gated" and value in ("auto", "manual"))
        return "" if is_flag else text("license.not_a_flag", found=repr(value))
    if key in _LISTS:
        fits = isinstance(value, (list, tuple)) and all(isinstance(one, Mapping) for one in value)
        return "" if fits else text("license.not_evidence", found=type(value).__name__)
    if key in {"license", "upstream_data"}:
        fits = value is None or isinstance(value, str) or _is_strings(value)
        return "" if fits else text("license.not_a_license", found=repr(value))
    if isinstance(value, str) and key == "name" and _CONTROL.search(value):
        return text("license.control_characters", found=repr(value))
    return "" if value is None or isinstance(value, str) else text("license.not_text", found=repr(value))


def _is_strings(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)


def read_part(record: Mapping[str, Any]) -> Part:
    """One component of a record whose form was checked by :func:`read_case`."""
    # A null says nothing, except of a revision: known to be unpinned.
    said = {key: value for key, value in record.items() if value is not None or key == "revision"}
    said["evidence"] = tuple(said.get("evidence", ()))
    if said.get("gated"):
        said["gated"] = True
    if isinstance(said.get("license"), tuple):
        said["license"] = list(said["license"])
    name = said.get("name", "")
    if said.get("revision", _ABSENT) == _ABSENT and (pinned := re.search(r"@([^@\s]+)$", name)):
        said["revision"] = pinned[1]
    return Part(**said, record=record)
