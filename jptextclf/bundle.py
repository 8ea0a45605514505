"""The run directory: what a trained model lives in. It cannot exist without provenance.

It does not know how the model was trained. Plain transformers loads it without this package; there is no
pickle in it; every file stands with its hash in ``MANIFEST.json``.

==========================  =============================================================================
``config.json``             the network, with label names
``model.safetensors``       its weights, float32
``tokenizer*``, ``vocab*``    tokenizer files for plain transformers; of the SentencePiece route also ``*.model``
``requirements.txt``        packages that plain transformers needs for them
``jptextclf.json``          label schema, thresholds, maximum length, adapter, scores, settings, versions, and the
                            hash of every file but itself and the manifest
``components.json``         what the model is made from: the licence record
``lock.json``               what the training depended on (:mod:`jptextclf.run_lock`)
``upstream/``               licence, notice and card that came with the encoder, as they were
``README.md``               a model card that says "not reviewed, not for distribution" in both languages
``features.*`` and others   of a run with a frozen encoder: what was learned on its vectors
                            (:mod:`jptextclf.features.model`); the network is then the encoder alone
``MANIFEST.json``           sha256 and size of every other file
==========================  =============================================================================

Hashes show accidents and careless edits. They are no signature: whoever can write the directory can also write
new hashes, as long as the record stays consistent in itself (:func:`require_sealed`).
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from jptextclf import __version__, messages
from jptextclf.adapters import TokenizerAdapter, open_adapter
from jptextclf.atomic import RUN_RECORD, new_directory, sha256_of
from jptextclf.cards import find_encoder_card, load_encoder_card
from jptextclf.corpora import list_corpora
from jptextclf.decisions.answers import FILE as ANSWERS
from jptextclf.decisions.answers import write_answers
from jptextclf.decisions.rule import Rule
from jptextclf.devices import choose_device
from jptextclf.errors import ConfigError, JptextclfError, SetupError, WorkError
from jptextclf.labels import LabelSchema
from jptextclf.licensing import Component, read_card
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.identifiers import to_spdx
from jptextclf.long_texts import note_on, recorded_way
from jptextclf.model import Classifier, load_classifier
from jptextclf.onnx_model import ONNX_FILES, OnnxClassifier, OnnxPrecision, load_onnx_classifier
from jptextclf.text_profile import FILE as PROFILE
from jptextclf.text_profile import write_profile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch

    from jptextclf.config import LongTexts
    from jptextclf.decisions.answers import Answers
    from jptextclf.features import FeatureModel
    from jptextclf.text_profile import Profile, TrainingWords

RunPrecision = Literal["float32", "bfloat16", "int8"]
"""Of predictions: of a run ``float32`` or ``bfloat16``, of an ONNX export ``float32`` or ``int8``."""
SCHEMA_VERSION = 1
_RECORD, _COMPONENTS, _MANIFEST, _README = RUN_RECORD, "components.json", "MANIFEST.json", "README.md"
LOCK = "lock.json"
UPSTREAM = "upstream"
"""Directory of the texts that came with the encoder."""
DOCUMENTS = (
    _README, _COMPONENTS, _MANIFEST, _RECORD, LOCK,
    "LICENSE", "NOTICE", "assessment.json", "sbom.spdx.json", "sbom.cdx.json",
    "license-report.ja.html", "license-report.en.html", ANSWERS, PROFILE,
)  # fmt: skip
"""Files of a run or an export that say something of the model and are no part of it."""
_SEALED = "sealed"
_ROLES = ("base_model", "training_data")
RUN_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer_config.json",
    "requirements.txt",
    _RECORD,
    _COMPONENTS,
    _README,
    _MANIFEST,
)
"""What every run directory has; its adapter adds the files of its vocabulary."""
_FRONT_MATTER = """---
license: other
license_name: not-reviewed
pipeline_tag: text-classification
library_name: transformers
tags: [jptextclf]
---"""


def run_files(adapter: TokenizerAdapter) -> tuple[str, ...]:
    """Every file of a run directory with this tokenizer."""
    return tuple(dict.fromkeys([*RUN_FILES, LOCK, ANSWERS, PROFILE, *adapter.saved_files()]))


@dataclass(frozen=True)
class Bundle:
    """What a run directory says; the weights are read by :meth:`load_model`.

    :raises ValueError, TypeError: thresholds or maximum length cannot be
    :raises WorkError: it does not say what it is made from (``JPT-W012``)
    """

    path: Path
    schema: LabelSchema
    thresholds: tuple[float, ...]
    """Probability from which a multi-label label is given, one for each label."""
    max_length: int
    """Pieces per text, special tokens included."""
    adapter: str
    """Registry name."""
    adapter_options: dict[str, object]
    """What the adapter is opened with: dictionary, lower-casing and the like."""
    components: tuple[Component, ...]
    record: dict[str, Any]
    """Scores, settings, data summary, versions: everything else that ``jptextclf.json`` holds."""
    upstream: Mapping[str, bytes] = field(default_factory=dict)
    """Licence, notice and card that came with the encoder: file name -> its bytes."""
    lock: Mapping[str, Any] = field(default_factory=dict)
    """What the training depended on; empty in runs of older versions."""
    long_texts: LongTexts = "truncate"
    """What happens to a longer text (:mod:`jptextclf.long_texts`)."""
    window_overlap: int = 32
    """Pieces that neighbouring windows share."""
    rule: Rule = field(default_factory=Rule)
    """What is done with probabilities, beside the thresholds."""
    precision: RunPrecision | None = None
    """How precisely it is computed; None: float32."""

    def __post_init__(self) -> None:
        values = [float(one) for one in self.thresholds]
        if len(values) != self.schema.n_labels or not all(math.isfinite(one) for one in values):
            raise ValueError(f"thresholds are {self.thresholds}, expected {self.schema.n_labels} numbers")
        if not isinstance(self.max_length, int) or not 3 <= self.max_length < 2**31:
            raise ValueError(f"max_length is {self.max_length!r}, expected a whole number from 3 on")
        if not isinstance(self.adapter, str) or not isinstance(self.adapter_options, dict):
            raise TypeError("adapter must be a name with options")
        if not isinstance(self.record, dict):
            raise TypeError("record must be an object")
        for role in _ROLES:
            if not any(component.role == role for component in self.components):
                raise WorkError("W012", role=role)

    def load_model(self, device: str = "auto") -> tuple[Classifier, TokenizerAdapter, torch.device]:
        """The classifier on its device, and its adapter.

        :raises ConfigError: it cannot be computed in this precision (``JPT-U160``, ``JPT-U182``)
        """
        adapter = open_adapter(self.path, name=self.adapter, options=self.adapter_options)
        if self.record.get("export", {}).get("format") == "onnx":
            cpu = choose_device("cpu")
            graph = cast("OnnxPrecision | None", self.precision)
            return load_onnx_classifier(self.path, precision=graph), adapter, cpu
        if self.precision not in {None, "float32", "bfloat16"}:
            raise ConfigError("U182", found=self.precision)
        chosen = choose_device(device)
        return load_classifier(self.path, encoder_only=self.is_features).to(chosen), adapter, chosen

    @property
    def is_features(self) -> bool:
        """Whether the encoder is as it was published, with a head of this package (:mod:`jptextclf.features`)."""
        return bool(self.record.get("config", {}).get("mode") == "features")

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Columns that a prediction needs beside the text."""
        return tuple(self.record.get("history", {}).get("columns", ())) if self.is_features else ()

    def to_json(self) -> dict[str, Any]:
        """What ``jptextclf.json`` holds; numbers that JSON does not have are null."""
        record: dict[str, Any] = _finite(
            {
                "schema_version": SCHEMA_VERSION,
                "jptextclf": __version__,
                "labels": self.schema.to_json(),
                "thresholds": list(self.thresholds),
                "rule": self.rule.to_json(),
                "max_length": self.max_length,
                "long_texts": self.long_texts,
                "window_overlap": self.window_overlap,
                "adapter": {"name": self.adapter, "options": self.adapter_options},
                **self.record,
            }
        )
        return record


