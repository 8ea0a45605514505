"""The promises of the adapter contract, for every adapter present and future."""

import pickle
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jptextclf.adapters import ADAPTERS, open_adapter
from jptextclf.errors import ConfigError, SetupError

NASTY = [
    "", " ", "\u3000", "朝食がとても美味しい", "ﾊﾟﾝ　１２３㍿", "か\u3099", "😀👨‍👩‍👧", "𠮷野家", "a\x00b", "\ud800", "\u200b\u202e",
    "[SEP][CLS]<mask></s><s>[MASK]", "\r\n\t", "ｶﾞｷﾞ", "a" * 300, "=cmd|' /C calc'!A0", "é e\u0301",
]  # fmt: skip


ROUTES = {
    # What an adapter is tested over: fixtures of conftest.py that make its files, and the packages it needs.
    "huggingface": (("tiny_encoder", "tiny_unigram_encoder"), ()),
    "mecab": (("tiny_mecab_encoder", "tiny_character_encoder"), ("fugashi", "unidic_lite")),
    "sentencepiece": (("tiny_rinna_encoder", "tiny_xlmr_encoder"), ("sentencepiece",)),
    "sudachi": (("tiny_sudachi_encoder",), ("sudachipy", "sudachidict_small")),
}
"""A new adapter is a line here."""


def test_every_adapter_is_tested():
    assert set(ROUTES) == set(ADAPTERS.names())


@pytest.fixture(params=[(name, files) for name, (each, _) in ROUTES.items() for files in each], ids="-".join)
def route(request):
    name, files = request.param
    for package in ROUTES[name][1]:
        pytest.importorskip(package, reason=f"{package} is not installed")
    return name, request.getfixturevalue(files)


@pytest.fixture
def directory(route):
    return route[1]


@pytest.fixture
def adapter(route):
    name, files = route
    return open_adapter(files, name=name)


def special_ids(adapter):
    return {number for role, number in adapter.info().special_ids.items() if role != "unk"}


def test_the_empty_text_gives_the_special_tokens_only(adapter):
    row = adapter.encode([""], max_length=16)
    info = adapter.info().special_ids
    assert row.row(0).tolist() == [info["cls"], info["sep"]]


@pytest.mark.parametrize("text", ["", "朝", "朝食がとても美味しい", "[SEP]"])
def test_as_many_special_tokens_stand_before_and_after_a_text_as_told(adapter, text):
    info = adapter.info()
    row, nothing = (adapter.encode([one], max_length=32, offsets=True) for one in (text, ""))
    assert info.n_before + info.n_after == len(nothing.input_ids)
    assert row.input_ids[: info.n_before].tolist() == nothing.input_ids[: info.n_before].tolist()
    assert (
        row.input_ids[len(row.input_ids) - info.n_after :].tolist()
        == nothing.input_ids[info.n_before :].tolist()
    )
    inner = row.offsets[info.n_before : len(row.input_ids) - info.n_after]
    assert not special_ids(adapter) & set(row.input_ids[info.n_before : len(row.input_ids) - info.n_after])
    assert len(inner) == 0 or inner[:, 1].max() == len(text)


def test_no_texts_give_no_rows(adapter):
    assert len(adapter.encode([], max_length=16)) == 0
    assert adapter.encode([], max_length=16, offsets=True).offsets.shape == (0, 2)


@pytest.mark.parametrize("texts", [NASTY])
def test_a_text_alone_and_in_a_batch_gives_the_same_row(adapter, texts):
    together = adapter.encode(texts, max_length=32, offsets=True)
    for number, text in enumerate(texts):
        alone = adapter.encode([text], max_length=32, offsets=True)
        assert alone.row(0).tolist() == together.row(number).tolist()
        start, end = together.row_splits[number : number + 2]
        assert alone.offsets.tolist() == together.offsets[start:end].tolist()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters()), max_size=4))
