"""Which pieces of the XLM-R vocabulary the embedded encoder keeps, and the tokenizer made of them.

It does not know the weights. The rule:

1. Every piece made only of Japanese characters, digits, punctuation and symbols. Japanese are the characters
   of JIS X 0213 and of Windows code page 932 from U+2E80 on: kana, kanji and their punctuation. No piece that
   a text of such characters could be cut into is missing, so it is cut as with the full vocabulary, always.
2. Every letter of another alphabet that those two character sets contain, alone: ``Д`` and ``ω`` of faces made
   of characters, ``é`` of ``café``. No character that a Japanese text file can hold becomes unknown by the cut.
3. Of the pieces made of ASCII letters: one and two letters; one letter repeated (``www``, which is laughter);
   those with a capital after the first letter (``NHK``, ``iPhone``); and those that the full vocabulary needs to
   write the English words of a list and the names below, in lower case, Capitalised and in CAPITALS, at the
   beginning of a text and inside it.
4. The special tokens.

The rest (other scripts, simplified Chinese, words of other languages in Latin letters) is left out: such a
text is cut into shorter pieces, or its characters are unknown.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any

from jptextclf.builtin.charsmap import compile_charsmap
from jptextclf.builtin.source import Source, read_pinned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
WORDS_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
"""Of ``vocab.txt`` of google-bert/bert-base-uncased (Apache-2.0), whose whole words are the English list."""

NAMES = """
alexa amazon anime anker apple bento bluetooth chatgpt chrome costco daikin daiso docomo doutor dyson ebay
elecom emoji excel expedia facebook fitbit fujifilm galaxy garmin ginza gmail google hakata hello hilton
hitachi hokkaido ikea instagram izakaya kawaii kindle kitty kobe kyoto line linkedin logicool login makita
marriott matcha mcdonald microsoft mitsubishi muji nagoya namba netflix nikon nintendo nitori okinawa
omotenashi onsen osaka otaku outlook panasonic password paypay pixel playstation pokemon prime rakuten
ramen roomba ryokan sake sakura samsung sapporo sharp sheraton shibuya shinjuku siri skype smartphone
softbank sony starbucks suica surface sushi switch tabelog tesla tiktok tokyo toshiba touchpad toyota
tripadvisor twitter umami umeda uniqlo usb wifi windows xbox xperia yahoo yamaha yodobashi yokohama
youtube zojirushi zoom
arent cant couldnt didnt doesnt dont hadnt hasnt havent im isnt ive shouldnt thats wasnt werent wont
wouldnt youre awesome blog blogger blogging bookmark emo haha hahaha hehe href html http https jpg lol mp3
mp4 okay omg online pic pics png thx upload url via wow www yay yeah yep
"""
"""Words of reviews that a list made from English books and an encyclopedia lacks: names that Japanese texts
write in Latin letters, and what people write on the web."""

_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""Stands for a space at the beginning of a piece."""
_FIRST_EAST_ASIAN = "\N{CJK RADICAL REPEAT}"
_KEPT_MARKS = (
    "\N{COMBINING KATAKANA-HIRAGANA VOICED SOUND MARK}\N{COMBINING KATAKANA-HIRAGANA SEMI-VOICED SOUND MARK}"
    "\N{COMBINING ENCLOSING KEYCAP}\N{VARIATION SELECTOR-15}\N{VARIATION SELECTOR-16}"
)
"""Voiced sounds that have no letter (``あ゙``), and parts of emoji."""
_REIWA = {"\N{SQUARE ERA NAME REIWA}": "令和"}
"""The era is younger than the source's table."""


def read_words(path: Path) -> list[str]:
    """The whole English words of bert-base-uncased's ``vocab.txt``.

    :raises SetupError: it cannot be read (``JPT-E007``) or is another file (``JPT-E008``)
    """
    lines = read_pinned(path, "vocab.txt", WORDS_SHA256).decode("utf-8").split("\n")
    return [line for line in lines if _is_ascii_word(line)]


