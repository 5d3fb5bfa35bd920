"""What the engine tells by itself: its events, as they happen.

A thread reads them from a connection of its own. Where the engine goes away it asks again until it is back:
what happened meanwhile is not told, so whoever needs to know the present asks for it.
"""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from socketlab.hosts.docker.engine import Engine
from socketlab.wire.errors import SocketlabError

_AGAIN_SECONDS: Final = 1.0


class Notices:
    """The engine's events of some kind, each told to a function, until `close`.

    Args:
        engine: which one.
        filters: of its events.
        tell: gets each, in a thread of its own kind; an error of it is nobody's.
    """

    def __init__(
        self, engine: Engine, filters: Mapping[str, list[str]], tell: Callable[[Any], object]
    ) -> None:
        self._engine = engine
        self._filters = dict(filters)
        self._tell = tell
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._listen_once()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen_once(self) -> None:
        """Begin to listen: from here on nothing is missed."""
        response, connection = self._engine.follow("/events", {"filters": self._filters})
        with self._lock:
            self._response, self._connection = response, connection

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                while line := self._response.readline():
                    with suppress(ValueError, SocketlabError, OSError):
                        self._tell(json.loads(line))
            except (OSError, ValueError, AttributeError):
                pass
            with suppress(OSError):
                self._response.close()
            while not self._ended.wait(_AGAIN_SECONDS):
                with suppress(SocketlabError, OSError):
                    self._listen_once()
                    break

    def close(self) -> None:
        """Listen no more; returns when nobody is told any more."""
        self._ended.set()
        with self._lock, suppress(OSError):
            if self._connection is not None:
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
        if self._thread is not threading.current_thread():
            self._thread.join()
        with self._lock, suppress(OSError):
            if self._connection is not None:
                self._connection.close()
