"""Small real things, made on the spot: a tiny encoder with its tokenizer, a handful of reviews, a trained run."""

import json
import os
from pathlib import Path

import pytest

# Tiny models are quickest on one thread, and spinning threads slow down whatever runs beside the tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

SHARED = Path(__file__).parents[2] / "shared"

REVIEWS = [
    ("朝食がとても美味しかったです。", "良い"),
    ("部屋が清潔で快適でした。", "良い"),
    ("スタッフの対応が親切で良かった。", "良い"),
    ("また泊まりたいと思います。", "良い"),
    ("景色が良く、温泉も最高でした。", "良い"),
    ("夕食の量も味も大満足です。", "良い"),
    ("駅から近くて便利だった。", "良い"),
    ("値段の割にとても良い宿です。", "良い"),
    ("静かでよく眠れました。", "良い"),
    ("お風呂が広くて気持ち良かった。", "良い"),
    ("笑顔の接客に感動しました。", "良い"),
    ("料理が豪華で嬉しかったです。", "良い"),
    ("部屋が汚くて残念でした。", "悪い"),
    ("壁が薄く、うるさくて眠れない。", "悪い"),
    ("フロントの態度が悪かった。", "悪い"),
    ("料理が冷めていて不味い。", "悪い"),
    ("二度と利用しません。", "悪い"),
    ("エアコンが壊れていて最悪でした。", "悪い"),
    ("値段が高いのに食事が貧弱。", "悪い"),
    ("予約が通っておらず困りました。", "悪い"),
    ("風呂の排水が悪く不快だった。", "悪い"),
    ("写真と違いすぎてがっかり。", "悪い"),
    ("虫が出て怖かったです。", "悪い"),
    ("待たされたのに謝罪もない。", "悪い"),
]


@pytest.fixture(autouse=True)
def _english_and_a_store_of_its_own(monkeypatch, tmp_path_factory):
    from jptextclf import messages

    monkeypatch.setenv("JPTEXTCLF_LANG", "en")
    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path_factory.getbasetemp() / "store"))
    messages.use_language(None)
    yield
    messages.use_language(None)


@pytest.fixture(scope="session")
def shared():
    """Real data and encoders beside the checkout; tests that need them are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data folder beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def reviews():
    """24 short reviews with labels 良い and 悪い."""
    return REVIEWS


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """A BERT of 2 layers and width 32 with random weights, and a WordPiece tokenizer over single characters."""
    return make_tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def tiny_unigram_encoder(tmp_path_factory):
    """The same with a Unigram tokenizer whose special tokens are pieces too, as in XLM-R."""
    return make_tiny_encoder(tmp_path_factory.mktemp("unigram"), unigram=True)


@pytest.fixture(scope="session")
def tiny_mecab_encoder(tmp_path_factory):
    """A Japanese BERT whose words come from MeCab and unidic_lite."""
    return make_tiny_japanese_encoder(tmp_path_factory.mktemp("mecab"), MECAB)


@pytest.fixture(scope="session")
def tiny_character_encoder(tmp_path_factory):
    """The same over characters."""
    config = {**MECAB, "subword_tokenizer_type": "character"}
    return make_tiny_japanese_encoder(tmp_path_factory.mktemp("character"), config)


@pytest.fixture(scope="session")
def tiny_sudachi_encoder(tmp_path_factory):
    """A Japanese BERT whose words come from Sudachi."""
    config = {
        "word_tokenizer_type": "sudachi",
        "subword_tokenizer_type": "wordpiece",
        "sudachi_kwargs": {"sudachi_dict_type": "small", "sudachi_split_mode": "A"},
    }
    return make_tiny_japanese_encoder(tmp_path_factory.mktemp("sudachi"), config)


@pytest.fixture(scope="session")
def tiny_rinna_encoder(tmp_path_factory):
    """A RoBERTa laid out as rinna's: a real SentencePiece model, lower-cased, [CLS] in front, positions from 0."""
    directory = tmp_path_factory.mktemp("rinna")
    symbols = ["--pad_id=3", "--pad_piece=[PAD]", "--control_symbols=[CLS],[SEP],[MASK]"]
    _train_spiece(directory / "spiece.model", symbols, lower=True)
    return _save_roberta(directory, "T5Tokenizer", "roberta", pad_id=3)


