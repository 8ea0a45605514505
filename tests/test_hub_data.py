"""Data sets on a hub: data files only, at one commit, with their licence tag, and clear errors for every fault."""

from __future__ import annotations

import hashlib
import io

import pytest
from fakehub import FakeHub

from jptextclf import hub
from jptextclf.data import hub as data_hub
from jptextclf.data.hub import load_hub_dataset
from jptextclf.data.loading import load_data
from jptextclf.errors import ConfigError, DataError, SetupError
from jptextclf.store import manifest_sha256

TRAIN = "text,label\n朝食が美味しい,良い\n部屋が汚い,悪い\n".encode()
TEST = "text,label\n普通でした,普通\n".encode()
README = "---\nlicense: cc-by-4.0\nlanguage: ja\n---\n# 宿の口コミ\n".encode()
GOOD = {"README.md": README, "train.csv": TRAIN, "test.csv": TEST}


def parquet(features, rows) -> bytes:
    from datasets import Dataset

    buffer = io.BytesIO()
    Dataset.from_list(rows, features=features).to_parquet(buffer)
    return buffer.getvalue()


@pytest.fixture
def server(tmp_path, monkeypatch):
    import datasets.config

    monkeypatch.setattr(hub, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    with FakeHub.serve() as served:
        served.use(monkeypatch, tmp_path / "cache")
        yield served


def commit(server, files):
    return server.commit("org/reviews", files, kind="datasets")


def error_of(name, kind):
    with pytest.raises(kind) as caught:
        load_hub_dataset(name)
    assert caught.value.hint
    return caught.value


def test_a_pinned_data_set_has_splits_commit_and_licence(server):
    revision = commit(server, {**GOOD, "build.py": b"import os", "picture.png": b"x"})
    found = load_hub_dataset(f"org/reviews@{revision}")
    assert (found.revision, found.notes) == (revision, ())
    assert {name: list(rows) for name, rows in found.splits.items()} == {
        "train": [{"text": "朝食が美味しい", "label": "良い"}, {"text": "部屋が汚い", "label": "悪い"}],
        "test": [{"text": "普通でした", "label": "普通"}],
    }
    assert found.splits["train"].columns == ("text", "label")
    assert len(found.splits["train"]) == 2
    component = found.component
    assert (component.role, component.relation) == ("training_data", "trained-on")
    assert (component.name, component.revision, component.license) == ("org/reviews", revision, "CC-BY-4.0")
    assert component.url == f"{server.url}/datasets/org/reviews"
    assert component.personal_information == "unknown"
    hashes = {name: hashlib.sha256(GOOD[name]).hexdigest() for name in ("train.csv", "test.csv")}
    assert component.sha256 == manifest_sha256(hashes)
    evidence = component.evidence[0]
    assert (evidence.file, evidence.line, evidence.revision) == ("README.md", 2, revision)
    assert not server.asked(r"build\.py|\.png")


def test_rows_can_be_read_again_and_again(server):
    commit(server, GOOD)
    rows = load_hub_dataset("org/reviews").splits["train"]
    assert list(rows) == list(rows)


def test_without_a_revision_the_commit_is_recorded_and_said(server):
    revision = commit(server, GOOD)
    found = load_hub_dataset("org/reviews")
    assert found.revision == revision
    assert any(f"org/reviews@{revision}" in note for note in found.notes)


def test_class_ids_are_given_as_their_names(server):
    from datasets import ClassLabel, Features, List, Value

    features = Features(
        {
            "text": Value("string"),
            "label": ClassLabel(names=["否定", "肯定"]),
            "aspects": List(ClassLabel(names=["食事", "部屋"])),
            "stars": Value("int64"),
        }
    )
    rows = [
        {"text": "良い", "label": 1, "aspects": [0, 1], "stars": 5},
        {"text": "?", "label": -1, "aspects": [], "stars": 0},
        {"text": "?", "label": None, "aspects": None, "stars": None},
    ]
    commit(server, {"data/train-00000-of-00001.parquet": parquet(features, rows)})
    found = load_hub_dataset("org/reviews")
    assert list(found.splits["train"]) == [
        {"text": "良い", "label": "肯定", "aspects": ["食事", "部屋"], "stars": 5},
        {"text": "?", "label": None, "aspects": [], "stars": 0},
        {"text": "?", "label": None, "aspects": None, "stars": None},
    ]
    assert found.component.license == "NOASSERTION"
    assert found.component.note


def parts(server, *names):
    """A data set with these parts, whatever they are called."""
    lines = [f"  - {{split: {name}, path: {number}.jsonl}}\n" for number, name in enumerate(names)]
    readme = "---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files:\n" + "".join(lines) + "---\n"
    rows = '{"text": "良い", "label": "1"}\n{"text": "悪い", "label": "0"}\n'.encode()
    commit(
        server, {"README.md": readme.encode(), **{f"{number}.jsonl": rows for number in range(len(names))}}
    )


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
def test_the_usual_names_of_validation_are_validation(server, name):
    parts(server, "train", name)
    assert set(load_hub_dataset("org/reviews").splits) == {"train", name}
    assert set(load_data("org/reviews").splits) == {"train", "validation"}


def test_two_parts_for_one_split_are_never_merged(server):
    parts(server, "train", "validation", "dev")
    with pytest.raises(DataError) as caught:
        load_data("org/reviews")
    assert caught.value.code == "JPT-D030"
    assert "dev" in caught.value.message


def test_progress_is_told_what_is_fetched(server):
    class Heard:
        def __init__(self):
            self.phases = []

        def begin(self, phase, total):
            self.phases.append(phase)

        def advance(self, n, note=""):
            pass

        end = say = warn = lambda *_: None

    commit(server, {"train.csv": TRAIN})
    progress = Heard()
    load_data("org/reviews", progress=progress)
    assert any("org/reviews" in phase for phase in progress.phases)


CONFIGS = "---\nconfigs:\n- config_name: small\n  data_files: s.csv\n- config_name: large\n  data_files: l.csv\n---\n"


def test_one_of_several_configurations_is_named_after_a_colon(server):
    revision = commit(server, {"README.md": CONFIGS.encode(), "s.csv": TRAIN, "l.csv": TEST})
    found = load_hub_dataset(f"org/reviews:large@{revision}")
    assert [row["text"] for row in found.splits["train"]] == ["普通でした"]
    assert found.component.name == "org/reviews:large"
    error = error_of("org/reviews", ConfigError)
    assert error.code == "JPT-U065"
    assert "large" in error.hint
    error = error_of("org/reviews:larg", ConfigError)
    assert error.code == "JPT-U065"
    assert "'large'" in error.message


def test_offline_what_is_cached_is_used_and_the_rest_is_exit_4(server, monkeypatch):
    from huggingface_hub import constants

    revision = commit(server, GOOD)
    first = load_hub_dataset("org/reviews")
    server.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    again = load_hub_dataset("org/reviews")
    assert again.revision == revision
    assert list(again.splits["test"]) == list(first.splits["test"])
    assert again.component == first.component
    error = error_of("org/other", SetupError)
    assert (error.code, error.exit_status) == ("JPT-E017", 4)
    assert "CSV" in error.hint
    assert server.requests == []


def test_a_part_that_another_program_cached_does_not_pass_for_the_whole(server, monkeypatch):
    from huggingface_hub import constants, hf_hub_download

    revision = commit(server, GOOD)
    hf_hub_download("org/reviews", "train.csv", repo_type="dataset", revision=revision)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert error_of(f"org/reviews@{revision}", SetupError).code == "JPT-E017"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 401}, "JPT-E020"),
        ({"status": 403, "headers": {"X-Error-Code": "GatedRepo"}}, "JPT-E021"),
        ({"status": 429, "headers": {"Retry-After": "0"}}, "JPT-E023"),
        ({"status": 502}, "JPT-E024"),
    ],
)
def test_faults_of_the_hub_are_told_apart(server, fault, code):
    commit(server, GOOD)
    server.fail("/api/", **fault)
    error = error_of("org/reviews", SetupError)
    assert error.code == code
    if code == "JPT-E021":
        assert f"{server.url}/datasets/org/reviews" in error.hint


