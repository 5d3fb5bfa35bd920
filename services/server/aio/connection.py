"""One connection of an asyncio event loop.

Theory of operation
    A transport reads when it can and calls `data_received`; what `write` cannot give to the kernel it keeps,
    and says so with `pause_writing`. From then on nothing more is read until all of it is gone, so a peer
    that sends and never reads is stopped by the window of TCP, and holds one piece of memory here.

    The protocol of a connection is an object that the loop calls, and no task: coroutines and streams cost
    three times the memory (5 kB for an idle connection) and a switch for each piece.

    `transport.close()` sends what is left first, and `write_eof` sends our FIN, behind the rest. After other
    ends than the peer's own (`eof`) the FIN goes first, and what the peer still sends is thrown away until
    its own: close() with unread data would send a RST, and a RST takes from the peer what it has not read
    yet: our last words (RFC 2525 2.17).

    Two rules of transports (Python 3.11, `asyncio.selector_events`): one that has told of the end must not be
    told to go on reading, or it tells it again; and one is not closed in `resume_writing`, where it would
    close itself a second time, but soon after.
"""

import asyncio
import math
import socket
from time import monotonic
from typing import cast

from services.protocol.serving import Serving
from services.server.aio.guest import Left, let_delay
from services.server.aio.reading import IntoBuffer
from services.server.errors import named
from services.server.log import log
from services.server.patience import Patience
from services.server.service import Limits


class Connection(asyncio.Protocol):
    """Serves one peer.

    Args:
        conn: non-blocking; the connection owns it once it is open.
        serving: of the protocol.
        loop: which it stands in.
        limits: what the peer may cost.
        left: told at the end.
    """

    __slots__ = (
        "_alarm",
        "_conn",
        "_delays",
        "_eof",
        "_last",
        "_left",
        "_left_for",
        "_limits",
        "_loop",
        "_made",
        "_patience",
        "_rings_at",
        "_serving",
        "_stuck",
        "_transport",
        "_unsent",
        "_why",
    )
    _transport: asyncio.Transport

    def __init__(
        self,
        conn: socket.socket,
        serving: Serving,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        left: Left,
    ) -> None:
        self._conn: socket.socket | None = conn
        self._serving = serving
        self._loop = loop
        self._limits = limits
        self._left = left
        self._last = monotonic()
        """When the peer was heard, or took something, last."""
        self._patience = Patience(limits, self._last)
        self._delays = False
        self._made = False
        self._alarm: asyncio.TimerHandle | None = None
        """Rings when the protocol speaks next, or when the farewell is over."""
        self._rings_at = math.inf
        self._stuck = False
        """Whether the kernel does not take all that we write."""
        self._unsent = 0
        """How much that was at the last look."""
        self._eof = False
        """Whether the peer has closed its side."""
        self._left_for: str | None = None
        """Why we have sent our FIN, and wait for the peer's."""
        self._why: str | None = None
        """Why it ends, if not by the peer."""

    def __str__(self) -> str:
        return type(self._serving).__name__

    async def open(self, *, delays: bool) -> None:
        """Begin; as of `Guest`."""
        self._delays = delays
        conn, self._conn = self._conn, None
        await self._loop.connect_accepted_socket(lambda: self, conn)  # type: ignore[arg-type]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has it."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)  # one byte that the kernel does not take is too much
        if self._delays:
            let_delay(transport)
        self._made = True

    def data_received(self, data: bytes) -> None:
        """Answer a piece: the way of every request."""
        if self._serving.over is not None:
            return  # we have taken leave: it is thrown away
        serving = self._serving
        self._last = monotonic()
        try:
            if answer := serving.receive(data):
                self._transport.write(answer)
            if serving.over is not None:
                self._end()
            elif serving.due is not None:
                self._set_alarm(serving.due)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this connection only
            self._crash(error)

    def eof_received(self) -> bool:
        """The peer has closed its side; ours stays open (True) for the answers that are still due."""
        self._eof = True
        if self._left_for is not None:
            self._transport.close()
        elif self._serving.over is None:
            self.data_received(b"")
        return True

    def pause_writing(self) -> None:
        """The kernel does not take all: read no more."""
        self._stuck = True
        if not self._eof:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It has taken everything: go on."""
        self._stuck = False
        self._last = monotonic()
        if self._serving.over is not None:
            self._loop.call_soon(self._end)
        elif not self._eof:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Everything is closed."""
        if self._alarm is not None:
            self._alarm.cancel()
        why = named(exc) if isinstance(exc, OSError) else self._serving.over or "eof"
        self._left(self, self._left_for or self._why or why)

    def check(self, now: float) -> None:
        """Close it when the peer has taken too long."""
        if not self._made or self._took_nothing(now) or self._left_for is not None:
            return
        if self._stuck or self._transport.is_closing():
            return
        until, why = self._patience.until(self._serving, self._last, now)
        if now >= until:
            try:
                if words := self._serving.give_up(why):
                    self._transport.write(words)
                self._end()
            except Exception as error:  # noqa: BLE001 - as above
                self._crash(error)

    def drain(self, now: float) -> None:
        """The server is to stop: what comes in the next moment is still answered."""
        self._last = now
        self._patience.draining = True

    def _took_nothing(self, now: float) -> bool:
        """End it if the peer has taken nothing of what it is sent for too long; whether it did."""
        unsent, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        if self._unsent != unsent:
            self._last = now
        elif unsent and now >= self._last + self._limits.send:
            self._abort("unread")
            return True
        return False

    def _end(self) -> None:
        """Nothing more is received: close, as soon as all answers are on their way."""
        match self._serving.over:
            case None:
                pass  # answers are due
            case "eof":
                self._transport.close()
            case why if not self._stuck and not self._transport.is_closing():
                self._take_leave(why)

    def _take_leave(self, why: str) -> None:
        self._left_for = why
        try:
            self._transport.write_eof()
        except OSError:  # it is reset already
            self._transport.abort()
            return
        if self._eof:
            self._transport.close()
            return
        self._transport.resume_reading()
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_later(self._limits.farewell, self._abort, "farewell")

    def _set_alarm(self, due: float) -> None:
        if due >= self._rings_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._rings_at = due
        self._alarm = self._loop.call_later(max(0.0, due - monotonic()), self._ring)

    def _ring(self) -> None:
        """The protocol speaks; or, as clocks differ, will in a moment."""
        self._rings_at = math.inf
        if self._serving.over is not None:
            return
        serving = self._serving
        try:
            if answer := serving.tick():
                self._transport.write(answer)
            if serving.over is not None:
                self._end()
            elif serving.due is not None:
                self._set_alarm(serving.due)
        except Exception as error:  # noqa: BLE001 - as above
            self._crash(error)

    def _abort(self, why: str) -> None:
        """Close it at once; with data that it has not read, that is a RST."""
        self._why = why
        self._transport.abort()

    def _crash(self, error: Exception) -> None:
        log("ERROR", "crashed", thread=str(self), why=ascii(error))
        self._abort("crashed")


class BufferedConnection(Connection, IntoBuffer):
    """The same, read by way of a buffer."""

    __slots__ = ("buffer",)
