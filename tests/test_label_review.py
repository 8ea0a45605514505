"""Wrong labels come first, a person corrects them in Excel, and the data have the corrections and nothing else changed."""

import csv
import json
import re
import shutil

import numpy as np
import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import jptextclf
from jptextclf import messages
from jptextclf.cli import cli
from jptextclf.data.loading import cell_of_labels, labels_of
from jptextclf.errors import ConfigError, DataError
from jptextclf.label_review.ranking import rank
from jptextclf.progress import Silent


def test_a_ranking_by_hand():
    found = rank(
        np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.45, 0.55]], dtype=np.float32), np.array([0, 1, 1, 0])
    )
    assert found.order.tolist() == [1, 3, 0, 2]
    assert found.own.tolist() == pytest.approx([0.9, 0.2, 0.9, 0.45])
    # Label 0 is 0.675 sure of its texts on average, label 1 0.55: text 1 and text 3 are at least as sure of the other.
    assert found.doubtful.tolist() == [False, True, False, True]
    assert found.suggested.tolist() == [0, 0, 1, 1]


def test_votes_count_as_much_as_the_model():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], dtype=np.float32)
    shares = np.array([[0, 1], [0.4, 0.6], [0, 1], [1, 0]], dtype=np.float32)
    found = rank(probabilities, np.array([1, 1, 1, 0]), shares)
    # What all annotators said is not doubted; of two that the model doubts alike, the votes decide.
    assert found.doubtful.tolist() == [False, True, False, False]
    assert found.order.tolist()[:2] == [1, 0]
    assert found.own.tolist() == pytest.approx([0.55, 0.35, 0.95, 0.95])
    several = rank(probabilities, np.array([[0, 1], [0, 1], [0, 1], [1, 0]]), shares)
    assert several.doubtful.tolist() == [False, True, False, False]


def test_a_multilabel_ranking_turns_only_what_is_doubtful():
    probabilities = np.array([[0.9, 0.1], [0.95, 0.9], [0.1, 0.9], [0.05, 0.1]], dtype=np.float32)
    found = rank(probabilities, np.array([[1, 0], [0, 1], [0, 1], [0, 0]]))
    assert found.order[0] == 1
    assert found.doubtful.tolist() == [False, True, False, False]
    assert found.suggested.tolist() == [[1, 0], [1, 1], [0, 1], [0, 0]]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9999), n=st.integers(1, 30), n_labels=st.integers(1, 4), several=st.booleans())
def test_any_ranking_is_an_order_of_all_texts(seed, n, n_labels, several):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(n_labels), n).astype(np.float32)
    references = generator.integers(0, 2, (n, n_labels)) if several else generator.integers(0, n_labels, n)
    found = rank(probabilities, references)
    assert sorted(found.order.tolist()) == list(range(n))
    assert (np.diff(found.own[found.order]) >= 0).all()
    changed = (found.suggested != references).reshape(n, -1).any(axis=1)
    assert (changed | ~found.doubtful).all()


@settings(max_examples=100, deadline=None)
@given(names=st.lists(st.text("abc良", min_size=1, max_size=3), min_size=1, max_size=3, unique=True))
def test_labels_go_back_into_the_form_of_their_cell(names):
    for cell, separator in ((tuple("x"), None), ("x|y", "|"), ('["x", "y"]', None)):
        assert labels_of(_read_again(cell_of_labels(cell, names, separator)), separator) == tuple(names)
    assert cell_of_labels("x", names[:1], None) == names[0]


def _read_again(cell):
    return tuple(cell) if isinstance(cell, list) else cell


@pytest.fixture(scope="module")
def rows(reviews):
    """Reviews of two labels, three of them with the wrong one, and what spreadsheets would compute."""
    some = [
        (f"{text}{number // len(reviews) or ''}", label) for number, (text, label) in enumerate(reviews * 3)
    ]
    turned = {"良い": "悪い", "悪い": "良い"}
    found = [[text, label, str(number)] for number, (text, label) in enumerate(some)]
    for place in (4, 11, 20):
        found[place][1] = turned[found[place][1]]
    found[4][0] = "=1+1 " + found[4][0]
    return found


