"""The arguments of `load`; what runs it is imported only then, so other commands start as fast."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from services.client.argument_types import add_family, port, seconds
from services.client.load.plan import Plan, PlanError, Protocol, Transport
from services.messages import say

T = TypeVar("T", int, float)

_INET: Final[dict[str, Transport]] = {"tcp": "tcp", "udp": "udp"}
_UNIX: Final[dict[str, Transport]] = {
    "stream": "unix-stream",
    "dgram": "unix-dgram",
    "seqpacket": "unix-seqpacket",
}
_PROTOCOLS: Final[dict[str, Protocol]] = {"echo": "echo", "framed": "framed"}
_HOST_AND_PORT: Final = 2
_CONNECTIONS_MOST: Final = 50_000
_IN_FLIGHT_MOST: Final = 10_000
_COUNT_MOST: Final = 10**12
_RATE_LEAST: Final = 0.01
_RATE_MOST: Final = 1e6
_SIZE_MOST: Final = 2**31
_WARM_UP_MOST: Final = 3600.0
_DURATION: Final = 10.0
_TIMEOUT: Final = 5.0


def add(commands: Any, every: argparse.ArgumentParser) -> None:
    """Add the command.

    Args:
        commands: of the client's parser (`add_subparsers`).
        every: the options of every command.
    """
    about = say("load.help.about")
    command: argparse.ArgumentParser = commands.add_parser(
        "load",
        parents=[every],
        help=about,
        description=f"{about} {say('load.help.reading')}",
        usage=say("load.help.usage"),
    )
    where = command.add_argument_group(say("load.help.group-where"))
    where.add_argument("where", nargs="*", metavar=say("load.help.where-form"), help=say("load.help.where"))
    where.add_argument("--unix", metavar=say("load.help.path"), help=say("load.help.unix"))
    add_family(where)
    _add_requests(command.add_argument_group(say("load.help.group-requests")))
    _add_times(command.add_argument_group(say("load.help.group-times")))

    def run(options: argparse.Namespace) -> int:
        try:
            plan = plan_of(options)
        except (argparse.ArgumentTypeError, PlanError) as error:
            command.error(str(error))
        from services.client.load.program import run as run_plan  # noqa: PLC0415 - other commands start without

        return run_plan(plan)

    command.set_defaults(run=run)


def _add_requests(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--protocol", choices=tuple(_PROTOCOLS), default="echo", help=say("load.help.protocol")
    )
    group.add_argument(
        "--connections",
        type=_number(int, 1, _CONNECTIONS_MOST),
        default=10,
        metavar="N",
        help=say("load.help.connections"),
    )
    group.add_argument(
        "--in-flight",
        type=_number(int, 1, _IN_FLIGHT_MOST),
        default=1,
        metavar="N",
        help=say("load.help.in-flight"),
    )
    group.add_argument(
        "--size", type=_number(int, 0, _SIZE_MOST), default=64, metavar="BYTES", help=say("load.help.size")
    )
    group.add_argument("--reconnect", action="store_true", help=say("load.help.reconnect"))


def _add_times(group: argparse._ArgumentGroup) -> None:
    length = group.add_mutually_exclusive_group()
    length.add_argument("--duration", type=seconds, metavar="S", help=say("load.help.duration"))
    length.add_argument(
        "--count", type=_number(int, 1, _COUNT_MOST), metavar="N", help=say("load.help.count")
    )
    group.add_argument(
        "--warm-up",
        type=_number(float, 0.0, _WARM_UP_MOST),
        default=0.0,
        metavar="S",
        help=say("load.help.warm-up"),
    )
    group.add_argument(
        "--rate", type=_number(float, _RATE_LEAST, _RATE_MOST), metavar="R", help=say("load.help.rate")
    )
    group.add_argument(
        "--timeout", type=seconds, default=_TIMEOUT, metavar="S", help=say("load.help.timeout")
    )
    group.add_argument("--progress", action=argparse.BooleanOptionalAction, help=say("load.help.progress"))


def plan_of(options: argparse.Namespace) -> Plan:
    """What the command line asks for.

    Raises:
        argparse.ArgumentTypeError: it does not say where to.
        PlanError: it makes no sense.
    """
    transport, host, number = _unix(options) if options.unix else _inet(options.where)
    duration = options.duration
    if duration is None and options.count is None:
        duration = _DURATION
    plan = Plan(
        transport=transport,
        host=host,
        port=number,
        family="ipv4" if options.ipv4 else "ipv6" if options.ipv6 else None,
        protocol=_PROTOCOLS[options.protocol],
        connections=options.connections,
        in_flight=options.in_flight,
        size=options.size,
        duration=duration,
        count=options.count,
        warm_up=options.warm_up,
        rate=options.rate,
        reconnect=options.reconnect,
        timeout=options.timeout,
        json=options.json,
        progress=not options.json if options.progress is None else options.progress,
    )
    plan.check()
    return plan


def _unix(options: argparse.Namespace) -> tuple[Transport, str, int]:
    words: Sequence[str] = options.where or ["stream"]
    if len(words) > 1 or words[0] not in _UNIX or options.ipv4 or options.ipv6:
        raise argparse.ArgumentTypeError(say("error.load.unix", seen=ascii(" ".join(options.where))))
    return _UNIX[words[0]], options.unix, 0


def _inet(words: Sequence[str]) -> tuple[Transport, str, int]:
    transport = _INET.get(words[0]) if len(words) == _HOST_AND_PORT + 1 else None
    if transport is None:
        raise argparse.ArgumentTypeError(say("error.load.where", seen=ascii(" ".join(words))))
    _, host, number = words
    return transport, host, port(number)


def _number(kind: Callable[[str], T], least: T, most: T) -> Callable[[str], T]:
    def read(text: str) -> T:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(
                say("error.load.number", least=f"{least:g}", most=f"{most:g}", seen=ascii(text))
            )
        return value

    return read
