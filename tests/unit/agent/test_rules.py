"""Faults compiled: which packets, and what happens to them."""

from typing import Any

import pytest

from services.agent.rules import base_chains, bites, iptables, marks, probes, steering
from services.agent.rules.addition import Addition
from services.agent.rules.selectors import (
    Hook,
    Row,
    answer_rows,
    black_hole_rows,
    own_answer_rows,
    probe_rows,
    rows,
)
from services.agent.rules.verdicts import ICMP_CODES, SILENCED, STEERED, QueueWay, Ways, refuse, verdict_of
from services.agent.rules.which import counting, is_countable
from services.netlink import nftables
from services.netlink.message import Request
from services.netlink.nftables import Rule, rule_of
from socketlab.wire import ANSWERS, Drop, Match, Reject
from socketlab.wire.fault import Answer, Direction, PmtuBlackHole
from socketlab.wire.match import Which

BOTH = Match(peer="client", addresses=("10.0.0.1", "fd00::1", "10.0.0.1"), port=7000, proto="tcp")

IPV4 = (nftables.meta(nftables.NFPROTO), nftables.compare(nftables.EQUAL, b"\x02"))
IPV6 = (nftables.meta(nftables.NFPROTO), nftables.compare(nftables.EQUAL, b"\x0a"))
TCP = (nftables.meta(nftables.L4PROTO), nftables.compare(nftables.EQUAL, b"\x06"))
UDP = (nftables.meta(nftables.L4PROTO), nftables.compare(nftables.EQUAL, b"\x11"))
ICMP = (nftables.meta(nftables.L4PROTO), nftables.compare(nftables.EQUAL, b"\x01"))
ICMP6 = (nftables.meta(nftables.L4PROTO), nftables.compare(nftables.EQUAL, b"\x3a"))


def load(base: int, at: int, value: bytes) -> Row:
    return nftables.payload(base, at, len(value)), nftables.compare(nftables.EQUAL, value)


def port(side: str, value: int) -> Row:
    return load(nftables.TRANSPORT, 2 if side == "destination" else 0, value.to_bytes(2, "big"))


def peer4(side: str, *octets: int) -> Row:
    return load(nftables.NETWORK, 16 if side == "destination" else 12, bytes(octets))


def test_one_row_for_each_address_and_side_of_the_port() -> None:
    v6 = bytes.fromhex("fd000000000000000000000000000001")
    assert rows(BOTH, "in") == [
        (*IPV4, *peer4("source", 10, 0, 0, 1), *TCP, *port("destination", 7000)),
        (*IPV4, *peer4("source", 10, 0, 0, 1), *TCP, *port("source", 7000)),
        (*IPV6, *load(nftables.NETWORK, 8, v6), *TCP, *port("destination", 7000)),
        (*IPV6, *load(nftables.NETWORK, 8, v6), *TCP, *port("source", 7000)),
    ]


@pytest.mark.parametrize(
    ("asked", "hook", "expected"),
    [
        ({}, "in", [()]),
        ({"family": "ipv6"}, "in", [IPV6]),
        ({"proto": "udp"}, "in", [UDP]),
        ({"proto": "icmp"}, "in", [(*IPV4, *ICMP)]),
        ({"proto": "icmp6"}, "out", [(*IPV6, *ICMP6)]),
        ({"peer": "10.0.0.1"}, "out", [(*IPV4, *peer4("destination", 10, 0, 0, 1))]),
        ({"peer": "0.0.0.0/0"}, "in", [IPV4]),
        ({"own_port": 7, "proto": "udp"}, "in", [(*UDP, *port("destination", 7))]),
        ({"own_port": 7, "proto": "udp"}, "out", [(*UDP, *port("source", 7))]),
        ({"peer_port": 7, "proto": "udp"}, "in", [(*UDP, *port("source", 7))]),
        (
            {"own_port": 7, "peer_port": 9, "proto": "tcp"},
            "out",
            [(*TCP, *port("source", 7), *port("destination", 9))],
        ),
        ({"own_port": 7}, "in", [(*TCP, *port("destination", 7)), (*UDP, *port("destination", 7))]),
    ],
)
def test_a_row_for_each_thing_asked(asked: dict[str, Any], hook: Hook, expected: list[Row]) -> None:
    assert rows(Match(**asked), hook) == expected


def test_a_network_is_masked() -> None:
    (row,) = rows(Match(peer="10.2.0.0/15"), "in")
    address = nftables.payload(nftables.NETWORK, 12, 4)
    mask, compare = nftables.mask(bytes([255, 254, 0, 0])), nftables.compare(nftables.EQUAL, b"\x0a\x02\0\0")
    assert row == (*IPV4, address, mask, compare)


