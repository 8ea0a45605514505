"""``jptextclf`` in processes that start at once, forked from the one that tests, and several commands in one process."""

import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

NEXT = "::"
"""Between two commands of :func:`in_one_process`."""

_SEVERAL = f"""
import os, sys
from jptextclf.cli import main
commands, words = [[]], sys.argv[1:]
for word in words:
    if word == {NEXT!r}:
        commands.append([])
    else:
        commands[-1].append(word)
statuses = []
for command in commands:
    sys.argv = ["jptextclf", *command]
    try:
        main()
    except SystemExit as end:
        statuses.append(end.code or 0)
    for number, stream in enumerate((sys.stdout, sys.stderr), 1):
        stream.flush()
        os.write(number, b"\\0")
sys.exit(max(statuses))
"""


def command(*arguments, stdin=b""):
    """What a command with these arguments says, in a process of its own with the imports of this one."""
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place) / name for name in ("in", "out", "err")]
        streams[0].write_bytes(stdin)
        pid = os.fork()
        if not pid:
            _child(streams, [str(one) for one in arguments])
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return subprocess.CompletedProcess(arguments, status, *(one.read_bytes() for one in streams[1:]))


def _child(streams, arguments):
    status = 70
    try:
        for number, path in enumerate(streams):
            flags = os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY
            os.dup2(os.open(path, flags, 0o600), number)
        # Those of pytest end up elsewhere.
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115
            for number in range(3)
        )
        from jptextclf.cli import main

        # Threads of a tokenizer are not forked with it.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        sys.argv = ["jptextclf", *arguments]
        main()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:  # noqa: BLE001 - a forked process must not go back into the test
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def in_one_process(*commands, **environment):
    """Status, and standard output and error of each command, of a new interpreter with this environment.

    :returns: the highest status, and ``(stdout, stderr)`` of each command
    """
    words = [word for one in commands for word in (NEXT, *map(str, one))][1:]
    done = subprocess.run(
        [sys.executable, "-c", _SEVERAL, *words], capture_output=True, timeout=120, stdin=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", **environment},
    )  # fmt: skip
    outs, errs = (stream.split(b"\0")[:-1] for stream in (done.stdout, done.stderr))
    assert len(outs) == len(commands), done.stderr.decode(errors="replace")
    return done.returncode, list(zip(outs, errs, strict=True))
