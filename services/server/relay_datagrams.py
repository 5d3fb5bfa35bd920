"""Relaying datagrams: each peer has a socket of its own to the upstream, so that the answers find their way.

Theory of operation
    An answer from the upstream says nothing about whose question it answers; the socket on which it arrives
    does. It is connected: it takes datagrams from the upstream only, and it is told when nobody is there (an
    ICMP error, udp(7)). On a Unix socket it gets a name of the kernel's choice (autobind, unix(7)), or there
    were nowhere to answer to.

    There is no end of a conversation to be seen, so a peer's route is given up when nothing has gone along it
    for as long as an answer may take; and there are at most so many routes, then the one that is unused
    longest is given up for a new one. Both are what a NAT does. A peer that comes again gets a new route, and
    is another client to the upstream.

    A datagram may be lost, also here. What can be told is told once for each route, until something comes
    back.
"""

import errno
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Final, Protocol

from services.server.datagram_socket import Sender, spelled_sender
from services.server.errors import named
from services.server.relaying import own_timer, tell
from services.server.upstream import Address, Found, Resolver

_LARGEST: Final = 65535
"""No UDP datagram is longer."""
_LARGEST_UNIX: Final = 256 * 1024
"""More than the send buffer of an ordinary process has room for (net.core.wmem_max)."""
ROUTES_MOST: Final = 500
"""Routes at once, each with a descriptor."""
_HELD_MOST: Final = 16
"""Datagrams of one peer that are kept while the upstream's name is looked up."""
_AT_ONCE: Final = 64
"""Answers carried back before others have their turn."""
_GONE: Final = frozenset((errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE))
"""There is nobody at the other end. Of UDP it is said of an earlier datagram (udp(7)), and instead of sending
the next; a Unix socket that is bound to the same path later is another one. Either way a new one is taken."""


class Readers(Protocol):
    """Calls when a descriptor is readable: a `Loop`'s, or asyncio's."""

    def add(self, fd: int, call: Callable[[], None]) -> None:
        """Call this when it is readable, or has an error.

        Raises:
            OSError: it cannot be waited for.
        """

    def remove(self, fd: int) -> None:
        """Call no more; before it is closed."""


def open_far_datagrams(addresses: list[Address]) -> socket.socket:
    """A non-blocking datagram socket, connected to the first of these that it can be connected to.

    Nothing is sent by that, so an upstream that is not there is noticed later, if at all.

    Raises:
        OSError: it can be connected to none; this is the last reason.
    """
    error = OSError(errno.EDESTADDRREQ, os.strerror(errno.EDESTADDRREQ))
    for family, address in addresses:
        try:
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError as failure:
            error = failure
            continue
        try:
            if family == socket.AF_UNIX:
                sock.bind("")
            sock.connect(address)
        except OSError as failure:
            sock.close()
            error = failure
        else:
            return sock
    raise error


def receive_from_far(sock: socket.socket) -> bytes:
    """One datagram from the upstream.

    Raises:
        OSError: of recv(2); BlockingIOError: there is none.
    """
    return sock.recv(_LARGEST_UNIX if sock.family == socket.AF_UNIX else _LARGEST)


class _Route:
    """One peer's way to the upstream and back."""

    __slots__ = ("asked", "held", "is_opening", "peer", "sock", "told", "used")

    def __init__(self, peer: Sender) -> None:
        self.peer = peer
        self.sock: socket.socket | None = None
        self.is_opening = False
        self.held: list[bytes] = []
        """What is to be sent when there is a socket."""
        self.used = 0.0
        """When something went along it last."""
        self.asked: float | None = None
        """Since when nothing has come back."""
        self.told = False
        """Whether a failure has been told, and nothing has come back since."""


