"""What becomes of the labels where texts are written otherwise.

It knows no model: a function that gives probabilities goes in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.data.personal import find_personal, masked_start
from jptextclf.messages import text as message
from jptextclf.probing.transformations import TRANSFORMATIONS, Transformation
from jptextclf.significance import right_altogether, wilson
from jptextclf.text_profile import every_nth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.labels import LabelSchema

    Ask = Callable[[Sequence[str], Sequence[int]], tuple[NDArray[Any], NDArray[np.float32]]]
    """Texts, and the place of each in the data -> label ids or a 0/1 matrix, and probabilities."""

MOST_TEXTS = 1_000
"""That are written otherwise; of more every n-th."""
_MOST_CHARACTERS = 2_000
"""Of a text; a longer one is left alone."""
_FLIPS = 5
_SHOWN = 200
"""Characters of an example."""


@dataclass(frozen=True)
class Flip:
    """A text whose label is another one after it was written otherwise; of texts with personal data there are none."""

    row: int
    """Of the file, from 1."""
    before: str
    after: str
    label_before: tuple[str, ...]
    label_after: tuple[str, ...]
    change: float
    """How far the probability moved that moved most."""


@dataclass(frozen=True)
class Probed:
    """One way of writing texts otherwise."""

    name: str
    kind: str
    keeps: bool
    n: int
    """Texts that it could be done to."""
    n_flipped: int
    """Texts that got another label."""
    low: float
    """Ends of the 95 % interval of the share (Wilson, 1927)."""
    high: float
    n_right_before: int
    """Texts with exactly their labels as they are; and ``n_right_after`` as they were written otherwise."""
    n_right_after: int
    flips: tuple[Flip, ...]
    """Of a way that keeps the meaning the flips with the greatest change; of one that turns it texts whose label stayed."""

    @property
    def share(self) -> float:
        """Of the texts, that get another label; 0 where there are none."""
        return self.n_flipped / self.n if self.n else 0.0

    @property
    def title(self) -> str:
        """What it is called, in the language of now."""
        return message(f"probe.t_{self.name}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Probed:
        flips = tuple(
            Flip(**{**one, **{name: tuple(one[name]) for name in ("label_before", "label_after")}})
            for one in data["flips"]
        )
        return cls(**{**data, "flips": flips})


@dataclass(frozen=True)
class Probe:
    """Some texts, written otherwise in every way."""

    n_texts: int
    ways: tuple[Probed, ...]
    """Those that could be done to at least one text."""

    def kinds(self) -> dict[str, tuple[int, int]]:
        """Kind of way that keeps the meaning -> texts, and how many of them got another label."""
        found: dict[str, tuple[int, int]] = {}
        for one in self.ways:
            if one.keeps:
                n, flipped = found.get(one.kind, (0, 0))
                found[one.kind] = (n + one.n, flipped + one.n_flipped)
        return found

    def to_json(self) -> dict[str, Any]:
        """For a machine to read, and for :meth:`from_json`."""
        return {"n_texts": self.n_texts, "ways": [asdict(one) for one in self.ways]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Probe:
        """:raises KeyError, TypeError, ValueError: it is not what :meth:`to_json` gave"""
        return cls(data["n_texts"], tuple(Probed.from_json(one) for one in data["ways"]))


def run_probe(
    schema: LabelSchema,
    texts: Sequence[str],
    rows: Sequence[int],
    references: NDArray[Any],
    ask: Ask,
    *,
    transformations: Iterable[Transformation] = TRANSFORMATIONS,
    progress: Callable[[int], None] = lambda _n: None,
) -> Probe:
    """Write texts otherwise, and ask the model again.

    :param rows: of each text in its file
    :param references: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)``
    :param ask: the model
    :param progress: told of each text in each way
    """
    chosen = [one for one in every_nth(range(len(texts)), MOST_TEXTS) if len(texts[one]) <= _MOST_CHARACTERS]
    if not chosen:
        return Probe(0, ())
    given, values = ask([texts[one] for one in chosen], chosen)
    ways = []
    for way in transformations:
        written = [
            (number, new) for number, one in enumerate(chosen) if (new := way.apply(texts[one])) is not None
        ]
        if written:
            places = [chosen[number] for number, _ in written]
            before = [number for number, _ in written]
            after, then = ask([new for _, new in written], places)
            found = _Compared(schema, given[before], values[before], after, then, references[places])
            examples = [
                Flip(
                    rows[places[one]], masked_start(texts[places[one]], _SHOWN), masked_start(written[one][1], _SHOWN),
                    found.names(found.before[one]), found.names(found.after[one]), float(found.change[one]),
                )
                for one in found.worth_showing(keeps=way.keeps, shown=[not find_personal(texts[place]) for place in places])
            ]  # fmt: skip
            n_flipped = int(found.flipped.sum())
            ways.append(
                Probed(
                    way.name, way.kind, way.keeps, len(written), n_flipped, *wilson(n_flipped, len(written)),
                    found.n_right(found.before), found.n_right(found.after), tuple(examples),
                )
            )  # fmt: skip
        progress(len(chosen))
    return Probe(len(chosen), tuple(ways))


class _Compared:
    """Labels before and after."""

    def __init__(
        self,
        schema: LabelSchema,
        before: NDArray[Any],
        values: NDArray[np.float32],
        after: NDArray[Any],
        then: NDArray[np.float32],
        references: NDArray[Any],
    ) -> None:
        self.schema, self.before, self.after, self.references = schema, before, after, references
        self.flipped = ~right_altogether(before, after)
        self.change = np.abs(then - values).max(axis=1)

    def n_right(self, given: NDArray[Any]) -> int:
        return int(right_altogether(self.references, given).sum())

    def worth_showing(self, *, keeps: bool, shown: Sequence[bool]) -> list[int]:
        """Where the label does not do what the meaning does, the clearest cases first.

        :param shown: whether a text may be shown: one with personal data may not, since another writing may hide them from
            the mask
        """
        wrong = np.flatnonzero((self.flipped if keeps else ~self.flipped) & np.array(shown, dtype=np.bool_))
        ranked = wrong[np.argsort(-self.change[wrong] if keeps else self.change[wrong], kind="stable")]
        return [int(one) for one in ranked[:_FLIPS]]

    def names(self, given: Any) -> tuple[str, ...]:
        if self.schema.is_multilabel:
            return tuple(self.schema.names[one] for one in np.flatnonzero(given))
        return (self.schema.names[int(given)],)


def probe_table(found: Probe) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Columns and rows for a person, in the language of now: how often the label is another one."""
    columns = ("way", "meaning", "texts", "share", "right")
    rows = [
        (
            one.title, message(f"probe.{'keeps' if one.keeps else 'turns'}"), f"{one.n:,}",
            f"{100 * one.share:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]", _right(one),
        )
        for one in found.ways
    ]  # fmt: skip
    return tuple(message(f"probe.h_{name}") for name in columns), tuple(rows)


def _right(one: Probed) -> str:
    """The accuracy before and after; of a turned text nobody knows what is right."""
    before, after = one.n_right_before / one.n, one.n_right_after / one.n
    return f"{before:.3f} → {after:.3f}" if one.keeps else f"{before:.3f} → –"
