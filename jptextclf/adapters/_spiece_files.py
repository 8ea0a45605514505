"""A SentencePiece model file, read and hardened, and the order of ids that an encoder made of it.

It does not know how texts become pieces. The protocol buffer is read here, because the package that reads such
files is none of ours, and the sentencepiece package itself does not say which pieces are user-defined.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

UNIGRAM = 1
SPACE = "▁"
MODEL_NAMES = ("spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "tokenizer.model")
"""What the file may be called, the likeliest first."""
# What a special token looks like: [CLS], <s>, </s>, <mask>, <|endoftext|>.
_SPECIAL = re.compile(r"\[[A-Z0-9_]+\]|</?[A-Za-z0-9_]+>|<\|.+\|>")


class Kind(IntEnum):
    """What a piece is, as the file numbers it."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class SpieceModel:
    """What a model file says. Ids are those of the file: the place of a piece in it."""

    data: bytes
    """The file as it is."""
    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    kinds: NDArray[np.int8]
    """:class:`Kind` of each piece. *Shape:* ``(pieces,)``"""
    charsmap: bytes
    """The compiled normalisation; empty where there is none."""
    model_type: int = UNIGRAM
    add_dummy_prefix: bool = True
    """White space is put before every text."""
    remove_extra_whitespaces: bool = True
    """White space at the ends goes, and runs of it are one."""
    escape_whitespaces: bool = True
    """White space is written ``▁`` in pieces."""
    space_at_the_end: bool = False
    """White space belongs to the word before it."""

    def id_of(self, *spellings: str) -> int | None:
        """The id of the first of the pieces that exists."""
        for one in spellings:
            if one in self.pieces:
                return self.pieces.index(one)
        return None

    @property
    def unknown_id(self) -> int:
        """:raises ValueError: there is none, and no text can be encoded"""
        found = np.flatnonzero(self.kinds == Kind.UNKNOWN)
        if not len(found):
            raise ValueError("no unknown piece")
        return int(found[0])

    def hardened(self) -> bytes:
        """The file with every user-defined piece that looks like a special token made a control piece.

        A text that spells out a user-defined piece gets its id; one that spells out a control piece never does.
        """
        harden = {
            number
            for number in np.flatnonzero(self.kinds == Kind.USER_DEFINED).tolist()
            if _SPECIAL.fullmatch(self.pieces[number])
        }
        if not harden:
            return self.data
        parts = []
        number = 0
        for key, wire, value in _fields(self.data):
            if key == 1 and isinstance(value, bytes):
                if number in harden:
                    parts.append(_written(key, wire, _as_control(value)))
                else:
                    parts.append(_written(key, wire, value))
                number += 1
            else:
                parts.append(_written(key, wire, value))
        return b"".join(parts)


