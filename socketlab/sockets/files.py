"""Files and sockets over there: `makefile`, by Python's own io stack, and `sendfile`."""

from __future__ import annotations

import io
import socket
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from socketlab.sockets.over_there import Socket

_BLOCK: Final = 64 * 1024
"""Bytes that `sendfile` reads at a time."""


class SocketFile(socket.SocketIO):
    """The raw file under all others: `socket.SocketIO`, which asks a socket for no more than ours has.

    When it is collected, not closed, no call may be made: the collector runs anywhere, also where the
    channel holds its lock. What a buffer still holds is sent by a thread then.
    """

    _sock: Any

    def __init__(self, sock: Any, mode: Any) -> None:
        super().__init__(sock, mode)
        self._collected = False
        self._left = b""

    @property
    def name(self) -> str | int:  # type: ignore[override]  # a name of a file may be text, and there is no number
        """The socket's repr; -1 when closed."""
        return -1 if self.closed else repr(self._sock)

    def _dealloc_warn(self, _source: object) -> None:
        """A buffer above this is being collected: `io` calls this, by this name."""
        self._collected = True

    def write(self, data: Any, /) -> int | None:
        """Send what the buffer above hands down; how much was sent."""
        if not self._collected:
            return super().write(data)
        self._left += bytes(data)
        return len(data)

    def close(self) -> None:
        """Close the file; the socket with it, where it is the last that uses it."""
        if self.closed:
            return
        if not (self._collected or getattr(self, "_finalizing", False)):
            super().close()
            return
        sock, self._sock = self._sock, None
        io.RawIOBase.close(self)
        sock.file_collected(self._left)


def make(
    sock: Socket,
    mode: str,
    buffering: int | None,
    *,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> io.IOBase:
    """A file object of a socket, as `socket.socket.makefile` makes it.

    Raises:
        ValueError: another mode than r, w, b, or text without a buffer.
    """
    if not set(mode) <= {"r", "w", "b"}:
        raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
    writing = "w" in mode
    reading = "r" in mode or not writing
    binary = "b" in mode
    if buffering is None or buffering < 0:
        buffering = io.DEFAULT_BUFFER_SIZE
    if buffering == 0 and not binary:
        raise ValueError("unbuffered streams must be binary")
    raw_mode = "rw" if reading and writing else "r" if reading else "w"
    raw = SocketFile(sock, raw_mode)
    sock.file_opened()
    if buffering == 0:
        return raw
    buffer: Any
    if reading and writing:
        buffer = io.BufferedRWPair(raw, raw, buffering)
    elif reading:
        buffer = io.BufferedReader(raw, buffering)
    else:
        buffer = io.BufferedWriter(raw, buffering)
    if binary:
        return buffer  # type: ignore[no-any-return]
    text: Any = io.TextIOWrapper(buffer, io.text_encoding(encoding), errors, newline)
    text.mode = mode
    return text  # type: ignore[no-any-return]


def send(sock: Socket, file: IO[bytes], offset: int, count: int | None) -> int:
    """Send a file of this machine: what `Socket.sendfile` does."""
    _check(sock, file, count)
    if offset:
        file.seek(offset)
    sent = 0
    try:
        while count is None or sent < count:
            data = memoryview(file.read(_BLOCK if count is None else min(_BLOCK, count - sent)))
            if not data:
                break
            while data:
                took = sock.send(data)
                sent += took
                data = data[took:]
        return sent
    finally:
        if sent and hasattr(file, "seek"):
            file.seek(offset + sent)


def _check(sock: Socket, file: IO[bytes], count: Any) -> None:
    if "b" not in getattr(file, "mode", "b"):
        raise ValueError("file should be opened in binary mode")
    if not sock.handle.type & socket.SOCK_STREAM:
        raise ValueError("only SOCK_STREAM type sockets are supported")
    if count is not None:
        if not isinstance(count, int):
            raise TypeError(f"count must be a positive integer (got {count!r})")
        if count <= 0:
            raise ValueError(f"count must be a positive integer (got {count!r})")
    if sock.gettimeout() == 0:
        raise ValueError("non-blocking sockets are not supported")
