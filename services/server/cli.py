"""The server's command line."""

import argparse
import contextlib
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

from services import ports
from services.messages import say
from services.protocol.served import SERVED
from services.server.errors import EXIT_BUG, EXIT_OK, ServerError, UsageError
from services.server.service import Limits

T = TypeVar("T", int, float)
_TRANSPORTS = ("tcp", "udp", "both")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_PORT_MAX = 65535
_BACKLOG_MAX = 2**31 - 1
_CONNECTIONS_MAX = 10_000
_SECONDS_MAX = 86_400.0
_BACKLOG = 128
_DRAIN = 2.0
"""Seconds: more than a quiet connection takes to be found quiet and to say good-bye (`Limits`)."""


class _Parser(argparse.ArgumentParser):
    """Raises what argparse would print, so that errors leave by one way."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("server.usage", why=message)


class _Help(argparse.HelpFormatter):
    """Help of which no word is argparse's own."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        """As in argparse."""
        super().add_usage(usage, actions, groups, prefix or say("server.help.usage"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    try:
        asked, unknown = _parser().parse_known_args(arguments)
        if unknown:
            raise UsageError("server.unknown", seen=" ".join(map(ascii, unknown)))  # noqa: TRY301 - leaves like the others
        _serve(asked)
    except ServerError as error:
        _complain(str(error), debug=debug)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last place where a mistake of ours becomes a sentence
        _complain(say("error.server.bug", why=ascii(error)), debug=debug)
        return EXIT_BUG
    return EXIT_OK


def _serve(asked: argparse.Namespace) -> None:
    if SERVED[asked.protocol].datagram is None and asked.transport != "tcp" and not asked.lab:
        raise UsageError("server.no-datagrams", protocol=asked.protocol)
    # Only now: these import loguru, and `--help` or a mistake need not wait for it.
    from services.server.log import set_up  # noqa: PLC0415
    from services.server.program import Options, run  # noqa: PLC0415

    set_up(asked.log_level, debug=asked.debug)
    run(
        Options(
            lab=asked.lab,
            protocol=asked.protocol,
            transport=asked.transport,
            address=asked.address,
            port=asked.port,
            backlog=asked.backlog,
            drain=asked.drain,
            health=None if asked.no_health else asked.health,
            limits=Limits(connections=asked.max_connections, idle=asked.idle),
        )
    )


def _complain(sentence: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"socketlab-server: {sentence}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python3 -m services.server",
        description=say("server.help.description"),
        formatter_class=_Help,
        add_help=False,
        allow_abbrev=False,
    )
    what = parser.add_argument_group(say("server.help.what"))
    _add(what, "--lab", action="store_true")
    _add(what, "--protocol", type=_one_of(SERVED), default="echo", metavar="|".join(SERVED))
    _add(what, "--transport", type=_one_of(_TRANSPORTS), default="tcp", metavar="|".join(_TRANSPORTS))
    where = parser.add_argument_group(say("server.help.where"))
    _add(where, "--address", metavar="ADDR")
    _add(where, "--port", type=_number(int, 0, _PORT_MAX), default=ports.ECHO, metavar="N")
    _add(where, "--backlog", type=_number(int, 0, _BACKLOG_MAX), default=_BACKLOG, metavar="N")
    bounds = parser.add_argument_group(say("server.help.bounds"))
    defaults = Limits()
    _add(
        bounds,
        "--max-connections",
        type=_number(int, 1, _CONNECTIONS_MAX),
        default=defaults.connections,
        metavar="N",
    )
    _add(bounds, "--idle", type=_number(float, 0.0, _SECONDS_MAX), default=defaults.idle, metavar="SECONDS")
    _add(bounds, "--drain", type=_number(float, 0.0, _SECONDS_MAX), default=_DRAIN, metavar="SECONDS")
    watching = parser.add_argument_group(say("server.help.watching"))
    _add(watching, "--health", default=ports.HEALTH_PATH, metavar="PATH")
    _add(watching, "--no-health", action="store_true")
    _add(watching, "--log-level", type=_one_of(_LEVELS), default="INFO", metavar="|".join(_LEVELS))
    _add(watching, "--debug", action="store_true")
    _add(watching, "--help", action="help")
    return parser


def _add(group: argparse._ArgumentGroup, option: str, **rest: Any) -> None:
    """Add an option with its sentence of the catalogue; `{default}` in it is the option's default."""
    default = rest.get("default")
    shown = f"{default:g}" if isinstance(default, float) else default
    sentence = say(f"server.help.{option.removeprefix('--')}", default=shown)
    group.add_argument(option, help=sentence.replace("%", "%%"), **rest)


def _one_of(names: Collection[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        for name in names:
            if text.lower() == name.lower():
                return name
        raise argparse.ArgumentTypeError(say("server.one-of", expected=", ".join(names), seen=ascii(text)))

    return read


def _number(kind: Callable[[str], T], least: T, most: T) -> Callable[[str], T]:
    def read(text: str) -> T:
        with contextlib.suppress(ValueError):
            if least <= (value := kind(text)) <= most:
                return value
        raise argparse.ArgumentTypeError(say("server.number", least=least, most=most, seen=ascii(text)))

    return read
