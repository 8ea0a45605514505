"""What a statement is about: the model of the card, or something else such as its data or code.

It decides by the nearest noun, the label before the words, and the headings above them. The words are data.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from jptextclf.licensing.reading.document import Document, Statement

About = Literal["model", "other-or-unclear"]

_WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def _any_of(section: str, key: str) -> str:
    """The words of a list as alternatives."""
    return "|".join(map(_with_edges, _WORDS[section][key])).replace(" ", r"\s")


def _with_edges(word: str) -> str:
    """Python's ``\\b`` takes kana for letters of the same word: it sees no edge in "Wikipediaの"."""
    word = re.sub(r"^((?:\(\?<![^)]*\))?)\\b", r"\1(?<![A-Za-z0-9_])", word)
    return word.replace(r"\b", r"(?![A-Za-z0-9_])")


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_OTHER = _any_of("noun", "other")
_NOUN = _pattern(f"(?P<other>{_OTHER})|(?P<model>{_any_of('noun', 'model')})")
_GRANT = _pattern(_any_of("license", "grant"))
_TITLE = _any_of("license", "title")
_LICENSE_TITLE = _pattern(_TITLE)
_LABEL = _pattern(
    r"(?:\A|[\r\n|>])[\s\W_]{0,8}(?:(?:this|the|our)\s)?(?:(?:models?(?:'s)?|weights?|copyright\sand)\s)?"
    rf"(?:{_TITLE})(?:\s(?:information|notice|type|name))?(?:\(s\))?[\s*_`\"]{{0,6}}(?:[:：|\-–—=]|は|\Z)"
)
_OTHER_TITLE = _pattern(f"{_OTHER}|{_any_of('section', 'other')}")
_DATA_TITLE = _pattern(_any_of("section", "data"))
_ELSEWHERE = _pattern("|".join(_WORDS["elsewhere"]["before"]).replace(" ", r"\s"))
_ELSEWHERE_AFTER = _pattern(_WORDS["elsewhere"]["after"])
# "MIT-licensed library", "CC BY-SA 4.0で公開されているコーパス": the licence of what follows.
_ATTRIBUTE = _pattern(
    r"(?:ライセンス)?(?:の?(?:もと|下|元)で|にて|で|として)?(?:公開|配布|提供|ライセンス)?"
    r"(?:され(?:ている|ていた|た)|している|した|利用(?:可能な|できる)|使用(?:可能な|できる)|の)"
    rf"[^。、\s]{{0,20}}?(?:{_OTHER})"
)
_LICENSED_THING = _pattern(
    rf"licen[cs]ed\s(?:(?!(?:and|or|but|with|while|as|the)\s)\w{{1,20}}\s){{0,3}}(?:{_OTHER})"
)
# "The model is CC BY 4.0", "Model: CC BY 4.0", "モデルはCC BY 4.0".
_IS_SAID = _pattern(r"[\s*_`)\]]{0,4}(?:\s(?:is|are)(?:\s(?:the|an?))?\s|[:：]|は)[\s*_`\[(「]{0,6}\Z")
_TRAINED_ON = _pattern(r"\btrained\s(?:on|with|using)\b(?P<rest>[^.]*)\Z")
_RELATIVE = _pattern(r"\b(?:which|that|whose\slicen[cs]e)\s(?:is|are|was|were|has|have)\b")
_BELONGS = _pattern(
    r"(?:\s\w{1,20}){0,3}?\s(?:for|of|to|behind|from|underlying|used|accompanying)\b[^,;.]*\Z"
)
_MADE_FROM = _pattern(
    r"\s(?:[\w.-]{1,30}\s){0,2}?(?:pre-?|fine-?|re)?(?:trained|tuned|based|built|derived|distilled)\s"
    r"(?:on|from|with|using)\b[^,;.]*\Z"
)
_SAME_AS = _pattern(r"と(?:同じ|同様|同一)|に準じ")
_TOPIC = _pattern(r"(?:自体|自身)?(?:のライセンス)?(?:について|に関して)?は")
_FINITE = _pattern(r"[\s*_`\"'\])]{0,4}(?:is|are|was|has\sbeen|have\sbeen)\s")
_JOINED = _pattern(
    r"(?:[\s*_`\"'()（）&,/+、・]|(?:and|or|as\swell\sas|its|the|their|corresponding|pre-?trained|associated|all|training"
    r"|source|inference)\b|と|および|及び|ならびに|並びに)*+\Z"
)
_HELPERS = _pattern(r"\b(?:and|or|as\swell\sas)\b|[,/+、・と&]|および|及び|ならびに|並びに")
_GOVERNING = frozenset(
    ["license", "licence", "licensed", "licenced", "applies", "apply", "for", "to", "covers", "of", "all", "the",
     "our", "this", "and", "is", "are", "s"]
)  # fmt: skip
_LINK = re.compile(r"\]\([^)\s]{0,300}\)|https?://[^\s)>\]]{1,300}")


