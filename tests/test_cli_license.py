"""license, export and push on the command line: statuses, streams, and what a person reads."""

import json
import tomllib
from dataclasses import replace

import pytest
from test_cli import in_process

from jptextclf import messages
from jptextclf.bundle import write_bundle
from jptextclf.licensing.reports import FORMATS

SHARE_ALIKE = {
    "role": "base_model",
    "name": "org/base",
    "license": "CC-BY-SA-4.0",
    "relation": "fine-tuned-from",
}
OWN = {
    "role": "training_data", "name": "own data", "license": "LicenseRef-Own", "relation": "trained-on", "origin": "own",
    "personal_information": "none-confirmed",
}  # fmt: skip


@pytest.fixture
def run(trained, tmp_path):
    """The trained run as if its encoder, a stand-in, were under CC-BY-SA-4.0."""
    old = trained.bundle.components
    changed = [
        replace(one, name="standin/encoder", license="CC-BY-SA-4.0", revision="1" * 40, origin="public")
        if one.role in {"base_model", "tokenizer"}
        else one
        for one in old
    ]
    bundle = replace(trained.bundle, path=tmp_path / "run", components=tuple(changed))
    write_bundle(bundle, trained.predictor.classifier, trained.predictor.adapter)
    return bundle.path


@pytest.fixture
def case(tmp_path):
    path = tmp_path / "case.json"
    path.write_text(json.dumps({"components": [SHARE_ALIKE, OWN]}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("use", "options", "status", "verdict"),
    [
        ("internal-commercial", (), 0, "ok"),
        ("redistribute-weights-commercial", ("--output-license", "MIT"), 6, "blocked"),
        ("redistribute-weights-commercial", ("--output-license", "CC-BY-SA-4.0"), 0, "ok-with-obligations"),
        ("deliver-weights-to-one-customer", ("--output-license", "MIT"), 5, "needs-review"),
    ],
)
def test_a_case_is_printed_and_ends_with_its_status(capfdbinary, case, use, options, status, verdict):
    ended, out, err = in_process(capfdbinary, "license", "assess", case, "--use", use, *options, "--json")
    assert ended == status
    assert json.loads(out)["verdict"] == verdict
    assert err == ""


def test_an_assessment_for_people_has_the_verdict_on_top(capfdbinary, case):
    use = "redistribute-weights-commercial"
    ended, out, _ = in_process(
        capfdbinary, "license", "assess", case, "--use", use, "--output-license", "MIT"
    )
    assert ended == 6
    first, *rest = out.split("\n")
    assert first == f"case for {use}: blocked"
    assert any("org/base" in line for line in rest)
    assert "It is no legal advice." in out


def test_an_unknown_use_is_a_mistake_with_the_known_ones(capfdbinary, case):
    ended, out, err = in_process(capfdbinary, "license", "assess", case, "--use", "publish-on-hab")
    assert (ended, out) == (2, "")
    assert "publish-on-hub" in err


def test_a_check_says_what_an_export_would(capfdbinary, run, tmp_path):
    options = ("--use", "redistribute-weights-commercial", "--output-license", "MIT")
    ended, out, _ = in_process(capfdbinary, "license", "check", run, *options, "--json")
    assert ended == 6
    assert json.loads(out)["problems"] == []
    ended, out, err = in_process(capfdbinary, "export", run, tmp_path / "out", *options)
    assert (ended, out) == (6, "")
    assert "standin/encoder" in err
    assert "CC-BY-SA-4.0" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_an_export_prints_its_place_and_is_checked_again(capfdbinary, run, tmp_path):
    out_directory = tmp_path / "out"
    ended, out, err = in_process(
        capfdbinary, "export", run, out_directory, "--use", "redistribute-weights-commercial"
    )
    assert (ended, out.strip()) == (0, str(out_directory))
    assert "CC-BY-SA-4.0" in err
    ended, out, _ = in_process(capfdbinary, "license", "check", out_directory, "--json")
    assert ended == 0
    checked = json.loads(out)
    assert (checked["use"], checked["output_license"], checked["problems"]) == (
        "redistribute-weights-commercial", "CC-BY-SA-4.0", [],
    )  # fmt: skip
    ended, _, err = in_process(capfdbinary, "export", run, out_directory, "--use", "internal-commercial")
    assert (ended, "JPT-U024" in err) == (2, True)
    ended, out, _ = in_process(
        capfdbinary, "export", run, out_directory, "--use", "internal-commercial", "--overwrite", "--json"
    )
    assert (ended, json.loads(out)["use"]) == (0, "internal-commercial")


def test_an_export_that_was_edited_fails_its_check(capfdbinary, run, tmp_path):
    from jptextclf.bundle import open_bundle, seal

    out = tmp_path / "out"
    in_process(capfdbinary, "export", run, out, "--use", "redistribute-weights-commercial")
    (out / "NOTICE").write_text("nothing", encoding="utf-8")
    bundle = open_bundle_after(open_bundle, seal, out)
    ended, shown, _ = in_process(capfdbinary, "license", "check", out, "--json")
    assert ended == 5
    assert {one["component"] for one in json.loads(shown)["problems"]} == {"standin/encoder"}
    assert bundle["use"] == "redistribute-weights-commercial"


def open_bundle_after(open_bundle, seal, directory):
    """Somebody seals an edited export anew."""
    record = json.loads((directory / "jptextclf.json").read_text(encoding="utf-8"))
    seal(directory, record)
    return open_bundle(directory).record["export"]


@pytest.mark.parametrize("report_format", FORMATS.names())
@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_report_goes_to_stdout_or_a_file(capfdbinary, run, tmp_path, report_format, language):
    options = ("--use", "publish-on-hub", "--format", report_format, "--lang", language)
    ended, out, err = in_process(capfdbinary, "license", "report", run, *options)
    assert (ended, err) == (0, "")
    assert "standin/encoder" in out
    ended, printed, _ = in_process(capfdbinary, "license", "report", run, *options, "-o", tmp_path / "report")
    assert printed.strip() == str(tmp_path / "report")
    assert (tmp_path / "report").read_text(encoding="utf-8") == out


def test_a_report_is_printed_whatever_the_verdict(capfdbinary, case):
    use = "redistribute-weights-commercial"
    ended, out, _ = in_process(
        capfdbinary, "license", "report", case, "--use", use, "--output-license", "MIT", "--format", "json"
    )
    assert ended == 0
    assert "blocked" in out


def test_inspect_shows_statements_and_judges_nothing(capfdbinary, tmp_path):
    card = "---\nlicense: mit\n---\n# m\n\n## License\n\nThis model is distributed under the Apache License 2.0. 商用利用禁止。\n"
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    (tmp_path / "LICENSE").write_text("nothing known", encoding="utf-8")
    ended, out, _ = in_process(capfdbinary, "license", "inspect", tmp_path, "--json")
    found = json.loads(out)
    assert ended == 0
    assert found["card"]["declared"] == "MIT"
    assert found["card"]["conflict"] is True
    assert [one["license"] for one in found["card"]["mentions"]] == ["Apache-2.0"]
    assert found["card"]["restrictions"]
    assert found["files"]["LICENSE"]["license"] == "NOASSERTION"
    ended, out, _ = in_process(capfdbinary, "license", "inspect", tmp_path / "README.md")
    assert (ended, "Declared: MIT" in out, "Apache-2.0" in out) == (0, True, True)
    ended, out, _ = in_process(capfdbinary, "license", "inspect", tmp_path / "LICENSE")
    assert (ended, "LICENSE: NOASSERTION" in out) == (0, True)
    ended, _, err = in_process(capfdbinary, "license", "inspect", tmp_path / "nothing")
    assert (ended, "JPT-U158" in err) == (2, True)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_list_names_every_licence_and_use_in_words(capfdbinary, language):
    ended, out, _ = in_process(capfdbinary, "license", "list", "--lang", language)
    assert ended == 0
    assert "CC-BY-SA-4.0" in out
    assert out.count("publish-on-hub") == 1
    ended, out, _ = in_process(capfdbinary, "license", "list", "--json")
    listed = json.loads(out)
    assert len(listed["uses"]) == 8
    assert {"id": "MIT", "name": "MIT License"}.items() <= next(
        one for one in listed["licenses"] if one["id"] == "MIT"
    ).items()


def test_the_example_policy_can_be_used(capfdbinary, case, tmp_path):
    ended, out, _ = in_process(capfdbinary, "license", "policy")
    assert ended == 0
    (tmp_path / "company.toml").write_text(out, encoding="utf-8")
    ended, out, err = in_process(
        capfdbinary, "license", "assess", case, "--policy", tmp_path / "company.toml", "--json"
    )
    assert ended in {0, 5, 6}, err
    assert json.loads(out)["policy"]


def test_a_refusal_is_said_in_japanese(capfdbinary, run, tmp_path):
    ended, _, err = in_process(
        capfdbinary,
        "export",
        run,
        tmp_path / "out",
        "--use",
        "publish-on-hub",
        "--output-license",
        "MIT",
        "--lang",
        "ja",
    )
    assert ended == 6
    assert "エクスポートしませんでした" in err
    assert "法的助言ではありません" in err


def test_a_wrong_license_file_option_is_a_mistake(capfdbinary, run, tmp_path):
    ended, _, err = in_process(
        capfdbinary, "export", run, tmp_path / "out", "--use", "publish-on-hub", "--license-file", "MIT"
    )
    assert (ended, "JPT-U157" in err) == (2, True)


def test_training_for_a_blocked_use_ends_with_its_status(capfdbinary, tmp_path, reviews_csv, tiny_encoder):
    ended, out, err = in_process(
        capfdbinary, "train", reviews_csv, "--model", tiny_encoder, "--out", tmp_path / "run", "--use",
        "internal-commercial", "--max-length", 64,
    )  # fmt: skip
    assert (ended, out) == (6, "")
    assert "JPT-L010" in err
    assert not (tmp_path / "run").exists()


OPEN_RAIL = {
    "role": "base_model", "name": "org/rail", "license": "LicenseRef-CreativeML-OpenRAIL-M",
    "relation": "fine-tuned-from",
}  # fmt: skip


@pytest.mark.parametrize("command", ["assess", "check"])
def test_an_open_duty_ends_both_commands_alike(capfdbinary, tmp_path, command):
    path = tmp_path / "case.json"
    path.write_text(json.dumps({"components": [OPEN_RAIL, OWN]}), encoding="utf-8")
    options = (
        "--use", "redistribute-weights-commercial", "--output-license", OPEN_RAIL["license"], "--json",
    )  # fmt: skip
    ended, out, _ = in_process(capfdbinary, "license", command, path, *options)
    found = json.loads(out)
    assert found["verdict"] == "ok-with-obligations"
    assert any(one["state"] == "open" and one["required"] for one in found["obligations"])
    assert ended == 5


def test_assess_takes_a_case_as_written_and_check_as_an_export_would(capfdbinary, case):
    found = {}
    for command in ("assess", "check"):
        ended, out, _ = in_process(
            capfdbinary, "license", command, case, "--use", "redistribute-weights-commercial", "--json"
        )
        found[command] = (ended, json.loads(out)["output_license"])
    assert found == {"assess": (5, None), "check": (0, "CC-BY-SA-4.0")}
    for command, words in (("assess", "as it is written"), ("check", "as an export would")):
        _, out, _ = in_process(capfdbinary, "license", command, "--help", "--lang", "en")
        assert words in out


NOTICES = {"en": "no legal advice", "ja": "法的助言ではありません"}


@pytest.mark.parametrize("language", NOTICES)
def test_every_output_says_that_it_is_no_legal_advice(
    capfdbinary, run, case, tmp_path, language, reviews_csv
):
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# m\n", encoding="utf-8")
    use = ("--use", "internal-commercial")
    commands = [
        ("license", "list"), ("license", "inspect", tmp_path / "README.md"), ("license", "assess", case, *use),
        ("license", "check", run, *use), ("license", "report", run, *use), ("export", run, tmp_path / "out", *use),
    ]  # fmt: skip
    for command in commands:
        ended, out, err = in_process(capfdbinary, *command, "--lang", language)
        assert ended == 0, err
        assert NOTICES[language] in out + err, command
        if command[1] != "report" and command[0] == "license":
            _, out, _ = in_process(capfdbinary, *command, "--lang", language, "--json")
            assert NOTICES[language] in json.loads(out)["notice"]


def test_every_word_that_inspect_shows_is_in_the_catalogue():
    from typing import get_args

    from jptextclf.licensing.reading.card import MetadataStatus
    from jptextclf.licensing.reading.conflict import ConflictKind
    from jptextclf.licensing.reading.restrictions import TABLE, UNREAD
    from jptextclf.licensing.reading.subjects import About

    kinds = {one["kind"] for one in tomllib.loads(TABLE.read_text(encoding="utf-8"))["restriction"]}
    expected = {
        "license_status": get_args(MetadataStatus), "license_conflict": get_args(ConflictKind),
        "license_limit": kinds | {UNREAD}, "license_about": get_args(About),
    }  # fmt: skip
    for section, words in expected.items():
        assert set(words) <= {
            key.partition(".")[2] for key in messages.keys("ja") if key.startswith(f"{section}.")
        }


def test_inspect_in_japanese_has_no_english_words_of_ours(capfdbinary, tmp_path):
    card = "# m\n\n## License\n\nMIT License. 商用利用禁止。\n"
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    _, out, _ = in_process(capfdbinary, "license", "inspect", tmp_path, "--lang", "ja")
    for word in ("no-front-matter", "other-or-unclear", "non-commercial", "(model"):
        assert word not in out
    assert "商用利用の禁止" in out


@pytest.mark.parametrize(("language", "policy"), [("ja", "社内規程"), ("en", "policy")])
def test_help_of_the_group_names_every_command_in_whole_lines(capfdbinary, language, policy):
    _, out, _ = in_process(capfdbinary, "license", "--help", "--lang", language)
    assert policy in next(line for line in out.split("\n")[1:] if line.strip())
    helps = [said for key, said in messages.keys(language).items() if key.startswith("help.license_")]
    assert all(said.strip().split("\n")[0].endswith((".", "。")) for said in helps)


@pytest.mark.parametrize("command", ["export", "train"])
def test_a_policy_is_a_path_everywhere(capfdbinary, command):
    _, out, _ = in_process(capfdbinary, command, "--help")
    assert "--policy PATH" in out
