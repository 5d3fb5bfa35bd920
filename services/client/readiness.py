"""Who is ready: the agent that the tour waits for, and this client, when its health check asks."""

import errno
import os
import socket
import threading
from pathlib import Path
from typing import Final, Self

from services.client.asking import ask_until, read_answer
from services.messages import ServiceError
from services.ports import AGENT_READY
from services.unix_socket import listen
from socketlab.wire import Ready, WireError, encode

_AGAIN: Final = 0.02
_ANSWER: Final = 1.0


def wait_for_agent(deadline: float) -> Ready:
    """Wait until the agent in this network namespace says that it is ready.

    It starts after this program, so that compose has no cycle.

    Args:
        deadline: seconds to wait at most.

    Raises:
        ServiceError: it did not answer in time.
    """
    try:
        return ask_until(deadline, _AGAIN, _ask_agent)
    except (OSError, WireError) as error:
        raise ServiceError("client.no-agent", seconds=f"{deadline:g}", seen=error) from error


def _ask_agent() -> Ready:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
        asker.settimeout(_ANSWER)
        asker.connect(AGENT_READY)
        return read_answer(asker, Ready, f"{AGENT_READY!a}")


class Health:
    """Answers health checks on a Unix socket, as long as it is open.

    A client that was started beside another one on its host leaves the first one's socket alone.

    Args:
        path: of the socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listener = _listen(path)
        if self._listener is not None:
            threading.Thread(target=self._answer, args=(self._listener,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._listener is not None:
            self._path.unlink(missing_ok=True)
            self._listener.close()

    @staticmethod
    def _answer(listener: socket.socket) -> None:
        while True:
            try:
                asker, _ = listener.accept()
            except OSError:
                return  # closed: the program ends
            with asker:
                try:
                    asker.sendall(encode(Ready("client")))
                except OSError:
                    continue  # the asker has gone


def _listen(path: Path) -> socket.socket | None:
    """A listener on `path`; None: another living program has it.

    Raises:
        OSError: it cannot be made there.
    """
    try:
        return listen(os.fspath(path))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        raise
