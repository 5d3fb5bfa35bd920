"""The answer to the health check: given by the program that serves, and only while it does.

A health check that tries the port would be content with a proxy in front of it, or with a kernel that
queues connections for a program that hangs. So the program itself answers, on a Unix socket that is opened
last, after every service, and each time it looks whether all of them still serve. It stands in the main
thread's loop: a server whose loop hangs gives no answer.
"""

import contextlib
import socket
from collections.abc import Sequence

from services import unix_socket
from services.server.accepting import PAUSE
from services.server.errors import OpenError, ServerError
from services.server.loop.loop import Loop
from services.server.service import Service
from socketlab.wire import Failure, Ready, encode


class Readiness:
    """Answers on a Unix socket.

    Args:
        path: of the socket; `@name`: an abstract one (unix(7)).
        services: which must serve.
        loop: it stands in this loop.

    Raises:
        OpenError: the kernel refused, or another program answers there.
    """

    def __init__(self, path: str, services: Sequence[Service], loop: Loop) -> None:
        self._path = path
        self._services = services
        self._loop = loop
        self._listener = _open(path)

    def start(self) -> None:
        """Answer from now on."""
        self._loop.add(self._listener.fileno(), self)

    def close(self) -> None:
        """Stop to answer."""
        self._loop.discard(self._listener.fileno())
        self._listener.close()
        with contextlib.suppress(OSError):  # of a folder that is gone, or not ours any more
            unix_socket.remove(self._path)

    def ready(self, _: int) -> None:
        """Answer one who asks."""
        try:
            asker, _ = self._listener.accept()
        except OSError:
            # Without a descriptor for it the asker stays in the queue: without a pause this would spin.
            self._loop.rest(self._listener.fileno(), PAUSE)
            return
        # An asker that has gone away is its own affair; the answer always fits in a socket's buffer.
        with asker, contextlib.suppress(OSError):
            asker.settimeout(0)
            asker.sendall(self._answer())

    def failed(self) -> None:
        """It answers no more, and so is not ready."""
        self._loop.discard(self._listener.fileno())

    def _answer(self) -> bytes:
        dead = ", ".join(str(service.bound) for service in self._services if not service.alive())
        if dead:
            return encode(Failure.of(ServerError("server.dead", dead=dead)))
        return encode(Ready("server"))


def _open(path: str) -> socket.socket:
    try:
        listener = unix_socket.listen(path)
    except OSError as error:
        raise OpenError(f"unix {path}", error) from error
    listener.settimeout(0)
    return listener
