"""``jptextclf explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jptextclf.cli._command import Command, option
from jptextclf.cli._console import Talk, echo, print_json, print_table
from jptextclf.cli._options import device_option, json_option, quiet_option
from jptextclf.messages import text

if TYPE_CHECKING:
    from jptextclf.explanation import TextExplanation

_BAR = 12
"""Characters of the longest bar."""


@click.command("explain", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1, required=True)
@option("--label", "explained_label")
@option("--html", "explain_html", type=click.Path(path_type=Path, dir_okay=False))
@device_option
@json_option
@quiet_option
def explain(
    *,
    run: Path,
    texts: tuple[str, ...],
    explained_label: str | None,
    explain_html: Path | None,
    device: str,
    as_json: bool,
    quiet: bool,
) -> None:
    from jptextclf import api
    from jptextclf.atomic import check_outside
    from jptextclf.page_files import check_page, write_page

    if explain_html is not None:
        check_outside(explain_html, run)
        check_page(explain_html)
    found = api.explain(run, texts, label=explained_label, device=device, progress=Talk(quiet=quiet))
    if explain_html is not None:
        write_page(explain_html, found.to_html())
    if as_json:
        print_json(found.to_json())
    elif explain_html is not None:
        click.echo(explain_html)
    else:
        for one in found:
            _show(one)


def _show(one: TextExplanation) -> None:
    """The words of a text, what speaks for the label first."""
    echo(one.text)
    echo(text("weights.label", label=one.label, probability=one.probability))
    largest = max((abs(word.weight) for word in one.words), default=0.0) or 1.0
    rows = [
        [word.surface, f"{word.weight:+.2f}", ("+" if word.weight > 0 else "-") * round(_BAR * abs(word.weight) / largest)]
        for word in one.ranked()
    ]  # fmt: skip
    print_table([text(f"weights.{name}") for name in ("word", "weight", "bar")], rows, numbers_from=3)
    if one.n_left_out:
        click.echo(text("weights.left_out", n=one.n_left_out))


COMMAND = explain
