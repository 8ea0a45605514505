"""Where an encoder's files are: embedded, in a directory, imported earlier, or on a hub; and whether they will do.

It does not load weights. Nothing it finds can run code: pickled weights, ``auto_map`` and Python files are refused.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jptextclf import builtin, messages
from jptextclf.atomic import RUN_RECORD, new_directory, sha256_of
from jptextclf.cards import encoder_cards, find_card_by_file, find_encoder_card, load_encoder_card
from jptextclf.errors import ConfigError, SetupError
from jptextclf.hub import HubId, fetch_snapshot
from jptextclf.licensing.beside import copyright_evidence, read_beside
from jptextclf.licensing.components import Component
from jptextclf.licensing.file_names import PATTERNS as LICENSE_PATTERNS
from jptextclf.licensing.file_names import is_license_file, is_notice_file
from jptextclf.store import manifest_sha256, store_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jptextclf.cards import EncoderCard
    from jptextclf.progress import Progress

Kind = Literal["builtin", "directory", "imported", "hub"]
Origin = Literal["public", "unknown"]
Wanted = Literal["encoder", "tokenizer"]

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "*.model",
)  # fmt: skip
"""What its tokenizer is made of."""
_MADE_OF = ("config.json", "*.safetensors", "*.safetensors.index.json", *TOKENIZER_FILES)
UPSTREAM_TEXTS = ("README.md", *LICENSE_PATTERNS)
"""What upstream says of it, and under which terms; patterns that may match a little more."""
FILES = (*_MADE_OF, *UPSTREAM_TEXTS)
"""What an encoder is made of: these names at the top of its directory, nothing else."""
MANIFEST = "MANIFEST.json"
_MANIFEST_SCHEMA = 1
_LARGEST_JSON = 32 << 20
"""Bytes of a configuration or an index that are read."""
_LARGEST_TEXT = 4 << 20
"""Bytes of a licence, a notice or a card that are kept."""
_PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack"}
_NAME = re.compile(r"[^\W_][\w.-]*(/[^\W_][\w.-]*)?")
_LONGEST_NAME = 200
"""Bytes; file systems allow 255 for a folder."""
_PATH_LIKE = re.compile(r"[./~\\]|[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class EncoderFiles:
    """An encoder whose files are at hand and safe to open."""

    directory: Path
    name: str
    """``builtin``, the name it was imported under, the hub id without revision, or the directory's name."""
    revision: str | None
    """Exact upstream version; None where none is known."""
    kind: Kind
    component: Component
    """For the licence record: the encoder, under the name it has upstream."""
    tokenizer_component: Component
    """For the licence record: its tokenizer, which travels with every model that is made from it."""
    sha256: str
    """Of the manifest of the files (:func:`jptextclf.store.manifest_sha256`)."""
    card: EncoderCard | None = None
    """What is known about it: by its hub id, or by the hash of its vocabulary."""
    notes: tuple[str, ...] = ()
    """Sentences that the user should see."""

    def upstream_texts(self) -> dict[str, bytes]:
        """Licence, notice and card beside the weights: file name -> bytes. Of an unusually long one nothing."""
        found = [
            path
            for path in sorted(self.directory.iterdir())
            if path.is_file() and _is_upstream_text(path.name)
        ]
        return {path.name: path.read_bytes() for path in found if path.stat().st_size <= _LARGEST_TEXT}

    def to_json(self) -> dict[str, Any]:
        """For machine output; without the notes, which are sentences."""
        return {
            "name": self.name,
            "kind": self.kind,
            "revision": self.revision,
            "directory": str(self.directory),
            "sha256": self.sha256,
            "component": self.component.to_json(),
        }


