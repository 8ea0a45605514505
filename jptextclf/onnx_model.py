"""A classifier whose network is an ONNX graph, computed by ONNX Runtime on the CPU.

It does not know how the graph was made. Ragged piece ids go in and logits come out as with
:class:`jptextclf.model.Classifier`, so that whatever predicts with the one predicts with the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import listing
from jptextclf.model import Classifier

OnnxPrecision = Literal["float32", "int8"]
ONNX_FILES: dict[OnnxPrecision, str] = {"float32": "model.onnx", "int8": "model.int8.onnx"}
"""Precision -> name of the graph's file in an export."""

_CPU_INFO = Path("/proc/cpuinfo")
_WIDE_SUMS = frozenset({"avx512_vnni", "avx_vnni"})
"""Names that Linux has for instructions of x86 that add products of int8 in 32 bits."""


class Logits(NamedTuple):
    """What a network of transformers returns, as far as a classifier looks at it."""

    logits: Tensor
    """*Shape:* ``(texts, n_labels)``, float32"""


class OnnxNetwork:
    """A graph with the call of a ``…ForSequenceClassification``. Threads may share it; it can be pickled.

    :param path: the graph's file
    :param config: of transformers, with label names and the padding id
    :param graph: the graph's bytes, where there is no file yet
    :raises SetupError: onnxruntime is not installed (``JPT-E001``), or cannot read the graph (``JPT-E080``)
    """

    def __init__(self, path: Path, config: Any, *, graph: bytes | None = None) -> None:
        self.path = path
        self.config = config
        self._graph = graph
        self._session = _open_session(path, graph)
        self.inputs = tuple(one.name for one in self._session.get_inputs())
        """Names of the graph's inputs: those that it really uses."""

    def __call__(self, *, input_ids: Tensor, attention_mask: Tensor) -> Logits:
        """
        :param input_ids: piece ids, padded at the right.   *Shape:* ``(texts, longest)``, int64
        :param attention_mask: 1 where there is a piece.    *Shape:* ``(texts, longest)``, int64
        """
        given = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        (logits,) = self._session.run(None, {name: given[name] for name in self.inputs})
        return Logits(torch.from_numpy(logits))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.path, self.config, self._graph)


class OnnxClassifier(Classifier):
    """A classifier over an :class:`OnnxNetwork`; it has no weights that training or saving could reach."""

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")


def load_onnx_classifier(directory: Path, *, precision: OnnxPrecision | None = None) -> OnnxClassifier:
    """The classifier of an ONNX export.

    :param precision: which graph, where there are several; None takes the only one, else ``float32``
    :raises ConfigError: there is no such precision (``JPT-U160``)
    :raises SetupError: the directory holds no such graph (``JPT-E081``), its configuration cannot be read
        (``JPT-E082``), or as :class:`OnnxNetwork`
    """
    from transformers import AutoConfig

    path = find_graph(directory, precision)
    try:
        config = AutoConfig.from_pretrained(str(directory), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        problem = str(error).strip().split("\n")[0] or type(error).__name__
        raise SetupError("E082", path=directory, problem=problem) from error
    return OnnxClassifier(OnnxNetwork(path, config)).eval()


def find_graph(directory: Path, precision: OnnxPrecision | None = None) -> Path:
    """The file of the graph; which one: see :func:`load_onnx_classifier`."""
    if precision is not None and precision not in ONNX_FILES:
        raise ConfigError("U160", found=precision, known=listing(get_args(OnnxPrecision)))
    wanted = list(ONNX_FILES.values()) if precision is None else [ONNX_FILES[precision]]
    for name in wanted:
        if (directory / name).is_file():
            return directory / name
    raise SetupError("E081", path=directory, expected=listing(wanted))


def _open_session(path: Path, graph: bytes | None) -> Any:
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise SetupError("E001", package="onnxruntime", extra="onnx", what=path.name) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "0" if _adds_in_32_bits() else "1")
    unreadable = (
        state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile,
        state.NotImplemented, state.RuntimeException,
    )  # fmt: skip
    try:
        return onnxruntime.InferenceSession(
            str(path) if graph is None else graph, options, providers=["CPUExecutionProvider"]
        )
    except unreadable as error:
        problem = str(error).strip().split("\n")[0]
        raise SetupError("E080", path=path, problem=problem, version=onnxruntime.__version__) from error


def _adds_in_32_bits() -> bool:
    """Whether this CPU is known to add products of int8 without clipping sums to 16 bits.

    Where it clips them, labels change unless ONNX Runtime is told to take exact products (its
    ``onnxruntime_session_options_config_keys.h``, ``kOrtSessionOptionsAvx2PrecisionMode``). Where it does not, those
    give the same values some 1.5 times slower. On other processors than x86, the option changes nothing.
    """
    return _CPU_INFO.is_file() and not _WIDE_SUMS.isdisjoint(_CPU_INFO.read_text("utf-8", "replace").split())


def _rebuild(path: Path, config: Any, graph: bytes | None) -> OnnxNetwork:
    return OnnxNetwork(path, config, graph=graph)
