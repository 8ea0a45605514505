"""The loader of tokenizers by any name, and the guard that stops a training whose tokenizer does not fit."""

import json
import shutil
import unicodedata
from pathlib import Path

import pytest
from conftest import MECAB, make_tiny_japanese_encoder
from fakehub import FakeHub

from jptextclf import hub, train
from jptextclf.adapters import choose_adapter, load_adapter, open_adapter
from jptextclf.cards import load_encoder_card
from jptextclf.encoders import resolve_encoder, resolve_tokenizer
from jptextclf.errors import ConfigError, SetupError
from jptextclf.guard import check_model, require_fit

V1 = "tohoku-nlp/bert-base-japanese"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "store"))
    monkeypatch.setattr(hub, "FIRST_WAIT", 0.01)
    with FakeHub.serve() as served:
        served.use(monkeypatch, tmp_path / "cache")
        yield served


def files_of(directory):
    return {path.name: path.read_bytes() for path in Path(directory).iterdir() if path.is_file()}


@pytest.fixture
def copied(tiny_mecab_encoder, tmp_path):
    return Path(shutil.copytree(tiny_mecab_encoder, tmp_path / "copied"))


def rewrite(directory, name, **changes):
    path = directory / name
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


# One loader.


@pytest.mark.parametrize("name", ["bert-base-japanese", V1, "cl-tohoku/bert-base-japanese"])
def test_cards_aliases_and_hub_ids_lead_to_the_same_files_and_the_dictionary_of_the_card(
    server, tmp_path, name
):
    """The files of version 1 name no dictionary; transformers opens unidic_lite for them, which is wrong."""
    pytest.importorskip("ipadic")
    directory = tmp_path / "v1"
    directory.mkdir()
    make_tiny_japanese_encoder(directory, {**MECAB, "mecab_kwargs": None})
    server.commit(V1, files_of(directory))
    adapter = load_adapter(name)
    assert adapter.info().options["dictionary"] == "ipadic"
    assert [word.surface for word in adapter.explain("東京大学へ").words] == ["東京大学", "へ"]
    assert server.asked(rf"/{V1}/")
    assert not server.asked("cl-tohoku")


def test_a_tokenizer_is_fetched_without_the_weights(server, tiny_mecab_encoder):
    commit = server.commit("org/some-japanese-bert", files_of(tiny_mecab_encoder))
    assert load_adapter(f"org/some-japanese-bert@{commit}").name == "mecab"
    assert not server.asked("safetensors")


@pytest.mark.parametrize(
    ("status", "code"), [(404, "E019"), (401, "E020"), (403, "E020"), (429, "E023"), (500, "E024")]
)
def test_a_hub_that_refuses_is_a_setup_error(server, tiny_mecab_encoder, status, code):
    server.commit(V1, files_of(tiny_mecab_encoder))
    server.fail("/api/models/", status)
    with pytest.raises(SetupError, match=f"JPT-{code}") as error:
        load_adapter("bert-base-japanese")
    assert error.value.exit_status == 4


def test_a_card_is_found_by_the_hash_of_the_vocabulary(shared):
    for folder, card in (
        ("tohoku-bert-base-japanese-v3", "bert-base-japanese-v3"),
        ("rinna-japanese-roberta-base", "japanese-roberta-base"),
    ):
        assert resolve_tokenizer(str(shared / "tokenizers" / folder)).card == load_encoder_card(card)


def test_an_encoder_that_no_adapter_reads_is_refused_with_the_reason(server, tiny_mecab_encoder):
    server.commit("line-corporation/line-distilbert-base-japanese", files_of(tiny_mecab_encoder))
    with pytest.raises(SetupError, match="JPT-E078"):
        load_adapter("line-distilbert-base-japanese")


@pytest.mark.parametrize("kind", ["basic", "jumanpp", "what"])
def test_words_of_an_unknown_analyser_are_refused(copied, kind):
    rewrite(copied, "tokenizer_config.json", word_tokenizer_type=kind)
    with pytest.raises(SetupError, match=f"JPT-E070.*{kind}"):
        load_adapter(copied)


