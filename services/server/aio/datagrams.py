"""A datagram socket of an asyncio event loop.

asyncio's own datagram transports do not tell which of the host's addresses a datagram was sent to, and so
could not answer from there (`services.server.datagram_socket`); so the loop only says when something is
there.
"""

import asyncio
import math
import socket
import threading
import time
from collections.abc import Callable

from services.protocol.serving import DatagramServing
from services.server.aio.event_loop import EventLoop
from services.server.datagram_socket import DatagramSocket
from services.server.listeners import Bound
from services.server.log import log
from services.server.options import Upstream
from services.server.relay_datagrams import RelayDatagrams
from services.server.shared import Program
from services.server.upstream import Resolver


class AsyncioDatagramServer:
    """Serves one bound datagram socket in an event loop.

    Args:
        sock: the server owns it from now on.
        serving: answers.
        events: the loop; the server owns it from now on.
    """

    def __init__(self, sock: DatagramSocket, serving: DatagramServing, events: EventLoop) -> None:
        self._sock = sock
        self._serving = serving
        self._events = events
        self._loop = events.loop
        self._alarm: asyncio.TimerHandle | None = None
        self._rings_at = math.inf
        self._failed = False

    @property
    def bound(self) -> Bound:
        """Where it serves."""
        return self._sock.bound

    def start(self) -> None:
        """Answer from now on."""
        log("INFO", "event-loop", bound=self.bound, loop=self._events.kind)
        self._loop.add_reader(self._sock.fileno(), self._ready)
        self._events.start()

    def alive(self) -> bool:
        """Whether it answers."""
        return self._events.alive() and not self._failed

    def close(self) -> None:
        """Answer what has arrived, and close the socket."""
        self._events.call(self._answer_the_last)
        self._events.call(self._close)

    def _answer_the_last(self) -> None:
        if self._events.alive() and self._loop.remove_reader(self._sock.fileno()):
            self._sock.serve(self._serving)

    def _close(self) -> None:
        self._sock.close()
        self._events.end()

    def _ready(self) -> None:
        """Answer until none is left, or others should have their turn."""
        try:
            self._sock.serve(self._serving)
            self._set_alarm()
        except Exception:
            # Our own mistake; the loop tells it. What has caused it may still be there.
            self._failed = True
            self._loop.remove_reader(self._sock.fileno())
            raise

    def _set_alarm(self) -> None:
        due = self._serving.due
        if due is None or due >= self._rings_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._rings_at = due
        self._alarm = self._loop.call_later(max(0.0, due - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._rings_at = math.inf
        if self._sock.fileno() >= 0:
            self._sock.tick(self._serving)
            self._set_alarm()


class AsyncioRelayDatagramServer(AsyncioDatagramServer):
    """Serves one bound datagram socket with what the upstream says.

    Args:
        sock: the server owns it from now on.
        upstream: is asked.
        program: what the process shares.
    """

    def __init__(self, sock: DatagramSocket, upstream: Upstream, program: Program) -> None:
        events = EventLoop(str(sock.bound))
        resolver = Resolver(upstream, socket.SOCK_DGRAM, events.call_from_thread)
        self._routes = RelayDatagrams(resolver, _Readers(events.loop), sock.send)
        self._answered = threading.Event()
        self._quiet = program.limits.quiet
        super().__init__(sock, self._routes, events)

    def close(self) -> None:
        """Send on what has arrived, give the upstream a moment to answer it, and close all sockets."""
        self._routes.on_answer = self._note_answer
        self._events.call(self._answer_the_last)
        self._events.call(self._note_answer)
        self._answered.wait(self._quiet)
        super().close()

    def _note_answer(self) -> None:
        if not self._routes.expecting:
            self._answered.set()

    def _close(self) -> None:
        if self._events.alive():
            self._routes.close()
        super()._close()


class _Readers:
    """Stands between an event loop and what only wants to be called."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def add(self, fd: int, call: Callable[[], None]) -> None:
        """Call this when it is readable."""
        self._loop.add_reader(fd, call)

    def remove(self, fd: int) -> None:
        """Call no more."""
        self._loop.remove_reader(fd)
