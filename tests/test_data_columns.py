"""The columns that matter are found by usual names, or the user is asked."""

import pytest

from jptextclf.data.columns import Columns, find_columns, joined, looks_like_data
from jptextclf.errors import ConfigError, DataError


def refused(columns, code, **options):
    with pytest.raises((DataError, ConfigError)) as caught:
        find_columns(columns, **{"need_label": True, **options})
    assert caught.value.code == f"JPT-{code}"
    return caught.value


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        (["text", "label"], "text", "label"),
        (["本文", "ラベル"], "本文", "ラベル"),
        (["id", "レビュー", "評価", "日付"], "レビュー", "評価"),
        (["口コミ", "感情"], "口コミ", "感情"),
        (["テキスト", "カテゴリ"], "テキスト", "カテゴリ"),
        (["Sentence", "Sentiment"], "Sentence", "Sentiment"),
        ([" Ｔｅｘｔ ", "LABEL"], " Ｔｅｘｔ ", "LABEL"),
        (["ﾃｷｽﾄ", "ﾗﾍﾞﾙ"], "ﾃｷｽﾄ", "ﾗﾍﾞﾙ"),
        (["Review Text", "Star-Rating"], "Review Text", "Star-Rating"),
        (["text", "label_name"], "text", "label_name"),
        (["text", "label", "label_text"], "text", "label_text"),
        (["title", "review", "text", "rating", "label"], "text", "label"),
        (["コメント", "極性", "点数"], "コメント", "極性"),
    ],
)
def test_usual_names_are_found(columns, text, label):
    assert find_columns(columns, need_label=True) == Columns((text,), label)


@pytest.mark.parametrize("name", ["split", "Split", "分割"])
def test_a_split_column_is_found_unless_told_otherwise(name):
    assert find_columns(["text", "label", name], need_label=True).split == name
    assert find_columns(["text", "label", name], need_label=True, split_column="").split is None


def test_named_columns_win_and_need_not_be_exact():
    columns = ["id", "タイトル", "本文", "評価", "use"]
    found = find_columns(
        columns, text_column=["タイトル", "本文"], label_column=" 評価", split_column="USE", need_label=True
    )
    assert found == Columns(("タイトル", "本文"), "評価", "use")
    assert find_columns(columns, text_column="タイトル,本文", need_label=True).text == ("タイトル", "本文")
    assert find_columns(["a,b", "label"], text_column="a,b", need_label=True).text == ("a,b",)


def test_the_choice_can_be_shown():
    shown = Columns(("title", "body"), "評価", "split").describe()
    assert all(name in shown for name in ("title", "body", "評価", "split"))


def test_candidates_of_one_rank_are_a_question():
    error = refused(["レビュー", "コメント", "ラベル"], "D020")
    assert "レビュー" in error.message
    assert "コメント" in error.message
    assert "--text-column" in error.hint
    assert "--label-column" in refused(["text", "sentiment", "category"], "D020").hint


def test_a_column_that_is_not_there_is_suggested():
    error = refused(["本文", "ラベル"], "D019", label_column="ラベり")
    assert "'ラベル'" in error.message
    assert error.exit_status == 3
    assert "'label'" in refused(["text", "label"], "D019", label_column="lable").message


def test_missing_columns_list_what_there_is():
    error = refused(["通し番号", "日付", "店名"], "D018")
    assert all(name in error.message for name in ("通し番号", "日付", "店名"))
    assert "--text-column" in error.hint
    assert "--label-column" in error.hint
    assert "--columns" in error.hint
    assert "--text-column" not in refused(["text", "日付"], "D018").hint


def test_a_misspelt_name_is_suggested():
    assert "'lable'" in refused(["text", "lable", "date"], "D018").message
    assert "'レビュ'" in refused(["日付", "レビュ", "ラベル"], "D018").message


@pytest.mark.parametrize(
    "first",
    [["pn17q00601", "0", "(笑)"], ["良い", "1"], ["とても美味しかったです。", "良い"], ["a" * 50, "b"]],
)
def test_a_first_row_that_is_data_is_recognised(first):
    assert looks_like_data(first)
    error = refused(first, "D021")
    assert "--columns" in error.hint
    assert str(len(first)) in error.hint


def test_labels_are_optional_for_prediction():
    assert find_columns(["text", "日付"], need_label=False).label is None
    assert find_columns(["text", "sentiment", "category"], need_label=False).label is None
    assert find_columns(["text", "label"], need_label=False).label == "label"


def test_one_column_cannot_be_text_and_label():
    refused(["text", "label"], "U034", text_column="label", label_column="label")
    refused(["text", "label"], "U034", label_column="text", text_column="text")
    refused(["text", "label", "x"], "U034", split_column="text", text_column="text")


def test_a_named_label_is_not_taken_for_the_text():
    assert find_columns(["text", "レビュー"], label_column="text", need_label=True) == Columns(
        ("レビュー",), "text"
    )


def test_texts_of_several_columns_are_joined_by_a_space():
    assert joined(["題", "本文"]) == "題 本文"
    assert joined(["", "本文"]) == "本文"
    assert joined([" 一つはそのまま "]) == " 一つはそのまま "
    assert joined([("a", "b"), "c"]) == "a b c"
