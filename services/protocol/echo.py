"""Echo: the peer gets back the bytes it sent (RFC 862)."""

from collections.abc import Hashable
from typing import Final

from services.protocol.errors import LocalProtocolError
from services.protocol.serving import Stage


class EchoServing:
    """The serving side of one connection: every byte back, until the peer has closed its side."""

    __slots__ = ("over",)

    # Bytes are no messages: the peer owes nothing, and nothing is ever sent late.
    stage: Final = Stage.BETWEEN
    messages: Final = 0
    due: Final = None

    def __init__(self) -> None:
        self.over: str | None = None

    def receive(self, data: bytes) -> bytes:
        """Take what the peer sent (`b""`: it closed its side); give what to answer.

        Raises:
            LocalProtocolError: called after the end.
        """
        if self.over is not None:
            raise LocalProtocolError("protocol.after-end")
        if not data:
            self.over = "eof"
        return data

    def tick(self) -> bytes:
        """Nothing is ever due."""
        return b""

    def give_up(self, why: str) -> bytes:
        """End it without a word: any byte would be taken for an echo."""
        self.over = why
        return b""


class EchoDatagrams:
    """The serving side of one socket: each datagram goes back; an empty one is a datagram too."""

    due: Final = None

    def receive(self, datagram: bytes, _peer: Hashable) -> bytes:
        """Answer one datagram with the same datagram."""
        return datagram

    def tick(self) -> list[tuple[Hashable, bytes]]:
        """Nothing is ever due."""
        return []