def test_a_japanese_vocabulary_without_its_class_is_not_read_as_english(shared, tmp_path):
    shutil.copy(shared / "tokenizers" / "tohoku-bert-base-japanese-v3" / "vocab.txt", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    # The vocabulary is not that of the card to the letter, as after a fine-tuning with more tokens.
    with (tmp_path / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("付け足し\n")
    choice = choose_adapter(tmp_path, resolve_tokenizer(str(tmp_path)).card)
    assert (choice.name, choice.options["dictionary"]) == ("mecab", "unidic_lite")
    assert choice.notes


def test_an_unknown_mode_is_refused(tiny_encoder):
    with pytest.raises(ConfigError, match="JPT-U079"):
        load_adapter(tiny_encoder, mode="exact")


def test_an_option_that_the_adapter_does_not_know_is_refused(tiny_mecab_encoder):
    with pytest.raises(ConfigError, match="JPT-U085"):
        open_adapter(tiny_mecab_encoder, name="mecab", options={"dictionry": "ipadic"})


@pytest.mark.parametrize("text", ["良い[MASK]です", "<s>良い", "a[SEP]"])
def test_reference_mode_of_fast_tokenizers_is_the_stock_one(tiny_encoder, text):
    from transformers import AutoTokenizer

    ours = load_adapter(tiny_encoder, mode="reference").encode([text], max_length=64).input_ids.tolist()
    assert ours == AutoTokenizer.from_pretrained(str(tiny_encoder))(text)["input_ids"]


# The guard.


def errors_of(directory, **options):
    return {one.name: one for one in check_model(str(directory), **options) if one.status == "error"}


def test_an_encoder_in_order_has_no_errors(tiny_mecab_encoder, tiny_rinna_encoder):
    for directory in (tiny_mecab_encoder, tiny_rinna_encoder, "builtin"):
        findings = check_model(str(directory))
        assert not [one for one in findings if one.status == "error"], findings
        assert {"model", "vocabulary", "special_tokens", "golden_sentence"} <= {one.name for one in findings}


def test_more_pieces_than_rows_are_an_error_before_anything_is_built(copied, reviews_csv, tmp_path):
    with (copied / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("".join(f"余分{number}\n" for number in range(9)))
    error = errors_of(copied)["vocabulary"]
    assert "9" in error.found
    assert error.remedy
    with pytest.raises(SetupError, match="JPT-E079"):
        train(reviews_csv, model=str(copied), out=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_another_padding_id_is_an_error(copied):
    rewrite(copied, "config.json", pad_token_id=7)
    assert "pad" in errors_of(copied)["special_tokens"].found


def test_what_cannot_be_opened_is_a_finding_with_its_remedy(tmp_path):
    (finding,) = check_model(str(tmp_path / "nothing"))
    assert (finding.status, finding.name) == ("error", "model")
    assert finding.remedy


@pytest.fixture
def real(shared, tmp_path):
    """The MeCab stand-in with its layers, which copies of the shared folder may have lost."""
    directory = Path(shutil.copytree(shared / "encoders" / "standin-tohoku-mecab", tmp_path / "real"))
    layers = directory / "layers.safetensors"
    layers.unlink()
    layers.symlink_to(shared / "encoders" / "e5-small-ja" / "layers.safetensors")
    return directory


def test_a_wrong_dictionary_stops_a_training_and_says_what_is_wrong(real, reviews_csv, tmp_path):
    pytest.importorskip("ipadic")
    assert not errors_of(real)
    errors = errors_of(real, dictionary="ipadic")
    assert errors["dictionary"].remedy == "--dictionary unidic_lite"
    assert "golden_sentence" in errors
    with pytest.raises(SetupError, match="JPT-E079") as error:
        train(reviews_csv, model=str(real), dictionary="ipadic", out=tmp_path / "run", device="cpu")
    assert "unidic_lite" in str(error.value)
    assert len(str(error.value).splitlines()) < 12


def test_the_guard_passes_with_the_golden_sentence(real):
    found = {one.name: one for one in check_model(str(real))}
    golden = load_encoder_card("bert-base-japanese-v3").golden
    assert found["golden_sentence"].status == "ok"
    assert unicodedata.normalize("NFKC", golden.text) in unicodedata.normalize(
        "NFKC", found["golden_sentence"].found
    )
    files = resolve_encoder(str(real))
    choice = choose_adapter(files.directory, files.card)
    assert require_fit(files, open_adapter(files.directory, name=choice.name, options=choice.options)) == []
