"""Pages and charts: valid, self-contained, escaped, readable by a keyboard and a reader, and whole in a real browser."""

import base64
import hashlib
import json
import math
import re

import html5lib
import pytest
from chromium import dom, measured

from jptextclf import messages
from jptextclf.errors import ConfigError, SetupError
from jptextclf.page_files import check_page, write_page
from jptextclf.pages import charts
from jptextclf.pages.charts import (
    Bar,
    Mark,
    Range,
    ReliabilityBin,
    Series,
    ThresholdPoint,
    bars,
    confusion_matrix,
    figure,
    histogram,
    intervals,
    lines,
    reliability,
    threshold_explorer,
)
from jptextclf.pages.document import Section, document, fragment
from jptextclf.pages.html import Html, bullets, details, foreign, notice, paragraph, table, together
from jptextclf.pages.pictures import standalone, to_png
from jptextclf.pages.visible import visible_lines

HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</svg></title><script>x</script>", "&lt;b&gt;", "]]>", "\u202e逆",
    "𠮷髙😀", "עברית", "a" * 300, "改\n行", "\x00\x1b[2J", "",
]  # fmt: skip
NAN = float("nan")


def points(n=99):
    return [ThresholdPoint(one / 100, 0.5, 1 - one / 100, 0.6, n - one) for one in range(1, n + 1)]


def every_chart(names):
    """All kinds of charts, with these names."""
    n = len(names)
    return [
        confusion_matrix("matrix", names[0], names, [[(row * 7 + column * 3) % 11 for column in range(n)] for row in range(n)],
                         link=lambda row, column: f"cell-{row}-{column}"),
        lines("lines", names[1], [Series(one, [1, 2, 3], [0.5, NAN, 0.7]) for one in names], x_title=names[2], y_title=names[3],
              marks=[Mark(2, names[4])], diagonal=True),
        histogram("histogram", names[5], [0, 10, 20, 30], [5, 0, 2], x_title=names[0], y_title=names[1], marks=[Mark(64, names[2])]),
        bars("bars", names[6], [Bar(one, 3.0, "n") for one in names]),
        intervals("intervals", names[7], [Range(one, 0.5, 0.2, 0.9, 10) for one in names], x_title=names[0], reference=0.0),
        reliability("reliability", names[8], [ReliabilityBin(0.2, 0.4, 0.3, 0.5, 4)], 0.2),
        threshold_explorer("threshold", names[9], names[10], points(), 0.35),
    ]  # fmt: skip


def empty_charts():
    return [
        confusion_matrix("a", "a", ["x"], [[0]]), lines("b", "b", [], x_title="", y_title=""),
        lines("c", "c", [Series("x", [1], [1])], x_title="", y_title=""), histogram("d", "d", [], [], x_title="", y_title=""),
        bars("e", "e", []), bars("f", "f", [Bar("x", NAN)]), intervals("g", "g", [], x_title=""),
        intervals("h", "h", [Range("x", NAN, NAN, math.inf)], x_title=""), reliability("i", "i", [], 0.0),
        threshold_explorer("j", "j", "x", [], 0.5),
    ]  # fmt: skip


