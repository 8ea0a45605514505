"""The tour of tokenization: what it computes through the contract alone, and what it never lets through."""

import json
import re
import shutil
import subprocess
import unicodedata
from html.parser import HTMLParser
from itertools import pairwise

import forked
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf import messages
from jptextclf.adapters import TokenizerAdapter, TokenizerInfo, open_adapter
from jptextclf.adapters._contract import Explanation, Word
from jptextclf.encodings import Encodings
from jptextclf.errors import ConfigError
from jptextclf.tokens import one_hot_places, tour, visible

ATTACK = "<script>alert(1)</script>&\"'\x1b[31m\x00\u202e\ud800 朝食"


class Toy(TokenizerAdapter):
    """Pieces of ``size`` characters, white space left out; 𠮷 is unknown, 😀 becomes four pieces of bytes."""

    name = "toy"

    def __init__(self, size=2, *, reading=True):
        self.size, self.reading = size, reading

    def _units(self, text):
        for found in re.finditer(rf"\S{{1,{self.size}}}", text):
            if "😀" in found[0]:
                yield from (
                    (f"<0x{byte:02X}>", 10 + byte, found.start(), found.end()) for byte in "😀".encode()
                )
            else:
                number = 3 if "𠮷" in found[0] else 300 + sum(map(ord, found[0])) % 1000
                yield found[0], number, found.start(), found.end()

    def encode(self, texts, *, max_length, offsets=False):
        if max_length < 3:
            raise ConfigError("U020", max_length=max_length, least=3)
        own = [[unit[1] for unit in self._units(text)] for text in texts]
        rows = [[1, *ids[: max_length - 2], 2] for ids in own]
        lengths = [len(row) for row in rows]
        return Encodings(
            np.array([one for row in rows for one in row], np.int32), np.cumsum([0, *lengths]).astype(np.int64),
            np.zeros(len(texts), bool), np.zeros(len(texts), np.int32),
        )  # fmt: skip

    def explain(self, text):
        units = [("[CLS]", 1, 0, 0), *self._units(text), ("[SEP]", 2, 0, 0)]
        words = [
            Word(found[0], found.start(), found.end(), *(["名詞", "ヨミ"] if self.reading else []))
            for found in re.finditer(r"\S+", text)
        ]
        return Explanation(
            text=text, words=tuple(words), pieces=tuple(unit[0] for unit in units), ids=tuple(unit[1] for unit in units),
            mask=(1,) * len(units), offsets=tuple(unit[2:] for unit in units),
        )  # fmt: skip

    def info(self):
        return TokenizerInfo(
            vocabulary_size=32768, special_ids={"cls": 1, "sep": 2, "pad": 0, "unk": 3}, n_before=1, n_after=1,
            model_max_length=512,
        )  # fmt: skip


# The tour asks for nothing else of the contract.
Toy.__abstractmethods__ = frozenset()


def two():
    return [("two", Toy(2)), ("three", Toy(3))]


def test_each_piece_has_its_id_its_characters_and_its_kind():
    text = tour(Toy(1), "東𠮷 む").models[0].texts[0]
    pieces = text.pieces()
    assert [piece.piece for piece in pieces] == ["[CLS]", "東", "𠮷", "む", "[SEP]"]
    assert [(piece.start, piece.end) for piece in pieces] == [(0, 0), (0, 1), (1, 2), (3, 4), (0, 0)]
    assert [piece.kind for piece in pieces] == ["special", "text", "unknown", "text", "special"]
    assert text.n_unknown == 1
    assert not text.truncated
    assert not any(piece.cut for piece in pieces)


def test_the_empty_text_has_special_tokens_only():
    text = tour(Toy(), "", max_length=3).models[0].texts[0]
    assert [piece.kind for piece in text.pieces()] == ["special", "special"]
    assert (text.n_kept, text.truncated, text.end_kept, text.example()) == (2, False, 0, None)


def test_a_spelled_out_special_token_with_its_id_is_not_taken_for_one():
    class Injected(Toy):
        def _units(self, text):
            yield "[SEP]", 2, 0, 5

    pieces = tour(Injected(), "[SEP]").models[0].texts[0].pieces()
    assert [piece.kind for piece in pieces] == ["special", "text", "special"]


