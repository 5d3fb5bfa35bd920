"""A relay with a thread or a process to itself.

Theory of operation
    Bytes may come from either side at any time, so even a thread of one's own must wait for two sockets at
    once: it does so in a loop of its own, in which the same relay stands as in the styles of one loop for
    all. The program's request to stop stands in it as well.
"""

import socket
from select import EPOLLHUP

from services.server.accepting import spelled_peer
from services.server.blocking.peer import Handler, Peer
from services.server.errors import named
from services.server.loop.loop import Loop
from services.server.loop.pollers import EpollPoller
from services.server.loop.relay import Relay
from services.server.options import Upstream
from services.server.patience import pause_between_looks, shortest_of
from services.server.relaying import peer_of, tell
from services.server.socket_options import reset_on_close
from services.server.upstream import Resolver


def relay(upstream: Upstream) -> Handler:
    """The handler that serves what the upstream says."""

    def handle(peer: Peer) -> str:
        try:
            loop = Loop(EpollPoller())
        except OSError as error:  # EMFILE: a relay takes four descriptors
            tell("upstream-unreachable", upstream, spelled_peer(peer_of(peer.conn)), named(error), 0.0)
            reset_on_close(peer.conn)
            return named(error)
        try:
            return _Turn(peer, upstream, loop).run()
        finally:
            loop.close()

    return handle


class _Turn:
    """One relay's time in its thread.

    Args:
        peer: the client.
        upstream: whom it wants to hear.
        loop: for this relay alone.
    """

    def __init__(self, peer: Peer, upstream: Upstream, loop: Loop) -> None:
        self._why: str | None = None
        self._stopping = peer.stopping.fileno()
        self._quiet = peer.limits.quiet
        self._pause = pause_between_looks(shortest_of(peer.limits), upstream.connect, upstream.answer)
        self._loop = loop
        peer.conn.settimeout(0)
        resolver = Resolver(upstream, socket.SOCK_STREAM, loop.call_from_thread)
        self._relay = Relay(peer.conn.fileno(), resolver, loop, peer.limits, self._left)
        peer.conn.detach()  # it is the relay's
        loop.add(self._stopping, self)

    def run(self) -> str:
        """Carry, until it is over; why it is."""
        self._look()
        self._loop.run(lambda: self._why is not None)
        return self._why or ""

    def ready(self, events: int) -> None:
        """The stop is asked, or the process that would ask is gone."""
        if events & EPOLLHUP:
            self._loop.remove(self._stopping)
            self._relay.leave("orphaned")
        else:
            self._loop.change(self._stopping, 0)
            self._pause = pause_between_looks(self._quiet)
            self._relay.drain(self._loop.now)
            self._look()

    def failed(self) -> None:
        """It cannot."""

    def _look(self) -> None:
        now = self._loop.now
        self._relay.check(now)
        self._loop.at(now + self._pause, self._look)

    def _left(self, _: object, why: str) -> None:
        self._why = why
