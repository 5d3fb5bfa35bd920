"""A socket that the actor holds, and the calls on it.

Theory of operation
    Each call is the real socket's own method, so what Python checks and what the kernel says come from
    there. Only whether it may have to wait is found out here: then it is given back as `Later`.

    Sending and receiving are tried first with MSG_DONTWAIT, on a *twin*: a second Python object of the same
    descriptor whose own timeout is 0, so that Python asks the kernel at once; the socket's timeout and the
    descriptor's flags stay as they are. What the kernel would have waited for is then done by the real one.
"""

import select
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from services.actor.handles import Held
from services.actor.later import Later
from services.actor.limits import Limits, RefusalError
from services.actor.tcp_info import read_tcp_info
from socketlab.wire.values import Handle

_WAIT_NOT = socket.MSG_DONTWAIT
_TRIED = (
    socket.MSG_DONTWAIT
    | socket.MSG_DONTROUTE
    | socket.MSG_EOR
    | socket.MSG_ERRQUEUE
    | socket.MSG_MORE
    | socket.MSG_NOSIGNAL
    | socket.MSG_OOB
    | socket.MSG_PEEK
    | socket.MSG_TRUNC
)
"""Flags with which a call that need not wait is the same as with MSG_DONTWAIT: not MSG_WAITALL, for one."""
_MOST_TRIED = 256 * 1024
"""Bytes that the leader sends by itself: copying more takes long enough for others to notice."""
_DGRAM_LIKE = frozenset({socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, socket.SOCK_RDM})
_TCP_INFO_ROOM = 512
_LINGER = struct.Struct("ii")
_SENDING = frozenset({"send", "sendto", "sendmsg"})
_INT = struct.calcsize("i")


def is_numeric(address: Any) -> bool:
    """Whether Python takes the address to the kernel without looking up a name."""
    if type(address) is not tuple or not address or type(address[0]) is not str:
        return True
    host = address[0]
    if host in {"", "<broadcast>"}:
        return True
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


