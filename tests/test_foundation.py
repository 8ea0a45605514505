"""Labels, encodings, the registry and licence components: the values that everything else is made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jptextclf.adapters import ADAPTERS
from jptextclf.encodings import Encodings
from jptextclf.errors import ConfigError, DataError
from jptextclf.labels import LabelSchema, sorted_names
from jptextclf.licensing import Component, Evidence
from jptextclf.licensing.components import NOASSERTION, spdx_expression
from jptextclf.licensing.software import TRAINING_PACKAGES, software_components

names = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=6, unique=True)


@given(names, st.data())
def test_labels_survive_encoding_and_json(label_names, data):
    schema = LabelSchema(sorted_names(label_names), "multilabel")
    rows = data.draw(st.lists(st.lists(st.sampled_from(label_names), unique=True), max_size=5))
    matrix = schema.encode(rows)
    assert matrix.shape == (len(rows), schema.n_labels)
    decoded = [{schema.names[number] for number in np.flatnonzero(row)} for row in matrix]
    assert decoded == [set(row) for row in rows]
    assert LabelSchema.from_json(schema.to_json()) == schema


@given(names)
def test_the_order_of_names_does_not_depend_on_the_order_given(label_names):
    assert sorted_names(label_names) == sorted_names(reversed(label_names))


def test_numbers_are_ordered_as_numbers_and_stay_strings():
    assert sorted_names(["10", "-1", "2", "001"]) == ("-1", "001", "2", "10")
    # NaN has no order of its own; the result still does not depend on the input's.
    assert sorted_names(["nan", "1", "-1"]) == sorted_names(["-1", "nan", "1"])


@pytest.mark.parametrize(
    ("rows", "task"),
    [
        ([("a",), ("b",)], "binary"),
        ([("a",), ("b",), ("c",)], "multiclass"),
        ([("a",), ()], "multilabel"),
        ([("a", "b"), ("b",)], "multilabel"),
    ],
)
def test_the_task_is_read_from_the_labels(rows, task):
    assert LabelSchema.infer(rows).task == task


@pytest.mark.parametrize(
    ("label_names", "task", "code"),
    [
        (("a",), "binary", "U012"),
        (("a", "b", "c"), "binary", "U012"),
        (("a",), "multiclass", "U012"),
        ((), "multilabel", "U012"),
        (("a", "a"), "multiclass", "U011"),
        (("a", ""), "multiclass", "U011"),
        (("a", "b"), "ranking", "U010"),
    ],
)
def test_an_invalid_schema_cannot_exist(label_names, task, code):
    with pytest.raises(ConfigError, match=code):
        LabelSchema(label_names, task)


def test_labels_that_do_not_fit_are_named():
    schema = LabelSchema(("ネガティブ", "ポジティブ"), "binary")
    with pytest.raises(DataError, match=r"JPT-D040.*ポジティブ"):
        schema.encode([("ポジテイブ",)])
    with pytest.raises(DataError, match="JPT-D041"):
        schema.encode([("ネガティブ", "ポジティブ")])


ragged = st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=8)


def encodings_of(rows):
    lengths = [len(row) for row in rows]
    return Encodings(
        np.array([number for row in rows for number in row], np.int32),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.zeros(len(rows), np.bool_),
        np.zeros(len(rows), np.int32),
        np.array([[number, number + 1] for row in rows for number in row], np.int32).reshape(-1, 2),
    )


@given(ragged, st.data())
def test_selecting_and_joining_keeps_rows_whole(rows, data):
    encodings = encodings_of(rows)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10))
    selected = encodings.select(chosen)
    assert [selected.row(number).tolist() for number in range(len(selected))] == [
        rows[number] for number in chosen
    ]
    assert selected.offsets[:, 0].tolist() == selected.input_ids.tolist()
    joined = Encodings.concatenate([encodings, selected])
    assert [joined.row(number).tolist() for number in range(len(joined))] == rows + [
        rows[number] for number in chosen
    ]


def test_no_parts_join_to_nothing():
    assert len(Encodings.concatenate([])) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"row_splits": np.array([0, 3])},
        {"row_splits": np.array([1, 2])},
        {"row_splits": np.array([0, 2, 1, 2])},
        {"truncated": np.zeros(3, bool)},
        {"offsets": np.zeros((1, 2), np.int32)},
    ],
)
def test_encodings_that_do_not_fit_together_cannot_exist(change):
    whole = {
        "input_ids": np.array([1, 2], np.int32), "row_splits": np.array([0, 2]), "truncated": np.zeros(1, bool),
        "unknown": np.zeros(1, np.int32), "offsets": None,
    }  # fmt: skip
    Encodings(**whole)
    with pytest.raises(ValueError, match=r"row_splits|truncated|offsets"):
        Encodings(**{**whole, **change})


def test_a_file_is_a_registration():
    assert ADAPTERS.names() == ["huggingface", "mecab", "sentencepiece", "sudachi"]
    with pytest.raises(ConfigError, match="Known: huggingface, mecab") as caught:
        ADAPTERS.get("nothing")
    assert caught.value.code == "JPT-U001"


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("mit", "MIT"),
        ("apache-2.0 or mit", "Apache-2.0 OR MIT"),
        ("LicenseRef-Own", "LicenseRef-Own"),
        ("noassertion", NOASSERTION),
    ],
)
def test_expressions_get_their_usual_spelling(given_text, expected):
    assert spdx_expression(given_text) == expected


@pytest.mark.parametrize("bad", ["", "free", "MIT AND", "MIT Apache-2.0", "CC-BY"])
def test_what_is_no_expression_is_refused(bad):
    with pytest.raises(ConfigError, match="JPT-U050"):
        spdx_expression(bad)


def test_a_component_survives_its_record():
    component = Component(
        "training_data", "自社アンケート", "trained-on", "LicenseRef-Own", origin="own", personal_information="none-confirmed",
        evidence=(Evidence("社内規程", file="rule.txt", line=3),),
    )  # fmt: skip
    assert Component.from_json(component.to_json()) == component
    assert component.to_json()["revision"] is None


def test_evidence_says_where_it_can_be_checked():
    with pytest.raises(ValueError, match="neither a url nor a file"):
        Evidence("license: mit")


def test_software_is_recorded_with_version_and_statement():
    found = {component.name: component for component in software_components()}
    assert set(found) == set(TRAINING_PACKAGES)
    # Its metadata say "Apache 2.0 License".
    assert found["transformers"].license == "Apache-2.0"
    for component in found.values():
        assert component.revision
        assert component.license == NOASSERTION or component.evidence
