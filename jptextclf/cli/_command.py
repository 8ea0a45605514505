"""Click, in two languages: commands, options and usage errors that speak from the catalogue.

It does not know any command. An option's help is the entry ``opt.<its name>``, a command's ``help.<its name>``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from jptextclf import launched, messages
from jptextclf.cli._console import say
from jptextclf.errors import ConfigError, JptextclfError
from jptextclf.messages import did_you_mean, listing, text
from jptextclf.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception, so that nothing takes it for a failure of the work."""


class Option(click.Option):
    """An option whose help stands in the catalogue.

    :param heading: key of the heading under which the help shows it
    """

    def __init__(self, *names: Any, heading: str = "cli.options", **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.heading = heading

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        key = f"opt.{self.name}"
        if not self.hidden and messages.has(key):
            self.help = text(key)
        record = super().get_help_record(ctx)
        # Click puts a default that is only described into parentheses of its own.
        shown = record and re.sub(r"\[default: \(?(.*?)\)?\]$", rf"[{text('cli.default')}: \1]", record[1])
        return record and (record[0], str(shown))


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """``click.option`` with its help from the catalogue."""
    return click.option(*names, cls=Option, **settings)


class _Speaking(click.Command):
    """What :class:`Command` and :class:`Group` share: headings, help and ``--lang``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        languages = click.Choice(["auto", *messages.LANGUAGES])
        self.params.append(
            Option(["--lang"], type=languages, is_eager=True, expose_value=False, callback=_set_language)
        )

    def get_short_help_str(self, limit: int = 45) -> str:
        del limit
        return text(self._key()).strip().split("\n")[0]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        found = super().get_help_option(ctx)
        if found is not None:
            found.help = text("cli.help_option")
        return found

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=text("cli.usage") + " ")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        formatter.write_paragraph()
        with formatter.indentation():
            # Lines are kept: examples are commands to copy.
            for line in text(self._key()).strip().split("\n"):
                formatter.write(" " * formatter.current_indent + line if line else "")
                formatter.write("\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records: dict[str, list[tuple[str, str]]] = {"cli.options": []}
        for one in self.get_params(ctx):
            if isinstance(one, click.Option) and (record := one.get_help_record(ctx)) is not None:
                records.setdefault(getattr(one, "heading", "cli.options"), []).append(record)
        for heading, some in records.items():
            with formatter.section(text(heading)):
                formatter.write_dl(some)

    def _key(self) -> str:
        return f"help.{self.callback.__name__}" if self.callback else ""


class Command(_Speaking):
    """A command of ours.

    :param together: processes that are started together do this one together; else the first one does it alone
    """

    def __init__(self, *args: Any, together: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.together = together

    def invoke(self, ctx: click.Context) -> Any:
        if launched.size() > 1 and not self.together:
            if not launched.is_main():
                fields = {"rank": launched.rank(), "n": launched.size(), "command": ctx.command_path}
                click.echo(text("cli.idle", **fields), err=True)
                return None
            launched.go_alone()
        return super().invoke(ctx)


class Group(_Speaking, click.Group):
    """Commands found by their files: every public module of ``package`` holds one as ``COMMAND``."""

    command_class = Command

    def __init__(self, *args: Any, package: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.found: Registry[click.Command] | None = (
            Registry("command", package, "COMMAND") if package else None
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        # A module's name has no hyphen.
        return (
            [one.replace("_", "-") for one in self.found.names()]
            if self.found
            else super().list_commands(ctx)
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if self.found is None:
            return super().get_command(ctx, cmd_name)
        return self.found.get(cmd_name.replace("-", "_")) if cmd_name in self.list_commands(ctx) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            _refuse("U090", name=args[0], hint=did_you_mean(args[0], known), known=listing(known, 30))
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section(text("cli.commands")):
            formatter.write_dl(
                [(name, one.get_short_help_str()) for name, one in commands if one is not None]
            )

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has seen enough; what is still buffered has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a command line; every way out has its status.

        0 done, 1 the work failed, 2 usage, 3 data, 4 environment, 130 interrupted, 143 terminated.
        """
        kwargs["standalone_mode"] = False
        _language_from(list(args[0]) if args and args[0] is not None else sys.argv[1:])
        try:
            status = super().main(*args, **kwargs)
        except JptextclfError as error:
            # Processes that are started together have one command line.
            if launched.is_main() or not (error.is_told or isinstance(error, ConfigError)):
                say(str(error))
            sys.exit(error.exit_status)
        except click.exceptions.Exit as error:
            sys.exit(error.exit_code)
        except click.UsageError as error:
            _say_once(_usage_error(error))
            sys.exit(2)
        except click.ClickException as error:
            say(error.format_message())
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            _say_once(text("cli.interrupted"))
            sys.exit(130)
        except OSError as error:
            say(_os_error(error))
            sys.exit(1)
        except Terminated:
            _say_once(text("cli.terminated"))
            sys.exit(143)
        sys.exit(status if isinstance(status, int) else 0)


def _os_error(error: OSError) -> str:
    """What the system refused: mostly a stream or a file that cannot take any more."""
    sentence = text(
        "W014.message", path=error.filename or text("cli.an_output"), problem=error.strerror or error
    )
    return f"JPT-W014 {sentence}\n  " + text("W014.hint")


def _refuse(code: str, **fields: object) -> NoReturn:
    raise ConfigError(code, **fields)


def _set_language(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    # Not on the command line: what the group set, or the environment's, stays.
    if ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE:
        messages.use_language(value)


def _language_from(arguments: list[str]) -> None:
    """Take ``--lang`` from anywhere on the line before it is parsed, so that parsing errors speak it too."""
    for number, one in enumerate(arguments):
        name, _, value = one.partition("=")
        if name == "--lang":
            asked = value or next(iter(arguments[number + 1 :]), "")
            if asked in messages.LANGUAGES:
                messages.use_language(asked)


def _say_once(sentence: str) -> None:
    """What all processes have to say that were started together, by one of them."""
    if launched.is_main():
        say(sentence)


def _usage_error(error: click.UsageError) -> str:
    """Click's own usage errors in the language of the user."""
    if isinstance(error, click.NoSuchOption):
        known = [name for one in (error.ctx.command.params if error.ctx else []) for name in one.opts]
        code, fields = "U091", {"name": error.option_name, "hint": did_you_mean(error.option_name, known)}
    elif isinstance(error, click.MissingParameter):
        code, fields = "U092", {"name": _shown_name(error)}
    elif isinstance(error, click.BadParameter):
        code, fields = "U093", {"name": _shown_name(error), "problem": _bad_value(error)}
    else:
        code, fields = "U094", {"problem": error.format_message()}
    command = error.ctx.command_path if error.ctx else "jptextclf"
    sentence = text(f"{code}.message", **fields)
    return f"JPT-{code} {sentence}\n  {text('cli.see_help', command=command)}"


def _shown_name(error: click.BadParameter) -> str:
    hint = error.param.get_error_hint(error.ctx) if error.param and error.ctx else error.param_hint
    return str(hint).strip("'")


def _bad_value(error: click.BadParameter) -> str:
    kind = getattr(error.param, "type", None)
    if isinstance(kind, click.Choice):
        return text("cli.choices", known=listing(kind.choices, 30))
    given = re.search("'(.*)'", error.message)
    if given and isinstance(kind, click.types.IntParamType):
        return text("cli.a_whole_number", found=given[1])
    if given and isinstance(kind, click.types.FloatParamType):
        return text("cli.a_number", found=given[1])
    return error.message
