"""A text as a sample in a finding: personal data masked, cut, in one line."""

from jptextclf.data.personal import masked_start

N_CHARACTERS = 60
_LOOKED_AT = 100_000
"""Characters of a text; a sample of a book must not take its time."""


def sample(found: str) -> str:
    """``"電話は\\n03-1234-5678" -> "電話は [telephone]"``"""
    return masked_start(" ".join(found[:_LOOKED_AT].split()), N_CHARACTERS)
