"""Long texts: pieces of whole texts -> rows that an encoder has positions for. Plain numpy.

It does not know which tokenizer gives the pieces, nor what is computed from the rows.

Three ways for a text of more than ``max_length`` pieces, special tokens included. A shorter text is the same row in
all of them.

- ``truncate``: its beginning.
- ``head_tail``: a quarter of the room from its beginning and the rest from its end, as Sun et al. 2019 ("How to
  Fine-Tune BERT for Text Classification?", section 5.3.1) keep 128 and 382 of 510 pieces.
- ``windows``: all of it, in overlapping rows. The last one ends where the text ends and overlaps more than the others.
  A text has as many windows as :func:`most_windows` allows; what lies beyond is cut, and marked as such.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from jptextclf.atomic import RUN_RECORD
from jptextclf.config import LongTexts
from jptextclf.encodings import Encodings
from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import listing, text, text_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from jptextclf.adapters import TokenizerAdapter

Index = NDArray[np.int64]

_WHOLE = 10**9
"""Pieces of a text of which nothing is cut."""
_MOST_PIECES = 8192
"""Pieces in the windows of one text: they are computed together, and memory must suffice for them."""


@dataclass(frozen=True)
class EncodedTexts:
    """Texts as the encoder sees them: each text is one row of pieces, or several windows.

    :raises ValueError: the parts do not fit together
    """

    rows: Encodings
    text_splits: Index
    """Where the rows of each text start, and the end.  *Shape:* ``(texts + 1,)``"""
    truncated: NDArray[np.bool_]
    """Pieces are in no row.  *Shape:* ``(texts,)``"""
    unknown: NDArray[np.int32]
    """How many pieces are the unknown piece, in all rows of a text.  *Shape:* ``(texts,)``"""

    def __post_init__(self) -> None:
        splits = self.text_splits
        if not len(splits) or splits[0] != 0 or splits[-1] != len(self.rows):
            raise ValueError(f"text_splits must start at 0 and end at the {len(self.rows)} rows")
        if np.any(np.diff(splits) < 1):
            raise ValueError("each text must have a row")
        if not len(self.truncated) == len(self.unknown) == len(self):
            raise ValueError(f"truncated and unknown must have one value for each of the {len(self)} texts")

    def __len__(self) -> int:
        """Texts, not rows."""
        return len(self.text_splits) - 1

    @property
    def lengths(self) -> Index:
        """Pieces of each text in all its rows, special tokens included. *Shape:* ``(texts,)``"""
        return np.diff(self.rows.row_splits[self.text_splits])

    def counting(self, on_texts: Callable[[int], None]) -> Callable[[int], None]:
        """For who is told how many rows are done: tells ``on_texts`` how many texts they amount to."""
        done = [0, 0]

        def on_rows(n_rows: int) -> None:
            done[0] += n_rows
            n_texts = done[0] * len(self) // len(self.rows) - done[1]
            done[1] += n_texts
            on_texts(n_texts)

        return on_rows

    @property
    def has_windows(self) -> bool:
        """Whether a text has more than one row."""
        return len(self.rows) > len(self)

    def select(self, texts: Sequence[int] | Index) -> EncodedTexts:
        """Some texts with all their rows, in the order asked for."""
        chosen = np.asarray(texts, dtype=np.int64)
        counts = np.diff(self.text_splits)[chosen]
        splits = _splits_of(counts)
        rows = np.arange(splits[-1]) + np.repeat(self.text_splits[chosen] - splits[:-1], counts)
        return EncodedTexts(self.rows.select(rows), splits, self.truncated[chosen], self.unknown[chosen])

    @classmethod
    def of_rows(cls, rows: Encodings) -> EncodedTexts:
        """Each row is a text."""
        return cls(rows, np.arange(len(rows) + 1, dtype=np.int64), rows.truncated, rows.unknown)

    @classmethod
    def concatenate(cls, parts: Iterable[EncodedTexts]) -> EncodedTexts:
        """Several as one; offsets are kept only if all have them."""
        parts = list(parts)
        if not parts:
            return cls.empty()
        return cls(
            Encodings.concatenate(part.rows for part in parts),
            _splits_of(np.concatenate([np.diff(part.text_splits) for part in parts])),
            np.concatenate([part.truncated for part in parts]),
            np.concatenate([part.unknown for part in parts]),
        )

    @classmethod
    def empty(cls) -> EncodedTexts:
        return cls.of_rows(Encodings.empty())


def encode_texts(
    adapter: TokenizerAdapter,
    texts: Sequence[str],
    *,
    max_length: int,
    long_texts: LongTexts = "truncate",
    window_overlap: int = 32,
    offsets: bool = False,
) -> EncodedTexts:
    """Texts as the encoder sees them.

    ``truncate`` costs what :meth:`jptextclf.adapters.TokenizerAdapter.encode` costs. For ``head_tail`` each text is
    read to its end, for ``windows`` as far as they reach.

    :param max_length: pieces of a row, special tokens included
    :param window_overlap: pieces that neighbouring windows share; the last two share more
    :raises TypeError: an item is not a ``str``
    :raises ConfigError: ``max_length`` has no room for the special tokens and one piece (``JPT-U020``), or the windows
        share too much (``JPT-U175``)
    """
    if long_texts == "truncate":
        return EncodedTexts.of_rows(adapter.encode(texts, max_length=max_length, offsets=offsets))
    info = adapter.info()
    before, after = info.n_before, info.n_after
    room = max_length - before - after
    if room < 1:
        raise ConfigError("U020", max_length=max_length, least=before + after + 1)
    unknown = info.special_ids.get("unk", -1)
    if long_texts == "head_tail":
        whole = adapter.encode(texts, max_length=_WHOLE, offsets=offsets)
        return _head_tail(whole, max_length, head=before + _head_of(room), unknown=unknown)
    stride = room - _checked_overlap(window_overlap, room)
    readable = room + (most_windows(max_length) - 1) * stride
    whole = adapter.encode(texts, max_length=before + readable + after, offsets=offsets)
    return _windows(whole, room, stride, before=before, after=after, unknown=unknown)


def most_windows(max_length: int) -> int:
    """How many windows a text has at most: those that 8,192 pieces make, and never fewer than two."""
    return max(2, _MOST_PIECES // max_length)


@dataclass(frozen=True)
class Reading:
    """How much of some texts reaches the encoder of a run, for a person to read."""

    max_length: int
    long_texts: LongTexts
    window_overlap: int
    spans: tuple[tuple[tuple[int, int], ...], ...]
    """Of each text the characters that are read, start and end: one stretch for each window, or beginning and end."""
    truncated: tuple[bool, ...]

    @classmethod
    def of_run(cls, directory: Path, adapter: TokenizerAdapter, texts: Sequence[str]) -> Reading | None:
        """What the run in this directory reads of the texts; None where there is no run.

        :raises SetupError: its record is damaged (``JPT-E062``)
        """
        if not (directory / RUN_RECORD).is_file():
            return None
        try:
            record = json.loads((directory / RUN_RECORD).read_text(encoding="utf-8"))
            max_length, (way, overlap) = int(record["max_length"]), recorded_way(record)
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"{type(error).__name__}: {error}"
            raise SetupError("E062", path=directory, problem=problem) from error
        encoded = encode_texts(
            adapter, texts, max_length=max_length, long_texts=way, window_overlap=overlap, offsets=True
        )
        info = adapter.info()
        head = _head_of(max_length - info.n_before - info.n_after)
        has_gap = encoded.truncated if way == "head_tail" else np.zeros(len(encoded), dtype=np.bool_)
        spans = (
            tuple(_spans_of(encoded, number, info.n_before, info.n_after, head if has_gap[number] else 0))
            for number in range(len(encoded))
        )
        return cls(max_length, way, overlap, tuple(spans), tuple(encoded.truncated.tolist()))

    def line(self, number: int) -> str:
        """One sentence about a text, in the language of now."""
        shown = listing((f"{start:,}-{end:,}" for start, end in self.spans[number]), 20) or "-"
        key = "windows" if self.long_texts == "windows" and len(self.spans[number]) > 1 else "row"
        said = text(
            f"long_texts.read_as_{key}", n=len(self.spans[number]), max_length=self.max_length, spans=shown
        )
        return f"{said}{text('long_texts.read_rest')}" if self.truncated[number] else said

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _spans_of(
    encoded: EncodedTexts, number: int, n_before: int, n_after: int, head: int
) -> Iterator[tuple[int, int]]:
    """The characters of one text that its rows cover.

    :param head: pieces before a gap in the row; 0 where there is none
    """
    offsets = encoded.rows.offsets
    for row in range(*encoded.text_splits[number : number + 2]):
        first, end = encoded.rows.row_splits[row : row + 2]
        inner = np.zeros((0, 2), np.int32) if offsets is None else offsets[first + n_before : end - n_after]
        for part in (inner[:head], inner[head:]):
            if len(part):
                yield int(part[:, 0].min()), int(part[:, 1].max())


def recorded_way(record: Mapping[str, Any]) -> tuple[LongTexts, int]:
    """``long_texts`` and ``window_overlap`` as ``jptextclf.json`` says; runs of older versions cut the end.

    :raises ValueError: they cannot be
    """
    way, overlap = record.get("long_texts", "truncate"), record.get("window_overlap", 32)
    if way not in get_args(LongTexts) or not isinstance(overlap, int) or overlap < 0:
        raise ValueError(f"long_texts is {way!r} with an overlap of {overlap!r}")
    return way, overlap


def limit_of(max_length: int, long_texts: LongTexts) -> str:
    """How long a text may be without being cut, in the language of now."""
    if long_texts == "windows":
        return text("long_texts.limit_windows", max_length=max_length, most=most_windows(max_length))
    return text("long_texts.limit", max_length=max_length)


def note_on(max_length: int, long_texts: LongTexts, language: str, *, is_plain: bool) -> str:
    """What a reader of a model card must know of its long texts; empty where they are just cut.

    :param is_plain: plain transformers, or the bare graph, loads the model as well, and does something else
    """
    if long_texts == "truncate":
        return ""
    note = text_in(
        language, f"long_texts.note_{long_texts}", max_length=max_length, most=most_windows(max_length)
    )
    return f"{note}{text_in(language, 'long_texts.note_plain')}" if is_plain else note


def _head_of(room: int) -> int:
    """A quarter, rounded: 128 of 510."""
    return (room + 2) // 4


def _checked_overlap(window_overlap: int, room: int) -> int:
    """No piece is computed more than about four times."""
    most = room * 3 // 4
    if window_overlap > most:
        raise ConfigError("U175", found=window_overlap, room=room, most=most)
    return window_overlap


def _head_tail(whole: Encodings, max_length: int, *, head: int, unknown: int) -> EncodedTexts:
    """:param head: pieces from the beginning of a row, special tokens included"""
    full = whole.lengths
    kept = np.minimum(full, max_length)
    splits = _splits_of(kept)
    places = np.arange(splits[-1]) - np.repeat(splits[:-1], kept)
    skipped = np.repeat(full - kept, kept) * (places >= head)
    return _gathered(
        whole,
        np.repeat(whole.row_splits[:-1], kept) + places + skipped,
        splits,
        np.arange(len(full) + 1, dtype=np.int64),
        truncated=full > max_length,
        unknown=unknown,
    )


def _windows(
    whole: Encodings, room: int, stride: int, *, before: int, after: int, unknown: int
) -> EncodedTexts:
    """
    :param room: pieces of a window, special tokens not counted
    :param stride: pieces from the start of a window to that of the next one
    :param before: special tokens before the pieces of a text
    :param after: and after them
    """
    full = whole.lengths - before - after
    counts = 1 + np.maximum(0, -(-(full - room) // stride))
    text_splits = _splits_of(counts)
    owners = np.repeat(np.arange(len(full)), counts)
    numbers = np.arange(len(owners)) - np.repeat(text_splits[:-1], counts)
    inner = np.minimum(full, room)[owners]
    # The last window ends with the text.
    starts = np.minimum(numbers * stride, full[owners] - inner)
    lengths = inner + (before + after)
    splits = _splits_of(lengths)
    places = np.arange(splits[-1]) - np.repeat(splits[:-1], lengths)
    is_after = places >= np.repeat(before + inner, lengths)
    skipped = np.where(is_after, np.repeat(full[owners] - inner, lengths), np.repeat(starts, lengths))
    skipped[places < before] = 0
    return _gathered(
        whole,
        np.repeat(whole.row_splits[owners], lengths) + places + skipped,
        splits,
        text_splits,
        truncated=whole.truncated,
        unknown=unknown,
    )


def _gathered(
    whole: Encodings,
    places: Index,
    row_splits: Index,
    text_splits: Index,
    *,
    truncated: NDArray[np.bool_],
    unknown: int,
) -> EncodedTexts:
    """Rows from pieces of whole texts.

    :param places: of each piece among those of ``whole``.  *Shape:* ``(tokens,)``
    :param truncated: *Shape:* ``(texts,)``
    """
    ids = whole.input_ids[places]
    n_unknown = np.diff(np.concatenate([[0], np.cumsum(ids == unknown)])[row_splits]).astype(np.int32)
    offsets = None if whole.offsets is None else whole.offsets[places]
    rows = Encodings(ids, row_splits, np.repeat(truncated, np.diff(text_splits)), n_unknown, offsets)
    of_texts = np.diff(np.concatenate([[0], np.cumsum(n_unknown)])[text_splits]).astype(np.int32)
    return EncodedTexts(rows, text_splits, truncated, of_texts)


def _splits_of(counts: Index) -> Index:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
