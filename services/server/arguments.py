"""The server's command line: what it takes, what it says of each option, and what it makes of them.

The sentences stand in the catalogue under `server.help`, one for each option.
"""

import argparse
import contextlib
import dataclasses
import os
import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from services import ports
from services.messages import say
from services.server.cells import (
    CELLS,
    DEFAULT_PROTOCOL,
    DEFAULT_TRANSPORT,
    PROTOCOLS,
    TRANSPORTS,
    default_workers,
    refuse_impossible,
)
from services.server.errors import UsageError
from services.server.options import Options, Upstream
from services.server.pid_file import default_path
from services.server.service import Limits
from services.server.socket_options import Keepalive, SocketOptions
from services.unix_socket import LONGEST

T = TypeVar("T", int, float)
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
_PORT_MAX: Final = 65535
_INT_MAX: Final = 2**31 - 1
"""Of a C int, which listen(2) and most socket options take."""
_BYTES_MAX: Final = 2**30
"""The kernel doubles what it is asked for."""
_CONNECTIONS_MAX: Final = 100_000
_WORKERS_MAX: Final = 1000
_SECONDS_MAX: Final = 86_400
_KEEPALIVE_MAX: Final = (32_767, 32_767, 127)
"""Of TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT (MAX_TCP_KEEPIDLE and its like in linux/tcp.h)."""
_BACKLOG: Final = 128
_DRAIN: Final = 2.0
"""Seconds: more than a quiet connection takes to be found quiet and to say good-bye (`Limits`)."""
_COLUMNS: Final = 80
_INDENT: Final = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """How it runs as a daemon.

    Args:
        pid_file: says which process it is.
        log_file: takes its standard output and error; None: nothing does.
    """

    pid_file: Path
    log_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command line that makes sense.

    Args:
        options: what to serve, and how.
        background: None: in the foreground.
        log_level: name of the lowest level that is logged.
        debug: show the traceback of an error.
    """

    options: Options
    background: Background | None
    log_level: str
    debug: bool


def parse(arguments: Sequence[str]) -> Command:
    """Read a command line.

    Args:
        arguments: without the program's name.

    Raises:
        UsageError: it makes no sense; the sentence says why.
        SystemExit: it asked for the help, which has been printed.
    """
    asked, unknown = _parser().parse_known_args(arguments)
    if unknown:
        raise UsageError("server.unknown", seen=" ".join(map(ascii, unknown)))
    options = _options(asked)
    refuse_impossible(options)
    background = _background(asked)
    if background:
        options = _in_absolute_paths(options)
    return Command(options=options, background=background, log_level=asked.log_level, debug=asked.debug)


def _options(asked: argparse.Namespace) -> Options:
    return Options(
        lab=asked.lab,
        style=asked.style,
        protocol=asked.protocol,
        transport=asked.transport,
        address=asked.address,
        port=asked.port,
        path=asked.path,
        workers=asked.workers,
        upstream=_upstream(asked),
        backlog=asked.backlog,
        socket=SocketOptions(
            reuse_addr=not asked.no_reuse_addr,
            reuse_port=asked.reuse_port,
            v6_only=asked.v6_only,
            nodelay=not asked.no_nodelay,
            keepalive=asked.keepalive,
            linger=asked.linger,
            receive_buffer=asked.receive_buffer,
            send_buffer=asked.send_buffer,
            user_timeout=asked.user_timeout,
        ),
        drain=asked.drain,
        health=None if asked.no_health else asked.health,
        limits=Limits(
            connections=asked.max_connections,
            idle=asked.idle,
            handshake=asked.handshake,
            message=asked.message,
        ),
    )


def _upstream(asked: argparse.Namespace) -> Upstream | None:
    upstream: Upstream | None = asked.upstream
    times = {"connect": asked.upstream_connect, "answer": asked.upstream_answer}
    given = {name: seconds for name, seconds in times.items() if seconds is not None}
    if upstream:
        return dataclasses.replace(upstream, **given)
    if given:
        raise UsageError("server.belongs-to", option=f"--upstream-{next(iter(given))}", to="--upstream")
    return None


def _background(asked: argparse.Namespace) -> Background | None:
    if asked.daemon:
        return Background(pid_file=asked.pid_file or default_path(), log_file=asked.log_file)
    for option, given in (("--pid-file", asked.pid_file), ("--log-file", asked.log_file)):
        if given:
            raise UsageError("server.belongs-to", option=option, to="--daemon")
    return None


def _in_absolute_paths(options: Options) -> Options:
    """The same for a daemon, which has another working directory than its starter."""
    upstream = options.upstream
    if upstream and upstream.path:
        upstream = dataclasses.replace(upstream, path=_absolute(upstream.path))
    return dataclasses.replace(
        options,
        path=options.path and _absolute(options.path),
        health=options.health and _absolute(options.health),
        upstream=upstream,
    )


def _absolute(path: str) -> str:
    return path if path.startswith("@") else _unix_path(os.path.join(os.getcwd(), path))  # noqa: PTH109, PTH118 - a name, which pathlib would change


class _Parser(argparse.ArgumentParser):
    """Raises what argparse would print, so that errors leave by one way."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("server.usage", why=message)


