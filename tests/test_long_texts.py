"""Long texts: which pieces of a text reach the encoder, and that training and prediction agree on it."""

import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jptextclf.adapters import open_adapter
from jptextclf.encodings import Encodings
from jptextclf.errors import ConfigError, DataError, SetupError
from jptextclf.labels import LabelSchema
from jptextclf.long_texts import EncodedTexts, Reading, encode_texts, most_windows, recorded_way

LAWS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.lists(
    st.text(st.sampled_from("朝食がとても美味しい です。😀𠮷\u3402[SEP]"), max_size=90), max_size=4
)
ROUTES = {
    # Adapter, fixture of its files, and options: special tokens before and after, and behind only.
    "wordpiece": ("huggingface", "tiny_encoder", {}),
    "unigram": ("huggingface", "tiny_unigram_encoder", {}),
    "mecab": ("mecab", "tiny_mecab_encoder", {}),
    "rinna": ("sentencepiece", "tiny_rinna_encoder", {}),
    "behind-only": ("sentencepiece", "tiny_rinna_encoder", {"leading_cls": False}),
}


@pytest.fixture(params=list(ROUTES))
def adapter(request):
    name, files, options = ROUTES[request.param]
    return open_adapter(request.getfixturevalue(files), name=name, options=options)


@pytest.fixture
def plain(tiny_encoder):
    """A tokenizer of single characters, [CLS] before and [SEP] after."""
    return open_adapter(tiny_encoder)


def rows_of(encoded, text):
    first, end = encoded.text_splits[text : text + 2]
    return [encoded.rows.row(row).tolist() for row in range(first, end)]


def inner_of(adapter, row):
    info = adapter.info()
    return row[info.n_before : len(row) - info.n_after]


def whole_of(adapter, text):
    return adapter.encode([text], max_length=10**6).row(0).tolist()


def same(one, other):
    return (
        one.rows.input_ids.tolist() == other.rows.input_ids.tolist()
        and one.rows.row_splits.tolist() == other.rows.row_splits.tolist()
        and one.text_splits.tolist() == other.text_splits.tolist()
        and one.truncated.tolist() == other.truncated.tolist()
        and one.unknown.tolist() == other.unknown.tolist()
    )


@LAWS
@given(texts=TEXTS, max_length=st.integers(3, 40))
def test_truncate_is_what_the_adapter_gives(adapter, texts, max_length):
    given_rows = adapter.encode(texts, max_length=max_length, offsets=True)
    encoded = encode_texts(adapter, texts, max_length=max_length, offsets=True)
    assert same(encoded, EncodedTexts.of_rows(given_rows))
    assert encoded.rows.offsets.tolist() == given_rows.offsets.tolist()
    assert not encoded.has_windows


@LAWS
@given(texts=TEXTS)
def test_a_short_text_is_the_same_in_all_ways(adapter, texts):
    longest = max([3, *(len(whole_of(adapter, text)) for text in texts)])
    ways = [
        encode_texts(adapter, texts, max_length=longest, long_texts=one, window_overlap=0)
        for one in ("truncate", "head_tail", "windows")
    ]
    assert same(ways[0], ways[1])
    assert same(ways[0], ways[2])
    assert not ways[0].truncated.any()


@LAWS
@given(texts=TEXTS, max_length=st.integers(3, 40))
def test_head_and_tail_are_the_ends_of_the_text(adapter, texts, max_length):
    encoded = encode_texts(adapter, texts, max_length=max_length, long_texts="head_tail")
    info = adapter.info()
    room = max_length - info.n_before - info.n_after
    head = (room + 2) // 4
    for number, text in enumerate(texts):
        whole = whole_of(adapter, text)
        (row,) = rows_of(encoded, number)
        assert encoded.truncated[number] == (len(whole) > max_length)
        if len(whole) <= max_length:
            assert row == whole
            continue
        start = info.n_before + head
        assert row == whole[:start] + whole[len(whole) - (max_length - start) :]


def test_the_quarter_is_that_of_the_paper(plain):
    text = "朝" * 300 + "食" * 500
    row = encode_texts(plain, [" ".join(text)], max_length=512, long_texts="head_tail").rows.row(0).tolist()
    ids = [plain.encode([one], max_length=3).row(0)[1] for one in "朝食"]
    assert [row.count(one) for one in ids] == [128, 382]


