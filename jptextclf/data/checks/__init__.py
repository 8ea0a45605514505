"""Is the data sound? Everything that is odd in labelled texts, what matters most first, each with what to do.

It does not know files: examples by split come in. Nothing is changed here; see :mod:`~jptextclf.data.checks.fixing`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from jptextclf.data.checks import characters
from jptextclf.data.checks.duplicates import find_duplicates
from jptextclf.data.checks.findings import (
    PLACES_KEPT,
    DataCheck,
    Finding,
    Lengths,
    Place,
    Severity,
    Statistics,
)
from jptextclf.data.checks.labels import find_label_problems
from jptextclf.data.checks.lengths import find_length_problems, find_short, measure
from jptextclf.data.checks.samples import sample
from jptextclf.data.personal import KINDS, find_personal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jptextclf.adapters import TokenizerAdapter
    from jptextclf.data.examples import DataSummary, Examples, Reason, Split
    from jptextclf.progress import Progress

__all__ = ["DataCheck", "Finding", "Lengths", "Place", "Statistics", "check_data"]

_MINORITY = 0.2
"""Share of the texts up to which another script is the odd one."""


def check_data(
    splits: Mapping[Split, Examples],
    *,
    adapter: TokenizerAdapter | None = None,
    max_length: int | None = None,
    summary: DataSummary | None = None,
    progress: Progress | None = None,
) -> DataCheck:
    """Look for everything that is odd in the data.

    Checked are encoding, characters that nobody sees, languages, personal data, duplicates and their labels, names and
    numbers of labels, and lengths. Of more than 20,000 texts the lengths in pieces are those of every n-th.

    :param adapter: of the model that the texts are for; None: nothing is said of pieces
    :param max_length: pieces that a text may have, special tokens included
    :param summary: what became of the rows while they were read, where rows were rejected
    :param progress: told of texts that were cut into pieces
    """
    statistics = measure(splits, adapter, max_length, progress)
    findings = [
        *_rejected(summary),
        *find_duplicates(splits),
        *find_label_problems(splits),
        *_of_texts(splits),
        *_languages(splits),
        *find_short(splits),
        *find_length_problems(statistics),
    ]
    return DataCheck.of(findings, statistics, None if summary is None else _how_read(summary))


def _how_read(summary: DataSummary) -> dict[str, object]:
    """Of the summary what is no sentence and no place on this machine."""
    return {name: value for name, value in summary.to_json().items() if name not in {"source", "notes"}}


def _rejected(summary: DataSummary | None) -> Iterator[Finding]:
    """Rows that the reader left out, by its reasons."""
    if summary is None:
        return
    reasons: tuple[Reason, ...] = ("empty_text", "no_label")
    for reason in reasons:
        rejections = [one.rejected[reason] for one in summary.files if reason in one.rejected]
        if rejections:
            places = tuple(Place("", row) for one in rejections for row in one.rows)
            yield Finding(reason, "warning", sum(one.n for one in rejections), places[:PLACES_KEPT])


_OF_TEXT: tuple[tuple[str, Severity, Callable[[str], bool]], ...] = (
    ("mojibake", "warning", characters.is_mojibake),
    ("odd_reading", "warning", characters.is_odd_reading),
    ("bidi", "warning", lambda text: characters.BIDI.search(text) is not None),
    ("control", "warning", lambda text: characters.CONTROL.search(text) is not None),
    (
        "invisible",
        "note",
        lambda text: (
            characters.INVISIBLE.search(text) is not None
            or ("\u200d" in text and characters.has_joiner_outside_emoji(text))
        ),
    ),
)
"""Kind, severity, and whether a text is meant."""


def _of_texts(splits: Mapping[Split, Examples]) -> Iterator[Finding]:
    """What single texts show: wrong encodings, unseen characters, personal data."""
    found = {kind: _Collected(kind, severity) for kind, severity, _ in _OF_TEXT}
    personal = _Collected("personal_data", "warning")
    kinds: Counter[str] = Counter()
    for place, text in _texts(splits):
        if not text.isascii() or not text.isprintable():
            for kind, _, is_meant in _OF_TEXT:
                if is_meant(text):
                    found[kind].add(place, text)
        if matches := find_personal(text):
            personal.add(place, text)
            kinds.update(one.kind for one in matches)
    yield from (one.finding() for one in found.values() if one.n)
    if personal.n:
        yield personal.finding(kinds=[(kind, kinds[kind]) for kind in KINDS if kinds[kind]])


def _languages(splits: Mapping[Split, Examples]) -> Iterator[Finding]:
    """Texts in another script than most."""
    by_script: dict[str, _Collected] = defaultdict(lambda: _Collected("other_language", "note"))
    for place, text in _texts(splits):
        if script := characters.script_of(text):
            by_script[script].add(place, text)
    total = sum(one.n for one in by_script.values())
    most = max(by_script, key=lambda name: by_script[name].n, default="")
    for script, one in sorted(by_script.items()):
        if script != most and one.n <= _MINORITY * total:
            yield one.finding(script=script, most=most)


class _Collected:
    """Texts of one kind, while they are counted."""

    def __init__(self, kind: str, severity: Severity) -> None:
        self.kind: str = kind
        self.severity: Severity = severity
        self.n = 0
        self._places: list[Place] = []
        self._samples: list[str] = []

    def add(self, place: Place, text: str) -> None:
        self.n += 1
        if self.n <= PLACES_KEPT:
            self._places.append(place)
        if self.n <= 4:
            self._samples.append(sample(text))

    def finding(self, **fields: object) -> Finding:
        return Finding(self.kind, self.severity, self.n, tuple(self._places), tuple(self._samples), fields)


def _texts(splits: Mapping[Split, Examples]) -> Iterator[tuple[Place, str]]:
    for split, examples in splits.items():
        for row, text in zip(examples.rows, examples.texts, strict=True):
            yield Place(split, row), text
