"""SentencePiece route: ids are the library's, offsets are characters, nothing is injected, saved files agree."""

import json
import pickle
import shutil
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")

from jptextclf.adapters._spiece_files import Kind, read_spiece
from jptextclf.adapters.sentencepiece import SentencePieceAdapter
from jptextclf.errors import ConfigError, SetupError

SPELLED = [
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[PAD]",
    "<s>",
    "</s>",
    "<unk>",
    "<pad>",
    "<mask>",
    "[cls]",
    "＜s＞",
    "［ＣＬＳ］",
]
NASTY = [
    "", " ", "\u3000", "▁", "▁▁a▁", "朝食がとても美味しい", "ﾊﾟﾝ　１２３㍿", "か\u3099", "ｶﾞｷﾞ", "😀👨‍👩‍👧", "𠮷野家", "ﾞ",
    "\u200b\u202e", "\r\n\t", "a" * 29, "é e\u0301", "\v", "a\x85b", "～〜", "İstanbul", "aİbİ", "ΑΣ ΑΣΑ", "\ufdfa", "㍿㌔",
    "  先頭と末尾  ", "a\u00a0b", "\u1100\u1161", "ａ\u0301", "\x7f", "\ufffd", *SPELLED, "".join(SPELLED),
]  # fmt: skip
LAW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def rinna(shared):
    return shared / "tokenizers" / "rinna-japanese-roberta-base"


@pytest.fixture(params=["tiny_rinna_encoder", "tiny_xlmr_encoder", "rinna"])
def adapter(request):
    return SentencePieceAdapter(request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def review_texts(shared):
    files = [shared / "data" / "jrte" / name for name in ("pn.tsv", "rhr.tsv")]
    return [line.split("\t")[2] for file in files for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def nasty_texts(shared):
    path = shared / "golden" / "tokenization-nasty.jsonl"
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def processor_of(data):
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_proto=data)


def library(adapter, text):
    """What the sentencepiece library makes of a text by itself: ids and character offsets."""
    found = processor_of(adapter._model.data).encode(
        text.lower() if adapter._lower else text, return_type="offset_mapping"
    )
    return found["ids"], [list(span) for span in found["offsets"]]


def inner(adapter, row):
    return row[len(adapter._prefix) : len(row) - 1]


def own_ids(adapter, ids):
    return adapter._vocabulary.to_encoder[ids].tolist()


# Ids.


def test_the_example_of_the_model_card(rinna):
    adapter = SentencePieceAdapter(rinna)
    row = adapter.encode(["4年に1度オリンピックは開かれる。"], max_length=64)
    assert row.input_ids.tolist() == [4, 1602, 44, 24, 368, 1462, 11, 21583, 8, 2]
    info = adapter.info()
    assert info.special_ids == {"cls": 4, "sep": 2, "pad": 3, "unk": 0, "mask": 6, "bos": 1, "eos": 2}
    assert (info.first_position, info.vocabulary_size) == (0, 32000)


@pytest.mark.parametrize("mode", ["safe", "reference"])
def test_all_review_texts_equal_the_library(rinna, review_texts, nasty_texts, mode):
    adapter = SentencePieceAdapter(rinna, mode=mode)
    texts = review_texts + [text for text in nasty_texts if "\0" not in text and text.isprintable()]
    encodings = adapter.encode(texts, max_length=10**6)
    theirs = adapter._processor.encode([text.lower() for text in texts])
    assert [encodings.row(number).tolist() for number in range(len(texts))] == [
        [4, *row, 2] for row in theirs
    ]


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_equal_the_library(adapter, text):
    ids, _ = library(adapter, text)
    row = adapter.encode([text], max_length=10**6).row(0).tolist()
    assert row == [*adapter._prefix.tolist(), *own_ids(adapter, ids), adapter.info().special_ids["sep"]]


@LAW
@given(text=st.text(st.characters(codec="utf-8")))
def test_any_text_equals_the_library(adapter, text):
    ids, _ = library(adapter, text.replace("\0", " "))
    assert inner(adapter, adapter.encode([text], max_length=10**6).row(0)).tolist() == own_ids(adapter, ids)


def test_a_nul_is_a_space_in_safe_mode_and_unknown_in_the_reference(rinna):
    safe = SentencePieceAdapter(rinna)
    assert (
        safe.encode(["a\0b"], max_length=9).input_ids.tolist()
        == safe.encode(["a b"], max_length=9).input_ids.tolist()
    )
    assert SentencePieceAdapter(rinna, mode="reference").encode(["a\0b"], max_length=9).unknown.tolist() == [
        1
    ]


# Where the stock tokenizer of transformers is no reference.


@pytest.fixture(scope="session")
def stock(rinna):
    pytest.importorskip("google.protobuf", reason="transformers reads a spiece.model with protobuf only")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(rinna))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("😀", "an unknown character gets the id of </s>"),
        ("ﾊﾟﾝ", "half-width kana and their marks are not composed"),
        ("か\u3099", "combining marks are not composed"),
        ("a\vb", "U+000B splits"),
        ("a\x85b", "U+0085 splits"),
        ("Hello ABC", "upper case stays"),
        ("a" * 200, "ties of equal scores are broken otherwise"),
        ("静かな宿<extra_id_0>", "the extra ids lie beyond the embeddings"),
    ],
)
def test_the_stock_tokenizer_differs_and_ours_is_the_library(rinna, stock, text, reason):
    adapter = SentencePieceAdapter(rinna)
    ids, _ = library(adapter, text)
    ours = adapter.encode([text], max_length=10**6).row(0).tolist()
    assert ours == [4, *ids, 2]
    assert stock(text)["input_ids"] != ours[1:], reason


