"""A page as files: ``NAME.html``, ``NAME.json``, and ``csv/`` with the figures behind every chart; or one HTML file.

It does not know what the page is about. What is written appears whole or not at all; a page or directory that was
written here is replaced, another one never.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from jptextclf.atomic import new_directory, sha256_of, write_file
from jptextclf.data.writers import open_writer
from jptextclf.errors import ConfigError
from jptextclf.pages.document import GENERATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Tables: TypeAlias = "Mapping[str, tuple[Sequence[str], Iterable[Sequence[Any]]]]"
"""Name -> columns and rows."""
CSV, PNG = "csv", "png"


def check_page(file: Path) -> None:
    """Refuse now what :func:`write_page` would refuse later.

    :raises ConfigError: something is there that is no page of this package (``JPT-U187``)
    """
    if file.is_dir() or (file.exists() and not _is_page(file)):
        raise ConfigError("U187", path=file)


def _is_page(file: Path) -> bool:
    with file.open("rb") as opened:
        return GENERATOR.encode("ascii") in opened.read(2_000)


def write_page(file: Path, page: str) -> Path:
    """Write one page; a page of this package that is there is replaced.

    :raises ConfigError: something else is there (``JPT-U187``)
    :raises WorkError: it cannot be written (``JPT-W011``)
    """
    check_page(file)
    # A lone surrogate, which JSON Lines can hold, has no form in UTF-8.
    write_file(file, page.encode("utf-8", "replace"))
    return file


def write_page_files(
    directory: Path,
    name: str,
    *,
    page: str,
    data: Mapping[str, Any],
    tables: Tables,
    pictures: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a page with its figures.

    :param directory: what was written there under the same name is replaced
    :param name: of the page and its data, without suffix
    :param pictures: name -> PNG; None: none are written
    :returns: the page
    :raises ConfigError: something else is there (``JPT-U025``)
    :raises WorkError: it cannot be written (``JPT-W011``, ``JPT-W030``)
    """
    with new_directory(directory, overwrite=True, holds=f"{name}.json") as staging:
        (staging / f"{name}.html").write_bytes(page.encode("utf-8", "replace"))
        _write_json(staging / f"{name}.json", data)
        (staging / CSV).mkdir()
        for table, (columns, rows) in tables.items():
            with open_writer(staging / CSV / f"{table}.csv", columns=columns) as writer:
                for row in rows:
                    writer.write(row)
        for picture, drawn in (pictures or {}).items():
            (staging / PNG).mkdir(exist_ok=True)
            (staging / PNG / f"{picture}.png").write_bytes(drawn)
        _list_files(staging)
    return directory / f"{name}.html"


def _write_json(file: Path, data: Any) -> None:
    # A lone surrogate, which JSON Lines can hold, has no form in UTF-8.
    encoded = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8", "replace")
    file.write_bytes(encoded + b"\n")


def _list_files(directory: Path) -> None:
    """``MANIFEST.json``: by it the next writer knows that nothing else lies there."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    listed = {
        path.relative_to(directory).as_posix(): {"sha256": sha256_of(path), "size": path.stat().st_size}
        for path in files
    }
    _write_json(directory / "MANIFEST.json", {"schema_version": 1, "files": listed})
