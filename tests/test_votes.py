"""Annotators' votes: from cells of every form to shares, or one error that names the rows."""

import json

import numpy as np
import pytest

from jptextclf.data.loading import load_data
from jptextclf.data.votes import read_votes, shares_of
from jptextclf.errors import ConfigError, DataError
from jptextclf.labels import LabelSchema

PAIR = LabelSchema(("悪い", "良い"), "binary")
SEVERAL = LabelSchema(("朝食", "部屋", "駅"), "multilabel")


def shares(cells, schema=PAIR):
    votes = [read_votes(cell) for cell in cells]
    assert not any(one.problem for one in votes)
    return shares_of(votes, schema, rows=range(1, len(cells) + 1))


def write(path, cells, *, split=None):
    """A file of reviews with votes; the label is that of most."""
    rows = [
        {
            "本文": f"{number}番目の宿は{'良かった' if number % 2 else '悪かった'}",
            "評価": "良い" if number % 2 else "悪い",
            "票": cell,
        }
        | ({"split": split[number - 1]} if split else {})
        for number, cell in enumerate(cells, 1)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "cell",
    [
        '{"良い": 2, "悪い": 1}',
        ' {"悪い": 1.0, "良い": 2.0} ',
        '{" 良い ": 4, "悪い": 2}',
        '["良い", "悪い", "良い"]',
        ("良い", "悪い", "良い"),
    ],
)
def test_every_form_gives_the_same_shares(cell):
    np.testing.assert_allclose(shares([cell]), [[1 / 3, 2 / 3]], rtol=1e-6)


def test_numbers_as_labels_are_their_text():
    schema = LabelSchema(("-1", "0", "1"), "multiclass")
    cells = ['{"0": 2, "1": 1}', "[1, 1, -1]", '{"-1": 3, "0": 0}']
    expected = [[0, 2 / 3, 1 / 3], [1 / 3, 0, 2 / 3], [1, 0, 0]]
    np.testing.assert_allclose(shares(cells, schema), expected, rtol=1e-6)


def test_in_a_multi_label_task_they_are_shares_of_the_annotators():
    cells = ['[["朝食", "部屋"], ["朝食"], []]', '["駅", "駅"]', '{"部屋": 0.25}', ('["朝食","駅"]', "朝食")]
    expected = [[2 / 3, 1 / 3, 0], [0, 0, 1], [0, 0.25, 0], [1, 0, 0.5]]
    np.testing.assert_allclose(shares(cells, SEVERAL), expected, rtol=1e-6)


def test_counts_without_annotators_do_not_do_for_a_multi_label_task():
    with pytest.raises(DataError, match=r"JPT-D069 In 1 row.*rows 2"):
        shares(['{"朝食": 1}', '{"朝食": 2, "駅": 1}'], SEVERAL)


def test_several_labels_of_one_annotator_do_not_do_for_a_single_label_task():
    with pytest.raises(DataError, match=r"JPT-D068 In 2 row.*rows 1, 3"):
        shares(['[["良い", "悪い"], []]', '["良い"]', '["良い", ""]'])


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("{}", "empty"),
        ("[]", "empty"),
        ((), "empty"),
        ('{"良い": 0}', "empty"),
        ("良い", "not_votes"),
        ("3", "not_votes"),
        ('{"良い": 1', "not_votes"),
        ('{"良い": 1, "良い": 2}', "not_votes"),
        ('{"良い": NaN}', "not_votes"),
        ("[" * 100_000, "not_votes"),
        ('{"良い": -1, "悪い": 3}', "not_numbers"),
        ('{"良い": "2"}', "not_numbers"),
        ('{"良い": true}', "not_numbers"),
        ('{"良い": 1e999}', "not_numbers"),
        ('{"良い": null}', "not_numbers"),
    ],
)
def test_what_cannot_be_read_says_why(cell, problem):
    assert read_votes(cell).problem == problem


