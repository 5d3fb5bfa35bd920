"""Probes: packets that prove a fault and never count.

Theory of operation
    A probe is known by its source port, which no program has. In each of the three stages a rule before all
    faults takes it aside, into chains of its own:

        first    a twin of a fault that nft decides: the same selectors and verdict, without ordinals
        second   a twin of a fault that the emulator decides: to the queue if the selectors take it
        third    the sink: what is still there is counted, and vanishes

    So no fault but the one in question meets a probe, the twin's counters are its own, and no probe reaches a
    program.
"""

from services.agent.rules.addition import Addition, Placed
from services.agent.rules.base_chains import Stage, base_chain
from services.agent.rules.bites import Bite, selecting
from services.agent.rules.selectors import Hook, Row, probe_rows, rows
from services.agent.rules.verdicts import SILENCED, STEERED, verdict_of
from services.netlink import nftables
from services.netlink.nftables import Rule
from socketlab.wire.match import Match


def probe(
    port: int,
    hook: Hook,
    *,
    can_reject: bool,
    twin_of: Bite | None = None,
    number: int = 0,
    steered: Match | None = None,
) -> Addition:
    """Everything for the probes of one port.

    Args:
        port: theirs.
        hook: where they are met.
        can_reject: whether nf_tables can answer a packet here.
        twin_of: a fault that nft decides.
        number: of its mark, where iptables has its verdict.
        steered: the match of a fault that the emulator decides.
    """
    name = f"p{port}"
    first, bitten, second, sink = name, f"{name}-bite", f"{name}-queue", f"{name}-sink"
    rules = [Placed(sink, (nftables.counter(), _vanish(hook)))]
    if twin_of is not None:
        end: Row = (nftables.counter(), *verdict_of(twin_of, number, can_reject=can_reject))
        rules.append(Placed(bitten, end))
        rules += [Placed(first, row) for row in selecting(twin_of, hook, bitten)]
    if steered is not None:
        rules += [Placed(second, (*row, nftables.goto(STEERED))) for row in rows(steered, hook)]
    ways_there: tuple[tuple[Stage, str], ...] = (("bite", first), ("queue", second), ("after", sink))
    return Addition(
        name=name,
        chains=(bitten, first, second, sink),
        rules=tuple(rules),
        leads=tuple(
            Placed(base_chain(hook, stage), (*row, nftables.goto(chain)), is_first=stage != "after")
            for stage, chain in ways_there
            for row in probe_rows(port)
        ),
    )


def _vanish(hook: Hook) -> bytes:
    """At the end of a probe's way; where it is sent, its sender is not told."""
    return nftables.drop() if hook == "in" else nftables.goto(SILENCED)


def counted(port: int, rules: list[Rule]) -> tuple[int, int]:
    """How many probes the twin has bitten, and how many came to the sink.

    Args:
        port: theirs.
        rules: of the chains of `counting_chains`.
    """
    bitten, sink = (
        sum(rule.packets or 0 for rule in rules if rule.chain == each) for each in counting_chains(port)
    )
    return bitten, sink


def counting_chains(port: int) -> tuple[str, str]:
    """The chains with the counters of a port's probes: the twin's and the sink's."""
    return f"p{port}-bite", f"p{port}-sink"
