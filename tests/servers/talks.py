"""A good client of each protocol: what it says over a connection, and what it must hear.

A word is one message, whatever the protocol: a line, a request. Every word comes back, in order.
"""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from services.protocol.framed_client import Answer, FramedClient, FramedEvent, Welcomed

_MOST: Final = 1024 * 1024
"""Bytes read at once: no record of a SOCK_SEQPACKET socket is longer, or the rest of it would be lost."""
_RECORD: Final = 32 * 1024
"""Bytes of such a record that are sent at once."""


class Talk(Protocol):
    """A good client's side of one connection."""

    conn: socket.socket

    def begin(self) -> None:
        """Shake hands, where the protocol asks for it."""

    def said(self, *words: str) -> bytes:
        """These words as they are sent; each call is to be sent and heard."""

    def hear(self, *words: str) -> None:
        """Receive the answers to these words, and nothing else before them."""


class Lines:
    """A client of `echo` and `chat`, and of a relay to an echo server: what it sends comes back."""

    def __init__(self, conn: socket.socket) -> None:
        self.conn = conn

    def begin(self) -> None:
        """Nothing is said first."""

    def said(self, *words: str) -> bytes:
        """A line each."""
        return "".join(f"{word}\n" for word in words).encode()

    def hear(self, *words: str) -> None:
        """Receive these lines."""
        expected = self.said(*words)
        heard = bytearray()
        while len(heard) < len(expected):
            heard += _part(self.conn, f"{len(heard)} of {len(expected)} bytes")
        assert heard == expected


class Frames:
    """A client of `framed`: the real one, with its own checks of what the server says."""

    def __init__(self, conn: socket.socket) -> None:
        self.conn = conn
        self.client = FramedClient("shared suite")
        self._events: list[FramedEvent] = []
        self._asked: list[int] = []

    def begin(self) -> None:
        """HELLO, and WELCOME."""
        self.conn.sendall(self.client.hello())
        assert isinstance(self.next_event(), Welcomed)

    def said(self, *words: str) -> bytes:
        """A request each."""
        return b"".join(self._request(word) for word in words)

    def hear(self, *words: str) -> None:
        """Receive these values, each for its request."""
        expected = [(self._asked.pop(0), {"value": word}) for word in words]
        answers = [self.next_event() for _ in words]
        assert [(event.id, event.payload) for event in answers if isinstance(event, Answer)] == expected

    def next_event(self) -> FramedEvent:
        """What the server says next."""
        while not self._events:
            self._events = self.client.receive(_part(self.conn, "a frame"))
        return self._events.pop(0)

    def _request(self, word: str) -> bytes:
        ident, frame = self.client.request({"op": "echo", "value": word})
        self._asked.append(ident)
        return frame


def talk_of(protocol: str, conn: socket.socket) -> Talk:
    """A client of this protocol; it has said nothing yet."""
    return Frames(conn) if protocol == "framed" else Lines(conn)


def exchange(talk: Talk, *words: str) -> None:
    """Say these words all at once, and hear their answers."""
    send(talk.conn, talk.said(*words))
    talk.hear(*words)


def send(conn: socket.socket, data: bytes) -> None:
    """Send it all, however much it is; in records where there are records."""
    if conn.type != socket.SOCK_SEQPACKET:
        conn.sendall(data)
        return
    for start in range(0, len(data), _RECORD):
        conn.sendall(data[start : start + _RECORD])


def finish(conn: socket.socket) -> None:
    """Half-close; the server has nothing more to say and closes too."""
    conn.shutdown(socket.SHUT_WR)
    assert conn.recv(_MOST) == b""


def rest_of(conn: socket.socket) -> bytes:
    """All bytes up to the server's FIN; a RST raises."""
    data = bytearray()
    while part := conn.recv(_MOST):
        data += part
    return bytes(data)


@contextlib.contextmanager
def sending(conn: socket.socket, parts: Sequence[bytes]) -> Iterator[None]:
    """Send all this and half-close, while the caller reads."""

    def send_all() -> None:
        for part in parts:
            send(conn, part)
        conn.shutdown(socket.SHUT_WR)

    with ThreadPoolExecutor(1) as executor:
        sent = executor.submit(send_all)
        yield
        sent.result()


def _part(conn: socket.socket, expected: str) -> bytes:
    part = conn.recv(_MOST)
    assert part, f"expected {expected}, saw the end"
    return part
