"""Opening the sockets that a server serves on.

Theory of operation
    Without an address they are dual stack: one IPv6 socket on `::` that takes IPv4 too (RFC 3493 5.3), or,
    where the machine has no IPv6, one on 0.0.0.0.

    Processes that serve one port together need a socket each, so that the kernel deals out clients among them
    (SO_REUSEPORT, socket(7)). The first is opened without the option and gets it only then, and the others
    join. So a port that another group has is in use, as it should be, and not silently shared with strangers;
    and where the kernel is to choose, it chooses one that is really free (for UDP, where all set the option,
    it counts the sockets of another group as no obstacle). Nothing can come in between and take the port.
"""

import contextlib
import dataclasses
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services import unix_socket
from services.server.errors import OpenError, UsageError
from services.server.socket_options import DEFAULTS, SocketOptions, set_before_bind, share_port

Transport: TypeAlias = Literal["tcp", "udp", "unix-stream", "unix-dgram", "unix-seqpacket"]
_TRANSPORTS: dict[tuple[bool, int], Transport] = {
    (False, socket.SOCK_STREAM): "tcp",
    (False, socket.SOCK_DGRAM): "udp",
    (True, socket.SOCK_STREAM): "unix-stream",
    (True, socket.SOCK_DGRAM): "unix-dgram",
    (True, socket.SOCK_SEQPACKET): "unix-seqpacket",
}
"""By whether it is AF_UNIX, and its kind."""
_ATTEMPTS = 16
"""So often another port is looked for that is free for TCP and for UDP."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where something is served.

    Args:
        name: what.
        transport: `tcp`, `udp`, `unix-stream`, `unix-dgram` or `unix-seqpacket`.
        address: as bound, numeric; of a Unix socket its path, `@name` if it is abstract.
        port: as bound, never 0; of a Unix socket always 0.
    """

    name: str
    transport: Transport
    address: str
    port: int

    @classmethod
    def of(cls, name: str, sock: socket.socket) -> "Bound":
        """Where a bound socket is."""
        is_unix = sock.family == socket.AF_UNIX
        transport = _TRANSPORTS[is_unix, sock.type]
        if is_unix:
            return cls(name, transport, unix_socket.path_of(sock.getsockname()), 0)
        return cls(name, transport, *sock.getsockname()[:2])

    @property
    def is_unix(self) -> bool:
        """Whether it is a Unix socket."""
        return self.transport.startswith("unix")

    def __str__(self) -> str:
        where = self.address if self.is_unix else spelled(self.address, self.port)
        return f"{self.name} {self.transport} {where}"


def spelled(address: str, port: int) -> str:
    """An address and a port as a person writes them: `10.213.7.10:7000`, `[::]:7000` (RFC 3986 3.2.2).

    An IPv4 peer of a dual-stack socket (`::ffff:10.213.7.10`, RFC 4291 2.5.5.2) is written as IPv4.
    """
    if "." in address:
        address = address.removeprefix("::ffff:")
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def open_tcp(
    address: str | None, port: int, backlog: int, options: SocketOptions = DEFAULTS
) -> socket.socket:
    """A socket in the state LISTEN.

    Args:
        address: numeric; None: all addresses, IPv4 and IPv6.
        port: 0: one that is free.
        backlog: of listen(2).
        options: set before it is bound; connections inherit them.

    Raises:
        OpenError: the kernel refused.
    """
    sock = _bound(socket.SOCK_STREAM, address, port, options)
    try:
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise OpenError(_what(socket.SOCK_STREAM, address or "::", port), error) from error
    return sock


def open_udp(address: str | None, port: int, options: SocketOptions = DEFAULTS) -> socket.socket:
    """A bound datagram socket; arguments and errors as of `open_tcp`."""
    return _bound(socket.SOCK_DGRAM, address, port, options)


