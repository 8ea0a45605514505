"""Explanations name the words that decide, whatever the model; words stand where they stand in the text."""

import itertools
import json
import re

import numpy as np
import pytest
from chromium import violations
from click.testing import CliRunner
from decisive_words import SENTENCES
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf import api, messages
from jptextclf.adapters.mecab import segment
from jptextclf.cli import cli
from jptextclf.errors import ConfigError
from jptextclf.explanation import MOST_WORDS, explain_texts
from jptextclf.labels import LabelSchema
from jptextclf.page_files import write_page
from jptextclf.prediction import Prediction
from jptextclf.progress import Silent

SCHEMA = LabelSchema(("悪い", "良い"), "binary")


class ByWords:
    """A model that knows two words: its log-odds are the sum of theirs, but two that say the same count once."""

    schema = SCHEMA

    def __init__(self, adapter):
        self.adapter = adapter
        self.asked = 0

    def predict(self, texts, **_):
        self.asked += len(texts)
        odds = np.array(
            [3.0 * ("美味しい" in text or "最高" in text) - 2.0 * ("汚い" in text) for text in texts]
        )
        right = 1 / (1 + np.exp(-odds))
        n = len(texts)
        return Prediction(
            SCHEMA, np.stack([1 - right, right], axis=1).astype(np.float32), np.full(2, 0.5, np.float32),
            np.zeros(n, np.bool_), np.zeros(n, np.bool_),
        )  # fmt: skip


@pytest.fixture(scope="module")
def model(tiny_encoder):
    from jptextclf.adapters import open_adapter

    return ByWords(open_adapter(tiny_encoder))


def test_what_a_word_adds_is_its_weight(model):
    (found,) = explain_texts(model, ["料理は美味しいが部屋は汚い。"], label="良い")
    weights = {one.surface: one.weight for one in found.words}
    assert weights["美味しい"] == pytest.approx(3.0, abs=1e-3)
    assert weights["汚い"] == pytest.approx(-2.0, abs=1e-3)
    assert weights["料理"] == pytest.approx(0.0, abs=1e-6)
    assert found.ranked()[0].surface == "美味しい"
    assert found.ranked()[-1].surface == "汚い"
    assert found.probability == pytest.approx(1 / (1 + np.exp(-1.0)), abs=1e-4)


def test_two_words_that_say_the_same_are_both_seen(model):
    (found,) = explain_texts(model, ["美味しい最高"])
    # Without either one nothing changes; alone each does it all.
    assert [one.weight for one in found.words] == pytest.approx([1.5, 1.5], abs=1e-3)
    assert found.label == "良い"


def test_long_texts_are_weighed_from_the_beginning(model):
    model.asked = 0
    (found,) = explain_texts(model, ["とても良い宿でした。" * 100])
    assert len(found.words) == MOST_WORDS
    assert found.n_left_out > 100
    assert model.asked <= 2 * MOST_WORDS + 2


def test_a_text_without_words_has_no_weights(model):
    assert [len(one.words) for one in explain_texts(model, ["", "　 "])] == [0, 0]


def test_other_scripts_are_cut_at_spaces(model):
    (found,) = explain_texts(model, ["I don't like it!"])
    assert [one.surface for one in found.words] == ["I", "don't", "like", "it", "!"]


@given(st.text(max_size=80))
@settings(max_examples=80, deadline=None)
def test_words_stand_where_they_stand(text):
    spans = segment(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    left = re.sub("[\\x00\\ud800-\\udfff\\s]", "", text)
    covered = "".join(text[start:end] for start, end in spans)
    assert re.sub("[\\x00\\ud800-\\udfff\\s]", "", covered) == left


@pytest.fixture(scope="module")
def run(tiny_encoder, reviews, tmp_path_factory):
    texts, labels = (list(one) for one in zip(*reviews, strict=True))
    return api.train(
        (texts, labels), out=tmp_path_factory.mktemp("runs") / "a", model=str(tiny_encoder), epochs=1, max_length=64,
        report=False, progress=Silent(),
    )  # fmt: skip


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_run_explains_in_the_terminal_as_json_and_as_a_page(run, tmp_path, language):
    hostile = "<script>x</script>部屋が汚い\u202e"
    command = ["explain", str(run.path), "朝食が美味しい。", hostile, "--lang", language, "-q"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.stderr
    assert "美味しい" in done.stdout
    assert "\u202e" not in done.stdout
    done = CliRunner().invoke(cli, [*command, "--json"])
    found = json.loads(done.stdout)
    assert [one["label"] for one in found["texts"]] == [
        one[0] for one in run.predict(["朝食が美味しい。", hostile]).labels
    ]
    page = tmp_path / "why.html"
    done = CliRunner().invoke(cli, [*command, "--html", str(page)])
    assert done.stdout.strip() == str(page)
    shown = page.read_text(encoding="utf-8")
    assert "<script" not in shown
    assert "\u202e" not in shown
    assert "<mark class=" in shown
    assert f'<html lang="{language}"' in shown


def test_a_label_that_is_not_there_is_refused(run):
    with pytest.raises(ConfigError, match="JPT-U203"):
        run.explain(["良い"], label="良い宿")
    with pytest.raises(TypeError):
        run.explain("良い")
    assert "<mark" in run.explain(["部屋が汚い"])._repr_html_()


@pytest.mark.full
def test_the_words_that_a_reader_would_call_decisive_rank_first(shared, tmp_path):
    names = ["id", "label", "text", "votes", "split"]
    run = api.train(
        shared / "data" / "jrte" / "pn.tsv", columns=names, out=tmp_path / "a", mode="features", head="logistic",
        report=False, progress=Silent(),
    )  # fmt: skip
    found = run.explain([text for text, _ in SENTENCES])
    hits = [one.ranked()[0].surface in words for one, (_, words) in zip(found, SENTENCES, strict=True)]
    messages.use_language("en")
    assert sum(hits) >= 36, [text for (text, _), hit in zip(SENTENCES, hits, strict=True) if not hit]


def test_axe_finds_nothing_on_the_page(run, tmp_path):
    page = write_page(tmp_path / "page.html", api.explain(run, ["部屋は汚いが朝食は美味しい"]).to_html())
    assert violations(page, folder=tmp_path) == []
