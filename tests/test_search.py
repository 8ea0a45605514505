"""The search for settings: what is tried, what decides, and going on after an interruption."""

import json
import os
import signal
import subprocess
import sys
import tomllib

import pytest

from jptextclf import search, train
from jptextclf.cli import cli
from jptextclf.errors import ConfigError, SetupError, WorkError
from jptextclf.progress import Logged
from jptextclf.searching import Trial
from jptextclf.space import Choices, Range, read_space

SETTINGS = {"max_length": 32, "device": "cpu", "precision": "float32", "validation_fraction": 0.25, "seed": 3}
SPACE = """
learning_rate = {low = 1e-4, high = 5e-3, log = true}
batch_size = [8, 16]
epochs = {low = 1, high = 2}
"""


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(SPACE, encoding="utf-8")
    return path


@pytest.fixture
def options(space, tiny_encoder):
    return {"space": space, "model": str(tiny_encoder), **SETTINGS}


@pytest.fixture(scope="module")
def done(tmp_path_factory, tiny_encoder, reviews_csv):
    """Five trials; do not change it."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "space.toml").write_text(SPACE, encoding="utf-8")
    return search(
        reviews_csv,
        out=folder / "探索 #1?",
        trials=5,
        space=folder / "space.toml",
        model=str(tiny_encoder),
        **SETTINGS,
    )


def proposals(result):
    return [
        (one.number, dict(one.settings), one.value) for one in result.trials if one.state != "interrupted"
    ]


# --- the space ---


def test_a_space_is_read(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(
        f'{SPACE}\nwarmup = {{low = 0, high = 0.2, step = 0.05}}\nloss = ["cross_entropy", "focal"]\n',
        encoding="utf-8",
    )
    assert read_space(path) == {
        "learning_rate": Range(1e-4, 5e-3, log=True),
        "batch_size": Choices((8, 16)),
        "epochs": Range(1, 2, is_whole=True),
        "warmup": Range(0, 0.2, step=0.05),
        "loss": Choices(("cross_entropy", "focal")),
    }


def test_all_problems_of_a_space_are_told_at_once(tmp_path):
    lines = {
        "lerning_rate = [1e-4, 1e-3]": "learning_rate",
        'device = ["cpu", "cuda"]': "device cannot be searched",
        "seed = {low = 0, high = 9}": "seed cannot be searched",
        "epochs = 3": "epochs is 3",
        "batch_size = [8]": "batch_size is [8]",
        "patience = [1, 1]": "patience is [1, 1]",
        'loss = ["focal", "hinge"]': "loss is 'hinge'",
        "warmup = {low = 0.1, hi = 0.2}": "unknown: hi; missing: high",
        "weight_decay = {low = 0.2, high = 0.1}": "low 0.2 and high 0.1",
        "label_smoothing = {low = 0.0, high = 2.0}": "label_smoothing is 2.0",
        "layer_decay = {low = 0.5, high = 1.0, step = -1}": "step -1",
        "learning_rate = {low = 1e-4, high = 1e-3, log = 1}": "log 1",
        "focal_gamma = {low = 0.0, high = 2.0, log = true}": "above 0",
        "max_length = {low = 16, high = 64, step = 1.5}": "step 1.5",
        "window_overlap = {low = 1.5, high = 64}": "window_overlap is 1.5",
        "gradient_checkpointing = {low = 0, high = 1}": "gradient_checkpointing",
        "ngrams = {low = 0, high = 1}": "ngrams is no number",
        "max_grad_norm = [1.0, [2.0]]": "max_grad_norm",
        'lora_rank = {low = "a", high = 8}': "lora_rank is 'a'",
    }
    path = tmp_path / "space.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_space(path)
    assert caught.value.code == "JPT-U172"
    assert caught.value.fields["n"] == len(lines)
    for expected in lines.values():
        assert expected in str(caught.value), expected


@pytest.mark.parametrize("content", ["", "epochs = ", "\udcff"])
def test_a_space_that_is_none(tmp_path, content):
    path = tmp_path / "space.toml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        read_space(path)
    assert caught.value.code == "JPT-U172"
    with pytest.raises(ConfigError):
        read_space(tmp_path / "there is none.toml")


def test_a_setting_that_is_given_is_not_searched(options, tmp_path, reviews_csv):
    with pytest.raises(ConfigError) as caught:
        search(reviews_csv, out=tmp_path / "out", **options, batch_size=8)
    assert "batch_size is in the space and fixed" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_space_of_its_own_leaves_out_what_is_given(tmp_path, tiny_encoder, reviews_csv):
    options = {
        "model": str(tiny_encoder), "epochs": 1, "batch_size": 72, "warmup": 0.1, "weight_decay": 0.01, "layer_decay": 1.0,
        **SETTINGS,
    }  # fmt: skip
    result = search(reviews_csv, out=tmp_path / "out", trials=2, **options)
    assert set(result.best.settings) == {"learning_rate", "label_smoothing"}
    # The first trial has the settings as they are.
    assert result.trials[0].settings == {"learning_rate": 1e-4, "label_smoothing": 0.0}
    everything = {"learning_rate": 1e-3, "label_smoothing": 0.0}
    with pytest.raises(ConfigError) as caught:
        search(reviews_csv, out=tmp_path / "b", **options, **everything)
    assert "nothing is left to search" in str(caught.value)


# --- what decides ---


def test_the_best_settings_train_the_model_that_was_best(done, tmp_path, reviews_csv, tiny_encoder):
    """Not the value alone: what ``train --config best.toml`` gives is what the search saw."""
    written = tomllib.loads(done.best_path.read_text(encoding="utf-8"))
    assert written.items() >= dict(done.best.settings).items()
    assert (
        written.items()
        >= {name: SETTINGS[name] for name in ("max_length", "seed", "validation_fraction")}.items()
    )
    run = train(config=done.best_path, out=tmp_path / "run")
    history = run.bundle.record["history"]
    assert history["epochs"][history["best_epoch"] - 1]["value"] == done.best.value


def test_trials_are_kept_and_the_best_is_among_them(done):
    assert [one.number for one in done.trials] == list(range(5))
    assert {one.state for one in done.trials} <= {"complete", "pruned"}
    assert done.best.value == max(one.value for one in done.trials if one.state == "complete")
    for one in done.trials:
        assert 1e-4 <= one.settings["learning_rate"] <= 5e-3
        assert one.settings["batch_size"] in {8, 16}
        assert one.settings["epochs"] in {1, 2}
        assert one.seconds > 0
    written = json.loads((done.path / "result.json").read_text(encoding="utf-8"))
    assert written == done.to_json()


def test_the_test_split_is_never_looked_at(tmp_path, tiny_encoder, reviews, options):
    """Other test texts, other labels in them: not a bit of the result changes."""
    rows = [
        f"{text},{label},{'validation' if n % 4 == 0 else 'train'}" for n, (text, label) in enumerate(reviews)
    ]
    results = []
    for number, label in enumerate(("良い", "悪い")):
        data = tmp_path / f"{number}.csv"
        tests = [f"最後の文 {n},{label},test" for n in range(number + 3)]
        data.write_text("text,label,split\n" + "\n".join([*rows, *tests]) + "\n", encoding="utf-8")
        results.append(search(data, out=tmp_path / f"out{number}", trials=2, **options))
    assert proposals(results[0]) == proposals(results[1])
    records = [json.loads((one.path / "search.json").read_text(encoding="utf-8")) for one in results]
    assert records[0] == records[1]
    assert sorted(records[0]["texts"]) == ["train", "validation"]


def test_a_frozen_encoder(tmp_path, tiny_encoder, reviews_csv):
    result = search(
        reviews_csv, out=tmp_path / "out", trials=3, mode="features", model=str(tiny_encoder), max_length=32, device="cpu",
        validation_fraction=0.25,
    )  # fmt: skip
    assert set(result.best.settings) == {"pooling", "pooled_layers", "head", "ngrams"}
    assert 0 <= result.best.value <= 1
    run = train(config=result.best_path, out=tmp_path / "run")
    assert run.scores["validation"]["scores"]["macro_f1"] == pytest.approx(result.best.value, abs=1e-6)


def test_the_earlier_of_equal_trials_is_the_best(monkeypatch, done):
    from jptextclf import searching

    trials = [Trial(number, "complete", 0.5, {}) for number in range(3)]
    monkeypatch.setattr(searching, "_trials", lambda study: trials)
    assert searching._result(done.path, "accuracy", None).best.number == 0


# --- trials that fail ---


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on(tmp_path, tiny_encoder, reviews_csv):
    space = tmp_path / "space.toml"
    # The encoder has 128 positions: one of the choices cannot be trained.
    space.write_text("max_length = [16, 500]\n", encoding="utf-8")
    settings = {name: value for name, value in SETTINGS.items() if name != "max_length"}
    result = search(
        reviews_csv, out=tmp_path / "out", trials=6, space=space, model=str(tiny_encoder), epochs=1,
        config=_config(tmp_path, "max_length = 32"), **settings,
    )  # fmt: skip
    states = {one.settings["max_length"]: one.state for one in result.trials}
    assert states[500] == "failed"
    assert {one.state for one in result.trials if one.settings["max_length"] == 16} <= {"complete", "pruned"}
    assert "JPT-U023" in next(one.error for one in result.trials if one.state == "failed")
    assert result.best.settings == {"max_length": 16}


def _config(tmp_path, line):
    path = tmp_path / "base.toml"
    path.write_text(line + "\n", encoding="utf-8")
    return path


def test_a_loss_that_is_no_number_is_a_failed_trial(tmp_path, tiny_encoder, reviews_csv):
    space = tmp_path / "space.toml"
    space.write_text("learning_rate = [1e-3, 1.0]\nmax_grad_norm = [1.0, 1e30]\n", encoding="utf-8")
    result = search(
        reviews_csv, out=tmp_path / "out", trials=6, space=space, model=str(tiny_encoder), epochs=2, batch_size=8,
        warmup=0.0, **SETTINGS,
    )  # fmt: skip
    assert len(result.trials) == 6
    assert result.best.state == "complete"
    assert all(one.error for one in result.trials if one.state == "failed")


def test_a_search_without_a_complete_trial_says_why(tmp_path, tiny_encoder, reviews_csv):
    space = tmp_path / "space.toml"
    space.write_text("max_length = [400, 500]\n", encoding="utf-8")
    settings = {name: value for name, value in SETTINGS.items() if name != "max_length"}
    with pytest.raises(WorkError) as caught:
        search(
            reviews_csv, out=tmp_path / "out", trials=2, space=space, model=str(tiny_encoder), epochs=1,
            config=_config(tmp_path, "max_length = 32"), **settings,
        )  # fmt: skip
    assert caught.value.code == "JPT-W046"
    assert "JPT-U023" in str(caught.value)
    assert not (tmp_path / "out/best.toml").exists()


def test_a_trial_that_is_worse_than_the_median_ends_early(tmp_path, tiny_encoder, reviews_csv):
    """After four trials that were perfect from the first epoch on."""
    from optuna.trial import create_trial

    from jptextclf.searching import _study

    space, out = tmp_path / "space.toml", tmp_path / "out"
    space.write_text("learning_rate = [1e-8, 3e-8]\n", encoding="utf-8")
    options = {
        "space": space,
        "model": str(tiny_encoder),
        "epochs": 9,
        "patience": 0,
        "batch_size": 54,
        **SETTINGS,
    }
    search(reviews_csv, out=out, trials=1, **options)
    with _study(out / "study.db") as (study, _):
        (first,) = study.trials
        for _ in range(4):
            good = dict.fromkeys(range(1, 10), 0.99)
            study.add_trial(create_trial(
                params=first.params, distributions=first.distributions, value=0.99, intermediate_values=good,
            ))  # fmt: skip
    result = search(reviews_csv, out=out, trials=6, **options)
    assert [one.state for one in result.trials] == ["complete"] * 5 + ["pruned"]
    with _study(out / "study.db") as (study, _):
        assert sorted(study.trials[0].intermediate_values) == list(range(1, 10))
        assert sorted(study.trials[5].intermediate_values) == [1, 2]


# --- going on ---


def test_more_trials_go_on_from_those_that_are_done(done, tmp_path, reviews_csv, options):
    first = search(reviews_csv, out=tmp_path / "out", trials=2, **options)
    assert proposals(first) == proposals(done)[:2]
    again = search(reviews_csv, out=tmp_path / "out", trials=5, **options)
    # As if it had never stopped.
    assert proposals(again) == proposals(done)
    assert again.best == done.best or again.best.settings == done.best.settings


class Interrupts(Logged):
    """Presses Ctrl-C in one of the trainings."""

    def __init__(self, training):
        self.trainings, self.training = 0, training

    def begin(self, phase, total):
        self.trainings += phase == "Training"

    def advance(self, n, note=""):
        if self.trainings == self.training:
            self.trainings += 1
            signal.raise_signal(signal.SIGINT)


def test_an_interrupted_trial_is_repeated(done, tmp_path, reviews_csv, options):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        search(reviews_csv, out=out, trials=5, progress=Interrupts(2), **options)
    again = search(reviews_csv, out=out, trials=5, **options)
    assert [one.state for one in again.trials].count("interrupted") == 1
    assert again.trials[1].state == "interrupted"
    assert [(settings, value) for _, settings, value in proposals(again)] == [
        (settings, value) for _, settings, value in proposals(done)
    ]


KILLED = """
import os, signal, sys
from jptextclf import search
from jptextclf.progress import Logged

