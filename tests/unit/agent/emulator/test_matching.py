"""Everything that a match says must hold, and nothing else."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.agent.emulator.matching import answers_to, established_of, handshake_of, opening_of, taken_by
from socketlab.wire import Match, Reject
from socketlab.wire.fault import SlowHandshake
from tests.unit.agent.emulator.packets import (
    ACK,
    FIN,
    HERE,
    OTHER,
    PORT,
    PSH,
    RST,
    SYN,
    THERE,
    ip,
    parsed,
    tcp,
    udp,
    udp_header,
)

ARRIVING = parsed(tcp(PSH | ACK, b"GET / HTTP"))
SENT = parsed(tcp(PSH | ACK, b"200 OK", out=True), arriving=False)


@pytest.mark.parametrize(
    ("match", "arriving", "sent"),
    [
        (Match(), True, False),
        (Match(direction="out"), False, True),
        (Match(direction="both"), True, True),
        (Match(direction="both", peer=THERE["ipv4"]), True, True),
        (Match(direction="both", peer=HERE["ipv4"]), False, False),
        (Match(direction="both", peer="10.0.0.0/30"), True, True),
        (Match(direction="both", peer="10.0.0.4/30"), False, False),
        (Match(direction="both", peer="fd00::/16"), False, False),
        (Match(direction="both", peer="0.0.0.0/0"), True, True),
        (Match(direction="both", port=PORT), True, True),
        (Match(direction="both", port=OTHER), True, True),
        (Match(direction="both", port="6999-7001"), True, True),
        (Match(direction="both", port=7001), False, False),
        (Match(direction="both", own_port=PORT), True, True),
        (Match(direction="both", own_port=OTHER), False, False),
        (Match(direction="both", peer_port=OTHER), True, True),
        (Match(direction="both", peer_port=PORT), False, False),
        (Match(direction="both", own_port=PORT, peer_port=OTHER), True, True),
        (Match(direction="both", own_port=PORT, peer_port=4712), False, False),
        (Match(direction="both", proto="tcp"), True, True),
        (Match(direction="both", proto="udp"), False, False),
        (Match(direction="both", family="ipv6"), False, False),
        (Match(direction="both", family="ipv4"), True, True),
        (Match(direction="both", flags="PSH"), True, True),
        (Match(direction="both", flags="PSH,!ACK"), False, False),
        (Match(direction="both", flags="SYN"), False, False),
        (Match(direction="both", payload=b"GET"), True, False),
        (Match(direction="both", payload=b"HTTP"), True, False),
        (Match(direction="both", payload=b"HTTPS"), False, False),
    ],
)
def test_each_member_of_a_match(match: Match, arriving: bool, sent: bool) -> None:  # noqa: FBT001
    taken = taken_by(match)
    assert (taken(ARRIVING), taken(SENT)) == (arriving, sent)


def test_a_port_without_a_protocol_is_of_tcp_and_udp() -> None:
    taken = taken_by(Match(port=PORT))
    assert taken(parsed(tcp()))
    assert taken(parsed(udp()))
    assert not taken(parsed(ip(THERE["ipv4"], HERE["ipv4"], 132, udp_header(OTHER, PORT, b""))))


def test_bytes_of_a_header_are_no_payload() -> None:
    assert not taken_by(Match(payload=struct.pack(">H", PORT)))(parsed(udp(b"x")))


def test_a_fragment_without_ports_is_no_ports_business() -> None:
    fragment = parsed(ip(THERE["ipv4"], HERE["ipv4"], 17, b"rest", place=3))
    assert not taken_by(Match(port=PORT))(fragment)
    assert taken_by(Match(proto="udp"))(fragment)


@pytest.mark.parametrize(("direction", "expected"), [("in", [SYN]), ("both", [SYN, SYN | ACK])])
def test_a_handshake_is_the_syn_and_both_ways_its_answer(direction: str, expected: list[int]) -> None:
    taken = handshake_of(SlowHandshake(1, Match(port=PORT, direction=direction)))  # type: ignore[arg-type]
    assert [flags for flags in (SYN, SYN | ACK, ACK, FIN | ACK, RST) if taken(parsed(tcp(flags)))] == expected


def test_openings_carry_a_syn() -> None:
    taken = opening_of(Match(port=PORT))
    assert [flags for flags in (SYN, SYN | ACK, ACK, RST) if taken(parsed(tcp(flags)))] == [SYN, SYN | ACK]


def test_an_established_connection_has_neither_syn_nor_rst() -> None:
    taken = established_of(Match(port=PORT))
    assert [flags for flags in (SYN, SYN | ACK, ACK, FIN | ACK, RST) if taken(parsed(tcp(flags)))] == [
        ACK,
        FIN | ACK,
    ]
    assert established_of(Match(port=PORT, flags="SYN"))(parsed(tcp(SYN)))


def quoting(packet: bytes, family: str, kind: int, code: int) -> bytes:
    return ip(
        HERE[family], THERE[family], 1 if family == "ipv4" else 58, bytes([kind, code]) + bytes(6) + packet
    )


@pytest.mark.parametrize(
    ("family", "answer", "kind", "code"), [("ipv4", "icmp-host", 3, 1), ("ipv6", "icmp6-port", 1, 4)]
)
def test_the_kernels_answer_is_told_by_what_it_quotes(family: str, answer: str, kind: int, code: int) -> None:
    reject = Reject(answer, Match(port=PORT, proto="udp"))  # type: ignore[arg-type]
    taken = answers_to(reject, code)
    refused = udp(b"x" * 1000, family=family)
    assert taken(parsed(quoting(refused, family, kind, code), arriving=False))
    assert taken(parsed(quoting(refused[:100], family, kind, code), arriving=False))
    assert not taken(parsed(quoting(refused, family, kind, code), arriving=True))
    assert not taken(parsed(quoting(refused, family, kind, code + 1), arriving=False))
    assert not taken(parsed(quoting(refused, family, kind + 1, code), arriving=False))
    assert not taken(parsed(quoting(tcp(SYN, family=family), family, kind, code), arriving=False))
    assert not taken(parsed(udp(family=family, out=True), arriving=False))


@settings(deadline=None)
@given(st.binary(max_size=80), st.sampled_from(["ipv4", "ipv6"]))
def test_a_hostile_quote_is_no_answer_of_ours(quote: bytes, family: str) -> None:
    kind, code = (3, 1) if family == "ipv4" else (1, 3)
    answer = "icmp-host" if family == "ipv4" else "icmp6-addr"
    reject = Reject(answer, Match(port=PORT))  # type: ignore[arg-type]
    answers_to(reject, code)(parsed(quoting(quote, family, kind, code), arriving=False))
