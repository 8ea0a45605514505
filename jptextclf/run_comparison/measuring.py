"""One run on the texts of a comparison: what it says, and what that costs. One model is in memory at a time."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jptextclf.bundle import is_document
from jptextclf.devices import peak_memory
from jptextclf.long_texts import encode_texts
from jptextclf.messages import text
from jptextclf.onnx_model import ONNX_FILES
from jptextclf.progress import Silent, phase
from jptextclf.run_comparison.content import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jptextclf.bundle import Bundle
    from jptextclf.labels import LabelSchema
    from jptextclf.prediction import Prediction, Predictor
    from jptextclf.progress import Progress

_TEXTS_AT_ONCE = 4096
_WARM_UP = 8
"""Texts predicted before the clock starts: what a process does only once is not part of a run's speed."""


@dataclass(frozen=True)
class Subject:
    """A run that is to be compared; its model is not read yet."""

    name: str
    bundle: Bundle
    open: Callable[[], Predictor]
    """Read the model; who calls it lets go of it."""
    texts: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    """Those that it needs beside the texts."""
    text_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answered:
    """What a run says of the texts, in the labels of the comparison."""

    ids: NDArray[np.int64]
    """Ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)``."""
    probabilities: NDArray[np.float32]
    """As :attr:`~jptextclf.run_comparison.content.Answer.probability`.  *Shape:* ``(texts,)``"""
    n_truncated: int
    cost: Cost


def answer(
    subject: Subject,
    kept: Sequence[int],
    schema: LabelSchema,
    references: NDArray[Any],
    *,
    progress: Progress,
) -> Answered:
    """Let a run predict the texts that count, and measure it.

    :param kept: which of the subject's texts
    :param schema: the labels of the comparison; those of the run are among them
    :param references: of the kept texts, in these labels
    """
    texts = [subject.texts[place] for place in kept]
    columns = {name: [cells[place] for place in kept] for name, cells in subject.columns.items()} or None
    started = time.perf_counter()
    predictor = subject.open()
    loaded = time.perf_counter() - started
    device = predictor.classifier.device
    beside = None if columns is None else {name: cells[:_WARM_UP] for name, cells in columns.items()}
    predictor.predict(texts[:_WARM_UP], columns=beside, progress=Silent())
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with phase(progress, text("compare.phase", run=subject.name), len(texts)):
        wall, cpu = time.perf_counter(), time.process_time()
        prediction = predictor.predict(texts, columns=columns, progress=progress)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    cost = Cost(
        **_record(subject.bundle),
        parameters=sum(one.numel() for one in predictor.classifier.parameters()) or None,
        device=_device_name(device),
        load_seconds=loaded,
        wall_seconds=wall,
        cpu_seconds=cpu,
        n_texts=len(texts),
        n_pieces=_n_pieces(predictor, texts),
        peak_bytes=peak_memory(device) if device.type == "cuda" else None,
    )
    del predictor
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    ids = _in_labels_of(schema, prediction)
    certain = _certainty(prediction, ids, references, schema)
    return Answered(ids, certain, int(prediction.truncated.sum()), cost)


def _in_labels_of(schema: LabelSchema, prediction: Prediction) -> NDArray[np.int64]:
    """The labels of a prediction by the numbers that they have in the comparison."""
    places = np.array([schema.names.index(name) for name in prediction.schema.names], dtype=np.int64)
    if not schema.is_multilabel:
        single: NDArray[np.int64] = places[prediction.label_ids]
        return single
    ids = np.zeros((len(prediction), schema.n_labels), dtype=np.int64)
    ids[:, places] = prediction.label_ids
    return ids


def _certainty(
    prediction: Prediction, ids: NDArray[np.int64], references: NDArray[Any], schema: LabelSchema
) -> NDArray[np.float32]:
    """How sure the run is of each answer.

    :returns: *Shape:* ``(texts,)``
    """
    found: NDArray[np.float32]
    if not schema.is_multilabel:
        found = prediction.probabilities.max(axis=1)
        return found
    places = [schema.names.index(name) for name in prediction.schema.names]
    given = prediction.label_ids == 1
    sure = np.where(given, prediction.probabilities, 1 - prediction.probabilities)
    is_wrong = ids[:, places] != references[:, places]
    most_wrong = np.where(is_wrong, sure, 0).max(axis=1)
    found = np.where(is_wrong.any(axis=1), most_wrong, sure.min(axis=1))
    return found


def _record(bundle: Bundle) -> dict[str, Any]:
    """What the run remembers of its training, and how large it is."""
    record = bundle.record
    seconds = record.get("seconds", {})
    spent = [seconds[name] for name in ("vectors", "train", "teacher") if name in seconds]
    return {
        "mode": str(record.get("config", {}).get("mode", "finetune")),
        "encoder": str(record.get("encoder", {}).get("name", "")),
        "training_seconds": sum(spent) if spent else None,
        "training_device": record.get("plan", {}).get("device"),
        "n_bytes": _size(bundle),
    }


def _size(bundle: Bundle) -> int:
    """Bytes of the files that a prediction needs."""
    graphs = {name: one for name, one in ONNX_FILES.items() if (bundle.path / one).is_file()}
    used = graphs.get(bundle.precision) if bundle.precision in graphs else next(iter(graphs.values()), None)
    total = 0
    for file in _files(bundle.path):
        name = file.relative_to(bundle.path).as_posix()
        if not is_document(name) and (name not in graphs.values() or name == used):
            total += file.stat().st_size
    return total


def _files(directory: Path) -> list[Path]:
    found = (one for one in directory.rglob("*") if one.is_file())
    return [
        one for one in found if not any(part.startswith(".") for part in one.relative_to(directory).parts)
    ]


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _n_pieces(predictor: Predictor, texts: Sequence[str]) -> int:
    total = 0
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        encoded = encode_texts(
            predictor.adapter, texts[start : start + _TEXTS_AT_ONCE], max_length=predictor.max_length,
            long_texts=predictor.long_texts, window_overlap=predictor.window_overlap,
        )  # fmt: skip
        total += int(encoded.lengths.sum())
    return total
