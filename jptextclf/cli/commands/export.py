"""``jptextclf export``."""

from __future__ import annotations

from pathlib import Path

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import print_json, say
from jptextclf.cli._options import json_option, license_options
from jptextclf.messages import text


@click.command("export", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@license_options
@option("--license-file", "license_files", multiple=True)
@option("--copyright")
@option(
    "--format",
    "export_format",
    type=click.Choice(["huggingface", "onnx"]),
    default="huggingface",
    show_default=True,
)
@option("--overwrite", "overwrite_export", is_flag=True)
@json_option
def export(
    *,
    run: Path,
    out: Path,
    use: str | None,
    output_license: str | None,
    policy: Path | None,
    license_files: tuple[str, ...],
    copyright: str | None,  # noqa: A002 - the option's name
    export_format: str,
    overwrite_export: bool,
    as_json: bool,
) -> None:
    from jptextclf import api
    from jptextclf.exporters.texts import named_files

    done = api.export(
        run, out, use=use, format=export_format, output_license=output_license, policy=policy,
        license_files=named_files(license_files), copyright=copyright, overwrite=overwrite_export,
    )  # fmt: skip
    for note in done.notes:
        say(note)
    say(text("license.notice"))
    if as_json:
        print_json(done.to_json())
        return
    say(text("export.done", use=done.use, verdict=done.assessment.verdict))
    click.echo(done.path)


COMMAND = export
