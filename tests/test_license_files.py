"""Licence files: each text is told from all others, however it is wrapped and filled in; altered terms are not it."""

import random
import re
import textwrap
import time
from importlib.metadata import distributions
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jptextclf.licensing.components import NOASSERTION, spdx_expression
from jptextclf.licensing.license_files import THRESHOLD, identify
from jptextclf.licensing.license_texts import license_text, license_texts
from jptextclf.licensing.license_words import decode, words_of

LICENSES = [one.id for one in license_texts() if not one.is_exception]
# Its copyright notice is longer than a line, so that wrapping makes terms of its end.
UNWRAPPABLE = {"BSD-3-Clause-LBNL"}
MIT = license_text("MIT")
BSD = license_text("BSD-3-Clause")
APACHE = license_text("Apache-2.0")


def filled(text):
    text = re.sub(
        r"<(copyright holders?|owner)>",
        "株式会社サンプル and contributors",
        text.replace("<year>", "2019-2024"),
    )
    return text.replace("[yyyy]", "2020").replace("[name of copyright owner]", "Example K.K.")


def wrapped(text, width):
    return "\n".join(textwrap.fill(line, width) if line.strip() else "" for line in text.split("\n"))


@pytest.mark.parametrize("name", LICENSES)
def test_each_text_is_told_from_all_others(name):
    found = identify(license_text(name))
    assert (found.license, found.score, found.exact) == (name, 1.0, True)
    assert found.candidates[0] == (name, 1.0)
    assert [score for _, score in found.candidates] == sorted(
        (score for _, score in found.candidates), reverse=True
    )


@pytest.mark.parametrize("name", sorted(set(LICENSES) - UNWRAPPABLE))
def test_wrapping_names_and_line_ends_do_not_count(name):
    text = filled(license_text(name))
    for copy in (
        text,
        wrapped(text, 60),
        wrapped(text, 100).replace("\n", "\r\n").encode("utf-8-sig"),
        text.upper(),
        "\n".join("# " + line for line in wrapped(text, 76).split("\n")),
        text.replace("copyright holder", "Example Corporation"),
        text.replace('"', "”").replace("'", "’"),
    ):
        found = identify(copy)
        assert found.license == name, (found.licenses, found.candidates)
        assert found.score > 0.95


@pytest.mark.parametrize(
    ("left", "right"),
    [("BSD-2-Clause", "BSD-3-Clause"), ("MIT", "ISC"), ("MIT", "MIT-0"), ("MIT", "JSON"), ("ISC", "0BSD"),
     ("GPL-2.0-only", "GPL-3.0-only"), ("GPL-3.0-only", "AGPL-3.0-only"), ("GPL-3.0-only", "LGPL-3.0-only"),
     ("CC-BY-4.0", "CC-BY-SA-4.0"), ("CC-BY-4.0", "CC-BY-NC-4.0"), ("CC-BY-SA-3.0", "CC-BY-SA-4.0"),
     ("CC-BY-SA-2.0", "CC-BY-SA-2.5"), ("CC-BY-NC-SA-3.0", "CC-BY-NC-ND-3.0"), ("PSF-2.0", "Python-2.0.1"),
     ("LicenseRef-CreativeML-OpenRAIL-M", "LicenseRef-CreativeML-OpenRAIL-PlusPlus-M")],
)  # fmt: skip
def test_close_relatives(left, right):
    for name in (left, right):
        text = wrapped(filled(license_text(name)), 72)
        # A damaged copy, too: one word in two hundred is misspelt.
        words = text.split(" ")
        words[50::200] = ["xxxx" for _ in words[50::200]]
        assert identify(" ".join(words)).candidates[0][0] == name


def test_parts_that_copies_leave_out():
    without_appendix = APACHE.partition("APPENDIX")[0]
    assert identify(without_appendix).license == "Apache-2.0"
    lesser = license_text("LGPL-3.0-only")
    assert identify(lesser[: lesser.index("GNU GENERAL PUBLIC LICENSE\n")]).license == "LGPL-3.0-only"
    assert identify("The MIT License (MIT)\n\n" + MIT.partition("\n")[2]).exact
    by = license_text("CC-BY-4.0")
    assert identify(by[by.index("By exercising the Licensed Rights") :]).license == "CC-BY-4.0"