class HeldSocket(Held):
    """A socket.

    Args:
        real: the socket.
        shelf: where what its calls bring is put.
        limits: bytes that a call may ask for.
    """

    __slots__ = ("_in", "_limits", "_out", "_real", "_shelf", "_twin")

    def __init__(self, real: socket.socket, shelf: "Shelf", limits: Limits) -> None:
        super().__init__("socket")
        self._real = real
        self._shelf = shelf
        self._limits = limits
        self._twin: socket.socket | None = None

    def handle(self) -> Handle:
        """Its name on the wire, with what the kernel says it is."""
        real = self._real
        return Handle(self.number, "socket", int(real.family), int(real.type), real.proto)

    def fileno(self) -> int:
        """The descriptor on this host; -1 when it is closed."""
        return self._real.fileno()

    def release(self) -> None:
        """Close it; with SO_LINGER that may take as long as the option says, so that is switched off."""
        self._drop_twin()
        if self._real.fileno() >= 0:
            if self._lingers():
                self._real.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(0, 0))
            self._real.close()

    def method(self, name: str) -> Callable[..., Any] | None:
        """The call of that name; None: there is none."""
        if name in _PLAIN:
            return getattr(self._real, name)  # type: ignore[no-any-return]
        return getattr(self, name) if name in _OWN else None

    def _never_waits(self) -> bool:
        return self._real.gettimeout() == 0

    def _try(self, name: str, before: tuple[Any, ...], flags: Any, after: tuple[Any, ...] = ()) -> Any:
        """A call on the twin: its arguments before the flags, the flags, those behind them.

        Raises:
            BlockingIOError: it would wait, or cannot be tried.
        """
        if type(flags) is not int or flags & ~_TRIED or self._real.fileno() < 0:
            raise BlockingIOError
        twin = self._twin or self._make_twin()
        if self._real.gettimeout() is not None:
            # With a timeout Python itself asks poll(2) first, which passes over little or urgent data.
            if not (self._out if name in _SENDING else self._in).poll(0):
                raise BlockingIOError
        elif self._shelf.low_water and name not in _SENDING:
            raise BlockingIOError
        return getattr(twin, name)(*before, flags | _WAIT_NOT, *after)

    def _make_twin(self) -> socket.socket:
        real = self._real
        kind = real.type | socket.SOCK_NONBLOCK  # tells Python only: the descriptor is not touched
        self._twin = socket.socket(real.family, kind, real.proto, fileno=real.fileno())
        self._in, self._out = select.poll(), select.poll()
        self._in.register(self._twin, select.POLLIN)
        self._out.register(self._twin, select.POLLOUT)
        return self._twin

    def _drop_twin(self) -> None:
        if self._twin is not None:
            self._twin.detach()
            self._twin = None

    def _check_size(self, *sizes: Any) -> None:
        """Refuse to make room for more than the limit; what is no size is for Python to say."""
        asked = sum(size for size in sizes if type(size) is int and size > 0)
        if asked > self._limits.data:
            raise RefusalError("actor.data", limit=self._limits.data, seen=asked)

    # Receiving

    def recv(self, size: Any, flags: Any = 0) -> Any:
        """Bytes of a stream, or one datagram."""
        self._check_size(size)
        if self._never_waits():
            return self._real.recv(size, flags)
        try:
            return self._try("recv", (size,), flags)
        except BlockingIOError:
            return Later(partial(self._real.recv, size, flags))

    def recvfrom(self, size: Any, flags: Any = 0) -> Any:
        """The same, and who sent it."""
        self._check_size(size)
        if self._never_waits():
            return self._real.recvfrom(size, flags)
        try:
            return self._try("recvfrom", (size,), flags)
        except BlockingIOError:
            return Later(partial(self._real.recvfrom, size, flags))

    def recvmsg(self, size: Any, ancillary: Any = 0, flags: Any = 0) -> Any:
        """The same, with ancillary data and flags; descriptors that come with it are closed."""
        self._check_size(size, ancillary)
        if self._never_waits():
            return close_descriptors(self._real.recvmsg(size, ancillary, flags))
        try:
            return close_descriptors(self._try("recvmsg", (size, ancillary), flags))
        except BlockingIOError:
            return Later(lambda: close_descriptors(self._real.recvmsg(size, ancillary, flags)))

    # Sending

    def send(self, data: Any, flags: Any = 0) -> Any:
        """Send what fits; how much that was."""
        if self._never_waits():
            return self._real.send(data, flags)
        try:
            self._check_tried(data)
            sent = self._try("send", (data,), flags)
        except BlockingIOError:
            return Later(partial(self._real.send, data, flags))
        if sent == len(data) or self._real.gettimeout() is not None:
            return sent
        # Without a timeout the kernel goes on until all is sent, and says how much it was if that fails.
        return Later(partial(self._send_rest, data, sent, flags))

    def _send_rest(self, data: Any, sent: int, flags: int) -> int:
        try:
            return sent + self._real.send(memoryview(data)[sent:], flags)
        except OSError:
            return sent

    def sendall(self, data: Any, flags: Any = 0) -> Any:
        """All of it, as Python does it: the timeout is of the whole."""
        if self._never_waits():
            return self._real.sendall(data, flags)
        try:
            self._check_tried(data)
            sent = self._try("send", (data,), flags)
        except BlockingIOError:
            return Later(partial(self._real.sendall, data, flags))
        if sent == len(data):
            return None
        return Later(partial(self._real.sendall, memoryview(data)[sent:], flags))

    def sendto(self, data: Any, *rest: Any) -> Any:
        """Send to an address, `[flags, ]address` as in Python."""
        whole = partial(self._real.sendto, data, *rest)
        if not rest or not is_numeric(rest[-1]):
            return Later(whole)
        if self._never_waits():
            return whole()
        if len(rest) > 2 or self._real.type not in _DGRAM_LIKE:  # noqa: PLR2004 - flags and address
            return Later(whole)
        flags = rest[0] if len(rest) > 1 else 0
        try:
            self._check_tried(data)
            return self._try("sendto", (data,), flags, rest[-1:])
        except BlockingIOError:
            return Later(whole)

    def sendmsg(self, buffers: Any, ancillary: Any = (), flags: Any = 0, address: Any = None) -> Any:
        """Send several pieces as one, with ancillary data."""
        whole = partial(self._real.sendmsg, buffers, ancillary, flags, address)
        if not is_numeric(address):
            return Later(whole)
        if self._never_waits():
            return whole()
        if self._real.type not in _DGRAM_LIKE:
            return Later(whole)
        try:
            return self._try("sendmsg", (buffers, ancillary), flags, (address,))
        except BlockingIOError:
            return Later(whole)

    @staticmethod
    def _check_tried(data: Any) -> None:
        if type(data) is not bytes or len(data) > _MOST_TRIED:
            raise BlockingIOError

    # Connections and addresses

    def bind(self, *args: Any) -> Any:
        """Take an address of this host."""
        call = partial(self._real.bind, *args)
        return call() if all(map(is_numeric, args)) else Later(call)

    def connect(self, *args: Any) -> Any:
        """Connect to an address."""
        return self._connect(partial(self._real.connect, *args), args)

    def connect_ex(self, *args: Any) -> Any:
        """The same; the errno is returned."""
        return self._connect(partial(self._real.connect_ex, *args), args)

    def _connect(self, call: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        real = self._real
        at_once = self._never_waits() or real.type == socket.SOCK_DGRAM or real.fileno() < 0
        return call() if at_once and all(map(is_numeric, args)) else Later(call)

    def accept(self) -> Any:
        """The next connection: the new socket and who called."""
        self._shelf.handles.expect_room()
        return self._accept() if self._never_waits() else Later(self._accept)

    def _accept(self) -> tuple[Handle, Any]:
        conn, peer = self._real.accept()
        return self._shelf.keep(conn), peer

    def dup(self) -> Handle:
        """Another descriptor of the same socket."""
        self._shelf.handles.expect_room()
        return self._shelf.keep(self._real.dup())

    def setsockopt(self, *args: Any) -> None:
        """Set an option; one changes what may be tried."""
        self._real.setsockopt(*args)
        if args[:2] == (socket.SOL_SOCKET, socket.SO_RCVLOWAT):
            self._shelf.low_water = True

    # The end, and what is told about it

    def close(self) -> Any:
        """As the system call: who is blocked on it stays so. Only SO_LINGER makes it wait."""
        self._drop_twin()
        waits = self._real.fileno() >= 0 and self._lingers()
        self._shelf.handles.closed(self)
        return Later(self._real.close) if waits else self._real.close()

    def _lingers(self) -> bool:
        try:
            raw = self._real.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.size)
        except OSError:  # a family that Python reads no bytes of options for, as AF_VSOCK
            return False
        on, seconds = _LINGER.unpack(raw)
        return bool(on) and seconds > 0

    def detach(self) -> int:
        """The descriptor, which stays open and belongs to nobody until `socket(fileno=...)` takes it."""
        self._drop_twin()
        descriptor = self._real.detach()
        if descriptor >= 0:
            self._shelf.handles.detached(descriptor)
            self._shelf.handles.closed(self)
        return descriptor

    def tcp_info(self) -> dict[str, Any]:
        """TCP_INFO by name."""
        return read_tcp_info(self._real.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_ROOM))


