"""The lock of a run: the same training again gives the same weights, another one is refused line by line."""

import copy
import json

import pytest

from jptextclf import TextClassifier, load, messages, train
from jptextclf.bundle import LOCK
from jptextclf.cli import cli
from jptextclf.errors import ConfigError
from jptextclf.run_lock import check_lock, check_places, differences, read_lock
from tests.conftest import make_tiny_encoder

SETTINGS = {
    "epochs": 2, "max_length": 32, "device": "cpu", "precision": "float32", "validation_fraction": 0.25,
    "seed": 3, "batch_size": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def locked(tmp_path_factory, tiny_encoder, reviews_csv):
    """A short training with its lock; do not change it."""
    out = tmp_path_factory.mktemp("locked") / "run"
    return train(reviews_csv, model=str(tiny_encoder), out=out, **SETTINGS).path


@pytest.fixture
def lock(locked):
    return read_lock(locked)


def again(locked, data, out, **options):
    return train(data, lock=locked / LOCK, out=out, **options)


def weights(run):
    return (run / "model.safetensors").read_bytes()


def test_the_lock_says_what_the_result_depends_on(lock, locked):
    from importlib.metadata import version

    assert list(lock) == [
        "schema_version", "settings", "encoder", "teacher", "tokenizer", "dictionary", "data", "environment",
    ]  # fmt: skip
    assert {**lock["settings"], **SETTINGS} == lock["settings"]
    # What was chosen is decided.
    assert lock["settings"]["task"] == "binary"
    assert lock["settings"]["learning_rate"] == load(locked).bundle.record["plan"]["learning_rate"]
    assert lock["settings"]["metric"] == "macro_f1"
    assert len(lock["encoder"]["sha256"]) == len(lock["tokenizer"]["sha256"]) == 64
    assert [one["name"] for one in lock["data"]["files"]] == ["reviews.csv"]
    assert {name: one["n"] for name, one in lock["data"]["texts"].items()} == {"train": 54, "validation": 18}
    assert lock["environment"]["packages"]["torch"] == version("torch")
    assert lock["environment"]["threads"] >= 1
    # Nothing in it belongs to this machine alone.
    assert str(locked.parent.parent) not in (locked / LOCK).read_text(encoding="utf-8")


def test_the_lock_is_a_document_of_the_run(locked):
    manifest = json.loads((locked / "MANIFEST.json").read_text(encoding="utf-8"))
    assert LOCK in manifest["files"]
    assert LOCK in json.loads((locked / "jptextclf.json").read_text(encoding="utf-8"))["sealed"]
    assert load(locked).bundle.lock == read_lock(locked)


def test_two_trainings_under_one_lock_have_the_same_weights(locked, tiny_encoder, reviews_csv, tmp_path):
    run = again(locked, reviews_csv, tmp_path / "again", model=str(tiny_encoder))
    assert weights(run.path) == weights(locked)
    assert read_lock(run.path) == read_lock(locked)
    assert differences(read_lock(run.path), read_lock(locked)) == ()


def test_another_seed_gives_other_weights_and_is_no_training_of_the_lock(
    locked, tiny_encoder, reviews_csv, tmp_path
):
    with pytest.raises(ConfigError) as caught:
        again(locked, reviews_csv, tmp_path / "again", model=str(tiny_encoder), seed=4, epochs=1)
    assert caught.value.code == "JPT-U118"
    assert "settings.seed: it was 3, now it is 4" in caught.value.message
    assert "settings.epochs: it was 2, now it is 1" in caught.value.message
    # The held-out texts are others, too.
    assert "data.texts.train.sha256" in caught.value.message
    assert not (tmp_path / "again").exists()


def test_other_data_and_another_encoder_are_refused_line_by_line(
    locked, reviews_csv, tmp_path_factory, tmp_path
):
    data = tmp_path / "reviews.csv"
    data.write_bytes(
        reviews_csv.read_bytes().replace("部屋が汚くて".encode("cp932"), "部屋が古くて".encode("cp932"))
    )
    encoder = make_tiny_encoder(tmp_path_factory.mktemp("other"), unigram=True)
    with pytest.raises(ConfigError) as caught:
        again(locked, data, tmp_path / "again", model=str(encoder), dry_run=True)
    lines = caught.value.fields["differences"].split("\n")
    for name in ["encoder.sha256", "tokenizer.sha256", "data.files.reviews.csv", "data.texts.train.sha256"]:
        assert sum(line.startswith(f"  - {name}: ") for line in lines) == 1, lines
    assert caught.value.fields["n"] == len(lines)


def test_the_same_file_under_another_name_is_the_same_data(locked, tiny_encoder, reviews_csv, tmp_path):
    (tmp_path / "moved.csv").write_bytes(reviews_csv.read_bytes())
    plan = again(locked, tmp_path / "moved.csv", tmp_path / "x", model=str(tiny_encoder), dry_run=True)
    assert plan.prepared.config.seed == 3


def test_other_versions_are_warned_of(lock, locked, tiny_encoder, reviews_csv, tmp_path, caplog):
    lock["environment"]["packages"]["torch"] = "1.0"
    lock["environment"]["threads"] = 99
    (tmp_path / LOCK).write_text(json.dumps(lock), encoding="utf-8")
    plan = train(
        reviews_csv,
        lock=tmp_path / LOCK,
        model=str(tiny_encoder),
        out=tmp_path / "x",
        max_tokens=64,
        dry_run=True,
    )
    assert plan.prepared.config.max_tokens == 64
    warnings = [one.getMessage() for one in caplog.records if "under the lock" in one.getMessage()]
    assert any("environment.packages.torch: it was 1.0" in one for one in warnings)
    assert any("environment.threads: it was 99" in one for one in warnings)
    assert any("settings.max_tokens: it was 8192, now it is 64" in one for one in warnings)
    assert len(warnings) == 3


@pytest.mark.parametrize(
    ("section", "key", "value", "changes"),
    [
        ("settings", "epochs", 9, True),
        ("settings", "loss", "focal", True),
        ("settings", "ngrams", True, True),
        ("settings", "attention", "padded", False),
        ("settings", "use", "internal", None),
        ("settings", "trackers", ["wandb"], None),
        ("settings", "model", "elsewhere", None),
        ("encoder", "sha256", "0" * 64, True),
        ("encoder", "name", "renamed", None),
        ("tokenizer", "options", {"dictionary": "ipadic"}, True),
        ("data", "columns", {"text": ["別"]}, True),
        ("data", "source", "renamed.csv", None),
        ("environment", "python", "3.99", False),
        ("environment", "device", "GPU", False),
    ],
)
@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_each_difference_says_whether_it_changes_the_result(lock, section, key, value, changes, language):
    messages.use_language(language)
    other = copy.deepcopy(lock)
    other[section][key] = value
    found = differences(lock, other)
    assert {one.changes_result for one in found} == (set() if changes is None else {changes})
    for one in found:
        assert one.name.startswith(f"{section}.{key}")
        assert one.name in str(one)
        assert "\n" not in str(one)
    if changes:
        with pytest.raises(ConfigError, match="JPT-U118"):
            check_lock(lock, other)
    else:
        assert len(check_lock(lock, other)) == len(found)


def test_differences_that_change_the_result_come_first_and_a_missing_part_is_one(lock):
    other = copy.deepcopy(lock)
    other["settings"]["max_tokens"] = 64
    other["environment"]["threads"] = 99
    other["dictionary"] = {"name": "ipadic", "revision": "1", "sha256": "a" * 64}
    found = differences(lock, other)
    assert [one.name for one in found] == ["dictionary", "settings.max_tokens", "environment.threads"]
    assert "it was nothing" in str(found[0])
    assert [one.name for one in differences(other, lock)] == [one.name for one in found]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "line 1"), (b"[]", "settings"), (b"{}", "it lacks"), (b'{"a": NaN}', "NaN"), (b"\xff", "utf-8"),
        (b'{"schema_version": 1, "settings": {}, "encoder": {}}', "teacher"),
    ],
)  # fmt: skip
def test_what_is_no_lock_is_refused(tmp_path, content, words):
    (tmp_path / LOCK).write_bytes(content)
    with pytest.raises(ConfigError, match="JPT-U117") as caught:
        read_lock(tmp_path)
    assert words in caught.value.message
    with pytest.raises(ConfigError, match="JPT-U117"):
        read_lock(tmp_path / "nowhere.json")


