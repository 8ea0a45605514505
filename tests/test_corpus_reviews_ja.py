"""The sample corpus reviews-ja keeps what its card and README promise."""

from __future__ import annotations

import hashlib
import itertools
import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jptextclf.corpora import CorpusCard, load_card

CORPUS_DIR = Path(__file__).parents[1] / "corpora" / "reviews-ja"
N_ROWS = {"train": 504, "validation": 108, "test": 108}
N_BY_SENTIMENT = {"ポジティブ": 72, "ニュートラル": 45, "ネガティブ": 63}
DOMAINS = ("ホテル・旅館", "飲食店", "家電", "アプリ")

Row = dict[str, Any]


@pytest.fixture(scope="module")
def card() -> CorpusCard:
    return load_card("reviews-ja")


@pytest.fixture(scope="module")
def splits() -> dict[str, list[Row]]:
    return {name: read_rows(CORPUS_DIR / f"{name}.jsonl") for name in N_ROWS}


@pytest.fixture(scope="module")
def rows(splits: dict[str, list[Row]]) -> list[Row]:
    return [row for split in splits.values() for row in split]


def read_rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def fold(text: str) -> str:
    """Letters and digits only, widths and kana made equal: ``"ｻｲｺｰ！" -> "サイコー"``, ``"うまい" -> "ウマイ"``."""
    letters = (
        letter
        for letter in unicodedata.normalize("NFKC", text).casefold()
        if letter.isalnum() or letter == "ー"
    )
    return "".join(chr(ord(letter) + 0x60) if "ぁ" <= letter <= "ゖ" else letter for letter in letters)


def trigrams(text: str) -> set[str]:
    return {text[start : start + 3] for start in range(max(1, len(text) - 2))}


def test_the_card_names_the_files_by_their_hashes(card: CorpusCard) -> None:
    found = {
        file.split: hashlib.sha256((CORPUS_DIR / file.path).read_bytes()).hexdigest() for file in card.files
    }
    assert found == {file.split: file.sha256 for file in card.files}
    assert set(found) == set(N_ROWS)


def test_the_licence_is_cc0_and_its_evidence_is_where_the_card_says(card: CorpusCard) -> None:
    assert card.license.expression == "CC0-1.0"
    assert card.license.commercial == "yes"
    (evidence,) = card.license.evidence
    source = (CORPUS_DIR / evidence.file).read_bytes()
    assert hashlib.sha256(source).hexdigest() == evidence.sha256
    assert evidence.line is not None
    assert evidence.statement in source.decode("utf-8").splitlines()[evidence.line - 1]


def test_card_and_readme_say_in_both_languages_that_the_texts_are_synthetic(card: CorpusCard) -> None:
    readme = (CORPUS_DIR / "README.md").read_text(encoding="utf-8")
    for japanese, english in ((card.description.ja, card.description.en), (readme, readme)):
        assert "合成データ" in japanese
        assert "synthetic" in english


def test_sentiment_is_the_default_task_and_aspects_the_multi_label_one(card: CorpusCard) -> None:
    assert [(task.name, task.task) for task in card.tasks] == [
        ("sentiment", "multiclass"),
        ("aspects", "multilabel"),
    ]
    assert card.text_column == "text"


@pytest.mark.parametrize("name", N_ROWS)
def test_a_file_is_plain_utf8_with_one_object_a_line(name: str) -> None:
    content = (CORPUS_DIR / f"{name}.jsonl").read_bytes()
    assert not content.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in content
    assert content.endswith(b"}\n")
    assert content.count(b"\n") == N_ROWS[name]


def test_every_row_has_the_columns_of_the_card(card: CorpusCard, rows: list[Row]) -> None:
    assert {tuple(row) for row in rows} == {card.columns}
    assert sorted(row["id"] for row in rows) == [f"r{number:04d}" for number in range(1, 721)]


def test_split_shares_are_70_15_15(splits: dict[str, list[Row]]) -> None:
    assert {name: len(split) for name, split in splits.items()} == N_ROWS
    n_rows = sum(N_ROWS.values())
    assert [len(split) / n_rows for split in splits.values()] == pytest.approx([0.70, 0.15, 0.15])


def test_domains_and_sentiments_are_balanced_in_the_whole(rows: list[Row]) -> None:
    expected = {(domain, sentiment): n for domain in DOMAINS for sentiment, n in N_BY_SENTIMENT.items()}
    assert Counter((row["domain"], row["sentiment"]) for row in rows) == expected


def test_each_split_has_the_same_sentiments_in_every_domain(splits: dict[str, list[Row]]) -> None:
    for split in splits.values():
        counts = Counter((row["domain"], row["sentiment"]) for row in split)
        for sentiment in N_BY_SENTIMENT:
            assert len({counts[domain, sentiment] for domain in DOMAINS}) == 1


def test_labels_are_those_of_the_card(card: CorpusCard, rows: list[Row]) -> None:
    sentiment, aspects = card.tasks
    assert {row["sentiment"] for row in rows} == set(sentiment.labels)
    for row in rows:
        assert len(row["aspects"]) <= 3
        # In the card's order, which also means: each at most once.
        assert row["aspects"] == [name for name in aspects.labels if name in row["aspects"]]


def test_every_aspect_is_in_every_split(card: CorpusCard, splits: dict[str, list[Row]]) -> None:
    for split in splits.values():
        counts = Counter(aspect for row in split for aspect in row["aspects"])
        assert min(counts[name] for name in card.tasks[1].labels) >= 4


def test_no_two_texts_are_equal_after_folding(rows: list[Row]) -> None:
    counts = Counter(fold(row["text"]) for row in rows)
    assert [text for text, n in counts.items() if n > 1] == []


def test_no_two_texts_are_nearly_equal(rows: list[Row]) -> None:
    pieces = [(row["id"], trigrams(fold(row["text"]))) for row in rows]
    near = [
        (one, other)
        for (one, ours), (other, theirs) in itertools.combinations(pieces, 2)
        if len(ours & theirs) > 0.6 * len(ours | theirs)
    ]
    assert near == []


def test_texts_hold_no_control_or_unassigned_characters_and_no_outer_space(rows: list[Row]) -> None:
    for row in rows:
        assert row["text"] == row["text"].strip()
        categories = {unicodedata.category(letter) for letter in row["text"]}
        assert categories.isdisjoint({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}), row["id"]


def test_lengths_are_those_of_short_reviews(rows: list[Row]) -> None:
    lengths = [len(row["text"]) for row in rows]
    assert min(lengths) >= 5
    assert max(lengths) == 112  # README says so
    assert sum(12 <= length <= 60 for length in lengths) > 0.85 * len(lengths)
