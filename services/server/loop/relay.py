"""A relay in a loop: one guest with two connections, the client's and one to the upstream.

Theory of operation
    The client is accepted, and not read before the upstream has taken the connection. Then a `Pump` decides:
    a readable side is read, one piece, which is written to the other side at once; what the kernel does not
    take there waits in the pump. After each event both sockets are told to be waited for as the pump says.

    A socket that is waited for nothing is reported all the same when it is reset or hung up (poll(2)). A
    reset is an error of the socket (SO_ERROR) and ends the relay. A hang-up without one, of a Unix peer that
    closed or when both FINs are there, says nothing about what is still to be read; as it would be reported
    without end, the socket leaves the loop until something is wanted of it. select(2) reports neither, so
    resets are also looked for now and then.
"""

import contextlib
import os
import socket
import time

from services.protocol.pump import PIECE_MOST, Pump, Side
from services.server.accepting import spelled_peer
from services.server.errors import named
from services.server.loop.connection import Left
from services.server.loop.loop import Loop
from services.server.loop.pollers import READ, WRITE
from services.server.loop.reaching import Reaching
from services.server.relaying import own_timer, peer_of, raise_pending, tell, tell_late, until
from services.server.service import Limits
from services.server.socket_options import reset_on_close
from services.server.upstream import Resolver


