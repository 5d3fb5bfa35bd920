"""Each refusal: felt by the matched packets, by no other, and gone without a trace."""

import socket
from collections.abc import Iterator

import pytest

from socketlab.wire import Match, Reject
from socketlab.wire.fault import Answer
from socketlab.wire.match import Which
from tests.namespace.agent.lab import (
    BYSTANDER,
    CLIENT,
    OTHER_PORT,
    SERVER,
    Agent,
    IcmpWatch,
    Lab,
    labs,
    match,
    outcome,
)

# What is sent back (the code of destination unreachable), what TCP connect gets, what a connected UDP
# socket gets; each measured, and as the kernel's icmp_err_convert and icmpv6_err_convert have it.
ICMP: list[tuple[str, Answer, int, str, str]] = [
    ("ipv4", "icmp-port", 3, "ECONNREFUSED", "ECONNREFUSED"),
    ("ipv4", "icmp-host", 1, "EHOSTUNREACH", "timeout"),
    ("ipv4", "icmp-net", 0, "ENETUNREACH", "timeout"),
    ("ipv4", "icmp-proto", 2, "ENOPROTOOPT", "ENOPROTOOPT"),
    ("ipv4", "icmp-net-prohibited", 9, "ENETUNREACH", "ENETUNREACH"),
    ("ipv4", "icmp-host-prohibited", 10, "EHOSTUNREACH", "EHOSTUNREACH"),
    ("ipv4", "icmp-admin", 13, "EHOSTUNREACH", "EHOSTUNREACH"),
    ("ipv6", "icmp6-port", 4, "ECONNREFUSED", "ECONNREFUSED"),
    ("ipv6", "icmp6-addr", 3, "EHOSTUNREACH", "timeout"),
    ("ipv6", "icmp6-no-route", 0, "ENETUNREACH", "timeout"),
    ("ipv6", "icmp6-admin", 1, "EACCES", "EACCES"),
    ("ipv6", "icmp6-policy", 5, "EACCES", "EACCES"),
    ("ipv6", "icmp6-reject-route", 6, "EACCES", "EACCES"),
]


@pytest.fixture(scope="module")
def lab(namespaces: None) -> Iterator[Lab]:  # noqa: ARG001 - a fixture of a fixture
    """One for all: a test leaves nothing behind."""
    with labs() as made:
        yield made


@pytest.fixture(scope="module")
def servers_agent(lab: Lab) -> Agent:
    return lab.agent(lab.server).ready()


@pytest.fixture
def agent(servers_agent: Agent) -> Iterator[Agent]:
    yield servers_agent
    servers_agent.heal()


@pytest.fixture
def clients_agent(lab: Lab) -> Iterator[Agent]:
    made = lab.agent(lab.client).ready()
    yield made
    made.close()


@pytest.mark.parametrize(("family", "answer", "code", "felt", "_udp"), ICMP)
def test_a_refused_connect(
    lab: Lab, agent: Agent, family: str, answer: Answer, code: int, felt: str, _udp: str
) -> None:
    before = lab.server.state()
    lease = agent.add(Reject(answer, match(family)))
    watch = IcmpWatch(lab, family)
    assert lab.connect(family) == felt
    assert watch.next_code() == code
    bitten = agent.bitten(lease)
    assert bitten in {1, 2}  # the second SYN, where the first error was not enough
    _assert_controls(lab, family)
    assert agent.bitten(lease) == bitten
    assert agent.heal(lease.id)[0].bitten == bitten
    assert lab.connect(family) == "connected"
    assert lab.server.state() == before


@pytest.mark.parametrize(("family", "answer", "code", "_tcp", "felt"), ICMP)
def test_a_refused_datagram(
    lab: Lab, agent: Agent, family: str, answer: Answer, code: int, _tcp: str, felt: str
) -> None:
    lease = agent.add(Reject(answer, match(family, proto="udp")))
    watch = IcmpWatch(lab, family)
    assert lab.deliver(family) == felt
    assert watch.next_code() == code
    assert agent.bitten(lease) == 1
    assert lab.deliver(family, OTHER_PORT) == "delivered"
    assert lab.deliver(family, source=BYSTANDER) == "delivered"
    assert lab.connect(family) == "connected"
    assert agent.bitten(lease) == 1
    agent.heal(lease.id)
    assert lab.deliver(family) == "delivered"


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_reset(lab: Lab, agent: Agent, family: str) -> None:
    before = lab.server.state()
    lease = agent.add(Reject("tcp-reset", match(family)))
    assert lab.connect(family) == "ECONNREFUSED"
    _assert_controls(lab, family)
    assert agent.bitten(lease) == 1
    agent.heal(lease.id)
    assert lab.connect(family) == "connected"
    assert lab.server.state() == before


