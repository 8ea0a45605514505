"""Settings: options made from TrainConfig, the settings file, --set, what goes before what, and where it came from."""

import inspect
import itertools
import json
import tomllib
from dataclasses import fields
from typing import get_args

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from jptextclf import TextClassifier, config, messages, train
from jptextclf.cli import cli
from jptextclf.config import TrainConfig, groups, kinds, problem_of
from jptextclf.errors import ConfigError
from jptextclf.settings import RunOptions, resolve, to_toml

NAMES = [field.name for field in fields(TrainConfig)]


def in_process(capfdbinary, *args):
    """Status, standard output and standard error of a command, without the cost of a new process."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(map(str, args)), prog_name="jptextclf")
    shown = capfdbinary.readouterr()
    return ended.value.code, shown.out.decode(), shown.err.decode()


def command(*path):
    found = cli
    for name in path:
        found = found.get_command(click.Context(found), name)
    return found


@pytest.fixture
def run_toml(tmp_path, monkeypatch):
    """Writes run.toml into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(content, name="run.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
        return name

    return write


def refused(code, options=None, **given_):
    with pytest.raises(ConfigError) as caught:
        resolve(options or {}, **given_)
    assert caught.value.code == f"JPT-{code}"
    return caught.value.message


# --- one home of names ---


@pytest.mark.parametrize("path", [("train",), ("config", "show")])
def test_every_setting_is_an_option(path):
    options = {one.name: one for one in command(*path).params}
    assert set(NAMES) <= set(options)
    for name, kind in kinds(TrainConfig).items():
        assert options[name].opts == ["--" + name.replace("_", "-")]
        if kind.type is bool:
            assert options[name].secondary_opts == ["--no-" + name.replace("_", "-")]
        if kind.choices and kind.type is str:
            assert set(options[name].type.choices) - {"auto"} == set(kind.choices) - {"auto"}


def test_every_setting_is_a_parameter_of_the_estimator_with_its_default():
    parameters = inspect.signature(TextClassifier).parameters
    assert {name: parameters[name].default for name in NAMES} == TrainConfig().to_json()
    lists = TextClassifier(extra_columns=["price"], trackers=("mlflow",), ngrams=True, mode="features")
    assert clone(lists).get_params() == lists.get_params()


def test_every_option_of_a_run_is_a_keyword_of_train_and_the_other_way_round():
    keywords = set(inspect.signature(train).parameters)
    of_the_call = {
        "dry_run",
        "config",
        "set",
        "lock",
        "overwrite",
        "resume",
        "report",
        "progress",
        "settings",
    }
    assert keywords - of_the_call == set(kinds(RunOptions))
    options = {one.name for one in command("train").params if isinstance(one, click.Option)}
    assert set(kinds(RunOptions)) - {"data"} <= options


def test_choices_and_rules_say_the_same():
    for name, kind in kinds(TrainConfig).items():
        for choice in kind.choices if kind.type is str else ():
            assert problem_of(name, choice) is None
        if kind.choices:
            assert problem_of(name, "nothing of these")
        assert (problem_of(name, None) is None) == kind.optional


def test_every_setting_is_in_a_group_with_a_heading():
    assert list(groups()) == NAMES
    assert "" not in groups().values()
    assert set(config._GROUP_STARTS) <= set(NAMES)
    for group in groups().values():
        assert messages.has(f"settings.group_{group}")


@pytest.mark.parametrize(("language", "heading"), [("en", "Device and speed:"), ("ja", "デバイスと速度:")])
def test_the_help_stands_under_headings(capfdbinary, language, heading):
    _, out, _ = in_process(capfdbinary, "train", "--help", "--lang", language)
    assert f"\n{heading}\n" in out
    assert out.index(heading) < out.index("--max-tokens") < out.index("--pooling")


# --- the command line ---


def shown(capfdbinary, *args):
    status, out, err = in_process(capfdbinary, "config", "show", "--json", *args)
    assert (status, err) == (0, "")
    return json.loads(out)["settings"]


@pytest.mark.parametrize(
    ("args", "name", "value"),
    [
        (["--extra-columns", "price, category"], "extra_columns", ["price", "category"]),
        (["--extra-columns", ""], "extra_columns", []),
        (["--trackers", "tensorboard"], "trackers", ["tensorboard"]),
        (["--ngrams"], "ngrams", True),
        (["--no-ngrams"], "ngrams", False),
        (["--epochs", "auto"], "epochs", None),
        (["--epochs", "3"], "epochs", 3),
        (["--learning-rate", "1e-3"], "learning_rate", 0.001),
        (["--metric", "auto"], "metric", None),
        (["--teacher", ""], "teacher", None),
        (["--set", "epochs=3"], "epochs", 3),
        (["--set", "epochs=auto"], "epochs", None),
        (["--set", "model=./enc"], "model", "./enc"),
        (["--set", "label_column=1"], "label_column", "1"),
        (["--set", "label_separator=|"], "label_separator", "|"),
        (["--set", 'extra_columns=["a,b", "c"]'], "extra_columns", ["a,b", "c"]),
        (["--set", "text_column=タイトル,本文"], "text_column", ["タイトル", "本文"]),
        (["--set", "ngrams = true"], "ngrams", True),
        (["--set", "seed=1", "--set", "seed=2"], "seed", 2),
    ],
)
def test_values_of_options(capfdbinary, args, name, value):
    got = shown(capfdbinary, *args)[name]
    assert got == {"value": value, "origin": "--set" if args[0] == "--set" else "option"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--epochs", "many"], "whole number"),
        (["--max-length", "auto"], "whole number"),
        (["--loss", "auto"], "cross_entropy"),
        (["--trackers", "tensorbord"], "tensorboard"),
        (["--set", "epochs"], "key=value"),
        (["--set", "epohcs=3"], "epochs"),
        (["--set", "epochs=3.5"], "--set: epochs is 3.5"),
        (["--set", "epochs=1\nseed=2"], "epochs is '1"),
        (["--set", "ngrams=yes"], "'yes'"),
    ],
)
def test_wrong_options_are_refused(capfdbinary, args, words):
    status, out, err = in_process(capfdbinary, "config", "show", *args)
    assert (status, out) == (2, "")
    assert words in err


