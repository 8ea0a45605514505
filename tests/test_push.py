"""Push: through the gate, in one commit, without a word about the token."""

import json
import logging
import socket
import subprocess
import sys
import traceback
from dataclasses import replace

import fakehub
import pytest
from fakehub import FakeHub

from jptextclf import LicenseError, push
from jptextclf.bundle import write_bundle
from jptextclf.errors import ConfigError, SetupError
from jptextclf.licensing import Component

# huggingface_hub 2.4 sends large files in a way that its HTTP library announces to change.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

TOKEN = "hf_" + "S3cret" * 5
USE = {"use": "publish-on-hub", "output_license": "Apache-2.0"}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    from huggingface_hub import constants

    with FakeHub.serve() as served:
        served.use(monkeypatch, tmp_path / "cache")
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield served


@pytest.fixture
def run(trained, tmp_path):
    """A run on a stand-in under Apache-2.0, the rest as it was trained."""
    return made_of(trained, tmp_path / "run", "Apache-2.0")


def made_of(trained, path, license_id):
    old = trained.bundle.components
    encoder = Component(
        role="base_model", name="standin/encoder", relation="fine-tuned-from", license=license_id,
        revision="1" * 40, sha256=old[0].sha256,
    )  # fmt: skip
    tokenizer = replace(encoder, role="tokenizer", relation="tokenized-with", bundled=True)
    bundle = replace(trained.bundle, path=path, components=(encoder, tokenizer, *old[2:]))
    predictor = trained.predictor
    write_bundle(bundle, predictor.classifier, predictor.adapter)
    return path


def test_a_push_is_an_export_in_one_commit(hub, run):
    hub.commit("org/reviews", {"pytorch_model.bin": b"old", ".gitattributes": b"kept"})
    done = push(run, "org/reviews", **USE)
    assert hub.pushed == ["org/reviews"]
    repo = hub.repos[("models", "org/reviews")]
    files = repo.commits[done.commit]
    assert {"README.md", "LICENSE", "NOTICE", "model.safetensors", "MANIFEST.json", ".gitattributes"} <= set(
        files
    )
    assert "pytorch_model.bin" not in files
    assert files["model.safetensors"] == (run / "model.safetensors").read_bytes()
    assert b"license: apache-2.0" in files["README.md"]
    assert b"# reviews" in files["README.md"]
    assert done.url == f"{hub.url}/org/reviews"
    assert "path" not in done.to_json()


def test_a_private_repository_is_made_private(hub, run):
    push(run, "org/new", private=True, **USE)
    assert hub.visibility == {"org/new": "private"}


def test_nothing_is_asked_of_the_hub_before_the_verdict(hub, trained, tmp_path):
    blocked = made_of(trained, tmp_path / "run", "CC-BY-NC-4.0")
    with pytest.raises(LicenseError, match="JPT-L002"):
        push(blocked, "org/reviews", **USE)
    assert hub.requests == []


@pytest.mark.parametrize("use", ["internal-commercial", "redistribute-weights-commercial", None])
def test_a_push_is_for_the_hub_alone(hub, run, use):
    with pytest.raises(ConfigError, match=r"JPT-U15[06]"):
        push(run, "org/reviews", use=use, output_license="MIT")
    assert hub.requests == []


FAULTS = [
    ("POST /api/repos/create", 401, "JPT-E085"), ("POST /api/repos/create", 403, "JPT-E085"),
    ("POST /api/repos/create", 500, "JPT-E087"), ("POST .*preupload", 403, "JPT-E085"),
    ("POST .*objects/batch", 500, "JPT-E087"), ("PUT /lfs-store", 500, "JPT-E087"), ("PUT /lfs-store", 403, "JPT-E085"),
    ("POST .*commit/main", 401, "JPT-E085"), ("POST .*commit/main", 429, "JPT-E087"),
    ("POST .*commit/main", 500, "JPT-E097"), ("POST .*commit/main", 504, "JPT-E097"),
]  # fmt: skip


