"""The gate: what it lets out, what it holds back, and that there is no way around it.

Encoders here are tiny and random, in the layout of real ones and with the real card's text where the shared folder
has it; they carry names of their own and are never recorded as the originals.
"""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import make_tiny_encoder, make_tiny_japanese_encoder

import jptextclf
from jptextclf import LicenseError, decide, export, license_check, load, train
from jptextclf.bundle import open_bundle, rewrite_record, seal, write_bundle
from jptextclf.corpora import load_card
from jptextclf.decisions.answers import FILE as ANSWERS
from jptextclf.decisions.answers import Answers, write_answers
from jptextclf.decisions.rule import Rule
from jptextclf.errors import ConfigError, SetupError
from jptextclf.exporters import check
from jptextclf.exporters._cleared import Cleared
from jptextclf.exporters.documents import Documents
from jptextclf.exporters.duties import PREDICATES, unmet
from jptextclf.exporters.huggingface import write_huggingface
from jptextclf.licensing import Component, Evidence
from jptextclf.licensing.components import NOASSERTION
from jptextclf.licensing.license_texts import license_text
from jptextclf.licensing.reports.notice import heading_of_changes
from jptextclf.messages import text_in
from jptextclf.text_profile import FILE as PROFILE

PACKAGE = Path(jptextclf.__file__).parent
TEXTS = ["朝食がとても美味しかったです。", "二度と利用しません。", ""]
OWN = Component(
    role="training_data", name="社内アンケート", relation="trained-on", license="LicenseRef-Own", origin="own",
    personal_information="none-confirmed", sha256="d" * 64, revision="sha256:" + "d" * 64,
)  # fmt: skip
EVERYTHING = {
    "LICENSE", "LICENSES", "MANIFEST.json", "NOTICE", "README.md", "assessment.json", "components.json",
    "config.json", "jptextclf.json", "license-report.en.html", "license-report.ja.html", "model.safetensors",
    "requirements.txt", "sbom.cdx.json", "sbom.spdx.json", "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip


def base(license_id, **facts):
    """A stand-in for an encoder under this licence."""
    return Component(
        role="base_model", name="standin/encoder", relation="fine-tuned-from", license=license_id, revision="1" * 40,
        sha256="b" * 64, url="https://example.invalid/standin/encoder", **facts,
    )  # fmt: skip


@pytest.fixture
def made_of(trained, tmp_path):
    """Writes the trained run anew, as if it had been made of these components."""
    return rewriter(trained, tmp_path)


def rewriter(trained, directory):
    def write(encoder, data=OWN, upstream=None):
        tokenizer = replace(encoder, role="tokenizer", relation="tokenized-with", bundled=True)
        others = [one for one in trained.bundle.components if one.role == "software"]
        record = {
            **trained.bundle.record,
            "encoder": {
                "name": encoder.name,
                "kind": "hub",
                "revision": encoder.revision,
                "sha256": encoder.sha256,
            },
            "training_data": [{"name": data.name, "sha256": data.sha256}],
        }
        bundle = replace(
            trained.bundle, path=directory / "run", components=(encoder, tokenizer, data, *others), record=record,
            upstream=upstream or {},
        )  # fmt: skip
        predictor = trained.predictor
        write_bundle(bundle, predictor.classifier, predictor.adapter)
        return bundle.path

    return write


def corpus(name):
    """What the card of a corpus says, under the name of a stand-in."""
    stated = load_card(name).license
    return Component(
        role="training_data", name=f"standin-for-{name}", relation="trained-on",
        license=stated.expression or NOASSERTION, sha256="c" * 64, revision="sha256:" + "c" * 64,
        personal_information="none-confirmed", evidence=stated.evidence,
        extra_terms="営利目的利用は固く禁じます",
    )  # fmt: skip


def refusal(run, out, code, **options):
    with pytest.raises(LicenseError) as caught:
        export(run, out, **options)
    assert caught.value.code == code
    assert not out.exists()
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".jptextclf")] == []
    return caught.value


def tree(directory):
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def matter(directory):
    return yaml.safe_load((directory / "README.md").read_text(encoding="utf-8").split("---")[1])


# ---- what is let out


def test_an_export_holds_everything_and_no_more(made_of, tmp_path):
    done = export(
        made_of(base("Apache-2.0")), tmp_path / "out", use="redistribute-weights-commercial",
        output_license="CC-BY-4.0",
    )  # fmt: skip
    assert str(done.assessment.verdict) == "ok-with-obligations"
    assert {path.name for path in done.path.iterdir()} == EVERYTHING
    assert {path.name for path in (done.path / "LICENSES").iterdir()} == {"Apache-2.0.txt", "CC-BY-4.0.txt"}
    notice = (done.path / "NOTICE").read_text(encoding="utf-8")
    assert "standin/encoder" in notice
    assert notice.count(heading_of_changes()) == 1
    assert notice.count("standin/encoder: a classification head was added") == 1
    assert notice.count("学習データ（非公開のデータ）を用いた") == 1
    assert OWN.name not in notice
    assert "unmodified" not in notice
    assert "config.json, model.safetensors" in notice
    assert check(done.path) == []


def test_the_card_says_licence_origin_and_scores_in_both_languages(made_of, tmp_path):
    encoder = replace(base("Apache-2.0"), name="standin/encoder")
    done = export(
        made_of(encoder),
        tmp_path / "reviews",
        use="redistribute-weights-commercial",
        output_license="CC-BY-4.0",
    )
    front = matter(done.path)
    assert front["license"] == "cc-by-4.0"
    assert front["base_model"] == ["standin/encoder"]
    assert "datasets" not in front
    assert front["language"] == ["ja"]
    assert front["pipeline_tag"] == "text-classification"
    assert front["library_name"] == "transformers"
    assert set(front["metrics"]) == {"accuracy", "f1"}
    results = front["model-index"][0]["results"]
    assert results[0]["metrics"][0]["value"] == pytest.approx(
        load(done.path).scores["validation"]["scores"]["accuracy"]
    )
    card = (done.path / "README.md").read_text(encoding="utf-8")
    assert "Apache-2.0" in card
    assert "| 件数 | 正解率 |" in card
    assert "| texts | accuracy |" in card
    assert "法的助言ではありません" in card
    assert "no legal advice" in card
    assert "not reviewed" not in card


