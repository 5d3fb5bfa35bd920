"""What serves a connection, or a datagram socket, in an asyncio event loop."""

import socket

from services.server.aio.connection import BufferedConnection, Connection
from services.server.aio.datagrams import AsyncioDatagramServer, AsyncioRelayDatagramServer
from services.server.aio.event_loop import EventLoop
from services.server.aio.guest import Guest, Left, Welcome
from services.server.aio.relay import Relay
from services.server.aio.server import AsyncioServer
from services.server.datagram_socket import DatagramSocket
from services.server.listeners import Bound
from services.server.offer import Offer
from services.server.options import Upstream
from services.server.service import Limits, Service
from services.server.shared import Program
from services.server.upstream import Resolver


def stream_service(offer: Offer, listener: socket.socket, program: Program) -> Service:
    """What serves a listener in an event loop of its own.

    Args:
        offer: what is served.
        listener: in the state LISTEN; owned from now on.
        program: what the process shares.
    """
    events = EventLoop(str(Bound.of(offer.name, listener)))
    if offer.upstream is not None:
        shortest = min(offer.upstream.connect, offer.upstream.answer)
        welcome = _relaying(offer.upstream, events)
        return AsyncioServer(offer.name, listener, welcome, program, events, shortest)
    return AsyncioServer(offer.name, listener, _serving(offer, events), program, events)


def datagram_service(offer: Offer, sock: socket.socket, program: Program) -> Service:
    """What serves a bound datagram socket in an event loop of its own; arguments as of `stream_service`."""
    bound = DatagramSocket(offer.name, sock)
    if offer.upstream is not None:
        return AsyncioRelayDatagramServer(bound, offer.upstream, program)
    if offer.served is not None and offer.served.datagrams is not None:
        return AsyncioDatagramServer(bound, offer.served.datagrams(), EventLoop(str(bound.bound)))
    raise AssertionError(offer)  # `cells` has refused it


def _serving(offer: Offer, events: EventLoop) -> Welcome:
    served = offer.served
    if served is None:
        raise AssertionError(offer)  # `cells` has refused it
    make = served.connection

    def welcome(conn: socket.socket, limits: Limits, left: Left) -> Guest:
        if events.buffer is None:
            return Connection(conn, make(), events.loop, limits, left)
        connection = BufferedConnection(conn, make(), events.loop, limits, left)
        connection.buffer = events.buffer
        return connection

    return welcome


def _relaying(upstream: Upstream, events: EventLoop) -> Welcome:
    resolver = Resolver(upstream, socket.SOCK_STREAM, events.call_from_thread)

    def welcome(conn: socket.socket, limits: Limits, left: Left) -> Guest:
        return Relay(conn, resolver, events, limits, left)

    return welcome
