"""Whatever is named becomes examples by split, with every row accounted for."""

import json
import os
import zipfile
from pathlib import Path

import pytest
from fakehub import FakeHub
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf.data.loading import labels_of, load_data
from jptextclf.data.origin import DataOrigin
from jptextclf.data.rows import is_empty
from jptextclf.errors import ConfigError, DataError

PN = Path(__file__).parents[2] / "shared" / "data" / "jrte" / "pn.tsv"
EMOTION = Path(__file__).parents[2] / "shared" / "data" / "emotion"
FIVE = ("utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16")
ROWS = [("朝食が美味しい", "良い"), ("部屋が汚い", "悪い"), ("駅から近い", "良い"), ("うるさい", "悪い")]


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def reviews(write):
    return write("reviews.csv", "本文,ラベル\n" + "".join(f"{text},{label}\n" for text, label in ROWS))


def refused(code, *args, error=DataError, **options):
    with pytest.raises(error) as caught:
        load_data(*args, **options)
    assert caught.value.code == f"JPT-{code}", str(caught.value)
    return caught.value


def content(loaded):
    """Everything about loaded data that does not say how the file was written."""
    summary = loaded.summary.to_json()
    for file in summary["files"]:
        del file["encoding"], file["sha256"], file["name"]
    del summary["source"]
    return loaded.splits, summary


# Files


def test_a_file_of_reviews_is_train(reviews):
    loaded = load_data(reviews)
    assert list(loaded.splits) == ["train"]
    train = loaded.splits["train"]
    assert (train.texts, train.labels, train.rows) == (
        [text for text, _ in ROWS],
        [(label,) for _, label in ROWS],
        [1, 2, 3, 4],
    )
    summary = loaded.summary.to_json()
    assert (summary["read"], summary["kept"], summary["rejected"]) == (4, 4, 0)
    assert summary["columns"] == {"text": ["本文"], "label": "ラベル", "split": None, "label_separator": None}
    assert summary["splits"] == {"train": {"texts": 4, "labels": {"悪い": 2, "良い": 2}}}
    json.dumps(summary)


@pytest.mark.parametrize("codec", FIVE)
def test_the_encoding_of_a_file_changes_nothing(write, reviews, codec):
    rows = reviews.read_text(encoding="utf-8") + "①です〜,良い\n".replace("①", "1").replace("〜", "")
    plain = write("a.csv", rows)
    other = write(f"{codec}.csv", rows.encode(codec))
    assert content(load_data(other)) == content(load_data(plain))


@pytest.mark.skipif(not PN.is_file(), reason="the JRTE corpus is not here")
def test_the_five_encodings_of_real_reviews_give_the_same_examples(write):
    def fits(row):
        try:
            return all(row.encode(codec).decode(codec) == row for codec in FIVE)
        except UnicodeEncodeError:
            return False

    rows = "".join(row for row in PN.read_text(encoding="utf-8").splitlines(keepends=True) if fits(row))
    columns = ["id", "label", "text", "votes", "split"]
    found = [content(load_data(write(f"{codec}.tsv", rows.encode(codec)), columns=columns)) for codec in FIVE]
    assert all(one == found[0] for one in found)
    assert len(found[0][0]["train"]) > 3800


@pytest.mark.skipif(not EMOTION.is_dir(), reason="the emotion data are not here")
def test_semicolons_and_a_validation_file_are_read():
    loaded = load_data(EMOTION / "train.txt", validation=EMOTION / "val.txt")
    assert {split: len(examples) for split, examples in loaded.splits.items()} == {
        "train": 16000,
        "validation": 2000,
    }
    assert len(loaded.summary.labels["train"]) == 6


