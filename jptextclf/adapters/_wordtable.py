"""Words -> piece ids, each word worked out once. Arrays out.

It does not know where words come from. The store is bounded: a full table is thrown away, never grown further.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jptextclf.adapters._bert_files import Piece

LARGEST = 400_000
"""Distinct words that one table holds; about 100 bytes each."""


class WordTable(dict[str, int]):
    """Word -> its number; a word that is new gets the next one.

    Threads may share a table: what belongs to a number is written before the number is known, and arrays are
    replaced, never moved.

    :param cut: a word -> its pieces, and how many characters it has
    """

    def __init__(self, cut: Callable[[str], tuple[Sequence[Piece], int]]) -> None:
        super().__init__()
        self._cut = cut
        self._lock = threading.Lock()
        self._n_pieces = 0
        # Columns: first place in the piece store, number of pieces, characters of the word.
        self._words = np.zeros((1024, 3), dtype=np.int32)
        # Columns: id, first character of the piece in the word, one past its last.
        self._pieces = np.zeros((2048, 3), dtype=np.int32)

    def __missing__(self, word: str) -> int:
        with self._lock:
            if word in self:
                return self[word]
            pieces, n_characters = self._cut(word)
            number = len(self)
            self._words = _grown(self._words, number + 1)
            self._pieces = _grown(self._pieces, self._n_pieces + len(pieces))
            self._words[number] = self._n_pieces, len(pieces), n_characters
            if pieces:
                self._pieces[self._n_pieces : self._n_pieces + len(pieces)] = pieces
            self._n_pieces += len(pieces)
            self[word] = number
            return number

    def numbers(self, words: Sequence[str]) -> NDArray[np.int32]:
        """The number of each word. *Shape:* ``(words,)``"""
        return np.fromiter(map(self.__getitem__, words), dtype=np.int32, count=len(words))

    def lengths(self, numbers: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Pieces and characters of each word. *Shape:* ``(words,)`` both"""
        rows = self._words[numbers]
        return rows[:, 1], rows[:, 2]

    def pieces(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """The pieces of the words, one after the other: id, first character in the word, one past the last.

        *Shape:* ``(pieces, 3)``
        """
        return self._pieces[self._places(numbers)]

    def ids(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """The ids alone. *Shape:* ``(pieces,)``"""
        ids: NDArray[np.int32] = self._pieces[self._places(numbers), 0]
        return ids

    def _places(self, numbers: NDArray[np.int32]) -> NDArray[np.int64]:
        rows = self._words[numbers]
        counts = rows[:, 1].astype(np.int64)
        before = np.cumsum(counts) - counts
        places: NDArray[np.int64] = np.arange(int(counts.sum())) + np.repeat(rows[:, 0] - before, counts)
        return places


def _grown(array: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    if size <= len(array):
        return array
    larger = np.zeros((max(size, 2 * len(array)), array.shape[1]), dtype=np.int32)
    larger[: len(array)] = array
    return larger
