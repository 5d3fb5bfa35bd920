"""The command socket: controllers, and whoever else connects, served in the agent's one thread.

Theory of operation
    A client is read from while few of its requests wait, and a request is served while it has room for an
    answer: so a client that asks and does not read holds one answer and a few lines, never more. In a turn of
    the loop one request of one client is served, or a step of one that takes long, and one line of news is
    made for it, so that no client holds up another, nor a packet.

    Who takes no answer for too long, since it asks for none or does not read it, is dropped; when the table
    is full, whoever has been silent longest makes room. Who has attached is a controller, which may have
    nothing to ask for hours: neither befalls it, and there is room for a few of them beside the others. Who
    holds a fault or watches has attached by that. With the end of what a client says it ends: at once, once
    it has got its answers, and in any case soon, read or not, since a fault may hang on it.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import Protocol

from services.agent.meeting import REQUEST, SOCKET_NAME
from services.agent.requests import failure
from services.messages import ServiceError
from socketlab.wire.errors import WireError
from socketlab.wire.lines import LineBuffer

MAX_CLIENTS = 16
MAX_ATTACHED = 16
IDLE_SECONDS = 30.0
ENDING_SECONDS = 1.0
"""How long a client that says no more may take for its last answers."""
_READ = 4096
_MOST_WAITING = 64
_ROOM = 1 << 16


class Asker(Protocol):
    """A client, as requests see it."""

    @property
    def number(self) -> int:
        """Its name, unique for the life of the agent."""

    def attach(self) -> None:
        """Let it stay from now on.

        Raises:
            ServiceError: there is no room for one more.
        """


class Desk(Protocol):
    """What serves clients."""

    def serve(self, client: Asker, line: bytes) -> Iterator[bytes | None]:
        """Do what a line asks for, in steps: None after each but the last, then what is answered at once."""

    def news(self, client: int) -> bytes | None:
        """The next line that a client is told unasked, now that it has room; None: there is none."""

    def news_due(self, client: int) -> float | None:
        """When there may be such, by the monotonic clock; None: an event will tell."""

    def gone(self, client: int) -> None:
        """A client has ended, of itself or by us."""


class Client:
    """One connection.

    Args:
        connection: non-blocking.
        number: its name.
        desk: what serves it.
        make_room: raises where no more may attach.

    Attributes:
        heard: when it came, last took something of an answer, or ended.
        attached: whether it stays, silent or not.
        ended: whether it says no more.
    """

    def __init__(
        self, connection: socket.socket, number: int, desk: Desk, make_room: Callable[[], None]
    ) -> None:
        self.connection = connection
        self.number = number
        self.heard = time.monotonic()
        self.attached = self.ended = False
        self._desk = desk
        self._make_room = make_room
        self._lines = LineBuffer(REQUEST.line)
        self._waiting: deque[bytes] = deque()
        self._work: Iterator[bytes | None] | None = None
        self._out = bytearray()

    def attach(self) -> None:
        """Stay from now on.

        Raises:
            ServiceError: there is no room for one more.
        """
        if not self.attached:
            self._make_room()
            self.attached = True

    @property
    def has_room(self) -> bool:
        """Whether it can be told something."""
        return len(self._out) < _ROOM

    @property
    def _busy(self) -> bool:
        """Whether there is something to do for it or to send to it."""
        return bool(self._waiting or self._out or self._work)

    @property
    def done(self) -> bool:
        """Whether it has been served and will ask no more."""
        return self.ended and not self._busy

    @property
    def events(self) -> int:
        """What to wait for; nothing of this: 0."""
        reads = not self.ended and len(self._waiting) < _MOST_WAITING
        return (EVENT_READ if reads else 0) | (EVENT_WRITE if self._busy else 0)

    @property
    def until(self) -> float | None:
        """When to drop it, by the monotonic clock; None: it stays."""
        if self.ended:
            return self.heard + ENDING_SECONDS
        return None if self.attached else self.heard + IDLE_SECONDS

    def serve(self) -> None:
        """Take a step: read what has come, work on one request, send what fits.

        Raises:
            OSError: the client is gone.
        """
        if not self.ended and len(self._waiting) < _MOST_WAITING:
            with suppress(BlockingIOError):
                self._read()
        if self.has_room:
            self._step()
        self._send()

    def _read(self) -> None:
        data = self.connection.recv(_READ)
        try:
            self._waiting.extend(self._lines.feed(data))
        except WireError as error:
            self._out += failure(error)
            self._end()
        if not data:
            self._end()

    def _end(self) -> None:
        if not self.ended:
            self.ended, self.heard = True, time.monotonic()

    def _step(self) -> None:
        if self._work is None and self._waiting:
            self._work = self._desk.serve(self, self._waiting.popleft())
        if self._work is not None and (answer := next(self._work)) is not None:
            self._out += answer
            self._work = None

    def _send(self) -> None:
        if self._out:
            with suppress(BlockingIOError):
                del self._out[: self.connection.send(self._out)]
                if not self.ended:
                    self.heard = time.monotonic()

    def tell(self, line: bytes) -> None:
        """Tell it something unasked.

        Raises:
            OSError: the client is gone.
        """
        self._out += line
        self._send()


class Clients:
    """All connections of the command socket.

    Args:
        selector: the loop's; its keys' data are callables without arguments.
        folder: the agent's run directory.
        desk: what serves them.

    Raises:
        OSError: the socket cannot be made there.
    """

    def __init__(self, selector: BaseSelector, folder: Path, desk: Desk) -> None:
        self._selector = selector
        self._desk = desk
        self._clients: dict[int, Client] = {}
        self._given = 0
        self._has_news = False
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

    def _passing(self) -> list[Client]:
        """The clients that have not attached."""
        return [client for client in self._clients.values() if not client.attached]

    def _take(self, connection: socket.socket) -> None:
        passing = self._passing()
        if len(passing) >= MAX_CLIENTS:
            self._drop(min(passing, key=lambda client: client.heard))
        self._given += 1
        client = Client(connection, self._given, self._desk, self._make_room)
        self._clients[client.number] = client
        self._selector.register(connection, EVENT_READ, lambda: self._serve(client))

    def _make_room(self) -> None:
        if len(self._clients) - len(self._passing()) >= MAX_ATTACHED:
            raise ServiceError("agent.attached", limit=MAX_ATTACHED)

    def _serve(self, client: Client) -> None:
        if client.number not in self._clients:  # dropped in this very turn of the loop
            return
        try:
            client.serve()
        except OSError:
            self._drop(client)
            return
        self._await(client)

    def _await(self, client: Client) -> None:
        """Wait for the client's next event, or for none that it could have any more."""
        if client.done:
            self._drop(client)
            return
        self._selector.modify(client.connection, client.events, lambda: self._serve(client))

    def _drop(self, client: Client) -> None:
        del self._clients[client.number]
        self._selector.unregister(client.connection)
        client.connection.close()
        self._desk.gone(client.number)

    def tell_news(self) -> None:
        """Tell each client that has room one thing that it watches for."""
        self._has_news = False
        for client in self._listening():
            line = self._desk.news(client.number)
            if line is None:
                continue
            self._has_news = True
            try:
                client.tell(line)
            except OSError:
                self._drop(client)
                continue
            self._await(client)

    def _listening(self) -> list[Client]:
        """Clients with room for news: nobody watches who has not attached."""
        return [client for client in self._clients.values() if client.attached and client.has_room]

    def next_due(self) -> float | None:
        """When there is something to do that no descriptor tells of, by the monotonic clock; None: never."""
        if self._has_news:
            return 0.0
        due = [client.until for client in self._clients.values()]
        due += [self._desk.news_due(client.number) for client in self._listening()]
        return min((each for each in due if each is not None), default=None)

    def drop_idle(self) -> None:
        """Drop who has been silent too long, or has ended and takes no answer."""
        now = time.monotonic()
        for client in list(self._clients.values()):
            if client.until is not None and client.until <= now:
                self._drop(client)

    def close(self) -> None:
        """Drop everybody, and take the socket away."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)
