"""What is written can be read back, does no harm in a spreadsheet, and appears whole or not at all."""

import csv
import io
import json
import os
import stat
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf.data import writers
from jptextclf.data.tables import open_table
from jptextclf.data.writers import encodable, guarded, open_writer
from jptextclf.errors import ConfigError, SetupError, WorkError

COLUMNS = ("id", "本文", "予測")
ROWS = [("001", "良い,\n「宿」", "良い"), ("2", 'say "hi"', ""), ("3", "\u3000", "悪い")]


def write(path, rows=ROWS, columns=COLUMNS, **options):
    with open_writer(path, columns=columns, **options) as writer:
        for row in rows:
            writer.write(row)
    return writer


def refused(code, error, *args, **options):
    with pytest.raises(error) as caught:
        write(*args, **options)
    assert caught.value.code == f"JPT-{code}"
    return caught.value


def left_in(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "xlsx"])
def test_every_form_reads_back(tmp_path, form):
    if form == "xlsx":
        pytest.importorskip("openpyxl")
        pytest.importorskip("python_calamine")
    writer = write(tmp_path / f"a.{form}")
    table = open_table(tmp_path / f"a.{form}")
    assert table.columns == COLUMNS
    assert [row.cells for row in table.rows()] == ROWS
    assert writer.rows == 3
    assert writer.notes == []
    assert left_in(tmp_path) == [f"a.{form}"]


def test_csv_is_what_excel_wants(tmp_path):
    write(tmp_path / "a.csv", [("1", "あ", "い")])
    assert (tmp_path / "a.csv").read_bytes() == "\ufeffid,本文,予測\r\n1,あ,い\r\n".encode()


def test_the_form_can_be_named(tmp_path):
    write(tmp_path / "out.data", format="jsonl")
    assert json.loads((tmp_path / "out.data").read_text(encoding="utf-8").splitlines()[0])["id"] == "001"
    refused("U043", ConfigError, tmp_path / "out.pdf")
    refused("U043", ConfigError, tmp_path / "out.csv", format="avro")


def test_types_survive_where_the_form_has_them(tmp_path):
    row = (7, 0.5, True, None, ["a", "b"])
    columns = ("i", "f", "b", "n", "l")
    write(tmp_path / "a.jsonl", [row], columns)
    assert json.loads((tmp_path / "a.jsonl").read_text()) == dict(zip(columns, row, strict=True))
    write(tmp_path / "a.csv", [row], columns)
    assert [found.cells for found in open_table(tmp_path / "a.csv").rows()] == [
        ("7", "0.5", "true", "", '["a", "b"]')
    ]


def test_what_was_read_from_json_lines_is_written_back(tmp_path):
    lines = '{"id": 17, "text": "a", "tags": ["x"], "n": null}\n'
    (tmp_path / "a.jsonl").write_text(lines)
    table = open_table(tmp_path / "a.jsonl")
    write(tmp_path / "b.jsonl", [row.values for row in table.rows()], table.columns)
    assert (tmp_path / "b.jsonl").read_text() == lines


@pytest.mark.parametrize("form", ["jsonl", "xlsx", "csv"])
def test_what_is_no_number_is_written_as_nothing(tmp_path, form):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    if form == "xlsx":
        pytest.importorskip("openpyxl")
        pytest.importorskip("python_calamine")
    columns = {
        "text": ["a", "b", "c", "d"],
        "score": pa.array([float("nan"), float("inf"), -float("inf"), 0.5], from_pandas=False),
        "many": [[1.0, float("nan")], [float("inf")], [], [2.0]],
    }
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = open_table(tmp_path / "a.parquet")
    write(tmp_path / f"b.{form}", [row.values for row in table.rows()], table.columns)
    again = list(open_table(tmp_path / f"b.{form}").rows())
    assert [row.cells[1] for row in again] == ["", "", "", "0.5"]
    if form == "jsonl":
        assert [row.values[2] for row in again] == [[1.0, None], [None], [], [2.0]]
    else:
        assert [json.loads(row.cells[2]) for row in again] == [[1.0, None], [None], [], [2.0]]


def test_a_number_of_json_that_is_too_large_is_written_as_nothing(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "n": 1e999, "deep": {"m": [-1e999]}}\n')
    table = open_table(tmp_path / "a.jsonl")
    write(tmp_path / "b.jsonl", [row.values for row in table.rows()], table.columns)
    assert (tmp_path / "b.jsonl").read_text() == '{"text": "a", "n": null, "deep": {"m": [null]}}\n'