def test_plain_transformers_gives_the_logits_of_the_run(made_of, tmp_path):
    run = made_of(base("MIT"))
    done = export(run, tmp_path / "out", use="internal-commercial")
    program = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

def logits(path):
    tokenizer = AutoTokenizer.from_pretrained(path)
    network = AutoModelForSequenceClassification.from_pretrained(path).eval()
    inputs = tokenizer(json.loads(sys.argv[1]), padding=True, return_tensors="pt")
    with torch.inference_mode():
        return network(**inputs).logits.tolist()

print(json.dumps([logits(path) for path in sys.argv[2:]]))
"""
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, json.dumps(TEXTS), str(run), str(done.path)],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    of_run, of_export = json.loads(shown.strip().split("\n")[-1])
    assert len(of_run) == len(TEXTS)
    assert np.array_equal(np.array(of_run), np.array(of_export))


def test_an_export_is_read_like_a_run(made_of, tmp_path):
    run = made_of(base("MIT"))
    done = export(run, tmp_path / "out", use="internal-commercial")
    ours, theirs = load(run, device="cpu").predict(TEXTS), load(done.path, device="cpu").predict(TEXTS)
    assert np.array_equal(ours.probabilities, theirs.probabilities)
    assert load(done.path).license_check("internal-commercial").verdict == done.assessment.verdict


def test_an_export_repeated_in_another_language_is_the_same_bytes(made_of, tmp_path, monkeypatch):
    run = made_of(base("Apache-2.0"))
    options = {"use": "publish-on-hub", "output_license": "Apache-2.0", "name": "reviews"}
    from jptextclf.exporters.gate import export as write

    first = tree(write(run, tmp_path / "a", **options).path)
    monkeypatch.setenv("JPTEXTCLF_LANG", "ja")
    second = tree(write(run, tmp_path / "b", **options).path)
    assert first == second


def test_an_export_that_stays_inside_grants_nothing(made_of, tmp_path):
    done = export(made_of(base("MIT")), tmp_path / "out", use="internal-commercial")
    said = (done.path / "LICENSE").read_text(encoding="utf-8")
    assert "No licence is granted to others" in said
    assert "他者に何の許諾も与えません" in said
    front = matter(done.path)
    assert (front["license"], front["license_link"]) == ("other", "LICENSE")


def test_an_export_is_judged_again_for_another_use(made_of, tmp_path):
    first = export(made_of(base("CC-BY-NC-4.0")), tmp_path / "a", use="internal-research-noncommercial")
    refusal(first.path, tmp_path / "b", "JPT-L002", use="internal-commercial")
    again = export(first.path, tmp_path / "c", use="internal-research-noncommercial")
    assert (again.path / "model.safetensors").read_bytes() == (first.path / "model.safetensors").read_bytes()


def test_an_onnx_export_passes_the_same_gate_and_predicts_the_same(made_of, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    run = made_of(base("CC-BY-SA-4.0"))
    options = {"use": "redistribute-weights-commercial", "format": "onnx"}
    refusal(run, tmp_path / "out", "JPT-L002", output_license="MIT", **options)
    out = export(run, tmp_path / "out", **options).path
    assert not (out / "model.safetensors").exists()
    assert check(out) == []
    expected = load(run, device="cpu").predict(TEXTS)
    for precision, tolerance in (("float32", 1e-5), ("int8", 0.05)):
        found = load(out, precision=precision).predict(TEXTS)
        assert found.probabilities == pytest.approx(expected.probabilities, abs=tolerance)
    with pytest.raises(ConfigError, match="JPT-U153"):
        export(out, tmp_path / "again", use="redistribute-weights-commercial")


# ---- what is held back


def test_share_alike_is_refused_under_mit_and_allowed_under_its_own_licence(made_of, tmp_path):
    run = made_of(base("CC-BY-SA-4.0"))
    out = tmp_path / "out"
    error = refusal(run, out, "JPT-L002", use="redistribute-weights-commercial", output_license="MIT")
    assert error.exit_status == 6
    assert "standin/encoder" in str(error)
    assert "CC-BY-SA-4.0" in error.hint
    assert len(str(error).split("\n")) <= 20
    done = export(run, out, use="redistribute-weights-commercial", output_license="CC-BY-SA-4.0")
    assert matter(done.path)["license"] == "cc-by-sa-4.0"
    assert (done.path / "LICENSE").read_bytes() == (done.path / "LICENSES" / "CC-BY-SA-4.0.txt").read_bytes()


def test_the_one_licence_that_is_asked_for_is_taken_and_said(made_of, tmp_path):
    done = export(made_of(base("CC-BY-SA-4.0")), tmp_path / "out", use="redistribute-weights-commercial")
    assert done.output_license == "CC-BY-SA-4.0"
    assert any("CC-BY-SA-4.0" in note for note in done.notes)


def test_no_licence_of_its_own_is_made_up(made_of, tmp_path):
    with pytest.raises(ConfigError, match="JPT-U152"):
        export(made_of(base("Apache-2.0")), tmp_path / "out", use="publish-on-hub")
    assert not (tmp_path / "out").exists()


def test_a_corpus_for_non_commercial_use_needs_review_and_goes_out_marked_for_research(made_of, tmp_path):
    run = made_of(base("MIT"), corpus("jrte-pn"))
    out = tmp_path / "out"
    error = refusal(run, out, "JPT-L001", use="redistribute-weights-commercial", output_license="MIT")
    assert error.exit_status == 5
    assert "standin-for-jrte-pn" in error.message
    assert "CC-BY-NC-SA-4.0" in error.message
    done = export(run, out, use="internal-research-noncommercial")
    assert "non-commercial" in matter(out)["tags"]
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "Not for commercial use" in card
    assert "商用利用はできません" in card
    assert any(one.token.startswith("mark-artifact") for one in done.assessment.obligations)


def test_missing_evidence_is_blocked_and_a_contradiction_is_judged_under_both_readings(made_of, tmp_path):
    out = tmp_path / "out"
    options = {"use": "redistribute-weights-commercial", "output_license": "Apache-2.0"}
    assert refusal(made_of(base(NOASSERTION)), out, "JPT-L002", **options).exit_status == 6
    shutil.rmtree(tmp_path / "run")
    torn = base("CC-BY-SA-4.0", body_license="CC-BY-SA-3.0", metadata_body_conflict=True)
    assert refusal(made_of(torn), out, "JPT-L002", **options).exit_status == 6


RAIL = "LicenseRef-CreativeML-OpenRAIL-M"
POLICY = """
schema_version = 1
name = "Example policy"
version = "1"
default_use = "redistribute-weights-commercial"