@LAWS
@given(texts=TEXTS, max_length=st.integers(4, 40), share=st.floats(0, 0.75))
def test_windows_hold_every_piece_in_order(adapter, texts, max_length, share):
    info = adapter.info()
    room = max_length - info.n_before - info.n_after
    overlap = int(room * share)
    encoded = encode_texts(
        adapter, texts, max_length=max_length, long_texts="windows", window_overlap=overlap
    )
    assert len(encoded) == len(texts)
    assert not encoded.truncated.any()
    assert (encoded.rows.lengths <= max_length).all()
    for number, text in enumerate(texts):
        whole = whole_of(adapter, text)
        windows = rows_of(encoded, number)
        assert all(row[: info.n_before] == whole[: info.n_before] for row in windows)
        assert all(row[len(row) - info.n_after :] == whole[len(whole) - info.n_after :] for row in windows)
        found, pieces = [], inner_of(adapter, whole)
        for place, row in enumerate(windows):
            inner = inner_of(adapter, row)
            # All but the last one stand at equal distances; the last one ends where the text ends.
            start = min(place * (room - overlap), len(pieces) - len(inner))
            assert inner == pieces[start : start + len(inner)]
            assert start <= len(found)
            found[start:] = inner
            assert place == 0 or len(inner) == room
        assert found == pieces


@LAWS
@given(texts=TEXTS, max_length=st.integers(4, 20), way=st.sampled_from(["head_tail", "windows"]))
def test_a_text_alone_and_in_a_batch_is_the_same(adapter, texts, max_length, way):
    options = {"max_length": max_length, "long_texts": way, "window_overlap": 1}
    together = encode_texts(adapter, texts, offsets=True, **options)
    alone = [encode_texts(adapter, [text], offsets=True, **options) for text in texts]
    assert same(together, EncodedTexts.concatenate(alone))
    for number in range(len(texts)):
        assert same(together.select([number]), alone[number])


@LAWS
@given(texts=TEXTS, max_length=st.integers(4, 20), way=st.sampled_from(["head_tail", "windows"]))
def test_offsets_and_counts_belong_to_the_pieces(adapter, texts, max_length, way):
    encoded = encode_texts(
        adapter, texts, max_length=max_length, long_texts=way, window_overlap=0, offsets=True
    )
    unknown = adapter.info().special_ids["unk"]
    assert encoded.lengths.tolist() == [sum(map(len, rows_of(encoded, one))) for one in range(len(texts))]
    for number, text in enumerate(texts):
        whole = adapter.encode([text], max_length=10**6, offsets=True)
        spans = set(zip(whole.input_ids.tolist(), map(tuple, whole.offsets.tolist()), strict=True))
        first, end = encoded.rows.row_splits[encoded.text_splits[number : number + 2]]
        ids, offsets = encoded.rows.input_ids[first:end].tolist(), encoded.rows.offsets[first:end].tolist()
        assert set(zip(ids, map(tuple, offsets), strict=True)) <= spans
        assert encoded.unknown[number] == ids.count(unknown)
    assert encoded.rows.unknown.sum() == encoded.unknown.sum()


def test_a_text_beyond_all_windows_is_cut_and_marked(plain):
    most = most_windows(64)
    texts = [" ".join("朝食" * 10_000), " ".join("朝" * (62 + (most - 1) * 30)), " ".join("朝" * 100)]
    encoded = encode_texts(plain, texts, max_length=64, long_texts="windows", window_overlap=32)
    assert most == 128
    assert np.diff(encoded.text_splits).tolist() == [most, most, 3]
    assert encoded.truncated.tolist() == [True, False, False]
    assert set(encoded.rows.lengths.tolist()) == {64}
    assert [int(one) for one in encoded.rows.truncated[[0, most - 1, most, -1]]] == [1, 1, 0, 0]


@pytest.mark.parametrize(("max_length", "most"), [(3, 2730), (256, 32), (512, 16), (8192, 2), (10**6, 2)])
def test_windows_of_one_text_fit_in_memory(max_length, most):
    assert most_windows(max_length) == most


