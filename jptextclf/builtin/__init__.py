"""The embedded encoder: package data -> weights, configuration and tokenizer files.

It does not know how it is trained further. What it is made from and what was changed stands in ``NOTICE``
beside the data; :mod:`jptextclf.builtin.make` makes it. Every file is checked against the card before use.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf.builtin.blocks import dequantize
from jptextclf.cards import load_encoder_card
from jptextclf.errors import SetupError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

CARD = "builtin"
"""Name of its card."""
NIBBLES = ".nibbles"
SCALES = ".scales"
"""Endings of the two tensors that hold a matrix in blocks."""

_WEIGHTS = "encoder.safetensors"
_CONFIG = "config.json"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def directory() -> Path:
    """Where the files are; tokenizer and configuration can be opened there like those of any encoder."""
    return Path(str(resources.files(__name__)))


def config() -> dict[str, Any]:
    """The configuration of transformers' ``BertModel``.

    :raises SetupError: the file is missing (``JPT-E005``) or damaged (``JPT-E006``)
    """
    loaded: dict[str, Any] = json.loads(_read(_CONFIG))
    return loaded


def load_state_dict() -> dict[str, torch.Tensor]:
    """All weights, float32, by the names of transformers' ``BertModel``; there is no pooler among them.

    :raises SetupError: the file is missing (``JPT-E005``) or damaged (``JPT-E006``)
    """
    import torch

    return {name: torch.from_numpy(values) for name, values in _load_arrays().items()}


def materialize(target: Path) -> None:
    """Write an ordinary model directory that any tool reads: float32 weights, configuration, tokenizer.

    :raises SetupError: a file is missing (``JPT-E005``) or damaged (``JPT-E006``); then nothing is written
    """
    from safetensors.numpy import save_file

    contents = {name: _read(name) for name in (_CONFIG, *_TOKENIZER, "NOTICE", "LICENSE")}
    arrays = _load_arrays()
    target.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (target / name).write_bytes(data)
    # transformers wants to be told that the tensors have PyTorch's layout.
    save_file(arrays, target / "model.safetensors", metadata={"format": "pt"})


def _load_arrays() -> dict[str, NDArray[np.float32]]:
    from safetensors.numpy import load

    stored = load(_read(_WEIGHTS))
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, values in stored.items():
        if name.endswith(NIBBLES):
            matrix = name.removesuffix(NIBBLES)
            arrays[matrix] = dequantize(values, stored[matrix + SCALES])
        elif not name.endswith(SCALES):
            arrays[name] = values.astype(np.float32)
    return arrays


def _read(name: str) -> bytes:
    """One of the files, once its hash is that of the card."""
    path = directory() / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SetupError("E005", path=path, problem=error.strerror) from error
    expected = load_encoder_card(CARD).files[name]
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise SetupError("E006", path=path, found=found, expected=expected)
    return data
