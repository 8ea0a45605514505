"""The encoding of a file is decided on all of it, and never guessed."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf.data import encoding as encoding_module
from jptextclf.data.encoding import canonical_name, decide_encoding
from jptextclf.errors import ConfigError, DataError

ROWS = "text,label\n駅から近くて便利でした。,良い\nコーヒーが冷めていて残念,悪い\n"
FIVE = [
    ("utf-8", "utf-8"),
    ("utf-8-sig", "utf-8"),
    ("cp932", "cp932"),
    ("euc_jp", "euc-jp"),
    ("utf-16", "utf-16-le"),
]


@pytest.fixture
def write(tmp_path):
    def write(data, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def read(path, **options):
    decided = decide_encoding(path, **options)
    with decided.open(path) as file:
        return decided, file.read()


@pytest.mark.parametrize(("codec", "name"), [*FIVE, ("iso2022_jp", "iso-2022-jp"), ("utf-16-be", "utf-16-be"),
                                             ("utf-16-le", "utf-16-le"), ("utf-32", "utf-32")])  # fmt: skip
def test_each_japanese_encoding_is_recognised_and_read(write, codec, name):
    decided, found = read(write(ROWS.encode(codec)))
    assert (decided.name, found) == (name, ROWS)
    assert name in decided.describe()


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_not_part_of_the_text(write, codec):
    decided, found = read(write(ROWS.encode(codec)))
    assert decided.bom
    assert decided.how == "mark"
    assert found[0] == "t"


@pytest.mark.parametrize("text", ["①㈱髙﨑～－です", "ﾎﾃﾙの朝食", "表示ソ能予", "a\\b~c をください"])
def test_what_microsoft_added_to_shift_jis_is_read(write, text):
    assert read(write(f"text\n{text}\n".encode("cp932")))[1].splitlines()[1] == text


def test_euc_jp_with_circled_digits_is_read(write):
    assert read(write("text\n①番の部屋がよかった\n".encode("euc_jis_2004")))[0].name == "euc-jp"


@pytest.mark.parametrize("text", ["サービスが良い", "良い", "ﾎﾃﾙが良いです", "部屋が汚い"])
def test_euc_jp_that_cp932_would_take_for_half_width_kana_is_read_as_euc_jp(write, text):
    data = text.encode("euc_jp")
    data.decode("cp932")
    decided, found = read(write(data))
    assert (decided.name, decided.how, found) == ("euc-jp", "looks", text)


@pytest.mark.parametrize(
    "data", ["ﾎﾃﾙﾖｼ".encode("euc_jp"), "ｱｲｳｴ".encode("cp932"), "良".encode("euc_jp"), "社者".encode("cp932")]
)
def test_a_file_with_two_plausible_readings_is_asked_about(write, data):
    with pytest.raises(DataError) as caught:
        decide_encoding(write(data))
    assert caught.value.code == "JPT-D009"
    assert caught.value.exit_status == 3
    assert data.decode("cp932") in str(caught.value)
    assert data.decode("euc_jp") in str(caught.value)
    assert "--encoding" in caught.value.hint


def test_the_answer_to_that_question_is_taken(write):
    data = "ﾎﾃﾙﾖｼ".encode("euc_jp")
    assert read(write(data), encoding="euc-jp")[1] == "ﾎﾃﾙﾖｼ"
    assert read(write(data), encoding="sjis")[1] == data.decode("cp932")


def test_a_long_file_of_half_width_kana_is_cp932(write):
    text = "ﾃﾝｲﾝﾉ ﾀｲｵｳｶﾞ ﾖｶｯﾀ｡ ﾏﾀ ｷﾏｽ\n" * 3
    assert read(write(text.encode("cp932")))[1] == text


@pytest.mark.parametrize("text", ["it’s a café, naïve “quotes”\n" * 5, "l’été déjà\n" * 5])
def test_a_western_file_is_asked_about_instead_of_becoming_kanji(write, text):
    with pytest.raises(DataError) as caught:
        decide_encoding(write(text.encode("cp1252")))
    assert caught.value.code in ("JPT-D008", "JPT-D009")


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("gb2312", "房间很干净，服务员的态度也很好。\n"),
        ("gbk", "这个酒店的早餐非常好吃，我还会再来。交通也很方便\n"),
        ("koi8-r", "Номер был чистым, персонал вежливый.\n"),
        ("euc_kr", "방이 깨끗하고 직원이 친절했습니다.\n"),
    ],
)
def test_chinese_korean_and_russian_files_do_not_pass_for_japanese(write, codec, text):
    with pytest.raises(DataError) as caught:
        decide_encoding(write((text * 5).encode(codec)))
    assert caught.value.code in ("JPT-D008", "JPT-D009")


def test_one_bad_byte_in_utf8_is_named_by_line_and_offset(write):
    lines = [f"{number},とても良かったです。\n".encode() for number in range(1, 1001)]
    before = b"".join(lines[:500])
    lines[500] = lines[500][:7] + b"\xff" + lines[500][8:]
    with pytest.raises(DataError) as caught:
        decide_encoding(write(b"".join(lines)))
    assert caught.value.code == "JPT-D007"
    fields = caught.value.fields
    assert (fields["line"], fields["encoding"]) == (501, "utf-8")
    assert len(before) + 4 <= fields["offset"] <= len(before) + 7


def test_a_bad_byte_is_found_however_the_blocks_fall(write, monkeypatch):
    data = "一行目です。\r\n二行目です。\r\n三行目".encode() + b"\xff" + "です。\r\n".encode() * 30
    for size in range(1, 20):
        monkeypatch.setattr(encoding_module, "_BLOCK", size)
        with pytest.raises(DataError) as caught:
            decide_encoding(write(data))
        assert (caught.value.fields["line"], caught.value.fields["offset"]) == (3, data.index(b"\xff"))


def test_a_file_that_nothing_reads_says_where_each_encoding_stops(write):
    with pytest.raises(DataError) as caught:
        decide_encoding(write("良いです\n".encode() + "悪いです\n".encode("cp932") * 5 + b"\x82"))
    assert caught.value.code == "JPT-D008"
    for name in ("utf-8", "cp932", "euc-jp"):
        assert name in str(caught.value)


@pytest.mark.parametrize("asked", ["UTF-8", "utf_8", "utf8", "UTF-8-SIG"])
def test_utf8_by_any_name_takes_a_mark_off(write, asked):
    assert read(write(ROWS.encode("utf-8-sig")), encoding=asked)[1] == ROWS
    assert read(write(ROWS.encode()), encoding=asked)[1] == ROWS


@pytest.mark.parametrize("asked", ["shift_jis", "Shift-JIS", "SJIS", "windows-31j", "cp932"])
def test_shift_jis_is_read_as_its_superset(write, asked):
    assert read(write("①です".encode("cp932")), encoding=asked)[1] == "①です"


def test_an_asked_encoding_that_does_not_fit_is_an_error_with_place(write):
    with pytest.raises(DataError) as caught:
        decide_encoding(write(ROWS.encode("euc_jp")), encoding="utf-8")
    assert caught.value.fields["line"] == 2
    assert caught.value.fields["found"].startswith("B1 D8")


@pytest.mark.parametrize(
    "name",
    [
        "utf-88",
        "base64",
        "rot13",
        "",
        "日本語",
        "undefined",
        "cp932 932",
        "idna",
        "punycode",
        "unicode_escape",
    ],
)
def test_an_unknown_encoding_is_refused(write, name):
    with pytest.raises(ConfigError) as caught:
        decide_encoding(write(b"a"), encoding=name)
    assert caught.value.code == "JPT-U030"


def test_other_codecs_of_python_can_be_asked_for(write):
    assert read(write("naïve café".encode("latin-1")), encoding="latin-1")[1] == "naïve café"
    assert canonical_name("mac-roman") == "mac-roman"


def test_text_with_nul_is_not_taken_for_utf16(write):
    assert read(write("text\n日本\0大学\nab\0cd\n".encode()))[0].name == "utf-8"


@pytest.mark.parametrize("data", [b"text\nabcd\nab\0\n", b"text\nabcd\nabc\n\0x\n", b"abcdefgh\0\n"])
def test_a_single_nul_beside_a_line_end_does_not_make_utf16(write, data):
    assert read(write(data))[0].name == "utf-8"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["text,label\nabc,x\n", "本文\nとても良い宿でした。\n"])
def test_utf16_without_a_mark_is_recognised_and_may_be_asked_for(write, codec, text):
    assert read(write(text.encode(codec)))[0].name == codec
    assert read(write(text.encode(codec)), encoding="utf-16")[1] == text


@pytest.mark.parametrize("codec", ["utf-16", "utf-32"])
def test_a_missing_mark_is_an_error_with_its_place(write, codec):
    with pytest.raises(DataError) as caught:
        decide_encoding(write(b"text,label\nabc,x\n"), encoding=codec)
    assert caught.value.code == "JPT-D007"


@given(st.text(st.characters(codec="cp932", exclude_characters="\0\x1b¢£¬‖−〜"), min_size=0, max_size=60))
@settings(max_examples=150, deadline=None)
def test_a_file_in_cp932_with_japanese_in_it_reads_back(tmp_path_factory, text):
    # Whatever else there is, sentences outweigh it.
    text += "これはとても良い宿でした。また利用したいと思います。" * 20
    path = tmp_path_factory.mktemp("cp932") / "a.txt"
    path.write_bytes(text.encode("cp932"))
    decided, found = read(path)
    assert (decided.name, found) == ("cp932", text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_unicode_text_in_utf8_reads_back(tmp_path_factory, text):
    # An escape sequence of ISO-2022-JP in an ASCII file means that encoding.
    text = text.replace("\x1b", "").removeprefix("\ufeff") + "あ"
    path = tmp_path_factory.mktemp("utf8") / "a.txt"
    path.write_bytes(text.encode())
    assert read(path)[1] == text


def test_the_marks_of_the_codecs_are_those_of_unicode():
    assert {mark for mark, _, _ in encoding_module._MARKS} >= {
        codecs.BOM_UTF8,
        codecs.BOM_UTF16_LE,
        codecs.BOM_UTF16_BE,
    }
