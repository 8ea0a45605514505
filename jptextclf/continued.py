"""A directory of many trainings on the same data, which goes on where it stopped: one process at a time, the same work.

It does not know what the trainings are for; those that are done are kept in it.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from jptextclf import launched
from jptextclf.adapters import choose_adapter, open_adapter
from jptextclf.atomic import PREFIX, make_directory, remove_leftovers, sha256_of, write_errors, write_file
from jptextclf.encoders import resolve_encoder
from jptextclf.errors import ConfigError
from jptextclf.experiment import FREE_SETTINGS
from jptextclf.strict_json import DECODER, encode
from jptextclf.unfinished import every_difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jptextclf.config import TrainConfig
    from jptextclf.data.examples import Examples, Split
    from jptextclf.progress import Progress

LOCK = "owner.lock"


@contextmanager
def continued(directory: Path, *, record: str) -> Iterator[None]:
    """Hold a directory for this process; it is made where it is not there.

    :param record: name of the file that says what the work is; a directory without it must be empty
    :raises ConfigError: several processes were started together (``JPT-U149``), another one works there
        (``JPT-U173``), or the directory is something else (``JPT-U145``)
    :raises WorkError: it cannot be written to (``JPT-W011``)
    """
    if launched.size() > 1:
        raise ConfigError("U149", n=launched.size())
    if directory.is_symlink() or (directory.exists() and not _is_ours(directory, record)):
        raise ConfigError("U145", path=directory, record=record)
    with write_errors(directory):
        make_directory(directory)
        lock = FileLock(directory / LOCK, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise ConfigError("U173", path=directory) from error
    try:
        with write_errors(directory):
            remove_leftovers(directory)
        yield
    finally:
        lock.release()


def identify(file: Path, identity: Mapping[str, Any]) -> None:
    """Say what the work is: compared with what was begun, or written where nothing was.

    :param file: the record
    :param identity: JSON; everything that must be the same for the pieces to belong together
    :raises ConfigError: it was begun with something else (``JPT-U147``, with every difference), or the record cannot
        be read (``JPT-U145``)
    :raises WorkError: it cannot be written (``JPT-W011``)
    """
    now = DECODER.decode(encode(identity).decode("utf-8"))
    if not file.exists():
        write_file(file, encode(now))
        return
    try:
        before = dict(DECODER.decode(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError("U145", path=file.parent, record=file.name) from error
    found = [f"  - {one}" for one in every_difference(before, now)]
    if found:
        raise ConfigError("U147", path=file.parent, n=len(found), differences="\n".join(found))


def _is_ours(directory: Path, record: str) -> bool:
    if not directory.is_dir():
        return False
    # A process may have died while it wrote the record.
    others = [one.name for one in directory.iterdir() if one.name != LOCK and not one.name.startswith(PREFIX)]
    return (directory / record).is_file() or not others


def identity_of(
    config: TrainConfig, splits: Mapping[Split, Examples], *, progress: Progress, **more: Any
) -> dict[str, Any]:
    """What trainings with these settings on these texts depend on, before anything is tokenized.

    :param more: what else they depend on, as JSON
    """
    encoder = resolve_encoder(config.model, progress=progress)
    choice = choose_adapter(encoder.directory, encoder.card, dictionary=config.dictionary)
    adapter = open_adapter(encoder.directory, name=choice.name, options=choice.options)
    parts = [encoder.tokenizer_component, *adapter.components()]
    settings = {name: value for name, value in config.to_json().items() if name not in FREE_SETTINGS}
    if config.teacher is not None:
        manifest = Path(config.teacher) / "MANIFEST.json"
        settings["teacher"] = sha256_of(manifest) if manifest.is_file() else None
    return {
        "settings": {**settings, "model": encoder.sha256},
        "tokenizer": {"name": adapter.name, "options": adapter.info().options},
        "parts": {f"{one.role}:{one.name}": one.sha256 or one.revision for one in parts},
        "texts": {name: {"n": len(some), "sha256": _fingerprint(some)} for name, some in splits.items()},
        **more,
    }


def _fingerprint(examples: Examples) -> str:
    """sha256 of texts, labels and what else stands beside them."""
    votes = [[sorted(one.counts.items()), one.annotators, one.one_each] for one in examples.votes or ()]
    rows = [examples.texts, examples.labels, examples.rows, votes, examples.columns]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
