"""Where a model computes and how precisely. It does not know what it computes."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from jptextclf.errors import SetupError, WorkError
from jptextclf.launched import mixed_precision

if TYPE_CHECKING:
    from collections.abc import Iterator


def choose_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` -> a device that is there.

    ``auto`` takes the first GPU that can be used, else the CPU.

    :raises SetupError: a GPU was asked for and cannot be used (``JPT-E043``)
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type != "cuda":
        return device
    index = device.index or 0
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        raise SetupError(
            "E043",
            device=name,
            n=torch.cuda.device_count(),
            build=torch.version.cuda or "CPU",
            torch=torch.__version__,
        )
    return torch.device("cuda", index)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type of matrix products in training: ``auto`` is bfloat16 where the hardware computes with it.

    Emulated bfloat16 is slower than float32, so a CPU needs AVX512-BF16 or AMX. What ``accelerate launch
    --mixed_precision`` asks for wins over ``auto``.

    :raises SetupError: that is float16 or float8 (``JPT-E096``)
    """
    asked = (mixed_precision() or name) if name == "auto" else name
    if asked != "auto":
        chosen: torch.dtype = getattr(torch, asked)
        return chosen
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    return torch.bfloat16 if cpu_has_bfloat16() else torch.float32


@lru_cache(maxsize=1)
def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware; False where that cannot be found out."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return False
    for line in cpuinfo.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(("flags", "Features")):
            flags = set(line.partition(":")[2].split())
            return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})
    return False


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """The context in which matrix products use ``precision``; nothing changes for float32."""
    if precision == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=precision)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Running out of memory, on a GPU or not, becomes one error that says what to do.

    :raises WorkError: ``JPT-W013``
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_memory_error(error):
            raise
        raise WorkError("W013") from error


def is_memory_error(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or not."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # On a CPU nothing more special is raised than a RuntimeError: by the allocator, and by oneDNN.
    return any(words in str(error) for words in ("can't allocate memory", "could not create a primitive"))


def peak_memory(device: torch.device) -> int | None:
    """Bytes at the highest so far: of the GPU's tensors, or of this process on a CPU; None where unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return None
    import resource

    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
