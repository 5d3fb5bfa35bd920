"""Probes: what is built is a right packet, fits its match exactly, and one beside it does not."""

import ipaddress
from typing import Any, Literal, get_args

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from socketlab.faults import probes
from socketlab.faults.expecting import expected_of
from socketlab.faults.making import delay, drop, hold, limit, loss, slow_handshake
from socketlab.faults.probes import Carrier, Shape
from socketlab.faults.recognising import Heard, chosen, fits, heard
from socketlab.wire.errors import FaultError
from socketlab.wire.match import Family, Match, Protocol, Which
from socketlab.wire.message import Probed

ENDS = {"ipv4": ("10.0.0.1", "10.0.0.2"), "ipv6": ("fd00::1", "fd00::2")}
ETHERTYPE = {"ipv4": b"\x08\x00", "ipv6": b"\x86\xdd"}


def on_the_wire(shape: Shape) -> Heard:
    """What a capture would hear."""
    said = heard(bytes(12) + ETHERTYPE[shape.family] + probes.packet(shape))
    assert said is not None
    return said


def total(data: bytes) -> int:
    """The Internet checksum over data that holds a right one: 0."""
    data += bytes(len(data) % 2)
    added = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while added >> 16:
        added = (added & 0xFFFF) + (added >> 16)
    return added ^ 0xFFFF


@given(
    family=st.sampled_from(["ipv4", "ipv6"]),
    proto=st.sampled_from(get_args(Carrier)),
    payload=st.binary(max_size=30),
    flags=st.integers(1, 63),
)
def test_a_probe_has_right_lengths_and_sums(
    family: Family, proto: Carrier, payload: bytes, flags: int
) -> None:
    source, target = ENDS[family]
    shape = Shape(
        source=source, target=target, proto=proto, sport=61000, dport=7, flags=flags, payload=payload
    )
    data = probes.packet(shape)
    header = 20 if family == "ipv4" else 40
    if family == "ipv4":
        assert int.from_bytes(data[2:4], "big") == len(data)
        assert total(data[:20]) == 0
    else:
        assert int.from_bytes(data[4:6], "big") == len(data) - 40
    number = 6 if proto == "tcp" else 17
    ends = b"".join(ipaddress.ip_address(each).packed for each in ENDS[family])
    rest = data[header:]
    assert total(ends + len(rest).to_bytes(4, "big") + number.to_bytes(4, "big") + rest) == 0
    said = on_the_wire(shape)
    assert (said.source, said.target, said.sport, said.dport, said.payload) == (
        *ENDS[family],
        61000,
        7,
        payload,
    )


@st.composite
def matches(draw: st.DrawFn) -> Match:
    """Matches of arriving packets whose peer is the prober."""
    members: dict[str, Any] = {
        "family": draw(st.sampled_from([None, "ipv4", "ipv6"])),
        "proto": draw(st.sampled_from([None, "tcp", "udp"])),
        "flags": draw(st.sampled_from([None, None, "SYN", "SYN,ACK", "FIN,!ACK", "!SYN", "RST"])),
        "payload": draw(st.sampled_from([None, None, b"hello"])),
    }
    ports: dict[str, Any] = draw(
        st.sampled_from([{}, {"port": 7000}, {"port": "1-9"}, {"own_port": 80}, {"own_port": "64990-65535"}])
    )
    try:
        return Match(**members, **ports)
    except FaultError:
        reject()


@given(matches())
def test_what_fits_fits_and_what_is_beside_does_not(match: Match) -> None:
    for family in sorted(match.families):
        for carrier in probes.carriers(match):
            source, target = ENDS[family]
            plain = Shape(source=source, target=target, proto=carrier, sport=61234)
            shape = probes.fitting(match, plain, "in")
            assert fits(match, on_the_wire(shape))
            beside = probes.beside(match, shape, "in")
            if beside is None:
                assert match == Match(family=match.family)
            else:
                assert not fits(match, on_the_wire(beside))


@pytest.mark.parametrize("proto", ["icmp", "icmp6"])
def test_nothing_can_carry_a_probe_of_icmp(proto: Protocol) -> None:
    assert probes.carriers(Match(proto=proto)) == ()


@pytest.mark.parametrize(
    ("direction", "match", "bound"),
    [
        ("in", Match(peer_port="5-9"), (5, 9)),
        ("in", Match(own_port=5), None),
        ("out", Match(own_port=5), (5, 5)),
        ("out", Match(peer_port=5), None),
        ("in", Match(port=5), None),
    ],
)
def test_a_probes_own_port_is_bound_where_the_match_speaks_of_it(
    direction: Literal["in", "out"], match: Match, bound: tuple[int, int] | None
) -> None:
    assert probes.own_ports(match, direction) == bound


def test_each_kind_says_what_its_twin_does() -> None:
    assert expected_of(drop()).is_met(Probed(0, 1, 0))
    assert not expected_of(drop()).is_met(Probed(0, 0, 1))
    assert not expected_of(drop()).is_met(Probed(0, 1, 1))
    assert not expected_of(loss(0.1)).is_met(Probed(0, 1, 1))
    assert expected_of(hold()).is_met(Probed(0, 1, 1))
    assert not expected_of(hold()).is_met(Probed(0, 1, 0))
    assert expected_of(delay(2.0)).least == 2
    assert expected_of(delay(2.0)).is_met(Probed(0, 1, 0), late=True)
    assert expected_of(slow_handshake(1.0)).flags == 2
    assert expected_of(limit(10)).payload


@given(
    st.builds(
        dict,
        nth=st.none() | st.integers(1, 9),
        first=st.none() | st.integers(1, 9),
        every=st.none() | st.integers(1, 4),
        after=st.none() | st.integers(1, 9),
        at_most=st.none() | st.integers(1, 4),
    )
)
def test_which_is_chosen_by_ordinals(given: dict[str, int | None]) -> None:
    try:
        which = Which(**given)
    except FaultError:
        reject()
    expected = [
        number
        for number in range(1, 40)
        if (which.nth is None or number == which.nth)
        and (which.first is None or number <= which.first)
        and (which.every is None or number % which.every == 0)
        and (which.after is None or number > which.after)
    ][: which.at_most]
    assert list(chosen(which, range(1, 40))) == expected


def test_bytes_that_are_no_packet_are_not_heard() -> None:
    assert heard(b"") is None
    assert heard(bytes(13)) is None
    assert heard(bytes(12) + b"\x08\x06" + bytes(40)) is None
    short = probes.packet(Shape(source="10.0.0.1", target="10.0.0.2", proto="tcp", sport=1))
    said = heard(bytes(12) + b"\x08\x00" + short[:25])
    assert said is not None
    assert said.sport is None
