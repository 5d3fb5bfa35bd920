"""Small peers for the client: the protocols of the lab, and rude ones."""

import contextlib
import socket
import struct
from collections.abc import Callable

from services.protocol.serving import Serving
from tests.loopback.client.programs import Handler


def reset(connection: socket.socket) -> None:
    """Have the coming close() send a RST (socket(7), SO_LINGER)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serving(make: Callable[[], Serving]) -> Callable[[socket.socket], None]:
    """A peer that speaks a protocol of the lab."""

    def converse(connection: socket.socket) -> None:
        side = make()
        connection.settimeout(0.05)
        reading = True
        while side.over is None:
            with contextlib.suppress(TimeoutError):
                if reading:
                    data = connection.recv(65536)
                    reading = bool(data)
                    connection.sendall(side.receive(data))
            connection.sendall(side.tick())

    return converse


def saying(first: bytes, then: Handler) -> Handler:
    """A peer that says something first."""

    def converse(connection: socket.socket) -> object:
        connection.sendall(first)
        return then(connection)

    return converse
