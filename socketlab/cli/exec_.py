"""`socketlab exec`: run a program on a host; its streams and its exit status are ours."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from socketlab.cli.console import tell
from socketlab.cli.group import command
from socketlab.cli.options import host_names, lab_names
from socketlab.errors import EndedError, SpecError
from socketlab.messages import say

if TYPE_CHECKING:
    from socketlab.sockets import Actor


@command("exec", context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False})
@click.option("--lab", shell_complete=lab_names, metavar=say("cli.metavar.lab"), help=say("cli.exec.lab"))
@click.option("-t", "--tty", is_flag=True, help=say("cli.exec.tty"))
@click.option("--trace", is_flag=True, help=say("cli.exec.trace"))
@click.option("--trace-file", type=click.Path(path_type=Path), help=say("cli.exec.trace-file"))
@click.argument("host", shell_complete=host_names, metavar=say("cli.metavar.host"))
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar=say("cli.metavar.argv"))
def exec_(
    *, lab: str | None, tty: bool, trace: bool, trace_file: Path | None, host: str, argv: Sequence[str]
) -> int:
    """Run a program on a host."""
    from socketlab.cli.execution import NoProgramError, execute  # noqa: PLC0415 - a lab's modules, when needed
    from socketlab.holder.client import connect  # noqa: PLC0415
    from socketlab.sockets import Actor  # noqa: PLC0415

    machines = connect(lab)
    actor = Actor(machines.actor(host), host=host)
    try:
        words = list(argv[1:] if argv[0] == "--" and len(argv) > 1 else argv)
        if tty:  # the terminal over there is of the same kind as the one here
            words = ["env", f"TERM={os.environ.get('TERM', 'dumb')}", *words]
        if not trace and trace_file is None:
            return execute(actor, words, tty=tty)
        return _traced(actor, host, words, tty=tty, file=trace_file)
    except NoProgramError as error:
        tell(say("cli.error", said=str(error)))
        return error.status
    except EndedError as error:  # which of our own calls met it first is of no interest
        raise EndedError("holder.stream", host=host) from error
    finally:
        actor.close()
        machines.close()


def _traced(actor: "Actor", host: str, argv: Sequence[str], *, tty: bool, file: Path | None) -> int:
    from socketlab.cli.execution import execute  # noqa: PLC0415 - as above
    from socketlab.cli.tracing import Tracing  # noqa: PLC0415

    if file is None:
        end = "\r\n" if tty else "\n"
        tracing = Tracing(actor, host, lambda line: _tell_trace(host, line, end))
        try:
            return execute(actor, tracing.around(argv), tty=tty)
        finally:
            tracing.finish()
    try:
        out = file.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise SpecError("cli.trace-file", file=file, seen=error.strerror) from error
    with out:
        tracing = Tracing(actor, host, out.write)
        try:
            return execute(actor, tracing.around(argv), tty=tty)
        finally:
            tracing.finish()


def _tell_trace(host: str, line: str, end: str) -> None:
    sys.stderr.write(f"{host}| {line.rstrip()}{end}")
    sys.stderr.flush()
