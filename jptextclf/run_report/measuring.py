"""Predictions of some texts -> the figures and examples of a report.

It knows no model and no language. What is kept of texts is masked (:mod:`jptextclf.data.personal`), cut and limited,
so that neither 5,000 labels nor a million texts make a page that nobody can open.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.data.personal import masked_start
from jptextclf.run_report.content import Cell, Example, Group, Grouping, LabelCurve, Point
from jptextclf.significance import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.data.examples import Examples
    from jptextclf.data.votes import Votes
    from jptextclf.labels import LabelSchema
    from jptextclf.prediction import Prediction

N_ERRORS = 50
"""Most confident errors that a report shows."""
N_CELLS = 200
"""Cells of the confusion matrix with examples, those with most texts first."""
N_OF_CELL = 5
"""Examples of a cell; of one on the diagonal 2."""
N_CHARACTERS = 400
"""Of a text, in an example."""
N_CURVES = 20
"""Labels with a precision-recall curve, those with most texts first."""
N_POINTS = 200
"""Points of a curve."""
N_GROUPS = 12
"""Values of a column that are groups of their own, the most frequent first."""
_LEADING_ZERO = re.compile(r"[+-]?0\d")
_GRID = np.round(np.arange(0.01, 1.0, 0.01), 2)


class Measured:
    """Texts with what is right and what the model says.

    :param references: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)`` for a multi-label task
    """

    def __init__(
        self,
        schema: LabelSchema,
        examples: Examples,
        references: NDArray[Any],
        prediction: Prediction,
    ) -> None:
        self.schema = schema
        self.examples = examples
        self.prediction = prediction
        shape = (len(examples), schema.n_labels)
        self.given = _as_matrix(prediction.label_ids, shape)
        self.truth = _as_matrix(references, shape)
        self.right: NDArray[np.bool_] = (self.given == self.truth).all(axis=1)
        """Whether a text got exactly its labels.  *Shape:* ``(texts,)``"""

    def errors(self) -> tuple[Example, ...]:
        """The most confident errors, the most confident first."""
        wrong = np.flatnonzero(~self.right)
        found = sorted((self._worst(int(text)) for text in wrong), key=lambda one: -one[0])
        return tuple(self._example(text, label) for _, text, label in found[:N_ERRORS])

    def _worst(self, text: int) -> tuple[float, int, int]:
        """How wrong a text is at most, the text, and the label in which it is."""
        values = self.prediction.probabilities[text]
        if not self.schema.is_multilabel:
            label = int(values.argmax())
            return float(values[label]), text, label
        off = np.where(self.given[text] != self.truth[text], np.abs(values - self.truth[text]), -1.0)
        label = int(off.argmax())
        return float(off[label]), text, label

    def _example(self, text: int, label: int) -> Example:
        names = self.schema.names
        values = self.prediction.probabilities[text]
        right = label if self.schema.is_multilabel else int(self.truth[text].argmax())
        return Example(
            row=self.examples.rows[text],
            text=shown(self.examples.texts[text]),
            reference=tuple(names[one] for one in np.flatnonzero(self.truth[text])),
            predicted=tuple(names[one] for one in np.flatnonzero(self.given[text])),
            probability=float(values[label]),
            reference_probability=float(values[right]),
            truncated=bool(self.prediction.truncated[text]),
        )

    def cells(self) -> tuple[Cell, ...]:
        """Cells that occur, with their most confident examples; those with most texts first, errors before right ones."""
        found = self._wrong_labels() if self.schema.is_multilabel else self._pairs()
        ranked = sorted(found, key=lambda one: (one.reference == one.prediction, -one.n))
        return tuple(ranked[:N_CELLS])

    def _pairs(self) -> Iterator[Cell]:
        names, n_labels = self.schema.names, self.schema.n_labels
        given, truth = self.given.argmax(axis=1), self.truth.argmax(axis=1)
        confidence = self.prediction.probabilities.max(axis=1, initial=0.0)
        order = np.lexsort((-confidence, truth * n_labels + given))
        pair = (truth * n_labels + given)[order]
        starts = np.flatnonzero(np.diff(pair, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(pair)], strict=True):
            reference, label = divmod(int(pair[start]), n_labels)
            kept = 2 if reference == label else N_OF_CELL
            some = tuple(self._example(int(one), label) for one in order[start : min(end, start + kept)])
            yield Cell(names[reference], names[label], int(end - start), some)

    def _wrong_labels(self) -> Iterator[Cell]:
        for label, name in enumerate(self.schema.names):
            values = self.prediction.probabilities[:, label]
            for is_missed in (True, False):
                texts = np.flatnonzero(
                    (self.truth[:, label] == is_missed) & (self.given[:, label] != is_missed)
                )
                if not len(texts):
                    continue
                ranked = texts[np.argsort(values[texts] if is_missed else -values[texts], kind="stable")]
                some = tuple(self._example(int(one), label) for one in ranked[:N_OF_CELL])
                yield Cell(name if is_missed else "", "" if is_missed else name, len(texts), some)

    def curves(self) -> tuple[LabelCurve, ...]:
        """Precision and recall of the most frequent labels at every threshold."""
        support = self.truth.sum(axis=0)
        labels = np.argsort(-support, kind="stable")[:N_CURVES]
        thresholds = self.prediction.thresholds
        return tuple(
            label_curve(
                self.schema.names[label],
                self.prediction.probabilities[:, label],
                self.truth[:, label],
                chosen=float(thresholds[label]) if self.schema.is_multilabel else None,
            )
            for label in sorted(labels.tolist())
            if support[label]
        )

    def groupings(self) -> tuple[Grouping, ...]:
        """Accuracy by length, by what was cut, by agreement of annotators, and by every column that was read."""
        lengths = np.array([len(text) for text in self.examples.texts], dtype=np.float64)
        found = [Grouping("characters", self._by_number(lengths))]
        truncated = self.prediction.truncated
        if truncated.any():
            groups = [("yes", truncated), ("no", ~truncated)]
            found.append(
                Grouping(
                    "truncated", tuple(self._group("", some, kind) for kind, some in groups if some.any())
                )
            )
        if self.examples.votes is not None:
            found.append(Grouping("votes", self._by_agreement(self.examples.votes)))
        for name, cells in self.examples.columns.items():
            found.append(Grouping("column", self._by_cell(cells), shown(name)))
        return tuple(one for one in found if one.groups)

    def _by_number(self, values: NDArray[np.float64], n_groups: int = 5) -> tuple[Group, ...]:
        """Groups of about the same size, cut between different numbers."""
        edges = np.unique(np.quantile(values, np.linspace(0, 1, n_groups + 1)))
        number = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, max(0, len(edges) - 2))
        groups = []
        for one in np.unique(number):
            some = number == one
            low, high = values[some].min(), values[some].max()
            name = _number(low) if low == high else f"{_number(low)}–{_number(high)}"
            groups.append(self._group(name, some, "range"))
        return tuple(groups)

    def _by_agreement(self, votes: Sequence[Votes]) -> tuple[Group, ...]:
        """Texts by the share of the annotators who chose the most chosen label."""
        shares = np.array([agreement(one) for one in votes])
        unread = shares == 0
        groups = [self._group("100 %", shares > 1 - 1e-9, "all_agree")] if (shares > 1 - 1e-9).any() else []
        for low, high in ((0.75, 1 - 1e-9), (0.5, 0.75), (0.0, 0.5)):
            some = (shares > low) & (shares <= high)
            if some.any():
                ends = shares[some].min(), shares[some].max()
                name = "–".join(dict.fromkeys(f"{one:.0%}".replace("%", " %") for one in ends))
                groups.append(self._group(name, some, "range"))
        return (*groups, *([self._group("", unread, "empty")] if unread.any() else []))

    def _by_cell(self, cells: Sequence[str]) -> tuple[Group, ...]:
        """Texts by the value of a column: a number by its size where there are many, else the most frequent values."""
        # Masked before they are counted: two telephone numbers are one value.
        masked = {cell: shown(cell) for cell in set(cells)}
        numbers = None if _are_codes(masked) else _numbers(cells)
        counts = Counter(masked[cell] for cell in cells)
        if numbers is not None and len(counts) > N_GROUPS:
            return self._by_number(numbers)
        there = np.array([masked[cell] for cell in cells], dtype=object)
        frequent = [name for name, _ in counts.most_common() if name][:N_GROUPS]
        groups = [self._group(name, there == name) for name in frequent]
        kinds: list[tuple[Any, NDArray[np.bool_]]] = [("empty", there == "")]
        kinds.append(("rest", ~np.isin(there, [*frequent, ""])))
        return (*groups, *(self._group("", some, kind) for kind, some in kinds if some.any()))

    def _group(self, name: str, some: NDArray[np.bool_], kind: Any = "value") -> Group:
        n, n_right = int(some.sum()), int(self.right[some].sum())
        return Group(name, n, n_right / n, *wilson(n_right, n), kind)


def shown(text: str) -> str:
    """A text as it stands in a report: personal data masked, and cut."""
    return masked_start(text, N_CHARACTERS)


def agreement(votes: Votes) -> float:
    """The share of the annotators who chose the most chosen label; 0 where there are no votes that can be read."""
    total = votes.annotators or sum(votes.counts.values())
    return max(votes.counts.values(), default=0.0) / total if total else 0.0


def label_curve(
    name: str, values: NDArray[np.float32], truth: NDArray[np.int8], *, chosen: float | None
) -> LabelCurve:
    """One label at every threshold.

    Average precision is the step-wise area: precision at each text times the recall that it adds.

    :param values: probabilities.  *Shape:* ``(texts,)``
    :param truth: 0/1, at least one 1.  *Shape:* ``(texts,)``
    """
    order = np.argsort(-values, kind="stable")
    falling, hits = values[order].astype(np.float64), np.cumsum(truth[order], dtype=np.int64)
    given = np.arange(1, len(order) + 1)
    precision, recall = hits / given, hits / hits[-1]
    # Texts of the same probability come together or not at all.
    ends = np.flatnonzero(np.append(np.diff(falling) < 0, True))
    steps = np.diff(recall[ends], prepend=0.0)
    kept = ends[np.unique(np.linspace(0, len(ends) - 1, min(N_POINTS, len(ends))).astype(np.int64))]
    return LabelCurve(
        name=name,
        support=int(hits[-1]),
        average_precision=float((precision[ends] * steps).sum()),
        chosen=chosen,
        precision=tuple(precision[kept].tolist()),
        recall=tuple(recall[kept].tolist()),
        points=tuple(_points(falling, hits)),
    )


def _points(falling: NDArray[np.float64], hits: NDArray[np.int64]) -> Iterator[Point]:
    # A run compares probabilities of 32 bits: of two decimals that look alike the smaller one must not count as less.
    for threshold in _GRID.astype(np.float32).astype(np.float64):
        given = int(np.searchsorted(-falling, -threshold, side="right"))
        correct = int(hits[given - 1]) if given else 0
        yield Point(
            threshold=round(float(threshold), 2),
            precision=correct / given if given else 0.0,
            recall=correct / int(hits[-1]),
            f1=2 * correct / (given + int(hits[-1])),
            given=given,
        )


def _as_matrix(labels: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.int8]:
    """0/1, in one byte each: there may be 5,000 labels."""
    if labels.ndim == 2:
        return labels.astype(np.int8)
    matrix = np.zeros(shape, dtype=np.int8)
    matrix[np.arange(shape[0]), labels.astype(np.int64)] = 1
    return matrix


def _numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """The cells as numbers; None where one is none."""
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _are_codes(masked: Mapping[str, str]) -> bool:
    """Whether digits name something, as those of telephones, customers and postal codes do, instead of counting it.

    :param masked: each cell with what is shown of it
    """
    cells = [cell.strip() for cell in masked if cell.strip()]
    is_long = bool(cells) and all(cell.isdecimal() and len(cell) >= 7 for cell in cells)
    return (
        any(cell != kept for cell, kept in masked.items())
        or any(_LEADING_ZERO.match(cell) for cell in cells)
        or (is_long and len({len(cell) for cell in cells}) == 1)
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:g}"