def write_bundle(
    bundle: Bundle,
    classifier: Classifier,
    adapter: TokenizerAdapter,
    *,
    features: FeatureModel | None = None,
    answers: Mapping[str, Answers] | None = None,
    profile: tuple[Profile, TrainingWords] | None = None,
    overwrite: bool = False,
) -> None:
    """Write the run directory, whole or not at all.

    :param answers: split -> what the model says of the texts that it was judged by
    :param profile: of the validation texts, and the words of the training texts
    :param features: what was learned on vectors of a frozen encoder, of which alone the network is written then
    :raises ConfigError: something is there already (``JPT-U024``, ``JPT-U025``), or the classifier is a graph,
        which has no weights to write (``JPT-U153``)
    :raises WorkError: it cannot be written (``JPT-W011``)
    """
    if isinstance(classifier, OnnxClassifier):
        raise ConfigError("U153", path=bundle.path, format="huggingface")
    with new_directory(bundle.path, overwrite=overwrite) as staging:
        _write_network(classifier, staging, encoder_only=features is not None)
        if features is not None:
            features.write(staging)
        adapter.save_pretrained(staging, max_length=bundle.max_length)
        if answers:
            write_answers(answers, staging)
        if profile is not None:
            write_profile(*profile, staging)
        write_components(bundle, staging)
        (staging / _README).write_text(model_card(bundle), encoding="utf-8")
        write_upstream(bundle, staging)
        if bundle.lock:
            _write_json(staging / LOCK, dict(bundle.lock))
        seal(staging, {key: value for key, value in bundle.to_json().items() if key != "export"})


