"""asyncio: one thread for all, as in epoll, by the event loop that comes with Python, or by uvloop's.

The loop calls, we are called: what the style epoll shows line by line, the wait, the readiness, the rest that
the kernel did not take, is done behind transports. It brings timers, subprocesses, names and TLS into the
same loop. Used as the books show it, it costs three to four times the time of the bare calls; most of that
is the memory it reads into (`services.server.aio.reading`). uvloop, which is libuv in Cython, costs no more
than they do. Its thread stands beside the main one, which waits for the request to stop.
"""

from typing import Final

from services.server.aio.welcomes import datagram_service, stream_service
from services.server.service import Service
from services.server.styles.style import Opening, Style


def _streams(opening: Opening) -> Service:
    return stream_service(opening.offer, opening.sockets[0], opening.program)


def _datagrams(opening: Opening) -> Service:
    return datagram_service(opening.offer, opening.sockets[0], opening.program)


STYLE: Final = Style(connections=10_000, streams=_streams, datagrams=_datagrams)
