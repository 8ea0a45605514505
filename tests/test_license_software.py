"""Software as components: what packages state, what their files settle, and never a guess."""

import hashlib
import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import jptextclf
from jptextclf.cards import load_dictionary_card
from jptextclf.licensing.components import NOASSERTION, Component, spdx_expression
from jptextclf.licensing.installed import InstalledPackage, canonical, find_package
from jptextclf.licensing.license_texts import license_text
from jptextclf.licensing.software import TRAINING_PACKAGES, legal_files, runtime_closure, software_components

TABLE = tomllib.loads(
    (Path(jptextclf.__file__).parent / "licensing" / "software.toml").read_text(encoding="utf-8")
)
APACHE_CLASSIFIER = "Classifier: License :: OSI Approved :: Apache Software License"
BSD_CLASSIFIER = "Classifier: License :: OSI Approved :: BSD License"
MIT_CLASSIFIER = "Classifier: License :: OSI Approved :: MIT License"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lay out a package as pip does; gives its component."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def lay_out(*lines, name="sample", files=(), requires=()):
        home = tmp_path / f"{name}-1.0.dist-info"
        head = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines]
        files = {f"{home.name}/METADATA": "\n".join([*head, *(f"Requires-Dist: {one}" for one in requires), "", "Text."]),
                 **dict(files)}  # fmt: skip
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content, encoding="utf-8", newline="\n")
        (home / "RECORD").write_text(
            "".join(f"{path},,\n" for path in [*files, f"{home.name}/RECORD"]), encoding="utf-8"
        )
        return software_components((name,))[0]

    return lay_out


LICENSE = "sample-1.0.dist-info/licenses/LICENSE"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["License-Expression: MIT OR Apache-2.0"], "MIT OR Apache-2.0"),
        (["License: MIT"], "MIT"),
        (["License: The MIT License (MIT)"], "MIT"),
        (["License: Apache License, Version 2.0"], "Apache-2.0"),
        (["License: Apache 2.0 License"], "Apache-2.0"),
        (["License: Apache Software License 2.0"], "Apache-2.0"),
        (["License: 3-Clause BSD License"], "BSD-3-Clause"),
        (["License: new BSD"], "BSD-3-Clause"),
        (["License: GPLv3+"], "GPL-3.0-or-later"),
        (["License: MPL-2.0 AND MIT"], "MPL-2.0 AND MIT"),
        ([MIT_CLASSIFIER], "MIT"),
        (["License: see LICENSE", MIT_CLASSIFIER], "MIT"),
        (["Classifier: License :: OSI Approved", MIT_CLASSIFIER], "MIT"),
        ([MIT_CLASSIFIER, "Classifier: License :: OSI Approved :: ISC License (ISCL)"], "MIT AND ISC"),
        (
            ["Classifier: License :: OSI Approved :: GNU General Public License v2 or later (GPLv2+)"],
            "GPL-2.0-or-later",
        ),
        # Families, words without a version, and what is no licence.
        ([BSD_CLASSIFIER], NOASSERTION),
        ([APACHE_CLASSIFIER], NOASSERTION),
        (["License: BSD"], NOASSERTION),
        (["License: Apache"], NOASSERTION),
        (["License: GPL"], NOASSERTION),
        (["License: GPLv3"], NOASSERTION),
        (["License: Proprietary"], NOASSERTION),
        (["Classifier: License :: Other/Proprietary License"], NOASSERTION),
        (["Classifier: License :: Public Domain", MIT_CLASSIFIER], NOASSERTION),
        (["License-Expression: MIT AND"], NOASSERTION),
        (["License: UNKNOWN"], NOASSERTION),
        ([], NOASSERTION),
    ],
)
def test_what_metadata_state(install, lines, expected):
    component = install(*lines)
    assert component.license == expected
    assert component.revision == "1.0"
    assert component.url == "pkg:pypi/sample@1.0"
    for evidence in component.evidence:
        assert re.fullmatch(r"[0-9a-f]{64}", evidence.sha256)


def test_evidence_names_file_line_and_hash(install, tmp_path):
    component = install("Summary: x", MIT_CLASSIFIER, files={LICENSE: "\n\n" + license_text("MIT")})
    metadata, text = component.evidence
    assert (metadata.statement, metadata.file, metadata.line) == (
        MIT_CLASSIFIER,
        "sample-1.0.dist-info/METADATA",
        5,
    )
    assert (text.statement, text.file, text.line) == ("MIT License", LICENSE, 3)
    assert text.sha256 == hashlib.sha256((tmp_path / LICENSE).read_bytes()).hexdigest()
    assert metadata.revision == text.revision == "1.0"
    assert Component.from_json(component.to_json()) == component


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        (BSD_CLASSIFIER, "BSD-3-Clause", "BSD-3-Clause"),
        (BSD_CLASSIFIER, "BSD-2-Clause", "BSD-2-Clause"),
        ("License: BSD", "BSD-3-Clause", "BSD-3-Clause"),
        ("License: Apache", "Apache-2.0", "Apache-2.0"),
        (APACHE_CLASSIFIER, "Apache-1.1", "Apache-1.1"),
        # The file does not settle what it does not hold.
        (BSD_CLASSIFIER, "MIT", NOASSERTION),
    ],
)
def test_the_licence_file_decides_within_a_family(install, line, text, expected):
    assert install(line, files={LICENSE: license_text(text)}).license == expected


