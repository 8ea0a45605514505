"""What an error code means, without the error: its sentence with names in place of values, what to do, and why it happens.

Everything stands in the catalogue: the sentence and the hint of each code, and for the codes that people meet most an
entry ``explain.<code>`` with an example.
"""

from __future__ import annotations

import re
import string
import unicodedata
from dataclasses import dataclass
from typing import Any

from jptextclf.errors import ConfigError, DataError, JptextclfError, LicenseError, SetupError, WorkError
from jptextclf.messages import did_you_mean, has, keys, language, text

_CODE = re.compile(r"[A-Z]\d{3}")
_KINDS: tuple[type[JptextclfError], ...] = (DataError, ConfigError, SetupError, LicenseError, WorkError)
_AT_THE_END = {"hint", "wait", "first_hint"}
"""Fields that add a sentence or nothing."""


@dataclass(frozen=True)
class Explanation:
    """One code, in the language of now."""

    code: str
    """With its prefix: ``JPT-D012``."""
    message: str
    hint: str
    kind: str
    """What sort of error it is."""
    exit_status: str
    """Of the command line: one number, or two for licences."""
    more: str
    """Why it happens, with an example; empty for most."""

    def lines(self) -> list[str]:
        """For a person."""
        parts = [f"{self.code}  {self.kind}", "", self.message]
        if self.hint:
            parts += ["", f"{text('explanation.to_do')}: {self.hint}"]
        if self.more:
            parts += ["", self.more.strip()]
        return [*parts, "", text("explanation.status", status=self.exit_status)]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1, "code": self.code, "kind": self.kind, "message": self.message, "hint": self.hint,
            "explanation": self.more.strip(), "exit_status": self.exit_status,
        }  # fmt: skip


def all_codes() -> list[str]:
    """Every code without its prefix, by kind and number."""
    order = [one.letter for one in _KINDS]
    found = {key.partition(".")[0] for key in keys(language())}
    return sorted((one for one in found if _CODE.fullmatch(one)), key=lambda one: (order.index(one[0]), one))


def explain(code: str) -> Explanation:
    """What a code means, in the language of now.

    :param code: ``JPT-D012``, ``D012``, in any case or width
    :raises ConfigError: there is no such code (``JPT-U193``)
    """
    asked = unicodedata.normalize("NFKC", code).strip().upper().removeprefix("JPT").lstrip("-‐−– ")
    if not _CODE.fullmatch(asked) or not has(f"{asked}.message"):
        raise ConfigError("U193", code=code, hint=did_you_mean(asked, all_codes()))
    error = next(one for one in _KINDS if one.letter == asked[0])
    more = f"explain.{asked}"
    return Explanation(
        code=f"JPT-{asked}",
        message=_named(f"{asked}.message"),
        hint=_named(f"{asked}.hint") if has(f"{asked}.hint") else "",
        kind=text(f"explanation.{error.letter}"),
        exit_status="5, 6" if error is LicenseError else str(error.exit_status),
        more=text(more) if has(more) else "",
    )


def _named(key: str) -> str:
    """A sentence with the names of its fields in place of their values: ``{path}`` -> ``<file>``."""
    template = keys(language())[key]
    parts = []
    for literal, name, _, _ in string.Formatter().parse(template):
        parts.append(literal)
        if name and name not in _AT_THE_END:
            parts.append(f"<{_name_of(name)}>")
    return "".join(parts).strip()


def _name_of(name: str) -> str:
    plain = re.split(r"[.\[]", name)[0]
    key = f"placeholder.{plain}"
    return text(key) if has(key) else plain.replace("_", " ")
