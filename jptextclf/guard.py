"""What is found about an encoder before anything is trained with it: one finding for each check.

It does not know who shows the findings. Nothing heavy is imported at the top: `jptextclf doctor` imports this
module where packages are missing or broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    """Of the check, the same in every language."""
    status: Status
    found: str
    """A sentence in the language of now."""
    remedy: str
    """What to do, with the command that does it; empty where there is nothing to do."""
