"""Company policy: a file that tightens the written policy, and holds the signed entries that settle reviews.

Nothing in it loosens a verdict by itself: what is denied is blocked, what is not listed needs a review, a waiver
settles one rule for one component and use until a date, and missing evidence is only settled by evidence.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import tomllib
from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jptextclf.errors import ConfigError
from jptextclf.licensing.assessment import Decision, Verdict
from jptextclf.licensing.components import NOASSERTION, join_and
from jptextclf.licensing.identifiers import same_license, to_spdx
from jptextclf.licensing.rules import written_policy
from jptextclf.messages import did_you_mean, text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from jptextclf.licensing.assessment import Assessment, Obligation
    from jptextclf.licensing.case import Part
    from jptextclf.licensing.rules import Rule

Kind = Literal["waiver", "acknowledgement", "evidence", "permission"]
_KINDS: tuple[Kind, ...] = ("waiver", "acknowledgement", "evidence", "permission")
MISSING_EVIDENCE = frozenset(
    {
        "weights-no-grant-research", "data-no-grant-research",
        "conflict-unknown-reading", "unpinned", "gate-unrecorded", "claimed-own", "customer-permission-stated",
        "used-no-grant-research",
    }
)  # fmt: skip
"""Rules about facts that nobody has: a signature does not replace them, an ``[[evidence]]`` entry does."""
_TOP = {"schema_version", "name", "version", "default_use", "approvers", "uses", "licenses", "components", "choice",
        *_KINDS}  # fmt: skip
_ANY_REVISION = "\0any"
"""For duties, which are taken on whatever the revision of the component."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


@dataclass(frozen=True)
class Entry:
    """One signed entry."""

    kind: Kind
    id: str
    signed_by: str
    date: str
    expires: str
    reason: str
    evidence: str
    """Address or file of the document behind it."""
    component: str = ""
    revision: str = ""
    """Scope: the revision that it is about; empty for what has none."""
    uses: tuple[str, ...] = ()
    rule: str = ""
    """The rule that a waiver settles."""
    duty: str = ""
    """The token, or its kind, that an acknowledgement takes on."""
    license: str = ""
    """What the evidence shows."""
    sha256: str = ""
    """Of the document."""

    def decision(self) -> Decision:
        """As it shows in an assessment."""
        subject = {"waiver": self.rule, "acknowledgement": self.duty, "evidence": self.license}.get(
            self.kind, ""
        )
        return Decision(
            self.id, self.kind, self.component, subject, self.signed_by, self.date, self.expires, self.reason,
            self.evidence,
        )  # fmt: skip

    def gap(self, revision: str, use: str, today: dt.date) -> str:
        """What keeps it from counting for a component of its name: use, revision or time; empty if nothing does."""
        if use not in self.uses:
            return text("license.gap_use", found=", ".join(self.uses), wanted=use)
        if self.revision != revision:
            return text("license.gap_revision", found=repr(self.revision), wanted=repr(revision))
        if not dt.date.fromisoformat(self.date) <= today <= dt.date.fromisoformat(self.expires):
            return text("license.gap_time", found=f"{self.date} – {self.expires}", wanted=today.isoformat())
        return ""

    def covers(self, component: str, revision: str | None, use: str, today: dt.date) -> bool:
        """Whether it is about this component and use, and in force on that day."""
        return (
            (not self.component or self.component == component)
            and (revision is _ANY_REVISION or self.revision == (revision or ""))
            and use in self.uses
            and dt.date.fromisoformat(self.date) <= today <= dt.date.fromisoformat(self.expires)
        )


