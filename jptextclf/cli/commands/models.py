"""``jptextclf models list|show|import``."""

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
    from jptextclf.cards import cards_beside
    from jptextclf.encoders import damaged_models, known_encoders

    known = known_encoders()
    # The embedded encoder is a build of its own: the hub's files of the same encoder are not here.
    cards = cards_beside(one.name if one.kind == "builtin" else one.component.name for one in known)
    for error in damaged_models():
        say(text("cli.warning", sentence=str(error)))
    if as_json:
        listed = [
            {"name": one.name, "kind": "card", "source": one.source, "license": one.component().license}
            for one in cards
        ]
        print_json({"schema_version": 1, "models": [one.to_json() for one in known], "cards": listed})
        return
    print_table(
        [text(f"cli.column_{name}") for name in ("name", "kind", "revision", "license")],
        [
            [one.name, text(f"cli.kind_{one.kind}"), one.revision or "-", one.component.expression]
            for one in known
        ],
        numbers_from=4,
    )
    click.echo(text("cards.not_at_hand"))
    # No table: on a narrow terminal it would cut the names, which are there to be copied.
    for one in cards:
        click.echo(f"\n {one.name} ({text('cli.kind_card')})\n   {one.source}  {one.component().license}")


@models.command("show", cls=Command)
@click.argument("name")
@json_option
def models_show(*, name: str, as_json: bool) -> None:
    from jptextclf.cards import card_to_json, describe_encoder_card, require_encoder_card

    card = require_encoder_card(name)
    if as_json:
        print_json({"schema_version": 1, **card_to_json(card)})
        return
    for heading, value, source in describe_encoder_card(card):
        click.echo(f"{heading}: {value}")
        if source:
            click.echo("  " + text("cards.read_in", source=source))


@models.command("import", cls=Command)
@click.argument("source")
@option("--name")
def models_import(*, source: str, name: str | None) -> None:
    from jptextclf.encoders import import_model

    imported = import_model(source, name=name, progress=Talk())
    say(text("cli.imported", name=imported.name))
    click.echo(imported.directory)


COMMAND = models