@dataclass(frozen=True)
class ImportedModel:
    """An encoder that was copied into the user's store."""

    name: str
    directory: Path
    source: str
    """Hub id or name of the directory that it was copied from."""
    url: str
    """Of the hub repository; empty for a directory."""
    revision: str | None
    asked: tuple[str, ...]
    """Branches, tags and other commits under which the hub gave these same files."""
    imported: str
    """``YYYY-MM-DD``, UTC."""
    sha256: str
    """Of the manifest of the files."""
    size: int
    """Bytes."""
    files: Mapping[str, str]
    """File name -> SHA-256."""


def resolve_encoder(model: str, *, progress: Progress | None = None) -> EncoderFiles:
    """The files of the encoder that ``--model`` names; a hub is asked only when nothing local has the name.

    Looked for in this order: ``builtin``, a directory, an imported model, a hub id ``org/name[@revision]`` or the
    name of a card, which stands for its hub id.

    :raises ConfigError: nothing has this name (``JPT-U070``), or it is no possible hub id (``JPT-U071``)
    :raises SetupError: no such directory or no encoder in it (``JPT-E010`` to ``JPT-E016``), an imported model
        changed (``JPT-E028``), or what :func:`jptextclf.hub.fetch_snapshot` raises
    """
    return _resolve(model, progress, wanted="encoder")


def resolve_tokenizer(model: str, *, progress: Progress | None = None) -> EncoderFiles:
    """The same for an encoder's tokenizer alone: weights need not be there and are not fetched, and a trained run
    will do.

    :raises ConfigError, SetupError: as :func:`resolve_encoder`
    """
    return _resolve(model, progress, wanted="tokenizer")


def _resolve(model: str, progress: Progress | None, *, wanted: Wanted) -> EncoderFiles:
    model = model.strip()
    if model == builtin.CARD:
        return _builtin()
    # The functions of pathlib raise for names that are too long and for users that are not there.
    path = Path(os.path.expanduser(model))  # noqa: PTH111
    if os.path.isdir(path):  # noqa: PTH112
        return _from_directory(path, wanted)
    if _PATH_LIKE.match(model) or os.path.exists(path):  # noqa: PTH110
        raise SetupError("E010", path=path, problem=messages.text("models.no_directory"))
    name, at, revision = model.partition("@")
    card = find_encoder_card(name)
    # A card's name, and names that a repository once had, stand for the repository.
    for one in dict.fromkeys([name] if card is None else [name, card.source]):
        imported = _read_import(_import_dir(one)) if _is_name(one) else None
        if imported is not None and revision in {"", imported.revision, *imported.asked}:
            return _from_import(imported)
    if card is None and "/" not in model:
        known = [
            builtin.CARD,
            *(one.name for one in imported_models()),
            *(one.name for one in encoder_cards()),
        ]
        raise ConfigError(
            "U070", name=model, known=messages.listing(known, 30), hint=messages.did_you_mean(model, known)
        )
    return _from_hub(HubId.parse(model if card is None else f"{card.source}{at}{revision}"), progress, wanted)


def stated_by_hub(model: str, *, progress: Progress | None = None) -> tuple[Component, dict[str, bytes]]:
    """What a hub repository says of a model's licence, without its weights: the component, and its texts by name.

    :param model: hub id ``org/name[@revision]``
    :raises ConfigError: it is no hub id (``JPT-U071``), or no name at all (``JPT-U070``)
    :raises SetupError: what :func:`jptextclf.hub.fetch_snapshot` raises
    """
    if "/" not in model or _PATH_LIKE.match(model):
        return _resolve(model, progress, wanted="encoder").component, {}
    hub_id = HubId.parse(model)
    patterns = ("config.json", *UPSTREAM_TEXTS)
    snapshot = fetch_snapshot(
        hub_id, kind="model", patterns=patterns, ignore=("*/*",), check=lambda _: None, progress=progress
    )
    found = _encoder(
        snapshot.directory, name=hub_id.repo, revision=snapshot.commit, kind="hub", origin="public", files={},
        url=snapshot.url,
    )  # fmt: skip
    return replace(found.component, sha256=""), found.upstream_texts()


