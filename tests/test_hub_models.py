"""Where an encoder is: embedded, a directory, imported, or a hub on loopback with every fault a hub can have."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from fakehub import FakeHub
from safetensors.numpy import save

from jptextclf import builtin, hub
from jptextclf.cards import load_encoder_card
from jptextclf.encoders import damaged_models, import_model, imported_models, known_encoders, resolve_encoder
from jptextclf.errors import ConfigError, SetupError
from jptextclf.hub import HubId
from jptextclf.licensing.declared import read_declared
from jptextclf.store import manifest_sha256

WEIGHTS = save({"a": np.arange(200_000, dtype=np.float32)})
README = "---\nlanguage: ja\nlicense: apache-2.0\n---\n# モデル\n".encode()
GOOD = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b'{"model_max_length": 512}',
    "README.md": README,
}
NOT_WANTED = {
    "onnx/model.onnx": b"x" * 99,
    "pytorch_model.bin": b"x",
    "code.py": b"x",
    "2/model.safetensors": b"x",
}


def changed(**files: bytes | None) -> dict[str, bytes]:
    """The good files with some replaced, or removed where None; ``__`` stands for a dot."""
    renamed = {name.replace("__", "."): data for name, data in files.items()}
    return {name: data for name, data in {**GOOD, **renamed}.items() if data is not None}


def write(directory, files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory


def error_of(model, kind=SetupError):
    with pytest.raises(kind) as caught:
        resolve_encoder(str(model))
    assert caught.value.hint
    return caught.value


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "store"))
    monkeypatch.setattr(hub, "FIRST_WAIT", 0.01)
    with FakeHub.serve() as served:
        served.use(monkeypatch, tmp_path / "cache")
        yield served


@pytest.fixture
def offline(monkeypatch):
    from huggingface_hub import constants

    def switch():
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    return switch


def partial_files(tmp_path):
    return [path for path in (tmp_path / "cache").rglob("*") if "incomplete" in path.name]


# Embedded and local


def test_builtin_is_the_embedded_encoder_with_its_cards_component():
    found = resolve_encoder("builtin")
    assert (found.kind, found.name, found.directory) == ("builtin", "builtin", builtin.directory())
    assert found.component.license == "MIT"
    assert found.component.evidence
    assert found.component.sha256 == found.sha256


TOKENIZER_SHA256 = manifest_sha256(
    {name: hashlib.sha256(GOOD[name]).hexdigest() for name in ("tokenizer.json", "tokenizer_config.json")}
)


def test_the_tokenizer_is_a_component_of_its_own_with_the_statements_about_its_vocabulary(server):
    embedded = resolve_encoder("builtin").tokenizer_component
    card = load_encoder_card("builtin")
    assert (embedded.role, embedded.relation, embedded.bundled) == ("tokenizer", "tokenized-with", True)
    statements = tuple(one.evidence for one in card.statements("vocabulary"))
    assert embedded.evidence[: len(statements)] == statements
    names = ("tokenizer.json", "tokenizer_config.json")
    assert embedded.sha256 == manifest_sha256({name: card.files[name] for name in names})

    commit = server.commit(card.source, GOOD)
    of_hub = resolve_encoder(f"{card.source}@{commit}")
    assert of_hub.tokenizer_component.evidence == statements
    assert (of_hub.tokenizer_component.revision, of_hub.tokenizer_component.note) == (commit, "")
    assert of_hub.tokenizer_component.sha256 == TOKENIZER_SHA256


def test_a_tokenizer_without_a_card_is_under_the_terms_of_its_encoder(tmp_path):
    # A directory may have any name, so none makes it the encoder of a card.
    found = resolve_encoder(str(write(tmp_path / "builtin", GOOD)))
    tokenizer = found.tokenizer_component
    assert (tokenizer.role, tokenizer.license, tokenizer.origin) == ("tokenizer", "Apache-2.0", "unknown")
    assert tokenizer.evidence == found.component.evidence
    assert tokenizer.sha256 == TOKENIZER_SHA256


def test_a_directory_is_taken_as_it_is(tmp_path, monkeypatch):
    path = write(tmp_path / "私の モデル", {**GOOD, "notes.txt": b"x", "sub/config.json": b"{}"})
    found = resolve_encoder(str(path))
    assert (found.kind, found.name, found.revision, found.directory) == (
        "directory",
        "私の モデル",
        None,
        path,
    )
    assert found.sha256 == manifest_sha256(
        {name: hashlib.sha256(data).hexdigest() for name, data in GOOD.items()}
    )
    assert found.component.origin == "unknown"
    assert found.component.license == "Apache-2.0"
    assert found.component.evidence[0].line == 3
    monkeypatch.chdir(path)
    assert resolve_encoder(".").name == "私の モデル"


@pytest.mark.parametrize("layers", [1_000_000, -1, 0, 2.5, "12", True, None])
def test_layers_that_the_weights_do_not_have_are_refused(tmp_path, layers):
    config = json.dumps({"model_type": "bert", "num_hidden_layers": layers}).encode()
    weights = save({"encoder.layer.1.a": np.zeros(1, np.float32)})
    write(tmp_path / "m", changed(config__json=config, model__safetensors=weights))
    error = error_of(tmp_path / "m")
    assert error.code == "JPT-E011"
    assert "num_hidden_layers" in str(error)


def test_a_trained_run_is_no_encoder(tmp_path, server):
    write(tmp_path / "run", changed(jptextclf__json=b"{}", MANIFEST__json=b"{}"))
    assert error_of(tmp_path / "run", ConfigError).code == "JPT-U074"
    with pytest.raises(ConfigError):
        import_model(tmp_path / "run")


def test_symbolic_links_are_followed(tmp_path):
    shared_weights = write(tmp_path / "other", {"model.safetensors": WEIGHTS}) / "model.safetensors"
    path = write(tmp_path / "model", changed(model__safetensors=None))
    (path / "model.safetensors").symlink_to(shared_weights)
    assert resolve_encoder(str(path)).sha256


def test_a_directory_wins_over_a_hub_id_of_the_same_name(tmp_path, monkeypatch, server):
    server.commit("org/name", GOOD)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "org" / "name", GOOD)
    assert resolve_encoder("org/name").kind == "directory"
    assert server.requests == []


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        (changed(config__json=None), "JPT-E010", "config.json is missing"),
        ({}, "JPT-E010", "config.json is missing"),
        (changed(config__json=b"{"), "JPT-E011", "config.json"),
        (changed(config__json=b"[]"), "JPT-E011", "no JSON object"),
        (changed(config__json=b"\xff\xfe"), "JPT-E011", "config.json"),
        (changed(config__json=b'{"a":' * 100_000), "JPT-E011", "config.json"),
        (
            changed(model__safetensors=None, pytorch_model__bin=pickle.dumps(1)),
            "JPT-E012",
            "pytorch_model.bin",
        ),
        (changed(config__json=b'{"auto_map": {}}'), "JPT-E013", "auto_map (config.json)"),
        (changed(tokenizer_config__json=b'{"auto_map": {}}'), "JPT-E013", "tokenizer_config.json"),
        (changed(modeling_x__py=b"import os"), "JPT-E013", "modeling_x.py"),
        (changed(model__safetensors=None), "JPT-E014", "tokenizer.json"),
        (changed(model__safetensors=WEIGHTS[:-1]), "JPT-E016", "model.safetensors"),
        (changed(model__safetensors=b"\xff" * 16), "JPT-E016", "model.safetensors"),
        (changed(model__safetensors=b""), "JPT-E016", "model.safetensors"),
    ],
)
def test_a_directory_that_will_not_do_is_refused_with_its_reason(tmp_path, files, code, said):
    error = error_of(write(tmp_path / "model", files))
    assert error.code == code
    assert error.exit_status == 4
    assert said in error.message


@pytest.mark.parametrize(
    "shard", ["gone.safetensors", "../other/model.safetensors", "/etc/hostname", "sub/x.safetensors"]
)
def test_an_index_cannot_reach_outside_its_directory(tmp_path, shard):
    write(tmp_path / "other", {"model.safetensors": WEIGHTS})
    index = json.dumps({"weight_map": {"a": shard}}).encode()
    path = write(
        tmp_path / "model", {**GOOD, "model.safetensors.index.json": index, "sub/x.safetensors": WEIGHTS}
    )
    assert error_of(path).code == "JPT-E015"


@pytest.mark.parametrize("index", [b"[]", b'{"weight_map": 1}', b"{", b""])
def test_a_damaged_index_is_refused(tmp_path, index):
    assert error_of(write(tmp_path / "m", {**GOOD, "model.safetensors.index.json": index})).code == "JPT-E011"


@pytest.mark.parametrize(
    "path", ["./nothing", "/no/such/place", "~nobody-of-that-name/x", "..\\x", "C:\\models\\x"]
)
def test_a_path_that_is_not_there_is_never_looked_for_on_a_hub(path, server):
    assert error_of(path).code == "JPT-E010"
    assert server.requests == []


def test_a_file_is_no_encoder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").write_bytes(WEIGHTS)
    assert error_of("model").code == "JPT-E010"


def test_a_name_of_any_length_is_no_crash(server):
    assert error_of("x" * 5000, ConfigError).code == "JPT-U070"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read anything")
def test_a_directory_that_cannot_be_read_is_a_clear_error(tmp_path):
    path = write(tmp_path / "model", GOOD)
    path.chmod(0)
    assert error_of(path).code == "JPT-E010"
    path.chmod(0o700)


def test_an_unknown_name_names_the_closest(server):
    error = error_of("biultin", ConfigError)
    assert error.code == "JPT-U070"
    assert "'builtin'" in error.message
    assert server.requests == []


@pytest.mark.parametrize(
    "text", ["tohoku‑nlp/bert", "org/name/more", "org/", "org/na me", "org/..", "org/name@", "org/a@../b"]
)
def test_a_hub_id_with_an_odd_character_is_refused_before_any_request(text, server):
    assert error_of(text, ConfigError).code == "JPT-U071"
    assert server.requests == []


def test_an_invisible_difference_is_named_by_its_code_point():
    with pytest.raises(ConfigError) as caught:
        HubId.parse("tohoku\u2011nlp/bert")
    assert "U+2011" in caught.value.message


# The hub


def test_a_pinned_encoder_is_fetched_with_what_it_needs_and_nothing_else(server, tmp_path):
    commit = server.commit("org/bert-ja", {**GOOD, **NOT_WANTED})
    found = resolve_encoder(f"org/bert-ja@{commit}")
    assert (found.kind, found.name, found.revision, found.notes) == ("hub", "org/bert-ja", commit, ())
    assert sorted(path.name for path in found.directory.iterdir()) == sorted(GOOD)
    assert not server.asked(r"onnx|\.bin|\.py|2/model")
    component = found.component
    assert (component.name, component.revision, component.license) == ("org/bert-ja", commit, "Apache-2.0")
    assert component.origin == "public"
    assert component.url == f"{server.url}/org/bert-ja"
    evidence = component.evidence[0]
    assert (evidence.statement, evidence.file, evidence.line) == ("license: apache-2.0", "README.md", 3)
    assert (evidence.revision, evidence.sha256) == (commit, hashlib.sha256(README).hexdigest())
    server.requests.clear()
    assert resolve_encoder(f"org/bert-ja@{commit}") == found
    assert server.requests == []
    assert partial_files(tmp_path) == []


def test_without_a_revision_the_commit_of_main_is_recorded_and_said(server):
    commit = server.commit("org/bert-ja", GOOD)
    found = resolve_encoder("org/bert-ja")
    assert found.revision == commit
    assert any(f"org/bert-ja@{commit}" in note for note in found.notes)


def test_a_branch_that_moved_is_said(server):
    before = server.commit("org/bert-ja", GOOD)
    resolve_encoder("org/bert-ja@main")
    after = server.commit("org/bert-ja", changed(tokenizer__json=b'{"new": 1}'))
    found = resolve_encoder("org/bert-ja@main")
    assert found.revision == after
    assert any(before in note and after in note for note in found.notes)


def test_a_branch_that_moves_between_question_and_fetch_gives_one_commit_whole(server, monkeypatch):
    before = server.commit("org/bert-ja", GOOD)
    ask = hub._ask

    def ask_and_move(*args):
        answer = ask(*args)
        server.commit("org/bert-ja", changed(tokenizer__json=b'{"new": 1}'))
        return answer

    monkeypatch.setattr(hub, "_ask", ask_and_move)
    found = resolve_encoder("org/bert-ja")
    assert found.revision == before
    assert (found.directory / "tokenizer.json").read_bytes() == GOOD["tokenizer.json"]


def test_offline_what_is_cached_is_used_and_the_rest_is_exit_4_with_the_ways_in(server, offline):
    commit = server.commit("org/bert-ja", GOOD)
    first = resolve_encoder("org/bert-ja")
    server.requests.clear()
    offline()
    again = resolve_encoder("org/bert-ja")
    assert (again.revision, again.directory) == (commit, first.directory)
    assert any(commit in note for note in again.notes)
    assert resolve_encoder(f"org/bert-ja@{commit}").revision == commit
    error = error_of("org/other")
    assert (error.code, error.exit_status) == ("JPT-E017", 4)
    assert "jptextclf models import" in error.hint
    assert "--model builtin" in error.hint
    assert error_of(f"org/bert-ja@{'0' * 40}").code == "JPT-E017"
    assert server.requests == []


def test_a_half_cached_encoder_does_not_count_as_cached(server, offline):
    commit = server.commit("org/bert-ja", GOOD)
    found = resolve_encoder("org/bert-ja")
    (found.directory / "model.safetensors").unlink()
    offline()
    assert error_of("org/bert-ja").code == "JPT-E017"
    assert error_of(f"org/bert-ja@{commit}").code == "JPT-E017"


def test_an_unreachable_hub_is_noticed_at_once(server):
    server.server.shutdown()
    server.server.server_close()
    started = time.monotonic()
    error = error_of("org/bert-ja")
    assert time.monotonic() - started < 30
    assert error.code == "JPT-E018"
    assert "jptextclf models import" in error.hint


def test_a_silent_hub_is_given_up_on_and_the_cache_used(server, monkeypatch):
    monkeypatch.setattr(hub, "PROBE_TIMEOUT", 0.2)
    commit = server.commit("org/bert-ja", GOOD)
    resolve_encoder("org/bert-ja")
    server.fail("/api/", delay=10.0)
    started = time.monotonic()
    found = resolve_encoder("org/bert-ja")
    assert time.monotonic() - started < 9
    assert found.revision == commit
    assert error_of("org/other").code == "JPT-E018"


GATED = {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to model is restricted"}
BAD_TOKEN = {"X-Error-Message": "Invalid credentials in Authorization header"}


@pytest.mark.parametrize(
    ("fault", "code", "tries", "said"),
    [
        ({"status": 401, "headers": BAD_TOKEN}, "JPT-E020", 1, "refuses access"),
        ({"status": 401, "headers": GATED}, "JPT-E021", 1, "gated"),
        ({"status": 403, "headers": GATED}, "JPT-E021", 1, "gated"),
        ({"status": 403}, "JPT-E020", 1, "status 403"),
        ({"status": 404, "headers": {"X-Error-Code": "RepoNotFound"}}, "JPT-E019", 1, "has no org/bert-ja"),
        ({"status": 404}, "JPT-E019", 1, "has no org/bert-ja"),
        ({"status": 429, "headers": {"Retry-After": "0"}}, "JPT-E023", 3, "too many requests"),
        ({"status": 429, "headers": {"Retry-After": "3600"}}, "JPT-E023", 1, "3600 s"),
        ({"status": 500}, "JPT-E024", 3, "status 500"),
        ({"status": 503}, "JPT-E024", 3, "status 503"),
        ({"status": 418}, "JPT-E026", 1, "418"),
    ],
)
def test_each_fault_of_the_hub_has_its_own_message(server, fault, code, tries, said):
    server.commit("org/bert-ja", GOOD)
    server.fail("/api/", **fault)
    error = error_of("org/bert-ja")
    assert error.code == code
    assert said in error.message
    assert len(server.requests) == tries


def test_missing_repositories_and_revisions_are_told_apart(server):
    server.commit("org/bert-ja", GOOD)
    assert error_of("org/none").code == "JPT-E019"
    assert error_of("org/bert-ja@v9").code == "JPT-E022"
    assert error_of(f"org/bert-ja@{'0' * 40}").code == "JPT-E022"


def test_a_fault_that_passes_is_survived(server):
    server.commit("org/bert-ja", GOOD)
    server.fail("/api/", status=503, times=2)
    assert resolve_encoder("org/bert-ja").revision


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_cannot_answer_now_does_not_stop_what_is_cached(server, status):
    commit = server.commit("org/bert-ja", GOOD)
    resolve_encoder("org/bert-ja")
    server.fail("/api/", status=status)
    assert resolve_encoder("org/bert-ja").revision == commit


def test_a_server_that_is_no_hub_is_said(server):
    server.file("/api/models/org/bert-ja", b"<html>hello</html>", "text/html")
    assert error_of("org/bert-ja").code == "JPT-E026"


@pytest.fixture
def impatient(monkeypatch):
    """The library waits a second and more between its own attempts."""
    from huggingface_hub import file_download
    from huggingface_hub.utils import _http

    class Impatient:
        @staticmethod
        def sleep(seconds):
            time.sleep(min(seconds, 0.01))

    monkeypatch.setattr(file_download, "time", Impatient)
    monkeypatch.setattr(_http, "time", Impatient)


def test_a_file_that_is_cut_every_time_is_an_error_and_leaves_nothing(server, tmp_path, impatient):
    commit = server.commit("org/bert-ja", GOOD)
    fault = server.fail("GET .*model.safetensors", cut=1000)
    error = error_of("org/bert-ja")
    assert error.code == "JPT-E025"
    assert partial_files(tmp_path) == []
    assert server.asked("GET .*model.safetensors") < 20
    fault.times = 0
    assert resolve_encoder("org/bert-ja").revision == commit


def test_a_file_that_is_cut_once_is_survived(server, impatient):
    server.commit("org/bert-ja", GOOD)
    server.fail("GET .*model.safetensors", cut=1000, times=1)
    assert (resolve_encoder("org/bert-ja").directory / "model.safetensors").read_bytes() == WEIGHTS


def test_a_hub_that_fails_between_listing_and_files_is_an_error(server, impatient, tmp_path):
    server.commit("org/bert-ja", GOOD)
    server.fail("/resolve/.*model.safetensors", status=500)
    assert error_of("org/bert-ja").code == "JPT-E024"
    assert partial_files(tmp_path) == []


def test_weights_that_are_not_what_the_hub_announced_are_deleted(server):
    commit = server.commit("org/bert-ja", GOOD)
    other = bytes([*WEIGHTS[:-1], WEIGHTS[-1] ^ 1])
    headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(WEIGHTS).hexdigest()}"'}
    fault = server.fail("model.safetensors", status=200, body=other, headers=headers)
    assert error_of("org/bert-ja").code == "JPT-E027"
    fault.times = 0
    assert resolve_encoder("org/bert-ja").revision == commit


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (changed(model__safetensors=None, pytorch_model__bin=b"x"), "JPT-E012"),
        (changed(config__json=None), "JPT-E010"),
        ({"README.md": README}, "JPT-E010"),
        (changed(model__safetensors=None), "JPT-E014"),
    ],
)
def test_a_repository_that_will_not_do_is_refused_before_anything_is_fetched(server, files, code):
    server.commit("org/bert-ja", files)
    assert error_of("org/bert-ja").code == code
    assert not server.asked("resolve")


def test_a_repository_that_wants_its_own_code_is_refused(server):
    server.commit(
        "org/bert-ja", changed(config__json=b'{"auto_map": {"AutoModel": "m.M"}}', m__py=b"import os")
    )
    assert error_of("org/bert-ja").code == "JPT-E013"
    assert not server.asked(r"m\.py")


def test_progress_adds_up(server):
    class Counting:
        total = done = 0

        def begin(self, phase, total):
            self.total = total

        def advance(self, n, note=""):
            self.done += n

        def end(self):
            pass

        say = warn = None

    server.commit("org/bert-ja", {**GOOD, **NOT_WANTED})
    progress = Counting()
    resolve_encoder("org/bert-ja", progress=progress)
    assert progress.total == sum(map(len, GOOD.values())) == progress.done


def test_a_token_is_sent_and_never_shown(server, monkeypatch, capfd):
    monkeypatch.setenv("HF_TOKEN", "hf_sEcReTsEcReT")
    server.commit("org/bert-ja", GOOD)
    resolve_encoder("org/bert-ja")
    assert "Bearer hf_sEcReTsEcReT" in server.tokens
    server.fail("/api/", status=403, headers=GATED, times=1)
    shown = str(error_of("org/two"))
    server.fail("/api/", status=401, headers=BAD_TOKEN)
    shown += str(error_of("org/three"))
    shown += "".join(capfd.readouterr())
    assert "sEcReT" not in shown


def test_in_another_process_the_environment_alone_points_to_the_hub(server, tmp_path):
    commit = server.commit("org/bert-ja", GOOD)
    code = "import sys; from jptextclf.encoders import resolve_encoder; print(resolve_encoder(sys.argv[1]).revision); "
    code += "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)"
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    environment |= {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code, "org/bert-ja"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr) == (commit, "")


# Imports


def test_an_imported_hub_model_is_found_by_its_id_without_a_network(server, offline, tmp_path):
    commit = server.commit("org/bert-ja", {**GOOD, **NOT_WANTED})
    imported = import_model(f"org/bert-ja@{commit}")
    assert (imported.name, imported.source, imported.revision) == ("org/bert-ja", "org/bert-ja", commit)
    assert imported.size == sum(map(len, GOOD.values()))
    offline()
    server.requests.clear()
    for model in ("org/bert-ja", f"org/bert-ja@{commit}"):
        found = resolve_encoder(model)
        assert (found.kind, found.name, found.revision) == ("imported", "org/bert-ja", commit)
        assert found.directory.is_relative_to(tmp_path / "store")
        assert found.sha256 == imported.sha256
        assert found.component.url == f"{server.url}/org/bert-ja"
        assert found.component.license == "Apache-2.0"
    assert error_of(f"org/bert-ja@{'0' * 40}").code == "JPT-E017"
    assert server.requests == []
    assert imported_models() == [imported]
    embedded, listed = known_encoders()
    assert embedded == resolve_encoder("builtin")
    assert listed == resolve_encoder("org/bert-ja")
    assert json.loads(json.dumps(listed.to_json()))["component"]["license"] == "Apache-2.0"


def test_a_directory_can_be_imported_under_the_id_it_has_elsewhere(tmp_path, server):
    path = write(tmp_path / "download", {**GOOD, "private-notes.txt": b"x"})
    imported = import_model(path, name="org/bert-ja")
    assert not (imported.directory / "private-notes.txt").exists()
    found = resolve_encoder("org/bert-ja")
    assert (found.kind, found.name, found.revision) == ("imported", "org/bert-ja", None)
    assert found.component.origin == "unknown"
    assert import_model(path, name="org/bert-ja") == imported
    assert server.requests == []


def test_a_hub_model_is_listed_and_found_by_the_name_it_was_imported_under(server, offline):
    commit = server.commit("org/bert-ja", GOOD)
    imported = import_model(f"org/bert-ja@{commit}", name="mine")
    offline()
    listed = known_encoders()[1]
    assert listed == resolve_encoder("mine")
    assert (listed.name, listed.revision) == ("mine", commit)
    assert (listed.component.name, listed.tokenizer_component.name) == ("org/bert-ja", "org/bert-ja")
    again = import_model("mine", name="theirs")
    assert (again.source, again.url, again.revision) == ("org/bert-ja", imported.url, commit)


def test_a_model_that_was_imported_by_its_tag_is_found_by_tag_and_commit_without_a_network(server, offline):
    commit = server.commit("org/bert-ja", GOOD, ref="v1")
    server.commit("org/bert-ja", GOOD, ref="main")
    first = import_model("org/bert-ja@v1")
    assert import_model("org/bert-ja@v1") == first
    assert import_model("org/bert-ja@main").asked == ("main", "v1")
    offline()
    for revision in ("v1", "main", commit):
        found = resolve_encoder(f"org/bert-ja@{revision}")
        assert (found.kind, found.revision) == ("imported", commit)
    assert error_of("org/bert-ja@v2").code == "JPT-E017"


def test_a_name_that_is_taken_is_not_overwritten(tmp_path, server):
    import_model(write(tmp_path / "a", GOOD), name="mine")
    other = write(tmp_path / "b", changed(tokenizer__json=b"[]"))
    with pytest.raises(ConfigError) as caught:
        import_model(other, name="mine")
    assert caught.value.code == "JPT-U073"
    assert resolve_encoder("mine").directory.joinpath("tokenizer.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    "name", ["builtin", "..", "a/../b", "a/b/c", "", "/abs", "a b", "-x", "a--b", "x\0", "x" * 300]
)
def test_a_name_that_cannot_be_a_name_is_refused(tmp_path, name, server):
    with pytest.raises(ConfigError) as caught:
        import_model(write(tmp_path / "model", GOOD), name=name)
    assert caught.value.code == "JPT-U072"
    assert not (tmp_path / "store").exists()


def test_builtin_needs_no_import(server):
    with pytest.raises(ConfigError) as caught:
        import_model("builtin")
    assert caught.value.code == "JPT-U072"


@pytest.mark.parametrize("damage", ["flip", "delete", "add", "manifest", "no-manifest-files"])
def test_an_imported_model_that_changed_is_not_used(tmp_path, damage, server):
    directory = import_model(write(tmp_path / "model", GOOD), name="mine").directory
    manifest = directory / "MANIFEST.json"
    if damage == "flip":
        (directory / "config.json").write_bytes(b'{"model_type": "bart"}')
    elif damage == "delete":
        (directory / "tokenizer.json").unlink()
    elif damage == "add":
        (directory / "extra.safetensors").write_bytes(WEIGHTS)
    elif damage == "manifest":
        manifest.write_text("{", encoding="utf-8")
    else:
        manifest.write_text('{"schema": 1}', encoding="utf-8")
    error = error_of("mine")
    assert error.code == "JPT-E028"
    assert "jptextclf models import" in error.hint


def test_a_damaged_record_hides_no_other_model(tmp_path, server):
    import_model(write(tmp_path / "m", GOOD), name="good")
    bad = import_model(tmp_path / "m", name="bad")
    (bad.directory / "MANIFEST.json").write_text("{", encoding="utf-8")
    assert [one.name for one in known_encoders()] == ["builtin", "good"]
    (error,) = damaged_models()
    assert error.code == "JPT-E028"
    assert "bad" in error.message
    assert "good" in error_of("goot", ConfigError).hint


def test_what_will_not_do_is_not_imported(tmp_path, server):
    with pytest.raises(SetupError):
        import_model(write(tmp_path / "model", changed(config__json=b'{"auto_map": {}}')))
    assert imported_models() == []


# What a README declares


@pytest.mark.parametrize(
    ("text", "expression", "has_evidence"),
    [
        ("---\nlicense: mit\n---\n", "MIT", True),
        ("\ufeff---\r\nlicense: cc-by-sa-4.0\r\n---\r\n本文", "CC-BY-SA-4.0", True),
        ("---\nlicense: 'Apache-2.0'  # ours\n---", "Apache-2.0", True),
        ("---\ntags:\n- license: mit\nlicense: gpl-3.0\n---\n", "GPL-3.0-only", True),
        ("---\nlicense: [mit, apache-2.0]\n---\n", ("MIT", "Apache-2.0"), True),
        ("---\nlicense: [mit, other]\n---\n", "NOASSERTION", True),
        ("---\nlicense:\n- mit\n---\n", "MIT", True),
        ("---\nlicense: gpl\n---\n", "NOASSERTION", True),
        ("---\nlicense: cc\n---\n", "NOASSERTION", True),
        ("---\nlicense: other\n---\n", "NOASSERTION", True),
        ("---\nlicense: creativeml-openrail-m\n---\n", "LicenseRef-CreativeML-OpenRAIL-M", True),
        ("---\nlicense: 4.0\n---\n", "NOASSERTION", True),
        ("---\nlicense:\n---\n", "NOASSERTION", False),
        ("---\nlicence: mit\n---\n", "NOASSERTION", False),
        ("---\n---\n", "NOASSERTION", False),
        ("---\nlicense: mit\n", "NOASSERTION", False),
        ("# License: MIT\n", "NOASSERTION", False),
        ("---\nlicense: mit\n bad: [\n---\n", "NOASSERTION", False),
        ("---\nlicense: !!python/object/apply:os.system [id]\n---\n", "NOASSERTION", False),
        ("---\n" + "[" * 100_000 + "\n---\n", "NOASSERTION", False),
        ("---\ndate: 2024-99-99\nlicense: mit\n---\n", "NOASSERTION", False),
        ("---\n- license: mit\n---\n", "NOASSERTION", False),
        ("", "NOASSERTION", False),
    ],
)
def test_only_exact_ids_are_a_declaration(tmp_path, text, expression, has_evidence):
    path = tmp_path / "README.md"
    path.write_bytes(text.encode())
    found = read_declared(path)
    assert found.license == expression
    assert bool(found.evidence) == has_evidence
    assert bool(found.note) == (expression == "NOASSERTION")
    for evidence in found.evidence:
        assert (
            text.replace("\r\n", "\n").split("\n")[evidence.line - 1].lstrip("\ufeff").startswith("license:")
        )


def test_no_readme_declares_nothing(tmp_path):
    found = read_declared(tmp_path / "README.md")
    assert (found.license, found.evidence) == ("NOASSERTION", ())
    assert found.note
