"""One end of a pipe to a program, or of its terminal.

Theory of operation
    The descriptor is our own end and does not block, so that what is there is read, and what fits is
    written, at once. Else a thread waits for it. As with close(2), closing it does not wake that thread: the
    descriptor is closed when nobody uses it any more, so that it is never another's meanwhile.
"""

import _thread
import os
import select
import termios
from collections.abc import Callable
from errno import EBADF, EIO
from typing import Any

from services.actor.handles import Handles, Held
from services.actor.later import Later
from services.actor.limits import Limits, RefusalError


class HeldFile(Held):
    """A file.

    Args:
        descriptor: ours from now on.
        handles: the table that it stands in.
        limits: bytes that a call may ask for.
    """

    __slots__ = ("_closing", "_descriptor", "_handles", "_limits", "_lock", "_users")

    def __init__(self, descriptor: int, handles: Handles, limits: Limits) -> None:
        super().__init__("file")
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._handles = handles
        self._limits = limits
        self._lock = _thread.allocate_lock()
        self._users = 0
        self._closing = False

    def fileno(self) -> int:
        """Its descriptor; -1 when it is closed."""
        return -1 if self._closing else self._descriptor

    def release(self) -> None:
        """Close it, as soon as nobody uses it."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            used = self._users > 0
        if not used:
            os.close(self._descriptor)

    def method(self, name: str) -> Callable[..., Any] | None:
        """The call of that name; None: there is none."""
        return getattr(self, name) if name in _CALLS else None

    def close(self) -> None:
        """As `release`, and it counts no longer."""
        self._handles.closed(self)
        self.release()

    def read(self, size: int) -> Any:
        """At most so many bytes, as soon as there are some; none at the end."""
        if size > self._limits.data:
            raise RefusalError("actor.data", limit=self._limits.data, seen=size)
        self._enter()
        try:
            data = self._read(size)
        except BlockingIOError:
            return Later(lambda: self._waiting(select.POLLIN, lambda: self._read(size)))
        except BaseException:
            self._leave()
            raise
        self._leave()
        return data

    def _read(self, size: int) -> bytes:
        try:
            return os.read(self._descriptor, size)
        except OSError as error:
            if error.errno == EIO:  # a terminal that no program holds open any more
                return b""
            raise

    def write(self, data: bytes) -> Any:
        """All of it."""
        self._enter()
        try:
            written = self._write(data, 0)
        except BaseException:
            self._leave()
            raise
        if written == len(data):
            self._leave()
            return None
        return Later(lambda: self._write_rest(data, written))

    def _write(self, data: bytes, written: int) -> int:
        try:
            return written + os.write(self._descriptor, memoryview(data)[written:])
        except BlockingIOError:
            return written

    def _write_rest(self, data: bytes, written: int) -> None:
        poller = self._poller(select.POLLOUT)
        try:
            while written < len(data):
                poller.poll()
                written = self._write(data, written)
        finally:
            self._leave()

    def _waiting(self, mask: int, call: Callable[[], Any]) -> Any:
        poller = self._poller(mask)
        try:
            while True:
                poller.poll()
                try:
                    return call()
                except BlockingIOError:
                    continue  # another thread was quicker
        finally:
            self._leave()

    def _poller(self, mask: int) -> select.poll:
        poller = select.poll()
        poller.register(self._descriptor, mask)
        return poller

    def resize(self, rows: int, columns: int) -> None:
        """Of a terminal: its size in characters; the program is told by SIGWINCH."""
        self._enter()
        try:
            termios.tcsetwinsize(self._descriptor, (rows, columns))
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._closing:
                raise OSError(EBADF, os.strerror(EBADF))
            self._users += 1

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._closing and self._users == 0
        if last:
            os.close(self._descriptor)


_CALLS = frozenset({"read", "write", "close", "resize", "fileno"})
