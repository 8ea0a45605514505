"""FeatureModel: everything that a run learned beside its frozen encoder, and the files that it is kept in.

=========================  ======================================================================================
``features.json``          pooling, layers, precision, what each column is, kind of head
``features.safetensors``   arrays of a linear head, rarity of n-grams
``ngrams.json``            the n-grams, where there are any
``lightgbm*.txt``          trees in LightGBM's own format: ``lightgbm.txt``, or ``lightgbm-0.txt`` and so on, one for
                           each label of a multi-label task
=========================  ======================================================================================

No pickle. It does not know directories of runs, nor how anything was learned.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError

from jptextclf.errors import ConfigError, SetupError, WorkError
from jptextclf.features.columns import ColumnEncoder
from jptextclf.features.linear import LinearHead
from jptextclf.features.rows import FeatureRows
from jptextclf.features.trees import TreeHead
from jptextclf.messages import listing
from jptextclf.model import compute_vectors, mean_of_rows
from jptextclf.ngrams import CharacterNgrams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jptextclf.encodings import Encodings
    from jptextclf.model import Classifier

FACTS, ARRAYS, NGRAMS = "features.json", "features.safetensors", "ngrams.json"
_TREES = "lightgbm{}.txt"
_FORMAT = 1


@dataclass(frozen=True)
class Pooled:
    """How a text becomes one vector."""

    pooling: str
    """``first`` or ``mean``"""
    layers: int
    """Last layers, side by side."""
    precision: str = "float32"
    """Of matrix products, in training and in prediction."""

    def vectors(
        self,
        classifier: Classifier,
        rows: Encodings,
        text_splits: NDArray[np.int64] | None = None,
        *,
        max_tokens: int,
        on_batch: Callable[[int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Vectors of texts; that of a text of several windows is their mean.

        :returns: *Shape:* ``(texts, layers * width)``
        :raises ConfigError: the encoder has fewer layers (``JPT-U179``)
        :raises WorkError: one is not finite (``JPT-W041``)
        """
        found = compute_vectors(
            classifier, rows, pooling=self.pooling, layers=self.layers,
            precision=getattr(torch, self.precision), max_tokens=max_tokens, on_batch=on_batch,
        )  # fmt: skip
        if text_splits is not None:
            found = mean_of_rows(torch.from_numpy(found), torch.from_numpy(text_splits)).numpy()
        if not np.isfinite(found).all():
            row = int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0])
            raise WorkError("W041", item=row + 1, precision=self.precision)
        return found


@dataclass(frozen=True)
class FeatureModel:
    """Vectors, columns and n-grams of texts -> probabilities."""

    pooled: Pooled
    width: int
    """Of the vectors: layers times the width of the encoder."""
    columns: ColumnEncoder
    ngrams: CharacterNgrams | None
    head: LinearHead | TreeHead

    @property
    def column_names(self) -> tuple[str, ...]:
        """Columns that a prediction needs beside the text."""
        return self.columns.names

    def rows(
        self, vectors: NDArray[np.float32], texts: Sequence[str], cells: Mapping[str, Sequence[str]]
    ) -> tuple[FeatureRows, dict[str, int]]:
        """The features of texts, and by column how many filled cells mean nothing to it."""
        return feature_rows(self.columns, self.ngrams, vectors, texts, cells)

    def probabilities(
        self, vectors: NDArray[np.float32], texts: Sequence[str], cells: Mapping[str, Sequence[str]]
    ) -> tuple[NDArray[np.float32], dict[str, int]]:
        """
        :param cells: those of every column in :attr:`column_names`
        :returns: probabilities, and by column how many filled cells mean nothing to it.  *Shape:* ``(texts, n_labels)``
        """
        rows, odd = self.rows(vectors, texts, cells)
        return self.head.probabilities(rows), odd

    def require_columns(self, given: Mapping[str, Any] | None) -> None:
        """That a prediction has the columns that it needs: see :func:`require_columns`."""
        require_columns(self.column_names, given)

    def write(self, directory: Path) -> None:
        """:raises WorkError: it cannot be written (``JPT-W011``)"""
        from safetensors.numpy import save_file

        arrays, facts = {}, {}
        if isinstance(self.head, LinearHead):
            arrays, facts = self.head.arrays(), self.head.facts()
        else:
            facts = {"is_multilabel": self.head.is_multilabel, "models": len(self.head.models)}
            for name, model in zip(_tree_files(len(self.head.models)), self.head.models, strict=True):
                (directory / name).write_text(model, encoding="utf-8", newline="\n")
        if self.ngrams is not None:
            arrays["rarity"] = self.ngrams.rarity
            _write_json(directory / NGRAMS, list(self.ngrams.terms))
        try:
            save_file({name: np.ascontiguousarray(one) for name, one in arrays.items()}, directory / ARRAYS)
        except SafetensorError as error:
            # How a full disk shows itself here.
            raise WorkError("W011", path=directory.name, problem=str(error)) from error
        _write_json(
            directory / FACTS,
            {
                "format": _FORMAT, **vars(self.pooled), "width": self.width, "columns": self.columns.to_json(),
                "ngrams": self.ngrams is not None, "kind": "linear" if isinstance(self.head, LinearHead) else "trees",
                "head": facts,
            },
        )  # fmt: skip

    @classmethod
    def read(cls, directory: Path, *, n_labels: int) -> FeatureModel:
        """
        :raises SetupError: a file is missing, damaged or does not fit (``JPT-E091``), or LightGBM is not installed
            (``JPT-E090``)
        """
        from safetensors.numpy import load_file

        try:
            facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
            if facts["format"] != _FORMAT:
                raise ValueError(f"format {facts['format']}")
            arrays = load_file(directory / ARRAYS)
            model = cls(
                pooled=Pooled(facts["pooling"], int(facts["layers"]), facts["precision"]),
                width=int(facts["width"]),
                columns=ColumnEncoder.from_json(facts["columns"]),
                ngrams=_read_ngrams(directory, arrays) if facts["ngrams"] else None,
                head=_read_head(directory, facts, arrays),
            )
            model._require_consistent(n_labels)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise SetupError("E091", path=directory, problem=f"{type(error).__name__}: {error}") from error
        return model

    def _require_consistent(self, n_labels: int) -> None:
        """:raises ValueError: the files speak of different models"""
        n_ngrams = 0 if self.ngrams is None else len(self.ngrams.terms)
        expected = self.width + self.columns.width + n_ngrams
        if self.head.width != expected:
            raise ValueError(f"{self.head.width} weights for {expected} features")
        if self.head.n_labels != n_labels:
            raise ValueError(f"{self.head.n_labels} labels, expected {n_labels}")