def test_the_stock_tokenizer_puts_no_cls_in_front(rinna, stock):
    ours = SentencePieceAdapter(rinna).encode(["静かな宿"], max_length=64).row(0).tolist()
    assert stock("静かな宿")["input_ids"] == ours[1:]
    assert max(stock.get_vocab().values()) >= SentencePieceAdapter(rinna).info().vocabulary_size


@pytest.mark.parametrize("kind", ["XLMRobertaTokenizer", "CamembertTokenizer"])
def test_fairseq_orders_equal_the_stock_tokenizer(tiny_xlmr_encoder, tmp_path, reviews, kind):
    pytest.importorskip("google.protobuf", reason="transformers reads a spiece.model with protobuf only")
    import transformers

    model = shutil.copy(tiny_xlmr_encoder / "sentencepiece.bpe.model", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind}), encoding="utf-8")
    stock = getattr(transformers, kind).from_pretrained(str(tmp_path))
    adapter = SentencePieceAdapter(tmp_path)
    texts = [text for text, _ in reviews] + ["朝食 と abc 😀 夕食", "", "１２３"]
    ours = adapter.encode(texts, max_length=10**6)
    assert [ours.row(number).tolist() for number in range(len(texts))] == stock(texts)["input_ids"]
    assert adapter.info().special_ids["mask"] == stock.mask_token_id
    assert adapter.info().special_ids["pad"] == stock.pad_token_id
    assert adapter.info().vocabulary_size == len(stock)
    assert model


# Special tokens.


@pytest.mark.parametrize("spelled", SPELLED)
def test_a_special_token_in_a_text_is_the_pieces_of_its_characters(adapter, spelled):
    specials = {number for role, number in adapter.info().special_ids.items() if role != "unk"}
    for text in (spelled, f"良い{spelled}です", f" {spelled} "):
        row = inner(adapter, adapter.encode([text], max_length=64).row(0))
        assert len(row)
        assert not specials & set(row.tolist())


