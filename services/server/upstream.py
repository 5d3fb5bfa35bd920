"""Finding the server that a relay is a client of.

Theory of operation
    A name is looked up at each connect, as it may have moved. getaddrinfo(3) waits for name servers, for
    seconds if need be, and knows no other way: in a loop all clients would wait with it. So numeric
    addresses, which need nobody, are read at once, and a name is looked up by a thread, one at most: who asks
    while it is at work gets the same answer. It is a daemon: the process need not wait for a name server to
    end.
"""

import errno
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from services.server.errors import named
from services.server.options import Upstream
from services.unix_socket import address_of

Address: TypeAlias = tuple[int, Any]
"""A family and what connect(2) takes there."""
Found: TypeAlias = list[Address] | OSError
"""All addresses, in the order in which they should be tried; or why there is none."""
_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def resolve(upstream: Upstream, kind: socket.SocketKind, flags: int = 0) -> list[Address]:
    """The upstream's addresses. Blocks while a name is looked up.

    Args:
        upstream: which.
        kind: SOCK_STREAM or SOCK_DGRAM.
        flags: of getaddrinfo(3).

    Raises:
        OSError: `socket.gaierror`: there is none.
    """
    if upstream.path is not None:
        return [(socket.AF_UNIX, address_of(upstream.path))]
    try:
        found = socket.getaddrinfo(upstream.host, upstream.port, type=kind, flags=flags)
    except UnicodeError as error:  # a label that is empty or too long never gets as far as a name server
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
    return [(family, address) for family, _, _, _, address in found]


def all_of(errors: list[OSError]) -> str:
    """Why none of several addresses could be had, each reason once."""
    return "; ".join(dict.fromkeys(map(named, errors)))


class Resolver:
    """Looks up one upstream for those in one loop.

    Args:
        upstream: which.
        kind: SOCK_STREAM or SOCK_DGRAM.
        call_in_loop: has something called in the loop's thread; is called from another one.
    """

    def __init__(
        self,
        upstream: Upstream,
        kind: socket.SocketKind,
        call_in_loop: Callable[[Callable[[], None]], object],
    ) -> None:
        self.upstream = upstream
        self._kind = kind
        self._call_in_loop = call_in_loop
        self._waiting: list[Callable[[Found], None]] = []

    def resolve(self, then: Callable[[Found], None]) -> None:
        """Call this with the addresses: at once, or later in the loop's thread."""
        try:
            known = resolve(self.upstream, self._kind, _NUMERIC)
        except socket.gaierror:
            self._ask(then)  # it is a name
        else:
            then(known)

    def _ask(self, then: Callable[[Found], None]) -> None:
        self._waiting.append(then)
        if len(self._waiting) > 1:
            return
        try:
            threading.Thread(target=self._look_up, name=f"resolver {self.upstream}", daemon=True).start()
        except RuntimeError:  # "can't start new thread": pthread_create(3) has given EAGAIN
            self._found(BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)))

    def _look_up(self) -> None:
        """In the thread."""
        found: Found
        try:
            found = resolve(self.upstream, self._kind)
        except OSError as error:
            found = error
        self._call_in_loop(partial(self._found, found))

    def _found(self, found: Found) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(found)
