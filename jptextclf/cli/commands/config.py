"""``jptextclf config show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jptextclf.cli._command import Command, Group, option
from jptextclf.cli._console import print_json, print_table
from jptextclf.cli._options import file_options, json_option, settings_options
from jptextclf.errors import ConfigError
from jptextclf.messages import has, text

if TYPE_CHECKING:
    from pathlib import Path

    from jptextclf.settings import Settings


@click.group("config", cls=Group)
def config() -> None:
    pass


@config.command("show", cls=Command)
@file_options
@option("--toml", "as_toml", is_flag=True)
@json_option
@settings_options
def config_show(
    *,
    config: Path | None,
    set: tuple[str, ...],  # noqa: A002 - the option's name
    as_toml: bool,
    as_json: bool,
    settings: dict[str, Any],
) -> None:
    from jptextclf.settings import resolve

    if as_toml and as_json:
        raise ConfigError("U121")
    found = resolve(settings, config=config, set=set)
    if as_json:
        print_json(found.to_json())
    elif as_toml:
        click.echo(found.to_toml(), nl=False)
    else:
        _show(found)


def _show(found: Settings) -> None:
    from jptextclf.settings import shown

    rows = [[name, shown(name, value), _origin(origin)] for name, value, origin in found.rows()]
    print_table([text(f"settings.{one}") for one in ("name", "value", "origin")], rows, numbers_from=3)


def _origin(origin: str) -> str:
    key = f"settings.origin_{origin}"
    return text(key) if has(key) else origin


COMMAND = config
