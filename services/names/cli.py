"""The name server's command line: `python3 -m services.names RECORDS [--address A...] [--port N]`.

0 after SIGTERM or Ctrl-C, 2 usage, 4 its records or its sockets cannot be had.
"""

import argparse
import errno
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from services.messages import ServiceError, say
from services.names.answers import Answers
from services.names.control import Control
from services.names.server import Server

LACKS: Final = 4
READY: Final = "names: ready"
"""The line that says so begins with this, in every language: `socketlab.hosts.names` waits for it."""
_EVERYWHERE: Final = ("0.0.0.0", "::")
_PORT: Final = 53
_RECORD: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        answers = _answers(options.records)
        server = _server(answers, options.address or _EVERYWHERE, options.port, _control(answers, options))
    except ServiceError as error:
        sys.stderr.write(f"names: {error}\n")
        return LACKS
    try:
        where = ", ".join(f"{address} {port}" for address, port in server.bound)
        sys.stdout.write(f"{READY}: {where}\n")
        sys.stdout.flush()
        server.serve()
    finally:
        server.close()


def _stop(_: int, __: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m services.names", description=say("names.help.about"))
    parser.add_argument("records", type=Path, help=say("names.help.records"))
    parser.add_argument("--address", action="append", help=say("names.help.address"))
    parser.add_argument("--control", action="store_true", help=say("names.help.control"))
    parser.add_argument("--port", type=int, default=_PORT, help=say("names.help.port"))
    return parser


def _answers(path: Path) -> Answers:
    try:
        return Answers(_record(each) for each in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ServiceError("names.records", path=path, why=error) from error


def _record(plain: Any) -> tuple[str, str, str]:
    if len(plain) != _RECORD or not all(isinstance(each, str) for each in plain):
        raise ValueError(ascii(plain)[:80])
    name, kind, value = plain
    return name, kind, value


def _control(answers: Answers, options: argparse.Namespace) -> Control | None:
    if not options.control:
        return None
    try:
        return Control(answers)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "-")
        raise ServiceError("names.control", errno=name, why=error) from error


def _server(answers: Answers, addresses: Sequence[str], port: int, control: Control | None) -> Server:
    try:
        return Server(answers, addresses, port, control)
    except (OSError, OverflowError) as error:
        name = errno.errorcode.get(getattr(error, "errno", 0) or 0, "-")
        raise ServiceError("names.open", port=port, errno=name, why=error) from error
