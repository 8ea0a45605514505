"""The MeCab route against BertJapaneseTokenizer: exact in reference mode, and safe where the stock one is not."""

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import MECAB, make_tiny_japanese_encoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jptextclf.adapters import choose_adapter, load_adapter, open_adapter
from jptextclf.adapters._alignment import align_nfkc
from jptextclf.adapters._dictionaries import dictionary_of, find_dictionary
from jptextclf.errors import ConfigError, SetupError

V3 = "tokenizers/tohoku-bert-base-japanese-v3"
MARKS = ["\u3099", "\u309a", "\u0301", "\uff9e", "\ufe0f"]


@pytest.fixture(scope="module")
def v3(shared):
    return shared / V3


@pytest.fixture(scope="module")
def golden(shared):
    lines = (shared / "golden" / "tokenization-nasty.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def hotel_reviews(shared):
    files = [(shared / "data" / "jrte" / f"{name}.tsv").read_text(encoding="utf-8") for name in ("pn", "rhr")]
    return [line.split("\t")[2] for file in files for line in file.splitlines()]


def files_with(source, target, **changes):
    """A copy of tokenizer files with another configuration; None removes a key."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "vocab.txt", target)
    config = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    config = {key: value for key, value in {**config, **changes}.items() if value is not None}
    (target / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return target


def stock_of(directory):
    from transformers import BertJapaneseTokenizer

    return BertJapaneseTokenizer.from_pretrained(str(directory))


def ids(adapter, texts, max_length=10**9):
    encodings = adapter.encode(texts, max_length=max_length, offsets=True)
    return [encodings.row(number).tolist() for number in range(len(texts))]


def check_equal(directory, texts, name="mecab", options=None):
    adapter = open_adapter(directory, name=name, mode="reference", options=options)
    for text, ours, theirs in zip(
        texts, ids(adapter, texts), stock_of(directory)(texts)["input_ids"], strict=True
    ):
        assert ours == theirs, repr(text[:200])


def test_the_golden_cases_are_equal(v3, golden):
    adapter = open_adapter(v3, name="mecab", mode="reference")
    cases = [case for case in golden if case["hf_ids"] is not None]
    assert len(cases) == 250
    for case, found in zip(cases, ids(adapter, [case["text"] for case in cases]), strict=True):
        assert found == case["hf_ids"], case["text"][:200]


def test_safe_differs_from_the_golden_cases_only_where_documented(v3, golden):
    adapter = open_adapter(v3, name="mecab")
    for case in golden:
        if case["hf_ids"] is None:
            continue
        (found,) = ids(adapter, [case["text"]])
        documented = "[" in case["text"] or "\0" in case["text"] or len(case["text"]) > 60_000
        assert found == case["hf_ids"] or documented, case["text"][:200]


DICTIONARIES = ["unidic_lite", "ipadic"]


OPTIONS = list(itertools.product(DICTIONARIES, ["wordpiece", "character"], [False, True]))
# Every pair of two options is in a quarter of the cases.
PAIRS = {("unidic_lite", "wordpiece", False), ("unidic_lite", "character", True),
         ("ipadic", "wordpiece", True), ("ipadic", "character", False)}  # fmt: skip


@pytest.mark.parametrize(
    ("dictionary", "subword", "lower"),
    [pytest.param(*one, marks=() if one in PAIRS else pytest.mark.full) for one in OPTIONS],
)
def test_nasty_texts_are_equal_with_every_option(v3, golden, tmp_path, dictionary, subword, lower):
    pytest.importorskip(dictionary)
    directory = files_with(v3, tmp_path, subword_tokenizer_type=subword, do_lower_case=lower,
                           mecab_kwargs={"mecab_dic": dictionary})  # fmt: skip
    texts = [case["text"] for case in golden if case["hf_ids"] is not None]
    check_equal(
        directory, [*texts, "ΑΣ ΣΑΣ。İstanbul ẞ", "[UNK]ABC[SEP]xyz"], options={"dictionary": dictionary}
    )


@pytest.mark.parametrize("dictionary", DICTIONARIES)
def test_reviews_are_equal(v3, hotel_reviews, tmp_path, dictionary):
    pytest.importorskip(dictionary)
    directory = files_with(v3, tmp_path, mecab_kwargs={"mecab_dic": dictionary})
    check_equal(directory, hotel_reviews[::5], options={"dictionary": dictionary})


@pytest.mark.full
@pytest.mark.parametrize("dictionary", DICTIONARIES)
def test_all_reviews_and_long_documents_are_equal(v3, hotel_reviews, tmp_path, dictionary):
    directory = files_with(v3, tmp_path, mecab_kwargs={"mecab_dic": dictionary})
    rng = random.Random(7)
    documents = ["".join(rng.sample(hotel_reviews, rng.randint(20, 120))) for _ in range(300)]
    check_equal(directory, hotel_reviews + documents, options={"dictionary": dictionary})


def assigned(step=1):
    points = [
        point for point in range(0x110000) if unicodedata.category(chr(point)) not in ("Cn", "Cs", "Co")
    ]
    return [chr(point) for point in points[::step]]


@pytest.mark.parametrize("dictionary", DICTIONARIES)
def test_a_sample_of_code_points_with_marks_is_equal(v3, tmp_path, dictionary):
    pytest.importorskip(dictionary)
    directory = files_with(v3, tmp_path, mecab_kwargs={"mecab_dic": dictionary})
    texts = [f"宿{char}{mark}が{char}" for char in assigned(61) for mark in ("", MARKS[0])]
    check_equal(directory, texts, options={"dictionary": dictionary})


@pytest.mark.full
@pytest.mark.parametrize("dictionary", DICTIONARIES)
@pytest.mark.parametrize("subword", ["wordpiece", "character"])
def test_every_assigned_code_point_is_equal_alone_and_with_marks(v3, tmp_path, dictionary, subword):
    directory = files_with(
        v3, tmp_path, subword_tokenizer_type=subword, mecab_kwargs={"mecab_dic": dictionary}
    )
    for mark in ("", *MARKS):
        check_equal(directory, [f"{char}{mark}" for char in assigned()], options={"dictionary": dictionary})


CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(
        "朝食がとても美味しいです。ﾊﾟｶﾞ㍿①Ａａ１ \t\n\u3000\0\r\x0b\x0c\x1c\x85\u2028か゛ﾞ\u3099\u0301Σİ[]SEPMAK#@"
    ),
    st.sampled_from(["[SEP]", "[MASK]", "[UNK]", "##です", "株式会社", "😀", "👨‍👩‍👧"]),
)
TEXTS = st.lists(st.lists(CHARACTERS, max_size=30).map("".join), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS)
def test_any_text_is_equal(texts, both):
    adapter, stock = both
    assert ids(adapter, texts) == stock(texts)["input_ids"]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    directory = make_tiny_japanese_encoder(
        tmp_path_factory.mktemp("both"), {**MECAB, "added_tokens_decoder": ADDED}, pieces=["##です", "株式"]
    )
    return open_adapter(directory, name="mecab", mode="reference"), stock_of(directory)


ADDED = {
    "600": {"content": "露天風呂", "special": False},
    "601": {"content": "@user", "special": False, "single_word": True},
    "603": {"content": "<R>", "special": False, "rstrip": True, "single_word": True},
    "604": {"content": "<L>", "special": False, "lstrip": True, "single_word": True},
    "602": {"content": "<url>", "special": False, "lstrip": True, "rstrip": True},
}


@pytest.mark.parametrize(
    "text",
    [
        "<R> 日本",
        "日本\t<L>",
        "日本 <L>x",
        "露天風呂が良い",
        "広い露天風呂 露天風呂",
        "x @user y",
        "x@user",
        "@users",
        "a  <url>  b",
        "<url><url>",
        "[SEP]露天風呂[SEP]",
    ],
)
def test_added_tokens_are_equal(both, text):
    adapter, stock = both
    assert ids(adapter, [text]) == stock([text])["input_ids"]


def test_added_tokens_are_found_in_safe_mode_but_special_ones_are_not(tmp_path):
    directory = make_tiny_japanese_encoder(tmp_path, {**MECAB, "added_tokens_decoder": ADDED})
    encodings = open_adapter(directory, name="mecab").encode(["[SEP]露天風呂"], max_length=32, offsets=True)
    row = encodings.row(0).tolist()
    assert row.count(3) == 1
    assert row[-2] == 600
    assert encodings.offsets.tolist()[-2] == [5, 9]


def test_offsets_of_an_added_token_that_is_none_skip_the_space_before_it(tmp_path):
    directory = make_tiny_japanese_encoder(tmp_path, {**MECAB, "added_tokens_decoder": ADDED})
    encodings = open_adapter(directory, name="mecab").encode(["日本\t<L>"], max_length=32, offsets=True)
    assert encodings.offsets.tolist()[-4:-1] == [[3, 4], [4, 5], [5, 6]]


@pytest.mark.parametrize(
    "change",
    [
        {"never_split": 5},
        {"mecab_kwargs": {"mecab_dic": ["unidic_lite"]}},
        {"added_tokens_decoder": {"1000000000000": {"content": "です"}}},
        {"added_tokens_decoder": {"-5": {"content": "です"}}},
        {"cls_token": "\ud800"},
        {"added_tokens_decoder": [1]},
    ],
)
def test_hostile_files_are_setup_errors(tmp_path, change):
    with pytest.raises(SetupError, match="JPT-E041"):
        open_adapter(make_tiny_japanese_encoder(tmp_path, {**MECAB, **change}), name="mecab")


@pytest.mark.parametrize("option", [{"subword": "x"}, {"lower_case": "false"}])
def test_option_values_that_cannot_be_are_refused(tiny_mecab_encoder, option):
    with pytest.raises(ConfigError, match="JPT-U088"):
        open_adapter(tiny_mecab_encoder, name="mecab", options=option)


def test_what_was_saved_is_opened_as_it_was(v3, tmp_path):
    """The vocabulary is that of a card, but the files say that it is used otherwise."""
    adapter = open_adapter(v3, name="mecab", options={"subword": "character"})
    adapter.save_pretrained(tmp_path, max_length=64)
    assert load_adapter(tmp_path).info().options == adapter.info().options


def test_taggers_are_kept_and_used_again(tiny_mecab_encoder):
    """fugashi never gives their memory back: a thousand would use up a process's memory maps in time."""
    from concurrent.futures import ThreadPoolExecutor

    from jptextclf.adapters import mecab

    adapter = open_adapter(tiny_mecab_encoder, name="mecab")
    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            assert (
                len(
                    list(
                        pool.map(lambda number: adapter.encode([f"宿{number}"] * 50, max_length=9), range(20))
                    )
                )
                == 20
            )
        adapter.explain("宿")
    assert sum(len(idle) for idle in mecab._IDLE.values()) <= 12


def test_safe_mode_mends_what_the_stock_tokenizer_loses(v3):
    safe = open_adapter(v3, name="mecab")
    reference = open_adapter(v3, name="mecab", mode="reference")
    for broken, whole in (
        ("部屋が良い\0最悪だった", "部屋が良い 最悪だった"),
        ("良い" + " " * 70_000 + "宿です", "良い 宿です"),
        ("良\ud800い", "良\ufffdい"),
    ):
        assert ids(safe, [broken]) == ids(safe, [whole])
    assert ids(reference, ["部屋が良い\0最悪だった"]) == ids(reference, ["部屋が良い"])
    assert 3 in ids(reference, ["良い[SEP]宿"])[0][1:-1]
    assert 3 not in ids(safe, ["良い[SEP]宿"])[0][1:-1]


def test_spaces_behind_a_very_long_run_have_their_offsets(v3):
    encodings = open_adapter(v3, name="mecab").encode(
        ["良い" + "　" * 70_000 + "宿"], max_length=10**6, offsets=True
    )
    assert encodings.offsets.tolist()[-2] == [70_002, 70_003]


def test_offsets_of_words_that_normalisation_changes(v3):
    explanation = open_adapter(v3, name="mecab").explain("㍿ﾊﾟﾝ屋の👨‍👩‍👧か\u3099")
    found = dict(zip(explanation.pieces, explanation.offsets, strict=True))
    assert found["株式"] == found["会社"] == (0, 1)
    assert found["パン"] == (1, 4)
    assert explanation.offsets[-2][1] == len("㍿ﾊﾟﾝ屋の👨‍👩‍👧か\u3099")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(CHARACTERS, max_size=40).map("".join))