# Spreadsheets


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\0=1",
        "＝1+1",
        "－1",
        "=",
        "-",
        "--1",
        "+81-3-1234",
    ],
)
def test_cells_that_a_spreadsheet_would_compute_are_quoted(cell):
    assert guarded(cell) == "'" + cell


@pytest.mark.parametrize(
    "cell", ["", "-1", "+3.5", "-1,234.5", "-1e-05", "+.5", "-12%", "a=b", " =1", "1+1", "良い", "'=1"]
)
def test_plain_numbers_and_texts_are_left_alone(cell):
    assert guarded(cell) == cell


@pytest.mark.parametrize("form", ["csv", "tsv", "xlsx"])
def test_formulas_are_quoted_in_every_form_that_a_spreadsheet_opens(tmp_path, form):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / f"a.{form}"
    write(path, [("1", '=HYPERLINK("http://x")', "-1")], ("id", "=text", "n"))
    if form == "xlsx":
        rows = list(openpyxl.load_workbook(path).active.iter_rows(values_only=True))
    else:
        rows = list(
            csv.reader(
                io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter="," if form == "csv" else "\t"
            )
        )
    assert [tuple(row) for row in rows] == [("id", "'=text", "n"), ("1", '\'=HYPERLINK("http://x")', "-1")]


def test_formulas_stay_in_json(tmp_path):
    write(tmp_path / "a.jsonl", [("1", "=1+1", "")])
    assert json.loads((tmp_path / "a.jsonl").read_text())["本文"] == "=1+1"


# Encodings


def test_cp932_tells_what_it_cannot_hold(tmp_path):
    rows = [("1", "①髙﨑～", "良い"), ("2", "😊良い😊", "♥"), ("3", "普通", "良い"), ("4", "한국", "")]
    writer = write(tmp_path / "a.csv", rows, encoding="cp932")
    found = [row.cells for row in open_table(tmp_path / "a.csv", encoding="cp932").rows()]
    assert found == [
        ("1", "①髙﨑～", "良い"),
        ("2", "〓良い〓", "〓"),
        ("3", "普通", "良い"),
        ("4", "〓〓", ""),
    ]
    assert (writer.unmappable, writer.unmappable_rows.n, writer.unmappable_rows.rows) == (5, 2, [2, 4])
    assert "5" in writer.notes[0]
    assert "2, 4" in writer.notes[0]


@pytest.mark.parametrize(
    ("cell", "encoding", "found"),
    [
        ("9時〜18時", "cp932", "9時〜18時"),
        ("9時～18時", "euc-jp", "9時〜18時"),
        ("か\u3099っこいい", "cp932", "がっこいい"),
        ("a—b", "cp932", "a―b"),
    ],
)
def test_marks_that_two_mappings_write_differently_are_not_lost(cell, encoding, found):
    assert encodable(cell, encoding) == (found, 0)


def test_ascii_gets_question_marks_and_utf8_replacement_characters():
    assert encodable("é", "ascii") == ("?", 1)
    assert encodable("a\ud800", "utf-8") == ("a\ufffd", 1)


def test_json_lines_lose_nothing_in_any_encoding(tmp_path):
    writer = write(tmp_path / "a.jsonl", [("1", "😊\ud800", "")], encoding="cp932")
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="cp932"))["本文"] == "😊\ud800"
    assert writer.unmappable == 0


@pytest.mark.parametrize(
    ("asked", "mark"), [("utf-8", False), ("utf-8-sig", True), (None, True), ("UTF_8", False)]
)
def test_the_name_says_whether_there_is_a_byte_order_mark(tmp_path, asked, mark):
    write(tmp_path / "a.csv", encoding=asked)
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbf") == mark


def test_an_unknown_encoding_is_refused_before_anything_is_written(tmp_path):
    refused("U030", ConfigError, tmp_path / "a.csv", encoding="cp999")
    refused("U046", ConfigError, tmp_path / "a.xlsx", encoding="cp932")
    assert left_in(tmp_path) == []


@given(
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=6),
    st.sampled_from(["csv", "tsv", "jsonl"]),
)
@settings(max_examples=150, deadline=None)
def test_any_text_is_written_and_stays_in_its_cell(tmp_path_factory, rows, form):
    path = tmp_path_factory.mktemp("any") / f"a.{form}"
    write(path, [("x", *row) for row in rows], COLUMNS)
    if rows:
        found = [row.cells for row in open_table(path, encoding="utf-8").rows()]
        clean = [tuple(cell.encode("utf-8", "replace").decode() for cell in row) for row in found]
        assert len(found) == len(rows)
        assert all(cells[0] == "x" for cells in clean)


