"""What can be judged: runs, exports, models and cases, found by path or name, with their evidence."""

import io
import json
import sys
from types import SimpleNamespace

import pytest
from conftest import make_tiny_encoder
from fakehub import FakeHub

from jptextclf import license_check, license_report
from jptextclf.encoders import import_model, resolve_encoder
from jptextclf.errors import ConfigError, SetupError
from jptextclf.licensing.beside import read_beside
from jptextclf.licensing.case import read_case as checked
from jptextclf.subjects import find_subject

CARD = "---\nlicense: {id}\n---\n# モデル\n\n{text}\n"


@pytest.fixture
def encoder(tmp_path):
    """A tiny encoder with a card of its own."""
    directory = tmp_path / "my-encoder"
    directory.mkdir()
    make_tiny_encoder(directory)
    (directory / "README.md").write_text(CARD.format(id="apache-2.0", text=""), encoding="utf-8")
    return directory


def roles(subject):
    return [one["role"] for one in subject.components]


def base_of(subject):
    return next(one for one in subject.components if one["role"] == "base_model")


def test_a_run_is_judged_by_its_record(trained):
    subject = find_subject(trained.path)
    assert (subject.kind, subject.name) == ("run", trained.path.name)
    assert roles(subject)[:3] == ["base_model", "tokenizer", "training_data"]
    # A local directory has no upstream revision; the hash of its files pins it.
    assert base_of(subject)["revision"] == f"sha256:{base_of(subject)['sha256']}"
    assert checked(subject.components)
    about = subject.report()
    assert about.labels == trained.schema.names
    assert about.files["model.safetensors"].sha256
    assert "README.md" not in about.files


def test_a_model_directory_is_judged_by_what_lies_beside_it(encoder):
    subject = find_subject(encoder)
    assert (subject.kind, roles(subject)) == ("model", ["base_model", "tokenizer"])
    assert base_of(subject)["license"] == "Apache-2.0"
    assert base_of(subject)["evidence"][0]["line"] == 2
    assert set(subject.texts) == {"README.md"}


def test_an_imported_model_is_found_by_name(encoder):
    import_model(encoder, name="imported-for-subjects")
    subject = find_subject("imported-for-subjects")
    assert base_of(subject)["license"] == "Apache-2.0"


def test_a_report_finds_its_subject_once(encoder, monkeypatch):
    found = []
    monkeypatch.setattr(
        "jptextclf.api.leaving.find_subject", lambda *one, **_: found.append(one) or find_subject(*one)
    )
    monkeypatch.setattr(
        "jptextclf.exporters.checker.find_subject", lambda *_, **__: pytest.fail("looked twice")
    )
    assert "Apache-2.0" in license_report(encoder, "internal-commercial")
    assert len(found) == 1


def test_a_card_is_judged_without_its_files_and_without_a_network(monkeypatch):
    monkeypatch.setattr("jptextclf.encoders.fetch_snapshot", lambda *_, **__: pytest.fail("asked a hub"))
    subject = find_subject("bert-base-japanese-v3")
    assert subject.name == "tohoku-nlp/bert-base-japanese-v3"
    assert base_of(subject)["license"] == "Apache-2.0"
    assert base_of(subject)["revision"] is None


def test_a_card_that_contradicts_itself_is_judged_under_both_readings():
    subject = find_subject("bert-base-japanese")
    base = base_of(subject)
    assert base["metadata_body_conflict"] is True
    assert {base["license"], base["body_license"]} == {"CC-BY-SA-4.0", "CC-BY-SA-3.0"}
    assert len(base["evidence"]) >= 2
    blocked = license_check("bert-base-japanese", "redistribute-weights-commercial", output_license="MIT")
    assert str(blocked.verdict) == "blocked"


def test_of_a_hub_only_card_and_licence_files_are_fetched(monkeypatch, tmp_path):
    with FakeHub.serve() as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        commit = hub.commit(
            "org/unknown",
            {
                "config.json": b"{}", "model.safetensors": b"w" * 1000,
                "README.md": CARD.format(id="mit", text="").encode(), "NOTICE": b"Made by Example.",
            },
        )  # fmt: skip
        subject = find_subject("org/unknown")
        assert base_of(subject)["license"] == "MIT"
        assert base_of(subject)["revision"] == commit
        assert subject.texts["NOTICE"] == b"Made by Example."
        assert hub.asked("resolve/.*safetensors") == 0


def test_a_revision_of_a_card_is_asked_of_its_repository_alone(monkeypatch, tmp_path):
    with FakeHub.serve() as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        files = {"config.json": b"{}", "README.md": CARD.format(id="apache-2.0", text="").encode()}
        commit = hub.commit("tohoku-nlp/bert-base-japanese-v3", {**files, "model.safetensors": b"w" * 99})
        subject = find_subject(f"bert-base-japanese-v3@{commit}")
        assert (base_of(subject)["license"], base_of(subject)["revision"]) == ("Apache-2.0", commit)
        assert hub.asked("resolve/.*safetensors") == 0