[[acknowledgement]]
id = "ACK-1"
duty = "{duty}"
component = "standin/encoder"
uses = ["redistribute-weights-commercial"]
signed_by = "Legal"
date = "2026-01-01"
expires = "2099-01-01"
reason = "Clause 7 of the contract passes the restrictions on."
evidence = "contracts/7.pdf"
"""


def test_a_duty_that_no_file_meets_waits_for_somebody_who_signs(made_of, tmp_path):
    run = made_of(base(RAIL))
    options = {"use": "redistribute-weights-commercial", "output_license": RAIL}
    error = refusal(run, tmp_path / "out", "JPT-L003", **options)
    assert error.exit_status == 5
    assessment = license_check(run, "redistribute-weights-commercial", output_license=RAIL)
    (duty,) = assessment.open_obligations
    assert duty.token in error.message
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(duty=duty.token), encoding="utf-8")
    done = export(run, tmp_path / "out", policy=policy, **{**options, "use": None})
    assert done.use == "redistribute-weights-commercial"
    assert [one.id for one in done.assessment.decisions] == ["ACK-1"]
    assert "ACK-1" in (done.path / "license-report.ja.html").read_text(encoding="utf-8")


def test_a_text_that_nobody_has_stops_the_export_until_it_is_given(made_of, tmp_path):
    run = made_of(base("Apache-2.0"))
    options = {"use": "redistribute-weights-commercial", "output_license": "LicenseRef-House-Terms"}
    error = refusal(run, tmp_path / "out", "JPT-L004", **options)
    assert "LicenseRef-House-Terms" in error.message
    assert "--license-file LicenseRef-House-Terms=" in error.hint
    terms = tmp_path / "terms.txt"
    terms.write_text("House terms.\n", encoding="utf-8")
    done = export(run, tmp_path / "out", license_files={"LicenseRef-House-Terms": terms}, **options)
    assert (done.path / "LICENSE").read_text(encoding="utf-8") == "House terms.\n"
    assert matter(done.path)["license_name"] == "house-terms"


def test_what_came_with_the_encoder_is_kept_and_shipped(made_of, tmp_path):
    upstream = {
        "LICENSE": b"MIT, Copyright Example",
        "NOTICE": b"Made by Example.\n",
        "README.md": b"# card\n",
    }
    run = made_of(base("MIT"), upstream=upstream)
    assert open_bundle(run).upstream == upstream
    done = export(run, tmp_path / "out", use="internal-research-noncommercial")
    assert {path.name: path.read_bytes() for path in (done.path / "upstream").iterdir()} == upstream
    assert "Made by Example." in (done.path / "NOTICE").read_text(encoding="utf-8")


def test_texts_come_from_the_user_then_the_package_then_upstream(made_of, tmp_path):
    from jptextclf.exporters.judging import Judged
    from jptextclf.exporters.texts import texts_of
    from jptextclf.licensing import assess

    components = [base("LicenseRef-Encoder-Terms").to_json(), OWN.to_json()]
    judged = Judged(assess(components, "redistribute-weights-commercial"), None)
    for name in ("LICENSE", "MODEL_LICENSE", "license.md", "利用規約.md"):
        found = texts_of(judged, {name: b"House terms.\n"}, {})
        assert found.carried == {"LicenseRef-Encoder-Terms": "House terms.\n"}
        assert found.own == {}
    with pytest.raises(LicenseError, match="JPT-L004"):
        texts_of(judged, {"NOTICE": b"Made by Example.\n"}, {})


def filled(license_id, holder):
    text = license_text(license_id)
    for blank in ("<year> <copyright holders>", "<year> <owner>"):
        text = text.replace(blank, holder)
    return text


def test_an_upstream_text_goes_out_and_the_model_has_its_own_holder(made_of, tmp_path):
    upstream = {"LICENSE": filled("MIT", "2018 Upstream").encode(), "利用規約.md": "規約".encode()}
    run = made_of(base("MIT"), upstream=upstream)
    out = tmp_path / "out"
    options = {"use": "redistribute-weights-commercial", "output_license": "MIT"}
    with pytest.raises(ConfigError, match="JPT-U170") as caught:
        export(run, out, **options)
    assert "--copyright" in caught.value.hint
    assert not out.exists()
    export(run, out, copyright="Copyright (c) 2026 Example KK", **options)
    said = (out / "LICENSE").read_text(encoding="utf-8")
    assert said == filled("MIT", "2026 Example KK")
    assert (out / "LICENSES" / "MIT.txt").read_text(encoding="utf-8") == filled("MIT", "2018 Upstream")
    assert "Copyright (c) 2026 Example KK" in (out / "NOTICE").read_text(encoding="utf-8")
    assert check(out) == []
    for file in ("LICENSE", "LICENSES/MIT.txt"):
        kept = (out / file).read_text(encoding="utf-8")
        (out / file).write_text(license_text("MIT"), encoding="utf-8")
        assert [one for one in check(out) if file in one.said]
        (out / file).write_text(kept, encoding="utf-8")


def test_a_filled_text_is_taken_for_the_model_and_a_template_is_not(made_of, tmp_path):
    run = made_of(base("Apache-2.0"))
    options = {"use": "redistribute-weights-commercial", "output_license": "BSD-3-Clause"}
    given = tmp_path / "bsd.txt"
    given.write_text(license_text("BSD-3-Clause"), encoding="utf-8")
    with pytest.raises(ConfigError, match="JPT-U170"):
        export(run, tmp_path / "out", license_files={"BSD-3-Clause": given}, **options)
    given.write_text(filled("BSD-3-Clause", "2026 Example KK"), encoding="utf-8")
    out = export(run, tmp_path / "out", license_files={"BSD-3-Clause": given}, **options).path
    for file in ("LICENSE", "LICENSES/BSD-3-Clause.txt"):
        assert (out / file).read_bytes() == given.read_bytes()


def test_a_template_goes_out_where_nobody_has_a_filled_text_of_a_component(made_of, tmp_path):
    evidence = Evidence("Copyright (c) 2018 Upstream", url="https://example.invalid/LICENSE")
    run = made_of(base("MIT", evidence=(evidence,)))
    out = export(
        run, tmp_path / "out", use="redistribute-weights-commercial", output_license="CC-BY-4.0"
    ).path
    assert (out / "LICENSES" / "MIT.txt").read_text(encoding="utf-8") == license_text("MIT")
    assert "Copyright (c) 2018 Upstream" in (out / "NOTICE").read_text(encoding="utf-8")


@pytest.mark.parametrize("license_id", ["MIT AND Apache-2.0", "BSD-2-Clause OR CC-BY-4.0"])
def test_several_licences_of_the_model_stand_in_one_file(made_of, tmp_path, license_id):
    done = export(
        made_of(base("Apache-2.0")), tmp_path / "out", use="redistribute-weights-commercial",
        output_license=license_id, copyright="2026 Example KK",
    )  # fmt: skip
    said = (done.path / "LICENSE").read_text(encoding="utf-8")
    assert license_id in said.split("\n")[0]
    assert "Copyright (c) 2026 Example KK" in said
    assert "<year>" not in said
    replaced(done.path / "LICENSE", "2026 Example KK", "<year> <owner>")
    assert check(done.path)


@pytest.mark.parametrize("holder", ["", "Copyright (c)", "2026\nExample", "<year> <owner>", "a" * 999])
def test_a_holder_that_is_none_is_said(made_of, tmp_path, holder):
    with pytest.raises(ConfigError, match="JPT-U171"):
        export(made_of(base("MIT")), tmp_path / "out", use="internal-commercial", copyright=holder)


@pytest.mark.parametrize("name", ["NOTICE", "notice.txt", "Notice.md"])
def test_a_notice_of_any_name_is_passed_on(made_of, tmp_path, name):
    run = made_of(base("Apache-2.0"), upstream={name: b"Made by Example.\n"})
    out = export(run, tmp_path / "out", use="publish-on-hub", output_license="Apache-2.0").path
    replaced(out / "NOTICE", "Made by Example.", "")
    assert any(name in one.said for one in check(out))


def test_a_wrong_text_given_for_a_known_licence_is_found(made_of, tmp_path):
    wrong = tmp_path / "apache.txt"
    wrong.write_text("Do what you like.\n", encoding="utf-8")
    error = refusal(
        made_of(base("Apache-2.0")), tmp_path / "out", "JPT-L005", use="redistribute-weights-commercial",
        output_license="CC-BY-4.0", license_files={"Apache-2.0": wrong},
    )  # fmt: skip
    assert "LICENSES/Apache-2.0.txt" in error.message


# ---- what was changed after training


def edit(path, change):
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2), encoding="utf-8")


def mend_manifest(run):
    """What somebody does who knows that there is a manifest."""
    import hashlib

    def mend(manifest):
        for path in run.rglob("*"):
            if path.is_file() and path.name != "MANIFEST.json":
                data = path.read_bytes()
                entry = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
                manifest["files"][path.relative_to(run).as_posix()] = entry

    edit(run / "MANIFEST.json", mend)


def relicense(record):
    for one in record["components"]:
        if one["role"] in {"base_model", "tokenizer"}:
            one["license"] = "MIT"


TAMPERING = {
    "components.json": lambda run: edit(run / "components.json", relicense),
    "weights": lambda run: (run / "model.safetensors").write_bytes(
        bytes(reversed((run / "model.safetensors").read_bytes()))
    ),
    "card": lambda run: (run / "README.md").write_text("---\nlicense: mit\n---\n# model\n", encoding="utf-8"),
    "extra file": lambda run: (run / "adapter_config.json").write_text("{}", encoding="utf-8"),
    "upstream text": lambda run: (run / "upstream" / "LICENSE").write_text("MIT", encoding="utf-8"),
}


@pytest.mark.parametrize("what", TAMPERING)
@pytest.mark.parametrize("with_manifest", [False, True])
def test_an_edited_run_is_refused(made_of, tmp_path, what, with_manifest):
    run = made_of(base("CC-BY-NC-4.0"), upstream={"LICENSE": b"terms"})
    TAMPERING[what](run)
    if with_manifest:
        mend_manifest(run)
    with pytest.raises(SetupError, match=r"JPT-E06[037]"):
        export(run, tmp_path / "out", use="internal-research-noncommercial")
    assert not (tmp_path / "out").exists()


def test_a_record_that_was_sealed_anew_has_to_agree_with_itself(made_of, tmp_path):
    run = made_of(base("CC-BY-NC-4.0"))

    def other_encoder(record):
        for one in record["components"]:
            if one["role"] in {"base_model", "tokenizer"}:
                one.update(name="intfloat/multilingual-e5-small", license="MIT", sha256="e" * 64)

    edit(run / "components.json", other_encoder)
    record = json.loads((run / "jptextclf.json").read_text(encoding="utf-8"))
    seal(run, record)
    with pytest.raises(SetupError, match="JPT-E067"):
        export(run, tmp_path / "out", use="internal-commercial")


def test_a_run_without_a_seal_is_predicted_with_but_not_exported(made_of, tmp_path):
    run = made_of(base("MIT"))
    edit(run / "jptextclf.json", lambda record: record.pop("sealed"))
    mend_manifest(run)
    assert len(load(run, device="cpu").predict(TEXTS)) == 3
    with pytest.raises(SetupError, match="JPT-E067"):
        export(run, tmp_path / "out", use="internal-commercial")


# ---- no way around it


@cache
def parsed():
    """Every module of the package: its path -> its tree."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}


