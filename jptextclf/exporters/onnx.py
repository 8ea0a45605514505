"""ONNX graph of a classifier, in float32 or int8, and what it was compared with.

It writes the graph alone: no configuration, tokenizer or licence. The same classifier gives the same bytes.
"""

from __future__ import annotations

import copy
import logging
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from jptextclf.corpora import local_corpus
from jptextclf.errors import SetupError, WorkError
from jptextclf.exporters.onnx_int8 import quantise_products
from jptextclf.long_texts import encode_texts
from jptextclf.messages import listing, text
from jptextclf.model import Classifier, compute_logits, max_positions
from jptextclf.onnx_model import ONNX_FILES, OnnxClassifier, OnnxNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jptextclf.adapters import TokenizerAdapter
    from jptextclf.config import LongTexts
    from jptextclf.onnx_model import OnnxPrecision

OPSET = 18
"""Version of the operators: the newest that readers of the last years all know."""
TOLERANCE = 1e-3
"""Largest difference between logits of the float32 graph and of PyTorch; float32 rounding stays far below it."""
LEAST_AGREEMENT = 0.99
"""Share of texts with the same labels below which an export says what it lost."""
LARGEST = (1 << 31) - (1 << 24)
"""Bytes of weights that fit into one file: protobuf ends at 2 GiB, and nodes and names need some room."""
_TRACED = (3, 11)
"""Texts and pieces of the batch that the graph is traced with; it is compared on other shapes."""
_COMPARED = ((1, 2), (1, 13), (5, 17), (2, 64), (8, 7), (1, 512))
_CORPUS = "reviews-ja"
_MAX_TOKENS = 256


@dataclass(frozen=True)
class OnnxReport:
    """What was written and how it compares with the classifier in float32."""

    precision: OnnxPrecision
    file: str
    size: int
    """Bytes."""
    opset: int
    inputs: tuple[str, ...]
    """Names of the graph's inputs, all of which it uses."""
    shapes: tuple[tuple[int, int], ...]
    """Texts and longest text, in pieces, of the random batches that were compared; the traced one is not among them."""
    max_difference: float
    """Largest difference of a logit in those batches."""
    n_texts: int
    """Texts whose labels were compared."""
    n_changed: int
    """Texts that got other labels than from the classifier in float32."""

    @property
    def agreement(self) -> float:
        """Share of texts with the same labels."""
        return 1 - self.n_changed / self.n_texts if self.n_texts else 1.0

    @property
    def loss(self) -> str:
        """A sentence about what the export lost, in the language of now; empty where that is too little to tell."""
        if self.agreement >= LEAST_AGREEMENT:
            return ""
        return text(
            "onnx.loss", changed=self.n_changed, n=self.n_texts, agreement=f"{self.agreement:.1%}",
            least=f"{LEAST_AGREEMENT:.0%}",
        )  # fmt: skip

    def lines(self) -> tuple[str, ...]:
        """Sentences for a person."""
        written = text(
            "onnx.written", file=self.file, size=f"{self.size / 1e6:.1f}", opset=self.opset,
            inputs=listing(self.inputs),
        )  # fmt: skip
        compared = text(
            "onnx.compared", n_shapes=len(self.shapes), difference=f"{self.max_difference:.1e}", n=self.n_texts,
            agreement=f"{self.agreement:.1%}",
        )  # fmt: skip
        batches = text("onnx.int8_batches") if self.precision == "int8" else ""
        return tuple(line for line in (written, compared, batches, self.loss) if line)

    def to_json(self) -> dict[str, Any]:
        return {"schema_version": 1, **asdict(self), "agreement": round(self.agreement, 6)}


