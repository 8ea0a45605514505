"""The predicate at the end of a Japanese sentence: read by MeCab, and said again in another tense, polarity or politeness.

Only what is certain is read: one sentence, an ending that one of a few patterns knows, no idiom. What is said again is read
again, and counts only if it says what was asked for. Grammar after the school grammar of Japan; names of the forms are those of
UniDic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from jptextclf.adapters.mecab import analyse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jptextclf.adapters.mecab import Morpheme

Kind = Literal["adjective", "noun", "verb"]

_GODAN = {
    "カ行": ("き", "か", "いた"), "ガ行": ("ぎ", "が", "いだ"), "サ行": ("し", "さ", "した"), "タ行": ("ち", "た", "った"),
    "ナ行": ("に", "な", "んだ"), "バ行": ("び", "ば", "んだ"), "マ行": ("み", "ま", "んだ"), "ラ行": ("り", "ら", "った"),
    "ワア行": ("い", "わ", "った"),
}  # fmt: skip
"""Row -> what follows the stem before ます, before ない, and the past."""
_IRREGULAR = {
    "ゴザル", "クダサル", "イラッシャル", "ナサル", "オッシャル", "イタス", "オル", "シル", "チガウ", "トウ", "コウ", "シレル",
}  # fmt: skip
"""Verbs that honour, make no polite form by rule, or stand in idioms (かもしれない); by the reading of the lemma."""
_SET_PHRASES = re.compile(
    "ありがとう|有難う|有り難う|お願い|おねがい|申し訳|申しわけ|すみません|すいません|なければ|なくては|なきゃ|ざるを|しかな|しかあり|違いな|違いあり|"
    "違いま|ほかな|他な|ばなら|いけな|いけま|でしょう|ましょう|だろう|ください|下さい|なし|無し"
)
_UNCERTAIN_NOUNS = {
    "よう", "そう", "みたい", "はず", "つもり", "ところ", "わけ", "の", "ん", "こと", "もの", "ふう", "ばかり", "だけ",
}  # fmt: skip
"""They say how the speaker means it; what lies before them would have to be denied."""
_UNCERTAIN = re.compile("ぜひ|是非|初めて|はじめて|方が|ほうが|まさか|せっかく|もっと|もう少し")
"""Words that hang on the predicate being as it is."""
_TAIL_PARTICLES = {"ね", "よ", "わ", "な", "なあ", "なぁ", "ねえ", "ねぇ", "よね"}
_STOPS = "。．！？!?…‥\n"
_SENTENCE = re.compile(f"[^{_STOPS}]+[{_STOPS}]*|[{_STOPS}]+")


@dataclass(frozen=True)
class Predicate:
    """What a sentence ends with."""

    head: str
    """The sentence before what is conjugated; of a verb or an adjective without its ending."""
    tail: str
    """Particles, punctuation and what else follows."""
    kind: Kind
    base: str
    """Dictionary form of the verb or adjective; empty for a noun."""
    conjugation: str
    reading: str
    """Of the lemma."""
    past: bool
    negative: bool
    polite: bool
    certain: bool
    """Whether denying it denies what the sentence says."""

    def say(self) -> str | None:
        """The sentence; None where the form is not known."""
        ending = _ENDINGS[self.kind](self)
        return None if ending is None else self.head + ending + self.tail


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with the marks that end it; together they are the text."""
    return _SENTENCE.findall(text)


@lru_cache(maxsize=8192)
def read_predicate(sentence: str) -> Predicate | None:
    """The predicate at the end of one sentence; None where it is not certain what it is.

    ``"美味しかったです。" -> adjective 美味しい, past, polite``

    :raises SetupError: unidic-lite is missing or damaged
    """
    words = analyse(sentence)
    while words and (words[-1].parts[0] in {"補助記号", "記号", "空白"} or _is_tail_particle(words)):
        words = words[:-1]
    if not words or _SET_PHRASES.search(sentence):
        return None
    tail = sentence[words[-1].end :]
    signs = "".join(_sign(word) for word in words)
    for kind, pattern in _PATTERNS:
        if (found := pattern.search(signs)) and (read := _read(kind, found, words, sentence, tail)):
            return read
    return None


def said_again(sentence: str, *, negative: bool | None = None, polite: bool | None = None) -> str | None:
    """The sentence with its predicate denied or affirmed, polite or plain; None where that is not certain or no change.

    ``"美味しかったです。", negative=True -> "美味しくなかったです。"``
    """
    there = read_predicate(sentence)
    if there is None:
        return None
    wanted = replace(
        there,
        negative=there.negative if negative is None else negative,
        polite=there.polite if polite is None else polite,
    )
    said = wanted.say()
    if wanted == there or said is None:
        return None
    again = read_predicate(said)
    same = again is not None and (again.kind, again.past, again.negative, again.polite) == (
        wanted.kind, wanted.past, wanted.negative, wanted.polite,
    )  # fmt: skip
    return said if same else None


