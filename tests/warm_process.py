"""The command line in processes of its own that start at once: forked from one that has everything imported.

A new interpreter takes seconds to import torch; a fork takes milliseconds. Run as a program it is that process; a
test talks to it through :class:`WarmProcess`.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    status: int
    """Of the process; minus the signal that ended it."""
    stdout: str
    stderr: str
    operations: int
    """On the disk that were counted."""


class WarmProcess:
    """Starts ``jptextclf`` with arguments; one at a time.

    :param directory: for what the processes print
    :param train: arguments of a training like those to come, which is prepared once
    """

    def __init__(self, directory, train):
        self.directory = directory
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
            "JPTEXTCLF_LANG": "en", "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, __file__, *map(str, train)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._answer()

    def start(self, arguments, **fault):
        """Begin; returns the process id, which is its own until :meth:`wait`.

        A fault is :class:`faulty_os.FaultyDisk`'s, in that process.
        """
        order = {"arguments": [str(one) for one in arguments], "fault": fault, "folder": str(self.directory)}
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return self._answer()

    def wait(self):
        """Until it has ended."""
        print(file=self.process.stdin, flush=True)
        status = self._answer()
        stdout, stderr, count = (
            (self.directory / name).read_text(encoding="utf-8") for name in ("stdout", "stderr", "count")
        )
        return Done(status, stdout, stderr, int(count or 0))

    def run(self, arguments, **fault):
        """From its beginning to its end."""
        self.start(arguments, **fault)
        return self.wait()

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()

    def _answer(self):
        line = self.process.stdout.readline()
        assert line, "the warm process ended"
        return json.loads(line)


def _child(order, answers):
    from faulty_os import FaultyDisk

    from jptextclf.cli import main

    os.close(answers)
    folder = Path(order["folder"])
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    count = (folder / "count").open("w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    disk = FaultyDisk(**order["fault"], kill=True)
    if order["fault"]:
        disk.install()
    sys.argv = ["jptextclf", *order["arguments"]]
    status = 70
    try:
        main()
    except SystemExit as error:
        status = error.code
    finally:
        print(len(disk.log), file=count, flush=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


class _PreparedError(Exception):
    pass


def _prepare(arguments):
    """Whatever a training loads and keeps in memory before its first step; no thread is started by that."""
    import functools

    import sklearn.linear_model  # noqa: F401 - what it imports after the last one
    import torch

    from jptextclf import baselines, experiment  # noqa: F401
    from jptextclf.api import training
    from jptextclf.cli import cli

    def stop(*args, **kwargs):
        raise _PreparedError

    torch.set_num_threads(1)
    # What is installed does not change between two trainings.
    experiment.software_components = functools.cache(experiment.software_components)
    fit, training.fit = training.fit, stop
    try:
        cli.get_command(None, "train").main([*arguments, "--quiet"], standalone_mode=False)
    except _PreparedError:
        training.fit = fit


def _serve():
    _prepare(sys.argv[1:])
    answers = os.dup(1)

    def answer(value):
        os.write(answers, f"{json.dumps(value)}\n".encode())

    answer("ready")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _child(json.loads(line), answers)
        answer(child)
        sys.stdin.readline()
        answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    _serve()
