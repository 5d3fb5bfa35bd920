"""Single-stepping the network: packets wait, are listed, and go on one by one."""

import socket
import time
from collections.abc import Iterator

import pytest

from services.messages import ServiceError
from socketlab.wire import Delay, Hold
from tests.namespace.agent.emulated import (
    FAMILIES,
    Datagrams,
    advance,
    counts,
    did,
    held,
    log,
    stream,
    until,
)
from tests.namespace.agent.lab import CLIENT, PORT, SERVER, Agent, Lab, match, outcome


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    return shared_lab


@pytest.fixture
def agent(shared_agent: Agent) -> Iterator[Agent]:
    yield shared_agent
    shared_agent.heal()


@pytest.mark.parametrize("family", FAMILIES)
def test_datagrams_go_on_in_any_order(lab: Lab, agent: Agent, family: str) -> None:
    talk = Datagrams(lab, family)
    lease = agent.add(Hold(match(family, proto="udp")))
    talk.send(b"1", b"22", b"333", b"4444")
    packets = until(lambda: (them := held(agent, lease))[3:] and them)
    assert [packet.summary for packet in packets] == ["length 1", "length 2", "length 3", "length 4"]
    assert all(packet.lease == lease.id and str(PORT) in packet.flow for packet in packets)
    assert talk.arrived(0) == []
    left = advance(agent, packets[2])
    assert [packet.number for packet in left] == [packets[place].number for place in (0, 1, 3)]
    advance(agent, packets[0], "drop")
    advance(agent, packets[3], "duplicate")
    assert talk.arrived(3) == [b"333", b"4444", b"4444"]
    agent.heal(lease.id)
    assert talk.arrived(1) == [b"22"]
    assert did(agent, lease)[4:] == [(3, "released"), (1, "dropped"), (4, "duplicated"), (2, "released")]


def test_a_handshake_step_by_step(lab: Lab, agent: Agent) -> None:
    agent.add(Hold(match("ipv4", direction="both")))
    connecting = lab.open(lab.client, "ipv4", socket.SOCK_STREAM)
    connecting.bind((CLIENT["ipv4"], 0))
    connecting.settimeout(0)
    assert connecting.connect_ex((SERVER["ipv4"], PORT)) != 0
    seen = []
    for flags in ("[S]", "[S.]", "[.]"):
        (packet,) = until(lambda: held(agent))
        seen.append(packet.summary.split()[0])
        if flags == "[.]":  # the client is connected, and the server does not know it yet
            assert connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            connecting.settimeout(5)
            assert connecting.connect_ex((SERVER["ipv4"], PORT)) == 0
        advance(agent, packet)
    assert seen == ["[S]", "[S.]", "[.]"]


@pytest.mark.parametrize("direction", ["in", "out"])
def test_retransmissions_show(lab: Lab, agent: Agent, direction: str) -> None:
    client, server = stream(lab, "ipv4")
    lease = agent.add(Hold(match("ipv4", direction=direction)))
    sender, receiver = (client, server) if direction == "in" else (server, client)
    sender.send(b"hello")
    packets = until(lambda: (them := held(agent, lease))[1:] and them)
    assert packets[1].summary.endswith(f"length 5, retransmission of {packets[0].number}")
    assert packets[0].summary == packets[1].summary.rpartition(",")[0]
    advance(agent, packets[0], "drop")
    advance(agent, packets[1])
    assert receiver.recv(10) == b"hello"


def test_a_dropped_syn_is_sent_again(lab: Lab, agent: Agent) -> None:
    agent.add(Hold(match("ipv6", flags="SYN")))
    connecting = lab.open(lab.client, "ipv6", socket.SOCK_STREAM)
    connecting.bind((CLIENT["ipv6"], 0))
    connecting.settimeout(0)
    connecting.connect_ex((SERVER["ipv6"], PORT))
    (packet,) = until(lambda: held(agent))
    advance(agent, packet, "drop")
    (again,) = until(lambda: held(agent))  # after 1 s
    assert again.summary.endswith(f"retransmission of {packet.number}")
    advance(agent, again)
    connecting.settimeout(5)
    until(
        lambda: (
            outcome(lambda: connecting.connect((SERVER["ipv6"], PORT)), "connected")
            in {"connected", "EISCONN"}
        )
    )


def test_a_number_that_nobody_has_is_refused(agent: Agent) -> None:
    with pytest.raises(ServiceError) as caught:
        advance(agent, 4711)
    assert caught.value.code == "emulator.not-held"


def test_too_many_are_lost_and_counted(lab: Lab, agent: Agent) -> None:
    talk = Datagrams(lab, "ipv4")
    lease = agent.add(Hold(match("ipv4", proto="udp"), most=2))
    talk.send(b"1", b"2", b"3")
    until(lambda: len(log(agent, lease).entries) == 3)
    assert counts(agent, lease) == (2, 3, 1)
    agent.heal(lease.id)
    assert talk.arrived(2) == [b"1", b"2"]


def test_a_released_packet_meets_the_faults_behind(lab: Lab, agent: Agent) -> None:
    talk = Datagrams(lab, "ipv4")
    agent.add(Hold(match("ipv4", proto="udp")))
    agent.add(Delay(0.1, match("ipv4", proto="udp")))
    talk.send(b"1")
    (packet,) = until(lambda: held(agent))
    begun = time.monotonic()
    advance(agent, packet)
    talk.receiver.settimeout(5)
    assert talk.receiver.recv(10) == b"1"
    assert time.monotonic() - begun >= 0.1