def rewrite_record(bundle: Bundle) -> None:
    """Give a run that was read by :func:`open_bundle` another record; its other files stay as they are.

    :raises ConfigError, WorkError: as :func:`write_bundle`; the run is then as it was
    """
    with new_directory(bundle.path, overwrite=True) as staging:
        for name in _visible_files(bundle.path) - {_RECORD, _MANIFEST, _README}:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / name, staging / name)
        (staging / _README).write_text(model_card(bundle), encoding="utf-8")
        seal(staging, bundle.to_json())


def write_components(bundle: Bundle, directory: Path) -> None:
    """The licence record, ``components.json``."""
    components = [one.to_json() for one in bundle.components]
    _write_json(directory / _COMPONENTS, {"schema_version": SCHEMA_VERSION, "components": components})


def write_upstream(bundle: Bundle, directory: Path) -> None:
    """The texts that came with the encoder, in ``upstream/``."""
    for name, text in bundle.upstream.items():
        (directory / UPSTREAM).mkdir(exist_ok=True)
        (directory / UPSTREAM / name).write_bytes(text)


def is_document(name: str) -> bool:
    """Whether a file, by its name in the directory, says something of the model and is no part of it."""
    return name in DOCUMENTS or name.partition("/")[0] in {"LICENSES", UPSTREAM}


def seal(directory: Path, record: Mapping[str, Any]) -> None:
    """Write ``jptextclf.json``, with the hash of every file that is there, and ``MANIFEST.json`` over all of them."""
    names = sorted(_visible_files(directory) - {_RECORD, _MANIFEST})
    sealed = {name: sha256_of(directory / name) for name in names}
    _write_json(directory / _RECORD, {**record, _SEALED: sealed})
    files = {
        name: {"sha256": sha256_of(directory / name), "size": (directory / name).stat().st_size}
        for name in sorted([*names, _RECORD])
    }
    _write_json(directory / _MANIFEST, {"schema_version": SCHEMA_VERSION, "files": files})


def require_sealed(bundle: Bundle) -> None:
    """That the record agrees with the files beside it and with itself, whatever the manifest says.

    What it cannot see: somebody who rewrites a file, both hashes of it and every fact that is recorded twice.

    :raises SetupError: it does not (``JPT-E067``)
    """
    record = _read_json(bundle.path / _RECORD)
    sealed = record.get(_SEALED)
    if not isinstance(sealed, dict):
        raise SetupError("E067", path=bundle.path, problem=messages.text("bundle.no_seal", file=_RECORD))
    for name in sorted(_visible_files(bundle.path) - {_RECORD, _MANIFEST} | set(sealed)):
        file = bundle.path / name
        if not file.is_file() or sha256_of(file) != sealed.get(name):
            problem = messages.text("bundle.not_the_sealed", file=name, record=_RECORD)
            raise SetupError("E067", path=bundle.path, problem=problem)
    for problem in _contradictions(bundle):
        raise SetupError("E067", path=bundle.path, problem=problem)


def _contradictions(bundle: Bundle) -> Iterator[str]:
    """Facts that the licence record and the training record tell differently."""
    encoder = bundle.record.get("encoder", {})
    base = next(one for one in bundle.components if one.role == "base_model")
    if base.sha256 != encoder.get("sha256"):
        yield messages.text("bundle.another_encoder", found=base.name, expected=encoder.get("name", "?"))
    recorded = [(one["name"], one["sha256"]) for one in bundle.record.get("training_data", ())]
    found = [(one.name, one.sha256) for one in bundle.components if one.role == "training_data"]
    if found != recorded:
        names = messages.listing(name for name, _ in found)
        yield messages.text(
            "bundle.other_data", names=names, recorded=messages.listing(name for name, _ in recorded)
        )
    is_builtin = encoder.get("kind") == "builtin"
    yield from _against_cards(bundle, base, is_builtin=is_builtin)
    yield from _against_upstream(bundle, base, is_builtin=is_builtin)


