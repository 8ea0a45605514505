"""Every sentence shown to a person, Japanese and English, by key.

It does not know who shows them. One TOML file per area and language; a key is ``area.name``, or for an
error its code with ``.message`` and ``.hint``. Both languages have the same keys and fields (tested).
"""

from __future__ import annotations

import contextvars
import difflib
import locale
import os
import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LANGUAGES = ("ja", "en")

_chosen: contextvars.ContextVar[str | None] = contextvars.ContextVar("jptextclf_language", default=None)


def language() -> str:
    """``ja`` or ``en``: what :func:`use_language` set, else ``JPTEXTCLF_LANG``, else the locale."""
    return _chosen.get() or _from_environment()


def use_language(name: str | None) -> None:
    """Set the language of this context; ``None`` or ``"auto"`` returns to the environment's.

    :raises ValueError: the name is not a language of the catalogue
    """
    if name is not None and name != "auto" and name not in LANGUAGES:
        raise ValueError(f"no catalogue for {name!r}; there are: auto, {', '.join(LANGUAGES)}")
    _chosen.set(None if name == "auto" else name)


def text(key: str, /, **fields: object) -> str:
    """The sentence of ``key`` in the language of now, with its fields filled in.

    :raises KeyError: no such key, or a field that the sentence names is missing
    """
    return _catalogue(language())[key].format(**fields)


def text_in(name: str, key: str, /, **fields: object) -> str:
    """The sentence of ``key`` in one language, for files that hold both."""
    return _catalogue(name)[key].format(**fields)


def has(key: str) -> bool:
    """Whether the catalogue has this key."""
    return key in _catalogue(language())


def keys(name: str) -> dict[str, str]:
    """The whole catalogue of one language: key -> template."""
    return dict(_catalogue(name))


def listing(items: Iterable[object], limit: int = 10) -> str:
    """Items in one line, at most ``limit`` of them, with what was left out counted."""
    shown = [str(item) for item in items]
    more = len(shown) - limit
    joined = text("words.comma").join(shown[:limit])
    return joined + text("words.and_more", n=more) if more > 0 else joined


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that names the closest of ``known``, with a space before it; empty if none is close."""
    candidates = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), candidates, n=1, cutoff=0.55)
    return text("words.did_you_mean", name=candidates[close[0]]) if close else ""


def _from_environment() -> str:
    asked = os.environ.get("JPTEXTCLF_LANG", "").strip().lower()
    if asked in LANGUAGES:
        return asked
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "ja" if value.lower().startswith("ja") else "en"
    # Windows sets none of these; its locale is called "Japanese_Japan".
    return "ja" if (locale.getlocale()[0] or "").lower().startswith("ja") else "en"


@cache
def _catalogue(name: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for file in sorted((resources.files(__name__) / name).iterdir(), key=lambda path: path.name):
        if file.name.endswith(".toml"):
            for section, entries in tomllib.loads(file.read_text(encoding="utf-8")).items():
                for key, template in entries.items():
                    flat[f"{section}.{key}"] = template
    return flat