def test_labels_keep_their_spelling_in_every_form(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    rows = [("a", "001"), ("b", "1"), ("c", "NA"), ("d", "なし"), ("e", "null")]
    (tmp_path / "a.csv").write_text(
        "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8"
    )
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    )
    parquet.write_table(
        pa.table({"text": [t for t, _ in rows], "label": [name for _, name in rows]}), tmp_path / "a.parquet"
    )
    book = openpyxl.Workbook()
    for row in [("text", "label"), *rows]:
        book.active.append(row)
    # A number cell beside a text cell: 1 is not 1.0.
    book.active["B3"] = 1
    book.save(tmp_path / "a.xlsx")
    found = {
        form: load_data(tmp_path / f"a.{form}").splits["train"].labels
        for form in ("csv", "jsonl", "parquet", "xlsx")
    }
    assert all(labels == [(label,) for _, label in rows] for labels in found.values()), found


def test_integers_are_labels_in_typed_forms(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"text": ["a", "b"], "label": [0, 1]}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": 0}\n{"text": "b", "label": 1}\n')
    for form in ("parquet", "jsonl"):
        assert load_data(tmp_path / f"a.{form}").splits["train"].labels == [("0",), ("1",)]


def test_title_and_body_are_joined(write):
    path = write("a.csv", "title,body,label\nT,B,x\n,B,y\nT,,x\n")
    assert load_data(path, text_column=["title", "body"]).splits["train"].texts == ["T B", "B", "T"]


# Rejected rows


def test_empty_texts_and_missing_labels_are_counted_with_their_rows(write):
    path = write("a.csv", "text,label\na,x\n,y\n\u3000 \u200b,y\nb,\nc,y\nd, \n")
    loaded = load_data(path)
    assert loaded.splits["train"].rows == [1, 5]
    summary = loaded.summary.to_json()
    assert (summary["read"], summary["kept"], summary["rejected"]) == (6, 2, 4)
    assert summary["files"][0]["rejected"] == {
        "empty_text": {"n": 2, "rows": [2, 3]},
        "no_label": {"n": 2, "rows": [4, 6]},
    }
    shown = "\n".join(loaded.summary.lines())
    assert "2, 3" in shown
    assert "4, 6" in shown


@pytest.mark.parametrize("text", ["", " ", "\u3000\n\t", "\u200b\ufeff", "\0"])
def test_what_cannot_be_seen_is_empty(text):
    assert is_empty(text)
    assert not is_empty(text + "。")


CELLS = st.sampled_from(["", " ", "a", "b", "x y", "良い", "\u3000"])


@given(
    st.lists(
        st.tuples(CELLS, CELLS, st.sampled_from(["train", "dev", "test", "Valid"])), min_size=1, max_size=30
    )
)
@settings(max_examples=200, deadline=None)
def test_rows_read_are_rows_kept_and_rows_rejected(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "a.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": name, "split": s}) + "\n" for t, name, s in rows))
    good = [(text, label) for text, label, _ in rows if text.strip() and label.strip()]
    if not good:
        refused("D026", path, training=False)
        return
    loaded = load_data(path, training=False)
    summary = loaded.summary
    assert summary.read == len(rows) == summary.kept + summary.n_rejected
    assert summary.kept == len(good) == sum(len(examples) for examples in loaded.splits.values())


def test_white_space_around_labels_goes_and_is_told(write):
    loaded = load_data(write("a.csv", "text,label\na, x\nb,y\u3000\nc,x\n"))
    assert loaded.splits["train"].labels == [("x",), ("y",), ("x",)]
    assert any("2" in note for note in loaded.summary.notes)


def test_labels_that_look_alike_are_told_and_kept_apart(write):
    loaded = load_data(
        write("a.csv", "text,label\na,ポジティブ\nb,ﾎﾟｼﾞﾃｨﾌﾞ\nc,A\nd,ａ\ne,1\nf,001\ng,-1\nh,other\n")
    )
    assert len(loaded.summary.labels["train"]) == 8
    notes = "\n".join(loaded.summary.notes)
    for name in ("ﾎﾟｼﾞﾃｨﾌﾞ", "ａ", "001"):
        assert name in notes
    assert "-1" not in notes
    assert "other" not in notes


# Several labels