def test_any_str_is_accepted_and_offsets_lie_inside_in_order(adapter, texts):
    encodings = adapter.encode(texts, max_length=24, offsets=True)
    assert len(encodings) == len(texts)
    assert (encodings.lengths <= 24).all()
    for number, text in enumerate(texts):
        start, end = encodings.row_splits[number : number + 2]
        inner = encodings.offsets[start + 1 : end - 1]
        assert (inner[:, 0] <= inner[:, 1]).all()
        assert (inner >= 0).all()
        assert (inner <= len(text)).all()
        assert (np.diff(inner[:, 0]) >= 0).all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from("朝食がとても美味しい です。ガギ😀𠮷")))
def test_offsets_cover_every_character_that_is_not_white_space(adapter, text):
    encodings = adapter.encode([text], max_length=10_000, offsets=True)
    covered = {position for start, end in encodings.offsets for position in range(start, end)}
    assert {position for position, one in enumerate(text) if not one.isspace()} <= covered


@pytest.mark.parametrize("text", ["か\u3099き", "ｶﾞｷﾞ", "é と e\u0301"])
def test_offsets_cover_marks_that_merge_with_the_character_before(text):
    from jptextclf import builtin

    encodings = open_adapter(builtin.directory()).encode([text], max_length=64, offsets=True)
    covered = {position for start, end in encodings.offsets for position in range(start, end)}
    assert {position for position, one in enumerate(text) if not one.isspace()} <= covered


@pytest.mark.parametrize(
    "spelled", ["[SEP]", "[CLS]", "[MASK]", "[PAD]", "<s>", "</s>", "<mask>", "<pad>", " <mask> x"]
)
def test_no_text_injects_a_special_token(adapter, spelled):
    encodings = adapter.encode([f"良い{spelled}です"], max_length=64, offsets=True)
    assert not special_ids(adapter) & set(encodings.row(0)[1:-1].tolist())
    assert len(encodings.row(0)) > 4
    assert len(encodings.offsets) == len(encodings.input_ids)


# transformers itself calls what SudachiPy has renamed.
@pytest.mark.filterwarnings("ignore:Dictionary.create:DeprecationWarning")
def test_ids_equal_the_reference_tokenizer(adapter, directory, reviews):
    from transformers import AutoTokenizer

    if adapter.name == "sentencepiece":
        pytest.skip("no stock tokenizer is right; the library is the reference: tests/test_sentencepiece.py")
    stock = AutoTokenizer.from_pretrained(str(directory))
    lost = "[\ud800\0"
    texts = [text for text, _ in reviews] + [one for one in NASTY if not set(one) & set(lost)]
    for max_length in (3, 8, 128):
        ours = adapter.encode(texts, max_length=max_length)
        theirs = stock(texts, truncation=True, max_length=max_length)["input_ids"]
        assert [ours.row(number).tolist() for number in range(len(texts))] == theirs


def test_a_lone_surrogate_is_a_replacement_character(adapter):
    assert (
        adapter.encode(["良\ud800い"], max_length=9).input_ids.tolist()
        == adapter.encode(["良\ufffdい"], max_length=9).input_ids.tolist()
    )


def test_what_is_cut_is_marked(adapter):
    encodings = adapter.encode(["朝食朝食朝食", "朝"], max_length=4)
    assert encodings.truncated.tolist() == [True, False]
    assert encodings.lengths.max() == 4


def test_unknown_pieces_are_counted(adapter):
    assert adapter.encode(["朝", "朝\u3402"], max_length=9).unknown.tolist() == [0, 1]


@pytest.mark.parametrize("bad", [None, 3, float("nan"), b"abc", ["a"]])
def test_anything_but_str_is_a_type_error_with_its_index(adapter, bad):
    with pytest.raises(TypeError, match=r"texts\[1\]"):
        adapter.encode(["a", bad], max_length=9)


def test_one_str_is_no_list_of_texts(adapter):
    with pytest.raises(TypeError, match="one str"):
        adapter.encode("朝食", max_length=9)


def test_subclasses_of_str_and_generators_are_texts(adapter):
    expected = adapter.encode(["朝食", "です"], max_length=9).input_ids.tolist()
    assert adapter.encode(np.array(["朝食", "です"]), max_length=9).input_ids.tolist() == expected
    assert adapter.encode((one for one in ["朝食", "です"]), max_length=9).input_ids.tolist() == expected


