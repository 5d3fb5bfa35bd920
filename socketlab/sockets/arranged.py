"""`create_connection` and `create_server`: several calls over there, in the order that CPython has."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from socketlab.sockets.actor import Actor
    from socketlab.sockets.over_there import Socket

_DEFAULT: Final[Any] = object()
_SO_REUSEPORT: Final = 15
_IPV6_V6ONLY: Final = 26


def create_connection(
    actor: Actor,
    address: tuple[str | None, int],
    timeout: float | None = _DEFAULT,
    source_address: tuple[str, int] | None = None,
    *,
    all_errors: bool = False,
) -> Socket:
    """Connect to an address, trying all that its name stands for.

    Args:
        actor: on which host.
        address: name and port.
        timeout: seconds, for each try; left out: the default timeout over there.
        source_address: to bind first.
        all_errors: raise an ExceptionGroup of every try's error, not the last one.

    Raises:
        OSError: no address could be connected to.
        ExceptionGroup: the same, with `all_errors`.
    """
    host, port = address
    errors: list[OSError] = []
    for family, kind, proto, _, peer in actor.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        try:
            return _connected(actor.socket(family, kind, proto), peer, timeout, source_address)
        except OSError as error:
            errors.append(error)
    try:
        if not errors:
            raise OSError("getaddrinfo returns an empty list")
        if all_errors:
            raise ExceptionGroup("create_connection failed", errors)
        raise errors[-1]
    finally:
        errors.clear()  # they hold this frame, which holds them


def _connected(
    sock: Socket, peer: Any, timeout: float | None, source_address: tuple[str, int] | None
) -> Socket:
    """The socket, connected; closed where that fails."""
    try:
        if timeout is not _DEFAULT:
            sock.settimeout(timeout)
        if source_address:
            sock.bind(source_address)
        sock.connect(peer)
    except BaseException:
        sock.close()
        raise
    return sock


def create_server(
    actor: Actor,
    address: tuple[str, int],
    *,
    family: int = socket.AF_INET,
    backlog: int | None = None,
    reuse_port: bool = False,
    dualstack_ipv6: bool = False,
) -> Socket:
    """A TCP socket bound to an address, that takes connections.

    Args:
        actor: on which host.
        address: its own.
        family: AF_INET or AF_INET6.
        backlog: connections that may wait for `accept`; None: Python's default.
        reuse_port: with SO_REUSEPORT.
        dualstack_ipv6: an IPv6 socket that takes IPv4, too.

    Raises:
        OSError: the address could not be bound.
        ValueError: `dualstack_ipv6` where the host or the family has it not.
    """
    if dualstack_ipv6:
        if not actor.has_dualstack_ipv6():
            raise ValueError("dualstack_ipv6 not supported on this platform")
        if family != socket.AF_INET6:
            raise ValueError("dualstack_ipv6 requires AF_INET6 family")
    sock = actor.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, _SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_V6ONLY, 0 if dualstack_ipv6 else 1)
        try:
            sock.bind(address)
        except OSError as error:
            text = f"{error.strerror} (while attempting to bind on address {address!r})"
            raise OSError(error.errno, text) from None
        if backlog is None:
            sock.listen()
        else:
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock
