"""What a server can be: the table of every style with every protocol on every way to it.

A cell is one server, and the way that its clients take. The tests of this folder name the cells that they
run in. Each cell has its conversation in every run. What else is tested goes over one way of each kind, and
with --full over all of them. Nothing is left out silently: `test_cells.py` holds the table against the
program's own.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pytest


@dataclass(frozen=True, slots=True)
class Way:
    """A transport, and how a client gets there.

    Args:
        name: as the tests show it.
        transport: of the command line.
        family: of the client's socket.
        kind: of the client's socket.
        bind: what the server binds; None: all addresses, or, of AF_UNIX, a path.
        call: what the client calls; empty: the server's path.
    """

    name: str
    transport: str
    family: socket.AddressFamily
    kind: socket.SocketKind
    bind: str | None = None
    call: str = ""

    @property
    def is_unix(self) -> bool:
        """Whether it is AF_UNIX."""
        return self.family == socket.AF_UNIX

    @property
    def is_tcp(self) -> bool:
        """Whether there are RST, TIME_WAIT and windows."""
        return self.transport == "tcp"


_V4, _V6, _UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
_STREAM, _DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM

TCP4: Final = Way("tcp4", "tcp", _V4, _STREAM, "127.0.0.1", "127.0.0.1")
# One socket for both families (RFC 3493 5.3): to it, a client of IPv4 is one of ::ffff:127.0.0.1.
DUAL4: Final = Way("dual4", "tcp", _V4, _STREAM, None, "127.0.0.1")
TCP6: Final = Way("tcp6", "tcp", _V6, _STREAM, None, "::1")
UNIX: Final = Way("unix", "unix-stream", _UNIX, _STREAM)
PACKETS: Final = Way("packets", "unix-seqpacket", _UNIX, socket.SOCK_SEQPACKET)
UDP4: Final = Way("udp4", "udp", _V4, _DATAGRAM, "127.0.0.1", "127.0.0.1")
UDP6: Final = Way("udp6", "udp", _V6, _DATAGRAM, "::1", "::1")
# Bound to all addresses, and asked at one that the kernel would not answer from by itself.
UDP_DUAL4: Final = Way("udp-dual4", "udp", _V4, _DATAGRAM, None, "127.0.0.77")
UDP_DUAL6: Final = Way("udp-dual6", "udp", _V6, _DATAGRAM, None, "::1")
UNIX_DATAGRAMS: Final = Way("unix-datagrams", "unix-dgram", _UNIX, _DATAGRAM)

STREAM_WAYS: Final = (TCP4, DUAL4, TCP6, UNIX)
UDP_WAYS: Final = (UDP4, UDP6, UDP_DUAL4, UDP_DUAL6)

_FIRST_WAYS: Final = (TCP4, PACKETS, UDP4, UNIX_DATAGRAMS)
"""One of each kind."""

STREAM_STYLES: Final = ("iterative", "threaded", "pool", "forking", "prefork", "select", "epoll", "asyncio")
PACKET_STYLES: Final = ("iterative", "threaded")
UDP_STYLES: Final = ("iterative", "prefork", "select", "epoll", "asyncio")
UNIX_DATAGRAM_STYLES: Final = ("iterative", "select", "epoll", "asyncio")
STREAM_PROTOCOLS: Final = ("echo", "chat", "framed", "relay")
PACKET_PROTOCOLS: Final = ("echo", "chat", "framed")
DATAGRAM_PROTOCOLS: Final = ("echo", "framed", "relay")

SMALL_BUFFERS: Final = ("--receive-buffer", "65536", "--send-buffer", "65536")
"""Of a TCP server: the kernel would adapt them, and hold tens of MB for a client that does not read."""
IN_BACKLOG: Final = ("iterative", "pool")
"""Styles with a fixed number of turns: whoever comes when all are taken waits in the backlog."""
WITH_CHILDREN: Final = ("forking", "prefork")


@dataclass(frozen=True, slots=True)
class Cell:
    """One server, and how its clients reach it.

    Args:
        style: as the command line has it.
        way: to it.
        protocol: that it serves; `relay`: an echo server behind it does.
        more: of its command line.
    """

    style: str
    way: Way
    protocol: str
    more: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.style}-{self.way.name}-{self.protocol}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of the server, without what is different each time; cells with the same ones may share it."""
        way = self.way
        address = () if way.bind is None else ("--address", way.bind)
        kind = ("--style", self.style, "--protocol", self.protocol, "--transport", way.transport)
        return (*kind, *address, *self.more)

    @property
    def one_at_a_time(self) -> bool:
        """Whether a second client waits until the first has gone."""
        return self.style == "iterative" and self.way.kind != _DATAGRAM


def cells(styles: Iterable[str], ways: Iterable[Way], protocols: Iterable[str], *more: str) -> list[Cell]:
    """Every style with every way and every protocol, with the same rest of the command line."""
    ways, protocols = tuple(ways), tuple(protocols)
    return [Cell(style, way, protocol, more) for style in styles for way in ways for protocol in protocols]


STREAMS: Final = [
    *cells(STREAM_STYLES, STREAM_WAYS, STREAM_PROTOCOLS),
    *cells(PACKET_STYLES, [PACKETS], PACKET_PROTOCOLS),
]
"""Every cell of connections."""
DATAGRAMS: Final = [
    *cells(UDP_STYLES, UDP_WAYS, DATAGRAM_PROTOCOLS),
    *cells(UNIX_DATAGRAM_STYLES, [UNIX_DATAGRAMS], DATAGRAM_PROTOCOLS),
]
"""Every cell of datagrams."""


def of(protocol: str, among: Iterable[Cell] = STREAMS) -> list[Cell]:
    """Those that serve this protocol."""
    return [cell for cell in among if cell.protocol == protocol]


def in_cells(among: Iterable[Cell], *, always: bool = False) -> pytest.MarkDecorator:
    """Run a test in each of these cells; its server is the fixture `place`.

    Args:
        among: the cells.
        always: in all of them in every run; else over the other ways to the same server with --full only.
    """
    params = [
        pytest.param(cell, marks=() if always or cell.way in _FIRST_WAYS else (pytest.mark.full,))
        for cell in among
    ]
    return pytest.mark.parametrize("place", params, indirect=True, ids=str)
