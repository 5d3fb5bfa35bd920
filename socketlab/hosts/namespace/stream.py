"""Bytes to and from a program on a host, over a Unix socket that the nursery has handed us."""

import select
import socket
import threading
from contextlib import suppress

from socketlab.errors import EndedError
from socketlab.hosts.interruptible import let_return

_READ = 1 << 16  # more would be taken from the system anew by each call, and cost more than the call


class SocketStream:
    """One stream. Any thread may close it while another is inside `receive`.

    Args:
        connection: a connected stream socket, ours from now on.
        host: of whose program it is, for errors.
    """

    def __init__(self, connection: socket.socket, host: str) -> None:
        connection.settimeout(None)
        let_return(connection)
        self._connection = connection
        self._host = host
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""
        return self._connection.fileno()

    def _enter(self) -> bool:
        with self._lock:
            if self._closed:
                return False
            self._users += 1
            return True

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._closed and not self._users:
                self._connection.close()

    def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            EndedError: the program or its host is gone, or this stream is closed.
        """
        if not self._enter():
            raise EndedError("namespace.stream-ended", host=self._host)
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise EndedError("namespace.stream-ended", host=self._host) from error
        finally:
            self._leave()

    def receive(self, timeout: float | None) -> bytes:
        """What has arrived, as soon as there is something; `b""` at the end of the stream.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            TimeoutError: nothing has arrived in that time.
        """
        if not self._enter():
            return b""
        try:
            if timeout is not None and not self._arrives(timeout):
                raise TimeoutError
            while True:
                try:
                    return self._connection.recv(_READ)
                except BlockingIOError:
                    continue
        except ConnectionError:
            return b""
        finally:
            self._leave()

    def _arrives(self, timeout: float) -> bool:
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout) * 1000))

    def close(self) -> None:
        """End it. A thread inside `receive` comes back with `b""`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            if not self._users:
                self._connection.close()

    def __del__(self) -> None:
        with suppress(AttributeError):
            self._connection.close()
