"""A program's standard streams over one held-open exec: bytes in, frames out.

Theory of operation
    What goes to the engine is the program's stdin as it is. What comes back is cut into frames, eight bytes
    of header and a payload: which of stdout and stderr, and how long. A frame is not a line. `Demux` takes
    the frames apart as bytes arrive and passes payload on before its frame is complete. stdout is what the
    stream gives; of stderr the end is kept, for the error that tells why a program is gone.
"""

import select
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress

from socketlab.errors import EndedError
from socketlab.hosts.interruptible import SECONDS, let_return

STDOUT = 1
STDERR = 2
_HEADER = struct.Struct(">BxxxL")
_READ = 1 << 16
_LAST_WORDS = 4096
"""Bytes of stderr that are kept."""


class Demux:
    """Takes the engine's frames apart. No I/O."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = 0
        self._missing = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """What arrived, as (stream, payload) in order; a long payload comes in parts.

        Args:
            data: bytes of the connection, cut anywhere.
        """
        if not self._missing and not self._header and len(data) > _HEADER.size:
            stream, length = _HEADER.unpack_from(data)
            if length == len(data) - _HEADER.size:  # one whole frame, as nearly always
                return [(stream, data[_HEADER.size :])]
        parts: list[tuple[int, bytes]] = []
        at = 0
        while at < len(data):
            if not self._missing:
                if not self._header and len(data) - at >= _HEADER.size:
                    self._stream, self._missing = _HEADER.unpack_from(data, at)
                    at += _HEADER.size
                    continue
                taken = data[at : at + _HEADER.size - len(self._header)]
                self._header += taken
                at += len(taken)
                if len(self._header) < _HEADER.size:
                    break
                self._stream, self._missing = _HEADER.unpack(self._header)
                self._header.clear()
                continue
            payload = data[at : at + self._missing]
            at += len(payload)
            self._missing -= len(payload)
            parts.append((self._stream, payload))
        return parts


class ExecStream:
    """A stream to a program on a host (`socketlab.hosts.backend.Stream`).

    Args:
        host: its name, for errors.
        connection: what `Engine.hijack` gave; ours from now on.
        first: what came with its header.
    """

    def __init__(self, host: str, connection: socket.socket, first: bytes = b"") -> None:
        self._host = host
        self._connection = connection
        # Two threads may not be inside one TLS connection at once, so none may wait inside. A plain socket
        # takes both directions at once, and waiting in the kernel is quicker.
        self._encrypted = isinstance(connection, ssl.SSLSocket)
        connection.settimeout(0 if self._encrypted else None)
        if not self._encrypted:
            let_return(connection)
        self._demux = Demux()
        self._ready: list[bytes] = []
        self._said = bytearray()
        self._closed = False
        self._ended = False
        self._users = 0
        self._inside = threading.Lock()
        self._sending = threading.Lock()
        self._readable = _poll(connection, select.POLLIN)
        self._writable = _poll(connection, select.POLLOUT)
        self._feed(first)

    @property
    def last_words(self) -> str:
        """The end of what the program said on stderr."""
        return bytes(self._said).decode(errors="replace").strip()

    def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            EndedError: the program, its host or the engine is gone.
        """
        with self._sending:
            self._enter()
            try:
                if self._encrypted:
                    self._send_encrypted(memoryview(data))
                elif self._closed or self._ended:
                    raise ConnectionResetError("closed")
                else:
                    self._connection.sendall(data)
            except OSError as error:
                raise EndedError("docker.ended", host=self._host, said=self.last_words or error) from error
            finally:
                self._leave()

    def _send_encrypted(self, view: memoryview) -> None:
        while view:
            sent = self._send_some(view)
            view = view[sent:]
            if not sent:
                self._writable.poll()

    def _send_some(self, view: memoryview) -> int:
        with self._inside:
            if self._closed or self._ended:
                raise ConnectionResetError("closed")
            try:
                return self._connection.send(view)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return 0

    def receive(self, timeout: float | None) -> bytes:
        """What has arrived on stdout, as soon as there is something; `b""` at the end of the stream.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            TimeoutError: nothing has arrived within `timeout` seconds.
        """
        until = None if timeout is None else time.monotonic() + timeout
        self._enter()
        try:
            while not self._ready:
                if self._ended or self._closed:
                    return b""
                self._receive_some(until)
        finally:
            self._leave()
        data = self._ready[0] if len(self._ready) == 1 else b"".join(self._ready)
        self._ready.clear()
        return data

    def wait(self, timeout: float) -> None:
        """Wait until there is something to receive, or the end; takes nothing away.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: nothing has arrived within `timeout` seconds.
        """
        until = time.monotonic() + timeout
        self._enter()
        try:
            while not (self._ready or self._ended or self._closed):
                self._receive_some(until)
        finally:
            self._leave()

    def _receive_some(self, until: float | None) -> None:
        if self._encrypted or until is not None:
            left = SECONDS if until is None else max(0.0, until - time.monotonic())
            if not self._pending() and not self._readable.poll(left * 1000):
                if until is None:
                    return
                raise TimeoutError("timed out")
        try:
            data = self._receive_encrypted() if self._encrypted else self._connection.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:  # the engine is gone: an end like any other
            data = b""
        self._ended = not data
        self._feed(data)

    def _receive_encrypted(self) -> bytes:
        with self._inside:
            return b"" if self._closed or self._ended else self._connection.recv(_READ)

    def _pending(self) -> bool:
        """Whether TLS has decrypted more than was asked for."""
        return (
            isinstance(self._connection, ssl.SSLSocket)
            and not self._closed
            and self._connection.pending() > 0
        )

    def _feed(self, data: bytes) -> None:
        for stream, payload in self._demux.feed(data):
            if stream == STDERR:
                self._said = (self._said + payload)[-_LAST_WORDS:]
            else:
                self._ready.append(payload)

    def close(self) -> None:
        """End it: the program reads the end of its stdin. A thread inside `receive` comes back with `b""`."""
        with self._inside:
            if self._closed:
                return
            self._closed = True
            with suppress(OSError):
                # Whoever polls is woken by this, and by nothing that close(2) does.
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
            if not self._users:
                self._connection.close()

    def _enter(self) -> None:
        """Keep the descriptor while it is polled: its number must not become somebody else's meanwhile."""
        with self._inside:
            self._users += 1

    def _leave(self) -> None:
        """Close it where it was to be, or has ended: whoever reads it to the end need not close it."""
        with self._inside:
            self._users -= 1
            if (self._closed or self._ended) and not self._users:
                self._connection.close()


def _poll(connection: socket.socket, events: int) -> "select.poll":
    poll = select.poll()
    poll.register(connection, events)
    return poll
