"""Every code can be explained, in both languages, without a raw field."""

import json
import re

import pytest
from click.testing import CliRunner

from jptextclf import messages
from jptextclf.cli import cli
from jptextclf.error_codes import all_codes, explain
from jptextclf.errors import ConfigError, DataError

CODES = all_codes()


def test_there_are_codes_of_every_kind():
    assert len(CODES) > 250
    assert list(dict.fromkeys(code[0] for code in CODES)) == ["D", "U", "E", "L", "W"]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_code_is_explained_in_words(language):
    messages.use_language(language)
    for code in CODES:
        found = explain(code)
        assert found.message, code
        assert not re.search(r"\{\w*[:!.\[}]", found.message + found.hint), code
        assert found.code == f"JPT-{code}"
    explained = [code for code in CODES if explain(code).more]
    assert len(explained) >= 35
    # All codes about encodings, columns, quotes and licences that a person meets are among them.
    assert {"D007", "D009", "D010", "D012", "D018", "L001", "L002", "E001"} <= set(explained)


@pytest.mark.parametrize("asked", ["JPT-D012", "D012", "jpt-d012", " d012 ", "ＪＰＴ－Ｄ０１２", "JPTD012"])
def test_a_code_is_understood_however_it_is_typed(asked):
    done = CliRunner().invoke(cli, ["errors", asked])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("JPT-D012")
    assert "Exit status of the command: 3" in done.stdout


def test_an_unknown_code_is_refused_with_a_near_one():
    with pytest.raises(ConfigError, match="JPT-U193") as caught:
        explain("JPT-D0112")
    assert "Did you mean" in str(caught.value)
    assert CliRunner().invoke(cli, ["errors", "x"]).exit_code == 2


def test_all_codes_and_json():
    done = CliRunner().invoke(cli, ["errors"])
    assert len(done.stdout.splitlines()) == len(CODES)
    listed = json.loads(CliRunner().invoke(cli, ["errors", "--json"]).stdout)
    assert len(listed["errors"]) == len(CODES)
    one = json.loads(CliRunner().invoke(cli, ["errors", "L001", "--json", "--lang", "ja"]).stdout)
    assert one["exit_status"] == "5, 6"
    assert "ポリシー" in one["explanation"]


def test_what_an_error_shows_leads_to_its_explanation():
    error = DataError("D019", name="x", columns="a", hint="")
    assert explain(error.code).code == error.code
