"""rinna's RoBERTa and XLM-R style models: ids from the sentencepiece library itself.

It does not know the encoder. No stock path gives rinna's ids: the ``T5Tokenizer`` of transformers 5 does not lower-case,
puts no ``[CLS]`` in front, gives unknown characters the id of ``</s>``, does not compose half-width kana, and splits
U+000B and U+0085 otherwise. The reference is the library with what the model's README asks for.

Mode ``safe`` differs from ``reference`` in these cases only: a control or user-defined piece such as ``<s>`` or
``[MASK]`` that a text spells out is cut like other text; U+0000 is a space; of a text far longer than ``max_length``
only the beginning is cut into pieces, with a margin (:data:`MARGIN`). A lone surrogate is U+FFFD in both.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jptextclf.adapters._contract import Explanation, Mode, TokenizerAdapter, TokenizerInfo, Word
from jptextclf.adapters._framing import frame
from jptextclf.adapters._spiece_model import (
    BYTE,
    CONTROL,
    UNIGRAM,
    UNKNOWN,
    USER_DEFINED,
    SpieceModel,
    read_spiece_model,
    without_spellings,
)
from jptextclf.adapters._texts import check_texts, without_surrogates
from jptextclf.encodings import Encodings
from jptextclf.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MARGIN = 128
"""Pieces beyond ``max_length`` that the beginning of a long text must give before the rest is left out."""
_SHORTEST_CUT = 4096
"""Characters that are never cut before the analysis."""
_BATCH = 4096
"""Texts that are cut into pieces at a time."""
_FILES = ("spiece.model", "sentencepiece.bpe.model")
_FAIRSEQ = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
"""Ids that fairseq, and XLM-R after it, puts before those of the model file, which start with 4."""
_FAIRSEQ_CLASSES = ("XLMRobertaTokenizer", "CamembertTokenizer")
_SPELLED = re.compile(r"[\[<].*[\]>]")
_PLAIN_ROLES = {
    "cls": ("[CLS]", "<s>"),
    "sep": ("</s>",),
    "pad": ("[PAD]", "<pad>"),
    "unk": ("<unk>", "[UNK]"),
    "mask": ("[MASK]", "<mask>"),
}
"""How the special pieces of a model file without fairseq's ids may be written, the likeliest first."""


