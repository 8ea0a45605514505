"""Both catalogues say the same things, everything said is in them, and nothing in them is unused."""

import re
import string
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import jptextclf
from jptextclf import errors, messages

PACKAGE = Path(jptextclf.__file__).parent
SOURCE = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
LETTERS = {
    "W": errors.WorkError,
    "U": errors.ConfigError,
    "D": errors.DataError,
    "E": errors.SetupError,
    "L": errors.LicenseError,
}


def fields(template):
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name}


def test_both_languages_have_the_same_keys():
    assert set(messages.keys("ja")) == set(messages.keys("en"))


def test_both_languages_name_the_same_fields():
    japanese, english = messages.keys("ja"), messages.keys("en")
    different = {
        key: (japanese[key], english[key]) for key in english if fields(japanese[key]) != fields(english[key])
    }
    assert not different


def test_japanese_sentences_are_japanese():
    ascii_only = {
        key: sentence
        for key, sentence in messages.keys("ja").items()
        if key.endswith((".message", ".hint"))
        and re.search("[a-z]", words := re.sub(r"{.*?}", "", sentence))
        and words.isascii()
    }
    assert not ascii_only


def test_every_code_raised_has_a_sentence_and_the_right_class():
    known = messages.keys("en")
    raised = [
        (path.name, class_name, code)
        for path, text in SOURCE.items()
        for class_name, code in re.findall(r"(\w+Error)\(\s*\"([A-Z]\d{3})\"", text)
    ]
    assert raised
    for _, class_name, code in raised:
        assert f"{code}.message" in known, code
        assert LETTERS[code[0]].__name__ == class_name, code


def test_every_code_in_the_catalogue_is_raised_somewhere():
    everything = "".join(SOURCE.values())
    codes = {key.split(".")[0] for key in messages.keys("en") if re.fullmatch(r"[A-Z]\d{3}\..*", key)}
    unused = {code for code in codes if f'"{code}' not in everything}
    assert not unused


def test_every_sentence_asked_for_by_a_literal_key_exists():
    known = set(messages.keys("en"))
    asked = {
        key for text in SOURCE.values() for key in re.findall(r"\btext\(\s*\"([a-z_]+\.[a-z0-9_]+)\"", text)
    }
    assert asked
    assert asked <= known


def test_the_language_follows_the_call_then_the_variable_then_the_locale(monkeypatch):
    for name in ("JPTEXTCLF_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert messages.language() == "ja"
    monkeypatch.setenv("LC_ALL", "C")
    assert messages.language() == "en"
    monkeypatch.setenv("JPTEXTCLF_LANG", "ja")
    assert messages.language() == "ja"
    messages.use_language("en")
    assert messages.language() == "en"
    messages.use_language("auto")
    assert messages.language() == "ja"


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="fr"):
        messages.use_language("fr")


def test_an_error_carries_code_message_hint_and_status():
    error = errors.DataError("D040", label="x", known="y", hint="")
    assert str(error).startswith("JPT-D040 ")
    assert error.hint
    assert error.exit_status == 3
    assert isinstance(error, ValueError)


def test_an_error_survives_pickling():
    import pickle

    error = errors.ConfigError("U010", task="x", known="y")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


def test_a_code_of_another_class_is_a_programming_error():
    with pytest.raises(TypeError):
        errors.DataError("U010")


def test_listing_counts_what_it_leaves_out():
    assert messages.listing(range(12), 3) == "0, 1, 2, and 9 more"


@pytest.mark.parametrize(
    ("word", "known", "expected"), [("labl", ["label", "text"], "label"), ("ラベり", ["ラベル"], "ラベル")]
)
def test_close_names_are_suggested(word, known, expected):
    assert expected in messages.did_you_mean(word, known)


def test_far_names_are_not_suggested():
    assert messages.did_you_mean("zzz", ["label"]) == ""