def test_option_before_set_before_file_before_default(capfdbinary, run_toml):
    run_toml("seed = 1\n\nepochs = 1\nbatch_size = 1\nngrams = true\n")
    got = shown(
        capfdbinary,
        "--config",
        "run.toml",
        "--set",
        "epochs=2",
        "--set",
        "seed=2",
        "--seed",
        "3",
        "--no-ngrams",
    )
    assert got["seed"] == {"value": 3, "origin": "option"}
    assert got["epochs"] == {"value": 2, "origin": "--set"}
    assert got["batch_size"] == {"value": 1, "origin": "run.toml:4"}
    assert got["ngrams"] == {"value": False, "origin": "option"}
    assert got["warmup"] == {"value": 0.1, "origin": "default"}


@pytest.mark.parametrize(
    ("language", "words"), [("en", ["default", "option"]), ("ja", ["既定", "オプション"])]
)
def test_the_table_shows_origins(capfdbinary, run_toml, language, words):
    run_toml('# 設定\nepochs = 4\ntext_column = "本文"\n')
    status, out, _ = in_process(
        capfdbinary, "config", "show", "--config", "run.toml", "--seed", "7", "--lang", language
    )
    assert status == 0
    for word in [*words, "run.toml:2", "run.toml:3", "本文", "extra_columns"]:
        assert word in out


# --- the file ---


def test_every_problem_comes_in_one_error_with_its_place(run_toml):
    run_toml(
        'epohcs = 3\nbatch_size = "32"\nmodel = """\nepochs = 1\n"""\nlearning_rate = 2\n\n[training]\nseed = -1\n'
        'ngrams = 1\ndata_origin = "mine"\ncolumns = [1]\nbatch-size = 3\na.b = 1\nwarmup = 0.5\n'
    )
    message = refused("U116", {"epochs": 0, "sede": 1}, config="run.toml", set=["max_lenght=3"])
    for line in [
        "run.toml:1: There is no setting 'epohcs'. Did you mean 'epochs'?",
        "run.toml:2: batch_size is '32', expected",
        "run.toml:6: learning_rate is 2, expected",
        "run.toml:8: [training]",
        "run.toml:9: seed is -1",
        "run.toml:10: ngrams is 1",
        "run.toml:11: data_origin is 'mine', expected one of: own, customer, public, unknown",
        "run.toml:12: columns is [1]",
        "run.toml:13: There is no setting 'batch-size'. Did you mean 'batch_size'?",
        "run.toml:14: There is no setting 'a'",
        "--set: There is no setting 'max_lenght'. Did you mean 'max_length'?",
        "option: epochs is 0",
        "option: There is no setting 'sede'. Did you mean 'seed'?",
    ]:
        assert line in message, message
    assert "13 problem(s)" in message
    assert len(refused("U116", set=["seed=" + "x" * 10_000])) < 300


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_what_is_no_settings_file_is_refused(run_toml, tmp_path, language):
    import os

    messages.use_language(language)
    run_toml("epochs = \n")
    assert "line 1" in refused("U115", config="run.toml")
    run_toml("epochs = 1\nepochs = 2\n")
    assert "line 2" in refused("U115", config="run.toml")
    assert "nowhere.toml" in refused("U115", config="nowhere.toml")
    (tmp_path / "sjis.toml").write_bytes('text_column = "本文"\n'.encode("cp932"))
    assert "UTF-8" in refused("U115", config="sjis.toml")
    run_toml(f"epochs = {'[' * 5000}{']' * 5000}\n")
    refused("U115", config="run.toml")
    assert "'[[[[" in refused("U116", set=[f"epochs={'[' * 5000}{']' * 5000}"])
    os.mkfifo(tmp_path / "pipe.toml")
    refused("U115", config="pipe.toml")
    refused("U115", config=tmp_path)


