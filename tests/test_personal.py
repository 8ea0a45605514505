"""Personal data are found in every usual spelling, and ordinary numbers are not."""

import csv
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jptextclf import messages
from jptextclf.data.personal import find_personal, mask, masked_start


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("03-1234-5678", "telephone"),
        ("０３−１２３４−５６７８", "telephone"),
        ("０３ー１２３４ー５６７８", "telephone"),
        ("(03)1234-5678", "telephone"),
        ("03（1234）5678", "telephone"),
        ("0466-12-3456", "telephone"),
        ("04992-1-2345", "telephone"),
        ("090-1234-5678", "telephone"),
        ("09012345678", "telephone"),
        ("０８０１２３４５６７８", "telephone"),
        ("050-1234-5678", "telephone"),
        ("0120-123-456", "telephone"),
        ("0120123456", "telephone"),
        ("0800-123-4567", "telephone"),
        ("+81-3-1234-5678", "telephone"),
        ("+81 90 1234 5678", "telephone"),
        ("+81(0)90-1234-5678", "telephone"),
        ("電話：0312345678", "telephone"),
        ("090.1234.5678", "telephone"),
        ("090・1234・5678", "telephone"),
        ("090/1234/5678", "telephone"),
        ("090_1234_5678", "telephone"),
        ("090 - 1234 - 5678", "telephone"),
        ("090　1234　5678", "telephone"),
        ("090⁃1234➖5678", "telephone"),
        ("03-1234-\n5678", "telephone"),
        ("03\r\n1234\r\n5678", "telephone"),
        ("090\u200b1234\u200b5678", "telephone"),
        ("090\u00a01234\u00a05678", "telephone"),
        ("0081-90-1234-5678", "telephone"),
        ("+81 (0)90 1234 5678", "telephone"),
        ("〒100-0001", "postal_code"),
        ("〒１００−０００１", "postal_code"),
        ("〒1000001", "postal_code"),
        ("〒 100 0001", "postal_code"),
        ("郵便番号 100-0001", "postal_code"),
        ("100-0001 東京都千代田区", "postal_code"),
        ("user.name+tag@example.co.jp", "mail"),
        ("ｕｓｅｒ＠ｅｘａｍｐｌｅ．ｃｏｍ", "mail"),
        ("4111 1111 1111 1111", "card_number"),
        ("4111-1111-1111-1111", "card_number"),
        ("378282246310005", "card_number"),
        ("4111\n1111\n1111\n1111", "card_number"),
        ("マイナンバーは123456789018です", "individual_number"),
        ("1234-5678-9018", "individual_number"),
    ],
)
def test_every_spelling_is_found(text, kind):
    for whole in (text, f"連絡先{text}まで", f"（{text}）"):
        found = find_personal(whole)
        assert [one.kind for one in found] == [kind], whole
    messages.use_language("en")
    digits = [one for one in mask(f"連絡先{text}まで") if one.isdecimal()]
    assert not digits
    assert mask(f"連絡先{text}まで").startswith("連絡先")
    assert mask(f"連絡先{text}まで").endswith("まで") or kind == "individual_number"


@pytest.mark.parametrize(
    "text",
    [
        "1泊2日で12,000円", "2019-2020年", "2019-04-01", "2019/04/01 10:30-12:00", "303号室", "1-2-3", "500-1000円",
        "100-2000円くらい", "13:00-15:00", "3,000-5,000円", "第1234567890回", "0.5-1.5", "10-20-30代", "4111 1111 1111 1112",
        "1234567890123456", "2023-1234-5670", "0-0-0", "ver 0.12.345", "@user", "a@b", "123-4567個", "0000-0000-0000",
        "https://example.com/0312345678", "", "電話", "〒", "00-1234-5678", "03-1234",
        "2019.04.01 2020.05.02", "01/02/2019 10:30", "01.02.2019", "09:00\n10:00\n11:00", "192.168.010.001", "10.0.123.4567",
        "0.1234.5678.9", "04/01 10:00 04/02", "0-3歳 100-200円", "2020・04・01", "5\n4\n3\n2\n1", "01 02 03 04 05 06",
        "03-1234-56789", "0.05 0.10 0.15", "0/10 3/10 100/1000", "ver.04.1234.5678.1",
    ],
)  # fmt: skip
def test_ordinary_numbers_are_left_alone(text):
    assert find_personal(text) == []
    assert mask(text) == text


def test_several_in_one_text_stand_in_order_and_do_not_overlap():
    text = "〒100-0001 東京都、03-1234-5678、user@example.com"
    assert [one.kind for one in find_personal(text)] == ["postal_code", "telephone", "mail"]
    messages.use_language("ja")
    assert mask(text) == "［郵便番号］ 東京都、［電話番号］、［メールアドレス］"


def test_a_cut_text_ends_in_no_half_of_anything():
    mails = ("a" * 60 + "@" + "b" * 60 + ".example.com ") * 40
    for start in range(60):
        assert "090" not in masked_start("x" * start + " " + mails + " 090-1234-5678 " * 400, 60), start
    messages.use_language("en")
    assert masked_start("03-1234-5678" + "あ" * 100, 20) == "[telephone]" + "あ" * 8 + "…"


@given(st.text(alphabet="0123456789-－ー ()（）+@.〒電話a京都府県市東", max_size=40))
def test_any_text_is_masked_once_and_for_all(text):
    found = find_personal(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    assert mask(mask(text)) == mask(text) or find_personal(mask(text))


@pytest.mark.parametrize(
    "text",
    [
        "0" * 50_000,
        "0-" * 50_000,
        "a." * 50_000 + "@",
        "4 " * 50_000,
        "(0" * 50_000,
        "090-1234-5678、" * 20_000,
        "0 - " * 50_000,
        "0\n" * 50_000,
        "a@b.co " * 20_000,
    ],
)
def test_long_texts_take_no_time(text):
    assert len(find_personal(text)) < len(text)


def test_real_reviews_hold_hardly_any(shared):
    # None of these reviews holds personal data: whatever is found is wrong.
    found = []
    for name in ("pn", "rhr"):
        with (shared / "data" / "jrte" / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            found += [row[2] for row in rows if find_personal(row[2])]
    assert found == []