def page(names=HOSTILE, **options):
    body = together(
        paragraph(names[0]), bullets(names), notice(names[1], kind="warning"), table(names, [names, names], caption=names[2]),
        details(names[0], foreign(names[1]), id="more"), *(figure(one, names[3]) for one in every_chart(names)),
    )  # fmt: skip
    return document(
        names[0], [Section("first", names[1], body), Section("second", names[2], Html("<p>x</p>"))], **options
    )


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("script", [True, False])
def test_a_page_is_valid_and_nothing_foreign_becomes_markup(language, script):
    messages.use_language(language)
    shown = page(script=script)
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(shown)
    tags = [one.tag.rpartition("}")[2] for one in tree.iter() if isinstance(one.tag, str)]
    assert tags.count("script") == int(script)
    assert "img" not in tags
    assert not [name for one in tree.iter() for name in one.attrib if str(name).startswith("on")]
    assert tree.get("lang") == language
    assert "\u202e" not in shown
    assert "\x00" not in shown
    ids = [one.get("id") for one in tree.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert {one.rpartition("#")[2] for one in re.findall(r'href="(#(?!cell)[^"]+)"', shown)} <= set(ids)


def test_the_only_script_is_the_one_that_the_policy_allows():
    shown = page(script=True)
    (script,) = re.findall(r"<script>(.*?)</script>\n</body>", shown, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    assert f"script-src 'sha256-{digest}'" in shown
    assert "script-src" not in page(script=False)
    # Nothing comes from elsewhere.
    assert not re.findall(r'(?:src|href)="(?!#)', shown)
    assert "url(" not in shown
    assert "@import" not in shown


@pytest.mark.parametrize(
    "one",
    [*every_chart(HOSTILE), *every_chart(["良い", "悪い"] * 6), *empty_charts()],
    ids=lambda one: one.name,
)
def test_a_chart_is_an_image_with_a_name_and_its_figures(one):
    svg = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parseFragment(str(one.svg))[0]
    # Parts of an image cannot be reached by a reader, and some cells are links.
    assert svg.get("role") == ("group" if "<a " in str(one.svg) else "img")
    tags = [each.tag.rpartition("}")[2] for each in svg.iter()]
    ids = {each.get("id") for each in svg.iter()}
    assert not {"script", "img"} & set(tags)
    assert set(svg.get("aria-labelledby").split()) <= ids
    assert "nan" not in str(one.svg).lower().replace("alert", "")
    assert "inf" not in re.sub("[a-z]{4,}", "", str(one.svg).lower())
    assert all(len(row) == len(one.table.columns) for row in one.table.rows)
    _, _, width, height = map(float, (svg.get("viewBox") or svg.get("viewbox")).split())
    for each in (one for one in svg.iter() if one.tag.endswith("text")):
        assert -1 <= float(each.get("x")) <= width + 1
        assert -1 <= float(each.get("y")) <= height + 1


def test_cells_are_links_that_say_what_they_are():
    messages.use_language("en")
    found = confusion_matrix(
        "m", "m", ["悪い", "良い"], [[8, 2], [0, 5]], link=lambda row, column: f"cell-{row}{column}"
    )
    labels = re.findall(r'<a href="#(cell-\d\d)" aria-label="([^"]*)"', found.svg)
    assert ("cell-01", "悪い → 良い: 2 texts, 20% of the row") in labels
    assert len(labels) == 4
    assert found.table.rows == (("悪い", "悪い", 8, 0.8), ("悪い", "良い", 2, 0.2), ("良い", "良い", 5, 1.0))


def test_many_labels_are_the_ones_with_most_errors_and_the_rest():
    n = 50
    counts = [
        [1 if row == column else int(row < 25 and column == row + 1) for column in range(n)]
        for row in range(n)
    ]
    found = confusion_matrix("m", "m", [f"L{one:02}" for one in range(n)], counts)
    assert "(other labels)" in found.svg
    assert str(found.svg).count("<rect") == 21 * 21
    assert "of 50" in found.below
    assert sum(row[2] for row in found.table.rows) == sum(map(sum, counts))


def test_a_fragment_keeps_its_style_to_itself():
    shown = fragment(paragraph("x"))
    rules = re.search(r"<style>(.*?)</style>", shown, flags=re.S)[1]
    assert shown.startswith('<div class="jp"')
    selectors = [one.strip() for one in re.findall(r"([^{}@]+)\{", re.sub(r"@media[^{]*\{", "", rules))]
    assert all(each.strip().startswith((".jp", "html")) for one in selectors for each in one.split(","))


def test_pictures_are_png_in_light_colours():
    found = every_chart(["良い", "悪い"] * 6)
    for one in found:
        drawn = to_png(one)
        assert drawn.startswith(b"\x89PNG")
        assert "var(" not in standalone(one)
    assert len({to_png(one) for one in found}) == len(found)


def test_without_the_extra_a_picture_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    with pytest.raises(SetupError, match=r"jptextclf\[png\]"):
        to_png(bars("a", "a", [Bar("x", 1.0)]))


def test_every_chart_that_is_offered_is_tested():
    offered = {name for name in charts.__all__ if name[0].islower()} - {"figure"}
    assert offered == {
        "confusion_matrix",
        "lines",
        "histogram",
        "bars",
        "intervals",
        "reliability",
        "threshold_explorer",
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page(script=True), encoding="utf-8")
    return path


def test_in_a_browser_the_script_runs_and_nothing_else_does(written):
    shown = dom(written)
    # The control is hidden until the script has shown it.
    assert re.search(r'<div class="explorer" data-points', shown)
    assert "<b>0.35</b>" in shown
    assert shown.count("<script") == 1
    assert "<img" not in shown


def test_in_a_browser_a_narrow_page_does_not_scroll_sideways(written, tmp_path):
    for width in (400, 1100):
        found = measured(
            written, "[document.documentElement.scrollWidth, innerWidth]", width=width, folder=tmp_path
        )
        scrolled, inner = json.loads(found)
        assert scrolled <= inner, width


def test_in_a_browser_a_link_opens_what_it_leads_to(written, tmp_path):
    expression = "(location.hash = '#more', reveal(), [document.getElementById('more').open, document.activeElement.tagName])"
    assert json.loads(measured(written, expression, width=800, folder=tmp_path)) == [True, "SUMMARY"]


@pytest.mark.parametrize("held", [b"text,label\n", b"<!DOCTYPE html><html>", b""])
def test_a_page_replaces_only_a_page(tmp_path, held):
    file = tmp_path / "out.html"
    file.write_bytes(held)
    with pytest.raises(ConfigError, match="JPT-U187"):
        check_page(file)
    with pytest.raises(ConfigError, match="JPT-U187"):
        write_page(file, document("t", []))
    assert file.read_bytes() == held
    with pytest.raises(ConfigError, match="JPT-U187"):
        check_page(tmp_path)


def test_a_page_is_replaced_by_the_next_one(tmp_path):
    file = tmp_path / "out.html"
    for title in ("one", "two\udc80"):
        write_page(file, document(title, []))
        assert title[:3] in file.read_text(encoding="utf-8")


def test_lines_for_a_terminal_do_nothing_to_it():
    assert visible_lines("a\x1b[2J\nb\u202ec\r") == "a<U+001B>[2J\nb<U+202E>c<U+000D>"
    assert visible_lines("良い\n👩‍🚀") == "良い\n👩‍🚀"