def test_offsets_are_ordered_and_cover_all_that_is_not_space(text, tiny_mecab_encoder):
    encodings = open_adapter(tiny_mecab_encoder, name="mecab").encode([text], max_length=10**6, offsets=True)
    spans = encodings.offsets[1:-1]
    assert (np.diff(spans[:, 0]) >= 0).all()
    assert (spans[:, 0] < spans[:, 1]).all()
    covered = {place for start, end in spans.tolist() for place in range(start, end)}
    visible = {
        place
        for place, char in enumerate(text)
        if not unicodedata.normalize("NFKC", char.replace("\0", " ")).isspace()
    }
    assert visible <= covered


def test_pieces_spell_the_normalised_text_that_their_offsets_name(v3, hotel_reviews):
    adapter = open_adapter(v3, name="mecab")
    for text in hotel_reviews[:200]:
        explanation = adapter.explain(text)
        for piece, (start, end) in zip(explanation.pieces[1:-1], explanation.offsets[1:-1], strict=True):
            if piece != "[UNK]":
                assert unicodedata.normalize("NFKC", text[start:end]) == piece.removeprefix("##")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text(st.one_of(st.sampled_from("かｶﾞﾟ\u3099\u309a㍿ﷺ가ᅡᆨé\u0301\u0f73"), st.characters())), max_size=4
    )
)
def test_alignment_gives_the_normal_form_chunk_by_chunk(texts):
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    for text, found in zip(texts, align_nfkc(texts), strict=True):
        assert found.text == unicodedata.normalize("NFKC", text)
        cuts = sorted({*found.starts.tolist(), len(text)}) if text else [0]
        chunks = [text[start:end] for start, end in itertools.pairwise(cuts)]
        assert "".join(unicodedata.normalize("NFKC", chunk) for chunk in chunks) == found.text