def test_a_file_of_a_windows_editor_is_read(tmp_path):
    file = tmp_path / "run.toml"
    file.write_bytes(
        "\ufeffepochs = 3\r\nextra_columns = [\r\n  'a', # x\r\n  'b',\r\n]\r\nseed = 5\r\n".encode()
    )
    found = resolve({}, config=file)
    assert (found.config.epochs, found.config.seed, found.config.extra_columns) == (3, 5, ("a", "b"))
    assert found.origins == {"epochs": "run.toml:1", "extra_columns": "run.toml:2", "seed": "run.toml:6"}


def test_paths_count_from_the_directory_of_the_file(run_toml, tmp_path):
    run_toml(
        'data = "reviews.csv"\nout = "runs/a"\ntest = "test.csv"\nmodel = "enc"\nteacher = "big"\n'
        'dictionary = "ipadic"\npolicy = "/etc/policy.toml"\n',
        "conf/run.toml",
    )
    (tmp_path / "conf" / "enc").mkdir()
    found = resolve({}, config="conf/run.toml")
    assert str(found.run.out) == "conf/runs/a"
    assert str(found.run.test) == "conf/test.csv"
    # Nothing of that name is there: the name of a corpus, or of a dictionary.
    assert (found.run.data, found.config.dictionary) == ("reviews.csv", "ipadic")
    (tmp_path / "conf" / "reviews.csv").touch()
    (tmp_path / "conf" / "builtin").mkdir()
    assert resolve({}, config="conf/run.toml").run.data == "conf/reviews.csv"
    assert (found.config.model, found.config.teacher) == ("conf/enc", "conf/big")
    assert found.config.policy == "/etc/policy.toml"
    assert resolve({}, config="conf/run.toml", set=["model=enc", "teacher=big"]).config.teacher == "big"
    run_toml('model = "builtin"\ndata = "../x.csv"\n', "conf/run.toml")
    again = resolve({}, config="conf/run.toml")
    assert (again.config.model, again.run.data) == ("builtin", "conf/../x.csv")


def test_every_statement_has_its_own_line(tmp_path):
    # As a text, an array or a comment may look like another statement.
    written = [
        'model = """a\n\nseed = 9\n[x]\n"""', "extra_columns = [ # seed = 8\n 'a',\n\n 'seed = 7'\n]", "# seed = 6", "",
        "'head' = \"svm\" # x", 'dictionary = \'\'\'\n"""\nseed = 5\'\'\'', '"label_column"="a = 1"', "  seed=1",
    ]  # fmt: skip
    for order in itertools.islice(itertools.permutations(written), 0, None, 997):
        (tmp_path / "run.toml").write_text("\n".join(order), encoding="utf-8")
        found = resolve({}, config=tmp_path / "run.toml")
        lines = {one: 1 + sum(before.count("\n") + 1 for before in order[:n]) for n, one in enumerate(order)}
        names = ["model", "extra_columns", None, None, "head", "dictionary", "label_column", "seed"]
        expected = {name: f"run.toml:{lines[one]}" for name, one in zip(names, written, strict=True) if name}
        assert found.origins == expected
        assert found.config.seed == 1
        assert found.config.extra_columns == ("a", "seed = 7")