def test_votes_are_read_beside_the_labels(tmp_path):
    cells = ['{"良い": 2, "悪い": 1}', '{"悪い": 3}', {"良い": 3}, ["悪い", "悪い", "良い"]]
    loaded = load_data(write(tmp_path / "a.jsonl", cells), votes_column="票")
    train = loaded.splits["train"]
    assert train.labels == [("良い",), ("悪い",), ("良い",), ("悪い",)]
    found = shares_of(train.votes, PAIR, rows=train.rows)
    np.testing.assert_allclose(found[:, 1], [2 / 3, 0, 1, 1 / 3], rtol=1e-6)
    assert "votes: 票" in " ".join(loaded.summary.lines())
    assert loaded.summary.to_json()["columns"]["votes"] == "票"


def test_votes_follow_their_texts(tmp_path):
    from jptextclf.data.splits import split_train

    cells = [json.dumps({"良い" if number % 2 else "悪い": number}) for number in range(1, 21)]
    train = load_data(write(tmp_path / "a.jsonl", cells), votes_column="票").splits["train"]
    for part in split_train(train, fraction=0.3, seed=1):
        assert len(part) == len(part.votes) > 2
        assert [sum(one.counts.values()) for one in part.votes] == part.rows


def test_a_row_that_is_rejected_has_no_votes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        '本文,評価,票\nよい,良い,"[""良い""]"\n,良い,x\nわるい,悪い,"[""悪い""]"\n', encoding="utf-8"
    )
    train = load_data(path, votes_column="票").splits["train"]
    assert train.rows == [1, 3]
    assert [list(one.counts) for one in train.votes] == [["良い"], ["悪い"]]


def test_only_training_texts_need_votes(tmp_path):
    path = write(
        tmp_path / "a.jsonl", ['["良い"]', '["悪い"]', "?", ""], split=["train", "train", "dev", "test"]
    )
    loaded = load_data(path, votes_column="票")
    assert len(loaded.splits["train"].votes) == 2
    # Those of other texts are read as far as they can be, for the report.
    assert [one.problem for one in loaded.splits["validation"].votes] == ["not_votes"]
    assert [one.problem for one in loaded.splits["test"].votes] == ["empty"]
    other = tmp_path / "b.csv"
    other.write_text("本文,評価\n良かった,良い\n", encoding="utf-8")
    train = write(tmp_path / "c.jsonl", ['["良い"]', '["悪い"]'])
    assert load_data(train, validation=other, votes_column="票").splits["validation"].votes is None
    assert len(load_data(path, votes_column="票", training=False).splits["validation"].votes) == 1


def test_all_problems_are_one_error_with_row_numbers(tmp_path):
    cells = ['["良い"]', "", '{"悪い": -1}', '["ふつう"]', "", '{"良い": 1, "よい": 1}', "?"]
    with pytest.raises(DataError) as caught:
        load_data(write(tmp_path / "a.jsonl", cells), votes_column="票")
    assert caught.value.code == "JPT-D067"
    lines = str(caught.value).split("\n")
    assert len([line for line in lines if line.startswith("  - ")]) == 5
    for words in ("rows 2, 5", "no numbers from 0 on: rows 3", 'for "ふつう"', "rows 4", "rows 6", "rows 7"):
        assert words in str(caught.value)


def test_a_column_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", ['["良い"]', '["悪い"]'])
    with pytest.raises(DataError, match=r"JPT-D019.*votes"):
        load_data(path, votes_column="votes")
    with pytest.raises(DataError, match=r"JPT-D019.*票"):
        load_data((["よい", "わるい"], ["a", "b"]), votes_column="票")


@pytest.mark.parametrize("column", ["評価", "本文"])
def test_votes_have_a_column_of_their_own(tmp_path, column):
    path = write(tmp_path / "a.jsonl", ['["良い"]', '["悪い"]'])
    with pytest.raises(ConfigError, match="JPT-U034"):
        load_data(path, votes_column=column, text_column="本文", label_column="評価")


def test_votes_of_a_corpus(shared):
    train = load_data(
        shared / "data/jrte/pn.tsv", columns=["id", "label", "text", "votes", "split"], votes_column="votes"
    ).splits["train"]
    schema = LabelSchema.infer(train.labels)
    found = shares_of(train.votes, schema, rows=train.rows)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    agree = found.argmax(axis=1) == schema.encode(train.labels)
    assert agree.mean() > 0.98
    assert 0.2 < (found.max(axis=1) < 1).mean() < 0.3
