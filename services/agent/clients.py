"""The command socket: controllers, and whoever else connects, served in the agent's one thread.

Theory of operation
    Each client is in one of two states. It is read from while it has nothing to get; once there is a line
    waiting or an answer not yet taken, it is only written to. So a client that asks and does not read holds
    one answer and a few lines, never more. One request of one client is served in a turn of the loop. Who
    takes no answer for too long, since it asks for none or does not read it, is dropped; when the table is
    full, whoever has been silent longest makes room. Who has attached is a lab's controller, which may have
    nothing to ask for hours: neither befalls it, and there is room for a few of them beside the others.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector

from services.agent.requests import REQUEST, attaches, failure
from services.messages import ServiceError
from socketlab.wire.errors import WireError
from socketlab.wire.lines import LineBuffer

SOCKET_NAME = "agent.sock"
MAX_CLIENTS = 16
MAX_ATTACHED = 16
IDLE_SECONDS = 30.0
_READ = 4096


class _Client:
    """One connection.

    Args:
        connection: non-blocking.
        answer: line in, line out.

    Attributes:
        heard: when it came, or last took something of an answer.
        attached: whether it stays, silent or not.
    """

    def __init__(self, connection: socket.socket, answer: Callable[["_Client", bytes], bytes]) -> None:
        self.connection = connection
        self.heard = time.monotonic()
        self.attached = False
        self._answer = answer
        self._lines = LineBuffer(REQUEST.line)
        self._waiting: deque[bytes] = deque()
        self._out = bytearray()
        self._ended = False

    @property
    def busy(self) -> bool:
        """Whether there is something to do for it or to send to it."""
        return bool(self._waiting or self._out)

    @property
    def done(self) -> bool:
        """Whether it has been served and will ask no more."""
        return self._ended and not self.busy

    def serve(self) -> None:
        """Take a step: read, or answer one request and send what fits.

        Raises:
            OSError: the client is gone.
        """
        with suppress(BlockingIOError):
            if not self.busy:
                self._read()
            if self._waiting and not self._out:
                self._out += self._answer(self, self._waiting.popleft())
            if self._out:
                del self._out[: self.connection.send(self._out)]
                self.heard = time.monotonic()

    def _read(self) -> None:
        data = self.connection.recv(_READ)
        self._ended = not data
        try:
            self._waiting.extend(self._lines.feed(data))
        except WireError as error:
            self._out += failure(error)
            self._ended = True


class Clients:
    """All connections of the command socket.

    Args:
        selector: the loop's; its keys' data are callables without arguments.
        folder: the agent's run directory.
        answer: line in, line out.

    Raises:
        OSError: the socket cannot be made there.
    """

    def __init__(self, selector: BaseSelector, folder: Path, answer: Callable[[bytes], bytes]) -> None:
        self._selector = selector
        self._answer = answer
        self._clients: dict[int, _Client] = {}
        self._path = folder / SOCKET_NAME
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            self._listener.bind(str(self._path))
        finally:
            os.umask(before)
        self._listener.listen()
        selector.register(self._listener, EVENT_READ, self._accept)

    def _accept(self) -> None:
        with suppress(OSError):  # it has gone again
            connection, _ = self._listener.accept()
            connection.settimeout(0)
            self._take(connection)

    def _passing(self) -> list[_Client]:
        """The clients that have not attached."""
        return [client for client in self._clients.values() if not client.attached]

    def _take(self, connection: socket.socket) -> None:
        passing = self._passing()
        if len(passing) >= MAX_CLIENTS:
            self._drop(min(passing, key=lambda client: client.heard))
        client = _Client(connection, self._reply)
        self._clients[connection.fileno()] = client
        self._selector.register(connection, EVENT_READ, lambda: self._serve(client))

    def _reply(self, client: _Client, line: bytes) -> bytes:
        if not client.attached and attaches(line):
            if len(self._clients) - len(self._passing()) >= MAX_ATTACHED:
                return failure(ServiceError("agent.attached", limit=MAX_ATTACHED))
            client.attached = True
        return self._answer(line)

    def _serve(self, client: _Client) -> None:
        if client.connection.fileno() not in self._clients:  # dropped in this very turn of the loop
            return
        try:
            client.serve()
        except OSError:
            self._drop(client)
            return
        if client.done:
            self._drop(client)
            return
        wanted = EVENT_WRITE if client.busy else EVENT_READ
        self._selector.modify(client.connection, wanted, lambda: self._serve(client))

    def _drop(self, client: _Client) -> None:
        del self._clients[client.connection.fileno()]
        self._selector.unregister(client.connection)
        client.connection.close()

    def next_due(self) -> float | None:
        """When the next client has been silent too long, by the monotonic clock; None: there is none."""
        return min((client.heard + IDLE_SECONDS for client in self._passing()), default=None)

    def drop_idle(self) -> None:
        """Drop who has been silent too long."""
        limit = time.monotonic() - IDLE_SECONDS
        for client in self._passing():
            if client.heard <= limit:
                self._drop(client)

    def close(self) -> None:
        """Drop everybody, and take the socket away."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)
