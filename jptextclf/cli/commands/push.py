"""``jptextclf push``."""

from __future__ import annotations

from pathlib import Path

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, print_json, say
from jptextclf.cli._options import json_option, license_options, quiet_option
from jptextclf.messages import text


@click.command("push", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("repo")
@license_options
@option("--license-file", "license_files", multiple=True)
@option("--copyright")
@option("--private", is_flag=True)
@json_option
@quiet_option
def push(
    *,
    run: Path,
    repo: str,
    use: str | None,
    output_license: str | None,
    policy: Path | None,
    license_files: tuple[str, ...],
    copyright: str | None,  # noqa: A002 - the option's name
    private: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from jptextclf import api
    from jptextclf.exporters.texts import named_files

    done = api.push(
        run, repo, use=use, private=private, output_license=output_license, policy=policy,
        license_files=named_files(license_files), copyright=copyright, progress=Talk(quiet=quiet),
    )  # fmt: skip
    for note in done.export.notes:
        say(note)
    say(text("license.notice"))
    if as_json:
        print_json(done.to_json())
        return
    say(text("push.done", url=done.url))
    click.echo(done.url)


COMMAND = push
