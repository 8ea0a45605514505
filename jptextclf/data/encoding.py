"""Which character encoding a text file has, decided on the whole file in constant memory.

It does not know tables. The ladder: byte order mark, ISO-2022-JP escapes, UTF-16 without a mark, strict UTF-8,
then cp932 and EUC-JP. Strict cp932 also accepts some EUC-JP files (as half-width kana) and Western ones (as
stray kanji), so those readings have to look like Japanese; a file that stays unclear is asked about.

Characters stay as the codec gives them: the wave dash of an EUC-JP file is U+301C, that of a cp932 file U+FF5E.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TextIO

from jptextclf.errors import ConfigError, DataError
from jptextclf.messages import did_you_mean, listing, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

How = Literal["mark", "escape", "zeros", "valid", "looks", "asked"]

_BLOCK = 1 << 20
_PROFILED = 1 << 20
_MARKS = (
    # UTF-32 first: its little-endian mark starts with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32"),
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
)
_CODECS = {
    "utf-8": ("utf-8",),
    "utf-16": ("utf-16",),
    "utf-16-le": ("utf-16-le",),
    "utf-16-be": ("utf-16-be",),
    "cp932": ("cp932",),
    # JIS X 0213 adds row 13 (①, ㈱), which files that call themselves EUC-JP often use.
    "euc-jp": ("euc_jp", "euc_jis_2004"),
    "iso-2022-jp": ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2004"),
}
"""Names shown to people -> codecs that may read such a file, the strictest first."""
_ALIASES = {
    "utf8": "utf-8",
    "utf-8-sig": "utf-8",
    "utf16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    # What is called Shift_JIS today is Microsoft's superset, as in web browsers.
    "shift-jis": "cp932",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "s-jis": "cp932",
    "ms932": "cp932",
    "windows-31j": "cp932",
    "windows31j": "cp932",
    "932": "cp932",
    "eucjp": "euc-jp",
    "euc": "euc-jp",
    "ujis": "euc-jp",
    "iso2022jp": "iso-2022-jp",
    "iso2022-jp": "iso-2022-jp",
    "jis": "iso-2022-jp",
}
_NOT_FOR_FILES = {
    "idna",
    "punycode",
    "unicode-escape",
    "unicode_escape",
    "raw-unicode-escape",
    "raw_unicode_escape",
}
_ESCAPE = re.compile(rb"\x1b(?:\$[@B(]|\([IJ])")


@dataclass(frozen=True)
class FileEncoding:
    """The encoding of one file and why it was taken."""

    name: str
    """As people call it: ``utf-8``, ``utf-16-le``, ``cp932``, ``euc-jp``, ``iso-2022-jp`` …"""
    codec: str
    """Python codec that reads the file, its byte order mark included."""
    bom: bool
    """Whether the file starts with a byte order mark."""
    how: How

    def describe(self) -> str:
        """One phrase for people, such as ``cp932 (the whole file is valid in it)``."""
        return text("data.encoding", name=self.name, how=text(f"data.encoding_{self.how}"))

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "bom": self.bom, "how": self.how}

    def open(self, path: Path) -> TextIO:
        """The file as text, its line ends untouched."""
        return path.open(encoding=self.codec, newline="")


@dataclass(frozen=True)
class _Failure:
    """Where a codec stopped."""

    codec: str
    offset: int
    """Bytes before the first one that it cannot read."""


def decide_encoding(path: Path, *, encoding: str = "auto") -> FileEncoding:
    """The encoding in which the whole file is valid.

    :param encoding: ``auto``, or a name that overrides the ladder; ``shift_jis`` is read as cp932, its superset
    :raises ConfigError: no such encoding (``JPT-U030``)
    :raises DataError: bytes that the encoding cannot read, with line and byte (``JPT-D007``); no encoding reads
        the file (``JPT-D008``); two readings and neither is clear (``JPT-D009``)
    """
    mark = _mark(path)
    if encoding.strip().casefold() != "auto":
        return _asked(path, encoding, mark)
    if mark is not None:
        _require(path, mark.codec, mark.name)
        return mark
    survey = _survey(path)
    if survey.escape and not survey.high:
        codec = _require_one(path, "iso-2022-jp")
        return FileEncoding("iso-2022-jp", codec, bom=False, how="escape")
    if survey.zero and (name := _utf16_without_mark(path, is_utf8=survey.utf8 is None)):
        return FileEncoding(name, name, bom=False, how="zeros")
    if survey.utf8 is None:
        return FileEncoding("utf-8", "utf-8", bom=False, how="valid")
    return _legacy(path, survey.utf8)


def canonical_name(encoding: str) -> str:
    """The name that people are shown: ``"SJIS" -> "cp932"``.

    :raises ConfigError: no such text encoding (``JPT-U030``)
    """
    asked = encoding.strip().casefold().replace("_", "-")
    name = _ALIASES.get(asked, asked)
    if name in _CODECS:
        return name
    try:
        # str.encode refuses codecs that are not about text, such as base64.
        "".encode(name)
        codec = codecs.lookup(name)
        # Those read escapes or names of hosts, not the text of a file.
        if codec.incrementaldecoder is None or codec.name in _NOT_FOR_FILES:
            raise LookupError(name)
        return codec.name
    except (LookupError, UnicodeError):
        known = sorted(_CODECS)
        raise ConfigError(
            "U030", name=encoding, known=listing(known), hint=did_you_mean(asked, [*known, *_ALIASES])
        ) from None


def _mark(path: Path) -> FileEncoding | None:
    with path.open("rb") as file:
        head = file.read(4)
    for mark, name, codec in _MARKS:
        if head.startswith(mark):
            return FileEncoding(name, codec, bom=True, how="mark")
    return None


def _asked(path: Path, encoding: str, mark: FileEncoding | None) -> FileEncoding:
    name = canonical_name(encoding)
    if mark is not None and (name == mark.name or (name == "utf-16" and mark.codec == "utf-16")):
        _require(path, mark.codec, mark.name)
        return FileEncoding(mark.name, mark.codec, bom=True, how="asked")
    if name == "utf-16" and (found := _utf16_without_mark(path, is_utf8=False)):
        name = found
    codec = _require_one(path, name)
    return FileEncoding(name, codec, bom=False, how="asked")


def _require_one(path: Path, name: str) -> str:
    """The first codec of that name which reads the whole file."""
    candidates = _CODECS.get(name, (name,))
    for codec in candidates:
        if _failure(path, codec) is None:
            return codec
    _require(path, candidates[0], name)
    return candidates[0]


def _require(path: Path, codec: str, name: str) -> None:
    failure = _failure(path, codec)
    if failure is not None:
        raise DataError("D007", path=path, encoding=name, **_place(path, failure))


def _place(path: Path, failure: _Failure) -> dict[str, object]:
    with path.open("rb") as file:
        file.seek(failure.offset)
        found = file.read(4)
    return {"line": _line_at(path, failure), "offset": failure.offset, "found": found.hex(" ").upper()}


def _line_at(path: Path, failure: _Failure) -> int:
    """The physical line, from 1, in which the byte at that offset lies."""
    decoder = codecs.getincrementaldecoder(failure.codec)()
    breaks, last = 0, ""
    with path.open("rb") as file:
        left = failure.offset
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            left -= len(block)
            part = decoder.decode(block)
            # A CR LF that two blocks share counts once.
            breaks += part.count("\n") + part.count("\r") - (last + part).count("\r\n")
            last = part[-1:] if part else last
    return breaks + 1


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _decoded(path: Path, codec: str) -> Iterator[str]:
    """The text of the file, block by block.

    :raises UnicodeDecodeError: ``start`` is counted from the start of the file
    """
    decoder = codecs.getincrementaldecoder(codec)()
    fed = 0
    try:
        for block in _blocks(path):
            fed += len(block)
            yield decoder.decode(block)
        yield decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        # error.object is what the decoder had kept back, and the block.
        before = fed - len(error.object)
        raise UnicodeDecodeError(codec, b"", before + error.start, before + error.end, error.reason) from None
    except UnicodeError as error:
        # The codecs that want a byte order mark say only that it is missing.
        raise UnicodeDecodeError(codec, b"", 0, 1, str(error)) from None


def _failure(path: Path, codec: str) -> _Failure | None:
    """None where the codec reads the whole file."""
    try:
        for _ in _decoded(path, codec):
            pass
    except UnicodeDecodeError as error:
        return _Failure(codec, error.start)
    return None


@dataclass(frozen=True)
class _Survey:
    escape: bool
    """An escape sequence of ISO-2022-JP was seen."""
    high: bool
    """A byte above 0x7F was seen."""
    zero: bool
    """A zero byte was seen."""
    utf8: _Failure | None
    """Where strict UTF-8 stopped; nothing after that block was looked at."""


def _survey(path: Path) -> _Survey:
    """One pass that answers the ladder's first questions."""
    escape = high = zero = False
    decoder = codecs.getincrementaldecoder("utf-8")()
    fed = 0
    tail = b""
    try:
        for block in _blocks(path):
            fed += len(block)
            zero = zero or b"\0" in block
            high = high or not block.isascii()
            escape = escape or bool(_ESCAPE.search(tail + block))
            tail = block[-2:]
            decoder.decode(block)
        decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        return _Survey(escape, high, zero, _Failure("utf-8", fed - len(error.object) + error.start))
    return _Survey(escape, high, zero, None)


