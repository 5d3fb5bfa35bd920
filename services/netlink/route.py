"""rtnetlink: routes, made, deleted, listed and asked for (rtnetlink(7), linux/rtnetlink.h)."""

import ipaddress
import struct
from dataclasses import dataclass
from typing import TypeAlias

from services.netlink.attributes import attribute, nested, parse, read_number
from services.netlink.errors import malformed
from services.netlink.message import ACK, CREATE, DUMP, EXCL, REQUEST, Request

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

UNICAST = 1
BLACKHOLE = 6
UNREACHABLE = 7
PROHIBIT = 8
THROW = 9

MAIN_TABLE = 254
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_DESTINATION, _LINK, _GATEWAY, _PRIORITY, _METRICS, _MULTIPATH = 1, 4, 5, 6, 8, 9
_CACHE, _TABLE, _VIA, _NEXTHOP = 12, 15, 18, 30
_LOCK, _MTU = 1, 2
"""Metrics of a route (RTAX_LOCK, RTAX_MTU)."""
_ANY_SCOPE = 255
_FIB_MATCH = 0x2000
"""Tell of the route itself, not of what it makes of one destination (linux/rtnetlink.h)."""
_FAMILIES = {4: 2, 6: 10}
_WIDTHS = {2: 4, 10: 16}
_MESSAGE = struct.Struct("=BBBBBBBBI")


@dataclass(frozen=True, slots=True)
class Entry:
    """A route, as far as it is told apart from others.

    Args:
        to: its destination.
        type: `UNREACHABLE`, `PROHIBIT`, `THROW`, `UNICAST` or what else the kernel has.
        protocol: number of whoever made it.
        priority: its metric; of several routes to one destination the lowest wins.
        table: which routing table it is in.
    """

    to: Network
    type: int
    protocol: int
    priority: int
    table: int = MAIN_TABLE


@dataclass(frozen=True, slots=True)
class Way:
    """How the kernel would send to an address.

    Args:
        type: of the route; `UNICAST` leads somewhere.
        table: the routing table that it stands in.
        scope: how far away its destination is (rtnetlink(7)).
        link: index of the link; 0: several, or none.
        is_direct: whether the destination itself is on the link: there is no gateway between.
        attributes: where the route leads, as the kernel takes it for another route.
        metrics: its metrics, number and value, without its MTU.
    """

    type: int
    table: int
    scope: int
    link: int
    is_direct: bool
    attributes: bytes
    metrics: tuple[tuple[int, bytes], ...]


def _identity(entry: Entry) -> bytes:
    found = attribute(_DESTINATION, entry.to.network_address.packed)
    if entry.priority:
        found += attribute(_PRIORITY, struct.pack("=I", entry.priority))
    return found + attribute(_TABLE, struct.pack("=I", entry.table))


def _head(entry: Entry, scope: int) -> bytes:
    table = entry.table if entry.table <= 255 else 0  # noqa: PLR2004 - a byte; the attribute has it all
    family, bits = _FAMILIES[entry.to.version], entry.to.prefixlen
    return _MESSAGE.pack(family, bits, 0, 0, table, entry.protocol, scope, entry.type, 0)


def new_route(entry: Entry) -> Request:
    """Make a route that leads nowhere; EEXIST where one of the same destination and priority is there."""
    return Request(
        "RTM_NEWROUTE", _NEWROUTE, REQUEST | ACK | CREATE | EXCL, _head(entry, 0) + _identity(entry)
    )


def new_narrow_route(entry: Entry, way: Way, mtu: int) -> Request:
    """Make a route that leads where another does, with an MTU that path MTU discovery does not change.

    Args:
        entry: destination, maker and priority of the new one.
        way: the other.
        mtu: bytes of the largest packet.
    """
    locked = 1 << _MTU
    others = []
    for number, value in way.metrics:
        if number == _LOCK:
            locked |= read_number(value, "=")
        else:
            others.append(attribute(number, value))
    metrics = nested(
        _METRICS,
        attribute(_LOCK, struct.pack("=I", locked)),
        attribute(_MTU, struct.pack("=I", mtu)),
        *others,
    )
    payload = _head(entry, way.scope) + _identity(entry) + way.attributes + metrics
    return Request("RTM_NEWROUTE mtu", _NEWROUTE, REQUEST | ACK | CREATE | EXCL, payload)


def delete_route(entry: Entry) -> Request:
    """Delete that route; ESRCH where there is none of its destination, priority and protocol.

    IPv4 compares the type too, IPv6 does not.
    """
    return Request("RTM_DELROUTE", _DELROUTE, REQUEST | ACK, _head(entry, _ANY_SCOPE) + _identity(entry))


def dump_routes() -> Request:
    """Ask for all routes, IPv4 and IPv6."""
    return Request("RTM_GETROUTE", _GETROUTE, REQUEST | DUMP, _MESSAGE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0))


def find_route(to: Address) -> Request:
    """Ask which route the kernel takes to an address; ENETUNREACH or EHOSTUNREACH where there is none."""
    head = _MESSAGE.pack(_FAMILIES[to.version], to.max_prefixlen, 0, 0, 0, 0, 0, 0, _FIB_MATCH)
    return Request("RTM_GETROUTE", _GETROUTE, REQUEST, head + attribute(_DESTINATION, to.packed))


def _fields(payload: bytes) -> dict[int, bytes]:
    if len(payload) < _MESSAGE.size:
        raise malformed("route", f"{len(payload)} bytes")
    return dict(parse(payload[_MESSAGE.size :]))


def entry_of(payload: bytes) -> Entry | None:
    """Read a route from a message about it; None: not an IPv4 or IPv6 route.

    Raises:
        MalformedError: the bytes are no such message.
    """
    fields = _fields(payload)
    family, bits, _, _, table, protocol, _, kind, _ = _MESSAGE.unpack_from(payload)
    if _TABLE in fields:
        table = read_number(fields[_TABLE], "=")
    width = _WIDTHS.get(family)
    if width is None:
        return None
    address = fields.get(_DESTINATION, bytes(width))
    if len(address) != width or bits > width * 8:
        raise malformed("route", f"{len(address)} bytes / {bits}")
    to = ipaddress.ip_network((address, bits), strict=False)
    priority = read_number(fields[_PRIORITY], "=") if _PRIORITY in fields else 0
    return Entry(to, kind, protocol, priority, table)


def way_of(payload: bytes) -> Way:
    """Read the answer to `find_route`.

    Raises:
        MalformedError: the bytes are no such message.
    """
    fields = _fields(payload)
    _, _, _, _, table, _, scope, kind, _ = _MESSAGE.unpack_from(payload)
    own = {_DESTINATION, _PRIORITY, _METRICS, _CACHE, _TABLE}
    if _NEXTHOP in fields:  # it names all of link and gateway, and the kernel takes it only alone
        own |= fields.keys() - {_NEXTHOP}
    metrics = parse(fields.get(_METRICS, b""))
    return Way(
        type=kind,
        table=read_number(fields[_TABLE], "=") if _TABLE in fields else table,
        scope=scope,
        link=read_number(fields.get(_LINK, bytes(4)), "="),
        is_direct=not fields.keys() & {_GATEWAY, _VIA, _MULTIPATH},
        attributes=b"".join(attribute(each, data) for each, data in fields.items() if each not in own),
        metrics=tuple((number, value) for number, value in metrics if number != _MTU),
    )
