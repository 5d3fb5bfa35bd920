"""The walk through the faults; twins; and the same again for the same packets and times."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.agent.emulator.line import MOST_COPIES
from services.agent.emulator.stages import Emulated, is_emulated, match_for
from socketlab.wire import (
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Hold,
    Limit,
    Loss,
    Match,
    Reject,
    Reorder,
    Reset,
    Segments,
    SlowHandshake,
    Which,
)
from socketlab.wire.fault import KINDS
from tests.unit.agent.emulator.packets import ACK, FIN, MS, SYN, Bench, tcp, udp

ALL = Match(direction="both")
UDP = Match(proto="udp")


def test_without_a_fault_everything_passes() -> None:
    bench = Bench()
    bench.feed(udp())
    bench.feed(b"no packet")
    assert bench.actions == [(0, 1, None, 0, ""), (0, 2, None, 0, "")]


def test_what_cannot_be_read_passes_every_fault() -> None:
    bench = Bench(Drop(ALL))
    assert bench.feed(b"\x45 no packet") in bench.accepted


def test_the_first_drop_ends_the_walk() -> None:
    bench = Bench(Drop(Match(which=Which(first=1))), Drop(Match(which=Which(first=1))))
    for _ in range(3):
        bench.feed(udp())
    assert bench.dropped == [1, 2]
    assert bench.did() == [(1, "dropped"), (1, "dropped")]
    assert [bench.emulation.counts(lease)[:2] for lease in ("f1", "f2")] == [(1, 3), (1, 2)]


def test_a_refused_packet_carries_its_mark() -> None:
    bench = Bench()
    bench.add(Reject("icmp-port", Match(payload=b"x")), mark=0x51020001)
    bench.feed(udp(b"x"))
    bench.feed(udp(b"y"))
    bench.feed(udp(b"x", family="ipv6"))
    assert [mark for _what, _number, _data, mark, _lease in bench.actions] == [0x51020001, 0, 0]


def test_copies_follow_and_meet_the_faults_behind() -> None:
    bench = Bench(Duplicate(UDP, copies=2), Drop(Match(which=Which(nth=2))))
    bench.feed(udp(b"abc"))
    assert bench.accepted == [1]
    assert bench.injected == [udp(b"abc")]
    bench = Bench(Drop(Match(which=Which(nth=2))), Duplicate(UDP, copies=2))
    bench.feed(udp(b"abc"))
    assert bench.injected == [udp(b"abc")] * 2


def test_copies_are_changed_by_themselves() -> None:
    bench = Bench(Duplicate(UDP), Corrupt(UDP, seed=1))
    bench.feed(udp(b"abcdefgh"))
    changed = {bench.bytes_of(1), *bench.injected}
    assert len(changed) == 2
    assert udp(b"abcdefgh") not in changed


def test_copies_of_copies_have_an_end() -> None:
    bench = Bench(*(Duplicate(UDP, copies=10) for _ in range(20)))
    bench.feed(udp())
    assert len(bench.injected) == MOST_COPIES
    assert sum(bench.emulation.counts(f"f{number}").overflow for number in range(1, 21)) > 0


def test_a_broadcast_that_arrived_is_not_sent_again() -> None:
    data = bytearray(udp())
    data[16:20] = bytes([255] * 4)
    bench = Bench(Duplicate(UDP))
    bench.feed(bytes(data))
    assert bench.injected == []
    assert bench.did() == [(1, "passed")]


def test_both_directions_have_one_count() -> None:
    bench = Bench(Drop(Match(direction="both", which=Which(every=2))))
    for number in range(4):
        bench.feed(udp(out=bool(number % 2)), out=bool(number % 2))
    assert bench.dropped == [2, 4]


@pytest.mark.parametrize("order", list(itertools.permutations(["f1", "f2", "f3"])))
def test_faults_are_healed_in_any_order(order: tuple[str, ...]) -> None:
    bench = Bench(Delay(1, ALL), Hold(ALL), Loss(1, Match(proto="tcp")))
    bench.feed(udp())
    for lease in order:
        bench.remove(lease)
    assert bench.accepted == [1]
    assert bench.feed(udp()) in bench.accepted


@pytest.mark.parametrize("kind", KINDS.values())
def test_each_kind_is_the_emulators_or_not(kind: type[Emulated]) -> None:
    ours = {
        Corrupt,
        Delay,
        Drop,
        Duplicate,
        Hold,
        Limit,
        Loss,
        Reject,
        Reorder,
        Reset,
        Segments,
        SlowHandshake,
    }
    made = object.__new__(kind)
    if kind is Reset:
        assert is_emulated(Reset(Match()))
        assert not is_emulated(Reset(Match(), now=True))
    else:
        assert is_emulated(made) is (kind in ours)


def test_no_more_is_handed_over_than_is_needed() -> None:
    assert match_for(SlowHandshake(1, Match(port=7000))).flags == "SYN,!ACK"
    assert match_for(SlowHandshake(1, Match(port=7000, direction="both"))).flags is None
    assert match_for(Reject("icmp6-port", Match(payload=b"x"))).family == "ipv6"


TWINS: list[tuple[Emulated, str]] = [
    (Drop(Match(which=Which(nth=9))), "dropped"),
    (Loss(1e-9, ALL, seed=1), "dropped"),
    (Limit(10_000, ALL), "dropped"),
    (Duplicate(ALL), "accepted"),
    (Reorder(ALL), "accepted"),
    (Corrupt(ALL), "accepted"),
    (Hold(ALL), "accepted"),
    (Delay(0.02, ALL), "later"),
]


@pytest.mark.parametrize(("fault", "expected"), TWINS)
def test_a_twin_shows_the_fault_and_counts_for_nothing(fault: Emulated, expected: str) -> None:
    bench = Bench(fault, Drop(ALL))
    bench.emulation.open_twin("f1", 555)
    bench.feed(udp(sport=555))
    bench.feed(udp(out=True, sport=4), out=True)  # from another port: a packet like any other
    bench.actions = [action for action in bench.actions if action[1] == 1]
    assert bench.emulation.twin_bitten(555) == 1
    assert bench.injected == []
    if expected == "later":
        assert bench.actions == []
        bench.wait(20 * MS)
        expected = "accepted"
    assert (bench.accepted, bench.dropped)[expected == "dropped"] == [1]
    assert all(entry.flow.startswith("udp 10.0.0.1:7000") for entry in bench.log())
    seen = bench.emulation.counts("f1").seen
    bench.take(bench.emulation.close_twin(555, bench.now))
    bench.feed(udp(sport=555))
    assert bench.emulation.counts("f1").seen == (seen or 0) + 1


def test_a_twin_has_the_selectors_of_its_fault() -> None:
    bench = Bench(Drop(Match(payload=b"yes")))
    bench.emulation.open_twin("f1", 555)
    bench.feed(udp(b"no", sport=555))
    bench.feed(udp(b"yes", sport=555))
    assert (bench.accepted, bench.dropped, bench.emulation.twin_bitten(555)) == ([1], [2], 1)


def test_a_refusals_twin_is_refused_and_one_that_waits_is_let_go_with_it() -> None:
    bench = Bench(Delay(1, ALL))
    lease = bench.add(Reject("icmp-port", ALL), mark=7)
    bench.emulation.open_twin(lease, 555)
    bench.feed(udp(sport=555))
    assert bench.actions == [(0, 1, None, 7, "")]
    bench.emulation.open_twin("f1", 556)
    bench.feed(udp(sport=556))
    bench.take(bench.emulation.close_twin(556, bench.now))
    assert bench.accepted == [1, 2]


_chance = st.floats(0.01, 1)
_seed = st.integers(0, 9)
_which = (
    st.none() | st.builds(Which, every=st.integers(1, 4)) | st.builds(Which, probability=_chance, seed=_seed)
)
_match = st.builds(
    Match,
    proto=st.sampled_from([None, "tcp"]),
    direction=st.sampled_from(["in", "out", "both"]),
    which=_which,
)
_faults = st.lists(
    st.one_of(
        st.builds(Drop, _match),
        st.builds(Loss, _chance, _match, seed=_seed),
        st.builds(Loss, st.floats(0.01, 0.5), _match, burst=st.just(3), seed=_seed),
        st.builds(Duplicate, _match, copies=st.integers(1, 2)),
        st.builds(
            Delay, st.floats(0.002, 0.02), _match, jitter=st.just(0.002), reorder=st.booleans(), seed=_seed
        ),
        st.builds(Reorder, _match, gap=st.integers(1, 3)),
        st.builds(Corrupt, _match, checksum=st.sampled_from(["broken", "valid"]), seed=_seed),
        st.builds(Hold, _match, most=st.just(3)),
        st.builds(Limit, st.integers(0, 20), _match),
        st.builds(SlowHandshake, st.just(0.01), _match),
        st.builds(Reset, _match),
        st.builds(Segments, st.just(100), _match),
    ),
    min_size=1,
    max_size=5,
)
_packets = st.lists(
    st.tuples(
        st.integers(0, 5 * MS),
        st.booleans(),
        st.sampled_from(["udp", SYN, ACK, FIN | ACK]),
        st.integers(0, 3),
        st.binary(max_size=8),
        st.sampled_from(["ipv4", "ipv6"]),
    ),
    max_size=40,
)
_steps = st.sampled_from(["release", "drop", "duplicate"])


def run(
    faults: list[Emulated], packets: list[tuple[int, bool, str | int, int, bytes, str]], how: str
) -> Bench:
    """Feed it all; in the middle one held packet is let go, later a fault is healed."""
    bench = Bench(*faults)
    for number, (later, out, kind, seq, payload, family) in enumerate(packets):
        data = (
            udp(payload, family=family, out=out)
            if isinstance(kind, str)
            else tcp(kind, payload, family=family, out=out, seq=seq, options=b"\x02\x04\x05\xb4")
        )
        bench.feed(data, out=out, at=bench.now + later)
        if number == 10 and (held := bench.emulation.held()):
            bench.take(bench.emulation.advance(bench.now, held[0].number, how))  # type: ignore[arg-type]
        if number == 20:
            bench.remove("f1")
    bench.wait(bench.now + 1000 * MS)
    return bench


@settings(max_examples=60, deadline=None)
@given(_faults, _packets, _steps)
def test_the_same_packets_and_times_give_the_same_log_byte_for_byte(
    faults: list[Emulated], packets: list[tuple[int, bool, str | int, int, bytes, str]], how: str
) -> None:
    first, second = run(faults, packets, how), run(faults, packets, how)
    assert first.actions == second.actions
    assert first.log() == second.log()
    assert [entry.number for entry in first.log()] == list(range(1, len(first.log()) + 1))


@settings(max_examples=60, deadline=None)
@given(_faults, _packets, _steps)
def test_no_packet_gets_two_verdicts_and_none_is_forgotten(
    faults: list[Emulated], packets: list[tuple[int, bool, str | int, int, bytes, str]], how: str
) -> None:
    bench = run(faults, packets, how)
    bench.take(bench.emulation.release_all())
    assert sorted(bench.accepted + bench.dropped) == list(range(1, len(packets) + 1))