@pytest.mark.parametrize(
    ("text", "pieces"), [("朝食 " * 300_000, 600_000), ("あ" * 1_000_000, 500_000), (" " * 1_000_000, 0)]
)
@pytest.mark.parametrize("way", ["head_tail", "windows"])
def test_a_million_characters_are_read_without_a_crash(tiny_mecab_encoder, text, pieces, way):
    adapter = open_adapter(tiny_mecab_encoder, name="mecab")
    encoded = encode_texts(adapter, [text], max_length=512, long_texts=way)
    assert encoded.truncated.tolist() == [pieces > 8192]
    assert encoded.lengths[0] == min(pieces + 2, {"head_tail": 512, "windows": 8192}[way])


@pytest.mark.parametrize("way", ["truncate", "head_tail", "windows"])
def test_a_length_without_room_is_an_error(adapter, way):
    least = adapter.info().n_before + adapter.info().n_after
    with pytest.raises(ConfigError, match=f"JPT-U020.* at least {least + 1}"):
        encode_texts(adapter, ["a"], max_length=least, long_texts=way, window_overlap=0)


@pytest.mark.parametrize(("max_length", "overlap", "most"), [(64, 47, 46), (34, 32, 24), (3, 1, 0)])
def test_windows_that_share_too_much_are_an_error_that_says_what_is_allowed(plain, max_length, overlap, most):
    with pytest.raises(ConfigError, match=f"JPT-U175 .* {most} may be shared"):
        encode_texts(plain, [], max_length=max_length, long_texts="windows", window_overlap=overlap)
    options = {"max_length": max_length, "long_texts": "windows", "window_overlap": most}
    assert len(encode_texts(plain, ["朝食です"], **options)) == 1


@pytest.mark.parametrize("way", ["truncate", "head_tail", "windows"])
def test_no_texts_and_wrong_ones(plain, way):
    assert len(encode_texts(plain, [], max_length=8, long_texts=way, window_overlap=1)) == 0
    with pytest.raises(TypeError, match=r"texts\[1\]"):
        encode_texts(plain, ["a", 3], max_length=8, long_texts=way, window_overlap=1)


def test_texts_are_chosen_with_all_their_rows(plain):
    texts = ["朝食です", "朝", "朝食がとても美味しい"]
    encoded = encode_texts(plain, texts, max_length=5, long_texts="windows", window_overlap=1)
    chosen = encoded.select(np.array([2, 0, 2]))
    expected = EncodedTexts.concatenate([encoded.select([2]), encoded.select([0]), encoded.select([2])])
    assert same(chosen, expected)
    assert rows_of(chosen, 1) == rows_of(encoded, 0)
    assert encoded.has_windows
    assert not encoded.select([1]).has_windows
    assert same(EncodedTexts.concatenate([encoded, EncodedTexts.empty()]), encoded)
    assert len(EncodedTexts.concatenate([])) == len(EncodedTexts.empty()) == len(encoded.select([])) == 0


@pytest.mark.parametrize("splits", [[], [1, 2], [0, 1], [0, 2, 2], [0, 2, 1, 2]])
def test_parts_that_do_not_fit_together_are_refused(splits):
    rows = Encodings.concatenate(
        [Encodings(np.zeros(1, np.int32), np.array([0, 1]), np.zeros(1, np.bool_), np.zeros(1, np.int32))] * 2
    )
    n = max(len(splits) - 1, 0)
    with pytest.raises(ValueError, match="text"):
        EncodedTexts(rows, np.array(splits, dtype=np.int64), np.zeros(n, np.bool_), np.zeros(n, np.int32))


# Training and prediction read the same.

BINARY = LabelSchema(("悪い", "良い"), "binary")
WAYS = {
    "windows": {"long_texts": "windows", "window_overlap": 4},
    "head_tail": {"long_texts": "head_tail"},
}


@pytest.fixture(scope="module")
def long_reviews(reviews):
    """Each review, and as many again of 2 to 5 of them in a row with the label of most."""
    longer = []
    for number in range(len(reviews)):
        some = [reviews[(number + step) % len(reviews)] for step in range(2 + number % 4)]
        longer.append(("".join(text for text, _ in some), some[0][1]))
    return [*reviews, *longer]