@cache
def names_used():
    """Every module of the package, relative to it -> the names that it uses or imports."""
    return {path.relative_to(PACKAGE).as_posix(): set(names_in(tree)) for path, tree in parsed().items()}


def names_in(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias):
            yield node.name.rpartition(".")[2]


PRIVATE = {
    "KEY": {"exporters/_cleared.py", "exporters/gate.py"},
    "Cleared": None,
    "write_huggingface": {"exporters/huggingface.py", "exporters/gate.py"},
    "write_onnx_directory": {"exporters/onnx_directory.py", "exporters/gate.py"},
    "write_graphs": {"exporters/onnx.py", "exporters/onnx_directory.py"},
    "license_of_export": {"exporters/notice.py", "exporters/gate.py"},
    "notice_of_export": {"exporters/notice.py", "exporters/gate.py"},
    "create_commit": {"exporters/hub.py"},
    "upload_folder": set(),
    "upload_file": set(),
    "push_to_hub": set(),
}


@pytest.mark.parametrize("name", PRIVATE)
def test_only_the_gate_writes_exports(name):
    allowed = PRIVATE[name]
    users = {module for module, names in names_used().items() if name in names}
    if allowed is None:
        assert all(user.startswith("exporters/") for user in users)
    else:
        assert users <= allowed


