"""A listener of an asyncio event loop: takes who comes, and keeps an eye on those who are there.

Theory of operation
    We accept by ourselves, and hand each connection to the loop (`connect_accepted_socket`). What asyncio's
    own servers do when accept() gives EMFILE is their affair, and differs from loop to loop: Python's leaves
    the listener alone for a second, and tells of it each time. They have one way for TCP and another one for
    Unix sockets, and that one may unlink the socket's file, which is not for it to do
    (`services.unix_socket`). And they tell of a connection only when it is too late to refuse it.

    The thread of the loop is the only one that touches what stands in it: whatever the program's main thread
    wants is called there.
"""

import contextlib
import math
import socket
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from services.server.accepting import LAST, PAUSE, Trouble, refuse, spelled_peer
from services.server.aio.event_loop import EventLoop
from services.server.aio.guest import Guest, Welcome
from services.server.listeners import Bound
from services.server.log import debugging, log
from services.server.patience import pause_between_looks, shortest_of
from services.server.shared import Program

if TYPE_CHECKING:
    import asyncio

_AT_ONCE: Final = 64
"""Connections accepted before the others in the loop get their turn."""


class AsyncioServer:
    """Serves one listener of streams in an event loop.

    Args:
        name: what it serves.
        listener: in the state LISTEN; the server owns it from now on.
        welcome: makes what serves a connection.
        program: what the process shares.
        events: the loop; the server owns it from now on.
        shortest: of what else limits a guest, in seconds.
    """

    def __init__(
        self,
        name: str,
        listener: socket.socket,
        welcome: Welcome,
        program: Program,
        events: EventLoop,
        shortest: float = math.inf,
    ) -> None:
        listener.settimeout(0)
        self._listener = listener
        self._welcome = welcome
        self._program = program
        self._guests: dict[Guest, str] = {}
        """Each with its peer, if that is to be told."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = False
        self._closed = False
        self._failed = False
        self._trouble = Trouble()
        self._period = pause_between_looks(shortest_of(program.limits), shortest)
        self.bound = Bound.of(name, listener)
        self._delays = self.bound.transport == "tcp" and not listener.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY
        )
        self._events = events
        self._loop = events.loop

    def start(self) -> None:
        """Accept from now on."""
        log("INFO", "event-loop", bound=self.bound, loop=self._events.kind)
        self._loop.add_reader(self._listener, self._ready)
        self._events.start()

    def alive(self) -> bool:
        """Whether it accepts."""
        return self._events.alive() and not self._failed

    def close(self) -> None:
        """Take the last that are connected already, and close the listener."""
        self._events.call(self._close)

    def _close(self) -> None:
        if self._events.alive():
            self._loop.remove_reader(self._listener)
            if self._program.stopping.asked():
                self._drain()
        self._listener.close()
        self._closed = True
        self._end_if_empty()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            self._accept(LAST)
        now = time.monotonic()
        for guest in tuple(self._guests):
            guest.drain(now)
        self._period = pause_between_looks(self._program.limits.quiet)
        self._look_again()

    def _end_if_empty(self) -> None:
        """The loop ends with its last guest: then nothing of it is left when the program ends."""
        if self._closed and not self._guests:
            self._events.end()

    def _ready(self) -> None:
        """Somebody waits to be accepted."""
        try:
            self._accept(_AT_ONCE)
        except OSError as error:
            # The connection stays in the queue and the listener readable: without a pause this would spin.
            self._loop.remove_reader(self._listener)
            try:
                self._trouble.tell(self.bound, error)
            except OSError:
                self._failed = True
                raise
            self._loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._ready)

    def _accept(self, most: int) -> None:
        for _ in range(most):
            try:
                conn, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue  # it was reset before we took it; that is its own affair
            self._trouble.told = False
            self._take(conn, address)

    def _take(self, conn: socket.socket, address: object) -> None:
        connections = self._program.connections
        if not connections.enter():
            refuse(conn, self.bound, address, connections.limit)
            return
        conn.settimeout(0)
        guest = self._welcome(conn, self._program.limits, self._left)
        self._guests[guest] = ""
        if debugging():
            self._guests[guest] = peer = spelled_peer(address)
            log("DEBUG", "connected", bound=self.bound, peer=peer)
        self._run(self._open(guest, conn, address))
        if not self._looking:
            self._look_again()

    async def _open(self, guest: Guest, conn: socket.socket, address: object) -> None:
        try:
            await guest.open(delays=self._delays)
        except OSError as error:
            refuse(conn, self.bound, address, self._program.connections.limit, error)
            self._left(guest, "no-room")
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this connection only
            log("ERROR", "crashed", thread=str(guest), why=ascii(error))
            conn.close()
            self._left(guest, "crashed")

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a task; a loop itself keeps no hold of its tasks."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _left(self, guest: Guest, why: str) -> None:
        if guest not in self._guests:
            return
        if peer := self._guests.pop(guest):
            log("DEBUG", "disconnected", bound=self.bound, peer=peer, why=why)
        self._program.connections.leave()
        self._end_if_empty()

    def _look_again(self) -> None:
        self._looking = True
        self._loop.call_later(self._period, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        for guest in tuple(self._guests):
            guest.check(now)
        self._looking = False
        if self._guests:
            self._look_again()
