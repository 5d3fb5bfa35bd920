"""A relay in an asyncio event loop: two protocols, and the pump that decides between them.

Theory of operation
    To connect is a story with a beginning and an end, and reads best as a coroutine; to carry bytes is not,
    and is done by two protocols, the client's and the upstream's. A piece that one receives is written to the
    other one's transport; what the kernel does not take there the transport keeps, and says so. From then on,
    as the pump says, the first one is not read.

    The client's connection becomes a transport only when the upstream has taken ours: a transport cannot be
    made not to read at all, and what is not read yet is not lost if there is no upstream.
"""

import asyncio
import contextlib
import socket
import time
from typing import cast

from services.protocol.pump import Pump, Side
from services.server.accepting import spelled_peer
from services.server.aio.event_loop import EventLoop
from services.server.aio.guest import Left, let_delay
from services.server.aio.reaching import UnreachableError, reach
from services.server.aio.reading import IntoBuffer
from services.server.errors import named
from services.server.log import log
from services.server.relaying import (
    own_timer,
    peer_of,
    raise_pending,
    tell,
    tell_late,
    until,
)
from services.server.service import Limits
from services.server.socket_options import reset_on_close
from services.server.upstream import Resolver


class Relay:
    """Serves one client with what the upstream says.

    Args:
        conn: the client's, non-blocking; the relay owns it from now on.
        resolver: knows the upstream.
        events: the loop that it stands in.
        limits: what either peer may cost.
        left: told at the end.
    """

    __slots__ = (
        "_carrying",
        "_conn",
        "_draining",
        "_far",
        "_left",
        "_limits",
        "_loop",
        "_near",
        "_parting",
        "_peer",
        "_pump",
        "_resolver",
        "_started",
        "_upstream",
        "_why",
    )

    def __init__(
        self,
        conn: socket.socket,
        resolver: Resolver,
        events: EventLoop,
        limits: Limits,
        left: Left,
    ) -> None:
        self._conn = conn
        self._resolver = resolver
        self._upstream = resolver.upstream
        self._loop = events.loop
        self._limits = limits
        self._left = left
        self._started = time.monotonic()
        self._peer = peer_of(conn)
        self._pump = Pump(self._started)
        self._near = _leg(self, self._pump.near, events.buffer)
        self._far = _leg(self, self._pump.far, events.buffer)
        self._draining = False
        self._parting = False
        """Whether our FINs are sent, and those of the others waited for."""
        self._why: str | None = None
        """Why it ends, if not because both sides have closed."""
        self._carrying = False
        """Whether both are there."""

    def __str__(self) -> str:
        return f"relay {self._upstream}"

    async def open(self, *, delays: bool) -> None:
        """Reach the upstream, and begin to carry; as of `Guest`."""
        self._near.delays = delays
        try:
            async with asyncio.timeout(self._upstream.connect) as limit:
                sock = await reach(self._resolver, self._loop)
        except UnreachableError as error:
            self._unreachable(str(error))
            return
        except TimeoutError:
            if not limit.expired():
                raise
            self._unreachable(own_timer())
            return
        try:
            await self._loop.connect_accepted_socket(lambda: self._near, self._conn)
        except OSError:
            sock.close()
            raise
        try:
            await self._loop.create_connection(lambda: self._far, sock=sock)
        except OSError as error:
            sock.close()
            self.broken(self._far, error)
        self._begin()

    def check(self, now: float) -> None:
        """See whether a limit has passed, or a socket that is not read was reset."""
        if not self._carrying or self._why is not None:
            return
        for leg in self._legs():
            self._note_progress(leg, now)
            if not leg.side.reads:
                try:
                    raise_pending(leg.sock)
                except OSError as error:
                    self.broken(leg, error)
                    return
        moment, why = until(self._pump, self._limits, self._upstream.answer, draining=self._draining)
        if now >= moment:
            self._give_up(why, now)

    def drain(self, now: float) -> None:
        """The server is to stop: what moves in the next moment is still carried, and an answer waited for."""
        self._draining = True
        self._pump.moved = now

    def received(self, leg: "_Leg", data: bytes) -> None:
        """One side has sent a piece, or (`b""`) closed its side: pass it on."""
        if self._why is not None:  # it is over: nobody wants to know what else they say
            if self._parting and not data:
                leg.transport.close()
            return
        self._pump.received(leg.side, data, time.monotonic())
        other = self._far if leg is self._near else self._near
        if data and self._carrying:
            self._write(other)
        self.settle()

    def taken(self, leg: "_Leg") -> None:
        """One side has taken all that it was sent."""
        self._pump.sent(leg.side, len(leg.side.unsent), time.monotonic())
        # Not at once: a transport that is closed while it tells this would close itself a second time.
        self._loop.call_soon(self.settle)

    def settle(self) -> None:
        """Pass on what has ended, and read what the pump wants next."""
        if self._why is not None:
            return
        for leg in self._legs():
            if leg.side.ends:
                try:
                    leg.transport.write_eof()
                except OSError as error:
                    self.broken(leg, error)
                    return
                self._pump.ended(leg.side, time.monotonic())
            if leg.side.done:
                leg.transport.close()
            else:
                leg.read_or_not()

    def broken(self, leg: "_Leg", error: OSError) -> None:
        """A connection was reset, or else broken: so is the other."""
        if self._why is not None:
            return
        why = named(error)
        if leg is self._far:
            seconds = time.monotonic() - self._started
            tell("upstream-broken", self._upstream, spelled_peer(self._peer), why, seconds)
        self._reset(why)

    def crashed(self, error: Exception) -> None:
        """Our own mistake ends it."""
        log("ERROR", "crashed", thread=str(self), why=ascii(error))
        self._reset("crashed")

    def gone(self) -> None:
        """One of the two is closed."""
        if self._carrying and not self._legs():
            self._carrying = False
            self._left(self, self._why or "eof")

    def _begin(self) -> None:
        """Both are there: carry what either has said, or how it has ended, before the other one was."""
        self._carrying = True
        self._pump.moved = time.monotonic()
        if self._why is not None:
            self._abort()
            self.gone()
            return
        for leg in self._legs():
            if leg.side.unsent:
                self._write(leg)
        self.settle()

    def _write(self, leg: "_Leg") -> None:
        """Give one side what it has not had; what the kernel does not take the transport keeps."""
        data = leg.side.unsent
        leg.transport.write(data)
        if not leg.stuck:
            self._pump.sent(leg.side, len(data), time.monotonic())

    def _unreachable(self, why: str) -> None:
        seconds = time.monotonic() - self._started
        tell("upstream-unreachable", self._upstream, spelled_peer(self._peer), why, seconds)
        reset_on_close(self._conn)
        self._conn.close()
        self._left(self, "upstream-unreachable")

    def _give_up(self, why: str, now: float) -> None:
        """A limit has passed."""
        if why in {"idle", "stopping"}:
            self._leave(why)
            return
        tell_late(why, self._pump, self._upstream, spelled_peer(self._peer), now)
        self._reset(why)

    def _leave(self, why: str) -> None:
        """Send both our FIN, and wait a moment for theirs."""
        self._parting = True
        self._why = why
        for leg in self._legs():
            with contextlib.suppress(OSError):  # it is reset already
                leg.transport.write_eof()
            if leg.side.finished:
                leg.transport.close()
            else:
                leg.transport.resume_reading()
        self._loop.call_later(self._limits.farewell, self._abort)

    def _note_progress(self, leg: "_Leg", now: float) -> None:
        """A side that takes a little of what it is sent is not told of; it is seen."""
        taken = len(leg.side.unsent) - leg.transport.get_write_buffer_size()
        if taken > 0:
            self._pump.sent(leg.side, taken, now)

    def _reset(self, why: str) -> None:
        self._why = self._why or why
        for leg in self._legs():
            reset_on_close(leg.sock)
        self._abort()

    def _abort(self) -> None:
        for leg in self._legs():
            leg.transport.abort()

    def _legs(self) -> "list[_Leg]":
        """Those that are open."""
        return [leg for leg in (self._near, self._far) if leg.made and not leg.lost]