def test_a_long_text_gives_the_pieces_of_the_whole(v3, hotel_reviews):
    adapter = open_adapter(v3, name="mecab")
    rng = random.Random(3)
    for _ in range(10):
        text = "".join(rng.sample(hotel_reviews, 600))
        for max_length in (16, 128, 512):
            cut = adapter.encode([text], max_length=max_length)
            assert cut.row(0)[:-1].tolist() == ids(adapter, [text])[0][: max_length - 1]
            assert cut.truncated.tolist() == [True]


def test_words_carry_part_of_speech_and_reading(v3):
    words = open_adapter(v3, name="mecab").explain("東京大学の朝食").words
    assert [(word.surface, word.start, word.end) for word in words] == [
        ("東京", 0, 2), ("大学", 2, 4), ("の", 4, 5), ("朝食", 5, 7),
    ]  # fmt: skip
    assert words[0].reading == "トウキョウ"
    assert words[3].part_of_speech.startswith("名詞")


# The dictionary.


def test_no_dictionary_is_taken_from_a_default(tmp_path):
    directory = make_tiny_japanese_encoder(tmp_path, {**MECAB, "mecab_kwargs": None})
    with pytest.raises(SetupError, match="JPT-E074") as error:
        load_adapter(directory)
    assert "--dictionary" in str(error.value)
    assert load_adapter(directory, dictionary="unidic_lite").info().options["dictionary"] == "unidic_lite"


