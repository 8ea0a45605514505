"""Every form gives the same rows; every fault is one error that names rows or lines."""

import csv
import json
import os
import struct
import sys
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf.data.tables import open_table
from jptextclf.errors import ConfigError, DataError, SetupError

TEXTS = [
    ("r1", "駅から近くて、便利でした。", "001"),
    ("r2", "NA", "1"),
    ("r3", "「静か」で\nよく眠れた", "なし"),
    ("r4", "", "null"),
]
COLUMNS = ("id", "本文", "ラベル")


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def cells(path, **options):
    return [row.cells for row in open_table(path, **options).rows()]


def refused(path, code, **options):
    """The error that opening and reading the table ends with."""
    with pytest.raises((DataError, ConfigError)) as caught:
        list(open_table(path, **options).rows())
    assert caught.value.code == f"JPT-{code}", str(caught.value)
    if isinstance(caught.value, DataError):
        assert caught.value.exit_status == 3
    assert caught.value.hint
    return caught.value


def save(path, form):
    """The table of this module in some form, written by other people's code."""
    if form in ("csv", "tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter="," if form == "csv" else "\t").writerows([COLUMNS, *TEXTS])
    elif form == "jsonl":
        path.write_text("".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in TEXTS))
    elif form == "json":
        path.write_text(
            json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in TEXTS], ensure_ascii=False),
            encoding="utf-8",
        )
    elif form == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(
            pa.table(dict(zip(COLUMNS, map(list, zip(*TEXTS, strict=True)), strict=True))), path
        )
    else:
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in [COLUMNS, *TEXTS]:
            book.active.append(row)
        book.save(path)
    return path


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "json", "parquet", "xlsx"])
def test_every_form_gives_the_same_rows(tmp_path, form):
    if form == "xlsx":
        pytest.importorskip("python_calamine")
    table = open_table(save(tmp_path / f"a.{form}", form))
    assert table.columns == COLUMNS
    assert [row.cells for row in table.rows()] == TEXTS
    assert [row.number for row in table.rows()] == [1, 2, 3, 4]


def test_lines_are_physical_and_rows_are_not(write):
    table = open_table(write("a.csv", 'text,label\n"two\nlines",a\n\nb,c\n'))
    assert [(row.number, row.line) for row in table.rows()] == [(1, 2), (2, 5)]
    assert table.blank_lines == 1


def test_a_table_can_be_read_again(write):
    table = open_table(write("a.csv", "a,b\n1,2\n"))
    assert list(table.rows()) == list(table.rows())


def test_the_hash_is_that_of_the_file(write):
    import hashlib

    path = write("a.csv", "a,b\n1,2\n")
    assert open_table(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


# CSV


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_read(write, ends):
    assert cells(write("a.csv", ends.join(["a,b", '"x ""y""",1', "z,2"]))) == [('x "y"', "1"), ("z", "2")]


def test_line_ends_can_be_mixed(write):
    assert cells(write("a.csv", 'a,b\r\nx,1\ny,2\rz,"3\r\n4"\n')) == [("x", "1"), ("y", "2"), ("z", "3\r\n4")]


def test_a_byte_order_mark_is_not_part_of_the_first_name(write):
    assert open_table(write("a.csv", b"\xef\xbb\xbftext,label\na,b\n")).columns == ("text", "label")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text;label\nx, y;1\nz;2\n"),
        ("a.csv", "text\tlabel\nx, y\t1\nz\t2\n"),
        ("a.txt", "text;label\nx, y;1\nz;2\n"),
        ("a.txt", "text\tlabel\nx, y\t1\nz\t2\n"),
        ("a.txt", 'text,label\n"x, y",1\nz,2\n'),
        ("a.tsv", "text\tlabel\nx, y\t1\nz\t2\n"),
        ("A.CSV", 'text,label\n"x, y",1\nz,2\n'),
    ],
)
def test_the_delimiter_follows_the_first_lines(write, name, content):
    table = open_table(write(name, content))
    assert table.columns == ("text", "label")
    assert [row.cells for row in table.rows()] == [("x, y", "1"), ("z", "2")]


def test_a_text_file_of_one_column_stays_one(write):
    table = open_table(write("a.txt", "text\nHello, world\nno comma\nwell, well, well; and\n"))
    assert table.columns == ("text",)
    assert len(list(table.rows())) == 3


def test_a_blank_line_is_a_row_only_where_there_is_one_column(write):
    assert cells(write("a.csv", "text\na\n\nb\n")) == [("a",), ("",), ("b",)]
    assert cells(write("b.csv", "text,x\na,1\n\nb,2\n\n\n")) == [("a", "1"), ("b", "2")]


