"""Tries of what a lab's network is made of: bridge and veth, IPv6, packet and raw sockets, a qdisc.

Each raises NetlinkError or OSError where the machine cannot, and relies on `raise_loopback`.
"""

import socket
import struct

from services.netlink.attributes import attribute, nested, text
from services.netlink.connection import ROUTE, Connection
from services.netlink.message import ACK, CREATE, EXCL, REQUEST, Request

SECONDS = 1.0
"""For a packet to come over the loopback interface."""
_LOOPBACK = 1
"""Its index, in every network namespace."""
_UP = 1
_NEWLINK, _NEWQDISC = 16, 36
_NAME, _MASTER, _LINKINFO = 3, 10, 18
_KIND, _DATA = 1, 2
_PEER = 1
_LINK = struct.Struct("=BxHiII")
_QDISC = struct.Struct("=BxxxiIII")
_ROOT = 0xFFFFFFFF
_NETEM_LIMIT = 1000
_ETHERNET_ALL = 3
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_MAGIC = b"socketlab doctor"


def _link(index: int, flags: int, *attributes: bytes) -> Request:
    make = 0 if index else CREATE | EXCL
    head = _LINK.pack(0, 0, index, flags, flags)
    return Request("RTM_NEWLINK", _NEWLINK, REQUEST | ACK | make, head + b"".join(attributes))


def _transact(*requests: Request) -> None:
    connection = Connection(ROUTE)
    try:
        for request in requests:
            connection.transact([request])
    finally:
        connection.close()


def raise_loopback() -> None:
    """Set the loopback interface up: its addresses come by themselves."""
    _transact(_link(_LOOPBACK, _UP))


def bridge() -> None:
    """Make a bridge and a veth plugged into it."""
    kind = nested(_LINKINFO, text(_KIND, "bridge"))
    _transact(_link(0, _UP, text(_NAME, "br0"), kind))
    master = attribute(_MASTER, struct.pack("=I", socket.if_nametoindex("br0")))
    peer = attribute(_PEER, _LINK.pack(0, 0, 0, 0, 0) + text(_NAME, "peer"))
    veth = nested(_LINKINFO, text(_KIND, "veth"), nested(_DATA, peer))
    _transact(_link(0, _UP, text(_NAME, "plug"), master, veth))


def ipv6() -> None:
    """Connect over IPv6."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.bind(("::1", 0))
        listener.listen()
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as caller:
            caller.settimeout(SECONDS)
            caller.connect(listener.getsockname())


def capture() -> None:
    """See a datagram of another socket by a packet socket."""
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERNET_ALL)) as seeing,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending,
    ):
        seeing.settimeout(SECONDS)
        seeing.bind(("lo", _ETHERNET_ALL))
        sending.sendto(_MAGIC, ("127.0.0.1", 9))
        while _MAGIC not in seeing.recv(65536):
            pass


def raw() -> None:
    """Send an echo request by a raw socket, and get its reply."""
    message = struct.pack(">BBHHH", _ECHO_REQUEST, 0, 0, 1, 1) + _MAGIC
    summed = sum(struct.unpack(f">{len(message) // 2}H", message))
    summed = (summed & 0xFFFF) + (summed >> 16)
    checked = message[:2] + struct.pack(">H", ~summed & 0xFFFF) + message[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as pinging:
        pinging.settimeout(SECONDS)
        pinging.sendto(checked, ("127.0.0.1", 0))
        while True:
            packet = pinging.recv(65536)
            header = (packet[0] & 0xF) * 4
            if packet[header] == _ECHO_REPLY and packet.endswith(_MAGIC):
                return


def netem(kind: str = "netem") -> None:
    """Set the kernel's own network emulator before the loopback interface.

    Args:
        kind: name of the qdisc.
    """
    head = _QDISC.pack(0, _LOOPBACK, 0, _ROOT, 0)
    options = attribute(_DATA, struct.pack("=6I", 0, _NETEM_LIMIT, 0, 0, 0, 0))
    make = REQUEST | ACK | CREATE | EXCL
    _transact(Request("RTM_NEWQDISC", _NEWQDISC, make, head + text(_KIND, kind) + options))