class RelayDatagrams:
    """The serving side of one datagram socket; the answers come later, by a way of their own.

    Args:
        resolver: knows the upstream.
        readers: waits for answers.
        answer: carries one to its peer.
        most: routes at once.
        clock: the monotonic clock, in seconds.
    """

    def __init__(
        self,
        resolver: Resolver,
        readers: Readers,
        answer: Callable[[bytes, Sender], None],
        most: int = ROUTES_MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._upstream = resolver.upstream
        self._readers = readers
        self._answer = answer
        self._most = most
        self._clock = clock
        # In the order of their last use: the first one is the next to go.
        self._routes: OrderedDict[Sender, _Route] = OrderedDict()
        self.on_answer: Callable[[], None] = _nobody
        """Called after each answer."""

    def __len__(self) -> int:
        return len(self._routes)

    @property
    def due(self) -> float | None:
        """When the next route is to be given up."""
        for route in self._routes.values():
            return route.used + self._upstream.answer
        return None

    @property
    def expecting(self) -> bool:
        """Whether an answer is still to come, as far as can be told."""
        return any(route.asked is not None for route in self._routes.values())

    def receive(self, datagram: bytes, peer: Hashable) -> None:
        """Send it on. It is answered later, or never."""
        route = self._routes.get(peer)
        if route is None:
            if len(self._routes) >= self._most:
                self._forget(next(iter(self._routes.values())))
            route = self._routes[peer] = _Route(peer)
        self._use(route)
        if route.sock is not None and self._send(route, route.sock, datagram):
            return
        if len(route.held) < _HELD_MOST:
            route.held.append(datagram)
        if not route.is_opening:
            route.is_opening = True
            self._resolver.resolve(partial(self._found, route))

    def tick(self) -> list[tuple[Hashable, bytes]]:
        """Give up the routes that are out of use. Nothing is ever to be sent by that."""
        now = self._clock()
        while (due := self.due) is not None and due <= now:
            route = next(iter(self._routes.values()))
            if route.asked is not None:
                self._tell(route, own_timer())
            self._forget(route)
        return []

    def close(self) -> None:
        """Give up all."""
        for route in tuple(self._routes.values()):
            self._forget(route)

    def _found(self, route: _Route, found: Found) -> None:
        """The upstream's addresses are known: open the route."""
        if self._routes.get(route.peer) is not route:
            return  # it has been given up meanwhile
        route.is_opening = False
        held, route.held = route.held, []
        try:
            if isinstance(found, OSError):
                raise found
            sock = self._open(route, found)
        except OSError as error:
            self._tell(route, named(error))
            return
        for datagram in held:
            self._send(route, sock, datagram)

    def _open(self, route: _Route, addresses: list[Address]) -> socket.socket:
        sock = open_far_datagrams(addresses)
        try:
            self._readers.add(sock.fileno(), partial(self._answers, route, sock))
        except OSError:
            sock.close()
            raise
        route.sock = sock
        return sock

    def _send(self, route: _Route, sock: socket.socket, datagram: bytes) -> bool:
        """Send it along a route; False: that leads nowhere any more, and this datagram has not been sent."""
        try:
            sock.send(datagram)
        except OSError as error:
            return self._fail(route, error)
        if route.asked is None:
            route.asked = route.used
        return True

    def _answers(self, route: _Route, sock: socket.socket) -> None:
        """Carry back what has come."""
        try:
            for _ in range(_AT_ONCE):
                datagram = receive_from_far(sock)
                route.told = False
                route.asked = None
                self._use(route)
                self._answer(datagram, route.peer)
        except BlockingIOError:
            pass
        except OSError as error:
            self._fail(route, error)
        self.on_answer()

    def _fail(self, route: _Route, error: OSError) -> bool:
        """A datagram was not sent, or an earlier one found nobody; whether the route can still be used."""
        self._tell(route, named(error))
        if error.errno not in _GONE:
            return True
        self._close(route)
        return False

    def _tell(self, route: _Route, why: str) -> None:
        if not route.told:
            since = route.used if route.asked is None else route.asked
            tell("upstream-failed", self._upstream, spelled_sender(route.peer), why, self._clock() - since)
        route.told = True

    def _use(self, route: _Route) -> None:
        route.used = self._clock()
        self._routes.move_to_end(route.peer)

    def _close(self, route: _Route) -> None:
        route.asked = None
        sock, route.sock = route.sock, None
        if sock is not None:
            self._readers.remove(sock.fileno())
            sock.close()

    def _forget(self, route: _Route) -> None:
        self._close(route)
        del self._routes[route.peer]


def _nobody() -> None:
    """Nobody wants to know."""