def test_a_cell_may_be_very_long(write):
    long = "あ" * 200_000
    assert cells(write("a.csv", f"text,label\n{long},1\n")) == [(long, "1")]


def test_line_separators_of_unicode_do_not_end_a_row(write):
    assert cells(write("a.csv", "text,label\na\u2028b\x0bc\x85d,1\n")) == [("a\u2028b\x0bc\x85d", "1")]


def test_quotes_inside_an_unquoted_tab_separated_file_are_text(write):
    path = write("a.tsv", 'text\tlabel\n"なるほど" と言った\t1\n"閉じない\t0\n{"a": 1}\t2\n')
    assert cells(path) == [('"なるほど" と言った', "1"), ('"閉じない', "0"), ('{"a": 1}', "2")]


def test_a_quoted_tab_separated_file_is_unquoted(write):
    path = write("a.tsv", 'text\tlabel\n"two\nlines\tand a tab"\t1\n"say ""hi"""\t0\n')
    assert cells(path) == [("two\nlines\tand a tab", "1"), ('say "hi"', "0")]


def test_the_first_row_is_data_where_columns_are_named(write):
    path = write("a.tsv", "r1\t良い\nr2\t悪い\n")
    assert cells(path, columns=["id", "text"]) == [("r1", "良い"), ("r2", "悪い")]


def test_a_header_that_repeats_the_given_names_is_no_data(write):
    table = open_table(write("a.csv", "ID,Text\n1,a\n"), columns=["id", "text"])
    assert [row.cells for row in table.rows()] == [("1", "a")]
    assert table.notes


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), max_size=12)


@given(
    table=st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8)
    ),
    delimiter=st.sampled_from([",", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    ends=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=200, deadline=None)
def test_what_a_csv_writer_wrote_is_read_back(tmp_path_factory, table, delimiter, quoting, ends):
    path = tmp_path_factory.mktemp("csv") / ("a.csv" if delimiter == "," else "a.tsv")
    header = [f"列{number}" for number in range(len(table[0]))]
    # The Python of these tests may leave a lone CR or LF unquoted where the other ends the line; nobody can read that.
    table = [[cell.replace("\r", "\n") for cell in row] for row in table]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(
            file, delimiter=delimiter, quoting=csv.QUOTE_ALL if ends == "\n" else quoting, lineterminator=ends
        )
        writer.writerows([header, *table])
    assert cells(path) == [tuple(row) for row in table]


# Faults of delimited files


def test_ragged_rows_are_all_named(write):
    lines = ["text,label"] + [f"t{number},1" for number in range(1, 41)]
    for number in range(5, 37, 2):
        lines[number] += ",extra"
    error = refused(write("a.csv", "\n".join(lines)), "D010")
    assert error.fields["n"] == 16
    assert "row 5 (line 6): 3" in error.message
    assert "row 23 (line 24)" in error.message
    assert "and 6 more" in error.message


def test_a_row_with_too_few_cells_is_ragged_too(write):
    assert refused(write("a.csv", "a,b\nx,1\ny\n"), "D010").fields["n"] == 1


@pytest.mark.parametrize("rest", ["", '1,"b"\n', '1,"b"\n2,"c"\n', "1,b\n2,c\n"])
def test_an_unclosed_quote_is_named_by_the_line_on_which_it_opens(write, rest):
    content = 'label,text\n0,"fine, with\ntwo lines"\n0,"never closed\n' + rest
    assert refused(write("a.csv", content), "D011").fields["line"] == 4


def test_text_behind_a_closing_quote_is_named_by_its_line(write):
    assert refused(write("a.csv", 'text,label\nok,1\n"a" b,0\n'), "D012").fields["line"] == 3


def test_an_endless_cell_is_an_error_not_a_full_memory(write, monkeypatch):
    from jptextclf.data import _delimited

    monkeypatch.setattr(_delimited, "_FIELD_LIMIT", 100_000)
    csv.field_size_limit(100_000)
    try:
        assert refused(write("a.csv", 'text,label\na,1\n"' + "x\n" * 60_000), "D032").fields["line"] == 3
    finally:
        csv.field_size_limit(131_072)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\n\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_an_empty_file_says_so(write, name, content):
    refused(write(name, content), "D005")


@pytest.mark.parametrize("content", ["text,label\n", "text,label", "text,label\n\n\n"])
def test_a_header_alone_says_so(write, content):
    assert "--columns" in refused(write("a.csv", content), "D006").hint


def test_one_row_is_a_table(write):
    assert cells(write("a.csv", "text,label\na,b")) == [("a", "b")]


def test_duplicate_column_names_are_refused_blank_ones_not(write):
    assert refused(write("a.csv", "text,label,text\na,b,c\n"), "D013").fields["names"] == "text"
    assert open_table(write("b.csv", ",text,\n1,a,\n")).columns == ("", "text", "")


def test_a_wrong_number_of_given_columns_says_how_many_there_are(write):
    error = refused(write("a.csv", "1,a,b\n"), "D017", columns=["id", "text"])
    assert (error.fields["found"], error.fields["given"]) == (3, 2)


@pytest.mark.parametrize("columns", [["a", "a"], ["a", ""]])
def test_given_columns_must_be_distinct(write, columns):
    refused(write("a.csv", "1,a\n"), "U031", columns=columns)


# Files that are no files


def test_a_missing_file_names_its_neighbour(write):
    error = refused(write("reviews.csv", "a").with_name("review.csv"), "D001")
    assert "reviews.csv" in error.message


def test_a_directory_is_refused(tmp_path, write):
    write("reviews.csv", "a")
    assert "reviews.csv" in refused(tmp_path, "D002").hint


def test_a_pipe_is_refused_at_once(tmp_path):
    path = tmp_path / "a.csv"
    os.mkfifo(path)
    refused(path, "D003")
    refused("/dev/null", "D003")


def test_a_path_that_no_system_has_is_refused(tmp_path):
    refused(tmp_path / "a\0.csv", "D004")
    refused(tmp_path / ("a" * 300 + ".csv"), "D004")
    refused(tmp_path / "no" / "such" / "directory.csv", "D001")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="modes are those of POSIX")
