"""What a statement is about: the model of the card, or something else such as its data or code.

It decides by the nearest noun, the label before the words, and the headings above them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from jptextclf.licensing.reading.document import Document, Statement

About = Literal["model", "other-or-unclear"]

_MODEL = (
    r"\bmodels?\b(?!\s(?:card|zoo|hub))|\bweights?\b|\bcheckpoints?\b|\bthis\s(?:work|pipeline|adapter|embeddings?|encoder)\b"
    r"|\bparameters\b|\bembeddings\b|モデル(?!カード)|重み|学習済み|本作品|本成果物"
)
_OTHER = (
    r"\b(?:base|original|parent|teacher|underlying|source|upstream)[\s-]models?\b|\b\w*data[\s-]?(?:sets?|bases?)?\b|\bcorp(?:us|ora)\b"
    r"|\b(?:source[\s-])?codes?(?:base)?\b|\bscripts?\b|\b(?:git)?repo(?:sitory|sitories|s)?\b|\blibrar(?:y|ies)\b|\bsoftware\b|\btool(?:s|kit)?\b"
    r"|\bimages?\b|\bphotos?\b|\baudio\b|\brecordings\b|\bpapers?\b|\barticles?\b|\btexts?\b|\bwikipedia\b|\bdictionar(?:y|ies)\b|\btokeni[sz]ers?\b"
    r"|\bvocabular(?:y|ies)\b|\bbenchmarks?\b|\bannotations?\b|\btranscripts?\b|\bnotebooks?\b|\bdemo\b|\bspace\b|\bdocumentation\b|\bsamples?\b"
    r"|(?:ベース|元|教師|元の|親)モデル|データ(?:セット|ベース)?|コーパス|ソース|コード|辞書|リポジトリ|レポジトリ|ライブラリ|ソフトウェア|画像|音声|記事|論文"
    r"|トークナイザー?|語彙|スクリプト|ウィキペディア|文書"
)
_NOUN = re.compile(f"(?P<other>{_OTHER})|(?P<model>{_MODEL})", re.IGNORECASE)
_JOINED = re.compile(
    r"[\s*_`\"'()（）]*(?:and|&|or|,|/|\+|、|・|と|および|及び|ならびに|並びに|as\swell\sas|its|the|their|corresponding|pre-?trained|associated|all|training|source|inference"
    r"|[\s*_`\"'])*[\s*_`\"'()（）]*\Z",
    re.IGNORECASE,
)
_HELPERS = re.compile(
    r"\b(?:and|&|or|as\swell\sas)\b|[,/+、・と&]|および|及び|ならびに|並びに", re.IGNORECASE
)
# Words before a name that make it a licence of something else, or of another time.
_NOT_OURS = re.compile(
    r"\bused\sunder\b|\badapted\s(?:from|by)\b|\bderived\sfrom\b|\btrained\s(?:on|with|using)\b|\bpreviously\b|\bformerly\b|\boriginally\b|\bused\sto\sbe\b"
    r"|\b(?:changed|switched|moved|relicen[cs]ed|updated|migrated)\b[^.]{0,40}\bfrom\b(?![^.]*\bto\b)|\bnot\s(?:be\s)?(?:licen[cs]ed|released|covered|available|under)\b"
    r"|\bcompatible\swith\b|\bsimilar\sto\b|\b(?:e\.g\.|such\sas)|\bunlike\b|\binstead\sof\b|\brather\sthan\b|\brefer\sto\sthe\slicen[cs]e\sof\b"
    r"|以前は|かつて|旧ライセンス|元々|もともと",
    re.IGNORECASE,
)
_NOT_OURS_AFTER = re.compile(
    r"[\s」』\])*_`\"]{0,4}(?:ライセンス)?(?:から(?![配公提])|ではな|ではあり|と互換)"
)
_GRANT = re.compile(
    r"licen[cs]|licesed|\bunder\b|\bterms\b|\breleased?\b|\bdistribut|\bpublished\b|ライセンス|に基づ|のもと|の下で|にて|公開|配布|提供",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:\A|[\r\n|>])[\s\W_]{0,8}(?:this\s)?(?:(?:the|our)\s)?(?:models?(?:'s)?\s|weights?\s)?(?:licen[cs](?:e|es|ing)(?:\s(?:information|notice|type|name))?|licence|copyright\sand\slicen[cs]e|ライセンス|利用許諾)[\s*_`\"]{0,6}(?:[:：|\-–—=]|は|\Z)",
    re.IGNORECASE,
)
_LICENSE_TITLE = re.compile(
    r"licen[cs](?:e|es|ing)\b|ライセンス|利用規約|利用条件|使用許諾|terms\sof\suse|使用条件", re.IGNORECASE
)
_OTHER_TITLE = re.compile(
    rf"{_OTHER}|citation|referenc|acknowledg|credit|bibtex|引用|謝辞|参考|related|changelog|history|更新履歴|変更履歴",
    re.IGNORECASE,
)
_LINK = re.compile(r"\]\([^)\s]{0,300}\)|https?://[^\s)>\]]{1,300}")


def what_about(document: Document, start: int, end: int, *, is_term: bool = False) -> tuple[About, Statement]:
    """What the words from ``start`` to ``end`` are said of, and the statement that they stand in.

    :param is_term: whether the words are a limit on use, which speaks of the card's model where nothing else is named
    """
    statement = document.statement(start, end)
    before = _visible(document.prose[statement.start : start])
    after = document.prose[end : statement.end]
    if _NOT_OURS.search(before[-160:]) or _NOT_OURS_AFTER.match(after):
        return "other-or-unclear", statement
    if statement.block.is_row:
        return ("model" if _is_license_row(document, statement, start) else "other-or-unclear"), statement
    return _by_words(before, after, statement, is_term=is_term), statement


def is_license_title(title: str) -> bool:
    """Whether a heading announces the licence of what the card is about."""
    return bool(_LICENSE_TITLE.search(title)) and not _OTHER_TITLE.search(title)


def _visible(text: str) -> str:
    """Without the addresses of links, of equal length: ``.../dataset/...`` in one is no noun."""
    return _LINK.sub(lambda match: " " * len(match[0]), text)


def _by_words(before: str, after: str, statement: Statement, *, is_term: bool) -> About:
    section = _section(statement)
    noun = nearest_noun(before)
    if noun is None and not _LABEL.search(before):
        following = _NOUN.search(_visible(after[:120]))
        noun = following.lastgroup if following and _governs(after[: following.start()]) else None
    if noun == "other":
        return "other-or-unclear"
    if noun == "model":
        is_grant = is_term or section == "license" or _GRANT.search(before) or _GRANT.search(after[:60])
        return "model" if is_grant else "other-or-unclear"
    if section == "other":
        return "other-or-unclear"
    return "model" if section == "license" or _LABEL.search(before) else "other-or-unclear"


def _governs(between: str) -> bool:
    """Whether a noun after the name is what the licence is for: "MIT licence for the code"."""
    return bool(
        re.fullmatch(
            r"[\s\])*_`]*(?:\([^)]{0,200}\))?\W*(?:licen[cs]ed?|ライセンス)?\W*(?:(?:applies|apply|for|to|covers|of|の)\W*)?(?:all\s)?(?:the|our|this)?\W*",
            between,
            re.IGNORECASE,
        )
    )


def nearest_noun(before: str) -> str | None:
    """``model`` or ``other`` by the last noun; of joined nouns ("the code and the model") the model decides."""
    found = list(_NOUN.finditer(before))
    if not found:
        return None
    kinds = {found[-1].lastgroup}
    for left, right in zip(reversed(found[:-1]), reversed(found), strict=False):
        between = before[left.end() : right.start()]
        if not (_JOINED.match(between) and _HELPERS.search(between)):
            break
        kinds.add(left.lastgroup)
    return "model" if "model" in kinds else "other"


def _section(statement: Statement) -> Literal["license", "other", "none"]:
    """What the nearest heading that says something says."""
    for heading in reversed(statement.block.headings):
        if is_license_title(heading.title):
            return "license"
        if _OTHER_TITLE.search(heading.title) and heading.level > 1:
            return "other"
    return "none"


def _is_license_row(document: Document, statement: Statement, start: int) -> bool:
    """Whether the first cell of a table row is the word "licence"."""
    cells = document.prose[statement.block.start : start].lstrip(" \t|").split("|")
    return len(cells) > 1 and is_license_title(cells[0]) and len(cells[0]) < 60