def _utf16_without_mark(path: Path, *, is_utf8: bool) -> str | None:
    """UTF-16 by its zero bytes: it must decode, hold no U+0000, and explain zeros and line ends as characters.

    :param is_utf8: the file is valid UTF-8 too; then a few zeros do not outweigh that
    """
    for name in ("utf-16-le", "utf-16-be"):
        ascii_, breaks, zeros = 0, 0, 0
        try:
            for part in _decoded(path, name):
                breaks += part.count("\n") + part.count("\r")
                zeros += part.count("\0")
                ascii_ += len(part) - len(_ASCII.sub("", part))
        except UnicodeDecodeError:
            continue
        zero_bytes = sum(block.count(0) for block in _blocks(path))
        break_bytes = sum(block.count(10) + block.count(13) for block in _blocks(path))
        # Of UTF-16 that is mostly ASCII, and only such a file is valid UTF-8, half the bytes are zeros.
        few = is_utf8 and 8 * zero_bytes < path.stat().st_size
        if 2 * breaks >= max(break_bytes, 1) and not zeros and 2 * ascii_ >= zero_bytes and not few:
            return name
    return None


_ASCII = re.compile(r"[\x01-\x7f]+")
_KANA = re.compile(r"[ぁ-ゖァ-ヺー]+")
_HALF_WIDTH = re.compile(r"[｡-ﾟ]+")
_HALF_WIDTH_MARKS = re.compile(r"[｡､･]+")
_VOICED_WELL = re.compile("[ｳｶ-ﾄﾊ-ﾎ]ﾞ|[ﾊ-ﾎ]ﾟ")
_STRAY = re.compile(r"(?<=[A-Za-z])[^\x00-\x7f](?=[A-Za-z ])")


