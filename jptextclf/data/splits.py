"""Hold out a part of the training examples, or cut them into folds: seeded, stratified, duplicates on one side.

It does not know files. What is held out depends on the texts, labels and seed alone, not on their order.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from jptextclf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jptextclf.data.examples import Examples

_Stratum = tuple[str, ...]


_MARKS = "?.,:;/-+*%~()'\"!#&<>=$"
_PLACEHOLDER = 0x100000
"""Private characters, which folding leaves alone."""
_MEANT = re.compile(r"[?]|(?<=\d)[.,:;/+*%~()'\"!#&<>=$-](?=\d)|(?<![^\W\d_])[-+.](?=\d)|(?<=\d)%")
# More than 32 combining marks on one letter are left out: their order is found in quadratic time.
_MARK_RUN = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    "\u3099\u309a\ufe20-\ufe2f]{32})[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f]+"
)


def folded(text: str) -> str:
    """A text without what does not tell two texts apart: width, kana, case, punctuation, space.

    ``"ｻｲｺｰ！！ " -> "さいこー"``. A text of nothing but punctuation stays as NFKC has it.
    """
    wide = unicodedata.normalize("NFKC", _MARK_RUN.sub(r"\1", text))
    return unicodedata.normalize("NFKC", wide.casefold().translate(_FOLD)) or wide


def closely_folded(text: str) -> str:
    """A text without width, kana, case, space and punctuation, but for marks that may mean something: those beside
    digits, and question marks.

    Two texts of one form say the same. ``"３．５度！" -> "3.5度"``, ``"良い?" -> "良い?"``; ``folded`` goes further.
    """
    wide = unicodedata.normalize("NFKC", _MARK_RUN.sub(r"\1", text))
    kept = _MEANT.sub(lambda found: chr(_PLACEHOLDER + _MARKS.index(found[0])), wide)
    back = {_PLACEHOLDER + number: mark for number, mark in enumerate(_MARKS)}
    return folded(kept).translate(back)


class _Fold(dict[int, int | None]):
    """Katakana -> hiragana; punctuation, separators, control and format characters -> nothing."""

    def __missing__(self, code: int) -> int | None:
        folded_code: int | None = code
        if 0x30A1 <= code <= 0x30F6:
            folded_code = code - _KANA_APART
        elif unicodedata.category(chr(code))[0] in "PZ" or unicodedata.category(chr(code)) in ("Cc", "Cf"):
            folded_code = None
        self[code] = folded_code
        return folded_code


_FOLD = _Fold()
_KANA_APART = 0x60
"""Code points between a katakana and its hiragana."""
_HIRAGANA = {code: code - _KANA_APART for code in range(0x30A1, 0x30F7)}


def katakana_to_hiragana(text: str) -> str:
    """``"サイコー" -> "さいこー"``"""
    return text.translate(_HIRAGANA)


def split_train(examples: Examples, *, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """Train and held-out examples, both in the order of the file.

    Each label (for several labels on a text: each frequent set of labels, else its rarest label) gives about
    ``fraction`` of its texts. Texts that are the same after :func:`folded` stay together, and every label keeps
    at least one text in train, so on very little data the held-out part may be smaller, or empty.

    :param fraction: share of the texts to hold out, between 0 and 1
    :raises ConfigError: ``fraction`` is not between 0 and 1 (``JPT-U035``)
    """
    if not 0 < fraction < 1:
        raise ConfigError("U035", fraction=fraction)
    groups = _groups(examples.texts, seed)
    labels = examples.labels
    strata = _strata(labels, fraction) if labels is not None else [()] * len(examples)
    by_stratum: dict[_Stratum, list[list[int]]] = defaultdict(list)
    for group in groups:
        # Duplicates with different labels go with the most frequent one.
        ranked = Counter(strata[index] for index in group)
        by_stratum[min(ranked, key=lambda stratum: (-ranked[stratum], stratum))].append(group)
    sizes = {stratum: sum(map(len, members)) for stratum, members in by_stratum.items()}
    left = Counter(name for names in labels or () for name in names)
    held: set[int] = set()
    for stratum, quota in _quotas(sizes, fraction).items():
        taken = 0
        for group in by_stratum[stratum]:
            carried = Counter(
                name for index in group for name in (labels[index] if labels is not None else ())
            )
            if taken + len(group) <= quota and all(left[name] > n for name, n in carried.items()):
                taken += len(group)
                left -= carried
                held.update(group)
    if len(held) == len(examples):
        # Only without labels: then nothing else keeps a text in train.
        held.clear()
    train = [index for index in range(len(examples)) if index not in held]
    return examples.select(train), examples.select(sorted(held))


def assign_folds(
    examples: Examples, *, n_folds: int, seed: int, together: Sequence[str] | None = None
) -> list[int]:
    """Cut examples into parts of about the same size and the same share of each label.

    Iterative stratification (Sechidis et al. 2011, algorithm 1), which for one label a text is the usual stratified
    cut: the rarest label is dealt out first, always to the part that lacks it most. Texts that are the same after
    :func:`folded`, and those with the same value of ``together``, are in one part. A label with few texts may be
    missing in some parts.

    :param together: what else keeps examples in one part; an empty value keeps nothing.  *Length:* examples
    :returns: number of the part of each example, from 0.  *Length:* examples
    """
    groups = _joined(_groups(examples.texts, seed), together)
    labels = examples.labels or [()] * len(examples)
    carried = [Counter(name for index in group for name in set(labels[index])) for group in groups]
    deal = _Deal(carried, [len(group) for group in groups], n_folds)
    left = deal.sizes.copy()
    of_label: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(carried):
        for name in one:
            of_label[name].append(number)
    while left:
        rarest = min(left, key=lambda name: (left[name], name))
        for number in of_label[rarest]:
            if number not in deal.folds:
                deal.give(number, rarest)
                left.subtract(carried[number])
        left = +left
    for number in range(len(groups)):
        if number not in deal.folds:
            deal.give(number, None)
    folds = {index: deal.folds[number] for number, group in enumerate(groups) for index in group}
    return [folds[index] for index in range(len(examples))]


class _Deal:
    """Groups of texts, given to one fold after the other.

    :param carried: texts of each group with each label
    :param n_texts: of each group
    """

    def __init__(self, carried: Sequence[Counter[str]], n_texts: Sequence[int], n_folds: int) -> None:
        self.carried, self.n_texts = carried, n_texts
        self.folds: dict[int, int] = {}
        self.sizes: Counter[str] = Counter()
        for one in carried:
            self.sizes.update(one)
        # What each fold still lacks: of every label, and of texts at all.
        self._labels = [{name: n / n_folds for name, n in self.sizes.items()} for _ in range(n_folds)]
        self._texts = [sum(n_texts) / n_folds] * n_folds

    def give(self, group: int, label: str | None) -> None:
        """To the fold that lacks this label most; of equal ones to that which lacks the group's labels, then texts."""
        own = self.carried[group]

        def lack(fold: int) -> tuple[float, ...]:
            labels = self._labels[fold]
            of_label = 0.0 if label is None else labels[label]
            of_all = sum(labels[name] for name in own)
            return tuple(round(one, 6) for one in (of_label, of_all, self._texts[fold]))

        fold = max(range(len(self._texts)), key=lambda one: (lack(one), -one))
        for name, n in own.items():
            self._labels[fold][name] -= n
        self._texts[fold] -= self.n_texts[group]
        self.folds[group] = fold