def choose_pieces(source: Source, words: Sequence[str]) -> list[int]:
    """Ids of the pieces to keep, in their order."""
    written = _pieces_of_words(source, [*words, *NAMES.split()])
    return [
        number
        for number, piece in enumerate(source.pieces)
        if piece in SPECIAL or _is_kept(piece.removeprefix(_SPACE)) or piece in written
    ]


def build_tokenizer(source: Source, kept: Sequence[int]) -> dict[str, Any]:
    """The contents of ``tokenizer.json``: an XLM-R style Unigram tokenizer over the pieces ``kept``.

    Normalisation is the source's table, then NFC: the original's normaliser composes half-width kana with
    their voicing marks (``ｶﾞ`` -> ``ガ``), which a table by character cannot.
    """
    vocabulary = [(source.pieces[number], float(source.scores[number])) for number in kept]
    ids = {piece: number for number, (piece, _) in enumerate(vocabulary)}
    charsmap = compile_charsmap({**_REIWA, **source.replacements})
    spaces = {"replacement": _SPACE, "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added_token(piece, ids[piece]) for piece in SPECIAL],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode("ascii")},
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {"type": "Metaspace", **spaces},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": _template("<s>", "A", "</s>"),
            "pair": _template("<s>", "A", "</s>", "</s>", "B", "</s>"),
            "special_tokens": {
                piece: {"id": piece, "ids": [ids[piece]], "tokens": [piece]} for piece in ("<s>", "</s>")
            },
        },
        "decoder": {"type": "Metaspace", **spaces},
        "model": {"type": "Unigram", "unk_id": ids["<unk>"], "vocab": vocabulary, "byte_fallback": False},
    }


def open_tokenizer(contents: dict[str, Any]) -> Tokenizer:
    """A tokenizer from the contents of its ``tokenizer.json``."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(json.dumps(contents))


def _added_token(piece: str, number: int) -> dict[str, Any]:
    # As in XLM-R, a mask takes the space before it.
    return {
        "id": number, "content": piece, "single_word": False, "lstrip": piece == "<mask>", "rstrip": False,
        "normalized": False, "special": True,
    }  # fmt: skip


def _template(*parts: str) -> list[dict[str, Any]]:
    return [{"Sequence" if part in "AB" else "SpecialToken": {"id": part, "type_id": 0}} for part in parts]


def _pieces_of_words(source: Source, words: Sequence[str]) -> set[str]:
    """Pieces of ASCII letters that the full vocabulary cuts these words into, in all their forms."""
    tokenizer = open_tokenizer(build_tokenizer(source, range(len(source.pieces))))
    used: set[str] = set()
    for form in (str.lower, str.capitalize, str.upper):
        for before in ("", "日"):
            texts = [before + form(word) for word in words]
            for encoded in tokenizer.encode_batch(texts, add_special_tokens=False):
                used.update(encoded.tokens)
    return {piece for piece in used if _is_ascii_word(piece.removeprefix(_SPACE))}


def _is_kept(letters: str) -> bool:
    """Whether a piece is kept for itself, its leading space aside."""
    if all(_is_free(character) for character in letters.replace(_SPACE, "")):
        return True
    if len(letters) == 1:
        return _is_in_japanese_sets(letters)
    return _is_ascii_word(letters) and (
        len(letters) == 2 or len(set(letters)) == 1 or letters[1:] != letters[1:].lower()
    )


@cache
def _is_free(character: str) -> bool:
    """Whether every piece of such characters is kept."""
    if character >= _FIRST_EAST_ASIAN and _is_in_japanese_sets(character):
        return True
    category = unicodedata.category(character)
    return category[0] in "PS" or category == "No" or character in "0123456789" + _KEPT_MARKS


def _is_in_japanese_sets(character: str) -> bool:
    return any(_can_encode(character, name) for name in ("euc_jis_2004", "cp932"))


def _can_encode(character: str, name: str) -> bool:
    try:
        character.encode(name)
    except UnicodeEncodeError:
        return False
    return True


def _is_ascii_word(text: str) -> bool:
    return re.fullmatch("[A-Za-z]+", text) is not None
