"""Iterative: one client at a time, from its first byte to its last; then the next.

The simplest server there is, and right where a conversation is short. All others are connected (the kernel
does that, accept() or not) and wait in the backlog for their turn; how long is up to the client that is
being served.
"""

import socket
from typing import Final

from services.server.blocking.acceptors import Acceptors
from services.server.blocking.datagrams import DatagramServer
from services.server.blocking.handlers import datagrams_of, handler_of
from services.server.blocking.peer import Handler, serve
from services.server.datagram_socket import DatagramSocket
from services.server.service import Service
from services.server.shared import Program
from services.server.styles.style import Opening, Style


class IterativeServer(Acceptors):
    """Serves one listener, one connection after another.

    Args:
        name: what it serves.
        listener: in the state LISTEN; the server owns it from now on.
        handler: serves one connection.
        program: what the process shares.
        threads: how many serve, each one connection at a time.
    """

    def __init__(
        self, name: str, listener: socket.socket, handler: Handler, program: Program, threads: int = 1
    ) -> None:
        super().__init__(name, listener, threads, self._serve, program)
        self._handler = handler

    def _serve(self, conn: socket.socket, address: object) -> None:
        try:
            serve(conn, address, self.bound, self._handler, self._program)
        finally:
            self._program.connections.leave()


def _streams(opening: Opening) -> Service:
    return IterativeServer(opening.offer.name, opening.sockets[0], handler_of(opening.offer), opening.program)


def _datagrams(opening: Opening) -> Service:
    sock = DatagramSocket(opening.offer.name, opening.sockets[0])
    return DatagramServer(sock, datagrams_of(opening.offer, opening.program.stopping), opening.program)


STYLE: Final = Style(connections=200, streams=_streams, datagrams=_datagrams)