def test_the_vocabulary_settles_a_missing_dictionary(v3, tmp_path):
    directory = files_with(v3, tmp_path, mecab_kwargs=None)
    choice = choose_adapter(directory)
    assert open_adapter(directory, name=choice.name).info().options["dictionary"] == "unidic_lite"


def test_a_stale_dictionary_is_found_and_explained(v3, tmp_path):
    pytest.importorskip("ipadic")
    directory = files_with(v3, tmp_path, mecab_kwargs={"mecab_dic": "ipadic"})
    with pytest.raises(SetupError, match="JPT-E075") as error:
        open_adapter(directory, name="mecab")
    assert "--dictionary unidic_lite" in str(error.value)


@pytest.mark.parametrize("dictionary", DICTIONARIES)
def test_a_vocabulary_tells_which_dictionary_it_was_made_with(hotel_reviews, dictionary):
    """Of the words of reviews, the 6,000 most frequent ones."""
    pytest.importorskip(dictionary)
    from collections import Counter

    from fugashi import GenericTagger

    place = find_dictionary(dictionary)
    tagger = GenericTagger(f'-d "{place.directory}" -r "{place.resource}" -Owakati')
    words = Counter(word for text in hotel_reviews for word in tagger.parse(text).split())
    assert dictionary_of({word for word, _ in words.most_common(6000)}) == dictionary


