"""The arguments of `interactive`; what runs it is imported only then, so other commands start as fast."""

import argparse
import socket
from collections.abc import Sequence
from typing import Any, Final

from services.client.argument_types import add_family, family, port, seconds
from services.messages import say

_INET: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_UNIX: Final = {
    "stream": socket.SOCK_STREAM,
    "dgram": socket.SOCK_DGRAM,
    "seqpacket": socket.SOCK_SEQPACKET,
}
_PROTOCOLS: Final = ("lines", "chat", "framed")
_TIMEOUT: Final = 5.0
_HOST_AND_PORT: Final = 2


def add(commands: Any, every: argparse.ArgumentParser) -> None:
    """Add the command.

    Args:
        commands: of the client's parser (`add_subparsers`).
        every: the options of every command.
    """
    about = say("interactive.help.about")
    command: argparse.ArgumentParser = commands.add_parser(
        "interactive",
        parents=[every],
        help=about,
        description=f"{about} {say('interactive.help.keys')}",
        usage=say("interactive.help.usage"),
    )
    command.add_argument(
        "where", nargs="*", metavar=say("interactive.help.where-form"), help=say("interactive.help.where")
    )
    command.add_argument("--unix", metavar=say("interactive.help.path"), help=say("interactive.help.unix"))
    command.add_argument(
        "--protocol", choices=_PROTOCOLS, default="lines", help=say("interactive.help.protocol")
    )
    command.add_argument(
        "--timeout", type=seconds, default=_TIMEOUT, metavar="S", help=say("interactive.help.timeout")
    )
    add_family(command)
    command.add_argument("--recverr", action="store_true", help=say("once.help.recverr"))

    def run(options: argparse.Namespace) -> int:
        return _run(options, command)

    command.set_defaults(run=run)


def _run(options: argparse.Namespace, command: argparse.ArgumentParser) -> int:
    try:
        kind, host, number = _unix(options) if options.unix else _inet(options.where)
    except argparse.ArgumentTypeError as error:
        command.error(str(error))
    if options.protocol == "chat" and kind == socket.SOCK_DGRAM:
        command.error(say("error.interactive.no-datagrams"))
    from services.client.interactive.link import Target  # noqa: PLC0415 - other commands start without it
    from services.client.interactive.program import Options, interactive  # noqa: PLC0415 - as above

    return interactive(
        Options(
            target=Target(
                kind=kind,
                family=socket.AF_UNIX if options.unix else family(options),
                host=host,
                port=number,
            ),
            protocol=options.protocol,
            timeout=options.timeout,
            recverr=options.recverr,
            json=options.json,
        )
    )


def _unix(options: argparse.Namespace) -> tuple[socket.SocketKind, str, int]:
    words: Sequence[str] = options.where or ["stream"]
    if len(words) > 1 or words[0] not in _UNIX or options.ipv4 or options.ipv6:
        raise argparse.ArgumentTypeError(say("error.interactive.unix", seen=ascii(" ".join(options.where))))
    return _UNIX[words[0]], options.unix, 0


def _inet(words: Sequence[str]) -> tuple[socket.SocketKind, str, int]:
    kind = _INET.get(words[0]) if len(words) == _HOST_AND_PORT + 1 else socket.SOCK_STREAM
    if kind is None or len(words) not in {_HOST_AND_PORT, _HOST_AND_PORT + 1}:
        raise argparse.ArgumentTypeError(say("error.interactive.where", seen=ascii(" ".join(words))))
    host, number = words[-_HOST_AND_PORT:]
    return kind, host, port(number)
