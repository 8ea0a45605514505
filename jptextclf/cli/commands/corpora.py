"""``jptextclf corpora list|show|fetch``."""

from __future__ import annotations

import click

from jptextclf.cli._command import Command, Group, option
from jptextclf.cli._console import Talk, print_json, print_table, say
from jptextclf.cli._options import json_option
from jptextclf.messages import text


@click.group("corpora", cls=Group)
def corpora() -> None:
    pass


@corpora.command("list", cls=Command)
@json_option
def corpora_list(*, as_json: bool) -> None:
    from jptextclf.corpora import list_corpora

    cards = list_corpora()
    if as_json:
        rows = [
            {
                "name": card.name,
                "title": {"ja": card.title.ja, "en": card.title.en},
                "language": card.language,
                "state": card.state,
                "license": card.license.expression or None,
                "commercial": card.license.commercial or None,
            }
            for card in cards
        ]
        print_json({"schema_version": 1, "corpora": rows})
        return
    unknown = text("corpora.not_verified")
    print_table(
        [text(f"cli.column_{name}") for name in ("name", "title", "license", "state")],
        [
            [
                card.name,
                str(card.title),
                card.license.expression or unknown,
                text(f"corpora.state_{card.state}"),
            ]
            for card in cards
        ],
        numbers_from=4,
    )


@corpora.command("show", cls=Command)
@click.argument("name")
@json_option
def corpora_show(*, name: str, as_json: bool) -> None:
    from jptextclf.corpora import describe, facts, load_card

    card = load_card(name)
    if as_json:
        print_json({"schema_version": 1, "name": name, "facts": facts(card)})
        return
    for heading, value in describe(card):
        click.echo(f"{heading}: {value}")


@corpora.command("fetch", cls=Command)
@click.argument("name")
@option("--source")
@option("--accept-license", is_flag=True)
@json_option
def corpora_fetch(*, name: str, source: str | None, accept_license: bool, as_json: bool) -> None:
    from jptextclf.corpora import fetch

    local = fetch(name, source=source, accept_license=accept_license, progress=Talk())
    if as_json:
        print_json(
            {
                "schema_version": 1,
                "name": name,
                "revision": local.revision,
                "sha256": local.sha256,
                "files": {split: str(path) for split, path in local.files.items()},
            }
        )
        return
    say(text("cli.fetched", name=name, sha256=local.sha256))
    for split, path in local.files.items():
        click.echo(f"{split}\t{path}")


COMMAND = corpora
