"""``lock.json`` of a run: everything that a training's result depends on, to train again or to say what is different.

It does not know how training works. Under the same lock, on the same machine, a training gives the same weights.

====================  =================================================================================
``settings``          with every "chosen from the data or the encoder" decided
``encoder``           name, revision, sha256 of its files
``teacher``           the same of the larger model that is learned from; null without one
``tokenizer``         adapter with its options, sha256 of its files
``dictionary``        name, version, sha256 for words of MeCab or Sudachi; else null
``data``              sha256 of each file, columns, and of each split that of labels and pieces as they are learned
``environment``       Python, platform, packages, device, threads: a difference is warned of, not refused
====================  =================================================================================
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from jptextclf.atomic import sha256_of
from jptextclf.bundle import LOCK
from jptextclf.errors import ConfigError
from jptextclf.messages import listing, text
from jptextclf.settings import LOCKED
from jptextclf.strict_json import DECODER

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from jptextclf.experiment import Prepared

SCHEMA_VERSION = 1
_SECTIONS = ("settings", "encoder", "teacher", "tokenizer", "dictionary", "data", "environment")
_MORE_PACKAGES = ("accelerate", "scikit-learn", "peft", "lightgbm")
_PLACES = {"model", "teacher", "policy"}
"""Settings that say where something is: what is there is compared by its hash."""
_WITHOUT_EFFECT = {"use", "trackers", "checkpoint_steps"}
_ROUNDING = {"device", "precision", "attention", "max_tokens", "gradient_checkpointing"}
"""Settings that say where and how fast the same is computed; sums may be rounded differently."""
_NAMES = {"encoder.name", "encoder.revision", "encoder.kind", "teacher.name", "tokenizer.name", "data.source"}
"""What a hash beside them says better."""


@dataclass(frozen=True)
class Difference:
    """One place in which two locks differ; ``str()`` is a sentence."""

    name: str
    """Section and key: ``settings.epochs``."""
    before: Any
    now: Any
    changes_result: bool
    """False for what can change rounding at most: versions, platform, device."""

    def __str__(self) -> str:
        return text("run_lock.difference", name=self.name, before=_short(self.before), now=_short(self.now))


def make_lock(prepared: Prepared, data_record: Mapping[str, Any]) -> dict[str, Any]:
    """The lock of a training, which is the same before and after it.

    :param data_record: ``DataSummary.to_json()`` of the data that were loaded
    """
    identity = prepared.identity()
    lock = {
        "schema_version": SCHEMA_VERSION,
        "settings": _settings(prepared),
        "encoder": {
            "name": prepared.encoder.name,
            "kind": prepared.encoder.kind,
            "revision": prepared.encoder.revision,
            "sha256": prepared.encoder.sha256,
        },
        "teacher": _teacher(prepared.config.teacher),
        "tokenizer": {**identity["adapter"], "sha256": prepared.encoder.tokenizer_component.sha256},
        "dictionary": _dictionary(prepared),
        "data": {
            "source": data_record["source"],
            "files": [{"name": one["name"], "sha256": one["sha256"]} for one in data_record["files"]],
            "columns": data_record["columns"],
            "labels": identity["labels"],
            "texts": identity["texts"],
        },
        "environment": _environment(prepared),
    }
    # As it is read again: lists instead of tuples.
    return cast("dict[str, Any]", json.loads(json.dumps(lock, allow_nan=False)))


def read_lock(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A lock from its file, or from the run directory it is in.

    :raises ConfigError: it cannot be read, or is no lock that this version knows (``JPT-U117``)
    """
    file = Path(path) / LOCK if Path(path).is_dir() else Path(path)
    try:
        lock = DECODER.decode(file.read_text(encoding="utf-8"))
        missing = [name for name in ("schema_version", *_SECTIONS) if name not in lock]
        if missing:
            raise ValueError(text("run_lock.lacks", names=listing(missing)))
        if lock["schema_version"] != SCHEMA_VERSION or not isinstance(lock["settings"], dict):
            raise ValueError(
                text("run_lock.other_version", found=lock["schema_version"], known=SCHEMA_VERSION)
            )
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError("U117", path=file, problem=getattr(error, "strerror", None) or error) from error
    return dict(lock)