def test_an_altered_licence_file_decides_nothing(install):
    text = license_text("BSD-3-Clause").replace("with or without modification", "for academic use")
    assert install(BSD_CLASSIFIER, files={LICENSE: text}).license == NOASSERTION
    text = license_text("BSD-3-Clause") + "Redistributions must be accompanied by the complete source code."
    assert install(BSD_CLASSIFIER, files={LICENSE: text}).license == NOASSERTION


def test_two_members_of_a_family_are_not_settled(install):
    files = {LICENSE: license_text("BSD-3-Clause"), f"{LICENSE}.2": license_text("BSD-2-Clause")}
    assert install(BSD_CLASSIFIER, files=files).license == NOASSERTION


def test_a_licence_file_alone_is_a_statement(install):
    assert install(files={LICENSE: license_text("ISC")}).license == "ISC"
    assert install(name="other", files={"other/LICENSE": license_text("MIT")}).license == "MIT"
    # Licences of what a package has taken in say nothing of itself.
    assert (
        install(name="third", files={"third/_vendor/x/LICENSE": license_text("MIT")}).license == NOASSERTION
    )


def test_a_whole_text_in_the_license_field(install):
    text = license_text("BSD-3-Clause").replace("\n", "\n        ")
    assert install(f"License: {text.strip()}").license == "BSD-3-Clause"


def test_what_is_bundled_beside_is_noted_not_declared(install):
    text = license_text("BSD-3-Clause")
    bundled = f"----\nThis binary distribution of Sample also bundles the following software:\n{license_text('GPL-3.0-only')}"
    component = install(
        f"License: {text}\n{bundled}".replace("\n", "\n        "), files={LICENSE: text + bundled}
    )
    assert component.license == "BSD-3-Clause"
    assert "GPL-3.0-only" in component.note
    assert component.metadata_body_conflict is None


def sbom(name, license_id):
    part = {
        "name": name,
        "purl": f"pkg:cargo/{name}@1.0?download_url=file:///",
        "licenses": [{"expression": license_id}],
    }
    return json.dumps(
        {"metadata": {"component": {"name": "shell"}}, "components": [{"name": "x"}, part, "?"]}, indent=1
    )


def test_a_list_of_materials_settles_a_family(install):
    where = "sample-1.0.dist-info/sboms/sample.cyclonedx.json"
    component = install(APACHE_CLASSIFIER, files={where: sbom("sample", "Apache-2.0")})
    assert component.license == "Apache-2.0"
    assert component.evidence[-1].file == where
    assert component.evidence[-1].statement == "pkg:cargo/sample@1.0: Apache-2.0"
    assert install(APACHE_CLASSIFIER, files={where: sbom("another", "Apache-2.0")}).license == NOASSERTION
    assert install(APACHE_CLASSIFIER, files={where: sbom("sample", "MIT")}).license == NOASSERTION
    assert install(APACHE_CLASSIFIER, files={where: "{["}).license == NOASSERTION


def test_a_contradiction_is_stated_not_solved(install):
    component = install("License: MIT", files={LICENSE: license_text("GPL-3.0-only")})
    assert (component.license, component.body_license) == ("MIT", "GPL-3.0-only")
    assert component.metadata_body_conflict is True
    component = install(
        "License: MIT", "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"
    )
    assert (component.license, component.body_license) == ("MIT", "GPL-3.0-only")
    assert component.metadata_body_conflict is True


def test_what_else_the_licence_files_hold_is_noted(install):
    component = install(
        "License: MIT", files={LICENSE: license_text("MIT"), f"{LICENSE}.lib": license_text("Zlib")}
    )
    assert (component.license, component.body_license) == ("MIT", None)
    assert "Zlib" in component.note
    # "or later" and the text that both share are the same.
    component = install(
        "License: GPLv3+", name="later", files={"later/LICENSE": license_text("GPL-3.0-only")}
    )
    assert (component.note, component.metadata_body_conflict) == ("", None)


