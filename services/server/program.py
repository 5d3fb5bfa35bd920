"""One run of the server: open everything, say ready, serve until asked to stop, drain, end.

Theory of operation
    The main thread goes round in a loop (`loop.loop`) that waits for the request to stop, for who asks
    whether the server is ready, and, in some styles, for all clients. The first SIGTERM or SIGINT asks
    everything to stop (`waiting`): listeners close, connections finish what is in flight. The second ends
    the process at once. Services close before connections are waited for, so nobody new gets in meanwhile.
"""

import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Final

from services.protocol.served import SERVED
from services.server import cells
from services.server.lab import open_lab
from services.server.listeners import (
    Bound,
    Transport,
    open_both_groups,
    open_tcp_group,
    open_udp_group,
    open_unix,
    remove_unix,
)
from services.server.log import log
from services.server.loop.pollers import EpollPoller
from services.server.offer import Offer
from services.server.options import Options
from services.server.readiness import Readiness
from services.server.service import Service
from services.server.shared import Program
from services.server.styles.style import Opening
from services.server.styles.table import STYLES

_LAB_CONNECTIONS: Final = 200
_UNIX_KINDS: Final = {
    "unix-stream": socket.SOCK_STREAM,
    "unix-dgram": socket.SOCK_DGRAM,
    "unix-seqpacket": socket.SOCK_SEQPACKET,
}
Serving = Callable[[Sequence[Bound]], None]


def run(options: Options, on_serving: Serving = lambda _: None) -> None:
    """Serve until a signal asks to stop.

    Args:
        options: of the command line.
        on_serving: is told where, once everything is served.

    Raises:
        ServerError: something could not be opened; nothing is served then.
    """
    parts = [] if options.lab else cells.parts(options.style, options.transport)
    styles = [STYLES[style] for style, _ in parts]
    # One loop for all: if a style asks for select(2), the others of this process can live with it.
    poller = next((style.poller for style in styles if style.poller is not EpollPoller), EpollPoller)
    most = min((style.connections for style in styles), default=_LAB_CONNECTIONS)
    program = Program(options.limits, most, poller())
    with closing(program), program.stopping.by_signals(signal.SIGTERM, signal.SIGINT):
        _serve(options, parts, program, on_serving)
        log("INFO", "stopping", drain=options.drain)
        if left := program.drain(options.drain):
            log("WARNING", "cut", left=left, drain=options.drain)
        log("INFO", "stopped")


def _serve(
    options: Options, parts: Sequence[tuple[str, Transport]], program: Program, on_serving: Serving
) -> None:
    """Open, start, wait for the stop, close; the connections go on."""
    with ExitStack() as opened:
        services: list[Service] = []
        for service in open_lab(options, program) if options.lab else _open(options, parts, program):
            opened.callback(_close, service)
            services.append(service)
        readiness = Readiness(options.health, services, program.loop) if options.health else None
        if readiness:
            opened.callback(readiness.close)
        opened.callback(program.stopping.ask)  # first of all: nothing closes before its thread has noticed
        for service in services:
            service.start()
        if readiness:
            readiness.start()
        # What is there now stays: the collector need not look at it again, and forked children share it.
        gc.collect()
        gc.freeze()
        where = [service.bound for service in services]
        log("INFO", "serving", bound=where, pid=os.getpid())
        on_serving(where)
        program.serve()


def _close(service: Service) -> None:
    service.close()
    remove_unix(service.bound)


def _open(options: Options, parts: Sequence[tuple[str, Transport]], program: Program) -> Iterator[Service]:
    """Open one protocol, on one transport or on TCP and UDP."""
    offer = Offer(options.protocol, SERVED.get(options.protocol), options.upstream)
    groups = _open_sockets(options, parts)
    try:
        for (style_name, transport), sockets in zip(parts, tuple(groups), strict=True):
            style = STYLES[style_name]
            opening = Opening(
                offer=offer,
                sockets=sockets,
                program=program,
                workers=_workers(options, style_name),
                drain=options.drain,
            )
            make = style.datagrams if transport in {"udp", "unix-dgram"} else style.streams
            if make is None:  # `cells` has refused it
                raise AssertionError((style_name, transport))
            groups.pop(0)
            yield make(opening)
    finally:
        for sock in (sock for group in groups for sock in group):
            sock.close()


def _workers(options: Options, style: str) -> int:
    return options.workers or cells.default_workers(style) or 1


def _open_sockets(options: Options, parts: Sequence[tuple[str, Transport]]) -> list[list[socket.socket]]:
    """The sockets of each part; of prefork one for each worker."""
    address, port, backlog, rest = options.address, options.port, options.backlog, options.socket
    first = parts[0][0]  # of TCP and UDP together it is the one of TCP that may have workers
    count = _workers(options, first) if STYLES[first].own_sockets else 1
    match [transport for _, transport in parts]:
        case ["tcp", "udp"]:
            return list(open_both_groups(address, port, backlog, rest, count))
        case ["tcp"]:
            return [open_tcp_group(address, port, backlog, rest, count)]
        case ["udp"]:
            return [open_udp_group(address, port, rest, count)]
        case [kind]:
            sock = open_unix(_UNIX_KINDS[kind], options.path or "", backlog, rest)
            return [[sock] * count]
    raise AssertionError(parts)