def expected_state(pattern, status):
    """What may be said of the repository after that fault."""
    if "repos/create" in pattern:
        return "Nothing was made" if status < 500 else "not known whether the repository"
    return "not known whether the commit" if (pattern, status >= 500) == (
        "POST .*commit/main", True) else "made no commit"  # fmt: skip


@pytest.mark.parametrize(("pattern", "status", "code"), FAULTS)
def test_a_hub_that_fails_is_named_and_the_token_never(
    hub, run, monkeypatch, caplog, capfd, pattern, status, code
):
    import time

    monkeypatch.setattr(time, "sleep", lambda _: None)
    caplog.set_level(logging.DEBUG)
    hub.fail(pattern, status, body=b"Invalid token " + TOKEN.encode())
    with pytest.raises(SetupError) as caught:
        push(run, "org/reviews", **USE)
    assert caught.value.code == code
    assert hub.pushed == []
    assert expected_state(pattern, status) in caught.value.message
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + "".join(capfd.readouterr())
    assert TOKEN not in shown
    assert any(TOKEN in one for one in hub.tokens)


def test_a_hub_that_is_not_there_is_named(hub, run, monkeypatch, caplog):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SetupError, match=r"JPT-E086.*Nothing was made or changed") as caught:
        push(run, "org/reviews", **USE)
    assert TOKEN not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_a_token_that_is_no_header_is_not_shown(hub, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN + "\u3042")
    with pytest.raises(SetupError, match=r"JPT-E088.*Nothing was made or changed") as caught:
        push(run, "org/reviews", **USE)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert hub.requests == []


@pytest.mark.parametrize("how", ["status", "silence", "nonsense"])
def test_a_commit_whose_answer_is_lost_is_not_said_to_be_absent(hub, run, monkeypatch, how):
    arrive = fakehub._Handler.answer_commit

    def lose(handler, repo_id):
        handler.close_connection = True
        answers = {
            "status": lambda _: handler.send(504, b"", {}),
            "silence": lambda _: handler.connection.shutdown(socket.SHUT_RDWR),
            "nonsense": lambda _: handler.send(200, b"<html>", {}),
        }
        handler.send_json = answers[how]
        arrive(handler, repo_id)

    monkeypatch.setattr(fakehub._Handler, "answer_commit", lose)
    with pytest.raises(SetupError) as caught:
        push(run, "org/reviews", **USE)
    assert caught.value.code == "JPT-E097"
    assert f"{hub.url}/org/reviews" in caught.value.hint
    assert hub.pushed == ["org/reviews"]


def test_a_repository_that_may_have_been_made_is_not_said_to_be_unchanged(hub, run, monkeypatch):
    def silence(handler, path):
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    monkeypatch.setattr(fakehub._Handler, "answer_upload", silence)
    with pytest.raises(SetupError, match=r"JPT-E086.*not known whether the repository was made"):
        push(run, "org/reviews", **USE)


def test_offline_is_said(hub, run, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SetupError, match="JPT-E089"):
        push(run, "org/reviews", **USE)


@pytest.mark.parametrize("status", [0, 403])
def test_the_command_prints_the_address_and_never_the_token(hub, run, status, tmp_path):
    import os

    if status:
        hub.fail("POST /api/repos/create", status, body=TOKEN.encode())
    done = subprocess.run(
        [sys.executable, "-m", "jptextclf", "push", str(run), "org/cli", "--use", "publish-on-hub", "--output-license",
         "Apache-2.0", "--json"],
        capture_output=True, text=True, timeout=120,
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1",
             "HF_HOME": str(tmp_path / "home"), "HF_DEBUG": "1", "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip
    assert TOKEN not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if status:
        assert (done.returncode, done.stdout) == (4, "")
        assert "JPT-E085" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["url"] == f"{hub.url}/org/cli"
