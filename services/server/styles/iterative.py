"""Iterative: one client at a time, from its first byte to its last; then the next.

The simplest server there is, and right where a conversation is short. All others are connected (the kernel
does that, accept() or not) and wait in the backlog for their turn; how long is up to the client that is
being served.
"""

from typing import Final

from services.server.blocking.acceptors import Acceptors
from services.server.blocking.datagrams import DatagramServer
from services.server.blocking.handlers import datagrams_of, handler_of
from services.server.datagram_socket import DatagramSocket
from services.server.service import Service
from services.server.styles.style import Opening, Style


def _streams(opening: Opening) -> Service:
    return Acceptors(opening.offer.name, opening.sockets[0], 1, handler_of(opening.offer), opening.program)


def _datagrams(opening: Opening) -> Service:
    sock = DatagramSocket(opening.offer.name, opening.sockets[0])
    return DatagramServer(sock, datagrams_of(opening.offer, opening.program.stopping), opening.program)


STYLE: Final = Style(connections=200, streams=_streams, datagrams=_datagrams)