@pytest.fixture(scope="session")
def tiny_xlmr_encoder(tmp_path_factory):
    """An XLM-R with a SentencePiece model and no tokenizer.json."""
    directory = tmp_path_factory.mktemp("xlmr")
    _train_spiece(directory / "sentencepiece.bpe.model", [], lower=False)
    return _save_roberta(directory, "XLMRobertaTokenizer", "xlm-roberta", pad_id=1)


MECAB = {
    "word_tokenizer_type": "mecab",
    "subword_tokenizer_type": "wordpiece",
    "mecab_kwargs": {"mecab_dic": "unidic_lite"},
}


def make_tiny_japanese_encoder(directory, config, *, pieces=()):
    """A BERT of 2 layers with random weights over single characters, and the files of a BertJapaneseTokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = dict.fromkeys([*special, *_characters(), *(f"##{one}" for one in _characters()), *pieces])
    (directory / "vocab.txt").write_text("".join(f"{one}\n" for one in vocabulary), encoding="utf-8")
    config = {
        "tokenizer_class": "BertJapaneseTokenizer",
        "do_lower_case": False,
        "model_max_length": 128,
        **config,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.manual_seed(0)
    network = BertModel(
        BertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=128, vocab_size=len(vocabulary), pad_token_id=0,
        )
    )  # fmt: skip
    network.save_pretrained(directory)
    return directory


def _train_spiece(path, options, *, lower):
    """A Unigram model of a few hundred pieces, trained on the reviews."""
    import sentencepiece

    texts = [text for text, _ in REVIEWS] + [" ".join(_characters()), "ABC xyz 株式会社 ガギ"]
    corpus = path.with_name("corpus.txt")
    corpus.write_text("\n".join(one.lower() if lower else one for one in texts * 3) + "\n", encoding="utf-8")
    sentencepiece.set_min_log_level(2)
    sentencepiece.SentencePieceTrainer.Train(
        " ".join(
            [
                f"--input={corpus}", f"--model_prefix={path.with_suffix('')}", "--vocab_size=400", "--hard_vocab_limit=false",
                "--character_coverage=1.0", "--num_threads=1", *options,
            ]
        )
    )  # fmt: skip
    corpus.unlink()
    path.with_suffix(".vocab").unlink()


def _save_roberta(directory, tokenizer_class, model_type, *, pad_id):
    import sentencepiece
    import torch
    from transformers import RobertaConfig, RobertaModel, XLMRobertaConfig, XLMRobertaModel

    (model,) = directory.glob("*.model")
    size = sentencepiece.SentencePieceProcessor(model_file=str(model)).get_piece_size()
    config_class, model_class = {
        "roberta": (RobertaConfig, RobertaModel),
        "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel),
    }[model_type]
    torch.manual_seed(0)
    network = model_class(
        config_class(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=130, vocab_size=size + 2 * (model_type == "xlm-roberta"), pad_token_id=pad_id,
        )
    )  # fmt: skip
    network.save_pretrained(directory)
    path = directory / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), "tokenizer_class": tokenizer_class}
    path.write_text(json.dumps(config), encoding="utf-8")
    return directory


def make_tiny_encoder(directory, *, unigram=False, architecture="bert", width=32, seed=0):
    """Write an encoder with random weights as the Hub lays it out; returns its directory."""
    import torch
    from transformers import (
        BertConfig,
        BertModel,
        DistilBertConfig,
        DistilBertModel,
        RobertaConfig,
        RobertaModel,
    )

    tokenizer, special = _unigram_tokenizer() if unigram else _wordpiece_tokenizer()
    tokenizer.save(str(directory / "tokenizer.json"))
    names = dict(
        zip(("unk_token", "cls_token", "sep_token", "pad_token", "mask_token"), special, strict=True)
    )
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 128, **names}
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    sizes = {
        "vocab_size": tokenizer.get_vocab_size(),
        "pad_token_id": tokenizer.token_to_id(names["pad_token"]),
    }
    torch.manual_seed(seed)
    if architecture == "distilbert":
        network = DistilBertModel(
            DistilBertConfig(
                dim=width, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=128, **sizes
            )
        )
    else:
        config_class, model_class = {
            "bert": (BertConfig, BertModel),
            "roberta": (RobertaConfig, RobertaModel),
        }[architecture]
        network = model_class(
            config_class(
                hidden_size=width, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                max_position_embeddings=128, **sizes,
            )
        )  # fmt: skip
    network.save_pretrained(directory)
    return directory


def _characters():
    text = (
        "".join(text for text, _ in REVIEWS)
        + "0123456789abcdefghijklmnopqrstuvwxyz!?.,-[]<>/😀𠮷株式会社ガギ"
    )
    return sorted(set(text))


def _wordpiece_tokenizer():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *_characters(),
        *(f"##{one}" for one in _characters()),
    ]
    tokenizer = Tokenizer(
        models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer, special


def _unigram_tokenizer():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["<unk>", "<s>", "</s>", "<pad>", "<mask>"]
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    vocabulary += [(one, -4.0) for one in _characters()]
    vocabulary += [("です", -3.0), ("でした", -3.0), ("とても", -3.5), ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer, special


@pytest.fixture(scope="session")
def examples(reviews):
    """The reviews as examples."""
    from jptextclf.data.examples import Examples

    return Examples(
        [text for text, _ in reviews], [(label,) for _, label in reviews], list(range(1, len(reviews) + 1))
    )


@pytest.fixture
def classifier_of(tiny_encoder):
    """Makes a tiny classifier with its adapter for a label schema."""
    from jptextclf.adapters import open_adapter
    from jptextclf.encoders import resolve_encoder
    from jptextclf.model import build_classifier

    def make(schema, directory=tiny_encoder, seed=0):
        files = resolve_encoder(str(directory))
        return build_classifier(files, schema, seed=seed), open_adapter(files.directory)

    return make


@pytest.fixture(scope="session")
def labelled():
    """Encodes labelled texts as a split of a training."""
    import numpy as np

    from jptextclf.long_texts import encode_texts
    from jptextclf.stepping import LabelledTexts

    def make(adapter, reviews, schema, max_length=64, **options):
        labels = [
            (label, "部屋") if schema.is_multilabel and "部屋" in text else (label,)
            for text, label in reviews
        ]
        texts = encode_texts(adapter, [text for text, _ in reviews], max_length=max_length, **options)
        return LabelledTexts(texts, schema.encode(labels), np.arange(1, len(reviews) + 1))

    return make


@pytest.fixture(scope="session")
def reviews_csv(tmp_path_factory, reviews):
    """The reviews, three times over, as a spreadsheet program of Japan exports them."""
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    rows = [
        f"{number},{text}{'！' * time},{label}"
        for time in range(3)
        for number, (text, label) in enumerate(reviews)
    ]
    path.write_bytes(("番号,本文,ラベル\r\n" + "\r\n".join(rows) + "\r\n").encode("cp932"))
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory, tiny_encoder, reviews_csv):
    """A run that really learned the reviews; do not change it, copy it.

    It is validated on its own training texts: random weights learn by heart and do not generalise.
    """
    from jptextclf import train

    return train(
        reviews_csv, validation=reviews_csv, model=str(tiny_encoder), out=tmp_path_factory.mktemp("runs") / "レビュー 1", epochs=40,
        learning_rate=2e-3, batch_size=8, max_length=64, patience=None, device="cpu", precision="float32", data_origin="own",
        personal_information="none-confirmed",
    )  # fmt: skip


@pytest.fixture
def run_copy(trained, tmp_path):
    """The trained run's directory, to be damaged."""
    import shutil

    return shutil.copytree(trained.path, tmp_path / "run")