def import_model(
    source: str | Path, *, name: str | None = None, progress: Progress | None = None
) -> ImportedModel:
    """Copy an encoder into the user's store, where it is found by name without a network.

    A hub id with a revision is also found by that revision, be it a commit, a tag or a branch.

    :param source: a directory, or a hub id ``org/name[@revision]``
    :param name: default: the hub id without revision, or the directory's name
    :raises ConfigError: the name cannot be used (``JPT-U072``) or is taken by another model (``JPT-U073``)
    :raises SetupError: as :func:`resolve_encoder`
    :raises WorkError: the store cannot be written (``JPT-W011``)
    """
    found = resolve_encoder(str(source), progress=progress)
    if found.kind == "builtin":
        raise ConfigError("U072", name=found.name)
    name = found.name if name is None else name
    if not _is_name(name):
        raise ConfigError("U072", name=name)
    asked = _asked(str(source), found)
    target = _import_dir(name)
    there = _read_import(target)
    if there is not None:
        if there.sha256 != found.sha256:
            raise ConfigError("U073", name=name, path=target)
        _verify(there)
        if asked <= {there.revision, *there.asked}:
            return there
        found = _of_import(there)
        asked |= set(there.asked)
    with new_directory(target, overwrite=there is not None, holds="") as directory:
        for path in _files_of(found.directory):
            shutil.copyfile(path, directory / path.name)
        if manifest_sha256(_hashes(directory)) != found.sha256:
            raise SetupError("E028", name=name, path=found.directory, problem=messages.text("models.changed"))
        _write_manifest(directory, name, found, asked)
    imported = _read_import(target)
    if imported is None:
        raise SetupError("E028", name=name, path=target, problem=messages.text("models.changed"))
    return imported


def _asked(source: str, found: EncoderFiles) -> set[str]:
    """The revisions that the hub gave these files for: the one that was asked for, and its commit."""
    if found.kind != "hub":
        return set()
    return {one for one in (HubId.parse(source).revision, found.revision) if one is not None}


def imported_models() -> list[ImportedModel]:
    """The models in the user's store, by name, without those whose record is damaged (:func:`damaged_models`)."""
    return _stored()[0]


def damaged_models() -> list[SetupError]:
    """What is wrong with each model in the user's store whose record cannot be read (``JPT-E028``)."""
    return _stored()[1]


def _stored() -> tuple[list[ImportedModel], list[SetupError]]:
    found, damaged = [], []
    for path in sorted(_models_dir().glob(f"*/{MANIFEST}")):
        try:
            one = _read_import(path.parent)
        except SetupError as error:
            damaged.append(error)
        else:
            found += [one] if one is not None else []
    return found, damaged


def known_encoders() -> list[EncoderFiles]:
    """What ``--model`` finds by name without a network: the embedded encoder and the imported models.

    Files are not verified here, but whenever one of them is used.
    """
    return [_builtin(), *(_of_import(one) for one in imported_models())]


def _builtin() -> EncoderFiles:
    card = load_encoder_card(builtin.CARD)
    sha256 = manifest_sha256(card.files)
    component = card.component(sha256=sha256)
    tokenizer_sha256 = manifest_sha256(_tokenizer_hashes(card.files))
    tokenizer = card.component("tokenizer", sha256=tokenizer_sha256, bundled=True)
    notices = copyright_evidence(builtin.directory())
    return EncoderFiles(
        directory=builtin.directory(),
        name=card.name,
        revision=card.revision,
        kind="builtin",
        component=replace(component, evidence=component.evidence + notices),
        tokenizer_component=replace(tokenizer, evidence=tokenizer.evidence + notices),
        sha256=sha256,
        card=card,
    )


