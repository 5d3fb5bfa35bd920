"""What is made of the figures: ratios, targets."""

import pytest

from scripts.machine.bench.accounting import Memory
from scripts.machine.bench.rounds import Round
from scripts.machine.bench.samples import Footprint, FramedSample
from scripts.machine.bench.summary import footprints, framed_rows, rows, under_load
from scripts.machine.bench.targets import GROWTH, judge
from tests.unit.machine.bench_samples import result, sample


def footprint(pss: int = 0, rss: int = 0) -> Footprint:
    return Footprint(Memory(1000, 1000), Memory(1000 + rss, 1000 + pss), 1000)


def test_a_ratio_is_made_within_its_round() -> None:
    # The machine was three times as fast in the second round: the medians alone would tell another story.
    made = rows(
        [
            {"C": sample(1000, 2), "epoll": sample(800, 4)},
            {"C": sample(3000, 1), "epoll": sample(2400, 2)},
            {"C": sample(1000, 2), "epoll": sample(500, 5)},
        ],
        ("C", "uvloop"),
    )
    by_name = {row.name: row for row in made}
    assert by_name["epoll"].rate_ratios == {"C": pytest.approx(0.8)}
    assert by_name["epoll"].cpu_ratios == {"C": pytest.approx(0.5)}
    assert by_name["C"].cpu_ratios == {"C": 1.0}
    assert (by_name["epoll"].rate, by_name["epoll"].best, by_name["epoll"].worst) == (800, 2400, 500)
    assert by_name["epoll"].cpu == 4


def test_the_cheapest_comes_first_and_a_missing_round_is_no_figure() -> None:
    made = rows([{"a": sample(cpu=9), "b": sample(cpu=3)}, {"a": sample(cpu=1)}], ("b",))
    assert [row.name for row in made] == ["b", "a"]
    assert made[1].cpu_ratios == {"b": pytest.approx(3 / 9)}


def test_lost_datagrams_of_all_rounds_are_counted() -> None:
    [row] = rows([{"C": sample(lost=2)}, {"C": sample(lost=3)}])
    assert row.lost == 5


def test_framed_is_held_against_echo_of_its_round() -> None:
    made = framed_rows(
        result(
            "framed",
            {"epoll": FramedSample(sample(cpu=2), sample(cpu=4))},
            {"epoll": FramedSample(sample(cpu=10), sample(cpu=30))},
            {"epoll": FramedSample(sample(cpu=1), sample(cpu=2.2))},
        )
    )
    assert [row.framed.name for row in made] == ["epoll"]
    assert made[0].cost == pytest.approx(2.2)


def test_memory_is_by_connection_and_by_group() -> None:
    made = footprints(result("idle", {"epoll": footprint(pss=500)}))
    assert made["epoll"].per_connection == 512
    assert under_load(result("idle", {"epoll": footprint()})) == [{}]


def verdict(name: str, *made: Round, who: str = "epoll", other: str = "") -> tuple[float | None, bool | None]:
    [found] = [v for v in judge({name: result(name, *made)}) if (v.who, v.other) == (who, other)]
    return found.seen, found.met


@pytest.mark.parametrize(("cpu", "met"), [(10.0, True), (11.7, True), (11.8, False)])
def test_a_speed_is_reached_or_not(cpu: float, met: bool) -> None:  # noqa: FBT001 - an expectation
    seen, was = verdict("pingpong-50", {"C": sample(cpu=10), "epoll": sample(cpu=cpu)}, other="C")
    assert seen == pytest.approx(10 / cpu)
    assert was is met


@pytest.mark.parametrize("other", ["C", "uvloop"])
def test_what_was_not_measured_is_neither_met_nor_missed(other: str) -> None:
    assert verdict("accepts", {"select": sample()}, other=other) == (None, None)


def test_framed_may_cost_so_much_and_no_more() -> None:
    assert verdict("framed", {"epoll": FramedSample(sample(cpu=2), sample(cpu=5))}) == (2.5, True)
    assert verdict("framed", {"epoll": FramedSample(sample(cpu=2), sample(cpu=5.2))}) == (2.6, False)


def test_memory_may_grow_so_much_and_no_more() -> None:
    made = {"epoll": footprint(rss=GROWTH), "pool": footprint(rss=GROWTH + 1)}
    assert verdict("growth", made) == (GROWTH, True)
    assert verdict("growth", made, who="pool") == (GROWTH + 1, False)
    assert verdict("idle", {"select": footprint(pss=976)}, who="select") == (999.424, True)
    assert verdict("idle", {"select": footprint(pss=977)}, who="select") == (1000.448, False)


def test_a_style_whose_growth_could_not_be_measured_is_in_the_list() -> None:
    made = result("growth", {"epoll": footprint()})
    made.failures["pool"] = "it fell over"
    assert {(v.who, v.met) for v in judge({"growth": made})} == {("epoll", True), ("pool", None)}


def test_the_generators_are_compared_by_rate() -> None:
    made = {"C": sample(rate=1000, cpu=1), "load": sample(rate=590, cpu=1)}
    assert verdict("load", made, who="load", other="C") == (0.59, False)
