"""The server of a cell: started when the first test needs it, kept for the next ones."""

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from tests.loopback.running import DEADLINE, Server
from tests.servers.cells import SMALL_BUFFERS, Cell
from tests.servers.nursery import NURSERY
from tests.servers.talks import Talk, talk_of

_UNWELCOME: Final = frozenset(("crashed", "worker-ended", "no-worker", "accept-failed", "no-room", "cut"))
"""Events that no client may cause."""

_UPSTREAM: Final = ("--style", "epoll", "--transport", "both", "--address", "127.0.0.1", *SMALL_BUFFERS)


class Place:
    """A cell's server, and how to reach it.

    Args:
        cell: which.
        server: that runs.
        where: what its clients call.
    """

    def __init__(self, cell: Cell, server: Server, where: tuple[str, int] | str) -> None:
        self.cell = cell
        self.server = server
        self.where = where

    def connect(self) -> socket.socket:
        """A connected socket; it gives up after a generous time."""
        way = self.cell.way
        conn = socket.socket(way.family, way.kind)
        try:
            conn.settimeout(DEADLINE)
            if way.transport == "unix-dgram":
                conn.bind(
                    ""
                )  # the kernel gives it a name (unix(7), autobind): without one there is no answer
            conn.connect(self.where)
        except OSError:
            conn.close()
            raise
        if way.is_tcp:  # so that a segment is what was sent at once
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return conn

    @contextlib.contextmanager
    def talk(self) -> Iterator[Talk]:
        """A good client that has shaken hands."""
        with self.connect() as conn:
            talk = talk_of(self.cell.protocol, conn)
            talk.begin()
            yield talk

    def seen_from(self, cell: Cell) -> "Place":
        """The same server, reached as this cell says."""
        where = self.where if isinstance(self.where, str) else (cell.way.call, self.where[1])
        return Place(cell, self.server, where)

    def check(self) -> None:
        """The server runs, and has nothing to complain of."""
        assert self.server.process.poll() is None
        self.server.read_so_far()
        self._check_log()

    def stop(self) -> None:
        """Stop the server: without clients it ends at once, and in peace."""
        assert self.server.stop() == 0, self.cell
        self.server.read_log()
        self._check_log()

    def _check_log(self) -> None:
        events = {event["event"] for event in self.server.events}
        assert not events & _UNWELCOME, self.server.events
        assert self.server.complaints() == ""


class Places:
    """Keeps the server of one cell, and that behind the relays."""

    def __init__(self) -> None:
        self._relayed = ExitStack()
        self._upstream = ""
        self._open = ExitStack()
        self._place: Place | None = None

    def at(self, cell: Cell) -> Place:
        """The place of this cell."""
        kept = self._place
        if kept is None or kept.cell.arguments != cell.arguments:
            self.leave()
            kept = self._open.enter_context(running(cell, self._upstream_of(cell)))
        self._place = kept.seen_from(cell)
        return self._place

    def leave(self) -> None:
        """Stop the server of this cell."""
        place, self._place = self._place, None
        with self._open:
            if place is not None:
                place.stop()
        self._open = ExitStack()

    def close(self) -> None:
        """Stop everything."""
        with self._relayed:
            self.leave()

    def _upstream_of(self, cell: Cell) -> str:
        if cell.protocol != "relay":
            return ""
        if not self._upstream:
            server = self._relayed.enter_context(NURSERY.served(*_UPSTREAM))
            self._upstream = f"127.0.0.1:{server.port('echo')}"
        return self._upstream


@contextlib.contextmanager
def running(cell: Cell, upstream: str = "") -> Iterator[Place]:
    """The server of a cell, for as long as the caller wants.

    Args:
        cell: which.
        upstream: of a relay.
    """
    way, arguments = cell.way, list(cell.arguments)
    if upstream:
        arguments += ["--upstream", upstream]
    with ExitStack() as stack:
        if way.is_unix:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="socketlab-"))
            arguments += ["--path", f"{folder}/s"]
        server = stack.enter_context(NURSERY.served(*arguments))
        [bound] = server.bound
        yield Place(cell, server, bound["address"] if way.is_unix else (way.call, bound["port"]))
        assert "crashed" not in {event["event"] for event in server.read_so_far()}, server.events
        assert server.complaints() == ""
