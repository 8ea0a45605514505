"""What is done to data before a training: check them, write a cleaned copy, cut them into splits.

It trains nothing and needs no encoder but for the lengths of texts in pieces.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jptextclf.adapters import load_adapter
from jptextclf.config import TrainConfig
from jptextclf.data.changes import changes_path, check_outputs
from jptextclf.data.checks import DataCheck
from jptextclf.data.checks import check_data as check_examples
from jptextclf.data.checks.fixing import Fixed, fix
from jptextclf.data.columns import find_columns
from jptextclf.data.cutting import Cut, CutFormat, cut
from jptextclf.data.loading import load_data
from jptextclf.data.tables import FORMATS, Table, open_table
from jptextclf.errors import ConfigError, DataError
from jptextclf.messages import text
from jptextclf.progress import Logged, phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jptextclf.data.columns import Columns
    from jptextclf.data.examples import Examples, LoadedData, Split
    from jptextclf.progress import Progress

Data = (
    str
    | os.PathLike[str]
    | tuple["Sequence[str]", "Sequence[Any] | None"]
    | tuple["Sequence[str]", "Sequence[Any] | None", "Mapping[str, Any]"]
)
_NO_COLUMN = "JPT-D018"
"""Of text or label; without a label column the texts alone can be checked and cut."""


def check_data(
    data: Data,
    *,
    model: str | None = "builtin",
    max_length: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> DataCheck:
    """Everything that is odd in the data, what matters most first.

    :param data: as for :func:`jptextclf.train`; also without labels
    :param model: whose tokenizer counts pieces; None: they are not counted
    :param max_length: pieces that a text may have; None: as many as a training takes by default
    :param options: how data are read: ``validation``, ``test``, ``columns``, ``text_column``, ``label_column``,
        ``split_column``, ``label_separator``, ``encoding``
    :raises DataError: the data cannot be read as they are
    :raises SetupError: the model is not at hand
    """
    show = progress or Logged()
    loaded = load_unsplit(data, show, **options)
    adapter = None if model is None else load_adapter(model, progress=show)
    limit = TrainConfig().max_length if max_length is None else max_length
    total = sum(map(len, loaded.splits.values()))
    with phase(show, text("checks.phase"), total):
        return check_examples(
            loaded.splits, adapter=adapter, max_length=limit, summary=loaded.summary, progress=show
        )


def load_unsplit(data: Data, progress: Progress, **options: Any) -> LoadedData:
    """The data, without labels where there are none; texts that no split is named for are training texts.

    :param progress: is told what was read
    :param options: how data are read; None counts as not given
    """
    options = {name: value for name, value in options.items() if value is not None}
    training = bool({"validation", "test"} & set(options))
    try:
        loaded = load_data(cast("Any", data), **options, training=training, progress=progress)
    except DataError as error:
        if error.code != _NO_COLUMN or options.get("label_column"):
            raise
        loaded = load_data(
            cast("Any", data), **options, training=training, need_labels=False, progress=progress
        )
        progress.warn(text("checks.without_labels", problem=error.message))
    if set(loaded.splits) == {"test"} and all(one.columns.split is None for one in loaded.summary.files):
        summary = loaded.summary
        summary.sizes, summary.labels = {"train": summary.sizes["test"]}, {"train": summary.labels["test"]}
        only: dict[Split, Examples] = {"train": loaded.splits["test"]}
        loaded = replace(loaded, splits=only)
    for line in loaded.summary.lines():
        progress.say(line)
    return loaded


def fix_data(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    mask: bool = False,
    overwrite: bool = False,
    output_encoding: str | None = None,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    label_separator: str | None = None,
    encoding: str = "auto",
) -> Fixed:
    """Write a cleaned copy of one file, and beside it the list of everything that was changed.

    :param out: the copy; the list is ``<out without its suffix>.changes.csv``
    :param mask: also put marks in place of what looks like personal data
    :raises ConfigError: ``data`` is no file (``JPT-U184``), or ``out`` is it (``JPT-U186``) or there already
        (``JPT-U185``)
    :raises DataError: the file cannot be read as it is
    """
    path = file_of(data)
    target = Path(out)
    check_outputs(path, target, changes_path(target), overwrite=overwrite)
    table, found = _opened(
        path, columns=columns, text_column=text_column, label_column=label_column, split_column=split_column,
        encoding=encoding,
    )  # fmt: skip
    return fix(
        table, found, target, label_separator=label_separator, encoding=output_encoding, mask_personal=mask
    )


def split_data(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    format: CutFormat = "same",  # noqa: A002 - the option's name
    overwrite: bool = False,
    columns: Sequence[str] | None = None,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    label_separator: str | None = None,
    encoding: str = "auto",
) -> Cut:
    """Cut one file into ``train``, ``validation`` and ``test`` files in a directory, which ``train`` reads.

    Seeded and stratified by label; texts that are the same but for width, kana, case and punctuation stay on one side.
    The same texts in another order are cut the same way.

    :param validation: share of the texts; 0 for none. ``test`` likewise
    :raises ConfigError: as :func:`jptextclf.data.cutting.cut`; ``data`` is no file (``JPT-U184``)
    :raises DataError: the file cannot be read as it is, or a part would be empty (``JPT-D080``)
    """
    table, found = _opened(
        file_of(data), columns=columns, text_column=text_column, label_column=label_column,
        split_column=split_column, encoding=encoding,
    )  # fmt: skip
    return cut(
        table, found, Path(out), validation=validation, test=test, seed=seed, label_separator=label_separator,
        format=format, overwrite=overwrite,
    )  # fmt: skip


def file_of(data: str | os.PathLike[str]) -> Path:
    """:raises ConfigError: it is no file whose columns could be kept (``JPT-U184``)"""
    path = Path(data).expanduser()
    # A corpus or a hub id has no file whose columns could be kept.
    if path.is_dir() or (not path.exists() and path.suffix.lower() not in FORMATS):
        raise ConfigError("U184", data=data)
    return path


def _opened(
    path: Path, *, columns: Sequence[str] | None, encoding: str, **names: Any
) -> tuple[Table, Columns]:
    table = open_table(path, encoding=encoding, columns=columns)
    try:
        return table, find_columns(table.columns, **names, need_label=True)
    except DataError as error:
        if error.code != _NO_COLUMN or names["label_column"]:
            raise
        return table, find_columns(table.columns, **names, need_label=False)
