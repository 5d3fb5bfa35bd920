"""Packets are read as far as they go, and hostile bytes are no trouble."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.agent.emulator.checksums import checksum, has_valid_sum, mended
from services.agent.emulator.flows import flow_words
from services.agent.emulator.packet import ABSENT, Packet, PacketError
from tests.unit.agent.emulator.packets import (
    ACK,
    HERE,
    SYN,
    THERE,
    ip,
    parsed,
    tcp,
    tcp_header,
    udp,
    udp_header,
)

FAMILIES = ["ipv4", "ipv6"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_segment(family: str) -> None:
    packet = parsed(tcp(SYN | ACK, b"hello", family=family, seq=17, ack=4, options=b"\x02\x04\x05\xb4"))
    assert (packet.flags, packet.seq, packet.ack, packet.length) == (SYN | ACK, 17, 4, 5)
    assert packet.data[packet.payload : packet.end] == b"hello"
    assert packet.stream_length == 6
    assert packet.flow[3:] == (4711, 7000)


@pytest.mark.parametrize(
    ("family", "words"),
    [("ipv4", "udp 10.0.0.2:4711 > 10.0.0.1:7000"), ("ipv6", "udp [fd00::2]:4711 > [fd00::1]:7000")],
)
def test_a_datagram(family: str, words: str) -> None:
    packet = parsed(udp(b"abc", family=family))
    assert packet.data[packet.payload : packet.end] == b"abc"
    assert flow_words(packet.flow) == words


def test_options_of_ipv4_are_stepped_over() -> None:
    packet = parsed(ip("10.0.0.2", "10.0.0.1", 17, udp_header(1, 2, b"abc"), more=bytes(8)))
    assert (packet.flow.sport, packet.flow.dport, packet.length) == (1, 2, 3)


def test_extension_headers_of_ipv6_are_stepped_over() -> None:
    chain = bytes([0]) + bytes([60, 1]) + bytes(14) + bytes([17, 0]) + bytes(6)
    packet = parsed(ip("fd00::2", "fd00::1", 17, udp_header(1, 2, b"abc"), more=chain))
    assert (packet.flow.protocol, packet.flow.sport, packet.length) == (17, 1, 3)


def test_a_fragment_behind_the_first_has_no_ports() -> None:
    v4 = parsed(ip("10.0.0.2", "10.0.0.1", 17, b"more payload", place=3))
    v6 = parsed(
        ip("fd00::2", "fd00::1", 17, b"more payload", more=bytes([44, 17, 0]) + struct.pack(">HI", 3 << 3, 9))
    )
    for packet in (v4, v6):
        assert packet.fragment
        assert (packet.flow.sport, packet.flow.dport) == (ABSENT, ABSENT)
        assert packet.length == 12
    assert flow_words(v4.flow) == "udp 10.0.0.2 > 10.0.0.1"


def test_a_first_fragment_has_ports_and_no_sum() -> None:
    packet = parsed(ip("10.0.0.2", "10.0.0.1", 17, udp_header(1, 2, b"abc"), place=0x2000))
    assert packet.flow.dport == 2
    assert mended(packet) == packet.data


def test_a_cut_off_header_has_no_flags_and_no_payload() -> None:
    packet = parsed(ip("10.0.0.2", "10.0.0.1", 6, tcp_header(1, 2, SYN)[:12]))
    assert (packet.flow.sport, packet.flags, packet.length) == (1, 0, 0)


@pytest.mark.parametrize(
    "data", [b"", b"\x45", bytes(20), b"\x46" + bytes(19), b"\x60" + bytes(20), b"\x55" * 40]
)
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        parsed(data)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x45", b"\x4f", b"\x60"]))
def test_hostile_bytes_raise_one_error_only(data: bytes, first: bytes) -> None:
    try:
        packet = Packet(first + data, arriving=True)
    except PacketError:
        return
    assert 0 <= packet.transport <= packet.payload <= packet.end <= len(packet.data)
    flow_words(packet.flow)


@settings(deadline=None)
@given(st.integers(0, 120), st.integers(0, 255), st.sampled_from(FAMILIES), st.booleans())
def test_a_spoilt_header_raises_one_error_only(at: int, value: int, family: str, is_tcp: bool) -> None:  # noqa: FBT001
    data = bytearray(tcp(ACK, b"x" * 40, family=family) if is_tcp else udp(b"x" * 40, family=family))
    data[at % len(data)] = value
    try:
        packet = parsed(bytes(data))
    except PacketError:
        return
    assert packet.transport <= packet.payload <= packet.end <= len(data)


def test_the_checksum_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert checksum(b"\x01") == 0xFEFF


@pytest.mark.parametrize("family", FAMILIES)
@settings(deadline=None)
@given(payload=st.binary(max_size=80))
def test_a_mended_packet_has_valid_sums(family: str, payload: bytes) -> None:
    for data in (udp(payload, family=family), tcp(ACK, payload, family=family)):
        packet = parsed(data)
        assert has_valid_sum(packet)
        if payload:
            spoilt = bytearray(data)
            spoilt[-1] ^= 1
            assert not has_valid_sum(parsed(bytes(spoilt)))
        assert mended(packet) == data


def test_a_datagram_without_a_sum_is_valid() -> None:
    data = bytearray(udp(b"abc"))
    data[26:28] = b"\0\0"
    assert has_valid_sum(parsed(bytes(data)))


def test_a_copy_is_not_in_the_kernels_queue() -> None:
    packet = Packet(udp(), arriving=True, number=5, device=2)
    copy = packet.copy()
    assert (copy.number, copy.device, copy.data) == (None, 2, packet.data)


@pytest.mark.parametrize(
    ("to", "expected"),
    [("239.1.1.1", True), ("ff02::1", True), *((a, False) for a in (HERE["ipv4"], THERE["ipv6"]))],
)
def test_a_group_is_told_from_a_host(to: str, expected: bool) -> None:  # noqa: FBT001
    source = "fd00::9" if ":" in to else "10.0.0.9"
    assert parsed(ip(source, to, 17, udp_header(1, 2, b""))).is_broadcast is expected
