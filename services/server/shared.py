"""What all services of one process share."""

import socket
from typing import Final

from services.server.children import Children
from services.server.connections import Connections
from services.server.loop.loop import Loop
from services.server.loop.pollers import Poller
from services.server.service import Limits
from services.server.waiting import Stopping

_LAST_WORDS: Final = 1.0
"""Seconds that a worker has to end by itself when its drain is over."""


class Program:
    """One process that serves: its limits, its loop, the request to stop.

    Args:
        limits: what a peer may cost.
        connections: most at once, where the limits do not say.
        poller: of the main thread's loop.
        stopping: of the parent process, in a child; else a new one.
    """

    def __init__(
        self, limits: Limits, connections: int, poller: Poller, stopping: Stopping | None = None
    ) -> None:
        self.limits = limits
        self.stopping = stopping or Stopping()
        self.loop = Loop(poller)
        self.connections = Connections(limits.connections or connections)
        self.children = Children(self.loop)
        self.stopping.at_once.append(self.children.kill)
        self.sockets: list[socket.socket] = []
        """Of the main process, that its children inherit: each closes what is not its own."""
        self._noticed = False
        self.loop.add(self.stopping.fileno(), self)
        if stopping is None:  # signals are for the main process
            self.loop.add(self.stopping.signalled.fileno(), _Signalled(self.stopping.signalled))

    def ready(self, _: int) -> None:
        """The stop has been asked. It stays asked, so it need not be waited for any more."""
        self._noticed = True
        self.loop.change(self.stopping.fileno(), 0)

    def failed(self) -> None:
        """It cannot."""

    def serve(self) -> None:
        """Go round until the stop is asked."""
        self.loop.run(lambda: self._noticed)

    def drain(self, seconds: float) -> int:
        """Wait until all connections and child processes have ended, at most so long; how many are left."""
        self.connections.emptied = self.loop.wake
        self.loop.run(self._drained, self.loop.now + seconds)
        if not self.connections.open:  # only workers: they drain as long, and tell then what they have cut
            self.loop.run(self._drained, self.loop.now + _LAST_WORDS)
        return self.connections.open

    def become_child(self, keep: socket.socket | None = None) -> None:
        """In a child after fork(2): give up what is the parent's, but the request to stop, and one socket."""
        self.children.forget()
        self.loop.abandon(keep=self.stopping.fileno())
        self.stopping.inherit()
        for sock in self.sockets:
            if sock is not keep:
                sock.close()

    def close(self) -> None:
        """Free the descriptors."""
        self.children.kill()
        self.loop.close()
        self.stopping.close()

    def _drained(self) -> bool:
        orphaned = self.stopping.orphaned()
        return orphaned or not (self.connections.open or self.children.alive)


class _Signalled:
    """What stands behind the descriptor that a signal makes readable: the loop goes round, a handler runs."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def ready(self, _: int) -> None:
        """Read it empty, for the next signal."""
        self._sock.recv(4096)

    def failed(self) -> None:
        """It cannot."""
