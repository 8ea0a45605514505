"""TrainConfig: every setting of a training run, checked all at once.

It does not know how the settings are used. ``None`` on a setting that says so means "chosen from the data or
the encoder"; what was chosen is recorded in the run.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral, Real
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from jptextclf.errors import ConfigError
from jptextclf.messages import did_you_mean, listing, text

if TYPE_CHECKING:
    from collections.abc import Callable

TaskOption = Literal["auto", "binary", "multiclass", "ordinal", "multilabel"]
ClassWeights = Literal["none", "balanced"]
Precision = Literal["auto", "float32", "bfloat16"]
Metric = Literal[
    "accuracy", "macro_f1", "micro_f1", "weighted_f1", "subset_accuracy", "quadratic_weighted_kappa"
]
Mode = Literal["finetune", "features"]
Loss = Literal["cross_entropy", "focal"]
LongTexts = Literal["truncate", "head_tail", "windows"]
Attention = Literal["auto", "flash", "varlen", "flex", "grouped", "padded"]
Pooling = Literal["first", "mean"]
Head = Literal["logistic", "svm", "lightgbm"]
Tracker = Literal["tensorboard", "mlflow", "wandb", "trackio"]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run; an invalid one cannot be built.

    :raises ConfigError: one error that lists every problem (``JPT-U021``)
    """

    mode: Mode = "finetune"
    """``finetune`` trains the encoder with a head; ``features`` keeps the encoder as it is and trains only a head on
    its vectors."""
    few_shot: bool = False
    """For some dozens of texts: try frozen vectors, with and without n-grams, and fine-tuning in folds, and train the best
    way on all texts; the folds take the place of a validation split (:mod:`jptextclf.few_labels`)."""
    model: str = "builtin"
    """``builtin``, a directory, the name of an imported model, or a hub id with ``@revision``."""
    dictionary: str | None = None
    """For encoders with words of MeCab or Sudachi, where their files do not name it or name a wrong one."""
    task: TaskOption = "auto"
    """``auto`` reads it from the labels; ``ordinal`` is for labels that are a scale, such as stars, and is never
    guessed."""
    label_order: tuple[str, ...] = ()
    """All labels from the lower to the upper end of the scale, or in the order in which they are to be shown. Empty:
    numbers by size, other names by code point."""
    max_length: int = 256
    """Pieces per text, special tokens included; ``long_texts`` says what happens to longer texts."""
    long_texts: LongTexts = "truncate"
    """``truncate`` keeps the beginning, ``head_tail`` a quarter from the beginning and the rest from the end,
    ``windows`` everything: overlapping windows, whose logits are averaged."""
    window_overlap: int = 32
    """Pieces that neighbouring windows share."""

    epochs: int | None = None
    """Passes over the training texts. None: by their number (:func:`default_epochs`)."""
    batch_size: int = 32
    """Texts per optimizer step, however many micro-batches they are computed in."""
    learning_rate: float | None = None
    """Peak of the schedule. None: by the encoder's width (:func:`default_learning_rate`)."""
    warmup: float = 0.1
    """Share of all steps in which the learning rate rises to its peak; then it falls linearly to 0."""
    weight_decay: float = 0.01
    """AdamW's; not applied to biases and norms."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm."""
    class_weights: ClassWeights = "none"
    """``balanced`` weighs each label by ``texts / (labels * texts with it)``."""
    metric: Metric | None = None
    """Picks the best epoch on validation. None: ``macro_f1``, or ``quadratic_weighted_kappa`` of an ordinal task."""
    patience: int | None = 3
    """Training ends after this many epochs without a better value; 0 or None never ends early."""
    validation_fraction: float = 0.1
    """Share of the training texts held out where no validation split is given."""
    calibrate: bool = True
    """Divide the logits by temperatures that the validation texts chose, so that probabilities mean what they say."""
    seed: int = 0
    """Of the split, the head, dropout and the order of texts."""

    loss: Loss = "cross_entropy"
    """``focal`` turns down texts that are already right (Lin et al. 2017)."""
    focal_gamma: float = 2.0
    """Exponent of the focal loss; 0 is cross entropy."""
    label_smoothing: float = 0.0
    """Share of each target that is spread evenly over all labels."""
    teacher: str | None = None
    """Run directory of a larger model whose probabilities are learned beside the labels."""
    distillation_weight: float = 0.5
    """Share of the teacher in the loss; the labels have the rest."""
    distillation_temperature: float = 2.0
    """Both sides' logits are divided by it before the softmax (Hinton et al. 2015)."""

    layer_decay: float = 1.0
    """Learning rate of each layer as a share of that of the layer above; 1 is the same for all."""
    frozen_layers: int = 0
    """Lower layers that stay as they are; the embeddings stay too unless it is 0."""
    lora_rank: int = 0
    """Train low-rank additions of this rank to queries and values instead of the encoder; 0 trains the encoder. They
    are added to the weights before saving."""
    lora_alpha: float | None = None
    """Scale of these additions, divided by the rank. None: twice the rank."""

    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: Precision = "auto"
    """Of matrix products in training. ``auto``: bfloat16 where the hardware computes with it, else float32."""
    max_tokens: int = 8192
    """Pieces in one micro-batch at most: bounds memory, never changes the result's mathematics."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, about a third slower."""
    attention: Attention = "auto"
    """How texts of different length are computed together: ``auto`` takes the fastest that the device has;
    ``padded`` pads, the only way for some architectures."""
    checkpoint_steps: int | None = None
    """A checkpoint after every so many steps. None: after every epoch."""
    trackers: tuple[Tracker, ...] = ()
    """Where losses and scores are sent while training runs; each needs its package."""

    pooling: Pooling = "mean"
    """Features: a text's vector is that of its first piece, or the mean over its pieces."""
    pooled_layers: int | None = None
    """Features: how many of the encoder's last layers are put side by side. None: 4, or all where it has fewer."""
    head: Head = "logistic"
    """Features: ``logistic`` regression, linear ``svm``, or ``lightgbm`` (an extra)."""
    extra_columns: tuple[str, ...] = ()
    """Features: columns of the same file that are joined to the vectors, numbers or categories."""
    ngrams: bool = False
    """Features: join the text's character n-grams, too."""

    use: str | None = None
    """What the model is for (``jptextclf license list`` names the uses): judged before training. None: the default of
    the policy; without one every use is judged and nothing is stopped."""
    policy: str | None = None
    """File of the company's policy. None: the rules of this package alone."""

    def __post_init__(self) -> None:
        for name in ("trackers", "extra_columns", "label_order"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        found = (problem_of(name, getattr(self, name)) for name in _RULES)
        problems = [problem for problem in found if problem is not None]
        for field in fields(self):
            value = getattr(self, field.name)
            # numpy's numbers are numbers, but not JSON's.
            if isinstance(value, Integral) and not isinstance(value, bool):
                object.__setattr__(self, field.name, int(value))
            elif isinstance(value, Real) and not isinstance(value, (bool, int)):
                object.__setattr__(self, field.name, float(value))
        if problems:
            raise ConfigError("U021", n=len(problems), problems="\n".join(f"  - {line}" for line in problems))

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> TrainConfig:
        """Settings by name.

        :raises ConfigError: an unknown name (``JPT-U022``, with the closest one) or a bad value
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise ConfigError("U022", name=name, known=listing(known, 30), hint=did_you_mean(name, known))
        return cls(**options)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


_GROUP_STARTS = {
    "mode": "model", "epochs": "training", "loss": "targets", "layer_decay": "parameters", "device": "computing",
    "pooling": "features", "use": "license",
}  # fmt: skip


def groups() -> dict[str, str]:
    """Every setting -> the group under whose heading it is shown: fields up to the next start belong together."""
    found, group = {}, ""
    for field in fields(TrainConfig):
        group = _GROUP_STARTS.get(field.name, group)
        found[field.name] = group
    return found


@dataclass(frozen=True)
class Kind:
    """Which values an option takes, as its annotation says."""

    type: type
    """``str``, ``int``, ``float``, ``bool``, ``Path``, or ``tuple`` for several names."""
    choices: tuple[str, ...] = ()
    optional: bool = False
    """Whether None, "chosen from the data or the encoder", is a value."""


def kinds(options: type[Any]) -> dict[str, Kind]:
    """Every field of a dataclass of options -> its kind; the one home of option names and types.

    :param options: :class:`TrainConfig`, or another whose annotations have the same forms
    """
    hints = get_type_hints(options)
    return {name: _kind(hints[name]) for name in (field.name for field in fields(options))}


def _kind(hint: Any) -> Kind:
    if get_origin(hint) is UnionType or get_origin(hint) is Union:
        (inner,) = (one for one in get_args(hint) if one is not type(None))
        return replace(_kind(inner), optional=True)
    if get_origin(hint) is Literal:
        return Kind(str, get_args(hint))
    if get_origin(hint) is tuple:
        return replace(_kind(get_args(hint)[0]), type=tuple)
    return Kind(hint)


def problem_of(name: str, value: Any) -> str | None:
    """What is wrong with a value of this setting, as a sentence; None where it is right."""
    valid, expected = _RULES[name]
    if valid(tuple(value) if isinstance(value, list) else value):
        return None
    return text("config.problem", name=name, found=shown(value), expected=text(f"config.{expected}"))


def shown(value: Any) -> str:
    """A value in a sentence: as Python writes it, and not longer than a line."""
    found = repr(value)
    return found if len(found) <= 100 else f"{found[:100]}…"


def default_learning_rate(width: int) -> float:
    """Peak learning rate for an encoder of this hidden width: the narrower, the higher.

    1e-4 up to 512 (measured on the embedded encoder: better than 5e-5 and 2e-4 on Japanese reviews), 5e-5 up
    to 768 and 2e-5 above, the upper and lower end of the range that the BERT paper searched
    (Devlin et al. 2019, appendix A.3).
    """
    if width <= 512:
        return 1e-4
    return 5e-5 if width <= 768 else 2e-5


def default_epochs(n_texts: int, batch_size: int) -> int:
    """As many as give about 550 steps, at least 3 and at most 12.

    About 3,500 Japanese hotel reviews (110 steps an epoch) still gained from a fourth and fifth epoch; 16,000
    texts do not need them.
    """
    steps_per_epoch = max(1, -(-n_texts // batch_size))
    return min(12, max(3, -(-550 // steps_per_epoch)))


def _whole(low: int, high: int = 2**31 - 1) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high
    )


def _number(low: float, high: float, *, open_low: bool = False) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        return is_number and (low < value if open_low else low <= value) and value <= high

    return check


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _one_of(choices: Any) -> Callable[[Any], bool]:
    return lambda value: value in get_args(choices)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_device(value: Any) -> bool:
    return isinstance(value, str) and (
        value in {"auto", "cpu", "cuda"}
        or (value.startswith("cuda:") and value[5:].isdecimal() and len(value) <= 8)
    )


def _some_of(choices: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(one in get_args(choices) for one in value)


def _is_names(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, str) and one.strip() for one in value)


def _is_labels(value: Any) -> bool:
    return _is_names(value) and len(set(value)) == len(value)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "mode": (_one_of(Mode), "a_mode"),
    "few_shot": (_is_flag, "a_flag"),
    "model": (lambda value: isinstance(value, str) and bool(value.strip()), "a_name"),
    "dictionary": (_or_none(lambda value: isinstance(value, str) and bool(value.strip())), "a_name"),
    "task": (_one_of(TaskOption), "a_task"),
    "label_order": (_is_labels, "some_labels"),
    "max_length": (_whole(3), "max_length_range"),
    "long_texts": (_one_of(LongTexts), "a_long_texts"),
    "window_overlap": (_whole(0), "whole_from_0"),
    "epochs": (_or_none(_whole(1, 10_000)), "whole_from_1"),
    "batch_size": (_whole(1, 1_000_000), "whole_from_1"),
    "learning_rate": (_or_none(_number(0, 1, open_low=True)), "rate"),
    "warmup": (_number(0, 1), "share"),
    "weight_decay": (_number(0, 1), "share"),
    "max_grad_norm": (_number(0, 1e30, open_low=True), "above_0"),
    "class_weights": (_one_of(ClassWeights), "a_class_weights"),
    "loss": (_one_of(Loss), "a_loss"),
    "focal_gamma": (_number(0, 100), "from_0"),
    "label_smoothing": (_number(0, 0.99), "share_below_1"),
    "teacher": (_or_none(lambda value: isinstance(value, str) and bool(value.strip())), "a_name"),
    "distillation_weight": (_number(0, 1), "share"),
    "distillation_temperature": (_number(0, 1000, open_low=True), "above_0"),
    "layer_decay": (_number(0, 1, open_low=True), "rate"),
    "frozen_layers": (_whole(0), "whole_from_0"),
    "gradient_checkpointing": (_is_flag, "a_flag"),
    "lora_rank": (_whole(0, 4096), "whole_from_0"),
    "lora_alpha": (_or_none(_number(0, 1e6, open_low=True)), "above_0"),
    "metric": (_or_none(_one_of(Metric)), "a_metric"),
    "patience": (_or_none(_whole(0, 10_000)), "whole_from_0"),
    "validation_fraction": (_number(0, 0.9, open_low=True), "fraction"),
    "calibrate": (_is_flag, "a_flag"),
    "seed": (_whole(0, 2**32 - 1), "whole_from_0"),
    "device": (_is_device, "a_device"),
    "precision": (_one_of(Precision), "a_precision"),
    "max_tokens": (_whole(16), "whole_from_16"),
    "attention": (_one_of(Attention), "an_attention"),
    "checkpoint_steps": (_or_none(_whole(1)), "whole_from_1"),
    "trackers": (_some_of(Tracker), "some_trackers"),
    "pooling": (_one_of(Pooling), "a_pooling"),
    "pooled_layers": (_or_none(_whole(1, 1000)), "whole_from_1"),
    "head": (_one_of(Head), "a_head"),
    "extra_columns": (_is_names, "some_names"),
    "ngrams": (_is_flag, "a_flag"),
    "use": (_or_none(lambda value: isinstance(value, str) and bool(value.strip())), "a_name"),
    "policy": (_or_none(lambda value: isinstance(value, str) and bool(value.strip())), "a_name"),
}