def read_spiece(data: bytes) -> SpieceModel:
    """:raises ValueError: this is no SentencePiece model, or a part of one"""
    pieces: list[str] = []
    scores: list[float] = []
    kinds: list[int] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    try:
        for key, _, value in _fields(data):
            if not isinstance(value, bytes):
                continue
            if key == 1:
                fields = {inner: content for inner, _, content in _fields(value)}
                pieces.append(_bytes(fields.get(1, b"")).decode("utf-8"))
                scores.append(float(struct.unpack("<f", _bytes(fields.get(2, b"\0\0\0\0")))[0]))
                kinds.append(Kind(int(fields.get(3, Kind.NORMAL))))
            elif key == 2:
                trainer.update((inner, content) for inner, _, content in _fields(value))
            elif key == 3:
                normalizer.update((inner, content) for inner, _, content in _fields(value))
        model = SpieceModel(
            data=data,
            pieces=tuple(pieces),
            scores=tuple(scores),
            kinds=np.array(kinds, dtype=np.int8),
            charsmap=_bytes(normalizer.get(2, b"")),
            model_type=int(trainer.get(3, UNIGRAM)),
            add_dummy_prefix=bool(normalizer.get(3, 1)),
            remove_extra_whitespaces=bool(normalizer.get(4, 1)),
            escape_whitespaces=bool(normalizer.get(5, 1)),
            space_at_the_end=bool(trainer.get(24, 0)),
        )
    except (IndexError, TypeError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not a SentencePiece model ({type(error).__name__})") from error
    if not len(model.pieces):
        raise ValueError("not a SentencePiece model (no pieces)")
    _ = model.unknown_id
    return model


def _as_control(piece: bytes) -> bytes:
    kept = [_written(*field) for field in _fields(piece) if field[0] != 3]
    return b"".join([*kept, _written(3, 0, int(Kind.CONTROL))])


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """The fields of a protocol buffer message: number, wire type, value."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(data, at)
        else:
            if wire == 2:
                size, at = _varint(data, at)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise ValueError(f"not a SentencePiece model (wire type {wire})")
            if at + size > len(data):
                raise ValueError("not a SentencePiece model (it ends too early)")
            value = data[at : at + size]
            at += size
        yield tag >> 3, wire, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("not a SentencePiece model (a number is too long)")


def _written(key: int, wire: int, value: int | bytes) -> bytes:
    tag = _as_varint(key << 3 | wire)
    if isinstance(value, int):
        return tag + _as_varint(value)
    return tag + (_as_varint(len(value)) if wire == 2 else b"") + value


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a number")
    return value


@dataclass(frozen=True)
class Vocabulary:
    """The ids of an encoder over the pieces of a model file."""

    spellings: tuple[str, ...]
    """Piece by encoder id."""
    to_encoder: NDArray[np.int32]
    """Id in the file -> id of the encoder. *Shape:* ``(pieces,)``"""
    special: Mapping[str, str]
    """Role (``cls``, ``sep``, ``pad``, ``unk``, ``mask``, ``bos``, ``eos``) -> how it is spelled; those that exist."""

    def id_of(self, role: str) -> int:
        """:raises KeyError: there is no such role"""
        return self.special_ids[role]

    @property
    def special_ids(self) -> dict[str, int]:
        """Role -> id of the encoder."""
        return {role: self.spellings.index(spelled) for role, spelled in self.special.items()}


LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "model": ("T5Tokenizer", "T5TokenizerFast"),
    "xlm-roberta": ("XLMRobertaTokenizer", "XLMRobertaTokenizerFast"),
    "camembert": ("CamembertTokenizer", "CamembertTokenizerFast"),
}
"""Order of ids -> the tokenizer classes that have it. ``model``: as in the file."""
_FAIRSEQ_HEADS = {
    "xlm-roberta": ("<s>", "<pad>", "</s>", "<unk>"),
    "camembert": ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"),
}


def lay_out(model: SpieceModel, layout: str, *, leading_cls: bool) -> Vocabulary:
    """The ids of an encoder.

    The two fairseq orders put tokens of their own before the file's pieces and ``<mask>`` behind them.

    :param leading_cls: in the order of the file, ``[CLS]`` and not ``<s>`` stands before a text
    :raises ValueError: the file does not begin as fairseq's do
    """
    if layout == "model":
        known = {
            "cls": ("[CLS]",) if leading_cls else (),
            "sep": ("</s>", "[SEP]"),
            "pad": ("[PAD]", "<pad>"),
            "unk": (model.pieces[model.unknown_id],),
            "mask": ("[MASK]", "<mask>"),
            "bos": ("<s>",),
            "eos": ("</s>",),
        }
        special = _existing(known.items(), model)
        if "sep" not in special:
            raise ValueError("no piece </s> or [SEP]")
        return Vocabulary(model.pieces, np.arange(len(model.pieces), dtype=np.int32), special)
    if model.pieces[:3] != ("<unk>", "<s>", "</s>"):
        raise ValueError(f"the first pieces are {', '.join(model.pieces[:3])}, expected <unk>, <s>, </s>")
    head = _FAIRSEQ_HEADS[layout]
    skipped = 3 if layout == "xlm-roberta" else 1
    spellings = (*head, *model.pieces[skipped:], "<mask>")
    to_encoder = np.arange(len(model.pieces), dtype=np.int32) + np.int32(len(head) - skipped)
    to_encoder[0] = 3
    if layout == "xlm-roberta":
        to_encoder[1:3] = (0, 2)
    roles = {
        "cls": "<s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>", "bos": "<s>", "eos": "</s>",
    }  # fmt: skip
    return Vocabulary(spellings, to_encoder, roles)


def _existing(known: Iterable[tuple[str, tuple[str, ...]]], model: SpieceModel) -> dict[str, str]:
    found = {}
    for role, spellings in known:
        number = model.id_of(*spellings)
        if number is not None:
            found[role] = model.pieces[number]
    return found