@pytest.fixture(scope="module")
def run_of(tiny_encoder, long_reviews, tmp_path_factory):
    """Trains on the long reviews, once for each setting."""
    from jptextclf import train

    runs = {}

    def make(way, **options):
        key = (way, *sorted(options.items()))
        if key not in runs:
            data = tmp_path_factory.mktemp("data") / "reviews.csv"
            lines = "".join(f"{text},{label}\n" for text, label in long_reviews)
            data.write_text(f"text,label\n{lines}", encoding="utf-8")
            if "mode" not in options:
                options = {"epochs": 2, "batch_size": 8, "precision": "float32", **options}
            runs[key] = train(
                data, validation=data, model=str(tiny_encoder), out=tmp_path_factory.mktemp("runs") / "run",
                max_length=24, device="cpu", data_origin="own", personal_information="none-confirmed",
                **WAYS.get(way, {}), **options,
            )  # fmt: skip
        return runs[key]

    return make


def pooled(network, adapter, texts, way, max_length=24):
    """Logits as plain transformers computes them of the rows, one text after another."""
    encoded = encode_texts(adapter, texts, max_length=max_length, **WAYS[way])
    logits = []
    for number in range(len(texts)):
        rows = [torch.tensor([row]) for row in rows_of(encoded, number)]
        logits.append(torch.cat([network(input_ids=row).logits for row in rows]).mean(dim=0))
    return torch.stack(logits)


@pytest.mark.parametrize("attention", ["auto", "padded"])
@pytest.mark.parametrize("max_tokens", [16, 300, 8192])
def test_the_gradient_of_windows_is_that_of_pooled_stock_logits(
    classifier_of, labelled, long_reviews, attention, max_tokens
):
    from test_stepping import assert_same_gradients, gradients, stepper_of, without_dropout

    classifier, adapter = classifier_of(BINARY)
    data = labelled(adapter, long_reviews, BINARY, max_length=24, **WAYS["windows"])
    assert data.texts.has_windows
    stepper = stepper_of(without_dropout(classifier), data, attention=attention, max_tokens=max_tokens)
    groups = stepper._micro_batches(np.arange(len(data)))
    # A text is never cut between two micro-batches, whatever they may hold.
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(data)))
    assert (len(groups) == len(data)) == (max_tokens == 16)
    loss, ours = gradients(stepper, data)
    stock = without_dropout(classifier_of(BINARY)[0]).train().network
    stock.set_attn_implementation("sdpa")
    logits = pooled(stock, adapter, [text for text, _ in long_reviews], "windows")
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(data.targets))
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    named = stock.named_parameters()
    assert_same_gradients(ours, {f"network.{name}": one.grad for name, one in named if one.grad is not None})


@pytest.mark.parametrize("way", list(WAYS))
def test_a_run_remembers_how_it_reads_long_texts(run_of, long_reviews, way):
    from transformers import AutoModelForSequenceClassification

    from jptextclf import load

    run, texts = run_of(way), [text for text, _ in long_reviews]
    again = load(run.path, device="cpu")
    options = WAYS[way]
    assert (again.bundle.long_texts, again.bundle.window_overlap) == (way, options.get("window_overlap", 32))
    stock = AutoModelForSequenceClassification.from_pretrained(run.path).eval()
    with torch.no_grad():
        expected = pooled(stock, again.predictor.adapter, texts, way).softmax(dim=-1).numpy()
    found = again.predict(texts)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert (found.probabilities == run.predict(texts).probabilities).all()
    assert found.truncated.any() == (way == "head_tail")
    # The scores of the record are those of the same reading.
    labels = [label for _, label in long_reviews]
    evaluation = again.evaluate((texts, labels))
    assert evaluation.scores["accuracy"] == run.scores["validation"]["scores"]["accuracy"]


