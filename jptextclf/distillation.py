"""A teacher: a trained run whose probabilities a student learns beside the labels.

It does not know how the student is trained. The teacher reads the texts through its own tokenizer, in its own way; only
the names of the labels are shared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jptextclf.atomic import sha256_of
from jptextclf.bundle import Bundle, open_bundle
from jptextclf.errors import ConfigError
from jptextclf.messages import listing, text
from jptextclf.prediction import Predictor
from jptextclf.progress import phase

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jptextclf.labels import LabelSchema
    from jptextclf.licensing import Component
    from jptextclf.progress import Progress

_LEAST = 1e-7
"""Probabilities are kept this far from 0 and 1, where float32 tells them apart no more."""
_MODELS = ("base_model", "adapter", "teacher")


@dataclass(frozen=True)
class Teacher:
    """A run that a student learns from; its model is loaded only by :meth:`logits`."""

    bundle: Bundle
    sha256: str
    """Of its manifest, and so of all its files."""

    @classmethod
    def open(cls, path: str | os.PathLike[str], schema: LabelSchema) -> Teacher:
        """The teacher in a run directory.

        :param schema: of the student
        :raises ConfigError: its labels are others (``JPT-U143``)
        :raises SetupError: as :func:`jptextclf.bundle.open_bundle`
        """
        bundle = open_bundle(Path(path).expanduser())
        if differences := list(_differences(bundle.schema, schema)):
            raise ConfigError("U143", path=path, differences="\n".join(f"  - {one}" for one in differences))
        return cls(bundle, sha256_of(bundle.path / "MANIFEST.json"))

    def logits(
        self, texts: Sequence[str], schema: LabelSchema, *, device: str, progress: Progress
    ) -> NDArray[np.float32]:
        """What the teacher says of these texts, in the order of the student's labels.

        For a single-label task they are logarithms of its probabilities, which differ from its own logits by a number
        that is the same for all labels of a text and changes no probability at any temperature.

        :param schema: of the student
        :returns: *Shape:* ``(texts, n_labels)``
        """
        predictor = Predictor.of(self.bundle, device)
        with phase(progress, text("distillation.phase"), len(texts)):
            probabilities = predictor.predict(texts, progress=progress).probabilities.astype(np.float64)
        order = [self.bundle.schema.names.index(name) for name in schema.names]
        chosen = np.clip(probabilities[:, order], _LEAST, 1 - _LEAST)
        logits = np.log(chosen) - (np.log1p(-chosen) if schema.is_multilabel else 0.0)
        return logits.astype(np.float32)

    def components(self) -> tuple[Component, ...]:
        """What the student owes to its teacher, for the licence record: the models and the data behind it.

        Its models are the student's teachers. Its data have shaped the student, too, and stay training data. What only
        read its texts (tokenizer, dictionary, software) is no part of the student.
        """
        models = [
            replace(one, role="teacher", relation="distilled-from", bundled=False)
            for one in self.bundle.components
            if one.role in _MODELS
        ]
        return (*models, *self.training_data())

    def training_data(self) -> tuple[Component, ...]:
        """Those of :meth:`components` that are data."""
        return tuple(one for one in self.bundle.components if one.role == "training_data")

    def to_json(self) -> dict[str, str]:
        """What a run remembers of its teacher; the place of its directory belongs to this machine only."""
        return {"name": self.bundle.path.resolve().name, "manifest_sha256": self.sha256}


def _differences(teacher: LabelSchema, student: LabelSchema) -> Iterator[str]:
    lacking = [name for name in student.names if name not in teacher.names]
    foreign = [name for name in teacher.names if name not in student.names]
    if lacking:
        yield text("distillation.lacking", names=listing(lacking, 20))
    if foreign:
        yield text("distillation.foreign", names=listing(foreign, 20))
    if teacher.is_multilabel != student.is_multilabel:
        yield text("distillation.task", teacher=teacher.task, student=student.task)