def _joined(groups: list[list[int]], together: Sequence[str] | None) -> list[list[int]]:
    """Groups, those with a common value of ``together`` made one."""
    if together is None:
        return groups
    # The earliest group of all that belong together stands for them.
    first: dict[str, int] = {}
    leader = list(range(len(groups)))

    def lead(number: int) -> int:
        while leader[number] != number:
            leader[number] = leader[leader[number]]
            number = leader[number]
        return number

    for number, group in enumerate(groups):
        for value in {together[index] for index in group} - {""}:
            one, other = sorted((lead(first.setdefault(value, number)), lead(number)))
            leader[other] = one
    found: dict[int, list[int]] = {}
    for number, group in enumerate(groups):
        found.setdefault(lead(number), []).extend(group)
    return list(found.values())


def _groups(texts: Sequence[str], seed: int) -> list[list[int]]:
    """Indices of texts that are the same after folding, in an order that only the texts and the seed decide."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        found[folded(text)].append(index)
    prefix = f"{seed}\n".encode()
    ranked = sorted(
        found, key=lambda key: hashlib.sha256(prefix + key.encode("utf-8", "surrogatepass")).digest()
    )
    return [found[key] for key in ranked]


def _strata(labels: Sequence[tuple[str, ...]], fraction: float) -> list[_Stratum]:
    """The stratum of each example: its label set, or the rarest of its labels where that set is rare."""
    sets = [tuple(sorted(names)) for names in labels]
    set_counts = Counter(sets)
    label_counts = Counter(name for names in sets for name in names)
    return [
        names
        if len(names) < 2 or set_counts[names] * fraction >= 1
        else (min(names, key=lambda name: (label_counts[name], name)),)
        for names in sets
    ]


def _quotas(sizes: dict[_Stratum, int], fraction: float) -> dict[_Stratum, int]:
    """Texts to hold out of each stratum; together the fraction of all, by largest remainders."""
    exact = {stratum: size * fraction for stratum, size in sorted(sizes.items())}
    quotas = {stratum: int(value) for stratum, value in exact.items()}
    missing = round(sum(sizes.values()) * fraction) - sum(quotas.values())
    by_remainder = sorted(exact, key=lambda stratum: (quotas[stratum] - exact[stratum], stratum))
    for stratum in by_remainder[:missing]:
        quotas[stratum] += 1
    return quotas