def test_several_licences_in_one_file():
    found = identify(f"{MIT}\n\n{BSD}")
    assert [one.id for one in found.licenses] == ["MIT", "BSD-3-Clause"]
    assert [one.line for one in found.licenses] == [1, len(MIT.splitlines()) + 3 + 2]
    assert found.license == "MIT AND BSD-3-Clause"
    assert found.exact
    assert identify(f"{MIT}\n\n{filled(MIT)}").license == "MIT"


def test_an_exception_goes_with_its_licence():
    exception = license_text("LLVM-exception")
    assert identify(f"{APACHE}\n{exception}").license == "Apache-2.0 WITH LLVM-exception"
    assert identify(exception).license == NOASSERTION
    assert [one.id for one in identify(exception).licenses] == ["LLVM-exception"]


def test_a_notice_with_any_later_version_counts():
    text = license_text("GPL-3.0-only")
    begin = text.index("This program is free software")
    notice = text[begin : text.index("Also add information", begin)]
    assert "any later version" in notice
    assert identify(notice).license == "GPL-3.0-or-later"
    assert identify(f"{notice}\n\n{text}").license == "GPL-3.0-or-later"
    assert identify(text).license == "GPL-3.0-only"


@pytest.mark.parametrize(
    "altered",
    [
        MIT.replace("any person", "any person for non-commercial purposes only"),
        MIT.replace("is hereby granted", "is not hereby granted"),
        MIT.replace(", sublicense, and/or sell", ", and/or sublicense"),
        MIT.replace("without restriction, including\nwithout limitation", "for research, including"),
        MIT + "\nThe Software may not be used for commercial purposes.",
        MIT + "\n商用利用は禁止します。",
        MIT + "\n研究目的に限り利用できます。",
        MIT.replace("<copyright holders>", "Example, for non-commercial use only"),
        "The grant of rights does not include the right to Sell the Software.\n\n" + APACHE,
        BSD.replace("name of the copyright holder", "name of Example, who forbids commercial use,"),
        BSD.replace("with or without modification, are permitted", "are permitted for academic use"),
        APACHE.replace("royalty-free, irrevocable", "revocable"),
        license_text("ISC").replace("for any purpose with or without fee", "for evaluation"),
        BSD.replace("source code must retain", "unmodified source code must retain"),
        BSD.replace("this list of conditions", "in this position and unchanged, this list of conditions", 1),
        BSD.replace("Neither the name", "The name").replace("nor the names", "and the names"),
        BSD + "\nRedistributions must be accompanied by the complete source code.",
        BSD + "\nYou acknowledge that this software is not designed for use in a nuclear facility.",
        MIT + "\nThis agreement shall be governed by the laws of Japan.",
        "This license is granted to everyone except for the following companies: Example.\n" + MIT,
        license_text("MPL-1.1").replace("Mozilla", "Example").replace("Netscape", "Example"),
    ],
)
def test_altered_terms_are_not_the_licence(altered):
    found = identify(altered)
    assert found.license == NOASSERTION
    assert not found.exact
    assert found.candidates[0][1] > THRESHOLD


COMMON = Path("/usr/share/common-licenses")


@pytest.mark.parametrize(
    ("file", "name"),
    [("Apache-2.0", "Apache-2.0"), ("BSD", "BSD-3-Clause"), ("CC0-1.0", "CC0-1.0"), ("GFDL-1.3", "GFDL-1.3-only"),
     ("GPL-1", "GPL-1.0-only"), ("GPL-2", "GPL-2.0-only"), ("GPL-3", "GPL-3.0-only"), ("LGPL-2", "LGPL-2.0-only"),
     ("LGPL-2.1", "LGPL-2.1-only"), ("LGPL-3", "LGPL-3.0-only"), ("MPL-2.0", "MPL-2.0")],
)  # fmt: skip
def test_copies_of_another_publisher(file, name):
    if not (COMMON / file).is_file():
        pytest.skip(f"{COMMON} has no {file} here")
    found = identify((COMMON / file).read_bytes())
    assert found.license == name, (found.licenses, found.additional)
    assert found.score > 0.99


def test_a_notice_of_another_version_is_not_read_as_this_one():
    text = license_text("GPL-3.0-only")
    begin = text.index("This program is free software")
    notice = text[begin : text.index("Also add information", begin)]
    assert identify(notice.replace("version 3", "version 1")).license == NOASSERTION


