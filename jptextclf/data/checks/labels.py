"""Labels: names that are nearly the same, too few examples, too uneven."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from jptextclf.data.checks.findings import PLACES_KEPT, Finding, Place
from jptextclf.data.splits import katakana_to_hiragana

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jptextclf.data.examples import Examples, Split

RARE = 10
"""Examples below which little can be learned of a label."""
UNEVEN = 50
"""Times that the most frequent label is more frequent than the rarest, from which it is said."""
_MOST_COMPARED = 400
"""Names that are compared each with each for one letter."""
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_BETWEEN_LETTERS = re.compile(r"(?<=[^\W\d_])[-_‐‑–—]+(?=[^\W\d_])")
_WIDTH = re.compile("[\uff01-\uffee\u3000]+")
"""Half-width and full-width forms."""
_SHORTEST = 5
"""Letters of a name from which one letter may be a slip."""


def find_label_problems(splits: Mapping[Split, Examples]) -> Iterator[Finding]:
    """All that is odd in the labels of the splits together."""
    labelled = {split: examples for split, examples in splits.items() if examples.labels is not None}
    counts = Counter(name for one in labelled.values() for names in one.labels or () for name in names)
    if not counts:
        return
    for group in alike_names(counts):
        names = sorted(group, key=lambda name: (-counts[name], name))
        fewer = set(names[1:])
        written = [f"{name!r} ({counts[name]:,})" for name in names]
        yield _finding("alike_labels", "warning", labelled, fewer, names=written)
    if len(counts) == 1 and all(len(names) == 1 for one in labelled.values() for names in one.labels or ()):
        yield Finding("single_label", "error", sum(counts.values()), fields={"label": next(iter(counts))})
        return
    train = labelled.get("train")
    if train is None:
        return
    yield from _frequencies(Counter(name for names in train.labels or () for name in names), labelled)


def _frequencies(counts: Counter[str], labelled: Mapping[Split, Examples]) -> Iterator[Finding]:
    single = {name for name, n in counts.items() if n == 1}
    rare = {name for name, n in counts.items() if 1 < n < RARE}
    train: dict[Split, Examples] = {"train": labelled["train"]}
    if single:
        yield _finding("single_example", "warning", train, single, names=sorted(single), n_labels=len(single))
    if rare:
        written = [f"{name} ({counts[name]})" for name in sorted(rare)]
        yield _finding("rare_label", "warning", train, rare, names=written, n_labels=len(rare), least=RARE)
    (most, n_most), (least, n_least) = counts.most_common()[0], counts.most_common()[-1]
    if n_most >= UNEVEN * n_least:
        fields = {"most": most, "n_most": n_most, "least": least, "n_least": n_least}
        yield Finding("uneven", "note", n_most, fields=fields)


def alike_names(names: Iterable[str]) -> list[list[str]]:
    """Groups of label names that a person would take for one.

    The same but for width, case, kana, white space, hyphens and underscores; the same number, ``1`` and ``1.0``; or long
    names that differ in one letter. ``["ポジティブ", "ﾎﾟｼﾞﾃｨﾌﾞ", "A ", "A"] -> [["ポジティブ", "ﾎﾟｼﾞﾃｨﾌﾞ"], ["A ", "A"]]``
    """
    known = list(dict.fromkeys(names))
    by_form: dict[str, list[str]] = defaultdict(list)
    for name in known:
        by_form[label_form(name)].append(name)
    forms = list(by_form)
    together = {form: form for form in forms}
    if len(forms) <= _MOST_COMPARED:
        for place, one in enumerate(forms):
            for other in forms[place + 1 :]:
                if _one_letter_apart(one, other):
                    together[other] = together[one]
    groups: dict[str, list[str]] = defaultdict(list)
    for form in forms:
        groups[together[form]] += by_form[form]
    return [group for group in groups.values() if len(group) > 1]


def label_form(name: str) -> str:
    """A label name without what a person does not see or does not mean: width, case, kana, space, and hyphens between
    words; plain numbers by their exact value.

    It tells which names to ask about. ``"not_good" -> "notgood"``, ``"01.0" -> "1"``, ``"A-" -> "a-"``
    """
    plain = unicodedata.normalize("NFKC", name).strip()
    if _NUMBER.fullmatch(plain):
        return f"{Decimal(plain).normalize():f}"
    plain = _BETWEEN_LETTERS.sub("", katakana_to_hiragana(plain.casefold()))
    return "".join(plain.split()) or plain


def spelling_form(name: str) -> str:
    """A label name without width, case, kana and space alone: names of one form are one name in two spellings.

    Names of one letter, and numbers, codes and dates, are only freed of width and space: a case or a digit may be all
    that tells them apart. ``"ﾎﾟｼﾞﾃｨﾌﾞ" -> "ぽじてぃぶ"``, ``"Ａ " -> "A"``, ``"A-" -> "A-"``
    """
    plain = "".join(_WIDTH.sub(lambda found: unicodedata.normalize("NFKC", found[0]), name).split())
    if len(plain) == 1 or any(one.isdigit() for one in plain):
        return plain
    return katakana_to_hiragana(plain.casefold())


def _one_letter_apart(one: str, other: str) -> bool:
    """Whether one letter was left out, added or replaced; digits are never slips."""
    if min(len(one), len(other)) < _SHORTEST or abs(len(one) - len(other)) > 1 or one == other:
        return False
    shorter, longer = sorted((one, other), key=len)
    place = next((at for at, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter))
    rest = longer[place + 1 :]
    if shorter[place + (len(shorter) == len(longer)) :] != rest:
        return False
    return not any(name[place : place + 1].isdigit() for name in (one, other))


def _finding(
    kind: str, severity: str, splits: Mapping[Split, Examples], meant: set[str], **fields: object
) -> Finding:
    """:param meant: labels whose texts are meant"""
    places = [
        Place(split, examples.rows[index])
        for split, examples in splits.items()
        for index, given in enumerate(examples.labels or ())
        if not meant.isdisjoint(given)
    ]
    return Finding(kind, severity, len(places), tuple(places[:PLACES_KEPT]), (), fields)  # type: ignore[arg-type]