def test_a_length_without_room_is_an_error(adapter):
    with pytest.raises(ConfigError, match="JPT-U020"):
        adapter.encode(["a"], max_length=2)


@pytest.mark.parametrize(
    "text", ["あ" * 1_000_000, "朝食 " * 300_000, " " * 1_000_000, "😀" * 1_000_000, "[SEP]" * 100_000]
)
def test_a_million_characters_are_cut_without_a_crash(adapter, text):
    encodings = adapter.encode([text], max_length=512)
    assert encodings.lengths[0] <= 512


def test_a_long_text_gives_the_pieces_of_the_whole(adapter):
    text = "朝食がとても美味しかったです。" * 3000
    assert (
        adapter.encode([text], max_length=512).row(0)[:-1].tolist()
        == adapter.encode([text], max_length=10**6).row(0)[:511].tolist()
    )


def test_pickling_and_threads_give_the_same_rows(adapter, reviews):
    texts = [text for text, _ in reviews] + NASTY
    expected = adapter.encode(texts, max_length=32).input_ids.tolist()
    copy = pickle.loads(pickle.dumps(adapter))  # noqa: S301
    assert copy.encode(texts, max_length=32).input_ids.tolist() == expected
    with ThreadPoolExecutor(4) as pool:
        for row in pool.map(lambda _: adapter.encode(texts, max_length=32).input_ids.tolist(), range(8)):
            assert row == expected


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_a_forked_process_gives_the_same_rows(route):
    name, directory = route
    program = f"""
import os, sys
from pathlib import Path
from jptextclf.adapters import open_adapter
adapter = open_adapter(Path({str(directory)!r}), name={name!r})
expected = adapter.encode(["朝食が美味しい"] * 200, max_length=16).input_ids.tolist()
child = os.fork()
if child == 0:
    os._exit(0 if adapter.encode(["朝食が美味しい"] * 200, max_length=16).input_ids.tolist() == expected else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0


def test_the_explanation_names_words_pieces_and_characters(adapter):
    explanation = adapter.explain("朝食です")
    assert (
        len(explanation.pieces) == len(explanation.ids) == len(explanation.mask) == len(explanation.offsets)
    )
    assert "".join(word.surface for word in explanation.words).replace("▁", "") == "朝食です"
    assert [explanation.text[word.start : word.end] for word in explanation.words] == [
        word.surface for word in explanation.words
    ]
    spans = [explanation.text[start:end] for start, end in explanation.offsets if end > start]
    assert unicodedata.normalize("NFKC", "".join(dict.fromkeys(spans)))


# transformers itself calls what SudachiPy has renamed.
@pytest.mark.filterwarnings("ignore:Dictionary.create:DeprecationWarning")
def test_saved_files_give_equal_ids_in_plain_transformers(adapter, tmp_path, reviews):
    from transformers import AutoTokenizer

    adapter.save_pretrained(tmp_path, max_length=20)
    stock = AutoTokenizer.from_pretrained(str(tmp_path))
    texts = [text for text, _ in reviews]
    ours = adapter.encode(texts, max_length=20)
    assert stock(texts, truncation=True)["input_ids"] == [
        ours.row(number).tolist() for number in range(len(texts))
    ]
    assert {path.name for path in tmp_path.iterdir()} == {*adapter.saved_files(), "requirements.txt"}
    again = open_adapter(tmp_path, name=adapter.name, options=adapter.info().options)
    assert again.encode(texts, max_length=20).input_ids.tolist() == ours.input_ids.tolist()


def test_a_directory_without_a_tokenizer_is_a_setup_error(tmp_path):
    with pytest.raises(SetupError, match="JPT-E041"):
        open_adapter(tmp_path)


def test_an_unknown_adapter_names_the_closest(tiny_encoder):
    with pytest.raises(ConfigError, match="Did you mean 'huggingface'"):
        open_adapter(tiny_encoder, name="hugingface")
