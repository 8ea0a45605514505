"""The probabilities and references of the texts that a run was judged by, without the texts.

A run holds them so that another rule can be tuned later, without the data and without the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from jptextclf.labels import LabelSchema

FILE = "answers.safetensors"
MOST_NUMBERS = 5_000_000
"""Probabilities of a split that are kept, 20 MB; of more texts than that the first ones."""


@dataclass(frozen=True)
class Answers:
    """What a model says of texts whose labels are known."""

    schema: LabelSchema
    probabilities: NDArray[np.float32]
    """*Shape:* ``(texts, n_labels)``"""
    references: NDArray[Any]
    """Ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)`` for a multi-label task."""

    def __len__(self) -> int:
        return len(self.probabilities)


def write_answers(splits: Mapping[str, Answers], directory: Path) -> None:
    """One file for all splits.

    :raises OSError: it cannot be written
    """
    from safetensors.numpy import save

    arrays = {}
    for name, one in splits.items():
        most = MOST_NUMBERS // one.schema.n_labels
        arrays[f"{name}.probabilities"] = np.ascontiguousarray(one.probabilities[:most], dtype=np.float32)
        kind = np.int8 if one.schema.is_multilabel else np.int32
        arrays[f"{name}.references"] = np.ascontiguousarray(one.references[:most], dtype=kind)
    (directory / FILE).write_bytes(save(arrays))


def read_answers(directory: Path, schema: LabelSchema) -> dict[str, Answers]:
    """Split -> its answers; empty in runs of older versions.

    :raises SetupError: the file cannot be read, or is about other labels (``JPT-E062``)
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = directory / FILE
    if not file.is_file():
        return {}
    try:
        arrays = load(file.read_bytes())
        names = [name.removesuffix(".probabilities") for name in arrays if name.endswith(".probabilities")]
        found = {
            name: Answers(
                schema, arrays[f"{name}.probabilities"], arrays[f"{name}.references"].astype(np.int64)
            )
            for name in names
        }
        _require_fit(found)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise SetupError("E062", path=directory, problem=f"{FILE}: {error}") from error
    return found


def _require_fit(splits: Mapping[str, Answers]) -> None:
    for one in splits.values():
        shape, n_labels = one.probabilities.shape, one.schema.n_labels
        expected = (len(one), n_labels) if one.schema.is_multilabel else (len(one),)
        if shape[1:] != (n_labels,) or one.references.shape != expected:
            raise ValueError(f"shapes are {shape} and {one.references.shape}, expected {n_labels} labels")