def test_a_range_of_ports_has_two_ends() -> None:
    (row,) = rows(Match(own_port="7000-7009", proto="tcp"), "in")
    assert row[3:] == (
        nftables.compare(nftables.AT_LEAST, (7000).to_bytes(2, "big")),
        nftables.compare(nftables.AT_MOST, (7009).to_bytes(2, "big")),
    )


def test_flags_are_masked() -> None:
    (row,) = rows(Match(flags="SYN"), "in")
    at = nftables.payload(nftables.TRANSPORT, 13, 1)
    assert row == (*TCP, at, nftables.mask(b"\x12"), nftables.compare(nftables.EQUAL, b"\x02"))


@pytest.mark.parametrize(("answer", "families"), [("icmp-host", [IPV4]), ("icmp6-addr", [IPV6])])
def test_a_refusal_takes_packets_of_its_family(answer: Answer, families: list[Row]) -> None:
    fault = Reject(answer, BOTH)
    assert {row[:2] for row in rows(fault.match, "in", fault.family)} == set(families)


def test_path_mtu_messages_of_both_families() -> None:
    assert black_hole_rows(PmtuBlackHole()) == [
        (*IPV4, *ICMP, *load(nftables.TRANSPORT, 0, bytes([3, 4]))),
        (*IPV6, *ICMP6, *load(nftables.TRANSPORT, 0, bytes([2]))),
    ]


def test_a_refusals_answers_go_to_its_peers() -> None:
    unreachable = (*ICMP, *load(nftables.TRANSPORT, 0, bytes([3, 13])))
    assert answer_rows(Reject("icmp-admin", BOTH)) == [
        (*IPV4, *peer4("destination", 10, 0, 0, 1), *unreachable)
    ]
    assert answer_rows(Reject("tcp-reset", BOTH)) == []


def test_a_refusal_does_not_eat_its_own_answers() -> None:
    at = nftables.payload(nftables.TRANSPORT, 13, 1)
    is_reset = (*TCP, at, nftables.mask(b"\x04"), nftables.compare(nftables.EQUAL, b"\x04"))
    assert own_answer_rows(Reject("tcp-reset", BOTH), "out") == [is_reset]
    assert own_answer_rows(Reject("tcp-reset", BOTH), "in") == []
    assert own_answer_rows(Reject("icmp-host", Match()), "out") == [
        (*ICMP, *load(nftables.TRANSPORT, 0, bytes([3, 1])))
    ]
    assert own_answer_rows(Reject("icmp-host", BOTH), "out") == []


COUNT = nftables.count(0xFFFF_FFFF, nftables.FIRST)


def ends(operator: int, value: int, register: int = nftables.FIRST) -> bytes:
    return nftables.compare(operator, value.to_bytes(4, "big"), register)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (Which(nth=5), (*COUNT, ends(nftables.EQUAL, 4))),
        (Which(first=1), (*COUNT, ends(nftables.EQUAL, 0))),
        (Which(first=3), (*COUNT, ends(nftables.AT_MOST, 2))),
        (Which(after=3), (*COUNT, ends(nftables.AT_LEAST, 3))),
        (
            Which(every=3),
            (*nftables.count(3, nftables.SECOND), ends(nftables.EQUAL, 2, nftables.SECOND)),
        ),
        (Which(every=1), ()),
        (
            Which(at_most=2),
            (*nftables.count(0xFFFF_FFFF, nftables.THIRD), ends(nftables.AT_MOST, 1, nftables.THIRD)),
        ),
    ],
)
def test_ordinals_are_counted_and_compared(which: Which, expected: Row) -> None:
    assert counting(which) == expected


def test_all_numbers_are_loaded_before_one_is_compared() -> None:
    row = counting(Which(after=2, first=9, every=2, at_most=2))
    loaded, compared = ["numgen", "byteorder"], ["cmp"]
    assert list(map(nftables.name_of, row)) == loaded * 2 + compared * 3 + loaded + compared


@pytest.mark.parametrize(
    ("match", "exact", "expected"),
    [
        (Match(), False, True),
        (Match(which=Which(nth=1)), True, True),
        (Match(which=Which(nth=1)), False, False),
        (Match(which=Which(nth=1), proto="udp"), False, False),
        (Match(which=Which(nth=1), flags="SYN"), False, True),
        (Match(which=Which(nth=1), flags="SYN,ACK"), False, True),
        (Match(which=Which(nth=1), flags="!SYN"), False, False),
        (Match(which=Which(nth=1), proto="icmp"), False, True),
        (Match(which=Which(probability=0.5)), True, False),
        (Match(payload=b"x"), True, False),
    ],
)
def test_what_nft_can_tell_by_itself(match: Match, exact: bool, expected: bool) -> None:  # noqa: FBT001
    assert is_countable(match, exact=exact) is expected
    assert bites.is_native(Drop(match), exact=exact) is expected