@dataclass(frozen=True)
class CompanyPolicy:
    """A policy file, checked."""

    name: str
    version: str
    sha256: str
    default_use: str = ""
    approvers: tuple[str, ...] = ()
    """Who may sign; empty: anybody who is named."""
    denied_uses: tuple[str, ...] = ()
    allowed_uses: tuple[str, ...] = ()
    denied_licenses: tuple[str, ...] = ()
    allowed_licenses: tuple[str, ...] = ()
    denied_components: tuple[str, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()
    """Component and the branch of its OR that the company takes."""
    entries: tuple[Entry, ...] = ()

    def component_words(self, component: str) -> frozenset[str]:
        """Conditions of the policy about a component."""
        is_denied = _bare_name(component) in {_bare_name(one) for one in self.denied_components}
        return frozenset({"company-denies-component"} if is_denied else ())

    def whole_words(self, use: str, output: tuple[str, ...]) -> frozenset[str]:
        """Conditions of the policy about a use and the output licence."""
        is_use_denied = use in self.denied_uses or bool(self.allowed_uses and use not in self.allowed_uses)
        words = {"company-denies-use"} if is_use_denied else set[str]()
        if any("company-denies-license" in self.license_words(one) for one in output):
            words.add("company-denies-output")
        return frozenset(words)

    def license_words(self, license_id: str) -> frozenset[str]:
        """Conditions of the policy about a licence."""
        if any(same_license(license_id, one) for one in self.denied_licenses):
            return frozenset({"company-denies-license"})
        if not self.allowed_licenses or any(same_license(license_id, one) for one in self.allowed_licenses):
            return frozenset()
        return frozenset({"company-does-not-list-license"})

    def choice(self, component: str) -> str:
        """The branch of an OR that the company takes for a component; empty if it names none."""
        return dict(self.choices).get(component, "")

    def idle(self, parts: Iterable[Part], use: str, today: dt.date) -> list[str]:
        """Entries that name a component of the case and do not count: id, and what differs, in the language of now."""
        found = [
            f"{one.id} ({why})"
            for part in parts
            for one in self.entries
            if part.name and one.component == part.name and (why := one.gap(part.pinned, use, today))
        ]
        return list(dict.fromkeys(found))

    def waiver_for(self, part: Part, rule: Rule, use: str, today: dt.date) -> Decision | None:
        """The entry that settles a review; never one for what is blocked."""
        if rule.verdict is not Verdict.NEEDS_REVIEW:
            return None
        for one in self._entries("waiver"):
            if one.rule == rule.id and one.covers(part.name, part.pinned, use, today):
                return one.decision()
        return None

    def acknowledgement_of(self, duty: Obligation, use: str, today: dt.date) -> Decision | None:
        """The entry by which somebody takes on a duty that no file can meet."""
        for one in self._entries("acknowledgement"):
            if one.duty in {duty.token, duty.kind} and one.covers(duty.component, _ANY_REVISION, use, today):
                return one.decision()
        return None

    def completed(self, part: Part, use: str, today: dt.date, decisions: list[Decision]) -> Part:
        """A component with the licence that was found for it, and the permission that was given."""
        for one in self._entries("evidence"):
            if NOASSERTION in part.tree.leaves() and one.covers(part.name, part.pinned, use, today):
                decisions.append(one.decision())
                shown = {
                    "statement": one.license,
                    "url": one.evidence,
                    "sha256": one.sha256,
                    "date": one.date,
                }
                # What is missing is filled in; what is declared beside it stays.
                known = [leaf for leaf in part.tree.leaves() if leaf != NOASSERTION]
                part = replace(
                    part,
                    license=join_and([*known, one.license]),
                    metadata="",
                    evidence=(*part.evidence, shown),
                )
        for one in self._entries("permission"):
            if one.covers(part.name, part.pinned, use, today):
                decisions.append(one.decision())
                part = replace(part, has_permission=True)
        return part

    def _entries(self, kind: Kind) -> Iterator[Entry]:
        return (one for one in self.entries if one.kind == kind)


def load_policy(path: str | os.PathLike[str]) -> CompanyPolicy:
    """A company policy from a TOML file.

    :raises ConfigError: the file cannot be read or has problems (``JPT-U114``, all at once)
    """
    place = Path(path)
    try:
        data = place.read_bytes()
        table = tomllib.loads(data.decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError("U114", path=place, n=1, problems="  " + text("license.no_such_file")) from error
    except UnicodeDecodeError as error:
        raise ConfigError("U114", path=place, n=1, problems="  " + text("license.not_utf8")) from error
    except (OSError, ValueError, RecursionError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError("U114", path=place, n=1, problems=f"  {problem}") from error
    problems = list(_problems(table))
    if problems:
        shown = "\n".join(f"  {one}" for one in problems[:20])
        raise ConfigError("U114", path=place, n=len(problems), problems=shown)
    return _policy(table, hashlib.sha256(data).hexdigest())


def _policy(table: dict[str, Any], sha256: str) -> CompanyPolicy:
    uses, licenses = table.get("uses", {}), table.get("licenses", {})
    return CompanyPolicy(
        name=table["name"],
        version=str(table.get("version", "")),
        sha256=sha256,
        default_use=table.get("default_use", ""),
        approvers=tuple(table.get("approvers", ())),
        denied_uses=tuple(uses.get("deny", ())),
        allowed_uses=tuple(uses.get("allow", ())),
        denied_licenses=tuple(licenses.get("deny", ())),
        allowed_licenses=tuple(licenses.get("allow", ())),
        denied_components=tuple(table.get("components", {}).get("deny", ())),
        choices=tuple((one["component"], to_spdx(one["license"])) for one in table.get("choice", ())),
        entries=tuple(_entry(kind, one) for kind in _KINDS for one in table.get(kind, ())),
    )


def _entry(kind: Kind, row: dict[str, Any]) -> Entry:
    values = {key: tuple(value) if isinstance(value, list) else str(value) for key, value in row.items()}
    if kind == "evidence":
        values["license"] = to_spdx(row["license"])
    return Entry(kind=kind, **values)  # type: ignore[arg-type]


def waiver_forms(assessment: Assessment) -> str:
    """For every review that a signature may settle, a ``[[waiver]]`` entry to be completed; TOML."""
    records = {str(one.get("name") or one["role"]): one for one in assessment.components}
    rules = {
        (one.component, one.rule): None
        for one in assessment.reasons
        if one.verdict is Verdict.NEEDS_REVIEW and not one.waiver and one.rule not in MISSING_EVIDENCE
    }
    forms = []
    for component, rule in rules:
        revision = records.get(component, {}).get("revision")
        entry = {
            "id": "",
            "component": component,
            **({"revision": revision} if revision else {}),
            "rule": rule,
        }
        rest = dict.fromkeys(("reason", "evidence", "signed_by", "date", "expires"), "")
        lines = [
            f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in {**entry, **rest}.items()
        ]
        forms.append("\n".join(["[[waiver]]", *lines, f"uses = [{json.dumps(assessment.use)}]"]))
    return "\n\n".join(forms)


def example_policy(language: str) -> str:
    """A policy file with every key explained, in Japanese or English."""
    name = "company-policy.example.ja.toml" if language == "ja" else "company-policy.example.toml"
    return (resources.files("jptextclf.licensing.rules") / name).read_text(encoding="utf-8")


# ---- checks -------------------------------------------------------------------------------------------------------

_NEEDED: dict[Kind, tuple[str, ...]] = {
    "waiver": ("component", "rule"),
    "acknowledgement": ("duty",),
    "evidence": ("component", "license", "sha256"),
    "permission": ("component",),
}
_SIGNED = ("id", "signed_by", "date", "expires", "reason", "evidence", "uses")


def _problems(table: dict[str, Any]) -> Iterator[str]:
    for key in table:
        if key not in _TOP:
            yield f"{key}: {text('license.unknown_key')}{did_you_mean(key, _TOP)}"
    if table.get("schema_version") != 1 or type(table["schema_version"]) is not int:
        yield f"schema_version: {text('license.not_one_of', found=repr(table.get('schema_version')), known='1')}"
    if not isinstance(table.get("name"), str) or not table["name"].strip():
        yield f"name: {text('license.missing')}"
    yield from _list_problems(table)
    if not isinstance(table.get("version", ""), str):
        yield f"version: {text('license.not_text', found=repr(table['version']))}"
    if (use := table.get("default_use")) is not None:
        yield from _unknown_uses("default_use", [use])
    seen: set[str] = set()
    for kind in _KINDS:
        rows = table.get(kind, [])
        if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
            yield f"{kind}: {text('license.not_tables', name=kind)}"
            continue
        for number, row in enumerate(rows, 1):
            for problem in _entry_problems(kind, row, table.get("approvers", []), seen):
                yield f"[[{kind}]] {number}: {problem}"


def _list_problems(table: dict[str, Any]) -> Iterator[str]:
    for section, keys in {
        "uses": ("allow", "deny"),
        "licenses": ("allow", "deny"),
        "components": ("deny",),
    }.items():
        part = table.get(section, {})
        if not isinstance(part, dict):
            yield f"{section}: {text('license.not_a_table')}"
            continue
        for key, value in part.items():
            if key not in keys:
                yield f"{section}.{key}: {text('license.unknown_key')}{did_you_mean(key, keys)}"
            elif not _is_names(value):
                yield f"{section}.{key}: {text('license.not_names')}"
            elif section == "uses":
                yield from _unknown_uses(f"uses.{key}", value)
            elif section == "licenses":
                for one in value:
                    if to_spdx(one) == NOASSERTION and one != NOASSERTION:
                        yield f"licenses.{key}: {text('license.not_a_license', found=repr(one))}"
    if not _is_names(table.get("approvers", [])):
        yield f"approvers: {text('license.not_names')}"
    choices = table.get("choice", [])
    if not isinstance(choices, list) or not all(_is_choice(one) for one in choices):
        yield f"choice: {text('license.not_a_choice')}"


def _entry_problems(kind: Kind, row: dict[str, Any], approvers: object, seen: set[str]) -> Iterator[str]:
    known = {one.name for one in fields(Entry)} - {"kind"}
    for key in row:
        if key not in known:
            yield f"{key}: {text('license.unknown_key')}{did_you_mean(key, known)}"
    wrong = [
        key for key, value in row.items() if not (_is_names(value) if key == "uses" else _is_text(value))
    ]
    for key in wrong:
        yield f"{key}: {text('license.not_text', found=repr(row[key]))}"
    if wrong:
        return
    for key in (*_SIGNED, *_NEEDED[kind]):
        if not row.get(key) or not str(row[key]).strip():
            yield f"{key}: {text('license.missing')}"
    for key in ("date", "expires"):
        if row.get(key) and not _is_date(str(row[key])):
            yield f"{key}: {text('license.not_a_date', found=repr(str(row[key])))}"
    if (
        _is_date(str(row.get("date")))
        and _is_date(str(row.get("expires")))
        and str(row["expires"]) < str(row["date"])
    ):
        yield f"expires: {text('license.ends_before_it_begins', found=row['expires'])}"
    if row.get("id") in seen:
        yield f"id: {text('license.used_twice', found=row['id'])}"
    seen.add(str(row.get("id")))
    if isinstance(approvers, list) and approvers and row.get("signed_by") not in approvers:
        yield f"signed_by: {text('license.not_an_approver', found=row.get('signed_by'), known=', '.join(map(str, approvers)))}"
    yield from _unknown_uses("uses", row.get("uses", []))
    yield from _subject_problems(kind, row)


def _subject_problems(kind: Kind, row: dict[str, Any]) -> Iterator[str]:
    policy = written_policy()
    if kind == "waiver" and row.get("rule"):
        rules = {one.id: one for one in policy.rules}
        rule = rules.get(row["rule"])
        if rule is None:
            yield f"rule: {text('license.no_such_rule', found=row['rule'])}{did_you_mean(str(row['rule']), rules)}"
        elif rule.verdict is not Verdict.NEEDS_REVIEW:
            yield f"rule: {text('license.not_waivable', found=row['rule'], verdict=str(rule.verdict))}"
        elif rule.id in MISSING_EVIDENCE:
            yield f"rule: {text('license.needs_evidence', found=row['rule'])}"
    if kind == "acknowledgement" and row.get("duty"):
        duty = str(row["duty"]).partition(":")[0]
        if duty not in policy.duties:
            yield f"duty: {text('license.no_such_duty', found=row['duty'])}{did_you_mean(duty, policy.duties)}"
    if kind == "evidence" and row.get("license") and to_spdx(row["license"]) == NOASSERTION:
        yield f"license: {text('license.not_a_license', found=repr(row['license']))}"


def _unknown_uses(key: str, value: object) -> Iterator[str]:
    uses = written_policy().uses
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, str) or one not in uses:
            known = ", ".join(uses)
            yield f"{key}: {text('license.not_one_of', found=repr(one), known=known)}{did_you_mean(str(one), uses)}"


def _is_choice(row: object) -> bool:
    if not isinstance(row, dict) or set(row) != {"component", "license"}:
        return False
    texts = all(isinstance(one, str) for one in row.values())
    return texts and to_spdx(row["license"]) != NOASSERTION


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)


def _is_text(value: object) -> bool:
    # TOML has dates of its own.
    return isinstance(value, str) or type(value) is dt.date


def _is_date(value: str) -> bool:
    try:
        return bool(_DATE.match(value)) and bool(dt.date.fromisoformat(value))
    except ValueError:
        return False


def _bare_name(name: str) -> str:
    """A component's name without its revision; case and outer spaces do not count."""
    return name.partition("@")[0].strip().casefold()
