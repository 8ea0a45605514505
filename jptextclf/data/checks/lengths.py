"""How long the texts are, in characters and in pieces, how many are cut, and what a tokenizer does not know."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.data.checks.findings import Finding, Lengths, Place, Statistics
from jptextclf.data.checks.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from jptextclf.adapters import TokenizerAdapter
    from jptextclf.data.examples import Examples, Split
    from jptextclf.progress import Progress

LENGTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Usual maximum lengths."""
N_MEASURED = 20_000
"""Texts that are cut into pieces; of more of them every n-th."""
_LONGEST = 2048
"""Pieces that are counted of a text."""
_AT_ONCE = 2000
_N_BARS = 30
_FEW, _CUT, _UNKNOWN = 0.01, 0.05, 0.05
"""Shares from which a person should look."""


def measure(
    splits: Mapping[Split, Examples],
    adapter: TokenizerAdapter | None,
    max_length: int | None,
    progress: Progress | None,
) -> Statistics:
    """Figures on the texts.

    :param adapter: None: pieces are not counted
    :param max_length: pieces that a text may have, special tokens included
    """
    sizes: dict[str, int] = {split: len(examples) for split, examples in splits.items()}
    labels: dict[str, dict[str, int]] = {
        split: examples.label_counts() for split, examples in splits.items() if examples.labels is not None
    }
    characters = np.array([len(text) for one in splits.values() for text in one.texts], dtype=np.float64)
    basic = Statistics(sizes, labels, lengths_of(characters))
    if adapter is None or not len(characters):
        return basic
    return _with_pieces(basic, splits, adapter, max_length, progress)


def _with_pieces(
    basic: Statistics,
    splits: Mapping[Split, Examples],
    adapter: TokenizerAdapter,
    max_length: int | None,
    progress: Progress | None,
) -> Statistics:
    every = max(1, -(-sum(basic.sizes.values()) // N_MEASURED))
    pieces: list[NDArray[np.int64]] = []
    long_of_label: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    unknown_share = {}
    for split, examples in splits.items():
        chosen = range(0, len(examples), every)
        n_pieces, n_unknown = _count([examples.texts[index] for index in chosen], adapter, progress)
        pieces.append(n_pieces)
        unknown_share[str(split)] = float(n_unknown.sum() / max(1, n_pieces.sum()))
        for index, n in zip(chosen, n_pieces, strict=True):
            for name in examples.labels[index] if examples.labels is not None else ():
                counts = long_of_label[name]
                counts[0] += max_length is not None and n > max_length
                counts[1] += 1
    found = np.concatenate(pieces).astype(np.float64)
    suggested = next((one for one in LENGTHS if (found > one).mean() <= _FEW), LENGTHS[-1])
    return Statistics(
        basic.sizes, basic.labels, basic.characters, lengths_of(found), len(found), max_length,
        float((found > max_length).mean()) if max_length is not None else 0.0,
        {name: n_cut / n for name, (n_cut, n) in sorted(long_of_label.items())}, suggested, unknown_share,
    )  # fmt: skip


def _count(
    texts: list[str], adapter: TokenizerAdapter, progress: Progress | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pieces of each text, and how many of them are unknown."""
    lengths, unknown = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        encoded = adapter.encode(some, max_length=_LONGEST)
        lengths.append(np.diff(encoded.row_splits).astype(np.int64))
        unknown.append(encoded.unknown.astype(np.int64))
        if progress is not None:
            progress.advance(len(some))
    return np.concatenate(lengths), np.concatenate(unknown)


def lengths_of(values: NDArray[np.float64]) -> Lengths | None:
    """Quantiles and a histogram up to where all but one text in two hundred end; None for no texts."""
    if not len(values):
        return None
    at = {str(share): float(np.quantile(values, share / 100)) for share in (50, 90, 99, 100)}
    end = max(1.0, float(np.quantile(values, 0.995)))
    width = max(1.0, np.ceil(end / _N_BARS))
    edges = np.arange(0.0, end + width, width)
    counts, _ = np.histogram(np.minimum(values, edges[-1]), edges)
    return Lengths(at, tuple(edges.tolist()), tuple(counts.tolist()))


def find_length_problems(found: Statistics) -> Iterator[Finding]:
    """Many cut texts, and a vocabulary that does not fit."""
    n_texts = sum(found.sizes.values())
    if found.max_length is not None and found.cut_share > _FEW:
        fields = {"share": found.cut_share, "limit": found.max_length, "suggested": found.suggested_length}
        severity: Any = "warning" if found.cut_share > _CUT else "note"
        yield Finding("cut", severity, round(found.cut_share * n_texts), fields=fields)
    for split, share in found.unknown_share.items():
        if share > _UNKNOWN:
            yield Finding(
                "unknown_pieces", "warning", found.sizes[split], fields={"share": share, "split": split}
            )


def find_short(splits: Mapping[Split, Examples]) -> Iterator[Finding]:
    """Texts of one letter or none: punctuation, pictures, a single character."""
    short = [
        (Place(split, examples.rows[index]), text)
        for split, examples in splits.items()
        for index, text in enumerate(examples.texts)
        if len(text) < 40 and sum(one.isalnum() for one in text) < 2
    ]
    if short:
        samples = tuple(dict.fromkeys(sample(text) for _, text in short))[:4]
        yield Finding("short", "note", len(short), tuple(place for place, _ in short[:1000]), samples)