@pytest.fixture
def data(rows, tmp_path):
    path = tmp_path / "口コミ.csv"
    with path.open("w", encoding="cp932", newline="") as file:
        csv.writer(file).writerows([["text", "label", "number"], *rows])
    return path


@pytest.fixture(scope="module")
def written(rows, tiny_encoder, tmp_path_factory):
    """A sheet, made once."""
    messages.use_language("ja")
    folder = tmp_path_factory.mktemp("review")
    path = folder / "口コミ.csv"
    with path.open("w", encoding="cp932", newline="") as file:
        csv.writer(file).writerows([["text", "label", "number"], *rows])
    out = folder / "review.xlsx"
    found = jptextclf.review_export(
        path, out, share=0.5, model=str(tiny_encoder), max_length=64, device="cpu", progress=Silent()
    )
    return found, out


@pytest.fixture
def sheet(written, tmp_path):
    return shutil.copyfile(written[1], tmp_path / "review.xlsx")


def correct(sheet, corrections):
    """Write into the column of corrections, as a person would: rows by their number."""
    book = openpyxl.load_workbook(sheet)
    page = book.worksheets[0]
    header = [cell.value for cell in page[1]]
    row, correction = header.index("行"), header.index("訂正")
    for cells in page.iter_rows(min_row=2):
        if cells[row].value in corrections:
            cells[correction].value = corrections[cells[row].value]
    book.save(sheet)


def test_a_sheet_has_the_doubtful_rows_and_a_list_to_choose_from(written, rows):
    found, out = written
    assert found.n_texts == len(rows)
    assert len(found.candidates) == round(0.5 * len(rows))
    assert [one.own for one in found.candidates] == sorted(one.own for one in found.candidates)
    book = openpyxl.load_workbook(out)
    page = book.worksheets[0]
    assert [cell.value for cell in page[1]][:3] == ["行", "テキスト", "ラベル"]
    assert page.max_row == len(found.candidates) + 1
    (rule,) = page.data_validations.dataValidation
    assert (rule.type, rule.formula1) == ("list", "=labels!$A$1:$A$2")
    assert [cell.value for cell in book["labels"]["A"]] == ["悪い", "良い"]
    assert {one.title: one.sheet_state for one in book.worksheets[1:]} == {
        "labels": "hidden",
        "jptextclf": "hidden",
    }
    for cells in page.iter_rows(min_row=2):
        number, shown, label = (cell.value for cell in cells[:3])
        assert [shown, label] == rows[number - 1][:2]
        # Nothing in it is computed.
        assert all(cell.data_type in {"s", "n"} for cell in cells)


def test_corrections_are_applied_and_nothing_else(written, sheet, data, rows, tmp_path):
    chosen = [one.row for one in written[0].candidates[:3]]
    wanted = {row: "良い" if rows[row - 1][1] == "悪い" else "悪い" for row in chosen}
    same = written[0].candidates[5].row
    correct(sheet, {**wanted, same: rows[same - 1][1]})
    out = tmp_path / "corrected.csv"
    before = data.read_bytes()
    found = jptextclf.review_apply(sheet, data, out)
    assert data.read_bytes() == before
    with out.open(encoding="utf-8-sig", newline="") as file:
        again = list(csv.reader(file))[1:]
    for number, (was, now) in enumerate(zip(rows, again, strict=True), start=1):
        expected = [was[0], wanted.get(number, was[1]), was[2]]
        assert [now[0].removeprefix("'"), *now[1:]] == expected
    with found.changes_path.open(encoding="utf-8-sig", newline="") as file:
        listed = list(csv.reader(file))[1:]
    assert {(int(row[0]), row[3], row[4]) for row in listed} == {
        (row, rows[row - 1][1], label) for row, label in wanted.items()
    }


