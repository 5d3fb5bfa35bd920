"""Matches: what they take, and what is refused because it could never match."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketlab.wire import FaultError, Match, Which
from socketlab.wire.match import FLAGS, Flags, Ports, family_of, flags_of, network_of, ports_of
from tests.unit.wire.any_fault import ADDRESSES, MATCHES, WHICH, flags, patient


def anything(**members: Any) -> Callable[[], Match]:
    """A match of members that mypy need not allow."""
    return lambda: Match(**members)


def some(**members: Any) -> Callable[[], Which]:
    """A `which` of members that mypy need not allow."""
    return lambda: Which(**members)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (anything(port=0), "from 1 to 65535 or a range like 7000-7009, saw 0"),
        (anything(port=65536), "saw 65536"),
        (anything(port="7009-7000"), "saw '7009-7000'"),
        (anything(port="http"), "saw 'http'"),
        (anything(port=True), "saw True"),
        (anything(port=7000.0), "saw 7000.0"),
        (anything(port="7000-"), "saw '7000-'"),
        (anything(port="\N{ARABIC-INDIC DIGIT SEVEN}"), "saw "),
        (anything(own_port=0), "from 1 to 65535"),
        (anything(peer_port=0), "from 1 to 65535"),
        (anything(port=1, own_port=1), "give it, or own_port and peer_port"),
        (anything(port=1, proto="icmp"), "icmp has no ports"),
        (anything(peer_port=1, proto="icmp6"), "icmp6 has no ports"),
        (anything(flags="SYN", proto="udp"), "only TCP has flags, and the match takes udp"),
        (anything(flags="SIN"), "expected TCP flags of FIN,SYN,RST"),
        (anything(flags=""), "expected TCP flags"),
        (anything(flags="SYN,SYN"), "each once"),
        (anything(flags="SYN,!SYN"), "each once"),
        (anything(payload=b""), "1 to 256 bytes to look for"),
        (anything(payload=b"x" * 257), "1 to 256 bytes"),
        (anything(payload="text"), "saw 'text'"),
        (anything(addresses=("10.0.0.1",)), "1 addresses without the name of a peer"),
        (anything(peer="x", addresses=("client",)), "expected an IPv4 or IPv6 address.*saw 'client'"),
        (anything(peer=""), "expected the name of a host"),
        (anything(peer=" "), "expected the name of a host"),
        (anything(peer="a\nb"), "expected the name of a host"),
        (anything(peer="x" * 254), "at most 253"),
        (anything(peer="10.0.0.1/24"), "has host bits set"),
        (anything(peer="10.0.0.0/33"), "expected an IPv4 or IPv6 address"),
        (anything(peer="fd00::g"), "expected an IPv4 or IPv6 address"),
        (anything(peer="fe80::1%eth0"), "without what stands after its %"),
        (anything(peer="client%"), "expected an IPv4 or IPv6 address"),
        (anything(peer="127.0.0.1"), "127.0.0.1 is this host itself"),
        (anything(peer="::1"), "is this host itself"),
        (anything(peer="127.0.0.0/8"), "is this host itself"),
        (anything(peer="localhost", addresses=("127.0.0.1", "::1")), "localhost is this host itself"),
        (anything(peer="10.0.0.1", family="ipv6"), "peer 10.0.0.1, protocol None and family ipv6"),
        (anything(peer="fd00::1", proto="icmp"), "protocol icmp and family None"),
        (anything(proto="icmp6", family="ipv4"), "no family in common"),
        (anything(direction="up"), r"direction: expected in \| out \| both, saw 'up'"),
        (anything(proto="sctp"), "proto: expected tcp"),
        (anything(family="inet"), "family: expected ipv4"),
    ],
)
def test_what_cannot_match_is_refused(make: Callable[[], Match], says: str) -> None:
    with pytest.raises(FaultError, match=says):
        make()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (some(), "which packets"),
        (some(nth=0), "nth counts packets from 1, saw 0"),
        (some(first=-1), "first counts packets"),
        (some(every=1.5), "every counts packets from 1, saw 1.5"),
        (some(after=True), "after counts packets"),
        (some(at_most=2**31), "at_most counts packets"),
        (some(probability=0), "from 1e-09 to 1"),
        (some(probability=1.3), "saw 1.3"),
        (some(probability=math.nan), "saw nan"),
        (some(probability="30%"), "saw '30%'"),
        (some(probability=True), "saw True"),
        (some(seed=1), "a seed without a probability"),
        (some(probability=0.5, seed=-1), "expected a seed from 0"),
        (some(probability=0.5, seed=2**53 + 1), "expected a seed"),
        (some(probability=0.5, seed=1.0), "expected a seed"),
        (some(nth=3, first=2), "no packet can be all of this: --nth 3 --first 2"),
        (some(nth=3, after=3), "no packet"),
        (some(first=3, after=3), "no packet"),
        (some(nth=3, every=2), "no packet"),
        (some(first=4, after=2, every=5), "no packet"),
        (lambda: Which(first=2) & Which(first=3), "first is given twice"),
        (lambda: Which(first=2) & Which(after=2), "no packet"),
    ],
)
def test_which_that_chooses_nothing_is_refused(make: Callable[[], Which], says: str) -> None:
    with pytest.raises(FaultError, match=says):
        make()


def bites(which: Which, ordinal: int) -> bool:
    """What the words of `Which` say, ordinal by ordinal; chance and `at_most` aside."""
    return (
        which.nth in {None, ordinal}
        and (which.first is None or ordinal <= which.first)
        and (which.every is None or ordinal % which.every == 0)
        and (which.after is None or ordinal > which.after)
    )


_SMALL = st.none() | st.integers(1, 12)


@patient
@given(_SMALL, _SMALL, _SMALL, _SMALL)
def test_which_is_refused_exactly_when_no_packet_satisfies_it(
    nth: int | None, first: int | None, every: int | None, after: int | None
) -> None:
    members = {"nth": nth, "first": first, "every": every, "after": after}
    given_members = {name: value for name, value in members.items() if value is not None}
    if not given_members:
        return
    try:
        which = Which(**given_members)
    except FaultError:
        bare = object.__new__(Which)
        for name in Which.__dataclass_fields__:
            object.__setattr__(bare, name, given_members.get(name))
        assert not any(bites(bare, ordinal) for ordinal in range(1, 200))
    else:
        assert any(bites(which, ordinal) for ordinal in range(1, 200))


def test_both_must_hold() -> None:
    assert Which(first=6) & Which(every=2) & Which(probability=0.5, seed=3) == Which(
        first=6, every=2, probability=0.5, seed=3
    )


@patient
@given(WHICH)
def test_which_is_shown_by_its_options(which: Which) -> None:
    shown = str(which).split()
    assert len(shown) == 2 * sum(getattr(which, name) is not None for name in Which.__dataclass_fields__)


def test_ports() -> None:
    assert ports_of(7000) == ports_of("7000") == Ports(7000, 7000)
    assert ports_of("1-65535") == Ports(1, 65535)
    assert Match(port="7000").port == Match(port="7000-7000").port == 7000
    assert Match(own_port="7000-7009").own_port == "7000-7009"
    assert Match(port=1).protocols == ("tcp", "udp")
    assert Match(port=1, proto="udp").protocols == ("udp",)
    assert Match().protocols == ()


def test_flags() -> None:
    syn, ack, fin = FLAGS["SYN"], FLAGS["ACK"], FLAGS["FIN"]
    assert flags_of("SYN") == Flags(syn | ack, syn), "an opening SYN has no ACK"
    assert flags_of("syn,ack") == Flags(syn | ack, syn | ack)
    assert flags_of("FIN,!ACK") == Flags(fin | ack, fin)
    assert flags_of("!SYN") == Flags(syn, 0)
    assert Match(flags="fin").flags == "FIN"
    assert Match(flags="FIN").proto == "tcp"


@patient
@given(flags())
def test_flags_that_are_set_are_looked_for(given_flags: str) -> None:
    found = flags_of(given_flags)
    assert found.value & ~found.mask == 0
    for word in given_flags.split(","):
        bit = FLAGS[word.removeprefix("!")]
        assert found.mask & bit
        assert bool(found.value & bit) == (not word.startswith("!"))


@pytest.mark.parametrize(
    ("peer", "addresses"),
    [
        ("10.213.7.10", ("10.213.7.10",)),
        ("10.213.7.0/24", ("10.213.7.0/24",)),
        ("10.213.7.10/32", ("10.213.7.10",)),
        ("FD00:0:0:0::0001", ("fd00::1",)),
        ("fd00::/64", ("fd00::/64",)),
        ("::ffff:10.213.7.10", ("10.213.7.10",)),
        ("::ffff:10.213.7.0/120", ("10.213.7.0/24",)),
        ("0.0.0.0/0", ("0.0.0.0/0",)),
        ("client", ()),
        ("web_2", ()),
        ("10.0.0.300", ()),
    ],
)
def test_an_address_needs_no_resolving(peer: str, addresses: tuple[str, ...]) -> None:
    match = Match(peer=peer)
    assert match.addresses == addresses
    assert match.is_resolved == bool(addresses)


def test_a_peer_is_each_of_its_addresses_once() -> None:
    match = Match(peer="client", addresses=("10.0.0.1", "10.0.0.1/32", "fd00::1", "127.0.0.1"))
    assert match.addresses == ("10.0.0.1", "fd00::1", "127.0.0.1")
    assert [str(each) for each in match.networks] == ["10.0.0.1/32", "fd00::1/128", "127.0.0.1/32"]
    assert [
        str(each) for each in Match(peer="c", addresses=("10.0.0.1", "fd00::1"), family="ipv6").networks
    ] == ["fd00::1/128"]


def test_families() -> None:
    assert Match().families == {"ipv4", "ipv6"}
    assert Match(peer="client").families == {"ipv4", "ipv6"}
    assert Match(peer="fd00::1").families == {"ipv6"}
    assert Match(proto="icmp").families == {"ipv4"}
    assert Match(proto="icmp6").families == {"ipv6"}
    assert Match(family="ipv4").families == {"ipv4"}
    assert family_of("fd00::/64") == "ipv6"


@patient
@given(ADDRESSES)
def test_any_address_is_a_peer(address: str) -> None:
    assert [str(each) for each in Match(peer=address).networks] == [str(network_of(address))]


@patient
@given(MATCHES)
def test_every_match_that_can_be_made_can_match(match: Match) -> None:
    assert match.families
    assert len(match.networks) <= len(match.addresses)