def what_about(document: Document, start: int, end: int, *, is_term: bool = False) -> tuple[About, Statement]:
    """What the words from ``start`` to ``end`` are said of, and the statement that they stand in.

    :param is_term: whether the words are a limit on use: they need no word such as "licensed" to be one, and where
        nothing is named they speak of what the card is about
    """
    statement = document.statement(start, end)
    before = _visible(document.prose[statement.start : start])
    after = _visible(document.prose[end : statement.end])
    if _is_of_another(before, after) or _LICENSED_THING.search(document.prose[end - 8 : end] + after[:80]):
        return "other-or-unclear", statement
    if statement.block.is_row and not (is_term and _is_first(document, statement, start)):
        return ("model" if _is_license_row(document, statement, start) else "other-or-unclear"), statement
    is_grant = is_term or bool(
        _GRANT.search(before) or _GRANT.search(document.prose[start:end]) or _IS_SAID.search(before)
    )
    return _by_words(before, after, statement, is_grant=is_grant, is_term=is_term), statement


def is_license_title(title: str) -> bool:
    """Whether a heading announces the licence of what the card is about."""
    if not _LICENSE_TITLE.search(title):
        return False
    kinds = {match.lastgroup for match in _NOUN.finditer(title)}
    return "model" in kinds or "other" not in kinds


def nearest_noun(before: str) -> str | None:
    """``model`` or ``other`` by the last noun and what it hangs on; None where there is neither.

    Of joined nouns ("the model and its code") the model decides. "The data used for this model" is about data,
    "the model trained on this data is licensed" about the model, and "a model based on X, which is licensed" about X.
    """
    found = [noun for noun in _NOUN.finditer(before) if not _SAME_AS.match(before, noun.end())]
    if not found:
        return None
    last, rest = found[-1], before[found[-1].end() :]
    topics = [noun for noun in found[:-1] if _TOPIC.match(before, noun.end())]
    if topics and "、" in rest and not _TOPIC.match(rest):
        # 「モデルは、XのライセンスであるAに従い、Bで公開」: behind the comma the sentence is about its topic again.
        return topics[-1].lastgroup
    relative = _RELATIVE.search(rest)
    if last.lastgroup == "model" and relative and rest[: relative.start()].strip(" ,*_`"):
        return "other"
    kinds = _joined_kinds(found, before)
    if len(kinds) == 1 and len(found) > 1:
        between = before[found[-2].end() : last.start()]
        if (found[-2].lastgroup, last.lastgroup) == ("other", "model") and _BELONGS.match(between):
            return "other"
        if (found[-2].lastgroup, last.lastgroup) == ("model", "other") and _MADE_FROM.match(between):
            return "model" if _FINITE.match(rest) else "other"
    return "model" if "model" in kinds else "other"


def _joined_kinds(found: list[re.Match[str]], before: str) -> set[str | None]:
    """Kinds of the last noun and of those that "and" joins to it."""
    kinds = {found[-1].lastgroup}
    for left, right in zip(reversed(found[:-1]), reversed(found), strict=False):
        between = before[left.end() : right.start()]
        if not (_JOINED.match(between) and _HELPERS.search(between)):
            break
        kinds.add(left.lastgroup)
    return kinds


def _visible(text: str) -> str:
    """Without the addresses of links, of equal length: ``.../dataset/...`` in one is no noun."""
    return _LINK.sub(lambda match: " " * len(match[0]), text)


def _is_of_another(before: str, after: str) -> bool:
    """Whether the words around a name give it to another thing or another time."""
    trained = _TRAINED_ON.search(before)
    return bool(
        _ELSEWHERE.search(before[-160:])
        or _ELSEWHERE_AFTER.match(after)
        or _ATTRIBUTE.match(after)
        or (trained and not _GRANT.search(trained["rest"]))
    )


def _by_words(before: str, after: str, statement: Statement, *, is_grant: bool, is_term: bool) -> About:
    section = _section(statement)
    noun = nearest_noun(before)
    if noun is None and not _LABEL.search(before):
        following = _NOUN.search(after[:120])
        if following and _governs(after[: following.start()]):
            return "model" if following.lastgroup == "model" else "other-or-unclear"
    if noun == "other":
        return "other-or-unclear"
    if noun == "model":
        is_grant = is_grant or section == "license" or bool(_GRANT.search(after[:60]))
        return "model" if is_grant else "other-or-unclear"
    if section == "other":
        return "other-or-unclear"
    is_own = is_term or section == "license" or bool(_LABEL.search(before))
    return "model" if is_own else "other-or-unclear"


def _governs(between: str) -> bool:
    """Whether a noun behind the name is what the licence is for: "MIT licence for the code"."""
    words = re.findall(r"[^\W_]+", between.replace("ライセンス", " ").replace("の", " "))
    return {word.lower() for word in words} <= _GOVERNING


def _section(statement: Statement) -> Literal["license", "other", "none"]:
    """What the nearest heading that says something says."""
    headings = statement.block.headings
    is_of_data = any(heading.level > 1 and _DATA_TITLE.search(heading.title) for heading in headings)
    for heading in reversed(headings):
        if is_license_title(heading.title):
            return "other" if is_of_data else "license"
        if _OTHER_TITLE.search(heading.title) and heading.level > 1:
            return "other"
    return "none"


def _is_first(document: Document, statement: Statement, start: int) -> bool:
    """Whether a table row begins with the words: "| Commercial use | no |" says it of no other thing."""
    return not re.search(r"[^\W_]", document.prose[statement.block.start : start])


def _is_license_row(document: Document, statement: Statement, start: int) -> bool:
    """Whether the first cell of a table row is the word "licence"."""
    row = statement.block.start
    cells = document.prose[row : min(start, row + 200)].lstrip(" \t|").split("|")
    return len(cells) > 1 and is_license_title(cells[0]) and len(cells[0]) < 60