class Shelf:
    """Makes what is held of what is real.

    Args:
        handles: the table.
        limits: of the actor.
    """

    def __init__(self, handles: Any, limits: Limits) -> None:
        self.handles = handles
        self.limits = limits
        self.low_water = False
        """Whether any socket waits for more than one byte (SO_RCVLOWAT, which MSG_DONTWAIT passes over)."""

    def keep(self, real: socket.socket) -> Handle:
        """Hold a socket."""
        held: Handle = self.handles.add(HeldSocket(real, self, self.limits))
        return held


def close_descriptors(received: Any) -> Any:
    """What recvmsg returned, after closing the descriptors that came with it: nobody here could use them."""
    for level, kind, data in received[1]:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(data) - len(data) % _INT
            for descriptor in memoryview(data[:whole]).cast("i"):
                socket.close(descriptor)
    return received


_PLAIN = frozenset(
    {
        "fileno",
        "get_inheritable",
        "getblocking",
        "getpeername",
        "getsockname",
        "getsockopt",
        "gettimeout",
        "listen",
        "set_inheritable",
        "setblocking",
        "settimeout",
        "shutdown",
    },
)
_OWN = frozenset(
    {
        "accept",
        "bind",
        "close",
        "connect",
        "connect_ex",
        "detach",
        "dup",
        "recv",
        "recvfrom",
        "recvmsg",
        "send",
        "sendall",
        "sendmsg",
        "sendto",
        "setsockopt",
        "tcp_info",
    }
)
