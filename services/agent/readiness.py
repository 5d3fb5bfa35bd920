"""Two abstract Unix sockets of a network namespace: its lock, and one that is there when the agent is ready.

The lock goes with whoever holds it, killed or not, so one agent at a time is in a namespace, whatever kernel.
Whoever connects is told so in one line and needs no file of the agent's (unix(7): no permissions either).
While the namespace has lost its host's link nothing is told: the agent serves nobody there.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EADDRINUSE
from selectors import EVENT_READ, BaseSelector

from services.messages import ServiceError
from services.ports import AGENT_READY
from socketlab.wire.message import Ready, encode

_SAID = encode(Ready("agent"))
_LOCK = f"{AGENT_READY}.lock"


@contextmanager
def lock_namespace() -> Iterator[None]:
    """Be the only agent of this network namespace.

    Raises:
        ServiceError: another one is there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        try:
            lock.bind(_LOCK)
        except OSError as error:
            if error.errno != EADDRINUSE:
                raise
            raise ServiceError("agent.second-here") from error
        yield


class Readiness:
    """The listener.

    Args:
        selector: the loop's; its keys' data are callables without arguments.
        is_ready: asked each time.

    Raises:
        OSError: another program has the name.
    """

    def __init__(self, selector: BaseSelector, is_ready: Callable[[], bool]) -> None:
        self._selector = selector
        self._is_ready = is_ready
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._listener.bind(AGENT_READY)
            self._listener.listen()
        except OSError:
            self._listener.close()
            raise
        selector.register(self._listener, EVENT_READ, self._tell)

    def _tell(self) -> None:
        with suppress(OSError):  # it has gone again
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(0)
                if self._is_ready():
                    connection.send(_SAID)

    def close(self) -> None:
        """Be ready no longer."""
        self._selector.unregister(self._listener)
        self._listener.close()