def test_a_case_is_read_from_a_file_or_a_stream(tmp_path, monkeypatch):
    case = [{"role": "base_model", "name": "org/a", "license": "MIT", "relation": "fine-tuned-from"}]
    bare, full = tmp_path / "bare.json", tmp_path / "full.json"
    bare.write_text(json.dumps(case), encoding="utf-8-sig")
    full.write_text(json.dumps({"components": case, "intended_use": "internal-commercial"}), encoding="utf-8")
    assert find_subject(bare).components == tuple(case)
    assert find_subject(full).use == "internal-commercial"
    assert str(license_check(full).verdict) == "ok"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps(case).encode())))
    assert find_subject("-").components == tuple(case)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"{", "JPT-U112"), (b"\xff", "JPT-U151"), (b'{"components": 3}', "JPT-U112"), (b"3", "JPT-U112")],
)
def test_what_is_no_case_is_said(tmp_path, content, code):
    (tmp_path / "case.json").write_bytes(content)
    with pytest.raises(ConfigError, match=code):
        find_subject(tmp_path / "case.json")


@pytest.mark.parametrize("name", ["nothing-of-that-name", "a" * 5000, "~nobody/model", ""])
def test_what_is_not_there_is_said(name):
    with pytest.raises((ConfigError, SetupError)):
        find_subject(name)


# ---- what lies beside a model


def beside(directory, **files):
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return read_beside(directory)


def test_a_card_that_says_two_licences_keeps_both_with_their_lines(tmp_path):
    text = "## ライセンス\n\nこのモデルは CC BY-SA 3.0 で配布します。"
    found = beside(tmp_path, README__md=CARD.format(id="cc-by-sa-4.0", text=text))
    assert (found.license, found.body_license, found.conflict) == ("CC-BY-SA-4.0", "CC-BY-SA-3.0", True)
    assert {one.line for one in found.evidence} == {2, 8}


def test_a_card_that_agrees_with_its_text_is_no_conflict(tmp_path):
    text = "## License\n\nThis model is licensed under the Apache License 2.0."
    found = beside(tmp_path, README__md=CARD.format(id="apache-2.0", text=text))
    assert (found.license, found.body_license, found.conflict) == ("Apache-2.0", None, False)


def test_a_list_of_licences_stays_a_list_and_an_unclear_one_keeps_its_words(tmp_path, encoder):
    (encoder / "README.md").write_text(
        CARD.format(id="[apache-2.0, bsd-3-clause]", text=""), encoding="utf-8"
    )
    base = base_of(find_subject(encoder))
    assert base["license"] == ["Apache-2.0", "BSD-3-Clause"]
    verdict = license_check(encoder, "redistribute-weights-commercial", output_license="Apache-2.0").verdict
    assert str(verdict) == "needs-review"
    (encoder / "README.md").write_text(CARD.format(id="other", text=""), encoding="utf-8")
    assert base_of(find_subject(encoder))["metadata"] == "other"


def test_limits_in_the_text_are_kept_word_for_word(tmp_path):
    found = beside(
        tmp_path, README__md=CARD.format(id="mit", text="## ライセンス\n\n本モデルの商用利用は禁止です。")
    )
    assert "商用利用は禁止" in found.prose
    assert found.conflict is True


def test_a_licence_file_speaks_where_the_card_is_silent(tmp_path):
    from jptextclf.licensing.license_texts import license_text

    found = beside(tmp_path, LICENSE=license_text("Apache-2.0"))
    assert (found.license, found.body_license) == ("NOASSERTION", "Apache-2.0")
    contradicts = beside(tmp_path, README__md=CARD.format(id="mit", text=""))
    assert (contradicts.license, contradicts.body_license, contradicts.conflict) == (
        "MIT",
        "Apache-2.0",
        True,
    )


def test_what_a_gate_asks_is_on_record(tmp_path):
    card = "---\nlicense: mit\nextra_gated_prompt: non-commercial research only\n---\n"
    assert beside(tmp_path, README__md=card).gated_prompt == "non-commercial research only"


def test_the_copyright_of_a_licence_file_is_evidence(tmp_path, encoder):
    from jptextclf.licensing.license_texts import license_text

    text = license_text("MIT").replace("<year> <copyright holders>", "2023 Example")
    (encoder / "LICENSE").write_text(text, encoding="utf-8")
    found = resolve_encoder(str(encoder)).component
    assert "Copyright (c) 2023 Example" in [one.statement for one in found.evidence]


def test_an_empty_directory_states_nothing(tmp_path):
    found = read_beside(tmp_path)
    assert (found.license, found.body_license, found.conflict, found.evidence) == (
        "NOASSERTION",
        None,
        None,
        (),
    )
    assert found.note