def test_missing_data_sets_and_revisions_are_told_apart(server):
    commit(server, GOOD)
    assert error_of("org/none", SetupError).code == "JPT-E019"
    assert error_of("org/reviews@v9", SetupError).code == "JPT-E022"


@pytest.mark.parametrize("name", ["reviews", "org/re views", "org/‐reviews", "org/reviews@", "a/b/c", ""])
def test_what_is_no_id_is_refused_before_any_request(server, name):
    assert error_of(name, ConfigError).code == "JPT-U071"
    assert server.requests == []


@pytest.mark.parametrize(
    "files", [{"README.md": README}, {"README.md": README, "reviews.py": b"x"}, {"a.png": b"x"}]
)
def test_a_repository_without_data_files_is_refused_before_anything_is_fetched(server, files):
    commit(server, files)
    assert error_of("org/reviews", DataError).code == "JPT-D051"
    assert not server.asked("resolve")


def test_a_data_set_that_is_too_large_is_refused_before_anything_is_fetched(server, monkeypatch):
    monkeypatch.setattr(data_hub, "MAX_BYTES", 10)
    commit(server, GOOD)
    assert error_of("org/reviews", DataError).code == "JPT-D053"
    assert not server.asked("resolve")


@pytest.mark.parametrize(
    "files",
    [
        {"train.parquet": b"PAR1 no parquet"},
        {"train.jsonl": b'{"text": "a"'},
        {"train.csv": b"text,label\na,b\n", "test.csv": b"other\nx\n"},
        {"train.csv": b""},
        {"README.md": b"---\nconfigs: 3\n---\n", "train.csv": TRAIN},
        {"README.md": b"---\nconfigs:\n- config_name: a\n  data_files: none.csv\n---\n", "train.csv": TRAIN},
    ],
)
def test_data_files_that_cannot_be_read_are_one_error(server, files, capfd):
    commit(server, files)
    error = error_of("org/reviews", DataError)
    assert error.code == "JPT-D052"
    assert error.exit_status == 3
    assert capfd.readouterr() == ("", "")
