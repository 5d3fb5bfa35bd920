"""The calls of the module `socket`, and the actor's own: arguments checked, ready to be sent.

Each function has the parameters of the function of module `socket` that it is named after, behind the actor.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, TypeAlias

from socketlab.sockets import arguments as check
from socketlab.sockets.request import Request, family_of, kind_of, same

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socketlab.sockets.actor import Actor
    from socketlab.sockets.over_there import Socket
    from socketlab.wire.values import Handle

Entry: TypeAlias = "tuple[socket.AddressFamily | int, socket.SocketKind | int, int, str, Any]"
_SHORT = 2**16
_LONG = 2**32
_UNIX = 1


def socket_(  # noqa: D103 - the actor's method has the words
    actor: Actor,
    family: int = -1,
    type: int = -1,  # noqa: A002 - as the module has it
    proto: int = -1,
    fileno: int | None = None,
) -> Request[Socket]:
    if fileno is not None:
        given = (check.integer(each) for each in (family, type, proto, fileno))
        return Request("socket", tuple(given), actor.adopt)
    defaults = zip((family, type, proto), (socket.AF_INET, socket.SOCK_STREAM, 0), strict=True)
    args = tuple(int(default) if each == -1 else check.integer(each) for each, default in defaults)
    return Request("socket", args, actor.adopt)


def socketpair(
    actor: Actor,
    family: int | None = None,
    type: int = socket.SOCK_STREAM,  # noqa: A002 - as the module has it
    proto: int = 0,
) -> Request[tuple[Socket, Socket]]:
    """Two sockets over there that are connected with each other."""
    args = (_UNIX if family is None else check.integer(family), check.integer(type), check.integer(proto))

    def read(came: tuple[Handle, Handle]) -> tuple[Socket, Socket]:
        one, other = came
        return actor.adopt(one), actor.adopt(other)

    return Request("socketpair", args, read)


def getaddrinfo(
    actor: Actor,
    host: str | bytes | None,
    port: str | bytes | int | None,
    family: int = 0,
    type: int = 0,  # noqa: A002 - as the module has it
    proto: int = 0,
    flags: int = 0,
) -> Request[list[Entry]]:
    """What the resolver over there makes of a name and a service."""
    del actor
    if not (host is None or isinstance(host, str | bytes)):
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    if not (port is None or isinstance(port, str | bytes | int)):
        raise OSError("Int or String expected")
    if isinstance(port, int) and not -(2**63) <= port < 2**63:
        port = str(int(port))  # to the resolver every number is a text: it says what it thinks of this one
    numbers = tuple(check.integer(each) for each in (family, type, proto, flags))

    def read(came: list[tuple[int, int, int, str, Any]]) -> list[Entry]:
        return [(family_of(f), kind_of(k), p, name, address) for f, k, p, name, address in came]

    return Request("getaddrinfo", (host, port, *numbers), read)


def gethostbyname(actor: Actor, hostname: str, /) -> Request[str]:
    """The IPv4 address of a name."""
    return _named(actor, "gethostbyname", hostname)


def gethostbyname_ex(actor: Actor, hostname: str, /) -> Request[tuple[str, list[str], list[str]]]:
    """The name, its aliases and IPv4 addresses."""
    return _named(actor, "gethostbyname_ex", hostname)


def gethostbyaddr(actor: Actor, ip_address: str, /) -> Request[tuple[str, list[str], list[str]]]:
    """The name of an address, its aliases and addresses."""
    return _named(actor, "gethostbyaddr", ip_address)


def _named(actor: Actor, call: str, name: Any) -> Request[Any]:
    del actor
    if not isinstance(name, str | bytes | bytearray):
        raise TypeError(f"str, bytes or bytearray expected, not {type(name).__name__}")
    return Request(call, (bytes(name) if isinstance(name, bytearray) else name,), same)


def getnameinfo(actor: Actor, sockaddr: tuple[Any, ...], flags: int, /) -> Request[tuple[str, str]]:
    """The names of an address's host and service."""
    del actor
    if not isinstance(sockaddr, tuple):
        raise TypeError("getnameinfo() argument 1 must be a tuple")
    return Request("getnameinfo", (check.plain(sockaddr), check.integer(flags)), same)


def getservbyname(actor: Actor, servicename: str, protocolname: str = "", /) -> Request[int]:
    """The port of a service."""
    del actor
    given = (servicename, protocolname) if protocolname else (servicename,)
    return Request("getservbyname", _texts(given, "getservbyname"), same)


def getservbyport(actor: Actor, port: int, protocolname: str = "", /) -> Request[str]:
    """The service of a port."""
    del actor
    number = check.integer(port)
    if not 0 <= number < _SHORT:
        raise OverflowError("getservbyport: port must be 0-65535.")
    rest = _texts((protocolname,), "getservbyport") if protocolname else ()
    return Request("getservbyport", (number, *rest), same)


def getprotobyname(actor: Actor, protocolname: str, /) -> Request[int]:
    """The number of a protocol."""
    del actor
    return Request("getprotobyname", _texts((protocolname,), "getprotobyname"), same)


def _texts(values: tuple[Any, ...], call: str) -> tuple[str, ...]:
    for place, value in enumerate(values, 1):
        if not isinstance(value, str):
            raise TypeError(f"{call}() argument {place} must be str, not {type(value).__name__}")
    return values


def gethostname(actor: Actor) -> Request[str]:
    """The name of the host."""
    del actor
    return Request("gethostname", (), same)


def getfqdn(actor: Actor, name: str = "") -> Request[str]:
    """A name of the host, or of the name given, with its domain."""
    del actor
    return Request("getfqdn", _texts((name,), "getfqdn"), same)


