"""Texts written otherwise: what each way makes of a sentence, what it leaves alone, and what the probe counts."""

import json
import unicodedata

import numpy as np
import pytest
from chromium import violations
from click.testing import CliRunner

from jptextclf import ConfigError, evaluate
from jptextclf.adapters.mecab import analyse
from jptextclf.cli import cli
from jptextclf.evaluation import Evaluation
from jptextclf.labels import LabelSchema
from jptextclf.probing import TRANSFORMATIONS, Probe, Transformation, run_probe
from jptextclf.probing.predicates import read_predicate, sentences

WAYS = {one.name: one.apply for one in TRANSFORMATIONS}
TABLE = {
    "full_width": [("WiFiが3回", "ＷｉＦｉが３回"), ("良い!", "良い！"), ("良い", None), ("", None)],
    "half_width": [("ＷｉＦｉが３回", "WiFiが3回"), ("良い！", "良い!"), ("良い", None)],
    "half_width_katakana": [("スタッフが親切", "ｽﾀｯﾌが親切"), ("バーとパン", "ﾊﾞｰとﾊﾟﾝ"), ("ヴィラ", "ｳﾞｨﾗ"), ("宿", None)],
    "hiragana": [
        ("美味しいです", "おいしいです"), ("とても美味しかった。", "とてもおいしかった。"), ("部屋が綺麗だった", "部屋がきれいだった"),
        ("部屋が広くて静か", "部屋がひろくてしずか"), ("おいしい", None), ("宿に泊まる", None), ("不味い", None), ("温いビール", None), ("辛いカレー", None), ("至れり尽くせり", None), ("繁華街", None),
    ],
    "katakana": [
        ("美味しいです", "オイシイです"), ("おいしいです", "オイシイです"), ("美味しかった", "オイシかった"), ("部屋が綺麗", "部屋がキレイ"),
        ("久しぶりです", None), ("オイシイです", None),
    ],
    "kanji": [
        ("おいしいです", "美味しいです"), ("おいしかった。", "美味しかった。"), ("うれしくて", "嬉しくて"), ("ひどい部屋", "酷い部屋"),
        # あつい is 熱い, 暑い or 厚い, and ない is written in kana.
        ("あつい", None), ("ない", None), ("かなり", None), ("きれいだ", "綺麗だ"), ("ぬるい", None), ("美味しい", None),
    ],
    "stretched": [
        ("すごい！", "すごーい！"), ("楽しい旅行", "楽しーい旅行"), ("良い", None), ("いい", None), ("楽しかった", None), ("かわいい", None),
    ],
    "waved": [("コーヒー", "コ〜ヒ〜"), ("宿", None)],
    "last_mark_dropped": [("エレベーターが遅い", "エレベータが遅い"), ("バーで", None), ("コーヒーを", None), ("コンピューター、", "コンピュータ、")],
    "without_stops": [("良かったです。また来ます。", "良かったです また来ます"), ("良かった", None)],
    "exclaimed": [("良かったです。", "良かったです！"), ("良かった", None)],
    "latin_stops": [("広く、良い。", "広く，良い．"), ("良い", None)],
    "with_emoji": [("良かった。", "良かった。📝"), (" ", None)],
    "without_emoji": [("良かった😊", "良かった"), ("👍🏽最高❤️", "最高"), ("😊", None), ("良い", None)],
    "with_laughter": [("部屋が狭い。", "部屋が狭い(笑)"), ("狭い", "狭い(笑)"), ("狭いｗ", None), ("", None)],
    "other_laughter": [
        ("狭い(笑)", "狭いｗ"), ("狭い（笑）。", "狭いｗ。"), ("狭いwww", "狭い(笑)"), ("狭いｗｗ", "狭い(笑)"), ("最高です笑", "最高ですｗ"),
        ("Wi-Fiが遅い", None), ("Wに泊まった", None), ("笑顔が良い", None), ("www.example.com", None),
    ],
    "polite": [
        ("朝食が良かった。また行く。", "朝食が良かったです。また行きます。"), ("満足した", "満足しました"), ("静かだった。", "静かでした。"),
        ("取れなかった。", "取れませんでした。"), ("良くない", "良くないです"), ("泊まりたい。", "泊まりたいです。"), ("来た", "来ました"),
        ("満足です。", None), ("古い？", None), ("最高！", None), ("泊まるな。", None), ("期待するなよ。", None),
    ],
    "plain": [
        ("朝食が良かったです。また行きます。", "朝食が良かった。また行く。"), ("満足しました。", "満足した。"), ("綺麗ですね。", "綺麗だね。"),
        ("静かではありませんでした。", "静かではなかった。"), ("読みました", "読んだ"), ("泳ぎます", "泳ぐ"), ("話しました", "話した"),
        ("待ちました", "待った"), ("行きました", "行った"), ("呼びません", "呼ばない"), ("買いませんでした", "買わなかった"),
        ("来ました", "来た"), ("食べられません", "食べられない"), ("良かった。", None), ("ありがとうございました。", None),
        ("お願いします。", None), ("お待ちしております。", None), ("ハズレなしです。", None),
    ],
    "twice_denied": [
        ("朝食が美味しいです。", "朝食が美味しくなくはないです。"), ("良い。", "良くなくはない。"), ("泊まりたい", None), ("とにかく広い！", None), ("仕方ない", None), ("とても良い", None), ("いいなあ", None),
        ("美味しくない", None), ("美味しかった", None), ("静かです", None),
    ],
    "denied": [
        ("朝食が美味しかったです。", "朝食が美味しくなかったです。"), ("いいですね！", "よくないですね！"), ("かっこいい", "かっこよくない"),
        ("かわいい", "かわいくない"), ("部屋が綺麗でした。", "部屋が綺麗ではありませんでした。"), ("静かだ", "静かではない"),
        ("満足しています。", "満足していません。"), ("また行く。", "また行かない。"), ("気に入った", "気に入らなかった"),
        ("泊まりたい。", "泊まりたくない。"), ("使いやすい", "使いやすくない"),
        # Not certain: two sentences, a condition, a question, thanks, a guess, an idiom, a number, no predicate, denied already.
        ("良いです。高いです。", None), ("安ければ、また行くと思います。", None), ("綺麗ですか？", None), ("ありがとうございました。", None),
        ("良いかもしれません。", None), ("行くしかない。", None), ("80点です。", None), ("最高！", None), ("美味しくない。", None),
        ("高いけど美味しい。", None), ("Great room.", None), ("絶対に泊まるな。", None), ("部屋も綺麗で良かったです。", None), ("初めて利用しました。", None), ("食べてもいいです。", None), ("行った方がいいです。", None), ("違います。", None), ("愛する", None), ("知っています。", None), ("部屋は広く、綺麗です。", None), ("", None),
    ],
    "affirmed": [
        ("朝食が美味しくないです。", "朝食が美味しいです。"), ("良くなかった。", "良かった。"), ("満足できませんでした。", "満足できました。"),
        ("静かではなかった", "静かだった"), ("泊まりたくない", "泊まりたい"), ("買わない", "買う"), ("悪くはありません。", "悪いです。"), ("バイキングではありません。", None), ("不満はありません。", "不満はあります。"),
        ("あまり良くない。", None), ("二度と行かない。", None), ("申し分ありません。", None), ("残念でなりません。", None), ("すいませんでした。", None), ("ハズレなしです。", None), ("知りません。", None), ("もう行かないな。", None), ("高いとは限りません。", None), ("つまらない。", None), ("言うまでもありません。", None), ("かもしれません。", None), ("良い。", None),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "before", "after"), [(name, *row) for name, rows in TABLE.items() for row in rows]
)
def test_what_a_way_makes_of_a_sentence(name, before, after):
    assert WAYS[name](before) == after


