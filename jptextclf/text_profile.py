"""What the texts of a run look like, without the texts: numbers that later texts can be held against.

A run keeps the profile of its validation texts, which it has not learned from, and the fingerprints of the words of its
training texts. Whoever has the run can ask whether it knows a word, so the file stays in the run and is in no export.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from jptextclf.data.personal import find_personal, masked_start
from jptextclf.errors import SetupError
from jptextclf.word_spans import cut_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jptextclf.labels import LabelSchema
    from jptextclf.long_texts import EncodedTexts

_Item = TypeVar("_Item")

FILE = "profile.safetensors"
MOST_TEXTS = 20_000
"""Texts of a profile; of more every n-th."""
MOST_TEXTS_OF_WORDS = 100_000
"""Training texts whose words are kept; of more every n-th."""
_COLUMNS = ("characters", "pieces", "unknown", "words", "novel", "confidence")
_MOST_CHARACTERS = 2_000
"""Of a text, that are cut into words."""


@dataclass(frozen=True)
class TrainingWords:
    """Which words the training texts have, as fingerprints."""

    fingerprints: NDArray[np.uint64]
    """Of 8 bytes each, rising.  *Shape:* ``(words,)``"""

    @classmethod
    def of(cls, texts: Sequence[str], *, progress: Callable[[int], None] = lambda _n: None) -> TrainingWords:
        """The words of some texts; of more than :data:`MOST_TEXTS_OF_WORDS` those of every n-th."""
        found: set[str] = set()
        for one in every_nth(texts, MOST_TEXTS_OF_WORDS):
            found.update(words_in(one))
            progress(1)
        return cls(np.array(sorted(_fingerprint(word) for word in found), dtype=np.uint64))

    def unknown_of(self, words: Iterable[str]) -> set[str]:
        """Those that no training text has."""
        distinct = list(dict.fromkeys(words))
        prints = np.array([_fingerprint(word) for word in distinct], dtype=np.uint64)
        known = np.isin(prints, self.fingerprints)
        return {word for word, is_known in zip(distinct, known, strict=True) if not is_known}


@dataclass(frozen=True)
class Profile:
    """Numbers of each text, and how many texts got each label.

    :raises ValueError: the numbers do not fit together
    """

    characters: NDArray[np.int32]
    """*Shape:* ``(texts,)``, as all but the last three."""
    pieces: NDArray[np.int32]
    """As far as the model reads."""
    unknown: NDArray[np.int32]
    """Pieces that the vocabulary does not know."""
    words: NDArray[np.int32]
    """With a letter in them."""
    novel: NDArray[np.int32]
    """Words that no training text has."""
    confidence: NDArray[np.float32]
    """Probability of the most probable label; for a multi-label task the mean, over the labels, of yes or no."""
    label_counts: NDArray[np.int64]
    """Texts whose most probable label it is; for a multi-label task those that have it by ``cuts``.  *Shape:* ``(n_labels,)``"""
    cuts: NDArray[np.float32]
    """Probability from which a multi-label label counts, as it was when the run was trained: a rule that is changed later is no
    drift.  *Shape:* ``(n_labels,)``"""
    is_out_of_fold: bool = False
    """Whether other models than the run's own have answered: their labels and confidence are not those of the run."""

    def __post_init__(self) -> None:
        if len({len(getattr(self, name)) for name in _COLUMNS}) != 1:
            raise ValueError("a profile must have as many values of each kind as texts")

    def __len__(self) -> int:
        return len(self.characters)

    @classmethod
    def joined(cls, parts: Sequence[Profile]) -> Profile:
        """Several as one."""
        columns = {name: np.concatenate([getattr(one, name) for one in parts]) for name in _COLUMNS}
        counts = np.sum([one.label_counts for one in parts], axis=0)
        return cls(**columns, label_counts=counts, cuts=parts[0].cuts, is_out_of_fold=parts[0].is_out_of_fold)


@dataclass(frozen=True)
class Profiled:
    """A profile, and the words in its texts that no training text has."""

    profile: Profile
    novel_words: Counter[str]
    """Word -> texts that have it."""


