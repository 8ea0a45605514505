"""The JSON files beside a tokenizer. It does not know what they mean."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jptextclf.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path


def read_json(directory: Path, name: str) -> dict[str, Any]:
    """What a file says; nothing where there is no such file.

    :raises SetupError: it cannot be read, or holds no object (``JPT-E041``)
    """
    path = directory / name
    if not path.is_file():
        return {}
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(loaded, dict):
            raise TypeError(type(loaded).__name__)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise SetupError("E041", path=directory, problem=f"{name}: {error}") from error
    return loaded