def _is_tail_particle(words: Sequence[Morpheme]) -> bool:
    last = words[-1]
    return len(words) > 1 and last.parts[:2] == ("助詞", "終助詞") and last.surface in _TAIL_PARTICLES


def _sign(word: Morpheme) -> str:
    """One letter for what a word is to a predicate."""
    first, kind = word.parts[0], word.conjugation
    by_kind = {
        "助動詞-ダ": "d", "助動詞-デス": "s", "助動詞-マス": "m", "助動詞-ヌ": "u", "助動詞-タ": "t", "助動詞-タイ": "A",
        "助動詞-ナイ": "X", "助動詞-レル": "V",
    }  # fmt: skip
    if kind in by_kind:
        return by_kind[kind]
    if kind == "形容詞":
        return "X" if word.lemma == "無い" else "A"
    if first == "動詞":
        return "R" if word.lemma == "有る" else "V"
    if first in {"名詞", "形状詞", "代名詞"} or (first == "接尾辞" and not kind):
        return "N"
    return "w" if word.surface == "は" and first == "助詞" else "o"


_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("adjective-", re.compile(r"(A)w?X(t?)(s?)$")),
    ("adjective-", re.compile(r"(A)w?R(mu)(st)?$")),
    ("adjective", re.compile(r"(A)(t?)(s?)$")),
    ("noun-", re.compile(r"(N)dw?X(t?)(s?)$")),
    ("noun-", re.compile(r"(N)dw?R(mu)(st)?$")),
    ("noun", re.compile(r"(N)d(t?)$")),
    ("noun", re.compile(r"(N)(s)(t?)$")),
    ("verb-", re.compile(r"([VR])X(t?)(s?)$")),
    ("verb-", re.compile(r"([VR])(mu)(st)?$")),
    ("verb", re.compile(r"([VR])(m)(t?)$")),
    ("verb", re.compile(r"([VR])(t?)$")),
)
"""Of the signs at the end of a sentence; ``-`` after the kind: denied."""


def _read(
    pattern: str, found: re.Match[str], words: Sequence[Morpheme], sentence: str, tail: str
) -> Predicate | None:
    place = found.start(1)
    word, last = words[place], words[-1]
    ending = found[0][1:]
    kind: Kind = pattern.rstrip("-")  # type: ignore[assignment]
    if not last.form.startswith(("終止形", "連体形")) or not _is_known(kind, word, words[:place]):
        return None
    if any(one.lemma == "と" and one.parts[0] == "助詞" for one in words[place + 1 :]):
        return None
    if tail.lstrip().startswith("な"):
        # 泊まるな forbids, and 良いですなあ is how few people speak.
        return None
    if pattern == "verb-" and _sign(word) == "R" and _is_copula(words[:place]):
        # バイキングではありません, 悪くはありません: ある stands in a negation of something else.
        return None
    is_noun = kind == "noun"
    before = sentence[: word.end] if is_noun else sentence[: word.start] + _stem(kind, word)
    return Predicate(
        head=before,
        tail=tail,
        kind=kind,
        base="" if is_noun else word.base,
        conjugation=word.conjugation,
        reading=word.lemma_reading,
        past="t" in ending,
        negative=pattern.endswith("-"),
        polite="s" in ending or "m" in ending,
        certain=_is_certain(kind, place, words, sentence),
    )


def _is_copula(before: Sequence[Morpheme]) -> bool:
    """Whether a word leaves it to ある, or its negation, to say that it is: after で, では, く and くは."""
    has_topic = len(before) > 1 and before[-1].surface in {"は", "も"}
    word = before[-2] if has_topic else before[-1] if before else None
    if word is None:
        return False
    return word.surface in {"で", "じゃ"} or (has_topic and word.conjugation == "形容詞")


def _is_known(kind: Kind, word: Morpheme, before: Sequence[Morpheme]) -> bool:
    if kind == "verb":
        # 愛する is 愛さない, and 達する 達しない.
        is_short = word.conjugation == "サ行変格" and len(word.base) == 3
        return word.lemma_reading not in _IRREGULAR and not is_short and _verb_forms(word) is not None
    if kind == "noun":
        # Of a number or a bare suffix nothing is said; の before です asks for the verb before it.
        return word.parts[:2] != ("名詞", "数詞") and not (
            before and before[-1].parts[:2] == ("助詞", "準体助詞")
        )
    return word.base.endswith("い") and word.lemma_reading != "ナイ"


def _is_certain(kind: Kind, place: int, words: Sequence[Morpheme], sentence: str) -> bool:
    word = words[place]
    joined = any(_joins(one, number, place) for number, one in enumerate(words[:place]))
    vague = kind == "noun" and (word.surface in _UNCERTAIN_NOUNS or "助動詞語幹" in word.parts)
    is_question = any(mark in sentence for mark in "?？") or words[-1].surface == "か"
    # 知っている is denied by 知らない.
    knows = any(one.lemma_reading == "シル" for one in words)
    return not (joined or vague or is_question or knows or _UNCERTAIN.search(sentence))


