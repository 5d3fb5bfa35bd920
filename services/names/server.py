"""The name server's sockets: UDP and TCP on every address that it is given, in one loop.

Theory of operation
    One thread, one selector. A datagram is answered at once. A connection (RFC 7766: each message behind two
    bytes of length) may ask any number of questions, one behind another; it is closed when it has been
    quiet for `IDLE` seconds, does not take its answers, or when too many are open and it is the oldest.

    Answers that shall be late wait in a heap; behind one of a connection others go out meanwhile (RFC 7766
    7), behind a datagram's as well. Only so many wait: what comes then goes unanswered.
"""

import contextlib
import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NoReturn

from services.names.answers import Answers
from services.names.control import Control

IDLE: Final = 5.0
CONNECTIONS: Final = 64
_BACKLOG: Final = 64
_PIECE: Final = 16 * 1024
"""Bytes of questions that are taken at a time; no more are, until their answers have gone."""
_LENGTH: Final = 2
_MOST_LATE: Final = 4096
_DATAGRAMS: Final = 64
"""Datagrams that are answered in one go, before the connections have their turn."""


class Server:
    """Answers on sockets.

    Args:
        answers: to questions.
        addresses: numeric, of the host.
        port: 0: one that is free, the same of UDP and TCP.
        control: changes answers; None: nobody does.

    Raises:
        OSError: the kernel refused.
    """

    def __init__(
        self, answers: Answers, addresses: Sequence[str], port: int, control: Control | None = None
    ) -> None:
        self._answers = answers
        self._control = control
        self._late: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._opened = contextlib.ExitStack()
        if control is not None:
            self._opened.callback(control.close)
            control.join(self._selector)
        self._connections: dict[socket.socket, _Connection] = {}
        self.bound: list[tuple[str, int]] = []
        try:
            for address in addresses:
                self._open(address, port)
        except BaseException:
            self.close()
            raise

    def _open(self, address: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        stream = self._opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
        datagrams = self._opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            for sock in (stream, datagrams):
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        stream.bind((address, port))
        datagrams.bind((address, stream.getsockname()[1]))
        stream.listen(_BACKLOG)
        self.bound.append((address, stream.getsockname()[1]))
        for sock in (stream, datagrams):
            sock.settimeout(0)
            self._selector.register(sock, selectors.EVENT_READ)

    def serve(self) -> NoReturn:
        """Answer for ever: a signal's handler ends it, by an exception."""
        while True:
            self.step(1.0 if self._connections else None)

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something so many seconds from now."""
        if len(self._late) < _MOST_LATE:
            heapq.heappush(self._late, (time.monotonic() + seconds, next(self._numbers), do))

    def _until_late(self, timeout: float | None) -> float | None:
        if not self._late:
            return timeout
        left = max(0.0, self._late[0][0] - time.monotonic())
        return left if timeout is None else min(left, timeout)

    def _catch_up(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            heapq.heappop(self._late)[2]()

    def step(self, timeout: float | None) -> None:
        """Answer what has arrived.

        Args:
            timeout: seconds to wait for it; None: as long as it takes.
        """
        for key, events in self._selector.select(self._until_late(timeout)):
            if key.data is not None:
                key.data()
                continue
            sock = key.fileobj
            assert isinstance(sock, socket.socket)  # noqa: S101 - nothing else is registered
            connection = self._connections.get(sock)
            if connection:
                self._converse(connection, events)
            elif sock.type == socket.SOCK_DGRAM:
                self._answer_datagrams(sock)
            else:
                self._accept(sock)
        self._catch_up()
        quiet = time.monotonic() - IDLE
        for connection in [each for each in self._connections.values() if each.heard < quiet]:
            self._drop(connection)

    def _answer_datagrams(self, sock: socket.socket) -> None:
        for _ in range(_DATAGRAMS):
            try:
                wire, peer = sock.recvfrom(4096)
            except OSError:
                return  # no more of them, or an ICMP error about an answer of ours
            if peer[1] == 0:
                continue  # a port that nobody has: nobody could hear the answer
            late = self._answers.later(wire)
            answer = self._answers.answer(wire, tcp=False)
            if answer is None:
                continue
            if late:
                self._later(late, partial(_send_datagram, sock, answer, peer))
            else:
                _send_datagram(sock, answer, peer)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return  # it was gone again
        sock.settimeout(0)
        if len(self._connections) >= CONNECTIONS:
            self._drop(min(self._connections.values(), key=lambda each: each.heard))
        self._connections[sock] = _Connection(sock)
        self._selector.register(sock, selectors.EVENT_READ)

    def _converse(self, connection: "_Connection", events: int) -> None:
        try:
            if events & selectors.EVENT_READ and not connection.receive():
                self._drop(connection)
                return
            connection.answer(self._answers, self._defer)
        except OSError:
            self._drop(connection)
            return
        self._await(connection)

    def _defer(self, seconds: float, connection: "_Connection", answer: bytes) -> None:
        """Have a connection's answer go out later."""
        self._later(seconds, partial(self._answer_late, connection, answer))

    def _answer_late(self, connection: "_Connection", answer: bytes) -> None:
        if connection.sock not in self._connections:
            return
        connection.put(answer)
        try:
            connection.send()
        except OSError:
            self._drop(connection)
            return
        self._await(connection)

    def _await(self, connection: "_Connection") -> None:
        wanted = selectors.EVENT_WRITE if connection.unsent else selectors.EVENT_READ
        self._selector.modify(connection.sock, wanted)

    def _drop(self, connection: "_Connection") -> None:
        self._selector.unregister(connection.sock)
        del self._connections[connection.sock]
        connection.sock.close()

    def close(self) -> None:
        """Close everything."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._opened.close()
        self._selector.close()


def _send_datagram(sock: socket.socket, answer: bytes, peer: Any) -> None:
    with contextlib.suppress(OSError):  # lost, as a datagram may be
        sock.sendto(answer, peer)


class _Connection:
    """One client by TCP."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.heard = time.monotonic()
        self.unsent = bytearray()
        self._came = bytearray()

    def receive(self) -> bool:
        """Take what has arrived; False: the client has no more to ask."""
        data = self.sock.recv(_PIECE)
        self._came += data
        self.heard = time.monotonic()
        return bool(data)

    def answer(
        self, answers: Answers, defer: Callable[[float, "_Connection", bytes], None] = lambda *_: None
    ) -> None:
        """Answer what is whole, one question after the other, as far as the kernel takes the answers."""
        while self.send() and (wire := self._next()) is not None:
            late = answers.later(wire)
            answer = answers.answer(wire, tcp=True)
            if answer is None:
                continue
            if late:
                defer(late, self, answer)
            else:
                self.put(answer)

    def put(self, answer: bytes) -> None:
        """Have it sent with the next `send`."""
        self.heard = time.monotonic()
        self.unsent += len(answer).to_bytes(_LENGTH, "big") + answer

    def _next(self) -> bytes | None:
        end = _LENGTH + int.from_bytes(self._came[:_LENGTH], "big")
        if len(self._came) < max(end, _LENGTH):
            return None
        wire = bytes(self._came[_LENGTH:end])
        del self._came[:end]
        return wire

    def send(self) -> bool:
        """Send what waits; whether all of it has gone."""
        if self.unsent:
            with contextlib.suppress(BlockingIOError):
                del self.unsent[: self.sock.send(self.unsent)]
                self.heard = time.monotonic()
        return not self.unsent
