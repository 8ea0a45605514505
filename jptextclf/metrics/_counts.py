"""References and predictions -> counts, from which every metric is computed.

It does not know which metric. Counts may have leading axes, one entry for each resample of the texts, so that
a thousand resamples cost hardly more than one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jptextclf.errors import ConfigError, DataError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """How many texts have a label, got it, or both; ``...`` are the resamples, if any.

    ===============  ==================  ===============================================
    ``correct``      ``(..., n_labels)`` texts that have the label and got it
    ``references``   ``(..., n_labels)`` texts that have it
    ``predictions``  ``(..., n_labels)`` texts that got it
    ``exact``        ``(...)``           texts that got exactly the labels they have
    ``n_texts``      ``(...)``           texts
    ``steps``        ``(...)``           steps between the label that a text has and the one that it got, added up
    ``squares``      ``(...)``           their squares, added up
    ``one_off``      ``(...)``           texts that are one step off
    ``averaged``     ``(n_labels,)``     labels that a mean over labels is over; None: those that occur
    ===============  ==================  ===============================================

    A step is from one label to the next in their order; of 0/1 matrices there is none.
    """

    correct: Integers
    references: Integers
    predictions: Integers
    exact: Integers
    n_texts: Integers
    steps: Integers
    squares: Integers
    one_off: Integers
    averaged: NDArray[np.bool_] | None = None


def ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Floats:
    """``part / whole``, and 0 where ``whole`` is 0."""
    shape = np.broadcast(part, whole).shape
    share: Floats = np.divide(part, whole, out=np.zeros(shape), where=np.asarray(whole) != 0)
    return share


def precision(counts: Counts) -> Floats:
    """Share of the texts that got a label which have it. *Shape:* ``(..., n_labels)``"""
    return ratio(counts.correct, counts.predictions)


def recall(counts: Counts) -> Floats:
    """Share of the texts that have a label which got it. *Shape:* ``(..., n_labels)``"""
    return ratio(counts.correct, counts.references)


def f1(counts: Counts) -> Floats:
    """Harmonic mean of precision and recall. *Shape:* ``(..., n_labels)``"""
    return ratio(2 * counts.correct, counts.references + counts.predictions)


class Tally:
    """Counts of the same references and predictions under many weightings of the texts.

    :param references: label ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)``
    :param predictions: the same form
    :param averaged: labels that a mean over labels is over, where several systems must be averaged alike
    :raises DataError: there are no texts (``JPT-D060``)
    :raises ConfigError: the shapes do not fit (``JPT-U080``), an id is outside the labels (``JPT-U081``), or a
        matrix holds something else than 0 and 1 (``JPT-U082``)
    """

    def __init__(
        self,
        references: ArrayLike,
        predictions: ArrayLike,
        n_labels: int,
        *,
        averaged: NDArray[np.bool_] | None = None,
    ) -> None:
        self.averaged = averaged
        self.references, self.predictions = checked(references, predictions, n_labels)
        self.n_labels = n_labels
        if self.references.ndim == 1:
            texts = np.arange(len(self.references))
            right = self.references == self.predictions
            self._exact = right
            self._steps = np.abs(self.references - self.predictions)
            self._having = _Entries(texts, self.references)
            self._given = _Entries(texts, self.predictions)
            self._both = _Entries(texts[right], self.references[right])
        else:
            self._exact = np.all(self.references == self.predictions, axis=1)
            self._steps = np.zeros(len(self.references), dtype=np.int64)
            self._having = _Entries(*np.nonzero(self.references))
            self._given = _Entries(*np.nonzero(self.predictions))
            self._both = _Entries(*np.nonzero(self.references & self.predictions))

    def __len__(self) -> int:
        return len(self.references)

    @property
    def size(self) -> int:
        """Numbers that one weighting needs while it is counted."""
        return max(len(self), self.n_labels, len(self._having.texts), len(self._given.texts))

    def counts(self, weights: Integers) -> Counts:
        """:param weights: how often each text counts.  *Shape:* ``(..., texts)``"""
        return Counts(
            correct=self._both.totals(weights, self.n_labels),
            references=self._having.totals(weights, self.n_labels),
            predictions=self._given.totals(weights, self.n_labels),
            exact=weights @ self._exact.astype(np.int64),
            n_texts=weights.sum(axis=-1),
            steps=weights @ self._steps,
            squares=weights @ self._steps**2,
            one_off=weights @ (self._steps == 1).astype(np.int64),
            averaged=self.averaged,
        )


class _Entries:
    """Pairs of a text and a label that it has, sorted by label."""

    def __init__(self, texts: Integers, labels: Integers) -> None:
        order = np.argsort(labels, kind="stable")
        self.texts = texts[order]
        self.labels, self.starts = np.unique(labels[order], return_index=True)

    def totals(self, weights: Integers, n_labels: int) -> Integers:
        """Weights of the texts of each label, added up. *Shape:* ``(..., n_labels)``"""
        totals = np.zeros((*weights.shape[:-1], n_labels), dtype=np.int64)
        if not len(self.labels):
            return totals
        # One resample at a time: numpy adds along the last of two axes twenty times slower than along the only one.
        rows = weights.reshape(-1, weights.shape[-1])
        for total, weight in zip(totals.reshape(-1, n_labels), rows, strict=True):
            total[self.labels] = np.add.reduceat(weight[self.texts], self.starts)
        return totals


def count(references: ArrayLike, predictions: ArrayLike, n_labels: int) -> Counts:
    """Counts with each text counted once.

    :raises DataError, ConfigError: as :class:`Tally`
    """
    tally = Tally(references, predictions, n_labels)
    return tally.counts(np.ones(len(tally), dtype=np.int64))


def checked(references: ArrayLike, predictions: ArrayLike, n_labels: int) -> tuple[Integers, Integers]:
    """Both as int64 arrays of one shape, or the error of :class:`Tally`."""
    left, right = np.asarray(references), np.asarray(predictions)
    fits = left.shape == right.shape and (left.ndim == 1 or (left.ndim == 2 and left.shape[1] == n_labels))
    if not fits:
        raise ConfigError("U080", references=left.shape, predictions=right.shape, n_labels=n_labels)
    if len(left) == 0:
        raise DataError("D060")
    return _as_integers(left, n_labels, "references"), _as_integers(right, n_labels, "predictions")


def _as_integers(values: NDArray[Any], n_labels: int, argument: str) -> Integers:
    code, largest = ("U081", n_labels - 1) if values.ndim == 1 else ("U082", 1)
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == np.bool_):
        raise ConfigError(code, argument=argument, found=values.dtype, largest=largest)
    # Written so that NaN, for which every comparison is false, is refused too.
    wrong = ~((values >= 0) & (values <= largest) & (values == np.floor(values)))
    if wrong.any():
        raise ConfigError(code, argument=argument, found=values[wrong].flat[0], largest=largest)
    return values.astype(np.int64)


def distinct_rows(values: NDArray[Any]) -> tuple[Integers, Integers, Integers]:
    """The different rows of a matrix of small whole numbers, or the different values of a vector.

    :returns: where each first stands, which one each row is, and how often each occurs
    """
    if values.ndim == 2:
        packed = np.packbits(values.astype(np.bool_), axis=1)
        values = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse, counts = np.unique(values, return_index=True, return_inverse=True, return_counts=True)
    return first, inverse, counts
