"""Several processes that work together, forked from the one that tests: they start at once."""

import json
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Done:
    status: int
    """Of the process; minus the signal that ended it."""
    result: object
    """What its function returned, by way of JSON; None where it did not."""
    stdout: str
    stderr: str


class Processes:
    """Forked, each with the environment that ``torchrun`` gives it.

    :param work: ``rank -> JSON``
    """

    def __init__(self, folder, work, n=2, **environment):
        self.folder, self.n = Path(folder), n
        self.folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        self.pids = []
        for rank in range(n):
            pid = os.fork()
            if not pid:
                values = (rank, n, rank, n, "127.0.0.1", port)
                names = dict(zip(LAUNCHED, map(str, values), strict=True))
                self._child(rank, work, {**names, **environment})
            self.pids.append(pid)

    def kill(self, rank, number=signal.SIGKILL):
        os.kill(self.pids[rank], number)

    def wait(self, seconds=60):
        """Until all have ended; one that does not in time is killed, and its status shows it."""
        end = time.monotonic() + seconds
        statuses = [None] * self.n
        while None in statuses:
            for rank, pid in enumerate(self.pids):
                if statuses[rank] is None and (found := os.waitpid(pid, os.WNOHANG))[0]:
                    statuses[rank] = os.waitstatus_to_exitcode(found[1])
                elif statuses[rank] is None and time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        return [self._done(rank, status) for rank, status in enumerate(statuses)]

    def _done(self, rank, status):
        result = self.folder / f"{rank}.json"
        return Done(
            status,
            json.loads(result.read_text()) if result.exists() else None,
            (self.folder / f"{rank}.out").read_text(encoding="utf-8"),
            (self.folder / f"{rank}.err").read_text(encoding="utf-8"),
        )

    def _child(self, rank, work, environment):
        status = 1
        try:
            for descriptor, name in ((1, "out"), (2, "err")):
                file = os.open(self.folder / f"{rank}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.dup2(file, descriptor)
            # pytest's own streams end up elsewhere.
            sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
            sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
            os.environ.update(environment)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            result = work(rank)
            (self.folder / f"{rank}.json").write_text(json.dumps(result))
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 - a forked process must not go back into the test
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def run(folder, work, n=2, *, seconds=60, **environment):
    """The results of all processes; each must have come to its end."""
    done = Processes(folder, work, n, **environment).wait(seconds)
    assert [one.status for one in done] == [0] * n, "\n".join(one.stderr for one in done)
    return [one.result for one in done]
