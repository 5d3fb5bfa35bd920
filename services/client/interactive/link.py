"""A connected socket that is never waited for: what is to be sent waits here, and every call is told.

Theory of operation
    The caller waits (poll(2)) for what `fileno` gives, for writing while `waiting` is not 0, and then calls
    `send` and `receive`, which do what can be done at once. Of a stream as much is sent as the kernel takes;
    a datagram is sent whole or not at all.
"""

import contextlib
import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from services.client.calls import RECV, RECVERR, Address, Tell, errno_name, perform, resolve, shown
from services.client.interactive.talk import DATAGRAM
from services.client.signals import from_thread
from services.messages import say
from services.unix_socket import address_of, path_of
from socketlab.wire import Outcome, Raised

# `linux/errqueue.h` and `linux/socket.h`; Python does not name them.
_EXTENDED_ERROR: Final = struct.Struct("=IBBBBII")
"""`struct sock_extended_err`: errno, origin, type, code, padding, info, data; who sent it stands behind."""
_ADDRESS: Final[dict[int, tuple[int, int]]] = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}
"""Where in a `sockaddr` of that family the address stands, and its size."""
_ANCILLARY: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to connect to.

    Args:
        kind: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET.
        family: AF_INET, AF_INET6, AF_UNSPEC (either, in the resolver's order) or AF_UNIX.
        host: name or address; of AF_UNIX the path, `@name` for an abstract one.
        port: of the service.
    """

    kind: socket.SocketKind
    family: socket.AddressFamily
    host: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """An error that the kernel queued, since it was asked to (ip(7), IPRECVERR).

    Args:
        errno: symbolic name.
        type: of the ICMP message; 0 where it was none.
        code: of the ICMP message.
        origin: address of who sent it; empty: this host itself.
    """

    errno: str
    type: int
    code: int
    origin: str

    @property
    def said(self) -> str:
        """In words."""
        if self.origin:
            fields = {"errno": self.errno, "type": self.type, "code": self.code, "origin": self.origin}
            return say("interactive.icmp", **fields)
        return say("interactive.local-error", errno=self.errno)


_Place: TypeAlias = Address | str


class Link:
    """A connected socket.

    Args:
        sock: it.
        peer: where it is connected to, for people.
        tell: is told the outcome of each call.
        reporting: whether the kernel queues errors for it.
    """

    def __init__(self, sock: socket.socket, peer: str, tell: Tell, *, reporting: bool = False) -> None:
        sock.settimeout(0)
        self._socket = sock
        self._tell = _but_would_block(tell)
        self._reporting = reporting
        self._queue: deque[bytes] = deque()
        self._is_stream = sock.type == socket.SOCK_STREAM
        self.waiting = 0
        """Bytes not sent yet, or of datagrams at least their number."""
        self.ends = sock.type != socket.SOCK_DGRAM
        """Whether it has an end: FIN, or what AF_UNIX has in its place."""
        self.own = _name(sock.getsockname())
        self.peer = peer  # getpeername(2) fails where the peer has reset the connection already

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def put(self, data: bytes) -> None:
        """Have these bytes, or this datagram, sent."""
        self._queue.append(data)
        self.waiting += max(1, len(data))

    def drop(self) -> None:
        """Forget what waits."""
        self._queue.clear()
        self.waiting = 0

    def send(self) -> None:
        """Send what can be sent at once; call it when the socket is writable.

        Raises:
            OSError: the call failed; of a datagram, it is not tried again unless an earlier one is to blame.
        """
        while self._queue:
            data = b"".join(self._queue) if self._is_stream else self._queue[0]
            try:
                sent = self._send(data)
            except BlockingIOError:
                return
            except OSError as error:
                if not self._is_stream and error.errno != errno.ECONNREFUSED:
                    self._take(self._queue.popleft())
                raise
            if not self._is_stream:
                self._take(self._queue.popleft())
                continue
            self._queue = deque([data[sent:]] if sent < len(data) else [])
            self.waiting = len(data) - sent
            return

    def receive(self) -> bytes | None:
        """What has arrived: bytes, one datagram, `b""` for the end; None: nothing after all.

        Raises:
            OSError: the call failed.
        """
        size = RECV if self._is_stream else DATAGRAM + 1  # one more, so that a cut one is noticed
        with contextlib.suppress(BlockingIOError):
            return perform(f"recv({size})", lambda: self._socket.recv(size), self._tell)
        return None

    def end_sending(self) -> None:
        """Half-close: the peer reads to the end, and may still answer.

        Raises:
            OSError: the connection is over.
        """
        perform("shutdown(SHUT_WR)", lambda: self._socket.shutdown(socket.SHUT_WR), self._tell)

    def reports(self) -> Iterator[Report]:
        """The errors that the kernel has queued; each is taken from there."""
        while self._reporting:
            try:
                _, ancillary, _, _ = self._socket.recvmsg(0, _ANCILLARY, socket.MSG_ERRQUEUE)
            except OSError:
                return
            yield from (_report(data) for _, _, data in ancillary if len(data) >= _EXTENDED_ERROR.size)

    def _send(self, data: bytes) -> int:
        return perform(f"send({shown(data)})", lambda: self._socket.send(data), self._tell)

    def _take(self, datagram: bytes) -> None:
        self.waiting -= max(1, len(datagram))


def _but_would_block(tell: Tell) -> Tell:
    """Tell of every call but those that had nothing to do."""

    def told(outcome: Outcome) -> None:
        result = outcome.result
        if not (isinstance(result, Raised) and result.exception == BlockingIOError.__name__):
            tell(outcome)

    return told


def connect(target: Target, timeout: float, tell: Tell, *, recverr: bool = False) -> Link:
    """Connect to the first address that lets itself be connected to.

    Args:
        target: whom.
        timeout: seconds that each `connect` may take.
        tell: is told the outcome of each call.
        recverr: have the kernel queue ICMP errors, also the transient ones.

    Raises:
        OSError: none does, or the name does not resolve.
        ValueError: the name, or path, is none.
    """
    refused: OSError | ValueError | None = None
    for family, place in _places(target, tell):
        sock = socket.socket(family, target.kind)
        try:
            _prepare(sock, tell, recverr=recverr)
            sock.settimeout(timeout)
            _connect(sock, place, tell)
            return Link(sock, _name(place), tell, reporting=recverr and family in RECVERR)
        except (OSError, ValueError) as error:
            sock.close()
            refused = error
    raise refused or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL), target.host)


def _places(target: Target, tell: Tell) -> list[tuple[socket.AddressFamily, _Place]]:
    if target.family == socket.AF_UNIX:
        return [(socket.AF_UNIX, address_of(target.host))]

    def look_up() -> Iterator[list[tuple[socket.AddressFamily, Address]]]:
        yield resolve(target.host, target.port, target.family, target.kind, tell)

    # In a thread: Ctrl-C shall not have to wait for a resolver that gets no answer.
    return [*next(from_thread(look_up()))]


def _prepare(sock: socket.socket, tell: Tell, *, recverr: bool) -> None:
    if sock.family == socket.AF_UNIX and sock.type == socket.SOCK_DGRAM:
        # A name of the kernel's choice (unix(7), autobind): without one nobody can answer.
        perform("bind('')", lambda: sock.bind(""), tell)
    if recverr and sock.family in RECVERR:
        level, option, name = RECVERR[sock.family]
        perform(f"setsockopt({name}, 1)", lambda: sock.setsockopt(level, option, 1), tell)


def _connect(sock: socket.socket, place: _Place, tell: Tell) -> None:
    perform(f"connect({place!r})", lambda: sock.connect(place), tell)


def _name(place: tuple[str, int] | str | bytes) -> str:
    """An address as a person writes it."""
    if isinstance(place, tuple):
        host, port = place[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return path_of(place)


def _report(data: bytes) -> Report:
    number, _, kind, code, _, _, _ = _EXTENDED_ERROR.unpack_from(data)
    offender = data[_EXTENDED_ERROR.size :]
    family = struct.unpack_from("=H", offender)[0] if offender else socket.AF_UNSPEC
    at, size = _ADDRESS.get(family, (0, 0))
    address = offender[at : at + size]
    name = errno_name(OSError(number, "")) or ""
    origin = socket.inet_ntop(family, address) if size and len(address) == size else ""
    return Report(name, kind, code, origin)
