"""``jptextclf models``: what is at hand, what is known by its card, and every field of a card with its source."""

import json

import pytest
from click.testing import CliRunner

from jptextclf.cli import cli
from jptextclf.encoders import import_model


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "home"))


def run(*arguments):
    return CliRunner().invoke(cli, list(arguments))


def listed():
    return json.loads(run("models", "list", "--json").stdout)


def test_the_list_shows_cards_that_are_not_at_hand():
    found = listed()
    assert [one["name"] for one in found["models"]] == ["builtin"]
    cards = {one["name"]: one for one in found["cards"]}
    assert "builtin" not in cards
    assert cards["bert-base-japanese-v3"] == {
        "name": "bert-base-japanese-v3",
        "kind": "card",
        "source": "tohoku-nlp/bert-base-japanese-v3",
        "license": "Apache-2.0",
    }
    # The embedded encoder is a build of its own.
    assert "multilingual-e5-small" in cards
    shown = run("models", "list", "--lang", "en").stdout
    assert "\n japanese-roberta-base (card)\n   rinna/japanese-roberta-base  MIT\n" in shown


def test_a_model_that_was_imported_under_another_name_keeps_its_card_listed(tiny_encoder):
    import_model(str(tiny_encoder), name="bert-base-japanese-v3-mine")
    found = listed()
    assert [one["name"] for one in found["models"]] == ["builtin", "bert-base-japanese-v3-mine"]
    assert "bert-base-japanese-v3" in [one["name"] for one in found["cards"]]


@pytest.mark.parametrize(
    "name", ["bert-base-japanese", "TOHOKU-NLP/bert-base-japanese", "cl-tohoku/bert-base-japanese"]
)
def test_a_card_is_shown_under_each_of_its_names(name):
    done = run("models", "show", name, "--lang", "en")
    assert done.exit_code == 0
    assert "Hub id: tohoku-nlp/bert-base-japanese\n" in done.stdout
    assert "Adapter option (dictionary): ipadic\n  read in: https://" in done.stdout
    assert "Revision: not verified\n" in done.stdout
    assert "Licence (weights): CC-BY-SA-3.0: The pretrained models are distributed" in done.stdout


def test_a_card_is_shown_in_japanese():
    shown = run("models", "show", "line-distilbert-base-japanese", "--lang", "ja").stdout
    assert "1 テキストの最大ピース数: 未確認\n" in shown
    assert "トークナイザーアダプター: なし (未対応" in shown
    assert "ライセンス (重み): Apache-2.0" in shown


def test_a_card_as_json():
    record = json.loads(run("models", "show", "rinna/japanese-roberta-base", "--json").stdout)
    assert record["schema_version"] == 1
    assert record["name"] == "japanese-roberta-base"
    fields = record["fields"]
    assert fields["first_position"]["value"] == 0
    assert fields["options.lower_case"]["value"] is True
    assert fields["golden"]["value"]["ids"][0] == 4
    assert fields["revision"] == {"value": None, "source": None}
    assert all(one["source"] for one in fields.values() if one["value"] is not None)
    assert {one["what"] for one in record["license_statements"]} == {"weights", "code"}


def test_an_unknown_name_is_refused_with_the_closest_one():
    done = run("models", "show", "tohoku-nlp/bert-base-japanese-v33", "--lang", "en")
    assert done.exit_code == 2
    assert "JPT-U052" in done.stderr
    assert "'bert-base-japanese-v3'" in done.stderr
