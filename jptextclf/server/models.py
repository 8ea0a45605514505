"""The models that answer, and how another bundle takes the place of one without a dropped or mixed answer.

A bundle is read, checked against its manifest and asked once before it answers anybody; one that cannot be read changes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from jptextclf.api import license_check, load
from jptextclf.atomic import RUN_RECORD, sha256_of
from jptextclf.errors import ConfigError, LicenseError
from jptextclf.licensing.assessment import Verdict
from jptextclf.messages import listing, text
from jptextclf.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jptextclf.bundle import Bundle, RunPrecision
    from jptextclf.prediction import Predictor

log = logging.getLogger("jptextclf.server")


@dataclass(frozen=True, eq=False)
class Served:
    """One model that answers."""

    name: str
    path: Path
    bundle: Bundle
    predictor: Predictor
    version: str
    """The first 12 digits of the sha256 of the bundle's record, which holds the hash of every file."""
    verdict: dict[str, Any] | None
    """For the use that the server was started for; None where none was named."""

    @property
    def columns(self) -> tuple[str, ...]:
        """That a request must give beside the texts."""
        return self.bundle.extra_columns

    def identity(self) -> dict[str, str]:
        return {"name": self.name, "version": self.version}

    def to_json(self) -> dict[str, Any]:
        """What a client may know of it."""
        bundle = self.bundle
        scores = {
            split: {"n_texts": one["n_texts"], "scores": one["scores"], "intervals": one["intervals"]}
            for split, one in bundle.record.get("scores", {}).items()
        }
        return {
            **self.identity(),
            "task": bundle.schema.task,
            "labels": list(bundle.schema.names),
            "thresholds": list(bundle.thresholds),
            "asks_people": bundle.rule.asks,
            "max_length": bundle.max_length,
            "long_texts": bundle.long_texts,
            "columns": list(self.columns),
            "encoder": bundle.record["encoder"]["name"],
            "precision": bundle.precision or "float32",
            "scores": scores,
            "license": self.verdict,
        }


@dataclass
class Models:
    """Name -> the model that answers now; the first is asked where a request names none."""

    paths: Sequence[Path]
    use: str | None = None
    device: str = "auto"
    precision: RunPrecision | None = None
    served: dict[str, Served] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)
    """Names, sizes and times of the files of bundles that could not be read, so that each is tried and told of once."""

    def load(self) -> None:
        """Read all.

        :raises ConfigError: two have one name (``JPT-U233``)
        :raises LicenseError: a verdict is against the use (``JPT-L013``)
        :raises JptextclfError: one cannot be read
        """
        names = [path.resolve().name for path in self.paths]
        if len(set(names)) < len(names):
            raise ConfigError("U233", names=listing(names))
        for path in self.paths:
            one = self._read(path)
            self.served[one.name] = one

    def find(self, name: str | None) -> Served:
        """:raises Problem: 404, there is none of that name"""
        if name is None:
            return next(iter(self.served.values()))
        if name not in self.served:
            raise Problem(404, "U234", name=name[:100], known=listing(self.served))
        return self.served[name]

    def changed(self) -> list[Path]:
        """Those whose bundle on the disk is another one than that which answers."""
        found = []
        for one in self.served.values():
            # While it is replaced it may be gone for a moment.
            with contextlib.suppress(OSError):
                now = sha256_of(one.path / RUN_RECORD)
                if not now.startswith(one.version) and _stamp(one.path) not in self._refused:
                    found.append(one.path)
        return found

    def try_again(self) -> None:
        """Also look at bundles that could not be read before."""
        self._refused.clear()

    def replace(self, path: Path) -> bool:
        """Read the bundle anew and let it answer from now on; where it cannot be read the old one goes on.

        Requests that are there already are answered by the model that they came for.
        """
        stamp = ""
        try:
            stamp = _stamp(path)
            found = self._read(path)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a new bundle, the old one goes on
            log.error(text("serve.kept", path=path, problem=str(error)))
            self._refused.add(stamp)
            return False
        self.served = {**self.served, found.name: found}
        log.info(text("serve.replaced", name=found.name, version=found.version))
        return True

    def _read(self, path: Path) -> Served:
        """Read a bundle from a copy of its own, so that another one that takes its place meanwhile is no part of it.

        The copy is checked against its manifest; it holds what one bundle holds, or it is refused.
        """
        name = path.resolve().name
        with tempfile.TemporaryDirectory(prefix="jptextclf-serve-", ignore_cleanup_errors=True) as place:
            copied = Path(place) / (name or "run")
            if not path.is_dir():
                # Says what is wrong with it.
                load(path)
            shutil.copytree(path, copied)
            run = load(copied, device=self.device, precision=self.precision)
            verdict = self._verdict(copied, path)
            predictor = run.predictor
            _detach(predictor)
            columns = {one: [""] for one in run.bundle.extra_columns}
            # The first one takes longer, and what cannot compute should say so now.
            predictor.predict(["準備"], columns=columns or None)
            version = sha256_of(copied / RUN_RECORD)[:12]
        return Served(name, path, run.bundle, predictor, version, verdict)

    def _verdict(self, copied: Path, path: Path) -> dict[str, Any] | None:
        if self.use is None:
            return None
        found = license_check(copied, self.use)
        if found.verdict in {Verdict.NEEDS_REVIEW, Verdict.BLOCKED}:
            raise LicenseError("L013", path=path, use=self.use, verdict=str(found.verdict))
        return {"use": self.use, "verdict": str(found.verdict)}


def _stamp(path: Path) -> str:
    """:raises OSError: it is gone"""
    files = sorted((one.relative_to(path).as_posix(), one.stat()) for one in path.rglob("*") if one.is_file())
    return hashlib.sha256(
        repr([(name, found.st_size, found.st_mtime_ns) for name, found in files]).encode()
    ).hexdigest()


def _detach(predictor: Predictor) -> None:
    """Copy weights that are mapped from a file: who writes into the file in place would end the process."""
    network = predictor.classifier.network
    if isinstance(network, torch.nn.Module):
        for one in (*network.parameters(), *network.buffers()):
            one.data = one.data.clone()