@pytest.mark.parametrize(
    ("cell", "separator", "labels"),
    [
        ("良い", None, ("良い",)),
        (" 良い ", None, ("良い",)),
        ("", None, None),
        ("  ", None, None),
        ("a|b", None, ("a|b",)),
        ("a|b", "|", ("a", "b")),
        (" a | b |", "|", ("a", "b")),
        ("a|a", "|", ("a",)),
        ("", "|", ()),
        (("a", " b", ""), None, ("a", "b")),
        ((), None, ()),
        ('["a", "b"]', None, ("a", "b")),
        ("[1, 2]", None, ("1", "2")),
        ("[]", None, ()),
        ("[SEP]", None, ("[SEP]",)),
        ("[a", None, ("[a",)),
    ],
)
def test_labels_of_a_cell(cell, separator, labels):
    assert labels_of(cell, separator) == labels


def test_lists_and_separators_give_the_same_labels(write):
    listed = write(
        "a.jsonl",
        '{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": []}\n{"text": "c", "label": null}\n',
    )
    separated = write("a.csv", "text,label\na,x;y\nb,\n")
    found = load_data(listed)
    assert found.splits["train"].labels == [("x", "y"), ()]
    assert found.summary.n_rejected == 1
    assert load_data(separated, label_separator=";").splits["train"].labels == [("x", "y"), ()]
    refused("U041", separated, label_separator="", error=ConfigError)


# Splits


def test_a_split_column_tells_the_split(write):
    path = write(
        "a.csv", "text,label,split\na,x,train\nb,y,Training\nc,x,dev\nd,y,VAL\ne,x,test\nf,y,テスト\n"
    )
    loaded = load_data(path)
    assert {split: examples.rows for split, examples in loaded.splits.items()} == {
        "train": [1, 2],
        "validation": [3, 4],
        "test": [5, 6],
    }
    assert load_data(path, split_column="").splits["train"].rows == [1, 2, 3, 4, 5, 6]


def test_other_words_in_a_split_column_are_listed_with_their_rows(write):
    error = refused("D025", write("a.csv", "text,label,split\na,x,train\nb,y,foo\nc,x,\nd,y,foo\n"))
    assert "2, 4" in error.message
    assert "3" in error.message


def test_files_for_each_split_in_a_directory(write, reviews, tmp_path):
    data = reviews.read_bytes()
    for name in ("Train.csv", "dev.tsv", "readme.md"):
        write(f"d/{name}", data.replace(b",", b"\t") if name.endswith("tsv") else data)
    loaded = load_data(tmp_path / "d")
    assert {split: len(examples) for split, examples in loaded.splits.items()} == {
        "train": 4,
        "validation": 4,
    }
    assert any("validation" in note for note in loaded.summary.notes)
    write("d/valid.csv", data)
    refused("D030", tmp_path / "d")
    refused("D029", write("e/a.csv", data).parent)


def test_a_directory_without_train_can_be_evaluated_but_not_trained_on(write, reviews):
    directory = write("d/test.csv", reviews.read_bytes()).parent
    refused("D037", directory)
    assert list(load_data(directory, training=False).splits) == ["test"]


def test_files_of_their_own_for_validation_and_test(write, reviews):
    other = write("o.csv", "本文,ラベル\n良いね,良い\n")
    loaded = load_data(reviews, validation=other, test=other)
    assert [len(examples) for examples in loaded.splits.values()] == [4, 1, 1]
    both = write("b.csv", "text,label,split\na,良い,train\nb,悪い,train\nc,良い,dev\n")
    refused("U039", both, validation=other, error=ConfigError)


def test_a_directory_that_datasets_saved(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["悪い", "良い"])}
    )
    part = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, 1]}, features=features)
    datasets.DatasetDict({"train": part, "dev": part.select([0]), "extra": part}).save_to_disk(tmp_path / "d")
    loaded = load_data(tmp_path / "d")
    assert loaded.splits["train"].labels == [("良い",), ("悪い",), ("良い",)]
    assert len(loaded.splits["validation"]) == 1
    assert any("extra" in note for note in loaded.summary.notes)
    assert loaded.summary.files[0].name != loaded.summary.files[1].name
    part.save_to_disk(tmp_path / "e")
    assert load_data(tmp_path / "e").splits["train"].texts == ["a", "b", "c"]
    next((tmp_path / "e").glob("*.arrow")).write_bytes(b"x")
    refused("D015", tmp_path / "e")


