"""LabelSchema: label names <-> label ids, for single- and multi-label tasks.

It does not know where labels come from. The order never changes after training; of an ordinal task, such as stars
from 1 to 5, it is a scale from its lower end to its upper one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from jptextclf.errors import ConfigError, DataError
from jptextclf.messages import did_you_mean, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

Task = Literal["binary", "multiclass", "ordinal", "multilabel"]
TASKS: tuple[Task, ...] = ("binary", "multiclass", "ordinal", "multilabel")


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct names in a fixed order: by number where all are numbers, else by code point.

    ``["10", "-1", "2"] -> ("-1", "2", "10")``
    """
    distinct = sorted(set(names))
    numbers = _numbers(distinct)
    if numbers is None:
        return tuple(distinct)
    return tuple(name for _, name in sorted(zip(numbers, distinct, strict=True)))


def _numbers(names: Iterable[str]) -> list[float] | None:
    """The names as numbers; None where one is none."""
    try:
        numbers = [float(name) for name in names]
    except ValueError:
        return None
    # NaN has no place among numbers.
    return None if any(math.isnan(number) for number in numbers) else numbers


def look_ordered(names: Sequence[str]) -> bool:
    """Whether names of a single-label task are three or more numbers, which may be a scale or only codes."""
    return len(names) > 2 and _numbers(names) is not None


@dataclass(frozen=True)
class LabelSchema:
    """Ordered label names and the task; an invalid one cannot be built.

    :raises ConfigError: no such task, fewer labels than the task needs, or a name that is empty or twice there
    """

    names: tuple[str, ...]
    task: Task

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError("U010", task=self.task, known=listing(TASKS))
        if any(not name for name in self.names) or len(set(self.names)) != len(self.names):
            raise ConfigError("U011", names=listing(self.names))
        least = {"binary": 2, "multiclass": 2, "ordinal": 3, "multilabel": 1}[self.task]
        if len(self.names) < least or (self.task == "binary" and len(self.names) != 2):
            raise ConfigError("U012", task=self.task, n=len(self.names), names=listing(self.names))

    @classmethod
    def infer(
        cls, labels: Iterable[Sequence[str]], task: str = "auto", order: Sequence[str] = ()
    ) -> LabelSchema:
        """The schema of these examples; ``auto`` is multilabel as soon as one example has not exactly one label.

        :param labels: the label names of each example
        :param order: all label names, in their order; empty: numbers by size, other names by code point
        :raises ConfigError: an ordinal task whose labels are no numbers, without an order (``JPT-U216``), or an order
            that lacks labels (``JPT-U217``)
        """
        rows = [tuple(row) for row in labels]
        names = sorted_names(name for row in rows for name in row)
        if task == "auto":
            if any(len(row) != 1 for row in rows):
                task = "multilabel"
            else:
                task = "binary" if len(names) == 2 else "multiclass"
        if order:
            missing = [name for name in names if name not in order]
            if missing:
                raise ConfigError("U217", missing=listing(missing), order=listing(order, 20))
            names = tuple(order)
        elif task == "ordinal" and _numbers(names) is None:
            raise ConfigError("U216", names=listing(names, 20))
        return cls(names, cast("Task", task))

    @property
    def n_labels(self) -> int:
        return len(self.names)

    @property
    def is_multilabel(self) -> bool:
        return self.task == "multilabel"

    @property
    def is_ordinal(self) -> bool:
        """Whether the labels are a scale, its lower end first."""
        return self.task == "ordinal"

    def id_of(self, name: str) -> int:
        """:raises DataError: the name is not in the schema (``JPT-D040``)"""
        try:
            return self.names.index(name)
        except ValueError:
            raise DataError(
                "D040", label=name, known=listing(self.names), hint=did_you_mean(name, self.names)
            ) from None

    def encode(
        self, labels: Iterable[Sequence[str]], *, numbers: Sequence[int] | None = None
    ) -> NDArray[np.int64] | NDArray[np.float32]:
        """Label names of each example -> ids, or a 0/1 matrix for a multi-label task.

        :param numbers: number of each text, for errors: its row in a file; None counts from 1
        :returns: *Shape:* ``(texts,)`` int64, or ``(texts, n_labels)`` float32
        :raises DataError: an unknown name (``JPT-D040``), or not exactly one label where the task wants one (``JPT-D041``)
        """
        import numpy as np

        ids = {name: number for number, name in enumerate(self.names)}
        rows = [tuple(row) for row in labels]
        for number, row in enumerate(rows):
            for name in row:
                if name not in ids:
                    self.id_of(name)
            if not self.is_multilabel and len(row) != 1:
                item = number + 1 if numbers is None else numbers[number]
                raise DataError("D041", task=self.task, item=item, labels=listing(row))
        if not self.is_multilabel:
            return np.array([ids[row[0]] for row in rows], dtype=np.int64)
        matrix = np.zeros((len(rows), self.n_labels), dtype=np.float32)
        for number, row in enumerate(rows):
            for name in row:
                matrix[number, ids[name]] = 1.0
        return matrix

    def to_json(self) -> dict[str, object]:
        return {"task": self.task, "names": list(self.names)}

    @classmethod
    def from_json(cls, data: dict[str, object]) -> LabelSchema:
        """:raises TypeError: the names are no list of strings"""
        names = data["names"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"names are {names!r}, expected a list of strings")
        return cls(tuple(names), cast("Task", data["task"]))