def _joins(one: Morpheme, number: int, place: int) -> bool:
    """Whether a word joins another clause to that of the predicate, whose denial would not deny both."""
    if one.parts[:2] == ("助詞", "接続助詞"):
        # Of 満足している the て belongs to the predicate.
        return not (one.surface in {"て", "で"} and number == place - 1)
    is_copula = one.conjugation == "助動詞-ダ" and one.form.startswith("連用形")
    return is_copula or one.surface in {"、", "，", ","} or (one.surface == "し" and one.parts[0] == "助詞")


def _stem(kind: Kind, word: Morpheme) -> str:
    """What stays the same in all forms, as far as :data:`_ENDINGS` need it: of いい nothing does."""
    if kind == "adjective":
        return word.base[: -2 if _is_good(word.base, word.lemma_reading) else -1]
    return _verb_stem(word.base, word.conjugation)


def _is_good(base: str, reading: str) -> bool:
    """Whether it is いい, which is よく and よかった in its other forms."""
    return base.endswith(("いい", "イイ")) and reading.endswith(("ヨイ", "カッコイイ", "カッコヨイ"))


def _verb_stem(base: str, conjugation: str) -> str:
    if conjugation == "サ行変格":
        return base.removesuffix("する")
    if conjugation == "カ行変格":
        return "来" if base.endswith("来る") else ""
    return base[:-1]


def _verb_forms(word: Morpheme | Predicate) -> tuple[str, str, str, str] | None:
    """What follows the stem: in the dictionary form, before ます, before ない, and in the past; None where not known."""
    kind, _, row = word.conjugation.partition("-")
    if kind == "五段" and row in _GODAN:
        polite, denied, past = _GODAN[row]
        if word.base.endswith(("行く", "いく", "逝く")):
            past = "った"
        return word.base[-1], polite, denied, past
    if kind in {"上一段", "下一段"} or (word.conjugation == "助動詞-レル" and word.base.endswith("る")):
        return "る", "", "", "た"
    if word.conjugation == "サ行変格" and word.base.endswith("する"):
        return "する", "し", "し", "した"
    if word.conjugation == "カ行変格":
        return ("る", "", "", "た") if word.base.endswith("来る") else ("くる", "き", "こ", "きた")
    return None


def _of_verb(wanted: Predicate) -> str | None:
    forms = _verb_forms(wanted)
    if forms is None:
        return None
    plain, polite, denied, past = forms
    if wanted.polite:
        return polite + {
            (False, False): "ます", (True, False): "ました", (False, True): "ません", (True, True): "ませんでした",
        }[wanted.past, wanted.negative]  # fmt: skip
    if not wanted.negative:
        return past if wanted.past else plain
    if wanted.base.endswith("ある"):
        # ある is denied by ない, which is another word.
        return None
    return denied + ("なかった" if wanted.past else "ない")


def _of_adjective(wanted: Predicate) -> str | None:
    good = _is_good(wanted.base, wanted.reading)
    stem = "よ" if good else ""
    if wanted.negative:
        said = stem + ("くなかった" if wanted.past else "くない")
    elif wanted.past:
        said = stem + "かった"
    else:
        said = "いい" if good else "い"
    return said + ("です" if wanted.polite else "")


def _of_noun(wanted: Predicate) -> str | None:
    return {
        (False, False, False): "だ", (True, False, False): "だった",
        (False, True, False): "ではない", (True, True, False): "ではなかった",
        (False, False, True): "です", (True, False, True): "でした",
        (False, True, True): "ではありません", (True, True, True): "ではありませんでした",
    }[wanted.past, wanted.negative, wanted.polite]  # fmt: skip


_ENDINGS = {"adjective": _of_adjective, "noun": _of_noun, "verb": _of_verb}


_STRONG = re.compile(
    "とても|すご|凄|非常|かなり|とにかく|本当|ほんと|めちゃ|超|最も|一番|仕方|しかた|たら|[!！]|よかった|改善"
)
"""Words that say more than that something is so, which a double negation takes back."""


def doubly_denied(sentence: str) -> str | None:
    """``"美味しいです。" -> "美味しくなくはないです。"``, which still says that it is; None where that is not certain."""
    there = read_predicate(sentence)
    if there is None or there.negative or there.past or not there.certain or there.kind != "adjective":
        return None
    if there.conjugation != "形容詞" or "な" in there.tail or _STRONG.search(sentence):
        return None
    denied = replace(there, negative=True, polite=False, tail="").say()
    if denied is None:
        return None
    return denied.removesuffix("ない") + "なくはない" + ("です" if there.polite else "") + there.tail
