"""The built wheel, installed without this checkout, does the main job. Run by .ci/run, which builds it."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def wheel():
    if "JPTEXTCLF_WHEEL" not in os.environ:
        pytest.skip("needs a built wheel: JPTEXTCLF_WHEEL=dist/….whl python -m pytest -m wheel")
    return Path(os.environ["JPTEXTCLF_WHEEL"])


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """An environment that has the wheel, and the dependencies of this one."""
    home = tmp_path_factory.mktemp("wheel") / "環境"
    venv.create(home, with_pip=True)
    program = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([program, "-m", "pip", "install", "-q", "--no-deps", wheel], check=True, timeout=300)
    site = subprocess.run(
        [program, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # Paths listed in a .pth file come after the environment's own packages, so jptextclf is the wheel's.
    import click

    (Path(site) / "dependencies.pth").write_text(str(Path(click.__file__).parents[1]), encoding="utf-8")
    return program


def run(python, *args, cwd, timeout=500):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [python, *map(str, args)], cwd=cwd, capture_output=True, text=True, encoding="utf-8", timeout=timeout,
        env={**environment, "HF_HUB_OFFLINE": "1", "JPTEXTCLF_LANG": "en", "PYTHONUTF8": "1"},
    )  # fmt: skip


def test_the_wheel_holds_cards_texts_encoder_and_types(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for part in (
        "jptextclf/py.typed",
        "jptextclf/builtin/encoder.safetensors",
        "jptextclf/builtin/LICENSE",
        "jptextclf/builtin/NOTICE",
        "jptextclf/cards/encoders/builtin.toml",
        "jptextclf/corpora_data/reviews-ja/train.jsonl",
        "jptextclf/corpora_data/jrte-pn/corpus.toml",
        "jptextclf/messages/ja/training.toml",
    ):
        assert part in names
    assert not [name for name in names if name.startswith("tests/")]


def test_the_embedded_encoder_takes_at_most_24_mb_of_the_wheel(wheel):
    size = sum(one.compress_size for one in zipfile.ZipFile(wheel).infolist() if "/builtin/" in one.filename)
    assert size <= 24_000_000


def test_the_wheel_trains_and_predicts(python, tmp_path):
    where = run(python, "-c", "import jptextclf; print(jptextclf.__file__)", cwd=tmp_path)
    assert "環境" in where.stdout, where.stdout + where.stderr
    done = run(
        python,
        "-m",
        "jptextclf",
        "train",
        "reviews-ja",
        "--epochs",
        "1",
        "--max-length",
        "32",
        "--out",
        "run",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "character n-grams" in done.stdout
    predicted = run(python, "-m", "jptextclf", "predict", "run", "最高でした。", "--json", cwd=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    assert "ポジティブ" in predicted.stdout
