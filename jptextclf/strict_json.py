"""JSON as its standard has it: a key that stands twice and NaN are errors, since both would lose a value silently."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from jptextclf.messages import text


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(text("data.key_twice", key=next(key for key in keys if keys.count(key) > 1)))
    return item


def _refuse(constant: str) -> NoReturn:
    raise ValueError(text("data.no_constant", constant=constant))


DECODER = json.JSONDecoder(object_pairs_hook=_distinct_keys, parse_constant=_refuse)
"""Its ``decode`` raises ``ValueError`` with a sentence for a person."""
