"""Forking: a process for each connection, as servers were written before threads.

The parent accepts, forks and closes its copy of the connection: as long as one process holds it, close() in
the other says nothing to the peer (`catalogue.md`, close-with-duplicate-fd). The child serves this one peer
and ends. A child that crashes, or is killed, takes nobody along. It costs the most: a process, and the
copying of the parent's page tables.
"""

import contextlib
import socket
from functools import partial
from typing import Final

from services.server.accepting import LAST, PAUSE, Trouble, refuse
from services.server.blocking.handlers import handler_of
from services.server.blocking.peer import Handler, serve
from services.server.listeners import Bound
from services.server.service import Service
from services.server.shared import Program
from services.server.styles.style import Opening, Style


class ForkingServer:
    """Serves one listener, each connection in a process of its own.

    Args:
        name: what it serves.
        listener: in the state LISTEN; the server owns it from now on.
        handler: serves one connection.
        program: what the process shares. It must have no thread but the main one.
    """

    def __init__(self, name: str, listener: socket.socket, handler: Handler, program: Program) -> None:
        listener.settimeout(0)
        self._listener = listener
        self._handler = handler
        self._program = program
        self._trouble = Trouble()
        self._alive = True
        self.bound = Bound.of(name, listener)

    def __str__(self) -> str:
        return str(self.bound)

    def start(self) -> None:
        """Accept from now on."""
        self._program.loop.add(self._listener.fileno(), self)

    def alive(self) -> bool:
        """Whether it accepts."""
        return self._alive

    def close(self) -> None:
        """Take the last that are connected already, and close the listener."""
        if self._program.stopping.asked():
            with contextlib.suppress(OSError):
                for _ in range(LAST):
                    self._take(*self._listener.accept())
        self._program.loop.discard(self._listener.fileno())
        self._listener.close()

    def ready(self, _: int) -> None:
        """Somebody waits to be accepted."""
        try:
            conn, address = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it was reset before we took it; that is its own affair
        except OSError as error:
            self._trouble.tell(self.bound, error)
            # The connection stays in the queue and the listener readable: without a pause this would spin.
            self._program.loop.rest(self._listener.fileno(), PAUSE)
            return
        self._trouble.told = False
        self._take(conn, address)

    def failed(self) -> None:
        """It cannot accept any more."""
        self._alive = False
        self._program.loop.discard(self._listener.fileno())

    def _take(self, conn: socket.socket, address: object) -> None:
        connections = self._program.connections
        if not connections.enter():
            refuse(conn, self.bound, address, connections.limit)
            return
        try:
            self._program.children.fork(partial(self._serve, conn, address), self._ended)
        except OSError as error:  # EAGAIN: a limit of processes (fork(2))
            connections.leave()
            refuse(conn, self.bound, address, connections.limit, error)
            return
        conn.close()

    def _serve(self, conn: socket.socket, address: object) -> None:
        """In the child."""
        self._program.become_child()
        conn.settimeout(None)
        serve(conn, address, self.bound, self._handler, self._program)

    def _ended(self, _: int) -> None:
        self._program.connections.leave()


def _streams(opening: Opening) -> Service:
    return ForkingServer(opening.offer.name, opening.sockets[0], handler_of(opening.offer), opening.program)


STYLE: Final = Style(connections=100, streams=_streams)
