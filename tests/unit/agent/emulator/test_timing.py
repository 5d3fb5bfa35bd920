"""What waits: how long, in which order, and where it goes on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.agent.emulator import line as line_module
from socketlab.wire import Delay, Match, Reject, Reorder, SlowHandshake, Which
from socketlab.wire.fault import Distribution
from tests.unit.agent.emulator.packets import ACK, FIN, MS, SYN, Bench, ip, tcp, udp

ALL = Match(direction="both")


def test_a_packet_waits_as_long_as_it_is_told_to_and_not_less() -> None:
    bench = Bench(Delay(0.02, ALL))
    packet = bench.feed(udp(), at=5)
    bench.wait(5 + 20 * MS - 1)
    assert bench.accepted == []
    bench.wait(5 + 20 * MS)
    assert bench.accepted == [packet]
    assert bench.log()[0].detail == "0.0200 s, length 1"


def test_delays_add_up() -> None:
    bench = Bench(Delay(0.02, ALL), Delay(0.03, ALL))
    packet = bench.feed(udp())
    bench.wait(50 * MS - 1)
    assert bench.accepted == []
    bench.wait(50 * MS)
    assert bench.accepted == [packet]


def test_only_chosen_packets_wait() -> None:
    bench = Bench(Delay(0.5, Match(flags="FIN")))
    assert bench.feed(tcp(ACK, b"x")) in bench.accepted
    assert bench.feed(tcp(FIN | ACK)) not in bench.accepted


@pytest.mark.parametrize("distribution", ["uniform", "normal", "pareto"])
@settings(deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_flow_keeps_its_order_whatever_the_jitter(distribution: Distribution, seed: int) -> None:
    bench = Bench(Delay(0.02, ALL, jitter=0.02, distribution=distribution, seed=seed))
    fed = [bench.feed(udp(), at=number * MS) for number in range(20)]
    bench.wait(10_000_000 * MS)
    assert bench.accepted == fed


def test_jitter_may_reorder_where_it_is_asked_to() -> None:
    bench = Bench(Delay(0.02, ALL, jitter=0.02, reorder=True, seed=1))
    fed = [bench.feed(udp(), at=number * MS) for number in range(20)]
    bench.wait(1000 * MS)
    assert sorted(bench.accepted) == fed
    assert bench.accepted != fed


def test_flows_do_not_wait_for_each_other() -> None:
    bench = Bench(Delay(0.02, ALL, jitter=0.02, seed=1))
    for number in range(40):
        bench.feed(udp(sport=1000 + number % 2), at=number * MS // 10)
    bench.wait(1000 * MS)
    assert sorted(bench.accepted) != bench.accepted
    for flow in (0, 1):
        mine = [packet for packet in bench.accepted if packet % 2 == flow]
        assert mine == sorted(mine)


@settings(deadline=None)
@given(
    seconds=st.floats(0.001, 1),
    jitter=st.floats(0, 1),
    distribution=st.sampled_from(["uniform", "normal", "pareto"]),
)
def test_nothing_is_early(seconds: float, jitter: float, distribution: Distribution) -> None:
    if distribution == "uniform":
        jitter = min(jitter, seconds)
    bench = Bench(Delay(seconds, ALL, jitter=jitter, distribution=distribution, seed=3, reorder=True))
    for _ in range(20):
        bench.feed(udp(), at=0)
    least = {"uniform": seconds - jitter, "normal": 0, "pareto": seconds}[distribution]
    due = bench.emulation.next_due()
    assert due is not None
    assert due >= least * 1000 * MS - 1


def test_a_slow_handshake_leaves_open_connections_alone() -> None:
    bench = Bench(SlowHandshake(1.5, Match(port=7000)))
    syn = bench.feed(tcp(SYN))
    segment = bench.feed(tcp(ACK, b"x"))
    assert bench.accepted == [segment]
    bench.wait(1500 * MS)
    assert bench.accepted == [segment, syn]
    assert bench.emulation.counts("f1")[:2] == (1, 1)


@pytest.mark.parametrize(
    ("gap", "expected"), [(1, [2, 1, 3, 4, 5]), (3, [2, 3, 4, 1, 5]), (9, [2, 3, 4, 5, 1])]
)
def test_a_packet_is_overtaken_by_so_many(gap: int, expected: list[int]) -> None:
    bench = Bench(Reorder(Match(which=Which(first=1)), gap=gap))
    for _ in range(5):
        bench.feed(udp())
    bench.wait(200 * MS)
    assert bench.accepted == expected


def test_every_fifth_is_overtaken_by_two() -> None:
    bench = Bench(Reorder(Match(which=Which(every=5)), gap=2))
    for _ in range(8):
        bench.feed(udp())
    assert bench.accepted == [1, 2, 3, 4, 6, 7, 5, 8]


def test_what_goes_by_is_not_held_itself() -> None:
    bench = Bench(Reorder(ALL, gap=1))
    for _ in range(6):
        bench.feed(udp())
    assert bench.accepted == [2, 1, 4, 3, 6, 5]


def test_other_flows_do_not_overtake() -> None:
    bench = Bench(Reorder(Match(which=Which(first=1)), gap=1))
    for sport in (1, 2, 3, 1):
        bench.feed(udp(sport=sport))
    assert bench.accepted == [2, 3, 4, 1]


def test_nobody_overtakes_and_it_goes_on_at_last() -> None:
    bench = Bench(Reorder(ALL, seconds=0.05))
    packet = bench.feed(udp())
    bench.wait(50 * MS)
    assert bench.accepted == [packet]
    assert bench.feed(udp()) not in bench.accepted  # held anew: it is not a late overtaker
    bench.wait(100 * MS)
    assert bench.accepted == [1, 2]


def test_the_kernels_answers_wait_and_are_no_packets_of_the_fault() -> None:
    bench = Bench()
    reject = Reject("icmp-port", Match(port=7000), delay=0.001)
    bench.emulation.delay_answers("f1", reject, 3)
    answer = bench.feed(ip("10.0.0.1", "10.0.0.2", 1, bytes([3, 3]) + bytes(6) + udp(b"x")), out=True)
    other = bench.feed(udp(out=True), out=True)
    assert bench.accepted == [other]
    bench.wait(MS)
    assert bench.accepted == [other, answer]
    assert bench.log() == ()
    answer = bench.feed(ip("10.0.0.1", "10.0.0.2", 1, bytes([3, 3]) + bytes(6) + udp(b"x")), out=True)
    bench.take(bench.emulation.forget_answers("f1", bench.now))
    assert bench.accepted[-1] == answer
    assert bench.emulation.next_due() is None


def test_healing_lets_go_what_waits_to_the_faults_behind() -> None:
    bench = Bench(Delay(1, ALL), Delay(0.5, ALL))
    packet = bench.feed(udp())
    bench.wait(10 * MS)
    bench.remove("f1")
    bench.wait(510 * MS - 1)
    assert bench.accepted == []
    bench.wait(510 * MS)
    assert bench.accepted == [packet]
    assert bench.did("f1") == [(1, "delayed"), (1, "released")]


def test_healing_the_second_lets_go_only_its_own() -> None:
    bench = Bench(Delay(0.1, ALL), Delay(1, ALL))
    first = bench.feed(udp())
    bench.wait(150 * MS)
    second = bench.feed(udp())
    bench.remove("f2")
    assert bench.accepted == [first]
    bench.wait(250 * MS)
    assert bench.accepted == [first, second]


def test_a_packet_that_finds_no_room_is_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "MOST_WAITING", 2)
    bench = Bench(Delay(1, ALL))
    for _ in range(3):
        bench.feed(udp())
    assert bench.dropped == [3]
    assert bench.emulation.counts("f1") == (2, 3, 1)
    assert bench.did() == [(1, "delayed"), (2, "delayed"), (3, "lost")]
    bench.wait(1000 * MS)
    assert bench.accepted == [1, 2]
    bench.feed(udp())
    assert bench.emulation.counts("f1") == (3, 4, 1)


def test_tcp_that_waits_on_its_way_out_is_taken_from_the_kernel() -> None:
    bench = Bench(Delay(1, ALL))
    segment = bench.feed(tcp(ACK, b"x", out=True), out=True)
    datagram = bench.feed(udp(out=True), out=True)
    assert bench.dropped == [segment]
    bench.wait(1000 * MS)
    assert bench.injected == [tcp(ACK, b"x", out=True)]
    assert bench.accepted == [datagram]


def test_tcp_that_may_still_be_refused_stays_with_the_kernel() -> None:
    bench = Bench(Delay(1, ALL))
    bench.add(Reject("tcp-reset", Match(direction="out", proto="tcp")), mark=9)
    segment = bench.feed(tcp(ACK, b"x", out=True), out=True)
    bench.wait(1000 * MS)
    assert bench.actions == [(0, segment, None, 9, "")]


def test_everything_leaves_in_order_at_the_end() -> None:
    bench = Bench(Delay(1, ALL), Reorder(Match(which=Which(nth=2)), gap=5))
    for _ in range(3):
        bench.feed(udp())
    bench.take(bench.emulation.release_all())
    assert bench.accepted == [1, 2, 3]
    assert bench.emulation.next_due() is None
    assert bench.feed(udp()) in bench.accepted
