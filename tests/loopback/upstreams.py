"""An upstream that the test plays itself: it decides when there is one, and what it says."""

import contextlib
import socket
from collections.abc import Iterator

from services.server.socket_options import reset_on_close
from tests.loopback.running import DEADLINE


class Upstream:
    """A TCP port that is known all the time, with or without somebody listening there."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as chosen:
            self.port: int = chosen.getsockname()[1]

    @contextlib.contextmanager
    def listening(self, backlog: int = 16) -> Iterator[socket.socket]:
        """There is one from now on."""
        with socket.create_server(("127.0.0.1", self.port), backlog=backlog) as listener:
            listener.settimeout(DEADLINE)
            yield listener


def accept(listener: socket.socket) -> socket.socket:
    """The next connection of the relay."""
    conn, _ = listener.accept()
    conn.settimeout(DEADLINE)
    return conn


def reset(conn: socket.socket) -> None:
    """Close with a RST."""
    reset_on_close(conn)
    conn.close()
