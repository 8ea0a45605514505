"""Export for ONNX Runtime: the graphs of a run in float32 and int8, with its configuration and tokenizer files.

It writes no card, no licence and no report; the gate does. Only the gate can call it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jptextclf.errors import ConfigError
from jptextclf.exporters._cleared import Cleared
from jptextclf.exporters.huggingface import WEIGHTS, copy_files, model_files
from jptextclf.exporters.onnx import write_graphs

if TYPE_CHECKING:
    from pathlib import Path

    from jptextclf.exporters.onnx import OnnxReport


def write_onnx_directory(cleared: Cleared, directory: Path) -> tuple[OnnxReport, ...]:
    """Write both graphs and what is read beside them.

    :raises TypeError: somebody else than the gate calls
    :raises ConfigError: the run is an export in another format (``JPT-U153``)
    :raises SetupError, WorkError: as :func:`jptextclf.exporters.onnx.write_graphs`
    """
    Cleared.require(cleared)
    bundle, files = cleared.bundle, model_files(cleared)
    if WEIGHTS not in files:
        raise ConfigError("U153", path=bundle.path, format="onnx")
    copy_files(bundle.path, directory, {name: sha256 for name, sha256 in files.items() if name != WEIGHTS})
    classifier, adapter, _ = bundle.load_model("cpu")
    return write_graphs(
        classifier, adapter, directory, max_length=bundle.max_length, thresholds=bundle.thresholds,
        long_texts=bundle.long_texts, window_overlap=bundle.window_overlap,
    )  # fmt: skip
