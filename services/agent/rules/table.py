"""The agent's nft table, and how a fault comes into it and leaves it.

Theory of operation
    One table, owned by the agent's netlink socket, with one base chain for what arrives and one for what is
    sent. Both are made once and stay: removing a base chain makes the kernel drop every packet that any queue
    of the namespace holds. They begin with what no fault may touch:

        loopback              names (Docker's resolver is 127.0.0.11) and health checks walk over it
        neighbour discovery   IPv6's ARP: without it a peer would be gone from the link, not filtered

    `accept` there ends this chain only; a firewall of the user's own still has its say.

    A fault is one chain of its own, named as its lease, with one rule: count, then the verdict. One rule in a
    base chain for each selector jumps to it. So a fault has one counter, and one place for state, however
    many addresses it has. Every rule carries the lease as its comment, which a dump gives back.
"""

import sys
from collections.abc import Iterable

from services.agent.rules.selectors import selectors
from services.agent.rules.verdicts import Silence, silence, verdict
from services.netlink import nftables
from services.netlink.message import Request
from services.netlink.nftables import Rule
from socketlab.wire.fault import Direction, Drop, Reject

TABLE = "socketlab"
BASE_CHAINS: dict[Direction, str] = {"in": "input", "out": "output"}

_PRIORITY = -10
"""Before the chains that firewalls use (0): what a fault bites, no other rule has changed."""
_LOOPBACK = (1).to_bytes(4, sys.byteorder)
"""The loopback interface's index is 1 in every network namespace (linux/netdevice.h, LOOPBACK_IFINDEX)."""
_IPV6, _ICMPV6 = bytes([10]), bytes([58])
_DISCOVERY = bytes([133]), bytes([137])
"""ICMPv6 types from router solicitation to redirect (RFC 4861 4)."""
_SPARED = "spared"
"""Comment of the rules for what no fault may touch."""


def found() -> list[Request]:
    """The batch that makes the table."""
    requests = [nftables.new_owned_table(TABLE)]
    for chain, hook, interface in (
        ("input", nftables.INPUT, nftables.INPUT_INTERFACE),
        ("output", nftables.OUTPUT, nftables.OUTPUT_INTERFACE),
    ):
        loopback = (nftables.meta(interface), nftables.compare(nftables.EQUAL, _LOOPBACK), nftables.accept())
        requests += [
            nftables.new_base_chain(TABLE, chain, hook, _PRIORITY),
            nftables.new_rule(TABLE, chain, loopback, _SPARED),
            nftables.new_rule(TABLE, chain, _neighbour_discovery(), _SPARED),
        ]
    return nftables.batch(requests)


def _neighbour_discovery() -> tuple[bytes, ...]:
    return (
        nftables.meta(nftables.NFPROTO),
        nftables.compare(nftables.EQUAL, _IPV6),
        nftables.meta(nftables.L4PROTO),
        nftables.compare(nftables.EQUAL, _ICMPV6),
        nftables.payload(nftables.TRANSPORT, 0, 1),
        nftables.compare(nftables.AT_LEAST, _DISCOVERY[0]),
        nftables.compare(nftables.AT_MOST, _DISCOVERY[1]),
        nftables.accept(),
    )


def close() -> list[Request]:
    """The batch that removes the table, and every fault with it."""
    return nftables.batch([nftables.delete_table(TABLE)])


def try_silence(way: Silence) -> list[Request]:
    """A batch that leaves nothing behind, and fails where the kernel does not know this way."""
    return nftables.batch(
        [
            nftables.new_chain(TABLE, "try"),
            nftables.new_rule(TABLE, "try", [silence(way)], "try"),
            nftables.delete_chain(TABLE, "try"),
        ]
    )


def apply(lease: str, fault: Drop | Reject, way: Silence) -> list[Request]:
    """The batch that puts a fault in force.

    Args:
        lease: its name, that of its chain and the comment of its rules.
        fault: the fault.
        way: how packets vanish on their way out.
    """
    return nftables.batch(
        [
            nftables.new_chain(TABLE, lease),
            nftables.new_rule(TABLE, lease, [nftables.counter(), verdict(fault, way)], lease),
            *(
                nftables.new_rule(
                    TABLE,
                    BASE_CHAINS[fault.match.direction],
                    [*selector.expressions(), nftables.jump(lease)],
                    lease,
                )
                for selector in selectors(fault)
            ),
        ]
    )


def selectors_of(fault: Drop | Reject) -> Request:
    """The dump that shows a fault's selectors, among those of others."""
    return nftables.dump_rules(TABLE, BASE_CHAINS[fault.match.direction])


def bite_of(lease: str) -> Request:
    """The dump that shows a fault's one rule with a counter."""
    return nftables.dump_rules(TABLE, lease)


def is_complete(asked: Iterable[Request], there: Iterable[Rule]) -> bool:
    """Whether the kernel has every rule of a batch, and no other of that lease.

    Args:
        asked: the batch that was sent.
        there: the lease's rules as the kernel has them.
    """
    wanted = [nftables.rule_of(request.payload) for request in asked if request.name == "NFT_MSG_NEWRULE"]
    return sorted(map(_essence, wanted)) == sorted(map(_essence, there))


def _essence(rule: Rule) -> tuple[str, str, tuple[str, ...]]:
    return rule.chain, rule.comment, rule.expressions


def remove(lease: str, rules: Iterable[Rule]) -> list[Request]:
    """The batch that takes a fault out.

    Args:
        lease: its name.
        rules: its rules in the base chains, with the handles that the kernel gave them.
    """
    return nftables.batch(
        [
            *(nftables.delete_rule(TABLE, rule.chain, rule.handle) for rule in rules),
            nftables.delete_chain(TABLE, lease),
        ]
    )
