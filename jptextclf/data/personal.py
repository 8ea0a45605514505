"""Personal data in texts, by their patterns: telephone numbers, mail addresses, postal codes, card and individual numbers.

It knows no names and no addresses: what has no fixed form is not found, so a text without a match is not free of
personal data. Forms: numbers of the Japanese numbering plan with or without +81, 〒 and 3-4 digits, card numbers of 13 to
19 digits that pass the Luhn test (ISO/IEC 7812-1), and the 12 digits of the Individual Number with its check digit
(Ordinance of the Ministry of Internal Affairs and Communications No. 85 of 2014, article 5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from jptextclf.messages import text

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["mail", "card_number", "individual_number", "telephone", "postal_code"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Where two overlap, the earlier one counts."""

# One character each, so that places stay what they are.
_FOLD = {
    **{0xFF10 + digit: str(digit) for digit in range(10)},
    **{0xFF21 + letter: chr(0x41 + letter) for letter in range(26)},
    **{0xFF41 + letter: chr(0x61 + letter) for letter in range(26)},
    **{ord(one): "-" for one in "‐‑‒–—―−ー－﹣ｰ⁃➖﹘─━"},
    **{ord(one): plain for one, plain in zip("（）＋＠．　＿／：", "()+@. _/:", strict=True)},
    # Nothing to the eye, and a way to write a number that a pattern does not see.
    **dict.fromkeys([0x00A0, 0x00AD, *range(0x200B, 0x2010), 0x2060, 0xFEFF], " "),
}
_MAIL = re.compile(
    r"(?<![\w.%+-])[A-Za-z0-9][\w.%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])", re.ASCII
)
# Between the groups of a number: one mark, spaces around it, over the end of a line as well.
_GAP = r"(?:[ \t]{0,2}[-.・/_\r\n][ \t\r\n]{0,2}|[ \t]{1,2}|)"
_NOT_BEFORE = r"(?<![\d.])(?<!\d[-/・])"
_NOT_AFTER = r"(?!\d)(?![-./・]\d)"
_CARD = re.compile(r"(?<![\d-])[3-6](?:[ \r\n-]{0,2}\d){12,18}(?!-?\d)")
_INDIVIDUAL = re.compile(r"(?<![\d-])(?<!\d )\d{4}([ -]?)\d{4}\1\d{4}(?![ -]?\d)")
# Folded: the long vowel is a hyphen.
_SAID_INDIVIDUAL = re.compile("マイナンバ-|個人番号")
_TELEPHONE = re.compile(
    rf"{_NOT_BEFORE}(?:(?:\+|00)81{_GAP}(?:\(0\)[ ]?)?\d{{1,4}}|\(?0\d{{1,4}}\)?)"
    rf"{_GAP}\(?\d{{1,4}}\)?{_GAP}\d{{3,4}}{_NOT_AFTER}",
    re.ASCII,
)
_SAID_TELEPHONE = re.compile(r"(?:電話|でんわ|TEL|Tel|tel|℡|☎|携帯|ファクス|FAX|Fax)[^\d]{0,8}$")
_POSTAL = re.compile(r"(?:〒|郵便番号)\s?:?\s?\d{3}[ -]?\d{4}(?!\d)")
_ADDRESS = re.compile(
    r"(?<![\d-])\d{3}-\d{4}(?=\s{0,2}(?:北海道|東京都|(?:京都|大阪)府|[\u4e00-\u9fff]{2,3}県|[\u4e00-\u9fff]{1,5}市))"
)


@dataclass(frozen=True)
class Match:
    """Something that looks like personal data."""

    kind: Kind
    start: int
    end: int


def find_personal(found: str) -> list[Match]:
    """What looks like personal data in a text, in the order of the text; matches do not overlap.

    ``"電話は０３−１２３４−５６７８です"`` -> one ``telephone`` from 3 to 15
    """
    folded = found.translate(_FOLD)
    if not any(one.isdecimal() and one.isascii() for one in folded) and "@" not in folded:
        return []
    matches: list[Match] = []
    is_taken = bytearray(len(folded))
    for one in _candidates(folded):
        if not any(is_taken[one.start : one.end]):
            is_taken[one.start : one.end] = b"\1" * (one.end - one.start)
            matches.append(one)
    return sorted(matches, key=lambda one: one.start)


def mask(found: str) -> str:
    """A text with a mark in place of everything that looks like personal data, in the language of now.

    ``"03-1234-5678まで" -> "［電話番号］まで"``
    """
    parts, done = [], 0
    for one in find_personal(found):
        parts += [found[done : one.start], text(f"personal.mark_{one.kind}")]
        done = one.end
    return "".join([*parts, found[done:]])


def masked_start(found: str, n_characters: int) -> str:
    """The start of a text, masked before it is cut: half a telephone number is not recognised."""
    # The longest match, a mail address, is about 600 characters and its mark about 14.
    line = mask(found[: 50 * n_characters])
    return line if len(line) <= n_characters else line[: n_characters - 1] + "…"


def _candidates(folded: str) -> Iterator[Match]:
    for one in _MAIL.finditer(folded):
        yield Match("mail", *one.span())
    for one in _CARD.finditer(folded):
        digits = _digits(one[0])
        if 13 <= len(digits) <= 19 and _passes_luhn(digits):
            yield Match("card_number", *one.span())
    for one in _INDIVIDUAL.finditer(folded):
        before = folded[max(0, one.start() - 12) : one.start()]
        is_said = _SAID_INDIVIDUAL.search(before) is not None
        # One number of twelve digits in eleven passes by chance.
        if is_said or (one[1] and _passes_individual(_digits(one[0]))):
            yield Match("individual_number", *one.span())
    for one in _TELEPHONE.finditer(folded):
        if _is_telephone(one[0], folded[max(0, one.start() - 16) : one.start()]):
            yield Match("telephone", *one.span())
    for pattern in (_POSTAL, _ADDRESS):
        for one in pattern.finditer(folded):
            yield Match("postal_code", *one.span())


def _digits(found: str) -> str:
    return "".join(one for one in found if one.isdecimal())


def _is_telephone(found: str, before: str) -> bool:
    """Whether digits are a number of the Japanese plan: 10 of them, 11 for mobile and IP telephones."""
    digits = _digits(found)
    is_international = found.startswith(("+81", "0081"))
    if is_international:
        digits = "0" + digits.removeprefix("00")[2:].removeprefix("0")
    if len(digits) not in {10, 11} or digits.startswith("00"):
        return False
    is_long = digits[:3] in {"020", "050", "060", "070", "080", "090"} or digits.startswith("0800")
    if is_long != (len(digits) == 11):
        return False
    is_grouped = is_international or len(re.findall(r"\d+", found)) == 3
    # Ten digits in one piece are a number of something; eleven that begin like a mobile telephone are one.
    return is_grouped or is_long or digits.startswith("0120") or _SAID_TELEPHONE.search(before) is not None


def _passes_luhn(digits: str) -> bool:
    values = [int(one) for one in reversed(digits)]
    doubled = [value * 2 - 9 * (value > 4) for value in values[1::2]]
    return len(set(digits)) > 1 and (sum(values[::2]) + sum(doubled)) % 10 == 0


def _passes_individual(digits: str) -> bool:
    """Check digit: 11 minus the rest of the weighted sum by 11; 0 for a rest of 0 or 1."""
    values = [int(one) for one in reversed(digits[:11])]
    rest = sum(value * (n + 1 if n <= 6 else n - 5) for n, value in enumerate(values, 1)) % 11
    return len(set(digits)) > 1 and int(digits[11]) == (0 if rest <= 1 else 11 - rest)
