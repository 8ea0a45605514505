"""Encoder cards: strict reading, look-up, and what becomes of them in a licence record."""

import re

import pytest

from jptextclf.adapters import ADAPTERS
from jptextclf.cards import encoder_cards, find_encoder_card, load_encoder_card, read_encoder_card
from jptextclf.errors import ConfigError

CARD = """
name = "example-bert"
source = "org/example-bert-base"
revision = "4f1c0de"
aliases = ["org/old-name"]
architecture = "bert"
adapter = "huggingface"
max_length = 512
languages = ["ja"]
notes = "For tests."

[options]
lower_case = true

[files]
"model.safetensors" = "{digest}"

[[license]]
what = "weights"
id = "Apache-2.0"
statement = "license: apache-2.0"
url = "https://example.org/card"
revision = "4f1c0de"
date = "2026-01-31"

[[license]]
what = "vocabulary"
id = "CC-BY-SA-4.0"
statement = "The vocabulary is CC BY-SA 4.0."
file = "README.md"
line = 12
""".replace("{digest}", "a" * 64)


def write(directory, text, name="example-bert"):
    path = directory / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path):
    with pytest.raises(ConfigError) as caught:
        read_encoder_card(path)
    assert caught.value.code == "JPT-U051"
    return caught.value.message


def test_a_card_is_read_with_all_its_fields(tmp_path):
    card = read_encoder_card(write(tmp_path, CARD))
    assert (card.name, card.source, card.revision) == ("example-bert", "org/example-bert-base", "4f1c0de")
    assert (card.architecture, card.adapter, dict(card.options)) == (
        "bert",
        "huggingface",
        {"lower_case": True},
    )
    assert (card.max_length, card.languages, card.aliases) == (512, ("ja",), ("org/old-name",))
    assert dict(card.files) == {"model.safetensors": "a" * 64}
    weights, vocabulary = card.licenses
    assert (weights.what, weights.id, weights.evidence.url) == (
        "weights",
        "Apache-2.0",
        "https://example.org/card",
    )
    assert (vocabulary.evidence.file, vocabulary.evidence.line) == ("README.md", 12)


def test_an_empty_field_means_not_verified(tmp_path):
    text = 'name = "example-bert"\nsource = "org/example"\narchitecture = "bert"\nadapter = "huggingface"\n'
    card = read_encoder_card(write(tmp_path, text))
    assert (card.revision, card.max_length, card.languages, card.licenses, dict(card.files)) == (
        "",
        0,
        (),
        (),
        {},
    )
    assert card.component().license == "NOASSERTION"
    assert card.component().revision is None


def test_every_problem_is_reported_at_once(tmp_path):
    text = CARD.replace('adapter = "huggingface"\n', "").replace("max_length = 512", 'max_lenght = "512"')
    text = text.replace('"ja"', "7").replace("Apache-2.0", "Apache-Two").replace("a" * 64, "abc")
    message = problems_of(write(tmp_path, text))
    assert "5 problem(s)" in message
    for part in (
        "'adapter'",
        "'max_lenght'",
        "max_length",
        "languages",
        "license[0].id",
        "model.safetensors",
    ):
        assert part in message


def test_a_licence_statement_without_a_source_stops_the_card(tmp_path):
    message = problems_of(write(tmp_path, CARD.replace('url = "https://example.org/card"\n', "")))
    assert "1 problem(s)" in message
    assert "license[0]" in message


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('what = "weights"', 'what = "paint"', "license[0].what"),
        ('date = "2026-01-31"', 'date = "yesterday"', "license[0].date"),
        ('statement = "license: apache-2.0"', 'statement = ""', "license[0].statement"),
        ("line = 12", "line = 0", "license[1].line"),
        ("max_length = 512", "max_length = -1", "max_length"),
        ('source = "org/example-bert-base"', 'source = ""', "source"),
        ('revision = "4f1c0de"\naliases', 'revision = "main"\naliases', "revision"),
        ("lower_case = true", "lower_case = []", "options.lower_case"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(tmp_path, old, new, where: str):
    assert old in CARD
    message = problems_of(write(tmp_path, CARD.replace(old, new, 1)))
    assert "1 problem(s)" in message
    assert where in message


def test_a_card_is_named_like_its_file(tmp_path):
    assert "example-bert" in problems_of(write(tmp_path, CARD, name="other"))


@pytest.mark.parametrize("text", ["name = ", "name = 'a'\nname = 'b'"])
def test_a_card_that_is_no_toml_is_one_problem(tmp_path, text):
    assert "1 problem(s)" in problems_of(write(tmp_path, text))


def test_a_missing_card_is_one_problem(tmp_path):
    assert "1 problem(s)" in problems_of(tmp_path / "nothing.toml")


def test_a_component_carries_every_statement_about_that_part(tmp_path):
    card = read_encoder_card(write(tmp_path, CARD))
    base = card.component()
    assert (base.role, base.relation, base.name, base.license) == (
        "base_model", "fine-tuned-from", "org/example-bert-base", "Apache-2.0",
    )  # fmt: skip
    assert base.revision == "4f1c0de"
    assert [one.statement for one in base.evidence] == ["license: apache-2.0"]
    tokenizer = card.component("tokenizer", bundled=True, sha256="b" * 64)
    assert (tokenizer.role, tokenizer.relation, tokenizer.license) == (
        "tokenizer",
        "tokenized-with",
        "CC-BY-SA-4.0",
    )
    assert (tokenizer.bundled, tokenizer.sha256) == (True, "b" * 64)
    assert card.component(relation="features-from").relation == "features-from"


def test_statements_that_differ_are_joined_not_chosen_from(tmp_path):
    text = CARD.replace('what = "vocabulary"', 'what = "weights"')
    assert read_encoder_card(write(tmp_path, text)).component().license == "Apache-2.0 AND CC-BY-SA-4.0"


def test_a_card_is_found_by_name_hub_id_and_alias():
    for card in encoder_cards():
        for reference in (card.name, card.source, *card.aliases, card.source.upper()):
            assert find_encoder_card(reference) == card
    assert find_encoder_card("org/nothing-like-it") is None


def test_an_unknown_name_is_refused_with_the_closest_one():
    with pytest.raises(ConfigError) as caught:
        load_encoder_card("bultin")
    assert caught.value.code == "JPT-U052"
    assert "builtin" in caught.value.message


def test_shipped_cards_agree_with_each_other_and_name_known_adapters():
    cards = encoder_cards()
    assert [card.name for card in cards] == sorted(card.name for card in cards)
    references = [one.casefold() for card in cards for one in (card.name, card.source, *card.aliases)]
    assert len(references) == len(set(references))
    assert {card.adapter for card in cards} <= set(ADAPTERS.names())


def test_the_card_of_the_embedded_encoder_says_where_its_licence_is_stated():
    card = load_encoder_card("builtin")
    assert card.source == "intfloat/multilingual-e5-small"
    assert card.component().license == "MIT"
    assert card.component("tokenizer").license == "MIT"
    assert all(one.evidence.url or one.evidence.file for one in card.licenses)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", one.evidence.date) for one in card.licenses)
