"""The answer to the health check: given by the program that serves, and only while it does.

A health check that tries the port would be content with a proxy in front of it, or with a kernel that
queues connections for a program that hangs. So the program itself answers, on a Unix socket that is opened
last, after every service, and each time it looks whether all of them still serve.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Sequence

from services.server.errors import OpenError, ServerError
from services.server.service import Program, Service
from services.server.waiting import Waiter, Woke, join
from services.unix_socket import listen
from socketlab.wire import Failure, Ready, encode

_SEND_SECONDS = 1.0


class Readiness:
    """Answers on a Unix socket.

    Args:
        path: of the socket; `@name`: an abstract one (unix(7)).
        services: which must serve.
        program: what the process shares.

    Raises:
        OpenError: the kernel refused, or another program answers there.
    """

    def __init__(self, path: str, services: Sequence[Service], program: Program) -> None:
        self._path = path
        self._services = services
        self._stopping = program.stopping
        self._listener = _open(path)
        self._loop = threading.Thread(target=self._answer_all, name=path, daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._loop.start()

    def close(self) -> None:
        """Stop to answer."""
        join(self._loop)
        self._listener.close()
        if not self._path.startswith("@"):
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108 - a name, which pathlib would change (`//`, `./`)

    def _answer_all(self) -> None:
        waiter = Waiter(self._listener, self._stopping)
        while waiter.wait() is Woke.READABLE:
            # An asker that has gone away is its own affair.
            with contextlib.suppress(OSError):
                asker, _ = self._listener.accept()
                with asker:
                    asker.settimeout(_SEND_SECONDS)
                    asker.sendall(self._answer())

    def _answer(self) -> bytes:
        dead = ", ".join(str(service.bound) for service in self._services if not service.alive())
        if dead:
            return encode(Failure.of(ServerError("server.dead", dead=dead)))
        return encode(Ready("server"))


def _open(path: str) -> socket.socket:
    try:
        listener = listen(path)
    except OSError as error:
        raise OpenError(f"unix {path}", error) from error
    listener.settimeout(0)
    return listener
