"""nf_tables of the family `netdev`: chains on one link (linux/netfilter/nf_tables.h).

They are walked before all others when a packet comes, and after them when it goes. Their rules are built of
the expressions of `nftables`; the packet's family is its Ethernet type here (`PROTOCOL`), and of a datagram's
fragments only the first one has ports.
"""

import struct

from services.netlink.attributes import attribute, nested, number, text
from services.netlink.message import ACK, CREATE, EXCL, REQUEST, Request

INGRESS = 0
EGRESS = 1
PROTOCOL = 1
"""Key of `nftables.meta`: the packet's Ethernet type, two bytes."""
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"

_NETDEV = 5
_SUBSYSTEM = 10 << 8
_NEWCHAIN = 3
_GENERAL = struct.Struct(">BBH")
_ACCEPT = 1
_REGISTER = 1


def of_netdev(request: Request) -> Request:
    """A request of `nftables`, made for its family, as one for this."""
    payload = bytes((_NETDEV,)) + request.payload[1:]
    return Request(request.name, request.type, request.flags, payload)


def new_base_chain(table: str, chain: str, hook: int, link: str, priority: int) -> Request:
    """A chain that the kernel walks for each packet of a link; what no rule takes goes its way.

    Args:
        table: where it is.
        chain: its name.
        hook: `INGRESS`, or `EGRESS` (Linux 5.16; EOPNOTSUPP before).
        link: name of the link; with it the chain goes.
        priority: among the chains of that hook, the lowest first.
    """
    place = nested(4, number(1, hook), attribute(2, struct.pack(">i", priority)), text(3, link))
    payload = _GENERAL.pack(_NETDEV, 0, 0) + text(1, table) + text(3, chain) + place
    payload += number(5, _ACCEPT) + text(7, "filter")
    return Request("NFT_MSG_NEWCHAIN", _SUBSYSTEM | _NEWCHAIN, REQUEST | ACK | CREATE | EXCL, payload)


def forward(link: int) -> tuple[bytes, bytes]:
    """Have the packet leave by another link, an IFB: that brings it back behind this hook.

    ENOENT where the kernel lacks nft_fwd_netdev.
    """
    value = nested(2, attribute(1, struct.pack("=I", link)))
    load = nested(1, text(1, "immediate"), nested(2, number(1, _REGISTER), value))
    return load, nested(1, text(1, "fwd"), nested(2, number(1, _REGISTER)))
