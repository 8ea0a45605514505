"""The embedded encoder: what ships, that nothing was lost on the way, and what happens when it is damaged."""

import hashlib
import json
import math
import subprocess
import sys
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jptextclf import builtin
from jptextclf.adapters import open_adapter
from jptextclf.builtin.blocks import dequantize
from jptextclf.builtin.charsmap import compile_charsmap
from jptextclf.cards import load_encoder_card
from jptextclf.errors import SetupError

WORDS = "embeddings.word_embeddings.weight"
SENTENCES = [
    "query: 朝食がとても美味しかったです。",
    "query: 部屋が汚くて残念でした。",
    "query: アプリが何度も落ちるので、ver.3.2に戻しました…",
    "query: The battery life is disappointing.",
    "query: ﾌﾛﾝﾄの対応が最高！また泊まりたい(^^)",
]


@pytest.fixture(scope="module")
def weights():
    return builtin.load_state_dict()


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(builtin.directory() / "tokenizer.json"))


@pytest.fixture(scope="module")
def materialized(tmp_path_factory):
    target = tmp_path_factory.mktemp("materialized") / "model"
    builtin.materialize(target)
    return target


@pytest.fixture(scope="module")
def reference(shared):
    """The same encoder, converted to float16 by other means, with another vocabulary cut."""
    directory = shared / "encoders" / "e5-small-ja"
    if not directory.is_dir():
        pytest.skip("needs the converted encoder in the shared data folder")
    return directory


# What ships.


def test_every_file_is_the_one_that_the_card_names():
    card = load_encoder_card(builtin.CARD)
    found = {
        name: hashlib.sha256((builtin.directory() / name).read_bytes()).hexdigest() for name in card.files
    }
    assert found == dict(card.files)
    assert {"encoder.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"} <= set(
        card.files
    )


def test_licence_and_notice_of_changes_ship_with_the_weights():
    licence = (builtin.directory() / "LICENSE").read_text(encoding="utf-8")
    notice = (builtin.directory() / "NOTICE").read_text(encoding="utf-8")
    assert "Permission is hereby granted, free of charge" in licence
    assert "Copyright (c) Microsoft Corporation" in licence
    assert "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f" in notice
    assert notice.count(f"{builtin.config()['vocab_size']:,}") == 2


def test_the_package_data_take_at_most_24_megabytes_in_a_wheel():
    card = load_encoder_card(builtin.CARD)
    assert (
        sum(len(zlib.compress((builtin.directory() / name).read_bytes(), 9)) for name in card.files) <= 24e6
    )


# Weights.


def test_the_dequantised_block_is_what_arithmetic_by_hand_gives():
    levels = np.arange(32, dtype=np.uint8) % 16
    nibbles = (levels[:16] | levels[16:] << 4).reshape(1, 1, 16)
    weights = dequantize(nibbles, np.array([[0.5]], np.float16))
    by_hand = [-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5] * 2
    assert weights.dtype == np.float32
    assert weights.tolist() == [by_hand]


def test_low_and_high_bits_are_the_halves_of_their_own_block():
    nibbles = np.full((2, 3, 16), 0x88, np.uint8)
    nibbles[1, 2, 5] = 0xF1
    weights = dequantize(nibbles, np.array([[1, 1, 1], [1, 1, 2]], np.float16))
    assert weights.shape == (2, 96)
    assert {(int(row), int(column)) for row, column in np.argwhere(weights)} == {(1, 64 + 5), (1, 64 + 21)}
    assert (weights[1, 69], weights[1, 85]) == ((1 - 8) * 2, (15 - 8) * 2)


def test_names_and_shapes_are_those_of_a_bert_model_without_pooler(weights):
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(**builtin.config()), add_pooling_layer=False)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert {name: tuple(value.shape) for name, value in weights.items()} == expected


def test_all_weights_are_finite_float32_and_none_is_constant(weights):
    import torch

    for name, value in weights.items():
        assert value.dtype == torch.float32, name
        assert torch.isfinite(value).all(), name
        assert value.std() > 0, name


