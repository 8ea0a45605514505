"""TrainConfig: every setting of a training run, checked all at once.

It does not know how the settings are used. ``None`` on a setting that says so means "chosen from the data or
the encoder"; what was chosen is recorded in the run.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, get_args

from jptextclf.errors import ConfigError
from jptextclf.messages import did_you_mean, listing, text

if TYPE_CHECKING:
    from collections.abc import Callable

TaskOption = Literal["auto", "binary", "multiclass", "multilabel"]
ClassWeights = Literal["none", "balanced"]
Precision = Literal["auto", "float32", "bfloat16"]
Metric = Literal["accuracy", "macro_f1", "micro_f1", "weighted_f1", "subset_accuracy"]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run; an invalid one cannot be built.

    :raises ConfigError: one error that lists every problem (``JPT-U021``)
    """

    model: str = "builtin"
    """``builtin``, a directory, the name of an imported model, or a hub id with ``@revision``."""
    dictionary: str | None = None
    """For encoders with words of MeCab or Sudachi, where their files do not name it or name a wrong one."""
    task: TaskOption = "auto"
    """``auto`` reads it from the labels."""
    max_length: int = 256
    """Pieces per text, special tokens included; longer texts are cut at the end."""
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
    """Picks the best epoch on validation. None: ``macro_f1``."""
    patience: int | None = 3
    """Training ends after this many epochs without a better value; 0 or None never ends early."""
    validation_fraction: float = 0.1
    """Share of the training texts held out where no validation split is given."""
    seed: int = 0
    """Of the split, the head, dropout and the order of texts."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: Precision = "auto"
    """Of matrix products in training. ``auto``: bfloat16 where the hardware computes with it, else float32."""
    max_tokens: int = 8192
    """Padded pieces in one micro-batch at most: bounds memory, never changes the result's mathematics."""

    use: str | None = None
    """What the model is for (``jptextclf license list`` names the uses): judged before training. None: the default of
    the policy; without one every use is judged and nothing is stopped."""
    policy: str | None = None
    """File of the company's policy. None: the rules of this package alone."""

    def __post_init__(self) -> None:
        problems = [
            text(
                "config.problem",
                name=name,
                found=repr(getattr(self, name)),
                expected=text(f"config.{expected}"),
            )
            for name, (valid, expected) in _RULES.items()
            if not valid(getattr(self, name))
        ]
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


def _is_device(value: Any) -> bool:
    return isinstance(value, str) and (
        value in {"auto", "cpu", "cuda"}
        or (value.startswith("cuda:") and value[5:].isdecimal() and len(value) <= 8)
    )


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda value: isinstance(value, str) and bool(value.strip()), "a_name"),
    "dictionary": (_or_none(lambda value: isinstance(value, str) and bool(value.strip())), "a_name"),
    "task": (_one_of(TaskOption), "a_task"),
    "max_length": (_whole(3), "max_length_range"),
    "epochs": (_or_none(_whole(1, 10_000)), "whole_from_1"),
    "batch_size": (_whole(1, 1_000_000), "whole_from_1"),
    "learning_rate": (_or_none(_number(0, 1, open_low=True)), "rate"),
    "warmup": (_number(0, 1), "share"),
    "weight_decay": (_number(0, 1), "share"),
    "max_grad_norm": (_number(0, float("inf"), open_low=True), "above_0"),
    "class_weights": (_one_of(ClassWeights), "a_class_weights"),
    "metric": (_or_none(_one_of(Metric)), "a_metric"),
    "patience": (_or_none(_whole(0, 10_000)), "whole_from_0"),
    "validation_fraction": (_number(0, 0.9, open_low=True), "fraction"),
    "seed": (_whole(0, 2**32 - 1), "whole_from_0"),
    "device": (_is_device, "a_device"),
    "precision": (_one_of(Precision), "a_precision"),
    "max_tokens": (_whole(16), "whole_from_16"),
    "use": (_or_none(lambda value: isinstance(value, str) and bool(value.strip())), "a_name"),
    "policy": (_or_none(lambda value: isinstance(value, str) and bool(value.strip())), "a_name"),
}
