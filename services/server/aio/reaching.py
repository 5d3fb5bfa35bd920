"""Connecting from an asyncio event loop: to the first address of an upstream that takes the connection."""

import asyncio
import socket

from services.server.errors import named
from services.server.relaying import FULL_PAUSE, open_far
from services.server.upstream import Found, Resolver, all_of


class UnreachableError(Exception):
    """No address of the upstream took the connection; the text says why, for each that differs."""


async def reach(resolver: Resolver, loop: asyncio.AbstractEventLoop) -> socket.socket:
    """A connection to an upstream.

    Not by `loop.create_connection`: it looks names up in a pool of threads that the process waits for when it
    ends, however long a name server takes; and it cannot do what a full backlog of a Unix socket asks for.

    Args:
        resolver: knows the upstream.
        loop: waits.

    Raises:
        UnreachableError: there is none to be had.
    """
    found: asyncio.Future[Found] = loop.create_future()
    resolver.resolve(lambda result: None if found.done() else found.set_result(result))
    addresses = await found
    if isinstance(addresses, OSError):
        raise UnreachableError(named(addresses))
    errors = []
    for family, address in addresses:
        try:
            return await _connected(family, address, loop)
        except OSError as error:
            errors.append(error)
    raise UnreachableError(all_of(errors))


async def _connected(family: int, address: object, loop: asyncio.AbstractEventLoop) -> socket.socket:
    sock = open_far(family)
    try:
        if family == socket.AF_UNIX:
            await _connect_unix(sock, address)
        else:
            await loop.sock_connect(sock, address)  # type: ignore[arg-type]
    except BaseException:  # CancelledError too: the time is up
        sock.close()
        raise
    return sock


async def _connect_unix(sock: socket.socket, address: object) -> None:
    """Connect; while the backlog is full connect(2) gives EAGAIN, and nothing tells when it has room."""
    while True:
        try:
            sock.connect(address)  # type: ignore[arg-type]
        except BlockingIOError:
            await asyncio.sleep(FULL_PAUSE)
        else:
            return