# Whole or not at all


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_failure_leaves_what_was_there(tmp_path, form, before):
    if form == "xlsx":
        pytest.importorskip("openpyxl")
    path = tmp_path / f"a.{form}"
    if before:
        path.write_bytes(before)

    def rows():
        yield ROWS[0]
        raise BrokenError

    with pytest.raises(BrokenError):
        write(path, rows())
    assert left_in(tmp_path) == ([path.name] if before else [])
    assert not before or path.read_bytes() == before


def test_modes_of_the_old_file_and_of_the_user_are_kept(tmp_path):
    old = os.umask(0o027)
    try:
        write(tmp_path / "a.csv")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o640
    (tmp_path / "a.csv").chmod(0o604)
    write(tmp_path / "a.csv")
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o604


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    write(tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert "001" in (tmp_path / "real.csv").read_text(encoding="utf-8")


def test_the_input_is_not_written_over(tmp_path):
    (tmp_path / "a.csv").write_text("text\na\n")
    (tmp_path / "b.csv").symlink_to("a.csv")
    for path in ("a.csv", "b.csv"):
        refused("U044", ConfigError, tmp_path / path, source=tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "text\na\n"


def test_what_is_no_file_is_not_replaced(tmp_path):
    (tmp_path / "d.csv").mkdir()
    os.mkfifo(tmp_path / "p.csv")
    for name in ("d.csv", "p.csv"):
        refused("U045", ConfigError, tmp_path / name)
    refused("U045", ConfigError, "/dev/null", format="csv")


def test_a_missing_directory_is_an_error(tmp_path):
    assert "W030" in refused("W030", WorkError, tmp_path / "no" / "a.csv").code


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    pytest.importorskip("resource")
    code = f"""
import resource, signal
from jptextclf.data.writers import open_writer
from jptextclf.errors import WorkError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for form in ("csv", "jsonl"):
    try:
        with open_writer({str(tmp_path)!r} + "/a." + form, columns=["a"]) as writer:
            for _ in range(10_000):
                writer.write(["x" * 100])
    except WorkError as error:
        print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["JPT-W030"] * 2, done.stderr
    assert left_in(tmp_path) == []


def test_a_row_needs_a_cell_for_each_column(tmp_path):
    with pytest.raises(ValueError, match="2 cells for 3 columns"):
        write(tmp_path / "a.csv", [("a", "b")])


# Limits of Excel


def test_more_rows_than_a_sheet_has_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("openpyxl")
    monkeypatch.setattr(writers, "EXCEL_ROWS", 3)
    write(tmp_path / "fits.xlsx", ROWS[:2])
    refused("W031", WorkError, tmp_path / "a.xlsx", ROWS)
    assert left_in(tmp_path) == ["fits.xlsx"]


def test_a_text_that_no_cell_holds_is_refused_instead_of_cut(tmp_path):
    pytest.importorskip("openpyxl")
    write(tmp_path / "fits.xlsx", [("1", "あ" * 32_767, "")])
    for text in ("あ" * 32_768, "😊" * 16_384):
        assert (
            refused("W032", WorkError, tmp_path / "a.xlsx", [("1", "a", ""), ("2", text, "")]).fields["row"]
            == 2
        )


def test_characters_that_a_workbook_cannot_hold_are_replaced_and_told(tmp_path):
    pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    writer = write(tmp_path / "a.xlsx", [("1", "a\x00b\ud800\x1f", "")])
    assert [row.cells[1] for row in open_table(tmp_path / "a.xlsx").rows()] == ["a\ufffdb\ufffd\ufffd"]
    assert writer.unmappable == 3


def test_a_missing_package_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    refused("E001", SetupError, tmp_path / "a.xlsx")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("form", ["csv", "tsv", "xlsx"])
def test_cells_that_got_an_apostrophe_are_counted(tmp_path, form):
    if form == "xlsx":
        pytest.importorskip("openpyxl")
    writer = write(tmp_path / f"a.{form}", [("=1", "良い", "-1"), ("+x", "@y", "")])
    (note,) = writer.notes
    assert "3" in note
    assert writer.guarded == 3
    assert write(tmp_path / "a.jsonl", [("=1", "", "")]).notes == []
