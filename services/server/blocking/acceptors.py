"""Threads that accept: one or more on a listener, each serving whom it took, or handing it on.

Theory of operation
    A thread waits in poll(2) for the listener and for the request to stop. The listener is non-blocking: the
    connection that woke it may be gone, or taken by another thread. Who is not accepted waits in the kernel's
    queue, the backlog, connected for all that it can tell.

    When the program is to stop, the main thread takes those who wait there, as they count as connected,
    closes the listener at once, and leaves them to the threads: a thread may be busy with a connection for
    long.
"""

import contextlib
import socket
import threading
from collections import deque
from typing import TypeAlias

from services.server.accepting import LAST, PAUSE, Trouble, refuse
from services.server.blocking.peer import Handler, serve
from services.server.listeners import Bound
from services.server.shared import Program
from services.server.waiting import Waiter, Woke

Accepted: TypeAlias = tuple[socket.socket, object]
"""A connection and its peer's address."""


class Acceptors:
    """A listener and the threads that accept from it.

    Args:
        name: what it serves.
        listener: in the state LISTEN; owned from now on.
        threads: how many accept.
        handler: serves one connection.
        program: what the process shares.
    """

    def __init__(
        self,
        name: str,
        listener: socket.socket,
        threads: int,
        handler: Handler,
        program: Program,
    ) -> None:
        listener.settimeout(0)
        self._listener = listener
        self._handler = handler
        self._program = program
        self._lock = threading.Lock()
        self._trouble = Trouble()
        self._last: deque[Accepted] = deque()
        self._closed = threading.Event()
        self.bound = Bound.of(name, listener)
        self._threads = [
            # Daemons: the program ends when the drain's time is up, whatever a peer still does. Each gets
            # what it waits with now: when it runs, the stop may have been asked and the listener closed.
            threading.Thread(
                target=self._run,
                args=(Waiter(listener, program.stopping),),
                name=f"{self.bound} {number}",
                daemon=True,
            )
            for number in range(threads)
        ]

    def start(self) -> None:
        """Accept from now on."""
        for thread in self._threads:
            thread.start()

    def alive(self) -> bool:
        """Whether all of them do."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Take the last that are connected already, and close the listener."""
        with self._lock:
            with contextlib.suppress(OSError):
                while self._threads[0].ident and len(self._last) < LAST:
                    accepted = self._listener.accept()
                    if self._has_room_for(*accepted):  # and is in flight already, for the drain
                        self._last.append(accepted)
            # close() alone is not enough: the socket listens on until no thread waits in poll(2) for it.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._closed.set()

    def _take(self, conn: socket.socket, address: object) -> None:
        """Serve a connection for which there is room, in the thread that accepted it."""
        self._serve(conn, address)

    def _serve(self, conn: socket.socket, address: object) -> None:
        try:
            serve(conn, address, self.bound, self._handler, self._program)
        finally:
            self._program.connections.leave()

    def _run(self, waiter: Waiter) -> None:
        while not self._program.stopping.asked() and waiter.wait() is Woke.READABLE:
            if accepted := self._accept():
                self._take(*accepted)
        self._closed.wait()
        with contextlib.suppress(IndexError):
            while True:
                self._take(*self._last.popleft())

    def _has_room_for(self, conn: socket.socket, address: object) -> bool:
        """Count it; one too many is refused."""
        connections = self._program.connections
        if connections.enter():
            return True
        refuse(conn, self.bound, address, connections.limit)
        return False

    def _accept(self) -> Accepted | None:
        """Who waits, and is counted now; None: nobody, there is no room, or it cannot be accepted now."""
        with self._lock:
            if self._closed.is_set():
                return None
            try:
                accepted = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return None  # another thread has it, or it was reset before we took it: its own affair
            except OSError as error:
                self._trouble.tell(self.bound, error)
            else:
                self._trouble.told = False
                return accepted if self._has_room_for(*accepted) else None
        # The connection stays in the queue and the listener readable: without a pause this would spin.
        self._program.stopping.wait(PAUSE)
        return None
