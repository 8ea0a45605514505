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
    # An exception (WITH) only permits more; the licence itself is what is judged.
    license_symbol = getattr(tree, "license_symbol", tree)
    return Node("id", str(getattr(license_symbol, "key", license_symbol)))
