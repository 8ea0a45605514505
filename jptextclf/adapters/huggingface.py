"""Any fast tokenizer of transformers, read through the tokenizers library itself.

It does not know which encoder it serves. It differs from the stock call in one point only: a special token
spelled out in a text is text, and a lone surrogate is U+FFFD, where stock injects the token or fails.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jptextclf.adapters._contract import Explanation, Mode, TokenizerAdapter, TokenizerInfo, Word
from jptextclf.adapters._framing import frame
from jptextclf.adapters._texts import check_texts, without_surrogates
from jptextclf.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jptextclf.encodings import Encodings

# Marks that normalisation merges into the character before them; the library leaves them out of every span.
_MARKS = re.compile("[\u0300-\u036f\u3099\u309a\uff9e\uff9f\ufe00-\ufe0f\u200d]+")
_MARGIN = 64
"""Pieces beyond ``max_length`` that the prefix of a very long text must give before it stands for the whole."""
_ROLES = ("cls", "sep", "pad", "unk", "mask", "bos", "eos")
_KEPT_IN_CONFIG = (
    "bos_token", "eos_token", "sep_token", "cls_token", "unk_token", "pad_token", "mask_token",
    "do_lower_case", "clean_up_tokenization_spaces",
)  # fmt: skip


class HuggingFaceAdapter(TokenizerAdapter):
    """A fast tokenizer: ``tokenizer.json``, or files that transformers turns into one."""

    name: ClassVar[str] = "huggingface"

    def __init__(
        self, directory: Path, *, mode: Mode = "safe", options: Mapping[str, object] | None = None
    ) -> None:
        for name in options or ():
            raise ConfigError("U085", adapter=self.name, option=name, known="-")
        self.mode: Mode = mode
        stock = _load_stock(directory)
        self._tokenizer = stock.backend_tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # The tokenizers library then leaves special tokens that a text spells out to the model.
        self._tokenizer.encode_special_tokens = mode == "safe"
        self._special_ids = {
            role: number
            for role in _ROLES
            if (number := getattr(stock, f"{role}_token_id", None)) is not None
        }
        self._control_ids = np.array(
            sorted(set(stock.all_special_ids) - {self._special_ids.get("unk")}), dtype=np.int32
        )
        self._unknown_id = self._special_ids.get("unk", -1)
        self._config = {
            key: _plain(stock.init_kwargs[key]) for key in _KEPT_IN_CONFIG if key in stock.init_kwargs
        }
        # transformers writes 1e30 where a configuration names no limit.
        self._model_max_length = int(stock.model_max_length) if stock.model_max_length < 10**9 else None
        self._frame = self._find_frame()

    def encode(self, texts: Sequence[str], *, max_length: int, offsets: bool = False) -> Encodings:
        prefix, suffix = self._frame
        room = max_length - len(prefix) - len(suffix)
        if room < 1:
            raise ConfigError("U020", max_length=max_length, least=len(prefix) + len(suffix) + 1)
        readable = [without_surrogates(text) for text in check_texts(texts)]
        encoded = self._encode_prefixes(readable, room, offsets=offsets)
        ids = [np.array(one.ids, dtype=np.int32) for one in encoded]
        spans = [np.array(one.offsets, dtype=np.int32).reshape(-1, 2) for one in encoded] if offsets else []
        for number in self._injected(ids) if self.mode == "safe" else ():
            safe = self._hardened.encode(readable[number], add_special_tokens=False)
            ids[number] = self._unknown_for_special(np.array(safe.ids, dtype=np.int32))
            if offsets:
                spans[number] = np.array(safe.offsets, dtype=np.int32).reshape(-1, 2)
        for number, row in enumerate(spans):
            _cover_marks(readable[number], row)
        nothing = np.zeros(0, np.int32)
        return frame(
            np.concatenate([nothing, *ids]),
            np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64),
            np.concatenate([nothing.reshape(0, 2), *spans]) if offsets else None,
            room=room,
            prefix=prefix,
            suffix=suffix,
            unknown=self._unknown_id,
        )

    def explain(self, text: str) -> Explanation:
        row = self.encode([text], max_length=10**9, offsets=True)
        ids = tuple(int(number) for number in row.input_ids)
        spans = [] if row.offsets is None else row.offsets.tolist()
        return Explanation(
            text=text,
            words=self._words(without_surrogates(text)),
            pieces=tuple(self._tokenizer.id_to_token(number) for number in ids),
            ids=ids,
            mask=(1,) * len(ids),
            offsets=tuple((start, end) for start, end in spans),
        )

    def info(self) -> TokenizerInfo:
        return TokenizerInfo(
            vocabulary_size=self._tokenizer.get_vocab_size(with_added_tokens=True),
            special_ids=dict(self._special_ids),
            n_before=len(self._frame[0]),
            n_after=len(self._frame[1]),
            model_max_length=self._model_max_length,
        )

    def saved_files(self) -> tuple[str, ...]:
        return ("tokenizer.json", "tokenizer_config.json")

    def _save_files(self, directory: Path, *, max_length: int) -> None:
        (directory / "tokenizer.json").write_text(self._tokenizer.to_str(), encoding="utf-8")
        # This class name loads in transformers 4 and 5 alike; version 5's own "TokenizersBackend" does not.
        config = {
            **self._config,
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": max_length,
            "tokenizer_class": "PreTrainedTokenizerFast",
        }
        text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True)
        (directory / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_hardened"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Not part of the tokenizer's own pickle.
        self._tokenizer.encode_special_tokens = self.mode == "safe"

    def _find_frame(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The special tokens before and after the pieces of a single text."""
        encoded = self._tokenizer.encode("a")
        content = [position for position, special in enumerate(encoded.special_tokens_mask) if not special]
        first, last = (content[0], content[-1] + 1) if content else (len(encoded.ids), len(encoded.ids))
        return np.array(encoded.ids[:first], dtype=np.int32), np.array(encoded.ids[last:], dtype=np.int32)

    def _encode_prefixes(self, texts: list[str], room: int, *, offsets: bool) -> list[Any]:
        """Encode each text, or as much of its beginning as is sure to give ``room`` pieces.

        A prefix is taken once it gives ``room`` pieces and a margin; only pieces at its very end could differ
        from those of the whole text, and they lie in the margin.
        """
        limit = max(4096, 16 * room)
        encode = self._tokenizer.encode_batch if offsets else self._tokenizer.encode_batch_fast
        encoded = list(encode([text[:limit] for text in texts], add_special_tokens=False))
        for number, text in enumerate(texts):
            taken = limit
            while taken < len(text) and len(encoded[number].ids) < room + _MARGIN:
                taken *= 4
                encoded[number] = encode([text[:taken]], add_special_tokens=False)[0]
        return encoded

    def _injected(self, ids: list[NDArray[np.int32]]) -> list[int]:
        """The texts whose pieces hold the id of a control token, which no text may bring in."""
        if not ids or not len(self._control_ids):
            return []
        rows = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
        found = np.isin(np.concatenate(ids), self._control_ids)
        return [int(number) for number in np.unique(rows[found])]

    @cached_property
    def _hardened(self) -> Any:
        """The same tokenizer without its control tokens' spellings.

        A Unigram model lists them as pieces with the best score of all, so that even as plain text "<mask>"
        becomes the mask; here they can never win. Made only when a text needs it.
        """
        from tokenizers import Tokenizer

        data = json.loads(self._tokenizer.to_str())
        if data["model"].get("type") == "Unigram":
            for number in self._control_ids:
                if number < len(data["model"]["vocab"]):
                    data["model"]["vocab"][number][1] = -1e6
        hardened = Tokenizer.from_str(json.dumps(data))
        hardened.encode_special_tokens = True
        return hardened

    def _unknown_for_special(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        if self._unknown_id < 0:
            return ids[~np.isin(ids, self._control_ids)]
        return np.where(np.isin(ids, self._control_ids), np.int32(self._unknown_id), ids)

    def _words(self, text: str) -> tuple[Word, ...]:
        """What stands between the splits, as normalised, with the characters that its pieces stand for."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        spans = np.array(encoded.offsets, dtype=np.int32).reshape(-1, 2)
        _cover_marks(text, spans)
        found: dict[int, tuple[int, int]] = {}
        for number, (start, end) in zip(encoded.word_ids, spans.tolist(), strict=True):
            if number is not None:
                first, last = found.get(number, (start, end))
                found[number] = min(first, start), max(last, end)
        normalizer, splitter = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        normal = normalizer.normalize_str(text) if normalizer is not None else text
        surfaces = (
            [word for word, _ in splitter.pre_tokenize_str(normal)] if splitter is not None else [normal]
        )
        if len(surfaces) != len(found):
            # A token that is found before the splits shifts them.
            surfaces = [text[start:end] for start, end in found.values()]
        words = zip(surfaces, found.values(), strict=True)
        named = (Word(surface.replace("▁", " ").strip(), start, end) for surface, (start, end) in words)
        return tuple(word for word in named if word.surface)


def _load_stock(directory: Path) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise SetupError("E040", package="transformers") from error
    try:
        stock = AutoTokenizer.from_pretrained(str(directory), local_files_only=True, trust_remote_code=False)
    except Exception as error:
        # transformers raises whatever its parts raise; the first line says which file it stumbled over.
        raise SetupError("E041", path=directory, problem=str(error).strip().split("\n")[0]) from error
    if not getattr(stock, "is_fast", False):
        raise SetupError("E042", path=directory, found=type(stock).__name__)
    return stock


def _cover_marks(text: str, spans: NDArray[np.int32]) -> None:
    """Extend the piece before a merged mark over it, in place: か + U+3099 is one piece on two characters."""
    for found in _MARKS.finditer(text):
        before = np.flatnonzero((spans[:, 1] == found.start()) & (spans[:, 0] < found.start()))
        taken = np.any((spans[:, 0] < found.end()) & (spans[:, 1] > found.start()))
        if len(before) and not taken:
            spans[before, 1] = found.end()


def _plain(value: object) -> object:
    return value if isinstance(value, (bool, int, float, str)) or value is None else str(value)


ADAPTER = HuggingFaceAdapter