class _Help(argparse.HelpFormatter):
    """Help of which no word is argparse's own, and that is not wider than a page, nor cuts a word in two."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_INDENT)
        self._width = min(self._width, _COLUMNS - 2)

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        """As in argparse."""
        super().add_usage(usage, actions, groups, prefix or say("server.help.usage"))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """What has lines of its own keeps them."""
        return text if "\n" in text else super()._fill_text(text, width, indent)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python3 -m services.server",
        usage=say("server.help.synopsis"),
        description=say("server.help.description"),
        epilog=say("server.help.examples"),
        formatter_class=_Help,
        add_help=False,
        allow_abbrev=False,
    )
    for title, add in (
        ("what", _add_what),
        ("where", _add_where),
        ("sockets", _add_sockets),
        ("relaying", _add_relaying),
        ("bounds", _add_bounds),
        ("background", _add_background),
        ("watching", _add_watching),
    ):
        add(parser.add_argument_group(say(f"server.help.{title}")))
    return parser


def _add_what(group: argparse._ArgumentGroup) -> None:
    _add(group, "--lab", action="store_true")
    _add(group, "--style", type=_one_of(CELLS), metavar="STYLE")
    _add(group, "--protocol", type=_one_of(PROTOCOLS), default=DEFAULT_PROTOCOL, metavar="NAME")
    _add(group, "--transport", type=_one_of(TRANSPORTS), default=DEFAULT_TRANSPORT, metavar="NAME")
    _add(
        group,
        "--workers",
        {"pool": default_workers("pool"), "prefork": default_workers("prefork")},
        type=_number(int, 1, _WORKERS_MAX),
        metavar="N",
    )


def _add_where(group: argparse._ArgumentGroup) -> None:
    _add(group, "--address", metavar="ADDR")
    _add(group, "--port", type=_number(int, 0, _PORT_MAX), default=ports.ECHO, metavar="N")
    _add(group, "--path", type=_unix_path, metavar="PATH")
    _add(group, "--backlog", type=_number(int, 0, _INT_MAX), default=_BACKLOG, metavar="N")


def _add_sockets(group: argparse._ArgumentGroup) -> None:
    _add(group, "--no-reuse-addr", action="store_true")
    _add(group, "--reuse-port", action="store_true")
    _add(group, "--v6-only", action="store_true")
    _add(group, "--no-nodelay", action="store_true")
    _add(group, "--keepalive", type=_keepalive, metavar="IDLE:INTERVAL:COUNT")
    _add(group, "--linger", type=_number(int, 0, _SECONDS_MAX), metavar="S")
    _add(group, "--receive-buffer", type=_number(int, 1, _BYTES_MAX), metavar="BYTES")
    _add(group, "--send-buffer", type=_number(int, 1, _BYTES_MAX), metavar="BYTES")
    _add(group, "--user-timeout", type=_number(float, 0.001, _SECONDS_MAX), metavar="S")


def _add_relaying(group: argparse._ArgumentGroup) -> None:
    seconds = _number(float, 0.001, _SECONDS_MAX)
    _add(group, "--upstream", type=_upstream_address, metavar="WHERE")
    _add(group, "--upstream-connect", {"default": f"{Upstream().connect:g}"}, type=seconds, metavar="S")
    _add(group, "--upstream-answer", {"default": f"{Upstream().answer:g}"}, type=seconds, metavar="S")


def _add_bounds(group: argparse._ArgumentGroup) -> None:
    limits, seconds = Limits(), _number(float, 0.0, _SECONDS_MAX)
    _add(group, "--max-connections", type=_number(int, 1, _CONNECTIONS_MAX), metavar="N")
    _add(group, "--idle", type=seconds, default=limits.idle, metavar="S")
    _add(group, "--handshake", type=seconds, default=limits.handshake, metavar="S")
    _add(group, "--message", type=seconds, default=limits.message, metavar="S")
    _add(group, "--drain", type=seconds, default=_DRAIN, metavar="S")


def _add_background(group: argparse._ArgumentGroup) -> None:
    _add(group, "--daemon", action="store_true")
    _add(group, "--pid-file", {"default": default_path()}, type=Path, metavar="PATH")
    _add(group, "--log-file", type=Path, metavar="PATH")


def _add_watching(group: argparse._ArgumentGroup) -> None:
    _add(group, "--health", type=_unix_path, default=ports.HEALTH_PATH, metavar="PATH")
    _add(group, "--no-health", action="store_true")
    _add(group, "--log-level", type=_one_of(_LEVELS), default="INFO", metavar="|".join(_LEVELS))
    _add(group, "--debug", action="store_true")
    _add(group, "--help", action="help")


def _add(
    group: argparse._ArgumentGroup, option: str, fields: dict[str, object] | None = None, /, **rest: Any
) -> None:
    """Add an option with its sentence of the catalogue.

    Args:
        group: to which.
        option: with its dashes.
        fields: of the sentence; without them it has `{default}`, the option's own.
        rest: as of argparse.
    """
    default = rest.get("default")
    shown = f"{default:g}" if isinstance(default, float) else default
    sentence = say(f"server.help.{option.removeprefix('--')}", **(fields or {"default": shown}))
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


def _keepalive(text: str) -> Keepalive:
    with contextlib.suppress(ValueError):
        idle, interval, count = numbers = [int(part) for part in text.split(":")]
        if all(1 <= number <= most for number, most in zip(numbers, _KEEPALIVE_MAX, strict=True)):
            return Keepalive(idle, interval, count)
    raise argparse.ArgumentTypeError(say("server.keepalive-form", seen=ascii(text)))


def _upstream_address(text: str) -> Upstream:
    try:
        upstream = Upstream.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(say("server.upstream-form", seen=ascii(text))) from None
    if upstream.path:
        _unix_path(upstream.path)
    return upstream


def _unix_path(text: str) -> str:
    if text in {"", "@"} or "\0" in text or len(os.fsencode(text)) > LONGEST:
        raise UsageError("server.path", limit=LONGEST, seen=ascii(text))
    return text
