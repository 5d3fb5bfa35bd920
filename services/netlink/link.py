"""rtnetlink: bridges, veth pairs and IFBs, made, changed and deleted (rtnetlink(7), linux/if_link.h)."""

import struct
from dataclasses import dataclass

from services.netlink.attributes import attribute, nested, parse, read_number, read_text, text
from services.netlink.errors import malformed
from services.netlink.message import ACK, CREATE, DUMP, EXCL, REQUEST, Request

LOOPBACK = 1
"""The index of `lo`, in every network namespace."""

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_ADDRESS, _NAME, _MTU, _MASTER, _INFO, _NET_NS_PID, _FAMILIES, _GROUP = 1, 3, 4, 10, 18, 19, 26, 27
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_DATA = 1, 2, 5
_PORT_STATE, _FORWARDING = 1, 3
_VETH_PEER = 1
_INET6, _INET6_GENERATION, _NO_ADDRESS = 10, 8, 1
_BRIDGE_FORWARD_DELAY, _BRIDGE_STP, _BRIDGE_SNOOPING = 1, 5, 23
_UP = 1
_MESSAGE = struct.Struct("=BxHiII")


@dataclass(frozen=True, slots=True)
class Link:
    """A link of this network namespace.

    Args:
        index: its number.
        name: as `ip link` shows it.
        is_up: whether somebody has set it up.
        forwards: whether a bridge takes frames from it, which it does once the link has a carrier.
        mtu: bytes of its largest packet.
        kind: `veth`, `ifb` and others; empty: a device that the kernel did not make on command.
    """

    index: int
    name: str
    is_up: bool
    forwards: bool
    mtu: int = 0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a veth pair that is to be made.

    Args:
        name: of the link.
        pid: a process whose network namespace it comes into.
        mac: its six bytes.
    """

    name: str
    pid: int
    mac: bytes


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def _up(index: int) -> bytes:
    return _MESSAGE.pack(0, 0, index, _UP, _UP)


def new_bridge(name: str, index: int, group: int) -> Request:
    """Make a bridge, up, that forwards at once and to every port: without STP, delay or snooping.

    Args:
        name: of the link.
        index: its number, which the caller chooses.
        group: its number for `delete_group`.
    """
    data = (
        _number(_BRIDGE_FORWARD_DELAY, 0)
        + _number(_BRIDGE_STP, 0)
        + attribute(_BRIDGE_SNOOPING, struct.pack("=B", 0))
    )
    info = nested(_INFO, text(_INFO_KIND, "bridge"), nested(_INFO_DATA, data))
    payload = _up(index) + text(_NAME, name) + _number(_GROUP, group) + info
    return Request("RTM_NEWLINK bridge", _NEWLINK, REQUEST | ACK | CREATE | EXCL, payload)


def new_veth(name: str, index: int, group: int, master: int, peer: Peer) -> Request:
    """Make a veth pair: one end here, up, on a bridge, the other in another network namespace.

    The other end is down: the kernel opens no end of a pair before it has both.

    Args:
        name: of the end that stays here.
        index: its number, which the caller chooses; not the one that the other end will have, for then the
            kernel takes its time (a second) to note that the link has a carrier (net/core/link_watch.c).
        group: its number for `delete_group`.
        master: index of the bridge.
        peer: the other end.
    """
    other = _MESSAGE.pack(0, 0, 0, 0, 0) + text(_NAME, peer.name) + attribute(_ADDRESS, peer.mac)
    other += _number(_NET_NS_PID, peer.pid)
    info = nested(_INFO, text(_INFO_KIND, "veth"), nested(_INFO_DATA, nested(_VETH_PEER, other)))
    payload = _up(index) + text(_NAME, name) + _number(_GROUP, group) + _number(_MASTER, master) + info
    return Request("RTM_NEWLINK veth", _NEWLINK, REQUEST | ACK | CREATE | EXCL, payload)


def set_link(index: int, *, up: bool) -> Request:
    """Set a link up or down."""
    payload = _MESSAGE.pack(0, 0, index, _UP if up else 0, _UP)
    return Request("RTM_NEWLINK", _NEWLINK, REQUEST | ACK, payload)


def set_mtu(index: int, mtu: int) -> Request:
    """Set how large a packet of a link may be, in bytes."""
    payload = _MESSAGE.pack(0, 0, index, 0, 0) + _number(_MTU, mtu)
    return Request("RTM_NEWLINK mtu", _NEWLINK, REQUEST | ACK, payload)


def new_ifb(name: str, group: int) -> Request:
    """Make a link that hands what is sent by it back to where it came from, down.

    EOPNOTSUPP where the kernel has no such links (ifb).

    Args:
        name: of the link.
        group: its number for `delete_group`.
    """
    payload = _MESSAGE.pack(0, 0, 0, 0, 0) + text(_NAME, name) + _number(_GROUP, group)
    payload += nested(_INFO, text(_INFO_KIND, "ifb"))
    return Request("RTM_NEWLINK ifb", _NEWLINK, REQUEST | ACK | CREATE | EXCL, payload)


def without_address(index: int) -> Request:
    """Have a link get no IPv6 address of its own; EAFNOSUPPORT where it has no IPv6."""
    mode = nested(_INET6, attribute(_INET6_GENERATION, struct.pack("=B", _NO_ADDRESS)))
    payload = _MESSAGE.pack(0, 0, index, 0, 0) + nested(_FAMILIES, mode)
    return Request("RTM_NEWLINK inet6", _NEWLINK, REQUEST | ACK, payload)


def delete_link(name: str) -> Request:
    """Delete a link, and with a veth its peer."""
    return Request("RTM_DELLINK", _DELLINK, REQUEST | ACK, _MESSAGE.pack(0, 0, 0, 0, 0) + text(_NAME, name))


def delete_group(group: int) -> Request:
    """Delete all links of a group at once: the kernel waits for its readers once. ENODEV: it has none."""
    payload = _MESSAGE.pack(0, 0, 0, 0, 0) + _number(_GROUP, group)
    return Request("RTM_DELLINK group", _DELLINK, REQUEST | ACK, payload)


def dump_links() -> Request:
    """Ask for all links."""
    return Request("RTM_GETLINK", _GETLINK, REQUEST | DUMP, _MESSAGE.pack(0, 0, 0, 0, 0))


def link_of(payload: bytes) -> Link:
    """Read a link from a message about it.

    Raises:
        MalformedError: the bytes are no such message.
    """
    if len(payload) < _MESSAGE.size:
        raise malformed("link", f"{len(payload)} bytes")
    _family, _kind, index, flags, _change = _MESSAGE.unpack_from(payload)
    fields = dict(parse(payload[_MESSAGE.size :]))
    info = dict(parse(fields.get(_INFO, b"")))
    slave = dict(parse(info.get(_INFO_SLAVE_DATA, b"")))
    forwards = read_number(slave.get(_PORT_STATE, b"\0")) == _FORWARDING
    return Link(
        index=index,
        name=read_text(fields.get(_NAME, b"")),
        is_up=bool(flags & _UP),
        forwards=forwards,
        mtu=read_number(fields.get(_MTU, bytes(4)), "="),
        kind=read_text(info.get(_INFO_KIND, b"")),
    )
