"""What every kind of server has in common, and what it may spend."""

from dataclasses import dataclass
from typing import Protocol

from services.server.connections import Connections
from services.server.listeners import Bound
from services.server.waiting import Stopping


class Service(Protocol):
    """One served port. It is opened when it is made, and serves from `start` until the stop is asked."""

    @property
    def bound(self) -> Bound:
        """Where it serves."""

    def start(self) -> None:
        """Begin to serve."""

    def alive(self) -> bool:
        """Whether it does serve; the health answer is made from this."""

    def close(self) -> None:
        """Give up the port. Called after the stop has been asked, or when another service could not open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may cost, in seconds and counts.

    Args:
        connections: open at once, of all services together: each is a thread.
        idle: a connection on which nothing arrives for that long is closed.
        send: a peer that takes nothing of what it is sent for that long is given up.
        farewell: a closed connection's last data is waited for so long, for the peer to get ours.
        quiet: when stopping, a connection on which nothing arrives for that long has nothing in flight.
    """

    connections: int = 200
    idle: float = 300.0
    send: float = 30.0
    farewell: float = 1.0
    quiet: float = 0.5


class Program:
    """What all services of one process share.

    Args:
        limits: what a peer may cost.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stopping = Stopping()
        self.connections = Connections(limits.connections)