def test_every_way_has_a_table():
    assert set(TABLE) == set(WAYS)


REAL = [
    "朝食がとても美味しかったです。", "部屋が清潔で快適でした。", "スタッフの対応が親切で良かった。", "また泊まりたいと思います。",
    "駅から近くて便利だった。", "静かでよく眠れました。", "壁が薄く、うるさくて眠れない。", "料理が冷めていて不味い。", "二度と利用しません。",
    "エアコンが壊れていて最悪でした。", "コーヒーがぬるい。スタッフに言っても替えてもらえませんでした！", "Wi-Fiが繋がらず困りました(笑)",
]  # fmt: skip


@pytest.mark.parametrize("text", REAL)
def test_what_a_way_claims_to_keep_it_keeps(text):
    def folded(found):
        return unicodedata.normalize("NFKC", found)

    def read(found):
        return "".join(word.reading or word.surface for word in analyse(found)).translate(
            {code: code + 0x60 for code in range(0x3041, 0x3097)}
        )

    for name in ("full_width", "half_width", "half_width_katakana"):
        assert folded(WAYS[name](text) or text) == folded(text)
    for name in ("hiragana", "katakana"):
        assert read(WAYS[name](text) or text) == read(text)
    assert (WAYS["waved"](text) or text).replace("〜", "ー") == text
    for name, is_polite in (("polite", True), ("plain", False)):
        for before, after in zip(sentences(text), sentences(WAYS[name](text) or text), strict=True):
            one, other = read_predicate(before), read_predicate(after)
            if one is not None and before != after:
                assert (one.kind, one.past, one.negative) == (other.kind, other.past, other.negative)
                assert other.polite is is_polite


@pytest.mark.parametrize("text", REAL)
def test_what_is_turned_twice_is_said_as_before(text):
    denied = WAYS["denied"](text)
    if denied is not None:
        before, after = read_predicate(text), read_predicate(denied)
        assert (before.negative, after.negative) == (False, True)
        assert (before.kind, before.past, before.polite) == (after.kind, after.past, after.polite)
        # いい and 良い, じゃない and ではない: the same predicate comes back, if not always in the same writing.
        assert read_predicate(WAYS["affirmed"](denied) or text).negative is False