def test_cleared_is_built_in_one_place():
    built = [
        (path.name, node.lineno)
        for path, tree in parsed().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Cleared"
    ]
    assert [name for name, _ in built] == ["gate.py"]


def test_a_writer_takes_nothing_but_what_the_gate_made(tmp_path):
    with pytest.raises(TypeError, match="only the gate"):
        Cleared(object(), subject=None, judged=None, format="huggingface", texts={})
    with pytest.raises(TypeError, match="gate alone"):
        write_huggingface(object(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_argument_of_the_gate_lets_the_judgement_out():
    import inspect

    from jptextclf.exporters import export as gate
    from jptextclf.exporters import push

    names = {*inspect.signature(gate).parameters, *inspect.signature(push).parameters}
    assert names == {
        "run", "out", "repo", "use", "format", "output_license", "policy", "license_files", "copyright", "overwrite",
        "name", "private", "progress",
    }  # fmt: skip
    sources = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "exporters").glob("*.py"))
    assert "environ" not in sources


def test_only_exports_are_ever_replaced(made_of, tmp_path):
    run = made_of(base("MIT"))
    for overwrite, code in ((False, "JPT-U024"), (True, "JPT-U025")):
        with pytest.raises(ConfigError, match=code):
            export(run, run, use="internal-commercial", overwrite=overwrite)
    open_bundle(run)
    out = tmp_path / "out"
    export(run, out, use="internal-commercial")
    assert export(run, out, use="saas-api-commercial", overwrite=True).use == "saas-api-commercial"


def test_an_export_never_lands_inside_its_run(made_of):
    run = made_of(base("MIT"))
    with pytest.raises(ConfigError, match="JPT-U159"):
        export(run, run / "out", use="internal-commercial")
    open_bundle(run)


def test_an_export_that_is_read_and_saved_is_a_working_copy_again(made_of, tmp_path):
    from jptextclf import TextClassifier

    done = export(made_of(base("MIT")), tmp_path / "out", use="internal-commercial")
    TextClassifier.load(done.path, device="cpu").save(tmp_path / "again")
    card = (tmp_path / "again" / "README.md").read_text(encoding="utf-8")
    assert "license: other" in card
    assert "not reviewed, not for distribution" in card
    assert "未審査・配布不可" in card
    assert not (tmp_path / "again" / "LICENSE").exists()
    assert "export" not in load(tmp_path / "again").bundle.record
    assert (
        export(tmp_path / "again", tmp_path / "out-2", use="internal-commercial").use == "internal-commercial"
    )


def test_an_encoder_of_a_known_name_has_to_bring_its_vocabulary(made_of, tmp_path):
    """Another encoder's name in a record that was sealed anew, beside a vocabulary that is not its own."""
    known = replace(base("Apache-2.0"), name="tohoku-nlp/bert-base-japanese-v3")
    run = made_of(known)
    (run / "vocab.txt").write_text("[PAD]\n[UNK]\n", encoding="utf-8")
    seal(run, json.loads((run / "jptextclf.json").read_text(encoding="utf-8")))
    with pytest.raises(SetupError, match=r"JPT-E067.*tohoku-nlp"):
        export(run, tmp_path / "out", use="internal-commercial")


