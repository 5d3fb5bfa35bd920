"""Connecting from a loop: to the first of an upstream's addresses that takes the connection.

connect(2) of a non-blocking socket says EINPROGRESS; when the socket is writable, SO_ERROR tells how it went.
On a Unix socket it says EAGAIN instead if the backlog there is full, and nothing tells when there is room
again (connect(2)): so it is tried again after a moment.
"""

import errno
import os
import socket
from collections.abc import Callable

from services.server.loop.loop import Loop
from services.server.loop.pollers import WRITE
from services.server.relaying import FULL_PAUSE, open_far
from services.server.upstream import Address, Found, Resolver, all_of


class Reaching:
    """One attempt to reach an upstream; it has no time limit of its own.

    Args:
        resolver: knows its addresses.
        loop: waits.
        reached: is given the connection, and owns it then.
        failed: is told why there is none.
    """

    __slots__ = ("_addresses", "_errors", "_failed", "_loop", "_over", "_reached", "_resolver", "_sock")

    def __init__(
        self,
        resolver: Resolver,
        loop: Loop,
        reached: Callable[[socket.socket], None],
        failed: Callable[[str], None],
    ) -> None:
        self._resolver = resolver
        self._loop = loop
        self._reached = reached
        self._failed = failed
        self._addresses: list[Address] = []
        self._errors: list[OSError] = []
        self._sock: socket.socket | None = None
        self._over = False

    def start(self) -> None:
        """Begin. It may be over, either way, before this returns."""
        if not self._over:
            self._resolver.resolve(self._found)

    def give_up(self) -> None:
        """Nobody wants to know any more."""
        self._over = True
        self._close()

    def ready(self, _: int) -> None:
        """The connection is made, or failed."""
        if self._sock is None:
            return
        self._loop.remove(self._sock.fileno())
        self._judge(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def failed(self) -> None:
        """Our own mistake ends it."""
        self.give_up()
        self._failed("crashed")

    def _found(self, found: Found) -> None:
        if self._over:
            return
        if isinstance(found, OSError):
            self._errors.append(found)
        else:
            self._addresses = found
        self._try_next()

    def _try_next(self) -> None:
        if not self._addresses:
            self._over = True
            self._failed(all_of(self._errors))
            return
        try:
            self._sock = open_far(self._addresses[0][0])
        except OSError as error:
            self._give_up_address(error)
        else:
            self._connect()

    def _connect(self) -> None:
        if self._sock is None:
            return  # it was given up during the pause
        family, address = self._addresses[0]
        try:
            number = self._sock.connect_ex(address)
            if number == errno.EINPROGRESS:
                self._loop.add(self._sock.fileno(), self, WRITE)
                return
        except OSError as error:
            self._give_up_address(error)
            return
        if number == errno.EAGAIN and family == socket.AF_UNIX:
            self._loop.at(self._loop.now + FULL_PAUSE, self._connect)
        else:
            self._judge(number)

    def _judge(self, number: int) -> None:
        if number:
            self._give_up_address(OSError(number, os.strerror(number)))
        elif self._sock is not None:
            sock, self._sock = self._sock, None
            self._over = True
            self._reached(sock)

    def _give_up_address(self, error: OSError) -> None:
        self._close()
        self._addresses = self._addresses[1:]
        self._errors.append(error)
        self._try_next()

    def _close(self) -> None:
        if self._sock is not None:
            self._loop.discard(self._sock.fileno())
            self._sock.close()
            self._sock = None
