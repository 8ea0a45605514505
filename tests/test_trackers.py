"""Trackers: values arrive, a missing package is told before the training, a failing one never ends it."""

import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.tracking import GeneralTracker, TensorBoardTracker

from jptextclf import messages, trackers
from jptextclf.errors import SetupError
from jptextclf.progress import Logged
from jptextclf.trackers import Trackers, open_trackers, require_packages

SETTINGS = {
    "epochs": 3, "learning_rate": None, "model": "日本語", "trackers": ("tensorboard",), "ngrams": False,
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")


class Remembers(Logged):
    def __init__(self):
        self.warnings = []

    def warn(self, sentence):
        self.warnings.append(sentence)


class Broken(GeneralTracker):
    """Fails from one call on."""

    name = "broken"
    requires_logging_directory = False

    def __init__(self, at):
        super().__init__()
        self.at = at
        self.calls = []

    @property
    def tracker(self):
        return None

    def _do(self, what):
        print("chatty")
        self.calls.append(what)
        if what == self.at:
            raise ConnectionError("no answer from the server\nsecond line")

    def log(self, values, step=None, **kwargs):
        self._do("log")

    def finish(self):
        self._do("finish")


def scalars(directory):
    """What TensorBoard itself reads: name -> (step, value) of each."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory))
    events.Reload()
    return {
        name: [(one.step, pytest.approx(one.value)) for one in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_tensorboard_reads_what_was_sent(tmp_path):
    opened = open_trackers(["tensorboard"], directory=tmp_path, run_name="レビュー 1", settings=SETTINGS)
    with opened:
        opened.log({"train/loss": 0.75, "train/learning_rate": 1e-4}, 1)
        opened.log({"train/loss": 0.5}, 11)
        opened.log({"validation/macro_f1": 0.8}, 20)
    assert scalars(tmp_path / "tensorboard" / "レビュー 1") == {
        "train/loss": [(1, 0.75), (11, 0.5)],
        "train/learning_rate": [(1, 1e-4)],
        "validation/macro_f1": [(20, 0.8)],
    }
    (settings,) = (tmp_path / "tensorboard" / "レビュー 1").glob("*/hparams.yml")
    written = settings.read_text(encoding="utf-8")
    assert "epochs: 3" in written
    assert "trackers: tensorboard" in written
    assert "learning_rate" not in written


def test_nothing_is_sent_after_the_end(tmp_path):
    opened = open_trackers(["tensorboard"], directory=tmp_path, run_name="a", settings={})
    opened.finish()
    opened.log({"train/loss": 1.0}, 1)
    opened.finish()
    assert opened.names == ()
    assert scalars(tmp_path / "tensorboard" / "a") == {}


@pytest.mark.parametrize(("at", "calls"), [("log", ["log"]), ("finish", ["log", "log", "log", "finish"])])
def test_a_tracker_that_fails_is_warned_of_once_and_the_others_go_on(at, calls, tmp_path, capsys):
    progress, broken = Remembers(), Broken(at)
    healthy = open_trackers(["tensorboard"], directory=tmp_path, run_name="a", settings={})
    opened = Trackers({"mlflow": broken, **healthy._started}, progress)
    for step in range(3):
        opened.log({"train/loss": float(step)}, step)
    opened.finish()
    assert broken.calls == calls
    out, err = capsys.readouterr()
    assert "chatty" in err
    assert out == ""
    assert len(progress.warnings) == 1
    assert "mlflow" in progress.warnings[0]
    assert "ConnectionError: no answer from the server" in progress.warnings[0]
    assert "second line" not in progress.warnings[0]
    assert scalars(tmp_path / "tensorboard" / "a") == {"train/loss": [(0, 0.0), (1, 1.0), (2, 2.0)]}


def test_a_tracker_that_cannot_be_started_is_left_out(tmp_path):
    (tmp_path / "tensorboard").write_text("a file stands in the way", encoding="utf-8")
    progress = Remembers()
    opened = open_trackers(["tensorboard"], directory=tmp_path, run_name="a", settings={}, progress=progress)
    assert opened.names == ()
    assert len(progress.warnings) == 1
    opened.log({"train/loss": 1.0}, 1)
    opened.finish()
    assert len(progress.warnings) == 1


def test_a_full_disk_ends_a_tracker_and_not_the_training():
    """TensorBoard writes in a thread of its own; its errors reach us in a later call, or at the end."""
    progress = Remembers()
    tracker = TensorBoardTracker("a", "unused")

    class Full:
        def add_scalar(self, *args, **kwargs):
            with open("/dev/full", "w") as file:  # noqa: PTH123
                file.write("x")

        def flush(self):
            pass

        close = flush

    tracker.writer = Full()
    opened = Trackers({"tensorboard": tracker}, progress)
    opened.log({"train/loss": 1.0}, 1)
    assert opened.names == ()
    assert "No space left on device" in progress.warnings[0]


def test_packages_that_are_missing_are_told_together_before_anything_starts(tmp_path, monkeypatch):
    installed = trackers.find_spec("tensorboard")
    there = {"tensorboard": installed}
    monkeypatch.setattr(trackers, "find_spec", there.get)
    with pytest.raises(SetupError) as caught:
        open_trackers(["wandb", "tensorboard", "trackio"], directory=tmp_path, run_name="a", settings={})
    assert caught.value.code == "JPT-E094"
    assert "pip install 'jptextclf[wandb,trackio]'" in str(caught.value)
    assert not list(tmp_path.iterdir())
    messages.use_language("ja")
    assert "インストール" in str(caught.value)


def test_the_files_that_wandb_leaves_behind_are_not_its_package(tmp_path):
    (tmp_path / "wandb" / "run-1").mkdir(parents=True)
    code = "from jptextclf.trackers import find_spec, require_packages as r; print(find_spec('wandb').origin); r(['wandb'])"
    # Without the folder of the packages: this one only has the folder of the files.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": f"{tmp_path}:{Path(trackers.__file__).parents[1]}"},
    )  # fmt: skip
    assert done.stdout.strip() == "None"
    assert "JPT-E094" in done.stderr


def test_no_trackers_need_no_package():
    require_packages([])
    code = (
        "import sys; from pathlib import Path; from jptextclf.trackers import open_trackers;"
        "open_trackers([], directory=Path('x'), run_name='a', settings={}).log({'a': 1.0}, 1);"
        "print('accelerate' in sys.modules or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