def test_a_file_that_may_not_be_read_is_refused(write):
    path = write("a.csv", "a,b\n1,2\n")
    path.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        # Root may read everything; the user nobody may not.
        os.seteuid(65534)
    try:
        with pytest.raises(DataError) as caught:
            open_table(path)
    finally:
        if is_root:
            os.seteuid(0)
    assert caught.value.code == "JPT-D004"


def test_an_unknown_suffix_is_refused(write):
    assert ".csv" in refused(write("a.docx", "a"), "D036").message
    refused(write("noend", "a"), "D036")


@pytest.mark.parametrize("magic", [b"PK\x03\x04xx", b"\xd0\xcf\x11\xe0xx", b"PAR1xx", b"\x1f\x8bxx"])
def test_a_spreadsheet_with_the_suffix_of_a_text_is_recognised(write, magic):
    refused(write("a.csv", magic), "D016")


def test_a_file_that_changes_under_the_reader_is_refused(write):
    path = write("a.csv", "a,b\n" + "1,2\n" * 100_000)
    rows = open_table(path).rows()
    next(rows)
    os.utime(path, (1, 1))
    with pytest.raises(DataError) as caught:
        list(rows)
    assert caught.value.code == "JPT-D033"


# JSON


@pytest.mark.parametrize(
    "change", [lambda path: path.unlink(), lambda path: path.write_bytes(b"text\n\xff\n" * 9)]
)
def test_a_file_that_is_removed_or_spoilt_under_the_reader_is_refused(write, change):
    for early in (True, False):
        path = write("a.csv", "text\nあ\n" * (1 << 16))
        table = open_table(path)
        with pytest.raises(DataError) as caught:
            rows = table.rows()
            if not early:
                next(rows)
            change(path)
            list(rows)
            _ = table.sha256
        assert caught.value.code == "JPT-D033"


@pytest.mark.parametrize("name", ["", "~nosuchuser/x.csv", "x" * 5000 + ".csv"])
def test_a_path_that_cannot_be_is_an_error(name):
    with pytest.raises(DataError) as caught:
        open_table(name)
    assert caught.value.code in {"JPT-D001", "JPT-D004"}


def test_columns_may_be_named_between_commas(write):
    assert open_table(write("a.csv", "あ,良\n"), columns="text,label").columns == ("text", "label")


def test_keys_of_all_lines_are_columns(write):
    table = open_table(
        write("a.jsonl", '{"a": 1}\n\n{"b": [1, "x"], "a": null}\n{"c": {"d": "é"}, "b": true}\n')
    )
    assert table.columns == ("a", "b", "c")
    assert [row.cells for row in table.rows()] == [
        ("1", "", ""),
        ("", ("1", "x"), ""),
        ("", "true", '{"d": "é"}'),
    ]
    assert [row.values for row in table.rows()][1] == (None, [1, "x"], None)
    assert [row.line for row in table.rows()] == [1, 3, 4]


