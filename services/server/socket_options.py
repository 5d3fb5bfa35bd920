"""The socket options that a server sets, and where each of them makes sense.

Theory of operation
    All are set once, before bind(2), on the socket that listens or takes datagrams, never on a connection:
    Linux copies them from a TCP listener to every socket that accept() gives, so setsockopt() for each
    client would only cost a call (a test looks at each). Buffers must be set there anyway: the window scale
    is agreed upon in the SYNs (RFC 7323 2.2), before accept(), and does not grow with a buffer set later.

    On AF_UNIX nothing is copied, and there is no wire that the options of TCP could change. An option that
    was asked for and would do nothing is refused: whoever asks expects an effect.
"""

import contextlib
import math
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.messages import say
from services.server.errors import UsageError

if TYPE_CHECKING:
    from services.server.listeners import Transport

_LINGER = struct.Struct("@ii")
"""`struct linger` of socket(7): on or off, and for how many seconds."""


@dataclass(frozen=True, slots=True)
class Keepalive:
    """When a silent peer is asked whether it is still there (RFC 1122 4.2.3.6, tcp(7)).

    Args:
        idle: seconds without a word until the first probe.
        interval: seconds between probes.
        count: probes without an answer, after which the connection ends with ETIMEDOUT.
    """

    idle: int
    interval: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketOptions:
    """What is set on every socket that serves, where it makes sense.

    Args:
        reuse_addr: SO_REUSEADDR of TCP: bind although old connections of the port are in TIME_WAIT.
        reuse_port: SO_REUSEPORT: share the port with other sockets that say so, and with their clients.
        v6_only: IPV6_V6ONLY: an IPv6 socket takes no IPv4.
        nodelay: TCP_NODELAY: no waiting for more to send (Nagle, RFC 896).
        keepalive: SO_KEEPALIVE and its times; None: a silent peer is never asked.
        linger: SO_LINGER, in whole seconds: so long close() waits until the peer has it all. 0: it sends RST.
        receive_buffer: SO_RCVBUF, bytes; None: the kernel adapts it.
        send_buffer: SO_SNDBUF, bytes; None: the kernel adapts it.
        user_timeout: TCP_USER_TIMEOUT (RFC 5482), seconds that sent data may stay without an ACK.
    """

    reuse_addr: bool = True
    reuse_port: bool = False
    v6_only: bool = False
    nodelay: bool = True
    keepalive: Keepalive | None = None
    linger: int | None = None
    receive_buffer: int | None = None
    send_buffer: int | None = None
    user_timeout: float | None = None


DEFAULTS = SocketOptions()

_TCP: frozenset["Transport"] = frozenset(("tcp",))
_INTERNET: frozenset["Transport"] = frozenset(("tcp", "udp"))
_TRANSPORTS: dict[str, frozenset["Transport"]] = {
    "reuse_addr": _TCP,
    "reuse_port": _INTERNET,
    "v6_only": _INTERNET,
    "nodelay": _TCP,
    "keepalive": _TCP,
    "linger": _TCP,
    "receive_buffer": _INTERNET,
    "send_buffer": _INTERNET | {"unix-dgram"},
    "user_timeout": _TCP,
}
"""Where an option does something. SO_REUSEADDR is not for UDP: there another socket could take the port."""


def refuse_senseless(
    options: SocketOptions, transports: Collection["Transport"], address: str | None
) -> None:
    """Look whether each option that was asked for does something.

    Args:
        options: those that differ from the default were asked for.
        transports: that are served; an option must make sense for one of them.
        address: numeric; None: all addresses.

    Raises:
        UsageError: one does nothing; it says why.
    """
    for name, sense in _TRANSPORTS.items():
        if getattr(options, name) != getattr(DEFAULTS, name) and not sense.intersection(transports):
            raise UsageError(
                "server.option-transport",
                option=spelled_option(name),
                transport=", ".join(transports),
                why=say(f"server.no-effect.{name.replace('_', '-')}"),
                those=", ".join(sorted(sense)),
            )
    if options.v6_only and address is not None and ":" not in address:
        raise UsageError("server.v6-only-ipv4", seen=ascii(address))


def spelled_option(name: str) -> str:
    """A field of `SocketOptions` as the command line has it when it differs from its default."""
    switched_off = getattr(DEFAULTS, name) is True
    return f"--{'no-' if switched_off else ''}{name.replace('_', '-')}"


def set_before_bind(sock: socket.socket, options: SocketOptions = DEFAULTS) -> None:
    """Set what makes sense for this socket. Connections that it accepts inherit it.

    Args:
        sock: neither bound nor listening.
        options: what to set.

    Raises:
        OSError: the kernel refused one.
    """
    if sock.family == socket.AF_UNIX:
        if sock.type == socket.SOCK_DGRAM:
            _set_buffers(sock, options)
        return
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options.v6_only)
    if options.reuse_port:
        share_port(sock)
    _set_buffers(sock, options)
    if sock.type == socket.SOCK_STREAM:
        for level, option, value in _of_tcp(options):
            sock.setsockopt(level, option, value)


def reset_on_close(sock: socket.socket) -> None:
    """Have close() send a RST instead of a FIN (socket(7)). What the peer has not read yet is lost to it."""
    with contextlib.suppress(OSError):  # it is reset already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(1, 0))


def resets_on_close(sock: socket.socket) -> bool:
    """Whether close() sends a RST (SO_LINGER of 0 seconds).

    Raises:
        OSError: the connection is reset already.
    """
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.size) == _LINGER.pack(1, 0)


def share_port(sock: socket.socket) -> None:
    """Let other sockets of this user, which say so too, bind the same address and port (SO_REUSEPORT)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _set_buffers(sock: socket.socket, options: SocketOptions) -> None:
    for option, size in (
        (socket.SO_RCVBUF, options.receive_buffer),
        (socket.SO_SNDBUF, options.send_buffer),
    ):
        if size is not None:
            sock.setsockopt(socket.SOL_SOCKET, option, size)


def _of_tcp(options: SocketOptions) -> Iterator[tuple[int, int, int | bytes]]:
    """Level, option and value of what TCP alone has."""
    yield socket.SOL_SOCKET, socket.SO_REUSEADDR, options.reuse_addr
    yield socket.IPPROTO_TCP, socket.TCP_NODELAY, options.nodelay
    if options.keepalive:
        yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
        yield socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, options.keepalive.idle
        yield socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, options.keepalive.interval
        yield socket.IPPROTO_TCP, socket.TCP_KEEPCNT, options.keepalive.count
    if options.linger is not None:
        yield socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(1, options.linger)
    if options.user_timeout is not None:
        yield socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, math.ceil(options.user_timeout * 1000)