def test_a_vocabulary_that_tells_nothing_is_unclear():
    assert dictionary_of({"朝", "##食"}) is None


def test_options_that_reach_files_are_refused(tmp_path):
    config = {**MECAB, "mecab_kwargs": {"mecab_dic": "unidic_lite", "mecab_option": "-o /dev/null"}}
    with pytest.raises(SetupError, match="JPT-E073"):
        load_adapter(make_tiny_japanese_encoder(tmp_path, config))


def test_an_unknown_dictionary_names_the_closest(tiny_mecab_encoder):
    with pytest.raises(ConfigError, match="Did you mean 'unidic_lite'"):
        load_adapter(tiny_mecab_encoder, dictionary="unidic_light")


def test_a_dictionary_for_a_tokenizer_without_one_is_refused(tiny_encoder):
    with pytest.raises(ConfigError, match="JPT-U089"):
        load_adapter(tiny_encoder, dictionary="ipadic")


@pytest.mark.parametrize("package", ["fugashi", "unidic_lite"])
def test_a_missing_package_is_named_with_the_pip_line(tiny_mecab_encoder, package):
    program = f"""
import sys
sys.modules[{package!r}] = None
from jptextclf.adapters import load_adapter
from jptextclf.errors import SetupError
try:
    load_adapter({str(tiny_mecab_encoder)!r})
except SetupError as error:
    print(error.exit_status, error)
"""
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 JPT-E0")
    assert f"pip install {package.replace('_', '-')}" in done.stdout


def test_mecab_s_environment_changes_nothing(v3, tmp_path):
    junk = tmp_path / "junk mecabrc"
    junk.write_text("dicdir = /nowhere\nuserdic = /nowhere\n", encoding="utf-8")
    program = f"""
from pathlib import Path
from jptextclf.adapters import open_adapter
print(open_adapter(Path({str(v3)!r}), name="mecab").encode(["東京大学は二度と行かない"], max_length=64).input_ids.tolist())
"""
    junk_variables = {"MECABRC": str(junk), "MECAB_CHARSET": "euc-jp", "HOME": str(tmp_path)}
    shutil.copy(junk, tmp_path / ".mecabrc")
    assert run(program).stdout == run(program, **junk_variables).stdout != ""


def test_a_dictionary_in_a_directory_with_spaces_and_kanji(v3, tmp_path):
    place = tmp_path / "辞書 フォルダ '\"" / "unidic_lite"
    place.parent.mkdir()
    original = find_dictionary("unidic_lite").directory
    place.mkdir()
    (place / "dicdir").symlink_to(original, target_is_directory=True)
    (place / "__init__.py").write_text(
        "import os\nDICDIR = os.path.join(os.path.dirname(__file__), 'dicdir')\n", encoding="utf-8"
    )
    program = f"""
from pathlib import Path
from jptextclf.adapters import open_adapter
adapter = open_adapter(Path({str(v3)!r}), name="mecab")
print(adapter.dictionary.directory, adapter.encode(["朝食"], max_length=9).input_ids.tolist())
"""
    done = run(program, PYTHONPATH=str(place.parent))
    assert done.stdout.strip().endswith("[2, 2815, 7737, 3]"), done.stderr
    assert "フォルダ" in done.stdout


