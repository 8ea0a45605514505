"""The guard: do tokenizer, dictionary and encoder belong together? One finding for each check, before any training.

A wrong tokenizer trains silently to a bad model. It does not know who shows the findings. Nothing heavy is imported at
the top: `jptextclf doctor` imports this module where packages are missing or broken.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from jptextclf.errors import JptextclfError, SetupError
from jptextclf.messages import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jptextclf.adapters import TokenizerAdapter
    from jptextclf.encoders import EncoderFiles

Status = Literal["ok", "warning", "error"]
_EMBEDDINGS = ("word_embeddings.weight", "tok_embeddings.weight", "embed_tokens.weight", "wte.weight")
"""How tensors with a row for each piece end."""
_SPARE_ROWS = 1024
"""Rows beyond the vocabulary that come from padding a table to a round number."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    """Of the check, the same in every language."""
    status: Status
    found: str
    """A sentence in the language of now."""
    remedy: str
    """What to do, with the command that does it; empty where there is nothing to do."""


def check_model(model: str, *, dictionary: str | None = None) -> list[Finding]:
    """Every check of an encoder and its tokenizer; what cannot even be opened is a finding, too."""
    from jptextclf.adapters import choose_adapter, open_adapter
    from jptextclf.encoders import resolve_encoder

    try:
        files = resolve_encoder(model)
        choice = choose_adapter(files.directory, files.card, dictionary=dictionary)
        adapter = open_adapter(files.directory, name=choice.name, options=choice.options)
    except JptextclfError as error:
        return [Finding("model", "error", f"{error.code} {error.message}", error.hint)]
    return [
        Finding("model", "ok", text("guard.opened", path=files.directory, adapter=adapter.name), ""),
        *(Finding("tokenizer", "warning", note, "") for note in choice.notes),
        *check_tokenizer(files, adapter),
    ]


def require_fit(files: EncoderFiles, adapter: TokenizerAdapter) -> list[Finding]:
    """The same for a training: errors stop it.

    :returns: the warnings
    :raises SetupError: a check failed (``JPT-E079``)
    """
    findings = check_tokenizer(files, adapter)
    failed = [one for one in findings if one.status == "error"]
    if failed:
        problems = "\n".join(f"  - {one.found}\n    {one.remedy}".rstrip() for one in failed)
        raise SetupError("E079", model=files.name, n=len(failed), problems=problems)
    return [one for one in findings if one.status == "warning"]


def check_tokenizer(files: EncoderFiles, adapter: TokenizerAdapter) -> list[Finding]:
    """Vocabulary against embedding rows, special tokens, dictionary and golden sentence."""
    return [
        *_vocabulary(files, adapter),
        *_special_tokens(files, adapter),
        *_dictionary(adapter),
        *_golden(files, adapter),
    ]


def _vocabulary(files: EncoderFiles, adapter: TokenizerAdapter) -> Iterator[Finding]:
    size = adapter.info().vocabulary_size
    rows = _embedding_rows(files)
    stated = files.card.vocabulary_size if files.card is not None and files.kind != "builtin" else 0
    again = text("guard.fetch_again")
    if rows is not None and size > rows:
        yield Finding("vocabulary", "error", text("guard.too_many_pieces", size=size, rows=rows), again)
    # Cards state what a configuration says, which may count the rows.
    elif stated and stated not in (size, rows):
        yield Finding("vocabulary", "error", text("guard.not_the_card", size=size, stated=stated), again)
    elif rows is not None and rows > size + _SPARE_ROWS:
        yield Finding("vocabulary", "warning", text("guard.spare_rows", size=size, rows=rows), again)
    else:
        key = "guard.vocabulary" if rows is not None else "guard.vocabulary_only"
        yield Finding("vocabulary", "ok", text(key, size=size, rows=rows), "")


def _special_tokens(files: EncoderFiles, adapter: TokenizerAdapter) -> Iterator[Finding]:
    special = adapter.info().special_ids
    config = _config(files)
    wrong = [
        text("guard.special_id", role=role, tokenizer=special[role], encoder=config[key])
        for role, key in (("pad", "pad_token_id"), ("cls", "cls_token_id"), ("sep", "sep_token_id"))
        if role in special and isinstance(config.get(key), int) and config[key] != special[role]
    ]
    missing = [role for role in ("pad", "unk") if role not in special]
    if wrong:
        yield Finding("special_tokens", "error", " ".join(wrong), text("guard.fetch_again"))
    elif missing:
        found = text("guard.no_special", roles=", ".join(missing))
        yield Finding("special_tokens", "warning", found, text("guard.fetch_again"))
    else:
        found = ", ".join(f"{role} {number}" for role, number in sorted(special.items()))
        yield Finding("special_tokens", "ok", found, "")


def _dictionary(adapter: TokenizerAdapter) -> Iterator[Finding]:
    fit = adapter.dictionary_fit()
    if fit is None:
        return
    if fit.seen is not None and fit.seen != fit.used:
        found = text("guard.wrong_dictionary", used=fit.used, seen=fit.seen)
        yield Finding("dictionary", "error", found, f"--dictionary {fit.seen}")
    else:
        key = "guard.dictionary" if fit.seen else "guard.dictionary_unproven"
        yield Finding("dictionary", "ok", text(key, used=fit.used, version=fit.version), "")


def _golden(files: EncoderFiles, adapter: TokenizerAdapter) -> Iterator[Finding]:
    golden = files.card.golden if files.card is not None else None
    if golden is None:
        yield Finding("golden_sentence", "ok", text("guard.no_golden"), "")
        return
    ids = tuple(adapter.encode([golden.text], max_length=512).input_ids.tolist())
    if ids == golden.ids:
        yield Finding("golden_sentence", "ok", text("guard.golden", text=golden.text, n=len(ids)), "")
    else:
        found = text("guard.golden_differs", text=golden.text, found=list(ids), expected=list(golden.ids))
        yield Finding("golden_sentence", "error", found, text("guard.golden_remedy"))


def _embedding_rows(files: EncoderFiles) -> int | None:
    """Rows of the table of pieces, from the headers of the weights; None where none is named so."""
    from safetensors import safe_open

    for path in sorted(files.directory.glob("*.safetensors")):
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dictionary
                if name.endswith(_EMBEDDINGS):
                    return int(file.get_slice(name).get_shape()[0])
    return None


def _config(files: EncoderFiles) -> dict[str, Any]:
    loaded = json.loads((files.directory / "config.json").read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else {}