def values():
    names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
    return {
        "model": names, "dictionary": names, "teacher": names, "seed": st.integers(0, 2**32 - 1),
        "epochs": st.none() | st.integers(1, 10), "learning_rate": st.none() | st.floats(1e-12, 1),
        "max_grad_norm": st.floats(1e-300, 1e30), "ngrams": st.booleans(),
        "extra_columns": st.lists(names).map(tuple), "metric": st.sampled_from([None, "accuracy"]),
        "trackers": st.lists(st.sampled_from(get_args(config.Tracker))).map(tuple),
        "label_column": names, "text_column": st.lists(names, min_size=1).map(tuple),
        "data_origin": st.sampled_from(["own", "customer", "public"]), "data": names,
    }  # fmt: skip


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_the_printed_file_reads_back_to_the_same_values(tmp_path, monkeypatch, language):
    monkeypatch.chdir(tmp_path)
    messages.use_language(language)

    @settings(max_examples=60, deadline=None)
    @given(st.fixed_dictionaries({}, optional=values()))
    def law(options):
        before = resolve(options)
        (tmp_path / "run.toml").write_text(before.to_toml(), encoding="utf-8", newline="\n")
        after = resolve({}, config="run.toml")
        assert after.config == before.config
        assert after.run == before.run

    law()


def test_the_printed_file_has_every_key_with_its_meaning(capfdbinary, run_toml):
    run_toml("epochs = 7\npatience = 0\n")
    status, out, _ = in_process(
        capfdbinary, "config", "show", "--config", "run.toml", "--toml", "--lang", "ja"
    )
    assert status == 0
    assert "\nepochs = 7\n" in out
    assert '\nlearning_rate = "auto"\n' in out
    assert '\n# text_column = ""\n' in out
    assert "# 1 回の更新に使うテキストの数。\nbatch_size = 32" in out
    for name in [*NAMES, *kinds(RunOptions)]:
        assert f"\n{name} = " in out or f"\n# {name} = " in out
    # What stands behind # may be uncommented as it is.
    assert tomllib.loads(out.replace("\n# text_column", "\ntext_column"))["text_column"] == ""
    run_toml(out, "again.toml")
    assert {name: one["value"] for name, one in shown(capfdbinary, "--config", "again.toml").items()} == {
        name: one["value"] for name, one in shown(capfdbinary, "--config", "run.toml").items()
    }


def test_json_and_toml_at_once_are_refused(capfdbinary):
    status, out, err = in_process(capfdbinary, "config", "show", "--json", "--toml")
    assert (status, out) == (2, "")
    assert "JPT-U121" in err


@pytest.mark.parametrize("value", ["本文", 'a"b\\', "\x7f\x00\n", True, 3, 1e-300, float("inf"), ["a", "b"]])
def test_values_in_the_notation_of_toml(value):
    assert tomllib.loads(f"x = {to_toml(value)}") == {"x": value}


# --- training from a file ---


def test_training_from_a_file_alone(capfdbinary, run_toml, tiny_encoder, reviews_csv, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "reviews.csv").write_bytes(reviews_csv.read_bytes())
    run_toml(
        f'data = "reviews.csv"\nout = "run"\ntext_column = "本文"\nmodel = {to_toml(str(tiny_encoder))}\n'
        'max_length = 32\nepochs = 9\ndevice = "cpu"\nprecision = "float32"\ndata_origin = "own"\n',
        "conf/run.toml",
    )
    status, out, err = in_process(
        capfdbinary, "train", "--config", "conf/run.toml", "--set", "epochs=1", "--seed", "4", "--json"
    )
    assert status == 0, err
    recorded = json.loads(out)
    assert recorded["path"] == "conf/run"
    assert (recorded["config"]["epochs"], recorded["config"]["seed"], recorded["config"]["max_length"]) == (
        1,
        4,
        32,
    )
    assert recorded["data"]["columns"]["text"] == ["本文"]
    plan = train(config="conf/run.toml", out="other", set=["seed=5"], dry_run=True, epochs=2)
    assert (plan.prepared.config.seed, plan.prepared.config.epochs, str(plan.out)) == (5, 2, "other")


def test_without_data_nothing_begins(capfdbinary, run_toml):
    run_toml("epochs = 1\n")
    status, out, err = in_process(capfdbinary, "train", "--config", "run.toml")
    assert (status, out) == (2, "")
    assert "JPT-U119" in err
    assert "data = " in err
    with pytest.raises(ConfigError, match="JPT-U119"):
        train()


def test_every_setting_can_be_written_as_json():
    # Infinity and NaN cannot, and would be lost in the record of a run.
    for name, kind in kinds(TrainConfig).items():
        if kind.type is float:
            assert problem_of(name, float("inf"))
            assert problem_of(name, float("nan"))