def test_a_newer_lock_is_refused(lock, tmp_path):
    (tmp_path / LOCK).write_text(json.dumps({**lock, "schema_version": 2}), encoding="utf-8")
    with pytest.raises(ConfigError, match="its version is 2"):
        read_lock(tmp_path)


def test_the_place_of_an_encoder_must_be_said(locked, reviews_csv, tmp_path, lock):
    with pytest.raises(ConfigError, match="--model DIRECTORY"):
        again(locked, reviews_csv, tmp_path / "again")
    lock["teacher"] = {"name": "big", "kind": "directory", "sha256": None}
    with pytest.raises(ConfigError, match="--teacher DIRECTORY"):
        check_places(lock, {"model": "option", "teacher": LOCK})
    check_places(lock, {"model": "option", "teacher": "run.toml:3"})


def test_the_command_line_trains_under_a_lock(capfdbinary, locked, tiny_encoder, reviews_csv, tmp_path):
    def jptextclf(*args):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(one) for one in args], prog_name="jptextclf")
        return ended.value.code, capfdbinary.readouterr()

    common = [
        "train",
        reviews_csv,
        "--model",
        tiny_encoder,
        "--lock",
        locked,
        "--out",
        tmp_path / "run",
        "--quiet",
    ]
    status, shown = jptextclf(*common, "--batch-size", "8", "--lang", "ja")
    assert status == 2
    assert "settings.batch_size: 以前は 16、今回は 8" in shown.err.decode()
    assert jptextclf(*common)[0] == 0
    assert weights(tmp_path / "run") == weights(locked)


def test_a_saved_classifier_keeps_its_lock(tiny_encoder, reviews, tmp_path):
    texts, labels = zip(*reviews, strict=True)
    TextClassifier(model=str(tiny_encoder), **SETTINGS).fit(texts, labels).save(tmp_path / "a")
    lock = read_lock(tmp_path / "a")
    assert lock["data"]["source"] == "memory"
    TextClassifier.load(tmp_path / "a", device="cpu").save(tmp_path / "b")
    assert read_lock(tmp_path / "b") == lock


def test_a_frozen_encoder_has_a_lock_too(tiny_encoder, reviews_csv, tmp_path):
    options = {"mode": "features", "model": str(tiny_encoder), "device": "cpu", "max_length": 32}
    first = train(reviews_csv, out=tmp_path / "a", ngrams=True, **options)
    lock = read_lock(first.path)
    assert (lock["settings"]["mode"], lock["settings"]["ngrams"]) == ("features", True)
    second = train(reviews_csv, lock=first.path, model=str(tiny_encoder), out=tmp_path / "b")
    assert read_lock(second.path) == lock
    heads = [
        {
            file.name: file.read_bytes()
            for file in run.path.iterdir()
            if file.suffix in {".safetensors", ".txt"}
        }
        for run in (first, second)
    ]
    assert heads[0] == heads[1]
