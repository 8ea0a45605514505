"""What a training makes small: logits and what is known of the texts in, one number out.

It does not know the network, nor micro-batches: a loss is a *sum* over texts, which the caller divides by the size of
the whole batch. What is known of each text (its labels, annotators' votes, a teacher's logits) lies inside the loss,
so that the caller names texts by their position alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from jptextclf.config import TrainConfig
from jptextclf.errors import ConfigError
from jptextclf.messages import listing, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jptextclf.model import Classifier

_DEFAULTS = {field.name: field.default for field in fields(TrainConfig)}
_LABELS_ONLY = ("loss", "label_smoothing", "class_weights")
"""Settings that speak of the labels' part of the loss."""


@dataclass(frozen=True, eq=False)
class Loss:
    """The loss of one training; build it with :func:`make_loss`."""

    targets: Tensor
    """Ids ``(texts,)`` int64, or 0/1 ``(texts, n_labels)`` float32 for a multi-label task."""
    weights: Tensor | None = None
    """See :func:`label_weights`.  *Shape:* ``(n_labels,)``"""
    soft: Tensor | None = None
    """Shares of annotators' votes, which are learned in place of the labels.  *Shape:* ``(texts, n_labels)``"""
    teacher_logits: Tensor | None = None
    """*Shape:* ``(texts, n_labels)``"""
    focal_gamma: float = 0.0
    label_smoothing: float = 0.0
    distillation_weight: float = 0.0
    distillation_temperature: float = 1.0

    @property
    def is_multilabel(self) -> bool:
        return self.targets.ndim == 2

    def to(self, device: torch.device | str) -> Loss:
        """The same on one device."""
        tensors = {
            name: value.to(device)
            for name in ("targets", "weights", "soft", "teacher_logits")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **tensors)

    def __call__(self, logits: Tensor, texts: Tensor) -> Tensor:
        """The loss summed over some texts.

        :param logits: *Shape:* ``(texts, n_labels)``, float32
        :param texts: their positions in the split, on the device of the loss.  *Shape:* ``(texts,)``, int64
        :returns: *Shape:* ``()``
        """
        of_labels = self._multilabel if self.is_multilabel else self._single
        if self.teacher_logits is None:
            return of_labels(logits, texts)
        taught = distillation(
            logits,
            self.teacher_logits[texts].to(logits.dtype),
            temperature=self.distillation_temperature,
            is_multilabel=self.is_multilabel,
        )
        share = self.distillation_weight
        return share * taught + (1 - share) * of_labels(logits, texts)

    def _single(self, logits: Tensor, texts: Tensor) -> Tensor:
        labels = self.targets[texts]
        losses = functional.cross_entropy(
            logits,
            labels if self.soft is None else self.soft[texts].to(logits.dtype),
            weight=None if self.weights is None else self.weights.to(logits.dtype),
            label_smoothing=self.label_smoothing,
            reduction="none",
        )
        if self.focal_gamma:
            right = logits.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
            # A probability of 1 leaves 0, whose power below 1 has no slope.
            wrong = (-torch.expm1(right)).clamp(min=torch.finfo(logits.dtype).tiny)
            losses = losses * wrong**self.focal_gamma
        return losses.sum()

    def _multilabel(self, logits: Tensor, texts: Tensor) -> Tensor:
        labels = self.targets[texts].to(logits.dtype)
        shares = labels if self.soft is None else self.soft[texts].to(logits.dtype)
        if self.label_smoothing:
            # Each label is a choice of two: given or not.
            shares = shares * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(
            logits,
            shares,
            pos_weight=None if self.weights is None else self.weights.to(logits.dtype),
            reduction="none",
        )
        if self.focal_gamma:
            sign = 2 * labels - 1
            losses = losses * torch.exp(self.focal_gamma * functional.logsigmoid(-sign * logits))
        return losses.mean(dim=1).sum()


def make_loss(
    config: TrainConfig,
    targets: Tensor,
    *,
    n_labels: int,
    soft: Tensor | None = None,
    teacher_logits: Tensor | None = None,
) -> Loss:
    """The loss that a configuration asks for.

    - Cross entropy; for a multi-label task binary cross entropy, mean over the labels.
    - ``focal`` (Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 4): each text's loss, for a
      multi-label task each label's, times ``(1 - p) ** focal_gamma`` with the probability ``p`` of what is right.
    - ``label_smoothing`` (Szegedy et al. 2016, section 7): that share of a target is spread evenly over all labels;
      for a multi-label task over "given" and "not given".
    - Votes: cross entropy against their shares.
    - A teacher: see :func:`distillation`; the labels' loss has what ``distillation_weight`` leaves.

    :param targets: of the whole training split: ids ``(texts,)`` int64, or 0/1 ``(texts, n_labels)`` float32
    :param soft: shares of annotators' votes.  *Shape:* ``(texts, n_labels)``
    :param teacher_logits: *Shape:* ``(texts, n_labels)``
    :raises ValueError: the shapes do not fit together
    """
    for given in (soft, teacher_logits):
        if given is not None and tuple(given.shape) != (len(targets), n_labels):
            raise ValueError(f"expected the shape {(len(targets), n_labels)}, got {tuple(given.shape)}")
    return Loss(
        targets,
        label_weights(targets, n_labels, config.class_weights),
        soft,
        teacher_logits,
        focal_gamma=config.focal_gamma if config.loss == "focal" else 0.0,
        label_smoothing=config.label_smoothing,
        distillation_weight=config.distillation_weight,
        distillation_temperature=config.distillation_temperature,
    )


