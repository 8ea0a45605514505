"""Subject: what a licence verdict can be asked for, and the components that it is made from.

A run, an export, a model (a directory, an imported model, a card's name, a hub id) or a case file. Nothing is judged
here, and of a hub no more than the card and the licence files is fetched.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jptextclf import __version__, messages
from jptextclf.atomic import RUN_RECORD, sha256_of
from jptextclf.bundle import Bundle, is_document, open_bundle, require_sealed
from jptextclf.cards import find_encoder_card
from jptextclf.corpora import list_corpora
from jptextclf.encoders import EncoderFiles, known_encoders, resolve_encoder, stated_by_hub
from jptextclf.errors import ConfigError
from jptextclf.features import is_head_file
from jptextclf.licensing.case import read_case_file
from jptextclf.licensing.reports import ReportSubject, SubjectFile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jptextclf.licensing import Component
    from jptextclf.progress import Progress

Kind = Literal["run", "export", "model", "case"]
_PRIVATE = {"own", "customer"}
_WEIGHTS = (".safetensors", ".onnx", ".onnx.data")
"""Endings of the files that hold weights."""
_LARGEST_CASE = 16 << 20
"""Characters of a case file that are read."""


@dataclass(frozen=True)
class Subject:
    """Something with a licence record."""

    name: str
    """Of the run's or export's directory, the model, or the case file."""
    kind: Kind
    components: tuple[Mapping[str, Any], ...]
    """Records in the form of the published cases."""
    bundle: Bundle | None = None
    """Of a run or an export."""
    use: str | None = None
    """That a case file asks about, or that an export was made for."""
    texts: Mapping[str, bytes] = field(default_factory=dict)
    """Licence, notice and card that came with the encoder: file name -> its bytes."""

    def report(self, directory: Path | None = None) -> ReportSubject:
        """What a report says of it.

        :param directory: whose files are listed with their hashes; None: of a run or an export its own
        """
        about: dict[str, Any] = {"languages": languages_of(self.components)}
        if self.bundle is not None:
            bundle = self.bundle
            about |= {
                "created": bundle.record.get("created", ""),
                "task": bundle.schema.task,
                "labels": bundle.schema.names,
                "metrics": _metrics(bundle.record.get("scores", {})),
                "base_architecture": _architecture(bundle.path),
                "files": (files := _model_files(directory or bundle.path)),
                "changes": _changes(bundle, self.name, files),
            }
        return ReportSubject(name=self.name, kind=self.kind, tool_version=__version__, **about)

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> Subject:
        """A run or an export that is open already.

        :raises SetupError: its record was changed (``JPT-E067``)
        """
        require_sealed(bundle)
        made_for = bundle.record.get("export")
        return cls(
            name=bundle.path.resolve().name,
            kind="run" if made_for is None else "export",
            components=records_of(bundle.components),
            bundle=bundle,
            use=made_for["use"] if made_for else None,
            texts=bundle.upstream,
        )

    @classmethod
    def of_model(cls, files: EncoderFiles) -> Subject:
        """An encoder whose files are at hand."""
        components = records_of((files.component, files.tokenizer_component))
        return cls(name=files.name, kind="model", components=components, texts=files.upstream_texts())


def records_of(components: Sequence[Component]) -> tuple[dict[str, Any], ...]:
    """Components as they are judged: one that has no upstream revision is pinned by the hash of its files."""
    return tuple(
        (
            replace(one, revision=f"sha256:{one.sha256}") if one.revision is None and one.sha256 else one
        ).to_json()
        for one in components
    )


def languages_of(components: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """ISO 639-1 codes of the corpora by their cards; Japanese for data without one."""
    known = {card.name: card.language for card in list_corpora()}
    data = [one.get("name", "") for one in components if one.get("role") == "training_data"]
    return tuple(dict.fromkeys(known.get(name, "ja") for name in data))


def _metrics(scores: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{split}.{name}": value
        for split, one in scores.items()
        for name, value in one["scores"].items()
        if value is not None
    }


def _architecture(directory: Path) -> str:
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    return str(config.get("model_type", ""))


def _changes(bundle: Bundle, name: str, files: Collection[str]) -> tuple[str, ...]:
    """The statement of changes in both languages: from which encoder and data, and in which files."""
    base = next(one.name for one in bundle.components if one.role == "base_model")
    data = [one for one in bundle.components if one.role == "training_data"]
    public = [one.name for one in data if one.origin not in _PRIVATE]
    key = "export.changes"
    changed = [one for one in sorted(files) if one == "config.json" or one.endswith(_WEIGHTS)]
    if bundle.is_features:
        # The weights are what they were; files stand beside them.
        key, changed = "features.changes", [one for one in sorted(files) if is_head_file(one)]
    rewritten = [one for one in sorted(files) if one not in {*changed, "requirements.txt"}]
    return tuple(
        messages.text_in(
            language, key, base=base, name=name,
            # What the company or a customer calls its data is nobody else's business.
            data=_listed(language, public) or messages.text_in(language, "export.own_data"),
            changed=_listed(language, changed), rewritten=_listed(language, rewritten),
        ).strip()
        for language in ("en", "ja")
    )  # fmt: skip


def _listed(language: str, names: Sequence[str]) -> str:
    return messages.text_in(language, "words.comma").join(names)


def _model_files(directory: Path) -> dict[str, SubjectFile]:
    """The files that the model is loaded from, with their hashes; the documents beside it say things about it."""
    files = {
        path.relative_to(directory).as_posix(): path
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    return {
        name: SubjectFile(sha256_of(path), path.stat().st_size)
        for name, path in files.items()
        if not is_document(name) and not name.startswith(".")
    }


def find_subject(reference: str | os.PathLike[str], *, progress: Progress | None = None) -> Subject:
    """The subject of that path or name.

    :param reference: directory of a run, an export or a model; name of an imported model or a card; hub id with
        ``@revision``; JSON file of a case, or ``-`` for standard input
    :raises ConfigError: nothing has this name (``JPT-U070``), or the case is none (``JPT-U112``, ``JPT-U151``)
    :raises SetupError: a run that was damaged or changed (``JPT-E060`` to ``JPT-E067``), or as
        :func:`jptextclf.encoders.resolve_encoder`
    """
    text = os.fspath(reference).strip()
    path = Path(os.path.expanduser(text))  # noqa: PTH111 - pathlib raises for users that are not there
    if os.path.isdir(path) and (path / RUN_RECORD).is_file():  # noqa: PTH112 - raises for long names
        return Subject.of_bundle(open_bundle(path))
    if text == "-" or os.path.isfile(path):  # noqa: PTH113 - raises for long names
        return read_case(text)
    return _of_model_name(text, is_directory=os.path.isdir(path), progress=progress)  # noqa: PTH112


def _of_model_name(name: str, *, is_directory: bool, progress: Progress | None) -> Subject:
    at_hand = {one.name for one in known_encoders()}
    if is_directory or name.partition("@")[0] in at_hand:
        return Subject.of_model(resolve_encoder(name, progress=progress))
    card = find_encoder_card(name)
    if card is not None:
        # What is known of it stands in the card; nothing needs to be fetched.
        parts = (card.component(), card.component("tokenizer", bundled=True))
        vocabulary = parts[1] if card.statements("vocabulary") else replace(parts[0], role="tokenizer",
            relation="tokenized-with", bundled=True)  # fmt: skip
        return Subject(name=card.source, kind="model", components=records_of((parts[0], vocabulary)))
    # A card's name stands for its repository, also with a revision of it.
    known, at, revision = name.partition("@")
    named = find_encoder_card(known)
    base, texts = stated_by_hub(f"{named.source}{at}{revision}" if named else name, progress=progress)
    tokenizer = replace(base, role="tokenizer", relation="tokenized-with", bundled=True)
    return Subject(name=base.name, kind="model", components=records_of((base, tokenizer)), texts=texts)


def read_case(path: str | os.PathLike[str]) -> Subject:
    """The case in a JSON file: an object with ``components``, or a bare list of them; ``-`` is standard input.

    :raises ConfigError: it cannot be read (``JPT-U151``) or is no case (``JPT-U112``)
    """
    name = os.fspath(path)
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_LARGEST_CASE).decode("utf-8-sig")
        else:
            content = Path(name).read_bytes()[:_LARGEST_CASE].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError("U151", path=name, problem=problem) from error
    components, use = read_case_file(name, content)
    return Subject(
        name=Path(name).stem if name != "-" else "case", kind="case", components=tuple(components), use=use
    )