def test_the_maximum_length_says_what_it_cuts():
    found = tour(Toy(1), ["東京都に住む", "東"], max_length=5)
    text = found.models[0].texts[0]
    assert [piece.cut for piece in text.pieces()] == [False] * 4 + [True] * 3 + [False]
    assert (text.n_kept, text.end_kept, text.truncated) == (5, 3, True)
    assert text.kept_ids() == [1, *text.explanation.ids[1:4], 2]
    assert found.models[0].batch_length == 5
    assert not found.models[0].texts[1].truncated


@pytest.mark.parametrize("max_length", [0, -1, 2])
def test_a_maximum_length_without_room_is_refused(max_length):
    with pytest.raises(ConfigError, match="U020"):
        tour(Toy(), "東京", max_length=max_length)


def test_a_huge_maximum_length_cuts_nothing():
    assert not tour(Toy(), "東京", max_length=10**30).models[0].texts[0].truncated


def test_the_batch_is_padded_to_the_longest():
    model = tour(Toy(1), ["東京都", "東", ""]).models[0]
    rows = [model.padded_row(number) for number in range(3)]
    assert [len(ids) for ids, _ in rows] == [5, 5, 5]
    assert rows[1][0] == [1, model.texts[1].explanation.ids[1], 2, 0, 0]
    assert [mask for _, mask in rows] == [[1] * 5, [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]


def test_no_text_and_a_wrong_number_of_tokenizers_are_refused():
    with pytest.raises(ConfigError, match="U100"):
        tour(Toy(), [])
    with pytest.raises(ConfigError, match="U101"):
        tour([*two(), ("four", Toy(4))], "a")
    with pytest.raises(TypeError, match=r"texts\[1\] is int"):
        tour(Toy(), ["a", 1])


def test_differences_are_the_stretches_between_common_cuts():
    found = tour(two(), "東京都に住む 山")
    (one,) = found.differences(0)
    assert (one.start, one.end) == (0, 6)
    assert one.left == ("東京", "都に", "住む")
    assert one.right == ("東京都", "に住む")
    assert found.differences(0, "words") == []


def test_a_character_in_four_pieces_against_one_is_a_difference():
    class Whole(Toy):
        def _units(self, text):
            spans = {unit[2:]: unit for unit in super()._units(text)}
            return (unit if unit[1] >= 300 else ("[UNK]", 3, *unit[2:]) for unit in spans.values())

    (one,) = tour([("bytes", Toy(1)), ("whole", Whole(1))], "東😀京").differences(0)
    assert (one.start, one.end, len(one.left), len(one.right)) == (1, 2, 4, 1)


def test_the_same_tokenizer_twice_does_not_differ():
    found = tour([("a", Toy(2)), ("a", Toy(2))], ["東京都に 住む😀", "", " "])
    assert [found.differences(number) for number in range(3)] == [[], [], []]
    assert found.to_json()["differences"] == [{"words": [], "pieces": []}] * 3


@settings(max_examples=80, deadline=None)
@given(text=st.text(), sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_differences_are_ordered_apart_and_symmetric(text, sizes):
    left, right = (Toy(size) for size in sizes)
    found = tour([("a", left), ("b", right)], text).differences(0)
    back = tour([("b", right), ("a", left)], text).differences(0)
    assert [(one.start, one.end, one.left, one.right) for one in found] == [
        (one.start, one.end, one.right, one.left) for one in back
    ]
    assert all(one.start < one.end for one in found)
    assert all(one.end <= after.start for one, after in pairwise(found))


def test_json_is_versioned_and_complete():
    data = tour(Toy(1), ["東京", "東"], max_length=3).to_json()
    assert data["schema_version"] == 1
    assert data["texts"] == ["東京", "東"]
    assert data["max_length"] == 3
    model = data["models"][0]
    assert model["vocabulary_size"] == 32768
    assert model["batch"]["attention_mask"] == [[1, 1, 1], [1, 1, 1]]
    assert model["texts"][0]["words"][0]["reading"] == "ヨミ"
    assert [piece["cut"] for piece in model["texts"][0]["pieces"]] == [False, False, True, False]
    json.dumps(data, allow_nan=False)


def test_a_batch_too_large_to_write_out_is_left_out(monkeypatch):
    monkeypatch.setattr("jptextclf.tokens._LARGEST_BATCH", 5)
    batch = tour(Toy(1), ["東京", "東"]).to_json()["models"][0]["batch"]
    assert batch == {"length": 4, "padding": [0, 1], "input_ids": None, "attention_mask": None}


@pytest.mark.parametrize("number", [0, 1, 2, 2815, 32766, 32767])
def test_a_one_hot_row_is_shown_with_its_one(number):
    places = one_hot_places(number, 32768)
    assert number in places
    assert places[0] == 0
    assert places[-1] == 32767
    assert len(places) <= 9


@settings(deadline=None)
@given(st.text(st.characters()))
def test_what_is_shown_acts_on_no_terminal_and_is_unicode(text):
    for shown in (visible(text), visible(text, alone=True)):
        assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        shown.encode("utf-8")


def test_hidden_characters_are_named_by_their_code_points():
    assert visible("a\x1b[2J\u202eb") == "a<U+001B>[2J<U+202E>b"
    assert visible("a b") == "a b"
    assert visible(" ", alone=True) == "<U+0020>"
    assert visible("\u3099", alone=True) == "\u25cc\u3099"


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = set(), [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("language", messages.LANGUAGES)
@pytest.mark.parametrize("adapters", [Toy(2), two(), [("<img src=x onerror=alert(1)>", Toy(1))]])
def test_the_page_needs_nothing_and_lets_nothing_through(language, adapters):
    messages.use_language(language)
    page = tour(adapters, [ATTACK, "مرحبا", ""], max_length=9).to_html()
    assert page.startswith(f'<!DOCTYPE html>\n<html lang="{language}">')
    read = Page(page)
    assert read.open == []
    assert not read.tags & {"script", "img", "link", "iframe", "object"}
    assert not {name for name, _ in read.attributes if name.startswith("on") or name in {"src", "href"}}
    assert "//" not in re.sub(r"<bdi.*?</bdi>", "", page)
    assert "U+202E" in read.text
    assert not set(page) & set("\x00\x1b\u202e\ud800")
    assert '<bdi lang="ja">' in page
    page.encode("utf-8")


def test_a_notebook_gets_a_fragment():
    html = tour(Toy(), "東京")._repr_html_()
    assert html.startswith("<div")
    assert "<html" not in html
    assert Page(html).open == []


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text(st.characters()), min_size=1, max_size=3))
def test_any_text_makes_a_sound_page(texts):
    page = tour(two(), texts, max_length=5).to_html()
    assert Page(page).open == []
    page.encode("utf-8")


def test_every_character_of_the_text_is_on_its_card():
    text = "東京😀 ㍿か\u3099\u3000む"
    html = tour(Toy(2), text).to_html()
    cards = html[html.index("<h4>Pieces") :]
    shown = "".join(re.findall(r'class="over">(.*?)</span><span class="under"', cards))
    for character in "東京😀㍿かむ":
        assert character in shown


def test_a_very_long_text_stays_readable_and_quick():
    text = "朝食がとても美味しい " * 30_000
    found = tour(two(), text)
    page = found.to_html()
    assert len(page) < 2_000_000
    assert f"{len(text) - 300:,}" in page


def test_a_text_that_is_one_long_word_stays_readable():
    page = tour(two(), "あ" * 200_000).to_html()
    assert len(page) < 2_000_000


def test_real_adapters_give_tours(tiny_encoder, tiny_unigram_encoder):
    adapters = [(path.name, open_adapter(path)) for path in (tiny_encoder, tiny_unigram_encoder)]
    found = tour(adapters, [ATTACK, "朝食がとても美味しい", ""], max_length=6)
    assert [model.texts[1].truncated for model in found.models] == [True, True]
    assert [text.n_kept for model in found.models for text in model.texts] == [6, 6, 2] * 2
    found.to_html().encode("utf-8")
    json.dumps(found.to_json())


# The command


def jptextclf(*args, stdin=b""):
    return forked.command("tokens", *args, stdin=stdin)


def test_the_command_shows_every_step():
    done = jptextclf("東京都に住む", "朝食", "--max-length", 5)
    out = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    for heading in ("Characters: 6", "Words:", "Pieces", "One-hot", "Batch"):
        assert heading in out
    assert "46,262" in out
    assert "cut" in out
    assert "mask" in out
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(
    "extra",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "cp932", "JPTEXTCLF_LANG": "ja"},
        {"PYTHONIOENCODING": "ascii", "COLUMNS": "40"},
    ],
)
def test_odd_consoles_survive_and_json_is_utf_8(extra):
    extra = {"JPTEXTCLF_LANG": "en", **extra}
    status, (shown, as_json) = forked.in_one_process(
        ["tokens", "𠮷野家\x1b[31m\u202e 😀"], ["tokens", "𠮷野家\x1b 😀", "--json"], **extra
    )
    assert status == 0, shown[1] + as_json[1]
    assert b"\x1b" not in shown[0]
    data = json.loads(as_json[0].decode("utf-8"))
    assert data["texts"] == ["𠮷野家\x1b 😀"]


