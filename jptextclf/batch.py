"""A run as a function of batches, for engines that spread work over machines: Ray, Spark, Dask, ``datasets``.

``Predictor(run)(batch)`` takes a dict of arrays, a pandas DataFrame, or a table or record batch of Arrow, and gives the same with
columns added. It can be pickled: what travels is the directory and the options, and the model is read where it is first used.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.api import load
from jptextclf.api.files import unused_names
from jptextclf.data.columns import find_columns, joined
from jptextclf.data.rows import cell_of, check_distinct, text_of
from jptextclf.errors import DataError
from jptextclf.messages import did_you_mean, listing
from jptextclf.progress import Silent

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from jptextclf.api.runs import Run
    from jptextclf.bundle import RunPrecision
    from jptextclf.prediction import Prediction


_Column = tuple[list[Any], str, bool]
"""Values, their kind (``text``, ``number`` or ``flag``), and whether each is a list of them."""
_MISSING = {"NAType", "NaTType"}
"""What pandas has in place of a value."""


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

        Of a multi-label task labels and their probabilities are lists. Names that the batch has already get a number, as
        ``predicted_label_2``.

        :param batch: a dict of arrays or lists, a DataFrame, or a table or record batch of Arrow
        :raises TypeError: it is none of them
        :raises DataError: there is no column of texts (``JPT-D018``), one that the run needs is missing
            (``JPT-D062``), or a name is there twice (``JPT-D013``)
        """
        if isinstance(batch, Mapping):
            columns = {name: _items(values) for name, values in batch.items()}
            return {**batch, **{name: _array(*one) for name, one in self._added(columns).items()}}
        kind = type(batch).__module__.partition(".")[0]
        if kind == "pandas":
            check_distinct(Path("batch"), [str(name) for name in batch.columns])
            columns = {str(name): _items(batch[name]) for name in batch.columns}
            found = batch.copy(deep=False)
            for name, one in self._added(columns).items():
                values = _array(*one)
                # pandas would make another type of texts, but not of none.
                found[name] = type(batch[batch.columns[0]])(values, index=batch.index, dtype=values.dtype)
            return found
        if kind == "pyarrow":
            return self._of_arrow(batch)
        raise TypeError(
            f"batch is {type(batch).__name__}, expected a dict of arrays, a DataFrame, or a table of Arrow"
        )

    def _of_arrow(self, batch: Any) -> Any:
        import pyarrow as pa

        check_distinct(Path("batch"), batch.schema.names)
        added = self._added({name: batch.column(name).to_pylist() for name in batch.schema.names})
        found = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        kinds = {"text": pa.string(), "number": pa.float64(), "flag": pa.bool_()}
        for name, (values, kind, is_list) in added.items():
            found = found.append_column(
                name, pa.array(values, pa.list_(kinds[kind]) if is_list else kinds[kind])
            )
        if not isinstance(batch, pa.RecordBatch):
            return found
        return pa.RecordBatch.from_arrays(
            [one.combine_chunks() for one in found.columns], schema=found.schema
        )

    def _added(self, columns: Mapping[str, list[Any]]) -> dict[str, _Column]:
        """The columns that are added, under names that the batch does not have."""
        opened = self._model()
        names = tuple(columns)
        wanted = self.text_column
        trained_on = tuple(opened.bundle.record["data"]["columns"]["text"])
        if wanted is None and set(trained_on) <= set(names):
            wanted = trained_on
        found = find_columns(names, text_column=wanted, need_label=False)
        texts = [
            joined([cell_of(cell) for cell in row])
            for row in zip(*(columns[name] for name in found.text), strict=True)
        ]
        if missing := [name for name in opened.bundle.extra_columns if name not in columns]:
            hint = did_you_mean(missing[0], names)
            raise DataError(
                "D062", path="batch", missing=listing(missing), columns=listing(names, 20), hint=hint
            )
        beside = {name: [text_of(cell) for cell in columns[name]] for name in opened.bundle.extra_columns}
        said = opened.predictor.predict(texts, columns=beside or None, progress=Silent())
        made = _cells(said, every=self.probabilities)
        return dict(zip(unused_names(names, list(made)), made.values(), strict=True))

    def _model(self) -> Run:
        """The run, read by the first thread that needs it."""
        with self._lock:
            if self._opened is None:
                self._opened = load(self.run, device=self.device, precision=self.precision)
            return self._opened


def _cells(said: Prediction, *, every: bool) -> dict[str, _Column]:
    ids = {name: number for number, name in enumerate(said.schema.names)}
    is_list = said.schema.is_multilabel
    labels: list[Any] = [list(names) for names in said.labels]
    values: list[Any] = [
        [round(float(row[ids[name]]), 6) for name in names]
        for names, row in zip(said.labels, said.probabilities, strict=True)
    ]
    if not is_list:
        labels, values = [one[0] for one in labels], [one[0] for one in values]
    found: dict[str, _Column] = {
        "predicted_label": (labels, "text", is_list), "predicted_probability": (values, "number", is_list),
        "truncated": (said.truncated.tolist(), "flag", False), "empty": (said.empty.tolist(), "flag", False),
    }  # fmt: skip
    if said.rule.asks:
        found["needs_review"] = (said.needs_review.tolist(), "flag", False)
    if every:
        for name, number in ids.items():
            found[f"probability:{name}"] = (
                [round(float(value), 6) for value in said.probabilities[:, number]],
                "number",
                False,
            )
    return found


def _items(values: Any) -> list[Any]:
    """The cells of a column, None for those that are missing, whatever says so.

    :raises TypeError: it is one string, which is no column
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"a column is one {type(values).__name__}, expected a list or an array")
    found = (
        values.to_pylist()
        if hasattr(values, "to_pylist")
        else values.tolist()
        if hasattr(values, "tolist")
        else values
    )
    return [None if type(one).__name__ in _MISSING else one for one in found]


def _array(values: list[Any], kind: str, is_list: bool) -> Any:
    """An array, of the same type however many values there are; lists and texts are objects."""
    if not is_list and kind != "text":
        return np.array(values, dtype=np.float64 if kind == "number" else np.bool_)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
