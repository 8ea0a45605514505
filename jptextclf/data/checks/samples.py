"""A text as a sample in a finding: personal data masked, cut, in one line."""

from jptextclf.data.personal import mask

N_CHARACTERS = 60
_LOOKED_AT = 100_000
"""Characters of a text; a sample of a book must not take its time."""


def sample(found: str) -> str:
    """``"電話は\\n03-1234-5678" -> "電話は [telephone]"``"""
    # Space collapsed, masked, and only then cut: half a telephone number is not recognised.
    line = mask(" ".join(found[:_LOOKED_AT].split()))
    return line if len(line) <= N_CHARACTERS else line[: N_CHARACTERS - 1] + "…"
