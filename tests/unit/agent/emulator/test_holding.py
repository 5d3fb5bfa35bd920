"""Held packets: listed, and released, dropped or doubled one by one."""

import pytest

from services.messages import ServiceError
from socketlab.wire import Delay, Hold, Loss, Match
from socketlab.wire.lease import Step
from tests.unit.agent.emulator.packets import ACK, MS, SYN, Bench, tcp, udp

ALL = Match(direction="both")


def step(bench: Bench, number: int, what: Step = "release") -> None:
    bench.take(bench.emulation.advance(bench.now, number, what))


def test_what_is_held_is_listed() -> None:
    bench = Bench(Hold(ALL))
    bench.feed(tcp(SYN, seq=17), at=5)
    bench.feed(udp(b"hello"), at=6)
    first, second = bench.emulation.held()
    assert (first.number, first.lease, first.at_ns) == (1, "f1", 5)
    assert first.flow == "tcp 10.0.0.2:4711 > 10.0.0.1:7000"
    assert (first.summary, first.length) == ("[S] seq 17 length 0", 40)
    assert (second.number, second.summary, second.length) == (2, "length 5", 33)
    assert bench.actions == []
    assert bench.emulation.next_due() is None


def test_any_order_and_each_step() -> None:
    bench = Bench(Hold(ALL))
    for number in range(4):
        bench.feed(udp(b"%d" % number))
    step(bench, 3)
    step(bench, 1, "drop")
    step(bench, 4, "duplicate")
    assert bench.accepted == [3, 4]
    assert bench.dropped == [1]
    assert bench.injected == [udp(b"3")]
    assert [packet.number for packet in bench.emulation.held()] == [2]
    assert bench.did()[4:] == [(3, "released"), (1, "dropped"), (4, "duplicated")]


def test_a_released_packet_goes_on_to_the_faults_behind() -> None:
    bench = Bench(Hold(ALL), Delay(0.01, ALL))
    bench.feed(udp())
    step(bench, 1, "duplicate")
    assert bench.actions == []
    bench.wait(10 * MS)
    assert bench.accepted == [1]
    assert len(bench.injected) == 1


def test_retransmissions_are_told() -> None:
    bench = Bench(Hold(ALL))
    for data in (
        tcp(ACK, b"abc", seq=5),
        tcp(ACK, seq=5),
        tcp(ACK, b"abc", seq=5),
        tcp(ACK, b"def", seq=8),
        tcp(ACK, b"abc", seq=5, out=True),
    ):
        bench.feed(data)
    assert ["retransmission of 1" in packet.summary for packet in bench.emulation.held()] == [
        False,
        False,
        True,
        False,
        False,
    ]
    step(bench, 1)
    bench.feed(tcp(ACK, b"abc", seq=5))
    assert "retransmission of 1" in bench.emulation.held()[-1].summary


def test_too_many_are_lost_and_counted() -> None:
    bench = Bench(Hold(ALL, most=2))
    for _ in range(3):
        bench.feed(udp())
    assert bench.dropped == [3]
    assert bench.emulation.counts("f1") == (2, 3, 1)
    step(bench, 1)
    assert bench.feed(udp()) not in bench.dropped


def test_an_unknown_number_is_refused() -> None:
    bench = Bench(Hold(ALL), Delay(1, Match(proto="tcp")))
    bench.feed(udp())
    for number in (0, 2, 99):
        with pytest.raises(ServiceError) as caught:
            step(bench, number)
        assert caught.value.details["known"] == "1"
    step(bench, 1)
    with pytest.raises(ServiceError):
        step(bench, 1)


def test_what_another_fault_keeps_is_not_held() -> None:
    bench = Bench(Delay(1, ALL))
    bench.feed(udp())
    assert bench.emulation.held() == ()
    with pytest.raises(ServiceError):
        step(bench, 1)


def test_healing_releases_in_order() -> None:
    bench = Bench(Hold(ALL))
    fed = [bench.feed(udp()) for _ in range(5)]
    step(bench, 3)
    before = bench.emulation.held_changes
    bench.remove("f1")
    assert bench.accepted == [3, 1, 2, 4, 5]
    assert fed == [1, 2, 3, 4, 5]
    assert bench.emulation.held_changes > before


def test_each_lease_lists_its_own() -> None:
    bench = Bench(Hold(Match(proto="tcp")), Hold(Match(proto="udp")))
    bench.feed(udp())
    bench.feed(tcp())
    assert [packet.lease for packet in bench.emulation.held()] == ["f2", "f1"]
    assert [packet.number for packet in bench.emulation.held("f1")] == [2]


def test_what_somebody_else_has_thrown_away_is_told() -> None:
    bench = Bench(Hold(ALL), Loss(1, ALL))
    for _ in range(3):
        bench.feed(udp())
    assert bench.emulation.in_kernel() == 3
    bench.emulation.lose_oldest(9, 2)
    assert [packet.number for packet in bench.emulation.held()] == [3]
    assert bench.emulation.counts("f1").overflow == 2
    assert bench.did("f1")[3:] == [(1, "lost"), (2, "lost")]
    assert "foreign" in bench.log("f1")[-1].detail


def test_a_verdict_that_came_too_late_is_told() -> None:
    bench = Bench(Delay(0.01, ALL))
    packet = bench.feed(udp())
    bench.wait(10 * MS)
    bench.emulation.refused(bench.now, packet)
    bench.emulation.refused(bench.now, packet)
    assert bench.did() == [(1, "delayed"), (1, "lost")]
    assert bench.emulation.counts("f1").overflow == 1
