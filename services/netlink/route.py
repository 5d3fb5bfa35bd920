"""rtnetlink: routes that lead nowhere, made, deleted and listed (rtnetlink(7), linux/rtnetlink.h)."""

import ipaddress
import struct
from dataclasses import dataclass
from typing import TypeAlias

from services.netlink.attributes import attribute, parse, read_number
from services.netlink.errors import malformed
from services.netlink.message import ACK, CREATE, DUMP, EXCL, REQUEST, Request

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

UNREACHABLE = 7
PROHIBIT = 8
THROW = 9

MAIN_TABLE = 254
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_DESTINATION, _PRIORITY, _TABLE = 1, 6, 15
_FAMILIES = {4: 2, 6: 10}
_WIDTHS = {2: 4, 10: 16}
_MESSAGE = struct.Struct("=BBBBBBBBI")


@dataclass(frozen=True, slots=True)
class Entry:
    """A route of the main table that leads nowhere, or of another type.

    Args:
        to: its destination.
        type: `UNREACHABLE`, `PROHIBIT`, `THROW` or what else the kernel has.
        protocol: number of whoever made it.
        priority: its metric; of several routes to one destination the lowest wins.
    """

    to: Network
    type: int
    protocol: int
    priority: int


def _request(name: str, kind: int, flags: int, entry: Entry) -> Request:
    head = _MESSAGE.pack(
        _FAMILIES[entry.to.version], entry.to.prefixlen, 0, 0, MAIN_TABLE, entry.protocol, 0, entry.type, 0
    )
    attributes = attribute(_DESTINATION, entry.to.network_address.packed)
    if entry.priority:
        attributes += attribute(_PRIORITY, struct.pack("=I", entry.priority))
    return Request(name, kind, REQUEST | ACK | flags, head + attributes)


def new_route(entry: Entry) -> Request:
    """Make a route; EEXIST where one of the same destination and priority is there already."""
    return _request("RTM_NEWROUTE", _NEWROUTE, CREATE | EXCL, entry)


def delete_route(entry: Entry) -> Request:
    """Delete that route; ESRCH where there is none of its destination, priority and protocol.

    IPv4 compares the type too, IPv6 does not.
    """
    return _request("RTM_DELROUTE", _DELROUTE, 0, entry)


def dump_routes() -> Request:
    """Ask for all routes, IPv4 and IPv6."""
    return Request("RTM_GETROUTE", _GETROUTE, REQUEST | DUMP, _MESSAGE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0))


def entry_of(payload: bytes) -> Entry | None:
    """Read a route from a message about it; None: not an IPv4 or IPv6 route of the main table.

    Raises:
        MalformedError: the bytes are no such message.
    """
    if len(payload) < _MESSAGE.size:
        raise malformed("route", f"{len(payload)} bytes")
    family, bits, _, _, table, protocol, _, kind, _ = _MESSAGE.unpack_from(payload)
    fields = dict(parse(payload[_MESSAGE.size :]))
    if _TABLE in fields:
        table = read_number(fields[_TABLE], "=")
    width = _WIDTHS.get(family)
    if width is None or table != MAIN_TABLE:
        return None
    address = fields.get(_DESTINATION, bytes(width))
    if len(address) != width or bits > width * 8:
        raise malformed("route", f"{len(address)} bytes / {bits}")
    to = ipaddress.ip_network((address, bits), strict=False)
    priority = read_number(fields[_PRIORITY], "=") if _PRIORITY in fields else 0
    return Entry(to, kind, protocol, priority)