def _from_directory(path: Path, wanted: Wanted) -> EncoderFiles:
    # resolve() gives "." and "x/.." their names.
    name = path.resolve().name
    try:
        is_run = (path / RUN_RECORD).is_file()
        if is_run and wanted == "encoder":
            raise ConfigError("U074", path=path)
        present = sorted(one.name for one in path.iterdir() if one.is_file())
        _check_names(present, str(path), wanted)
        code = [name for name in present if name.endswith(".py")]
        if code:
            raise SetupError("E013", where=path, found=messages.listing(code))
        _check_contents(path, str(path), wanted)
        return _encoder(
            path, name=name, revision=None, kind="directory", origin="unknown", files=_hashes(path)
        )
    except OSError as error:
        raise SetupError("E010", path=path, problem=error.strerror or str(error)) from error


def _card_of(directory: Path, name: str, origin: Origin, files: Mapping[str, str]) -> EncoderCard | None:
    """What is known about an encoder. Only a hub vouches for a name; a directory may be called anything.

    A vocabulary is known by its hash wherever it lies, but a trained run says itself how it is to be read.
    """
    if origin == "public" and (card := find_encoder_card(name)) is not None:
        return card
    if (directory / RUN_RECORD).is_file() or not _is_as_published(directory):
        return None
    found = [card for sha256 in files.values() for card in find_card_by_file(sha256)]
    return found[0] if found else None


def _is_as_published(directory: Path) -> bool:
    """Whether what a card says is still to be done. ``save_pretrained`` of the SentencePiece route bakes it into a
    ``tokenizer.json``; that of the MeCab route writes it into the configuration, which wins over the card.
    """
    return not (directory / "tokenizer.json").is_file()


def _from_import(imported: ImportedModel) -> EncoderFiles:
    _verify(imported)
    _check_contents(imported.directory, imported.name, "encoder")
    return _of_import(imported)


def _of_import(imported: ImportedModel) -> EncoderFiles:
    is_public = bool(imported.url)
    found = _encoder(
        imported.directory,
        name=imported.source if is_public else imported.name,
        revision=imported.revision,
        kind="imported",
        origin="public" if is_public else "unknown",
        files=imported.files,
        url=imported.url,
    )
    return replace(found, name=imported.name)


def _from_hub(hub_id: HubId, progress: Progress | None, wanted: Wanted) -> EncoderFiles:
    def check(files: Mapping[str, int]) -> None:
        _check_names([name for name in files if "/" not in name], str(hub_id), wanted)

    patterns = FILES if wanted == "encoder" else ("config.json", *TOKENIZER_FILES, "README.md")
    snapshot = fetch_snapshot(
        hub_id, kind="model", patterns=patterns, ignore=("*/*",), check=check, progress=progress
    )
    _check_contents(snapshot.directory, str(hub_id), wanted)
    found = _encoder(
        snapshot.directory,
        name=hub_id.repo,
        revision=snapshot.commit,
        kind="hub",
        origin="public",
        files=_hashes(snapshot.directory),
        url=snapshot.url,
    )
    return replace(found, notes=snapshot.notes)


def _encoder(
    directory: Path,
    *,
    name: str,
    revision: str | None,
    kind: Kind,
    origin: Origin,
    files: Mapping[str, str],
    url: str = "",
) -> EncoderFiles:
    """:param files: file name -> SHA-256"""
    sha256 = manifest_sha256(files)
    unstated = Component(
        role="base_model",
        name=name,
        relation="fine-tuned-from",
        revision=revision,
        origin=origin,
        sha256=sha256,
        url=url,
    )
    files_url = f"{url}/blob/{revision}" if url else ""
    component = read_beside(directory, revision=revision or "", url=files_url).complete(unstated)
    known = find_encoder_card(name) if origin == "public" else None
    if known is not None and revision is not None:
        # The files say what holds for them; what held before or after this revision stands in the card.
        told = replace(known, revision=revision).component()
        component = replace(
            component, previous_license=told.previous_license, later_license=told.later_license
        )
    tokenizer = _tokenizer_of(component, files)
    card = _card_of(directory, name, origin, files)
    return EncoderFiles(directory, name, revision, kind, component, tokenizer, sha256, card)