def test_a_user_defined_piece_that_looks_special_is_text_in_safe_mode(tmp_path, reviews):
    import sentencepiece

    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(text for text, _ in reviews), encoding="utf-8")
    sentencepiece.set_min_log_level(2)
    sentencepiece.SentencePieceTrainer.Train(
        input=str(corpus), model_prefix=str(tmp_path / "spiece"), vocab_size=200, hard_vocab_limit=False, num_threads=1,
        user_defined_symbols=["[MASK]", "<mask>", "（笑）"],
    )  # fmt: skip
    safe, reference = (
        SentencePieceAdapter(tmp_path, mode=mode, options={"layout": "model"})
        for mode in ("safe", "reference")
    )
    pieces = read_spiece((tmp_path / "spiece.model").read_bytes())
    assert [pieces.kinds[pieces.id_of(one)] for one in ("[MASK]", "（笑）")] == [Kind.USER_DEFINED] * 2
    for spelled in ("[MASK]", "<mask>"):
        number = pieces.id_of(spelled)
        assert number in reference.encode([f"宿{spelled}"], max_length=64).input_ids
        assert number not in safe.encode([f"宿{spelled}"], max_length=64).input_ids
    assert pieces.id_of("（笑）") in safe.encode(["宿（笑）"], max_length=64).input_ids
    assert SentencePieceAdapter(tmp_path, options={"layout": "model"})._model.data == pieces.data


# Offsets.


@pytest.mark.parametrize("text", NASTY)
def test_offsets_equal_the_library_but_for_expansions_and_lower_case(adapter, text):
    encodings = adapter.encode([text, "朝", text], max_length=10**6, offsets=True)
    _, expected = library(adapter, text)
    first = inner(adapter, encodings.offsets[: encodings.row_splits[1]]).tolist()
    last = inner(adapter, encodings.offsets[encodings.row_splits[2] :]).tolist()
    assert first == last
    if "İ" not in text or not adapter._lower:
        for ours, theirs in zip(first, expected, strict=True):
            # All pieces of one character have it; the library gives it to the last of them.
            assert ours == theirs or (theirs[0] == theirs[1] == ours[0])


@LAW
@given(text=st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("ｶﾞﾊﾟか\u3099İΣ㍿ \u3000▁😀"))))
def test_offsets_lie_inside_in_order_and_equal_the_library(adapter, text):
    encodings = adapter.encode([text], max_length=10**6, offsets=True)
    spans = inner(adapter, encodings.offsets)
    assert (spans[:, 0] <= spans[:, 1]).all()
    assert (spans >= 0).all()
    assert (spans <= len(text)).all()
    assert (np.diff(spans[:, 0]) >= 0).all()
    if "İ" not in text and "\0" not in text:
        _, expected = library(adapter, text)
        for ours, theirs in zip(spans.tolist(), expected, strict=True):
            assert ours == theirs or (theirs[0] == theirs[1] == ours[0])


def test_all_review_texts_have_the_offsets_of_the_library(rinna, review_texts):
    adapter = SentencePieceAdapter(rinna)
    texts = review_texts[::10]
    encodings = adapter.encode(texts, max_length=10**6, offsets=True)
    for number, text in enumerate(texts):
        start, end = encodings.row_splits[number : number + 2]
        assert inner(adapter, encodings.offsets[start:end]).tolist() == library(adapter, text)[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ﾊﾟﾝ", [(0, 0), (0, 3)]),
        ("か\u3099", [(0, 0), (0, 2)]),
        ("㍿", [(0, 1)]),
        ("xİx", [(0, 0), (0, 2), (1, 2), (2, 3)]),
        ("  a  b ", [(2, 3), (3, 6)]),
    ],
)
def test_offsets_of_what_normalisation_and_lower_case_change(rinna, text, expected):
    encodings = SentencePieceAdapter(rinna).encode([text], max_length=64, offsets=True)
    assert encodings.offsets.tolist() == [[0, 0], *map(list, expected), [0, 0]]


def test_every_piece_of_one_character_has_that_character(rinna):
    explanation = SentencePieceAdapter(rinna).explain("\ufdfa")
    pieces = zip(explanation.pieces[1:-1], explanation.offsets[1:-1], strict=True)
    assert {span for piece, span in pieces if piece != "▁"} == {(0, 1)}


