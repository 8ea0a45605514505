"""Ids of licences: the Hub's list, SPDX expressions, lists, and everything that is not an id."""

import json
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jptextclf.errors import ConfigError
from jptextclf.licensing import assess, identifiers
from jptextclf.licensing.components import Component, spdx_expression
from jptextclf.licensing.identifiers import hub_ids, is_family, is_list, same_license, to_spdx, to_spdx_list
from jptextclf.licensing.reading import dataset_tags, read_card
from jptextclf.licensing.reports import ReportSubject, render


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("apache-2.0", "Apache-2.0"),
        (" MIT ", "MIT"),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("GPL-3.0+", "GPL-3.0-or-later"),
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("cc-by-sa-2.1-jp", "CC-BY-SA-2.1-JP"),
        ("lgpl-lr", "LGPLLR"),
        ("creativeml-openrail-m", "LicenseRef-CreativeML-OpenRAIL-M"),
        ("openrail++", "LicenseRef-CreativeML-OpenRAIL-PlusPlus-M"),
        ("bigscience-openrail-m", "LicenseRef-BigScience-OpenRAIL-M"),
        ("llama2", "LicenseRef-Llama-2-Community"),
        ("llama3.1", "LicenseRef-Llama-3.1-Community"),
        ("gemma", "LicenseRef-Gemma-Terms"),
        ("licenseref-cc-by-nd-2.1-jp", "LicenseRef-CC-BY-ND-2.1-JP"),
        ("LicenseRef-Customer-Contract", "LicenseRef-Customer-Contract"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("(MIT and gpl-3.0+)", "MIT AND GPL-3.0-or-later"),
        ("gpl-2.0 with classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        (["mit"], "MIT"),
        (["apache-2.0", "bsd-3-clause"], "Apache-2.0 AND BSD-3-Clause"),
        (["mit", "MIT"], "MIT"),
        (["mit or isc", "zlib"], "(MIT OR ISC) AND Zlib"),
    ],
)
def test_an_id_has_one_spelling(value, expected):
    assert to_spdx(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None, "", "  ", "other", "unknown", "Unknown", "none", "openrail", "cc", "gpl", "bsd", "gfdl", "lgpl",
        "NOASSERTION", "no such licence", "mit or", "or", "()", "((", "(((mit", "mit apache-2.0", "mit or other", "gpl or mit",
        "ｃｃ－ｂｙ－ｓａ－４．０", "ＭＩＴ", "Apache", "Apache License 2.0", "any valid license identifier",
        False, True, 4.0, 3, b"mit", {"name": "mit"}, {"mit"}, [], [[]], [["mit"]], ["mit", None], ["mit", "other"],
        "mit and " * 10_000, "(" * 100_000, ["mit"] * 3 + ["x"],
    ],
)  # fmt: skip
def test_what_is_no_id_says_nothing(value):
    assert to_spdx(value) == "NOASSERTION"


def test_every_id_of_the_hub_has_a_valid_spelling_of_its_own():
    found = {name: to_spdx(name) for name in hub_ids()}
    assert len(found) == len(set(found.values())) == 74
    for spelling in found.values():
        assert spelling != "NOASSERTION"
        assert spdx_expression(spelling) == spelling
        assert to_spdx(spelling) == spelling


def test_references_say_where_they_were_seen():
    table = tomllib.loads(identifiers.TABLE.read_text(encoding="utf-8"))
    assert table["hub_list"].startswith("https://")
    assert all(table["references"].values())
    assert all(key == key.lower() for part in ("hub", "deprecated") for key in table[part])


def test_lists_and_families_are_told_apart():
    assert is_list(["mit", "isc"])
    assert not is_list(["mit"])
    assert not is_list("mit or isc")
    assert is_family("GPL")
    assert not is_family("gpl-3.0")
    assert not is_family(None)
    assert same_license("LicenseRef-CreativeML-OpenRAIL-M", "licenseref_creativeml openrail m")
    assert not same_license("MIT", "MIT-0")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from(["mit", "or", "(", "gpl"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)
words = st.lists(
    st.sampled_from(["mit", "MIT", "or", "AND", "with", "(", ")", "gpl", "gpl-2.0", "x", "+"])
).map(" ".join)


@given(anything | words)
def test_it_never_raises_and_is_stable(value):
    found = to_spdx(value)
    assert found
    assert to_spdx(found) == found


def test_of_a_list_nothing_is_left_out():
    for long in (["mit"] * 1000 + ["cc-by-nc-4.0"], [f"LicenseRef-{number}" for number in range(1000)]):
        before = time.process_time()
        assert to_spdx(long) == to_spdx_list(long) == "NOASSERTION"
        assert time.process_time() - before < 1
    fifty = [f"LicenseRef-{number}" for number in range(50)]
    assert to_spdx(fifty).split(" AND ") == fifty
    reading = read_card("---\nlicense:\n" + "- mit\n" * 1000 + "- cc-by-nc-4.0\n---\n")
    assert (reading.declared, reading.licenses, reading.metadata_status) == ("NOASSERTION", (), "list-many")
    tags = dataset_tags([f"license:LicenseRef-{number}" for number in range(1000)])
    assert (tags.declared, len(tags.license_tags), tags.is_list) == ("NOASSERTION", 1000, True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["apache-2.0", "bsd-3-clause"], ("Apache-2.0", "BSD-3-Clause")),
        (("mit or isc", "zlib"), ("MIT OR ISC", "Zlib")),
        (["mit", "MIT"], "MIT"),
        (["mit"], "MIT"),
        ("mit", "MIT"),
        (["mit", "other"], "NOASSERTION"),
        ([], "NOASSERTION"),
        (None, "NOASSERTION"),
    ],
)
def test_a_list_stays_a_list(value, expected):
    assert to_spdx_list(value) == expected


def test_a_component_carries_a_list():
    def base(license_id):
        return Component(role="base_model", name="org/m", relation="fine-tuned-from", license=license_id)

    found = base(["apache-2.0", "mit or isc"])
    assert found.license == ("Apache-2.0", "MIT OR ISC")
    assert found.expression == "Apache-2.0 AND (MIT OR ISC)"
    record = json.loads(json.dumps(found.to_json()))
    assert record["license"] == ["Apache-2.0", "MIT OR ISC"]
    assert Component.from_json(record) == found
    assert hash(found) == hash(Component.from_json(record))
    assert base(["mit"]).license == base(("MIT", "mit")).license == base("mit").expression == "MIT"
    assert base([]).license == base(["mit", "NOASSERTION"]).license == "NOASSERTION"
    with pytest.raises(ConfigError, match="JPT-U050"):
        base(["mit", "no such licence"])


def test_the_rule_for_lists_sees_the_list_of_a_component():
    base = Component(
        role="base_model", name="org/m", relation="fine-tuned-from", license=("Apache-2.0", "BSD-3-Clause")
    )
    judged = assess([base], "internal-commercial")
    assert judged.verdict.value == "needs-review"
    subject = ReportSubject("org/m", kind="model", tool_version="1.0")
    for name in ("md", "html", "cyclonedx"):
        assert "Apache-2.0, BSD-3-Clause" in render(judged, subject, format=name, language="ja")
    package = json.loads(render(judged, subject, format="spdx", language="ja"))["packages"][1]
    assert package["licenseDeclared"] == "Apache-2.0 AND BSD-3-Clause"
    assert package["licenseConcluded"] == "NOASSERTION"