def test_rows_and_columns_of_the_sheet_may_be_moved(written, sheet, data, rows, tmp_path):
    first, second = (one.row for one in written[0].candidates[:2])
    correct(sheet, {first: "良い", second: "悪い"})
    book = openpyxl.load_workbook(sheet)
    page = book.worksheets[0]
    cells = [[cell.value for cell in row] for row in page.iter_rows()]
    page.delete_rows(1, page.max_row)
    for row in [cells[0], *reversed(cells[1:])]:
        page.append([None, *reversed(row)])
    book.save(sheet)
    found = jptextclf.review_apply(sheet, data, tmp_path / "out.csv")
    expected = {row for row, label in ((first, "良い"), (second, "悪い")) if rows[row - 1][1] != label}
    assert {one.row for one in found.changes} == expected


def test_what_does_not_fit_is_refused_and_nothing_is_written(written, sheet, data, tmp_path):
    messages.use_language("en")
    row = written[0].candidates[0].row
    out = tmp_path / "out.csv"

    def refused(code, file=sheet, of=data, **options):
        with pytest.raises(ConfigError, match=f"JPT-{code}"):
            jptextclf.review_apply(file, of, out, **options)
        assert not out.exists()

    correct(sheet, {row: "よい"})
    refused("U214")
    assert (
        jptextclf.review_apply(sheet, data, tmp_path / "new.csv", new_labels=True).changes[0].after == "よい"
    )
    correct(sheet, {row: "良い"})
    other = tmp_path / "other.csv"
    other.write_bytes(data.read_bytes() + b"x,y,z\r\n")
    refused("U213", of=other)
    refused("U211", file=data)
    with pytest.raises(DataError, match="JPT-D001"):
        jptextclf.review_apply(tmp_path / "none.xlsx", data, out)
    plain = tmp_path / "plain.xlsx"
    openpyxl.Workbook().save(plain)
    refused("U211", file=plain)
    out.write_bytes(b"")
    with pytest.raises(ConfigError, match="JPT-U185"):
        jptextclf.review_apply(sheet, data, out)
    with pytest.raises(ConfigError, match="JPT-U186"):
        jptextclf.review_apply(sheet, data, data, overwrite=True)
    out.unlink()
    book = openpyxl.load_workbook(sheet)
    book.worksheets[0]["A1"].value = "番号"
    book.save(sheet)
    refused("U212")


