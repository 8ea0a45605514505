"""The same said otherwise, or the contrary: negation, double negation, polite and plain forms.

Each function gives the text said otherwise, or None where it is not certain how.
"""

from __future__ import annotations

import re

from jptextclf.probing.predicates import doubly_denied, read_predicate, said_again, sentences

_ONLY_WITH_NOT = re.compile(
    "そんなに|あまり|あんまり|全然|全く|まったく|決して|ほとんど|殆ど|何も|なにも|誰も|一切|特に|少しも|ちっとも|なんら|何ら|別に|"
    "申し分|申しぶん|しょうが|なりません|ならな|たまりません|たまらな|否め|ありえ|あり得|非の打|打ち所|やむを得|食わな|食いま|つまらな|くだらな|過ぎな|"
    "過ぎま|限りま|限らな|まさか|言うまで|かけがえ|物足り|かまわな|かまいま|構わな|構いま|差し支え|さしつかえ|"
    "さほど|それほど|そこまで|大し|たいし|一度も|二度と|一つも|ひとつも|とても.*でき|しか"
)
"""Words that ask for a negation, and negations that are set phrases: without it the sentence says nothing."""


def denied(text: str) -> str | None:
    """``"朝食が美味しいです。" -> "朝食が美味しくないです。"``; texts of one sentence only, whose predicate says what the text says."""
    return _of_one_sentence(text, negative=True)


def affirmed(text: str) -> str | None:
    """``"朝食が美味しくないです。" -> "朝食が美味しいです。"``"""
    if _ONLY_WITH_NOT.search(text):
        return None
    return _of_one_sentence(text, negative=False)


def _of_one_sentence(text: str, *, negative: bool) -> str | None:
    if len(sentences(text)) != 1:
        return None
    there = read_predicate(text)
    if there is None or not there.certain or there.negative == negative:
        return None
    return said_again(text, negative=negative)


def twice_denied(text: str) -> str | None:
    """``"朝食が美味しいです。" -> "朝食が美味しくなくはないです。"``: weaker, and still not the contrary."""
    return doubly_denied(text) if len(sentences(text)) == 1 else None


def polite(text: str) -> str | None:
    """``"朝食が良かった。また行く。" -> "朝食が良かったです。また行きます。"``"""
    return _every_sentence(text, is_polite=True)


def plain(text: str) -> str | None:
    """``"朝食が良かったです。また行きます。" -> "朝食が良かった。また行く。"``"""
    return _every_sentence(text, is_polite=False)


def _every_sentence(text: str, *, is_polite: bool) -> str | None:
    """All sentences in one form; None where nothing changes."""
    found = [
        None if "?" in one or "？" in one else said_again(one, polite=is_polite) for one in sentences(text)
    ]
    if not any(found):
        return None
    return "".join(new or old for new, old in zip(found, sentences(text), strict=True))