@pytest.mark.parametrize(
    "text",
    ["\0", "\ud800良いです。", "a" * 5000, "。" * 300, "良い\r\nです\t", "ﾊﾞ" * 200, "👨‍👩‍👧" * 50, "。！？"],
)
@pytest.mark.parametrize("way", TRANSFORMATIONS, ids=lambda one: one.name)
def test_odd_texts_are_borne(way, text):
    found = way.apply(text)
    assert found is None or isinstance(found, str)


SCHEMA = LabelSchema(("bad", "good"), "binary")


def ask_for_a_word(texts, _places):
    """A model that knows one word, in one writing."""
    good = np.array(["美味しい" in text for text in texts])
    probabilities = np.stack([np.where(good, 0.1, 0.9), np.where(good, 0.9, 0.1)], axis=1)
    return good.astype(np.int64), probabilities.astype(np.float32)


def test_the_probe_counts_what_flips():
    texts = ["美味しいです。", "美味しい宿。", "不味いです。"]
    found = run_probe(SCHEMA, texts, [1, 2, 3], np.array([1, 1, 0]), ask_for_a_word)
    ways = {one.name: one for one in found.ways}
    assert (ways["hiragana"].n, ways["hiragana"].n_flipped) == (2, 2)
    assert (ways["hiragana"].n_right_before, ways["hiragana"].n_right_after) == (2, 0)
    assert ways["hiragana"].flips[0].after == "おいしいです。"
    assert ways["hiragana"].flips[0].label_after == ("bad",)
    assert ways["exclaimed"].n_flipped == 0
    # The model knows 美味しくない from 美味しい, but not 不味くない from 不味い: what stays is shown.
    assert (ways["denied"].n, ways["denied"].n_flipped, ways["denied"].keeps) == (2, 1, False)
    assert [one.before for one in ways["denied"].flips] == ["不味いです。"]
    assert found.kinds()["script"][1] >= 2
    assert "negation" not in found.kinds()
    assert Probe.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert 0 <= ways["hiragana"].low < ways["hiragana"].share <= ways["hiragana"].high <= 1


def test_a_report_without_data_has_no_probe(trained):
    with pytest.raises(ConfigError, match="JPT-U246"):
        trained.report(probe=True)


def test_several_labels_flip_where_one_does():
    schema = LabelSchema(("food", "room"), "multilabel")

    def ask(texts, _places):
        given = np.array([["朝食" in text, "！" in text] for text in texts]).astype(np.int64)
        return given, given.astype(np.float32)

    exclaim = [Transformation("exclaimed", "punctuation", WAYS["exclaimed"])]
    found = run_probe(
        schema, ["朝食。", "部屋。"], [1, 2], np.array([[1, 0], [0, 0]]), ask, transformations=exclaim
    )
    assert (found.ways[0].n_flipped, found.ways[0].n_right_before, found.ways[0].n_right_after) == (2, 2, 0)
    assert found.ways[0].flips[0].label_after == ("food", "room")


@pytest.mark.parametrize(
    "text", ["美味しいです。090-1234-5678", "美味しい。電話は090ー1234ー5678、カードは4111ー1111ー1111ー1111"]
)
def test_texts_with_personal_data_are_no_examples(text):
    found = run_probe(SCHEMA, [text, "美味しい。"], [1, 2], np.array([1, 1]), ask_for_a_word)
    shown = json.dumps(found.to_json(), ensure_ascii=False)
    assert "1234" not in shown
    assert "おいしい。" in shown


def test_no_texts_and_texts_that_are_too_long():
    assert run_probe(SCHEMA, [], [], np.zeros(0), ask_for_a_word) == Probe(0, ())
    assert run_probe(SCHEMA, ["良い" * 2000], [1], np.zeros(1), ask_for_a_word) == Probe(0, ())


def test_evaluate_probes(trained, reviews_csv):
    found = evaluate(trained, reviews_csv, probe=True, device="cpu")
    assert found.probe.n_texts == 72
    assert {one.kind for one in found.probe.ways} >= {
        "width",
        "script",
        "punctuation",
        "emoji",
        "laughter",
        "negation",
        "politeness",
    }
    assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))).probe == found.probe
    assert evaluate(trained, reviews_csv, device="cpu").probe is None


@pytest.mark.parametrize(("language", "words"), [("en", "in hiragana"), ("ja", "ひらがな")])
def test_the_command_and_the_report_show_it(trained, reviews_csv, language, words, tmp_path):
    options = ["--lang", language]
    shown = CliRunner().invoke(
        cli, [*options, "evaluate", str(trained.path), str(reviews_csv), "--probe", "-q"]
    )
    assert shown.exit_code == 0, shown.output
    assert words in shown.stdout
    done = CliRunner().invoke(
        cli, [*options, "report", str(trained.path), "--data", str(reviews_csv), "--probe", "-q", "--out", str(tmp_path / "report")]
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert words in page
    assert (tmp_path / "report" / "csv" / "probe.csv").is_file()
    assert violations(tmp_path / "report" / "report.html", folder=tmp_path) == []
    assert (
        json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))["evaluation"]["probe"][
            "n_texts"
        ]
        == 72
    )
