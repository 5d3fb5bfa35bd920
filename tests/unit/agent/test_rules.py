"""Faults compiled: which packets, and what happens to them."""

import pytest

from services.agent.rules import table
from services.agent.rules.selectors import Selector, selectors
from services.agent.rules.verdicts import Silence, verdict
from services.netlink import nftables
from services.netlink.message import Request
from services.netlink.nftables import Rule, rule_of
from socketlab.wire import ANSWERS, Drop, Match, Reject
from socketlab.wire.fault import Answer, Direction, Family

BOTH = Match(peer="client", addresses=("10.0.0.1", "fd00::1", "10.0.0.1"), port=7000, proto="tcp")


def seen(those: list[Selector]) -> list[tuple[str | None, str | None, str, int | None, str]]:
    return [(each.family, str(each.peer), each.peer_side, each.port, each.port_side) for each in those]


def test_one_selector_for_each_address_and_side_of_the_port() -> None:
    assert seen(selectors(Drop(BOTH))) == [
        ("ipv4", "10.0.0.1", "source", 7000, "destination"),
        ("ipv4", "10.0.0.1", "source", 7000, "source"),
        ("ipv6", "fd00::1", "source", 7000, "destination"),
        ("ipv6", "fd00::1", "source", 7000, "source"),
    ]


def test_what_is_sent_has_the_peer_as_its_destination() -> None:
    match = Match(peer="client", addresses=("10.0.0.1",), direction="out")
    assert seen(selectors(Drop(match))) == [("ipv4", "10.0.0.1", "destination", None, "destination")]


@pytest.mark.parametrize(
    ("answer", "peers"),
    [
        ("icmp-host", ["10.0.0.1"] * 2),
        ("icmp6-addr", ["fd00::1"] * 2),
        ("tcp-reset", ["10.0.0.1"] * 2 + ["fd00::1"] * 2),
    ],
)
def test_a_refusal_takes_the_addresses_of_its_family(answer: Answer, peers: list[str]) -> None:
    assert [str(each.peer) for each in selectors(Reject(answer, BOTH))] == peers


@pytest.mark.parametrize(("answer", "family"), [("icmp-port", "ipv4"), ("icmp6-port", "ipv6")])
def test_a_refusal_without_a_peer_is_still_of_its_family(answer: Answer, family: Family) -> None:
    assert {each.family for each in selectors(Reject(answer, Match()))} == {family}


def test_a_match_of_everything_has_no_condition() -> None:
    (everything,) = selectors(Drop(Match()))
    assert everything.expressions() == []


def test_the_row_of_a_selector() -> None:
    first = selectors(Drop(BOTH))[2]
    address = bytes.fromhex("fd000000000000000000000000000001")
    assert first.expressions() == [
        nftables.meta(nftables.NFPROTO),
        nftables.compare(nftables.EQUAL, b"\x0a"),
        nftables.meta(nftables.L4PROTO),
        nftables.compare(nftables.EQUAL, b"\x06"),
        nftables.payload(nftables.NETWORK, 8, 16),
        nftables.compare(nftables.EQUAL, address),
        nftables.payload(nftables.TRANSPORT, 2, 2),
        nftables.compare(nftables.EQUAL, b"\x1b\x58"),
    ]


CODES = {
    "icmp-net": 0,
    "icmp-host": 1,
    "icmp-proto": 2,
    "icmp-port": 3,
    "icmp-admin": 13,
    "icmp6-no-route": 0,
    "icmp6-admin": 1,
    "icmp6-addr": 3,
    "icmp6-port": 4,
    "icmp6-policy": 5,
    "icmp6-reject-route": 6,
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_refusal_sends_back(answer: Answer) -> None:
    expected = (
        nftables.reject(nftables.TCP_RESET, 0)
        if answer == "tcp-reset"
        else nftables.reject(nftables.ICMP, CODES[answer])
    )
    assert verdict(Reject(answer, BOTH), "queue") == expected


@pytest.mark.parametrize(
    ("direction", "way", "name"),
    [
        ("in", "queue", "immediate"),
        ("in", "target", "immediate"),
        ("out", "queue", "queue"),
        ("out", "target", "target"),
    ],
)
def test_a_drop_is_silent_on_its_way_out(direction: Direction, way: Silence, name: str) -> None:
    request = nftables.new_rule("t", "c", [verdict(Drop(Match(direction=direction)), way)], "")
    assert rule_of(request.payload).expressions == (name,)


def rules_of(batch: list[Request]) -> list[Rule]:
    return [rule_of(request.payload) for request in batch if request.name == "NFT_MSG_NEWRULE"]


def test_a_fault_is_one_counter_and_jumps_to_it() -> None:
    bite, *jumps = rules_of(table.apply("f7", Drop(BOTH), "queue"))
    assert bite == Rule("f7", 0, "f7", ("counter", "immediate"), 0)
    assert {(rule.chain, rule.comment, rule.packets) for rule in jumps} == {("input", "f7", None)}
    assert len(jumps) == 4


def test_what_no_fault_may_touch_comes_first() -> None:
    loopback_in, discovery_in, loopback_out, discovery_out = rules_of(table.found())
    assert [loopback_in.chain, discovery_in.chain] == ["input"] * 2
    assert [loopback_out.chain, discovery_out.chain] == ["output"] * 2
    assert loopback_in.expressions == loopback_out.expressions == ("meta", "cmp", "immediate")
    assert discovery_in.expressions == discovery_out.expressions


def test_a_fault_is_complete_when_every_rule_of_it_is_there() -> None:
    batch = table.apply("f7", Drop(BOTH), "queue")
    there = rules_of(batch)
    assert table.is_complete(batch, reversed(there))
    assert not table.is_complete(batch, there[:-1])
    assert not table.is_complete(batch, [*there, there[-1]])
    assert not table.is_complete(batch, rules_of(table.apply("f8", Drop(BOTH), "queue")))


def test_a_fault_is_removed_in_one_transaction() -> None:
    rules = [Rule("input", handle, "f7", ("immediate",), None) for handle in (4, 9)]
    begin, *deletions, chain, end = table.remove("f7", rules)
    assert [begin.type, end.type] == [16, 17]
    assert [rule_of(deletion.payload).handle for deletion in deletions] == [4, 9]
    assert chain.name == "NFT_MSG_DELCHAIN"
