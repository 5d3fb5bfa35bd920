"""Faults that nft decides itself: drops, refusals, lost path MTU messages.

Theory of operation
    A fault is one chain with its name: count what its match takes, choose by ordinal, count again, bite. So
    it has one place for state however many addresses it has, and one count of ordinals where it bites both
    what arrives and what is sent. For each of the two a chain of selectors leads there, and one rule of a
    base chain leads to that: `input -> f1-in -> f1`.
"""

from typing import TypeAlias, TypeGuard

from services.agent.rules.addition import Addition, Placed
from services.agent.rules.base_chains import base_chain
from services.agent.rules.selectors import HOOKS, Hook, Row, black_hole_rows, own_answer_rows, rows
from services.agent.rules.verdicts import verdict_of
from services.agent.rules.which import counting, is_countable
from services.netlink import nftables
from socketlab.wire.fault import Drop, Fault, PmtuBlackHole, Reject

Bite: TypeAlias = Drop | Reject | PmtuBlackHole


def is_bite(fault: Fault) -> TypeGuard[Bite]:
    """Whether a fault is of the kinds that nft can have."""
    return isinstance(fault, (Drop, Reject, PmtuBlackHole))


def is_native(fault: Fault, *, exact: bool) -> bool:
    """Whether nft can decide a fault by itself, packet for packet.

    Args:
        fault: the fault.
        exact: as for `is_countable`.
    """
    return is_bite(fault) and is_countable(fault.match, exact=exact)


def bite(lease: str, fault: Bite, number: int = 0, *, can_reject: bool) -> Addition:
    """A fault in force.

    Args:
        lease: its name.
        fault: the fault.
        number: of its mark, where iptables has its verdict.
        can_reject: whether nf_tables can answer a packet here.
    """
    hooks = HOOKS[fault.match.direction]
    return Addition(
        name=lease,
        chains=(lease, *(f"{lease}-{hook}" for hook in hooks)),
        rules=(
            *(Placed(lease, row) for row in _bites(fault, verdict_of(fault, number, can_reject=can_reject))),
            *(Placed(f"{lease}-{hook}", row) for hook in hooks for row in selecting(fault, hook, lease)),
        ),
        leads=tuple(Placed(base_chain(hook, "bite"), (nftables.jump(f"{lease}-{hook}"),)) for hook in hooks),
    )


def _bites(fault: Bite, verdict: Row) -> list[Row]:
    end: Row = (nftables.counter(), *verdict)
    which = fault.match.which
    return [end] if which is None else [(nftables.counter(),), (*counting(which), *end)]


def selecting(fault: Bite, hook: Hook, target: str) -> list[Row]:
    """The rules that lead what a fault's match takes to a chain.

    Args:
        fault: the fault.
        hook: where packets are met.
        target: the chain.
    """
    if isinstance(fault, PmtuBlackHole):
        return [(*row, nftables.goto(target)) for row in black_hole_rows(fault)]
    family = fault.family if isinstance(fault, Reject) else None
    passed = own_answer_rows(fault, hook) if isinstance(fault, Reject) else []
    return [
        *((*row, nftables.back()) for row in passed),
        *((*row, nftables.goto(target)) for row in rows(fault.match, hook, family)),
    ]