def _against_cards(bundle: Bundle, base: Component, *, is_builtin: bool) -> Iterator[str]:
    """What the record says of a known encoder or corpus, and the cards of this package do not."""
    # Data of somebody's own may have the name of a corpus, but not its address.
    known = {(card.name, card.homepage): to_spdx(card.license.expression) for card in list_corpora()}
    if is_builtin:
        known[(base.name, base.url)] = to_spdx(load_encoder_card("builtin").component().license)
    for one in bundle.components:
        stated, found = known.get((one.name, one.url)), to_spdx(one.license)
        if one.role in _ROLES and stated is not None and found != stated:
            yield messages.text("bundle.other_license", name=one.name, found=found, expected=stated)
    card = find_encoder_card(base.name) if base.origin == "public" and not is_builtin else None
    for name in ("vocab.txt", "spiece.model") if card is not None else ():
        file = bundle.path / name
        if card is not None and name in card.files and file.is_file() and sha256_of(file) != card.files[name]:
            yield messages.text("bundle.not_its_vocabulary", name=base.name, file=name)


def _against_upstream(bundle: Bundle, base: Component, *, is_builtin: bool) -> Iterator[str]:
    """What the record says of the encoder, and the texts that came with it do not."""
    for one in base.evidence:
        text = bundle.upstream.get(one.file)
        if text is not None and one.sha256 and hashlib.sha256(text).hexdigest() != one.sha256:
            yield messages.text("bundle.other_text", file=f"{UPSTREAM}/{one.file}", statement=one.statement)
    declared = read_card(bundle.upstream.get(_README, b"")).declared
    recorded = to_spdx(base.license)
    if not is_builtin and declared not in {NOASSERTION, recorded}:
        yield messages.text("bundle.other_license", name=base.name, found=recorded, expected=declared)


def open_bundle(path: Path) -> Bundle:
    """Read a run directory after checking every file against the manifest.

    An export is read in the same way.

    :raises SetupError: no run directory (``JPT-E049``), a file that is missing or differs (``JPT-E060``), a
        newer format (``JPT-E061``), or a damaged record (``JPT-E062``)
    """
    verify(path)
    try:
        record = _read_json(path / _RECORD)
        components = _read_json(path / _COMPONENTS)["components"]
        if record["schema_version"] > SCHEMA_VERSION:
            raise SetupError("E061", path=path, found=record["schema_version"], known=SCHEMA_VERSION)
        schema = LabelSchema.from_json(record.pop("labels"))
        if record.get("config", {}).get("mode") != "features":
            # An encoder without a head names no labels.
            _check_labels(path, schema)
        adapter = record.pop("adapter")
        long_texts, window_overlap = recorded_way(record)
        record.pop(_SEALED, None)
        return Bundle(
            path=path,
            schema=schema,
            thresholds=tuple(record.pop("thresholds")),
            rule=Rule.from_json(record.pop("rule", None), schema=schema),
            max_length=record.pop("max_length"),
            adapter=adapter["name"],
            adapter_options=adapter.get("options", {}),
            components=tuple(Component.from_json(one) for one in components),
            record={key: one for key, one in record.items() if key not in {"long_texts", "window_overlap"}},
            long_texts=long_texts,
            window_overlap=window_overlap,
            upstream=_read_upstream(path),
            lock=_read_json(path / LOCK) if (path / LOCK).is_file() else {},
        )
    except SetupError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, JptextclfError) as error:
        raise SetupError("E062", path=path, problem=f"{type(error).__name__}: {error}") from error


def _read_upstream(path: Path) -> dict[str, bytes]:
    directory = path / UPSTREAM
    return {one.name: one.read_bytes() for one in sorted(directory.iterdir())} if directory.is_dir() else {}


def _check_labels(path: Path, schema: LabelSchema) -> None:
    """That the network and the record name the same labels in the same order, for the same kind of task.

    :raises ValueError: they do not
    """
    config = _read_json(path / "config.json")
    names = tuple(config["id2label"][str(number)] for number in range(len(config["id2label"])))
    if (
        names != schema.names
        or (config["problem_type"] == "multi_label_classification") != schema.is_multilabel
    ):
        raise ValueError(f"labels are {names} in config.json and {schema.names} in {_RECORD}")


