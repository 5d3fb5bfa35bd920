"""What a server knows of the protocol it serves, and nothing more: the seam between protocols and styles.

Theory of operation
    A protocol is a state machine without I/O. A server of any style owns the socket, the timers and the
    limits; it hands over what arrived and sends what it is given:

        while serving.over is None: bytes from the peer -> receive() -> bytes to the peer

    Three questions are asked besides. `stage` and `messages` tell how long the peer may be silent: one that
    has begun a message must also end it (a peer that sends a byte now and then would else hold a connection
    for ever: "slow loris"). `due` says when the protocol has something to send, although nothing came.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol


class Stage(Enum):
    """What a connection waits for; each has a time limit of its own."""

    HANDSHAKE = auto()
    """The peer has not yet said who it is."""
    BETWEEN = auto()
    """The next message; none has begun."""
    MESSAGE = auto()
    """The rest of a message that has begun."""


class Serving(Protocol):
    """The serving side of one connection."""

    over: str | None
    """None while it goes on; else why it ended: `bye`, `eof`, or what the peer did wrong.

    After `receive(b"")` it may stay None while answers are still due: nothing more is received then, and
    `tick` ends it.
    """

    @property
    def stage(self) -> Stage:
        """What it waits for."""

    @property
    def messages(self) -> int:
        """How many complete messages the peer has sent; what has no messages stays at 0."""

    @property
    def due(self) -> float | None:
        """When `tick` has something to send, in seconds of `time.monotonic`; None: nothing is due."""

    def receive(self, data: bytes) -> bytes:
        """Take what the peer sent (`b""`: it closed its side); give what to answer, maybe nothing.

        Never called once `over` is set: the answer is to be sent, and the connection closed.
        """

    def tick(self) -> bytes:
        """Give what has come due by now."""

    def give_up(self, why: str) -> bytes:
        """End it, because the peer was too slow or the server stops; give the last words, maybe none."""


class DatagramServing(Protocol):
    """The serving side of one datagram socket, for all its peers."""

    @property
    def due(self) -> float | None:
        """As of `Serving`."""

    def receive(self, datagram: bytes, peer: Hashable) -> bytes | None:
        """Take one datagram; give the answer, or None.

        Args:
            datagram: it may be empty.
            peer: who sent it, to tell one from another; `tick` gives it back with late answers.
        """

    def tick(self) -> list[tuple[Hashable, bytes]]:
        """Give the datagrams that have come due by now, each with its peer."""


@dataclass(frozen=True, slots=True)
class Served:
    """One protocol, as servers see it.

    Args:
        connection: makes the serving side of one connection.
        datagrams: makes the serving side of one datagram socket; None: the protocol is for streams only.
        timed: whether `due` is ever set: a server need not ask the others.
    """

    connection: Callable[[], Serving]
    datagrams: Callable[[], DatagramServing] | None = None
    timed: bool = False