def _tokenizer_of(base: Component, files: Mapping[str, str]) -> Component:
    """The tokenizer of an encoder: under what its card states of the vocabulary, else under the encoder's terms."""
    # Only a hub vouches for a name; a directory may be called anything.
    card = find_encoder_card(base.name) if base.origin == "public" else None
    if card is not None and card.statements("vocabulary"):
        stated = card.component("tokenizer")
        base = replace(
            base, license=stated.license, body_license=stated.body_license,
            metadata_body_conflict=stated.metadata_body_conflict, evidence=stated.evidence, note="",
        )  # fmt: skip
    return replace(
        base,
        role="tokenizer",
        relation="tokenized-with",
        sha256=manifest_sha256(_tokenizer_hashes(files)),
        bundled=True,
    )


def _tokenizer_hashes(files: Mapping[str, str]) -> dict[str, str]:
    return {
        name: sha256
        for name, sha256 in files.items()
        if any(fnmatchcase(name, pattern) for pattern in TOKENIZER_FILES)
    }


def _files_of(directory: Path) -> list[Path]:
    """The files at the top of a directory that belong to the encoder, by name."""
    return sorted(
        path
        for path in directory.iterdir()
        if path.is_file()
        and (_is_upstream_text(path.name) or any(fnmatchcase(path.name, pattern) for pattern in _MADE_OF))
    )


def _is_upstream_text(name: str) -> bool:
    return name == "README.md" or is_license_file(name) or is_notice_file(name)


def _hashes(directory: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in _files_of(directory)}


def _check_names(names: Iterable[str], where: str, wanted: Wanted) -> None:
    """Whether these files can be an encoder, or a tokenizer.

    :raises SetupError: no configuration (``JPT-E010``), or no weights in safetensors (``JPT-E012``, ``JPT-E014``)
    """
    present = sorted(names)
    if wanted == "tokenizer" and any(fnmatchcase(name, one) for name in present for one in TOKENIZER_FILES):
        return
    if "config.json" not in present:
        raise SetupError("E010", path=where, problem=messages.text("models.no_config"))
    if any(name.endswith(".safetensors") for name in present):
        return
    pickled = [name for name in present if Path(name).suffix.lower() in _PICKLED]
    if pickled:
        raise SetupError("E012", where=where, found=messages.listing(pickled, 5))
    raise SetupError("E014", where=where, found=messages.listing(present))


def _check_contents(directory: Path, where: str, wanted: Wanted) -> None:
    """Whether the files are sound and cannot run code.

    :raises SetupError: a configuration is unreadable (``JPT-E011``), code is asked for (``JPT-E013``), the index
        of the weights names files that are not there (``JPT-E015``), or weights are damaged (``JPT-E016``)
    """
    for name in ("config.json", "tokenizer_config.json"):
        if (directory / name).exists() and "auto_map" in _read_json(directory / name, where):
            raise SetupError("E013", where=where, found=f"auto_map ({name})")
    if wanted == "tokenizer":
        return
    for path in directory.glob("*.safetensors.index.json"):
        weight_map = _read_json(path, where).get("weight_map")
        if not isinstance(weight_map, dict):
            raise SetupError("E011", where=where, file=path.name, problem="weight_map")
        # A name with a folder in it would reach files outside the directory.
        shards = {str(name) for name in weight_map.values()}
        missing = sorted(
            name for name in shards if Path(name).name != name or not (directory / name).is_file()
        )
        if missing:
            raise SetupError("E015", where=where, file=path.name, missing=messages.listing(missing, 5))
    tensors = [name for path in directory.glob("*.safetensors") for name in _check_weights(path, where)]
    _check_layers(_read_json(directory / "config.json", where), tensors, where)


