"""The same seed bites the same packets again: the same flow, ordinal, fault and action, on a real wire."""

from collections.abc import Iterator, Sequence

import pytest

from socketlab.wire import Corrupt, Delay, Drop, Duplicate, Fault, Lease, Loss, Which
from tests.namespace.agent.emulated import FAMILIES, Datagrams, log, stream, until
from tests.namespace.agent.lab import Agent, Lab, match

SOURCE = 40_000
"""The client's port, the same in each run: the flow is part of what repeats."""
Sequences = list[list[tuple[str, int, str]]]


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    return shared_lab


@pytest.fixture
def agent(shared_agent: Agent) -> Iterator[Agent]:
    yield shared_agent
    shared_agent.heal()


def sequences(agent: Agent, leases: Sequence[Lease]) -> Sequences:
    """What each fault did: flow, ordinal, action.

    Which of two faults comes first in the log, one that a packet has just reached or one that another leaves
    because its time has come, is the machine's timing.
    """
    return [
        [(entry.flow, entry.ordinal, entry.action) for entry in log(agent, lease).entries] for lease in leases
    ]


def chance(family: str, seed: int) -> list[Fault]:
    udp = match(family, proto="udp")
    half = match(family, proto="udp", which=Which(probability=0.5, seed=seed))
    return [
        Loss(0.3, udp, burst=2, seed=seed),
        Duplicate(half),
        Delay(0.001, udp, jitter=0.001, seed=seed),
        Corrupt(half, seed=seed),
    ]


def datagrams(lab: Lab, agent: Agent, family: str, seed: int) -> Sequences:
    """What the faults do with 60 datagrams."""
    leases = [agent.add(fault) for fault in chance(family, seed)]
    talk = Datagrams(lab, family, source=SOURCE)
    talk.send(*(b"%060d" % number for number in range(60)))

    def all_have_gone_on() -> bool:
        seen = [lease.seen for lease in agent.leases()]
        return seen[0] == 60 and seen[2] == seen[3]

    until(all_have_gone_on)
    talk.sender.close()
    found = sequences(agent, leases)
    agent.heal()
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_datagrams(lab: Lab, agent: Agent, family: str) -> None:
    first = datagrams(lab, agent, family, 5)
    assert all(len(each) > 10 for each in first)
    assert datagrams(lab, agent, family, 5) == first
    assert datagrams(lab, agent, family, 6)[0] != first[0]


def handshake(lab: Lab, agent: Agent, seed: int) -> Sequences:
    """What the faults do with a handshake whose first SYN chance may lose."""
    leases = [
        agent.add(Drop(match("ipv4", flags="SYN", which=Which(probability=0.5, seed=seed)))),
        agent.add(Delay(0.02, match("ipv4", flags="SYN"), jitter=0.01, seed=seed)),
        agent.add(Delay(0.01, match("ipv4", flags="SYN,ACK", direction="out"))),
    ]
    for end in stream(lab, "ipv4", source=SOURCE):
        end.close()
    found = sequences(agent, leases)
    agent.heal()
    return found


def test_a_handshake(lab: Lab, agent: Agent) -> None:
    """Seed 1 loses the first SYN and lets the second go, seed 0 lets the first go."""
    first = handshake(lab, agent, 1)
    assert [[entry[1:] for entry in each] for each in first] == [
        [(1, "dropped")],
        [(1, "delayed")],
        [(1, "delayed")],
    ]
    assert handshake(lab, agent, 1) == first
    assert handshake(lab, agent, 0)[0] == []