def open_both(
    address: str | None, port: int, backlog: int, options: SocketOptions = DEFAULTS
) -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket on the same port; arguments and errors as of `open_tcp`.

    Args:
        address: as above.
        port: 0: one that is free for both.
        backlog: as above.
        options: as above.
    """
    [stream], [datagram] = open_both_groups(address, port, backlog, options)
    return stream, datagram


def open_tcp_group(
    address: str | None, port: int, backlog: int, options: SocketOptions = DEFAULTS, count: int = 1
) -> list[socket.socket]:
    """Sockets in the state LISTEN on one address and port, among which the kernel deals out connections.

    Args:
        address: as of `open_tcp`.
        port: as of `open_tcp`.
        backlog: of each.
        options: of each.
        count: how many; one alone does not share its port.

    Raises:
        OpenError: the kernel refused; then none is left open.
    """
    return _with_others(open_tcp(address, port, backlog, options), backlog, options, count)


def open_udp_group(
    address: str | None, port: int, options: SocketOptions = DEFAULTS, count: int = 1
) -> list[socket.socket]:
    """Datagram sockets on one address and port, among which the kernel deals out peers.

    Arguments and errors as of `open_tcp_group`. A peer's datagrams all go to one of them, while none is
    opened or closed.
    """
    return _with_others(open_udp(address, port, options), None, options, count)


def open_both_groups(
    address: str | None, port: int, backlog: int, options: SocketOptions = DEFAULTS, count: int = 1
) -> tuple[list[socket.socket], list[socket.socket]]:
    """Such sockets of TCP, and as many of UDP, on the same port.

    Arguments and errors as of `open_tcp_group`; the kernel only looks for a port that is free for TCP, so
    where UDP has it another one is tried.
    """
    for attempt in range(_ATTEMPTS):
        streams = open_tcp_group(address, port, backlog, options, count)
        try:
            return streams, open_udp_group(address, streams[0].getsockname()[1], options, count)
        except OpenError:
            _close(streams)
            if port or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError  # the last attempt has returned or raised


def open_unix(
    kind: socket.SocketKind, path: str, backlog: int, options: SocketOptions = DEFAULTS
) -> socket.socket:
    """A Unix socket: in the state LISTEN, or, of the datagram kind, bound.

    The file that a killed server has left is replaced. Its mode is 0777 without the umask (`unix_socket`).

    Args:
        kind: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET.
        path: `@name`: an abstract one.
        backlog: of listen(2).
        options: as of `open_tcp`.

    Raises:
        OpenError: the kernel refused; EADDRINUSE: a living server is there.
    """
    what = f"{_TRANSPORTS[True, kind]} {path}"
    try:
        sock = socket.socket(socket.AF_UNIX, kind)
    except OSError as error:
        raise OpenError(what, error) from error
    try:
        set_before_bind(sock, options)
        unix_socket.bind(sock, path)
        if kind != socket.SOCK_DGRAM:
            sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise OpenError(what, error) from error
    return sock


def remove_unix(bound: Bound) -> None:
    """Remove the file of a Unix socket that this process has opened; nothing to do for others.

    If the path is another server's by now, it stays.
    """
    if bound.is_unix:
        with contextlib.suppress(OSError):  # of a folder that is gone, or not ours any more
            unix_socket.remove(bound.address)


def _with_others(
    first: socket.socket, backlog: int | None, options: SocketOptions, count: int
) -> list[socket.socket]:
    """The first and, where there are to be more, those that join it on its port; None: they do not listen."""
    group = [first]
    if count == 1:
        return group
    where = first.getsockname()
    sharing = dataclasses.replace(options, reuse_port=True)
    try:
        share_port(first)
        while len(group) < count:
            group.append(_bound_to(first.type, first.family, where, sharing))
            if backlog is not None:
                group[-1].listen(backlog)
    except OSError as error:
        _close(group)
        raise OpenError(_what(first.type, *where[:2]), error) from error
    return group


def _bound(kind: socket.SocketKind, address: str | None, port: int, options: SocketOptions) -> socket.socket:
    if address is not None:
        return _bound_at(kind, address, port, options)
    try:
        return _bound_at(kind, "::", port, options)
    except OpenError as error:
        if options.v6_only or not error.no_such_address:
            raise
    return _bound_at(kind, "0.0.0.0", port, options)


def _bound_at(kind: socket.SocketKind, address: str, port: int, options: SocketOptions) -> socket.socket:
    family, sockaddr = _resolved(kind, address, port)
    try:
        return _bound_to(kind, family, sockaddr, options)
    except OSError as error:
        raise OpenError(_what(kind, address, port), error) from error


def _bound_to(kind: int, family: int, sockaddr: tuple[object, ...], options: SocketOptions) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        set_before_bind(sock, options)
        sock.bind(sockaddr)
    except OSError:
        sock.close()
        raise
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


def _what(kind: int, address: str, port: int) -> str:
    return f"{_TRANSPORTS[False, kind]} {spelled(address, port)}"


def _close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
