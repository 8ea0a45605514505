"""A run as a function of batches, for engines that spread work over machines: Ray, Spark, Dask, ``datasets``.

``Predictor(run)(batch)`` takes a dict of arrays, a pandas DataFrame, or a table or record batch of Arrow, and gives the same with
columns added. It can be pickled: what travels is the directory and the options, and the model is read where it is first used.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.api import load
from jptextclf.data.columns import find_columns, joined
from jptextclf.data.rows import cell_of, text_of
from jptextclf.errors import DataError
from jptextclf.messages import did_you_mean, listing
from jptextclf.progress import Silent

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from jptextclf.api.runs import Run
    from jptextclf.bundle import RunPrecision
    from jptextclf.prediction import Prediction


class Predictor:
    """Labels for batches.

    :param run: directory of a run or an export, to be found under this name wherever a batch is computed
    :param text_column: one or several columns, joined with a space; None: those that the run was trained on, else the usual names
    :param probabilities: add a column ``probability:<label>`` for each label
    :param device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``
    :param precision: of a run ``float32`` or ``bfloat16``, of an ONNX export ``float32`` or ``int8``
    """

    def __init__(
        self,
        run: str | os.PathLike[str],
        *,
        text_column: str | Sequence[str] | None = None,
        probabilities: bool = False,
        device: str = "auto",
        precision: RunPrecision | None = None,
    ) -> None:
        self.run = str(Path(run).expanduser().resolve())
        self.text_column = text_column
        self.probabilities = probabilities
        self.device = device
        self.precision = precision
        self._lock = threading.Lock()
        self._opened: Run | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()
        self._opened = None

    def __repr__(self) -> str:
        return f"Predictor({self.run!r})"

    def __call__(self, batch: Any) -> Any:
        """The batch with ``predicted_label``, ``predicted_probability``, ``truncated``, ``empty``, where the run asks people
        ``needs_review``, and ``probability:<label>`` if asked for.

        Of a multi-label task labels and their probabilities are lists.

        :param batch: a dict of arrays or lists, a DataFrame, or a table or record batch of Arrow
        :raises TypeError: it is none of them
        :raises DataError: there is no column of texts (``JPT-D018``), or one that the run needs is missing (``JPT-D062``)
        """
        if isinstance(batch, dict):
            return {**batch, **{name: _array(values) for name, values in self._added(batch).items()}}
        kind = type(batch).__module__.partition(".")[0]
        if kind == "pandas":
            columns = {str(name): batch[name].tolist() for name in batch.columns}
            return batch.assign(**self._added(columns))
        if kind == "pyarrow":
            return self._of_arrow(batch)
        raise TypeError(
            f"batch is {type(batch).__name__}, expected a dict of arrays, a DataFrame, or a table of Arrow"
        )

    def _of_arrow(self, batch: Any) -> Any:
        import pyarrow as pa

        added = self._added({name: batch.column(name).to_pylist() for name in batch.schema.names})
        found = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        for name, values in added.items():
            found = found.append_column(name, pa.array(values))
        if not isinstance(batch, pa.RecordBatch):
            return found
        return pa.RecordBatch.from_arrays(
            [one.combine_chunks() for one in found.columns], schema=found.schema
        )

    def _added(self, columns: Mapping[str, Any]) -> dict[str, list[Any]]:
        """The columns that are added."""
        opened = self._model()
        names = tuple(columns)
        wanted = self.text_column
        trained_on = tuple(opened.bundle.record["data"]["columns"]["text"])
        if wanted is None and set(trained_on) <= set(names):
            wanted = trained_on
        found = find_columns(names, text_column=wanted, need_label=False)
        texts = [
            joined([cell_of(cell) for cell in row])
            for row in zip(*(_items(columns[name]) for name in found.text), strict=True)
        ]
        if missing := [name for name in opened.bundle.extra_columns if name not in columns]:
            hint = did_you_mean(missing[0], names)
            raise DataError(
                "D062", path="batch", missing=listing(missing), columns=listing(names, 20), hint=hint
            )
        beside = {
            name: [text_of(cell) for cell in _items(columns[name])] for name in opened.bundle.extra_columns
        }
        said = opened.predictor.predict(texts, columns=beside or None, progress=Silent())
        return _cells(said, every=self.probabilities)

    def _model(self) -> Run:
        """The run, read by the first thread that needs it."""
        with self._lock:
            if self._opened is None:
                self._opened = load(self.run, device=self.device, precision=self.precision)
            return self._opened


def _cells(said: Prediction, *, every: bool) -> dict[str, list[Any]]:
    ids = {name: number for number, name in enumerate(said.schema.names)}
    labels: list[Any] = [list(names) for names in said.labels]
    values: list[Any] = [
        [round(float(row[ids[name]]), 6) for name in names]
        for names, row in zip(said.labels, said.probabilities, strict=True)
    ]
    if not said.schema.is_multilabel:
        labels, values = [one[0] for one in labels], [one[0] for one in values]
    found = {
        "predicted_label": labels, "predicted_probability": values, "truncated": said.truncated.tolist(),
        "empty": said.empty.tolist(),
    }  # fmt: skip
    if said.rule.asks:
        found["needs_review"] = said.needs_review.tolist()
    if every:
        for name, number in ids.items():
            found[f"probability:{name}"] = [round(float(value), 6) for value in said.probabilities[:, number]]
    return found


def _items(values: Any) -> list[Any]:
    return list(values.tolist() if hasattr(values, "tolist") else values)


def _array(values: list[Any]) -> Any:
    """An array; of lists one of objects."""
    if values and isinstance(values[0], list):
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    return np.array(values)
