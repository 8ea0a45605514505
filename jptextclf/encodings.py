"""Encodings: the ragged arrays that every adapter gives and everything after it reads.

After this module nobody knows which tokenizer was used. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Encodings:
    """Piece ids of many texts, one after the other, special tokens included.

    ======================  ==================  ================================================================
    ``input_ids``           ``(tokens,)``       int32, ids of the pieces of all texts
    ``row_splits``          ``(texts + 1,)``    int64, where each text starts, and the end
    ``truncated``           ``(texts,)``        bool, pieces were cut off
    ``unknown``             ``(texts,)``        int32, how many pieces are the unknown piece
    ``offsets``             ``(tokens, 2)``     int32, start and end in characters of the original text, or None;
                                                special tokens have ``(0, 0)``
    ======================  ==================  ================================================================

    :raises ValueError: the shapes do not fit together
    """

    input_ids: NDArray[np.int32]
    row_splits: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    unknown: NDArray[np.int32]
    offsets: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        texts = len(self.row_splits) - 1
        if texts < 0 or self.row_splits[0] != 0 or self.row_splits[-1] != len(self.input_ids):
            raise ValueError("row_splits must start at 0 and end at len(input_ids)")
        if np.any(np.diff(self.row_splits) < 0):
            raise ValueError("row_splits must not fall")
        if len(self.truncated) != texts or len(self.unknown) != texts:
            raise ValueError(f"truncated and unknown must have one value for each of the {texts} texts")
        if self.offsets is not None and self.offsets.shape != (len(self.input_ids), 2):
            raise ValueError("offsets must have one pair for each id")

    def __len__(self) -> int:
        return len(self.row_splits) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each text, special tokens included. *Shape:* ``(texts,)``"""
        return np.diff(self.row_splits)

    def row(self, text: int) -> NDArray[np.int32]:
        """The ids of one text. *Shape:* ``(pieces,)``"""
        return self.input_ids[self.row_splits[text] : self.row_splits[text + 1]]

    def select(self, texts: Sequence[int] | NDArray[np.int64]) -> Encodings:
        """The encodings of some texts, in the order asked for."""
        chosen = np.asarray(texts, dtype=np.int64)
        lengths = self.lengths[chosen]
        splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        positions = np.arange(splits[-1]) + np.repeat(self.row_splits[chosen] - splits[:-1], lengths)
        return Encodings(
            self.input_ids[positions],
            splits,
            self.truncated[chosen],
            self.unknown[chosen],
            None if self.offsets is None else self.offsets[positions],
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Encodings]) -> Encodings:
        """Several encodings as one; offsets are kept only if all have them."""
        parts = list(parts)
        if not parts:
            return cls.empty()
        lengths = np.concatenate([part.lengths for part in parts])
        offsets = [part.offsets for part in parts if part.offsets is not None]
        return cls(
            np.concatenate([part.input_ids for part in parts]),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.concatenate([part.truncated for part in parts]),
            np.concatenate([part.unknown for part in parts]),
            np.concatenate(offsets) if len(offsets) == len(parts) else None,
        )

    @classmethod
    def empty(cls) -> Encodings:
        return cls(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.int32))
