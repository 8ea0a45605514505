"""Licence metadata: what a trained model is made from, as upstream states it.

This package reports statements and where they can be checked; it never says what is legal.
"""

from jptextclf.licensing.components import Component, Evidence

__all__ = ["Component", "Evidence"]
