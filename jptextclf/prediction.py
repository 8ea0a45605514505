"""Predictor: texts -> probabilities -> labels.

It does not know files or runs; it holds one classifier, its adapter and its label schema.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch

from jptextclf.adapters import choose_adapter, open_adapter
from jptextclf.atomic import RUN_RECORD
from jptextclf.bundle import verify
from jptextclf.data.columns import cells_beside
from jptextclf.data.rows import is_empty
from jptextclf.decisions.rule import Rule
from jptextclf.errors import ConfigError, DataError, JptextclfError, SetupError
from jptextclf.features import FeatureModel, require_columns
from jptextclf.labels import LabelSchema
from jptextclf.long_texts import EncodedTexts, encode_texts, limit_of, recorded_way
from jptextclf.messages import listing, text
from jptextclf.model import Classifier, compute_logits, max_positions
from jptextclf.onnx_model import OnnxClassifier, load_onnx_classifier
from jptextclf.pages.document import fragment
from jptextclf.pages.html import foreign, paragraph, table, together
from jptextclf.progress import Logged, Progress

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from jptextclf.adapters import TokenizerAdapter
    from jptextclf.bundle import Bundle
    from jptextclf.config import LongTexts
    from jptextclf.onnx_model import OnnxPrecision

OnTooLong = Literal["truncate", "error"]
_TEXTS_SHOWN, _LABELS_SHOWN = 20, 8
"""In a notebook."""
_TEXTS_AT_ONCE = 4096
"""Texts tokenised together: enough to fill length-sorted batches, few enough for constant memory."""
_TOKENS = {"cpu": 2048, "cuda": 32768}
"""Pieces in one batch. On a CPU measured with shapes of 4 x 256 and 12 x 768: 1024 to 2048 are the quickest."""
_TOKENS_OF_ONNX = 256
"""Padded pieces in one batch for a graph on a CPU: what is in between stays in its cache. Measured with a BERT-base
shape in int8, 1024 pieces need 1.6 times the time."""
_LONGEST_WITHOUT_LIMIT = 512
"""Pieces per text where neither a record nor the encoder sets a limit."""


@dataclass(frozen=True, repr=False)
class Prediction:
    """What the classifier says about some texts."""

    schema: LabelSchema
    probabilities: NDArray[np.float32]
    """After softmax, or sigmoid for a multi-label task.  *Shape:* ``(texts, n_labels)``"""
    thresholds: NDArray[np.float32]
    """Probability from which a multi-label label is given.  *Shape:* ``(n_labels,)``"""
    truncated: NDArray[np.bool_]
    """Pieces were cut off.  *Shape:* ``(texts,)``"""
    empty: NDArray[np.bool_]
    """Nothing but white space.  *Shape:* ``(texts,)``"""
    odd_cells: Mapping[str, int] = field(default_factory=dict)
    """Column -> how many of its filled cells mean nothing to the model: unknown categories, numbers that are none."""
    rule: Rule = field(default_factory=Rule)
    """What is done with the probabilities, beside the thresholds."""
    fixed_ids: NDArray[np.int64] | None = None
    """Labels that were decided otherwise than by these thresholds, as ``label_ids`` gives them; None: nobody did."""

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def label_ids(self) -> NDArray[np.int64]:
        """Ids ``(texts,)``, or for a multi-label task a 0/1 matrix ``(texts, n_labels)``."""
        if self.fixed_ids is not None:
            return self.fixed_ids
        return self.rule.label_ids(self.schema, self.probabilities, self.thresholds)

    @property
    def needs_review(self) -> NDArray[np.bool_]:
        """Whether a person should look at a text; never, unless the run was told when (:func:`jptextclf.decide`).

        *Shape:* ``(texts,)``
        """
        return self.rule.for_review(self.schema, self.probabilities, self.thresholds)

    @property
    def labels(self) -> list[tuple[str, ...]]:
        """The label names of each text: exactly one, or any number for a multi-label task."""
        names = self.schema.names
        if self.schema.is_multilabel:
            return [tuple(names[number] for number in np.flatnonzero(row)) for row in self.label_ids]
        return [(names[number],) for number in self.label_ids]

    def __repr__(self) -> str:
        return f"<Prediction of {len(self)} texts, labels {', '.join(self.schema.names[:10])}>"

    def _repr_html_(self) -> str:
        """For a notebook: the first texts by their numbers, with labels and probabilities."""
        shown = self.schema.names[:_LABELS_SHOWN]
        rows = [
            [
                str(number),
                foreign(listing(labels) or text("words.none")),
                *(f"{value:.3f}" for value in row[: len(shown)]),
            ]
            for number, (labels, row) in enumerate(
                zip(self.labels, self.probabilities[:_TEXTS_SHOWN], strict=False)
            )
        ]
        columns = [text("prediction.number"), text("prediction.labels"), *map(foreign, shown)]
        left_out = text("prediction.more", n=len(self) - len(rows)) if len(self) > len(rows) else ""
        return fragment(
            together(table(columns, rows, numbers_from=2), paragraph(left_out, soft=True) if left_out else "")
        )

    def to_json(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """One object a text, for a machine to read."""
        return [
            {
                "text": text,
                "labels": list(labels),
                "probabilities": {
                    name: round(float(value), 6) for name, value in zip(self.schema.names, row, strict=True)
                },
                "truncated": bool(truncated),
                "empty": bool(empty),
                **({"needs_review": bool(asked)} if self.rule.asks else {}),
            }
            for text, labels, row, truncated, empty, asked in zip(
                texts,
                self.labels,
                self.probabilities,
                self.truncated,
                self.empty,
                self.needs_review,
                strict=True,
            )
        ]


class Predictor:
    """One trained classifier, ready for texts.

    :param thresholds: probability from which a label is given, for a multi-label task.  *Shape:* ``(n_labels,)``
    :param rule: what is done with probabilities beside that; None: the most probable label is given, and nobody asked
    :param max_length: pieces per text, special tokens included
    :param long_texts: what happens to longer ones: see :mod:`jptextclf.long_texts`
    :param window_overlap: pieces that neighbouring windows share
    :param max_tokens: pieces in one batch at most, with their padding where there is any; None: what suits the classifier
    :param precision: of matrix products; bfloat16 is faster where the hardware computes with it
    :param features: what was learned on vectors of a frozen encoder; None: the classifier's own head is used
    """

    def __init__(
        self,
        classifier: Classifier,
        adapter: TokenizerAdapter,
        schema: LabelSchema,
        *,
        thresholds: NDArray[np.float32] | None = None,
        rule: Rule | None = None,
        max_length: int,
        long_texts: LongTexts = "truncate",
        window_overlap: int = 32,
        max_tokens: int | None = None,
        device: torch.device | None = None,
        precision: torch.dtype = torch.float32,
        features: FeatureModel | None = None,
    ) -> None:
        self.features = features
        self.classifier = classifier if device is None else classifier.to(device)
        self.adapter = adapter
        self.schema = schema
        self.thresholds = np.full(schema.n_labels, 0.5, np.float32) if thresholds is None else thresholds
        self.rule = rule or Rule()
        self.max_length = max_length
        self.long_texts: LongTexts = long_texts
        self.window_overlap = window_overlap
        self.precision = precision
        suiting = _TOKENS_OF_ONNX
        if not isinstance(classifier, OnnxClassifier):
            self.classifier.choose_attention("auto", precision=precision, training=False)
            suiting = _TOKENS.get(self.classifier.device.type, _TOKENS["cuda"])
        self.max_tokens = suiting if max_tokens is None else max_tokens

    @classmethod
    def of(cls, bundle: Bundle, device: str = "auto") -> Predictor:
        """The predictor of a run directory.

        :raises SetupError: the device cannot be used, or the model cannot be read
        """
        features = None
        if bundle.is_features:
            features = FeatureModel.read(bundle.path, n_labels=bundle.schema.n_labels)
        classifier, adapter, chosen = bundle.load_model(device)
        thresholds = np.array(bundle.thresholds, dtype=np.float32)
        return cls(
            classifier,
            adapter,
            bundle.schema,
            thresholds=thresholds,
            rule=bundle.rule,
            max_length=bundle.max_length,
            long_texts=bundle.long_texts,
            window_overlap=bundle.window_overlap,
            device=chosen,
            precision=torch.bfloat16 if bundle.precision == "bfloat16" else torch.float32,
            features=features,
        )

    @classmethod
    def of_onnx(
        cls,
        directory: str | os.PathLike[str],
        *,
        precision: OnnxPrecision | None = None,
        max_length: int | None = None,
        device: str = "cpu",
    ) -> Predictor:
        """The predictor of an ONNX export, or of any plain transformers directory with such a graph in it.

        Labels, thresholds, maximum length and adapter are as ``jptextclf.json`` records them; without that file the
        configuration names the labels, thresholds are 0.5, and the tokenizer files say the rest.

        :param precision: which graph, where there are several; None takes the only one, else ``float32``
        :param max_length: pieces per text, special tokens included; None takes what is recorded
        :param device: ``cpu`` or ``auto``; there is no other for these graphs
        :raises ConfigError: another device (``JPT-U161``), or no such precision (``JPT-U160``)
        :raises SetupError: onnxruntime is not installed (``JPT-E001``), or the directory is damaged, incomplete or
            no export (``JPT-E060`` to ``JPT-E063``, ``JPT-E080`` to ``JPT-E082``)
        """
        if device not in {"cpu", "auto"}:
            raise ConfigError("U161", device=device)
        place = Path(directory)
        if (place / "MANIFEST.json").is_file():
            verify(place)
        classifier = load_onnx_classifier(place, precision=precision)
        described = _described(place, classifier.network.config)
        adapter = choose_adapter(place)
        return cls(
            classifier,
            open_adapter(place, name=adapter.name, options=adapter.options),
            described.schema,
            thresholds=described.thresholds,
            rule=described.rule,
            max_length=max_length or described.max_length,
            long_texts=described.long_texts,
            window_overlap=described.window_overlap,
        )

    def predict(
        self,
        texts: Sequence[str],
        *,
        columns: Mapping[str, Any] | None = None,
        on_too_long: OnTooLong = "truncate",
        first: int = 1,
        progress: Progress | None = None,
    ) -> Prediction:
        """Classify texts. Memory beside the result does not grow with their number.

        :param columns: name -> a value for each text, where the model was trained with columns beside the texts;
            others are not looked at
        :param first: number of the first text, for errors: its row in a file
        :raises TypeError: an item is not a ``str``
        :raises ConfigError: columns are missing (``JPT-U125``), or the model knows none (``JPT-U126``)
        :raises DataError: a text is too long and ``on_too_long`` is ``error`` (``JPT-D042``), or a column has not as
            many values as there are texts (``JPT-D064``)
        """
        if on_too_long not in get_args(OnTooLong):
            raise ConfigError("U029", found=on_too_long, known=listing(get_args(OnTooLong)))
        show = progress or Logged()
        parts = []
        cells = self._cells(columns, len(texts))
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = texts[start : start + _TEXTS_AT_ONCE]
            encoded = self._encode(some, first + start, on_too_long)
            beside = {name: values[start : start + len(some)] for name, values in cells.items()}
            parts.append(self._computed(some, encoded, beside, show.advance))
        if not parts:
            return self._from_logits([], EncodedTexts.empty(), self._no_logits())
        prediction = _joined(parts)
        for note in self.notes(prediction.odd_cells, len(texts)):
            show.warn(note)
        return prediction

    def encode(self, texts: Sequence[str]) -> EncodedTexts:
        """Texts as :meth:`predict_encoded` takes them.

        :raises TypeError: an item is not a ``str``
        """
        return self._encode(texts, 1, "truncate")

    def predict_encoded(
        self,
        texts: Sequence[str],
        encoded: EncodedTexts,
        *,
        columns: Mapping[str, Any] | None = None,
        on_batch: Callable[[int], None] = lambda _n: None,
    ) -> Prediction:
        """Classify texts that are cut into pieces already, for who wants to know their lengths first.

        :param encoded: by :meth:`encode`
        :param columns: as for :meth:`predict`
        :param on_batch: told how many texts are done
        :raises ConfigError, DataError: as :meth:`predict`
        """
        if not len(texts):
            return self._from_logits([], EncodedTexts.empty(), self._no_logits())
        return self._computed(texts, encoded, self._cells(columns, len(texts)), on_batch)

    def _computed(
        self,
        texts: Sequence[str],
        encoded: EncodedTexts,
        cells: Mapping[str, Sequence[str]],
        on_batch: Callable[[int], None],
    ) -> Prediction:
        if self.features is not None:
            return self._from_features(self.features, texts, encoded, cells, on_batch)
        logits = compute_logits(
            self.classifier, encoded.rows, text_splits=encoded.text_splits, precision=self.precision,
            max_tokens=self.max_tokens, on_batch=encoded.counting(on_batch),
        )  # fmt: skip
        return self._from_logits(texts, encoded, logits)

    def notes(self, odd_cells: Mapping[str, int], n_texts: int) -> list[str]:
        """Sentences on cells that mean nothing to the model."""
        return [] if self.features is None else self.features.columns.notes(odd_cells, n_texts)

    def from_vectors(
        self,
        features: FeatureModel,
        texts: Sequence[str],
        vectors: NDArray[np.float32],
        cells: Mapping[str, Sequence[str]],
        truncated: NDArray[np.bool_],
    ) -> Prediction:
        """Classify texts whose vectors are known.

        :param vectors: *Shape:* ``(texts, layers * width)``
        """
        probabilities, odd = features.probabilities(vectors, texts, cells)
        return replace(self.of_probabilities(texts, truncated, probabilities), odd_cells=odd)

    def _from_features(
        self,
        features: FeatureModel,
        texts: Sequence[str],
        encoded: EncodedTexts,
        cells: Mapping[str, Sequence[str]],
        on_batch: Callable[[int], None],
    ) -> Prediction:
        pooled = features.pooled
        if self.precision != torch.float32:
            pooled = replace(pooled, precision=str(self.precision).removeprefix("torch."))
        vectors = pooled.vectors(
            self.classifier, encoded.rows, encoded.text_splits, max_tokens=self.max_tokens,
            on_batch=encoded.counting(on_batch),
        )  # fmt: skip
        return self.from_vectors(features, texts, vectors, cells, encoded.truncated)

    def _cells(self, columns: Mapping[str, Any] | None, n_texts: int) -> dict[str, list[str]]:
        needed = () if self.features is None else self.features.column_names
        if columns is None:
            require_columns(needed, None)
            return {}
        cells = cells_beside(columns, n_texts)
        require_columns(needed, cells)
        return {name: cells[name] for name in needed}

    def _encode(self, texts: Sequence[str], first: int, on_too_long: OnTooLong) -> EncodedTexts:
        encoded = encode_texts(
            self.adapter, texts, max_length=self.max_length, long_texts=self.long_texts,
            window_overlap=self.window_overlap,
        )  # fmt: skip
        if on_too_long == "error" and encoded.truncated.any():
            number = int(np.argmax(encoded.truncated))
            raise DataError(
                "D042", item=first + number, start=texts[number][:30],
                limit=limit_of(self.max_length, self.long_texts), lost=text(f"long_texts.lost_{self.long_texts}"),
            )  # fmt: skip
        return encoded

    def _from_logits(
        self, texts: Sequence[str], encoded: EncodedTexts, logits: NDArray[np.float32]
    ) -> Prediction:
        tensor = torch.from_numpy(logits)
        probabilities = torch.sigmoid(tensor) if self.schema.is_multilabel else torch.softmax(tensor, dim=-1)
        return self.of_probabilities(texts, encoded.truncated, probabilities.numpy())

    def of_probabilities(
        self, texts: Sequence[str], truncated: NDArray[np.bool_], probabilities: NDArray[np.float32]
    ) -> Prediction:
        """What texts get by probabilities that are known.

        :param truncated: whether pieces of a text were cut off.  *Shape:* ``(texts,)``
        :param probabilities: *Shape:* ``(texts, n_labels)``
        """
        return Prediction(
            schema=self.schema,
            probabilities=probabilities,
            thresholds=self.thresholds,
            truncated=truncated,
            empty=np.array([is_empty(text) for text in texts], dtype=np.bool_),
            rule=self.rule,
        )

    def _no_logits(self) -> NDArray[np.float32]:
        return np.zeros((0, self.schema.n_labels), dtype=np.float32)


def _joined(parts: list[Prediction]) -> Prediction:
    return Prediction(
        schema=parts[0].schema,
        probabilities=np.concatenate([part.probabilities for part in parts]),
        thresholds=parts[0].thresholds,
        truncated=np.concatenate([part.truncated for part in parts]),
        empty=np.concatenate([part.empty for part in parts]),
        odd_cells=sum((Counter(part.odd_cells) for part in parts), Counter()),
        rule=parts[0].rule,
    )


@dataclass(frozen=True)
class _Described:
    """What a directory says about the labels and lengths of its model."""

    schema: LabelSchema
    thresholds: NDArray[np.float32] | None
    max_length: int
    long_texts: LongTexts = "truncate"
    window_overlap: int = 32
    rule: Rule = field(default_factory=Rule)


def _described(directory: Path, config: Any) -> _Described:
    """From the record of the run, else from the configuration.

    :raises SetupError: the record cannot be read (``JPT-E062``)
    """
    path = directory / RUN_RECORD
    try:
        if not path.is_file():
            positions = max_positions(config) or _LONGEST_WITHOUT_LIMIT
            return _Described(_configured_schema(config), None, positions)
        record = json.loads(path.read_text(encoding="utf-8"))
        thresholds = np.array(record["thresholds"], dtype=np.float32)
        schema = LabelSchema.from_json(record["labels"])
        rule = Rule.from_json(record.get("rule"), schema=schema)
        return _Described(schema, thresholds, int(record["max_length"]), *recorded_way(record), rule)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, JptextclfError) as error:
        raise SetupError("E062", path=directory, problem=f"{type(error).__name__}: {error}") from error


def _configured_schema(config: Any) -> LabelSchema:
    names = tuple(str(config.id2label[number]) for number in range(config.num_labels))
    if config.problem_type == "multi_label_classification":
        return LabelSchema(names, "multilabel")
    return LabelSchema(names, "binary" if len(names) == 2 else "multiclass")