class SentencePieceAdapter(TokenizerAdapter):
    """A SentencePiece model file.

    :param options: ``lower_case``, ``leading_cls``, ``first_position`` (position id of the first piece in
        pretraining) and ``fairseq`` (ids as XLM-R numbers them); what is not given is taken from ``config.json``:
        a RoBERTa with a ``T5Tokenizer`` is rinna's
    """

    name: ClassVar[str] = "sentencepiece"
    software: ClassVar[tuple[str, ...]] = ("sentencepiece",)
    known_options: ClassVar[tuple[str, ...]] = ("fairseq", "first_position", "leading_cls", "lower_case")

    def __init__(
        self, directory: Path, *, mode: Mode = "safe", options: Mapping[str, object] | None = None
    ) -> None:
        given = dict(options or {})
        for name in sorted(given.keys() - {*self.known_options}):
            raise ConfigError("U085", adapter=self.name, option=name, known=", ".join(self.known_options))
        self.mode: Mode = mode
        self._path = next((directory / name for name in _FILES if (directory / name).is_file()), None)
        if self._path is None:
            raise SetupError("E041", path=directory, problem=" / ".join(_FILES))
        config, network = _read_json(directory / "tokenizer_config.json"), _read_json(directory / "config.json")
        kind = str(config.get("tokenizer_class") or network.get("tokenizer_class") or "")
        is_rinna = kind == "T5Tokenizer" and network.get("model_type") == "roberta"
        is_fairseq = kind.startswith(_FAIRSEQ_CLASSES) or network.get("model_type") == "xlm-roberta"
        self._lower = bool(given.get("lower_case", is_rinna))
        self._leading_cls = bool(given.get("leading_cls", True))
        self._fairseq = bool(given.get("fairseq", is_fairseq))
        first = given.get("first_position", 0 if is_rinna else None)
        self._first_position = int(first) if isinstance(first, int) else None
        limit = config.get("model_max_length")
        self._limit = int(limit) if isinstance(limit, (int, float)) and 0 < limit < 10**9 else None
        try:
            self._data = self._path.read_bytes()
        except OSError as error:
            raise SetupError("E041", path=self._path, problem=error.strerror or str(error)) from error
        self._set_up()

    def _set_up(self) -> None:
        try:
            self._model: SpieceModel = read_spiece_model(self._data)
        except (ValueError, RecursionError) as error:
            raise SetupError("E041", path=self._path, problem=str(error)) from error
        self._processor = self._open(self._data)
        types = np.array([piece.type for piece in self._model.pieces])
        # Only what is spelled like a special token is one: a model may list emoji as pieces of its own.
        spelled = {
            number
            for number, piece in enumerate(self._model.pieces)
            if piece.type in (CONTROL, UNKNOWN) or (piece.type == USER_DEFINED and _SPELLED.fullmatch(piece.text))
        }
        self._forbidden = frozenset(spelled - {int(one) for one in np.flatnonzero(types == UNKNOWN)})
        self._ids = self._renumbered()
        self._special_ids = self._find_special()
        cls = [self._special_ids["cls"]] if self._leading_cls and "cls" in self._special_ids else []
        self._frame = (
            np.array(cls, dtype=np.int32),
            np.array([self._special_ids["sep"]] if "sep" in self._special_ids else [], dtype=np.int32),
        )

    def encode(self, texts: Sequence[str], *, max_length: int, offsets: bool = False) -> Encodings:
        prefix, suffix = self._frame
        room = max_length - len(prefix) - len(suffix)
        if room < 1:
            raise ConfigError("U020", max_length=max_length, least=len(prefix) + len(suffix) + 1)
        texts = [self._prepared(text) for text in check_texts(texts)]
        limit = max(_SHORTEST_CUT, 16 * room) if self.mode == "safe" else None
        parts = []
        for first in range(0, len(texts), _BATCH):
            parts.append(self._encode_batch(texts[first : first + _BATCH], room, limit, offsets=offsets))
        nothing = np.zeros(0, np.int32)
        if not parts:
            parts = [(nothing, np.zeros(0, np.int64), nothing.reshape(0, 2) if offsets else None)]
        lengths = np.concatenate([part[1] for part in parts])
        spans = [part[2] for part in parts if part[2] is not None]
        return frame(
            np.concatenate([part[0] for part in parts]),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.concatenate(spans) if offsets else None,
            room=room,
            prefix=prefix,
            suffix=suffix,
            unknown=self._special_ids.get("unk", -1),
        )

    def explain(self, text: str) -> Explanation:
        row = self.encode([text], max_length=10**9, offsets=True)
        spans = [] if row.offsets is None else row.offsets.tolist()
        spellings = self._spellings
        return Explanation(
            text=text,
            words=tuple(
                Word(found[0], found.start(), found.end()) for found in re.finditer(r"\S+", text)
            ),
            pieces=tuple(spellings[number] for number in row.input_ids.tolist()),
            ids=tuple(row.input_ids.tolist()),
            mask=(1,) * len(row.input_ids),
            offsets=tuple((start, end) for start, end in spans),
        )

    def info(self) -> TokenizerInfo:
        options: dict[str, object] = {
            "fairseq": self._fairseq,
            "leading_cls": self._leading_cls,
            "lower_case": self._lower,
        }
        if self._first_position is not None:
            options["first_position"] = self._first_position
        return TokenizerInfo(
            vocabulary_size=len(self._spellings),
            special_ids=dict(self._special_ids),
            model_max_length=self._limit,
            options=options,
            first_position=self._first_position,
        )

    def saved_files(self) -> tuple[str, ...]:
        return ("spiece.model", "tokenizer.json", "tokenizer_config.json")

    def _save_files(self, directory: Path, *, max_length: int) -> None:
        (directory / "spiece.model").write_bytes(self._data)
        (directory / "tokenizer.json").write_text(self._fast_tokenizer().to_str(), encoding="utf-8")
        spellings = self._spellings
        config: dict[str, object] = {
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": max_length,
            "tokenizer_class": "PreTrainedTokenizerFast",
            **{f"{role}_token": spellings[number] for role, number in self._special_ids.items()},
        }
        text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True)
        (directory / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")

    def __getstate__(self) -> dict[str, Any]:
        kept = ("mode", "_path", "_lower", "_leading_cls", "_fairseq", "_first_position", "_limit", "_data")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_up()

    # From texts to pieces.

    def _prepared(self, text: str) -> str:
        if not text.isascii():
            text = without_surrogates(text)
        return text.replace("\0", " ") if self.mode == "safe" else text

    def _encode_batch(
        self, texts: list[str], room: int, limit: int | None, *, offsets: bool
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32] | None]:
        """Ids end to end, how many each text has, and spans or None."""
        heads = texts if limit is None else [text[:limit] for text in texts]
        rows = self._pieces(self._processor, heads, offsets=offsets)
        for number, text in enumerate(texts):
            taken = limit
            # A beginning that gives too few pieces (white space, say) is no stand-in for the whole.
            while taken is not None and taken < len(text) and len(rows[number][0]) < room + MARGIN:
                taken *= 4
                rows[number] = self._pieces(self._processor, [text[:taken]], offsets=offsets)[0]
        if self.mode == "safe" and self._forbidden:
            for number, (ids, _) in enumerate(rows):
                if not self._forbidden.isdisjoint(ids):
                    cut = texts[number] if limit is None else texts[number][: max(limit, 4 * len(ids))]
                    rows[number] = self._pieces(self._hardened, [cut], offsets=offsets)[0]
        lengths = np.fromiter((len(ids) for ids, _ in rows), dtype=np.int64, count=len(rows))
        total = int(lengths.sum())
        flat = np.fromiter(chain.from_iterable(ids for ids, _ in rows), dtype=np.int32, count=total)
        spans = None
        if offsets:
            spans = np.array([span for _, one in rows for span in one], dtype=np.int32).reshape(-1, 2)
        return self._ids[flat], lengths, spans

    def _pieces(
        self, processor: Any, texts: list[str], *, offsets: bool
    ) -> list[tuple[Sequence[int], Sequence[tuple[int, int]]]]:
        """The library's ids of each text, and the characters of the original where they are asked for."""
        lowered = [text.lower() for text in texts] if self._lower else texts
        if not offsets:
            return [(ids, ()) for ids in processor.encode(lowered)]
        found = processor.encode(lowered, return_type="offset_mapping")
        rows: list[tuple[Sequence[int], Sequence[tuple[int, int]]]] = []
        for text, low, one in zip(texts, lowered, found, strict=True):
            spans = one["offsets"]
            if len(low) != len(text):
                # U+0130 is two characters in lower case.
                back = [at for at, char in enumerate(text) for _ in char.lower()] + [len(text)]
                spans = [(back[start], back[end - 1] + 1 if end > start else back[end]) for start, end in spans]
            rows.append((one["ids"], spans))
        return rows

    @cached_property
    def _hardened(self) -> Any:
        """The same model, where no text gives a special piece."""
        return self._open(without_spellings(self._data, self._forbidden))

    def _open(self, data: bytes) -> Any:
        try:
            from sentencepiece import SentencePieceProcessor
        except ImportError as error:
            raise SetupError("E040", package="sentencepiece") from error
        try:
            return SentencePieceProcessor(model_proto=data)
        except (RuntimeError, OSError, ValueError, TypeError) as error:
            raise SetupError("E041", path=self._path, problem=str(error).split("\n")[0]) from error

    # Ids and spellings.

    def _renumbered(self) -> NDArray[np.int32]:
        """For each id of the library the id of the encoder. *Shape:* ``(pieces,)``"""
        ids = np.arange(len(self._model.pieces), dtype=np.int32)
        if self._fairseq:
            unknown = [piece.type == UNKNOWN for piece in self._model.pieces]
            ids = ids + 1
            ids[unknown] = _FAIRSEQ["<unk>"]
            for number, piece in enumerate(self._model.pieces):
                if piece.text in _FAIRSEQ and piece.type != UNKNOWN:
                    ids[number] = _FAIRSEQ[piece.text]
        return ids

    @cached_property
    def _spellings(self) -> list[str]:
        """The piece of each id of the encoder."""
        if not self._fairseq:
            return [piece.text for piece in self._model.pieces]
        spellings = ["<s>", "<pad>", "</s>", "<unk>"]
        spellings += [piece.text for piece in self._model.pieces[3:]]
        return [*spellings, "<mask>"]

    def _find_special(self) -> dict[str, int]:
        if self._fairseq:
            mask = len(self._model.pieces) + 1
            return {"cls": 0, "pad": 1, "sep": 2, "unk": 3, "mask": mask}
        places = {piece.text: number for number, piece in enumerate(self._model.pieces)}
        return {
            role: places[next(one for one in written if one in places)]
            for role, written in _PLAIN_ROLES.items()
            if any(one in places for one in written)
        }

    def _fast_tokenizer(self) -> Any:
        """The same as a tokenizer of the tokenizers library, for plain transformers."""
        from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

        model = self._model
        if model.model_type != UNIGRAM:
            raise SetupError("E066", path=self._path)
        scores = {piece.text: piece.score for piece in model.pieces}
        vocabulary = [(text, scores.get(text, 0.0)) for text in self._spellings]
        tokenizer = Tokenizer(
            models.Unigram(
                vocabulary,
                unk_id=self._special_ids["unk"],
                byte_fallback=any(piece.type == BYTE for piece in model.pieces),
            )
        )
        steps: list[Any] = [normalizers.Lowercase()] if self._lower else []
        steps += self._normalizers(normalizers)
        if model.remove_extra_whitespaces:
            steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
        tokenizer.normalizer = normalizers.Sequence(steps)
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
            prepend_scheme="always" if model.add_dummy_prefix else "never"
        )
        tokenizer.decoder = decoders.Metaspace()
        spellings = self._spellings
        tokenizer.add_special_tokens(
            [AddedToken(spellings[number], special=True, normalized=False) for number in self._special_ids.values()]
        )
        before, after = ([spellings[number] for number in part.tolist()] for part in self._frame)
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[*before, "$A", *after],
            pair=[*before, "$A", *after, "$B", *after],
            special_tokens=[(one, spellings.index(one)) for one in dict.fromkeys([*before, *after])],
        )
        return tokenizer

    def _normalizers(self, normalizers: Any) -> list[Any]:
        """The library's rules for the tokenizers library.

        That applies compiled rules cluster by cluster and misses some: half-width kana with a dakuten stay apart, and
        U+0085 stays. NFKC goes first where the rules contain it; on 11,106 reviews no id differs then.
        """
        steps: list[Any] = [normalizers.Replace("\0", " "), normalizers.Replace("\x85", " ")]
        if "nfkc" in self._model.normalization:
            steps.append(normalizers.NFKC())
        if self._model.charsmap:
            steps.append(normalizers.Precompiled(self._model.charsmap))
        return steps


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SetupError("E041", path=path.parent, problem=f"{path.name}: {error}") from error
    return loaded if isinstance(loaded, dict) else {}


ADAPTER = SentencePieceAdapter
