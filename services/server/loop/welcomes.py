"""What serves a connection, or a datagram socket, in a loop."""

import socket

from services.server.datagram_socket import DatagramSocket
from services.server.loop.connection import Connection, Guest, Left, TimedConnection
from services.server.loop.datagrams import LoopDatagramServer
from services.server.loop.listener import LoopServer, Welcome
from services.server.loop.loop import Loop
from services.server.loop.pollers import READ
from services.server.loop.relay import Relay
from services.server.loop.relay_datagrams import LoopRelayDatagramServer
from services.server.offer import Offer
from services.server.options import Upstream
from services.server.service import Limits, Service
from services.server.shared import Program
from services.server.upstream import Resolver


def stream_service(offer: Offer, listener: socket.socket, program: Program, events: int = READ) -> Service:
    """What serves a listener in the program's loop.

    Args:
        offer: what is served.
        listener: in the state LISTEN; owned from now on.
        program: what the process shares.
        events: what to wait for at the listener.
    """
    if offer.upstream is not None:
        return _relay_service(offer.name, offer.upstream, listener, program, events)
    return LoopServer(offer.name, listener, _welcome(offer), program, events)


def datagram_service(offer: Offer, sock: socket.socket, program: Program) -> Service:
    """What serves a bound datagram socket in the program's loop; arguments as of `stream_service`."""
    if offer.served is not None and offer.served.datagrams is not None:
        return LoopDatagramServer(DatagramSocket(offer.name, sock), offer.served.datagrams(), program)
    if offer.upstream is not None:
        return LoopRelayDatagramServer(DatagramSocket(offer.name, sock), offer.upstream, program)
    raise AssertionError(offer)  # `cells` has refused it


def _welcome(offer: Offer) -> Welcome:
    served = offer.served
    if served is None:
        raise AssertionError(offer)  # `cells` has refused it
    make, kind = served.connection, TimedConnection if served.timed else Connection

    def welcome(fd: int, loop: Loop, limits: Limits, left: Left) -> Guest:
        return kind(fd, make(), loop, limits, left)

    return welcome


def _relay_service(
    name: str, upstream: Upstream, listener: socket.socket, program: Program, events: int
) -> Service:
    resolver = Resolver(upstream, socket.SOCK_STREAM, program.loop.call_from_thread)

    def welcome(fd: int, loop: Loop, limits: Limits, left: Left) -> Guest:
        return Relay(fd, resolver, loop, limits, left)

    shortest = min(upstream.connect, upstream.answer)
    return LoopServer(name, listener, welcome, program, events, shortest)
