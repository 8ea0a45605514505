"""Options that several commands share."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from jptextclf.cli._command import F, option
from jptextclf.config import Kind, TrainConfig, groups, kinds

if TYPE_CHECKING:
    from collections.abc import Callable

json_option = option("--json", "as_json", is_flag=True)
quiet_option = option("--quiet", "-q", is_flag=True)
device_option = option("--device", default="auto", show_default=True)
run_precision_option = option(
    "--precision", "run_precision", type=click.Choice(["float32", "bfloat16", "int8"]), show_default="float32"
)
_DATA, _ORIGIN = "settings.group_data", "settings.group_origin"
columns_option = option("--columns", callback=lambda _ctx, _param, value: split_names(value), heading=_DATA)
text_column_option = option(
    "--text-column", callback=lambda _ctx, _param, value: split_names(value), heading=_DATA
)
by_option = option("--by", callback=lambda _ctx, _param, value: split_names(value), heading=_DATA)
votes_column_option = option("--votes-column", heading=_DATA)
on_too_long_option = option(
    "--on-too-long", type=click.Choice(["truncate", "error"]), default="truncate", show_default=True
)


def split_names(value: str | None) -> tuple[str, ...] | None:
    """``"タイトル,本文"`` -> ``("タイトル", "本文")``; spaces beside a comma do not count."""
    return None if value is None else tuple(name.strip() for name in value.split(","))


def reading_options(function: F) -> F:
    """How a file of labelled texts is read."""
    for add in reversed(
        [
            columns_option,
            text_column_option,
            option("--label-column", heading=_DATA),
            option("--split-column", heading=_DATA),
            option("--label-separator", heading=_DATA),
            option("--encoding", default="auto", show_default=True, heading=_DATA),
        ]
    ):
        function = add(function)
    return function


def origin_options(function: F) -> F:
    """What the user's data are, for the licence record."""
    for add in reversed(
        [
            option("--data-origin", type=click.Choice(["own", "customer", "public"]), heading=_ORIGIN),
            option("--data-license", heading=_ORIGIN),
            option(
                "--personal-information",
                type=click.Choice(["none-confirmed", "contains", "unknown"]),
                heading=_ORIGIN,
            ),
            option("--data-card", type=click.Path(path_type=Path), heading=_ORIGIN),
        ]
    ):
        function = add(function)
    return function


def license_options(function: F) -> F:
    """What a licence is judged for."""
    for add in reversed(
        [option("--use"), option("--output-license"), option("--policy", type=click.Path(path_type=Path))]
    ):
        function = add(function)
    return function


def file_options(function: F) -> F:
    """Where settings come from, beside options of their own."""
    for add in reversed(
        [
            option("--config", type=click.Path(path_type=Path)),
            option("--set", "set", multiple=True, metavar="KEY=VALUE"),
        ]
    ):
        function = add(function)
    return function


def settings_options(function: F) -> F:
    """One option for each field of :class:`jptextclf.config.TrainConfig`; only what stands on the command line is
    passed on, as ``settings``.
    """
    defaults, headings = TrainConfig().to_json(), groups()
    added = [
        _setting(name, kind, defaults[name], heading=f"settings.group_{headings[name]}")
        for name, kind in kinds(TrainConfig).items()
    ]

    @wraps(function)
    def gathered(**options: Any) -> Any:
        settings = {name: options.pop(name) for name in headings}
        return function(settings=only_given(settings), **options)

    for add in reversed(added):
        gathered = add(gathered)
    return gathered  # type: ignore[return-value]


def only_given(options: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that stand on the command line, whatever their value."""
    source = click.get_current_context().get_parameter_source
    return {name: value for name, value in options.items() if source(name) is ParameterSource.COMMANDLINE}


_PATHS = {"policy", "teacher"}
"""Settings that are places in the file system."""


def _setting(name: str, kind: Kind, default: Any, *, heading: str) -> Callable[[F], F]:
    """The option of one field; its default is shown, but is no value of the option."""
    flag = "--" + name.replace("_", "-")
    if kind.type is bool:
        shown = flag if default else f"--no-{flag[2:]}"
        return option(f"{flag}/--no-{flag[2:]}", default=None, show_default=shown, heading=heading)
    auto = default is None and (kind.choices or kind.type is not str)
    return option(
        flag,
        type=click.Path() if name in _PATHS else _type(kind, auto=bool(auto)),
        callback=lambda _context, _option, value: _value(kind, value, auto=bool(auto)),
        show_default="auto" if auto else str(default) if default not in (None, ()) else False,
        heading=heading,
    )


def _type(kind: Kind, *, auto: bool) -> click.ParamType[Any]:
    if kind.type is int:
        return _Whole(auto=auto)
    if kind.type is float:
        return _Number(auto=auto)
    if kind.choices and kind.type is str:
        return click.Choice([*(["auto"] if auto else []), *kind.choices])
    return click.STRING


def _value(kind: Kind, value: Any, *, auto: bool) -> Any:
    """What an option says: names of a list, and None for a default that is chosen later."""
    if kind.type is tuple:
        return () if value == "" else split_names(value)
    return None if value == "" or (auto and value == "auto") else value


class _Whole(click.types.IntParamType):
    """A whole number, or "auto" where None is a value."""

    def __init__(self, *, auto: bool) -> None:
        self.auto = auto

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if self.auto and value == "auto" else super().convert(value, param, ctx)


class _Number(click.types.FloatParamType):
    """A number, or "auto" where None is a value."""

    def __init__(self, *, auto: bool) -> None:
        self.auto = auto

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if self.auto and value == "auto" else super().convert(value, param, ctx)
