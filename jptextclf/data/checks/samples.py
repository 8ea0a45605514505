"""A text as a sample in a finding: personal data masked, cut, in one line."""

from jptextclf.data.personal import mask

N_CHARACTERS = 60


def sample(found: str) -> str:
    """``"電話は\\n03-1234-5678" -> "電話は [telephone]"``"""
    # Masked in one line and before it is cut: half a telephone number is not recognised.
    line = mask(" ".join(found[: 20 * N_CHARACTERS].split()))
    return line if len(line) <= N_CHARACTERS else line[: N_CHARACTERS - 1] + "…"
