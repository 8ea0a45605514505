"""What the user says about the data reaches the licence record; what nobody says is unknown there."""

import os
from dataclasses import replace

import pytest

from jptextclf.data.origin import DataOrigin, declare
from jptextclf.errors import ConfigError
from jptextclf.licensing.components import Component, Evidence

CARD = """
name = "宿泊者アンケート 2024"
origin = "customer"
license = "LicenseRef-contract OR mit"
personal_information = "none-confirmed"
note = "契約 第3条"

[[evidence]]
statement = "第3条 二次利用を許諾する"
file = "contract.pdf"
date = 2024-04-01
line = 3
"""


@pytest.fixture
def card(tmp_path):
    def card(content):
        path = tmp_path / "card.toml"
        path.write_text(content, encoding="utf-8")
        return path

    return card


def refused(code, **options):
    with pytest.raises(ConfigError) as caught:
        declare(**options)
    assert caught.value.code == f"JPT-{code}"
    return caught.value


def test_nothing_said_is_unknown():
    origin = declare()
    assert origin == DataOrigin()
    component = origin.component("reviews.csv", "ab" * 32)
    assert (component.license, component.origin, component.personal_information) == (
        "NOASSERTION",
        "unknown",
        "unknown",
    )
    assert (component.role, component.relation, component.sha256) == (
        "training_data",
        "trained-on",
        "ab" * 32,
    )
    assert component.name == "reviews.csv"


def test_own_data_need_no_licence():
    origin = declare(data_origin="own", personal_information="none-confirmed")
    assert origin.component("a", "00").license == "LicenseRef-Own"


def test_a_licence_is_written_in_its_usual_spelling():
    assert declare(data_license="cc-by-4.0").license == "CC-BY-4.0"


def test_a_card_says_everything(card):
    origin = declare(data_card=card(CARD))
    component = origin.component("reviews.csv", "00")
    assert component.name == "宿泊者アンケート 2024"
    assert (
        component.license == "licenseref-contract OR MIT" or component.license == "LicenseRef-contract OR MIT"
    )
    assert component.note == "契約 第3条"
    assert component.evidence == (
        Evidence("第3条 二次利用を許諾する", file="contract.pdf", date="2024-04-01", line=3),
    )


def test_card_and_options_may_say_the_same_but_not_differ(card):
    path = card('origin = "own"\nlicense = "MIT"\n')
    assert (
        declare(
            data_card=path, data_origin="own", data_license="mit", personal_information="contains"
        ).license
        == "MIT"
    )
    error = refused("U038", data_card=path, data_origin="public", data_license="CC-BY-4.0")
    assert "--data-origin" in error.message
    assert "--data-license" in error.message


def test_all_problems_of_a_card_are_said_at_once(card):
    content = 'orign = "own"\norigin = "mine"\nlicense = "no such licence"\npersonal_information = true\nname = ""\nevidence = 3\n'
    error = refused("U037", data_card=card(content))
    assert error.fields["n"] == 6
    assert "'origin'" in error.message
    for word in ("orign", "mine", "no such licence", "personal_information", "name", "evidence"):
        assert word in error.message


def test_evidence_needs_a_statement_and_a_place(card):
    error = refused("U037", data_card=card('[[evidence]]\nstatment = "x"\nline = "3"\n'))
    assert error.fields["n"] == 4


@pytest.mark.parametrize("content", ["origin = ", "\x00"])
def test_a_card_that_is_no_toml_is_refused(card, content):
    refused("U037", data_card=card(content))


def test_a_card_that_is_not_there_or_not_utf8_is_refused(tmp_path):
    refused("U037", data_card=tmp_path / "none.toml")
    (tmp_path / "a.toml").write_bytes('name = "日本"'.encode("cp932"))
    refused("U037", data_card=tmp_path / "a.toml")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_card_that_is_a_pipe_or_a_directory_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused("U037", data_card=tmp_path / "pipe")
    refused("U037", data_card=tmp_path)


def test_options_with_unknown_values_are_refused_together():
    error = refused("U036", data_origin="mine", data_license="xyz", personal_information="no")
    for word in ("--data-origin", "--data-license", "--personal-information", "none-confirmed"):
        assert word in error.message


def test_a_known_component_is_completed_not_overruled():
    known = Component("training_data", "corpus", "trained-on", license="CC0-1.0", origin="public")
    completed = DataOrigin(personal_information="none-confirmed").complete(known)
    assert completed.personal_information == "none-confirmed"
    assert completed.license == "CC0-1.0"
    assert DataOrigin(license="CC0-1.0", origin="public").complete(known) == known
    for other in (DataOrigin(license="MIT"), DataOrigin(origin="own")):
        with pytest.raises(ConfigError) as caught:
            other.complete(known)
        assert caught.value.code == "JPT-U040"


def test_completing_twice_changes_nothing(card):
    origin = declare(data_card=card(CARD))
    once = origin.component("a", "00")
    assert origin.complete(once) == once


def test_what_a_card_notes_is_kept_beside_what_is_known(card):
    origin = declare(data_card=card('name = "別名"\nnote = "契約 第3条"'))
    known = Component("training_data", "reviews-ja", "trained-on", license="CC0-1.0", note="自作。")
    completed = origin.complete(known)
    assert (completed.name, completed.note) == ("reviews-ja", "自作。 契約 第3条")
    assert origin.complete(completed) == completed
    assert origin.complete(replace(known, name="", note="")) == replace(known, name="別名", note="契約 第3条")