@pytest.mark.parametrize(
    "text", ["", "MIT", "See LICENSE.APACHE or LICENSE.BSD.", "利用には許諾が必要です。" * 20, "the " * 500]
)
def test_what_is_no_licence(text):
    found = identify(text)
    assert found.license == NOASSERTION
    assert found.licenses == ()
    assert found.score < THRESHOLD


def test_copyright_notices():
    text = (
        "MIT License\nCopyright (c) 2019 A\n * © 2020 B\n著作権者: 株式会社サンプル 2021\n2022 C 著作権所有\n"
        + MIT.split("\n", 3)[3]
    )
    found = identify(text)
    assert found.license == "MIT"
    assert found.copyrights == (
        "Copyright (c) 2019 A", "© 2020 B", "著作権者: 株式会社サンプル 2021", "2022 C 著作権所有",
    )  # fmt: skip
    # What the terms say of copyright is no notice.
    assert identify(license_text("CC-BY-4.0")).copyrights == ()


def test_bytes_and_text_give_the_same():
    assert identify(MIT) == identify(MIT.encode())
    assert identify(MIT.encode("utf-16")).license == "MIT"
    assert decode("著作権者 サンプル".encode("cp932")) == "著作権者 サンプル"
    assert identify(MIT).sha256 == next(one.sha256 for one in license_texts() if one.id == "MIT")


@given(st.one_of(st.text(), st.binary(), st.text(alphabet="(c)©0a. 著作権copyright\n", max_size=200)))
def test_it_never_raises(anything):
    found = identify(anything)
    assert 0.0 <= found.score <= 1.0
    assert spdx_expression(found.license) == found.license


def test_words_that_count():
    assert words_of("1. Redistributions’ LICENCE\n").words == ("redistributions", "license")
    assert words_of("# (a) sub-license; non-commercial").words == ("sublicense", "noncommercial")
    assert words_of("利用 2.0").words == ("利", "用", "2", "0")


def seconds(text):
    best = 9.0
    for _ in range(7):
        started = time.process_time()
        identify(text)
        best = min(best, time.process_time() - started)
    return best


def test_it_is_fast():
    identify("")
    for name in ("MIT", "Apache-2.0", "GPL-3.0-only", "CC-BY-NC-SA-4.0"):
        assert seconds(license_text(name)) < 0.05, name


@pytest.mark.parametrize(
    "kind", ["many", "words", "newlines", "half a sentence", "bytes", "notices", "one line", "kanji"]
)
def test_hostile_input_takes_no_time(kind):
    identify("")
    size = 4 << 20
    text = {
        "many": MIT * (size // len(MIT)),
        "words": " ".join(random.Random(1).choices(APACHE.split(), k=size // 6)),
        "newlines": "\n" * size,
        "half a sentence": "in no event shall neither the name " * (size // 35),
        "bytes": random.Random(1).randbytes(size),
        "notices": "copyright (c) (c) © , " * (size // 22),
        "one line": "(" * size,
        "kanji": "禁止" * (size // 6),
    }[kind]
    started = time.process_time()
    assert identify(text).license == NOASSERTION
    assert time.process_time() - started < 2


SIMPLE = {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "MIT-0", "Zlib"}


def installed_license_files():
    """Declared expression and bytes of the licence file, of packages that declare one licence and ship one file."""
    for package in distributions():
        declared = package.metadata.get("License-Expression", "")
        files = [
            file for file in package.files or ()
            if re.search(r"\.dist-info/(licenses/)?(LICEN[SC]E|COPYING)(\.\w+)?$", str(file))
        ]  # fmt: skip
        if declared in SIMPLE and len(files) == 1:
            yield package.name, declared, files[0].locate().read_bytes()


def test_installed_packages_agree_with_what_they_declare():
    rows = [(name, declared, identify(data)) for name, declared, data in installed_license_files()]
    if len(rows) < 20:
        pytest.skip(f"only {len(rows)} packages here declare one licence and ship one licence file")
    agree = [name for name, declared, found in rows if found.license == declared]
    others = {name: (declared, found.license) for name, declared, found in rows if found.license != declared}
    print(f"{len(agree)} of {len(rows)} licence files agree with License-Expression; others: {others}")
    assert len(agree) / len(rows) >= 0.9, others
    # The others are files with several texts, the declared one among them.
    assert all(declared in {one.id for one in found.licenses} for _, declared, found in rows)
