"""What a style is, for the program that opens its sockets."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.server.loop.pollers import EpollPoller, Poller
from services.server.offer import Offer
from services.server.service import Service
from services.server.shared import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a style is given to serve.

    Args:
        offer: what is served.
        sockets: where; of prefork one for each worker, else a single one. The style owns them from now on.
        program: what the process shares.
        workers: threads or processes that are made beforehand, where the style has them.
        drain: seconds for what is in flight when the stop is asked.
    """

    offer: Offer
    sockets: Sequence[socket.socket]
    program: Program
    workers: int
    drain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One way to serve many clients.

    Args:
        connections: how many at once, where nobody says otherwise: what a container has room for.
        streams: makes what serves listeners.
        datagrams: makes what serves datagram sockets; None: the style has nothing to give to a datagram.
        poller: tells the main thread what is ready.
        own_sockets: whether each worker has a socket of its own on the same address and port.
    """

    connections: int
    streams: Callable[[Opening], Service]
    datagrams: Callable[[Opening], Service] | None = None
    poller: Callable[[], Poller] = EpollPoller
    own_sockets: bool = False