def _assert_controls(lab: Lab, family: str) -> None:
    """Another port, another peer, the other protocol: untouched."""
    assert lab.connect(family, OTHER_PORT) == "connected"
    assert lab.connect(family, source=BYSTANDER) == "connected"
    assert lab.deliver(family) == "delivered"


def test_a_refusal_of_one_family_leaves_the_other_alone(lab: Lab, agent: Agent) -> None:
    agent.add(Reject("icmp-admin", Match(port=7000, proto="tcp")))
    assert lab.connect("ipv4") == "EHOSTUNREACH"
    assert lab.connect("ipv6") == "connected"
    agent.add(Reject("icmp6-admin", Match(port=7000, proto="tcp")))
    assert lab.connect("ipv6") == "EACCES"


def test_nft_shows_the_rules_that_were_asked_for(lab: Lab, agent: Agent) -> None:
    lease = agent.add(Reject("icmp-host", match("ipv4"), delay=0))
    rules = [rule for rule in lab.server.rules() if rule.get("comment") == lease.id]
    lead, bite, *selecting = (
        rule for chain in ("input", lease.id, f"{lease.id}-in") for rule in rules if rule["chain"] == chain
    )
    assert lead["expr"] == [{"jump": {"target": f"{lease.id}-in"}}]
    assert bite["expr"][0]["counter"]["packets"] == 0
    assert list(bite["expr"][1]) == ["reject"]  # nft 1.0.6 shows no more of it; the wire does, above
    for side, rule in zip(("dport", "sport"), selecting, strict=True):
        assert rule["expr"] == [
            _is("ip", "saddr", "10.98.0.20"),
            _is("tcp", side, 7000),
            {"goto": {"target": lease.id}},
        ]
    assert len(rules) == 4


def _is(protocol: str, name: str, value: str | int) -> dict[str, object]:
    left = {"payload": {"protocol": protocol, "field": name}}
    return {"match": {"op": "==", "left": left, "right": value}}


def test_an_answer_met_at_the_other_side_of_the_port(lab: Lab, clients_agent: Agent) -> None:
    """On the client's own host the service's port is the source of what arrives."""
    here = Match(peer="server", addresses=("10.98.0.10",), port=7000, proto="tcp")
    lease = clients_agent.add(Reject("tcp-reset", here))
    assert lab.connect("ipv4", timeout=0.5) == "timeout"  # the reset goes to the server, the client waits
    assert (clients_agent.bitten(lease) or 0) >= 1
    assert lab.connect("ipv4", OTHER_PORT) == "connected"


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_reset_of_both_directions_does_not_eat_its_own_answer(lab: Lab, agent: Agent, family: str) -> None:
    lease = agent.add(Reject("tcp-reset", match(family, direction="both")))
    assert lab.connect(family) == "ECONNREFUSED"
    assert agent.bitten(lease) == 1


@pytest.mark.parametrize(("family", "answer"), [("ipv4", "icmp-port"), ("ipv6", "icmp6-port")])
def test_a_refusal_of_everything_both_ways_lets_its_own_answers_out(
    lab: Lab, agent: Agent, family: str, answer: Answer
) -> None:
    agent.add(Reject(answer, Match(peer="client", addresses=(CLIENT[family],), direction="both")))
    assert lab.connect(family) == "ECONNREFUSED"
    assert lab.connect(family, source=BYSTANDER) == "connected"


def test_the_second_of_three_connects_is_refused(lab: Lab, agent: Agent) -> None:
    asked = Match(port=7000, flags="SYN", which=Which(nth=2))
    lease = agent.add(Reject("tcp-reset", asked))
    felt = [lab.connect(family) for family in ("ipv4", "ipv6", "ipv4")]
    assert felt == ["connected", "ECONNREFUSED", "connected"]
    (last,) = agent.heal(lease.id)
    assert (last.bitten, last.seen) == (1, 3)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_what_is_sent_is_refused_to_its_own_sender(lab: Lab, clients_agent: Agent, family: str) -> None:
    connection = lab.open(lab.client, family, socket.SOCK_STREAM)
    connection.bind((CLIENT[family], 0))
    connection.settimeout(5)
    connection.connect((SERVER[family], 7000))
    lease = clients_agent.add(Reject("tcp-reset", Match(port=7000, proto="tcp", direction="out")))
    connection.sendall(b"x")
    assert outcome(lambda: connection.recv(10), "answered") == "ECONNRESET"
    assert clients_agent.bitten(lease) == 1
