"""What lies beside a model: its card and its licence files together, under every name and with every rider."""

import time
from fnmatch import fnmatchcase

import pytest

from jptextclf.encoders import FILES, resolve_encoder
from jptextclf.licensing import assess
from jptextclf.licensing.beside import read_beside
from jptextclf.licensing.components import Component
from jptextclf.licensing.file_names import PATTERNS, is_license_file, is_notice_file
from jptextclf.licensing.inspecting import inspect
from jptextclf.licensing.license_texts import license_text
from jptextclf.licensing.reading import find_restrictions

MIT_CARD = "---\nlicense: mit\n---\n# モデル\n"
MIT = license_text("MIT").replace("<year> <copyright holders>", "2024 例示")
RESEARCH = "Academic research only. Commercial use is prohibited."
UNKNOWN = "The Foo licence. Whoever takes this has to feed the cat of the author every day."


def stated(directory, card=MIT_CARD, **files):
    directory.joinpath("README.md").write_text(card, encoding="utf-8")
    for name, text in files.items():
        data = text if isinstance(text, bytes) else text.encode()
        directory.joinpath(name.replace("__", ".")).write_bytes(data)
    return read_beside(directory)


def verdict(found, use="internal-commercial"):
    base = Component(role="base_model", name="m", relation="fine-tuned-from")
    return assess([found.complete(base)], use).verdict.value


NAMES = [
    "LICENSE", "LICENCE", "license", "License.txt", "licence.txt", "LICENSE.md", "MODEL_LICENSE", "Model-License.md",
    "LICENSE-MODEL.md", "ModelLicense.txt", "LICENSE.pdf", "COPYING", "copying.lesser", "EULA.txt", "eula.md", "TERMS.md", "terms_of_use.txt",
    "TermsOfUse.md", "USE_POLICY.md", "利用規約.md", "ライセンス.txt", "ﾗｲｾﾝｽ.txt", "モデル利用規約.txt", "使用許諾契約.md",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_terms_are_seen_under_every_name(tmp_path, name):
    found = stated(tmp_path, **{name: RESEARCH})
    assert found.prose == "Academic research only.; Commercial use is prohibited."
    assert verdict(found) == "blocked"
    assert f"{name}: NOASSERTION" in " ".join(one.statement for one in found.evidence)
    assert list(inspect(tmp_path).files) == [name]
    assert inspect(tmp_path / name).card is None


@pytest.mark.parametrize(
    "name",
    ["README.md", "license.py", "license_utils.json", "THIRD_PARTY_LICENSES.txt", "medical_terms.txt", "terminology.md", ".license",
     "photocopying.md", "schedule.txt", "NOTICE", "license.safetensors"],
)  # fmt: skip
def test_other_files_state_no_terms(name):
    assert not is_license_file(name)
    assert is_notice_file(name) == (name == "NOTICE")


@pytest.mark.parametrize("name", [one for one in NAMES if not one.startswith("ﾗ")])
def test_a_download_and_an_import_take_them_along(tiny_encoder, tmp_path, name):
    assert any(fnmatchcase(name, pattern) for pattern in PATTERNS)
    assert set(PATTERNS) < set(FILES)
    copy = tmp_path / "encoder"
    copy.mkdir()
    for path in tiny_encoder.iterdir():
        copy.joinpath(path.name).write_bytes(path.read_bytes())
    copy.joinpath(name).write_text(RESEARCH)
    found = resolve_encoder(str(copy))
    assert name in found.upstream_texts()
    assert found.sha256 != resolve_encoder(str(tiny_encoder)).sha256


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (RESEARCH, "non-commercial"),
        ("本モデルの利用条件\n\n1. 商用利用は禁止します。\n2. 再配布は自由です。", "non-commercial"),
        (MIT + "\nThe Software may not be used for commercial purposes.", "non-commercial"),
        (MIT + "\n追加条件: 企業の方は利用できません。", "non-commercial"),
        (MIT.replace("2024 例示", "2024 例示. Companies must buy a licence."), "commercial-by-permission"),
        ("For research purposes only. " + UNKNOWN, "research-only"),
        ("x " * 200 + "commercial use, whatever it may be and wherever, is not allowed. " + "y " * 300, "non-commercial"),
        ("Do not redistribute it. " * 20 + "商用利用禁止。", "non-commercial"),
        ("<!-- " + "x" * 290 + " --> Do not redistribute. <!-- x --> Commercial use is prohibited.", "non-commercial"),
        ("\ufeff商用利用禁止".encode("utf-16"), "non-commercial"),
        ("営利目的の利用を禁じます。".encode("cp932"), "non-commercial"),
    ],
)  # fmt: skip
def test_a_limit_in_a_licence_file_limits(tmp_path, text, kind):
    found = stated(tmp_path, LICENSE=text)
    assert kind in {one.kind for one in find_restrictions(found.prose)}
    # A wish to be asked contradicts no licence.
    assert found.conflict or kind == "commercial-by-permission"
    assert verdict(found) == "blocked"
    assert any(one.file == "LICENSE" and one.line for one in found.evidence)


