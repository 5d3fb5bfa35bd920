"""Everything the lab's server host shows, in one process: the ports of `services.ports`.

Nothing is served on `ports.CLOSED`, and what stands behind a firewall is an ordinary server: the server does
not know of the faults that the host's agent puts before it.
"""

import socket
from collections.abc import Hashable, Iterator
from typing import Final

from services import ports
from services.protocol.served import SERVED
from services.server.blocking.datagrams import DatagramServer
from services.server.blocking.handlers import datagrams_of, handler_of
from services.server.blocking.peer import Handler
from services.server.datagram_socket import DatagramSocket
from services.server.errors import OpenError
from services.server.exhibits import FullBacklog, keep_silent, reset
from services.server.killed import KilledServer
from services.server.listeners import open_both, open_tcp
from services.server.log import log
from services.server.offer import Offer
from services.server.options import Options
from services.server.service import Service
from services.server.shared import Program
from services.server.styles.threaded import ThreadedServer

_ECHO: Final = Offer("echo", SERVED["echo"])
_STREAMS: Final[tuple[tuple[str, int, Handler], ...]] = (
    ("chat", ports.CHAT, handler_of(Offer("chat", SERVED["chat"]))),
    ("dropped", ports.DROPPED, handler_of(_ECHO)),
    ("rejected-rst", ports.REJECTED_RST, handler_of(_ECHO)),
    ("rejected-icmp", ports.REJECTED_ICMP, handler_of(_ECHO)),
    ("resets", ports.RESETS, reset),
)
_LOOPBACKS: Final = ("127.0.0.1", "::1")


class SilentDatagrams:
    """Takes every datagram and answers none."""

    due: Final = None

    def receive(self, _datagram: bytes, _peer: Hashable) -> None:
        """Nothing is answered."""

    def tick(self) -> list[tuple[Hashable, bytes]]:
        """Nothing is ever due."""
        return []


def open_lab(options: Options, program: Program) -> Iterator[Service]:
    """Open every exhibit, one after another.

    Args:
        options: `address` is for all but `LOOPBACK_ONLY`. `port` is where ECHO is opened, with the others at
            their distance from it, so that labs can stand side by side; 0: each where one is free.
        program: what the process shares.

    Raises:
        OpenError: the kernel refused.
        ServerError: an exhibit does not show what it should.
    """
    offset = options.port - ports.ECHO

    def port_at(port: int) -> int:
        return port + offset if options.port else 0

    def listen(port: int) -> socket.socket:
        return open_tcp(options.address, port_at(port), options.backlog, options.socket)

    def listen_both(port: int) -> tuple[socket.socket, socket.socket]:
        return open_both(options.address, port_at(port), options.backlog, options.socket)

    echo, echo_udp = listen_both(ports.ECHO)
    yield ThreadedServer("echo", echo, handler_of(_ECHO), program)
    yield DatagramServer(DatagramSocket("echo", echo_udp), datagrams_of(_ECHO, program.stopping), program)
    silent, silent_udp = listen_both(ports.SILENT)
    yield ThreadedServer("silent", silent, keep_silent, program)
    yield DatagramServer(DatagramSocket("silent", silent_udp), SilentDatagrams(), program)
    for name, port, handler in _STREAMS:
        yield ThreadedServer(name, listen(port), handler, program)
    yield from _open_loopback_only(port_at(ports.LOOPBACK_ONLY), options, program)
    yield FullBacklog("backlog-full", options.address, port_at(ports.BACKLOG_FULL))
    yield KilledServer("killed", listen(ports.KILLED), program)


def _open_loopback_only(port: int, options: Options, program: Program) -> Iterator[Service]:
    """The same port on both loopback addresses, or on the one that the machine has."""
    for address in _LOOPBACKS:
        try:
            listener = open_tcp(address, port, options.backlog, options.socket)
        except OpenError as error:
            if not error.no_such_address:
                raise
            log("WARNING", "no-loopback", address=address)
            continue
        port = listener.getsockname()[1]
        yield ThreadedServer("loopback-only", listener, handler_of(_ECHO), program)