def test_loading_needs_no_pickle_and_no_network():
    program = (
        "import pickle, socket, sys\n"
        "def refuse(*args, **kwargs): raise AssertionError('not wanted')\n"
        "import torch, safetensors\n"
        "pickle.load = pickle.loads = pickle.Unpickler = socket.socket.connect = refuse\n"
        "from jptextclf import builtin\n"
        "assert len(builtin.load_state_dict()) == 197 and builtin.config()['hidden_size'] == 384\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_the_package_does_not_import_torch():
    program = "import sys; import jptextclf.builtin; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_each_matrix_equals_the_converted_encoder_beyond_float16_rounding(weights, tokenizer, reference):
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    stored = {
        **load_file(reference / "embeddings.safetensors"),
        **load_file(reference / "layers.safetensors"),
    }
    assert set(stored) == set(weights)
    theirs, ours = Tokenizer.from_file(str(reference / "tokenizer.json")).get_vocab(), tokenizer.get_vocab()
    pieces = sorted(set(theirs) & set(ours))
    assert len(pieces) > 35_000
    for name, values in weights.items():
        mine, other = values.numpy(), stored[name]
        if name == WORDS:
            mine, other = mine[[ours[piece] for piece in pieces]], other[[theirs[piece] for piece in pieces]]
        # The matrices were rounded to float16 on the other side only, the small tensors on both.
        assert np.array_equal(mine.astype(np.float16), other), name


# Tokenizer.


def test_the_special_tokens_have_their_usual_ids(tokenizer):
    ids = [tokenizer.token_to_id(piece) for piece in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")]
    assert ids == [0, 1, 2, 3, builtin.config()["vocab_size"] - 1]
    assert builtin.config()["pad_token_id"] == 1
    assert tokenizer.get_vocab_size() == builtin.config()["vocab_size"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("朝食が美味しかったです。", "▁ 朝 食 が 美味 し かったです 。"),
        ("ｽﾏﾎがｶﾞﾝｶﾞﾝ", "▁ スマホ が ガン ガン"),
        ("おもしろいｗｗｗ", "▁お もし ろ い www"),
        ("10～15時", "▁10 ～ 15 時"),
        ("㋿6年", "▁ 令 和 6 年"),
        ("iPhoneと Bluetooth", "▁iPhone と ▁Bluetooth"),
        ("あ゙", "▁ あ ゙"),
        ("家族👨‍👩‍👧と", "▁ 家族 👨 ▁ 👩 ▁ 👧 と"),
        ("a　　b\r\n\tc", "▁a ▁b ▁c"),
        ("", ""),
    ],
)
def test_japanese_texts_are_cut_like_this(tokenizer, text, pieces):
    assert tokenizer.encode(text, add_special_tokens=False).tokens == pieces.split()


def test_of_all_characters_of_cp932_only_rare_ones_are_unknown(tokenizer):
    pairs = [
        bytes([lead, trail])
        for lead in [*range(0x81, 0xA0), *range(0xE0, 0xFD)]
        for trail in range(0x40, 0xFD)
    ]
    characters = [one for pair in pairs if len(one := pair.decode("cp932", errors="ignore")) == 1]
    # Half-width kana, too; the original vocabulary lacks the same ones (tests/test_builtin_source.py).
    characters += [bytes([byte]).decode("cp932") for byte in range(0xA1, 0xE0)]
    encoded = tokenizer.encode_batch(characters, add_special_tokens=False)
    unknown = {character for character, one in zip(characters, encoded, strict=True) if 3 in one.ids}
    others = {
        one for one in unknown if not unicodedata.name(one, "private use").startswith(("CJK", "private"))
    }
    assert others == set("ゎゑ∋∝∟∵∽⊇")


def test_normalisation_is_nfkc_but_for_known_characters(tokenizer):
    differing = {}
    for number in range(0x20, 0xFFFF):
        character = chr(number)
        if unicodedata.category(character) in ("Cs", "Cc", "Cn"):
            continue
        found = tokenizer.normalizer.normalize_str(character)
        expected = unicodedata.normalize("NFKC", character)
        if found != expected and _can_be_japanese(character):
            differing[character] = found
    # Japanese writes ranges and drawn-out vowels with it; it has pieces of its own.
    assert differing == {"～": "～"}


def _can_be_japanese(character):
    try:
        return bool(character.encode("cp932"))
    except UnicodeEncodeError:
        return False


def test_the_adapter_opens_the_directory_itself():
    adapter = open_adapter(builtin.directory())
    info = adapter.info()
    assert info.vocabulary_size == builtin.config()["vocab_size"]
    assert info.special_ids["mask"] == info.vocabulary_size - 1
    assert info.model_max_length == 512
    assert adapter.encode(["<mask>"], max_length=16).input_ids.max() < info.vocabulary_size - 1


def test_ids_equal_the_converted_encoders_up_to_numbering_on_real_reviews(tokenizer, reference, shared):
    from tokenizers import Tokenizer

    theirs = Tokenizer.from_file(str(reference / "tokenizer.json"))
    texts = _reviews(shared)
    assert len(texts) > 4_000
    assert [one.tokens for one in tokenizer.encode_batch(texts)] == [
        one.tokens for one in theirs.encode_batch(texts)
    ]


def _reviews(shared):
    texts = []
    for name in ("pn", "rhr"):
        lines = (shared / "data" / "jrte" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        texts += [line.split("\t")[2] for line in lines]
    return list(dict.fromkeys(texts))


# As a model.


def test_any_tool_loads_what_materialize_writes(materialized, weights):
    import torch
    from transformers import AutoModel, AutoTokenizer

    assert sorted(path.name for path in materialized.iterdir()) == [
        "LICENSE", "NOTICE", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    model = AutoModel.from_pretrained(materialized, add_pooling_layer=False)
    assert model.dtype == torch.float32
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    tokenizer = AutoTokenizer.from_pretrained(materialized)
    assert (tokenizer.cls_token_id, tokenizer.pad_token_id, tokenizer.sep_token_id) == (0, 1, 2)
    assert (tokenizer.unk_token_id, tokenizer.mask_token_id) == (3, model.config.vocab_size - 1)
    assert tokenizer.model_max_length == 512


def test_hidden_states_equal_the_converted_encoders(materialized, reference):
    for one, other in zip(_hidden_states(materialized), _hidden_states(reference), strict=True):
        assert one.shape == other.shape
        assert float((one - other).norm() / other.norm()) < 1e-3


def test_similar_sentences_lie_closer_than_different_ones(materialized):
    import torch

    pairs = ["とても親切な接客でした。", "スタッフの対応が丁寧で良かった。", "画面が割れて電源が入らない。"]
    vectors = [
        states.mean(dim=0) for states in _hidden_states(materialized, [f"query: {one}" for one in pairs])
    ]
    similarity = [float(torch.cosine_similarity(vectors[0], other, dim=0)) for other in vectors[1:]]
    assert similarity[0] > similarity[1] + 0.03


def _hidden_states(directory, texts=SENTENCES):
    """One matrix for each text, without padding."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(directory, add_pooling_layer=False, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    with torch.no_grad():
        return [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in texts]


# Damage.


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """A copy of the package data that a test may spoil."""
    for name in load_encoder_card(builtin.CARD).files:
        (tmp_path / name).write_bytes((builtin.directory() / name).read_bytes())
    monkeypatch.setattr(builtin, "directory", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: data[:100] + b"\xff" + data[101:]])
def test_a_damaged_file_is_refused_before_it_is_read(damaged, spoil):
    path = damaged / "encoder.safetensors"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(SetupError, match="damaged") as caught:
        builtin.load_state_dict()
    assert caught.value.code == "JPT-E006"
    target = damaged / "target"
    with pytest.raises(SetupError):
        builtin.materialize(target)
    assert not target.exists()


def test_a_missing_file_is_named(damaged):
    (damaged / "config.json").unlink()
    with pytest.raises(SetupError, match=r"config\.json") as caught:
        builtin.config()
    assert caught.value.code == "JPT-E005"
    assert caught.value.exit_status == 4


# The compiled character table.

CHARACTERS = st.characters(min_codepoint=1, exclude_categories=["Cs"])


@given(
    st.dictionaries(CHARACTERS, st.text(CHARACTERS, max_size=4), max_size=40),
    st.text(CHARACTERS, max_size=20),
)
def test_a_compiled_table_replaces_what_it_names_and_nothing_else(table, text):
    from tokenizers import normalizers

    normalizer = normalizers.Precompiled(compile_charsmap(table))
    for character in [*text, *table]:
        assert normalizer.normalize_str(character) == table.get(character, character)


@pytest.mark.parametrize("table", [{"": "a"}, {"\0": "a"}, {"a": "\0"}])
def test_a_table_that_the_form_cannot_hold_is_refused(table):
    with pytest.raises(ValueError, match="NUL"):
        compile_charsmap(table)


def test_a_compiled_table_gives_the_same_bytes_each_time():
    table = {chr(0x3042 + number): chr(0x30A2 + number) for number in range(60)}
    assert compile_charsmap(table) == compile_charsmap(dict(table))
    assert math.log2(int.from_bytes(compile_charsmap(table)[:4], "little")) >= 10


def test_the_configuration_is_plain_json():
    assert json.loads((builtin.directory() / "config.json").read_text(encoding="utf-8")) == builtin.config()
    assert Path(builtin.directory()).is_dir()