class _Leg(asyncio.Protocol):
    """One of the two connections, as the event loop sees it."""

    __slots__ = ("_reading", "_relay", "delays", "lost", "made", "side", "sock", "stuck", "transport")
    transport: asyncio.Transport
    sock: socket.socket

    def __init__(self, relay: Relay, side: Side) -> None:
        self._relay = relay
        self.side = side
        self.delays = False
        self.made = False
        self.lost = False
        self.stuck = False
        """Whether the kernel does not take all that we write."""
        self._reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has it, and reads it."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(0)  # one byte that the kernel does not take is too much
        if self.delays:
            let_delay(transport)
        # Of uvloop it is no socket, but what is needed of one it has.
        self.sock = self.transport.get_extra_info("socket")
        self.made = True

    def data_received(self, data: bytes) -> None:
        """Hand it on."""
        try:
            self._relay.received(self, data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this relay only
            self._relay.crashed(error)

    def eof_received(self) -> bool:
        """Hand it on; our side stays open (True) for what the other one still sends."""
        self.data_received(b"")
        return True

    def pause_writing(self) -> None:
        """The kernel does not take all."""
        self.stuck = True

    def resume_writing(self) -> None:
        """It has taken everything."""
        self.stuck = False
        self._relay.taken(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self.lost = True
        if isinstance(exc, OSError):
            self._relay.broken(self, exc)
        self._relay.gone()

    def read_or_not(self) -> None:
        """Be read from now on, or not."""
        if self.side.reads and not self._reading:
            self._reading = True
            self.transport.resume_reading()
        elif self._reading and not self.side.reads:
            self._reading = False
            if not self.side.finished:  # then it is not read anyway
                self.transport.pause_reading()


class _BufferedLeg(_Leg, IntoBuffer):
    """The same, read by way of a buffer."""

    __slots__ = ("buffer",)


def _leg(relay: Relay, side: Side, buffer: memoryview | None) -> _Leg:
    if buffer is None:
        return _Leg(relay, side)
    leg = _BufferedLeg(relay, side)
    leg.buffer = buffer
    return leg
