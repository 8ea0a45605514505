"""Run directories: whole or not at all, checked when opened, and loadable without this package."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jptextclf import atomic, load
from jptextclf.atomic import new_directory
from jptextclf.bundle import LOCK, RUN_FILES, Bundle, open_bundle, write_bundle
from jptextclf.decisions.answers import FILE as ANSWERS
from jptextclf.errors import ConfigError, SetupError, WorkError
from jptextclf.text_profile import FILE as PROFILE

FILES = (*RUN_FILES, LOCK, ANSWERS, PROFILE, "tokenizer.json")
"""Of a run with a fast tokenizer."""
TEXTS = [
    "朝食がとても美味しかったです。",
    "二度と利用しません。",
    "部屋が汚くて残念でした。",
    "静か",
    "",
    "１２３ ﾊﾟﾝ",
]


def test_a_run_holds_exactly_the_files_it_says(trained):
    assert sorted(path.name for path in trained.path.iterdir()) == sorted(FILES)
    manifest = json.loads((trained.path / "MANIFEST.json").read_text(encoding="utf-8"))
    assert sorted(manifest["files"]) == sorted(set(FILES) - {"MANIFEST.json"})


def test_nothing_in_a_run_names_this_machine_or_its_user(trained, tiny_encoder, reviews_csv):
    for path in trained.path.iterdir():
        data = path.read_bytes()
        for secret in (str(tiny_encoder), str(reviews_csv.parent), str(Path.home())):
            assert secret.encode() not in data, (path.name, secret)


def test_a_run_is_marked_as_not_reviewed_in_both_languages(trained):
    card = (trained.path / "README.md").read_text(encoding="utf-8")
    assert "license: other" in card
    assert "not reviewed, not for distribution" in card
    assert "未審査・配布不可" in card


def test_the_licence_record_names_encoder_tokenizer_data_and_software(trained):
    record = json.loads((trained.path / "components.json").read_text(encoding="utf-8"))
    by_role = {component["role"]: component for component in record["components"]}
    assert {"base_model", "tokenizer", "training_data", "software"} <= set(by_role)
    assert by_role["training_data"]["license"] == "LicenseRef-Own"
    assert by_role["training_data"]["origin"] == "own"
    assert len(by_role["training_data"]["sha256"]) == 64


def test_a_run_survives_a_round_trip(trained):
    opened = open_bundle(trained.path)
    assert opened.schema == trained.schema
    assert opened.components == trained.bundle.components
    assert opened.max_length == 64


def test_plain_transformers_gives_the_same_labels_and_scores_without_this_package(trained):
    program = """
import json, sys
from transformers import pipeline
assert "jptextclf" not in sys.modules
assert not any("jptextclf" in path for path in sys.path)
classify = pipeline("text-classification", sys.argv[1])
print(json.dumps([classify(text, top_k=None) for text in json.loads(sys.argv[2])]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", program, str(trained.path), json.dumps(TEXTS)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    theirs = json.loads(done.stdout.strip().split("\n")[-1])
    ours = load(trained.path, device="cpu").predict(TEXTS)
    for number, scores in enumerate(theirs):
        expected = {one["label"]: one["score"] for one in scores}
        got = dict(zip(ours.schema.names, map(float, ours.probabilities[number]), strict=True))
        assert got == pytest.approx(expected, abs=1e-5)
        assert ours.labels[number] == (max(expected, key=expected.get),)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["cut", "flip", "delete"])
def test_every_damaged_file_is_refused(run_copy, file, damage):
    path = run_copy / file
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
    with pytest.raises(SetupError, match=r"JPT-E0(49|6\d)"):
        open_bundle(run_copy)


def test_a_file_that_the_run_does_not_list_is_refused(run_copy):
    (run_copy / ".DS_Store").write_text("left by a desktop")
    open_bundle(run_copy)
    (run_copy / "adapter_config.json").write_text("{}")
    with pytest.raises(SetupError, match=r"JPT-E063.*adapter_config"):
        open_bundle(run_copy)


def test_a_run_with_a_file_of_the_user_is_not_overwritten(trained, run_copy):
    (run_copy / "notes.txt").write_text("important")
    with pytest.raises(ConfigError, match="JPT-U025"):
        write_again(trained, run_copy, overwrite=True)
    assert (run_copy / "notes.txt").read_text() == "important"


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../../outside"])
def test_a_manifest_that_points_outside_is_refused(run_copy, name):
    manifest = json.loads((run_copy / "MANIFEST.json").read_text(encoding="utf-8"))
    manifest["files"][name] = {"sha256": "0" * 64, "size": 1}
    (run_copy / "MANIFEST.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(SetupError, match="JPT-E060"):
        open_bundle(run_copy)


def rewritten(run, change):
    """Change jptextclf.json and make the manifest agree, as somebody who knows the format could."""
    record = json.loads((run / "jptextclf.json").read_text(encoding="utf-8"))
    change(record)
    (run / "jptextclf.json").write_text(json.dumps(record), encoding="utf-8")
    manifest = json.loads((run / "MANIFEST.json").read_text(encoding="utf-8"))
    path = run / "jptextclf.json"
    manifest["files"]["jptextclf.json"] = {"sha256": atomic.sha256_of(path), "size": path.stat().st_size}
    (run / "MANIFEST.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_newer_format_asks_for_an_update(run_copy):
    rewritten(run_copy, lambda record: record.update(schema_version=99))
    with pytest.raises(SetupError, match=r"JPT-E061.*99"):
        open_bundle(run_copy)


@pytest.mark.parametrize("key", ["labels", "thresholds", "max_length", "adapter"])
def test_a_record_without_a_part_is_damaged(run_copy, key):
    rewritten(run_copy, lambda record: record.pop(key))
    with pytest.raises(SetupError, match="JPT-E062"):
        open_bundle(run_copy)


@pytest.mark.parametrize("role", ["base_model", "training_data"])
def test_a_run_without_provenance_cannot_exist(trained, role):
    rest = tuple(one for one in trained.bundle.components if one.role != role)
    with pytest.raises(WorkError, match=f"JPT-W012.*{role}"):
        replace(trained.bundle, components=rest)


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": -1}, {"max_length": "x"}, {"max_length": None}, {"thresholds": [0.5]}, {"thresholds": ["a", "b"]},
        {"thresholds": [float("nan"), 0.5]}, {"adapter": {"name": 5}}, {"labels": {"task": "binary", "names": "ab"}},
        {"labels": {"task": "binary", "names": ["良い", "悪い"]}}, {"labels": {"task": "multilabel", "names": ["悪い", "良い"]}},
        {"labels": {"task": "ranking", "names": ["悪い", "良い"]}},
    ],
)  # fmt: skip
def test_a_record_with_impossible_values_is_damaged(run_copy, change):
    rewritten(run_copy, lambda record: record.update(change))
    with pytest.raises(SetupError, match="JPT-E062"):
        open_bundle(run_copy)


def test_the_files_of_a_run_can_be_read_by_others(trained, tmp_path):
    old = os.umask(0o022)
    try:
        write_again(trained, tmp_path / "run")
    finally:
        os.umask(old)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir()} == {0o644}
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755


