"""Cards of encoders and dictionaries: strict reading, look-up, and what becomes of them in a licence record."""

import importlib.metadata
import re
from pathlib import Path

import pytest

from jptextclf import messages
from jptextclf.atomic import sha256_of
from jptextclf.cards import (
    TECHNICAL_FIELDS,
    card_facts,
    card_to_json,
    cards_beside,
    describe_encoder_card,
    dictionary_cards,
    encoder_cards,
    filled_fields,
    find_card_by_file,
    find_encoder_card,
    load_dictionary_card,
    load_encoder_card,
    read_dictionary_card,
    read_encoder_card,
    require_encoder_card,
)
from jptextclf.errors import ConfigError

CARD = """
name = "example-bert"
source = "org/example-bert-base"
revision = "4f1c0de"
aliases = ["org/old-name"]
architecture = "bert"
adapter = "huggingface"
first_position = 0
max_length = 512
vocabulary_size = 32000
languages = ["ja"]
notes = "For tests."

[options]
lower_case = true

[files]
"model.safetensors" = "{digest}"

[golden]
text = "二度と行かない。"
ids = [2, 656, 3]

[sources]
revision = "https://example.org/commits"
aliases = "https://example.org/old"
architecture = "config.json"
adapter = "https://example.org/card"
"options.lower_case" = "tokenizer_config.json"
first_position = "https://example.org/card"
max_length = "config.json"
vocabulary_size = "config.json"
languages = "https://example.org/card"
files = "its files"
golden = "its files"

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

MINIMAL = """
name = "example-bert"
source = "org/example"
architecture = "bert"
adapter = "huggingface"

[sources]
architecture = "config.json"
adapter = "https://example.org/card"
"""

DICTIONARY = """
name = "example-dic"
package = "example-dic"
module = "example_dic"
versions = ["1.0"]

[[license]]
what = "dictionary"
id = "GPL-2.0-only OR BSD-3-Clause"
statement = "any of the GPL or the BSD License"
file = "dicdir/COPYING"
line = 2

[[license]]
what = "dictionary"
id = "BSD-3-Clause"
statement = "BSD"
file = "METADATA"

