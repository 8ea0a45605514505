"""Where each setting of a training comes from: a file, ``--set``, options, the lock of a run, or the default.

It does not know what the settings do. A settings file is TOML without sections; its keys are the names of the options
of ``jptextclf train`` with underscores::

    data = "reviews.csv"          # relative paths count from the directory of this file
    text_column = ["タイトル", "本文"]
    model = "builtin"
    epochs = 5
    learning_rate = "auto"        # what an option calls auto is written so here, too
"""

from __future__ import annotations

import json
import stat
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jptextclf.config import TrainConfig, groups, kinds, problem_of
from jptextclf.config import shown as shown_value
from jptextclf.data.origin import Origin, PersonalInformation  # noqa: TC001 - kinds() reads the annotations
from jptextclf.errors import ConfigError
from jptextclf.messages import did_you_mean, listing, text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from jptextclf.config import Kind

DEFAULT, OPTION, SET, LOCKED = "default", "option", "--set", "lock.json"
"""Origins of a value, beside ``<file>:<line>``."""


@dataclass(frozen=True)
class RunOptions:
    """Options of a training that are no settings: what is read, how, and where the run is written."""

    data: object | None = None
    out: Path | None = None
    validation: Path | None = None
    test: Path | None = None
    columns: tuple[str, ...] | None = None
    text_column: tuple[str, ...] | None = None
    label_column: str | None = None
    split_column: str | None = None
    votes_column: str | None = None
    by: tuple[str, ...] | None = None
    label_separator: str | None = None
    encoding: str = "auto"
    data_origin: Origin | None = None
    data_license: str | None = None
    personal_information: PersonalInformation | None = None
    data_card: Path | None = None


_RUN = RunOptions()
_KINDS = {**kinds(RunOptions), **kinds(TrainConfig)}
_DEFAULTS = {**asdict(_RUN), **TrainConfig().to_json()}
_PLACES = {"teacher", "policy", *(name for name, kind in _KINDS.items() if kind.type is Path)}
"""In a file, always a path."""
_NAMES_OR_PLACES = {"data", "model", "dictionary"}
"""In a file, a path where something is there, else a name."""


@dataclass(frozen=True)
class Settings:
    """The settings of a training with the origin of each."""

    config: TrainConfig
    run: RunOptions
    origins: Mapping[str, str] = field(default_factory=dict)
    """Name -> origin, of everything that is no default."""

    def rows(self) -> Iterator[tuple[str, Any, str]]:
        """Name, value and origin of everything, in the order of the help."""
        for name, value in {**_shallow(self.run), **self.config.to_json()}.items():
            yield name, value, self.origins.get(name, DEFAULT)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "settings": {
                name: {"value": _plain(value), "origin": origin} for name, value, origin in self.rows()
            },
        }

    def to_toml(self) -> str:
        """A settings file with every key and, as a comment, what it means; read again it gives the same settings.

        Keys without a value stand behind ``#``.
        """
        headings = {**dict.fromkeys(asdict(_RUN), "data"), **groups()}
        lines, heading = [f"# {line}" for line in text("settings.file_header").strip().split("\n")], ""
        for name, value, _ in self.rows():
            if headings[name] != heading:
                heading = headings[name]
                lines += ["", f"# --- {text(f'settings.group_{heading}')} ---"]
            lines += ["", f"# {text(f'opt.{name}')}", _assignment(name, value)]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Said:
    """One value as somebody wrote it."""

    name: str
    value: Any
    origin: str
    base: Path | None = None
    """Directory from which relative paths count; None: as they are."""


def resolve(
    options: Mapping[str, Any],
    *,
    config: str | os.PathLike[str] | None = None,
    set: Sequence[str] = (),  # noqa: A002 - the option's name
    locked: Mapping[str, Any] | None = None,
) -> Settings:
    """Put settings together: an option goes before ``--set``, that before the file, the file before the default.

    :param options: fields of :class:`TrainConfig` and :class:`RunOptions` that the caller gives
    :param config: settings file
    :param set: ``key=value`` each, the value as in a file or a bare word
    :param locked: settings of a run's lock; they take the place of the defaults
    :raises ConfigError: the file cannot be read (``JPT-U115``), file or ``--set`` have problems (``JPT-U116``, all
        at once with their places), or options alone have (``JPT-U021``, ``JPT-U022``)
    """
    said = [*_read_file(config), *map(_read_assignment, set)]
    problems = [f"{one.origin}: {problem}" for one in said if (problem := _problem(one))]
    if problems:
        problems += _problems_of_options(options)
        raise ConfigError("U116", n=len(problems), problems="\n".join(f"  - {line}" for line in problems))
    values: dict[str, Any] = dict(locked or {})
    origins = dict.fromkeys(values, LOCKED)
    for one in said:
        values[one.name], origins[one.name] = _value(one), one.origin
    for name, value in options.items():
        values[name], origins[name] = value, OPTION
    run = {name: values.pop(name) for name in asdict(_RUN) if name in values}
    return Settings(TrainConfig.from_options(values), RunOptions(**run), origins)


def _read_file(path: str | os.PathLike[str] | None) -> Iterator[_Said]:
    if path is None:
        return
    file = Path(path)
    for line, name, value in _statements(_content(file)):
        yield _Said(name, value, f"{file.name}:{line}", file.parent)


def _content(path: Path) -> str:
    """The text of a settings file that is known to be TOML."""
    try:
        # Reading a pipe would wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError(text("data.no_regular_file"))
        content = path.read_text(encoding="utf-8-sig")
        tomllib.loads(content)
    except UnicodeDecodeError as error:
        raise ConfigError("U115", path=path, problem=text("settings.not_utf8")) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError("U115", path=path, problem=getattr(error, "strerror", None) or error) from error
    return content