def test_the_explanation_has_words_in_the_original_text(rinna):
    explanation = SentencePieceAdapter(rinna).explain("ﾊﾟﾝ \u3000 A㍿İ x")
    assert [(word.surface, word.start, word.end) for word in explanation.words] == [
        ("パン", 0, 3), ("a株式会社i\u0307", 6, 9), ("x", 10, 11),
    ]  # fmt: skip


def test_a_long_text_has_the_offsets_of_the_whole(rinna, review_texts):
    text = "\u3000㍿İ".join(review_texts[:1500])
    safe = SentencePieceAdapter(rinna).encode([text], max_length=200, offsets=True)
    whole = SentencePieceAdapter(rinna, mode="reference").encode([text], max_length=200, offsets=True)
    assert safe.input_ids.tolist() == whole.input_ids.tolist()
    assert safe.offsets.tolist() == whole.offsets.tolist()


# Long texts.


@pytest.mark.parametrize("max_length", [3, 8, 128, 512, 1200])
def test_long_documents_give_the_pieces_of_the_whole(rinna, review_texts, max_length):
    safe, reference = (SentencePieceAdapter(rinna, mode=mode) for mode in ("safe", "reference"))
    shuffler = np.random.default_rng(max_length)
    for joint in ("", " ", "\n", "！！", "😀"):
        order = shuffler.permutation(len(review_texts))[:1200]
        document = joint.join(review_texts[number] for number in order)
        assert len(document) > 8 * max_length
        ours, whole = (one.encode([document], max_length=max_length) for one in (safe, reference))
        assert ours.input_ids.tolist() == whole.input_ids.tolist()
        assert ours.truncated.tolist() == [True]


@LAW
@given(
    unit=st.text(st.sampled_from("あいa aア😀か\u3099ｶﾞ\u200b▁笑w"), min_size=1, max_size=6),
    tail=st.text(st.sampled_from("朝食ab 。"), max_size=20),
)
def test_repeated_texts_give_the_pieces_of_the_whole(rinna, unit, tail):
    text = unit * (9000 // len(unit)) + tail
    ours, whole = (
        opened(rinna, mode).encode([text], max_length=300).input_ids.tolist()
        for mode in ("safe", "reference")
    )
    assert ours == whole


@cache
def opened(directory, mode):
    return SentencePieceAdapter(directory, mode=mode)


MILLIONS = ["あ", "😀", " ", "\x01\0", "\ud800", "[MASK]", "か\u3099", "İ", "aA", "\u0301", "ﾊﾟ"]


@pytest.mark.parametrize("mode", ["safe", "reference"])
def test_a_million_characters_of_anything(tiny_rinna_encoder, mode):
    """In a process of its own: a crash of the library would take the tests with it."""
    program = f"""
import time
from pathlib import Path
from jptextclf.adapters.sentencepiece import SentencePieceAdapter
adapter = SentencePieceAdapter(Path({str(tiny_rinna_encoder)!r}), mode={mode!r})
for unit in {MILLIONS!a}:
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    row = adapter.encode([text], max_length=512)
    assert row.lengths[0] <= 512
    assert {mode!r} == "reference" or time.process_time() - start < 2, unit
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=300).returncode == 0


# Processes.


def test_a_spawned_process_gives_the_same_rows(tiny_rinna_encoder, tmp_path, reviews):
    adapter = SentencePieceAdapter(tiny_rinna_encoder, options={"lower_case": False})
    texts = [text for text, _ in reviews]
    expected = adapter.encode(texts, max_length=32, offsets=True)
    (tmp_path / "adapter").write_bytes(pickle.dumps((adapter, texts, expected.input_ids, expected.offsets)))
    program = f"""
import pickle
from pathlib import Path
adapter, texts, ids, offsets = pickle.loads(Path({str(tmp_path / "adapter")!r}).read_bytes())
row = adapter.encode(texts, max_length=32, offsets=True)
assert (row.input_ids == ids).all() and (row.offsets == offsets).all()
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0


# Options and files.


def test_options_win_over_the_files(tiny_rinna_encoder):
    plain = SentencePieceAdapter(
        tiny_rinna_encoder, options={"lower_case": False, "leading_cls": False, "first_position": 4}
    )
    info = plain.info()
    assert (info.first_position, "cls" in info.special_ids) == (4, False)
    assert plain.encode([""], max_length=9).input_ids.tolist() == [info.special_ids["sep"]]
    assert (
        plain.encode(["ABC"], max_length=9).row(0).tolist()
        != plain.encode(["abc"], max_length=9).row(0).tolist()
    )


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"dictionary": "ipadic"}, "JPT-U085"),
        ({"lower_case": "yes"}, "JPT-U086"),
        ({"leading_cls": 1}, "JPT-U086"),
        ({"first_position": True}, "JPT-U086"),
        ({"first_position": -1}, "JPT-U086"),
        ({"layout": "fairseq"}, "JPT-U086"),
        ({"layout": "xlm-roberta", "leading_cls": True}, "JPT-U086"),
    ],
)
def test_a_wrong_option_is_named(tiny_rinna_encoder, options, code):
    with pytest.raises(ConfigError, match=code):
        SentencePieceAdapter(tiny_rinna_encoder, options=options)


