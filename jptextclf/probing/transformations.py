"""All ways in which a text is written otherwise, each with what it claims to do to the meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jptextclf.messages import text as message
from jptextclf.probing import rephrasing, rewriting

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Transformation:
    """One way of writing a text otherwise."""

    name: str
    kind: str
    """Those of one kind are counted together as well."""
    apply: Callable[[str], str | None]
    """A text -> the same otherwise, or None where there is nothing to change or it is not certain how."""
    keeps: bool = True
    """The meaning stays; else it is turned into its contrary."""

    @property
    def title(self) -> str:
        """What it is called, in the language of now."""
        return message(f"probe.t_{self.name}")


TRANSFORMATIONS: tuple[Transformation, ...] = (
    Transformation("full_width", "width", rewriting.full_width),
    Transformation("half_width", "width", rewriting.half_width),
    Transformation("half_width_katakana", "width", rewriting.half_width_katakana),
    Transformation("hiragana", "script", rewriting.hiragana),
    Transformation("katakana", "script", rewriting.katakana),
    Transformation("kanji", "script", rewriting.kanji),
    Transformation("stretched", "long_vowels", rewriting.stretched),
    Transformation("waved", "long_vowels", rewriting.waved),
    Transformation("last_mark_dropped", "long_vowels", rewriting.last_mark_dropped),
    Transformation("without_stops", "punctuation", rewriting.without_stops),
    Transformation("exclaimed", "punctuation", rewriting.exclaimed),
    Transformation("latin_stops", "punctuation", rewriting.latin_stops),
    Transformation("with_emoji", "emoji", rewriting.with_emoji),
    Transformation("without_emoji", "emoji", rewriting.without_emoji),
    Transformation("with_laughter", "laughter", rewriting.with_laughter),
    Transformation("other_laughter", "laughter", rewriting.other_laughter),
    Transformation("polite", "politeness", rephrasing.polite),
    Transformation("plain", "politeness", rephrasing.plain),
    Transformation("twice_denied", "double_negation", rephrasing.twice_denied),
    Transformation("denied", "negation", rephrasing.denied, keeps=False),
    Transformation("affirmed", "negation", rephrasing.affirmed, keeps=False),
)
