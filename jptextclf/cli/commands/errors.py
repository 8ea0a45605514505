"""``jptextclf errors``."""

from __future__ import annotations

import click

from jptextclf.cli._command import Command
from jptextclf.cli._console import print_json
from jptextclf.cli._options import json_option


@click.command("errors", cls=Command)
@click.argument("code", required=False)
@json_option
def errors(*, code: str | None, as_json: bool) -> None:
    from jptextclf.error_codes import all_codes, explain

    found = [explain(one) for one in ([code] if code else all_codes())]
    if as_json:
        listed = [one.to_json() for one in found]
        print_json(listed[0] if code else {"schema_version": 1, "errors": listed})
    elif code:
        click.echo("\n".join(found[0].lines()))
    else:
        for one in found:
            click.echo(f"{one.code}  {one.message.splitlines()[0]}")


COMMAND = errors
