"""Export for plain transformers: the model files of a run, as they are.

It writes no card, no licence and no report; the gate does. Only the gate can call it.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from jptextclf.atomic import sha256_of
from jptextclf.bundle import is_document
from jptextclf.errors import ConfigError, SetupError
from jptextclf.exporters._cleared import Cleared

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WEIGHTS = "model.safetensors"
"""The weights of a run, for PyTorch."""


def write_huggingface(cleared: Cleared, directory: Path) -> None:
    """Copy configuration, weights and tokenizer files; each has to be the one in the manifest.

    :raises TypeError: somebody else than the gate calls
    :raises ConfigError: the run is an export in another format (``JPT-U153``)
    :raises SetupError: a file changed since it was verified (``JPT-E060``)
    """
    Cleared.require(cleared)
    files = model_files(cleared)
    if WEIGHTS not in files:
        raise ConfigError("U153", path=cleared.bundle.path, format="huggingface")
    copy_files(cleared.bundle.path, directory, files)


def model_files(cleared: Cleared) -> dict[str, str]:
    """What the model of a run is loaded from: file name -> SHA-256 in its manifest."""
    manifest = json.loads((cleared.bundle.path / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
    return {name: entry["sha256"] for name, entry in sorted(manifest.items()) if not is_document(name)}


def copy_files(source: Path, directory: Path, files: Mapping[str, str]) -> None:
    """Copy files that have to have these hashes.

    :raises SetupError: one has another (``JPT-E060``)
    """
    for name, sha256 in files.items():
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)
        if sha256_of(target) != sha256:
            raise SetupError("E060", path=source, file=name)
