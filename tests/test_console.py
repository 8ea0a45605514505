"""Every kind of output survives every kind of console: pipes, 40 columns, old encodings, no colours, a reader that leaves."""

import codecs
import itertools
import os
import re
import subprocess
import sys
import unicodedata

import pytest
from click.testing import CliRunner

from jptextclf.cli import cli

CONSOLES = {
    "utf-8": {"PYTHONIOENCODING": "utf-8"},
    "c": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "cp932": {"PYTHONIOENCODING": "cp932"},
    "cp932-strict": {"PYTHONIOENCODING": "cp932:strict"},
    "euc": {"PYTHONIOENCODING": "euc_jp"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "narrow": {"COLUMNS": "40", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"},
    "plain": {"NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
}
COMMANDS = {
    "help": ["--help"],
    "train-help": ["train", "--help"],
    "errors": ["errors"],
    "error": ["errors", "D012"],
    "models": ["models", "list"],
    "corpora": ["corpora", "list"],
    "corpus": ["corpora", "show", "reviews-ja"],
    "config": ["config", "show"],
    "license-list": ["license", "list"],
    "check": ["data", "check", "{data}", "--model", "none"],
    "refused": ["data", "check", "nowhere.csv"],
    "usage": ["trian"],
}
STATUS = {"refused": 3, "usage": 2}
PAIRS = [
    *((command, "cp932-strict", "ja") for command in ("errors", "check", "train-help")),
    *((command, "c", "ja") for command in ("check", "error", "refused")),
    ("models", "narrow", "ja"), ("check", "narrow", "en"), ("corpora", "cp932", "ja"), ("corpus", "euc", "ja"),
    ("config", "ascii", "ja"), ("license-list", "cp932", "ja"), ("usage", "ascii", "ja"), ("help", "cp932", "ja"),
    ("models", "plain", "en"), ("refused", "cp932-strict", "ja"),
]  # fmt: skip
UGLY = "本文,評価\n𠮷野家の髙さん😀👨\u200d👩\u200d👧,良い\n\u202e逆さま,良い\u3000\nｱｲｳ – × ± …,悪い\n電話03-1234-5678,悪い\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("口コミ") / "口コミ 髙.csv"
    path.write_text(UGLY, encoding="utf-8")
    return path


def run(command, console, language, data, **options):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "PYTHON", "JPTEXTCLF_LANG"))
    }
    arguments = [one.format(data=data) for one in COMMANDS[command]]
    return subprocess.run(
        [sys.executable, "-m", "jptextclf", *arguments, "--lang", language],
        capture_output=True, timeout=120, env={**environment, **CONSOLES[console]}, **options,
    )  # fmt: skip


def check(command, console, language, data):
    done = run(command, console, language, data)
    assert done.returncode == STATUS.get(command, 0), done.stderr
    encoding = CONSOLES[console].get("PYTHONIOENCODING", "utf-8").partition(":")[0].replace("ascii", "utf-8")
    shown, said = (codecs.decode(one, encoding) for one in (done.stdout, done.stderr))
    assert "Traceback" not in said
    assert "\x1b" not in shown + said
    assert shown if command not in STATUS else said.startswith("JPT-")
    # Nothing acts on the terminal, and nothing private is printed.
    assert "\u202e" not in shown
    assert "1234" not in shown
    if language == "ja":
        assert re.search("[\u3041-\u30fa\u4e00-\u9fff]", shown + said)


@pytest.mark.parametrize(("command", "console", "language"), PAIRS)
def test_odd_consoles(command, console, language, data):
    check(command, console, language, data)


@pytest.mark.full
@pytest.mark.parametrize(
    ("command", "console", "language"), list(itertools.product(COMMANDS, CONSOLES, ("ja", "en")))
)
def test_every_command_on_every_console(command, console, language, data):
    check(command, console, language, data)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal of POSIX")
@pytest.mark.parametrize(
    "colours", [{"NO_COLOR": "1"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"TERM": "dumb"}]
)
def test_no_colours_on_a_terminal_that_wants_none(colours, data):
    import pty

    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "jptextclf", "models", "list", "--lang", "ja"], stdout=follower, stderr=follower, timeout=120,
        env={**os.environ, "COLUMNS": "60", **colours},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 65536):
            shown += part
    except OSError:
        pass  # Linux says so at the end of a terminal.
    os.close(leader)
    assert done.returncode == 0
    assert "名前" in shown.decode("utf-8")
    # Bold is no colour.
    assert set(re.findall(rb"\x1b\[([0-9;]*)m", shown)) <= {b"0", b"1"}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_leaves_at_once():
    with subprocess.Popen(
        [sys.executable, "-m", "jptextclf", "errors", "--lang", "ja"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline().decode("utf-8").startswith("JPT-D001")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def width(shown):
    """Columns of a terminal that a text takes, as East Asian fonts draw it."""
    return sum(
        0
        if unicodedata.combining(one) or unicodedata.category(one) == "Cf"
        else 2
        if unicodedata.east_asian_width(one) in "WF"
        else 1
        for one in shown
    )


@pytest.mark.parametrize("columns", ["40", "60", "120"])
@pytest.mark.parametrize(
    "names", [["良い", "悪い"], ["ﾎﾟｼﾞ", "とても長いラベルの名前です", "A"], ["𠮷", "髙", "ネガティブ"]]
)
def test_tables_are_aligned_and_fit(names, columns, capsys, monkeypatch):
    from jptextclf.cli._console import print_table

    monkeypatch.setenv("COLUMNS", columns)
    print_table(["ラベル", "学習用", "テスト用"], [[name, "1,234", "5"] for name in names])
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert max(map(width, lines)) <= int(columns)
    # Numbers are right-aligned: they end in the same column on every line.
    ends = {width(line[: line.index("1,234") + 5]) for line in lines if "1,234" in line}
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("shown", "encoding", "seen"),
    [
        ("0.1 – 0.2", "cp932", "0.1 - 0.2"),
        ("髙﨑①㈱", "cp932", "髙﨑①㈱"),
        ("😀", "cp932", "?"),
        ("①", "ascii", "1"),
        ("～", "euc_jp", "〜"),
        ("…", "ascii", "..."),
    ],
)
def test_a_character_that_is_missing_is_shown_by_one_alike(shown, encoding, seen):
    from jptextclf.cli import _streams

    codecs.register_error("test-substitute", _streams._substituted)
    assert shown.encode(encoding, "test-substitute").decode(encoding) == seen


def test_names_of_the_data_do_nothing_to_a_terminal(tmp_path):
    file = tmp_path / "a.csv"
    rows = "".join(f"text{n},{label}\n" for n in range(12) for label in ("\x1b[2Jred", "\u202eback"))
    file.write_text(f"text,label\x1b]0;x\x07\n{rows}", encoding="utf-8")
    for arguments in (
        ["data", "check", str(file), "--text-column", "text", "--label-column", "label\x1b]0;x\x07"],
        ["data", "check", str(file), "--text-column", "text", "--label-column", "nothing"],
        [
            "data",
            "split",
            str(file),
            str(tmp_path / "out"),
            "--text-column",
            "text",
            "--label-column",
            "label\x1b]0;x\x07",
        ],
    ):
        done = CliRunner().invoke(cli, arguments)
        assert "U+001B" in done.output, arguments
        assert not re.search("[\x1b\x07\u202e]", done.output), arguments
