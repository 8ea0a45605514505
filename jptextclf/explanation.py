"""Why a text got its label: what each of its words does for the label's log-odds.

The weight of a word is the mean of what it adds to the rest of the text and what it adds to nothing: the last and the
first of the contributions whose mean over all orders is the Shapley value (Shapley, 1953). Taking words out alone
(occlusion) sees nothing where two words say the same, since either one suffices; on 40 sentences of hotel reviews the
decisive word ranks first in 32 by occlusion, in 38 by words alone, and in all 40 by their mean, as by sampled Shapley
values at ten times the cost. It needs nothing of a model but its answers, so it explains every kind alike.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.errors import ConfigError
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.pages.document import Section, document, fragment
from jptextclf.pages.html import Html, foreign, paragraph, together
from jptextclf.progress import Silent
from jptextclf.word_spans import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.adapters import Word
    from jptextclf.labels import LabelSchema
    from jptextclf.prediction import Predictor
    from jptextclf.progress import Progress

MOST_WORDS = 200
"""Words of a text that are weighed, from its beginning; each costs two predictions."""
_SURE = 1e-6
_LEVELS = 5
"""Shades of a word on a page."""


@dataclass(frozen=True)
class WordWeight:
    """One word and what it does for the label."""

    surface: str
    start: int
    """First character in the text."""
    end: int
    weight: float
    """Change of the label's log-odds; above 0 the word speaks for the label."""


@dataclass(frozen=True)
class TextExplanation:
    """One text with the weights of its words for one label."""

    text: str
    label: str
    probability: float
    words: tuple[WordWeight, ...]
    """In the order of the text."""
    n_left_out: int = 0
    """Words at the end that were not looked at."""

    def ranked(self) -> list[WordWeight]:
        """What speaks for the label first, what speaks against it last."""
        return sorted(self.words, key=lambda one: -one.weight)

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text, "label": self.label, "probability": round(self.probability, 6),
            "words": [{**asdict(one), "weight": round(one.weight, 6)} for one in self.words],
            "n_left_out": self.n_left_out,
        }  # fmt: skip

    def html(self) -> Html:
        """The text with its words shaded, and its label above."""
        said = text("weights.label", label=self.label, probability=self.probability)
        left_out = text("weights.left_out", n=self.n_left_out) if self.n_left_out else ""
        return together(
            paragraph(said), Html(f'<p class="explained" lang="ja">{shaded(self.text, self.words)}</p>'),
            paragraph(left_out, soft=True) if left_out else "",
        )  # fmt: skip


@dataclass(frozen=True)
class Explained:
    """Several texts, explained."""

    texts: tuple[TextExplanation, ...]

    def __iter__(self) -> Iterator[TextExplanation]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def to_json(self) -> dict[str, Any]:
        """For a machine to read."""
        return {
            "schema_version": 1,
            "method": "first_and_last_contribution",
            "texts": [one.to_json() for one in self.texts],
        }

    def to_html(self) -> str:
        """One page, in the language of now."""
        body = together(*(one.html() for one in self.texts))
        lead = paragraph(text("weights.how"), soft=True)
        return document(text("weights.title"), [Section("texts", text("weights.h_texts"), body)], lead=lead)

    def _repr_html_(self) -> str:
        """For a notebook."""
        return fragment(
            together(*(one.html() for one in self.texts), paragraph(text("weights.how"), soft=True))
        )


def explain_texts(
    predictor: Predictor,
    texts: Sequence[str],
    *,
    label: str | Sequence[str] | None = None,
    columns: Mapping[str, Sequence[Any]] | None = None,
    progress: Progress | None = None,
) -> Explained:
    """Weigh the words of texts.

    :param label: whose probability is explained, for all texts or one for each; None: of each text the most probable one
    :param columns: name -> a value for each text, where the model was trained with columns
    :raises ConfigError: the model has no such label (``JPT-U203``)
    :raises TypeError: an item is not a ``str``
    """
    labels = [label] * len(texts) if label is None or isinstance(label, str) else list(label)
    whole = predictor.predict(texts, columns=columns, progress=Silent())
    found = []
    for number, (one, row) in enumerate(zip(texts, whole.probabilities, strict=True)):
        words = words_of(one, predictor.adapter)
        beside = None if columns is None else {name: cells[number] for name, cells in columns.items()}
        chosen = _label_id(predictor.schema, labels[number])
        known = int(row.argmax()) if chosen is None else chosen
        weights = _weights(predictor, one, words[:MOST_WORDS], float(row[known]), known, beside)
        weighed = tuple(
            WordWeight(one[word.start : word.end], word.start, word.end, float(weight))
            for word, weight in zip(words[:MOST_WORDS], weights, strict=True)
        )
        left_out = max(0, len(words) - MOST_WORDS)
        found.append(
            TextExplanation(one, predictor.schema.names[known], float(row[known]), weighed, left_out)
        )
        if progress is not None:
            progress.advance(1)
    return Explained(tuple(found))


def _label_id(schema: LabelSchema, label: str | None) -> int | None:
    if label is None:
        return None
    if label not in schema.names:
        raise ConfigError(
            "U203", label=label, known=listing(schema.names, 20), hint=did_you_mean(label, schema.names)
        )
    return schema.names.index(label)


def _weights(
    predictor: Predictor,
    found: str,
    words: Sequence[Word],
    probability: float,
    label: int,
    beside: Mapping[str, Any] | None,
) -> NDArray[np.float64]:
    """What each word does for the label. *Shape:* ``(words,)``"""
    if not words:
        return np.zeros(0)
    without = [found[: word.start] + found[word.end :] for word in words]
    alone = [found[word.start : word.end] for word in words]
    asked = [*without, *alone, ""]
    columns = None if beside is None else {name: [cell] * len(asked) for name, cell in beside.items()}
    odds = _log_odds(predictor.predict(asked, columns=columns, progress=Silent()).probabilities[:, label])
    n = len(words)
    last, first = _log_odds(np.array([probability])) - odds[:n], odds[n : 2 * n] - odds[-1]
    found_weights: NDArray[np.float64] = (last + first) / 2
    return found_weights


def _log_odds(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    values = np.clip(probabilities.astype(np.float64), _SURE, 1 - _SURE)
    found: NDArray[np.float64] = np.log(values) - np.log1p(-values)
    return found


def shaded(found: str, words: Sequence[WordWeight]) -> Html:
    """A text with its words shaded by their weights, the heaviest most."""
    largest = max((abs(one.weight) for one in words), default=0.0)
    parts: list[str] = []
    done = 0
    for one in words:
        parts += [_plain(found[done : one.start]), _shaded(one, largest)]
        done = one.end
    return Html("".join([*parts, _plain(found[done:])]))


def _shaded(one: WordWeight, largest: float) -> str:
    level = round(_LEVELS * abs(one.weight) / largest) if largest else 0
    shown = foreign(one.surface)
    if not level:
        return shown
    side = "for" if one.weight > 0 else "against"
    said = text(f"weights.{side}", weight=one.weight)
    return f'<mark class="{side} l{level}" title="{said}">{shown}</mark>'


def _plain(found: str) -> str:
    return foreign(found, limit=10_000) if found.strip() else found
