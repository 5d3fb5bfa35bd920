"""Threaded: a thread for each connection, so that a connection's code reads from top to bottom.

One more thread accepts and does nothing else. A thread costs some 20 kB and the time to make it, and a
container may have as many as its limit of processes says (cgroups(7), pids): one more is refused.
"""

import errno
import socket
import threading
from typing import Final

from services.server.accepting import refuse
from services.server.blocking.acceptors import Acceptors
from services.server.blocking.handlers import handler_of
from services.server.blocking.peer import Handler
from services.server.service import Service
from services.server.shared import Program
from services.server.styles.style import Opening, Style


class ThreadedServer(Acceptors):
    """Serves one listener, each connection in a thread of its own.

    Args: as of `Acceptors`.
    """

    def __init__(self, name: str, listener: socket.socket, handler: Handler, program: Program) -> None:
        super().__init__(name, listener, 1, handler, program)

    def _take(self, conn: socket.socket, address: object) -> None:
        connections = self._program.connections
        try:
            threading.Thread(target=self._serve, args=(conn, address), daemon=True).start()
        except RuntimeError:  # "can't start new thread": pthread_create(3) has given EAGAIN
            connections.leave()
            refuse(conn, self.bound, address, connections.limit, OSError(errno.EAGAIN, ""))


def _streams(opening: Opening) -> Service:
    return ThreadedServer(opening.offer.name, opening.sockets[0], handler_of(opening.offer), opening.program)


STYLE: Final = Style(connections=200, streams=_streams)