def verify(path: Path) -> None:
    """Check every file against ``MANIFEST.json``.

    A flipped bit in ``model.safetensors`` loads without any error otherwise.
    """
    if not (path / _MANIFEST).is_file():
        raise SetupError("E049", path=path, hint=_what_is_there(path))
    try:
        files = _read_json(path / _MANIFEST)["files"]
        listed = {name: (entry["sha256"], entry["size"]) for name, entry in files.items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OSError) as error:
        raise SetupError("E062", path=path, problem=f"{_MANIFEST}: {error}") from error
    # An ONNX export has graphs instead of weights.
    weights = {"model.safetensors"} if ONNX_FILES["float32"] in listed else set()
    for name in sorted({*RUN_FILES} - {*listed, _MANIFEST} - weights):
        raise SetupError("E060", path=path, file=name)
    # transformers reads files that happen to lie there, such as adapter_config.json.
    for name in sorted(_visible_files(path) - {*listed, _MANIFEST}):
        raise SetupError("E063", path=path, file=name)
    for name, (digest, size) in sorted(listed.items()):
        file = path / name
        # A manifest is only believed about files inside its own directory.
        inside = not Path(name).is_absolute() and ".." not in Path(name).parts
        if not inside or not _is_intact(file, size, digest):
            raise SetupError("E060", path=path, file=name)


def _is_intact(file: Path, size: int, digest: str) -> bool:
    try:
        return file.is_file() and file.stat().st_size == size and sha256_of(file) == digest
    except PermissionError as error:
        raise SetupError("E064", path=file) from error
    except OSError:
        return False


def _visible_files(path: Path) -> set[str]:
    """Files of a directory by relative name; those that a desktop leaves behind, ``.DS_Store``, do not count."""
    names = (file.relative_to(path) for file in path.rglob("*") if not file.is_dir())
    return {name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)}


def model_card(bundle: Bundle) -> str:
    """The README of a working copy: a plain warning in both languages, and how to use it here."""
    base = next(component for component in bundle.components if component.role == "base_model")
    bodies = [
        messages.text_in(
            language, "bundle.readme", name=bundle.path.name, base=base.name, n=len(bundle.components),
            labels=", ".join(f"`{name}`" for name in bundle.schema.names), max_length=bundle.max_length,
        )
        + ("\n" + messages.text_in(language, "features.readme") if bundle.is_features else "")
        + _note(bundle, language)
        for language in messages.LANGUAGES
    ]  # fmt: skip
    matter = _FRONT_MATTER
    if bundle.is_features:
        matter = matter.replace("library_name: transformers", "library_name: jptextclf")
    return "\n\n".join([matter, *bodies]).rstrip() + "\n"


def _note(bundle: Bundle, language: str) -> str:
    note = note_on(bundle.max_length, bundle.long_texts, language, is_plain=not bundle.is_features)
    return f"\n{note}\n" if note else ""


def _write_network(classifier: Classifier, directory: Path, *, encoder_only: bool) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    network = classifier.network.base_model if encoder_only else classifier.network
    config = network.config.to_dict()
    if encoder_only:
        # Whoever loads it as a classifier after all sees nameless labels of a random head, and not ours.
        for key in ("id2label", "label2id", "problem_type", "num_labels"):
            config.pop(key, None)
    config["architectures"] = [type(network).__name__]
    # Where the encoder once came from is in components.json; a path of this machine belongs nowhere.
    for key in ("_name_or_path", "torch_dtype"):
        config.pop(key, None)
    config["dtype"] = "float32"
    _write_json(directory / "config.json", config)
    state = {name: value.detach().float().cpu().contiguous() for name, value in network.state_dict().items()}
    try:
        save_file(state, directory / "model.safetensors", metadata={"format": "pt"})
    except SafetensorError as error:
        # How a full disk shows itself here.
        raise WorkError("W011", path=directory.name, problem=str(error)) from error


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(_finite(data), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))


def _finite(value: Any) -> Any:
    """NaN and infinity are no JSON: null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value


def _what_is_there(path: Path) -> str:
    if not path.exists():
        siblings = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        return messages.text("bundle.nothing_there") + messages.did_you_mean(path.name, siblings)
    if (path / "config.json").is_file():
        return messages.text("bundle.a_model_not_a_run")
    return messages.text("bundle.something_else")
