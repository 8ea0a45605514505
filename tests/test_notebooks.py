"""What a notebook shows of runs, evaluations and predictions: escaped, in both languages, with a style that stays inside."""

import numpy as np
import pytest

from jptextclf import api, messages
from jptextclf.evaluation import score
from jptextclf.labels import LabelSchema
from jptextclf.prediction import Prediction
from jptextclf.progress import Silent

HOSTILE = LabelSchema(("<script>alert(1)</script>", "良い\u202e"), "binary")


def parsed(page):
    import html5lib

    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False)
    tree = parser.parseFragment(page)
    return [one.tag for one in tree.iter() if isinstance(one.tag, str)]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_an_evaluation(language):
    messages.use_language(language)
    found = score(HOSTILE, [0, 1, 1, 0], [0, 1, 0, 0], resamples=20)._repr_html_()
    tags = parsed(found)
    assert tags.count("table") == 3
    assert "script" not in tags
    assert "\u202e" not in found
    assert f'lang="{language}"' in found
    assert "0.750" in found


def test_a_prediction_says_how_many_it_leaves_out():
    n = 30
    found = Prediction(
        HOSTILE,
        np.tile(np.float32([0.25, 0.75]), (n, 1)),
        np.float32([0.5, 0.5]),
        np.zeros(n, bool),
        np.zeros(n, bool),
    )._repr_html_()
    assert parsed(found).count("tr") == 21
    assert "and 10 more texts" in found
    assert "0.750" in found
    assert "script" not in parsed(found)


def test_a_run(tiny_encoder, reviews, tmp_path):
    texts, labels = zip(*reviews, strict=True)
    run = api.train(
        (texts, labels),
        out=tmp_path / "a<b>",
        model=str(tiny_encoder),
        epochs=1,
        max_length=64,
        progress=Silent(),
    )
    found = run._repr_html_()
    assert "a&lt;b&gt;" in found
    assert "not for distribution" in found
    assert "良い" in found
    assert {"table", "div", "style"} <= set(parsed(found))
    messages.use_language("ja")
    assert "未審査" in run._repr_html_()
