"""Pool: a fixed number of threads, each of which serves one client at a time.

The threads are made once, so a client costs none, and there can never be too many. Each accepts for itself:
when all are busy nobody does, and the clients wait in the backlog. A client that is silent holds its thread
all the same, so as many of them as there are threads stop the server until they are timed out (`--idle`).
"""

from typing import Final

from services.server.blocking.acceptors import Acceptors
from services.server.blocking.handlers import handler_of
from services.server.service import Service
from services.server.styles.style import Opening, Style


def _streams(opening: Opening) -> Service:
    handler = handler_of(opening.offer)
    return Acceptors(opening.offer.name, opening.sockets[0], opening.workers, handler, opening.program)


STYLE: Final = Style(connections=200, streams=_streams)
