"""A tour of tokenization: what texts become under one tokenizer, or under two, step by step.

It knows tokenizers only through the adapter contract, and computes; showing is the command line's work, or that
of :mod:`jptextclf.tokens._html` for browsers and notebooks.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jptextclf.adapters import TokenizerAdapter
from jptextclf.errors import ConfigError
from jptextclf.pages.visible import visible
from jptextclf.tokens._html import document, fragment, one_hot_places, remark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jptextclf.adapters import Explanation

__all__ = [
    "Difference",
    "ModelTour",
    "Piece",
    "TextTour",
    "TokenTour",
    "one_hot_places",
    "remark",
    "tour",
    "visible",
]

Span = tuple[int, int]

_NO_LIMIT = 10**9
"""Pieces; more than any text has."""
_WORD_MARK = "\N{LOWER ONE EIGHTH BLOCK}"
_LARGEST_BATCH = 1_000_000
"""Ids of a padded batch that are written out as JSON."""


@dataclass(frozen=True)
class Piece:
    """One piece of one text."""

    piece: str
    id: int
    start: int
    """First character of the original text that it covers."""
    end: int
    """One past the last; a special token covers nothing: ``(0, 0)``."""
    kind: Literal["text", "unknown", "special"]
    cut: bool
    """Whether the maximum length leaves it out."""

    def to_json(self) -> dict[str, Any]:
        return {
            "piece": self.piece,
            "id": self.id,
            "start": self.start,
            "end": self.end,
            "special": self.kind == "special",
            "unknown": self.kind == "unknown",
            "cut": self.cut,
        }


@dataclass(frozen=True)
class TextTour:
    """What one text becomes under one tokenizer."""

    explanation: Explanation
    unknown_id: int | None
    n_leading: int
    """Special tokens before the pieces of the text."""
    n_trailing: int
    """Special tokens behind them."""
    n_kept: int
    """Pieces that the maximum length keeps, special tokens included."""

    @property
    def text(self) -> str:
        return self.explanation.text

    @property
    def n_pieces(self) -> int:
        """Special tokens included."""
        return len(self.explanation.ids)

    @property
    def n_unknown(self) -> int:
        own = self.explanation.ids[self.n_leading : self.n_pieces - self.n_trailing]
        return own.count(self.unknown_id) if self.unknown_id is not None else 0

    @property
    def truncated(self) -> bool:
        return self.n_kept < self.n_pieces

    @property
    def end_kept(self) -> int:
        """One past the last character that a kept piece covers."""
        kept = self.explanation.offsets[: self.n_kept - self.n_trailing]
        return max((end for _, end in kept), default=0)

    def pieces(self, first: int = 0, limit: int | None = None) -> list[Piece]:
        """The pieces from place ``first`` on, at most ``limit`` of them."""
        last = self.n_pieces if limit is None else min(self.n_pieces, first + limit)
        return [self._piece(place) for place in range(first, last)]

    def kept_ids(self, limit: int | None = None) -> list[int]:
        """The ids after cutting, at most ``limit`` of them: what the encoder is given."""
        ids, own = self.explanation.ids, self.n_kept - self.n_trailing
        return [*ids[:own], *ids[self.n_pieces - self.n_trailing :]][:limit]

    def example(self) -> Piece | None:
        """A piece to show a one-hot row with: one of the first that has a letter or a digit in it."""
        known = [piece for piece in self.pieces(limit=100) if piece.kind == "text"]
        return next((piece for piece in known if any(map(str.isalnum, piece.piece))), None)

    def _piece(self, place: int) -> Piece:
        last = self.n_pieces - self.n_trailing
        number = self.explanation.ids[place]
        is_special = place < self.n_leading or place >= last
        kind: Literal["text", "unknown", "special"] = (
            "special" if is_special else "unknown" if number == self.unknown_id else "text"
        )
        start, end = self.explanation.offsets[place]
        return Piece(
            piece=self.explanation.pieces[place],
            id=number,
            start=start,
            end=end,
            kind=kind,
            cut=self.n_kept - self.n_trailing <= place < last,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "n_characters": len(self.text),
            "n_pieces": self.n_pieces,
            "n_unknown": self.n_unknown,
            "n_kept": self.n_kept,
            "truncated": self.truncated,
            "words": [
                {
                    "surface": word.surface,
                    "start": word.start,
                    "end": word.end,
                    "part_of_speech": word.part_of_speech,
                    "reading": word.reading,
                }
                for word in self.explanation.words
            ],
            "pieces": [piece.to_json() for piece in self.pieces()],
        }


@dataclass(frozen=True)
class ModelTour:
    """What all texts become under one tokenizer, and the batch that they make together."""

    name: str
    vocabulary_size: int
    pad_id: int | None
    """None where the tokenizer has no piece to pad with."""
    model_max_length: int | None
    """Pieces that the tokenizer's own configuration allows."""
    texts: tuple[TextTour, ...]

    @property
    def batch_length(self) -> int:
        """Pieces of the longest text after cutting; the others are padded to it."""
        return max((text.n_kept for text in self.texts), default=0)

    def padded_row(self, text: int) -> tuple[list[int | None], list[int]]:
        """One row of the batch: ids and attention mask. *Shape:* ``(batch_length,)`` each"""
        ids = self.texts[text].kept_ids()
        padding = self.batch_length - len(ids)
        return [*ids, *[self.pad_id] * padding], [1] * len(ids) + [0] * padding

    def to_json(self) -> dict[str, Any]:
        fits = self.batch_length * len(self.texts) <= _LARGEST_BATCH
        rows = [self.padded_row(number) for number in range(len(self.texts))] if fits else []
        return {
            "name": self.name,
            "vocabulary_size": self.vocabulary_size,
            "pad_id": self.pad_id,
            "model_max_length": self.model_max_length,
            "texts": [text.to_json() for text in self.texts],
            # Without the rows where padding would make gigabytes of them: ids and padding say the same.
            "batch": {
                "length": self.batch_length,
                "padding": [self.batch_length - text.n_kept for text in self.texts],
                "input_ids": [ids for ids, _ in rows] if fits else None,
                "attention_mask": [mask for _, mask in rows] if fits else None,
            },
        }


