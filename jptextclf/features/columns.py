"""Numbers and categories that stand beside the texts -> features. It does not know files, nor what is learned.

What a column is taken for is decided once, on the training texts, and said.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jptextclf.errors import DataError
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

MAX_CATEGORIES = 100
"""Of one column; rarer ones count as unknown."""
LEAST_TEXTS = 2
"""Texts that a category must stand beside: of one alone nothing is learned that holds for others."""
NUMBER_SHARE = 0.95
"""Share of the filled cells that must be numbers for a column to be one; the others count as missing."""
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_NUMBER = re.compile(
    rf"(?P<sign>[-+−▲△])?\s*[¥$€£]?\s*(?P<digits>{_DIGITS}(?:\.\d+)?|\.\d+)(?P<power>e[-+]?\d+)?\s*(?:円|%)?",
    re.IGNORECASE,
)
_CODE = re.compile(r"0\d+")
_SHOWN = 5


def parse_number(cell: str) -> float | None:
    """A number as people of Japan write it, or None.

    ``"１，２００円" -> 1200``, ``"▲3.5%" -> -3.5``, ``"¥ 980" -> 980``, ``"1e3" -> 1000``, ``"1,23" -> None``
    """
    found = _NUMBER.fullmatch(folded(cell))
    if found is None:
        return None
    value = float(found["digits"].replace(",", "") + (found["power"] or ""))
    if not math.isfinite(value):
        return None
    return -value if (found["sign"] or "+") in "-−▲△" else value


def folded(cell: str) -> str:
    """A cell without differences of width and surrounding space: ``" Ａ級 " -> "A級"``."""
    return unicodedata.normalize("NFKC", cell).strip()


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers: how far each is from the mean, and where any is missing also whether it is."""

    name: str
    mean: float
    deviation: float
    """Standard deviation; 1 where all are equal."""
    median: float
    """Stands for a number that is missing."""
    has_missing: bool
    """Whether any was missing in training."""
    kind: Literal["number"] = "number"

    @classmethod
    def fit(cls, name: str, numbers: Sequence[float | None]) -> NumberColumn:
        known = np.array([one for one in numbers if one is not None], dtype=np.float64)
        deviation = float(known.std())
        return cls(
            name,
            float(known.mean()),
            deviation if math.isfinite(deviation) and deviation > 0 else 1.0,
            float(np.median(known)),
            len(known) < len(numbers),
        )

    @property
    def width(self) -> int:
        return 2 if self.has_missing else 1

    def transform(self, cells: Sequence[str]) -> tuple[NDArray[np.float32], int]:
        """Features ``(texts, width)``, and how many filled cells hold no number."""
        numbers = [parse_number(cell) for cell in cells]
        values = np.array([self.median if one is None else one for one in numbers], dtype=np.float64)
        columns = [(values - self.mean) / self.deviation]
        if self.has_missing:
            columns.append(np.array([one is None for one in numbers], dtype=np.float64))
        n_odd = sum(one is None and bool(folded(cell)) for one, cell in zip(numbers, cells, strict=True))
        return np.stack(columns, axis=1).astype(np.float32), n_odd

    def describe(self) -> str:
        return text(
            "features.column_number", name=self.name, mean=f"{self.mean:,.6g}", median=f"{self.median:,.6g}"
        )

    def note(self, n_odd: int, n: int) -> str:
        return text("features.odd_numbers", name=self.name, n=n_odd, total=n)