class Relay:
    """Serves one client with what the upstream says.

    Args:
        fd: of the client's non-blocking socket; the relay owns it from now on.
        resolver: knows the upstream.
        loop: which it stands in.
        limits: what either peer may cost.
        left: told at the end.

    Raises:
        OSError: the loop cannot wait for it; it is still the caller's then.
    """

    __slots__ = (
        "_draining",
        "_ended",
        "_far",
        "_left",
        "_limits",
        "_loop",
        "_near",
        "_parting",
        "_peer",
        "_pump",
        "_reaching",
        "_started",
        "_upstream",
    )

    def __init__(self, fd: int, resolver: Resolver, loop: Loop, limits: Limits, left: Left) -> None:
        self._upstream = resolver.upstream
        self._loop = loop
        self._limits = limits
        self._left = left
        self._started = loop.now
        self._pump = Pump(loop.now)
        self._far: _Leg | None = None
        self._draining = False
        self._parting: str | None = None
        """Why our FINs are sent, and those of the others waited for."""
        self._ended = False
        conn = socket.socket(fileno=fd)
        try:
            self._near = _Leg(self, conn, self._pump.near, loop)
        except OSError:
            conn.detach()
            raise
        self._peer = peer_of(conn)
        self._reaching = Reaching(resolver, loop, self._reached, self._unreachable)
        # Not at once: it may fail at once, and nobody may be told of the end of what is only being made.
        loop.at(loop.now, self._reaching.start)

    def __str__(self) -> str:
        return f"relay {self._upstream}"

    def ready(self, leg: "_Leg", events: int) -> None:
        """One of the two sockets is ready."""
        try:
            if self._parting is not None:
                self._throw_away(leg)
            elif self._far is None or not leg.is_waited_for:
                leg.look()
            else:
                if leg.side.unsent and events != READ:
                    self._write(leg)
                if leg.is_open and leg.side.reads and events != WRITE:
                    self._read(leg)
                self._settle()
        except OSError as error:
            self._broken(leg, error)

    def check(self, now: float) -> None:
        """See whether a limit has passed, or a socket that is not waited for was reset."""
        if self._ended or self._parting is not None:
            return
        if self._far is None:
            if now >= self._started + self._upstream.connect:
                self._unreachable(own_timer())
            return
        for leg in self._legs():
            if not leg.is_waited_for:
                try:
                    raise_pending(leg.sock)
                except OSError as error:
                    self._broken(leg, error)
                    return
        moment, why = until(self._pump, self._limits, self._upstream.answer, draining=self._draining)
        if now >= moment:
            self._give_up(why, now)

    def drain(self, now: float) -> None:
        """The server is to stop: what moves in the next moment is still carried, and an answer waited for."""
        self._draining = True
        self._pump.moved = now

    def leave(self, why: str) -> None:
        """Send both our FIN, and wait a moment for theirs."""
        if self._ended or self._parting is not None:
            return
        self._parting = why
        self._reaching.give_up()
        for leg in self._legs():
            with contextlib.suppress(OSError):  # it has been sent, or is reset
                leg.sock.shutdown(socket.SHUT_WR)
            if leg.side.finished:
                leg.close()
            else:
                leg.wait_for(READ)
        self._end_if_closed(why)
        self._loop.at(self._loop.now + self._limits.farewell, self._farewell_over)

    def failed(self) -> None:
        """Our own mistake ends it."""
        self._reset("crashed")

    def _reached(self, sock: socket.socket) -> None:
        """The upstream has taken the connection: begin."""
        try:
            self._far = _Leg(self, sock, self._pump.far, self._loop)
        except OSError as error:
            sock.close()
            self._unreachable(named(error))
            return
        self._pump.moved = self._loop.now
        self._settle()

    def _unreachable(self, why: str) -> None:
        seconds = time.monotonic() - self._started
        tell("upstream-unreachable", self._upstream, spelled_peer(self._peer), why, seconds)
        self._reset("upstream-unreachable")

    def _give_up(self, why: str, now: float) -> None:
        """A limit has passed."""
        if why in {"idle", "stopping"}:
            self.leave(why)
            return
        tell_late(why, self._pump, self._upstream, spelled_peer(self._peer), now)
        self._reset(why)

    def _read(self, leg: "_Leg") -> None:
        """Read a piece and write it to the other side."""
        try:
            data = os.read(leg.fd, leg.side.piece)
        except BlockingIOError:
            return  # a stale event: nothing is there
        self._pump.received(leg.side, data, self._loop.now)
        if data and self._far is not None:
            self._write(self._far if leg is self._near else self._near)

    def _write(self, leg: "_Leg") -> None:
        """Write what the kernel takes; the pump keeps the rest."""
        try:
            count = os.write(leg.fd, leg.side.unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(leg, error)
            return
        self._pump.sent(leg.side, count, self._loop.now)

    def _settle(self) -> None:
        """Pass on what has ended, and wait for what the pump wants next."""
        for leg in self._legs():
            if leg.side.ends:
                try:
                    leg.sock.shutdown(socket.SHUT_WR)
                except OSError as error:
                    self._broken(leg, error)
                    return
                self._pump.ended(leg.side, self._loop.now)
            if leg.side.done:
                leg.close()
            else:
                leg.wait_for((READ if leg.side.reads else 0) | (WRITE if leg.side.unsent else 0))
        self._end_if_closed("eof")

    def _throw_away(self, leg: "_Leg") -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(leg.fd, PIECE_MOST):
                leg.close()
                self._end_if_closed("eof")

    def _broken(self, leg: "_Leg", error: OSError) -> None:
        """A connection was reset, or else broken: so is the other."""
        if self._ended:
            return
        why = named(error)
        if leg is self._far and self._parting is None:
            tell(
                "upstream-broken",
                self._upstream,
                spelled_peer(self._peer),
                why,
                time.monotonic() - self._started,
            )
        self._reset(why)

    def _reset(self, why: str) -> None:
        if not self._ended:
            self._reaching.give_up()
            for leg in self._legs():
                reset_on_close(leg.sock)
                leg.close()
            self._end_if_closed(why)

    def _farewell_over(self) -> None:
        for leg in self._legs():
            leg.close()
        self._end_if_closed("farewell")

    def _legs(self) -> "list[_Leg]":
        """Those that are open."""
        return [leg for leg in (self._near, self._far) if leg is not None and leg.is_open]

    def _end_if_closed(self, why: str) -> None:
        if not self._ended and not self._legs():
            self._ended = True
            self._left(self, self._parting or why)


class _Leg:
    """One of the two connections, as it stands in the loop."""

    __slots__ = ("_events", "_loop", "_relay", "fd", "side", "sock")

    def __init__(self, relay: Relay, sock: socket.socket, side: Side, loop: Loop) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.side = side
        self._relay = relay
        self._loop = loop
        self._events: int | None = 0
        """What is waited for; None: it does not stand in the loop now."""
        loop.add(self.fd, self, 0)

    def __str__(self) -> str:
        return str(self._relay)

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed yet."""
        return self.fd >= 0

    @property
    def is_waited_for(self) -> bool:
        """Whether it is to be read or written now."""
        return bool(self._events)

    def ready(self, events: int) -> None:
        """Hand it on."""
        self._relay.ready(self, events)

    def failed(self) -> None:
        """Hand it on."""
        self._relay.failed()

    def wait_for(self, events: int) -> None:
        """Wait for these events from now on."""
        if self._events is None:
            if events:
                self._loop.add(self.fd, self, events)
                self._events = events
        elif events != self._events:
            self._loop.change(self.fd, events)
            self._events = events

    def look(self) -> None:
        """It was reported although nothing is waited for.

        Raises:
            OSError: it is reset. Else it is hung up, and leaves the loop until it is waited for.
        """
        raise_pending(self.sock)
        self._loop.remove(self.fd)
        self._events = None

    def close(self) -> None:
        """Close it."""
        if self._events is not None:
            self._loop.remove(self.fd)
        self.sock.close()
        self.fd = -1
