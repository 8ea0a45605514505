"""Bytes of a request -> what it asks for, or a problem. Nothing that a client can send makes anything else of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jptextclf.server.problems import Problem
from jptextclf.strict_json import FINITE_DECODER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from jptextclf.server.limits import Limits

_READ_ANYWAY = 8
"""Times the limit."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKS = re.compile(r'["\\\[\]{}]')
_JSON = re.compile(r"application/json\s*(;\s*charset\s*=\s*\"?utf-?8\"?\s*)?\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """What a request asks for."""

    texts: tuple[str, ...]
    model: str | None = None
    label: str | None = None
    cells: tuple[Mapping[str, str], ...] = ()
    """Of each text, column -> cell, for models that were trained with columns."""


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body, as far as it is not too large.

    :raises Problem: 413, or 415 where it is no JSON or compressed
    """
    if not _JSON.match(request.headers.get("content-type", "")):
        raise Problem(415, "U223", found=request.headers.get("content-type", "")[:100])
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "U224", found=request.headers["content-encoding"][:50])
    said = request.headers.get("content-length", "")
    is_too_large = said.isdecimal() and int(said[:20]) > limits.body_bytes
    parts: list[bytes] = []
    n_bytes = 0
    async for part in request.stream():
        n_bytes += len(part)
        is_too_large = is_too_large or n_bytes > limits.body_bytes
        if not is_too_large:
            parts.append(part)
        elif n_bytes > _READ_ANYWAY * limits.body_bytes:
            break
    if is_too_large:
        # What is not much too large is read and thrown away: a client that is still sending would see no answer.
        raise Problem(413, "U225", most=limits.body_bytes)
    return b"".join(parts)


def parse(body: bytes, limits: Limits, *, texts: int, characters: int, label: bool = False) -> Asked:
    """What a body asks for.

    :param texts: that it may hold; ``characters`` that one of them may have
    :param label: whether ``label`` may be named
    :raises Problem: 400 where it is no JSON, 422 where it asks for what cannot be
    """
    found = _json(body, limits.depth)
    known = ["text", "texts", "model", "columns", *(["label"] if label else [])]
    if not isinstance(found, dict):
        raise Problem(422, "U227", field="body", found=_kind(found), expected="object")
    _require_known(found, known)
    if ("text" in found) == ("texts" in found) or ("columns" in found and "texts" in found):
        raise Problem(422, "U229")
    several = (
        found["texts"] if "texts" in found else [{"text": found["text"], "columns": found.get("columns")}]
    )
    if not isinstance(several, list):
        raise Problem(422, "U227", field="texts", found=_kind(several), expected="array")
    if not 1 <= len(several) <= texts:
        raise Problem(422, "U230", n=len(several), most=texts)
    items = [
        _item(one, f"texts[{number}]" if "texts" in found else "", characters)
        for number, one in enumerate(several)
    ]
    return Asked(
        tuple(one for one, _ in items), _optional(found, "model"), _optional(found, "label"),
        tuple(cells for _, cells in items),
    )  # fmt: skip


def _require_known(found: Mapping[str, Any], known: Sequence[str], place: str = "") -> None:
    for name in found:
        if name not in known:
            raise Problem(422, "U228", field=f"{place}{name[:100]}", known=", ".join(known))


def _item(item: Any, place: str, characters: int) -> tuple[str, dict[str, str]]:
    """One text and the cells beside it: a string, or an object with ``text`` and ``columns``.

    :param place: of it in the body; empty: the body itself
    """
    dot = f"{place}." if place else ""
    if isinstance(item, str):
        item, where = {"text": item}, place
    elif isinstance(item, dict):
        where = f"{dot}text"
        _require_known(item, ("text", "columns"), dot)
    else:
        raise Problem(422, "U227", field=place, found=_kind(item), expected="string, object")
    one = item.get("text")
    if not isinstance(one, str):
        raise Problem(422, "U227", field=where, found=_kind(one), expected="string")
    if len(one) > characters:
        raise Problem(422, "U231", field=where, n=len(one), most=characters)
    given = item.get("columns")
    if not isinstance(given, dict | None):
        raise Problem(422, "U227", field=f"{dot}columns", found=_kind(given), expected="object")
    for name, cell in (given or {}).items():
        if isinstance(cell, bool | list | dict) or len(str(cell)) > characters:
            raise Problem(
                422, "U227", field=f"{dot}columns.{name[:100]}", found=_kind(cell), expected="string, number"
            )
    return one, {name: "" if cell is None else str(cell) for name, cell in (given or {}).items()}


def _json(body: bytes, depth: int) -> Any:
    try:
        # Before it is parsed: Python's parser ends at its own depth, which is no error of the client's.
        written = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(400, "U226", problem=f"UTF-8: {error.reason}, {error.start}") from error
    _require_shallow(written, depth)
    try:
        found = FINITE_DECODER.decode(written)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "U226", problem=str(error)[:200]) from error
    if "\\u" in written and _has_surrogate(found):
        raise Problem(400, "U226", problem="lone surrogate")
    return found


def _require_shallow(written: str, most: int) -> None:
    """That brackets are not nested too deep, those in strings left out; in one pass, whatever is written.

    :raises Problem: they are
    """
    now, is_string, escaped = 0, False, -1
    for found in _MARKS.finditer(written):
        mark = found[0]
        if found.start() == escaped:
            continue
        if is_string:
            if mark == "\\":
                escaped = found.start() + 1
            is_string = mark != '"'
        elif mark == '"':
            is_string = True
        elif mark in "[{":
            now += 1
            if now > most:
                raise Problem(400, "U226", problem=f"depth > {most}")
        elif mark in "]}":
            now -= 1


def _has_surrogate(found: Any) -> bool:
    if isinstance(found, str):
        return _SURROGATE.search(found) is not None
    if isinstance(found, dict):
        return any(_has_surrogate(one) for pair in found.items() for one in pair)
    return isinstance(found, list) and any(_has_surrogate(one) for one in found)


def _optional(found: Mapping[str, Any], name: str) -> str | None:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise Problem(422, "U227", field=name, found=_kind(value), expected="string")
    return value


def _kind(value: Any) -> str:
    """What JSON calls it."""
    if value is None:
        return "null"
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds[type(value)]
