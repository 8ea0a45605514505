"""The head of labels that are a scale: all lie on one line, and a text's place on it decides between them.

It is the adjacent-category logit (Agresti, Analysis of Ordinal Categorical Data, 2010, section 4.1): the odds of a label
against the one below rise by the same factor along the whole scale, while each label keeps a bias of its own. Such
logits are those of a linear layer whose rows are multiples of one row, so that the trained network is a plain one
again, and calibration, exports and plain transformers need to know nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from jptextclf.errors import SetupError

if TYPE_CHECKING:
    from jptextclf.model import Classifier


_CURVE = 0.5
"""Between neighbours the probabilities are equal half a step from each, as long as nothing is learned."""
_GAIN = 10.0
"""Of the biases, which Adam moves by no more than the learning rate in a step: the ends of the labels' stretches on the
line must move faster than weights do, of which hundreds work together."""


class OrderedLinear(nn.Module):
    """A linear layer whose rows are one direction times the place of their label on the scale.

    :param linear: whose closest such layer this one is
    """

    ranks: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        found = torch.as_tensor(places(linear.out_features), dtype=linear.weight.dtype)
        self.register_buffer("ranks", found.to(linear.weight.device), persistent=False)
        with torch.no_grad():
            nearest = self.ranks @ linear.weight / (self.ranks @ self.ranks)
            # A text in the middle of the line is most likely of the middle label: without such biases no label but the
            # two ends could ever win.
            bias = -_CURVE * self.ranks**2
            bias = bias + linear.bias if linear.bias is not None else bias
        # Of two dimensions, as matrices are that decay.
        self.direction = nn.Parameter(nearest[None])
        self.scaled_bias = nn.Parameter(bias / _GAIN)

    def forward(self, vectors: Tensor) -> Tensor:
        """``(texts, width) -> (texts, n_labels)``"""
        place = nn.functional.linear(vectors, self.direction)
        return place * self.ranks.to(place.dtype) + self.bias.to(place.dtype)

    @property
    def bias(self) -> Tensor:
        """*Shape:* ``(n_labels,)``"""
        return self.scaled_bias * _GAIN

    def linear(self) -> nn.Linear:
        """The plain layer that computes the same."""
        of = self.direction
        plain = nn.Linear(of.shape[1], len(self.ranks), device=of.device, dtype=of.dtype)
        with torch.no_grad():
            plain.weight.copy_(self.ranks[:, None] * self.direction)
            plain.bias.copy_(self.bias)
        return plain


def places(n_labels: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Where labels lie on their line, a step apart and around 0: ``3 -> (-1, 0, 1)``. *Shape:* ``(n_labels,)``"""
    return np.arange(n_labels, dtype=np.float64) - (n_labels - 1) / 2


def order_head(classifier: Classifier) -> None:
    """Put an ordered layer in the place of the last linear one.

    :raises SetupError: the network does not end in a linear layer for the labels (``JPT-E098``)
    """
    network = classifier.network
    n_labels = network.config.num_labels
    found = [
        (name, one)
        for name, one in network.named_modules()
        if isinstance(one, nn.Linear) and one.out_features == n_labels
    ]
    if not found:
        raise SetupError("E098", architecture=type(network).__name__)
    name, last = found[-1]
    network.set_submodule(name, OrderedLinear(last))


def merge_order(classifier: Classifier) -> None:
    """Put the plain layer back that computes the same; a network without an ordered one stays as it is."""
    network = classifier.network
    for name, one in list(network.named_modules()):
        if isinstance(one, OrderedLinear):
            network.set_submodule(name, one.linear())
