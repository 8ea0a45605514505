"""Peak memory of ``jptextclf predict`` on 20,000 and on 200,000 rows: it must be the same within 10 %.

    python tests/benchmarks/predict_memory.py

Each prediction is a process of its own with a tiny encoder made on the spot, so that the model hides nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import REVIEWS, make_tiny_encoder

ROWS = (20_000, 200_000)


def write_rows(path: Path, n_rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("番号,本文\r\n")
        for number in range(n_rows):
            file.write(f"{number},{REVIEWS[number % len(REVIEWS)][0]}{number}\r\n")


def peak_of(arguments: list[str]) -> int:
    """Peak resident memory of a finished ``jptextclf`` process, in KiB."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jptextclf", *arguments], env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"jptextclf {' '.join(arguments)} failed")
    return usage.ru_maxrss


def measure(suffix: str = ".csv") -> dict[int, int]:
    """Rows -> peak memory in KiB."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "encoder").mkdir()
        make_tiny_encoder(place / "encoder")
        write_rows(place / "train.csv", 64)
        text = (place / "train.csv").read_text(encoding="utf-8").replace("番号,本文", "ラベル,本文")
        lines = text.splitlines()
        labelled = [
            lines[0],
            *(f"{number % 2},{line.split(',')[1]}" for number, line in enumerate(lines[1:])),
        ]
        (place / "train.csv").write_text("\n".join(labelled), encoding="utf-8")
        run = str(place / "run")
        peak_of(["train", str(place / "train.csv"), "--model", str(place / "encoder"), "--out", run, "--epochs", "1",
                 "--max-length", "64", "--quiet"])  # fmt: skip
        peaks = {}
        for n_rows in ROWS:
            write_rows(place / f"{n_rows}.csv", n_rows)
            output = str(place / f"{n_rows}.out{suffix}")
            peaks[n_rows] = peak_of(
                ["predict", run, "-i", str(place / f"{n_rows}.csv"), "-o", output, "--quiet"]
            )
        return peaks


if __name__ == "__main__":
    found = measure()
    for n_rows, peak in found.items():
        print(f"{n_rows:>9,} rows: {peak / 1024:,.0f} MiB")
    print(f"ratio {found[ROWS[1]] / found[ROWS[0]]:.3f} (at most 1.10)")
