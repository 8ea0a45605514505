"""Licences: what upstream states, what a written policy makes of it for a use, and reports about both.

Start with :func:`assess` (deciding.py); the policy itself is data (rules/). This package reports statements and
where they can be checked; it never says what is legal. Names are imported when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jptextclf.licensing.assessment import (
        Assessment,
        Decision,
        Obligation,
        Question,
        Reason,
        Remedy,
        Verdict,
    )
    from jptextclf.licensing.company import CompanyPolicy, load_policy
    from jptextclf.licensing.components import Component, Evidence
    from jptextclf.licensing.deciding import assess
    from jptextclf.licensing.reading import CardReading, read_card

_HOMES = {
    "Assessment": "assessment",
    "CardReading": "reading",
    "CompanyPolicy": "company",
    "Component": "components",
    "Decision": "assessment",
    "Evidence": "components",
    "Obligation": "assessment",
    "Question": "assessment",
    "Reason": "assessment",
    "Remedy": "assessment",
    "Verdict": "assessment",
    "assess": "deciding",
    "load_policy": "company",
    "read_card": "reading",
}

__all__ = [
    "Assessment",
    "CardReading",
    "CompanyPolicy",
    "Component",
    "Decision",
    "Evidence",
    "Obligation",
    "Question",
    "Reason",
    "Remedy",
    "Verdict",
    "assess",
    "load_policy",
    "read_card",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
