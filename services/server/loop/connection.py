"""One connection of a loop.

Theory of operation
    When a connection is readable one piece is read, given to the protocol, and the answer written at once:
    most often the kernel takes it whole. What it does not take is kept, and nothing more is read until it is
    gone: a peer that sends and never reads is stopped by the window of TCP, and holds one piece of memory
    here. The piece grows for a peer that fills it, so that bulk data takes few calls; an idle connection
    holds none.

    Limits are looked at now and then, by who owns the connections: a timer for each would have to be moved
    with every byte.

    A connection is closed in two steps: our FIN first, then what the peer still sends is thrown away until
    its own. close() with unread data would send a RST, and a RST takes from the peer what it has not read
    yet: our last words (RFC 2525 2.17).
"""

import errno
import os
import socket
from collections.abc import Callable
from os import read, write
from typing import Final, Protocol

from services.protocol.serving import Serving, Stage
from services.server.errors import named
from services.server.loop.alarm import Alarm
from services.server.loop.loop import Loop
from services.server.loop.pollers import READ, WRITE
from services.server.patience import Patience
from services.server.service import Limits

_PIECE: Final = 448
"""Bytes read at once, at first: room that Python takes from its own pools (below 512 bytes with the header
of a `bytes`), and need not ask malloc(3) for. It is a twentieth of the cost of a small request."""
_PIECE_MOST: Final = 256 * 1024


class Guest(Protocol):
    """What serves one peer in a loop: a connection, or a relay with its two."""

    def check(self, now: float) -> None:
        """See whether a limit has passed; called now and then with `time.monotonic`."""

    def drain(self, now: float) -> None:
        """The server is to stop: end when nothing more arrives."""


Left = Callable[[Guest, str], None]
"""Called once, when a guest has closed everything it had, with why."""