def test_texts_that_are_also_in_train_are_told(write):
    path = write("a.csv", "text,label,split\nサイコー！,x,train\nb,y,train\nさいこー,x,test\nc,y,test\n")
    assert any("3" in note and "test" in note for note in load_data(path).summary.notes)


# Checks


def test_one_class_cannot_be_trained_on_but_evaluated(write):
    path = write("a.csv", "text,label\na,x\nb,x\n")
    assert "x" in refused("D027", path).message
    assert list(load_data(path, training=False).splits) == ["test"]


def test_labels_that_train_does_not_have_are_named(write):
    path = write("a.csv", "text,label,split\na,良い,train\nb,悪い,train\nc,よい,dev\nd,良い,dev\n")
    error = refused("D028", path)
    assert "よい" in error.message
    assert "3" in error.message
    assert "良い" in error.hint


def test_nothing_left_says_why(write):
    error = refused("D026", write("a.csv", "text,label\n,x\na,\n"))
    assert "1" in error.message
    assert error.exit_status == 3


def test_texts_alone_are_enough_where_no_labels_are_asked_for(write):
    loaded = load_data(write("a.csv", "text\na\nb\n"), need_labels=False, training=False)
    assert loaded.splits["test"].labels is None


def test_two_parts_of_a_saved_set_for_one_split_are_never_merged(tmp_path):
    datasets = pytest.importorskip("datasets")
    part = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]})
    parts = datasets.DatasetDict({"train": part, "validation": part, "dev": part})
    parts.save_to_disk(str(tmp_path / "saved"))
    assert "dev" in refused("D030", tmp_path / "saved").message


# Names


def test_the_sample_corpus_is_known_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_data("reviews-ja")
    assert list(loaded.splits) == ["train", "validation", "test"]
    component = loaded.summary.components[0]
    assert (component.name, component.license) == ("reviews-ja", "CC0-1.0")
    assert component.personal_information == "none-confirmed" or component.personal_information is None
    aspects = load_data("reviews-ja", label_column="aspects")
    assert any(len(names) > 1 for names in aspects.splits["train"].labels)


def test_a_declaration_that_contradicts_a_corpus_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("U040", "reviews-ja", origin=DataOrigin(license="MIT"), error=ConfigError)


def test_a_name_that_is_nothing_is_refused_with_the_closest(tmp_path, monkeypatch, reviews):
    monkeypatch.chdir(tmp_path)
    assert "reviews-ja" in refused("D031", "review-ja").message
    assert "reviews.csv" in refused("D001", "reviws.csv").message
    refused("D001", "no/such.csv")
    refused("D001", str(tmp_path / "nothing"))


def test_a_path_wins_over_a_corpus(tmp_path, monkeypatch, reviews):
    monkeypatch.chdir(tmp_path)
    Path("reviews-ja").mkdir()
    Path("reviews-ja/train.csv").write_bytes(reviews.read_bytes())
    assert len(load_data("reviews-ja").splits["train"]) == 4


def test_a_data_set_of_a_hub_has_its_licence_tag(tmp_path, monkeypatch):
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    rows = "text,label\n朝食が美味しい,良い\n部屋が汚い,悪い\n".encode()
    with FakeHub.serve() as server:
        server.use(monkeypatch, tmp_path / "cache")
        files = {"README.md": b"---\nlicense: cc-by-4.0\n---\n", "train.csv": rows, "dev.csv": rows}
        revision = server.commit("org/reviews", files, kind="datasets")
        loaded = load_data(f"org/reviews@{revision}")
    assert {split: len(examples) for split, examples in loaded.splits.items()} == {
        "train": 2,
        "validation": 2,
    }
    component = loaded.summary.components[0]
    assert (component.name, component.license, component.revision) == ("org/reviews", "CC-BY-4.0", revision)


