"""A relay of datagrams in a loop."""

import socket
from collections.abc import Callable

from services.server.datagram_socket import DatagramSocket
from services.server.loop.datagrams import LoopDatagramServer
from services.server.loop.loop import Loop
from services.server.options import Upstream
from services.server.relay_datagrams import RelayDatagrams
from services.server.shared import Program
from services.server.upstream import Resolver


class LoopRelayDatagramServer(LoopDatagramServer):
    """Serves one bound datagram socket with what the upstream says.

    Args:
        sock: the server owns it from now on.
        upstream: is asked.
        program: what the process shares.
    """

    def __init__(self, sock: DatagramSocket, upstream: Upstream, program: Program) -> None:
        resolver = Resolver(upstream, socket.SOCK_DGRAM, program.loop.call_from_thread)
        self._routes = RelayDatagrams(resolver, LoopReaders(program.loop), sock.send)
        self._quiet = program.limits.quiet
        super().__init__(sock, self._routes, program)

    def close(self) -> None:
        """Send on what has arrived, give the upstream a moment to answer it, and close all sockets."""
        if self._alive and self._loop.discard(self._sock.fileno()):
            self.ready(0)
            self._loop.run(lambda: not self._routes.expecting, self._loop.now + self._quiet)
        self._routes.close()
        super().close()


class LoopReaders:
    """Stands between a loop and what only wants to be called."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def add(self, fd: int, call: Callable[[], None]) -> None:
        """Call this when it is readable."""
        self._loop.add(fd, _Reader(self._loop, fd, call))

    def remove(self, fd: int) -> None:
        """Call no more."""
        self._loop.discard(fd)


class _Reader:
    """What stands behind a route's descriptor."""

    __slots__ = ("_call", "_fd", "_loop")

    def __init__(self, loop: Loop, fd: int, call: Callable[[], None]) -> None:
        self._loop = loop
        self._fd = fd
        self._call = call

    def ready(self, _: int) -> None:
        """An answer is there, or an error."""
        self._call()

    def failed(self) -> None:
        """Our own mistake: this route carries no more answers, and is given up in its time."""
        self._loop.discard(self._fd)
