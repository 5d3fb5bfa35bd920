"""The agent's nft table and its six base chains, which stay from its start to its end.

Theory of operation
    Removing a base chain makes the kernel drop every packet that any queue of the namespace holds, so all are
    made at once, before any fault. A packet walks three for what arrives, or three for what is sent:

        input        output        drops and refusals that nft decides itself
        input-queue  output-queue  what the emulator decides: handed to its queue, to come back behind here
        input-after  output-after  what the emulator has marked to be refused; the sink of probes

    Each begins with what no fault may touch:

        loopback              names (Docker's resolver is 127.0.0.11) and health checks walk over it
        neighbour discovery   IPv6's ARP: without it a peer would be gone from the link, not filtered
        the agent's own       what it sends again has been through the faults already

    Before them, where the kernel has what it takes, stands `arriving`: what shall be refused is not tracked
    as a connection. Else the kernel's answer would share the refused packet's entry, which is not confirmed,
    and such a packet the kernel drops instead of putting it into a queue (nf_ct_drop_unconfirmed). Docker's
    resolver has connections tracked in every container.

    `accept` there ends this chain only; a firewall of the user's own still has its say.

    Where iptables has verdicts for nft (`verdicts`), it has the queue in its chains of `mangle`: the stages
    then stand around those, and not right before the chains that firewalls use.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.agent.rules import marks
from services.agent.rules.selectors import Hook, Row, is_family, is_protocol
from services.agent.rules.verdicts import SILENCED, STEERED, Ways, refuse, silence, steer
from services.netlink import nftables
from services.netlink.message import Request
from services.netlink.nftables import Rule

TABLE = "socketlab"
ARRIVING = "arriving"
"""A base chain before connection tracking."""

Stage: TypeAlias = Literal["bite", "queue", "after"]
_STAGES: tuple[Stage, ...] = ("bite", "queue", "after")
_HOOKS: dict[Hook, tuple[str, int, int]] = {
    "in": ("input", nftables.INPUT, nftables.INPUT_INTERFACE),
    "out": ("output", nftables.OUTPUT, nftables.OUTPUT_INTERFACE),
}


@dataclass(frozen=True, slots=True)
class _Priorities:
    bite: int
    queue: int
    after: int


_BEFORE_FIREWALLS = _Priorities(-10, -9, -8)
"""Before the chains that firewalls use (0): what a fault bites, no other rule has changed."""
_AROUND_MANGLE = _Priorities(-170, -160, -140)
"""Around iptables' table `mangle` (-150); `filter`, whose REJECT takes marks, comes behind (0)."""
_BEFORE_TRACKING = -300
"""The kernel's NF_IP_PRI_RAW; tracking is at -200."""
_LOOPBACK = (1).to_bytes(4, sys.byteorder)
"""The loopback interface's index is 1 in every network namespace (linux/netdevice.h, LOOPBACK_IFINDEX)."""
_DISCOVERY = bytes([133]), bytes([137])
"""ICMPv6 types from router solicitation to redirect (RFC 4861 4)."""
_SPARED = "spared"
"""Comment of the rules for what no fault may touch."""
_OWN = "socketlab"
"""Comment of other rules that stay."""


def base_chain(hook: Hook, stage: Stage) -> str:
    """Name of a base chain."""
    name = _HOOKS[hook][0]
    return name if stage == "bite" else f"{name}-{stage}"


def new_table(*, owned: bool) -> list[Request]:
    """The batch that makes the table, empty."""
    return nftables.batch([nftables.new_owned_table(TABLE) if owned else nftables.new_table(TABLE)])


def close() -> list[Request]:
    """The batch that removes the table, and every fault with it."""
    return nftables.batch([nftables.delete_table(TABLE)])


