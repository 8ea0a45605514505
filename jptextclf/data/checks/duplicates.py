"""The same text twice: within a split, across splits, with different labels. Exactly, and after folding.

Across splits width, kana, case, punctuation and space tell no two texts apart (:func:`~jptextclf.data.splits.folded`): what is
kept apart by mistake costs a score. Within a split marks that may mean something do (``closely_folded``).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from jptextclf.data.checks.findings import PLACES_KEPT, Finding, Place
from jptextclf.data.checks.samples import sample
from jptextclf.data.splits import closely_folded, folded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jptextclf.data.examples import Examples, Split

Where = tuple[str, int]
"""Split and index in it."""


def find_duplicates(splits: Mapping[Split, Examples]) -> Iterator[Finding]:
    """Duplicates across splits, conflicting labels, and duplicates within a split."""
    yield from _across(splits, _groups(splits, folded))
    several = _groups(splits, closely_folded)
    yield from _conflicts(splits, several)
    yield from _within(splits, several)


def _groups(splits: Mapping[Split, Examples], form: Callable[[str], str]) -> list[list[Where]]:
    """Texts of one form, where there are several."""
    groups: dict[str, list[Where]] = defaultdict(list)
    for split, examples in splits.items():
        for index, text in enumerate(examples.texts):
            groups[form(text)].append((split, index))
    return [one for one in groups.values() if len(one) > 1]


def _across(splits: Mapping[Split, Examples], groups: list[list[Where]]) -> Iterator[Finding]:
    """Texts of validation and test that training texts show already."""
    found: list[Where] = []
    n_exact = 0
    for group in groups:
        trained = {splits[split].texts[index] for split, index in group if split == "train"}  # type: ignore[index]
        held = [one for one in group if one[0] != "train"]
        if trained and held:
            found += held
            n_exact += sum(_text(splits, one) in trained for one in held)
    if found:
        yield _finding("across_splits", "warning", splits, found, n_exact=n_exact)


def _conflicts(splits: Mapping[Split, Examples], groups: list[list[Where]]) -> Iterator[Finding]:
    """The same text with different labels: one of them is wrong, or the text alone does not tell."""
    found: list[Where] = []
    n_groups = n_exact = 0
    labels: set[str] = set()
    for group in groups:
        given = {_labels(splits, one) for one in group}
        if len(given) > 1:
            n_groups += 1
            found += group
            n_exact += len({_text(splits, one) for one in group}) == 1
            labels.update(name for names in given for name in names)
    if found:
        yield _finding(
            "conflicts", "warning", splits, found, n_groups=n_groups, n_exact=n_exact, labels=sorted(labels)
        )


def _within(splits: Mapping[Split, Examples], groups: list[list[Where]]) -> Iterator[Finding]:
    """Texts that a split holds more than once with the same labels; the first does not count."""
    exact: list[Where] = []
    alike: list[Where] = []
    for group in groups:
        seen: dict[tuple[str, frozenset[str]], set[str]] = {}
        for one in group:
            text = _text(splits, one)
            before = seen.setdefault((one[0], _labels(splits, one)), set())
            if before:
                (exact if text in before else alike).append(one)
            before.add(text)
    if exact:
        yield _finding("duplicates_exact", "note", splits, exact)
    if alike:
        yield _finding("duplicates_folded", "note", splits, alike)


def _finding(
    kind: str, severity: str, splits: Mapping[Split, Examples], found: list[Where], **fields: object
) -> Finding:
    places = tuple(Place(split, splits[split].rows[index]) for split, index in found[:PLACES_KEPT])  # type: ignore[index]
    samples = dict.fromkeys(sample(_text(splits, one)) for one in found[:6])
    return Finding(kind, severity, len(found), places, tuple(samples)[:4], fields)  # type: ignore[arg-type]


def _text(splits: Mapping[Split, Examples], where: Where) -> str:
    return splits[where[0]].texts[where[1]]  # type: ignore[index]


def _labels(splits: Mapping[Split, Examples], where: Where) -> frozenset[str]:
    labels = splits[where[0]].labels  # type: ignore[index]
    return frozenset() if labels is None else frozenset(labels[where[1]])