def check_losses(config: TrainConfig, *, has_votes: bool = False) -> None:
    """Whether the settings of loss and trained parameters go together.

    :param has_votes: annotators' votes are learned
    :raises ConfigError: some do not, or some would have no effect (``JPT-U140``, all at once)
    """
    problems = list(_contradictions(config, has_votes=has_votes))
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise ConfigError("U140", n=len(problems), problems=lines)


def _contradictions(config: TrainConfig, *, has_votes: bool) -> Iterator[str]:
    def changed(names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(config, name) != _DEFAULTS[name]]

    votes = ["votes_column"] if has_votes else []
    needed: dict[str, tuple[str, ...]] = {
        "loss = focal": () if config.loss == "focal" else ("focal_gamma",),
        "teacher": () if config.teacher else ("distillation_weight", "distillation_temperature"),
        "lora_rank": () if config.lora_rank else ("lora_alpha",),
    }
    for need, names in needed.items():
        for name in changed(names):
            yield text("losses.without_effect", name=name, need=need)
    if config.mode == "features" and has_votes:
        yield text("losses.votes_and_features")
    if has_votes and config.loss == "focal":
        yield text("losses.focal_and_votes")
    if config.teacher and config.distillation_weight == 0:
        yield text("losses.teacher_unheard")
    if config.teacher and config.distillation_weight == 1 and (unheard := changed(_LABELS_ONLY) + votes):
        yield text("losses.labels_unheard", names=listing(unheard))


def distillation(
    logits: Tensor, teacher_logits: Tensor, *, temperature: float, is_multilabel: bool
) -> Tensor:
    """How far the student is from the teacher, summed over texts.

    Kullback-Leibler divergence of both sides' probabilities at a temperature, times its square, which keeps the
    size of the gradient (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2). For a
    multi-label task each label is a choice of two, and the mean over the labels is taken.

    :param logits: of the student.  *Shape:* ``(texts, n_labels)``
    :param teacher_logits: *Shape:* ``(texts, n_labels)``
    """
    student, teacher = logits / temperature, teacher_logits / temperature
    if is_multilabel:
        chosen = teacher.sigmoid()
        given = functional.logsigmoid(teacher) - functional.logsigmoid(student)
        not_given = functional.logsigmoid(-teacher) - functional.logsigmoid(-student)
        divergences = (chosen * given + (1 - chosen) * not_given).mean(dim=1)
    else:
        divergences = functional.kl_div(
            student.log_softmax(dim=1), teacher.log_softmax(dim=1), reduction="none", log_target=True
        ).sum(dim=1)
    return temperature**2 * divergences.sum()


def loss_sum(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross entropy against the labels, summed over texts; for a multi-label task binary cross entropy, mean over labels.

    :param logits: *Shape:* ``(texts, n_labels)``, float32
    :param targets: ids ``(texts,)`` int64, or 0/1 ``(texts, n_labels)`` float32
    :param weights: of each label, see :func:`label_weights`.  *Shape:* ``(n_labels,)``
    """
    return Loss(targets, weights)(logits, torch.arange(len(targets), device=targets.device))


def label_weights(targets: Tensor, n_labels: int, kind: str) -> Tensor | None:
    """Weights of ``class_weights``; None where all weigh the same.

    Single-label: ``texts / (labels * texts with the label)``, the "balanced" heuristic of King and Zeng (2001),
    with mean 1 over the texts. Multi-label: the weight of a positive, ``texts without / texts with``.

    :returns: *Shape:* ``(n_labels,)``
    """
    if kind == "none":
        return None
    if targets.ndim == 2:
        positive = targets.sum(dim=0).clamp(min=1)
        return ((len(targets) - positive) / positive).clamp(min=1 / len(targets))
    counts = torch.bincount(targets, minlength=n_labels).float()
    present = counts > 0
    return torch.where(
        present, len(targets) / (present.sum() * counts.clamp(min=1)), torch.zeros_like(counts)
    )


def start_from_frequencies(classifier: Classifier, targets: Tensor) -> None:
    """Let each label of a multi-label task start with the probability that it has in the training texts.

    A bias of 0 says 0.5 to every label, most of which are rare, and the first steps go into unlearning that. (Lin et
    al. 2017, "Focal Loss for Dense Object Detection", section 3.3, start the same way.)

    :param targets: 0/1.  *Shape:* ``(texts, n_labels)``
    """
    n_texts, n_labels = targets.shape
    share = (targets.sum(dim=0) + 0.5) / (n_texts + 1)
    layers = [
        layer
        for layer in classifier.modules()
        if isinstance(layer, nn.Linear) and layer.out_features == n_labels
    ]
    if layers and layers[-1].bias is not None:
        with torch.no_grad():
            layers[-1].bias.copy_(torch.logit(share))