def inet_aton(actor: Actor, ip_string: str, /) -> Request[bytes]:
    """An IPv4 address as four bytes."""
    del actor
    return Request("inet_aton", _texts((ip_string,), "inet_aton"), same)


def inet_ntoa(actor: Actor, packed_ip: check.Buffer, /) -> Request[str]:
    """Four bytes as an IPv4 address."""
    del actor
    return Request("inet_ntoa", (check.readable(packed_ip),), same)


def inet_pton(actor: Actor, address_family: int, ip_string: str, /) -> Request[bytes]:
    """An address as its bytes."""
    del actor
    family = check.integer(address_family)
    return Request("inet_pton", (family, *_texts((ip_string,), "inet_pton")), same)


def inet_ntop(actor: Actor, address_family: int, packed_ip: check.Buffer, /) -> Request[str]:
    """Bytes as an address."""
    del actor
    return Request("inet_ntop", (check.integer(address_family), check.readable(packed_ip)), same)


def htons(actor: Actor, x: int, /) -> Request[int]:
    """16 bits in the order of the network."""
    return _ordered(actor, "htons", x, _SHORT)


def ntohs(actor: Actor, x: int, /) -> Request[int]:
    """16 bits in the order of the host."""
    return _ordered(actor, "ntohs", x, _SHORT)


def htonl(actor: Actor, x: int, /) -> Request[int]:
    """32 bits in the order of the network."""
    return _ordered(actor, "htonl", x, _LONG)


def ntohl(actor: Actor, x: int, /) -> Request[int]:
    """32 bits in the order of the host."""
    return _ordered(actor, "ntohl", x, _LONG)


def _ordered(actor: Actor, call: str, number: Any, end: int) -> Request[int]:
    del actor
    if not isinstance(number, int):
        raise TypeError(f"'{type(number).__name__}' object cannot be interpreted as an integer")
    if number < 0:
        raise OverflowError(
            f"{call}: can't convert negative Python int to C {end.bit_length() - 1}-bit unsigned integer"
        )
    if number >= end:
        raise OverflowError(
            f"{call}: Python int too large to convert to C {end.bit_length() - 1}-bit unsigned integer"
        )
    return Request(call, (int(number),), same)


def if_nameindex(actor: Actor) -> Request[list[tuple[int, str]]]:
    """The host's interfaces."""
    del actor
    return Request("if_nameindex", (), same)


def if_nametoindex(actor: Actor, oname: str, /) -> Request[int]:
    """The number of an interface."""
    del actor
    if not isinstance(oname, str | bytes):
        raise TypeError(f"expected str, bytes or os.PathLike object, not {type(oname).__name__}")
    return Request("if_nametoindex", (oname,), same)


def if_indextoname(actor: Actor, if_index: int, /) -> Request[str]:
    """The name of an interface."""
    del actor
    return Request("if_indextoname", (_unsigned(if_index),), same)


def _unsigned(value: Any) -> int:
    number = check.size(value)
    if not 0 <= number < _LONG:
        raise OverflowError("Python int too large to convert to C unsigned int")
    return number


def setdefaulttimeout(actor: Actor, timeout: float | None, /) -> Request[None]:
    """How long calls wait on sockets made from now on, accepted ones included: seconds; None: for ever."""
    del actor
    return Request("setdefaulttimeout", (check.seconds(timeout),), same)


def getdefaulttimeout(actor: Actor) -> Request[float | None]:
    """What `setdefaulttimeout` has set."""
    del actor
    return Request("getdefaulttimeout", (), same)


def has_dualstack_ipv6(actor: Actor) -> Request[bool]:
    """Whether one socket over there takes IPv4 and IPv6."""
    del actor
    return Request("has_dualstack_ipv6", (), same)


def cmsg_len(actor: Actor, length: int, /) -> Request[int]:
    """Bytes of an item of ancillary data, without its padding."""
    return _cmsg(actor, "CMSG_LEN", length)


def cmsg_space(actor: Actor, length: int, /) -> Request[int]:
    """Bytes of an item of ancillary data, with its padding."""
    return _cmsg(actor, "CMSG_SPACE", length)


def _cmsg(actor: Actor, call: str, length: Any) -> Request[int]:
    del actor
    number = check.size(length)
    if not 0 <= number < 2**31:
        raise OverflowError(f"{call}() argument out of range")
    return Request(call, (number,), same)


def clock(actor: Actor) -> Request[int]:
    """The host's monotonic clock, nanoseconds."""
    del actor
    return Request("clock", (), same)


def about(actor: Actor) -> Request[dict[str, Any]]:
    """What the actor says of itself: pid, uid, capabilities, counts, limits."""
    del actor
    return Request("about", (), same)


def sockets(actor: Actor) -> Request[list[dict[str, Any]]]:
    """The kernel's table of the host's sockets."""
    del actor
    return Request("sockets", (), same)


def put(actor: Actor, name: str, data: check.Buffer, mode: int = 0o600, /) -> Request[str]:
    """Write a private file on the host; its path."""
    del actor
    return Request("put", (*_texts((name,), "put"), check.readable(data), check.integer(mode)), same)


def popen(
    actor: Actor,
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    stdin: bool = True,  # noqa: FBT001, FBT002 - as the actor has it
    tty: tuple[int, int] | None = None,
    /,
) -> Request[tuple[Handle, int, Handle | None, Handle, Handle | None]]:
    """Start a program; handles of it, and of its streams."""
    del actor
    return Request("popen", (list(argv), None if env is None else dict(env), stdin, tty), same)


def call(actor: Actor, name: str, /, *args: Any, on: Handle | int | None = None) -> Request[Any]:
    """Any call of the actor's, as its table has it: handles come back as they are."""
    del actor
    number = on if on is None or isinstance(on, int) else on.number
    return Request(name, args, same, number)
