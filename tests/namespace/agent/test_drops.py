"""A drop is silence, at the receiver and at the sender; what no fault may touch goes on."""

import socket

import pytest

from socketlab.wire import Drop, Match
from tests.namespace.agent.lab import BYSTANDER, CLIENT, OTHER_PORT, PORT, SERVER, Agent, Lab, match, outcome

FAMILIES = ["ipv4", "ipv6"]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_arrives_vanishes(lab: Lab, agent: Agent, family: str) -> None:
    before = lab.server.state()
    lease = agent.add(Drop(match(family)))
    assert lab.connect(family, timeout=0.3) == "timeout"
    bitten = agent.bitten(lease) or 0
    assert bitten >= 1
    assert lab.connect(family, OTHER_PORT) == "connected"
    assert lab.connect(family, source=BYSTANDER) == "connected"
    assert lab.deliver(family) == "delivered"
    assert agent.bitten(lease) == bitten
    agent.heal(lease.id)
    assert lab.connect(family) == "connected"
    assert lab.server.state() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_datagrams_vanish_and_their_sender_is_not_told(lab: Lab, agent: Agent, family: str) -> None:
    lease = agent.add(Drop(match(family, proto="udp")))
    assert lab.deliver(family) == "timeout"
    assert agent.bitten(lease) == 1
    assert lab.deliver(family, OTHER_PORT) == "delivered"
    assert lab.connect(family) == "connected"
    assert agent.bitten(lease) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_sent_vanishes_and_its_sender_is_not_told(lab: Lab, agent: Agent, family: str) -> None:
    before = lab.server.state()
    lease = agent.add(Drop(match(family, proto="udp", direction="out")))
    receiver = lab.open(lab.client, family, socket.SOCK_DGRAM)
    receiver.bind((CLIENT[family], 0))
    receiver.settimeout(0.3)
    sender = lab.datagrams[family, PORT]
    there = receiver.getsockname()
    for _ in range(2):  # a drop that is told of gives EPERM here
        assert sender.sendto(b"x", there) == 1
    assert outcome(lambda: receiver.recv(10), "delivered") == "timeout"
    assert agent.bitten(lease) == 2
    lab.datagrams[family, OTHER_PORT].sendto(b"control", there)
    assert receiver.recv(10) == b"control"
    agent.heal(lease.id)
    sender.sendto(b"healed", there)
    assert receiver.recv(10) == b"healed"
    assert lab.server.state() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_a_connection_loses_what_its_server_sends(lab: Lab, agent: Agent, family: str) -> None:
    lease = agent.add(Drop(match(family, direction="out")))
    assert lab.connect(family, timeout=0.3) == "timeout"  # SYN, ACK is lost
    assert (agent.bitten(lease) or 0) >= 1
    assert lab.connect(family, source=BYSTANDER) == "connected"


def test_every_address_of_a_peer_is_bitten(lab: Lab, agent: Agent) -> None:
    peer = Match(peer="client", addresses=tuple(CLIENT.values()), port=PORT, proto="tcp")
    lease = agent.add(Drop(peer))
    bitten = 0
    for family in FAMILIES:
        assert lab.connect(family, timeout=0.3) == "timeout"
        before, bitten = bitten, agent.bitten(lease) or 0
        assert bitten > before
        assert lab.connect(family, source=BYSTANDER) == "connected"


def test_dropping_everything_spares_loopback_and_neighbour_discovery(lab: Lab, agent: Agent) -> None:
    agent.add(Drop(Match()))
    agent.add(Drop(Match(direction="out")))
    lab.client.run("ip", "-6", "neigh", "flush", "dev", "eth0")
    assert lab.connect("ipv6", timeout=0.3) == "timeout"
    neighbours = lab.client.run("ip", "-6", "neigh", "show", SERVER["ipv6"])
    assert "lladdr" in neighbours
    listener = lab.open(lab.server, "ipv4", socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    local = lab.open(lab.server, "ipv4", socket.SOCK_STREAM)
    local.settimeout(5)
    assert outcome(lambda: local.connect(listener.getsockname()), "connected") == "connected"


def test_faults_compose_and_are_healed_one_by_one(lab: Lab, agent: Agent) -> None:
    before = lab.server.state()
    first = agent.add(Drop(match("ipv4")))
    second = agent.add(Drop(match("ipv4")))
    assert lab.connect("ipv4", timeout=0.3) == "timeout"
    assert (agent.bitten(first) or 0) >= 1
    assert agent.bitten(second) == 0  # the first takes it
    agent.heal(first.id)
    assert lab.connect("ipv4", timeout=0.3) == "timeout"
    assert [lease.id for lease in agent.leases()] == [second.id]
    agent.heal(second.id)
    assert lab.connect("ipv4") == "connected"
    assert lab.server.state() == before
    assert agent.add(Drop(match("ipv4"))).id not in {first.id, second.id}