def _statements(content: str) -> Iterator[tuple[int, str, Any]]:
    """Line, key and value of every statement; the header of a section has its name in brackets as its key.

    Python's reader does not tell lines. A statement ends with the first line up to which it can be read.
    """
    lines, start = content.split("\n"), 0
    while start < len(lines):
        ends = range(start + 1, len(lines) + 1)
        parsed = ((end, _parsed("\n".join(lines[start:end]))) for end in ends)
        end, table = next((end, table) for end, table in parsed if table is not None)
        for key, value in table.items():
            is_header = lines[start].lstrip().startswith("[")
            yield start + 1, f"[{key}]" if is_header else key, value
        start = end


def _parsed(content: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _read_assignment(assignment: str) -> _Said:
    """``epochs=3``: a TOML value, or a bare word where it is none or where a name is wanted."""
    name, sign, word = (part.strip() for part in assignment.partition("="))
    if not sign:
        return _Said(name, _NOTHING, SET)
    table = _parsed(f"value = {word}") or {}
    is_value = set(table) == {"value"} and word != ""
    wants_name = name in _KINDS and _KINDS[name].type in {str, Path, tuple, object}
    if not is_value or (wants_name and not isinstance(table["value"], (str, list))):
        return _Said(name, word, SET)
    return _Said(name, table["value"], SET)


_NOTHING = object()
"""Stands where ``--set`` has no sign of equality."""


def _problem(said: _Said) -> str | None:
    """What is wrong with it, as a sentence."""
    if said.value is _NOTHING:
        return text("settings.no_assignment", found=said.name)
    if said.name.startswith("["):
        return text("settings.section", name=said.name)
    if said.name not in _KINDS:
        return text("U022.message", name=said.name, hint=did_you_mean(said.name, _KINDS))
    value = _value(said)
    if said.name not in asdict(_RUN):
        return problem_of(said.name, value)
    kind = _KINDS[said.name]
    if value == _DEFAULTS[said.name] or _is_right(kind, value):
        return None
    expected = (
        text("settings.one_of", known=listing(kind.choices))
        if kind.choices
        else text("config.some_names" if kind.type is tuple else "config.a_name")
    )
    return text("config.problem", name=said.name, found=shown_value(said.value), expected=expected)


def _is_right(kind: Kind, value: Any) -> bool:
    if kind.type is tuple:
        return isinstance(value, tuple) and all(isinstance(one, str) and one.strip() for one in value)
    if kind.choices:
        return value in kind.choices
    return isinstance(value, Path) or (isinstance(value, str) and bool(value.strip()))


def _problems_of_options(options: Mapping[str, Any]) -> list[str]:
    known = {name: value for name, value in options.items() if name in groups()}
    unknown = [name for name in options if name not in _KINDS]
    found = [text("U022.message", name=name, hint=did_you_mean(name, _KINDS)) for name in unknown]
    found += [problem for name, value in known.items() if (problem := problem_of(name, value))]
    return [f"{text('settings.origin_option')}: {problem}" for problem in found]


def _value(said: _Said) -> Any:
    """The value as the setting has it: names of a list, None for "auto" and for an empty name, paths from their base."""
    kind, value = _KINDS[said.name], said.value
    if _DEFAULTS[said.name] is None and value == _word_for_none(said.name):
        return None
    if kind.type is tuple and isinstance(value, str):
        return tuple(one.strip() for one in value.split(",")) if value else ()
    if kind.type is tuple and isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str) or not value.strip():
        return value
    place = _place(said) if said.name in _PLACES | _NAMES_OR_PLACES else value
    return Path(place) if kind.type is Path else place


def _word_for_none(name: str) -> str:
    """How None is written: "auto" for numbers and choices that are then decided, else an empty text."""
    kind = _KINDS[name]
    return "auto" if name in groups() and (kind.choices or kind.type in {int, float}) else ""


def _place(said: _Said) -> str:
    if said.base is None or said.base == Path() or said.value.startswith("~"):
        return str(said.value)
    place = said.base / said.value
    is_place = said.name in _PLACES or said.value.startswith(("./", "../")) or place.exists()
    return str(place) if is_place and said.value != "builtin" else str(said.value)


def _shallow(options: Any) -> dict[str, Any]:
    return {one.name: getattr(options, one.name) for one in fields(options)}


def _plain(value: Any) -> Any:
    """A value as JSON and TOML have it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _assignment(name: str, value: Any) -> str:
    """``epochs = 3``; behind ``#`` where the key has no value."""
    if value is None and not _word_for_none(name) and _DEFAULTS[name] is None:
        return f'# {name} = ""'
    return f"{name} = {_written(name, value)}"


def shown(name: str, value: Any) -> str:
    """A value for a table: as a settings file has it, texts without quotes."""
    return value if isinstance(value, str) else _written(name, value).strip('"') or "-"


def _written(name: str, value: Any) -> str:
    if value is None:
        # The one setting whose default is a number and which may be None, saying the same as 0: patience.
        return to_toml(_word_for_none(name) if _DEFAULTS[name] is None else 0)
    return to_toml(_plain(value))


def to_toml(value: Any) -> str:
    """A value in TOML's notation: a text, a number, true or false, or a list of these."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(to_toml, value))}]"
    # Of JSON's strings, TOML only refuses a bare DEL.
    return (
        json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        if isinstance(value, str)
        else repr(value)
    )
