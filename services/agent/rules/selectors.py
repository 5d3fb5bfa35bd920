"""Selectors: which packets a fault bites, as rows of conditions that are all to hold.

A rule of nft is an AND, and a fault may ask for several addresses and for a port on either side. So a match
becomes one selector for each address and side, and a packet is bitten when any of them takes it.
"""

import ipaddress
import itertools
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.netlink import nftables
from socketlab.wire.fault import Drop, Family, Protocol, Reject

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Side: TypeAlias = Literal["source", "destination"]

_NFPROTO: dict[Family, int] = {"ipv4": 2, "ipv6": 10}
_L4PROTO: dict[Protocol, int] = {"tcp": 6, "udp": 17}
_ADDRESS_AT: dict[tuple[int, Side], int] = {
    (4, "source"): 12,
    (4, "destination"): 16,
    (6, "source"): 8,
    (6, "destination"): 24,
}
"""Offsets in the network header (RFC 791 3.1, RFC 8200 3)."""
_PORT_AT: dict[Side, int] = {"source": 0, "destination": 2}
"""Offsets in the transport header, TCP and UDP alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """One row of conditions; None is no condition.

    Args:
        family: of the packet.
        proto: of the packet.
        peer: the other side's address.
        peer_side: where in the packet the other side stands: what arrives has it as its source.
        port: the service's port.
        port_side: where in the packet it is looked for.
    """

    family: Family | None
    proto: Protocol | None
    peer: Address | None
    peer_side: Side
    port: int | None
    port_side: Side

    def expressions(self) -> list[bytes]:
        """The conditions as nft has them, cheapest first."""
        row: list[bytes] = []
        if self.family is not None:
            row += _is(nftables.meta(nftables.NFPROTO), bytes([_NFPROTO[self.family]]))
        if self.proto is not None:
            row += _is(nftables.meta(nftables.L4PROTO), bytes([_L4PROTO[self.proto]]))
        if self.peer is not None:
            at, wire = _ADDRESS_AT[self.peer.version, self.peer_side], self.peer.packed
            row += _is(nftables.payload(nftables.NETWORK, at, len(wire)), wire)
        if self.port is not None:
            at = _PORT_AT[self.port_side]
            row += _is(nftables.payload(nftables.TRANSPORT, at, 2), self.port.to_bytes(2, "big"))
        return row


def _is(load: bytes, value: bytes) -> tuple[bytes, bytes]:
    return load, nftables.compare(nftables.EQUAL, value)


def selectors(fault: Drop | Reject) -> list[Selector]:
    """The selectors of a fault."""
    match = fault.match
    answered = fault.family if isinstance(fault, Reject) else None
    peer_side: Side = "source" if match.direction == "in" else "destination"
    sides: tuple[Side, ...] = ("destination",) if match.port is None else ("destination", "source")
    return [
        Selector(
            family=family, proto=match.proto, peer=peer, peer_side=peer_side, port=match.port, port_side=side
        )
        for (family, peer), side in itertools.product(_peers(match.addresses, answered), sides)
    ]


def _peers(addresses: tuple[str, ...], answered: Family | None) -> list[tuple[Family | None, Address | None]]:
    """Each address once, with its family; of a refusal that exists on one family only those of that one."""
    if not addresses:
        return [(answered, None)]
    peers: dict[Address, Family] = {}
    for text in addresses:
        address = ipaddress.ip_address(text)
        peers[address] = "ipv4" if isinstance(address, ipaddress.IPv4Address) else "ipv6"
    return [(family, address) for address, family in peers.items() if answered in {None, family}]
