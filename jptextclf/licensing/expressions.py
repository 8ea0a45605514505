"""Expressions: an SPDX expression as a tree, so that OR and AND can be judged branch by branch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from jptextclf.licensing.components import NOASSERTION, spdx_expression, spdx_parser


@dataclass(frozen=True)
class Node:
    """``id``: one licence, in ``name``; ``and``, ``or``: of ``branches``."""

    kind: Literal["id", "and", "or"]
    name: str = ""
    branches: tuple[Node, ...] = ()

    def leaves(self) -> tuple[str, ...]:
        """Every licence id in it, in its order, once each."""
        found: tuple[str, ...] = (self.name,) if self.kind == "id" else ()
        for branch in self.branches:
            found += branch.leaves()
        return tuple(dict.fromkeys(found))

    def choices(self) -> tuple[tuple[str, ...], ...]:
        """Every way to choose among its ORs, as the licence ids that then bind together; at most 64 ways."""
        if self.kind == "id":
            return ((self.name,),)
        ways = [one.choices() for one in self.branches]
        if self.kind == "or":
            return tuple(way for one in ways for way in one)[:64]
        joined: tuple[tuple[str, ...], ...] = ((),)
        for one in ways:
            joined = tuple((*before, *after) for before in joined for after in one)[:64]
        return joined


@cache
def parse(expression: str) -> Node:
    """The tree of an expression; an empty one is the leaf ``NOASSERTION``.

    :raises ConfigError: it is no SPDX expression (``JPT-U050``)
    """
    if not expression or expression == NOASSERTION:
        return Node("id", NOASSERTION)
    return _node(spdx_parser().parse(spdx_expression(expression)))


def _node(tree: Any) -> Node:
    kind = type(tree).__name__
    if kind in {"AND", "OR"}:
        branches = tuple(_node(one) for one in tree.args)
        return Node("and" if kind == "AND" else "or", branches=branches)
    exception = getattr(tree, "exception_symbol", None)
    if exception is None:
        return Node("id", str(getattr(tree, "key", tree)))
    # An exception of the SPDX list only permits more, so the licence itself is judged. Anything else after WITH
    # may take rights away: nobody has read it.
    is_listed = exception.is_exception and not exception.key.startswith("LicenseRef-")
    return Node("id", str(tree.license_symbol.key) if is_listed else str(tree))
