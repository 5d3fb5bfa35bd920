"""Echo: the peer gets back the bytes it sent (RFC 862)."""

from services.protocol.errors import LocalProtocolError


class EchoServing:
    """The serving side of one connection: every byte back, until the peer has closed its side."""

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


def echo_datagram(datagram: bytes) -> bytes:
    """Answer one datagram with the same datagram; an empty one is a datagram too."""
    return datagram
