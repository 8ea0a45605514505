"""How this process was started: alone, or with others by ``torchrun`` or ``accelerate launch``.

Both say so in environment variables. The names of the second are those of accelerate 1.15
(``accelerate/utils/launch.py``). It does not know what the processes do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from jptextclf.errors import SetupError

_PRECISIONS = {"bf16": "bfloat16"}
_WHOLE = ("NO_SHARD", "3")
_KEPT = ("SHARD_GRAD_OP", "2")
_CUT = ("FULL_SHARD", "1")
_WRAPS = ("TRANSFORMER_BASED_WRAP", "SIZE_BASED_WRAP", "NO_WRAP")
_REFUSED = (
    "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM", "ACCELERATE_USE_PARALLELISM_CONFIG",
    "FSDP_OFFLOAD_PARAMS", "FSDP_ACTIVATION_CHECKPOINTING_OFFLOAD",
)  # fmt: skip


def rank() -> int:
    """Number of this process among those that were started together, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_main() -> bool:
    """Whether this process writes and speaks."""
    return rank() == 0


def size() -> int:
    """How many processes were started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def go_alone() -> None:
    """Work as if nobody had been started with this process."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)


def local_rank() -> int:
    """Number of this process among those of the same machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@dataclass(frozen=True)
class Sharding:
    """How a model is cut into shares, one for each process (FSDP)."""

    wrap: str = "NO_WRAP"
    """Which parts are gathered apart: ``TRANSFORMER_BASED_WRAP``, ``SIZE_BASED_WRAP``, or ``NO_WRAP``: all at once."""
    layer_classes: tuple[str, ...] = ()
    """For ``TRANSFORMER_BASED_WRAP``; empty: the layers of the encoder."""
    least_parameters: int = 0
    """For ``SIZE_BASED_WRAP``."""
    reshard: bool = True
    """Give what was gathered back after the forward pass, and gather it again for the backward pass."""
    recompute: bool = False
    """Compute activations again in the backward pass."""


def mixed_precision() -> str | None:
    """What ``accelerate launch --mixed_precision`` asks for, by torch's name; None where it leaves that open.

    :raises SetupError: float16 and float8, whose gradients need scaling (``JPT-E096``)
    """
    asked = os.environ.get("ACCELERATE_MIXED_PRECISION", "no").lower()
    if asked == "no":
        return None
    if asked not in _PRECISIONS:
        raise refusal("ACCELERATE_MIXED_PRECISION", "no, bf16")
    return _PRECISIONS[asked]


def sharding() -> Sharding | None:
    """What ``accelerate launch --use_fsdp`` asks for; None where each process has the whole model.

    Settings that only say how fast it is or how accelerate would write it (prefetching, the type of state dicts,
    loading on one process first) are not read.

    :raises SetupError: something that cannot be done is asked for (``JPT-E096``)
    """
    for name in _REFUSED:
        if _is_on(name):
            raise refusal(name, "false")
    if not _is_on("ACCELERATE_USE_FSDP"):
        return None
    if os.environ.get("FSDP_IGNORED_MODULES"):
        raise refusal("FSDP_IGNORED_MODULES", "-")
    reshard = _reshard()
    wrap = os.environ.get("FSDP_AUTO_WRAP_POLICY", "NO_WRAP").upper()
    if wrap not in _WRAPS:
        raise refusal("FSDP_AUTO_WRAP_POLICY", ", ".join(_WRAPS))
    if reshard is None or size() == 1:
        return None
    classes = os.environ.get("FSDP_TRANSFORMER_CLS_TO_WRAP", "")
    return Sharding(
        wrap=wrap,
        layer_classes=tuple(one.strip() for one in classes.split(",") if one.strip()),
        least_parameters=int(float(os.environ.get("FSDP_MIN_NUM_PARAMS", "0"))),
        reshard=reshard,
        recompute=_is_on("FSDP_ACTIVATION_CHECKPOINTING"),
    )


def _reshard() -> bool | None:
    """None: nothing is cut. Version 1 names a strategy, version 2 says true or false."""
    if os.environ.get("FSDP_VERSION", "1") == "2":
        return os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() in {"true", "1"}
    name = (
        "FSDP_SHARDING_STRATEGY" if "FSDP_SHARDING_STRATEGY" in os.environ else "FSDP_RESHARD_AFTER_FORWARD"
    )
    strategy = os.environ.get(name, "FULL_SHARD").upper()
    if strategy in _WHOLE:
        return None
    if strategy not in (*_CUT, *_KEPT):
        raise refusal(name, ", ".join((_CUT[0], _KEPT[0], _WHOLE[0])))
    return strategy in _CUT


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() in {"true", "1", "yes", "on"}


def refusal(name: str, known: str, value: str | None = None) -> SetupError:
    """The error of a launcher's setting that cannot be followed; all processes have it, and one says it.

    :param name: of the environment variable
    :param known: what it may be, for a person
    :param value: what is wrong in it; None: all of it
    """
    error = SetupError("E096", name=name, value=value or os.environ.get(name, ""), known=known)
    error.is_told = not is_main()
    return error
