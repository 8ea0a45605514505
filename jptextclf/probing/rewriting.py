"""The same words written in another way: width, kana and kanji, long vowels, punctuation, emoji, laughter.

Each function gives the text in the other writing, or None where there is nothing to change.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import zip_longest
from typing import TYPE_CHECKING

from jptextclf.adapters.mecab import analyse

if TYPE_CHECKING:
    from jptextclf.adapters.mecab import Morpheme

_TO_FULL = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_FULL_LATIN = re.compile("[！-～]")
_KATAKANA = re.compile("[ァ-ヶー]")
_KANJI = re.compile("[々㐀-䶿一-鿿]")
_HIRAGANA = re.compile("[ぁ-ゖー]+")
_TO_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
_TO_KATAKANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_SMALL_AND_PLAIN = {
    mark: half
    for half in map(chr, range(0xFF61, 0xFFA0))
    for mark in (unicodedata.normalize("NFKC", half),)
    if _KATAKANA.fullmatch(mark)
}
_VOICED = {"\u3099": "ﾞ", "\u309a": "ﾟ"}
_SEVERAL_WORDS = {
    "アツイ", "ハヤイ", "カタイ", "ヤワラカイ", "アタタカイ", "ナイ", "モロイ", "ヤスイ", "ニクイ", "ヨイ", "ホシイ", "オカシイ", "ヌルイ", "ヌクイ", "マジイ",
    "ツライ", "カライ", "ムゴイ", "ヤサシイ", "コワイ", "ウマイ", "アライ", "マルイ", "ニブイ", "ウトイ",
}  # fmt: skip
"""Adjectives whose reading is that of several words, or that are written in kana where they mean something else."""
_IN_KANJI = {
    "きれい": "綺麗", "ていねい": "丁寧", "しずか": "静か", "すてき": "素敵", "ざんねん": "残念", "べんり": "便利", "ふべん": "不便", "かいてき": "快適",
    "せいけつ": "清潔", "しんせつ": "親切", "ふつう": "普通", "いや": "嫌",
}  # fmt: skip
"""Adjectival nouns that are often in hiragana; the dictionary has unusual writings of others, such as 可成 for かなり."""
_KANA_WORDS = {"形容詞", "形状詞", "副詞"}
_LONG_WORD = re.compile("[ァ-ヶ]{1}[ァ-ヶー]{3,}ー(?![ァ-ヶー])")
_MARKS = re.compile("[。！!]+")
_EMOJI = re.compile(
    "(?:[\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55\u203c\u2049][\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]*)+"
)
_LAUGHTER = re.compile(
    "[(（]笑[)）]|(?<=[ぁ-んァ-ヶー々一-鿿。！!、？?])(?:w{1,9}|ｗ{1,9})(?![A-Za-zＡ-Ｚａ-ｚ])|(?<=[。！!ぁ-んー])笑(?=$|[。\\s])"
)
_END = re.compile(r"[。．.\s]*\Z")


def full_width(text: str) -> str | None:
    """``"WiFiが3回" -> "ＷｉＦｉが３回"``"""
    return _changed(text, text.translate(_TO_FULL))


def half_width(text: str) -> str | None:
    """``"ＷｉＦｉが３回" -> "WiFiが3回"``"""
    return _changed(text, _FULL_LATIN.sub(lambda found: chr(ord(found[0]) - 0xFEE0), text))


def half_width_katakana(text: str) -> str | None:
    """``"スタッフが親切" -> "ｽﾀｯﾌが親切"``"""
    return _changed(text, _KATAKANA.sub(lambda found: _half(found[0]), text))


def _half(letter: str) -> str:
    cut = unicodedata.normalize("NFD", letter)
    plain, marks = cut[0], cut[1:]
    if plain not in _SMALL_AND_PLAIN:
        return letter
    return _SMALL_AND_PLAIN[plain] + "".join(_VOICED[mark] for mark in marks)


def hiragana(text: str) -> str | None:
    """Adjectives and adverbs in kana: ``"とても美味しかった" -> "とてもおいしかった"``"""
    return _rewritten(
        text, lambda word: word.reading.translate(_TO_HIRAGANA) if _KANJI.search(word.surface) else None
    )


def katakana(text: str) -> str | None:
    """Adjectives in katakana, as for emphasis: ``"美味しい" -> "オイシイ"``, ``"美味しかった" -> "オイシかった"``"""

    def written(word: Morpheme) -> str | None:
        if word.parts[0] == "副詞" or _KATAKANA.search(word.surface):
            return None
        # What is conjugated stays in hiragana.
        is_whole = word.parts[0] == "形状詞" or word.surface == word.base
        ending = "" if is_whole else word.surface[len(word.base) - 1 :]
        return word.reading[: len(word.reading) - len(ending)] + ending

    return _rewritten(text, written)


def kanji(text: str) -> str | None:
    """Adjectives that are in hiragana, as the dictionary writes them: ``"おいしかった" -> "美味しかった"``"""
    return _rewritten(text, _in_kanji)


def _in_kanji(word: Morpheme) -> str | None:
    if word.parts[0] == "形状詞":
        return _IN_KANJI.get(word.surface)
    if word.parts[0] == "副詞" or not _HIRAGANA.fullmatch(word.surface) or not _KANJI.search(word.lemma):
        return None
    # The kana at the end of both are the same; what is before them is the kanji, and its reading.
    base, lemma = word.base, word.lemma
    same = 0
    while same < min(len(base), len(lemma)) and base[-1 - same] == lemma[-1 - same]:
        same += 1
    stem, written = base[: len(base) - same], lemma[: len(lemma) - same]
    if not same or not stem or not word.surface.startswith(stem) or not all(map(_KANJI.fullmatch, written)):
        return None
    return written + word.surface[len(stem) :]


def _rewritten(text: str, written: object) -> str | None:
    """The text with each adjective, adjectival noun and adverb written otherwise.

    :param written: a word -> how it is written, or None
    """
    parts, done = [], 0
    words = analyse(text)
    for word, following in zip_longest(words, words[1:]):
        if (
            word.parts[0] not in _KANA_WORDS
            or word.lemma_reading in _SEVERAL_WORDS
            or "助動詞語幹" in word.parts
            # Part of a longer word, as in 久しぶり.
            or word.form.startswith("語幹")
            or (following is not None and _is_joined(word, following))
            # 不味い is read まじい by the dictionary, as in a dialect.
            or not word.reading.startswith(word.lemma_reading[:-1])
        ):
            continue
        if new := written(word):  # type: ignore[operator]
            parts += [text[done : word.start], new]
            done = word.end
    return _changed(text, "".join([*parts, text[done:]]))


def _is_joined(word: Morpheme, following: Morpheme) -> bool:
    """Whether an adjectival noun or an adverb is the beginning of a longer word, as in 繁華街 and 至れり尽くせり."""
    return (
        word.parts[0] != "形容詞"
        and following.start == word.end
        and (following.parts[0] in {"名詞", "接尾辞", "動詞"} or following.conjugation.startswith("文語"))
    )


def stretched(text: str) -> str | None:
    """Adjectives drawn out: ``"すごい！" -> "すごーい！"``"""
    parts, done = [], 0
    for word in analyse(text):
        is_whole = (
            word.parts[0] == "形容詞"
            and word.form.startswith(("終止形", "連体形"))
            and word.surface == word.base
        )
        if (
            is_whole
            and len(word.surface) > 2
            and word.surface[-2:-1] not in {"い", "ー"}
            and word.surface.endswith("い")
        ):
            parts += [text[done : word.end - 1], "ー"]
            done = word.end - 1
    return _changed(text, "".join([*parts, text[done:]]))


def waved(text: str) -> str | None:
    """``"コーヒー" -> "コ〜ヒ〜"``"""
    return _changed(text, text.replace("ー", "〜"))


def last_mark_dropped(text: str) -> str | None:
    """Long vowels at the end of long words, as technical writing leaves them out: ``"エレベーター" -> "エレベータ"``"""
    return _changed(text, _LONG_WORD.sub(lambda found: found[0][:-1], text))


def without_stops(text: str) -> str | None:
    """``"良かったです。また来ます。" -> "良かったです また来ます"``"""
    return _changed(text, text.replace("。", " ").rstrip(" ") if "。" in text else text)


def exclaimed(text: str) -> str | None:
    """``"良かったです。" -> "良かったです！"``"""
    return _changed(text, text.replace("。", "！"))


def latin_stops(text: str) -> str | None:
    """``"広く、良い。" -> "広く，良い．"``"""
    return _changed(text, text.translate({ord("。"): "．", ord("、"): "，"}))


def with_emoji(text: str) -> str | None:
    """A picture that says nothing of opinion: ``"良かった。" -> "良かった。📝"``"""
    return text.rstrip() + "📝" if text.strip() else None


def without_emoji(text: str) -> str | None:
    """``"良かった😊" -> "良かった"``; None where nothing else would be left."""
    changed = _changed(text, _EMOJI.sub("", text))
    return changed if changed and changed.strip() else None


def with_laughter(text: str) -> str | None:
    """``"部屋が狭い。" -> "部屋が狭い(笑)"``"""
    if not text.strip() or _LAUGHTER.search(text):
        return None
    return _END.sub("", text) + "(笑)"


def other_laughter(text: str) -> str | None:
    """Laughter that is there, in another writing: ``"狭い(笑)" -> "狭いｗ"``, ``"狭いwww" -> "狭い(笑)"``"""
    return _changed(text, _LAUGHTER.sub(lambda found: "ｗ" if "笑" in found[0] else "(笑)", text))


def _changed(before: str, after: str) -> str | None:
    return None if after == before else after
