"""JSON as its standard has it: a key that stands twice and NaN are errors, since both would lose a value silently."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

from jptextclf.messages import text

if TYPE_CHECKING:
    from collections.abc import Mapping


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(text("data.key_twice", key=next(key for key in keys if keys.count(key) > 1)))
    return item


def _refuse(constant: str) -> NoReturn:
    raise ValueError(text("data.no_constant", constant=constant))


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refuse(number)


DECODER = json.JSONDecoder(object_pairs_hook=_distinct_keys, parse_constant=_refuse)
"""Its ``decode`` raises ``ValueError`` with a sentence for a person."""
FINITE_DECODER = json.JSONDecoder(
    object_pairs_hook=_distinct_keys, parse_float=_finite, parse_constant=_refuse
)
"""The same, which also refuses a number beyond a float, such as ``1e999``, which Python reads as infinity."""


def encode(document: Mapping[str, Any]) -> bytes:
    """A JSON file's bytes, the same for equal documents.

    :raises TypeError, ValueError: it holds something that JSON does not have, such as NaN
    """
    return (
        json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True) + "\n"
    ).encode()
