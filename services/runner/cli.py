"""The runner's command line: `python3 -m services.runner PROGRAM [ARGUMENT...]`.

0 after SIGTERM or Ctrl-C, 2 usage, 4 its own port or socket cannot be had. When the program ends by itself,
or cannot be run, the runner stays, to tell those who ask.
"""

import argparse
import errno
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from services.messages import ServiceError, say
from services.ports import HEALTH_PATH, REPORT
from services.runner.answering import answer_all
from services.runner.program import Program, why_not
from services.unix_socket import listen
from socketlab.wire import ProgramReport, Ready
from socketlab.wire.text import speaks_utf8, to_ascii

LACKS: Final = 4


class _Stopped(BaseException):
    """SIGTERM or SIGINT came."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line, without the program's name.

    Returns:
        the exit code.
    """
    options = _parser().parse_args(arguments)
    _stop_on_signals()
    try:
        with _listen_tcp(options.report_port) as reports, _listen_unix(options.health) as health:
            answer_all(health, lambda: Ready("runner"))
            _run(options, reports)
    except _Stopped:
        return 0
    except ServiceError as error:
        _tell(str(error))
        return LACKS
    return 0


def _run(options: argparse.Namespace, reports: socket.socket) -> None:
    """Run the program if it can be run, and answer those who ask, until a signal comes."""
    unfit = why_not(options.program)
    if unfit is not None:
        answer_all(reports, lambda: unfit)
        _tell(_in_words(unfit))
        signal.pause()
        return
    program = Program(options.program, options.arguments)
    try:
        answer_all(reports, program.settle)
        if (report := program.settle()).state != "ended":
            _tell(_in_words(report))
            program.wait()
        _tell(_in_words(program.report()))
        signal.pause()
    finally:
        program.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m services.runner", description=say("runner.help.about"))
    parser.add_argument("--report-port", type=int, default=REPORT, help=say("runner.help.report-port"))
    parser.add_argument("--health", type=Path, default=Path(HEALTH_PATH), help=say("runner.help.health"))
    parser.add_argument("program", help=say("runner.help.program"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=say("runner.help.arguments"))
    return parser


def _stop_on_signals() -> None:
    """Raise `_Stopped` at the first SIGTERM or SIGINT; later ones do not disturb the ending."""

    def stop(_: int, __: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise _Stopped

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)


def _listen_tcp(port: int) -> socket.socket:
    """A listener on every address, of both families where the machine has them.

    Raises:
        ServiceError: the port cannot be had.
    """
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except (OSError, OverflowError) as error:
        raise _cannot_listen(f"tcp {port}", error) from error


def _listen_unix(path: Path) -> socket.socket:
    """A listener on a Unix socket.

    Raises:
        ServiceError: it cannot be had.
    """
    try:
        return listen(str(path))
    except OSError as error:
        raise _cannot_listen(str(path), error) from error


def _cannot_listen(where: str, error: Exception) -> ServiceError:
    number = error.errno if isinstance(error, OSError) else None
    return ServiceError("runner.listen", where=where, errno=errno.errorcode.get(number or 0, "-"), why=error)


def _in_words(report: ProgramReport) -> str:
    where = ", ".join(map(str, report.listeners))
    return say(
        f"runner.{report.state}", program=report.program, where=where, code=report.exit_code, mode=report.mode
    )


def _tell(text: str) -> None:
    """One line of our own in the container's log, which is the program's else."""
    line = f"runner: {text}"
    sys.stderr.write((line if speaks_utf8() else to_ascii(line)) + "\n")
    sys.stderr.flush()