@lru_cache(maxsize=1)
def _everyday() -> re.Pattern[str]:
    """Kana, marks, full-width letters and the 2,965 kanji of JIS X 0208 level 1 (rows 16 to 47)."""
    rows = bytes(byte for row in range(0xB0, 0xD0) for cell in range(0xA1, 0xFF) for byte in (row, cell))
    kanji = rows.decode("euc_jp", "ignore")
    return re.compile(f"[ぁ-ゖァ-ヺー\u3000-〿・！-～①-⑳㈱㈲№℡{kanji}]+")


@dataclass
class _Profile:
    """What the characters beyond ASCII are, in one reading of a file."""

    n: int = 0
    kana: int = 0
    """Hiragana and full-width katakana."""
    everyday: int = 0
    half_width: int = 0
    half_width_marks: int = 0
    voiced: int = 0
    """Half-width ﾞ and ﾟ."""
    voiced_well: int = 0
    """Those that stand behind a kana which has a voiced form."""
    stray: int = 0
    """Alone between Latin letters, where no Japanese stands."""

    def add(self, part: str) -> None:
        beyond = _ASCII.sub("", part)
        if not beyond:
            return
        self.n += len(beyond)
        self.kana += _count(_KANA, beyond)
        self.everyday += _count(_everyday(), beyond)
        self.half_width += _count(_HALF_WIDTH, beyond)
        self.half_width_marks += _count(_HALF_WIDTH_MARKS, beyond)
        self.voiced += beyond.count("ﾞ") + beyond.count("ﾟ")
        self.voiced_well += len(_VOICED_WELL.findall(part))
        self.stray += len(_STRAY.findall(part))

    def is_japanese(self, *, kanji_will_do: bool) -> bool:
        """Whether this looks like a Japanese text rather than like another encoding's bytes.

        :param kanji_will_do: take kanji without any kana; Korean and Chinese read as EUC-JP look like that
        """
        if self.kana >= 0.05 * self.n:
            return self.everyday + self.half_width >= 0.5 * self.n
        if self.half_width >= 0.9 * self.n:
            # In EUC-JP every hiragana starts with the byte of ､ and every katakana with that of ･.
            few_marks = self.half_width_marks <= 0.15 * self.half_width
            return few_marks and self.voiced_well > 0 and self.voiced_well >= 0.9 * self.voiced
        return kanji_will_do and self.everyday >= 0.95 * self.n and self.stray <= 0.3 * self.n


