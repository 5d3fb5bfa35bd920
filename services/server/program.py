"""One run of the server: open everything, say ready, serve until asked to stop, drain, end.

Theory of operation
    The main thread does nothing but wait for a signal. The first SIGTERM or SIGINT asks every thread to stop
    (`waiting`): listeners close, connections finish what is in flight. The second ends the process at once.
    Services close before connections are waited for, so nobody new gets in meanwhile.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from services import ports
from services.protocol.served import SERVED
from services.server.datagram import DatagramServer
from services.server.lab import open_lab
from services.server.listeners import open_both, open_tcp, open_udp
from services.server.log import log
from services.server.readiness import Readiness
from services.server.service import Limits, Program, Service
from services.server.threaded import StreamServer, converse


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for.

    Args:
        lab: serve every exhibit, and not one protocol.
        protocol: name of the one.
        transport: `tcp`, `udp` or `both`.
        address: numeric; None: all addresses.
        port: 0: one that is free. Of the lab: where ECHO is, with the others at their distance from it.
        backlog: of listen(2).
        drain: seconds for what is in flight when the stop is asked.
        health: path of the Unix socket of the health answer; None: there is none.
        limits: what a peer may cost.
    """

    lab: bool
    protocol: str
    transport: str
    address: str | None
    port: int
    backlog: int
    drain: float
    health: str | None
    limits: Limits


def run(options: Options) -> None:
    """Serve until a signal asks to stop.

    Raises:
        ServerError: something could not be opened; nothing is served then.
    """
    program = Program(options.limits)
    with closing(program.stopping), program.stopping.by_signals(signal.SIGTERM, signal.SIGINT):
        _serve(options, program)
        log("INFO", "stopping", drain=options.drain)
        if left := program.connections.drain(options.drain):
            log("WARNING", "cut", left=left, drain=options.drain)
        log("INFO", "stopped")


def _serve(options: Options, program: Program) -> None:
    """Open, start, wait for the stop, close; the connections go on."""
    with ExitStack() as opened:
        services: list[Service] = []
        for service in _open(options, program):
            opened.callback(service.close)
            services.append(service)
        readiness = Readiness(options.health, services, program) if options.health else None
        if readiness:
            opened.callback(readiness.close)
        opened.callback(program.stopping.ask)  # first of all: nothing closes before its thread has ended
        for service in services:
            service.start()
        if readiness:
            readiness.start()
        log("INFO", "serving", bound=[service.bound for service in services], pid=os.getpid())
        program.stopping.wait()


def _open(options: Options, program: Program) -> Iterator[Service]:
    if options.lab:
        offset = options.port - ports.ECHO

        def port_at(port: int) -> int:
            return port + offset if options.port else 0

        yield from open_lab(options.address, port_at, options.backlog, program)
    else:
        yield from _open_one(options, program)


def _open_one(options: Options, program: Program) -> Iterator[Service]:
    name, served = options.protocol, SERVED[options.protocol]
    stream = datagram = None
    match options.transport:
        case "both":
            stream, datagram = open_both(options.address, options.port, options.backlog)
        case "tcp":
            stream = open_tcp(options.address, options.port, options.backlog)
        case _:
            datagram = open_udp(options.address, options.port)
    if stream:
        yield StreamServer(name, stream, converse(served.connection), program)
    if datagram and served.datagram:
        yield DatagramServer(name, datagram, served.datagram, program)
