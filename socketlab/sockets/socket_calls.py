"""The calls on a socket: arguments checked, ready to be sent.

Each function has the parameters of the method of `socket.socket` that it is named after, behind the socket.
`Socket` makes methods of them that wait for the answer, `Socket.begin` methods that do not.
"""

from __future__ import annotations

from socket import SOCK_STREAM
from typing import TYPE_CHECKING, Any

from socketlab.sockets import arguments as check
from socketlab.sockets.request import Request, same

if TYPE_CHECKING:
    from collections.abc import Iterable

    from socketlab.sockets.arguments import Address, Buffer
    from socketlab.sockets.over_there import Socket

_SENDTO = (1, 2)


def _request(sock: Socket, name: str, *args: Any) -> Request[Any]:
    return Request(name, args, same, sock.handle.number, sock)


def accept(sock: Socket) -> Request[tuple[Socket, Any]]:
    """Wait for a connection; it and the peer's address."""
    return Request("accept", (), sock.accepted, sock.handle.number, sock)


def bind(sock: Socket, address: Address, /) -> Request[None]:
    """Give the socket an address of its own."""
    return _request(sock, "bind", check.address(address, sock.handle.family, "bind"))


def connect(sock: Socket, address: Address, /) -> Request[None]:
    """Connect to a peer."""
    peer = check.address(address, sock.handle.family, "connect")
    return Request("connect", (peer,), lambda _: sock.known(peer=peer), sock.handle.number, sock)


def connect_ex(sock: Socket, address: Address, /) -> Request[int]:
    """Connect to a peer; errno, 0 when connected."""
    return _request(sock, "connect_ex", check.address(address, sock.handle.family, "connect_ex"))


def listen(sock: Socket, backlog: int | None = None, /) -> Request[None]:
    """Take connections."""
    return _request(sock, "listen", *(() if backlog is None else (check.integer(backlog),)))


def recv(sock: Socket, bufsize: int, flags: int = 0, /) -> Request[bytes]:
    """Receive at most so many bytes."""
    return _request(sock, "recv", min(check.bufsize(bufsize, "recv"), check.MOST), *check.given(flags))


def recvfrom(sock: Socket, bufsize: int, flags: int = 0, /) -> Request[tuple[bytes, Any]]:
    """Receive at most so many bytes, and the sender's address."""
    most = min(check.bufsize(bufsize, "recvfrom"), check.MOST)
    return _request(sock, "recvfrom", most, *check.given(flags))


def recvmsg(
    sock: Socket, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
) -> Request[tuple[bytes, list[tuple[int, int, bytes]], int, Any]]:
    """Receive at most so many bytes and so much ancillary data, flags and the sender's address."""
    most = check.size(bufsize)
    if most < 0:
        raise ValueError("negative buffer size in recvmsg()")
    room = check.ancillary_room(ancbufsize)
    return _request(sock, "recvmsg", min(most, check.MOST), room, *check.given(flags))


def recv_into(sock: Socket, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0) -> Request[int]:
    """Receive into a buffer; how many bytes."""
    view = check.writable(buffer, "recv_into()")
    room = check.room(nbytes, view, "recv_into", "buffer too small for requested bytes")

    def read(came: bytes) -> int:
        return _fill([view], came)

    most = min(room, check.MOST)
    return Request("recv", (most, *check.given(flags)), read, sock.handle.number, sock)


def recvfrom_into(
    sock: Socket, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0
) -> Request[tuple[int, Any]]:
    """Receive into a buffer; how many bytes, and the sender's address."""
    view = check.writable(buffer, "recvfrom_into()")
    room = check.room(nbytes, view, "recvfrom_into", "nbytes is greater than the length of the buffer")

    def read(came: tuple[bytes, Any]) -> tuple[int, Any]:
        data, address = came
        return _fill([view], data), address

    most = min(room, check.MOST)
    return Request("recvfrom", (most, *check.given(flags)), read, sock.handle.number, sock)


def recvmsg_into(
    sock: Socket, buffers: Iterable[bytearray | memoryview], ancbufsize: int = 0, flags: int = 0, /
) -> Request[tuple[int, list[tuple[int, int, bytes]], int, Any]]:
    """Receive into several buffers, one after the other; how many bytes, and the rest as `recvmsg`."""
    views = check.writable_buffers(buffers, "recvmsg_into()")

    def read(came: tuple[bytes, Any, int, Any]) -> tuple[int, Any, int, Any]:
        data, ancillary, seen, address = came
        return _fill(views, data), ancillary, seen, address

    most = min(sum(map(len, views)), check.MOST)
    room = check.ancillary_room(ancbufsize)
    return Request("recvmsg", (most, room, *check.given(flags)), read, sock.handle.number, sock)


def _fill(views: list[memoryview], data: bytes) -> int:
    """Spread what came over the buffers; how much it was."""
    at = 0
    for view in views:
        part = data[at : at + len(view)]
        view[: len(part)] = part
        at += len(part)
    return len(data)


