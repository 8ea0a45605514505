"""The face of a metric for the ``evaluate`` library: add, add_batch, compute, combine.

It needs no network, which ``evaluate.load`` does, and writes no file. ``evaluate`` is imported when asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def as_evaluate(name: str) -> Any:
    """A metric as an ``evaluate.Metric`` that keeps what it was given in memory.

    ``as_evaluate("accuracy").compute(references=[0, 1], predictions=[0, 0])`` -> ``{"accuracy": 0.5}``.
    Predictions and references are label ids, or lists of 0 and 1 of one length. A table is given as nested lists;
    ``compute(..., n_labels=3)`` says how many labels there are where the last ones may not occur among the ids.

    :raises ConfigError: no metric of that name (``JPT-U001``)
    """
    import datasets
    import evaluate

    from jptextclf.metrics import METRICS

    metric = METRICS.get(name)

    class Face(evaluate.Metric):  # type: ignore[misc]
        def _info(self) -> Any:
            ids = datasets.Value("int64")
            return evaluate.MetricInfo(
                description=metric.description,
                citation="",
                inputs_description="predictions, references: label ids, or lists of 0 and 1 of one length",
                features=[
                    datasets.Features({"predictions": one, "references": one})
                    for one in (ids, datasets.List(ids))
                ],
            )

        def _build_data_dir(self) -> str:
            # The base class makes a cache directory even where nothing is cached, and fails where it cannot.
            return ""

        def _compute(
            self, *, predictions: Any, references: Any, n_labels: int | None = None
        ) -> dict[str, Any]:
            both = np.asarray([references, predictions])
            if n_labels is None:
                n_labels = both.shape[2] if both.ndim == 3 else max(int(both.max()), 0) + 1
            return {name: np.asarray(metric(both[0], both[1], n_labels)).tolist()}

    face = Face(keep_in_memory=True)
    face.info.module_name = name
    return face
