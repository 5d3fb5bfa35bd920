"""The client's command line, and the one owner of its exit codes.

0 as documented, or it ended well; 1 it differs, or the network said no; 2 usage; 4 something is missing;
130 Ctrl-C and 143 SIGTERM before it was over.
"""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from services.client import heartbeat as beats
from services.client import once, steps, tour, trial
from services.client.argument_types import add_family, family
from services.client.argument_types import port as _port
from services.client.argument_types import seconds as _seconds
from services.client.console import ERR
from services.client.interactive import arguments as interactive
from services.client.load import arguments as load
from services.client.readiness import Health, wait_for_agent
from services.client.signals import Stopped, stop_on_signals
from services.messages import ServiceError, say
from services.ports import ECHO, HEALTH_PATH, REPORT
from socketlab.wire.fault import Family, Protocol

USAGE: Final = 2
LACKS: Final = 4
_INTERVAL: Final = 0.2
_TIMEOUT: Final = 0.5
_ADDRESSES: Final = {
    "unused": "SOCKETLAB_UNUSED",
    "unused6": "SOCKETLAB_UNUSED6",
    "unrouted": "SOCKETLAB_UNROUTED",
    "unrouted6": "SOCKETLAB_UNROUTED6",
}
"""Options of the tour, and the variables they are taken from."""
_PROTOCOLS: Final[dict[str, Protocol]] = {"tcp": "tcp", "udp": "udp"}
_FAMILIES: Final[dict[str, tuple[Family, ...]]] = {
    "ipv4": ("ipv4",),
    "ipv6": ("ipv6",),
    "both": ("ipv4", "ipv6"),
}


class UsageError(ServiceError):
    """The command line lacks something."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line, without the program's name.

    Returns:
        the exit code.
    """
    options = _parser().parse_args(arguments)
    _log(debug=options.debug)
    stop_on_signals()
    try:
        code: int = options.run(options)
    except Stopped as stopped:
        code = stopped.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not try to write the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = trial.DOES_NOT
    except (ServiceError, OSError) as error:
        if options.debug:
            raise
        ERR.line(say("client.error", what=error))
        code = USAGE if isinstance(error, UsageError) else LACKS
    return code


def _log(*, debug: bool) -> None:
    """Log to standard error: with --debug every call and what it gave, else warnings only."""
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(
        level=level, format="%(asctime)s.%(msecs)03d %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m services.client", description=say("client.help.about"))
    commands = parser.add_subparsers(required=True, metavar=say("client.help.command"))
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("--json", action="store_true", help=say("client.help.json"))
    every.add_argument("--debug", action="store_true", help=say("client.help.debug"))
    for add in (_add_once, interactive.add, load.add, _add_tour, _add_heartbeat, _add_try):
        add(commands, every)
    return parser


