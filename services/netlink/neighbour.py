"""rtnetlink: neighbours, which hardware address an address has (rtnetlink(7), linux/neighbour.h)."""

import ipaddress
import struct
from dataclasses import dataclass
from typing import TypeAlias

from services.netlink.attributes import attribute, parse
from services.netlink.errors import malformed
from services.netlink.message import ACK, CREATE, DUMP, REPLACE, REQUEST, Request

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEWNEIGH, _DELNEIGH, _GETNEIGH = 28, 29, 30
_DESTINATION, _HARDWARE, _CACHE, _PROBES = 1, 2, 3, 4
_PERMANENT = 0x80
_PROXY = 0x08
_FAMILIES = {4: 2, 6: 10}
_WIDTHS = {2: 4, 10: 16}
_MESSAGE = struct.Struct("=BxxxiHBB")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What a link knows of an address.

    Args:
        link: index of the link.
        address: of the neighbour.
        hardware: its hardware address; empty: none is known.
        is_permanent: whether somebody has set it, and the kernel leaves it so.
    """

    link: int
    address: Address
    hardware: bytes
    is_permanent: bool


def _head(link: int, address: Address, state: int) -> bytes:
    return _MESSAGE.pack(_FAMILIES[address.version], link, state, 0, 0) + attribute(
        _DESTINATION, address.packed
    )


def set_neighbour(link: int, address: Address, hardware: bytes) -> Request:
    """Say for good which hardware address a neighbour has."""
    payload = _head(link, address, _PERMANENT) + attribute(_HARDWARE, hardware)
    return Request("RTM_NEWNEIGH", _NEWNEIGH, REQUEST | ACK | CREATE | REPLACE, payload)


def delete_neighbour(link: int, address: Address) -> Request:
    """Forget a neighbour; ENOENT where nothing is known of it."""
    return Request("RTM_DELNEIGH", _DELNEIGH, REQUEST | ACK, _head(link, address, 0))


def put_back(payload: bytes) -> Request:
    """Make an entry again as a dump gave it, in place of what is there."""
    family, link, state, flags, kind = _MESSAGE.unpack_from(payload)
    kept = [
        attribute(number, data)
        for number, data in parse(payload[_MESSAGE.size :])
        if number not in {_CACHE, _PROBES}
    ]
    again = _MESSAGE.pack(family, link, state, flags, kind) + b"".join(kept)
    return Request("RTM_NEWNEIGH", _NEWNEIGH, REQUEST | ACK | CREATE | REPLACE, again)


def dump_neighbours() -> Request:
    """Ask for all neighbours, IPv4 and IPv6."""
    return Request("RTM_GETNEIGH", _GETNEIGH, REQUEST | DUMP, _MESSAGE.pack(0, 0, 0, 0, 0))


def neighbour_of(payload: bytes) -> Neighbour | None:
    """Read a neighbour from a message about it; None: not of IPv4 or IPv6, or one that is only answered for.

    Raises:
        MalformedError: the bytes are no such message.
    """
    if len(payload) < _MESSAGE.size:
        raise malformed("neighbour", f"{len(payload)} bytes")
    family, link, state, flags, _kind = _MESSAGE.unpack_from(payload)
    fields = dict(parse(payload[_MESSAGE.size :]))
    if family not in _WIDTHS or flags & _PROXY:
        return None
    packed = fields.get(_DESTINATION, b"")
    if len(packed) != _WIDTHS[family]:
        raise malformed("neighbour", f"{len(packed)} bytes")
    address = ipaddress.ip_address(packed)
    return Neighbour(link, address, fields.get(_HARDWARE, b""), bool(state & _PERMANENT))