@pytest.mark.parametrize("damage", ["empty", "half", "noise", "no unknown", "missing"])
def test_a_damaged_model_is_a_setup_error(tiny_rinna_encoder, tmp_path, damage):
    directory = shutil.copytree(tiny_rinna_encoder, tmp_path / "damaged")
    path = directory / "spiece.model"
    data = path.read_bytes()
    damaged = {
        "empty": b"", "half": data[: len(data) // 2 - 3], "noise": b"\xff" * 500, "no unknown": b"\n\x08\n\x06abcdef",
    }  # fmt: skip
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(damaged[damage])
    with pytest.raises(SetupError, match="JPT-E041"):
        SentencePieceAdapter(directory)


def test_an_unknown_tokenizer_class_is_a_setup_error(tiny_rinna_encoder, tmp_path):
    shutil.copy(tiny_rinna_encoder / "spiece.model", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "AlbertTokenizer"}', encoding="utf-8"
    )
    with pytest.raises(SetupError, match=r"JPT-E065.*AlbertTokenizer"):
        SentencePieceAdapter(tmp_path)


def test_without_the_package_the_error_says_how_to_install_it(tiny_rinna_encoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(SetupError, match=r"JPT-E040.*\n.*pip install sentencepiece"):
        SentencePieceAdapter(tiny_rinna_encoder)


def test_a_model_of_another_kind_is_encoded_but_not_saved(tmp_path, reviews):
    import sentencepiece

    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(text for text, _ in reviews), encoding="utf-8")
    sentencepiece.set_min_log_level(2)
    sentencepiece.SentencePieceTrainer.Train(
        input=str(corpus), model_prefix=str(tmp_path / "spiece"), vocab_size=250, model_type="bpe", num_threads=1,
        hard_vocab_limit=False, byte_fallback=False, character_coverage=1.0,
    )  # fmt: skip
    adapter = SentencePieceAdapter(tmp_path, options={"layout": "xlm-roberta"})
    long = "".join(text for text, _ in reviews) * 30
    reference = SentencePieceAdapter(tmp_path, mode="reference", options={"layout": "xlm-roberta"})
    for text in (long, *NASTY):
        ours = adapter.encode([text], max_length=300, offsets=True)
        whole = reference.encode([text], max_length=300, offsets=True)
        assert ours.input_ids.tolist() == whole.input_ids.tolist()
        assert ours.offsets.tolist() == whole.offsets.tolist()
    with pytest.raises(SetupError, match="JPT-E066"):
        adapter.save_pretrained(tmp_path, max_length=64)