def _check_layers(config: Mapping[str, Any], tensors: Iterable[str], where: str) -> None:
    """That the configuration asks for no more layers than there are weights: they are built before they are read.

    :raises SetupError: it does (``JPT-E011``)
    """
    key = next((key for key in _LAYER_KEYS if key in config), None)
    if key is None:
        return
    found = {int(index) for name in tensors for index in _LAYER.findall(name)}
    asked = config[key]
    fits = isinstance(asked, int) and not isinstance(asked, bool) and asked > 0
    if not fits or (asked > max(found, default=0) + 1 and asked > _FEW_LAYERS):
        problem = messages.text("models.layers", key=key, asked=repr(asked), n=len(found))
        raise SetupError("E011", where=where, file="config.json", problem=problem)


_LAYER_KEYS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")
_LAYER = re.compile(r"(?:^|\.)(\d{1,6})\.")
_FEW_LAYERS = 64
"""So many are built in no time, whatever their weights are called (ALBERT's layers share theirs)."""


def _check_weights(path: Path, where: str) -> list[str]:
    """The names of the tensors in a file."""
    from safetensors import SafetensorError, safe_open

    try:
        # Opening reads the header and compares it with the length of the file.
        with safe_open(path, framework="np") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise SetupError("E016", where=where, file=path.name, problem=str(error)) from error


def _read_json(path: Path, where: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise ValueError(messages.text("models.too_large"))
        loaded = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(loaded, dict):
            raise TypeError(messages.text("models.no_object"))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise SetupError("E011", where=where, file=path.name, problem=str(error)) from error
    return loaded


def _is_name(name: str) -> bool:
    """Whether an imported model may be called so: one folder name can be made of it and back."""
    possible = _NAME.fullmatch(name) and len(name.encode()) <= _LONGEST_NAME
    return bool(possible) and "--" not in name and ".." not in name and name != builtin.CARD


def _models_dir() -> Path:
    return store_dir() / "models"


def _import_dir(name: str) -> Path:
    return _models_dir() / name.replace("/", "--")


def _write_manifest(directory: Path, name: str, found: EncoderFiles, asked: Iterable[str]) -> None:
    record = {
        "schema": _MANIFEST_SCHEMA,
        "name": name,
        "source": found.component.name,
        "url": found.component.url,
        "revision": found.revision,
        "asked": sorted(set(asked) - {found.revision}),
        "imported": dt.datetime.now(dt.UTC).date().isoformat(),
        "files": {
            path.name: {"sha256": sha256_of(path), "size": path.stat().st_size}
            for path in _files_of(directory)
        },
    }
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    (directory / MANIFEST).write_text(text, encoding="utf-8")


def _read_import(directory: Path) -> ImportedModel | None:
    """The record of an imported model; None where there is none."""
    path = directory / MANIFEST
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != _MANIFEST_SCHEMA:
            raise ValueError(f"schema {record['schema']}")
        hashes = {str(name): str(entry["sha256"]) for name, entry in record["files"].items()}
        return ImportedModel(
            name=record["name"],
            directory=directory,
            source=record["source"],
            url=record["url"],
            revision=record["revision"],
            asked=tuple(record["asked"]),
            imported=record["imported"],
            sha256=manifest_sha256(hashes),
            size=sum(int(entry["size"]) for entry in record["files"].values()),
            files=hashes,
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = messages.text("models.bad_manifest", problem=str(error) or type(error).__name__)
        raise SetupError("E028", name=directory.name, path=path, problem=problem) from error


def _verify(model: ImportedModel) -> None:
    """:raises SetupError: the files are not those that were imported (``JPT-E028``)"""
    found = _hashes(model.directory)
    differing = sorted(
        name for name in found.keys() | model.files.keys() if found.get(name) != model.files.get(name)
    )
    if differing:
        problem = messages.text("models.files_differ", files=messages.listing(differing, 5))
        raise SetupError("E028", name=model.name, path=model.directory, problem=problem)
