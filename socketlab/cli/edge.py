"""The edge of the command: every error becomes a sentence on stderr and one of the exit statuses.

0 as documented, 1 differs, 2 usage, 3 nothing ran, 4 the machine lacks something, 130 Ctrl-C; `exec`
passes its program's own.
"""

import os
import sys
import traceback
from collections.abc import Sequence

import click

from socketlab.cli.console import tell
from socketlab.cli.group import debugging, socketlab
from socketlab.errors import AgentError, BackendError, SpecError, UsageError
from socketlab.messages import say
from socketlab.wire.errors import FaultError, SocketlabError

USAGE = 2
NOTHING_RAN = 3
LACKING = 4
INTERRUPTED = 130


def run(argv: Sequence[str]) -> int:
    """Run a command line.

    Args:
        argv: the arguments, without the program's name.

    Returns:
        The exit status.
    """
    try:
        status = socketlab.main(list(argv), prog_name="socketlab", standalone_mode=False)
        if sys.stdout is not None:  # closed by whoever started us
            sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        tell(say("cli.interrupted"))
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOTHING_RAN
    except click.ClickException as error:
        tell(say("cli.error", said=usage(error)))
        return USAGE
    except SocketlabError as error:
        if debugging():
            traceback.print_exc()
        tell(say("cli.error", said=str(error).strip("\n")))
        return status_of(error)
    except Exception as error:  # noqa: BLE001 - the edge of the program: a traceback is for --debug only
        if debugging():
            traceback.print_exc()
        tell(say("cli.error", said=say("error.cli.unexpected", seen=f"{type(error).__name__}: {error}")))
        return NOTHING_RAN
    return status if isinstance(status, int) else 0


def status_of(error: SocketlabError) -> int:
    """The exit status that an error of ours means."""
    if isinstance(error, SpecError | UsageError | FaultError):
        return USAGE
    is_lacking = isinstance(error, BackendError) or (isinstance(error, AgentError) and error.is_lacking)
    return LACKING if is_lacking else NOTHING_RAN


def usage(error: click.ClickException) -> str:
    """What click has against a command line, in our words."""
    context = getattr(error, "ctx", None)
    hint = say("cli.usage-hint", path=context.command_path if context else "socketlab")
    match error:
        case click.NoSuchOption():
            near = ", ".join(error.possibilities or ())
            key = "no-option-near" if near else "no-option"
            said = say(f"error.cli.{key}", seen=error.option_name, near=near)
        case click.MissingParameter():
            name = error.param.make_metavar(context) if error.param and context else error.param_hint
            said = say("error.cli.missing", name=name)
        case click.BadParameter():
            name = (
                error.param.get_error_hint(context)
                if error.param and context
                else str(error.param_hint or "")
            )
            said = say("error.cli.value", name=name, why=_why(error))
        case _:
            said = error.format_message()
    return f"{said}\n{hint}"


def _why(error: click.BadParameter) -> str:
    kind = getattr(error.param, "type", None)
    if isinstance(kind, click.Choice):
        return say("error.cli.choice", expected=", ".join(map(str, kind.choices)))
    return error.message
