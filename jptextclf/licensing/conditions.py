"""Conditions: the words that the rows of the policy are written in, derived from the facts of a component.

It derives and does not judge; ``rules.toml`` says what follows from the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from jptextclf.licensing.components import NOASSERTION, OWN
from jptextclf.licensing.expressions import parse
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.licensing.reading import find_restrictions
from jptextclf.licensing.rules import LicenseFacts, written_policy

if TYPE_CHECKING:
    from jptextclf.licensing.case import Part
    from jptextclf.licensing.rules import Use

_PATHS = {
    "base_model": "weights", "adapter": "weights", "teacher": "weights",
    "training_data": "data", "evaluation_data": "evaluation",
    "dictionary": "bundled", "tokenizer": "bundled", "software": "bundled",
}  # fmt: skip
_RECIPROCAL = {"share-alike", "copyleft", "weak-copyleft"}
_CREDIT = {"attribution", "license-text", "notices"}
# Kinds of limits in prose -> what they ask. Others, and text that was too long to read, are for a person to read.
_LIMITS = {
    "non-commercial": {"non-commercial", "commercial-by-permission"},
    "research-only": {"research-only", "educational-only", "evaluation-only", "personal-only"},
}
# Limits that do not even let a company do research.
_NOT_RESEARCH = {"educational-only", "evaluation-only", "personal-only"}
_UNDERSTOOD = frozenset().union(*_LIMITS.values())
# Words by which a contract clause lets somebody do something, and by which it does not.
_PERMITS = re.compile(
    r"\b(?:permit|allow|grant|consent|authori[sz]|may (?:be )?use|agree)|許諾|許可|承諾|同意|認める|利用できる|差し支えない",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\b(?:not|never|no|without|prohibit|forbid|except|unless|only|must|require|prior|subject to)\b|禁止|禁じ|できない|ません"
    r"|ない|除く|不可|しておらず|要する|必要|事前|有償|違反|限る|限り",
    re.IGNORECASE,
)
# One sentence that asks for a citation and for nothing else.
_CITATION = re.compile(
    r"\s*(?:please |kindly )?cite\b[^.;:!?\n]{0,120}[.!]?\s*\Z"
    r"|[^。．！\n]{0,60}(?:引用|出典|文献)[^。．！\n]{0,40}(?:てください|て下さい|お願いします|お願いいたします|すること|明記|記載)[。．]?\s*\Z",
    re.IGNORECASE,
)
_OTHER_TERMS = re.compile(
    r"licen[cs]|\bCC\b|\buse|compan|commerc|academ|fee|pay|契約|ライセンス|許諾|企業|法人|商用|営利|有償|料金|利用|提供|違反",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\n|; ")
_HEAD = re.compile(r"\s*(?:linear |classification |classifier )*head(?: only)?\s*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Output:
    """The licence that the model itself is given."""

    expression: str = ""
    """Empty where it is open."""

    @property
    def ids(self) -> tuple[str, ...]:
        return parse(self.expression).leaves() if self.expression else ()

    def words(self, facts: LicenseFacts | None) -> set[str]:
        """How it stands to a licence that limits the output."""
        if not self.ids:
            return {"output-open"}
        if facts is None or not facts.outputs or set(self.ids) <= set(facts.outputs):
            return {"output-fits"}
        drops = any(
            (one := facts_of(name)) is not None and "use-restrictions" not in one.asks for name in self.ids
        )
        return {"output-clash", *(["output-drops-restrictions"] if drops else [])}

    def fits_as_it_stands(self, license_id: str) -> bool:
        """Whether it satisfies a licence without the help of a clause about later or compatible versions."""
        facts = facts_of(license_id)
        if facts is None or not self.ids:
            return False
        return not facts.outputs or set(self.ids) <= {license_id}


@cache
def facts_of(license_id: str) -> LicenseFacts | None:
    """The row of the table of licences; spelling of case and punctuation does not count."""
    return _facts_by_bare_id().get(_bare(license_id))


def path_of(part: Part) -> str:
    """The path of the policy on which a component is judged; empty for what is no component of the model."""
    if part.relation == "distilled-from":
        return "weights"
    return _PATHS.get(part.role, "")


def is_bundled(part: Part, use: Use) -> bool:
    """Whether it is inside what is given away or served; unsaid, a tokenizer is, and in a container or a service
    everything is.
    """
    if part.bundled is not None:
        return part.bundled
    runs_it = use.network or use.id.startswith("redistribute-container")
    return part.role == "tokenizer" or (runs_it and path_of(part) == "bundled")


def use_words(use: Use) -> frozenset[str]:
    """Of the intended use."""
    words = {f"use:{use.id}"}
    words |= {name for name in ("commercial", "leaves", "network") if getattr(use, name)}
    if use.public == "yes":
        words.add("public")
    if use.leaves or use.network:
        words.add("passed-on")
    return frozenset(words)


def part_words(part: Part, use: Use, *, linear_head: bool, purpose_declared: bool) -> frozenset[str]:
    """Of the component itself, whatever its licence; with those of the use.

    :param linear_head: whether nothing that the case says of its output is more than a head
    :param purpose_declared: whether the case names a purpose that restrictions may be about
    """
    is_teacher = part.role == "teacher" or part.relation == "distilled-from"
    bundled = is_bundled(part, use)
    flags = {
        "teacher": is_teacher,
        "not-shipped": not part.shipped and not is_teacher,
        "in-the-model": part.shipped and not is_teacher,
        "linear-head": linear_head and part.relation == "features-from",
        "bundled": bundled,
        "handed-over": bundled and use.leaves,
        "dictionary": part.role == "dictionary",
        "own": part.origin == "own",
        "customer": part.origin == "customer",
        "permission-recorded": part.has_permission,
        "unpinned": part.is_unpinned and part.origin != "own" and not _is_only_used(part, use),
        "license-list": part.is_list,
        "personal-information": _has_personal_information(part),
        "purpose-declared": purpose_declared,
        "relicensed-later": bool(part.later_license),
        "relicensed-before": bool(part.previous_license),
        "copy-of-data": _is_mirror(part) and path_of(part) in {"data", "evaluation"},
        "made-from-other": _is_mirror(part) and path_of(part) not in {"data", "evaluation"},
        "upstream-withdrawn": part.upstream_status.casefold() not in {"", "active", "available", "current"},
    }
    words = {name for name, holds in flags.items() if holds}
    return use_words(use) | words | _words_of_terms(part) | _words_of_gate(part)


def license_words(part: Part, license_id: str, output: Output) -> frozenset[str]:
    """Of one licence id as a reading of what the component is under."""
    facts = facts_of(license_id)
    asks: set[str] = set(facts.asks) if facts else set()
    is_own_grant = license_id == OWN and part.origin == "own"
    words = asks | output.words(facts)
    if license_id == NOASSERTION:
        words.add("no-grant")
    elif license_id == OWN and part.origin != "own":
        words.add("claimed-own")
    elif facts is None and not is_own_grant:
        words.add("no-facts")
    if asks & _RECIPROCAL:
        words.add("reciprocal")
    if asks & _CREDIT:
        words.add("asks-for-credit")
    if asks & {"non-commercial", "research-only"}:
        words.add("limited-grant")
    if is_own_grant:
        words.add("own-grant")
    return frozenset(words)


@cache
def limits_in(prose: str) -> frozenset[str]:
    """``non-commercial``, ``research-only`` and ``not-for-research``, as far as a prose says so."""
    kinds = _kinds_in(prose)
    asks = {ask for ask, named in _LIMITS.items() if kinds & named}
    if kinds & _NOT_RESEARCH and "research-only" not in kinds:
        asks.add("not-for-research")
    return frozenset(asks)


@cache
def _kinds_in(prose: str) -> frozenset[str]:
    """Kinds of limits that a prose sets, without those that it only wishes for."""
    return frozenset({one.kind for one in find_restrictions(prose) if one.is_term} if prose else set())


def _words_of_terms(part: Part) -> set[str]:
    """Of prose beside the licence: terms that were understood, and terms that somebody has to read."""
    words: set[str] = set()
    for term in terms_of(part):
        if _kinds_in(term) - _UNDERSTOOD:
            words.add("extra-terms-unread")
        elif limits_in(term):
            words.add("limited-by-terms")
        elif part.origin == "customer":
            words |= {"permission-stated"} if _PERMITS.search(term) and not _REFUSES.search(term) else set()
        else:
            words.add("asks-for-citation" if is_citation(term) else "extra-terms-unread")
    return words


def terms_of(part: Part) -> tuple[str, ...]:
    """Each statement of the prose and the terms beside a licence."""
    said = (one.strip() for text in (part.prose, part.extra_terms) for one in _BETWEEN.split(text))
    return tuple(dict.fromkeys(one for one in said if one))


def terms_about(part: Part, rule: str) -> str:
    """The statements that a row about terms is about."""
    terms = terms_of(part)
    if "extra-terms" in rule:
        chosen = [
            one for one in terms if _kinds_in(one) - _UNDERSTOOD or not (limits_in(one) or is_citation(one))
        ]
    elif rule == "cite":
        chosen = [one for one in terms if is_citation(one)]
    else:
        chosen = list(terms)
    return " / ".join(chosen)


def is_citation(prose: str) -> bool:
    """Whether a prose asks for a citation and for nothing else."""
    return bool(_CITATION.match(prose)) and not _REFUSES.search(prose) and not _OTHER_TERMS.search(prose)


def is_head_alone(form: str) -> bool:
    """Whether a form of an output says that it is a head and nothing more."""
    return bool(_HEAD.match(form))


def _words_of_gate(part: Part) -> set[str]:
    words = {"gated"} if part.gated or part.extra_gated_prompt else set()
    if part.extra_gated_prompt:
        words.add("gate-text")
        if limits_in(part.extra_gated_prompt):
            words.add("gate-restricts")
    return words


def _has_personal_information(part: Part) -> bool:
    """Said to be there, said to be unknown, or, for own and customers' training data, not said to be absent."""
    if part.personal_information:
        return part.personal_information != "none-confirmed"
    return part.role == "training_data" and part.origin in {"own", "customer"}


def _is_mirror(part: Part) -> bool:
    if part.upstream_license:
        readings = {part.declared, *([to_spdx(part.body_license)] if part.body_license else [])}
        return readings != {to_spdx(part.upstream_license)}
    return bool(part.upstream_name) and part.role in {"training_data", "evaluation_data"}


def _is_only_used(part: Part, use: Use) -> bool:
    return _PATHS.get(part.role) == "bundled" and not is_bundled(part, use)


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _facts_by_bare_id() -> dict[str, LicenseFacts]:
    return {_bare(name): facts for name, facts in written_policy().licenses.items()}