@pytest.mark.parametrize("bad", ['{"text": "a', "[1]", '"text"', '{"text": NaN}', '{"a": 1, "a": 2}', "{} {}", "[" * 200_000,
                                 '{"n": ' + "1" * 5000 + "}"])  # fmt: skip
def test_a_broken_line_is_named(write, bad):
    lines = ['{"text": "a", "label": "b"}'] * 999 + [bad]
    assert refused(write("a.jsonl", "\n".join(lines)), "D014").fields["line"] == 1000


def test_lone_surrogates_are_kept(write):
    assert cells(write("a.jsonl", '{"text": "a\\ud800b"}\n')) == [("a\ud800b",)]


def test_a_json_list_needs_objects(write):
    assert "2" in refused(write("a.json", '[{"a": 1}, 2]'), "D015").message
    assert refused(write("b.json", '[{"a": 1},\n{"a": ]'), "D014").fields["line"] == 2
    refused(write("c.json", "[]"), "D005")
    assert cells(write("d.json", '{"a": 1}\n{"a": 2}\n')) == [("1",), ("2",)]


def test_columns_cannot_be_given_to_a_form_that_names_them(write):
    refused(write("a.jsonl", '{"text": "a"}\n'), "U033", columns=["x"])


# Parquet


def test_parquet_values_become_text(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(
        {
            "i": pa.array([1, None], pa.int64()),
            "f": pa.array([1.0, float("nan")]),
            "b": [True, False],
            "l": [["a", "b"], []],
            "d": pa.array(["x", "y"]).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    assert cells(tmp_path / "a.parquet") == [
        ("1", "1.0", "true", ("a", "b"), "x"),
        ("", "", "false", (), "y"),
    ]


def test_label_ids_of_parquet_get_the_names_that_datasets_stored(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["悪い", "良い"])}
    )
    made = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    made.to_parquet(tmp_path / "a.parquet")
    assert cells(tmp_path / "a.parquet") == [("a", "良い"), ("b", "悪い"), ("c", "")]


@pytest.mark.parametrize(
    "features",
    [
        7,
        ["label"],
        {"label": 7},
        {"label": {"_type": "ClassLabel", "names": "abc"}},
        {"label": {"_type": "ClassLabel", "names": [1, 2]}},
        {"text": {"_type": "ClassLabel", "names": ["a"]}, "other": {"_type": "ClassLabel", "names": ["a"]}},
    ],
)
def test_names_that_do_not_fit_a_parquet_column_are_ignored(tmp_path, features):
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"text": ["あ"], "label": [0]})
    note = json.dumps({"info": {"features": features}})
    parquet.write_table(table.replace_schema_metadata({"huggingface": note}), tmp_path / "a.parquet")
    assert cells(tmp_path / "a.parquet") == [("あ", "0")]


