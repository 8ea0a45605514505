"""Texts of now against those of the training: the tests by hand, how often they cry wolf, the command, bad input."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from chromium import violations
from click.testing import CliRunner
from scipy import stats

from jptextclf import TextClassifier, check_drift, load, messages
from jptextclf.bundle import open_bundle, seal
from jptextclf.cli import cli
from jptextclf.drift import Drift, compare_profiles
from jptextclf.errors import ConfigError, DataError
from jptextclf.labels import LabelSchema
from jptextclf.page_files import write_page
from jptextclf.text_profile import FILE as PROFILE
from jptextclf.text_profile import Profile, Profiled, TrainingWords, every_nth, words_in

SCHEMA = LabelSchema(("bad", "good", "so-so"), "multiclass")
ASPECTS = LabelSchema(("food", "room", "staff"), "multilabel")


def profile(
    n,
    *,
    seed=0,
    schema=SCHEMA,
    length=40,
    confidence=(8, 2),
    shares=(0.3, 0.5, 0.2),
    unknown=0.05,
    novel=0.05,
):
    rng = np.random.default_rng(seed)
    characters = rng.poisson(length, n) + 1
    words = rng.poisson(length / 3, n) + 1
    if schema.is_multilabel:
        counts = np.array([rng.binomial(n, one) for one in shares])
    else:
        counts = rng.multinomial(n, shares)
    return Profile(
        characters.astype(np.int32),
        (characters // 2 + 2).astype(np.int32),
        rng.binomial(1, unknown, n).astype(np.int32),
        words.astype(np.int32),
        rng.binomial(words, novel).astype(np.int32),
        rng.beta(*confidence, n).astype(np.float32),
        counts.astype(np.int64),
        np.full(schema.n_labels, 0.5, dtype=np.float32),
    )


def drift(before, now, schema=SCHEMA):
    return compare_profiles(schema, before, Profiled(now, Counter()), source="now.csv")


@pytest.mark.parametrize(
    ("schema", "sizes"), [(SCHEMA, (400, 300)), (SCHEMA, (5000, 40)), (ASPECTS, (400, 2000))]
)
def test_texts_of_the_same_kind_rarely_count_as_others(schema, sizes):
    verdicts = [
        drift(
            profile(sizes[0], seed=seed, schema=schema),
            profile(sizes[1], seed=1000 + seed, schema=schema),
            schema,
        ).verdict
        for seed in range(100)
    ]
    assert verdicts.count("stable") >= 97


@pytest.mark.parametrize(
    ("change", "measure"),
    [
        ({"length": 80}, "characters"),
        ({"confidence": (5, 5)}, "confidence"),
        ({"shares": (0.7, 0.1, 0.2)}, "labels"),
        ({"unknown": 0.5}, "unknown"),
        ({"novel": 0.3}, "novel"),
    ],
)
@pytest.mark.parametrize("schema", [SCHEMA, ASPECTS])
def test_a_change_is_seen_and_named(change, measure, schema):
    found = drift(profile(500, schema=schema), profile(300, seed=1, schema=schema, **change), schema)
    assert found.verdict == "drifted"
    levels = {one.name: one.level for one in found.measures}
    assert levels[measure] == "large"
    others = {measure, "pieces", "novel"} if measure == "characters" else {measure}
    assert all(level == "none" for name, level in levels.items() if name not in others)


def test_the_statistics_are_those_of_scipy():
    before, now = profile(200), profile(150, seed=5, length=44)
    found = {one.name: one for one in drift(before, now).measures}
    tested = stats.ks_2samp(before.characters, now.characters, method="asymp")
    assert found["characters"].effect == pytest.approx(tested.statistic)
    assert found["characters"].p_value == pytest.approx(tested.pvalue)
    table = np.stack([before.label_counts, now.label_counts])
    assert found["labels"].statistic == pytest.approx(
        stats.chi2_contingency(table, correction=False).statistic
    )
    texts = np.array([[n, len(one) - n] for one in (before, now) for n in [(one.unknown > 0).sum()]])
    expected = stats.fisher_exact(texts, alternative="less").pvalue
    assert found["unknown"].p_value == pytest.approx(expected)
    # Holm: the smallest of all is taken times their number, and none becomes smaller than it was.
    smallest = min(found.values(), key=lambda one: one.p_value)
    assert smallest.adjusted == pytest.approx(min(1, smallest.p_value * len(found)))
    assert all(one.adjusted >= one.p_value for one in found.values())


def test_a_difference_that_is_certain_and_small_is_no_drift():
    found = drift(profile(20_000), profile(20_000, seed=1, length=41))
    measure = next(one for one in found.measures if one.name == "characters")
    assert measure.adjusted < 1e-6
    assert (measure.level, found.verdict) == ("none", "stable")


def test_the_last_digits_of_probabilities_are_no_drift():
    before, now = profile(300), profile(300, seed=1)
    sure = np.full(300, 0.9993, dtype=np.float32)
    found = drift(replace(before, confidence=sure), replace(now, confidence=sure - np.float32(1e-6)))
    assert found["confidence"].level == "none"
    less = drift(replace(before, confidence=sure), replace(now, confidence=sure - np.float32(0.05)))
    assert less["confidence"].level == "large"


def test_fewer_unknown_pieces_and_fewer_new_words_are_no_drift():
    found = drift(profile(500, unknown=0.5, novel=0.3), profile(300, seed=1, unknown=0.0, novel=0.0))
    assert {one.name: one.level for one in found.measures if one.name in {"unknown", "novel"}} == {
        "unknown": "none",
        "novel": "none",
    }


@pytest.mark.parametrize(
    ("before", "now", "p_value"),
    [
        ([50] * 20, [10] * 9 + [0] * 11, 1e-3),
        ([9, 0], [0, 9], 1e-3),
        ([5, 5, 4], [0, 0, 14], 2e-3),
    ],
)
def test_labels_that_are_all_rare_are_tested_too(before, now, p_value):
    schema = LabelSchema(tuple(f"label {number}" for number in range(len(before))), "multiclass")
    profiles = [
        replace(profile(sum(one)), label_counts=np.array(one), cuts=np.full(len(one), 0.5, np.float32))
        for one in (before, now)
    ]
    found = drift(*profiles, schema)["labels"]
    assert found.p_value < p_value
    assert found.effect > 0.25


def test_random_tables_say_what_fisher_says():
    schema = LabelSchema(("a", "b"), "binary")
    for one, other in ([[8, 2], [1, 5]], [[3, 4], [4, 3]], [[20, 1], [3, 2]]):
        pair = [
            replace(profile(sum(counts)), label_counts=np.array(counts), cuts=np.full(2, 0.5, np.float32))
            for counts in (one, other)
        ]
        expected = stats.fisher_exact([one, other]).pvalue
        assert drift(*pair, schema)["labels"].p_value == pytest.approx(expected, abs=0.06)


def test_few_texts_are_no_verdict():
    found = drift(profile(500), profile(3, seed=3))
    assert found.verdict == "undecided"
    assert "too few" in found.sentence


def test_answers_of_other_models_are_not_compared():
    found = drift(
        replace(profile(300), is_out_of_fold=True),
        profile(300, seed=1, confidence=(5, 5), shares=(0.8, 0.1, 0.1)),
    )
    assert {one.name for one in found.measures} == {"novel", "unknown", "characters", "pieces"}
    assert found.verdict == "stable"
    assert any("other models" in one for one in found.remarks())


def test_words_of_addresses_and_of_single_texts_are_not_shown(trained):
    texts = [
        "連絡は kiryuin@example.com まで。帰省",
        "連絡は kiryuin@example.com まで。",
        "ずんだ餅" * 300 + "美味",
    ] * 2
    shown = {word for word, _ in check_drift(trained, texts, device="cpu").novel_words}
    assert "kiryuin" not in shown
    assert "連絡" in shown
    assert max(map(len, shown)) <= 20


def test_how_few_texts_can_show_is_said():
    found = drift(profile(500), profile(20, seed=3))
    assert any("20 texts" in one for one in found.remarks())
    assert not any(
        "texts can only show" in one for one in drift(profile(500), profile(500, seed=3)).remarks()
    )


def test_words_are_folded_and_fingerprints_know_them():
    assert words_in("ＷｉＦｉが速い！ 123 (笑)") == ["wifi", "が", "速い", "笑"]
    known = TrainingWords.of(["朝食が美味しい", "WIFI"])
    assert known.unknown_of(words_in("朝食のｗｉｆｉが遅い")) == {"の", "遅い"}
    assert known.fingerprints.dtype == np.uint64
    assert len(every_nth(list("x" * 100_001), 20_000)) <= 20_000


@pytest.fixture(scope="module")
def again(tmp_path_factory, reviews_csv):
    """Texts like those of the training, and quite other ones, both without labels."""
    other = tmp_path_factory.mktemp("drift") / "other.csv"
    lines = [
        f"Order {number}: the parcel never arrived and nobody answers the phone, refund please."
        for number in range(80)
    ]
    other.write_text("text\n" + "\n".join(f'"{one}"' for one in lines) + "\n", encoding="utf-8")
    return reviews_csv, other


def test_a_run_knows_texts_of_its_kind_from_others(trained, again):
    same, other = again
    assert check_drift(trained, same, device="cpu").verdict == "stable"
    found = check_drift(trained, other, device="cpu")
    assert found.verdict == "drifted"
    levels = {one.name: one.level for one in found.measures}
    assert levels["characters"] == levels["novel"] == "large"
    assert found.novel_words[0][1] == 80
    assert Drift.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_command(trained, again, language, tmp_path):
    same, other = again
    options = ["--lang", language, "data", "drift", str(trained.path)]
    shown = CliRunner().invoke(cli, [*options, str(same), "-q"])
    assert shown.exit_code == 0, shown.output
    page = tmp_path / "drift.html"
    shown = CliRunner().invoke(cli, [*options, str(other), "-q", "--html", str(page)])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.strip() == str(page)
    text = page.read_text(encoding="utf-8")
    assert "parcel" in text
    assert f'lang="{language}"' in text
    data = json.loads(CliRunner().invoke(cli, [*options, str(other), "-q", "--json"]).stdout)
    assert data["verdict"] == "drifted"
    strict = CliRunner().invoke(cli, [*options, str(other), "-q", "--strict"])
    assert strict.exit_code != 0
    assert "JPT-D071" in strict.output
    assert CliRunner().invoke(cli, [*options, str(same), "-q", "--strict"]).exit_code == 0


def test_a_run_without_a_profile_takes_a_file_to_compare_with(run_copy, again):
    same, other = again
    record = open_bundle(run_copy).to_json()
    (run_copy / PROFILE).unlink()
    seal(run_copy, record)
    with pytest.raises(ConfigError, match="JPT-U218"):
        check_drift(run_copy, same, device="cpu")
    found = check_drift(run_copy, other, reference=same, device="cpu")
    assert found.verdict == "drifted"
    assert "novel" not in {one.name for one in found.measures}
    assert not found.novel_words
    assert check_drift(run_copy, same, reference=same, device="cpu").verdict == "stable"


def test_a_list_of_texts_will_do(trained, reviews):
    texts = [f"{text}{'！' * time}" for time in range(3) for text, _ in reviews]
    assert check_drift(trained, texts, device="cpu").verdict == "stable"
    with pytest.raises(TypeError, match=r"data\[1\] is int"):
        check_drift(trained, ["a", 1], device="cpu")


def test_the_estimator_keeps_a_profile_and_decides_without_data(tiny_encoder, reviews, again, tmp_path):
    from jptextclf import decide

    texts, labels = zip(*reviews, strict=True)
    fitted = TextClassifier(
        model=str(tiny_encoder), epochs=1, device="cpu", max_length=64, validation_fraction=0.3
    ).fit(texts, labels)
    fitted.save(tmp_path / "run")
    assert check_drift(load(tmp_path / "run"), again[1], device="cpu").verdict == "drifted"
    assert decide(tmp_path / "run", max_review=0.2, dry_run=True).tuned_on == "validation"
    TextClassifier.load(tmp_path / "run").save(tmp_path / "again")
    assert (tmp_path / "again" / "profile.safetensors").read_bytes() == (
        tmp_path / "run" / "profile.safetensors"
    ).read_bytes()


def test_bad_input_is_told(trained, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("text\n", encoding="utf-8")
    with pytest.raises(DataError):
        check_drift(trained, empty, device="cpu")
    with pytest.raises(DataError, match="JPT-D019"):
        check_drift(trained, empty, text_column="本文", device="cpu")
    gone = CliRunner().invoke(cli, ["data", "drift", str(trained.path), str(tmp_path / "gone.csv")])
    assert gone.exit_code != 0
    assert "gone.csv" in gone.output


@pytest.mark.parametrize("language", ["en", "ja"])
def test_axe_finds_nothing_on_the_page(trained, again, tmp_path, language):
    messages.use_language(language)
    page = write_page(tmp_path / "drift.html", check_drift(trained, again[1], device="cpu").to_html())
    assert violations(page, folder=tmp_path) == []
    assert violations(page, folder=tmp_path, dark=True, width=400) == []