def test_lines_of_standard_input_are_texts():
    done = jptextclf("--json", stdin="\ufeff東京\r\n\n朝食\n".encode())
    assert json.loads(done.stdout)["texts"] == ["東京", "", "朝食"]
    done = jptextclf("--json", stdin="朝食".encode("cp932"))
    assert b"UTF-8" in done.stderr
    assert jptextclf(stdin=b"").returncode == 2


def test_two_models_side_by_side(tiny_encoder):
    done = jptextclf("--compare", "builtin", tiny_encoder, "朝食がとても美味しい")
    out = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "Pieces (n)" in out
    assert "Pieces cut differently" in out
    data = json.loads(jptextclf("--compare", "builtin", tiny_encoder, "朝食", "--json").stdout)
    assert len(data["models"]) == len(data["differences"][0]) == 2


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["a", "--model", "builtin", "--compare", "builtin", "builtin"], b"JPT-U102"),
        (["a", "--max-length", "1"], b"JPT-U020"),
        (["a", "--model", "buildin"], b"JPT-U070"),
        (["a", "--compare", "builtin"], b"JPT-U09"),
        ([], b"JPT-U100"),
    ],
)
def test_wrong_use_is_refused(args, code):
    done = jptextclf(*args)
    assert done.returncode == 2
    assert code in done.stderr
    assert done.stdout == b""


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    page = tmp_path / "旅.html"
    done = jptextclf("東京都に住む", "--html", page)
    assert done.stdout.decode().strip() == str(page)
    assert page.read_text(encoding="utf-8").endswith("</html>\n")
    done = jptextclf("東京都に住む", "--html", tmp_path / "none" / "a.html")
    assert done.returncode == 1
    assert b"JPT-W011" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["旅.html"]


@pytest.mark.full
def test_a_million_characters_on_the_terminal():
    done = jptextclf(stdin=("朝食がとても美味しい" * 100_000).encode())
    assert done.returncode == 0, done.stderr.decode()
    assert len(done.stdout) < 20_000
    assert b"999,880 more characters" in done.stdout


@pytest.mark.full
@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_a_real_browser_draws_the_page_and_runs_nothing(tmp_path, language):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium on the path")
    messages.use_language(language)
    page, picture = tmp_path / "tour.html", tmp_path / "tour.png"
    page.write_text(tour(two(), ["東京都に住む 𠮷野家😀", ATTACK], max_length=9).to_html(), encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run(
        [browser, *options, "--window-size=1100,1600", f"--screenshot={picture}", page.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    drawn = picture.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    # An empty page of this size is a tenth of it.
    assert len(drawn) > 40_000
    done = subprocess.run([browser, *options, "--dump-dom", page.as_uri()], capture_output=True, timeout=120)
    assert b"<script" not in done.stdout
    assert done.stdout.count(b"<bdi") > 40
