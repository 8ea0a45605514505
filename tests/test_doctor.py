"""The doctor works where nothing else does, says what mends it, and shows no secret."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jptextclf import doctor
from jptextclf.doctor import Finding, diagnose

OFFLINE = {"HF_HUB_OFFLINE": "1"}


def run(*args, prelude="", **more):
    """The command in a process of its own, after a piece of Python that breaks something."""
    program = f"{prelude}\nimport sys\nsys.argv = ['jptextclf', 'doctor', *{list(map(str, args))!r}]\nfrom jptextclf.cli import main\nmain()"
    env = {**os.environ, **OFFLINE, "JPTEXTCLF_LANG": "en", **more}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, env=env)


def named(findings):
    return {one.name: one for one in findings}


def blocking(*names, error="ImportError"):
    """An import hook that lets these modules fail."""
    return f"""
import sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {names!r}:
            raise {error}(f'{{name}}: blocked')
sys.meta_path.insert(0, Hook())
"""


@contextmanager
def answering(status, body, delay=0.0):
    """A server on loopback that answers everything alike; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(delay)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def hub_of(monkeypatch):
    """What is found about a hub, with no proxy between."""

    def find(endpoint):
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        return doctor._HubQuestion().finding()

    return find


def test_a_sound_machine_has_no_error():
    findings = named(diagnose())
    assert {
        "python", "jptextclf", "torch", "transformers", "tokenizers", "fugashi", "unidic-lite", "ipadic",
        "sentencepiece", "mecab-settings", "hub", "hub-cache", "store", "temporary", "current-directory", "locale",
        "cpu", "memory", "packages",
    } <= set(findings)  # fmt: skip
    assert [one for one in findings.values() if one.status == "error"] == []
    assert {type(one) for one in findings.values()} == {Finding}


def test_the_command_ends_well_in_time_and_prints_a_line_a_check():
    # Processor time: what runs beside takes none of it.
    before = os.times()
    done = run()
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 10
    assert done.returncode == 0, done.stderr.decode()
    lines = [line for line in done.stdout.decode().split("\n") if line and not line.startswith(" ")]
    assert len(lines) > 18
    assert {line.split()[0] for line in lines[:-1]} <= {"ok", "warning"}
    assert "0 error(s)" in lines[-1]


def test_json_has_a_version_and_all_findings():
    done = run("--json")
    data = json.loads(done.stdout.decode("utf-8"))
    assert data["schema_version"] == 1
    assert data["ok"] is True
    assert all(set(one) == {"name", "status", "found", "remedy"} for one in data["findings"])


@pytest.mark.parametrize("error", ["ImportError", "OSError", "SystemExit"])
def test_a_package_that_cannot_be_imported_is_an_error_with_its_command(error):
    done = run(prelude=blocking("torch", "transformers", error=error))
    out = done.stdout.decode()
    assert done.returncode == 4
    assert b"Traceback" not in done.stdout + done.stderr
    line, remedy = next(
        (line, after)
        for line, after in zip(out.split("\n"), out.split("\n")[1:], strict=False)
        if " torch " in line
    )
    assert line.startswith("error")
    assert error in line
    assert "pip install --force-reinstall 'torch>=" in remedy


def test_nothing_at_all_can_be_imported():
    names = (
        "torch", "transformers", "tokenizers", "numpy", "fugashi", "sentencepiece", "unidic_lite", "ipadic",
        "huggingface_hub", "datasets", "sklearn", "sudachidict_small", "sudachipy", "safetensors", "pyarrow",
    )  # fmt: skip
    done = run(prelude=blocking(*names), JPTEXTCLF_LANG="ja")
    assert done.returncode == 4, done.stderr.decode()
    assert b"Traceback" not in done.stdout + done.stderr
    assert done.stderr == b""