def _count(pattern: re.Pattern[str], part: str) -> int:
    return len(part) - len(pattern.sub("", part))


def _profile(path: Path, name: str) -> tuple[str, _Profile] | _Failure:
    """The first codec of that name that reads the file, with what it reads; else where the first one stopped."""
    failures = []
    for codec in _CODECS[name]:
        profile = _Profile()
        try:
            for part in _decoded(path, codec):
                # The codec must read every byte; how its characters look, the first million tell.
                if profile.n < _PROFILED:
                    profile.add(part)
            return codec, profile
        except UnicodeDecodeError as error:
            failures.append(_Failure(codec, error.start))
    return failures[0]


def _legacy(path: Path, utf8: _Failure) -> FileEncoding:
    """cp932 or EUC-JP, for a file that is not UTF-8."""
    if _is_damaged_utf8(path):
        raise DataError("D007", path=path, encoding="utf-8", **_place(path, utf8))
    found = {name: _profile(path, name) for name in ("cp932", "euc-jp")}
    valid = {name: one for name, one in found.items() if not isinstance(one, _Failure)}
    if not valid:
        failures = {"utf-8": utf8, **{k: v for k, v in found.items() if isinstance(v, _Failure)}}
        attempts = "\n".join(
            text("data.attempt", encoding=name, **_place(path, failure)) for name, failure in failures.items()
        )
        raise DataError("D008", path=path, attempts=attempts)
    alone = len(valid) == 1
    clear = [
        name
        for name, (_, profile) in valid.items()
        if profile.is_japanese(kanji_will_do=alone and name == "cp932")
    ]
    if len(clear) != 1:
        raise _unclear(path, [codec for codec, _ in valid.values()])
    name = clear[0]
    return FileEncoding(name, valid[name][0], bom=False, how="valid" if alone else "looks")


def _is_damaged_utf8(path: Path) -> bool:
    """Whether nearly all characters beyond ASCII are UTF-8, so that the file is UTF-8 with some bad bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    bad = beyond = 0
    for block in _blocks(path):
        part = _ASCII.sub("", decoder.decode(block))
        beyond += len(part)
        bad += len(part) - len(_ESCAPED.sub("", part))
        if beyond >= _PROFILED // 8:
            break
    return bad <= 0.2 * beyond


_ESCAPED = re.compile("[\udc80-\udcff]+")


def _unclear(path: Path, codecs_: list[str]) -> DataError:
    """The question to the user, with a line in each reading."""
    candidates = [*codecs_, "cp1252"] if len(codecs_) == 1 else codecs_
    shown = {"euc_jp": "euc-jp", "euc_jis_2004": "euc-jp"}
    samples = "\n".join(
        text("data.reading", encoding=shown.get(codec, codec), sample=_sample(path, codec))
        for codec in candidates
    )
    return DataError("D009", path=path, samples=samples)


def _sample(path: Path, codec: str, width: int = 40) -> str:
    """The start of the first line with characters beyond ASCII."""
    decoder = codecs.getincrementaldecoder(codec)("replace")
    for block in _blocks(path):
        for line in decoder.decode(block).splitlines():
            if not line.isascii():
                first = next(place for place, char in enumerate(line) if not char.isascii())
                start = max(0, first - width // 2)
                return line[start : start + width].replace("\t", " ")
    return ""