def send(sock: Socket, data: Buffer, flags: int = 0, /) -> Request[int]:
    """Send; how many bytes the kernel took."""
    return _request(sock, "send", carried(sock, check.readable(data)), *check.given(flags))


def sendall(sock: Socket, data: Buffer, flags: int = 0, /) -> Request[None]:
    """Send all of it: one call over there, with one total time."""
    return _request(sock, "sendall", check.readable(data), *check.given(flags))


def sendto(sock: Socket, data: Buffer, /, *rest: Any) -> Request[int]:
    """`sendto(data, address)` or `sendto(data, flags, address)`: send to an address."""
    if len(rest) not in _SENDTO:
        raise TypeError(f"sendto() takes 2 or 3 arguments ({len(rest) + 1} given)")
    raw = check.readable(data)
    flags = [check.integer(each) for each in rest[:-1]]
    return _request(sock, "sendto", raw, *flags, check.address(rest[-1], sock.handle.family, "sendto"))


def sendmsg(
    sock: Socket,
    buffers: Iterable[Buffer],
    ancdata: Iterable[tuple[int, int, Buffer]] = (),
    flags: int = 0,
    address: Address | None = None,
    /,
) -> Request[int]:
    """Send several buffers as one message, with ancillary data; how many bytes the kernel took."""
    parts = check.buffers(buffers, "sendmsg()")
    extra = check.ancillary(ancdata)
    peer = None if address is None else check.address(address, sock.handle.family, "sendmsg")
    return _request(sock, "sendmsg", parts, extra, check.integer(flags), peer)


def shutdown(sock: Socket, how: int, /) -> Request[None]:
    """End one direction, or both."""
    return _request(sock, "shutdown", check.integer(how))


def setsockopt(
    sock: Socket, level: int, option: int, value: int | Buffer | None, optlen: int | None = None, /
) -> Request[None]:
    """Set an option."""
    numbers = (check.integer(level), check.integer(option))
    if value is None:
        if optlen is None:
            raise TypeError("setsockopt() requires an optlen with None")
        return _request(sock, "setsockopt", *numbers, None, check.integer(optlen))
    if optlen is not None:
        raise TypeError("setsockopt() takes an optlen with None only")
    given = check.option(value)
    return _request(sock, "setsockopt", *numbers, given)


def getsockopt(sock: Socket, level: int, option: int, buflen: int | None = None, /) -> Request[Any]:
    """An option: an integer, or with a length its bytes."""
    rest = () if buflen is None else (check.integer(buflen),)
    return _request(sock, "getsockopt", check.integer(level), check.integer(option), *rest)


def setblocking(sock: Socket, flag: bool, /) -> Request[None]:  # noqa: FBT001 - as the method has it
    """Whether calls wait."""
    return _request(sock, "setblocking", bool(flag))


def settimeout(sock: Socket, value: float | None, /) -> Request[None]:
    """How long calls wait: seconds; None: for ever."""
    return _request(sock, "settimeout", check.seconds(value))


def gettimeout(sock: Socket) -> Request[float | None]:
    """How long calls wait: seconds; None: for ever."""
    return _request(sock, "gettimeout")


def getblocking(sock: Socket) -> Request[bool]:
    """Whether calls wait."""
    return _request(sock, "getblocking")


def getsockname(sock: Socket) -> Request[Any]:
    """The socket's own address."""

    def read(address: Any) -> Any:
        sock.known(own=address)
        return address

    return Request("getsockname", (), read, sock.handle.number, sock)


def getpeername(sock: Socket) -> Request[Any]:
    """The peer's address."""

    def read(address: Any) -> Any:
        sock.known(peer=address)
        return address

    return Request("getpeername", (), read, sock.handle.number, sock)


def get_inheritable(sock: Socket) -> Request[bool]:
    """Whether programs started over there inherit it."""
    return _request(sock, "get_inheritable")


def set_inheritable(sock: Socket, inheritable: bool) -> Request[None]:  # noqa: FBT001 - as the method has it
    """Have programs started over there inherit it, or not."""
    return _request(sock, "set_inheritable", bool(inheritable))


def descriptor(sock: Socket) -> Request[int]:
    """The number of its descriptor over there; -1: closed."""
    return _request(sock, "fileno")


def dup(sock: Socket) -> Request[Socket]:
    """A second socket object of the same socket."""
    return Request("dup", (), sock.made, sock.handle.number, sock)


def tcp_info(sock: Socket) -> Request[dict[str, Any]]:
    """What the kernel knows of a TCP connection, named as in linux/tcp.h."""
    return _request(sock, "tcp_info")


def carried(sock: Socket, data: bytes) -> bytes:
    """As much of it as one call carries: a stream may take a part, as it always may."""
    if len(data) > check.MOST and sock.handle.type == SOCK_STREAM:
        return data[: check.MOST]
    return data
