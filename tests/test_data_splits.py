"""What is held out is decided by texts, labels and seed alone; duplicates stay on one side."""

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf.data.examples import Examples
from jptextclf.data.splits import folded, split_train
from jptextclf.errors import ConfigError


def examples(texts, labels=None):
    return Examples(list(texts), labels, list(range(1, len(texts) + 1)))


@pytest.mark.parametrize(
    "same",
    [
        ["サイコー", "さいこー", "ｻｲｺｰ", "サイコー！！", " サイ コー。", "サイコー\u200b"],
        ["ＡＢＣ", "abc", "A-B-C"],
        ["ガ", "ｶﾞ", "か\u3099"],
    ],
)
def test_width_kana_case_punctuation_and_space_do_not_tell_texts_apart(same):
    assert len({folded(text) for text in same}) == 1


def test_texts_of_punctuation_alone_stay_apart():
    assert folded("！？") != folded("。。")
    assert folded("-1") == folded("1")
    assert folded("★5") != folded("★1")


@given(st.text(max_size=30))
def test_any_text_can_be_folded(text):
    folded(text).encode("utf-8", "surrogatepass")


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789あいうえお"),
            st.sampled_from(["x", "y", "z"]),
        ),
        max_size=60,
    ),
    st.floats(0.05, 0.9),
    st.integers(0, 5),
)
@settings(max_examples=300, deadline=None)
def test_the_laws_of_a_split(rows, fraction, seed):
    whole = examples([text for text, _ in rows], [(label,) for _, label in rows])
    train, held = split_train(whole, fraction=fraction, seed=seed)
    assert sorted(train.rows + held.rows) == whole.rows
    assert train.rows == sorted(train.rows)
    assert held.rows == sorted(held.rows)
    assert not {folded(text) for text in train.texts} & {folded(text) for text in held.texts}
    assert set(held.labels) <= set(train.labels)
    assert len(held) <= round(len(whole) * fraction)


def test_each_label_gives_its_share():
    labels = [("a",)] * 600 + [("b",)] * 300 + [("c",)] * 100
    whole = examples([f"テキスト{number}番" for number in range(1000)], labels)
    train, held = split_train(whole, fraction=0.1, seed=0)
    assert len(held) == 100
    assert Counter(held.labels) == {("a",): 60, ("b",): 30, ("c",): 10}
    assert len(train) == 900


def test_a_label_with_one_text_stays_in_train():
    whole = examples([f"t{number}" for number in range(41)], [("a",)] * 40 + [("lonely",)])
    for seed in range(20):
        train, _ = split_train(whole, fraction=0.5, seed=seed)
        assert ("lonely",) in train.labels


def test_several_labels_on_a_text_are_stratified():
    sets = [("味", "価格"), ("味",), ("価格",), (), ("接客", "味", "価格")]
    whole = examples(
        [f"テキスト{number}" for number in range(500)], [sets[number % 5] for number in range(500)]
    )
    _, held = split_train(whole, fraction=0.2, seed=1)
    counts = Counter(held.labels)
    assert len(held) == 100
    assert all(15 <= counts[names] <= 25 for names in sets)


def test_very_many_label_sets_still_give_a_held_out_part():
    labels = [tuple(f"l{bit}" for bit in range(10) if number >> bit & 1) for number in range(1, 500)]
    train, held = split_train(examples([f"t{n}" for n in range(499)], labels), fraction=0.1, seed=0)
    assert 40 <= len(held) <= 50
    assert {name for names in held.labels for name in names} <= {
        name for names in train.labels for name in names
    }


def test_the_order_of_the_file_does_not_matter():
    rows = [(f"テキスト{number}", ("a" if number % 3 else "b",)) for number in range(200)]
    first = split_train(examples([t for t, _ in rows], [n for _, n in rows]), fraction=0.2, seed=3)[1]
    rows.reverse()
    second = split_train(examples([t for t, _ in rows], [n for _, n in rows]), fraction=0.2, seed=3)[1]
    assert set(first.texts) == set(second.texts)


def test_another_seed_gives_another_part():
    whole = examples([f"t{number}" for number in range(200)], [("a",)] * 200)
    parts = {tuple(split_train(whole, fraction=0.2, seed=seed)[1].rows) for seed in range(5)}
    assert len(parts) == 5


def test_the_hash_seed_of_python_does_not_matter():
    code = """
from jptextclf.data.examples import Examples
from jptextclf.data.splits import split_train
labels = [("あ", "い")[: number % 3] for number in range(90)]
whole = Examples([f"t{number}" for number in range(90)], labels, list(range(90)))
print(split_train(whole, fraction=0.3, seed=0)[1].rows)
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


def test_texts_without_labels_can_be_split():
    train, held = split_train(examples([f"t{number}" for number in range(10)]), fraction=0.3, seed=0)
    assert (len(train), len(held), held.labels) == (7, 3, None)
    assert len(split_train(examples(["a"]), fraction=0.9, seed=0)[0]) == 1


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_a_fraction_outside_0_and_1_is_refused(fraction):
    with pytest.raises(ConfigError) as caught:
        split_train(examples(["a"]), fraction=fraction, seed=0)
    assert caught.value.code == "JPT-U035"
