"""The command line: statuses, streams, languages, and what a person sees."""

import json
import os
import signal
import subprocess
import sys
import threading

import click
import forked
import pytest

from jptextclf import messages
from jptextclf.cli import cli
from jptextclf.cli._command import Group


def environment(**more):
    return {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", **more}


def jptextclf(*args, stdin="", timeout=120, cwd=None, **more):
    return subprocess.run(
        [sys.executable, "-m", "jptextclf", *map(str, args)], input=stdin.encode(), capture_output=True,
        timeout=timeout, cwd=cwd, env=environment(**more),
    )  # fmt: skip


def in_process(capfdbinary, *args):
    """Status, standard output and standard error of a command, without the cost of a new process."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(map(str, args)), prog_name="jptextclf")
    shown = capfdbinary.readouterr()
    return ended.value.code, shown.out.decode(), shown.err.decode()


def all_commands(command=cli, path=()):
    context = click.Context(command)
    if isinstance(command, Group):
        yield path, command
        for name in command.list_commands(context):
            yield from all_commands(command.get_command(context, name), (*path, name))
    else:
        yield path, command


COMMANDS = list(all_commands())


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=["-".join(path) or "jptextclf" for path, _ in COMMANDS]
)
@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_command_and_option_has_help_in_both_languages(capfdbinary, path, command, language):
    messages.use_language(language)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert messages.has(f"opt.{parameter.name}"), parameter.name
    status, out, err = in_process(capfdbinary, *path, "--help")
    assert status == 0
    assert err == ""
    assert out.startswith("使い方:" if language == "ja" else "Usage:")
    assert "Traceback" not in out
    if language == "ja":
        assert "default:" not in out


def test_every_command_is_in_the_readmes():
    from pathlib import Path

    for file in ("README.md", "README.ja.md"):
        text = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
        for path, command in COMMANDS:
            if not isinstance(command, Group):
                assert f"jptextclf {' '.join(path)}" in text, (file, path)


@pytest.mark.parametrize(
    ("args", "status", "code", "words"),
    [
        (["trian"], 2, "JPT-U090", "Did you mean 'train'?"),
        (["train"], 2, "JPT-U119", "jptextclf train reviews.csv"),
        (["evaluate", "x"], 2, "JPT-U092", "DATA"),
        (["train", "x.csv", "--epoch", "3"], 2, "JPT-U091", "Did you mean '--epochs'?"),
        (["train", "x.csv", "--task", "foo"], 2, "JPT-U093", "multiclass"),
        (["train", "x.csv", "--epochs", "many"], 2, "JPT-U093", "many"),
        (["train", "x.csv", "--epochs", "0"], 2, "JPT-U021", "epochs is 0"),
        (["train", "nowhere.csv"], 3, "JPT-D001", "nowhere.csv"),
        (["train", "reviews-ja", "--device", "cuda:99"], 4, "JPT-E043", "cuda:99"),
        (["train", "reviews-ja", "--model", "./nowhere"], 4, "JPT-E010", "nowhere"),
        (["train", "reviews-ja", "--data-license", "free"], 2, "JPT-U0", "free"),
        (["predict", "nowhere", "text"], 4, "JPT-E049", "nowhere"),
        (["predict", "run", "text", "--input", "a.csv"], 2, "JPT-U095", "both"),
        (["predict", "run", "--input", "a.csv"], 2, "JPT-U096", "--output"),
        (["evaluate", "nowhere", "reviews-ja"], 4, "JPT-E049", "nowhere"),
        (["corpora", "show", "reviews"], 2, "JPT-U060", "reviews-ja"),
        (["corpora", "fetch", "jglue-marc-ja"], 2, "JPT-U062", "withdrawn"),
        (["models", "import", "./nowhere"], 4, "JPT-E010", "nowhere"),
    ],
)
def test_errors_have_their_status_code_and_one_screen(
    capfdbinary, tmp_path, monkeypatch, args, status, code, words
):
    monkeypatch.chdir(tmp_path)
    got, out, err = in_process(capfdbinary, *args)
    assert got == status, err
    assert code in err
    assert words in err
    assert "Traceback" not in err
    assert out == ""
    assert len(err.strip().split("\n")) < 24
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [["--lang", "ja", "trian"], ["train", "--lang", "ja", "nowhere.csv"]])
def test_the_language_option_works_on_the_group_and_on_commands(capfdbinary, place):
    _, _, err = in_process(capfdbinary, *place)
    assert any("ぁ" <= character <= "ん" for character in err)


def test_help_is_quick_and_light():
    seconds = []
    for _ in range(5):
        started = cpu_of_children()
        assert jptextclf("--help").returncode == 0
        seconds.append(cpu_of_children() - started)
    # 0.07 s on an idle machine; the quickest of five is little disturbed by what runs beside.
    assert min(seconds) < 0.5


def cpu_of_children():
    """Seconds that processes which have ended needed."""
    times = os.times()
    return times.children_user + times.children_system


def test_the_version_is_that_of_the_package(capfdbinary):
    from jptextclf import __version__

    assert __version__ in in_process(capfdbinary, "--version")[1]


def test_train_predict_and_evaluate_from_the_command_line(capfdbinary, tmp_path, tiny_encoder, reviews_csv):
    run = tmp_path / "run"
    status, out, err = in_process(
        capfdbinary, "train", reviews_csv, "--model", tiny_encoder, "--out", run, "--epochs", 1, "--max-length", 64,
        "--device", "cpu", "--precision", "float32",
    )  # fmt: skip
    assert status == 0, err
    assert "character n-grams" in out
    assert out.strip().endswith(str(run))
    assert "cp932" in err
    assert "本文" in err
    assert "licence record says unknown" in err

    status, out, err = in_process(capfdbinary, "predict", run, "朝食が良い", "", "--json")
    data = json.loads(out)
    assert status == 0
    assert [one["empty"] for one in data["predictions"]] == [False, True]
    assert sum(data["predictions"][0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)

    status, out, err = in_process(
        capfdbinary, "predict", run, "--input", reviews_csv, "--output", tmp_path / "out.tsv"
    )
    assert status == 0, err
    assert out == ""
    assert "72" in err
    assert (tmp_path / "out.tsv").read_text(encoding="utf-8-sig").count("\n") >= 73

    status, out, err = in_process(capfdbinary, "evaluate", run, reviews_csv, "--json")
    assert status == 0, err
    assert json.loads(out)["n_texts"] == 72
    status, out, err = in_process(capfdbinary, "evaluate", run, reviews_csv)
    assert "macro-F1" in out


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    capfdbinary, tmp_path, tiny_encoder, reviews_csv, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    options = ["--model", tiny_encoder, "--max-length", 64, "--epochs", 2, "--dry-run"]
    status, out, err = in_process(capfdbinary, "train", reviews_csv, *options)
    assert status == 0, err
    assert "runs/reviews-1" in out
    assert "Optimizer steps: 6" in out
    status, out, _ = in_process(capfdbinary, "train", reviews_csv, *options, "--json")
    assert json.loads(out)["preview"]["steps"] == 6
    assert list(tmp_path.iterdir()) == []


def test_quiet_keeps_silent_but_for_warnings(capfdbinary, trained, reviews_csv, tmp_path):
    status, out, err = in_process(
        capfdbinary,
        "predict",
        trained.path,
        "-i",
        reviews_csv,
        "-o",
        tmp_path / "out.csv",
        "--quiet",
        "--device",
        "cpu",
    )
    assert (status, out, err) == (0, "", "")


def test_the_json_of_training_is_that_of_the_record(capfdbinary, tmp_path, tiny_encoder, reviews_csv):
    status, out, _ = in_process(
        capfdbinary, "train", reviews_csv, "--model", tiny_encoder, "--out", tmp_path / "run", "--epochs", 1,
        "--max-length", 64, "--json", "--quiet",
    )  # fmt: skip
    assert status == 0
    printed = json.loads(out)
    assert printed.pop("path") == str(tmp_path / "run")
    record = json.loads((tmp_path / "run" / "jptextclf.json").read_text(encoding="utf-8"))
    assert "components.json" in record.pop("sealed")
    assert printed == record


def test_lines_in_another_encoding_are_read_or_reported(trained):
    line = "朝食が美味しい\n".encode("cp932")
    options = ["predict", trained.path, "--device", "cpu"]
    done = forked.command(*options, "--json", "--input-encoding", "cp932", stdin=line)
    assert json.loads(done.stdout)["text"] == "朝食が美味しい"
    done = forked.command(*options, stdin=line)
    assert b"--input-encoding" in done.stderr


def test_lines_on_standard_input_give_lines(trained):
    done = jptextclf("predict", trained.path, "--device", "cpu", stdin="朝食が美味しい\n\n最悪\r\n")
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().split("\n")
    assert len(lines) == 4
    assert all(len(line.split("\t")) == 2 for line in lines[:3])
    assert done.stderr == b""


@pytest.mark.parametrize(
    "extra",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "cp932"},
        {"PYTHONIOENCODING": "ascii", "JPTEXTCLF_LANG": "ja"},
        {"TERM": "dumb", "COLUMNS": "40", "NO_COLOR": "1"},
        {"JPTEXTCLF_LANG": "ja", "COLUMNS": "40"},
    ],
)
def test_odd_consoles_survive(run_copy, extra):
    text = ["predict", run_copy, "𠮷野家の朝食 😀", "--device", "cpu"]
    status, (shown, as_json) = forked.in_one_process(text, [*text, "--json"], **extra)
    assert status == 0, shown[1] + as_json[1]
    assert b"Traceback" not in shown[1]
    assert b"\x1b[" not in shown[0]
    predicted = json.loads(as_json[0].decode("utf-8"))["predictions"][0]
    assert predicted["labels"]
    assert predicted["text"] == "𠮷野家の朝食 😀"


def test_a_reader_that_goes_away_is_no_error(trained):
    with subprocess.Popen(
        [sys.executable, "-m", "jptextclf", "predict", str(trained.path), "--device", "cpu"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    ) as process:  # fmt: skip
        process.stdin.write("良い\n".encode())
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        # The reader has gone; the next line finds out.
        process.stdin.write("良い\n".encode() * 50)
        process.stdin.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(timeout=60) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_training_with_its_status_and_a_way_to_go_on(
    tmp_path, tiny_encoder, reviews_csv, number, status
):
    with subprocess.Popen(
        [sys.executable, "-m", "jptextclf", "train", str(reviews_csv), "--model", str(tiny_encoder), "--out",
         str(tmp_path / "run"), "--epochs", "10000", "--patience", "0", "--max-length", "64", "--device", "cpu"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(JPTEXTCLF_LANG="en"),
        # Under nohup and in background jobs SIGINT is ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        # A child that does not stop must not stop the tests.
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        seen = b""
        while b"Epoch 2/" not in seen:
            line = process.stderr.readline()
            assert line, seen
            seen += line
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(timeout=60) == status
        watchdog.cancel()
    assert b"Nothing half-written is left" in rest
    assert b"--resume --out" in rest
    assert b"Traceback" not in rest
    assert [one.name for one in tmp_path.iterdir()] == ["run.unfinished"]


@pytest.mark.skipif(sys.platform == "win32", reason="streams are closed through a shell of POSIX")
@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", ">/dev/full"])
def test_closed_or_full_streams_give_no_traceback(trained, closing):
    command = f'"{sys.executable}" -m jptextclf predict "{trained.path}" 良い --device cpu {closing}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=120, env=environment())
    assert b"Traceback" not in done.stderr
    assert done.returncode == (1 if "full" in closing else 0)


def test_corpora_and_models_are_listed(capfdbinary):
    status, out, _ = in_process(capfdbinary, "corpora", "list")
    assert status == 0
    assert "reviews-ja" in out
    assert "CC0-1.0" in out
    names = {
        one["name"] for one in json.loads(in_process(capfdbinary, "corpora", "list", "--json")[1])["corpora"]
    }
    assert {"reviews-ja", "jrte-pn", "wrime"} <= names
    status, out, _ = in_process(capfdbinary, "corpora", "show", "jrte-pn")
    assert "CC-BY-NC-SA-4.0" in out
    assert "builtin" in in_process(capfdbinary, "models", "list")[1]
    assert (
        json.loads(in_process(capfdbinary, "models", "list", "--json")[1])["models"][0]["name"] == "builtin"
    )


def test_an_imported_model_trains_by_its_name(capfdbinary, tmp_path, tiny_encoder, reviews_csv, monkeypatch):
    monkeypatch.setenv("JPTEXTCLF_HOME", str(tmp_path / "home"))
    status, _out, err = in_process(capfdbinary, "models", "import", tiny_encoder, "--name", "tiny")
    assert status == 0, err
    assert "tiny" in in_process(capfdbinary, "models", "list")[1]
    status, _, err = in_process(
        capfdbinary, "train", reviews_csv, "--model", "tiny", "--out", tmp_path / "run", "--epochs", 1,
        "--max-length", 64, "--quiet",
    )  # fmt: skip
    assert status == 0, err
    record = json.loads((tmp_path / "run" / "components.json").read_text(encoding="utf-8"))
    assert record["components"][0]["name"] == "tiny"


def test_offline_and_not_cached_says_how_to_bring_a_model_in(capfdbinary, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    status, _, err = in_process(
        capfdbinary, "train", "reviews-ja", "--model", "org/some-model@abc", "--out", tmp_path / "run"
    )
    assert status == 4
    assert "jptextclf models import" in err
