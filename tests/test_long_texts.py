"""Long texts: which pieces of a text reach the encoder, and that training and prediction agree on it."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jptextclf.adapters import open_adapter
from jptextclf.encodings import Encodings
from jptextclf.errors import ConfigError
from jptextclf.long_texts import EncodedTexts, encode_texts, most_windows

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
