"""What goes to the emulator's queue, and what becomes of packets that it has marked to be refused.

Theory of operation
    The kernel hands a packet to the queue once, whichever fault's rule comes first, and the emulator decides
    for all of them; so these rules only narrow. They take whatever the emulator might bite, and more where
    nft cannot look.
"""

import dataclasses

from services.agent.rules.addition import Addition, Placed
from services.agent.rules.base_chains import ARRIVING, base_chain, has_mark
from services.agent.rules.selectors import HOOKS, answer_rows, own_answer_rows, rows
from services.agent.rules.verdicts import STEERED, refuse
from services.netlink import nftables
from socketlab.wire.fault import Reject
from socketlab.wire.match import Match


def steering(lease: str, match: Match) -> Addition:
    """What a match takes goes to the queue."""
    own, hooks = f"{lease}-queue", HOOKS[match.direction]
    return Addition(
        name=lease,
        chains=(own, *(f"{own}-{hook}" for hook in hooks)),
        rules=(
            Placed(own, (nftables.counter(), nftables.goto(STEERED))),
            *(
                Placed(f"{own}-{hook}", (*row, nftables.goto(own)))
                for hook in hooks
                for row in rows(match, hook)
            ),
        ),
        leads=tuple(Placed(base_chain(hook, "queue"), (nftables.jump(f"{own}-{hook}"),)) for hook in hooks),
    )


def answers(lease: str, reject: Reject, *, untrack: bool = False) -> Addition:
    """The ICMP answers of a refusal go to the queue on their way out.

    Args:
        lease: its name.
        reject: it.
        untrack: keep connection tracking off what it may refuse (`base_chains`).
    """
    own, untracked = f"{lease}-answers", f"{lease}-untracked"
    refused = dataclasses.replace(reject.match, family=reject.match.family or reject.family)
    return Addition(
        name=lease,
        chains=(own, untracked) if untrack else (own,),
        rules=(
            *(Placed(own, (*row, nftables.counter(), nftables.goto(STEERED))) for row in answer_rows(reject)),
            *(Placed(untracked, (*row, nftables.notrack())) for row in rows(refused, "in") if untrack),
        ),
        leads=(
            Placed(base_chain("out", "queue"), (nftables.jump(own),)),
            *([Placed(ARRIVING, (nftables.jump(untracked),))] if untrack else []),
        ),
    )


def refusing(lease: str, reject: Reject, mark: int) -> Addition:
    """What carries a mark behind the queue is refused."""
    leads: list[Placed] = []
    for hook in HOOKS[reject.match.direction]:
        chain, own = base_chain(hook, "after"), f"{lease}-after-{hook}"
        leads.append(Placed(chain, (*has_mark(mark), nftables.jump(own)), is_first=True))
    chains = tuple(f"{lease}-after-{hook}" for hook in HOOKS[reject.match.direction])
    rules = [
        Placed(f"{lease}-after-{hook}", row)
        for hook in HOOKS[reject.match.direction]
        for row in (
            *((*each, nftables.back()) for each in own_answer_rows(reject, hook)),
            (nftables.counter(), refuse(reject.answer)),
        )
    ]
    return Addition(name=lease, chains=chains, rules=tuple(rules), leads=tuple(leads))
