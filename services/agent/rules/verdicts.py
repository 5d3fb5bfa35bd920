"""What happens to a bitten packet."""

import struct
from typing import Literal, TypeAlias

from services.netlink import nftables
from socketlab.wire.fault import Answer, Drop, Reject

Silence: TypeAlias = Literal["queue", "target"]
"""How this kernel lets packets vanish on their way out: its own expression, or the one of xtables."""

SILENCES: tuple[Silence, ...] = ("queue", "target")

_NOBODY = 0xDEAD
"""A queue that no program reads. A packet put there is dropped, and its sender is not told: a `drop` at the
sender is told to it (EPERM for UDP, other retransmissions for TCP), which no network does."""

_ICMP_CODES: dict[Answer, int] = {
    "icmp-net": 0,
    "icmp-host": 1,
    "icmp-proto": 2,
    "icmp-port": 3,
    "icmp-admin": 13,
    "icmp6-no-route": 0,
    "icmp6-admin": 1,
    "icmp6-addr": 3,
    "icmp6-port": 4,
    "icmp6-policy": 5,
    "icmp6-reject-route": 6,
}
"""Destination unreachable: type 3 of ICMP (RFC 792, RFC 1812 5.2.7.1), type 1 of ICMPv6 (RFC 4443)."""


def silence(way: Silence) -> bytes:
    """Let a packet vanish without telling its sender."""
    if way == "queue":
        return nftables.queue(_NOBODY)
    return nftables.target("NFQUEUE", 3, struct.pack("=HHHH", _NOBODY, 1, 0, 0))


def verdict(fault: Drop | Reject, way: Silence) -> bytes:
    """The expression that deals with a bitten packet.

    Args:
        fault: the fault.
        way: how packets vanish on their way out.
    """
    if isinstance(fault, Reject):
        if fault.answer == "tcp-reset":
            return nftables.reject(nftables.TCP_RESET, 0)
        return nftables.reject(nftables.ICMP, _ICMP_CODES[fault.answer])
    return nftables.drop() if fault.match.direction == "in" else silence(way)