def found(ways: Ways) -> list[Request]:
    """The batch that makes the chains that stay. Each rule of a base chain comes back with its handle.

    Args:
        ways: what nf_tables has here.
    """
    requests = [
        request
        for chain, row in ((SILENCED, silence(ways.queue)), (STEERED, steer(ways.queue)))
        for request in (nftables.new_chain(TABLE, chain), nftables.new_rule(TABLE, chain, row, _OWN))
    ]
    if ways.untrack:
        requests.append(nftables.new_base_chain(TABLE, ARRIVING, nftables.PREROUTING, _BEFORE_TRACKING))
        requests += [nftables.new_rule(TABLE, ARRIVING, row, _SPARED, echo=True) for row in _spared("in")]
    priorities = _BEFORE_FIREWALLS if ways.queue is not None else _AROUND_MANGLE
    for hook, (_name, number, _interface) in _HOOKS.items():
        for stage in _STAGES:
            chain = base_chain(hook, stage)
            requests.append(nftables.new_base_chain(TABLE, chain, number, getattr(priorities, stage)))
            requests += [
                nftables.new_rule(TABLE, chain, row, _SPARED, echo=True)
                for row in (*_unmark(stage, ways), *_spared(hook), *_marked(stage, ways))
            ]
    return nftables.batch(requests)


def last_spared(rules: Iterable[Rule]) -> dict[str, int]:
    """For each base chain, the handle of its last rule for what is spared."""
    return {rule.chain: rule.handle for rule in rules}


def _spared(hook: Hook) -> list[Row]:
    return [
        (nftables.meta(_HOOKS[hook][2]), nftables.compare(nftables.EQUAL, _LOOPBACK), nftables.accept()),
        (
            *is_family("ipv6"),
            *is_protocol("icmp6"),
            nftables.payload(nftables.TRANSPORT, 0, 1),
            nftables.compare(nftables.AT_LEAST, _DISCOVERY[0]),
            nftables.compare(nftables.AT_MOST, _DISCOVERY[1]),
            nftables.accept(),
        ),
        (*_has_mark(marks.INJECTED), nftables.accept()),
    ]


def _marked(stage: Stage, ways: Ways) -> list[Row]:
    """What waits for iptables' verdict is neither for the emulator nor for a probe's sink."""
    found: list[Row] = []
    if stage == "queue" and ways.queue is None:
        found.append((*_has_mark(marks.SILENCED), nftables.accept()))
    if stage != "bite" and not ways.reject:
        found.append((*_has_mark(marks.REFUSED, of_kind=True), nftables.accept()))
    if stage == "after" and not ways.reject:
        found.append((*_has_mark(marks.EMULATED, of_kind=True), nftables.accept()))
    return found


def _unmark(stage: Stage, ways: Ways) -> list[Row]:
    """What comes back from the queue no longer carries the mark that brought it there."""
    if stage != "after" or ways.queue is not None:
        return []
    return [(*_has_mark(marks.STEERED), *nftables.set_mark(0))]


def _has_mark(mark: int, *, of_kind: bool = False) -> Row:
    load: Row = (nftables.meta(nftables.MARK),)
    if of_kind:
        load += (nftables.mask(marks.KIND.to_bytes(4, sys.byteorder)),)
    return *load, nftables.compare(nftables.EQUAL, mark.to_bytes(4, sys.byteorder))


def has_mark(mark: int) -> Row:
    """Only packets with that mark."""
    return _has_mark(mark)


def try_ways(ways: Ways) -> list[Request]:
    """A batch that leaves nothing behind, and fails where the kernel does not know these ways."""
    rows: list[Row] = []
    if ways.queue is not None:
        rows.append(steer(ways.queue))
    if ways.reject:
        rows += [(*is_protocol("tcp"), refuse("tcp-reset")), (refuse("icmp-port"),)]
    if ways.untrack:
        rows.append((nftables.notrack(),))
    return nftables.batch(
        [
            nftables.new_chain(TABLE, "try"),
            *(nftables.new_rule(TABLE, "try", row, "try") for row in rows),
            nftables.delete_chain(TABLE, "try"),
        ]
    )