class Connection:
    """Serves one peer.

    Args:
        fd: of a non-blocking socket; the connection owns it from now on. A `socket.socket` around it would
        cost
            as much as all the rest of a short connection.
        serving: of the protocol.
        loop: which it stands in.
        limits: what the peer may cost.
        left: told at the end.

    Raises:
        OSError: the loop cannot wait for it; it is still the caller's then.
    """

    __slots__ = (
        "_fd",
        "_half",
        "_last",
        "_left",
        "_left_for",
        "_limits",
        "_loop",
        "_out",
        "_patience",
        "_piece",
        "_serving",
    )

    def __init__(self, fd: int, serving: Serving, loop: Loop, limits: Limits, left: Left) -> None:
        self._fd = fd
        self._serving = serving
        self._loop = loop
        self._limits = limits
        self._left = left
        self._patience: Patience | None = None
        self._piece = _PIECE
        self._out: memoryview | None = None
        """What the kernel has not taken yet."""
        self._half = False
        """Whether nothing more is read: the peer has closed its side, or we take leave."""
        self._left_for: str | None = None
        """Why we have sent our FIN, and wait for the peer's."""
        self._last = loop.now
        """When the peer was heard, or took something, last."""
        loop.add(fd, self)

    def ready(self, events: int) -> None:
        """Read a piece and answer it: the way of every request."""
        if events != READ and not self._may_read():
            return
        fd, serving = self._fd, self._serving
        try:
            data = read(fd, self._piece)
        except BlockingIOError:
            return  # a stale event: nothing is there
        except OSError as error:
            self.close(named(error))
            return
        self._last = self._loop.now
        if answer := serving.receive(data):
            try:
                sent = write(fd, answer)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.close(named(error))
                return
            if sent != len(answer):
                self._keep(answer, sent)
        if serving.over is not None or not data:
            self._end()
        elif len(data) == self._piece < _PIECE_MOST:
            self._piece *= 2

    def check(self, now: float) -> None:
        """Close it when the peer has taken too long."""
        if self._out is not None:
            if now >= self._last + self._limits.send:
                self.close("unread")
            return
        if self._left_for is not None:
            return
        patience = self._patience or self._begin_patience(now)
        until, why = patience.until(self._serving, self._last, now)
        if now >= until:
            self._half = True
            self._last = now
            if words := self._serving.give_up(why):
                self._say(words)
            else:
                self._end()

    def drain(self, now: float) -> None:
        """The server is to stop: what comes in the next moment is still answered."""
        self._last = now
        (self._patience or self._begin_patience(now)).draining = True

    def _begin_patience(self, now: float) -> Patience:
        """At the first look: most connections are over before."""
        self._patience = Patience(self._limits, now)
        return self._patience

    def failed(self) -> None:
        """Our own mistake ends it."""
        self.close("crashed")

    def close(self, why: str) -> None:
        """Close it at once; with data that it has not read, that is a RST."""
        fd, self._fd = self._fd, -1
        self._loop.closing(fd)
        os.close(fd)
        self._left(self, self._left_for or why)

    def _may_read(self) -> bool:
        """Deal with an event that is not just the next piece; whether there is one all the same."""
        if self._out is not None:
            self._flush(self._out)
        elif self._half:  # nothing is waited for; what is reported all the same is a reset (poll(2), POLLHUP)
            self.close(named(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))))
        else:
            return True
        return False

    def _say(self, data: bytes) -> None:
        """Send what nobody has asked for just now: behind what waits already."""
        if self._out is not None:
            data = b"".join((self._out, data))
        self._keep(data, 0)
        self._flush(memoryview(data))

    def _keep(self, answer: bytes, sent: int) -> None:
        """The kernel takes no more: the rest waits, and until it is gone nothing is read."""
        self._out = memoryview(answer)[sent:]
        self._loop.change(self._fd, WRITE)

    def _flush(self, out: memoryview) -> None:
        """Write what waits; when it is gone, go on."""
        try:
            sent = write(self._fd, out)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(named(error))
            return
        self._last = self._loop.now
        if sent != len(out):
            self._out = out[sent:]
            return
        self._out = None
        if self._half:
            self._end()
        else:
            self._loop.change(self._fd, READ)

    def _end(self) -> None:
        """Nothing more is read: close, as soon as all answers are on their way."""
        self._half = True
        if self._out is not None:
            return
        match self._serving.over:
            case None:
                self._loop.change(self._fd, 0)  # answers are due
            case "eof":
                self.close("eof")
            case why:
                self._take_leave(why)

    def _take_leave(self, why: str) -> None:
        conn = socket.socket(fileno=self._fd)
        try:
            conn.shutdown(socket.SHUT_WR)
        except OSError as error:  # it is reset already
            self.close(named(error))
            return
        finally:
            conn.detach()
        self._left_for = why
        self._serving = _Deaf()
        self._half = False
        self._loop.change(self._fd, READ)
        self._loop.at(self._loop.now + self._limits.farewell, self._farewell_over)

    def _farewell_over(self) -> None:
        if self._fd >= 0:
            self.close("farewell")


class _Deaf:
    """What serves a peer that we have taken leave of: nobody listens any more."""

    __slots__ = ("over",)

    stage: Final = Stage.BETWEEN
    messages: Final = 0
    due: Final = None

    def __init__(self) -> None:
        self.over: str | None = None

    def receive(self, data: bytes) -> bytes:
        """Throw it away."""
        if not data:
            self.over = "eof"
        return b""

    def tick(self) -> bytes:
        """Nothing is due."""
        return b""

    def give_up(self, why: str) -> bytes:
        """Nothing is said."""
        self.over = why
        return b""


class TimedConnection(Connection):
    """Serves a protocol that also speaks when nothing came."""

    __slots__ = ("_alarm",)

    def __init__(self, fd: int, serving: Serving, loop: Loop, limits: Limits, left: Left) -> None:
        self._alarm = Alarm(loop, self._ring)
        super().__init__(fd, serving, loop, limits, left)

    def ready(self, events: int) -> None:
        """Read a piece and answer it; see when the protocol speaks next."""
        Connection.ready(self, events)  # super() would be a call more, with every request
        if self._serving.due is not None:
            self._alarm.set(self._serving.due)

    def _ring(self) -> None:
        if self._fd < 0:
            return
        answer = self._serving.tick()
        self._half = self._half or self._serving.over is not None
        if answer:
            self._say(answer)
        elif self._serving.over is not None:
            self._end()
        self._alarm.set(self._serving.due)