@dataclass(frozen=True)
class Difference:
    """A stretch of the text that two tokenizers cut up differently; before and behind it they agree."""

    start: int
    end: int
    left: tuple[str, ...]
    right: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"start": self.start, "end": self.end, "left": list(self.left), "right": list(self.right)}


@dataclass(frozen=True)
class TokenTour:
    """What texts become under one tokenizer, or under two. In a notebook it shows itself."""

    texts: tuple[str, ...]
    max_length: int | None
    """Pieces per text, special tokens included; None: nothing is cut."""
    models: tuple[ModelTour, ...]

    def differences(self, text: int, of: Literal["pieces", "words"] = "pieces") -> list[Difference]:
        """Where the two tokenizers cut one text up differently, white space aside; empty for one tokenizer."""
        if len(self.models) < 2:
            return []
        left, right = (_units(model.texts[text], of) for model in self.models)
        return _differences(self.texts[text], left, right)

    def to_json(self) -> dict[str, Any]:
        """For machine output."""
        data: dict[str, Any] = {
            "schema_version": 1,
            "texts": list(self.texts),
            "max_length": self.max_length,
            "models": [model.to_json() for model in self.models],
        }
        if len(self.models) > 1:
            data["differences"] = [
                {
                    kind: [one.to_json() for one in self.differences(number, kind)]
                    for kind in ("words", "pieces")
                }
                for number in range(len(self.texts))
            ]
        return data

    def to_html(self) -> str:
        """One page that needs nothing beside itself: no script, no font, no address."""
        return document(self)

    def _repr_html_(self) -> str:
        return fragment(self)


def tour(
    adapters: TokenizerAdapter | Sequence[tuple[str, TokenizerAdapter]],
    texts: str | Sequence[str],
    *,
    max_length: int | None = None,
) -> TokenTour:
    """What the texts become, step by step.

    :param adapters: one tokenizer, or one or two with the names that they are shown under
    :param max_length: pieces per text, special tokens included; None: nothing is cut
    :raises ConfigError: no text (``JPT-U100``), not one or two tokenizers (``JPT-U101``), or ``max_length`` has
        no room (``JPT-U020``)
    :raises TypeError: an item is not a ``str``
    """
    texts = (texts,) if isinstance(texts, str) else tuple(texts)
    named = [(adapters.name, adapters)] if isinstance(adapters, TokenizerAdapter) else list(adapters)
    if not texts:
        raise ConfigError("U100")
    if len(named) not in {1, 2}:
        raise ConfigError("U101", n=len(named))
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{number}] is {type(text).__name__}, expected str")
    return TokenTour(
        texts=texts,
        max_length=max_length,
        models=tuple(_model_tour(name, adapter, texts, max_length) for name, adapter in named),
    )


