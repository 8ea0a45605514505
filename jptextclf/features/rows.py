"""What a head learns from and judges by: dense and sparse features of the same texts, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jptextclf.ngrams import SparseRows


@dataclass(frozen=True)
class FeatureRows:
    """Features of many texts."""

    dense: NDArray[np.float32]
    """Vectors, then columns.  *Shape:* ``(texts, n_dense)``"""
    sparse: SparseRows | None = None
    """N-grams.  *Shape:* ``(texts, n_ngrams)``"""

    def __post_init__(self) -> None:
        if self.sparse is not None and len(self.sparse) != len(self.dense):
            raise ValueError(f"{len(self.dense)} dense rows and {len(self.sparse)} sparse ones")

    def __len__(self) -> int:
        return len(self.dense)

    @property
    def width(self) -> int:
        """All features."""
        return int(self.dense.shape[1]) + (0 if self.sparse is None else self.sparse.n_columns)

    def matrix(self) -> Any:
        """All in one: an array, or a ``csr_matrix`` where there are n-grams.  *Shape:* ``(texts, width)``"""
        if self.sparse is None:
            return self.dense
        from scipy.sparse import csr_matrix, hstack

        return hstack([csr_matrix(self.dense), self.sparse.to_scipy()], format="csr")


def folds_of(targets: NDArray[Any], n_folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each text; where texts have one label, each label is spread evenly.

    :param targets: ids ``(texts,)``, or a 0/1 matrix
    :returns: *Shape:* ``(texts,)``
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    if targets.ndim == 1:
        order = order[np.argsort(targets[order], kind="stable")]
    folds = np.empty(len(targets), dtype=np.int64)
    folds[order] = np.arange(len(targets)) % n_folds
    return folds