@dataclass(frozen=True)
class CategoryColumn:
    """A column of words: one feature for each; a missing cell is a category where it was one in training."""

    name: str
    categories: tuple[str, ...]
    kind: Literal["category"] = "category"

    @classmethod
    def fit(cls, name: str, cells: Sequence[str]) -> CategoryColumn:
        """Learn the categories, the most frequent first.

        :raises DataError: hardly two texts have the same one (``JPT-D065``)
        """
        counts = Counter(folded(cell) for cell in cells)
        frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_CATEGORIES]
        kept = tuple(category for category, n in frequent if n >= LEAST_TEXTS)
        if not any(kept):
            raise DataError("D065", name=name, n=len(counts), total=len(cells), first=listing(counts, _SHOWN))
        return cls(name, kept)

    @property
    def width(self) -> int:
        return len(self.categories)

    def transform(self, cells: Sequence[str]) -> tuple[NDArray[np.float32], int]:
        """Features ``(texts, width)``, and how many filled cells hold a category that training did not know."""
        places = {category: place for place, category in enumerate(self.categories)}
        found = np.zeros((len(cells), self.width), dtype=np.float32)
        n_odd = 0
        for row, cell in enumerate(cells):
            place = places.get(word := folded(cell))
            if place is not None:
                found[row, place] = 1.0
            n_odd += place is None and bool(word)
        return found, n_odd

    def describe(self) -> str:
        names = listing((name or text("features.missing") for name in self.categories), _SHOWN)
        return text("features.column_category", name=self.name, n=self.width, names=names)

    def note(self, n_odd: int, n: int) -> str:
        return text("features.odd_categories", name=self.name, n=n_odd, total=n)


Column = NumberColumn | CategoryColumn


@dataclass(frozen=True)
class ColumnEncoder:
    """All extra columns of a run, in the order in which they were named."""

    columns: tuple[Column, ...] = ()

    @classmethod
    def fit(cls, cells: Mapping[str, Sequence[str]]) -> tuple[ColumnEncoder, list[str]]:
        """Decide what each column is, and learn its means or categories.

        :param cells: of the training texts
        :returns: and sentences on what is odd in them
        :raises DataError: a column is empty (``JPT-D063``), or different in every text (``JPT-D065``)
        """
        encoder = cls(tuple(_fit_column(name, values) for name, values in cells.items()))
        n_texts = max(map(len, cells.values()), default=0)
        _, odd = encoder.transform(cells, n_texts)
        return encoder, encoder.notes(odd, n_texts)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.columns)

    @property
    def width(self) -> int:
        """Features of all columns."""
        return sum(one.width for one in self.columns)

    def transform(
        self, cells: Mapping[str, Sequence[str]], n_texts: int
    ) -> tuple[NDArray[np.float32], dict[str, int]]:
        """
        :param cells: at least those of every column
        :returns: features, and by column how many filled cells mean nothing to it.  *Shape:* ``(texts, width)``
        """
        parts, odd = [np.zeros((n_texts, 0), dtype=np.float32)], {}
        for column in self.columns:
            part, n_odd = column.transform(cells[column.name])
            parts.append(part)
            if n_odd:
                odd[column.name] = n_odd
        return np.concatenate(parts, axis=1), odd

    def notes(self, odd: Mapping[str, int], n_texts: int) -> list[str]:
        """Sentences on cells that mean nothing, by column."""
        return [one.note(odd[one.name], n_texts) for one in self.columns if odd.get(one.name)]

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {name: list(value) if isinstance(value, tuple) else value for name, value in vars(one).items()}
            for one in self.columns
        ]

    @classmethod
    def from_json(cls, found: Sequence[Mapping[str, Any]]) -> ColumnEncoder:
        """:raises KeyError, TypeError, ValueError: it is not what :meth:`to_json` wrote"""
        columns: list[Column] = []
        for one in found:
            if one["kind"] == "number":
                columns.append(NumberColumn(**one))
            elif one["kind"] == "category":
                columns.append(CategoryColumn(one["name"], tuple(one["categories"])))
            else:
                raise ValueError(f"kind is {one['kind']!r}")
        return cls(tuple(columns))


def _fit_column(name: str, cells: Sequence[str]) -> Column:
    filled = [folded(cell) for cell in cells if folded(cell)]
    if not filled:
        raise DataError("D063", name=name, n=len(cells))
    numbers = [parse_number(cell) for cell in cells]
    n_numbers = sum(one is not None for one in numbers)
    # What begins with a 0, such as a postal code, is a name made of digits.
    if n_numbers >= NUMBER_SHARE * len(filled) and not any(_CODE.fullmatch(cell) for cell in filled):
        return NumberColumn.fit(name, numbers)
    return CategoryColumn.fit(name, cells)
