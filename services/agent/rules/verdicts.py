"""What happens to a packet that a rule has chosen.

Theory of operation
    Where nf_tables lacks a verdict, its rule only marks the packet, and one rule of iptables, which comes
    later on the packet's way, has the verdict for that mark. So selectors, ordinals and counters are nft's
    in any case.
"""

import struct
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.agent.rules import marks
from services.netlink import nftables
from socketlab.wire.fault import Answer, Drop, PmtuBlackHole, Reject

QueueWay: TypeAlias = Literal["queue", "target"]
"""How this kernel hands packets to a queue: its own expression, or the one of xtables."""

QUEUE_WAYS: tuple[QueueWay, ...] = ("queue", "target")

SILENCED, STEERED = "silenced", "steered"
"""Chains that let a packet vanish, and hand it to the emulator. They stay as the base chains do: a target of
xtables that is new waits for whatever was deleted before, some 15 ms."""
QUEUE = 21331
"""The emulator's queue: a number that nobody else takes (they begin at 0)."""
NOBODY = 0xDEAD
"""A queue that no program reads. A packet put there is dropped, and its sender is not told: a `drop` at the
sender is told to it (EPERM for UDP, other retransmissions for TCP), which no network does."""

ICMP_CODES: dict[Answer, int] = {
    "icmp-net": 0,
    "icmp-host": 1,
    "icmp-proto": 2,
    "icmp-port": 3,
    "icmp-net-prohibited": 9,
    "icmp-host-prohibited": 10,
    "icmp-admin": 13,
    "icmp6-no-route": 0,
    "icmp6-admin": 1,
    "icmp6-addr": 3,
    "icmp6-port": 4,
    "icmp6-policy": 5,
    "icmp6-reject-route": 6,
}
"""Destination unreachable: type 3 of ICMP (RFC 792, RFC 1812 5.2.7.1), type 1 of ICMPv6 (RFC 4443)."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What nf_tables has here.

    Args:
        queue: how it hands packets to a queue; None: not at all.
        reject: whether it can answer a packet.
        untrack: whether it can keep connection tracking off a packet.
    """

    queue: QueueWay | None
    reject: bool
    untrack: bool = False


def silence(way: QueueWay | None) -> tuple[bytes, ...]:
    """Let a packet vanish without telling its sender."""
    if way is None:
        return *nftables.set_mark(marks.SILENCED), nftables.accept()
    return (_to_queue(way, NOBODY, bypass=False),)


def steer(way: QueueWay | None) -> tuple[bytes, ...]:
    """Hand a packet to the emulator; where it is gone, the packet goes on."""
    if way is None:
        return *nftables.set_mark(marks.STEERED), nftables.accept()
    return (_to_queue(way, QUEUE, bypass=True),)


def _to_queue(way: QueueWay, queue: int, *, bypass: bool) -> bytes:
    if way == "queue":
        return nftables.queue(queue, bypass=bypass)
    return nftables.target("NFQUEUE", 3, struct.pack("=HHHH", queue, 1, 1 if bypass else 0, 0))


def refuse(answer: Answer) -> bytes:
    """Drop a packet and answer it."""
    if answer == "tcp-reset":
        return nftables.reject(nftables.TCP_RESET, 0)
    return nftables.reject(nftables.ICMP, ICMP_CODES[answer])


def verdict_of(
    fault: Drop | Reject | PmtuBlackHole, number: int = 0, *, can_reject: bool
) -> tuple[bytes, ...]:
    """The expressions that deal with a bitten packet.

    Args:
        fault: the fault.
        can_reject: whether nf_tables can answer a packet here.
        number: of the fault's mark, where iptables has its verdict.
    """
    if isinstance(fault, Reject):
        if can_reject:
            return (refuse(fault.answer),)
        return *nftables.set_mark(marks.REFUSED + number), nftables.accept()
    return (nftables.drop(),) if fault.match.direction == "in" else (nftables.goto(SILENCED),)
