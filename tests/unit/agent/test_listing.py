"""What `socketlab-fault` shows."""

import dataclasses

import pytest

from services.agent import listing
from services.agent.kinds import EXAMPLES, UNTRIED
from socketlab.wire import KINDS, Drop, HeldPacket, Kind, Lease, LogEntry, LogPage, Match, Reject, Route
from socketlab.wire.effects import OF_KINDS
from socketlab.wire.fault import match_of

LEASES = [
    Lease(id="f1", fault=Drop(Match(port=7005, proto="tcp")), holder="standing", bitten=12),
    Lease(id="f12", fault=Route("throw", "10.0.0.0/8"), seconds_left=29.96),
]


def test_the_table_is_aligned() -> None:
    heading, first, second = listing.leases(LEASES).splitlines()
    assert first.index("drop") == second.index("route") == heading.index("what")
    assert first.index("standing") == second.index("30.0 s") == heading.index("time left")
    assert first[: first.index("  standing")].endswith("12")
    assert second[: second.index("  30.0 s")].endswith(" -")


def test_an_overflow_is_never_silent() -> None:
    lost = dataclasses.replace(LEASES[0], overflow=3)
    assert "f1 lost 3 packets beside its purpose" in listing.leases([lost])
    assert "lost 3 packets" in "\n".join(listing.changes([LEASES[0]], [lost]))
    assert "lost" not in listing.leases(LEASES)


def test_who_holds_a_fault_is_shown() -> None:
    by_client = Lease(id="f2", fault=Drop(Match()), holder="client")
    assert "while its holder is connected" in listing.leases([by_client])
    assert "Ctrl-C" in listing.applied(by_client, alone=True)
    assert "socketlab-fault heal f12" in listing.applied(dataclasses.replace(LEASES[1], seconds_left=None))


def test_a_connected_udp_socket_is_not_told_of_every_answer() -> None:
    def shown(fault: Reject) -> str:
        return listing.applied(Lease(id="f1", fault=fault, bitten=0))

    assert "IP_RECVERR" in shown(Reject("icmp-host", Match(port=7000, proto="udp")))
    assert "IP_RECVERR" in shown(Reject("icmp6-no-route", Match()))
    assert "IP_RECVERR" not in shown(Reject("icmp-host", Match(port=7000, proto="tcp")))
    assert "IP_RECVERR" not in shown(Reject("icmp-port", Match(port=7000, proto="udp")))


def test_changes_are_what_came_bit_and_went() -> None:
    old = Lease(id="f1", fault=Drop(Match()), bitten=3)
    bit = dataclasses.replace(old, bitten=7)
    assert listing.changes([], [old]) == ["f1 in force (until healed): drop"]
    assert listing.changes([old], [old]) == []
    assert listing.changes([old], [bit]) == ["f1 bitten: 7 (+4)"]
    assert listing.changes([bit], []) == ["f1 gone: drop; packets bitten: 7"]


def test_the_log_counts_its_times_from_its_first_entry() -> None:
    flow = "tcp 10.0.0.2:4711 > 10.0.0.1:7000"
    page = LogPage(
        1,
        (
            LogEntry(8, 5_000_000_000, "f1", flow, 1, "delayed", "0.0203 s"),
            LogEntry(9, 5_250_000_000, "f1", flow, 2, "dropped"),
        ),
        missing=7,
    )
    forgotten, first, second = listing.entries(page, 5_000_000_000)
    assert "7 entries are missing" in forgotten
    assert first.split() == ["8", "+0.000000", "s", "f1", "#1", "delayed", *flow.split(), "0.0203", "s"]
    assert second.split()[:3] == ["9", "+0.250000", "s"]
    assert second.index("dropped") == first.index("delayed")


def test_held_packets_are_a_table() -> None:
    flow = "udp 10.0.0.2:9 > 10.0.0.1:9"
    heading, row = listing.held([HeldPacket(17, "f2", 10**9, flow, "length 5", 33)], 3 * 10**9).splitlines()
    assert heading.split() == ["packet", "by", "waits", "bytes", "what"]
    assert row.split() == ["17", "f2", "2.0", "s", "33", *flow.split(), "length", "5"]
    assert listing.held([], 0) == "no packet waits"


def test_a_kind_that_is_missing_says_why() -> None:
    shown = listing.kinds([Kind("drop"), Kind("drop --direction out", "no queue here")])
    assert shown.count("NOT ON THIS MACHINE: no queue here") == 1


def test_a_kind_says_what_each_call_gets() -> None:
    shown = listing.kinds([Kind("reject icmp-port", by="nft")])
    assert shown.startswith("reject icmp-port  (nft)\n    TCP connect: ECONNREFUSED")
    assert "UDP connected: send succeeds; the next call" in shown
    assert "UDP unconnected: send succeeds; no answer" in shown
    assert "    UDP: send" in listing.kinds([Kind("drop")])
    assert "Not tried here" in listing.kinds([Kind("link")])


def test_one_kind_can_be_asked_about() -> None:
    every = [Kind(name) for name in EXAMPLES]
    assert listing.kinds(every, "mtu").startswith("mtu\n")
    assert "\nreset" not in listing.kinds(every, "mtu")
    assert "reset --now" in listing.kinds(every, "reset")


@pytest.mark.parametrize("language", ["en", "es"])
def test_everything_fits_on_a_terminal(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", f"{language}.UTF-8")
    shown = [listing.usages(), listing.kinds(Kind(name, "why", "queue") for name in EXAMPLES)]
    assert max(len(line) for text in shown for line in text.splitlines()) < 80


def test_every_kind_has_an_example_that_bites_nobody() -> None:
    assert {example.kind for example in EXAMPLES.values()} == set(KINDS)
    assert EXAMPLES.keys() == OF_KINDS.keys()
    assert EXAMPLES.keys() >= UNTRIED
    for name, example in EXAMPLES.items():
        match = match_of(example)
        assert match is None or match.addresses == ("192.0.2.1", "2001:db8::1"), name
        assert match is None or match.is_resolved
    assert {example.kind for name, example in EXAMPLES.items() if name in UNTRIED} == {"link"}


def test_help_shows_how_every_kind_is_written() -> None:
    usages = listing.usages()
    assert all(f"\n  {kind}" in f"\n{usages}" for kind in KINDS)