def write_graphs(
    classifier: Classifier,
    adapter: TokenizerAdapter,
    directory: Path,
    *,
    precisions: Sequence[OnnxPrecision] = ("float32", "int8"),
    max_length: int,
    sample_texts: Sequence[str] | None = None,
    thresholds: Sequence[float] | None = None,
    long_texts: LongTexts = "truncate",
    window_overlap: int = 32,
) -> tuple[OnnxReport, ...]:
    """Write ``model.onnx``, ``model.int8.onnx`` or both into a directory, after comparing them with the classifier.

    :param max_length: pieces per text, special tokens included
    :param sample_texts: whose labels are compared; None takes the reviews that come with this package
    :param thresholds: of a multi-label task, one for each label; None is 0.5
    :param long_texts: how texts beyond ``max_length`` are read when labels are compared
    :returns: one report a precision
    :raises SetupError: a package of the extra is not installed (``JPT-E001``), or PyTorch cannot express this
        encoder as a graph (``JPT-E083``), or its weights do not fit into one file (``JPT-E084``)
    :raises WorkError: the float32 graph computes something else than the classifier (``JPT-W040``)
    """
    _require_packages()
    _require_room(classifier)
    comparison = _Comparison(
        Classifier(_plain_network(classifier)), adapter,
        list(_own_texts() if sample_texts is None else sample_texts), max_length, thresholds,
        long_texts, window_overlap,
    )  # fmt: skip
    graph = _graph_of(comparison.original.network, max_length)
    comparison.require_equal(graph)
    reports = []
    for precision in precisions:
        chosen = quantise_products(graph) if precision == "int8" else graph
        report = comparison.report(chosen, precision)
        (directory / report.file).write_bytes(_bytes(chosen))
        reports.append(report)
    return tuple(reports)


