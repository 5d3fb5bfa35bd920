"""The group of commands, each loaded when it is called, and what all of them share.

Theory of operation
    `socketlab --help` needs a line for each command, and those stand in the message catalogue: so no
    command's module is imported for it. click's own words (`Usage`, `Options`) come from there too.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from socketlab import __version__
from socketlab.errors import SpecError
from socketlab.messages import say
from socketlab.wire.text import speaks_utf8, to_ascii

COMMANDS = ("up", "down", "status", "exec", "shell", "doctor", "prune", "completion")
"""In the order in which a new user meets them. Each stands in the module of its name."""
_MODULES = {"exec": "socketlab.cli.exec_"}
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Words(click.Command):
    """A command whose help is in the user's language, and in what the console can show."""

    def get_help(self, ctx: click.Context) -> str:
        """All of the help."""
        text = super().get_help(ctx)
        return text if speaks_utf8() else to_ascii(text)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """`--help`, in our words."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = say("cli.option.help")
        return option

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The line that shows the shape of the command line."""
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=say("cli.usage") + " ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options; of a group, its commands too."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        records = [record for each in options if (record := each.get_help_record(ctx))]
        with formatter.section(say("cli.options")):
            formatter.write_dl(records)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)


_asked: list[bool] = []


def debugging() -> bool:
    """Whether `--debug` was given: an error then comes with its traceback."""
    return bool(_asked)


def _note_debug(_ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value:
        _asked.append(True)


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_note_debug,
        help=say("cli.option.debug"),
    )


class Command(_Words):
    """One command; its help is the sentence `cli.<name>.help`."""

    def __init__(self, name: str | None, **members: Any) -> None:
        members["context_settings"] = CONTEXT | (members.get("context_settings") or {})
        members["params"] = [*members.get("params", ()), _debug_option()]
        members.setdefault("options_metavar", say("cli.metavar.options"))
        members["help"] = say(f"cli.{name}.help")
        super().__init__(name, **members)


def command(name: str, **members: Any) -> Callable[[Callable[..., Any]], Command]:
    """A decorator that makes a function the command of that name."""
    return click.command(name, cls=Command, **members)


class LazyGroup(_Words, click.Group):
    """Commands by name; the module of one is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """One of them; None: there is no such."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(_MODULES.get(cmd_name, f"socketlab.cli.{cmd_name}"))
        found: click.Command = getattr(module, cmd_name if cmd_name != "exec" else "exec_")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that a command line means.

        Raises:
            SpecError: there is none of that name.
        """
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise SpecError("cli.no-command", seen=ascii(args[0])[1:-1][:60], expected=", ".join(COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """A line for each, from the catalogue."""
        with formatter.section(say("cli.commands")):
            formatter.write_dl([(name, say(f"cli.{name}.short")) for name in COMMANDS])


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value and not ctx.resilient_parsing:
        click.echo(f"socketlab {__version__}")
        ctx.exit()


socketlab = LazyGroup(
    "socketlab",
    help=say("cli.help"),
    context_settings=CONTEXT,
    no_args_is_help=False,
    invoke_without_command=True,
    options_metavar=say("cli.metavar.options"),
    subcommand_metavar=say("cli.metavar.command"),
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help=say("cli.option.version"),
        ),
        _debug_option(),
    ],
)


@click.pass_context
def _bare(ctx: click.Context) -> None:
    """Without a command: what there is."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


socketlab.callback = _bare
