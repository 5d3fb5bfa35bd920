"""What a server can serve: the protocols by name, each in one shape, whatever the style of the server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.protocol.chat import ChatServing
from services.protocol.echo import EchoServing, echo_datagram


class Serving(Protocol):
    """The serving side of one connection."""

    over: str | None
    """None while it goes on; else why it ended: `bye`, `eof`, or what the peer did wrong."""

    def receive(self, data: bytes) -> bytes:
        """Take what the peer sent (`b""`: it closed its side); give what to answer, maybe nothing.

        Never called once `over` is set: the answer is to be sent, and the connection closed.
        """


@dataclass(frozen=True, slots=True)
class Served:
    """One protocol, as servers see it.

    Args:
        connection: makes the serving side of one connection.
        datagram: the answer to one datagram; None: the protocol is for streams only.
    """

    connection: Callable[[], Serving]
    datagram: Callable[[bytes], bytes] | None = None


SERVED = {
    "echo": Served(EchoServing, echo_datagram),
    "chat": Served(ChatServing),
}