@dataclass(frozen=True)
class _Comparison:
    """A classifier in float32, and on what graphs are compared with it."""

    original: Classifier
    adapter: TokenizerAdapter
    texts: Sequence[str]
    max_length: int
    thresholds: Sequence[float] | None
    long_texts: LongTexts
    window_overlap: int

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Texts and pieces of the longest, of each batch."""
        shapes = ((n_texts, min(longest, self.max_length)) for n_texts, longest in _COMPARED)
        return tuple(dict.fromkeys(shape for shape in shapes if shape != _TRACED))

    def require_equal(self, graph: Any) -> None:
        """:raises WorkError: logits differ by more than rounding (``JPT-W040``)"""
        difference = self._difference(self._opened(graph))
        # Not a number is a difference as well.
        if not difference <= TOLERANCE:
            shapes = listing(self.shapes)
            raise WorkError("W040", difference=f"{difference:.1e}", tolerance=TOLERANCE, shapes=shapes)

    def report(self, graph: Any, precision: OnnxPrecision) -> OnnxReport:
        converted = self._opened(graph)
        return OnnxReport(
            precision=precision, file=ONNX_FILES[precision], size=len(_bytes(graph)), opset=_opset(graph),
            inputs=converted.network.inputs, shapes=self.shapes, max_difference=self._difference(converted),
            n_texts=len(self.texts), n_changed=self._changed(converted),
        )  # fmt: skip

    def _opened(self, graph: Any) -> OnnxClassifier:
        network = OnnxNetwork(Path(ONNX_FILES["float32"]), self.original.network.config, graph=_bytes(graph))
        return OnnxClassifier(network).eval()

    def _difference(self, converted: Classifier) -> float:
        return max(_difference(self.original, converted, shape) for shape in self.shapes)

    def _changed(self, converted: Classifier) -> int:
        """How many texts get other labels."""
        encoded = encode_texts(
            self.adapter, self.texts, max_length=self.max_length, long_texts=self.long_texts,
            window_overlap=self.window_overlap,
        )  # fmt: skip
        config = self.original.network.config
        expected, found = (
            _labels(
                compute_logits(one, encoded.rows, text_splits=encoded.text_splits, max_tokens=_MAX_TOKENS),
                config,
                self.thresholds,
            )
            for one in (self.original, converted)
        )
        return int((expected != found).any(axis=1).sum())


class _LogitsOnly(nn.Module):
    """The network as a function of tensors to one tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.network(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def _require_packages() -> None:
    """:raises SetupError: a package of the extra is not installed (``JPT-E001``)"""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise SetupError("E001", package=package, extra="onnx", what="ONNX") from error


def _require_room(classifier: Classifier) -> None:
    """:raises SetupError: the weights in float32 do not fit into one file (``JPT-E084``)"""
    size = 4 * sum(weight.numel() for weight in classifier.network.parameters())
    if size > LARGEST:
        raise SetupError("E084", size=f"{size / 1e9:.1f}", limit=f"{LARGEST / 1e9:.1f}")


def _plain_network(classifier: Classifier) -> Any:
    """A copy that predicts in float32 on the CPU; the caller's own stays as it is."""
    network = copy.deepcopy(classifier.network).float().cpu().eval()
    # The fused attention of PyTorch guards against rows without any piece, in several nodes a layer.
    network.set_attn_implementation("eager")
    return network


def _graph_of(network: Any, max_length: int) -> Any:
    """The float32 graph, an ``onnx.ModelProto`` with nothing in it about this machine.

    :raises SetupError: PyTorch cannot express the network (``JPT-E083``)
    """
    from torch.export import Dim

    n_texts, longest = _TRACED
    input_ids = torch.zeros(_TRACED, dtype=torch.int64)
    attention_mask = (torch.arange(longest)[None, :] < torch.tensor([longest, 7, 2])[:n_texts, None]).long()
    most = max(max_positions(network.config) or max_length, longest + 1)
    axes = {0: Dim("batch", min=1, max=1 << 16), 1: Dim("length", min=2, max=most)}
    with _quiet_export(), torch.no_grad():
        try:
            program = torch.onnx.export(
                _LogitsOnly(network).eval(), (input_ids, attention_mask), dynamo=True, opset_version=OPSET,
                input_names=["input_ids", "attention_mask"], output_names=["logits"], dynamic_shapes=(axes, axes),
                external_data=False, verbose=False,
            )  # fmt: skip
        except torch.onnx.errors.OnnxExporterError as error:
            problem = str(error).strip().split("\n")[0]
            raise SetupError("E083", architecture=network.config.model_type, problem=problem) from error
    if program is None:
        raise TypeError("torch.onnx.export(dynamo=True) returned nothing")
    graph = program.model_proto
    _forget_origins(graph)
    return graph


def _forget_origins(graph: Any) -> None:
    """Leave out what is there for people who debug exporters: stack traces with paths of this machine among it.

    Inputs that no node uses go as well.
    """
    inner = graph.graph
    carriers = [graph, inner, *inner.node, *inner.initializer, *inner.input, *inner.output, *inner.value_info]
    for one in carriers:
        one.doc_string = ""
        del one.metadata_props[:]
    used = {name for node in inner.node for name in node.input}
    for unused in [one for one in inner.input if one.name not in used]:
        inner.input.remove(unused)


def _bytes(graph: Any) -> bytes:
    written: bytes = graph.SerializeToString(deterministic=True)
    return written


def _opset(graph: Any) -> int:
    return next(int(one.version) for one in graph.opset_import if not one.domain)


def _difference(original: Classifier, converted: Classifier, shape: tuple[int, int]) -> float:
    """Largest difference of a logit in a batch of random ids; the first text is as long as the shape says."""
    n_texts, longest = shape
    drawn = np.random.default_rng([n_texts, longest])
    lengths = np.concatenate([[longest], drawn.integers(2, longest + 1, n_texts - 1)])
    rows = original.network.get_input_embeddings().weight.shape[0]
    ids = drawn.integers(0, rows - 1, int(lengths.sum()))
    # Every row of the table but padding.
    ids[ids >= original.pad_id] += 1
    splits = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]))
    with torch.inference_mode():
        expected, found = (one(torch.from_numpy(ids), splits) for one in (original, converted))
    return float((expected - found).abs().max())


def _own_texts() -> list[str]:
    """The reviews that come with this package."""
    import json

    corpus = local_corpus(_CORPUS)
    lines = [line for path in corpus.files.values() for line in path.read_text(encoding="utf-8").splitlines()]
    return [str(json.loads(line)[corpus.text_column]) for line in lines if line.strip()]


def _labels(
    logits: NDArray[np.float32], config: Any, thresholds: Sequence[float] | None
) -> NDArray[np.int64] | NDArray[np.bool_]:
    """*Shape:* ``(texts, 1)``, or ``(texts, n_labels)`` for a multi-label task"""
    if config.problem_type != "multi_label_classification":
        best: NDArray[np.int64] = logits.argmax(axis=1)[:, None]
        return best
    probabilities = torch.sigmoid(torch.from_numpy(logits)).numpy()
    given: NDArray[np.bool_] = probabilities >= np.array(
        0.5 if thresholds is None else thresholds, np.float32
    )
    return given


@contextmanager
def _quiet_export() -> Iterator[None]:
    """Without what the exporter tells its own developers: about itself, torchvision and axis names."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, message=".*LeafSpec")
            warnings.filterwarnings("ignore", category=UserWarning, message=".*The axis name")
            yield
    finally:
        logger.setLevel(level)