def test_what_is_too_long_depends_on_the_way(run_of):
    texts = ["朝食です", "朝食が" * 30, "朝食が" * 4000]
    windows, ends = run_of("windows"), run_of("head_tail")
    assert windows.predict(texts).truncated.tolist() == [False, False, True]
    assert ends.predict(texts).truncated.tolist() == [False, True, True]
    assert len(windows.predict(texts[:2], on_too_long="error")) == 2
    with pytest.raises(DataError, match=r"JPT-D042 Text 3 .* 341 windows of 24 pieces") as caught:
        windows.predict(texts, on_too_long="error")
    assert "what lies beyond" in caught.value.hint
    with pytest.raises(DataError, match=r"JPT-D042 Text 2 .* longer than 24 pieces") as caught:
        ends.predict(texts, on_too_long="error")
    assert "a part of its middle" in caught.value.hint


def test_the_readme_says_what_plain_transformers_does_not_do(run_of, trained):
    windows, ends, plain = (
        (run.path / "README.md").read_text("utf-8")
        for run in (run_of("windows"), run_of("head_tail"), trained)
    )
    assert "overlapping windows of 24 pieces, 341 at most" in windows
    assert "重なり合う窓 (最大 341 個)" in windows
    assert "a quarter of the pieces" in ends
    assert all("Plain transformers and a bare graph do not do this" in one for one in (windows, ends))
    assert "Plain transformers" not in plain