def check_places(lock: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """That what came from a directory, which belongs to the machine of then, was given a place of now.

    :param origins: of the settings (:attr:`jptextclf.settings.Settings.origins`)
    :raises ConfigError: nobody says where the encoder or the teacher is (``JPT-U122``)
    """
    for name, found in (("model", lock["encoder"]), ("teacher", lock["teacher"])):
        if found is not None and found.get("kind") == "directory" and origins[name] == LOCKED:
            raise ConfigError("U122", name=found["name"], option=f"--{name}")


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Every place in which two locks differ, what changes the result first.

    Not compared: where things are, names beside a hash, and settings without any effect on the weights.
    """
    found = [
        Difference(name, before, now, _changes_result(name))
        for section in _SECTIONS
        for name, before, now in _compare(section, old.get(section), new.get(section))
    ]
    return tuple(sorted(found, key=lambda one: not one.changes_result))


def check_lock(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """That a training is the one that was locked.

    :returns: sentences on differences that change rounding at most
    :raises ConfigError: it is another training (``JPT-U118``, with every difference)
    """
    found = differences(old, new)
    serious = [f"  - {one}" for one in found if one.changes_result]
    if serious:
        raise ConfigError("U118", n=len(serious), differences="\n".join(serious))
    return [text("run_lock.warning", difference=one) for one in found]


def _settings(prepared: Prepared) -> dict[str, Any]:
    """As given, but decided, and without places of this machine."""
    config, plan, encoder = prepared.config, prepared.plan, prepared.encoder
    # With a frozen encoder nothing of the loop is used, and giving it is refused.
    of_the_loop = ("epochs", "learning_rate", "metric", "precision") if config.mode == "finetune" else ()
    is_at_hub = encoder.kind == "hub" and encoder.revision
    decided = {
        "model": f"{encoder.name}@{encoder.revision}" if is_at_hub else encoder.name,
        "teacher": None if config.teacher is None else Path(config.teacher).name,
        "policy": None,
        "task": prepared.schema.task,
        **{name: plan.to_json()[name] for name in of_the_loop},
    }
    return {**config.to_json(), **decided}


def _teacher(path: str | None) -> dict[str, Any] | None:
    if path is None:
        return None
    manifest = Path(path) / "MANIFEST.json"
    digest = sha256_of(manifest) if manifest.is_file() else None
    return {"name": Path(path).name, "kind": "directory", "sha256": digest}


def _dictionary(prepared: Prepared) -> dict[str, Any] | None:
    for one in prepared.adapter.components():
        if one.role == "dictionary":
            return {"name": one.name, "revision": one.revision, "sha256": one.sha256}
    return None


def _environment(prepared: Prepared) -> dict[str, Any]:
    device = prepared.plan.device
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "packages": dict(_versions((*prepared.packages(), *_MORE_PACKAGES))),
    }


def _versions(packages: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in sorted({*packages}):
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _compare(name: str, before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    if before == now or name in _NAMES:
        return
    section, _, key = name.partition(".")
    if section == "settings" and key in _PLACES | _WITHOUT_EFFECT:
        return
    if name == "data.files":
        yield from _compare_files(before or (), now or ())
    elif isinstance(before, dict) and isinstance(now, dict):
        for one in dict.fromkeys([*before, *now]):
            yield from _compare(f"{name}.{one}", before.get(one), now.get(one))
    else:
        yield name, before, now


def _compare_files(before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """Files whose bytes are not the same under any name."""
    old, new = ({one["sha256"]: one["name"] for one in some} for some in (before, now))
    gone = {name: digest for digest, name in old.items() if digest not in new}
    come = {name: digest for digest, name in new.items() if digest not in old}
    for name in dict.fromkeys([*gone, *come]):
        yield f"data.files.{name}", gone.get(name), come.get(name)


def _changes_result(name: str) -> bool:
    section, _, key = name.partition(".")
    return section != "environment" and not (section == "settings" and key in _ROUNDING)


def _short(value: Any) -> str:
    """A value in one line; of a hash the beginning."""
    shown = text("run_lock.nothing") if value is None else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        is_hash = len(value) == 64 and set(value) <= set("0123456789abcdef")
        shown = f"{value[:12]}…" if is_hash else value
    return shown if len(shown) <= 200 else f"{shown[:200]}…"
