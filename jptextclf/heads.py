"""The classification heads of transformers on a flat sequence: vectors of all pieces in, logits of the texts out.

Each does what the head of its ``…ForSequenceClassification`` does on a padded batch, with the first piece of each
text instead of the first column. It does not know how the vectors were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from jptextclf.unpadded import Layout


@dataclass(frozen=True)
class FlatHead:
    """How one architecture is computed without padding."""

    compute: Callable[[Any, Tensor, Layout], Tensor]
    """Network, vectors ``(tokens, width)`` and layout -> logits ``(texts, n_labels)``."""
    after_padding: bool = False
    """Position ids start after the padding id."""
    masks: Any = None
    """What the encoder is given as ``attention_mask``."""

    def __deepcopy__(self, memo: dict[int, Any]) -> FlatHead:
        del memo
        return self


def first_pieces(vectors: Tensor, layout: Layout) -> Tensor:
    """The vector of the first piece of each text: ``(tokens, width) -> (texts, width)``"""
    return vectors.index_select(0, layout.starts)


def mean_of_pieces(vectors: Tensor, layout: Layout) -> Tensor:
    """The mean over the pieces of each text, in float32: ``(tokens, width) -> (texts, width)``"""
    vectors = vectors.float()
    sums = vectors.new_zeros((len(layout.lengths), vectors.shape[1])).index_add(0, layout.owners, vectors)
    counts = (layout.ends[1:] - layout.ends[:-1])[:, None]
    return sums / counts


def _bert(network: Any, vectors: Tensor, layout: Layout) -> Tensor:
    pooled = network.bert.pooler(first_pieces(vectors, layout)[:, None])
    logits: Tensor = network.classifier(network.dropout(pooled))
    return logits


def _first_column(network: Any, vectors: Tensor, layout: Layout) -> Tensor:
    """Heads that take ``features[:, 0]`` themselves."""
    logits: Tensor = network.classifier(first_pieces(vectors, layout)[:, None])
    return logits


def _distilbert(network: Any, vectors: Tensor, layout: Layout) -> Tensor:
    pooled = nn.functional.relu(network.pre_classifier(first_pieces(vectors, layout)))
    logits: Tensor = network.classifier(network.dropout(pooled))
    return logits


def _modernbert(network: Any, vectors: Tensor, layout: Layout) -> Tensor:
    pool = first_pieces if network.config.classifier_pooling == "cls" else mean_of_pieces
    pooled = pool(vectors, layout).to(vectors.dtype)
    logits: Tensor = network.classifier(network.drop(network.head(pooled)))
    return logits


HEADS = {
    "BertForSequenceClassification": FlatHead(_bert),
    "RobertaForSequenceClassification": FlatHead(_first_column, after_padding=True),
    "XLMRobertaForSequenceClassification": FlatHead(_first_column, after_padding=True),
    "CamembertForSequenceClassification": FlatHead(_first_column, after_padding=True),
    "DistilBertForSequenceClassification": FlatHead(_distilbert),
    "ElectraForSequenceClassification": FlatHead(_first_column),
    # Given ready masks, it builds none of tokens x tokens.
    "ModernBertForSequenceClassification": FlatHead(
        _modernbert, masks={"full_attention": None, "sliding_attention": None}
    ),
}
"""Class of transformers -> how it is computed without padding. Others are padded: DeBERTa-v2 computes its attention
itself."""
