"""Opening the sockets that a server serves on.

Without an address they are dual stack: one IPv6 socket on `::` that takes IPv4 too (RFC 3493 5.3), or, where
the machine has no IPv6, one on 0.0.0.0.
"""

import socket
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.server.errors import OpenError, UsageError

Transport: TypeAlias = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True)
class Bound:
    """Where something is served.

    Args:
        name: what.
        transport: `tcp` or `udp`.
        address: as bound, numeric.
        port: as bound, never 0.
    """

    name: str
    transport: Transport
    address: str
    port: int

    @classmethod
    def of(cls, name: str, sock: socket.socket) -> "Bound":
        """Where a bound socket is."""
        transport: Transport = "tcp" if sock.type == socket.SOCK_STREAM else "udp"
        return cls(name, transport, *sock.getsockname()[:2])

    def __str__(self) -> str:
        return f"{self.name} {self.transport} {spelled(self.address, self.port)}"


def spelled(address: str, port: int) -> str:
    """An address and a port as a person writes them: `10.213.7.10:7000`, `[::]:7000` (RFC 3986 3.2.2).

    An IPv4 peer of a dual-stack socket (`::ffff:10.213.7.10`, RFC 4291 2.5.5.2) is written as IPv4.
    """
    if "." in address:
        address = address.removeprefix("::ffff:")
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def open_tcp(address: str | None, port: int, backlog: int) -> socket.socket:
    """A socket in the state LISTEN.

    Args:
        address: numeric; None: all addresses, IPv4 and IPv6.
        port: 0: one that is free.
        backlog: of listen(2).

    Raises:
        OpenError: the kernel refused.
    """
    sock = _bound(socket.SOCK_STREAM, address, port)
    try:
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise OpenError(f"tcp {spelled(address or '::', port)}", error) from error
    return sock


def open_udp(address: str | None, port: int) -> socket.socket:
    """A bound datagram socket; arguments and errors as of `open_tcp`."""
    return _bound(socket.SOCK_DGRAM, address, port)


def open_both(
    address: str | None, port: int, backlog: int, attempts: int = 16
) -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket on the same port; arguments and errors as of `open_tcp`.

    Args:
        address: as above.
        port: 0: one that is free for both; the kernel only looks for one that is free for TCP.
        backlog: as above.
        attempts: so often another one is tried.
    """
    stream = open_tcp(address, port, backlog)
    try:
        return stream, open_udp(address, stream.getsockname()[1])
    except OpenError:
        stream.close()
        if port or attempts == 1:
            raise
    return open_both(address, port, backlog, attempts - 1)


def _bound(kind: socket.SocketKind, address: str | None, port: int) -> socket.socket:
    if address is not None:
        return _bound_to(kind, address, port)
    try:
        return _bound_to(kind, "::", port)
    except OpenError as error:
        if not error.no_such_address:
            raise
    return _bound_to(kind, "0.0.0.0", port)


def _bound_to(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    family, sockaddr = _resolved(kind, address, port)
    what = f"{'tcp' if kind == socket.SOCK_STREAM else 'udp'} {spelled(address, port)}"
    try:
        sock = socket.socket(family, kind)
    except OSError as error:
        raise OpenError(what, error) from error
    try:
        if kind == socket.SOCK_STREAM:
            # A server that is started again must not wait for the TIME_WAIT of its old connections.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(sockaddr)
    except OSError as error:
        sock.close()
        raise OpenError(what, error) from error
    return sock


def _resolved(
    kind: socket.SocketKind, address: str, port: int
) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    """A numeric address only: a name has several, and which of them would be bound?"""
    try:
        found = socket.getaddrinfo(
            address, port, type=kind, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV | socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise UsageError("server.address", seen=ascii(address)) from error
    family, _, _, _, sockaddr = found[0]
    return family, sockaddr