def _model_tour(
    name: str, adapter: TokenizerAdapter, texts: Sequence[str], max_length: int | None
) -> ModelTour:
    info = adapter.info()
    limit = _NO_LIMIT if max_length is None else min(max_length, _NO_LIMIT)
    # Asked for even where nothing is cut: it is what refuses a length without room.
    lengths = adapter.encode(texts, max_length=limit).lengths.tolist() if max_length is not None else None
    unknown_id = info.special_ids.get("unk")
    control_ids = set(info.special_ids.values()) - {unknown_id}
    tours = []
    for number, text in enumerate(texts):
        explanation = adapter.explain(text)
        # A text that spells out a special token may get its id, but with the characters that it covers.
        special = [
            one in control_ids and tuple(span) == (0, 0)
            for one, span in zip(explanation.ids, explanation.offsets, strict=True)
        ]
        n_leading = special.index(False) if False in special else len(special)
        n_trailing = special[::-1].index(False) if False in special else 0
        tours.append(
            TextTour(
                explanation=explanation,
                unknown_id=unknown_id,
                n_leading=n_leading,
                n_trailing=n_trailing,
                n_kept=lengths[number] if lengths is not None else len(explanation.ids),
            )
        )
    return ModelTour(
        name=name,
        vocabulary_size=info.vocabulary_size,
        pad_id=info.special_ids.get("pad"),
        model_max_length=info.model_max_length,
        texts=tuple(tours),
    )


def _units(text: TextTour, of: Literal["pieces", "words"]) -> list[tuple[Span, str]]:
    """Pieces or words with the characters that they cover; those that cover only white space are left out."""
    explanation = text.explanation
    if of == "words":
        units = [((word.start, word.end), word.surface) for word in explanation.words]
    else:
        own = slice(text.n_leading, text.n_pieces - text.n_trailing)
        pairs = zip(explanation.offsets[own], explanation.pieces[own], strict=True)
        # Some tokenizers give the mark of a word's beginning a piece of its own; it stands for white space.
        units = [(span, piece) for span, piece in pairs if piece != _WORD_MARK]
    trimmed = ((_trimmed(text.text, span), name) for span, name in units)
    return sorted((unit for unit in trimmed if unit[0][0] < unit[0][1]), key=lambda unit: unit[0])


def _trimmed(text: str, span: Span) -> Span:
    """The span without the white space at its ends, which tokenizers give to whichever side they like."""
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _differences(text: str, left: list[tuple[Span, str]], right: list[tuple[Span, str]]) -> list[Difference]:
    cuts = [_cuts(len(text), units) for units in (left, right)]
    common = sorted((cuts[0] & cuts[1]) | {0, len(text)})
    uncommon = {bisect_right(common, place) - 1 for place in (cuts[0] ^ cuts[1]).difference(common)}
    stretches: list[dict[int, list[int]]] = [{}, {}]
    for found, units in zip(stretches, (left, right), strict=True):
        for number, ((start, _), _) in enumerate(units):
            found.setdefault(bisect_right(common, start) - 1, []).append(number)
    differing = uncommon | {
        stretch
        for stretch in stretches[0].keys() | stretches[1].keys()
        if len(stretches[0].get(stretch, ())) != len(stretches[1].get(stretch, ()))
    }
    found_units = []
    for stretch in sorted(differing):
        names = [
            tuple(units[number][1] for number in found.get(stretch, ()))
            for found, units in zip(stretches, (left, right), strict=True)
        ]
        start, end = _trimmed(text, (common[stretch], common[min(stretch + 1, len(common) - 1)]))
        if start < end and any(names):
            found_units.append(Difference(start, end, names[0], names[1]))
    return found_units


def _cuts(length: int, units: list[tuple[Span, str]]) -> set[int]:
    """Where one unit ends or another begins, and none goes on."""
    if not units:
        return set()
    spans = np.array([span for span, _ in units], dtype=np.int64)
    inside = np.zeros(length + 2, dtype=np.int64)
    np.add.at(inside, spans[:, 0] + 1, 1)
    np.add.at(inside, spans[:, 1], -1)
    goes_on = np.cumsum(inside) > 0
    return {int(place) for place in np.unique(spans) if not goes_on[place]}