def is_head_file(name: str) -> bool:
    """Whether a file of a run is one of those that :meth:`FeatureModel.write` writes."""
    return name in {FACTS, ARRAYS, NGRAMS} or (name.startswith("lightgbm") and name.endswith(".txt"))


def files_of(*, ngrams: bool, n_models: int) -> tuple[str, ...]:
    """Names of what :meth:`FeatureModel.write` writes.

    :param n_models: of trees; 0 for a linear head
    """
    return (FACTS, ARRAYS, *([NGRAMS] if ngrams else []), *_tree_files(n_models))


def feature_rows(
    columns: ColumnEncoder,
    ngrams: CharacterNgrams | None,
    vectors: NDArray[np.float32],
    texts: Sequence[str],
    cells: Mapping[str, Sequence[str]],
) -> tuple[FeatureRows, dict[str, int]]:
    """All features of some texts, and by column how many filled cells mean nothing to it."""
    others, odd = columns.transform(cells, len(texts))
    dense = np.concatenate([vectors, others], axis=1) if columns.columns else vectors
    return FeatureRows(dense, None if ngrams is None else ngrams.transform(texts)), odd


def require_columns(names: Sequence[str], given: Mapping[str, Any] | None) -> None:
    """
    :param names: columns that a run needs beside the text
    :raises ConfigError: some are missing (``JPT-U125``), or the run knows none (``JPT-U126``)
    """
    missing = [name for name in names if name not in (given or {})]
    if missing:
        raise ConfigError(
            "U125",
            missing=listing(missing),
            needed=listing(names),
            example=", ".join(f'"{one}": […]' for one in names),
        )
    if given and not names:
        raise ConfigError("U126", given=listing(given))


def _tree_files(n_models: int) -> tuple[str, ...]:
    if n_models == 1:
        return (_TREES.format(""),)
    return tuple(_TREES.format(f"-{number}") for number in range(n_models))


def _read_ngrams(directory: Path, arrays: Mapping[str, NDArray[np.float32]]) -> CharacterNgrams:
    terms = json.loads((directory / NGRAMS).read_text(encoding="utf-8"))
    return CharacterNgrams(tuple(map(str, terms)), arrays["rarity"])


def _read_head(
    directory: Path, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float32]]
) -> LinearHead | TreeHead:
    if facts["kind"] == "linear":
        return LinearHead.of(facts["head"], arrays)
    names = _tree_files(int(facts["head"]["models"]))
    models = [(directory / name).read_text(encoding="utf-8") for name in names]
    return TreeHead.of(models, is_multilabel=bool(facts["head"]["is_multilabel"]))


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
