"""``jptextclf models list|import``."""

from __future__ import annotations

import click

from jptextclf.cli._command import Command, Group, option
from jptextclf.cli._console import Talk, print_json, print_table, say
from jptextclf.cli._options import json_option
from jptextclf.messages import text


@click.group("models", cls=Group)
def models() -> None:
    pass


@models.command("list", cls=Command)
@json_option
def models_list(*, as_json: bool) -> None:
    from jptextclf.encoders import damaged_models, known_encoders

    known = known_encoders()
    for error in damaged_models():
        say(text("cli.warning", sentence=str(error)))
    if as_json:
        print_json({"schema_version": 1, "models": [one.to_json() for one in known]})
        return
    print_table(
        [text(f"cli.column_{name}") for name in ("name", "kind", "revision", "license")],
        [
            [one.name, text(f"cli.kind_{one.kind}"), one.revision or "-", one.component.license]
            for one in known
        ],
        numbers_from=4,
    )


@models.command("import", cls=Command)
@click.argument("source")
@option("--name")
def models_import(*, source: str, name: str | None) -> None:
    from jptextclf.encoders import import_model

    imported = import_model(source, name=name, progress=Talk())
    say(text("cli.imported", name=imported.name))
    click.echo(imported.directory)


COMMAND = models
