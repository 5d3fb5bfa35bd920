"""The group of commands, each loaded when it is called, and what all of them share.

Theory of operation
    `socketlab --help` needs a line for each command, and those stand in the message catalogue: so no
    command's module is imported for it. click's own words (`Usage`, `Options`) come from there too.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import click

from socketlab import __version__
from socketlab.errors import SpecError
from socketlab.messages import say
from socketlab.wire.text import speaks_utf8, to_ascii

COMMANDS = (
    "up",
    "down",
    "attach",
    "detach",
    "status",
    "exec",
    "shell",
    "fault",
    "plan",
    "doctor",
    "prune",
    "completion",
)
"""In the order in which a new user meets them. Each stands in the module of its name."""
_HOMES = {name: f"socketlab.cli.{name}:{name}" for name in COMMANDS} | {"exec": "socketlab.cli.exec_:exec_"}
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
    """One command; its help is the sentence `cli.<name>.help`, or `cli.<under>.<name>.help`."""

    def __init__(self, name: str | None, *, under: str = "", **members: Any) -> None:
        members["context_settings"] = CONTEXT | (members.get("context_settings") or {})
        members["params"] = [*members.get("params", ()), _debug_option()]
        members.setdefault("options_metavar", say("cli.metavar.options"))
        members["help"] = say(f"cli.{under}.{name}.help" if under else f"cli.{name}.help")
        super().__init__(name, **members)


def command(name: str, **members: Any) -> Callable[[Callable[..., Any]], Command]:
    """A decorator that makes a function the command of that name; `under`: of that group."""
    return click.command(name, cls=Command, **members)


class LazyGroup(_Words, click.Group):
    """Commands by name; the module of one is imported when it is called.

    Args:
        name: the group's own.
        homes: where each command is: `module:attribute`, in the order of the help.
        members: of click's group.
    """

    def __init__(self, name: str, homes: Mapping[str, str], **members: Any) -> None:
        members.setdefault("context_settings", CONTEXT)
        members.setdefault("options_metavar", say("cli.metavar.options"))
        members.setdefault("subcommand_metavar", say("cli.metavar.command"))
        members["params"] = [*members.get("params", ()), _debug_option()]
        super().__init__(name, no_args_is_help=False, invoke_without_command=True, **members)
        self._homes = homes
        self._sentences = "cli" if name == "socketlab" else f"cli.{name}"
        self.callback = _bare

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Their names."""
        return list(self._homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """One of them; None: there is no such."""
        if cmd_name not in self._homes:
            return None
        module, _, attribute = self._homes[cmd_name].partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that a command line means.

        Raises:
            SpecError: there is none of that name.
        """
        if args and args[0] not in self._homes and not ctx.resilient_parsing:
            expected = ", ".join(self._homes)
            raise SpecError("cli.no-command", seen=ascii(args[0])[1:-1][:60], expected=expected)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """A line for each, from the catalogue."""
        with formatter.section(say("cli.commands")):
            formatter.write_dl([(name, say(f"{self._sentences}.{name}.short")) for name in self._homes])


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value and not ctx.resilient_parsing:
        click.echo(f"socketlab {__version__}")
        ctx.exit()


@click.pass_context
def _bare(ctx: click.Context) -> None:
    """Without a command: what there is."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def group(name: str, **homes: str) -> LazyGroup:
    """A command of commands; its help is the sentence `cli.<name>.help`.

    Args:
        name: its name.
        **homes: where each of its commands is: `module:attribute`, within this package.
    """
    full = {each: f"socketlab.cli.{home}" for each, home in homes.items()}
    return LazyGroup(name, full, help=say(f"cli.{name}.help"))


socketlab = LazyGroup(
    "socketlab",
    _HOMES,
    help=say("cli.help"),
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help=say("cli.option.version"),
        ),
    ],
)