@pytest.mark.parametrize(
    "text",
    [
        UNKNOWN, "独自の条件で公開します。詳しくはお問い合わせください。", MIT + "\n本ソフトウェアの利用者は作者に連絡すること。",
        MIT + "\nCompetitors of the author are excluded from this grant.", b"", b"%PDF-1.7 \x00\x01", b"PK\x03\x04", b"\x00" * 100,
        license_text("Apache-2.0").replace("perpetual, worldwide", "revocable"), "あ" * 300_000 + "商用利用禁止",
    ],
)  # fmt: skip
def test_terms_that_nobody_has_read_need_a_reader(tmp_path, text):
    found = stated(tmp_path, LICENSE=text)
    assert found.extra_terms.startswith("LICENSE")
    assert len(found.extra_terms) < 450
    assert verdict(found) == "needs-review"


@pytest.mark.parametrize("declared", ["mit", "cc-by-nc-4.0"])
@pytest.mark.parametrize(
    "text",
    [
        "Non-commercial use only. Whoever takes this has to feed the cat.",
        "For non-commercial use only. " + "Whoever takes this has to feed the cat. " * 30,
        MIT + "\nNon-commercial use only. Whoever takes this has to feed the cat.",
        "商用利用禁止。利用者は作者に年一回報告すること。",
        MIT.replace("without restriction", "for non-commercial use only"),
        "Non-commercial use only." + " " * 300_000 + "Feed the cat.",
        "Non-commercial use only." + " " * 5_000_000 + "Feed the cat.",
    ],
)
def test_beside_a_limit_the_rest_is_not_taken_for_read(tmp_path, declared, text):
    found = stated(tmp_path, card=MIT_CARD.replace("mit", declared), LICENSE=text)
    assert "non-commercial" in {one.kind for one in find_restrictions(found.prose)}
    assert found.extra_terms.startswith("LICENSE")
    assert not find_restrictions(found.extra_terms)
    assert verdict(found, "internal-research-noncommercial") == "needs-review"


@pytest.mark.parametrize(
    "text", ["商用利用禁止。" * 190_000, (MIT + "No commercial use.\n") * 3000, "a " * 2_000_000]
)
def test_a_hostile_licence_file_costs_little(tmp_path, text):
    before = time.process_time()
    assert stated(tmp_path, LICENSE=text).extra_terms.startswith("LICENSE")
    assert time.process_time() - before < 4


def test_a_reader_sees_how_they_begin(tmp_path):
    assert stated(tmp_path, LICENSE=UNKNOWN).extra_terms == f"LICENSE: {UNKNOWN}"
    found = stated(tmp_path, LICENSE=MIT + "\n本ソフトウェアの利用者は作者に連絡すること。")
    assert found.extra_terms == "LICENSE: 本ソフトウェアの利用者は作者に連絡すること"


@pytest.mark.parametrize(
    ("declared", "files", "body", "conflict"),
    [
        ("mit", {"LICENSE": MIT}, None, False),
        ("mit", {"license.txt": license_text("CC-BY-NC-4.0")}, "CC-BY-NC-4.0", True),
        ("mit", {"LICENSE": MIT, "LICENSE-MODEL.md": license_text("Apache-2.0")}, "Apache-2.0", True),
        ("cc-by-nc-4.0", {"LICENSE": license_text("CC-BY-NC-4.0")}, None, False),
        (
            "mit or apache-2.0",
            {"LICENSE-MIT": MIT, "LICENSE-APACHE": license_text("Apache-2.0")},
            None,
            False,
        ),
        (
            "[mit, apache-2.0]",
            {"LICENSE-MIT": MIT, "LICENSE-APACHE": license_text("Apache-2.0")},
            None,
            False,
        ),
        ("gpl-3.0", {"COPYING": license_text("GPL-3.0-only")}, None, False),
        ("mit", {}, None, None),
        ("mit", {"LICENSE": UNKNOWN}, None, None),
        ("other", {"LICENSE": MIT}, "MIT", None),
    ],
)
def test_a_licence_file_against_the_card(tmp_path, declared, files, body, conflict):
    found = stated(tmp_path, card=MIT_CARD.replace("mit", declared), **files)
    assert (found.body_license, found.conflict) == (body, conflict)
    assert found.metadata == ("other" if declared == "other" else "")
    assert not found.prose
    assert bool(found.extra_terms) == (files.get("LICENSE") == UNKNOWN)


def test_limits_of_a_card_are_said_so_that_they_are_read_again(tmp_path):
    long = "このモデルは" + "とても" * 200 + "商用利用は禁止で" + "とても" * 200
    card = MIT_CARD + "再配布は禁止です。\n\n" * 9 + long + "\n\n<!-- x --> 研究目的に限ります。"
    found = stated(tmp_path, card=card)
    kinds = {one.kind for one in find_restrictions(found.prose)}
    assert kinds == {"no-redistribution", "non-commercial", "research-only"}


def test_a_card_of_data_speaks_of_its_data(tmp_path):
    card = MIT_CARD + "本データセットの商用利用は禁止です。"
    assert stated(tmp_path, card=card).prose == ""
    assert read_beside(tmp_path, is_data=True).prose == "本データセットの商用利用は禁止です。"
