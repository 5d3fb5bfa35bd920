"""Dead neighbours: silence from the peer, and what somebody had set of it is put back."""

import itertools

import pytest

from services.agent.asking import AgentError
from socketlab.wire import Match, Neighbour
from tests.namespace.agent.lab import FAMILY, SERVER, Agent, Host, Lab

_OTHER = "10.98.0.55"


@pytest.fixture
def agent(lab: Lab) -> Agent:
    """The client's agent: a neighbour is dead to the host that sends to it."""
    return lab.agent(lab.client).ready()


def neighbours(host: Host) -> str:
    return host.run("ip", "neigh", "show", "nud", "permanent")


@pytest.mark.parametrize("family", FAMILY)
def test_a_dead_neighbour_is_silent(lab: Lab, agent: Agent, family: str) -> None:
    before = neighbours(lab.client)
    lease = agent.add(Neighbour(Match(peer=SERVER[family])))
    other = "ipv6" if family == "ipv4" else "ipv4"
    assert lab.connect(family, timeout=0.3) == "timeout"
    assert lab.connect(other) == "connected"
    agent.heal(lease.id)
    assert lab.connect(family) == "connected"
    assert neighbours(lab.client) == before


def test_all_addresses_of_a_peer(lab: Lab, agent: Agent) -> None:
    lease = agent.add(Neighbour(Match(peer="server", addresses=(SERVER["ipv4"], SERVER["ipv6"]))))
    assert {lab.connect(family, timeout=0.3) for family in FAMILY} == {"timeout"}
    agent.heal(lease.id)
    assert {lab.connect(family) for family in FAMILY} == {"connected"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_what_was_set_is_put_back_by_the_last(lab: Lab, agent: Agent, order: tuple[int, int]) -> None:
    lab.client.run(
        "ip", "neigh", "add", _OTHER, "lladdr", "02:00:00:00:00:55", "dev", "eth0", "proto", "static"
    )
    before = neighbours(lab.client)
    one = agent.add(Neighbour(Match(peer=_OTHER)))
    both = agent.add(Neighbour(Match(peer="both", addresses=(_OTHER, SERVER["ipv4"]))))
    leases = one, both
    agent.heal(leases[order[0]].id)
    assert f"{_OTHER} dev eth0 lladdr 02:00:00:00:de:ad" in neighbours(lab.client)
    agent.heal(leases[order[1]].id)
    assert neighbours(lab.client) == before


def test_who_is_no_neighbour_is_refused(lab: Lab, agent: Agent) -> None:
    lab.client.run("ip", "route", "add", "10.5.0.0/16", "via", SERVER["ipv4"])
    before = neighbours(lab.client)
    for peer in ("10.5.0.1", "192.0.2.1", "10.98.0.20"):
        with pytest.raises(AgentError, match=f"{peer} is no neighbour"):
            agent.add(Neighbour(Match(peer=peer)))
    with pytest.raises(AgentError, match="one address"):
        agent.add(Neighbour(Match(peer="10.98.0.0/24")))
    with pytest.raises(AgentError, match="no neighbour"):
        agent.add(Neighbour(Match(peer="two", addresses=(SERVER["ipv4"], "10.5.0.1"))))
    assert neighbours(lab.client) == before
    assert agent.leases() == ()


def test_an_entry_that_somebody_else_has_deleted_can_be_healed(lab: Lab, agent: Agent) -> None:
    lease = agent.add(Neighbour(Match(peer=_OTHER)))
    lab.client.run("ip", "neigh", "del", _OTHER, "dev", "eth0")
    assert agent.heal(lease.id)[0].id == lease.id