def edit_base(**changes):
    def change(record):
        record["components"][0].update(changes)

    return lambda run: edit(run / "components.json", change)


def edit_data(run):
    edit(run / "components.json", lambda record: record["components"][2].update(license="CC0-1.0"))


INSIDE_JOBS = {
    "another licence for the encoder": edit_base(license="MIT"),
    "another card of the encoder": lambda run: (run / "upstream" / "README.md").write_text(
        "---\nlicense: mit\n---\n"
    ),
    "another licence for a known corpus": edit_data,
    "another hash of the encoder": edit_base(sha256="f" * 64),
}


@pytest.mark.parametrize("what", INSIDE_JOBS)
def test_a_record_that_was_sealed_anew_has_to_agree_with_cards_and_upstream(made_of, tmp_path, what):
    import hashlib

    from jptextclf.licensing import Evidence

    card = b"---\nlicense: cc-by-nc-4.0\n---\n# card\n"
    evidence = Evidence("license: cc-by-nc-4.0", file="README.md", sha256=hashlib.sha256(card).hexdigest())
    # The name alone is that of a known corpus: nothing of it is in this run, which is thrown away.
    data = replace(corpus("jrte-pn"), name="jrte-pn", url=load_card("jrte-pn").homepage)
    run = made_of(base("CC-BY-NC-4.0", evidence=(evidence,)), data, upstream={"README.md": card})
    license_check(run, "internal-research-noncommercial")
    INSIDE_JOBS[what](run)
    seal(run, json.loads((run / "jptextclf.json").read_text(encoding="utf-8")))
    with pytest.raises(SetupError, match="JPT-E067"):
        export(run, tmp_path / "out", use="internal-research-noncommercial")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "JPT-U150"),
        ({"use": "internal-comercial"}, "JPT-U110"),
        ({"use": "internal-commercial", "format": "gguf"}, "JPT-U155"),
        ({"use": "internal-commercial", "output_license": "other"}, "JPT-U113"),
        ({"use": "internal-commercial", "license_files": {"MIT": "nowhere.txt"}}, "JPT-U154"),
    ],
)
def test_what_cannot_be_asked_for_is_said(made_of, tmp_path, options, code):
    with pytest.raises(ConfigError, match=code):
        export(made_of(base("MIT")), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


# ---- the checker


@pytest.fixture
def exported(made_of, tmp_path):
    run = made_of(base("Apache-2.0"), corpus("jrte-pn"), upstream={"NOTICE": b"Made by Example.\n"})
    return export(
        run, tmp_path / "out", use="internal-research-noncommercial", output_license="Apache-2.0"
    ).path


def replaced(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


DAMAGE = {
    "no licence text": lambda out: (out / "LICENSES" / "Apache-2.0.txt").unlink(),
    "another licence text": lambda out: (out / "LICENSES" / "Apache-2.0.txt").write_text("MIT"),
    "no notice": lambda out: (out / "NOTICE").unlink(),
    "an upstream notice lost": lambda out: replaced(out / "NOTICE", "Made by Example.", ""),
    "another licence": lambda out: (out / "LICENSE").write_text("Do what you like."),
    "another licence in the card": lambda out: replaced(
        out / "README.md", "license: apache-2.0", "license: mit"
    ),
    "no tag": lambda out: replaced(out / "README.md", "- non-commercial\n", ""),
    "no mark in Japanese": lambda out: replaced(
        out / "README.md", "商用利用はできません", "商用利用できます"
    ),
    "no report": lambda out: (out / "license-report.ja.html").unlink(),
    "no bill of materials": lambda out: (out / "sbom.cdx.json").write_bytes(b""),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_the_checker_finds_every_duty_that_is_not_met(exported, what):
    assert check(exported) == []
    DAMAGE[what](exported)
    assert check(exported)
    seal(exported, json.loads((exported / "jptextclf.json").read_text(encoding="utf-8")))
    checked = license_check(exported)
    assert checked.problems == tuple(check(exported, checked))
    assert (checked.exit_status, len(checked.to_json()["problems"])) == (5, len(checked.problems))


def test_the_checker_wants_every_component_named_and_every_change_stated(made_of, tmp_path):
    run = made_of(base("CC-BY-4.0"))
    out = export(run, tmp_path / "out", use="publish-on-hub", output_license="CC-BY-4.0").path
    replaced(out / "NOTICE", "standin/encoder", "somebody")
    assert {one.token.partition(":")[0] for one in check(out)} >= {"attribution"}
    (out / "NOTICE").write_text("standin/encoder", encoding="utf-8")
    assert {one.token.partition(":")[0] for one in check(out)} == {"link-to-license", "state-changes"}


UPSTREAM_CARD = b"---\nlicense: cc-by-4.0\n---\n# card\n"
HOLDER = "Copyright (c) 2018 Upstream"


@pytest.fixture(scope="module")
def researched(trained, tmp_path_factory):
    """An export with something for every kind of duty, and the record of its assessment."""
    directory = tmp_path_factory.mktemp("duties")
    evidence = (
        Evidence("license: cc-by-4.0", file="README.md", sha256=hashlib.sha256(UPSTREAM_CARD).hexdigest()),
        Evidence(HOLDER, url="https://example.invalid/LICENSE"),
    )
    encoder = base("CC-BY-4.0", body_license="CC-BY-SA-4.0", metadata_body_conflict=True, evidence=evidence)
    data = replace(corpus("jrte-pn"), extra_terms="Please cite Example (2020).")
    upstream = {"README.md": UPSTREAM_CARD, "Notice.txt": b"Made by Example.\n"}
    run = rewriter(trained, directory)(encoder, data, upstream)
    out = export(run, directory / "out", use="internal-research-noncommercial").path
    return out, json.loads((out / "assessment.json").read_text(encoding="utf-8"))


def drop_evidence(out):
    def change(record):
        for one in record["components"]:
            one.pop("evidence", None)

    edit(out / "components.json", change)


def add(out, words):
    with (out / "NOTICE").open("a", encoding="utf-8") as notice:
        notice.write(f"\n{words}\n")


ENCODER, DATA = "standin/encoder", "standin-for-jrte-pn"
DUTY_CASES = {
    "archive-card-revision-as-evidence": (ENCODER, "", drop_evidence),
    "archive-card-text-and-sha256": (
        ENCODER, "", lambda out: (out / "upstream" / "README.md").write_text("another")),
    "attribution": (ENCODER, "", lambda out: replaced(out / "README.md", ENCODER, "somebody")),
    "attribution-if-corpus-shared": (DATA, DATA, lambda out: replaced(out / "NOTICE", DATA, "some data")),
    "attribution-recommended": (ENCODER, ENCODER, lambda out: replaced(out / "NOTICE", ENCODER, "somebody")),
    "block-later-commercial-export": (DATA, "", drop_evidence),
    "block-later-export": (
        DATA, "", lambda out: edit(out / "MANIFEST.json", lambda one: one["files"].pop("components.json"))),
    "cite": (DATA, "", lambda out: replaced(out / "README.md", "Please cite Example (2020)", "")),
    "do-not-redistribute-data": (DATA, DATA, lambda out: (out / "train.csv").write_text("a,b")),
    "do-not-redistribute-modified-corpus": (DATA, DATA, lambda out: (out / "texts.txt").write_text("a")),
    "flow-down-use-restrictions": (ENCODER, "", lambda out: (out / "LICENSES" / "CC-BY-4.0.txt").unlink()),
    "include-both-license-texts": (ENCODER, "", lambda out: (out / "LICENSES" / "CC-BY-SA-4.0.txt").unlink()),
    "include-copyright-notice": (ENCODER, "", lambda out: replaced(out / "NOTICE", HOLDER, "")),
    "include-license-text": (
        ENCODER, "CC-BY-4.0", lambda out: (out / "LICENSES" / "CC-BY-4.0.txt").write_text("Do what you like.")),
    "include-notice": (ENCODER, "LicenseRef-X", lambda out: replaced(out / "NOTICE", "LicenseRef-X", "")),
    "include-NOTICE-if-upstream-has-one": (
        ENCODER, "", lambda out: replaced(out / "NOTICE", "Made by Example.", "")),
    "instruct-user-to-fetch-base-under-its-license": (
        ENCODER, "", lambda out: replaced(out / "NOTICE", "Tell receivers to fetch", "")),
    "keep-license-record": ("", "", drop_evidence),
    "link-to-license": (
        ENCODER, "CC-BY-4.0", lambda out: replaced(out / "NOTICE", "creativecommons.org/licenses/by/4.0", "")),
    "mark-artifact": (DATA, "non-commercial", lambda out: replaced(out / "README.md", "- non-commercial\n", "")),
    "no-additional-restrictions": (
        ENCODER, "CC-BY-SA-4.0", lambda out: replaced(out / "LICENSE", "No licence", "No selling. No licence")),
    "pin-and-record-revision": (
        ENCODER, "", lambda out: edit(out / "components.json", lambda one: one["components"].pop(0))),
    "record": (DATA, "data-NC", lambda out: edit(out / "components.json", lambda one: one["components"].pop(2))),
    "record-conflict": (
        ENCODER, "", lambda out: edit(out / "components.json", lambda one: one["components"][0].pop("body_license"))),
    "retain-notices": (ENCODER, "", lambda out: replaced(out / "NOTICE", "2018 Upstream", "")),
    "state-changes": (ENCODER, "", lambda out: replaced(out / "NOTICE", "分類用の層を追加し", "a")),
    "treat-as": (ENCODER, "", drop_evidence),
}  # fmt: skip
"""Kind -> component, name after the colon, and how the duty is broken."""
SENTENCES = {"include-notice", "instruct-user-to-fetch-base-under-its-license", "no-additional-restrictions"}
"""Kinds whose own sentence has to stand in NOTICE; this export has none of them."""


def kinds_with_files():
    rows = tomllib.loads((PACKAGE / "licensing" / "rules" / "duties.toml").read_text(encoding="utf-8"))
    return {row["kind"]: row["files"] for row in rows["duty"] if row.get("files")}


def test_every_kind_of_duty_that_files_can_meet_is_looked_at():
    kinds = set(kinds_with_files())
    assert set(PREDICATES) == {*kinds, "relicense-output"}
    assert set(DUTY_CASES) == kinds


@pytest.mark.parametrize("kind", DUTY_CASES)
def test_a_duty_is_seen_to_be_met_and_to_be_broken(researched, tmp_path, kind):
    component, name, damage = DUTY_CASES[kind]
    exported, record = researched
    out = tmp_path / "out"
    shutil.copytree(exported, out)
    if kind in SENTENCES:
        add(out, text_in("en", f"license_duties.{kind}", name=name, component=component))
    files = [one.format(name=name) for one in kinds_with_files()[kind]]
    duty = {"token": f"{kind}:{name}" if name else kind, "component": component, "files": files}
    assert list(unmet(Documents(out, record), duty)) == []
    damage(out)
    assert list(unmet(Documents(out, record), duty))


# ---- real trainings


@pytest.fixture(scope="session")
def real_card(shared):
    """The text of a real model card."""
    lines = (shared / "licenses" / "cards.jsonl").read_text(encoding="utf-8").splitlines()
    cards = {one["id"]: one["card_text"] for one in map(json.loads, lines)}
    return lambda name: cards[name]


def learn(reviews_csv, encoder, out, **options):
    return train(
        reviews_csv, model=str(encoder), out=out, epochs=1, max_length=64, device="cpu", precision="float32",
        data_origin="own", personal_information="none-confirmed", **options,
    )  # fmt: skip


def test_own_data_with_an_encoder_under_apache_go_out_with_its_notices(tmp_path, reviews_csv, real_card):
    encoder = tmp_path / "standin-tohoku-v3"
    encoder.mkdir()
    make_tiny_japanese_encoder(
        encoder,
        {
            "word_tokenizer_type": "mecab", "subword_tokenizer_type": "wordpiece",
            "mecab_kwargs": {"mecab_dic": "unidic_lite"},
        },
    )  # fmt: skip
    (encoder / "README.md").write_text(real_card("tohoku-nlp/bert-base-japanese-v3"), encoding="utf-8")
    (encoder / "NOTICE").write_text("NOTICE of the stand-in\n", encoding="utf-8")
    run = learn(reviews_csv, encoder, tmp_path / "run")
    record = next(one for one in run.bundle.components if one.role == "base_model")
    assert (record.name, record.license) == ("standin-tohoku-v3", "Apache-2.0")
    assert {one.line for one in record.evidence} >= {2}
    done = run.export(tmp_path / "out", use="redistribute-weights-commercial", output_license="Apache-2.0")
    assert "NOTICE of the stand-in" in (done.path / "NOTICE").read_text(encoding="utf-8")
    assert (done.path / "upstream" / "README.md").read_bytes() == (encoder / "README.md").read_bytes()
    assert (done.path / "LICENSES" / "Apache-2.0.txt").is_file()
    assert load(done.path, device="cpu").predict(TEXTS).labels == run.predict(TEXTS).labels


def test_an_encoder_with_a_share_alike_card_goes_out_under_it_alone(tmp_path, reviews_csv, real_card):
    encoder = make_tiny_encoder(_made(tmp_path / "standin-share-alike"))
    (encoder / "README.md").write_text(real_card("ku-nlp/deberta-v2-large-japanese"), encoding="utf-8")
    run = learn(reviews_csv, encoder, tmp_path / "run")
    use = "redistribute-weights-commercial"
    assert refusal(run, tmp_path / "out", "JPT-L002", use=use, output_license="MIT").exit_status == 6
    done = run.export(tmp_path / "out", use=use, output_license="CC-BY-SA-4.0")
    assert str(done.assessment.verdict) == "ok-with-obligations"


def _made(directory):
    directory.mkdir()
    return directory


def test_a_blocked_use_stops_before_the_first_epoch(tmp_path, reviews_csv, monkeypatch):
    encoder = make_tiny_encoder(_made(tmp_path / "standin-non-commercial"))
    (encoder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# card\n", encoding="utf-8")
    from jptextclf import experiment

    monkeypatch.setattr(experiment, "fine_tune", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(LicenseError, match="JPT-L010") as caught:
        learn(reviews_csv, encoder, tmp_path / "run", use="internal-commercial")
    assert caught.value.exit_status == 6
    assert "standin-non-commercial" in caught.value.message
    assert "internal-research-noncommercial" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_every_use_is_told_in_one_line_before_training(tmp_path, reviews_csv, caplog):
    encoder = make_tiny_encoder(_made(tmp_path / "standin-apache"))
    (encoder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# card\n", encoding="utf-8")
    caplog.set_level("INFO", logger="jptextclf")
    learn(reviews_csv, encoder, tmp_path / "run")
    (line,) = [one for one in caplog.messages if "publish-on-hub" in one]
    assert "ok: internal-research-noncommercial" in line
    assert "\n" not in line


@pytest.mark.full
def test_the_embedded_encoder_trained_on_jrte_stays_inside_for_research(tmp_path, shared, monkeypatch):
    """The corpus itself, from its own file, with the card's licence facts."""
    from jptextclf.corpora import fetch

    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "store"))
    fetch("jrte-pn", source=shared / "data" / "jrte" / "pn.tsv", accept_license=True)
    run = train(
        "jrte-pn", out=tmp_path / "run", epochs=1, max_length=32, device="cpu",
        personal_information="none-confirmed",
    )  # fmt: skip
    use = "redistribute-weights-commercial"
    error = refusal(run, tmp_path / "out", "JPT-L001", use=use, output_license="MIT")
    assert (error.exit_status, "jrte-pn" in error.message) == (5, True)
    done = run.export(tmp_path / "out", use="internal-research-noncommercial")
    assert check(done.path) == []
    assert "non-commercial" in matter(done.path)["tags"]


# ---- what the run was told


def test_an_export_decides_by_the_rule_of_its_run_and_holds_no_answers(made_of, tmp_path):
    run = made_of(base("Apache-2.0"))
    bundle = open_bundle(run)
    write_answers(
        {
            "validation": Answers(
                bundle.schema, np.full((2, bundle.schema.n_labels), 0.5, np.float32), np.zeros(2)
            )
        },
        run,
    )
    seal(run, bundle.to_json())
    rule = Rule(review=((0.0, 0.6),) * bundle.schema.n_labels)
    rewrite_record(replace(bundle, rule=rule))
    record = open_bundle(run).to_json()
    (run / PROFILE).write_bytes(b"numbers")
    seal(run, record)
    assert (run / ANSWERS).is_file()
    done = export(run, tmp_path / "out", use="redistribute-weights-commercial", output_license="Apache-2.0")
    assert not (done.path / ANSWERS).exists()
    assert not (done.path / PROFILE).exists()
    assert open_bundle(done.path).rule == rule
    told, asked = (load(path, device="cpu").predict(TEXTS).needs_review for path in (run, done.path))
    assert (told == asked).all()
    with pytest.raises(ConfigError, match="JPT-U209"):
        decide(done.path, max_review=0.1)