def test_packages_that_are_not_installed_are_told_from_broken_ones():
    gone = """
from importlib import metadata
real = metadata.version
def version(name):
    if name in {'torch', 'ipadic', 'numpy'}:
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.version = version
"""
    out = run(prelude=blocking("torch", "ipadic") + gone)
    assert out.returncode == 4
    shown = out.stdout.decode()
    assert "error    torch              not installed" in shown
    assert "ok       ipadic             not installed" in shown
    assert "python -m pip install ipadic" in shown
    assert "missing or too old: numpy>=" in shown


def test_old_packages_are_errors(monkeypatch):
    monkeypatch.setattr(doctor, "_needed", lambda: {"transformers": "99.1", "numpy": "99"})
    finding, module = doctor._package("transformers")
    assert (finding.status, module) == ("error", None)
    assert "99.1" in finding.found
    assert "--upgrade 'transformers>=99.1'" in finding.remedy
    assert doctor._other_packages()[0].status == "error"


@pytest.mark.parametrize(
    ("version", "least", "older"),
    [("2.10.0+cpu", "2.10", False), ("2.9.1", "2.10", True), ("5.0.0rc1", "5.0", False), ("2", "2.0", False),
     ("unknown", "1", True)],
)  # fmt: skip
def test_versions_are_compared_by_their_numbers(version, least, older):
    assert doctor._is_older(version, least) is older


def test_what_is_needed_is_what_the_project_says():
    assert doctor._needed()["transformers"] == "5.0"
    assert "pytest" not in doctor._needed()


@pytest.mark.skipif(sys.platform == "win32", reason="a program of a shell")
def test_a_gpu_that_the_build_cannot_use_is_a_warning(monkeypatch, tmp_path):
    import torch

    if torch.version.cuda:
        pytest.skip("needs a CPU build of torch")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 570.86.10\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (finding,) = doctor._torch()
    assert finding.status == "warning"
    assert "570.86.10" in finding.found or "NVIDIA driver" in finding.found
    assert "--index-url" in finding.remedy


def test_a_cuda_build_without_a_working_driver_or_with_hidden_gpus(monkeypatch):
    import torch

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(doctor, "_nvidia_driver", lambda: "450.1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (finding,) = doctor._torch()
    assert finding.status == "warning"
    assert "450.1" in finding.found
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (finding,) = doctor._torch()
    assert "CUDA_VISIBLE_DEVICES" in finding.remedy


def test_the_hub_is_asked_without_the_token_and_says_whether_it_answers(hub_of, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with answering(200, b"[]") as endpoint:
        finding = hub_of(endpoint.replace("//", "//someone:password@"))
    assert finding.status == "ok", finding
    assert "HF_TOKEN" in finding.found
    assert "secret" not in finding.found
    assert "password" not in finding.found


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [(200, b"<html>log in first</html>", "not a hub"), (503, b"", "503"), (401, b"", "401")],
)
def test_a_hub_that_answers_otherwise_is_a_warning(hub_of, status, body, words):
    with answering(status, body) as endpoint:
        finding = hub_of(endpoint)
    assert finding.status == "warning"
    assert words in finding.found
    assert "HF_HUB_OFFLINE" in finding.remedy


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "https://hub.invalid"])
def test_no_hub_is_a_warning(hub_of, endpoint):
    finding = hub_of(endpoint)
    assert finding.status == "warning"
    assert endpoint in finding.found


@pytest.mark.parametrize(
    "endpoint", ["file:///etc/passwd", "hub.example", "https://", "http://[::1", "http://a:99999"]
)
def test_an_address_that_is_none_is_an_error_and_not_opened(hub_of, endpoint):
    assert hub_of(endpoint).status == "error"


def test_a_hub_that_keeps_silent_does_not_hold_up_the_doctor(hub_of, monkeypatch):
    monkeypatch.setattr(doctor, "_TIMEOUT", 0.3)
    started = time.perf_counter()
    with answering(200, b"[]", delay=2) as endpoint:
        finding = hub_of(endpoint)
    assert finding.status == "warning"
    assert time.perf_counter() - started < 3


