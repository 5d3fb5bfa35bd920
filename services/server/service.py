"""What every style of server has in common, and what a peer may cost."""

from dataclasses import dataclass
from typing import Protocol

from services.server.listeners import Bound


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
        """Give up the port; connections go on. After the stop has been asked, or instead of `start`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may cost, in seconds and counts.

    Args:
        connections: open at once, of all services together; None: what suits the style.
        idle: a connection on which nothing arrives for that long is closed.
        handshake: a peer has that long to say who it is, where the protocol asks for it.
        message: a peer that has begun a message has that long to end it.
        send: a peer that takes nothing of what it is sent for that long is given up.
        farewell: a closed connection's last data is waited for so long, for the peer to get ours.
        quiet: when stopping, a connection on which nothing arrives for that long has nothing in flight.
    """

    connections: int | None = None
    idle: float = 300.0
    handshake: float = 10.0
    message: float = 10.0
    send: float = 30.0
    farewell: float = 1.0
    quiet: float = 0.5