def test_an_export_reads_as_its_run_and_says_it(run_of, long_reviews, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    from test_export import base, rewriter

    from jptextclf import export, load
    from jptextclf.prediction import Predictor

    run, texts = run_of("windows"), [text for text, _ in long_reviews]
    expected = run.predict(texts)
    written = rewriter(run, tmp_path)(base("CC-BY-SA-4.0"))
    out = export(written, tmp_path / "out", format="onnx", use="redistribute-weights-commercial").path
    for found in (
        load(out, precision="float32").predict(texts),
        Predictor.of_onnx(out, precision="float32").predict(texts),
    ):
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        assert found.truncated.tolist() == expected.truncated.tolist()
    card = (out / "README.md").read_text("utf-8")
    assert "Plain transformers and a bare graph do not do this" in card
    assert "read as they are" in card
    assert "重なり合う窓" in card


def test_tokens_of_a_run_say_which_characters_it_reads(run_of, trained, monkeypatch):
    from click.testing import CliRunner

    from jptextclf.cli import cli

    def shown(run, text, *options):
        done = CliRunner().invoke(cli, ["tokens", text, "--model", str(run.path), *options])
        assert done.exit_code == 0, done.output
        return done.output

    text = "朝食がとても" * 10
    assert "in 4 windows of at most 24 pieces: characters 0-22, 18-40, 36-58, 38-60." in shown(
        run_of("windows"), text
    )
    said = shown(run_of("head_tail"), text)
    assert "one row of at most 24 pieces: characters 0-6, 44-60. The rest is not read." in said
    assert "characters 0-60." in shown(trained, text)
    assert "characters -." in shown(trained, " ")
    assert "The run reads" not in shown(run_of("windows"), text, "--max-length", "24")
    reading = json.loads(shown(run_of("windows"), text, "--json"))["reading"]
    assert reading["spans"] == [[[0, 22], [18, 40], [36, 58], [38, 60]]]
    assert reading["truncated"] == [False]
    monkeypatch.setenv("JPTEXTCLF_LANG", "ja")
    assert "窓 4 個に分けて、0-22、18-40" in shown(run_of("windows"), text)


def test_a_damaged_record_is_said_by_its_place(run_of, tmp_path, plain):
    assert Reading.of_run(tmp_path, plain, ["朝"]) is None
    (tmp_path / "jptextclf.json").write_text('{"max_length": 9, "long_texts": "middle"}', encoding="utf-8")
    with pytest.raises(SetupError, match=r"JPT-E062 .*middle"):
        Reading.of_run(tmp_path, plain, ["朝"])


def test_vectors_of_a_frozen_encoder_are_those_of_all_windows(run_of, long_reviews):
    from jptextclf import load

    run, texts = run_of("windows", mode="features"), [text for text, _ in long_reviews]
    found = load(run.path, device="cpu").predict(texts)
    assert not found.truncated.any()
    accuracy = np.mean([one == label for (one,), (_, label) in zip(found.labels, long_reviews, strict=True)])
    assert accuracy == pytest.approx(run.scores["validation"]["scores"]["accuracy"])
    assert "Plain transformers" not in (run.path / "README.md").read_text("utf-8")


def test_the_estimator_reads_as_it_was_trained(long_reviews, tiny_encoder, tmp_path):
    from jptextclf import TextClassifier

    texts, labels = (list(one) for one in zip(*long_reviews, strict=True))
    fitted = TextClassifier(
        model=str(tiny_encoder), max_length=24, epochs=1, device="cpu", precision="float32", **WAYS["windows"]
    ).fit(texts, labels)
    fitted.save(tmp_path / "run")
    again = TextClassifier.load(tmp_path / "run")
    assert again.get_params()["long_texts"] == "windows"
    assert (again.predict_proba(texts) == fitted.predict_proba(texts)).all()


def test_older_runs_cut_the_end_and_damaged_ones_are_refused():
    assert recorded_way({}) == ("truncate", 32)
    for record in ({"long_texts": "middle"}, {"window_overlap": -1}, {"window_overlap": "4"}):
        with pytest.raises(ValueError, match="long_texts"):
            recorded_way(record)


def test_windows_that_share_too_much_stop_a_training_before_it_starts(tiny_encoder, long_reviews, tmp_path):
    from jptextclf import train

    texts, labels = (list(one) for one in zip(*long_reviews, strict=True))
    with pytest.raises(ConfigError, match=r"JPT-U175 .* 16 may be shared"):
        train(
            (texts, labels), model=str(tiny_encoder), out=tmp_path / "run", max_length=24,
            long_texts="windows", window_overlap=17,
        )  # fmt: skip
    assert not (tmp_path / "run" / "config.json").exists()


def test_progress_counts_texts_and_not_windows(plain):
    encoded = encode_texts(
        plain, ["朝食です", "朝 " * 90], max_length=12, long_texts="windows", window_overlap=2
    )
    told = []
    count = encoded.counting(told.append)
    for _ in range(len(encoded.rows)):
        count(1)
    assert len(told) == len(encoded.rows) > 2
    assert sum(told) == 2


@pytest.fixture(scope="module")
def joined(shared):
    """Texts of 1 to 12 sentences about hotels, most of them with the text's label: 900 to train on and 500."""
    lines = (shared / "data/jrte/pn.tsv").read_text("utf-8").splitlines()
    rows = [row for row in (line.split("\t") for line in lines) if row[1] in {"1", "-1"}]

    def parts(split, n_texts, seed):
        random = np.random.default_rng(seed)
        pool = {
            label: [row[2] for row in rows if row[4] == split and row[1] == label] for label in ("1", "-1")
        }
        texts, labels = [], []
        for number in range(n_texts):
            label, other = ("1", "-1") if number % 2 else ("-1", "1")
            n_sentences = int(random.integers(1, 13))
            n_own = n_sentences - int(random.integers(0, (n_sentences - 1) // 2 + 1))
            kinds = random.permutation([label] * n_own + [other] * (n_sentences - n_own))
            texts.append("".join(str(random.choice(pool[kind])) for kind in kinds))
            labels.append({"1": "良い", "-1": "悪い"}[label])
        return texts, labels

    return parts("train", 900, 0), parts("dev", 500, 1)


@pytest.mark.full
def test_windows_see_what_truncation_loses(joined, tmp_path):
    """The figures go to the notes on speed and quality: accuracy and macro F1 of each way at max_length 64."""
    from jptextclf import train

    (texts, labels), (held_back, references) = joined
    accuracy = {}
    for way in ("truncate", "head_tail", "windows"):
        run = train(
            (texts, labels), max_length=64, long_texts=way, epochs=3, device="cpu", out=tmp_path / way,
        )  # fmt: skip
        found = [one for (one,) in run.predict(held_back).labels]
        accuracy[way] = float(np.mean([one == other for one, other in zip(found, references, strict=True)]))
        print(way, round(accuracy[way], 4), run.bundle.record["seconds"])
    assert accuracy["head_tail"] > accuracy["truncate"] - 0.02
    assert accuracy["windows"] > max(accuracy["truncate"], accuracy["head_tail"]) + 0.03