CODES = {
    "icmp-net": 0,
    "icmp-host": 1,
    "icmp-proto": 2,
    "icmp-port": 3,
    "icmp-net-prohibited": 9,
    "icmp-host-prohibited": 10,
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
    assert verdict_of(Reject(answer, BOTH), can_reject=True) == (expected,)
    marked = verdict_of(Reject(answer, BOTH), 7, can_reject=False)
    assert marked == (*nftables.set_mark(marks.REFUSED + 7), nftables.accept())
    assert CODES == ICMP_CODES


@pytest.mark.parametrize(
    ("direction", "end"),
    [("in", nftables.drop()), ("out", nftables.goto(SILENCED)), ("both", nftables.goto(SILENCED))],
)
def test_a_drop_is_silent_on_its_way_out(direction: Direction, end: bytes) -> None:
    assert verdict_of(Drop(Match(direction=direction)), can_reject=True) == (end,)


def rules_of(batch: list[Request]) -> list[Rule]:
    return [rule_of(request.payload) for request in batch if request.name == "NFT_MSG_NEWRULE"]


def test_a_fault_is_one_chain_that_selectors_lead_to() -> None:
    addition = bites.bite("f7", Drop(BOTH), can_reject=True)
    bite, *selecting, lead = rules_of(addition.batch({}))
    assert bite == Rule("f7", 0, "f7", ("counter", "immediate"), 0)
    assert {(rule.chain, rule.comment, rule.packets) for rule in selecting} == {("f7-in", "f7", None)}
    assert len(selecting) == 4
    assert lead == Rule("input", 0, "f7", ("immediate",), None)
    assert addition.chains == ("f7", "f7-in")


def test_a_fault_of_both_directions_counts_in_one_place() -> None:
    match = Match(proto="udp", direction="both", which=Which(nth=2))
    addition = bites.bite("f7", Drop(match), can_reject=True)
    assert addition.chains == ("f7", "f7-in", "f7-out")
    seen, bitten, *_ = (placed for placed in addition.rules if placed.chain == "f7")
    assert seen.row == (nftables.counter(),)
    assert bitten.row[-2:] == (nftables.counter(), nftables.goto(SILENCED))
    assert [lead.chain for lead in addition.leads] == ["input", "output"]


def test_the_emulator_gets_what_a_match_takes_and_more() -> None:
    match = Match(peer="10.0.0.1", proto="udp", payload=b"x", which=Which(nth=2), direction="both")
    addition = steering.steering("f7", match)
    assert [placed.row for placed in addition.rules] == [
        (nftables.counter(), nftables.goto(STEERED)),
        (*IPV4, *peer4("source", 10, 0, 0, 1), *UDP, nftables.goto("f7-queue")),
        (*IPV4, *peer4("destination", 10, 0, 0, 1), *UDP, nftables.goto("f7-queue")),
    ]
    assert [lead.chain for lead in addition.leads] == ["input-queue", "output-queue"]


def test_what_the_emulator_has_marked_is_refused_before_a_probes_sink() -> None:
    addition = steering.refusing("f7", Reject("icmp-host", BOTH), marks.EMULATED + 3)
    (lead,) = addition.leads
    assert (lead.chain, lead.is_first) == ("input-after", True)
    assert [placed.row for placed in addition.rules] == [(nftables.counter(), refuse("icmp-host"))]


def test_a_probe_goes_past_all_faults_but_its_twin() -> None:
    fault = Drop(Match(proto="udp", port=7000, which=Which(nth=9)))
    addition = probes.probe(40000, "in", can_reject=True, twin_of=fault)
    by_chain = {
        chain: [each.row for each in addition.rules if each.chain == chain] for chain in addition.chains
    }
    counter, drop = nftables.counter(), nftables.drop()
    assert by_chain == {
        "p40000-bite": [(counter, drop)],
        "p40000": [
            (*UDP, *port("destination", 7000), nftables.goto("p40000-bite")),
            (*UDP, *port("source", 7000), nftables.goto("p40000-bite")),
        ],
        "p40000-queue": [],
        "p40000-sink": [(counter, drop)],
    }
    assert [(lead.chain, lead.is_first) for lead in addition.leads] == [
        *[("input", True)] * 2,
        *[("input-queue", True)] * 2,
        *[("input-after", False)] * 2,
    ]
    assert addition.leads[0].row == (*probe_rows(40000)[0], nftables.goto("p40000"))


def test_what_no_fault_may_touch_comes_first() -> None:
    batch = base_chains.found(Ways("queue", reject=True))
    spared = [rule for rule in rules_of(batch) if rule.comment == "spared"]
    chains = ["input", "input-queue", "input-after", "output", "output-queue", "output-after"]
    assert [rule.chain for rule in spared] == [chain for chain in chains for _ in range(3)]
    assert [rule.expressions for rule in spared[:3]] == [
        ("meta", "cmp", "immediate"),
        ("meta", "cmp", "meta", "cmp", "payload", "cmp", "cmp", "immediate"),
        ("meta", "cmp", "immediate"),
    ]


@pytest.mark.parametrize(("way", "name"), [("queue", "queue"), ("target", "target"), (None, "immediate")])
def test_what_leads_out_of_nft_stands_once(way: QueueWay | None, name: str) -> None:
    batch = base_chains.found(Ways(way, reject=True))
    silenced, steered = (rule for rule in rules_of(batch) if rule.comment == "socketlab")
    assert (silenced.chain, steered.chain) == (SILENCED, STEERED)
    assert silenced.expressions[0] == steered.expressions[0] == name


def test_an_addition_is_complete_when_every_rule_of_it_is_there() -> None:
    addition = bites.bite("f7", Drop(BOTH), can_reject=True)
    there = rules_of(addition.batch({}))
    assert addition.is_complete(reversed(there))
    assert not addition.is_complete(there[:-1])
    assert not addition.is_complete([*there, there[-1]])
    assert not addition.is_complete(rules_of(bites.bite("f8", Drop(BOTH), can_reject=True).batch({})))


def test_an_addition_is_removed_in_one_transaction_what_leads_somewhere_first() -> None:
    leads = [Rule("input", handle, "f7", ("immediate",), None) for handle in (4, 9)]
    addition = Addition(name="f7", chains=("f7", "f7-in"))
    begin, *deletions, selecting, bite, end = addition.removal(leads)
    assert [begin.type, end.type] == [16, 17]
    assert [rule_of(deletion.payload).handle for deletion in deletions] == [4, 9]
    assert [selecting.name, bite.name] == ["NFT_MSG_DELCHAIN"] * 2
    assert b"f7-in\0" in selecting.payload
    assert b"f7\0" in bite.payload


REFUSING = iptables.refusing("f7", Reject("tcp-reset", BOTH), ("in", "out"), 0x51010007)


def test_the_text_that_adds_a_verdict_to_iptables_and_the_one_that_takes_it_away() -> None:
    assert REFUSING.added().splitlines() == [
        "*filter",
        ":SL_f7 - [0:0]",
        "-A SL_f7 -p tcp -j REJECT --reject-with tcp-reset",
        "-I INPUT -m mark --mark 0x51010007 -j SL_f7",
        "-I OUTPUT -m mark --mark 0x51010007 -j SL_f7",
        "COMMIT",
    ]
    assert REFUSING.removed().splitlines() == [
        "*filter",
        "-D INPUT -m mark --mark 0x51010007 -j SL_f7",
        "-D OUTPUT -m mark --mark 0x51010007 -j SL_f7",
        "-F SL_f7",
        "-X SL_f7",
        "COMMIT",
    ]


def test_a_verdict_of_iptables_is_read_back() -> None:
    saved = "-A INPUT -m mark --mark 0x1 -j SL_f7\n-A OUTPUT -m mark --mark 0x1 -j SL_f7\n"
    assert REFUSING.is_there(saved + "-A SL_f7 -p tcp -j REJECT\n")
    assert not REFUSING.is_there(saved)
    assert not REFUSING.is_there("-A INPUT -j SL_f7\n-A SL_f7 -j REJECT\n")
    assert not REFUSING.is_there(saved.replace("SL_f7", "SL_f77") + "-A SL_f7 -p tcp -j REJECT\n")


@pytest.mark.parametrize("answer", ANSWERS)
def test_iptables_has_every_answer_for_its_families(answer: Answer) -> None:
    match = Match(proto="tcp")
    rule = iptables.refusing("f1", Reject(answer, match), ("in",), 1)
    expected = {"tcp-reset": ("ipv4", "ipv6")}.get(answer, ("ipv6",) if "6" in answer else ("ipv4",))
    assert rule.families == expected
    assert " -j REJECT --reject-with " in " " + rule.verdict


def test_packets_for_a_queue_leave_iptables_before_its_refusals() -> None:
    silent = iptables.silencing("f1", ("out",), ("ipv6", "ipv4"))
    steered = iptables.steering("f1-queue", ("in",), ("ipv4",), 21331)
    assert (silent.table, steered.table, silent.families) == ("mangle", "mangle", ("ipv4", "ipv6"))
    assert silent.verdict == "-j NFQUEUE --queue-num 57005"
    assert steered.verdict == "-j NFQUEUE --queue-num 21331 --queue-bypass"