def test_what_cannot_be_reviewed_is_refused(tmp_path, data):
    few = tmp_path / "few.csv"
    few.write_text("text,label\na,b\nc,d\n", encoding="utf-8")
    with pytest.raises(DataError, match="JPT-D086"):
        jptextclf.review_export(few, tmp_path / "a.xlsx", progress=Silent())
    with pytest.raises(ConfigError, match="JPT-U210"):
        jptextclf.review_export(data, tmp_path / "a.csv", progress=Silent())
    with pytest.raises(ConfigError, match="JPT-U207"):
        jptextclf.review_export(data, tmp_path / "a.xlsx", share=2, progress=Silent())
    with pytest.raises(ConfigError, match="JPT-U184"):
        jptextclf.review_export("reviews-ja", tmp_path / "a.xlsx", progress=Silent())


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_command_with_several_labels_and_votes(tmp_path, tiny_encoder, reviews, language):
    path = tmp_path / "tags.jsonl"
    items = [
        {
            "text": f"{text}{number}",
            "label": [label, "長い"] if len(text) > 12 else [label],
            "votes": [[label], [label, "長い"]],
        }
        for number, (text, label) in enumerate(reviews * 2)
    ]
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in items), encoding="utf-8")
    sheet, out = tmp_path / "a.xlsx", tmp_path / "b.jsonl"
    done = CliRunner().invoke(
        cli,
        ["review", "export", str(path), str(sheet), "--share", "0.2", "--votes-column", "votes", "--model", str(tiny_encoder),
         "--max-length", "64", "--lang", language],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert str(sheet) in done.stdout
    book = openpyxl.load_workbook(sheet)
    page = book.worksheets[0]
    assert not page.data_validations.dataValidation
    assert set(re.split("[、,] ?", page.cell(2, 7).value)) <= {"良い 2", "悪い 2", "長い 1"}
    row = page.cell(2, 1).value
    page.cell(2, 8).value = "長い|良い"
    book.save(sheet)
    done = CliRunner().invoke(cli, ["review", "apply", str(sheet), str(path), str(out), "--lang", language])
    assert done.exit_code == 0, done.stderr
    again = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert set(again[row - 1]["label"]) == {"長い", "良い"}
    assert [one for number, one in enumerate(again, 1) if number != row] == [
        one for number, one in enumerate(items, 1) if number != row
    ]


def test_labels_in_lists_of_json_with_the_usual_separator_in_them(tmp_path, tiny_encoder, reviews):
    path, sheet, out = tmp_path / "tags.csv", tmp_path / "a.xlsx", tmp_path / "b.csv"
    labels = [[label, "長い|遠い"] if len(text) > 12 else [label] for text, label in reviews]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(
            [text, json.dumps(names, ensure_ascii=False)]
            for (text, _), names in zip(reviews, labels, strict=True)
        )
    # A list of changes of another file beside the sheet is none of its business.
    (tmp_path / "a.changes.csv").write_text("mine", encoding="utf-8")
    jptextclf.review_export(
        path, sheet, share=0.3, model=str(tiny_encoder), max_length=64, device="cpu", progress=Silent()
    )
    book = openpyxl.load_workbook(sheet)
    page = book.worksheets[0]
    row = page.cell(2, 1).value
    page.cell(2, 8).value = "長い|遠い;良い"
    book.save(sheet)
    jptextclf.review_apply(sheet, path, out)
    with out.open(encoding="utf-8-sig", newline="") as file:
        again = [json.loads(one["label"]) for one in csv.DictReader(file)]
    assert set(again[row - 1]) == {"長い|遠い", "良い"}
    assert [one for number, one in enumerate(again, 1) if number != row] == [
        one for number, one in enumerate(labels, 1) if number != row
    ]


def test_one_label_each_with_a_separator_is_still_a_task_of_several(tmp_path, tiny_encoder, reviews):
    path = tmp_path / "one.csv"
    path.write_text(
        "text,label\n" + "".join(f"{text},{label}\n" for text, label in reviews), encoding="utf-8"
    )
    found = jptextclf.review_export(
        path, tmp_path / "a.xlsx", share=0.5, label_separator="|", model=str(tiny_encoder), max_length=64, device="cpu",
        progress=Silent(),
    )  # fmt: skip
    assert all(0 <= one.own <= 1 for one in found.candidates)
    assert all(one.own == pytest.approx(1 - one.suggested) for one in found.candidates)


@pytest.mark.full
def test_flipped_labels_come_first(shared, tmp_path):
    """With 5 % of pn's training labels flipped, 60 % of the flips are among the first 10 % (mean of 3 seeds)."""
    with (shared / "data" / "jrte" / "pn.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row[4] == "train"]
    names = sorted({row[1] for row in rows})
    found = []
    for seed in range(3):
        generator = np.random.default_rng(seed)
        flipped = set(generator.choice(len(rows), len(rows) // 20, replace=False).tolist())
        path = tmp_path / f"{seed}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for number, row in enumerate(rows):
                others = [name for name in names if name != row[1]]
                writer.writerow([row[2], generator.choice(others) if number in flipped else row[1]])
        review = jptextclf.review_export(
            path, tmp_path / f"{seed}.xlsx", share=0.1, device="cpu", progress=Silent()
        )
        first = {one.row - 1 for one in review.candidates}
        found.append(len(flipped & first) / len(flipped))
    print("share of the flips in the first 10 %:", found)
    assert np.mean(found) >= 0.6
