"""Encoders with a ``spiece.model``: rinna's RoBERTa, XLM-R and CamemBERT. Ids come from the sentencepiece library.

The stock classes rebuild the model in another library and get some texts wrong (unknown characters, half-width kana
with voicing marks, controls, upper case for rinna); they are not the reference here.

**Long texts.** In ``safe`` mode a text of more than 4,096 characters is read only as far as needed. Where two
neighbouring characters stand together in no piece, every segmentation has a boundary, and what comes before it does
not depend on what comes after. The beginning that is read ends behind such a boundary beyond ``max_length``, so its
ids are those of the whole text. Only a text that has no such boundary in its first million characters (one character
over and over) is cut without that proof. ``reference`` mode reads all.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cached_property
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from jptextclf.adapters._configuration import read_json
from jptextclf.adapters._contract import Explanation, TokenizerAdapter, TokenizerInfo, Word
from jptextclf.adapters._framing import frame
from jptextclf.adapters._spiece_files import (
    LAYOUTS,
    MODEL_NAMES,
    SPACE,
    UNIGRAM,
    Kind,
    SpieceModel,
    Vocabulary,
    lay_out,
    read_spiece,
)
from jptextclf.adapters._texts import check_texts, without_surrogates
from jptextclf.encodings import Encodings
from jptextclf.errors import ConfigError, SetupError
from jptextclf.messages import text as sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from sentencepiece import SentencePieceProcessor

    from jptextclf.adapters._contract import Mode

_RECORD = "jptextclf_sentencepiece.json"
"""Written beside the saved files: the options, which plain transformers does not need."""
_OPTIONS = ("first_position", "layout", "leading_cls", "lower_case")
_SHORTEST_CUT = 4096
"""Characters that are always read."""
_LONGEST_PROOF = 1 << 20
"""Characters that are read in search of a boundary at most, once there are pieces enough."""
_REACH = 64
"""Characters at the end of a beginning whose normalisation may depend on what follows."""
_BATCH_TEXTS = 4096
_BATCH_CHARACTERS = 1 << 18
_ARRAY_LENGTH = 200
"""Characters from which on an array for each text is quicker than a list."""
# The only character whose lower case is two.
_LONGER_IN_LOWER_CASE = "\u0130"


class SentencePieceAdapter(TokenizerAdapter):
    """A SentencePiece model with the frame and the order of ids that the encoder was trained with.

    :param options: ``lower_case``: texts are lower-cased first; ``leading_cls``: ``[CLS]`` in front; ``first_position``:
        position id of the first piece; ``layout``: the order of ids (``model``: as in the file, ``xlm-roberta``,
        ``camembert``). What is not given comes from the directory's own record, the tokenizer class, and for rinna's
        kind (``T5Tokenizer`` in a RoBERTa with a piece ``[CLS]``) is known.
    """

    name: ClassVar[str] = "sentencepiece"
    software: ClassVar[tuple[str, ...]] = ("sentencepiece",)

    def __init__(
        self, directory: Path, *, mode: Mode = "safe", options: Mapping[str, object] | None = None
    ) -> None:
        for name in sorted({*(options or {})} - {*_OPTIONS}):
            raise ConfigError("U085", adapter=self.name, option=name, known=", ".join(_OPTIONS))
        self.mode: Mode = mode
        self._directory = directory
        self._model = _read_model(directory)
        config = read_json(directory, "tokenizer_config.json")
        network = read_json(directory, "config.json")
        limit = config.get("model_max_length")
        self._model_max_length = int(limit) if isinstance(limit, (int, float)) and 0 < limit < 10**9 else None
        given = {**read_json(directory, _RECORD), **(options or {})}
        self._choose(
            given, str(config.get("tokenizer_class") or network.get("tokenizer_class") or ""), network
        )
        self._set_up()

    def encode(self, texts: Sequence[str], *, max_length: int, offsets: bool = False) -> Encodings:
        room = max_length - len(self._prefix) - len(self._suffix)
        if room < 1:
            least = len(self._prefix) + len(self._suffix) + 1
            raise ConfigError("U020", max_length=max_length, least=least)
        limit = max(_SHORTEST_CUT, 8 * room) if self.mode == "safe" else None
        parts = [
            self._encode_batch(batch, room, limit, offsets=offsets)
            for batch in _batches(check_texts(texts), limit)
        ]
        if not parts:
            parts = [self._encode_batch([], room, limit, offsets=offsets)]
        return parts[0] if len(parts) == 1 else Encodings.concatenate(parts)

    def explain(self, text: str) -> Explanation:
        row = self.encode([text], max_length=10**9, offsets=True)
        ids = row.input_ids.tolist()
        spans = [] if row.offsets is None else row.offsets.tolist()
        return Explanation(
            text=text,
            words=tuple(self._words(text)),
            pieces=tuple(self._vocabulary.spellings[number] for number in ids),
            ids=tuple(ids),
            mask=(1,) * len(ids),
            offsets=tuple((start, end) for start, end in spans),
        )

    def info(self) -> TokenizerInfo:
        options: dict[str, object] = {
            "layout": self._layout,
            "leading_cls": self._leading_cls,
            "lower_case": self._lower,
        }
        if self._first_position is not None:
            options["first_position"] = self._first_position
        return TokenizerInfo(
            vocabulary_size=len(self._vocabulary.spellings),
            special_ids=dict(self._special_ids),
            n_before=len(self._prefix),
            n_after=len(self._suffix),
            model_max_length=self._model_max_length,
            options=options,
            first_position=self._first_position,
        )

    def saved_files(self) -> tuple[str, ...]:
        return ("tokenizer.json", "tokenizer_config.json", MODEL_NAMES[0], _RECORD)

    def _save_files(self, directory: Path, *, max_length: int) -> None:
        """
        :raises SetupError: the model is not a Unigram model (``JPT-E066``)

        In plain transformers these texts get other ids than here: runs of one character and other exact ties, where
        the two libraries round differently; a combining mark on a character that normalisation changes (ａ + U+0301
        loses the mark); a capital sigma whose neighbours are not letters; user-defined pieces that are not special.
        """
        if self._model.model_type != UNIGRAM:
            raise SetupError("E066", path=self._directory)
        special = {f"{role}_token": spelled for role, spelled in self._vocabulary.special.items()}
        config = {
            **special,
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": max_length,
            # A special token that a text spells out is text in plain transformers too.
            "split_special_tokens": True,
            "tokenizer_class": "PreTrainedTokenizerFast",
        }
        _write_json(directory / "tokenizer.json", self._tokenizer_json(), indent=None)
        _write_json(directory / "tokenizer_config.json", config)
        _write_json(directory / _RECORD, self.info().options)
        (directory / MODEL_NAMES[0]).write_bytes(self._model.data)

    def __getstate__(self) -> dict[str, Any]:
        made = ("_processor", "_boundaries", "_lengths")
        return {key: value for key, value in self.__dict__.items() if key not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._processor = _open(self._model, self.mode, self._directory)

    # Opening.

    def _choose(self, given: Mapping[str, object], kind: str, network: Mapping[str, Any]) -> None:
        architecture = str(network.get("model_type") or "")
        layout = given.get("layout")
        if layout is None:
            layout = next((name for name, classes in LAYOUTS.items() if kind in classes), None)
        if layout is None and not kind:
            has_cls = self._model.id_of("[CLS]") is not None
            layout = {
                "roberta": "model" if has_cls else "xlm-roberta",
                "xlm-roberta": "xlm-roberta",
                "camembert": "camembert",
            }.get(architecture)
        if layout is None:
            known = ", ".join(classes[0] for classes in LAYOUTS.values())
            raise SetupError("E065", path=self._directory, found=kind or architecture, known=known,
                             layouts=", ".join(LAYOUTS), record=_RECORD)  # fmt: skip
        if layout not in LAYOUTS:
            self._refuse("layout", layout, ", ".join(LAYOUTS))
        self._layout = str(layout)
        rinna = (
            self._layout == "model"
            and architecture in ("", "roberta")
            and kind in ("", *LAYOUTS["model"])
            and self._model.id_of("[CLS]") is not None
        )
        self._lower = self._truth(given, "lower_case", default=rinna)
        self._leading_cls = self._truth(given, "leading_cls", default=rinna)
        if self._leading_cls and (self._layout != "model" or self._model.id_of("[CLS]") is None):
            self._refuse("leading_cls", True, sentence("sentencepiece.no_cls"))
        first = given.get("first_position", 0 if rinna else None)
        if first is not None and (not isinstance(first, int) or isinstance(first, bool) or first < 0):
            self._refuse("first_position", first, sentence("sentencepiece.whole_number"))
        self._first_position = cast("int | None", first)

    def _truth(self, given: Mapping[str, object], name: str, *, default: bool) -> bool:
        value = given.get(name, default)
        if not isinstance(value, bool):
            self._refuse(name, value, sentence("sentencepiece.true_or_false"))
        return bool(value)

    def _refuse(self, option: str, found: object, expected: str) -> None:
        raise ConfigError("U086", adapter=self.name, option=option, found=found, expected=expected)

    def _set_up(self) -> None:
        try:
            self._vocabulary: Vocabulary = lay_out(self._model, self._layout, leading_cls=self._leading_cls)
        except ValueError as error:
            raise SetupError("E041", path=self._directory, problem=str(error)) from error
        self._special_ids = self._vocabulary.special_ids
        self._unknown = self._special_ids["unk"]
        first = [self._special_ids["cls"]] if "cls" in self._special_ids else []
        self._prefix = np.array(first, dtype=np.int32)
        self._suffix = np.array([self._special_ids["sep"]], dtype=np.int32)
        self._is_plain_layout = self._layout == "model"
        # How a text that normalisation leaves alone looks then; other models take the library's own way to offsets.
        self._has_simple_spans = (
            self._model.add_dummy_prefix
            and self._model.escape_whitespaces
            and not self._model.space_at_the_end
            and not np.any(self._model.kinds == Kind.BYTE)
        )
        self._processor = _open(self._model, self.mode, self._directory)

    # Ids. Everything below has the ids of the model file until the very end.

    def _encode_batch(self, texts: list[str], room: int, limit: int | None, *, offsets: bool) -> Encodings:
        """One batch.

        :param limit: characters from which on a text is read only as far as needed; such a text is a batch of its own
        """
        ready = self._prepared(texts)
        if limit is not None and len(ready) == 1 and len(ready[0]) > limit:
            beginning, ids = self._beginning(ready[0], room, limit)
            ready = [beginning]
            lengths = np.array([len(ids)], dtype=np.int64)
        else:
            lengths, ids = self._rows_of(ready)
        splits = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=splits[1:])
        spans = self._spans(texts, ready, ids, splits) if offsets else None
        return frame(
            ids if self._is_plain_layout else self._vocabulary.to_encoder[ids],
            splits,
            spans,
            room=room,
            prefix=self._prefix,
            suffix=self._suffix,
            unknown=self._unknown,
        )

    def _rows_of(self, ready: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """How many pieces each text has, and their ids end to end."""
        # One thread: the library would start as many as there are processors at every call.
        if sum(map(len, ready)) > _ARRAY_LENGTH * len(ready):
            arrays = self._processor.encode(ready, num_threads=1, return_type="numpy")
            lengths = np.fromiter(map(len, arrays), dtype=np.int64, count=len(arrays))
            return lengths, np.concatenate(arrays)
        rows = self._processor.encode(ready, num_threads=1)
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        return lengths, np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=int(lengths.sum()))

    def _prepared(self, texts: list[str]) -> list[str]:
        """The texts as the library gets them. Only lower-casing may change a length, and of one character only."""
        joined = "\n".join(texts)
        try:
            joined.encode("utf-8")
        except UnicodeEncodeError:
            texts = [without_surrogates(text) for text in texts]
        if self.mode == "safe" and "\0" in joined:
            texts = [text.replace("\0", " ") for text in texts]
        if self._lower:
            texts = [text.lower() for text in texts]
        return texts

    def _beginning(self, text: str, room: int, limit: int) -> tuple[str, NDArray[np.int32]]:
        """As much of a long text as settles its first ``room`` pieces and one more, and the ids of that."""
        taken = limit
        while True:
            part = text[:taken]
            ids = self._ids_of(part)
            if taken >= len(text) or self._is_settled(part, ids, room):
                return part, ids
            if taken >= _LONGEST_PROOF and len(ids) > room + _REACH:
                return part, ids
            taken *= 4

    def _ids_of(self, text: str) -> NDArray[np.int32]:
        return cast("NDArray[np.int32]", self._processor.encode(text, return_type="numpy"))

    def _is_settled(self, part: str, ids: NDArray[np.int32], room: int) -> bool:
        """Whether a boundary that nothing can move stands at or behind piece ``room``, before the unsettled end."""
        if len(ids) <= room:
            return False
        firsts, lasts, together = self._boundaries
        reach = self._reach
        unsettled = len(str(self._processor.normalize(part[-reach:]))) + reach // 2
        from_the_end = np.cumsum(self._lengths[ids][::-1])[::-1]
        at = np.arange(max(room, 1), len(ids))
        at = at[from_the_end[at] > unsettled]
        before, after = lasts[ids[at - 1]], firsts[ids[at]]
        known = (before >= 0) & (after >= 0)
        pairs = (before << 21 | after)[known]
        return bool(np.any(~np.isin(pairs, together)))

    @cached_property
    def _reach(self) -> int:
        own = np.flatnonzero(self._model.kinds == Kind.USER_DEFINED).tolist()
        return max([_REACH, *(len(self._model.pieces[number]) + 1 for number in own)])

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        """Characters of each piece after normalisation; 1, the least, for unknown ones. *Shape:* ``(pieces,)``"""
        lengths = np.array([len(piece) for piece in self._model.pieces], dtype=np.int64)
        kinds = self._model.kinds
        lengths[kinds == Kind.UNKNOWN] = 1
        lengths[(kinds == Kind.BYTE) | (kinds == Kind.CONTROL)] = 0
        return lengths

    @cached_property
    def _boundaries(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """First and last character of each piece (-1: not known), and all pairs of neighbours inside pieces."""
        firsts = np.full(len(self._model.pieces), -1, dtype=np.int64)
        lasts = firsts.copy()
        pairs: set[int] = set()
        kinds = self._model.kinds.tolist()
        for number, (piece, kind) in enumerate(zip(self._model.pieces, kinds, strict=True)):
            if not piece or kind not in (Kind.NORMAL, Kind.USER_DEFINED, Kind.UNUSED):
                continue
            firsts[number], lasts[number] = ord(piece[0]), ord(piece[-1])
            pairs.update(ord(left) << 21 | ord(right) for left, right in pairwise(piece))
        return firsts, lasts, np.array(sorted(pairs), dtype=np.int64)

    # Offsets.

    def _spans(
        self, texts: list[str], ready: list[str], ids: NDArray[np.int32], splits: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Characters of the original texts that each piece stands for. *Shape:* ``(pieces, 2)``

        :param texts: as they were given
        :param ready: as the library got them; the beginning only, where that was enough
        """
        counts = np.diff(splits)
        if self._has_simple_spans:
            spans = self._spans_by_length(ready, ids, splits)
        else:
            found = [self._processor.encode(text, return_type="offset_mapping")["offsets"] for text in ready]
            spans = np.array(list(chain.from_iterable(found)), dtype=np.int64).reshape(-1, 2)
        rows = np.repeat(np.arange(len(ready)), counts)
        self._fill_expansions(spans, rows, ids)
        if self._lower:
            for number, text in enumerate(texts):
                if _LONGER_IN_LOWER_CASE in text:
                    inside = slice(int(splits[number]), int(splits[number + 1]))
                    spans[inside] = _before_lower_case(text, spans[inside])
        return spans.astype(np.int32)

    def _spans_by_length(
        self, ready: list[str], ids: NDArray[np.int32], splits: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The pieces of a text, laid end to end, are the normalised text; the library says where that comes from."""
        lengths = self._lengths[ids]
        unknown_rows = np.searchsorted(splits, np.flatnonzero(ids == self._model_unknown), side="right") - 1
        for number in np.unique(unknown_rows).tolist():
            pieces = self._processor.encode(ready[number], return_type=str)
            lengths[splits[number] : splits[number + 1]] = [len(piece) for piece in pieces]
        ends = np.cumsum(lengths)
        starts = ends - lengths
        bases = np.concatenate([[0], ends])[splits[:-1]]
        shift = np.repeat(bases, np.diff(splits))
        spans = np.stack([starts - shift, ends - shift], axis=1)
        plain: NDArray[np.int64] = np.maximum(spans - 1, 0)
        normal = self._processor.normalize(ready)
        for number, (text, become) in enumerate(zip(ready, normal, strict=True)):
            if become == SPACE + text or become[1:] == text.replace(" ", SPACE):
                continue
            inside = slice(int(splits[number]), int(splits[number + 1]))
            _, origin = self._processor.normalize(text, with_offsets=True)
            plain[inside] = np.array(origin, dtype=np.int64)[spans[inside]]
        return plain

    @cached_property
    def _model_unknown(self) -> int:
        return self._model.unknown_id

    def _fill_expansions(
        self, spans: NDArray[np.int64], rows: NDArray[np.int64], ids: NDArray[np.int32]
    ) -> None:
        """In place: all pieces of one character have it. The library gives it to the last: ㍿ -> 株式 (), 会社 (㍿)."""
        space = self._space_id
        empty = np.flatnonzero((spans[:, 0] == spans[:, 1]) & (ids != space))
        if not len(empty):
            return
        full = np.flatnonzero(spans[:, 0] < spans[:, 1])
        place = np.searchsorted(full, empty)
        empty, place = empty[place < len(full)], place[place < len(full)]
        following = full[place]
        same = (rows[empty] == rows[following]) & (spans[empty, 0] == spans[following, 0])
        spans[empty[same], 1] = spans[following[same], 1]

    @cached_property
    def _space_id(self) -> int:
        number = self._model.id_of(SPACE)
        return -1 if number is None else number

    def _words(self, text: str) -> Iterator[Word]:
        """The stretches between white space, as normalised."""
        ready = self._prepared([text])[0]
        normal, origin = self._processor.normalize(ready, with_offsets=True)
        for found in re.finditer(f"[^{SPACE} ]+", normal):
            start, end = origin[found.start()], origin[found.end()]
            if end <= start:
                end = next((one for one in origin[found.end() :] if one > start), start)
            if self._lower and _LONGER_IN_LOWER_CASE in text:
                start, end = _before_lower_case(text, np.array([[start, end]], dtype=np.int64))[0].tolist()
            yield Word(found[0], int(start), int(end))

    # The files for plain transformers.

    def _tokenizer_json(self) -> dict[str, object]:
        """The model in the form of the tokenizers library.

        Its normalisation takes a character and its marks as one and looks at the marks of short ones only, so that
        ﾊﾟ stays in two; here the marks of half-width kana become combining ones first, and NFC joins them at the end.
        Control pieces get a score so low that no text is cut into them.
        """
        model = self._model
        spellings = self._vocabulary.spellings
        scores = [_NEVER] * len(spellings)
        for number, (score, kind) in enumerate(zip(model.scores, model.kinds.tolist(), strict=True)):
            if kind in (Kind.NORMAL, Kind.USER_DEFINED):
                scores[int(self._vocabulary.to_encoder[number])] = score
        steps: list[dict[str, object]] = [_replace("\0", " ")] if self.mode == "safe" else []
        if self._lower:
            steps += [_replace("(?<=\\p{L})Σ(?!\\p{L})", "ς", regex=True), {"type": "Lowercase"}]
        steps += [_replace("\uff9e", "\u3099"), _replace("\uff9f", "\u309a")]
        if model.charsmap:
            charsmap = base64.b64encode(model.charsmap).decode("ascii")
            steps += [{"type": "Precompiled", "precompiled_charsmap": charsmap}, {"type": "NFC"}]
        steps.append(_replace(SPACE, " "))
        if model.remove_extra_whitespaces:
            steps += [_replace("\\A +| +\\z", "", regex=True), _replace(" {2,}", " ", regex=True)]
        if model.add_dummy_prefix:
            steps.append({"type": "Prepend", "prepend": SPACE})
        steps.append(_replace(" ", SPACE))
        begin = [_special(self._vocabulary.special["cls"])] if "cls" in self._special_ids else []
        end = [_special(self._vocabulary.special["sep"])]
        used = {role: self._vocabulary.special[role] for role in ("cls", "sep") if role in self._special_ids}
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": False, "special": True}
                for content, number in sorted(
                    {spelled: self._special_ids[role] for role, spelled in self._vocabulary.special.items()}.items(),
                    key=lambda entry: entry[1],
                )
            ],
            "normalizer": {"type": "Sequence", "normalizers": steps},
            "pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "never", "split": True},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [*begin, _sequence("A"), *end],
                "pair": [*begin, _sequence("A"), *end, *end, _sequence("B"), *end],
                "special_tokens": {
                    spelled: {"id": spelled, "ids": [self._special_ids[role]], "tokens": [spelled]}
                    for role, spelled in used.items()
                },
            },
            "decoder": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True},
            "model": {
                "type": "Unigram",
                "unk_id": self._unknown,
                "vocab": [list(entry) for entry in zip(spellings, scores, strict=True)],
                "byte_fallback": bool(np.any(model.kinds == Kind.BYTE)),
            },
        }  # fmt: skip


_NEVER = -1000.0


def _replace(pattern: str, content: str, *, regex: bool = False) -> dict[str, object]:
    return {"type": "Replace", "pattern": {"Regex" if regex else "String": pattern}, "content": content}


def _special(spelled: str) -> dict[str, object]:
    return {"SpecialToken": {"id": spelled, "type_id": 0}}


def _sequence(name: str) -> dict[str, object]:
    return {"Sequence": {"id": name, "type_id": 0}}


def _batches(texts: list[str], limit: int | None) -> Iterator[list[str]]:
    """The texts in order, in groups of bounded size; one longer than ``limit`` is alone."""
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    alone = set(np.flatnonzero(sizes > limit).tolist()) if limit is not None else set()
    ends = np.cumsum(sizes)
    start = 0
    while start < len(texts):
        before = ends[start] - sizes[start]
        within = int(np.searchsorted(ends, before + _BATCH_CHARACTERS, side="right"))
        end = min(max(within, start + 1), start + _BATCH_TEXTS)
        if alone:
            stops = [number for number in range(start, end) if number in alone]
            end = start + 1 if start in alone else min([end, *stops])
        yield texts[start:end]
        start = end


def _before_lower_case(text: str, spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Spans in ``text.lower()`` -> spans in ``text``.

    :param spans: *Shape:* ``(pieces, 2)``
    """
    longer = np.array(
        [place for place, char in enumerate(text) if char == _LONGER_IN_LOWER_CASE], dtype=np.int64
    )
    lowered = longer + np.arange(len(longer))
    starts = spans[:, 0] - np.searchsorted(lowered, spans[:, 0])
    ends = spans[:, 1] - np.searchsorted(lowered + 1, spans[:, 1])
    return np.stack([starts, ends], axis=1)


def _open(model: SpieceModel, mode: Mode, directory: Path) -> SentencePieceProcessor:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise SetupError("E040", package="sentencepiece") from error
    processor = SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model.hardened() if mode == "safe" else model.data)
    except RuntimeError as error:
        raise SetupError("E041", path=directory, problem=str(error).split("\n")[0]) from error
    return processor


def _read_model(directory: Path) -> SpieceModel:
    path = next((directory / name for name in MODEL_NAMES if (directory / name).is_file()), None)
    if path is None:
        problem = sentence("sentencepiece.no_model", names=", ".join(MODEL_NAMES))
        raise SetupError("E041", path=directory, problem=problem)
    try:
        return read_spiece(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SetupError("E041", path=directory, problem=f"{path.name}: {error}") from error


def _write_json(path: Path, content: object, *, indent: int | None = 2) -> None:
    written = json.dumps(content, ensure_ascii=False, indent=indent, sort_keys=indent is not None)
    path.write_text(written + "\n", encoding="utf-8")


ADAPTER = SentencePieceAdapter
