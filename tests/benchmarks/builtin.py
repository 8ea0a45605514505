"""How long the embedded encoder takes to load, and how large it is: prints, asserts nothing.

python tests/benchmarks/builtin.py
"""

import io
import statistics
import time
import zipfile

import torch

from jptextclf import builtin
from jptextclf.cards import load_encoder_card


def main():
    torch.set_num_threads(1)
    started = time.perf_counter()
    builtin.load_state_dict()
    first = time.perf_counter() - started
    again = []
    for _ in range(5):
        started = time.perf_counter()
        builtin.load_state_dict()
        again.append(time.perf_counter() - started)
    print(f"load_state_dict, one core: first {first:.3f} s, then median {statistics.median(again):.3f} s")

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name in load_encoder_card(builtin.CARD).files:
            wheel.write(builtin.directory() / name, name)
    for entry in wheel.infolist():
        print(
            f"{entry.filename:24} {entry.file_size / 1e6:7.3f} MB, in a wheel {entry.compress_size / 1e6:7.3f} MB"
        )
    print(f"{'all':24} in a wheel {len(archive.getvalue()) / 1e6:.3f} MB")


if __name__ == "__main__":
    main()