KANA_OR_KANJI = re.compile("[\u3041-\u30fa\u4e00-\u9fff]")
# Names, numbers and formulas are the same in both languages.
SAME_IN_BOTH = re.compile(
    r"(?:\{[^}]*\}|[\W\d_]|[A-Z][\w.-]*|F1|pieces|softmax|sigmoid|jptextclf|pip|https?|train|validation|test|id|n|p|s|rev)*"
)


def test_nothing_of_the_other_language_is_left():
    # Japanese labels and texts stand in English examples, in quotes or code.
    quoted = r"\"[^\"]*\"|“[^”]*”|`[^`]*`|--\S+ \S+|```.*"
    allowed = ("help.", "opt.", "explain.", "export.usage", "settings.")
    english = {
        key: one
        for key, one in messages.keys("en").items()
        if not key.startswith(allowed) and KANA_OR_KANJI.search(re.sub(quoted, "", one, flags=re.S))
    }
    assert english == {}
    japanese = {
        key: one
        for key, one in messages.keys("ja").items()
        if not KANA_OR_KANJI.search(one)
        and one == messages.keys("en")[key]
        and not SAME_IN_BOTH.fullmatch(one)
    }
    assert japanese == {}


# One spelling for one thing; what stands left is never written.
SPELLINGS = {
    "メモリー": "メモリ",
    "サーバ(?!ー)": "サーバー",
    "ユーザ(?!ー)": "ユーザー",
    "フォルダ(?!ー)": "フォルダー",
    "パラメータ(?!ー)": "パラメーター",
    "エンコーダ(?!ー)": "エンコーダー",
    "トークナイザ(?!ー)": "トークナイザー",
    "ディレクトリー": "ディレクトリ",
    "ライブラリー": "ライブラリ",
    "カテゴリー": "カテゴリ",
    "出来ま": "できま",
    "下さい": "ください",
    "為、": "ため、",
    "ヶ": "か",
    "学習済モデル": "学習済みモデル",
    "アノテータ(?!ー)": "アノテーター",
    "ラベリング": "ラベル付け",
}


@pytest.mark.parametrize("pattern", SPELLINGS)
def test_one_spelling_for_one_thing(pattern):
    found = {key: one for key, one in messages.keys("ja").items() if re.search(pattern, one)}
    assert not found, f"write {SPELLINGS[pattern]}"


def test_every_command_and_option_has_help_in_both_languages():
    import click

    from jptextclf.cli import cli

    def walk(command, path):
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                yield from walk(command.get_command(context, name), (*path, name))

    for language in messages.LANGUAGES:
        known = messages.keys(language)
        for path, command in walk(cli, ()):
            for one in command.params:
                if isinstance(one, click.Option) and one.name not in {"help", "version", "lang"}:
                    assert f"opt.{one.name}" in known, (language, path, one.name)
            if path:
                messages.use_language(language)
                shown = command.get_short_help_str()
                assert shown, (language, path)
                assert bool(KANA_OR_KANJI.search(shown)) == (language == "ja"), (language, path)


def test_no_sentence_for_a_person_stands_in_the_code():
    literal = re.compile(
        r"(?:click\.echo|\bsay|\.say|\.warn|print_table)\(\s*f?\"([^\"]*[a-zA-Z]{3,} [a-zA-Z]{2,}[^\"]*)\""
    )
    found = {path.name: literal.findall(text) for path, text in SOURCE.items() if literal.search(text)}
    assert found == {}


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_no_key_stands_in_two_files(language):
    # The later file would win, and the help of one command be that of another.
    found = {}
    for file in sorted(
        (resources.files("jptextclf.messages") / language).iterdir(), key=lambda one: one.name
    ):
        for section, entries in (
            tomllib.loads(file.read_text(encoding="utf-8")).items() if file.name.endswith(".toml") else ()
        ):
            for key in entries:
                assert found.setdefault((section, key), file.name) == file.name, (section, key)
