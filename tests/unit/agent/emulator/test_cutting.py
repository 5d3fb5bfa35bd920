"""Connections cut: who gets which RST, and after how many bytes."""

import pytest

from services.agent.emulator.checksums import has_valid_sum
from socketlab.wire import Limit, Match, Reset, Which
from tests.unit.agent.emulator.packets import ACK, FIN, PSH, RST, SYN, Bench, ip, parsed, tcp, tcp_header, udp

FAMILIES = ["ipv4", "ipv6"]


@pytest.mark.parametrize("family", FAMILIES)
def test_both_ends_get_a_rst_where_they_expect_the_next_byte(family: str) -> None:
    bench = Bench(Reset(Match(port=7000)))
    data = tcp(PSH | ACK, b"hello", family=family, seq=1000, ack=77, options=b"\x01" * 12)
    changed = bench.bytes_of(bench.feed(data))
    assert changed is not None
    there = parsed(changed)
    assert (there.flags, there.seq, there.ack, there.length) == (RST | ACK, 1000, 77, 0)
    assert there.flow == parsed(data).flow
    (injected,) = bench.injected
    back = parsed(injected)
    assert (back.flags, back.seq, back.length) == (RST, 77, 0)
    assert (back.flow.source, back.flow.sport) == (there.flow.destination, there.flow.dport)
    assert (back.flow.destination, back.flow.dport) == (there.flow.source, there.flow.sport)
    assert has_valid_sum(there)
    assert has_valid_sum(back)
    assert there.end == len(changed)
    assert bench.did() == [(1, "reset")]


def test_headers_of_ip_stay_where_the_kernel_knows_them() -> None:
    bench = Bench(Reset(Match(port=7000)))
    rest = tcp_header(4711, 7000, ACK, b"hello")
    v4 = bench.bytes_of(bench.feed(ip("10.0.0.2", "10.0.0.1", 6, rest, more=b"\x01" * 8)))
    v6 = bench.bytes_of(bench.feed(ip("fd00::2", "fd00::1", 6, rest, more=bytes([60, 6, 0]) + bytes(6))))
    assert v4 is not None
    assert v6 is not None
    assert parsed(v4).transport == 28
    assert parsed(v6).transport == 48
    assert parsed(v4).flags == parsed(v6).flags == RST | ACK


def test_who_opens_a_connection_is_left_alone_and_so_is_who_ends_it() -> None:
    bench = Bench(Reset(Match(port=7000)))
    for flags in (SYN, SYN | ACK, RST, RST | ACK):
        assert bench.feed(tcp(flags)) in bench.accepted
    assert bench.emulation.counts("f1") == (0, 0, 0)


def test_the_packet_that_completes_a_handshake_is_let_be_and_the_next_is_not() -> None:
    bench = Bench(Reset(Match(port=7000)))
    for data in (tcp(SYN, seq=9), tcp(SYN, seq=9), tcp(ACK, seq=10), tcp(ACK, seq=10)):
        bench.feed(data)
    assert bench.emulation.counts("f1") == (1, 1, 0)
    bench.feed(tcp(SYN, seq=9))
    bench.feed(tcp(ACK, b"data at once", seq=10))
    assert bench.emulation.counts("f1") == (2, 2, 0)


def test_a_syn_that_is_asked_for_is_refused() -> None:
    bench = Bench(Reset(Match(port=7000, flags="SYN")))
    bench.feed(tcp(SYN, seq=41))
    back = parsed(bench.injected[0])
    assert (back.flags, back.seq, back.ack) == (RST | ACK, 0, 42)


def test_the_third_packet_resets() -> None:
    bench = Bench(Reset(Match(port=7000, which=Which(nth=3))))
    for _ in range(4):
        bench.feed(tcp(ACK, b"x"))
    assert bench.did() == [(3, "reset")]


def test_whole_packets_pass_up_to_the_limit() -> None:
    bench = Bench(Limit(10, Match(proto="udp")))
    for size in (4, 6, 1, 0):
        bench.feed(udp(b"x" * size))
    assert (bench.accepted, bench.dropped) == ([1, 2, 4], [3])
    assert bench.feed(udp(b"x" * 10, sport=9)) in bench.accepted
    assert bench.feed(udp(b"x", sport=9)) in bench.dropped


def test_what_tcp_sends_again_counts_once() -> None:
    bench = Bench(Limit(10, Match(port=7000)))
    segments = [(1, 5), (1, 5), (6, 5), (1, 10), (11, 5), (11, 5), (6, 5)]
    bench.feed(tcp(SYN, seq=0))
    for seq, size in segments:
        bench.feed(tcp(ACK, b"x" * size, seq=seq))
    assert bench.accepted == [1, 2, 3, 4, 5, 8]
    assert bench.dropped == [6, 7]
    assert bench.feed(tcp(FIN | ACK, seq=16)) in bench.accepted


def test_sequence_numbers_wrap() -> None:
    bench = Bench(Limit(10, Match(port=7000)))
    for seq in (2**32 - 5, 0, 5):
        bench.feed(tcp(ACK, b"x" * 5, seq=seq))
    assert (bench.accepted, bench.dropped) == ([1, 2], [3])


def test_a_port_that_is_used_again_begins_anew() -> None:
    bench = Bench(Limit(0, Match(port=7000)), Limit(5, Match(port=7000)))
    bench.remove("f1")
    bench.feed(tcp(ACK, b"x" * 6, seq=1))
    bench.feed(tcp(SYN, seq=900))
    bench.feed(tcp(ACK, b"x" * 5, seq=901))
    assert (bench.accepted, bench.dropped) == ([2, 3], [1])


def test_a_limit_may_reset() -> None:
    bench = Bench(Limit(5, Match(port=7000), then="reset"))
    bench.feed(tcp(ACK, b"x" * 5, seq=1))
    cut = bench.feed(tcp(ACK, b"x", seq=6, ack=3))
    changed = bench.bytes_of(cut)
    assert changed is not None
    assert parsed(changed).flags == RST | ACK
    assert parsed(bench.injected[0]).seq == 3
