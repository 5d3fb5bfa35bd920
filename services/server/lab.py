"""Everything the lab's server host shows, in one process: the ports of `services.ports`.

Nothing is served on `ports.CLOSED`, and what stands behind a firewall is an ordinary server: the server does
not know of the faults that the host's agent puts before it.
"""

from collections.abc import Callable, Iterator

from services import ports
from services.protocol.chat import ChatServing
from services.protocol.echo import EchoServing, echo_datagram
from services.server.datagram import DatagramServer
from services.server.errors import OpenError
from services.server.exhibits import FullBacklog, keep_silent, reset
from services.server.killed import KilledServer
from services.server.listeners import open_both, open_tcp
from services.server.log import log
from services.server.service import Program, Service
from services.server.threaded import Handler, StreamServer, converse

_ECHO = converse(EchoServing)
_STREAMS: tuple[tuple[str, int, Handler], ...] = (
    ("chat", ports.CHAT, converse(ChatServing)),
    ("dropped", ports.DROPPED, _ECHO),
    ("rejected-rst", ports.REJECTED_RST, _ECHO),
    ("rejected-icmp", ports.REJECTED_ICMP, _ECHO),
    ("resets", ports.RESETS, reset),
)
_LOOPBACKS = ("127.0.0.1", "::1")


def no_answer(_: bytes) -> None:
    """The answer of the silent datagram server."""


def open_lab(
    address: str | None, port_at: Callable[[int], int], backlog: int, program: Program
) -> Iterator[Service]:
    """Open every exhibit, one after another.

    Args:
        address: numeric, for all but `LOOPBACK_ONLY`; None: all addresses.
        port_at: where a port of `services.ports` is opened: there, or elsewhere so that labs can stand side
            by side; 0 is one that is free.
        backlog: of the listeners that accept.
        program: what the process shares.

    Raises:
        OpenError: the kernel refused.
        ServerError: an exhibit does not show what it should.
    """
    echo, echo_udp = open_both(address, port_at(ports.ECHO), backlog)
    yield StreamServer("echo", echo, _ECHO, program)
    yield DatagramServer("echo", echo_udp, echo_datagram, program)
    silent, silent_udp = open_both(address, port_at(ports.SILENT), backlog)
    yield StreamServer("silent", silent, keep_silent, program)
    yield DatagramServer("silent", silent_udp, no_answer, program)
    for name, port, handler in _STREAMS:
        yield StreamServer(name, open_tcp(address, port_at(port), backlog), handler, program)
    yield from _open_loopback_only(port_at(ports.LOOPBACK_ONLY), backlog, program)
    yield FullBacklog("backlog-full", address, port_at(ports.BACKLOG_FULL))
    yield KilledServer("killed", open_tcp(address, port_at(ports.KILLED), backlog), program)


def _open_loopback_only(port: int, backlog: int, program: Program) -> Iterator[Service]:
    """The same port on both loopback addresses, or on the one that the machine has."""
    for address in _LOOPBACKS:
        try:
            listener = open_tcp(address, port, backlog)
        except OpenError as error:
            if not error.no_such_address:
                raise
            log("WARNING", "no-loopback", address=address)
            continue
        port = listener.getsockname()[1]
        yield StreamServer("loopback-only", listener, _ECHO, program)