def test_a_directory_that_is_no_run_says_what_is_there(tmp_path, tiny_encoder):
    with pytest.raises(SetupError, match="nothing of that name"):
        open_bundle(tmp_path / "nowhere")
    with pytest.raises(SetupError, match="holds a model"):
        open_bundle(tiny_encoder)


def write_again(trained, path, **options):
    classifier, adapter, _ = trained.bundle.load_model("cpu")
    write_bundle(replace(trained.bundle, path=path), classifier, adapter, **options)


def test_writing_twice_gives_the_same_bytes(trained, tmp_path):
    for name in ("a", "b"):
        write_again(trained, tmp_path / name / "run")
    for file in (one for one in FILES if one not in {ANSWERS, PROFILE}):
        assert (tmp_path / "a" / "run" / file).read_bytes() == (tmp_path / "b" / "run" / file).read_bytes()


def test_an_existing_run_is_replaced_only_when_asked(trained, run_copy):
    before = (run_copy / "MANIFEST.json").read_bytes()
    with pytest.raises(ConfigError, match="JPT-U024"):
        write_again(trained, run_copy)
    assert (run_copy / "MANIFEST.json").read_bytes() == before
    write_again(trained, run_copy, overwrite=True)
    open_bundle(run_copy)
    assert [path.name for path in run_copy.parent.iterdir()] == ["run"]


def test_what_is_no_run_is_never_overwritten(trained, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("important")
    with pytest.raises(ConfigError, match="JPT-U025"):
        write_again(trained, tmp_path / "mine", overwrite=True)
    (tmp_path / "file").write_text("important")
    with pytest.raises(ConfigError, match="JPT-U025"):
        write_again(trained, tmp_path / "file", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == (tmp_path / "file").read_text() == "important"


class GivenUpError(Exception):
    pass


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failure_at_any_sync_or_rename_leaves_the_old_run_or_nothing(
    trained, tmp_path, monkeypatch, overwrite
):
    """As SQLite tests commits: fail the first, the second, ... every system call of the save path."""
    target = tmp_path / "place" / "run"
    if overwrite:
        write_again(trained, target)
    before = {path.name: path.read_bytes() for path in target.iterdir()} if overwrite else None
    real_fsync, real_rename = os.fsync, Path.rename
    n = 0
    for number in range(1, 60):
        calls = 0

        def counted(real, number=number):
            def call(*args, **kwargs):
                nonlocal calls
                calls += 1
                if calls == number:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return real(*args, **kwargs)

            return call

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", counted(real_fsync))
            patched.setattr(Path, "rename", counted(real_rename))
            try:
                write_again(trained, target, overwrite=overwrite)
            except WorkError as error:
                assert "No space left" in str(error)
                n += 1
            else:
                break
        if target.exists():
            open_bundle(target)
            if before is not None and calls < n:
                assert {path.name: path.read_bytes() for path in target.iterdir()} == before
        leftovers = (
            [path.name for path in target.parent.iterdir() if path != target]
            if target.parent.exists()
            else []
        )
        assert leftovers == []
    assert n >= 10
    open_bundle(target)


def test_a_directory_without_permission_fails_before_any_work(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(WorkError, match="JPT-W011"):
        atomic.check_target(tmp_path / "run", overwrite=False)


def test_checking_a_place_leaves_nothing_behind(tmp_path):
    atomic.check_target(tmp_path / "a" / "b" / "run", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_block_leaves_nothing(tmp_path):
    with pytest.raises(GivenUpError), new_directory(tmp_path / "run") as staging:
        (staging / "half").write_text("x")
        raise GivenUpError
    assert list(tmp_path.iterdir()) == []


def test_thresholds_decide_multilabel_labels(trained):
    from jptextclf.labels import LabelSchema
    from jptextclf.prediction import Prediction

    prediction = Prediction(
        LabelSchema(("価格", "部屋"), "multilabel"), np.array([[0.4, 0.6], [0.2, 0.1]], np.float32),
        np.array([0.3, 0.7], np.float32), np.zeros(2, bool), np.zeros(2, bool),
    )  # fmt: skip
    assert prediction.labels == [("価格",), ()]
    assert isinstance(trained.bundle, Bundle)
