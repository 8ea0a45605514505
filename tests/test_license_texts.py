"""Licence texts: complete, unchanged, found by every spelling of an id, and packed with the package."""

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

import jptextclf
from jptextclf.errors import ConfigError
from jptextclf.licensing.license_texts import (
    find,
    has_blanks,
    has_text,
    known_ids,
    license_name,
    license_text,
    license_texts,
    license_url,
    texts_for,
)

ROOT = Path(__file__).parents[1]
TEXTS = Path(jptextclf.__file__).parent / "licensing" / "texts"
WANTED = """
    Apache-2.0 MIT MIT-0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear 0BSD ISC Zlib BSL-1.0 PSF-2.0 Python-2.0
    Python-2.0.1 HPND CC0-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-2.0 CC-BY-SA-3.0 CC-BY-SA-4.0
    CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0 CC-BY-NC-ND-4.0 GPL-2.0-only GPL-3.0-only
    LGPL-2.1-only LGPL-3.0-only AGPL-3.0-only MPL-2.0 EPL-2.0 EUPL-1.2 AFL-3.0 OSL-3.0 Artistic-2.0 WTFPL Unlicense
    GFDL-1.3-only ODbL-1.0 ODC-By-1.0 PDDL-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 ECL-2.0 MS-PL
    NCSA PostgreSQL LGPLLR OFL-1.1 NAIST-2003 LicenseRef-CreativeML-OpenRAIL-M
    LicenseRef-CreativeML-OpenRAIL-PlusPlus-M LicenseRef-BigScience-BLOOM-RAIL-1.0 LicenseRef-BigScience-OpenRAIL-M
    LicenseRef-BigCode-OpenRAIL-M LicenseRef-Llama-2-Community LicenseRef-Gemma-Terms
    """
NOT_FOUND = {"LicenseRef-CC-BY-ND-2.1-JP", "LicenseRef-Llama-3-Community"}


def test_the_texts_asked_for_are_there():
    assert set(WANTED.split()) <= set(known_ids())
    assert not NOT_FOUND & set(known_ids()), "a text that was found needs a row, a source and a test"


def test_index_and_files_name_each_other():
    assert {path.stem for path in TEXTS.glob("*.txt")} == {one.id for one in license_texts()}
    assert len(known_ids()) == len(set(known_ids()))


@pytest.mark.parametrize("entry", license_texts(), ids=lambda one: one.id)
def test_a_text_is_unchanged_and_has_its_source(entry):
    data = (TEXTS / f"{entry.id}.txt").read_bytes()
    assert hashlib.sha256(data).hexdigest() == entry.sha256
    assert b"\r" not in data
    assert entry.name
    assert entry.url.startswith(("http://", "https://"))
    assert entry.source.startswith("pkg:")
    text = license_text(entry.id)
    assert text == data.decode()
    assert len(text.split()) > 40 or entry.id in {
        "CC-PDDC",
        "blessing",
        "Beerware",
        "CC-BY-SA-2.1-JP",
        "SunPro",
    }


def test_the_flags_are_those_of_the_spdx_list():
    reuse = pytest.importorskip("reuse", reason="the SPDX list is read from the reuse tool")
    rows = json.loads(
        (Path(reuse.__file__).parent / "resources" / "licenses.json").read_text(encoding="utf-8")
    )
    listed = {row["licenseId"]: row for row in rows["licenses"]}
    compared = [one for one in license_texts() if one.id in listed]
    assert len(compared) > 100
    for one in compared:
        row = listed[one.id]
        assert (one.osi_approved, one.fsf_libre) == (row["isOsiApproved"], row.get("isFsfLibre", False)), (
            one.id
        )


def test_every_licence_of_this_repository_can_be_emitted():
    names = {path.stem for path in (ROOT / "LICENSES").glob("*.txt")} - {"LicenseRef-License-Text"}
    for name in names:
        own = (ROOT / "LICENSES" / f"{name}.txt").read_text(encoding="utf-8")
        assert license_text(name).split() == own.split(), name


@pytest.mark.parametrize(
    ("spelling", "text_id"),
    [("mit", "MIT"), (" Apache-2.0 ", "Apache-2.0"), ("GPL-3.0-or-later", "GPL-3.0-only"),
     ("lgpl-2.1-or-later", "LGPL-2.1-only"), ("LicenseRef-Gemma", "LicenseRef-Gemma-Terms"),
     ("LicenseRef-CC-BY-SA-2.1-JP", "CC-BY-SA-2.1-JP")],
)  # fmt: skip
def test_ids_that_share_a_text(spelling, text_id):
    assert has_text(spelling)
    assert find(spelling).id == text_id
    assert license_text(spelling) == license_text(text_id)


def test_what_has_no_text_says_so():
    for name in (*NOT_FOUND, "ZPL-2.1", "NOASSERTION", "", "../index"):
        assert license_text(name) is None
        assert not has_text(name)


def test_names_and_pages():
    assert license_name("mit") == "MIT License"
    assert license_name("GPL-2.0-or-later") == "GNU General Public License v2.0 or later"
    assert license_name("AGPL-3.0-only").endswith(" only")
    assert license_name("zpl-2.1") == "ZPL-2.1"
    assert license_url("CC-BY-SA-4.0") == "https://creativecommons.org/licenses/by-sa/4.0/legalcode"
    assert license_url("ZPL-2.1") == "https://spdx.org/licenses/ZPL-2.1.html"
    assert license_url("LicenseRef-Own") == ""


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("MIT", ("MIT",)),
        ("MIT OR WTFPL", ("MIT", "WTFPL")),
        ("Apache-2.0 AND Apache-2.0 WITH LLVM-exception AND mit", ("Apache-2.0", "LLVM-exception", "MIT")),
        ("GPL-2.0-or-later AND GPL-2.0-only", ("GPL-2.0-only",)),
        (
            "(GPL-2.0-only OR LGPL-2.1-only OR BSD-3-Clause)",
            ("GPL-2.0-only", "LGPL-2.1-only", "BSD-3-Clause"),
        ),
        ("LicenseRef-Own AND ZPL-2.1", ("LicenseRef-Own", "ZPL-2.1")),
        ("NOASSERTION", ()),
    ],
)
def test_texts_that_a_file_set_needs(expression, ids):
    assert texts_for(expression) == ids


def test_texts_for_what_is_no_expression():
    with pytest.raises(ConfigError, match="JPT-U050"):
        texts_for("MIT AND")


def test_blanks_that_somebody_has_to_fill_in():
    assert has_blanks("MIT")
    assert has_blanks("BSD-3-Clause")
    # Its blanks stand in the advice at the end.
    assert not has_blanks("Apache-2.0")
    assert not has_blanks("GPL-3.0-only")
    assert not has_blanks("LicenseRef-Own")


def test_the_texts_are_no_part_of_the_repositorys_own_licences():
    rows = tomllib.loads((ROOT / "REUSE.toml").read_text(encoding="utf-8"))["annotations"]
    row = next(row for row in rows if row["path"] == "jptextclf/licensing/texts/*.txt")
    assert row["precedence"] == "override"
    assert (ROOT / "LICENSES" / f"{row['SPDX-License-Identifier']}.txt").is_file()
