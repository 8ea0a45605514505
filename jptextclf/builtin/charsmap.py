"""Character table -> the compiled form that the ``Precompiled`` normaliser of the tokenizers library reads.

It does not know what the table means. The form is SentencePiece's: the size in bytes of a double-array trie
(four bytes, little-endian), the trie over the UTF-8 bytes of the characters, then all replacements, each
ended by NUL; a leaf holds the position of its replacement. Bits of a trie unit, as Darts-clone packs them:
0-7 the byte that leads here, 8 whether a character ends here, 10-30 the distance (xor) to the children;
a leaf has bit 31 set and its value in the others.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ENDS_HERE = 1 << 8
_LEAF = 1 << 31
_OFFSET_SHIFT = 10
_LONGEST_OFFSET = 1 << 21

_Node = dict[int, "_Node | int"]
"""Byte -> what follows it; 0 -> the position of the replacement."""


def compile_charsmap(table: Mapping[str, str]) -> bytes:
    """The compiled form of ``{character: replacement}``; an empty replacement deletes the character.

    :raises ValueError: a key or a replacement contains NUL, or the table is too large for the form
    """
    if any("\0" in key + value or not key for key, value in table.items()):
        raise ValueError("neither keys nor replacements can contain NUL, and no key is empty")
    replacements = bytearray()
    positions: dict[str, int] = {}
    for value in table.values():
        if value not in positions:
            positions[value] = len(replacements)
            replacements += value.encode("utf-8") + b"\0"
    root: _Node = {}
    for key, value in table.items():
        _insert(root, key.encode("utf-8"), positions[value])
    trie = _double_array(root)
    return len(trie).to_bytes(4, "little") + trie + bytes(replacements)


def _insert(root: _Node, key: bytes, position: int) -> None:
    node = root
    for byte in key:
        # Only byte 0, which no key has, leads to a position.
        node = cast("_Node", node.setdefault(byte, {}))
    node[0] = position


def _double_array(root: _Node) -> bytes:
    """Lay the trie out, nearest free place first: children of a node lie at ``base ^ byte``."""
    units: dict[int, int] = {0: 0}
    bases: set[int] = set()
    lowest = 1
    waiting = deque([(0, root)])
    while waiting:
        place, node = waiting.popleft()
        while lowest in bases:
            lowest += 1
        base = next(base for base in count(lowest) if base not in bases and _is_free(units, base, node))
        bases.add(base)
        offset = place ^ base
        if offset >= _LONGEST_OFFSET:
            raise ValueError("the table is too large for the compiled form")
        units[place] |= offset << _OFFSET_SHIFT
        for byte, child in sorted(node.items()):
            if isinstance(child, int):
                units[place] |= _ENDS_HERE
                units[base] = _LEAF | child
            else:
                units[base ^ byte] = byte
                waiting.append((base ^ byte, child))
    # A reader looks at base ^ byte for any byte before it compares.
    size = (max(*units, *bases) | 0xFF) + 1
    array = np.zeros(size, dtype="<u4")
    array[list(units)] = list(units.values())
    return array.tobytes()


def _is_free(units: Mapping[int, int], base: int, labels: Iterable[int]) -> bool:
    return all(base ^ label not in units for label in labels)
