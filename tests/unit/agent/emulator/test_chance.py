"""Loss: its share, its runs, and that a seed repeats it."""

import itertools

import pytest

from services.agent.emulator.seeds import seeded
from socketlab.wire import Corrupt, Delay, Drop, Loss, Match, Which
from tests.unit.agent.emulator.packets import Bench, udp

PACKET = udp()


def lost(fault: Loss, count: int) -> list[int]:
    bench = Bench(fault)
    for _ in range(count):
        bench.feed(PACKET)
    assert len(bench.accepted) + len(bench.dropped) == count
    assert bench.emulation.counts("f1")[:2] == (len(bench.dropped), count)
    return bench.dropped


@pytest.mark.parametrize("probability", [0.01, 0.3, 0.5, 0.9])
def test_the_share_of_lost_packets(probability: float) -> None:
    deviation = (10_000 * probability * (1 - probability)) ** 0.5
    for seed in range(3):
        count = len(lost(Loss(probability, Match(), seed=seed), 10_000))
        assert abs(count - 10_000 * probability) < 4 * deviation


def test_certainty() -> None:
    assert len(lost(Loss(1, Match(), seed=1), 100)) == 100
    assert len(lost(Loss(1, Match(), burst=3, seed=1), 100)) == 100


@pytest.mark.parametrize(("probability", "burst"), [(0.1, 5.0), (0.3, 3.0), (0.5, 1.0), (0.2, 20.0)])
def test_runs_have_their_mean_length_and_all_of_them_their_share(probability: float, burst: float) -> None:
    gone = set(lost(Loss(probability, Match(), burst=burst, seed=5), 50_000))
    runs = [
        len(list(group)) for is_gone, group in itertools.groupby(n in gone for n in range(50_001)) if is_gone
    ]
    assert sum(runs) / 50_000 == pytest.approx(probability, rel=0.15)
    assert sum(runs) / len(runs) == pytest.approx(burst, rel=0.15)


@pytest.mark.parametrize("burst", [None, 4.0])
def test_a_seed_loses_the_same_ordinals(burst: float | None) -> None:
    fault = Loss(0.3, Match(), burst=burst, seed=11)
    assert lost(fault, 500) == lost(fault, 500)
    assert lost(fault, 500) != lost(Loss(0.3, Match(), burst=burst, seed=12), 500)


def test_which_bounds_what_is_lost_not_what_is_tried() -> None:
    assert len(lost(Loss(0.2, Match(which=Which(at_most=3)), seed=1), 200)) == 3
    assert lost(Loss(1, Match(which=Which(every=3)), seed=1), 9) == [3, 6, 9]


@pytest.mark.parametrize(
    "fault",
    [
        Loss(0.5, Match()),
        Corrupt(Match()),
        Delay(0.1, Match(), jitter=0.05),
        Drop(Match(which=Which(probability=0.5))),
    ],
)
def test_a_seed_that_is_not_given_is_drawn_and_shown(fault: Loss) -> None:
    assert "seed=42" in repr(seeded(fault, lambda: 42))
    assert seeded(seeded(fault, lambda: 42), lambda: 43) == seeded(fault, lambda: 42)
    assert seeded(fault) != seeded(fault)


@pytest.mark.parametrize("fault", [Delay(0.1, Match()), Drop(Match(which=Which(nth=3))), Drop(Match())])
def test_what_leaves_nothing_to_chance_needs_no_seed(fault: Drop) -> None:
    assert seeded(fault) == fault
