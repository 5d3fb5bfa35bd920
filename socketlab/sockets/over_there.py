"""A socket over there: the methods of `socket.socket`, made by the actor on its host.

Theory of operation
    A `Socket` holds the handle that its actor gave it, and nothing of the kernel's: what is true of it is
    asked over there, each time. Only what never changes (family, type, proto), what was seen last (the
    addresses in its repr) and the count of open `makefile` objects live here.

    It has no descriptor on this machine. `fileno` says so, with an error that is a TypeError as well, and
    that is where `select`, `selectors`, `fcntl` and `os` find out.
"""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from typing import IO, TYPE_CHECKING, Any, Literal, Self, overload

from socketlab.errors import EndedError, LabError, UsageError
from socketlab.sockets import arguments as check
from socketlab.sockets import files, socket_calls
from socketlab.sockets.methods import begun_on_socket, on_socket
from socketlab.sockets.request import Request, family_of, kind_of, same

if TYPE_CHECKING:
    import io
    import socket

    from socketlab.sockets.actor import Actor
    from socketlab.sockets.arguments import Address, Buffer
    from socketlab.wire.values import Handle


class Socket:
    """A socket over there, made by `host.socket()`.

    Args:
        actor: of its host.
        handle: the actor's name for it.
        peer: address of the peer, where it is known.
    """

    def __init__(self, actor: Actor, handle: Handle, peer: Any = None) -> None:
        self.actor = actor
        self.handle = handle
        self._own: Any = None
        self._peer: Any = peer
        self._files = 0
        self._closed = False
        self._really_closed = False

    @property
    def begin(self) -> BeginOnSocket:
        """The same calls, begun and awaited later."""
        return BeginOnSocket(self)  # made each time: a socket that held it would never be collected at once

    # -- what is known here

    @property
    def family(self) -> socket.AddressFamily | int:
        """The address family."""
        return family_of(self.handle.family)

    @property
    def type(self) -> socket.SocketKind | int:
        """The type, without flags."""
        return kind_of(self.handle.type)

    @property
    def proto(self) -> int:
        """The protocol."""
        return self.handle.proto

    @property
    def timeout(self) -> float | None:
        """What `gettimeout` says."""
        return self.gettimeout()

    @property
    def closed(self) -> bool:
        """Whether it is closed over there, by `close` or `detach`."""
        return self._really_closed

    def known(self, *, own: Any = None, peer: Any = None) -> None:
        """Remember addresses for the repr."""
        if own is not None:
            self._own = own
        if peer is not None:
            self._peer = peer

    def made(self, handle: Handle) -> Socket:
        """A socket object of the same socket over there."""
        twin = self.actor.adopt(handle)
        twin.known(own=self._own, peer=self._peer)
        return twin

    def accepted(self, came: tuple[Handle, Any]) -> tuple[Socket, Any]:
        """What `accept` returns, of what it gave over there."""
        handle, peer = came
        new = self.actor.adopt(handle)
        new.known(peer=peer)
        return new, peer

    # -- calls

    accept = on_socket(socket_calls.accept)
    bind = on_socket(socket_calls.bind)
    connect = on_socket(socket_calls.connect)
    connect_ex = on_socket(socket_calls.connect_ex)
    listen = on_socket(socket_calls.listen)
    recv = on_socket(socket_calls.recv)
    recvfrom = on_socket(socket_calls.recvfrom)
    recvmsg = on_socket(socket_calls.recvmsg)
    recv_into = on_socket(socket_calls.recv_into)
    recvfrom_into = on_socket(socket_calls.recvfrom_into)
    recvmsg_into = on_socket(socket_calls.recvmsg_into)
    send = on_socket(socket_calls.send)
    sendmsg = on_socket(socket_calls.sendmsg)
    shutdown = on_socket(socket_calls.shutdown)
    setblocking = on_socket(socket_calls.setblocking)
    settimeout = on_socket(socket_calls.settimeout)
    gettimeout = on_socket(socket_calls.gettimeout)
    getblocking = on_socket(socket_calls.getblocking)
    getsockname = on_socket(socket_calls.getsockname)
    getpeername = on_socket(socket_calls.getpeername)
    get_inheritable = on_socket(socket_calls.get_inheritable)
    set_inheritable = on_socket(socket_calls.set_inheritable)
    dup = on_socket(socket_calls.dup)
    tcp_info = on_socket(socket_calls.tcp_info)
    descriptor = on_socket(socket_calls.descriptor)

    @overload
    def sendto(self, data: Buffer, address: Address, /) -> int: ...
    @overload
    def sendto(self, data: Buffer, flags: int, address: Address, /) -> int: ...
    def sendto(self, data: Buffer, /, *rest: Any) -> int:
        """Send to an address; how many bytes the kernel took."""
        return self.actor.make(socket_calls.sendto(self, data, *rest))

    @overload
    def setsockopt(self, level: int, optname: int, value: int | Buffer, /) -> None: ...
    @overload
    def setsockopt(self, level: int, optname: int, value: None, optlen: int, /) -> None: ...
    def setsockopt(
        self, level: int, optname: int, value: int | Buffer | None, optlen: int | None = None, /
    ) -> None:
        """Set an option: an integer, bytes, or no value of a length."""
        self.actor.make(socket_calls.setsockopt(self, level, optname, value, optlen))

    @overload
    def getsockopt(self, level: int, optname: int, /) -> int: ...
    @overload
    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes: ...
    def getsockopt(self, level: int, optname: int, buflen: int | None = None, /) -> int | bytes:
        """An option: an integer, or with a length its bytes."""
        found: int | bytes = self.actor.make(socket_calls.getsockopt(self, level, optname, buflen))
        return found

    def sendall(self, data: Buffer, flags: int = 0, /) -> None:
        """Send all of it. With a timeout that is one total time, measured over there."""
        raw = check.readable(data)
        if len(raw) <= check.MOST:
            self.actor.make(socket_calls.sendall(self, raw, flags))
            return
        timeout = self.gettimeout()
        deadline = time.monotonic() + (timeout or 0)
        try:
            for at in range(0, len(raw), check.MOST):
                if timeout and at:
                    # Its last part is tried for a moment at least: 0 would make the socket non-blocking.
                    self.settimeout(max(1e-6, deadline - time.monotonic()))
                self.actor.make(socket_calls.sendall(self, raw[at : at + check.MOST], flags))
        finally:
            if timeout:
                self.settimeout(timeout)

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Send a file of this machine, from an offset, and at most so many bytes; how many were sent.

        Raises:
            ValueError: a text file, a socket that is no stream or is non-blocking, or no positive count.
            TypeError: the count is no integer.
        """
        return files.send(self, file, offset, count)

    # -- files

    @overload
    def makefile(
        self,
        mode: Literal["b", "rb", "br", "wb", "bw", "rwb", "rbw", "wrb", "wbr", "brw", "bwr"],
        buffering: Literal[0],
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> socket.SocketIO: ...
    @overload
    def makefile(
        self,
        mode: Literal["rwb", "rbw", "wrb", "wbr", "brw", "bwr"],
        buffering: Literal[-1, 1] | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.BufferedRWPair: ...
    @overload
    def makefile(
        self,
        mode: Literal["rb", "br", "b"],
        buffering: Literal[-1, 1] | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.BufferedReader: ...
    @overload
    def makefile(
        self,
        mode: Literal["wb", "bw"],
        buffering: Literal[-1, 1] | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.BufferedWriter: ...
    @overload
    def makefile(
        self,
        mode: Literal["b", "rb", "br", "wb", "bw", "rwb", "rbw", "wrb", "wbr", "brw", "bwr"],
        buffering: int,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.IOBase: ...
    @overload
    def makefile(
        self,
        mode: Literal["r", "w", "rw", "wr", ""] = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.TextIOWrapper: ...
    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """A file object of the socket. The socket is closed over there with the last of both.

        Raises:
            ValueError: another mode than r, w, b, or text without a buffer.
        """
        return files.make(self, mode, buffering, encoding=encoding, errors=errors, newline=newline)

    def _decref_socketios(self) -> None:
        """A file was closed: `socket.SocketIO` calls this, by this name."""
        if self._files > 0:
            self._files -= 1
        if self._closed:
            self.close()

    def file_opened(self) -> None:
        """A file of this socket is open: `close` waits for it."""
        self._files += 1

    def file_collected(self, left: bytes) -> None:
        """A file was collected with so much of it unsent. Makes no call: a finaliser calls it."""
        if left:
            threading.Thread(target=self._send_left, args=(left,), daemon=True).start()
            return
        self._files -= 1
        if self._closed and self._files <= 0 and not self._really_closed:
            self._really_closed = True
            self.actor.forget(self.handle.number)

    def _send_left(self, left: bytes) -> None:
        try:
            with contextlib.suppress(OSError, LabError):  # nobody is left to be told
                self.sendall(left)
        finally:
            self._decref_socketios()

    # -- the end

    def close(self) -> None:
        """Close it over there, which wakes no call that is blocked on it."""
        self._closed = True
        if self._files <= 0 and not self._really_closed:
            self._really_closed = True
            with contextlib.suppress(EndedError):  # it is gone with its actor
                self.actor.make(Request("close", (), same, self.handle.number, self))

    def detach(self) -> int:
        """Close this object, and not its descriptor over there; the number of it there."""
        self._closed = self._really_closed = True
        number: int = self.actor.make(Request("detach", (), same, self.handle.number, self))
        return number

    def fileno(self) -> int:
        """-1 when closed. There is no descriptor of it on this machine.

        Raises:
            UsageError: it is open.
        """
        if self._really_closed:
            return -1
        raise UsageError("sockets.descriptor", socket=repr(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if not self._closed:
            self.close()

    def __repr__(self) -> str:
        words = [f"{self.actor.host}:{self.handle.number}"]
        words += [getattr(each, "name", str(each)) for each in (self.family, self.type)]
        if self._closed:
            words.append("closed")
        else:
            if self._own is not None:
                words.append(f"laddr={self._own}")
            if self._peer is not None:
                words.append(f"raddr={self._peer}")
        return f"<Socket {' '.join(words)}>"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def __del__(self) -> None:
        actor = getattr(self, "actor", None)
        if actor is None:
            return
        actor.forget(self.handle.number)
        if not self._closed and not actor.ended:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)


class BeginOnSocket:
    """The same calls, begun and awaited later: `pending = listener.begin.accept()`."""

    def __init__(self, of: Socket) -> None:
        self.socket = of

    accept = begun_on_socket(socket_calls.accept)
    connect = begun_on_socket(socket_calls.connect)
    connect_ex = begun_on_socket(socket_calls.connect_ex)
    recv = begun_on_socket(socket_calls.recv)
    recvfrom = begun_on_socket(socket_calls.recvfrom)
    recvmsg = begun_on_socket(socket_calls.recvmsg)
    recv_into = begun_on_socket(socket_calls.recv_into)
    recvfrom_into = begun_on_socket(socket_calls.recvfrom_into)
    recvmsg_into = begun_on_socket(socket_calls.recvmsg_into)
    send = begun_on_socket(socket_calls.send)
    sendall = begun_on_socket(socket_calls.sendall)
    sendto = begun_on_socket(socket_calls.sendto)
    sendmsg = begun_on_socket(socket_calls.sendmsg)
    tcp_info = begun_on_socket(socket_calls.tcp_info)