KNOWN = {
    "torch": None, "transformers": "Apache-2.0", "tokenizers": "Apache-2.0", "safetensors": "Apache-2.0", "numpy": None,
    "fugashi": "MIT AND BSD-3-Clause", "sentencepiece": "Apache-2.0", "sudachipy": "Apache-2.0",
    "scikit-learn": "BSD-3-Clause", "pyarrow": "Apache-2.0", "datasets": "Apache-2.0", "evaluate": "Apache-2.0",
    "click": "BSD-3-Clause", "rich": "MIT", "unidic-lite": "MIT OR WTFPL", "ipadic": "MIT OR WTFPL",
    "sudachidict-small": "Apache-2.0", "lightgbm": "MIT", "onnxruntime": "MIT", "sudachidict-core": "Apache-2.0",
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_packages_that_models_are_made_with(name):
    if find_package(name) is None:
        pytest.skip(f"{name} is not installed here")
    (component,) = software_components((name,))
    assert component.license != NOASSERTION, component.evidence
    assert KNOWN[name] in {None, component.license}
    assert component.metadata_body_conflict is None
    for evidence in component.evidence:
        assert evidence.revision == version(name)
        assert re.fullmatch(r"[0-9a-f]{64}", evidence.sha256)
        assert evidence.line, evidence


def test_our_own_code_is_a_component_of_every_run():
    own = software_components()[0]
    assert (own.name, own.revision, own.license) == ("jptextclf", version("jptextclf"), "Apache-2.0")
    assert own.evidence
    assert TRAINING_PACKAGES[0] == "jptextclf"
    # The wheel as a whole holds more: an encoder and a corpus.
    (whole,) = (one for one in runtime_closure() if one.name == "jptextclf")
    assert spdx_expression(whole.license).startswith("Apache-2.0 AND ")


@pytest.mark.parametrize(
    "name", ["unidic-lite", "ipadic", "sudachidict-small", "sudachidict-core", "sudachidict-full"]
)
def test_wrapper_and_dictionary_are_told_apart(name):
    card = load_dictionary_card(name)
    dictionary = card.component(revision="1")
    assert dictionary.role == "dictionary"
    assert dictionary.license != NOASSERTION
    assert all(one.evidence in dictionary.evidence for one in card.statements("dictionary"))
    assert not any(one.evidence in dictionary.evidence for one in card.statements("code"))
    if find_package(name) and version(name) in card.versions and card.statements("code"):
        (wrapper,) = software_components((name,))
        assert wrapper.role == "software"
        assert wrapper.license == card.statements("code")[0].id
        assert wrapper.evidence[0] == card.statements("code")[0].evidence


def test_a_card_of_another_version_says_nothing(install):
    assert install(name="ipadic").license == NOASSERTION


def test_the_closure_is_sorted_complete_and_the_same_twice():
    found = runtime_closure()
    names = [one.name for one in found]
    assert names == sorted(names)
    assert {"jptextclf", "torch", "transformers", "numpy", "click", "packaging", "filelock"} <= set(names)
    assert found == runtime_closure()
    # Everything that has a licence says where it stands; what needs a closer look is counted here.
    unknown = [one.name for one in found if one.license == NOASSERTION]
    print(f"{len(found) - len(unknown)} of {len(found)} packages with a licence; unknown: {unknown}")
    assert len(unknown) <= len(found) * 0.05
    assert all(one.evidence for one in found if one.license != NOASSERTION)


def test_requirements_are_followed_with_markers_and_extras(install):
    install(name="leaf")
    install(name="Extra_Leaf")
    install(
        name="middle",
        requires=["leaf", 'extra-leaf; extra == "more"', 'nowhere; python_version < "3"', "?? broken"],
    )
    install(name="top", requires=["middle[more]>=1", "missing-one", "top"])
    found = {one.name: one for one in runtime_closure(["Top"])}
    assert list(found) == ["extra-leaf", "leaf", "middle", "missing-one", "top"]
    assert found["missing-one"].revision is None
    assert "top" in found["missing-one"].note
    assert [one.name for one in runtime_closure(["middle"])] == ["leaf", "middle"]


def test_legal_files_hold_notices_and_what_was_taken_in(install):
    files = {LICENSE: "x", "sample-1.0.dist-info/licenses/NOTICE": "n", "sample/_vendor/y/LICENSE.txt": "v",
             "sample/license.py": "", "sample/data.json": ""}  # fmt: skip
    install(files=files)
    assert [one.name for one in legal_files("sample")] == sorted(files)[:3]
    assert legal_files("no-such-package") == ()
    assert {one.path.name for one in InstalledPackage("sample").license_files} == {"LICENSE"}


def test_nothing_outside_of_the_folder_of_packages_is_read(install, tmp_path):
    secret = tmp_path.parent / "LICENSE"
    secret.write_text(license_text("MIT"), encoding="utf-8")
    home = tmp_path / "sample-1.0.dist-info"
    install()
    (home / "RECORD").write_text("../LICENSE,,\nsample-1.0.dist-info/METADATA,,\n", encoding="utf-8")
    assert software_components(("sample",))[0].license == NOASSERTION


def test_the_table_names_real_licences_and_families():
    for name in (
        *TABLE["classifiers"].values(),
        *TABLE["spellings"].values(),
        *(one for family in TABLE["families"].values() for one in family),
    ):
        assert spdx_expression(name) == name
    assert not set(TABLE["classifiers"]) & set(TABLE["families"])
    assert set(TABLE["family_spellings"].values()) <= set(TABLE["families"])
    assert all(len(family) > 1 for family in TABLE["families"].values())


def test_package_names():
    assert canonical("SudachiDict_core") == "sudachidict-core"
    assert software_components(("no-such-package",)) == []
