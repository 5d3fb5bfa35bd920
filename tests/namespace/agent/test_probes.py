"""Probes prove a fault and never count: no fault but the one in question meets them, and no program."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from socketlab.wire import Drop, Fault, Lease, Match, Reject
from socketlab.wire.fault import Answer, Delay, Loss
from socketlab.wire.match import Which
from socketlab.wire.message import Probe, Probed
from socketlab.wire.words import words
from tests.namespace.agent.controller import Controller
from tests.namespace.agent.lab import CLIENT, OTHER_PORT, PORT, SECONDS, SERVER, Agent, Lab, labs, outcome

PROBE = 40000
ANY = Match(port=PORT, proto="udp")


class Prober:
    """Probes by UDP from the client's host to the server's, and back."""

    def __init__(self, lab: Lab, agent: Agent, controller: Controller) -> None:
        self.lab = lab
        self.agent = agent
        self.controller = controller

    def do(self, **asked: Any) -> tuple[int, int]:
        answer = self.controller.ask(Probe, **asked)
        assert isinstance(answer, Probed), answer
        return answer.bitten, answer.passed

    def open(self, lease: Lease | None, port: int = PROBE) -> None:
        self.do(do="open", port=port, lease=lease.id if lease else None)

    def read(self, port: int = PROBE) -> tuple[int, int]:
        return self.do(do="read", port=port)

    def close(self, port: int = PROBE) -> tuple[int, int]:
        return self.do(do="close", port=port)

    def wait(self, bitten: int, passed: int, port: int = PROBE) -> None:
        """Until probes have been counted so; never more."""
        deadline = time.monotonic() + SECONDS
        while (seen := self.read(port)) != (bitten, passed):
            assert time.monotonic() < deadline, seen
            assert seen[0] <= bitten, seen
            assert seen[1] <= passed, seen

    def send(self, family: str, to: int = PORT, port: int = PROBE) -> socket.socket:
        """A probe, and the socket that it came from."""
        probing = self.lab.client.open(family, socket.SOCK_DGRAM)
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probing.bind((CLIENT[family], port))
        probing.connect((SERVER[family], to))
        probing.send(b"probe")
        return probing

    def last(self, lease: Lease) -> tuple[int | None, int | None]:
        found = next(each for each in self.agent.leases() if each.id == lease.id)
        return found.bitten, found.seen

    def assert_nothing_arrived(self) -> None:
        for receiver in self.lab.datagrams.values():
            receiver.settimeout(0)
            assert outcome(lambda: receiver.recv(100), "arrived") == "EAGAIN"  # noqa: B023


@pytest.fixture(scope="module")
def site(namespaces: None) -> Iterator[tuple[Lab, Agent]]:  # noqa: ARG001 - a fixture of a fixture
    with labs() as lab:
        yield lab, lab.agent(lab.server).ready()


@pytest.fixture
def prober(site: tuple[Lab, Agent]) -> Iterator[Prober]:
    lab, agent = site
    with closing(Controller(agent.folder)) as controller:
        yield Prober(lab, agent, controller)
    agent.heal()


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize(
    "fault",
    [
        Drop(ANY),
        Drop(Match(port=PORT, proto="udp", which=Which(nth=2))),
        Drop(Match(port=PORT, proto="udp", direction="both")),
        Drop(Match(port=PORT, proto="udp", payload=b"probe")),
        Loss(0.01, ANY),
    ],
    ids=words,
)
def test_a_twin_bites_what_the_fault_would_and_counts_for_nothing(
    prober: Prober, family: str, fault: Fault
) -> None:
    before = prober.lab.server.state()
    lease = prober.agent.add(fault)
    other = prober.agent.add(Drop(Match(proto="udp")))
    prober.open(lease)
    for number in range(1, 4):
        with prober.send(family):
            prober.wait(number, number - 1)
        with prober.send(family, OTHER_PORT):
            prober.wait(number, number)
    prober.assert_nothing_arrived()
    assert prober.last(lease) == (0, 0)
    assert prober.last(other) == (0, 0)
    assert prober.close() == (3, 3)
    prober.agent.heal(lease.id)
    prober.agent.heal(other.id)
    assert prober.lab.server.state() == before


@pytest.mark.parametrize("fault", [Delay(0.01, ANY), Delay(0.01, Match(direction="both", payload=b"probe"))])
def test_a_twin_that_lets_packets_pass_leaves_them_to_the_sink(prober: Prober, fault: Delay) -> None:
    lease = prober.agent.add(fault)
    prober.open(lease)
    with prober.send("ipv4"):
        prober.wait(1, 1)
    prober.assert_nothing_arrived()
    assert prober.last(lease) == (0, 0)


def test_ordinals_go_on_as_if_there_had_been_no_probes(prober: Prober) -> None:
    lease = prober.agent.add(Drop(Match(port=PORT, proto="udp", which=Which(nth=2))))
    prober.open(lease)
    felt = []
    for number in range(1, 4):
        felt.append(prober.lab.deliver("ipv4"))
        with prober.send("ipv4"):
            prober.wait(number, 0)
    assert felt == ["delivered", "timeout", "delivered"]
    assert prober.last(lease) == (1, 3)


@pytest.mark.parametrize(("family", "answer"), [("ipv4", "icmp-port"), ("ipv6", "icmp6-port")])
@pytest.mark.parametrize("payload", [None, b"probe"], ids=["nft", "emulator"])
def test_a_twin_of_a_refusal_answers(
    prober: Prober, family: str, answer: Answer, payload: bytes | None
) -> None:
    lease = prober.agent.add(Reject(answer, Match(port=PORT, proto="udp", payload=payload)))
    prober.open(lease)
    with prober.send(family) as probing:
        prober.wait(1, 0)
        probing.settimeout(SECONDS)
        assert outcome(lambda: probing.recv(10), "answered") == "ECONNREFUSED"
    assert prober.last(lease) == (0, 0)


def test_a_sink_alone_is_past_all_faults(prober: Prober) -> None:
    prober.agent.add(Drop(Match()))
    prober.agent.add(Loss(1.0, Match()))
    prober.open(None)
    with prober.send("ipv4"), prober.send("ipv6"):
        prober.wait(0, 2)
    prober.close()
    prober.agent.heal()
    assert prober.lab.deliver("ipv4") == "delivered"


def test_what_a_host_sends_is_probed_on_its_way_out(prober: Prober) -> None:
    """And nothing of it leaves the host, and its sender is not told."""
    lease = prober.agent.add(Drop(Match(peer_port=9, direction="out")))
    prober.do(do="open", port=PROBE, lease=lease.id, direction="out")
    watching = prober.lab.open(prober.lab.client, "ipv4", socket.SOCK_DGRAM)
    watching.bind((CLIENT["ipv4"], 0))
    watching.settimeout(0.2)
    with prober.lab.server.open("ipv4", socket.SOCK_DGRAM) as probing:
        probing.bind((SERVER["ipv4"], PROBE))
        for to in (9, 9, watching.getsockname()[1]):
            assert probing.sendto(b"probe", (CLIENT["ipv4"], to)) == 5
    prober.wait(2, 1)
    assert outcome(lambda: watching.recv(10), "arrived") == "timeout"
    assert prober.last(lease) == (0, 0)


def test_probes_of_tcp_never_reach_a_listener(prober: Prober) -> None:
    prober.open(None)
    with prober.lab.client.open("ipv4", socket.SOCK_STREAM) as probing:
        probing.bind((CLIENT["ipv4"], PROBE))
        probing.settimeout(0.2)
        assert outcome(lambda: probing.connect((SERVER["ipv4"], PORT)), "connected") == "timeout"
    assert prober.read() >= (0, 1)


def test_two_ports_are_probed_apart(prober: Prober) -> None:
    lease = prober.agent.add(Drop(ANY))
    prober.open(lease)
    prober.open(None, PROBE + 1)
    with prober.send("ipv4"), prober.send("ipv4", port=PROBE + 1):
        prober.wait(1, 0)
        prober.wait(0, 1, PROBE + 1)
    assert prober.controller.failure(Probe, do="open", port=PROBE) == "agent.probe-port"