# The licence record


def test_the_declaration_reaches_the_component(reviews):
    import hashlib

    loaded = load_data(reviews, origin=DataOrigin(origin="own", personal_information="contains"))
    component = loaded.summary.components[0]
    assert (component.license, component.origin, component.personal_information) == (
        "LicenseRef-Own",
        "own",
        "contains",
    )
    assert component.sha256 == hashlib.sha256(reviews.read_bytes()).hexdigest()
    assert component.name == "reviews.csv"
    assert component.role == "training_data"


def test_the_component_covers_what_shapes_the_model(write, reviews):
    other = write("o.csv", "本文,ラベル\n良いね,良い\n")
    alone = load_data(reviews).summary.components[0]
    with_test = load_data(reviews, test=other).summary.components[0]
    with_validation = load_data(reviews, validation=other).summary.components[0]
    assert alone == with_test
    assert alone.sha256 != with_validation.sha256


# In memory


def test_texts_and_labels_in_memory():
    np = pytest.importorskip("numpy")
    for labels in (["a", "b", "a"], np.array(["a", "b", "a"]), [("a",), ["b"], {"a"}]):
        assert load_data((["x", "y", "z"], labels)).splits["train"].labels == [("a",), ("b",), ("a",)]
    assert load_data((["x", "y"], np.array([0, 1]))).splits["train"].labels == [("0",), ("1",)]
    assert load_data((["x", "y"], [True, None]), training=False).splits["test"].labels == [("true",)]
    loaded = load_data((["x", "", "z"], ["a", "b", '["b"]']))
    assert loaded.splits["train"].labels == [("a",), ('["b"]',)]
    assert loaded.summary.files[0].rejected["empty_text"].rows == [2]
    assert loaded.summary.components[0].sha256


@pytest.mark.parametrize("item", [None, 3, float("nan"), b"x", ["x"]])
def test_an_item_that_is_no_text_is_named_by_its_index(item):
    assert refused("D034", (["x", item], ["a", "b"])).fields["item"] == 1


def test_texts_and_labels_must_be_as_many():
    refused("D035", (["x", "y"], ["a"]))
    refused("D034", ("xy", ["a", "b"]))
    assert refused("D038", (["x", "y"], ["a", object()])).fields["item"] == 1


# Oddities


def test_lone_surrogates_pass_through(write):
    path = write("a.jsonl", '{"text": "a\\ud800", "label": "x\\udc00"}\n{"text": "b", "label": "y"}\n')
    loaded = load_data(path, validation=path)
    assert loaded.splits["train"].texts == ["a\ud800", "b"]
    json.dumps(loaded.summary.to_json()).encode()


def test_nothing_is_written_beside_the_data(reviews):
    before = set(reviews.parent.iterdir())
    load_data(reviews)
    assert set(reviews.parent.iterdir()) == before


def test_a_renamed_workbook_is_recognised(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    refused("D016", tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["", "~nosuchuser/x.csv", "~nosuchuser/x", "x" * 5000, "x" * 5000 + ".csv"])
def test_a_path_that_cannot_be_is_an_error(tmp_path, monkeypatch, reviews, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        load_data(name)
    for split in ("validation", "test"):
        with pytest.raises(DataError):
            load_data(reviews, **{split: name})


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_directory_that_may_not_be_looked_into_is_an_error(tmp_path, write, reviews):
    (tmp_path / "sec").mkdir()
    (tmp_path / "sec" / "ok.csv").write_text("text,label\n", encoding="utf-8")
    try:
        for mode in (0o000, 0o600):
            (tmp_path / "sec").chmod(mode)
            for name in (tmp_path / "sec" / "ok.csv", tmp_path / "sec"):
                with pytest.raises(DataError) as caught:
                    load_data(name)
                assert caught.value.code == "JPT-D004"
    finally:
        (tmp_path / "sec").chmod(0o700)
