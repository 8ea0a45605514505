"""The YAML block at the start of a card: top-level keys, their values and lines, read from parser events.

Nothing is constructed and no alias is expanded, so that a hostile block costs no more than its own length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml  # type: ignore[import-untyped]

Form = Literal["read", "absent", "malformed", "yaml-error"]

LARGEST = 1 << 18
"""Characters of a block that are parsed; the largest real ones are a tenth of it."""
_DEEPEST = 100
"""Levels of nesting; the parser takes quadratic time beyond."""
_DASHES = re.compile(r"\ufeff?\s*---")
_OPENING = re.compile(r"\ufeff?\s*---(?:\r\n|\n|\r)")
_CLOSING = re.compile(r"(?:\A|(?<=[\n\r]))---(?=\r|\n|\Z)")
_STRAY_KEY = re.compile(r"^license[ \t]*[:：]", re.MULTILINE | re.IGNORECASE)
_DAY = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)")
_CONSTRUCTED = (
    "str",
    "int",
    "float",
    "bool",
    "null",
    "seq",
    "map",
    "timestamp",
    "binary",
    "set",
    "omap",
    "pairs",
)


@dataclass(frozen=True)
class FrontMatter:
    """What stands between the fences."""

    form: Form
    body_start: int = 0
    """Character at which the body begins."""
    values: dict[str, Any] = field(default_factory=dict)
    """Scalars are None or the text as it stands, numbers and ``no`` too; the last of equal keys wins."""
    lines: dict[str, int] = field(default_factory=dict)
    """Line of each key in the card, from 1."""
    contradicted: frozenset[str] = frozenset()
    """Keys that stand twice with different values."""


class _UnreadableError(Exception):
    """The block is not what a safe YAML loader would take."""


def read_front_matter(text: str) -> FrontMatter:
    """The front matter of a card, as strictly as the Hub reads it. Never raises.

    Blank lines and a byte order mark may stand before it, nothing else; both fences are exactly ``---``.
    """
    opening = _OPENING.match(text)
    if opening is None:
        is_meant = _DASHES.match(text) or _STRAY_KEY.search(text)
        return FrontMatter("malformed" if is_meant else "absent")
    closing = _CLOSING.search(text, opening.end())
    if closing is None:
        return FrontMatter("malformed")
    block = text[opening.end() : closing.start()]
    if len(block) > LARGEST:
        return FrontMatter("yaml-error", closing.end())
    return _parsed(block, closing.end(), line_of(text, opening.end()))


def line_of(text: str, position: int) -> int:
    """Line of a character, from 1; CR, LF and CRLF end lines."""
    return 1 + text.count("\n", 0, position) + len(re.findall(r"\r(?!\n)", text[:position]))


def _parsed(block: str, body_start: int, first_line: int) -> FrontMatter:
    import yaml

    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    contradicted = set()
    try:
        for key, value, line in _entries(_Events(block)):
            if key in values and not _equal(values[key], value):
                contradicted.add(key)
            values[key], lines[key] = value, first_line + line
    # ValueError: lone surrogates cannot be handed to the parser.
    except (yaml.YAMLError, _UnreadableError, ValueError):
        return FrontMatter("yaml-error", body_start)
    return FrontMatter("read", body_start, values, lines, frozenset(contradicted))


def _equal(one: object, other: object) -> bool:
    return repr(one) == repr(other)


class _Events:
    """Parser events with the checks that a safe loader makes: depth, anchors, tags, dates, one document."""

    def __init__(self, block: str) -> None:
        import yaml

        self._yaml = yaml
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events: Iterator[Any] = iter(yaml.parse(block, Loader=loader))
        self._resolver = yaml.resolver.Resolver()
        self._anchors: set[str] = set()
        self._depth = 0

    def next(self) -> yaml.Event:
        event = next(self._events)
        self._depth += isinstance(event, self._yaml.CollectionStartEvent)
        self._depth -= isinstance(event, self._yaml.CollectionEndEvent)
        if self._depth > _DEEPEST:
            raise _UnreadableError("nested too deeply")
        self._check(event)
        return event

    def _check(self, event: yaml.Event) -> None:
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if isinstance(event, self._yaml.AliasEvent) and anchor not in self._anchors:
            raise _UnreadableError("an alias without its anchor")
        if anchor is not None:
            self._anchors.add(anchor)
        if tag not in (None, "!") and tag not in {f"tag:yaml.org,2002:{name}" for name in _CONSTRUCTED}:
            raise _UnreadableError("a tag that no safe loader constructs")

    def is_a(self, event: yaml.Event, name: str) -> bool:
        return isinstance(event, getattr(self._yaml, name))

    def scalar(self, event: yaml.Event) -> object:
        """The text of a scalar, or None for null."""
        tag = event.tag or self._resolver.resolve(self._yaml.ScalarNode, event.value, event.implicit)
        kind = tag.rpartition(":")[2]
        if kind == "timestamp" and (day := _DAY.match(event.value)):
            # As a loader does: an impossible date makes the whole block unreadable.
            date(*map(int, day.groups()))
        return None if kind == "null" else event.value


def _entries(events: _Events) -> Iterator[tuple[str, object, int]]:
    """Key, value and line from 0 of each entry of the top-level mapping."""
    for _ in range(2):
        event = events.next()
        if events.is_a(event, "StreamEndEvent"):
            return
    event = events.next()
    if events.is_a(event, "ScalarEvent") and events.scalar(event) is None:
        return
    if not events.is_a(event, "MappingStartEvent"):
        raise _UnreadableError("no mapping")
    while not events.is_a(event := events.next(), "MappingEndEvent"):
        key = _value(events, event)
        value = _value(events, events.next())
        if isinstance(key, dict | list):
            raise _UnreadableError("a key that is no scalar")
        yield str(key), value, event.start_mark.line
    _end(events)


def _end(events: _Events) -> None:
    events.next()
    if not events.is_a(events.next(), "StreamEndEvent"):
        raise _UnreadableError("a second document")


def _value(events: _Events, event: yaml.Event) -> object:
    """The value that begins with an event; an alias is None. Depth is bounded by ``_Events``."""
    if events.is_a(event, "ScalarEvent"):
        return events.scalar(event)
    if events.is_a(event, "SequenceStartEvent"):
        items = []
        while not events.is_a(inner := events.next(), "SequenceEndEvent"):
            items.append(_value(events, inner))
        return items
    if events.is_a(event, "MappingStartEvent"):
        return _mapping(events)
    return None


def _mapping(events: _Events) -> dict[str, object]:
    values = {}
    while not events.is_a(inner := events.next(), "MappingEndEvent"):
        key = _value(events, inner)
        values[str(key)] = _value(events, events.next())
    return values
