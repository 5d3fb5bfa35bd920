"""Each refusal: felt by the matched packets, by no other, and gone without a trace."""

import pytest

from socketlab.wire import Match, Reject
from socketlab.wire.fault import Answer
from tests.namespace.agent.lab import BYSTANDER, OTHER_PORT, Agent, IcmpWatch, Lab, match

# What is sent back (the code of destination unreachable), what TCP connect gets, what a connected UDP
# socket gets; each measured, and as the kernel's icmp_err_convert and icmpv6_err_convert have it.
ICMP: list[tuple[str, Answer, int, str, str]] = [
    ("ipv4", "icmp-port", 3, "ECONNREFUSED", "ECONNREFUSED"),
    ("ipv4", "icmp-host", 1, "EHOSTUNREACH", "timeout"),
    ("ipv4", "icmp-net", 0, "ENETUNREACH", "timeout"),
    ("ipv4", "icmp-proto", 2, "ENOPROTOOPT", "ENOPROTOOPT"),
    ("ipv4", "icmp-admin", 13, "EHOSTUNREACH", "EHOSTUNREACH"),
    ("ipv6", "icmp6-port", 4, "ECONNREFUSED", "ECONNREFUSED"),
    ("ipv6", "icmp6-addr", 3, "EHOSTUNREACH", "timeout"),
    ("ipv6", "icmp6-no-route", 0, "ENETUNREACH", "timeout"),
    ("ipv6", "icmp6-admin", 1, "EACCES", "EACCES"),
    ("ipv6", "icmp6-policy", 5, "EACCES", "EACCES"),
    ("ipv6", "icmp6-reject-route", 6, "EACCES", "EACCES"),
]


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
    lease = agent.add(Reject("icmp-host", match("ipv4")))
    rules = [rule for rule in lab.server.rules() if rule.get("comment") == lease.id]
    bite, *selecting = sorted(rules, key=lambda rule: rule["chain"])
    assert bite["expr"][0]["counter"]["packets"] == 0
    assert list(bite["expr"][1]) == ["reject"]  # nft 1.0.6 shows no more of it; the wire does, above
    for side, rule in zip(("dport", "sport"), selecting, strict=True):
        assert rule["chain"] == "input"
        assert rule["expr"] == [
            _is("ip", "saddr", "10.98.0.20"),
            _is("tcp", side, 7000),
            {"jump": {"target": lease.id}},
        ]


def _is(protocol: str, name: str, value: str | int) -> dict[str, object]:
    left = {"payload": {"protocol": protocol, "field": name}}
    return {"match": {"op": "==", "left": left, "right": value}}


def test_an_answer_met_at_the_other_side_of_the_port(lab: Lab) -> None:
    """On the client's own host the service's port is the source of what arrives."""
    agent = lab.agent(lab.client).ready()
    here = Match(peer="server", addresses=("10.98.0.10",), port=7000, proto="tcp")
    lease = agent.add(Reject("tcp-reset", here))
    assert lab.connect("ipv4", timeout=0.5) == "timeout"  # the reset goes to the server, the client waits
    assert (agent.bitten(lease) or 0) >= 1
    assert lab.connect("ipv4", OTHER_PORT) == "connected"