class Dies(Logged):
    n = 0
    def begin(self, phase, total):
        self.n += phase == "Training"
    def advance(self, n, note=""):
        if self.n == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

import json
search(sys.argv[1], out=sys.argv[2], trials=5, progress=Dies(), **json.loads(sys.argv[4]))
"""


def killed(reviews_csv, out, training, options):
    settings = json.dumps({**options, "space": str(options["space"])})
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(reviews_csv), str(out), str(training), settings],
        capture_output=True, text=True, timeout=120, env={**os.environ, "JPTEXTCLF_LANG": "en"},
    )  # fmt: skip


@pytest.mark.full
def test_a_killed_trial_is_repeated_but_not_for_ever(done, tmp_path, reviews_csv, options):
    out = tmp_path / "out"
    assert killed(reviews_csv, out, 3, options).returncode == -signal.SIGKILL
    # Its repetition is killed again, and again.
    for _ in range(2):
        assert killed(reviews_csv, out, 1, options).returncode == -signal.SIGKILL
    again = search(reviews_csv, out=out, trials=5, **options)
    assert [one.state for one in again.trials if one.state in {"interrupted", "failed"}] == [
        "interrupted", "interrupted", "failed",
    ]  # fmt: skip
    assert "3 attempts" in next(one.error for one in again.trials if one.state == "failed")
    assert len([one for one in again.trials if one.state != "interrupted"]) == 5


def test_a_trial_of_a_process_that_is_gone_is_repeated(done, tmp_path, reviews_csv, options):
    """As SIGKILL leaves it behind: a trial that runs and has its settings."""
    from jptextclf.searching import _study

    out = tmp_path / "out"
    search(reviews_csv, out=out, trials=1, **options)
    with _study(out / "study.db") as (study, _):
        trial = study.ask()
        for name, one in read_space(options["space"]).items():
            one.suggest(trial, name)
        left = dict(trial.params)
    again = search(reviews_csv, out=out, trials=2, **options)
    assert [one.state for one in again.trials] == ["complete", "interrupted", "complete"]
    assert again.trials[2].settings["batch_size"] == left["batch_size"]
    assert again.trials[2].settings["learning_rate"] == pytest.approx(left["learning_rate"], rel=1e-3)


def test_time_that_is_over_ends_the_search_after_a_complete_trial(tmp_path, reviews_csv, options):
    result = search(reviews_csv, out=tmp_path / "out", trials=5, timeout=1e-6, **options)
    assert [one.state for one in result.trials] == ["complete"]
    assert result.best_path.exists()
    again = search(reviews_csv, out=tmp_path / "out", trials=2, **options)
    assert [one.state for one in again.trials] == ["complete", "complete"]


def test_another_space_or_other_data_are_refused(done, options, reviews_csv, tmp_path):
    options["space"].write_text(SPACE.replace("[8, 16]", "[8, 32]"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        search(reviews_csv, out=done.path, **options)
    assert caught.value.code == "JPT-U147"
    assert "space.batch_size" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trials", 0),
        ("trials", True),
        ("trials", 2.5),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", float("inf")),
    ],
)
def test_numbers_that_cannot_be(name, value, tmp_path, reviews_csv, options):
    with pytest.raises(ConfigError) as caught:
        search(reviews_csv, out=tmp_path / "out", **{name: value}, **options)
    assert caught.value.code == "JPT-U174"
    assert not (tmp_path / "out").exists()


def test_a_damaged_study_is_told(done, tmp_path, reviews_csv, options):
    import shutil

    out = shutil.copytree(done.path, tmp_path / "copy")
    (out / "study.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(WorkError) as caught:
        search(reviews_csv, out=out, trials=5, **options)
    assert caught.value.code == "JPT-W045"
    assert "not a database" in str(caught.value)


def test_without_optuna_the_command_to_install_it_is_told(tmp_path, reviews_csv, options, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SetupError) as caught:
        search(reviews_csv, out=tmp_path / "out", **options)
    assert "pip install 'jptextclf[hpo]'" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_name_of_the_function_is_no_module():
    import jptextclf.api

    assert callable(jptextclf.search)
    assert callable(jptextclf.cross_validate)


# --- the command ---


def test_the_command_shows_the_trials_and_how_to_train(
    done, tiny_encoder, reviews_csv, space, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "160")
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    command = [
        "search", str(reviews_csv), "--trials=5", f"--space={space}", f"--model={tiny_encoder}", f"--out={done.path}", *flags,
    ]  # fmt: skip
    with pytest.raises(SystemExit) as end:
        cli.main(command)
    out, said = capsys.readouterr()
    assert end.value.code == 0, said
    assert "5 of 5 trials are done" in said
    assert f"{done.best.value:.4f}" in out
    assert out.strip().endswith("best.toml")
    assert f"train --config {done.best_path}" in said
    with pytest.raises(SystemExit):
        cli.main([*command, "--json", "--quiet"])
    out, _ = capsys.readouterr()
    assert json.loads(out) == {**done.to_json(), "path": str(done.path)}