def test_bytes_for_unknown_characters_have_offsets(tmp_path, reviews):
    import sentencepiece

    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(text for text, _ in reviews), encoding="utf-8")
    sentencepiece.set_min_log_level(2)
    sentencepiece.SentencePieceTrainer.Train(
        input=str(corpus), model_prefix=str(tmp_path / "spiece"), vocab_size=450, num_threads=1, byte_fallback=True,
        hard_vocab_limit=False, character_coverage=1.0,
    )  # fmt: skip
    adapter = SentencePieceAdapter(tmp_path, options={"layout": "xlm-roberta"})
    encodings = adapter.encode(["朝😀食"], max_length=64, offsets=True)
    spans = encodings.offsets.tolist()
    assert spans.count([1, 2]) == 4
    assert (np.diff(encodings.offsets[1:-1, 0]) >= 0).all()


# Saved files.


@pytest.fixture
def saved(adapter, tmp_path):
    from transformers import AutoTokenizer

    adapter.save_pretrained(tmp_path, max_length=64)
    return AutoTokenizer.from_pretrained(str(tmp_path))


def test_saved_files_reopen_with_and_without_their_options(adapter, saved, tmp_path, reviews):
    texts = [text for text, _ in reviews] + NASTY
    expected = adapter.encode(texts, max_length=64).input_ids.tolist()
    for options in (None, adapter.info().options):
        again = SentencePieceAdapter(tmp_path, options=options)
        assert again.encode(texts, max_length=64).input_ids.tolist() == expected
        assert again.info().special_ids == adapter.info().special_ids
        assert again.info().options == adapter.info().options
    assert again.info().model_max_length == 64
    assert {path.name for path in tmp_path.iterdir()} == {*adapter.saved_files(), "requirements.txt"}


DIFFERENT_WHEN_SAVED = {
    "a" * 29: "ties of equal scores: the libraries round differently",
    "ａ\u0301": "a mark on a full-width letter is lost in the tokenizers library",
}


@pytest.mark.parametrize("text", [text for text in NASTY if text not in DIFFERENT_WHEN_SAVED])
def test_plain_transformers_gives_the_same_ids(adapter, saved, text):
    ours = adapter.encode([text], max_length=64).row(0).tolist()
    assert saved(text, truncation=True)["input_ids"] == ours


def test_plain_transformers_pads_masks_and_frames_pairs(adapter, saved):
    info = adapter.info().special_ids
    batch = saved(["朝食", "朝食が美味しい宿"], padding=True)
    assert set(batch) == {"input_ids", "attention_mask"}
    assert batch["input_ids"][0][-1] == info["pad"]
    assert (saved.cls_token_id, saved.sep_token_id, saved.mask_token_id) == (
        info["cls"],
        info["sep"],
        info["mask"],
    )
    assert saved.model_max_length == 64
    assert len(saved) == adapter.info().vocabulary_size


def test_all_review_texts_have_the_same_ids_in_plain_transformers(rinna, review_texts, tmp_path):
    from transformers import AutoTokenizer

    adapter = SentencePieceAdapter(rinna)
    adapter.save_pretrained(tmp_path, max_length=512)
    saved = AutoTokenizer.from_pretrained(str(tmp_path))
    ours = adapter.encode(review_texts, max_length=512)
    theirs = saved(review_texts, truncation=True)["input_ids"]
    assert [ours.row(number).tolist() for number in range(len(review_texts))] == theirs


def test_of_the_nasty_texts_only_ties_differ_in_plain_transformers(rinna, nasty_texts, tmp_path):
    from transformers import AutoTokenizer

    adapter = SentencePieceAdapter(rinna)
    adapter.save_pretrained(tmp_path, max_length=512)
    saved = AutoTokenizer.from_pretrained(str(tmp_path))
    texts = [text.encode("utf-8", "replace").decode("utf-8") for text in nasty_texts]
    ours = adapter.encode(texts, max_length=10**6)
    theirs = saved(texts, truncation=False, verbose=False)["input_ids"]
    different = {text for number, text in enumerate(texts) if ours.row(number).tolist() != theirs[number]}
    assert {frozenset(text) for text in different} <= {frozenset("a")}
    assert len(different) <= 4