def profile_of(
    schema: LabelSchema,
    texts: Sequence[str],
    encoded: EncodedTexts,
    probabilities: NDArray[np.float32],
    known: TrainingWords | None,
    *,
    cuts: Sequence[float] | NDArray[np.float32],
    is_out_of_fold: bool = False,
) -> Profiled:
    """Measure texts that a model has read.

    :param probabilities: *Shape:* ``(texts, n_labels)``
    :param known: None: there are no novel words
    :param cuts: probability from which a multi-label label counts.  *Length:* n_labels
    :param is_out_of_fold: whether the probabilities are those of other models than the run's
    """
    values = probabilities.astype(np.float64)
    confidence = np.maximum(values, 1 - values).mean(axis=1) if schema.is_multilabel else values.max(axis=1)
    counts = (
        (probabilities >= np.asarray(cuts, dtype=np.float32)).sum(axis=0)
        if schema.is_multilabel
        else np.bincount(values.argmax(axis=1), minlength=schema.n_labels)
    )
    words = [words_in(one) for one in texts]
    novel = set() if known is None else known.unknown_of(word for one in words for word in one)
    n_novel = [sum(word in novel for word in one) for one in words]
    profile = Profile(
        np.array([len(one) for one in texts], dtype=np.int32),
        encoded.lengths.astype(np.int32),
        encoded.unknown.astype(np.int32),
        np.array([len(one) for one in words], dtype=np.int32),
        np.array(n_novel, dtype=np.int32),
        confidence.astype(np.float32),
        counts.astype(np.int64),
        np.asarray(cuts, dtype=np.float32),
        is_out_of_fold,
    )
    # Words are shown: those of telephone numbers and addresses are not among them.
    masked = (
        words_in(masked_start(one, _MOST_CHARACTERS)) if find_personal(one) else words[n]
        for n, one in enumerate(texts)
    )
    return Profiled(profile, Counter(word for one in masked for word in set(one) if word in novel))


def words_in(text: str) -> list[str]:
    """The words of a text that have a letter, folded: width and case tell no words apart.

    ``"ＷｉＦｉが速い！" -> ["wifi", "が", "速い"]``
    """
    start = unicodedata.normalize("NFKC", text[:_MOST_CHARACTERS]).casefold()
    found = (start[word.start : word.end] for word in cut_words(start))
    return [word for word in found if any(letter.isalpha() for letter in word)]


def every_nth(items: Sequence[_Item], most: int) -> Sequence[_Item]:
    """All of them, or of more than ``most`` every n-th."""
    return items[:: max(1, -(-len(items) // most))]


def _fingerprint(word: str) -> int:
    digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def write_profile(profile: Profile, words: TrainingWords, directory: Path) -> None:
    """:raises OSError: it cannot be written"""
    from safetensors.numpy import save

    arrays = {
        name: np.ascontiguousarray(getattr(profile, name)) for name in (*_COLUMNS, "label_counts", "cuts")
    }
    arrays["is_out_of_fold"] = np.array([profile.is_out_of_fold], dtype=np.uint8)
    (directory / FILE).write_bytes(save({**arrays, "fingerprints": words.fingerprints}))


def read_profile(directory: Path, schema: LabelSchema) -> tuple[Profile, TrainingWords] | None:
    """What a run keeps; None in runs of older versions and in exports.

    :raises SetupError: the file cannot be read, or is about other labels (``JPT-E062``)
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = directory / FILE
    if not file.is_file():
        return None
    try:
        arrays: Mapping[str, NDArray[Any]] = load(file.read_bytes())
        columns = {name: arrays[name] for name in (*_COLUMNS, "label_counts", "cuts")}
        profile = Profile(**columns, is_out_of_fold=bool(arrays["is_out_of_fold"][0]))
        if not profile.label_counts.shape == profile.cuts.shape == (schema.n_labels,):
            raise ValueError(f"{len(profile.label_counts)} labels, expected {schema.n_labels}")
        return profile, TrainingWords(arrays["fingerprints"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise SetupError("E062", path=directory, problem=f"{FILE}: {error}") from error