def _command(commands: Any, every: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    about = say(f"{name}.help.about")
    command: argparse.ArgumentParser = commands.add_parser(
        name, parents=[every], help=about, description=about
    )
    return command


def _add_once(commands: Any, every: argparse.ArgumentParser) -> None:
    command = _command(commands, every, "once")
    command.add_argument("proto", choices=tuple(_PROTOCOLS), help=say("once.help.proto"))
    command.add_argument("host", help=say("once.help.host"))
    command.add_argument("port", type=_port, help=say("once.help.port"))
    command.add_argument("--send", metavar="TEXT", help=say("once.help.send"))
    limit = command.add_mutually_exclusive_group()
    limit.add_argument("--timeout", type=_seconds, default=5.0, metavar="S", help=say("once.help.timeout"))
    limit.add_argument("--blocking", action="store_true", help=say("once.help.blocking"))
    add_family(command)
    command.add_argument("--hold", action="store_true", help=say("once.help.hold"))
    command.add_argument("--recverr", action="store_true", help=say("once.help.recverr"))
    command.set_defaults(run=_run_once)


def _run_once(options: argparse.Namespace) -> int:
    return once.once(
        once.Options(
            kind=socket.SOCK_STREAM if options.proto == "tcp" else socket.SOCK_DGRAM,
            host=options.host,
            port=options.port,
            family=family(options),
            send=None if options.send is None else os.fsencode(options.send),
            timeout=None if options.blocking else options.timeout,
            hold=options.hold,
            recverr=options.recverr,
            json=options.json,
        )
    )


def _add_tour(commands: Any, every: argparse.ArgumentParser) -> None:
    command = _command(commands, every, "tour")
    _add_lab(command)
    command.add_argument("--family", choices=("ipv4", "ipv6"), default="ipv4", help=say("tour.help.family"))
    for option, variable in _ADDRESSES.items():
        command.add_argument(
            f"--{option}",
            default=os.environ.get(variable),
            metavar=say("client.help.address"),
            help=say(f"tour.help.{option}", variable=variable),
        )
    command.add_argument(
        "--agent-deadline", type=_seconds, default=15.0, metavar="S", help=say("tour.help.agent-deadline")
    )
    command.add_argument("--stay", action="store_true", help=say("tour.help.stay"))
    command.set_defaults(run=_run_tour)


def _run_tour(options: argparse.Namespace) -> int:
    suffix = "6" if options.family == "ipv6" else ""
    unused, unrouted = (_address(options, f"{name}{suffix}") for name in ("unused", "unrouted"))
    with Health(options.health):
        wait_for_agent(options.agent_deadline)
        lab = steps.Lab(
            family=options.family,
            server=options.server,
            server_ip=tour.find_server(options.family, options.server),
            unused=unused,
            unrouted=unrouted,
        )
        code = tour.tour(lab, tour.WireShow() if options.json else tour.TableShow())
        if not options.stay or os.environ.get("ONCE", "0") not in {"", "0"}:
            return code
        return beats.heartbeat(
            _echo_of(options.server), (options.family,), _INTERVAL, _TIMEOUT, json=options.json
        )


def _add_heartbeat(commands: Any, every: argparse.ArgumentParser) -> None:
    command = _command(commands, every, "heartbeat")
    _add_lab(command)
    command.add_argument(
        "--target",
        type=_target,
        action="append",
        metavar=say("heartbeat.help.target-form"),
        help=say("heartbeat.help.target"),
    )
    command.add_argument(
        "--interval", type=_seconds, default=_INTERVAL, metavar="S", help=say("heartbeat.help.interval")
    )
    command.add_argument(
        "--timeout", type=_seconds, default=_TIMEOUT, metavar="S", help=say("heartbeat.help.timeout")
    )
    command.add_argument(
        "--family", choices=tuple(_FAMILIES), default="ipv4", help=say("heartbeat.help.family")
    )
    command.set_defaults(run=_run_heartbeat)


def _run_heartbeat(options: argparse.Namespace) -> int:
    targets = options.target or _echo_of(options.server)
    with Health(options.health):
        return beats.heartbeat(
            targets, _FAMILIES[options.family], options.interval, options.timeout, json=options.json
        )


def _add_try(commands: Any, every: argparse.ArgumentParser) -> None:
    command = _command(commands, every, "try")
    command.add_argument("host", help=say("try.help.host"))
    command.add_argument("--report-port", type=_port, default=REPORT, help=say("try.help.report-port"))
    command.add_argument(
        "--deadline", type=_seconds, default=15.0, metavar="S", help=say("try.help.deadline")
    )
    command.set_defaults(run=_run_try)


def _run_try(options: argparse.Namespace) -> int:
    return trial.trial(options.host, options.report_port, options.deadline, json=options.json)


def _add_lab(command: argparse.ArgumentParser) -> None:
    """The options of what runs for as long as its host does."""
    server = os.environ.get("SOCKETLAB_SERVER") or "server"
    command.add_argument("--server", default=server, metavar="HOST", help=say("client.help.server"))
    command.add_argument("--health", type=Path, default=Path(HEALTH_PATH), help=say("client.help.health"))


def _echo_of(server: str) -> list[beats.Target]:
    return [beats.Target("tcp", server, ECHO), beats.Target("udp", server, ECHO)]


def _address(options: argparse.Namespace, option: str) -> str:
    """An address that the tour cannot do without.

    Raises:
        UsageError: it was not given.
    """
    value: str | None = getattr(options, option)
    if not value:
        raise UsageError("client.no-address", option=f"--{option}", variable=_ADDRESSES[option])
    return value


def _target(text: str) -> beats.Target:
    proto, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if host and proto in _PROTOCOLS:
        return beats.Target(_PROTOCOLS[proto], host.removeprefix("[").removesuffix("]"), _port(port))
    raise argparse.ArgumentTypeError(say("error.client.target", seen=ascii(text)))