[[license]]
what = "code"
id = "MIT"
statement = "The code is MIT."
file = "METADATA"
"""


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
    assert (card.first_position, card.vocabulary_size) == (0, 32000)
    assert (card.golden.text, card.golden.ids) == ("二度と行かない。", (2, 656, 3))
    assert card.sources["options.lower_case"] == "tokenizer_config.json"
    assert dict(card.files) == {"model.safetensors": "a" * 64}
    weights, vocabulary = card.licenses
    assert (weights.what, weights.id, weights.evidence.url) == (
        "weights",
        "Apache-2.0",
        "https://example.org/card",
    )
    assert (vocabulary.evidence.file, vocabulary.evidence.line) == ("README.md", 12)


def test_an_empty_field_means_not_verified(tmp_path):
    card = read_encoder_card(write(tmp_path, MINIMAL))
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
    text = CARD.replace('adapter = "huggingface"\n', "").replace("\nmax_length = 512", '\nmax_lenght = "512"')
    text = text.replace('adapter = "https://example.org/card"\n', "").replace(
        '\nmax_length = "config.json"', ""
    )
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
    text = CARD.replace('what = "vocabulary"', 'what = "weights"').replace(
        "license: apache-2.0", "Apache 2.0"
    )
    assert read_encoder_card(write(tmp_path, text)).component().license == "Apache-2.0 AND CC-BY-SA-4.0"


def test_a_licence_that_leaves_a_choice_keeps_its_parentheses(tmp_path):
    text = CARD.replace('what = "vocabulary"', 'what = "weights"').replace('CC-BY-SA-4.0"', 'MIT OR ISC"')
    text = text.replace("license: apache-2.0", "Apache 2.0")
    assert read_encoder_card(write(tmp_path, text)).component().license == "Apache-2.0 AND (MIT OR ISC)"


@pytest.mark.parametrize(
    "key",
    ["revision", "aliases", "architecture", "options.lower_case", "first_position", "max_length",
     "vocabulary_size", "languages", "files", "golden"],
)  # fmt: skip
def test_a_fact_without_a_source_stops_the_card(tmp_path, key):
    quoted = f'"{key}"' if "." in key else key
    head, sources = CARD.split("[sources]")
    cut = re.sub(rf"\n{re.escape(quoted)} = .*", "", sources, count=1)
    assert cut != sources
    message = problems_of(write(tmp_path, f"{head}[sources]{cut}"))
    assert "1 problem(s)" in message
    assert key in message
    assert "sources" in message


def test_a_source_of_nothing_stops_the_card(tmp_path):
    message = problems_of(write(tmp_path, MINIMAL + 'max_length = "somewhere"\n'))
    assert "1 problem(s)" in message
    assert "max_length" in message


def test_an_encoder_that_no_adapter_fits_says_why(tmp_path):
    text = MINIMAL.replace('adapter = "huggingface"', 'adapter = ""').replace(
        'adapter = "https://example.org/card"\n', ""
    )
    assert "notes" in problems_of(write(tmp_path, text))
    card = read_encoder_card(write(tmp_path, text.replace("[sources]", 'notes = "Wants code."\n[sources]')))
    assert card.adapter == ""


def test_a_card_is_found_by_name_hub_id_and_alias():
    for card in encoder_cards():
        own = () if card.name == "builtin" else (card.source, card.source.upper())
        for reference in (card.name, *own, *card.aliases):
            assert find_encoder_card(reference) is card
            assert require_encoder_card(reference) is card
    assert find_encoder_card("org/nothing-like-it") is None


def test_a_hub_id_leads_to_the_hubs_own_files_not_to_a_build_of_them():
    assert find_encoder_card("intfloat/multilingual-e5-small").name == "multilingual-e5-small"
    assert load_encoder_card("builtin").source == "intfloat/multilingual-e5-small"


def test_cards_are_read_once(monkeypatch):
    find_encoder_card("builtin")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("read again"))
    assert find_encoder_card("rinna/japanese-roberta-base").first_position == 0


@pytest.mark.parametrize(
    ("name", "closest"), [("bultin", "builtin"), ("someone/bert-base-japanese-v33", "bert-base-japanese-v3")]
)
def test_an_unknown_name_is_refused_with_the_closest_one(name, closest):
    with pytest.raises(ConfigError) as caught:
        require_encoder_card(name)
    assert caught.value.code == "JPT-U052"
    assert f"'{closest}'" in caught.value.message


def test_a_card_is_found_by_the_hash_of_its_vocabulary():
    (card,) = find_card_by_file("29c49d70957c9a41942394b543707387f0026957203344096bf63c098b267949")
    assert card.name == "bert-base-japanese-v3"
    builtin = load_encoder_card("builtin")
    assert find_card_by_file(builtin.files["tokenizer.json"].upper()) == (builtin,)
    # The same licence text lies in many directories.
    assert find_card_by_file(builtin.files["LICENSE"]) == ()
    assert find_card_by_file("0" * 64) == ()


def test_cards_beside_what_is_at_hand():
    beside = [card.name for card in cards_beside(["builtin", "cl-tohoku/bert-base-japanese", "./own"])]
    assert "builtin" not in beside
    assert "bert-base-japanese" not in beside
    assert "multilingual-e5-small" in beside
    assert beside == sorted(beside)


def test_the_promised_encoders_have_cards():
    assert {card.name for card in encoder_cards()} >= {
        "bert-base-japanese", "bert-base-japanese-whole-word-masking", "bert-base-japanese-char",
        "bert-base-japanese-v2", "bert-base-japanese-char-v2", "bert-base-japanese-v3",
        "bert-base-japanese-char-v3", "bert-large-japanese", "bert-large-japanese-v2", "japanese-roberta-base",
        "distilbert-base-uncased", "distilbert-base-multilingual-cased", "line-distilbert-base-japanese",
        "deberta-v2-base-japanese", "deberta-v3-base-japanese", "modernbert-ja-130m", "ruri-v3-130m",
        "multilingual-e5-small", "builtin",
    }  # fmt: skip


def test_shipped_cards_agree_with_each_other():
    cards = encoder_cards()
    assert [card.name for card in cards] == sorted(card.name for card in cards)
    references = [
        one
        for card in cards
        for one in {one.casefold() for one in (card.name, *card.aliases)}
        | ({card.source.casefold()} if card.name != "builtin" else set())
    ]
    assert len(references) == len(set(references))
    for card in cards:
        assert card.name in ("builtin", card.source.rpartition("/")[2].lower())


OPTIONS = {
    "mecab": {"dictionary": ("ipadic", "unidic_lite"), "subword": ("wordpiece", "character"), "lower_case": (True, False)},
    "sentencepiece": {"lower_case": (True, False), "leading_cls": (True, False)},
    "huggingface": {},
    "": {},
}  # fmt: skip


@pytest.mark.parametrize("card", encoder_cards(), ids=lambda card: card.name)
def test_shipped_cards_name_known_adapters_and_options(card):
    for key, value in card.options.items():
        assert value in OPTIONS[card.adapter][key]
    assert card.adapter in OPTIONS


@pytest.mark.parametrize("card", encoder_cards(), ids=lambda card: card.name)
def test_every_fact_of_a_shipped_card_has_a_source_and_every_licence_evidence(card):
    values = {key: getattr(card, key) for key in TECHNICAL_FIELDS}
    assert set(card.sources) == set(filled_fields(values))
    assert all(source.strip() for source in card.sources.values())
    assert card.licenses
    for one in card.licenses:
        assert one.evidence.url or one.evidence.file
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", one.evidence.date)


def test_the_first_tohoku_models_name_their_dictionary_and_both_licences():
    card = load_encoder_card("bert-base-japanese")
    assert card.options["dictionary"] == "ipadic"
    base = card.component()
    assert (base.license, base.body_license, base.metadata_body_conflict) == (
        "CC-BY-SA-4.0",
        "CC-BY-SA-3.0",
        True,
    )
    assert load_encoder_card("bert-base-japanese-v3").component().license == "Apache-2.0"


def test_the_golden_ids_depend_on_the_dictionary(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("fugashi")
    golden = load_encoder_card("bert-base-japanese-v3").golden
    # The words that the two dictionaries cut differently, with the ids of the real vocabulary.
    pieces = {"東京": 12569, "大学": 12533, "二": 656, "度": 2023, "と": 458, "##大": 7276, "##学": 7886, "##度": 8421, "##と": 7275}  # fmt: skip
    lines = [f"[unused{number}]" for number in range(14000)]
    lines[:5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for piece, number in pieces.items():
        lines[number] = piece
    (tmp_path / "vocab.txt").write_text("\n".join(lines), encoding="utf-8")
    for dictionary, is_same in (("unidic_lite", True), ("ipadic", False)):
        pytest.importorskip(dictionary)
        tokenizer = transformers.BertJapaneseTokenizer(
            str(tmp_path / "vocab.txt"), word_tokenizer_type="mecab", mecab_kwargs={"mecab_dic": dictionary}
        )
        found = tokenizer(golden.text)["input_ids"]
        wanted = [one for one in golden.ids if one in pieces.values()]
        assert ([one for one in found if one in pieces.values()] == wanted) is is_same


def test_a_card_is_described_in_both_languages_with_what_is_not_verified():
    card = load_encoder_card("deberta-v3-base-japanese")
    facts = {fact.field: fact for fact in card_facts(card)}
    assert facts["max_length"].value is None
    assert facts["adapter"].value == "huggingface"
    assert facts["adapter"].source == card.sources["adapter"]
    for language, word in (("en", "not verified"), ("ja", "未確認")):
        messages.use_language(language)
        assert word in [value for _, value, _ in describe_encoder_card(card)]
    messages.use_language("en")
    record = card_to_json(card)
    assert record["fields"]["max_length"] == {"value": None, "source": None}
    assert record["license"] == "Apache-2.0"
    rinna = {fact.field: fact.value for fact in card_facts(load_encoder_card("japanese-roberta-base"))}
    assert (rinna["first_position"], rinna["options.leading_cls"]) == (0, True)


def test_the_card_of_the_embedded_encoder_says_where_its_licence_is_stated():
    card = load_encoder_card("builtin")
    assert card.component().license == "MIT"
    assert card.component("tokenizer").license == "MIT"


def test_a_dictionary_card_is_read_and_becomes_a_component(tmp_path):
    card = read_dictionary_card(write(tmp_path, DICTIONARY, name="example-dic"))
    assert (card.package, card.module, card.versions) == ("example-dic", "example_dic", ("1.0",))
    component = card.component(revision="1.0", sha256="c" * 64)
    assert (component.role, component.relation, component.name) == (
        "dictionary", "tokenized-with", "example-dic",
    )  # fmt: skip
    assert component.license == "(GPL-2.0-only OR BSD-3-Clause) AND BSD-3-Clause"
    assert (component.revision, component.sha256) == ("1.0", "c" * 64)
    assert len(component.evidence) == 2
    assert card.component().revision is None


def test_every_problem_of_a_dictionary_card_is_reported_at_once(tmp_path):
    text = (
        DICTIONARY.replace('module = "example_dic"\n', "").replace('"code"', '"weights"').replace("1.0", " ")
    )
    with pytest.raises(ConfigError) as caught:
        read_dictionary_card(write(tmp_path, text, name="example-dic"))
    assert caught.value.code == "JPT-U053"
    for part in ("3 problem(s)", "'module'", "license[2].what", "versions"):
        assert part in caught.value.message


def test_dictionary_cards_are_found_by_package_and_module():
    names = [card.name for card in dictionary_cards()]
    assert names == sorted(names)
    assert {"unidic-lite", "ipadic", "sudachidict-small", "sudachidict-core", "sudachidict-full"} <= set(
        names
    )
    for card in dictionary_cards():
        assert load_dictionary_card(card.package) == load_dictionary_card(card.module) == card
    with pytest.raises(ConfigError) as caught:
        load_dictionary_card("unidic-light")
    assert caught.value.code == "JPT-U054"
    assert "'unidic-lite'" in caught.value.message


def test_dictionary_licences_are_what_the_files_state():
    licenses = {card.name: card.component().license for card in dictionary_cards()}
    assert licenses["ipadic"] == "NAIST-2003"
    assert licenses["unidic-lite"] == "(GPL-2.0-only OR LGPL-2.1-only OR BSD-3-Clause) AND BSD-3-Clause"
    assert licenses["sudachidict-small"] == "Apache-2.0 AND BSD-3-Clause"
    assert licenses["unidic"] == "NOASSERTION"


@pytest.mark.parametrize("card", dictionary_cards(), ids=lambda card: card.name)
def test_the_files_that_a_dictionary_card_quotes_are_in_the_package(card):
    try:
        package = importlib.metadata.distribution(card.package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{card.package} is not installed")
    if package.version not in card.versions:
        pytest.skip(f"{card.package} {package.version} was not read for the card")
    checked = 0
    for one in card.licenses:
        # What the build tool writes differs from one to the next; what the package brings does not.
        path = Path(str(package.locate_file(one.evidence.file)))
        if one.evidence.url.startswith("pkg:") and not path.name.startswith("METADATA") and path.is_file():
            assert sha256_of(path) == one.evidence.sha256
            checked += 1
    assert checked


# ---- licences that hold for a time -----------------------------------------------------------------------------


def test_the_licence_of_a_relicensed_encoder_depends_on_the_revision():
    from dataclasses import replace

    from jptextclf.licensing import assess

    card = load_encoder_card("roberta-base-japanese")
    old = replace(card, revision="03d5bd14bee6184ab5e86a35c3a91eb12e75d7e7").component()
    assert (old.license, old.later_license, old.body_license) == ("CC-BY-SA-4.0", "Apache-2.0", None)
    assert assess([old], "publish-on-hub", output_license="Apache-2.0").verdict == "needs-review"
    assert assess([old], "publish-on-hub", output_license="CC-BY-SA-4.0").verdict == "ok-with-obligations"
    # Nobody has recorded to which time another revision belongs, so both statements count.
    unknown = replace(card, revision="0" * 40).component()
    assert (unknown.license, unknown.body_license) == ("Apache-2.0", "CC-BY-SA-4.0")
    assert assess([unknown], "publish-on-hub", output_license="MIT").verdict == "blocked"


def test_a_statement_with_recorded_revisions_is_the_licence_after_the_change():
    from jptextclf.cards._reading import LicenseStatement, license_at
    from jptextclf.licensing.components import Evidence

    shown = Evidence("license: x", url="https://example.org")
    before = LicenseStatement("weights", "CC-BY-SA-4.0", shown, until="2026-04-20", revisions=("aaaaaaa",))
    after = LicenseStatement("weights", "Apache-2.0", shown, since="2026-04-20", revisions=("bbbbbbb",))
    found = license_at([before, after], "bbbbbbb1")
    assert (found.declared, found.previous, found.later, found.body) == (
        "Apache-2.0",
        "CC-BY-SA-4.0",
        "",
        None,
    )