def test_times_that_python_does_not_have_are_read_as_text(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    times = pa.array([253402300800, -(1 << 40), None], pa.timestamp("s"))
    dates = pa.array([1 << 30, 0, None], pa.date32())
    parquet.write_table(pa.table({"text": ["a", "b", "c"], "t": times, "d": dates}), tmp_path / "a.parquet")
    read = cells(tmp_path / "a.parquet")
    assert read[0][1].startswith("10000-01-01")
    assert [row[0] for row in read] == ["a", "b", "c"]


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = save(tmp_path / "a.parquet", "parquet")
    whole = path.read_bytes()
    for cut in (whole[: len(whole) // 2], whole[:-1], b"PAR1", b"", whole[:20] + b"\0" * 40 + whole[60:]):
        path.write_bytes(cut)
        refused(path, "D015")


# Excel


@pytest.fixture
def sheet(tmp_path):
    pytest.importorskip("python_calamine")
    openpyxl = pytest.importorskip("openpyxl")

    def sheet(*rows, name="a.xlsx", also=None):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(list(row))
        if also:
            also(book)
        book.save(tmp_path / name)
        return tmp_path / name

    return sheet


def test_numbers_of_a_sheet_are_written_as_seen(sheet):
    import datetime as dt

    path = sheet(["text", "n", "d"], ["a", 1, dt.date(2024, 1, 2)], ["b", 1.5, None], ["c", "001", True])
    assert cells(path) == [("a", "1", "2024-01-02"), ("b", "1.5", ""), ("c", "001", "true")]


def test_a_blank_row_between_others_is_a_row_those_around_the_table_are_none(sheet):
    path = sheet([], [None, "text", "label"], [None, "a", "b"], [], [None, "c", None], [None, None, ""], [])
    table = open_table(path)
    assert table.columns == ("text", "label")
    assert [(row.number, row.line, row.cells) for row in table.rows()] == [
        (1, 3, ("a", "b")),
        (2, 4, ("", "")),
        (3, 5, ("c", "")),
    ]


def test_the_first_visible_sheet_with_rows_is_read_and_the_others_named(sheet):
    def more(book):
        book.create_sheet("隠し").append(["x"])
        book["隠し"].sheet_state = "hidden"
        book.create_sheet("空")
        book.create_sheet("本体").append(["text"])
        book["本体"].append(["a"])
        book.move_sheet("隠し", -10)

    path = sheet(also=more)
    table = open_table(path)
    assert [row.cells for row in table.rows()] == [("a",)]
    assert "本体" in table.notes[0]
    assert cells(path, sheet="本体") == [("a",)]
    assert "本体" in refused(path, "U032", sheet="本休").hint


def test_merged_cells_and_formulas_are_told_not_computed(sheet):
    path = sheet(
        ["text", "label"],
        ["a", "x"],
        ["b", None],
        ["=1+1", "y"],
        also=lambda book: book.active.merge_cells("B2:B3"),
    )
    table = open_table(path)
    assert [row.cells for row in table.rows()] == [("a", "x"), ("b", ""), ("", "y")]
    assert "1" in table.notes[0]


def test_a_damaged_or_empty_workbook_is_refused(sheet, write):
    whole = sheet(["text"], ["a"]).read_bytes()
    for cut in (b"", b"PK\x03\x04", whole[: len(whole) // 2], b"text,label\n"):
        refused(write("b.xlsx", cut), "D015")
    refused(sheet(name="c.xlsx"), "D005")
    refused(sheet(["text"], name="d.xlsx"), "D006")


def test_a_zip_bomb_is_refused_unopened(tmp_path):
    path = tmp_path / "a.xlsx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w") as file,
    ):
        for _ in range(300):
            file.write(bytes(1 << 20))
    refused(path, "D024")


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="99999999999"><c r="A99999999999"><v>1</v></c></row>',
        "<row r = '1048576'>" + "<c><v>1</v></c>" * 99 + "</row>",
    ],
)
def test_a_cell_far_away_is_refused_before_memory_is_taken_for_all_between(sheet, tmp_path, rows):
    path = tmp_path / "far.xlsx"
    with zipfile.ZipFile(sheet(["text"], ["a"])) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                start, end = content.index(b"<sheetData>") + 11, content.index(b"</sheetData>")
                content = content[:start] + rows.encode() + content[end:]
            new.writestr(name, content)
    refused(path, "D023")


def test_a_cell_that_is_only_formatted_does_not_make_a_sheet_large(sheet):
    from openpyxl.styles import Font

    def far(book):
        book.active["XFD9999"].font = Font(bold=True)

    assert cells(sheet(["text"], ["a"], also=far)) == [("a",)]


def test_a_damaged_directory_of_the_archive_is_refused(sheet, write):
    whole = bytearray(sheet(["text"], ["a"]).read_bytes())
    whole[whole.rindex(b"PK\x01\x02")] = 0
    refused(write("b.xlsx", bytes(whole)), "D015")


def test_an_encrypted_workbook_is_refused(write):
    pytest.importorskip("python_calamine")
    # An OLE container whose only stream is called EncryptedPackage is what Excel writes for a password.
    refused(write("a.xlsx", ole_with("EncryptedPackage")), "D022")


def ole_with(name):
    """A compound file (512-byte sectors) with one empty stream."""
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + bytes(6)
    )
    header += (
        struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0)
        + struct.pack("<I", 0)
        + struct.pack("<I", free) * 108
    )
    fat = struct.pack("<III", 0xFFFFFFFD, end, free) + struct.pack("<I", free) * 125

    def entry(title, kind, child):
        raw = title.encode("utf-16-le")
        return (
            raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw) + 2 if raw else 0, kind, 1)
            + struct.pack("<III", free, free, child) + bytes(36) + struct.pack("<IQ", end, 0)
        )  # fmt: skip

    return header + fat + entry("Root Entry", 5, 1) + entry(name, 2, free) + entry("", 0, free) * 2


def test_a_missing_package_says_how_to_install_it(sheet, monkeypatch):
    path = sheet(["text"], ["a"])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(SetupError) as caught:
        open_table(path)
    assert caught.value.exit_status == 4
    assert "jptextclf[excel]" in caught.value.hint
