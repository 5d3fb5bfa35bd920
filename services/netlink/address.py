"""rtnetlink: addresses of a link and routes by a gateway, made, listed and put back (rtnetlink(7)).

Theory of operation
    A link that is set down loses its IPv6 addresses and all its routes. `Kept` is such an entry as a dump
    gave it: the kernel takes nearly the same bytes back, so whatever metrics and preferences it had, it has
    again.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import TypeAlias

from services.netlink.attributes import attribute, padding, parse, read_number
from services.netlink.errors import malformed
from services.netlink.message import ACK, CREATE, DUMP, EXCL, REQUEST, Reply, Request

Interface: TypeAlias = IPv4Interface | IPv6Interface
Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

_NEWADDR, _GETADDR, _NEWROUTE, _GETROUTE = 20, 22, 24, 26
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_CACHE, _IFA_FLAGS = 1, 2, 4, 6, 8
_NO_DAD = 0x02
_BY_HAND = 0x02 | 0x10 | 0x100 | 0x200
"""Flags of an address that its maker chose: no look for a duplicate, home address, the kernel's handling of
temporary ones and of the route of its prefix (linux/if_addr.h). The others the kernel finds itself."""
_RTA_DESTINATION, _RTA_LINK, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_CACHE, _RTA_TABLE = 1, 4, 5, 9, 12, 15
_HOP = struct.Struct("=HBBi")
_MAIN_TABLE, _LOCAL_TABLE, _BY_KERNEL, _STATIC, _UNICAST = 254, 255, 2, 4, 1
_FAMILIES = {4: 2, 6: 10}
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")


@dataclass(frozen=True, slots=True)
class Kept:
    """An address or a route as the kernel told of it, to be made again.

    Args:
        request: what makes it.
        by_gateway: whether it is a route that needs another one first.
    """

    request: Request
    by_gateway: bool = False


def new_address(index: int, address: Interface) -> Request:
    """Give a link an address that can be used at once: no duplicate is looked for.

    Args:
        index: of the link.
        address: with the length of its network's prefix.
    """
    payload = _ADDRESS.pack(_FAMILIES[address.version], address.network.prefixlen, _NO_DAD, 0, index)
    payload += attribute(_IFA_LOCAL, address.packed) + attribute(_IFA_ADDRESS, address.packed)
    if isinstance(address, IPv4Interface) and address.network.prefixlen < 31:  # noqa: PLR2004 - RFC 3021
        payload += attribute(_IFA_BROADCAST, address.network.broadcast_address.packed)
    return Request("RTM_NEWADDR", _NEWADDR, REQUEST | ACK | CREATE | EXCL, payload)


def new_way(to: Network, via: Address) -> Request:
    """Make a route to a network by a gateway."""
    payload = _ROUTE.pack(_FAMILIES[to.version], to.prefixlen, 0, 0, _MAIN_TABLE, _STATIC, 0, _UNICAST, 0)
    payload += attribute(_RTA_DESTINATION, to.network_address.packed)
    payload += attribute(_RTA_GATEWAY, via.packed)
    return Request("RTM_NEWROUTE", _NEWROUTE, REQUEST | ACK | CREATE | EXCL, payload)


def dump_addresses() -> Request:
    """Ask for all addresses."""
    return Request("RTM_GETADDR", _GETADDR, REQUEST | DUMP, _ADDRESS.pack(0, 0, 0, 0, 0))


def dump_routes() -> Request:
    """Ask for all routes."""
    return Request("RTM_GETROUTE", _GETROUTE, REQUEST | DUMP, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0))


def _without(data: bytes, *kinds: int) -> bytes:
    return b"".join(attribute(kind, value) for kind, value in parse(data) if kind not in kinds)


def kept_address(reply: Reply, index: int) -> Kept | None:
    """The address in an answer to `dump_addresses`; None: another link's.

    Raises:
        MalformedError: the bytes are no such message.
    """
    if len(reply.payload) < _ADDRESS.size:
        raise malformed("address", f"{len(reply.payload)} bytes")
    family, bits, flags, scope, link = _ADDRESS.unpack_from(reply.payload)
    if link != index:
        return None
    rest = reply.payload[_ADDRESS.size :]
    fields = dict(parse(rest))
    flags = read_number(fields[_IFA_FLAGS], "=") if _IFA_FLAGS in fields else flags
    payload = _ADDRESS.pack(family, bits, flags & _BY_HAND & 0xFF, scope, link) + _without(rest, _IFA_FLAGS)
    payload += attribute(_IFA_FLAGS, struct.pack("=I", flags & _BY_HAND))
    return Kept(Request("RTM_NEWADDR", _NEWADDR, REQUEST | ACK | CREATE | EXCL, payload))


def kept_route(reply: Reply, index: int, without: frozenset[int] = frozenset()) -> Kept | None:
    """The route in an answer to `dump_routes`; None: of another link, or one that the kernel makes.

    Args:
        reply: the answer.
        index: of the link.
        without: makers whose routes are none of the caller's business.

    Raises:
        MalformedError: the bytes are no such message.
    """
    if len(reply.payload) < _ROUTE.size:
        raise malformed("route", f"{len(reply.payload)} bytes")
    family, to, of, tos, table, by, scope, kind, _flags = _ROUTE.unpack_from(reply.payload)
    rest = reply.payload[_ROUTE.size :]
    fields = dict(parse(rest))
    links = {read_number(fields.get(_RTA_LINK, bytes(4)), "="), *_hops(fields.get(_RTA_MULTIPATH, b""))}
    if index not in links or by == _BY_KERNEL or table == _LOCAL_TABLE or by in without:
        return None
    payload = _ROUTE.pack(family, to, of, tos, table, by, scope, kind, 0) + _without(rest, _RTA_CACHE)
    request = Request("RTM_NEWROUTE", _NEWROUTE, REQUEST | ACK | CREATE | EXCL, payload)
    return Kept(request, bool(fields.keys() & {_RTA_GATEWAY, _RTA_MULTIPATH}))


def _hops(several: bytes) -> list[int]:
    """Indexes of the links of a route that has several ways (struct rtnexthop)."""
    found: list[int] = []
    while len(several) >= _HOP.size:
        length, _flags, _hops, link = _HOP.unpack_from(several)
        found.append(link)
        several = several[max(_HOP.size, length + padding(length)) :]
    return found