def test_nothing_acts_on_the_terminal():
    done = run(MECABRC="\x1b[31m", HF_HUB_CACHE="\u202e", LC_MESSAGES="\x1b[2J")
    assert b"\x1b" not in done.stdout
    assert "\u202e" not in done.stdout.decode()
    assert "<U+202E>" in done.stdout.decode()


def test_offline_is_no_fault(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    finding = doctor._HubQuestion().finding()
    assert finding.status == "ok"
    assert "HF_HUB_OFFLINE=1" in finding.found


def test_places_are_tried_with_a_real_file_and_left_as_they_were(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", encoding="ascii")
    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "file" / "store"))
    (finding,) = doctor._store()
    assert finding.status == "error"
    assert "NotADirectory" in finding.found
    assert "JPTEXTCLF_HOME" in finding.remedy
    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "new" / "store"))
    assert doctor._store()[0].status == "ok"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    assert doctor._cache()[0].status == "warning"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_little_space_and_little_memory_are_warnings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_LITTLE_SPACE", 1 << 60)
    monkeypatch.setattr(doctor, "_LITTLE_MEMORY", 1 << 60)
    assert doctor._current()[0].status == "warning"
    assert doctor._memory()[0].status in {"warning", "ok"}


def test_a_current_directory_that_is_gone_is_a_finding():
    done = run(prelude="import os, tempfile\nd = tempfile.mkdtemp()\nos.chdir(d)\nos.rmdir(d)")
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"current-directory" in done.stdout


def test_a_package_whose_import_ends_python_is_an_error(tmp_path):
    (tmp_path / "sentencepiece.py").write_text("import os\nos.abort()\n", encoding="ascii")
    done = run(PYTHONPATH=str(tmp_path))
    assert done.returncode == 4, done.stderr.decode()
    assert b"importing it ends Python" in done.stdout


def test_settings_of_a_system_mecab_are_said_to_have_no_effect(monkeypatch):
    monkeypatch.setenv("MECABRC", "/nowhere/mecabrc")
    (finding,) = doctor._mecab_settings()
    assert finding.status == "ok"
    assert "MECABRC='/nowhere/mecabrc'" in finding.found
    assert "without effect" in finding.found


def test_a_settings_file_of_mecab_really_has_no_effect(monkeypatch):
    monkeypatch.setenv("MECABRC", "/nowhere/mecabrc")
    monkeypatch.setenv("MECAB_CHARSET", "euc-jp")
    assert doctor._fugashi()[0].status == "ok"


def test_a_dictionary_that_is_empty_or_gone_is_an_error(tmp_path):
    (tmp_path / "sys.dic").write_bytes(b"")
    assert doctor._dictionary("ipadic", tmp_path, "sys.dic", "ipadic").status == "error"
    finding = doctor._dictionary("ipadic", tmp_path / "none", "sys.dic", "ipadic")
    assert finding.status == "error"
    assert "--force-reinstall" in finding.remedy


def test_an_output_that_cannot_show_japanese_is_a_warning():
    done = run(PYTHONIOENCODING="latin-1")
    assert b"PYTHONUTF8" in done.stdout
    assert done.returncode == 0
    assert b"PYTHONUTF8" not in run(PYTHONIOENCODING="cp932").stdout


def test_more_threads_than_cpus_are_a_warning(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    (finding,) = doctor._cpu()
    assert finding.status == "warning"
    assert "OMP_NUM_THREADS" in finding.remedy


def test_a_model_that_is_not_there_is_an_error():
    done = run("./nowhere")
    assert done.returncode == 4
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"\nerror" in done.stdout


def test_the_module_imports_nothing_but_the_standard_library():
    program = (
        "import sys; import jptextclf.doctor; "
        "print({n.split('.')[0] for n in sys.modules} & {'numpy', 'torch', 'transformers', 'click', 'rich', 'yaml'})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
