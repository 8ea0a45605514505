"""What was predicted of a large file so far, beside its output: whoever is killed goes on where it stopped.

``OUT.unfinished/`` holds the cells that are added to the rows, in shards of a fixed number of rows. Shards start at the same
rows whatever happened before, and a shard is computed as one piece, so that the output is the same to the byte. What a shard is
made from (input, model, options) stands beside them; shards of anything else are not taken.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jptextclf.atomic import write_errors, write_file
from jptextclf.continued import LOCK, continued, identify
from jptextclf.data.writers import LEFTOVER
from jptextclf.strict_json import DECODER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

RECORD = "prediction.json"
_SHARDS = "[0-9]" * 8 + ".json"
_EDGE = 2**20
"""Bytes at both ends of the input that are looked at; the whole of a large file would take minutes."""


@dataclass(frozen=True)
class KeptAnswers:
    """The shards of one output."""

    directory: Path

    def read(self, shard: int, *, digest: str, n_rows: int) -> dict[str, Any] | None:
        """What was written of a shard; None where that is nothing that can be used, or was made from other texts.

        :param digest: of what it is made from
        """
        try:
            found = DECODER.decode(self._file(shard).read_text(encoding="utf-8"))
            if found["digest"] != digest or len(found["cells"]) != n_rows:
                return None
            widths = {len(row) for row in found["cells"]}
            counts = [found["truncated"], found["empty"], *found["odd_cells"].values()]
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        is_whole = len(widths) <= 1 and all(isinstance(one, int) for one in counts)
        return {**found} if is_whole else None

    def write(self, shard: int, found: Mapping[str, Any]) -> None:
        """:raises WorkError: it cannot be written (``JPT-W011``)"""
        with write_errors(self.directory):
            write_file(
                self._file(shard), json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass")
            )

    def _file(self, shard: int) -> Path:
        return self.directory / f"{shard:08}.json"


def directory_of(output: Path) -> Path:
    """``reviews.csv -> reviews.csv.unfinished``"""
    return output.with_name(f"{output.name}.unfinished")


def is_unfinished(output: Path) -> bool:
    """Whether something was computed for an output that is not there."""
    return any(directory_of(output).glob(_SHARDS))


@contextmanager
def kept_answers(output: Path, identity: Mapping[str, Any], *, resume: bool) -> Iterator[KeptAnswers]:
    """The shards of an output, which are removed when the block ends well.

    :param identity: everything that the answers depend on
    :param resume: go on with shards that are there; else they are removed first
    :raises ConfigError: another process writes the same output (``JPT-U173``), the shards are of something else
        (``JPT-U147``), or something else is there (``JPT-U145``)
    """
    directory = directory_of(output)
    with continued(directory, record=RECORD):
        for one in output.parent.glob(f".{glob.escape(output.name)}.*{LEFTOVER}"):
            # What a writer that was killed left; nobody else writes this output now.
            if one.is_file():
                one.unlink(missing_ok=True)
        if not resume:
            _remove_shards(directory)
        identify(directory / RECORD, identity)
        try:
            yield KeptAnswers(directory)
        except BaseException:
            if not any(directory.glob(_SHARDS)):
                # Nothing was computed that could be gone on with.
                _remove(directory)
            raise
        _remove(directory)


def _remove_shards(directory: Path) -> None:
    for one in (*directory.glob(_SHARDS), directory / RECORD):
        one.unlink(missing_ok=True)


def _remove(directory: Path) -> None:
    """What was written here, and the directory if nothing else is in it."""
    _remove_shards(directory)
    with contextlib.suppress(OSError):
        (directory / LOCK).unlink(missing_ok=True)
        directory.rmdir()


def fingerprint(file: Path) -> str:
    """Size, and sha256 of the first and the last bytes of a file; of a directory the names and sizes in it."""
    if file.is_dir():
        listed = sorted(
            (one.relative_to(file).as_posix(), one.stat().st_size) for one in file.rglob("*") if one.is_file()
        )
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
    size = file.stat().st_size
    with file.open("rb") as opened:
        digest = hashlib.sha256(opened.read(_EDGE))
        opened.seek(max(0, size - _EDGE))
        digest.update(opened.read(_EDGE))
    return f"{size}:{digest.hexdigest()}"
