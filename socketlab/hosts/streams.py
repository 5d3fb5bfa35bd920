"""The standard streams of a program on a host, as objects of `io`: each read and write is a call over there.

Theory of operation
    A read over there blocks until there is something. Two may want to know what the program says: its user,
    and whoever waits for it to be ready. So an `Output` can be read ahead (`listen`), by a thread; what is
    read ahead is kept, and handed to the user first. One read is in flight at a time.
"""

import contextlib
import io
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from socketlab.errors import LabError
from socketlab.wire.values import Handle

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

CHUNK: Final = 256 * 1024
"""Bytes of one call."""


class Calls(Protocol):
    """Makes calls on a host's actor: a `socketlab.sockets.Actor`."""

    def call(self, name: str, *args: Any, on: int | None = None) -> Any:
        """Make a call on the actor, or on what it holds; what it returned."""


class _Stream(io.RawIOBase):
    """Both directions' common part.

    Args:
        calls: make them.
        handle: of the stream, over there.
    """

    def __init__(self, calls: Calls, handle: Handle) -> None:
        super().__init__()
        self._calls = calls
        self.handle = handle
        self._dropped = False

    def _dealloc_warn(self, _source: object) -> None:
        """A buffer above us is being collected (`io` calls this)."""
        self._dropped = True

    def close(self) -> None:
        """Close it over there as well; a collected one is closed with its program: no call is made then."""
        if self.closed:
            return
        try:
            super().close()
        finally:
            if not (self._dropped or getattr(self, "_finalizing", False)):
                with contextlib.suppress(LabError):  # gone with its program, its actor or its host
                    self._calls.call("close", on=self.handle.number)


class Output(_Stream):
    """What a program writes: its standard output or error. Read by several threads it is torn to pieces."""

    def __init__(self, calls: Calls, handle: Handle) -> None:
        super().__init__(calls, handle)
        self._changed = threading.Condition()
        self._ahead = bytearray()
        self._reading = False
        self._ended = False
        self._error: Exception | None = None

    def readable(self) -> bool:
        """As in `io`."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """As in `io`: waits until there is something; 0 at the end."""
        view = memoryview(buffer).cast("B")
        if not len(view):
            return 0
        self._checkClosed()
        self._advance(min(len(view), CHUNK))
        with self._changed:
            taken = bytes(self._ahead[: len(view)])
            del self._ahead[: len(taken)]
            if not taken and self._error:
                raise self._error
        view[: len(taken)] = taken
        return len(taken)

    def _checkClosed(self) -> None:  # noqa: N802 - of `io`
        if self.closed:
            raise ValueError("I/O operation on closed file.")

    def _advance(self, size: int) -> None:
        """Wait until something is there or the end is; read it if nobody does."""
        with self._changed:
            while self._reading and not (self._ahead or self._ended):
                self._changed.wait()
            if self._ahead or self._ended:
                return
            self._reading = True
        self._read(size)

    def _read(self, size: int) -> bytes:
        """Make one call; `_reading` is ours."""
        data = b""
        error: Exception | None = None
        over = False  # of a wait that was broken off (Ctrl-C) nothing is known: the next reader asks again
        try:
            data = self._calls.call("read", size, on=self.handle.number)
            over = not data
        except Exception as ended:  # noqa: BLE001 - told to whoever reads next
            error, over = ended, True
        finally:
            with self._changed:
                self._reading = False
                self._ahead += data
                self._ended = self._ended or over
                self._error = self._error or error
                self._changed.notify_all()
        return data

    def listen(self, enough: Callable[[bytes], bool], most: int | None = None) -> None:
        """Read ahead until it is enough, or the end.

        Args:
            enough: is given what has come, piece by piece.
            most: keep no more than so many bytes that nobody has read, the newest; None: all.
        """
        while True:
            with self._changed:
                while self._reading:
                    self._changed.wait()
                if self._ended:
                    return
                self._reading = True
            data = self._read(CHUNK)
            if most is not None:
                with self._changed:
                    del self._ahead[: max(0, len(self._ahead) - most)]
            if not data or enough(data):
                return

    @property
    def heard(self) -> bytes:
        """What was read ahead and nobody has read yet."""
        with self._changed:
            return bytes(self._ahead)


class Input(_Stream):
    """What a program reads: its standard input. Unbuffered: what is written is written."""

    def writable(self) -> bool:
        """As in `io`."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """As in `io`, and all of it."""
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        view = memoryview(data).cast("B")
        for start in range(0, len(view), CHUNK):
            self._calls.call("write", bytes(view[start : start + CHUNK]), on=self.handle.number)
        return len(view)
