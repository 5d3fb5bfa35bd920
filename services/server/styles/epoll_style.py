"""epoll: one thread for all; the kernel keeps the list of sockets, and names those that are ready.

The price of a wait does not grow with the number of idle connections, so this is what serves many. The code
of a connection is turned inside out: between two pieces it must remember where it was
(`services.server.loop`). Nothing may block: the time that one client takes, all others wait.
"""

from typing import Final

from services.server.loop.welcomes import datagram_service, stream_service
from services.server.service import Service
from services.server.styles.style import Opening, Style


def _streams(opening: Opening) -> Service:
    return stream_service(opening.offer, opening.sockets[0], opening.program)


def _datagrams(opening: Opening) -> Service:
    return datagram_service(opening.offer, opening.sockets[0], opening.program)


STYLE: Final = Style(connections=10_000, streams=_streams, datagrams=_datagrams)