def run(program, **variables):
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "JPTEXTCLF_LANG": "en", **variables}
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        env=environment,
    )


HUGE = """
import sys, time, resource
from jptextclf.adapters import load_adapter
adapter = load_adapter(sys.argv[1])
adapter.encode(["朝食"], max_length=512, offsets=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for text in ["あ" * 10**6, "あ" * 10**5, "😀" * 10**6, " " * 10**6, "\\u3000" * 10**6, "\\0" * 10**6, "\\x01" * 10**6,
             "\\u202e" * 10**6, "a" * 10**6, "漢" * 10**6, "ﷺ" * 10**6, "か\\u3099" * 500_000, "e" + "\\u0301" * 10**6, "\\r\\n" * 500_000,
             "\\r" * 10**6, "\\u2028" * 10**6, ("\\r" * 255 + "x") * 4000, "[SEP]" * 200_000, "\\ud800" * 10**6, "朝食が美味しい。" * 125_000, "ﾊﾟ" * 500_000, "x " * 500_000]:
    start = time.process_time()
    encodings = adapter.encode([text], max_length=512, offsets=True)
    spent = time.process_time() - start
    assert encodings.lengths[0] <= 512
    assert bool(encodings.truncated[0]) == (encodings.lengths[0] == 512), text[:3]
    assert spent < float(sys.argv[2]), (text[:3], spent)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
assert grown < 700, grown
print("done", grown)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory with the resource module")
@pytest.mark.parametrize("files", ["tiny_mecab_encoder", "tiny_character_encoder", "tiny_sudachi_encoder"])
def test_a_million_of_anything_neither_crashes_nor_hangs(request, files):
    """In a process of its own, so that a signal is a failure. Two seconds each are asked for; slow machines get ten."""
    directory = request.getfixturevalue(files)
    done = subprocess.run(
        [sys.executable, "-c", HUGE, str(directory), "10"], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    assert done.stdout.startswith("done")


def test_a_long_text_is_never_cut_where_everything_is_asked_for(tiny_mecab_encoder):
    text = "朝食が美味しい。" * 40_000
    encodings = open_adapter(tiny_mecab_encoder, name="mecab").encode([text], max_length=10**9)
    assert len(encodings.input_ids) == 40_000 * 8 + 2


def test_a_long_text_that_is_read_whole_never_crashes_the_process(tiny_mecab_encoder):
    """In a process of its own: costs that overflow are a segmentation fault."""
    program = f"""
from jptextclf.adapters import load_adapter
adapter = load_adapter({str(tiny_mecab_encoder)!r})
for text, n in [("a1b2" * 50_000, 200_000), ("朝食 " * 300_000, 600_000), ("。" * 300_000, 300_000)]:
    found = len(adapter.encode([text], max_length=10**9).input_ids)
    assert found == n + 2, (text[:4], found)
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "done", (done.returncode, done.stderr[-2000:])


@pytest.mark.parametrize("files", ["tiny_mecab_encoder", "tiny_sudachi_encoder", "tiny_rinna_encoder"])
def test_spawned_processes_get_adapters_by_pickle(request, files):
    directory = request.getfixturevalue(files)
    program = f"""
import multiprocessing
from jptextclf.adapters import load_adapter
TEXTS = ["朝食が美味しい", "ﾊﾟﾝ"] * 50
def work(adapter):
    return adapter.encode(TEXTS, max_length=16).input_ids.tolist()
if __name__ == "__main__":
    adapter = load_adapter({str(directory)!r})
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(work, [adapter] * 4) == [work(adapter)] * 4
    print("done")
"""
    path = Path(directory).parent / "spawned.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "done", done.stderr[-2000:]
